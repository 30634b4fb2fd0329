// SPDX-License-Identifier: MIT
// RTM_GETROUTE and RTM_GETRULE. The routes follow from interfaces and their addresses, as the stack's do: what is on a link, and the gateways.
#include <algorithm>

#include "servers/linux/net/address.hpp"
#include "servers/linux/net/netlink/link_message.hpp"
#include "servers/linux/net/netlink/route.hpp"

namespace pith::lx {

namespace {

/// struct rtmsg; struct fib_rule_hdr has the same fields, but for protocol and scope, which are 0 there, and its action, which is `type`.
struct RouteMessage {
    u8 family, destination_bits, source_bits, tos, table, protocol, scope, type;
    u32 flags;
};
static_assert(sizeof(RouteMessage) == 12);

// RTA_*, FRA_*.
enum RouteAttribute : u16 {
    kRouteDestination = 1,
    kRouteInterface = 4,
    kRouteGateway = 5,
    kRoutePriority = 6,
    kRoutePreferredSource = 7,
    kRouteLifetime = 12,
    kRouteTable = 15,
    kRouteUser = 25,
};
enum RuleAttribute : u16 { kRulePriority = 6, kRuleSuppressPrefix = 14, kRuleTable = 15, kRuleProtocol = 21 };
enum Table : u8 { kTableDefault = 253, kTableMain = 254, kTableLocal = 255 };
enum Protocol : u8 {
    kProtocolUnspecified = 0,
    kProtocolKernel = 2,
    kProtocolAdvertised = 9,
    kProtocolDhcp = 16
};
enum Scope : u8 { kScopeGlobal = 0, kScopeLink = 253, kScopeHost = 254 };
enum Type : u8 { kTypeUnicast = 1, kTypeLocal = 2 };
constexpr u8 kRuleToTable = 1;
constexpr u32 kCloned = 0x200;        ///< RTM_F_CLONED: an answer to one question, and no route of a table
constexpr u32 kLookUpTable = 0x1000;  ///< RTM_F_LOOKUP_TABLE: the answer is to say which table it is from
constexpr u32 kPriority6 = 256, kPriorityAdvertised = 1024;

using Bytes = std::array<u8, 16>;

struct Route {
    u16 family;
    u8 prefix;
    u8 table, protocol, scope, type;
    u32 interface;
    u32 priority;  ///< 0: none is told
    Bytes destination{};
    Bytes gateway{};  ///< 0: none
    Bytes source{};   ///< preferred; 0: none
    u32 size() const { return family == AF_INET_ ? 4 : 16; }
    std::span<const u8> bytes(const Bytes& of) const { return {of.data(), size()}; }
};

Bytes masked(const Bytes& bytes, u32 bits) {
    Bytes result{};
    for (u32 i = 0; i * 8 < bits; ++i)
        result[i] = bits - i * 8 >= 8 ? bytes[i] : static_cast<u8>(bytes[i] & ~(0xff >> (bits - i * 8)));
    return result;
}

void add_local(std::vector<Route>& routes, const InterfaceView& link, const InterfaceAddress& address) {
    const bool four = address.family == AF_INET_;
    Route route{address.family,
                static_cast<u8>(address.size() * 8),
                kTableLocal,
                kProtocolKernel,
                four ? kScopeHost : kScopeGlobal,
                kTypeLocal,
                four ? link.index : kLoopbackIndex,
                0,
                address.bytes,
                {},
                four ? address.bytes : Bytes{}};
    if (!four) route.interface = link.index;
    if (four && address.loopback()) {
        Route all = route;
        all.prefix = address.prefix;
        all.destination = masked(address.bytes, address.prefix);
        routes.push_back(all);
    }
    routes.push_back(route);
}

void add_on_link(std::vector<Route>& routes, const InterfaceView& link, const InterfaceAddress& address) {
    const bool four = address.family == AF_INET_;
    if (four && (address.loopback() || address.prefix == 32)) return;
    routes.push_back({address.family,
                      address.prefix,
                      kTableMain,
                      kProtocolKernel,
                      four ? kScopeLink : kScopeGlobal,
                      kTypeUnicast,
                      link.index,
                      four ? 0 : kPriority6,
                      masked(address.bytes, address.prefix),
                      {},
                      four ? address.bytes : Bytes{}});
}

void add_gateways(std::vector<Route>& routes, const InterfaceView& link) {
    if (link.has_gateway4()) {
        Route route{AF_INET_, 0, kTableMain, kProtocolDhcp, kScopeGlobal, kTypeUnicast, link.index, 0};
        std::ranges::copy(link.gateway4, route.gateway.begin());
        const auto source = std::ranges::find(link.addresses, AF_INET_, &InterfaceAddress::family);
        if (source != link.addresses.end()) route.source = source->bytes;
        routes.push_back(route);
    }
    if (link.has_gateway6()) {
        routes.push_back({AF_INET6_, 0, kTableMain, kProtocolAdvertised, kScopeGlobal, kTypeUnicast,
                          link.index, kPriorityAdvertised});
        routes.back().gateway = link.gateway6;
    }
}

/// In the order in which Linux tells them: the main table first, default route in front.
std::vector<Route> routes_of(const std::vector<InterfaceView>& interfaces) {
    std::vector<Route> routes;
    for (const InterfaceView& link : interfaces) add_gateways(routes, link);
    for (const InterfaceView& link : interfaces)
        for (const InterfaceAddress& address : link.addresses) add_on_link(routes, link, address);
    for (const InterfaceView& link : interfaces)
        for (const InterfaceAddress& address : link.addresses) add_local(routes, link, address);
    return routes;
}

void add_route(const Route& route, u16 flags, NetlinkReplies& replies) {
    replies.begin(kNewRoute, flags,
                  RouteMessage{static_cast<u8>(route.family), route.prefix, 0, 0, route.table, route.protocol,
                               route.scope, route.type, 0});
    replies.add(kRouteTable, u32{route.table});
    if (route.prefix != 0) replies.add(kRouteDestination, route.bytes(route.destination));
    if (route.priority != 0) replies.add(kRoutePriority, route.priority);
    if (route.source != Bytes{}) replies.add(kRoutePreferredSource, route.bytes(route.source));
    if (route.gateway != Bytes{}) replies.add(kRouteGateway, route.bytes(route.gateway));
    replies.add(kRouteInterface, route.interface);
}

/// The route that a packet to `to` takes: the longest prefix of the local table, else of the main one.
const Route* choose(const std::vector<Route>& routes, u16 family, const Bytes& to, u32 interface) {
    const Route* best = nullptr;
    for (const Route& route : routes) {
        if (route.family != family || masked(to, route.prefix) != route.destination) continue;
        if (interface != 0 && route.interface != interface && route.table != kTableLocal) continue;
        if (best == nullptr || route.table > best->table ||
            (route.table == best->table && route.prefix > best->prefix))
            best = &route;
    }
    return best;
}

/// The source address towards it, where the route does not say it: one of the interface's, of the same scope if there is one.
Bytes source_for(const std::vector<InterfaceView>& interfaces, const Route& route, const Bytes& to) {
    if (route.source != Bytes{}) return route.source;
    if (route.type == kTypeLocal) return to;
    Bytes source{};
    const InterfaceAddress wanted{route.family, 0, 0, to};
    for (const InterfaceView& link : interfaces) {
        if (link.index != route.interface) continue;
        for (const InterfaceAddress& address : link.addresses) {
            if (address.family == route.family &&
                (source == Bytes{} || address.link_local() == wanted.link_local()))
                source = address.bytes;
        }
    }
    return source;
}

SysResult<> answer_one(const std::vector<InterfaceView>& interfaces, const RouteRequest& request,
                       NetlinkReplies& replies) {
    const auto wanted = read_struct<RouteMessage>(request.body);
    if (request.body.size() < sizeof wanted) return Errno::EINVAL;
    const u16 family = request.family();
    if (family != AF_INET_ && family != AF_INET6_) return Errno::EOPNOTSUPP;
    const Attributes attributes = request.attributes(sizeof wanted);
    const std::span<const u8> destination = attributes.find(kRouteDestination);
    if (!destination.empty() && destination.size() < (family == AF_INET_ ? 4u : 16u)) return Errno::EINVAL;
    Bytes to{};
    std::copy_n(destination.begin(), std::min<usize>(destination.size(), family == AF_INET_ ? 4 : 16),
                to.begin());
    const u32 interface = attributes.number(kRouteInterface, 0);
    if (interface != 0 && find_link(interfaces, interface, Attributes({})) == nullptr) return Errno::ENODEV;
    const std::vector<Route> routes = routes_of(interfaces);
    const Route* route = choose(routes, family, to, interface);
    if (route == nullptr) return Errno::ENETUNREACH;
    const u8 table = (wanted.flags & kLookUpTable) != 0 ? route->table : u8{kTableMain};
    const u32 through = route->type == kTypeLocal ? kLoopbackIndex : route->interface;
    replies.begin(kNewRoute, 0,
                  RouteMessage{static_cast<u8>(family), static_cast<u8>(route->size() * 8), 0, 0, table,
                               kProtocolUnspecified, kScopeGlobal, route->type, kCloned});
    replies.add(kRouteTable, u32{table});
    replies.add(kRouteDestination, route->bytes(to));
    if (route->gateway != Bytes{}) replies.add(kRouteGateway, route->bytes(route->gateway));
    replies.add(kRouteInterface, through);
    const Bytes source = source_for(interfaces, *route, to);
    if (source != Bytes{}) replies.add(kRoutePreferredSource, route->bytes(source));
    replies.add(kRouteUser, u32{0});
    replies.add_struct(kRouteLifetime, std::array<u32, 8>{});
    return {};
}

}  // namespace

SysResult<> answer_routes(const std::vector<InterfaceView>& interfaces, const RouteRequest& request,
                          NetlinkReplies& replies) {
    if (!request.dump()) return answer_one(interfaces, request, replies);
    const auto wanted = read_struct<RouteMessage>(request.body);
    const Attributes attributes = request.attributes(sizeof wanted);
    const u32 table = request.strict ? attributes.number(kRouteTable, wanted.table) : 0;
    const u32 interface = request.strict ? attributes.number(kRouteInterface, 0) : 0;
    // Cloned routes are those of a cache, which is not there.
    if ((wanted.flags & kCloned) != 0) return {};
    for (const Route& route : routes_of(interfaces)) {
        if (request.family() != AF_UNSPECIFIED && request.family() != route.family) continue;
        if (table != 0 && route.table != table) continue;
        if (interface != 0 && route.interface != interface) continue;
        add_route(route, kNetlinkMulti, replies);
    }
    return {};
}

SysResult<> answer_rules(const RouteRequest& request, NetlinkReplies& replies) {
    struct Rule {
        u32 priority;
        Table table;
        bool for_six;  ///< IPv6 has it too
    };
    static constexpr Rule kRules[] = {
        {0, kTableLocal, true}, {32766, kTableMain, true}, {32767, kTableDefault, false}};
    if (!request.dump()) return Errno::EOPNOTSUPP;
    for (const u16 family : {AF_INET_, AF_INET6_}) {
        if (request.family() != AF_UNSPECIFIED && request.family() != family) continue;
        for (const Rule& rule : kRules) {
            if (family == AF_INET6_ && !rule.for_six) continue;
            replies.begin(kNewRule, kNetlinkMulti,
                          RouteMessage{static_cast<u8>(family), 0, 0, 0, rule.table, 0, 0, kRuleToTable, 0});
            replies.add(kRuleTable, u32{rule.table});
            replies.add(kRuleSuppressPrefix, ~u32{0});
            replies.add(kRuleProtocol, u8{kProtocolKernel});
            if (rule.priority != 0) replies.add(kRulePriority, rule.priority);
        }
    }
    return {};
}

}  // namespace pith::lx
