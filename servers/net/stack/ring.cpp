// SPDX-License-Identifier: MIT
// The two ring buffers of a socket: pages of what is received, which the server gives and takes back, and of what is sent, which are the client's.
#include <algorithm>
#include <cstring>

#include "lib/base/assert.hpp"
#include "servers/net/stack/stack.hpp"

namespace pith::stack {
namespace {

constexpr u8 slot_of(u32 position) { return static_cast<u8>(position / Net::kPageSize % Net::kRingPages); }

}  // namespace

/// There are pages for all bytes from `receive_tail` to `end`, or false.
bool Stack::reserve(Socket& socket, u32 end) {
    if (static_cast<i32>(end - socket.reserved) <= 0) return true;
    Net::ServerHalf& server = shared_.server(socket.number);
    u32 at = socket.reserved;
    while (static_cast<i32>(end - at) > 0) {
        const u8 slot = slot_of(at);
        if (!pages_.owns(look(server.receive_pages[slot]), socket.number, slot)) {
            u16 page = pages_.allocate(socket.number, slot);
            if (page == Net::kNoPage && reclaim(socket)) page = pages_.allocate(socket.number, slot);
            if (page == Net::kNoPage) return false;
            put(server.receive_pages[slot], page);
        }
        at = (at / Net::kPageSize + 1) * Net::kPageSize;
        socket.reserved = at;
    }
    return true;
}

/// Gives back the pages from number `first_page` on up to `end_page` of the endless row, but those that hold later bytes too.
void Stack::release_slots(Socket& socket, u32 first_page, u32 end_page) {
    Net::ServerHalf& server = shared_.server(socket.number);
    const u32 last_page = (socket.reserved - 1) / Net::kPageSize;
    for (u32 at = first_page; at != end_page; at = (at + 1) % (u32{1} << 20)) {
        if (((last_page - at) & 0xfffff) >= Net::kRingPages && ((last_page - at) & 0xfffff) < 0x80000)
            continue;
        const u8 slot = static_cast<u8>(at % Net::kRingPages);
        const u16 page = look(server.receive_pages[slot]);
        if (!pages_.owns(page, socket.number, slot)) continue;
        pages_.release(page);
        put(server.receive_pages[slot], Net::kNoPage);
    }
}

void Stack::release_read(Socket& socket, u32 from, u32 to) {
    release_slots(socket, from / Net::kPageSize, to / Net::kPageSize);
}

void Stack::release_all(Socket& socket) {
    Net::ServerHalf& server = shared_.server(socket.number);
    for (u8 slot = 0; slot < Net::kRingPages; slot++) {
        const u16 page = look(server.receive_pages[slot]);
        if (!pages_.owns(page, socket.number, slot)) continue;
        pages_.release(page);
        put(server.receive_pages[slot], Net::kNoPage);
    }
    socket.reserved = socket.receive_tail;
}

/// Pages of rings that have been read empty, or further than was told, are taken back: one at least, or false. `wanting` keeps what it has reserved.
bool Stack::reclaim(const Socket& wanting) {
    const u32 before = pages_.used();
    for (u32 looked = 0; looked < Net::kFirstSendPage && pages_.used() == before; looked++) {
        hand_ = static_cast<u16>((hand_ + 1) % Net::kFirstSendPage);
        const u16 owner = pages_.owner(hand_);
        if (owner == kNoSocket) continue;
        Socket& socket = sockets_[owner];
        if (!take_head(socket)) continue;  // it is found out when its own number comes
        touch(socket);
        const bool out_of_order = socket.kind == Net::Kind::stream && socket.tcp != nullptr &&
                                  socket.tcp->ooseq != nullptr;
        if (&socket != &wanting && socket.receive_head == socket.receive_tail && !out_of_order)
            release_all(socket);
    }
    return pages_.used() < before;
}

/// Where a byte of the receive ring lies; nullptr: the client has written over the number of its page.
u8* Stack::receive_at(Socket& socket, u32 position) {
    const u8 slot = slot_of(position);
    const u16 page = look(shared_.server(socket.number).receive_pages[slot]);
    if (!pages_.owns(page, socket.number, slot)) return nullptr;
    u8* const bytes = shared_.page(page);
    return port_.need(bytes, Net::kPageSize) ? bytes + position % Net::kPageSize : nullptr;
}

/// Into reserved pages. False: the client has written over the number of one.
bool Stack::put_bytes(Socket& socket, u32 position, const void* bytes, u32 length) {
    const auto* from = static_cast<const u8*>(bytes);
    while (length > 0) {
        const u32 part = std::min(length, Net::kPageSize - position % Net::kPageSize);
        u8* const to = receive_at(socket, position);
        if (to == nullptr) return false;
        std::memcpy(to, from, part);
        position += part;
        from += part;
        length -= part;
    }
    return true;
}

/// Where a byte of the send ring lies, and how many more lie behind it; nullptr: the client has given no such page.
const u8* Stack::send_at(Socket& socket, u32 position, u32& run) {
    const Net::ClientHalf& client = shared_.client(socket.number);
    const u16 page = look(client.send_pages[slot_of(position)]);
    if (page < Net::kFirstSendPage || page >= Net::kPages) return nullptr;
    u32 length = Net::kPageSize - position % Net::kPageSize;
    for (u16 next = static_cast<u16>(page + 1); length < run && next < Net::kPages; next++) {
        if (look(client.send_pages[slot_of(position + length)]) != next) break;
        length += Net::kPageSize;
    }
    run = std::min(run, length);
    const u8* const from = shared_.page(page) + position % Net::kPageSize;
    return port_.need(from, run) ? from : nullptr;
}

bool Stack::get_bytes(Socket& socket, u32 position, void* bytes, u32 length) {
    auto* to = static_cast<u8*>(bytes);
    while (length > 0) {
        u32 run = length;
        const u8* from = send_at(socket, position, run);
        if (from == nullptr) return false;
        std::memcpy(to, from, run);
        position += run;
        to += run;
        length -= run;
    }
    return true;
}

/// The client's half is of this use of the number: of a connection that came in it is an earlier one's, until the client has seen it.
bool Stack::known(const Socket& socket) {
    return look(shared_.client(socket.number).generation) == socket.generation;
}

/// Takes the client's `receive_head`. False: it can't be.
bool Stack::take_head(Socket& socket) {
    if (!known(socket)) return true;
    const u32 head = look(shared_.client(socket.number).receive_head);
    if (head == socket.receive_head) return true;
    if (head - socket.receive_head > socket.receive_tail - socket.receive_head) return false;
    release_read(socket, socket.receive_head, head);
    socket.receive_head = head;
    return true;
}

/// When the client is to tell that it has read: at once if the window is small, else rarely. A peer that scales no window fills no more than 64 KiB.
void Stack::set_wake(Socket& socket) {
    const u32 unread = socket.receive_tail - socket.receive_head;
    const u32 most = socket.kind == Net::Kind::stream && socket.tcp != nullptr
                         ? std::min<u32>(socket.limit, TCP_WND_MAX(socket.tcp))
                         : socket.limit;
    const u32 wake = socket.receive_head + (unread >= most / 2 ? 1 : std::max<u32>(most / 4, 1));
    if (wake == socket.wake_at) return;
    socket.wake_at = wake;
    std::atomic_ref(shared_.server(socket.number).wake_at).store(wake, std::memory_order_seq_cst);
    // It may have read meanwhile, by the earlier mark.
    const u32 head = std::atomic_ref(shared_.client(socket.number).receive_head)
                         .load(std::memory_order_seq_cst);
    if (socket.state != Net::State::closed && known(socket) && static_cast<i32>(head - wake) >= 0 &&
        head - socket.receive_head <= unread)
        apply(socket);
}

}  // namespace pith::stack
