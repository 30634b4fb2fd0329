// SPDX-License-Identifier: MIT
// RTM_GETLINK and RTM_GETADDR.
#include <algorithm>

#include "servers/linux/net/address.hpp"
#include "servers/linux/net/netlink/link_message.hpp"
#include "servers/linux/net/netlink/route.hpp"

namespace pith::lx {

namespace {

// IFLA_*.
enum LinkAttribute : u16 {
    kLinkAddress = 1,
    kLinkBroadcast = 2,
    kLinkMtu = 4,
    kLinkDiscipline = 6,
    kLinkStatistics = 7,
    kLinkQueueLength = 13,
    kLinkState = 16,
    kLinkMode = 17,
    kLinkStatistics64 = 23,
    kLinkGroup = 27,
    kLinkPromiscuity = 30,
    kLinkSendQueues = 31,
    kLinkReceiveQueues = 32,
    kLinkCarrier = 33,
};
enum OperationalState : u8 { kStateUnknown = 0, kStateDown = 2, kStateUp = 6 };  // IF_OPER_*
constexpr u32 kQueueLength = 1000;

/// struct rtnl_link_stats (u32) and rtnl_link_stats64: what both begin with; the rest is 0.
template <typename T, usize kFields>
struct Statistics {
    T received_packets, sent_packets, received_bytes, sent_bytes, receive_errors, send_errors, receive_drops,
        send_drops;
    T others[kFields - 8];
};
static_assert(sizeof(Statistics<u32, 24>) == 96 && sizeof(Statistics<u64, 25>) == 200);

template <typename T>
T statistics_of(const InterfaceView& link) {
    using Field = decltype(T::sent_packets);
    T result{};
    result.received_packets = static_cast<Field>(link.received_packets);
    result.sent_packets = static_cast<Field>(link.sent_packets);
    result.received_bytes = static_cast<Field>(link.received_bytes);
    result.sent_bytes = static_cast<Field>(link.sent_bytes);
    result.receive_drops = static_cast<Field>(link.receive_drops);
    result.send_drops = static_cast<Field>(link.send_drops);
    return result;
}

void add_link(const InterfaceView& link, u16 flags, NetlinkReplies& replies) {
    const bool running = (link.flags & kInterfaceLowerUp) != 0;
    replies.begin(kNewLink, flags, LinkMessage{0, 0, link.hardware, link.index, link.flags, 0});
    replies.add(kLinkName, std::string_view(link.name));
    replies.add(kLinkQueueLength, kQueueLength);
    replies.add(kLinkState, static_cast<u8>(link.loopback() ? kStateUnknown
                                            : running       ? kStateUp
                                                            : kStateDown));
    replies.add(kLinkMode, u8{0});
    replies.add(kLinkMtu, link.mtu);
    replies.add(kLinkGroup, u32{0});
    replies.add(kLinkPromiscuity, u32{0});
    replies.add(kLinkSendQueues, u32{1});
    replies.add(kLinkReceiveQueues, u32{1});
    replies.add(kLinkCarrier, static_cast<u8>(running));
    replies.add(kLinkDiscipline, std::string_view("noqueue"));
    replies.add_struct(kLinkAddress, link.hardware_address);
    std::array<u8, 6> broadcast{};
    if ((link.flags & kInterfaceBroadcast) != 0) broadcast.fill(0xff);
    replies.add_struct(kLinkBroadcast, broadcast);
    replies.add_struct(kLinkStatistics64, statistics_of<Statistics<u64, 25>>(link));
    replies.add_struct(kLinkStatistics, statistics_of<Statistics<u32, 24>>(link));
}

/// struct ifaddrmsg.
struct AddressMessage {
    u8 family, prefix, flags, scope;
    u32 index;
};
static_assert(sizeof(AddressMessage) == 8);

/// struct ifa_cacheinfo.
struct AddressLifetime {
    u32 preferred, valid, created, updated;
};

// IFA_* and IFA_F_PERMANENT.
enum AddressAttribute : u16 {
    kAddressAddress = 1,
    kAddressLocal = 2,
    kAddressLabel = 3,
    kAddressBroadcast = 4,
    kAddressLifetime = 6,
    kAddressFlags = 8,
};
constexpr u32 kPermanent = 0x80;
enum Scope : u8 { kScopeGlobal = 0, kScopeLink = 253, kScopeHost = 254 };

void add_address(const InterfaceView& link, const InterfaceAddress& address, NetlinkReplies& replies) {
    const u32 flags = address.lifetime == ~u32{0} ? kPermanent : 0;
    const u8 scope = address.loopback() ? kScopeHost : address.link_local() ? kScopeLink : kScopeGlobal;
    const std::span<const u8> bytes(address.bytes.data(), address.size());
    replies.begin(kNewAddress, kNetlinkMulti,
                  AddressMessage{static_cast<u8>(address.family), address.prefix, static_cast<u8>(flags),
                                 scope, link.index});
    replies.add(kAddressAddress, bytes);
    if (address.family == AF_INET_) {
        replies.add(kAddressLocal, bytes);
        if ((link.flags & kInterfaceBroadcast) != 0 && address.prefix < 31) {
            std::array<u8, 4> broadcast;
            for (u32 i = 0; i < 4; ++i) {
                const u32 kept = std::clamp<u32>(address.prefix, i * 8, i * 8 + 8) - i * 8;
                broadcast[i] = static_cast<u8>(address.bytes[i] | 0xff >> kept);
            }
            replies.add_struct(kAddressBroadcast, broadcast);
        }
        replies.add(kAddressLabel, std::string_view(link.name));
    }
    replies.add(kAddressFlags, flags);
    replies.add_struct(kAddressLifetime, AddressLifetime{address.lifetime, address.lifetime, 0, 0});
}

}  // namespace

const InterfaceView* find_link(const std::vector<InterfaceView>& interfaces, u32 index,
                               const Attributes& attributes) {
    std::string_view name = attributes.text(kLinkName);
    if (name.empty()) name = attributes.text(kLinkOtherName);
    const auto found = std::ranges::find_if(interfaces, [&](const InterfaceView& link) {
        return index != 0 ? link.index == index : !name.empty() && link.name == name;
    });
    return found == interfaces.end() ? nullptr : &*found;
}

SysResult<> answer_links(const std::vector<InterfaceView>& interfaces, const RouteRequest& request,
                         NetlinkReplies& replies) {
    if (request.dump()) {
        for (const InterfaceView& link : interfaces) add_link(link, kNetlinkMulti, replies);
        return {};
    }
    const auto wanted = read_struct<LinkMessage>(request.body);
    const Attributes attributes = request.attributes(sizeof wanted);
    if (request.body.size() < sizeof wanted) return Errno::EINVAL;
    if (wanted.index == 0 && attributes.text(kLinkName).empty() && attributes.text(kLinkOtherName).empty())
        return Errno::EINVAL;
    const InterfaceView* link = find_link(interfaces, wanted.index, attributes);
    if (link == nullptr) return Errno::ENODEV;
    add_link(*link, 0, replies);
    return {};
}

SysResult<> answer_addresses(const std::vector<InterfaceView>& interfaces, const RouteRequest& request,
                             NetlinkReplies& replies) {
    if (!request.dump()) return Errno::EOPNOTSUPP;
    const u32 wanted = request.strict ? read_struct<AddressMessage>(request.body).index : 0;
    if (wanted != 0 && find_link(interfaces, wanted, Attributes({})) == nullptr) return Errno::ENODEV;
    for (const u16 family : {AF_INET_, AF_INET6_}) {
        if (request.family() != AF_UNSPECIFIED && request.family() != family) continue;
        for (const InterfaceView& link : interfaces) {
            if (wanted != 0 && link.index != wanted) continue;
            for (const InterfaceAddress& address : link.addresses)
                if (address.family == family) add_address(link, address, replies);
        }
    }
    return {};
}

}  // namespace pith::lx
