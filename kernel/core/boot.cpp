// SPDX-License-Identifier: MIT
// The start: frames, the root Pool, and root with its first capabilities (abi/boot.hpp).
#include <string.h>

#include <algorithm>

#include "abi/boot.hpp"
#include "arch/machine.hpp"
#include "kernel/core/call.hpp"
#include "kernel/core/elf.hpp"
#include "kernel/core/machine.hpp"
#include "kernel/core/reply.hpp"

namespace pith::core {

abi::InfoPage* info_page = nullptr;
Pool* root_pool = nullptr;

namespace {

using abi::RootSlot;

constexpr u64 kPage = abi::kPageSize;
constexpr u64 kRootStack = 64 * 1024;
constexpr u32 kRootNumber = 0x7f'fffe;  // in the trace; the supervisor numbers what it starts from 0 on
constexpr u32 kReadWrite = abi::kMapRead | abi::kMapWrite;

/// The value of a Result at boot, when nothing may fail.
template <typename T>
T must(Result<T> result, const char* what) {
    if (!result.ok()) panic(what);
    return std::move(result).value();
}

void grant(CapTable& table, RootSlot where, Object& object, RightsBits rights = abi::kAllRights) {
    const HandleIndex index = must(table.reserve(static_cast<HandleIndex>(where)), "No slot for root");
    if (!capability::insert(*table.slot(index), object, rights, 0).ok()) panic("No capability for root");
}

/// Maps pages of a Memory in root's Space.
void map(Space& space, Memory& memory, u64 address, u64 page, u64 count, u32 rights) {
    const Space::Access access{static_cast<u8>(rights), static_cast<u8>(rights), false};
    while (count != 0) {
        const auto mapped = space.map_step(memory, address, page, count, access);
        if (mapped.error != Error::ok) panic("Cannot map root");
        address += mapped.pages * kPage;
        page += mapped.pages;
        count -= mapped.pages;
    }
}

char* page_of(Memory& memory, u64 page) {
    return static_cast<char*>(arch::physical_to_virtual(memory.frame(page)));
}

void fill_boot_info(Memory& memory, const BootParameters& boot) {
    auto& info = *reinterpret_cast<abi::BootInfo*>(page_of(memory, 0));
    info.magic = abi::kBootMagic;
    info.bundle_size = boot.bundle.size;
    info.memory_size = boot.memory_size;
    info.kernel_size = boot.kernel_size;
    info.rsdp = boot.rsdp;
    info.cpus = cpu_count;
    info.boot_flags = boot.boot_flags;
    const char* line = boot.command_line != nullptr ? boot.command_line : "";
    const usize length = std::min(strlen(line), sizeof(info.command_line) - 1);
    memcpy(info.command_line, line, length);
}

void fill_info_page(Memory& memory, const BootParameters& boot) {
    info_page = reinterpret_cast<abi::InfoPage*>(page_of(memory, 0));
    info_page->cpus = cpu_count;
    info_page->entry_tsc = boot.entry_tsc;
    clock_changed(boot.tsc_base, boot.clock_base, boot.multiplier, boot.tsc_frequency);
}

/// Copies and maps the segments of root's executable, from the bundle.
void load_root(Space& space, Pool& pool, const ElfImage& image) {
    for (const ElfSegment& segment : image.segments()) {
        const u64 first = segment.address & ~(kPage - 1);
        const u64 pages = (segment.address + segment.memory_size - first + kPage - 1) / kPage;
        Memory* memory = must(Memory::create_paged(pool, pages), "No memory for root");
        for (u64 done = 0; done < segment.file_size;) {
            const u64 at = segment.address + done - first;
            const u64 chunk = std::min(kPage - at % kPage, segment.file_size - done);
            memcpy(page_of(*memory, at / kPage) + at % kPage, segment.content + done, chunk);
            done += chunk;
        }
        map(space, *memory, first, 0, pages, segment.rights);
    }
}

Thread* make_root_thread(Pool& pool, Space& space, CapTable& table, Budget& budget, Memory& buffer) {
    Thread* thread = must(make_thread(pool, abi::ThreadKind::native, 0), "No root thread");
    using Kind = Reference::Kind;
    bool bound = refer(thread->reference(Kind::space), space, *thread, Kind::space).ok();
    bound = bound && refer(thread->reference(Kind::captable), table, *thread, Kind::captable).ok();
    bound = bound && refer(thread->reference(Kind::budget), budget, *thread, Kind::budget).ok();
    bound = bound && refer(thread->reference(Kind::buffer), buffer, *thread, Kind::buffer).ok();
    if (!bound) panic("Root cannot be bound");
    thread->space = &space;
    thread->captable = &table;
    thread->first_slots = table.first_slots();
    thread->budget = &budget;
    thread->buffer = reinterpret_cast<abi::MessageBuffer*>(page_of(buffer, 0));
    thread->base_priority = thread->priority = abi::kPriorities - 1;
    constexpr u64 kRoot[2] = {0x746f'6f72, 0};  // "root"
    this_cpu().trace.add_names(thread->id, kRootNumber, kRoot, kRoot);
    return thread;
}

void start_root(Pool& pool, const BootParameters& boot) {
    auto* bundle_start = static_cast<const char*>(arch::physical_to_virtual(boot.bundle.base));
    auto file = find_in_bundle({bundle_start, boot.bundle.size}, "component/root");
    if (!file.ok()) panic("The boot bundle has no component/root");
    const ElfImage image = must(ElfImage::parse(*file), "component/root is no executable of this machine");

    Space* space = must(Space::create(pool, false), "No root space");
    CapTable* table = must(pool.create<CapTable>(), "No root table");
    if (!table->reserve_pages(1).ok()) panic("No root table");
    table->make_page(0);
    Budget* budget = must(pool.create<Budget>(), "No root budget");
    budget->configure(
        {.capacity = 1'000'000, .period = 1'000'000, .cpus = ~u64{0}, .ceiling = abi::kPriorities - 1},
        arch::now());
    auto* machine = must(pool.create<Machine>(), "No machine");
    const u64 bundle_pages = boot.bundle.size / kPage;
    Memory* bundle = must(Memory::create_foreign(pool, boot.bundle.base, bundle_pages, Cache::normal),
                          "No bundle");
    bundle->claim_frames(0, bundle_pages);
    Memory* info = must(Memory::create_paged(pool, 1), "No info page");
    Memory* boot_info = must(Memory::create_paged(pool, 1), "No boot info");
    Memory* buffer = must(Memory::create_paged(pool, 1), "No buffer");
    Memory* stack = must(Memory::create_paged(pool, kRootStack / kPage), "No stack");

    fill_info_page(*info, boot);
    fill_boot_info(*boot_info, boot);
    load_root(*space, pool, image);
    map(*space, *boot_info, abi::kRootBootInfo, 0, 1, abi::kMapRead);
    map(*space, *buffer, abi::kRootBuffer, 0, 1, kReadWrite);
    map(*space, *stack, abi::kRootStackTop - kRootStack, 0, kRootStack / kPage, kReadWrite);
    map(*space, *bundle, abi::kRootBundle, 0, bundle_pages, abi::kMapRead);

    Thread* thread = make_root_thread(pool, *space, *table, *budget, *buffer);
    constexpr RightsBits kUse = abi::kRightCopy;
    grant(*table, RootSlot::pool, pool);
    grant(*table, RootSlot::space, *space);
    grant(*table, RootSlot::captable, *table);
    grant(*table, RootSlot::thread, *thread);
    grant(*table, RootSlot::budget, *budget);
    grant(*table, RootSlot::machine, *machine);
    grant(*table, RootSlot::bundle, *bundle, abi::kMapRead | abi::kMapExecute | kUse);
    grant(*table, RootSlot::info, *info, abi::kMapRead | kUse);
    grant(*table, RootSlot::buffer, *buffer, kReadWrite | kUse);
    thread->frame.init_native(image.entry(), abi::kRootStackTop - 8, abi::kRootBootInfo, abi::kRootBuffer);
    CpuLock locked(this_cpu());
    make_ready_locked(*thread);
}

}  // namespace

u64 ticks_to_nanoseconds(u64 ticks) {
    return static_cast<u64>(static_cast<unsigned __int128>(ticks) * info_page->multiplier >> 32);
}

void clock_changed(u64 tsc_base, u64 clock_base, u64 multiplier, u64 tsc_frequency) {
    if (info_page == nullptr) return;
    const std::atomic_ref<u32> sequence(info_page->sequence);
    sequence.fetch_add(1, std::memory_order_acq_rel);
    std::atomic_thread_fence(std::memory_order_release);
    info_page->tsc_base = tsc_base;
    info_page->clock_base = clock_base;
    info_page->multiplier = multiplier;
    info_page->tsc_frequency = tsc_frequency;
    sequence.fetch_add(1, std::memory_order_release);
    abi::TraceHeader& trace = cpus[0].trace.header();
    trace.tsc_base = tsc_base;
    trace.clock_base = clock_base;
    trace.multiplier = multiplier;
    trace.tsc_frequency = tsc_frequency;
}

void main_boot_cpu(const BootParameters& boot) {
    Cpu& cpu = this_cpu();
    cpu_count = std::min(boot.cpus, abi::kMaxCpus);
    for (u32 id = 0; id < abi::kMaxCpus; id++) {
        cpus[id].id = id;
        cpus[id].plain_caller = condition(State::awaiting_reply, id);
        cpus[id].part = offsetof(Endpoint, parts) + id * sizeof(Endpoint::Part);
    }
    cpu.online = true;
    frames::initialise({boot.free, boot.free_count}, boot.bundle);
    // What the caches of the CPUs may hold back is not for Pools, so that a charged frame is always to be
    // had. One frame is the root Pool's own: objects are named by their place in the direct map.
    const u64 pages = frames::total() - open_traces(boot.command_line) - u64{cpu_count} * kFrameCache - 1;
    void* place = arch::physical_to_virtual(frames::allocate(FrameKind::reserved, nullptr, 0));
    root_pool = ::new (place) Pool(nullptr, static_cast<u32>(pages));
    root_pool->pool = root_pool;  // every object has a Pool that may be asked whether it dies
    count_object(ObjectType::pool, 1);
    dead_reply = ::new (must(root_pool->allocate_bytes(sizeof(Reply)), "No memory")) Reply(nullptr);
    dead_reply->pool = root_pool;
    cpu.charged_at = arch::now();
    start_root(*root_pool, boot);
    cpu.entered_at = arch::ticks();
    schedule();
    info_page->user_tsc = arch::ticks();
}

void main_other_cpu(u32 id) {
    Cpu& cpu = cpus[id];
    cpu.charged_at = arch::now();
    cpu.entered_at = arch::ticks();
    cpu.online = true;
    schedule();
}

}  // namespace pith::core
