// SPDX-License-Identifier: MIT
#include "servers/linux/vfs/diskfs/page_cache.hpp"

#include <algorithm>

#include "servers/linux/heap_guard.hpp"
#include "servers/linux/vfs/diskfs/file_cache.hpp"
#include "servers/linux/vfs/diskfs/mounts.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

/// Parts of all memory: what may be dirty, and what the cache leaves to the kernel's objects and to programs that grow.
constexpr u64 kDirtyShare = 8, kKeptShare = 16;
constexpr u64 kBatch = 64;

}  // namespace

bool CacheChunk::empty() const {
    return std::ranges::all_of(frames, [](FrameNumber frame) { return frame == kNoFrame; });
}

PageCache::PageCache(Zone& zone) : zone_(zone) { zone.frames.set_reclaimer(this); }

void PageCache::add(CacheChunk& chunk) {
    chunk.older = newest_;
    chunk.newer = nullptr;
    (newest_ != nullptr ? newest_->newer : oldest_) = &chunk;
    newest_ = &chunk;
    ++chunks_;
}

void PageCache::remove(CacheChunk& chunk) {
    (chunk.newer != nullptr ? chunk.newer->older : newest_) = chunk.older;
    (chunk.older != nullptr ? chunk.older->newer : oldest_) = chunk.newer;
    --chunks_;
}

SysResult<FrameRef> PageCache::allocate(bool zeroed) {
    if (heap_low() && reclaim(kBatch, false) == 0) return Errno::ENOMEM;
    return zone_.frames.allocate(zeroed, zone_.frames.total() / kKeptShare);
}

u64 PageCache::dirty_limit() const { return std::max<u64>(zone_.frames.total() / kDirtyShare, kBatch); }

/// One pass from the oldest on. `used`: also what was used since the last one.
u64 PageCache::sweep(u64 frames, bool mapped, bool used) {
    u64 done = 0;
    CacheChunk* chunk = oldest_;
    for (u64 left = chunks_; left > 0 && chunk != nullptr && done < frames; --left) {
        CacheChunk* const next = chunk->newer;
        if (chunk->used && !used) {
            chunk->used = false;
            remove(*chunk);
            add(*chunk);
        } else {
            done += chunk->file.reclaim(*chunk, mapped);
        }
        chunk = next;
    }
    return done;
}

u64 PageCache::reclaim(u64 frames, bool mapped) {
    u64 done = sweep(frames, false, false);
    if (done < frames) done += sweep(frames - done, false, true);
    if (done < frames && mapped) done += sweep(frames - done, true, true);
    return done;
}

bool PageCache::relieve() {
    if (dirty + unsettled == 0 || zone_.vfs == nullptr || !zone_.vfs->file_servers) return false;
    return zone_.vfs->file_servers->start_writing();
}

}  // namespace pith::lx
