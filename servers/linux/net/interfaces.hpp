// SPDX-License-Identifier: MIT
// The zone's network interfaces, as its programs see them: lo, which is always there, and those that the network stack has. Netlink, the
// ioctls SIOCGIF* and the files of /proc/net tell of them.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "abi/types.hpp"
#include "protocol/net.hpp"

namespace pith::lx {

class Zone;

// IFF_* and the like.
inline constexpr u32 kInterfaceUp = 0x1, kInterfaceBroadcast = 0x2, kInterfaceLoopback = 0x8,
                     kInterfaceRunning = 0x40, kInterfaceMulticast = 0x1000, kInterfaceLowerUp = 0x10000;
inline constexpr u16 kHardwareEthernet = 1, kHardwareLoopback = 772;  ///< ARPHRD_*
inline constexpr u32 kLoopbackIndex = 1;

/// An address of an interface.
struct InterfaceAddress {
    u16 family;                ///< AF_INET_ or AF_INET6_
    u8 prefix;                 ///< bits
    u32 lifetime;              ///< seconds; ~0: for ever
    std::array<u8, 16> bytes;  ///< in network order; of IPv4 the first four
    /// Bytes of an address of that family.
    u32 size() const;
    bool link_local() const;
    bool loopback() const;
};

struct InterfaceView {
    std::string name;
    u32 index;     ///< counted from 1, as programs see it
    u16 hardware;  ///< ARPHRD_*
    u32 flags;     ///< IFF_*
    u32 mtu;
    std::array<u8, 6> hardware_address;
    std::vector<InterfaceAddress> addresses;
    std::array<u8, 4> gateway4;   ///< 0: none
    std::array<u8, 16> gateway6;  ///< 0: none
    u64 received_packets, received_bytes, receive_drops;
    u64 sent_packets, sent_bytes, send_drops;
    bool loopback() const { return (flags & kInterfaceLoopback) != 0; }
    bool has_gateway4() const { return gateway4 != std::array<u8, 4>{}; }
    bool has_gateway6() const { return gateway6 != std::array<u8, 16>{}; }
};

/// All of the zone's, lo first.
std::vector<InterfaceView> interfaces_of(Zone& zone);
/// What the stack says of one. A string that does not end, an address of no family and the like are left out: it is not believed.
InterfaceView view_of(const Net::Interface& interface, u32 index);

}  // namespace pith::lx
