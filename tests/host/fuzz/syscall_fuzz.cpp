// SPDX-License-Identifier: MIT
// libFuzzer's target: bytes become system calls, faults, interrupts and moments of several threads on the four simulated CPUs, made to
// kernel/core. They have a Pool, a CapTable, a Space and the authority over devices, but not to end the machine.
// At the end of each input all of it is destroyed, and the exact counts of objects, capabilities, frames and mappings must be what they
// were (I1 to I3). The kernel's asserts, the sanitizers and the simulated hardware (fake/machine.hpp) watch the rest.
//
// tests/host/fuzz.sh runs it.
#include <stdio.h>

#include <algorithm>

#include "kernel/core/entry.hpp"
#include "tests/host/kernel/sim.hpp"

namespace pith::test {
namespace {

using abi::RootSlot;
using arch::fake::machine;

constexpr u64 kPages = 600;
constexpr u64 kAddress = 0x10'0000'0000;
constexpr usize kMostSteps = 200;
constexpr u64 kNotManage = u64{abi::kAllRights} & ~u64{abi::kRightManage};

[[noreturn]] void fail(const std::string& what) {
    fprintf(stderr, "syscall_fuzz: %s\n", what.c_str());
    abort();
}

constexpr HandleIndex slot(RootSlot at) { return static_cast<HandleIndex>(at); }

/// Takes the input apart; zeros when it is used up.
class Bytes {
  public:
    Bytes(const u8* data, usize size) : at_(data), left_(size) {}
    bool empty() const { return left_ == 0; }
    u8 byte() {
        if (left_ == 0) return 0;
        left_--;
        return *at_++;
    }
    /// Mostly small; sometimes pages, addresses, or something large.
    u64 value() {
        const u8 kind = byte();
        if (kind < 128) return kind;
        const u64 low = byte();
        switch (kind & 7) {
            case 0: return low;
            case 1: return low * abi::kPageSize;
            case 2: return kAddress + low % 32 * abi::kPageSize;
            case 3: return low << 8 | byte();
            case 4: return machine().now + low * 100'000;
            case 5: return ~u64{0} - low;
            case 6: return low << 40;
            default: return abi::kUserTop - low * abi::kPageSize;
        }
    }
    /// A slot of the small table, mostly.
    HandleIndex handle() {
        const u8 low = byte();
        return low < 250 ? low % 48 : static_cast<HandleIndex>(value());
    }

  private:
    const u8* at_;
    usize left_;
};

class Run {
  public:
    Run() : before_(Sim::counts()) {
        arena_ = must(Syscall::pool_create, slot(RootSlot::pool), {kPages});
        table_ = must(Syscall::captable_create, arena_, {64});
        give(arena_, 1, kNotManage);  // it is destroyed at the end, and not before
        const HandleIndex space = must(Syscall::space_create, arena_, {});
        give(space, 2);
        give(table_, 3);
        const HandleIndex budget = make_budget();
        give(budget, 4);
        must(Syscall::cap_copy, slot(RootSlot::machine), {table_, 5, kNotManage});
        const HandleIndex endpoint = must(Syscall::endpoint_create, arena_, {});
        give(endpoint, 6);
        give(must(Syscall::signal_create, arena_, {}), 7);
        give(must(Syscall::memory_create, arena_, {8 * abi::kPageSize}), 8);
        for (u32 i = 0; i < 6; i++) {
            const bool foreign = i == 5;
            give(make_thread(space, endpoint, budget, i % Sim::kCpus, foreign), 9 + i);
        }
        // Root goes out of the way until the end.
        wake_ = must(Syscall::signal_create, slot(RootSlot::pool), {});
        end_ = machine().now + 1'000'000'000'000'000;
        sim_.issue(0, {.number = Syscall::signal_wait, .handle = wake_, .a = {1, end_}});
    }

