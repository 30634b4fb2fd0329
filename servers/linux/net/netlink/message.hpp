// SPDX-License-Identifier: MIT
// Netlink messages (RFC 3549; Linux: include/uapi/linux/netlink.h): taken apart, and put together as datagrams. All is in the machine's byte
// order. What a program sends is only looked at through Attributes and read_struct, which check every length.
#pragma once

#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "abi/types.hpp"
#include "servers/linux/errno.hpp"

namespace pith::lx {

/// struct nlmsghdr.
struct NetlinkHeader {
    u32 length;  ///< with this header
    u16 type;
    u16 flags;
    u32 sequence;
    u32 port;
};
static_assert(sizeof(NetlinkHeader) == 16);

// NLMSG_* and NLM_F_*.
inline constexpr u16 kNetlinkError = 2, kNetlinkDone = 3, kNetlinkFirstType = 16;
inline constexpr u16 kNetlinkRequest = 1, kNetlinkMulti = 2, kNetlinkAck = 4, kNetlinkDump = 0x300,
                     kNetlinkFiltered = 0x20, kNetlinkCapped = 0x100;

inline constexpr usize netlink_aligned(usize size) { return (size + 3) & ~usize{3}; }

/// The struct that `bytes` begin with, as far as they go; the rest of it is 0.
template <typename T>
    requires std::is_trivially_copyable_v<T>
T read_struct(std::span<const u8> bytes) {
    T value{};
    std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
    return value;
}

/// The attributes of a message; of several of one type the last counts.
class Attributes {
  public:
    explicit Attributes(std::span<const u8> bytes) : bytes_(bytes) {}
    bool empty() const { return bytes_.size() < 4; }
    /// Of this type; empty: there is none, or it has no bytes.
    std::span<const u8> find(u16 type) const;
    u32 number(u16 type, u32 otherwise) const;
    /// Without the NUL behind it.
    std::string_view text(u16 type) const;

  private:
    std::span<const u8> bytes_;
};

/// Answers, as datagrams: each has whole messages, and several as long as it is no longer than kDatagram.
class NetlinkReplies {
  public:
    /// What the smallest buffer that C libraries receive into has room for.
    static constexpr usize kDatagram = 3776;

    /// For the answers to one request of the socket with `port`.
    NetlinkReplies(const NetlinkHeader& request, u32 port) : request_(request), port_(port) {}
    /// Begins a message; what is added belongs to it until the next begins.
    template <typename T>
    void begin(u16 type, u16 flags, const T& body) {
        begin_message(type, flags);
        add_bytes(&body, sizeof body);
    }
    void add(u16 type, std::span<const u8> value);
    void add(u16 type, std::string_view text);  ///< with a NUL
    template <typename T>
        requires std::is_arithmetic_v<T>
    void add(u16 type, T value) {
        add(type, std::span(reinterpret_cast<const u8*>(&value), sizeof value));
    }
    template <typename T>
    void add_struct(u16 type, const T& value) {
        add(type, std::span(reinterpret_cast<const u8*>(&value), sizeof value));
    }
    /// NLMSG_ERROR, with what was asked unless `capped`; `error` ok: an acknowledgement. In a datagram of its own.
    void error(Errno error, std::span<const u8> request, bool capped);
    /// NLMSG_DONE, in a datagram of its own.
    void done();
    std::vector<std::vector<u8>> take();

  private:
    void begin_message(u16 type, u16 flags);
    void add_bytes(const void* bytes, usize size);
    void end_message();
    const NetlinkHeader request_;
    const u32 port_;
    std::vector<u8> message_;  ///< the one that is being made
    std::vector<std::vector<u8>> datagrams_;
    bool alone_ = false;  ///< nothing follows in the last datagram
};

}  // namespace pith::lx
