// SPDX-License-Identifier: MIT
// ioctls of network interfaces (netdevice(7)), which any internet socket answers: lo, and the stack's. Nothing can be changed by them.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "servers/linux/net/inet/inet_socket.hpp"
#include "servers/linux/thread.hpp"

namespace pith::lx {

namespace {

constexpr u32 kGetName = 0x8910, kGetList = 0x8912, kGetFlags = 0x8913, kGetAddress = 0x8915,
              kGetPeer = 0x8917, kGetBroadcast = 0x8919, kGetMask = 0x891b, kGetMetric = 0x891d,
              kGetMtu = 0x8921, kGetHardware = 0x8927, kGetIndex = 0x8933, kGetQueueLength = 0x8942,
              kGetMap = 0x8970, kFirst = 0x890b, kLast = 0x89ff;
constexpr u16 kUpFlag = 0x1, kBroadcastFlag = 0x2, kLoopbackFlag = 0x8, kRunning = 0x40,
              kMulticastFlag = 0x1000;
constexpr u16 kHardwareEthernet = 1, kHardwareLoopback = 772;
constexpr usize kNameSize = 16;

/// struct ifreq.
struct Request {
    char name[kNameSize];
    u8 value[24];
};
static_assert(sizeof(Request) == 40);

void set_name(Request& request, std::string_view name) {
    std::memset(request.name, 0, kNameSize);
    std::memcpy(request.name, name.data(), std::min(name.size(), kNameSize - 1));
}

/// What lo and an interface of the stack have in common.
struct Interface {
    u32 index;
    const char* name;
    u16 flags;
    u32 mtu;
    u32 address = 0, mask = 0, broadcast = 0;  ///< of IPv4; 0: none
    u8 hardware[6] = {};
    bool loopback = false;
};

Interface loopback() {
    return {.index = 1,
            .name = "lo",
            .flags = kUpFlag | kLoopbackFlag | kRunning,
            .mtu = 65536,
            .address = 0x7f000001,
            .mask = 0xff000000,
            .loopback = true};
}

/// The interface number `index`, from 1 on. Nothing: there is none.
std::optional<Interface> interface_at(Network& network, u32 index) {
    if (index == 1) return loopback();
    const NetSockets::Configuration& known = network.configuration();
    if (index < 2 || index - 2 >= Net::kMaxInterfaces || known.interfaces[index - 2].name[0] == 0)
        return std::nullopt;
    const Net::Interface& of = known.interfaces[index - 2];
    Interface result{
        .index = index, .name = of.name, .flags = kUpFlag | kBroadcastFlag | kMulticastFlag, .mtu = of.mtu};
    if ((of.flags & Net::kUp) != 0) result.flags |= kRunning;
    std::memcpy(result.hardware, of.hardware_address, sizeof result.hardware);
    for (const Net::InterfaceAddress& entry : of.addresses) {
        if (entry.family != 4) continue;
        InetAddress address{.family = 4};
        std::memcpy(address.bytes, entry.bytes, 4);
        result.address = ipv4_value(address);
        result.mask = entry.prefix == 0 ? 0 : ~u32{0} << (32 - std::min<u32>(entry.prefix, 32));
        result.broadcast = result.address | ~result.mask;
        break;
    }
    return result;
}

void put_address(Request& request, u32 address) {
    const SocketAddress name = for_program(ipv4_address(address), AF_INET_);
    std::memset(request.value, 0, sizeof request.value);
    std::memcpy(request.value, name.bytes, name.length);
}

template <typename T>
void put_value(Request& request, T value) {
    std::memset(request.value, 0, sizeof request.value);
    std::memcpy(request.value, &value, sizeof value);
}

/// struct ifconf: a length, and where that many bytes of Requests may go. Only interfaces that have an address are in it.
SysResult<> list(Thread& thread, Network& network, u64 argument) {
    struct List {
        i32 length;
        u32 padding;
        u64 buffer;
    };
    List asked = PITH_TRY(get<List>(thread, argument));
    if (asked.length < 0) return Errno::EINVAL;
    u64 done = 0;
    for (u32 index = 1;; ++index) {
        const std::optional<Interface> at = interface_at(network, index);
        if (!at) break;
        if (at->address == 0) continue;
        Request entry{};
        set_name(entry, at->name);
        put_address(entry, at->address);
        if (asked.buffer != 0) {
            if (done + sizeof entry > static_cast<u64>(asked.length)) break;
            PITH_CHECK(put(thread, asked.buffer + done, entry));
        }
        done += sizeof entry;
    }
    asked.length = static_cast<i32>(done);
    return put(thread, argument, asked);
}

SysResult<> answer(Request& request, const Interface& of, u32 command) {
    switch (command) {
        case kGetFlags: put_value(request, of.flags); return {};
        case kGetAddress:
            if (of.address == 0) return Errno::EADDRNOTAVAIL;
            put_address(request, of.address);
            return {};
        case kGetPeer:
            if (of.address == 0) return Errno::EADDRNOTAVAIL;
            put_address(request, of.address);
            return {};
        case kGetBroadcast:
            if (of.address == 0) return Errno::EADDRNOTAVAIL;
            put_address(request, of.broadcast);
            return {};
        case kGetMask:
            if (of.address == 0) return Errno::EADDRNOTAVAIL;
            put_address(request, of.mask);
            return {};
        case kGetMetric: put_value(request, i32{0}); return {};
        case kGetMtu: put_value(request, static_cast<i32>(of.mtu)); return {};
        case kGetIndex: put_value(request, static_cast<i32>(of.index)); return {};
        case kGetQueueLength: put_value(request, i32{1000}); return {};
        case kGetMap: put_value(request, u64{0}); return {};
        case kGetHardware:
            put_value(request, of.loopback ? kHardwareLoopback : kHardwareEthernet);
            std::memcpy(request.value + 2, of.hardware, sizeof of.hardware);
            return {};
        default: return Errno::EINVAL;
    }
}

bool known_command(u32 command) {
    constexpr u32 kKnown[] = {kGetFlags, kGetAddress, kGetPeer,     kGetBroadcast,   kGetMask, kGetMetric,
                              kGetMtu,   kGetIndex,   kGetHardware, kGetQueueLength, kGetMap};
    return std::ranges::find(kKnown, command) != std::end(kKnown);
}

}  // namespace

Async<u64> InetSocket::ioctl(Thread& thread, u32 command, u64 argument) {
    if (command < kFirst || command > kLast) return Socket::ioctl(thread, command, argument);
    if (command == kGetList) {
        PITH_CHECK(list(thread, network, argument));
        return u64{0};
    }
    if (command == kGetName) {
        Request request = PITH_TRY(get<Request>(thread, argument));
        u32 index;
        std::memcpy(&index, request.value, sizeof index);
        const std::optional<Interface> found = interface_at(network, index);
        if (!found) return Errno::ENODEV;
        set_name(request, found->name);
        PITH_CHECK(put(thread, argument, request));
        return u64{0};
    }
    if (!known_command(command)) {
        // What would change an interface or a route is not for programs.
        const bool changes = command == 0x890b || command == 0x890c ||
                             (command >= 0x8914 && command < 0x8940);
        return changes ? Errno::EPERM : Errno::ENOTTY;
    }
    Request request = PITH_TRY(get<Request>(thread, argument));
    request.name[kNameSize - 1] = 0;
    const std::optional<Interface> found = interface_at(network, network.interface_index(request.name));
    if (!found) return Errno::ENODEV;
    PITH_CHECK(answer(request, *found, command));
    PITH_CHECK(put(thread, argument, request));
    return u64{0};
}

}  // namespace pith::lx
