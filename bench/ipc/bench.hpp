// SPDX-License-Identifier: MIT
// The frame of the kernel's benchmark. A benchmark is a function that measures one row: it builds what it needs from
// a Pool of its own, runs rounds, and reports their times in ticks of the TSC, less what reading the TSC takes. A
// step that fails ends the whole run: there are no rows of half a benchmark.
//
// Partners are threads in a Domain: a further Space and CapTable that share this program's pages, so that a partner
// runs our functions on our variables, but behind a switch of address spaces.
#pragma once

#include <span>

#include "lib/os/handle.hpp"
#include "lib/os/panic.hpp"
#include "lib/os/start_info.hpp"

namespace pith::bench {

inline constexpr u32 kMaxRounds = 2000;
inline constexpr u32 kMaxWarmUp = 200;
inline constexpr u8 kPriority = 100;  ///< of everyone, but where a row says otherwise

/// How many rounds are counted, and how many come before that.
struct Plan {
    u32 rounds = kMaxRounds;
    u32 warm_up = kMaxWarmUp;
    u32 total() const { return warm_up + rounds; }
};
const Plan& plan();

/// The time stamp counter. Nothing moves across it.
inline u64 ticks() {
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return u64{high} << 32 | low;
}

/// Times of rounds, warm-up included; in a page that partners see too.
extern u64 samples[kMaxWarmUp + kMaxRounds];

/// Prints a row: minimum, median and maximum of `values`, in ticks. Sorts them.
void report_values(const char* name, std::span<u64> values);
/// The same for `samples`, without the warm-up, and less the time of reading the counter twice.
void report_samples(const char* name);
/// Finds out what reading the counter twice takes. Once, first.
void calibrate();

/// Runs all rounds of `round`, which gives its time, and reports.
template <typename Round>
void measure(const char* name, Round round) {
    for (u32 i = 0; i < plan().total(); i++) samples[i] = round();
    report_samples(name);
}

/// What a step gives that may not fail.
template <typename T>
T must(Result<T> result, const char* what) {
    if (!result.ok()) panic(what);
    return std::move(result).value();
}
inline void must(const Result<>& result, const char* what) {
    if (!result.ok()) panic(what);
}
inline void must(Error error, const char* what) {
    if (error != Error::ok) panic(what);
}

const Handle<Machine>& machine();
/// The kernel's page of times.
const volatile abi::InfoPage& kernel_times();
/// Prints how many ticks a second has, as the kernel knows by now.
void report_frequency();
const abi::BootInfo& boot_info();

/// Addresses for `size` bytes, never given twice. The same in all Spaces.
u64 take_addresses(u64 size);

/// Another address space with a CapTable of its own.
class Domain {
  public:
    explicit Domain(const Handle<Pool>& pool);
    const Handle<Space>& space() const { return space_; }
    const Handle<CapTable>& table() const { return table_; }
    /// A copy in its CapTable; gives the slot there.
    template <typename T>
    abi::HandleIndex give(const Handle<T>& handle) const {
        return must(handle.copy_to(table_), "cannot give a capability");
    }

  private:
    Handle<Space> space_;
    Handle<CapTable> table_;
};

struct PartnerOptions {
    u8 priority = kPriority;
    u32 cpu = 0;
    abi::HandleIndex handler = abi::kNoHandle;  ///< of its faults
    bool foreign = false;  ///< its function runs on a stack, but makes Linux's kind of system calls
};

/// A thread in a Domain, or in our own Space and CapTable. It lives as long as the Pool that it was made from.
class Partner {
  public:
    using Function = void (*)(void* argument);
    Partner(const Handle<Pool>& pool, const Domain* domain, Function function, void* argument,
            const PartnerOptions& options = {});
    const Handle<Thread>& thread() const { return thread_; }
    /// Of a foreign one.
    volatile abi::ForeignState& state() const {
        return *reinterpret_cast<volatile abi::ForeignState*>(address_);
    }
    /// Sleeps until it is in that state.
    void wait_for(abi::ThreadState state) const;

  private:
    Handle<Memory> memory_;
    Handle<Thread> thread_;
    u64 address_ = 0;
};

/// What a benchmark works with.
struct Context {
    Handle<Pool> pool;
    Domain other;  ///< where partners live
};

// The benchmarks; docs/benchmarks.md says what each measures.
void null(Context& c);
void call_0w(Context& c);
void call_8w(Context& c);
void call_9w(Context& c);
void call_64w(Context& c);
void call_cap(Context& c);
void call_same(Context& c);
void call_deadline(Context& c);
void call_low(Context& c);
void call_busy(Context& c);
void call_bound_signal(Context& c);
void call_xcpu(Context& c);
void signal_idle(Context& c);
void signal_wake(Context& c);
void fault(Context& c);
void fault_foreign(Context& c);
void foreign(Context& c);
void page_fault_map(Context& c);
void map_unmap(Context& c);
void thread(Context& c);
void irq_wake(Context& c);
void latency(Context& c);
void boot_user(Context& c);
void scaling(Context& c);
void lines(Context& c);

}  // namespace pith::bench
