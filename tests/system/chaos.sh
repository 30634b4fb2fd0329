# SPDX-License-Identifier: MIT
# ./pith run --chaos: components are killed, or worse, while a command runs; it notices nothing, and a report says what was done.
. "$PITH_TREE/tests/system/lib.sh"

"$tools/pith_manifest" compile --tree "$tree" --system default --without virtio_net --without net --with chaos --output chaos.composition &&
    "$tools/pith_bundle" --output chaos.bundle --composition chaos.composition --components "$build" --busybox \
        "$tree/build/busybox/bin/busybox" --skeleton "$tree/systems/rootfs" --programs "$build/rootfs" || exit
chaos() { run "${runner[@]}" --bundle chaos.bundle --chaos-seed 5 "$@" </dev/null; }
load='i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i + 1)); done; sleep 2'
i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i + 1)); done >wanted

# nothing_lost NAME COUNT: the output is whole, and the last line tells of at least so many, all recovered.
nothing_lost() {
    local killed recovered
    read -r killed recovered < <(tail -1 err | sed -n 's/^chaos: \([0-9]*\) killed, \([0-9]*\) recovered, median [0-9.]* ms, p99 [0-9.]* ms$/\1 \2/p')
    if ((status != 0)); then fail_test "$1" "status $status"
    elif ! cmp -s wanted out; then fail_test "$1" "other output than wanted"
    elif ((${killed:-0} < $2)); then fail_test "$1" "${killed:-none} killed"
    elif ((killed != recovered)); then fail_test "$1" "$killed killed, $recovered recovered"
    else pass "$1"
    fi
}

chaos --chaos 100 -- sh -c "$load"
nothing_lost chaos_kills 5
check_that chaos_tells_the_seed grep -qx 'chaos: seed 5, a fault every 100 ms' err
check_that chaos_kills_are_told_once bash -c '! grep -q "crashed: killed" err'

chaos --chaos 100 --chaos-target console -- sh -c "$load"
nothing_lost chaos_of_one 5
check_that chaos_hits_nobody_else bash -c '! grep -Eq "^chaos: (log|uart16550|supervisor) " err && grep -q "^chaos: console " err'

chaos --chaos 100 --chaos-fault null --chaos-fault exit --chaos-fault stack --chaos-fault wild --chaos-fault execute -- sh -c "$load"
nothing_lost chaos_crashes 5
chaos --chaos 300 --chaos-fault loop --chaos-fault deadlock --chaos-fault no_replies --chaos-target log --chaos-target uart16550 -- sh -c "$load"
nothing_lost chaos_hangs 1

# The supervisor dies while it ends a component and starts it again, anywhere in that: what it was about to do is done by the next. (Hundreds of times, so not in
# a build with assertions, which takes several times as long.)
if [[ $PITH_TYPE == release ]]; then
    chaos --icount --chaos 5 --chaos-fault both -- sh -c "${load%sleep 2} while [ \$i -lt $((100000 / PITH_SMP)) ]; do i=\$((i + 1)); done"
    nothing_lost chaos_of_two_at_once 200
fi

chaos --chaos 100 --chaos-fault nonsense -- true
check_that chaos_knows_its_faults grep -qx "chaos: there is no fault 'nonsense'" err

# The same seed, counted in instructions: the same deaths in the same order. (When the command begins is the host's doing too.)
for n in 1 2; do
    chaos --icount --chaos 20 --chaos-log log$n -- sh -c 'i=0; while [ $i -lt 200 ]; do i=$((i + 1)); echo $i; done; while [ $i -lt 60000 ]; do i=$((i + 1)); done'
done
check_that chaos_is_repeatable bash -c 'names() { head -15 $1 | cut -d" " -f2-4; }; (($(names log1 | wc -l) == 15)) && cmp <(names log1) <(names log2)'

# No system has the door that is not asked for it.
check_that no_system_has_chaos bash -c '! grep -l chaos "$0"/systems/*.toml && ! grep -l "\"inject\"" $(find "$0"/servers "$0"/drivers -name manifest.toml ! -path "*/chaos/*")' "$tree"
