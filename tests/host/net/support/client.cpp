// SPDX-License-Identifier: MIT
#include "tests/host/net/support/client.hpp"

#include <algorithm>
#include <cstdlib>

namespace pith::stack {

TestClient::TestClient(u8* memory)
    : link_(*reinterpret_cast<Net::Link*>(memory)), window_(memory + Net::kWindowOffset) {
    forget();
}

void TestClient::forget() {
    free_pages_.clear();
    for (u32 i = Net::kPages; i > Net::kFirstSendPage; i--) free_pages_.push_back(static_cast<u16>(i - 1));
    used_.assign(Net::kSockets, false);
    taken_back_.assign(Net::kSockets, 0);
    arrivals_.clear();
    next_ = 1;
    taken_ = link_.to_client.head;
}

void TestClient::enter(u32 socket) {
    if (std::atomic_ref(client(socket).pending).exchange(1) != 0) return;
    const u32 tail = link_.to_server.tail;
    link_.to_server.numbers[tail % Net::kSockets] = static_cast<u16>(socket);
    std::atomic_ref(link_.to_server.tail).store(tail + 1);
    notified = true;
}

u32 TestClient::take_all() {
    u32 count = 0;
    for (; taken_ != std::atomic_ref(link_.to_client.tail).load(); count++) {
        const u16 number = link_.to_client.numbers[taken_++ % Net::kSockets];
        link_.to_client.head = taken_;
        if (number >= Net::kSockets) std::abort();
        std::atomic_ref(link_.blocks[number].server.pending).exchange(0);
        if (number >= Net::kFirstServerSocket && server(number).generation != client(number).generation)
            arrivals_.push_back(number);
    }
    return count;
}

void TestClient::enter_all() {
    taken_ = link_.to_client.head;
    arrivals_.clear();
    for (u32 i = Net::kFirstServerSocket; i < Net::kSockets; i++) arrivals_.push_back(static_cast<u16>(i));
    for (u32 i = 0; i < Net::kSockets; i++) {
        if (used_[i]) enter(i);
    }
}

u32 TestClient::new_socket() {
    for (u32 tried = 1; tried < Net::kFirstServerSocket; tried++) {
        const u32 i = next_;
        next_ = next_ + 1 == Net::kFirstServerSocket ? 1 : next_ + 1;
        if (used_[i] || server(i).state != Net::State::free || client(i).kind != Net::Kind::none) continue;
        used_[i] = true;
        const u32 generation = client(i).generation + 1;
        const u32 pending = client(i).pending;
        client(i) = Net::ClientHalf{};
        client(i).pending = pending;
        client(i).generation = generation;
        taken_back_[i] = 0;
        return i;
    }
    std::abort();
}

u32 TestClient::listen(u16 port, u32 backlog, Net::Address local) {
    const u32 socket = new_socket();
    client(socket).local = local;
    client(socket).local.port = port;
    client(socket).backlog = backlog;
    client(socket).kind = Net::Kind::listener;
    enter(socket);
    return socket;
}

u32 TestClient::connect(Net::Address local, Net::Address remote, u8 flags) {
    const u32 socket = new_socket();
    client(socket).local = local;
    client(socket).remote = remote;
    client(socket).flags = flags;
    client(socket).kind = Net::Kind::stream;
    enter(socket);
    return socket;
}

u32 TestClient::datagram(Net::Kind kind, Net::Address local, Net::Address remote) {
    const u32 socket = new_socket();
    client(socket).local = local;
    client(socket).remote = remote;
    client(socket).kind = kind;
    enter(socket);
    return socket;
}

u32 TestClient::accept(u32 listener) {
    for (usize at = 0; at < arrivals_.size(); at++) {
        const u16 i = arrivals_[at];
        const Net::ServerHalf& half = server(i);
        const bool stale = half.state == Net::State::free || half.generation == client(i).generation;
        const bool other = half.listener != listener ||
                           half.listener_generation != client(listener).generation;
        if (stale || !other) {
            arrivals_[at] = arrivals_.back();
            arrivals_.pop_back();
        }
        if (stale) at--;
        if (stale || other) continue;
        const u32 pending = client(i).pending;
        client(i) = Net::ClientHalf{};
        client(i).pending = pending;
        client(i).kind = Net::Kind::stream;
        client(i).generation = half.generation;
        used_[i] = true;
        taken_back_[i] = 0;
        enter(i);
        return i;
    }
    return 0;
}

Net::State TestClient::state(u32 socket) const {
    return current(socket) ? server(socket).state : Net::State::free;
}

void TestClient::take_back(u32 socket) {
    const u32 head = current(socket) ? server(socket).send_head : taken_back_[socket];
    for (u32& at = taken_back_[socket]; at / Net::kPageSize != head / Net::kPageSize;
         at = (at / Net::kPageSize + 1) * Net::kPageSize) {
        u16& page = client(socket).send_pages[at / Net::kPageSize % Net::kRingPages];
        if (at / Net::kPageSize + Net::kRingPages <= (client(socket).send_tail - 1) / Net::kPageSize)
            continue;  // it holds later bytes
        if (page >= Net::kFirstSendPage) free_pages_.push_back(page);
        page = 0;
    }
    taken_back_[socket] = head;
}

u32 TestClient::send_room(u32 socket) const {
    return current(socket) ? Net::kRingSize - (client(socket).send_tail - server(socket).send_head)
                           : Net::kRingSize - client(socket).send_tail;
}

void TestClient::put(u32 socket, const void* bytes, u32 length) {
    const auto* from = static_cast<const u8*>(bytes);
    Net::ClientHalf& half = client(socket);
    u32 at = half.send_tail;
    while (length > 0) {
        u16& number = half.send_pages[at / Net::kPageSize % Net::kRingPages];
        if (number == 0) {
            number = free_pages_.back();
            free_pages_.pop_back();
        }
        const u32 part = std::min(length, Net::kPageSize - at % Net::kPageSize);
        std::memcpy(page(number) + at % Net::kPageSize, from, part);
        at += part;
        from += part;
        length -= part;
    }
    std::atomic_ref(half.send_tail).store(at);
}

u32 TestClient::send(u32 socket, const u8* bytes, u32 length) {
    take_back(socket);
    length = std::min(length, send_room(socket));
    if ((length + Net::kPageSize - 1) / Net::kPageSize + 1 > free_pages_.size()) return 0;
    if (length == 0) return 0;
    put(socket, bytes, length);
    enter(socket);
    return length;
}

void TestClient::get(u32 socket, void* bytes, u32 length) {
    auto* to = static_cast<u8*>(bytes);
    u32 at = client(socket).receive_head;
    while (length > 0) {
        const u32 part = std::min(length, Net::kPageSize - at % Net::kPageSize);
        const u16 number = server(socket).receive_pages[at / Net::kPageSize % Net::kRingPages];
        if (number >= Net::kFirstSendPage) std::abort();
        std::memcpy(to, page(number) + at % Net::kPageSize, part);
        at += part;
        to += part;
        length -= part;
    }
    std::atomic_ref(client(socket).receive_head).store(at);
    if (static_cast<i32>(at - server(socket).wake_at) >= 0) enter(socket);
}

u32 TestClient::receive(u32 socket, u8* bytes, u32 length) {
    length = std::min(length, readable(socket));
    if (length > 0) get(socket, bytes, length);
    return length;
}

void TestClient::set_flags(u32 socket, u32 flags) {
    client(socket).flags = static_cast<u8>(flags);
    enter(socket);
}

void TestClient::close(u32 socket, bool abort) {
    client(socket).flags = static_cast<u8>(client(socket).flags | (abort ? Net::kAbort : 0));
    client(socket).kind = Net::Kind::none;
    used_[socket] = false;
    for (u16& page : client(socket).send_pages) {
        // The stack may still send from them: the tests that count pages let it come to rest first.
        if (page != 0) free_pages_.push_back(page);
        if (drained(socket)) page = 0;
    }
    enter(socket);
}

bool TestClient::send_datagram(u32 socket, Net::Datagram header, const std::vector<u8>& bytes) {
    take_back(socket);
    header.length = static_cast<u32>(bytes.size());
    const u32 size = static_cast<u32>(sizeof header + (bytes.size() + 7) / 8 * 8);
    if (send_room(socket) < size) return false;
    std::vector<u8> whole(size);
    std::memcpy(whole.data(), &header, sizeof header);
    std::memcpy(whole.data() + sizeof header, bytes.data(), bytes.size());
    put(socket, whole.data(), size);
    enter(socket);
    return true;
}

bool TestClient::receive_datagram(u32 socket, Net::Datagram& header, std::vector<u8>& bytes) {
    if (readable(socket) < sizeof header) return false;
    get(socket, &header, sizeof header);
    std::vector<u8> whole((header.length + 7) / 8 * 8);
    get(socket, whole.data(), static_cast<u32>(whole.size()));
    whole.resize(header.length);
    bytes = std::move(whole);
    return true;
}

}  // namespace pith::stack
