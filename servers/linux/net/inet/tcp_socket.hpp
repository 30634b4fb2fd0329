// SPDX-License-Identifier: MIT
// TcpSocket: a TCP socket of a program: waiting, flags and options; what it is about is in its TcpEnd.
#pragma once

#include "servers/linux/net/inet/inet_socket.hpp"
#include "servers/linux/net/inet/tcp_end.hpp"

namespace pith::lx {

class TcpSocket : public InetSocket {
  public:
    /// A new one, or (`accepted`) one of a connection.
    TcpSocket(Thread& thread, u32 open_flags, u16 socket_family, Ref<TcpEnd> accepted = nullptr);
    ~TcpSocket() override;

    Async<> bind(Thread& thread, const SocketAddress& address) override;
    SysResult<> listen(Thread& thread, i32 backlog) override;
    bool listening() const override { return end_->state == TcpState::listening; }
    Async<> connect(Thread& thread, const SocketAddress& address) override;
    Async<Ref<Socket>> accept(Thread& thread, u32 flags) override;
    SysResult<SocketAddress> local_name() override;
    SysResult<SocketAddress> peer_name() override;
    Async<usize> send(Thread& thread, UserIo&& io, SendExtras&& extras) override;
    Async<usize> receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) override;
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    /// SO_LINGER: waits until what was sent is with the peer, so many seconds at most.
    Async<> last_close(Thread& thread) override;
    SysResult<> shutdown(Thread& thread, Shutdown how) override;
    SysResult<> set_option(Thread& thread, i32 level, i32 name, std::span<const u8> value) override;
    SysResult<> get_option(Thread& thread, i32 level, i32 name, std::vector<u8>& value) override;
    SysResult<i32> readable_bytes() override;
    SysResult<i32> unsent_bytes() override;
    u32 poll(Poller* poller) override;
    TcpEnd& end() { return *end_; }

  protected:
    bool bound() const override { return end_->binding.bound(); }

  private:
    /// What connect has come to, as Linux's socket states.
    enum class Phase : u8 { unconnected, connecting, connected };

    SysResult<> enter_port(const InetAddress& local);
    /// `waits`: until it is connected.
    Async<> connect_to(Thread& thread, const SocketAddress& address, bool waits_for_it);
    SysResult<> start_connecting(Thread& thread, const SocketAddress& address);
    Async<> finish_connecting();
    Task<SysResult<>> wait_sent(Thread& thread, Ref<TcpSocket> self);
    Task<SysResult<>> wait_connected(Thread& thread, Ref<TcpSocket> self);
    Ref<Socket> make_accepted(Thread& thread, u32 open_flags);
    Task<SysResult<Ref<Socket>>> wait_accept(Thread& thread, Ref<TcpSocket> self, u32 open_flags);
    /// What receiving comes to when there is nothing to read; no result: waiting.
    std::optional<SysResult<usize>> at_end();
    SysResult<usize> stream_error();
    Async<usize> receive_flags(Thread& thread, UserIo&& io, u32 message_flags);
    Task<SysResult<usize>> wait_receive(Thread& thread, Ref<TcpSocket> self, UserIo io, u32 message_flags,
                                        usize done);
    /// MSG_FASTOPEN: connects, then sends. Nobody has a cookie, so nothing goes with the SYN.
    Async<usize> connect_and_send(Thread& thread, UserIo&& io, SendExtras&& extras);
    Task<SysResult<usize>> wait_send(Thread& thread, Ref<TcpSocket> self, UserIo io, usize done);
    SysResult<> set_tcp_option(i32 name, std::span<const u8> value);
    void append_information(std::vector<u8>& value) const;

    Ref<TcpEnd> end_;
    Phase phase_ = Phase::unconnected;
};

}  // namespace pith::lx
