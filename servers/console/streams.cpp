// SPDX-License-Identifier: MIT
#include "servers/console/streams.hpp"

#include <algorithm>
#include <cstring>

namespace pith::console {

void ring_write(std::span<u8> ring, u64 position, std::span<const u8> bytes) {
    const usize at = static_cast<usize>(position & (ring.size() - 1));
    const usize first = std::min(bytes.size(), ring.size() - at);
    memcpy(ring.data() + at, bytes.data(), first);
    memcpy(ring.data(), bytes.data() + first, bytes.size() - first);
}

void ring_read(std::span<const u8> ring, u64 position, std::span<u8> bytes) {
    const usize at = static_cast<usize>(position & (ring.size() - 1));
    const usize first = std::min(bytes.size(), ring.size() - at);
    memcpy(bytes.data(), ring.data() + at, first);
    memcpy(bytes.data() + first, ring.data(), bytes.size() - first);
}

u64 Streams::released(Channel channel) {
    const mux::LinkState& state = link_ != nullptr ? link_->state() : core().link;
    return std::min(state.acknowledged[index(channel)], core().written[index(channel)]);
}

u32 Streams::pending(Channel channel) {
    return static_cast<u32>(core().written[index(channel)] - released(channel));
}

u32 Streams::space(Channel channel) { return kOutgoingSize[index(channel)] - pending(channel); }

void Streams::put(Channel channel, std::span<const u8> bytes) {
    u64& written = core().written[index(channel)];
    ring_write(store_.outgoing(channel), written, bytes);
    written += bytes.size();
}

usize Streams::append(Channel channel, std::span<const u8> bytes) {
    const usize count = std::min<usize>(bytes.size(), space(channel));
    put(channel, bytes.first(count));
    return count;
}

bool Streams::append_control(mux::ControlKind kind, std::span<const u8> payload) {
    const mux::ControlHeader header{kind, static_cast<u16>(std::min(payload.size(), mux::kMaxControl))};
    if (space(Channel::control) < sizeof(header) + header.length) return false;
    u8 bytes[sizeof(header)];
    memcpy(bytes, &header, sizeof(header));
    put(Channel::control, bytes);
    put(Channel::control, payload.first(header.length));
    return true;
}

void Streams::copy(Channel channel, u64 offset, std::span<u8> out) {
    ring_read(store_.outgoing(channel), offset, out);
}

u32 Streams::unread(Channel channel) {
    return static_cast<u32>(core().arrived[index(channel)] - core().consumed[index(channel)]);
}

usize Streams::take_input(std::span<u8> into) {
    const usize count = std::min<usize>(into.size(), unread(Channel::input));
    u64& consumed = core().consumed[index(Channel::input)];
    ring_read(store_.incoming(Channel::input), consumed, into.first(count));
    consumed += count;
    return count;
}

usize Streams::room(Channel channel) {
    if (channel == Channel::control) return mux::kMaxControl;  // records are taken at once
    return kIncomingSize[index(channel)] - unread(channel);
}

usize Streams::deliver(Channel channel, std::span<const u8> bytes) {
    if (channel == Channel::control) {
        take_control(bytes);
        return bytes.size();
    }
    if (kIncomingSize[index(channel)] == 0) return bytes.size();  // nobody wants it
    const usize count = std::min(bytes.size(), room(channel));
    u64& arrived = core().arrived[index(channel)];
    ring_write(store_.incoming(channel), arrived, bytes.first(count));
    arrived += count;
    if (channel == Channel::tty) advance_tty();
    return count;
}

void Streams::deliver_end(Channel channel) {
    if (channel == Channel::input) core().input_ended = 1;
    if (channel == Channel::tty) hang_up();
}

void Streams::hang_up() { core().hung_up = 1; }

void Streams::take_control(std::span<const u8> bytes) {
    Core& c = core();
    while (!bytes.empty()) {
        mux::ControlHeader header{};
        usize want = sizeof(header);
        if (c.control_length >= sizeof(header)) {
            memcpy(&header, c.control, sizeof(header));
            want += std::min<usize>(header.length, mux::kMaxControl);
        }
        const usize count = std::min<usize>(want - c.control_length, bytes.size());
        memcpy(c.control + c.control_length, bytes.data(), count);
        c.control_length += static_cast<u32>(count);
        bytes = bytes.subspan(count);
        if (c.control_length < sizeof(header)) return;
        memcpy(&header, c.control, sizeof(header));
        if (c.control_length < sizeof(header) + std::min<usize>(header.length, mux::kMaxControl)) continue;
        c.control_length = 0;
        control_record(header.kind,
                       {c.control + sizeof(header), std::min<usize>(header.length, mux::kMaxControl)});
    }
}

void Streams::control_record(mux::ControlKind kind, std::span<const u8> payload) {
    if (kind != mux::ControlKind::window_size || payload.size() != sizeof(tty::WindowSize)) return;
    tty::WindowSize window;
    memcpy(&window, payload.data(), sizeof(window));
    if (discipline_.set_window(window)) ++core().window_changes;
}

usize Streams::write_tty(std::span<const u8> bytes) {
    u8 scratch[kScratch];
    tty::Output out({scratch, std::min<usize>(kScratch, space(Channel::tty))});
    const usize count = discipline_.write(bytes, out);
    put(Channel::tty, out.bytes());
    core().tty_accepted += count;
    return count;
}

void Streams::take_events() {
    const u32 events = discipline_.take_events();
    Core& c = core();
    if ((events & tty::LineDiscipline::kInterrupt) != 0) ++c.interrupts;
    if ((events & tty::LineDiscipline::kQuit) != 0) ++c.quits;
    if ((events & tty::LineDiscipline::kSuspend) != 0) ++c.suspends;
    if ((events & tty::LineDiscipline::kFlushOutput) != 0) discard_output();
}

void Streams::discard_output() {
    u64& written = core().written[index(Channel::tty)];
    const u64 unsent = link_ != nullptr ? link_->first_unsent(Channel::tty) : 0;
    written = std::min(written, std::max(unsent, released(Channel::tty)));
}

void Streams::advance_tty() {
    Core& c = core();
    u64& consumed = c.consumed[index(Channel::tty)];
    for (;;) {
        u8 scratch[kScratch];
        tty::Output out({scratch, std::min<usize>(kScratch, space(Channel::tty))});
        u8 typed[256];
        const usize count = std::min<usize>(sizeof(typed), unread(Channel::tty));
        ring_read(store_.incoming(Channel::tty), consumed, {typed, count});
        const usize taken = discipline_.input({typed, count}, out);
        if (taken > 0) store_.tty_changed();
        consumed += taken;
        take_events();
        put(Channel::tty, out.bytes());
        if (taken == 0 && out.bytes().empty()) return;
    }
}

void Streams::start_output() {
    u8 scratch[kScratch];
    tty::Output out({scratch, std::min<usize>(kScratch, space(Channel::tty))});
    discipline_.start_output(out);
    put(Channel::tty, out.bytes());
    advance_tty();
}

}  // namespace pith::console
