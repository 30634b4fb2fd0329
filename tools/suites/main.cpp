// SPDX-License-Identifier: MIT
// pith_test: runs the suites of `./pith test`, several jobs at a time, a line for each test; the last line is
// "N passed, N failed". What can't be run has failed.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <thread>

#include "tools/base/command_line.hpp"
#include "tools/base/host.hpp"
#include "tools/suites/suite.hpp"

namespace {

using namespace pith::tools;

/// Takes jobs from a list as long as the host has CPUs for them.
class Scheduler {
  public:
    explicit Scheduler(std::vector<Job> jobs, unsigned cpus) : jobs_(std::move(jobs)), free_(cpus) {
        // Those that take more than one CPU first, then the long ones: the short ones fill the gaps at the end.
        std::ranges::stable_sort(jobs_, std::greater{},
                                 [](const Job& job) { return std::pair(job.weight, job.seconds); });
    }

    /// Number of failed tests.
    unsigned run(unsigned cpus) {
        std::vector<std::thread> workers;
        for (unsigned index = 0; index < cpus; ++index) workers.emplace_back([this] { work(); });
        for (std::thread& worker : workers) worker.join();
        std::printf("%u passed, %u failed\n", passed_, failed_);
        return failed_;
    }

  private:
    void work() {
        std::unique_lock lock(mutex_);
        while (!jobs_.empty()) {
            const auto fits = std::ranges::find_if(jobs_,
                                                   [this](const Job& job) { return job.weight <= free_; });
            if (fits == jobs_.end()) {
                changed_.wait(lock);
                continue;
            }
            const Job job = std::move(*fits);
            jobs_.erase(fits);
            free_ -= job.weight;
            lock.unlock();
            const auto start = std::chrono::steady_clock::now();
            const std::vector<TestResult> results = attempt(job);
            const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
            lock.lock();
            report(job, results, seconds.count());
            free_ += job.weight;
            changed_.notify_all();
        }
    }

    static std::vector<TestResult> attempt(const Job& job) {
        try {
            return job.run();
        } catch (const std::exception& error) {
            return {{job.name, false, std::string(error.what()) + "\n"}};
        }
    }

    void report(const Job& job, const std::vector<TestResult>& results, double seconds) {
        for (const TestResult& result : results) {
            std::printf("%s %s\n%s", result.passed ? "ok  " : "FAIL", result.name.c_str(),
                        indented(result.detail).c_str());
            ++(result.passed ? passed_ : failed_);
        }
        std::printf("     %s: %zu tests, %.1f s\n", job.name.c_str(), results.size(), seconds);
        std::fflush(stdout);
    }

    static std::string indented(const std::string& text) {
        std::string result;
        bool start = true;
        for (const char c : text) {
            if (start) result += "    | ";
            result += c;
            start = c == '\n';
        }
        if (!start) result += '\n';
        return result;
    }

    std::vector<Job> jobs_;
    unsigned free_;
    unsigned passed_ = 0, failed_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
};

int run(const std::string& root, const std::vector<std::string>& suites, const std::string& only) {
    TestTree tree{root, root + "/build/test-logs", std::max(1u, std::thread::hardware_concurrency())};
    std::filesystem::create_directories(tree.logs);
    std::vector<Job> jobs;
    const auto add = [&](const char* suite, const std::function<std::vector<Job>(const TestTree&)>& list) {
        if (!suites.empty() && std::ranges::find(suites, suite) == suites.end()) return;
        std::vector<Job> more;
        try {
            more = list(tree);
        } catch (const std::exception& error) {
            more.push_back({suite, 1, [suite, text = std::string(error.what())] {
                                return std::vector<TestResult>{{suite, false, text + "\n"}};
                            }});
        }
        for (Job& job : more) {
            if (job.name.find(only) != std::string::npos) jobs.push_back(std::move(job));
        }
    };
    add("host", host_jobs);
    add("host", lint_jobs);
    add("models", model_jobs);
    add("kernel", kernel_jobs);
    add("kernel", bench_jobs);
    add("kernel", lines_jobs);
    add("system", system_jobs);
    add("linux", linux_jobs);
    add("fuzz", fuzz_jobs);
    // Another build of the kernel, so only where it is asked for.
    if (std::ranges::find(suites, "coverage") != suites.end()) add("coverage", coverage_jobs);
    return Scheduler(std::move(jobs), tree.cpus).run(tree.cpus) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("pith", [&] {
        std::string root, only;
        std::vector<std::string> suites;
        CommandLine line("Runs tests");
        line.option("--tree", root, "The source tree", true)
            .option("--only", only, "Only jobs with this in their names")
            .list("suites", suites, "host, models, kernel, system, linux, fuzz, coverage");
        line.parse(argc, argv);
        return run(root, suites, only);
    });
}
