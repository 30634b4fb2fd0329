// SPDX-License-Identifier: MIT
// Pages for the tables that remapping hardware reads: by their physical addresses, out of a few contiguous pieces of
// memory. Which are in use nobody writes down: a successor finds it out by walking the tables (`mark`). What is here
// is tested on the host.
#pragma once

#include <atomic>
#include <cstring>

#include "abi/types.hpp"
#include "lib/base/result.hpp"

namespace pith::devices {

class TablePages {
  public:
    static constexpr u32 kChunkPages = 16;
    static constexpr u64 kChunkSize = kChunkPages * abi::kPageSize;
    static constexpr u32 kMaxChunks = 8;
    static constexpr u32 kPageEntries = abi::kPageSize / sizeof(u64);

    /// kChunkSize bytes, contiguous, that are mapped. False: there is no room for more.
    bool add(u64 physical, void* mapped) {
        if (count_ == kMaxChunks) return false;
        chunks_[count_++] = {physical, static_cast<u8*>(mapped), 0};
        return true;
    }
    u32 chunks() const { return count_; }
    /// The hardware doesn't see what is in the CPU's caches (ECAP.C is 0; VT-d 3.0, 6.8).
    void write_back_caches(bool needed) { write_back_ = needed; }

    /// A page that holds zeros: its physical address. no_memory: all are in use.
    Result<u64> allocate() {
        for (u32 c = 0; c < count_; c++) {
            Chunk& chunk = chunks_[c];
            const u32 number = static_cast<u32>(__builtin_ctz(~chunk.used | u32{1} << kChunkPages));
            if (number == kChunkPages) continue;
            chunk.used |= u32{1} << number;
            u8* page = chunk.mapped + number * abi::kPageSize;
            std::memset(page, 0, abi::kPageSize);
            write_back(page, abi::kPageSize);
            return chunk.physical + number * abi::kPageSize;
        }
        return Error::no_memory;
    }
    /// Pages that are not in use.
    u32 left() const {
        u32 free = 0;
        for (u32 c = 0; c < count_; c++)
            free += kChunkPages - static_cast<u32>(__builtin_popcount(chunks_[c].used));
        return free;
    }
    /// What is in a page, as words; nullptr: it isn't one of ours.
    u64* words(u64 physical) const {
        u32 number = 0;
        const Chunk* chunk = find(physical, number);
        return chunk == nullptr ? nullptr : reinterpret_cast<u64*>(chunk->mapped + number * abi::kPageSize);
    }
    /// A page that is in use is found. False: it is none of ours, or was found before.
    bool mark(u64 physical) {
        u32 number = 0;
        auto* chunk = const_cast<Chunk*>(find(physical, number));
        if (chunk == nullptr || (chunk->used >> number & 1) != 0) return false;
        chunk->used |= u32{1} << number;
        return true;
    }
    /// None is in use.
    void unmark_all() {
        for (u32 c = 0; c < count_; c++) chunks_[c].used = 0;
    }
    /// Writes an entry that hardware may read at any time.
    void store(u64& entry, u64 value) const {
        std::atomic_ref(entry).store(value, std::memory_order_release);
        write_back(&entry, sizeof(entry));
    }
    void write_back(const void* first, u64 size) const {
        if (!write_back_) return;
        constexpr u64 kLine = 64;
        const u64 begin = reinterpret_cast<u64>(first);
        for (u64 at = begin & ~(kLine - 1); at < begin + size; at += kLine)
            asm volatile("clflush %0" : : "m"(*reinterpret_cast<const volatile u8*>(at)) : "memory");
        asm volatile("mfence" : : : "memory");
    }

  private:
    struct Chunk {
        u64 physical;
        u8* mapped;
        u32 used;  // a bit a page
    };
    const Chunk* find(u64 physical, u32& number) const {
        if (physical % abi::kPageSize != 0) return nullptr;
        for (u32 c = 0; c < count_; c++) {
            const Chunk& chunk = chunks_[c];
            if (physical < chunk.physical || physical - chunk.physical >= kChunkSize) continue;
            number = static_cast<u32>((physical - chunk.physical) / abi::kPageSize);
            return &chunk;
        }
        return nullptr;
    }
    Chunk chunks_[kMaxChunks];
    u32 count_ = 0;
    bool write_back_ = false;
};

}  // namespace pith::devices
