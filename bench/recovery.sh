#!/bin/bash
# SPDX-License-Identifier: MIT
# recovery.sh [TIMES]: how long components of system storage take to serve again after a kill, in microseconds: from the end of the old life to the event
# loop of the new one, in virtual time (an instruction is a nanosecond); and a write with fsync that is begun right after the kill, in the time of the
# machine's clock, next to what it takes undisturbed. (In virtual time the disk's answers come whenever the host gives them.)
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
times=${1:-50}
truncate -s 32M "$work/disk"
PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 "$work/disk"
cat >"$work/measure.sh" <<'E2'
now() { sed -n 's/^uptime_ns: //p' /proc/pith/services/linux/status; }
save() { dd if=/dev/zero of=/mnt/file bs=4k count=1 conv=fsync 2>/dev/null; }
save
i=0
while [ $i -lt $1 ]; do
    start=$(now); save; end=$(now)
    echo undisturbed 0 $((end - start))
    i=$((i + 1))
done
for name in log uart16550 console devices virtio_blk ext4 supervisor; do
    i=0
    while [ $i -lt $1 ]; do
        start=$(now)
        echo kill >/proc/pith/services/$name/control; save
        end=$(now)
        sleep 0.02
        echo $name $(sed -n 's/^recovery_ns: //p' /proc/pith/services/$name/status) $((end - start))
        i=$((i + 1))
    done
done
E2
measure() {
    "$tree/pith" run "$@" --timeout 900 --disk "$work/disk" --add "$work/measure.sh" -- \
        sh -c "mkdir -p /mnt; mount -t ext4 /dev/vda /mnt; sh measure.sh $times" </dev/null 2>/dev/null
}
measure --icount >"$work/virtual"
measure >"$work/real"
# column FILE COMPONENT FIELD LINE: of the sorted values in microseconds.
column() { awk -v n="$2" -v c="$3" '$1 == n { print int($c / 1000) }' "$work/$1" | sort -n | sed -n "$4"; }
printf '%-12s %12s %12s %12s %12s\n' component 'loop median' 'loop most' 'write median' 'write most'
for name in undisturbed log uart16550 console devices virtio_blk ext4 supervisor; do
    half="$((times / 2 + 1))p"
    printf '%-12s %12s %12s %12s %12s\n' "$name" "$(column virtual $name 2 $half)" "$(column virtual $name 2 '$p')" \
        "$(column real $name 3 $half)" "$(column real $name 3 '$p')"
done
