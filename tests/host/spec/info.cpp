// SPDX-License-Identifier: MIT
// What objects tell of themselves, and the FPU state of threads. What depends on how a kernel stores things (pages of its
// own objects, times) is only bounded.
#include <algorithm>
#include <cstring>

#include "tests/host/spec/system.hpp"

namespace pith::spec {

namespace {

constexpr u64 kAny = ~u64{0};

Word exactly(usize index, u64 value) { return {.index = index, .least = value, .most = value}; }

}  // namespace

Outcome System::pool_info(Id thread, const Call& call) {
    Errors errors;
    const Capability* found = lookup(thread, call.handle, ObjectType::pool,
                                     static_cast<RightsBits>(abi::PoolRight::info), errors);
    if (found == nullptr) return {.errors = errors};
    u64 limit = as<Pool>(found->object).limit, used = pool_used_at_least(found->object), made = 0;
    for (const auto& [id, object] : objects) {
        Id in = object.type == ObjectType::pool ? std::get<Pool>(object.body).parent : object.pool;
        made += in == found->object;
    }
    return {.output = {exactly(0, limit), {1, used, limit}, {2, used, kAny}, exactly(3, made)}};
}

Outcome System::memory_info(Id thread, const Call& call) {
    Errors errors;
    const Capability* found = lookup(thread, call.handle, ObjectType::memory, 0, errors);
    if (found == nullptr) return {.errors = errors};
    u64 mapped = 0;
    for (const auto& [id, object] : objects)
        if (const auto* space = std::get_if<Space>(&object.body))
            for (const auto& [address, page] : space->pages) mapped += page.memory == found->object;
    return {.output = {exactly(0, as<Memory>(found->object).pages * abi::kPageSize), exactly(1, mapped)}};
}

Outcome System::space_info(Id thread, const Call& call) {
    Errors errors;
    const Capability* found = lookup(thread, call.handle, ObjectType::space,
                                     static_cast<RightsBits>(abi::SpaceRight::info), errors);
    if (found == nullptr) return {.errors = errors};
    const auto& pages = as<Space>(found->object).pages;
    std::set<Id> memories;
    for (const auto& [address, page] : pages) memories.insert(page.memory);
    return {.output = {exactly(0, pages.size()), {1, 1, kAny}, exactly(2, memories.size())}};
}

Outcome System::budget_info(Id thread, const Call& call) {
    Errors errors;
    const Capability* found = lookup(thread, call.handle, ObjectType::budget,
                                     static_cast<RightsBits>(abi::BudgetRight::info), errors);
    if (found == nullptr) return {.errors = errors};
    return {.output = {{1, 0, as<Budget>(found->object).parameters.capacity}}};
}

namespace {

/// States that a thread may be seen in. An event that has been received is a call to its handler for a native thread;
/// a foreign one is stopped at it.
std::pair<abi::ThreadState, abi::ThreadState> visible_states(const Thread& t, bool caller) {
    using abi::ThreadState;
    auto one = [](ThreadState state) { return std::pair(state, state); };
    if (t.stopped && t.state != State::dead) return one(ThreadState::stopped);
    switch (t.state) {
        case State::inactive: return one(ThreadState::inactive);
        case State::ready:
            if (caller) return one(ThreadState::running);
            return {ThreadState::ready, ThreadState::running};
        case State::calling: return one(ThreadState::calling);
        case State::sending: return one(ThreadState::sending);
        case State::receiving: return one(ThreadState::receiving);
        case State::waiting: return one(ThreadState::waiting);
        case State::event:
            return one(t.native_fault && t.queued_at == kNone ? ThreadState::calling : ThreadState::stopped);
        default: return one(ThreadState::dead);
    }
}

}  // namespace

Outcome System::thread_info(Id thread, const Call& call) {
    Errors errors;
    const Capability* found = lookup(thread, call.handle, ObjectType::thread,
                                     static_cast<RightsBits>(abi::ThreadRight::info), errors);
    if (found == nullptr) return {.errors = errors};
    const auto& t = as<Thread>(found->object);
    auto [least, most] = visible_states(t, found->object == thread);
    constexpr usize kPlace = offsetof(abi::ThreadInfo, state) / sizeof(u64);
    Outcome outcome{.output = {
                        {.index = kPlace,
                         .least = static_cast<u64>(least),
                         .most = static_cast<u64>(most),
                         .mask = 0xffff'ffff},
                    }};
    u64 own = u64{t.cpu} << 32 | u64{t.priority} << 48;
    outcome.output.push_back({.index = kPlace, .least = own, .most = own, .mask = 0x00ff'ffff'0000'0000});
    // (A dead thread's and a circle's effective priority mean nothing.)
    if (t.state != State::dead && !in_circle(found->object)) {
        u64 effective = u64{effective_priority(found->object)} << 56;
        outcome.output.push_back(
            {.index = kPlace, .least = effective, .most = effective, .mask = u64{0xff} << 56});
    }
    if (!(found->rights & static_cast<RightsBits>(abi::ThreadRight::registers)))
        for (usize i = 0; i < 16; i++)
            outcome.output.push_back(exactly(offsetof(abi::ThreadInfo, registers) / sizeof(u64) + i, 0));
    return outcome;
}

/// Reads or writes a chunk of the state; what must not be set by a user is made safe.
Outcome System::thread_fpu(Id thread, const Call& call) {
    Errors errors;
    bool write = call.number == abi::Syscall::thread_fpu_write;
    const Capability* found = lookup(thread, call.handle, ObjectType::thread,
                                     static_cast<RightsBits>(abi::ThreadRight::registers), errors);
    const u64 size = platform.fpu_words * sizeof(u64);
    if (call.a[0] % abi::kFpuChunk != 0 || call.a[0] >= size) errors.insert(Error::invalid);
    if (found != nullptr && write) {
        const auto& t = as<Thread>(found->object);
        bool stopped = t.state == State::inactive ||
                       (t.state == State::event && t.queued_at == kNone && !t.native_fault);
        if (!stopped) errors.insert(Error::bad_state);
    }
    if (!errors.empty()) return {.errors = errors};
    if (observed_.error == Error::no_memory) return {.errors = {Error::no_memory}};
    auto& fpu = as<Thread>(found->object).fpu;
    Outcome outcome{.r0 = size, .output = {}};
    if (write) {
        std::copy_n(call.buffer.words, fpu.size(), fpu.begin());
        fpu[0] = 0;
    } else {
        for (usize i = 0; i < fpu.size(); i++) outcome.output.push_back(exactly(i, fpu[i]));
    }
    return outcome;
}

}  // namespace pith::spec
