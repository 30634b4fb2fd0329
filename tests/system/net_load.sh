# SPDX-License-Identifier: MIT
# The network under load: a thousand connections from the host open and busy at once, thousands that come and go, and a flood of SYNs. Then all is as it
# was: sockets, kernel objects, capabilities and memory. PITH_CHURN is how many come and go (100000 by hand).
. "$PITH_TREE/tests/system/net_lib.sh"

readonly program=$tree/build/debug/system-programs/connections held=1000 churn=${PITH_CHURN:-4000} flood=20000
# What comes and goes leaves its port taken for a minute: so many first that no more than these are remembered after them.
readonly first=$((churn < 10000 ? churn : 10000))

# serve NAME: a guest with the server on its port 7, which tells its state when it is asked, as soon as so many sockets are open. Its streams are as start_guest's.
serve() {
    rm -f guest.in guest.out guest.err; mkfifo guest.in
    free_port port
    boot --bundle "$build/storage.bundle" --network --timeout 390 --forward "$port:7" --add "$program" -- sh -c '
        ./connections serve 7 &
        while read -r name open && [ "$name" != end ]; do
            until grep -q "^TCP: inuse $open " /proc/net/sockstat; do sleep 0.05; done
            sed "s/^/$name: /" /proc/pith/kernel /proc/net/sockstat /proc/meminfo /proc/net/dev /proc/pith/services
            echo "told $name"
        done
        # The server serves until then.
        kill $! && echo served' <guest.in >guest.out 2>guest.err &
    guest=$!
    children+=("$guest")
    exec 7>guest.in
    check_that "$1" guest_says serving
}
# tell NAME CONNECTIONS
tell() { echo "$1 $(($2 + 1))" >&7; check_that "$1_told" guest_says "told $1"; }
# column STATE COMPONENT NUMBER: of /proc/pith/services.
column() { sed -n "s/^$1: $2 //p" guest.out | awk "{ print \$$(($3 - 1)) }"; }
# state NAME: what is left when nothing is open any more.
state() { sed -nE "s/^$1: (objects|capabilities|slots|pages|MemFree|sockets|UDP|RAW)/\1/p; s/^$1: (TCP: inuse [0-9]+ orphan [0-9]+).*/\1/p" guest.out; }
# unchanged NAME BEFORE AFTER
unchanged() {
    if diff <(state "$2") <(state "$3") >difference; then pass "$1"; else fail_test "$1" "it is another: $(tr '\n' ' ' <difference)"; fi
}
# repeat BEFORE NAME TIMES CONNECTIONS LINE ARGUMENT...: the client with these, which has to say LINE, until once more takes nothing more. How many of
# its connections are there at once at most is chance, and memory is mapped when it is first needed: the most is found in some rounds, whereas what is
# lost is lost in each. The last two states are called $before and $last.
repeat() {
    local name=$2 times=$3 connections=$4 line=$5 i
    last=$1; shift 5
    for ((i = 1; i <= times; i++)); do
        before=$last last=$name$i
        run client "$@"; check_that "${last}_sent" grep -qx "$line" out
        tell $last $connections
        ! diff <(state $before) <(state $last) >/dev/null || break
    done
}
client() { timeout 300 "$program" "$@"; }
says() { until_ok 120 grep -qx "$1" "$2"; }
# within_quota STATE: no component has died, and each has fewer pages than it may have.
within_quota() {
    local component
    for component in net linux virtio_net; do
        [[ $(column "$1" $component 3) == 0 ]] && (($(column "$1" $component 6) <= $(column "$1" $component 7))) || return 1
    done
}

serve load
mkfifo hold.in
client hold "$port" "$held" <hold.in >hold.out & holder=$!
children+=("$holder")
exec 8>hold.in
check_that load_held says held hold.out
tell held "$held"
echo >&8
check_that load_carried says carried hold.out
tell carried "$held"
exec 8>&-
wait "$holder"
check_that load_within_quota within_quota carried
run client churn "$port" "$first"; check_that load_first grep -qx churned out
tell first 0
repeat first churned 4 0 churned churn "$port" "$churn"
unchanged load_leaves_nothing $before $last
stop_guest load
[[ $guest_status == 0 ]] || show_guest

# The flood comes by a second way into the machine's network.
for name in flood_port sink; do free_port "$name"; done
mkdir bin
cat >bin/qemu-system-x86_64 <<SCRIPT
#!/bin/bash
exec "$(type -P qemu-system-x86_64)" "\${@/#user,id=network/user,id=outside}" -netdev hubport,id=network,hubid=0 \\
    -netdev socket,id=flood,udp=127.0.0.1:$sink,localaddr=127.0.0.1:$flood_port \\
    -netdev hubport,id=port,hubid=0,netdev=outside -netdev hubport,id=flood_port,hubid=0,netdev=flood
SCRIPT
chmod +x bin/qemu-system-x86_64
PATH=$work/bin:$PATH
serve flood
mkfifo steady.in
client steady "$port" <steady.in >steady.out & steady=$!
children+=("$steady")
exec 8>steady.in
check_that flood_steady says steady steady.out
tell quiet 1
repeat quiet flood 8 1 flooded flood "$flood_port" "$guest_address" 7 "$flood"
# It was answered: the frames that the guest has sent.
sent() { sed -n "s/^$1: *eth0://p" guest.out | awk '{ print $10 }'; }
check_that flood_answered test $(($(sent flood1) - $(sent quiet))) -ge 1024
echo >&8
check_that flood_connection_lives says 'carried [0-9]*' steady.out
sed 's/^/    steady connection: /' steady.out
check_that flood_within_quota within_quota $last
unchanged flood_leaves_nothing $before $last
run client hold "$port" 100 </dev/null; check_that flood_others_after grep -qx held out
stop_guest flood
[[ $guest_status == 0 ]] || show_guest
