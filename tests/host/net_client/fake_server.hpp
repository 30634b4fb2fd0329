// SPDX-License-Identifier: MIT
// The server's half of a link, for tests: memory, and what a server does with it, by hand.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "lib/net/sockets.hpp"

namespace pith {

struct FakeServer {
    FakeServer()
        : memory(static_cast<u8*>(std::aligned_alloc(Net::kPageSize, Net::kLinkSize)), Net::kLinkSize) {
        std::memset(memory.data(), 0, memory.size());
    }
    ~FakeServer() { std::free(memory.data()); }
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;
    Net::Link& link() { return *reinterpret_cast<Net::Link*>(memory.data()); }
    Net::ClientHalf& client(u32 number) { return link().blocks[number].client; }
    Net::ServerHalf& server(u32 number) { return link().blocks[number].server; }
    u8* page(u32 number) { return memory.data() + Net::kWindowOffset + u64{number} * Net::kPageSize; }

    /// Numbers that the client has entered, each taken once.
    std::vector<u16> take() {
        std::vector<u16> numbers;
        Net::NumberRing& ring = link().to_server;
        while (ring.head != ring.tail) {
            const u16 number = ring.numbers[ring.head++ % Net::kSockets];
            client(number).pending = 0;
            numbers.push_back(number);
        }
        return numbers;
    }
    void enter(u16 number) {
        if (std::exchange(server(number).pending, 1) != 0) return;
        Net::NumberRing& ring = link().to_client;
        ring.numbers[ring.tail++ % Net::kSockets] = number;
    }
    /// As it is when the server has looked at a new socket of the client's.
    void answer(u16 number, Net::State state) {
        server(number).generation = client(number).generation;
        server(number).state = state;
        server(number).local = client(number).local;
        server(number).remote = client(number).remote;
        enter(number);
    }
    /// The bytes between head and tail of a send ring.
    std::vector<u8> sent(u16 number, u32 from) {
        std::vector<u8> bytes;
        for (u32 at = from; at != client(number).send_tail; ++at)
            bytes.push_back(
                page(client(number).send_pages[at / Net::kPageSize % Net::kRingPages])[at % Net::kPageSize]);
        return bytes;
    }
    /// Puts bytes in a receive ring, in pages from `first_page` on where there are none yet.
    void receive(u16 number, const std::vector<u8>& bytes, u16 first_page) {
        Net::ServerHalf& half = server(number);
        for (const u8 byte : bytes) {
            const u32 slot = half.receive_tail / Net::kPageSize % Net::kRingPages;
            half.receive_pages[slot] = static_cast<u16>(first_page + slot);
            page(half.receive_pages[slot])[half.receive_tail++ % Net::kPageSize] = byte;
        }
        enter(number);
    }
    const std::span<u8> memory;
};

struct Watcher : NetWatcher {
    void net_changed(NetSocket&) override { ++changes; }
    void net_accepted(NetSocket&, NetSocketRef connection) override {
        accepted.push_back(std::move(connection));
    }
    u32 changes = 0;
    std::vector<NetSocketRef> accepted;
};

inline NetSockets::Settings settings_of(Net::Kind kind) {
    NetSockets::Settings settings;
    settings.kind = kind;
    return settings;
}

}  // namespace pith
