// SPDX-License-Identifier: MIT
#include "servers/net/stack/addresses.hpp"

#include <cstring>

namespace pith::stack {

bool to_lwip(const Net::Address& address, ip_addr_t& out) {
    std::memset(&out, 0, sizeof out);
    if (address.family == 0) {
        IP_SET_TYPE_VAL(out, IPADDR_TYPE_ANY);
        return true;
    }
    if (address.family == 4) {
        IP_SET_TYPE_VAL(out, IPADDR_TYPE_V4);
        std::memcpy(&ip_2_ip4(&out)->addr, address.bytes, 4);
        return true;
    }
    if (address.family != 6) return false;
    IP_SET_TYPE_VAL(out, IPADDR_TYPE_V6);
    std::memcpy(ip_2_ip6(&out)->addr, address.bytes, 16);
    if (ip6_addr_has_scope(ip_2_ip6(&out), IP6_UNKNOWN))
        ip6_addr_set_zone(ip_2_ip6(&out),
                          static_cast<u8_t>(address.scope > Net::kMaxInterfaces ? 0 : address.scope));
    return true;
}

Net::Address from_lwip(const ip_addr_t& address, u16 port) {
    Net::Address out{};
    out.port = port;
    if (IP_IS_V6_VAL(address)) {
        out.family = 6;
        std::memcpy(out.bytes, ip_2_ip6(&address)->addr, 16);
        out.scope = ip6_addr_zone(ip_2_ip6(&address));
    } else if (IP_IS_V4_VAL(address)) {
        out.family = 4;
        std::memcpy(out.bytes, &ip_2_ip4(&address)->addr, 4);
    }
    return out;
}

bool any(const Net::Address& address) {
    constexpr u8 kZero[16] = {};
    return address.family == 0 || std::memcmp(address.bytes, kZero, address.family == 4 ? 4 : 16) == 0;
}

}  // namespace pith::stack
