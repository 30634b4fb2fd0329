# SPDX-License-Identifier: MIT
# File systems on disks as Linux programs see them: mount and its relatives, the page cache, full disks, the root; and the file server
# and the disk's driver killed under load. The host's Linux is the oracle for the programs of suite linux, and e2fsck for the disks.
. "$PITH_TREE/tests/system/lib.sh"

# image NAME SIZE [DIRECTORY]: a file system as mke2fs makes it.
image() { rm -f "$1" && mke2fs -q -F -t ext4 ${3:+-d "$3"} "$1" "$2" >/dev/null 2>&1; }
# clean NAME IMAGE: the disk was unmounted cleanly, and nothing is wrong with it.
clean() { check_that "$1" test "$(dumpe2fs -h "$2" 2>/dev/null | grep -c needs_recovery)" -eq 0 -a "$(e2fsck -fn "$2" >fsck 2>&1; echo $?)" -eq 0; }

mkdir -p tree/sub && cp "$tree/build/busybox/bin/busybox" tree && echo hello >tree/file && ln -s file tree/link && seq 1 100000 >tree/numbers
image disk 64M tree || { echo "FAIL image: no mke2fs"; exit 0; }
run boot --disk disk -- sh -c 'mount -t ext4 /dev/vda /mnt && cd /mnt && ls && cat file link && md5sum <numbers && ./busybox echo runs &&
    cp numbers copy && mv copy sub && sync && ln sub/copy sub/other && md5sum <sub/other && stat -c %h sub/copy && cd / && umount /mnt && ls -A /mnt
    mount -t ext4 /dev/vda /mnt && cd /mnt/sub && rm other && mkdir a && rmdir a && md5sum <copy && rm copy && ls' </dev/null
sum=$(md5sum <tree/numbers)
check basics 0 "busybox\nfile\nlink\nlost+found\nnumbers\nsub\nhello\nhello\n$sum\nruns\n$sum\n2\n$sum\n"
clean basics_clean disk

cat >mounts.sh <<'E2'
m() { mount -t ext4 "$@" 2>/dev/null; echo "mount $?"; }
u() { umount "$@" 2>/dev/null; echo "umount $?"; }
m -o ro /dev/vda /mnt; echo x 2>/dev/null >/mnt/x || echo read-only; grep -c '^/dev/vda /mnt ext4 ro,relatime 0 0' /proc/mounts
m -o remount,rw /mnt; echo x >/mnt/x
exec 3>/mnt/open; m -o remount,ro /mnt; exec 3>&-; m -o remount,ro /mnt; rm /mnt/x 2>/dev/null || echo read-only
mkdir /second; m -o ro /dev/vda /second; cat /second/x; (cd /second; u /second); u /second; m /dev/vda /second
exec 4</mnt/x; u /mnt; u -l /mnt; cat <&4; exec 4<&-; sleep 0.5
mount /dev/vda /mnt; echo $?; cat /mnt/x
m -o bogus /dev/vda /second; m /dev/vdb /second; m /dev/null /second; m /dev/vda /nowhere; grep ext4 /proc/filesystems
exec 5>/mnt/held; rm /mnt/held; echo kept >&5; sync; cat /proc/self/fd/5; exec 5>&-; ls /mnt
echo 3 >/proc/sys/vm/drop_caches; cat /mnt/x; dd if=/dev/zero of=/mnt/zero bs=1M count=2 2>/dev/null; sync; stat -c '%s %b' /mnt/zero
E2
image disk 20M; head -c 1000000 /dev/zero >zero
run boot --disk disk --disk zero --add mounts.sh -- sh mounts.sh </dev/null
check mounts 0 'mount 0\nread-only\n1\nmount 0\nmount 255\nmount 0\nread-only\nmount 0\nx\numount 1\numount 0\nmount 255\numount 1\numount 0\nx\n0\nx\nmount 255\nmount 255\nmount 255\nmount 255\n\text4\nkept\nlost+found\nopen\nx\nx\n2097152 4096\n'
clean mounts_clean disk

# The programs of suite linux, with their directories on the disk: as on the host.
programs="cow descriptors exec_args exec_errors file_locks file_maps fork_wait fs_attributes fs_data fs_listing fs_names fs_open
    fs_paths fs_random fs_unnamed mmap orphans pipes pipe_reopen signal_fault thread_exec unix_names unix_random sh_features.sh"
