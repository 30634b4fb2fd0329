// SPDX-License-Identifier: MIT
// AF_UNIX, SOCK_DGRAM and SOCK_SEQPACKET: how sending and receiving go on and wait.
#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/unix/unix_socket.hpp"
#include "servers/linux/thread.hpp"

namespace pith::lx {

SysResult<> UnixPacket::may_send() {
    if (!connection_type()) return {};
    if (const Errno error = take_error(); error != Errno::ok) return error;
    return state_ == State::established ? SysResult<>() : Errno::ENOTCONN;
}

Async<usize> UnixPacket::send(Thread& thread, UserIo&& io, SendExtras&& extras) {
    PITH_CHECK(may_send());
    if (connection_type()) extras.to.reset();
    if ((extras.flags & kMsgOutOfBand) != 0) return Errno::EOPNOTSUPP;
    if (extras.to && extras.to->family() != AF_UNIX_) return Errno::EINVAL;
    if (!fits(io.remaining())) return Errno::EMSGSIZE;
    if (const Errno error = take_error(); error != Errno::ok) return error;
    if ((shut_ & kShutSend) != 0) return Errno::EPIPE;
    const bool enough = port_->charge >= static_cast<usize>(options.send_buffer);
    if (enough && !waits(extras.flags)) return Errno::EAGAIN;
    Ref<UnixPort> target = peer_;
    if (extras.to) target = PITH_TRY(find_port(thread, *extras.to));
    if (!target) return Errno::ENOTCONN;
    if (options.pass_credentials) PITH_CHECK(autobind());
    if (!enough) {
        UnixPacket* to = PITH_TRY(receiver(target, extras.to.has_value()));
        if (!to->full_for(*this)) return give(thread, *to, io, extras);
        if (!waits(extras.flags)) {
            to->remember_sender(port_);
            return Errno::EAGAIN;
        }
    }
    return slow_send(thread, Ref<UnixPacket>(this), std::move(io), std::move(extras), std::move(target));
}

SysResult<Ref<UnixPort>> UnixPacket::find_port(Thread& thread, const SocketAddress& address) {
    return static_cast<UnixPacket*>(PITH_TRY(find(thread, address)))->port_;
}

Task<SysResult<usize>> UnixPacket::slow_send(Thread& thread, Ref<UnixPacket>, UserIo io, SendExtras extras,
                                             Ref<UnixPort> target) {
    const Time deadline = send_deadline(thread);
    while (true) {
        if ((shut_ & kShutSend) != 0) co_return Errno::EPIPE;
        const bool enough = port_->charge >= static_cast<usize>(options.send_buffer);
        UnixPacket* to = PITH_CO_TRY(receiver(target, extras.to.has_value()));
        if (!enough && !to->full_for(*this)) co_return give(thread, *to, io, extras);
        WaitQueue& queue = enough ? write_queue_ : to->room_queue_;
        PITH_CO_CHECK(woken(co_await wait_on(thread, queue, deadline), deadline));
    }
}

Async<usize> UnixPacket::read(Thread& thread, UserIo&& io, i64 position) {
    if (io.remaining() == 0) return usize{0};
    if (messages_.empty() || pending_error != Errno::ok || state_ == State::listening)
        return Socket::read(thread, std::move(io), position);
    ReceiveExtras extras;
    return take(io, extras);
}

Async<usize> UnixPacket::receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) {
    if (connection_type() && state_ != State::established) return Errno::ENOTCONN;
    if ((extras.flags & kMsgOutOfBand) != 0) return Errno::EOPNOTSUPP;
    if (const Errno error = take_error(); error != Errno::ok) return error;
    if (!messages_.empty()) return take(io, extras);
    if (!waits(extras.flags)) {
        if (connection_type() && (shut_ & kShutReceive) != 0) return usize{0};
        return Errno::EAGAIN;
    }
    return slow_receive(thread, Ref<UnixPacket>(this), std::move(io), extras);
}

Task<SysResult<usize>> UnixPacket::slow_receive(Thread& thread, Ref<UnixPacket>, UserIo io,
                                                ReceiveExtras& extras) {
    const Time deadline = receive_deadline(thread);
    while (messages_.empty()) {
        if (const Errno error = take_error(); error != Errno::ok) co_return error;
        if ((shut_ & kShutReceive) != 0) co_return usize{0};
        PITH_CO_CHECK(woken(co_await wait_on(thread, read_queue_, deadline, true), deadline));
    }
    co_return take(io, extras);
}

}  // namespace pith::lx
