// SPDX-License-Identifier: MIT
// Rows of benchmarks as text and back, the gate, the counting of lines, and what code leads to.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tools/base/host.hpp"
#include "tools/measure/gate.hpp"
#include "tools/measure/reachable.hpp"
#include "tools/measure/source_lines.hpp"

namespace pith::tools {
namespace {

Row count(const char* name, u64 median) { return make_row("ipc", name, "insn", {median}); }

std::string file_with(const std::string& content) {
    const std::string path = std::filesystem::temp_directory_path() /
                             std::format("pith_measure_test.{}", ::getpid());
    write_file(path, content);
    return path;
}

TEST(Measure, MinimumMedianMaximum) {
    const Row row = make_row("ipc", "x", "ns", {5, 1, 9, 7, 3}, {{"sel4", 10}});
    EXPECT_EQ(row.json(),
              R"({"suite":"ipc","name":"x","unit":"ns","min":1,"median":5,"max":9,"n":5,"sel4":10})");
    EXPECT_NE(table_of({row}).find("0.500"), std::string::npos);
}

TEST(Measure, StoredResults) {
    const std::string rows = count("a", 100).json() + "\n" + make_row("ipc", "a", "ns", {7}).json() + "\n";
    const std::string path = file_with("{\"suite\":\"ipc\",\"commit\":\"0123abc\"}\n" + rows);
    const std::map<std::string, u64> expected = {{"a insn", 100}, {"a ns", 7}};
    EXPECT_EQ(stored_medians(path), expected);
    write_file(path, rows + rows);
    EXPECT_THROW(stored_medians(path), Failure);
    write_file(path, rows + "nonsense\n");
    EXPECT_THROW(stored_medians(path), Failure);
    std::filesystem::remove(path);
    EXPECT_THROW(stored_medians(path), Failure);
}

TEST(Measure, GateHoldsEachRow) {
    const auto verdicts = judge(
        {count("same", 100), count("less", 10), count("edge", 105), count("more", 106)},
        {{"same insn", 100}, {"less insn", 100}, {"edge insn", 100}, {"more insn", 100}});
    ASSERT_EQ(verdicts.size(), 4u);
    for (const Verdict& verdict : verdicts) EXPECT_EQ(verdict.passed, verdict.row != "more") << verdict.row;
    EXPECT_NE(verdicts.back().text.find("106"), std::string::npos);
    EXPECT_NE(verdicts.back().text.find("100"), std::string::npos);
}

TEST(Measure, GateHoldsBoundsAndSizes) {
    Row row = make_row("size", "text", "bytes", {100});
    row.most = 99;
    const auto bound = judge({row}, {{"text bytes", 100}});
    ASSERT_EQ(bound.size(), 1u);
    EXPECT_FALSE(bound[0].passed);
    EXPECT_NE(bound[0].text.find("99"), std::string::npos);
    row.most = 100;
    EXPECT_TRUE(judge({row}, {{"text bytes", 100}})[0].passed);
    EXPECT_FALSE(judge({row}, {{"text bytes", 95}})[0].passed);
    EXPECT_FALSE(judge({make_row("size", "lines", "lines", {106})}, {{"lines lines", 100}})[0].passed);
    EXPECT_FALSE(judge({}, {{"lines lines", 100}})[0].passed);
}

TEST(Measure, GateHoldsWhatVariesBelowItsBound) {
    Row below = count("below", 200), above = count("above", 201);
    below.varies = above.varies = true;
    below.most = above.most = 200;
    const auto verdicts = judge({below, above}, {{"below insn", 100}, {"above insn", 201}});
    ASSERT_EQ(verdicts.size(), 2u);
    EXPECT_TRUE(verdicts[0].passed);
    EXPECT_FALSE(verdicts[1].passed);
}

TEST(Measure, GateMissesRows) {
    const auto fresh = judge({count("new", 1)}, {});
    ASSERT_EQ(fresh.size(), 1u);
    EXPECT_FALSE(fresh[0].passed);
    const auto gone = judge({}, {{"old insn", 1}, {"old ns", 1}});
    ASSERT_EQ(gone.size(), 1u);
    EXPECT_FALSE(gone[0].passed);
    EXPECT_EQ(gone[0].row, "old");
    EXPECT_TRUE(judge({make_row("ipc", "x", "ns", {1})}, {}).empty());
}

TEST(Measure, ReachableFunctions) {
    const std::vector<ElfImage> objects = {ElfImage(REACHABLE_SAMPLE)};
    EXPECT_EQ(reachable_functions(objects, ".text.start"),
              (std::set<std::string>{"start", "direct", "listed"}));
    EXPECT_EQ(reachable_functions(objects, ".text.apart"),
              (std::set<std::string>{"apart", "direct", "listed"}));
    EXPECT_THROW(reachable_functions(objects, ".text.none"), Failure);
}

TEST(Measure, LinesOfCode) {
    EXPECT_EQ(lines_of_code(""), 0u);
    EXPECT_EQ(lines_of_code("a\n\n  // b\n\tc // d\n"), 2u);
    EXPECT_EQ(lines_of_code("/* a\nb\n*/ c\n/* d */\n"), 1u);
    EXPECT_EQ(lines_of_code("x = \"// no /* comment\";\ny"), 2u);
}

}  // namespace
}  // namespace pith::tools
