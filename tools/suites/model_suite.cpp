// SPDX-License-Identifier: MIT
// Suite models: each tests/models/*.pml is searched whole by Spin, once as it is, which must find no error, and once
// with each BROKEN_n that it knows, which must find one. A search that was cut short has failed.
#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>

#include "tools/base/host.hpp"
#include "tools/suites/process.hpp"
#include "tools/suites/suite.hpp"

namespace pith::tools {

namespace {

namespace fs = std::filesystem;
constexpr double kTimeout = 300;
constexpr const char* kDepth = "-m500000";
constexpr const char* kMemory = "-DMEMLIM=3000";  // MiB

/// The names BROKEN_n in a model, in order.
std::set<std::string> broken_variants(const std::string& model) {
    static const std::regex kName("\\bBROKEN_[0-9]+\\b");
    std::set<std::string> names;
    for (std::sregex_iterator match(model.begin(), model.end(), kName), end; match != end; ++match)
        names.insert(match->str());
    return names;
}

/// One search: what the checker printed, and what came of it.
struct Search {
    std::string output;
    bool complete = false;  ///< it ran to an end of its own
    bool truncated = false;
    unsigned errors = 0;
    std::string states = "no";
};

Search search(const fs::path& model, const std::string& define, const fs::path& directory) {
    fs::remove_all(directory);
    fs::create_directories(directory);
    Search result;
    const auto run = [&](std::vector<std::string> arguments) {
        const Finished finished = run_command(
            {std::move(arguments), kTimeout, directory.string(), false, {}});
        result.output += finished.output;
        return finished.status == 0;
    };
    std::vector<std::string> translate = {"spin", "-a"};
    if (!define.empty()) translate.push_back("-D" + define);
    translate.push_back(model.string());
    if (!run(std::move(translate))) return result;
    // What is broken is found soon: there compiling takes longer than searching.
    const char* effort = define.empty() ? "-O1" : "-O0";
    if (!run({"gcc", effort, "-w", "-DSAFETY", kMemory, "-o", "pan", "pan.c"})) return result;
    run({"./pan", kDepth});  // its exit status says nothing of errors
    static const std::regex kErrors("errors: ([0-9]+)"), kStates("\\s([0-9.e+]+) states, stored");
    std::smatch match;
    result.complete = std::regex_search(result.output, match, kErrors);
    if (result.complete) result.errors = static_cast<unsigned>(std::stoul(match[1]));
    if (std::regex_search(result.output, match, kStates)) result.states = match[1];
    for (const char* sign : {"max search depth too small", "out of memory", "reached -DMEMLIM bound"})
        result.truncated |= result.output.find(sign) != std::string::npos;
    return result;
}

/// Why this is not what was to be found; "": it is.
std::string complaint(const Search& found, bool broken) {
    if (!found.complete) return "the search did not end";
    if (broken) return found.errors != 0 ? "" : "the broken line was not noticed";
    if (found.truncated) return "the search was cut short";
    return found.errors == 0 ? "" : "there is an error";
}

std::vector<TestResult> check_model(const TestTree& tree, const fs::path& model) {
    const std::string name = model.stem();
    std::set<std::string> variants = broken_variants(read_text(model.string()));
    if (variants.empty()) return {{"models/" + name, false, "it has no broken variant\n"}};
    variants.insert("");
    std::vector<TestResult> results;
    std::string log;
    for (const std::string& variant : variants) {
        const std::string full = variant.empty() ? name : name + " " + variant;
        const fs::path directory = fs::path(tree.root) / "build/models" /
                                   (variant.empty() ? name : name + "." + variant);
        const Search found = search(model, variant, directory);
        const std::string wrong = complaint(found, !variant.empty());
        log += std::format("--- {}: {} states, {} errors {}\n{}\n", full, found.states, found.errors, wrong,
                           found.output);
        results.push_back(
            {"models/" + full, wrong.empty(), wrong.empty() ? "" : wrong + ":\n" + tail(found.output, 60)});
    }
    write_log(tree, "models/" + name, log);
    return results;
}

}  // namespace

std::vector<Job> model_jobs(const TestTree& tree) {
    std::vector<Job> jobs;
    for (const fs::directory_entry& entry : fs::directory_iterator(tree.root + "/tests/models")) {
        if (entry.path().extension() != ".pml") continue;
        jobs.push_back({"models/" + entry.path().stem().string(), 1,
                        [tree, path = entry.path()] { return check_model(tree, path); }});
    }
    std::ranges::sort(jobs, {}, &Job::name);
    return jobs;
}

}  // namespace pith::tools
