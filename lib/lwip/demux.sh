#!/bin/sh
# SPDX-License-Identifier: MIT
# demux.sh TCP_IN RESULT: tcp_input() asks a hook for the connection that a segment belongs to, instead of searching all of them: a hash
# table finds it (servers/net/stack/demux.hpp). Each of its two loops gets the one control block that matches, or none.
set -eu
sed -e 's/for (pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {/for (pcb = LWIP_HOOK_TCP_FIND(tcphdr, 0); pcb != NULL; pcb = NULL) {/' \
    -e 's/for (pcb = tcp_tw_pcbs; pcb != NULL; pcb = pcb->next) {/for (pcb = LWIP_HOOK_TCP_FIND(tcphdr, 1); pcb != NULL; pcb = NULL) {/' "$1" >"$2.new"
[ "$(grep -c LWIP_HOOK_TCP_FIND "$2.new")" = 2 ]
mv "$2.new" "$2"
