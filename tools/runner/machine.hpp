// SPDX-License-Identifier: MIT
// The machine in QEMU: the same for Pith and for what it is compared with.
#pragma once

#include <string>
#include <vector>

#include "abi/types.hpp"

namespace pith::tools {

struct Machine {
    std::string memory;  ///< such as 256M
    unsigned cpus = 1;
    bool icount =
        false;  ///< time by the count of instructions, one virtual nanosecond each; else TCG's wall clock
    std::string properties = "";  ///< further ones: ",NAME=VALUE..."
    bool iommu = false;           ///< Intel's, between all devices that come behind it and memory
};

/// What QEMU's command line begins with: the program, and the machine without a kernel or a device.
std::vector<std::string> machine_line(const Machine& machine);

/// What every virtio device of the machine is told, ",NAME=VALUE...": it is a modern one, and behind the IOMMU if there is one.
std::string virtio_properties(const std::vector<std::string>& line);
/// Adds a disk on virtio, behind the IOMMU if there is one. `drive`: where its content is, and how it is accessed.
void add_disk(std::vector<std::string>& line, const std::string& drive);
/// Adds an NVMe controller with one namespace. `block_size`: bytes of its logical blocks.
void add_nvme_disk(std::vector<std::string>& line, const std::string& drive, unsigned block_size);

/// A TCP port of this machine's (on 127.0.0.1), and where connections to it go in the guest.
struct Forward {
    u16 host_port;
    u16 guest_port;
};
/// Adds a network interface on virtio, on QEMU's user network. With forwards QEMU runs with a library of ours (listen_backlog.cpp), which is
/// where the program is that calls this.
void add_network(std::vector<std::string>& line, const std::vector<Forward>& forwards);

/// For `drive`: a raw image.
std::string image_file(const std::string& name);

/// QEMU's options take a comma in a value doubled.
std::string escaped(const std::string& value);

}  // namespace pith::tools
