// SPDX-License-Identifier: MIT
// Benchmarks as rows: what a suite has measured, as a table and as JSON, and the results that are kept in the tree.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "abi/types.hpp"

namespace pith::tools {

/// One measured figure. Suite, name and unit together are unique.
struct Row {
    std::string suite, name;
    std::string unit;  ///< insn (exact counts), ns (TCG wall clock), bytes, lines
    u64 min = 0, median = 0, max = 0;
    u64 n = 0;                         ///< how many were measured
    std::map<std::string, u64> peers;  ///< what others take for the same, by name
    u64 most = ~u64{0};                ///< bound that the gate holds the median to, whatever is stored
    bool varies = false;               ///< then that bound is all that the gate holds it to

    /// One line of JSON, without the newline.
    std::string json() const;
};

/// Of at least one value.
Row make_row(const std::string& suite, const std::string& name, const std::string& unit,
             std::vector<u64> values, std::map<std::string, u64> peers = {});

/// What a suite gives.
struct Measured {
    std::vector<Row> rows;
    std::vector<std::string> notes;  ///< lines for below the table: what is no row
};

/// Where everything is.
struct BenchTree {
    std::string root;   ///< the source tree
    std::string build;  ///< the build directory, release
};

// The suites. Each fails as a whole (Failure) when a part of it fails.
Measured measure_boot(const BenchTree& tree);
Measured measure_files(const BenchTree& tree);
Measured measure_ipc(const BenchTree& tree);
Measured measure_net(const BenchTree& tree);
Measured measure_size(const BenchTree& tree);

/// Parts of the suites, for the gate: instructions from the kernel's entry to the shell, each of `runs` boots; the rows in
/// insn of suite ipc from one run with so many rounds; those of suites files and net, without Linux's.
Row count_boot(const BenchTree& tree, unsigned runs);
std::vector<Row> count_ipc(const BenchTree& tree, u32 rounds, u32 warm_up);
std::vector<Row> count_files(const BenchTree& tree);
/// Only what runs within the guest: it repeats from run to run.
std::vector<Row> count_net(const BenchTree& tree);

/// The longest window with interrupts off, as the kernel counts it and as a plugin of QEMU has seen it in the same run.
struct LongestWindow {
    u64 counted, seen;  ///< instructions
};
LongestWindow compare_windows(const BenchTree& tree);

/// The rows as a table for people.
std::string table_of(const std::vector<Row>& rows);

/// Median by "NAME UNIT" of the results in a file of bench/results. Fails when one is malformed or occurs twice.
std::map<std::string, u64> stored_medians(const std::string& file);

}  // namespace pith::tools
