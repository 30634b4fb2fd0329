// SPDX-License-Identifier: MIT
// PageCache: the pages that a zone has of files on disks, all of them in the order of their use. They may take all memory that is free, and
// are given back when it is needed. A chunk is a run of 16 pages of one file, and the unit of the order.
#pragma once

#include "lib/os/event_loop.hpp"
#include "servers/linux/frames.hpp"

namespace pith::lx {

class FileCache;
class Zone;

inline constexpr u32 kChunkPages = 16;

struct CacheChunk {
    CacheChunk(FileCache& of, u64 index) : file(of), first(index) {}
    FileCache& file;
    const u64 first;  ///< page of the file
    FrameNumber frames[kChunkPages] = {};
    u16 dirty = 0;     ///< newer than on the disk
    u16 reading = 0;   ///< being fetched
    u16 mapped = 0;    ///< programs may have it mapped for writing
    u16 promised = 0;  ///< dirty, and the disk may have no block for it yet
    u16 backed = 0;    ///< written since it is here: the disk has a block for it
    bool used = true;  ///< since it was looked at last
    CacheChunk* newer = nullptr;
    CacheChunk* older = nullptr;
    bool empty() const;
};

class PageCache : public FrameReclaimer {
  public:
    explicit PageCache(Zone& zone);
    PageCache(const PageCache&) = delete;
    PageCache& operator=(const PageCache&) = delete;

    /// A frame for a page. ENOMEM: nothing can be reclaimed.
    SysResult<FrameRef> allocate(bool zeroed);
    u64 reclaim(u64 frames, bool mapped) override;
    u64 reclaimable() const override { return pages > dirty + unsettled ? pages - dirty - unsettled : 0; }
    /// There is no memory: starts writing back what is dirty. True: some will be free when that is done.
    bool relieve();
    /// Dirty pages above which those who write wait for the disk; and as many may be on their way there.
    u64 dirty_limit() const;
    bool crowded() const { return dirty > dirty_limit() || unsettled > dirty_limit(); }

    void add(CacheChunk& chunk);
    void remove(CacheChunk& chunk);

    u64 pages = 0;      ///< cached
    u64 dirty = 0;      ///< of them: newer than on the disk
    u64 unsettled = 0;  ///< sent to a file server, and not committed by it: they can't be given back

  private:
    u64 sweep(u64 frames, bool mapped, bool used);
    Zone& zone_;
    CacheChunk* newest_ = nullptr;
    CacheChunk* oldest_ = nullptr;
    u64 chunks_ = 0;
};

}  // namespace pith::lx
