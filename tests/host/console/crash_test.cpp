// SPDX-License-Identifier: MIT
// The console server's state against crashes: it dies at arbitrary moments (its own memory is lost, the
// preserved memory stays as it was just then, also in the middle of a commit), the line loses frames, and
// still every byte goes through once, in order, and the terminal's half-typed line is there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "servers/console/streams.hpp"

namespace pith::console {
namespace {

/// The server's volatile part: what a crash takes.
struct Guest {
    Store store;
    Streams streams{store};
    std::unique_ptr<mux::Link> link;

    explicit Guest(std::span<u8> memory) {
        EXPECT_TRUE(store.open(memory).ok());
        if (store.fresh()) {
            tty::reset(store.state().tty);
            store.core().link.epoch = 77;
            store.commit();
        }
        link = std::make_unique<mux::Link>(mux::Link::Side::guest, streams, store.core().link);
        streams.connect(link.get());
    }
    void commit() {
        store.core().link = link->state();
        store.commit();
    }
};

struct Host : mux::LinkUser {
    std::string out[kChannels], in[kChannels];
    usize deliver(Channel c, std::span<const u8> bytes) override {
        in[index(c)].append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return bytes.size();
    }
    void deliver_end(Channel) override {}
    usize room(Channel) override { return 1 << 20; }
    u64 written(Channel c) override { return out[index(c)].size(); }
    bool ended(Channel) override { return false; }
    void copy(Channel c, u64 offset, std::span<u8> to) override {
        memcpy(to.data(), out[index(c)].data() + offset, to.size());
    }
    void release(Channel, u64) override {}
};

std::string text_of(std::mt19937& random, usize size) {
    std::string text(size, 0);
    for (char& c : text) c = static_cast<char>('a' + random() % 26);
    return text;
}

std::span<const u8> bytes_of(const std::string& text, usize from, usize count) {
    return {reinterpret_cast<const u8*>(text.data()) + from, std::min(count, text.size() - from)};
}

void run(u32 seed, double loss) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<u8> memory(Store::size());
    auto guest = std::make_unique<Guest>(memory);
    Host host;
    mux::Link link(mux::Link::Side::host, host);

