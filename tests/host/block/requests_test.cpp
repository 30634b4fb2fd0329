// SPDX-License-Identifier: MIT
// The block client's requests against drivers: one that works (the ramdisk), that dies at any moment, that answers in any
// order, that fails, and that lies. No request is lost or answered twice, what was written is there, and nothing crashes.
#include "lib/block/requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <list>
#include <random>
#include <vector>

#include "tests/host/block/model.hpp"

namespace {

using namespace pith;
using namespace pith::test;

/// A request with its place, as a coroutine would hold them.
struct Call : BlockRequest {
    Call(BlockPlace&& at, Block::Operation what, u64 first, u32 count)
        : BlockRequest(&ended, what, first, count, nullptr), held(std::move(at)) {
        if (held.valid()) place = &held;
    }
    static void ended(BlockRequest& request) {
        auto& self = static_cast<Call&>(request);
        EXPECT_FALSE(self.answered) << "answered twice";
        self.answered = true;
    }
    BlockPlace held;
    bool answered = false;
};

struct PlaceCall : BlockPlaceRequest {
    explicit PlaceCall(u64 bytes) : BlockPlaceRequest(&ended, bytes) {}
    static void ended(BlockPlaceRequest& request) { static_cast<PlaceCall&>(request).answered = true; }
    bool answered = false;
};

BlockPlace take_place(BlockRequests& requests, u64 bytes) {
    PlaceCall call(bytes);
    requests.add(call);
    EXPECT_TRUE(call.answered);
    return std::move(call.place);
}

TEST(Requests, ReadBackWhatWasWritten) {
    LinkMemory memory;
    Content content;
    Driver driver(content, {});
    driver.open(0, memory);
    BlockRequests requests;
    ASSERT_TRUE(requests.check(shape()).ok());
    requests.attach(memory.bytes(), shape());
    EXPECT_EQ(requests.sectors(), kSectors);
    EXPECT_FALSE(requests.take_submitted());
    Call write(take_place(requests, 1024), Block::Operation::write, 10, 2);
    std::ranges::fill(write.held.bytes().first(1024), u8{0xa5});
    requests.add(write);
    EXPECT_TRUE(requests.take_submitted());
    EXPECT_FALSE(write.answered);
    driver.work();
    EXPECT_TRUE(driver.requests.take_answered(0));
    requests.serve();
    EXPECT_TRUE(write.answered);
    EXPECT_EQ(write.error, Error::ok);
    Call read(take_place(requests, 512), Block::Operation::read, 11, 1);
    Call flush(BlockPlace(), Block::Operation::flush, 0, 0);
    requests.add(read);
    requests.add(flush);
    driver.work();
    requests.serve();
    EXPECT_TRUE(read.answered && flush.answered);
    EXPECT_EQ(read.held.bytes()[511], 0xa5);
    EXPECT_TRUE(requests.idle());
}

TEST(Requests, RefusesWhatCannotBe) {
    LinkMemory memory;
    BlockRequests requests;
    const auto refused = [&](Block::Operation what, u64 sector, u32 count, bool with_place = true) {
        Call call(with_place && requests.attached() ? take_place(requests, 4096) : BlockPlace(), what, sector,
                  count);
        requests.add(call);
        EXPECT_TRUE(call.answered);
        return call.error;
    };
    EXPECT_EQ(refused(Block::Operation::flush, 0, 0), Error::bad_state);  // not opened yet
    requests.attach(memory.bytes(), shape(kSectors, Block::kReadOnly));
    EXPECT_EQ(refused(Block::Operation::write, 0, 1), Error::access);
    EXPECT_EQ(refused(Block::Operation::read, kSectors, 1), Error::invalid);
    EXPECT_EQ(refused(Block::Operation::read, kSectors - 1, 2), Error::invalid);
    EXPECT_EQ(refused(Block::Operation::read, ~u64{0}, 1), Error::invalid);
    EXPECT_EQ(refused(Block::Operation::read, 0, 0), Error::invalid);
    EXPECT_EQ(refused(Block::Operation::read, 0, 9), Error::invalid);  // more than the place
    EXPECT_EQ(refused(Block::Operation::read, 0, 1, false), Error::invalid);
    PlaceCall large(requests.place_size() + 1);
    requests.add(large);
    EXPECT_EQ(large.error, Error::invalid);
    requests.fail_all(Error::held_down);
    EXPECT_EQ(refused(Block::Operation::read, 0, 1), Error::held_down);
}

TEST(Requests, ChecksTheShape) {
    BlockRequests requests;
    const auto bad = [&](auto change) {
        Block::Open::Reply reply = shape();
        change(reply);
        return !requests.check(reply).ok();
    };
    EXPECT_TRUE(bad([](auto& r) { r.sectors = ~u64{0}; }));
    EXPECT_TRUE(bad([](auto& r) { r.max_sectors = 0; }));
    EXPECT_TRUE(bad([](auto& r) { r.window_offset = 0; }));
    EXPECT_TRUE(bad([](auto& r) { r.window_offset += 8; }));
    EXPECT_TRUE(bad([](auto& r) { r.window_offset = ~u64{0xfff}; }));
    EXPECT_TRUE(bad([](auto& r) { r.window_size = 0; }));
    EXPECT_TRUE(bad([](auto& r) { r.window_size = ~u64{0}; }));
    EXPECT_FALSE(bad([](auto&) {}));
    EXPECT_FALSE(bad([](auto& r) { r.max_sectors = ~0u; }));
    LinkMemory memory;
    requests.attach(memory.bytes(), shape());
    EXPECT_TRUE(bad([](auto& r) { --r.sectors; }));  // another disk
    EXPECT_TRUE(bad([](auto& r) { r.flags = 1; }));
    EXPECT_FALSE(bad([](auto& r) { ++r.instance; }));
}

TEST(Requests, MoreThanTheRingAndTheWindowHold) {
    LinkMemory memory;
    Content content;
    Driver driver(content, {});
    driver.open(0, memory);
    BlockRequests requests;
    requests.attach(memory.bytes(), shape());
    std::list<Call> flushes;
    for (int i = 0; i < 500; ++i)
        requests.add(flushes.emplace_back(BlockPlace(), Block::Operation::flush, 0, 0));
    EXPECT_EQ(requests.under_way(), Block::kEntries);
    // Places are given in the order of asking, small ones behind a large one too.
    const u64 large = requests.place_size();
    std::vector<BlockPlace> held;
    for (u64 used = 0; used + large <= kWindow; used += large) held.push_back(take_place(requests, large));
    PlaceCall first(large), second(512);
    requests.add(first);
    requests.add(second);
    EXPECT_FALSE(first.answered || second.answered);
    held.pop_back();
    EXPECT_TRUE(first.answered);
    EXPECT_FALSE(second.answered);
    held.pop_back();
    EXPECT_TRUE(second.answered);
    int rounds = 0;
    while (requests.under_way() != 0) {
        ASSERT_LT(++rounds, 20);
        driver.work();
        requests.serve();
    }
    for (const Call& flush : flushes) EXPECT_TRUE(flush.answered);
}

TEST(Requests, CallersThatGo) {
    LinkMemory memory;
    Content content;
    Driver driver(content, {});
    driver.open(0, memory);
    BlockRequests requests;
    requests.attach(memory.bytes(), shape());
    const u64 large = requests.place_size();
    std::list<Call> calls;
    for (u64 used = 0; used + large <= kWindow; used += large)
        requests.add(calls.emplace_back(take_place(requests, large), Block::Operation::read, 0, 1));
    PlaceCall waits(512);
    requests.add(waits);
    calls.clear();
    // The device may still write to the places: nobody gets them.
    EXPECT_FALSE(waits.answered);
    driver.work();
    requests.serve();
    EXPECT_TRUE(waits.answered);
    EXPECT_EQ(requests.under_way(), 0u);
}

/// Writes of versions to random sectors while the driver dies, and the link may be another Memory each time.
void run_deaths(u32 seed, bool other_memory) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    LinkMemory memories[2];
    usize current = 0;
    Content content;
    const ramdisk::Parameters parameters{.delay = 3, .shuffled = true};
    auto driver = std::make_unique<Driver>(content, parameters);
    driver->open(0, memories[0]);
    BlockRequests requests;
    requests.attach(memories[0].bytes(), shape());
    struct Write {
        Write(BlockPlace&& place, u64 at, u64 number)
            : call(std::move(place), Block::Operation::write, at, 1), sector(at), version(number) {}
        Call call;
        u64 sector;
        u64 version;
    };
    std::list<Write> writes;
    u64 version[kSectors] = {};  // the last that was answered
    bool busy[kSectors] = {};
    u64 last = 0, answered = 0, deaths = 0;
    while (answered < 3000) {
        ++model_time;
        for (int i = 0; i < 3; ++i) {
            const u64 sector = random() % kSectors;
            if (busy[sector] || writes.size() > 100) continue;
            PlaceCall asks(512);
            requests.add(asks);
            if (!asks.answered) break;
            busy[sector] = true;
            auto& write = writes.emplace_back(std::move(asks.place), sector, ++last);
            std::memcpy(write.call.held.bytes().data(), &last, 8);
            requests.add(write.call);
        }
        driver->requests.serve();
        if (random() % 3 == 0) driver->work();
        if (random() % 3 != 0) requests.serve();
        if (random() % 20 == 0) {
            ++deaths;
            if (random() % 2 == 0) requests.detach();
            driver.reset();
            if (other_memory) {
                current = 1 - current;
                std::ranges::fill(memories[current].words, ~u64{0});
            }
            driver = std::make_unique<Driver>(content, parameters);
            driver->open(0, memories[current]);
            requests.attach(memories[current].bytes(), shape());
        }
        for (auto write = writes.begin(); write != writes.end();) {
            if (!write->call.answered) {
                ++write;
                continue;
            }
            ASSERT_EQ(write->call.error, Error::ok);
            version[write->sector] = write->version;
            busy[write->sector] = false;
            ++answered;
            write = writes.erase(write);
        }
        // Everything that was answered is on the disk.
        for (u64 sector = 0; sector < kSectors; ++sector) {
            u64 stored;
            std::memcpy(&stored, content.bytes.data() + sector * Block::kSectorSize, 8);
            if (!busy[sector]) ASSERT_EQ(stored, version[sector]);
        }
    }
    EXPECT_GT(deaths, 10u);
    EXPECT_FALSE(requests.take_broken());
}

