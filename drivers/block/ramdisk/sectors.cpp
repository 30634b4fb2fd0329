// SPDX-License-Identifier: MIT
#include "drivers/block/ramdisk/sectors.hpp"

#include <algorithm>
#include <cstring>

namespace pith::ramdisk {

bool Sectors::submit(u32 slot, const DiskRequest& request) {
    if (!room()) return false;
    pending_[count_++] = {request, slot, clock_() + parameters_.delay};
    return true;
}

std::optional<Sectors::Done> Sectors::next() {
    const abi::Time time = clock_();
    usize due_count = 0;
    while (due_count < count_ && pending_[due_count].due <= time) ++due_count;
    if (due_count == 0) return std::nullopt;
    const usize chosen = choose(due_count);
    const Pending done = pending_[chosen];
    std::copy(pending_ + chosen + 1, pending_ + count_, pending_ + chosen);
    --count_;
    return Done{done.slot, carry_out(done.request)};
}

/// Which of the first so many is next.
usize Sectors::choose(usize due_count) {
    if (!parameters_.shuffled) return 0;
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_ % due_count;
}

Error Sectors::carry_out(const DiskRequest& request) const {
    if (request.operation == Block::Operation::flush) return Error::ok;
    if (request.sector < parameters_.bad_first + parameters_.bad_count &&
        parameters_.bad_first < request.sector + request.sectors)
        return Error::io;
    u8* const sectors = content_.data() + request.sector * Block::kSectorSize;
    const u64 length = request.sectors * Block::kSectorSize;
    if (request.operation == Block::Operation::read) std::memcpy(request.bytes, sectors, length);
    else std::memcpy(sectors, request.bytes, length);
    return Error::ok;
}

}  // namespace pith::ramdisk
