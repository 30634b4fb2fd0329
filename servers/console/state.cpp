// SPDX-License-Identifier: MIT
#include "servers/console/state.hpp"

#include <atomic>
#include <cstddef>
#include <cstring>

namespace pith::console {
namespace {

constexpr u64 kMagic = 0x3165'6c6f'736e'6f63 + sizeof(State);  // another layout is another magic
constexpr usize kTtyScalars = offsetof(tty::TtyState, line_ends);

}  // namespace

usize Store::ring_offset(bool incoming, Channel channel) {
    usize offset = sizeof(Layout);
    for (usize c = 0; c < kChannels && (incoming || c < index(channel)); ++c) offset += kOutgoingSize[c];
    for (usize c = 0; incoming && c < index(channel); ++c) offset += kIncomingSize[c];
    return offset;
}

usize Store::size() { return ring_offset(true, Channel::log) + kIncomingSize[index(Channel::log)]; }

std::span<u8> Store::outgoing(Channel channel) {
    return memory_.subspan(ring_offset(false, channel), kOutgoingSize[index(channel)]);
}

std::span<u8> Store::incoming(Channel channel) {
    return memory_.subspan(ring_offset(true, channel), kIncomingSize[index(channel)]);
}

/// A predecessor that ran wild may have left anything: nothing here may make this one do so.
bool Store::plausible(const State& state) {
    const Core& core = state.core;
    for (usize c = 0; c < kChannels; ++c) {
        const u64 released = core.link.acknowledged[c];
        if (released > core.written[c] + 1 || core.written[c] + 1 - released > u64{kOutgoingSize[c]} + 1)
            return false;
        if (core.consumed[c] > core.arrived[c] || core.arrived[c] - core.consumed[c] > kIncomingSize[c])
            return false;
    }
    const tty::TtyState& tty = state.tty;
    const u32 unread = tty.head - tty.tail;
    // Lines count in canonical mode only: in raw mode the end of the last one stays behind what was read.
    const bool lines = (tty.termios.local & tty::kIcanon) != 0;
    return core.reply_length <= sizeof(state.reply) && core.control_length <= sizeof(core.control) &&
           core.link.epoch != 0 && unread <= tty::kBufferSize &&
           (!lines || tty.canon_head - tty.tail <= unread) &&
           tty.echo_head - tty.echo_tail <= tty::kBufferSize;
}

Result<> Store::open(std::span<u8> memory) {
    if (memory.size() < size()) return Error::no_memory;
    memory_ = memory;
    layout_ = reinterpret_cast<Layout*>(memory.data());
    if (layout_->magic == kMagic && layout_->active < 2 && plausible(layout_->slots[layout_->active].state)) {
        const Slot& slot = layout_->slots[layout_->active];
        memcpy(&state_, &slot.state, sizeof(state_));
        tty_version_ = slot.tty_version;
        reply_version_ = slot.reply_version;
        // The other slot may be half written.
        layout_->slots[1 - layout_->active].tty_version = 0;
        layout_->slots[1 - layout_->active].reply_version = 0;
        return {};
    }
    fresh_ = true;
    layout_->magic = 0;
    layout_->active = 0;
    for (Slot& slot : layout_->slots) slot.tty_version = slot.reply_version = 0;
    return {};
}

void Store::commit() {
    const u64 next = 1 - layout_->active;
    Slot& slot = layout_->slots[next];
    memcpy(&slot.state.core, &state_.core, sizeof(Core));
    if (slot.reply_version != reply_version_) {
        slot.reply_version = 0;
        memcpy(slot.state.reply, state_.reply, state_.core.reply_length);
        slot.reply_version = reply_version_;
    }
    if (slot.tty_version != tty_version_) {
        slot.tty_version = 0;
        memcpy(&slot.state.tty, &state_.tty, sizeof(state_.tty));
        slot.tty_version = tty_version_;
    } else {
        memcpy(&slot.state.tty, &state_.tty, kTtyScalars);
    }
    std::atomic_ref(layout_->active).store(next, std::memory_order_release);
    if (layout_->magic != kMagic) std::atomic_ref(layout_->magic).store(kMagic, std::memory_order_release);
}

}  // namespace pith::console
