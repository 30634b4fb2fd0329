// SPDX-License-Identifier: MIT
#include "servers/devices/iommu/domain.hpp"

namespace pith::devices {

Result<> DomainTable::make_tables(u64 address) {
    u64 table = top_;
    for (u32 level = levels_; level > 1; level--) {
        u64& entry = pages_.words(table)[index(address, level)];
        if (entry == 0) pages_.store(entry, PITH_TRY(pages_.allocate()) | kEntryAccess);
        table = entry & kEntryAddress;
    }
    return {};
}

Result<> DomainTable::reserve(u64 address, u64 size) {
    const u64 end = u64{1} << shift(levels_ + 1);
    if (address % abi::kPageSize != 0 || size % abi::kPageSize != 0 || size == 0 || size > end ||
        address > end - size)
        return Error::invalid;
    constexpr u64 kTableSpan = TablePages::kPageEntries * abi::kPageSize;
    for (u64 at = address & ~(kTableSpan - 1); at < address + size; at += kTableSpan)
        PITH_CHECK(make_tables(at));
    return {};
}

u64* DomainTable::leaf(u64 address) const {
    if (address >> shift(levels_ + 1) != 0) return nullptr;
    u64 table = top_;
    for (u32 level = levels_; level > 1; level--) {
        const u64 entry = pages_.words(table)[index(address, level)];
        if (entry == 0) return nullptr;
        table = entry & kEntryAddress;
    }
    return &pages_.words(table)[index(address, 1)];
}

void DomainTable::map(u64 address, u64 size) {
    for (u64 at = address; at != address + size; at += abi::kPageSize)
        if (u64* entry = leaf(at); entry != nullptr) pages_.store(*entry, at | kEntryAccess);
}

u64 DomainTable::access(u64 address) const {
    const u64* entry = leaf(address);
    return entry == nullptr ? 0 : *entry & kEntryAccess;
}

}  // namespace pith::devices
