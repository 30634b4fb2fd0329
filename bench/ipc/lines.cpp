// SPDX-License-Identifier: MIT
// What a plugin of QEMU (tools/plugin/lines.cpp) watches for cache lines that CPUs share: on two CPUs a client that
//   separate  calls a server of its own
//   shared    calls the thread that a server of both has on its CPU
//   own       notifies a Signal of its own
//   common    notifies a Signal of both, which shares lines: if the plugin does not find them, it finds nothing
// Each section is run several times, marked where what it repeats begins and ends. No row: there are no times here.
#include <new>

#include "bench/ipc/bench.hpp"
#include "bench/ipc/marker.hpp"

namespace pith::bench {
namespace {

constexpr u32 kCpus = 2;
constexpr u32 kTrials = 20;
constexpr u32 kRepeated = 100;
constexpr u64 kBit = 1, kIdleBit = 2;

struct Client {
    abi::HandleIndex start, done, own_server, shared_server, own_signal, common_signal;
    volatile LineSection section = LineSection::separate;
};

/// Once before the mark, so that what is only done the first time is done.
template <LineSection kSection, typename Step>
void repeat(Step step) {
    must(step(), "a step failed");
    mark<static_cast<u8>(kSection)>();
    for (u32 i = 0; i < kRepeated; i++) must(step(), "a step failed");
    mark<kSectionEnd>();
}

void call_in_section(const Client& client) {
    const auto call = [](abi::HandleIndex server) {
        Message message;
        return ipc_call(server, message);
    };
    const auto notify = [](abi::HandleIndex signal) {
        return invoke(abi::Syscall::signal_notify, signal, kIdleBit).error;
    };
    switch (client.section) {
        case LineSection::separate:
            repeat<LineSection::separate>([&] { return call(client.own_server); });
            break;
        case LineSection::shared:
            repeat<LineSection::shared>([&] { return call(client.shared_server); });
            break;
        case LineSection::own: repeat<LineSection::own>([&] { return notify(client.own_signal); }); break;
        default: repeat<LineSection::common>([&] { return notify(client.common_signal); }); break;
    }
}

void run_client(void* argument) {
    auto& client = *static_cast<Client*>(argument);
    for (;;) {
        must(invoke(abi::Syscall::signal_wait, client.start, kBit).error, "cannot wait");
        call_in_section(client);
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
    Lane(Context& c, u32 cpu, const Handle<Endpoint>& shared, const Handle<Signal>& common)
        : clients(c.pool),
          servers(c.pool),
          start(must(c.pool.create_signal(), "no Signal")),
          done(must(c.pool.create_signal(), "no Signal")),
          idle(must(c.pool.create_signal(), "no Signal")),
          endpoint(must(c.pool.create_endpoint(), "no Endpoint")),
          client{clients.give(start),  clients.give(done), clients.give(endpoint),
                 clients.give(shared), clients.give(idle), clients.give(common)},
          server(c.pool, &servers, serve, as_argument(servers.give(endpoint)), {.cpu = cpu}),
          sharer(c.pool, &c.other, serve, as_argument(c.other.give(shared)), {.cpu = cpu}),
          caller(c.pool, &clients, run_client, &client, {.cpu = cpu}) {
        server.wait_for(abi::ThreadState::receiving);
        sharer.wait_for(abi::ThreadState::receiving);
        caller.wait_for(abi::ThreadState::waiting);
    }
    static void* as_argument(abi::HandleIndex handle) { return reinterpret_cast<void*>(u64{handle}); }

    Domain clients, servers;
    Handle<Signal> start, done, idle;
    Handle<Endpoint> endpoint;
    Client client;
    Partner server, sharer, caller;
};

}  // namespace

void lines(Context& c) {
    if (boot_info().cpus < kCpus) panic("this takes several CPUs");
    const auto shared = must(c.pool.create_endpoint(), "no Endpoint");
    const auto common = must(c.pool.create_signal(), "no Signal");
    alignas(Lane) static u8 storage[kCpus][sizeof(Lane)];
    Lane* lanes[kCpus];
    for (u32 cpu = 0; cpu < kCpus; cpu++) lanes[cpu] = ::new (storage[cpu]) Lane(c, cpu, shared, common);
    for (const LineSection section :
         {LineSection::separate, LineSection::shared, LineSection::own, LineSection::common}) {
        for (u32 trial = 0; trial < kTrials; trial++) {
            for (Lane* lane : lanes) {
                lane->client.section = section;
                must(lane->start.notify(kBit), "cannot notify");
            }
            for (Lane* lane : lanes) static_cast<void>(must(lane->done.wait(kBit), "cannot wait"));
        }
    }
    for (Lane* lane : lanes) lane->~Lane();
}

}  // namespace pith::bench
