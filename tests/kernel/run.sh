#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh BUILD_DIRECTORY [CPUS...]: packs kernel_test as root and runs it on the kernel of that build, with 1, 2 and 4 CPUs
# (or those named). Prints the kernel's lines, then one line a configuration. TEST=NAME in the environment picks tests.
# QEMU_ARGUMENTS adds to the command line of the machine.
set -u
build=$1
shift
[ $# -gt 0 ] || set -- 1 2 4
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$build/tools/pith_bundle" --output "$directory/bundle" --component "root=$build/kernel_test.elf" || exit 2
status=0
for cpus in "$@"; do
    timeout -k 1 "${LIMIT:-120}" qemu-system-x86_64 -M q35 -cpu max -smp "$cpus" -m 128M -bios qboot.rom \
        -kernel "$build/kernel/pith-kernel.elf" -initrd "$directory/bundle" -append "test=${TEST:-}" \
        -display none -vga std -nodefaults -no-reboot -debugcon "file:$directory/log" -serial null \
        -device isa-debug-exit,iobase=0xf4,iosize=4 ${QEMU_ARGUMENTS:-} </dev/null
    ended=$?
    cat "$directory/log"
    if [ $ended -eq 1 ] && ! grep -q '^FAIL' "$directory/log" && grep -q '^kernel tests passed' "$directory/log"; then
        echo "ok kernel --smp $cpus: $(grep -c '^ok ' "$directory/log") tests"
    else
        echo "FAIL kernel --smp $cpus: QEMU ended with status $ended"
        status=1
    fi
done
exit $status
