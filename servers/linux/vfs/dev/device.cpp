// SPDX-License-Identifier: MIT
// Devices: which number is what; the memory devices; the nodes in /dev.
#include "servers/linux/vfs/dev/device.hpp"

#include <algorithm>

#include "servers/linux/vfs/dev/block_file.hpp"
#include "servers/linux/vfs/dev/kmsg.hpp"
#include "servers/linux/vfs/ioctl.hpp"
#include "servers/linux/vfs/tmpfs/tmpfs.hpp"
#include "servers/linux/vfs/tty/console.hpp"
#include "servers/linux/vfs/tty/pty.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

/// Seeking on a memory device always works, and means nothing.
class MemoryDevice : public File {
  public:
    using File::File;
    bool seekable() const override { return true; }
    SysResult<i64> seek(i64, Whence) override { return offset = 0; }
    Async<usize> write(Thread&, UserIo&& io, i64) override { return io.remaining(); }
};

class NullFile : public MemoryDevice {
  public:
    using MemoryDevice::MemoryDevice;
    Async<usize> read(Thread&, UserIo&&, i64) override { return usize{0}; }
};

class ZeroFile : public MemoryDevice {
  public:
    using MemoryDevice::MemoryDevice;
    Async<usize> read(Thread&, UserIo&& io, i64) override { return io.put_zeros(io.remaining()); }
    bool maps_anonymous() const override { return true; }
};

class FullFile : public ZeroFile {
  public:
    using ZeroFile::ZeroFile;
    Async<usize> write(Thread&, UserIo&&, i64) override { return Errno::ENOSPC; }
    bool maps_anonymous() const override { return false; }
};

class RandomFile : public MemoryDevice {
  public:
    using MemoryDevice::MemoryDevice;
    Async<usize> read(Thread& thread, UserIo&& io, i64) override {
        u8 buffer[256];
        usize done = 0;
        while (io.remaining() != 0) {
            const usize count = std::min(io.remaining(), sizeof buffer);
            thread.zone().random(buffer, count);
            const SysResult<usize> copied = io.put(buffer, count);
            if (!copied.ok()) {
                if (done != 0) break;
                return copied.error();
            }
            done += copied.value();
            if (copied.value() < count) break;
        }
        return done;
    }
    SysResult<i64> seek(i64, Whence) override { return i64{0}; }
    Async<u64> ioctl(Thread& thread, u32 command, u64 argument) override {
        constexpr u32 kGetEntropyCount = 0x80045200;
        if (command != kGetEntropyCount) return Errno::EINVAL;
        PITH_CHECK(put(thread, argument, i32{256}));
        return u64{0};
    }
};

Async<Ref<File>> open_memory_device(Thread& thread, const Path& path, u32 flags, u32 minor) {
    flags &= ~O_NO_CTTY;
    switch (minor) {
        case 3: return Ref<File>(Ref<NullFile>::make(path, flags));
        case 5: return Ref<File>(Ref<ZeroFile>::make(path, flags));
        case 7: return Ref<File>(Ref<FullFile>::make(path, flags));
        case 8:
        case 9: return Ref<File>(Ref<RandomFile>::make(path, flags));
        case 11: return open_kernel_log(thread, path, flags);
        default: return Errno::ENXIO;
    }
}

SysResult<Ref<File>> open_console(Thread& thread, const Path& path, u32 flags) {
    ConsoleLink* console = thread.zone().vfs->console.get();
    if (console == nullptr || !console->tty) return Errno::ENXIO;
    return open_tty(thread, path, flags, console->tty);
}

SysResult<Ref<File>> open_pty_slave(Thread& thread, const Path& path, u32 flags, u32 number) {
    PtyTty* slave = thread.zone().vfs->ptys->find(number);
    if (slave == nullptr || slave->hung_up || slave->locked) return Errno::EIO;
    return open_tty(thread, path, flags, Ref<PtyTty>(slave));
}

SysResult<Ref<File>> open_terminal(Thread& thread, const Path& path, u32 flags, u32 minor) {
    switch (minor) {
        case 0:
            if (thread.process.tty == nullptr) return Errno::ENXIO;
            return open_tty(thread, path, flags | O_NO_CTTY, Ref<Tty>(thread.process.tty));
        case 1: return open_console(thread, path, flags | O_NO_CTTY);
        case 2: return thread.zone().vfs->ptys->open_master(path, flags & ~O_NO_CTTY);
        default: return Errno::ENXIO;
    }
}

}  // namespace

Async<Ref<File>> open_device(Thread& thread, const Path& path, u32 flags) {
    if (path.inode().type() == S_BLOCK) return open_block_device(thread, path, flags);
    const u64 device = path.inode().device_number;
    const u32 minor = device_minor(device);
    switch (device_major(device)) {
        case 1: return open_memory_device(thread, path, flags, minor);
        case 4:
            return minor == 64 ? Async<Ref<File>>(open_console(thread, path, flags))
                               : Async<Ref<File>>(Errno::ENXIO);
        case 5: return open_terminal(thread, path, flags, minor);
        case 136: return open_pty_slave(thread, path, flags, minor);
        case kStreamMajor: {
            ConsoleLink* console = thread.zone().vfs->console.get();
            if (console == nullptr || minor > 2) return Errno::ENXIO;
            return Ref<File>(
                Ref<StreamFile>::make(path, flags & ~O_NO_CTTY, *console, static_cast<ConsoleStream>(minor)));
        }
        default: return Errno::ENXIO;
    }
}

SysResult<> make_devices(TmpFs& file_system) {
    struct Node {
        const char* name;
        u32 mode, major, minor;
    };
    static constexpr Node kNodes[] = {
        {"null", 0666, 1, 3},    {"zero", 0666, 1, 5},   {"full", 0666, 1, 7}, {"random", 0666, 1, 8},
        {"urandom", 0666, 1, 9}, {"kmsg", 0644, 1, 11},  {"tty", 0666, 5, 0},  {"console", 0600, 5, 1},
        {"ptmx", 0666, 5, 2},    {"ttyS0", 0660, 4, 64},
    };
    static constexpr Node kStreams[] = {
        {"stdin", 0600, kStreamMajor, 0},
        {"stdout", 0600, kStreamMajor, 1},
        {"stderr", 0600, kStreamMajor, 2},
    };
    static constexpr const char* kLinks[][2] = {
        {"fd", "/proc/self/fd"},
        {"stdin", "/proc/self/fd/0"},
        {"stdout", "/proc/self/fd/1"},
        {"stderr", "/proc/self/fd/2"},
    };
    Inode& root = *file_system.root();
    for (const Node& node : kNodes) {
        PITH_TRY(root.create(node.name, {S_CHARACTER | node.mode, 0, 0, make_device(node.major, node.minor)})
                     .take());
    }
    const Ref<Inode> streams = PITH_TRY(root.create("pith", {S_DIRECTORY | 0755, 0, 0, 0}).take());
    for (const Node& node : kStreams) {
        PITH_TRY(
            streams->create(node.name, {S_CHARACTER | node.mode, 0, 0, make_device(node.major, node.minor)})
                .take());
    }
    for (const auto& link : kLinks) PITH_TRY(root.create_symlink(link[0], link[1], {}).take());
    PITH_TRY(root.create("pts", {S_DIRECTORY | 0755, 0, 0, 0}).take());
    PITH_TRY(root.create("shm", {S_DIRECTORY | 01777, 0, 0, 0}).take());
    return {};
}

}  // namespace pith::lx
