# SPDX-License-Identifier: MIT
# Sockets of the guest on a real interface: groups and broadcast, link-local addresses, and where it matters that bytes and errors take their time to the
# host: SO_LINGER, IP_RECVERR.
. "$PITH_TREE/tests/system/net_lib.sh"

readonly program=$tree/build/debug/system-programs/wire
for name in sink_port closed_port; do free_port "$name"; done
mkfifo sink.in
"$program" sink "$sink_port" <sink.in >sink.out & children+=("$!")
exec 8>sink.in
boot --bundle "$build/storage.bundle" --network --add "$program" -- sh -c "
    until grep -q ^fe80 /proc/net/if_inet6; do sleep 0.1; done
    ./wire groups eth0
    ping6 -c 1 -W 5 fe80::2%eth0 | grep -c ' bytes from fe80::2: seq=0 ttl=255 '
    ./wire errors $host_address $closed_port
    ./wire linger $host_address $sink_port" </dev/null >guest.out 2>guest.err &
guest=$!
children+=("$guest")
cat >groups <<end
IPv4: many from $guest_address
broadcast: all from $guest_address
IPv6: neighbours from the link of interface 2
1
end
check_that wire_groups until_ok 20 eval 'head -n 4 guest.out | tr -d "\r" | cmp -s - groups'
check_that wire_full guest_says full
# (QEMU's network says that the host's own loopback has said so.)
check_that wire_error grep -aqx "'is anybody there' comes back: ECONNREFUSED, type 3 code 3, by [0-9.]*" guest.out
check_that linger_a_second grep -aqx 'first: closed, a second later' guest.out
# Nobody has read anything: so it is still closing.
sleep 1
check_that linger_waits test -z "$(grep -a '^second' guest.out)"
echo >&8
check_that linger_ends guest_says 'second: closed'
sed -n 's/^sent/came/p' guest.out >wanted
check_that linger_bytes until_ok 20 cmp -s wanted sink.out
wait "$guest"
check_that wire_ends test $? = 0
[[ ! -s guest.err ]] || show_guest
