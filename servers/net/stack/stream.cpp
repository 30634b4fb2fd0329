// SPDX-License-Identifier: MIT
// Streams: a socket and lwIP's control block of one connection. Sent bytes are not copied before they are put into a frame: lwIP's segments refer to the send
// ring's pages. Received bytes are copied once, from the frame to the receive ring.
#include <algorithm>
#include <cstring>

#include <lwip/priv/tcp_priv.h>
#include <lwip/udp.h>
#include "lib/base/assert.hpp"
#include "servers/net/stack/addresses.hpp"
#include "servers/net/stack/stack.hpp"

namespace pith::stack {
namespace {

constexpr u32 kAhead = 8 * TCP_MSS;  ///< bytes that lwIP has beyond what it may send now
constexpr u64 kCorkTime = 200'000'000;
constexpr u64 kObjectTime = 100'000'000;
constexpr u32 kMilliseconds = 1'000;

err_t received(void* argument, tcp_pcb*, pbuf* data, err_t) {
    return Stack::current().on_received(*static_cast<Socket*>(argument), data);
}
err_t sent(void* argument, tcp_pcb*, u16_t length) {
    Stack::current().on_sent(*static_cast<Socket*>(argument), length);
    return ERR_OK;
}
err_t connected(void* argument, tcp_pcb*, err_t) {
    return Stack::current().on_established(*static_cast<Socket*>(argument));
}
void failed(void* argument, err_t error) {
    if (argument != nullptr) Stack::current().on_error(*static_cast<Socket*>(argument), error);
}

/// lwIP frees a control block.
void freed(u8_t, void* data) {
    auto* node = static_cast<Demux::Node*>(data);
    if (node == nullptr) return;
    Socket* socket = node->socket;
    Stack::current().demux().remove(*node);
    if (socket != nullptr) Stack::current().on_freed(*socket);
}
constexpr tcp_ext_arg_callbacks kCallbacks = {freed, nullptr};

bool open_for_sending(const tcp_pcb& pcb) { return pcb.state == ESTABLISHED || pcb.state == CLOSE_WAIT; }

Net::Failure failure_of(err_t error) {
    switch (error) {
        case ERR_RTE: return Net::Failure::unreachable;
        case ERR_USE: return Net::Failure::in_use;
        default: return Net::Failure::no_memory;
    }
}

}  // namespace

/// The control block is this socket's from now on, and can be found.
void Stack::adopt(Socket& socket, tcp_pcb* pcb) {
    socket.tcp = pcb;
    tcp_arg(pcb, &socket);
    tcp_recv(pcb, received);
    tcp_sent(pcb, sent);
    tcp_err(pcb, failed);
    pcb->connected = connected;
    tcp_ext_arg_set(pcb, 0, &demux_.insert(pcb, &socket));
    tcp_ext_arg_set_callbacks(pcb, 0, &kCallbacks);
}

void Stack::open_stream(Socket& socket, const Net::ClientHalf& client) {
    if (waiting_for_interface()) {
        socket.kind = Net::Kind::none;  // looked at again then
        socket.news = false;
        someone_waits_ = true;
        return;
    }
    counts().opened_actively++;
    ip_addr_t local, remote;
    if (!to_lwip(client.local, local) || !to_lwip(client.remote, remote) || client.remote.family == 0 ||
        client.remote.port == 0 || client.local.port == 0 ||
        (client.local.family != 0 && client.local.family != client.remote.family))
        return fail(socket, Net::Failure::broken);
    if (client.local.family == 0) IP_SET_TYPE_VAL(local, IP_GET_TYPE(&remote));
    netif* route = ip_route(&local, &remote);
    if (route == nullptr || !netif_is_link_up(route)) return fail(socket, Net::Failure::unreachable);
    if (any(client.local)) {
        const ip_addr_t* source = ip_netif_get_local_ip(route, &remote);
        if (source == nullptr) return fail(socket, Net::Failure::unreachable);
        ip_addr_copy(local, *source);
    } else if (IP_IS_V4(&local) ? !ip4_addr_cmp(ip_2_ip4(&local), netif_ip4_addr(route))
                                : netif_get_ip6_addr_match(route, ip_2_ip6(&local)) < 0) {
        return fail(socket, Net::Failure::not_local);
    }
    if (IP_IS_V6(&remote) && ip6_addr_lacks_zone(ip_2_ip6(&remote), IP6_UNICAST))
        ip6_addr_assign_zone(ip_2_ip6(&remote), IP6_UNICAST, route);
    if (IP_IS_V6(&local) && ip6_addr_lacks_zone(ip_2_ip6(&local), IP6_UNICAST))
        ip6_addr_assign_zone(ip_2_ip6(&local), IP6_UNICAST, route);
    if (tcp_pcb* other = demux_.find(local, client.local.port, remote, client.remote.port);
        other != nullptr) {
        if (other->state != TIME_WAIT) return fail(socket, Net::Failure::in_use);
        tcp_abort(other);  // its successor's sequence numbers are later ones (RFC 6528)
    }
    tcp_pcb* pcb = tcp_new_ip_type(IP_GET_TYPE(&remote));
    if (pcb == nullptr) return fail(socket, Net::Failure::no_memory);
    ip_addr_copy(pcb->local_ip, local);
    pcb->local_port = client.local.port;
    pcb->rto = static_cast<s16_t>(kMilliseconds / TCP_SLOW_INTERVAL);
    pcb->sv = pcb->rto;
    pcb->ttl = client.ttl != 0 ? client.ttl : pcb->ttl;
    pcb->tos = client.tos;
    // lwIP sends the SYN in tcp_connect(): the frame waits for the record, as all do.
    pcb->remote_port = client.remote.port;
    ip_addr_copy(pcb->remote_ip, remote);
    adopt(socket, pcb);
    socket.state = Net::State::connecting;
    const err_t error = tcp_connect(pcb, &remote, client.remote.port, connected);
    if (error != ERR_OK) {
        pcb->local_port = 0;  // in none of lwIP's lists
        return fail(socket, failure_of(error));
    }
    socket.first_sent = pcb->lastack;
    Net::ServerHalf& server = shared_.server(socket.number);
    server.local = from_lwip(pcb->local_ip, pcb->local_port);
    server.remote = from_lwip(pcb->remote_ip, pcb->remote_port);
}

/// Ends the connection at once; the peer gets a RST if there is one.
void Stack::abort_stream(Socket& socket) {
    tcp_pcb* pcb = socket.tcp;
    if (pcb == nullptr) return;
    socket.tcp = nullptr;
    tcp_arg(pcb, nullptr);
    tcp_err(pcb, nullptr);
    Demux::node(pcb)->socket = nullptr;
    tcp_abandon(pcb, pcb->state != SYN_SENT && pcb->state != CLOSED && pcb->state != SYN_RCVD);
}

/// In TIME_WAIT a connection is nobody's: lwIP waits alone. Of too many that has waited for longest goes.
void Stack::detach(Socket& socket) {
    tcp_pcb* pcb = socket.tcp;
    socket.tcp = nullptr;
    tcp_arg(pcb, nullptr);
    tcp_err(pcb, nullptr);
    Demux::node(pcb)->socket = nullptr;
    demux_.wait(*Demux::node(pcb));
    if (demux_.waiting() > kMaxWaiting) tcp_abort(demux_.longest_waiting()->pcb);
}

void Stack::apply_options(Socket& socket, u8 flags) {
    const Net::ClientHalf& client = shared_.client(socket.number);
    tcp_pcb& pcb = *socket.tcp;
    if ((flags & Net::kNoDelay) != 0) tcp_nagle_disable(&pcb);
    else tcp_nagle_enable(&pcb);
    const auto limited = [](u32 value, u32 otherwise, u32 most) {
        return value == 0 ? otherwise : std::min(value, most);
    };
    pcb.keep_idle = limited(look(client.keep_idle), 7200, 32767) * kMilliseconds;
    pcb.keep_intvl = limited(look(client.keep_interval), 75, 32767) * kMilliseconds;
    pcb.keep_cnt = limited(look(client.keep_count), 9, 127);
    if ((flags & Net::kKeepAlive) != 0) ip_set_option(&pcb, SOF_KEEPALIVE);
    else ip_reset_option(&pcb, SOF_KEEPALIVE);
    if ((flags & Net::kKeepAlive) != 0) timers_.need_tcp();
    socket.user_timeout = look(client.user_timeout);
    const u8 ttl = look(client.ttl);
    pcb.ttl = ttl != 0 ? ttl : u8{TCP_TTL};
    pcb.tos = look(client.tos);
    const u32 limit = look(client.receive_limit);
    socket.limit = limit == 0 || limit > Net::kRingSize ? Net::kRingSize : limit;
}

void Stack::apply_stream(Socket& socket) {
    const Net::ClientHalf& client = shared_.client(socket.number);
    if (socket.tcp == nullptr) return;
    const u32 tail = look(client.send_tail);
    if (tail - socket.send_tail > Net::kRingSize || tail - socket.send_head > Net::kRingSize ||
        (socket.fin_queued && tail != socket.send_tail))
        return fail(socket, Net::Failure::broken);
    if (!take_head(socket)) return fail(socket, Net::Failure::broken);
    if (tail != socket.send_tail && socket.send_tail == socket.send_head) socket.progress = port_.now();
    socket.send_tail = tail;
    u8 flags = look(client.flags);
    if (socket.orphan) {
        flags |= Net::kSendClosed | Net::kReceiveClosed;
        tcp_set_flags(socket.tcp, TF_RXCLOSED);
    }
    socket.flags = flags;
    apply_options(socket, flags);
    if ((flags & Net::kReceiveClosed) != 0) {
        socket.receive_head = socket.receive_tail;
        release_all(socket);
    }
    open_window(socket);
}

/// The peer may send what there is room for.
void Stack::open_window(Socket& socket) {
    tcp_pcb& pcb = *socket.tcp;
    if (pcb.state < ESTABLISHED || pcb.state >= CLOSE_WAIT) return;
    const u32 unread = socket.receive_tail - socket.receive_head;
    const u32 most = std::min<u32>(socket.limit, TCP_WND_MAX(&pcb));
    const u32 room = unread >= most ? 0 : most - unread;
    if (room <= pcb.rcv_wnd) return;
    const u32 told = static_cast<i32>(pcb.rcv_ann_right_edge - pcb.rcv_nxt) > 0
                         ? pcb.rcv_ann_right_edge - pcb.rcv_nxt
                         : 0;
    for (u32 more = room - pcb.rcv_wnd; more > 0;) {
        const u16 part = static_cast<u16>(std::min<u32>(more, 0x8000));
        tcp_recved(&pcb, part);
        more -= part;
    }
    // A peer that has little room left hears of it at once; lwIP waits for an eighth of the largest window.
    const u32 step = std::min<u32>(most / 2, 2 * pcb.mss);
    if (told < step && room - told >= std::min<u32>(step, pcb.mss)) tcp_ack_now(&pcb);
}

bool Stack::feed_some(Socket& socket, u32 length, bool more) {
    while (length > 0) {
        u32 run = std::min<u32>(length, 0x8000);
        const u8* bytes = send_at(socket, socket.fed, run);
        if (bytes == nullptr) {
            fail(socket, Net::Failure::broken);
            return false;
        }
        const bool last = run == length && !more;
        if (tcp_write(socket.tcp, bytes, static_cast<u16_t>(run), last ? 0 : TCP_WRITE_FLAG_MORE) != ERR_OK) {
            if (!socket.deferred) deferred_++;
            socket.deferred = true;
            return false;
        }
        socket.fed += run;
        length -= run;
    }
    return true;
}

/// Gives lwIP what it may send, and a little more: not all that there is, as every segment takes memory.
void Stack::feed(Socket& socket) {
    if (socket.deferred) deferred_--;
    socket.deferred = false;
    while (socket.fed != socket.send_tail) {
        const tcp_pcb& pcb = *socket.tcp;
        if (!open_for_sending(pcb)) return;
        const u32 left = socket.send_tail - socket.fed;
        const u32 queued = pcb.snd_lbb - pcb.lastack;
        const u32 most = std::min<u32>(pcb.cwnd, pcb.snd_wnd) + kAhead;
        if (queued >= most) return;
        u32 length = std::min({left, most - queued, u32{0x8000}});
        if (length < left && length >= pcb.mss) length -= length % pcb.mss;
        if ((socket.flags & Net::kCork) != 0 && (socket.flags & Net::kSendClosed) == 0 && left < pcb.mss) {
            if (!socket.corked) {
                socket.corked = true;
                corked_++;
                socket.deadline = port_.now() + kCorkTime;
                cork_deadline_ = std::min(cork_deadline_, socket.deadline);
            }
            if (port_.now() < socket.deadline) {
                cork_deadline_ = std::min(cork_deadline_, socket.deadline);
                return;
            }
        }
        if (socket.corked) corked_--;
        socket.corked = false;
        if (!feed_some(socket, length, length < left)) return;
    }
}

void Stack::settle_stream(Socket& socket) {
    tcp_pcb* pcb = socket.tcp;
    if (pcb != nullptr && pcb->state == TIME_WAIT) {
        detach(socket);
        pcb = nullptr;
    }
    if (pcb == nullptr) {
        if (socket.state != Net::State::closed && socket.state != Net::State::free) {
            socket.state = Net::State::closed;
            socket.news = true;
        }
        return;
    }
    if (socket.half_open) {
        if (pcb->unsent != nullptr) output(socket);  // its SYN had no room
        return;
    }
    feed(socket);
    if (socket.tcp == nullptr) return;
    if ((socket.flags & Net::kSendClosed) != 0 && !socket.fin_queued && socket.fed == socket.send_tail &&
        open_for_sending(*pcb)) {
        socket.fin_queued = true;
        static_cast<void>(tcp_shutdown(pcb, 0, 1));
    }
    output(socket);
    timers_.need_tcp();
    // An acknowledgement that is still due was not sent.
    if (pcb->state < ESTABLISHED || (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW)) != 0 ||
        (socket.told_acknowledged == pcb->rcv_nxt && socket.told_edge == pcb->rcv_ann_right_edge))
        return;
    socket.told_acknowledged = pcb->rcv_nxt;
    socket.told_edge = pcb->rcv_ann_right_edge;
    if (!socket.telling) telling_[telling_count_++] = socket.number;
    socket.telling = true;
}

