// SPDX-License-Identifier: MIT
#include "servers/linux/frames.hpp"

#include <string.h>

#include <algorithm>

#include "abi/memory.hpp"
#include "lib/os/handle.hpp"
#include "lib/os/heartbeat.hpp"

namespace pith::lx {

namespace {

/// Smallest chunk worth having when the quota is nearly used up.
constexpr u32 kSmallestChunk = 16;
constexpr u64 kReclaimBatch = 64;

/// What takes or gives back a lot of memory for one program may keep the event loop from its heartbeat.
void note_work() {
    constexpr u32 kFrames = 4096;
    static constinit u32 work = 0;
    if (++work % kFrames == 0) [[unlikely]]
        answer_heartbeat();
}

void clear_page(void* page) {
    u64 count = kPageSize / 8;
    asm volatile("rep stosq" : "+D"(page), "+c"(count) : "a"(u64{0}) : "memory");
}

}  // namespace

SysResult<> FrameAllocator::append(HandleIndex memory, u64 offset, u32 frames, bool foreign, u32 rights) {
    const u64 address = kFrameWindow + u64{chunks_.size()} * kChunkFrames * kPageSize;
    buffer_as<abi::MapRange>() = {address, memory, rights, offset, u64{frames} * kPageSize};
    const SyscallResult result = invoke(abi::Syscall::space_map, space_, 1);
    if (result.error != Error::ok) {
        invoke(abi::Syscall::space_unmap, space_, address, u64{frames} * kPageSize);
        return to_errno(result.error);
    }
    chunks_.push_back({memory, offset, foreign, std::vector<Record>(frames)});
    return {};
}

SysResult<> FrameAllocator::grow(u64 keep) {
    if (chunks_.empty()) chunks_.push_back({0, 0, true, std::vector<Record>(1)});  // frame 0 is none
    if (invoke(abi::Syscall::pool_info, pool_).error != Error::ok) return Errno::ENOMEM;
    const auto info = buffer_as<abi::PoolInfo>();
    const u64 left = info.limit - info.used;
    if (left < std::max(reserve_, keep) + kSmallestChunk) return Errno::ENOMEM;
    // A chunk costs its index and the page tables that map it too.
    const u32 frames = static_cast<u32>(std::min<u64>(kChunkFrames, (left - reserve_) & ~u64{7}));
    const SyscallResult made = invoke(abi::Syscall::memory_create, pool_, u64{frames} * kPageSize, 0);
    if (made.error != Error::ok) return Errno::ENOMEM;
    const auto memory = static_cast<HandleIndex>(made.r0);
    const auto first = static_cast<FrameNumber>(chunks_.size() * kChunkFrames);
    if (auto done = append(memory, 0, frames, false, abi::kMapRead | abi::kMapWrite); !done.ok()) {
        static_cast<void>(Handle<Memory>(memory).destroy());
        return Errno::ENOMEM;
    }
    fresh_next_ = first;
    fresh_end_ = first + frames;
    free_frames_ += frames;
    own_frames_ += frames;
    return {};
}

SysResult<FrameRef> FrameAllocator::allocate(bool zeroed, u64 keep) {
    if (free_list_ == kNoFrame && fresh_next_ == fresh_end_ && !grow(keep).ok()) {
        if (reclaimer_ == nullptr || reclaimer_->reclaim(kReclaimBatch, false) == 0) return Errno::ENOMEM;
    }
    FrameNumber frame = free_list_;
    // Frames that were used before come first, so that memory which nobody needs stays with the Pool.
    if (frame != kNoFrame) {
        free_list_ = record(frame).next_free;
        if (zeroed) clear_page(data(frame));
    } else {
        if (fresh_next_ == fresh_end_) return Errno::ENOMEM;
        frame = fresh_next_++;
    }
    note_work();
    --free_frames_;
    record(frame).references = 1;
    return FrameRef::adopt(*this, frame);
}

SysResult<FrameNumber> FrameAllocator::adopt_memory(HandleIndex memory, u64 length) {
    if (chunks_.empty()) chunks_.push_back({0, 0, true, std::vector<Record>(1)});
    const auto first = static_cast<FrameNumber>(chunks_.size() * kChunkFrames);
    for (u64 offset = 0; offset < length; offset += u64{kChunkFrames} * kPageSize) {
        const u64 rest = std::min<u64>(length - offset, u64{kChunkFrames} * kPageSize);
        const auto frames = static_cast<u32>((rest + kPageSize - 1) / kPageSize);
        PITH_CHECK(append(memory, offset, frames, true, abi::kMapRead));
        for (Record& record : chunks_.back().records) record.references = 1;  // never free
    }
    return first;
}

SysResult<FrameRef> FrameAllocator::zero_frame() {
    if (zero_frame_ == kNoFrame) zero_frame_ = PITH_TRY(allocate()).release();
    return FrameRef(*this, zero_frame_);
}

void FrameAllocator::drop(FrameNumber frame) {
    Record& entry = record(frame);
    if (--entry.references != 0) return;
    note_work();
    entry.next_free = free_list_;
    free_list_ = frame;
    ++free_frames_;
}

u64 FrameAllocator::total() const {
    if (invoke(abi::Syscall::pool_info, pool_).error != Error::ok) return own_frames_;
    return buffer_as<abi::PoolInfo>().limit;
}

u64 FrameAllocator::free() const {
    if (invoke(abi::Syscall::pool_info, pool_).error != Error::ok) return free_frames_;
    const auto info = buffer_as<abi::PoolInfo>();
    const u64 left = info.limit - info.used;
    return free_frames_ + (left > reserve_ ? left - reserve_ : 0);
}

}  // namespace pith::lx
