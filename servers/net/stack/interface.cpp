// SPDX-License-Identifier: MIT
#include "servers/net/stack/interface.hpp"

#include <algorithm>
#include <cstring>

#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/prot/ip.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/prot/tcp.h>
#include <netif/ethernet.h>
#include "lib/lwip/checksum.hpp"
#include "protocol/ethernet.hpp"
#include "servers/net/stack/stack.hpp"

namespace pith::stack {
namespace {

struct Sent {
    u32 start = 0;   ///< of the TCP header in the frame; 0: it is no segment of TCP
    u64 pseudo = 0;  ///< the sum of the pseudo-header (RFC 793, RFC 8200 section 8.1)
};

/// What of a frame is TCP; `length` bytes of it lie contiguously, `total` are all of it.
Sent find_tcp(const u8* frame, u32 length, u32 total) {
    if (length < Ethernet::kHeaderSize + 20) return {};
    const u16 type = static_cast<u16>(frame[12] << 8 | frame[13]);
    const u8* ip = frame + Ethernet::kHeaderSize;
    Sent found;
    if (type == 0x0800) {
        const bool fragment = (ip[6] & 0x3f) != 0 || ip[7] != 0;
        if (ip[9] != IP_PROTO_TCP || fragment) return {};
        found.start = Ethernet::kHeaderSize + (ip[0] & 15u) * 4;
        found.pseudo = checksum(ip + 12, 8, 0);
    } else if (type == 0x86dd && length >= Ethernet::kHeaderSize + 40) {
        if (ip[6] != IP_PROTO_TCP) return {};
        found.start = Ethernet::kHeaderSize + 40;
        found.pseudo = checksum(ip + 8, 32, 0);
    } else {
        return {};
    }
    if (found.start + TCP_HLEN > length) return {};
    const u32 size = total - found.start;
    found.pseudo += __builtin_bswap16(static_cast<u16>(size)) + u64{IP_PROTO_TCP} * 256;
    return found;
}

constexpr u32 kChecksumOffset = 16;  ///< in a TCP header

/// What lwIP is still to check of a segment whose checksums are known to be right.
constexpr u16 kVerified = NETIF_CHECKSUM_ENABLE_ALL & ~(NETIF_CHECKSUM_CHECK_IP | NETIF_CHECKSUM_CHECK_TCP);

}  // namespace

Interface::Interface(Port& port, Records& records) : port_(port), records_(records) {
    for (Lent& lent : lent_) {
        lent.interface = this;
        lent.next = free_;
        free_ = &lent;
    }
}

err_t Interface::initialize(netif* device) {
    const Interface& self = *static_cast<Interface*>(device->state);
    device->name[0] = 'e';
    device->name[1] = 't';
    device->output = etharp_output;
    device->output_ip6 = ethip6_output;
    device->linkoutput = transmit;
    device->hwaddr_len = 6;
    std::memcpy(device->hwaddr, self.setup_.address, 6);
    device->mtu = device->mtu6 = static_cast<u16>(std::min<u32>(self.setup_.mtu, 1500));
    device->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP |
                    NETIF_FLAG_MLD6;
    return ERR_OK;
}

void Interface::receive(u64 id, std::span<u8> frame, bool checksum_good) {
    if (!attached_ || frame.size() < Ethernet::kHeaderSize + 20 ||
        frame.size() > Ethernet::kHeaderSize + 9000) {
        receive_drops_++;
        return port_.give_back(id);
    }
    received_frames_++;
    received_bytes_ += frame.size();
    pbuf* packet = take_frame(id, frame);
    if (packet == nullptr) {
        receive_drops_++;
        return;
    }
    Segment segment;
    const bool mergeable = frame.size() > kCopied && find_mergeable(*packet, checksum_good, segment);
    if (!mergeable || !merger_.continued_by(*packet, segment)) flush();
    if (mergeable && (!merger_.empty() || expected(*packet, segment, Stack::current().demux())))
        return merger_.add(packet, segment);
    u16 checks = NETIF_CHECKSUM_ENABLE_ALL;
    if (checksum_good) checks &= static_cast<u16>(~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP));
    else if (mergeable) checks = kVerified;
    pass_on(packet, checks);
}

void Interface::flush() {
    if (merger_.empty()) return;
    merged_ = merger_.count();
    pass_on(merger_.take(), kVerified);
    merged_ = 1;
}

