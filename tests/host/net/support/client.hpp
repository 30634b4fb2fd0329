// SPDX-License-Identifier: MIT
// A client of protocol/net.hpp for the tests: sockets in a link in plain memory, with what is sent and received kept as byte vectors.
#pragma once

#include <atomic>
#include <cstring>
#include <vector>

#include "protocol/net.hpp"

namespace pith::stack {

class TestClient {
  public:
    explicit TestClient(u8* memory);
    /// After the stack's Open for a session that is new: all is empty.
    void forget();
    /// After its rebirth: every socket is entered again.
    void enter_all();

    u32 listen(u16 port, u32 backlog = 128, Net::Address local = {});
    u32 connect(Net::Address local, Net::Address remote, u8 flags = 0);
    u32 datagram(Net::Kind kind, Net::Address local, Net::Address remote = {});
    /// A connection that came in for that listener and that was not yet given out; 0: there is none. It is seen then.
    u32 accept(u32 listener);
    Net::State state(u32 socket) const;
    Net::Failure failure(u32 socket) const { return server(socket).failure; }
    /// Puts up to that many bytes in the send ring: how many.
    u32 send(u32 socket, const u8* bytes, u32 length);
    u32 send_room(u32 socket) const;
    /// Everything sent was acknowledged.
    bool drained(u32 socket) const { return server(socket).send_head == client(socket).send_tail; }
    /// Takes up to that many bytes.
    u32 receive(u32 socket, u8* bytes, u32 length);
    u32 readable(u32 socket) const {
        return current(socket) ? server(socket).receive_tail - client(socket).receive_head : 0;
    }
    bool peer_closed(u32 socket) const {
        return current(socket) && (server(socket).flags & Net::kPeerClosed) != 0;
    }
    void shutdown(u32 socket) { set_flags(socket, client(socket).flags | Net::kSendClosed); }
    void set_flags(u32 socket, u32 flags);
    /// Lets go.
    void close(u32 socket, bool abort = false);
    bool free(u32 socket) const { return server(socket).state == Net::State::free; }
    bool send_datagram(u32 socket, Net::Datagram header, const std::vector<u8>& bytes);
    bool receive_datagram(u32 socket, Net::Datagram& header, std::vector<u8>& bytes);
    /// Takes all numbers that the stack has entered: how many.
    u32 take_all();
    /// Enters a number and remembers to notify.
    void enter(u32 socket);

    Net::ClientHalf& client(u32 socket) { return link_.blocks[socket].client; }
    const Net::ClientHalf& client(u32 socket) const { return link_.blocks[socket].client; }
    const Net::ServerHalf& server(u32 socket) const { return link_.blocks[socket].server; }
    Net::Link& link() { return link_; }
    u8* page(u32 number) { return window_ + number * Net::kPageSize; }
    bool notified = false;  ///< the stack is to look
    u32 pages_free() const { return static_cast<u32>(free_pages_.size()); }

  private:
    bool current(u32 socket) const { return server(socket).generation == client(socket).generation; }
    u32 new_socket();
    void take_back(u32 socket);
    void put(u32 socket, const void* bytes, u32 length);
    void get(u32 socket, void* bytes, u32 length);

    Net::Link& link_;
    u32 taken_ = 0;
    u32 next_ = 1;               ///< where a free number is looked for
    std::vector<u16> arrivals_;  ///< of the server's numbers, that may be new connections
    u8* window_;
    std::vector<u16> free_pages_;
    std::vector<bool> used_;
    std::vector<u32> taken_back_;  ///< send_head up to which pages were taken back
};

}  // namespace pith::stack
