// SPDX-License-Identifier: MIT
#include "servers/linux/net/netlink/socket.hpp"

#include <algorithm>

#include "servers/linux/net/netlink/route.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/file.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr i32 kLevel = 270;  ///< SOL_NETLINK
enum Option : i32 {
    kAddMembership = 1,
    kDropMembership = 2,
    kPacketInfo = 3,
    kListMemberships = 9,
    kCapAck = 10,
    kStrictCheck = 12
};
constexpr i32 kProtocols = 32;
constexpr u32 kMaxGroup = 512;
constexpr usize kOverhead = 32;               ///< of a message that is sent, as Linux counts it
constexpr u32 kFirstOtherPort = 0xffff'f000;  ///< downwards: of a process's second socket

SocketAddress to_address(u32 port, u32 groups) {
    const NetlinkAddress name{AF_NETLINK_, 0, port, groups};
    SocketAddress address;
    address.length = sizeof name;
    std::memcpy(address.bytes, &name, sizeof name);
    return address;
}

}  // namespace

SysResult<Ref<Socket>> make_netlink_socket(Thread& thread, SocketType type, i32 protocol, u32 flags) {
    if (type != SocketType::raw && type != SocketType::datagram) return Errno::ESOCKTNOSUPPORT;
    if (protocol < 0 || protocol >= kProtocols) return Errno::EPROTONOSUPPORT;
    if (protocol != kNetlinkRoute && protocol != kNetlinkUser && protocol != kNetlinkEvents)
        return Errno::EPROTONOSUPPORT;
    return Ref<Socket>(
        Ref<NetlinkSocket>::make(socket_path(thread), O_READ_WRITE | flags, type, protocol, thread.zone()));
}

NetlinkSocket::~NetlinkSocket() {
    if (port_ != 0) zone_.netlink_ports.erase({protocol, port_});
}

void NetlinkSocket::take_port(Thread& thread) {
    if (port_ != 0) return;
    u32 port = static_cast<u32>(thread.process.pid);
    for (u32 other = kFirstOtherPort; !zone_.netlink_ports.emplace(protocol, port).second; --other)
        port = other;
    port_ = port;
}

SysResult<NetlinkAddress> NetlinkSocket::check(const SocketAddress& address) const {
    if (address.length < sizeof(NetlinkAddress) || address.family() != AF_NETLINK_) return Errno::EINVAL;
    return read_struct<NetlinkAddress>({address.bytes, address.length});
}

Async<> NetlinkSocket::bind(Thread& thread, const SocketAddress& address) {
    const NetlinkAddress wanted = PITH_TRY(check(address));
    const bool listens = protocol == kNetlinkRoute || protocol == kNetlinkEvents;
    if (wanted.groups != 0 && !listens && !thread.process.credentials.root()) return Errno::EPERM;
    if (port_ != 0 && wanted.port != port_) return Errno::EINVAL;
    if (port_ == 0 && wanted.port != 0) {
        if (!zone_.netlink_ports.emplace(protocol, wanted.port).second) return Errno::EADDRINUSE;
        port_ = wanted.port;
    }
    take_port(thread);
    groups_ = wanted.groups;
    return {};
}

Async<> NetlinkSocket::connect(Thread& thread, const SocketAddress& address) {
    if (address.length < sizeof(u16)) return Errno::EINVAL;
    if (address.family() == AF_UNSPECIFIED) {
        peer_port_ = peer_groups_ = 0;
        return {};
    }
    const NetlinkAddress wanted = PITH_TRY(check(address));
    const bool anybody = protocol == kNetlinkUser || thread.process.credentials.root();
    if ((wanted.port != 0 || wanted.groups != 0) && !anybody) return Errno::EPERM;
    take_port(thread);
    peer_port_ = wanted.port;
    peer_groups_ = wanted.groups;
    return {};
}

SysResult<SocketAddress> NetlinkSocket::local_name() { return to_address(port_, groups_); }
SysResult<SocketAddress> NetlinkSocket::peer_name() { return to_address(peer_port_, peer_groups_); }

Async<usize> NetlinkSocket::send(Thread& thread, UserIo&& io, SendExtras&& extras) {
    if ((extras.flags & kMsgOutOfBand) != 0) return Errno::EOPNOTSUPP;
    const usize size = io.remaining();
    if (size == 0) return Errno::ENODATA;
    u32 to = peer_port_;
    if (extras.to) {
        const NetlinkAddress address = PITH_TRY(check(*extras.to));
        to = address.port;
        const bool anybody = protocol == kNetlinkUser || thread.process.credentials.root();
        if ((address.groups != 0 || to != 0) && !anybody) return Errno::EPERM;
    }
    take_port(thread);
    if (size > static_cast<usize>(options.send_buffer) - kOverhead) return Errno::EMSGSIZE;
    // Nobody but the system listens, and for events not even that.
    if (to != 0 || protocol != kNetlinkRoute) return Errno::ECONNREFUSED;
    std::vector<u8> sent(size);
    const usize copied = PITH_TRY(io.get(sent.data(), size));
    if (copied != size) return Errno::EFAULT;
    answer(thread, sent);
    return size;
}

