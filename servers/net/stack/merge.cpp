// SPDX-License-Identifier: MIT
#include "servers/net/stack/merge.hpp"

#include <cstring>
#include <initializer_list>

#include <lwip/prot/ip.h>
#include <lwip/prot/tcp.h>
#include <lwip/tcp.h>
#include "lib/lwip/checksum.hpp"
#include "protocol/ethernet.hpp"

namespace pith::stack {
namespace {

constexpr u32 kIp4Size = 20, kIp6Size = 40;
constexpr u32 kIp = Ethernet::kHeaderSize;

u16 read16(const u8* at) { return static_cast<u16>(at[0] << 8 | at[1]); }
u32 read32(const u8* at) {
    u32 value;
    std::memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}
void write16(u8* at, u32 value) {
    at[0] = static_cast<u8>(value >> 8);
    at[1] = static_cast<u8>(value);
}

/// Bytes of an IP header without options, behind which TCP follows up to the end of the frame; 0: it is something else. `pseudo`: the sum of its
/// pseudo-header (RFC 793, RFC 8200 section 8.1).
u32 ip_header(const u8* frame, u32 total, u64& pseudo) {
    const u8* ip = frame + kIp;
    const u16 type = read16(frame + 12);
    const u32 rest = total - kIp;
    u32 size = 0;
    if (type == 0x0800) {
        const bool fragment = (ip[6] & 0xbf) != 0 || ip[7] != 0;
        if (ip[0] != 0x45 || read16(ip + 2) != rest || fragment || ip[9] != IP_PROTO_TCP) return 0;
        if (fold_checksum(checksum_words(ip, kIp4Size / 4)) != 0xffff) return 0;
        size = kIp4Size;
        pseudo = checksum_words(ip + 12, 2);
    } else if (type == 0x86dd) {
        if (ip[0] >> 4 != 6 || read16(ip + 4) + kIp6Size != rest || ip[6] != IP_PROTO_TCP) return 0;
        size = kIp6Size;
        pseudo = checksum_words(ip + 8, 8);
    } else {
        return 0;
    }
    pseudo += __builtin_bswap16(static_cast<u16>(rest - size)) + u64{IP_PROTO_TCP} * 256;
    return size;
}

u64 word(const u8* at) {
    u64 value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

/// Which bits of headers without options have to be the same, by words.
struct Mask {
    u64 bits[(kIp + kIp6Size + TCP_HLEN + 7) / 8] = {};
    u32 words = 0;

    /// All bytes of headers of `size` bytes but those at `free`.
    consteval Mask(u32 size, std::initializer_list<u32> free) : words((size + 7) / 8) {
        for (u32 at = 0; at < size; at++) bits[at / 8] |= u64{0xff} << (at % 8 * 8);
        for (const u32 at : free) bits[at / 8] &= ~(u64{0xff} << (at % 8 * 8));
    }
};
constexpr u32 kTcp4 = kIp + kIp4Size, kTcp6 = kIp + kIp6Size;
// In TCP: the sequence number, the flags (which find_mergeable has looked at), the checksum. In IPv4: the length, the identification, the checksum. In IPv6:
// the length.
constexpr Mask kMask4(kTcp4 + TCP_HLEN,
                      {kIp + 2, kIp + 3, kIp + 4, kIp + 5, kIp + 10, kIp + 11, kTcp4 + 4, kTcp4 + 5,
                       kTcp4 + 6, kTcp4 + 7, kTcp4 + 13, kTcp4 + 16, kTcp4 + 17});
constexpr Mask kMask6(kTcp6 + TCP_HLEN, {kIp + 4, kIp + 5, kTcp6 + 4, kTcp6 + 5, kTcp6 + 6, kTcp6 + 7,
                                         kTcp6 + 13, kTcp6 + 16, kTcp6 + 17});
/// Words may be read beyond the headers.
constexpr u32 kLeast = (kTcp6 + TCP_HLEN + 7) / 8 * 8;

/// The sum of a packet from `start` on, which lies in its first piece; only the last piece may have an odd length.
bool checksum_right(const pbuf& packet, u32 start, u64 sum) {
    sum = checksum(static_cast<const u8*>(packet.payload) + start, packet.len - start, sum);
    for (const pbuf* piece = packet.next; piece != nullptr; piece = piece->next)
        sum = checksum(piece->payload, piece->len, sum);
    return fold_checksum(sum) == 0xffff;
}

}  // namespace

bool find_mergeable(const pbuf& packet, bool checksum_good, Segment& found) {
    const auto* frame = static_cast<const u8*>(packet.payload);
    if (packet.len < kLeast || (packet.len & 1) != 0) return false;
    u64 pseudo = 0;
    const u32 ip_size = ip_header(frame, packet.tot_len, pseudo);
    if (ip_size == 0) return false;
    found.start = kIp + ip_size;
    const u8* tcp = frame + found.start;
    const u32 size = (tcp[12] >> 4) * 4u;
    found.headers = found.start + size;
    const u32 flags = tcp[13];
    if (size < TCP_HLEN || found.headers > packet.len || found.headers >= packet.tot_len ||
        (flags & ~u32{TCP_PSH}) != TCP_ACK)
        return false;
    found.pushed = (flags & TCP_PSH) != 0;
    found.sequence = read32(tcp + 4);
    found.length = packet.tot_len - found.headers;
    return checksum_good || checksum_right(packet, found.start, pseudo);
}

bool expected(const pbuf& packet, const Segment& segment, const Demux& connections) {
    const auto* ip = static_cast<const u8*>(packet.payload) + kIp;
    const u8* tcp = static_cast<const u8*>(packet.payload) + segment.start;
    ip_addr_t from{}, to{};
    if (segment.start == kTcp4) {
        std::memcpy(&ip_2_ip4(&from)->addr, ip + 12, 4);
        std::memcpy(&ip_2_ip4(&to)->addr, ip + 16, 4);
    } else {
        IP_SET_TYPE_VAL(from, IPADDR_TYPE_V6);
        IP_SET_TYPE_VAL(to, IPADDR_TYPE_V6);
        std::memcpy(ip_2_ip6(&from)->addr, ip + 8, 16);
        std::memcpy(ip_2_ip6(&to)->addr, ip + 24, 16);
    }
    const tcp_pcb* pcb = connections.find(to, read16(tcp + 2), from, read16(tcp));
    return pcb != nullptr && pcb->rcv_nxt == segment.sequence;
}

/// All but the lengths, the sequence number, PSH and the sums is the same in both headers.
bool Merger::continued_by(const pbuf& packet, const Segment& segment) const {
    if (first_ == nullptr || complete_ || segment.sequence != segment_.end() ||
        segment.start != segment_.start || segment.headers != segment_.headers ||
        segment_.headers + segment_.length + segment.length > kMostBytes)
        return false;
    const auto* ours = static_cast<const u8*>(first_->payload);
    const auto* theirs = static_cast<const u8*>(packet.payload);
    const Mask& mask = segment.start == kIp + kIp4Size ? kMask4 : kMask6;
    u64 differs = 0;
    for (u32 i = 0; i < mask.words; i++)
        differs |= (word(ours + 8 * i) ^ word(theirs + 8 * i)) & mask.bits[i];
    const u32 options = segment.start + TCP_HLEN;
    return differs == 0 && std::memcmp(ours + options, theirs + options, segment.headers - options) == 0;
}

void Merger::add(pbuf* packet, const Segment& segment) {
    if (first_ == nullptr) {
        first_ = packet;
        segment_ = segment;
        count_ = 0;
    } else {
        static_cast<void>(pbuf_remove_header(packet, segment.headers));
        last_->next = packet;
        segment_.length += segment.length;
        segment_.pushed = segment.pushed;
    }
    for (last_ = packet; last_->next != nullptr;) last_ = last_->next;
    complete_ = ++count_ == kMost || segment.pushed;
}

pbuf* Merger::take() {
    pbuf* packet = first_;
    u32 left = segment_.headers + segment_.length;
    auto* frame = static_cast<u8*>(packet->payload);
    if (segment_.start == kIp + kIp4Size) write16(frame + kIp + 2, left - kIp);
    else write16(frame + kIp + 4, left - kIp - kIp6Size);
    if (segment_.pushed) frame[segment_.start + 13] |= TCP_PSH;
    for (pbuf* piece = packet; piece != nullptr; piece = piece->next) {
        piece->tot_len = static_cast<u16>(left);
        left -= piece->len;
    }
    first_ = last_ = nullptr;
    complete_ = false;
    return packet;
}

}  // namespace pith::stack
