// SPDX-License-Identifier: MIT
#include "servers/net/stack/loss_recovery.hpp"

#include <algorithm>

#include <hooks.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/tcp.h>

namespace pith::stack {
namespace {

constexpr u32 kDupThresh = 3;

u32 sequence(const tcp_seg& segment) { return lwip_ntohl(segment.tcphdr->seqno); }
bool marked(const tcp_seg& segment, u8 mark) { return (segment.flags & mark) != 0; }
bool recovering(const tcp_pcb& pcb) { return (pcb.flags & TF_INFR) != 0; }

/// Up to what comes next, that is: a stack that is born again queues what was sent as if it had not been (Stack::restore_sent).
u32 flight_size(const tcp_pcb& pcb) {
    return (pcb.unsent == nullptr ? pcb.snd_nxt : sequence(*pcb.unsent)) - pcb.lastack;
}

/// Segments above a gap that the peer has.
u32 count_sacked(const tcp_pcb& pcb) {
    u32 count = 0;
    for (const tcp_seg* seg = pcb.unacked; seg != nullptr; seg = seg->next)
        count += marked(*seg, PITH_SEG_SACKED) ? 1 : 0;
    return count;
}

/// What could not be sent again yet (no room for its frame) is where it was.
void take_back(tcp_pcb& pcb) {
    for (tcp_seg** place = &pcb.unacked; pcb.unsent != nullptr && marked(*pcb.unsent, PITH_SEG_RESENT);) {
        tcp_seg* seg = pcb.unsent;
        pcb.unsent = seg->next;
        seg->flags &= static_cast<u8>(~PITH_SEG_RESENT);
        while (*place != nullptr && TCP_SEQ_LT(sequence(**place), sequence(*seg))) place = &(*place)->next;
        seg->next = *place;
        *place = seg;
        // Something is in flight: its timer runs, and not that of a closed window.
        pcb.persist_backoff = 0;
        if (pcb.rtime < 0) pcb.rtime = 0;
    }
}

void forget_marks(tcp_pcb& pcb) {
    for (tcp_seg* seg = pcb.unacked; seg != nullptr; seg = seg->next)
        seg->flags &= static_cast<u8>(~(PITH_SEG_SACKED | PITH_SEG_RESENT));
}

/// Moves the segment at `place` in `unacked` to `to` in `unsent`, before all that is behind it; false: the interface holds it still.
bool resend(tcp_pcb& pcb, tcp_seg** place, tcp_seg**& to) {
    tcp_seg* seg = *place;
    if (seg->p->ref != 1) return false;
    *place = seg->next;
    seg->next = *to;
    *to = seg;
    to = &seg->next;
    seg->flags |= PITH_SEG_RESENT;
    pcb.rttest = 0;  // Karn's algorithm
    return true;
}

/// Marks what the peer says that it has; whether it is news. Only blocks within what was sent count: others are of duplicates (RFC 2883), old, or lies.
bool mark(tcp_pcb& pcb, const SackBlocks& sacks) {
    const u32 sent = pcb.snd_nxt - pcb.lastack;
    bool news = false;
    for (u32 i = 0; i < sacks.count; i++) {
        const u32 left = sacks.blocks[i].left - pcb.lastack, right = sacks.blocks[i].right - pcb.lastack;
        if (left == 0 || left >= right || right > sent) continue;
        for (tcp_seg* seg = pcb.unacked; seg != nullptr; seg = seg->next) {
            const u32 at = sequence(*seg) - pcb.lastack;
            if (at < left || at >= right || right - at < TCP_TCPLEN(seg) || marked(*seg, PITH_SEG_SACKED))
                continue;
            seg->flags |= PITH_SEG_SACKED;
            news = true;
        }
    }
    return news;
}

/// The first block is of bytes that came twice (RFC 2883, section 4).
bool tells_of_duplicate(const tcp_pcb& pcb, const SackBlocks& sacks) {
    if (sacks.count == 0) return false;
    const SackBlocks::Block &first = sacks.blocks[0], &second = sacks.blocks[1];
    if (TCP_SEQ_LT(first.left, pcb.lastack)) return true;
    return sacks.count > 1 && TCP_SEQ_LEQ(second.left, first.left) && TCP_SEQ_LEQ(first.right, second.right);
}

void enter(tcp_pcb& pcb, LossRecovery& loss) {
    // As Linux and lwIP do: what is on its way is often a little less than the window, only because segments are whole.
    pcb.ssthresh = std::max<u32>(std::min(pcb.snd_wnd, pcb.cwnd) / 2, 2u * pcb.mss);
    pcb.cwnd = pcb.ssthresh + kDupThresh * pcb.mss;
    pcb.bytes_acked = 0;
    pcb.rtime = 0;
    loss.recover = pcb.snd_nxt;
    loss.pending = true;
    tcp_set_flags(&pcb, TF_INFR);
}

void leave(tcp_pcb& pcb, LossRecovery& loss) {
    pcb.cwnd = pcb.ssthresh;
    if ((pcb.flags & TF_SACK) == 0)
        pcb.cwnd = std::min<u32>(pcb.cwnd, std::max<u32>(flight_size(pcb), pcb.mss) + pcb.mss);
    pcb.bytes_acked = 0;
    loss.pending = false;
    tcp_clear_flags(&pcb, TF_INFR);
}

/// NewReno's step (RFC 6582, section 3.2): in recovery the first segment has been sent again, always.
u32 recover_by_duplicates(tcp_pcb& pcb, const Acknowledgement& by, bool entered) {
    if (!entered && by.bytes > 0) {
        pcb.cwnd -= std::min<u32>(by.bytes, pcb.cwnd - pcb.mss);
        if (by.bytes >= pcb.mss) TCP_WND_INC(pcb.cwnd, pcb.mss);
    } else if (!entered && by.duplicate) {
        TCP_WND_INC(pcb.cwnd, pcb.mss);
    }
    tcp_seg** to = &pcb.unsent;
    const bool due = pcb.unacked != nullptr && !marked(*pcb.unacked, PITH_SEG_RESENT);
    return due && resend(pcb, &pcb.unacked, to) ? 1 : 0;
}

/// There is something new that the peer has room for.
bool new_data(const tcp_pcb& pcb, bool more) {
    const u32 flight = flight_size(pcb);
    return pcb.unsent == nullptr ? more && flight < pcb.snd_wnd : flight + pcb.unsent->len <= pcb.snd_wnd;
}

/// Sends again what has at least `above` segments above it that the peer has, as far as `room` goes.
u32 resend_holes(tcp_pcb& pcb, const LossRecovery& loss, u32 sacked, u32 above, u32& room, tcp_seg**& to) {
    u32 count = 0;
    for (tcp_seg** place = &pcb.unacked; *place != nullptr && sacked >= above && room >= pcb.mss;) {
        tcp_seg* seg = *place;
        if (marked(*seg, PITH_SEG_SACKED)) sacked--;
        else if (TCP_SEQ_GEQ(sequence(*seg), loss.recover)) break;  // another window: another recovery
        else if (!marked(*seg, PITH_SEG_RESENT) && resend(pcb, place, to)) {
            room -= std::min<u32>(room, seg->len);
            count++;
            continue;
        }
        place = &seg->next;
    }
    return count;
}

/// The step with a scoreboard, on which so many are `sacked` (RFC 6675, section 5). As that knows segments, IsLost() counts those: lost is what has DupThresh of them above it.
u32 recover_by_scoreboard(tcp_pcb& pcb, const LossRecovery& loss, const Acknowledgement& by, u32 sacked,
                          bool entered) {
    const u32 flight = flight_size(pcb);
    const bool fresh = new_data(pcb, by.more);
    u32 count = 0, pipe = 0;
    tcp_seg** to = &pcb.unsent;
    // A partial acknowledgement is followed by the first segment at once, as in NewReno, if that is lost, or nothing is said of what is behind it.
    const bool partial = by.bytes > 0 && (sacked == 0 || sacked >= kDupThresh);
    const bool first = entered || partial || (sacked == 0 && pcb.dupacks >= kDupThresh);
    if (first && pcb.unacked != nullptr && !marked(*pcb.unacked, PITH_SEG_RESENT)) {
        const tcp_seg& seg = *pcb.unacked;
        if (resend(pcb, &pcb.unacked, to)) pipe += seg.len, count++;
    }
    u32 above = sacked;
    for (const tcp_seg* seg = pcb.unacked; seg != nullptr; seg = seg->next) {
        if (marked(*seg, PITH_SEG_SACKED)) {
            above--;
            continue;
        }
        if (above < kDupThresh) pipe += seg->len;
        if (marked(*seg, PITH_SEG_RESENT)) pipe += seg->len;
    }
    u32 room = pcb.ssthresh > pipe ? pcb.ssthresh - pipe : 0;
    count += resend_holes(pcb, loss, sacked, kDupThresh, room, to);
    if (!fresh) count += resend_holes(pcb, loss, sacked, 1, room, to);
    pcb.cwnd = flight + room;
    return count;
}

}  // namespace

SackBlocks find_sack_blocks(std::span<const u8> first, std::span<const u8> second) {
    constexpr u8 kEnd = 0, kNothing = 1, kSack = 5, kBlock = 8;
    const usize length = first.size() + second.size();
    const auto byte = [&](usize at) { return at < first.size() ? first[at] : second[at - first.size()]; };
    const auto word = [&](usize at) {
        return u32{byte(at)} << 24 | u32{byte(at + 1)} << 16 | u32{byte(at + 2)} << 8 | byte(at + 3);
    };
    SackBlocks found;
    for (usize at = 0; at < length && byte(at) != kEnd;) {
        if (byte(at) == kNothing) {
            at++;
            continue;
        }
        if (at + 1 >= length) break;
        const usize size = byte(at + 1), end = at + size;
        if (size < 2 || end > length) break;
        if (byte(at) == kSack && size % kBlock == 2) {
            for (usize block = at + 2; block < end && found.count < SackBlocks::kMost; block += kBlock)
                found.blocks[found.count++] = {word(block), word(block + 4)};
        }
        at = end;
    }
    return found;
}

u32 acknowledged(tcp_pcb& pcb, LossRecovery& loss, const Acknowledgement& by) {
    if (by.number != pcb.lastack) return 0;  // an old one
    const bool with_sack = (pcb.flags & TF_SACK) != 0;
    pcb.cwnd -= std::min<u32>(u32{loss.limited} * pcb.mss, pcb.cwnd - 1);
    loss.limited = 0;
    if (recovering(pcb)) take_back(pcb);
    // What was sent before a time-out, and after it again, is not looked at (RFC 6675, section 5.1).
    const bool behind = loss.pending && TCP_SEQ_LT(pcb.lastack, loss.recover);
    bool duplicate = by.duplicate;
    if (with_sack && (!behind || recovering(pcb))) {
        const bool news = mark(pcb, by.sacks);
        if (duplicate && !news && tells_of_duplicate(pcb, by.sacks)) {
            duplicate = false;
            pcb.dupacks--;
        }
        // A peer that had the first segment, and lacks it now, has given up all (RFC 2018, section 8).
        if (pcb.unacked != nullptr && marked(*pcb.unacked, PITH_SEG_SACKED)) forget_marks(pcb);
    }
    if (!behind && recovering(pcb)) leave(pcb, loss);
    if (loss.pending && TCP_SEQ_GT(pcb.lastack, loss.recover)) loss.pending = false;
    const u32 sacked = with_sack ? count_sacked(pcb) : 0;
    bool entered = false;
    if (!recovering(pcb) && pcb.unacked != nullptr) {
        // After a time-out, duplicates of the last byte's acknowledgement may be answers to what was sent twice (RFC 6582, section 4).
        entered = (!behind && sacked >= kDupThresh) || (!loss.pending && pcb.dupacks >= kDupThresh);
        if (entered) enter(pcb, loss);
    }
    u32 count = 0;
    if (recovering(pcb)) {
        count = with_sack
                    ? recover_by_scoreboard(pcb, loss, by, sacked, entered)
                    : recover_by_duplicates(pcb, {by.number, by.bytes, duplicate, by.more, {}}, entered);
    } else if (!behind) {
        loss.limited = static_cast<u8>(std::min<u32>(sacked > 0 ? sacked : pcb.dupacks, kDupThresh - 1));
        TCP_WND_INC(pcb.cwnd, u32{loss.limited} * pcb.mss);
    }
    if (recovering(pcb) || loss.pending || loss.limited != 0 || sacked != 0)
        tcp_set_flags(&pcb, PITH_TF_LOSS);
    else tcp_clear_flags(&pcb, PITH_TF_LOSS);
    return count;
}

void timed_out(tcp_pcb& pcb, LossRecovery& loss) {
    if (pcb.state < ESTABLISHED) return;
    take_back(pcb);
    forget_marks(pcb);
    pcb.cwnd -= std::min<u32>(u32{loss.limited} * pcb.mss, pcb.cwnd - 1);
    loss.limited = 0;
    loss.recover = pcb.snd_nxt;
    loss.pending = true;
    tcp_clear_flags(&pcb, TF_INFR);
    tcp_set_flags(&pcb, PITH_TF_LOSS);
}

}  // namespace pith::stack
