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

constexpr Suite kSuites[] = {{"boot", measure_boot},
                             {"files", measure_files},
                             {"ipc", measure_ipc},
                             {"net", measure_net},
                             {"size", measure_size}};

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

/// bench/results/SUITE.json of each suite that was measured: a line with the commit, then the rows.
void store(const BenchTree& tree, const std::string& commit, const std::vector<Row>& rows) {
    std::map<std::string, std::string> files;
    for (const Row& row : rows) {
        const auto [file, first] = files.try_emplace(row.suite);
        if (first) file->second = std::format(R"({{"suite":"{}","commit":"{}"}})", row.suite, commit) + "\n";
        file->second += row.json() + "\n";
    }
    for (const auto& [suite, content] : files)
        write_file(std::format("{}/bench/results/{}.json", tree.root, suite), content);
}

struct Outputs {
    std::string json;    ///< file; "": none
    std::string commit;  ///< of what is measured, to store it; "": it is not stored
};

int run(const BenchTree& tree, const Outputs& outputs, const std::vector<std::string>& names) {
    const Measured measured = measure(tree, names);
    std::printf("%s", table_of(measured.rows).c_str());
    for (const std::string& note : measured.notes) std::printf("%s\n", note.c_str());
    if (!outputs.commit.empty()) store(tree, outputs.commit, measured.rows);
    std::string lines;
    for (const Row& row : measured.rows) lines += row.json() + "\n";
    if (!outputs.json.empty())
        write_file(outputs.json, lines);  // last: it is there only if nothing has failed
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("pith", [&] {
        BenchTree tree;
        Outputs outputs;
        std::vector<std::string> names;
        CommandLine line("Runs benchmarks");
        line.option("--tree", tree.root, "The source tree", true)
            .option("--build", tree.build, "The build directory", true)
            .option("--json", outputs.json, "Gets one JSON object a line")
            .option("--store", outputs.commit, "The commit: the results become those of bench/results")
            .list("suites", names, "boot, files, ipc, net, size");
        line.parse(argc, argv);
        for (const std::string& name : names) {
            const bool known = std::ranges::any_of(kSuites,
                                                   [&](const Suite& suite) { return name == suite.name; });
            if (!known) fail(kUsage, "unknown benchmark suite '{}'", name);
        }
        return run(tree, outputs, names);
    });
}