/// What came while the interface was away is lost, and its peer need not wait for a time-out to find that out: three acknowledgements that repeat the last one
/// have it send the first segment that is missing again (R. Caceres and L. Iftode, Improving the Performance of Reliable Transport Protocols in Mobile
/// Computing Environments, 1995, section V).
void Stack::prompt(Socket& socket) {
    constexpr u32 kRepeats = 3;
    tcp_pcb* pcb = socket.tcp;
    if (socket.kind != Net::Kind::stream || pcb == nullptr || pcb->state < ESTABLISHED ||
        pcb->state > FIN_WAIT_2)
        return;
    for (u32 i = 0; i < kRepeats; i++) static_cast<void>(tcp_send_empty_ack(pcb));
}

/// What the rounds before have told the peers has gone out by now.
void Stack::note_told() {
    for (; telling_count_ > 0; telling_count_--) {
        Socket& socket = sockets_[telling_[telling_count_ - 1]];
        socket.telling = false;
        records_.told(socket.number) = {socket.generation, socket.told_acknowledged, socket.told_edge, 0};
    }
}

/// Sends what may be sent. What finds no room for its frame is tried again in the next round, which comes when there is some.
void Stack::output(Socket& socket) {
    if (socket.tcp->unsent == nullptr && (socket.tcp->flags & TF_ACK_NOW) == 0) return;
    static_cast<void>(interface_.take_starved());
    static_cast<void>(tcp_output(socket.tcp));
    if (interface_.take_starved()) starve(socket);
}

