// SPDX-License-Identifier: MIT
// The stack: lwIP with the sockets of protocol/net.hpp around it. It runs in rounds: receive() for each frame that has come, then round(), which takes what
// the client has changed, lets timers run, and settles every socket that was touched: feeds lwIP with what is to be sent, writes its
// half of the Block and its record. Only then frames are published and the client is notified (docs/network.md, "Who holds what").
//
// lwIP has global variables: there is one Stack a program.
#pragma once

#include "servers/net/stack/demux.hpp"
#include "servers/net/stack/groups.hpp"
#include "servers/net/stack/interface.hpp"
#include "servers/net/stack/loss_recovery.hpp"
#include "servers/net/stack/pages.hpp"
#include "servers/net/stack/port.hpp"
#include "servers/net/stack/records.hpp"
#include "servers/net/stack/shared.hpp"
#include "servers/net/stack/socket_table.hpp"
#include "servers/net/stack/timers.hpp"

struct tcp_pcb_listen;

namespace pith::stack {

struct IcmpError;

class Stack {
  public:
    static constexpr u32 kMaxOpening = 1024;  ///< half-open connections, of all listeners
    static constexpr u32 kMaxWaiting = 960;   ///< in TIME_WAIT, which nobody's socket is any more
    static constexpr u32 kMaxListeners = 400;
    static constexpr u32 kMaxDatagramSockets = 512;
    static constexpr u32 kMaxRawSockets = 64;

    /// `link`: Net::kLinkSize bytes, `records`: Records::kSize; both zeroed, or as a predecessor left them.
    Stack(Port& port, std::span<u8> link, std::span<u8> records);
    /// Bytes that it wants of Port::reserve().
    static usize reserve_size();
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;

    /// The client is there, with this session (Net::Open).
    void open(u64 session);
    /// The interface is there (again).
    void attach(const InterfaceSetup& setup);
    void set_link(bool up);
    /// A frame, lent until Port::give_back(id). `checksum_good`: that of TCP or UDP need not be verified.
    void receive(u64 id, std::span<u8> frame, bool checksum_good);
    /// Does what there is to do, and shows what came of it.
    void round();
    /// When round() is to be called at the latest, nanoseconds since boot.
    u64 deadline() const;
    /// The client's ring is looked at again before the server sleeps. False: there is something in it: call round() again.
    bool sleep();
    Net::Statistics::Reply statistics();

    // For lwIP's hooks and callbacks.
    static Stack& current();
    Port& port() { return port_; }
    Interface& interface() { return interface_; }
    Timers& timers() { return timers_; }
    Demux& demux() { return demux_; }
    /// Where lwIP's pools begin (lib/lwip/pools.hpp).
    u8* pools() { return reserve_ + kPoolsOffset; }
    Records::Counts& counts() { return records_.counts(); }
    u32 sequence(const ip_addr_t& local, u16 local_port, const ip_addr_t& remote, u16 remote_port);
    err_t on_segment(tcp_pcb* pcb, u32 sequence, u32 number, u8 flags, u32 length);
    void on_acknowledged(tcp_pcb* pcb, Acknowledgement by);
    err_t on_listener_segment(tcp_pcb* pcb, u8 flags);
    err_t on_opening(tcp_pcb_listen* listener, tcp_pcb* pcb);
    err_t on_established(Socket& socket);
    err_t on_received(Socket& socket, pbuf* data);
    void on_sent(Socket& socket, u32 length);
    void on_error(Socket& socket, err_t error);
    void on_freed(Socket& socket);
    bool on_datagram(Socket& socket, pbuf* data, const ip_addr_t& remote, u16 remote_port);
    void on_icmp_error(const IcmpError& error);
    /// After lwIP's timers of TCP: what they sent is recorded, and limits of time are kept. Whether they have to go on.
    bool after_timers();
    void touch(Socket& socket);
    void starve(Socket& socket);

  private:
    // stack.cpp: what the client wants
    bool take(u32& number);
    void take_all();
    void look_at(u32 number);
    void look_at_all();
    void start_use(Socket& socket, const Net::ClientHalf& client);
    void begin(Socket& socket, const Net::ClientHalf& client);
    void let_go(Socket& socket, bool abort);
    void apply(Socket& socket);
    void settle(Socket& socket);
    void publish(Socket& socket);
    void fail(Socket& socket, Net::Failure failure);
    void become_free(Socket& socket);
    void drop_everything();

