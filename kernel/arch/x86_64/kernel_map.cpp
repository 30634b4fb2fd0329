// SPDX-License-Identifier: MIT
// The kernel's half of every address space (layout.hpp): direct map, image, windows. Code is not writable, through the
// direct map either; nothing else is executable. All pages are global. Nothing is added after boot but in the windows.
#include <algorithm>

#include "arch/paging.hpp"
#include "kernel/arch/x86_64/boot.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/platform/physical.hpp"

extern "C" const char image_start[], text_end[], rodata_end[], image_end[];

namespace pith::arch {
namespace {

constexpr u64 kReadOnly = kPagePresent | kPageGlobal | kPageNoExecute;
constexpr u64 kReadWrite = kReadOnly | kPageWrite;
constexpr u64 kCode = kPagePresent | kPageGlobal;
constexpr u64 kDevice = kReadWrite | kPageUncached | kPageWriteThrough;
constexpr u64 kTable = kPagePresent | kPageWrite;
constexpr u64 kWindowsEnd = kWindows + (u64{8} << 20);

constinit u64 root = 0;
constinit u64 next_window = kWindows;
constinit std::array<core::PhysicalRange, 16> devices{};
constinit usize device_count = 0;

u64 image_physical(const char* symbol) { return reinterpret_cast<u64>(symbol) - kKernelBase; }

u64* early_table(u64 physical) {
    return reinterpret_cast<u64*>((kernel_root != 0 ? kDirectMap : kKernelBase) + (physical & kPageAddress));
}

/// Maps one page of the size that `bottom` says: 12, 21 or 30 bits.
void map_page(u64 address, u64 physical, u64 bits, u32 bottom = 12) {
    u64* table = early_table(root);
    for (u32 shift = 39; shift > bottom; shift -= 9) {
        u64& entry = table[address >> shift & 511];
        if (!(entry & kPagePresent)) entry = early_allocate(1) | kTable;
        table = early_table(entry);
    }
    table[address >> bottom & 511] = physical | bits | (bottom > 12 ? u64{kPageLarge} : 0);
}

void map_range(u64 address, u64 physical, u64 end, u64 bits) {
    for (; physical < end; physical += abi::kPageSize, address += abi::kPageSize)
        map_page(address, physical, bits);
}

/// All RAM that [start, end) touches, with the largest pages that fit; the image's surroundings page by page.
void map_direct(u64 start, u64 end, bool huge) {
    u64 text = image_physical(image_start), data = image_physical(rodata_end);
    end = (end + kLargePage - 1) & ~(kLargePage - 1);
    for (u64 at = start & ~(kLargePage - 1); at < end;) {
        bool image = at < data && text < at + kLargePage;
        if (huge && at % kHugePage == 0 && at >= kHugePage && end - at >= kHugePage) {
            map_page(kDirectMap + at, at, kReadWrite, 30);
            at += kHugePage;
        } else if (!image) {
            map_page(kDirectMap + at, at, kReadWrite, 21);
            at += kLargePage;
        } else {
            for (u64 next = at + kLargePage; at < next; at += abi::kPageSize)
                map_page(kDirectMap + at, at, at >= text && at < data ? kReadOnly : kReadWrite);
        }
    }
}

u64 take_window(u64 pages) {
    u64 address = next_window;
    if ((kWindowsEnd - address) / abi::kPageSize < pages) return 0;
    next_window += pages * abi::kPageSize;
    return address;
}

/// Not in the image's own tables but through the tables made for it, so that the image is 4 KiB pages throughout.
void map_image() {
    map_range(reinterpret_cast<u64>(image_start), image_physical(image_start), image_physical(text_end),
              kCode);
    map_range(reinterpret_cast<u64>(text_end), image_physical(text_end), image_physical(rodata_end),
              kReadOnly);
    map_range(reinterpret_cast<u64>(rodata_end), image_physical(rodata_end), image_physical(image_end),
              kReadWrite);
}

}  // namespace

void init_kernel_map(const BootInformation& boot) {
    constexpr u32 kHugePages = 1u << 26;
    bool huge = (cpuid(0x80000001).edx & kHugePages) != 0;
    root = early_allocate(1);
    for (usize i = 0; i < boot.ram_count; i++)
        map_direct(boot.ram[i].base, boot.ram[i].base + boot.ram[i].size, huge);
    map_image();
    map_page(kWindows, 0, 0);  // allocates its tables
    write_cr3(root);
    kernel_root = root;
}

u64 map_stack(u64 size) {
    u64 pages = size / abi::kPageSize;
    u64 guard = take_window(1);
    while (guard != 0 && (guard + abi::kPageSize) % size != 0) guard = take_window(1);
    u64 base = take_window(pages);
    if (guard == 0 || base == 0) core::panic("No room for stacks");
    u64 physical = early_allocate(pages);
    map_range(base, physical, physical + size, kReadWrite);
    return base + size;
}

std::span<const core::PhysicalRange> kernel_devices() { return {devices.data(), device_count}; }

}  // namespace pith::arch

namespace pith::platform {
namespace {

u64 map_window(u64 physical, u64 size, u64 bits) {
    u64 offset = physical % abi::kPageSize;
    u64 pages = (offset + size + abi::kPageSize - 1) / abi::kPageSize;
    u64 address = arch::take_window(pages);
    if (address == 0) return 0;
    u64 start = physical - offset;
    arch::map_range(address, start, start + pages * abi::kPageSize, bits);
    return address + offset;
}

}  // namespace

volatile void* map_device(u64 physical, u64 size) {
    u64 address = map_window(physical, size, arch::kDevice);
    if (address == 0) core::panic("No room for device registers");
    if (arch::device_count < arch::devices.size()) arch::devices[arch::device_count++] = {physical, size};
    return reinterpret_cast<volatile void*>(address);
}

const void* map_firmware(u64 physical, u64 size) {
    return reinterpret_cast<const void*>(map_window(physical, size, arch::kReadOnly));
}

}  // namespace pith::platform
