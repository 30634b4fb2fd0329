# SPDX-License-Identifier: MIT
# A folder of the host's: a component tests it from inside (tests/storage/share_test), its server and the devices server die under it, and afterwards
# the host looks at what has become of it. Then a Linux system with a folder that nobody uses.
. "$PITH_TREE/tests/system/lib.sh"
files=$PITH_TREE/build/debug/tests/storage/share_files

"$tools/pith_manifest" compile --tree "$PITH_TREE" --system shares --output system &&
    "$tools/pith_bundle" --output bundle --composition system --components "$build" || exit 1
mkdir 'folder,1'
"$files" make 'folder,1'
run "${runner[@]}" --bare --bundle bundle --timeout 150 --share 'folder,1' </dev/null
grep '^ok \|^FAIL \|^    ' out
check_that share_tests_end grep -qx 'share tests passed' out
check_that share_files_are_there "$files" check 'folder,1'
