// SPDX-License-Identifier: MIT
// DatagramSocket: UDP, ICMP echo and raw IP sockets. What is sent to an address of the zone's own is put into the queue of the socket that it is for, in
// this server; everything else goes through a socket of the stack, which is made when it is first needed: by a bind to an address that others can
// reach, or by the first datagram that goes out.
#pragma once

#include <deque>
#include <optional>

#include "servers/linux/net/inet/inet_socket.hpp"

namespace pith::lx {

class DatagramSocket final : public InetSocket, private NetWatcher {
  public:
    DatagramSocket(Thread& thread, u32 open_flags, u16 socket_family, SocketType socket_type,
                   i32 socket_protocol);
    ~DatagramSocket() override;

    Async<> bind(Thread& thread, const SocketAddress& address) override;
    Async<> connect(Thread& thread, const SocketAddress& address) override;
    SysResult<SocketAddress> local_name() override;
    SysResult<SocketAddress> peer_name() override;
    Async<usize> send(Thread& thread, UserIo&& io, SendExtras&& extras) override;
    Async<usize> receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) override;
    SysResult<> shutdown(Thread& thread, Shutdown how) override;
    SysResult<> set_option(Thread& thread, i32 level, i32 name, std::span<const u8> value) override;
    SysResult<i32> readable_bytes() override;
    SysResult<i32> unsent_bytes() override { return i32{0}; }
    u32 poll(Poller* poller) override;
    const Binding& binding() const { return binding_; }
    /// The stack has come back without this socket.
    void stack_returned() {
        if (!net_ && (port_chosen_ || type == SocketType::raw)) static_cast<void>(make_net());
    }
    usize queued_bytes() const { return queued_bytes_; }
    u64 drops() const { return drops_ + (net_ ? net_->drops() : 0); }

  private:
    /// One that has come, from within the zone.
    struct Datagram {
        std::vector<u8> bytes;
        InetAddress from, to;
        u32 interface;
        u8 ttl, tos;
    };
    /// Its way: what sendmsg's arguments come to.
    struct Destination {
        InetAddress to, from;
        Route route = Route::none;
        u8 ttl = 0, tos = 0;
        bool many = false;   ///< `to` is a group, or broadcast
        bool loops = false;  ///< ... and the zone's own sockets get it too
        u32 interface = 0;   ///< to many: by which; else what IP_PKTINFO says, or 0
    };
    /// An ICMP error about one that was sent.
    struct ErrorReport {
        std::vector<u8> bytes;           ///< what it quotes
        InetAddress to, offender, from;  ///< where that was to go, who says so, who had sent it
        u32 interface = 0;
        u8 type = 0, code = 0, ttl = 0, tos = 0;
        u16 mtu = 0;
        Errno error = Errno::ok;
    };
    static constexpr usize kOverhead = 256;  ///< of a datagram in a queue, beside its bytes
    void net_changed(NetSocket& changed) override;
    void option_changed() override;
    bool bound() const override { return binding_.bound(); }
    bool echo() const { return type == SocketType::datagram && protocol != kIpprotoUdp; }
    PortTable& table() const { return *table_; }

    SysResult<> bind_any();
    /// The stack's socket, for what comes from outside, and for what goes there.
    SysResult<> make_net();
    void remake_net();
    SysResult<Destination> destination(Thread& thread, const SendExtras& extras, usize length);
    /// The interface that IP_PKTINFO or IPV6_PKTINFO names. ENODEV.
    SysResult<> choose_interface(const u8* index, Destination& way);
    SysResult<> apply_control(const SendExtras::Control& control, Destination& way);
    /// The interface by which it goes to many, and what follows from that. ENETUNREACH: there is none.
    SysResult<> settle_many(Destination& way);
    SysResult<Datagram> read_datagram(UserIo& io, const Destination& way) const;
    SysResult<usize> send_within(UserIo& io, const Destination& way);
    Async<usize> send_to_many(Thread& thread, UserIo& io, const Destination& way, u32 flags);
    /// The zone's own sockets get what was sent to many, as far as they are among these.
    void deliver_to_many(const Datagram& datagram) const;
    bool is_for(const Datagram& datagram) const;
    SysResult<usize> answer_echo(std::vector<u8>&& bytes, const Destination& way);
    SysResult<usize> send_outside(UserIo& io, const Destination& way);
    // udp_errors.cpp
    /// The program has asked for those of IPv4 or IPv6 (IP_RECVERR, IPV6_RECVERR); for any.
    bool reports_errors(bool six) const;
    bool reports_errors() const;
    /// Bits of the stack's socket, by the options.
    u8 stack_flags() const;
    /// Tells the program as far as it wants to know.
    void receive_error(ErrorReport&& report);
    /// What was sent within the zone has found nobody.
    void refuse_within(std::vector<u8>&& bytes, const Destination& way);
    void forget_errors();
    SysResult<usize> take_report(UserIo& io, ReceiveExtras& extras);
    /// Errors that the stack has put into its ring.
    void take_reports();
    /// Moves the first record of the stack's ring here.
    void keep_first(const Net::Datagram& header);
    /// Into the queue. False: it is full.
    bool deliver(Datagram&& datagram);
    void deliver_raw(const Datagram& datagram, i32 of_protocol) const;
    bool something() const { return !queue_.empty() || (net_ && net_->received() != 0); }
    SysResult<usize> take(UserIo& io, ReceiveExtras& extras);
    SysResult<usize> take_outside(UserIo& io, ReceiveExtras& extras);
    void tell(ReceiveExtras& extras, const InetAddress& from, const InetAddress& to, u32 interface, u8 ttl,
              u8 tos);
    Task<SysResult<usize>> wait_receive(Thread& thread, Ref<DatagramSocket> self, UserIo io,
                                        ReceiveExtras& extras);
    /// `copy`, where it is sent to many: `io` is of its bytes.
    Task<SysResult<usize>> wait_send(Thread& thread, Ref<DatagramSocket> self, UserIo io, Destination way,
                                     std::optional<Datagram> copy = std::nullopt);
    /// A raw ICMP socket does not want messages of this type (ICMP_FILTER, ICMP6_FILTER).
    bool filtered(u8 icmp_type) const { return (filter_[icmp_type / 32] >> icmp_type % 32 & 1) != 0; }
    /// Drops those at the head of the stack's ring that are not wanted: by ICMP's type, or for groups that it is not in.
    void drop_filtered();
    bool wanted(const Net::Datagram& header);
    u32 limit() const { return static_cast<u32>(options.receive_buffer); }

    PortTable* table_;
    Binding binding_;
    bool address_chosen_ = false, port_chosen_ = false;
    bool bound_to_many_ = false;  ///< a group or broadcast: what is sent is from another address
    bool receive_shutdown_ = false, send_shutdown_ = false;
    std::deque<Datagram> queue_;
    usize queued_bytes_ = 0;
    u64 drops_ = 0;
    std::deque<ErrorReport> errors_;
    usize error_bytes_ = 0;
    NetSocketRef net_;
    std::array<u32, 8> filter_{};
    WaitQueue readers_, writers_;
};

}  // namespace pith::lx
