// SPDX-License-Identifier: MIT
// What the stack writes down in preserved Memory, for its successor: of each connection its record, and of the interface its lease. Everything is there
// twice, written in turn, each with a counter and a checksum: the newest good one counts, so a death in the middle of writing costs nothing but that.
#pragma once

#include <span>

#include "protocol/net.hpp"

namespace pith::stack {

struct Record {
    static constexpr u16 kFinQueued = 1, kFinReceived = 2, kTimestamps = 4, kScaling = 8, kSelective = 16,
                         kOrphan = 32;

    u64 count;  ///< of the writes
    u8 state;   ///< lwIP's tcp_state; 0: there is no connection
    u8 send_scale;
    u16 flags;
    u32 generation;
    Net::Address local, remote;
    u32 first_sent, first_received;  ///< initial sequence numbers
    u32 sent;                        ///< behind the last byte (or SYN, or FIN) that was ever sent
    u32 receive_tail;
    u32 dropped;
    u32 send_head;
    u32 send_window;  ///< as the peer last told, and the largest ever
    u32 largest_window;
    u32 peer_time;  ///< of the timestamps option
    u32 last_acknowledged;
    u16 mss;
    u16 listener;
    u32 listener_generation;
    u32 reserved;
    u64 checksum;
};
static_assert(sizeof(Record) == 128);

/// Of a connection, what its peer was told last: beside the record, as it changes with each acknowledgement. Whether it is right decides only whether the
/// peer is told again.
struct Told {
    u32 generation;
    u32 acknowledged;
    u32 edge;  ///< of the window
    u32 reserved;
};

/// What DHCP has given.
struct Lease {
    u64 count;
    u8 address[4], mask[4], gateway[4];
    u32 server_count;
    u8 servers[Net::kMaxNameServers][4];
    u64 ends;  ///< nanoseconds since boot; ~0: never
    char domain[64];
    u64 checksum;
};
static_assert(sizeof(Lease) == 120);

class Records {
  public:
    /// Numbers that outlive the stack.
    struct Counts {
        u64 opened_actively, opened_passively, failed_attempts, resets, segments_received, segments_sent,
            segments_retransmitted, bad_segments, datagrams_received, datagrams_sent, datagram_drops,
            restored;
    };

    static constexpr usize kSize = 4096 + Net::kSockets * (2 * sizeof(Record) + sizeof(Told));

    /// `memory`: kSize bytes, zeroed at the very first start.
    explicit Records(std::span<u8> memory) : area_(*reinterpret_cast<Area*>(memory.data())) {}

    /// False: there are none, or not in this layout; they are empty then.
    bool good();
    /// Groups of sockets (SocketTable) of which one was ever asked for in this session: in others there is nothing to be found.
    u64& groups() { return area_.groups; }
    u64 session() const { return area_.session; }
    void set_session(u64 session) { area_.session = session; }
    Counts& counts() { return area_.counts; }

    /// The newest good record of a socket; false: there is none.
    bool read(u32 socket, Record& out) const;
    /// There may be one: false only if none was ever written.
    bool written(u32 socket) const {
        return area_.records[socket][0].count != 0 || area_.records[socket][1].count != 0;
    }
    /// Writes `record`, numbered on from `count`.
    void write(u32 socket, Record& record);
    Told& told(u32 socket) { return area_.told[socket]; }
    bool read(Lease& out) const;
    void write(Lease& lease);
    /// Forgets all connections.
    void clear();

  private:
    static constexpr u64 kMagic = 0x70697468'6e657433;
    struct Area {
        u64 magic;
        u64 session;
        u64 groups;
        Counts counts;
        Lease leases[2];
        alignas(4096) Record records[Net::kSockets][2];
        Told told[Net::kSockets];
    };
    static_assert(sizeof(Area) == kSize);
    Area& area_;
};

}  // namespace pith::stack
