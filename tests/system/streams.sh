# SPDX-License-Identifier: MIT
# Streams and exit statuses of `-- CMD`: separate, 8-bit clean, complete; the status is the command's own.
. "$PITH_TREE/tests/system/lib.sh"

run boot -- busybox sh -c 'echo hello | tr a-z A-Z; exit 7' </dev/null
check exit_status 7 'HELLO\n'
run boot -- true </dev/null
check exit_zero 0 ''
run boot -- no-such-command </dev/null
check_that not_found test $status -eq 127 -a ! -s out
run boot -- /etc/passwd </dev/null
check_that not_executable test $status -eq 126 -a ! -s out
run boot -- sh -c 'kill -TERM $$' </dev/null
check killed_by_signal 143 ''
run boot -- sh -c 'kill -KILL $$' </dev/null
check killed_by_kill 137 ''

boot -- sh -c 'echo out; echo err >&2; echo out2' </dev/null >out 2>err
check_that separate_status test $? -eq 0
check_that separate_output cmp -s out <(printf 'out\nout2\n')
check_that separate_errors cmp -s err <(printf 'err\n')

printf 'a\0b\r\n\xff\x7e\x7d\x03\x04\x1d' >bytes
run boot -- cat <bytes
check_that eight_bit cmp -s out bytes
run boot -- cat </dev/null
check empty_input 0 ''
bulk=150000  # bytes; more in one configuration
[[ $PITH_TYPE == release && $PITH_SMP == 1 ]] && bulk=1000000
head -c $bulk /dev/urandom >bulk
run boot -- cat <bulk
check_that bulk_echo cmp -s out bulk
run boot -- md5sum <bulk
check_that bulk_input grep -q "^$(md5sum <bulk | cut -d' ' -f1)" out
run boot -- sh -c 'head -c 10 >/dev/null; echo read; cat >/dev/null' <bulk
check rest_of_input 0 'read\n'
run boot -- true <bulk
check unread_input 0 ''

# Input that is not there yet holds up nothing.
run boot -- echo early < <(sleep 30)
check late_input 0 'early\n'

run boot -- sh -c 'for a; do echo "<$a>"; done' x 'a b' '' '*' '$HOME' --smp $'new\nline' </dev/null
check arguments 0 '<a b>\n<>\n<*>\n<$HOME>\n<--smp>\n<new\nline>\n'
run boot -- sh -c 'test -t 0 || test -t 1 || test -t 2 || echo none' </dev/null
check no_terminals 0 'none\n'

# What the command leaves behind does not hold up the end.
run boot -- sh -c 'sleep 1000 & (sleep 1000 &) ; echo done' </dev/null
check left_behind 0 'done\n'
run boot -- sh -c 'yes | head -n 3' </dev/null
check broken_pipe_inside 0 'y\ny\ny\n'
check_that reader_goes test "$(boot -- yes </dev/null 2>/dev/null | head -n 2 | tr '\n' .)" = y.y.

run boot --timeout 4 -- sleep 100 </dev/null
check_line timeout 124 '^pith: timed out after 4 s$'
run boot --timeout 4 -- sh -c 'while :; do :; done' </dev/null
check_line timeout_busy 124 '^pith: timed out after 4 s$'

run boot -- sh -c 'echo before; poweroff; sleep 100' </dev/null
check poweroff 0 'before\n'
run boot -- sh -c 'reboot; sleep 100' </dev/null
check reboot_of_command 0 ''
