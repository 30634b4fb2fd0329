// SPDX-License-Identifier: MIT
// The benchmark as root: makes its StartInfo from the kernel's BootInfo, runs the benchmarks that this machine is for,
// prints a line "row NAME MIN MEDIAN MAX N" in ticks for each and at the end "frequency HERTZ" of the ticks, and ends the
// machine. Arguments (run/config):
//   rounds=N, warm_up=N   fewer rounds than the usual
//   only=NAME             that benchmark alone
// One CPU: all but those across CPUs. Several CPUs: those alone. Some are run only by name.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "bench/ipc/bench.hpp"
#include "lib/os/bundle.hpp"
#include "protocol/run.hpp"

namespace pith::bench {
namespace {

constexpr u64 kPoolPages = 8192;

enum class On : u8 { one_cpu, several, asked };

struct Benchmark {
    std::string_view name;
    void (*run)(Context& c);
    On on = On::one_cpu;
};

constexpr Benchmark kBenchmarks[] = {
    {"boot_user", boot_user},
    {"null", null},
    {"call_0w", call_0w},
    {"call_8w", call_8w},
    {"call_9w", call_9w},
    {"call_64w", call_64w},
    {"call_cap", call_cap},
    {"call_same", call_same},
    {"call_deadline", call_deadline},
    {"call_low", call_low},
    {"call_busy", call_busy},
    {"call_bound_signal", call_bound_signal},
    {"signal_idle", signal_idle},
    {"signal_wake", signal_wake},
    {"fault", fault},
    {"fault_foreign", fault_foreign},
    {"foreign", foreign},
    {"page_fault_map", page_fault_map},
    {"map_unmap", map_unmap},
    {"thread", thread},
    {"irq_wake", irq_wake},
    {"latency", latency},
    {"call_xcpu", call_xcpu, On::several},
    {"scaling", scaling, On::several},
    {"lines", lines, On::asked},
};

constinit StartInfo root_start{};
constinit Plan the_plan{};
constinit std::string_view only{};

void add_handle(const char* name, abi::RootSlot slot, abi::ObjectType type) {
    NamedHandle& entry = root_start.handles[root_start.handle_count++];
    std::memcpy(entry.name, name, std::min(std::strlen(name), sizeof(entry.name) - 1));
    entry.handle = static_cast<abi::HandleIndex>(slot);
    entry.type = static_cast<u32>(type);
}

void take_number(std::string_view text, u32 most, u32& value) {
    u32 number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number == 0 || number > most)
        panic("an argument is no number in range");
    value = number;
}

void take_argument(std::string_view argument) {
    constexpr std::string_view kRounds = "rounds=", kWarmUp = "warm_up=", kOnly = "only=";
    if (argument.starts_with(kRounds)) {
        take_number(argument.substr(kRounds.size()), kMaxRounds, the_plan.rounds);
    } else if (argument.starts_with(kWarmUp)) {
        take_number(argument.substr(kWarmUp.size()), kMaxWarmUp, the_plan.warm_up);
    } else if (argument.starts_with(kOnly)) {
        only = argument.substr(kOnly.size());
    } else {
        panic("unknown argument");
    }
}

void read_arguments() {
    const Bundle bundle = must(
        Bundle::open({reinterpret_cast<const u8*>(abi::kRootBundle), boot_info().bundle_size}), "no bundle");
    auto config = bundle.find(run::kConfigName);
    if (!config.ok()) return;
    std::string_view bytes(reinterpret_cast<const char*>(config->content.data()), config->content.size());
    while (const auto record = run::next_record(bytes)) {
        if (record->key == "arg") take_argument(record->value);
    }
}

bool wanted(const Benchmark& benchmark) {
    if (!only.empty()) return benchmark.name == only;
    return benchmark.on == (boot_info().cpus == 1 ? On::one_cpu : On::several);
}

void run_all() {
    for (const Benchmark& benchmark : kBenchmarks) {
        if (!wanted(benchmark)) continue;
        Handle<Pool> pool = must(own_pool().create_pool(kPoolPages), "no Pool for a benchmark");
        Domain other(pool);
        Context context{std::move(pool), std::move(other)};
        benchmark.run(context);
        must(context.pool.destroy(), "a benchmark's Pool cannot be destroyed");
    }
}

}  // namespace

const Plan& plan() { return the_plan; }
const abi::BootInfo& boot_info() { return *reinterpret_cast<const abi::BootInfo*>(abi::kRootBootInfo); }
const Handle<Machine>& machine() {
    static const Borrowed<Machine> handle(static_cast<abi::HandleIndex>(abi::RootSlot::machine));
    return handle;
}

}  // namespace pith::bench

extern "C" {

const pith::StartInfo* pith_root_start_info() {
    using pith::abi::ObjectType, pith::abi::RootSlot, pith::bench::add_handle;
    add_handle("pool", RootSlot::pool, ObjectType::pool);
    add_handle("space", RootSlot::space, ObjectType::space);
    add_handle("captable", RootSlot::captable, ObjectType::captable);
    add_handle("thread", RootSlot::thread, ObjectType::thread);
    add_handle("budget", RootSlot::budget, ObjectType::budget);
    return &pith::bench::root_start;
}

void pith_root_end(const char* text, pith::usize length, int status) {
    const auto& machine = pith::bench::machine();
    if (length != 0) {
        machine.log("failed: ", 8);
        machine.log(text, length);
        machine.log("\n", 1);
    }
    static_cast<void>(machine.exit(static_cast<pith::u32>(status)));
}

}  // extern "C"

int main() {
    using namespace pith;
    bench::must(own_thread().set_priority(bench::kPriority), "cannot set the priority");
    bench::read_arguments();
    bench::calibrate();
    bench::run_all();
    bench::report_frequency();
    return 0;
}
