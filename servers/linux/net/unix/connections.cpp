// SPDX-License-Identifier: MIT
// Connections of AF_UNIX: listen, connect, accept.
#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/unix/unix_socket.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

SysResult<> UnixSocket::listen(Thread& thread, i32 backlog) {
    if (!connection_type()) return Errno::EOPNOTSUPP;
    if (!name_) return Errno::EINVAL;
    if (state_ == State::established) return Errno::EINVAL;
    const bool more = static_cast<usize>(backlog) > most_waiting_;
    most_waiting_ = static_cast<usize>(backlog);
    state_ = State::listening;
    const Credentials& credentials = thread.process.credentials;
    peer_credentials_ = {thread.process.pid, credentials.euid, credentials.egid};
    if (more) room_queue_.wake_all();
    return {};
}

Async<> UnixSocket::connect_datagram(Thread&, const SocketAddress&) { return Errno::EOPNOTSUPP; }

Async<> UnixSocket::connect(Thread& thread, const SocketAddress& address) {
    if (!connection_type()) return connect_datagram(thread, address);
    UnixSocket* target = PITH_TRY(find(thread, address));
    if (options.pass_credentials) PITH_CHECK(autobind());
    if (!target->listening() || (target->shut_ & kShutReceive) != 0) return Errno::ECONNREFUSED;
    if (!target->backlog_full()) return join_backlog(thread, *target);
    if (nonblocking()) return Errno::EAGAIN;
    return slow_connect(thread, Ref<UnixSocket>(this), target->port_);
}

Task<SysResult<>> UnixSocket::slow_connect(Thread& thread, Ref<UnixSocket>, Ref<UnixPort> target) {
    const Time deadline = send_deadline(thread);
    while (true) {
        UnixSocket* listener = target->socket;
        if (listener == nullptr || !listener->listening() || (listener->shut_ & kShutReceive) != 0)
            co_return Errno::ECONNREFUSED;
        if (!listener->backlog_full()) co_return join_backlog(thread, *listener);
        PITH_CO_CHECK(woken(co_await wait_on(thread, listener->room_queue_, deadline), deadline));
    }
}

SysResult<> UnixSocket::join_backlog(Thread& thread, UnixSocket& listener) {
    if (state_ == State::established) return Errno::EISCONN;
    if (state_ != State::closed) return Errno::EINVAL;
    if (heap_low()) return Errno::ENOMEM;
    const Ref<UnixSocket> accepted = make(thread, type, 0);
    accepted->embryo_ = true;
    join(thread, *this, *accepted);
    peer_credentials_ = listener.peer_credentials_;
    accepted->name_ = listener.name_;
    listener.backlog_.push_back(accepted);
    listener.data_arrived();
    return {};
}

Ref<Socket> UnixSocket::take_connection(const Thread& thread, u32 open_flags) {
    const Ref<UnixSocket> connection = std::move(backlog_.front());
    backlog_.pop_front();
    connection->embryo_ = false;
    connection->flags |= open_flags;
    connection->options.pass_credentials = options.pass_credentials;
    connection->inode().uid = thread.process.credentials.fsuid;
    connection->inode().gid = thread.process.credentials.fsgid;
    room_queue_.wake_all();
    return connection;
}

Async<Ref<Socket>> UnixSocket::accept(Thread& thread, u32 open_flags) {
    if (!connection_type()) return Errno::EOPNOTSUPP;
    if (!listening()) return Errno::EINVAL;
    if (const Errno error = take_error(); error != Errno::ok) return error;
    if (!backlog_.empty()) return take_connection(thread, open_flags);
    if (nonblocking()) return Errno::EAGAIN;
    return slow_accept(thread, Ref<UnixSocket>(this), open_flags);
}

Task<SysResult<Ref<Socket>>> UnixSocket::slow_accept(Thread& thread, Ref<UnixSocket>, u32 open_flags) {
    const Time deadline = receive_deadline(thread);
    while (backlog_.empty()) {
        if ((shut_ & kShutReceive) != 0) co_return Errno::EINVAL;
        PITH_CO_CHECK(woken(co_await wait_on(thread, read_queue_, deadline, true), deadline));
    }
    co_return take_connection(thread, open_flags);
}

}  // namespace pith::lx
