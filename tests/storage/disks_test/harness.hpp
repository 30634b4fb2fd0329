// SPDX-License-Identifier: MIT
// What the test's parts share: printing, checking, restarting components, and killing them from a thread.
#pragma once

#include "protocol/block.hpp"
#include "tests/guest.hpp"

namespace pith::test {

/// What this component was given, and the driver's name (parameter "driver").
struct Context {
    Client<Block> blocks[Block::kMaxClients + 1];  ///< each is another client to the driver
    std::string_view driver;
};
extern Context context;
inline const Client<Block>& block() { return context.blocks[0]; }

inline bool restart_driver() { return restart(context.driver); }

/// A thread that restarts the driver and the devices server again and again while it is told to.
class Killer {
  public:
    static bool start();
    /// Every so many milliseconds (the driver of slower devices more rarely); 0: never. Gives the number of restarts so far.
    static u32 set(u32 driver, u32 devices);
};

// The tests.
bool disks_are_found();
bool sectors_are_read();
bool bad_requests_are_refused();
bool read_only_disk_is_not_written();
bool small_disk_works();
bool many_disks_work();
bool every_alignment_and_size_works();
bool large_blocks_work();
bool device_errors_are_told();
bool device_in_need_is_reset();
bool silent_device_is_reset();
bool devices_are_not_for_everyone();
bool ended_server_says_nothing();
bool all_depths_work();
bool kills_lose_nothing();
bool two_clients_lose_nothing();
bool restarts_give_everything_back();
bool supervisor_passes_it_on();
bool everything_is_there();
bool clients_have_links_of_their_own();
bool fifth_client_is_refused();
bool others_notice_no_reopening();
bool statistics_count();
bool adjacent_requests_are_merged();
bool windows_shrink_when_memory_is_short();

}  // namespace pith::test
