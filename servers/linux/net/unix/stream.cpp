// SPDX-License-Identifier: MIT
// AF_UNIX, SOCK_STREAM: what lies with a receiver, and poll. Sending and receiving calls are in stream_calls.cpp.
#include <algorithm>

#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/unix/unix_socket.hpp"
#include "servers/linux/thread.hpp"

namespace pith::lx {

namespace {

constexpr usize kFirstPages = 16;
constexpr usize kMostPages = 4096;  ///< of a ring, whatever SO_SNDBUF says

bool same(const std::optional<PeerCredentials>& a, const std::optional<PeerCredentials>& b) {
    if (!a || !b) return !a && !b;
    return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

/// What is told of who has not said who he is.
constexpr PeerCredentials kNobody{0, 65534, 65534};

}  // namespace

UnixStream::UnixStream(Thread& maker, u32 open_flags)
    : UnixSocket(maker, SocketType::stream, open_flags), ring_(maker.zone(), kFirstPages) {}

UnixStream::~UnixStream() {
    const bool unread = ring_.used() != 0;
    marks_.clear();
    release(unread);
}

void UnixStream::visit_rights_of(RightsVisitor visitor, void* context) {
    for (Mark& mark : marks_) {
        if (!mark.rights.empty()) visitor(context, mark.rights);
    }
}

// Sending: `this` is the sender.

SysResult<UnixStream*> UnixStream::receiver() {
    if (!peer_) return Errno::ENOTCONN;
    auto* to = static_cast<UnixStream*>(peer());
    if ((shut_ & kShutSend) != 0 || to == nullptr || (to->shut_ & kShutReceive) != 0) return Errno::EPIPE;
    return to;
}

usize UnixStream::room_for_us(const UnixStream& to) const {
    const usize limit = std::min(static_cast<usize>(options.send_buffer), kMostPages * kPageSize);
    return limit > to.charged() ? limit - to.charged() : 0;
}

bool UnixStream::writable_now() const {
    if (state_ == State::listening) return false;
    const auto* to = static_cast<const UnixStream*>(peer());
    return to == nullptr || to->charged() * 4 <= static_cast<usize>(options.send_buffer);
}

/// Puts what fits where the receiver finds it. EAGAIN: nothing fits.
SysResult<usize> UnixStream::add(Thread& thread, UserIo& io, SendExtras& extras) {
    UnixStream& to = *PITH_TRY(receiver());
    const usize room = room_for_us(to);
    if (room == 0) return Errno::EAGAIN;
    const usize wanted = std::min(room, io.remaining());
    const bool tells = extras.credentials || tells_credentials(to);
    const bool marks = !extras.rights.empty() || tells || to.after_rights_ || to.writing_;
    if (marks && heap_low()) return Errno::ENOBUFS;
    while (to.ring_.room() < wanted && to.ring_.capacity() < kMostPages * kPageSize)
        PITH_CHECK(to.ring_.set_pages(to.ring_.capacity() / kPageSize * 2));
    InFlight rights;
    if (!extras.rights.empty()) rights = PITH_TRY(InFlight::create(thread, std::move(extras.rights)));
    const SysResult<usize> added = [&] {
        if (wanted == io.remaining()) return to.ring_.add(io);
        UserIo part = io.part(wanted);
        const SysResult<usize> some = to.ring_.add(part);
        if (some.ok()) io.advance(some.value());
        return some;
    }();
    if (!added.ok()) return added;
    if (marks) to.mark(thread, *this, extras, std::move(rights));
    to.added_ += added.value();
    return added;
}

/// `this` is the receiver: what is added next comes with these.
void UnixStream::mark(Thread& thread, UnixStream& from, SendExtras& extras, InFlight&& rights) {
    std::optional<PeerCredentials> credentials = extras.credentials;
    if (!credentials && from.tells_credentials(*this)) credentials = credentials_of(thread);
    const bool new_rights = !rights.empty();
    if (new_rights || after_rights_ || !same(credentials, writing_))
        marks_.push_back({added_, credentials, std::move(rights)});
    after_rights_ = new_rights;
    writing_ = credentials;
}

// Receiving: `this` is the receiver.

/// The sender has room again.
void UnixStream::taken() {
    if (auto* from = static_cast<UnixStream*>(peer()); from != nullptr) from->space_made();
}

/// As much as belongs together: up to where somebody else has sent it, and what came with descriptors alone at the end.
SysResult<usize> UnixStream::take(UserIo& io, ReceiveExtras& extras) {
    usize done = 0;
    bool first = true;
    while (io.remaining() != 0 && ring_.used() != 0) {
        Mark* begins = !marks_.empty() && marks_.front().at == position() ? &marks_.front() : nullptr;
        const auto& from = begins != nullptr ? begins->credentials : reading_;
        if (first) extras.credentials = from.value_or(kNobody);
        else if (options.pass_credentials && !same(from.value_or(kNobody), extras.credentials)) break;
        first = false;
        const Mark* end = begins != nullptr ? (marks_.size() > 1 ? &marks_[1] : nullptr)
                                            : (marks_.empty() ? nullptr : &marks_.front());
        const usize most = end != nullptr ? static_cast<usize>(end->at - position()) : ring_.used();
        const SysResult<usize> taken_now = ring_.take(io, most);
        if (!taken_now.ok()) return done != 0 ? SysResult<usize>(done) : taken_now;
        done += taken_now.value();
        if (begins != nullptr) {
            reading_ = begins->credentials;
            const bool rights = !begins->rights.empty();
            for (Ref<File>& file : begins->rights.take()) extras.rights.push_back(std::move(file));
            marks_.pop_front();
            if (rights) break;
        }
    }
    if (options.peek_offset > 0)
        options.peek_offset = std::max(
            0, options.peek_offset - static_cast<i32>(std::min<usize>(done, 0x7fff'ffff)));
    if (done != 0) taken();
    return done;
}

/// The same, and all stays where it is.
SysResult<usize> UnixStream::peek(UserIo& io, ReceiveExtras& extras) {
    usize skip = options.peek_offset > 0 ? static_cast<usize>(options.peek_offset) : 0;
    const u64 start = position() + skip;
    u64 at = start;
    usize next = 0;  // the first mark behind `at`
    std::optional<PeerCredentials> from = reading_;
    const Mark* begins = nullptr;
    for (; next < marks_.size() && marks_[next].at <= at; ++next) {
        begins = marks_[next].at == at ? &marks_[next] : nullptr;
        from = marks_[next].credentials;
    }
    extras.credentials = from.value_or(kNobody);
    while (io.remaining() != 0 && at < added_) {
        const u64 end = next < marks_.size() ? marks_[next].at : added_;
        const SysResult<usize> copied = ring_.peek(static_cast<usize>(at - position()), io,
                                                   static_cast<usize>(end - at));
        if (!copied.ok()) {
            if (at == start) return copied;
            break;
        }
        at += copied.value();
        if (begins != nullptr && !begins->rights.empty()) {
            extras.rights = begins->rights.files();
            break;
        }
        if (at < end || next == marks_.size()) break;
        begins = &marks_[next++];
        if (options.pass_credentials && !same(begins->credentials.value_or(kNobody), extras.credentials))
            break;
    }
    const usize done = static_cast<usize>(at - start);
    if (options.peek_offset >= 0) options.peek_offset += static_cast<i32>(done);
    return done;
}

SysResult<i32> UnixStream::readable_bytes() {
    if (listening()) return Errno::EINVAL;
    return static_cast<i32>(ring_.used());
}

SysResult<i32> UnixStream::unsent_bytes() {
    if (listening()) return Errno::EINVAL;
    const auto* to = static_cast<const UnixStream*>(peer());
    return to != nullptr ? static_cast<i32>(to->ring_.used()) : 0;
}

u32 UnixStream::poll(Poller* poller) {
    if (poller != nullptr) {
        poller->watch(read_queue_);
        poller->watch(write_queue_);
    }
    u32 bits = 0;
    if (pending_error != Errno::ok) bits |= kPollError;
    if (shut_ == kShutBoth) bits |= kPollHangUp;
    if ((shut_ & kShutReceive) != 0) bits |= kPollReadHangUp | kPollIn | kPollReadNormal;
    if (ring_.used() != 0 || !backlog_.empty()) bits |= kPollIn | kPollReadNormal;
    if (state_ == State::closed) bits |= kPollHangUp;
    if (writable_now()) bits |= kPollOut | kPollWriteNormal | kPollWriteBand;
    return bits;
}

}  // namespace pith::lx
