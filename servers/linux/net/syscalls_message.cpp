// SPDX-License-Identifier: MIT
// The calls that send and receive.
#include <algorithm>

#include "servers/linux/net/messages.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"
#include "servers/linux/vfs/syscall/time.hpp"

namespace pith::lx {

namespace {

constexpr u32 kMsgCompat = 0x80000000;

/// What a send gives; EPIPE of a stream comes with a signal.
SysResult<u64> sent_result(Thread& thread, SocketType type, u32 flags, const SysResult<usize>& sent) {
    if (sent.ok()) return sent.value();
    if (sent.error() == Errno::EPIPE && type == SocketType::stream && (flags & kMsgNoSignal) == 0)
        thread.send(SigInfo::kernel(kSigPipe));
    return sent.error();
}

Async<u64> send_one(Thread& thread, Socket& socket, UserIo&& io, SendExtras&& extras) {
    const u32 flags = extras.flags;
    Async<usize> sent = socket.send(thread, std::move(io), std::move(extras));
    if (sent.ready()) return sent_result(thread, socket.type, flags, sent.take());
    return
        [](Thread& sender, Ref<Socket> from, u32 how, Task<SysResult<usize>> task) -> Task<SysResult<u64>> {
            co_return sent_result(sender, from->type, how, co_await std::move(task));
        }(thread, Ref<Socket>(&socket), flags, sent.task());
}

/// The socket lives until then.
Async<u64> count_when_done(Socket& socket, Async<usize> moved) {
    if (moved.ready()) {
        const usize count = PITH_TRY(moved.take());
        return u64{count};
    }
    return [](Ref<Socket>, Task<SysResult<usize>> task) -> Task<SysResult<u64>> {
        co_return co_await std::move(task);
    }(Ref<Socket>(&socket), moved.task());
}

Async<u64> call_sendto(Thread& thread, const SyscallArgs& args) {
    UserIo io = PITH_TRY(UserIo::buffer(thread, args.a1, std::min<u64>(args.a2, kMaxReadWrite)));
    Socket* socket = PITH_TRY(find_socket(thread, args.a0));
    // As write does it, which a family may do faster.
    if (as_unsigned(args.a3) == 0 && args.a4 == 0)
        return count_when_done(*socket, socket->write(thread, std::move(io), -1));
    SendExtras extras;
    extras.flags = as_unsigned(args.a3);
    if (args.a4 != 0) {
        const SocketAddress to = PITH_TRY(SocketAddress::get(thread, args.a4, as_unsigned(args.a5)));
        if (to.length != 0) extras.to = to;
    }
    return send_one(thread, *socket, std::move(io), std::move(extras));
}

Async<u64> call_sendmsg(Thread& thread, const SyscallArgs& args) {
    const u32 flags = as_unsigned(args.a2);
    if ((flags & kMsgCompat) != 0) return Errno::EINVAL;
    Socket* socket = PITH_TRY(find_socket(thread, args.a0));
    Outgoing message = PITH_TRY(get_outgoing(thread, *socket, args.a1, flags));
    return send_one(thread, *socket, std::move(message.io), std::move(message.extras));
}

Task<SysResult<u64>> send_many(Thread& thread, Ref<Socket> socket, u64 address, u32 count, u32 flags) {
    Vfs& vfs = *thread.zone().vfs;
    u32 done = 0;
    Errno error = Errno::ok;
    while (done < count && error == Errno::ok) {
        const u64 at = address + u64{done} * sizeof(MultiMessageHeader);
        SysResult<Outgoing> message = get_outgoing(thread, *socket, at, flags);
        SysResult<u64> sent = message.error();
        if (message.ok())
            sent = PITH_AWAIT(
                send_one(thread, *socket, std::move(message.value().io), std::move(message.value().extras)));
        if (sent.error() == kWalkWaits) {
            const SysResult<> looked_up = co_await vfs.finish_lookup(thread);
            error = looked_up.error();
            continue;
        }
        error = sent.error();
        if (error != Errno::ok) break;
        ++done;
        error = put(thread, at + offsetof(MultiMessageHeader, length), static_cast<u32>(sent.value()))
                    .error();
    }
    vfs.drop_lookup(thread);
    if (done != 0 || error == Errno::ok) co_return u64{done};
    co_return error;
}

}  // namespace

PITH_PATH_SYSCALL(sendto)
PITH_PATH_SYSCALL(sendmsg)

Outcome sys_sendmmsg(Thread& thread, const SyscallArgs& args) {
    const u32 flags = as_unsigned(args.a3);
    if ((flags & kMsgCompat) != 0) return Errno::EINVAL;
    const SysResult<Socket*> socket = find_socket(thread, args.a0);
    if (!socket.ok()) return socket.error();
    const u32 count = std::min(as_unsigned(args.a2), static_cast<u32>(kMaxIoVectors));
    return run(thread, send_many(thread, Ref<Socket>(socket.value()), args.a1, count, flags));
}

namespace {

Task<SysResult<u64>> receive_from(Thread& thread, Ref<Socket> socket, UserIo io, u32 flags, u64 address,
                                  u64 length_address) {
    ReceiveExtras extras;
    extras.flags = flags;
    const usize got = PITH_CO_TRY(PITH_AWAIT(socket->receive(thread, std::move(io), extras)));
    PITH_CO_CHECK(extras.from.put(thread, address, length_address));
    co_return (flags & kMsgTruncated) != 0 && extras.length > got ? extras.length : got;
}

Task<SysResult<u64>> receive_message(Thread& thread, Ref<Socket> socket, u64 address, u32 flags) {
    Incoming message = PITH_CO_TRY(get_incoming(thread, address));
    ReceiveExtras extras;
    extras.flags = flags;
    const usize got = PITH_CO_TRY(PITH_AWAIT(socket->receive(thread, std::move(message.io), extras)));
    PITH_CO_CHECK(put_incoming(thread, *socket, address, message.header, extras));
    co_return (flags & kMsgTruncated) != 0 && extras.length > got ? extras.length : got;
}

Task<SysResult<u64>> receive_many(Thread& thread, Ref<Socket> socket, u64 address, u32 count, u32 flags,
                                  Time deadline) {
    if (const Errno error = socket->take_error(); error != Errno::ok) co_return error;
    u32 done = 0;
    Errno error = Errno::ok;
    while (done < count) {
        const u64 at = address + u64{done} * sizeof(MultiMessageHeader);
        const SysResult<u64> got = co_await receive_message(thread, socket, at, flags & ~kMsgWaitForOne);
        error = got.error();
        if (error != Errno::ok) break;
        error = put(thread, at + offsetof(MultiMessageHeader, length), static_cast<u32>(got.value())).error();
        if (error != Errno::ok) break;
        ++done;
        if ((flags & kMsgWaitForOne) != 0) flags |= kMsgDontWait;
        if (deadline != 0 && thread.zone().now() >= deadline) break;
    }
    if (done == 0 && error != Errno::ok) co_return error;
    // What went wrong after something was received is told by the next call.
    if (error != Errno::ok && error != Errno::EAGAIN && error != Errno::ERESTARTSYS && error != Errno::EINTR)
        socket->pending_error = error;
    co_return u64{done};
}

Task<SysResult<u64>> receive_many_timed(Thread& thread, Ref<Socket> socket, SyscallArgs args, u32 count,
                                        Time deadline) {
    const u64 done = PITH_CO_TRY(
        co_await receive_many(thread, std::move(socket), args.a1, count, as_unsigned(args.a3), deadline));
    const Time now = thread.zone().now();
    const u64 left = deadline > now ? deadline - now : 0;
    PITH_CO_CHECK(
        put(thread, args.a4,
            Timespec{static_cast<i64>(left / 1'000'000'000), static_cast<i64>(left % 1'000'000'000)}));
    co_return done;
}

}  // namespace

Outcome sys_recvfrom(Thread& thread, const SyscallArgs& args) {
    SysResult<UserIo> io = UserIo::buffer(thread, args.a1, std::min<u64>(args.a2, kMaxReadWrite));
    if (!io.ok()) return io.error();
    const SysResult<Socket*> socket = find_socket(thread, args.a0);
    if (!socket.ok()) return socket.error();
    // As read does it, but for a read of nothing.
    if (as_unsigned(args.a3) == 0 && args.a4 == 0 && io.value().remaining() != 0)
        return finish(thread, count_when_done(*socket.value(),
                                              socket.value()->read(thread, std::move(io).value(), -1)));
    return run(thread, receive_from(thread, Ref<Socket>(socket.value()), std::move(io).value(),
                                    as_unsigned(args.a3), args.a4, args.a5));
}

Outcome sys_recvmsg(Thread& thread, const SyscallArgs& args) {
    const u32 flags = as_unsigned(args.a2);
    if ((flags & kMsgCompat) != 0) return Errno::EINVAL;
    const SysResult<Socket*> socket = find_socket(thread, args.a0);
    if (!socket.ok()) return socket.error();
    return run(thread, receive_message(thread, Ref<Socket>(socket.value()), args.a1, flags));
}

Outcome sys_recvmmsg(Thread& thread, const SyscallArgs& args) {
    if ((as_unsigned(args.a3) & kMsgCompat) != 0) return Errno::EINVAL;
    Time deadline = 0;
    if (args.a4 != 0) {
        const SysResult<Timespec> time = get<Timespec>(thread, args.a4);
        if (!time.ok()) return time.error();
        if (!valid_timespec(time.value())) return Errno::EINVAL;
        deadline = deadline_after(thread.zone().now(), time.value());
    }
    const SysResult<Socket*> socket = find_socket(thread, args.a0);
    if (!socket.ok()) return socket.error();
    const u32 count = std::min(as_unsigned(args.a2), static_cast<u32>(kMaxIoVectors));
    if (args.a4 != 0)
        return run(thread, receive_many_timed(thread, Ref<Socket>(socket.value()), args, count, deadline));
    return run(thread,
               receive_many(thread, Ref<Socket>(socket.value()), args.a1, count, as_unsigned(args.a3), 0));
}

}  // namespace pith::lx
