// SPDX-License-Identifier: MIT
// Image: the store's memory, which outlives the server, and the undo log through which it is changed: the old content of a word is in the log before the
// word is overwritten, and the log is emptied by one store, which is the moment at which a change is done. So who comes after a death at any
// instruction finds either all of a change, or the log that takes it back.
//
// Not everything goes through the log: pages that nothing refers to yet, and the bytes of a file that are overwritten, are
// written as they are (`write`, `zero`).
#pragma once

#include <span>

#include "abi/types.hpp"
#include "lib/base/result.hpp"
#include "servers/fs/memory/store/layout.hpp"

namespace pith::memory_fs {

class Image {
  public:
    /// Is called before each store to the memory. For tests: it can throw.
    struct Hook {
        void (*before)(void*) = nullptr;
        void* context = nullptr;
    };
    /// `memory`: whole pages, kMinPages at least.
    Image(std::span<u8> memory, Hook hook) : memory_(memory), hook_(hook) {}

    u64 pages() const { return memory_.size() / kPage; }
    const Super& super() const { return *reinterpret_cast<const Super*>(memory_.data()); }
    /// `offset` is inside: who got it from the memory has checked it.
    template <typename T>
    const T& at(u64 offset) const {
        return *reinterpret_cast<const T*>(memory_.data() + offset);
    }
    std::span<const u8> bytes(u64 offset, u64 size) const { return memory_.subspan(offset, size); }

    /// Overwrites words, so that it can be undone.
    void put(u64 offset, const void* from, usize size);
    void set(u64 offset, u64 value);
    void set32(u64 offset, u32 value);
    /// Overwrites a word for good.
    void store(u64 offset, u64 value);
    void write(u64 offset, std::span<const u8> from);
    void zero(u64 offset, u64 size);

    /// What was put is done.
    void finish();
    /// What was put is undone. io: the log is broken; nothing is undone then.
    Result<> undo();
    /// There was no room in the log: what was put is not all there, and has to be undone.
    bool overflowed() const { return overflowed_; }

  private:
    struct Entry {
        u32 word;
        u32 check;
        u64 old;
    };
    static_assert(sizeof(Entry) == 16 && kLogEntries * sizeof(Entry) == kLogPages * kPage);
    static u32 check(u32 word, u64 old, u64 index);
    static constexpr u64 entry(u64 index) { return kLogPage * kPage + index * sizeof(Entry); }
    void before() const {
        if (hook_.before != nullptr) hook_.before(hook_.context);
    }

    const std::span<u8> memory_;
    const Hook hook_;
    bool overflowed_ = false;
};

}  // namespace pith::memory_fs
