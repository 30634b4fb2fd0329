// SPDX-License-Identifier: MIT
// Options of level SOL_SOCKET.
#include "servers/linux/net/options.hpp"

#include <algorithm>
#include <cstring>

#include "servers/linux/net/socket.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/types.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr i32 kMostBuffer = 212992, kLeastSendBuffer = 4608, kLeastReceiveBuffer = 2304;
constexpr i32 kLastFreePriority = 6;

struct Linger {
    i32 on, seconds;
};

i32 buffer_size(i32 asked, i32 least, bool forced) {
    if (asked < 0 && forced) asked = 0;
    u32 size = static_cast<u32>(asked);
    if (!forced) size = std::min(size, static_cast<u32>(kMostBuffer));
    size = std::min(size, 0x3fff'ffffu);
    return std::max(static_cast<i32>(size * 2), least);
}

SysResult<Time> to_timeout(std::span<const u8> value) {
    Timeval time;
    if (value.size() < sizeof time) return Errno::EINVAL;
    std::memcpy(&time, value.data(), sizeof time);
    if (time.microseconds < 0 || time.microseconds >= 1'000'000) return Errno::EDOM;
    if (time.seconds < 0) return Time{1};  // at once
    constexpr i64 kMost = 1'000'000'000;
    if (time.seconds >= kMost) return Time{0};
    return static_cast<Time>(time.seconds) * 1'000'000'000 + static_cast<Time>(time.microseconds) * 1000;
}

void append(std::vector<u8>& to, const void* from, usize size) {
    const auto* bytes = static_cast<const u8*>(from);
    to.insert(to.end(), bytes, bytes + size);
}

void append_timeout(std::vector<u8>& to, Time timeout) {
    const Timeval time{static_cast<i64>(timeout / 1'000'000'000),
                       timeout == 1 ? 0 : static_cast<i64>(timeout % 1'000'000'000 / 1000)};
    append(to, &time, sizeof time);
}

/// The flag that an option switches; null: it is none of those.
bool* flag_of(SocketOptions& options, i32 name) {
    switch (name) {
        case kSoDebug: return &options.debug;
        case kSoReuseAddress: return &options.reuse_address;
        case kSoReusePort: return &options.reuse_port;
        case kSoKeepAlive: return &options.keep_alive;
        case kSoBroadcast: return &options.broadcast;
        case kSoNoCheck: return &options.no_check;
        case kSoOutOfBandInline: return &options.out_of_band_inline;
        case kSoPassCredentials: return &options.pass_credentials;
        case kSoTimestamp:
        case kSoTimestampNew: return &options.timestamp;
        case kSoTimestampNs:
        case kSoTimestampNsNew: return &options.timestamp_ns;
        case kSoDontRoute: return &options.dont_route;
        case kSoReceiveOverflow: return &options.receive_overflow;
        default: return nullptr;
    }
}

SysResult<> set_flag(const Thread& thread, Socket& socket, i32 name, bool on) {
    if (name == kSoDebug && on && !thread.process.credentials.root()) return Errno::EACCES;
    const bool internet = socket.family == AF_INET_ || socket.family == AF_INET6_;
    if (name == kSoReusePort && on && !internet) return Errno::EOPNOTSUPP;
    if (name == kSoPassCredentials && socket.family != AF_UNIX_ && socket.family != AF_NETLINK_)
        return Errno::EOPNOTSUPP;
    if (name == kSoTimestamp || name == kSoTimestampNew) socket.options.timestamp_ns = false;
    if (name == kSoTimestampNs || name == kSoTimestampNsNew) socket.options.timestamp = false;
    *flag_of(socket.options, name) = on;
    return {};
}

SysResult<> set_number(const Thread& thread, Socket& socket, i32 name, i32 number,
                       std::span<const u8> value) {
    SocketOptions& options = socket.options;
    const bool root = thread.process.credentials.root();
    if (flag_of(options, name) != nullptr) return set_flag(thread, socket, name, number != 0);
    switch (name) {
        case kSoSendBuffer: options.send_buffer = buffer_size(number, kLeastSendBuffer, false); return {};
        case kSoReceiveBuffer:
            options.receive_buffer = buffer_size(number, kLeastReceiveBuffer, false);
            return {};
        case kSoSendBufferForce:
            if (!root) return Errno::EPERM;
            options.send_buffer = buffer_size(number, kLeastSendBuffer, true);
            return {};
        case kSoReceiveBufferForce:
            if (!root) return Errno::EPERM;
            options.receive_buffer = buffer_size(number, kLeastReceiveBuffer, true);
            return {};
        case kSoPriority:
            if ((number < 0 || number > kLastFreePriority) && !root) return Errno::EPERM;
            options.priority = number;
            return {};
        case kSoMark:
            if (!root) return Errno::EPERM;
            options.mark = number;
            return {};
        case kSoReceiveLowWater:
            options.receive_low_water = number < 0 ? 0x7fff'ffff : std::max(number, 1);
            return {};
        case kSoReceiveTimeout:
        case kSoReceiveTimeoutNew: options.receive_timeout = PITH_TRY(to_timeout(value)); return {};
        case kSoSendTimeout:
        case kSoSendTimeoutNew: options.send_timeout = PITH_TRY(to_timeout(value)); return {};
        case kSoLinger: {
            Linger linger;
            if (value.size() < sizeof linger) return Errno::EINVAL;
            std::memcpy(&linger, value.data(), sizeof linger);
            options.linger = linger.on != 0;
            if (options.linger) options.linger_seconds = linger.seconds;
            return {};
        }
        case kSoPeekOffset:
            if (!socket.has_peek_offset()) return Errno::EOPNOTSUPP;
            options.peek_offset = number;
            return {};
        case kSoBsdCompatible: return {};
        case kSoBindToIndex:
            if (number < 0) return Errno::EINVAL;
            options.bound_interface = static_cast<u32>(number);
            return {};
        case kSoDetachFilter: return Errno::ENOENT;
        case kSoAttachFilter: return Errno::EINVAL;
        default: return Errno::ENOPROTOOPT;
    }
}

bool not_known(Errno error) { return error == Errno::EOPNOTSUPP || error == Errno::ENOPROTOOPT; }

SysResult<> set_bound_interface(Thread& thread, Socket& socket, std::span<const u8> value) {
    if (value.empty() || value[0] == 0) {
        socket.options.bound_interface = 0;
        const SysResult<> told = socket.set_option(thread, kSolSocket, kSoBindToDevice, {});
        return not_known(told.error()) ? SysResult<>() : told;
    }
    const SysResult<> done = socket.set_option(thread, kSolSocket, kSoBindToDevice, value);
    return not_known(done.error()) ? Errno::ENODEV : done;
}

}  // namespace

SysResult<> set_socket_option(Thread& thread, Socket& socket, i32 level, i32 name,
                              std::span<const u8> value) {
    if (level != kSolSocket) return socket.set_option(thread, level, name, value);
    if (name == kSoBindToDevice) return set_bound_interface(thread, socket, value);
    i32 number;
    if (value.size() < sizeof number) return Errno::EINVAL;
    std::memcpy(&number, value.data(), sizeof number);
    const SysResult<> done = set_number(thread, socket, name, number, value);
    if (!done.ok() && done.error() != Errno::ENOPROTOOPT) return done;
    const SysResult<> told = socket.set_option(thread, kSolSocket, name, value);
    return not_known(told.error()) ? done : told;
}

namespace {

SysResult<i32> get_number(Socket& socket, i32 name) {
    SocketOptions& options = socket.options;
    if (const bool* flag = flag_of(options, name); flag != nullptr) return i32{*flag};
    switch (name) {
        case kSoType: return static_cast<i32>(socket.type);
        case kSoDomain: return static_cast<i32>(socket.family);
        case kSoProtocol: return socket.protocol;
        case kSoError: return static_cast<i32>(socket.take_error());
        case kSoSendBuffer: return options.send_buffer;
        case kSoReceiveBuffer: return options.receive_buffer;
        case kSoPriority: return options.priority;
        case kSoMark: return options.mark;
        case kSoReceiveLowWater: return options.receive_low_water;
        case kSoSendLowWater: return 1;
        case kSoAcceptConnections: return i32{socket.listening()};
        case kSoBsdCompatible: return 0;
        case kSoBindToIndex: return static_cast<i32>(options.bound_interface);
        case kSoIncomingCpu: return -1;
        case kSoLockFilter: return 0;
        case kSoPeekOffset:
            if (!socket.has_peek_offset()) return Errno::EOPNOTSUPP;
            return options.peek_offset;
        default: return Errno::ENOPROTOOPT;
    }
}

SysResult<> get_structure(Socket& socket, i32 name, usize room, std::vector<u8>& value) {
    const SocketOptions& options = socket.options;
    switch (name) {
        case kSoLinger: {
            const Linger linger{options.linger, options.linger_seconds};
            append(value, &linger, sizeof linger);
            return {};
        }
        case kSoReceiveTimeout:
        case kSoReceiveTimeoutNew: append_timeout(value, options.receive_timeout); return {};
        case kSoSendTimeout:
        case kSoSendTimeoutNew: append_timeout(value, options.send_timeout); return {};
        case kSoPeerCredentials: {
            const PeerCredentials peer = socket.peer_credentials();
            append(value, &peer, sizeof peer);
            return {};
        }
        case kSoPeerName: {
            const SocketAddress name_of_peer = PITH_TRY(socket.peer_name());
            if (name_of_peer.length < room) return Errno::EINVAL;
            append(value, name_of_peer.bytes, name_of_peer.length);
            return {};
        }
        case kSoAttachFilter: return {};
        case kSoBindToDevice:
            if (options.bound_interface == 0) return {};
            return Errno::ENOPROTOOPT;
        case kSoCookie: {
            const u64 cookie = socket.inode().number();
            if (room < sizeof cookie) return Errno::EINVAL;
            append(value, &cookie, sizeof cookie);
            return {};
        }
        default: return Errno::ENOPROTOOPT;
    }
}

}  // namespace

SysResult<> get_socket_option(Thread& thread, Socket& socket, i32 level, i32 name, usize room,
                              std::vector<u8>& value) {
    if (level != kSolSocket) return socket.get_option(thread, level, name, value);
    const SysResult<i32> number = get_number(socket, name);
    if (number.ok()) {
        append(value, &number.value(), sizeof number.value());
        return {};
    }
    if (number.error() != Errno::ENOPROTOOPT) return number.error();
    const SysResult<> structure = get_structure(socket, name, room, value);
    if (structure.error() != Errno::ENOPROTOOPT) return structure;
    const SysResult<> asked = socket.get_option(thread, level, name, value);
    return not_known(asked.error()) ? Errno::ENOPROTOOPT : asked;
}

}  // namespace pith::lx
