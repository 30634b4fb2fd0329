// SPDX-License-Identifier: MIT
// The files of /proc/net that are about interfaces, addresses and routes.
#include <algorithm>

#include "servers/linux/net/address.hpp"
#include "servers/linux/net/interfaces.hpp"
#include "servers/linux/vfs/proc/proc.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

std::string hex(u64 value, usize digits) {
    std::string text = hexadecimal(value);
    return text.size() < digits ? std::string(digits - text.size(), '0') + text : text;
}

/// An IPv4 address as these files have it: its bytes as a number of the machine's order.
std::string hex_address(const u8* bytes) {
    std::string text = hex(static_cast<u64>(bytes[3]) << 24 | static_cast<u64>(bytes[2]) << 16 |
                               static_cast<u64>(bytes[1]) << 8 | bytes[0],
                           8);
    for (char& c : text) c = c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
    return text;
}

/// One line of /proc/net/route: `flags` are RTF_*.
void add_route(Text& text, const std::string& name, const u8* to, const u8* gateway, u32 flags,
               const u8* mask) {
    text << name << '\t' << hex_address(to) << '\t' << hex_address(gateway) << '\t' << hex(flags, 4)
         << "\t0\t0\t0\t" << hex_address(mask) << "\t0\t0\t0\n";
}

}  // namespace

SysResult<std::string> proc_net_dev(const ProcSubject& subject, Thread&) {
    Text text;
    text << "Inter-|   Receive                                                |  Transmit\n"
            " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop "
            "fifo colls carrier compressed\n";
    for (const InterfaceView& link : interfaces_of(*subject.zone)) {
        text << std::string(link.name.size() < 6 ? 6 - link.name.size() : 0, ' ') << link.name << ": ";
        text.right(link.received_bytes, 7);
        text << ' ';
        text.right(link.received_packets, 7);
        text << "    0 ";
        text.right(link.receive_drops, 4);
        text << "    0     0          0         0 ";
        text.right(link.sent_bytes, 8);
        text << ' ';
        text.right(link.sent_packets, 7);
        text << "    0 ";
        text.right(link.send_drops, 4);
        text << "    0     0       0          0\n";
    }
    return text.take();
}

SysResult<std::string> proc_net_route(const ProcSubject& subject, Thread&) {
    constexpr u32 kUp = 1, kGateway = 2;
    static constexpr u8 kNone[4] = {};
    Text text;
    text << "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    const std::vector<InterfaceView> all = interfaces_of(*subject.zone);
    for (const InterfaceView& link : all)
        if (link.has_gateway4())
            add_route(text, link.name, kNone, link.gateway4.data(), kUp | kGateway, kNone);
    for (const InterfaceView& link : all) {
        for (const InterfaceAddress& address : link.addresses) {
            if (address.family != AF_INET_ || address.loopback() || address.prefix == 32) continue;
            u8 mask[4], to[4];
            for (u32 i = 0; i < 4; ++i) {
                mask[i] = static_cast<u8>(
                    ~(0xff >> (std::clamp<u32>(address.prefix, i * 8, i * 8 + 8) - i * 8)));
                to[i] = address.bytes[i] & mask[i];
            }
            add_route(text, link.name, to, kNone, kUp, mask);
        }
    }
    return text.take();
}

SysResult<std::string> proc_net_if_inet6(const ProcSubject& subject, Thread&) {
    constexpr u32 kHost = 0x10, kLink = 0x20, kPermanent = 0x80;
    Text text;
    for (const InterfaceView& link : interfaces_of(*subject.zone)) {
        for (const InterfaceAddress& address : link.addresses) {
            if (address.family != AF_INET6_) continue;
            for (const u8 byte : address.bytes) text << hex(byte, 2);
            text << ' ' << hex(link.index, 2) << ' ' << hex(address.prefix, 2) << ' '
                 << hex(address.loopback()     ? kHost
                        : address.link_local() ? kLink
                                               : 0,
                        2)
                 << ' ' << hex(address.lifetime == ~u32{0} ? kPermanent : 0, 2) << ' '
                 << std::string(link.name.size() < 8 ? 8 - link.name.size() : 0, ' ') << link.name << '\n';
        }
    }
    return text.take();
}

/// The stack keeps its neighbours to itself.
SysResult<std::string> proc_net_arp(const ProcSubject&, Thread&) {
    return std::string("IP address       HW type     Flags       HW address            Mask     Device\n");
}

}  // namespace pith::lx
