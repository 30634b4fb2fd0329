// SPDX-License-Identifier: MIT
// Pairs of a client and a server, one pair on each CPU, in wall-clock time: alone on the first CPU, then on all CPUs at once
// with a server each, then on all CPUs at once with one Endpoint that has a thread on each CPU. The three alternate,
// so that what else the host does hits all alike, and are short, so that some are not hit. The clients of a trial begin
// together. A value is the time in which one round trip is done, somewhere.
#include <algorithm>
#include <atomic>
#include <new>

#include "bench/ipc/bench.hpp"

namespace pith::bench {
namespace {

constexpr u64 kRoundTrips = 200;  // of each pair in a trial
constexpr u32 kTrials = 500;      // with two CPUs; fewer with more, which take longer
constexpr u64 kBit = 1;

enum class Way : u8 { alone, separate, shared, count };

/// Clients of this trial that have not come to its start.
std::atomic<u32> expected{0};

struct Client {
    abi::HandleIndex start, done, own_server, shared_server;
    volatile Way way = Way::alone;
    volatile u64 began = 0, ended = 0;
};

void run_client(void* argument) {
    auto& client = *static_cast<Client*>(argument);
    for (;;) {
        must(invoke(abi::Syscall::signal_wait, client.start, kBit).error, "cannot wait");
        const abi::HandleIndex server = client.way == Way::shared ? client.shared_server : client.own_server;
        expected.fetch_sub(1);
        while (expected.load() != 0) asm volatile("pause");
        client.began = ticks();
        for (u64 i = 0; i < kRoundTrips; i++) {
            Message message;
            must(ipc_call(server, message), "a call failed");
        }
        client.ended = ticks();
        must(invoke(abi::Syscall::signal_notify, client.done, kBit).error, "cannot notify");
    }
}

void serve(void* argument) {
    const auto endpoint = static_cast<abi::HandleIndex>(reinterpret_cast<u64>(argument));
    Message message;
    Error error = ipc_recv(endpoint, message);
    while (error == Error::ok) error = ipc_reply_recv(endpoint, message);
    panic("a server failed");
}

/// All that belongs to one CPU.
struct Lane {
    Lane(Context& c, u32 cpu, const Handle<Endpoint>& shared)
        : clients(c.pool),
          servers(c.pool),
          start(must(c.pool.create_signal(), "no Signal")),
          done(must(c.pool.create_signal(), "no Signal")),
          endpoint(must(c.pool.create_endpoint(), "no Endpoint")),
          client{clients.give(start), clients.give(done), clients.give(endpoint), clients.give(shared)},
          server(c.pool, &servers, serve, as_argument(servers.give(endpoint)), {.cpu = cpu}),
          sharer(c.pool, &c.other, serve, as_argument(c.other.give(shared)), {.cpu = cpu}),
          caller(c.pool, &clients, run_client, &client, {.cpu = cpu}) {
        server.wait_for(abi::ThreadState::receiving);
        sharer.wait_for(abi::ThreadState::receiving);
        caller.wait_for(abi::ThreadState::waiting);
    }
    static void* as_argument(abi::HandleIndex handle) { return reinterpret_cast<void*>(u64{handle}); }

    Domain clients, servers;
    Handle<Signal> start, done;
    Handle<Endpoint> endpoint;
    Client client;
    Partner server, sharer, caller;
};

/// One trial; gives ticks a round trip, over all lanes that take part.
u64 trial(std::span<Lane* const> lanes, Way way) {
    if (way == Way::alone) lanes = lanes.first(1);
    expected.store(static_cast<u32>(lanes.size()));
    for (Lane* lane : lanes) {
        lane->client.way = way;
        must(lane->start.notify(kBit), "cannot notify");
    }
    u64 began = ~u64{0}, ended = 0;
    for (Lane* lane : lanes) {
        static_cast<void>(must(lane->done.wait(kBit), "cannot wait"));
        began = std::min(began, u64{lane->client.began});
        ended = std::max(ended, u64{lane->client.ended});
    }
    return (ended - began) / (kRoundTrips * lanes.size());
}

}  // namespace

void scaling(Context& c) {
    const auto shared = must(c.pool.create_endpoint(), "no Endpoint");
    const u32 cpus = std::min(boot_info().cpus, abi::kMaxCpus);
    alignas(Lane) static u8 storage[abi::kMaxCpus][sizeof(Lane)];
    Lane* lanes[abi::kMaxCpus];
    for (u32 cpu = 0; cpu < cpus; cpu++) lanes[cpu] = ::new (storage[cpu]) Lane(c, cpu, shared);
    constexpr auto kWays = static_cast<usize>(Way::count);
    static u64 times[kWays][kTrials];
    const u32 trials = std::min(kTrials, 2 * kTrials / cpus);
    for (u32 i = 0; i < trials; i++)
        for (usize way = 0; way < kWays; way++) times[way][i] = trial({lanes, cpus}, static_cast<Way>(way));
    constexpr const char* kNames[kWays] = {"scaling_alone", "scaling_separate", "scaling_shared"};
    for (usize way = 0; way < kWays; way++) report_values(kNames[way], {times[way], trials});
    for (u32 cpu = 0; cpu < cpus; cpu++) lanes[cpu]->~Lane();
}

}  // namespace pith::bench
