// SPDX-License-Identifier: MIT
// Sending and receiving of datagrams.
#include <algorithm>
#include <cstring>

#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/inet/udp_socket.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kIn = kPollIn | kPollReadNormal;
constexpr usize kMostPayload = 65507;
constexpr u8 kEchoRequest4 = 8, kEchoReply4 = 0, kEchoRequest6 = 128, kEchoReply6 = 129;
constexpr u32 kEchoHeader = 8;
constexpr i32 kPktInfo = 8, kTtl = 2, kTos = 1, kPktInfo6 = 50, kHopLimit = 52, kTrafficClass = 67;
constexpr i32 kOldPktInfo6 = 2, kOldHopLimit = 8;  // RFC 2292

u16 checksum(std::span<const u8> bytes) {
    u32 sum = 0;
    for (usize i = 0; i < bytes.size(); i += 2)
        sum += u32{bytes[i]} << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<u16>(~sum);
}

template <typename T>
void append(std::vector<SendExtras::Control>& to, i32 level, i32 type, const T& value) {
    const auto* bytes = reinterpret_cast<const u8*>(&value);
    to.push_back({level, type, {bytes, bytes + sizeof value}});
}

u32 flow_hash(const InetAddress& from, const InetAddress& to) {
    u32 hash = from.port * 0x9e3779b1u ^ to.port;
    for (const u8 byte : from.bytes) hash = (hash ^ byte) * 16777619u;
    return hash ^ hash >> 15;
}

}  // namespace

SysResult<> DatagramSocket::choose_interface(const u8* index, Destination& way) {
    u32 wanted;
    std::memcpy(&wanted, index, sizeof wanted);
    if (wanted == 0) return {};
    if (!network.interface_exists(wanted)) return Errno::ENODEV;
    way.interface = wanted;
    return {};
}

SysResult<> DatagramSocket::apply_control(const SendExtras::Control& control, Destination& way) {
    i32 number = 0;
    if (control.data.size() >= sizeof number) std::memcpy(&number, control.data.data(), sizeof number);
    if (control.level == kIpprotoIp) {
        switch (control.type) {
            case kTtl:
                if (control.data.size() != 4 || number < 1 || number > 255) return Errno::EINVAL;
                way.ttl = static_cast<u8>(number);
                return {};
            case kTos:
                if (control.data.size() == 1) number = control.data[0];
                else if (control.data.size() != 4 || number < 0 || number > 255) return Errno::EINVAL;
                way.tos = static_cast<u8>(number);
                return {};
            case kPktInfo: {
                // struct in_pktinfo: interface, address to send from, header's destination.
                if (control.data.size() != 12) return Errno::EINVAL;
                InetAddress from{.family = 4};
                std::memcpy(from.bytes, control.data.data() + 4, 4);
                PITH_CHECK(choose_interface(control.data.data(), way));
                if (!is_any(from)) {
                    if (!network.own(from)) return Errno::EINVAL;
                    from.port = way.from.port;
                    way.from = from;
                }
                return {};
            }
            default: return Errno::EINVAL;
        }
    }
    if (control.level == kIpprotoIpv6 && v6()) {
        switch (control.type) {
            case kHopLimit:
            case kOldHopLimit:
                if (control.data.size() != 4 || number < -1 || number > 255) return Errno::EINVAL;
                if (number > 0) way.ttl = static_cast<u8>(number);
                return {};
            case kTrafficClass:
                if (control.data.size() != 4 || number < -1 || number > 255) return Errno::EINVAL;
                if (number >= 0) way.tos = static_cast<u8>(number);
                return {};
            case kPktInfo6:
            case kOldPktInfo6: {
                if (control.data.size() < 20) return Errno::EINVAL;
                InetAddress from{.family = 6};
                std::memcpy(from.bytes, control.data.data(), 16);
                PITH_CHECK(choose_interface(control.data.data() + 16, way));
                if (!is_any(from)) {
                    if (!network.own(from)) return Errno::EINVAL;
                    from.port = way.from.port;
                    way.from = from;
                }
                return {};
            }
            default: return Errno::EINVAL;
        }
    }
    return {};
}

