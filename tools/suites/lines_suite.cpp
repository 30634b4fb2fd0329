// SPDX-License-Identifier: MIT
// Part of suite kernel: calls on one CPU share no written cache line with calls on another. Benchmark `lines` of
// bench/ipc on two CPUs (with icount: every run is the same), watched by a plugin of QEMU (tools/plugin/lines.cpp); the first tests are that the plugin sees both
// CPUs, and finds a line where there is one.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <sstream>

#include "bench/ipc/marker.hpp"
#include "tools/base/host.hpp"
#include "tools/suites/process.hpp"
#include "tools/suites/suite.hpp"

namespace pith::tools {

namespace {

using bench::LineSection;
constexpr unsigned kTimeout = 120;
constexpr unsigned kCpus = 2;

/// What the plugin says of a section.
struct Seen {
    unsigned cpus = 0;  ///< with at least one run that no interrupt came into, in which it touched something
    std::string conflicts;  ///< lines
};
using SeenSections = std::array<Seen, static_cast<usize>(LineSection::common) + 1>;

SeenSections read_report(const std::string& file) {
    SeenSections seen;
    std::istringstream lines(read_text(file));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        usize section = 0;
        unsigned cpu = 0, trials = 0;
        usize touched = 0;
        if (!(words >> word >> section) || section >= seen.size()) fail(1, "the plugin said: {}", line);
        if (word == "conflict") seen[section].conflicts += line + "\n";
        else if (words >> cpu >> trials >> touched && trials != 0 && touched != 0) seen[section].cpus++;
    }
    return seen;
}

SeenSections watch(const TestTree& tree) {
    const std::string build = tree.build("release");
    const std::string bundle = std::format("{}/lines.{}.bundle", build, ::getpid());
    const std::string file = std::format("{}/lines.{}", build, ::getpid());
    const Finished packed = run_command(
        {{build + "/tools/pith_bundle", "--output", bundle, "--component", "root=" + build + "/ipc.elf"},
         60,
         "",
         false,
         {}});
    if (packed.status != 0) fail(1, "{}", packed.output);
    Command command{boot_command(tree, {"release", kCpus}, kTimeout), kTimeout + 10, "", false, {}};
    command.arguments.insert(
        command.arguments.end(),
        {"--icount", "--bare", "--bundle", bundle, "--plugin",
         std::format("{}/tools/plugin_lines.so,out={}", build, file), "--", "only=lines"});
    std::filesystem::remove(file);
    const Finished finished = run_command(command);
    std::filesystem::remove(bundle);
    write_log(tree, "kernel/call_lines", finished.output);
    if (finished.status != 0) fail(1, "status {}\n{}", finished.status, finished.output);
    const SeenSections seen = read_report(file);
    std::filesystem::remove(file);
    return seen;
}

std::vector<TestResult> judge_lines(const SeenSections& seen) {
    std::vector<TestResult> results;
    const auto add = [&results](const char* name, bool passed, const std::string& detail) {
        results.push_back(
            {std::format("kernel/call_lines_{} release smp{}", name, kCpus), passed, passed ? "" : detail});
    };
    bool all = true;
    for (usize section = 1; section < seen.size(); section++) all = all && seen[section].cpus == kCpus;
    add("seen", all, "some section was not seen on some CPU without an interrupt\n");
    const auto of = [&seen](LineSection section) -> const Seen& { return seen[static_cast<usize>(section)]; };
    add("found", !of(LineSection::common).conflicts.empty(),
        "two CPUs notified one Signal, and the plugin found no line that they share\n");
    const auto shares_none = [&](const char* name, LineSection section) {
        add(name, of(section).conflicts.empty(),
            "conflict SECTION ADDRESS CPU PC CPU PC: the first wrote there, the second wrote or read\n" +
                of(section).conflicts);
    };
    shares_none("separate", LineSection::separate);
    shares_none("shared", LineSection::shared);
    shares_none("notify", LineSection::own);
    return results;
}

}  // namespace

std::vector<Job> lines_jobs(const TestTree& tree) {
    return {{"kernel/call_lines", std::min(kCpus, tree.cpus), [tree] { return judge_lines(watch(tree)); }}};
}

}  // namespace pith::tools
