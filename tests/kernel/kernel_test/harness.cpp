// SPDX-License-Identifier: MIT
// Running tests, counting what they leave behind, and workers (see the header).
#include "tests/kernel/kernel_test/harness.hpp"

#include <cstring>

#include "lib/os/panic.hpp"

namespace pith::test {
namespace {

constexpr u64 kTestAddresses = 0x100'0000'0000;
constexpr u64 kTestAddressesSize = u64{64} << 20;
constexpr abi::HandleIndex kTestSlots = 4096;
constexpr u64 kTestPoolPages = 2048;
constexpr u8 kUrgentPriority = 250;
constexpr u64 kPatience = 20'000'000'000;  // nanoseconds: the host may be busy

constinit Registration* first = nullptr;
constinit Registration* last = nullptr;
constinit u64 next_address = kTestAddresses;

struct Counts {
    u64 objects, capabilities, slots, free_pages, mappings;
    bool operator==(const Counts&) const = default;
};

Counts read_counts() {
    auto counts = machine().kernel_counts();
    if (!counts.ok()) panic("machine_info failed");
    Counts result{0, counts->capabilities, counts->slots, counts->pages_free, counts->mappings};
    for (u64 objects : counts->objects) result.objects += objects;
    return result;
}

void print_pair(std::string_view what, u64 before, u64 after) {
    if (before == after) return;
    print(" ");
    print(what);
    print(" ");
    print_number(before);
    print(" -> ");
    print_number(after);
}

void print_failure(const Context& t, const char* name) {
    print("FAIL ");
    print(name);
    print(": line ");
    print_number(static_cast<u64>(t.line));
    print(": ");
    print(t.failure);
    if (t.got != t.wanted) {
        print(" (got ");
        print_number(t.got);
        print(", wanted ");
        print_number(t.wanted);
        print(")");
    }
    print("\n");
}

/// Page tables of this Space stay when a mapping goes, and so do pages of the CapTable: they are made now, so that tests leave
/// the counts as they were.
void make_tables() {
    constexpr u64 kSpan = u64{2} << 20, kPage = abi::kPageSize;
    const Handle<Memory> memory(own_pool().create_memory(kPage).value_or(Handle<Memory>()));
    auto touch = [&](u64 address) {
        if (!own_space().map(address, memory, 0, kPage, abi::kMapRead).ok()) panic("no page tables");
        if (!own_space().unmap(address, kPage).ok()) panic("cannot unmap");
    };
    for (u64 at = 0; at < kTestAddressesSize; at += kSpan) touch(kTestAddresses + at);
    for (u64 at : {u64{0x5000}, abi::kUserTop - kPage}) touch(at);
    for (abi::HandleIndex slot = 63; slot < kTestSlots; slot += 64)
        if (!Handle<Memory>(memory.copy_to(own_captable(), slot).value_or(0)).valid()) panic("no slots");
    static_cast<void>(invoke(abi::Syscall::object_destroy, memory.index()));
}

void set_own_priority(u8 priority) {
    if (!own_thread().set_priority(priority).ok()) panic("no priority");
}

bool run_one(const Registration& test) {
    next_address = kTestAddresses;
    Counts before = read_counts();
    Context t;
    auto pool = own_pool().create_pool(kTestPoolPages);
    if (!pool.ok()) panic("no Pool for a test");
    t.pool = std::move(*pool);
    test.function(t);
    if (auto destroyed = t.pool.destroy(); !destroyed.ok())
        record(t, false, "the test's Pool cannot be destroyed", 0, static_cast<u64>(destroyed.error()), 0);
    set_own_priority(WorkerOptions{}.priority);
    Counts after = read_counts();
    if (t.failure != nullptr) {
        print_failure(t, test.name);
        return false;
    }
    if (before != after) {
        print("FAIL ");
        print(test.name);
        print(": left behind:");
        print_pair("objects", before.objects, after.objects);
        print_pair("capabilities", before.capabilities, after.capabilities);
        print_pair("slots", before.slots, after.slots);
        print_pair("free pages", before.free_pages, after.free_pages);
        print_pair("mappings", before.mappings, after.mappings);
        print("\n");
        return false;
    }
    print("ok ");
    print(test.name);
    print("\n");
    return true;
}

struct WorkerStart {
    WorkerFunction function;
    void* argument;
    ThreadContext context;
};

void worker_main(u64 address) {
    auto* start = reinterpret_cast<WorkerStart*>(address + abi::kBufferSize);
    prepare_thread(*reinterpret_cast<abi::MessageBuffer*>(address), start->context);
    start->function(start->argument);
    end_worker();
}

}  // namespace

Registration::Registration(const char* test_name, TestFunction test_function)
    : name(test_name), function(test_function) {
    (first == nullptr ? first : last->next) = this;
    last = this;
}

int run_all(std::string_view filter) {
    int failed = 0;
    make_tables();
    for (const Registration* test = first; test != nullptr; test = test->next)
        if (std::string_view(test->name).find(filter) != std::string_view::npos && !run_one(*test)) failed++;
    return failed;
}

void print(std::string_view text) { machine().log(text.data(), text.size()); }

void print_number(u64 value) {
    char text[20];
    usize at = sizeof(text);
    do text[--at] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    print({text + at, sizeof(text) - at});
}

bool record(Context& t, bool ok, const char* text, int line, u64 got, u64 wanted) {
    if (!ok && t.failure == nullptr) {
        t.failure = text;
        t.line = line;
        t.got = got;
        t.wanted = wanted;
    }
    return ok;
}

u64 take_addresses(u64 size) {
    u64 address = next_address;
    next_address += (size + 0xffff) & ~u64{0xffff};
    return address;
}

u64 map_somewhere(const Handle<Memory>& memory, u64 size, u32 flags) {
    u64 address = take_addresses(size);
    return own_space().map(address, memory, 0, size, flags).ok() ? address : 0;
}

Worker start_worker(Context& t, WorkerFunction function, void* argument, const WorkerOptions& options) {
    Worker worker;
    auto memory = t.pool.create_memory(kWorkerSize);
    if (!memory.ok()) panic("no Memory for a worker");
    worker.memory = std::move(*memory);
    worker.address = map_somewhere(worker.memory, kWorkerSize);
    if (worker.address == 0) panic("a worker's Memory cannot be mapped");
    auto thread = t.pool.create_thread({
        .space = own_space().index(),
        .captable = options.captable != abi::kNoHandle ? options.captable : own_captable().index(),
        .handler = options.handler,
        .buffer = worker.memory.index(),
        .buffer_offset = 0,
        .badge = 0,
        .budget = options.budget,
        .priority = options.priority,
        .kind = abi::ThreadKind::native,
        .cpu = static_cast<u16>(options.cpu),
        .buffer_address = worker.address,
    });
    if (!thread.ok()) panic("a worker's Thread cannot be made");
    worker.thread = std::move(*thread);
    auto* start = ::new (reinterpret_cast<void*>(worker.address + abi::kBufferSize)) WorkerStart{};
    start->function = function;
    start->argument = argument;
    if (options.start) {
        // As after a call instruction: 8 below a multiple of 16.
        auto started = worker.thread.start(reinterpret_cast<u64>(&worker_main),
                                           worker.address + kWorkerSize - 8, worker.address);
        if (!started.ok()) panic("a worker cannot be started");
    }
    return worker;
}

void end_worker() {
    for (;;) asm volatile("ud2");
}

abi::Time in_milliseconds(u64 count) { return kernel_clock() + count * 1'000'000; }

void become_urgent() { set_own_priority(kUrgentPriority); }

bool wait_for_state(const Handle<Thread>& thread, abi::ThreadState state) {
    for (abi::Time end = kernel_clock() + kPatience; kernel_clock() < end; yield_cpu()) {
        auto info = thread.thread_info();
        if (info.ok() && info->state == static_cast<u32>(state)) return true;
    }
    return false;
}

bool wait_for_value(const volatile u64& value, u64 wanted) {
    for (abi::Time end = kernel_clock() + kPatience; kernel_clock() < end; yield_cpu())
        if (value >= wanted) return true;
    return false;
}

}  // namespace pith::test
