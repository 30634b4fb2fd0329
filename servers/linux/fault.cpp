// SPDX-License-Identifier: MIT
// Page faults: demand paging, copy-on-write, stack growth, and mapping around a fault. What is to be mapped is
// collected in a Batch, a system call for up to sixteen ranges.
#include <string.h>

#include <algorithm>

#include "abi/memory.hpp"
#include "servers/linux/address_space.hpp"
#include "servers/linux/heap_guard.hpp"

namespace pith::lx {

namespace {

constexpr u64 kAround = 16;    ///< pages: the window that a fault on a file maps
constexpr u64 kAhead = 8;      ///< pages of fresh memory given at once to what grows
constexpr u64 kPlenty = 1024;  ///< frames at hand that make kAhead affordable
constexpr u64 kStackGap = 256 * kPageSize;

void copy_page(void* to, const void* from) {
    u64 count = kPageSize / 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

}  // namespace

class AddressSpace::Batch {
  public:
    Batch(AddressSpace& space, MissingPage* missing) : missing_(missing), space_(space) {}
    ~Batch() { flush(); }

    void add(u64 page, FrameNumber frame, u32 rights) {
        const auto place = space_.frames_.place(frame);
        const u64 address = page * kPageSize;
        if (count_ > 0) {
            abi::MapRange& last = ranges_[count_ - 1];
            if (last.memory == place.memory && last.flags == rights &&
                last.address + last.length == address && last.offset + last.length == place.offset) {
                last.length += kPageSize;
                return;
            }
        }
        if (count_ == abi::kMaxMapRanges) flush();
        ranges_[count_++] = {address, place.memory, rights, place.offset, kPageSize};
    }
    /// Drops a frame once no translation of it can be left.
    void drop_later(FrameNumber frame) {
        if (drop_count_ == kDrops) flush();
        drops_[drop_count_++] = frame;
    }
    /// False if the kernel had no memory for tables: what could not be mapped is marked so.
    bool flush() {
        if (count_ > 0) {
            auto* out = reinterpret_cast<abi::MapRange*>(this_buffer().words);
            std::copy_n(ranges_, count_, out);
            const SyscallResult result = invoke(abi::Syscall::space_map, space_.space_.index(), count_);
            if (result.error != Error::ok) {
                failed_ = true;
                for (u32 i = 0; i < count_; ++i) forget(ranges_[i]);
            }
        }
        count_ = 0;
        for (u32 i = 0; i < drop_count_; ++i) space_.frames_.drop(drops_[i]);
        drop_count_ = 0;
        return !failed_;
    }

    /// The page of a source, fetched if need be; EAGAIN: it is in `missing`.
    SysResult<FrameRef> source_page(const Ref<PageSource>& source, u64 index, bool write) {
        auto found = source->page(index, write);
        if (found.error() != Errno::EAGAIN) return found;
        if (missing_ != nullptr) {
            *missing_ = {source, index};
            return found;
        }
        PITH_CHECK(source->fetch_now(index));
        return source->page(index, write);
    }

