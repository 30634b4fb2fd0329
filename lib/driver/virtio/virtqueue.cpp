// SPDX-License-Identifier: MIT
#include "lib/driver/virtio/virtqueue.hpp"

#include <cstring>

namespace pith {

namespace {

u16 load(u16* index) { return std::atomic_ref(*index).load(std::memory_order_acquire); }
void store(u16* index, u16 value) { std::atomic_ref(*index).store(value, std::memory_order_release); }

}  // namespace

Result<> Virtqueue::attach(void* memory, u16 size) {
    if (size == 0 || size > kMaxSize || (size & (size - 1)) != 0 || reinterpret_cast<u64>(memory) % 16 != 0)
        return Error::invalid;
    memory_ = static_cast<u8*>(memory);
    size_ = size;
    std::memset(memory_, 0, bytes(size));
    for (u16 i = 0; i < size; i++) {
        next_[i] = i + 1 == size ? kNone : static_cast<u16>(i + 1);
        length_[i] = 0;
    }
    free_head_ = 0;
    free_count_ = size;
    added_ = published_ = taken_ = in_flight_ = 0;
    broken_ = false;
    return {};
}

Result<u16> Virtqueue::add(std::span<const VirtioBuffer> buffers) {
    if (buffers.empty() || buffers.size() > kMaxSize) return Error::invalid;
    if (broken_ || buffers.size() > free_count_) return Error::would_block;
    auto* descriptors = reinterpret_cast<Descriptor*>(memory_);
    const u16 head = free_head_;
    u16 at = head;
    u64 room = 0;
    for (usize i = 0; i < buffers.size(); i++) {
        const VirtioBuffer& buffer = buffers[i];
        const bool last = i + 1 == buffers.size();
        Descriptor& d = descriptors[at];
        d.address = buffer.address;
        d.length = buffer.length;
        d.flags = static_cast<u16>((last ? 0 : kFlagNext) | (buffer.device_writes ? kFlagWrite : 0));
        d.next = last ? u16{0} : next_[at];
        if (buffer.device_writes) room += buffer.length;
        if (last) free_head_ = next_[at];
        else at = next_[at];
    }
    next_[at] = kNone;
    free_count_ = static_cast<u16>(free_count_ - buffers.size());
    length_[head] = static_cast<u16>(buffers.size());
    room_[head] = room > 0xffff'ffff ? 0xffff'ffff : static_cast<u32>(room);
    available()[2 + added_ % size_] = head;
    added_++;
    in_flight_++;
    return head;
}

bool Virtqueue::publish() {
    if (published_ == added_) return false;
    published_ = added_;
    store(available() + 1, added_);
    // The device looks at the index after it has said that it wants to be told, and we the other way round.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return (load(used()) & kNoNotify) == 0;
}

bool Virtqueue::take(Used& result) {
    if (broken_) return false;
    const u16 ahead = static_cast<u16>(load(used() + 1) - taken_);
    if (ahead == 0) return false;
    if (ahead > in_flight_) return fail();
    UsedElement element;
    std::memcpy(&element, reinterpret_cast<const u8*>(used()) + 4 + 8 * (taken_ % size_), sizeof(element));
    if (element.id >= size_ || length_[element.id] == 0 || element.length > room_[element.id]) return fail();
    const u16 head = static_cast<u16>(element.id);
    u16 last = head;
    while (next_[last] != kNone) last = next_[last];
    next_[last] = free_head_;
    free_head_ = head;
    free_count_ = static_cast<u16>(free_count_ + length_[head]);
    length_[head] = 0;
    in_flight_--;
    taken_++;
    result = {head, element.length};
    return true;
}

}  // namespace pith
