// SPDX-License-Identifier: MIT
#include "servers/fs/memory/service.hpp"

namespace pith::memory_fs {

Service::Service(EventLoop& loop, Store& store, Handle<Memory> link, std::span<u8> mapped)
    : loop_(loop),
      bit_(loop.allocate_signal_bit()),
      link_(std::move(link)),
      mapped_(mapped),
      session_(*this, store, mapped.subspan(kWindowOffset, kWindowSize)) {
    loop.on_signal(bit_, [this](u64) { serve(); });
}

void Service::serve() {
    if (!queue_.attached()) return;
    Fs::Submission request;
    u32 turn = 0;
    while (turn < kTurn && queue_.take(request)) {
        session_.carry_out(request);
        turn++;
    }
    if (turn != 0) queue_.notify();
    if (turn == kTurn) static_cast<void>(loop_.signal().notify(bit_));
}

/// A client that has no room for it is its own misfortune.
void Service::complete(const Fs::Completion& completion) {
    static_cast<void>(queue_.complete(completion));
    trace_.add({Event::completed, completion.committed});
}

void Service::handle(const Fs::Open& request, Request<Fs::Open> call) {
    auto signal = call.handles().take<Signal>(0);
    if (!signal.ok()) return call.fail(signal.error());
    if (request.mount != 0) return call.fail(Error::not_found);
    const u32 client = call.badge().client();
    if (client != client_ && queue_.peer_alive()) return call.fail(Error::occupied);
    client_ = client;
    trace_.add({Event::opened, request.session});
    session_.open(request.session);
    std::memset(mapped_.data(), 0, sizeof(QueueHeader));
    const auto attached = queue_.attach(mapped_.data(), kWindowOffset, Fs::kEntries, std::move(*signal),
                                        request.bits);
    if (!attached.ok()) return call.fail(attached.error());
    queue_.resume();
    call.reply({start_info().generation + 1, bit_, kWindowOffset, kWindowSize},
               HandleList()
                   .add(link_, rights(abi::MemoryRight::read, abi::MemoryRight::write) | kCopyRight)
                   .add(loop_.signal(), rights(abi::SignalRight::notify) | kCopyRight));
}

}  // namespace pith::memory_fs
