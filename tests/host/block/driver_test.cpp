// SPDX-License-Identifier: MIT
// What every disk driver does between its clients and its device: several clients of one disk, one that opens again, a
// device that has to be reset or does not come back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "tests/host/block/model.hpp"

namespace {

using namespace pith;
using namespace pith::test;
using enum Block::Operation;

/// The client's side of a link, by hand.
struct Client {
    LinkMemory link;
    QueueClient<Block::Submission, Block::Completion> queue;
    void attach() {
        static_cast<void>(queue.attach(link.bytes().data(), DiskRequests::kWindowOffset, Block::kEntries,
                                       Handle<Signal>(), 0));
        queue.reset();
    }
    u8* window() { return link.bytes().data() + DiskRequests::kWindowOffset; }
    void submit(u64 id, Block::Operation operation, u64 sector, u32 sectors, u64 offset) {
        ASSERT_TRUE(queue.submit({id, static_cast<u32>(operation), sectors, sector, offset}).ok());
    }
    std::vector<Block::Completion> completions() {
        std::vector<Block::Completion> all;
        for (Block::Completion each; queue.poll(each);) all.push_back(each);
        return all;
    }
};

/// A device whose start can fail, and that forgets what it had. It tells what it was given.
struct Fragile : ramdisk::Sectors {
    using Sectors::Sectors;
    Result<DiskFacts> start() override {
        ++starts;
        under_way = 0;
        if (broken) return Error::timed_out;
        return Sectors::start();
    }
    bool room() const override { return under_way < most && Sectors::room(); }
    bool submit(u32 slot, const DiskRequest& request) override {
        if (!Sectors::submit(slot, request)) return false;
        ++under_way;
        sizes.push_back(request.sectors);
        return true;
    }
    std::optional<Done> carry_out_next() {
        const auto done = next();
        if (done) --under_way;
        return done;
    }
    bool broken = false;
    int starts = 0;
    u32 most = kSlots;  ///< that it takes at once
    u32 under_way = 0;
    std::vector<u32> sizes;  ///< sectors of each request
};

struct Fixture {
    explicit Fixture(const ramdisk::Parameters& parameters = {})
        : device(content.bytes, parameters, [] { return model_time; }) {
        EXPECT_TRUE(requests.start().ok());
        for (u32 i = 0; i < Block::kMaxClients; ++i) open(i);
    }
    void open(u32 i) {
        requests.attach(i, {clients[i].link.bytes().data(), 0, clients[i].link.bytes().size()},
                        Handle<Signal>(), 0);
        clients[i].attach();
    }
    /// Carries out as many requests as that.
    void carry_out(u32 count) {
        for (; count != 0; --count) {
            const auto done = device.carry_out_next();
            if (!done) return;
            requests.finish(done->slot, done->error);
        }
    }
    Content content;
    Fragile device;
    Block::Counts counts{};
    DiskRequests requests{device, counts, [] { return model_time; }};
    Client clients[Block::kMaxClients];
};

TEST(Driver, ClientsSeeOneDisk) {
    Fixture f;
    std::memset(f.clients[0].window(), 0x11, 512);
    std::memset(f.clients[1].window(), 0x22, 512);
    f.clients[0].submit(7, write, 5, 1, 0);
    f.clients[1].submit(7, write, 6, 1, 0);
    f.requests.serve();
    f.carry_out(9);
    EXPECT_TRUE(f.requests.take_answered(0) && f.requests.take_answered(1) && !f.requests.take_answered(2));
    EXPECT_EQ(f.clients[0].completions().size(), 1u);
    EXPECT_EQ(f.clients[1].completions().size(), 1u);
    f.clients[2].submit(1, read, 5, 2, 1024);
    f.requests.serve();
    f.carry_out(9);
    EXPECT_EQ(f.clients[2].completions().size(), 1u);
    EXPECT_EQ(f.clients[2].window()[1024], 0x11);
    EXPECT_EQ(f.clients[2].window()[1024 + 512], 0x22);
}

/// With all slots taken by one, the others still get every other one that becomes free.
TEST(Driver, TakesClientsInTurn) {
    Fixture f;
    for (u64 i = 0; i < Block::kEntries; ++i) f.clients[0].submit(i, read, i, 1, 0);
    f.requests.serve();
    EXPECT_EQ(f.requests.under_way(), Block::kEntries);
    for (u64 i = 0; i < Block::kEntries; ++i) f.clients[1].submit(i, read, i, 1, 0);
    usize done[2] = {};
    for (u32 round = 0; round < 2 * Block::kEntries; ++round) {
        f.carry_out(1);
        for (const auto& each : f.clients[0].completions()) {
            ++done[0];
            f.clients[0].submit(each.id, read, 0, 1, 0);
        }
        done[1] += f.clients[1].completions().size();
        f.requests.serve();
    }
    EXPECT_EQ(done[0] + done[1], 2 * Block::kEntries);
    EXPECT_GE(done[1], Block::kEntries / 2 - 1);
}

TEST(Driver, EndlessSubmissionEnds) {
    Fixture f;
    for (u64 i = 0; i < Block::kEntries; ++i) f.clients[3].submit(i, read, kSectors, 1, 0);
    EXPECT_FALSE(f.requests.serve());
    EXPECT_TRUE(f.requests.serve());
    EXPECT_EQ(f.clients[3].completions().size(), Block::kEntries);
}

TEST(Driver, ChecksRequests) {
    Fixture f({.read_only = true});
    const auto refused = [&](Block::Operation what, u64 sector, u32 sectors, u64 offset) {
        f.clients[0].submit(1, what, sector, sectors, offset);
        f.requests.serve();
        f.carry_out(1);
        const auto all = f.clients[0].completions();
        return all.size() == 1 ? static_cast<Error>(all[0].error) : Error::protocol;
    };
    EXPECT_EQ(refused(read, 0, 1, 0), Error::ok);
    EXPECT_EQ(refused(write, 0, 1, 0), Error::access);
    EXPECT_EQ(refused(read, kSectors, 1, 0), Error::invalid);
    EXPECT_EQ(refused(read, ~u64{0}, 2, 0), Error::invalid);
    EXPECT_EQ(refused(read, 0, ramdisk::Sectors::kMaxSectors + 1, 0), Error::invalid);
    EXPECT_EQ(refused(read, 0, 0, 0), Error::invalid);
    EXPECT_EQ(refused(read, 0, 1, 8), Error::invalid);
    EXPECT_EQ(refused(read, 0, 2, kWindow - 512), Error::invalid);
    EXPECT_EQ(refused(read, 0, 1, ~u64{511}), Error::invalid);
    EXPECT_EQ(refused(flush, 0, 0, 512), Error::invalid);
    EXPECT_EQ(refused(flush, 0, 0, 0), Error::ok);
    EXPECT_EQ(refused(static_cast<Block::Operation>(9), 0, 1, 0), Error::invalid);
}

/// A client that opens again: its requests end unanswered, nothing touches its window after it; the other's go on.
TEST(Driver, OneOpensAgain) {
    Fixture f;
    for (u64 i = 0; i < 8; ++i)
        for (Client* client : {&f.clients[0], &f.clients[1]}) client->submit(i, read, i, 1, 512 * i);
    f.requests.serve();
    f.clients[0].submit(50, read, 0, 1, 0);  // not yet taken
    f.requests.detach(0);
    EXPECT_FALSE(f.requests.idle(0));
    f.requests.serve();
    EXPECT_EQ(f.requests.under_way(), 16u);
    f.carry_out(16);
    EXPECT_TRUE(f.requests.idle(0));
    EXPECT_FALSE(f.requests.take_answered(0));
    EXPECT_EQ(f.clients[1].completions().size(), 8u);
    EXPECT_EQ(f.device.starts, 1);
    f.open(0);
    f.requests.serve();
    EXPECT_EQ(f.requests.under_way(), 0u);
    f.clients[0].submit(3, read, 0, 1, 0);
    f.requests.serve();
    f.carry_out(1);
    const auto all = f.clients[0].completions();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].id, 3u);
}

