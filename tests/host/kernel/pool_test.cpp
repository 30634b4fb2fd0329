// SPDX-License-Identifier: MIT
// Pools and destruction: limits, sub-pools, resizing, exhaustion that stays one's own (I1), everything comes back (I2, I3),
// preemption in the middle of destruction (I4).
#include "kernel/core/entry.hpp"
#include "tests/host/kernel/fixture.hpp"

namespace pith::test {
namespace {

using PoolTest = KernelTest;

TEST_F(PoolTest, Info) {
    HandleIndex p = pool(50);
    ok(Syscall::pool_info, p);
    auto info = get<abi::PoolInfo>(sim.root());
    EXPECT_EQ(info.limit, 50u);
    EXPECT_EQ(info.objects, 0u);
    EXPECT_EQ(info.used, 0u);
    ok(Syscall::memory_create, p, {10 * kPage});
    ok(Syscall::pool_info, p);
    info = get<abi::PoolInfo>(sim.root());
    EXPECT_EQ(info.objects, 1u);
    EXPECT_GE(info.used, 10u);
    EXPECT_GE(info.peak, info.used);
}

TEST_F(PoolTest, LimitsAreTheParents) {
    HandleIndex p = pool(100);
    EXPECT_EQ(root(Syscall::pool_create, p, {101}).error, Error::no_memory);
    EXPECT_EQ(root(Syscall::pool_create, p, {~u64{0}}).error == Error::ok, false);
    HandleIndex sub = pool(60, p);
    EXPECT_EQ(root(Syscall::pool_create, p, {60}).error, Error::no_memory);
    ok(Syscall::pool_info, p);
    EXPECT_GE(get<abi::PoolInfo>(sim.root()).used, 60u);
    ok(Syscall::object_destroy, sub);
    ok(Syscall::pool_info, p);
    EXPECT_EQ(get<abi::PoolInfo>(sim.root()).used, 0u);
}

TEST_F(PoolTest, Resize) {
    HandleIndex p = pool(100), sub = pool(20, p);
    ok(Syscall::pool_resize, sub, {50});
    ok(Syscall::pool_info, sub);
    EXPECT_EQ(get<abi::PoolInfo>(sim.root()).limit, 50u);
    EXPECT_EQ(root(Syscall::pool_resize, sub, {101}).error, Error::no_memory);
    ok(Syscall::memory_create, sub, {30 * kPage});
    EXPECT_NE(root(Syscall::pool_resize, sub, {10}).error, Error::ok);
    ok(Syscall::pool_resize, sub, {40});
    ok(Syscall::pool_info, p);
    EXPECT_LT(get<abi::PoolInfo>(sim.root()).used, 45u);
}

TEST_F(PoolTest, ExhaustionIsOnesOwn) {
    HandleIndex p = pool(20);
    struct {
        Syscall number;
        std::array<u64, 6> a;
    } kinds[] = {{Syscall::endpoint_create, {}},    {Syscall::signal_create, {}},
                 {Syscall::space_create, {}},       {Syscall::captable_create, {1}},
                 {Syscall::memory_create, {kPage}}, {Syscall::pool_create, {1}}};
    for (auto& kind : kinds) {
        Error error = Error::ok;
        for (int i = 0; i < 10000 && error == Error::ok; i++) error = root(kind.number, p, kind.a).error;
        EXPECT_EQ(error, Error::no_memory) << static_cast<int>(kind.number);
        endpoint();  // others are not concerned
        ok(Syscall::object_destroy, p);
        p = pool(20);
    }
}

TEST_F(PoolTest, FailedCreationChangesNothing) {
    HandleIndex p = pool(8);
    ok(Syscall::memory_create, p, {kPage});
    ok(Syscall::pool_info, p);
    auto info = get<abi::PoolInfo>(sim.root());
    auto counts = Sim::counts();
    EXPECT_EQ(root(Syscall::memory_create, p, {8 * kPage}).error, Error::no_memory);
    EXPECT_EQ(root(Syscall::captable_create, p, {abi::kMaxSlots}).error, Error::no_memory);
    EXPECT_EQ(root(Syscall::memory_create, p, {0}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::memory_create, p, {kPage, 4}).error, Error::invalid);
    EXPECT_EQ(Sim::differences(counts, Sim::counts()), "");
    ok(Syscall::pool_info, p);
    EXPECT_EQ(get<abi::PoolInfo>(sim.root()).used, info.used);
}

TEST_F(PoolTest, DestroyTakesEverythingBelow) {
    HandleIndex p = pool(1000);
    std::vector<HandleIndex> all;
    HandleIndex inner = p;
    for (int depth = 0; depth < 5; depth++) {
        inner = pool(500 - 80 * static_cast<u64>(depth), inner);
        auto m = static_cast<HandleIndex>(ok(Syscall::memory_create, inner, {5 * kPage}));
        auto s = static_cast<HandleIndex>(ok(Syscall::space_create, inner));
        EXPECT_EQ(map(s, m, 0x10000, 5, abi::kMapRead).error, Error::ok);
        all.insert(all.end(), {inner, m, s, static_cast<HandleIndex>(ok(Syscall::endpoint_create, inner))});
    }
    ok(Syscall::object_destroy, p);
    for (HandleIndex handle : all) EXPECT_EQ(root(Syscall::cap_info, handle).error, Error::bad_handle);
    ok(Syscall::pool_info, arena);
    EXPECT_EQ(get<abi::PoolInfo>(sim.root()).objects, 0u);
    EXPECT_EQ(get<abi::PoolInfo>(sim.root()).used, 0u);
}

TEST_F(PoolTest, NeedsManage) {
    HandleIndex p = copy(pool(5), abi::kAllRights & ~u64{abi::kRightManage});
    EXPECT_EQ(root(Syscall::object_destroy, p).error, Error::no_right);
    EXPECT_EQ(root(Syscall::pool_resize, p, {6}).error, Error::no_right);
    HandleIndex info_only = copy(p, static_cast<u64>(abi::PoolRight::info));
    EXPECT_EQ(root(Syscall::endpoint_create, info_only).error, Error::no_right);
}

TEST_F(PoolTest, DestructionIsPreempted) {
    Actor other = actor({.cpu = 0, .priority = 255});
    HandleIndex p = pool(2500);
    for (int i = 0; i < 200; i++) {
        auto m = static_cast<HandleIndex>(ok(Syscall::memory_create, p, {8 * kPage}));
        ok(Syscall::cap_copy, m, {0, 0, abi::kAllRights, 0});
    }
    u64 ran = 0;
    auto& m = arch::fake::machine();
    sim.on_window = [&] {  // root's slice is over at each preemption point
        m.now += 6'000'000;
        if (m.here().timer <= m.now) {
            m.here().timer = core::kNever;
            core::timer_entry(true);
        }
    };
    spec::Call destroy{.number = Syscall::object_destroy, .handle = p};
    load(sim.root(), destroy);
    sim.on(0, [] { arch::fake::system_call(); });
    for (int i = 0; i < 100000 && !Sim::ended(sim.root()); i++) {
        if (sim.current(0) == other.thread) {
            ran++;
            spec::Call nothing{.number = Syscall::yield};
            EXPECT_EQ(sim.call(*other.thread, Syscall::memory_info, p).error,
                      Error::bad_handle);  // gone at once
            sim.issue(0, nothing);
        }
        sim.settle();
    }
    EXPECT_TRUE(Sim::ended(sim.root()));
    EXPECT_GT(ran, 5u);
    sim.on_window = nullptr;
    while (sim.current(0) != &sim.root()) sim.issue(0, {.number = Syscall::yield});
    EXPECT_EQ(root(Syscall::cap_delete, p).error, Error::bad_handle);  // free
    ok(Syscall::object_destroy, other.handle);
}

TEST_F(PoolTest, DestructionOfOneWhoDiesIsGoneOnWith) {
    // Killed with its Space, in the middle of a destruction; the Thread object stays.
    HandleIndex space = make(Syscall::space_create);
    core::Thread* worker = actor({.cpu = 1, .space = space}).thread;
    Actor other = actor({.cpu = 1});
    ASSERT_EQ(sim.current(1), worker);
    ok(Syscall::pool_info, arena);
    const u64 used = get<abi::PoolInfo>(sim.root()).used;
    HandleIndex p = pool(100);
    for (int i = 0; i < 20; i++) ok(Syscall::memory_create, p, {2 * kPage});
    auto& m = arch::fake::machine();
    sim.on_window = [&] {  // the worker's slice is over at its first preemption point
        m.now += 6'000'000;
        if (m.here().timer <= m.now) {
            m.here().timer = core::kNever;
            core::timer_entry(true);
        }
    };
    load(*worker, {.number = Syscall::object_destroy, .handle = p});
    sim.on(1, [] { arch::fake::system_call(); });
    sim.on_window = nullptr;
    sim.settle();
    ASSERT_TRUE(runs(other));
    ASSERT_FALSE(Sim::ended(*worker));
    ok(Syscall::object_destroy, space);
    EXPECT_EQ(worker->state, core::State::dead);
    ok(Syscall::object_destroy, endpoint());  // whoever destroys next there goes on with what is left
    ok(Syscall::pool_info, arena);
    EXPECT_LE(get<abi::PoolInfo>(sim.root()).used, used);
}

}  // namespace
}  // namespace pith::test
