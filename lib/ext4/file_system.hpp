// SPDX-License-Identifier: MIT
// An ext4 file system: files by number, names in directories. What a file server needs, on the Volume's operations and
// transactions.
//
// Every operation is atomic: it happens as a whole or not at all, also across a power cut; only write(), truncate(), allocate() and
// punch() of much may be cut off in between. What has been done is durable when a later sync() returns; operations become durable in
// the order in which they were done. Data is on the disk before what points to it.
//
// Errors, of every operation: bad_handle: the file is gone (or its number is another file's now); io: the device, or the file
// system is broken there, which ends all changes; access: the file system may not be written (an error of the journal, or a
// broken file system, makes it so); no_memory. Others as said. One operation at a time; the device may suspend the caller
// within one.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "lib/ext4/volume.hpp"

namespace pith::ext4 {

/// A file, for as long as it is there.
struct FileId {
    u32 inode = 0;
    u32 generation = 0;
    bool operator==(const FileId&) const = default;
};

struct Attributes {
    FileId id;
    u16 mode = 0;  ///< type and permissions, as Linux has them
    u32 links = 0;
    u32 user = 0;
    u32 group = 0;
    u32 device_major = 0;
    u32 device_minor = 0;
    u64 size = 0;
    u64 sectors = 0;  ///< of 512 bytes, that it takes
    Time accessed, modified, changed, created;
};

/// What set_attributes() changes.
struct AttributeChange {
    std::optional<u16> permissions;  ///< 12 bits
    std::optional<u32> user;
    std::optional<u32> group;
    std::optional<Time> accessed;
    std::optional<Time> modified;
};

struct NewFile {
    u16 mode = 0;  ///< type and permissions; not a directory, not a symbolic link
    u32 user = 0;
    u32 group = 0;
    u32 device_major = 0;
    u32 device_minor = 0;
    FileId as;  ///< the inode and generation that it gets; {}: whichever
};

/// Where a piece of a file is on the device.
struct Piece {
    static constexpr u64 kHole = ~u64{0};
    u64 length = 0;  ///< bytes
    u64 device = 0;  ///< offset; kHole: it reads as zeros
};

struct Statistics {
    u64 block_size = 0;
    u64 blocks = 0;
    u64 free = 0;
    u64 available = 0;  ///< without what is kept for the super-user
    u64 files = 0;
    u64 free_files = 0;
    u64 id = 0;
};

struct Listed {
    std::string_view name;
    u32 inode;
    u8 type;   ///< EXT2_FT_*: 1 file, 2 directory, 3 character, 4 block, 5 pipe, 6 socket, 7 link
    u64 next;  ///< the cookie that goes on behind it
};

class FileSystem {
  public:
    /// Errors: those of Volume::mount.
    static Result<std::unique_ptr<FileSystem>> mount(BlockDevice& device, const MountOptions& options);
    /// Leaves it clean. Without it, what is not synced is lost as by a power cut.
    Result<> unmount();
    Volume& volume() { return *volume_; }

    Result<FileId> root();
    /// The file with that number. Errors: not_found.
    Result<FileId> find(u32 inode);
    /// Errors: not_found; wrong_type: `directory` is none; invalid: an impossible name.
    Result<FileId> lookup(FileId directory, std::string_view name);
    Result<Attributes> attributes(FileId file);
    Result<> set_attributes(FileId file, const AttributeChange& change);
    /// Calls `entry` for what comes behind `cookie` (0: from the beginning) until it returns false. An entry that is there all the
    /// time is listed exactly once, whatever is added and removed in between. Errors: wrong_type.
    Result<> list(FileId directory, u64 cookie, const std::function<bool(const Listed&)>& entry);
    Result<Statistics> statistics();

    /// Bytes read: fewer at the end of the file. Errors: wrong_type: not a regular file.
    Result<usize> read(FileId file, u64 offset, std::span<u8> to);
    /// Where [offset, offset + length) of the file is, as far as it goes, one piece behind the other; returns bytes. For who
    /// reads the device himself, before the next change. Errors: as of read.
    Result<usize> locate(FileId file, u64 offset, usize length, std::vector<Piece>& pieces);
    /// The first byte from `offset` on that is data, or in a hole (what is behind the end is one, and what was never written).
    /// Errors: not_found: there is none, or `offset` is not within the file; wrong_type.
    Result<u64> seek(FileId file, u64 offset, bool hole);
    /// Bytes written: fewer when the disk is full in between. Errors: wrong_type; no_space; invalid: too big a file.
    Result<usize> write(FileId file, u64 offset, std::span<const u8> from);
    /// Errors: wrong_type, invalid.
    Result<> truncate(FileId file, u64 size);
    /// Blocks for [offset, offset + length), which read as zeros until they are written; the file grows, unless `keep_size`. Errors:
    /// wrong_type, no_space (some may have been allocated), invalid.
    Result<> allocate(FileId file, u64 offset, u64 length, bool keep_size);

    /// [offset, offset + length) reads as zeros, and its whole blocks are free; the file stays as long as it is. Errors: wrong_type; invalid;
    /// no_space: a part of it may have been done.
    Result<> punch(FileId file, u64 offset, u64 length);

