// SPDX-License-Identifier: MIT
#include "tools/runner/options.hpp"

#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "abi/trace.hpp"
#include "tools/base/command_line.hpp"
#include "tools/base/host.hpp"
#include "tools/bundle/builder.hpp"

namespace pith::tools {

namespace {

/// FILE, or FILE:GUESTPATH. Without a guest path, or where it ends in '/', the file keeps its name.
Added parse_added(const std::string& text) {
    const usize colon = text.rfind(':');
    Added added{text.substr(0, colon), colon == std::string::npos ? "/root/" : text.substr(colon + 1)};
    if (added.guest_path.empty() || added.guest_path.front() != '/') {
        fail(kUsage, "--add {}: the guest path must begin with '/'", text);
    }
    if (added.guest_path.back() == '/') {
        std::string name = added.host_path;
        while (name.size() > 1 && name.back() == '/') name.pop_back();
        added.guest_path += name.substr(name.rfind('/') + 1);
    }
    added.guest_path = guest_path(added.guest_path);
    return added;
}

u16 parse_port(std::string_view text, std::string_view of) {
    u16 port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0)
        fail(kUsage, "--forward {}: must be HOSTPORT:GUESTPORT, from 1 to 65535 each", of);
    return port;
}

Forward parse_forward(std::string_view text) {
    const usize colon = text.find(':');
    if (colon == std::string_view::npos)
        fail(kUsage, "--forward {}: must be HOSTPORT:GUESTPORT, from 1 to 65535 each", text);
    return {parse_port(text.substr(0, colon), text), parse_port(text.substr(colon + 1), text)};
}

void check_disk(std::string_view option, const std::string& file, bool writable) {
    if (::access(file.c_str(), writable ? R_OK | W_OK : R_OK) != 0)
        fail(kUsage, "{} {}", option, error_text(file));
    if (!std::filesystem::is_regular_file(file) && !std::filesystem::is_block_file(file))
        fail(kUsage, "{} {}: neither a file nor a block device", option, file);
}

void check_share(const std::string& directory) {
    if (::access(directory.c_str(), R_OK | X_OK) != 0) fail(kUsage, "--share {}", error_text(directory));
    if (!std::filesystem::is_directory(directory)) fail(kUsage, "--share {}: not a directory", directory);
}

}  // namespace

Options parse_options(int argc, char** argv) {
    Options options;
    std::vector<std::string> added, forwards;
    bool no_iommu = false;
    CommandLine line("Boots Pith in QEMU");
    line.option("--kernel", options.kernel, "The kernel's ELF file", true)
        .option("--bundle", options.bundle, "The system's boot bundle", true)
        .option("--symbols", options.symbols, "Where the components' ELF files are")
        .option("--mem", options.memory, "Memory, with a suffix M or G")
        .number("--smp", options.cpus, 1, abi::kMaxCpus, "CPUs")
        .seconds("--timeout", options.timeout, "Seconds")
        .list("--add", added, "FILE[:GUESTPATH]")
        .option("--rootfs", options.rootfs, "A raw image of the root file system, written in place")
        .option("--share", options.share, "A directory that the guest has as /share, and may write to")
        .list("--disk", options.disks, "A raw image, written in place")
        .list("--read-only-disk", options.read_only_disks, "A raw image that may not be written")
        .list("--failing-disk", options.failing_disks,
              "A raw image of which sector 8 can't be read, sector 16 not written, and that can't be flushed")
        .list("--nvme-disk", options.nvme_disks, "A raw image, written in place, on NVMe")
        .flag("--nvme", options.nvme, "The other disks are on NVMe too")
        .number("--nvme-block-size", options.nvme_block_size, 512, 4096, "Bytes of an NVMe disk's blocks")
        .list("--device", options.devices, "A further device of QEMU's: NAME[,PROPERTY=VALUE...]")
        .flag("--network", options.network, "A network interface, on QEMU's user network")
        .list("--forward", forwards, "HOSTPORT:GUESTPORT of TCP, with --network")
        .list("--env", options.environment, "NAME=VALUE")
        .option("--ready-file", options.ready_file, "Gets the time of the command's first instruction")
        .option("--trace", options.trace, "Gets the timeline of the run")
        .number("--ring", options.trace_ring, 1, static_cast<u32>(abi::kTraceLargest >> 20),
                "MiB for the trace of each CPU")
        .option("--plugin", options.plugin, "A plugin of QEMU: FILE[,ARGUMENT=VALUE...]")
        .number("--chaos", options.chaos, 1, 3'600'000,
                "Milliseconds from one killing of a component to the next")
        .list("--chaos-target", options.chaos_targets, "A component that is killed")
        .list("--chaos-spare", options.chaos_spared, "A component that is not")
        .list("--chaos-fault", options.chaos_faults, "What is done to it (docs/fault_injection.md)")
        .option("--chaos-log", options.chaos_log, "Gets a line for each fault")
        .number("--chaos-seed", options.chaos_seed, 1, 0xffff'ffff, "Of which component is killed when")
        .flag("--no-iommu", no_iommu, "A machine without an IOMMU")
        .flag("--icount", options.icount, "Deterministic: one virtual nanosecond an instruction")
        .flag("--log", options.log, "System log to stderr")
        .flag("--debug", options.debug, "Stop at the first instruction, with gdb on it")
        .flag("--bare", options.bare, "A system without a console server: its debug console is stdout");
    options.command = line.parse(argc, argv);
    options.iommu = !no_iommu;
    if (!options.rootfs.empty()) check_disk("--rootfs", options.rootfs, true);
    if (!options.share.empty()) check_share(options.share);
    for (const std::string& file : options.disks) check_disk("--disk", file, true);
    for (const std::string& file : options.read_only_disks) check_disk("--disk", file, false);
    for (const std::string& file : options.failing_disks) check_disk("--disk", file, true);
    for (const std::string& file : options.nvme_disks) check_disk("--nvme-disk", file, true);
    for (const std::string& text : added) options.added.push_back(parse_added(text));
    for (const std::string& text : forwards) options.forwards.push_back(parse_forward(text));
    if (!forwards.empty() && !options.network) fail(kUsage, "--forward: there is no network");
    return options;
}

}  // namespace pith::tools
