// SPDX-License-Identifier: MIT
// Signals: bits, waiting, deadlines, bound threads; and the clock.
#include "abi/trace.hpp"
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

struct Waiter {
    abi::HandleIndex signal;
    u64 mask;
    volatile u64 got = 0;
    volatile u64 done = 0;
    Error error = Error::ok;
};

void wait_once(void* argument) {
    auto& waiter = *static_cast<Waiter*>(argument);
    auto result = invoke(abi::Syscall::signal_wait, waiter.signal, waiter.mask, 0);
    waiter.error = result.error;
    waiter.got = result.r0;
    waiter.done = 1;
}

}  // namespace

TEST(signal_bits) {
    auto signal = MUST(t.pool.create_signal());
    MUST_OK(signal.notify(0xf0));
    MUST_OK(signal.notify(0x0f));
    CHECK_EQUAL(MUST(signal.wait(0x11)), 0x11);
    CHECK_EQUAL(MUST(signal.wait(~u64{0})), 0xee);
    CHECK_ERROR(timed_out, signal.wait(~u64{0}, abi::kPoll));
    CHECK_ERROR(timed_out, signal.wait(1, in_milliseconds(3)));
    MUST_OK(signal.notify(2));
    CHECK_ERROR(timed_out, signal.wait(1, in_milliseconds(3)));
    CHECK_EQUAL(MUST(signal.wait(2, abi::kPoll)), 2);
}

TEST(signal_wakes) {
    auto signal = MUST(t.pool.create_signal());
    Waiter waiter{signal.index(), 6};
    Worker worker = start_worker(t, wait_once, &waiter);
    CHECK(wait_for_state(worker.thread, abi::ThreadState::waiting));
    MUST_OK(signal.notify(1));
    CHECK_EQUAL(waiter.done, 0);
    MUST_OK(signal.notify(4));
    CHECK(wait_for_value(waiter.done, 1));
    CHECK_EQUAL(waiter.got, 4);
    CHECK_EQUAL(MUST(signal.wait(7, abi::kPoll)), 1);
}

TEST(signal_destroyed_under_a_waiter) {
    auto signal = MUST(t.pool.create_signal());
    Waiter waiter{signal.index(), 1};
    Worker worker = start_worker(t, wait_once, &waiter);
    CHECK(wait_for_state(worker.thread, abi::ThreadState::waiting));
    MUST_OK(signal.destroy());
    CHECK(wait_for_value(waiter.done, 1));
    CHECK(waiter.error != Error::ok);
}

TEST(signal_bound_to_a_receiver) {
    auto signal = MUST(t.pool.create_signal());
    auto endpoint = MUST(t.pool.create_endpoint());
    MUST_OK(own_thread().bind_signal(signal));
    MUST_OK(signal.notify(5));
    Message message;
    Error error = ipc_recv(endpoint.index(), message, in_milliseconds(100));
    // Also while it waits.
    struct Notify {
        abi::HandleIndex signal;
    } notify{signal.index()};
    start_worker(
        t, [](void* a) { invoke(abi::Syscall::signal_notify, static_cast<Notify*>(a)->signal, 8); }, &notify);
    Message second;
    Error second_error = ipc_recv(endpoint.index(), second, in_milliseconds(20000));
    MUST_OK(as_result(invoke(abi::Syscall::thread_bind_signal, own_thread().index(), 0)));
    CHECK_ERROR(ok, error);
    CHECK(message.tag.from_kernel());
    CHECK_EQUAL(message.tag.operation(), abi::Event::signal);
    CHECK_EQUAL(message.words[0], 5);
    CHECK_ERROR(ok, second_error);
    CHECK_EQUAL(second.words[0], 8);
    CHECK_EQUAL(signal.poll(~u64{0}), 0);
}

TEST(clock_is_monotonic) {
    abi::Time last = kernel_clock();
    for (int i = 0; i < 20'000; i++) {
        abi::Time now = kernel_clock();
        CHECK(now >= last);
        last = now;
    }
}

