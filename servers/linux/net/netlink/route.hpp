// SPDX-License-Identifier: MIT
// NETLINK_ROUTE: what programs ask about links, addresses, routes, neighbours and rules (rtnetlink(7)). Nothing can be changed by it: interfaces are the
// network stack's. An answer is complete when the question has been looked at: the data are few.
#pragma once

#include "servers/linux/net/interfaces.hpp"
#include "servers/linux/net/netlink/message.hpp"

namespace pith::lx {

// RTM_*.
inline constexpr u16 kNewLink = 16, kGetLink = 18, kSetLink = 19, kNewAddress = 20, kGetAddress = 22,
                     kNewRoute = 24, kGetRoute = 26, kNewNeighbour = 28, kGetNeighbour = 30, kNewRule = 32,
                     kGetRule = 34, kLastRouteType = 123;

/// One request, and what its socket wants.
struct RouteRequest {
    NetlinkHeader header;
    std::span<const u8> body;  ///< behind the header
    bool root = false;         ///< who asks may change things
    bool strict = false;       ///< NETLINK_GET_STRICT_CHK: a dump leaves out what the request does not name
    u16 family() const { return body.empty() ? u16{0} : body[0]; }
    bool dump() const { return (header.type & 3) == 2 && (header.flags & kNetlinkDump) != 0; }
    u16 reply_flags() const { return dump() ? kNetlinkMulti : u16{0}; }
    /// The attributes behind a body of so many bytes.
    Attributes attributes(usize size) const {
        size = netlink_aligned(size);
        return Attributes(size < body.size() ? body.subspan(size) : std::span<const u8>());
    }
};

/// Adds what answers it, without the end of a dump. Errors: EPERM, EOPNOTSUPP, ENODEV, ENETUNREACH, EINVAL, ...
SysResult<> answer_route(Zone& zone, const RouteRequest& request, NetlinkReplies& replies);

// For one kind of object each: all of a dump, or the one that is asked for.
SysResult<> answer_links(const std::vector<InterfaceView>& interfaces, const RouteRequest& request,
                         NetlinkReplies& replies);
SysResult<> answer_addresses(const std::vector<InterfaceView>& interfaces, const RouteRequest& request,
                             NetlinkReplies& replies);
SysResult<> answer_routes(const std::vector<InterfaceView>& interfaces, const RouteRequest& request,
                          NetlinkReplies& replies);
SysResult<> answer_rules(const RouteRequest& request, NetlinkReplies& replies);

}  // namespace pith::lx
