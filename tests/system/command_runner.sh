# SPDX-License-Identifier: MIT
# The runner with kernels that do next to nothing: statuses, time limit, signals, and no QEMU that outlives it.
. "$PITH_TREE/tests/system/lib.sh"
: >bundle
kernel() { "$tools/pith_run" --kernel "$small/$1-kernel.elf" --bundle bundle "${@:2}"; }

run kernel empty --bare
check bare_output 0 'ok empty\n'
run kernel panic
check_that panic_status test $status -eq 125
check_that panic_report grep -q 'ok empty' err
check_that panic_line grep -q '^pith: the kernel panicked' err
run kernel empty
check_that no_exit_status test $status -eq 125
run kernel idle --timeout 1
check_line timeout 124 '^pith: timed out after 1 s'
run kernel idle --mem 99999G --timeout 5
check_that qemu_refuses test $status -eq 1 -a -s err
run kernel empty --bare --icount --smp 2
check icount 0 'ok empty\n'

# with_guest SIGNAL: the runner's status and whether QEMU is gone, after SIGNAL.
with_guest() {
    local runner qemu=
    "$tools/pith_run" --kernel "$small/idle-kernel.elf" --bundle bundle --timeout 60 </dev/null >out 2>err &
    runner=$!
    for _ in {1..100}; do
        qemu=$(pgrep -P "$runner" -f qemu-system) && break
        sleep 0.05
    done
    kill -"$1" "$runner"
    wait "$runner" 2>/dev/null
    status=$?
    [[ $qemu ]] || { status=none; return; }
    for _ in {1..40}; do
        kill -0 "$qemu" 2>/dev/null || return
        sleep 0.05
    done
    status="QEMU lives"
}
with_guest TERM
check_that sigterm test "$status" = 143
with_guest INT
check_that sigint test "$status" = 130
with_guest HUP
check_that sighup test "$status" = 129
with_guest KILL
check_that sigkill test "$status" = 137

# Closed standard streams are no trouble.
run kernel empty --bare <&-
check closed_stdin 0 'ok empty\n'
kernel empty --bare >&- 2>err
check_that closed_stdout test $? -eq 0

# Two at once, each with its own output.
kernel empty --bare >one 2>&1 &
kernel empty --bare >two 2>&1
wait
check_that side_by_side cmp -s one two