    const std::string output = text_of(random, 100'000), screen = text_of(random, 60'000);
    host.out[index(Channel::input)] = text_of(random, 80'000);
    std::string lines;
    while (lines.size() < 20'000) lines += text_of(random, random() % 60) + "\n";
    host.out[index(Channel::tty)] = lines;
    // The client: it knows what was answered, and nothing else survives on the guest's side but the preserved
    // memory.
    std::string input, read_lines;
    auto deliver = [&](mux::Link& to, const u8* frame, usize n, u64 now) {
        if (std::uniform_real_distribution<>(0, 1)(random) < loss) n = random() % n;
        to.feed({frame, n}, now);
    };
    u64 now = 1;
    u8 frame[mux::kMaxWireFrame];
    auto finished = [&] {
        return input.size() == 80'000 && read_lines.size() == lines.size() &&
               host.in[index(Channel::output)].size() == output.size() &&
               host.in[index(Channel::tty)].size() >= screen.size() + lines.size() && guest->link->idle() &&
               link.idle();
    };
    int rounds = 0;
    for (; rounds < 60'000 && !finished(); ++rounds, now += 5'000'000) {
        // Requests of the client: what is answered is committed before.
        Core& core = guest->store.core();
        guest->streams.append(Channel::output,
                              bytes_of(output, core.written[index(Channel::output)], random() % 512));
        if (core.tty_accepted < screen.size()) {
            guest->streams.write_tty(bytes_of(screen, core.tty_accepted, random() % 512));
        }
        u8 buffer[512];
        std::string got_input, got_lines;
        got_input.assign(reinterpret_cast<char*>(buffer),
                         guest->streams.take_input({buffer, random() % 512}));
        auto read = guest->streams.discipline().read({buffer, 1 + random() % 100});
        if (read.ready) {
            got_lines.assign(reinterpret_cast<char*>(buffer), read.count);
            guest->store.tty_changed();
            guest->streams.advance_tty();
        }
        for (int i = static_cast<int>(random() % 4); i > 0; --i) {
            if (usize n = link.produce(frame, now)) deliver(*guest->link, frame, n, now);
        }
        guest->streams.advance_tty();
        if (random() % 40 == 0) {  // dies before the commit: nobody has seen anything of this round
            guest = std::make_unique<Guest>(memory);
            EXPECT_FALSE(guest->store.fresh());
            continue;
        }
        guest->commit();
        input += got_input;
        read_lines += got_lines;
        if (random() % 40 == 0) {  // dies after it, and another had begun to commit: its slot is garbage
            guest = std::make_unique<Guest>(memory);
            EXPECT_FALSE(guest->store.fresh());
        }
        for (int i = static_cast<int>(random() % 4); i > 0; --i) {
            if (usize n = guest->link->produce(frame, now)) deliver(link, frame, n, now);
        }
    }
    EXPECT_LT(rounds, 60'000);
    EXPECT_EQ(host.in[index(Channel::output)], output);
    EXPECT_EQ(input, host.out[index(Channel::input)]);
    EXPECT_EQ(read_lines, lines);
    // On the screen: the program's output and the echo, mixed, each in order and whole.
    const std::string& shown = host.in[index(Channel::tty)];
    usize newlines = static_cast<usize>(std::ranges::count(lines, '\n'));
    EXPECT_EQ(shown.size(), screen.size() + lines.size() + newlines);
}

TEST(Crash, EveryByteOnce) {
    for (u32 seed = 1; seed <= 8; ++seed) run(seed, 0);
}

TEST(Crash, EveryByteOnceOnALossyLine) {
    for (u32 seed = 100; seed <= 108; ++seed) run(seed, 0.03);
}

TEST(Store, AHalfWrittenSlotDoesNotCount) {
    std::vector<u8> memory(Store::size());
    {
        Guest guest(memory);
        const u8 typed[] = {'h', 'a', 'l', 'f'};
        guest.streams.deliver(Channel::tty, typed);
        guest.commit();
    }
    // A commit overwrites the slot that does not count: spoil all that is not the active one.
    std::vector<u8> before = memory;
    {
        Guest guest(memory);
        const u8 more[] = {'x'};
        guest.streams.deliver(Channel::tty, more);
        guest.commit();
    }
    u64 active = 0;
    memcpy(&active, before.data() + 8, 8);
    memcpy(memory.data() + 8, &active, 8);  // as if it had died just before the last store
    Guest guest(memory);
    EXPECT_FALSE(guest.store.fresh());
    const u8 rest[] = {'!', '\n'};
    guest.streams.deliver(Channel::tty, rest);
    u8 line[16];
    auto read = guest.streams.discipline().read(line);
    EXPECT_EQ(std::string(line, line + read.count), "half!\n");
}

TEST(Store, ATerminalInRawModeIsKept) {
    std::vector<u64> memory(Store::size() / sizeof(u64) + 1);
    const std::span<u8> bytes(reinterpret_cast<u8*>(memory.data()), memory.size() * sizeof(u64));
    {
        Guest guest(bytes);
        tty::LineDiscipline& terminal = guest.streams.discipline();
        tty::Termios raw = terminal.termios();
        raw.local &= ~tty::kIcanon;
        terminal.set_termios(raw);
        u8 screen[64], key = 'k', read[8];
        tty::Output echo(screen);
        ASSERT_EQ(terminal.input({&key, 1}, echo), 1u);
        ASSERT_EQ(terminal.read(read, true).count, 1u);
        guest.store.tty_changed();
        guest.commit();
    }
    Store store;
    ASSERT_TRUE(store.open(bytes).ok());
    EXPECT_FALSE(store.fresh());
}

TEST(Store, NonsenseIsAFreshStart) {
    std::vector<u8> memory(Store::size());
    {
        Guest guest(memory);
        guest.store.core().consumed[4] = 1;  // more than arrived
        guest.store.commit();
    }
    Store store;
    EXPECT_TRUE(store.open(memory).ok());
    EXPECT_TRUE(store.fresh());
    Store small;
    EXPECT_FALSE(small.open(std::span(memory).first(100)).ok());
}

TEST(Streams, ControlRecordsInPieces) {
    std::vector<u8> memory(Store::size());
    Guest guest(memory);
    const tty::WindowSize window{50, 132, 0, 0};
    const mux::ControlHeader header{mux::ControlKind::window_size, sizeof(window)};
    u8 bytes[sizeof(header) + sizeof(window)];
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), &window, sizeof(window));
    for (int round = 0; round < 2; ++round) {
        for (u8 byte : bytes) guest.streams.deliver(Channel::control, {&byte, 1});
    }
    EXPECT_EQ(guest.streams.discipline().window(), window);
    EXPECT_EQ(guest.store.core().window_changes, 1u);
    std::vector<u8> garbage(5000, 0xff);
    guest.streams.deliver(Channel::control, garbage);
    EXPECT_LE(guest.store.core().control_length, sizeof(guest.store.core().control));
}

}  // namespace
}  // namespace pith::console
