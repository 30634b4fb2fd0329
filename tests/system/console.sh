# SPDX-License-Identifier: MIT
# The console server and the serial driver by themselves, with a test client in place of the Linux server: streams,
# the terminal, and both killed again and again while bytes flow.
. "$PITH_TREE/tests/system/lib.sh"

# pack SYSTEM: its bundle.
pack() {
    "$tools/pith_manifest" compile --tree "$tree" --system "$1" --output "$1.system" &&
        "$tools/pith_bundle" --output "$1.bundle" --composition "$1.system" --components "$build" \
            --component "root=$build/root.elf" --component "supervisor=$build/supervisor.elf"
}
pack console && pack console_faults || { echo "FAIL pack: no bundle"; exit 0; }

head -c 40000 /dev/urandom >bulk
run boot --bundle console.bundle -- x <bulk
check_that streams_status test $status -eq 42
check_that streams_output cmp -s out bulk
check_that streams_errors cmp -s err <(echo 40000 bytes)
run boot --bundle console.bundle -- x </dev/null
check_that streams_empty test $status -eq 42 -a ! -s out

run boot --bundle console_faults.bundle -- x <bulk
check_that faults_status test $status -eq 42
check_that faults_output cmp -s out bulk
check_that faults_count grep -qx '40000 bytes' err
check_that faults_named grep -q 'uart16550' err

cat >script <<'E'
expect ready
send hello, wurld\x7f\x7f\x7f\x7forld\r
expect [hello, world]
send next\r
expect raw
send lost\r
expect next
send kept\r
expect [kept]
absent lost
send exit\r
E
TERM=xterm "$tools/pith_expect" script "${runner[@]}" --bundle console.bundle >out 2>err
check_that terminal test $? -eq 7

# Where a terminal may lose what is typed, it is typed again.
cat >script <<'E'
again 1
send hello\r
expect got hello
E
"$tools/pith_expect" script bash -c 'trap "" INT; read -r lost; read -r line; echo "got $line"' >out 2>err
check_that typed_again test $? -eq 0

# With the Linux server: the session goes on over the death of either.
cat >script <<'E'
limit 60
expect #
send echo kill >/proc/pith/services/uart16550/control; echo line$((1+1))\r
expect line2
expect #
send echo kill >/proc/pith/services/console/control; echo console$((1+1))\r
expect console2
expect #
send stty -echo; echo kill >/proc/pith/services/console/control; stty -a\r
expect -echo
send exit 3\r
E
TERM=xterm "$tools/pith_expect" script "${runner[@]}" >out 2>err
check_that session test $? -eq 3
