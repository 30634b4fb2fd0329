// SPDX-License-Identifier: MIT
// What the kernel's host tests share: each runs in a Pool of its own (`arena`), out of root's Pool; when that is destroyed at
// the test's end, the exact counts of objects, capabilities and pages must be what they were before (I2, I3).
//
// Root runs on CPU 0 and makes most calls. `Actor`s are further native threads in root's Space and CapTable (so a handle
// means the same for all), usually each on a CPU of its own, waiting to be told what to call.
#pragma once

#include <gtest/gtest.h>

#include "tests/host/kernel/sim.hpp"

namespace pith::test {

inline constexpr u64 kPage = abi::kPageSize;

/// A message call's fields in one go.
struct Send {
    u16 operation = 0;
    std::array<u64, 8> words{};
    std::vector<u64> data;
    std::vector<abi::MessageHandle> handles;
    abi::Time deadline = abi::kNoDeadline;
};
Call message(Syscall number, HandleIndex handle, const Send& send = {});

struct Actor {
    core::Thread* thread = nullptr;
    HandleIndex handle = 0;
};

struct ActorOptions {
    u32 cpu = 1;
    u8 priority = 100;
    HandleIndex handler = 0;
    HandleIndex budget = static_cast<HandleIndex>(abi::RootSlot::budget);
    HandleIndex pool = 0;  ///< 0: the arena
    HandleIndex space = static_cast<HandleIndex>(abi::RootSlot::space);
    HandleIndex captable = static_cast<HandleIndex>(abi::RootSlot::captable);  ///< of native threads
    HandleIndex buffer = 0;                                                    ///< 0: a Memory of its own
    u64 buffer_offset = 0;
    abi::ThreadKind kind = abi::ThreadKind::native;
    u64 badge = 0;
    bool start = true;
};

class KernelTest : public ::testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    // Calls of root.
    Answer root(Syscall number, HandleIndex handle = 0, std::array<u64, 6> a = {}) {
        return sim.call(sim.root(), number, handle, a);
    }
    /// The same, which must succeed; r0.
    u64 ok(Syscall number, HandleIndex handle = 0, std::array<u64, 6> a = {});
    HandleIndex make(Syscall number, std::array<u64, 6> a = {}) {
        return static_cast<HandleIndex>(ok(number, arena, a));
    }
    /// A structure in root's message buffer.
    template <typename T>
    void put(const T& value, usize index = 0) {
        memcpy(reinterpret_cast<char*>(sim.root().buffer->words) + index * sizeof(T), &value, sizeof(T));
    }
    template <typename T>
    T get(core::Thread& thread) {
        T value;
        memcpy(&value, thread.buffer->words, sizeof(T));
        return value;
    }
    /// A copy, deleted at the end if it is still there.
    HandleIndex copy(HandleIndex handle, u64 rights = abi::kAllRights, u64 badge = 0) {
        copies.push_back(static_cast<HandleIndex>(ok(Syscall::cap_copy, handle, {0, 0, rights, badge})));
        return copies.back();
    }
    Actor actor(ActorOptions options = {});
    Answer map(HandleIndex space, HandleIndex memory, u64 address, u64 pages, u32 flags, u64 offset = 0);
    HandleIndex endpoint() { return make(Syscall::endpoint_create); }
    HandleIndex signal() { return make(Syscall::signal_create); }
    HandleIndex memory(u64 pages) { return make(Syscall::memory_create, {pages * kPage}); }
    HandleIndex pool(u64 pages, HandleIndex parent = 0) {
        return static_cast<HandleIndex>(ok(Syscall::pool_create, parent == 0 ? arena : parent, {pages}));
    }
    HandleIndex budget(u64 capacity, u64 period, u8 ceiling = 255, HandleIndex signal = 0, u64 bits = 0);
    bool runs(const Actor& a) { return sim.current(a.thread->cpu) == a.thread; }
    /// Lets the threads of its priority take turns on its CPU until it runs.
    void rotate_to(const Actor& a) {
        while (!runs(a)) sim.rotate(a.thread->cpu);
    }
    Answer as(const Actor& a, const Call& call) { return sim.call(*a.thread, call); }
    /// Has an actor begin a call on its CPU, which another of the same priority interrupts at the first preemption point.
    void begin(const Actor& a, const Call& call);

    Sim& sim = Sim::instance();
    HandleIndex arena = 0;
    std::vector<HandleIndex> copies;
    abi::KernelCounts before{};
};

}  // namespace pith::test