void Interface::pass_on(pbuf* packet, u16 checks) {
    netif_.chksum_flags = checks;
    if (ethernet_input(packet, &netif_) != ERR_OK) pbuf_free(packet);
}

/// A packet of a frame. The driver could change the frame at any time, so lwIP gets a copy of what it interprets; of long frames the rest is only bytes, which are
/// taken from where they are. A frame of which too much is kept already (out of order) is copied as a whole.
pbuf* Interface::take_frame(u64 id, std::span<u8> frame) {
    const u32 length = static_cast<u32>(frame.size());
    const bool lend = length > kCopied && held_ < kMaxHeld && free_ != nullptr;
    const u16 copied = static_cast<u16>(lend ? kHeaders : length);
    pbuf* packet = pbuf_alloc(PBUF_RAW, copied, PBUF_POOL);
    if (packet == nullptr) {
        PBUF_CHECK_FREE_OOSEQ();
        packet = pbuf_alloc(PBUF_RAW, copied, PBUF_POOL);
    }
    if (packet == nullptr) {
        port_.give_back(id);
        return nullptr;
    }
    if (packet->next == nullptr) std::memcpy(packet->payload, frame.data(), copied);
    else static_cast<void>(pbuf_take(packet, frame.data(), copied));
    if (!lend) {
        port_.give_back(id);
        return packet;
    }
    Lent& lent = *free_;
    free_ = lent.next;
    lent.id = id;
    lent.base.custom_free_function = returned;
    held_++;
    const u16 rest = static_cast<u16>(length - copied);
    pbuf_cat(packet, pbuf_alloced_custom(PBUF_RAW, rest, PBUF_REF, &lent.base, frame.data() + copied, rest));
    return packet;
}

void Interface::returned(pbuf* packet) {
    Lent& lent = *reinterpret_cast<Lent*>(packet);
    Interface& self = *lent.interface;
    self.held_--;
    lent.next = self.free_;
    self.free_ = &lent;
    self.port_.give_back(lent.id);
}

err_t Interface::transmit(netif* device, pbuf* packet) {
    return static_cast<Interface*>(device->state)->transmit(packet);
}

/// The one time that the bytes are copied; a segment's checksum is made on the way.
err_t Interface::transmit(pbuf* packet) {
    const u32 total = packet->tot_len;
    if (total > Ethernet::kHeaderSize + setup_.mtu) {
        send_drops_++;
        return ERR_OK;  // nothing makes it shorter
    }
    u8* frame = port_.frame(std::max<u32>(total, 60));
    if (frame == nullptr) {
        // A segment stays where it is, and is sent when there is room (Stack::settle_stream); what is no segment is lost, as frames are.
        starved_ = true;
        send_drops_++;
        return ERR_MEM;
    }
    const Sent tcp = find_tcp(static_cast<const u8*>(packet->payload), packet->len, total);
    u64 sum = tcp.pseudo;
    u32 at = 0;
    for (const pbuf* piece = packet; piece != nullptr; piece = piece->next) {
        const u8* from = static_cast<const u8*>(piece->payload);
        u32 length = piece->len;
        if (tcp.start == 0 || setup_.send_checksum) {
            std::memcpy(frame + at, from, length);
            at += length;
            continue;
        }
        if (at < tcp.start) {  // the first piece: it has all headers
            std::memcpy(frame, from, tcp.start);
            std::memset(static_cast<u8*>(packet->payload) + tcp.start + kChecksumOffset, 0, 2);
            at = tcp.start;
            from += tcp.start;
            length -= tcp.start;
        }
        if (((at - tcp.start) & 1) == 0) sum = copy_and_checksum(frame + at, from, length, sum);
        else sum += swap_checksum(copy_and_checksum(frame + at, from, length, 0));
        at += length;
    }
    u16 checksum_start = 0;
    if (tcp.start != 0) {
        records_.counts().segments_sent++;
        u16 folded = fold_checksum(sum);
        if (setup_.send_checksum) checksum_start = static_cast<u16>(tcp.start);
        else folded = static_cast<u16>(~folded);
        std::memcpy(frame + tcp.start + kChecksumOffset, &folded, 2);
    }
    if (total < 60) std::memset(frame + total, 0, 60 - total);
    sent_frames_++;
    sent_bytes_ += total;
    port_.queue(std::max<u32>(total, 60), checksum_start, kChecksumOffset);
    return ERR_OK;
}

}  // namespace pith::stack
