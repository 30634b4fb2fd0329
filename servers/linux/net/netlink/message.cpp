// SPDX-License-Identifier: MIT
#include "servers/linux/net/netlink/message.hpp"

#include <algorithm>

namespace pith::lx {

namespace {

/// struct rtattr.
struct AttributeHeader {
    u16 length;  ///< with this header
    u16 type;
};
constexpr u16 kTypeMask = 0x3fff;  ///< without NLA_F_NESTED and NLA_F_NET_BYTEORDER

}  // namespace

std::span<const u8> Attributes::find(u16 type) const {
    std::span<const u8> rest = bytes_, found;
    while (rest.size() >= sizeof(AttributeHeader)) {
        const auto header = read_struct<AttributeHeader>(rest);
        if (header.length < sizeof header || header.length > rest.size()) break;
        if ((header.type & kTypeMask) == type)
            found = rest.subspan(sizeof header, header.length - sizeof header);
        rest = rest.subspan(std::min(netlink_aligned(header.length), rest.size()));
    }
    return found;
}

u32 Attributes::number(u16 type, u32 otherwise) const {
    const std::span<const u8> bytes = find(type);
    return bytes.size() < sizeof(u32) ? otherwise : read_struct<u32>(bytes);
}

std::string_view Attributes::text(u16 type) const {
    const std::span<const u8> bytes = find(type);
    const char* begin = reinterpret_cast<const char*>(bytes.data());
    return bytes.empty() ? std::string_view() : std::string_view(begin, strnlen(begin, bytes.size()));
}

void NetlinkReplies::begin_message(u16 type, u16 flags) {
    end_message();
    const NetlinkHeader header{0, type, flags, request_.sequence, port_};
    add_bytes(&header, sizeof header);
}

void NetlinkReplies::add_bytes(const void* bytes, usize size) {
    const u8* from = static_cast<const u8*>(bytes);
    message_.insert(message_.end(), from, from + size);
    message_.resize(netlink_aligned(message_.size()));
}

void NetlinkReplies::add(u16 type, std::span<const u8> value) {
    const AttributeHeader header{static_cast<u16>(sizeof(AttributeHeader) + value.size()), type};
    add_bytes(&header, sizeof header);
    add_bytes(value.data(), value.size());
}

void NetlinkReplies::add(u16 type, std::string_view text) {
    std::vector<u8> bytes(text.begin(), text.end());
    bytes.push_back(0);
    add(type, std::span<const u8>(bytes));
}

void NetlinkReplies::end_message() {
    if (message_.empty()) return;
    const u32 length = static_cast<u32>(message_.size());
    std::memcpy(message_.data(), &length, sizeof length);
    if (alone_ || datagrams_.empty() || datagrams_.back().size() + length > kDatagram)
        datagrams_.emplace_back();
    datagrams_.back().insert(datagrams_.back().end(), message_.begin(), message_.end());
    message_.clear();
    alone_ = false;
}

void NetlinkReplies::error(Errno error, std::span<const u8> request, bool capped) {
    end_message();
    alone_ = true;
    capped = capped || error == Errno::ok;
    begin_message(kNetlinkError, capped ? kNetlinkCapped : u16{0});
    const i32 code = -static_cast<i32>(error);
    add_bytes(&code, sizeof code);
    add_bytes(request.data(), capped ? sizeof(NetlinkHeader) : request.size());
    end_message();
    alone_ = true;
}

void NetlinkReplies::done() {
    end_message();
    alone_ = true;
    begin_message(kNetlinkDone, kNetlinkMulti);
    const i32 code = 0;
    add_bytes(&code, sizeof code);
    end_message();
    alone_ = true;
}

std::vector<std::vector<u8>> NetlinkReplies::take() {
    end_message();
    return std::move(datagrams_);
}

}  // namespace pith::lx
