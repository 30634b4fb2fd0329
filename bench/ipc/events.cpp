// SPDX-License-Identifier: MIT
// Signals, faults and foreign system calls. The handler is this thread; who faults, calls or is woken is a thread in
// another address space, and takes the times itself, in `samples`.
#include "bench/ipc/bench.hpp"

namespace pith::bench {
namespace {

constexpr u64 kSignalBit = 1;
constexpr u64 kPage = abi::kPageSize;
constexpr u64 kFaultPages = u64{kMaxWarmUp + kMaxRounds};

/// What the thread that is woken notes.
struct Waiter {
    abi::HandleIndex signal;
    u64 woken = 0;  ///< ticks at its first instruction
};

void wait_and_stamp(void* argument) {
    auto& waiter = *static_cast<Waiter*>(argument);
    for (;;) {
        const Error error = invoke(abi::Syscall::signal_wait, waiter.signal, kSignalBit).error;
        waiter.woken = ticks();
        must(error, "cannot wait");
    }
}

/// A divisor that is 0 whenever the partner divides, and 1 when it is to go on.
constinit volatile u32 divisor = 0;

struct Faulter {
    abi::HandleIndex endpoint;  ///< its handler's, to tell that it has finished
    u64 pages = 0;              ///< address
};

void finish(const Faulter& faulter) {
    Message message;
    static_cast<void>(ipc_call(faulter.endpoint, message));
    panic("nobody answers the last call");
}

void divide_by_zero(void* argument) {
    for (u32 i = 0; i < plan().total(); i++) {
        divisor = 0;
        u32 low = 1, high = 0;
        const u64 start = ticks();
        asm volatile("divl %2" : "+a"(low), "+d"(high) : "m"(divisor));
        samples[i] = ticks() - start;
    }
    finish(*static_cast<Faulter*>(argument));
}

void touch_pages(void* argument) {
    const auto& faulter = *static_cast<Faulter*>(argument);
    for (u32 i = 0; i < plan().total(); i++) {
        const u64 start = ticks();
        *reinterpret_cast<volatile u64*>(faulter.pages + i * kPage) = i;
        samples[i] = ticks() - start;
    }
    finish(faulter);
}

/// The last call is told by its number, which is the handler's to see.
constexpr u64 kFinished = 1;
void foreign_call(u64 number) { asm volatile("syscall" : "+a"(number) : : "rcx", "r11", "memory"); }

void make_foreign_calls(void*) {
    for (u32 i = 0; i < plan().total(); i++) {
        const u64 start = ticks();
        foreign_call(0);
        samples[i] = ticks() - start;
    }
    foreign_call(kFinished);
}

void make_foreign_faults(void*) {
    for (u32 i = 0; i < plan().total(); i++) {
        const u64 start = ticks();
        asm volatile("ud2" : : : "memory");
        samples[i] = ticks() - start;
    }
    foreign_call(kFinished);
}

/// Handles events of a native partner with `handle` until it has finished.
template <typename Action>
void handle_faults(Context& c, const char* name, Partner::Function function, Faulter& faulter,
                   Action handle) {
    const auto endpoint = must(c.pool.create_endpoint(), "no Endpoint");
    faulter.endpoint = c.other.give(endpoint);
    const Partner partner(c.pool, &c.other, function, &faulter, {.handler = endpoint.index()});
    Message message;
    must(ipc_recv(endpoint.index(), message), "no event");
    u32 events = 0;
    while (message.tag.from_kernel()) {
        handle(message);
        events++;
        message.tag = abi::Tag(static_cast<u16>(abi::Resume::retry), 0);
        must(ipc_reply_recv(endpoint.index(), message), "no further event");
    }
    if (events != plan().total()) panic("not one event a round");
    report_samples(name);
}

/// The same of a foreign partner; `handle` says how it is resumed.
template <typename Action>
void handle_foreign(Context& c, const char* name, Partner::Function function, abi::Event event,
                    Action handle) {
    const auto endpoint = must(c.pool.create_endpoint(), "no Endpoint");
    const Partner partner(c.pool, &c.other, function, nullptr,
                          {.handler = endpoint.index(), .foreign = true});
    Message message;
    must(ipc_recv(endpoint.index(), message), "no event");
    constexpr auto kCall = static_cast<u16>(abi::Event::syscall);
    u32 events = 0;
    while (message.tag.operation() != kCall || message.words[0] != kFinished) {
        if (message.tag.operation() != static_cast<u16>(event)) panic("another event");
        events++;
        message.tag = abi::Tag(static_cast<u16>(handle(partner)), 0);
        must(ipc_reply_recv(endpoint.index(), message), "no further event");
    }
    if (events != plan().total()) panic("not one event a round");
    report_samples(name);
}

}  // namespace

void signal_idle(Context& c) {
    const auto signal = must(c.pool.create_signal(), "no Signal");
    measure("signal_idle", [&] {
        const u64 start = ticks();
        const Error error = invoke(abi::Syscall::signal_notify, signal.index(), kSignalBit).error;
        const u64 end = ticks();
        must(error, "cannot notify");
        return end - start;
    });
}

void signal_wake(Context& c) {
    const auto signal = must(c.pool.create_signal(), "no Signal");
    Waiter waiter{c.other.give(signal)};
    const Partner partner(c.pool, &c.other, wait_and_stamp, &waiter, {.priority = kPriority + 1});
    partner.wait_for(abi::ThreadState::waiting);
    measure("signal_wake", [&] {
        const u64 start = ticks();
        const Error error = invoke(abi::Syscall::signal_notify, signal.index(), kSignalBit).error;
        must(error, "cannot notify");
        if (waiter.woken < start) panic("the more urgent thread did not run");
        return waiter.woken - start;
    });
}

void fault(Context& c) {
    Faulter faulter{};
    handle_faults(c, "fault", divide_by_zero, faulter, [](const Message& message) {
        if (message.tag.operation() != static_cast<u16>(abi::Event::exception)) panic("another event");
        divisor = 1;
    });
}

void page_fault_map(Context& c) {
    // One frame at all addresses: what a round costs does not depend on which frame it is.
    const auto memory = must(c.pool.create_memory(kPage), "no Memory");
    Faulter faulter{.endpoint = 0, .pages = take_addresses(kFaultPages * kPage)};
    handle_faults(c, "page_fault_map", touch_pages, faulter, [&](const Message& message) {
        if (message.tag.operation() != static_cast<u16>(abi::Event::page_fault)) panic("another event");
        must(c.other.space().map(message.words[0] & ~(kPage - 1), memory, 0, kPage,
                                 abi::kMapRead | abi::kMapWrite),
             "cannot map");
    });
}

void foreign(Context& c) {
    handle_foreign(c, "foreign", make_foreign_calls, abi::Event::syscall,
                   [](const Partner&) { return abi::Resume::result; });
}

void fault_foreign(Context& c) {
    handle_foreign(c, "fault_foreign", make_foreign_faults, abi::Event::exception,
                   [](const Partner& partner) {
                       constexpr u64 kLength = 2;  // of ud2
                       partner.state().rip = partner.state().rip + kLength;
                       return abi::Resume::state;
                   });
}

}  // namespace pith::bench