TEST(Driver, ResetGivesTheSameRequestsAgain) {
    Fixture f;
    std::memset(f.content.bytes.data(), 0x77, f.content.bytes.size());
    for (u64 i = 0; i < 10; ++i)
        for (Client* client : {&f.clients[0], &f.clients[1]}) client->submit(i, read, i, 1, 512 * i);
    f.requests.serve();
    f.carry_out(5);
    f.requests.detach(1);
    f.requests.recover();
    EXPECT_EQ(f.device.starts, 2);
    EXPECT_TRUE(f.requests.idle(1));  // forgotten, while the device had nothing
    f.carry_out(100);
    EXPECT_EQ(f.clients[0].completions().size(), 10u);
    EXPECT_EQ(f.clients[0].window()[512 * 9], 0x77);
}

TEST(Driver, DeviceThatDoesNotComeBack) {
    Fixture f;
    for (Client& client : f.clients) client.submit(1, read, 0, 1, 0);
    f.requests.serve();
    f.device.broken = true;
    f.requests.recover();
    EXPECT_FALSE(f.requests.works());
    for (Client& client : f.clients) {
        const auto all = client.completions();
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(static_cast<Error>(all[0].error), Error::io);
    }
    f.clients[2].submit(2, read, 0, 1, 0);
    f.requests.serve();
    EXPECT_EQ(f.clients[2].completions().size(), 1u);
    EXPECT_EQ(f.requests.start().error(), Error::io);
    f.device.broken = false;
    EXPECT_TRUE(f.requests.start().ok());
    f.clients[2].submit(3, read, 0, 1, 0);
    f.requests.serve();
    f.carry_out(1);
    EXPECT_EQ(f.clients[2].completions().at(0).error, 0u);
}

