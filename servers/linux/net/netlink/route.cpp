// SPDX-License-Identifier: MIT
#include "servers/linux/net/netlink/route.hpp"

#include <algorithm>

#include "servers/linux/net/netlink/link_message.hpp"

namespace pith::lx {

namespace {

constexpr u16 kFirstOther = 36;  ///< behind rules: queueing disciplines and the like, which there are not
constexpr usize kShortest = 1;   ///< struct rtgenmsg

/// Setting up what is up changes nothing, and is what scripts do with lo.
SysResult<> set_link(const std::vector<InterfaceView>& interfaces, const RouteRequest& request) {
    const auto wanted = read_struct<LinkMessage>(request.body);
    const Attributes attributes = request.attributes(sizeof wanted);
    const InterfaceView* link = find_link(interfaces, wanted.index, attributes);
    if (link == nullptr)
        return request.header.type == kSetLink || wanted.index != 0 ? Errno::ENODEV : Errno::EOPNOTSUPP;
    const bool changes = (wanted.change & ~kInterfaceUp) != 0 ||
                         ((wanted.flags ^ link->flags) & wanted.change) != 0;
    const bool names_only = attributes.empty() || !attributes.find(kLinkName).empty();
    return changes || !names_only ? SysResult<>(Errno::EOPNOTSUPP) : SysResult<>();
}

}  // namespace

SysResult<> answer_route(Zone& zone, const RouteRequest& request, NetlinkReplies& replies) {
    const u16 type = request.header.type;
    if (type > kLastRouteType) return Errno::EOPNOTSUPP;
    if (request.body.size() < kShortest) return {};
    if ((type & 3) != 2) {  // not RTM_GET*
        if (!request.root) return Errno::EPERM;
        if (type == kNewLink || type == kSetLink) return set_link(interfaces_of(zone), request);
        return Errno::EOPNOTSUPP;
    }
    switch (type) {
        case kGetLink: return answer_links(interfaces_of(zone), request, replies);
        case kGetAddress: return answer_addresses(interfaces_of(zone), request, replies);
        case kGetRoute: return answer_routes(interfaces_of(zone), request, replies);
        case kGetRule: return answer_rules(request, replies);
        case kGetNeighbour:  // the stack keeps them to itself
            return request.dump() ? SysResult<>() : SysResult<>(Errno::ENOENT);
        default:
            return request.dump() && type >= kFirstOther ? SysResult<>() : SysResult<>(Errno::EOPNOTSUPP);
    }
}

}  // namespace pith::lx
