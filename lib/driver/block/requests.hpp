// SPDX-License-Identifier: MIT
// DiskRequests: the requests to one disk, from its clients' Queues to a DiskDevice and back: checked, taken in turn, answered.
// It makes no system call (server.hpp does), so that it can be tested on the host.
//
// A request is in a slot from when it is taken out of a client's Queue until the device is done with it. Slots are private
// memory: a device that has to be reset is given the same requests again, up to kMaxRecoveries times without a success in
// between; then it is stopped, and everything fails with Error::io until it is started again.
//
// Requests that a client has submitted one behind the other, and that go on where the last one ends, on the disk and in the window,
// are one request to the device (take_along): in the slot of the first, which the others' follow. If it fails, each is submitted alone, one
// after the other: a device may make one of them again (QEMU does).
#pragma once

#include <bit>
#include <optional>

#include "lib/block/counter.hpp"
#include "lib/driver/block/device.hpp"
#include "lib/os/callback.hpp"
#include "lib/os/queue.hpp"

namespace pith {

/// For a driver's trace.
struct DiskRecord {
    enum Kind : u32 { opened = 1, started, completed, recovered } kind;
    u32 a;  ///< client; slot; slot; how often in a row
    u64 b;  ///< sectors; sector; sector; requests under way
    const char* trace_name() const {
        switch (kind) {
            case opened: return "opened";
            case started: return "started";
            case completed: return "done";
            case recovered: return "reset";
        }
        return "?";
    }
    u64 trace_value() const { return b; }
};

/// A client's link as the device and we see it: the Queue, then the window.
struct DiskLink {
    u8* bytes = nullptr;
    u64 address = 0;  ///< the device's
    u64 size = 0;
};

class DiskRequests {
  public:
    static constexpr u64 kWindowOffset = abi::kPageSize;  ///< of a link
    static constexpr u32 kMaxRecoveries = 3;

    using Clock = abi::Time (*)();

    /// Counts on in `counts`.
    DiskRequests(DiskDevice& device, Block::Counts& counts, Clock clock)
        : device_(device), clock_(clock), counter_(counts) {}
    DiskRequests(const DiskRequests&) = delete;
    DiskRequests& operator=(const DiskRequests&) = delete;

    /// Starts the device, if it isn't at work. io: it doesn't; no_memory.
    Result<> start();
    bool works() const { return works_; }
    /// The device says that it has lost its way.
    bool failed() const { return works_ && device_.failed(); }
    const DiskFacts& facts() const { return facts_; }
    /// Sectors of a client's largest request.
    u32 max_sectors(u32 client) const;

    /// Nothing more is taken from the client, and what it has under way isn't answered.
    void detach(u32 client);
    /// The device has nothing of the client's.
    bool idle(u32 client) const { return clients_[client].under_way == 0; }
    /// Serves an idle client through an empty ring in `link` from now on. `signal` gets `bits` when something is answered.
    void attach(u32 client, const DiskLink& link, Handle<Signal> signal, u64 bits);

    /// Takes what the clients have submitted, a request of each in turn; tells the device. False: there was more than is to
    /// be taken at once.
    bool serve();
    /// The device is done with the request of a slot.
    void finish(u32 slot, Error error);
    /// The device has lost its way: it begins anew, with the same requests.
    void recover();
    /// Requests of clients that are under way, and those that the device was ever done with.
    u32 under_way() const { return static_cast<u32>(std::popcount(busy_)); }
    u64 finished() const { return finished_; }
    Block::Statistics::Reply statistics() const { return counter_.report(clock_()); }
    /// True, once, if something was answered to the client since the last call: it is to be told.
    bool take_answered(u32 client) { return std::exchange(clients_[client].answered, false); }
    void notify(u32 client) const { clients_[client].queue.notify(); }

    Callback<void(const DiskRecord&)> trace;

  private:
    static constexpr u32 kSlots = DiskDevice::kSlots;
    static_assert(kSlots == 64);
    struct Client {
        DiskLink link;
        QueueServer<Block::Submission, Block::Completion> queue;
        std::optional<Block::Submission> ahead;  ///< taken out of the Queue to be looked at, and next
        u32 under_way = 0;
        bool attached = false;
        bool answered = false;
        u64 window_size() const { return link.size - kWindowOffset; }
    };
    struct Slot {
        Block::Submission request;
        u32 client;
        u32 sectors;      ///< of the device's request: its own, and those of the slots that follow
        u32 next;         ///< the slot that follows; kNone
        abi::Time since;  ///< when it was taken
    };
    static constexpr u32 kNone = ~u32{0};
    static u64 bit(u32 slot) { return u64{1} << slot; }

    Result<> check(u32 client, const Block::Submission& request) const;
    bool room() const { return !works_ || (~busy_ != 0 && device_.room()); }
    static bool look_ahead(Client& client);
    bool take(Block::Submission& request, u32& client);
    void take_up(u32 client, const Block::Submission& request);
    u32 enter(u32 client, const Block::Submission& request, abi::Time time);
    bool continues(const Slot& first, const Block::Submission& request) const;
    void take_along(u32 slot);
    bool submit(u32 slot);
    void submit_again();
    void part(u32 slot);
    void free(u32 slot, abi::Time time);
    u32 end(u32 slot, Error error, abi::Time time);
    void answer(u32 client, u64 id, Error error);
    void drop_unwanted();
    void give_up();
    void note(const DiskRecord& record) {
        if (trace) trace(record);
    }

    DiskDevice& device_;
    const Clock clock_;
    BlockCounter counter_;
    DiskFacts facts_{};
    bool works_ = false;
    u32 recoveries_ = 0;
    u64 finished_ = 0;
    Client clients_[Block::kMaxClients];
    u32 turn_ = 0;  ///< the client that is asked next
    // Slots, a bit each.
    u64 busy_ = 0;       ///< hold a request
    u64 followers_ = 0;  ///< of these: follow another
    u64 again_ = 0;      ///< of these: wait to be submitted again, alone. The device has the others
    u64 alone_ = 0;      ///< of these: the one that was submitted again, and isn't done
    Slot slots_[kSlots];
};

}  // namespace pith
