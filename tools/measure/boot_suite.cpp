// SPDX-License-Identifier: MIT
// Suite boot: instructions from the kernel's entry to the shell's first instruction, by QEMU's instruction count, which
// repeats to the digit.
#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tools/base/host.hpp"
#include "tools/measure/scratch.hpp"
#include "tools/measure/suite.hpp"
#include "tools/suites/process.hpp"

namespace pith::tools {

namespace {

/// Linux 6.1 (Debian) in the same QEMU: entry of the kernel to init's first instruction.
constexpr u64 kLinuxBoot = 1'578'000'000;
constexpr unsigned kRuns = 3;
constexpr unsigned kWallRuns = 5;

struct Ready {
    u64 ticks = 0;
    u64 nanoseconds = 0;
};

/// One boot to the first instruction of a shell.
Ready boot(const BenchTree& tree, bool icount) {
    const std::string& build = tree.build;
    const Scratch file(tree, "ready");
    Command command{{build + "/tools/pith_run", "--kernel", build + "/kernel/pith-kernel.elf", "--bundle",
                     build + "/bare.bundle", "--timeout", "120", "--ready-file", file.path()},
                    130,
                    "",
                    false,
                    {}};
    if (icount) command.arguments.emplace_back("--icount");
    command.arguments.insert(command.arguments.end(), {"--", "sh", "-c", ":"});
    const Finished finished = run_command(command);
    if (finished.status != 0 || !std::filesystem::exists(file.path())) {
        fail(1, "a boot failed with status {}\n{}", finished.status, finished.output);
    }
    Ready ready;
    if (!(std::istringstream(read_text(file.path())) >> ready.ticks >> ready.nanoseconds)) {
        fail(1, "{}: malformed", file.path());
    }
    return ready;
}

/// What a user waits for, less what QEMU itself takes (a kernel that ends at once). It depends on the machine: no row.
std::string wall_clock(const BenchTree& tree) {
    const std::string& build = tree.build;
    std::vector<double> full, empty;
    for (unsigned run = 0; run < kWallRuns; ++run) {
        full.push_back(static_cast<double>(boot(tree, false).nanoseconds) / 1e6);
        const Finished finished = run_command(
            {{build + "/tools/pith_run", "--bare", "--kernel", build + "/tests/system/empty-kernel.elf",
              "--bundle", build + "/bare.bundle"},
             60,
             "",
             false,
             {}});
        if (finished.status != 0) fail(1, "the empty kernel failed: {}", finished.output);
        empty.push_back(finished.seconds * 1e3);
    }
    std::ranges::sort(full);
    std::ranges::sort(empty);
    return std::format(
        "boot: wall clock here: {:.0f} ms from QEMU's start to the shell, {:.0f} ms of them QEMU's own",
        full[full.size() / 2], empty[empty.size() / 2]);
}

}  // namespace

Row count_boot(const BenchTree& tree, unsigned runs) {
    std::vector<u64> values;
    for (unsigned run = 0; run < runs; ++run) values.push_back(boot(tree, true).ticks);
    return make_row("boot", "boot_shell", "insn", values, {{"linux", kLinuxBoot}});
}

Measured measure_boot(const BenchTree& tree) { return {{count_boot(tree, kRuns)}, {wall_clock(tree)}}; }

}  // namespace pith::tools
