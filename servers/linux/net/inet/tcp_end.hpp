// SPDX-License-Identifier: MIT
// TcpEnd: one end of a TCP connection, or a listener: what Linux keeps in a struct tcp_sock. A socket's file holds it (TcpSocket), or a
// listener's queue until it is accepted, or only the other end, when its own program has closed it. The other end is either another TcpEnd of this zone,
// to which everything is passed on at once (no segment is ever made), or behind the stack, through a NetSocket.
// The states are those of RFC 9293, and what a program sees in each is what Linux shows.
#pragma once

#include <deque>
#include <memory>

#include "lib/os/waiter.hpp"
#include "servers/linux/net/inet/network.hpp"
#include "servers/linux/net/socket.hpp"
#include "servers/linux/vfs/byte_ring.hpp"

namespace pith::lx {

class TcpSocket;

/// As TCP_INFO and /proc/net/tcp number them.
enum class TcpState : u8 {
    established = 1,
    syn_sent,
    syn_received,
    fin_wait1,
    fin_wait2,
    time_wait,
    closed,
    close_wait,
    last_ack,
    listening,
    closing,
};

/// Options of level IPPROTO_TCP, as set.
struct TcpOptions {
    bool no_delay = false, cork = false, quick_ack = true;
    i32 keep_idle = 7200, keep_interval = 75, keep_count = 9;  ///< seconds, seconds, probes
    i32 max_segment = 0, defer_accept = 0, user_timeout = 0, linger2 = 60, syn_count = 6;
    i32 window_clamp = 0, fast_open = 0, not_sent_low_water = 0, fast_open_connect = 0, thin = 0;
};

/// Seconds of TCP_DEFER_ACCEPT are kept as tries to send a SYN-ACK, as Linux does: after 1, 2, 4 ... up to 120 seconds each.
i32 seconds_to_tries(i32 seconds);
i32 tries_to_seconds(i32 tries);

class TcpEnd : public RefCounted, private NetWatcher {
  public:
    TcpEnd(Network& of, u16 socket_family);
    ~TcpEnd() override;

    Network& network;
    const u16 family;
    TcpState state = TcpState::closed;
    bool receive_shutdown = false, send_shutdown = false;
    bool finished = false;                             ///< the peer has sent FIN (SOCK_DONE)
    bool port_chosen = false, address_chosen = false;  ///< by bind
    Errno error = Errno::ok;                           ///< SO_ERROR while there is no socket
    TcpSocket* socket = nullptr;
    Binding binding;
    TcpOptions tcp;
    i32 send_buffer = 0, receive_buffer = 0;  ///< as set by the program; 0: they are not
    bool keep_alive = false;
    WaitQueue readers, writers;

    const InetAddress& local() const { return binding.local; }
    const InetAddress& remote() const { return binding.remote; }
    bool connected() const { return peer_ || net_; }
    bool listening() const { return state == TcpState::listening; }
    bool external() const { return net_ != nullptr; }
    /// Its FIN is on its way, and not acknowledged.
    bool closing() const {
        return state == TcpState::fin_wait1 || state == TcpState::closing || state == TcpState::last_ack;
    }

    // Bytes
    /// That can be read.
    usize unread() const { return net_ ? net_->received() : incoming_.used(); }
    /// Sent, and not acknowledged.
    usize unsent() const { return net_ ? net_->unsent() : 0; }
    /// That a send would take now.
    usize room() const;
    /// A third of the buffer is free: poll says so.
    bool writable() const;
    /// Moves what is there, at most what `io` takes; `discard`: without copying it.
    SysResult<usize> take(UserIo& io, bool discard);
    /// Copies what is there from `skip` on.
    SysResult<usize> peek(UserIo& io, usize skip);
    /// Moves at least one byte of `io`, if there is room; 0: there is none.
    SysResult<usize> add(UserIo& io, const AddressSpace* from);
    /// Waits for a writer: it fills `io` directly. Not for one behind the stack.
    ByteRing& incoming() { return incoming_; }
    /// Somebody waits for room.
    void want_room() { wants_room_ = true; }

    // Connections. The addresses are checked, and the end is bound.
    /// It is settled at once (established, or closed with an error), waits for room in the listener's queue, or for the stack (syn_sent).
    void connect(const InetAddress& to, Route route);
    /// EADDRINUSE.
    SysResult<> listen(u32 backlog);
    bool accept_ready() const { return listener_ && !listener_->queue.empty(); }
    Ref<TcpEnd> take_accepted();
    u32 accept_queue() const { return listener_ ? static_cast<u32>(listener_->queue.size()) : 0; }
    u32 backlog() const { return listener_ ? listener_->backlog : 0; }

    /// FIN follows what was sent.
    void close_sending();
    void close_receiving();
    /// Its program has closed it. `reset`: by RST, whatever there is.
    void close(bool reset);
    /// As connect(AF_UNSPEC) does, and a listener's shutdown: nothing is left but what it is bound to.
    void disconnect();
    /// Of a listener: the stack has come back without its socket.
    void remake_stack_listener() { make_stack_listener(); }
    /// Options have changed that the stack has to know.
    void options_changed();
    NetSocket::Information information() const {
        return net_ ? net_->information() : NetSocket::Information{};
    }

  private:
    struct Listener {
        explicit Listener(TcpEnd& owner) : end(owner) {}
        /// Linux takes one more than the backlog.
        bool full() const { return queue.size() + deferred.size() > backlog; }
        TcpEnd& end;
        u32 backlog = 0;
        std::deque<Ref<TcpEnd>> queue;
        struct Deferred {
            Ref<TcpEnd> end;
            Time until;
        };
        std::deque<Deferred> deferred;  ///< nothing has come on them yet (TCP_DEFER_ACCEPT)
        struct Alarm : Timer {
            explicit Alarm(Listener& owner) : Timer(&expired), listener(owner) {}
            Listener& listener;
        };
        Alarm alarm{*this};  ///< the first of them may be accepted all the same
        static void expired(Timer& timer);
        std::deque<TcpEnd*> waiting;  ///< ends that found the queue full
        NetSocketRef net;
    };
    void net_changed(NetSocket& changed) override;
    void net_accepted(NetSocket& at, NetSocketRef connection) override;

    void connect_loopback();
    void connect_stack();
    /// Of a listener: `client` has found room in the queue.
    void admit(TcpEnd& client);
    /// Of a listener: lets in those that wait, as far as there is room.
    void admit_waiting();
    /// Of a listener: `end` may be accepted, at once or when something has come.
    void offer(const Ref<TcpEnd>& end);
    /// Something has come on a connection that is kept back at its listener; or (`dropped`) nothing will.
    void stop_deferring(bool dropped = false);
    Ref<TcpEnd> make_accepted(const InetAddress& to, const InetAddress& from);
    void stop_listening();
    void leave_waiting();
    void make_stack_listener();
    void set_capacity();

    void set_error(Errno what);
    void receive_fin();
    void fin_acknowledged();
    void receive_reset();
    void fail(Errno what);
    /// The connection is over.
    void done();
    void time_wait();
    void wake(u32 events);
    void wake_writers();

    Ref<TcpEnd> peer_;
    TcpEnd* waits_at_ = nullptr;     ///< the listener in whose queue there is no room yet
    TcpEnd* deferred_at_ = nullptr;  ///< the listener that keeps it back until something comes
    ByteRing incoming_;
    NetSocketRef net_;
    std::unique_ptr<Listener> listener_;
    bool orphan_ = false;
    bool wants_room_ = false;
};

}  // namespace pith::lx
