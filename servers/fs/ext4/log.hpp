// SPDX-License-Identifier: MIT
// Lines for the system's log: not more than a few a minute, as it is what disks hold that brings them about.
#pragma once

#include <algorithm>
#include <cstring>
#include <string_view>

#include "lib/os/clock.hpp"
#include "lib/os/protocol.hpp"
#include "protocol/log.hpp"

namespace pith::ext4fs {

class Logger {
  public:
    explicit Logger(Client<Log> log) : log_(std::move(log)) {}
    void write(std::string_view text) {
        const abi::Time time = now();
        if (time - begun_ > kInterval) {
            begun_ = time;
            lines_ = 0;
        }
        if (!log_.valid() || lines_++ >= kMost) return;
        Log::Write line{static_cast<u32>(Severity::error), 0, {}};
        line.length = static_cast<u32>(std::min(text.size(), Log::kMaxText));
        std::memcpy(line.text, text.data(), line.length);
        static_cast<void>(log_.call(line, time + kPatience));
    }

  private:
    static constexpr abi::Time kInterval = 60 * kSecond, kPatience = 100 * kMillisecond;
    static constexpr u32 kMost = 8;
    Client<Log> log_;
    abi::Time begun_ = 0;
    u32 lines_ = 0;
};

}  // namespace pith::ext4fs
