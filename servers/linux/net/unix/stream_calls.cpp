// SPDX-License-Identifier: MIT
// AF_UNIX, SOCK_STREAM: how sending and receiving go on and wait.
#include <algorithm>

#include "servers/linux/net/unix/unix_socket.hpp"
#include "servers/linux/thread.hpp"

namespace pith::lx {

// Receiving

Async<usize> UnixStream::read(Thread& thread, UserIo&& io, i64 position) {
    if (!plain() || options.receive_low_water > 1 || options.receive_timeout != 0)
        return io.remaining() == 0 ? Async<usize>(usize{0}) : Socket::read(thread, std::move(io), position);
    if (state_ != State::established) return Errno::EINVAL;
    if (io.remaining() == 0) return usize{0};
    if (ring_.used() != 0) {
        const usize done = PITH_TRY(ring_.take(io));
        taken();
        return done;
    }
    if (const Errno error = take_error(); error != Errno::ok) return error;
    if ((shut_ & kShutReceive) != 0) return usize{0};
    if (nonblocking()) return Errno::EAGAIN;
    return slow_read(thread, Ref<UnixStream>(this), std::move(io));
}

/// A plain read that waits: a writer may fill its buffer directly.
Task<SysResult<usize>> UnixStream::slow_read(Thread& thread, Ref<UnixStream>, UserIo io) {
    while (ring_.used() == 0) {
        if (const Errno error = take_error(); error != Errno::ok) co_return error;
        if ((shut_ & kShutReceive) != 0) co_return usize{0};
        const ByteRing::Waiting waiting(ring_, io, thread.process.memory.get());
        const SysResult<> waited = co_await wait_on(thread, read_queue_);
        if (waiting.done() != 0) co_return waiting.done();
        PITH_CO_CHECK(waited);
    }
    // What came may come with more than bytes.
    ReceiveExtras extras;
    co_return take(io, extras);
}

Async<usize> UnixStream::receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) {
    if (state_ != State::established) return Errno::EINVAL;
    if ((extras.flags & kMsgOutOfBand) != 0) return Errno::EOPNOTSUPP;
    const SysResult<SocketAddress> from = peer_ ? peer_name() : Errno::ENOTCONN;
    if (from.ok() && from.value().length > 2) extras.from = from.value();
    return slow_receive(thread, Ref<UnixStream>(this), std::move(io), extras);
}

Task<SysResult<usize>> UnixStream::slow_receive(Thread& thread, Ref<UnixStream>, UserIo io,
                                                ReceiveExtras& extras) {
    const Time deadline = receive_deadline(thread);
    const bool peeks = (extras.flags & kMsgPeek) != 0;
    const usize low_water = static_cast<usize>(options.receive_low_water);
    const usize target = std::max<usize>(
        1, (extras.flags & kMsgWaitAll) != 0 ? io.remaining() : std::min(low_water, io.remaining()));
    usize done = 0;
    while (true) {
        const usize skip = peeks && options.peek_offset > 0 ? static_cast<usize>(options.peek_offset) : 0;
        if (ring_.used() > skip) {
            const SysResult<usize> got = peeks ? peek(io, extras) : take(io, extras);
            if (!got.ok()) {
                if (done != 0) co_return done;
                co_return got;
            }
            done += got.value();
            // What is left when something is left belongs to the next call.
            if (peeks || done >= target || !extras.rights.empty() || ring_.used() != 0) co_return done;
            continue;
        }
        if (done >= target) co_return done;
        if (done == 0) {
            if (const Errno error = take_error(); error != Errno::ok) co_return error;
        }
        if ((shut_ & kShutReceive) != 0) co_return done;
        if (!waits(extras.flags)) {
            if (done != 0) co_return done;
            co_return Errno::EAGAIN;
        }
        const SysResult<> waited = woken(co_await wait_on(thread, read_queue_, deadline), deadline);
        if (!waited.ok()) {
            if (done != 0) co_return done;
            co_return waited.error();
        }
    }
}

// Sending

Async<usize> UnixStream::write(Thread& thread, UserIo&& io, i64 position) {
    auto* to = static_cast<UnixStream*>(peer());
    if (to == nullptr || !to->plain() || to->writing_ || to->after_rights_ || to->embryo_ ||
        options.pass_credentials || (shut_ & kShutSend) != 0 || (to->shut_ & kShutReceive) != 0)
        return Socket::write(thread, std::move(io), position);
    usize done = 0;
    if (to->ring_.used() == 0 && (done = to->ring_.hand_over(io, thread.process.memory.get())) != 0) {
        to->added_ += done;
        to->data_arrived();
        if (io.remaining() == 0) return done;
    }
    if (io.remaining() <= to->ring_.room() && io.remaining() <= room_for_us(*to)) {
        const SysResult<usize> added = to->ring_.add(io);
        if (!added.ok()) return done != 0 ? SysResult<usize>(done) : added;
        done += added.value();
        to->added_ += added.value();
        to->data_arrived();
        return done;
    }
    // The rest goes on from where `io` is.
    return Socket::write(thread, std::move(io), position);
}

Async<usize> UnixStream::send(Thread& thread, UserIo&& io, SendExtras&& extras) {
    if ((extras.flags & kMsgOutOfBand) != 0) return Errno::EOPNOTSUPP;
    if (extras.to) return state_ == State::established ? Errno::EISCONN : Errno::EOPNOTSUPP;
    UnixStream* to = PITH_TRY(receiver());
    if (io.remaining() == 0) return usize{0};
    const SysResult<usize> added = add(thread, io, extras);
    if (added.ok()) to->data_arrived();
    const bool full = added.ok() || added.error() == Errno::EAGAIN;
    if (io.remaining() == 0 || !full || !waits(extras.flags))
        return io.done() != 0 ? SysResult<usize>(io.done()) : added;
    return slow_send(thread, Ref<UnixStream>(this), std::move(io), std::move(extras));
}

Task<SysResult<usize>> UnixStream::slow_send(Thread& thread, Ref<UnixStream>, UserIo io, SendExtras extras) {
    const Time deadline = send_deadline(thread);
    while (true) {
        const SysResult<usize> added = add(thread, io, extras);
        if (added.ok()) {
            static_cast<UnixStream*>(peer())->data_arrived();
            if (io.remaining() == 0) co_return io.done();
            continue;
        }
        SysResult<> going_on = added.error();
        if (added.error() == Errno::EAGAIN)
            going_on = woken(co_await wait_on(thread, write_queue_, deadline), deadline);
        if (!going_on.ok()) {
            if (io.done() != 0) co_return io.done();
            co_return going_on.error();
        }
    }
}

}  // namespace pith::lx
