// SPDX-License-Identifier: MIT
// The states of a connection's end, and its bytes.
#include "servers/linux/net/inet/tcp_end.hpp"

#include <algorithm>

#include "servers/linux/net/inet/tcp_socket.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kIn = kPollIn | kPollReadNormal, kOut = kPollOut | kPollWriteNormal;
/// Pages between two ends of the zone where programs say nothing else.
constexpr usize kRingPages = 64, kLeastPages = 2, kMostPages = 1024;

}  // namespace

TcpEnd::TcpEnd(Network& of, u16 socket_family) : network(of), family(socket_family), incoming_(of.zone, 1) {
    binding.holder = this;
}

TcpEnd::~TcpEnd() {
    leave_waiting();
    if (listener_) stop_listening();
}

void TcpEnd::set_error(Errno what) { (socket != nullptr ? socket->pending_error : error) = what; }

void TcpEnd::wake(u32 events) {
    readers.wake_all(events);
    writers.wake_all(events);
}

void TcpEnd::wake_writers() {
    if (!wants_room_ || !writable()) return;
    wants_room_ = false;
    writers.wake_all(kOut);
}

usize TcpEnd::room() const {
    if (net_) return net_->send_room();
    return peer_ ? peer_->incoming_.room() : 0;
}

bool TcpEnd::writable() const {
    if (net_) return net_->send_room() >= net_->unsent() / 2 && net_->send_room() != 0;
    return !peer_ || peer_->incoming_.room() >= peer_->incoming_.capacity() / 3;
}

void TcpEnd::set_capacity() {
    usize pages = kRingPages;
    // What sender and receiver have asked for: Linux keeps bytes at both ends.
    if (receive_buffer != 0 || (peer_ && peer_->send_buffer != 0)) {
        const usize bytes = static_cast<usize>(receive_buffer) +
                            static_cast<usize>(peer_ ? peer_->send_buffer : 0);
        pages = std::clamp(bytes / kPageSize, kLeastPages, kMostPages);
    }
    if (pages * kPageSize != incoming_.capacity()) static_cast<void>(incoming_.set_pages(pages));
}

SysResult<usize> TcpEnd::take(UserIo& io, bool discard) {
    usize done = 0;
    if (net_) {
        while (io.remaining() != 0) {
            const std::span<const u8> piece = net_->received_piece();
            if (piece.empty()) break;
            const usize wanted = std::min(piece.size(), io.remaining());
            if (discard) {
                io.advance(wanted);
            } else {
                const SysResult<usize> copied = io.put(piece.data(), wanted);
                if (!copied.ok()) {
                    if (done == 0) return copied.error();
                    break;
                }
                if (copied.value() < wanted) {
                    net_->consume(static_cast<u32>(copied.value()));
                    done += copied.value();
                    break;
                }
            }
            net_->consume(static_cast<u32>(wanted));
            done += wanted;
        }
        return done;
    }
    if (discard) {
        done = std::min(io.remaining(), incoming_.used());
        incoming_.skip(done);
        io.advance(done);
    } else {
        done = PITH_TRY(incoming_.take(io));
    }
    if (peer_) peer_->wake_writers();
    return done;
}

SysResult<usize> TcpEnd::peek(UserIo& io, usize skip) {
    if (!net_) return incoming_.peek(skip, io, ~usize{0} - skip);
    usize done = 0;
    while (io.remaining() != 0) {
        const std::span<const u8> piece = net_->received_piece(static_cast<u32>(skip + done));
        if (piece.empty()) break;
        const SysResult<usize> copied = io.put(piece.data(), piece.size());
        if (!copied.ok()) return done != 0 ? SysResult<usize>(done) : copied;
        done += copied.value();
        if (copied.value() < piece.size()) break;
    }
    return done;
}

SysResult<usize> TcpEnd::add(UserIo& io, const AddressSpace* from) {
    if (net_) {
        usize done = 0;
        while (io.remaining() != 0) {
            const std::span<u8> space = net_->send_space();
            if (space.empty()) break;
            const SysResult<usize> copied = io.get(space.data(), space.size());
            if (!copied.ok()) {
                if (done == 0) return copied.error();
                break;
            }
            net_->commit(static_cast<u32>(copied.value()));
            done += copied.value();
            if (copied.value() < space.size() && io.remaining() != 0) break;
        }
        return done;
    }
    if (!peer_) return usize{0};
    TcpEnd& other = *peer_;
    const bool closing = other.state == TcpState::fin_wait1 || other.state == TcpState::fin_wait2;
    if (other.orphan_ || (other.receive_shutdown && closing)) {
        // Nobody there takes it any more (RFC 1122, 4.2.2.13): it is answered by RST, which the next send finds.
        const usize count = io.remaining();
        io.advance(count);
        const Ref<TcpEnd> keep(&other);
        if (other.orphan_) other.done();
        else other.fail(Errno::ECONNRESET);
        receive_reset();
        return count;
    }
    usize done = other.incoming_.hand_over(io, from);
    if (io.remaining() != 0 && other.incoming_.room() != 0) {
        const SysResult<usize> added = other.incoming_.add(io);
        if (!added.ok() && done == 0) return added.error();
        if (added.ok()) done += added.value();
    }
    if (done == 0) return done;
    other.stop_deferring();
    other.readers.wake_all(kIn);
    return done;
}

