// SPDX-License-Identifier: MIT
// What another CPU, or another thread of the same component, may do in the middle of a call.
#include "arch/paging.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/core/memory.hpp"
#include "tests/host/kernel/fixture.hpp"

namespace pith::test {
namespace {

using arch::fake::machine;

class RaceTest : public KernelTest {
  protected:
    /// The destruction of a Pool is preempted where it marks what is in it.
    void begin_marking(const Actor& who, HandleIndex victim) {
        rotate_to(who);
        load(*who.thread, {.number = Syscall::object_destroy, .handle = victim});
        bool once = false;
        sim.on_window = [&] {
            if (once || sim.current(who.thread->cpu) != who.thread || who.thread->job == nullptr ||
                who.thread->progress < 4096)
                return;
            once = true;
            core::this_cpu().rotate = true;
            core::timer_entry(true);
        };
        sim.on(who.thread->cpu, [] { arch::fake::system_call(); });
        sim.settle();
        for (int i = 0; i < 10 && !once; i++) sim.rotate(who.thread->cpu);
        sim.on_window = nullptr;
        ASSERT_TRUE(once);
        ASSERT_FALSE(runs(who));
        ASSERT_TRUE(who.thread->restarted);
        ASSERT_NE(who.thread->job, nullptr);
    }
    /// Its next time to run is used for another call than the one that was preempted: another thread has changed the code.
    void instead(const Actor& who, const Call& call) {
        who.thread->frame.restarted = false;  // or settling would go on with the old call
        rotate_to(who);
        load(*who.thread, call);
    }
};
using RaceDeathTest = RaceTest;

// One notification wakes the waiter, to whom this CPU switches at once, and the bound thread, which is yet more urgent.
TEST_F(RaceTest, NotifyWakesTwo) {
    HandleIndex s = signal(), e = endpoint();
    Actor bound = actor({.cpu = 1, .priority = 200});
    Actor notifier = actor({.cpu = 1, .priority = 50});
    Actor waiter = actor({.cpu = 1, .priority = 100});
    ok(Syscall::thread_bind_signal, bound.handle, {s});
    ASSERT_TRUE(as(bound, message(Syscall::recv, e)).blocked);
    ASSERT_TRUE(runs(waiter));
    ASSERT_TRUE(as(waiter, {.number = Syscall::signal_wait, .handle = s, .a = {1}}).blocked);
    ASSERT_TRUE(runs(notifier));
    sim.issue(1, {.number = Syscall::signal_notify, .handle = s, .a = {3}});
    EXPECT_TRUE(runs(bound));
    EXPECT_FALSE(core::cpus[1].reschedule);
}

// A thread that is being killed while it runs, and waits before the interrupt reaches its CPU.
TEST_F(RaceTest, KilledThreadThatWaits) {
    HandleIndex e = endpoint(), table = make(Syscall::captable_create, {64});
    HandleIndex e_there = 5;
    ok(Syscall::cap_copy, e, {table, e_there, abi::kAllRights, 0});
    core::Thread& thread = *actor({.cpu = 1, .captable = table}).thread;
    ASSERT_EQ(sim.current(1), &thread);
    auto& m = machine();
    // As soon as it is to be killed it waits, on CPU 1, before the interrupt has come in.
    bool once = false;
    auto receive = [&] {
        if (once || (thread.attention & core::kAttendKill) == 0 || sim.current(1) != &thread) return;
        once = true;
        load(thread, message(Syscall::recv, e_there));
        core::Cpu* const cpu = m.current;
        const u32 index = m.current_index;
        sim.on(1, [] { arch::fake::system_call(); });
        m.current = cpu;
        m.current_index = index;
    };
    sim.on_window = receive;
    load(sim.root(), {.number = Syscall::object_destroy, .handle = table});
    sim.on(0, [] { arch::fake::system_call(); });
    for (int round = 0; round < 20; round++) {
        receive();
        for (u32 cpu = 0; cpu < Sim::kCpus; cpu++)
            if (std::exchange(m.cpus[cpu].ipi_pending, false)) sim.on(cpu, [] { core::ipi_entry(false); });
        if (sim.current(0) == &sim.root() && std::exchange(sim.root().frame.restarted, false))
            sim.on(0, [] { arch::fake::system_call(); });
    }
    sim.settle();
    ASSERT_TRUE(once);
    sim.settle();
    EXPECT_TRUE(Sim::ended(sim.root()));
    EXPECT_EQ(static_cast<Error>(sim.root().frame.state.rax), Error::ok);
    // The table is gone, its memory free.
    EXPECT_EQ(thread.state, core::State::dead) << "its table is " << thread.captable;
    if (thread.state == core::State::dead) return;
    // Who gets the memory that was the table's?
    HandleIndex filler = make(Syscall::captable_create, {64});
    auto* another = static_cast<core::CapTable*>(Sim::object(sim.root(), filler));
    EXPECT_NE(another, thread.captable) << "it is a new table's";
    HandleIndex given = copy(e);
    sim.issue(0, message(Syscall::send, e, {.handles = {{given, abi::kAllRights, 0, 0}}}));
    EXPECT_EQ(core::read_slot(*another->slot(1)).word, 0u) << "what the thread was sent is in the new table";
    EXPECT_EQ(thread.state, core::State::dead);
}

// A preempted call is replaced by another one.
TEST_F(RaceDeathTest, AnotherCallGoesOnDestroy) {
    auto attack = [this] {
        machine().may_exit = true;
        Actor killer = actor({.cpu = 1});
        actor({.cpu = 1});  // runs when the other is preempted
        HandleIndex victim = pool(300);
        for (int i = 0; i < 60; i++) ok(Syscall::memory_create, victim, {kPage});
        begin_marking(killer, victim);
        instead(killer, {});
        begin(killer, {.number = Syscall::captable_create, .handle = arena, .a = {1000}});
        instead(killer, {.number = Syscall::object_destroy, .handle = victim});
        sim.on(1, [] { arch::fake::system_call(); });
        sim.settle();
        exit(0);
    };
    EXPECT_EXIT(attack(), ::testing::ExitedWithCode(0), "");
}

TEST_F(RaceTest, AnotherCallLeaksFrames) {
    // Frames with a secret.
    HandleIndex secret = make(Syscall::memory_create, {200 * kPage, abi::kMemoryContiguous});
    auto* old = static_cast<core::Memory*>(Sim::object(sim.root(), secret));
    for (u64 i = 0; i < 200; i++) memset(arch::physical_to_virtual(old->frame(i)), 0x5a, kPage);
    ok(Syscall::object_destroy, secret);
    HandleIndex big = make(Syscall::space_create);
    Actor maker = actor({.cpu = 1});
    actor({.cpu = 1});  // runs when the other is preempted
    begin(maker,
          {.number = Syscall::memory_create, .handle = arena, .a = {200 * kPage, abi::kMemoryContiguous}});
    auto* partial = static_cast<core::Memory*>(maker.thread->partial);
    ASSERT_NE(partial, nullptr);
    instead(maker, {});
    begin(maker,
          {.number = Syscall::space_protect, .handle = big, .a = {0x10'0000'0000, 0x1000'0000'0000, 1}});
    instead(maker,
            {.number = Syscall::memory_create, .handle = arena, .a = {200 * kPage, abi::kMemoryContiguous}});
    sim.on(1, [] { arch::fake::system_call(); });
    sim.settle();
    rotate_to(maker);
    ASSERT_EQ(sim.answer(*maker.thread).error, Error::ok);
    auto* got = static_cast<core::Memory*>(
        Sim::object(sim.root(), static_cast<HandleIndex>(sim.answer(*maker.thread).r0)));
    u64 dirty = 0;
    for (u64 i = 0; i < got->pages(); i++)
        if (*static_cast<u8*>(arch::physical_to_virtual(got->frame(i))) != 0) dirty++;
    EXPECT_EQ(dirty, 0u) << "pages that another has written to are a new Memory's";
}

TEST_F(RaceTest, AnotherCallTellsAKernelAddress) {
    Actor killer = actor({.cpu = 1});
    actor({.cpu = 1});  // runs when the other is preempted
    HandleIndex victim = pool(300), space = make(Syscall::space_create), m = memory(1);
    for (int i = 0; i < 200; i++) ok(Syscall::signal_create, victim);
    begin_marking(killer, victim);
    Call map{.number = Syscall::space_map, .handle = space, .a = {1}};
    abi::MapRange range{
        .address = 0x100000, .memory = m, .flags = abi::kMapRead, .offset = 0, .length = kPage};
    memcpy(map.buffer.words, &range, sizeof range);
    instead(killer, map);
    sim.on(1, [] { arch::fake::system_call(); });
    EXPECT_EQ(sim.answer(*killer.thread).error, Error::ok);
    EXPECT_LE(sim.answer(*killer.thread).r0, kPage) << std::hex << sim.answer(*killer.thread).r0;
}

TEST_F(RaceTest, RangeBecomesOnePage) {
    constexpr u64 kBase = 0x2'0000'0000, kPages = 40;
    HandleIndex first = memory(kPages), second = memory(kPages), space = make(Syscall::space_create);
    ASSERT_EQ(map(space, first, kBase, kPages, abi::kMapRead).error, Error::ok);
    Actor worker = actor({.cpu = 1});
    actor({.cpu = 1});  // runs when the other is preempted
    Actor elsewhere = actor({.cpu = 2, .space = space});
    ASSERT_TRUE(runs(elsewhere));
    sim.fill_tlbs();
    Call replace{.number = Syscall::space_map, .handle = space, .a = {1}};
    abi::MapRange range{.address = kBase,
                        .memory = second,
                        .flags = abi::kMapRead | abi::kMapReplace,
                        .offset = 0,
                        .length = kPages * kPage};
    memcpy(replace.buffer.words, &range, sizeof range);
    begin(worker, replace);
    ASSERT_NE(worker.thread->progress, 0u);
    range = {.address = kBase + kPages * kPage,
             .memory = second,
             .flags = abi::kMapRead,
             .offset = 0,
             .length = kPage};
    memcpy(worker.thread->buffer->words, &range, sizeof range);
    rotate_to(worker);
    sim.settle();
    EXPECT_EQ(sim.answer(*worker.thread).error, Error::ok);
    EXPECT_EQ(sim.check(), "") << "what has been replaced is still translated elsewhere";
}

// What was left of the slice is used twice.
TEST_F(RaceTest, WhoWaitedHasAWholeSlice) {
    constexpr abi::Time kSlice = 5'000'000;
    HandleIndex e = endpoint(), s = signal(), s2 = signal();
    Actor server = actor({.cpu = 1});
    Actor urgent = actor({.cpu = 1, .priority = 150});
    ASSERT_TRUE(as(urgent, {.number = Syscall::signal_wait, .handle = s2, .a = {1}}).blocked);
    ASSERT_TRUE(as(server, message(Syscall::recv, e)).blocked);
    Actor client = actor({.cpu = 1});
    Actor peer = actor({.cpu = 1});
    rotate_to(client);
    sim.rotate(1);
    rotate_to(client);
    sim.advance(kSlice - 1000);
    ASSERT_TRUE(runs(client));
    ok(Syscall::signal_notify, s2, {1});
    ASSERT_TRUE(runs(urgent));
    ASSERT_TRUE(as(urgent, {.number = Syscall::signal_wait, .handle = s2, .a = {1}}).blocked);
    ASSERT_TRUE(runs(client));
    ASSERT_TRUE(as(client, message(Syscall::call, e)).blocked);
    ASSERT_TRUE(runs(server));
    ASSERT_TRUE(as(server, {.number = Syscall::signal_wait, .handle = s, .a = {1}}).blocked);
    ASSERT_TRUE(runs(peer));
    ok(Syscall::signal_notify, s, {1});
    rotate_to(server);
    as(server, {.number = Syscall::reply, .handle = 0});
    ASSERT_TRUE(as(server, message(Syscall::recv, e)).blocked);
    rotate_to(client);
    EXPECT_GE(core::cpus[1].slice_end - machine().now, kSlice) << "what is left of its slice";
}

}  // namespace
}  // namespace pith::test
