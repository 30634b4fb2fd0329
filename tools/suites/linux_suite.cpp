// SPDX-License-Identifier: MIT
// Suite linux: each program and script of tests/linux runs on the host's Linux and on Pith, in the same way and at the
// same path (tests/linux/run.sh); what it prints and its status must be the same. One boot a configuration runs all.
// Some configurations run them once more with a disk as their root, and those of tests/linux/disk too; e2fsck must find nothing
// wrong with it then.
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
          disk_programs_(tree.build("debug") + "/linux-disk-tests"),
          image_(tree.build("debug") + "/linux-disk.img"),
          work_(std::format("/tmp/pith-linux-{}", ::getpid())),
          names_(programs_of(programs_)),
          disk_names_(programs_of(disk_programs_)) {
        stage({tree_.root + "/tests/linux/stage.sh", tree_.root, root_});
        stage({tree_.root + "/tests/linux/stage_disk.sh", tree_.root, tree_.build("debug"), root_, image_});
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
            outcomes->second = run_on_linux(programs_, scale);
            if (scale == kSmall) outcomes->second.merge(run_on_linux(disk_programs_, scale));
        }
        return outcomes->second;
    }

    std::vector<TestResult> run_on(const Configuration& on) {
        const unsigned scale = full(on) ? kFull : kSmall;
        Command command = boot(on, {"--add", programs_ + ":/tests", "--add",
                                    tree_.root + "/tests/linux/run.sh:/run.sh", "--add", root_ + ":/."});
        add(command,
            {"--", "busybox", "sh", "/run.sh", "/tests", work(scale), "/bin/busybox", std::to_string(scale)});
        const Finished finished = run_command(command);
        write_log(tree_, "linux/pith " + on.text(), finished.output + finished.errors);
        return compare(names_, on.text(), on_linux(scale), finished);
    }

    std::vector<TestResult> run_on_disk(const Configuration& on) {
        const std::string disk = std::format("{}/{}.img", work_, on.type + std::to_string(on.cpus));
        fs::create_directories(work_);
        const Finished copied = run_command({{"cp", "--sparse=always", image_, disk}, 120, "", false, {}});
        if (copied.status != 0) return {{"linux/disk " + on.text(), false, copied.output}};
        Command command = boot(on, {"--rootfs", disk});
        add(command,
            {"--", "/bin/busybox", "sh", "-c",
             std::format("for tests in /tests /disk-tests; do sh /run.sh $tests {} /bin/busybox {}; done",
                         work(kSmall), kSmall)});
        const Finished finished = run_command(command);
        write_log(tree_, "linux/disk " + on.text(), finished.output + finished.errors);
        std::vector<std::string> names = names_;
        names.insert(names.end(), disk_names_.begin(), disk_names_.end());
        std::vector<TestResult> results = compare(names, "disk " + on.text(), on_linux(kSmall), finished);
        const Finished checked = run_command(
            {{"e2fsck", "-fn", disk}, 120, "", false, {"PATH=/usr/sbin:/sbin"}});
        results.push_back({"linux/e2fsck disk " + on.text(), checked.status == 0,
                           tail(checked.output + checked.errors, 30)});
        fs::remove(disk);
        return results;
    }

  private:
    static std::vector<std::string> programs_of(const std::string& directory) {
        std::vector<std::string> names;
        for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
            if (entry.is_regular_file()) names.push_back(entry.path().filename());
        }
        std::ranges::sort(names);
        return names;
    }
    static void stage(const std::vector<std::string>& command) {
        const Finished staged = run_command({command, 120, "", false, {}});
        if (staged.status != 0) fail(1, "{}: {}{}", command.front(), staged.output, staged.errors);
    }
    static void add(Command& command, const std::vector<std::string>& more) {
        command.arguments.insert(command.arguments.end(), more.begin(), more.end());
    }
    Command boot(const Configuration& on, const std::vector<std::string>& more) const {
        Command command{boot_command(tree_, on, kBatchTimeout), kBatchTimeout + 10, "", true, {"TERM=dumb"}};
        const std::string system = more.front() == "--rootfs" ? "storage-offline" : "bare";
        add(command, {"--bundle", tree_.build(on.type) + "/" + system + ".bundle", "--mem", "1G"});
        add(command, more);
        return command;
    }
    std::string work(unsigned scale) const { return work_ + "/" + std::to_string(scale); }
    Outcomes run_on_linux(const std::string& programs, unsigned scale) const {
        const std::string busybox = tree_.root + "/build/busybox/bin/busybox";
        const Finished finished = run_command(
            {{"env", "-i", "HOME=/root", "TERM=dumb", "USER=root", "LOCK=/tmp", busybox, "sh",
              tree_.root + "/tests/linux/run.sh", programs, work(scale), busybox, std::to_string(scale)},
             kBatchTimeout,
             "/",
             true,
             {}});
        write_log(tree_, std::format("linux/host {} {}", fs::path(programs).filename().string(), scale),
                  finished.output + finished.errors);
        return parse_batch(finished.output);
    }
    static std::vector<TestResult> compare(const std::vector<std::string>& names, const std::string& where,
                                           const Outcomes& on_linux, const Finished& finished) {
        const Outcomes outcomes = parse_batch(finished.output);
        std::vector<TestResult> results;
        const std::string end = std::format("the run on Pith ended with status {} before it\n{}",
                                            finished.status, tail(finished.errors, 40));
        for (const std::string& name : names) {
            TestResult result{"linux/" + name + " " + where, false, ""};
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
            results.push_back({"linux/batch " + where, false, end});
        }
        return results;
    }

    const TestTree tree_;
    const std::string programs_, root_, disk_programs_, image_, work_;
    const std::vector<std::string> names_, disk_names_;
    std::mutex mutex_;
    std::map<unsigned, Outcomes> outcomes_;  ///< on the host, by scale
};

}  // namespace

std::vector<Job> linux_jobs(const TestTree& tree) {
    const auto batch = std::make_shared<Batch>(tree);
    if (batch->names().empty()) fail(1, "there are no programs in build/debug/linux-tests");
    std::vector<Job> jobs;
    for (const Configuration& on : configurations()) {
        // Long runs: in three configurations, and one of a disk.
        if (on.type == "debug" ? on.cpus != 2 : on.cpus == 2) continue;
        const unsigned seconds = full(on) ? 300 : 60;
        jobs.push_back({"linux " + on.text(), 1, [batch, on] { return batch->run_on(on); }, seconds});
        if (on.type == "release" && on.cpus == 4)
            jobs.push_back(
                {"linux disk " + on.text(), 1, [batch, on] { return batch->run_on_disk(on); }, 100u});
    }
    return jobs;
}

}  // namespace pith::tools
