// SPDX-License-Identifier: MIT
// Threads and Budgets: creation, start, stop, resumption of foreign threads, configuration, death.
#include <cstring>
#include <utility>

#include "tests/host/spec/system.hpp"

namespace pith::spec {

namespace {

constexpr auto kAllocate = static_cast<RightsBits>(abi::PoolRight::allocate);
constexpr auto kRun = static_cast<RightsBits>(abi::ThreadRight::run);
constexpr auto kManage = abi::kRightManage;
constexpr u64 kShortestPeriod = 10'000;            // 10 us
constexpr u64 kLongestPeriod = 3'600'000'000'000;  // 1 hour

template <typename T>
T from_buffer(const Call& call) {
    T value;
    std::memcpy(&value, call.buffer.words, sizeof(T));
    return value;
}

}  // namespace

Outcome System::thread_create(Id thread, const Call& call) {
    Errors errors;
    lookup(thread, call.handle, ObjectType::pool, kAllocate, errors);
    auto p = from_buffer<abi::ThreadCreate>(call);
    const Capability* space = lookup(thread, p.space, ObjectType::space,
                                     static_cast<RightsBits>(abi::SpaceRight::map), errors);
    const Capability* buffer = lookup(thread, p.buffer, ObjectType::memory, abi::kMapRead | abi::kMapWrite,
                                      errors);
    const Capability* table = nullptr;
    if (p.kind == abi::ThreadKind::native)
        table = lookup(thread, p.captable, ObjectType::captable,
                       static_cast<RightsBits>(abi::CapTableRight::take), errors);
    else if (p.captable != abi::kNoHandle)
        errors.insert({Error::invalid, Error::bad_handle, Error::wrong_type, Error::no_right});
    const Capability* handler = nullptr;
    if (p.handler != abi::kNoHandle)
        handler = lookup(thread, p.handler, ObjectType::endpoint,
                         static_cast<RightsBits>(abi::EndpointRight::send), errors);
    const Capability* budget = nullptr;
    if (p.budget != abi::kNoHandle)
        budget = lookup(thread, p.budget, ObjectType::budget, static_cast<RightsBits>(abi::BudgetRight::bind),
                        errors);
    if (p.kind > abi::ThreadKind::foreign || p.cpu >= cpus || p.buffer_offset % abi::kBufferSize != 0)
        errors.insert(Error::invalid);
    if (buffer != nullptr && (p.buffer_offset >= as<Memory>(buffer->object).pages * abi::kPageSize ||
                              as<Memory>(buffer->object).device))
        errors.insert(Error::invalid);
    if (budget != nullptr) {
        const auto& parameters = as<Budget>(budget->object).parameters;
        if (p.priority > parameters.ceiling) errors.insert(Error::invalid);
    }
    if (!errors.empty()) return {.errors = errors};
    Thread t;
    t.kind = p.kind;
    t.space = space->object;
    t.captable = table == nullptr ? kNone : table->object;
    t.handler = handler == nullptr ? kNone : handler->object;
    t.buffer = buffer->object;
    t.badge = p.badge;
    t.budget = budget == nullptr ? kNone : budget->object;
    t.cpu = p.cpu;
    t.priority = p.priority;
    return create(thread, call, ObjectType::thread, t, 0);
}

/// thread_start, resume, interrupt, stop, continue: right run.
Outcome System::thread_call(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::thread, kRun, errors);
    if (target == nullptr) return {.errors = errors};
    Id id = target->object;
    auto& t = as<Thread>(id);
    bool foreign = t.kind == abi::ThreadKind::foreign;
    switch (call.number) {
        case abi::Syscall::thread_start:
            if (call.a[0] >= abi::kUserTop) errors.insert(Error::invalid);
            if (foreign) errors.insert({Error::invalid, Error::bad_state, Error::wrong_type});
            else if (t.state != State::inactive) errors.insert(Error::bad_state);
            if (!errors.empty()) return {.errors = errors};
            t.state = State::ready;
            break;
        case abi::Syscall::thread_resume:
            if (!foreign) errors.insert({Error::invalid, Error::bad_state, Error::wrong_type});
            if (call.a[0] > static_cast<u64>(abi::Resume::state)) errors.insert(Error::invalid);
            if (foreign && t.state != State::event && t.state != State::inactive)
                errors.insert(Error::bad_state);
            if (t.queued_at != kNone) errors.insert(Error::bad_state);  // nobody has received its event yet
            if (foreign && t.state == State::inactive && call.a[0] != static_cast<u64>(abi::Resume::state))
                errors.insert(Error::bad_state);  // it has no registers yet
            if (!errors.empty()) return {.errors = errors};
            unqueue(id);
            t.state = State::ready;
            break;
        case abi::Syscall::thread_interrupt:
            if (!foreign) return {.errors = {Error::invalid, Error::bad_state, Error::wrong_type}};
            if (t.state == State::dead) return {.errors = {Error::bad_state, Error::bad_handle}};
            t.interrupt_pending = true;
            break;
        case abi::Syscall::thread_stop:
            if (t.state == State::dead) return {.errors = {Error::bad_state}};
            t.stopped = true;
            break;
        default:
            if (!t.stopped) return {.errors = {Error::bad_state}};
            t.stopped = false;
            break;
    }
    return {};
}

