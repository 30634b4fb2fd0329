// SPDX-License-Identifier: MIT
// The gate of the benchmarks, part of suite kernel: on the release build, in one run of suite ipc with few rounds (counts are
// exact), one with two CPUs for the latencies, one boot, and by the size of the image and its sources, no row may take more
// than bench/results allows.
#include <algorithm>

#include "tools/base/host.hpp"
#include "tools/measure/gate.hpp"
#include "tools/suites/suite.hpp"

namespace pith::tools {

namespace {

constexpr u32 kRounds = 100;
constexpr u32 kWarmUp = 20;

std::vector<TestResult> hold(const TestTree& tree, const std::string& suite, const std::vector<Row>& rows) {
    const std::string file = std::format("{}/bench/results/{}.json", tree.root, suite);
    std::vector<TestResult> results;
    for (const Verdict& verdict : judge(rows, stored_medians(file)))
        results.push_back(
            {std::format("kernel/bench/{}/{} release", suite, verdict.row), verdict.passed, verdict.text});
    return results;
}

}  // namespace

std::vector<Job> bench_jobs(const TestTree& tree) {
    const BenchTree bench{tree.root, tree.build("release")};
    return {{"kernel/bench/ipc", std::min(2u, tree.cpus),
             [=] { return hold(tree, "ipc", count_ipc(bench, kRounds, kWarmUp)); }},
            {"kernel/bench/boot", 1, [=] { return hold(tree, "boot", {count_boot(bench, 1)}); }},
            {"kernel/bench/size", 1, [=] { return hold(tree, "size", measure_size(bench).rows); }}};
}

}  // namespace pith::tools
