// SPDX-License-Identifier: MIT
#include "drivers/net/virtio_net/frame_queue.hpp"

#include <cstring>
#include <utility>

namespace pith::virtio_net {

Result<> FrameQueue::attach(u8* memory, u64 address, u16 size, Direction direction, bool indirect) {
    if (size < 2 || size > kMaxSize || (size & (size - 1)) != 0 || reinterpret_cast<u64>(memory) % 16 != 0)
        return Error::invalid;
    std::memset(memory, 0, kBytes);
    size_ = size;
    mask_ = static_cast<u16>(size - 1);
    shift_ = indirect ? 0 : 1;
    frames_ = free_count_ = static_cast<u16>(size >> shift_);
    added_ = published_ = taken_ = 0;
    receives_ = direction == Direction::receive;
    broken_ = false;
    interrupts_ = true;
    auto* descriptors = reinterpret_cast<Descriptor*>(memory);
    pairs_ = indirect ? reinterpret_cast<Descriptor*>(memory + kTables) : descriptors;
    available_ = reinterpret_cast<u16*>(memory + Virtqueue::available_offset(size));
    used_ = reinterpret_cast<u16*>(memory + Virtqueue::used_offset(size));
    headers_ = memory + kHeaders;
    const u16 write = receives_ ? kFlagWrite : u16{0};
    for (u16 i = 0; i < frames_; i++) {
        pairs_[2 * i] = {address + kHeaders + i * kHeaderStride, kHeaderSize,
                         static_cast<u16>(kFlagNext | write), static_cast<u16>(indirect ? 1 : 2 * i + 1)};
        pairs_[2 * i + 1] = {0, 0, write, 0};
        if (indirect)
            descriptors[i] = {address + kTables + i * 2 * sizeof(Descriptor), 2 * sizeof(Descriptor),
                              kFlagIndirect, 0};
        free_[frames_ - 1 - i] = i;
        slots_[i] = {};
    }
    return {};
}

bool FrameQueue::publish() {
    if (published_ == added_) return false;
    published_ = added_;
    store(available_[1], added_);
    // The device looks at the index after it has said that it wants to be told, and we the other way round.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return (load(used_[0]) & kNoNotify) == 0;
}

bool FrameQueue::take(Done& done) {
    if (broken_) return false;
    const u16 ahead = static_cast<u16>(load(used_[1]) - taken_);
    if (ahead == 0) return false;
    if (ahead > under_way()) return fail();
    u32 element[2];  // number and length
    std::memcpy(element, reinterpret_cast<const u8*>(used_) + 4 + 8 * (taken_ & mask_), sizeof(element));
    const u32 slot = element[0] >> shift_;
    if (slot >= frames_ || slot << shift_ != element[0]) return fail();
    Frame& frame = slots_[slot];
    if (frame.length == 0) return fail();
    done.written = 0;
    if (receives_) {
        if (element[1] < kHeaderSize || element[1] - kHeaderSize > frame.length) return fail();
        done.written = element[1] - kHeaderSize;
        done.flags = *static_cast<volatile u8*>(headers_ + slot * kHeaderStride);
    }
    done.frame = frame;
    frame.length = 0;
    free_[free_count_++] = static_cast<u16>(slot);
    taken_++;
    return true;
}

u16 FrameQueue::done_since(std::span<u8> memory, const Position& position) {
    const u16 size = position.size;
    if (memory.size() < kBytes || size < 2 || size > kMaxSize || (size & (size - 1)) != 0) return 0;
    u16 index;
    std::memcpy(&index, &memory[Virtqueue::used_offset(size) + 2], sizeof(index));
    const u16 count = static_cast<u16>(index - position.taken);
    return count <= size ? count : u16{0};
}

bool FrameQueue::find_received(std::span<u8> memory, const Position& position, u16 index, Found& found) {
    if (index >= done_since(memory, position)) return false;
    const u32 shift = position.indirect != 0 ? 0 : 1;
    const u32 at = (position.taken + index) & (position.size - 1u);
    u32 element[2];  // number and length
    std::memcpy(element, &memory[Virtqueue::used_offset(position.size) + 4 + 8 * at], sizeof(element));
    const u32 slot = element[0] >> shift;
    if (slot >= position.size >> shift || slot << shift != element[0]) return false;
    Descriptor room;
    const u64 pairs = position.indirect != 0 ? kTables : 0;
    std::memcpy(&room, &memory[pairs + (2 * slot + 1) * sizeof(Descriptor)], sizeof(room));
    if (element[1] < kHeaderSize || element[1] - kHeaderSize > room.length) return false;
    found = {room.address, room.length, element[1] - kHeaderSize, memory[kHeaders + slot * kHeaderStride]};
    return true;
}

void FrameQueue::set_interrupts(bool on) {
    if (std::exchange(interrupts_, on) == on) return;
    store(available_[0], on ? 0 : kNoInterrupt);
    if (on) std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace pith::virtio_net
