# SPDX-License-Identifier: MIT
# Disks as Linux programs see them, on the ramdisk driver, which takes its time and answers in any order: the calls, partitions, and the
# driver killed in the middle of transfers.
. "$PITH_TREE/tests/system/lib.sh"

# pack SYSTEM: its bundle, with what a Linux system has.
pack() {
    "$tools/pith_manifest" compile --tree "$tree" --system "$1" --output "$1.system" &&
        "$tools/pith_bundle" --output "$1.bundle" --composition "$1.system" --components "$build" \
            --busybox "$tree/build/busybox/bin/busybox" --skeleton "$tree/systems/rootfs" --programs "$build/rootfs"
}
pack ramdisk && pack ramdisk_faults && pack ramdisk_strays || { echo "FAIL pack: no bundle"; exit 0; }
disk() { boot --bundle ramdisk.bundle "$@"; }
program=$tree/build/debug/system-programs/disk_calls

run boot -- sh -c 'ls /dev/vd*; cat /proc/partitions' </dev/null
check_that none_without_a_driver test $status -eq 0 -a "$(wc -l <out)" -eq 2

run disk -- sh -c 'ls -l /dev/vda | cut -c1-10; stat -c "%F %t:%T %s" /dev/vda; cat /proc/partitions; grep -A1 Block /proc/devices
    blockdev --getsize64 /dev/vda; blockdev --getss /dev/vda; blockdev --getro /dev/vda' </dev/null
check listed 0 'brw-rw----\nblock special file fe:0 0\nmajor minor  #blocks  name\n\n 254        0      16384 vda\nBlock devices:\n254 virtblk\n16777216\n512\n0\n'

run disk --add "$program" -- sh -c './disk_calls calls && ./disk_calls read_only' </dev/null
check calls 0 'ok\nok\n'
run disk --add "$program" -- ./disk_calls gpt </dev/null
check gpt 0 'ok\n'

head -c 3000000 /dev/urandom >bulk
wanted=$(sha256sum <bulk)
run disk --add bulk -- sh -c 'for size in 512 4k 1M 65521; do
        dd if=bulk of=/dev/vda bs=$size conv=fsync 2>/dev/null && sync && dd if=/dev/vda bs=1M count=3 2>/dev/null | head -c 3000000 | sha256sum
    done' </dev/null
check write_and_read_back 0 "$wanted\n$wanted\n$wanted\n$wanted\n"

# To the end: reading stops, writing has no space left.
run disk -- sh -c 'dd if=/dev/zero of=/dev/vda bs=1M >log 2>&1; grep -c "No space left" log; grep -c "^16+0 records out" log
    dd if=/dev/vda bs=1M 2>/dev/null | wc -c' </dev/null
check ends 0 '1\n1\n16777216\n'

# Partitions of an MBR, made by fdisk: what is written to one is in it and nowhere else.
cat >partitions.sh <<'E2'
printf '%s\n' o n p 1 '' +4M n p 2 '' +4M n e 3 '' '' n l '' +1M w | fdisk -u /dev/vda >log 2>&1 || cat log
cat /proc/partitions | tail -n +3 | tr -s ' '
fdisk -l -u /dev/vda | grep '^/dev' | tr -s ' ' | cut -d' ' -f1,4,5,6
mke2fs -F /dev/vda2 >/dev/null && dd if=/dev/vda2 bs=1 skip=1080 count=2 2>/dev/null | xxd -p
tr '\0' x </dev/zero | dd of=/dev/vda1 bs=64k 2>/dev/null
dd if=/dev/vda bs=512 skip=31 count=1 2>/dev/null | tr -d '\0' | wc -c
dd if=/dev/vda bs=512 skip=32 count=8192 2>/dev/null | tr -d x | wc -c
dd if=/dev/vda bs=512 skip=8224 count=1 2>/dev/null | tr -d '\0' | wc -c
exec 3</dev/vda5; blockdev --rereadpt /dev/vda 2>&1; exec 3<&-; blockdev --rereadpt /dev/vda && echo again
dd if=/dev/zero of=/dev/vda bs=512 count=1 2>/dev/null; partprobe /dev/vda; ls /dev/vda*
E2
run disk --add partitions.sh -- sh partitions.sh </dev/null
check partitions 0 ' 254 0 16384 vda\n 254 1 4096 vda1\n 254 2 4096 vda2\n 254 3 1 vda3\n 254 5 1024 vda5\n/dev/vda1 32 8223 8192\n/dev/vda2 8224 16415 8192\n/dev/vda3 16416 32767 16352\n/dev/vda5 16448 18495 2048\n53ef\n0\n0\n0\nblockdev: /dev/vda: Device or resource busy\nagain\n/dev/vda\n'

