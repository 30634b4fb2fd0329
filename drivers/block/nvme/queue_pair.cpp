// SPDX-License-Identifier: MIT
#include "drivers/block/nvme/queue_pair.hpp"

#include <atomic>
#include <cstring>

namespace pith::nvme {

void QueuePair::attach(void* submissions, void* completions, u16 size) {
    submissions_ = static_cast<Command*>(submissions);
    completions_ = static_cast<Completion*>(completions);
    size_ = size;
    std::memset(completions, 0, size * sizeof(Completion));
    tail_ = head_ = under_way_ = 0;
    phase_ = 1;
    busy_ = 0;
    broken_ = false;
}

bool QueuePair::add(u32 tag, Command command) {
    if (!room() || tag >= kTags || (busy_ >> tag & 1) != 0) return false;
    command.id = static_cast<u16>(tag | static_cast<u32>(generation_++) * kTags);
    ids_[tag] = command.id;
    busy_ |= u64{1} << tag;
    under_way_++;
    std::memcpy(submissions_ + tail_, &command, sizeof(command));
    tail_ = static_cast<u16>((tail_ + 1) % size_);
    return true;
}

bool QueuePair::take(Done& done) {
    if (broken_) return false;
    Completion* const entry = completions_ + head_;
    // The phase is written last.
    const u16 status = std::atomic_ref(entry->status).load(std::memory_order_acquire);
    if ((status & 1) != phase_) return false;
    const u16 id = std::atomic_ref(entry->id).load(std::memory_order_relaxed);
    const u32 tag = id % kTags;
    if ((busy_ >> tag & 1) == 0 || ids_[tag] != id) return fail();
    done = {tag, static_cast<u16>(status >> 1),
            std::atomic_ref(entry->result).load(std::memory_order_relaxed)};
    busy_ &= ~(u64{1} << tag);
    under_way_--;
    head_ = static_cast<u16>((head_ + 1) % size_);
    if (head_ == 0) phase_ ^= 1;
    return true;
}

}  // namespace pith::nvme
