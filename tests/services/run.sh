#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh BUILD_DIRECTORY [CPUS...]: boots a system of the log, a component that dies as told and one that tests, with 1, 2
# and 4 CPUs (or those named). Prints a line a test, then one line a configuration.
set -u
build=$1
tree=$(cd "$(dirname "$0")/../.." && pwd)
shift
[ $# -gt 0 ] || set -- 1 2 4
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$build/tools/pith_manifest" compile --tree "$tree" --system services_test \
    --output "$directory/system" || exit 2
"$build/tools/pith_bundle" --output "$directory/bundle" --composition "$directory/system" --components "$build" || exit 2
status=0
for cpus in "$@"; do
    timeout -k 1 "${LIMIT:-100}" qemu-system-x86_64 -M q35 -cpu max -smp "$cpus" -m "${MEMORY:-32M}" -bios qboot.rom \
        -kernel "$build/kernel/pith-kernel.elf" -initrd "$directory/bundle" \
        -display none -vga none -nodefaults -no-reboot -debugcon "file:$directory/log" -serial null \
        -device isa-debug-exit,iobase=0xf4,iosize=4 ${QEMU_ARGUMENTS:-} </dev/null
    ended=$?
    cat "$directory/log"
    if [ $ended -eq 1 ] && ! grep -q '^FAIL' "$directory/log" && grep -q '^services tests passed' "$directory/log"; then
        echo "ok services --smp $cpus: $(grep -c '^ok ' "$directory/log") tests"
    else
        echo "FAIL services --smp $cpus: QEMU ended with status $ended"
        status=1
    fi
done
exit $status
