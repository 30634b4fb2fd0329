// SPDX-License-Identifier: MIT
// Names of functions, and backtraces: also of tables, code and stacks that are damaged.
#include "lib/os/symbols.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "servers/supervisor/crash.hpp"

namespace pith {
namespace {

constexpr u64 kStart = 0x400000;

struct Function {
    u32 address, size;
    std::string_view name;
};

std::vector<u8> make_table(std::initializer_list<Function> functions) {
    std::vector<SymbolEntry> entries;
    std::string names;
    for (const Function& f : functions) {
        entries.push_back(
            {f.address, f.size, static_cast<u32>(names.size()), static_cast<u32>(f.name.size())});
        names += f.name;
    }
    const SymbolHeader header{kSymbolsMagic, entries.size()};
    std::vector<u8> table(sizeof(header) + entries.size() * sizeof(SymbolEntry) + names.size());
    std::memcpy(table.data(), &header, sizeof(header));
    std::memcpy(table.data() + sizeof(header), entries.data(), entries.size() * sizeof(SymbolEntry));
    std::memcpy(table.data() + table.size() - names.size(), names.data(), names.size());
    return table;
}

const std::vector<u8> kTable = make_table(
    {{0x400000, 0x20, "first"}, {0x400020, 0x10, "second"}, {0x400040, 0x40, "third"}});

TEST(Symbols, FindsFunctionsAndNothingBetween) {
    const Symbols symbols(kTable);
    EXPECT_EQ(symbols.find(0x400000).name, "first");
    EXPECT_EQ(symbols.find(0x40001f).offset, 0x1fu);
    EXPECT_EQ(symbols.find(0x400020).name, "second");
    EXPECT_EQ(symbols.find(0x400030).name, "");
    EXPECT_EQ(symbols.find(0x40007f).name, "third");
    EXPECT_EQ(symbols.find(0x400080).name, "");
    EXPECT_EQ(symbols.find(0x3fffff).name, "");
    EXPECT_EQ(symbols.find(~u64{0}).name, "");
}

TEST(Symbols, DamagedTablesAreNeverReadOutside) {
    std::mt19937 random(7);
    for (int round = 0; round < 5000; round++) {
        std::vector<u8> table = kTable;
        if (round % 2 == 0) table.resize(random() % table.size());
        for (u32 i = random() % 8; i != 0 && !table.empty(); i--)
            table[random() % table.size()] = static_cast<u8>(random());
        const std::vector<u8> exact(table);  // its end is the heap's, which the sanitizer watches
        const Symbols symbols(exact);
        for (u64 address = kStart - 1; address < kStart + 0x90; address += 7) {
            const auto place = symbols.find(address);
            for (const char c : place.name) static_cast<void>(static_cast<volatile char>(c));
        }
    }
}

struct Program {
    std::vector<u8> bytes = std::vector<u8>(0x80, 0x90);
    supervisor::Code code;
    Program() {
        code.component = "program";
        code.start = kStart;
        code.bytes = bytes;
        code.symbols = Symbols(kTable);
    }
    void call(u64 at, u64 target) {
        bytes[at - kStart] = 0xe8;
        const i32 distance = static_cast<i32>(target - (at + 5));
        std::memcpy(&bytes[at - kStart + 1], &distance, sizeof(distance));
    }
    std::string backtrace(u64 rip, const std::vector<u64>& stack) const {
        char text[4096];
        TextWriter out(text);
        supervisor::print_backtrace(out, code, rip, stack);
        return std::string(out.text());
    }
};

TEST(Backtrace, FollowsCallsAndMarksTheRest) {
    Program program;
    program.call(0x400010, 0x400020);  // first calls second
    program.call(0x400050, 0x400000);  // third calls first
    program.call(0x400060, 0x400020);  // third calls second, elsewhere
    program.bytes[0x70] = 0xff;        // third calls *%rax
    program.bytes[0x71] = 0xd0;
    EXPECT_EQ(program.backtrace(0x400024, {1, 0x400015, 0x400030, 0x400055}),
              "  program+0x24 second+0x4\n  program+0x15 first+0x15\n  program+0x55 third+0x15\n");
    // What an earlier call has left, and one by a pointer.
    EXPECT_EQ(program.backtrace(0x400008, {0x400065, 0x400055, 0x400072}),
              "  program+0x8 first+0x8\n  ? program+0x65 third+0x25\n  program+0x55 third+0x15\n  * "
              "program+0x72 third+0x32\n");
    EXPECT_EQ(program.backtrace(0x10, {}), "  10\n");
}

TEST(Backtrace, AnyCodeAndStack) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 2000; round++) {
        Program program;
        for (u8& byte : program.bytes)
            byte = static_cast<u8>(random() % 4 == 0 ? 0xff : random() % 3 == 0 ? 0xe8 : random());
        std::vector<u64> stack(random() % 64);
        for (u64& word : stack) word = random() % 8 == 0 ? random() : kStart - 4 + random() % 0x90;
        program.backtrace(stack.empty() ? 0 : stack[0], stack);
        char text[64];
        TextWriter out(text);
        program.code.print_bytes(out, kStart + random() % 0x90);
    }
}

}  // namespace
}  // namespace pith
