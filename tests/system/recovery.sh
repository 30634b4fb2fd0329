# SPDX-License-Identifier: MIT
# Components are killed under a running session; nothing is lost, and what they had is given back to the last page.
. "$PITH_TREE/tests/system/lib.sh"

# A component that crashes is named on stderr in one line; nothing else may be there.
check_killed() {
    local name=$1 component=$2 wanted=$3
    if ((status != 0)); then
        fail_test "$name" "status $status"
    elif ! printf '%b' "$wanted" | cmp -s - out; then
        fail_test "$name" "other output than wanted"
    elif ! grep -q "$component" err; then
        fail_test "$name" "$component is not named on stderr"
    else
        pass "$name"
    fi
}

for component in uart16550 console log; do
    run boot -- sh -c "echo before; echo kill >/proc/pith/services/$component/control; echo after
        i=0; while [ \$i -lt 100 ] && ! grep -q 'restarts: 1' /proc/pith/services/$component/status; do sleep 0.1; i=\$((i + 1)); done
        grep '^state\|^restarts' /proc/pith/services/$component/status" </dev/null
    check_killed "killed_$component" $component 'before\nafter\nstate: running\nrestarts: 1\n'
done

# All output arrives once and in order though the driver is killed in the middle of it, again and again.
seq 1 20000 >wanted
run boot -- sh -c 'for i in 1 2 3 4 5; do sleep 0.2; echo kill >/proc/pith/services/uart16550/control; done & seq 1 20000; wait' </dev/null
check_that output_survives cmp -s wanted out
head -c 100000 /dev/urandom >bulk
run boot -- sh -c 'for i in 1 2 3 4 5; do sleep 0.2; echo kill >/proc/pith/services/uart16550/control; done & cat; wait' <bulk
check_that input_survives cmp -s bulk out

# Exact counts: the same before and after a restart. What the Linux server itself grows by on the way is not the restart's: so it is tried again
# until two in a row are the same, which they never are if a restart takes anything.
# (Slots among them: who held something of the dead has given its handle up.)
truncate -s 1M disk
for component in uart16550 console log devices virtio_blk; do
    case $component in devices | virtio_blk) with=(--disk disk) ;; *) with=() ;; esac
    run boot "${with[@]}" -- sh -c 'settle() { i=0; until grep -q "restarts: $1" /proc/pith/services/'$component'/status; do
            sleep 0.1; i=$((i + 1)); [ $i -lt 100 ] || { echo "not restarted"; exit 1; }; done; sleep 0.3; }
        for n in 1 2 3 4 5 6 7 8; do
            echo kill >/proc/pith/services/'$component'/control; settle $n
            b=$(cat /proc/pith/kernel)
            test "$a" != "$b" || { echo same; exit; }
            c=$a; a=$b
        done
        echo "$c"; echo ---; echo "$b"' </dev/null
    check_that counts_after_restart_of_$component grep -qx same out
done

# 2,000 times fork and exec leave what they found. The first hundreds fill what is kept for later.
run boot --timeout 200 -- sh -c 'spawn() { i=0; while [ $i -lt $1 ]; do /bin/busybox true; i=$((i + 1)); done; }
    counts() { grep -v "^pages.free\|^pages.memory\|^mappings" /proc/pith/kernel; }
    free() { sed -n "s/^MemFree: *\([0-9]*\) kB/\1/p" /proc/meminfo; }
    spawn 200; a=$(counts); f=$(free); a=$(counts); f=$(free)
    spawn 2000; b=$(counts); g=$(free)
    test "$a" = "$b" && echo same counts || { echo "$a"; echo ---; echo "$b"; }
    test $((f - g)) -le 64 && echo same memory || echo "$f kB before, $g kB after"' </dev/null
check fork_exec_2000 0 'same counts\nsame memory\n'
