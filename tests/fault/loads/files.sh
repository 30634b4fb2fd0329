# SPDX-License-Identifier: MIT
# Files are written, synced and read back until the time is over; then all that was acknowledged is compared, also after
# unmounting. FAULT_MOUNT mounts what is meant, at FAULT_PLACE; FAULT_AGAIN: what is there lasts over an unmounting.
$FAULT_MOUNT || { echo "wrong: no file system"; exit 1; }
cd / && mkdir -p "$FAULT_PLACE/work" || { echo "wrong: no directory"; exit 1; }
content() { seq $1 3 $(($1 + 240000)); }
wrong=0
check() {
    for n in $kept; do
        content $n | cmp -s - "$FAULT_PLACE/work/f$n" || { echo "wrong: file $n $1"; wrong=1; }
    done
}
end=$(($(date +%s) + FAULT_SECONDS)) n=1 kept=
while [ $(date +%s) -lt $end ]; do
    content $n | dd of="$FAULT_PLACE/work/f$n" bs=64k conv=fsync 2>/dev/null || { echo "wrong: write of $n failed"; wrong=1; }
    kept="$kept $n"
    [ "$(sha256sum <"$FAULT_PLACE/work/f$n")" = "$(content $n | sha256sum)" ] || { echo "wrong: file $n read back"; wrong=1; }
    mv "$FAULT_PLACE/work/f$n" "$FAULT_PLACE/work/moved" && mv "$FAULT_PLACE/work/moved" "$FAULT_PLACE/work/f$n" || { echo "wrong: rename"; wrong=1; }
    set -- $kept
    if [ $# -gt 6 ]; then
        rm "$FAULT_PLACE/work/f$1" || { echo "wrong: unlink of $1"; wrong=1; }
        shift; kept="$*"
    fi
    n=$((n + 1))
done
check "at the end"
if [ "$FAULT_AGAIN" ]; then
    sync && umount "$FAULT_PLACE" && $FAULT_MOUNT || { echo "wrong: not mounted again"; wrong=1; }
    check "after unmounting"
fi
set -- $kept
[ "$(ls "$FAULT_PLACE/work" | wc -l)" = $# ] || { echo "wrong: other names than there should be"; wrong=1; }
[ $wrong = 0 ] && echo "right: $((n - 1)) files"
exit $wrong