void TcpEnd::close_sending() {
    send_shutdown = true;
    switch (state) {
        case TcpState::established: state = TcpState::fin_wait1; break;
        case TcpState::close_wait: state = TcpState::last_ack; break;
        default: return;
    }
    if (net_) {
        net_->close_sending();
        return;
    }
    const Ref<TcpEnd> other = peer_;
    if (!other) return;
    other->receive_fin();
    fin_acknowledged();
}

void TcpEnd::close_receiving() { receive_shutdown = true; }

void TcpEnd::fin_acknowledged() {
    switch (state) {
        case TcpState::fin_wait1: state = TcpState::fin_wait2; break;
        case TcpState::closing: time_wait(); break;
        case TcpState::last_ack: done(); break;
        default: break;
    }
}

void TcpEnd::receive_fin() {
    receive_shutdown = true;
    finished = true;
    stop_deferring();
    switch (state) {
        case TcpState::established: state = TcpState::close_wait; break;
        case TcpState::fin_wait1: state = TcpState::closing; break;
        case TcpState::fin_wait2: return time_wait();
        default: break;
    }
    wake(kIn | kPollReadHangUp | (send_shutdown ? kPollHangUp : 0));
}

void TcpEnd::time_wait() {
    network.enter_time_wait(binding);
    done();
}

void TcpEnd::receive_reset() {
    switch (state) {
        case TcpState::closed: return;
        case TcpState::syn_sent: return fail(Errno::ECONNREFUSED);
        case TcpState::close_wait: return fail(Errno::EPIPE);
        default: return fail(Errno::ECONNRESET);
    }
}

void TcpEnd::fail(Errno what) {
    set_error(what);
    done();
}

void TcpEnd::done() {
    const Ref<TcpEnd> self(this);
    state = TcpState::closed;
    receive_shutdown = send_shutdown = true;
    leave_waiting();
    stop_deferring(true);
    peer_.reset();
    // What came in before the end can still be read; the stack keeps it as long as there is a socket.
    if (net_ && net_->received() == 0) net_.reset();
    if (!port_chosen) binding.leave();
    wake(kIn | kOut | kPollReadHangUp | kPollHangUp | kPollError);
}

void TcpEnd::close(bool reset) {
    const Ref<TcpEnd> self(this);
    socket = nullptr;
    orphan_ = true;
    if (listener_) stop_listening();
    leave_waiting();
    const bool unread_bytes = unread() != 0;
    incoming_.skip(incoming_.used());
    const bool open = state != TcpState::closed;
    if (open && (reset || unread_bytes || state == TcpState::syn_sent)) {
        const Ref<TcpEnd> other = std::exchange(peer_, nullptr);
        if (net_) net_->abort_on_release();
        net_.reset();
        done();
        if (other) other->receive_reset();
    } else if (net_) {
        // The stack sends what there is, and closes; the port stays taken for a while, as the connection is in some state of ending.
        if (open && state != TcpState::last_ack && state != TcpState::close_wait)
            network.enter_time_wait(binding);
        net_.reset();
        done();
    } else {
        receive_shutdown = true;
        close_sending();
    }
    if (state == TcpState::closed) binding.leave();
}

void TcpEnd::disconnect() {
    const Ref<TcpEnd> self(this);
    if (listener_) stop_listening();
    leave_waiting();
    const Ref<TcpEnd> other = std::exchange(peer_, nullptr);
    if (state != TcpState::closed && state != TcpState::listening && state != TcpState::last_ack &&
        state != TcpState::closing)
        set_error(Errno::ECONNRESET);
    if (net_) net_->abort_on_release();
    net_.reset();
    incoming_.skip(incoming_.used());
    state = TcpState::closed;
    receive_shutdown = send_shutdown = finished = false;
    binding.remote = {};
    if (!address_chosen && binding.bound()) {
        const InetAddress any = any_address(family == AF_INET_ ? 4 : 6, binding.local.port);
        network.tcp.enter(binding, any);
    }
    if (!port_chosen) {
        binding.leave();
        binding.local = {};
        binding.by_connect = false;
    }
    if (other) other->receive_reset();
    wake(kIn | kOut | kPollHangUp);
}

}  // namespace pith::lx
