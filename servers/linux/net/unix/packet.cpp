// SPDX-License-Identifier: MIT
// AF_UNIX, SOCK_DGRAM and SOCK_SEQPACKET: what lies with a receiver, peers, poll. The calls are in packet_calls.cpp.
#include <algorithm>
#include <bit>

#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/unix/unix_socket.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr usize kFirstPages = 1;
constexpr usize kMostPages = 65536;
constexpr usize kOverhead = 32;  ///< of SO_SNDBUF, that a message can't use
constexpr PeerCredentials kNobody{0, 65534, 65534};

/// What a message of `length` bytes counts for SO_SNDBUF: as much as Linux lets it, so that as many fit.
usize charge_of(usize length) {
    constexpr usize kHeader = 256, kShared = 320, kMostLinear = 16384;
    const usize linear = std::min(length, kMostLinear);
    const usize block = (linear + 63) / 64 * 64 + kShared;
    return kHeader +
           std::max<usize>(512, block <= 8192 ? std::bit_ceil(block) : (block + 4095) / 4096 * 4096) +
           (length - linear + 4095) / 4096 * 4096;
}

}  // namespace

UnixPacket::UnixPacket(Thread& maker, SocketType socket_type, u32 open_flags)
    : UnixSocket(maker, socket_type, open_flags), ring_(maker.zone(), kFirstPages) {}

UnixPacket::~UnixPacket() {
    const bool unread = !messages_.empty();
    drop_all();
    wake_senders();
    release(unread);
}

void UnixPacket::visit_rights_of(RightsVisitor visitor, void* context) {
    for (Message& message : messages_) {
        if (!message.rights.empty()) visitor(context, message.rights);
    }
}

bool UnixPacket::writable_now() const {
    return state_ != State::listening && port_->charge * 4 <= static_cast<usize>(options.send_buffer);
}

/// The first message is done with: who has sent it has room again.
void UnixPacket::drop_first() {
    Message message = std::move(messages_.front());
    messages_.pop_front();
    ring_.skip(message.length);
    message.from->charge -= message.charge;
    if (auto* from = static_cast<UnixPacket*>(message.from->socket); from != nullptr) from->space_made();
    if (messages_.size() <= most_waiting_) wake_senders();
}

void UnixPacket::drop_all() {
    while (!messages_.empty()) drop_first();
}

void UnixPacket::wake_senders() {
    room_queue_.wake_all();
    for (const auto& [port, held] : std::exchange(senders_, {})) {
        if (auto* sender = static_cast<UnixPacket*>(port->socket); sender != nullptr)
            sender->write_queue_.wake_all(kPollOut | kPollWriteNormal | kPollWriteBand);
    }
}

/// Puts a message where the receiver finds it. EAGAIN: the sender has sent enough for now.
SysResult<usize> UnixPacket::give(Thread& thread, UnixPacket& to, UserIo& io, SendExtras& extras) {
    const usize length = io.remaining();
    if (heap_low()) return Errno::ENOBUFS;
    const usize needed = (to.ring_.used() + length) / kPageSize + 2;
    if (to.ring_.room() < length) {
        if (needed > kMostPages) return Errno::ENOBUFS;
        PITH_CHECK(to.ring_.set_pages(std::bit_ceil(needed)));
    }
    const SysResult<usize> added = length != 0 ? to.ring_.add(io) : SysResult<usize>(usize{0});
    if (!added.ok()) return added;
    if (added.value() < length) {
        to.ring_.take_back(added.value());
        return Errno::EFAULT;
    }
    InFlight rights;
    if (!extras.rights.empty()) {
        SysResult<InFlight> made = InFlight::create(thread, std::move(extras.rights));
        if (!made.ok()) {
            to.ring_.take_back(length);
            return made.error();
        }
        rights = std::move(made).value();
    }
    std::optional<PeerCredentials> credentials = extras.credentials;
    if (!credentials && tells_credentials(to)) credentials = credentials_of(thread);
    const usize charge = charge_of(length);
    port_->charge += charge;
    const i64 time = to.tells_time() ? thread.zone().realtime() : 0;
    to.messages_.push_back({length, charge, time, port_, name_, credentials, std::move(rights)});
    to.data_arrived();
    return length;
}

