// SPDX-License-Identifier: MIT
// A component's trace ring: the last records of what it did, of a type of its own, with the time of each. In
// static storage, so that a debugger finds it by name in a dead component's memory.
#pragma once

#include "lib/os/clock.hpp"

namespace pith {

template <typename Record, usize kSize = 64>
class TraceRing {
    static_assert((kSize & (kSize - 1)) == 0);

  public:
    struct Entry {
        abi::Time time;
        Record record;
    };
    void add(const Record& record) { entries_[next_++ & (kSize - 1)] = {now(), record}; }
    /// How many were ever added.
    u64 count() const { return next_; }
    /// The one with that number; valid for the last kSize.
    const Entry& operator[](u64 number) const { return entries_[number & (kSize - 1)]; }

  private:
    Entry entries_[kSize] = {};
    u64 next_ = 0;
};

}  // namespace pith
