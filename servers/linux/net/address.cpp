// SPDX-License-Identifier: MIT
#include "servers/linux/net/address.hpp"

#include <algorithm>

namespace pith::lx {

SysResult<SocketAddress> SocketAddress::get(Thread& thread, u64 address, u64 length) {
    const auto size = static_cast<i32>(length);
    if (size < 0 || static_cast<u32>(size) > kMaxSize) return Errno::EINVAL;
    SocketAddress result;
    result.length = static_cast<u32>(size);
    if (size != 0) PITH_CHECK(copy_in(thread, result.bytes, address, result.length));
    return result;
}

SysResult<> SocketAddress::put(Thread& thread, u64 address, u64 length_address) const {
    if (address == 0) return {};
    const i32 room = PITH_TRY(lx::get<i32>(thread, length_address));
    if (room < 0) return Errno::EINVAL;
    const u32 copied = std::min(static_cast<u32>(room), length);
    if (copied != 0) PITH_CHECK(copy_out(thread, address, bytes, copied));
    return lx::put(thread, length_address, length);
}

}  // namespace pith::lx