SysResult<usize> UnixPacket::take(UserIo& io, ReceiveExtras& extras) {
    const bool peeks = (extras.flags & kMsgPeek) != 0;
    usize index = 0, skipped = 0, offset = 0;
    if (peeks && options.peek_offset > 0) {
        // Where the offset leads, over whole messages.
        offset = static_cast<usize>(options.peek_offset);
        while (index + 1 < messages_.size() && offset >= messages_[index].length) {
            offset -= messages_[index].length;
            skipped += messages_[index++].length;
        }
    }
    Message& message = messages_[index];
    offset = std::min(offset, message.length);
    const usize length = message.length - offset;
    const usize wanted = std::min(length, io.remaining());
    if (wanted < length) extras.result |= kMsgTruncated;
    extras.length = length;
    if (message.name) extras.from = message.name->address();
    extras.credentials = message.credentials.value_or(kNobody);
    tell_time(extras, message.time != 0 ? message.time : inode().file_system().zone.realtime());
    const SysResult<usize> copied = ring_.peek(skipped + offset, io, wanted);
    const bool failed = !copied.ok() || copied.value() < wanted;
    if (peeks) {
        if (failed) return Errno::EFAULT;
        extras.rights = message.rights.files();
        if (options.peek_offset >= 0) options.peek_offset += static_cast<i32>(wanted);
        return wanted;
    }
    // A message that can't be stored is lost.
    if (!failed) extras.rights = message.rights.take();
    if (options.peek_offset > 0)
        options.peek_offset = std::max(0, options.peek_offset - static_cast<i32>(message.length));
    drop_first();
    return failed ? SysResult<usize>(Errno::EFAULT) : SysResult<usize>(wanted);
}

SysResult<i32> UnixPacket::readable_bytes() {
    if (listening()) return Errno::EINVAL;
    if (type == SocketType::sequenced_packet) return static_cast<i32>(ring_.used());
    return messages_.empty() ? 0 : static_cast<i32>(messages_.front().length);
}

// Peers of datagram sockets

/// `old` is no longer the peer: what it has sent is dropped, and it learns of it.
void UnixPacket::lost_peer(const Ref<UnixPort>& old) {
    if (messages_.empty()) return;
    drop_all();
    if (auto* other = static_cast<UnixPacket*>(old->socket); other != nullptr && other->peer_ == port_) {
        other->pending_error = Errno::ECONNRESET;
        other->state_changed();
    }
}

Async<> UnixPacket::connect_datagram(Thread& thread, const SocketAddress& address) {
    if (address.length < sizeof(u16)) return Errno::EINVAL;
    UnixPacket* target = nullptr;
    if (address.family() != AF_UNSPECIFIED) {
        target = static_cast<UnixPacket*>(PITH_TRY(find(thread, address)));
        if (options.pass_credentials) PITH_CHECK(autobind());
        if (target->peer_ && target->peer_ != port_) return Errno::EPERM;
    }
    const Ref<UnixPort> old = std::exchange(peer_, target != nullptr ? target->port_ : Ref<UnixPort>());
    state_ = target != nullptr ? State::established : State::closed;
    if (old && old != peer_) lost_peer(old);
    state_changed();
    return {};
}

u32 UnixPacket::poll(Poller* poller) {
    if (poller != nullptr) {
        poller->watch(read_queue_);
        poller->watch(write_queue_);
    }
    u32 bits = 0;
    if (pending_error != Errno::ok) bits |= kPollError;
    if ((shut_ & kShutReceive) != 0) bits |= kPollReadHangUp | kPollIn | kPollReadNormal;
    if (shut_ == kShutBoth) bits |= kPollHangUp;
    if (!messages_.empty() || !backlog_.empty()) bits |= kPollIn | kPollReadNormal;
    if (connection_type() && state_ == State::closed) bits |= kPollHangUp;
    if (writable_now()) {
        auto* to = static_cast<UnixPacket*>(peer());
        if (to == nullptr || !to->full_for(*this)) bits |= kPollOut | kPollWriteNormal | kPollWriteBand;
        else to->remember_sender(port_);
    }
    return bits;
}

void UnixPacket::remember_sender(const Ref<UnixPort>& sender) {
    senders_.emplace(sender.get(), sender);
    if (senders_.size() < look_through_at_) return;
    std::erase_if(senders_, [](const auto& entry) { return entry.first->socket == nullptr; });
    look_through_at_ = std::max<usize>(64, senders_.size() * 2);
}

SysResult<> UnixPacket::shutdown(Thread& thread, Shutdown how) {
    PITH_CHECK(UnixSocket::shutdown(thread, how));
    wake_senders();
    return {};
}

// Sending: whom to

SysResult<UnixPacket*> UnixPacket::receiver(const Ref<UnixPort>& target, bool named) {
    auto* to = static_cast<UnixPacket*>(target->socket);
    if (to == nullptr) {
        if (connection_type()) return Errno::EPIPE;
        if (!named && peer_ == target) {
            const Ref<UnixPort> old = std::exchange(peer_, nullptr);
            state_ = State::closed;
            lost_peer(old);
        }
        return Errno::ECONNREFUSED;
    }
    if (to->peer_ && to->peer_ != port_) return Errno::EPERM;
    if ((to->shut_ & kShutReceive) != 0) return Errno::EPIPE;
    return to;
}

bool UnixPacket::fits(usize length) const {
    return length + kOverhead <= static_cast<usize>(options.send_buffer);
}

}  // namespace pith::lx
