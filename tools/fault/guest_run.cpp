// SPDX-License-Identifier: MIT
// One run: what it needs is made in a folder of its own, which goes with it.
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <sstream>
#include <thread>

#include "tools/base/host.hpp"
#include "tools/fault/campaign.hpp"
#include "tools/fault/text_server.hpp"
#include "tools/suites/process.hpp"

namespace pith::tools {

namespace {

constexpr u32 kBoot = 120;      // seconds that a run may take beyond its load's, on a busy host
constexpr u32 kCommands = 60;   // that are typed
constexpr u32 kTypedAgain = 5;  // seconds
constexpr const char* kDiskSize = "96M";

/// A folder that is gone with the object.
class Folder {
  public:
    Folder() {
        std::string pattern = std::filesystem::temp_directory_path().string() + "/pith-fault-XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) fail(1, "{}", error_text(pattern));
        path_ = pattern;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

void check(const Command& command) {
    const Finished done = run_command(command);
    if (done.status != 0) fail(1, "{}: {}", command.arguments.front(), done.output);
}

/// Where a fault may spoil what a component is trusted with, a line may be lost, or the program that has it: it is typed again, as by a person.
std::string shell_script(u32 seconds, bool spoiled) {
    std::string script = std::format("limit {}\nagain {}\nexpect #\n", kBoot, spoiled ? kTypedAgain : 0);
    for (u32 i = 0; i < kCommands; ++i) {
        script += std::format("send echo sum $(({} * 7 + 1)) | cat\\r\nexpect sum {}\nexpect #\n", i + 1000,
                              (i + 1000) * 7 + 1);
        script += std::format("pause {}\n", seconds * 1000 / kCommands / 2);
    }
    return script + "send exit 0\\r\nend\n";
}

std::vector<std::string> machine(const FaultTree& tree, const FaultRun& run, const std::string& folder) {
    std::vector<std::string> line = {tree.build + "/tools/pith_run",
                                     "--kernel",
                                     tree.build + "/kernel/pith-kernel.elf",
                                     "--bundle",
                                     std::format("{}/{}-chaos.bundle", tree.build, run.load.system),
                                     "--timeout",
                                     std::to_string(run.seconds + kBoot),
                                     "--chaos",
                                     std::to_string(u64{run.kind.interval} * run.load.pace),
                                     "--chaos-seed",
                                     std::to_string(run.seed),
                                     "--chaos-log",
                                     folder + "/log",
                                     "--network"};
    for (const std::string& fault : run.kind.faults) line.insert(line.end(), {"--chaos-fault", fault});
    if (!run.load.target.empty()) line.insert(line.end(), {"--chaos-target", run.load.target});
    for (const std::string& name : run.kind.targets) line.insert(line.end(), {"--chaos-target", name});
    for (const std::string& name : run.kind.spared) line.insert(line.end(), {"--chaos-spare", name});
    const std::string disk = folder + "/disk";
    if (run.load.needs == Load::Needs::share) {
        std::filesystem::create_directory(folder + "/share");
        line.insert(line.end(), {"--share", folder + "/share"});
    } else if (run.load.needs == Load::Needs::root) {
        check({{"cp", "--sparse=always", tree.image, disk}});
        line.insert(line.end(), {"--rootfs", disk, "--mem", "512M"});
    } else if (run.load.needs == Load::Needs::disk || run.load.needs == Load::Needs::nvme) {
        check({{"truncate", "-s", kDiskSize, disk}});
        if (run.load.needs == Load::Needs::disk) check({{"/sbin/mke2fs", "-q", "-t", "ext4", "-F", disk}});
        line.insert(line.end(), {run.load.needs == Load::Needs::nvme ? "--nvme-disk" : "--disk", disk});
    }
    if (run.load.sqlite) {
        const std::string program = "/usr/bin/sqlite3";
        const Finished more = run_command(
            {{tree.root + "/tools/runner/needed_libraries.sh", program, program}, 60, "", true, {}});
        if (more.status != 0) fail(1, "sqlite3: {}", more.errors);
        std::istringstream files(program + ":" + program + "\n" + more.output);
        for (std::string file; std::getline(files, file);) line.insert(line.end(), {"--add", file});
    }
    for (const std::string& variable : run.load.environment) line.insert(line.end(), {"--env", variable});
    line.insert(line.end(), {"--env", std::format("FAULT_SECONDS={}", run.seconds)});
    return line;
}

/// Whoever visits the guest from the host while the load runs there.
class Visitor {
  public:
    Visitor(const FaultTree& tree, const FaultRun& run, const std::string& folder)
        : script_(tree.root + "/tests/fault/loads/" + run.load.visitor), folder_(folder), run_(run) {
        if (there()) port_ = free_port();
    }
    bool there() const { return !run_.load.visitor.empty(); }
    /// What the runner is told for it.
    std::vector<std::string> options() const {
        if (!there()) return {};
        std::vector<std::string> options = {"--forward", std::format("{}:{}", port_, run_.load.visited_port)};
        const Finished prepared = run_command({{"bash", script_, "prepare"}, 60, folder_, false, {}});
        if (prepared.status != 0) fail(1, "{}: {}", script_, prepared.output);
        std::istringstream lines(prepared.output);
        for (std::string line; std::getline(lines, line);) options.insert(options.end(), {"--env", line});
        return options;
    }
    void begin() {
        if (!there()) return;
        thread_ = std::thread([this] {
            visit_ = run_command(
                {{"bash", script_, "visit"},
                 static_cast<double>(run_.seconds + kBoot),
                 folder_,
                 false,
                 {std::format("FAULT_FORWARD={}", port_), std::format("FAULT_SECONDS={}", run_.seconds)}});
        });
    }
    /// Waits for its end. What it found.
    Finished end() {
        if (thread_.joinable()) thread_.join();
        return visit_;
    }

  private:
    const std::string script_, folder_;
    const FaultRun& run_;
    u16 port_ = 0;
    std::thread thread_;
    Finished visit_;
};

std::vector<Hit> read_hits(const std::string& file) {
    std::vector<Hit> hits;
    if (!std::filesystem::exists(file)) return hits;
    std::istringstream lines(read_text(file));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        Hit hit;
        if (words >> word >> hit.target >> hit.fault >> hit.end >> hit.time && word == "hit")
            hits.push_back(hit);
    }
    return hits;
}

}  // namespace

bool keeps_its_word(const std::string& output) {
    std::istringstream lines(output);
    u64 acknowledged = 0;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        u64 number = 0;
        if (!(words >> word >> number)) continue;
        if (word == "acknowledged") acknowledged = std::max(acknowledged, number);
        if (word == "found" && number < acknowledged) return false;
    }
    return true;
}

bool FaultOutcome::passed() const {
    if (!orderly || (!right && !run.kind.silent)) return false;
    // One that was hit and did not come back; or nothing was hit at all.
    if (std::ranges::any_of(hits, [](const Hit& hit) { return hit.end == "detected"; })) return false;
    return std::ranges::any_of(hits, [](const Hit& hit) { return hit.end != "refused"; });
}

FaultOutcome carry_out(const FaultTree& tree, const FaultRun& run) {
    const Folder own;
    const std::string& folder = own.path();
    FaultOutcome outcome{.run = run};
    std::vector<std::string> line = machine(tree, run, folder);
    std::optional<TextServer> server;
    if (run.load.needs == Load::Needs::server) {
        const std::string text = numbers(run.load.lines);
        write_file(folder + "/text", text);
        const Finished sum = run_command({{"sha256sum", folder + "/text"}, 60, "", false, {}});
        server.emplace(text);
        line.insert(line.end(), {"--env", std::format("FAULT_PORT={}", server->port()), "--env",
                                 "FAULT_SUM=" + sum.output.substr(0, sum.output.find(' '))});
    }
    Visitor visitor(tree, run, folder);
    line.append_range(visitor.options());
    if (run.load.script.empty()) {
        write_file(folder + "/typed", shell_script(run.seconds, run.kind.silent));
        line.insert(line.begin(), {tree.build + "/tools/pith_expect", folder + "/typed"});
    } else {
        line.insert(line.end(),
                    {"--", "sh", "-c", read_text(tree.root + "/tests/fault/loads/" + run.load.script)});
    }
    visitor.begin();
    const Finished done = run_command({line, static_cast<double>(run.seconds + 2 * kBoot), "", false, {}});
    const Finished visit = visitor.end();
    outcome.seconds = done.seconds;
    outcome.output = done.output + visit.output;
    outcome.hits = read_hits(folder + "/log");
    const bool typed = run.load.script.empty();  // there the output is shown only if something is amiss
    outcome.orderly = done.status != 124 && done.status != 125 && !outcome.hits.empty() &&
                      (typed || done.output.contains("chaos: seed "));
    outcome.right = outcome.orderly && done.status == 0 && visit.status == 0 &&
                    (typed || (outcome.output.contains("right: ") && keeps_its_word(done.output)));
    if ((run.load.needs == Load::Needs::disk || run.load.needs == Load::Needs::root) && outcome.right) {
        const Finished whole = run_command({{"/sbin/e2fsck", "-fn", folder + "/disk"}, 60, "", false, {}});
        outcome.right = whole.status == 0;
        if (!outcome.right) outcome.output += whole.output;
    }
    return outcome;
}

}  // namespace pith::tools
