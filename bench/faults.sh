#!/bin/bash
# SPDX-License-Identifier: MIT
# faults.sh [SECONDS]: what killings take away from the throughput of files and of the network: the CPU time that the same work takes, in
# instructions (--icount: a nanosecond each), undisturbed, again undisturbed (which shows what the measurement itself is off), and with killings, chosen at random from what
# the load goes through. Work for about SECONDS (10). The interval of killings is one of CPU time too (docs/fault_injection.md):
# each costs the difference, divided by their number, and of a machine that always works one every so many seconds takes away that much of them.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
seconds=${1:-10}
work=$(mktemp -d)
server=
trap '[[ ! $server ]] || kill "$server"; rm -rf "$work"' EXIT
PATH=$PATH:/sbin:/usr/sbin
mkdir "$work/served"
head -c 16777216 /dev/urandom >"$work/served/data"
for ((port = 20000 + RANDOM; ; port++)); do
    "$tree/build/busybox/bin/busybox" httpd -f -p "127.0.0.1:$port" -h "$work/served" & server=$!
    sleep 0.3
    kill -0 "$server" 2>/dev/null && break
done
# Each prints uptime and idle time at its begin and end.
cat >"$work/files.sh" <<'EOT'
mkdir -p /mnt && mount -t ext4 /dev/vda /mnt || exit 1
dd if=/dev/urandom of=/tmp/block bs=64k count=32 2>/dev/null
cat /proc/uptime
n=0
while [ $n -lt $1 ]; do
    dd if=/tmp/block of=/mnt/file$((n % 8)) bs=64k conv=fsync 2>/dev/null && cmp -s /tmp/block /mnt/file$((n % 8)) || exit 1
    n=$((n + 1))
done
cat /proc/uptime
EOT
cat >"$work/network.sh" <<'EOT'
cat /proc/uptime
n=0
while [ $n -lt $1 ]; do
    [ "$(wget -q -O - http://10.0.2.2:$2/data | wc -c)" = 16777216 ] || exit 1
    n=$((n + 1))
done
cat /proc/uptime
EOT
# took LOAD ROUNDS OPTION...: milliseconds of CPU time; how many were killed goes to the file killed.
took() {
    local load=$1 rounds=$2 with
    shift 2
    if [[ $load == files ]]; then
        truncate -s 0 "$work/disk"; truncate -s 64M "$work/disk"
        mke2fs -q -t ext4 "$work/disk"
        with=(--no-network --disk "$work/disk")
    else
        with=()
    fi
    "$tree/pith" run "$@" "${with[@]}" --icount --timeout 3600 --add "$work/$load.sh:/root/load.sh" -- sh load.sh "$rounds" "$port" </dev/null \
        2>"$work/errors" >"$work/out" || { cat "$work/errors" >&2; exit 1; }
    sed -n 's/^chaos: \([0-9]*\) killed.*/\1/p' "$work/errors" >"$work/killed"
    awk '{ busy[NR] = $1 - $2 } END { printf "%d", (busy[2] - busy[1]) * 1000 }' "$work/out"
}
for load in files network; do
    case $load in
        files) targets=(--chaos-target ext4 --chaos-target virtio_blk --chaos-target devices) first=8 ;;
        network) targets=(--chaos-target net --chaos-target virtio_net --chaos-target devices) first=2 ;;
    esac
    one=$(took $load $first)
    rounds=$((seconds * 1000 * first / one + 1))
    whole=$(took $load $rounds)
    again=$(took $load $rounds)
    part=$(took $load $rounds --chaos 20 --chaos-seed 1 "${targets[@]}")
    awk -v name=$load -v rounds="$rounds" -v w="$whole" -v a="$again" -v p="$part" -v k="$(<"$work/killed")" 'BEGIN {
        cost = (p - (w + a) / 2) / k
        printf "%s, %d rounds: %d and %d ms of CPU time, %d with %d killings, one every %.0f ms of it: %.2f %% lost, %.3f ms for each\n", name, rounds, w, a, p, k, p / k,
            100 * cost * k / p, cost
        printf "a killing every    throughput lost\n"
        n = split("1 2 4 8 15", every, " ")
        for (i = 1; i <= n; i++) printf "%12d s    %14.3f %%\n", every[i], cost / (every[i] * 10)
    }'
done
