// SPDX-License-Identifier: MIT
// Names, connecting, accepting, closing, poll.
#include "servers/linux/net/inet/tcp_socket.hpp"

#include "lib/os/clock.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr i32 kSendBuffer = 16384, kReceiveBuffer = 131072;  // tcp_wmem, tcp_rmem

}  // namespace

TcpSocket::TcpSocket(Thread& thread, u32 open_flags, u16 socket_family, Ref<TcpEnd> accepted)
    : InetSocket(thread, open_flags, socket_family, SocketType::stream, kIpprotoTcp),
      end_(std::move(accepted)) {
    options.send_buffer = kSendBuffer;
    options.receive_buffer = kReceiveBuffer;
    if (end_) {
        phase_ = Phase::connected;
        pending_error = end_->error;
    } else {
        end_ = Ref<TcpEnd>::make(network, socket_family);
        end_->binding.uid = thread.process.credentials.fsuid;
    }
    end_->socket = this;
}

TcpSocket::~TcpSocket() { end_->close(options.linger && options.linger_seconds == 0); }

Async<> TcpSocket::last_close(Thread& thread) {
    if (!options.linger || options.linger_seconds <= 0 || end_->unread() != 0) return {};
    const bool open = end_->state == TcpState::established || end_->state == TcpState::close_wait;
    if (open) end_->close_sending();
    if (!end_->closing()) return {};
    return wait_sent(thread, Ref<TcpSocket>(this));
}

Task<SysResult<>> TcpSocket::wait_sent(Thread& thread, Ref<TcpSocket>) {
    const Time deadline = thread.zone().now() + static_cast<Time>(options.linger_seconds) * kSecond;
    while (end_->closing() && (co_await wait_on(thread, end_->writers, deadline)).ok()) {}
    // Sent or not: the descriptor is closed.
    co_return SysResult<>();
}

SysResult<> TcpSocket::enter_port(const InetAddress& local) {
    Binding& binding = end_->binding;
    binding.v6_only = v6_only() || (local.family == 6 && !is_any(local));
    binding.reuse_address = options.reuse_address;
    binding.reuse_port = options.reuse_port;
    network.expire_time_wait();
    return network.tcp.bind(binding, local, network.zone.random_source);
}

Async<> TcpSocket::bind(Thread& thread, const SocketAddress& address) {
    const InetAddress local = PITH_TRY(check_bind(thread, address));
    if (end_->state != TcpState::closed || end_->binding.bound()) return Errno::EINVAL;
    PITH_CHECK(enter_port(local));
    end_->port_chosen = local.port != 0;
    end_->address_chosen = !is_any(local);
    return {};
}

SysResult<> TcpSocket::listen(Thread&, i32 backlog) {
    const auto most = static_cast<i32>(network.most_backlog);
    if (phase_ != Phase::unconnected) return Errno::EINVAL;
    if (end_->state != TcpState::closed && end_->state != TcpState::listening) return Errno::EINVAL;
    if (!end_->binding.bound()) PITH_CHECK(enter_port(any_address(v6() ? 6 : 4)));
    return end_->listen(static_cast<u32>(backlog < 0 || backlog > most ? most : backlog));
}

SysResult<> TcpSocket::start_connecting(Thread&, const SocketAddress& address) {
    TcpEnd& end = *end_;
    Binding& binding = end.binding;
    const bool bound_to_v4 = binding.bound() && binding.local.family == 4;
    const InetAddress to = PITH_TRY(check_destination(address, bound_to_v4));
    if (is_multicast(to) || network.broadcast(to)) return Errno::ENETUNREACH;
    if (is_link_local6(to) && to.scope == 0) return Errno::EINVAL;
    const Route route = network.route(to);
    if (route == Route::none) return Errno::ENETUNREACH;
    InetAddress from = network.source_for(to);
    from.family = to.family;
    if (binding.bound()) {
        if (!is_any(binding.local)) {
            if (binding.local.family != to.family) return Errno::EINVAL;
            if (route == Route::stack && is_loopback(binding.local)) return Errno::EINVAL;
            from = binding.local;
        }
        from.port = binding.local.port;
        network.expire_time_wait(&from, &to);
        if (network.tcp.find_pair(from, to, &binding) != nullptr) return Errno::EADDRNOTAVAIL;
        network.tcp.enter(binding, from);
    } else {
        binding.reuse_address = options.reuse_address;
        binding.reuse_port = options.reuse_port;
        network.expire_time_wait();
        PITH_CHECK(network.tcp.bind_to_connect(binding, from, to, network.zone.random_source));
    }
    phase_ = Phase::connecting;
    end.connect(to, route);
    return {};
}

Async<> TcpSocket::finish_connecting() {
    if (end_->state == TcpState::closed) {
        const Errno error = take_error();
        phase_ = Phase::unconnected;
        end_->disconnect();
        return error != Errno::ok ? error : Errno::ECONNABORTED;
    }
    phase_ = Phase::connected;
    return {};
}

Async<> TcpSocket::connect(Thread& thread, const SocketAddress& address) {
    return connect_to(thread, address, !nonblocking());
}

