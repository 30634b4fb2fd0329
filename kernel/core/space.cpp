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

// Of counters that are written under the Space's lock only.
void increase(std::atomic<u64>& counter, u64 by) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}
void decrease(std::atomic<u64>& counter, u64 by) { increase(counter, -by); }

u64 leaf_end(u64 address, u64 end) {
    return std::min(end, (address / arch::kLeafSpan + 1) * arch::kLeafSpan);
}

/// Where a step from `address` on ends: with the leaf table, or after kFastBatch pages.
u64 batch_end(u64 address, u64 end) {
    return std::min(leaf_end(address, end), address + Space::kFastBatch * kPage);
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

void Space::flush(u64 address, u64 end) {
    if (this_cpu().loaded_space != this) return;
    if (end - address > kFlushSingly * kPage) {
        arch::flush_all();
        return;
    }
    for (; address < end; address += kPage) arch::flush_page(address);
}

Space::Attachments& Space::bucket(const Memory& memory) {
    // Memories whose frames have no record are found by walking bucket 0 (attachment_of).
    if (memory.device()) return buckets_[0];
    return buckets_[1 + reinterpret_cast<u64>(&memory) / std::bit_ceil(sizeof(Memory)) % (kBuckets - 1)];
}

Attachment* Space::find_attachment(const Memory& memory) {
    Attachments& list = bucket(memory);
    for (Attachment* item = list.front(); item != nullptr; item = list.next(*item)) {
        if (item->memory == &memory) return item;
    }
    return nullptr;
}

/// Of the Memory that a mapped page belongs to.
Attachment* Space::attachment_of(const arch::Entry& entry) {
    const u64 physical = entry.physical();
    if (const Memory* memory = frames::memory_of(physical); memory != nullptr)
        return recent(*memory) ? recent_ : find_attachment(*memory);
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
    if (recent(memory)) return recent_;
    Attachment* found = find_attachment(memory);
    if (found == nullptr) found = PITH_TRY(new_attachment(memory));
    if (recent_ != nullptr && recent_->pages == 0) detach(*recent_);
    recent_ = found;
    return found;
}

Result<Attachment*> Space::new_attachment(Memory& memory) {
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
            return attachment;
        }
    }
    pool->release_bytes(attachment, sizeof(Attachment));
    return Error::bad_handle;
}

void Space::detach(Attachment& attachment) {
    if (&attachment == recent_) recent_ = nullptr;
    {
        Guard guard(attachment.memory->lock);
        List<Attachment, &Attachment::memory_link>::remove(attachment);
    }
    Attachments::remove(attachment);
    pool->release_bytes(&attachment, sizeof(Attachment));
}

/// Nothing of its Memory is mapped any more.
void Space::retire(Attachment& attachment) {
    empty(attachment);
    if (&attachment != recent_) detach(attachment);
}

void Space::empty(Attachment& attachment) {
    decrease(attachment_count_, 1);
    attachment.low = ~u64{0};
    attachment.high = 0;
}

/// So many pages from that address on are about to be mapped.
void Space::expect_pages(Attachment& attachment, u64 address, u64 count) {
    if (attachment.pages == 0) increase(attachment_count_, 1);
    attachment.pages += count;
    attachment.low = std::min(attachment.low, address);
    attachment.high = std::max(attachment.high, address + count * kPage);
}

void Space::count_mapped(i64 change) {
    increase(mapped_, static_cast<u64>(change));
    this_cpu().mapping_count += change;
}

/// Clears the entry of a page that the attachment counts. The caller's are count_mapped and retire.
void Space::clear_entry(arch::Entry& entry, Attachment& attachment, u64 address) {
    PITH_ASSERT(attachment.pages != 0);
    entry.clear();
    attachment.memory->count_mapped(-1);
    if (address == attachment.low) attachment.low += kPage;
    attachment.pages--;
}

/// The entry of the first page from `address` on that has a leaf table; null: there is none before the new
/// `address`, which is at most `end`: long holes are skipped in bounded pieces.
arch::Entry* Space::next_entry(u64& address, u64 end) {
    arch::Entry* entry = tables_.find(address);
    if (entry != nullptr) return entry;
    address = tables_.next(address, end);
    return address < end ? tables_.find(address) : nullptr;
}

Error Space::make_tables(u64 address) {
    TableSource source(*pool);
    const Error error = tables_.reserve(address, source).error();
    count_tables(source);
    return error;
}

Result<u64> Space::reserve_step(u64 address, u64 end) {
    Guard guard(lock);
    for (u32 spans = 0; address < end && spans < kFastBatch; spans++) {
        if (tables_.find(address) == nullptr) {
            spans = kFastBatch;  // one new table a step: it has to be cleared
            if (Error error = make_tables(address); error != Error::ok) return error;
        }
        address = leaf_end(address, end);
    }
    return address;
}

bool Space::map_page(Memory& memory, u64 address, u64 page, Access access) {
    Guard guard(lock);
    arch::Entry* entry = tables_.find(address);
    if (entry == nullptr || entry->mapped() || !recent(memory)) return false;
    const u64 frame = memory.known_frame(page);
    if (frame == 0) return false;
    expect_pages(*recent_, address, 1);
    memory.count_mapped(1);
    count_mapped(1);
    entry->set(frame, access.rights, access.maximum, memory.cache, recent_->mark);
    return true;
}

bool Space::unmap_page(u64 address) {
    Guard guard(lock);
    arch::Entry* entry = tables_.find(address);
    if (entry == nullptr || !entry->mapped()) return false;
    const Memory* memory = frames::memory_of(entry->physical());
    if (memory == nullptr || !recent(*memory)) return false;
    clear_entry(*entry, *recent_, address);
    if (recent_->pages == 0) empty(*recent_);
    count_mapped(-1);
    if (this_cpu().loaded_space == this) arch::flush_page(address);
    return true;
}

