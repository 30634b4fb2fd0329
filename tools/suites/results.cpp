// SPDX-License-Identifier: MIT
#include <algorithm>
#include <sstream>

#include "tools/base/host.hpp"
#include "tools/suites/suite.hpp"

namespace pith::tools {

std::vector<Configuration> configurations() {
    std::vector<Configuration> list;
    for (const char* type : {"debug", "release"}) {
        for (const unsigned cpus : {1u, 2u, 4u}) list.push_back({type, cpus});
    }
    return list;
}

std::vector<std::string> boot_command(const TestTree& tree, const Configuration& on, unsigned timeout) {
    const std::string build = tree.build(on.type);
    std::vector<std::string> command{build + "/tools/pith_run",
                                     "--kernel",
                                     build + "/kernel/pith-kernel.elf",
                                     "--smp",
                                     std::to_string(on.cpus),
                                     "--timeout",
                                     std::to_string(timeout)};
    if (on.icount) command.emplace_back("--icount");
    return command;
}

std::string tail(const std::string& text, unsigned lines) {
    usize at = text.size();
    while (at > 0 && lines > 0) {
        const usize newline = at < 2 ? std::string::npos : text.rfind('\n', at - 2);
        if (newline == std::string::npos) return text;
        at = newline + 1;
        --lines;
    }
    return text.substr(at);
}

std::vector<TestResult> parse_results(const std::string& suite, const std::string& configuration,
                                      const std::string& job, const std::string& output, int status) {
    std::vector<TestResult> results;
    std::istringstream lines(output);
    std::string since;
    const std::string suffix = configuration.empty() ? "" : " " + configuration;
    for (std::string line; std::getline(lines, line);) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        const bool ok = line.starts_with("ok ");
        if (!ok && !line.starts_with("FAIL ")) {
            since += line + "\n";
            continue;
        }
        std::string name = line.substr(ok ? 3 : 5);
        if (!ok) since += line + "\n";
        if (const usize colon = name.find(": "); !ok && colon != std::string::npos) name.resize(colon);
        results.push_back({suite + "/" + name + suffix, ok, ok ? "" : tail(since, 40)});
        since.clear();
    }
    const bool any_failed = std::ranges::any_of(results,
                                                [](const TestResult& result) { return !result.passed; });
    if (status != 0 && !any_failed) {
        results.push_back(
            {suite + "/" + job + suffix, false, std::format("{}exit status {}\n", tail(since, 60), status)});
    } else if (results.empty()) {
        results.push_back({suite + "/" + job + suffix, false, tail(since, 60) + "it reported no test\n"});
    }
    return results;
}

void write_log(const TestTree& tree, const std::string& name, const std::string& output) {
    std::string file = name;
    std::ranges::replace_if(file, [](char c) { return c == '/' || c == ' '; }, '-');
    write_file(tree.logs + "/" + file + ".log", output);
}

}  // namespace pith::tools
