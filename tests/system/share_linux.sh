# SPDX-License-Identifier: MIT
# The folder that is shared with the host as Linux programs see it: what the guest does to it is on the host afterwards, what the host does
# meanwhile is seen in the guest, what the host refuses is an error; and its server killed under load.
. "$PITH_TREE/tests/system/lib.sh"

"$tools/pith_manifest" compile --tree "$tree" --system share --without virtio_net --without net --output share.system &&
    "$tools/pith_bundle" --output share.bundle --composition share.system --components "$build" \
        --busybox "$tree/build/busybox/bin/busybox" --skeleton "$tree/systems/rootfs" --programs "$build/rootfs" ||
    { echo "FAIL pack: no bundle"; exit 0; }
shared() { boot --bundle share.bundle --share folder "$@"; }
fresh() { rm -rf folder; mkdir folder; }
# ls of the host's folder, all in one line.
listing() { (cd folder && find . -mindepth 1 | sort | tr '\n' ' '); }

# Names, data, links, both ways.
fresh
mkdir folder/sub && echo hello >folder/file && ln -s file folder/link && cp "$tree/build/busybox/bin/busybox" folder
head -c 5000000 /dev/urandom >folder/bulk && chmod 640 folder/file
wanted=$(sha256sum <folder/bulk)
cat >names.sh <<'E2'
cd /share && ls && cat file link && stat -c '%a %s %F' file && readlink link && ./busybox echo runs && sha256sum <bulk
cp bulk copy && sha256sum <copy && echo new >new && mv new sub/moved && echo more >>sub/moved && cat sub/moved && echo x >'a  name,=\'
mkdir -p a/b/c && rmdir a/b/c && ln -s ../sub a/up && cat a/up/moved && ln file other && stat -c %h file && rm file && cat link other
mv other file && chmod 600 file && touch -d '2001-02-03 04:05:06' file && stat -c '%a %Y' file && dd if=copy of=cut bs=1000 count=3 2>/dev/null
dd if=/dev/zero of=cut bs=1 seek=1500 count=0 2>/dev/null && stat -c %s cut && exec 3<>held && echo kept >&3 && rm held && cat /proc/self/fd/3
exec 3>&-; ls; mkfifo pipe || echo refused
E2
run shared --add names.sh -- sh names.sh </dev/null
check_that share_names cmp -s out <(printf '%s\n' bulk busybox file link sub hello hello '640 6 regular file' file runs "$wanted" \
    "$wanted" new more new more 2 hello "600 $(date -d '2001-02-03 04:05:06 UTC' +%s)" 1500 kept \
    a 'a  name,=\' bulk busybox copy cut file link sub refused)
[[ $(listing) == './a ./a  name,=\ ./a/b ./a/up ./bulk ./busybox ./copy ./cut ./file ./link ./sub ./sub/moved ' ]]
check_that share_names_on_the_host test $? -eq 0
check_that share_data_on_the_host cmp -s folder/bulk folder/copy
check_that share_times_on_the_host test "$(TZ=UTC stat -c '%a %y' folder/file)" = '600 2001-02-03 04:05:06.000000000 +0000'
check_that share_part_on_the_host cmp -s folder/cut <(head -c 1500 folder/bulk)

# Mounting: what it looks like, elsewhere, read-only, not of what there isn't.
cat >mounts.sh <<'E2'
m() { mount -t 9p "$@" 2>/dev/null; echo "mount $?"; }
grep share /proc/mounts; grep 9p /proc/filesystems; stat -f -c %t /share
m -o trans=virtio,version=9p2000.L,cache=mmap share /mnt; ls /mnt; umount /share; ls /share; echo x >/mnt/x; umount /mnt; echo $?; ls /mnt
m -o ro share /mnt; cat /mnt/x; echo y 2>/dev/null >/mnt/x || echo read-only; m -o remount,rw /mnt; echo y >/mnt/x; cat /mnt/x
exec 4</mnt/x; umount /mnt 2>/dev/null; echo $?; exec 4<&-; umount /mnt; m other /mnt; m share /nowhere; m share /share; ls /share
E2
fresh
run shared --add mounts.sh -- sh mounts.sh </dev/null
check share_mounts 0 'share /share 9p rw,relatime 0 0\nnodev\t9p\n1021997\nmount 0\n0\nmount 0\nx\nread-only\nmount 0\ny\n1\nmount 255\nmount 255\nmount 0\nx\n'
check_that share_mounts_on_the_host test "$(cat folder/x)" = y

# Many entries.
fresh
mkdir folder/many && (cd folder/many && seq -f 'entry-%g' 2000 | xargs touch)
run shared --timeout 150 -- sh -c 'cd /share/many && ls | sha256sum && ls -l | wc -l && for i in $(seq 1 200); do echo $i >n$i; done
    rm entry-* && ls | wc -l && cat n* | sort -n | sha256sum && mkdir /share/d && mv n1* /share/d && ls | wc -l' </dev/null
check share_many 0 "$(seq -f 'entry-%g' 2000 | LC_ALL=C sort | sha256sum)\n2001\n200\n$(seq 200 | sha256sum)\n89\n"
check_that share_many_on_the_host test "$(ls folder/many | wc -l) $(ls folder/d | wc -l)" = '89 111'

# More files than its server remembers: one that was open all the time, and the working directory, are found again.
fresh
mkdir -p folder/many/{1,2,3} folder/here/there && (cd folder/many && for n in 1 2 3; do (cd $n && seq -f 'a-name-%g' 3000 | xargs touch); done)
seq 100000 >folder/here/numbers
run shared --timeout 200 -- sh -c 'cd /share/here/there; exec 3>>../../log 4<../numbers; echo first >&3; read line <&4; ls -lR /share/many | wc -l
    echo second >&3; tail -n 1 <&4; ls -a; echo x >new; sync; cat /share/log new' </dev/null
check share_forgotten 0 "9014\n100000\n.\n..\nfirst\nsecond\nx\n"
check_that share_forgotten_on_the_host test "$(cat folder/log folder/here/there/new)" = $'first\nsecond\nx'

# A root on a disk: at /mnt if it has no /share.
mkdir -p root/bin root/dev root/proc root/mnt && cp "$tree/build/busybox/bin/busybox" root/bin && for name in sh cat grep; do ln -s busybox root/bin/$name; done
fresh
echo hello >folder/file
for place in mnt share; do
    mkdir -p root/$place
    rm -f disk; mke2fs -q -F -t ext4 -d root disk 20M >/dev/null 2>&1
    run shared --rootfs disk -- sh -c "grep ^share /proc/mounts && cat /$place/file && echo x >>/$place/file" </dev/null
    check share_beside_a_root_$place 0 "share /$place 9p rw,relatime 0 0\nhello\n$([[ $place == mnt ]] || echo 'x\n')"
done
e2fsck -fn disk >fsck 2>&1; check_that share_beside_a_root_clean test $? -eq 0

# The programs of suite linux with their directories in the folder: as on the host, but for FIFOs and the like, which QEMU does not make, and names
# that can't be exchanged.
programs="cow descriptors exec_args exec_errors file_locks file_maps fork_wait fs_names fs_open fs_paths fs_random mmap orphans signal_fault
    thread_exec"
fresh
mkdir programs && for name in $programs; do cp "$tree/build/debug/linux-tests/$name" programs; done
cp -r programs "$tree/tests/linux/run.sh" folder
normal() {
    sed -E -e 's/^=== ([^ ]+) ([0-9]+) .*/=== \1 \2/' -e '/^RENAME2\("f3", "d2", 2\)/,/^  back:/d' -e '/^rename\("\/", "x"\)/d' \
        -e '/^O_TMPFILE/,/^open named 0/d' -e '/^(mkfifo|mknod)\(/d' -e '/^  (sticky\/fifo|node): /d' -e '/^open\("sock"/d'
}
LOCK=/tmp sh "$tree/tests/linux/run.sh" "$PWD/programs" "$PWD/host" "$tree/build/busybox/bin/busybox" 10 </dev/null 2>&1 | normal >wanted
run shared --timeout 150 -- sh -c 'sh /share/run.sh /share/programs /share/work /bin/busybox 10' </dev/null
normal <out >found
check_that share_as_on_the_host cmp -s wanted found
diff -a wanted found | head -20 | sed 's/^/    /'

# The host changes files while the guest runs, and sees what the guest writes. Each step waits for the other side's.
fresh
mkdir folder/dir && echo old >folder/replaced && echo old >folder/written && echo x >folder/dir/moves && echo x >folder/goes
cat >changes.sh <<'E2'
cd /share
wait_for() { i=0; while [ ! -e $1 ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done; }
cat replaced written dir/moves goes; stat -c %s written; [ -e made ] || echo none; exec 5<written; read line <&5
echo 1 >step1; wait_for step2; sleep 1.5
cat replaced written made; stat -c %s written; cat <&5; [ -e goes ] || echo gone; ls dir; cat dir/moved; (cd dir; [ -e moves ] || echo moved)
[ -e old ] && ls old; echo open >open; exec 6>>open; echo still >&6; echo 3 >step3; wait_for step4; sleep 1.2; echo end >&6
E2
(
    wait_for() { for ((i = 0; i < 600; ++i)); do [[ -e folder/$1 ]] && return; sleep 0.1; done; }
    cd "$work"; wait_for step1
    echo newer >r && mv r folder/replaced; echo 'longer now' >>folder/written; echo made >folder/made; rm folder/goes
    mv folder/dir/moves folder/dir/moved; echo 2 >folder/step2
    wait_for step3; sleep 1.5; cp folder/open seen; echo host >>folder/open; echo 4 >folder/step4
) &
run shared --add changes.sh -- sh changes.sh </dev/null
wait
check share_changed_by_the_host 0 'old\nold\nx\nx\n4\nnone\nnewer\nold\nlonger now\nmade\n15\nlonger now\ngone\nmoved\nx\nmoved\n'
check_that share_seen_by_the_host test "$(cat seen)" = $'open\nstill'
check_that share_appended_on_the_host test "$(cat folder/open)" = $'open\nstill\nhost\nend'

# What the host refuses: to an ordinary user, as root is refused nothing.
nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
if ((EUID == 0)) && nobody test -x "$tools/pith_run"; then
    chmod 755 .
    fresh
    mkdir folder/closed folder/locked && for name in read none; do echo $name >folder/$name; done
    echo inside >folder/closed/file && chmod 644 folder/read && chmod 600 folder/none && chmod 755 folder/closed && chmod 700 folder/locked
    chown nobody:nogroup folder
    cat >refused.sh <<'E2'
cd /share; exec 2>&1
cat read; cat none; echo x >read; echo x >>read; cat read; echo x >closed/new; rm closed/file; mkdir closed/d; mv read closed; ls locked
chmod 777 read; echo mine >mine && cat mine; rm none && echo removed
E2
    run nobody "${runner[@]}" --bundle share.bundle --share folder --add refused.sh -- sh refused.sh </dev/null
    sed -e 's/^.*: line [0-9]*: //; s/^[a-z]*: //' out >found
    cat >refused <<'E2'
read
read error: Permission denied
can't create read: Permission denied
write error: Permission denied
read
can't create closed/new: Permission denied
can't remove 'closed/file': Permission denied
can't create directory 'closed/d': Permission denied
can't rename 'read': Permission denied
can't open 'locked': Permission denied
read: Operation not permitted
mine
removed
E2
    check_that share_refused cmp -s found refused
    diff found refused | sed 's/^/    /'
    check_that share_refused_on_the_host test "$(listing)$(cat folder/read)" = './closed ./closed/file ./locked ./mine ./read read'
fi

# Its server dies again and again: programs notice nothing.
fresh
head -c 1000000 /dev/urandom >bulk
wanted=$(sha256sum <bulk)
cat >killed.sh <<'E2'
restarts() { sed -n 's/^restarts: //p' /proc/pith/services/virtio_9p/status; }
(while [ ! -e /tmp/done ] && [ $(restarts) -lt 6 ]; do sleep 1; echo kill >/proc/pith/services/virtio_9p/control; done) &
killer=$!
worker() {
    mkdir /share/$1; cd /share/$1
    round=0
    while [ $round -lt 2 ] || [ $(restarts) -lt 5 ]; do
        dd if=/root/bulk of=f bs=$2 2>&1 | grep -v records
        for i in 1 2 3 4 5 6 7 8; do
            echo $i >n$i && mv n$i m$i && ln m$i l$i && rm m$i && mkdir d$i && mv l$i d$i && [ "$(cat d$i/l$i)" = $i ] && rm -r d$i || echo bad
        done
        ls; sha256sum <f; cp f g; sha256sum <g; rm g
        round=$((round + 1))
    done | sort -u
}
worker a 1M & first=$!
worker b 4k & second=$!
wait $first $second
touch /tmp/done
wait $killer
[ $(restarts) -ge 5 ] && echo killed
E2
run shared --timeout 200 --add bulk --add killed.sh -- sh killed.sh </dev/null
of_worker() { printf '%s\n' "$wanted" f | LC_ALL=C sort; }
check_that share_killed cmp -s out <(of_worker; of_worker; echo killed)
cat folder/?/f 2>/dev/null | cmp -s - <(cat bulk bulk)
check_that share_killed_nothing_lost test $? -eq 0 -a "$(listing)" = './a ./a/f ./b ./b/f '

# One that is down: errors rather than silence. Started again, what was answered before is there.
fresh
cat >held.sh <<'E2'
cd /share; cp /root/bulk f; mkdir d
state() { sed -n 's/^state: //p' /proc/pith/services/virtio_9p/status; }
echo stop >/proc/pith/services/virtio_9p/control
state; mkdir e; cat g; ls
echo start >/proc/pith/services/virtio_9p/control; sleep 1.5; mkdir e; ls; sync && sha256sum <f
E2
run shared --add bulk --add held.sh -- sh held.sh </dev/null
check_that share_held_down cmp -s out <(printf '%s\n' stopped d e f "$wanted")
check_that share_held_down_on_the_host test "$(listing)$(sha256sum <folder/f)" = "./d ./e ./f $wanted"
