// SPDX-License-Identifier: MIT
// UnixSocket: a socket of AF_UNIX: its name, its peer, its connections; UnixStream and UnixPacket (SOCK_DGRAM, SOCK_SEQPACKET) are what
// bytes go through. What was sent lies with the receiver, in a ring of pages of the zone; the sender's SO_SNDBUF limits how much.
//
// Others hold a socket's UnixPort, which outlives it. A peer that has closed is a port without a socket.
// A connection that was made and not yet accepted is a socket in the listener's backlog (`embryo_`).
#pragma once

#include <deque>

#include "servers/linux/net/unix/domain.hpp"
#include "servers/linux/vfs/byte_ring.hpp"

namespace pith::lx {

/// What others know of a socket.
class UnixPort : public RefCounted {
  public:
    explicit UnixPort(UnixSocket& of) : socket(&of) {}
    UnixSocket* socket;  ///< null: closed
    usize charge = 0;    ///< of messages that it has sent, and nobody has taken yet
    Ref<UnixName> name;  ///< of one that is closed
};

class UnixSocket : public Socket {
  public:
    UnixSocket(Thread& maker, SocketType socket_type, u32 open_flags);

    Async<> bind(Thread& thread, const SocketAddress& address) override;
    SysResult<> listen(Thread& thread, i32 backlog) override;
    bool listening() const override { return state_ == State::listening; }
    Async<> connect(Thread& thread, const SocketAddress& address) override;
    Async<Ref<Socket>> accept(Thread& thread, u32 flags) override;
    SysResult<SocketAddress> local_name() override;
    SysResult<SocketAddress> peer_name() override;
    SysResult<> shutdown(Thread& thread, Shutdown how) override;
    PeerCredentials peer_credentials() const override { return peer_credentials_; }
    bool has_peek_offset() const override { return true; }
    SysResult<i32> unsent_bytes() override;

    /// A socket of that type, not connected.
    static Ref<UnixSocket> make(Thread& maker, SocketType type, u32 flags);
    /// They are each other's peers, of socketpair.
    static void join(Thread& maker, UnixSocket& a, UnixSocket& b);

    /// Calls `visit` with the descriptors in flight of each message that waits here, or in a connection that waits to be accepted.
    template <typename Visit>
    void for_each_right(Visit visit) {
        visit_rights(visit);
        for (const Ref<UnixSocket>& waiting : backlog_) waiting->visit_rights(visit);
    }
    /// Takes all of them out.
    void drop_rights(std::vector<Ref<File>>& to);
    /// A line of /proc/net/unix.
    std::string line() const;

    // Of UnixDomain
    usize in_flight = 0;  ///< messages that hold it
    usize internal = 0;   ///< ... and lie where only such sockets can reach them
    bool reachable = false;

  protected:
    enum class State : u8 { closed, listening, established };
    static constexpr u32 kShutReceive = 1, kShutSend = 2, kShutBoth = 3;

    /// The end of a socket whose messages have been dropped; `unread`: there were some. From the destructor of the kind.
    void release(bool unread);
    using RightsVisitor = void (*)(void* context, InFlight& rights);
    virtual void visit_rights_of(RightsVisitor visitor, void* context) = 0;
    template <typename Visit>
    void visit_rights(Visit& visit) {
        visit_rights_of([](void* context, InFlight& rights) { (*static_cast<Visit*>(context))(rights); },
                        &visit);
    }
    /// What it has sent, and is not taken yet, is little enough.
    virtual bool writable_now() const = 0;
    virtual Async<> connect_datagram(Thread& thread, const SocketAddress& address);

    UnixSocket* peer() const { return peer_ ? peer_->socket : nullptr; }
    bool connection_type() const { return type != SocketType::datagram; }
    /// The socket of our type with that name. EINVAL, ECONNREFUSED, EPROTOTYPE, EACCES and what a walk gives.
    SysResult<UnixSocket*> find(Thread& thread, const SocketAddress& address);
    SysResult<> autobind();
    /// Who `thread` is, for its messages.
    static PeerCredentials credentials_of(const Thread& thread);
    /// Messages to `to` carry who has sent them.
    bool tells_credentials(const UnixSocket& to) const {
        return options.pass_credentials || to.options.pass_credentials || to.embryo_;
    }
    void state_changed();
    void data_arrived() {
        read_queue_.wake(kPollIn | kPollPriority | kPollReadNormal | kPollReadBand);
        tell_owner(kDataArrived);
    }
    void space_made() {
        if (writable_now()) write_queue_.wake_all(kPollOut | kPollWriteNormal | kPollWriteBand);
    }

    UnixDomain& domain_;
    const Ref<UnixPort> port_;
    Ref<UnixPort> peer_;  ///< null: never connected
    Ref<UnixName> name_;
    State state_ = State::closed;
    u32 shut_ = 0;
    bool embryo_ = false;
    std::deque<Ref<UnixSocket>> backlog_;
    usize most_waiting_ =
        0;  ///< in the backlog; of datagrams: messages that others than the peer may leave here
    PeerCredentials peer_credentials_{0, ~0u, ~0u};
    WaitQueue read_queue_, write_queue_;
    WaitQueue room_queue_;  ///< those who wait to connect, or to send here

