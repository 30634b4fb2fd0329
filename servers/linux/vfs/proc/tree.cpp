// SPDX-License-Identifier: MIT
// The inodes of procfs.
#include <algorithm>
#include <cstring>

#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/file.hpp"
#include "servers/linux/vfs/proc/proc.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kProcMagic = 0x9fa0;
constexpr u64 kFirstKey = 1000;  ///< positions of changing entries in a directory begin here

class ProcFs : public FileSystem {
  public:
    ProcFs(Zone& of, u64 number);
    std::string_view type() const override { return "proc"; }
    Ref<Inode> root() override;
    bool cacheable() const override { return false; }
    bool fixed_names() const override { return true; }
    u64 block_size() const override { return 1024; }
    Async<FileSystemUsage> usage() override {
        FileSystemUsage usage;
        usage.magic = kProcMagic;
        return usage;
    }
};

u64 number_of(const ProcEntry& entry, const ProcSubject& subject) {
    u64 hash = reinterpret_cast<u64>(&entry) ^ static_cast<u64>(subject.pid) << 36 ^
               static_cast<u64>(subject.tid) << 16 ^ static_cast<u64>(subject.index);
    for (char c : subject.name) hash = (hash ^ static_cast<u8>(c)) * 0x100'0000'01b3;
    return (hash * 0x9e37'79b9'7f4a'7c15 >> 24 | 1) & 0xffff'ffff;
}

class ProcInode : public Inode {
  public:
    ProcInode(FileSystem& of, const ProcEntry& what, ProcSubject about)
        : Inode(of, &what == &kProcRoot ? 1 : number_of(what, about), what.mode),
          entry_(what),
          subject_(std::move(about)),
          keeps_(&of) {
        if (directory()) links = 2;
        if (what.permissions != nullptr) mode = type() | what.permissions(subject_);
        if (const Process* process = subject_.process(); process != nullptr) {
            uid = process->credentials.euid;
            gid = process->credentials.egid;
        }
    }
    bool valid() const override { return subject_.pid == 0 || subject_.process() != nullptr; }
    const ProcEntry& entry() const { return entry_; }
    const ProcSubject& subject() const { return subject_; }

    Async<Ref<Inode>> lookup(std::string_view name) override;
    Async<> read_directory(u64& position, DirectorySink& sink) override;
    Async<Ref<File>> open(Thread& thread, const Path& path, u32 flags) override;
    Async<> truncate(i64) override { return {}; }
    const ProcEntry& directory_entry() const { return entry_.same_as != nullptr ? *entry_.same_as : entry_; }
    Async<> set_attributes(const AttributeChange&) override { return Errno::EPERM; }
    bool magic_link() const override { return entry_.follow != nullptr; }
    SysResult<Path> follow(Thread& thread) override { return entry_.follow(subject_, thread); }
    Async<std::string> read_link(Thread& thread) override { return entry_.text(subject_, thread); }

  private:
    const ProcEntry& entry_;
    ProcSubject subject_;
    Ref<FileSystem> keeps_;
};

ProcFs::ProcFs(Zone& of, u64 number) : FileSystem(of, number) {}

Ref<Inode> ProcFs::root() {
    ProcSubject subject;
    subject.zone = &zone;
    return Ref<ProcInode>::make(*this, kProcRoot, subject);
}

Async<Ref<Inode>> ProcInode::lookup(std::string_view name) {
    if (!valid()) return Errno::ENOENT;
    const ProcEntry& table = directory_entry();
    for (const ProcEntry& entry : table.entries) {
        if (entry.name == name) return Ref<Inode>(Ref<ProcInode>::make(file_system(), entry, subject_));
    }
    if (table.find == nullptr) return Errno::ENOENT;
    ProcSubject found = subject_;
    const ProcEntry* entry = table.find(found, name);
    if (entry == nullptr) return Errno::ENOENT;
    return Ref<Inode>(Ref<ProcInode>::make(file_system(), *entry, std::move(found)));
}

Async<> ProcInode::read_directory(u64& position, DirectorySink& sink) {
    if (!valid()) return Errno::ENOENT;
    const ProcEntry& table = directory_entry();
    while (position - 2 < table.entries.size()) {
        const ProcEntry& entry = table.entries[position - 2];
        if (!sink.add(entry.name, number_of(entry, subject_), entry.mode & S_TYPE, position + 1)) return {};
        ++position;
    }
    if (table.next == nullptr) return {};
    position = std::max(position, kFirstKey);
    while (true) {
        u64 key = position - kFirstKey;
        const std::string name = table.next(subject_, key);
        if (name.empty()) return {};
        if (!sink.add(name, key + 2, table.next_type, key + kFirstKey + 1)) return {};
        position = key + kFirstKey + 1;
    }
}

/// An open file of text.
class ProcFile : public File {
  public:
    using File::File;
    bool seekable() const override { return true; }
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override {
        ProcInode& inode = static_cast<ProcInode&>(this->inode());
        if (inode.entry().text == nullptr) return Errno::EACCES;
        if (!inode.valid()) return Errno::ESRCH;
        if (position == 0 || !made_) {
            text_ = PITH_TRY(inode.entry().text(inode.subject(), thread));
            made_ = true;
        }
        const usize from = static_cast<usize>(position);
        if (from >= text_.size()) return usize{0};
        return io.put(text_.data() + from, std::min(io.remaining(), text_.size() - from));
    }
    Async<usize> write(Thread& thread, UserIo&& io, i64) override {
        ProcInode& inode = static_cast<ProcInode&>(this->inode());
        if (inode.entry().write == nullptr && inode.entry().write_waiting == nullptr) return Errno::EIO;
        if (!inode.valid()) return Errno::ESRCH;
        char buffer[1024];
        const usize size = io.remaining();
        if (size > sizeof buffer) return Errno::EINVAL;
        const SysResult<usize> copied = io.get(buffer, size);
        if (!copied.ok()) return copied.error();
        const usize length = copied.value();
        if (inode.entry().write_waiting == nullptr) {
            PITH_CHECK(inode.entry().write(inode.subject(), thread, {buffer, length}));
            return length;
        }
        Async<> written = inode.entry().write_waiting(inode.subject(), thread, {buffer, length});
        if (!written.ready()) return finish_write(written.task(), length);
        PITH_CHECK(written.take());
        return length;
    }
    SysResult<i64> seek(i64 to, Whence whence) override {
        if (whence == Whence::end || whence > Whence::end) return Errno::EINVAL;
        const i64 result = whence == Whence::current ? offset + to : to;
        if (result < 0) return Errno::EINVAL;
        return offset = result;
    }

  private:
    static Task<SysResult<usize>> finish_write(Task<SysResult<>> writing, usize length) {
        PITH_CO_CHECK(co_await std::move(writing));
        co_return length;
    }
    std::string text_;
    bool made_ = false;
};

/// A directory that can be read as a text too: /proc/pith/services.
class ProcDirectory : public DirectoryFile {
  public:
    using DirectoryFile::DirectoryFile;
    Async<usize> read(Thread& thread, UserIo&& io, i64) override {
        ProcInode& inode = static_cast<ProcInode&>(this->inode());
        if (inode.entry().text == nullptr) return Errno::EISDIR;
        if (read_ == 0) text_ = PITH_TRY(inode.entry().text(inode.subject(), thread));
        if (read_ >= text_.size()) return usize{0};
        const usize done = PITH_TRY(
            io.put(text_.data() + read_, std::min(io.remaining(), text_.size() - read_)));
        read_ += done;
        return done;
    }

  private:
    std::string text_;
    usize read_ = 0;
};

Async<Ref<File>> ProcInode::open(Thread&, const Path& path, u32 flags) {
    if (directory()) return Ref<File>(Ref<ProcDirectory>::make(path, flags));
    return Ref<File>(Ref<ProcFile>::make(path, flags));
}

}  // namespace

Process* ProcSubject::process() const {
    if (pid == 0) return nullptr;
    Process* process = zone->find_process(pid);
    return process != nullptr && process->start_time == start ? process : nullptr;
}

Thread* ProcSubject::thread() const {
    const Process* of = process();
    if (of == nullptr) return nullptr;
    for (Thread* thread : of->threads) {
        if (thread->tid == tid) return thread;
    }
    return nullptr;
}

Ref<FileSystem> make_proc(Zone& zone, u64 device) { return Ref<ProcFs>::make(zone, device); }

}  // namespace pith::lx
