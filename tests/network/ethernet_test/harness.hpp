// SPDX-License-Identifier: MIT
// What the test's parts share: what it was given, waiting.
#pragma once

#include "protocol/ethernet.hpp"
#include "tests/guest.hpp"

namespace pith::test {

/// What this component was given.
struct Context {
    EventLoop* loop;
    Client<Ethernet> driver, second;  ///< the second one is another client to the driver
};
extern Context context;

/// Runs the event loop until the condition holds, which is asked when something has come; false: it does not come to hold, in a time that is
/// long for anything.
template <typename Condition>
bool wait_for(Condition condition) {
    for (const abi::Time deadline = now() + 30 * kSecond; !condition();) {
        context.loop->run_once(deadline);
        if (now() >= deadline) return false;
    }
    return true;
}
/// The same for what nothing comes of.
template <typename Condition>
bool look_until(Condition condition) {
    for (const abi::Time deadline = now() + 30 * kSecond; !condition();) {
        context.loop->run_once(now() + 5 * kMillisecond);
        if (now() >= deadline) return false;
    }
    return true;
}

/// Runs the event loop for so long.
inline void run_for(abi::Time time) {
    for (const abi::Time end = now() + time; now() < end;) context.loop->run_once(end);
}

// The tests.
bool interface_is_opened();
bool gateway_answers();
bool every_size_is_sent_and_received();
bool many_are_under_way();
bool busy_device_is_left_alone();
bool carrier_goes_and_comes();
bool frames_without_answer_are_sent();
bool buffers_run_out_and_come_back();
bool bad_submissions_are_refused();
bool broken_rings_hurt_nobody_else();
bool second_client_is_refused();
bool reopening_leaves_nothing();
bool statistics_count();
bool device_in_need_is_reset();
bool silent_device_is_reset();
bool kept_frames_outlive_the_driver();
bool driver_dies_under_traffic();
bool devices_server_dies_under_traffic();
bool held_down_driver_comes_back();
bool restarts_give_everything_back();

}  // namespace pith::test
