# SPDX-License-Identifier: MIT
# Debian's sshd in the guest and the host's ssh and scp: commands and their status, streams, a terminal with its size, files both ways.
. "$PITH_TREE/tests/system/net_lib.sh"

ssh-keygen -q -t ed25519 -N '' -f key
free_port port
start_guest '
mkdir -p /run/sshd /root/.ssh && chmod 700 /root/.ssh && echo "'"$(<key.pub)"'" >/root/.ssh/authorized_keys
ssh-keygen -A >/dev/null
/usr/sbin/sshd -D -e -o UsePAM=no -o PermitRootLogin=yes -o MaxStartups=100 2>/tmp/sshd.log & sshd=$!
echo started
wait_for_end
kill $sshd; wait
' "$port:22"

options=(-i key -o "UserKnownHostsFile=$work/known" -o StrictHostKeyChecking=accept-new -o BatchMode=yes -o LogLevel=ERROR -o ConnectTimeout=30)
remote() { timeout 60 ssh -p "$port" "${options[@]}" root@127.0.0.1 "$@"; }
check_that ssh_started guest_says started
check_that ssh_answers until_ok 60 remote true

run remote 'echo hello; echo there >&2; exit 7' </dev/null
check_that ssh_command test "$status $(cat out) $(cat err)" = '7 hello there'
run remote 'kill -9 $$' </dev/null
check_that ssh_killed test "$status" = 255 -o "$status" = 137
seq 1 500000 >large
run remote sha256sum <large
check ssh_stdin 0 "$(sha256sum <large)\n"
run remote 'seq 1 500000' </dev/null
check_that ssh_stdout cmp -s out large
run remote 'tty; [ -t 0 ] || echo no terminal' </dev/null
check_that ssh_no_terminal grep -qx 'no terminal' out

# On a terminal, whose size follows.
cat >shell <<'E2'
size 40 100
expect #
send PS1=ready-; stty size; tty\r
expect 40 100
expect /dev/pts/
expect ready-
size 21 77
pause 300
send stty size\r
expect 21 77
expect ready-
send printf 'be%s\\n' gun; cat\r
expect begun
send typed\r
expect typed
expect typed
send \x03
expect ready-
send sh -c 'cat /etc/hostname; sleep 1000'\r
expect pith
send \x03
expect ready-
send echo $TERM; exit 5\r
expect dumb
end
E2
TERM=dumb run "$tools/pith_expect" shell ssh -p "$port" "${options[@]}" root@127.0.0.1
check_that ssh_terminal test "$status" = 5

# Files.
for legacy in '' -O; do
    run timeout 60 scp -q $legacy -P "$port" "${options[@]}" large "root@127.0.0.1:/tmp/copy$legacy"
    check_that "scp_to_guest$legacy" test "$status" = 0 -a "$(remote "sha256sum </tmp/copy$legacy")" = "$(sha256sum <large)"
    run timeout 60 scp -q $legacy -P "$port" "${options[@]}" "root@127.0.0.1:/tmp/copy$legacy" back
    check_that "scp_from_guest$legacy" cmp -s back large
done
mkdir -p folder/sub && echo a >folder/one && echo b >folder/sub/two
run timeout 60 scp -q -r -P "$port" "${options[@]}" folder root@127.0.0.1:/tmp
check_that scp_folder test "$(remote 'cd /tmp/folder && cat one sub/two')" = $'a\nb'

# Several sessions at a time; and a port forwarded through one.
for i in 1 2 3 4; do (remote "echo session $i; seq 1 50000 | sha256sum" >"session$i" 2>&1 </dev/null) & sessions[i]=$!; done
wait "${sessions[@]}"
sum=$(seq 1 50000 | sha256sum)
for i in 1 2 3 4; do
    [[ $(<"session$i") == "session $i"$'\n'"$sum" ]] || { bad+=" $i"; sed "s/^/    session $i: /" "session$i"; }
done
check_that ssh_sessions test -z "${bad-}"
free_port forward
timeout 60 ssh -N -L "127.0.0.1:$forward:127.0.0.1:22" -p "$port" "${options[@]}" root@127.0.0.1 </dev/null & children+=("$!")
scan() { timeout 10 ssh -p "$forward" "${options[@]}" -o "UserKnownHostsFile=$work/known2" root@127.0.0.1 'echo through'; }
until_ok 30 scan
run scan </dev/null
check ssh_forwarded 0 'through\n'
stop_guest ssh
[[ $guest_status == 0 ]] || show_guest
