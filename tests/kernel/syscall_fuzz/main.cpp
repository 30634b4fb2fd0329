// SPDX-License-Identifier: MIT
// Random system calls of several threads, from a seed; at the end of a round their Pool is destroyed and the kernel's counts are
// compared. The threads run in root's Space on stacks of root's, but know only a CapTable of their own: with the Pool (not
// to be destroyed), a Space, Budget, Endpoint, Signal, Memory, all threads, and the authority over devices.
#include <algorithm>
#include <cstring>

#include "abi/boot.hpp"
#include "abi/info.hpp"
#include "lib/os/panic.hpp"
#include "lib/os/start_info.hpp"
#include "lib/os/syscall.hpp"

namespace pith::test {
namespace {

using abi::HandleIndex;
using abi::RootSlot;
using abi::Syscall;

constexpr u32 kThreads = 6;
constexpr u32 kRounds = 3;
constexpr u64 kPages = 700;
constexpr u64 kStack = 16 * 1024;
constexpr u64 kBuffers = 0x100'0000'0000;  // where the threads' message buffers are mapped
constexpr u64 kTarget = 0x200'0000'0000;   // where ranges of the threads' own Space begin
constexpr HandleIndex kRest = 30;          // slot of the Signal at which a thread rests that is done
constexpr u64 kNotManage = u64{abi::kAllRights} & ~u64{abi::kRightManage};
constexpr u64 kPatience = 400'000'000;  // nanoseconds that a round lasts at most: threads stop each other

constinit StartInfo root_start{};
alignas(16) constinit char stacks[kThreads][kStack] = {};
constinit u64 seed = 1, calls = 4000;
constinit u64 random_states[kThreads] = {};
constinit volatile u64 done[kThreads] = {};

constexpr HandleIndex slot(RootSlot at) { return static_cast<HandleIndex>(at); }

void print(std::string_view text) {
    std::memcpy(this_buffer().words, text.data(), text.size());
    invoke(Syscall::machine_log, slot(RootSlot::machine), text.size());
}

void print_number(u64 value) {
    char text[20];
    usize at = sizeof text;
    do {
        text[--at] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    print({text + at, sizeof text - at});
}

u64 option(std::string_view key, u64 otherwise) {
    std::string_view line(reinterpret_cast<const abi::BootInfo*>(abi::kRootBootInfo)->command_line);
    usize at = line.find(key);
    if (at == std::string_view::npos) return otherwise;
    u64 value = 0;
    for (at += key.size(); at < line.size() && line[at] >= '0' && line[at] <= '9'; at++)
        value = value * 10 + static_cast<u64>(line[at] - '0');
    return value;
}

HandleIndex must(const char* what, const SyscallResult& result) {
    if (result.error == Error::ok) return static_cast<HandleIndex>(result.r0);
    print(what);
    print(": error ");
    print_number(static_cast<u64>(result.error));
    print("\n");
    panic("a call of root's failed");
}

constexpr HandleIndex kHandles = 512;  // root's are below

abi::KernelCounts counts() {
    must("counts", invoke(Syscall::machine_info, slot(RootSlot::machine), 0));
    return buffer_as<abi::KernelCounts>();
}

/// Random choices of one thread (xorshift64*).
class Random {
  public:
    explicit Random(u64& state) : state_(state) {}
    u64 next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545'f491'4f6c'dd1d;
    }
    u64 below(u64 n) { return (next() >> 16) % n; }
    HandleIndex handle() { return static_cast<HandleIndex>(below(100) < 97 ? below(48) : next()); }
    u64 value() {
        switch (below(8)) {
            case 0: return below(4);
            case 1: return below(64);
            case 2: return below(32) * abi::kPageSize;
            case 3: return kTarget + below(64) * abi::kPageSize;
            case 4: return abi::kUserTop - below(4) * abi::kPageSize;
            case 5: return next();
            default: return handle();
        }
    }

  private:
    u64& state_;
};

void fill_buffer(Random& random, Syscall number) {
    abi::MessageBuffer& buffer = this_buffer();
    for (u32 i = 0; i < 16; i++) buffer.words[i] = random.value();
    for (auto& handle : buffer.handles)
        handle = {random.handle(), static_cast<abi::RightsBits>(random.next()),
                  static_cast<u8>(random.below(2)), 0};
    if (number == Syscall::space_map)
        for (u64 i = 0; i < 2; i++) {
            const abi::MapRange range{kTarget + random.below(64) * abi::kPageSize, random.handle(),
                                      static_cast<u32>(random.below(16)), random.below(8) * abi::kPageSize,
                                      (1 + random.below(8)) * abi::kPageSize};
            std::memcpy(buffer.words + i * sizeof range / sizeof(u64), &range, sizeof range);
        }
    if (number == Syscall::space_share)
        buffer_as<abi::ShareRange>() = {random.handle(),
                                        static_cast<u32>(random.below(8)),
                                        kTarget,
                                        random.below(64) * abi::kPageSize,
                                        static_cast<u32>(random.below(8)),
                                        0};
    if (number == Syscall::budget_create || number == Syscall::budget_configure) {
        const u64 period = 20'000 + random.below(5'000'000);
        buffer_as<abi::BudgetParameters>() = {
            .capacity = random.below(2) != 0 ? period : 1 + random.below(period),
            .period = period,
            .cpus = 0xff,
            .ceiling = static_cast<u8>(random.below(110)),
            .reserved = {},
            .signal = random.handle(),
            .signal_bits = random.next()};
    }
}

/// When a wait ends: now, or soon.
abi::Time deadline(Random& random) {
    return random.below(2) != 0 ? abi::kPoll : kernel_clock() + random.below(200'000);
}

void one_call(Random& random) {
    const auto number = static_cast<Syscall>(random.below(118));
    // A new thread would run without a stack of its own; an end of a table that all use would be the end of the round.
    if (number == Syscall::thread_start || number == Syscall::thread_resume) return;
    if (number == Syscall::machine_log) return;
    fill_buffer(random, number);
    const HandleIndex handle = random.handle();
    if (number >= Syscall::call && number <= Syscall::reply) {
        Message message{abi::Tag(static_cast<u16>(random.below(4)), static_cast<u32>(random.below(70)),
                                 random.below(3) != 0 ? 0 : static_cast<u32>(random.below(6)))};
        for (u64& word : message.words) word = random.next();
        static_cast<void>(invoke_message(number, handle, message, deadline(random)));
        return;
    }
    const u64 second = number == Syscall::signal_wait ? deadline(random) : random.value();
    invoke(number, handle, random.value(), second, random.value(), random.value());
}

extern "C" [[noreturn]] void fuzz_thread(u64 index) {
    Random random(random_states[index]);
    for (u64 i = 0; i < calls; i++) {
        one_call(random);
        done[index] = i + 1;
    }
    for (;;) {
        invoke(Syscall::signal_wait, kRest, 0, abi::kNoDeadline);
        yield_cpu();
    }
}

/// A round's objects; they are all in `pool`.
struct Round {
    HandleIndex pool = 0, table = 0;

    void give(HandleIndex handle, HandleIndex at, u64 rights = abi::kAllRights) {
        must("give", invoke(Syscall::cap_copy, handle, table, at, rights));
    }
    HandleIndex make(const char* what, Syscall number, u64 a0 = 0) {
        return must(what, invoke(number, pool, a0));
    }

    HandleIndex make_thread(u32 index, HandleIndex memory, HandleIndex handler, HandleIndex budget) {
        const u64 address = kBuffers + index * abi::kPageSize;
        buffer_as<abi::MapRange>() = {address, memory, abi::kMapRead | abi::kMapWrite, index * abi::kPageSize,
                                      abi::kPageSize};
        must("map", invoke(Syscall::space_map, slot(RootSlot::space), 1));
        const u32 cpus = reinterpret_cast<const abi::BootInfo*>(abi::kRootBootInfo)->cpus;
        buffer_as<abi::ThreadCreate>() = {.space = slot(RootSlot::space),
                                          .captable = table,
                                          .handler = handler,
                                          .buffer = memory,
                                          .buffer_offset = index * abi::kPageSize,
                                          .badge = index,
                                          .budget = budget,
                                          .priority = 10,
                                          .kind = abi::ThreadKind::native,
                                          .cpu = static_cast<u16>(index % cpus),
                                          .buffer_address = address};
        const HandleIndex thread = make("thread", Syscall::thread_create);
        // The library's place in the buffer, which it finds by fs.
        *reinterpret_cast<u64*>(address + kBufferSelf) = address;
        return thread;
    }
};

void run_round(u64 round) {
    Round r;
    r.pool = must("pool", invoke(Syscall::pool_create, slot(RootSlot::pool), kPages));
    r.table = r.make("table", Syscall::captable_create, 64);
    r.give(r.pool, 1, kNotManage);
    r.give(r.make("space", Syscall::space_create), 2);
    r.give(r.table, 3, kNotManage);
    buffer_as<abi::BudgetParameters>() = {.capacity = 1'000'000,
                                          .period = 1'000'000,
                                          .cpus = 0xff,
                                          .ceiling = 100,
                                          .reserved = {},
                                          .signal = 0,
                                          .signal_bits = 0};
    const HandleIndex budget = r.make("budget", Syscall::budget_create, slot(RootSlot::budget));
    r.give(budget, 4);
    r.give(slot(RootSlot::machine), 5, kNotManage);
    const HandleIndex endpoint = r.make("endpoint", Syscall::endpoint_create);
    r.give(endpoint, 6);
    r.give(r.make("signal", Syscall::signal_create), 7);
    r.give(r.make("memory", Syscall::memory_create, 8 * abi::kPageSize), 8);
    r.give(r.make("rest", Syscall::signal_create), kRest, kNotManage);
    const HandleIndex buffers = r.make("buffers", Syscall::memory_create, kThreads * abi::kPageSize);
    HandleIndex threads[kThreads];
    for (u32 i = 0; i < kThreads; i++) {
        threads[i] = r.make_thread(i, buffers, endpoint, budget);
        r.give(threads[i], 10 + i, kNotManage);
        random_states[i] = (seed + round) * 0x9e37'79b9'7f4a'7c15 + i + 1;
        done[i] = 0;
    }
    for (u32 i = 0; i < kThreads; i++)
        must("start", invoke(Syscall::thread_start, threads[i], reinterpret_cast<u64>(fuzz_thread),
                             reinterpret_cast<u64>(stacks[i] + kStack - 8), i));
    const HandleIndex sleep = must("sleep", invoke(Syscall::signal_create, slot(RootSlot::pool)));
    const abi::Time start = kernel_clock();
    for (bool all = false, any = false; !all && !(any && kernel_clock() - start > kPatience);) {
        invoke(Syscall::signal_wait, sleep, 1, kernel_clock() + 5'000'000);
        all = std::all_of(std::begin(done), std::end(done), [](u64 made) { return made >= calls; });
        any = std::any_of(std::begin(done), std::end(done), [](u64 made) { return made != 0; });
    }
    must("end", invoke(Syscall::object_destroy, r.pool));
    must("end", invoke(Syscall::object_destroy, sleep));
    // What root's handles named went with the Pool.
    for (HandleIndex handle = 1; handle < kHandles; handle++)
        if (invoke(Syscall::cap_info, handle).error != Error::ok) invoke(Syscall::cap_delete, handle);
}

bool same(const abi::KernelCounts& before, const abi::KernelCounts& after) {
    bool equal = true;
    const auto* a = reinterpret_cast<const u64*>(&before);
    const auto* b = reinterpret_cast<const u64*>(&after);
    for (usize i = 0; i < sizeof before / sizeof(u64); i++) {
        if (a[i] == b[i]) continue;
        equal = false;
        print("count ");
        print_number(i);
        print(": ");
        print_number(a[i]);
        print(" before, ");
        print_number(b[i]);
        print(" after\n");
    }
    return equal;
}

}  // namespace
}  // namespace pith::test

extern "C" {

const pith::StartInfo* pith_root_start_info() { return &pith::test::root_start; }

void pith_root_end(const char* text, pith::usize length, int status) {
    using namespace pith::test;
    if (length != 0) {
        print("FAIL syscall_fuzz: ");
        print({text, length});
        print("\n");
    }
    pith::invoke(Syscall::machine_exit, slot(RootSlot::machine), static_cast<pith::u64>(status));
}

}  // extern "C"

int main() {
    using namespace pith::test;
    const pith::u64 wanted = option("calls=", calls);
    seed = option("seed=", seed);
    print("seed ");
    print_number(seed);
    print("\n");
    calls = 0;  // what is made once and stays: page tables of root's Space
    run_round(0);
    const auto before = counts();
    calls = wanted;
    pith::u64 made = 0;
    for (pith::u64 round = 1; round <= kRounds; round++) {
        run_round(round);
        for (pith::u64 each : done) made += each;
    }
    print_number(made);
    print(" calls\n");
    if (!same(before, counts())) {
        print("FAIL syscall_fuzz: the kernel's counts are not what they were\n");
        return 1;
    }
    print("ok syscall_fuzz\n");
    return 0;
}
