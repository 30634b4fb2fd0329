// SPDX-License-Identifier: MIT
// BlockClient: one disk of a driver (protocol/block.hpp), for coroutines of an event loop:
//
//   BlockClient disk(driver, 0);
//   PITH_CHECK(disk.open(loop.signal(), bit, now() + 10 * kSecond));   // `bit`: disk.look() is called when it comes
//   loop.on_signal(kSignalReborn, [&](u64) { disk.reborn(); });
//   Result<> done = co_await disk.read(sector, bytes);
//
// Any number of callers; more than the ring or the window holds wait their turn. read and write copy and split; who wants
// neither takes a place and transfers to and from it. Several disks can share a Signal bit.
//
// The driver may die at any time: a caller sees a pause. What was not answered is submitted again to the next one. And
// a flush that was answered covers every write that was answered before it was submitted, also when the driver died in
// between: a driver keeps no data of its own, so what it completed is on the device or in the device's own cache, which a
// reset of the device (all that a new driver does to it) does not empty; and a flush is answered only when a driver, old or
// new, has had the device empty it after that. A write that was not answered may have been done, and may be done again:
// programs can't tell, as they have not been told that it was done.
//
// A driver that breaks the protocol costs the requests under way a new try, a few of them Error::protocol; one that is
// held down has requests fail (held_down) until it is started again. The calls to it have a deadline: the caller's event
// loop stands still for kPatience at a time, and more and more rarely.
#pragma once

#include "lib/block/requests.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/task.hpp"

namespace pith {

class BlockClient {
  public:
    /// `window`: bytes of window to wish for; 0: as the driver likes.
    BlockClient(const Client<Block>& driver, u64 index, u64 window = 0)
        : driver_(driver), index_(index), wish_(window) {}
    BlockClient(const BlockClient&) = delete;
    BlockClient& operator=(const BlockClient&) = delete;

    /// Opens the disk, waiting for the driver until `deadline` at most. `signal` (the event loop's) gets `bits` when there is something
    /// to look at. not_found: the driver has no disk of that number; io: it does not work; no_slot: it has as many other
    /// clients as it can; timed_out, held_down;
    /// died_answering(): kSignalReborn comes, if it was that, and then it can be opened.
    Result<> open(const Handle<Signal>& signal, u64 bits, abi::Time deadline);
    /// What an Open looks like whose driver died while it answered: the Signal that it sent is gone, or it sent none.
    /// From a driver that breaks the protocol it can't be told.
    static bool died_answering(Error error) { return error == Error::protocol; }
    /// The bits have come.
    void look();
    /// A supplier of this component's was started again, perhaps this driver: if so, opens the disk again.
    void reborn();

    /// What the disk has done for all its clients. Waits for the driver until `deadline`, not for the disk.
    Result<Block::Statistics::Reply> statistics(abi::Time deadline) const {
        return driver_.call(Block::Statistics{index_}, deadline);
    }

    u64 sectors() const { return requests_.sectors(); }
    bool read_only() const { return requests_.read_only(); }
    /// Sectors that are read and written together: a transfer begins and ends with a multiple.
    u32 granularity() const { return requests_.granularity(); }
    /// Bytes of the largest place.
    u64 place_size() const { return requests_.place_size(); }
    /// Sectors of the largest request.
    u32 max_sectors() const { return requests_.max_sectors(); }

    /// `co_await disk.place(bytes)`: Result<BlockPlace>. invalid: more than place_size().
    class PlaceOperation;
    PlaceOperation place(u64 bytes);
    /// `co_await disk.transfer(operation, sector, sectors, place)`: Result<>, from or to the start of the place. Errors: invalid
    /// (outside the disk or the place, too large), access (a write to a disk that may only be read), io, held_down, protocol.
    class Transfer;
    Transfer transfer(Block::Operation operation, u64 sector, u32 sectors, const BlockPlace& place);
    Transfer flush();

    /// The same for who is no coroutine: they say by `done` when they are answered, perhaps at once. The driver is told of them by submit().
    void add(BlockPlaceRequest& request) { requests_.add(request); }
    void add(BlockRequest& request) { requests_.add(request); }
    void submit() { settle(); }

