// SPDX-License-Identifier: MIT
// The numbers, the rings of numbers, the pages, and who is told of what.
#include "lib/net/sockets.hpp"

#include <algorithm>
#include <cstring>

#include "lib/net/atomic.hpp"

namespace pith {

namespace {

/// Pages that one socket may have at most when this many are free: none takes all that is left.
u32 page_quota(usize free_pages) {
    if (free_pages > 512) return Net::kRingPages;
    if (free_pages > 128) return 16;
    return 2;
}

}  // namespace

NetSockets::NetSockets() : sockets_(Net::kSockets), generations_(Net::kSockets) {
    for (u32 i = 0; i < Net::kFirstServerSocket; ++i) free_numbers_.push_back(static_cast<u16>(i));
    for (u32 i = Net::kPages; i-- > Net::kFirstSendPage;) free_pages_.push_back(static_cast<u16>(i));
}

NetSockets::~NetSockets() {
    for (NetSocket* socket : sockets_) delete socket;
}

void NetSockets::attach(std::span<u8> link) {
    if (link.size() < Net::kLinkSize) return;
    link_ = reinterpret_cast<Net::Link*>(link.data());
    window_ = link.data() + Net::kWindowOffset;
    // A predecessor that died in serve() looks no more: what is entered from here on is told.
    shared::store(link_->to_client.reader_awake, u32{0});
    shared::fence();
    to_server_tail_ = shared::load(link_->to_server.tail);
    to_client_head_ = shared::load(link_->to_client.tail);
    shared::store(link_->to_client.head, to_client_head_);
    broken_ = false;
    look_at_all();
    write_groups();
    notify_ = true;
}

void NetSockets::set_groups(std::vector<Net::Group> groups) {
    groups_ = std::move(groups);
    if (link_ == nullptr) return;
    write_groups();
    if (notify_) return;
    notify_ = true;
    if (wants_notify) wants_notify();
}

void NetSockets::write_groups() {
    const u32 sequence = shared::load(link_->group_sequence) | 1;
    shared::store(link_->group_sequence, sequence + 2);
    shared::fence();
    const usize count = std::min<usize>(groups_.size(), Net::kMaxGroups);
    std::copy_n(groups_.begin(), count, link_->groups);
    std::fill_n(link_->groups + count, Net::kMaxGroups - count, Net::Group{});
    shared::store(link_->group_sequence, sequence + 3);
}

void NetSockets::look_at_all() {
    // The rings are empty.
    for (Net::Block& block : link_->blocks) {
        shared::store(block.client.pending, u32{0});
        shared::store(block.server.pending, u32{0});
    }
    shared::fence();
    for (u32 i = 0; i < Net::kSockets && link_ != nullptr; ++i) {
        Net::Block& block = link_->blocks[i];
        NetSocket* const socket = sockets_[i];
        if (socket != nullptr && shared::load(block.client.generation) != socket->generation_) {
            // The link does not know it. A connection that the server makes of this number is another one.
            if (socket->released_) {
                remove(static_cast<u16>(i));
            } else {
                socket->break_off();
                if (socket->watcher_ != nullptr) socket->watcher_->net_changed(*socket);
            }
            continue;
        }
        if (socket != nullptr && (socket->released_ || socket->dead_) &&
            shared::load(block.client.kind) != Net::Kind::none) {
            shared::store(block.client.flags,
                          static_cast<u8>(block.client.flags | Net::kSendClosed |
                                          (socket->abort_ || socket->dead_ ? Net::kAbort : 0)));
            shared::store(block.client.kind, Net::Kind::none);
        }
        look_at(static_cast<u16>(i));
        if (sockets_[i] != nullptr) enter(static_cast<u16>(i));
    }
}

void NetSockets::fail_all() {
    for (NetSocket* socket : sockets_) {
        if (socket == nullptr || socket->released_ || socket->dead_) continue;
        socket->break_off();
        if (socket->watcher_ != nullptr) socket->watcher_->net_changed(*socket);
    }
}

void NetSockets::enter(u16 number) {
    if (link_ == nullptr) return;
    if (shared::exchange(link_->blocks[number].client.pending, 1) != 0) return;
    Net::NumberRing& ring = link_->to_server;
    if (to_server_tail_ - shared::load(ring.head) >= Net::kSockets) {
        broken_ = true;
        if (wants_notify) wants_notify();
        return;
    }
    shared::store(ring.numbers[to_server_tail_ % Net::kSockets], number);
    const u32 before = to_server_tail_++;
    shared::store(ring.tail, to_server_tail_);
    shared::fence();
    // A server that has not got to what was there before was told of that, and goes on to this.
    if (shared::load(ring.reader_awake) != 0 || shared::load(ring.head) != before || notify_) return;
    notify_ = true;
    if (wants_notify) wants_notify();
}

bool NetSockets::take_notify() { return std::exchange(notify_, false); }
bool NetSockets::take_broken() { return std::exchange(broken_, false); }

void NetSockets::serve() {
    if (link_ == nullptr) return;
    Net::NumberRing& ring = link_->to_client;
    shared::store(ring.reader_awake, u32{1});
    // A server that enters without end is no reason to stay here.
    for (u32 taken = 0; taken < 2 * Net::kSockets && link_ != nullptr; ++taken) {
        u32 waiting = shared::load(ring.tail) - to_client_head_;
        if (waiting == 0) {
            shared::store(ring.reader_awake, u32{0});
            shared::fence();
            waiting = shared::load(ring.tail) - to_client_head_;
            if (waiting == 0) return wake_waiting();
            shared::store(ring.reader_awake, u32{1});
        }
        const u16 number = shared::load(ring.numbers[to_client_head_ % Net::kSockets]);
        if (waiting > Net::kSockets || number >= Net::kSockets) break;
        shared::store(ring.head, ++to_client_head_);
        shared::exchange(link_->blocks[number].server.pending, 0);
        look_at(number);
    }
    if (link_ == nullptr) return;
    shared::store(ring.reader_awake, u32{0});
    broken_ = true;
    if (wants_notify) wants_notify();
}

void NetSockets::look_at(u16 number) {
    NetSocket* socket = sockets_[number];
    if (number >= Net::kFirstServerSocket) {
        const Net::ServerHalf& server = link_->blocks[number].server;
        const u32 generation = shared::load(server.generation);
        if (generation != generations_[number]) {
            if (socket != nullptr && socket->released_) {
                remove(number);
                socket = nullptr;
            }
            if (shared::load(server.state) == Net::State::free) return;
            if (socket == nullptr) return accept(number);
            // Given out again while it is in use here: neither can go on.
            socket->break_off();
            if (socket->watcher_ != nullptr) socket->watcher_->net_changed(*socket);
            return;
        }
    }
    if (socket == nullptr) return;
    const bool changed = socket->look();
    if (socket->released_) {
        if (socket->state_ == Net::State::free) remove(number);
        return;
    }
    if (changed && socket->watcher_ != nullptr) socket->watcher_->net_changed(*socket);
}

void NetSockets::accept(u16 number) {
    const Net::ServerHalf& server = link_->blocks[number].server;
    const u32 generation = shared::load(server.generation);
    const u32 listener = shared::load(server.listener);
    generations_[number] = generation;
    NetSocket* const at = listener < Net::kFirstServerSocket ? sockets_[listener] : nullptr;
    if (generation == 0 || at == nullptr || at->released_ || at->kind_ != Net::Kind::listener ||
        at->generation_ != shared::load(server.listener_generation) || at->watcher_ == nullptr)
        return refuse(number, generation);
    auto* const socket = new NetSocket(*this, number);
    socket->kind_ = Net::Kind::stream;
    socket->generation_ = generation;
    sockets_[number] = socket;
    Net::ClientHalf half{};
    half.kind = Net::Kind::stream;
    half.generation = generation;
    half.local = server.local;
    half.remote = server.remote;
    write_half(*socket, half);
    socket->look();
    at->watcher_->net_accepted(*at, NetSocketRef(socket));
}

void NetSockets::refuse(u16 number, u32 generation) {
    Net::ClientHalf& half = link_->blocks[number].client;
    half.generation = generation;
    shared::store(half.flags, Net::kAbort);
    shared::store(half.kind, Net::Kind::none);
    enter(number);
}

NetSocketRef NetSockets::make(const Settings& settings, NetWatcher& watcher) {
    if (link_ == nullptr || free_numbers_.empty()) return nullptr;
    const u16 number = free_numbers_.front();
    free_numbers_.pop_front();
    auto* const socket = new NetSocket(*this, number);
    if (++generations_[number] == 0) generations_[number] = 1;
    socket->kind_ = settings.kind;
    socket->generation_ = generations_[number];
    socket->watcher_ = &watcher;
    if (settings.kind == Net::Kind::stream) socket->state_ = Net::State::connecting;
    else socket->state_ = Net::State::open;
    socket->local_ = settings.local;
    socket->remote_ = settings.remote;
    sockets_[number] = socket;
    Net::ClientHalf half{};
    half.kind = settings.kind;
    half.flags = settings.flags;
    half.protocol = settings.protocol;
    half.ttl = settings.ttl;
    half.tos = settings.tos;
    half.generation = socket->generation_;
    half.backlog = settings.backlog;
    half.local = settings.local;
    half.remote = settings.remote;
    half.receive_limit = settings.receive_limit;
    half.keep_idle = settings.keep_idle;
    half.keep_interval = settings.keep_interval;
    half.keep_count = settings.keep_count;
    half.user_timeout = settings.user_timeout;
    write_half(*socket, half);
    return NetSocketRef(socket);
}

void NetSockets::write_half(NetSocket& socket, const Net::ClientHalf& half) {
    Net::ClientHalf& to = link_->blocks[socket.number_].client;
    Net::ClientHalf copy = half;
    copy.kind = Net::Kind::none;
    copy.pending = 0;
    std::fill_n(copy.send_pages, Net::kRingPages, Net::kNoPage);
    std::fill_n(socket.pages_, Net::kRingPages, Net::kNoPage);
    socket.page_count_ = 0;
    // All but `pending`, which the server clears at any time.
    const usize before = offsetof(Net::ClientHalf, pending), after = before + sizeof(u32);
    std::memcpy(static_cast<void*>(&to), &copy, before);
    std::memcpy(reinterpret_cast<u8*>(&to) + after, reinterpret_cast<const u8*>(&copy) + after,
                sizeof copy - after);
    shared::store(to.kind, half.kind);
    enter(socket.number_);
}

void NetSockets::release(NetSocket& socket) {
    socket.released_ = true;
    socket.watcher_ = nullptr;
    if (List<NetSocket, &NetSocket::waiting_link_>::linked(socket))
        List<NetSocket, &NetSocket::waiting_link_>::remove(socket);
    if (link_ == nullptr) return;
    Net::ClientHalf& half = link_->blocks[socket.number_].client;
    if (shared::load(half.generation) != socket.generation_ || socket.dead_) {
        // Unknown to the link, or let go of already: it is free as soon as the server says so.
        if (shared::load(half.generation) != socket.generation_) return remove(socket.number_);
        return look_at(socket.number_);
    }
    const u8 closing = socket.abort_ ? Net::kAbort | Net::kSendClosed : Net::kSendClosed;
    shared::store(half.flags, static_cast<u8>(half.flags | closing));
    shared::store(half.kind, Net::Kind::none);
    enter(socket.number_);
}

void NetSockets::remove(u16 number) {
    NetSocket* const socket = std::exchange(sockets_[number], nullptr);
    if (socket == nullptr) return;
    for (const u16 page_number : socket->pages_)
        if (page_number != Net::kNoPage) give_page(page_number);
    if (List<NetSocket, &NetSocket::waiting_link_>::linked(*socket))
        List<NetSocket, &NetSocket::waiting_link_>::remove(*socket);
    delete socket;
    if (number < Net::kFirstServerSocket) free_numbers_.push_back(number);
}

u16 NetSockets::take_page(NetSocket& socket) {
    const u32 held = socket.page_count_;
    if (free_pages_.empty() || held >= page_quota(free_pages_.size())) {
        // One that has pages is told when they have been sent; the others when there are any.
        if (held == 0 && !List<NetSocket, &NetSocket::waiting_link_>::linked(socket))
            waiting_.push_back(socket);
        return Net::kNoPage;
    }
    const u16 number = free_pages_.back();
    free_pages_.pop_back();
    ++socket.page_count_;
    return number;
}

void NetSockets::give_page(u16 number) { free_pages_.push_back(number); }

void NetSockets::wake_waiting() {
    for (usize left = free_pages_.size(); left != 0 && !waiting_.empty(); --left) {
        NetSocket& socket = *waiting_.pop_front();
        if (socket.watcher_ != nullptr) socket.watcher_->net_changed(socket);
    }
}

bool NetSockets::configuration_changed(u32 sequence) const {
    return link_ != nullptr && shared::load(link_->sequence) != sequence;
}

std::optional<NetSockets::Configuration> NetSockets::configuration() const {
    constexpr u32 kTries = 64;
    for (u32 i = 0; i < kTries && link_ != nullptr; ++i) {
        Configuration result;
        result.sequence = shared::load(link_->sequence);
        if ((result.sequence & 1) != 0) continue;
        result.name_server_count = shared::load(link_->name_server_count);
        std::memcpy(result.name_servers, link_->name_servers, sizeof result.name_servers);
        std::memcpy(result.domain, link_->domain, sizeof result.domain);
        std::memcpy(static_cast<void*>(result.interfaces), link_->interfaces, sizeof result.interfaces);
        std::atomic_thread_fence(std::memory_order_acquire);
        if (shared::load(link_->sequence) != result.sequence) continue;
        result.name_server_count = std::min(result.name_server_count, Net::kMaxNameServers);
        result.domain[sizeof result.domain - 1] = 0;
        for (Net::Interface& interface : result.interfaces) interface.name[sizeof interface.name - 1] = 0;
        return result;
    }
    return std::nullopt;
}

}  // namespace pith
