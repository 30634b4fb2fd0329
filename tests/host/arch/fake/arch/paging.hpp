// SPDX-License-Identifier: MIT
// The fake architecture: page tables of four levels in simulated physical memory, and TLBs that remember too much.
#pragma once

#include "abi/memory.hpp"
#include "fake/machine.hpp"
#include "kernel/core/contract.hpp"

namespace pith::arch {

inline constexpr u64 kLeafSpan = 512 * abi::kPageSize;

/// bit 0 mapped, 1..3 rights, 4..6 maximum, 7 uncached, 8 dirty, 12.. physical.
class Entry {
  public:
    static constexpr u32 kMarks = 8;
    void set(u64 physical, u32 rights, u32 maximum, core::Cache cache, u32 mark) {
        bits_ = physical | 1 | u64{rights & 7} << 1 | u64{maximum & 7} << 4 | u64{mark & 7} << 9 |
                (cache == core::Cache::uncached ? 0x80u : 0);
    }
    void clear() { bits_ = 0; }
    void set_rights(u32 rights) { bits_ = (bits_ & ~u64{0xe}) | u64{rights & 7} << 1; }
    void clear_dirty() { bits_ &= ~u64{0x100}; }
    void write_access() { bits_ |= 0x100; }  ///< what the processor does
    bool mapped() const { return (bits_ & 1) != 0; }
    u64 physical() const { return bits_ & ~u64{0xfff}; }
    u32 rights() const { return static_cast<u32>(bits_ >> 1) & 7; }
    u32 maximum() const { return static_cast<u32>(bits_ >> 4) & 7; }
    u32 mark() const { return static_cast<u32>(bits_ >> 9) & 7; }
    bool dirty() const { return (bits_ & 0x100) != 0; }
    core::Cache cache() const { return (bits_ & 0x80) != 0 ? core::Cache::uncached : core::Cache::normal; }

  private:
    u64 bits_ = 0;
};
static_assert(sizeof(Entry) == 8);

class PageTables {
  public:
    Result<> create(core::TableSource& source);
    bool created() const { return root_ != 0; }
    Result<Entry*> reserve(u64 address, core::TableSource& source);
    Entry* find(u64 address);
    u64 next(u64 address, u64 end);
    bool release_one(core::TableSource& source);
    void load() const { fake::machine().load(root_); }
    u64 root() const { return root_; }

  private:
    u64 root_ = 0;
};

/// For tests: the leaf entry below a root, or null; all mapped entries, by ascending address.
Entry* walk(u64 root, u64 address);
void for_each_entry(u64 root, const std::function<void(u64 address, const Entry&)>& visit);

inline void load_kernel() { fake::machine().load(0); }
inline void flush_page(u64 address) { fake::machine().here().tlb.erase(address & ~(abi::kPageSize - 1)); }
inline void flush_all() { fake::machine().here().tlb.clear(); }
inline void* physical_to_virtual(u64 physical) { return fake::machine().at(physical); }
inline u64 virtual_to_physical(const void* p) { return fake::machine().physical(p); }
inline void clear_page(void* page) { memset(page, 0, abi::kPageSize); }
inline void copy_page(void* to, const void* from) { memcpy(to, from, abi::kPageSize); }

}  // namespace pith::arch
