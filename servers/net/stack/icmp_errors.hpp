// SPDX-License-Identifier: MIT
// ICMP errors: what routers and peers say of packets that were sent. lwIP does nothing with them.
#pragma once

#include <optional>

#include <lwip/ip_addr.h>
#include <lwip/pbuf.h>
#include "protocol/net.hpp"

namespace pith::stack {

/// An error quotes the packet that it is about.
struct IcmpError {
    bool six;
    u8 type, code;
    u8 ttl, tos;         ///< of the packet that it came in
    u8 protocol;         ///< of the quoted packet, as all below
    ip_addr_t offender;  ///< who says so
    ip_addr_t from, to;
    u16 from_port, to_port;  ///< of TCP and UDP; of others the first bytes of their header
    u16 mtu;                 ///< 0, or what would have fitted
    Net::Failure failure;    ///< none: it may be that nothing is wrong for good
    const pbuf* packet;
    u32 quoted,
        end;  ///< where the quoted packet's transport header begins in `packet`, and what is quoted ends
};

/// The error that an IP packet is, if its checksum is right. The first pbuf holds all headers, or it is none.
std::optional<IcmpError> icmp_error_in(const pbuf* packet);

}  // namespace pith::stack