mkdir -p linux/programs
for name in $programs; do cp "$tree/build/debug/linux-tests/$name" linux/programs; done
cp "$tree/tests/linux/run.sh" linux
normal() {
    sed -E -e 's/^=== ([^ ]+) ([0-9]+) .*/=== \1 \2/' -e '/^rename\("\/", "x"\)/d'
}
image disk 200M linux
LOCK=/tmp sh "$tree/tests/linux/run.sh" "$PWD/linux/programs" "$PWD/host" "$tree/build/busybox/bin/busybox" 10 </dev/null 2>&1 | normal >wanted
run boot --timeout 240 --disk disk -- sh -c 'mount -t ext4 /dev/vda /mnt && sh /mnt/run.sh /mnt/programs /mnt/work /bin/busybox 10' </dev/null
normal <out >found
check_that as_on_the_host cmp -s wanted found
diff -a wanted found | head -20 | sed 's/^/    /'
clean programs_clean disk

# A full disk: it is write(2) that tells, and what was acknowledged is there.
head -c 3000000 /dev/urandom >bulk
wanted=$(sha256sum <bulk)
cat >full.sh <<'E2'
mount -t ext4 /dev/vda /mnt; cd /mnt
cp /root/bulk first
dd if=/dev/zero of=big bs=10k 2>&1 | grep -c 'No space left'
size=$(stat -c %s big); sync; [ $size -gt 12000000 ] && [ $size = $(stat -c %s big) ] && [ $size = $(wc -c <big) ] && echo kept
echo x 2>/dev/null >small || echo full
sha256sum <first; rm big; echo x >small && cat small
dd if=/dev/zero of=sparse bs=1 count=1 seek=200000000 2>/dev/null; stat -c %s sparse
for size in 777 65536; do dd if=/root/bulk of=second bs=$size 2>/dev/null; sync; sha256sum <second; done
fallocate -l 3000000 there; stat -c '%s' there; fallocate -l 300000000 not 2>/dev/null || echo full
E2
image disk 20M
run boot --disk disk --add bulk --add full.sh -- sh full.sh </dev/null
check full_disk 0 "1\nkept\nfull\n$wanted\nx\n200000001\n$wanted\n$wanted\n3000000\nfull\n"
clean full_disk_clean disk

# Files larger than memory, written and read by several at a time, some of it mapped.
cat >large.sh <<'E2'
mount -t ext4 /dev/vda /mnt; cd /mnt
for i in 1 2 3; do
    (for n in 1 2 3 4 5 6 7 8 9 10 11 12; do cat /root/bulk; done >large$i; sha256sum <large$i) &
done
wait
E2
large=$(for n in 1 2 3 4 5 6 7 8 9 10 11 12; do cat bulk; done | sha256sum)
image disk 150M
run boot --mem 96M --timeout 200 --disk disk --add bulk --add large.sh -- sh large.sh </dev/null
check larger_than_memory 0 "$large\n$large\n$large\n"
clean large_clean disk

# The file server and the disk's driver die, again and again: programs notice nothing.
cat >killed.sh <<'E2'
mount -t ext4 /dev/vda /mnt || exit 1
restarts() { sed -n 's/^restarts: //p' /proc/pith/services/$1/status; }
(while [ ! -e /tmp/done ] && [ $(restarts ext4) -lt 6 ]; do
    sleep 0.7; echo kill >/proc/pith/services/ext4/control
    sleep 0.3; [ $(restarts virtio_blk) -lt 4 ] && echo kill >/proc/pith/services/virtio_blk/control
done) &
killer=$!
worker() {
    mkdir /mnt/$1; cd /mnt/$1
    round=0
    while [ $round -lt 3 ] || [ $(restarts ext4) -lt 5 ]; do
        dd if=/root/bulk of=f bs=$2 2>&1 | grep -v records
        [ $((round % 2)) = 0 ] && sync
        for i in 1 2 3 4 5 6 7 8; do
            echo $i >n$i && mv n$i m$i && ln m$i l$i && rm m$i && mkdir d$i && mv l$i d$i && [ "$(cat d$i/l$i)" = $i ] && rm -r d$i || echo bad
        done
        ls; sha256sum <f; cp f g; sha256sum <g; rm g
        round=$((round + 1))
    done | sort -u
}
worker a 1M & first=$!
worker b 4k & second=$!
worker c 777 & third=$!
wait $first $second $third
touch /tmp/done
wait $killer
cd /; umount /mnt && mount -t ext4 /dev/vda /mnt && cat /mnt/a/f /mnt/b/f /mnt/c/f | sha256sum
[ $(restarts ext4) -ge 5 ] && echo killed
E2
image disk 100M
run boot --timeout 200 --disk disk --add bulk --add killed.sh -- sh killed.sh </dev/null
three=$(cat bulk bulk bulk | sha256sum)
check_that killed test $status -eq 0
of_worker() { printf '%s\n' "$wanted" f | LC_ALL=C sort; }
check_that killed_nothing_lost cmp -s out <(of_worker; of_worker; of_worker; echo "$three"; echo killed)
clean killed_clean disk

