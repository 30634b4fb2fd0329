// SPDX-License-Identifier: MIT
// Directories: blocks of entries, and over them, when there is more than one block, an index by hash (a tree of at most two levels;
// htree.cpp). Blocks of the index look like empty ones to who does not know it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "lib/ext4/volume.hpp"

namespace pith::ext4 {

constexpr usize kMaxName = 255;

struct Entry {
    u32 inode = 0;
    u8 type = 0;  ///< EXT2_FT_*
    std::string_view name;
    Buffer* buffer = nullptr;  ///< the block that it is in
    u32 offset = 0;            ///< in the block
    u32 length = 0;            ///< of its record
    u32 previous = 0;          ///< offset of the record before it; its own for the first
    u64 block = 0;             ///< of the directory
};

/// Bytes of the record of a name of `name` bytes.
u32 record_size(usize name);

/// The records of one block, in use or not. Checks each: next() is false at the end and where the block is broken (then
/// `broken()`).
class EntryReader {
  public:
    EntryReader(Volume& volume, Buffer& buffer, u64 block);
    bool next(Entry& entry);
    bool broken() const { return broken_; }

  private:
    Buffer& buffer_;
    u64 block_;
    u32 size_;  ///< of the block without its checksum
    u32 at_ = 0;
    u32 previous_ = 0;
    bool broken_ = false;
};

class Directory {
  public:
    Directory(Volume& volume, Inode& inode) : volume_(volume), inode_(inode) {}

    /// Errors: not_found, io.
    Result<Entry> find(std::string_view name);
    /// The name is not there yet. Errors: no_space, io.
    Result<> add(std::string_view name, u32 inode, u8 type);
    Result<> remove(const Entry& entry);
    /// Makes `entry` name another inode.
    Result<> redirect(const Entry& entry, u32 inode, u8 type);
    /// Nothing but "." and "..".
    Result<bool> empty();
    /// The first block of a new one.
    Result<> make(u32 parent);

    u64 blocks() const { return inode_.size() / volume_.block_size(); }
    bool indexed() const { return (inode_.raw->i_flags & EXT2_INDEX_FL) != 0; }
    /// Errors: io (not a block of the directory, or broken).
    Result<Buffer*> block(u64 index);
    struct Hash {
        u32 major = 0;
        u32 minor = 0;
    };
    /// Errors: io: a kind of hash that is not known.
    Result<Hash> hash(std::string_view name, u32 version) const;
    /// Of the index, or that an index would have.
    Result<u32> hash_version();

    /// The blocks with entries whose hash is `hash` or, behind the end of that block, the next hashes. `next` receives where to
    /// go on (the first hash of what follows), or 0 at the end.
    Result<std::vector<u64>> leaves(u32 hash, u64& next);

  private:
    struct Frame;
    struct Named {  ///< an entry on its way into another block
        std::string_view name;
        u32 inode = 0;
        u8 type = 0;
        u32 hash = 0;
        u32 size = 0;  ///< of its record
    };
    Result<Entry> find_in(u64 index, std::string_view name);
    Result<Entry> find_by_hash(std::string_view name);
    Result<bool> add_to(u64 index, std::string_view name, u32 inode, u8 type);
    Result<> add_by_hash(std::string_view name, u32 inode, u8 type);
    Result<Buffer*> append(u64& index);
    void clear(Buffer& buffer);
    void fill(Buffer& buffer, std::span<const Named> entries);
    Result<> seal(Buffer& buffer);

    Result<Frame> frame(u64 index, bool root);
    u16 limit(usize offset) const;
    Result<std::vector<Frame>> walk(u32 hash);
    Result<> make_index();
    Result<> make_room(std::vector<Frame>& path);
    Result<> insert_index(Frame& frame, u32 hash, u64 block);
    Result<u64> split(std::vector<Frame>& path, u64 leaf, u32 hash, u32 version);

    Volume& volume_;
    Inode& inode_;
};

}  // namespace pith::ext4