TEST(Requests, DriverDies) {
    const u32 seed = std::random_device{}();
    for (u32 i = 0; i < 10; ++i) run_deaths(seed + i, false);
}
TEST(Requests, DriverDiesAndTheLinkIsAnother) {
    const u32 seed = std::random_device{}();
    for (u32 i = 0; i < 10; ++i) run_deaths(seed + i, true);
}

TEST(Requests, BadSectors) {
    LinkMemory memory;
    Content content;
    Driver driver(content, {.bad_first = 8, .bad_count = 2});
    driver.open(0, memory);
    BlockRequests requests;
    requests.attach(memory.bytes(), shape());
    std::list<Call> calls;
    for (u64 sector = 0; sector < 16; ++sector)
        requests.add(calls.emplace_back(take_place(requests, 512), Block::Operation::read, sector, 1));
    driver.work();
    requests.serve();
    for (const Call& call : calls) {
        EXPECT_TRUE(call.answered);
        EXPECT_EQ(call.error, call.sector == 8 || call.sector == 9 ? Error::io : Error::ok);
    }
    EXPECT_FALSE(requests.take_broken());
}

/// The driver's side of the ring, by hand.
struct Liar {
    QueueServer<Block::Submission, Block::Completion> queue;
    std::vector<Block::Submission> taken;
    LinkMemory memory;
    BlockRequests requests;
    Liar() { open(); }
    void open() {
        requests.attach(memory.bytes(), shape());
        static_cast<void>(queue.attach(memory.bytes().data(), DiskRequests::kWindowOffset, Block::kEntries,
                                       Handle<Signal>(), 0));
        queue.resume();
        taken.clear();
    }
    void take() {
        Block::Submission entry;
        while (queue.take(entry)) taken.push_back(entry);
    }
    void complete(u64 id, Error error = Error::ok) {
        static_cast<void>(queue.complete({id, static_cast<u32>(error), 0}));
    }
    QueueHeader& header() { return *reinterpret_cast<QueueHeader*>(memory.bytes().data()); }
};