# /proc/diskstats: the disk by its driver, which goes on counting after its death, and partitions by what was done in their files.
cat >statistics.sh <<'E2'
printf '%s\n' o n p 1 '' +4M w | fdisk -u /dev/vda >log 2>&1 || cat log
# fields NAME FIELD...: of the device's line, counted from the one behind its name.
fields() { sed -n "s/^ *[0-9]* *[0-9]* $1 //p" /proc/diskstats | cut -d' ' -f$2; }
head -n 1 /proc/diskstats | cut -c1-16; head -n 1 /proc/diskstats | wc -w; wc -l </proc/diskstats
read_before=$(fields vda 3) written_before=$(fields vda 7) flushed_before=$(fields vda 16)
fields vda1 1-11
dd if=/dev/zero of=/dev/vda1 bs=64k count=4 conv=fsync 2>/dev/null
dd if=/dev/vda of=/dev/null bs=64k count=2 2>/dev/null
fields vda1 1,3; fields vda1 5,7,9; [ $(fields vda1 10) -gt 0 ] && [ $(fields vda1 10) -le $(fields vda1 11) ] && echo took_time
echo kill >/proc/pith/services/ramdisk/control
dd if=/dev/vda of=/dev/null bs=512 count=1 2>/dev/null
echo $(($(fields vda 3) - read_before)) $(($(fields vda 7) - written_before)) $(($(fields vda 16) - flushed_before)) $(fields vda 9)
[ $(fields vda 4) -gt 0 ] && [ $(fields vda 8) -gt 0 ] && [ $(fields vda 10) -gt 0 ] && echo took_time
E2
run disk --add statistics.sh -- sh statistics.sh </dev/null
check_that statistics cmp -s out <(printf '%b' ' 254       0 vda\n20\n2\n0 0 0 0 0 0 0 0 0 0 0\n0 0\n4 512 0\ntook_time\n257 512 1 0\ntook_time\n')

# The driver is killed while several programs read and write: they notice nothing.
cat >killed.sh <<'E2'
restarts() { sed -n 's/^restarts: //p' /proc/pith/services/ramdisk/status; }
(while [ ! -e done ] && [ $(restarts) -lt 5 ]; do sleep 0.4; echo kill >/proc/pith/services/ramdisk/control; done) &
killer=$!
writer() {
    round=0
    while [ $round -lt 3 ] || [ $(restarts) -lt 4 ]; do
        dd if=bulk of=/dev/vda bs=$2 seek=$1 count=$3 conv=fsync 2>&1 | grep -v records
        dd if=/dev/vda bs=$2 skip=$1 count=$3 2>/dev/null | head -c 3000000 | sha256sum
        round=$((round + 1))
    done | sort -u
}
writer 0 1M 3 & first=$!
writer 1024 4k 800 & second=$!
writer 12000 1000 300 & third=$!
wait $first $second $third
touch done
wait $killer
test $(restarts) -ge 4 && echo killed
E2
less=$(head -c 300000 bulk | sha256sum)
run disk --timeout 150 --add bulk --add killed.sh -- sh killed.sh </dev/null
check_that killed_status test $status -eq 0
check_that killed_nothing_lost cmp -s <(sort out) <(printf '%s\n' "$wanted" "$wanted" "$less" killed | sort)
check_that killed_named grep -q ramdisk err

