// SPDX-License-Identifier: MIT
// Queue: a submission and completion ring in shared Memory, with a Signal each way. The client submits, the
// server completes, in any order; what an entry means is their protocol's business. The other side is
// distrusted: its index is copied once and checked, an entry is copied before it is looked at, and one's own
// indices are kept in private memory. A peer that breaks the ring gets Error::protocol from then on.
//
// Resuming: a client keeps what is not completed; after the server's rebirth it calls `reset` and submits
// that again. Layout of the Memory: QueueHeader, submissions, completions.
#pragma once

#include <atomic>
#include <cstring>

#include "lib/os/handle.hpp"
#include "lib/os/mapping.hpp"

namespace pith {

struct QueueHeader {
    u32 magic;
    u32 entries;                  ///< of each ring; a power of two
    alignas(64) u32 submit_tail;  ///< written by the client
    u32 complete_head;
    alignas(64) u32 submit_head;  ///< written by the server
    u32 complete_tail;
};
static_assert(sizeof(QueueHeader) == 192);
inline constexpr u32 kQueueMagic = 0x51545031;

/// Bytes of a Queue's Memory.
template <typename S, typename C>
constexpr usize queue_size(u32 entries) {
    return sizeof(QueueHeader) + entries * (sizeof(S) + sizeof(C));
}

namespace detail {

/// Copies what a peer may change at any time: what is looked at is the copy, whatever the compiler makes of it.
inline void copy_once(void* to, const void* from, usize size) {
    std::memcpy(to, from, size);
    asm volatile("" ::: "memory");
}

/// What both sides share: where things are, and indices with the right ordering.
template <typename S, typename C>
class QueueSide {
    static_assert(std::is_trivially_copyable_v<S> && std::is_trivially_copyable_v<C>);

  public:
    QueueSide() = default;
    /// `area`: the mapped Memory, `size` its bytes; `signal`: of the other side (right notify).
    Result<> attach(void* area, usize size, u32 entries, Handle<Signal> signal, u64 bits) {
        if (entries == 0 || (entries & (entries - 1)) != 0 || entries > 65536 ||
            queue_size<S, C>(entries) > size)
            return Error::invalid;
        header_ = static_cast<QueueHeader*>(area);
        submissions_ = reinterpret_cast<S*>(header_ + 1);
        completions_ = reinterpret_cast<C*>(submissions_ + entries);
        entries_ = entries;
        peer_ = std::move(signal);
        bits_ = bits;
        broken_ = false;
        return {};
    }
    bool attached() const { return header_ != nullptr; }
    /// The peer broke the ring's rules.
    bool broken() const { return broken_; }
    /// The other side's Signal is still there: it goes when its owner dies.
    bool peer_alive() const { return peer_.valid() && peer_.info().ok(); }
    /// Tells the other side to look.
    void notify() const { static_cast<void>(peer_.notify(bits_)); }

  protected:
    static u32 load(u32& index) { return std::atomic_ref(index).load(std::memory_order_acquire); }
    static void store(u32& index, u32 value) {
        std::atomic_ref(index).store(value, std::memory_order_release);
    }
    u32 slot(u32 index) const { return index & (entries_ - 1); }
    /// The peer's index `theirs`, as far ahead of `ours`; sets broken if that cannot be.
    u32 distance(u32 theirs, u32 ours) {
        const u32 ahead = theirs - ours;
        if (ahead > entries_) broken_ = true;
        return broken_ ? 0 : ahead;
    }
    QueueHeader* header_ = nullptr;
    S* submissions_ = nullptr;
    C* completions_ = nullptr;
    u32 entries_ = 0;
    u64 bits_ = 0;
    bool broken_ = false;
    Handle<Signal> peer_;
};

}  // namespace detail

/// The client's side.
template <typename S, typename C>
class QueueClient : public detail::QueueSide<S, C> {
    using Base = detail::QueueSide<S, C>;

  public:
    /// Makes the ring empty: at the beginning, and after the server's rebirth.
    void reset() {
        *this->header_ = QueueHeader{kQueueMagic, this->entries_, 0, 0, 0, 0};
        submitted_ = completed_ = 0;
        this->broken_ = false;
    }
    /// Enters a request. would_block: the ring, or the room for completions, is full. Call `notify` after a
    /// batch.
    Result<> submit(const S& entry) {
        PITH_CHECK(enter(entry));
        publish();
        return {};
    }
    /// The same, but the server sees it after `publish`, with all that was entered before.
    Result<> enter(const S& entry) {
        const u32 used = this->distance(submitted_, Base::load(this->header_->submit_head));
        if (this->broken_) return Error::protocol;
        if (used == this->entries_ || submitted_ - completed_ == this->entries_) return Error::would_block;
        std::memcpy(&this->submissions_[this->slot(submitted_)], &entry, sizeof(S));
        ++submitted_;
        return {};
    }
    void publish() { Base::store(this->header_->submit_tail, submitted_); }
    /// Takes a completion; false: there is none.
    bool poll(C& entry) {
        if (!take(entry)) return false;
        settle();
        return true;
    }
    /// The same, but the server does not see that it was taken before `settle`: whoever dies in between has not taken it.
    bool take(C& entry) {
        if (this->distance(Base::load(this->header_->complete_tail), completed_) == 0) return false;
        if (submitted_ == completed_) {
            this->broken_ = true;  // more completions than requests
            return false;
        }
        detail::copy_once(&entry, &this->completions_[this->slot(completed_)], sizeof(C));
        ++completed_;
        return true;
    }
    void settle() { Base::store(this->header_->complete_head, completed_); }
    u32 outstanding() const { return submitted_ - completed_; }
    /// Of these: entries that the server has not taken, by what it says.
    u32 untaken() { return this->distance(submitted_, Base::load(this->header_->submit_head)); }

  private:
    u32 submitted_ = 0;
    u32 completed_ = 0;
};

/// The server's side.
template <typename S, typename C>
class QueueServer : public detail::QueueSide<S, C> {
    using Base = detail::QueueSide<S, C>;

  public:
    /// Starts where the rings are: right after `attach` (a reborn server goes on; what its predecessor had
    /// taken is submitted again by the client).
    void resume() {
        taken_ = Base::load(this->header_->submit_head);
        answered_ = Base::load(this->header_->complete_tail);
    }
    /// Takes a request, copied; false: there is none.
    bool take(S& entry) {
        if (this->distance(Base::load(this->header_->submit_tail), taken_) == 0) return false;
        detail::copy_once(&entry, &this->submissions_[this->slot(taken_)], sizeof(S));
        Base::store(this->header_->submit_head, ++taken_);
        return true;
    }
    /// Enters a completion. would_block: the client does not take them (its own fault: it has room for as
    /// many as it submits).
    Result<> complete(const C& entry) {
        const u32 used = this->distance(answered_, Base::load(this->header_->complete_head));
        if (this->broken_) return Error::protocol;
        if (used == this->entries_) return Error::would_block;
        std::memcpy(&this->completions_[this->slot(answered_)], &entry, sizeof(C));
        Base::store(this->header_->complete_tail, ++answered_);
        return {};
    }

  private:
    u32 taken_ = 0;
    u32 answered_ = 0;
};

}  // namespace pith
