// SPDX-License-Identifier: MIT
// The driver's side of an NVMe queue pair, against a controller that keeps to the rules and against controllers that don't.
#include "drivers/block/nvme/queue_pair.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <random>
#include <set>
#include <vector>

namespace pith::nvme {
namespace {

/// The controller's side, over the same memory.
class Controller {
  public:
    explicit Controller(u16 size) : size_(size), submissions(size), completions(size) {}
    /// Takes what was added up to the doorbell.
    void take(u16 tail) {
        for (; head_ != tail; head_ = static_cast<u16>((head_ + 1) % size_))
            taken.push_back(submissions[head_]);
    }
    void complete(u16 id, u16 status = 0, u32 result = 0) {
        completions[tail_] = {result, 0, head_, 1, id, static_cast<u16>(status << 1 | phase_)};
        tail_ = static_cast<u16>((tail_ + 1) % size_);
        if (tail_ == 0) phase_ ^= 1;
    }

  private:
    u16 size_;
    u16 head_ = 0, tail_ = 0, phase_ = 1;

  public:
    std::vector<Command> submissions;
    std::vector<Completion> completions;
    std::deque<Command> taken;
};

struct Fixture {
    explicit Fixture(u16 size) : controller(size) {
        pair.attach(controller.submissions.data(), controller.completions.data(), size);
    }
    bool add(u32 tag, u64 mark) {
        Command command{};
        command.opcode = kRead;
        command.prp1 = mark;
        return pair.add(tag, command);
    }
    Controller controller;
    QueuePair pair;
};

TEST(QueuePair, CommandsComeBack) {
    Fixture f(8);
    EXPECT_TRUE(f.add(3, 0x1000) && f.add(5, 0x2000));
    f.controller.take(f.pair.submissions_tail());
    ASSERT_EQ(f.controller.taken.size(), 2u);
    EXPECT_EQ(f.controller.taken[1].prp1, 0x2000u);
    QueuePair::Done done{};
    EXPECT_FALSE(f.pair.take(done));
    f.controller.complete(f.controller.taken[1].id, 0x285, 77);
    ASSERT_TRUE(f.pair.take(done));
    EXPECT_EQ(done.tag, 5u);
    EXPECT_EQ(done.status, 0x285u);
    EXPECT_EQ(done.result, 77u);
    f.controller.complete(f.controller.taken[0].id);
    ASSERT_TRUE(f.pair.take(done));
    EXPECT_EQ(done.tag, 3u);
    EXPECT_FALSE(f.pair.take(done));
    EXPECT_EQ(f.pair.completions_head(), 2u);
}

TEST(QueuePair, OneEntryStaysFree) {
    Fixture f(4);
    EXPECT_TRUE(f.add(0, 0) && f.add(1, 0) && f.add(2, 0));
    EXPECT_FALSE(f.pair.room());
    EXPECT_FALSE(f.add(3, 0));
    Fixture other(128);
    for (u32 tag = 0; tag < QueuePair::kTags; tag++) EXPECT_TRUE(other.add(tag, 0));
    EXPECT_TRUE(other.pair.room());
    EXPECT_FALSE(other.add(7, 0));  // the tag is taken
    EXPECT_FALSE(other.add(QueuePair::kTags, 0));
}

TEST(QueuePair, RoundAndRound) {
    const u32 seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (const u16 size : {u16{2}, u16{3}, u16{64}, u16{128}}) {
        Fixture f(size);
        std::set<u32> busy;
        u64 added = 0, taken = 0;
        while (taken < 5000) {
            const u32 tag = random() % QueuePair::kTags;
            const bool fits = !busy.contains(tag) && busy.size() + 1 < size;
            ASSERT_EQ(f.add(tag, tag), fits);
            if (fits) busy.insert(tag), added++;
            f.controller.take(f.pair.submissions_tail());
            while (!f.controller.taken.empty() && random() % 2 == 0) {
                const usize which = random() % f.controller.taken.size();
                const Command command = f.controller.taken[which];
                f.controller.taken.erase(f.controller.taken.begin() + static_cast<long>(which));
                f.controller.complete(command.id);
                QueuePair::Done done{};
                ASSERT_TRUE(f.pair.take(done));
                ASSERT_EQ(done.tag, command.prp1);
                ASSERT_EQ(busy.erase(done.tag), 1u);
                taken++;
            }
        }
        EXPECT_FALSE(f.pair.broken());
    }
}

TEST(QueuePair, WhatIsNotUnderWayBreaksIt) {
    const auto breaks = [](u16 id, bool twice) {
        Fixture f(8);
        EXPECT_TRUE(f.add(1, 0));
        f.controller.take(f.pair.submissions_tail());
        const u16 real = f.controller.taken[0].id;
        if (twice) f.controller.complete(real);
        f.controller.complete(twice ? real : static_cast<u16>(real ^ id));
        QueuePair::Done done{};
        if (twice) EXPECT_TRUE(f.pair.take(done));
        EXPECT_FALSE(f.pair.take(done));
        EXPECT_TRUE(f.pair.broken());
        EXPECT_FALSE(f.pair.room());
        f.pair.attach(f.controller.submissions.data(), f.controller.completions.data(), 8);
        return !f.pair.broken() && f.pair.room() && !f.pair.take(done);
    };
    EXPECT_TRUE(breaks(1, false));                 // another tag
    EXPECT_TRUE(breaks(QueuePair::kTags, false));  // the same one, of another time
    EXPECT_TRUE(breaks(0, true));
}

TEST(QueuePair, Garbage) {
    const u32 seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Fixture f(16);
    for (int step = 0; step < 20000; step++) {
        static_cast<void>(f.add(random() % 80, 0));
        auto* bytes = reinterpret_cast<u8*>(f.controller.completions.data());
        bytes[random() % (16 * sizeof(Completion))] = static_cast<u8>(random());
        QueuePair::Done done{};
        if (f.pair.take(done)) ASSERT_LT(done.tag, QueuePair::kTags);
        if (f.pair.broken())
            f.pair.attach(f.controller.submissions.data(), f.controller.completions.data(), 16);
    }
}

}  // namespace
}  // namespace pith::nvme
