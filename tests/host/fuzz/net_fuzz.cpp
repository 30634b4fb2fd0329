// SPDX-License-Identifier: MIT
// A fuzzer of the network stack's input, for long runs: net_fuzz [CORPUS] (libFuzzer). An input is a series of frames, with time and what the client does in
// between; the stack has a listener, a UDP socket and a connection that is being made. A frame can be repaired so that it gets further than the first
// checks: up to the sequence numbers that the stack waits for, so connections are established, carry bytes and end, and to the blocks of SACK options, so
// that some are of what is on its way. What a short, fixed run can show is in tests/host/net/hostile_test.cpp and sack_test.cpp.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "servers/net/stack/stack.hpp"
#include "tests/host/net/support/client.hpp"
#include "tests/host/net/support/frames.hpp"

namespace pith {

[[noreturn]] void assertion_failed(const char* text);
void assertion_failed(const char* text) {
    std::fprintf(stderr, "assertion failed: %s\n", text);
    std::abort();
}

namespace stack {
namespace {

u32 word_at(const u8* bytes) {
    return u32{bytes[0]} << 24 | u32{bytes[1]} << 16 | u32{bytes[2]} << 8 | bytes[3];
}
void put_word(u8* bytes, u32 word) {
    for (u32 i = 0; i < 4; i++) bytes[i] = static_cast<u8>(word >> (24 - 8 * i));
}

/// What an honest peer of a connection would say next, from what the stack has sent last.
struct Expected {
    u32 sequence = 0, acknowledged = 0;
    u32 told = 0;  ///< what was acknowledged last
};

struct FuzzPort final : Port {
    u64 time = 1'000'000'000, state = 1;
    u8 made[2048];
    Expected listener, connection;  ///< by the stack's port
    Expected& expected(u16 port) { return port == 80 ? listener : connection; }
    u64 now() const override { return time; }
    u64 random() override { return state = state * 6364136223846793005 + 1442695040888963407; }
    bool room(u32) override { return true; }
    u8* frame(u32 length) override { return length <= sizeof made ? made : nullptr; }
    void queue(u32 length, u16, u16) override {
        if (length < 54 || made[12] != 8 || made[13] != 0 || made[23] != 6) return;
        const u8* tcp = made + 34;
        Expected& next = expected(static_cast<u16>(tcp[0] << 8 | tcp[1]));
        const u32 bytes = static_cast<u32>(made[16] << 8 | made[17]) - 20 -
                          (tcp[12] >> 4) * 4u;  // without padding
        next.acknowledged = word_at(tcp + 4) + bytes + ((tcp[13] & 2u) >> 1) + (tcp[13] & 1u);
        if ((tcp[13] & 16) != 0) next.sequence = word_at(tcp + 8);
    }
    void publish() override {}
    void give_back(u64) override {}
    std::vector<u8> own;
    u8* reserve(usize bytes) override { return (own = std::vector<u8>(bytes)).data(); }
    bool need(const u8*, usize) override { return true; }
    void notify_client() override {}
};

Net::Address address(u8 last, u16 port) {
    Net::Address out{};
    out.family = 4;
    out.port = port;
    const u8 bytes[] = {10, 0, 0, last};
    std::memcpy(out.bytes, bytes, 4);
    return out;
}

/// SACK in its options: of a SYN that it is agreed on; else two blocks, which the option's own bytes place somewhere in what is on its way. With `again` it
/// acknowledges nothing new, so that something is on its way.
void tell_selectively(u8* tcp, u32 size, const Expected& expected, bool again) {
    constexpr u8 kPermitted[4] = {1, 1, 4, 2}, kBlocks[4] = {1, 1, 5, 18};
    if (size < 40) return;
    if ((tcp[13] & 2) != 0) {
        tcp[12] = 0x60;
        std::memcpy(tcp + 20, kPermitted, sizeof kPermitted);
        return;
    }
    if (again) put_word(tcp + 8, expected.told);
    tcp[12] = 0xa0;
    const u32 from = word_at(tcp + 8), flight = expected.acknowledged - from;
    for (u32 at = 24; at < 40; at += 4) {
        const u32 part = tcp[at];
        put_word(tcp + at,
                 part < 16 ? word_at(tcp + at) : from + static_cast<u32>(u64{flight} * (part % 33) / 32));
    }
    std::memcpy(tcp + 20, kBlocks, sizeof kBlocks);
}

/// The segment fits the connection that it is for, but for what `how` leaves as it is, or puts off by `off`.
void continue_connection(u8* tcp, u32 size, Expected& expected, u8 how, i8 off) {
    if ((how & 1) != 0) put_word(tcp + 4, expected.sequence + ((how & 2) != 0 ? static_cast<u32>(off) : 0));
    if ((how & 4) != 0)
        put_word(tcp + 8, expected.acknowledged + ((how & 8) != 0 ? static_cast<u32>(off) : 0));
    if ((how & 16) != 0) tcp[12] = 0x50;
    if ((tcp[12] >> 4) * 4u > size) tcp[12] = 0x50;
    if ((how & 32) != 0) tcp[13] = static_cast<u8>((tcp[13] & ~6u) | 16);  // ACK, neither SYN nor RST
    if ((how & 64) != 0) tell_selectively(tcp, size, expected, (how & 128) != 0);
    expected.told = word_at(tcp + 8);
}

/// Makes of any bytes a frame that gets further than the first checks: addresses, lengths, checksums, ports that somebody has.
void repair(std::vector<u8>& frame, FuzzPort& port) {
    if (frame.size() < 62) return;
    const u8 how = frame[0];
    const i8 off = static_cast<i8>(frame[1]);
    const u8 ethernet[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
    std::memcpy(frame.data(), ethernet, sizeof ethernet);
    const u8 kind = frame[12] % 8;
    const u32 length = static_cast<u32>(frame.size() - 14);
    u8* ip = frame.data() + 14;
    u32 header = 20, sum = 0;
    u8 protocol;
    if (kind < 5) {
        const u8 protocols[] = {6, 6, 6, 17, 1};
        protocol = protocols[kind];
        frame[12] = 8, frame[13] = 0;
        ip[0] = 0x45, ip[2] = static_cast<u8>(length >> 8), ip[3] = static_cast<u8>(length);
        if ((ip[1] & 1) == 0) ip[6] = ip[7] = 0;
        ip[9] = protocol, ip[10] = ip[11] = 0;
        const u8 addresses[] = {10, 0, 0, 1, 10, 0, 0, 2};
        std::memcpy(ip + 12, addresses, 8);
        const u16 checksum = internet_checksum(ip, 20);
        ip[10] = static_cast<u8>(checksum >> 8), ip[11] = static_cast<u8>(checksum);
        for (u32 i = 12; i < 20; i += 2) sum += static_cast<u32>(ip[i] << 8 | ip[i + 1]);
    } else if (kind < 7) {
        protocol = 58, header = 40;
        frame[12] = 0x86, frame[13] = 0xdd;
        ip[0] = 0x60, ip[4] = static_cast<u8>((length - 40) >> 8), ip[5] = static_cast<u8>(length - 40),
        ip[6] = protocol, ip[7] = 255;
        const u8 addresses[] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
                                0xff, 2,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        std::memcpy(ip + 8, addresses, 32);
        for (u32 i = 8; i < 40; i += 2) sum += static_cast<u32>(ip[i] << 8 | ip[i + 1]);
    } else {
        frame[12] = 8, frame[13] = 6;
        const u8 arp[] = {0, 1, 8, 0, 6, 4, 0};
        if ((how & 1) != 0) std::memcpy(ip, arp, sizeof arp);
        return;
    }
    u8* transport = ip + header;
    const u32 size = length - header;
    const u32 at = protocol == 6 ? 16 : protocol == 17 ? 6 : 2;
    if (protocol == 6 || protocol == 17) {
        transport[0] = 0, transport[1] = 80;
        transport[2] = (transport[2] & 1) != 0 ? 0x0f : 0;
        transport[3] = transport[2] != 0 ? 0xa0 : protocol == 17 ? 53 : 80;
    }
    if (protocol == 6)
        continue_connection(transport, size, port.expected(transport[2] != 0 ? 4000 : 80), how, off);
    if (protocol == 17) transport[4] = static_cast<u8>(size >> 8), transport[5] = static_cast<u8>(size);
    transport[at] = transport[at + 1] = 0;
    const u16 checksum = internet_checksum(transport, size, protocol == 1 ? 0 : sum + protocol + size);
    transport[at] = static_cast<u8>(checksum >> 8), transport[at + 1] = static_cast<u8>(checksum);
}

struct Victim {
    FuzzPort port;
    std::vector<u8> link, records;
    TestClient client;
    Stack* stack;
    u64 session = 0;
    u32 listener = 0, connection = 0, accepted = 0;

    Victim() : link(Net::kLinkSize + 4096), records(Records::kSize + 4096), client(link.data()) {
        Records lease_record{std::span<u8>(records)};
        static_cast<void>(lease_record.good());
        Lease lease{};
        std::memcpy(lease.address, address(2, 0).bytes, 4);
        std::memcpy(lease.gateway, address(1, 0).bytes, 4);
        std::memset(lease.mask, 255, 3);
        lease.ends = ~u64{0};
        lease_record.write(lease);
        stack = new Stack(port, std::span<u8>(link.data(), Net::kLinkSize),
                          std::span<u8>(records.data(), Records::kSize));
        stack->attach({{2, 0, 0, 0, 0, 2}, 1500, true, false});
    }

    /// The peer tells where it is, so that what the stack has to say is said.
    void introduce_peer() {
        static constexpr u8 kAnswer[60] = {2, 0, 0, 0, 0, 2, 2, 0,  0, 0, 0, 1, 8, 6, 0, 1, 8, 0,  6, 4, 0,
                                           2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2};
        std::vector<u8> frame(kAnswer, kAnswer + sizeof kAnswer);
        stack->receive(~u64{0}, frame, false);
        stack->round();
    }

    /// What the program behind the client does: `what` says it.
    void act(u8 what) {
        static constexpr u8 kBytes[3000] = {};
        u8 taken[4096];
        static_cast<void>(client.take_all());
        if (accepted == 0) accepted = client.accept(listener);
        for (const u32 socket : {connection, accepted}) {
            if (socket == 0 || client.state(socket) == Net::State::free) continue;
            if ((what & 32) != 0) static_cast<void>(client.receive(socket, taken, sizeof taken));
            if ((what & 64) != 0) static_cast<void>(client.send(socket, kBytes, sizeof kBytes));
            if ((what & 128) != 0) client.shutdown(socket);
        }
    }

    void run(const u8* data, usize size) {
        stack->open(++session);
        client.forget();
        accepted = 0;
        listener = client.listen(80);
        static_cast<void>(client.datagram(Net::Kind::datagram, {.port = 53}));
        introduce_peer();
        connection = client.connect(address(2, 4000), address(1, 80));
        stack->round();
        std::vector<std::vector<u8>> frames;  // lent until the end
        while (size >= 2) {
            const usize length = std::min<usize>(data[0] + (data[1] & 7u) * 256u, size - 2);
            const u8 then = data[1];
            const bool wait = (then & 8) != 0;
            frames.emplace_back(data + 2, data + 2 + length);
            if ((then & 16) != 0) repair(frames.back(), port);
            data += 2 + length;
            size -= 2 + length;
            stack->receive(frames.size(), frames.back(), (data[-1] & 1) != 0);
            if (wait) port.time += 60'000'000;
            if ((then & 0xe0) != 0) act(then);
            if (wait) stack->round();
        }
        stack->round();
        // Nothing is kept of a frame when its memory goes.
        port.time += 200'000'000'000;
        for (int i = 0; i < 3; i++, port.time += 60'000'000'000) stack->round();
    }
};

}  // namespace
}  // namespace stack
}  // namespace pith

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
    static auto* const
        victim = new pith::stack::Victim;  // never destroyed: what lwIP has refers to its memory
    victim->run(data, size);
    return 0;
}