    /// Whole sectors of any number; to write, whole granules (invalid). After an error any part may have been read or written.
    Task<Result<>> read(u64 sector, std::span<u8> to);
    Task<Result<>> write(u64 sector, std::span<const u8> from);

  private:
    static constexpr abi::Time kPatience = 50'000'000;
    /// Answers that look as if the driver died, until it is taken for one that breaks the protocol.
    static constexpr u32 kMaxOpens = 8;
    /// kSignalReborn tells of a driver that has been started again; of one that is held down nothing does, so it is looked at.
    static constexpr abi::Time kLookInterval = 1'000'000'000;
    static constexpr u32 kMostSilences = 5;
    struct Watch : Timer {
        explicit Watch(BlockClient& of) : Timer(&expired), client(of) {}
        static void expired(Timer& timer) { static_cast<Watch&>(timer).client.watch(); }
        BlockClient& client;
    };
    /// The driver is there: its Signal, which is of its run Pool, has not gone with it.
    bool driver_alive() const { return peer_.valid() && peer_.info().ok(); }
    Result<> try_open(abi::Time deadline);
    /// Opens again; later, if there is no answer now.
    void reopen();
    /// Tells the driver of what was submitted; opens again if it has broken the rules.
    void settle();
    void watch();

    const Client<Block>& driver_;
    u64 index_;
    u64 wish_;
    const Handle<Signal>* signal_ = nullptr;
    u64 bits_ = 0;
    Handle<Memory> link_;
    Mapping mapping_;
    Handle<Signal> peer_;
    u64 peer_bits_ = 0;
    BlockRequests requests_;
    Watch watch_{*this};
    abi::Time broken_at_ = 0;  ///< when the driver broke the rules last
    u32 bad_opens_ = 0;        ///< answers to Open that could not be used, in a row
    u32 silences_ = 0;         ///< times in a row that it did not answer Open
};

/// Awaitable: a place in the window.
class BlockClient::PlaceOperation : private BlockPlaceRequest {
  public:
    PlaceOperation(BlockClient& client, u64 bytes) : BlockPlaceRequest(&arrived, bytes), client_(client) {}
    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> coroutine) {
        client_.requests_.add(*this);
        if (answered_) return false;
        waiter_.coroutine = coroutine;
        suspended_ = true;
        return true;
    }
    Result<BlockPlace> await_resume() {
        if (error != Error::ok) return error;
        return std::move(place);
    }

  private:
    static void arrived(BlockPlaceRequest& request) {
        auto& self = static_cast<PlaceOperation&>(request);
        self.answered_ = true;
        if (self.suspended_) make_ready(self.waiter_);
    }
    BlockClient& client_;
    Waiter waiter_;
    bool answered_ = false;
    bool suspended_ = false;
};

/// Awaitable: a request.
class BlockClient::Transfer : private BlockRequest {
  public:
    Transfer(BlockClient& client, Block::Operation what, u64 first_sector, u32 count, const BlockPlace* where)
        : BlockRequest(&answered, what, first_sector, count, where), client_(client) {}
    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> coroutine) {
        waiter_.coroutine = coroutine;
        client_.requests_.add(*this);
        if (done_) return false;
        suspended_ = true;
        client_.settle();
        return true;
    }
    Result<> await_resume() const { return as_result(error); }

  private:
    static void answered(BlockRequest& request) {
        auto& self = static_cast<Transfer&>(request);
        self.done_ = true;
        if (self.suspended_) make_ready(self.waiter_);
    }
    BlockClient& client_;
    Waiter waiter_;
    bool done_ = false;
    bool suspended_ = false;
};

inline BlockClient::PlaceOperation BlockClient::place(u64 bytes) { return {*this, bytes}; }
inline BlockClient::Transfer BlockClient::transfer(Block::Operation operation, u64 sector, u32 sectors,
                                                   const BlockPlace& place) {
    return {*this, operation, sector, sectors, &place};
}
inline BlockClient::Transfer BlockClient::flush() { return {*this, Block::Operation::flush, 0, 0, nullptr}; }

}  // namespace pith
