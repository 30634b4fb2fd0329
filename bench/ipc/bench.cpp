// SPDX-License-Identifier: MIT
// Rows, domains and partners (see the header).
#include "bench/ipc/bench.hpp"

#include <algorithm>
#include <new>

#include "lib/os/thread_context.hpp"

namespace pith::bench {

constinit u64 samples[kMaxWarmUp + kMaxRounds]{};

namespace {

constexpr u64 kAddresses = 0x100'0000'0000;
constexpr u64 kPartnerSize = 0x4000;
constexpr u32 kAllAccess = abi::kMapRead | abi::kMapWrite | abi::kMapExecute;
constexpr u32 kSlots = abi::kMaxSlots;
constexpr u64 kPollInterval = 20'000;  // nanoseconds

constinit u64 next_address = kAddresses;
constinit u64 overhead = 0;

/// At the start of a partner's Memory, behind its message buffer.
struct PartnerStart {
    Partner::Function function;
    void* argument;
    ThreadContext context;
};

[[noreturn]] void partner_main(PartnerStart* start) {
    start->function(start->argument);
    for (;;) asm volatile("ud2");  // nobody handles that: it ends the thread
}

void print(std::string_view text) { machine().log(text.data(), text.size()); }

void print_number(u64 value) {
    char text[21];
    usize at = sizeof(text);
    do text[--at] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    text[--at] = ' ';
    print({text + at, sizeof(text) - at});
}

u64 median(std::span<u64> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

}  // namespace

void calibrate() {
    for (u64& sample : samples) {
        const u64 start = ticks();
        sample = ticks() - start;
    }
    overhead = median(samples);
}

void report_values(const char* name, std::span<u64> values) {
    const u64 middle = median(values);
    print("row ");
    print(name);
    for (const u64 value : {values.front(), middle, values.back(), u64{values.size()}}) print_number(value);
    print("\n");
}

void report_samples(const char* name) {
    const std::span<u64> counted(samples + plan().warm_up, plan().rounds);
    for (u64& value : counted) value -= std::min(value, overhead);
    report_values(name, counted);
}

const volatile abi::InfoPage& kernel_times() {
    static constinit const volatile abi::InfoPage* page = nullptr;
    if (page == nullptr) {
        const Borrowed<Memory> info(static_cast<abi::HandleIndex>(abi::RootSlot::info));
        const u64 address = take_addresses(abi::kPageSize);
        must(own_space().map(address, info, 0, abi::kPageSize, abi::kMapRead),
             "cannot map the kernel's times");
        page = reinterpret_cast<const volatile abi::InfoPage*>(address);
    }
    return *page;
}

void report_frequency() {
    print("frequency");
    print_number(kernel_times().tsc_frequency);
    print("\n");
}

u64 take_addresses(u64 size) {
    const u64 address = next_address;
    next_address += (size + 0xffff) & ~u64{0xffff};
    return address;
}

Domain::Domain(const Handle<Pool>& pool)
    : space_(must(pool.create_space(), "no Space")),
      table_(must(pool.create_captable(kSlots), "no CapTable")) {
    // Program, information pages and stack of the first thread; partners' own pages come with them.
    constexpr u64 kFirst = 0x40'0000;
    must(space_.share(own_space(), kFirst, abi::kRootStackTop - kFirst, kAllAccess, kAllAccess),
         "cannot share the program");
}

Partner::Partner(const Handle<Pool>& pool, const Domain* domain, Function function, void* argument,
                 const PartnerOptions& options)
    : memory_(must(pool.create_memory(kPartnerSize), "no Memory for a partner")),
      address_(take_addresses(kPartnerSize)) {
    constexpr u32 kAccess = abi::kMapRead | abi::kMapWrite;
    must(own_space().map(address_, memory_, 0, kPartnerSize, kAccess), "cannot map a partner");
    if (domain != nullptr)
        must(domain->space().map(address_, memory_, 0, kPartnerSize, kAccess), "cannot map a partner there");
    auto* start = ::new (reinterpret_cast<void*>(address_ + abi::kBufferSize))
        PartnerStart{function, argument, {}};
    if (!options.foreign) prepare_thread(*reinterpret_cast<abi::MessageBuffer*>(address_), start->context);
    const abi::HandleIndex table = (domain != nullptr ? domain->table() : own_captable()).index();
    thread_ = must(pool.create_thread({
                       .space = (domain != nullptr ? domain->space() : own_space()).index(),
                       .captable = options.foreign ? abi::kNoHandle : table,
                       .handler = options.handler,
                       .buffer = memory_.index(),
                       .buffer_offset = 0,
                       .badge = 0,
                       .budget = own_budget().index(),
                       .priority = options.priority,
                       .kind = options.foreign ? abi::ThreadKind::foreign : abi::ThreadKind::native,
                       .cpu = static_cast<u16>(options.cpu),
                       .buffer_address = address_,
                   }),
                   "no Thread for a partner");
    // As after a call instruction: 8 below a multiple of 16.
    const u64 stack = address_ + kPartnerSize - 8;
    const auto entry = reinterpret_cast<u64>(&partner_main);
    if (!options.foreign) {
        must(thread_.start(entry, stack, reinterpret_cast<u64>(start)), "no start");
        return;
    }
    state().rip = entry;
    state().rsp = stack;
    state().rdi = reinterpret_cast<u64>(start);
    state().rflags = 0x202;
    must(thread_.resume(abi::Resume::state), "no start of a foreign thread");
}

void Partner::wait_for(abi::ThreadState state) const {
    const Owned<Signal> nobody_sets(must(own_pool().create_signal(), "no Signal"));
    while (must(thread_.thread_info(), "no state of a partner").state != static_cast<u32>(state))
        static_cast<void>(nobody_sets.wait(1, kernel_clock() + kPollInterval));
}

}  // namespace pith::bench
