// SPDX-License-Identifier: MIT
// InetSocket: what sockets of AF_INET and AF_INET6 have in common: checking addresses, options of levels IPPROTO_IP and IPPROTO_IPV6.
#pragma once

#include <array>
#include <optional>

#include "servers/linux/net/inet/network.hpp"
#include "servers/linux/net/socket.hpp"

namespace pith::lx {

inline constexpr i32 kIpprotoIp = 0, kIpprotoIcmp = 1, kIpprotoTcp = 6, kIpprotoUdp = 17, kIpprotoIpv6 = 41,
                     kIpprotoIcmp6 = 58, kIpprotoRaw = 255;

/// Options that are numbers and nothing else, by their place in the table (inet_options.cpp).
enum class InetOption : u8 {
    tos,
    ttl,
    packet_info,
    receive_ttl,
    receive_tos,
    receive_errors,
    mtu_discover,
    free_bind,
    transparent,
    multicast_ttl,
    multicast_loop,
    multicast_all,
    header_included,
    router_alert,
    bind_no_port,
    min_ttl,
    receive_options,
    original_destination,
    v6_only,
    hops,
    multicast_hops,
    multicast_loop6,
    multicast_all6,
    packet_info6,
    receive_hop_limit,
    receive_class,
    traffic_class,
    receive_errors6,
    mtu_discover6,
    dont_fragment6,
    auto_flow_label,
    free_bind6,
    checksum6,
    packet_info6_old,  // as RFC 2292 had it
    receive_hop_limit_old,
    count,
};

class InetSocket : public Socket {
  public:
    InetSocket(Thread& thread, u32 open_flags, u16 socket_family, SocketType socket_type,
               i32 socket_protocol);
    ~InetSocket() override;
    SysResult<> set_option(Thread& thread, i32 level, i32 name, std::span<const u8> value) override;
    SysResult<> get_option(Thread& thread, i32 level, i32 name, std::vector<u8>& value) override;

    Network& network;
    i32 number(InetOption option) const { return numbers_[static_cast<usize>(option)]; }
    bool v6() const { return family == AF_INET6_; }
    bool v6_only() const { return number(InetOption::v6_only) != 0; }

  protected:
    /// What bind is given: of the right family, an address of the zone's, a port that the program may have. A datagram socket may be bound to a group.
    SysResult<InetAddress> check_bind(Thread& thread, const SocketAddress& address);
    /// Where connect and sendto are to go: of the right family; any address is the zone's own.
    SysResult<InetAddress> check_destination(const SocketAddress& address, bool bound_to_v4);
    /// SO_BINDTODEVICE. ENODEV.
    SysResult<> bind_to_interface(std::span<const u8> name);
    /// Of the listener that a connection came in at.
    void copy_options(const InetSocket& from) { numbers_ = from.numbers_; }
    /// Name of what is not bound.
    SocketAddress no_name() const { return for_program(any_address(v6() ? 6 : 4), family); }
    /// An option of ours has changed that others have to know.
    virtual void option_changed() {}
    virtual bool bound() const = 0;
    /// What comes for `to`, by that interface, is for it, as far as multicast goes: it is in that group, or takes those of others too (IP_MULTICAST_ALL).
    bool admits(const InetAddress& to, u32 interface) const;
    /// It takes what is for any group that the machine is in.
    bool admits_all() const {
        return number(InetOption::multicast_all) != 0 && number(InetOption::multicast_all6) != 0;
    }
    /// IP_MULTICAST_IF, IPV6_MULTICAST_IF: the interface, 0 for none, and the address by which it was named (family 0: none).
    struct ManyWay {
        u32 interface = 0;
        InetAddress from{};
    };
    const ManyWay& many_way(u8 of_family) const { return of_family == 4 ? many_way4_ : many_way6_; }

  private:
    struct Membership {
        InetAddress group;
        u32 interface;
    };
    // multicast_options.cpp
    /// Nothing, false: it is another option.
    std::optional<SysResult<>> set_multicast_option(i32 level, i32 name, std::span<const u8> value);
    bool get_multicast_option(i32 level, i32 name, std::vector<u8>& value) const;
    SysResult<> set_membership(i32 level, i32 name, std::span<const u8> value);
    /// The interface of `wanted`, `by` one of its addresses, or as nobody has said. 0: there is none.
    u32 membership_interface(const Membership& wanted, const InetAddress& by);
    SysResult<> join(const Membership& wanted, const InetAddress& by);
    SysResult<> leave(const Membership& unwanted, const InetAddress& by);
    SysResult<> set_many_way(i32 level, std::span<const u8> value);
    std::vector<Membership> memberships_;
    ManyWay many_way4_, many_way6_;
    std::array<i32, static_cast<usize>(InetOption::count)> numbers_;
};

}  // namespace pith::lx
