// SPDX-License-Identifier: MIT
// One socket: looking at what the server wrote, sending, receiving.
#include "lib/net/socket.hpp"

#include <algorithm>
#include <cstring>

#include "lib/base/round.hpp"
#include "lib/net/atomic.hpp"
#include "lib/net/sockets.hpp"

namespace pith {

namespace {

constexpr u32 kPageSize = Net::kPageSize;

u32 record_size(u32 length) { return static_cast<u32>(sizeof(Net::Datagram) + round_up(length, 8)); }

}  // namespace

void NetWatcher::net_accepted(NetSocket&, NetSocketRef connection) { connection->abort_on_release(); }

void NetSocketRelease::operator()(NetSocket* socket) const { socket->owner_.release(*socket); }

bool NetSocket::attached() const { return owner_.attached() && !dead_; }
Net::ClientHalf& NetSocket::half() const { return owner_.link().blocks[number_].client; }
void NetSocket::enter() { owner_.enter(number_); }

Net::Failure NetSocket::take_failure() {
    return std::exchange(new_failure_, false) ? failure_ : Net::Failure::none;
}

u8 NetSocket::flags() const { return attached() ? half().flags : u8{0}; }

void NetSocket::set_flags(u8 set, u8 clear) {
    change([=](Net::ClientHalf& half) {
        shared::store(half.flags, static_cast<u8>((half.flags & ~clear) | set));
    });
}

void NetSocket::break_off() {
    if (dead_) return;
    dead_ = true;
    state_ = Net::State::closed;
    failure_ = Net::Failure::broken;
    new_failure_ = true;
    receive_head_ = receive_tail_;
    if (owner_.attached() && half().generation == generation_) {
        shared::store(half().flags, Net::kAbort);
        shared::store(half().kind, Net::Kind::none);
        enter();
    }
}

void NetSocket::break_off_reading() {
    untold_ |= !dead_;
    break_off();
}

bool NetSocket::look() {
    if (dead_) {
        // Let go of already: all that is waited for is that the number is free. Who still holds it sees it closed.
        const Net::ServerHalf& server = owner_.link().blocks[number_].server;
        if (released_ && shared::load(server.generation) == generation_ &&
            shared::load(server.state) == Net::State::free)
            state_ = Net::State::free;
        return std::exchange(untold_, false);
    }
    const Net::ServerHalf& server = owner_.link().blocks[number_].server;
    if (shared::load(server.generation) != generation_) return false;
    const auto state = shared::load(server.state);
    if (state > Net::State::closed) return break_off(), true;
    const u32 head = shared::load(server.send_head), tail = shared::load(server.receive_tail);
    if (head - send_head_ > send_tail_ - send_head_ || tail - receive_head_ > Net::kRingSize ||
        tail - receive_head_ < receive_tail_ - receive_head_)
        return break_off(), true;
    bool changed = state != state_ || head != send_head_ || tail != receive_tail_;
    if (state == Net::State::free && !released_) return break_off(), true;
    if (head != send_head_) {
        free_sent_pages(head);
        send_head_ = head;
    }
    receive_tail_ = tail;
    if (state != state_) {
        local_ = server.local;
        remote_ = server.remote;
        state_ = state;
        if (state == Net::State::closed) failure_ = shared::load(server.failure);
    }
    const bool closed = (shared::load(server.flags) & Net::kPeerClosed) != 0;
    if (closed != peer_closed_) changed = peer_closed_ = true;
    const u32 failures = shared::load(server.failures);
    if (failures != failures_) {
        failures_ = failures;
        failure_ = shared::load(server.failure);
        new_failure_ = changed = true;
    }
    return changed;
}

void NetSocket::give_up_page(u32 position) {
    u16& page = pages_[slot(position)];
    if (page == Net::kNoPage) return;
    owner_.give_page(std::exchange(page, Net::kNoPage));
    --page_count_;
}

void NetSocket::free_sent_pages(u32 to) {
    u32 at = send_head_ - send_head_ % kPageSize;
    for (; to - at >= kPageSize && to - at <= Net::kRingSize; at += kPageSize) give_up_page(at);
    if (to == send_tail_ && to != at) give_up_page(at);
}

void NetSocket::set_send_limit(u32 bytes) {
    const auto rounded = static_cast<u32>(round_up(std::min(bytes, kMaxSend), kPageSize));
    send_limit_ = std::clamp(rounded, kPageSize, kMaxSend);
}

bool NetSocket::reserve_page(u32 position) {
    u16& page = pages_[slot(position)];
    if (page != Net::kNoPage) return true;
    page = owner_.take_page(*this);
    if (page == Net::kNoPage) return false;
    shared::store(half().send_pages[slot(position)], page);
    return true;
}

std::span<u8> NetSocket::send_space() {
    if (!attached() || state_ == Net::State::closed) return {};
    const u32 room = send_room();
    if (room == 0 || !reserve_page(send_tail_)) return {};
    return reserved_space(room);
}

std::span<u8> NetSocket::reserved_space(u32 limit) {
    const u32 offset = send_tail_ % kPageSize;
    return {owner_.page(pages_[slot(send_tail_)]) + offset, std::min(limit, kPageSize - offset)};
}

void NetSocket::commit(u32 bytes) {
    if (!attached()) return;
    send_tail_ += bytes;
    shared::store(half().send_tail, send_tail_);
    enter();
}

bool NetSocket::datagram_fits(u32 length) const { return send_room() >= record_size(length); }

bool NetSocket::reserve_datagram(u32 length) {
    if (!attached() || state_ == Net::State::closed || length > Net::kMaxDatagram) return false;
    const u32 size = record_size(length);
    if (send_room() < size) return false;
    const u32 first = send_tail_ - send_tail_ % kPageSize, end = send_tail_ + size;
    u32 at = first;
    for (; static_cast<i32>(end - at) > 0; at += kPageSize) {
        if (reserve_page(at)) continue;
        // What holds no byte goes back.
        while (at != first) {
            at -= kPageSize;
            if (at == first && unsent() != 0 && send_tail_ != first) break;
            give_up_page(at);
        }
        return false;
    }
    return true;
}

void NetSocket::put(const void* from, u32 size) {
    const u8* bytes = static_cast<const u8*>(from);
    while (size != 0) {
        const std::span<u8> space = reserved_space(size);
        std::memcpy(space.data(), bytes, space.size());
        bytes += space.size();
        size -= static_cast<u32>(space.size());
        send_tail_ += static_cast<u32>(space.size());
    }
}

void NetSocket::finish_datagram() {
    send_tail_ = static_cast<u32>(round_up(send_tail_, 8));
    shared::store(half().send_tail, send_tail_);
    enter();
}

std::span<const u8> NetSocket::received_piece(u32 skip) {
    if (skip >= received() || dead_ || !owner_.attached()) return {};
    const u32 position = receive_head_ + skip, offset = position % kPageSize;
    const u16 page = shared::load(owner_.link().blocks[number_].server.receive_pages[slot(position)]);
    if (page >= Net::kFirstSendPage) {
        break_off_reading();
        return {};
    }
    return {owner_.page(page) + offset, std::min(received() - skip, kPageSize - offset)};
}

void NetSocket::consume(u32 bytes) {
    if (!attached() || bytes == 0) return;
    receive_head_ += bytes;
    shared::store(half().receive_head, receive_head_);
    shared::fence();
    const u32 wake_at = shared::load(owner_.link().blocks[number_].server.wake_at);
    // Once for each place, if it is among the bytes that have just gone.
    if (static_cast<i32>(receive_head_ - wake_at) < 0 || (told_any_ && wake_at == told_at_)) return;
    told_any_ = true;
    told_at_ = wake_at;
    enter();
}

bool NetSocket::next_datagram(Net::Datagram& header) { return datagram_at(0, header); }

bool NetSocket::datagram_at(u32 skip, Net::Datagram& header) {
    if (received() <= skip || dead_) return false;
    const u32 there = received() - skip;
    if (there < sizeof header) return break_off_reading(), false;
    u32 done = 0;
    while (done < sizeof header) {
        const std::span<const u8> piece = received_piece(skip + done);
        if (piece.empty()) return false;
        const usize count = std::min<usize>(piece.size(), sizeof header - done);
        std::memcpy(reinterpret_cast<u8*>(&header) + done, piece.data(), count);
        done += static_cast<u32>(count);
    }
    asm volatile("" ::: "memory");  // the copy is what is looked at
    if (header.length <= Net::kMaxDatagram && record_size(header.length) <= there) return true;
    return break_off_reading(), false;
}

u32 NetSocket::datagram_size(const Net::Datagram& header) { return record_size(header.length); }

std::span<const u8> NetSocket::datagram_piece(const Net::Datagram& header, u32 skip) {
    if (skip >= header.length) return {};
    const std::span<const u8> piece = received_piece(static_cast<u32>(sizeof header) + skip);
    return piece.first(std::min<usize>(piece.size(), header.length - skip));
}

void NetSocket::consume_datagram(const Net::Datagram& header) { consume(record_size(header.length)); }

NetSocket::Information NetSocket::information() const {
    if (!owner_.attached()) return {};
    const Net::ServerHalf& server = owner_.link().blocks[number_].server;
    return {server.mss, server.round_trip, server.congestion_window, server.send_window,
            server.retransmissions};
}

u32 NetSocket::drops() const {
    return owner_.attached() ? shared::load(owner_.link().blocks[number_].server.drops) : 0;
}

}  // namespace pith
