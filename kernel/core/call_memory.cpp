// SPDX-License-Identifier: MIT
// System calls on Pools, CapTables, Endpoints, Memories and Spaces.
//
// Range operations run in bounded steps; between them they can be preempted. `progress` (in the Thread) then
// says how far they are, and `progress2` bit 0 that other CPUs still have old translations.
#include <algorithm>
#include <utility>

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
constexpr u32 kWriteExecute = abi::kMapWrite | abi::kMapExecute;

/// Other CPUs keep translations that this step has made stale; and this one will, if the call goes on elsewhere.
void note_stale(Thread& thread) { thread.progress2 |= kStale | u64{cpu_bit(thread.cpu)} << kStaleCpus; }

bool aligned(u64 value) { return value % kPage == 0; }

/// A range of user addresses: page aligned, not empty, below kUserTop.
bool valid_range(u64 address, u64 length) {
    return aligned(address | length) && length - 1 < abi::kUserTop && address <= abi::kUserTop - length;
}

Handler pool_create, pool_info, pool_resize, memory_create, memory_info, space_create, space_map, space_unmap,
    space_protect, space_share, space_dirty, space_info, captable_create, endpoint_create;

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
    Error error = call.reserve();
    if (error == Error::ok) error = call.fill(object);
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
    PITH_PASS(call.reserve());
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
    PITH_PASS(call.reserve());
    return call.fill(*PITH_CALL(Memory::create_paged(*pool, pages)));
}

Error space_create(Call& call) {
    auto pool = PITH_CALL(call.object<Pool>(PoolRight::allocate));
    if (call.argument(0) > 1) return Error::invalid;
    PITH_PASS(call.reserve());
    return call.fill(*PITH_CALL(Space::create(*pool, call.argument(0) == 1)));
}

/// What one range of space_map asks for.
struct Request {
    Memory* memory;
    u64 address;
    u64 page;  ///< in the Memory
    u64 count;
    Space::Access access;

    void advance(u64 pages) {
        address += pages * kPage;
        page += pages;
        count -= pages;
    }
};

Result<Request> check_range(Call& call, const Space& space, u64 index) {
    const auto range = call.input<abi::MapRange>(index);
    if (!valid_range(range.address, range.length) || !aligned(range.offset)) return Error::invalid;
    if ((range.flags & ~(kMapBits | abi::kMapReplace)) != 0) return Error::invalid;
    const u32 rights = range.flags & kMapBits;
    if ((rights & kWriteExecute) == kWriteExecute && !space.jit) return Error::write_execute;
    Capability found;
    Memory* memory = PITH_TRY(lookup<Memory>(call.thread, range.memory, rights, found));
    const u64 size = memory->pages() * kPage;
    if (range.offset >= size || range.length > size - range.offset) return Error::invalid;
    return Request{memory,
                   range.address,
                   range.offset / kPage,
                   range.length / kPage,
                   {static_cast<u8>(rights), static_cast<u8>(found.rights() & kMapBits),
                    (range.flags & abi::kMapReplace) != 0}};
}

/// Maps what is left of one range; adds to the call's progress.
Error map_range(Thread& thread, Space& space, Request request) {
    const u64 end = request.address + request.count * kPage;
    // All tables come before the first page, so that it fails without effect. Those of one leaf are map_step's.
    if (request.address / arch::kLeafSpan != (end - 1) / arch::kLeafSpan) {
        for (u64 at = request.address; at < end;) {
            at = PITH_CALL(space.reserve_step(at, end));
            if (preempted()) return Error::restart;
        }
    }
    for (;;) {
        const Space::Mapped mapped = space.map_step(*request.memory, request.address, request.page,
                                                    request.count, request.access);
        thread.progress += mapped.pages * kPage;
        if (mapped.stale) note_stale(thread);
        if (mapped.error != Error::ok || mapped.pages == request.count) return mapped.error;
        request.advance(mapped.pages);
        if (preempted()) return Error::restart;
    }
}

Error map_ranges(Call& call, Space& space) {
    if (call.argument(0) == 0 || call.argument(0) > abi::kMaxMapRanges) return Error::invalid;
    u64 before = call.thread.progress / kPage;  // pages of these ranges that have been mapped already
    for (u64 i = 0;;) {
        auto request = PITH_CALL(check_range(call, space, i));
        const bool mapped = before >= request.count;
        if (!mapped) {
            if (before != 0) request.advance(std::exchange(before, 0));
            if (Error error = map_range(call.thread, space, request); error != Error::ok) return error;
        } else {
            before -= request.count;
        }
        if (++i == call.argument(0)) return Error::ok;
        if (!mapped && preempted()) return Error::restart;
    }
}

/// Results are in the Frame before it may block.
[[gnu::noinline]] Error finish_stale(Call& call, Space& space, Error error) {
    if (shoot_down(call, space) == Error::ok) return error;
    call.frame.set_result(error, call.r0, call.r1, call.r2);
    return kNoResult;
}

/// The rest of a call that has worked through its range. `stale`: the last step has left translations behind.
[[gnu::always_inline]] inline Error finish_range(Call& call, Space& space, Error error, bool stale) {
    return stale || (call.thread.progress2 & kStale) != 0 ? finish_stale(call, space, error) : error;
}