/// What a lie leads to: the link is closed, the request goes on after the next opening; a driver that does nothing but lie
/// has it fail.
void check_lie(const std::function<void(Liar&)>& lie) {
    Liar liar;
    Call call(take_place(liar.requests, 512), Block::Operation::read, 0, 1);
    liar.requests.add(call);
    for (u32 attempt = 1;; ++attempt) {
        ASSERT_FALSE(call.answered);
        liar.take();
        ASSERT_EQ(liar.taken.size(), 1u);
        lie(liar);
        liar.requests.serve();
        ASSERT_TRUE(liar.requests.take_broken());
        ASSERT_FALSE(liar.requests.take_broken());
        ASSERT_FALSE(liar.requests.attached());
        liar.requests.serve();  // a closed link is not looked at
        liar.open();
        if (attempt == BlockRequests::kMaxAttempts) break;
    }
    EXPECT_TRUE(call.answered);
    EXPECT_EQ(call.error, Error::protocol);
    EXPECT_TRUE(liar.requests.idle());
    // And with one that mends its ways nothing is remembered.
    Call next(take_place(liar.requests, 512), Block::Operation::read, 0, 1);
    liar.requests.add(next);
    liar.take();
    liar.complete(liar.taken.at(0).id);
    liar.requests.serve();
    EXPECT_TRUE(next.answered);
    EXPECT_EQ(next.error, Error::ok);
}

