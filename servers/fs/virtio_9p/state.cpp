// SPDX-License-Identifier: MIT
#include "servers/fs/virtio_9p/state.hpp"

#include <atomic>
#include <cstring>

namespace pith::virtio_9p {

State::State(std::span<u8> memory) : copies_(reinterpret_cast<Copy*>(memory.data())) {
    for (u32 i = 0; i < 2; i++) {
        const Copy& copy = copies_[i];
        if (copy.sequence <= sequence_ || copy.checksum != checksum(copy)) continue;
        sequence_ = copy.sequence;
        content_ = copy.content;
    }
}

u64 State::checksum(const Copy& copy) {
    u64 words[sizeof(Copy) / 8 - 1];
    std::memcpy(words, &copy, sizeof(words));
    u64 hash = 0x5eed;
    for (const u64 word : words) {
        hash = (hash ^ word) * 0xff51'afd7'ed55'8ccd;
        hash ^= hash >> 32;
    }
    return hash;
}

void State::set(const Content& content) {
    Copy& copy = copies_[++sequence_ & 1];
    copy.checksum = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    copy.sequence = sequence_;
    copy.content = content_ = content;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    copy.checksum = checksum(copy);
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

}  // namespace pith::virtio_9p
