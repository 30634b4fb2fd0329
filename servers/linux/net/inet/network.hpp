// SPDX-License-Identifier: MIT
// Network: what the internet sockets of a zone have in common: ports, connections in TIME_WAIT, the zone's addresses, and the way to the stack
// (lib/net), if this system has one.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/net/client.hpp"
#include "servers/linux/net/inet/groups.hpp"
#include "servers/linux/net/inet/ports.hpp"
#include "servers/linux/net/interfaces.hpp"

namespace pith::lx {

class Thread;
class Zone;
using abi::Time;

/// The only congestion control there is: the stack's.
inline constexpr std::string_view kCongestionControl = "reno";

/// Where packets to an address go.
enum class Route : u8 {
    none,      ///< ENETUNREACH
    loopback,  ///< an address of the zone's own: it stays in the server
    stack,
};

class Network {
  public:
    explicit Network(Zone& of);
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    /// Connects to the stack, and waits a few seconds at most for an interface that is being configured. Before the first program.
    void start();
    /// Writes the name servers that the network has told of to /etc/resolv.conf, where nobody else has said anything.
    void write_name_servers(Thread& thread);

    Zone& zone;
    PortTable tcp{PortTable::Protocol::stream};
    PortTable udp{PortTable::Protocol::datagram};
    PortTable echo{PortTable::Protocol::datagram};  ///< identifiers of ICMP echo sockets
    PortTable raw{PortTable::Protocol::datagram};   ///< port 0
    std::unique_ptr<NetClient> client;              ///< null: this system has no stack
    /// There is a stack with an interface, up or not.
    bool has_interface() const;

    /// An address that programs can bind: loopback, or an interface's.
    bool own(const InetAddress& address);
    bool broadcast(const InetAddress& address);
    Route route(const InetAddress& to);
    /// What a socket that is not bound sends from. Family 0: the stack decides.
    InetAddress source_for(const InetAddress& to);
    /// As programs number them: lo is 1, the stack's come behind it. 0: there is none of that name.
    u32 interface_index(std::string_view name);
    /// The one that has this address; 0: none.
    u32 interface_with(const InetAddress& address);
    bool interface_exists(u32 index);
    /// Its first address of IPv4; any address: it has none.
    InetAddress own_address4(u32 interface);
    /// By which packets for many go where nobody has said anything; 0: there is no such.
    u32 interface_for_many() const { return has_interface() ? kLoopbackIndex + 1 : 0; }
    MulticastGroups groups;
    NetSockets* stack() { return client ? &client->sockets : nullptr; }
    /// As the stack says; without one, no interfaces.
    const NetSockets::Configuration& configuration();

    /// A connection whose ends are both closed: its address stays taken for a minute.
    void enter_time_wait(const Binding& ended);
    /// Forgets those whose time is over, and with `pair` the one of these addresses if it is older than a second (tcp_tw_reuse).
    void expire_time_wait(const InetAddress* local = nullptr, const InetAddress* remote = nullptr);
    usize time_waiting() const { return time_wait_.size(); }

    u32 default_ttl = 64;
    u32 most_backlog = 4096;                                  ///< somaxconn
    u32 first_echo_group = 0, last_echo_group = 0x7fff'ffff;  ///< ping_group_range

  private:
    /// The stack has come back without its sockets: listeners and datagram sockets get new ones.
    void remake_sockets();
    static constexpr usize kMostTimeWait = 4096;
    struct Waiting {
        std::unique_ptr<Binding> binding;
        Time expires;
    };
    std::deque<Waiting> time_wait_;
    NetSockets::Configuration configuration_{};
    bool configuration_read_ = false;
};

}  // namespace pith::lx
