# SPDX-License-Identifier: MIT
# What the scripts net_*.sh share: a guest with Debian's network programs on its root, driven from this host. PITH_GUEST=linux takes
# Debian's Linux 6.1 for it (which ./pith bench net fetches): there all of them must pass too.
. "$PITH_TREE/tests/system/lib.sh"

net_packages=(redis-server redis-tools lighttpd curl wget python3 iperf3 netcat-openbsd socat openssh-server
    openssh-client iproute2 busybox)
readonly host_address=10.0.2.2 guest_address=10.0.2.15
children=()
trap 'end_children; rm -rf "$work"' EXIT

end_children() {
    local child
    for child in "${children[@]}"; do kill "$child" 2>/dev/null; done
    for child in "${children[@]}"; do wait "$child" 2>/dev/null; done
    children=()
}

# until_ok SECONDS COMMAND...: again and again until it succeeds. Fails when the time is over, or the guest has ended.
until_ok() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) && { [[ ! ${guest-} ]] || kill -0 "$guest" 2>/dev/null; } || return 1
        sleep 0.1
    done
}

# boot_linux IMAGE SCRIPT HOST:GUEST...: Linux as the guest, with the same root.
boot_linux() {
    local image=$1 peer=$tree/build/linux-peer forwards= forward
    mkdir -p initramfs/{bin,dev,mnt,modules,proc}
    cp "$tree/build/busybox/bin/busybox" initramfs/bin/
    cp "$peer"/modules/*.ko initramfs/modules/
    {
        printf '%s\n' '#!/bin/busybox sh' 'busybox() { /bin/busybox "$@"; }' 'busybox stty -opost -echo' \
            'busybox mount -t devtmpfs none /dev' 'busybox mount -t proc none /proc'
        sed 's|.*|busybox insmod /modules/&.ko|' "$peer/modules/order"
        printf '%s\n' 'busybox ifconfig lo 127.0.0.1 up' "busybox ifconfig eth0 $guest_address netmask 255.255.255.0 up" \
            "busybox route add default gw $host_address" 'busybox mount -t ext4 /dev/vda /mnt' \
            'for name in dev proc; do busybox mount -o move /$name /mnt/$name; done' 'busybox mkdir -p /mnt/dev/pts /mnt/dev/shm' \
            'busybox mount -t devpts -o mode=620,ptmxmode=666 none /mnt/dev/pts' 'busybox ln -sf pts/ptmx /mnt/dev/ptmx' \
            'busybox mount -t tmpfs none /mnt/run' 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root' \
            'busybox chroot /mnt /bin/sh -c "$(busybox cat /script)"; status=$?' 'echo "=== status $status"' 'busybox sync' \
            'busybox reboot -f'
    } >initramfs/init
    printf '%s' "$2" >initramfs/script
    chmod 755 initramfs/init
    (cd initramfs && find . | "$tree/build/busybox/bin/busybox" cpio -o -H newc 2>/dev/null) >initramfs.cpio
    shift 2
    for forward; do forwards+=,hostfwd=tcp:127.0.0.1:${forward%:*}-:${forward#*:}; done
    LD_PRELOAD=$tools/listen_backlog.so exec qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -machine q35 -cpu max -bios qboot.rom -m 512M \
        -smp "$PITH_SMP" -display none -accel tcg -kernel "$peer/vmlinux" -initrd initramfs.cpio \
        -append "console=ttyS0 loglevel=1 panic=-1 clearcpuid=erms,fsrm" -serial stdio \
        -drive "if=none,id=root,format=raw,file=$image" -device virtio-blk-pci,drive=root,disable-legacy=on \
        -netdev "user,id=net$forwards" -device virtio-net-pci,netdev=net,disable-legacy=on
}

# start_guest SCRIPT HOST:GUEST...: a guest that runs SCRIPT by its /bin/sh, with these ports forwarded to it. Its streams are the files
# guest.in (a pipe, open as descriptor 7 here), guest.out and guest.err. `wait_for_end` in SCRIPT ends when stop_guest is called.
start_guest() {
    local script=$1 forward options=()
    shift
    if ! debian_root "${net_packages[@]}"; then
        if archive_there; then fail_test "${0##*/}" "no image"; else echo 'not tested: the package archive is not reached'; fi
        exit 0
    fi
    cp --sparse=always "$debian_root" root.img || exit
    script="wait_for_end() { read -r line; }
$script"
    rm -f guest.in guest.out guest.err; mkfifo guest.in
    for forward; do options+=("--forward=$forward"); done
    if [[ ${PITH_GUEST-} == linux ]]; then
        (boot_linux root.img "$script" "$@") <guest.in >guest.out 2>guest.err &
    else
        boot --bundle "$build/storage.bundle" --network --mem 512M --timeout 300 --rootfs root.img "${options[@]}" -- /bin/sh -c "$script" <guest.in >guest.out 2>guest.err &
    fi
    guest=$!
    children+=("$guest")
    exec 7>guest.in
}

# guest_says LINE [SECONDS]: waits until the guest has printed such a line.
guest_says() { until_ok "${2-60}" grep -aqx "$1" guest.out; }

# stop_guest: the guest is to end by itself, within a minute.
stop_guest() {
    echo end >&7
    exec 7>&-
    if until_gone 60; then
        wait "$guest"
        guest_status=$?
    else
        kill "$guest"; wait "$guest"
        guest_status=late
    fi
    children=("${children[@]/$guest}")
    if [[ ${PITH_GUEST-} == linux ]]; then
        guest_status=$(sed -n 's/^=== status //p' guest.out)
        sed -i '/^=== status/,$d; /^end$/d' guest.out
    fi
    guest=
    check_that "${1-guest}_ends" test "$guest_status" = 0
}
until_gone() {
    local end=$((SECONDS + $1))
    while kill -0 "$guest" 2>/dev/null; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

# show_guest: what it said, for a failure.
show_guest() { tail -n 20 guest.out guest.err | cut -c1-200 | sed 's/^/    /'; }

# serve_files DIRECTORY VARIABLE: an HTTP server on this host, which the guest reaches as $host_address; the variable gets its port.
serve_files() {
    free_port "$2"
    "$tree/build/busybox/bin/busybox" httpd -f -p "127.0.0.1:${!2}" -h "$1" &
    children+=("$!")
    until_ok 20 curl -s -o /dev/null "http://127.0.0.1:${!2}/"
}
