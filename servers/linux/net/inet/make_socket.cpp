// SPDX-License-Identifier: MIT
// socket(AF_INET or AF_INET6, ...).
#include "servers/linux/net/inet/tcp_socket.hpp"
#include "servers/linux/thread.hpp"

namespace pith::lx {

SysResult<Ref<Socket>> make_inet_socket(Thread& thread, u16 family, SocketType type, i32 protocol,
                                        u32 flags) {
    switch (type) {
        case SocketType::stream:
            if (protocol != 0 && protocol != kIpprotoTcp) return Errno::EPROTONOSUPPORT;
            return Ref<Socket>(Ref<TcpSocket>::make(thread, flags, family));
        default: return Errno::ESOCKTNOSUPPORT;
    }
}

}  // namespace pith::lx
