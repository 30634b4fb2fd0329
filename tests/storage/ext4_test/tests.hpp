// SPDX-License-Identifier: MIT
// What the tests of the component share.
#pragma once

#include "tests/guest.hpp"
#include "tests/storage/ext4_test/files.hpp"

namespace pith::test {

Client<Fs>& server();
inline constexpr u64 kDiskSectors = (u64{64} << 20) / 512;

/// tests/system/ext4.sh knows the numbers of steps too.
struct Phase {
    usize steps;
    u32 kill_server, kill_driver, kill_devices;  ///< at so many requests of a thousand
};
inline constexpr Phase kPhases[] = {{150, 0, 0, 0}, {600, 60, 0, 0}, {600, 0, 60, 0}, {1000, 40, 30, 10}};

/// By chance, and a little later.
void order_deaths(const Phase& how);
u32 death_count();

/// Of each worker of many_work_at_once, whose directory is "wN", and its seed 10 + N.
inline constexpr usize kWorkers = 4, kWorkerSteps = 250;

bool mounts();
bool files_are_made_and_read();
bool changes_are_committed_some_time();
bool large_file_comes_and_goes();
bool deaths_lose_nothing();
bool many_work_at_once();

}  // namespace pith::test
