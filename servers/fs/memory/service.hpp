// SPDX-License-Identifier: MIT
// The protocol's one method and the client's ring; and what outlives this server besides the store: the link in its keep Pool, with a
// capability to it in its kept CapTable.
#pragma once

#include "lib/base/round.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/queue.hpp"
#include "lib/os/trace.hpp"
#include "servers/fs/memory/session/session.hpp"

namespace pith::memory_fs {

struct Event {
    enum Kind : u32 { opened = 1, completed } kind;
    u64 value;  ///< the session; what is committed
    const char* trace_name() const { return kind == opened ? "opened" : "answer"; }
    u64 trace_value() const { return value; }
};

class Service final : private Session::Port {
  public:
    static constexpr u64 kWindowOffset = round_up(queue_size<Fs::Submission, Fs::Completion>(Fs::kEntries),
                                                  abi::kPageSize);
    static constexpr u64 kWindowSize = u64{1} << 20;
    static constexpr u64 kLinkSize = kWindowOffset + kWindowSize;

    Service(EventLoop& loop, Store& store, Handle<Memory> link, std::span<u8> mapped);
    void handle(const Fs::Open& request, Request<Fs::Open> call);

  private:
    static constexpr u32 kTurn = 64;  ///< requests, until others have their turn

    void serve();
    void complete(const Fs::Completion& completion) override;

    EventLoop& loop_;
    const u64 bit_;
    const Handle<Memory> link_;
    const std::span<u8> mapped_;
    QueueServer<Fs::Submission, Fs::Completion> queue_;
    Session session_;
    u32 client_ = 0;
    TraceRing<Event> trace_;
};

}  // namespace pith::memory_fs
