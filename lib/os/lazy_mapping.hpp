// SPDX-License-Identifier: MIT
// LazyMapping: a Memory that is mapped in pieces, each when it is first needed. What is never needed costs no time, and its frames need not be cleared
// (docs/recovery.md, "Numbers"). Nothing of it can fail later for want of memory: the Memory was paid for when it was made, the page tables are by create().
//
//   LazyMapping area;
//   PITH_CHECK(area.create(memory, bytes));
//   if (!area.need(offset, length)) ...          // no: it is not within the area
//   use(area.data() + offset, length);
#pragma once

#include "lib/os/handle.hpp"

namespace pith {

class LazyMapping {
  public:
    static constexpr u64 kPiece = 4 * abi::kPageSize;
    static constexpr u64 kLargest = u64{16} << 20;

    LazyMapping() = default;
    LazyMapping(const LazyMapping&) = delete;
    LazyMapping& operator=(const LazyMapping&) = delete;
    ~LazyMapping() { reset(); }

    /// Addresses and page tables for the first `bytes` of `memory`, which outlives it; kLargest at most, rounded up to pages. Once.
    Result<> create(const HandleBase<Memory>& memory, u64 bytes);
    bool valid() const { return size_ != 0; }
    u64 size() const { return size_; }
    /// Where it begins. Only what was needed before may be touched.
    u8* data() const { return reinterpret_cast<u8*>(address_); }
    std::span<u8> bytes() const { return {data(), size_}; }
    /// From now on [offset, offset + length) may be used. False: it is not within size().
    bool need(u64 offset, u64 length) {
        const u64 first = offset / kPiece, last = length == 0 ? first : (offset + length - 1) / kPiece;
        if (first == last && last < kPieces && present(first)) return true;
        return map(offset, length);
    }

  private:
    static constexpr u64 kPieces = kLargest / kPiece;
    bool present(u64 piece) const { return (present_[piece / 64] >> piece % 64 & 1) != 0; }
    bool map(u64 offset, u64 length);
    Result<> map_pieces(u64 first, u64 end);
    void reset();

    abi::HandleIndex memory_ = abi::kNoHandle;
    u64 address_ = 0;
    u64 size_ = 0;
    u64 present_[kPieces / 64] = {};
};

}  // namespace pith
