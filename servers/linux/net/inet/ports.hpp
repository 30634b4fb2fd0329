// SPDX-License-Identifier: MIT
// PortTable: which addresses and ports of one protocol (TCP, UDP) are whose, and whether another may have them too, as Linux decides it
// (inet_csk_bind_conflict, udp_lib_lport_inuse). A Binding is one holder: a socket, a connection, or one in TIME_WAIT.
#pragma once

#include "lib/base/list.hpp"
#include "servers/linux/errno.hpp"
#include "servers/linux/net/inet/ip.hpp"

namespace pith::lx {

class RandomSource;

/// What holds an address and a port. It leaves its table when it is destroyed.
class Binding {
  public:
    Binding() = default;
    Binding(const Binding&) = delete;
    Binding& operator=(const Binding&) = delete;
    ~Binding() { leave(); }
    void leave();
    bool bound() const { return List<Binding, &Binding::link_>::linked(*this); }

    InetAddress local{};   ///< family 0: not bound
    InetAddress remote{};  ///< of connections, and of connected datagram sockets; family 0: none
    bool v6_only = false;
    bool reuse_address = false;
    bool reuse_port = false;
    bool listening = false;
    bool time_wait = false;
    bool by_connect = false;  ///< the port was chosen by connect: others may share it with other peers
    u32 uid = 0;
    void* holder = nullptr;  ///< the protocol's object; null: in TIME_WAIT

    /// A packet for `to` would be its, peers aside.
    bool covers(const InetAddress& to) const;
    /// How well it fits a packet to `to` from `from`: 0 not at all, more is better.
    u32 score(const InetAddress& to, const InetAddress& from) const;

  private:
    friend class PortTable;
    ListLink link_;
};

class PortTable {
  public:
    enum class Protocol : u8 { stream, datagram };
    explicit PortTable(Protocol protocol) : protocol_(protocol) {}

    // Of /proc/sys/net/ipv4.
    u16 first_ephemeral = 32768, last_ephemeral = 60999;
    u16 first_unprivileged = 1024;

    /// Enters `binding` with `local`, whose port 0 is an ephemeral one. EADDRINUSE.
    SysResult<> bind(Binding& binding, const InetAddress& local, RandomSource& random);
    /// Enters it with an ephemeral port for a connection to `remote`. EADDRNOTAVAIL: there is none left.
    SysResult<> bind_to_connect(Binding& binding, const InetAddress& local, const InetAddress& remote,
                                RandomSource& random);
    /// Enters it where `local` and `remote` are settled (a connection that was accepted), or are to change.
    void enter(Binding& binding, const InetAddress& local);
    /// `binding` is to listen, or no longer. EADDRINUSE.
    SysResult<> set_listening(Binding& binding, bool listening);
    /// Another one has the same addresses and ports on both sides.
    Binding* find_pair(const InetAddress& local, const InetAddress& remote, const Binding* but) const;

    /// The best for a packet; of several that are equal and share the port by SO_REUSEPORT the one that `hash` says. `listening`: only such.
    Binding* find(const InetAddress& to, const InetAddress& from, bool listening, u32 hash) const;
    /// All, in no order.
    template <typename Visitor>
    void for_each(Visitor visit) const {
        for (const Bucket& bucket : buckets_)
            for (u32 kind = 0; kind < 2; ++kind)
                for (Binding* at = bucket.chains[kind].front(); at != nullptr;
                     at = bucket.chains[kind].next(*at))
                    visit(*at);
    }
    /// All of one port.
    template <typename Visitor>
    void for_port(u16 port, Visitor visit) const {
        const Bucket& bucket = buckets_[port % kBuckets];
        for (u32 kind = 0; kind < 2; ++kind)
            for (Binding* at = bucket.chains[kind].front(); at != nullptr; at = bucket.chains[kind].next(*at))
                if (at->local.port == port) visit(*at);
    }

  private:
    static constexpr u32 kBuckets = 1024;
    using Chain = List<Binding, &Binding::link_>;
    struct Bucket {
        mutable Chain chains[2];  ///< those that don't listen, and those that do
    };
    bool conflict(const Binding& binding, const InetAddress& local, bool shared) const;
    /// Calls try_port with ephemeral ports from a random one on until it says true.
    template <typename Try>
    bool choose_port(RandomSource& random, Try try_port) const;

    Protocol protocol_;
    Bucket buckets_[kBuckets];
};

}  // namespace pith::lx
