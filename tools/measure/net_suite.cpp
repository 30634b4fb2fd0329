// SPDX-License-Identifier: MIT
// Suite net: one program (bench/net/net.c) and Debian's redis-server on Pith and on Linux 6.1, in the same machine and the same run of this suite.
// A plugin of QEMU counts the instructions that the whole guest executes in each round (tools/plugin/executed.cpp); a second run of each, without it,
// gives nanoseconds. What stays within the guest is counted with icount, and repeats; what this machine takes part in is not.
#include <algorithm>
#include <future>
#include <iterator>
#include <map>
#include <sstream>

#include "tools/base/host.hpp"
#include "tools/measure/linux_peer.hpp"
#include "tools/measure/net_load.hpp"
#include "tools/measure/scratch.hpp"
#include "tools/measure/suite.hpp"
#include "tools/suites/process.hpp"

namespace pith::tools {

namespace {

constexpr double kTimeLimit = 300;  ///< seconds, of one run
constexpr const char* kMemory = "512M";
constexpr u16 kControlPort = 7777, kRedisPort = 6379;
constexpr unsigned kClients = 50, kRequests = 10'000, kPipelinedRequests = 20'000, kPipelined = 16;
constexpr unsigned kConcurrent = 100, kConnections = 1'000;
constexpr u64 kDownload = 64 << 20;
constexpr unsigned kRounds = 3;

/// A round as the program printed it.
struct Round {
    std::string name;
    u64 operations;
    u64 nanoseconds;
};

std::vector<Round> parse(const std::string& output) {
    std::vector<Round> rounds;
    std::istringstream lines(output);
    bool ended = false;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        Round round;
        words >> word;
        if (word == "end") ended = true;
        else if (word == "round" && words >> round.name >> round.operations >> round.nanoseconds)
            rounds.push_back(round);
        else fail(1, "the benchmark said: {}\n{}", line, output);
    }
    if (!ended) fail(1, "the benchmark did not finish\n{}", output);
    return rounds;
}

/// One run of the program in a guest.
struct Run {
    bool serve = false;  ///< with the network and the disk; else what stays within the guest
    bool icount = false;
    std::string plugin = "";
    std::vector<Forward> forwards = {};
    std::string disk = "";
};
using Guest = std::string (*)(const BenchTree& tree, const Run& run);

std::string program(const BenchTree& tree) { return tree.build + "/bench/net"; }

std::string on_pith(const BenchTree& tree, const Run& run) {
    Command command{
        {tree.build + "/tools/pith_run", "--kernel", tree.build + "/kernel/pith-kernel.elf", "--bundle",
         tree.build + (run.serve ? "/storage.bundle" : "/bare.bundle"), "--mem", kMemory, "--timeout",
         std::format("{}", kTimeLimit - 10), "--add", program(tree) + ":/program"},
        kTimeLimit,
        "",
        true,
        {}};
    const auto add = [&command](const std::vector<std::string>& more) {
        command.arguments.insert(command.arguments.end(), more.begin(), more.end());
    };
    if (run.icount) add({"--icount"});
    if (!run.plugin.empty()) add({"--plugin", run.plugin});
    if (run.serve) {
        add({"--network", "--disk", run.disk});
        for (const Forward& forward : run.forwards)
            add({std::format("--forward={}:{}", forward.host_port, forward.guest_port)});
        add({"--", "/bin/busybox", "sh", "-c", "mount -t ext4 /dev/vda /mnt && exec /program serve /mnt"});
    } else {
        add({"--", "/program", "local"});
    }
    const Finished finished = run_command(command);
    if (finished.status != 0)
        fail(1, "the benchmark failed with status {}\n{}{}", finished.status, finished.output,
             finished.errors);
    return finished.output;
}

std::string on_linux(const BenchTree& tree, const Run& run) {
    LinuxRun peer{.program = program(tree),
                  .arguments = {"local"},
                  .disk = run.disk,
                  .setup = "busybox ifconfig lo 127.0.0.1 up",
                  .memory = kMemory,
                  .icount = run.icount,
                  .plugin = run.plugin,
                  .timeout = kTimeLimit};
    if (run.serve) {
        peer.arguments = {"serve", "/mnt"};
        peer.setup += "\nbusybox mount -t ext4 /dev/vda /mnt";
        peer.network = true;
        peer.forwards = run.forwards;
    }
    return run_on_linux(tree, peer);
}

/// Everything that this machine has a part in.
void drive(u16 control_port, u16 redis_port) {
    Control control(control_port, 60);
    const auto measure = [&control](const std::string& name, unsigned operations, const auto& load) {
        control.command("begin");
        load();
        control.command(std::format("end {} {}", name, operations));
    };
    {
        RedisClients clients(redis_port, kClients);
        struct Kind {
            const char* name;
            RedisRequest (*request)(u64);
        };
        for (unsigned round = 0; round < kRounds; ++round) {
            for (const Kind& kind :
                 {Kind{"ping", redis_ping}, Kind{"set", redis_set}, Kind{"get", redis_get}}) {
                clients.run(kind.request, 1, kClients * 4);
                measure(std::format("redis_{}", kind.name), kRequests,
                        [&] { clients.run(kind.request, 1, kRequests); });
                measure(std::format("redis_{}_16", kind.name), kPipelinedRequests,
                        [&] { clients.run(kind.request, kPipelined, kPipelinedRequests); });
            }
        }
    }
    churn_connections(redis_port, kConcurrent, kConcurrent);
    for (unsigned round = 0; round < kRounds; ++round)
        measure("connection", kConnections,
                [&] { churn_connections(redis_port, kConcurrent, kConnections); });
    for (unsigned round = 0; round < kRounds; ++round) {
        const Downloads downloads(kDownload);
        control.command(std::format("download download_mib {} {}", downloads.port(), kDownload));
    }
    control.command("quit");
}

std::vector<Round> serve(const BenchTree& tree, Guest guest, const std::string& disk,
                         const std::string& plugin) {
    const Run run{.serve = true,
                  .plugin = plugin,
                  .forwards = {{free_port(), kControlPort}, {free_port(), kRedisPort}},
                  .disk = disk};
    std::future<std::string> output = std::async(std::launch::async, [&] { return guest(tree, run); });
    std::string failure;
    try {
        drive(run.forwards[0].host_port, run.forwards[1].host_port);
    } catch (const Failure& what) { failure = what.what(); }
    const std::string printed = output.get();  // what the guest has to say of it is worth more
    if (!failure.empty()) fail(1, "{}", failure);
    return parse(printed);
}

/// Host's redis-server, as redis-tools has it under another name, and its libraries.
class RedisDisk {
  public:
    explicit RedisDisk(const BenchTree& tree) : image_(tree, "redis"), content_(tree, "redis-root") {
        const std::string script =
            "set -e; mkdir -p \"$1/usr/bin\"; to=$(realpath \"$1\"); needed=$(\"$2\" "
            "/usr/bin/redis-check-rdb /usr/bin/redis-server)\n"
            "cp /usr/bin/redis-check-rdb \"$to/usr/bin/redis-server\"\n"
            "cd / && cut -d: -f2 <<<\"$needed\" | xargs -d '\\n' cp -L --parents -t \"$to\"\n"
            "/sbin/mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -d \"$to\" \"$3\" 128M";
        const Finished finished = run_command(
            {{"bash", "-c", script, "disk", content_.path(), tree.root + "/tools/runner/needed_libraries.sh",
              image_.path()},
             60,
             "",
             false,
             {}});
        if (finished.status != 0) fail(1, "a disk with redis-server: {}", finished.output);
    }
    const std::string& path() const { return image_.path(); }

