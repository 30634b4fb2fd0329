// SPDX-License-Identifier: MIT
#include "servers/linux/net/interfaces.hpp"

#include <algorithm>
#include <cstring>

#include "servers/linux/net/address.hpp"
#include "servers/linux/net/inet/network.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

u32 InterfaceAddress::size() const { return family == AF_INET_ ? 4 : 16; }

bool InterfaceAddress::link_local() const {
    if (family == AF_INET_) return bytes[0] == 169 && bytes[1] == 254;
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool InterfaceAddress::loopback() const {
    if (family == AF_INET_) return bytes[0] == 127;
    return bytes[15] == 1 && std::all_of(bytes.begin(), bytes.end() - 1, [](u8 byte) { return byte == 0; });
}

namespace {

InterfaceView loopback() {
    InterfaceView view{};
    view.name = "lo";
    view.index = kLoopbackIndex;
    view.hardware = kHardwareLoopback;
    view.flags = kInterfaceUp | kInterfaceLoopback | kInterfaceRunning | kInterfaceLowerUp;
    view.mtu = 65536;
    view.addresses = {{AF_INET_, 8, ~0u, {127, 0, 0, 1}}, {AF_INET6_, 128, ~0u, {}}};
    view.addresses[1].bytes[15] = 1;
    return view;
}

}  // namespace

InterfaceView view_of(const Net::Interface& interface, u32 index) {
    InterfaceView view{};
    view.name.assign(interface.name, strnlen(interface.name, sizeof interface.name - 1));
    view.index = index;
    view.hardware = kHardwareEthernet;
    view.flags = kInterfaceUp | kInterfaceBroadcast | kInterfaceMulticast;
    if ((interface.flags & Net::kUp) != 0) view.flags |= kInterfaceRunning | kInterfaceLowerUp;
    view.mtu = interface.mtu;
    std::ranges::copy(interface.hardware_address, view.hardware_address.begin());
    for (const Net::InterfaceAddress& address : interface.addresses) {
        const bool four = address.family == 4;
        if ((!four && address.family != 6) || address.prefix > (four ? 32 : 128)) continue;
        InterfaceAddress& added = view.addresses.emplace_back();
        added = {four ? AF_INET_ : AF_INET6_, address.prefix, address.lifetime, {}};
        std::copy_n(address.bytes, added.size(), added.bytes.begin());
    }
    std::ranges::copy(interface.gateway4, view.gateway4.begin());
    std::ranges::copy(interface.gateway6, view.gateway6.begin());
    view.received_packets = interface.received_frames;
    view.received_bytes = interface.received_bytes;
    view.receive_drops = interface.receive_drops;
    view.sent_packets = interface.sent_frames;
    view.sent_bytes = interface.sent_bytes;
    view.send_drops = interface.send_drops;
    return view;
}

std::vector<InterfaceView> interfaces_of(Zone& zone) {
    std::vector<InterfaceView> all = {loopback()};
    if (zone.network == nullptr) return all;
    for (const Net::Interface& interface : zone.network->configuration().interfaces) {
        if (interface.name[0] == 0) break;
        all.push_back(view_of(interface, static_cast<u32>(all.size()) + kLoopbackIndex));
    }
    return all;
}

}  // namespace pith::lx