  private:
    Task<SysResult<>> slow_connect(Thread& thread, Ref<UnixSocket> self, Ref<UnixPort> target);
    SysResult<> join_backlog(Thread& thread, UnixSocket& listener);
    bool backlog_full() const { return backlog_.size() > most_waiting_; }
    Task<SysResult<Ref<Socket>>> slow_accept(Thread& thread, Ref<UnixSocket> self, u32 flags);
    Ref<Socket> take_connection(const Thread& thread, u32 flags);
    SysResult<> bind_abstract(std::string name);
    void bind_path(std::string name, Path path);
    Path bound_;  ///< the file, of a name that is a path
};

/// SOCK_STREAM: a ring of bytes, with marks where something else comes with them.
class UnixStream final : public UnixSocket {
  public:
    UnixStream(Thread& maker, u32 open_flags);
    ~UnixStream() override;
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> write(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> send(Thread& thread, UserIo&& io, SendExtras&& extras) override;
    Async<usize> receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) override;
    u32 poll(Poller* poller) override;
    SysResult<i32> readable_bytes() override;
    SysResult<i32> unsent_bytes() override;

  protected:
    void visit_rights_of(RightsVisitor visitor, void* context) override;
    bool writable_now() const override;

  private:
    static constexpr usize kMarkCharge = 768;
    /// What begins at a place of the stream: who has sent what follows, and descriptors.
    struct Mark {
        u64 at;
        std::optional<PeerCredentials> credentials;
        InFlight rights;
    };
    u64 position() const { return added_ - ring_.used(); }
    /// What is here counts so much for the sender's SO_SNDBUF.
    usize charged() const { return ring_.used() + marks_.size() * kMarkCharge; }
    SysResult<UnixStream*> receiver();
    usize room_for_us(const UnixStream& to) const;
    SysResult<usize> add(Thread& thread, UserIo& io, SendExtras& extras);
    void mark(Thread& thread, UnixStream& from, SendExtras& extras, InFlight&& rights);
    SysResult<usize> take(UserIo& io, ReceiveExtras& extras);
    SysResult<usize> peek(UserIo& io, ReceiveExtras& extras);
    bool plain() const { return marks_.empty() && options.peek_offset < 0 && !options.pass_credentials; }
    void taken();
    Task<SysResult<usize>> slow_read(Thread& thread, Ref<UnixStream> self, UserIo io);
    Task<SysResult<usize>> slow_receive(Thread& thread, Ref<UnixStream> self, UserIo io,
                                        ReceiveExtras& extras);
    Task<SysResult<usize>> slow_send(Thread& thread, Ref<UnixStream> self, UserIo io, SendExtras extras);

    ByteRing ring_;  ///< received
    u64 added_ = 0;  ///< bytes, ever
    std::deque<Mark> marks_;
    std::optional<PeerCredentials> reading_;  ///< who has sent what is next
    std::optional<PeerCredentials> writing_;  ///< ... what was added last
    bool after_rights_ = false;               ///< what was added last came with descriptors
};

/// SOCK_DGRAM and SOCK_SEQPACKET: messages.
class UnixPacket final : public UnixSocket {
  public:
    UnixPacket(Thread& maker, SocketType socket_type, u32 open_flags);
    ~UnixPacket() override;
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> send(Thread& thread, UserIo&& io, SendExtras&& extras) override;
    Async<usize> receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) override;
    SysResult<> may_send() override;
    SysResult<> shutdown(Thread& thread, Shutdown how) override;
    u32 poll(Poller* poller) override;
    SysResult<i32> readable_bytes() override;

  protected:
    void visit_rights_of(RightsVisitor visitor, void* context) override;
    bool writable_now() const override;
    Async<> connect_datagram(Thread& thread, const SocketAddress& address) override;

  private:
    struct Message {
        usize length;
        usize charge;
        i64 time;  ///< of its arrival; 0: not asked for then
        Ref<UnixPort> from;
        Ref<UnixName> name;
        std::optional<PeerCredentials> credentials;
        InFlight rights;
    };
    /// Nobody but the peer may leave more here.
    bool full_for(const UnixPacket& from) const {
        return &from != this && peer_ != from.port_ && messages_.size() > most_waiting_;
    }
    SysResult<UnixPacket*> receiver(const Ref<UnixPort>& target, bool named);
    SysResult<Ref<UnixPort>> find_port(Thread& thread, const SocketAddress& address);
    /// A message of that length can be sent at all.
    bool fits(usize length) const;
    void remember_sender(const Ref<UnixPort>& sender);
    SysResult<usize> give(Thread& thread, UnixPacket& to, UserIo& io, SendExtras& extras);
    SysResult<usize> take(UserIo& io, ReceiveExtras& extras);
    void drop_first();
    void drop_all();
    void lost_peer(const Ref<UnixPort>& old);
    void wake_senders();
    Task<SysResult<usize>> slow_send(Thread& thread, Ref<UnixPacket> self, UserIo io, SendExtras extras,
                                     Ref<UnixPort> target);
    Task<SysResult<usize>> slow_receive(Thread& thread, Ref<UnixPacket> self, UserIo io,
                                        ReceiveExtras& extras);

    ByteRing ring_;  ///< the messages' bytes, in order
    std::deque<Message> messages_;
    std::map<UnixPort*, Ref<UnixPort>> senders_;  ///< to be told when there is room
    usize look_through_at_ = 64;                  ///< so many of them: those that are closed are dropped
};

}  // namespace pith::lx