SysResult<DatagramSocket::Destination> DatagramSocket::destination(Thread&, const SendExtras& extras,
                                                                   usize length) {
    const usize most = type == SocketType::raw ? kMostPayload + 8 : kMostPayload;
    if (length > most) return Errno::EMSGSIZE;
    if ((extras.flags & kMsgOutOfBand) != 0) return Errno::EOPNOTSUPP;
    Destination way;
    if (extras.to) {
        way.to = PITH_TRY(check_destination(*extras.to, binding_.bound() && binding_.local.family == 4));
        if (type == SocketType::datagram && protocol == kIpprotoUdp && way.to.port == 0) return Errno::EINVAL;
    } else {
        if (binding_.remote.family == 0) return Errno::EDESTADDRREQ;
        way.to = binding_.remote;
    }
    const bool broadcast = network.broadcast(way.to);
    if (broadcast && !options.broadcast) return Errno::EACCES;
    way.many = broadcast || is_multicast(way.to);
    way.route = network.route(way.to);
    if (way.route == Route::none && !way.many) return Errno::ENETUNREACH;
    PITH_CHECK(bind_any());
    const bool four = way.to.family == 4;
    way.ttl = static_cast<u8>(number(four ? InetOption::ttl : InetOption::hops));
    if (is_multicast(way.to))
        way.ttl = static_cast<u8>(number(four ? InetOption::multicast_ttl : InetOption::multicast_hops));
    way.tos = static_cast<u8>(number(four ? InetOption::tos : InetOption::traffic_class));
    way.from = bound_to_many_ ? any_address(binding_.local.family, binding_.local.port) : binding_.local;
    if (is_any(way.from) || way.from.family != way.to.family) {
        if (!is_any(way.from)) return v6() ? Errno::ENETUNREACH : Errno::EINVAL;
        way.from = way.route == Route::loopback ? network.source_for(way.to) : InetAddress{};
        way.from.port = binding_.local.port;
    }
    for (const SendExtras::Control& control : extras.controls) PITH_CHECK(apply_control(control, way));
    if (way.many) PITH_CHECK(settle_many(way));
    return way;
}

SysResult<> DatagramSocket::settle_many(Destination& way) {
    const bool group = is_multicast(way.to);
    const ManyWay& chosen = many_way(way.to.family);
    const auto unsaid = [&] { return way.from.family == 0 || is_any(way.from); };
    if (way.interface == 0) way.interface = options.bound_interface;
    if (way.interface == 0 && needs_scope(way.to)) way.interface = scope_interface(way.to);
    if (group && way.interface == 0) {
        way.interface = chosen.interface;
        if (unsaid() && chosen.from.family != 0 && network.own(chosen.from)) {
            const u16 port = way.from.port;
            way.from = chosen.from;
            way.from.port = port;
        }
    }
    if (way.interface == 0 && !unsaid()) way.interface = network.interface_with(way.from);
    if (way.interface == 0) way.interface = network.interface_for_many();
    if (!network.interface_exists(way.interface)) return Errno::ENETUNREACH;
    // What goes to lo comes back by itself.
    const InetOption loop = way.to.family == 4 ? InetOption::multicast_loop : InetOption::multicast_loop6;
    way.loops = !group || way.interface == kLoopbackIndex || number(loop) != 0;
    if (way.interface == kLoopbackIndex) {
        if (way.to.family == 6) return Errno::ENETUNREACH;  // as on Linux, which has no route there
        way.route = Route::loopback;
    } else {
        way.route = Route::stack;
        if (needs_scope(way.to)) way.to.scope = way.interface - kLoopbackIndex;
    }
    return {};
}

Async<usize> DatagramSocket::send(Thread& thread, UserIo&& io, SendExtras&& extras) {
    if (send_shutdown_) return Errno::EPIPE;
    if (pending_error != Errno::ok) return take_error();
    const Destination way = PITH_TRY(destination(thread, extras, io.remaining()));
    if (way.many) return send_to_many(thread, io, way, extras.flags);
    if (way.route == Route::loopback) return send_within(io, way);
    PITH_CHECK(make_net());
    if (!net_) return Errno::EINVAL;  // bound to the loopback's address, which goes nowhere else
    if (io.remaining() > Net::kMaxDatagram) return Errno::EMSGSIZE;
    const SysResult<usize> sent = send_outside(io, way);
    if (sent.ok() || sent.error() != Errno::EAGAIN || !waits(extras.flags)) return sent;
    return wait_send(thread, Ref<DatagramSocket>(this), std::move(io), way);
}

SysResult<usize> DatagramSocket::send_outside(UserIo& io, const Destination& way) {
    Net::Datagram header{};
    header.length = static_cast<u32>(io.remaining());
    header.remote = way.to;
    if (way.from.family != 0 && !is_any(way.from)) header.local = way.from;
    header.ttl = way.ttl;
    header.tos = way.tos;
    Errno failed = Errno::ok;
    const bool done = net_->send_datagram(header, [&](std::span<u8> space) {
        const SysResult<usize> copied = io.get(space.data(), space.size());
        if (!copied.ok() || copied.value() != space.size()) failed = Errno::EFAULT;
        return failed == Errno::ok;
    });
    if (done) return usize{header.length};
    return failed != Errno::ok ? failed : Errno::EAGAIN;
}

