// SPDX-License-Identifier: MIT
#include "servers/linux/vfs/diskfs/file_cache.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace pith::lx {

namespace {

constexpr u16 bit(u64 index) { return static_cast<u16>(1u << index % kChunkPages); }

/// The bits of [first, last) in the chunk that begins with page `base`.
u16 bits_between(u64 base, u64 first, u64 last) {
    const u64 from = first > base ? std::min<u64>(first - base, kChunkPages) : 0;
    const u64 to = last > base ? std::min<u64>(last - base, kChunkPages) : 0;
    return from < to ? static_cast<u16>(((1u << to) - 1) & ~((1u << from) - 1)) : u16{0};
}

}  // namespace

CacheChunk& FileCache::chunk(u64 index) {
    if (CacheChunk* known = look(index)) return *known;
    const u64 key = index / kChunkPages;
    auto& made = chunks_[key] = std::make_unique<CacheChunk>(*this, key * kChunkPages);
    cache_.add(*made);
    last_key_ = key;
    return *(last_ = made.get());
}

void FileCache::delete_if_empty(CacheChunk& chunk) {
    if (chunk.reading != 0 || !chunk.empty()) return;
    if (last_ == &chunk) last_ = nullptr;
    cache_.remove(chunk);
    chunks_.erase(chunk.first / kChunkPages);
}

void FileCache::put(u64 index, FrameRef frame) {
    CacheChunk& place = chunk(index);
    FrameNumber& slot = place.frames[index % kChunkPages];
    if (slot != kNoFrame) return;
    slot = frame.release();
    place.backed &= static_cast<u16>(~bit(index));
    place.used = true;
    ++pages_;
    ++cache_.pages;
}

bool FileCache::set_dirty(u64 index, bool mapped) {
    CacheChunk& place = *look(index);
    const u16 mask = bit(index);
    if (mapped) place.mapped |= mask;
    if ((place.dirty & mask) != 0) return false;
    place.dirty |= mask;
    ++dirty_;
    ++cache_.dirty;
    if ((place.backed & mask) == 0) {
        place.promised |= mask;
        ++promised_;
        ++*promised_sum;
    }
    return true;
}

void FileCache::set_clean(CacheChunk& chunk, u16 bits) {
    const auto count = static_cast<u64>(std::popcount(static_cast<u16>(chunk.dirty & bits)));
    const auto promises = static_cast<u64>(std::popcount(static_cast<u16>(chunk.promised & bits)));
    chunk.dirty &= static_cast<u16>(~bits);
    chunk.promised &= static_cast<u16>(~bits);
    dirty_ -= count;
    cache_.dirty -= count;
    promised_ -= promises;
    *promised_sum -= promises;
}

PageRun FileCache::dirty_run(u64 first, u64 last, u64 most) const {
    PageRun run;
    for (auto at = chunks_.lower_bound(first / kChunkPages); at != chunks_.end(); ++at) {
        const CacheChunk& place = *at->second;
        if (place.first >= last || (run.count != 0 && place.first != run.first + run.count)) break;
        const u16 bits = place.dirty & bits_between(place.first, first, last);
        for (u64 i = 0; i < kChunkPages; ++i) {
            if ((bits >> i & 1) == 0) {
                if (run.count != 0) return run;
                continue;
            }
            if (run.count == 0) run.first = place.first + i;
            if (++run.count == most) return run;
        }
    }
    return run;
}

void FileCache::clean(const PageRun& run) {
    for (u64 index = run.first; index < run.first + run.count;
         index = (index / kChunkPages + 1) * kChunkPages) {
        CacheChunk* place = look(index);
        if (place == nullptr) continue;
        const u16 bits = bits_between(place->first, run.first, run.first + run.count);
        set_clean(*place, bits);
        const u16 mapped = place->mapped & bits;
        place->mapped &= static_cast<u16>(~bits);
        if (mapping == nullptr) continue;
        for (u32 i = 0; i < kChunkPages; ++i)
            if ((mapped >> i & 1) != 0) mapping->invalidate(place->first + i, 1);
    }
}