TEST(clock_deadlines_are_kept) {
    auto signal = MUST(t.pool.create_signal());
    for (u64 wait : {50'000u, 500'000u, 5'000'000u, 30'000'000u}) {
        abi::Time deadline = kernel_clock() + wait;
        CHECK_ERROR(timed_out, signal.wait(1, deadline));
        CHECK(kernel_clock() >= deadline);
    }
}

TEST(clock_info_page) {
    const Handle<Memory> info(static_cast<abi::HandleIndex>(abi::RootSlot::info));
    u64 address = map_somewhere(info, abi::kPageSize, abi::kMapRead);
    CHECK(address != 0);
    const auto& page = *reinterpret_cast<const volatile abi::InfoPage*>(address);
    CHECK_EQUAL(page.cpus, cpu_count());
    CHECK(page.tsc_frequency != 0);
    for (int i = 0; i < 1000; i++) {
        abi::Time before = kernel_clock();
        u32 sequence;
        u64 mine;
        do {
            sequence = page.sequence;
            u32 low, high;
            asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
            u64 elapsed = (u64{high} << 32 | low) - page.tsc_base;
            mine = page.clock_base +
                   static_cast<u64>((static_cast<unsigned __int128>(elapsed) * page.multiplier) >> 32);
        } while ((sequence & 1) || page.sequence != sequence);
        abi::Time after = kernel_clock();
        CHECK(before <= mine && mine <= after);
    }
    MUST_OK(own_space().unmap(address, abi::kPageSize));
    const_cast<Handle<Memory>&>(info).release();
}

TEST(machine_info) {
    auto counts = MUST(machine().kernel_counts());
    CHECK(counts.pages_free < counts.pages_total);
    CHECK(counts.objects[static_cast<usize>(abi::ObjectType::pool)] >= 2);
    for (u32 cpu = 0; cpu < cpu_count(); cpu++) MUST(machine().cpu_counts(cpu));
    CHECK_ERROR(invalid, machine().cpu_counts(cpu_count()));
    CHECK_ERROR(invalid, invoke(abi::Syscall::machine_info, machine().index(), 99));
    CHECK_ERROR(invalid, invoke(abi::Syscall::machine_log, machine().index(), 100'000));
    auto traced = invoke(abi::Syscall::machine_info, machine().index(),
                         static_cast<u64>(abi::MachineInfo::trace), 0, 0);
    CHECK_ERROR(ok, traced);
    CHECK(traced.r0 <= 16);
}

TEST(trace_can_be_mapped) {
    constexpr u64 kMarkName = 0x6b72'616d, kValue = 0x1234'5678'9abc;
    CHECK_ERROR(invalid, machine().trace(t.pool, cpu_count()));
    const auto memory = MUST(machine().trace(t.pool, 0));
    CHECK_ERROR(no_right, own_space().map(take_addresses(abi::kPageSize), memory, 0, abi::kPageSize,
                                          abi::kMapRead | abi::kMapWrite));
    const u64 size = MUST(memory.memory_info()).size;
    const u64 address = map_somewhere(memory, size, abi::kMapRead);
    CHECK(address != 0);
    const auto& header = *reinterpret_cast<const volatile abi::TraceHeader*>(address);
    CHECK_EQUAL(header.magic, abi::kTraceMagic);
    CHECK_EQUAL(header.cpus, cpu_count());
    CHECK_EQUAL(sizeof(header) + header.mask + 1 + header.names_mask + 1, size);
    const u64 before = header.at;
    MUST_OK(as_result(invoke(abi::Syscall::trace_mark, 0, kMarkName, kValue)));
    MUST_OK(own_thread().set_name("kernel_test", 77, "marker"));
    bool marked = false;
    const char* ring = reinterpret_cast<const char*>(address) + sizeof(header);
    for (u64 at = before; at < header.at; at += sizeof(abi::TraceRecord)) {
        const auto& record = *reinterpret_cast<const abi::TraceRecord*>(ring + (at & header.mask));
        const bool mark = record.kind == static_cast<u32>(abi::TraceKind::mark);
        marked = marked || (mark && record.a == kMarkName && record.b == kValue && record.time != 0);
    }
    CHECK(marked);
    MUST_OK(own_space().unmap(address, size));
    CHECK_ERROR(invalid, own_thread().set_name("x", abi::kTraceForeign, "y"));
}

}  // namespace pith::test
