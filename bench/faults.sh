#!/bin/bash
# SPDX-License-Identifier: MIT
# faults.sh [SECONDS [ROUNDS]]: how much of the throughput of files is lost when a component below them (disk driver, file server, devices
# server) is killed every 1, 2, 4, 8 and 15 seconds: what is written and synced in so many seconds, as a percentage of what an undisturbed
# run of the same round writes. A row is the median of the rounds, and their range: the clock is the host's, which others use too.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
seconds=${1:-30} rounds=${2:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
truncate -s 64M "$work/disk"
PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 "$work/disk"
cat >"$work/load.sh" <<'EOT'
mkdir -p /mnt
mount -t ext4 /dev/vda /mnt
dd if=/dev/urandom of=/tmp/block bs=64k count=32 2>/dev/null
n=0 end=$(($(date +%s) + $1))
while [ $(date +%s) -lt $end ]; do
    dd if=/tmp/block of=/mnt/file$((n % 8)) bs=64k conv=fsync 2>/dev/null || exit 1
    cmp -s /tmp/block /mnt/file$((n % 8)) || exit 1
    n=$((n + 1))
done
echo $n
EOT
# written OPTION...: how often the file was written.
written() {
    "$tree/pith" run "$@" --timeout $((seconds + 120)) --disk "$work/disk" --add "$work/load.sh:/root/load.sh" -- sh load.sh "$seconds" \
        </dev/null 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
}
for ((round = 0; round < rounds; round++)); do
    whole=$(written)
    for every in 1 2 4 8 15; do
        part=$(written --chaos ${every}000 --chaos-target ext4 --chaos-target virtio_blk --chaos-target devices)
        killed=$(sed -n 's/^chaos: \([0-9]*\) killed.*/\1/p' "$work/errors")
        echo "$every $((100000 - part * 100000 / whole)) $killed" >>"$work/lost"
    done
done
echo "a kill every  kills  lost, median  range (percent of $whole files of 2 MiB in $seconds s)"
for every in 1 2 4 8 15; do
    awk -v e=$every '$1 == e { print $2, $3 }' "$work/lost" | sort -n | awk -v e=$every '{ v[NR] = $1 / 1000; k += $2 }
        END { printf "%10d s  %5d  %11.1f%%  %.1f to %.1f\n", e, k, v[int((NR + 1) / 2)], v[1], v[NR] }'
done