    // Making names. Errors: exists, not_found (the directory has been removed), wrong_type, invalid: an impossible name; no_space;
    // no_slot: too many links; occupied: the inode that was asked for is in use.
    Result<FileId> create(FileId directory, std::string_view name, const NewFile& file);
    Result<FileId> make_directory(FileId directory, std::string_view name, const NewFile& file);
    Result<FileId> make_link(FileId directory, std::string_view name, std::string_view target,
                             const NewFile& file);
    /// A regular file near `directory`, which nobody can find: it is held, and an orphan on the disk.
    Result<FileId> create_unnamed(FileId directory, const NewFile& file);
    /// Also for a file that has no name, if it is held (else not_found).
    Result<> link(FileId file, FileId directory, std::string_view name);
    /// The target of a symbolic link: bytes put into `to`. Errors: wrong_type.
    Result<usize> read_link(FileId file, std::span<char> to);

    // Removing them. A file whose last name goes is removed too, if nobody holds it; with `orphan` it is named there ({}: none)
    // and left in the list of orphans, for `hold` or `reap`. Errors: not_found, wrong_type; occupied: a directory that is not empty.
    Result<> unlink(FileId directory, std::string_view name, FileId* orphan = nullptr);
    Result<> remove_directory(FileId directory, std::string_view name, FileId* orphan = nullptr);
    /// With `replace`, what is at the new name goes (an empty directory for a directory, anything else for anything else). Errors: also exists
    /// (without `replace`); invalid: a directory into itself.
    Result<> rename(FileId from, std::string_view name, FileId to, std::string_view new_name, bool replace,
                    FileId* orphan = nullptr);

    /// What one name means the other one does then. Errors: also invalid: a directory into itself.
    Result<> exchange(FileId from, std::string_view name, FileId to, std::string_view other);

    /// A held file stays when its last name goes, until it is released; it is in the list of orphans on the disk.
    Result<> hold(FileId file);
    /// Nobody holds it any more: without a name it is removed.
    Result<> release(FileId file);
    /// Nobody holds any: all that have no name are removed.
    Result<> release_all();
    /// Removes it, if it has no name and nobody holds it.
    Result<> reap(FileId file);
    /// Removes the orphans that nobody holds: after a mount, when everyone has had time to hold theirs again.
    Result<> reap_orphans();

    /// Everything done before is durable when it returns. Errors: io: it is not, and never will be.
    Result<> sync();

  private:
    explicit FileSystem(std::unique_ptr<Volume> volume) : volume_(std::move(volume)) {}
    template <typename Body>
    auto operate(usize blocks, Body&& body) -> decltype(body());
    template <typename Body>
    auto look(Body&& body) -> decltype(body());
    void judge(Error error, u64 device_errors);
    Result<Inode> open(FileId file);
    Result<Inode> open_directory(FileId file);
    Result<> commit();
    void stamp(Inode& inode, bool modified);

    Result<Inode> new_inode(u32 directory, const NewFile& file, u16 mode);
    Result<FileId> make(FileId directory, std::string_view name, const NewFile& file, u16 mode,
                        const std::function<Result<>(Inode&, Inode&)>& fill);
    Result<> add_name(Inode& directory, std::string_view name, const Inode& inode);
    Result<> count_links(Inode& inode, int change);
    Result<bool> drop_link(Inode& inode);
    Result<> change_parent(Inode& inode, Inode& from, Inode& to);
    Result<> check_new_parent(const Inode& inode, u32 directory);
    Result<> list_by_hash(Inode& directory, u64 cookie, const std::function<bool(const Listed&)>& entry);
    Result<> list_by_place(Inode& directory, u64 cookie, const std::function<bool(const Listed&)>& entry);

    Result<usize> write_part(FileId file, u64 offset, std::span<const u8> from, usize extents);
    Result<> write_blocks(Inode& inode, u64 offset, std::span<const u8> from, usize extents, usize& done);
    Result<> write_data(u64 block, usize within, std::span<const u8> from, bool keep);
    Result<> read_data(u64 at, std::span<u8> to);
    Result<> zero_within(const Inode& inode, u64 from, u64 to);
    Result<> zero_tail(Inode& inode, u64 size);
    Result<bool> cut(FileId file, u64 size, bool first);
    Result<> grow(FileId file, u64 size);
    u64 goal(const Inode& inode, u64 logical);

    Result<> add_orphan(Inode& inode);
    Result<> remove_orphan(Inode& inode);
    Result<std::vector<u32>> orphans();
    Result<> remove_file(u32 number);
    Result<> finish_truncations();
    bool held(u32 number) const { return holds_.contains(number); }
    Result<> settle_orphan(FileId file, FileId* orphan);

    std::unique_ptr<Volume> volume_;
    std::set<u32> holds_;  ///< inodes
    std::map<u32, u64>
        stale_tails_;  ///< files cut by the running transaction, whose last block has bytes to be zeroed behind it
    std::vector<u8> bounce_;
};

/// Reads the file system, not within operate().
template <typename Body>
auto FileSystem::look(Body&& body) -> decltype(body()) {
    volume_->trim();
    const u64 device_errors = volume_->device_errors();
    auto result = body();
    judge(result.error(), device_errors);
    return result;
}

/// Changes the file system with a bound on its size in blocks; undoes it when it fails, and tries again if the space that it lacks
/// comes with the commit.
template <typename Body>
auto FileSystem::operate(usize blocks, Body&& body) -> decltype(body()) {
    for (bool again = false;; again = true) {
        PITH_CHECK(volume_->begin(blocks));
        const u64 device_errors = volume_->device_errors();
        auto result = body();
        if (result.ok()) {
            volume_->finish();
            return result;
        }
        volume_->rollback();
        judge(result.error(), device_errors);
        if (result.error() != Error::no_space || again || !volume_->frees_pending()) return result;
        PITH_CHECK(commit());
    }
}

}  // namespace pith::ext4