Task<SysResult<usize>> DatagramSocket::wait_send(Thread& thread, Ref<DatagramSocket>, UserIo io,
                                                 Destination way, std::optional<Datagram> copy) {
    const Time deadline = send_deadline(thread);
    for (;;) {
        PITH_CO_CHECK(woken(co_await wait_on(thread, writers_, deadline), deadline));
        if (pending_error != Errno::ok) co_return take_error();
        if (!net_) co_return Errno::ENETUNREACH;
        const SysResult<usize> sent = send_outside(io, way);
        if (sent.ok() && copy && way.loops) deliver_to_many(*copy);
        if (sent.ok() || sent.error() != Errno::EAGAIN) co_return sent;
    }
}

SysResult<DatagramSocket::Datagram> DatagramSocket::read_datagram(UserIo& io, const Destination& way) const {
    const usize length = io.remaining();
    if (!heap_room(length + kOverhead)) return Errno::ENOBUFS;
    Datagram datagram{std::vector<u8>(length), way.from, way.to, kLoopbackIndex, way.ttl, way.tos};
    if (length != 0) {
        const SysResult<usize> copied = io.get(datagram.bytes.data(), length);
        if (!copied.ok()) return copied.error();
        if (copied.value() != length) return Errno::EFAULT;
    }
    return datagram;
}

/// What leaves the machine is sent first: it may have to wait, or fail.
Async<usize> DatagramSocket::send_to_many(Thread& thread, UserIo& io, const Destination& way, u32 flags) {
    Datagram datagram = PITH_TRY(read_datagram(io, way));
    const usize length = datagram.bytes.size();
    const bool group = is_multicast(way.to), four = way.to.family == 4;
    datagram.interface = way.interface;
    if (is_any(datagram.from) || datagram.from.family != way.to.family) {
        datagram.from = network.source_for(way.to);
        if (datagram.from.family == 0 && four) datagram.from = ipv4_address(0x7f000001);
        datagram.from.port = binding_.local.port;
    }
    if (needs_scope(datagram.from)) datagram.from.scope = way.to.scope;
    if (way.route == Route::loopback || (group && way.ttl == 0) ||
        (group && !four && multicast_scope6(way.to) <= 1)) {
        if (way.loops) deliver_to_many(datagram);
        return length;
    }
    PITH_CHECK(make_net());
    if (!net_) return Errno::EINVAL;  // bound to the loopback's address, which goes nowhere else
    UserIo bytes = UserIo::kernel(datagram.bytes.data(), length);
    const SysResult<usize> sent = send_outside(bytes, way);
    if (sent.ok() && way.loops) deliver_to_many(datagram);
    if (sent.ok() || sent.error() != Errno::EAGAIN || !waits(flags)) return sent;
    return wait_send(thread, Ref<DatagramSocket>(this), std::move(bytes), way, std::move(datagram));
}

bool DatagramSocket::is_for(const Datagram& datagram) const {
    return binding_.score(datagram.to, datagram.from) != 0 && admits(datagram.to, datagram.interface) &&
           (options.bound_interface == 0 || options.bound_interface == datagram.interface);
}

void DatagramSocket::deliver_to_many(const Datagram& datagram) const {
    if (is_multicast(datagram.to) && !network.groups.joined(datagram.to, datagram.interface)) return;
    if (type == SocketType::raw) return deliver_raw(datagram, protocol);
    if (echo()) return;
    std::vector<Ref<DatagramSocket>> receivers;
    network.udp.for_port(datagram.to.port, [&](Binding& at) {
        auto* const socket = static_cast<DatagramSocket*>(at.holder);
        if (socket->is_for(datagram)) receivers.emplace_back(socket);
    });
    for (const Ref<DatagramSocket>& receiver : receivers)
        if (heap_room(datagram.bytes.size() + kOverhead))
            static_cast<void>(receiver->deliver(Datagram(datagram)));
}

