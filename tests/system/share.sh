# SPDX-License-Identifier: MIT
# A folder of the host's: a component tests it from inside (tests/storage/share_test), its server and the devices server die under it, and afterwards
# the host looks at what has become of it; the same again as an ordinary user. Then a Linux system with such a folder.
. "$PITH_TREE/tests/system/lib.sh"
files=$PITH_TREE/build/debug/tests/storage/share_files

# pack SYSTEM: its bundle, with what a Linux system has.
pack() {
    "$tools/pith_manifest" compile --tree "$tree" --system "$1" --output "$1.system" &&
        "$tools/pith_bundle" --output "$1.bundle" --composition "$1.system" --components "$build" \
            --busybox "$tree/build/busybox/bin/busybox" --skeleton "$tree/systems/rootfs" --programs "$build/rootfs"
}
pack shares && pack share || { echo "FAIL pack: no bundle"; exit 0; }

mkdir 'folder,1'
"$files" make 'folder,1'
run "${runner[@]}" --bare --bundle shares.bundle --timeout 150 --share 'folder,1' </dev/null
grep '^ok \|^FAIL \|^    ' out
check_that share_tests_end grep -qx 'share tests passed' out
check_that share_files_are_there "$files" check 'folder,1'

# Those who run this are often root, to whom the host refuses nothing.
nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
if ((EUID == 0)) && nobody test -x "$tools/pith_run" -a -x "$files"; then
    chmod 755 .
    mkdir folder
    chown nobody:nogroup folder
    nobody "$files" make folder
    run nobody "${runner[@]}" --bare --bundle shares.bundle --timeout 150 --share folder </dev/null
    check_that share_tests_end_for_a_user grep -qx 'share tests passed' out
    check_that share_files_are_there_for_a_user "$files" check folder
fi

run boot --bundle share.bundle --share 'folder,1' -- echo here </dev/null
check share_boots 0 'here\n'
run boot --bundle share.bundle -- echo here </dev/null
check share_boots_without_a_folder 0 'here\n'
