// SPDX-License-Identifier: MIT
#include "tools/runner/qemu.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>

#include "tools/base/host.hpp"
#include "tools/runner/machine.hpp"

namespace pith::tools {

namespace {

// The descriptors under which the child finds what it inherits.
constexpr int kInitrd = 10;
constexpr int kSerial = 11;
constexpr int kConsole = 12;
constexpr int kMemory = 13;

/// Bytes of --mem.
u64 memory_size(const std::string& text) {
    u64 number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(end, text.data() + text.size());
    if (error != std::errc{} || number > 65536 || (unit != "M" && unit != "G"))
        fail(kUsage, "--mem {}: must be a size such as 256M or 1G", text);
    return number << (unit == "G" ? 30 : 20);
}

/// The kernel takes each CPU's trace from a block of twice its size, aligned to that.
u64 traced_memory_size(const Options& options) {
    return memory_size(options.memory) + (u64{options.trace_ring} << 20) * 2 * (options.cpus + 1);
}

std::vector<std::string> trace_options(const Options& options) {
    return {"-append", std::format("trace={}", options.trace_ring), "-object",
            std::format("memory-backend-file,id=ram,size={},share=on,mem-path=/proc/self/fd/{}",
                        traced_memory_size(options), kMemory)};
}

void add_disks(std::vector<std::string>& line, const Options& options) {
    if (!options.rootfs.empty()) add_disk(line, image_file(options.rootfs));
    const auto add = [&](const std::string& drive) {
        if (options.nvme) add_nvme_disk(line, drive, options.nvme_block_size);
        else add_disk(line, drive);
    };
    for (const std::string& name : options.disks) add(image_file(name));
    for (const std::string& name : options.read_only_disks) add("readonly=on," + image_file(name));
    for (const std::string& name : options.failing_disks)
        add("file.driver=blkdebug,file.inject-error.0.event=read_aio,file.inject-error.0.sector=8,"
            "file.inject-error.1.event=write_aio,file.inject-error.1.sector=16,"
            "file.inject-error.2.event=flush_to_disk,"
            "file.image.driver=file,file.image.filename=" +
            escaped(name));
    for (const std::string& name : options.nvme_disks)
        add_nvme_disk(line, image_file(name), options.nvme_block_size);
}

/// The files are made as our own user's. What lies on other file systems below the directory has numbers that differ.
void add_share(std::vector<std::string>& line, const Options& options) {
    if (options.share.empty()) return;
    line.insert(
        line.end(),
        {"-fsdev", "local,id=share,security_model=none,multidevs=remap,path=" + escaped(options.share),
         "-device", "virtio-9p-pci,fsdev=share,mount_tag=share" + virtio_properties(line)});
}

std::vector<std::string> command_line(const Options& options, const std::string& gdb_socket, bool traced) {
    std::vector<std::string> line = machine_line(
        {.memory = traced ? std::format("{}M", traced_memory_size(options) >> 20) : options.memory,
         .cpus = options.cpus,
         .icount = options.icount,
         .properties = traced ? ",memory-backend=ram" : "",
         .iommu = options.iommu});
    line.insert(line.end(), {
                                "-kernel",
                                options.kernel,
                                "-initrd",
                                std::format("/proc/self/fd/{}", kInitrd),
                                "-chardev",
                                std::format("socket,id=com1,fd={}", kSerial),
                                "-serial",
                                "chardev:com1",
                                "-chardev",
                                std::format("socket,id=debug,fd={}", kConsole),
                                "-device",
                                "isa-debugcon,iobase=0xe9,chardev=debug",
                                "-device",
                                "isa-debug-exit,iobase=0xf4,iosize=0x04",
                            });
    add_disks(line, options);
    for (const std::string& device : options.devices) line.insert(line.end(), {"-device", device});
    add_share(line, options);
    if (options.network) add_network(line, options.forwards);
    if (traced) {
        const std::vector<std::string> more = trace_options(options);
        line.insert(line.end(), more.begin(), more.end());
    }
    if (!options.plugin.empty()) line.insert(line.end(), {"-plugin", options.plugin});
    if (options.debug) {
        line.insert(line.end(),
                    {"-S", "-chardev", std::format("socket,id=gdb,path={},server=on,wait=off", gdb_socket),
                     "-gdb", "chardev:gdb"});
    }
    return line;
}

/// In the child, between fork and exec: only system calls.
[[noreturn]] void become_qemu(char** arguments, const int (&from)[4], int errors, pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);  // the parent died before it was asked for
    ::setpgid(0, 0);                        // the terminal's signals are for our parent, which decides
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(null, 0);
    ::dup2(null, 1);
    ::dup2(errors, 2);
    // First out of the way of the fixed numbers, then to them.
    int moved[4];
    for (int index = 0; index < 4; ++index)
        moved[index] = from[index] < 0 ? -1 : ::fcntl(from[index], F_DUPFD_CLOEXEC, 20);
    constexpr int kTo[4] = {kInitrd, kSerial, kConsole, kMemory};
    for (int index = 0; index < 4; ++index) {
        if (moved[index] >= 0) ::dup2(moved[index], kTo[index]);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::execvp(arguments[0], arguments);
    ::perror(arguments[0]);
    ::_exit(127);
}

void pair_of_sockets(int (&ends)[2]) {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        fail(1, "{}", error_text("socketpair"));
}

}  // namespace

int make_memory(const Options& options) {
    const int file = ::memfd_create("pith-memory", MFD_CLOEXEC);
    if (file < 0 || ::ftruncate(file, static_cast<off_t>(traced_memory_size(options))) != 0)
        fail(1, "{}", error_text("the machine's memory"));
    return file;
}

Qemu::Qemu(const Options& options, int initrd, const std::string& gdb_socket, int memory) {
    int serial[2], console[2], errors[2];
    pair_of_sockets(serial);
    pair_of_sockets(console);
    // The serial line is slow: what waits in the socket delays what comes behind it.
    constexpr int kLineBuffer = 4096;
    ::setsockopt(serial[0], SOL_SOCKET, SO_SNDBUF, &kLineBuffer, sizeof(kLineBuffer));
    if (::pipe2(errors, O_CLOEXEC) != 0) fail(1, "{}", error_text("pipe"));
    const std::vector<std::string> line = command_line(options, gdb_socket, memory >= 0);
    std::vector<char*> arguments;
    for (const std::string& argument : line) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) fail(1, "{}", error_text("fork"));
    if (pid_ == 0) become_qemu(arguments.data(), {initrd, serial[1], console[1], memory}, errors[1], parent);
    ::close(serial[1]);
    ::close(console[1]);
    ::close(errors[1]);
    serial_ = serial[0];
    console_ = console[0];
    errors_ = errors[0];
    process_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    if (process_ < 0) fail(1, "{}", error_text("pidfd_open"));
    for (const int end : {serial_, console_, errors_}) ::fcntl(end, F_SETFL, O_NONBLOCK);
}

Qemu::~Qemu() {
    kill();
    wait();
    for (const int end : {serial_, console_, errors_, process_}) {
        if (end >= 0) ::close(end);
    }
}

void Qemu::kill() {
    if (pid_ > 0 && status_ < 0) ::kill(pid_, SIGKILL);
}

int Qemu::wait() {
    int status = 0;
    while (status_ < 0) {
        if (::waitpid(pid_, &status, 0) < 0) {
            if (errno == EINTR) continue;
            status_ = 1;
        } else {
            status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    }
    return status_;
}

}  // namespace pith::tools
