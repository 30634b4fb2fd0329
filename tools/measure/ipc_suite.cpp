// SPDX-License-Identifier: MIT
// Suite ipc: the kernel's benchmark (bench/ipc) as root on the bare kernel. With --icount a tick of its clock is an
// instruction, exactly; a second run without gives nanoseconds of TCG; runs with several CPUs, which have no common exact
// clock, give nanoseconds; there a plugin of QEMU (tools/plugin/windows.cpp) counts each CPU's instructions.
#include <algorithm>
#include <sstream>

#include "tools/base/host.hpp"
#include "tools/measure/scratch.hpp"
#include "tools/measure/suite.hpp"
#include "tools/suites/process.hpp"

namespace pith::tools {

namespace {

constexpr double kTimeLimit = 150;  ///< seconds, of one run
constexpr u64 kBillion = 1'000'000'000;
constexpr u64 kLatencyBound = 20'000;  ///< instructions
constexpr unsigned
    kTimerVector = 0x32;  ///< of the benchmark's device: kVectorLines of the kernel, and line 2
constexpr unsigned kLatencyCpus = 2;

/// seL4 16, plain kernel, in the same QEMU: instructions, and nanoseconds where they are known.
const std::map<std::string, u64> kSel4Instructions = {
    {"call_0w", 477},     {"call_8w", 519}, {"null", 250},     {"signal_idle", 373},
    {"signal_wake", 553}, {"fault", 1293},  {"foreign", 1551}, {"page_fault_map", 2061},
    {"map_unmap", 1426},  {"thread", 7362}, {"irq_wake", 389}, {"boot_user", 9'200'000},
};
const std::map<std::string, u64> kSel4Nanoseconds = {{"call_0w", 9500}, {"call_same", 1900}};

std::map<std::string, u64> peers_of(const std::map<std::string, u64>& known, const std::string& name) {
    const auto found = known.find(name);
    return found == known.end() ? std::map<std::string, u64>{}
                                : std::map<std::string, u64>{{"sel4", found->second}};
}

/// How the machine runs, and what the benchmark is asked for.
struct Run {
    unsigned cpus = 1;
    bool icount = false;
    std::vector<std::string> arguments;
    std::string plugin = "";
};

/// A maximum over interrupts that come at certain instants: which of the kernel's long windows they hit changes with every
/// change of anything, so the gate has a bound for it. The longest window itself does not vary.
bool sampled(const Row& row) { return row.name == "irq_latency_max"; }

void hold_to(Row& row, u64 most) {
    row.varies = true;
    row.most = most;
}

/// These are of one trial, in which the host's own pauses show: nanoseconds of them say nothing.
bool only_counted(const Row& row) { return sampled(row) || row.name == "irq_off_max"; }

/// The bundle with the benchmark as root; gone with the object.
class BenchBundle {
  public:
    explicit BenchBundle(const BenchTree& tree) : file_(tree, "ipc.bundle") {
        const Finished packed = run_command({{tree.build + "/tools/pith_bundle", "--output", file_.path(),
                                              "--component", std::format("root={}/ipc.elf", tree.build)},
                                             60,
                                             "",
                                             false,
                                             {}});
        if (packed.status != 0) fail(1, "the benchmark cannot be packed\n{}", packed.output);
    }
    const std::string& path() const { return file_.path(); }

