// SPDX-License-Identifier: MIT
// Connecting within the zone, and listeners.
#include <algorithm>

#include "lib/os/clock.hpp"
#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/inet/tcp_end.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

u32 hash_of(const InetAddress& from, const InetAddress& to) {
    u32 hash = 2166136261u;
    const auto mix = [&](u32 byte) { hash = (hash ^ byte) * 16777619u; };
    for (const InetAddress* address : {&from, &to}) {
        for (const u8 byte : address->bytes) mix(byte);
        mix(address->port & 255u);
        mix(address->port >> 8);
    }
    return hash ^ hash >> 16;
}

}  // namespace

void TcpEnd::connect(const InetAddress& to, Route route) {
    binding.remote = to;
    state = TcpState::syn_sent;
    if (to.port == 0) return receive_reset();
    if (route == Route::stack) connect_stack();
    else connect_loopback();
}

void TcpEnd::connect_loopback() {
    Binding* const found = network.tcp.find(remote(), local(), true, hash_of(local(), remote()));
    if (found == nullptr) return receive_reset();
    TcpEnd& listener = *static_cast<TcpEnd*>(found->holder);
    if (heap_low()) return fail(Errno::ENOBUFS);
    // What finds no room is not answered, and comes again.
    if (listener.listener_->full()) {
        waits_at_ = &listener;
        listener.listener_->waiting.push_back(this);
        return;
    }
    listener.admit(*this);
}

Ref<TcpEnd> TcpEnd::make_accepted(const InetAddress& to, const InetAddress& from) {
    auto end = Ref<TcpEnd>::make(network, family);
    end->state = TcpState::established;
    end->tcp = tcp;
    end->tcp.defer_accept = 0;
    end->send_buffer = send_buffer;
    end->receive_buffer = receive_buffer;
    end->keep_alive = keep_alive;
    end->port_chosen = false;
    end->binding.remote = from;
    end->binding.v6_only = binding.v6_only;
    end->binding.reuse_address = binding.reuse_address;
    end->binding.reuse_port = binding.reuse_port;
    end->binding.uid = binding.uid;
    network.tcp.enter(end->binding, to);
    return end;
}

void TcpEnd::admit(TcpEnd& client) {
    const Ref<TcpEnd> accepted = make_accepted(client.remote(), client.local());
    accepted->peer_ = Ref<TcpEnd>(&client);
    client.peer_ = accepted;
    client.state = TcpState::established;
    client.set_capacity();
    accepted->set_capacity();
    offer(accepted);
    client.wake(kPollOut | kPollWriteNormal);
}

SysResult<> TcpEnd::listen(u32 backlog) {
    if (listener_) {
        listener_->backlog = backlog;
        if (listener_->net)
            listener_->net->change([=](Net::ClientHalf& half) { half.backlog = backlog + 1; });
        return {};
    }
    PITH_CHECK(network.tcp.set_listening(binding, true));
    listener_ = std::make_unique<Listener>(*this);
    listener_->backlog = backlog;
    state = TcpState::listening;
    receive_shutdown = send_shutdown = false;
    make_stack_listener();
    return {};
}

Ref<TcpEnd> TcpEnd::take_accepted() {
    Ref<TcpEnd> accepted = std::move(listener_->queue.front());
    listener_->queue.pop_front();
    admit_waiting();
    return accepted;
}

void TcpEnd::admit_waiting() {
    while (!listener_->waiting.empty() && !listener_->full()) {
        TcpEnd& client = *listener_->waiting.front();
        listener_->waiting.pop_front();
        client.waits_at_ = nullptr;
        admit(client);
    }
}

void TcpEnd::offer(const Ref<TcpEnd>& end) {
    if (tcp.defer_accept == 0) {
        listener_->queue.push_back(end);
        readers.wake(kPollIn | kPollReadNormal);
        return;
    }
    end->deferred_at_ = this;
    const Time patience = static_cast<Time>(tries_to_seconds(tcp.defer_accept)) * kSecond;
    listener_->deferred.push_back({end, network.zone.now() + patience});
    if (!listener_->alarm.armed()) listener_->alarm.arm(listener_->deferred.front().until);
}

void TcpEnd::stop_deferring(bool dropped) {
    TcpEnd* const listener = std::exchange(deferred_at_, nullptr);
    if (listener == nullptr) return;
    const Ref<TcpEnd> self(this);
    Listener& at = *listener->listener_;
    std::erase_if(at.deferred, [this](const Listener::Deferred& entry) { return entry.end.get() == this; });
    if (dropped) return listener->admit_waiting();
    at.queue.push_back(self);
    listener->readers.wake(kPollIn | kPollReadNormal);
}

void TcpEnd::Listener::expired(Timer& timer) {
    Listener& self = static_cast<Alarm&>(timer).listener;
    const Time time = self.end.network.zone.now();
    while (!self.deferred.empty() && self.deferred.front().until <= time)
        Ref<TcpEnd>(self.deferred.front().end)->stop_deferring();
    if (!self.deferred.empty()) self.alarm.arm(self.deferred.front().until);
}

void TcpEnd::leave_waiting() {
    if (waits_at_ == nullptr) return;
    std::erase(waits_at_->listener_->waiting, this);
    waits_at_ = nullptr;
}

void TcpEnd::stop_listening() {
    const std::unique_ptr<Listener> ended = std::move(listener_);
    state = TcpState::closed;
    static_cast<void>(network.tcp.set_listening(binding, false));
    if (std::exchange(ended->net, nullptr) && local().family != 0) {
        // Of several that share the port one is the stack's; another follows it.
        Binding* next = nullptr;
        network.tcp.for_port(local().port, [&](Binding& other) {
            if (other.listening && other.holder != this) next = &other;
        });
        if (next != nullptr) static_cast<TcpEnd*>(next->holder)->make_stack_listener();
    }
    for (TcpEnd* client : ended->waiting) client->waits_at_ = nullptr;
    for (const Listener::Deferred& entry : ended->deferred) {
        entry.end->deferred_at_ = nullptr;
        ended->queue.push_back(entry.end);
    }
    for (const Ref<TcpEnd>& accepted : ended->queue) accepted->close(true);
    const std::deque<TcpEnd*> waiting = std::move(ended->waiting);
    std::vector<Ref<TcpEnd>> kept;
    for (TcpEnd* client : waiting) kept.emplace_back(client);
    // Another listener of the port may take them, as it would take what they send again.
    for (const Ref<TcpEnd>& client : kept)
        if (client->state == TcpState::syn_sent) client->connect_loopback();
    readers.wake_all(kPollIn | kPollHangUp);
}

}  // namespace pith::lx
