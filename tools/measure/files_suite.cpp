// SPDX-License-Identifier: MIT
// Suite files: one program (bench/files/files.c) on Pith and on Linux 6.1, in the same machine and the same run of this suite.
// With icount a tick of its clock is an instruction; of what may wait for a disk a plugin of QEMU counts the instructions
// of the whole guest (tools/plugin/executed.cpp). A second run of each without icount gives nanoseconds.
#include <algorithm>
#include <functional>
#include <iterator>
#include <span>
#include <sstream>

#include "tools/base/host.hpp"
#include "tools/measure/linux_peer.hpp"
#include "tools/measure/scratch.hpp"
#include "tools/measure/suite.hpp"
#include "tools/suites/process.hpp"

namespace pith::tools {

namespace {

constexpr u64 kBillion = 1'000'000'000;
constexpr double kTimeLimit = 120;  ///< seconds, of one run
constexpr const char* kMemory = "512M";
constexpr const char* kPithMemory = "/tmp";  ///< a directory of Pith's file system in memory
constexpr const char* kDiskSize = "256M";
/// The counts of the plugin and of the time stamp counter, where nothing waits, differ by no more than one in so many.
constexpr u64 kAgreement = 100;

std::string program(const BenchTree& tree) { return tree.build + "/bench/files"; }

/// What the program printed.
struct Printed {
    std::vector<Row> rows;                            ///< in ticks, the suite and the unit not set
    std::vector<std::pair<std::string, u64>> marked;  ///< names of rows with marks, and their rounds
    u64 frequency = 0;                                ///< Hz
};

Printed parse(const std::string& output) {
    Printed printed;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word, name;
        Row row;
        u64 rounds = 0;
        words >> word;
        if (word == "row") {
            words >> row.name >> row.min >> row.median >> row.max >> row.n;
            printed.rows.push_back(row);
        } else if (word == "marked") {
            words >> name >> rounds;
            printed.marked.emplace_back(name, rounds);
        } else if (word == "frequency") {
            words >> printed.frequency;
        } else {
            fail(1, "the benchmark said: {}\n{}", line, output);
        }
        if (!words) fail(1, "malformed: {}\n{}", line, output);
    }
    if (printed.frequency == 0) fail(1, "the benchmark did not finish\n{}", output);
    return printed;
}

/// The plugin's lines "executed COUNT".
std::vector<u64> read_executed(const std::string& file) {
    std::istringstream lines(read_text(file));
    std::vector<u64> counts;
    std::string word;
    for (u64 value; lines >> word >> value;) counts.push_back(value);
    return counts;
}

/// Puts what the plugin has counted in place of ticks. `waits`: whether the clock went on where nothing was executed;
/// if not, both counts are the same.
void take_executed(Printed& printed, const std::vector<u64>& counts, bool waits) {
    usize next = 0;
    for (const auto& [name, rounds] : printed.marked) {
        if (counts.size() - next < rounds) fail(1, "the plugin has seen {} rounds", counts.size());
        Row& row = *std::ranges::find(printed.rows, name, &Row::name);
        const std::span<const u64> seen = std::span(counts).subspan(next, rounds);
        const Row executed = make_row("", name, "", {seen.begin(), seen.end()});
        next += rounds;
        const u64 difference = std::max(row.median, executed.median) - std::min(row.median, executed.median);
        if (!waits && difference > row.median / kAgreement)
            fail(1, "{}: the clock counts {} instructions, the plugin {}", name, row.median, executed.median);
        row.min = executed.min;
        row.median = executed.median;
        row.max = executed.max;
    }
    if (next != counts.size()) fail(1, "the plugin has seen {} rounds", counts.size());
}

/// Runs the program on one system, with icount and a plugin of QEMU or without both, and gives what it prints.
using Runner = std::function<std::string(bool icount, const std::string& plugin)>;

Runner on_pith(const BenchTree& tree, const std::string& directory) {
    return [=](bool icount, const std::string& plugin) {
        Command command{{tree.build + "/tools/pith_run", "--kernel", tree.build + "/kernel/pith-kernel.elf",
                         "--bundle", tree.build + "/default.bundle", "--mem", kMemory, "--timeout",
                         std::format("{}", kTimeLimit - 10), "--add", program(tree) + ":/program"},
                        kTimeLimit,
                        "",
                        false,
                        {}};
        if (icount) command.arguments.insert(command.arguments.end(), {"--icount", "--plugin", plugin});
        command.arguments.insert(command.arguments.end(), {"--", "/program", directory});
        const Finished finished = run_command(command);
        if (finished.status != 0)
            fail(1, "the benchmark failed with status {}\n{}", finished.status, finished.output);
        return finished.output;
    };
}

Runner on_linux(const BenchTree& tree, const std::string& setup, const std::string& disk = "") {
    return [=](bool icount, const std::string& plugin) {
        LinuxRun run{program(tree), {"/mnt"}, disk, setup, kMemory, icount, plugin, kTimeLimit};
        if (!disk.empty()) run.arguments.emplace_back("cold");
        return run_on_linux(tree, run);
    };
}

/// `waits`: whether the program may wait for a disk.
std::vector<Row> count(const BenchTree& tree, const Runner& run, bool waits = false) {
    const Scratch executed(tree, "executed");
    Printed printed = parse(
        run(true, std::format("{}/tools/plugin_executed.so,out={}", tree.build, executed.path())));
    take_executed(printed, read_executed(executed.path()), waits);
    return printed.rows;
}

std::vector<Row> time(const Runner& run) {
    Printed printed = parse(run(false, ""));
    for (Row& row : printed.rows) {
        for (u64* value : {&row.min, &row.median, &row.max})
            *value = static_cast<u64>(static_cast<unsigned __int128>(*value) * kBillion / printed.frequency);
    }
    return printed.rows;
}

/// The rows of one place that both have; `linux_rows` may be none.
std::vector<Row> named(std::vector<Row> rows, const std::string& place, const std::string& unit,
                       const std::vector<Row>& linux_rows) {
    for (Row& row : rows) {
        const auto peer = std::ranges::find(linux_rows, row.name, &Row::name);
        if (peer != linux_rows.end()) row.peers = {{"linux", peer->median}};
        row.suite = "files";
        row.name = place + "_" + row.name;
        row.unit = unit;
    }
    return rows;
}

/// A disk with an empty file system as mke2fs makes it, but with all that it writes there at once, and without chance.
void make_disk(const std::string& file) {
    const std::string uuid = "00000000-0000-4000-8000-000000000001";
    const Finished made = run_command(
        {{"/sbin/mke2fs", "-q", "-t", "ext4", "-U", uuid, "-E",
          "lazy_itable_init=0,lazy_journal_init=0,hash_seed=" + uuid, file, kDiskSize},
         60,
         "",
         false,
         {}});
    if (made.status != 0) fail(1, "mke2fs: {}", made.output);
}

/// What Linux takes on ext4, in instructions: a line for each row.
std::vector<std::string> ext4_notes(const BenchTree& tree) {
    const Scratch disk(tree, "ext4");
    make_disk(disk.path());
    const Runner run = on_linux(tree, "busybox mount -t ext4 /dev/vda /mnt", disk.path());
    std::vector<std::string> notes = {"files: " + linux_version(tree) +
                                      "; on ext4, in instructions, it takes"};
    for (const Row& row : count(tree, run, true))
        notes.push_back(
            std::format("files:   {:<18}{:>12}  ({} to {})", row.name, row.median, row.min, row.max));
    return notes;
}

}  // namespace

std::vector<Row> count_files(const BenchTree& tree) {
    return named(count(tree, on_pith(tree, kPithMemory)), "tmpfs", "insn", {});
}

Measured measure_files(const BenchTree& tree) {
    const Runner pith = on_pith(tree, kPithMemory);
    const Runner linux_tmpfs = on_linux(tree, "busybox mount -t tmpfs none /mnt");
    Measured measured;
    measured.rows = named(count(tree, pith), "tmpfs", "insn", count(tree, linux_tmpfs));
    std::ranges::move(named(time(pith), "tmpfs", "ns", time(linux_tmpfs)), std::back_inserter(measured.rows));
    measured.notes = ext4_notes(tree);
    return measured;
}

}  // namespace pith::tools
