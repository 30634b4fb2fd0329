// SPDX-License-Identifier: MIT
// The host's ends of the mux's streams: what is to be sent is kept until the guest has taken it, what has arrived is
// kept until the descriptor that it is for has taken it. Control records are cut out of their stream.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>

#include "lib/mux/link.hpp"

namespace pith::tools {

class Channels : public mux::LinkUser {
  public:
    using ControlHandler = std::function<void(mux::ControlKind, std::string_view)>;
    static constexpr usize kCapacity = 256 * 1024;

    explicit Channels(ControlHandler handler) : handler_(std::move(handler)) {}

    /// Towards the guest.
    void send(mux::Channel channel, std::string_view bytes);
    void send_control(mux::ControlKind kind, const void* payload, usize size);
    void send_end(mux::Channel channel) { at(channel).ended = true; }
    usize space(mux::Channel channel);

    /// From the guest: what has arrived and is not yet consumed.
    std::string_view arrived(mux::Channel channel) { return at(channel).arrived; }
    void consume(mux::Channel channel, usize count) { at(channel).arrived.erase(0, count); }
    /// From now on what arrives on `channel` is dropped.
    void discard(mux::Channel channel);

    usize deliver(mux::Channel channel, std::span<const u8> bytes) override;
    void deliver_end(mux::Channel) override {}
    usize room(mux::Channel channel) override;
    u64 written(mux::Channel channel) override;
    bool ended(mux::Channel channel) override { return at(channel).ended; }
    void copy(mux::Channel channel, u64 offset, std::span<u8> out) override;
    void release(mux::Channel channel, u64 offset) override;
    void restart() override;

  private:
    struct Stream {
        std::string outgoing;  ///< not yet taken by the guest
        u64 base = 0;          ///< offset of its first byte
        bool ended = false;
        std::string arrived;
        bool discarding = false;
    };
    Stream& at(mux::Channel channel) { return streams_[static_cast<usize>(channel)]; }
    void take_records();

    std::array<Stream, mux::kChannels> streams_;
    ControlHandler handler_;
};

}  // namespace pith::tools
