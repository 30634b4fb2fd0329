// SPDX-License-Identifier: MIT
#include "servers/linux/net/inet/proc_text.hpp"

#include "servers/linux/net/inet/tcp_socket.hpp"
#include "servers/linux/net/inet/udp_socket.hpp"
#include "servers/linux/net/interfaces.hpp"
#include "servers/linux/vfs/format.hpp"

namespace pith::lx {

namespace {

constexpr usize kLineWidth = 149;

std::string right(std::string text, usize width) {
    return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

std::string left(std::string text, usize width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

std::string upper(u64 value, u32 width) {
    std::string text = hexadecimal(value, width);
    for (char& c : text)
        if (c >= 'a') c = static_cast<char>(c - 'a' + 'A');
    return text;
}

/// What the lines of all tables have in common.
struct Line {
    const Binding& binding;
    u8 state;
    u64 send_queue, receive_queue;
    u64 inode;
    u32 references;
};

std::string common(u32 number, const Line& line, bool v6) {
    InetAddress remote = line.binding.remote;
    if (remote.family == 0) remote = any_address(v6 ? 6 : 4);
    std::string text = right(decimal(number), 4) + ": " + address_hex(line.binding.local, v6) + " " +
                       address_hex(remote, v6) + " " + upper(line.state, 2) + " " +
                       upper(line.send_queue, 8) + ":" + upper(line.receive_queue, 8) +
                       " 00:00000000 00000000 " + right(decimal(line.binding.uid), 5) + " " + right("0", 8) +
                       " " + decimal(line.inode) + " " + decimal(line.references) + " " + upper(0, 16);
    return text;
}

void pad(std::string& text, std::string line, bool v6) {
    if (!v6 && line.size() < kLineWidth) line.append(kLineWidth - line.size(), ' ');
    text += line + "\n";
}

std::string tcp_text(Network& network, bool v6) {
    std::string text;
    if (v6)
        text =
            "  sl  local_address                         remote_address                        st tx_queue "
            "rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    else
        pad(text,
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
            "inode",
            false);
    u32 number = 0;
    network.tcp.for_each([&](const Binding& binding) {
        const auto* end = static_cast<const TcpEnd*>(binding.holder);
        const bool six = end != nullptr ? end->family == AF_INET6_ : binding.local.family == 6;
        // What is only bound is in no table of Linux's.
        if (six != v6 || (end != nullptr && end->state == TcpState::closed)) return;
        const bool listens = end != nullptr && end->listening();
        const Line line{.binding = binding,
                        .state = static_cast<u8>(end != nullptr ? end->state : TcpState::time_wait),
                        .send_queue = end != nullptr && !listens ? end->unsent() : 0,
                        .receive_queue = end == nullptr ? 0
                                         : listens      ? end->accept_queue()
                                                        : end->unread(),
                        .inode = end != nullptr && end->socket != nullptr ? end->socket->inode().number() : 0,
                        .references = end != nullptr ? 1u : 0u};
        const std::string tail = listens ? " 100 0 0 10 0" : end != nullptr ? " 20 4 30 10 -1" : "";
        pad(text, common(number++, line, v6) + tail, v6);
    });
    return text;
}

std::string datagram_text(const PortTable& table, bool v6) {
    std::string text;
    if (v6)
        text =
            "  sl  local_address                         remote_address                        st tx_queue "
            "rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";
    else
        pad(text,
            "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
            "inode ref "
            "pointer drops",
            false);
    table.for_each([&](const Binding& binding) {
        const auto& socket = *static_cast<const DatagramSocket*>(binding.holder);
        if (socket.v6() != v6) return;
        const Line line{
            .binding = binding,
            .state = static_cast<u8>(binding.remote.family != 0 ? TcpState::established : TcpState::closed),
            .send_queue = 0,
            .receive_queue = socket.queued_bytes(),
            .inode = socket.inode().number(),
            .references = 2};
        const u32 number = socket.type == SocketType::raw ? static_cast<u32>(socket.protocol)
                                                          : binding.local.port;
        pad(text, " " + common(number, line, v6) + " " + decimal(socket.drops()), v6);
    });
    return text;
}

}  // namespace

std::string inet_table_text(Network& network, InetTable table) {
    switch (table) {
        case InetTable::tcp: return tcp_text(network, false);
        case InetTable::tcp6: return tcp_text(network, true);
        case InetTable::udp: return datagram_text(network.udp, false);
        case InetTable::udp6: return datagram_text(network.udp, true);
        case InetTable::raw: return datagram_text(network.raw, false);
        case InetTable::raw6: return datagram_text(network.raw, true);
        case InetTable::icmp: return datagram_text(network.echo, false);
        case InetTable::icmp6: return datagram_text(network.echo, true);
    }
    return {};
}

std::string groups_text4(Network& network) {
    std::string text = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n";
    for (const InterfaceView& at : interfaces_of(network.zone)) {
        std::string lines;
        u32 count = 0;
        const auto add = [&](const InetAddress& group, u32 sockets) {
            ++count;
            lines += "\t\t\t\t" + address_hex(group, false).substr(0, 8) + " " + right(decimal(sockets), 5) +
                     " 0:00000000\t\t0\n";
        };
        network.groups.for_each([&](const InetAddress& group, u32 interface, u32 sockets) {
            if (interface == at.index && group.family == 4 && !is_all_hosts(group)) add(group, sockets);
        });
        add(ipv4_address(0xe0000001), 1);
        text += decimal(at.index) + "\t" + left(at.name, 10) + ": " + right(decimal(count), 5) + " " +
                right("V2", 7) + "\n" + lines;
    }
    return text;
}

std::string groups_text6(Network& network) {
    std::string text;
    for (const InterfaceView& at : interfaces_of(network.zone)) {
        const auto add = [&](const InetAddress& group, u32 sockets) {
            std::string bytes;
            for (const u8 byte : group.bytes) bytes += hexadecimal(byte, 2);
            text += left(decimal(at.index), 4) + " " + left(at.name, 15) + " " + bytes + " " +
                    right(decimal(sockets), 5) + " 00000004 0\n";
        };
        network.groups.for_each([&](const InetAddress& group, u32 interface, u32 sockets) {
            if (interface == at.index && group.family == 6 && !is_all_hosts(group)) add(group, sockets);
        });
        for (const u8 scope : {u8{2}, u8{1}}) {
            InetAddress all{.family = 6, .bytes = {0xff, scope}};
            all.bytes[15] = 1;
            add(all, 1);
        }
    }
    return text;
}

std::string socket_statistics_text(Network& network) {
    u64 tcp = 0, udp = 0, raw = 0, orphans = 0;
    network.tcp.for_each([&](const Binding& binding) {
        if (binding.holder == nullptr) return;
        ++tcp;
        const auto& end = *static_cast<const TcpEnd*>(binding.holder);
        if (end.socket == nullptr) ++orphans;
    });
    network.udp.for_each([&](const Binding&) { ++udp; });
    network.raw.for_each([&](const Binding&) { ++raw; });
    return "sockets: used " + decimal(tcp + udp + raw) + "\nTCP: inuse " + decimal(tcp) + " orphan " +
           decimal(orphans) + " tw " + decimal(network.time_waiting()) + " alloc " + decimal(tcp) +
           " mem 0\nUDP: inuse " + decimal(udp) + " mem 0\nUDPLITE: inuse 0\nRAW: inuse " + decimal(raw) +
           "\nFRAG: inuse 0 memory 0\n";
}

}  // namespace pith::lx
