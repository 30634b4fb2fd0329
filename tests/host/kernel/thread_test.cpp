// SPDX-License-Identifier: MIT
// Threads and scheduling: creation errors, start and stop, priorities, round robin, Budgets and overruns, inheritance along
// calls, foreign threads and their events, faults, migration, FPU state.
#include "tests/host/kernel/fixture.hpp"

#include "kernel/core/entry.hpp"

namespace pith::test {
namespace {

constexpr u64 kMs = 1'000'000;

class ThreadTest : public KernelTest {
  protected:
    Answer nothing(const Actor& a) { return as(a, {.number = Syscall::yield}); }
    abi::ThreadCreate parameters(HandleIndex buffer) {
        return {.space = static_cast<HandleIndex>(abi::RootSlot::space),
                .captable = static_cast<HandleIndex>(abi::RootSlot::captable),
                .handler = 0,
                .buffer = buffer,
                .buffer_offset = 0,
                .badge = 0,
                .budget = static_cast<HandleIndex>(abi::RootSlot::budget),
                .priority = 10,
                .kind = abi::ThreadKind::native,
                .cpu = 1,
                .buffer_address = 0};
    }
    Error create(const abi::ThreadCreate& p) {
        put(p);
        return root(Syscall::thread_create, arena).error;
    }
};

TEST_F(ThreadTest, CreateErrors) {
    HandleIndex m = memory(1);
    auto good = parameters(m);
    EXPECT_EQ(create(good), Error::ok);
    auto p = good;
    p.cpu = 64;
    EXPECT_EQ(create(p), Error::invalid);
    p = good;
    p.buffer_offset = 100;
    EXPECT_EQ(create(p), Error::invalid);
    p = good;
    p.buffer_offset = kPage;
    EXPECT_EQ(create(p), Error::invalid);
    p = good;
    p.buffer = copy(m, 1);
    EXPECT_EQ(create(p), Error::no_right);
    p = good;
    p.space = m;
    EXPECT_EQ(create(p), Error::wrong_type);
    p = good;
    p.captable = 0;
    EXPECT_NE(create(p), Error::ok);
    p = good;
    p.kind = static_cast<abi::ThreadKind>(7);
    EXPECT_EQ(create(p), Error::invalid);
    p = good;
    p.kind = abi::ThreadKind::foreign;
    p.captable = 0;
    EXPECT_EQ(create(p), Error::ok);  // its first event kills it
    p = good;
    p.budget = budget(kMs, 10 * kMs, 9);
    EXPECT_NE(create(p), Error::ok);  // above the ceiling
    p.priority = 9;
    EXPECT_EQ(create(p), Error::ok);
}

TEST_F(ThreadTest, StartAndStop) {
    Actor a = actor({.start = false});
    EXPECT_FALSE(runs(a));
    EXPECT_EQ(root(Syscall::thread_start, a.handle, {abi::kUserTop + 1, 0, 0}).error, Error::invalid);
    ok(Syscall::thread_start, a.handle, {0x400000, 0x7000, 99});
    EXPECT_TRUE(runs(a));
    EXPECT_EQ(a.thread->frame.ip(), 0x400000u);
    EXPECT_EQ(a.thread->frame.state.rdi, 99u);
    EXPECT_EQ(root(Syscall::thread_start, a.handle, {0x400000, 0, 0}).error, Error::bad_state);
    ok(Syscall::thread_stop, a.handle);
    EXPECT_FALSE(runs(a));
    ok(Syscall::thread_stop, a.handle);
    ok(Syscall::thread_continue, a.handle);
    EXPECT_TRUE(runs(a));
    ok(Syscall::thread_info, a.handle);
    EXPECT_EQ(get<abi::ThreadInfo>(sim.root()).cpu, 1);
    EXPECT_EQ(get<abi::ThreadInfo>(sim.root()).priority, 100);
    EXPECT_EQ(root(Syscall::thread_resume, a.handle, {0}).error == Error::ok, false);
}

TEST_F(ThreadTest, HigherPriorityRunsAtOnce) {
    Actor low = actor({.priority = 10});
    EXPECT_TRUE(runs(low));
    Actor high = actor({.priority = 20});
    EXPECT_TRUE(runs(high));
    ok(Syscall::thread_set_priority, low.handle, {30});
    EXPECT_TRUE(runs(low));
    ok(Syscall::thread_set_priority, low.handle, {20});
    ok(Syscall::thread_set_priority, high.handle, {21});
    EXPECT_TRUE(runs(high));
    ok(Syscall::object_destroy, high.handle);
    EXPECT_TRUE(runs(low));
}

TEST_F(ThreadTest, RoundRobin) {
    Actor actors[] = {actor(), actor(), actor()};
    std::map<core::Thread*, int> slices;
    for (int i = 0; i < 30; i++) {
        slices[sim.current(1)]++;
        sim.advance(5 * kMs);
    }
    EXPECT_EQ(slices.size(), 3u);
    for (auto& a : actors) EXPECT_NEAR(slices[a.thread], 10, 1);
    core::Thread* before = sim.current(1);
    sim.issue(1, {.number = Syscall::yield});
    EXPECT_NE(sim.current(1), before);
}

TEST_F(ThreadTest, PreemptionDoesNotRenewTheSlice) {
    // Something urgent runs every millisecond: the others still take turns.
    Actor actors[] = {actor(), actor(), actor()};
    HandleIndex timer = signal();
    Actor urgent = actor({.priority = 200});
    std::map<core::Thread*, int> steps;
    for (int i = 0; i < 150; i++) {
        ASSERT_TRUE(runs(urgent));
        sim.issue(1, {.number = Syscall::signal_wait, .handle = timer, .a = {1, arch::now() + kMs}});
        steps[sim.current(1)]++;
        sim.advance(kMs);
    }
    for (auto& a : actors) EXPECT_GE(steps[a.thread], 40);
}

TEST_F(ThreadTest, BudgetIsEnforcedAndReported) {
    HandleIndex s = signal();
    HandleIndex limited = budget(2 * kMs, 10 * kMs, 255, s, 4);
    Actor greedy = actor({.priority = 200, .budget = limited});
    Actor other = actor({.priority = 50});
    u64 ran = 0;
    for (int i = 0; i < 1000; i++) {  // 100 ms in steps of 100 us
        if (runs(greedy)) ran++;
        else EXPECT_TRUE(runs(other));
        sim.advance(kMs / 10);
    }
    EXPECT_LE(ran, 230u);
    EXPECT_GE(ran, 180u);
    EXPECT_EQ(root(Syscall::signal_wait, s, {~u64{0}, abi::kPoll}).r0, 4u);
    ok(Syscall::budget_info, limited);
    auto info = get<abi::BudgetInfo>(sim.root());
    EXPECT_GE(info.overruns, 9u);
    EXPECT_NEAR(static_cast<double>(info.consumed), static_cast<double>(ran) * kMs / 10, 1.0 * kMs);
}

TEST_F(ThreadTest, BudgetIsOneLimitForAllCpus) {
    constexpr u64 kStep = 1000, kGrain = 20'000, kPeriod = 10 * kMs, kCapacity = 4 * kMs;
    HandleIndex limited = budget(kCapacity, kPeriod);
    const abi::Time start = arch::now();
    Actor actors[] = {actor({.cpu = 1, .budget = limited}), actor({.cpu = 2, .budget = limited}),
                      actor({.cpu = 3, .budget = limited})};
    HandleIndex timer = signal();
    Actor sleeper = actor({.cpu = 3, .priority = 200});
    for (u64 period = 0; period < 5; period++) {
        u64 ran = 0;
        while (arch::now() < start + (period + 1) * kPeriod) {
            for (const Actor& a : actors) ran += runs(a) ? kStep : 0;
            // One comes and goes all the time.
            if (runs(sleeper))
                sim.issue(3,
                          {.number = Syscall::signal_wait, .handle = timer, .a = {1, arch::now() + 70'000}});
            sim.advance(kStep);
        }
        EXPECT_LE(ran, kCapacity + 2 * kGrain + 3 * kStep);
        EXPECT_GE(ran, kCapacity - 2 * kGrain - 3 * kStep);
    }
}

TEST_F(ThreadTest, BudgetPaysEachPeriodsTimeFromThatPeriod) {
    HandleIndex limited = budget(2 * kMs, 10 * kMs);
    const abi::Time start = arch::now();
    HandleIndex timer = signal();
    Actor late = actor({.priority = 100, .budget = limited});
    ASSERT_TRUE(runs(late));
    // Asleep until half a millisecond before the period ends: then it may run on into the next, for that one's time.
    sim.issue(1, {.number = Syscall::signal_wait, .handle = timer, .a = {1, start + 9'500'000}});
    sim.advance(start + 9'500'000 - arch::now());
    ASSERT_TRUE(runs(late));
    u64 ran = 0;
    while (arch::now() < start + 20 * kMs) {
        if (arch::now() >= start + 10 * kMs) ran += runs(late) ? 10'000 : 0;
        sim.advance(10'000);
    }
    EXPECT_NEAR(static_cast<double>(ran), 2.0 * kMs, 0.1 * kMs);
}

TEST_F(ThreadTest, BudgetParameters) {
    auto create = [&](abi::BudgetParameters p, HandleIndex parent) {
        put(p);
        return root(Syscall::budget_create, arena, {parent}).error;
    };
    auto own = static_cast<HandleIndex>(abi::RootSlot::budget);
    abi::BudgetParameters good{.capacity = kMs,
                               .period = 10 * kMs,
                               .cpus = 3,
                               .ceiling = 100,
                               .reserved = {},
                               .signal = 0,
                               .signal_bits = 0};
    EXPECT_EQ(create(good, own), Error::ok);
    auto p = good;
    p.period = 9'999;
    EXPECT_EQ(create(p, own), Error::invalid);
    p = good;
    p.capacity = 11 * kMs;
    EXPECT_EQ(create(p, own), Error::invalid);
    HandleIndex parent = budget(kMs, kMs, 50);
    EXPECT_NE(create(good, parent), Error::ok);
    good.ceiling = 50;
    EXPECT_EQ(create(good, parent), Error::ok);
    EXPECT_EQ(create(good, copy(parent, 1)), Error::no_right);
}

TEST_F(ThreadTest, WithoutABudgetItRunsOnItsClientsTime) {
    HandleIndex e = endpoint();
    Actor server = actor(
        {.cpu = 1, .priority = 10, .budget = static_cast<HandleIndex>(abi::RootSlot::budget)});
    EXPECT_TRUE(as(server, message(Syscall::recv, e)).blocked);
    HandleIndex limited = budget(2 * kMs, 100 * kMs);
    Actor client = actor({.cpu = 1, .priority = 90, .budget = limited});
    EXPECT_TRUE(as(client, message(Syscall::call, e)).blocked);
    EXPECT_TRUE(runs(server));
    EXPECT_EQ(server.thread->priority, 90);
    sim.advance(kMs);
    nothing(server);
    ok(Syscall::budget_info, limited);
    EXPECT_NEAR(static_cast<double>(get<abi::BudgetInfo>(sim.root()).consumed), 1.0 * kMs, 0.1 * kMs);
    sim.advance(kMs);  // the client's is spent: the server goes on with its own
    EXPECT_TRUE(runs(server));
    sim.advance(kMs);
    nothing(server);
    ok(Syscall::budget_info, limited);
    EXPECT_GT(get<abi::BudgetInfo>(sim.root()).debt, 0u);
    EXPECT_EQ(as(server, message(Syscall::reply, 0)).error, Error::ok);
    EXPECT_EQ(server.thread->priority, 10);
    EXPECT_FALSE(runs(client));
    sim.advance(100 * kMs);
    EXPECT_TRUE(runs(client));
}

TEST_F(ThreadTest, QueuedCallerLendsItsPriorityAlongTheChain) {
    HandleIndex front = endpoint(), back = endpoint();
    Actor back_server = actor({.priority = 5});
    EXPECT_TRUE(as(back_server, message(Syscall::recv, back)).blocked);
    Actor front_server = actor({.priority = 6});
    EXPECT_TRUE(as(front_server, message(Syscall::recv, front)).blocked);
    Actor low = actor({.priority = 10});
    EXPECT_TRUE(as(low, message(Syscall::call, front)).blocked);
    EXPECT_TRUE(runs(front_server));
    EXPECT_EQ(front_server.thread->priority, 10);
    EXPECT_TRUE(as(front_server, message(Syscall::call, back)).blocked);
    EXPECT_TRUE(runs(back_server));
    EXPECT_EQ(back_server.thread->priority, 10);
    Actor middle = actor({.priority = 50});
    EXPECT_TRUE(runs(middle));
    Actor high = actor({.priority = 90});
    EXPECT_TRUE(as(high, message(Syscall::call, front)).blocked);  // queues: the chain inherits
    EXPECT_EQ(front_server.thread->priority, 90);
    EXPECT_EQ(back_server.thread->priority, 90);
    EXPECT_TRUE(runs(back_server));
    EXPECT_EQ(as(back_server, message(Syscall::reply, 0)).error, Error::ok);
    EXPECT_TRUE(runs(front_server));
    EXPECT_EQ(back_server.thread->priority, 5);
    as(front_server, message(Syscall::reply_recv, front));
    EXPECT_EQ(front_server.thread->priority, 90);
    EXPECT_EQ(as(front_server, message(Syscall::reply, 0)).error, Error::ok);
    EXPECT_TRUE(runs(high));
}

TEST_F(ThreadTest, AHelperWithoutTimeStopsNoServer) {
    HandleIndex e = endpoint();
    Actor server = actor({.cpu = 1, .priority = 10});
    ASSERT_EQ(sim.call(*server.thread, message(Syscall::recv, e, {.deadline = abi::kPoll})).error,
              Error::timed_out);
    Actor client = actor({.cpu = 1, .priority = 50, .budget = budget(1'000'000, 50'000'000)});
    ASSERT_TRUE(runs(client));
    ASSERT_TRUE(sim.call(*client.thread, message(Syscall::call, e)).blocked);
    ASSERT_TRUE(runs(server));
    sim.advance(2'000'000);  // on the client's time, until there is none left
    EXPECT_TRUE(runs(server));
    sim.call(*server.thread, message(Syscall::recv, e));
    EXPECT_TRUE(runs(server));
    EXPECT_EQ(server.thread->caller, client.thread);
}

TEST_F(ThreadTest, RefusedBindingKeepsTheOldOne) {
    HandleIndex e = endpoint(), mine = signal(), others = signal();
    Actor a = actor({.cpu = 1}), b = actor({.cpu = 2});
    ok(Syscall::thread_bind_signal, a.handle, {mine});
    ok(Syscall::thread_bind_signal, b.handle, {others});
    EXPECT_EQ(root(Syscall::thread_bind_signal, a.handle, {others}).error, Error::busy);
    ASSERT_TRUE(sim.call(*a.thread, message(Syscall::recv, e)).blocked);
    ok(Syscall::signal_notify, mine, {4});
    EXPECT_EQ(sim.answer(*a.thread).words[0], 4u);
    ok(Syscall::thread_bind_signal, a.handle, {0});
    ok(Syscall::thread_bind_signal, b.handle, {mine});
    ok(Syscall::thread_bind_signal, a.handle, {others});
}

TEST_F(ThreadTest, ConfiguredBudgetCountsAtOnceOnOtherCpus) {
    HandleIndex b = budget(1'000'000, 1'000'000);
    Actor a = actor({.cpu = 1, .budget = b});
    ASSERT_TRUE(runs(a));
    abi::BudgetParameters less{.capacity = 1'000'000,
                               .period = 1'000'000,
                               .cpus = 4,
                               .ceiling = 255,
                               .reserved = {},
                               .signal = 0,
                               .signal_bits = 0};
    put(less);
    ok(Syscall::budget_configure, b);
    EXPECT_FALSE(runs(a));
    ok(Syscall::thread_set_cpu, a.handle, {2});
    EXPECT_TRUE(runs(a));
    less.capacity = 1000;
    put(less);
    ok(Syscall::budget_configure, b);
    sim.advance(2000);
    EXPECT_FALSE(runs(a));
}

TEST_F(ThreadTest, SetCpu) {
    Actor a = actor({.cpu = 1});
    ok(Syscall::thread_set_cpu, a.handle, {2});
    EXPECT_EQ(a.thread->cpu, 2u);
    EXPECT_TRUE(runs(a));
    EXPECT_EQ(sim.current(1), nullptr);
    HandleIndex e = endpoint();
    EXPECT_TRUE(as(a, message(Syscall::recv, e)).blocked);
    ok(Syscall::thread_set_cpu, a.handle, {3});
    Actor client = actor({.cpu = 3, .priority = 4});
    as(client, message(Syscall::call, e, {.words = {1}}));
    EXPECT_TRUE(runs(a));
    EXPECT_EQ(a.thread->cpu, 3u);
    EXPECT_EQ(root(Syscall::thread_set_cpu, a.handle, {Sim::kCpus}).error, Error::invalid);
}

TEST_F(ThreadTest, ReceiverThatMovesTakesWhoWaitsThere) {
    HandleIndex e = endpoint();
    Actor busy = actor({.cpu = 2, .priority = 10}), idle = actor({.cpu = 3});
    ASSERT_EQ(sim.call(*busy.thread, message(Syscall::recv, e, {.deadline = abi::kPoll})).error,
              Error::timed_out);
    ASSERT_TRUE(sim.call(*idle.thread, message(Syscall::recv, e)).blocked);
    Actor client = actor({.cpu = 2, .priority = 50});
    ASSERT_TRUE(sim.call(*client.thread, message(Syscall::call, e, {.operation = 9})).blocked);
    EXPECT_EQ(busy.thread->priority, 50u);
    ok(Syscall::thread_set_cpu, idle.handle, {2});
    EXPECT_EQ(idle.thread->caller, client.thread);
    EXPECT_EQ(abi::Tag(sim.answer(*idle.thread).tag).operation(), 9u);
    EXPECT_EQ(busy.thread->priority, 10u);
}

TEST_F(ThreadTest, FaultsGoToTheHandler) {
    HandleIndex e = endpoint();
    Actor pager = actor({.cpu = 2});
    EXPECT_TRUE(as(pager, message(Syscall::recv, e)).blocked);
    Actor a = actor({.cpu = 1, .handler = e, .badge = 555});
    sim.fault(1, 0xdead000, 1);
    Answer got = sim.answer(*pager.thread);
    EXPECT_TRUE(abi::Tag(got.tag).from_kernel());
    EXPECT_EQ(abi::Tag(got.tag).operation(), static_cast<u16>(abi::Event::page_fault));
    EXPECT_EQ(got.badge, 555u);
    EXPECT_EQ(got.words[0], 0xdead000u);
    EXPECT_EQ(got.words[1], 1u);
    EXPECT_FALSE(runs(a));
    EXPECT_EQ(
        as(pager, message(Syscall::reply, 0, {.operation = static_cast<u16>(abi::Resume::retry)})).error,
        Error::ok);
    EXPECT_TRUE(runs(a));
    EXPECT_EQ(a.thread->frame.ip(), 0x400000u);
    Actor unhandled = actor({.cpu = 3});
    sim.fault(3, 0x1000, 0);
    EXPECT_EQ(unhandled.thread->state, core::State::dead);
}

class ForeignTest : public ThreadTest {
  protected:
    void SetUp() override {
        ThreadTest::SetUp();
        e = endpoint();
        server = actor({.cpu = 2, .priority = 90});
        EXPECT_TRUE(as(server, message(Syscall::recv, e)).blocked);
        program = actor({.cpu = 2, .handler = e, .kind = abi::ThreadKind::foreign, .badge = 33});
        state = reinterpret_cast<abi::ForeignState*>(program.thread->buffer);
    }
    /// Registers of the running program, then its `syscall`.
    Answer system_call(u64 rax, u64 rdi) {
        EXPECT_TRUE(runs(program));
        program.thread->frame.state.rax = rax;
        program.thread->frame.state.rdi = rdi;
        program.thread->frame.state.rip = 0x401000;
        sim.foreign_syscall(2);
        return sim.answer(*server.thread);
    }
    HandleIndex e = 0;
    Actor server, program;
    abi::ForeignState* state = nullptr;
};

TEST_F(ForeignTest, SystemCallAndResult) {
    Answer got = system_call(39, 1234);
    EXPECT_EQ(abi::Tag(got.tag).operation(), static_cast<u16>(abi::Event::syscall));
    EXPECT_TRUE(abi::Tag(got.tag).from_kernel());
    EXPECT_EQ(got.badge, 33u);
    EXPECT_EQ(got.words[0], 39u);
    EXPECT_EQ(got.words[1], 1234u);
    EXPECT_EQ(got.words[7], 0x401000u);
    EXPECT_EQ(state->rax, 39u);
    EXPECT_EQ(state->event, static_cast<u64>(abi::Event::syscall));
    as(server,
       message(Syscall::reply_recv, e, {.operation = static_cast<u16>(abi::Resume::result), .words = {777}}));
    EXPECT_TRUE(runs(program));
    EXPECT_EQ(program.thread->frame.state.rax, 777u);
    EXPECT_EQ(program.thread->frame.state.rdi, 1234u);
}

TEST_F(ForeignTest, ResumedByItsCapabilityLater) {
    system_call(1, 2);
    EXPECT_EQ(as(server, {.number = Syscall::take_reply}).error, Error::bad_state);
    EXPECT_TRUE(as(server, message(Syscall::recv, e)).blocked);
    EXPECT_EQ(program.thread->state, core::State::at_event);
    ok(Syscall::thread_resume, program.handle, {static_cast<u64>(abi::Resume::result), 5});
    EXPECT_TRUE(runs(program));
    EXPECT_EQ(program.thread->frame.state.rax, 5u);
    EXPECT_EQ(root(Syscall::thread_resume, program.handle, {1, 5}).error, Error::bad_state);
}

TEST_F(ForeignTest, StatePageIsSanitised) {
    system_call(1, 2);
    state->rip = 0xffff'8000'0000'0000;
    state->rflags = ~u64{0};
    state->rbx = 99;
    as(server, message(Syscall::reply_recv, e, {.operation = static_cast<u16>(abi::Resume::state)}));
    EXPECT_TRUE(runs(program));
    EXPECT_EQ(program.thread->frame.state.rbx, 99u);
    EXPECT_LT(program.thread->frame.state.rip, abi::kUserTop);
    EXPECT_EQ(program.thread->frame.state.rflags & 0x3000, 0u);
}

TEST_F(ForeignTest, ResumesInThreeWaysOnly) {
    system_call(1, 2);
    for (u64 how : {u64{3}, u64{0x10000}, u64{0x10001}, u64{1} << 40})
        EXPECT_EQ(root(Syscall::thread_resume, program.handle, {how, 5}).error, Error::invalid) << how;
    EXPECT_EQ(root(Syscall::thread_resume, program.handle, {1, 5}).error, Error::ok);
}

TEST_F(ForeignTest, FaultTellsAllInTheStatePage) {
    sim.fault(2, 0x77000, 3);
    Answer got = sim.answer(*server.thread);
    EXPECT_EQ(abi::Tag(got.tag).operation(), static_cast<u16>(abi::Event::page_fault));
    EXPECT_EQ(state->fault_address, 0x77000u);
    EXPECT_EQ(state->event, static_cast<u64>(abi::Event::page_fault));
    as(server, message(Syscall::reply_recv, e, {.operation = static_cast<u16>(abi::Resume::retry)}));
    EXPECT_TRUE(runs(program));
}

TEST_F(ForeignTest, InterruptArrivesExactlyOnce) {
    ok(Syscall::thread_interrupt, program.handle);
    Answer got = sim.answer(*server.thread);
    EXPECT_FALSE(got.blocked);
    EXPECT_EQ(abi::Tag(got.tag).operation(), static_cast<u16>(abi::Event::interrupted));
    as(server, message(Syscall::reply_recv, e, {.operation = static_cast<u16>(abi::Resume::retry)}));
    EXPECT_TRUE(runs(program));
    EXPECT_TRUE(sim.answer(*server.thread).blocked);
    system_call(7, 7);
    ok(Syscall::thread_interrupt, program.handle);  // at an event: it comes when that is over
    ok(Syscall::thread_interrupt, program.handle);
    as(server,
       message(Syscall::reply_recv, e, {.operation = static_cast<u16>(abi::Resume::result), .words = {1}}));
    got = sim.answer(*server.thread);
    EXPECT_FALSE(got.blocked);
    EXPECT_EQ(abi::Tag(got.tag).operation(), static_cast<u16>(abi::Event::interrupted));
    EXPECT_EQ(state->rax, 1u);
    as(server, message(Syscall::reply_recv, e, {.operation = static_cast<u16>(abi::Resume::retry)}));
    EXPECT_TRUE(sim.answer(*server.thread).blocked);
    EXPECT_TRUE(runs(program));
}

TEST_F(ForeignTest, ServerDiesAndIsReborn) {
    system_call(1, 2);
    ok(Syscall::object_destroy, server.handle);
    EXPECT_EQ(program.thread->state, core::State::at_event);
    ok(Syscall::thread_resume, program.handle, {static_cast<u64>(abi::Resume::result), 5});
    EXPECT_TRUE(runs(program));
    sim.foreign_syscall(2);
    server = actor({.cpu = 3});
    EXPECT_FALSE(as(server, message(Syscall::recv, e)).blocked);
    EXPECT_EQ(sim.answer(*server.thread).badge, 33u);
}

TEST_F(ThreadTest, FpuStateFollowsItsThread) {
    auto& m = arch::fake::machine();
    Actor a = actor({.cpu = 1}), b = actor({.cpu = 1});
    auto use = [&](const Actor& who, u64 value) {
        while (!runs(who)) sim.issue(1, {.number = Syscall::yield});
        m.current_index = 1;
        if (!m.here().fpu_enabled) sim.on(1, [] { arch::fake::fpu_trap(); });
        ASSERT_TRUE(m.cpus[1].fpu_enabled);
        if (value != 0) m.cpus[1].fpu[5] = value;
    };
    use(a, 111);
    use(b, 222);
    use(a, 0);
    EXPECT_EQ(m.cpus[1].fpu[5], 111u);
    use(b, 0);
    EXPECT_EQ(m.cpus[1].fpu[5], 222u);
    while (!runs(a)) sim.issue(1, {.number = Syscall::yield});
    EXPECT_FALSE(m.cpus[1].fpu_enabled);
    ok(Syscall::thread_stop, b.handle);
    ok(Syscall::thread_fpu_read, b.handle, {0});
    EXPECT_EQ(sim.root().buffer->words[5], 222u);
    ok(Syscall::thread_continue, b.handle);
    use(a, 333);
    ok(Syscall::thread_set_cpu, a.handle, {3});
    while (!runs(a)) sim.issue(3, {.number = Syscall::yield});
    sim.on(3, [] { arch::fake::fpu_trap(); });
    EXPECT_EQ(m.cpus[3].fpu[5], 333u);
}

TEST_F(ThreadTest, DestroyItselfAndTheLast) {
    Actor a = actor({.cpu = 1});
    HandleIndex p = pool(50);
    Actor inside = actor({.cpu = 2, .pool = p});
    sim.issue(2, {.number = Syscall::object_destroy, .handle = p});
    EXPECT_EQ(sim.current(2), nullptr);
    sim.issue(1, {.number = Syscall::object_destroy, .handle = a.handle});
    EXPECT_EQ(sim.current(1), nullptr);
    EXPECT_EQ(root(Syscall::cap_info, a.handle).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_info, inside.handle).error, Error::bad_handle);
}

}  // namespace
}  // namespace pith::test
