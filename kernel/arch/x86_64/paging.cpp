// SPDX-License-Identifier: MIT
// Walking and filling page tables (see arch/paging.hpp).
#include "arch/paging.hpp"

namespace pith::arch {
namespace {

constexpr u32 kEntries = 512;
constexpr u32 kUserEntries = 256;  // of the root; the rest is the kernel's
constexpr u32 kRootShift = 39;
constexpr u32 kLeafShift = 12;
constexpr u32 kLevelBits = 9;
constexpr u32 kHoleTables = 32;  // how many tables that are not there are skipped at once
constexpr u64 kTableBits = kPagePresent | kPageWrite | kPageUser;

u64* table_at(u64 physical) { return static_cast<u64*>(physical_to_virtual(physical & kPageAddress)); }
u32 index_of(u64 address, u32 shift) { return static_cast<u32>(address >> shift) & (kEntries - 1); }

}  // namespace

constinit u64 kernel_root = 0;

Result<> PageTables::create(core::TableSource& source) {
    u64 root = PITH_TRY(source.allocate());
    // The kernel fills in its half before the first Space exists, and then never adds an entry to a root.
    u64* to = table_at(root);
    const u64* from = table_at(kernel_root);
    to[index_of(kDirectMap, kRootShift)] = from[index_of(kDirectMap, kRootShift)];
    to[index_of(kKernelBase, kRootShift)] = from[index_of(kKernelBase, kRootShift)];
    root_ = root;
    return {};
}

Result<Entry*> PageTables::reserve(u64 address, core::TableSource& source) {
    u64* table = table_at(root_);
    for (u32 shift = kRootShift; shift > kLeafShift; shift -= kLevelBits) {
        u64& entry = table[index_of(address, shift)];
        if (!(entry & kPagePresent)) entry = PITH_TRY(source.allocate()) | kTableBits;
        table = table_at(entry);
    }
    return reinterpret_cast<Entry*>(&table[index_of(address, kLeafShift)]);
}

/// Finds the leaf table of that address; false: there is none.
bool PageTables::look_up(u64 address) {
    u64* table = table_at(root_);
    for (u32 shift = kRootShift; shift > kLeafShift; shift -= kLevelBits) {
        u64 entry = table[index_of(address, shift)];
        if (!(entry & kPagePresent)) return false;
        table = table_at(entry);
    }
    last_span_ = address / kLeafSpan;
    last_leaf_ = reinterpret_cast<Entry*>(table);
    return true;
}

u64 PageTables::next(u64 address, u64 end) const {
    for (u32 tables = 0; address < end && tables < kHoleTables; tables++) {
        const u64* table = table_at(root_);
        u32 shift = kRootShift;
        for (; shift > kLeafShift; shift -= kLevelBits) {
            u64 entry = table[index_of(address, shift)];
            if (!(entry & kPagePresent)) break;
            table = table_at(entry);
        }
        if (shift == kLeafShift) return address;
        address = ((address >> shift) + 1) << shift;
    }
    return address < end ? address : end;
}

bool PageTables::release_one(core::TableSource& source) {
    if (root_ == 0) return false;
    last_span_ = kNoSpan;
    u64* entry = &root_;
    // Down to a table that has no table below it any more.
    for (u32 shift = kRootShift; shift > kLeafShift; shift -= kLevelBits) {
        u64* table = table_at(*entry);
        u32 count = shift == kRootShift ? kUserEntries : kEntries;
        u32 index = 0;
        while (index < count && !(table[index] & kPagePresent)) index++;
        if (index == count) break;
        entry = &table[index];
    }
    source.release(*entry & kPageAddress);
    *entry = 0;
    return true;
}

}  // namespace pith::arch