  private:
    Scratch file_;
};

/// The lines "row NAME MIN MEDIAN MAX N" of a run, in instructions or in nanoseconds.
std::vector<Row> parse_run(const Run& run, const std::string& output) {
    std::vector<Row> rows;
    u64 frequency = 0;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        Row row{"ipc", "", run.icount ? "insn" : "ns", 0, 0, 0, 0, {}};
        words >> word;
        if (word == "row") words >> row.name >> row.min >> row.median >> row.max >> row.n;
        else if (word == "frequency") words >> frequency;
        else fail(1, "the benchmark said: {}\n{}", line, output);
        if (!words) fail(1, "malformed: {}\n{}", line, output);
        if (word == "row" && (run.icount || !only_counted(row))) rows.push_back(row);
    }
    if ((rows.empty() && run.plugin.empty()) || frequency == 0)
        fail(1, "the benchmark did not finish\n{}", output);
    if (run.icount && frequency != kBillion)
        fail(1, "a tick is not an instruction: the kernel measured {} Hz", frequency);
    for (Row& row : rows) {
        if (sampled(row)) hold_to(row, kLatencyBound);
        row.peers = peers_of(run.icount ? kSel4Instructions : kSel4Nanoseconds, row.name);
        for (u64* value : {&row.min, &row.median, &row.max})
            *value = static_cast<u64>(static_cast<unsigned __int128>(*value) * kBillion / frequency);
    }
    return rows;
}

std::vector<Row> run_bench(const BenchTree& tree, const BenchBundle& bundle, const Run& run) {
    Command command{{tree.build + "/tools/pith_run", "--bare", "--kernel",
                     tree.build + "/kernel/pith-kernel.elf", "--bundle", bundle.path(), "--smp",
                     std::to_string(run.cpus), "--timeout", std::format("{}", kTimeLimit - 10)},
                    kTimeLimit,
                    "",
                    false,
                    {}};
    if (run.icount) command.arguments.emplace_back("--icount");
    if (!run.plugin.empty()) command.arguments.insert(command.arguments.end(), {"--plugin", run.plugin});
    command.arguments.emplace_back("--");
    command.arguments.insert(command.arguments.end(), run.arguments.begin(), run.arguments.end());
    const Finished finished = run_command(command);
    if (finished.status != 0)
        fail(1, "the benchmark failed with status {}\n{}", finished.status, finished.output);
    return parse_run(run, finished.output);
}

const Row& find(const std::vector<Row>& rows, const std::string& name) {
    const auto found = std::ranges::find(rows, name, &Row::name);
    if (found == rows.end()) fail(1, "the benchmark has no row {}", name);
    return *found;
}

/// What the plugin has seen, in instructions of the CPU concerned.
struct Windows {
    u64 off = 0;         ///< the longest with interrupts off
    u64 wake = 0;        ///< the longest from the interrupt's stub to user code
    u64 interrupts = 0;  ///< how many came
    unsigned cpus = 0;
};

/// From its lines "windows CPU OFF WAKE INTERRUPTS".
Windows read_windows(const std::string& file) {
    std::istringstream lines(read_text(file));
    Windows windows;
    for (std::string line; std::getline(lines, line); windows.cpus++) {
        std::istringstream words(line);
        std::string word;
        u64 cpu = 0, off = 0, wake = 0, interrupts = 0;
        if (!(words >> word >> cpu >> off >> wake >> interrupts)) fail(1, "the plugin said: {}", line);
        windows.off = std::max(windows.off, off);
        windows.wake = std::max(windows.wake, wake);
        windows.interrupts += interrupts;
    }
    return windows;
}

/// Runs benchmark latency under the plugin; `rows`: what it printed.
Windows watch_windows(const BenchTree& tree, const BenchBundle& bundle, unsigned cpus, bool icount,
                      std::vector<Row>& rows) {
    const Scratch file(tree, "windows");
    rows = run_bench(
        tree, bundle,
        {cpus,
         icount,
         {"only=latency"},
         std::format("{}/tools/plugin_windows.so,out={},vector={}", tree.build, file.path(), kTimerVector)});
    const Windows windows = read_windows(file.path());
    if (windows.cpus != cpus || windows.interrupts == 0)
        fail(1, "the plugin saw {} CPUs, {} interrupts", windows.cpus, windows.interrupts);
    return windows;
}

/// With several CPUs: an interrupt waits for the end of a window at most, and then takes `wake` at most.
std::vector<Row> count_latency(const BenchTree& tree, const BenchBundle& bundle) {
    std::vector<Row> ignored;
    const Windows windows = watch_windows(tree, bundle, kLatencyCpus, false, ignored);
    std::vector<Row> rows;
    for (const auto& [name, value] :
         {std::pair{"irq_latency_max", windows.off + windows.wake}, {"irq_off_max", windows.off}}) {
        rows.push_back(make_row("ipc", std::format("{}_{}cpu", name, kLatencyCpus), "insn", {value}));
        hold_to(rows.back(), kLatencyBound);
    }
    return rows;
}

/// Takes the rows of several CPUs, with their number in their names, and says how they compare to one pair alone in the same
/// run: by the best of several trials, since the host's other work only ever takes time.
void add_scaling(Measured& to, std::vector<Row> rows, unsigned cpus) {
    const u64 alone = find(rows, "scaling_alone").min;
    for (Row& row : rows) {
        if (row.name == "scaling_alone") {
            if (cpus != 2) continue;
            row.name = "scaling_1cpu";
        } else if (row.name == "scaling_separate" || row.name == "scaling_shared") {
            const bool shared = row.name == "scaling_shared";
            to.notes.push_back(
                std::format("ipc: {} pairs on {} CPUs, {}: {:.0f} % of the throughput of one pair", cpus,
                            cpus, shared ? "one server with a thread on each" : "a server each",
                            100.0 * static_cast<double>(alone) / static_cast<double>(row.min)));
            row.name = std::format("scaling_{}{}cpu", shared ? "shared_" : "", cpus);
        } else if (cpus != 2) {
            continue;
        }
        to.rows.push_back(row);
    }
}

}  // namespace

std::vector<Row> count_ipc(const BenchTree& tree, u32 rounds, u32 warm_up) {
    const BenchBundle bundle(tree);
    std::vector<Row> rows = run_bench(
        tree, bundle, {1, true, {std::format("rounds={}", rounds), std::format("warm_up={}", warm_up)}});
    std::ranges::move(count_latency(tree, bundle), std::back_inserter(rows));
    return rows;
}

LongestWindow compare_windows(const BenchTree& tree) {
    const BenchBundle bundle(tree);
    std::vector<Row> rows;
    const Windows windows = watch_windows(tree, bundle, 1, true, rows);
    return {find(rows, "irq_off_max").max, windows.off};
}

Measured measure_ipc(const BenchTree& tree) {
    const BenchBundle bundle(tree);
    Measured measured;
    measured.rows = run_bench(tree, bundle, {1, true, {}});
    std::ranges::move(count_latency(tree, bundle), std::back_inserter(measured.rows));
    for (const Row& row : run_bench(tree, bundle, {1, false, {}})) measured.rows.push_back(row);
    for (const unsigned cpus : {2u, 4u})
        add_scaling(measured, run_bench(tree, bundle, {cpus, false, {}}), cpus);
    return measured;
}

}  // namespace pith::tools
