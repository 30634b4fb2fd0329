// SPDX-License-Identifier: MIT
// Suite files: one program (bench/files/files.c) on Pith and on Linux 6.1, in the same machine and the same run of this suite.
// With icount a tick of its clock is an instruction; of what may wait for a disk a plugin of QEMU counts the instructions
// of the whole guest (tools/plugin/executed.cpp). A second run of each without icount gives nanoseconds.
#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
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
constexpr std::string_view kDisk = "ext4";   ///< the place of rows on a disk
constexpr const char* kMountPoint = "/mnt";
constexpr const char* kOnDisk = "cold sqlite";  ///< what else the program measures on a disk
constexpr unsigned kInserts = 20'000;
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

/// With a disk, that is mounted on `directory`.
Runner on_pith(const BenchTree& tree, const std::string& directory, const std::string& disk = "") {
    return [=](bool icount, const std::string& plugin) {
        Command command{
            {tree.build + "/tools/pith_run", "--kernel", tree.build + "/kernel/pith-kernel.elf", "--bundle",
             tree.build + (disk.empty() ? "/bare.bundle" : "/storage-offline.bundle"), "--mem", kMemory,
             "--timeout", std::format("{}", kTimeLimit - 10), "--add", program(tree) + ":/program"},
            kTimeLimit,
            "",
            false,
            {}};
        if (icount) command.arguments.insert(command.arguments.end(), {"--icount", "--plugin", plugin});
        if (disk.empty()) {
            command.arguments.insert(command.arguments.end(), {"--", "/program", directory});
        } else {
            const std::string script = std::format("mount -t ext4 /dev/vda {0} && exec /program {0} {1}",
                                                   directory, kOnDisk);
            command.arguments.insert(command.arguments.end(),
                                     {"--disk", disk, "--", "/bin/busybox", "sh", "-c", script});
        }
        const Finished finished = run_command(command);
        if (finished.status != 0)
            fail(1, "the benchmark failed with status {}\n{}", finished.status, finished.output);
        return finished.output;
    };
}

Runner on_linux(const BenchTree& tree, const std::string& setup, const std::string& disk = "") {
    return [=](bool icount, const std::string& plugin) {
        LinuxRun run{program(tree), {"/mnt"}, disk, setup, kMemory, icount, plugin, kTimeLimit};
        if (!disk.empty()) run.arguments.emplace_back(kOnDisk);
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

/// What a row on a disk may take, in instructions: 1.3 times what it took Linux when this was written. QEMU's host serves the disk in its own
/// time, so these rows vary.
u64 disk_bound(const std::string& row) {
    static const std::map<std::string, u64> bounds = {
        {"write_fsync", 86'800'000}, {"read_cold", 21'800'000}, {"read", 4'690'000},
        {"read_4k", 2'580},          {"sqlite", 558'000'000},   {"create", 59'000},
        {"delete", 58'300},          {"open_close", 7'260},     {"stat", 4'010},
    };
    return bounds.at(row);
}

/// The rows of one place that both have; `linux_rows` may be none.
std::vector<Row> named(std::vector<Row> rows, std::string_view place, const std::string& unit,
                       const std::vector<Row>& linux_rows) {
    for (Row& row : rows) {
        const auto peer = std::ranges::find(linux_rows, row.name, &Row::name);
        if (peer != linux_rows.end()) row.peers = {{"linux", peer->median}};
        row.suite = "files";
        if (place == kDisk && unit == "insn") {
            row.varies = true;
            row.most = disk_bound(row.name);
        }
        row.name = std::format("{}_{}", place, row.name);
        row.unit = unit;
    }
    return rows;
}

/// What sqlite3 is given: so many inserts in one transaction.
std::string inserts() {
    std::string text = "create table t(k integer primary key, v text);\nbegin;\n";
    for (unsigned i = 1; i <= kInserts; i++)
        text += std::format("insert into t values({}, 'value {}');\n", i, i * 7919 % kInserts);
    return text + "commit;\n";
}

/// A disk as mke2fs makes it, but with all that it writes there at once, and without chance. On it is the host's sqlite3, with its libraries
/// and its input.
class Disk {
  public:
    explicit Disk(const BenchTree& tree) : image_(tree, "ext4"), content_(tree, "content") {
        const std::string uuid = "00000000-0000-4000-8000-000000000001";
        const std::string script =
            "set -e; mkdir -p \"$1\"; needed=$(\"$2\" /usr/bin/sqlite3 /usr/bin/sqlite3)\n"
            "to=$(realpath \"$1\") && cd / && { echo /usr/bin/sqlite3; [[ -z $needed ]] || cut -d: -f2 "
            "<<<\"$needed\"; } | "
            "xargs -d '\\n' cp -L --parents -t \"$to\"";
        run({"bash", "-c", script, "disk", content_.path(), tree.root + "/tools/runner/needed_libraries.sh"});
        write_file(content_.path() + "/inserts.sql", inserts());
        run({"/sbin/mke2fs", "-q", "-t", "ext4", "-U", uuid, "-E",
             "lazy_itable_init=0,lazy_journal_init=0,hash_seed=" + uuid, "-d", content_.path(), image_.path(),
             kDiskSize});
    }
    const std::string& path() const { return image_.path(); }

  private:
    static void run(const std::vector<std::string>& command) {
        const Finished finished = run_command({command, 60, "", false, {}});
        if (finished.status != 0) fail(1, "{}: {}{}", command.front(), finished.output, finished.errors);
    }
    const Scratch image_, content_;
};

}  // namespace

std::vector<Row> count_files(const BenchTree& tree) {
    const Disk disk(tree);
    std::vector<Row> rows = named(count(tree, on_pith(tree, kPithMemory)), "tmpfs", "insn", {});
    std::ranges::move(named(count(tree, on_pith(tree, kMountPoint, disk.path()), true), kDisk, "insn", {}),
                      std::back_inserter(rows));
    return rows;
}

Measured measure_files(const BenchTree& tree) {
    const Runner pith = on_pith(tree, kPithMemory);
    const Runner linux_tmpfs = on_linux(tree, "busybox mount -t tmpfs none /mnt");
    const Disk pith_disk(tree), linux_disk(tree);
    const Runner pith_ext4 = on_pith(tree, kMountPoint, pith_disk.path());
    const Runner linux_ext4 = on_linux(tree, "busybox mount -t ext4 /dev/vda /mnt", linux_disk.path());
    Measured measured;
    const auto add = [&measured](std::vector<Row> rows) {
        std::ranges::move(rows, std::back_inserter(measured.rows));
    };
    add(named(count(tree, pith), "tmpfs", "insn", count(tree, linux_tmpfs)));
    add(named(count(tree, pith_ext4, true), kDisk, "insn", count(tree, linux_ext4, true)));
    add(named(time(pith), "tmpfs", "ns", time(linux_tmpfs)));
    add(named(time(pith_ext4), kDisk, "ns", time(linux_ext4)));
    measured.notes = {"files: linux is " + linux_version(tree)};
    return measured;
}

}  // namespace pith::tools
