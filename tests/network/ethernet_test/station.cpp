// SPDX-License-Identifier: MIT
#include "tests/network/ethernet_test/station.hpp"

#include <algorithm>
#include <cstring>

namespace pith::test {

Station* station = nullptr;

namespace {

using Hardware = u8[6];

/// The interface's own address.
void own_hardware(const EthernetClient& client, Hardware& to) { std::ranges::copy(client.address(), to); }

}  // namespace

bool Station::open() {
    const u64 bit = context.loop->allocate_signal_bit();
    context.loop->on_signal(bit, [this](u64) { look(); });
    context.loop->on_signal(kSignalReborn, [this](u64) { client_.reborn(); });
    client_.changed = [this] { opened_ += client_.attached(); };
    CHECK(client_.open(context.loop->signal(), bit, now() + 10 * kSecond).ok());
    return true;
}

void Station::look() {
    for (EthernetFrame frame; client_.receive(frame);) take(frame);
    client_.publish();
}

void Station::take(const EthernetFrame& frame) {
    const Packet packet = parse(frame.bytes);
    switch (packet.kind) {
        case Packet::Kind::arp_reply:
            if (std::memcmp(packet.address, kGateway, 4) != 0) break;
            std::memcpy(gateway_, packet.hardware, 6);
            gateway_known_ = true;
            break;
        case Packet::Kind::arp_request: {
            auto buffer = client_.buffer();
            if (!buffer.ok()) break;
            Hardware own;
            own_hardware(client_, own);
            const u32 length = make_arp(buffer->bytes(), own, true, packet.hardware, packet.address);
            client_.queue(std::move(*buffer), length);
            break;
        }
        case Packet::Kind::echo_reply:
            if (!answered_[packet.sequence]) answers_++;
            answered_.set(packet.sequence);
            break;
        case Packet::Kind::broken: broken_++; break;
        case Packet::Kind::other: break;
    }
    if (keeps && kept_count < std::size(kept)) kept[kept_count++] = frame;
    else client_.give_back(frame.id);
}

bool Station::ask_gateway() {
    auto buffer = client_.buffer();
    if (!buffer.ok()) return false;
    Hardware own, nobody = {};
    own_hardware(client_, own);
    client_.queue(std::move(*buffer), make_arp(buffer->bytes(), own, false, nobody, kGateway));
    return true;
}

bool Station::ask(u16 sequence, u32 data) {
    auto buffer = client_.buffer();
    if (!buffer.ok()) return false;
    Hardware own;
    own_hardware(client_, own);
    answered_.reset(sequence);
    data = std::min(data, client_.mtu() - (kEchoOverhead - Ethernet::kHeaderSize));
    const u32 length = make_echo(buffer->bytes(), own, gateway_, sequence, data);
    client_.queue(std::move(*buffer), length);
    return true;
}

bool Station::send_to_nobody(u32 length) {
    auto buffer = client_.buffer();
    if (!buffer.ok()) return false;
    length = std::min(length, Ethernet::kHeaderSize + client_.mtu());
    std::memset(buffer->bytes().data(), 0x42, length);
    client_.queue(std::move(*buffer), length);
    return true;
}

bool Station::ask_all(u32 count, u32 window, u32 data) {
    forget();
    u32 asked = 0;
    return wait_for([&] {
        while (asked < count && asked - answers_ < window && ask(static_cast<u16>(asked), data)) asked++;
        client_.publish();
        return answers_ == count;
    });
}

}  // namespace pith::test
