# SPDX-License-Identifier: MIT
# Disks: a component tests them from inside (tests/storage/disks_test), drivers and the devices server are killed under it,
# and afterwards every byte of the images is what it has to be. Then a Linux system with disks that nobody uses.
. "$PITH_TREE/tests/system/lib.sh"
pattern=$PITH_TREE/build/debug/tests/storage/disk_pattern

"$tools/pith_manifest" compile --tree "$PITH_TREE" --system disks --output system &&
    "$tools/pith_bundle" --output bundle --composition system --components "$build" || exit 1
"$pattern" make one.img 1
"$pattern" make two.img 2
truncate -s 512 small.img
"$pattern" make three.img 4
truncate -s 64K failing.img

# QEMU complains on stderr of what the test does to the first disk, and the runner's status says so.
read_only=()
for i in {3..14}; do read_only+=(--read-only-disk three.img); done
run "${runner[@]}" --bare --bundle bundle --timeout 150 --disk one.img --disk two.img --disk small.img \
    "${read_only[@]}" --failing-disk failing.img </dev/null
grep '^ok \|^FAIL \|^    ' out
check_that disks_tests_end grep -qx 'disks tests passed' out
check_that first_image "$pattern" check one.img 1 written
check_that second_image "$pattern" check two.img 2 written
check_that read_only_image "$pattern" check three.img 4 fresh
check_that small_image test "$(tr -d 'Z' <small.img | wc -c)" = 0 -a "$(stat -c %s small.img)" = 512

"$pattern" make 'with,comma.img' 1
run boot --disk one.img --disk 'with,comma.img' -- echo here </dev/null
check boots_with_disks 0 'here\n'
check_that unused_image "$pattern" check 'with,comma.img' 1 fresh