/// Maps one page in the usual case (Space::map_page), and if nothing is wrong; else it does nothing. Not for a call that goes
/// on: its steps may have left translations behind, even if its range is another one by now.
[[gnu::always_inline]] inline bool map_one(Call& call, Space& space) {
    if (call.argument(0) != 1 || call.thread.restarted) return false;
    const auto range = call.input<abi::MapRange>();
    const u32 rights = range.flags & kMapBits;
    if (range.length != kPage || range.address >= abi::kUserTop || !aligned(range.address | range.offset))
        return false;
    if (range.flags != rights || (rights & kWriteExecute) == kWriteExecute) return false;
    Capability found;
    const auto looked_up = lookup<Memory>(call.thread, range.memory, rights, found);
    if (!looked_up.ok()) return false;
    Memory& memory = *looked_up.value();
    if (range.offset / kPage >= memory.pages()) return false;
    return space.map_page(memory, range.address, range.offset / kPage,
                          {static_cast<u8>(rights), static_cast<u8>(found.rights() & kMapBits), false});
}

Error space_map(Call& call) {
    auto space = PITH_CALL(call.object<Space>(SpaceRight::map));
    if (map_one(call, *space)) {
        call.r0 = kPage;
        return Error::ok;
    }
    const Error error = map_ranges(call, *space);
    if (error == Error::restart) return error;
    call.r0 = call.thread.progress;
    return finish_range(call, *space, error, false);
}

Error space_unmap(Call& call) {
    auto space = PITH_CALL(call.object<Space>(SpaceRight::map));
    Thread& thread = call.thread;
    const u64 address = call.argument(0);
    if (!valid_range(address, call.argument(1))) return Error::invalid;
    const u64 end = address + call.argument(1);
    if (end - address == kPage && space->unmap_page(address))
        return finish_range(call, *space, Error::ok, true);
    for (;;) {
        const auto reached = space->unmap_step(address + thread.progress, end);
        if (reached.address >= end) return finish_range(call, *space, Error::ok, reached.stale);
        if (reached.stale) note_stale(thread);
        thread.progress = reached.address - address;
        if (preempted()) return Error::restart;
    }
}

Error space_protect(Call& call) {
    auto space = PITH_CALL(call.object<Space>(SpaceRight::map));
    const u64 address = call.argument(0);
    const u64 rights = call.argument(2);
    if (!valid_range(address, call.argument(1)) || (rights & ~u64{kMapBits}) != 0) return Error::invalid;
    if ((rights & kWriteExecute) == kWriteExecute && !space->jit) return Error::write_execute;
    const u64 end = address + call.argument(1);
    while (address + call.thread.progress < end) {
        bool stale = false;
        auto reached = space->protect_step(address + call.thread.progress, end, static_cast<u32>(rights),
                                           stale);
        if (stale) note_stale(call.thread);
        if (!reached.ok()) return finish_range(call, *space, reached.error(), false);
        call.thread.progress = *reached - address;
        if (preempted()) return Error::restart;
    }
    return finish_range(call, *space, Error::ok, false);
}

Error space_share(Call& call) {
    auto target = PITH_CALL(call.object<Space>(SpaceRight::map));
    const auto range = call.input<abi::ShareRange>();
    auto source = PITH_CALL(lookup<Space>(call.thread, range.source, SpaceRight::map));
    if (!valid_range(range.address, range.length) || source == target) return Error::invalid;
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
            if ((pages[allowed].rights & kWriteExecute) == kWriteExecute && !target->jit) break;
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
    return finish_range(call, *source, error, false);
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
    return finish_range(call, *space, Error::ok, false);
}

Error space_info(Call& call) {
    auto space = PITH_CALL(call.object<Space>(SpaceRight::info));
    call.output(abi::SpaceInfo{space->mapped_pages(), space->table_pages(), space->attachment_count()});
    return Error::ok;
}

Error pool_create(Call& call) {
    auto pool = PITH_CALL(call.object<Pool>(PoolRight::allocate));
    PITH_PASS(call.reserve());
    return call.fill(*PITH_CALL(pool->create_pool(call.argument(0))));
}

Error pool_resize(Call& call) {
    auto pool = PITH_CALL(call.object<Pool>(PoolRight::manage));
    return pool->resize(call.argument(0)).error();
}

Error endpoint_create(Call& call) {
    auto pool = PITH_CALL(call.object<Pool>(PoolRight::allocate));
    PITH_PASS(call.reserve());
    return call.fill(*PITH_CALL(pool->create<Endpoint>()));
}

Error memory_info(Call& call) {
    auto memory = PITH_CALL(call.object<Memory>());
    call.output(abi::MemoryInfo{memory->pages() * kPage, memory->mapped()});
    return Error::ok;
}

}  // namespace

Error shoot_down(Call& call, Space& space) {
    if (cpu_count == 1) return Error::ok;
    // Steps that were done on another CPU before the thread moved have not flushed this one.
    if ((call.thread.progress2 >> kStaleCpus & ~u64{cpu_bit(call.thread.cpu)}) != 0) arch::flush_all();
    return wait_for_cpus(call.thread, other_cpus_with(space)) ? kNoResult : Error::ok;
}

constinit const Handlers pool_calls = {pool_create, pool_info, pool_resize};
constinit const Handlers memory_calls = {memory_create, memory_info};
constinit const Handlers space_calls = {space_create, space_map,   space_unmap, space_protect,
                                        space_share,  space_dirty, space_info};
constinit const Handlers captable_calls = {nullptr, nullptr, nullptr, nullptr, captable_create};
constinit const Handlers endpoint_calls = {endpoint_create};

}  // namespace pith::core
