// SPDX-License-Identifier: MIT
// What the console does between requests: the wire, the log, the end of the run.
#include <algorithm>
#include <cstring>

#include "lib/os/patience.hpp"
#include "servers/console/service.hpp"

namespace pith::console {
namespace {

/// What goes to the terminal of a plain line, in this order.
constexpr Channel kPlainOrder[] = {Channel::tty, Channel::error, Channel::output};

abi::Time earlier(abi::Time a, abi::Time b) {
    if (a == abi::kNoDeadline) return b;
    return b == abi::kNoDeadline ? a : std::min(a, b);
}

}  // namespace

void Service::pump() {
    if (log_.collect()) dirty_ = true;
    pump_line();
    // Room that the host made may be what the log, the terminal's echo or the end of the run waits for.
    if (log_.collect()) {
        dirty_ = true;
        pump_line();
    }
    if (dirty_) commit();
    notify_client();
}

abi::Time Service::deadline() {
    if (log_.more()) return now();
    const abi::Time time = exit_is_limited() ? exit_limit_ : abi::kNoDeadline;
    if (!line_.is_open()) return earlier(time, line_.retry_time());
    return plain() ? time : earlier(time, link_.deadline());
}

void Service::pump_line() {
    do {
        streams_.advance_tty();
        finish_exit();
        commit();
        if (!line_.open()) return;
        if (wire_begin_ == wire_end_) wire_begin_ = wire_end_ = 0;
        if (plain()) fill_plain();
        else fill_wire();
        if (wire_begin_ == wire_end_ && !line_ready_) break;
    } while (exchange());
}

/// Nothing goes on the wire that is not committed: this comes right after a commit.
void Service::fill_wire() {
    while (wire_end_ + mux::kMaxWireFrame <= sizeof(wire_)) {
        const usize size = link_.produce(std::span(wire_).subspan(wire_end_), now());
        if (size == 0) return;
        wire_end_ += static_cast<u32>(size);
    }
}

/// A byte that is on the wire counts as taken: a plain line has no one who would ask for it again.
void Service::fill_plain() {
    for (const Channel channel : kPlainOrder) {
        const usize count = std::min<usize>(streams_.pending(channel), sizeof(wire_) - wire_end_);
        u64& taken = core().link.acknowledged[index(channel)];
        streams_.copy(channel, taken, std::span(wire_).subspan(wire_end_, count));
        taken += count;
        wire_end_ += static_cast<u32>(count);
    }
}

/// One transfer; true: go on, something moved.
bool Service::exchange() {
    u8 received[Serial::kMaxData];
    line_ready_ = false;
    auto result = line_.exchange({wire_ + wire_begin_, wire_end_ - wire_begin_}, received);
    if (!result.ok()) {
        trace_.add({kLineLost, static_cast<u32>(result.error()), 0});
        line_lost();
        return line_.open();
    }
    wire_begin_ += static_cast<u32>(result->sent);
    if (result->received > 0) take_wire({received, result->received});
    line_ready_ = result->received == Serial::kMaxData;
    return result->sent > 0 || result->received > 0;
}

void Service::take_wire(std::span<const u8> bytes) {
    dirty_ = true;
    if (!plain()) {
        link_.feed(bytes, now());
        if (!link_.contradicted()) return;
        // A predecessor that ran wild has left numbers that look well.
        store_.forget();
        panic("what was preserved contradicts the host");
    }
    static_cast<void>(
        streams_.deliver(Channel::tty, bytes));  // what finds no room is lost, as on any plain line
}

void Service::line_lost() {
    line_.forget();
    line_ready_ = true;
    if (plain()) return;
    wire_begin_ = wire_end_ = 0;
    link_.wire_lost();
    if (exit_call_.pending()) exit_limit_ = now() + kHostPatience;  // the host has to answer anew
}

/// The limit of an exit is for a host that says nothing. With one that does, the exit waits for its acknowledgements, which are the link's. Where
/// the clock skips what is idle there is none (lib/os/patience.hpp).
bool Service::exit_is_limited() {
    return exit_call_.pending() && !plain() && !clock_skips() && !link_.synced();
}

/// All output has arrived.
bool Service::drained() {
    constexpr Channel kOutput[] = {Channel::output, Channel::error, Channel::tty, Channel::log};
    return std::ranges::all_of(kOutput, [this](Channel channel) { return streams_.pending(channel) == 0; });
}

void Service::finish_exit() {
    if (!exit_call_.pending()) return;
    const bool no_host = exit_is_limited() && now() >= exit_limit_;
    if (!no_host) {
        if (!drained()) return;
        if (!plain() && core().exit_sent == 0) {
            u8 payload[sizeof(mux::ExitStatus)];
            memcpy(payload, &core().exit, sizeof(payload));
            if (!streams_.append_control(mux::ControlKind::exit_status, payload)) return;
            core().exit_sent = 1;
        }
        if (streams_.pending(Channel::control) > 0 || (plain() && wire_begin_ != wire_end_)) return;
    }
    commit();
    exit_call_.reply({});
}

}  // namespace pith::console
