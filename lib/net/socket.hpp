// SPDX-License-Identifier: MIT
// NetSocket: one socket of the stack (protocol/net.hpp), as its client has it. NetSockets (sockets.hpp) makes and owns them; whoever uses one
// holds it by a NetSocketRef. When that goes, the socket is closed: the number, and what is in its send ring, live on until the server has
// sent it and says that it is free.
//
// Sending: write to send_space(), a piece of one page, then commit(). Receiving: read received_piece(), then consume(). A ring of datagrams
// holds whole records: send_datagram and next_datagram do that. What the server wrote was copied and checked; what can't be has made the socket broken.
#pragma once

#include <memory>
#include <span>

#include "lib/base/list.hpp"
#include "protocol/net.hpp"

namespace pith {

class NetSocket;
class NetSockets;

/// Lets go of a socket: closes it, in order where it is a stream.
struct NetSocketRelease {
    void operator()(NetSocket* socket) const;
};
using NetSocketRef = std::unique_ptr<NetSocket, NetSocketRelease>;

/// Who uses a socket. It is called from NetSockets::serve and the like, and may do anything with the socket, also let go of it.
class NetWatcher {
  public:
    /// The server's half has changed, or there are pages to send again.
    virtual void net_changed(NetSocket& socket) = 0;
    /// A connection has come in at a listener.
    virtual void net_accepted(NetSocket& listener, NetSocketRef connection);

  protected:
    ~NetWatcher() = default;
};

class NetSocket {
  public:
    NetSocket(const NetSocket&) = delete;
    NetSocket& operator=(const NetSocket&) = delete;
    void set_watcher(NetWatcher* watcher) { watcher_ = watcher; }

    u16 number() const { return number_; }
    Net::Kind kind() const { return kind_; }
    Net::State state() const { return state_; }
    /// Why it is closed; of datagrams the last failure, which take_failure() gives once.
    Net::Failure failure() const { return failure_; }
    Net::Failure take_failure();
    bool peer_closed() const { return peer_closed_; }
    /// As the server says they are.
    const Net::Address& local() const { return local_; }
    const Net::Address& remote() const { return remote_; }

    /// Changes what may change at any time, and tells the server: `change(half)` gets the client's half.
    template <typename Change>
    void change(Change change_half) {
        if (!attached()) return;
        change_half(half());
        enter();
    }
    void set_flags(u8 set, u8 clear = 0);
    u8 flags() const;

    /// Bytes in the send ring: not acknowledged, or not sent.
    u32 unsent() const { return send_tail_ - send_head_; }
    /// Bytes that would fit if there are pages.
    u32 send_room() const { return send_limit_ > unsent() ? send_limit_ - unsent() : 0; }
    /// At most about this many bytes in the send ring.
    void set_send_limit(u32 bytes);
    /// Where the next bytes go, up to the end of a page. Empty: there is no room, or no page; the watcher is called when there is.
    std::span<u8> send_space();
    void commit(u32 bytes);
    /// FIN follows what is in the ring.
    void close_sending() { set_flags(Net::kSendClosed); }
    /// A whole datagram: `fill(span)` is called with pieces of `header.length` bytes in all, and says false if it can't. False: no room (or
    /// pages: the watcher is called), or fill said so.
    template <typename Fill>
    bool send_datagram(const Net::Datagram& header, Fill fill) {
        if (!reserve_datagram(header.length)) return false;
        const u32 start = send_tail_;
        put(&header, sizeof header);
        for (u32 left = header.length; left != 0;) {
            std::span<u8> space = reserved_space(left);
            if (!fill(space)) {
                send_tail_ = start;
                return false;
            }
            send_tail_ += static_cast<u32>(space.size());
            left -= static_cast<u32>(space.size());
        }
        finish_datagram();
        return true;
    }
    /// There is room for one of `length` bytes, pages aside.
    bool datagram_fits(u32 length) const;

    /// Bytes in the receive ring.
    u32 received() const { return receive_tail_ - receive_head_; }
    /// What there is from `skip` on, up to the end of a page. Empty: nothing, or the socket is broken.
    std::span<const u8> received_piece(u32 skip = 0);
    /// Lets go of the first bytes.
    void consume(u32 bytes);
    /// The header of the first datagram. False: there is none.
    bool next_datagram(Net::Datagram& header);
    /// Bytes of the first datagram from `skip` on; as received_piece().
    std::span<const u8> datagram_piece(const Net::Datagram& header, u32 skip);
    void consume_datagram(const Net::Datagram& header);
    /// The header of the datagram that begins `skip` bytes into the ring, where one ends. False: there is none.
    bool datagram_at(u32 skip, Net::Datagram& header);
    /// Bytes that it takes of the ring.
    static u32 datagram_size(const Net::Datagram& header);

    /// RST instead of an orderly end, when it is let go of.
    void abort_on_release() { abort_ = true; }

    /// For TCP_INFO.
    struct Information {
        u32 mss, round_trip, congestion_window, send_window, retransmissions;
    };
    Information information() const;
    u32 drops() const;

  private:
    friend class NetSockets;
    friend struct NetSocketRelease;
    static constexpr u32 kPages = Net::kRingPages;
    /// One page less than the ring has: so no page holds its first and its last bytes at once.
    static constexpr u32 kMaxSend = Net::kRingSize - Net::kPageSize;
    NetSocket(NetSockets& owner, u16 number) : owner_(owner), number_(number) {}
    bool attached() const;
    Net::ClientHalf& half() const;
    /// Puts the number in the ring.
    void enter();
    /// Copies what the server wrote, and checks it. True: something is different.
    bool look();
    /// The server has broken the rules about this socket.
    void break_off();
    /// The same by who reads; the watcher hears of it when the server has let go.
    void break_off_reading();
    void free_sent_pages(u32 to);
    bool reserve_page(u32 position);
    void give_up_page(u32 position);
    static u32 slot(u32 position) { return position / Net::kPageSize % kPages; }
    bool reserve_datagram(u32 length);
    std::span<u8> reserved_space(u32 limit);
    void put(const void* from, u32 size);
    void finish_datagram();

    NetSockets& owner_;
    const u16 number_;
    Net::Kind kind_ = Net::Kind::none;
    Net::State state_ = Net::State::free;
    Net::Failure failure_ = Net::Failure::none;
    bool peer_closed_ = false;
    bool abort_ = false;
    bool released_ = false;  ///< nobody holds it; it waits for the server to say that it is free
    bool dead_ = false;      ///< closed from this side (`broken`): what the server writes counts no more
    bool untold_ = false;    ///< broken off while it was read: its watcher has not heard of that
    bool new_failure_ = false;
    u32 generation_ = 0;
    Net::Address local_{}, remote_{};
    u32 send_head_ = 0, send_tail_ = 0, receive_head_ = 0, receive_tail_ = 0;
    u32 send_limit_ = kMaxSend;
    u32 failures_ = 0;
    u32 told_at_ = 0;  ///< the last wake_at that the server was told of
    bool told_any_ = false;
    u16 pages_[kPages];   ///< of the send ring; kNoPage where there is none
    u32 page_count_ = 0;  ///< how many there are
    NetWatcher* watcher_ = nullptr;
    ListLink waiting_link_;
};

}  // namespace pith