# One that is down: errors rather than silence. Started again, what was answered before is there.
cat >held.sh <<'E2'
mount -t ext4 /dev/vda /mnt; cd /mnt; cp /root/bulk f; mkdir d
state() { sed -n 's/^state: //p' /proc/pith/services/ext4/status; }
echo stop >/proc/pith/services/ext4/control
state; cat none; mkdir e
echo start >/proc/pith/services/ext4/control; sleep 1.5; mkdir e; ls; sync && sha256sum <f
E2
image disk 20M
run boot --disk disk --add bulk --add held.sh -- sh held.sh </dev/null
check_that held_down cmp -s out <(printf '%s\n' stopped d e f lost+found "$wanted")
clean held_down_clean disk

# The disk fails for good: what was answered and is lost is told by the fsync of each file, not just of the first; and by what makes it read-only.
cat >lost.sh <<'E2'
state() { sed -n 's/^state: //p' /proc/pith/services/virtio_blk/status; }
mount -t ext4 /dev/vda /mnt && sync
: >said; ./fsync_losses /mnt /tmp/go >>said & while ! grep -q made said; do sleep 0.05; done
echo stop >/proc/pith/services/virtio_blk/control
state; : >/tmp/go; wait; cat said
E2
image disk 20M
run boot --disk disk --add "$tree/build/debug/system-programs/fsync_losses" --add lost.sh -- sh lost.sh </dev/null
check_that losses_are_told cmp -s out <(printf '%s\n' stopped made 'Input/output error' 'Input/output error')

# A directory whose block makes no sense: the server looks at the disk again, in a new life, once; then it takes it for broken, and changes it no more.
rm -rf broken && mkdir -p broken/d && : >broken/d/f
image disk 20M broken
block=$(debugfs -R 'blocks /d' disk 2>/dev/null)
printf '\377' | dd of=disk bs=1 seek=$((block * $(dumpe2fs -h disk 2>/dev/null | sed -n 's/^Block size: *//p') + 30)) conv=notrunc 2>/dev/null
run boot --disk disk -- sh -c 'mount -t ext4 /dev/vda /mnt; ls /mnt/d 2>/dev/null || echo broken; sleep 0.2; mkdir /mnt/e 2>/dev/null || echo read-only
    ls -d /mnt/d; grep "^restarts\|^cause" /proc/pith/services/ext4/status' </dev/null
check_that broken_is_looked_at_twice grep -qx 'restarts: 1' out
check_that broken_is_not_changed grep -qx read-only out
check_that broken_is_told grep -q 'looked at again' err

# The root.
mkdir -p root/bin root/dev root/proc root/tmp root/run root/root
cp "$tree/build/busybox/bin/busybox" root/bin && for name in sh cat ls cut; do ln -s busybox root/bin/$name; done
image disk 20M root; image empty 10M
run boot --rootfs disk -- sh -c 'pwd; ls /; cut -d" " -f1-3 /proc/mounts; echo kept >/root/file; [ -c /dev/null ] && exit 7' </dev/null
check root 7 '/root\nbin\ndev\nlost+found\nproc\nroot\nrun\ntmp\n/dev/vda / ext4\ndevtmpfs /dev devtmpfs\ndevpts /dev/pts devpts\nproc /proc proc\ntmpfs /run tmpfs\n'
run boot --rootfs disk -- cat file </dev/null
check root_kept 0 'kept\n'
clean root_clean disk
run boot --rootfs zero -- true </dev/null
check_line root_of_nothing 126 '/dev/vda cannot be the root: it has no file system of a known kind'
run boot --rootfs empty -- true </dev/null
check_line root_empty 126 '/dev/vda cannot be the root: it has no directory /dev'
