# SPDX-License-Identifier: MIT
# A driver aims its device at foreign memory (tests/storage/dma_test), with an IOMMU and without; and a Linux system with a disk on
# a machine that has none.
. "$PITH_TREE/tests/system/lib.sh"

"$tools/pith_manifest" compile --tree "$PITH_TREE" --system iommu --output system &&
    "$tools/pith_bundle" --output bundle --composition system --components "$build" || exit 1
truncate -s 4M disk.img

run "${runner[@]}" --bare --bundle bundle --timeout 100 --disk disk.img --device edu </dev/null
grep '^ok \|^FAIL \|^    ' out
check_that dma_tests_end grep -qx 'dma tests passed' out

# Another kind of unit: with tables of four levels, and one that remembers what was not there.
mkdir other
cat >other/qemu-system-x86_64 <<SCRIPT
#!/bin/bash
exec "$(type -P qemu-system-x86_64)" "\${@/#intel-iommu/intel-iommu,aw-bits=48,caching-mode=on}"
SCRIPT
chmod +x other/qemu-system-x86_64
PATH=$work/other:$PATH run "${runner[@]}" --bare --bundle bundle --timeout 100 --disk disk.img --device edu </dev/null
grep '^FAIL \|^    ' out
check_that dma_tests_end_with_caching grep -qx 'dma tests passed' out

run "${runner[@]}" --bare --bundle bundle --disk disk.img --device edu --no-iommu </dev/null
grep '^FAIL \|^    ' out
check_that nothing_holds_it_without grep -qx 'ok nothing_holds_it' out

dma='for i in virtio_blk console; do grep ^dma: /proc/pith/services/$i/status; done; grep -c "domain 1  " /proc/pith/services'
run boot --disk disk.img -- sh -c "head -c 1 /dev/vda >/dev/null; $dma" </dev/null
check domains_are_shown 0 'dma: domain 1 (iommu)\ndma: none\n1\n'
run boot --no-iommu --disk disk.img -- sh -c "head -c 1 /dev/vda >/dev/null; $dma; true" </dev/null
check open_devices_are_shown 0 'dma: open (no iommu)\ndma: none\n0\n'

run boot --no-iommu --disk disk.img -- sh -c 'dd if=/dev/vda of=/dev/null bs=64k 2>/dev/null && echo read' </dev/null
check disk_without_iommu 0 'read\n'