TEST(Liars, UnknownId) {
    check_lie([](Liar& liar) { liar.complete(liar.taken[0].id + Block::kEntries); });
    check_lie([](Liar& liar) { liar.complete(liar.taken[0].id ^ 1); });
    check_lie([](Liar& liar) { liar.complete(0); });
}
TEST(Liars, BrokenRing) {
    check_lie([](Liar& liar) { liar.header().complete_tail += 1000; });
    check_lie([](Liar& liar) { liar.header().complete_tail -= 1; });
    check_lie([](Liar& liar) { liar.header().complete_tail += 2; });
}

/// The device may still be at what was submitted through a link that was closed: its places are nobody's until it is opened.
TEST(Liars, PlacesOfAClosedLink) {
    Liar liar;
    const u64 large = liar.requests.place_size();
    std::list<Call> calls;
    for (u64 used = 0; used + large <= kWindow; used += large)
        liar.requests.add(calls.emplace_back(take_place(liar.requests, large), Block::Operation::read, 0, 1));
    liar.complete(12345);
    liar.requests.serve();
    ASSERT_TRUE(liar.requests.take_broken());
    calls.clear();
    PlaceCall waits(512);
    liar.requests.add(waits);
    EXPECT_FALSE(waits.answered);
    liar.open();
    EXPECT_TRUE(waits.answered && waits.place.valid());
    EXPECT_EQ(liar.requests.under_way(), 0u);
}

TEST(Liars, TwiceAndStrangeErrors) {
    Liar liar;
    Call first(take_place(liar.requests, 512), Block::Operation::read, 0, 1);
    Call second(take_place(liar.requests, 512), Block::Operation::read, 1, 1);
    liar.requests.add(first);
    liar.requests.add(second);
    liar.take();
    liar.complete(liar.taken[0].id, static_cast<Error>(12345));
    liar.complete(liar.taken[0].id);
    liar.requests.serve();
    EXPECT_TRUE(first.answered);
    EXPECT_EQ(first.error, Error::io);
    EXPECT_FALSE(second.answered);
    EXPECT_TRUE(liar.requests.take_broken());
    liar.open();
    liar.take();
    ASSERT_EQ(liar.taken.size(), 1u);
    EXPECT_EQ(liar.taken[0].sector, 1u);
    liar.complete(liar.taken[0].id);
    liar.requests.serve();
    EXPECT_TRUE(second.answered);
    EXPECT_EQ(second.error, Error::ok);
}

/// Random bytes in the whole ring, all the time.
TEST(Liars, Garbage) {
    const u32 seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Liar liar;
    std::list<Call> calls;
    u64 answered = 0;
    for (int step = 0; step < 20000; ++step) {
        if (calls.size() < 40 && random() % 2 == 0) {
            PlaceCall asks(random() % 20000);
            liar.requests.add(asks);
            if (asks.answered && asks.place.valid())
                liar.requests.add(calls.emplace_back(std::move(asks.place), Block::Operation::read,
                                                     random() % 300, random() % 10));
        }
        if (random() % 2 == 0) {
            liar.take();
            while (!liar.taken.empty() && random() % 3 != 0) {
                liar.complete(liar.taken.back().id);
                liar.taken.pop_back();
            }
        }
        if (random() % 8 == 0) {
            const auto ring = liar.memory.bytes().first(random() % 2 == 0 ? sizeof(QueueHeader) : 4096);
            ring[random() % ring.size()] = static_cast<u8>(random());
        }
        if (random() % 2 == 0) liar.requests.serve();
        if (liar.requests.take_broken() || random() % 50 == 0) liar.open();
        if (random() % 500 == 0) liar.requests.fail_all(Error::held_down), liar.open();
        answered += std::erase_if(calls,
                                  [&](const Call& call) { return call.answered || random() % 100 == 0; });
    }
    EXPECT_GT(answered, 1000u);
}

}  // namespace
