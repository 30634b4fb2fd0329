// SPDX-License-Identifier: MIT
// Listeners, and the connections that come in: half open ones are bounded, for each listener and in all, and a new one takes the place of the
// oldest, unless that is just coming up; nothing that is established is ever given up for it.
#include <algorithm>

#include <lwip/priv/tcp_priv.h>
#include "servers/net/stack/addresses.hpp"
#include "servers/net/stack/stack.hpp"

namespace pith::stack {
namespace {

constexpr u64 kHandshakeTime = 50'000'000;  ///< so long a half-open connection is not given up for another

err_t accepted(void* argument, tcp_pcb*, err_t error) {
    if (error != ERR_OK || argument == nullptr) return ERR_VAL;
    return Stack::current().on_established(*static_cast<Socket*>(argument));
}
err_t opening(u8_t, tcp_pcb_listen* listener, tcp_pcb* pcb) {
    return Stack::current().on_opening(listener, pcb);
}
constexpr tcp_ext_arg_callbacks kListenerCallbacks = {nullptr, opening};

}  // namespace

void Stack::open_listener(Socket& socket, const Net::ClientHalf& client) {
    ip_addr_t local;
    if (!to_lwip(client.local, local) || client.local.port == 0) return fail(socket, Net::Failure::broken);
    // :: takes both families, unless the client says otherwise.
    if (client.local.family == 6 && any(client.local) && !socket.v6_only)
        IP_SET_TYPE_VAL(local, IPADDR_TYPE_ANY);
    if (listeners_ >= kMaxListeners) return fail(socket, Net::Failure::no_memory);
    tcp_pcb* pcb = tcp_new_ip_type(IP_GET_TYPE(&local));
    if (pcb == nullptr) return fail(socket, Net::Failure::no_memory);
    ip_addr_copy(pcb->local_ip, local);
    pcb->local_port = client.local.port;
    tcp_ext_arg_set_callbacks(pcb, 0, &kListenerCallbacks);
    err_t error;
    tcp_pcb* listener = tcp_listen_with_backlog_and_err(pcb, 255, &error);
    if (listener == nullptr) {
        pcb->local_port = 0;
        tcp_abandon(pcb, 0);
        return fail(socket, Net::Failure::no_memory);
    }
    tcp_arg(listener, &socket);
    tcp_accept(listener, accepted);
    socket.tcp = listener;
    socket.state = Net::State::open;
    socket.backlog = client.backlog;
    listeners_++;
    shared_.server(socket.number).local = client.local;
}

void Stack::close_listener(Socket& socket) {
    if (socket.tcp == nullptr) return;
    for (u16 at = first_opening_, next; at != kNoSocket; at = next) {
        next = sockets_[at].next_opening;
        if (sockets_[at].listener == socket.number) give_up_opening(sockets_[at]);
    }
    tcp_close(socket.tcp);
    socket.tcp = nullptr;
    listeners_--;
}

/// A SYN (or anything else) for a listener: whether there may be one more connection.
err_t Stack::on_listener_segment(tcp_pcb* pcb, u8 flags) {
    if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN) return ERR_OK;
    Socket& listener = *static_cast<Socket*>(pcb->callback_arg);
    if (listener.waiting >= std::max<u32>(listener.backlog, 1)) return ERR_MEM;
    Socket* oldest = nullptr;
    if (listener.opening >= std::clamp<u32>(listener.backlog, 16, kMaxOpening)) {
        u16 at = first_opening_;
        while (sockets_[at].listener != listener.number) at = sockets_[at].next_opening;
        oldest = &sockets_[at];
    } else if (opening_ >= kMaxOpening || (free_count_ == 0 && opening_ > 0)) {
        oldest = &sockets_[first_opening_];
    }
    if (oldest == nullptr) return ERR_OK;
    // Of a burst of newcomers those come through that were first; the others try again.
    if (port_.now() - oldest->progress < kHandshakeTime) return ERR_MEM;
    give_up_opening(*oldest);
    return ERR_OK;
}

Socket* Stack::new_server_socket() {
    if (free_count_ == 0) return nullptr;
    constexpr u32 kCount = Net::kSockets - Net::kFirstServerSocket;
    const u16 number = free_server_[free_first_];
    free_first_ = (free_first_ + 1) % kCount;
    free_count_--;
    Socket& socket = sockets_[number];
    const u64 written = socket.record_count;
    const bool touched = socket.touched, starved = socket.starved, telling = socket.telling;
    const u32 generation = std::max(socket.generation, look(shared_.server(number).generation)) + 1;
    socket = Socket{};
    socket.number = number;
    socket.record_count = written;
    socket.touched = touched;
    socket.starved = starved;
    socket.telling = telling;
    socket.generation = generation == 0 ? 1 : generation;
    if (look(shared_.client(number).generation) == socket.generation)
        socket.generation += 1 + (socket.generation == ~u32{0});
    return &socket;
}

/// lwIP has made a control block for a SYN.
err_t Stack::on_opening(tcp_pcb_listen* of, tcp_pcb* pcb) {
    Socket* socket = new_server_socket();
    if (socket == nullptr) return ERR_MEM;
    Socket& listener = *static_cast<Socket*>(of->callback_arg);
    socket->kind = Net::Kind::stream;
    socket->state = Net::State::connecting;
    socket->listener = listener.number;
    socket->listener_generation = listener.generation;
    socket->progress = port_.now();
    socket->first_sent = pcb->snd_nxt;
    socket->first_received = pcb->rcv_nxt - 1;
    pcb->rto = static_cast<s16_t>(1000 / TCP_SLOW_INTERVAL);
    pcb->sv = pcb->rto;
    adopt(*socket, pcb);
    enter_opening(*socket);
    Net::ServerHalf& server = shared_.server(socket->number);
    server.local = from_lwip(pcb->local_ip, pcb->local_port);
    server.remote = from_lwip(pcb->remote_ip, pcb->remote_port);
    touch(*socket);
    return ERR_OK;
}

void Stack::enter_opening(Socket& socket) {
    socket.half_open = true;
    socket.previous_opening = last_opening_;
    socket.next_opening = kNoSocket;
    if (last_opening_ != kNoSocket) sockets_[last_opening_].next_opening = socket.number;
    else first_opening_ = socket.number;
    last_opening_ = socket.number;
    opening_++;
    sockets_[socket.listener].opening++;
}

void Stack::leave_opening(Socket& socket) {
    socket.half_open = false;
    if (socket.previous_opening != kNoSocket)
        sockets_[socket.previous_opening].next_opening = socket.next_opening;
    else first_opening_ = socket.next_opening;
    if (socket.next_opening != kNoSocket)
        sockets_[socket.next_opening].previous_opening = socket.previous_opening;
    else last_opening_ = socket.previous_opening;
    opening_--;
    sockets_[socket.listener].opening--;
}

void Stack::give_up_opening(Socket& socket) {
    counts().failed_attempts++;
    abort_stream(socket);
    become_free(socket);
}

/// The client has seen a connection, or never will.
void Stack::leave_backlog(Socket& socket) {
    socket.unseen = false;
    Socket& listener = sockets_[socket.listener];
    if (listener.kind == Net::Kind::listener && listener.generation == socket.listener_generation &&
        listener.waiting > 0)
        listener.waiting--;
}

}  // namespace pith::stack
