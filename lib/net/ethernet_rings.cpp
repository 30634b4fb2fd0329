// SPDX-License-Identifier: MIT
#include "lib/net/ethernet_rings.hpp"

#include <algorithm>

namespace pith {

namespace {

constexpr u64 kSendRing = queue_size<Ethernet::Send, Ethernet::Sent>(Ethernet::kEntries);
constexpr u64 kReceiveRing = queue_size<Ethernet::Buffer, Ethernet::Received>(Ethernet::kEntries);
constexpr u64 kMost = u64{1} << 40;

}  // namespace

EthernetRings::EthernetRings() {
    for (Owner& owner : receive_owner_) owner = Owner::driver;
    // The first one that is taken is the first in the window.
    for (u32 i = kBuffers; i != 0; --i) free(static_cast<u16>(i - 1));
}

Result<> EthernetRings::check(const Ethernet::Open::Reply& reply) const {
    const u64 after_receive = reply.receive_offset + kReceiveRing;
    if (reply.receive_offset < kSendRing || reply.receive_offset % 64 != 0 || reply.receive_offset > kMost ||
        reply.state_offset < after_receive || reply.state_offset % 4 != 0 || reply.state_offset > kMost ||
        reply.window_offset < reply.state_offset + sizeof(Ethernet::State) ||
        reply.window_offset % abi::kPageSize != 0 || reply.window_offset > kMost ||
        reply.window_size < 2 * kBuffers * kBufferSize || reply.window_size > kMost || reply.mtu < kLeastMtu)
        return Error::protocol;
    if (known_ && (reply.window_offset != facts_.window_offset || reply.window_size != facts_.window_size))
        return Error::protocol;
    return {};
}

void EthernetRings::attach(std::span<u8> link, const Ethernet::Open::Reply& reply) {
    facts_ = reply;
    if (facts_.mtu > kLargestMtu) facts_.mtu = kLargestMtu;
    known_ = true;
    window_ = link.data() + reply.window_offset;
    state_ = reinterpret_cast<Ethernet::State*>(link.data() + reply.state_offset);
    // Both fit: `check` has seen to it.
    static_cast<void>(send_.attach(link.data(), kSendRing, Ethernet::kEntries, Handle<Signal>(), 0));
    static_cast<void>(receive_.attach(link.data() + reply.receive_offset, kReceiveRing, Ethernet::kEntries,
                                      Handle<Signal>(), 0));
    send_.reset();
    receive_.reset();
    std::atomic_ref(state_->wants_sent).store(wants_sent_ ? 1 : 0, std::memory_order_release);
    open_ = true;
    broken_ = queued_ = false;
    notify_ = true;
    for (u32 id = 0; id < kBuffers; ++id)
        if (receive_owner_[id] == Owner::driver) enter(id);
    resubmit(reply.sent);
}

/// Of the frames of the link before, `sent` were sent: the rest is entered again, and the other buffers are free.
void EthernetRings::resubmit(u32 sent) {
    const u32 last = submissions_, unsent = last - first_ - sent;
    first_ = last;
    bool again[kBuffers] = {};
    // A number that can't be means that none is known to be unsent.
    for (u32 i = unsent <= kBuffers ? last - unsent : last; i != last; ++i) {
        const Ethernet::Send frame = submitted_[i % kBuffers];
        if (send_owner_[frame.id] != Owner::driver || again[frame.id]) continue;
        again[frame.id] = submit(frame);
    }
    for (u32 id = 0; id < kBuffers; ++id)
        if (send_owner_[id] == Owner::driver && !again[id]) free(static_cast<u16>(id));
}

bool EthernetRings::submit(const Ethernet::Send& frame) {
    if (!send_.enter(frame).ok()) return false;
    submitted_[submissions_++ % kBuffers] = frame;
    send_owner_[frame.id] = Owner::driver;
    queued_ = notify_ = true;
    return true;
}

void EthernetRings::detach() {
    if (open_) receive_.settle();
    open_ = false;
}

void EthernetRings::violated() {
    open_ = false;
    broken_ = true;
}

void EthernetRings::enter(u32 id) {
    receive_owner_[id] = Owner::driver;
    if (!open_) return;
    // As many as there are buffers fit, unless the driver has broken the ring.
    if (!receive_.enter({id, u64{id} * kBufferSize, kBufferSize, 0}).ok()) return violated();
    queued_ = true;
}

bool EthernetRings::receive(EthernetFrame& frame) {
    Ethernet::Received done;
    while (open_ && receive_.take(done)) {
        const u32 id = static_cast<u32>(done.id);
        const bool failed = static_cast<Error>(done.error) == Error::io;
        if (done.id >= kBuffers || receive_owner_[id] != Owner::driver || (done.error != 0 && !failed) ||
            (!failed && (done.length < Ethernet::kHeaderSize || done.length > kBufferSize))) {
            violated();
            return false;
        }
        if (failed) {
            ++errors_;
            enter(id);
            continue;
        }
        receive_owner_[id] = Owner::user;
        frame = {
            id, (done.flags & Ethernet::kChecksumGood) != 0, {window_ + u64{id} * kBufferSize, done.length}};
        return true;
    }
    if (open_ && receive_.broken()) violated();
    return false;
}

void EthernetRings::give_back(u32 id) {
    if (id < kBuffers && receive_owner_[id] == Owner::user) enter(id);
}

/// Buffers of frames that were sent are free again.
void EthernetRings::take_sent() {
    Ethernet::Sent done;
    while (open_ && send_.poll(done)) {
        if (done.id >= kBuffers || send_owner_[done.id] != Owner::driver) return violated();
        if (done.error != 0) ++errors_;
        free(static_cast<u16>(done.id));
    }
    if (open_ && send_.broken()) violated();
}

bool EthernetRings::room(u32 count) {
    if (open_ && free_count_ < count) take_sent();
    if (open_ && free_count_ >= count) return true;
    if (!wants_sent_ && open_) std::atomic_ref(state_->wants_sent).store(1, std::memory_order_release);
    // Those that were sent meanwhile are told of at the notification.
    notify_ = wants_sent_ = true;
    wanted_ = std::max(wanted_, count);
    return false;
}

Result<EthernetBuffer> EthernetRings::buffer() {
    if (!room(1)) return Error::would_block;
    if (wants_sent_ && free_count_ >= wanted_) {
        wants_sent_ = false;
        wanted_ = 0;
        std::atomic_ref(state_->wants_sent).store(0, std::memory_order_release);
    }
    const u16 number = free_[--free_count_];
    send_owner_[number] = Owner::user;
    return EthernetBuffer(*this, number);
}

void EthernetRings::queue(EthernetBuffer&& buffer, u32 length, EthernetChecksum checksum) {
    EthernetBuffer taken = std::move(buffer);
    if (!open_ || !taken.valid() || length < Ethernet::kHeaderSize ||
        length > Ethernet::kHeaderSize + facts_.mtu)
        return;
    const u16 number = taken.number_;
    const u32 flags = checksum.start != 0 ? Ethernet::kNeedsChecksum : 0;
    // There is room for as many as there are buffers, unless the driver has broken the ring.
    if (!submit({number, u64{kBuffers + number} * kBufferSize, length, checksum.start, checksum.offset, flags,
                 0}))
        return violated();
    taken.owner_ = nullptr;
}

bool EthernetRings::flush() {
    if (!open_) return false;
    receive_.settle();
    if (queued_) {
        send_.publish();
        receive_.publish();
        queued_ = false;
    }
    const u32 unseen = receive_.untaken();
    const bool few = unseen != 0 && receive_.outstanding() - unseen < kFewBuffers;
    if (!notify_ && !few) return false;
    notify_ = false;
    return true;
}

}  // namespace pith