void NetlinkSocket::answer(Thread& thread, std::span<const u8> sent) {
    while (sent.size() >= sizeof(NetlinkHeader)) {
        const auto header = read_struct<NetlinkHeader>(sent);
        if (header.length < sizeof header || header.length > sent.size()) return;
        const std::span<const u8> message = sent.first(header.length);
        sent = sent.subspan(std::min(netlink_aligned(header.length), sent.size()));
        NetlinkReplies replies(header, port_);
        RouteRequest request{header, message.subspan(sizeof header), thread.process.credentials.root(),
                             on(kStrictCheck)};
        SysResult<> result;
        if ((header.flags & kNetlinkRequest) != 0 && header.type >= kNetlinkFirstType) {
            const bool busy = request.dump() && std::ranges::any_of(datagrams_, &Datagram::dump);
            result = busy ? SysResult<>(Errno::EBUSY) : answer_route(zone_, request, replies);
            if (result.ok() && request.dump()) {
                replies.done();
                queue(replies.take(), true);
                continue;
            }
        }
        if (!result.ok() || (header.flags & kNetlinkAck) != 0)
            replies.error(result.error(), message, on(kCapAck));
        queue(replies.take(), false);
    }
}

void NetlinkSocket::queue(std::vector<std::vector<u8>> datagrams, bool dump) {
    for (usize i = 0; i < datagrams.size(); ++i) {
        if (queued_ + datagrams[i].size() > static_cast<usize>(options.receive_buffer)) {
            pending_error = Errno::ENOBUFS;
            break;
        }
        queued_ += datagrams[i].size();
        datagrams_.push_back({std::move(datagrams[i]), dump && i + 1 < datagrams.size()});
    }
    queue_.wake_all(kPollIn | kPollReadNormal);
}

SysResult<usize> NetlinkSocket::take(UserIo& io, ReceiveExtras& extras) {
    Datagram& next = datagrams_.front();
    const usize size = next.bytes.size(), wanted = std::min(size, io.remaining());
    const usize copied = PITH_TRY(io.put(next.bytes.data(), wanted));
    if (copied != wanted) return Errno::EFAULT;
    extras.from = to_address(0, 0);
    extras.length = size;
    if (copied < size) extras.result |= kMsgTruncated;
    if (on(kPacketInfo))
        extras.controls.push_back({kLevel, kPacketInfo, std::vector<u8>(sizeof(u32))});  // no group
    if ((extras.flags & kMsgPeek) == 0) {
        queued_ -= size;
        datagrams_.pop_front();
    }
    return copied;
}

Async<usize> NetlinkSocket::receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) {
    if ((extras.flags & kMsgOutOfBand) != 0) return Errno::EOPNOTSUPP;
    if (pending_error != Errno::ok) return take_error();
    if (!datagrams_.empty()) return take(io, extras);
    if (!waits(extras.flags)) return Errno::EAGAIN;
    return slow_receive(thread, Ref<NetlinkSocket>(this), std::move(io), extras);
}

Task<SysResult<usize>> NetlinkSocket::slow_receive(Thread& thread, [[maybe_unused]] Ref<NetlinkSocket> self,
                                                   UserIo io, ReceiveExtras& extras) {
    const Time deadline = receive_deadline(thread);
    while (datagrams_.empty()) {
        if (pending_error != Errno::ok) co_return take_error();
        PITH_CO_CHECK(woken(co_await wait_on(thread, queue_, deadline), deadline));
    }
    co_return take(io, extras);
}

SysResult<> NetlinkSocket::set_option(Thread&, i32 level, i32 name, std::span<const u8> value) {
    if (level != kLevel) return level == 1 ? SysResult<>() : SysResult<>(Errno::ENOPROTOOPT);
    const u32 given = value.size() < sizeof(u32) ? 0 : read_struct<u32>(value);
    if (name == kAddMembership || name == kDropMembership) {
        if (given == 0 || given > kMaxGroup) return Errno::EINVAL;
        if (given <= 32) {
            const u32 bit = 1u << (given - 1);
            groups_ = name == kAddMembership ? groups_ | bit : groups_ & ~bit;
        } else {
            std::erase(more_groups_, given);
            if (name == kAddMembership) more_groups_.push_back(given);
        }
        return {};
    }
    if (name < 0 || name >= 32 || (kSwitches & 1u << name) == 0) return Errno::ENOPROTOOPT;
    switches_ = given != 0 ? switches_ | 1u << name : switches_ & ~(1u << name);
    return {};
}

SysResult<> NetlinkSocket::get_option(Thread&, i32 level, i32 name, std::vector<u8>& value) {
    if (level != kLevel) return Errno::ENOPROTOOPT;
    const auto add = [&value](u32 number) {
        const u8* bytes = reinterpret_cast<const u8*>(&number);
        value.insert(value.end(), bytes, bytes + sizeof number);
    };
    if (name == kListMemberships) {
        u32 words[kMaxGroup / 32] = {groups_};
        for (const u32 group : more_groups_) words[(group - 1) / 32] |= 1u << ((group - 1) % 32);
        const u32 last = more_groups_.empty() ? 32 : std::ranges::max(more_groups_);
        for (u32 i = 0; i < (last + 31) / 32; ++i) add(words[i]);
        return {};
    }
    if (name < 0 || name >= 32 || (kSwitches & 1u << name) == 0) return Errno::ENOPROTOOPT;
    add(on(static_cast<u32>(name)) ? 1 : 0);
    return {};
}

u32 NetlinkSocket::poll(Poller* poller) {
    if (poller != nullptr) poller->watch(queue_);
    u32 bits = kPollOut | kPollWriteNormal;
    if (!datagrams_.empty()) bits |= kPollIn | kPollReadNormal;
    if (pending_error != Errno::ok) bits |= kPollError;
    return bits;
}

}  // namespace pith::lx
