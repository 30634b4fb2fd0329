// SPDX-License-Identifier: MIT
// What `./pith run` and `./pith debug` are asked to do, as the shell script hands it over.
#pragma once

#include <string>
#include <vector>

#include "abi/types.hpp"
#include "tools/runner/machine.hpp"

namespace pith::tools {

struct Added {
    std::string host_path;
    std::string guest_path;
};

struct Options {
    std::string kernel;   ///< ELF file
    std::string bundle;   ///< the system's bundle
    std::string symbols;  ///< directory with the components' ELF files, for gdb
    std::string
        ready_file;  ///< gets "TICKS NANOSECONDS" when the command begins: the guest's count, and our time
    std::string memory = "256M";
    std::string trace;    ///< file that gets the timeline; empty: no trace
    std::string plugin;   ///< of QEMU: FILE[,ARGUMENT=VALUE...]; empty: none
    u32 trace_ring = 16;  ///< MiB for each CPU's trace
    u32 cpus = 1;
    double timeout = 0;  ///< seconds; 0: none
    bool icount = false;
    bool log = false;
    bool debug = false;
    bool bare =
        false;  ///< there is no console server: the debug console is our stdout, the exit code the status
    std::string rootfs;  ///< raw image of the root file system, written in place: the first disk; empty: none
    std::string share;   ///< directory that the guest has as /share; empty: none
    std::vector<std::string> disks;            ///< raw images, written in place
    std::vector<std::string> read_only_disks;  ///< they come after the others
    std::vector<std::string>
        failing_disks;  ///< and these last: sector 8 can't be read, 16 not written, nothing flushed
    std::vector<std::string> nvme_disks;  ///< raw images, written in place
    bool nvme = false;                    ///< the others are on NVMe as well
    u32 nvme_block_size = 512;
    std::vector<std::string> devices;  ///< of QEMU: NAME[,PROPERTY=VALUE...]
    bool network = false;              ///< a network interface, on QEMU's user network
    std::vector<Forward> forwards;     ///< with it
    bool iommu = true;
    u32 chaos = 0;  ///< milliseconds from one killing of a component to the next; 0: none is
    std::vector<std::string> chaos_targets;  ///< components; none: all that are started again
    std::vector<std::string> chaos_spared;   ///< and not these
    std::vector<std::string> chaos_faults;   ///< what is done to them; none: kill
    std::string chaos_log;                   ///< file that gets a line for each fault; empty: none
    u32 chaos_seed = 0;                      ///< 0: the run's
    std::vector<Added> added;
    std::vector<std::string> environment;
    std::vector<std::string> command;
};

/// Parses the command line; fails with kUsage and one line.
Options parse_options(int argc, char** argv);

}  // namespace pith::tools
