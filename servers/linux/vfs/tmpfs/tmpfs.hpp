// SPDX-License-Identifier: MIT
// TmpFs: a file system in the zone's memory; the root file system is one, filled from the boot bundle. A file's pages
// are frames of the zone, or, until they are first written, the bundle's own. Holes take no memory.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "servers/linux/frames.hpp"
#include "servers/linux/vfs/file_system.hpp"

namespace pith::lx {

class TmpFs : public FileSystem {
  public:
    /// `max_pages` limits its files' memory: ENOSPC. `type_name`: tmpfs, devtmpfs or rootfs.
    static SysResult<Ref<TmpFs>> create(Zone& zone, u64 device, std::string_view type_name, u64 max_pages,
                                        u32 root_mode);
    TmpFs(Zone& of, u64 device, std::string_view type_name, u64 max_pages);
    ~TmpFs() override;
    std::string_view type() const override { return type_; }
    Ref<Inode> root() override { return root_; }
    Async<FileSystemUsage> usage() override;

    /// A file with the content of bundle frames; not in any directory yet.
    Ref<Inode> make_bundle_file(u32 mode, FrameNumber first, u64 size);
    /// A file without a name (memfd, O_TMPFILE): links is 0.
    SysResult<Ref<Inode>> make_unnamed(const NewFile& file);

    u64 next_number() { return ++last_number_; }
    SysResult<FrameRef> allocate_page();
    void page_freed() { --used_pages_; }
    /// ENOSPC: too many files.
    SysResult<> inode_made();
    void inode_gone() { --inodes_; }
    const FrameRef& zero_page() const { return zero_; }
    void set_max_pages(u64 pages) { max_pages_ = pages; }

  private:
    std::string_view type_;
    u64 max_pages_;
    u64 max_inodes_ = 200'000;
    u64 used_pages_ = 0;
    u64 inodes_ = 0;
    u64 last_number_ = 0;
    FrameRef zero_;
    Ref<Inode> root_;
};

/// The content of a file. Kept by its inode and by mappings.
class TmpContent : public PageSource {
  public:
    explicit TmpContent(Ref<TmpFs> of) : file_system_(std::move(of)) {}
    ~TmpContent() override;
    SysResult<FrameRef> page(u64 index, bool write) override;
    u64 page_count() const override { return (static_cast<u64>(size) + kPageSize - 1) / kPageSize; }
    FrameRef peek(u64 index) override;
    void written() override;
    const Inode* file() const override { return inode; }

    void set_bundle(FrameNumber first, u64 pages) { bundle_first_ = first, bundle_pages_ = pages; }
    /// Frame of a page, kNoFrame for a hole.
    FrameNumber find(u64 index) const;
    /// A page that may be written; also at and behind the end (for a write that will move it).
    SysResult<FrameRef> own_page(u64 index);
    /// Drops [first, last).
    void drop(u64 first, u64 last);
    /// Zeroes bytes [from, to) of one page, if it is there.
    SysResult<> zero(u64 index, u32 from, u32 to);
    u64 pages_held() const { return held_; }
    /// The first page from `index` on that is there (`hole`: that is not).
    u64 next(u64 index, bool hole) const;

    i64 size = 0;
    bool end_mapped = false;  ///< programs may have written behind the end, in its page
    Inode* inode = nullptr;   ///< for written(); null when it is gone

  private:
    static constexpr u64 kChunk = 512;
    static constexpr FrameNumber kPunched = ~FrameNumber{0};  ///< hides a page of the bundle
    using Chunk = std::vector<FrameNumber>;
    FrameNumber& slot(u64 index);

    Ref<TmpFs> file_system_;
    std::map<u64, Chunk> chunks_;  ///< pages of our own, by index / kChunk
    FrameNumber bundle_first_ = kNoFrame;
    u64 bundle_pages_ = 0;
    u64 held_ = 0;
};

class TmpInode : public Inode {
  public:
    TmpInode(TmpFs& of, u32 file_mode);
    ~TmpInode() override;
    TmpFs& tmpfs() const { return static_cast<TmpFs&>(file_system()); }

  private:
    Ref<TmpFs> keeps_;
};

class TmpFile : public TmpInode {
  public:
    TmpFile(TmpFs& of, u32 file_mode);
    ~TmpFile() override;
    u64 blocks() const override { return content_->pages_held() * (kPageSize / 512); }
    Async<usize> read(i64 offset, UserIo& io) override;
    Async<usize> write(i64 offset, UserIo& io) override;
    Async<> truncate(i64 size) override;
    Async<> allocate(u32 mode, i64 offset, i64 length) override;
    Async<i64> seek_data(i64 offset, bool hole) override;
    Ref<PageSource> pages() override { return content_; }
    TmpContent& content() { return *content_; }
    void set_size(i64 size) { size_ = content_->size = size; }

  private:
    SysResult<> punch(i64 offset, i64 length);
    /// Before the file grows: what is behind its end in the last page is not of it.
    SysResult<> clear_behind_end();
    Ref<TmpContent> content_;
};

class TmpDirectory : public TmpInode {
  public:
    TmpDirectory(TmpFs& of, u32 file_mode) : TmpInode(of, file_mode), buckets_(8) { links = 2; }
    ~TmpDirectory() override;
    Async<Ref<Inode>> lookup(std::string_view name) override;
    Async<Ref<Inode>> create(std::string_view name, const NewFile& file) override;
    Async<Ref<Inode>> create_symlink(std::string_view name, std::string_view target,
                                     const NewFile& file) override;
    Async<Ref<Inode>> create_unnamed(const NewFile& file) override { return tmpfs().make_unnamed(file); }
    Async<> link(std::string_view name, Inode& inode) override;
    Async<> unlink(std::string_view name, Inode& inode) override;
    Async<> remove_directory(std::string_view name, Inode& inode) override;
    Async<> rename(std::string_view name, Inode& inode, Inode& to, std::string_view new_name, Inode* replaced,
                   bool exchange) override;
    Async<> read_directory(u64& position, DirectorySink& sink) override;
    void add(std::string_view name, Ref<Inode> inode);
    bool empty() const { return entries_.empty(); }
    /// Null: there is none.
    Inode* find(std::string_view name) const;

  private:
    struct Entry {
        std::string name;
        Ref<Inode> inode;
        u64 position = 0;
        u32 hash = 0;
        Entry* hash_next = nullptr;
    };
    Entry* entry(std::string_view name) const;
    /// Takes the entry out and gives its inode.
    Ref<Inode> remove(std::string_view name);
    void rehash();
    static u32 hash(std::string_view name);

    std::map<u64, Entry> entries_;  ///< by position, which grows with each new entry
    std::vector<Entry*> buckets_;
    u64 next_position_ = 3;
};

class TmpSymlink : public TmpInode {
  public:
    TmpSymlink(TmpFs& of, std::string_view target) : TmpInode(of, S_SYMLINK | 0777), target_(target) {
        size_ = static_cast<i64>(target.size());
    }
    Async<std::string> read_link(Thread&) override { return std::string(target_); }

  private:
    std::string target_;
};

/// Fills `file_system` with the "rootfs/..." entries of the bundle, whose first page is frame `first`.
SysResult<> load_bundle(TmpFs& file_system, std::span<const u8> bundle, FrameNumber first);

}  // namespace pith::lx
