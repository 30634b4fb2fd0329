#!/bin/bash
# SPDX-License-Identifier: MIT
# populate.sh WORK IMAGE MIB [PACKAGE...]: installs Debian's essential packages and those asked for into WORK/root, and
# makes the ext4 file system IMAGE of it, of so many MiB (0: as many as it takes). Runs as root, perhaps as that of a
# user namespace. WORK holds the apt sources, machine.list or machine.sources, and apt.conf. An error that is fully
# told by one line is written to WORK/error. PITH_NAMESPACE is not empty where mounts end with this script.
set -eu -o pipefail
shopt -s nullglob dotglob

readonly work=$1 image=$2 mib=$3
shift 3
here=$(dirname "$(readlink -f "$0")")
readonly here tree=$work/root skeleton=$here/../../systems/rootfs
readonly spare=512  # MiB that are free in an image without a size
in_memory=
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8
umask 022

fail() { printf '%s\n' "$*" >"$work/error"; exit 1; }

# Where there is plenty of memory, and nobody said where temporary files belong, the tree is there: that is faster by
# far. The mount ends with the namespace, so it takes one.
choose_place() {
    mkdir "$tree"
    local available
    available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    [[ $PITH_NAMESPACE && -z ${TMPDIR-} ]] && ((available >= 8 << 20)) || return 0
    ! mount -t tmpfs -o "mode=755,size=$((available / 2))k" tmpfs "$tree" 2>/dev/null || in_memory=yes
}

install_packages() {
    local options=(--mode=unshare --variant=essential --architectures=amd64 --format=directory --verbose)
    # Where nothing can be mounted, mmdebstrap does without.
    unshare --mount --propagation unchanged true 2>/dev/null || options[0]=--mode=root
    (($# == 0)) || options+=(--include="$*")
    PITH_WORK=$work PITH_PACKAGES="$*" mmdebstrap "${options[@]}" --aptopt="$work/apt.conf" \
        --dpkgopt=force-unsafe-io --setup-hook="$here/check_packages.sh" bookworm "$tree" "$work"/machine.* && return
    [[ -z $in_memory || $(stat -f -c %a "$tree") -ge 256 ]] ||
        fail "the packages do not fit into memory; TMPDIR=/var/tmp ./pith rootfs ... installs them there"
    exit 1
}

configure() {
    local file
    for file in hostname hosts resolv.conf; do
        rm -f "$tree/etc/$file"
        install -m 644 "$skeleton/etc/$file" "$tree/etc/$file"
    done
    printf 'UUID=%s / ext4 errors=remount-ro 0 1\n' "$1" >"$tree/etc/fstab"
    # root without a password. Without package passwd there is no /etc/shadow.
    file=$tree/etc/shadow
    [[ -e $file ]] || file=$tree/etc/passwd
    sed -i 's/^root:[^:]*:/root::/' "$file"
}

# What belongs to how the image was made.
remove_traces() {
    rm -f "$tree"/etc/apt/apt.conf.d/99mmdebstrap "$tree"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
    rm -f "$tree"/var/cache/debconf/*-old "$tree"/var/lib/dpkg/*-old
    rm -rf --one-file-system "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/dev/*  # /dev is mounted over
    [[ -e $tree/usr/bin/apt-get ]] ||
        rm -rf "$tree"/etc/apt/{sources.list,sources.list.d,preferences.d} "$tree"/var/{lib,cache,log}/apt
}

# Whether mke2fs could make the image; so many MiB, with that UUID.
make_file_system() { mke2fs -q -t ext4 -U "$2" -d "$tree" "$image" "$1M"; }

# content: MiB that the files take, and how many files there are.
measure() {
    find "$tree" -printf '%s\n' | awk '{ blocks += int(($1 + 4095) / 4096) } END { print int(blocks / 256) + 1, NR }'
}

main() {
    local uuid content files size=$mib
    uuid=$(</proc/sys/kernel/random/uuid)
    choose_place
    export TMPDIR=$work  # what others leave there goes with it
    install_packages "$@"
    configure "$uuid"
    remove_traces
    read -r content files < <(measure)
    if ((mib == 0)); then
        # Journal, inode tables and what is reserved for root take 64 MiB and 8 %; mke2fs makes an inode every 16 KiB.
        size=$(((content + spare + 64) * 100 / 92))
        ((size >= files / 32)) || size=$((files / 32))
        size=$(((size + 63) / 64 * 64))
    fi
    make_file_system "$size" "$uuid" || {
        ((mib == 0)) || fail "could not be made with --size ${mib}M: its files take ${content}M"
        exit 1
    }
}

main "$@"
