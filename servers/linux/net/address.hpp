// SPDX-License-Identifier: MIT
// Socket addresses as programs give and get them.
#pragma once

#include "servers/linux/user_memory.hpp"

namespace pith::lx {

inline constexpr u16 AF_UNSPECIFIED = 0, AF_UNIX_ = 1, AF_INET_ = 2, AF_INET6_ = 10, AF_NETLINK_ = 16,
                     AF_PACKET_ = 17;

/// The bytes of a struct sockaddr_*: the family first (in the machine's order), then what that family has.
struct SocketAddress {
    static constexpr u32 kMaxSize = 128;  ///< sizeof(struct sockaddr_storage)
    u32 length = 0;                       ///< bytes; 0: none
    alignas(8) u8 bytes[kMaxSize] = {};
    u16 family() const { return length < 2 ? AF_UNSPECIFIED : static_cast<u16>(bytes[0] | bytes[1] << 8); }

    /// Copies one in. EINVAL: longer than kMaxSize, or negative; EFAULT.
    static SysResult<SocketAddress> get(Thread& thread, u64 address, u64 length);
    /// Copies it out as accept, getsockname and the like do: cut to what *length_address says, which becomes its whole length. `address` 0: nothing.
    SysResult<> put(Thread& thread, u64 address, u64 length_address) const;
};

}  // namespace pith::lx