TEST(Driver, DeviceThatKeepsFailing) {
    Fixture f;
    f.clients[0].submit(1, read, 0, 1, 0);
    f.requests.serve();
    for (u32 i = 0; i < DiskRequests::kMaxRecoveries; ++i) {
        f.requests.recover();
        EXPECT_TRUE(f.requests.works());
    }
    f.requests.recover();
    EXPECT_FALSE(f.requests.works());
    EXPECT_EQ(f.clients[0].completions().size(), 1u);
}

TEST(Driver, CountsWhatIsDone) {
    Fixture f({.bad_first = 40, .bad_count = 1});
    const u64 start = model_time;
    f.clients[0].submit(1, read, 0, 4, 0);
    f.clients[1].submit(1, write, 100, 3, 0);
    f.requests.serve();
    model_time += 10;
    f.clients[2].submit(1, flush, 0, 0, 0);
    f.clients[2].submit(2, read, 40, 1, 0);
    f.clients[2].submit(3, read, kSectors, 1, 0);  // refused: none of the device's
    f.requests.serve();
    model_time += 5;
    const auto before = f.requests.statistics();
    EXPECT_EQ(before.under_way, 4u);
    EXPECT_EQ(before.counts.busy_time, 15u);
    EXPECT_EQ(before.counts.reads.requests, 0u);
    f.carry_out(2);
    model_time += 2;
    f.carry_out(2);
    EXPECT_EQ(model_time, start + 17);
    model_time += 100;  // nothing to do
    const auto [counts, under_way] = f.requests.statistics();
    EXPECT_EQ(under_way, 0u);
    EXPECT_EQ(counts.busy_time, 17u);
    EXPECT_EQ(counts.reads.requests, 2u);  // one of them failed
    EXPECT_EQ(counts.reads.sectors, 5u);
    EXPECT_EQ(counts.reads.time, 15u + 7);
    EXPECT_EQ(counts.writes.requests, 1u);
    EXPECT_EQ(counts.writes.sectors, 3u);
    EXPECT_EQ(counts.writes.time, 15u);
    EXPECT_EQ(counts.flushes.requests, 1u);
    EXPECT_EQ(counts.flushes.time, 7u);
    EXPECT_EQ(counts.reads.merged + counts.writes.merged + counts.flushes.sectors, 0u);
}

