// SPDX-License-Identifier: MIT
#include "tools/measure/linux_peer.hpp"

#include <iterator>
#include <sstream>

#include "tools/base/host.hpp"
#include "tools/measure/cpio.hpp"
#include "tools/measure/scratch.hpp"
#include "tools/suites/process.hpp"

namespace pith::tools {

namespace {

/// The last line of a run, with the program's status.
constexpr std::string_view kEnd = "=== status ";

std::string folder(const BenchTree& tree) { return tree.root + "/build/linux-peer"; }

/// What a disk on virtio with ext4, and a network interface on virtio take, each behind what it needs (tools/measure/fetch_linux.sh).
std::vector<std::string> modules(const BenchTree& tree) {
    std::istringstream lines(read_text(folder(tree) + "/modules/order"));
    return {std::istream_iterator<std::string>(lines), {}};
}

/// As QEMU's user network gives them out.
constexpr const char* kNetworkSetup =
    "busybox ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up\n"
    "busybox route add default gw 10.0.2.2\n";

/// Process 1. /dev/console is in the kernel's own archive; the console is a terminal: its output is not to be changed.
std::string init_script(const BenchTree& tree, const LinuxRun& run) {
    std::string script =
        "#!/bin/busybox sh\n"
        "set -e\n"
        "busybox() { /bin/busybox \"$@\"; }\n"
        "busybox stty -opost\n"
        "busybox mount -t devtmpfs none /dev\n"
        "busybox mount -t proc none /proc\n";
    if (!run.disk.empty() || run.network)
        for (const std::string& module : modules(tree))
            script += std::format("busybox insmod /modules/{}.ko\n", module);
    if (run.network) script += kNetworkSetup;
    script += run.setup + "\nstatus=0\n/program";
    for (const std::string& argument : run.arguments) script += " " + argument;
    // The machine restarts, and so QEMU ends; as it does when this ends before, with what the kernel says of that.
    return script + std::format(" || status=$?\necho \"{}$status\"\nbusybox sync\nbusybox reboot -f\n", kEnd);
}

std::string initramfs(const BenchTree& tree, const LinuxRun& run) {
    CpioArchive archive;
    for (const char* directory : {"bin", "dev", "mnt", "modules", "proc"}) archive.add_directory(directory);
    archive.add_file("init", init_script(tree, run));
    archive.add_file("program", read_text(run.program));
    archive.add_file("bin/busybox", read_text(tree.root + "/build/busybox/bin/busybox"));
    for (const std::string& module : modules(tree)) {
        const std::string name = std::format("modules/{}.ko", module);
        archive.add_file(name, read_text(folder(tree) + "/" + name), 0644);
    }
    return std::move(archive).finish();
}

/// Says little but where it gives up. A `rep` instruction counts each of its turns, and takes its time by them: without these two
/// features Linux copies and clears by words where it otherwise would by bytes, which would be eight times dearer here.
constexpr const char* kKernelArguments = "console=ttyS0 loglevel=1 panic=-1 clearcpuid=erms,fsrm";

std::vector<std::string> command_line(const BenchTree& tree, const LinuxRun& run, const std::string& initrd) {
    std::vector<std::string> line = machine_line({.memory = run.memory, .icount = run.icount});
    line.insert(line.end(), {"-kernel", folder(tree) + "/vmlinux", "-initrd", initrd, "-append",
                             kKernelArguments, "-serial", "stdio"});
    if (!run.disk.empty()) add_disk(line, image_file(run.disk));
    if (run.network) add_network(line, run.forwards);
    if (!run.plugin.empty()) line.insert(line.end(), {"-plugin", run.plugin});
    return line;
}

}  // namespace

std::string run_on_linux(const BenchTree& tree, const LinuxRun& run) {
    const Scratch initrd(tree, "initramfs");
    write_file(initrd.path(), initramfs(tree, run));
    const Finished finished = run_command(
        {command_line(tree, run, initrd.path()), run.timeout, "", true, {}});
    // What Linux says of its end comes behind it.
    const usize end = finished.output.rfind(kEnd);
    if (finished.status != 0 || end == std::string::npos ||
        !finished.output.substr(end + kEnd.size()).starts_with("0\n"))
        fail(1, "{} on Linux: QEMU ended with status {}\n{}{}", run.program, finished.status, finished.output,
             finished.errors);
    return finished.output.substr(0, end);
}

std::string linux_version(const BenchTree& tree) {
    const std::string version = read_text(folder(tree) + "/version");
    return version.substr(0, version.find('\n'));
}

}  // namespace pith::tools
