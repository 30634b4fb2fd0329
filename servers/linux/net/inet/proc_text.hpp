// SPDX-License-Identifier: MIT
// What /proc/net tells of internet sockets, as Linux prints it.
#pragma once

#include <string>

#include "servers/linux/ref.hpp"

namespace pith::lx {

class Network;

enum class InetTable : unsigned char { tcp, tcp6, udp, udp6, raw, raw6, icmp, icmp6 };
/// A whole file: the heading and a line a socket.
std::string inet_table_text(Network& network, InetTable table);
/// /proc/net/igmp, /proc/net/igmp6.
std::string groups_text4(Network& network);
std::string groups_text6(Network& network);
/// /proc/net/sockstat.
std::string socket_statistics_text(Network& network);

}  // namespace pith::lx
