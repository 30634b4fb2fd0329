// SPDX-License-Identifier: MIT
// BlockRequests: the requests to one disk, from where their callers make them to where they are answered: those that
// wait their turn, those that are under way, and the places in the window. It makes no system call (client.hpp does),
// so that it can be tested on the host.
//
// A request is kept until it is answered. When the link is opened anew (`attach`), whatever was under way is submitted
// again, in its order. The driver is distrusted: a completion that answers nothing, or a broken ring, closes the link;
// what was under way is submitted again after the next `attach`, and fails with Error::protocol when that has happened
// to it kMaxAttempts times. Waiting is first in, first out, for places and for the ring alike, so that nobody starves.
#pragma once

#include <span>
#include <utility>

#include "lib/base/list.hpp"
#include "lib/block/window.hpp"
#include "lib/os/queue.hpp"
#include "protocol/block.hpp"

namespace pith {

class BlockRequests;

/// A run of the window, in the hands of one caller; given back with it (or, if a request on it is still under way then,
/// when that is answered). Who holds one must not wait for another: there may be none left.
class BlockPlace {
  public:
    BlockPlace() = default;
    BlockPlace(BlockPlace&& other) noexcept;
    BlockPlace& operator=(BlockPlace&& other) noexcept;
    ~BlockPlace() { reset(); }
    bool valid() const { return owner_ != nullptr; }
    u64 size() const { return u64{count_} * BlockWindow::kUnit; }
    /// Its bytes, until the next wait: the link may be mapped elsewhere after it. They are shared with the driver: what is
    /// read here is to be copied once, and believed no more than the driver is.
    std::span<u8> bytes() const;
    void reset();

  private:
    friend class BlockRequests;
    BlockPlace(BlockRequests& owner, u32 first, u32 count) : owner_(&owner), first_(first), count_(count) {}
    BlockRequests* owner_ = nullptr;
    u32 first_ = 0;
    u32 count_ = 0;
};

/// A request. `done` is called once, when `error` says how it ended; never if it was destroyed before.
class BlockRequest {
  public:
    using Function = void (*)(BlockRequest&);
    BlockRequest(Function function, Block::Operation what, u64 first_sector, u32 count,
                 const BlockPlace* where)
        : done(function), operation(what), sector(first_sector), sectors(count), place(where) {}
    BlockRequest(const BlockRequest&) = delete;
    BlockRequest& operator=(const BlockRequest&) = delete;
    ~BlockRequest();
    Function done;
    Block::Operation operation;
    u64 sector;
    u32 sectors;
    const BlockPlace* place;  ///< null for a flush; it outlives the request
    Error error = Error::ok;

  private:
    friend class BlockRequests;
    ListLink link_;
    BlockRequests* owner_ = nullptr;  ///< while it is under way
    u32 slot_ = 0;
    u32 attempts_ = 0;
};

/// A caller that waits for a place. `done` is called once, when `place` is valid or `error` says why not.
class BlockPlaceRequest {
  public:
    using Function = void (*)(BlockPlaceRequest&);
    BlockPlaceRequest(Function function, u64 bytes) : done(function), size(bytes) {}
    BlockPlaceRequest(const BlockPlaceRequest&) = delete;
    BlockPlaceRequest& operator=(const BlockPlaceRequest&) = delete;
    ~BlockPlaceRequest();
    Function done;
    u64 size;
    BlockPlace place;
    Error error = Error::ok;

  private:
    friend class BlockRequests;
    ListLink link_;
};

class BlockRequests {
  public:
    static constexpr u32 kMaxAttempts = 4;
    static constexpr u64 kMaxPlace = u64{256} << 10;

    BlockRequests() = default;
    BlockRequests(const BlockRequests&) = delete;
    BlockRequests& operator=(const BlockRequests&) = delete;

    /// What Open gave is something to work with. Once a link has been attached, every further one has to be of the same shape:
    /// else it is another disk. protocol.
    Result<> check(const Block::Open::Reply& reply) const;
    /// Works on `link`, checked and mapped, from now on: the ring is reset, what places hold is copied from the old link
    /// (which is still mapped; the same Memory as a rule), and what was not answered is submitted again.
    void attach(std::span<u8> link, const Block::Open::Reply& reply);
    bool attached() const { return open_; }
    /// Nothing is submitted until the next `attach`.
    void detach();
    /// Everything that waits or is under way fails, and so does what comes later, until the next `attach`.
    void fail_all(Error error);

    u64 sectors() const { return shape_.sectors; }
    bool read_only() const { return (shape_.flags & Block::kReadOnly) != 0; }
    /// Sectors that are read and written together.
    u32 granularity() const { return shape_.granularity; }
    /// Bytes of the largest place.
    u64 place_size() const { return u64{place_units_} * BlockWindow::kUnit; }
    /// Sectors of the largest request.
    u32 max_sectors() const { return max_sectors_; }

    void add(BlockRequest& request);
    void add(BlockPlaceRequest& request);
    /// Takes the completions that are there, and submits what there is room for then.
    void serve();
    /// True, once, if something was submitted since the last call: the driver is to be told.
    bool take_submitted() { return std::exchange(submitted_, false); }
    /// True, once, if the driver broke the rules: the link is closed, and has to be opened anew.
    bool take_broken() { return std::exchange(broken_, false); }
    u32 under_way() const { return used_slots_; }
    bool idle() const { return used_slots_ == 0 && waiting_.empty() && places_.empty(); }

  private:
    friend class BlockPlace;
    friend class BlockRequest;
    friend class BlockPlaceRequest;
    using Waiting = List<BlockRequest, &BlockRequest::link_>;
    using Places = List<BlockPlaceRequest, &BlockPlaceRequest::link_>;
    struct Slot {
        u64 id = 0;                       ///< of the submission; 0: free
        BlockRequest* request = nullptr;  ///< null: its caller has gone
        u32 first = 0, count = 0;         ///< its place
        bool frees_place = false;         ///< the place's holder has gone
    };
    void submit_waiting();
    void violated();
    void give_places();
    void give_back(u32 first, u32 count);
    BlockRequest* free_slot(Slot& slot);
    void take_back();
    static void answer(BlockRequest& request, Error error);
    void copy_places(std::span<const u8> from, std::span<u8> to) const;

    QueueClient<Block::Submission, Block::Completion> queue_;
    std::span<u8> window_;
    Block::Open::Reply shape_{};
    BlockWindow units_;
    Waiting waiting_;  ///< not submitted
    Places places_;
    Slot slots_[Block::kEntries];
    u64 submissions_ = 0;  ///< ever made: ids count them
    u32 used_slots_ = 0;
    u32 place_units_ = 0;
    u32 max_sectors_ = 0;
    bool known_ = false;  ///< shape_ is set
    bool open_ = false;
    bool submitted_ = false;
    bool broken_ = false;
    Error failed_ = Error::bad_state;  ///< what new requests fail with; ok: they don't
};

}  // namespace pith
