# SPDX-License-Identifier: MIT
# Debian's iperf3: the host's client and the guest's server, in both directions and several streams at a time; and client and server in the guest.
# What a client sends in some seconds (the server counts until it hears of their end, so that not all of it need have come by then); and what a
# server sends, each byte of which is received. iperf3's server closes its listener after each test and makes it anew: who connects in between is
# reset (on Linux too), so that everybody waits until it says that it listens.
. "$PITH_TREE/tests/system/net_lib.sh"

free_port port
start_guest '
mkfifo /tmp/says; : >/tmp/server.log
tee /tmp/server.log </tmp/says &
iperf3 -s -p 5201 --forceflush >/tmp/says 2>&1 & server=$!
test=0
listens() { test=$((test + 1)); until grep -q "listening.*#$test)" /tmp/server.log; do sleep 0.1; done; }
field() { sed -n "/\"$1\":/,/}/s/.*\"bytes\":[^0-9]*\([0-9]*\).*/\1/p" /tmp/result | head -1; }
client() {
    name=$1 least=$2; shift 2
    listens
    iperf3 -c "$@" -J >/tmp/result 2>&1  # its status says nothing then
    [ "$(field sum_received)" -ge "$least" ] && echo "$name whole" || { echo "$name failed"; cat /tmp/result; }
}
client tcp 1 127.0.0.1 -t 2
client reverse 8388608 127.0.0.1 -n 8M -R
client parallel 8388608 '$guest_address' -n 8M -P 4 -R
listens
iperf3 -c 127.0.0.1 -u -b 20M -n 1M -l 1000 -J >/tmp/result && field sum | sed "s/^/udp bytes /"
echo done
wait_for_end
kill $server; wait
' "$port:5201"

check_that iperf_guest_done guest_says 'done' 120
for name in tcp reverse parallel; do check_that "iperf_guest_$name" grep -aqx "$name whole" guest.out; done
check_that iperf_guest_udp grep -aqE '^udp bytes 10[0-9]{5}$' guest.out

# bytes OBJECT: how many the result tells for it.
bytes() { sed -n "/\"$1\":/,/}/s/.*\"bytes\":[^0-9]*\([0-9]*\).*/\1/p" out | head -1; }
# measure NAME BYTES ARGUMENT...: at least so many are received, and no more than were sent.
test=4
measure() {
    local name=$1 least=$2 sent received; shift 2
    guest_says ".*listening.*#$((++test)))" 60
    run timeout 100 iperf3 -c 127.0.0.1 -p "$port" -J "$@"
    sent=$(bytes sum_sent) received=$(bytes sum_received)
    check_that "$name" test "$status" = 0 -a "${received:-0}" -ge "$least" -a "${sent:-0}" -ge "${received:-1}"
    sed -n '/"sum_received"/,/}/s/.*"bits_per_second":[^0-9]*\([0-9]*\).*/    \1 bits a second/p' out
}
measure iperf_to_guest 1 -t 3
measure iperf_from_guest 16777216 -n 16M -R
measure iperf_parallel 1 -t 3 -P 5
measure iperf_parallel_from_guest 16777216 -n 16M -P 5 -R
grep -a '^[a-z]* failed' guest.out | sed 's/^/    /'
stop_guest iperf
[[ $guest_status == 0 ]] || show_guest
