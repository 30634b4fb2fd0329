// SPDX-License-Identifier: MIT
// The memory map at boot: RAM less what the kernel, the bundle and the first MiB take.
#include <string.h>

#include <algorithm>

#include "arch/machine.hpp"
#include "arch/paging.hpp"
#include "kernel/arch/x86_64/boot.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/core/entry.hpp"

extern "C" const char image_end[];

namespace pith::arch {
namespace {

constexpr u64 kLowMemory = u64{1} << 20;
constexpr u64 kEarlyLimit = kHugePage;  // what the early tables map
constexpr usize kMaxRanges = 96;

constinit BootInformation information{};
constinit std::array<core::PhysicalRange, kMaxRanges> ranges{};
constinit usize range_count = 0;
constinit u64 used = 0;

u64 page_up(u64 value) { return (value + abi::kPageSize - 1) & ~(abi::kPageSize - 1); }
u64 page_down(u64 value) { return value & ~(abi::kPageSize - 1); }

void add_range(u64 start, u64 end) {
    if (start < end && range_count < kMaxRanges) ranges[range_count++] = {start, end - start};
}

/// Takes [start, end) out of all ranges.
void remove_range(u64 start, u64 end) {
    usize count = range_count;
    for (usize i = 0; i < count; i++) {
        u64 base = ranges[i].base, limit = base + ranges[i].size;
        if (end <= base || limit <= start) continue;
        ranges[i].size = start > base ? start - base : 0;
        add_range(std::max(end, base), limit);
    }
}

}  // namespace

const BootInformation& boot_information() { return information; }

void init_early_memory(const BootInformation& boot) {
    information = boot;
    for (usize i = 0; i < boot.ram_count; i++)
        add_range(page_up(boot.ram[i].base), page_down(boot.ram[i].base + boot.ram[i].size));
    remove_range(0, kLowMemory);
    remove_range(kKernelLoad, reinterpret_cast<u64>(image_end) - kKernelBase);
    remove_range(boot.bundle.base, boot.bundle.base + boot.bundle.size);
    auto last = std::remove_if(ranges.begin(), ranges.begin() + range_count,
                               [](auto& r) { return r.size == 0; });
    range_count = static_cast<usize>(last - ranges.begin());
    // By insertion: they are few, and all but sorted. std::sort takes 3 KB.
    for (usize i = 1; i < range_count; i++)
        for (usize j = i; j != 0 && ranges[j].base < ranges[j - 1].base; j--)
            std::swap(ranges[j], ranges[j - 1]);
}

u64 early_allocate(u64 pages) {
    u64 size = pages * abi::kPageSize;
    for (usize i = 0; i < range_count; i++) {
        core::PhysicalRange& r = ranges[i];
        if (r.size <= size || r.base + size > kEarlyLimit) continue;  // never the whole of a range
        u64 physical = r.base;
        r.base += size;
        r.size -= size;
        used += size;
        auto* page = reinterpret_cast<u8*>(kernel_root != 0 ? kDirectMap + physical : kKernelBase + physical);
        for (u64 n = 0; n < pages; n++) clear_page(page + n * abi::kPageSize);
        return physical;
    }
    core::panic("No memory to boot in");
}

std::span<const core::PhysicalRange> free_memory() { return {ranges.data(), range_count}; }
u64 early_used() { return used; }

bool reserved_physical(u64 physical, u64 bytes) {
    constexpr u64 kPhysicalEnd = u64{1} << 52;
    if (bytes == 0 || physical >= kPhysicalEnd || bytes > kPhysicalEnd - physical) return true;
    u64 end = physical + bytes;
    auto overlaps = [&](u64 base, u64 size) { return physical < base + size && base < end; };
    for (usize i = 0; i < information.ram_count; i++)
        if (overlaps(information.ram[i].base, information.ram[i].size)) return true;
    for (const core::PhysicalRange& r : kernel_devices())
        if (overlaps(r.base, r.size)) return true;
    return false;
}

}  // namespace pith::arch
