// SPDX-License-Identifier: MIT
// Several clients of one disk.
#include <cstring>

#include "tests/storage/disks_test/harness.hpp"
#include "tests/storage/disks_test/tracked.hpp"

namespace pith::test {

namespace {

constexpr u64 kLargeWindow = 1024 * 1024;
Disk large(context.blocks[1], kLargeWindow), small(context.blocks[2], 1), plain(context.blocks[3]);
Disk fifth(context.blocks[4]);

}  // namespace

bool clients_have_links_of_their_own() {
    CHECK(first.disk.open(0).ok());
    Disk* const all[] = {&first.disk, &large, &small, &plain};
    for (Disk* client : {&large, &small, &plain}) CHECK(client->open(0).ok());
    CHECK(large.facts().window_size == kLargeWindow);
    CHECK(small.facts().window_size >= small.facts().max_sectors * kSectorBytes);
    for (u32 i = 0; i < std::size(all); i++) {
        CHECK(all[i]->facts().sectors == kDiskSectors);
        std::memset(all[i]->window(), static_cast<int>(i + 1), all[i]->facts().window_size);
    }
    const Step step{false, 300, 8};
    CHECK(large.run(Block::Operation::read, step.sector, step.sectors, kLargeWindow - 4096) == Error::ok);
    CHECK(first.holds(large, step, kLargeWindow - 4096));
    for (u32 i = 0; i < std::size(all); i++) {
        const u64 size = all[i]->facts().window_size - (all[i] == &large ? 4096 : 0);
        for (u64 at = 0; at < size; at++) CHECK(all[i]->window()[at] == i + 1);
    }
    for (Disk* client : {&small, &plain}) {
        CHECK(client->run(Block::Operation::read, step.sector, step.sectors) == Error::ok);
        CHECK(first.holds(*client, step, 0));
    }
    return true;
}

/// Whoever comes first after a restart: each of the four has its own link again, and the fifth has none.
bool fifth_client_is_refused() {
    CHECK(fifth.open(0).error() == Error::no_slot);
    CHECK(restart_driver());
    sleep(20 * kMillisecond);
    CHECK(fifth.open(0).error() == Error::no_slot);
    for (Disk* client : {&plain, &small, &large, &first.disk}) CHECK(client->open(0).ok());
    CHECK(large.facts().window_size == kLargeWindow);
    CHECK(fifth.open(3).ok());
    CHECK(fifth.run(Block::Operation::read, 1, 1) == Error::ok);
    forget_rebirths();
    return first.read(20, 20);
}

/// One opens again in the middle of its requests, and nothing touches its window after that; the other's all come.
bool others_notice_no_reopening() {
    constexpr u32 kDepth = 16, kSectors = 8;
    for (u32 round = 0; round < 40; round++) {
        const auto submit_all = [&](Disk& disk) {
            for (u32 i = 0; i < kDepth; i++) {
                const u32 sector = (round * 17 + i * 101) % (kDiskSectors - kSectors);
                CHECK(disk.submit({i, static_cast<u32>(Block::Operation::read), kSectors, sector,
                                   u64{i} * kSectors * kSectorBytes})
                          .ok());
            }
            disk.notify();
            return true;
        };
        std::memset(first.disk.window(), 0xee, kDepth * kSectors * kSectorBytes);
        CHECK(submit_all(large) && submit_all(first.disk));
        large.forget();
        CHECK(large.open(0).ok());
        std::memset(large.window(), 0xcc, kDepth * kSectors * kSectorBytes);
        const u64 reopened = first.disk.reopened();
        for (u32 i = 0; i < kDepth; i++) {
            auto completion = first.disk.next();
            CHECK(completion.ok() && completion->error == 0);
            const u32 which = static_cast<u32>(completion->id);
            CHECK(first.holds(first.disk,
                              {false, (round * 17 + which * 101) % (kDiskSectors - kSectors), kSectors},
                              u64{which} * kSectors * kSectorBytes));
        }
        CHECK(first.disk.reopened() == reopened);
        for (u64 at = 0; at < kDepth * kSectors * kSectorBytes; at++) CHECK(large.window()[at] == 0xcc);
    }
    return true;
}

/// What is done is counted, for all clients of a disk alone, and a restarted driver counts on.
bool statistics_count() {
    using enum Block::Operation;
    const auto counts = [](u64 index) {
        auto told = block().call(Block::Statistics{index});
        return told.ok() && told->under_way == 0 ? told->counts : Block::Counts{};
    };
    const Block::Counts start = counts(0), other = counts(1);
    CHECK(start.reads.requests != 0 && start.reads.time != 0 && start.busy_time != 0);
    CHECK(start.busy_time <= start.reads.time + start.writes.time + start.flushes.time);
    CHECK(first.disk.run(read, 8, 16) == Error::ok && large.run(read, 80, 8) == Error::ok);
    const Block::Counts then = counts(0);
    CHECK(then.reads.requests == start.reads.requests + 2 && then.reads.sectors == start.reads.sectors + 24);
    CHECK(then.reads.time > start.reads.time && then.busy_time > start.busy_time);
    CHECK(then.writes.requests == start.writes.requests && counts(1).reads.requests == other.reads.requests);
    CHECK(restart_driver());
    sleep(20 * kMillisecond);
    CHECK(counts(0).reads.sectors == then.reads.sectors);
    CHECK(first.disk.open(0).ok() && first.disk.run(flush, 0, 0) == Error::ok);
    CHECK(counts(0).flushes.requests == then.flushes.requests + 1);
    CHECK(block().call(Block::Statistics{Block::kMaxDisks}).error() == Error::not_found);
    CHECK(second.disk.open(1).ok() && read_only.disk.open(3).ok());
    CHECK(large.open(0).ok() && small.open(0).ok() && plain.open(0).ok());
    forget_rebirths();
    return true;
}

/// Requests that continue each other are one to the device, and each is answered. (If it found time to take the first ones alone,
/// there are more than one; so not all the rounds are to be right.)
bool adjacent_requests_are_merged() {
    constexpr u32 kCount = 16, kSectors = 8, kRounds = 10;
    auto before = block().call(Block::Statistics{0});
    for (u32 round = 0; round < kRounds; round++) {
        const Step all{false, 640 * round, kCount * kSectors};
        for (u32 i = 0; i < kCount; i++) {
            const Block::Submission part{i, static_cast<u32>(Block::Operation::read), kSectors,
                                         all.sector + i * kSectors, u64{i} * kSectors * kSectorBytes};
            CHECK(large.submit(part).ok());
        }
        large.notify();
        for (u32 i = 0; i < kCount; i++) {
            auto completion = large.next();
            CHECK(completion.ok() && completion->error == 0);
        }
        CHECK(first.holds(large, all, 0));
    }
    auto after = block().call(Block::Statistics{0});
    CHECK(before.ok() && after.ok());
    const u64 requests = after->counts.reads.requests - before->counts.reads.requests;
    const u64 merged = after->counts.reads.merged - before->counts.reads.merged;
    print("    {} requests, {} merged\n", requests, merged);
    CHECK(requests + merged == kRounds * kCount && requests < kRounds * kCount / 4);
    return true;
}

/// A client's wish is met as far as there is memory for DMA; then there are no more links.
bool windows_shrink_when_memory_is_short() {
    u64 last = kLargeWindow;
    u32 served = 0;
    Error error = Error::ok;
    for (u64 index = 4; index < Block::kMaxDisks && error == Error::ok; index++) {
        for (u32 i = 2; i <= 3 && error == Error::ok; i++) {
            Disk client(context.blocks[i], kLargeWindow);
            error = client.open(index).error();
            if (error != Error::ok) break;
            CHECK(client.facts().window_size <= last);
            last = client.facts().window_size;
            CHECK(client.run(Block::Operation::flush, 0, 0) == Error::ok);
            served++;
        }
    }
    print("    {} served, the last with {} KiB\n", served, last / 1024);
    CHECK(served != 0 && last < kLargeWindow && error == Error::no_memory);
    return first.disk.open(0).ok() && first.read(3, 3);
}

}  // namespace pith::test
