// SPDX-License-Identifier: MIT
// /proc/net, which is /proc/PID/net of every process: the zone has one network.
#include "servers/linux/net/unix/domain.hpp"
#include "servers/linux/net/unix/unix_socket.hpp"
#include "servers/linux/vfs/proc/proc.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

SysResult<std::string> text_unix(const ProcSubject& subject, Thread&) {
    std::string text = "Num       RefCount Protocol Flags    Type St Inode Path\n";
    for (const UnixSocket* socket : unix_domain(*subject.zone).sockets()) text += socket->line();
    return text;
}

constinit const ProcEntry kNetEntries[] = {
    {"unix", S_REGULAR | 0444, text_unix},
    {"dev", S_REGULAR | 0444, proc_net_dev},
    {"route", S_REGULAR | 0444, proc_net_route},
    {"if_inet6", S_REGULAR | 0444, proc_net_if_inet6},
    {"arp", S_REGULAR | 0444, proc_net_arp},
};

}  // namespace

constinit const ProcEntry kProcNet{.mode = S_DIRECTORY | 0555, .entries = kNetEntries};

}  // namespace pith::lx
