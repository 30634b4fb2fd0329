# SPDX-License-Identifier: MIT
# The Linux server dies: its zone comes up again by itself, and the first program is run from its beginning. What was synced is there, ports and memory are free.
. "$PITH_TREE/tests/system/net_lib.sh"
services=/proc/pith/services
life="life=\$(sed -n 's/^restarts: //p' $services/linux/status)"

# busybox_names: functions for a shell on a root where busybox has no other names.
busybox_names() { for name in grep cut sed sync; do echo "$name() { /bin/busybox $name \"\$@\"; }"; done; }

# told NAME COUNT CAUSE COMMAND: so many deaths of that cause, each in two lines, and nothing else on stderr.
told() {
    if (($(grep -cx "pith: linux crashed: $3" err) != $2)); then fail_test "$1" "not $2 deaths told: $3"
    elif (($(grep -cx "pith: linux has started again: all of its programs have ended, and $4" err) != $2)); then fail_test "$1" "not $2 new starts told"
    elif (($(wc -l <err) != 2 * $2)); then fail_test "$1" "more on stderr"
    else pass "$1"
    fi
}

# Killed, by order from within: arguments, environment, streams and status are those of a command that was never disturbed.
run boot --env 'WORD=of mouth' -- sh -c "$life"'; echo "life $life: $0 $1 $WORD"; ls /tmp; touch /tmp/gone
    [ $life != 3 ] || exit 7
    sleep 1000 & echo kill >/proc/pith/services/linux/control; while :; do :; done' zero one </dev/null
for n in 0 1 2 3; do echo "life $n: zero one of mouth"; done >wanted
check_that command_is_run_again test $status = 7
check_that command_is_whole cmp -s wanted out
told command_is_told 3 killed "'sh' is run from its beginning"

# `restart` is an order too. What is not to be: down for good.
run boot -- sh -c "$life"'; [ $life = 0 ] || exit 0
    for order in stop start "update /bin/busybox"; do echo $order >/proc/pith/services/linux/control; done 2>&1 | sed "s/.*error: //"
    echo restart >/proc/pith/services/linux/control; while :; do :; done' </dev/null
check_that orders test "$status $(tr '\n' ';' <out)" = '0 Permission denied;Permission denied;Permission denied;'

# What is on stdin is read once; what was said is said once.
seq 1 2000 >lines
run boot -- sh -c 'while read -r line; do echo $line; [ $((line % 500)) != 0 ] || echo kill >/proc/pith/services/linux/control; done' <lines
check_that streams_go_on cmp -s lines out

# It hangs: its heartbeat finds it. It faults: so does the supervisor.
run boot -- sh -c "$life"'; [ $life = 0 ] || { grep ^cause /proc/pith/services/linux/status; exit; }
    echo hang >/proc/pith/services/linux/control; while :; do :; done' </dev/null
check_that hang_is_found test "$status $(cat out)" = '0 cause: is stuck: no heartbeat'
told hang_is_told 1 'is stuck: no heartbeat' "'sh' is run from its beginning"

"$tools/pith_manifest" compile --tree "$tree" --system bare --with chaos --output chaos.composition &&
    "$tools/pith_bundle" --output chaos.bundle --composition chaos.composition --components "$build" --busybox \
        "$tree/build/busybox/bin/busybox" --skeleton "$tree/systems/rootfs" --programs "$build/rootfs" || exit
run "${runner[@]}" --bundle chaos.bundle --chaos 300 --chaos-target linux --chaos-fault null --chaos-fault stack --chaos-fault exit --chaos-log hits -- sh -c \
    "$life"'; [ $life -lt 4 ] || exit 3; while :; do :; done' </dev/null
# (The command may be hit once more while it ends: then it is run again.)
recovered() { grep -c "^hit linux [a-z]* recovered" hits; }
check_that faults_are_survived test $status = 3 -a "$(recovered)" -ge 4 -a "$(recovered)" = "$(wc -l <hits)"
check_that faults_are_told test "$(grep -c '^pith: linux crashed: ' err)" = "$(recovered)"
run "${runner[@]}" --bundle chaos.bundle --chaos 300 --chaos-target linux --chaos-fault loop --chaos-log hits -- sh -c \
    "$life"'; [ $life = 0 ] || { grep ^cause /proc/pith/services/linux/status; exit; }; while :; do :; done' </dev/null
check_that spinning_is_found test "$status $(sort -u out)" = '0 cause: hangs: no heartbeat'
# Whoever calls lends the supervisor his priority: killing a zone keeps it from nothing.
run "${runner[@]}" --bundle chaos.bundle --chaos 300 --chaos-target linux --chaos-log hits -- sh -c "$life"'; [ $life -lt 3 ] || { grep ^deaths /proc/pith/services/supervisor/status; exit; }
    head -c 40000000 /dev/zero >/tmp/file; while :; do :; done' </dev/null
check_that chaos_kills_it test "$status $(sort -u out)" = '0 deaths: 0' -a "$(recovered)" -ge 3
# Without its name it is not hit.
run "${runner[@]}" --bundle chaos.bundle --chaos 50 -- sh -c 'i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo $i >/tmp/file; done; sleep 1; grep ^restarts /proc/pith/services/linux/status' </dev/null
check_that chaos_spares_it test "$status $(cat out)" = '0 restarts: 0'

# One that is no good at all is the end of the run.
"$tools/pith_manifest" compile --tree "$tree" --system bare --output system &&
    "$tools/pith_bundle" --output dead.bundle --composition system --components "$build" --component "linux=$build/services_dead.elf" --busybox \
        "$tree/build/busybox/bin/busybox" --skeleton "$tree/systems/rootfs" --programs "$build/rootfs" || exit
