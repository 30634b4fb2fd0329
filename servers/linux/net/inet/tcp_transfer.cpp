// SPDX-License-Identifier: MIT
// Sending and receiving of TCP sockets.
#include <algorithm>

#include "servers/linux/net/inet/tcp_socket.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

std::optional<SysResult<usize>> TcpSocket::at_end() {
    const TcpEnd& end = *end_;
    if (end.state == TcpState::listening) return SysResult<usize>(Errno::ENOTCONN);
    if (end.finished) return SysResult<usize>(usize{0});
    if (pending_error != Errno::ok) return SysResult<usize>(take_error());
    if (end.receive_shutdown) return SysResult<usize>(usize{0});
    if (end.state == TcpState::closed) return SysResult<usize>(Errno::ENOTCONN);
    return std::nullopt;
}

SysResult<usize> TcpSocket::stream_error() {
    const Errno error = take_error();
    return error != Errno::ok ? error : Errno::EPIPE;
}

Async<usize> TcpSocket::read(Thread& thread, UserIo&& io, i64) {
    if (io.remaining() == 0) return usize{0};
    return receive_flags(thread, std::move(io), 0);
}

Async<usize> TcpSocket::receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) {
    return receive_flags(thread, std::move(io), extras.flags);
}

Async<usize> TcpSocket::receive_flags(Thread& thread, UserIo&& io, u32 message_flags) {
    if ((message_flags & kMsgErrorQueue) != 0) return Errno::EAGAIN;
    if ((message_flags & kMsgOutOfBand) != 0) return Errno::EINVAL;
    TcpEnd& end = *end_;
    usize done = 0;
    if (end.unread() != 0) {
        if ((message_flags & kMsgPeek) != 0) {
            if ((message_flags & kMsgWaitAll) == 0 || end.unread() >= io.remaining()) return end.peek(io, 0);
        } else {
            done = PITH_TRY(end.take(io, (message_flags & kMsgTruncated) != 0));
            const bool enough = (message_flags & kMsgWaitAll) != 0
                                    ? io.remaining() == 0
                                    : done >= static_cast<usize>(options.receive_low_water) ||
                                          io.remaining() == 0;
            if (enough) return done;
        }
    }
    if (std::optional<SysResult<usize>> result = at_end()) {
        if (done != 0) return done;
        if ((message_flags & kMsgPeek) != 0 && end.unread() != 0) return end.peek(io, 0);
        return *result;
    }
    if (!waits(message_flags)) {
        if (done != 0) return done;
        if ((message_flags & kMsgPeek) != 0 && end.unread() != 0) return end.peek(io, 0);
        return Errno::EAGAIN;
    }
    return wait_receive(thread, Ref<TcpSocket>(this), std::move(io), message_flags, done);
}

Task<SysResult<usize>> TcpSocket::wait_receive(Thread& thread, Ref<TcpSocket>, UserIo io, u32 message_flags,
                                               usize done) {
    const Time deadline = receive_deadline(thread);
    const bool all = (message_flags & kMsgWaitAll) != 0, peeks = (message_flags & kMsgPeek) != 0,
               discards = (message_flags & kMsgTruncated) != 0;
    const usize least = all ? done + io.remaining()
                            : std::min<usize>(static_cast<usize>(options.receive_low_water),
                                              done + io.remaining());
    for (;;) {
        SysResult<> waited;
        if (!peeks && !discards) {
            const ByteRing::Waiting waiting(end_->incoming(), io, thread.process.memory.get());
            waited = co_await wait_on(thread, end_->readers, deadline);
            done += waiting.done();
        } else {
            waited = co_await wait_on(thread, end_->readers, deadline);
        }
        if (peeks) {
            const std::optional<SysResult<usize>> end = at_end();
            if (end_->unread() >= std::max<usize>(least, 1) || (end_->unread() != 0 && (end || !waited.ok())))
                co_return end_->peek(io, 0);
            if (end) co_return *end;
        } else {
            if (end_->unread() != 0 && io.remaining() != 0) {
                const SysResult<usize> taken = end_->take(io, discards);
                if (!taken.ok() && done == 0) co_return taken.error();
                if (!taken.ok()) co_return done;
                done += taken.value();
            }
            if (done >= std::max<usize>(least, 1)) co_return done;
            if (const std::optional<SysResult<usize>> end = at_end())
                co_return done != 0 ? SysResult<usize>(done) : *end;
        }
        if (const SysResult<> result = woken(waited, deadline); !result.ok()) {
            if (done != 0) co_return done;
            co_return result.error();
        }
    }
}

