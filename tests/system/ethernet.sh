# SPDX-License-Identifier: MIT
# A network interface: a component tests it from inside (tests/network/ethernet_test) on QEMU's user network, while its driver and the
# devices server are killed; then on other devices: without indirect descriptors, without what a device need not have, with another MTU.
. "$PITH_TREE/tests/system/lib.sh"

"$tools/pith_manifest" compile --tree "$tree" --system ethernet --output system &&
    "$tools/pith_bundle" --output bundle --composition system --components "$build" || { echo "FAIL pack: no bundle"; exit 0; }

# Takes the carrier away, and gives it back, each when the test asks for it.
carrier() {
    local wanted
    for wanted in off on; do
        until grep -qsx "    carrier $wanted" out; do sleep 0.05; done
        perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && connect(S, sockaddr_un($ARGV[0])) or die;
            $| = 1; sub prompt { my $all = ""; sysread(S, $all, 4096, length $all) or die until $all =~ /\(qemu\) $/ }
            prompt(); syswrite(S, "set_link network $ARGV[1]\n"); prompt()' "$1" "$wanted"
    done
}

# on NAME MTU PROPERTIES OPTION...: all of the test on a device with these further properties, whose driver has to find that MTU.
on() {
    local name=$1 mtu=$2 properties=$3 helper; shift 3
    mkdir -p "$name"
    cat >"$name/qemu-system-x86_64" <<SCRIPT
#!/bin/bash
exec "$(type -P qemu-system-x86_64)" "\${@/#virtio-net-pci/virtio-net-pci$properties}" \\
    -monitor "unix:$work/$name/monitor,server=on,wait=off"
SCRIPT
    chmod +x "$name/qemu-system-x86_64"
    rm -f out
    carrier "$name/monitor" & helper=$!
    # QEMU complains on stderr of what the test does to the device, and the runner's status says so.
    PATH=$work/$name:$PATH run "${runner[@]}" --bare --bundle bundle --timeout 100 --network "$@" </dev/null
    kill "$helper" 2>/dev/null
    wait "$helper" 2>/dev/null
    sed -n "s/^ok /ok ${name}_/p; s/^FAIL /FAIL ${name}_/p; /^    /p" out
    check_that "${name}_mtu" grep -qx "    mtu $mtu" out
    check_that "${name}_tests_end" grep -qx 'ethernet tests passed' out
}
on usual 1500 ''
on direct 1500 ,indirect_desc=off,host_mtu=9000
on plain 1500 ,ctrl_vq=off,csum=off,event_idx=off --no-iommu
on narrow 600 ,host_mtu=600,rx_queue_size=512
