// SPDX-License-Identifier: MIT
#include "tools/runner/machine.hpp"

#include <algorithm>
#include <filesystem>
#include <format>

namespace pith::tools {

namespace {

/// Interrupts pass as they are. Devices look for it when they are made: it comes before them.
constexpr const char* kIommu = "intel-iommu,intremap=off";

}  // namespace

std::vector<std::string> machine_line(const Machine& machine) {
    std::vector<std::string> line = {"qemu-system-x86_64",
                                     "-nodefaults",
                                     "-no-user-config",
                                     "-no-reboot",
                                     "-machine",
                                     "q35" + machine.properties,
                                     "-cpu",
                                     "max",
                                     "-bios",
                                     "qboot.rom",
                                     "-m",
                                     machine.memory,
                                     "-smp",
                                     std::to_string(machine.cpus),
                                     "-display",
                                     "none",
                                     "-monitor",
                                     "none",
                                     "-parallel",
                                     "none",
                                     "-net",
                                     "none"};
    if (machine.icount)
        line.insert(line.end(), {"-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-seed", "1",
                                 "-rtc", "base=2023-11-14T22:13:20,clock=vm"});
    else line.insert(line.end(), {"-accel", "tcg", "-rtc", "base=utc"});
    if (machine.iommu) line.insert(line.end(), {"-device", kIommu});
    return line;
}

namespace {

/// Gives its name.
std::string add_drive(std::vector<std::string>& line, const std::string& drive) {
    const std::string name = std::format("disk{}", std::ranges::count(line, "-drive"));
    line.insert(line.end(), {"-drive", std::format("if=none,id={},format=raw,{}", name, drive)});
    return name;
}

}  // namespace

std::string virtio_properties(const std::vector<std::string>& line) {
    const auto has = [&](const char* option) { return std::ranges::find(line, option) != line.end(); };
    std::string properties = ",disable-legacy=on";
    if (has(kIommu)) properties += ",iommu_platform=on";
    // A clock by instructions leaps ahead when the guest waits: a request is to be begun at once, and not by another thread.
    if (has("-icount")) properties += ",ioeventfd=off";
    return properties;
}

void add_disk(std::vector<std::string>& line, const std::string& drive) {
    const std::string name = add_drive(line, drive);
    line.insert(line.end(),
                {"-device", std::format("virtio-blk-pci,drive={}{}", name, virtio_properties(line))});
}

void add_nvme_disk(std::vector<std::string>& line, const std::string& drive, unsigned block_size) {
    const std::string name = add_drive(line, drive);
    line.insert(
        line.end(),
        {"-device", std::format("nvme,drive={0},serial={0},logical_block_size={1},physical_block_size={1}",
                                name, block_size)});
}

void add_network(std::vector<std::string>& line, const std::vector<Forward>& forwards) {
    std::string backend = "user,id=network";
    for (const Forward& forward : forwards)
        backend += std::format(",hostfwd=tcp:127.0.0.1:{}-:{}", forward.host_port, forward.guest_port);
    // No ROM is loaded: nothing boots from the network.
    line.insert(line.end(), {"-netdev", backend, "-device",
                             "virtio-net-pci,netdev=network,romfile=" + virtio_properties(line)});
    if (forwards.empty()) return;
    const std::string library = std::filesystem::read_symlink("/proc/self/exe").parent_path() /
                                "listen_backlog.so";
    line.insert(line.begin(), {"/usr/bin/env", "LD_PRELOAD=" + library});
}

std::string image_file(const std::string& name) { return "file.driver=file,file.filename=" + escaped(name); }

std::string escaped(const std::string& value) {
    std::string result;
    for (const char c : value) result += c == ',' ? std::string(",,") : std::string(1, c);
    return result;
}

}  // namespace pith::tools
