#!/bin/sh
# SPDX-License-Identifier: MIT
# demux.sh TCP_IN RESULT: what is changed in lwIP's tcp_in.c.
# - tcp_input() asks a hook for the connection that a segment belongs to, instead of searching all of them: a hash table finds it
#   (servers/net/stack/demux.hpp). Each of its two loops gets the one control block that matches, or none.
# - When an acknowledgement leaves nothing to send, there is nothing to probe a closed window with: without that, the timer of the probes goes on after the
#   probe's own byte was taken by a peer whose window stays closed, and finds no segment.
set -eu
sed -e 's/for (pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {/for (pcb = LWIP_HOOK_TCP_FIND(tcphdr, 0); pcb != NULL; pcb = NULL) {/' \
    -e 's/for (pcb = tcp_tw_pcbs; pcb != NULL; pcb = pcb->next) {/for (pcb = LWIP_HOOK_TCP_FIND(tcphdr, 1); pcb != NULL; pcb = NULL) {/' \
    -e 's/pcb->unsent = tcp_free_acked_segments(pcb, pcb->unsent, .*;/& if (pcb->unsent == NULL) pcb->persist_backoff = 0;/' "$1" >"$2.new"
[ "$(grep -c LWIP_HOOK_TCP_FIND "$2.new")" = 2 ]
[ "$(grep -c 'persist_backoff = 0' "$2.new")" = 1 ]
mv "$2.new" "$2"