/// A reset goes on with what was under way; a device that is given up has nothing under way; a new life counts on.
TEST(Driver, CountsThroughResets) {
    Fixture f;
    for (u64 i = 0; i < 3; ++i) f.clients[0].submit(i, read, 9 * i, 1, 0);
    f.requests.serve();
    f.carry_out(1);
    model_time += 4;
    f.requests.recover();
    f.carry_out(1);
    EXPECT_EQ(f.requests.statistics().under_way, 1u);
    f.device.broken = true;
    f.requests.recover();
    model_time += 50;
    const auto given_up = f.requests.statistics();
    EXPECT_EQ(given_up.under_way, 0u);
    EXPECT_EQ(given_up.counts.busy_time, 4u);
    EXPECT_EQ(given_up.counts.reads.requests, 2u);
    DiskRequests next(f.device, f.counts, [] { return model_time; });
    EXPECT_EQ(next.statistics().counts.reads.requests, 2u);
    EXPECT_EQ(next.statistics().under_way, 0u);
}

using Sizes = std::vector<u32>;

/// What is adjacent, on the disk and in the window, is one request to the device; each is answered.
TEST(Driver, MergesAdjacentRequests) {
    Fixture f;
    for (u64 i = 0; i < 6; ++i) std::memset(f.clients[0].window() + 512 * i, static_cast<int>(i + 1), 512);
    f.clients[0].submit(10, write, 20, 1, 0);
    f.clients[0].submit(11, write, 21, 3, 512);
    f.clients[0].submit(12, write, 24, 2, 4 * 512);
    f.clients[1].submit(13, read, 30, 1, 0);
    f.requests.serve();
    EXPECT_EQ(f.device.sizes, (Sizes{6, 1}));
    EXPECT_EQ(f.requests.under_way(), 4u);
    model_time += 5;
    f.carry_out(2);
    const auto all = f.clients[0].completions();
    ASSERT_EQ(all.size(), 3u);
    for (u64 i = 0; i < 3; ++i) EXPECT_TRUE(all[i].id == 10 + i && all[i].error == 0);
    for (u64 i = 0; i < 6; ++i) EXPECT_EQ(f.content.bytes[(20 + i) * 512], i + 1);
    const auto [counts, under_way] = f.requests.statistics();
    EXPECT_EQ(under_way, 0u);
    EXPECT_EQ(counts.writes.requests, 1u);
    EXPECT_EQ(counts.writes.merged, 2u);
    EXPECT_EQ(counts.writes.sectors, 6u);
    EXPECT_EQ(counts.writes.time, 5u);
}

TEST(Driver, MergesNothingElse) {
    Fixture f;
    Client& client = f.clients[0];
    client.submit(1, write, 20, 1, 0);
    client.submit(2, read, 21, 1, 512);   // another operation
    client.submit(3, read, 22, 1, 2048);  // not where the window goes on
    client.submit(4, read, 24, 1, 2560);  // nor where the disk does
    client.submit(5, flush, 0, 0, 0);
    client.submit(6, read, 25, 1, 3072);        // a flush in between
    client.submit(7, read, 25, 1, 3584);        // the same again
    client.submit(8, read, 24, 1, 3072);        // backwards
    f.clients[1].submit(9, read, 25, 1, 3584);  // another client's
    f.requests.serve();
    EXPECT_EQ(f.device.sizes, (Sizes{1, 1, 1, 1, 1, 0, 1, 1, 1}));
    f.carry_out(9);
    EXPECT_EQ(client.completions().size(), 8u);
    f.device.sizes.clear();
    // No more than the device takes; and what is bad is told by itself.
    constexpr u32 kMost = ramdisk::Sectors::kMaxSectors;
    client.submit(1, read, 0, kMost - 4, 0);
    client.submit(2, read, kMost - 4, 4, (kMost - 4) * 512);
    client.submit(3, read, kMost, 4, kMost * 512);
    client.submit(4, read, kMost + 4, 0, (kMost + 4) * 512);
    client.submit(5, read, kMost + 4, kMost, (kMost + 4) * 512);
    client.submit(6, read, kSectors - 1, 1, 0);
    client.submit(7, read, kSectors, 1, 512);
    f.requests.serve();
    EXPECT_EQ(f.device.sizes, (Sizes{kMost, 4, 1}));
    f.carry_out(9);
    u32 refused = 0;
    for (const auto& each : client.completions()) {
        const bool bad = each.id == 4 || each.id == 5 || each.id == 7;
        EXPECT_EQ(static_cast<Error>(each.error), bad ? Error::invalid : Error::ok) << each.id;
        refused += bad;
    }
    EXPECT_EQ(refused, 3u);
}

