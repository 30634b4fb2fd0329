// SPDX-License-Identifier: MIT
// The client's side of the serial line (protocol/serial.hpp): opens it, opens it again after the driver's
// rebirth, and never waits for a driver longer than kPatience.
#pragma once

#include <span>

#include "lib/os/clock.hpp"
#include "lib/os/protocol.hpp"
#include "protocol/serial.hpp"

namespace pith::console {

class Line {
  public:
    /// Below the heartbeat's limit, far above what a machine that is short of time needs.
    static constexpr abi::Time kPatience = 2 * kSecond;
    static constexpr abi::Time kRetry = 50 * kMillisecond;

    /// `signal` is notified with `bits` when bytes have arrived or there is room again.
    Line(Client<Serial> client, const Handle<Signal>& signal, u64 bits)
        : client_(std::move(client)), signal_(signal), bits_(bits) {}

    /// Open, or opened by this. False: not now; again at retry_time, or when the driver is reborn.
    bool open();
    bool is_open() const { return instance_ != 0; }
    /// Sends from `out`, receives to `in` (at least Serial::kMaxData). Any error: the line is lost, and bytes
    /// with it.
    struct Exchange {
        usize sent;
        usize received;
    };
    Result<Exchange> exchange(std::span<const u8> out, std::span<u8> in);
    /// The driver may be another: forget this one.
    void forget() { instance_ = 0; }
    /// When to try `open` again.
    abi::Time retry_time() const { return retry_time_; }

  private:
    Client<Serial> client_;
    const Handle<Signal>& signal_;
    const u64 bits_;
    u64 instance_ = 0;
    abi::Time retry_time_ = 0;
};

}  // namespace pith::console
