// SPDX-License-Identifier: MIT
// Follows the system log (protocol/log.hpp): crash lines always go to the host, everything with --log.
#pragma once

#include "lib/os/protocol.hpp"
#include "protocol/log.hpp"
#include "servers/console/streams.hpp"

namespace pith::console {

class LogReader {
  public:
    LogReader(Client<Log> client, const Handle<Signal>& signal, u64 bits, Store& store, Streams& streams)
        : client_(std::move(client)), signal_(signal), bits_(bits), store_(store), streams_(streams) {}

    /// The log may be another: ask it anew to tell of records.
    void reborn() {
        watching_ = false;
        retry_time_ = 0;
    }
    /// There may be new records.
    void wake() { pending_ = true; }
    /// Passes on what is there, as far as there is room, and no more than so much; true: something was.
    bool collect();
    /// There may be more: it stopped to let the loop do other things.
    bool more() const { return more_; }

  private:
    static constexpr abi::Time kPatience = kSecond;
    static constexpr abi::Time kRetry = kSecond;  // a log that does not answer doesn't hold up the streams
    void watch();
    bool room();
    void pass(const Log::Read::Reply& record);

    Client<Log> client_;
    const Handle<Signal>& signal_;
    const u64 bits_;
    Store& store_;
    Streams& streams_;
    bool watching_ = false;
    bool pending_ = false;
    bool more_ = false;
    abi::Time retry_time_ = 0;
};

}  // namespace pith::console
