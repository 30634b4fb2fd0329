# SPDX-License-Identifier: MIT
# A host whose disk is slow, under a clock that skips idle time (--icount): as long as the machine waits for the disk, that clock leaps from timer to timer,
# so minutes of it are over between a request and its answer. Nobody's patience ends by that: the requests, the mount and the end of the run wait for the host.
PATH=$PATH:/usr/sbin:/sbin
. "$PITH_TREE/tests/system/lib.sh"

"$tools/pith_manifest" compile --tree "$tree" --system nvme --without virtio_net --without net --output nvme.system &&
    "$tools/pith_bundle" --output nvme.bundle --composition nvme.system --components "$build" \
        --busybox "$tree/build/busybox/bin/busybox" --skeleton "$tree/systems/rootfs" --programs "$build/rootfs" ||
    { echo "FAIL pack: no bundle"; exit 0; }

# QEMU, with a disk that does five requests in a second.
mkdir slow
cat >slow/qemu-system-x86_64 <<E2
#!/bin/sh
exec "$(command -v qemu-system-x86_64)" "\$@" -set drive.disk0.throttling.iops-total=5
E2
chmod +x slow/qemu-system-x86_64
slowly() { PATH=$work/slow:$PATH boot --icount --timeout 150 --disk image "$@"; }

head -c 200000 /dev/urandom >bulk
mke2fs -q -t ext4 image 16M 2>/dev/null || exit 1
# What was not synced is on the disk at the end all the same: the end waits for it.
run slowly --add bulk -- sh -c 'mkdir -p /mnt && mount -t ext4 /dev/vda /mnt && dd if=bulk of=/mnt/synced bs=64k conv=fsync 2>/dev/null && cp bulk /mnt/left' </dev/null
check slow_files 0 ''
for name in synced left; do
    check_that "slow_files_$name" cmp -s <(debugfs -R "cat $name" image 2>/dev/null) bulk
done
check_that slow_files_are_whole bash -c 'e2fsck -fn image >/dev/null 2>&1'

run slowly --nvme --bundle nvme.bundle --add bulk -- dd if=bulk of=/dev/nvme0n1 bs=64k conv=fsync status=none </dev/null
check slow_nvme 0 ''
check_that slow_nvme_written cmp -s -n 200000 image bulk
