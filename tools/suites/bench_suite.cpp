// SPDX-License-Identifier: MIT
// The gate of the benchmarks, part of suite kernel: on the release build, in one run of suite ipc with few rounds (counts are
// exact), one with two CPUs for the latencies, one of suite net, one boot, and by the size of the image and its sources, no row may take more
// than bench/results allows.
#include <algorithm>
#include <set>

#include "tools/base/host.hpp"
#include "tools/measure/gate.hpp"
#include "tools/suites/suite.hpp"

namespace pith::tools {

namespace {

constexpr u32 kRounds = 100;
constexpr u32 kWarmUp = 20;
constexpr u64 kStubs = 150;  ///< instructions of entry and exit, which the kernel does not count

/// Rows of suite net that this machine has a part in: they depend on how it times what it sends, and are for `./pith bench net` alone.
const std::set<std::string> kFromOutside = {"redis_ping insn",   "redis_ping_16 insn", "redis_set insn",
                                            "redis_set_16 insn", "redis_get insn",     "redis_get_16 insn",
                                            "connection insn",   "download_mib insn"};

/// `left_out`: rows with their units that are stored, and not gated.
std::vector<TestResult> hold(const TestTree& tree, const std::string& suite, const std::vector<Row>& rows,
                             const std::set<std::string>& left_out = {}) {
    auto stored = stored_medians(std::format("{}/bench/results/{}.json", tree.root, suite));
    for (const std::string& name : left_out) stored.erase(name);
    std::vector<TestResult> results;
    for (const Verdict& verdict : judge(rows, stored))
        results.push_back(
            {std::format("kernel/bench/{}/{} release", suite, verdict.row), verdict.passed, verdict.text});
    return results;
}

/// The kernel's own figure misses no kind of entry.
std::vector<TestResult> hold_windows(const BenchTree& bench) {
    const LongestWindow longest = compare_windows(bench);
    const u64 least = std::min(longest.counted, longest.seen), most = std::max(longest.counted, longest.seen);
    const bool passed = longest.seen != 0 && most - least <= kStubs;
    return {
        {"kernel/bench/windows release", passed,
         passed
             ? ""
             : std::format(
                   "the kernel counts {} instructions in the longest window with interrupts off, QEMU {}\n",
                   longest.counted, longest.seen)}};
}

}  // namespace

std::vector<Job> bench_jobs(const TestTree& tree) {
    const BenchTree bench{tree.root, tree.build("release")};
    return {{"kernel/bench/ipc", std::min(2u, tree.cpus),
             [=] { return hold(tree, "ipc", count_ipc(bench, kRounds, kWarmUp)); }},
            {"kernel/bench/windows", 1, [=] { return hold_windows(bench); }},
            {"kernel/bench/files", 1, [=] { return hold(tree, "files", count_files(bench)); }},
            {"kernel/bench/net", 1, [=] { return hold(tree, "net", count_net(bench), kFromOutside); }},
            {"kernel/bench/boot", 1, [=] { return hold(tree, "boot", {count_boot(bench, 1)}); }},
            {"kernel/bench/size", 1, [=] { return hold(tree, "size", measure_size(bench).rows); }}};
}

}  // namespace pith::tools
