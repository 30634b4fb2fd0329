# SPDX-License-Identifier: MIT
# Files in memory as Linux programs see them: mounting, the programs of suite linux with their directories there, a store that is full; and its server
# killed under load, and held down: nothing is lost.
. "$PITH_TREE/tests/system/lib.sh"

"$tools/pith_manifest" compile --tree "$tree" --system memory --without virtio_net --without net --output memory.system &&
    "$tools/pith_bundle" --output memory.bundle --composition memory.system --components "$build" \
        --busybox "$tree/build/busybox/bin/busybox" --skeleton "$tree/systems/rootfs" --programs "$build/rootfs" ||
    { echo "FAIL pack: no bundle"; exit 0; }
memory() { boot --bundle memory.bundle "$@"; }
head -c 1000000 /dev/urandom >bulk
wanted=$(sha256sum <bulk)

# Mounting; what it looks like; what is there stays when it is unmounted.
cat >mounts.sh <<'E2'
m() { mount -t memory "$@" 2>/dev/null; echo "mount $?"; }
grep memory /proc/filesystems; m none /mnt; grep memory /proc/mounts; stat -f -c '%t %s' /mnt; ls /mnt
cp /root/bulk /mnt/bulk; mkdir /mnt/d; echo x >/mnt/d/x; ln -s d/x /mnt/link; ln /mnt/bulk /mnt/other; mkfifo /mnt/pipe; cat /mnt/link
exec 3<>/mnt/held; rm /mnt/held; echo kept >&3; cat /proc/self/fd/3; umount /mnt 2>/dev/null; echo $?; exec 3>&-; umount /mnt; ls /mnt
m -o ro none /mnt; ls /mnt; echo y 2>/dev/null >/mnt/d/x || echo read-only; m -o remount,rw /mnt; echo y >/mnt/d/x; cat /mnt/d/x
mkdir /second; m none /second; sha256sum </second/other; stat -c %h /second/bulk; umount /second; m -o bogus none /second; m none /nowhere
dd if=/dev/zero of=/mnt/hole bs=1 count=1 seek=200000000 2>/dev/null; sync; stat -c '%s %b' /mnt/hole; rm -r /mnt/*; sync; ls /mnt; df /mnt | tail -n 1 | tr -s " "
E2
run memory --add bulk --add mounts.sh -- sh mounts.sh </dev/null
check memory_mounts 0 "nodev\tmemory\nmount 0\nnone /mnt memory rw,relatime 0 0\n70697468 4096\nx\nkept\n1\nmount 0\nbulk\nd\nlink\nother\npipe\nread-only\nmount 0\ny\nmount 0\n$wanted\n2\nmount 255\nmount 255\n200000001 24\nnone 16060 4 16056 0% /mnt\n"

# The programs of suite linux: as on the host.
programs="cow descriptors exec_args exec_errors file_locks file_maps fork_wait fs_attributes fs_data fs_listing fs_names fs_open
    fs_paths fs_random fs_unnamed mmap orphans pipes pipe_reopen signal_fault thread_exec unix_names unix_random sh_features.sh"
adds=() && mkdir programs
for name in $programs; do cp "$tree/build/debug/linux-tests/$name" programs; adds+=(--add "programs/$name"); done
normal() { sed -E -e 's/^=== ([^ ]+) ([0-9]+) .*/=== \1 \2/' -e '/^rename\("\/", "x"\)/d'; }
LOCK=/tmp sh "$tree/tests/linux/run.sh" "$PWD/programs" "$PWD/host" "$tree/build/busybox/bin/busybox" 10 </dev/null 2>&1 | normal >linux_wanted
run memory --timeout 240 "${adds[@]}" --add "$tree/tests/linux/run.sh" -- sh -c 'mkdir /programs; mv /root/run.sh /; mv /root/* /programs; mount -t memory none /mnt
    sh /run.sh /programs /mnt/work /bin/busybox 10' </dev/null
normal <out >linux_found
check_that memory_as_on_the_host cmp -s linux_wanted linux_found
diff -a linux_wanted linux_found | head -20 | sed 's/^/    /'

# A full store: it is write(2) that tells, and what was acknowledged is there.
cat >full.sh <<'E2'
mount -t memory none /mnt; cd /mnt
cp /root/bulk first
dd if=/dev/zero of=big bs=10k 2>&1 | grep -c 'No space left'
size=$(stat -c %s big); sync; [ $size -gt 12000000 ] && [ $size = $(stat -c %s big) ] && [ $size = $(wc -c <big) ] && echo kept
echo x 2>/dev/null >small || echo full
sha256sum <first; rm big; echo x >small && cat small
fallocate -l 3000000 there; stat -c '%s' there; fallocate -l 300000000 not 2>/dev/null || echo full
E2
run memory --add bulk --add full.sh -- sh full.sh </dev/null
check memory_full 0 "1\nkept\nfull\n$wanted\nx\n3000000\nfull\n"

# Its server dies again and again: programs notice nothing. (No sum sorts behind x.)
cat >killed.sh <<'E2'
mount -t memory none /mnt || exit 1
restarts() { sed -n 's/^restarts: //p' /proc/pith/services/memory/status; }
(while [ ! -e /tmp/done ] && [ $(restarts) -lt 6 ]; do sleep 1; echo kill >/proc/pith/services/memory/control; done) &
killer=$!
worker() {
    mkdir /mnt/$1; cd /mnt/$1
    round=0
    while [ $round -lt 3 ] || [ $(restarts) -lt 5 ]; do
        dd if=/root/bulk of=x bs=$2 2>&1 | grep -v records
        [ $((round % 2)) = 0 ] && sync
        for i in 1 2 3 4 5 6 7 8; do
            echo $i >n$i && mv n$i m$i && ln m$i l$i && rm m$i && mkdir d$i && mv l$i d$i && [ "$(cat d$i/l$i)" = $i ] && rm -r d$i || echo bad
        done
        ls; sha256sum <x; cp x y; sha256sum <y; rm y
        round=$((round + 1))
    done | sort -u
}
worker a 1M & first=$!
worker b 4k & second=$!
worker c 777 & third=$!
wait $first $second $third
touch /tmp/done
wait $killer
cd /; umount /mnt && mount -t memory none /mnt && cat /mnt/a/x /mnt/b/x /mnt/c/x | sha256sum
[ $(restarts) -ge 5 ] && echo killed
E2
run memory --timeout 200 --add bulk --add killed.sh -- sh killed.sh </dev/null
three=$(cat bulk bulk bulk | sha256sum)
check_that memory_killed test $status -eq 0
check_that memory_killed_nothing_lost cmp -s out <(printf '%s\n' "$wanted" x "$wanted" x "$wanted" x "$three" killed)

# One that is down: errors rather than silence. Started again, what was there before is there.
cat >held.sh <<'E2'
mount -t memory none /mnt; cd /mnt; cp /root/bulk f; mkdir d
state() { sed -n 's/^state: //p' /proc/pith/services/memory/status; }
echo stop >/proc/pith/services/memory/control
state; cat none; mkdir e
echo start >/proc/pith/services/memory/control; sleep 1.5; mkdir e; ls; sync && sha256sum <f
E2
run memory --add bulk --add held.sh -- sh held.sh </dev/null
check_that memory_held_down cmp -s out <(printf '%s\n' stopped d e f "$wanted")