    // stream.cpp
    void open_stream(Socket& socket, const Net::ClientHalf& client);
    void adopt(Socket& socket, tcp_pcb* pcb);
    void apply_stream(Socket& socket);
    void apply_options(Socket& socket, u8 flags);
    void settle_stream(Socket& socket);
    void prompt(Socket& socket);
    void note_told();
    void output(Socket& socket);
    void feed(Socket& socket);
    bool feed_some(Socket& socket, u32 length, bool more);
    void open_window(Socket& socket);
    void abort_stream(Socket& socket);
    void detach(Socket& socket);
    bool append(Socket& socket, const pbuf* data);
    void write_record(Socket& socket);
    void clear_record(Socket& socket);

    // ring.cpp
    bool reserve(Socket& socket, u32 end);
    void release_read(Socket& socket, u32 from, u32 to);
    void release_all(Socket& socket);
    void release_slots(Socket& socket, u32 first_page, u32 end_page);
    bool reclaim(const Socket& wanting);
    u8* receive_at(Socket& socket, u32 position);
    bool put_bytes(Socket& socket, u32 position, const void* bytes, u32 length);
    const u8* send_at(Socket& socket, u32 position, u32& run);
    bool get_bytes(Socket& socket, u32 position, void* bytes, u32 length);
    bool known(const Socket& socket);
    bool take_head(Socket& socket);
    void set_wake(Socket& socket);

    // listener.cpp
    void open_listener(Socket& socket, const Net::ClientHalf& client);
    void close_listener(Socket& socket);
    void enter_opening(Socket& socket);
    void leave_opening(Socket& socket);
    void give_up_opening(Socket& socket);
    Socket* new_server_socket();
    void leave_backlog(Socket& socket);

    // datagram.cpp
    void open_datagrams(Socket& socket, const Net::ClientHalf& client);
    void close_datagrams(Socket& socket);
    void send_datagrams(Socket& socket);
    bool store(Socket& socket, const Net::Datagram& header, const pbuf* data, u32 skip);
    err_t send_datagram(Socket& socket, const Net::Datagram& header, u32 position);

    // icmp_errors.cpp
    void udp_error(Socket& socket, const IcmpError& error);
    void raw_error(Socket& socket, const IcmpError& error);
    void report(Socket& socket, const IcmpError& error, u32 skip);

    // restore.cpp
    void restore();
    /// A predecessor had an address: nothing fails for want of one until the interface is there, or has had its time.
    bool waiting_for_interface() const { return !interface_.attached() && port_.now() < patience_; }
    void restore_socket(u32 number);
    bool restore_stream(Socket& socket, const Record& record);
    bool restore_sent(Socket& socket, tcp_pcb* pcb, const Record& record);
    bool restore_ring(Socket& socket);
    void restore_lost(Socket& socket, u32 generation);

    // The reserve: sockets, nodes of demux_, lwIP's pools.
    static constexpr usize kNodesOffset = Net::kSockets * sizeof(Socket);
    static constexpr usize kPoolsOffset = kNodesOffset + Demux::kNodes * sizeof(Demux::Node);
    static_assert(kPoolsOffset % 8 == 0);

    Port& port_;
    u8* const reserve_;
    Shared shared_;
    Records records_;
    Pages pages_;
    Demux demux_;
    Interface interface_;
    Groups groups_;
    Timers timers_;
    u64 secret_[2];
    u64 patience_ = 0;
    bool received_ = false;       ///< frames, since the last round
    bool someone_waits_ = false;  ///< for the interface
    u64 session_ = 0;
    u16 touched_[2 * Net::kSockets];  ///< some settled already, and touched again by others
    u32 touched_count_ = 0;
    u16 free_server_
        [Net::kSockets -
         Net::kFirstServerSocket];  ///< a queue: the one that has been free for longest is used next
    u32 free_first_ = 0, free_count_ = 0;
    u16 first_opening_ = kNoSocket, last_opening_ = kNoSocket;
    u32 opening_ = 0;
    u32 deferred_ = 0;
    u16 starved_[Net::kSockets];  ///< whose segments or datagrams wait for room
    u32 starved_count_ = 0;
    u16 telling_[Net::kSockets];  ///< what whose peers were told is to be written down
    u32 telling_count_ = 0;
    u32 corked_ = 0;
    u64 cork_deadline_ = ~u64{0};
    u16 hand_ = 0;  ///< where reclaim() goes on
    u32 listeners_ = 0, datagram_sockets_ = 0, raw_sockets_ = 0;
    SocketTable sockets_;
};

}  // namespace pith::stack
