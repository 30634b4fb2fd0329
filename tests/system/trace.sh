# SPDX-License-Identifier: MIT
# A traced run: the command is not disturbed, and its timeline is whole and shows what happened.
. "$PITH_TREE/tests/system/lib.sh"
timeline() { "$tools/pith_trace_check" "$@" >complaints 2>&1 || { head -5 complaints; return 1; }; }

run boot --trace trace.json -- busybox sh -c 'echo hello | tr a-z A-Z; echo far >&2; exit 7' </dev/null
check_that trace_status test "$status" -eq 7
check_that trace_stdout test "$(cat out)" = HELLO
check_that trace_stderr grep -qx far err
# Open at the end: the Linux server's call to the supervisor, and that one's to root, which ends the machine.
check_that trace_whole timeline trace.json --open-calls 2
check_that trace_components timeline trace.json --open-calls 2 --process root --process supervisor --process log \
    --process linux --process console --process uart16550 --process tr --process CPUs
check_that trace_calls timeline trace.json --open-calls 2 --slice write --slice execve --slice clone --slice wait4 \
    --slice exit_group --slice space_map
check_that trace_methods timeline trace.json --open-calls 2 --slice 'call console Console.Write' \
    --slice 'console: Serial.Transfer' --slice 'call root Root.Shutdown'
check_that trace_instants timeline trace.json --open-calls 2 --instant timer --instant 'interrupt 4' \
    --instant transfer --instant attach --instant reply_recv
check_that trace_table_threads grep -Eq '^linux +main +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9]+ +[0-9]+ +[0-9]+$' err
check_that trace_table_calls grep -Eq '^write +[0-9]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$' err
check_that trace_nothing_lost test "$(grep -c 'were overwritten' err)" -eq 0
check_that trace_leaves_one_file test "$(ls trace.json*)" = trace.json

# The check sees what is wrong: an end that is missing, an arrow without its head, a name that is not there.
sed '0,/"ph":"E"/{/"ph":"E"/d}' trace.json >broken.json
check_that trace_check_sees_ends test "$(timeline broken.json --open-calls 2 >/dev/null && echo fine)" = ''
sed '0,/"ph":"f"/{/"ph":"f"/d}' trace.json >broken.json
check_that trace_check_sees_arrows test "$(timeline broken.json --open-calls 2 >/dev/null && echo fine)" = ''
check_that trace_check_sees_names test "$(timeline trace.json --slice none >/dev/null && echo fine)" = ''

# More than a ring holds: what is kept is whole, and what is lost is counted. Names are kept longer.
run boot --trace lost.json --ring 1 -- busybox sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); cd /; done' </dev/null
check_that trace_lost_status test "$status" -eq 0
check_that trace_lost_counted grep -Eq '^trace: [1-9][0-9]* older records were overwritten' err
check_that trace_lost_whole timeline lost.json --open-calls 2 --process linux --process busybox --slice chdir

# A machine that is ended in the middle is read as well.
"${runner[@]}" --trace ended.json -- busybox sh -c 'echo up; sleep 1000; true' </dev/null >out 2>err &
runner_id=$!
while kill -0 $runner_id 2>/dev/null && ! grep -q up out; do sleep 0.05; done
kill -TERM $runner_id
wait $runner_id
check_that trace_ended_status test $? -eq 143
check_that trace_ended timeline ended.json --open-calls 9 --process busybox --process linux --slice write
check_that trace_ended_table grep -q '^write ' err

# So is one whose kernel panics before there is anything to tell.
: >nothing
run "${runner[@]}" --bundle nothing --trace panic.json
check_that trace_panic_status test "$status" -eq 125
check_that trace_panic_file test -s panic.json
