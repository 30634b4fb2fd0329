// SPDX-License-Identifier: MIT
// Several CPUs: calls between them, unmapping under a running thread, moving threads, destruction of what runs elsewhere.
// With one CPU these tests run all their threads on it. Few rounds each: where the host has fewer processors
// than the guest, every step to another CPU waits for the host's scheduler.
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

constexpr u64 kPage = abi::kPageSize;

u32 other_cpu(u32 n) { return n % cpu_count(); }

u64 apic_id() {
    u32 eax = 1, ebx, ecx = 0, edx;
    asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return ebx >> 24;
}

constexpr u64 kCalls = 60;

struct Loop {
    abi::HandleIndex endpoint = 0;
    volatile u64 count = 0;
    volatile u64 wrong = 0;
    volatile u64 where = 0;
    volatile u64 stop = 0;
};

void serve(void* argument) {
    auto& s = *static_cast<Loop*>(argument);
    Message message;
    Error error = ipc_recv(s.endpoint, message);
    while (error == Error::ok) {
        message.words[7]++;
        s.count = s.count + 1;
        error = ipc_reply_recv(s.endpoint, message);
    }
}

void call_loop(void* argument) {
    auto& c = *static_cast<Loop*>(argument);
    for (u64 i = 0; i < kCalls; i++) {
        Message message;
        message.words[7] = i;
        if (ipc_call(c.endpoint, message) != Error::ok || message.words[7] != i + 1) c.wrong = c.wrong + 1;
        c.count = c.count + 1;
    }
}

void count_loop(void* argument) {
    auto& c = *static_cast<Loop*>(argument);
    while (c.stop == 0) {
        c.count = c.count + 1;
        c.where = apic_id();
        yield_cpu();
    }
}

}  // namespace

TEST(smp_all_cpus_run) {
    Loop loops[abi::kMaxCpus];
    for (u32 cpu = 0; cpu < cpu_count(); cpu++) start_worker(t, count_loop, &loops[cpu], {.cpu = cpu});
    for (u32 cpu = 0; cpu < cpu_count(); cpu++) CHECK(wait_for_value(loops[cpu].count, 100));
    for (u32 cpu = 1; cpu < cpu_count(); cpu++) CHECK(loops[cpu].where != loops[0].where);
}

TEST(smp_calls_between_cpus) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Loop server{endpoint.index()};
    start_worker(t, serve, &server, {.cpu = other_cpu(1)});
    for (u64 i = 0; i < kCalls; i++) {
        Message message;
        message.words[7] = i;
        MUST_OK(ipc_call(endpoint.index(), message, in_milliseconds(20000)));
        CHECK_EQUAL(message.words[7], i + 1);
    }
}

TEST(smp_servers_on_each_cpu) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Loop servers[abi::kMaxCpus], clients[abi::kMaxCpus];
    for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
        servers[cpu].endpoint = clients[cpu].endpoint = endpoint.index();
        start_worker(t, serve, &servers[cpu], {.cpu = cpu, .priority = 110});
    }
    auto signal = MUST(t.pool.create_signal());
    CHECK_ERROR(timed_out, signal.wait(1, in_milliseconds(5)));
    for (u32 cpu = 0; cpu < cpu_count(); cpu++) start_worker(t, call_loop, &clients[cpu], {.cpu = cpu});
    for (u32 cpu = 0; cpu < cpu_count(); cpu++) CHECK(wait_for_value(clients[cpu].count, kCalls));
    for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
        CHECK_EQUAL(clients[cpu].wrong, 0);
        CHECK(servers[cpu].count >= kCalls);  // each was served where it was
    }
}

TEST(smp_many_callers_of_one_server) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Loop server{endpoint.index()};
    start_worker(t, serve, &server, {.cpu = other_cpu(1)});
    Loop clients[8];
    for (u32 i = 0; i < 8; i++) {
        clients[i].endpoint = endpoint.index();
        start_worker(t, call_loop, &clients[i], {.cpu = other_cpu(i)});
    }
    for (Loop& client : clients) {
        CHECK(wait_for_value(client.count, kCalls));
        CHECK_EQUAL(client.wrong, 0);
    }
    CHECK_EQUAL(server.count, 8 * kCalls);
}

TEST(smp_unmap_under_a_running_thread) {
    // After unmap has returned, the other CPU writes to the page no more.
    for (u32 round = 0; round < 12; round++) {
        auto memory = MUST(t.pool.create_memory(kPage));
        u64 address = map_somewhere(memory, kPage);
        Worker worker = start_worker(t,
                                     [](void* argument) {
                                         auto& word = *static_cast<volatile u64*>(argument);
                                         for (;;) word = word + 1;
                                     },
                                     reinterpret_cast<void*>(address), {.cpu = other_cpu(1)});
        CHECK(wait_for_value(*reinterpret_cast<volatile u64*>(address), 10));
        MUST_OK(own_space().unmap(address, kPage));
        MUST_OK(own_space().map(address, memory, 0, kPage, abi::kMapRead));
        u64 value = *reinterpret_cast<volatile u64*>(address);
        CHECK(wait_for_state(worker.thread, abi::ThreadState::dead));
        CHECK_EQUAL(*reinterpret_cast<volatile u64*>(address), value);
        MUST_OK(own_space().unmap(address, kPage));
    }
}

