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

/// A device whose start can fail, and that forgets what it had.
struct Fragile : ramdisk::Sectors {
    using Sectors::Sectors;
    Result<DiskFacts> start() override {
        ++starts;
        if (broken) return Error::timed_out;
        return Sectors::start();
    }
    bool broken = false;
    int starts = 0;
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
            const auto done = device.next();
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

/// Everything at once, at random: each answered write is on the disk, each client's window is its own, none is answered twice.
void run_random(u32 seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Fixture f({.delay = 3, .shuffled = true});
    u64 stored[kSectors] = {}, writing[kSectors] = {};
    u64 answered = 0, last = 0, reopened = 0;
    while (answered < 4000) {
        ++model_time;
        const u32 i = random() % Block::kMaxClients;
        Client& client = f.clients[i];
        // A client writes sectors of its own: i, i + 4, ...
        const u64 sector = random() % (kSectors / Block::kMaxClients) * Block::kMaxClients + i;
        if (writing[sector] == 0 && client.queue.outstanding() < 40) {
            writing[sector] = ++last;
            std::memcpy(client.window() + sector * 512, &last, 8);
            client.submit(sector, write, sector, 1, sector * 512);
        }
        if (random() % 2 == 0) f.requests.serve();
        if (random() % 3 == 0) f.carry_out(random() % 8);
        if (random() % 100 == 0) f.requests.recover();
        if (random() % 50 == 0) {
            ++reopened;
            f.requests.detach(i);
            const Content before = f.content;
            while (!f.requests.idle(i)) ++model_time, f.carry_out(1);
            f.open(i);
            for (u64 each = i; each < kSectors; each += Block::kMaxClients)
                if (writing[each] != 0) client.submit(each, write, each, 1, each * 512);
        }
        for (Client& each : f.clients)
            for (const auto& done : each.completions()) {
                ASSERT_EQ(done.error, 0u);
                ASSERT_NE(writing[done.id], 0u) << "answered twice";
                stored[done.id] = std::exchange(writing[done.id], 0);
                ++answered;
            }
        for (u64 each = 0; each < kSectors; ++each) {
            u64 found;
            std::memcpy(&found, f.content.bytes.data() + each * 512, 8);
            if (writing[each] == 0) ASSERT_EQ(found, stored[each]);
        }
    }
    EXPECT_GT(reopened, 10u);
}

TEST(Driver, RandomClientsAndResets) {
    const u32 seed = std::random_device{}();
    for (u32 i = 0; i < 10; ++i) run_random(seed + i);
}

}  // namespace
