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

u32 word(const Frame& frame, u32 at) {
    return u32{frame[at]} << 24 | u32{frame[at + 1]} << 16 | u32{frame[at + 2]} << 8 | frame[at + 3];
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

Tcp find_tcp(const Frame& frame) {
    constexpr u32 kIp = 14;
    if (frame.size() < kIp + 40 || frame[12] != 8 || frame[13] != 0 || frame[kIp + 9] != 6) return {};
    Tcp tcp;
    tcp.start = kIp + (frame[kIp] & 15) * 4u;
    tcp.header = (frame[tcp.start + 12] >> 4) * 4u;
    const u32 end = kIp + static_cast<u32>(frame[kIp + 2] << 8 | frame[kIp + 3]);
    if (end > frame.size() || tcp.start + tcp.header > end) return {};
    tcp.found = true;
    tcp.length = end - tcp.start - tcp.header;
    tcp.from_port = static_cast<u16>(word(frame, tcp.start) >> 16);
    tcp.to_port = static_cast<u16>(word(frame, tcp.start));
    tcp.sequence = word(frame, tcp.start + 4);
    tcp.acknowledged = word(frame, tcp.start + 8);
    tcp.flags = frame[tcp.start + 13];
    return tcp;
}

void repair_checksum(Frame& frame, const Tcp& tcp) {
    const u32 size = tcp.header + tcp.length;
    u8* header = frame.data() + tcp.start;
    header[16] = header[17] = 0;
    u32 pseudo = 6 + size;
    for (u32 i = tcp.start - 8; i < tcp.start; i += 2)
        pseudo += static_cast<u32>(frame[i] << 8 | frame[i + 1]);
    const u16 sum = internet_checksum(header, size, pseudo);
    header[16] = static_cast<u8>(sum >> 8);
    header[17] = static_cast<u8>(sum);
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
