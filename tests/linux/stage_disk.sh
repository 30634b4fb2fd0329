#!/bin/bash
# SPDX-License-Identifier: MIT
# Makes the disk of suite linux: stage_disk.sh TREE BUILD ROOT IMAGE. IMAGE becomes an ext4 file system as Debian's mke2fs makes it: what stage.sh
# has put into ROOT, more of the host's packages, and the tests, from BUILD/linux-tests and BUILD/linux-disk-tests, as
# /tests and /disk-tests. What is there is kept if nothing of it has changed.
set -u -o pipefail
tree=$(realpath "$1") build=$(realpath "$2") root=$(realpath "$3") image=$(realpath "$4")
packages=(sqlite3 lua5.4 xz-utils less findutils diffutils tar gawk gcc-12 cpp-12 libgcc-12-dev binutils-x86-64-linux-gnu libc6-dev
    linux-libc-dev)
links=(gcc cc cpp as ld ar nm ranlib strip objdump sqlite3 lua5.4 xz xzcat unxz less find xargs diff cmp diff3 sdiff)
newer() { [[ ! -e $image || -n $(find "$@" -newer "$image" -print -quit) ]]; }
newer "$0" "$root.whole" /var/lib/dpkg/status "$build/linux-tests" "$build/linux-disk-tests" "$tree/tests/linux/run.sh" "$tree/systems/rootfs" ||
    exit 0

work=$(mktemp -d "$build/linux-disk.XXXXXX") || exit
trap 'rm -rf "$work" "$image.new"' EXIT
cp -al "$root/." "$work" || cp -a "$root/." "$work" || exit
files=() programs=()
for name in "${links[@]}"; do
    path=$(PATH=/usr/bin:/bin type -P "$name") || { echo "no program $name on this host" >&2; exit 1; }
    files+=("$path")
done
while IFS= read -r file; do
    [[ $file != /usr/share/* && $file != */lto1 && $file != */lto-wrapper && -f $file ]] || continue
    files+=("$file")
done < <(dpkg -L "${packages[@]}")
files+=(/lib/x86_64-linux-gnu/libmvec.so.1)  # named by the linker script of libm
for file in "${files[@]}"; do
    [[ ! -x $file || $(head -c 4 "$file" | tail -c 3) != ELF ]] || programs+=("$(readlink -f "$file")" "$file")
done
needed=$("$tree/tools/runner/needed_libraries.sh" "${programs[@]}") || exit
while IFS=: read -r host guest; do files+=("$guest"); done <<<"$needed"
(cd / && printf '%s\0' "${files[@]}" | sort -zu | xargs -0 cp -pL --parents --remove-destination -t "$work" --) || exit
mkdir -p "$work"/{dev,proc,sys,run,tmp,root,etc,mnt,bin} || exit
for name in bin sbin lib lib64; do  # as Debian has them
    mkdir -p "$work/usr/$name" && { [[ ! -e $work/$name ]] || cp -al --remove-destination "$work/$name/." "$work/usr/$name"; } &&
        rm -rf "${work:?}/$name" && ln -s "usr/$name" "$work/$name" || exit
done
chmod 1777 "$work/tmp" && chmod 700 "$work/root" || exit
cp -rT "$tree/systems/rootfs" "$work" && cp "$tree/build/busybox/bin/busybox" "$work/bin/" &&
    ln -sf dash "$work/bin/sh" && cp "$tree/tests/linux/run.sh" "$work" &&
    cp -r "$build/linux-tests" "$work/tests" && cp -r "$build/linux-disk-tests" "$work/disk-tests" || exit
rm -f "$image.new"
PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -E root_owner=0:0 -d "$work" "$image.new" 1G && mv "$image.new" "$image"
