// SPDX-License-Identifier: MIT
// Loss recovery as a peer sees it that is made by hand: what it says of its holes, what it says that can't be, and what it is sent then.
#include "tests/host/net/support/hand_made_peer.hpp"

namespace pith::stack {
namespace {

struct SelectivePeer : HandMadePeer {
    static constexpr u32 kSize = 1460;

    std::vector<u8> blocks(const std::vector<std::pair<u32, u32>>& of) const {
        std::vector<u8> out = {1, 1, 5, static_cast<u8>(2 + 8 * of.size())};
        for (const auto& [left, right] : of) {
            for (const u32 word : {first + left, first + right}) {
                for (i32 shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<u8>(word >> shift));
            }
        }
        return out;
    }
    void tell(u32 acknowledged, const std::vector<u8>& options = {}, u16 window = 60'000) {
        say(acknowledged * kSize, kAck, window, options);
        two.run();
    }
    /// What segments came since, by number.
    std::vector<u32> news() {
        std::vector<u32> out;
        for (const u32 offset : offsets) out.push_back(offset / kSize);
        offsets.clear();
        return out;
    }
    /// So many segments were sent and acknowledged; then ten are on their way.
    void begin(u32 count, bool sack = true) {
        open(60'000, sack ? std::vector<u8>{2, 4, 5, 0xb4, 4, 2, 1, 1} : std::vector<u8>{2, 4, 5, 0xb4});
        launch(count);
    }
    void launch(u32 count) {
        const u32 begin = have() / kSize;
        send(count * kSize);
        world.run_for(1);
        for (u32 i = begin + 1; i <= begin + count; i++) tell(i);  // each lets the window grow
        news();
        send(10 * kSize);
        world.run_for(1);
        ASSERT_EQ(have(), (begin + count + 10) * kSize);
        ASSERT_EQ(news().size(), 10u);
    }
};

using List = std::vector<u32>;

TEST_F(SelectivePeer, IsSentTheHolesOnly) {
    begin(10);
    tell(10, blocks({{11 * kSize, 12 * kSize}}));
    tell(10, blocks({{11 * kSize, 13 * kSize}}));
    EXPECT_EQ(news(), List{});
    tell(10, blocks({{16 * kSize, 17 * kSize}, {11 * kSize, 13 * kSize}}));
    EXPECT_EQ(news(), List{10});
    tell(10, blocks({{16 * kSize, 19 * kSize}, {11 * kSize, 13 * kSize}}));
    EXPECT_EQ(news(), (List{13, 14, 15}));
    tell(14, blocks({{16 * kSize, 19 * kSize}}));
    EXPECT_EQ(news(), List{});
    tell(19);
    EXPECT_EQ(news(), List{19});  // nothing is said of what is behind: the end of the window was lost too
    tell(20);
    EXPECT_TRUE(two.client().drained(accepted));
    end();
}

/// It says that it has segments, and then has them no more: what it said is forgotten at the time-out.
TEST_F(SelectivePeer, ThatRenegesLosesNothing) {
    begin(10);
    tell(10, blocks({{11 * kSize, 20 * kSize}}));
    EXPECT_EQ(news(), List{10});
    EXPECT_TRUE(world.run([&] { return !offsets.empty(); }, 3'000));
    EXPECT_EQ(news(), List{10});
    tell(11);
    EXPECT_EQ(news(), (List{11, 12}));
    tell(13);
    EXPECT_EQ(news(), (List{13, 14, 15}));
    tell(16);
    EXPECT_EQ(news(), (List{16, 17, 18, 19}));
    tell(20);
    EXPECT_TRUE(two.client().drained(accepted));
    end();
}

/// The same, and it shows: it wants what it said it had. That takes no time-out.
TEST_F(SelectivePeer, ThatRenegesAndShowsIt) {
    begin(10);
    tell(10, blocks({{11 * kSize, 20 * kSize}}));
    EXPECT_EQ(news(), List{10});
    for (u32 i = 11; i < 20; i++) {
        tell(i);
        EXPECT_EQ(news(), List{i});
    }
    tell(20);
    end();
}

TEST_F(SelectivePeer, SaysNonsense) {
    begin(10);
    const auto at = [](u32 segments) { return segments * kSize; };
    const std::vector<std::pair<u32, u32>> bad[] = {
        {{at(15), at(12)}},                                          // the wrong way round
        {{at(12), at(12)}},                                          // nothing
        {{at(12), at(21)}, {at(20), at(30)}, {at(5000), at(6000)}},  // never sent
        {{at(2), at(8)}, {at(0), at(10)}, {at(5), at(15)}},          // acknowledged, or part of it
        {{at(10), at(20)}},                                          // what is missing, too
        {{0u - 100, at(20)}, {at(10) + 0x8000'0000, at(20)}},        // half of all numbers away
        {{at(12) + 1, at(13)}, {at(13) + 1, at(15) - 1}},            // no segment as a whole
        {{at(10) - 1, at(20)}, {at(19) + 1, at(20) + 1}},
    };
    for (const auto& some : bad) {
        tell(10, blocks(some));
        world.run_for(10);
        EXPECT_EQ(news(), List{}) << &some - bad;
        tell(10, {}, static_cast<u16>(60'001 + (&some - bad)));  // no duplicate
    }
    const std::vector<u8> good = blocks({{at(11), at(20)}});
    for (u8 length = 0; length <= 12; length++) {
        if (length == 10) continue;
        std::vector<u8> odd = good;
        odd[3] = length;
        tell(10, odd);
        EXPECT_EQ(news(), List{}) << int(length);
        tell(10, {}, static_cast<u16>(60'100 + length));
    }
    for (u32 cut = 0; cut < 2; cut++) {  // behind the header's end
        std::vector<u8> odd(good.begin(), good.begin() + 4 + 4 * cut);
        tell(10, odd);
        tell(10, {}, static_cast<u16>(60'200 + cut));
    }
    std::vector<u8> full = {5, 34};  // a fifth would not fit
    const std::vector<u8> four = blocks(
        {{at(15), at(12)}, {at(15), at(12)}, {at(15), at(12)}, {at(12), at(21)}});
    full.insert(full.end(), four.begin() + 4, four.end());
    full.insert(full.end(), {5, 10, 0, 0, 0, 0});
    tell(10, full);
    EXPECT_EQ(news(), List{});
    tell(10, {}, 60'300);
    // Nothing of it was believed.
    tell(10, good);
    EXPECT_EQ(news(), List{10});
    tell(20);
    EXPECT_TRUE(two.client().drained(accepted));
    end();
}

/// Bytes that came twice are no sign of loss (RFC 2883).
TEST_F(SelectivePeer, TellsOfDuplicates) {
    begin(10);
    for (u32 i = 0; i < 5; i++) tell(10, blocks({{i * kSize, (i + 1) * kSize}}));
    EXPECT_EQ(news(), List{});
    tell(10, blocks({{12 * kSize, 13 * kSize}}));
    for (u32 i = 0; i < 5; i++) tell(10, blocks({{12 * kSize, 13 * kSize}, {12 * kSize, 13 * kSize}}));
    EXPECT_EQ(news(), List{});
    tell(20);
    end();
}

/// A window of four: what is new goes out for the first two signs of a loss (RFC 3042), and brings the third.
TEST_F(SelectivePeer, IsSentSomethingNewBeforeRecovery) {
    for (const bool sack : {true, false}) {
        SCOPED_TRACE(sack);
        open(60'000, sack ? std::vector<u8>{2, 4, 5, 0xb4, 4, 2, 1, 1} : std::vector<u8>{2, 4, 5, 0xb4});
        send(10 * kSize);
        world.run_for(1);
        EXPECT_EQ(news(), (List{0, 1, 2}));
        const auto duplicate = [&](u32 right) {
            tell(0, sack ? blocks({{kSize, right * kSize}}) : std::vector<u8>{});
        };
        duplicate(2);
        EXPECT_EQ(news(), List{3});
        duplicate(3);
        EXPECT_EQ(news(), List{4});
        duplicate(4);
        EXPECT_EQ(news(), List{0});
        tell(5);
        // The window is two segments now.
        EXPECT_EQ(news(), (List{5, 6}));
        for (u32 turn = 0; turn < 20 && have() < sent.size(); turn++) tell(have() / kSize);
        tell(10);
        news();
        EXPECT_EQ(came, sent);
        two.client().close(accepted, true);
        world.run_for(10);
        came.clear();
        sent.clear();
        flags = 0;
        two.client().close(1);
        world.run_for(10);
    }
}

/// The window closes, all or nearly, with what begins recovery: what is to be sent again waits, is probed for, and goes out when there is room.
TEST_F(SelectivePeer, ClosesItsWindowInRecovery) {
    begin(10);
    for (const u16 window : {u16{0}, u16{700}}) {
        SCOPED_TRACE(window);
        const u32 base = have() / kSize - 10;
        const auto some = blocks({{(base + 2) * kSize, (base + 9) * kSize}});
        for (u32 i = 0; i < 2; i++) tell(base + 1, some, window);
        EXPECT_EQ(news(), List{});
        send(10 * kSize);
        world.run_for(5'000);
        for (u32 turn = 0; turn < 30 && have() < sent.size(); turn++) {
            tell(have() / kSize);
            world.run_for(10);
        }
        tell(base + 20);
        EXPECT_TRUE(two.client().drained(accepted));
        launch(60);
    }
    tell(have() / kSize);
    end();
}

/// Three of the simplest kind of duplicates, as a stack sends them whose driver is there again.
TEST_F(SelectivePeer, ThatSaysNothingOfItsHoles) {
    begin(10);
    for (u32 i = 0; i < 3; i++) tell(10);
    EXPECT_EQ(news(), List{10});
    for (u32 i = 11; i < 20; i += 3) {
        tell(i);
        EXPECT_EQ(news(), List{i});
    }
    tell(20);
    end();
}

/// NewReno after a time-out (RFC 6582): duplicates for what was sent twice begin no recovery.
TEST_F(SelectivePeer, WithoutSackIsNotSentTwiceAfterATimeOut) {
    begin(10, false);
    EXPECT_TRUE(world.run([&] { return !offsets.empty(); }, 3'000));
    EXPECT_EQ(news(), List{10});
    tell(15);
    EXPECT_EQ(news(), (List{15, 16}));
    send(10 * kSize);
    for (u32 i = 0; i < 5; i++) tell(15);
    EXPECT_EQ(news(), List{});
    tell(20);
    news();
    const u32 threshold = two.client().server(accepted).congestion_window;
    for (u32 i = 0; i < 5; i++) tell(20);
    for (const u32 segment : news()) EXPECT_GT(segment, 20u);
    tell(21);
    news();
    for (u32 i = 0; i < 3; i++) tell(21);
    EXPECT_EQ(news(), (List{25, 26, 21}));
    EXPECT_GE(threshold, 2 * kSize);
    for (u32 turn = 0; turn < 20 && have() < sent.size(); turn++) tell(have() / kSize);
    tell(30);
    EXPECT_TRUE(two.client().drained(accepted));
    end();
}

}  // namespace
}  // namespace pith::stack
