// SPDX-License-Identifier: MIT
// The zone's physical memory. Frames come in chunks, each a kernel Memory that is mapped in the server's own Space:
// frame n is at kFrameWindow + n * 4096 there, in chunk n / kChunkFrames. The boot bundle's pages are frames too
// (read only, never freed), so that files in it are mapped without a copy. A frame has a count of references: a
// page table entry, a page cache slot and a FrameRef each hold one; at 0 it is free again.
#pragma once

#include <utility>
#include <vector>

#include "servers/linux/errno.hpp"

namespace pith::lx {

using abi::HandleIndex;
using abi::kPageSize;
using FrameNumber = u32;
inline constexpr FrameNumber kNoFrame = 0;
inline constexpr u64
    kFrameWindow = 0x0000'7000'0000'0000;  ///< server address of frame 0 (which does not exist)
inline constexpr u32 kChunkFrames = 512;   ///< 2 MiB

class FrameAllocator;

/// One counted reference to a frame.
class FrameRef {
  public:
    FrameRef() = default;
    FrameRef(FrameAllocator& allocator, FrameNumber frame);  ///< takes a new reference
    FrameRef(const FrameRef& other);
    FrameRef(FrameRef&& other) noexcept
        : allocator_(other.allocator_), frame_(std::exchange(other.frame_, kNoFrame)) {}
    FrameRef& operator=(FrameRef other) noexcept {
        std::swap(allocator_, other.allocator_);
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~FrameRef();
    /// Takes over a reference that somebody holds already.
    static FrameRef adopt(FrameAllocator& allocator, FrameNumber frame);
    /// Gives the reference to the caller, who has to drop it in the end.
    FrameNumber release() { return std::exchange(frame_, kNoFrame); }
    FrameNumber number() const { return frame_; }
    explicit operator bool() const { return frame_ != kNoFrame; }
    /// The 4096 bytes of the page. A bundle frame must not be written.
    u8* data() const { return reinterpret_cast<u8*>(kFrameWindow + u64{frame_} * kPageSize); }

  private:
    FrameAllocator* allocator_ = nullptr;
    FrameNumber frame_ = kNoFrame;
};

/// Holds frames only to save work (a page cache), and gives them back when they are needed.
class FrameReclaimer {
  public:
    /// Lets go of about `frames` of them, those that are used least; how many. With `mapped` also those that programs have mapped: only
    /// where no mapping is being prepared.
    virtual u64 reclaim(u64 frames, bool mapped) = 0;
    /// How many could be given back.
    virtual u64 reclaimable() const = 0;

  protected:
    ~FrameReclaimer() = default;
};

class FrameAllocator {
  public:
    /// Where the kernel finds a frame: for space_map.
    struct Place {
        HandleIndex memory;
        u64 offset;
    };

    FrameAllocator(HandleIndex pool, HandleIndex space) : pool_(pool), space_(space) {}
    HandleIndex pool() const { return pool_; }
    FrameAllocator(const FrameAllocator&) = delete;
    FrameAllocator& operator=(const FrameAllocator&) = delete;

    /// A frame of zeros, or one with any content (of this zone's own). When the quota is used up but for `keep` pages, frames are
    /// reclaimed that nobody has mapped. ENOMEM: there are none.
    SysResult<FrameRef> allocate(bool zeroed = true, u64 keep = 0);
    void set_reclaimer(FrameReclaimer* reclaimer) { reclaimer_ = reclaimer; }
    FrameReclaimer* reclaimer() const { return reclaimer_; }
    /// Makes the pages of a foreign Memory (the bundle) into frames; returns the first. They are read only and
    /// live for ever. `length` in bytes.
    SysResult<FrameNumber> adopt_memory(HandleIndex memory, u64 length);

    /// The page of zeros, which is never written: for reads of fresh memory.
    SysResult<FrameRef> zero_frame();

    void take(FrameNumber frame) { ++record(frame).references; }
    void drop(FrameNumber frame);
    u32 references(FrameNumber frame) const { return record(frame).references; }
    /// A bundle frame: never to be written or handed out anew.
    bool foreign(FrameNumber frame) const { return chunks_[frame / kChunkFrames].foreign; }
    Place place(FrameNumber frame) const {
        const Chunk& chunk = chunks_[frame / kChunkFrames];
        return {chunk.memory, chunk.offset + u64{frame % kChunkFrames} * kPageSize};
    }
    static u8* data(FrameNumber frame) {
        return reinterpret_cast<u8*>(kFrameWindow + u64{frame} * kPageSize);
    }

    /// Pages that programs and files can get in all, and how many of them are free (now, in the quota).
    u64 total() const;
    u64 free() const;
    /// Frames at hand without asking the kernel.
    u64 at_hand() const { return free_frames_; }
    /// Pages kept back from users, so that the server itself can go on at the limit.
    void set_reserve(u64 pages) { reserve_ = pages; }

  private:
    struct Record {
        u32 references = 0;
        FrameNumber next_free = kNoFrame;
    };
    struct Chunk {
        HandleIndex memory = 0;
        u64 offset = 0;
        bool foreign = false;
        std::vector<Record> records;
    };
    Record& record(FrameNumber frame) { return chunks_[frame / kChunkFrames].records[frame % kChunkFrames]; }
    const Record& record(FrameNumber frame) const {
        return chunks_[frame / kChunkFrames].records[frame % kChunkFrames];
    }
    SysResult<> grow(u64 keep);
    SysResult<> append(HandleIndex memory, u64 offset, u32 frames, bool foreign, u32 rights);

    HandleIndex pool_;
    HandleIndex space_;
    FrameReclaimer* reclaimer_ = nullptr;
    std::vector<Chunk> chunks_;
    FrameNumber free_list_ = kNoFrame;   ///< used before: to be zeroed
    FrameNumber fresh_next_ = kNoFrame;  ///< of the newest chunk: never used, zero
    FrameNumber fresh_end_ = kNoFrame;
    u64 free_frames_ = 0;  ///< in both
    u64 own_frames_ = 0;   ///< in all chunks that are not foreign
    u64 reserve_ = 64;
    FrameNumber zero_frame_ = kNoFrame;
};

inline FrameRef::FrameRef(FrameAllocator& allocator, FrameNumber frame)
    : allocator_(&allocator), frame_(frame) {
    if (frame_ != kNoFrame) allocator.take(frame_);
}
inline FrameRef::FrameRef(const FrameRef& other) : allocator_(other.allocator_), frame_(other.frame_) {
    if (frame_ != kNoFrame) allocator_->take(frame_);
}
inline FrameRef::~FrameRef() {
    if (frame_ != kNoFrame) allocator_->drop(frame_);
}
inline FrameRef FrameRef::adopt(FrameAllocator& allocator, FrameNumber frame) {
    FrameRef reference;
    reference.allocator_ = &allocator;
    reference.frame_ = frame;
    return reference;
}

}  // namespace pith::lx
