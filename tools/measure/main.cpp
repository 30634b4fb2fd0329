// SPDX-License-Identifier: MIT
// pith_bench: the benchmarks of `./pith bench`. Suite boot: instructions from the kernel's entry to the shell's first
// instruction, by QEMU's instruction count, which repeats to the digit. Prints a table; with --json also writes one JSON
// object a line: suite, name, unit, min, median, max, n, and by the name of a peer what it takes for the same.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "abi/types.hpp"
#include "tools/base/command_line.hpp"
#include "tools/base/host.hpp"
#include "tools/suites/process.hpp"

namespace {

using namespace pith;
using namespace pith::tools;

/// Linux 6.1 (Debian) in the same QEMU: entry of the kernel to init's first instruction.
constexpr u64 kLinuxBoot = 1'578'000'000;
constexpr unsigned kRuns = 3;
constexpr unsigned kWallRuns = 5;

struct Row {
    std::string suite, name, unit;
    std::vector<u64> values;
    std::vector<std::pair<std::string, u64>> peers;

    u64 median() const {
        std::vector<u64> sorted = values;
        std::ranges::sort(sorted);
        return sorted[sorted.size() / 2];
    }
    std::string json() const {
        std::string text = std::format(
            R"({{"suite":"{}","name":"{}","unit":"{}","min":{},"median":{},"max":{},"n":{})", suite, name,
            unit, std::ranges::min(values), median(), std::ranges::max(values), values.size());
        for (const auto& [peer, value] : peers) text += std::format(",\"{}\":{}", peer, value);
        return text + "}";
    }
    std::string line() const {
        std::string text = std::format("{:<8}{:<14}{:>16} {:<6}", suite, name, median(), unit);
        for (const auto& [peer, value] : peers) {
            text += std::format("  {} {} ({:.3f} of it)", peer, value,
                                static_cast<double>(median()) / static_cast<double>(value));
        }
        return text;
    }
};

struct Ready {
    u64 ticks = 0;
    u64 nanoseconds = 0;
};

/// One boot to the first instruction of a shell.
Ready boot(const std::string& build, bool icount) {
    const std::string file = std::format("{}/bench-ready.{}", build, ::getpid());
    Command command{{build + "/tools/pith_run", "--kernel", build + "/kernel/pith-kernel.elf", "--bundle",
                     build + "/default.bundle", "--timeout", "120", "--ready-file", file},
                    130,
                    "",
                    false,
                    {}};
    if (icount) command.arguments.emplace_back("--icount");
    command.arguments.insert(command.arguments.end(), {"--", "sh", "-c", ":"});
    std::filesystem::remove(file);
    const Finished finished = run_command(command);
    if (finished.status != 0 || !std::filesystem::exists(file)) {
        fail(1, "a boot failed with status {}\n{}", finished.status, finished.output);
    }
    const std::vector<u8> content = read_file(file);
    std::filesystem::remove(file);
    Ready ready;
    if (!(std::istringstream(std::string(content.begin(), content.end())) >> ready.ticks >>
          ready.nanoseconds)) {
        fail(1, "{}: malformed", file);
    }
    return ready;
}

Row boot_shell(const std::string& build) {
    Row row{"boot", "boot_shell", "insn", {}, {{"linux", kLinuxBoot}}};
    for (unsigned run = 0; run < kRuns; ++run) row.values.push_back(boot(build, true).ticks);
    return row;
}

/// What a user waits for, less what QEMU itself takes (a kernel that ends at once). It depends on the machine: no row.
void print_wall_clock(const std::string& build) {
    std::vector<double> full, empty;
    for (unsigned run = 0; run < kWallRuns; ++run) {
        full.push_back(static_cast<double>(boot(build, false).nanoseconds) / 1e6);
        const Finished finished = run_command(
            {{build + "/tools/pith_run", "--bare", "--kernel", build + "/tests/system/empty-kernel.elf",
              "--bundle", build + "/default.bundle"},
             60,
             "",
             false,
             {}});
        if (finished.status != 0) fail(1, "the empty kernel failed: {}", finished.output);
        empty.push_back(finished.seconds * 1e3);
    }
    std::ranges::sort(full);
    std::ranges::sort(empty);
    std::printf(
        "        wall clock here: %.0f ms from QEMU's start to the shell, %.0f ms of them QEMU's own\n",
        full[full.size() / 2], empty[empty.size() / 2]);
}

int run(const std::string& build, const std::string& json) {
    const Row row = boot_shell(build);
    std::printf("%s\n", row.line().c_str());
    print_wall_clock(build);
    if (!json.empty()) write_file(json, row.json() + "\n");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("pith", [&] {
        std::string build, json;
        std::vector<std::string> suites;
        CommandLine line("Runs benchmarks");
        line.option("--build", build, "The build directory", true)
            .option("--json", json, "Gets one JSON object a line")
            .list("suites", suites, "boot");
        line.parse(argc, argv);
        for (const std::string& suite : suites) {
            if (suite != "boot") fail(kUsage, "unknown benchmark suite '{}'", suite);
        }
        return run(build, json);
    });
}
