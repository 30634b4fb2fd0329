// SPDX-License-Identifier: MIT
// Suite host: every GoogleTest program host_*_test of the debug build, and the lints.
// Suites fuzz and coverage: tests/host/fuzz.sh, a short run; tests/host/coverage.sh.
#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tools/base/host.hpp"
#include "tools/suites/process.hpp"
#include "tools/suites/suite.hpp"

namespace pith::tools {

namespace {

namespace fs = std::filesystem;
constexpr double kTimeout = 300;
constexpr double kScriptTimeout = 1800;  // coverage builds the kernel first

/// GoogleTest's own lines, "[       OK ] Suite.Case (3 ms)" and "[  FAILED  ] Suite.Case (3 ms)".
std::vector<TestResult> parse_google_test(const std::string& program, const std::string& output, int status) {
    std::vector<TestResult> results;
    // The same tests, of the kernel as it is built for a release.
    const std::string variant = program.ends_with("_without_asserts_test") ? " without asserts" : "";
    std::istringstream lines(output);
    std::string since, running;
    for (std::string line; std::getline(lines, line);) {
        const bool run = line.starts_with("[ RUN      ] ");
        const bool ok = line.starts_with("[       OK ] ");
        const bool failed = line.starts_with("[  FAILED  ] ") && !running.empty();
        const bool skipped = line.starts_with("[  SKIPPED ] ") && !running.empty();
        if (run) {
            running = line.substr(13);
            since.clear();
        } else if (ok || failed || skipped) {
            results.push_back({"host/" + running + variant, ok, ok ? "" : tail(since, 40)});
            running.clear();
        } else {
            since += line + "\n";
        }
    }
    if (!running.empty()) {
        results.push_back({"host/" + running + variant, false,
                           std::format("{}{}: exit status {}\n", tail(since, 60), program, status)});
    } else if (status != 0 && std::ranges::all_of(results, &TestResult::passed)) {
        results.push_back(
            {"host/" + program, false, std::format("{}exit status {}\n", tail(since, 60), status)});
    } else if (results.empty()) {
        results.push_back({"host/" + program, false, "it has no test\n"});
    }
    return results;
}

/// A script of tests/host that prints "ok NAME" or "FAIL NAME".
std::vector<Job> script_jobs(const TestTree& tree, const std::string& suite) {
    return {{suite + "/" + suite, 1, [tree, suite] {
                 const Finished finished = run_command({{"bash", tree.root + "/tests/host/" + suite + ".sh"},
                                                        kScriptTimeout,
                                                        tree.root,
                                                        false,
                                                        {}});
                 write_log(tree, suite, finished.output);
                 return parse_results(suite, "", suite, finished.output, finished.status);
             }}};
}

}  // namespace

std::vector<Job> fuzz_jobs(const TestTree& tree) { return script_jobs(tree, "fuzz"); }
std::vector<Job> coverage_jobs(const TestTree& tree) { return script_jobs(tree, "coverage"); }

std::vector<Job> host_jobs(const TestTree& tree) {
    std::vector<Job> jobs;
    for (const fs::directory_entry& entry :
         fs::recursive_directory_iterator(tree.build("debug") + "/tests")) {
        const std::string name = entry.path().filename();
        if (!entry.is_regular_file() || !name.starts_with("host_") || !name.ends_with("_test")) continue;
        jobs.push_back({"host/" + name, 1, [tree, name, path = entry.path().string()] {
                            const Finished finished = run_command(
                                {{path, "--gtest_color=no"}, kTimeout, tree.root, false, {}});
                            write_log(tree, "host/" + name, finished.output);
                            return parse_google_test(name, finished.output, finished.status);
                        }});
    }
    std::ranges::sort(jobs, {}, &Job::name);
    return jobs;
}

}  // namespace pith::tools
