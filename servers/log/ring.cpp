// SPDX-License-Identifier: MIT
// The ring's arithmetic.
#include "servers/log/ring.hpp"

#include <atomic>
#include <cstring>

namespace pith::log {

namespace {

constexpr u64 kMagic = 0x3130'474f'4c50'0001;

/// Keeps the compiler from moving writes across: a successor sees them in this order.
void barrier() { std::atomic_signal_fence(std::memory_order_seq_cst); }

}  // namespace

void Ring::open(std::span<u8> area) {
    control_ = reinterpret_cast<Control*>(area.data());
    data_ = area.data() + sizeof(Control);
    capacity_ = (area.size() - sizeof(Control)) & ~u64{7};
    if (!consistent()) *control_ = Control{kMagic, 0, 0, 1};
    last_position_ = control_->first;
    last_sequence_ = 0;
}

bool Ring::consistent() {
    const Control& c = *control_;
    if (c.magic != kMagic || c.next < c.first || c.next - c.first > capacity_ || c.first % 8 != 0 ||
        c.sequence == 0)
        return false;
    u64 sequence = 0;
    for (u64 position = c.first; position < c.next;) {
        const u64 left = capacity_ - position % capacity_;
        const RecordHeader& record = *at(position);
        if (left < sizeof(u64) || record.size < 8 || record.size % 8 != 0 || record.size > left) return false;
        if (record.size >= sizeof(RecordHeader) && record.severity != kFiller) {
            if (record.length > record.size - sizeof(RecordHeader) || record.sequence <= sequence ||
                record.sequence >= c.sequence)
                return false;
            sequence = record.sequence;
        } else if (record.severity != kFiller) {
            return false;
        }
        position += record.size;
        if (position > c.next) return false;
    }
    return true;
}

void Ring::make_room(u64 size) {
    while (control_->next + size - control_->first > capacity_) {
        const u64 position = control_->first;
        control_->first = position + at(position)->size;
        if (last_position_ < control_->first) last_position_ = control_->first, last_sequence_ = 0;
    }
    barrier();
}

u64 Ring::append(Severity severity, u32 component, u64 time, std::string_view text) {
    const u64 size = (sizeof(RecordHeader) + text.size() + 7) & ~u64{7};
    const u64 left = capacity_ - control_->next % capacity_;
    if (left < size) {
        make_room(left);
        RecordHeader* filler = at(control_->next);
        filler->size = static_cast<u32>(left);
        filler->severity = kFiller;
        barrier();
        control_->next += left;
    }
    make_room(size);
    const u64 sequence = control_->sequence;
    RecordHeader* record = at(control_->next);
    *record = {static_cast<u32>(size),       static_cast<u32>(severity), sequence, time, component,
               static_cast<u32>(text.size())};
    std::memcpy(record + 1, text.data(), text.size());
    // The number first: a record whose number is not below it would be inconsistent.
    control_->sequence = sequence + 1;
    barrier();
    control_->next += size;
    return sequence;
}

const RecordHeader* Ring::find(u64 sequence) {
    u64 position = last_sequence_ != 0 && sequence >= last_sequence_ ? last_position_ : control_->first;
    while (position < control_->next) {
        const RecordHeader* record = at(position);
        if (record->severity != kFiller && record->sequence >= sequence) {
            last_position_ = position;
            last_sequence_ = record->sequence;
            return record;
        }
        position += record->size;
    }
    return nullptr;
}

}  // namespace pith::log