TEST(smp_protect_under_a_running_thread) {
    auto memory = MUST(t.pool.create_memory(kPage));
    u64 address = map_somewhere(memory, kPage);
    Worker worker = start_worker(t,
                                 [](void* argument) {
                                     auto& word = *static_cast<volatile u64*>(argument);
                                     for (;;) word = word + 1;
                                 },
                                 reinterpret_cast<void*>(address), {.cpu = other_cpu(1)});
    CHECK(wait_for_value(*reinterpret_cast<volatile u64*>(address), 10));
    MUST_OK(own_space().protect(address, kPage, abi::kMapRead));
    u64 value = *reinterpret_cast<volatile u64*>(address);
    CHECK(wait_for_state(worker.thread, abi::ThreadState::dead));
    CHECK_EQUAL(*reinterpret_cast<volatile u64*>(address), value);
}

TEST(smp_set_cpu) {
    Loop loop;
    Worker worker = start_worker(t, count_loop, &loop);
    CHECK(wait_for_value(loop.count, 5));
    for (u32 round = 1; round <= 16; round++) {
        MUST_OK(worker.thread.set_cpu(other_cpu(round)));
        // A thread that runs goes when it leaves its processor.
        bool moved = false;
        for (abi::Time end = in_milliseconds(20000); !moved && kernel_clock() < end; yield_cpu())
            moved = MUST(worker.thread.thread_info()).cpu == other_cpu(round);
        CHECK(moved);
        CHECK(wait_for_value(loop.count, loop.count + 3));
    }
    CHECK(!worker.thread.set_cpu(cpu_count()).ok());
    loop.stop = 1;
    CHECK(wait_for_state(worker.thread, abi::ThreadState::dead));
}

TEST(smp_extended_registers_move) {
    struct Mover {
        volatile u64 wrong = 0;
        volatile u64 count = 0;
    } mover;
    Worker worker = start_worker(
        t,
        [](void* argument) {
            auto& m = *static_cast<Mover*>(argument);
            asm volatile("movq %0, %%xmm9" ::"r"(u64{0xfeed}));
            for (;;) {
                u64 value;
                asm volatile("movq %%xmm9, %0" : "=r"(value));
                if (value != 0xfeed) m.wrong = m.wrong + 1;
                m.count = m.count + 1;
                yield_cpu();
            }
        },
        &mover);
    for (u32 round = 1; round <= 12; round++) {
        CHECK(wait_for_value(mover.count, mover.count + 5));
        MUST_OK(worker.thread.set_cpu(other_cpu(round)));
    }
    CHECK_EQUAL(mover.wrong, 0);
}

TEST(smp_pool_destroyed_while_its_threads_run) {
    for (u32 round = 0; round < 10; round++) {
        Context inner;
        inner.pool = MUST(t.pool.create_pool(400));
        auto endpoint = MUST(inner.pool.create_endpoint());
        Loop loops[8];
        for (u32 i = 0; i < 8; i++) {
            loops[i].endpoint = endpoint.index();
            start_worker(inner,
                         i < 2   ? serve
                         : i < 5 ? call_loop
                                 : count_loop,
                         &loops[i], {.cpu = other_cpu(i)});
        }
        CHECK(wait_for_value(loops[7].count, 3));
        MUST_OK(inner.pool.destroy());
        CHECK(!endpoint.info().ok());
        u64 seen = loops[7].count;
        for (int i = 0; i < 10; i++) yield_cpu();
        CHECK_EQUAL(loops[7].count, seen);
    }
}

TEST(smp_signals_between_cpus) {
    auto ping = MUST(t.pool.create_signal());
    auto pong = MUST(t.pool.create_signal());
    struct Pair {
        abi::HandleIndex ping, pong;
    } pair{ping.index(), pong.index()};
    start_worker(t,
                 [](void* argument) {
                     auto& p = *static_cast<Pair*>(argument);
                     while (invoke(abi::Syscall::signal_wait, p.ping, 1, 0).error == Error::ok)
                         invoke(abi::Syscall::signal_notify, p.pong, 2);
                 },
                 &pair, {.cpu = other_cpu(1)});
    for (int i = 0; i < 60; i++) {
        MUST_OK(ping.notify(1));
        CHECK_EQUAL(MUST(pong.wait(2, in_milliseconds(20000))), 2);
    }
}

TEST(smp_stop_and_continue) {
    Loop loop;
    Worker worker = start_worker(t, count_loop, &loop, {.cpu = other_cpu(1)});
    for (int round = 0; round < 12; round++) {
        CHECK(wait_for_value(loop.count, loop.count + 2));
        MUST_OK(worker.thread.stop());
        CHECK(wait_for_state(worker.thread, abi::ThreadState::stopped));
        u64 seen = loop.count;
        for (int i = 0; i < 5; i++) yield_cpu();
        CHECK_EQUAL(loop.count, seen);
        MUST_OK(worker.thread.resume_stopped());
    }
}

}  // namespace pith::test
