// SPDX-License-Identifier: MIT
// A ring of records of different lengths in a given area, which may hold an earlier life's: what is
// consistent is kept. Positions count bytes for ever; a record never wraps (a filler takes the rest of the
// area). The order of writes keeps the area consistent at every moment: `first` moves before its record is
// overwritten, `next` when one is complete.
#pragma once

#include <span>
#include <string_view>

#include "lib/base/result.hpp"
#include "protocol/log.hpp"

namespace pith::log {

/// What stands before each record's text.
struct RecordHeader {
    u32 size;      ///< bytes with this header, a multiple of 8
    u32 severity;  ///< Severity; kFiller: skip it
    u64 sequence;
    u64 time;
    u32 component;
    u32 length;  ///< of the text
};
static_assert(sizeof(RecordHeader) == 32);
inline constexpr u32 kFiller = 0xffff'ffff;

class Ring {
  public:
    /// Takes `area` over. Its size is at least 4 KiB.
    void open(std::span<u8> area);
    /// Appends a record; gives its sequence number.
    u64 append(Severity severity, u32 component, u64 time, std::string_view text);
    /// The first record whose number is at least `sequence`; nullptr: none. Valid until the next append.
    const RecordHeader* find(u64 sequence);
    static std::string_view text_of(const RecordHeader& record) {
        return {reinterpret_cast<const char*>(&record + 1), record.length};
    }
    u64 next_sequence() const { return control_->sequence; }

  private:
    struct Control {
        u64 magic;
        u64 first;     ///< position of the oldest record
        u64 next;      ///< position after the newest
        u64 sequence;  ///< of the next record
    };
    RecordHeader* at(u64 position) { return reinterpret_cast<RecordHeader*>(data_ + position % capacity_); }
    bool consistent();
    void make_room(u64 size);

    Control* control_ = nullptr;
    u8* data_ = nullptr;
    u64 capacity_ = 0;
    u64 last_position_ = 0;  // a reader mostly wants the record after the one that it got
    u64 last_sequence_ = 0;
};

}  // namespace pith::log
