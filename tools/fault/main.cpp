// SPDX-License-Identifier: MIT
// pith_fault: the campaign. A line for each run, then the tables, then "N passed, N failed".
//
//   --steady      each component by itself, for a minute, instead of the short plan
//   --long N      goes on until N faults have been injected, instead of the short plan
//   --output F    also writes seed, commit and tables to a file
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "tools/base/command_line.hpp"
#include "tools/base/host.hpp"
#include "tools/fault/campaign.hpp"

namespace {

using namespace pith;
using namespace pith::tools;

/// Hands out runs, and takes in what came of them.
class Campaign {
  public:
    Campaign(FaultTree tree, u64 goal, bool steady, std::string only, u32 seconds)
        : tree_(std::move(tree)), goal_(goal), only_(std::move(only)), seconds_(seconds) {
        plan_ = goal_ != 0 ? long_plan(0) : steady ? steady_plan() : short_plan();
    }

    void run(unsigned workers) {
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < workers; ++i)
            threads.emplace_back([this] {
                while (const auto next = take()) report(carry_out(tree_, *next));
            });
        for (std::thread& thread : threads) thread.join();
    }
    unsigned passed() const { return passed_; }
    unsigned failed() const { return failed_; }
    const FaultTable& table() const { return table_; }

  private:
    std::optional<FaultRun> take() {
        const std::lock_guard lock(mutex_);
        for (;;) {
            if (goal_ != 0 && table_.injected() >= goal_) return std::nullopt;
            if (next_ == plan_.size()) {
                if (goal_ == 0) return std::nullopt;
                plan_ = long_plan(++round_);
                next_ = 0;
            }
            FaultRun run = plan_[next_++];
            if (run.load.needs == Load::Needs::root && tree_.image.empty()) continue;
            if (seconds_ != 0) run.seconds = seconds_;
            if (run.name().contains(only_)) return run;
        }
    }

    void report(const FaultOutcome& outcome) {
        const std::lock_guard lock(mutex_);
        table_.add(outcome);
        const bool passed = outcome.passed();
        ++(passed ? passed_ : failed_);
        std::printf("%s fault/%s: %zu faults, %s, %.1f s\n", passed ? "ok  " : "FAIL",
                    outcome.run.name().c_str(), outcome.hits.size(),
                    !outcome.orderly ? "no end"
                    : outcome.right  ? "all right"
                                     : "the load found something wrong",
                    outcome.seconds);
        if (!passed) std::fputs(indented(tail(outcome.output, 40)).c_str(), stdout);
        std::fflush(stdout);
        write_file(std::format("{}/build/test-logs/fault-{}.log", tree_.root, outcome.run.name()),
                   outcome.output);
    }

    static std::string indented(const std::string& text) {
        std::string result = "    | ";
        for (const char c : text) {
            result += c;
            if (c == '\n') result += "    | ";
        }
        return result + '\n';
    }
    static std::string tail(const std::string& text, unsigned lines) {
        usize at = text.size();
        for (unsigned i = 0; i <= lines && at != std::string::npos && at > 0; ++i)
            at = text.rfind('\n', at - 1);
        return at == std::string::npos || at == 0 ? text : text.substr(at + 1);
    }

    const FaultTree tree_;
    const u64 goal_;
    const std::string only_;
    const u32 seconds_;  ///< of each run's load; 0: the plan's
    std::mutex mutex_;
    std::vector<FaultRun> plan_;
    usize next_ = 0;
    u32 round_ = 0;
    FaultTable table_;
    unsigned passed_ = 0, failed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("pith", [&] {
        std::string root, build, output, commit = "unknown", only, image;
        u32 goal = 0, seconds = 0, jobs = std::max(1u, std::thread::hardware_concurrency());
        bool steady = false;
        CommandLine line("Injects faults under load");
        line.option("--tree", root, "The source tree", true)
            .option("--build", build, "build/release", true)
            .number("--long", goal, 1, 100'000'000, "Faults to be injected")
            .flag("--steady", steady, "Each component by itself, killed every 200 ms for a minute, instead")
            .number("--jobs", jobs, 1, 256, "Guests at a time")
            .option("--image", image,
                    "Debian's root with redis-server and openssh-server; without it loads that need it are "
                    "left out")
            .number("--seconds", seconds, 1, 86'400, "Of each run's load, instead of the plan's")
            .option("--only", only, "Only runs with this in their names")
            .option("--output", output, "Gets the tables")
            .option("--commit", commit, "What is told of there");
        line.parse(argc, argv);
        std::filesystem::create_directories(root + "/build/test-logs");
        Campaign campaign({root, build, image}, goal, steady, only, seconds);
        std::printf("seeds: %s\n", goal != 0 ? "1000, 1001, ... (one a round)" : "1");
        campaign.run(jobs);
        const std::string text = campaign.table().text();
        std::printf("\n%s\n%u passed, %u failed\n", text.c_str(), campaign.passed(), campaign.failed());
        if (!output.empty())
            write_file(output,
                       std::format("commit {}, seeds from {}; {} runs passed, {} failed\n\n{}", commit,
                                   goal != 0 ? 1000 : 1, campaign.passed(), campaign.failed(), text));
        return campaign.failed() == 0 ? 0 : 1;
    });
}
