# SPDX-License-Identifier: MIT
# The Linux that benchmarks compare with: Debian's kernel 6.1, unpacked and never installed. Read by ./pith, whose functions it
# uses. build/linux-peer gets `vmlinux`, the kernel as its boot image has it compressed (which would take three times the
# boot to unpack in the guest), `modules/NAME.ko`, and `version`.

# Modules that a guest may load (tools/measure/linux_peer.cpp says in which order).
readonly linux_modules=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk crc16
    crc32c-intel mbcache jbd2 ext4)

# The newest kernel of the 6.1 series that apt knows.
linux_package() {
    apt-cache show linux-image-amd64 2>/dev/null |
        sed -n 's/^Depends:.*\(linux-image-6\.1\.[0-9.]*-[0-9]*-amd64\) .*/\1/p' | head -n 1
}

# unpack_kernel BZIMAGE: the ELF file inside (Documentation/x86/boot.rst: setup_sects, payload_offset, payload_length).
unpack_kernel() {
    local sectors offset length
    sectors=$(od -An -tu1 -j 497 -N 1 "$1") && offset=$(od -An -tu4 -j 584 -N 4 "$1") &&
        length=$(od -An -tu4 -j 588 -N 4 "$1") || return
    # Its last four bytes are the size of what is unpacked.
    dd if="$1" bs=64K iflag=skip_bytes,count_bytes skip=$(((sectors + 1) * 512 + offset)) count=$((length - 4)) \
        status=none | xz -dc
}

unpack_linux() {
    local package name
    package=$(linux_package)
    if [[ ! $package ]] || ! apt-get -q download "$package"; then
        local sudo=; ((EUID == 0)) || sudo=sudo
        $sudo apt-get -q -o DPkg::Lock::Timeout=400 update
        package=$(linux_package)
        [[ $package ]] || { echo "apt knows no linux-image-6.1"; return 1; }
        apt-get -q download "$package" || return
    fi
    dpkg-deb -x ./*.deb unpacked && mkdir -p peer/modules && unpack_kernel unpacked/boot/vmlinuz-* >peer/vmlinux &&
        [[ $(head -c 4 peer/vmlinux) == $'\x7fELF' ]] || return
    for name in "${linux_modules[@]}"; do
        find unpacked/lib/modules -name "$name.ko" -exec cp {} peer/modules/ \;
        [[ -s peer/modules/$name.ko ]] || { echo "$package has no module $name"; return 1; }
    done
    printf '%s\n' "$package $(dpkg-deb -f ./*.deb Version)" >peer/version
}

fetch_linux() {
    local log="$root/build/linux-peer.log" directory
    [[ -e $root/build/linux-peer/version ]] && return
    say "fetching the Linux to compare with (package linux-image-amd64, 70 MB)"
    directory=$(mktemp -d "$root/build/linux-peer.XXXXXX") || exit 1
    (cd "$directory" && unpack_linux >"$log" 2>&1) ||
        { cat "$log" >&2; say "could not fetch Linux 6.1"; rm -rf "$directory"; exit 1; }
    rm -rf "$root/build/linux-peer"
    mv "$directory/peer" "$root/build/linux-peer" && rm -rf "$directory"
}
