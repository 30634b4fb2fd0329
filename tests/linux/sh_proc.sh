# SPDX-License-Identifier: MIT
# /proc and the tools that read it: those parts that are the same everywhere.
cd /proc
for f in cmdline cpuinfo devices diskstats filesystems loadavg meminfo mounts partitions stat swaps uptime version vmstat; do
    [ -r $f ] && cat $f > /dev/null && echo "$f readable"
done
for f in auxv cgroup cmdline comm environ io limits maps mountinfo mounts oom_score_adj stat statm status wchan; do
    cat self/$f > /dev/null && echo "self/$f readable"
done
readlink self | grep -c '^[0-9]*$'; ls -d self/task/* | wc -l
cat self/comm; tr '\0' ' ' < self/cmdline | sed 's/.*busybox/busybox/'; echo
readlink self/cwd; readlink self/root; readlink self/exe | grep -c busybox
echo $(ls -d self/fd/[012]); cut -d' ' -f2,3 self/stat
grep -E '^(Name|State|Threads|NoNewPrivs):' self/status
grep -c stack self/maps; grep '^Max open files' self/limits | cut -c1-14
A=1 B=two env -i X=y busybox cat self/environ | tr '\0' '\n'
cat sys/kernel/ostype sys/vm/overcommit_memory sys/kernel/cap_last_cap
[ "$(cat sys/kernel/random/uuid)" != "$(cat sys/kernel/random/uuid)" ] && echo "uuids differ"
[ "$(cat sys/kernel/random/boot_id)" = "$(cat sys/kernel/random/boot_id)" ] && echo "boot id stays"
[ "$(cat sys/kernel/osrelease)" = "$(uname -r)" ] && echo "release agrees"
[ "$(cat sys/kernel/hostname)" = "$(hostname)" ] && echo "hostname agrees"
grep -c '^processor' cpuinfo | grep -c '[1-9]'; grep -c 'model name' cpuinfo | grep -c '[1-9]'
grep -E '^(MemTotal|MemFree|SwapTotal):' meminfo | tr -s ' ' | cut -d' ' -f1,3
awk '/^cpu /{print (NF >= 9)} /^btime/{print ($2 > 1000000000)} /^procs_running/{print ($2 >= 1)}' stat
awk '{print NF, ($1 > 0)}' uptime; awk '{print NF}' loadavg
awk '{print $3}' mounts | grep -c '^proc$' | grep -c '[1-9]'
sleep 5 & pid=$!; sleep 0.2
[ -d /proc/$pid ] && readlink /proc/$pid/exe | grep -c busybox; tr '\0' ' ' < /proc/$pid/cmdline | sed 's/.*busybox/busybox/'; echo
kill $pid; wait $pid 2>/dev/null; [ -d /proc/$pid ] || echo "gone with its process"
mkdir x; mkdir self/x; (echo > x); (echo > sys/x); (echo > self/stat) 2>/dev/null || echo "not writable"
ls 0 2>/dev/null || echo "no process 0"; ls 01 2>/dev/null || echo "no process 01"
echo renamed > self/comm && echo "comm written"
ps -o pid,ppid,stat,args > /dev/null && echo "ps works"; free > /dev/null && echo "free works"; uptime > /dev/null && echo "uptime works"
top -b -n 1 > /dev/null && echo "top works"; df /proc > /dev/null; mount > /dev/null && echo "mount works"
cat self/fdinfo/0 | head -n 1; ls -l self/fd/0 | cut -c1
