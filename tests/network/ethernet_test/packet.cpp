// SPDX-License-Identifier: MIT
#include "tests/network/ethernet_test/packet.hpp"

#include <cstring>

namespace pith::test {

namespace {

constexpr u16 kArp = 0x0806, kIpv4 = 0x0800;
constexpr u32 kEthernet = 14, kIp = 20, kIcmp = 8;
constexpr u16 kIdentifier = 0x7e57;

void put16(u8* at, u32 value) {
    at[0] = static_cast<u8>(value >> 8);
    at[1] = static_cast<u8>(value);
}
u16 get16(const u8* at) { return static_cast<u16>(at[0] << 8 | at[1]); }

u16 checksum(const u8* bytes, u32 length) {
    u32 sum = 0;
    for (u32 i = 0; i + 1 < length; i += 2) sum += get16(bytes + i);
    if (length % 2 != 0) sum += u32{bytes[length - 1]} << 8;
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<u16>(~sum);
}

u8 data_byte(u16 sequence, u32 i) { return static_cast<u8>((sequence * 31 + i * 7 + (i >> 8)) & 0xff); }

void put_ethernet(u8* frame, const u8 (&to)[6], const u8 (&from)[6], u16 type) {
    std::memcpy(frame, to, 6);
    std::memcpy(frame + 6, from, 6);
    put16(frame + 12, type);
}

Packet parse_arp(std::span<const u8> frame) {
    Packet packet;
    if (frame.size() < kEthernet + 28) return packet;
    const u8* arp = frame.data() + kEthernet;
    const u16 operation = get16(arp + 6);
    packet.kind = operation == 1   ? Packet::Kind::arp_request
                  : operation == 2 ? Packet::Kind::arp_reply
                                   : Packet::Kind::other;
    std::memcpy(packet.hardware, arp + 8, 6);
    std::memcpy(packet.address, arp + 14, 4);
    return packet;
}

}  // namespace

Packet parse(std::span<const u8> frame) {
    Packet packet;
    if (frame.size() < kEthernet) return packet;
    if (get16(frame.data() + 12) == kArp) return parse_arp(frame);
    if (get16(frame.data() + 12) != kIpv4 || frame.size() < kEthernet + kIp + kIcmp) return packet;
    const u8* ip = frame.data() + kEthernet;
    const u8* icmp = ip + kIp;
    const u32 length = get16(ip + 2);
    if (ip[0] != 0x45 || ip[9] != 1 || std::memcmp(ip + 16, kOwnAddress, 4) != 0 || icmp[0] != 0 ||
        get16(icmp + 4) != kIdentifier)
        return packet;
    packet.kind = Packet::Kind::broken;
    if (length < kIp + kIcmp || length > frame.size() - kEthernet || checksum(ip, kIp) != 0 ||
        checksum(icmp, length - kIp) != 0)
        return packet;
    packet.sequence = get16(icmp + 6);
    packet.data = length - kIp - kIcmp;
    std::memcpy(packet.address, ip + 12, 4);
    for (u32 i = 0; i < packet.data; i++)
        if (icmp[kIcmp + i] != data_byte(packet.sequence, i)) return packet;
    packet.kind = Packet::Kind::echo_reply;
    return packet;
}

u32 make_arp(std::span<u8> frame, const u8 (&hardware)[6], bool reply, const u8 (&to_hardware)[6],
             const u8 (&to)[4]) {
    constexpr u8 kEverybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    put_ethernet(frame.data(), reply ? to_hardware : kEverybody, hardware, kArp);
    u8* arp = frame.data() + kEthernet;
    put16(arp, 1);
    put16(arp + 2, kIpv4);
    put16(arp + 4, 0x0604);
    put16(arp + 6, reply ? 2 : 1);
    std::memcpy(arp + 8, hardware, 6);
    std::memcpy(arp + 14, kOwnAddress, 4);
    std::memcpy(arp + 18, to_hardware, 6);
    std::memcpy(arp + 24, to, 4);
    return kEthernet + 28;
}

u32 make_echo(std::span<u8> frame, const u8 (&hardware)[6], const u8 (&to_hardware)[6], u16 sequence,
              u32 data) {
    put_ethernet(frame.data(), to_hardware, hardware, kIpv4);
    u8* ip = frame.data() + kEthernet;
    u8* icmp = ip + kIp;
    std::memset(ip, 0, kIp + kIcmp);
    ip[0] = 0x45;
    put16(ip + 2, kIp + kIcmp + data);
    put16(ip + 4, sequence);
    ip[8] = 64;
    ip[9] = 1;
    std::memcpy(ip + 12, kOwnAddress, 4);
    std::memcpy(ip + 16, kGateway, 4);
    put16(ip + 10, checksum(ip, kIp));
    icmp[0] = 8;
    put16(icmp + 4, kIdentifier);
    put16(icmp + 6, sequence);
    for (u32 i = 0; i < data; i++) icmp[kIcmp + i] = data_byte(sequence, i);
    put16(icmp + 2, checksum(icmp, kIcmp + data));
    return kEthernet + kIp + kIcmp + data;
}

}  // namespace pith::test
