// SPDX-License-Identifier: MIT
// The address allocator: bump, with a small table of free ranges that are joined with their neighbours.
#include "lib/os/mapping.hpp"

#include "lib/base/round.hpp"
#include "lib/os/spin_lock.hpp"
#include "lib/os/start_info.hpp"

namespace pith {

namespace {

constexpr usize kFreeRanges = 64;

struct Range {
    u64 address;
    u64 length;
};

SpinLock addresses_lock;
// Ranges below next_address that are free. When the table is full a range is lost: address space, not memory.
Range free_ranges[kFreeRanges];
usize free_count = 0;
u64 next_address = kMappingBase;

void add_free(u64 address, u64 length) {
    if (length == 0) return;
    for (usize i = 0; i < free_count; i++) {
        Range& range = free_ranges[i];
        if (range.address + range.length == address || address + length == range.address) {
            const Range joined{range.address < address ? range.address : address, range.length + length};
            range = free_ranges[--free_count];
            return add_free(joined.address, joined.length);
        }
    }
    if (address + length == next_address) next_address = address;
    else if (free_count < kFreeRanges) free_ranges[free_count++] = {address, length};
}

}  // namespace

Result<u64> reserve_addresses(u64 length, u64 alignment) {
    if (length == 0 || length > kMappingEnd || alignment < abi::kPageSize ||
        (alignment & (alignment - 1)) != 0)
        return Error::invalid;
    const u64 size = round_up(length, abi::kPageSize) + abi::kPageSize;  // with a guard page
    SpinGuard guard(addresses_lock);
    for (usize i = 0; i < free_count; i++) {
        const Range range = free_ranges[i];
        const u64 start = round_up(range.address, alignment);
        if (start + size > range.address + range.length) continue;
        free_ranges[i] = free_ranges[--free_count];
        add_free(range.address, start - range.address);
        add_free(start + size, range.address + range.length - start - size);
        return start;
    }
    const u64 start = round_up(next_address, alignment);
    if (start + size > kMappingEnd) return Error::no_memory;
    const u64 gap = next_address;
    next_address = start + size;
    add_free(gap, start - gap);
    return start;
}

void release_addresses(u64 address, u64 length) {
    SpinGuard guard(addresses_lock);
    add_free(address, round_up(length, abi::kPageSize) + abi::kPageSize);
}

Result<Mapping> Mapping::create(const HandleBase<Memory>& memory, u64 offset, u64 length, u32 flags) {
    // Large mappings at 2 MiB boundaries share page tables least.
    const u64 alignment = length >= (u64{2} << 20) ? u64{2} << 20 : abi::kPageSize;
    const u64 address = PITH_TRY(reserve_addresses(length, alignment));
    if (auto mapped = own_space().map(address, memory, offset, length, flags); !mapped.ok()) {
        static_cast<void>(own_space().unmap(address, length));
        release_addresses(address, length);
        return mapped.error();
    }
    return Mapping(address, length);
}

Result<> Mapping::replace(const HandleBase<Memory>& memory, u64 offset, u32 flags) {
    PITH_CHECK(own_space().unmap(address_, length_));
    const auto mapped = own_space().map(address_, memory, offset, length_, flags);
    if (!mapped.ok()) reset();
    return mapped;
}

void Mapping::reset() {
    if (length_ == 0) return;
    static_cast<void>(own_space().unmap(address_, length_));
    release_addresses(address_, length_);
    address_ = length_ = 0;
}

Result<MappedMemory> MappedMemory::create(const Handle<Pool>& pool, u64 bytes, u32 memory_flags) {
    const u64 size = round_up(bytes, abi::kPageSize);
    MappedMemory result;
    result.memory_ = PITH_TRY(pool.create_memory(size, memory_flags));
    result.mapping_ = PITH_TRY(Mapping::create(result.memory_, 0, size));
    return result;
}

}  // namespace pith
