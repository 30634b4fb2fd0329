// SPDX-License-Identifier: MIT
// The firmware's table of remapping hardware: what is read of good ones, and that no bad one leads anywhere.
#include "lib/driver/dmar.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "abi/types.hpp"

namespace pith {
namespace {

using Bytes = std::vector<u8>;

template <typename T>
void put(Bytes& bytes, usize at, T value) {
    if (bytes.size() < at + sizeof(T)) bytes.resize(at + sizeof(T));
    std::memcpy(&bytes[at], &value, sizeof(T));
}

/// Length and sum made right.
Bytes finished(Bytes table) {
    put<u32>(table, 4, static_cast<u32>(table.size()));
    table[9] = 0;
    u8 sum = 0;
    for (const u8 byte : table) sum = static_cast<u8>(sum + byte);
    table[9] = static_cast<u8>(-sum);
    return table;
}

Bytes header() {
    Bytes table(48);
    std::memcpy(table.data(), "DMAR", 4);
    table[36] = 38;
    return table;
}

struct Entry {
    u8 type, bus;
    std::vector<std::pair<u8, u8>> path;
};

void add_unit(Bytes& table, u64 registers, bool all, const std::vector<Entry>& scope = {}, u16 segment = 0) {
    const usize at = table.size();
    table.resize(at + 16);
    table[at + 4] = all ? 1 : 0;
    put<u16>(table, at + 6, segment);
    put<u64>(table, at + 8, registers);
    for (const Entry& entry : scope) {
        const u8 length = static_cast<u8>(6 + 2 * entry.path.size());
        for (const u8 byte : {entry.type, length, u8{0}, u8{0}, u8{0}, entry.bus}) table.push_back(byte);
        for (const auto& [device, function] : entry.path) {
            table.push_back(device);
            table.push_back(function);
        }
    }
    put<u16>(table, at + 2, static_cast<u16>(table.size() - at));
}

/// In a piece of heap of exactly its size: reading beyond is found.
Result<Dmar> parse(const Bytes& table) {
    static std::unique_ptr<u8[]> copy;
    copy = std::make_unique<u8[]>(table.size());
    std::ranges::copy(table, copy.get());
    return parse_dmar({copy.get(), table.size()});
}

DmarBuses no_bridge(u32) { return {1, 0}; }

TEST(Dmar, UnitsAreRead) {
    Bytes table = header();
    add_unit(table, 0xfed9'0000, false, {{1, 0, {{2, 0}}}});
    add_unit(table, 0xfed9'1000, true);
    const auto dmar = parse(finished(table));
    ASSERT_TRUE(dmar.ok());
    EXPECT_EQ(dmar.value().address_bits, 39u);
    ASSERT_EQ(dmar.value().unit_count, 2u);
    EXPECT_EQ(dmar.value().units[0].registers, 0xfed9'0000u);
    EXPECT_FALSE(dmar.value().units[0].all);
    EXPECT_EQ(dmar.value().units[0].scope.size(), 8u);
    EXPECT_EQ(dmar.value().units[1].size, abi::kPageSize);
    EXPECT_TRUE(dmar.value().covers(0, 0x1234, no_bridge));
    EXPECT_FALSE(dmar.value().covers(1, 0x1234, no_bridge));
}

TEST(Dmar, ScopesNameDevices) {
    const auto behind = [](u32 bridge) {
        if (bridge == 0x0008) return DmarBuses{2, 5};
        if (bridge == 0x0218) return DmarBuses{3, 4};
        return DmarBuses{1, 0};
    };
    Bytes table = header();
    add_unit(table, 0xfed9'0000, false,
             {{1, 0, {{0x1f, 2}}},         // an endpoint
              {3, 0xff, {{0, 0}}},         // an I/O APIC
              {1, 0, {{1, 0}, {4, 1}}},    // an endpoint on bus 2
              {2, 0, {{1, 0}, {3, 0}}},    // a bridge on bus 2: it, and buses 3 and 4
              {1, 0, {{7, 0}, {0, 0}}}});  // behind what is no bridge
    const auto dmar = parse(finished(table));
    ASSERT_TRUE(dmar.ok());
    const auto covers = [&](u32 function) { return dmar.value().covers(0, function, behind); };
    EXPECT_TRUE(covers(0x00fa));
    EXPECT_FALSE(covers(0x00fb));
    EXPECT_FALSE(covers(0xff00));
    EXPECT_TRUE(covers(0x0221));
    EXPECT_FALSE(covers(0x0220));
    EXPECT_TRUE(covers(0x0218));
    EXPECT_TRUE(covers(0x0300));
    EXPECT_TRUE(covers(0x04ff));
    EXPECT_FALSE(covers(0x0500));
    EXPECT_FALSE(covers(0x0000));
}

TEST(Dmar, OtherStructuresAreSkipped) {
    Bytes table = header();
    table.insert(table.end(), {1, 0, 8, 0, 9, 9, 9, 9});
    add_unit(table, 0xfed9'0000, true);
    table.insert(table.end(), {77, 0, 4, 0});
    EXPECT_TRUE(parse(finished(table)).ok());
}

TEST(Dmar, BadTablesAreRefused) {
    const auto refused = [](const Bytes& table) { return parse(table).error() == Error::protocol; };
    Bytes good = header();
    add_unit(good, 0xfed9'0000, true, {{1, 0, {{2, 0}}}});
    ASSERT_TRUE(parse(finished(good)).ok());
    for (usize size = 0; size < good.size(); size++) {
        Bytes cut = good;
        cut.resize(size);
        if (size >= 48) cut = finished(cut);
        EXPECT_TRUE(refused(cut)) << size;
    }
    Bytes other = finished(good);
    other[20]++;
    EXPECT_TRUE(refused(other)) << "sum";
    other = finished(good);
    put<u32>(other, 4, 4096);
    EXPECT_TRUE(refused(other)) << "length";
    EXPECT_TRUE(refused(finished(header()))) << "no unit";
    const auto with = [&](auto change) {
        Bytes table = good;
        change(table);
        return finished(table);
    };
    EXPECT_TRUE(refused(with([](Bytes& t) { put<u16>(t, 50, 0); }))) << "a structure without length";
    EXPECT_TRUE(refused(with([](Bytes& t) { put<u16>(t, 50, 0xffff); }))) << "a structure beyond the end";
    EXPECT_TRUE(refused(with([](Bytes& t) { put<u16>(t, 50, 15); }))) << "a short unit";
    EXPECT_TRUE(refused(with([](Bytes& t) { t[65] = 0; }))) << "an entry without length";
    EXPECT_TRUE(refused(with([](Bytes& t) { t[65] = 6; }))) << "an entry without a path";
    EXPECT_TRUE(refused(with([](Bytes& t) { t[65] = 7; }))) << "an odd entry";
    EXPECT_TRUE(refused(with([](Bytes& t) { t[65] = 10; }))) << "an entry beyond the end";
    EXPECT_TRUE(refused(with([](Bytes& t) { t[36] = 10; }))) << "a narrow bus";
    EXPECT_TRUE(refused(with([](Bytes& t) { t[36] = 255; }))) << "a wide bus";
    for (const u64 address : {u64{0}, u64{0xfed9'0800}, u64{1} << 46, ~u64{4095}})
        EXPECT_TRUE(refused(with([&](Bytes& t) { put<u64>(t, 56, address); }))) << address;
    EXPECT_TRUE(refused(with([](Bytes& t) {
        put<u64>(t, 56, (u64{1} << 46) - abi::kPageSize);
        t[53] = 15;
    }))) << "registers beyond the end";
    EXPECT_TRUE(refused(with([](Bytes& t) { add_unit(t, 0xfed9'0000, false, {}, 1); })))
        << "the same registers";
    EXPECT_TRUE(refused(with([](Bytes& t) { add_unit(t, 0xfed9'1000, true); }))) << "two for all";
    Bytes many = header();
    for (u64 i = 0; i <= Dmar::kMaxUnits; i++) add_unit(many, 0xfed9'0000 + i * abi::kPageSize, false);
    EXPECT_EQ(parse(finished(many)).error(), Error::no_space);
}

TEST(Dmar, NoiseLeadsNowhere) {
    std::mt19937 random(1);
    Bytes good = header();
    add_unit(good, 0xfed9'0000, false, {{1, 0, {{2, 0}}}, {2, 0, {{3, 0}, {4, 0}}}});
    add_unit(good, 0xfed9'1000, true);
    const auto behind = [](u32 bridge) { return DmarBuses{(bridge >> 8) + 1, 255}; };
    for (u32 round = 0; round < 20000; round++) {
        Bytes table = good;
        for (u32 change = random() % 4; change != 0; change--)
            table[36 + random() % (table.size() - 36)] = static_cast<u8>(random());
        const auto dmar = parse(finished(table));
        if (!dmar.ok()) continue;
        for (const DmarUnit& unit : dmar.value().all())
            EXPECT_TRUE(unit.registers != 0 && unit.registers + unit.size <= u64{1} << 46);
        static_cast<void>(dmar.value().covers(0, random() & 0xffff, behind));
    }
}

}  // namespace
}  // namespace pith
