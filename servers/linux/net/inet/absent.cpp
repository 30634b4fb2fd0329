// SPDX-License-Identifier: MIT
// There is no network: the families AF_INET and AF_INET6 are unknown.
#include "servers/linux/net/socket.hpp"

namespace pith::lx {

SysResult<Ref<Socket>> make_inet_socket(Thread&, u16, SocketType, i32, u32) { return Errno::EAFNOSUPPORT; }

}  // namespace pith::lx
