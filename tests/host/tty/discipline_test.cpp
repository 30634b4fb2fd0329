// SPDX-License-Identifier: MIT
// The line discipline by itself: what a real pty cannot show deterministically (room, stopping, pieces of
// reads).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/tty/line_discipline.hpp"

namespace pith::tty {
namespace {

struct Terminal {
    TtyState state;
    LineDiscipline discipline{state};
    std::string screen;
    usize room = 1 << 16;

    Terminal() { reset(state); }
    static std::span<const u8> bytes(std::string_view text) {
        return {reinterpret_cast<const u8*>(text.data()), text.size()};
    }
    template <typename F>
    auto with_output(F f) {
        std::vector<u8> buffer(room);
        Output out(buffer);
        auto result = f(out);
        screen.append(out.bytes().begin(), out.bytes().end());
        return result;
    }
    usize type(std::string_view text) {
        return with_output([&](Output& out) { return discipline.input(bytes(text), out); });
    }
    usize write(std::string_view text) {
        return with_output([&](Output& out) { return discipline.write(bytes(text), out); });
    }
    void echo() {
        with_output([&](Output& out) { return discipline.echo(out), 0; });
    }
    std::string read(usize count = 4096, bool last = true) {
        std::vector<u8> buffer(count);
        auto result = discipline.read(buffer, last);
        if (!result.ready) return "<nothing>";
        if (result.count == 0) return "<end>";
        return std::string(buffer.begin(), buffer.begin() + static_cast<long>(result.count)) +
               (result.more ? "<more>" : "");
    }
};

TEST(Discipline, ALineIsReadWhenItEnds) {
    Terminal t;
    t.type("hallo");
    EXPECT_EQ(t.read(), "<nothing>");
    t.type("\x7f\x7fp\r");
    EXPECT_EQ(t.screen, "hallo\b \b\b \bp\r\n");
    EXPECT_EQ(t.read(2), "ha");
    EXPECT_EQ(t.read(), "lp\n");
}

TEST(Discipline, EndOfFile) {
    Terminal t;
    t.type("\x04");
    EXPECT_TRUE(t.discipline.poll_in());
    EXPECT_EQ(t.discipline.input_count(), 0u);
    EXPECT_EQ(t.read(), "<end>");
    EXPECT_EQ(t.read(), "<nothing>");
    t.type("ab\x04");
    EXPECT_EQ(t.read(2), "ab");  // the end right behind it goes too
    EXPECT_EQ(t.read(), "<nothing>");
    t.type("ab\x04");
    EXPECT_EQ(t.read(2, false), "ab<more>");
    EXPECT_EQ(t.read(0), "<end>");
}

TEST(Discipline, SignalsAreEvents) {
    Terminal t;
    t.type("abc\x03");
    EXPECT_EQ(t.discipline.take_events(), u32{LineDiscipline::kInterrupt | LineDiscipline::kFlushOutput});
    EXPECT_EQ(t.screen, "^C");
    t.type("\x1a\x1c");
    EXPECT_EQ(t.discipline.take_events(),
              u32{LineDiscipline::kSuspend | LineDiscipline::kQuit | LineDiscipline::kFlushOutput});
    t.type("x\n");
    EXPECT_EQ(t.read(), "x\n");
}

TEST(Discipline, StoppedOutputWaits) {
    Terminal t;
    t.type("\x13");
    EXPECT_EQ(t.write("hello"), 0u);
    t.type("ab");
    EXPECT_EQ(t.screen, "");
    t.type("\x11");
    EXPECT_EQ(t.screen, "ab");
    EXPECT_EQ(t.discipline.take_events(), u32{LineDiscipline::kRestarted});
    EXPECT_EQ(t.write("hello"), 5u);
    t.discipline.stop_output();
    t.type("\x11");  // does not undo TCOOFF
    EXPECT_EQ(t.write("more"), 0u);
    t.with_output([&](Output& out) { return t.discipline.start_output(out), 0; });
    EXPECT_EQ(t.write("more"), 4u);
    EXPECT_EQ(t.screen, "abhellomore");
}

TEST(Discipline, NoRoomLosesNothing) {
    Terminal t;
    t.room = 3;
    std::string text = "a\nb\n\nccc\tdd\n";
    std::string left = text;
    for (int i = 0; i < 100 && !left.empty(); ++i) left.erase(0, t.write(left));
    EXPECT_EQ(t.screen, "a\r\nb\r\n\r\nccc\tdd\r\n");
    t.screen.clear();
    t.type("xy\x01z\n");
    for (int i = 0; i < 10; ++i) t.echo();
    EXPECT_EQ(t.screen, "xy^Az\r\n");
}

TEST(Discipline, ALongLineKeepsItsStartAndItsEnd) {
    Terminal t;
    std::string line(5000, 'x');
    EXPECT_EQ(t.type(line), 5000u);
    EXPECT_EQ(t.type("\n"), 1u);
    EXPECT_EQ(t.type("next\n"), 0u);  // waits until the line is read
    EXPECT_EQ(t.read(5000), std::string(4095, 'x') + "\n");
    EXPECT_EQ(t.type("next\n"), 5u);
    EXPECT_EQ(t.read(), "next\n");
}

TEST(Discipline, RawInputStopsWhenFull) {
    Terminal t;
    Termios raw = kDefaultTermios;
    raw.input = raw.output = raw.local = 0;
    t.discipline.set_termios(raw);
    EXPECT_EQ(t.type(std::string(5000, 'x')), 4095u);
    EXPECT_FALSE(t.discipline.input_room());
    EXPECT_EQ(t.read(1000), std::string(1000, 'x'));
    EXPECT_EQ(t.type(std::string(5000, 'y')), 1000u);
}

TEST(Discipline, PositionsWrap) {
    Terminal t;
    t.state.head = t.state.tail = t.state.canon_head = 0xffff'fff0;
    t.state.echo_head = t.state.echo_tail = 0xffff'fffe;
    for (int i = 0; i < 20; ++i) {
        t.type("abcdefg\x7f\n");
        EXPECT_EQ(t.read(), "abcdef\n");
    }
}

}  // namespace
}  // namespace pith::tty