err_t Stack::on_established(Socket& socket) {
    tcp_pcb& pcb = *socket.tcp;
    socket.state = Net::State::established;
    socket.news = true;
    socket.first_received = pcb.rcv_nxt - 1;
    socket.progress = port_.now();
    if (socket.half_open) {
        leave_opening(socket);
        socket.unseen = true;
        sockets_[socket.listener].waiting++;
        counts().opened_passively++;
    }
    pcb.rcv_wnd = std::min<u32>(pcb.rcv_wnd, socket.limit);
    touch(socket);
    return ERR_OK;
}

/// Into reserved pages of the receive ring; false: one of them has gone.
bool Stack::append(Socket& socket, const pbuf* data) {
    for (const pbuf* piece = data; piece != nullptr; piece = piece->next) {
        if (!put_bytes(socket, socket.receive_tail, piece->payload, piece->len)) return false;
        socket.receive_tail += piece->len;
    }
    return true;
}

/// In order, and there are pages for all of it (on_segment). nullptr: the peer has closed.
err_t Stack::on_received(Socket& socket, pbuf* data) {
    touch(socket);
    socket.news = true;
    if (data == nullptr) {
        socket.fin_received = true;
        return ERR_OK;
    }
    const u32 length = data->tot_len;
    if ((socket.flags & Net::kReceiveClosed) != 0) {
        socket.dropped += length;
        tcp_recved(socket.tcp, static_cast<u16_t>(length));
    } else if (socket.receive_tail - socket.receive_head + length > Net::kRingSize ||
               !reserve(socket, socket.receive_tail + length) || !append(socket, data)) {
        // Beyond every window, or its pages have gone: never acknowledged, so it must not go on.
        pbuf_free(data);
        abort_stream(socket);
        socket.failure = Net::Failure::no_memory;
        return ERR_ABRT;
    }
    pbuf_free(data);
    // Every second segment is acknowledged at least (RFC 9293, 3.8.6.3).
    if (interface_.merged() > 1) tcp_ack_now(socket.tcp);
    return ERR_OK;
}

