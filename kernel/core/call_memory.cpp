// SPDX-License-Identifier: MIT
// System calls on Pools, CapTables, Endpoints, Memories and Spaces.
//
// Range operations run in bounded steps; between them they can be preempted. `progress` (in the Thread) then
// says how far they are, and `progress2` bit 0 that other CPUs still have old translations.
#include <algorithm>

#include "kernel/core/budget.hpp"
#include "kernel/core/call.hpp"
#include "kernel/core/destroy.hpp"

namespace pith::core {
namespace {

using abi::PoolRight;
using abi::SpaceRight;
using abi::Syscall;

constexpr u64 kPage = abi::kPageSize;
constexpr u64 kStale = 1;
constexpr u32 kStaleCpus = 32;  // from this bit on: the CPUs whose own translations the steps have flushed
constexpr u32 kMapBits = abi::kMapRead | abi::kMapWrite | abi::kMapExecute;

/// Other CPUs keep translations that this step has made stale; and this one will, if the call goes on elsewhere.
void note_stale(Thread& thread) { thread.progress2 |= kStale | u64{cpu_bit(thread.cpu)} << kStaleCpus; }

bool aligned(u64 value) { return value % kPage == 0; }

/// A range of user addresses: page aligned, not empty, below kUserTop.
bool valid_range(u64 address, u64 length) {
    return aligned(address) && aligned(length) && length != 0 && address < abi::kUserTop &&
           length <= abi::kUserTop - address;
}

Error pool_info(Call& call) {
    auto pool = PITH_CALL(call.object<Pool>(PoolRight::info));
    call.output(abi::PoolInfo{pool->limit(), pool->used(), pool->peak(), pool->object_count()});
    return Error::ok;
}

/// Whether something is left to do in a call that makes an object in steps, until `pages` are done; if so, and it is to be
/// done later, restart.
Error more_pages(Thread& thread, Object& partial, u64 pages) {
    if (thread.progress >= pages || !preempted()) return Error::ok;
    return keep_partial(thread, partial);
}

/// What this thread has begun to make, and goes on with; null: nothing, or it has died with its Pool.
template <typename T>
T* take_partial(Thread& thread) {
    Object* partial = thread.restarted ? drop_partial(thread) : nullptr;
    if (partial != nullptr && partial->type == T::kType) return static_cast<T*>(partial);
    if (partial != nullptr) abandon(*partial);
    thread.progress = 0;
    return nullptr;
}

/// A new object that is complete gets its first capability.
Error finish_object(Call& call, Object& object) {
    auto slot = SlotReservation::make(call.thread.captable, abi::kNoHandle);
    const Error error = slot.ok() ? slot->fill(object, call.r0) : slot.error();
    if (error != Error::ok) abandon(object);
    return error;
}

/// Makes the pages of a CapTable before anyone gets to see it.
Error fill_table(Call& call, CapTable& table) {
    Thread& thread = call.thread;
    const u64 pages = CapTable::pages_for(call.argument(0));
    while (thread.progress < pages) {
        table.make_page(static_cast<u32>(thread.progress++));
        if (Error error = more_pages(thread, table, pages); error != Error::ok) return error;
    }
    return finish_object(call, table);
}

Error captable_create(Call& call) {
    if (CapTable* table = take_partial<CapTable>(call.thread); table != nullptr)
        return fill_table(call, *table);
    auto pool = PITH_CALL(call.object<Pool>(PoolRight::allocate));
    if (call.argument(0) > abi::kMaxSlots) return Error::invalid;
    PITH_CALL(
        SlotReservation::make(call.thread.captable, abi::kNoHandle));  // before there is anything to undo
    CapTable* table = PITH_CALL(pool->create<CapTable>());
    if (auto reserved = table->reserve_pages(CapTable::pages_for(call.argument(0))); !reserved.ok()) {
        pool->free_object(*table, sizeof(CapTable));
        return reserved.error();
    }
    return fill_table(call, *table);
}

/// Clears a contiguous Memory's frames before anyone gets to see it.
Error finish_run(Call& call, Memory& memory) {
    Thread& thread = call.thread;
    while (thread.progress < memory.pages()) {
        const u64 count = std::min<u64>(Space::kClearBatch, memory.pages() - thread.progress);
        memory.prepare_frames(thread.progress, count);
        thread.progress += count;
        if (Error error = more_pages(thread, memory, memory.pages()); error != Error::ok) return error;
    }
    return finish_object(call, memory);
}

Error memory_create(Call& call) {
    Thread& thread = call.thread;
    if (Memory* memory = take_partial<Memory>(thread); memory != nullptr) return finish_run(call, *memory);
    auto pool = PITH_CALL(call.object<Pool>(PoolRight::allocate));
    const u64 bytes = call.argument(0);
    if (bytes == 0 || bytes > Memory::kMaxPages * kPage) return Error::invalid;
    if ((call.argument(1) & ~u64{abi::kMemoryContiguous}) != 0) return Error::invalid;
    const u64 pages = (bytes + kPage - 1) / kPage;
    if ((call.argument(1) & abi::kMemoryContiguous) != 0) {
        return finish_run(call, *PITH_CALL(Memory::create_run(*pool, pages)));
    }
    auto slot = PITH_CALL(SlotReservation::make(thread.captable, abi::kNoHandle));
    return slot.fill(*PITH_CALL(Memory::create_paged(*pool, pages)), call.r0);
}

Error space_create(Call& call) {
    auto pool = PITH_CALL(call.object<Pool>(PoolRight::allocate));
    if (call.argument(0) > 1) return Error::invalid;
    auto slot = PITH_CALL(SlotReservation::make(call.thread.captable, abi::kNoHandle));
    return slot.fill(*PITH_CALL(Space::create(*pool, call.argument(0) == 1)), call.r0);
}

struct CheckedRange {
    Memory* memory;
    u32 maximum;
};

Result<CheckedRange> check_range(Call& call, const Space& space, const abi::MapRange& range) {
    if (!valid_range(range.address, range.length) || !aligned(range.offset)) return Error::invalid;
    if ((range.flags & ~(kMapBits | abi::kMapReplace)) != 0) return Error::invalid;
    const u32 rights = range.flags & kMapBits;
    if ((rights & abi::kMapWrite) != 0 && (rights & abi::kMapExecute) != 0 && !space.jit)
        return Error::write_execute;
    auto memory = PITH_TRY(lookup<Memory>(call.thread, range.memory, static_cast<RightsBits>(rights)));
    const u64 size = memory->pages() * kPage;
    if (range.offset >= size || range.length > size - range.offset) return Error::invalid;
    return CheckedRange{memory.object, memory.capability.rights() & kMapBits};
}

/// Maps one range from `done` bytes on; adds to the call's progress.
Error map_range(Call& call, Space& space, const abi::MapRange& range, const CheckedRange& checked, u64 done) {
    Thread& thread = call.thread;
    for (u64 at = range.address + done; at < range.address + range.length;) {
        at = PITH_CALL(space.reserve_step(at, range.address + range.length));
        if (preempted()) return Error::restart;
    }
    while (done < range.length) {
        bool stale = false;
        const Space::MapRequest request{checked.memory,
                                        range.address + done,
                                        (range.offset + done) / kPage,
                                        (range.length - done) / kPage,
                                        range.flags & kMapBits,
                                        checked.maximum,
                                        (range.flags & abi::kMapReplace) != 0};
        auto mapped = space.map_step(request, stale);
        if (stale) note_stale(thread);
        if (!mapped.ok()) return mapped.error();
        done += *mapped * kPage;
        thread.progress += *mapped * kPage;
        if (preempted()) return Error::restart;
    }
    return Error::ok;
}

Error map_ranges(Call& call, Space& space) {
    const u64 count = call.argument(0);
    if (count == 0 || count > abi::kMaxMapRanges) return Error::invalid;
    u64 before = 0;  // bytes of the ranges before this one
    for (u64 i = 0; i < count; i++) {
        const auto range = call.input<abi::MapRange>(i);
        const auto checked = PITH_CALL(check_range(call, space, range));
        const u64 done = call.thread.progress > before ? call.thread.progress - before : 0;
        if (done < range.length) {
            if (Error error = map_range(call, space, range, checked, done); error != Error::ok) return error;
        }
        before += range.length;
    }
    return Error::ok;
}

Error space_map(Call& call) {
    auto space = PITH_CALL(call.object<Space>(SpaceRight::map));
    const Error error = map_ranges(call, *space);
    if (error == Error::restart) return error;
    call.r0 = call.thread.progress;
    const Error shot = shoot_down(call, *space, (call.thread.progress2 & kStale) != 0);
    if (shot == kNoResult) call.frame.set_result(error, call.r0, 0, 0);
    return shot == Error::ok ? error : shot;
}

/// The rest of a call that has worked through its range: results are in the Frame before it may block.
Error finish_range(Call& call, Space& space, Error error) {
    const Error shot = shoot_down(call, space, (call.thread.progress2 & kStale) != 0);
    if (shot == kNoResult) call.frame.set_result(error, call.r0, call.r1, call.r2);
    return shot == Error::ok ? error : shot;
}

Error space_unmap(Call& call) {
    auto space = PITH_CALL(call.object<Space>(SpaceRight::map));
    const u64 address = call.argument(0);
    if (!valid_range(address, call.argument(1))) return Error::invalid;
    const u64 end = address + call.argument(1);
    while (address + call.thread.progress < end) {
        bool stale = false;
        call.thread.progress = space->unmap_step(address + call.thread.progress, end, stale) - address;
        if (stale) note_stale(call.thread);
        if (preempted()) return Error::restart;
    }
    return finish_range(call, *space, Error::ok);
}

Error space_protect(Call& call) {
    auto space = PITH_CALL(call.object<Space>(SpaceRight::map));
    const u64 address = call.argument(0);
    const u64 rights = call.argument(2);
    if (!valid_range(address, call.argument(1)) || (rights & ~u64{kMapBits}) != 0) return Error::invalid;
    if ((rights & abi::kMapWrite) != 0 && (rights & abi::kMapExecute) != 0 && !space->jit)
        return Error::write_execute;
    const u64 end = address + call.argument(1);
    while (address + call.thread.progress < end) {
        bool stale = false;
        auto reached = space->protect_step(address + call.thread.progress, end, static_cast<u32>(rights),
                                           stale);
        if (stale) note_stale(call.thread);
        if (!reached.ok()) return finish_range(call, *space, reached.error());
        call.thread.progress = *reached - address;
        if (preempted()) return Error::restart;
    }
    return finish_range(call, *space, Error::ok);
}

Error space_share(Call& call) {
    auto target = PITH_CALL(call.object<Space>(SpaceRight::map));
    const auto range = call.input<abi::ShareRange>();
    auto source = PITH_CALL(lookup<Space>(call.thread, range.source, SpaceRight::map));
    if (!valid_range(range.address, range.length) || source.object == target.object) return Error::invalid;
    const u64 end = range.address + range.length;
    Error error = Error::ok;
    while (error == Error::ok && range.address + call.thread.progress < end) {
        Space::Shared pages[Space::kBatch];
        u32 count = 0;
        const u64 next = source->collect_step(range.address + call.thread.progress, end, pages, count);
        u32 allowed = 0;  // pages before the first that would be writable and executable
        for (; allowed < count; allowed++) {
            pages[allowed].rights &= range.rights;
            pages[allowed].maximum &= range.rights;
            const u32 both = abi::kMapWrite | abi::kMapExecute;
            if ((pages[allowed].rights & both) == both && !target->jit) break;
        }
        // Each page by itself: shared and then reduced, or neither.
        u32 done = 0;
        bool stale = false;
        error = target->install({pages, allowed}, done).error();
        source->reduce({pages, done}, range.source_rights, stale);
        if (stale) note_stale(call.thread);
        if (error == Error::ok && done == allowed && allowed < count) error = Error::write_execute;
        if (error != Error::ok) break;
        call.thread.progress = (done < allowed ? pages[done].address : next) - range.address;
        if (preempted()) return Error::restart;
    }
    return finish_range(call, *source, error);
}

Error space_dirty(Call& call) {
    auto space = PITH_CALL(call.object<Space>(SpaceRight::map));
    const u64 address = call.argument(0);
    const u64 pages = call.argument(1);
    if (pages == 0 || pages > abi::kBufferWords * 64 || !valid_range(address, pages * kPage))
        return Error::invalid;
    const u64 words = (pages + 63) / 64;
    while (call.thread.progress < words) {
        const u64 at = address + call.thread.progress * 64 * kPage;
        bool stale = false;
        call.thread.buffer->words[call.thread.progress] = space->dirty_step(at, address + pages * kPage,
                                                                            stale);
        if (stale) note_stale(call.thread);
        call.thread.progress++;
        if (call.thread.progress < words && preempted()) return Error::restart;
    }
    return finish_range(call, *space, Error::ok);
}

}  // namespace

Error shoot_down(Call& call, Space& space, bool stale) {
    if (!stale) return Error::ok;
    // Steps that were done on another CPU before the thread moved have not flushed this one.
    if ((call.thread.progress2 >> kStaleCpus & ~u64{cpu_bit(call.thread.cpu)}) != 0) arch::flush_all();
    return wait_for_cpus(call.thread, other_cpus_with(space)) ? kNoResult : Error::ok;
}

Error call_pool(Call& call, Syscall number) {
    switch (number) {
        case Syscall::pool_info: return pool_info(call);
        case Syscall::pool_resize: {
            auto pool = PITH_CALL(call.object<Pool>(PoolRight::manage));
            return pool->resize(call.argument(0)).error();
        }
        case Syscall::captable_create: return captable_create(call);
        default: break;
    }
    auto pool = PITH_CALL(call.object<Pool>(PoolRight::allocate));
    auto slot = PITH_CALL(SlotReservation::make(call.thread.captable, abi::kNoHandle));
    if (number == Syscall::pool_create)
        return slot.fill(*PITH_CALL(pool->create_pool(call.argument(0))), call.r0);
    return slot.fill(*PITH_CALL(pool->create<Endpoint>()), call.r0);
}

Error call_memory(Call& call, Syscall number) {
    if (number == Syscall::memory_create) return memory_create(call);
    auto memory = PITH_CALL(call.object<Memory>());
    call.output(abi::MemoryInfo{memory->pages() * kPage, memory->mapped()});
    return Error::ok;
}

Error call_space(Call& call, Syscall number) {
    switch (number) {
        case Syscall::space_create: return space_create(call);
        case Syscall::space_map: return space_map(call);
        case Syscall::space_unmap: return space_unmap(call);
        case Syscall::space_protect: return space_protect(call);
        case Syscall::space_share: return space_share(call);
        case Syscall::space_dirty: return space_dirty(call);
        default: break;
    }
    auto space = PITH_CALL(call.object<Space>(SpaceRight::info));
    call.output(abi::SpaceInfo{space->mapped_pages(), space->table_pages(), space->attachment_count()});
    return Error::ok;
}

}  // namespace pith::core
