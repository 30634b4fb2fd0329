// SPDX-License-Identifier: MIT
// /proc/net, which is /proc/PID/net of every process: the zone has one network.
#include "servers/linux/net/inet/network.hpp"
#include "servers/linux/net/inet/proc_text.hpp"
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

template <InetTable Table>
SysResult<std::string> text_inet(const ProcSubject& subject, Thread&) {
    return inet_table_text(*subject.zone->network, Table);
}

SysResult<std::string> text_statistics(const ProcSubject& subject, Thread&) {
    return socket_statistics_text(*subject.zone->network);
}

template <std::string Text(Network&)>
SysResult<std::string> text_groups(const ProcSubject& subject, Thread&) {
    return Text(*subject.zone->network);
}

constinit const ProcEntry kNetEntries[] = {
    {"icmp", S_REGULAR | 0444, text_inet<InetTable::icmp>},
    {"icmp6", S_REGULAR | 0444, text_inet<InetTable::icmp6>},
    {"igmp", S_REGULAR | 0444, text_groups<groups_text4>},
    {"igmp6", S_REGULAR | 0444, text_groups<groups_text6>},
    {"raw", S_REGULAR | 0444, text_inet<InetTable::raw>},
    {"raw6", S_REGULAR | 0444, text_inet<InetTable::raw6>},
    {"sockstat", S_REGULAR | 0444, text_statistics},
    {"tcp", S_REGULAR | 0444, text_inet<InetTable::tcp>},
    {"tcp6", S_REGULAR | 0444, text_inet<InetTable::tcp6>},
    {"udp", S_REGULAR | 0444, text_inet<InetTable::udp>},
    {"udp6", S_REGULAR | 0444, text_inet<InetTable::udp6>},
    {"unix", S_REGULAR | 0444, text_unix},
    {"dev", S_REGULAR | 0444, proc_net_dev},
    {"route", S_REGULAR | 0444, proc_net_route},
    {"if_inet6", S_REGULAR | 0444, proc_net_if_inet6},
    {"arp", S_REGULAR | 0444, proc_net_arp},
};

}  // namespace

constinit const ProcEntry kProcNet{.mode = S_DIRECTORY | 0555, .entries = kNetEntries};

}  // namespace pith::lx