run "${runner[@]}" --bundle dead.bundle -- true </dev/null
check_that given_up test $status = 125
check_that given_up_is_told grep -qx 'root: linux died 8 times and is given up: dies at once' err

# The shell comes back, on a terminal that works as at the start.
cat >script <<'E'
limit 50
expect #
send stty raw -echo; echo kill >/proc/pith/services/linux/control\r
expect #
send echo back $((1+1))\r
expect echo back
expect back 2
expect #
send stty -a | tr ' ' '\\n' | grep -x -e '-*icanon;*' -e '-*echo;*' -e '-*isig;*' | sort | tr '\\n' ' '\r
expect echo icanon isig 
expect #
send exit 5\r
end
E
TERM=xterm "$tools/pith_expect" script "${runner[@]}" >out 2>err
status=$?
check_that shell_comes_back test $status = 5

# A zone with much memory in it goes as a small one does; the supervisor does not stand still for it.
run boot -- sh -c "$life"'; [ $life = 0 ] || { grep -h "^deaths\|^cause" /proc/pith/services/linux/status /proc/pith/services/supervisor/status; exit; }
    head -c 80000000 /dev/zero >/tmp/file; echo kill >/proc/pith/services/linux/control; while :; do :; done' </dev/null
check_that large_zone cmp -s out <(printf 'deaths: 1\ncause: killed\ndeaths: 0\ncause: \n')

# Files on ext4: all that was acknowledged is there, the file system is whole, files without a name are gone. And no life takes anything from the next: after 20
# restarts the kernel's counts are what they were after the first ones.
cat >files.sh <<'E'
mount -t ext4 /dev/vda /mnt || exit 1
life=$(sed -n 's/^restarts: //p' /proc/pith/services/linux/status)
cat /proc/pith/kernel >/mnt/counts.$life
[ -e /mnt/lines ] || : >/mnt/lines
n=$(wc -l </mnt/lines)
echo found $n
exec 5>/mnt/unlinked && rm /mnt/unlinked && seq 1 100000 >&5
for i in 1 2 3 4 5; do
    n=$((n + 1))
    echo $n | dd of=/mnt/lines oflag=append conv=notrunc,fsync 2>/dev/null && echo acknowledged $n
done
[ $life != 20 ] || exit 0
sleep 1000 & cat /dev/zero | cat >/dev/null & nc -l -p 80 >/dev/null &
echo lost >>/mnt/later
echo kill >/proc/pith/services/linux/control
while :; do :; done
E
truncate -s 64M disk; PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 disk
run boot --timeout 200 --bundle "$build/storage.bundle" --network --disk disk --add files.sh -- sh files.sh </dev/null
check_that restarts test $status = 0
for n in {0..20}; do echo "found $((n * 5))"; for i in {1..5}; do echo "acknowledged $((n * 5 + i))"; done; done >wanted
check_that acknowledged_stays cmp -s wanted out
PATH=$PATH:/sbin:/usr/sbin
check_that file_system_is_whole e2fsck -fn disk
check_that file_is_whole cmp -s <(seq 1 105) <(debugfs -R 'cat lines' disk 2>/dev/null)
check_that orphans_are_gone test "$(dumpe2fs -h disk 2>/dev/null | grep -c orphan)" = 0
counts() { debugfs -R "cat counts.$1" disk 2>/dev/null; }
same_counts() {
    local early late
    for early in 1 2 3 4; do
        for late in 20 19 18 17; do [[ $(counts $early) != "$(counts $late)" ]] || return 0; done
    done
    diff <(counts 4) <(counts 20)
    return 1
}
check_that counts_stay same_counts

# A root on a disk is the root again, and each crash is in its file of reports once.
truncate -s 64M root; mkdir -p tree/{bin,dev,proc,tmp,run,etc,var} && cp "$tree/build/busybox/bin/busybox" tree/bin/ && ln -s busybox tree/bin/sh &&
    mke2fs -q -t ext4 -d tree root
run boot --rootfs root -- /bin/busybox sh -c "$(busybox_names); $life"'; reports() { until [ -e /var/log/pith/crashes ] && [ $(grep -c "^crash" /var/log/pith/crashes) -ge $1 ]; do :; done; }
    if [ $life = 0 ]; then
        echo kill >/proc/pith/services/console/control; reports 1; sync; echo kept >/kept; echo kill >/proc/pith/services/linux/control
        while :; do :; done
    fi
    reports 2; grep "^crash" /var/log/pith/crashes | cut -d, -f1' </dev/null
check_that reports_are_kept_once cmp -s out <(printf 'crash 1: console\ncrash 2: linux\n')

# A server: who is connected when it dies is told; its port can be had again, and whoever asks then is answered.
cat >server.sh <<'E'
mkdir -p /www/cgi-bin
printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"; sed -n "s/^restarts: /life /p" /proc/pith/services/linux/status\n' >/www/cgi-bin/life
printf '#!/bin/sh\necho kill >/proc/pith/services/linux/control\n' >/www/cgi-bin/kill
chmod +x /www/cgi-bin/*
exec httpd -f -h /www -p 80
E
free_port port
"${runner[@]}" --bundle "$build/default.bundle" --network --forward "$port:80" --add server.sh -- sh server.sh </dev/null >server.out 2>err &
guest=$!
children+=("$guest")
page() { curl -sS --max-time 20 "http://127.0.0.1:$port/cgi-bin/$1"; }
server_has_life() { [[ $(page life) == "life $1" ]]; }
for n in 0 1 2; do
    check_that server_is_up_$n until_ok 40 server_has_life $n
    exec 6<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET /' >&6
    page kill >/dev/null 2>&1 &
    read -r -t 30 -u 6 _; ended=$?
    exec 6>&-
    check_that connection_ends_$n test $ended = 1
done
check_that server_is_up_3 until_ok 40 server_has_life 3
