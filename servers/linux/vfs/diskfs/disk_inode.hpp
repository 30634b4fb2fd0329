// SPDX-License-Identifier: MIT
// The inodes of a file system on a disk. This server is its only client, so attributes that are known are right until something here
// changes them. They are kept by DiskFs, by number, for as long as somebody refers to them and a while longer.
//
// In a folder that is shared with the host they are right for a moment. When they are asked for again, and the file has been changed
// by others, its pages go; but not while some are dirty or something here is changing it.
#pragma once

#include <memory>
#include <string>

#include "lib/fs/client.hpp"
#include "servers/linux/vfs/diskfs/file_cache.hpp"
#include "servers/linux/vfs/file_system.hpp"
#include "servers/linux/vfs/gate.hpp"

namespace pith::lx {

class DiskFs;

/// What a program sees of a request that failed.
Errno fs_errno(Error error);

inline Fs::Time to_fs(const Timespec& time) { return {time.seconds, static_cast<u32>(time.nanoseconds), 0}; }
inline Timespec from_fs(const Fs::Time& time) { return {time.seconds, time.nanoseconds}; }

class DiskInode : public Inode {
  public:
    DiskInode(DiskFs& of, const Fs::Attributes& attributes);
    ~DiskInode() override;
    DiskFs& fs() const { return *fs_; }
    FsClient& client() const;
    const Fs::FileId& id() const { return id_; }
    u64 blocks() const override { return sectors_; }
    Async<> refresh() override;
    Async<> refresh_to_open() override;
    /// What the file server says now. `asked`: FsClient::last_change() when it was asked; what has been changed here since is not undone.
    void take(const Fs::Attributes& now, u64 asked);
    /// Its attributes are those of a shared file system, and too old.
    bool outdated() const;
    static Task<SysResult<>> ask_again(Ref<DiskInode> self);
    /// It was found there.
    void found(const Fs::FileId& directory, std::string_view name);
    /// A server that has forgotten the file (bad_handle) finds it again where it was found. False: it is not there.
    Task<bool> remind(u32 levels = kMaxLevels);
    Async<> set_attributes(const AttributeChange& change) override;
    Async<> synchronise(bool data_only) override;

    /// It is open or mapped: it has to stay when its last name goes.
    virtual bool in_use() const { return users_ != 0; }
    /// While its last name is being removed: it can't be opened.
    bool going = false;
    u32 users_ = 0;  ///< open files
    /// A name has been removed. `held`: the file server keeps it until this inode is gone.
    void lost_name(bool held, const Timespec& time);
    void got_name(const Timespec& time);
    /// It was made without a name: the file server keeps it until this inode is gone.
    void set_held() { held_ = true; }
    bool held() const { return held_; }
    /// The server has the access time that is known here, when it is done.
    Task<SysResult<>> tell_access_time();
    /// Access times of a shared file system are the host's.
    bool access_time_told() const;
    /// Changes of a directory's names, or of a file's content.
    Gate& gate() { return gate_; }
    bool gate_taken() const { return gate_.taken(); }
    /// Size (of directories) and blocks are to be asked for again.
    void set_stale() { stale_ = true; }
    /// What is known of it, if others may change it, is not to be believed any more.
    void set_outdated() {
        if (shared_) shared_->looked_at = 0;
    }
    /// Something here has changed it.
    void changed_here() {
        if (shared_) shared_->changed_at = client().last_change();
    }
    void modified(const Timespec& time) { modify_time = change_time = time; }

    // Of DiskFs: who was used lately.
    Ref<DiskInode> keeper_;
    DiskInode* newer_ = nullptr;
    DiskInode* older_ = nullptr;
    DiskInode* bucket_next_ = nullptr;

  protected:
    /// Something here is changing it.
    virtual bool changing() const { return false; }
    /// Others have changed its content.
    virtual void changed_elsewhere(i64 size) { size_ = size; }
    /// What fsync does before the commit.
    virtual Task<SysResult<>> write_out();

