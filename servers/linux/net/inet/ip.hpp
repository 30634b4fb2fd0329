// SPDX-License-Identifier: MIT
// Addresses of the internet families as the server keeps them: Net::Address, with IPv4-mapped IPv6 addresses as the IPv4 addresses that they
// are (family 4). What a socket's family makes of one is seen only where it goes to the program. A scope is the stack's number of the interface, 0 for none,
// or kLoopbackScope; programs count lo first.
#pragma once

#include <string>

#include "protocol/net.hpp"
#include "servers/linux/net/address.hpp"

namespace pith::lx {

using InetAddress = Net::Address;

inline constexpr u32 kLoopbackScope = ~u32{0};

/// `address` in the machine's order.
InetAddress ipv4_address(u32 address, u16 port = 0);
InetAddress ipv6_loopback(u16 port = 0);
/// Any address of a family, 4 or 6.
InetAddress any_address(u8 family, u16 port = 0);
u32 ipv4_value(const InetAddress& address);
/// The mask of a prefix of so many bits, in the machine's order.
constexpr u32 mask_of(u8 prefix) { return prefix == 0 ? 0 : ~u32{0} << (prefix >= 32 ? 0 : 32 - prefix); }

/// All its bits are 0.
bool is_any(const InetAddress& address);
bool is_loopback(const InetAddress& address);
bool is_multicast(const InetAddress& address);
bool is_link_local6(const InetAddress& address);
/// Of a multicast address of IPv6: 1 does not leave the machine, 2 not the link (RFC 4291, section 2.7).
u32 multicast_scope6(const InetAddress& group);
/// 224.0.0.1, ff01::1, ff02::1: nobody has to join it.
bool is_all_hosts(const InetAddress& group);
/// It means something only together with its scope.
bool needs_scope(const InetAddress& address);
/// The interface that its scope names, as programs count them; 0: none.
u32 scope_interface(const InetAddress& address);
/// The same address, ports aside.
bool same_ip(const InetAddress& a, const InetAddress& b);

/// What a program gave: AF_INET or AF_INET6. EINVAL: it is too short; EAFNOSUPPORT: it is of another family.
SysResult<InetAddress> from_program(const SocketAddress& address);
/// For a socket of `family` (AF_INET_, AF_INET6_).
SocketAddress for_program(const InetAddress& address, u16 family);

/// As text: "10.0.2.15", "fe80::1".
std::string address_text(const InetAddress& address);
/// As /proc/net/tcp and tcp6 have it: "0100007F:1F90".
std::string address_hex(const InetAddress& address, bool v6);

}  // namespace pith::lx