Async<usize> TcpSocket::connect_and_send(Thread& thread, UserIo&& io, SendExtras&& extras) {
    if (!extras.to) return phase_ == Phase::connected ? Errno::EISCONN : Errno::EINVAL;
    if (extras.to->length >= 2 && extras.to->family() == AF_UNSPECIFIED) return Errno::EOPNOTSUPP;
    Async<> connected = connect_to(thread, *extras.to, waits(extras.flags));
    extras.flags &= ~kMsgFastOpen;
    if (connected.ready()) {
        PITH_CHECK(connected.take());
        return send(thread, std::move(io), std::move(extras));
    }
    return [](Thread& sender, Ref<TcpSocket> self, UserIo from, SendExtras with,
              Task<SysResult<>> task) -> Task<SysResult<usize>> {
        PITH_CO_CHECK(co_await std::move(task));
        co_return PITH_AWAIT(self->send(sender, std::move(from), std::move(with)));
    }(thread, Ref<TcpSocket>(this), std::move(io), std::move(extras), connected.task());
}

Async<usize> TcpSocket::send(Thread& thread, UserIo&& io, SendExtras&& extras) {
    if ((extras.flags & kMsgFastOpen) != 0) return connect_and_send(thread, std::move(io), std::move(extras));
    if ((extras.flags & kMsgOutOfBand) != 0) return Errno::EOPNOTSUPP;
    TcpEnd& end = *end_;
    const bool open = end.state == TcpState::established || end.state == TcpState::close_wait;
    if (!open && end.state != TcpState::syn_sent) return stream_error();
    usize done = 0;
    if (open) {
        if (pending_error != Errno::ok || end.send_shutdown) return stream_error();
        if (io.remaining() == 0) return usize{0};
        done = PITH_TRY(end.add(io, thread.process.memory.get()));
        if (io.remaining() == 0) return done;
    }
    if (!waits(extras.flags)) {
        end.want_room();
        if (done != 0) return done;
        return Errno::EAGAIN;
    }
    return wait_send(thread, Ref<TcpSocket>(this), std::move(io), done);
}

Task<SysResult<usize>> TcpSocket::wait_send(Thread& thread, Ref<TcpSocket>, UserIo io, usize done) {
    const Time deadline = send_deadline(thread);
    TcpEnd& end = *end_;
    for (;;) {
        const bool open = end.state == TcpState::established || end.state == TcpState::close_wait;
        if (!open && end.state != TcpState::syn_sent) break;
        if (open) {
            if (pending_error != Errno::ok || end.send_shutdown) break;
            const SysResult<usize> added = end.add(io, thread.process.memory.get());
            if (!added.ok()) co_return done != 0 ? SysResult<usize>(done) : added;
            done += added.value();
            if (io.remaining() == 0) co_return done;
            if (added.value() != 0) continue;
        }
        end.want_room();
        const SysResult<> waited = co_await wait_on(thread, end.writers, deadline);
        if (const SysResult<> result = woken(waited, deadline); !result.ok()) {
            if (done != 0) co_return done;
            co_return result.error();
        }
    }
    if (done != 0) co_return done;
    co_return stream_error();
}

}  // namespace pith::lx
