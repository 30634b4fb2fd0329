// SPDX-License-Identifier: MIT
// Debian's Linux 6.1 in the machine that Pith runs in, to compare with: runs one program and gives its output. The kernel, its
// modules and busybox are in build/ (tools/measure/fetch_linux.sh).
#pragma once

#include <string>
#include <vector>

#include "tools/measure/suite.hpp"
#include "tools/runner/machine.hpp"

namespace pith::tools {

/// One boot for one program.
struct LinuxRun {
    std::string program;                 ///< of the host, static; /program there
    std::vector<std::string> arguments;  ///< words without quotes
    std::string disk = "";               ///< a raw image that is /dev/vda, on virtio; "": none
    std::string setup = "";  ///< commands of busybox's shell in front of it: mounts. /mnt is there for them
    std::string memory = "512M";
    bool icount = false;
    std::string plugin = "";  ///< of QEMU: FILE[,ARGUMENT=VALUE...]
    double timeout = 120;     ///< seconds
    bool network = false;     ///< an interface on virtio, on QEMU's user network: eth0 with its address
    std::vector<Forward> forwards = {};  ///< with it
};

/// What the program printed on stdout and stderr. Fails unless it ends with status 0.
std::string run_on_linux(const BenchTree& tree, const LinuxRun& run);

/// The version of that Linux, such as "linux-image-6.1.0-56-amd64 6.1.192-2".
std::string linux_version(const BenchTree& tree);

}  // namespace pith::tools
