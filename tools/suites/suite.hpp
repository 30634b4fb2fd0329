// SPDX-License-Identifier: MIT
// Tests as jobs: a job runs something once and yields the results of one or more tests. A suite is a list of jobs.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace pith::tools {

struct TestResult {
    std::string name;  ///< "kernel/call_reply debug smp2"
    bool passed = false;
    std::string detail;  ///< of a failure: what there is to read
};

struct Job {
    std::string name;
    unsigned weight = 1;  ///< how many of the host's CPUs it keeps busy
    std::function<std::vector<TestResult>()> run;
    unsigned seconds = 10;  ///< about how long: the long ones begin first
};

/// Where everything is.
struct TestTree {
    std::string root;   ///< the source tree
    std::string logs;   ///< each job's output goes there
    unsigned cpus = 1;  ///< of the host
    std::string build(const std::string& type) const { return root + "/build/" + type; }
};

std::vector<Job> host_jobs(const TestTree& tree);
std::vector<Job> lint_jobs(const TestTree& tree);
std::vector<Job> model_jobs(const TestTree& tree);
std::vector<Job> fuzz_jobs(const TestTree& tree);
std::vector<Job> coverage_jobs(const TestTree& tree);
std::vector<Job> kernel_jobs(const TestTree& tree);
std::vector<Job> bench_jobs(const TestTree& tree);
std::vector<Job> lines_jobs(const TestTree& tree);
std::vector<Job> system_jobs(const TestTree& tree);
std::vector<Job> linux_jobs(const TestTree& tree);

/// A configuration that tests run in.
struct Configuration {
    std::string type;  ///< debug, release
    unsigned cpus;
    bool icount = false;  ///< time is counted in instructions
    std::string text() const { return type + " smp" + std::to_string(cpus) + (icount ? " icount" : ""); }
};
/// {debug, release} x {1, 2, 4}.
std::vector<Configuration> configurations();

/// The runner's command line in a configuration, but for the bundle and what comes behind it.
std::vector<std::string> boot_command(const TestTree& tree, const Configuration& on, unsigned timeout);

/// Reads lines "ok NAME" and "FAIL NAME[: why]" as results named "SUITE/NAME CONFIGURATION". The text of a failure is
/// what was printed since the last such line. `status` other than 0 and no result at all are failures of `job`.
std::vector<TestResult> parse_results(const std::string& suite, const std::string& configuration,
                                      const std::string& job, const std::string& output, int status);

/// Keeps a job's output for later reading.
void write_log(const TestTree& tree, const std::string& name, const std::string& output);

/// The last lines of a text.
std::string tail(const std::string& text, unsigned lines);

}  // namespace pith::tools
