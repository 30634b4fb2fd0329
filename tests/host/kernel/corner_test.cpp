// SPDX-License-Identifier: MIT
// Corners: panics, timers that are stopped in any order, large Memories, calls whose thread dies in their middle, exhaustion in
// the middle of a creation.
#include "kernel/core/entry.hpp"
#include "tests/host/kernel/fixture.hpp"

namespace pith::test {
namespace {

using arch::fake::machine;

class CornerTest : public KernelTest {
  protected:
    u64 objects_of(HandleIndex pool) {
        ok(Syscall::pool_info, pool);
        return get<abi::PoolInfo>(sim.root()).objects;
    }
};

using CornerDeathTest = CornerTest;

TEST_F(CornerDeathTest, PanicTellsWhatTheCpuDidLast) {
    auto end = [this](const char* text) {
        machine().may_exit = true;
        machine().console.clear();
        root(Syscall::clock);
        core::panic(text);
    };
    EXPECT_EXIT(end("something"), ::testing::ExitedWithCode(core::kPanicExit),
                "Kernel panic: something\ntrace .ticks, thread, what.:\n.* syscall c ");
}

TEST_F(CornerTest, TimersStopInAnyOrder) {
    std::vector<Actor> actors;
    std::vector<HandleIndex> signals;
    for (u8 i = 0; i < 8; i++) {
        signals.push_back(signal());
        actors.push_back(actor({.cpu = 1}));
        rotate_to(actors.back());
        const u64 deadline = machine().now + 1'000'000 * (1 + u64{i} * 5 % 8);
        ASSERT_TRUE(
            as(actors.back(), {.number = Syscall::signal_wait, .handle = signals.back(), .a = {1, deadline}})
                .blocked);
    }
    for (usize i : {3u, 1u, 6u, 2u}) {
        ok(Syscall::signal_notify, signals[i], {1});
        EXPECT_TRUE(Sim::ended(*actors[i].thread));
    }
    for (u64 moment = 1; moment <= 8; moment++) {
        sim.advance(1'000'000);
        for (usize i : {0u, 4u, 5u, 7u})
            EXPECT_EQ(Sim::ended(*actors[i].thread), 1 + i * 5 % 8 <= moment) << i << " at " << moment;
    }
    for (usize i : {0u, 4u, 5u, 7u}) EXPECT_EQ(sim.answer(*actors[i].thread).error, Error::timed_out);
}

TEST_F(CornerTest, StoppedAndThenKilledIsDead) {
    HandleIndex space = make(Syscall::space_create), buffer = memory(1);
    put(abi::ThreadCreate{.space = space,
                          .captable = static_cast<HandleIndex>(abi::RootSlot::captable),
                          .handler = 0,
                          .buffer = buffer,
                          .buffer_offset = 0,
                          .badge = 0,
                          .budget = 0,
                          .priority = 0,
                          .kind = abi::ThreadKind::native,
                          .cpu = 1,
                          .buffer_address = 0});
    HandleIndex thread = make(Syscall::thread_create);
    ok(Syscall::thread_start, thread, {0x400000, 0x500000});
    ok(Syscall::thread_stop, thread);
    ok(Syscall::object_destroy, space);
    ok(Syscall::thread_info, thread);
    EXPECT_EQ(get<abi::ThreadInfo>(sim.root()).state, static_cast<u32>(abi::ThreadState::dead));
}

TEST_F(CornerTest, LargeMemory) {
    HandleIndex m = memory(1300), space = make(Syscall::space_create);
    EXPECT_EQ(map(space, m, 0x1000'0000, 2, abi::kMapRead, 700 * kPage).error, Error::ok);
    EXPECT_EQ(map(space, m, 0x2000'0000, 1, abi::kMapRead, 1299 * kPage).error, Error::ok);
    EXPECT_EQ(map(space, m, 0x3000'0000, 1, abi::kMapRead, 0).error, Error::ok);
    ok(Syscall::object_destroy, m);
    ok(Syscall::space_info, space);
    EXPECT_EQ(get<abi::SpaceInfo>(sim.root()).mapped_pages, 0u);
    ok(Syscall::object_destroy, memory(1300));
}

TEST_F(CornerTest, ContiguousMemoryIsMadeInSteps) {
    Actor maker = actor({.cpu = 1});
    actor({.cpu = 1});
    const u64 objects = objects_of(arena);
    begin(maker,
          {.number = Syscall::memory_create, .handle = arena, .a = {100 * kPage, abi::kMemoryContiguous}});
    sim.rotate(1);
    sim.settle();
    ASSERT_TRUE(Sim::ended(*maker.thread));
    EXPECT_EQ(sim.answer(*maker.thread).error, Error::ok);
    EXPECT_EQ(objects_of(arena), objects + 1);
    // Its maker dies: the next destruction takes it away.
    begin(maker,
          {.number = Syscall::memory_create, .handle = arena, .a = {100 * kPage, abi::kMemoryContiguous}});
    HandleIndex e = endpoint();
    ok(Syscall::object_destroy, maker.handle);
    ok(Syscall::object_destroy, e);
    EXPECT_EQ(objects_of(arena), objects);
}

TEST_F(CornerTest, CapTableIsMadeInSteps) {
    Actor maker = actor({.cpu = 1});
    actor({.cpu = 1});
    const u64 objects = objects_of(arena);
    begin(maker, {.number = Syscall::captable_create, .handle = arena, .a = {1000}});
    sim.rotate(1);
    sim.settle();
    ASSERT_TRUE(Sim::ended(*maker.thread));
    EXPECT_EQ(sim.answer(*maker.thread).error, Error::ok);
    EXPECT_EQ(objects_of(arena), objects + 1);
    // Its maker dies, and what has been made of it is given back.
    begin(maker, {.number = Syscall::captable_create, .handle = arena, .a = {1000}});
    HandleIndex e = endpoint();
    ok(Syscall::object_destroy, maker.handle);
    ok(Syscall::object_destroy, e);
    EXPECT_EQ(objects_of(arena), objects);
}

TEST_F(CornerTest, WhatIsBeingMadeDiesWithItsPool) {
    Actor maker = actor({.cpu = 1});
    actor({.cpu = 1});
    for (const spec::Call& call :
         {spec::Call{.number = Syscall::memory_create, .a = {100 * kPage, abi::kMemoryContiguous}},
          spec::Call{.number = Syscall::captable_create, .a = {1000}}}) {
        const HandleIndex doomed = pool(300);
        spec::Call there = call;
        there.handle = doomed;
        begin(maker, there);
        EXPECT_NE(maker.thread->partial, nullptr);
        ok(Syscall::object_destroy, doomed);
        EXPECT_EQ(maker.thread->partial, nullptr);
        // Its number names another Pool when the maker goes on: that makes the whole of it there.
        ASSERT_EQ(pool(300), doomed);
        rotate_to(maker);
        sim.settle();
        EXPECT_EQ(sim.answer(*maker.thread).error, Error::ok);
        EXPECT_EQ(objects_of(doomed), 1u);
        ok(Syscall::object_destroy, doomed);
    }
}

TEST_F(CornerTest, DestructionIsFinishedByTheNext) {
    Actor killer = actor({.cpu = 1});
    actor({.cpu = 1});
    HandleIndex victim = pool(300), e = endpoint();
    for (int i = 0; i < 60; i++) ok(Syscall::memory_create, victim, {kPage});
    const u64 objects = objects_of(arena);
    begin(killer, {.number = Syscall::object_destroy, .handle = victim});
    EXPECT_EQ(root(Syscall::pool_info, victim).error, Error::bad_handle);
    ok(Syscall::object_destroy, killer.handle);
    ok(Syscall::object_destroy, e);
    EXPECT_EQ(objects_of(arena), objects - 3);  // the killer, its victim, the Endpoint
    EXPECT_EQ(root(Syscall::cap_delete, victim).error, Error::bad_handle);  // consumed, and free
}

TEST_F(CornerTest, DestructionBecomesPartOfAGreaterOne) {
    Actor killer = actor({.cpu = 1});
    actor({.cpu = 1});
    HandleIndex above = pool(400), victim = pool(300, above);
    for (int i = 0; i < 60; i++) ok(Syscall::memory_create, victim, {kPage});
    begin(killer, {.number = Syscall::object_destroy, .handle = victim});
    ok(Syscall::object_destroy, above);
    EXPECT_EQ(root(Syscall::cap_delete, victim).error, Error::bad_handle);  // consumed, and free
    rotate_to(killer);
    EXPECT_TRUE(Sim::ended(*killer.thread));
    EXPECT_EQ(sim.answer(*killer.thread).error, Error::ok);
}

TEST_F(CornerTest, ExceptionTellsItsVector) {
    HandleIndex e = endpoint();
    Actor server = actor({.cpu = 2});
    actor({.cpu = 1, .handler = e});
    ASSERT_TRUE(as(server, message(Syscall::recv, e)).blocked);
    sim.on(1, [] {
        core::fault_entry({.page_fault = false, .address = 0x77, .access = 0, .vector = 13, .error_code = 9});
        core::raise_entry();
    });
    sim.settle();
    Answer got = sim.answer(*server.thread);
    EXPECT_EQ(abi::Tag(got.tag).operation(), static_cast<u16>(abi::Event::exception));
    EXPECT_EQ(got.words[0], 13u);
    EXPECT_EQ(got.words[1], 9u);
    EXPECT_EQ(got.words[3], 0x77u);
}

TEST_F(CornerTest, FpuStateThatNobodyPaysIsAnException) {
    HandleIndex small = pool(3);
    Actor a = actor({.cpu = 1, .pool = small});
    ASSERT_TRUE(runs(a));
    while (root(Syscall::signal_create, small).error == Error::ok) {}
    while (root(Syscall::memory_create, small, {kPage}).error == Error::ok) {}
    EXPECT_EQ(root(Syscall::thread_fpu_read, a.handle, {0}).error, Error::no_memory);
    EXPECT_EQ(sim.fpu(1), nullptr);
    EXPECT_EQ(a.thread->state, core::State::dead);
}

TEST_F(CornerTest, ExhaustedInTheMiddleOfACreation) {
    HandleIndex p = pool(10);
    EXPECT_EQ(root(Syscall::pool_create, p, {10}).error, Error::no_memory);
    EXPECT_EQ(root(Syscall::memory_create, p, {10 * kPage}).error, Error::no_memory);
    EXPECT_EQ(root(Syscall::memory_create, p, {10 * kPage, abi::kMemoryContiguous}).error, Error::no_memory);
    EXPECT_EQ(root(Syscall::captable_create, p, {abi::kMaxSlots}).error, Error::no_memory);
    ok(Syscall::pool_info, p);
    EXPECT_EQ(get<abi::PoolInfo>(sim.root()).used, 0u);
    EXPECT_EQ(get<abi::PoolInfo>(sim.root()).objects, 0u);
    ok(Syscall::pool_create, p, {9});
}

}  // namespace
}  // namespace pith::test
