// SPDX-License-Identifier: MIT
#include "lib/os/lazy_mapping.hpp"

#include <algorithm>

#include "lib/base/round.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/start_info.hpp"

namespace pith {
namespace {

constexpr u64 kTableSpan = u64{2} << 20;  // what one page table maps: the first piece of each brings it

}  // namespace

Result<> LazyMapping::create(const HandleBase<Memory>& memory, u64 bytes) {
    if (valid() || bytes == 0 || bytes > kLargest) return Error::invalid;
    const u64 size = round_up(bytes, abi::kPageSize);
    address_ = PITH_TRY(reserve_addresses(size, kTableSpan));
    size_ = size;
    memory_ = memory.index();
    for (u64 at = 0; at < size_; at += kTableSpan) {
        if (const auto mapped = map_pieces(at / kPiece, at / kPiece + 1); !mapped.ok()) {
            reset();
            return mapped;
        }
    }
    return {};
}

Result<> LazyMapping::map_pieces(u64 first, u64 end) {
    const u64 offset = first * kPiece, length = std::min(end * kPiece, size_) - offset;
    PITH_CHECK(own_space().map(address_ + offset, Borrowed<Memory>(memory_), offset, length,
                               abi::kMapRead | abi::kMapWrite));
    for (u64 piece = first; piece < end; piece++) present_[piece / 64] |= u64{1} << piece % 64;
    return {};
}

/// Neighbours that are missing are mapped together.
bool LazyMapping::map(u64 offset, u64 length) {
    if (length > size_ || offset > size_ - length) return false;
    const u64 end = (offset + length + kPiece - 1) / kPiece;
    for (u64 piece = offset / kPiece; piece < end; piece++) {
        if (present(piece)) continue;
        u64 stop = piece + 1;
        while (stop < end && !present(stop)) stop++;
        if (!map_pieces(piece, stop).ok()) return false;
        piece = stop;
    }
    return true;
}

void LazyMapping::reset() {
    if (size_ == 0) return;
    static_cast<void>(own_space().unmap(address_, size_));
    release_addresses(address_, size_);
    size_ = 0;
}

}  // namespace pith
