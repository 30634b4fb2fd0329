// SPDX-License-Identifier: MIT
// What the kinds of sockets of AF_UNIX share: making, ending, shutting down.
#include "servers/linux/net/unix/unix_socket.hpp"

#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {
constexpr usize kMostDatagrams = 10;  ///< net.unix.max_dgram_qlen
}

UnixSocket::UnixSocket(Thread& maker, SocketType socket_type, u32 open_flags)
    : Socket(socket_path(maker), O_READ_WRITE | open_flags, AF_UNIX_, socket_type, 0),
      domain_(lx::unix_domain(maker.zone())),
      port_(Ref<UnixPort>::make(*this)),
      most_waiting_(kMostDatagrams) {
    domain_.add(*this);
}

void UnixSocket::release(bool unread) {
    domain_.remove(*this, name_.get(), bound_ ? &bound_.inode() : nullptr);
    port_->socket = nullptr;
    port_->name = name_;
    backlog_.clear();
    if (UnixSocket* other = peer(); other != nullptr && connection_type()) {
        other->shut_ = kShutBoth;
        if (unread || embryo_) other->pending_error = Errno::ECONNRESET;
        other->state_changed();
        other->tell_owner(kHungUp);
    }
    room_queue_.wake_all();
    domain_.closed();
}

void UnixSocket::drop_rights(std::vector<Ref<File>>& to) {
    for_each_right([&](InFlight& rights) {
        for (Ref<File>& file : rights.take()) to.push_back(std::move(file));
    });
}

void UnixSocket::state_changed() {
    read_queue_.wake_all();
    write_queue_.wake_all();
}

SysResult<> UnixSocket::shutdown(Thread&, Shutdown how) {
    const u32 bits = how == Shutdown::read ? kShutReceive : how == Shutdown::write ? kShutSend : kShutBoth;
    shut_ |= bits;
    if (UnixSocket* other = peer(); other != nullptr && connection_type()) {
        if ((bits & kShutReceive) != 0) other->shut_ |= kShutSend;
        if ((bits & kShutSend) != 0) other->shut_ |= kShutReceive;
        other->state_changed();
        if (bits == kShutBoth) other->tell_owner(kHungUp);
        else if (bits == kShutSend) other->tell_owner(kDataArrived);
    }
    state_changed();
    room_queue_.wake_all();
    return {};
}

PeerCredentials UnixSocket::credentials_of(const Thread& thread) {
    const Credentials& credentials = thread.process.credentials;
    return {thread.process.pid, credentials.uid, credentials.gid};
}

SysResult<i32> UnixSocket::unsent_bytes() {
    if (listening()) return Errno::EINVAL;
    return static_cast<i32>(port_->charge);
}

std::string UnixSocket::line() const {
    constexpr u32 kAccepts = 0x10000;
    const u32 st = embryo_ ? 2 : state_ == State::established ? 3 : 1;
    Text text;
    text << "0000000000000000: ";
    text.hex(ref_count() + 1, 8) << " 00000000 ";
    text.hex(state_ == State::listening ? kAccepts : 0, 8) << ' ';
    text.hex(static_cast<u32>(type), 4) << ' ';
    text.hex(st, 2) << ' ';
    text.right(inode().number(), 5);
    if (name_) {
        text << ' ';
        std::string name = name_->bytes;
        if (!name_->abstract()) name.pop_back();
        for (char& c : name) {
            if (c == 0) c = '@';
        }
        text << name;
    }
    text << '\n';
    return text.take();
}

Ref<UnixSocket> UnixSocket::make(Thread& maker, SocketType type, u32 flags) {
    if (type == SocketType::stream) return Ref<UnixStream>::make(maker, flags);
    return Ref<UnixPacket>::make(maker, type, flags);
}

void UnixSocket::join(Thread& maker, UnixSocket& a, UnixSocket& b) {
    const Credentials& credentials = maker.process.credentials;
    a.peer_ = b.port_;
    b.peer_ = a.port_;
    for (UnixSocket* end : {&a, &b}) {
        end->state_ = State::established;
        end->peer_credentials_ = {maker.process.pid, credentials.euid, credentials.egid};
    }
}

namespace {

SysResult<SocketType> check_type(SocketType type, i32 protocol) {
    if (protocol != 0 && protocol != AF_UNIX_) return Errno::EPROTONOSUPPORT;
    switch (type) {
        case SocketType::raw: return SocketType::datagram;
        case SocketType::stream:
        case SocketType::datagram:
        case SocketType::sequenced_packet: return type;
        default: return Errno::ESOCKTNOSUPPORT;
    }
}

}  // namespace

SysResult<Ref<Socket>> make_unix_socket(Thread& thread, SocketType type, i32 protocol, u32 flags) {
    const SocketType kind = PITH_TRY(check_type(type, protocol));
    return Ref<Socket>(UnixSocket::make(thread, kind, flags));
}

SysResult<std::pair<Ref<Socket>, Ref<Socket>>> make_unix_pair(Thread& thread, SocketType type, i32 protocol,
                                                              u32 flags) {
    const SocketType kind = PITH_TRY(check_type(type, protocol));
    const Ref<UnixSocket> first = UnixSocket::make(thread, kind, flags);
    const Ref<UnixSocket> second = UnixSocket::make(thread, kind, flags);
    UnixSocket::join(thread, *first, *second);
    return std::pair<Ref<Socket>, Ref<Socket>>(first, second);
}

}  // namespace pith::lx