void FileCache::set_backed(const PageRun& run) {
    for (u64 index = run.first; index < run.first + run.count;
         index = (index / kChunkPages + 1) * kChunkPages) {
        CacheChunk* place = look(index);
        if (place == nullptr) continue;
        const u16 bits = bits_between(place->first, run.first, run.first + run.count);
        for (u32 i = 0; i < kChunkPages; ++i)
            if ((bits >> i & 1) != 0 && place->frames[i] != kNoFrame) place->backed |= bit(i);
        const auto promises = static_cast<u64>(
            std::popcount(static_cast<u16>(place->promised & place->backed)));
        place->promised &= static_cast<u16>(~place->backed);
        promised_ -= promises;
        *promised_sum -= promises;
    }
}

PageRun FileCache::missing_run(u64 first, u64 last, u64 most) const {
    PageRun run;
    auto at = chunks_.lower_bound(first / kChunkPages);
    for (u64 index = first; index < last && run.count < most; ++index) {
        while (at != chunks_.end() && at->first < index / kChunkPages) ++at;
        bool there = false;
        if (at != chunks_.end() && at->first == index / kChunkPages) {
            const CacheChunk& place = *at->second;
            there = place.frames[index % kChunkPages] != kNoFrame || (place.reading & bit(index)) != 0;
        }
        if (there && run.count != 0) break;
        if (there) continue;
        if (run.count == 0) run.first = index;
        ++run.count;
    }
    return run;
}

void FileCache::set_reading(const PageRun& run, bool reading) {
    for (u64 index = run.first; index < run.first + run.count; ++index) {
        if (reading) {
            chunk(index).reading |= bit(index);
        } else if (CacheChunk* place = look(index)) {
            place->reading &= static_cast<u16>(~bit(index));
            if (index % kChunkPages == kChunkPages - 1 || index + 1 == run.first + run.count)
                delete_if_empty(*place);
        }
    }
}

void FileCache::drop_page(CacheChunk& chunk, u32 at) {
    if (chunk.frames[at] == kNoFrame) return;
    set_clean(chunk, bit(at));
    chunk.mapped &= static_cast<u16>(~bit(at));
    chunk.backed &= static_cast<u16>(~bit(at));
    frames_.drop(std::exchange(chunk.frames[at], kNoFrame));
    --pages_;
    --cache_.pages;
}

void FileCache::drop(u64 first, u64 last) {
    if (mapping != nullptr && last > first) mapping->invalidate(first, last - first);
    for (auto at = chunks_.lower_bound(first / kChunkPages); at != chunks_.end();) {
        CacheChunk& place = *at->second;
        ++at;
        if (place.first >= last) break;
        const u16 bits = bits_between(place.first, first, last);
        for (u32 i = 0; i < kChunkPages; ++i)
            if ((bits >> i & 1) != 0) drop_page(place, i);
        delete_if_empty(place);
    }
}

/// Some of a page's bytes, if it is there.
void FileCache::zero(u64 index, u64 from, u64 to) {
    if (const FrameNumber frame = find(index); frame != kNoFrame && from < to)
        std::memset(FrameAllocator::data(frame) + from, 0, to - from);
}

void FileCache::zero_tail(u64 index, u32 from) {
    if (from != 0) zero(index, from, kPageSize);
}

void FileCache::punch(u64 from, u64 to) {
    const u64 first = (from + kPageSize - 1) / kPageSize, last = to / kPageSize;
    if (first < last) drop(first, last);
    for (const u64 index : {from / kPageSize, last}) {
        const u64 start = index * kPageSize;
        zero(index, std::max(from, start) - start, std::clamp(to, start, start + kPageSize) - start);
        // The disk's blocks may be smaller than a page.
        if (CacheChunk* place = look(index)) place->backed &= static_cast<u16>(~bit(index));
    }
}

u64 FileCache::reclaim(CacheChunk& chunk, bool mapped) {
    u64 done = 0;
    for (u32 i = 0; i < kChunkPages; ++i) {
        const FrameNumber frame = chunk.frames[i];
        if (frame == kNoFrame || ((chunk.dirty | chunk.reading) >> i & 1) != 0) continue;
        if (mapped && mapping != nullptr && frames_.references(frame) > 1)
            mapping->invalidate(chunk.first + i, 1);
        if (frames_.references(frame) != 1) continue;
        drop_page(chunk, i);
        ++done;
    }
    delete_if_empty(chunk);
    return done;
}

}  // namespace pith::lx
