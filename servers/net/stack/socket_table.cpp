// SPDX-License-Identifier: MIT
#include "servers/net/stack/socket_table.hpp"

#include <new>

#include "lib/base/assert.hpp"

namespace pith::stack {

void SocketTable::make(u32 group) {
    Socket* const first = sockets_ + usize{group} * kGroup;
    const auto* blocks = reinterpret_cast<const u8*>(blocks_ + usize{group} * kGroup);
    if (!port_.need(reinterpret_cast<u8*>(first), kGroup * sizeof(Socket)) ||
        !port_.need(blocks, kGroup * sizeof(Net::Block)))
        assertion_failed("a socket is not in the reserve");
    noted_ |= u64{1} << group;
    for (u32 i = 0; i < kGroup; i++) {
        ::new (static_cast<void*>(first + i)) Socket;
        first[i].number = static_cast<u16>(group * kGroup + i);
    }
    groups_ |= u64{1} << group;
}

u32 SocketTable::noted(u32 number) {
    while (number < Net::kSockets && !has(number)) {
        if ((noted_ >> number / kGroup & 1) != 0) make(number / kGroup);
        else number = (number / kGroup + 1) * kGroup;
    }
    return number;
}

}  // namespace pith::stack
