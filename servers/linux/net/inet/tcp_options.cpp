// SPDX-License-Identifier: MIT
// Options of level IPPROTO_TCP, and what TCP makes of those of SOL_SOCKET.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "servers/linux/net/inet/tcp_socket.hpp"
#include "servers/linux/net/options.hpp"

namespace pith::lx {

namespace {

constexpr i32 kNoDelay = 1, kMaxSegment = 2, kCork = 3, kKeepIdle = 4, kKeepInterval = 5, kKeepCount = 6,
              kSynCount = 7, kLinger2 = 8, kDeferAccept = 9, kWindowClamp = 10, kInfo = 11, kQuickAck = 12,
              kCongestion = 13, kThinLinear = 16, kUserTimeout = 18, kFastOpen = 23, kNotSentLowWater = 25,
              kFastOpenConnect = 30;

/// struct tcp_info of Linux 6.1.
struct TcpInfo {
    u8 state, congestion_state, retransmits, probes, backoff, options, window_scales, flags;
    u32 rto, ato, send_mss, receive_mss;
    u32 unacked, sacked, lost, retransmitted, forward_acks;
    u32 last_data_sent, last_ack_sent, last_data_received, last_ack_received;
    u32 path_mtu, receive_threshold, round_trip, round_trip_variance, send_threshold, congestion_window;
    u32 advertised_mss, reordering;
    u32 receive_round_trip, receive_space;
    u32 total_retransmissions;
    u8 more[128];
};
static_assert(sizeof(TcpInfo) == 232);

constexpr u32 kLoopbackMss = 32768;
constexpr usize kCongestionName = 16;  ///< bytes of the name, padded by 0

SysResult<> set_between(i32& to, i32 number, i32 least, i32 most) {
    if (number < least || number > most) return Errno::EINVAL;
    to = number;
    return {};
}

void append_number(std::vector<u8>& to, i32 number) {
    const auto* bytes = reinterpret_cast<const u8*>(&number);
    to.insert(to.end(), bytes, bytes + sizeof number);
}

}  // namespace

i32 seconds_to_tries(i32 seconds) {
    i32 tries = 0, timeout = 1, period = 1;
    if (seconds <= 0) return 0;
    for (tries = 1; seconds > period && tries < 255; ++tries) {
        timeout = std::min(timeout * 2, 120);
        period += timeout;
    }
    return tries;
}

i32 tries_to_seconds(i32 tries) {
    if (tries <= 0) return 0;
    i32 timeout = 1, period = 1;
    while (--tries > 0) {
        timeout = std::min(timeout * 2, 120);
        period += timeout;
    }
    return period;
}

SysResult<> TcpSocket::set_tcp_option(i32 name, std::span<const u8> value) {
    TcpOptions& tcp = end_->tcp;
    const bool fresh = end_->state == TcpState::closed || end_->state == TcpState::listening;
    if (name == kCongestion) {
        const std::string_view given(reinterpret_cast<const char*>(value.data()),
                                     std::min<usize>(value.size(), kCongestionName - 1));
        const std::string_view wanted = given.substr(0, given.find('\0'));
        if (wanted.empty()) return Errno::EINVAL;
        if (wanted != kCongestionControl) return Errno::ENOENT;
        return {};
    }
    i32 number;
    if (value.size() < sizeof number) return Errno::EINVAL;
    std::memcpy(&number, value.data(), sizeof number);
    switch (name) {
        case kNoDelay: tcp.no_delay = number != 0; return {};
        case kCork: tcp.cork = number != 0; return {};
        case kQuickAck: tcp.quick_ack = number != 0; return {};
        case kMaxSegment:
            if (number != 0) return set_between(tcp.max_segment, number, 88, 32767);
            tcp.max_segment = 0;
            return {};
        case kKeepIdle: return set_between(tcp.keep_idle, number, 1, 32767);
        case kKeepInterval: return set_between(tcp.keep_interval, number, 1, 32767);
        case kKeepCount: return set_between(tcp.keep_count, number, 1, 127);
        case kSynCount: return set_between(tcp.syn_count, number, 1, 127);
        case kUserTimeout: return set_between(tcp.user_timeout, number, 0, 0x7fff'ffff);
        case kLinger2: tcp.linger2 = number < 0 ? -1 : std::min(number, 120); return {};
        case kDeferAccept: tcp.defer_accept = seconds_to_tries(number); return {};
        case kWindowClamp:
            if (number == 0) {
                if (end_->state != TcpState::closed) return Errno::EINVAL;
                tcp.window_clamp = 0;
            } else {
                tcp.window_clamp = std::max(number, 1152);
            }
            return {};
        case kThinLinear: return set_between(tcp.thin, number, 0, 1);
        case kFastOpen:
            if (!fresh) return Errno::EINVAL;
            return set_between(tcp.fast_open, number, 0, 0x7fff'ffff);
        case kFastOpenConnect:
            if (!fresh) return Errno::EINVAL;
            return set_between(tcp.fast_open_connect, number, 0, 1);
        case kNotSentLowWater: tcp.not_sent_low_water = number; return {};
        default: return Errno::ENOPROTOOPT;
    }
}

SysResult<> TcpSocket::set_option(Thread& thread, i32 level, i32 name, std::span<const u8> value) {
    TcpEnd& end = *end_;
    if (level == kIpprotoTcp) {
        PITH_CHECK(set_tcp_option(name, value));
        end.options_changed();
        return {};
    }
    if (level != kSolSocket) return InetSocket::set_option(thread, level, name, value);
    switch (name) {
        case kSoReuseAddress: end.binding.reuse_address = options.reuse_address; return {};
        case kSoReusePort: end.binding.reuse_port = options.reuse_port; return {};
        case kSoKeepAlive: end.keep_alive = options.keep_alive; break;
        case kSoSendBuffer:
        case kSoSendBufferForce: end.send_buffer = options.send_buffer; break;
        case kSoReceiveBuffer:
        case kSoReceiveBufferForce: end.receive_buffer = options.receive_buffer; break;
        case kSoBindToDevice: return bind_to_interface(value);
        default: return Errno::ENOPROTOOPT;
    }
    end.options_changed();
    return {};
}

void TcpSocket::append_information(std::vector<u8>& value) const {
    const TcpEnd& end = *end_;
    TcpInfo info{};
    info.state = static_cast<u8>(end.state);
    const NetSocket::Information outside = end.information();
    const bool connected = end.connected();
    info.options = connected ? 7 : 0;  // timestamps, SACK, window scaling
    info.window_scales = connected ? 0x77 : 0;
    info.rto = 200'000 + outside.round_trip;
    info.ato = connected ? 40'000 : 0;
    info.send_mss = end.external() ? outside.mss : connected ? kLoopbackMss : 536;
    info.receive_mss = connected ? info.send_mss : 88;
    info.unacked = end.listening()      ? end.accept_queue()
                   : info.send_mss != 0 ? static_cast<u32>(end.unsent() / info.send_mss)
                                        : 0;
    info.sacked = end.listening() ? end.backlog() : 0;
    info.retransmitted = 0;
    info.path_mtu = end.external() ? outside.mss + 40 : connected ? 65535 : 0;
    info.receive_threshold = 65483;
    info.round_trip = outside.round_trip;
    info.round_trip_variance = outside.round_trip != 0 ? outside.round_trip / 2 : 250'000;
    info.send_threshold = 0x7fff'ffff;
    info.congestion_window = end.external() && outside.mss != 0 ? outside.congestion_window / outside.mss
                                                                : 10;
    info.advertised_mss = info.send_mss;
    info.reordering = 3;
    info.receive_space = static_cast<u32>(options.receive_buffer);
    info.total_retransmissions = outside.retransmissions;
    const auto* bytes = reinterpret_cast<const u8*>(&info);
    value.insert(value.end(), bytes, bytes + sizeof info);
}

SysResult<> TcpSocket::get_option(Thread& thread, i32 level, i32 name, std::vector<u8>& value) {
    if (level != kIpprotoTcp) return InetSocket::get_option(thread, level, name, value);
    const TcpOptions& tcp = end_->tcp;
    const auto give = [&](i32 number) {
        append_number(value, number);
        return SysResult<>();
    };
    switch (name) {
        case kNoDelay: return give(tcp.no_delay);
        case kCork: return give(tcp.cork);
        case kQuickAck: return give(tcp.quick_ack);
        case kMaxSegment:
            if (end_->connected()) {
                const u32 mss = end_->external() ? end_->information().mss : kLoopbackMss;
                return give(static_cast<i32>(
                    tcp.max_segment != 0 ? std::min(static_cast<u32>(tcp.max_segment), mss) : mss));
            }
            return give(tcp.max_segment != 0 ? tcp.max_segment : 536);
        case kKeepIdle: return give(tcp.keep_idle);
        case kKeepInterval: return give(tcp.keep_interval);
        case kKeepCount: return give(tcp.keep_count);
        case kSynCount: return give(tcp.syn_count);
        case kUserTimeout: return give(tcp.user_timeout);
        case kLinger2: return give(tcp.linger2 == 0 ? 60 : tcp.linger2);
        case kDeferAccept: return give(tries_to_seconds(tcp.defer_accept));
        case kWindowClamp: return give(tcp.window_clamp);
        case kThinLinear: return give(tcp.thin);
        case kFastOpen: return give(tcp.fast_open);
        case kFastOpenConnect: return give(tcp.fast_open_connect);
        case kNotSentLowWater: return give(tcp.not_sent_low_water);
        case kCongestion: {
            value.insert(value.end(), kCongestionControl.begin(), kCongestionControl.end());
            value.resize(kCongestionName);
            return {};
        }
        case kInfo: append_information(value); return {};
        default: return Errno::ENOPROTOOPT;
    }
}

}  // namespace pith::lx
