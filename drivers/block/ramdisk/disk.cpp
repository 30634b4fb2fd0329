// SPDX-License-Identifier: MIT
#include "drivers/block/ramdisk/disk.hpp"

#include <algorithm>
#include <cstring>

namespace pith::ramdisk {

Disk::Disk(std::span<u8> link, const Parameters& parameters) : link_(link), parameters_(parameters) {
    const u64 room = link.size() > kContent ? (link.size() - kContent) / Block::kSectorSize : 0;
    const u64 count = std::min(parameters.sectors, room);
    content_ = count != 0 ? link.subspan(kContent, count * Block::kSectorSize) : std::span<u8>();
}

void Disk::open(Handle<Signal> client, u64 bits) {
    count_ = 0;
    std::memset(link_.data(), 0, sizeof(QueueHeader));
    static_cast<void>(queue_.attach(link_.data(), kWindowOffset, Block::kEntries, std::move(client), bits));
    queue_.resume();
}

bool Disk::take(abi::Time time) {
    if (!queue_.attached()) return false;
    // A client that submits more than the ring has entries gets no answer for it: it can't take that many.
    while (count_ < Block::kEntries && queue_.take(pending_[count_].request))
        pending_[count_++].due = time + parameters_.delay;
    return count_ != 0;
}

bool Disk::work(abi::Time time) {
    bool completed = false;
    while (count_ != 0 && pending_[0].due <= time) {
        usize due_count = 1;
        while (due_count < count_ && pending_[due_count].due <= time) ++due_count;
        const usize chosen = choose(due_count);
        const Block::Submission request = pending_[chosen].request;
        std::copy(pending_ + chosen + 1, pending_ + count_, pending_ + chosen);
        --count_;
        const Error error = carry_out(request);
        if (queue_.complete({request.id, static_cast<u32>(error), 0}).ok()) completed = true;
        if (parameters_.stray != 0 && ++completed_ % parameters_.stray == 0)
            static_cast<void>(queue_.complete({~request.id, 0, 0}));
    }
    return completed;
}

/// Which of the first so many is next.
usize Disk::choose(usize due_count) {
    if (!parameters_.shuffled) return 0;
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_ % due_count;
}

Error Disk::carry_out(const Block::Submission& request) {
    const auto operation = static_cast<Block::Operation>(request.operation);
    if (operation == Block::Operation::flush)
        return request.sector == 0 && request.sectors == 0 && request.offset == 0 ? Error::ok
                                                                                  : Error::invalid;
    if (operation != Block::Operation::read && operation != Block::Operation::write) return Error::invalid;
    const u64 length = u64{request.sectors} * Block::kSectorSize;
    if (request.sectors == 0 || request.sectors > kMaxSectors || request.sector > sectors() ||
        request.sectors > sectors() - request.sector || request.offset % Block::kSectorSize != 0 ||
        request.offset > kWindowSize || length > kWindowSize - request.offset)
        return Error::invalid;
    if (operation == Block::Operation::write && parameters_.read_only) return Error::access;
    if (parameters_.bad_count != 0 && request.sector < parameters_.bad_first + parameters_.bad_count &&
        parameters_.bad_first < request.sector + request.sectors)
        return Error::io;
    u8* const window = link_.data() + kWindowOffset + request.offset;
    u8* const sectors = content_.data() + request.sector * Block::kSectorSize;
    if (operation == Block::Operation::read) std::memcpy(window, sectors, length);
    else std::memcpy(sectors, window, length);
    return Error::ok;
}

}  // namespace pith::ramdisk
