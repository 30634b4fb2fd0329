# SPDX-License-Identifier: MIT
# What the supervisor does for components, as programs see it: reports of crashes, orders, hangs, updates, and services that are held down.
. "$PITH_TREE/tests/system/lib.sh"
services=/proc/pith/services

# wait_for NAME PATTERN: a line for guests' scripts that waits for a line of a component's status.
wait_for() {
    echo "i=0; until grep -q '$2' $services/$1/status; do sleep 0.05; i=\$((i + 1)); [ \$i -lt 400 ] || { echo 'no $2'; break; }; done"
}
# Each death is told on stderr: there is nothing else.
only_deaths() { ! grep -v '^pith: [a-z0-9_]* crashed: ' err; }

run boot -- sh -c "echo kill > $services/console/control; $(wait_for console 'deaths: 1')
    grep -c '^crash 1: console, at .* s: killed\$' /proc/pith/crashes
    grep -c '  console+0x[0-9a-f]* EventLoop::run_once+0x' /proc/pith/crashes
    grep -c '  console+0x[0-9a-f]* main+0x' /proc/pith/crashes
    grep -c 'console.[0-9]* from linux' /proc/pith/crashes >/dev/null && echo requests
    ls -l /proc/pith/crashes | cut -c1-10" </dev/null
check_that crash_is_reported cmp -s out <(printf '1\n1\n1\nrequests\n-r--------\n')
check_that crash_is_told only_deaths

run boot -- sh -c "echo hang > $services/console/control; $(wait_for console 'deaths: 1')
    grep '^cause\|^restarts\|^state' $services/console/status" </dev/null
check_that hang_is_found cmp -s out <(printf 'state: running\nrestarts: 1\ncause: is stuck: no heartbeat\n')

# Orders that can't be carried out say why.
run boot -- sh -c "order() { echo \"\$1\" > $services/\$2/control; }
    order nonsense console; order stop linux; order 'update /nowhere' console; order 'update /etc/passwd' console
    order 'updates' console; order update console; order kill nobody; order stop supervisor
    order stop log; order kill log; order hang log; order start log; grep '^restarts' $services/log/status" </dev/null
said=$(sed 's/^sh: //; s/^.*write error: //; s/^can.t create .*: nonex/nonex/' err | tr '\n' ';')
check_that orders_are_refused test "$said" = "Invalid argument;Permission denied;No such file or directory;Exec format error;Invalid argument;No such file or directory;nonexistent directory;Permission denied;No such process;No such process;"

# Updates: of each component of the system by its own executable; and by one that dies at once.
cat >updates.sh <<'E2'
update() {
    echo "update /new/$1.elf" > /proc/pith/services/$1/control || echo "$1: refused"
    i=0; while grep -q 'executable: on trial' /proc/pith/services/$1/status; do sleep 0.1; i=$((i + 1)); [ $i -lt 200 ] || break; done
    echo $1 $(grep '^executable\|^deaths' /proc/pith/services/$1/status)
}
echo hello > /mnt/file; sync
for name in log uart16550 console devices virtio_blk ext4; do update $name; done
cat /mnt/file
cp /new/services_dead.elf /new/ext4.elf
echo "update /new/ext4.elf" > /proc/pith/services/ext4/control
echo more >> /mnt/file; sync; cat /mnt/file
grep '^executable\|^state' /proc/pith/services/ext4/status
E2
truncate -s 32M disk; PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 disk
added=()
for name in log uart16550 console devices virtio_blk ext4 services_dead; do
    objcopy --strip-debug "$build/$name.elf" "$name.elf"
    added+=(--add "$name.elf:/new/$name.elf")
done
run boot --disk disk "${added[@]}" --add updates.sh -- sh -c 'mkdir -p /mnt; mount -t ext4 /dev/vda /mnt && sh updates.sh' </dev/null
check_that updates cmp -s out <(
    for name in log uart16550 console devices virtio_blk ext4; do echo "$name deaths: 0 executable: updated"; done
    printf 'hello\nhello\nmore\nstate: running\nexecutable: as before the last update, which failed\n')

# A disk driver, and a file server, that die at once every time: their clients get errors, and the rest goes on.
pack_dead() {
    "$tools/pith_manifest" compile --tree "$PITH_TREE" --system storage --without virtio_net --without net --output system &&
        "$tools/pith_bundle" --output "$1.bundle" --composition system --components "$build" --component "$1=$build/services_dead.elf" \
            --busybox "$tree/build/busybox/bin/busybox" --skeleton "$tree/systems/rootfs" --programs "$build/rootfs"
}
for name in virtio_blk ext4; do
    pack_dead $name || { echo "FAIL pack: no bundle"; continue; }
    run "${runner[@]}" --bundle $name.bundle --disk disk -- sh -c "$(wait_for $name 'state: held-down')
        grep '^state\|^cause' $services/$name/status; mount -t ext4 /dev/vda /mnt 2>/dev/null || echo no mount
        echo start > $services/$name/control; $(wait_for $name 'state: held-down'); echo goes on" </dev/null
    check_that held_down_$name cmp -s out <(printf 'state: held-down\ncause: dies at once\nno mount\ngoes on\n')
    check_that held_down_${name}_is_told grep -q "^pith: $name died 8 times and is held down" err
done

# On a root on a disk reports are kept in a file.
if [[ -e $tree/build/rootfs ]] || archive_there; then
    truncate -s 64M root; mkdir -p tree/{bin,dev,proc,tmp,run,etc,var} && cp "$tree/build/busybox/bin/busybox" tree/bin/ &&
        ln -s busybox tree/bin/sh && PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 -d tree root
    run boot --rootfs root -- /bin/busybox sh -c "for name in console ext4; do
            echo kill > $services/\$name/control; done
        i=0; until [ -e /var/log/pith/crashes ] && [ \$(/bin/busybox grep -c '^crash' /var/log/pith/crashes) -ge 2 ]; do
            /bin/busybox sleep 0.1; i=\$((i + 1)); [ \$i -lt 200 ] || break; done
        /bin/busybox grep '^crash' /var/log/pith/crashes | /bin/busybox cut -d, -f1" </dev/null
    check_that reports_are_kept_on_disk cmp -s out <(printf 'crash 1: console\ncrash 2: ext4\n')
    PATH=$PATH:/sbin:/usr/sbin
    check_that disk_has_the_reports grep -q '^crash 2: ext4' <(debugfs -R 'cat /var/log/pith/crashes' root 2>/dev/null)
fi
