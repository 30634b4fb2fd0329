// SPDX-License-Identifier: MIT
// There is no network: the family AF_NETLINK is unknown.
#include "servers/linux/net/socket.hpp"

namespace pith::lx {

SysResult<Ref<Socket>> make_netlink_socket(Thread&, SocketType, i32, u32) { return Errno::EAFNOSUPPORT; }

}  // namespace pith::lx
