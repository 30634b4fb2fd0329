// SPDX-License-Identifier: MIT
// Opening, and opening again.
#include "lib/net/ethernet_client.hpp"

#include <algorithm>

#include "lib/base/round.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/violation.hpp"

namespace pith {

Result<> EthernetClient::open(const Handle<Signal>& signal, u64 bits, abi::Time deadline) {
    signal_ = &signal;
    bits_ = bits;
    const Result<> opened = try_open(deadline);
    if (!opened.ok() && opened.error() != Error::not_found) reopen_later();
    return opened;
}

Result<> EthernetClient::try_open(abi::Time deadline) {
    ReceivedHandles received;
    const auto reply = PITH_TRY(driver_.call(Ethernet::Open{index_, bits_},
                                             HandleList().add(*signal_, rights(abi::SignalRight::notify)),
                                             received, deadline));
    PITH_CHECK(check(reply));
    Handle<Memory> link = PITH_TRY(received.take<Memory>(0));
    Handle<Signal> peer = PITH_TRY(received.take<Signal>(1));
    if (mapping_.valid()) PITH_CHECK(mapping_.replace(link, 0));
    else
        mapping_ = PITH_TRY(
            Mapping::create(link, 0, round_up(reply.window_offset + reply.window_size, abi::kPageSize)));
    peer_ = std::move(peer);
    peer_bits_ = reply.bits;
    attach(mapping_.bytes(), reply);
    link_ = std::move(link);
    opened_at_ = now();
    publish();
    return {};
}

void EthernetClient::reopen() {
    detach();
    const Result<> opened = try_open(now() + kPatience);
    if (opened.ok()) watch_.cancel();
    else if (opened.error() != Error::not_found) reopen_later();
    if (changed) changed();
}

/// A driver that has served for a while may break the rules at once again.
void EthernetClient::broken() {
    report_violation(driver_.endpoint(), "a broken ring");
    if (now() - opened_at_ >= kSecond) failures_ = 0;
    reopen_later();
}

/// Each attempt costs a call, for which the loop stands still: they become rarer, to one in five seconds.
void EthernetClient::reopen_later() {
    watch_.arm(now() + (kFirstPause << failures_));
    failures_ = std::min(failures_ + 1, kMostFailures);
}

void EthernetClient::reborn() {
    if (signal_ == nullptr || (attached() && driver_alive())) return;
    failures_ = 0;
    reopen();
}

}  // namespace pith
