// SPDX-License-Identifier: MIT
#include "servers/net/stack/stack.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <lwip/init.h>
#include <lwip/stats.h>
#include <lwip/tcp.h>
#include "lib/base/assert.hpp"
#include "lib/lwip/pools.hpp"
#include "servers/net/stack/addresses.hpp"

namespace pith::stack {
namespace {

Stack* current_stack = nullptr;

/// The client's half, each field read once. What it is worth is checked where it is used.
Net::ClientHalf read(Net::ClientHalf& half) {
    Net::ClientHalf copy;
    copy.kind = look(half.kind);
    std::atomic_thread_fence(std::memory_order_acquire);
    std::memcpy(static_cast<void*>(&copy), &half, offsetof(Net::ClientHalf, pending));
    asm volatile("" ::: "memory");  // the copy is what is looked at
    copy.kind = look(half.kind);
    return copy;
}

}  // namespace

Stack& Stack::current() { return *current_stack; }

usize Stack::reserve_size() { return kPoolsOffset + lwip_pool_bytes(); }

Stack::Stack(Port& port, std::span<u8> link, std::span<u8> records)
    : port_(port),
      reserve_(port.reserve(reserve_size())),
      shared_(link),
      records_(records),
      interface_(port, records_),
      sockets_(port, reinterpret_cast<Socket*>(reserve_), shared_.link().blocks, records_.groups()) {
    current_stack = this;
    for (u64& word : secret_) word = port.random();
    demux_.start(port.random(), port, reinterpret_cast<Demux::Node*>(reserve_ + kNodesOffset));
    timers_.start(port.now());
    lwip_init();
    if (records_.good()) restore();
    free_first_ = free_count_ = 0;
    for (u32 i = Net::kFirstServerSocket; i < Net::kSockets; i++) {
        if (!sockets_.used(i)) free_server_[free_count_++] = static_cast<u16>(i);
    }
}

void Stack::drop_everything() {
    for (Socket& socket : sockets_) {
        if (socket.kind != Net::Kind::none) let_go(socket, true);
    }
    for (u32 i = 0; i < touched_count_; i++) sockets_[touched_[i]].touched = false;
    touched_count_ = 0;
    for (Socket& socket : sockets_) {
        if (socket.kind != Net::Kind::none) become_free(socket);
    }
}

void Stack::open(u64 session) {
    if (session != session_) {
        drop_everything();
        records_.clear();
        sockets_.note_all();
        auto& blocks = shared_.link().blocks;
        if (!port_.need(reinterpret_cast<const u8*>(blocks), sizeof blocks))
            assertion_failed("the link has no Blocks");
        for (Net::Block& block : blocks) std::memset(static_cast<void*>(&block), 0, sizeof block);
        groups_.clear(shared_.link());
        session_ = session;
        records_.set_session(session);
    }
    take_all();
    shared_.reset_rings();
    for (u32 i = sockets_.noted(0); i < Net::kSockets; i = sockets_.noted(i + 1)) {
        put(shared_.client(i).pending, 0);
        put(shared_.server(i).pending, 0);
    }
    interface_.changed();
    look_at_all();
}

void Stack::attach(const InterfaceSetup& setup) {
    const bool again = interface_.attached() && setup.link_up;
    interface_.attach(setup);
    timers_.active(port_.now());
    patience_ = 0;
    for (Socket& socket : sockets_) {
        if (socket.kind == Net::Kind::none) continue;
        if (again) prompt(socket);
        touch(socket);
    }
}
void Stack::set_link(bool up) {
    interface_.set_link(up);
    timers_.active(port_.now());
}

void Stack::receive(u64 id, std::span<u8> frame, bool checksum_good) {
    received_ = true;
    interface_.receive(id, frame, checksum_good);
}

void Stack::touch(Socket& socket) {
    if (socket.touched) return;
    socket.touched = true;
    touched_[touched_count_++] = socket.number;
}

/// It is looked at in the next round, which comes when there is room for frames again.
void Stack::starve(Socket& socket) {
    if (socket.starved) return;
    socket.starved = true;
    starved_[starved_count_++] = socket.number;
}

/// The next number that the client has entered. Its group is noted before it is out of the ring.
bool Stack::take(u32& number) {
    if (!shared_.next(number)) return false;
    static_cast<void>(sockets_[number]);
    shared_.take(number);
    return true;
}

/// They are looked at all together.
void Stack::take_all() {
    u32 number;
    for (u32 taken = 0; taken < Net::kSockets && take(number);) taken++;
}

void Stack::look_at_all() {
    for (u32 i = sockets_.noted(0); i < Net::kSockets; i = sockets_.noted(i + 1)) {
        if (look(shared_.client(i).kind) != Net::Kind::none || sockets_.used(i) ||
            look(shared_.server(i).state) != Net::State::free)
            look_at(i);
        if (sockets_.used(i)) sockets_[i].news = true;
    }
}

void Stack::look_at(u32 number) {
    Socket& socket = sockets_[number];
    const Net::ClientHalf client = read(shared_.client(number));
    const bool used = client.kind != Net::Kind::none;
    if (number >= Net::kFirstServerSocket) {
        if (socket.kind == Net::Kind::none || socket.half_open || client.generation != socket.generation)
            return;
        if (socket.unseen) leave_backlog(socket);
        if (!used) return let_go(socket, (client.flags & Net::kAbort) != 0);
        return apply(socket);
    }
    if (socket.kind != Net::Kind::none &&
        (!used || client.generation != socket.generation || (client.kind != socket.kind && !socket.orphan))) {
        if (!socket.orphan || used) let_go(socket, used || (client.flags & Net::kAbort) != 0);
        if (socket.kind != Net::Kind::none && used) become_free(socket);
    }
    if (used && socket.kind == Net::Kind::none) {
        if (client.generation != 0) start_use(socket, client);
    } else if (used) {
        apply(socket);
    } else if (socket.kind == Net::Kind::none) {
        put(shared_.server(number).state, Net::State::free);
    }
}

void Stack::start_use(Socket& socket, const Net::ClientHalf& client) {
    begin(socket, client);
    if (socket.kind != Net::Kind::none && socket.state != Net::State::closed) apply(socket);
}

void Stack::begin(Socket& socket, const Net::ClientHalf& client) {
    const u16 number = socket.number;
    const u64 written = socket.record_count;
    const bool touched = socket.touched, starved = socket.starved, telling = socket.telling;
    socket = Socket{};
    socket.number = number;
    socket.record_count = written;
    socket.touched = touched;
    socket.starved = starved;
    socket.telling = telling;
    socket.generation = client.generation;
    socket.kind = client.kind;
    socket.protocol = client.protocol;
    socket.v6_only = (client.flags & Net::kV6Only) != 0;
    socket.news = true;
    touch(socket);
    switch (client.kind) {
        case Net::Kind::stream: open_stream(socket, client); break;
        case Net::Kind::listener: open_listener(socket, client); break;
        case Net::Kind::datagram:
        case Net::Kind::raw:
        case Net::Kind::echo: open_datagrams(socket, client); break;
        default: fail(socket, Net::Failure::broken);
    }
}

/// The socket is over: what the client sees of it is that, until it lets go.
void Stack::fail(Socket& socket, Net::Failure failure) {
    if (socket.kind == Net::Kind::stream) abort_stream(socket);
    else if (socket.kind == Net::Kind::listener) close_listener(socket);
    else close_datagrams(socket);
    if (socket.state == Net::State::connecting || socket.state == Net::State::free)
        counts().failed_attempts++;
    socket.state = Net::State::closed;
    socket.failure = failure;
    socket.news = true;
    touch(socket);
}

void Stack::let_go(Socket& socket, bool abort) {
    socket.orphan = true;
    touch(socket);
    if (socket.kind == Net::Kind::listener) return close_listener(socket);
    if (socket.kind != Net::Kind::stream) {
        if (abort || waiting_for_interface()) return close_datagrams(socket);
        // What it has sent still goes out; nothing more comes in.
        apply(socket);
        socket.flags |= Net::kReceiveClosed;
        return;
    }
    if (abort || socket.tcp == nullptr || socket.state == Net::State::connecting) abort_stream(socket);
    else apply_stream(socket);
}

/// Nothing is left of it: its number can be used again.
void Stack::become_free(Socket& socket) {
    if (socket.kind == Net::Kind::stream) abort_stream(socket);
    const bool known = !socket.half_open;
    if (socket.half_open) leave_opening(socket);
    if (socket.unseen) leave_backlog(socket);
    release_all(socket);
    clear_record(socket);
    if (socket.corked) corked_--;
    if (socket.deferred) deferred_--;
    socket.corked = socket.deferred = false;
    socket.kind = Net::Kind::none;
    socket.state = Net::State::free;
    put(shared_.server(socket.number).state, Net::State::free);
    socket.news = known;
    if (socket.number >= Net::kFirstServerSocket) {
        constexpr u32 kCount = Net::kSockets - Net::kFirstServerSocket;
        free_server_[(free_first_ + free_count_++) % kCount] = socket.number;
    }
}

void Stack::apply(Socket& socket) {
    if (socket.state == Net::State::closed) {
        if (!take_head(socket)) socket.receive_head = socket.receive_tail;
        return;
    }
    touch(socket);
    if (socket.kind == Net::Kind::stream) return apply_stream(socket);
    if (socket.kind == Net::Kind::listener) {
        socket.backlog = look(shared_.client(socket.number).backlog);
        return;
    }
    const Net::ClientHalf& client = shared_.client(socket.number);
    const u32 tail = look(client.send_tail);
    if (tail - socket.send_head > Net::kRingSize || tail - socket.send_tail > Net::kRingSize ||
        !take_head(socket))
        return fail(socket, Net::Failure::broken);
    socket.send_tail = tail;
    socket.flags = look(client.flags);
    const u32 limit = look(client.receive_limit);
    socket.limit = limit == 0 || limit > Net::kRingSize ? Net::kRingSize : limit;
}

void Stack::settle(Socket& socket) {
    if (socket.kind == Net::Kind::none) {
        if (socket.news) shared_.enter(socket.number);
        socket.news = false;
        return;
    }
    if (socket.kind == Net::Kind::stream) {
        settle_stream(socket);
    } else if (socket.state == Net::State::open) {
        if (socket.kind != Net::Kind::listener) send_datagrams(socket);
        if (socket.orphan && socket.send_head == socket.send_tail) close_datagrams(socket);
    }
    if (socket.orphan && socket.tcp == nullptr && socket.udp == nullptr && socket.raw == nullptr) {
        become_free(socket);
        shared_.enter(socket.number);
        socket.news = false;
        return;
    }
    publish(socket);
}

void Stack::publish(Socket& socket) {
    if (socket.kind == Net::Kind::stream) write_record(socket);  // first: the Block is never ahead of it
    if (socket.half_open) return;
    Net::ServerHalf& server = shared_.server(socket.number);
    if (look(server.receive_tail) != socket.receive_tail || look(server.send_head) != socket.send_head)
        socket.news = true;
    put(server.receive_tail, socket.receive_tail);
    put(server.send_head, socket.send_head);
    put(server.failure, socket.failure);
    put(server.flags, static_cast<u8>(socket.fin_received ? Net::kPeerClosed : 0));
    put(server.failures, socket.failures);
    put(server.drops, socket.drops);
    put(server.listener, socket.listener);
    put(server.listener_generation, socket.listener_generation);
    if (socket.kind == Net::Kind::stream && socket.tcp != nullptr) {
        const tcp_pcb& pcb = *socket.tcp;
        put(server.mss, pcb.mss);
        put(server.round_trip, pcb.sa > 0 ? static_cast<u32>(pcb.sa >> 3) * 2 * TCP_TMR_INTERVAL * 1000 : 0);
        put(server.congestion_window, pcb.cwnd);
        put(server.send_window, pcb.snd_wnd);
        put(server.retransmissions, socket.retransmissions);
    }
    // The generation last: who sees it sees all that belongs to it.
    put(server.state, socket.state);
    std::atomic_thread_fence(std::memory_order_release);
    put(server.generation, socket.generation);
    set_wake(socket);
    if (socket.news && !(socket.orphan && socket.state != Net::State::free)) shared_.enter(socket.number);
    socket.news = false;
}

void Stack::round() {
    if (std::exchange(received_, false)) timers_.active(port_.now());
    interface_.flush();
    shared_.awake(true);
    note_told();
    for (u32 number, taken = 0; taken < Net::kSockets && take(number); taken++) {
        look_at(number);
        timers_.active(port_.now());
    }
    if (interface_.attached() && groups_.changed(shared_.link()))
        groups_.take(shared_.link(), interface_.device());
    timers_.run(*this, port_.now());
    if (patience_ != 0 && !waiting_for_interface()) patience_ = 0;
    if (someone_waits_ && patience_ == 0) {
        someone_waits_ = false;
        look_at_all();
    }
    if (corked_ > 0 && port_.now() >= cork_deadline_) {
        cork_deadline_ = ~u64{0};
        for (Socket& socket : sockets_) {
            if (socket.corked) touch(socket);
        }
    }
    for (; starved_count_ > 0; starved_count_--) {
        Socket& socket = sockets_[starved_[starved_count_ - 1]];
        socket.starved = false;
        if (socket.kind != Net::Kind::none) touch(socket);
    }
    if (deferred_ > 0) {
        for (Socket& socket : sockets_) {
            if (socket.deferred) touch(socket);
        }
    }
    // Settling one may touch others: by what lwIP does in between.
    while (touched_count_ > 0) {
        const u32 count = touched_count_;
        for (u32 i = 0; i < count; i++) {
            Socket& socket = sockets_[touched_[i]];
            socket.touched = false;
            settle(socket);
        }
        const u32 more = touched_count_ - count;
        for (u32 i = 0; i < more; i++) touched_[i] = touched_[count + i];
        touched_count_ = more;
    }
    counts().bad_segments += lwip_stats.tcp.chkerr + lwip_stats.tcp.lenerr;
    lwip_stats.tcp.chkerr = lwip_stats.tcp.lenerr = 0;
    static_cast<void>(interface_.publish(shared_.link()));
    port_.publish();
    if (shared_.take_notification()) port_.notify_client();
}

bool Stack::sleep() {
    shared_.awake(false);
    return shared_.broken() || shared_.empty();
}

u64 Stack::deadline() const {
    u64 next = timers_.deadline();
    if (corked_ > 0) next = std::min(next, cork_deadline_);
    if (someone_waits_) next = std::min(next, patience_);
    return next;
}

u32 Stack::sequence(const ip_addr_t& local, u16 local_port, const ip_addr_t& remote, u16 remote_port) {
    // RFC 6528: a clock of four microseconds, and a secret function of the pair of addresses; SipHash-2-4's rounds over them.
    u64 v0 = secret_[0] ^ 0x736f6d6570736575, v1 = secret_[1] ^ 0x646f72616e646f6d,
        v2 = secret_[0] ^ 0x6c7967656e657261, v3 = secret_[1] ^ 0x7465646279746573;
    const auto rotate = [](u64 x, int by) { return x << by | x >> (64 - by); };
    const auto rounds = [&](int count) {
        while (count-- > 0) {
            v0 += v1, v1 = rotate(v1, 13) ^ v0, v0 = rotate(v0, 32), v2 += v3, v3 = rotate(v3, 16) ^ v2;
            v0 += v3, v3 = rotate(v3, 21) ^ v0, v2 += v1, v1 = rotate(v1, 17) ^ v2, v2 = rotate(v2, 32);
        }
    };
    const auto word = [&](u64 m) { v3 ^= m, rounds(2), v0 ^= m; };
    for (const ip_addr_t* address : {&local, &remote}) {
        const Net::Address plain = from_lwip(*address, 0);
        u64 words[2];
        std::memcpy(words, plain.bytes, sizeof words);
        word(words[0]);
        word(words[1]);
    }
    word(u64{local_port} << 16 | remote_port | u64{36} << 56);
    v2 ^= 0xff;
    rounds(4);
    return static_cast<u32>(v0 ^ v1 ^ v2 ^ v3) + static_cast<u32>(port_.now() / 4000);
}

Net::Statistics::Reply Stack::statistics() {
    Net::Statistics::Reply reply{};
    for (const Socket& socket : sockets_) {
        if (socket.kind == Net::Kind::stream && socket.tcp != nullptr) reply.connections++;
    }
    const Records::Counts& counts = records_.counts();
    reply.listeners = listeners_;
    reply.datagram_sockets = datagram_sockets_ + raw_sockets_;
    reply.half_open = opening_;
    reply.waiting = demux_.waiting();
    reply.receive_pages_used = pages_.used();
    reply.opened_actively = counts.opened_actively;
    reply.opened_passively = counts.opened_passively;
    reply.failed_attempts = counts.failed_attempts;
    reply.resets = counts.resets;
    reply.segments_received = counts.segments_received;
    reply.segments_sent = counts.segments_sent;
    reply.segments_retransmitted = counts.segments_retransmitted;
    reply.bad_segments = counts.bad_segments;
    reply.datagrams_received = counts.datagrams_received;
    reply.datagrams_sent = counts.datagrams_sent;
    reply.datagram_drops = counts.datagram_drops;
    reply.restored = counts.restored;
    return reply;
}

}  // namespace pith::stack
