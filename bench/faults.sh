#!/bin/bash
# SPDX-License-Identifier: MIT
# faults.sh [FILES]: what a killing of what is below the files (disk driver, file server, devices server) takes away from their throughput. Counted
# in instructions (--icount): the time that the machine's CPU is busy with writing, syncing and reading back so many files of 2 MiB, undisturbed and
# with killings; the difference for each killing is what it costs, recovery and repeated requests included. From that the share of the time that is lost
# with a killing every 1, 2, 4, 8 and 15 seconds. (The host's clock shows nothing: it differs from run to run by far more.)
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
files=${1:-60}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
truncate -s 64M "$work/disk"
PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 "$work/disk"
cat >"$work/load.sh" <<'EOT'
mkdir -p /mnt
mount -t ext4 /dev/vda /mnt || exit 1
dd if=/dev/urandom of=/tmp/block bs=64k count=32 2>/dev/null
cat /proc/uptime
n=0
while [ $n -lt $1 ]; do
    dd if=/tmp/block of=/mnt/file$((n % 8)) bs=64k conv=fsync 2>/dev/null || exit 1
    cmp -s /tmp/block /mnt/file$((n % 8)) || exit 1
    n=$((n + 1))
done
cat /proc/uptime
EOT
# busy OPTION...: milliseconds that the CPU was busy in between.
busy() {
    "$tree/pith" run "$@" --icount --no-network --timeout 900 --disk "$work/disk" --add "$work/load.sh:/root/load.sh" -- sh load.sh "$files" \
        </dev/null 2>"$work/errors" >"$work/out" || { cat "$work/errors" >&2; exit 1; }
    awk '{ b[NR] = $1 - $2 } END { printf "%d", (b[2] - b[1]) * 1000 }' "$work/out"
}
whole=$(busy)
part=$(busy --chaos 200 --chaos-seed 1 --chaos-target ext4 --chaos-target virtio_blk --chaos-target devices)
tail -1 "$work/errors"
killed=$(sed -n 's/^chaos: \([0-9]*\) killed.*/\1/p' "$work/errors")
awk -v w="$whole" -v p="$part" -v k="$killed" 'BEGIN {
    cost = (p - w) / k
    printf "undisturbed %d ms of CPU time, with %d killings %d: %.2f ms for each\n", w, k, p, cost
    printf "a killing every    throughput lost\n"
    n = split("1 2 4 8 15", every, " ")
    for (i = 1; i <= n; i++) printf "%12d s    %14.3f %%\n", every[i], cost / (every[i] * 10)
}'