/// One that fails is no other's business, however little the device takes at once.
TEST(Driver, PartsWhatFails) {
    Fixture f({.bad_first = 22, .bad_count = 1});
    f.device.most = 2;
    for (u64 i = 0; i < 5; ++i) f.clients[0].submit(i, write, 20 + i, 1, 512 * i);
    f.clients[1].submit(9, read, 50, 1, 0);
    f.requests.serve();
    EXPECT_EQ(f.device.sizes, (Sizes{5, 1}));
    f.carry_out(2);
    EXPECT_EQ(f.clients[0].completions().size(), 0u);
    EXPECT_EQ(f.requests.under_way(), 5u);
    f.requests.serve();
    EXPECT_EQ(f.device.under_way, 1u);  // side by side, a device might make one of them again
    f.requests.recover();               // those that wait are not forgotten, nor submitted twice
    EXPECT_EQ(f.device.under_way, 1u);
    for (u32 i = 0; i < 5; ++i) f.carry_out(1), f.requests.serve();
    EXPECT_EQ(f.device.sizes, (Sizes{5, 1, 1, 1, 1, 1, 1, 1}));
    const auto all = f.clients[0].completions();
    ASSERT_EQ(all.size(), 5u);
    for (const auto& each : all)
        EXPECT_EQ(static_cast<Error>(each.error), each.id == 2 ? Error::io : Error::ok) << each.id;
    const auto [counts, under_way] = f.requests.statistics();
    EXPECT_EQ(under_way, 0u);
    EXPECT_EQ(counts.writes.requests, 5u);
    EXPECT_EQ(counts.writes.merged, 0u);
}

TEST(Driver, MergedRequestsEndTogether) {
    Fixture f({.bad_first = 22, .bad_count = 1});
    const auto submit = [&](Client& client) {
        for (u64 i = 0; i < 5; ++i) client.submit(i, read, 20 + i, 1, 512 * i);
        f.requests.serve();
    };
    // A reset, and then a client that goes while its requests wait to be submitted alone.
    submit(f.clients[0]);
    f.requests.recover();
    EXPECT_EQ(f.device.sizes, (Sizes{5, 5}));
    f.carry_out(1);
    f.requests.detach(0);
    EXPECT_FALSE(f.requests.idle(0));
    f.requests.serve();
    EXPECT_TRUE(f.requests.idle(0));
    EXPECT_EQ(f.device.under_way, 0u);
    f.open(0);
    EXPECT_EQ(f.clients[0].completions().size(), 0u);
    // A reset when the client has gone.
    submit(f.clients[0]);
    f.requests.detach(0);
    f.requests.recover();
    EXPECT_TRUE(f.requests.idle(0));
    f.open(0);
    // A device that does not come back, with some under way, and some that wait.
    submit(f.clients[0]);
    f.carry_out(1);
    submit(f.clients[1]);
    f.device.broken = true;
    f.requests.recover();
    for (u32 i = 0; i < 2; ++i) {
        const auto all = f.clients[i].completions();
        ASSERT_EQ(all.size(), 5u);
        for (const auto& each : all) EXPECT_EQ(static_cast<Error>(each.error), Error::io);
    }
    EXPECT_EQ(f.requests.under_way(), 0u);
}

