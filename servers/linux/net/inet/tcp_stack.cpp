// SPDX-License-Identifier: MIT
// Connections through the stack: what it tells of them, and listeners that others can reach.
#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/inet/failure.hpp"
#include "servers/linux/net/inet/tcp_end.hpp"

namespace pith::lx {

namespace {

constexpr u32 kIn = kPollIn | kPollReadNormal, kOut = kPollOut | kPollWriteNormal;

u8 flags_of(const TcpOptions& options, bool keep_alive) {
    u8 flags = 0;
    if (options.no_delay) flags |= Net::kNoDelay;
    if (options.cork) flags |= Net::kCork;
    if (keep_alive) flags |= Net::kKeepAlive;
    return flags;
}

u32 limit_of(i32 buffer) { return static_cast<u32>(buffer) < Net::kRingSize ? static_cast<u32>(buffer) : 0; }

}  // namespace

void TcpEnd::connect_stack() {
    if (!network.client || !network.client->sockets.attached()) return fail(Errno::ENETUNREACH);
    NetSockets::Settings settings;
    settings.kind = Net::Kind::stream;
    settings.flags = flags_of(tcp, keep_alive);
    settings.local = local();
    settings.remote = remote();
    settings.receive_limit = limit_of(receive_buffer);
    settings.keep_idle = static_cast<u32>(tcp.keep_idle);
    settings.keep_interval = static_cast<u32>(tcp.keep_interval);
    settings.keep_count = static_cast<u32>(tcp.keep_count);
    settings.user_timeout = static_cast<u32>(tcp.user_timeout);
    net_ = network.client->sockets.make(settings, *this);
    if (!net_) return fail(Errno::ENOBUFS);
    if (send_buffer != 0) net_->set_send_limit(static_cast<u32>(send_buffer));
}

void TcpEnd::options_changed() {
    if (!net_) {
        if (peer_) {
            set_capacity();
            peer_->set_capacity();
        }
        return;
    }
    const u8 wanted = flags_of(tcp, keep_alive);
    net_->change([&](Net::ClientHalf& half) {
        constexpr u8 kOurs = Net::kNoDelay | Net::kCork | Net::kKeepAlive;
        half.flags = static_cast<u8>((half.flags & ~kOurs) | wanted);
        half.receive_limit = limit_of(receive_buffer);
        half.keep_idle = static_cast<u32>(tcp.keep_idle);
        half.keep_interval = static_cast<u32>(tcp.keep_interval);
        half.keep_count = static_cast<u32>(tcp.keep_count);
        half.user_timeout = static_cast<u32>(tcp.user_timeout);
    });
    if (send_buffer != 0) net_->set_send_limit(static_cast<u32>(send_buffer));
}

void TcpEnd::make_stack_listener() {
    listener_->net.reset();
    const InetAddress& at = local();
    if (is_loopback(at) || !network.client || !network.client->sockets.attached()) return;
    NetSockets::Settings settings;
    settings.kind = Net::Kind::listener;
    settings.flags = binding.v6_only ? Net::kV6Only : u8{0};
    settings.backlog = listener_->backlog + 1;
    settings.local = at;
    listener_->net = network.client->sockets.make(settings, *this);
}

void TcpEnd::net_accepted(NetSocket& at, NetSocketRef connection) {
    if (!listener_ || listener_->net.get() != &at || heap_low() || listener_->full()) {
        connection->abort_on_release();
        return;
    }
    // In the server's words IPv4 is family 4, whatever the listener is.
    const Ref<TcpEnd> end = make_accepted(connection->local(), connection->remote());
    connection->set_watcher(end.get());
    end->net_ = std::move(connection);
    end->options_changed();
    offer(end);
    // It may have got data, or be over, by now.
    end->net_changed(*end->net_);
}

void TcpEnd::net_changed(NetSocket& changed) {
    const Ref<TcpEnd> self(this);
    if (listener_ && listener_->net.get() == &changed) {
        // Another listener of ours has the same address there (SO_REUSEPORT): that one gets what comes. Others are made again.
        if (changed.state() == Net::State::closed && changed.failure() == Net::Failure::broken)
            make_stack_listener();
        return;
    }
    if (net_.get() != &changed) return;
    switch (changed.state()) {
        case Net::State::connecting: return;
        case Net::State::established:
            if (state == TcpState::syn_sent) {
                state = TcpState::established;
                if (!address_chosen && is_any(local())) {
                    InetAddress at = changed.local();
                    at.port = local().port;
                    network.tcp.enter(binding, at);
                }
                writers.wake_all(kOut);
            }
            break;
        case Net::State::closed: {
            const Net::Failure why = changed.failure();
            if (changed.peer_closed()) finished = true;
            if (why != Net::Failure::none) {
                if (state == TcpState::close_wait && why == Net::Failure::reset) return fail(Errno::EPIPE);
                return fail(errno_of(why));
            }
            if (state == TcpState::fin_wait1 || state == TcpState::fin_wait2 || state == TcpState::closing)
                return time_wait();
            return done();
        }
        default: return;
    }
    if (changed.peer_closed() && !finished) {
        receive_fin();
        if (state == TcpState::closed) return;
    }
    if (state == TcpState::fin_wait1 && changed.unsent() == 0) {
        state = TcpState::fin_wait2;
        writers.wake_all();  // a close that lingers
    }
    if (changed.received() != 0) {
        stop_deferring();
        readers.wake_all(kIn);
    }
    wake_writers();
}

}  // namespace pith::lx