Async<> TcpSocket::connect_to(Thread& thread, const SocketAddress& address, bool waits_for_it) {
    if (address.length < 2) return Errno::EINVAL;
    if (address.family() == AF_UNSPECIFIED) {
        end_->disconnect();
        phase_ = Phase::unconnected;
        return {};
    }
    Errno meanwhile = Errno::EINPROGRESS;
    if (phase_ == Phase::connected) return Errno::EISCONN;
    if (phase_ == Phase::connecting) {
        meanwhile = Errno::EALREADY;
    } else {
        if (end_->state != TcpState::closed) return Errno::EISCONN;
        PITH_CHECK(start_connecting(thread, address));
        // What has been settled at once is known a moment later, as on Linux.
        if (!waits_for_it) return Errno::EINPROGRESS;
    }
    if (end_->state == TcpState::syn_sent) {
        if (!waits_for_it) return meanwhile;
        return wait_connected(thread, Ref<TcpSocket>(this));
    }
    return finish_connecting();
}

Task<SysResult<>> TcpSocket::wait_connected(Thread& thread, Ref<TcpSocket>) {
    const Time deadline = send_deadline(thread);
    while (end_->state == TcpState::syn_sent) {
        const SysResult<> waited = co_await wait_on(thread, end_->writers, deadline);
        if (waited.error() == Errno::ETIMEDOUT) co_return Errno::EINPROGRESS;
        PITH_CO_CHECK(woken(waited, deadline));
    }
    co_return PITH_AWAIT(finish_connecting());
}

Ref<Socket> TcpSocket::make_accepted(Thread& thread, u32 open_flags) {
    const Ref<TcpEnd> accepted = end_->take_accepted();
    auto made = Ref<TcpSocket>::make(thread, open_flags, family, accepted);
    made->options = options;
    made->copy_options(*this);
    return Ref<Socket>(made);
}

Async<Ref<Socket>> TcpSocket::accept(Thread& thread, u32 open_flags) {
    if (!listening()) return Errno::EINVAL;
    if (end_->accept_ready()) return make_accepted(thread, open_flags);
    if (nonblocking()) return Errno::EAGAIN;
    return wait_accept(thread, Ref<TcpSocket>(this), open_flags);
}

Task<SysResult<Ref<Socket>>> TcpSocket::wait_accept(Thread& thread, Ref<TcpSocket>, u32 open_flags) {
    const Time deadline = receive_deadline(thread);
    while (!end_->accept_ready()) {
        PITH_CO_CHECK(woken(co_await wait_on(thread, end_->readers, deadline, true), deadline));
        if (!listening()) co_return Errno::EINVAL;
    }
    co_return make_accepted(thread, open_flags);
}

SysResult<SocketAddress> TcpSocket::local_name() {
    if (end_->local().family == 0) return no_name();
    // A socket of AF_INET6 that is bound to any address says so, whatever it has come to be of.
    return for_program(end_->local(), family);
}

SysResult<SocketAddress> TcpSocket::peer_name() {
    if (end_->remote().family == 0 || end_->state == TcpState::closed || end_->state == TcpState::syn_sent ||
        end_->state == TcpState::listening)
        return Errno::ENOTCONN;
    return for_program(end_->remote(), family);
}

SysResult<> TcpSocket::shutdown(Thread&, Shutdown how) {
    TcpEnd& end = *end_;
    const Ref<TcpEnd> keep = end_;
    switch (end.state) {
        case TcpState::closed:
            // It counts all the same, also for a connection that comes later.
            if (how != Shutdown::write) end.receive_shutdown = true;
            if (how != Shutdown::read) end.send_shutdown = true;
            end.readers.wake_all(kPollIn | kPollHangUp);
            end.writers.wake_all(kPollOut | kPollHangUp);
            return Errno::ENOTCONN;
        case TcpState::listening:
            if (how == Shutdown::write) return {};
            end.disconnect();
            return {};
        case TcpState::syn_sent:
            end.disconnect();
            phase_ = Phase::unconnected;
            return {};
        default: break;
    }
    if (how != Shutdown::write) end.close_receiving();
    if (how != Shutdown::read) end.close_sending();
    end.readers.wake_all(kPollIn | kPollReadNormal | kPollReadHangUp | kPollHangUp);
    end.writers.wake_all(kPollOut | kPollWriteNormal | kPollHangUp);
    return {};
}

SysResult<i32> TcpSocket::readable_bytes() {
    if (listening()) return Errno::EINVAL;
    return static_cast<i32>(end_->unread());
}

SysResult<i32> TcpSocket::unsent_bytes() {
    if (listening()) return Errno::EINVAL;
    return static_cast<i32>(end_->unsent());
}

u32 TcpSocket::poll(Poller* poller) {
    TcpEnd& end = *end_;
    if (poller != nullptr) {
        poller->watch(end.readers);
        poller->watch(end.writers);
    }
    if (end.state == TcpState::listening) return end.accept_ready() ? kPollIn | kPollReadNormal : 0;
    u32 bits = 0;
    if ((end.receive_shutdown && end.send_shutdown) || end.state == TcpState::closed) bits |= kPollHangUp;
    if (end.receive_shutdown) bits |= kPollIn | kPollReadNormal | kPollReadHangUp;
    if (end.state != TcpState::syn_sent) {
        if (end.unread() >= static_cast<usize>(options.receive_low_water)) bits |= kPollIn | kPollReadNormal;
        if (end.send_shutdown || end.writable()) bits |= kPollOut | kPollWriteNormal;
        else end.want_room();
    }
    if (pending_error != Errno::ok) bits |= kPollError;
    return bits;
}

}  // namespace pith::lx