# What it had is given back, also what the Linux server held of it.
run disk -- sh -c 'settle() { i=0; while [ $i -lt 100 ] && ! grep -q "restarts: $1" /proc/pith/services/ramdisk/status; do sleep 0.1; i=$((i + 1)); done
            dd if=/dev/vda of=/dev/null bs=4k count=10 2>/dev/null; sleep 0.5; }
        echo kill >/proc/pith/services/ramdisk/control; settle 1
        a=$(cat /proc/pith/kernel); a=$(cat /proc/pith/kernel)
        echo kill >/proc/pith/services/ramdisk/control; settle 2
        b=$(cat /proc/pith/kernel)
        test "$a" = "$b" && echo same || { echo "$a"; echo ---; echo "$b"; }' </dev/null
check_that counts_after_restart grep -qx same out

# One that is down: errors rather than silence. Started again, it is there again, and so is what was on the disk.
run disk -- sh -c 'state() { sed -n "s/^state: //p" /proc/pith/services/ramdisk/status; }
        echo kept >/dev/vda
        echo stop >/proc/pith/services/ramdisk/control
        state; head -c 4 /dev/vda 2>&1
        echo start >/proc/pith/services/ramdisk/control; sleep 0.5; head -c 4 /dev/vda' </dev/null
check_that held_down cmp -s out <(printf 'stopped\nhead: /dev/vda: Input/output error\nkept')

# A driver that answers what nobody asked: the link is opened anew, after some times the driver is restarted, and then it is borne; programs
# notice nothing.
run boot --bundle ramdisk_strays.bundle --add bulk -- sh -c 'for seek in 0 5 10; do
        (dd if=bulk of=/dev/vda bs=1M seek=$seek conv=fsync 2>/dev/null
        dd if=/dev/vda bs=1M skip=$seek count=3 2>/dev/null | head -c 3000000 | sha256sum) &
    done; wait' </dev/null
stray_line='^pith: ramdisk crashed: breaks the protocol, says linux: a bad completion'
restarts=$(grep -c "$stray_line" err)
check_that strays_end_a_driver test "$restarts" -ge 1 -a "$restarts" -le 3
grep -v "$stray_line" err >others; mv others err
check strays 0 "$wanted\n$wanted\n$wanted\n"

# A disk with bad sectors that takes a fifth of a second for a request: errors where they belong, all else is there; meanwhile
# others go on. Who waits ends with the request that is under way, and not with the whole call.
cat >faults.sh <<'E2'
dd if=/dev/vda of=part bs=64k count=9 2>&1 | grep -v records; wc -c <part
dd if=/dev/vda of=/dev/null bs=512 skip=999 count=1 2>&1 | grep -v records
dd if=/dev/vda of=/dev/null bs=512 skip=1007 count=1 2>&1 | grep -v records
dd if=/dev/vda of=/dev/null bs=512 skip=1008 count=1 2>&1 | grep -v records
dd if=/dev/zero of=/dev/vda bs=700 seek=732 count=1 2>&1 | grep -v records
dd if=/dev/vda of=/dev/null bs=2M count=1 2>/dev/null & reader=$!
i=0; while [ $i -lt 20 ] && ! grep -q 'State:.D' /proc/$reader/status 2>/dev/null; do sleep 0.05; i=$((i + 1)); done
grep -q 'State:.D' /proc/$reader/status && echo waits
now() { cut -d. -f1 /proc/uptime; }
start=$(now)
kill -9 $reader; wait $reader 2>/dev/null; echo $?
[ $(($(now) - start)) -le 2 ] && echo soon
E2
run boot --bundle ramdisk_faults.bundle --add faults.sh -- sh faults.sh </dev/null
check faults 0 "dd: /dev/vda: Input/output error\n512000\ndd: /dev/vda: Input/output error\ndd: error writing '/dev/vda': Input/output error\nwaits\n137\nsoon\n"