  private:
    static constexpr u32 kMaxLevels = 32;
    static Task<SysResult<>> ask_to_open(Ref<DiskInode> self);
    Task<Result<>> ask();
    static Task<SysResult<>> change_attributes(Ref<DiskInode> self, AttributeChange change);
    static Task<SysResult<>> make_durable(Ref<DiskInode> self);
    Ref<DiskFs> fs_;
    Fs::FileId id_;
    u64 sectors_;
    Timespec told_access_time_;
    Gate gate_;
    bool stale_ = false;
    bool held_ = false;
    u64 seen_losses_;  ///< FsClient::losses() at the last fsync, which tells of them
    /// What is known of one that others may change.
    struct Shared {
        u64 looked_at = 0;   ///< when the server was asked last
        u64 changed_at = 0;  ///< the number of the last change here that may be of it
        Timespec seen_modified, seen_changed;
        Fs::FileId found_in{};
        std::string found_as;
    };
    std::unique_ptr<Shared> shared_;  ///< null: nobody else may
};

class DiskDirectory : public DiskInode {
  public:
    using DiskInode::DiskInode;
    Async<Ref<Inode>> lookup(std::string_view name) override;
    Async<Ref<Inode>> create(std::string_view name, const NewFile& file) override;
    Async<Ref<Inode>> create_symlink(std::string_view name, std::string_view target,
                                     const NewFile& file) override;
    Async<Ref<Inode>> create_unnamed(const NewFile& file) override;
    Async<> link(std::string_view name, Inode& inode) override;
    Async<> unlink(std::string_view name, Inode& inode) override;
    Async<> remove_directory(std::string_view name, Inode& inode) override;
    Async<> rename(std::string_view name, Inode& inode, Inode& to, std::string_view new_name, Inode* replaced,
                   bool exchange) override;
    Async<Ref<File>> open(Thread& thread, const Path& path, u32 flags) override;

  private:
    using Self = Ref<DiskDirectory>;
    static Task<SysResult<Ref<File>>> open_allowed(Self self, Path path, u32 flags);
    static Task<SysResult<Ref<Inode>>> find(Self self, std::string name);
    static Task<SysResult<Ref<Inode>>> make(Self self, std::string name, FsNewFile file);
    static Task<SysResult<Ref<Inode>>> make_link(Self self, std::string name, std::string target,
                                                 FsNewFile file);
    static Task<SysResult<Ref<Inode>>> make_unnamed(Self self, FsNewFile file);
    static Task<SysResult<>> add_link(Self self, std::string name, Ref<DiskInode> inode);
    static Task<SysResult<>> remove(Self self, std::string name, Ref<DiskInode> victim);
    static Task<SysResult<>> move(Self self, std::string name, Ref<DiskInode> inode, Self to,
                                  std::string new_name, Ref<DiskInode> replaced);
    static Task<SysResult<>> swap(Self self, std::string name, Ref<DiskInode> inode, Self to,
                                  std::string new_name, Ref<DiskInode> other);
    static Task<SysResult<Gate::Hold>> enter_for(DiskDirectory& directory, std::string_view name,
                                                 const DiskInode& is);
    void changed(const Timespec& time) {
        modified(time);
        changed_here();
        set_stale();
    }
    /// It has one more, or less; a host's file system may count otherwise.
    void count_directories(i32 more);
};

class DiskSymlink : public DiskInode {
  public:
    DiskSymlink(DiskFs& of, const Fs::Attributes& attributes, std::string target)
        : DiskInode(of, attributes), target_(std::move(target)) {}
    Async<std::string> read_link(Thread&) override { return std::string(target_); }

  private:
    std::string target_;
};

class FileMapping;

class DiskFile : public DiskInode {
  public:
    DiskFile(DiskFs& of, const Fs::Attributes& attributes);
    ~DiskFile() override;
    bool in_use() const override { return users_ != 0 || mapping_ != nullptr; }
    u64 blocks() const override { return DiskInode::blocks() + cache.promised_pages() * (kPageSize / 512); }
    Async<> truncate(i64 size) override;
    Async<> allocate(u32 mode, i64 offset, i64 length) override;
    Async<i64> seek_data(i64 offset, bool hole) override;
    Async<Ref<File>> open(Thread& thread, const Path& path, u32 flags) override;
    Ref<PageSource> pages() override;

