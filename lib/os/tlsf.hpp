// SPDX-License-Identifier: MIT
// A memory allocator over areas that it is given: two-level segregated fit (Masmano et al., "TLSF: a new
// dynamic memory allocator for real-time systems", ECRTS 2004). Constant time, good fit, neighbours joined at
// once. Not locked.
#pragma once

#include "abi/types.hpp"

namespace pith {

class Tlsf {
  public:
    static constexpr usize kAlign = 16;  ///< of every allocation
    /// Gives it [address, address + size), both multiples of 16. An area that follows the last one is joined
    /// with it.
    void add(u64 address, usize size);
    /// nullptr: no free block is large enough.
    void* allocate(usize size);
    /// `alignment`: a power of two.
    void* allocate_aligned(usize size, usize alignment);
    void release(void* area);
    /// Bytes that may be used at `area`.
    static usize usable(const void* area);
    /// The bytes of the area that an allocation of `size` gets, at least.
    static constexpr usize area_size(usize size) {
        return size <= kSmallestArea ? kSmallestArea : ((size - 8 + kAlign - 1) & ~(kAlign - 1)) + 8;
    }
    /// What an area counts in allocated().
    static usize footprint(const void* area) { return usable(area) + kOverhead; }
    /// The size of an area with which `allocate(size)` is sure to succeed.
    static usize needed(usize size, usize alignment = kAlign);
    /// Bytes in use, with what the allocator adds.
    usize allocated() const { return allocated_; }
    /// Walks everything; false: the structure is damaged. For tests.
    bool consistent() const;

  private:
    // Blocks overlap by their first word, which is the tail of the area before. Areas are 16n + 8 bytes, 16 aligned.
    static constexpr usize kOverhead = 8;
    static constexpr usize kSmallestArea = 24;
    struct Block;
    struct Index {
        unsigned first;
        unsigned second;
    };
    static constexpr unsigned kSecondBits = 4;
    static constexpr unsigned kSecondCount = 1u << kSecondBits;
    static constexpr unsigned kFirstShift = 8;   // below 256 bytes the lists are linear, 16 bytes apart
    static constexpr unsigned kFirstCount = 21;  // up to 256 MiB
    static Index index_of(usize size);
    void insert(Block* block);
    void remove(Block* block);
    Block* find(usize size);
    void put_back(Block* block);
    void trim(Block* block, usize size);

    u32 first_map_ = 0;
    u32 second_map_[kFirstCount] = {};
    Block* lists_[kFirstCount][kSecondCount] = {};
    Block* first_ = nullptr;  // of the last area
    Block* last_ = nullptr;   // its sentinel: size 0, never free
    usize allocated_ = 0;
};

}  // namespace pith
