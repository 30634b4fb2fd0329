// SPDX-License-Identifier: MIT
// struct msghdr and its control messages: from the program's memory to SendExtras, and from ReceiveExtras back.
#pragma once

#include "servers/linux/net/socket.hpp"

namespace pith::lx {

/// struct msghdr.
struct MessageHeader {
    u64 name;
    i32 name_length;
    u32 pad0;
    u64 vectors, vector_count;
    u64 control, control_length;
    i32 flags;
    u32 pad1;
};
static_assert(sizeof(MessageHeader) == 56);

/// struct mmsghdr.
struct MultiMessageHeader {
    MessageHeader header;
    u32 length;
    u32 pad;
};
static_assert(sizeof(MultiMessageHeader) == 64);

/// What sendmsg is asked for.
struct Outgoing {
    UserIo io;
    SendExtras extras;
};
/// EFAULT, EINVAL, EMSGSIZE, ENOBUFS, EBADF, EPERM, ESRCH, ETOOMANYREFS.
SysResult<Outgoing> get_outgoing(Thread& thread, Socket& socket, u64 header_address, u32 flags);

/// What recvmsg is asked for.
struct Incoming {
    MessageHeader header;
    UserIo io;
};
SysResult<Incoming> get_incoming(Thread& thread, u64 header_address);
/// Gives name, control messages and flags of what was received. Descriptors that do not fit are closed.
SysResult<> put_incoming(Thread& thread, const Socket& socket, u64 header_address,
                         const MessageHeader& header, ReceiveExtras& extras);

}  // namespace pith::lx
