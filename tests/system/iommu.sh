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

run "${runner[@]}" --bare --bundle bundle --disk disk.img --device edu --no-iommu </dev/null
grep '^FAIL \|^    ' out
check_that nothing_holds_it_without grep -qx 'ok nothing_holds_it' out

run boot --no-iommu --disk disk.img -- sh -c 'dd if=/dev/vda of=/dev/null bs=64k 2>/dev/null && echo read' </dev/null
check disk_without_iommu 0 'read\n'
