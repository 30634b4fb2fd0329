// SPDX-License-Identifier: MIT
// Tests disks from inside: prints a line a test on the debug console and ends the machine. The host compares the images
// afterwards (tests/storage/disk_pattern.cpp). Disks: 0 and 1 as that makes them with seeds 1 and 2, 2 of one sector,
// 3 to 14 read only with seed 4, 15 with a sector that can't be read, one that can't be written, and no flush. Or one alone with
// blocks of 4096 bytes and seed 1. Parameter "driver": whose they are.
#include "tests/storage/disks_test/harness.hpp"
#include "tests/storage/disks_test/tracked.hpp"

namespace pith::test {

namespace {

void run_all() {
    if (first.disk.open(0).ok() && first.disk.facts().granularity != 1)
        return run("large_blocks_work", large_blocks_work);
    run("disks_are_found", disks_are_found);
    if (failures != 0) return;
    run("sectors_are_read", sectors_are_read);
    run("bad_requests_are_refused", bad_requests_are_refused);
    run("read_only_disk_is_not_written", read_only_disk_is_not_written);
    run("small_disk_works", small_disk_works);
    run("many_disks_work", many_disks_work);
    run("every_alignment_and_size_works", every_alignment_and_size_works);
    run("device_errors_are_told", device_errors_are_told);
    run("device_in_need_is_reset", device_in_need_is_reset);
    run("silent_device_is_reset", silent_device_is_reset);
    run("clients_have_links_of_their_own", clients_have_links_of_their_own);
    run("fifth_client_is_refused", fifth_client_is_refused);
    run("others_notice_no_reopening", others_notice_no_reopening);
    run("statistics_count", statistics_count);
    run("adjacent_requests_are_merged", adjacent_requests_are_merged);
    run("devices_are_not_for_everyone", devices_are_not_for_everyone);
    run("ended_server_says_nothing", ended_server_says_nothing);
    run("all_depths_work", all_depths_work);
    run("kills_lose_nothing", kills_lose_nothing);
    run("two_clients_lose_nothing", two_clients_lose_nothing);
    run("windows_shrink_when_memory_is_short", windows_shrink_when_memory_is_short);
    run("restarts_give_everything_back", restarts_give_everything_back);
    run("supervisor_passes_it_on", supervisor_passes_it_on);
    run("everything_is_there", everything_is_there);
}

}  // namespace

}  // namespace pith::test

int main() {
    using namespace pith;
    using namespace pith::test;
    begin_tests();
    context.driver = start_parameter("driver");
    constexpr std::string_view kBlocks[] = {"block", "second_block", "third_block", "fourth_block",
                                            "fifth_block"};
    for (u32 i = 0; i < std::size(kBlocks); i++) context.blocks[i] = Client<Block>::from_start(kBlocks[i]);
    if (!Killer::start()) panic("no thread");
    run_all();
    const auto [others, reads, writes, flushes] = Disk::counts;
    print("    {}: {} reads, {} writes, {} flushes, {} others\n", context.driver, reads, writes, flushes,
          others);
    return end_tests("disks");
}