    void step(Bytes& bytes) {
        const u8 what = bytes.byte();
        const u32 cpu = what & 3;
        windows_ = bytes.byte() % 8;
        sim_.on_window = [this] {
            if (windows_ != 0 && --windows_ == 0) core::timer_entry(true);
        };
        const core::Thread* thread = sim_.current(cpu);
        const u8 kind = what >> 2;
        if (kind < 4) sim_.advance(u64{bytes.byte()} * 50'000);
        else if (kind < 6) sim_.interrupt(bytes.byte() % 24);
        else if (thread == nullptr || thread == &sim_.root()) return;
        else if (kind < 8) sim_.rotate(cpu);
        else if (kind < 10) sim_.fault(cpu, bytes.value() & ~u64{0xfff}, bytes.byte() & 7);
        else if (kind < 12) sim_.write(cpu, kAddress + bytes.byte() % 32 * abi::kPageSize);
        else if (kind < 14) sim_.fpu(cpu);
        else if (thread->kind == abi::ThreadKind::foreign) sim_.foreign_syscall(cpu);
        else sim_.issue(cpu, call(bytes));
        sim_.on_window = nullptr;
        if (std::string wrong = sim_.check(); !wrong.empty()) fail(wrong);
        sim_.fill_tlbs();
    }

    void end() {
        sim_.advance(end_ - machine().now + 1);
        auto& root = sim_.root();
        if (sim_.current(0) != &root) fail("root does not run at the end");
        must(Syscall::object_destroy, arena_, {});
        must(Syscall::object_destroy, wake_, {});
        sim_.give_up_stale_slots();
        if (std::string wrong = Sim::differences(before_, Sim::counts()); !wrong.empty()) fail(wrong);
        if (std::string wrong = sim_.check(); !wrong.empty()) fail(wrong);
        if (std::string wrong = Sim::check_frames(); !wrong.empty()) fail(wrong);
        machine().console.clear();
    }

  private:
    HandleIndex must(Syscall number, HandleIndex handle, std::array<u64, 6> a) {
        Answer answer = sim_.call(sim_.root(), number, handle, a);
        if (answer.blocked || answer.error != Error::ok)
            fail("a call of root's failed: " + std::to_string(static_cast<int>(number)) + ": " +
                 std::to_string(static_cast<int>(answer.error)));
        return static_cast<HandleIndex>(answer.r0);
    }
    void give(HandleIndex handle, HandleIndex at, u64 rights = abi::kAllRights) {
        must(Syscall::cap_copy, handle, {table_, at, rights});
    }
    template <typename T>
    void put(const T& value) {
        memcpy(sim_.root().buffer->words, &value, sizeof value);
    }
    HandleIndex make_budget() {
        put(abi::BudgetParameters{.capacity = 1'000'000,
                                  .period = 1'000'000,
                                  .cpus = 0xf,
                                  .ceiling = 100,
                                  .reserved = {},
                                  .signal = 0,
                                  .signal_bits = 0});
        return must(Syscall::budget_create, arena_, {slot(RootSlot::budget)});
    }
    HandleIndex make_thread(HandleIndex space, HandleIndex handler, HandleIndex budget, u32 cpu,
                            bool foreign) {
        const HandleIndex buffer = must(Syscall::memory_create, arena_, {abi::kPageSize});
        put(abi::ThreadCreate{.space = space,
                              .captable = foreign ? 0 : table_,
                              .handler = handler,
                              .buffer = buffer,
                              .buffer_offset = 0,
                              .badge = cpu,
                              .budget = budget,
                              .priority = 10,
                              .kind = foreign ? abi::ThreadKind::foreign : abi::ThreadKind::native,
                              .cpu = static_cast<u16>(cpu),
                              .buffer_address = 0});
        const HandleIndex thread = must(Syscall::thread_create, arena_, {});
        if (foreign) must(Syscall::thread_resume, thread, {2});
        else must(Syscall::thread_start, thread, {0x400000, 0x500000});
        return thread;
    }

    /// A structure of a call that takes one, field by field from the input; else some words.
    static void fill_buffer(Call& call, Bytes& bytes) {
        auto fill = [&](const auto& value, usize index = 0) {
            memcpy(reinterpret_cast<char*>(call.buffer.words) + index * sizeof value, &value, sizeof value);
        };
        switch (call.number) {
            case Syscall::thread_create:
                fill(abi::ThreadCreate{.space = bytes.handle(),
                                       .captable = bytes.handle(),
                                       .handler = bytes.handle(),
                                       .buffer = bytes.handle(),
                                       .buffer_offset = bytes.byte() % 16 * (abi::kBufferSize / 2),
                                       .badge = bytes.byte(),
                                       .budget = bytes.handle(),
                                       .priority = bytes.byte(),
                                       .kind = static_cast<abi::ThreadKind>(bytes.byte() % 3),
                                       .cpu = static_cast<u16>(bytes.byte() % 5),
                                       .buffer_address = 0});
                return;
            case Syscall::budget_create:
            case Syscall::budget_configure: {
                const u64 period = bytes.value() * 1000;
                fill(abi::BudgetParameters{.capacity = bytes.byte() & 1 ? period : bytes.value() * 1000,
                                           .period = period,
                                           .cpus = bytes.byte() % 32u,
                                           .ceiling = bytes.byte(),
                                           .reserved = {},
                                           .signal = bytes.handle(),
                                           .signal_bits = bytes.byte()});
                return;
            }
            case Syscall::space_map:
                for (usize i = 0; i < std::min<u64>(call.a[0], 3); i++)
                    fill(abi::MapRange{.address = bytes.value(),
                                       .memory = bytes.handle(),
                                       .flags = bytes.byte() % 32u,
                                       .offset = bytes.byte() % 8 * abi::kPageSize,
                                       .length = (1 + bytes.byte() % 16) * abi::kPageSize},
                         i);
                return;
            case Syscall::space_share:
                fill(abi::ShareRange{.source = bytes.handle(),
                                     .rights = bytes.byte() % 16u,
                                     .address = bytes.value(),
                                     .length = bytes.value(),
                                     .source_rights = bytes.byte() % 16u,
                                     .reserved = 0});
                return;
            default:
                for (usize i = 0; i < 4; i++)
                    call.buffer.handles[i] = {.handle = bytes.handle(),
                                              .rights = bytes.byte(),
                                              .flags = bytes.byte(),
                                              .reserved = 0};
                call.buffer.words[0] = bytes.value();
        }
    }

    static Call call(Bytes& bytes) {
        static constexpr u8 kNumbers[] = {
            0,  1,  1,  1,  2,  3,  3,  4,  4,  5,  6,  7,  8,  9,  10,  11,  12,  16,  16,  17,  18, 19,
            20, 24, 32, 33, 34, 40, 41, 48, 49, 49, 50, 51, 52, 53, 54,  60,  64,  65,  66,  67,  68, 69,
            70, 71, 72, 73, 74, 75, 76, 80, 81, 82, 88, 96, 97, 98, 104, 105, 112, 113, 114, 115, 116};
        const u8 chosen = bytes.byte();
        Call call{
            .number = static_cast<Syscall>(chosen < 250 ? kNumbers[chosen % std::size(kNumbers)] : chosen),
            .handle = bytes.handle()};
        if (is_message(call.number)) {
            const u8 shape = bytes.byte();
            call.tag = abi::Tag(shape & 3, shape & 4 ? bytes.byte() % 68u : 0,
                                shape & 8 ? bytes.byte() % 6u : 0)
                           .bits();
            call.deadline = shape & 16 ? abi::kPoll : shape & 32 ? bytes.value() : abi::kNoDeadline;
            if ((shape & 12) == 0) return call;
        } else {
            for (u64& argument : call.a) {
                argument = bytes.value();
                if (&argument == &call.a[3]) break;
            }
        }
        fill_buffer(call, bytes);
        return call;
    }

    Sim& sim_ = Sim::instance();
    abi::KernelCounts before_{};
    HandleIndex arena_ = 0, table_ = 0, wake_ = 0;
    abi::Time end_ = 0;
    u32 windows_ = 0;  ///< preemption points until an interrupt comes in; 0: none does
};

}  // namespace
}  // namespace pith::test

extern "C" int LLVMFuzzerTestOneInput(const pith::u8* data, pith::usize size) {
    using namespace pith::test;
    Bytes bytes(data, size);
    Run run;
    for (pith::usize i = 0; i < kMostSteps && !bytes.empty(); i++) run.step(bytes);
    run.end();
    return 0;
}
