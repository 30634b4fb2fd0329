// SPDX-License-Identifier: MIT
// NetlinkSocket: a socket of AF_NETLINK (netlink(7)). What is sent to NETLINK_ROUTE is answered at once, into the socket's own queue. Other protocols
// are there because programs listen on them: nothing ever comes (NETLINK_KOBJECT_UEVENT: there are no such events; groups of
// NETLINK_ROUTE: no changes are told).
#pragma once

#include <deque>

#include "servers/linux/net/netlink/message.hpp"
#include "servers/linux/net/socket.hpp"

namespace pith::lx {

inline constexpr i32 kNetlinkRoute = 0, kNetlinkUser = 2, kNetlinkEvents = 15;

/// struct sockaddr_nl.
struct NetlinkAddress {
    u16 family;
    u16 reserved;
    u32 port;
    u32 groups;
};
static_assert(sizeof(NetlinkAddress) == 12);

class NetlinkSocket : public Socket {
  public:
    NetlinkSocket(Path file_path, u32 open_flags, SocketType socket_type, i32 socket_protocol, Zone& zone)
        : Socket(std::move(file_path), open_flags, AF_NETLINK_, socket_type, socket_protocol), zone_(zone) {}
    ~NetlinkSocket() override;

    Async<> bind(Thread& thread, const SocketAddress& address) override;
    Async<> connect(Thread& thread, const SocketAddress& address) override;
    SysResult<SocketAddress> local_name() override;
    SysResult<SocketAddress> peer_name() override;
    Async<usize> send(Thread& thread, UserIo&& io, SendExtras&& extras) override;
    Async<usize> receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) override;
    SysResult<> set_option(Thread& thread, i32 level, i32 name, std::span<const u8> value) override;
    SysResult<> get_option(Thread& thread, i32 level, i32 name, std::vector<u8>& value) override;
    u32 poll(Poller* poller) override;

  private:
    /// SOL_NETLINK's options that are on or off, by their numbers.
    static constexpr u32 kSwitches = 1u << 3 | 1u << 4 | 1u << 5 | 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12;
    bool on(u32 option) const { return (switches_ & 1u << option) != 0; }

    /// The port of the process, or one that nobody has. Does nothing if there is one already.
    void take_port(Thread& thread);
    SysResult<NetlinkAddress> check(const SocketAddress& address) const;
    /// Every request of what was sent; a broken one ends it, as on Linux.
    void answer(Thread& thread, std::span<const u8> sent);
    void queue(std::vector<std::vector<u8>> datagrams, bool dump);
    SysResult<usize> take(UserIo& io, ReceiveExtras& extras);
    Task<SysResult<usize>> slow_receive(Thread& thread, Ref<NetlinkSocket> self, UserIo io,
                                        ReceiveExtras& extras);

    struct Datagram {
        std::vector<u8> bytes;
        bool dump;  ///< of one whose end is behind it
    };
    Zone& zone_;
    u32 port_ = 0;
    u32 groups_ = 0;                ///< 1 to 32; joined by bind or by option
    std::vector<u32> more_groups_;  ///< joined by option, behind those
    u32 peer_port_ = 0, peer_groups_ = 0;
    u32 switches_ = 0;
    std::deque<Datagram> datagrams_;
    usize queued_ = 0;  ///< bytes
    WaitQueue queue_;
};

}  // namespace pith::lx