  private:
    void forget(const abi::MapRange& range) {
        space_.unmap_kernel(range.address, range.length);
        for (u64 at = 0; at < range.length; at += kPageSize) {
            const u64 page = (range.address + at) / kPageSize;
            space_.pages_.set(page, space_.pages_.get(page) & ~(kPteMapped | kPteWritable | kPteExecute));
        }
    }
    static constexpr u32 kDrops = 16;
    MissingPage* missing_;
    AddressSpace& space_;
    abi::MapRange ranges_[abi::kMaxMapRanges];
    FrameNumber drops_[kDrops];
    u32 count_ = 0;
    u32 drop_count_ = 0;
    bool failed_ = false;
};

namespace {

FaultResult source_error(Errno error) {
    switch (error) {
        case Errno::EAGAIN: return FaultResult::waits;
        case Errno::ENOMEM:
        case Errno::ENOSPC: return FaultResult::no_memory;
        default: return FaultResult::beyond_end;
    }
}

}  // namespace

/// `entry`: frame and kPteSource.
void AddressSpace::install(const Vma& area, u64 page, Pte entry, bool writable, Access access, Batch& batch) {
    entry &= kPteFrame | kPteSource;
    u32 rights = abi::kMapRead | abi::kMapReplace;
    entry |= kPteMapped;
    const bool may_execute = area.allows(Access::execute);
    if (writable && !(may_execute && access == Access::execute)) {
        rights |= abi::kMapWrite;
        entry |= kPteWritable;
    } else if (may_execute) {
        rights |= abi::kMapExecute;
        entry |= kPteExecute;
    }
    pages_.set(page, entry);
    batch.add(page, entry & kPteFrame, rights);
}

/// A private page that nobody else sees: it may be written in place.
bool AddressSpace::exclusive(const Vma& area, Pte pte) const {
    const FrameNumber frame = pte & kPteFrame;
    return !area.shared && (pte & kPteSource) == 0 && frames_.references(frame) == 1 &&
           !frames_.foreign(frame);
}

FaultResult AddressSpace::fill_anonymous(Vma& area, u64 page, Access access, Batch& batch) {
    const bool write = access == Access::write;
    auto frame = write ? frames_.allocate() : frames_.zero_frame();
    if (!frame.ok()) return FaultResult::no_memory;
    install(area, page, frame->release(), write, access, batch);
    return FaultResult::done;
}

FaultResult AddressSpace::fill_source(Vma& area, u64 page, Access access, Batch& batch) {
    const u64 index = area.source_page + (page - area.start / kPageSize);
    const bool write = access == Access::write;
    auto found = batch.source_page(area.source, index, write && area.shared);
    if (!found.ok()) return source_error(found.error());
    if (write && !area.shared) {
        auto copy = frames_.allocate(false);
        if (!copy.ok()) return FaultResult::no_memory;
        copy_page(copy->data(), found->data());
        install(area, page, copy->release(), true, access, batch);
        return FaultResult::done;
    }
    if (write) area.source->written();
    install(area, page, found->release() | kPteSource, write, access, batch);
    return FaultResult::done;
}

FaultResult AddressSpace::write_present(Vma& area, u64 page, Pte pte, Batch& batch) {
    const FrameNumber old = pte & kPteFrame;
    if (area.shared) {
        const u64 index = area.source_page + (page - area.start / kPageSize);
        auto found = batch.source_page(area.source, index, true);
        if (!found.ok()) return source_error(found.error());
        area.source->written();
        // page() may have made us forget the old one.
        if (pages_.get(page) != 0) batch.drop_later(old);
        install(area, page, found->release() | kPteSource, true, Access::write, batch);
        return FaultResult::done;
    }
    if (exclusive(area, pte)) {
        install(area, page, pte, true, Access::write, batch);
        return FaultResult::done;
    }
    auto copy = frames_.allocate(false);
    if (!copy.ok()) return FaultResult::no_memory;
    copy_page(copy->data(), FrameAllocator::data(old));
    batch.drop_later(old);
    install(area, page, copy->release(), true, Access::write, batch);
    return FaultResult::done;
}

FaultResult AddressSpace::fault_page(Vma& area, u64 page, Access access, Batch& batch) {
    const Pte pte = pages_.get(page);
    if (pte == 0 && pages_.find(page) == nullptr && heap_low()) return FaultResult::no_memory;
    if (pte == 0)
        return area.source ? fill_source(area, page, access, batch)
                           : fill_anonymous(area, page, access, batch);
    if (access == Access::write) {
        if ((pte & kPteWritable) != 0) return FaultResult::done;  // another thread was first
        return write_present(area, page, pte, batch);
    }
    const Pte need = access == Access::execute ? kPteExecute : kPteMapped;
    if ((pte & need) != 0) return FaultResult::done;
    const bool writable = access == Access::read && area.allows(Access::write) && exclusive(area, pte);
    install(area, page, pte, writable, access, batch);
    return FaultResult::done;
}

void AddressSpace::fault_around(Vma& area, u64 page, Access access, Batch& batch) {
    const u64 first = area.start / kPageSize, last = area.end / kPageSize;
    if (access == Access::write) {
        if (area.source || area.grows_down || frames_.at_hand() < kPlenty) return;
        if (page == first || pages_.get(page - 1) == 0) return;
        const u64 end = std::min(last, page + kAhead);
        for (u64 at = page + 1; at < end && pages_.get(at) == 0; ++at)
            if (fill_anonymous(area, at, access, batch) != FaultResult::done) return;
        return;
    }
    const u64 from = std::max(first, page & ~(kAround - 1)),
              to = std::min(last, (page & ~(kAround - 1)) + kAround);
    for (u64 at = from; at < to; ++at) {
        const Pte pte = pages_.get(at);
        if (at == page || (pte & kPteMapped) != 0) continue;
        if (pte != 0) {
            install(area, at, pte, false, access, batch);
        } else if (area.source) {
            FrameRef frame = area.source->peek(area.source_page + (at - first));
            if (frame) install(area, at, frame.release() | kPteSource, false, access, batch);
        }
    }
}

bool AddressSpace::grow_stack(Vma& area, u64 address) {
    const u64 start = page_floor(address);
    if (area.end - start > limit_stack) return false;
    if (total_pages_ * kPageSize + (area.start - start) > limit_as) return false;
    if (start < kMinAddress) return false;
    const Vma* below = nullptr;
    auto at = areas_.find(area.start);
    if (at != areas_.begin()) below = &std::prev(at)->second;
    if (below != nullptr && !below->grows_down && below->end + kStackGap > start) return false;
    // The key is the start: the node moves within the map, the Vma stays where it is.
    total_pages_ += (area.start - start) / kPageSize;
    auto node = areas_.extract(at);
    node.key() = start;
    area.start = start;
    areas_.insert(std::move(node));
    return true;
}

Vma* AddressSpace::area_for(u64 address) {
    Vma* area = find_above(address);
    if (area == nullptr || address < kMinAddress) return nullptr;
    if (area->start <= address) return area;
    return area->grows_down && grow_stack(*area, address) ? area : nullptr;
}

FaultResult AddressSpace::fault(u64 address, Access access, u64 ahead, MissingPage* missing) {
    if (address >= kTopAddress) return FaultResult::no_mapping;
    Vma* area = area_for(address);
    if (area == nullptr) return FaultResult::no_mapping;
    if (!area->allows(access)) return FaultResult::no_access;
    Batch batch(*this, missing);
    const u64 page = address / kPageSize;
    const FaultResult result = fault_page(*area, page, access, batch);
    if (result != FaultResult::done) return result;
    if (ahead == 0) {
        fault_around(*area, page, access, batch);
    } else {
        const u64 last = std::min(
            {(address + ahead - 1) / kPageSize, area->end / kPageSize - 1, page + kAround});
        for (u64 at = page + 1; at <= last; ++at)
            if (fault_page(*area, at, access, batch) != FaultResult::done) break;
    }
    peak_pages = std::max(peak_pages, pages_.present());
    return batch.flush() ? FaultResult::done : FaultResult::no_memory;
}

void AddressSpace::forget_source_pages(Vma& area, u64 first, u64 last) {
    const u64 base = area.start / kPageSize;
    const u64 from = std::max(first, area.source_page), to = std::min(last, area.source_page + area.pages());
    if (from >= to) return;
    pages_.for_each(base + (from - area.source_page), base + (to - area.source_page), [&](u64 page, Pte pte) {
        if ((pte & kPteSource) == 0) return;
        if ((pte & kPteMapped) != 0) unmap_kernel(page * kPageSize, kPageSize);
        pages_.set(page, 0);
        frames_.drop(pte & kPteFrame);
    });
}

void PageSource::invalidate(u64 first, u64 count) {
    const u64 last = first + count < first ? ~u64{0} : first + count;
    for (Vma* area = mappings_; area != nullptr; area = area->source_next)
        area->space->forget_source_pages(*area, first, last);
}

SysResult<FrameRef> SharedMemory::page(u64 index, bool) {
    if (index >= page_count_) return Errno::EFAULT;
    FrameRef& frame = pages_[index];
    if (!frame) {
        auto made = frames_.allocate();
        if (!made.ok()) {
            pages_.erase(index);
            return made.error();
        }
        frame = std::move(made).value();
    }
    return frame;
}

FrameRef SharedMemory::peek(u64 index) {
    const auto at = pages_.find(index);
    return at != pages_.end() ? at->second : FrameRef();
}

}  // namespace pith::lx
