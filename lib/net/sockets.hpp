// SPDX-License-Identifier: MIT
// NetSockets: all sockets that a client of a stack has, on the memory of a link (protocol/net.hpp). It makes no system call: NetClient (client.hpp)
// gives it the link, and tells the server when take_notify() says so. Invariants: the page allocator's pages are in no ring, a ring's page is in no other; a
// number is free only when the server has said so of its last generation.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "lib/net/socket.hpp"
#include "lib/os/callback.hpp"

namespace pith {

class NetSockets {
  public:
    NetSockets();
    ~NetSockets();
    NetSockets(const NetSockets&) = delete;
    NetSockets& operator=(const NetSockets&) = delete;

    /// `link` is Net::kLinkSize bytes, as Open gave them. Looks at every Block; a socket that it does not know is closed (`broken`).
    void attach(std::span<u8> link);
    /// There is no link until the next attach; sockets wait.
    void detach() { link_ = nullptr; }
    bool attached() const { return link_ != nullptr; }
    /// The server is held down: all sockets are closed (`broken`).
    void fail_all();

    /// What to make a socket of; the rest of a ClientHalf is 0.
    struct Settings {
        Net::Kind kind = Net::Kind::none;
        u8 flags = 0, protocol = 0, ttl = 0, tos = 0;
        u32 backlog = 0;
        Net::Address local{}, remote{};
        u32 receive_limit = 0, keep_idle = 0, keep_interval = 0, keep_count = 0, user_timeout = 0;
    };
    /// Null: all numbers are taken, or there is no link.
    NetSocketRef make(const Settings& settings, NetWatcher& watcher);

    /// The multicast groups that the interfaces are to be in, at most Net::kMaxGroups; also in a link to come.
    void set_groups(std::vector<Net::Group> groups);

    /// Something is in the ring: looks at those sockets.
    void serve();
    /// True: the server is to be notified; once.
    bool take_notify();
    /// True: the rings can't be trusted any more, a new Open is needed; once.
    bool take_broken();

    /// What the server says of interfaces and name servers. Nothing: there is no link, or the server died while it wrote.
    struct Configuration {
        u32 sequence;
        u32 name_server_count;
        Net::Address name_servers[Net::kMaxNameServers];
        char domain[64];
        Net::Interface interfaces[Net::kMaxInterfaces];
    };
    std::optional<Configuration> configuration() const;
    /// It is another one than `sequence` was of.
    bool configuration_changed(u32 sequence) const;

    /// Called when take_notify() is true from now on.
    Callback<void()> wants_notify;

    u32 free_pages() const { return static_cast<u32>(free_pages_.size()); }

  private:
    friend class NetSocket;
    friend struct NetSocketRelease;
    Net::Link& link() const { return *link_; }
    u8* page(u16 number) const { return window_ + u64{number} * Net::kPageSize; }
    void enter(u16 number);
    void look_at(u16 number);
    void look_at_all();
    void write_groups();
    void accept(u16 number);
    /// The server's own socket is not wanted.
    void refuse(u16 number, u32 generation);
    void release(NetSocket& socket);
    /// Writes the client's half of a socket of ours for a new use.
    void write_half(NetSocket& socket, const Net::ClientHalf& half);
    void remove(u16 number);
    u16 take_page(NetSocket& socket);
    void give_page(u16 number);
    void wake_waiting();

    Net::Link* link_ = nullptr;
    u8* window_ = nullptr;
    std::vector<NetSocket*> sockets_;  ///< by number
    std::vector<u32> generations_;     ///< the last one of each number
    std::deque<u16> free_numbers_;
    std::vector<Net::Group> groups_;
    std::vector<u16> free_pages_;
    List<NetSocket, &NetSocket::waiting_link_> waiting_;
    u32 to_server_tail_ = 0, to_client_head_ = 0;
    bool notify_ = false, broken_ = false;
};

}  // namespace pith
