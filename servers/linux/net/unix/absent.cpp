// SPDX-License-Identifier: MIT
// The family AF_UNIX is unknown yet.
#include "servers/linux/net/socket.hpp"

namespace pith::lx {

SysResult<Ref<Socket>> make_unix_socket(Thread&, SocketType, i32, u32) { return Errno::EAFNOSUPPORT; }
SysResult<std::pair<Ref<Socket>, Ref<Socket>>> make_unix_pair(Thread&, SocketType, i32, u32) {
    return Errno::EAFNOSUPPORT;
}

}  // namespace pith::lx