  private:
    const Scratch image_, content_;
};

/// The plugin's lines "executed COUNT", one for each round.
std::vector<u64> read_executed(const std::string& file, usize rounds) {
    std::istringstream lines(read_text(file));
    std::vector<u64> counts;
    std::string word;
    for (u64 value; lines >> word >> value;) counts.push_back(value);
    if (counts.size() != rounds) fail(1, "the plugin has seen {} rounds of {}", counts.size(), rounds);
    return counts;
}

/// Instructions of each operation, by rows.
using Values = std::vector<std::pair<std::string, std::vector<u64>>>;
void add_value(Values& values, const std::string& name, u64 value) {
    auto found = std::ranges::find(values, name, [](const auto& entry) { return entry.first; });
    if (found == values.end()) found = values.insert(found, {name, {}});
    found->second.push_back(value);
}

Values count(const BenchTree& tree, Guest guest, bool local) {
    const Scratch file(tree, "executed");
    const std::string plugin = std::format("{}/tools/plugin_executed.so,out={}", tree.build, file.path());
    std::vector<Round> rounds;
    if (local) {
        rounds = parse(guest(tree, {.icount = true, .plugin = plugin}));
    } else {
        const RedisDisk disk(tree);
        rounds = serve(tree, guest, disk.path(), plugin);
    }
    const std::vector<u64> executed = read_executed(file.path(), rounds.size());
    Values values;
    for (usize i = 0; i < rounds.size(); ++i)
        add_value(values, rounds[i].name, executed[i] / rounds[i].operations);
    return values;
}

Values time(const BenchTree& tree, Guest guest, bool local) {
    std::vector<Round> rounds;
    if (local) {
        rounds = parse(guest(tree, {}));
    } else {
        const RedisDisk disk(tree);
        rounds = serve(tree, guest, disk.path(), "");
    }
    Values values;
    for (const Round& round : rounds) add_value(values, round.name, round.nanoseconds / round.operations);
    return values;
}

/// What a row may take, in instructions: 0.8 times what it took Linux when this was written.
u64 bound(const std::string& row) {
    static const std::map<std::string, u64> bounds = {
        {"unix_trip", 13'850},  {"tcp_trip", 24'700},     {"unix_mib", 653'000},  {"tcp_mib", 772'000},
        {"redis_ping", 18'400}, {"redis_ping_16", 2'910}, {"redis_set", 19'700},  {"redis_set_16", 4'680},
        {"redis_get", 18'800},  {"redis_get_16", 3'760},  {"connection", 94'000}, {"download_mib", 2'110'000},
    };
    return bounds.at(row);
}

void add_rows(std::vector<Row>& rows, const Values& pith, const Values& peer, const std::string& unit,
              bool local) {
    for (const auto& [name, values] : pith) {
        Row row = make_row("net", name, unit, values);
        const auto found = std::ranges::find(peer, name, [](const auto& entry) { return entry.first; });
        if (found != peer.end()) row.peers = {{"linux", make_row("net", name, unit, found->second).median}};
        if (unit == "insn") {
            row.most = bound(name);
            row.varies = !local;
        }
        rows.push_back(std::move(row));
    }
}

}  // namespace

std::vector<Row> count_net(const BenchTree& tree) {
    std::vector<Row> rows;
    add_rows(rows, count(tree, on_pith, true), {}, "insn", true);
    return rows;
}

Measured measure_net(const BenchTree& tree) {
    Measured measured;
    for (const bool local : {true, false})
        add_rows(measured.rows, count(tree, on_pith, local), count(tree, on_linux, local), "insn", local);
    for (const bool local : {true, false})
        add_rows(measured.rows, time(tree, on_pith, local), time(tree, on_linux, local), "ns", local);
    measured.notes = {"net: linux is " + linux_version(tree)};
    return measured;
}

}  // namespace pith::tools
