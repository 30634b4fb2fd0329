// SPDX-License-Identifier: MIT
// Space: the steps of the range operations. Locks: own `lock` (20), within it a Memory's (22) and the Pool's
// (40).
#include "kernel/core/space.hpp"

#include <algorithm>
#include <bit>

#include "kernel/core/cpu.hpp"

namespace pith::core {
namespace {

constexpr u64 kPage = abi::kPageSize;
constexpr u32 kFlushSingly = 16;  // up to so many pages one by one, else all

u64 leaf_end(u64 address, u64 end) {
    return std::min(end, (address / arch::kLeafSpan + 1) * arch::kLeafSpan);
}

}  // namespace

Result<u64> TableSource::allocate() {
    const u64 physical = PITH_TRY(pool_.allocate_page(FrameKind::table, &pool_));
    balance_++;
    return physical;
}

void TableSource::release(u64 physical) {
    pool_.release_page(physical);
    balance_--;
}

Result<Space*> Space::create(Pool& pool, bool may_jit) {
    Space* space = PITH_TRY(pool.create<Space>(may_jit));
    Result<> made = Error::no_memory;
    {
        Guard guard(space->lock);
        TableSource source(pool);
        made = space->tables_.create(source);
        space->count_tables(source);
    }
    if (!made.ok()) {
        pool.free_object(*space, sizeof(Space));
        return made.error();
    }
    return space;
}

void Space::flush(u64 address, u32 pages) {
    if (this_cpu().loaded_space != this) return;
    if (pages > kFlushSingly) {
        arch::flush_all();
        return;
    }
    for (u32 i = 0; i < pages; i++) arch::flush_page(address + i * kPage);
}

Space::Attachments& Space::bucket(const Memory& memory) {
    // Memories whose frames have no record are found by walking bucket 0 (attachment_of).
    if (memory.device()) return buckets_[0];
    return buckets_[1 + (reinterpret_cast<u64>(&memory) >> 6) % (kBuckets - 1)];
}

Attachment* Space::find_attachment(const Memory& memory) {
    Attachments& list = bucket(memory);
    for (Attachment* item = list.front(); item != nullptr; item = list.next(*item)) {
        if (item->memory == &memory) return item;
    }
    return nullptr;
}

Attachment* Space::attachment_of(const arch::Entry& entry) {
    const u64 physical = entry.physical();
    const FrameRecord* record = frames::record(physical);
    if (record != nullptr && record->kind == FrameKind::memory) {
        return find_attachment(*static_cast<Memory*>(record->owner));
    }
    for (Attachment* item = buckets_[0].front(); item != nullptr; item = buckets_[0].next(*item)) {
        if (item->mark == entry.mark() && item->memory->covers(physical)) return item;
    }
    return nullptr;
}

/// One that no device Memory has which covers a frame of this one.
Result<u8> Space::choose_mark(const Memory& memory) {
    if (!memory.device()) return u8{0};
    u32 used = 0;
    for (Attachment* item = buckets_[0].front(); item != nullptr; item = buckets_[0].next(*item)) {
        if (item->memory->overlaps(memory)) used |= 1u << item->mark;
    }
    const u32 mark = static_cast<u32>(std::countr_one(used));
    if (mark >= arch::Entry::kMarks) return Error::busy;
    return static_cast<u8>(mark);
}

Result<Attachment*> Space::attach(Memory& memory) {
    if (Attachment* found = find_attachment(memory); found != nullptr) return found;
    const u8 mark = PITH_TRY(choose_mark(memory));
    auto* attachment = ::new (PITH_TRY(pool->allocate_bytes(sizeof(Attachment)))) Attachment;
    attachment->space = this;
    attachment->memory = &memory;
    attachment->mark = mark;
    {
        Guard guard(memory.lock);
        if (!memory.dying.load(std::memory_order_relaxed)) {
            memory.attachments.push_back(*attachment);
            bucket(memory).push_front(*attachment);
            attachment_count_.fetch_add(1, std::memory_order_relaxed);
            return attachment;
        }
    }
    pool->release_bytes(attachment, sizeof(Attachment));
    return Error::bad_handle;
}

void Space::detach(Attachment& attachment) {
    {
        Guard guard(attachment.memory->lock);
        List<Attachment, &Attachment::memory_link>::remove(attachment);
    }
    Attachments::remove(attachment);
    attachment_count_.fetch_sub(1, std::memory_order_relaxed);
    pool->release_bytes(&attachment, sizeof(Attachment));
}

void Space::count_page(Attachment& attachment, u64 address) {
    attachment.pages++;
    attachment.low = std::min(attachment.low, address);
    attachment.high = std::max(attachment.high, address + kPage);
    attachment.memory->count_mapped(1);
    mapped_.fetch_add(1, std::memory_order_relaxed);
    this_cpu().mapping_count++;
}

void Space::clear_entry(arch::Entry& entry, u64 address) {
    Attachment* attachment = attachment_of(entry);
    PITH_ASSERT(attachment != nullptr && attachment->pages != 0);
    entry.clear();
    mapped_.fetch_sub(1, std::memory_order_relaxed);
    this_cpu().mapping_count--;
    attachment->memory->count_mapped(-1);
    attachment->pages--;
    if (address == attachment->low) attachment->low += kPage;
    if (attachment->pages == 0) detach(*attachment);
}

Result<u64> Space::reserve_step(u64 address, u64 end) {
    Guard guard(lock);
    TableSource source(*pool);
    Error error = Error::ok;
    for (u32 spans = 0; address < end && spans < kFastBatch; spans++) {
        if (tables_.find(address) == nullptr) {
            spans = kFastBatch;  // one new table a step: it has to be cleared
            error = tables_.reserve(address, source).error();
            if (error != Error::ok) break;
        }
        address = leaf_end(address, end);
    }
    count_tables(source);
    if (error != Error::ok) return error;
    return address;
}

Result<u64> Space::map_step(const MapRequest& request, bool& stale) {
    Guard guard(lock);
    TableSource source(*pool);
    const u64 count = std::min<u64>(request.count, kBatch);
    Error failure = Error::ok;
    u32 replaced = 0;
    u64 done = 0;
    for (; done < count; done++) {
        const u64 address = request.address + done * kPage;
        auto found = tables_.reserve(address, source);
        auto attachment = found.ok() ? attach(*request.memory) : Result<Attachment*>(found.error());
        Error error = attachment.error();
        if (error == Error::ok && (*found)->mapped() && !request.replace) error = Error::occupied;
        if (error != Error::ok) {
            if (attachment.ok() && (*attachment)->pages == 0) detach(**attachment);
            failure = error;
            break;
        }
        arch::Entry& entry = **found;
        count_page(**attachment, address);
        if (entry.mapped()) {
            clear_entry(entry, address);
            (*attachment)->low = std::min((*attachment)->low, address);  // it may have been the same Memory's
            replaced++;
        }
        entry.set(request.memory->frame(request.page + done), request.rights, request.maximum,
                  request.memory->cache, (*attachment)->mark);
    }
    count_tables(source);
    if (replaced != 0) {
        stale = true;
        flush(request.address, static_cast<u32>(done));
    }
    if (done == 0) return failure;
    return done;
}

u64 Space::unmap_step(u64 address, u64 end, bool& stale) {
    Guard guard(lock);
    const u64 start = address;
    u32 cleared = 0;
    for (u32 pages = 0; address < end && pages < kFastBatch;) {
        address = tables_.next(address, end);
        if (address >= end) break;
        arch::Entry* entry = tables_.find(address);
        const u64 stop = leaf_end(address, end);
        for (; address < stop && pages < kFastBatch; address += kPage, entry++, pages++) {
            if (!entry->mapped()) continue;
            clear_entry(*entry, address);
            cleared++;
        }
    }
    if (cleared != 0) {
        stale = true;
        flush(start, static_cast<u32>((address - start) / kPage));
    }
    return address;
}

Result<u64> Space::protect_step(u64 address, u64 end, u32 rights, bool& stale) {
    Guard guard(lock);
    const u64 start = address;
    u32 changed = 0;
    bool refused = false;
    for (u32 pages = 0; address < end && pages < kFastBatch && !refused;) {
        address = tables_.next(address, end);
        if (address >= end) break;
        arch::Entry* entry = tables_.find(address);
        const u64 stop = leaf_end(address, end);
        for (; address < stop && pages < kFastBatch; address += kPage, entry++, pages++) {
            if (!entry->mapped()) continue;
            refused = (entry->maximum() & rights) != rights;
            if (refused) break;
            entry->set_rights(rights);
            changed++;
        }
    }
    if (changed != 0) {
        stale = true;
        flush(start, static_cast<u32>((address - start) / kPage));
    }
    if (refused) return Error::no_right;
    return address;
}

u64 Space::dirty_step(u64 address, u64 end, bool& stale) {
    Guard guard(lock);
    u64 bits = 0;
    const u64 start = address;
    for (u32 bit = 0; bit < 64 && address < end; bit++, address += kPage) {
        arch::Entry* entry = tables_.find(address);
        if (entry == nullptr || !entry->mapped() || !entry->dirty()) continue;
        entry->clear_dirty();
        bits |= u64{1} << bit;
    }
    if (bits != 0) {
        stale = true;
        flush(start, static_cast<u32>((address - start) / kPage));
    }
    return bits;
}

u64 Space::collect_step(u64 address, u64 end, std::span<Shared, kBatch> out, u32& count) {
    Guard guard(lock);
    count = 0;
    for (u32 pages = 0; address < end && pages < kFastBatch && count < kBatch;) {
        address = tables_.next(address, end);
        if (address >= end) break;
        arch::Entry* entry = tables_.find(address);
        const u64 stop = leaf_end(address, end);
        for (; address < stop && pages < kFastBatch && count < kBatch; address += kPage, entry++, pages++) {
            if (!entry->mapped()) continue;
            Attachment* attachment = attachment_of(*entry);
            out[count++] = {address,          entry->physical(), entry->rights(),
                            entry->maximum(), entry->cache(),    attachment->memory};
        }
    }
    return address;
}

void Space::reduce(std::span<const Shared> pages, u32 keep, bool& stale) {
    Guard guard(lock);
    for (const Shared& page : pages) {
        arch::Entry* entry = tables_.find(page.address);
        if (entry == nullptr || !entry->mapped() || entry->physical() != page.physical) continue;
        if ((entry->rights() & ~keep) == 0) continue;
        entry->set_rights(entry->rights() & keep);
        flush(page.address, 1);
        stale = true;
    }
}

Result<> Space::install_page(const Shared& page, TableSource& source) {
    arch::Entry* entry = PITH_TRY(tables_.reserve(page.address, source));
    if (entry->mapped()) return Error::occupied;
    Attachment* attachment = PITH_TRY(attach(*page.memory));
    count_page(*attachment, page.address);
    entry->set(page.physical, page.rights, page.maximum, page.cache, attachment->mark);
    return {};
}

void Space::count_tables(const TableSource& source) {
    tables_count_.fetch_add(static_cast<u64>(source.balance()), std::memory_order_relaxed);
}

Result<> Space::install(std::span<const Shared> pages, u32& done) {
    Guard guard(lock);
    TableSource source(*pool);
    Error error = Error::ok;
    for (done = 0; done < pages.size(); done++) {
        error = install_page(pages[done], source).error();
        if (error != Error::ok) break;
    }
    count_tables(source);
    return error;
}

bool Space::expel_step(Memory& memory) {
    Guard guard(lock);
    Attachment* attachment = find_attachment(memory);
    if (attachment == nullptr) return false;
    u64 address = attachment->low;
    const u64 end = attachment->high;
    u32 cleared = 0;
    const u64 start = address;
    for (u32 pages = 0; address < end && pages < kFastBatch;) {
        address = tables_.next(address, end);
        if (address >= end) break;
        arch::Entry* entry = tables_.find(address);
        const u64 stop = leaf_end(address, end);
        for (; address < stop && pages < kFastBatch; address += kPage, entry++, pages++) {
            if (!entry->mapped() || attachment_of(*entry) != attachment) continue;
            cleared++;
            const bool last = attachment->pages == 1;
            clear_entry(*entry, address);
            if (last) {
                flush(start, kFastBatch);
                return false;
            }
        }
    }
    attachment->low = std::max(attachment->low, address);
    if (cleared != 0) flush(start, static_cast<u32>((address - start) / kPage));
    PITH_ASSERT(attachment->low < attachment->high);
    return true;
}

bool Space::detach_step() {
    Guard guard(lock);
    for (Attachments& list : buckets_) {
        Attachment* attachment = list.front();
        if (attachment == nullptr) continue;
        const i64 pages = static_cast<i64>(attachment->pages);
        attachment->memory->count_mapped(-pages);
        mapped_.fetch_sub(attachment->pages, std::memory_order_relaxed);
        this_cpu().mapping_count -= pages;
        detach(*attachment);
        return true;
    }
    return false;
}

bool Space::release_step() {
    Guard guard(lock);
    TableSource source(*pool);
    const bool more = tables_.release_one(source);
    count_tables(source);
    return more;
}

}  // namespace pith::core
