// SPDX-License-Identifier: MIT
#include "drivers/net/virtio_net/frames.hpp"

#include <algorithm>
#include <cstring>

namespace pith::virtio_net {

namespace {

constexpr u32 kKnownFlags = Ethernet::kNeedsChecksum;

/// The same for all frames of one connection: of the addresses and ports, where they are in IPv4 without options and in IPv6.
u32 flow_of(const u8* frame, u32 length) {
    constexpr u32 kType = 12, kIpv4 = 26, kIpv6 = 38;
    constexpr u32 kIpv4Words = 3, kIpv6Words = 5;
    if (length < kIpv6 + 4 * kIpv6Words) return 0;
    const bool ipv6 = frame[kType] == 0x86 && frame[kType + 1] == 0xdd;
    const u8* at = frame + (ipv6 ? kIpv6 : kIpv4);
    u32 hash = 0;
    for (u32 i = 0; i < (ipv6 ? kIpv6Words : kIpv4Words); i++) {
        u32 word;
        std::memcpy(&word, at + 4 * i, sizeof(word));
        hash = (hash ^ word) * 0x9e37'79b1;
    }
    return hash >> 16;
}

/// Of what a successor reads: after what was written before it, though this life ends at any instruction.
template <typename Word>
void store(Word& word, u32 value) {
    std::atomic_ref(word).store(static_cast<Word>(value), std::memory_order_release);
}

}  // namespace

u32 Frames::collect(const Link& link, std::span<const std::span<u8>> rings) {
    leftovers_.collect(handover_, *reinterpret_cast<const QueueHeader*>(link.bytes + kReceiveOffset), rings);
    return leftovers_.sent();
}

void Frames::attach(const Link& link) {
    link_ = link;
    handover_.delivered = handover_.sent = 0;
    handover_.window = link.address + kWindowOffset;
    const QueueHeader empty{kQueueMagic, Ethernet::kEntries, 0, 0, 0, 0};
    *reinterpret_cast<QueueHeader*>(link.bytes) = empty;
    *reinterpret_cast<QueueHeader*>(link.bytes + kReceiveOffset) = empty;
    // Both fit in any link.
    static_cast<void>(send_.attach(link.bytes, kReceiveOffset, Ethernet::kEntries, Handle<Signal>(), 0));
    static_cast<void>(receive_.attach(link.bytes + kReceiveOffset, kStateOffset - kReceiveOffset,
                                      Ethernet::kEntries, Handle<Signal>(), 0));
    send_.resume();
    receive_.resume();
    state() = {link_up_ ? 1u : 0u, 0};
    ahead_.reset();
    waiting_count_ = 0;
    attached_ = true;
    news_ = false;
}

void Frames::begin(u32 pairs, u32 mtu, u32 features) {
    pair_count_ = pairs;
    mtu_ = mtu;
    features_ = features;
    for (u32 i = 0; i < pairs; i++) {
        pairs_[i].kick_receive = pairs_[i].kick_send = false;
        pairs_[i].send.set_interrupts(false);
        handover_.pair[i] = {pairs_[i].receive.position(), pairs_[i].send.position()};
    }
    handover_.pairs = pairs;
    handover_.checksums = (features & Ethernet::kReceiveChecksum) != 0 ? 1 : 0;
}

/// What was to be sent may have been, or not: its sender is told that it was not. Buffers are given to the device again.
void Frames::end() {
    for (u32 i = 0; i < pair_count_; i++) {
        pairs_[i].send.each([this](const Frame& frame) {
            counts_.send_errors++;
            if (attached_) answer(Ethernet::Sent{frame.id, static_cast<u32>(Error::io), 0});
        });
        pairs_[i].receive.each([this](const Frame& frame) {
            if (attached_ && waiting_count_ < Ethernet::kEntries) waiting_[waiting_count_++] = frame;
        });
    }
    pair_count_ = 0;
}

void Frames::answer(const Ethernet::Sent& sent) {
    // A client that has no room for it has broken its own ring.
    static_cast<void>(send_.complete(sent));
    store(handover_.sent, handover_.sent + 1);
    news_ |= tell_sent_;
}

void Frames::answer(const Ethernet::Received& received, u64 offset) {
    handover_.last[handover_.delivered % Ethernet::kEntries] = {
        static_cast<u32>(offset), static_cast<u16>(received.length), static_cast<u16>(received.flags)};
    static_cast<void>(receive_.complete(received));
    store(handover_.delivered, handover_.delivered + 1);
    news_ = true;
}

void Frames::set_link_up(bool up) {
    if (std::exchange(link_up_, up) == up || !attached_) return;
    std::atomic_ref(state().link_up).store(up ? 1 : 0, std::memory_order_release);
    news_ = true;
}

bool Frames::broken() const {
    for (u32 i = 0; i < pair_count_; i++)
        if (pairs_[i].receive.broken() || pairs_[i].send.broken()) return true;
    return false;
}

u32 Frames::sending() const {
    u32 count = 0;
    for (u32 i = 0; i < pair_count_; i++) count += pairs_[i].send.under_way();
    return count;
}

void Frames::set_gathering(bool on) {
    gathering_ = on;
    for (u32 i = 0; on && i < pair_count_; i++) pairs_[i].receive.set_interrupts(false);
}

bool Frames::serve() {
    if (!attached_) return true;
    const bool tell_sent = std::atomic_ref(state().wants_sent).load(std::memory_order_acquire) == 1;
    // What was sent before that may be what it waits for.
    news_ |= tell_sent && !tell_sent_;
    tell_sent_ = tell_sent;
    for (u32 i = 0; i < pair_count_; i++) {
        pairs_[i].receive.set_interrupts(false);
        pairs_[i].send.set_interrupts(false);
    }
    bool more = true;
    for (u32 round = 0; more && round < kRounds; round++) more = serve_once();
    return !more;
}

/// True: the device has done something meanwhile, and may not have said so.
bool Frames::serve_once() {
    for (u32 i = 0; i < pair_count_; i++) {
        collect_received(pairs_[i], handover_.pair[i]);
        collect_sent(pairs_[i], handover_.pair[i]);
    }
    if (!leftovers_.frames().empty()) deliver_leftovers();
    submit_buffers();
    submit_frames();
    bool ready = false;
    for (u32 i = 0; i < pair_count_; i++) {
        QueuePair& pair = pairs_[i];
        pair.kick_receive |= pair.receive.publish();
        pair.kick_send |= pair.send.publish();
        if (!gathering_) {
            pair.receive.set_interrupts(true);
            ready |= pair.receive.ready();
        }
        // Somebody waits: the client for buffers, or a frame for room.
        if (!tell_sent_ && !ahead_) continue;
        pair.send.set_interrupts(true);
        ready |= pair.send.ready();
    }
    return ready;
}

void Frames::collect_received(QueuePair& pair, Handover::Pair& kept) {
    FrameQueue& queue = pair.receive;
    FrameQueue::Done done;
    while (queue.take(done)) {
        if (done.written < Ethernet::kHeaderSize) {
            counts_.receive_errors++;
            queue.add(done.frame, link_.address + kWindowOffset + done.frame.offset);
        } else {
            counts_.received_frames++;
            counts_.received_bytes += done.written;
            const bool good = checksum_good(done.flags) && (features_ & Ethernet::kReceiveChecksum) != 0;
            answer(Ethernet::Received{done.frame.id, 0, done.written, good ? Ethernet::kChecksumGood : 0, 0},
                   done.frame.offset);
        }
        store(kept.receive.taken, queue.position().taken);
    }
}

void Frames::collect_sent(QueuePair& pair, Handover::Pair& kept) {
    FrameQueue::Done done;
    while (pair.send.take(done)) {
        counts_.sent_frames++;
        counts_.sent_bytes += done.frame.length;
        sent_++;
        answer(Ethernet::Sent{done.frame.id, 0, 0});
        store(kept.send.taken, pair.send.position().taken);
    }
}

/// A client submits the buffers that it does not hold all at once, when it has opened. A frame of which it holds the buffer it has had before.
void Frames::deliver_leftovers() {
    while (waiting_count_ < Ethernet::kEntries && take_buffer(waiting_[waiting_count_])) waiting_count_++;
    if (waiting_count_ == 0) return;
    for (const Handover::Received& frame : leftovers_.frames()) {
        Frame* const end = waiting_ + waiting_count_;
        Frame* const buffer = std::find_if(waiting_, end, [&](const Frame& b) {
            return b.offset == frame.offset && frame.length <= b.length;
        });
        if (buffer == end || frame.length < Ethernet::kHeaderSize) continue;
        counts_.received_frames++;
        counts_.received_bytes += frame.length;
        answer(Ethernet::Received{buffer->id, 0, frame.length, frame.flags & Ethernet::kChecksumGood, 0},
               frame.offset);
        *buffer = waiting_[--waiting_count_];
    }
    leftovers_.clear();
}

/// Of the queues to receive with, the one with the most room; nullptr: none has any.
FrameQueue* Frames::emptiest() {
    FrameQueue* best = nullptr;
    for (u32 i = 0; i < pair_count_; i++) {
        FrameQueue& queue = pairs_[i].receive;
        if (queue.room() > (best == nullptr ? 0 : best->room())) best = &queue;
    }
    return best;
}

/// The client's next buffer, checked; false: there is none.
bool Frames::take_buffer(Frame& buffer) {
    Ethernet::Buffer next;
    while (receive_.take(next)) {
        if (next.capacity >= Ethernet::kHeaderSize + mtu_ && inside(next.offset, next.capacity)) {
            buffer = {next.id, next.offset, next.capacity};
            return true;
        }
        answer(Ethernet::Received{next.id, static_cast<u32>(Error::invalid), 0, 0, 0}, 0);
    }
    return false;
}

void Frames::submit_buffers() {
    Frame buffer;
    for (FrameQueue* queue = emptiest(); queue != nullptr; queue = emptiest()) {
        // With one pair there is nothing to choose.
        do {
            if (waiting_count_ != 0) buffer = waiting_[--waiting_count_];
            else if (!take_buffer(buffer)) return;
            queue->add(buffer, link_.address + kWindowOffset + buffer.offset);
        } while (pair_count_ == 1 && queue->room() != 0);
    }
    // A device with few places: some are had in hand, as a client notifies a driver that has few.
    while (waiting_count_ < kInHand && take_buffer(buffer)) waiting_[waiting_count_++] = buffer;
}

Error Frames::check(const Ethernet::Send& frame) const {
    if (frame.length < Ethernet::kHeaderSize || frame.length > Ethernet::kHeaderSize + mtu_ ||
        !inside(frame.offset, frame.length))
        return Error::invalid;
    if ((frame.flags & ~kKnownFlags) != 0) return Error::unsupported;
    if ((frame.flags & Ethernet::kNeedsChecksum) == 0) return Error::ok;
    if ((features_ & Ethernet::kSendChecksum) == 0) return Error::unsupported;
    const u32 end = u32{frame.checksum_start} + frame.checksum_offset + 2;
    return frame.checksum_start < Ethernet::kHeaderSize || end > frame.length ? Error::invalid : Error::ok;
}

FrameQueue& Frames::queue_of(const Ethernet::Send& frame) {
    if (pair_count_ == 1) return pairs_[0].send;
    return pairs_[flow_of(link_.bytes + kWindowOffset + frame.offset, frame.length) % pair_count_].send;
}

void Frames::submit_frames() {
    Ethernet::Send next;
    for (;;) {
        if (ahead_) next = *ahead_;
        else if (!send_.take(next)) return;
        Error error = check(next);
        if (error == Error::ok && pair_count_ == 0) error = Error::io;
        if (error != Error::ok) {
            counts_.send_errors++;
            answer(Ethernet::Sent{next.id, static_cast<u32>(error), 0});
        } else {
            FrameQueue& queue = queue_of(next);
            if (queue.room() == 0) {
                ahead_ = next;
                return;
            }
            FrameHeader header{};
            if ((next.flags & Ethernet::kNeedsChecksum) != 0) {
                header.flags = kNeedsChecksum;
                header.checksum_start = next.checksum_start;
                header.checksum_offset = next.checksum_offset;
            }
            queue.add({next.id, next.offset, next.length}, link_.address + kWindowOffset + next.offset,
                      header);
        }
        ahead_.reset();
    }
}

}  // namespace pith::virtio_net
