# SPDX-License-Identifier: MIT
# The Linux that benchmarks compare with: Debian's kernel 6.1, unpacked and never installed. Read by ./pith, whose functions it
# uses. build/linux-peer gets `vmlinux`, the kernel as its boot image has it compressed (which would take three times the
# boot to unpack in the guest), `modules/NAME.ko`, their names in `modules/order`, and `version`.

# What a disk on virtio with ext4 and a network interface on virtio take, each behind what it needs.
readonly linux_modules=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk crc16
    crc32c-intel mbcache jbd2 ext4 failover net_failover virtio_net)

# The newest kernel of the 6.1 series that apt knows.
linux_package() {
    local found
    found=$(apt-cache show linux-image-amd64 2>/dev/null |
        sed -n 's/^Depends:.*\(linux-image-6\.1\.[0-9.]*-[0-9]*-amd64\) .*/\1/p')
    [[ $found ]] || { echo "apt knows no linux-image-6.1" >&2; return 1; }
    echo "${found%%$'\n'*}"
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
    local name
    unpack_package linux_package && mv unpacked package && mkdir -p unpacked/modules &&
        unpack_kernel package/boot/vmlinuz-* >unpacked/vmlinux &&
        [[ $(head -c 4 unpacked/vmlinux) == $'\x7fELF' ]] || return
    for name in "${linux_modules[@]}"; do
        find package/lib/modules -name "$name.ko" -exec cp {} unpacked/modules/ \;
        [[ -s unpacked/modules/$name.ko ]] || { echo "the package has no module $name"; return 1; }
    done
    printf '%s\n' "${linux_modules[@]}" >unpacked/modules/order
    dpkg-deb -W --showformat='${Package} ${Version}\n' ./*.deb >unpacked/version
}

fetch_linux() {
    local order=$root/build/linux-peer/modules/order
    [[ -e $order && $(<"$order") == "$(printf '%s\n' "${linux_modules[@]}")" ]] && return
    say "fetching the Linux to compare with (package linux-image-amd64, 70 MB)"
    fetch linux-peer unpack_linux
}
