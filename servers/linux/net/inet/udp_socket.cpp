// SPDX-License-Identifier: MIT
// Datagram sockets: names, poll, options, the stack's socket.
#include "servers/linux/net/inet/udp_socket.hpp"

#include <algorithm>
#include <cstring>

#include "servers/linux/net/inet/failure.hpp"
#include "servers/linux/net/options.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr i32 kIcmpFilter = 1, kIpv6Checksum = 7;
constexpr u32 kIn = kPollIn | kPollReadNormal, kOut = kPollOut | kPollWriteNormal;

}  // namespace

DatagramSocket::DatagramSocket(Thread& thread, u32 open_flags, u16 socket_family, SocketType socket_type,
                               i32 socket_protocol)
    : InetSocket(thread, open_flags, socket_family, socket_type, socket_protocol),
      table_(socket_type == SocketType::raw   ? &network.raw
             : socket_protocol == kIpprotoUdp ? &network.udp
                                              : &network.echo) {
    binding_.holder = this;
    binding_.uid = thread.process.credentials.fsuid;
    if (type == SocketType::raw) {
        // It gets all packets of its protocol from the beginning.
        binding_.reuse_address = true;
        table().enter(binding_, any_address(v6() ? 6 : 4));
        static_cast<void>(make_net());
    }
}

DatagramSocket::~DatagramSocket() = default;

SysResult<> DatagramSocket::bind_any() {
    if (binding_.bound()) return {};
    binding_.v6_only = v6_only();
    binding_.reuse_address = options.reuse_address;
    binding_.reuse_port = options.reuse_port;
    const SysResult<> bound = table().bind(binding_, any_address(v6() ? 6 : 4), network.zone.random_source);
    return bound.ok() ? bound : Errno::EAGAIN;
}

Async<> DatagramSocket::bind(Thread& thread, const SocketAddress& address) {
    InetAddress local = PITH_TRY(check_bind(thread, address));
    if (type == SocketType::raw) {
        local.port = 0;
        table().enter(binding_, local);
        address_chosen_ = !is_any(local);
        bound_to_many_ = is_multicast(local) || network.broadcast(local);
        remake_net();
        return {};
    }
    if (binding_.bound()) return Errno::EINVAL;
    binding_.v6_only = v6_only() || (local.family == 6 && !is_any(local));
    binding_.reuse_address = options.reuse_address;
    binding_.reuse_port = options.reuse_port;
    PITH_CHECK(table().bind(binding_, local, network.zone.random_source));
    address_chosen_ = !is_any(local);
    port_chosen_ = local.port != 0;
    bound_to_many_ = is_multicast(local) || network.broadcast(local);
    // Without a stack there is nobody outside.
    static_cast<void>(make_net());
    return {};
}

Async<> DatagramSocket::connect(Thread&, const SocketAddress& address) {
    if (address.length < 2) return Errno::EINVAL;
    if (address.family() == AF_UNSPECIFIED) {
        binding_.remote = {};
        if (binding_.bound() && type != SocketType::raw) {
            if (!address_chosen_) table().enter(binding_, any_address(v6() ? 6 : 4, binding_.local.port));
            if (!port_chosen_) {
                binding_.leave();
                if (!address_chosen_) binding_.local = {};
                binding_.local.port = 0;
                net_.reset();
            }
        }
        remake_net();
        return {};
    }
    const InetAddress to = PITH_TRY(
        check_destination(address, binding_.bound() && binding_.local.family == 4));
    if (network.broadcast(to) && !options.broadcast) return Errno::EACCES;
    Destination way{.to = to, .from = {}, .route = network.route(to)};
    if (address_chosen_) way.from = binding_.local;
    if (is_multicast(to)) PITH_CHECK(settle_many(way));
    if (way.route == Route::none) return Errno::ENETUNREACH;
    PITH_CHECK(bind_any());
    if (!address_chosen_) {
        InetAddress from = is_any(way.from) ? network.source_for(to) : way.from;
        if (from.family == 0) from = any_address(to.family);
        from.port = binding_.local.port;
        table().enter(binding_, from);
    }
    binding_.remote = to;
    remake_net();
    return {};
}

SysResult<SocketAddress> DatagramSocket::local_name() {
    if (binding_.local.family == 0) return no_name();
    InetAddress name = binding_.local;
    if (type == SocketType::raw) name.port = static_cast<u16>(protocol);
    return for_program(name, family);
}

SysResult<SocketAddress> DatagramSocket::peer_name() {
    if (binding_.remote.family == 0) return Errno::ENOTCONN;
    return for_program(binding_.remote, family);
}

SysResult<> DatagramSocket::shutdown(Thread&, Shutdown how) {
    const bool connected = binding_.remote.family != 0;
    if (how != Shutdown::write) receive_shutdown_ = true;
    if (how != Shutdown::read) send_shutdown_ = true;
    readers_.wake_all(kIn | kPollHangUp | kPollReadHangUp);
    writers_.wake_all(kOut | kPollHangUp);
    if (!connected) return Errno::ENOTCONN;
    return {};
}

