// SPDX-License-Identifier: MIT
// The streams between the client's side and the line's: rings in preserved Memory, the terminal's line
// discipline between two of them, and the records of the control stream. All state is in the Store; nothing
// here commits.
#pragma once

#include <string_view>

#include "servers/console/state.hpp"

namespace pith::console {

class Streams : public mux::LinkUser {
  public:
    explicit Streams(Store& store) : store_(store), discipline_(store.state().tty) {}
    /// The link tells what was taken by the host. In plain mode there is none.
    void connect(mux::Link* link) { link_ = link; }

    /// Room for outgoing bytes.
    u32 space(Channel channel);
    /// Outgoing bytes that are not taken yet.
    u32 pending(Channel channel);
    /// Appends as much as there is room for; gives how much.
    usize append(Channel channel, std::span<const u8> bytes);
    /// Appends a control record whole; false: no room now.
    bool append_control(mux::ControlKind kind, std::span<const u8> payload);

    /// Incoming bytes that are not consumed yet.
    u32 unread(Channel channel);
    /// Takes bytes out of the `input` stream.
    usize take_input(std::span<u8> into);

    /// The client writes to the terminal; gives how many bytes were taken.
    usize write_tty(std::span<const u8> bytes);
    /// Lets the line discipline go on: input that waits, echo that waits. After anything that may have made
    /// room.
    void advance_tty();
    tty::LineDiscipline& discipline() { return discipline_; }
    /// TCXONC: output goes on.
    void start_output();
    /// Throws away terminal output that no wire has carried yet.
    void discard_output();
    void hang_up();

    // Called by the link (and by the line itself in plain mode).
    usize deliver(Channel channel, std::span<const u8> bytes) override;
    void deliver_end(Channel channel) override;
    usize room(Channel channel) override;
    u64 written(Channel channel) override { return core().written[index(channel)]; }
    bool ended(Channel) override { return false; }
    void copy(Channel channel, u64 offset, std::span<u8> out) override;
    void release(Channel, u64) override {}

  private:
    static constexpr usize kScratch = 2048;
    Core& core() { return store_.core(); }
    u64 released(Channel channel);
    void put(Channel channel, std::span<const u8> bytes);
    void take_control(std::span<const u8> bytes);
    void control_record(mux::ControlKind kind, std::span<const u8> payload);
    void take_events();

    Store& store_;
    mux::Link* link_ = nullptr;
    tty::LineDiscipline discipline_;
};

/// Copies into or out of a ring whose size is a power of two.
void ring_write(std::span<u8> ring, u64 position, std::span<const u8> bytes);
void ring_read(std::span<const u8> ring, u64 position, std::span<u8> bytes);

}  // namespace pith::console
