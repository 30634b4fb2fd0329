// SPDX-License-Identifier: MIT
// The areas of an address space: mmap, munmap, mprotect, mremap, brk. Faults are in fault.cpp, fork in
// address_space_fork.cpp.
#include "servers/linux/address_space.hpp"

#include <algorithm>

#include "abi/memory.hpp"
#include "servers/linux/heap_guard.hpp"

namespace pith::lx {

void Vma::attach() {
    if (!source) return;
    source_link = &source->mappings_;
    source_next = source->mappings_;
    if (source_next != nullptr) source_next->source_link = &source_next;
    source->mappings_ = this;
}

void Vma::detach() {
    if (source_link == nullptr) return;
    *source_link = source_next;
    if (source_next != nullptr) source_next->source_link = source_link;
    source_link = nullptr;
    source_next = nullptr;
}

void Vma::copy_attributes(const Vma& from) {
    prot = from.prot;
    max_prot = from.max_prot;
    shared = from.shared;
    grows_down = from.grows_down;
    dont_fork = from.dont_fork;
    source = from.source;
    source_page = from.source_page + (start - from.start) / kPageSize;
    name = from.name;
    space = from.space;
}

SysResult<Ref<AddressSpace>> AddressSpace::create(FrameAllocator& frames, HandleIndex pool) {
    const SyscallResult made = invoke(abi::Syscall::space_create, pool, 0);
    if (made.error != Error::ok) return Errno::ENOMEM;
    return Ref<AddressSpace>::make(frames, Handle<pith::Space>(static_cast<HandleIndex>(made.r0)));
}

AddressSpace::~AddressSpace() {
    // The Space goes first: frames must not be free while a translation of them is left.
    static_cast<void>(space_.destroy());
    pages_.for_each(0, kTopAddress / kPageSize, [&](u64, Pte pte) { frames_.drop(pte & kPteFrame); });
}

Vma* AddressSpace::find(u64 address) {
    Vma* area = find_above(address);
    return area != nullptr && area->start <= address ? area : nullptr;
}

Vma* AddressSpace::find_above(u64 address) {
    auto at = areas_.upper_bound(address);
    if (at != areas_.begin()) {
        auto before = std::prev(at);
        if (before->second.end > address) return &before->second;
    }
    return at == areas_.end() ? nullptr : &at->second;
}

Vma& AddressSpace::insert(u64 start, u64 end) {
    Vma& area = areas_[start];
    area.start = start;
    area.end = end;
    area.space = this;
    total_pages_ += area.pages();
    return area;
}

void AddressSpace::split(u64 address) {
    Vma* area = find(address);
    if (area == nullptr || area->start == address) return;
    const u64 end = area->end;
    total_pages_ -= (end - address) / kPageSize;
    area->end = address;
    Vma& upper = insert(address, end);
    upper.copy_attributes(*area);
    upper.attach();
}

void AddressSpace::merge_around(u64 address) {
    const auto mergeable = [](const Vma& low, const Vma& high) {
        return low.end == high.start && low.prot == high.prot && low.max_prot == high.max_prot &&
               low.shared == high.shared && low.grows_down == high.grows_down &&
               low.dont_fork == high.dont_fork && low.source == high.source && low.name == high.name &&
               (!low.source || low.source_page + low.pages() == high.source_page);
    };
    auto at = areas_.find(address);
    if (at == areas_.end()) return;
    if (at != areas_.begin() && mergeable(std::prev(at)->second, at->second)) --at;
    for (auto next = std::next(at); next != areas_.end() && mergeable(at->second, next->second);) {
        at->second.end = next->second.end;
        const bool last = next->second.start > address;
        next = areas_.erase(next);
        if (last) break;
    }
}

u64 AddressSpace::choose_address(u64 hint, u64 length) {
    hint = page_floor(hint);
    if (hint >= kMinAddress && hint <= kTopAddress - length) {
        const Vma* above = find_above(hint);
        if (above == nullptr || above->start >= hint + length) return hint;
    }
    // Top down, below the stack's room.
    if (length <= largest_hole_) search_end_ = kMmapTop;
    if (search_end_ == kMmapTop) largest_hole_ = 0;
    u64 end = search_end_;
    for (auto at = areas_.upper_bound(end); at != areas_.begin();) {
        --at;
        if (at->second.end + length <= end) break;
        if (end > at->second.end) largest_hole_ = std::max(largest_hole_, end - at->second.end);
        end = std::min(end, at->second.start);
        if (end < kMinAddress + length) return 0;
    }
    if (end < kMinAddress + length) return 0;
    search_end_ = end;
    return end - length;
}

void AddressSpace::unmap_kernel(u64 start, u64 length) {
    invoke(abi::Syscall::space_unmap, space_.index(), start, length);
}

void AddressSpace::forget_pages(u64 first, u64 last) {
    bool mapped = false;
    pages_.for_each(first, last, [&](u64, Pte pte) { mapped |= (pte & kPteMapped) != 0; });
    if (mapped) unmap_kernel(first * kPageSize, (last - first) * kPageSize);
    pages_.for_each(first, last, [&](u64 page, Pte pte) {
        pages_.set(page, 0);
        frames_.drop(pte & kPteFrame);
    });
}

void AddressSpace::erase_range(u64 start, u64 end) {
    split(start);
    split(end);
    auto at = areas_.lower_bound(start);
    if (at == areas_.end() || at->first >= end) return;
    forget_pages(start / kPageSize, end / kPageSize);
    if (end > search_end_) search_end_ = kMmapTop;
    while (at != areas_.end() && at->first < end) {
        total_pages_ -= at->second.pages();
        at = areas_.erase(at);
    }
}

SysResult<u64> AddressSpace::map(const MapRequest& request) {
    if (request.length == 0) return Errno::EINVAL;
    const u64 length = page_ceil(request.length);
    if (length == 0 || length > kTopAddress || heap_low() || areas_.size() >= kMaxAreas) return Errno::ENOMEM;
    u64 address = request.address;
    if (request.fixed) {
        if (address % kPageSize != 0) return Errno::EINVAL;
        if (address > kTopAddress - length) return Errno::ENOMEM;
        if (address < kMinAddress) return Errno::EPERM;
        const Vma* above = find_above(address);
        if (request.no_replace && above != nullptr && above->start < address + length) return Errno::EEXIST;
    }
    if (total_pages_ * kPageSize + length > limit_as || length > limit_as) return Errno::ENOMEM;
    // As Linux's heuristic overcommit: what can never fit is refused at once.
    if (!request.source && !request.shared && !request.no_reserve && (request.prot & 2) != 0 &&
        length / kPageSize > frames_.total())
        return Errno::ENOMEM;
    if (request.fixed) {
        erase_range(address, address + length);
    } else {
        address = choose_address(address, length);
        if (address == 0) return Errno::ENOMEM;
    }
    Vma& area = insert(address, address + length);
    area.prot = request.prot;
    area.max_prot = request.max_prot;
    area.shared = request.shared;
    area.grows_down = request.grows_down;
    area.source = request.source;
    area.source_page = request.source ? request.source_page : 0;
    if (request.shared && !request.source) area.source = Ref<SharedMemory>::make(frames_, length / kPageSize);
    area.name = request.name;
    area.attach();
    merge_around(address);
    return address;
}

bool AddressSpace::populate(u64 start, u64 end) {
    constexpr u64 kAtOnce = 16 * kPageSize;
    const Vma* area = find(start);
    if (area == nullptr || area->prot == 0) return false;
    const Access access = (area->prot & 2) != 0 && !area->source ? Access::write : Access::read;
    for (u64 at = start; at < end; at += kAtOnce)
        // What would have to be read is left to the faults.
        if (MissingPage missing;
            fault(at, access, std::min(end - at, kAtOnce), &missing) != FaultResult::done)
            return false;
    return true;
}

SysResult<> AddressSpace::unmap(u64 address, u64 length) {
    if (address % kPageSize != 0 || length == 0 || address > kTopAddress) return Errno::EINVAL;
    length = page_ceil(length);
    if (length == 0 || length > kTopAddress - address) return Errno::EINVAL;
    if (heap_low() && find(address) != find(address + length)) return Errno::ENOMEM;
    erase_range(address, address + length);
    return {};
}

SysResult<> AddressSpace::protect(u64 address, u64 length, u8 prot) {
    if (address % kPageSize != 0) return Errno::EINVAL;
    if (length == 0) return {};
    length = page_ceil(length);
    if (length == 0 || address > kTopAddress || length > kTopAddress - address) return Errno::ENOMEM;
    // As on Linux, what lies before a hole is changed.
    u64 end = address;
    Errno result = Errno::ok;
    while (end < address + length && result == Errno::ok) {
        const Vma* area = find(end);
        if (area == nullptr) result = Errno::ENOMEM;
        else if ((prot & ~area->max_prot) != 0) result = Errno::EACCES;
        else end = area->end;
    }
    end = std::min(end, address + length);
    if (end == address) return result;
    if (heap_low() || areas_.size() >= kMaxAreas) return Errno::ENOMEM;
    split(address);
    split(end);
    for (auto at = areas_.lower_bound(address); at != areas_.end() && at->first < end; ++at) {
        Vma& area = at->second;
        if (area.prot == prot) continue;
        // Rights that are gained come with the next fault; rights that are lost go now.
        const bool lost = (area.prot & ~prot) != 0 || ((prot & 2) != 0 && (prot & 4) != 0);
        area.prot = prot;
        if (!lost) continue;
        const u64 first = area.start / kPageSize, last = area.end / kPageSize;
        bool mapped = false;
        pages_.for_each(first, last, [&](u64, Pte pte) { mapped |= (pte & kPteMapped) != 0; });
        if (!mapped) continue;
        const bool none = prot == 0;
        const bool execute = (prot & 4) != 0 && (prot & 2) == 0;
        if (none) unmap_kernel(area.start, area.end - area.start);
        else
            invoke(abi::Syscall::space_protect, space_.index(), area.start, area.end - area.start,
                   abi::kMapRead | (execute ? abi::kMapExecute : 0));
        pages_.for_each(first, last, [&](u64 page, Pte pte) {
            Pte kept = pte & ~(kPteWritable | kPteExecute | (none ? kPteMapped : 0));
            if (execute && (kept & kPteMapped) != 0) kept |= kPteExecute;
            pages_.set(page, kept);
        });
    }
    merge_around(address);
    return result;
}

void AddressSpace::move_pages(u64 from, u64 to, u64 count) {
    unmap_kernel(from * kPageSize, count * kPageSize);
    pages_.for_each(from, from + count, [&](u64 page, Pte pte) {
        pages_.set(page, 0);
        pages_.set(page - from + to, pte & ~(kPteMapped | kPteWritable | kPteExecute));
    });
}

SysResult<u64> AddressSpace::remap(u64 address, u64 old_length, u64 new_length, bool may_move, bool fixed,
                                   u64 new_address) {
    if (address % kPageSize != 0 || new_length == 0) return Errno::EINVAL;
    old_length = page_ceil(old_length);
    new_length = page_ceil(new_length);
    if (new_length == 0 || new_length > kTopAddress || old_length > kTopAddress) return Errno::EINVAL;
    if (fixed && (new_address % kPageSize != 0 || new_address > kTopAddress - new_length))
        return Errno::EINVAL;
    if (fixed && new_address < address + old_length && address < new_address + new_length)
        return Errno::EINVAL;
    Vma* area = find(address);
    if (area == nullptr || old_length > area->end - address) return Errno::EFAULT;
    if (old_length == 0 && !area->shared) return Errno::EINVAL;
    if (!fixed && new_length <= old_length) {
        if (new_length < old_length) erase_range(address + new_length, address + old_length);
        return address;
    }
    if (new_length > old_length && total_pages_ * kPageSize + (new_length - old_length) > limit_as)
        return Errno::ENOMEM;
    const u64 end = address + old_length;
    if (!fixed && old_length != 0 && area->end == end) {
        const Vma* above = find_above(end);
        const u64 room = (above != nullptr ? above->start : kTopAddress) - end;
        if (new_length - old_length <= room) {
            area->end = address + new_length;
            total_pages_ += (new_length - old_length) / kPageSize;
            return address;
        }
    }
    if (!may_move || heap_low()) return Errno::ENOMEM;
    if (fixed) {
        erase_range(new_address, new_address + new_length);
        if (new_length < old_length) {
            erase_range(address + new_length, address + old_length);
            old_length = new_length;
        }
    } else {
        new_address = choose_address(0, new_length);
        if (new_address == 0) return Errno::ENOMEM;
    }
    split(address);
    split(address + old_length);
    area = find(address);
    Vma& moved = insert(new_address, new_address + new_length);
    moved.copy_attributes(*area);
    moved.source_page = area->source_page;
    moved.attach();
    if (old_length == 0) return new_address;  // a second mapping of shared memory
    move_pages(address / kPageSize, new_address / kPageSize, old_length / kPageSize);
    erase_range(address, address + old_length);
    return new_address;
}

SysResult<> AddressSpace::discard(u64 address, u64 length) {
    if (address % kPageSize != 0) return Errno::EINVAL;
    length = page_ceil(length);
    if (address > kTopAddress || length > kTopAddress - address) return Errno::EINVAL;
    bool hole = false;
    for (u64 at = address; at < address + length;) {
        const Vma* area = find_above(at);
        if (area == nullptr || area->start >= address + length) {
            hole = true;
            break;
        }
        hole |= area->start > at;
        const u64 from = std::max(at, area->start), to = std::min(area->end, address + length);
        forget_pages(from / kPageSize, to / kPageSize);
        at = to;
    }
    if (hole) return Errno::ENOMEM;
    return {};
}

u64 AddressSpace::set_brk(u64 end) {
    if (end < brk_start_ || end > kTopAddress) return brk_;
    if (end - brk_start_ > limit_data) return brk_;
    const u64 old_end = page_ceil(brk_), new_end = page_ceil(end);
    if (new_end < old_end) {
        erase_range(new_end, old_end);
    } else if (new_end > old_end) {
        const Vma* above = find_above(old_end);
        if (above != nullptr && above->start < new_end + kPageSize) return brk_;
        if (total_pages_ * kPageSize + (new_end - old_end) > limit_as) return brk_;
        if ((new_end - old_end) / kPageSize > frames_.total()) return brk_;
        Vma* below = old_end > brk_start_ ? find(old_end - 1) : nullptr;
        if (below != nullptr && below->name == "[heap]" && below->end == old_end && below->prot == 3) {
            below->end = new_end;
            total_pages_ += (new_end - old_end) / kPageSize;
        } else {
            Vma& area = insert(old_end, new_end);
            area.prot = 3;
            area.name = "[heap]";
        }
    }
    return brk_ = end;
}

}  // namespace pith::lx
