// SPDX-License-Identifier: MIT
#include "servers/linux/net/inet/ip.hpp"

#include <algorithm>
#include <cstring>

#include "servers/linux/net/interfaces.hpp"
#include "servers/linux/vfs/format.hpp"

namespace pith::lx {

namespace {

constexpr u8 kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr u32 kSize4 = 16, kSize6 = 28,
              kSmallest6 = 24;  // sockaddr_in, sockaddr_in6, the latter as of RFC 2133

std::string hex(u32 value, usize digits) {
    std::string text(digits, '0');
    for (usize i = digits; i-- > 0; value >>= 4) text[i] = "0123456789ABCDEF"[value & 15];
    return text;
}

std::string small_hex(u32 value) {
    std::string text;
    for (int shift = 12; shift >= 0; shift -= 4)
        if (!text.empty() || value >> shift != 0 || shift == 0)
            text += "0123456789abcdef"[value >> shift & 15];
    return text;
}

}  // namespace

InetAddress ipv4_address(u32 address, u16 port) {
    InetAddress result{.family = 4, .port = port};
    for (u32 i = 0; i < 4; ++i) result.bytes[i] = static_cast<u8>(address >> (24 - 8 * i));
    return result;
}

InetAddress ipv6_loopback(u16 port) {
    InetAddress result{.family = 6, .port = port};
    result.bytes[15] = 1;
    return result;
}

InetAddress any_address(u8 family, u16 port) { return {.family = family, .port = port}; }

u32 ipv4_value(const InetAddress& address) {
    return u32{address.bytes[0]} << 24 | u32{address.bytes[1]} << 16 | u32{address.bytes[2]} << 8 |
           address.bytes[3];
}

bool is_any(const InetAddress& address) {
    return std::ranges::all_of(address.bytes, [](u8 byte) { return byte == 0; });
}

bool is_loopback(const InetAddress& address) {
    return address.family == 4 ? address.bytes[0] == 127 : same_ip(address, ipv6_loopback());
}

bool is_multicast(const InetAddress& address) {
    return address.family == 4 ? address.bytes[0] >> 4 == 14 : address.bytes[0] == 0xff;
}

bool is_link_local6(const InetAddress& address) {
    return address.family == 6 && address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
}

u32 multicast_scope6(const InetAddress& group) { return group.bytes[1] & 15; }

bool is_all_hosts(const InetAddress& group) {
    if (group.family == 4) return ipv4_value(group) == 0xe0000001;
    InetAddress all{.family = 6, .bytes = {0xff, 2}};
    all.bytes[15] = 1;
    if (same_ip(group, all)) return true;
    all.bytes[1] = 1;
    return same_ip(group, all);
}

bool needs_scope(const InetAddress& address) {
    if (address.family != 6) return false;
    return is_link_local6(address) ||
           (is_multicast(address) && (multicast_scope6(address) == 1 || multicast_scope6(address) == 2));
}

u32 scope_interface(const InetAddress& address) {
    if (address.scope == kLoopbackScope) return kLoopbackIndex;
    return address.scope == 0 ? 0 : address.scope + kLoopbackIndex;
}

bool same_ip(const InetAddress& a, const InetAddress& b) {
    return a.family == b.family && std::memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

SysResult<InetAddress> from_program(const SocketAddress& address) {
    InetAddress result{};
    const u8* at = address.bytes;
    switch (address.family()) {
        case AF_INET_:
            if (address.length < kSize4) return Errno::EINVAL;
            result.family = 4;
            std::memcpy(result.bytes, at + 4, 4);
            break;
        case AF_INET6_:
            if (address.length < kSmallest6) return Errno::EINVAL;
            if (std::memcmp(at + 8, kMappedPrefix, sizeof kMappedPrefix) == 0) {
                result.family = 4;
                std::memcpy(result.bytes, at + 20, 4);
            } else {
                result.family = 6;
                std::memcpy(result.bytes, at + 8, 16);
                u32 index = 0;
                if (address.length >= kSize6) std::memcpy(&index, at + 24, 4);
                if (index != 0)
                    result.scope = index == kLoopbackIndex ? kLoopbackScope : index - kLoopbackIndex;
            }
            break;
        default: return address.length < kSize4 ? Errno::EINVAL : Errno::EAFNOSUPPORT;
    }
    result.port = static_cast<u16>(at[2] << 8 | at[3]);
    return result;
}

SocketAddress for_program(const InetAddress& address, u16 family) {
    SocketAddress result;
    u8* const at = result.bytes;
    at[0] = static_cast<u8>(family);
    at[2] = static_cast<u8>(address.port >> 8);
    at[3] = static_cast<u8>(address.port);
    if (family == AF_INET_) {
        result.length = kSize4;
        std::memcpy(at + 4, address.bytes, 4);
        return result;
    }
    result.length = kSize6;
    if (address.family == 4) {
        std::memcpy(at + 8, kMappedPrefix, sizeof kMappedPrefix);
        std::memcpy(at + 20, address.bytes, 4);
    } else {
        std::memcpy(at + 8, address.bytes, 16);
        const u32 index = needs_scope(address) ? scope_interface(address) : 0;
        std::memcpy(at + 24, &index, 4);
    }
    return result;
}

std::string address_text(const InetAddress& address) {
    std::string text;
    if (address.family == 4) {
        for (u32 i = 0; i < 4; ++i) text += (i != 0 ? "." : "") + decimal(address.bytes[i]);
        return text;
    }
    // RFC 5952: the longest run of two or more zeros, the first of several, becomes "::".
    u32 groups[8];
    for (u32 i = 0; i < 8; ++i) groups[i] = u32{address.bytes[2 * i]} << 8 | address.bytes[2 * i + 1];
    u32 best = 8, best_length = 1;
    for (u32 i = 0; i < 8; ++i) {
        u32 length = 0;
        while (i + length < 8 && groups[i + length] == 0) ++length;
        if (length > best_length) best = i, best_length = length;
    }
    for (u32 i = 0; i < 8; ++i) {
        if (i == best) {
            text += "::";
            i += best_length - 1;
            continue;
        }
        if (!text.empty() && text.back() != ':') text += ':';
        text += small_hex(groups[i]);
    }
    return text;
}

std::string address_hex(const InetAddress& address, bool v6) {
    std::string text;
    u8 bytes[16] = {};
    if (v6 && address.family == 4) {
        if (!is_any(address)) std::memcpy(bytes, kMappedPrefix, sizeof kMappedPrefix);
        std::memcpy(bytes + 12, address.bytes, 4);
    } else {
        std::memcpy(bytes, address.bytes, sizeof bytes);
    }
    for (u32 word = 0; word < (v6 ? 4u : 1u); ++word) {
        u32 value;
        std::memcpy(&value, bytes + 4 * word, 4);
        text += hex(value, 8);
    }
    return text + ":" + hex(address.port, 4);
}

}  // namespace pith::lx