void Stack::on_sent(Socket& socket, u32 length) {
    socket.send_head += length;
    socket.progress = port_.now();
    socket.news = true;
    touch(socket);
}

void Stack::on_error(Socket& socket, err_t error) {
    using enum Net::Failure;
    // A peer that has forgotten its TIME_WAIT answers a last FIN by RST: all bytes have arrived all the same.
    const bool over = socket.fin_received && socket.fin_queued && socket.send_head == socket.send_tail;
    if (over) {
        socket.failure = none;
    } else if (error == ERR_RST) {
        socket.failure = socket.state == Net::State::connecting ? refused : reset;
        counts().resets++;
    } else if (error != ERR_CLSD) {
        socket.failure = timed_out;
    }
    touch(socket);
}

void Stack::on_freed(Socket& socket) {
    socket.tcp = nullptr;
    if (socket.half_open) {
        leave_opening(socket);
        socket.orphan = true;
    }
    touch(socket);
}

/// A segment that finds no page is dropped: it is not acknowledged, and comes again.
err_t Stack::on_segment(tcp_pcb* pcb, u32 sequence, u32 number, u8 flags, u32 length) {
    if (pcb->state == TIME_WAIT || pcb->callback_arg == nullptr) return ERR_OK;
    Socket& socket = *static_cast<Socket*>(pcb->callback_arg);
    touch(socket);
    if (pcb->state == SYN_RCVD && (flags & TCP_ACK) != 0) {
        const Socket& listener = sockets_[socket.listener];
        if (listener.waiting >= std::max<u32>(listener.backlog, 1)) return ERR_MEM;
    }
    // Two stacks of which one was given bytes that the other never sent would answer each other for ever (RFC 5961, section 7).
    constexpr u8 kBare = TCP_ACK | TCP_SYN | TCP_RST | TCP_FIN;
    if (length == 0 && (flags & kBare) == TCP_ACK && pcb->state >= ESTABLISHED &&
        TCP_SEQ_GT(number, pcb->snd_nxt)) {
        if (port_.now() - socket.objected < kObjectTime) return ERR_VAL;
        socket.objected = port_.now();
    }
    if (length == 0 || pcb->state < SYN_RCVD || pcb->state >= CLOSE_WAIT ||
        (socket.flags & Net::kReceiveClosed) != 0)
        return ERR_OK;
    const u32 ahead = sequence + length - pcb->rcv_nxt;
    if (static_cast<i32>(ahead) <= 0) return ERR_OK;
    // What fills a gap is acknowledged at once: a sender that recovers waits for it (RFC 5681, section 4.2).
    if (pcb->ooseq != nullptr && ahead <= pcb->rcv_wnd) tcp_ack_now(pcb);
    // What lies beyond the window is cut off, if the rest lies within it.
    return reserve(socket, socket.receive_tail + std::min<u32>(ahead, pcb->rcv_wnd)) ? ERR_OK : ERR_MEM;
}

