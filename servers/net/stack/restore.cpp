// SPDX-License-Identifier: MIT
// Records of connections, and what a reborn stack makes of them. Sequence numbers follow from the initial ones and the positions in the rings: what is in the
// receive ring was received, whether or not the record already says so; what the send ring holds from `send_head` on, up to `sent`, was sent, and is
// sent again. Nothing is believed that does not fit together: such a connection is lost, and its program is told.
#include <algorithm>
#include <cstring>

#include <lwip/priv/tcp_priv.h>
#include "servers/net/stack/addresses.hpp"
#include "servers/net/stack/stack.hpp"

namespace pith::stack {
namespace {

constexpr u64 kPatience = 3'000'000'000;

u16 record_flags(const Socket& socket, const tcp_pcb& pcb) {
    return static_cast<u16>(
        (socket.fin_queued ? Record::kFinQueued : 0) | (socket.fin_received ? Record::kFinReceived : 0) |
        ((pcb.flags & TF_TIMESTAMP) != 0 ? Record::kTimestamps : 0) |
        ((pcb.flags & TF_WND_SCALE) != 0 ? Record::kScaling : 0) |
        ((pcb.flags & TF_SACK) != 0 ? Record::kSelective : 0) | (socket.orphan ? Record::kOrphan : 0));
}

}  // namespace

/// Before anything is shown of what the round has done with the connection.
void Stack::write_record(Socket& socket) {
    const tcp_pcb* pcb = socket.tcp;
    if (pcb == nullptr) return clear_record(socket);
    const u16 flags = record_flags(socket, *pcb);
    // What has only been acknowledged, or window that has only been opened, need not be written down.
    if (socket.recorded && socket.recorded_sent == pcb->snd_nxt && socket.recorded_received == pcb->rcv_nxt &&
        socket.recorded_state == pcb->state && socket.recorded_flags == flags)
        return;
    socket.recorded = true;
    socket.recorded_sent = pcb->snd_nxt;
    socket.recorded_received = pcb->rcv_nxt;
    socket.recorded_state = static_cast<u8>(pcb->state);
    socket.recorded_flags = flags;
    Record record{};
    record.count = socket.record_count;
    record.state = static_cast<u8>(pcb->state);
    record.send_scale = pcb->snd_scale;
    record.flags = flags;
    record.generation = socket.generation;
    record.local = from_lwip(pcb->local_ip, pcb->local_port);
    record.remote = from_lwip(pcb->remote_ip, pcb->remote_port);
    record.first_sent = socket.first_sent;
    record.first_received = socket.first_received;
    record.sent = pcb->snd_nxt;
    record.receive_tail = socket.receive_tail;
    record.dropped = socket.dropped;
    record.send_head = socket.send_head;
    record.send_window = pcb->snd_wnd;
    record.largest_window = pcb->snd_wnd_max;
    record.peer_time = pcb->ts_recent;
    record.last_acknowledged = pcb->rcv_nxt;
    record.mss = pcb->mss;
    record.listener = socket.listener;
    record.listener_generation = socket.listener_generation;
    records_.write(socket.number, record);
    socket.record_count = record.count;
}

void Stack::clear_record(Socket& socket) {
    if (!socket.recorded) return;
    Record record{};
    record.count = socket.record_count;
    records_.write(socket.number, record);
    socket.record_count = record.count;
    socket.recorded = false;
}

void Stack::restore() {
    session_ = records_.session();
    Lease lease;
    if (records_.read(lease)) patience_ = port_.now() + kPatience;
    for (u32 i = sockets_.noted(0); i < Net::kFirstServerSocket;
         i = sockets_.noted(i + 1)) {  // listeners first: half-open connections need them
        if (look(shared_.client(i).kind) == Net::Kind::listener) restore_socket(i);
    }
    for (u32 i = sockets_.noted(0); i < Net::kSockets; i = sockets_.noted(i + 1)) {
        // Most were never used: the time that this takes is time that connections stand still.
        const bool used = records_.written(i) || look(shared_.client(i).kind) != Net::Kind::none ||
                          look(shared_.server(i).state) != Net::State::free;
        if (used && !sockets_.used(i)) restore_socket(i);
    }
}

/// It was there, and is no more.
void Stack::restore_lost(Socket& socket, u32 generation) {
    const Net::ServerHalf& server = shared_.server(socket.number);
    const bool was_closed = look(server.state) == Net::State::closed;
    socket.kind = Net::Kind::stream;
    socket.generation = generation;
    socket.state = Net::State::closed;
    socket.failure = was_closed ? look(server.failure) : Net::Failure::reset;
    if (socket.failure > Net::Failure::too_long) socket.failure = Net::Failure::reset;
    socket.send_head = look(server.send_head);
    socket.receive_tail = look(server.receive_tail);
    if (!restore_ring(socket)) {
        release_all(socket);
        socket.receive_head = socket.reserved = socket.receive_tail;
    }
    socket.fin_received = (look(server.flags) & Net::kPeerClosed) != 0;
    socket.news = true;
    socket.recorded = true;  // to be cleared
    const u32 listener = look(server.listener);
    if (socket.number >= Net::kFirstServerSocket && listener < Net::kFirstServerSocket &&
        look(shared_.client(socket.number).generation) != generation) {
        socket.listener = static_cast<u16>(listener);
        socket.listener_generation = look(server.listener_generation);
        Socket& of = sockets_[listener];
        socket.unseen = of.kind == Net::Kind::listener && of.generation == socket.listener_generation;
        if (socket.unseen) of.waiting++;
    }
    touch(socket);
}

void Stack::restore_socket(u32 number) {
    Socket& socket = sockets_[number];
    const bool own = number >= Net::kFirstServerSocket;
    Net::ClientHalf& client = shared_.client(number);
    Net::ServerHalf& server = shared_.server(number);
    const Net::Kind kind = look(client.kind);
    const u32 client_generation = look(client.generation), generation = look(server.generation);
    Record record{};
    const bool recorded = records_.read(number, record);
    socket.record_count = record.count;
    const bool connection = recorded && record.state != CLOSED;
    if (connection) {
        // Whose it is: the client's as long as its half says so, the server's own always; else it was let go.
        socket.generation = record.generation;
        const bool let_go = kind == Net::Kind::none && client_generation == record.generation;
        const bool good = own || client_generation == record.generation;
        if (good &&
            (kind == Net::Kind::stream || let_go || (own && client_generation != record.generation)) &&
            restore_stream(socket, record)) {
            counts().restored++;
            if (let_go) {
                if ((look(client.flags) & Net::kAbort) != 0 || record.state <= SYN_RCVD) abort_stream(socket);
                socket.orphan = true;
            }
            if (socket.tcp != nullptr && !socket.half_open && socket.state == Net::State::established &&
                known(socket))
                apply_stream(socket);
            touch(socket);
            return;
        }
        if (socket.tcp != nullptr) abort_stream(socket);
        if (socket.half_open) leave_opening(socket);
        if (socket.unseen) leave_backlog(socket);
        if (socket.deferred) deferred_--;
        release_all(socket);
        const u64 count = record.count;
        socket = Socket{};
        socket.number = static_cast<u16>(number);
        socket.record_count = count;
        socket.recorded = true;
        clear_record(socket);
        socket.touched = false;
        if (!own && client_generation != record.generation) return;  // a later use: look_at_all() finds it
        if (own && record.state == SYN_RCVD) return;
        counts().resets++;
        if (kind != Net::Kind::none || (own && client_generation != record.generation))
            return restore_lost(socket, record.generation);
        put(server.state, Net::State::free);
        return;
    }
    const Net::State state = look(server.state);
    if (own) {
        // Closed, and the client has not let go.
        if (state == Net::State::free || (kind == Net::Kind::none && client_generation == generation))
            return put(server.state, Net::State::free);
        restore_lost(socket, generation);
        return;
    }
    if (kind == Net::Kind::none) return put(server.state, Net::State::free);
    if (kind == Net::Kind::stream) {
        if (generation == client_generation && state != Net::State::free) restore_lost(socket, generation);
        return;  // one that was not begun is found by look_at_all()
    }
    const u64 count = socket.record_count;
    Net::ClientHalf copy;
    std::memcpy(static_cast<void*>(&copy), &client, sizeof copy);
    asm volatile("" ::: "memory");
    begin(socket, copy);
    socket.record_count = count;
    if (socket.kind == Net::Kind::none || socket.state != Net::State::open || kind == Net::Kind::listener)
        return;  // a listener's backlog is there
    const bool same = generation == client_generation;
    if (same) {
        socket.receive_tail = look(server.receive_tail);
        socket.failures = look(server.failures);
        socket.drops = look(server.drops);
    }
    if (!restore_ring(socket)) fail(socket, Net::Failure::broken);
    else apply(socket);
}

/// The pages that hold bytes between the client's head and `receive_tail`, by the numbers in the Block. False: that can't be.
bool Stack::restore_ring(Socket& socket) {
    const u32 head = look(shared_.client(socket.number).receive_head);
    const bool client_knows = look(shared_.client(socket.number).generation) == socket.generation;
    socket.receive_head = client_knows ? head : 0;
    socket.reserved = socket.receive_tail;
    const u32 unread = socket.receive_tail - socket.receive_head;
    if (unread > Net::kRingSize) return false;
    for (u32 at = socket.receive_head; unread != 0 && static_cast<i32>(socket.receive_tail - at) > 0;
         at = (at / Net::kPageSize + 1) * Net::kPageSize) {
        const u8 slot = static_cast<u8>(at / Net::kPageSize % Net::kRingPages);
        const u16 page = look(shared_.server(socket.number).receive_pages[slot]);
        if (!pages_.owns(page, socket.number, slot) && !pages_.claim(page, socket.number, slot)) return false;
        socket.reserved = (at / Net::kPageSize + 1) * Net::kPageSize;
    }
    return true;
}

/// What was sent and may not have arrived is queued as lwIP queues it after a time-out (tcp_rexmit_rto_prepare): as not sent, below snd_nxt.
bool Stack::restore_sent(Socket& socket, tcp_pcb* pcb, const Record& record) {
    const u32 unacknowledged = record.first_sent + 1 + socket.send_head;
    const bool fin_queued = (record.flags & Record::kFinQueued) != 0;
    const u32 length = socket.send_tail - socket.send_head;
    const u32 sent = record.sent - unacknowledged;
    if (sent > length + (fin_queued ? 1 : 0)) return false;
    pcb->state = ESTABLISHED;
    if (record.state == FIN_WAIT_2) {
        if (!fin_queued || length != 0 || sent != 1) return false;
        pcb->lastack = pcb->snd_lbb = record.sent;
        socket.fed = socket.send_tail;
    } else {
        pcb->lastack = pcb->snd_lbb = unacknowledged;
        socket.fed = socket.send_head;
        if (!feed_some(socket, fin_queued ? length : sent, false)) return false;
        if (fin_queued && tcp_send_fin(pcb) != ERR_OK) return false;
    }
    pcb->snd_nxt = record.sent;
    pcb->snd_wl1 = pcb->rcv_nxt - 1;
    pcb->snd_wl2 = pcb->lastack - 1;
    pcb->snd_wnd = record.send_window;
    pcb->snd_wnd_max = record.largest_window;
    pcb->cwnd = LWIP_TCP_CALC_INITIAL_CWND(pcb->mss);
    if (pcb->unsent != nullptr) {
        tcp_set_flags(pcb, TF_RTO);
        pcb->rto_end = pcb->snd_nxt;
    }
    socket.fin_queued = fin_queued;
    pcb->state = static_cast<tcp_state>(record.state);
    return true;
}

bool Stack::restore_stream(Socket& socket, const Record& record) {
    const Net::ServerHalf& server = shared_.server(socket.number);
    Net::ClientHalf& client = shared_.client(socket.number);
    ip_addr_t local, remote;
    if (record.state < SYN_SENT || record.state > LAST_ACK || record.local.family == 0 ||
        !to_lwip(record.local, local) || !to_lwip(record.remote, remote) ||
        record.local.family != record.remote.family || record.local.port == 0 || record.remote.port == 0 ||
        record.send_scale > 14 || record.mss == 0 || record.mss > TCP_MSS ||
        demux_.find(local, record.local.port, remote, record.remote.port) != nullptr)
        return false;
    tcp_pcb* pcb = tcp_new_ip_type(IP_GET_TYPE(&local));
    if (pcb == nullptr) return false;
    ip_addr_copy(pcb->local_ip, local);
    ip_addr_copy(pcb->remote_ip, remote);
    pcb->local_port = record.local.port;
    pcb->remote_port = record.remote.port;
    pcb->state = static_cast<tcp_state>(record.state);
    pcb->rto = static_cast<s16_t>(1000 / TCP_SLOW_INTERVAL);
    pcb->sv = pcb->rto;
    pcb->mss = record.mss;
    TCP_REG_ACTIVE(pcb);
    socket.kind = Net::Kind::stream;
    socket.first_sent = record.first_sent;
    socket.first_received = record.first_received;
    socket.listener = record.listener;
    socket.listener_generation = record.listener_generation;
    socket.recorded = false;
    socket.progress = port_.now();
    socket.news = true;
    adopt(socket, pcb);
    if ((record.flags & Record::kTimestamps) != 0) tcp_set_flags(pcb, TF_TIMESTAMP);
    if ((record.flags & Record::kSelective) != 0) tcp_set_flags(pcb, TF_SACK);
    if ((record.flags & Record::kScaling) != 0) {
        tcp_set_flags(pcb, TF_WND_SCALE);
        pcb->snd_scale = record.send_scale;
        pcb->rcv_scale = TCP_RCV_SCALE;
        pcb->rcv_wnd = pcb->rcv_ann_wnd = TCP_WND;
    }
    pcb->ts_recent = record.peer_time;
    if (record.listener != kNoSocket) {
        if (record.listener >= Net::kFirstServerSocket) return false;
        Socket& listener = sockets_[record.listener];
        const bool there = listener.kind == Net::Kind::listener &&
                           listener.generation == record.listener_generation && listener.tcp != nullptr;
        if (record.state == SYN_RCVD) {
            if (!there) return false;
            pcb->listener = reinterpret_cast<tcp_pcb_listen*>(listener.tcp);
            enter_opening(socket);
        } else if (look(client.generation) != record.generation) {
            socket.unseen = there;
            if (there) listener.waiting++;
        }
    } else if (record.state == SYN_RCVD) {
        return false;
    }
    if (record.state == SYN_SENT || record.state == SYN_RCVD) {
        const bool answer = record.state == SYN_RCVD;
        pcb->lastack = pcb->snd_lbb = record.first_sent;
        pcb->snd_wnd = pcb->snd_wnd_max = answer ? record.send_window : u32{TCP_WND};
        pcb->rcv_nxt = answer ? record.first_received + 1 : 0;
        pcb->rcv_ann_right_edge = pcb->rcv_nxt;
        pcb->snd_wl1 = pcb->rcv_nxt - 2;
        pcb->snd_wl2 = record.first_sent;
        if (tcp_enqueue_flags(pcb, answer ? TCP_SYN | TCP_ACK : TCP_SYN) != ERR_OK) return false;
        pcb->snd_nxt = record.first_sent + 1;
        pcb->cwnd = pcb->mss;
        socket.state = Net::State::connecting;
        return true;
    }
    // The rings: the Block is where the record is, or was written later without need of one; a round behind, if the death came in between.
    const bool client_knows = look(client.generation) == record.generation;
    const bool shown = look(server.generation) == record.generation;
    const auto later = [&](u32 in_block, u32 in_record) {
        return shown && static_cast<i32>(in_block - in_record) > 0 ? in_block : in_record;
    };
    socket.send_head = later(look(server.send_head), record.send_head);
    socket.send_tail = client_knows ? look(client.send_tail) : 0;
    socket.receive_tail = later(look(server.receive_tail), record.receive_tail);
    socket.dropped = record.dropped;
    if (socket.send_head - record.send_head > Net::kRingSize ||
        socket.send_tail - socket.send_head > Net::kRingSize ||
        socket.receive_tail - record.receive_tail > Net::kRingSize)
        return false;
    if (client_knows) socket.flags = look(client.flags);
    if (!restore_ring(socket)) return false;
    socket.fin_received = (record.flags & Record::kFinReceived) != 0;
    const bool closing = record.state == CLOSE_WAIT || record.state == CLOSING || record.state == LAST_ACK;
    if (socket.fin_received != closing) return false;
    pcb->rcv_nxt = record.first_received + 1 + socket.receive_tail + record.dropped +
                   (socket.fin_received ? 1 : 0);
    pcb->rcv_ann_right_edge = pcb->rcv_nxt;
    pcb->ts_lastacksent = pcb->rcv_nxt;
    if (!restore_sent(socket, pcb, record)) return false;
    socket.state = Net::State::established;
    const u32 unread = socket.receive_tail - socket.receive_head;
    pcb->rcv_wnd = pcb->rcv_ann_wnd = TCP_WND_MAX(pcb) - std::min<u32>(unread, TCP_WND_MAX(pcb));
    // The peer may be waiting to be told. One that knows is not told again: it would take that for the sign of a lost segment (RFC 5681, section 3.2), and with
    // every third death begin anew to wait for its time-out.
    const Told told = records_.told(socket.number);
    const bool knows = told.generation == socket.generation && told.acknowledged == pcb->rcv_nxt &&
                       told.edge - pcb->rcv_nxt <= TCP_WND_MAX(pcb);
    if (knows) {
        socket.told_acknowledged = told.acknowledged;
        socket.told_edge = pcb->rcv_ann_right_edge = told.edge;
    }
    if (tcp_update_rcv_ann_wnd(pcb) >= pcb->mss || !knows) tcp_ack_now(pcb);
    return true;
}

}  // namespace pith::stack