Space::Mapped Space::map_step(Memory& memory, u64 address, u64 page, u64 wanted, Access access) {
    Guard guard(lock);
    arch::Entry* entry = tables_.find(address);
    if (entry == nullptr) return {make_tables(address), false, 0};
    const u64 to_leaf_end = (arch::kLeafSpan - address % arch::kLeafSpan) / kPage;
    const u64 count = std::min({wanted, u64{kBatch}, to_leaf_end});
    const auto attached = attach(memory);
    if (!attached.ok()) return {attached.error(), false, 0};
    Attachment& attachment = *attached.value();
    expect_pages(attachment, address, count);
    i64 replaced = 0;
    u64 done = 0;
    for (u32 cleared = 0; done < count && cleared < kClearBatch; done++, entry++) {
        if (entry->mapped()) {
            if (!access.replace) break;
            const u64 at = address + done * kPage;
            Attachment& old = *attachment_of(*entry);
            clear_entry(*entry, old, at);
            if (old.pages == 0) retire(old);
            attachment.low = std::min(attachment.low, at);  // it may have been the same Memory's
            replaced++;
        }
        bool is_new = false;
        const u64 frame = memory.frame(page + done, is_new);
        if (is_new) cleared++;
        entry->set(frame, access.rights, access.maximum, memory.cache, attachment.mark);
    }
    attachment.pages -= count - done;
    if (attachment.pages == 0) retire(attachment);
    memory.count_mapped(static_cast<i64>(done));
    count_mapped(static_cast<i64>(done) - replaced);
    if (replaced != 0) flush(address, address + done * kPage);
    return {done == 0 ? Error::occupied : Error::ok, replaced != 0, done};
}

Space::Reached Space::unmap_step(u64 address, u64 end) {
    Guard guard(lock);
    arch::Entry* entry = next_entry(address, end);
    if (entry == nullptr) return {address, false};
    const u64 start = address;
    const u64 stop = batch_end(address, end);
    i64 cleared = 0;
    for (; address < stop; address += kPage, entry++) {
        if (!entry->mapped()) continue;
        Attachment& attachment = *attachment_of(*entry);
        clear_entry(*entry, attachment, address);
        if (attachment.pages == 0) retire(attachment);
        cleared++;
    }
    if (cleared != 0) {
        count_mapped(-cleared);
        flush(start, stop);
    }
    return {address, cleared != 0};
}

Result<u64> Space::protect_step(u64 address, u64 end, u32 rights, bool& stale) {
    Guard guard(lock);
    arch::Entry* entry = next_entry(address, end);
    if (entry == nullptr) return address;
    const u64 start = address;
    const u64 stop = batch_end(address, end);
    bool refused = false;
    for (; address < stop; address += kPage, entry++) {
        if (!entry->mapped()) continue;
        refused = (entry->maximum() & rights) != rights;
        if (refused) break;
        entry->set_rights(rights);
        stale = true;
    }
    if (stale) flush(start, address);
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
        flush(start, address);
    }
    return bits;
}

u64 Space::collect_step(u64 address, u64 end, std::span<Shared, kBatch> out, u32& count) {
    Guard guard(lock);
    count = 0;
    arch::Entry* entry = next_entry(address, end);
    if (entry == nullptr) return address;
    const u64 stop = batch_end(address, end);
    for (; address < stop && count < kBatch; address += kPage, entry++) {
        if (!entry->mapped()) continue;
        Attachment* attachment = attachment_of(*entry);
        out[count++] = {address,          entry->physical(), entry->rights(),
                        entry->maximum(), entry->cache(),    attachment->memory};
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
        flush(page.address, page.address + kPage);
        stale = true;
    }
}

Result<> Space::install_page(const Shared& page, TableSource& source) {
    arch::Entry* entry = PITH_TRY(tables_.reserve(page.address, source));
    if (entry->mapped()) return Error::occupied;
    Attachment* attachment = PITH_TRY(attach(*page.memory));
    expect_pages(*attachment, page.address, 1);
    page.memory->count_mapped(1);
    count_mapped(1);
    entry->set(page.physical, page.rights, page.maximum, page.cache, attachment->mark);
    return {};
}

void Space::count_tables(const TableSource& source) {
    increase(tables_count_, static_cast<u64>(source.balance()));
}

Result<> Space::install(std::span<const Shared> pages, u32& done) {
    Guard guard(lock);
    TableSource source(*pool);
    Error error = Error::ok;
    for (done = 0; done < pages.size() && source.balance() == 0; done++) {
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
    i64 cleared = 0;
    if (arch::Entry* entry = address < end ? next_entry(address, end) : nullptr; entry != nullptr) {
        const u64 start = address;
        const u64 stop = batch_end(address, end);
        for (; address < stop; address += kPage, entry++) {
            if (!entry->mapped() || attachment_of(*entry) != attachment) continue;
            clear_entry(*entry, *attachment, address);
            cleared++;
        }
        count_mapped(-cleared);
        if (cleared != 0) flush(start, stop);
    }
    if (attachment->pages == 0) {
        if (cleared != 0) decrease(attachment_count_, 1);
        detach(*attachment);
        return false;
    }
    attachment->low = std::max(attachment->low, address);
    PITH_ASSERT(attachment->low < attachment->high);
    return true;
}

bool Space::detach_step() {
    Guard guard(lock);
    for (Attachments& list : buckets_) {
        Attachment* attachment = list.front();
        if (attachment == nullptr) continue;
        if (const i64 pages = static_cast<i64>(attachment->pages); pages != 0) {
            attachment->memory->count_mapped(-pages);
            count_mapped(-pages);
            decrease(attachment_count_, 1);
        }
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