void Stack::on_acknowledged(tcp_pcb* pcb, Acknowledgement by) {
    if (pcb->callback_arg == nullptr) return;
    Socket& socket = *static_cast<Socket*>(pcb->callback_arg);
    by.more = socket.fed != socket.send_tail;
    const u32 again = acknowledged(*pcb, socket.loss, by);
    socket.retransmissions += again;
    counts().segments_retransmitted += again;
}

bool Stack::after_timers() {
    const u64 now = port_.now();
    bool needed = tcp_tw_pcbs != nullptr;
    for (tcp_pcb *pcb = tcp_active_pcbs, *next; pcb != nullptr; pcb = next) {
        next = pcb->next;
        const bool waits = pcb->unacked != nullptr || pcb->unsent != nullptr || pcb->ooseq != nullptr ||
                           pcb->state < ESTABLISHED ||
                           (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND)) != 0 ||
                           pcb->state >= FIN_WAIT_1 || ip_get_option(pcb, SOF_KEEPALIVE);
        needed |= waits;
        auto* socket = static_cast<Socket*>(pcb->callback_arg);
        if (socket == nullptr) continue;
        if (pcb->nrtx != 0 && pcb->rtime == 0) {
            socket->retransmissions++;
            counts().segments_retransmitted++;
        }
        if (pcb->snd_nxt != socket->recorded_sent || pcb->state != socket->recorded_state) touch(*socket);
        if (socket->user_timeout != 0 && socket->send_head != socket->send_tail &&
            now - socket->progress > u64{socket->user_timeout} * 1'000'000)
            fail(*socket, Net::Failure::timed_out);
    }
    return needed;
}

}  // namespace pith::stack