/// What was looked at and not taken along is neither lost nor, when its client opens again, left over.
TEST(Driver, LooksAhead) {
    Fixture f;
    f.device.most = 1;
    f.clients[0].submit(1, read, 0, 1, 0);
    f.clients[0].submit(2, read, 9, 1, 0);
    f.requests.serve();
    f.carry_out(1);
    f.requests.serve();
    f.carry_out(1);
    EXPECT_EQ(f.clients[0].completions().size(), 2u);
    f.clients[0].submit(1, read, 0, 1, 0);
    f.clients[0].submit(2, read, 9, 1, 0);
    f.requests.serve();
    f.requests.detach(0);
    f.carry_out(1);
    f.open(0);
    f.requests.serve();
    EXPECT_EQ(f.requests.under_way(), 0u);
    EXPECT_EQ(f.clients[0].completions().size(), 0u);
}

/// Everything at once, at random: each answered write is on the disk, each client's window is its own, none is answered twice. Sectors
/// that follow each other come often, and some are bad: only those fail.
void run_random(u32 seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    constexpr u64 kOwn = kSectors / Block::kMaxClients, kBad = kOwn + 7, kBadCount = 2;
    Fixture f({.delay = 3, .bad_first = kBad, .bad_count = kBadCount, .shuffled = true});
    const auto bad = [](u64 sector) { return sector >= kBad && sector < kBad + kBadCount; };
    f.device.most = 1 + random() % 64;
    u64 next = 0;
    u64 stored[kSectors] = {}, writing[kSectors] = {};
    u64 answered = 0, last = 0, reopened = 0;
    u32 resets = 0;
    while (answered < 4000) {
        ++model_time;
        const u32 i = random() % Block::kMaxClients;
        Client& client = f.clients[i];
        // A client writes sectors of its own.
        for (u64 run = random() % 4; run < 5; ++run) {
            next = random() % 4 == 0 ? random() : next + 1;
            const u64 sector = i * kOwn + next % kOwn;
            if (writing[sector] != 0 || client.queue.outstanding() >= 40) continue;
            writing[sector] = ++last;
            std::memcpy(client.window() + sector * 512, &last, 8);
            client.submit(sector, write, sector, 1, sector * 512);
        }
        if (random() % 2 == 0) f.requests.serve();
        if (random() % 3 == 0) f.carry_out(random() % 8);
        // More without a success in between, and it is given up; the success that is seen below may be older than the last reset.
        if (random() % 100 == 0 && resets + 1 < DiskRequests::kMaxRecoveries) ++resets, f.requests.recover();
        if (random() % 50 == 0) {
            ++reopened;
            f.requests.detach(i);
            const Content before = f.content;
            while (!f.requests.idle(i)) ++model_time, f.carry_out(1), f.requests.serve();
            f.open(i);
            for (u64 each = i * kOwn; each < (i + 1) * kOwn; ++each)
                if (writing[each] != 0) client.submit(each, write, each, 1, each * 512);
        }
        for (Client& each : f.clients)
            for (const auto& done : each.completions()) {
                ASSERT_EQ(static_cast<Error>(done.error), bad(done.id) ? Error::io : Error::ok);
                ASSERT_NE(writing[done.id], 0u) << "answered twice";
                const u64 written = std::exchange(writing[done.id], 0);
                if (!bad(done.id)) stored[done.id] = written, resets = 0;
                ++answered;
            }
        for (u64 each = 0; each < kSectors; ++each) {
            u64 found;
            std::memcpy(&found, f.content.bytes.data() + each * 512, 8);
            if (writing[each] == 0) ASSERT_EQ(found, stored[each]);
        }
    }
    EXPECT_GT(reopened, 3u);
    EXPECT_GT(f.counts.writes.merged, 300u);
}

TEST(Driver, RandomClientsAndResets) {
    const u32 seed = std::random_device{}();
    for (u32 i = 0; i < 10; ++i) run_random(seed + i);
}

}  // namespace