Outcome System::thread_configure(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::thread, kManage, errors);
    auto handle = static_cast<HandleIndex>(call.a[0]);
    const Capability* other = nullptr;
    if (call.number == abi::Syscall::thread_set_budget)
        other = lookup(thread, handle, ObjectType::budget, static_cast<RightsBits>(abi::BudgetRight::bind),
                       errors);
    if (call.number == abi::Syscall::thread_bind_signal && handle != abi::kNoHandle)
        other = lookup(thread, handle, ObjectType::signal, static_cast<RightsBits>(abi::SignalRight::wait),
                       errors);
    if (!errors.empty()) return {.errors = errors};
    Id id = target->object;
    auto& t = as<Thread>(id);
    auto ceiling = [&](Id budget) {
        return budget == kNone ? 0u : u64{as<Budget>(budget).parameters.ceiling};
    };
    switch (call.number) {
        case abi::Syscall::thread_set_cpu:
            if (call.a[0] >= cpus) return {.errors = {Error::invalid}};
            set_cpu(id, static_cast<u32>(call.a[0]));
            break;
        case abi::Syscall::thread_set_priority:
            if (call.a[0] >= abi::kPriorities) return {.errors = {Error::invalid}};
            // Lower is always right.
            if (call.a[0] > ceiling(t.budget) && call.a[0] > t.priority) return {.errors = {Error::invalid}};
            t.priority = static_cast<u8>(call.a[0]);
            break;
        case abi::Syscall::thread_set_budget:
            if (t.priority > ceiling(other->object)) return {.errors = {Error::invalid}};
            t.budget = other->object;
            break;
        default: {  // thread_bind_signal
            Id target_signal = other == nullptr ? kNone : other->object;
            if (target_signal != kNone) {
                auto& s = as<Signal>(target_signal);
                if (s.bound != kNone && s.bound != id) return {.errors = {Error::busy}};
            }
            if (t.bound_signal != kNone) as<Signal>(t.bound_signal).bound = kNone;
            t.bound_signal = target_signal;
            if (target_signal != kNone) {
                as<Signal>(target_signal).bound = id;
                signal(target_signal, 0);
            }
        }
    }
    return {};
}

/// The thread belongs to another CPU from now on, and receives in that one's part of its Endpoint.
void System::set_cpu(Id thread, u32 cpu) {
    auto& t = as<Thread>(thread);
    if (t.cpu == cpu) return;
    t.cpu = cpu;
    if (t.registered == kNone) return;
    auto& e = as<Endpoint>(t.registered);
    std::erase(e.registered, thread);
    e.registered.push_back(thread);
    if (std::erase(e.receivers, thread) != 0) e.receivers.push_back(thread);
    receive_next(t.registered);
}

/// The thread is no more: its callers and partners learn of it. (Its object may live on, dead.)
void System::kill(Id thread) {
    auto& t = as<Thread>(thread);
    unqueue(thread);
    if (t.current != kNone) abandon(t.current);
    t.lender = kNone;
    t.on_reserve = false;
    if (t.registered != kNone) {
        Id endpoint = std::exchange(t.registered, kNone);
        std::erase(as<Endpoint>(endpoint).registered, thread);
        t.state = State::dead;
        receive_next(endpoint);
    }
    if (t.bound_signal != kNone) {
        as<Signal>(t.bound_signal).bound = kNone;
        t.bound_signal = kNone;
    }
    t.state = State::dead;
    t.completion.reset();
}

namespace {
Errors parameter_errors(const abi::BudgetParameters& p) {
    bool wrong = p.period < kShortestPeriod || p.period > kLongestPeriod || p.capacity == 0 ||
                 p.capacity > p.period || p.cpus == 0;
    return wrong ? Errors{Error::invalid} : Errors{};
}
}  // namespace

Outcome System::budget_create(Id thread, const Call& call) {
    Errors errors;
    lookup(thread, call.handle, ObjectType::pool, kAllocate, errors);
    auto p = from_buffer<abi::BudgetParameters>(call);
    const Capability* parent = lookup(thread, static_cast<HandleIndex>(call.a[0]), ObjectType::budget,
                                      kManage, errors);
    const Capability* target = nullptr;
    if (p.signal != abi::kNoHandle)
        target = lookup(thread, p.signal, ObjectType::signal,
                        static_cast<RightsBits>(abi::SignalRight::notify), errors);
    errors.merge(parameter_errors(p));
    if (parent != nullptr) {  // what it grants is within what the parent grants
        const auto& bound = as<Budget>(parent->object).parameters;
        if (p.ceiling > bound.ceiling || (p.cpus & ~bound.cpus) != 0)
            errors.insert({Error::invalid, Error::no_right});
    }
    if (!errors.empty()) return {.errors = errors};
    Budget budget{.parameters = p, .signal = target == nullptr ? kNone : target->object};
    return create(thread, call, ObjectType::budget, budget, 0);
}

/// Its ceiling and CPU set can only shrink: there is no parent to ask any more.
Outcome System::budget_configure(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::budget, kManage, errors);
    auto p = from_buffer<abi::BudgetParameters>(call);
    const Capability* reported = nullptr;
    if (p.signal != abi::kNoHandle)
        reported = lookup(thread, p.signal, ObjectType::signal,
                          static_cast<RightsBits>(abi::SignalRight::notify), errors);
    errors.merge(parameter_errors(p));
    if (target != nullptr) {
        const auto& bound = as<Budget>(target->object).parameters;
        if (p.ceiling > bound.ceiling || (p.cpus & ~bound.cpus) != 0)
            errors.insert({Error::invalid, Error::no_right});
    }
    if (!errors.empty()) return {.errors = errors};
    as<Budget>(target->object) = {.parameters = p, .signal = reported == nullptr ? kNone : reported->object};
    return {};
}

}  // namespace pith::spec
