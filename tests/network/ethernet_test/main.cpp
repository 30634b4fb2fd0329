// SPDX-License-Identifier: MIT
// Tests a network interface from inside: prints a line a test on the debug console and ends the machine. On the other side is QEMU's
// user network, whose gateway answers ARP and echo requests; and the host, which takes the carrier away (tests/system/ethernet.sh).
#include "tests/network/ethernet_test/station.hpp"

namespace pith::test {

namespace {

void run_all() {
    run("interface_is_opened", interface_is_opened);
    if (failures == 0) run("gateway_answers", gateway_answers);
    if (failures != 0) return;
    run("every_size_is_sent_and_received", every_size_is_sent_and_received);
    run("many_are_under_way", many_are_under_way);
    run("busy_device_is_left_alone", busy_device_is_left_alone);
    run("carrier_goes_and_comes", carrier_goes_and_comes);
    run("frames_without_answer_are_sent", frames_without_answer_are_sent);
    run("buffers_run_out_and_come_back", buffers_run_out_and_come_back);
    run("bad_submissions_are_refused", bad_submissions_are_refused);
    run("broken_rings_hurt_nobody_else", broken_rings_hurt_nobody_else);
    run("second_client_is_refused", second_client_is_refused);
    run("reopening_leaves_nothing", reopening_leaves_nothing);
    run("statistics_count", statistics_count);
    run("device_in_need_is_reset", device_in_need_is_reset);
    run("silent_device_is_reset", silent_device_is_reset);
    run("kept_frames_outlive_the_driver", kept_frames_outlive_the_driver);
    run("driver_dies_under_traffic", driver_dies_under_traffic);
    run("devices_server_dies_under_traffic", devices_server_dies_under_traffic);
    run("held_down_driver_comes_back", held_down_driver_comes_back);
    run("restarts_give_everything_back", restarts_give_everything_back);
}

}  // namespace

}  // namespace pith::test

int main() {
    using namespace pith;
    using namespace pith::test;
    static EventLoop loop;
    context.loop = &loop;
    begin_tests();
    context.driver = Client<Ethernet>::from_start();
    context.second = Client<Ethernet>::from_start("second_ethernet");
    static Station only(context.driver);
    station = &only;
    run_all();
    return end_tests("ethernet");
}
