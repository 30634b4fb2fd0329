// SPDX-License-Identifier: MIT
#include "servers/net/stack/socket_table.hpp"

#include <new>

#include "lib/base/assert.hpp"

namespace pith::stack {

void SocketTable::make(u32 group) {
    Socket* const first = sockets_ + usize{group} * kGroup;
    if (!port_.need(reinterpret_cast<u8*>(first), kGroup * sizeof(Socket)))
        assertion_failed("a socket is not in the reserve");
    for (u32 i = 0; i < kGroup; i++) {
        ::new (static_cast<void*>(first + i)) Socket;
        first[i].number = static_cast<u16>(group * kGroup + i);
    }
    groups_ |= u64{1} << group;
}

}  // namespace pith::stack
