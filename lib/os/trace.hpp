// SPDX-License-Identifier: MIT
// A component's trace ring: the last records of what it did, of a type of its own, with the time of each. In
// static storage, so that a debugger finds it by name in a dead component's memory. In a system that
// is traced, records that have a name (NamedRecord) go to the kernel's trace as well, where `./pith trace` shows them.
#pragma once

#include <concepts>
#include <string_view>

#include "lib/os/clock.hpp"
#include "lib/os/start_info.hpp"

namespace pith {

/// Puts an event in the kernel's trace, at the cost of a system call. Of the name the first 8 characters count.
inline void trace_mark(std::string_view name, u64 value = 0) {
    u64 word = 0;
    __builtin_memcpy(&word, name.data(), name.size() < sizeof(word) ? name.size() : sizeof(word));
    invoke(abi::Syscall::trace_mark, 0, word, value);
}

/// A record that says what it is called and which of its numbers matters most.
template <typename Record>
concept NamedRecord = requires(const Record& record) {
    { record.trace_name() } -> std::convertible_to<std::string_view>;
    { record.trace_value() } -> std::convertible_to<u64>;
};

template <typename Record, usize kSize = 64>
class TraceRing {
    static_assert((kSize & (kSize - 1)) == 0);

  public:
    struct Entry {
        abi::Time time;
        Record record;
    };
    void add(const Record& record) {
        entries_[next_++ & (kSize - 1)] = {now(), record};
        if constexpr (NamedRecord<Record>) {
            if ((start_info().flags & kStartTraced) != 0)
                trace_mark(record.trace_name(), record.trace_value());
        }
    }
    /// How many were ever added.
    u64 count() const { return next_; }
    /// The one with that number; valid for the last kSize.
    const Entry& operator[](u64 number) const { return entries_[number & (kSize - 1)]; }

  private:
    Entry entries_[kSize] = {};
    u64 next_ = 0;
};

}  // namespace pith
