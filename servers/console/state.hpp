// SPDX-License-Identifier: MIT
// What outlives the console server, in its preserved Memory: two slots for the state, of which one is the
// committed one, and the rings of the streams.
//
// The server works on a State in its own memory. `commit` copies it to the other slot and then names that
// slot, in one store: a crash at any instruction leaves the state before or after. Ring bytes count only
// between positions that are committed. So the order of every step is: change, commit, and only then let
// anyone see (reply, wire, Signal).
#pragma once

#include <span>

#include "lib/base/result.hpp"
#include "lib/mux/link.hpp"
#include "lib/tty/line_discipline.hpp"
#include "protocol/console.hpp"

namespace pith::console {

using mux::Channel;
using mux::kChannels;

/// Bytes of the ring of each outgoing stream; powers of two.
inline constexpr u32 kOutgoingSize[kChannels] = {4096, 0, 32768, 16384, 32768, 16384};
/// Bytes of the rings of incoming streams (what has not been read); the terminal's is before its line
/// discipline.
inline constexpr u32 kIncomingSize[kChannels] = {0, 8192, 0, 0, 4096, 0};

constexpr usize index(Channel channel) { return static_cast<usize>(channel); }

/// What this run is, from run/config and parameters.
struct Setup {
    u8 ttys;   ///< bit n: descriptor n leads to the terminal
    u8 log;    ///< the system log is wanted
    u8 plain;  ///< no mux: the serial line is the terminal itself
    u8 reserved[5];
};

/// All but the large parts.
struct Core {
    Setup setup;
    mux::LinkState link;
    u64 written[kChannels];   ///< end of each outgoing stream
    u64 consumed[kChannels];  ///< of each incoming stream, by the client or the line discipline
    u64 arrived[kChannels];   ///< end of each incoming stream
    u64 tty_accepted;         ///< bytes that the client has written to the terminal, before processing
    u64 last_id;              ///< of the client's numbered requests
    u32 last_opcode;
    u32 reply_length;  ///< answer of a Read, with State::reply
    u32 reply_flags;
    u32 interrupts, quits, suspends, window_changes;
    u32 hung_up;
    u64 log_sequence;  ///< next record of the system log
    mux::ExitStatus exit;
    u8 exit_asked, exit_sent, ready_sent, input_ended;
    u64 reports;         ///< lines of the client's report that were taken
    u32 control_length;  ///< bytes of `control`
    u8 control[sizeof(mux::ControlHeader) + mux::kMaxControl];  ///< an incoming record, not yet whole
};

struct State {
    Core core;
    u8 reply[Console::kMaxData];
    tty::TtyState tty;
};

class Store {
  public:
    /// Over preserved Memory. `fresh` tells whether there was no valid state. no_memory: it is too small.
    Result<> open(std::span<u8> memory);
    bool fresh() const { return fresh_; }

    State& state() { return state_; }
    Core& core() { return state_.core; }
    /// These parts have changed, and are copied too by the next commit.
    void tty_changed() { ++tty_version_; }
    void reply_changed() { ++reply_version_; }
    void commit();
    /// Makes the next one begin anew.
    void forget() { layout_->magic = 0; }

    std::span<u8> outgoing(Channel channel);
    std::span<u8> incoming(Channel channel);
    static usize size();

  private:
    struct Slot {
        u64 tty_version;
        u64 reply_version;
        State state;
    };
    struct Layout {
        u64 magic;
        u64 active;
        Slot slots[2];
    };
    static bool plausible(const State& state);
    static usize ring_offset(bool incoming, Channel channel);

    std::span<u8> memory_;
    Layout* layout_ = nullptr;
    bool fresh_ = false;
    u64 tty_version_ = 1;
    u64 reply_version_ = 1;
    State state_{};
};

}  // namespace pith::console
