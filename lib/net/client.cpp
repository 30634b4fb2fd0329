// SPDX-License-Identifier: MIT
// Opening, and opening again.
#include "lib/net/client.hpp"

#include <algorithm>

#include "lib/os/clock.hpp"
#include "lib/os/violation.hpp"

namespace pith {

NetClient::NetClient(Client<Net> server, u64 session) : server_(std::move(server)), session_(session) {
    sockets.wants_notify = [this] { gathered_.notify(); };
    static_cast<void>(spawn(teller()));
}

Task<void> NetClient::teller() {
    for (;;) {
        co_await gathered_.wait();
        gathered_.reset();
        if (waiting()) continue;
        if (patient && patient()) delay_.arm((now() / kMostDelay + 1) * kMostDelay);
        else settle();
    }
}

void NetClient::tell() {
    delay_.cancel();
    settle();
}

Result<> NetClient::open(const Handle<Signal>& signal, u64 bits, abi::Time deadline) {
    signal_ = &signal;
    bits_ = bits;
    const Result<> opened = try_open(deadline);
    lost_ = !opened.ok();
    if (lost_ && opened.error() != Error::occupied) watch_.arm(now() + kLookInterval);
    return opened;
}

Result<> NetClient::try_open(abi::Time deadline) {
    HandleList handles;
    handles.add(*signal_, rights(abi::SignalRight::notify));
    ReceivedHandles received;
    const auto reply = PITH_TRY(server_.call(Net::Open{session_, bits_}, handles, received, deadline));
    Handle<Memory> link = PITH_TRY(received.take<Memory>(0));
    Handle<Signal> peer = PITH_TRY(received.take<Signal>(1));
    Mapping mapping = PITH_TRY(Mapping::create(link, 0, Net::kLinkSize));
    peer_ = std::move(peer);
    peer_bits_ = reply.bits;
    // The old mapping goes when nothing points into it any more.
    sockets.attach(mapping.bytes());
    std::swap(mapping_, mapping);
    link_ = std::move(link);
    if (std::exchange(lost_, false) && returned) returned();
    settle();
    return {};
}

void NetClient::reopen() {
    sockets.detach();
    const Result<> opened = try_open(now() + kPatience);
    if (opened.ok()) {
        silences_ = 0;
        return;
    }
    if (opened.error() == Error::held_down && !std::exchange(lost_, true)) sockets.fail_all();
    // More and more rarely, so that a stack that never answers does not cost its client all the time.
    watch_.arm(now() + (kLookInterval / 4 << silences_));
    silences_ = std::min(silences_ + 1, kMostSilences);
}

void NetClient::settle() {
    if (!sockets.attached()) return;
    if (sockets.take_broken()) {
        report_violation(server_.endpoint(), "a broken link");
        watch_.arm(now() + kLookInterval / 16);
        sockets.detach();
        return;
    }
    if (sockets.take_notify()) static_cast<void>(peer_.notify(peer_bits_));
}

void NetClient::look() {
    sockets.serve();
    tell();
}

void NetClient::watch() {
    if (!sockets.attached()) reopen();
}

void NetClient::reborn() {
    if (signal_ == nullptr || (sockets.attached() && server_alive())) return;
    silences_ = 0;
    reopen();
}

}  // namespace pith
