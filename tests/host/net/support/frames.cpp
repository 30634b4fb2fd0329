// SPDX-License-Identifier: MIT
#include "tests/host/net/support/frames.hpp"

namespace pith::stack {
namespace {

void put16(std::vector<u8>& to, u32 value) {
    to.push_back(static_cast<u8>(value >> 8));
    to.push_back(static_cast<u8>(value));
}
void put32(std::vector<u8>& to, u32 value) {
    put16(to, value >> 16);
    put16(to, value & 0xffff);
}

}  // namespace

u16 internet_checksum(const u8* bytes, usize length, u32 sum) {
    for (usize i = 0; i < length; i += 2)
        sum += static_cast<u32>(bytes[i] << 8) + (i + 1 < length ? bytes[i + 1] : 0u);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<u16>(~sum);
}

Frame packet4(u8 from, u8 to, u8 protocol, const std::vector<u8>& payload) {
    Frame frame = {2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0};
    std::vector<u8> ip = {0x45, 0};
    put16(ip, static_cast<u32>(20 + payload.size()));
    put32(ip, 0x12340000);
    ip.insert(ip.end(), {64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to});
    const u16 sum = internet_checksum(ip.data(), 20);
    ip[10] = static_cast<u8>(sum >> 8);
    ip[11] = static_cast<u8>(sum);
    frame.insert(frame.end(), ip.begin(), ip.end());
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

Frame segment(u8 from, u16 from_port, u8 to, u16 to_port, u32 sequence, u32 acknowledged, u8 flags,
              const std::vector<u8>& data, const std::vector<u8>& options, u16 window) {
    std::vector<u8> tcp;
    put16(tcp, from_port);
    put16(tcp, to_port);
    put32(tcp, sequence);
    put32(tcp, acknowledged);
    tcp.push_back(static_cast<u8>((5 + options.size() / 4) << 4));
    tcp.push_back(flags);
    put16(tcp, window);
    put32(tcp, 0);
    tcp.insert(tcp.end(), options.begin(), options.end());
    tcp.insert(tcp.end(), data.begin(), data.end());
    const u32 pseudo = (10 << 8) + from + (10 << 8) + to + 6 + static_cast<u32>(tcp.size());
    const u16 sum = internet_checksum(tcp.data(), tcp.size(), pseudo);
    tcp[16] = static_cast<u8>(sum >> 8);
    tcp[17] = static_cast<u8>(sum);
    return packet4(from, to, 6, tcp);
}

std::vector<u8> udp(u16 from_port, u16 to_port, const std::vector<u8>& data) {
    std::vector<u8> out;
    put16(out, from_port);
    put16(out, to_port);
    put16(out, static_cast<u32>(8 + data.size()));
    put16(out, 0);
    out.insert(out.end(), data.begin(), data.end());
    return out;
}

}  // namespace pith::stack
