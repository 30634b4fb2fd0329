// SPDX-License-Identifier: MIT
// Mapping: a Memory mapped in the component's own Space for as long as the object lives, at an address that
// the library's allocator chooses (one guard page between mappings).
#pragma once

#include "lib/os/handle.hpp"

namespace pith {

/// Address space for mappings: `length` bytes (rounded up to pages), aligned to `alignment` (a power of two).
Result<u64> reserve_addresses(u64 length, u64 alignment = abi::kPageSize);
/// Gives back what `reserve_addresses` gave, with the same length.
void release_addresses(u64 address, u64 length);

class Mapping {
  public:
    Mapping() = default;
    Mapping(Mapping&& other) noexcept
        : address_(std::exchange(other.address_, 0)), length_(std::exchange(other.length_, 0)) {}
    Mapping& operator=(Mapping&& other) noexcept {
        if (this != &other) {
            reset();
            address_ = std::exchange(other.address_, 0);
            length_ = std::exchange(other.length_, 0);
        }
        return *this;
    }
    ~Mapping() { reset(); }

    /// Maps [offset, offset + length) of `memory`; both are multiples of the page size. `flags`:
    /// abi::kMap....
    static Result<Mapping> create(const HandleBase<Memory>& memory, u64 offset, u64 length,
                                  u32 flags = abi::kMapRead | abi::kMapWrite);
    /// Puts [offset, offset + size()) of another Memory in its place, at the same address. After an error nothing is mapped.
    Result<> replace(const HandleBase<Memory>& memory, u64 offset,
                     u32 flags = abi::kMapRead | abi::kMapWrite);
    bool valid() const { return length_ != 0; }
    u64 address() const { return address_; }
    u64 size() const { return length_; }
    /// The object at byte `offset`.
    template <typename T = void>
    T* as(u64 offset = 0) const {
        return reinterpret_cast<T*>(address_ + offset);
    }
    std::span<u8> bytes() const { return {as<u8>(), length_}; }
    /// Unmaps.
    void reset();
    /// Keeps the mapping for ever; gives its address.
    u64 release() {
        length_ = 0;
        return std::exchange(address_, 0);
    }

  private:
    Mapping(u64 address, u64 length) : address_(address), length_(length) {}
    u64 address_ = 0;
    u64 length_ = 0;
};

/// Memory of one's own, mapped; the frames go with it.
class MappedMemory {
  public:
    MappedMemory() = default;
    /// From `pool`, `bytes` rounded up to pages, zeroed.
    static Result<MappedMemory> create(const Handle<Pool>& pool, u64 bytes, u32 memory_flags = 0);
    const Handle<Memory>& memory() const { return memory_; }
    const Mapping& mapping() const { return mapping_; }
    template <typename T = void>
    T* as(u64 offset = 0) const {
        return mapping_.as<T>(offset);
    }
    u64 size() const { return mapping_.size(); }

  private:
    Owned<Memory> memory_;
    Mapping mapping_;  // after memory_: unmapped first
};

}  // namespace pith
