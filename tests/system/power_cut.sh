# SPDX-License-Identifier: MIT
# The power is cut at random moments under a load that writes (tests/system/programs/durable.c): QEMU is killed. Each time the host replays the
# journal of a copy, e2fsck finds nothing wrong there, and everything whose fsync had returned is in it; and the next boot, which replays it
# itself, finds the same. PITH_CUTS cuts, from PITH_SEED.
. "$PITH_TREE/tests/system/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
cuts=${PITH_CUTS:-6} seed=${PITH_SEED:-$((SRANDOM % 1000000))}
program=$tree/build/debug/system-programs/durable
RANDOM=$seed

mke2fs -q -t ext4 disk.img 96M || { echo "FAIL make: no file system"; exit 0; }

# cut NUMBER: boots, checks what the cut before has left, and loads; after some steps the power goes.
cut() {
    local number=$1 steps=$((1 + RANDOM % 60)) pause=0.0$((RANDOM % 10))$((RANDOM % 10)) line= done=0 guest
    local script="mount -t ext4 /dev/vda /mnt || exit 3
        [ $number = 1 ] || ./durable check /mnt/$((number - 1)) $((seed + number - 1)) $steps_done || exit 4
        rm -rf /mnt/$((number - 2)); exec ./durable load /mnt/$number $((seed + number))"
    exec 3< <(exec "${runner[@]}" --bundle "$build/storage-offline.bundle" --disk disk.img --add "$program" -- sh -c "$script" 2>err </dev/null)
    guest=$!
    : >printed
    while ((done < steps)) && IFS= read -r -t 50 -u 3 line; do
        printf '%s\n' "$line" >>printed
        [[ $line != done ]] || ((++done))
    done
    sleep "$pause"
    kill -KILL "$guest"
    cat <&3 >>printed  # what had been said by then
    exec 3<&-
    wait "$guest" 2>/dev/null
    [[ ! -s err ]] || { cat err; return 1; }
    ((done == steps)) || { echo "the guest did not get to step $steps:"; tail -n 5 printed; return 1; }
    steps_done=$(grep -c '^done$' printed)
    if ((number > 1)) && ! grep -q ' steps are there$' printed; then echo "nothing was checked in the guest"; return 1; fi
}

# inspect NUMBER: what the host finds on the disk.
inspect() {
    cp --sparse=always disk.img copy.img && e2fsck -y -E journal_only copy.img >log 2>&1
    (($? <= 1)) || { cat log; return 1; }
    e2fsck -fn copy.img >log 2>&1 || { cat log; return 1; }
    rm -rf found && mkdir found
    debugfs -R "rdump /$1 found" copy.img >log 2>&1
    "$program" check "found/$1" $((seed + $1)) $steps_done >log || { cat log; return 1; }
    steps_there=$((steps_there + $(sed -n 's/ steps are there//p' log)))
}

steps_there=0 steps_done=0 failed=
for ((number = 1; number <= cuts; ++number)); do
    if ! { cut $number && inspect $number; }; then
        failed="cut $number of seed $seed"
        break
    fi
done
echo "seed $seed: $cuts cuts, $steps_there steps were there${failed:+; failed at $failed}"
check_that power_cuts test -z "$failed"
