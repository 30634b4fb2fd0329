// SPDX-License-Identifier: MIT
// Messages about links.
#pragma once

#include "servers/linux/net/interfaces.hpp"
#include "servers/linux/net/netlink/message.hpp"

namespace pith::lx {

/// struct ifinfomsg.
struct LinkMessage {
    u8 family;
    u8 reserved;
    u16 hardware;
    u32 index;
    u32 flags;
    u32 change;
};
static_assert(sizeof(LinkMessage) == 16);

inline constexpr u16 kLinkName = 3, kLinkOtherName = 53;  ///< IFLA_IFNAME, IFLA_ALT_IFNAME

/// The interface with this index or, where that is 0, with the name of the attributes. Null: there is none, or none is named.
const InterfaceView* find_link(const std::vector<InterfaceView>& interfaces, u32 index,
                               const Attributes& attributes);

}  // namespace pith::lx