SysResult<usize> DatagramSocket::send_within(UserIo& io, const Destination& way) {
    Datagram datagram = PITH_TRY(read_datagram(io, way));
    const usize length = datagram.bytes.size();
    if (echo()) return answer_echo(std::move(datagram.bytes), way);
    if (type == SocketType::raw) {
        deliver_raw(datagram, protocol);
        const u8 request = way.to.family == 4 ? kEchoRequest4 : kEchoRequest6;
        if ((protocol == kIpprotoIcmp || protocol == kIpprotoIcmp6) && length >= kEchoHeader &&
            datagram.bytes[0] == request)
            return answer_echo(std::move(datagram.bytes), way);
        return length;
    }
    Binding* const found = network.udp.find(way.to, way.from, false, flow_hash(way.from, way.to));
    if (found == nullptr) {
        refuse_within(std::move(datagram.bytes), way);
        return length;
    }
    static_cast<void>(static_cast<DatagramSocket*>(found->holder)->deliver(std::move(datagram)));
    return length;
}

/// An echo request to the zone itself is answered at once, as its ICMP does.
SysResult<usize> DatagramSocket::answer_echo(std::vector<u8>&& bytes, const Destination& way) {
    const usize length = bytes.size();
    const bool four = way.to.family == 4;
    if (length < kEchoHeader || bytes[0] != (four ? kEchoRequest4 : kEchoRequest6)) return Errno::EINVAL;
    bytes[0] = four ? kEchoReply4 : kEchoReply6;
    if (echo()) {
        bytes[4] = static_cast<u8>(way.from.port >> 8);
        bytes[5] = static_cast<u8>(way.from.port);
    }
    bytes[2] = bytes[3] = 0;
    if (four) {
        const u16 sum = checksum(bytes);
        bytes[2] = static_cast<u8>(sum >> 8);
        bytes[3] = static_cast<u8>(sum);
    }
    InetAddress from = way.to, to = way.from;
    from.port = 0;
    Datagram reply{std::move(bytes), from, to, kLoopbackIndex, 64, way.tos};
    deliver_raw(reply, four ? kIpprotoIcmp : kIpprotoIcmp6);
    if (echo()) static_cast<void>(deliver(std::move(reply)));
    return length;
}

/// All raw sockets of a protocol get a copy; IPv4's begin with an IP header.
void DatagramSocket::deliver_raw(const Datagram& datagram, i32 of_protocol) const {
    constexpr usize kHeader4 = 20;
    network.raw.for_each([&](const Binding& at) {
        auto& socket = *static_cast<DatagramSocket*>(at.holder);
        if (socket.protocol != of_protocol || socket.v6() != (datagram.to.family == 6)) return;
        if (!is_any(at.local) && !same_ip(at.local, datagram.to)) return;
        if (at.remote.family != 0 && !same_ip(at.remote, datagram.from)) return;
        if (!datagram.bytes.empty() && socket.filtered(datagram.bytes[0])) return;
        if (!socket.admits(datagram.to, datagram.interface)) return;
        Datagram copy = datagram;
        copy.from.port = 0;
        if (!socket.v6()) {
            const usize total = kHeader4 + datagram.bytes.size();
            u8 header[kHeader4] = {
                0x45, datagram.tos, static_cast<u8>(total >> 8), static_cast<u8>(total), 0, 0, 0x40,
                0,    datagram.ttl, static_cast<u8>(of_protocol)};
            std::memcpy(header + 12, datagram.from.bytes, 4);
            std::memcpy(header + 16, datagram.to.bytes, 4);
            const u16 sum = checksum(header);
            header[10] = static_cast<u8>(sum >> 8);
            header[11] = static_cast<u8>(sum);
            copy.bytes.insert(copy.bytes.begin(), header, header + kHeader4);
        }
        static_cast<void>(socket.deliver(std::move(copy)));
    });
}

bool DatagramSocket::deliver(Datagram&& datagram) {
    const usize size = datagram.bytes.size() + kOverhead;
    if (receive_shutdown_ || queued_bytes_ + size > limit()) {
        ++drops_;
        return false;
    }
    queued_bytes_ += size;
    queue_.push_back(std::move(datagram));
    readers_.wake(kIn);
    return true;
}

