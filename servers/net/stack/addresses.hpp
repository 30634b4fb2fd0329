// SPDX-License-Identifier: MIT
// Addresses of the protocol and of lwIP.
#pragma once

#include <lwip/ip_addr.h>
#include "protocol/net.hpp"

namespace pith::stack {

/// False: the family is none that there is. Family 0 is any address of both families.
bool to_lwip(const Net::Address& address, ip_addr_t& out);
Net::Address from_lwip(const ip_addr_t& address, u16 port);
/// It names no particular address.
bool any(const Net::Address& address);

}  // namespace pith::stack