    u64 page_count() const { return (static_cast<u64>(size_) + kPageSize - 1) / kPageSize; }

    // Reading (file_read.cpp)
    /// Copies what is in memory, from `offset` on. EAGAIN: a page is missing, behind what was copied.
    SysResult<> read_resident(i64 offset, UserIo& io);
    /// Until page `index` is in memory; at once with those behind it up to `count` in all. EFAULT: it is behind the end.
    static Task<SysResult<>> fetch(Ref<DiskFile> self, u64 index, u64 count);
    SysResult<> fetch_now(u64 index);
    /// Starts reading what is missing of `count` pages.
    void start_reads(u64 index, u64 count);

    // Writing (file_write.cpp)
    /// Copies into pages that are in memory or need not be read. EAGAIN: one has to be.
    SysResult<> write_resident(i64 offset, UserIo& io, usize most);
    /// A page that programs may write to.
    SysResult<FrameRef> writable_page(u64 index);
    /// Lets the size be at least `size`.
    void grow(i64 size);
    void clear_behind_end();

    // Writing back (write_back.cpp)
    /// Sends the dirty pages of [first, last) to the file server, and waits for its answers to all that has been sent. Errors are
    /// kept: take_error().
    static Task<SysResult<>> write_back(Ref<DiskFile> self, u64 first = 0, u64 last = ~u64{0});
    /// The error of a write-back, once.
    Errno take_error() { return std::exchange(error_, Errno::ok); }
    /// The disk was full: what did not fit begins here. It is forgotten with this.
    i64 take_lost() { return std::exchange(lost_, kMaxFileSize); }
    /// Cuts what a failed write has grown.
    void set_size(i64 size) { size_ = size; }
    bool dirty() const { return cache.dirty_pages() != 0; }

    FileCache cache;

  protected:
    bool changing() const override { return dirty() || writing_ != 0 || gate_taken(); }
    void changed_elsewhere(i64 size) override;
    Task<SysResult<>> write_out() override;

  private:
    friend class FileMapping;
    static Task<void> read_run(Ref<DiskFile> self, PageRun run);
    SysResult<> store(const PageRun& run, u64 epoch, std::span<const u8> bytes);
    static Task<void> write_run(Ref<DiskFile> self, PageRun run);
    void write_failed(const PageRun& run, u64 done, Error error);
    static Task<SysResult<>> cut(Ref<DiskFile> self, i64 size);
    static Task<SysResult<>> punch(Ref<DiskFile> self, i64 offset, i64 length);
    static Task<SysResult<>> make_hole(Ref<DiskFile> self, i64 offset, i64 length);
    static Task<SysResult<>> make_zeros(Ref<DiskFile> self, i64 offset, i64 length, bool keep_size);
    static Task<SysResult<>> reserve(Ref<DiskFile> self, i64 offset, i64 length, bool keep_size);
    static Task<SysResult<i64>> find_content(Ref<DiskFile> self, i64 offset, bool hole);

    FileMapping* mapping_ = nullptr;
    WaitList read_done_;
    u64 read_failures_ = 0;
    Errno read_error_ = Errno::ok;
    u64 epoch_ = 0;  ///< truncations: what was read before one is not believed
    WaitList write_done_;
    u32 writing_ = 0;  ///< requests under way
    Errno error_ = Errno::ok;
    i64 lost_ = kMaxFileSize;
};

/// The content of a file for those who map it. There is one while anybody has it mapped; it keeps the inode.
class FileMapping : public PageSource {
  public:
    explicit FileMapping(Ref<DiskFile> of);
    ~FileMapping() override;
    SysResult<FrameRef> page(u64 index, bool write) override;
    Async<> fetch(u64 index) override;
    SysResult<> fetch_now(u64 index) override { return file_->fetch_now(index); }
    u64 page_count() const override { return file_->page_count(); }
    FrameRef peek(u64 index) override;
    void written() override { file_->touch_modify(); }
    Async<> synchronise() override { return file_->synchronise(true); }
    const Inode* file() const override { return file_.get(); }

  private:
    Ref<DiskFile> file_;
};

}  // namespace pith::lx
