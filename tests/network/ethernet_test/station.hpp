// SPDX-License-Identifier: MIT
// A station on the network: an interface, by EthernetClient, that asks the gateway of QEMU's user network for echoes, and looks at
// every byte of what it answers.
#pragma once

#include <bitset>

#include "lib/net/ethernet_client.hpp"
#include "tests/network/ethernet_test/harness.hpp"
#include "tests/network/ethernet_test/packet.hpp"

namespace pith::test {

class Station {
  public:
    explicit Station(const Client<Ethernet>& driver) : client_(driver, 0) {}
    /// Opens the interface, and finds the gateway.
    bool open();
    EthernetClient& client() { return client_; }

    /// Queues an echo request with so many bytes of data, as far as a frame can hold them; false: there is no buffer.
    bool ask(u16 sequence, u32 data);
    bool ask_gateway();
    /// Queues a frame that nobody answers, as long as it can be.
    bool send_to_nobody(u32 length);
    bool answered(u16 sequence) const { return answered_[sequence]; }
    void forget() {
        answered_.reset();
        answers_ = 0;
    }
    bool gateway_known() const { return gateway_known_; }
    /// Asks for `count` echoes, `window` of them at a time, and waits until all are answered.
    bool ask_all(u32 count, u32 window, u32 data);
    /// The same until `done` says so; what isn't answered within a while is taken for lost, and asked again.
    template <typename Done>
    bool ask_until(u32 window, Done done);

    u32 answers() const { return answers_; }
    u32 broken() const { return broken_; }
    u32 opened() const { return opened_; }
    /// Frames are taken, and kept: they are not given back.
    bool keeps = false;
    EthernetFrame kept[EthernetClient::kBuffers];
    u32 kept_count = 0;

  private:
    void look();
    void take(const EthernetFrame& frame);

    EthernetClient client_;
    bool gateway_known_ = false;
    u8 gateway_[6] = {};
    std::bitset<65536> answered_;
    u32 answers_ = 0, broken_ = 0, opened_ = 0;
    u16 next_ = 0;
};

template <typename Done>
bool Station::ask_until(u32 window, Done done) {
    abi::Time last = now();
    u32 seen = answers_, under_way = 0;
    const abi::Time deadline = now() + 60 * kSecond;
    while (!done()) {
        if (now() > deadline) return false;
        under_way -= std::min(under_way, answers_ - seen);
        if (answers_ != seen || now() - last > 50 * kMillisecond) {
            if (answers_ == seen) under_way = 0;
            last = now();
        }
        seen = answers_;
        while (under_way < window && ask(next_, next_ % 1400)) {
            next_++;
            under_way++;
        }
        client_.publish();
        context.loop->run_once(now() + 5 * kMillisecond);
    }
    return true;
}

extern Station* station;

}  // namespace pith::test