void DatagramSocket::tell(ReceiveExtras& extras, const InetAddress& from, const InetAddress& to,
                          u32 interface, u8 ttl, u8 tos) {
    extras.from = for_program(from, family);
    if (to.family == 4) {
        if (number(InetOption::packet_info) != 0) {
            struct {
                u32 interface;
                u8 specific[4], address[4];
            } info{interface, {}, {}};
            const bool many = is_multicast(to) || network.broadcast(to);
            const InetAddress own = many ? network.own_address4(interface) : to;
            std::memcpy(info.specific, own.bytes, 4);
            std::memcpy(info.address, to.bytes, 4);
            append(extras.controls, kIpprotoIp, kPktInfo, info);
        }
        if (number(InetOption::receive_ttl) != 0) append(extras.controls, kIpprotoIp, kTtl, i32{ttl});
        if (number(InetOption::receive_tos) != 0) append(extras.controls, kIpprotoIp, kTos, tos);
    }
    if (!v6()) return;
    const bool info6 = number(InetOption::packet_info6) != 0;
    const bool old_info6 = number(InetOption::packet_info6_old) != 0;
    if (info6 || old_info6) {
        struct {
            u8 address[16];
            u32 interface;
        } info{{}, interface};
        const SocketAddress name = for_program(to, AF_INET6_);
        std::memcpy(info.address, name.bytes + 8, 16);
        if (info6) append(extras.controls, kIpprotoIpv6, kPktInfo6, info);
        if (old_info6) append(extras.controls, kIpprotoIpv6, kOldPktInfo6, info);
    }
    if (to.family == 4) return;
    if (number(InetOption::receive_hop_limit) != 0)
        append(extras.controls, kIpprotoIpv6, kHopLimit, i32{ttl});
    if (number(InetOption::receive_hop_limit_old) != 0)
        append(extras.controls, kIpprotoIpv6, kOldHopLimit, i32{ttl});
    if (number(InetOption::receive_class) != 0)
        append(extras.controls, kIpprotoIpv6, kTrafficClass, i32{tos});
}

SysResult<usize> DatagramSocket::take(UserIo& io, ReceiveExtras& extras) {
    if (queue_.empty()) return take_outside(io, extras);
    Datagram& first = queue_.front();
    const usize length = first.bytes.size(), wanted = std::min(length, io.remaining());
    if (wanted != 0) {
        const SysResult<usize> copied = io.put(first.bytes.data(), wanted);
        if (!copied.ok()) return copied.error();
    }
    extras.length = length;
    if (wanted < length) extras.result |= kMsgTruncated;
    tell(extras, first.from, first.to, first.interface, first.ttl, first.tos);
    if ((extras.flags & kMsgPeek) == 0) {
        queued_bytes_ -= length + kOverhead;
        queue_.pop_front();
    }
    return (extras.flags & kMsgTruncated) != 0 ? length : wanted;
}

SysResult<usize> DatagramSocket::take_outside(UserIo& io, ReceiveExtras& extras) {
    Net::Datagram header;
    if (!net_ || !net_->next_datagram(header)) return Errno::EAGAIN;
    usize done = 0;
    while (done < header.length && io.remaining() != 0) {
        const std::span<const u8> piece = net_->datagram_piece(header, static_cast<u32>(done));
        if (piece.empty()) break;
        const SysResult<usize> copied = io.put(piece.data(), piece.size());
        if (!copied.ok()) return copied.error();
        done += copied.value();
    }
    extras.length = header.length;
    if (done < header.length) extras.result |= kMsgTruncated;
    // Programs count lo first.
    tell(extras, header.remote, header.local, header.interface + 1, header.ttl, header.tos);
    if ((extras.flags & kMsgPeek) == 0) {
        net_->consume_datagram(header);
        drop_filtered();
        take_reports();
    }
    return (extras.flags & kMsgTruncated) != 0 ? usize{header.length} : done;
}

Async<usize> DatagramSocket::receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) {
    if ((extras.flags & kMsgOutOfBand) != 0) return Errno::EOPNOTSUPP;
    if ((extras.flags & kMsgErrorQueue) != 0) return take_report(io, extras);
    if (pending_error != Errno::ok) return take_error();
    if (something()) return take(io, extras);
    if (receive_shutdown_) return usize{0};
    if (!waits(extras.flags)) return Errno::EAGAIN;
    return wait_receive(thread, Ref<DatagramSocket>(this), std::move(io), extras);
}

Task<SysResult<usize>> DatagramSocket::wait_receive(Thread& thread, Ref<DatagramSocket>, UserIo io,
                                                    ReceiveExtras& extras) {
    const Time deadline = receive_deadline(thread);
    for (;;) {
        const SysResult<> waited = woken(co_await wait_on(thread, readers_, deadline, true), deadline);
        if (pending_error != Errno::ok) co_return take_error();
        if (something()) {
            const SysResult<usize> taken = take(io, extras);
            if (taken.ok() || taken.error() != Errno::EAGAIN) co_return taken;
        }
        if (receive_shutdown_) co_return usize{0};
        PITH_CO_CHECK(waited);
    }
}

}  // namespace pith::lx
