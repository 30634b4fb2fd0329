#!/bin/sh
# SPDX-License-Identifier: MIT
# changes.sh SOURCE RESULT: what is changed in two files of lwIP's.
# tcp_in.c:
# - tcp_input() asks a hook for the connection that a segment belongs to, instead of searching all of them: a hash table finds it
#   (servers/net/stack/demux.hpp). Each of its two loops gets the one control block that matches, or none.
# - When an acknowledgement leaves nothing to send, there is nothing to probe a closed window with: without that, the timer of the probes goes on after the
#   probe's own byte was taken by a peer whose window stays closed, and finds no segment.
# - Only a SYN tells the largest segment (RFC 9293, 3.7.1): otherwise those that are queued may be longer than what a peer says later. It is 48 bytes at
#   least, as for Linux: with less a connection is nothing but headers.
# - Of acknowledgements that tell of losses it takes no notice itself: it asks a hook, at the two places where it has taken one
#   (servers/net/stack/loss_recovery.hpp). The congestion window does not grow in recovery.
# tcp_out.c:
# - A hook is called before all that is not acknowledged is queued again. What is only to be sent again, and waits to be, is nothing that tcp_write() may
#   append to, nor tcp_send_fin(): it need not be the last.
# - tcp_write() makes segments of half the peer's largest window at most, but of any size while that window has been closed. The last one of those may be
#   longer than that when the window opens a little: then there is no room left in it, and not nearly 65,536 bytes.
#   And a segment of at least one byte has room for timestamps with the two bytes that align them: else what fits behind them is less than nothing, and
#   everything goes into one segment.
set -eu

# expect COUNT PATTERN: so many lines of the result have it.
expect() { [ "$(grep -c "$2" "$result.new")" = "$1" ]; }

source=$1 result=$2
case $source in
    */tcp_in.c)
        sed -e 's/for (pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {/for (pcb = LWIP_HOOK_TCP_FIND(tcphdr, 0); pcb != NULL; pcb = NULL) {/' \
            -e 's/for (pcb = tcp_tw_pcbs; pcb != NULL; pcb = pcb->next) {/for (pcb = LWIP_HOOK_TCP_FIND(tcphdr, 1); pcb != NULL; pcb = NULL) {/' \
            -e 's/pcb->mss = ((mss > TCP_MSS) || (mss == 0)) ? TCP_MSS : mss;/if ((flags \& TCP_SYN) != 0) pcb->mss = mss > TCP_MSS || mss == 0 ? TCP_MSS : LWIP_MAX(mss, 48);/' \
            -e 's/pcb->unsent = tcp_free_acked_segments(pcb, pcb->unsent, .*;/& if (pcb->unsent == NULL) pcb->persist_backoff = 0;/' \
            -e '/if (pcb->dupacks > 3) {/,/}/d' -e '/if (pcb->dupacks >= 3) {/,/}/d' -e '/if (pcb->flags & TF_INFR) {/,/}/d' \
            -e 's/if (pcb->state >= ESTABLISHED) {/if ((pcb->flags \& TF_INFR) == 0) {/' \
            -e '/if (!found_dupack) {/,/}/s/}/} LWIP_HOOK_TCP_ACKNOWLEDGED(pcb, 0, found_dupack);/' \
            -e 's/^ *.. End of ACK for new data processing. ../LWIP_HOOK_TCP_ACKNOWLEDGED(pcb, acked, 0);/' "$source" >"$result.new"
        expect 2 LWIP_HOOK_TCP_FIND
        expect 1 'persist_backoff = 0'
        expect 1 'LWIP_MAX(mss, 48)'
        expect 0 'tcp_rexmit_fast\|tcp_clear_flags(pcb, TF_INFR)\|pcb->dupacks >='
        expect 1 'TF_INFR'
        expect 1 'LWIP_HOOK_TCP_ACKNOWLEDGED(pcb, 0, found_dupack);'
        expect 1 'LWIP_HOOK_TCP_ACKNOWLEDGED(pcb, acked, 0);'
        ;;
    */tcp_out.c)
        sed -e '/LWIP_ASSERT("mss_local is too small"/d' \
            -e 's/space = mss_local - (last_unsent->len + unsent_optlen);/space = mss_local > last_unsent->len + unsent_optlen ? mss_local - (last_unsent->len + unsent_optlen) : 0;/' \
            -e 's/LWIP_MAX(mss_local, LWIP_TCP_OPT_LEN_TS + 1)/LWIP_MAX(mss_local, LWIP_TCP_OPT_LEN_TS_OUT + 1)/' \
            -e 's/(last_unsent->len > 0)/& \&\& !(last_unsent->flags \& PITH_SEG_RESENT)/' \
            -e 's/(TCP_SYN | TCP_FIN | TCP_RST)) == 0/& \&\& !(last_unsent->flags \& PITH_SEG_RESENT)/' \
            -e 's/LWIP_ASSERT("tcp_rexmit_rto_prepare: invalid pcb".*;/LWIP_HOOK_TCP_TIMED_OUT(pcb);/' "$source" >"$result.new"
        expect 1 'unsent_optlen) : 0;'
        expect 1 'LWIP_TCP_OPT_LEN_TS_OUT + 1'
        expect 2 'last_unsent->flags & PITH_SEG_RESENT'
        expect 1 LWIP_HOOK_TCP_TIMED_OUT
        ;;
esac
mv "$result.new" "$result"
