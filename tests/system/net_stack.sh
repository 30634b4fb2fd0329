# SPDX-License-Identifier: MIT
# The network stack without programs: a component that asks it for everything, and one that carries bytes back to connections from the host while the
# stack is killed again and again.
. "$PITH_TREE/tests/system/lib.sh"

for system in net_stack net_serve; do
    "$tools/pith_manifest" compile --tree "$tree" --system $system --output $system.system &&
        "$tools/pith_bundle" --output $system.bundle --composition $system.system --components "$build" ||
        { echo "FAIL pack: no bundle"; exit 0; }
done

run boot --network --bundle net_stack.bundle </dev/null
grep -Eh '^(ok|FAIL) ' out err
grep -qx 'net tests passed' out err || fail_test net_stack "it does not pass"

# Bytes that come back are those that were sent, over deaths of the stack. (QEMU's side needs seconds to get over each: it sends one lost segment a time-out.)
free_port port
free_port end_port
boot --network --log --bundle net_serve.bundle --forward $port:7 --forward $end_port:9 --timeout 120 >out 2>err </dev/null &
machine=$!
for ((tries = 0; tries < 600; tries++)); do grep -q serving out err && break; sleep 0.1; done
head -c 6000000 /dev/urandom >bulk
carry() {
    exec {connection}<>/dev/tcp/127.0.0.1/$port
    cat bulk >&"$connection" &
    head -c 6000000 <&"$connection" >"back$1"
    wait $!
    exec {connection}>&-
}
for ((round = 0; round < 6; round++)); do
    for one in 1 2 3; do (carry $one) & carriers[one]=$!; done
    wait "${carriers[@]}"
    for one in 1 2 3; do cmp -s bulk back$one || different+=" $round.$one"; done
done
(exec 3<>/dev/tcp/127.0.0.1/$end_port)
wait $machine
check_that bytes_come_back test -z "${different-}"
grep -Eho '(ok|FAIL) serves' out err || fail_test serves "it did not end"
check_that stack_died_meanwhile test "$(sed -n 's/.*# .* bytes carried back, \([0-9]*\) deaths.*/\1/p' out err)" -ge 3
