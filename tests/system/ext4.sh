# SPDX-License-Identifier: MIT
# The ext4 server: a component tests it from inside (tests/storage/ext4_test), on a file system that mke2fs made; the server and
# what it stands on are killed under it. Afterwards e2fsck finds nothing, and every file is what it has to be.
PATH=$PATH:/usr/sbin:/sbin
. "$PITH_TREE/tests/system/lib.sh"
holds=$PITH_TREE/build/debug/tests/storage/ext4/ext4_check

"$tools/pith_manifest" compile --tree "$PITH_TREE" --system ext4 --output system &&
    "$tools/pith_bundle" --output bundle --composition system --components "$build" &&
    mke2fs -q -t ext4 image 64M 2>/dev/null || exit 1
run "${runner[@]}" --bare --bundle bundle --timeout 150 --disk image </dev/null
grep '^ok \|^FAIL \|^    ' out
check_that ext4_tests_end grep -qx 'ext4 tests passed' out
check_that e2fsck_finds_nothing e2fsck -fn image
# As kPhases of tests/storage/ext4_test/tests.hpp.
phase=0
for steps in 150 600 600 1000; do
    check_that "files_of_phase_$phase" "$holds" image "p$phase" "$phase" "$steps"
    phase=$((phase + 1))
done
for worker in 0 1 2 3; do
    check_that "files_of_worker_$worker" "$holds" image "w$worker" "$((10 + worker))" 250
done
