// SPDX-License-Identifier: MIT
// pith_bench: the benchmarks of `./pith bench`. Prints a table; with --json also writes one JSON object a line: suite,
// name, unit, min, median, max, n, and by the name of a peer what it takes for the same.
#include <algorithm>
#include <cstdio>
#include <set>

#include "tools/base/command_line.hpp"
#include "tools/base/host.hpp"
#include "tools/measure/suite.hpp"

namespace {

using namespace pith;
using namespace pith::tools;

struct Suite {
    const char* name;
    Measured (*measure)(const BenchTree& tree);
};

constexpr Suite kSuites[] = {{"boot", measure_boot}, {"ipc", measure_ipc}, {"size", measure_size}};

Measured measure(const BenchTree& tree, const std::vector<std::string>& names) {
    Measured all;
    for (const Suite& suite : kSuites) {
        if (!names.empty() && std::find(names.begin(), names.end(), suite.name) == names.end()) continue;
        Measured measured = suite.measure(tree);
        all.rows.insert(all.rows.end(), measured.rows.begin(), measured.rows.end());
        all.notes.insert(all.notes.end(), measured.notes.begin(), measured.notes.end());
    }
    std::set<std::string> seen;
    for (const Row& row : all.rows) {
        if (!seen.insert(row.suite + " " + row.name + " " + row.unit).second)
            fail(1, "two rows {} {} {}", row.suite, row.name, row.unit);
    }
    return all;
}

int run(const BenchTree& tree, const std::string& json, const std::vector<std::string>& names) {
    const Measured measured = measure(tree, names);
    std::printf("%s", table_of(measured.rows).c_str());
    for (const std::string& note : measured.notes) std::printf("%s\n", note.c_str());
    if (json.empty()) return 0;
    std::string lines;
    for (const Row& row : measured.rows) lines += row.json() + "\n";
    write_file(json, lines);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("pith", [&] {
        BenchTree tree;
        std::string json;
        std::vector<std::string> names;
        CommandLine line("Runs benchmarks");
        line.option("--tree", tree.root, "The source tree", true)
            .option("--build", tree.build, "The build directory", true)
            .option("--json", json, "Gets one JSON object a line")
            .list("suites", names, "boot, ipc, size");
        line.parse(argc, argv);
        for (const std::string& name : names) {
            const bool known = std::ranges::any_of(kSuites,
                                                   [&](const Suite& suite) { return name == suite.name; });
            if (!known) fail(kUsage, "unknown benchmark suite '{}'", name);
        }
        return run(tree, json, names);
    });
}
