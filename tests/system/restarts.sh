# SPDX-License-Identifier: MIT
# A thousand restarts of each component: free memory, kernel objects and capabilities are then exactly what they were. What the Linux server itself grows by
# on the way is not the restarts': so they are counted again if need be, and a second thousand must take nothing.
. "$PITH_TREE/tests/system/lib.sh"
times=${PITH_RESTARTS:-1000}

cat >restarts.sh <<'E2'
name=$1 times=$2
again() {
    i=0
    while [ $i -lt $times ]; do
        if [ $name = supervisor ]; then
            # It answers first.
            before=$(sed -n 's/^restarts: //p' /proc/pith/services/$name/status)
            echo kill >/proc/pith/services/$name/control
            while grep -qx "restarts: $before" /proc/pith/services/$name/status; do :; done
        else
            echo restart >/proc/pith/services/$name/control || { echo refused; exit; }
        fi
        i=$((i + 1))
    done
    # Until it serves again, and its clients have what they want of it.
    sleep 0.5; echo $n >/mnt/file; sync; sleep 0.5
}
n=0
times_wanted=$times; times=20; again; times=$times_wanted
a=$(cat /proc/pith/kernel)
for n in 1 2 3; do
    again
    b=$(cat /proc/pith/kernel)
    [ "$a" != "$b" ] || { echo same; exit; }
    c=$a; a=$b
done
echo "$c"; echo ---; echo "$b"
E2
truncate -s 16M disk; PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 disk
for name in ${PITH_COMPONENTS:-log uart16550 console devices virtio_blk ext4 virtio_net net supervisor}; do
    run boot --timeout 500 --bundle "$build/storage.bundle" --network --disk disk --add restarts.sh -- sh -c "mkdir -p /mnt; mount -t ext4 /dev/vda /mnt && sh restarts.sh $name $times
        grep '^restarts\|^deaths' /proc/pith/services/$name/status" </dev/null
    restarts=$(sed -n 's/^restarts: //p' out)
    check_that restarts_of_$name test "$(head -1 out)" = same -a "${restarts:-0}" -ge "$times"
done
