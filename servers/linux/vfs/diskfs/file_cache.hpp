// SPDX-License-Identifier: MIT
// FileCache: the pages of one file that are in memory. It knows what is there, what is dirty, what is being fetched; who moves bytes is
// DiskFile. Nothing here waits.
#pragma once

#include <map>
#include <memory>

#include "servers/linux/page_source.hpp"
#include "servers/linux/vfs/diskfs/page_cache.hpp"

namespace pith::lx {

/// Pages that lie together.
struct PageRun {
    u64 first = 0;
    u64 count = 0;
};

class FileCache {
  public:
    FileCache(PageCache& cache, FrameAllocator& frames) : cache_(cache), frames_(frames) {}
    FileCache(const FileCache&) = delete;
    FileCache& operator=(const FileCache&) = delete;
    ~FileCache() { drop(0, ~u64{0}); }

    /// kNoFrame: it is not there.
    FrameNumber find(u64 index) {
        CacheChunk* chunk = look(index);
        if (chunk == nullptr) return kNoFrame;
        chunk->used = true;
        return chunk->frames[index % kChunkPages];
    }
    bool present(u64 index) { return find(index) != kNoFrame; }
    bool reading(u64 index) const { return has(index, &CacheChunk::reading); }
    bool dirty(u64 index) const { return has(index, &CacheChunk::dirty); }
    bool mapped_dirty(u64 index) const { return has(index, &CacheChunk::mapped); }

    /// A page that comes in; unless there is one already.
    void put(u64 index, FrameRef frame);
    /// A page that is there gets newer than the disk's; `mapped`: and programs can write to it without being asked. True: it was not dirty.
    bool set_dirty(u64 index, bool mapped);
    /// The first run of dirty pages in [first, last), of at most `most`; count 0: there is none.
    PageRun dirty_run(u64 first, u64 last, u64 most) const;
    /// They are about to be written; programs that have them mapped for writing fault again, which makes them dirty again.
    void clean(const PageRun& run);
    /// They have been written.
    void set_backed(const PageRun& run);
    /// The first run in [first, last) of pages that are neither there nor being fetched, of at most `most`.
    PageRun missing_run(u64 first, u64 last, u64 most) const;
    void set_reading(const PageRun& run, bool reading);
    /// Forgets [first, last), dirty or not.
    void drop(u64 first, u64 last);
    /// Bytes [from, to) have become a hole on the disk: their pages go, of the first and the last one a part is zeroed.
    void punch(u64 from, u64 to);
    /// Zeroes the page from `from` on, if it is there.
    void zero_tail(u64 index, u32 from);
    /// Lets go of the chunk's pages that are clean and that nobody else has; frames given back. May delete the chunk.
    u64 reclaim(CacheChunk& chunk, bool mapped);

    u64 pages() const { return pages_; }
    u64 dirty_pages() const { return dirty_; }
    u64 promised_pages() const { return promised_; }
    /// Told of promised_pages() as they change.
    u64* promised_sum = nullptr;
    /// The mappings of the pages; null: there are none.
    PageSource* mapping = nullptr;

  private:
    CacheChunk* look(u64 index) {
        const u64 key = index / kChunkPages;
        if (last_ != nullptr && last_key_ == key) return last_;
        const auto at = chunks_.find(key);
        if (at == chunks_.end()) return nullptr;
        last_key_ = key;
        return last_ = at->second.get();
    }
    bool has(u64 index, u16 CacheChunk::* bits) const {
        const auto at = chunks_.find(index / kChunkPages);
        return at != chunks_.end() && (at->second.get()->*bits >> index % kChunkPages & 1) != 0;
    }
    CacheChunk& chunk(u64 index);
    void zero(u64 index, u64 from, u64 to);
    void drop_page(CacheChunk& chunk, u32 at);
    void set_clean(CacheChunk& chunk, u16 bits);
    void delete_if_empty(CacheChunk& chunk);

    PageCache& cache_;
    FrameAllocator& frames_;
    std::map<u64, std::unique_ptr<CacheChunk>> chunks_;  ///< by page / kChunkPages
    u64 last_key_ = 0;
    CacheChunk* last_ = nullptr;
    u64 pages_ = 0;
    u64 dirty_ = 0;
    u64 promised_ = 0;
};

}  // namespace pith::lx