SysResult<> DatagramSocket::make_net() {
    if (net_) return {};
    if (!network.client || !network.client->sockets.attached()) return Errno::ENETUNREACH;
    const InetAddress& local = binding_.local;
    if (is_loopback(local)) return {};
    NetSockets::Settings settings;
    settings.kind = type == SocketType::raw ? Net::Kind::raw : echo() ? Net::Kind::echo : Net::Kind::datagram;
    settings.protocol = type == SocketType::raw ? static_cast<u8>(protocol) : u8{0};
    settings.flags = stack_flags();
    settings.ttl = static_cast<u8>(number(v6() ? InetOption::hops : InetOption::ttl));
    settings.tos = static_cast<u8>(number(v6() ? InetOption::traffic_class : InetOption::tos));
    settings.local = local;
    settings.remote = is_loopback(binding_.remote) ? InetAddress{} : binding_.remote;
    net_ = network.client->sockets.make(settings, *this);
    if (!net_) return Errno::ENOBUFS;
    return {};
}

void DatagramSocket::remake_net() {
    if (!net_ && type != SocketType::raw && !binding_.bound()) return;
    if (net_) {
        // What has come is still read from where it is.
        Net::Datagram header;
        while (net_->received() != 0 && net_->next_datagram(header)) keep_first(header);
        net_.reset();
    }
    static_cast<void>(make_net());
}

u8 DatagramSocket::stack_flags() const {
    u8 flags = 0;
    if (options.broadcast) flags |= Net::kBroadcast;
    if (v6_only()) flags |= Net::kV6Only;
    if (reports_errors()) flags |= Net::kReportErrors;
    return flags;
}

void DatagramSocket::option_changed() {
    if (!reports_errors()) forget_errors();
    if (!net_) return;
    net_->change([this](Net::ClientHalf& half) {
        half.ttl = static_cast<u8>(number(v6() ? InetOption::hops : InetOption::ttl));
        half.tos = static_cast<u8>(number(v6() ? InetOption::traffic_class : InetOption::tos));
        half.flags = stack_flags();
    });
}

SysResult<> DatagramSocket::set_option(Thread& thread, i32 level, i32 name, std::span<const u8> value) {
    if (type == SocketType::raw && name == kIcmpFilter && (level == kIpprotoIcmp6 || level == kIpprotoRaw)) {
        if (protocol != (level == kIpprotoIcmp6 ? kIpprotoIcmp6 : kIpprotoIcmp)) return Errno::EOPNOTSUPP;
        const usize size = level == kIpprotoIcmp6 ? sizeof filter_ : sizeof(u32);
        std::memcpy(filter_.data(), value.data(), std::min(value.size(), size));
        return {};
    }
    if (type == SocketType::raw && v6() && level == kIpprotoRaw && name == kIpv6Checksum)
        level = kIpprotoIpv6;
    if (level != kSolSocket) return InetSocket::set_option(thread, level, name, value);
    switch (name) {
        case kSoReuseAddress:
            if (type != SocketType::raw) binding_.reuse_address = options.reuse_address;
            return {};
        case kSoReusePort: binding_.reuse_port = options.reuse_port; return {};
        case kSoBroadcast: option_changed(); return {};
        case kSoBindToDevice: return bind_to_interface(value);
        default: return Errno::ENOPROTOOPT;
    }
}

bool DatagramSocket::wanted(const Net::Datagram& header) {
    if (type != SocketType::raw) return header.report != 0 || admits(header.local, header.interface + 1);
    u32 at = 0;
    if (!v6()) {
        const std::span<const u8> first = net_->datagram_piece(header, 0);
        at = first.empty() ? 0 : (first[0] & 15u) * 4;
    }
    const std::span<const u8> message = net_->datagram_piece(header, at);
    return message.empty() || !filtered(message[0]);
}

void DatagramSocket::drop_filtered() {
    if (type == SocketType::raw ? filter_ == std::array<u32, 8>{} : admits_all()) return;
    Net::Datagram header;
    while (net_ && net_->next_datagram(header) && !wanted(header)) net_->consume_datagram(header);
}

void DatagramSocket::net_changed(NetSocket& changed) {
    if (net_.get() != &changed) return;
    const Net::Failure failure = changed.take_failure();
    if (failure == Net::Failure::broken) {
        net_.reset();
        static_cast<void>(make_net());
        return;
    }
    if (failure != Net::Failure::none) {
        // They are told only where the socket is of one peer, or has asked for them.
        if (binding_.remote.family != 0 || reports_errors()) {
            pending_error = errno_of(failure);
            readers_.wake_all(kIn | kPollError);
            writers_.wake_all(kPollError);
        }
    }
    drop_filtered();
    take_reports();
    if (something()) readers_.wake_all(kIn);
    writers_.wake_all(kOut);
}

SysResult<i32> DatagramSocket::readable_bytes() {
    if (!queue_.empty()) return static_cast<i32>(queue_.front().bytes.size());
    Net::Datagram header;
    if (net_ && net_->next_datagram(header)) return static_cast<i32>(header.length);
    return i32{0};
}

u32 DatagramSocket::poll(Poller* poller) {
    if (poller != nullptr) {
        poller->watch(readers_);
        poller->watch(writers_);
    }
    u32 bits = 0;
    if (receive_shutdown_) bits |= kIn | kPollReadHangUp;
    if (receive_shutdown_ && send_shutdown_) bits |= kPollHangUp;
    if (something()) bits |= kIn;
    if (!net_ || net_->unsent() < static_cast<u32>(options.send_buffer) / 2) bits |= kOut;
    if (pending_error != Errno::ok || !errors_.empty()) bits |= kPollError;
    return bits;
}

}  // namespace pith::lx
