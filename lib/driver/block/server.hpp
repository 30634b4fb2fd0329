// SPDX-License-Identifier: MIT
// DiskServer: one disk as protocol/block.hpp has it, over a DiskDevice: its clients, known by their badges, their links, and
// when the device has to be reset. What becomes of requests: requests.hpp.
//
// A client that opens again is answered when the device is done with what it had under way; other clients notice nothing. A
// driver keeps nothing but whose each link is and what it has counted, in preserved Memory (DiskKept): its successor gives each client its
// own, and counts on.
#pragma once

#include <optional>

#include "lib/driver/block/requests.hpp"
#include "lib/driver/pci.hpp"
#include "lib/os/patience.hpp"
#include "lib/os/trace.hpp"

namespace pith {

/// What a disk's driver keeps of it for its next life. All zero at the first start.
struct DiskKept {
    u64 badges[Block::kMaxClients];  ///< of the clients, in the order of their links; 0: nobody's
    Block::Counts counts;
};

/// Where a disk's links come from.
class DiskLinks {
  public:
    /// Memory that the device can move data in, the same for the same number, also after a restart. `size` 0: as it was;
    /// not_found: it never was. no_space, no_memory.
    virtual Result<DmaMemory> link(u32 number, u64 size) = 0;

  protected:
    DiskLinks() = default;
    ~DiskLinks() = default;
};

class DiskServer {
  public:
    struct Setup {
        u32 index;  ///< the disk's
        u64 submitted_bit;  ///< of the loop's Signal: a client has submitted something. Whoever handles it calls `serve`
        abi::Time patience;  ///< after so long of the host's time without an answer the device is reset
        u64 first_window;    ///< bytes, for the first client if it has no wish
    };
    DiskServer(DiskDevice& device, DiskLinks& links, EventLoop& loop, DiskKept& kept, const Setup& setup);
    DiskServer(const DiskServer&) = delete;
    DiskServer& operator=(const DiskServer&) = delete;

    void open(const Block::Open& request, Request<Block::Open> call);
    void tell_statistics(Request<Block::Statistics> call) const { call.reply(requests_.statistics()); }
    /// Takes what the clients have submitted; tells them, and the device, what is new. After all the others.
    void serve();
    bool works() const { return requests_.works(); }
    /// The device is done with the request of a slot.
    void finish(u32 slot, Error error) { requests_.finish(slot, error); }
    /// The device has lost its way.
    void recover() { requests_.recover(); }
    /// It may have.
    void look();

  private:
    static constexpr u64 kWindowOffset = DiskRequests::kWindowOffset;
    static constexpr u64 kLeastWindow = u64{64} << 10;  ///< also of further clients that have no wish
    static constexpr u64 kMostWindow = u64{1} << 20;
    static constexpr abi::Time kLookInterval = kSecond;

    /// Who waits for what is under way.
    struct Opening {
        Request<Block::Open> call;
        Handle<Signal> signal;
        u64 bits;
    };
    struct Watch : Timer {
        explicit Watch(DiskServer& server)
            : Timer([](Timer& timer) { static_cast<Watch&>(timer).self.watch(); }), self(server) {}
        DiskServer& self;
    };

    Result<u32> client_of(u64 badge, u64 wish);
    Result<> get_link(u32 client, u64 wish);
    void answer(u32 client, Opening opening);
    void arm();
    void watch();

    DiskLinks& links_;
    EventLoop& loop_;
    DiskKept& kept_;
    const Setup setup_;
    DmaMemory memory_[Block::kMaxClients];
    std::optional<Opening> openings_[Block::kMaxClients];
    DiskRequests requests_;
    Watch watch_{*this};
    u64 finished_ = 0;      ///< requests_.finished(), as it was
    HostDeadline overdue_;  ///< when that should have changed
    TraceRing<DiskRecord> trace_;
};

}  // namespace pith
