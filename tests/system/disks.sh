# SPDX-License-Identifier: MIT
# Disks: a component tests them from inside (tests/storage/disks_test), for each driver all of it; drivers and the devices server are
# killed under it, and afterwards every byte of the images is what it has to be. Then a Linux system with disks that nobody uses.
. "$PITH_TREE/tests/system/lib.sh"
pattern=$PITH_TREE/build/debug/tests/storage/disk_pattern

# The suite on the disks of one driver: suite DRIVER SYSTEM OPTION...
suite() {
    local driver=$1 read_only=() i
    pack "$2" || { echo "FAIL ${driver}_pack: no bundle"; return; }
    "$pattern" make one.img 1
    "$pattern" make two.img 2
    "$pattern" make three.img 4
    rm -f small.img failing.img
    truncate -s 512 small.img
    truncate -s 64K failing.img
    for i in {3..14}; do read_only+=(--read-only-disk three.img); done
    # QEMU complains on stderr of what the test does to the first disk, and the runner's status says so.
    run "${runner[@]}" --bare --bundle "$2.bundle" --timeout 150 "${@:3}" --disk one.img --disk two.img --disk small.img \
        "${read_only[@]}" --failing-disk failing.img </dev/null
    sed -n "s/^ok /ok ${driver}_/p; s/^FAIL /FAIL ${driver}_/p; /^    /p" out
    check_that "${driver}_tests_end" grep -qx 'disks tests passed' out
    check_that "${driver}_first_image" "$pattern" check one.img 1 written
    check_that "${driver}_second_image" "$pattern" check two.img 2 written
    check_that "${driver}_read_only_image" "$pattern" check three.img 4 fresh
    check_that "${driver}_small_image" test "$(tr -d 'Z' <small.img | wc -c)" = 0 -a "$(stat -c %s small.img)" = 512
}
pack() {
    "$tools/pith_manifest" compile --tree "$PITH_TREE" --system "$1" --output "$1.system" &&
        "$tools/pith_bundle" --output "$1.bundle" --composition "$1.system" --components "$build"
}
suite virtio_blk disks
suite nvme disks_nvme --nvme

"$pattern" make one.img 1
run "${runner[@]}" --bare --bundle disks_nvme.bundle --nvme-block-size 4096 --nvme-disk one.img </dev/null
sed -n "s/^ok /ok nvme_/p; s/^FAIL /FAIL nvme_/p; /^    /p" out
check_that nvme_large_blocks_end grep -qx 'disks tests passed' out
check_that nvme_large_blocks_image "$pattern" check one.img 1 blocks

"$pattern" make one.img 1
"$pattern" make 'with,comma.img' 1
run boot --disk one.img --disk 'with,comma.img' -- echo here </dev/null
check boots_with_disks 0 'here\n'
check_that unused_image "$pattern" check 'with,comma.img' 1 fresh
