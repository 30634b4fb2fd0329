# SPDX-License-Identifier: MIT
# NVMe disks as Linux programs see them, beside a virtio disk: names, partitions, the driver killed in the middle of transfers, and a disk
# with blocks of 4096 bytes.
. "$PITH_TREE/tests/system/lib.sh"

"$tools/pith_manifest" compile --tree "$tree" --system nvme --without virtio_net --without net --output nvme.system &&
    "$tools/pith_bundle" --output nvme.bundle --composition nvme.system --components "$build" \
        --busybox "$tree/build/busybox/bin/busybox" --skeleton "$tree/systems/rootfs" --programs "$build/rootfs" ||
    { echo "FAIL pack: no bundle"; exit 0; }
nvme() { boot --bundle nvme.bundle "$@"; }
image() { rm -f "$1"; truncate -s 16M "$1"; }

run nvme -- sh -c 'ls /dev/vd* /dev/nvme* 2>/dev/null; cat /proc/partitions' </dev/null
check_that none_without_disks test $status -ne 2 -a "$(wc -l <out)" -eq 2

image one.img; image two.img; image virtio.img
run nvme --disk virtio.img --nvme-disk one.img --nvme-disk two.img -- sh -c 'cat /proc/partitions; grep -A2 Block /proc/devices
    stat -c "%F %t:%T" /dev/nvme1n1; for what in getss getsize64 getro; do blockdev --$what /dev/nvme0n1; done' </dev/null
check listed 0 'major minor  #blocks  name\n\n 254        0      16384 vda\n 259     2048      16384 nvme0n1\n 259     2177      16384 nvme1n1\nBlock devices:\n254 virtblk\n259 blkext\nblock special file 103:881\n512\n16777216\n0\n'

# Partitions; and what is written to one is in it and nowhere else, also as the host sees it.
cat >partitions.sh <<'E2'
printf '%s\n' o n p 1 '' +4M n p 2 '' +4M w | fdisk -u /dev/nvme0n1 >log 2>&1 || cat log
tail -n +3 /proc/partitions | tr -s ' '
tr '\0' x </dev/zero | dd of=/dev/nvme0n1p2 bs=64k 2>/dev/null || true
E2
run nvme --nvme-disk one.img --add partitions.sh -- sh partitions.sh </dev/null
check partitions 0 ' 259 2048 16384 nvme0n1\n 259 2049 4096 nvme0n1p1\n 259 2050 4096 nvme0n1p2\n'
check_that partition_image test "$(tr -d 'x' <one.img | wc -c)" -eq $((12 * 1024 * 1024)) \
    -a "$(dd if=one.img bs=512 skip=8224 count=8192 2>/dev/null | tr -d x | wc -c)" -eq 0

head -c 3000000 /dev/urandom >bulk
wanted=$(sha256sum <bulk)
cat >killed.sh <<'E2'
restarts() { sed -n 's/^restarts: //p' /proc/pith/services/nvme/status; }
(while [ ! -e done ] && [ $(restarts) -lt 5 ]; do sleep 0.4; echo kill >/proc/pith/services/nvme/control; done) &
killer=$!
writer() {
    round=0
    while [ $round -lt 3 ] || [ $(restarts) -lt 4 ]; do
        dd if=bulk of=$3 bs=$2 seek=$1 conv=fsync 2>&1 | grep -v records
        dd if=$3 bs=$2 skip=$1 2>/dev/null | head -c 3000000 | sha256sum
        round=$((round + 1))
    done | sort -u
}
writer 0 1M /dev/nvme0n1 & first=$!
writer 1024 4k /dev/nvme0n1 & second=$!
writer 3 65521 /dev/nvme1n1 & third=$!
wait $first $second $third
touch done
wait $killer
test $(restarts) -ge 4 && echo killed
E2
image one.img
run nvme --timeout 150 --nvme-disk one.img --nvme-disk two.img --add bulk --add killed.sh -- sh killed.sh </dev/null
check_that killed_status test $status -eq 0
check_that killed_nothing_lost cmp -s <(sort out) <(printf '%s\n' "$wanted" "$wanted" "$wanted" killed | sort)
check_that killed_images cmp -s <(head -c 3000000 one.img; dd if=one.img bs=4k skip=1024 2>/dev/null | head -c 3000000
    dd if=two.img bs=65521 skip=3 2>/dev/null | head -c 3000000) <(cat bulk bulk bulk)

# Blocks of 4096 bytes: what is read and written need not be whole ones.
image one.img
run nvme --nvme-disk one.img --nvme-block-size 4096 --add bulk -- sh -c 'blockdev --getss /dev/nvme0n1
    for size in 512 4k 1M 65521; do
        dd if=bulk of=/dev/nvme0n1 bs=$size seek=1 conv=fsync 2>/dev/null
        dd if=/dev/nvme0n1 bs=$size skip=1 2>/dev/null | head -c 3000000 | sha256sum
    done; printf abc | dd of=/dev/nvme0n1 bs=1 seek=4095 2>/dev/null; dd if=/dev/nvme0n1 bs=1 skip=4093 count=6 2>/dev/null | md5sum' </dev/null
expected=$({ dd if=one.img bs=1 skip=4093 count=2; printf abc; dd if=one.img bs=1 skip=4098 count=1; } 2>/dev/null | md5sum)
check large_blocks 0 "4096\n$wanted\n$wanted\n$wanted\n$wanted\n$expected\n"
