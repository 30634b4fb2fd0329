// SPDX-License-Identifier: MIT
// ioctls of network interfaces (netdevice(7)): lo, and the stack's. Nothing can be changed by them.
#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "servers/linux/net/inet/ip.hpp"
#include "servers/linux/net/interfaces.hpp"
#include "servers/linux/net/socket.hpp"
#include "servers/linux/thread.hpp"

namespace pith::lx {

namespace {

constexpr u32 kGetName = 0x8910, kGetList = 0x8912, kGetFlags = 0x8913, kGetAddress = 0x8915,
              kGetPeer = 0x8917, kGetBroadcast = 0x8919, kGetMask = 0x891b, kGetMetric = 0x891d,
              kGetMtu = 0x8921, kGetHardware = 0x8927, kGetIndex = 0x8933, kGetQueueLength = 0x8942,
              kGetMap = 0x8970, kFirst = 0x890b, kLast = 0x89ff;
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

/// The first address of IPv4; nullptr: there is none.
const InterfaceAddress* address_of(const InterfaceView& of) {
    const auto found = std::ranges::find(of.addresses, AF_INET_, &InterfaceAddress::family);
    return found == of.addresses.end() ? nullptr : &*found;
}
u32 value_of(const InterfaceAddress& address) {
    InetAddress plain{.family = 4};
    std::memcpy(plain.bytes, address.bytes.data(), 4);
    return ipv4_value(plain);
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
SysResult<> list(Thread& thread, u64 argument) {
    struct List {
        i32 length;
        u32 padding;
        u64 buffer;
    };
    List asked = PITH_TRY(get<List>(thread, argument));
    if (asked.length < 0) return Errno::EINVAL;
    u64 done = 0;
    for (const InterfaceView& at : interfaces_of(thread.zone())) {
        const InterfaceAddress* const address = address_of(at);
        if (address == nullptr) continue;
        Request entry{};
        set_name(entry, at.name);
        put_address(entry, value_of(*address));
        if (asked.buffer != 0) {
            if (done + sizeof entry > static_cast<u64>(asked.length)) break;
            PITH_CHECK(put(thread, asked.buffer + done, entry));
        }
        done += sizeof entry;
    }
    asked.length = static_cast<i32>(done);
    return put(thread, argument, asked);
}

SysResult<> answer_address(Request& request, const InterfaceView& of, u32 command) {
    const InterfaceAddress* const address = address_of(of);
    if (address == nullptr) return Errno::EADDRNOTAVAIL;
    const u32 value = value_of(*address), mask = mask_of(address->prefix);
    if (command == kGetMask) put_address(request, mask);
    else if (command != kGetBroadcast) put_address(request, value);
    else put_address(request, of.loopback() ? 0 : value | ~mask);
    return {};
}

SysResult<> answer(Request& request, const InterfaceView& of, u32 command) {
    switch (command) {
        case kGetAddress:
        case kGetPeer:
        case kGetBroadcast:
        case kGetMask: return answer_address(request, of, command);
        case kGetFlags: put_value(request, static_cast<u16>(of.flags)); return {};
        case kGetMetric: put_value(request, i32{0}); return {};
        case kGetMtu: put_value(request, static_cast<i32>(of.mtu)); return {};
        case kGetIndex: put_value(request, static_cast<i32>(of.index)); return {};
        case kGetQueueLength: put_value(request, i32{1000}); return {};
        case kGetMap: put_value(request, u64{0}); return {};
        case kGetHardware:
            put_value(request, of.hardware);
            std::memcpy(request.value + 2, of.hardware_address.data(), of.hardware_address.size());
            return {};
        default: return Errno::EINVAL;
    }
}

/// The one that `wanted` says yes to.
template <typename Wanted>
std::optional<InterfaceView> find_interface(Thread& thread, Wanted wanted) {
    std::vector<InterfaceView> all = interfaces_of(thread.zone());
    const auto found = std::ranges::find_if(all, wanted);
    if (found == all.end()) return std::nullopt;
    return std::move(*found);
}

/// What only internet sockets answer.
bool about_addresses(u32 command) {
    return command == kGetAddress || command == kGetPeer || command == kGetBroadcast || command == kGetMask;
}

bool known_command(u32 command) {
    constexpr u32 kKnown[] = {kGetFlags, kGetAddress, kGetPeer,     kGetBroadcast,   kGetMask, kGetMetric,
                              kGetMtu,   kGetIndex,   kGetHardware, kGetQueueLength, kGetMap};
    return std::ranges::find(kKnown, command) != std::end(kKnown);
}

}  // namespace

Async<u64> interface_ioctl(Thread& thread, u16 family, u32 command, u64 argument) {
    const bool internet = family == AF_INET_ || family == AF_INET6_;
    if (command < kFirst || command > kLast || (!internet && about_addresses(command))) return Errno::ENOTTY;
    if (command == kGetList) {
        PITH_CHECK(list(thread, argument));
        return u64{0};
    }
    if (command == kGetName) {
        Request request = PITH_TRY(get<Request>(thread, argument));
        u32 index;
        std::memcpy(&index, request.value, sizeof index);
        const auto found = find_interface(thread, [&](const InterfaceView& of) { return of.index == index; });
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
    const auto found = find_interface(thread,
                                      [&](const InterfaceView& of) { return of.name == request.name; });
    if (!found) return Errno::ENODEV;
    PITH_CHECK(answer(request, *found, command));
    PITH_CHECK(put(thread, argument, request));
    return u64{0};
}

}  // namespace pith::lx
