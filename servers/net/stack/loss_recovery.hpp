// SPDX-License-Identifier: MIT
// Loss recovery of a sender, in place of lwIP's fast recovery, which ignores what a peer says of segments behind a gap and ends with the first partial
// acknowledgement. With a peer that agreed on SACK it is RFC 6675's, with any other NewReno (RFC 6582); both with limited transmit (RFC 3042).
//
// The scoreboard are marks on lwIP's own segments (hooks.h: PITH_SEG_*), so it takes no memory and needs no bound. A segment to be sent again is moved from
// `unacked` to the front of `unsent`, and lwIP's window is set so that tcp_output() sends just what is to go. lwIP asks at two places (lib/lwip/changes.sh):
// where it has taken an acknowledgement, and before it takes a time-out.
//
// PITH_TF_LOSS is set while there is anything to remember: then only does an acknowledgement that says nothing special come here at all.
#pragma once

#include <span>

#include "abi/types.hpp"

struct tcp_pcb;

namespace pith::stack {

/// What of a connection's loss recovery has no place in lwIP's control block. It dies with the stack, as do the
/// marks.
struct LossRecovery {
    u32 recover =
        0;  ///< `recover` of RFC 6582, RecoveryPoint of RFC 6675: behind what had been sent at the last loss
    bool pending = false;  ///< ... of which not all is acknowledged, and one byte more: else it means nothing
    u8 limited = 0;        ///< segments by which the congestion window is larger, for limited transmit
};

/// The blocks of a segment's SACK options, as the peer says. Options hold four at most.
struct SackBlocks {
    struct Block {
        u32 left, right;
    };
    static constexpr u32 kMost = 4;

    u32 count = 0;
    Block blocks[kMost];
};

/// `first`, `second`: a segment's options, in up to two pieces. What has a bad length, and all behind it, is ignored.
SackBlocks find_sack_blocks(std::span<const u8> first, std::span<const u8> second);

struct Acknowledgement {
    u32 number;      ///< as the segment says
    u32 bytes;       ///< newly acknowledged
    bool duplicate;  ///< as RFC 5681 defines it
    bool more;       ///< there is more to be sent than lwIP has
    SackBlocks sacks;
};

/// lwIP has taken an acknowledgement, and will call tcp_output(). Returns how many segments were put there to be sent again.
u32 acknowledged(tcp_pcb& pcb, LossRecovery& loss, const Acknowledgement& by);
/// lwIP will send again all that is not acknowledged, whatever the peer has said of it (RFC 2018, section 8).
void timed_out(tcp_pcb& pcb, LossRecovery& loss);

}  // namespace pith::stack
