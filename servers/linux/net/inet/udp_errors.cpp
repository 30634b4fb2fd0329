// SPDX-License-Identifier: MIT
// ICMP errors of datagram sockets: what is told of them as the socket's error, and with IP_RECVERR the queue that MSG_ERRQUEUE reads.
#include <algorithm>
#include <cstring>

#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/inet/udp_socket.hpp"

namespace pith::lx {

namespace {

constexpr u32 kIn = kPollIn | kPollReadNormal;
constexpr i32 kReceiveErrors4 = 11, kReceiveErrors6 = 25;
constexpr u8 kOriginIcmp = 2, kOriginIcmp6 = 3;
constexpr u8 kUnreachable4 = 3, kQuench4 = 4, kParameter4 = 12;
constexpr u8 kUnreachable6 = 1, kTooBig6 = 2, kParameter6 = 4;
constexpr u8 kPort4 = 3, kPort6 = 4;
/// What Linux quotes of a datagram: 576 bytes of IPv4 in all, 1,280 of IPv6.
constexpr usize kQuoted4 = 576 - 20 - 8 - 20 - 8, kQuoted6 = 1280 - 40 - 8 - 40 - 8;

/// An error, and whether it ends what a socket of one peer does.
struct Meaning {
    Errno error;
    bool fatal;
};

constexpr Meaning kUnreachableCodes4[] = {
    {Errno::ENETUNREACH, false},  {Errno::EHOSTUNREACH, false}, {Errno::ENOPROTOOPT, true},
    {Errno::ECONNREFUSED, true},  {Errno::EMSGSIZE, false},     {Errno::EOPNOTSUPP, false},
    {Errno::ENETUNREACH, true},   {Errno::EHOSTDOWN, true},     {Errno::ENONET, true},
    {Errno::ENETUNREACH, true},   {Errno::EHOSTUNREACH, true},  {Errno::ENETUNREACH, false},
    {Errno::EHOSTUNREACH, false}, {Errno::EHOSTUNREACH, true},  {Errno::EHOSTUNREACH, true},
    {Errno::EHOSTUNREACH, true},
};
constexpr Meaning kUnreachableCodes6[] = {
    {Errno::ENETUNREACH, false},  {Errno::EACCES, true},       {Errno::EHOSTUNREACH, false},
    {Errno::EHOSTUNREACH, false}, {Errno::ECONNREFUSED, true}, {Errno::EACCES, true},
    {Errno::EACCES, true},
};

Meaning meaning_of(bool six, u8 type, u8 code) {
    constexpr Meaning kOther{Errno::EHOSTUNREACH, false};
    if (type == (six ? kParameter6 : kParameter4)) return {Errno::EPROTO, true};
    if (six) {
        if (type == kTooBig6) return {Errno::EMSGSIZE, false};
        return type == kUnreachable6 && code < std::size(kUnreachableCodes6) ? kUnreachableCodes6[code]
                                                                             : kOther;
    }
    return type == kUnreachable4 && code < std::size(kUnreachableCodes4) ? kUnreachableCodes4[code] : kOther;
}

/// struct sock_extended_err.
struct ExtendedError {
    u32 error;
    u8 origin, type, code, pad;
    u32 info, data;
};
static_assert(sizeof(ExtendedError) == 16);

}  // namespace

bool DatagramSocket::reports_errors(bool six) const {
    return number(six ? InetOption::receive_errors6 : InetOption::receive_errors) != 0;
}

bool DatagramSocket::reports_errors() const { return reports_errors(false) || reports_errors(true); }

void DatagramSocket::receive_error(ErrorReport&& report) {
    const bool six = report.to.family == 6;
    if (!six && report.type == kQuench4) return;
    const Meaning meaning = meaning_of(six, report.type, report.code);
    if (!reports_errors(six) && !(meaning.fatal && binding_.remote.family != 0)) return;
    pending_error = report.error = meaning.error;
    const usize size = report.bytes.size() + kOverhead;
    if (reports_errors(six) && error_bytes_ + size <= limit()) {
        error_bytes_ += size;
        errors_.push_back(std::move(report));
    }
    readers_.wake_all(kIn | kPollError);
    writers_.wake_all(kPollError);
}

void DatagramSocket::refuse_within(std::vector<u8>&& bytes, const Destination& way) {
    const bool six = way.to.family == 6;
    bytes.resize(std::min(bytes.size(), six ? kQuoted6 : kQuoted4));
    InetAddress offender = way.to, asked = way.from;
    offender.port = 0;
    receive_error({.bytes = std::move(bytes),
                   .to = way.to,
                   .offender = offender,
                   .from = asked,
                   .interface = kLoopbackIndex,
                   .type = six ? kUnreachable6 : kUnreachable4,
                   .code = six ? kPort6 : kPort4,
                   .ttl = 64});
}

void DatagramSocket::forget_errors() {
    errors_.clear();
    error_bytes_ = 0;
}

SysResult<usize> DatagramSocket::take_report(UserIo& io, ReceiveExtras& extras) {
    if (errors_.empty()) return Errno::EAGAIN;
    const ErrorReport report = std::move(errors_.front());
    errors_.pop_front();
    error_bytes_ -= report.bytes.size() + kOverhead;
    pending_error = errors_.empty() ? Errno::ok : errors_.front().error;
    const usize wanted = std::min(report.bytes.size(), io.remaining());
    if (wanted != 0) {
        const SysResult<usize> copied = io.put(report.bytes.data(), wanted);
        if (!copied.ok()) return copied.error();
    }
    const bool six = report.to.family == 6;
    tell(extras, report.to, report.from, report.interface, report.ttl, report.tos);
    struct {
        ExtendedError error;
        u8 offender[28];
    } told{{static_cast<u32>(report.error), six ? kOriginIcmp6 : kOriginIcmp, report.type, report.code, 0,
            report.mtu, 0},
           {}};
    const SocketAddress offender = for_program(report.offender, family);
    std::memcpy(told.offender, offender.bytes, offender.length);
    const auto* bytes = reinterpret_cast<const u8*>(&told);
    extras.controls.push_back({v6() ? kIpprotoIpv6 : kIpprotoIp,
                               v6() ? kReceiveErrors6 : kReceiveErrors4,
                               {bytes, bytes + sizeof told.error + offender.length}});
    extras.result |= kMsgErrorQueue;
    extras.length = report.bytes.size();
    if (wanted < report.bytes.size()) extras.result |= kMsgTruncated;
    return wanted;
}

void DatagramSocket::take_reports() {
    if (!reports_errors() || !net_) return;
    // A report is known as soon as it has come: datagrams in front of it are kept here.
    u32 at = 0, until = 0;
    Net::Datagram header;
    while (net_->datagram_at(at, header)) {
        at += NetSocket::datagram_size(header);
        if (header.report != 0) until = at;
    }
    for (at = 0; at < until && net_->next_datagram(header);) {
        at += NetSocket::datagram_size(header);
        keep_first(header);
    }
}

void DatagramSocket::keep_first(const Net::Datagram& header) {
    std::vector<u8> bytes;
    if (heap_room(header.length + kOverhead)) {
        for (u32 done = 0; done < header.length;) {
            const std::span<const u8> piece = net_->datagram_piece(header, done);
            if (piece.empty()) break;
            bytes.insert(bytes.end(), piece.begin(), piece.end());
            done += static_cast<u32>(piece.size());
        }
    }
    net_->consume_datagram(header);
    if (bytes.size() != header.length) return;
    const u32 interface = header.interface + 1;
    if (header.report != 0)
        receive_error({.bytes = std::move(bytes),
                       .to = header.remote,
                       .offender = header.local,
                       .from = binding_.local,
                       .interface = interface,
                       .type = header.icmp_type,
                       .code = header.icmp_code,
                       .ttl = header.ttl,
                       .tos = header.tos,
                       .mtu = header.mtu});
    else
        static_cast<void>(
            deliver({std::move(bytes), header.remote, header.local, interface, header.ttl, header.tos}));
}

}  // namespace pith::lx
