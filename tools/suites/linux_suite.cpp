// SPDX-License-Identifier: MIT
// Suite linux: each program and script of tests/linux runs on the host's Linux and on Pith, in the same way and at the
// same path (tests/linux/run.sh); what it prints and its status must be the same. One boot a configuration runs all.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>

#include "tools/base/host.hpp"
#include "tools/suites/process.hpp"
#include "tools/suites/suite.hpp"

namespace pith::tools {

namespace {

namespace fs = std::filesystem;
constexpr unsigned kBatchTimeout = 600;
constexpr unsigned kFull = 1;  ///< scale: all data, in one configuration
constexpr unsigned kSmall = 16;

struct Outcome {
    int status = 0;
    std::string output;
    bool operator==(const Outcome&) const = default;
};
using Outcomes = std::map<std::string, Outcome>;

/// What run.sh prints: "=== NAME STATUS SIZE", a newline, SIZE bytes, a newline; for each test.
Outcomes parse_batch(std::string_view text) {
    Outcomes outcomes;
    constexpr std::string_view kMark = "=== ";
    while (text.starts_with(kMark)) {
        const usize newline = text.find('\n');
        if (newline == std::string_view::npos) break;
        std::istringstream header(std::string(text.substr(kMark.size(), newline - kMark.size())));
        std::string name;
        Outcome outcome;
        usize size = 0;
        if (!(header >> name >> outcome.status >> size) || text.size() - newline - 1 < size) break;
        outcome.output = text.substr(newline + 1, size);
        text.remove_prefix(std::min(newline + 1 + size + 1, text.size()));
        outcomes.emplace(std::move(name), std::move(outcome));
    }
    return outcomes;
}

/// The first lines in which two outputs differ.
std::string difference(const Outcome& wanted, const Outcome& got) {
    std::string text;
    if (wanted.status != got.status)
        text += std::format("status {} on Linux, {} on Pith\n", wanted.status, got.status);
    std::istringstream left(wanted.output), right(got.output);
    std::string on_linux, on_pith;
    for (unsigned line = 1;; ++line) {
        const bool more_left = static_cast<bool>(std::getline(left, on_linux));
        const bool more_right = static_cast<bool>(std::getline(right, on_pith));
        if (!more_left && !more_right) break;
        if (more_left && more_right && on_linux == on_pith) continue;
        text += std::format("line {}:\n  Linux: {}\n  Pith:  {}\n", line, more_left ? on_linux : "(end)",
                            more_right ? on_pith : "(end)");
        break;
    }
    return text + "all of Pith's output:\n" + tail(got.output, 30);
}

/// Whether the tests work on all their data in this configuration.
bool full(const Configuration& on) { return on.type == "release" && on.cpus == 1; }

/// All tests: what to run where. What they give on the host is found out once for each scale.
class Batch {
  public:
    explicit Batch(const TestTree& tree)
        : tree_(tree),
          programs_(tree.build("debug") + "/linux-tests"),
          root_(tree.build("debug") + "/linux-root"),
          work_(std::format("/tmp/pith-linux-{}", ::getpid())) {
        for (const fs::directory_entry& entry : fs::directory_iterator(programs_)) {
            if (entry.is_regular_file()) names_.push_back(entry.path().filename());
        }
        std::ranges::sort(names_);
        const Finished staged = run_command(
            {{tree_.root + "/tests/linux/stage.sh", tree_.root, root_}, 120, "", false, {}});
        if (staged.status != 0) fail(1, "tests/linux/stage.sh: {}{}", staged.output, staged.errors);
    }
    ~Batch() {
        std::error_code ignored;
        fs::remove_all(work_, ignored);
    }

    const std::vector<std::string>& names() const { return names_; }

    const Outcomes& on_linux(unsigned scale) {
        const std::lock_guard lock(mutex_);
        const auto [outcomes, fresh] = outcomes_.try_emplace(scale);
        if (fresh) {
            const std::string busybox = tree_.root + "/build/busybox/bin/busybox";
            const std::string work = work_ + "/" + std::to_string(scale);
            const Finished finished = run_command(
                {{"env", "-i", "HOME=/root", "TERM=dumb", "USER=root", busybox, "sh",
                  tree_.root + "/tests/linux/run.sh", programs_, work, busybox, std::to_string(scale)},
                 kBatchTimeout,
                 "/",
                 true,
                 {}});
            write_log(tree_, std::format("linux/host {}", scale), finished.output + finished.errors);
            outcomes->second = parse_batch(finished.output);
        }
        return outcomes->second;
    }

    std::vector<TestResult> run_on(const Configuration& on) {
        const std::string build = tree_.build(on.type);
        const unsigned scale = full(on) ? kFull : kSmall;
        Command command{boot_command(tree_, on, kBatchTimeout), kBatchTimeout + 10, "", true, {"TERM=dumb"}};
        for (const std::string& argument :
             {std::string("--bundle"), build + "/default.bundle", std::string("--mem"), std::string("1G"),
              std::string("--add"), programs_ + ":/tests", std::string("--add"),
              tree_.root + "/tests/linux/run.sh:/run.sh", std::string("--add"), root_ + ":/."}) {
            command.arguments.push_back(argument);
        }
        const std::string work = work_ + "/" + std::to_string(scale);
        for (const std::string& argument :
             {std::string("--"), std::string("busybox"), std::string("sh"), std::string("/run.sh"),
              std::string("/tests"), work, std::string("/bin/busybox"), std::to_string(scale)}) {
            command.arguments.push_back(argument);
        }
        const Finished finished = run_command(command);
        write_log(tree_, "linux/pith " + on.text(), finished.output + finished.errors);
        return compare(on, on_linux(scale), parse_batch(finished.output), finished);
    }

  private:
    std::vector<TestResult> compare(const Configuration& on, const Outcomes& on_linux,
                                    const Outcomes& outcomes, const Finished& finished) {
        std::vector<TestResult> results;
        const std::string end = std::format("the run on Pith ended with status {} before it\n{}",
                                            finished.status, tail(finished.errors, 40));
        for (const std::string& name : names_) {
            TestResult result{"linux/" + name + " " + on.text(), false, ""};
            const auto wanted = on_linux.find(name);
            const auto got = outcomes.find(name);
            if (wanted == on_linux.end()) {
                result.detail = "it did not run on the host\n";
            } else if (got == outcomes.end()) {
                result.detail = end;
            } else {
                result.passed = wanted->second == got->second;
                if (!result.passed) result.detail = difference(wanted->second, got->second);
            }
            results.push_back(std::move(result));
        }
        if (finished.status != 0 || !finished.errors.empty()) {
            results.push_back({"linux/batch " + on.text(), false, end});
        }
        return results;
    }

    const TestTree tree_;
    const std::string programs_, root_, work_;
    std::vector<std::string> names_;
    std::mutex mutex_;
    std::map<unsigned, Outcomes> outcomes_;  ///< on the host, by scale
};

}  // namespace

std::vector<Job> linux_jobs(const TestTree& tree) {
    const auto batch = std::make_shared<Batch>(tree);
    if (batch->names().empty()) fail(1, "there are no programs in build/debug/linux-tests");
    std::vector<Job> jobs;
    for (const Configuration& on : configurations()) {
        const unsigned seconds = full(on) ? 300 : 60;
        jobs.push_back({"linux " + on.text(), 1, [batch, on] { return batch->run_on(on); }, seconds});
    }
    return jobs;
}

}  // namespace pith::tools
