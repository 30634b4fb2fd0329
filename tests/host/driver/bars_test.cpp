// SPDX-License-Identifier: MIT
// Measuring BARs and finding places for them; what the devices server reads back of its predecessor and of the supervisor.
#include "servers/devices/bars.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "servers/devices/grants.hpp"
#include "servers/devices/state.hpp"

namespace pith::devices {
namespace {

/// Configuration space as a device has it: of a BAR only the bits above its size can be written.
class FakeConfig {
  public:
    void set(u32 offset, u32 value) { std::memcpy(&bytes_[offset], &value, 4); }
    void bar(u32 number, u64 size, u32 flags) {
        set(kBar0 + 4 * number, flags);
        masks_[number] = static_cast<u32>(~(size - 1)) & ~((flags & 1) != 0 ? 3u : 15u);
        if ((flags & 6) == 4) masks_[number + 1] = static_cast<u32>(~(size - 1) >> 32);
    }
    u8 read8(u32 offset) const { return bytes_[offset]; }
    u16 read16(u32 offset) const { return static_cast<u16>(read32(offset & ~3u) >> (offset & 2) * 8); }
    u32 read32(u32 offset) const {
        u32 value;
        std::memcpy(&value, &bytes_[offset], 4);
        return value;
    }
    void write32(u32 offset, u32 value) const {
        const u32 mask = masks_[(offset - kBar0) / 4];
        value = (value & mask) | (read32(offset) & ~mask);
        std::memcpy(&bytes_[offset], &value, 4);
    }
    mutable u8 bytes_[256] = {};

  private:
    u32 masks_[kBarCount] = {};
};

TEST(Bars, AreMeasured) {
    FakeConfig config;
    config.bar(0, 0x20, 1);      // ports
    config.bar(1, 0x1000, 0);    // 32 bits
    config.bar(2, 0x100, 0);     // less than a page
    config.bar(4, 0x4000, 0xc);  // 64 bits, prefetchable
    config.write32(kBar0 + 4, 0xfebd'1000);
    config.write32(kBar0 + 20, 0x12);
    Bar bars[kBarCount];
    measure_bars(config, bars);
    EXPECT_EQ(bars[0].size, 0u);
    EXPECT_EQ(bars[1].size, 0x1000u);
    EXPECT_EQ(bars[1].address, 0xfebd'1000u);
    EXPECT_EQ(bars[2].size, 0x100u);
    EXPECT_EQ(bars[2].address, 0u);
    EXPECT_EQ(bars[3].size, 0u);
    EXPECT_EQ(bars[4].size, 0x4000u);
    EXPECT_EQ(bars[4].wide, 1u);
    EXPECT_EQ(bars[4].address, u64{0x12} << 32);
    EXPECT_EQ(bars[5].size, 0u);
    // What firmware had written is still there.
    EXPECT_EQ(config.read32(kBar0 + 4), 0xfebd'1000u);
    EXPECT_EQ(config.read32(kBar0 + 20), 0x12u);
    bars[4].address = 0x80'4000'0000;
    write_bar(config, 4, bars[4]);
    EXPECT_EQ(config.read32(kBar0 + 16), 0x4000'000cu);
    EXPECT_EQ(config.read32(kBar0 + 20), 0x80u);
}

TEST(Bars, LargerThan4GiB) {
    FakeConfig config;
    config.bar(0, u64{8} << 30, 4);
    Bar bars[kBarCount];
    measure_bars(config, bars);
    EXPECT_EQ(bars[0].size, u64{8} << 30);
    AddressMap map;
    EXPECT_EQ(*map.find(bars[0].size, true), AddressMap::kHighBegin);
    EXPECT_EQ(map.find(bars[0].size, false).error(), Error::no_space);
}

TEST(Bars, CapabilitiesInACircle) {
    FakeConfig config;
    config.set(kCommand, u32{1} << 20);  // it has a list
    config.set(0x34, 0x40);
    config.set(0x40, 0x50'09);
    config.set(0x50, 0x40'05);
    EXPECT_EQ(find_capability(config, 0x05), 0x50u);
    EXPECT_EQ(find_capability(config, kCapabilityMsix), 0u);
    config.set(0x50, 0x10'05);  // into the header
    EXPECT_EQ(find_capability(config, kCapabilityMsix), 0u);
    config.set(kCommand, 0);
    EXPECT_EQ(find_capability(config, 0x05), 0u);
}

TEST(AddressMap, PlacesAreAlignedAndApart) {
    std::mt19937 random(3);
    for (u32 round = 0; round < 200; round++) {
        AddressMap map;
        map.take(0xc000'0000 + (random() % 64) * 0x10'0000, 0x1000 * (random() % 5000));
        std::vector<std::pair<u64, u64>> placed;
        for (u32 i = 0; i < 100; i++) {
            const u64 size = u64{16} << random() % 18;
            auto address = map.find(size, (random() & 1) != 0);
            ASSERT_TRUE(address.ok());
            ASSERT_EQ(*address % std::max<u64>(size, abi::kPageSize), 0u);
            ASSERT_TRUE(map.free(*address, size));
            ASSERT_GE(*address, AddressMap::kLowBegin);
            if (*address < AddressMap::kHighBegin) ASSERT_LE(*address + size, AddressMap::kLowEnd);
            for (const auto& [other, length] : placed)
                ASSERT_TRUE(round_up(*address + size, abi::kPageSize) <= other ||
                            round_up(other + length, abi::kPageSize) <= *address);
            placed.emplace_back(*address, size);
            ASSERT_TRUE(map.take(*address, size));
            ASSERT_FALSE(map.free(*address, size));
        }
    }
}

TEST(AddressMap, FullIsNoSpace) {
    AddressMap map;
    map.take(AddressMap::kLowBegin, AddressMap::kLowEnd - AddressMap::kLowBegin);
    EXPECT_EQ(map.find(0x1000, false).error(), Error::no_space);
    EXPECT_EQ(*map.find(0x1000, true), AddressMap::kHighBegin);
    EXPECT_EQ(map.find(0, true).error(), Error::no_space);
    EXPECT_EQ(map.find(0x3000, true).error(), Error::no_space);  // no power of two
    EXPECT_EQ(map.find(u64{1} << 63, true).error(), Error::no_space);
}

TEST(State, IsDistrusted) {
    auto state = std::make_unique<State>();
    std::memset(static_cast<void*>(state.get()), 0, sizeof(State));
    EXPECT_FALSE(plausible(*state));
    state->magic = kStateMagic;
    EXPECT_TRUE(plausible(*state));
    const auto spoilt = [&](auto spoil) {
        State copy = *state;
        copy.function_count = 2;
        copy.functions[1].place = 8;
        EXPECT_TRUE(plausible(copy));
        spoil(copy);
        return !plausible(copy);
    };
    EXPECT_TRUE(spoilt([](State& s) { s.function_count = kMaxFunctions + 1; }));
    EXPECT_TRUE(spoilt([](State& s) { s.functions[1].place = 0; }));
    EXPECT_TRUE(spoilt([](State& s) { s.functions[0].msix = 0xfff; }));
    EXPECT_TRUE(spoilt([](State& s) { s.functions[0].msi = 0xfc; }));
    EXPECT_TRUE(spoilt([](State& s) { s.functions[0].table_bar = 6; }));
    EXPECT_TRUE(spoilt([](State& s) { s.functions[0].messages = 4096; }));
    EXPECT_TRUE(spoilt([](State& s) { s.functions[0].messages = 1; }));  // in a BAR that there isn't
    EXPECT_TRUE(spoilt([](State& s) {
        s.functions[0].bars[1] = {0xc000'0000, 0x1000, 0, 0};
        s.functions[0].table_bar = 1;
        s.functions[0].messages = 2;
        s.functions[0].table_offset = 0xff0;
    }));
    EXPECT_FALSE(spoilt([](State& s) {
        s.functions[0].bars[1] = {0xc000'0000, 0x1000, 0, 0};
        s.functions[0].table_bar = 1;
        s.functions[0].messages = 2;
        s.functions[0].table_offset = 0xfe0;
    }));
    EXPECT_TRUE(spoilt([](State& s) { s.functions[1].bars[2].size = 0x3000; }));
    EXPECT_TRUE(spoilt([](State& s) { s.functions[1].bars[2] = {~u64{0xfff}, 0x2000, 1, 0}; }));
    EXPECT_TRUE(spoilt([](State& s) {
        s.kept[3] = {KeptKind::message, 1, 8, 0, 0, 0, 0x1000, 0x30};  // into RAM
    }));
    EXPECT_FALSE(spoilt([](State& s) { s.kept[3] = {KeptKind::message, 1, 8, 0, 0, 0, 0xfee0'0000, 0x30}; }));
    EXPECT_TRUE(spoilt([](State& s) { s.kept[kMaxKept - 1].kind = static_cast<KeptKind>(6); }));
}

TEST(Grants, AreParsed) {
    Grant grant{};
    ASSERT_TRUE(parse_grant("1f:1af4:1042:432:disk:virtio_blk", grant));
    EXPECT_EQ(grant.owner, 0x1fu);
    EXPECT_EQ(grant.vendor, 0x1af4);
    EXPECT_EQ(grant.id, 0x1042);
    EXPECT_EQ(grant.dma_pages, 0x432u);
    EXPECT_EQ(grant.name, "disk");
    EXPECT_EQ(grant.owner_name, "virtio_blk");
    Function function{};
    function.vendor = 0x1af4;
    function.id = 0x1042;
    function.class_code = 0x01'08'02;
    EXPECT_TRUE(grant.covers(function) && !grant.of_class());
    ASSERT_TRUE(parse_grant("2:ffff:10802:1:any:nvme", grant));
    EXPECT_TRUE(grant.covers(function) && grant.of_class());
    function.class_code = 0x01'00'00;
    EXPECT_FALSE(grant.covers(function));
    for (const char* bad : {"", "1:2:3:4", "1:2:3:4:", "1:2:3:4:x", "1:2:3:4:x:", "1:2:3:4::y", ":2:3:4:x:y",
                            "1:2:3::x:y", "1:10000:3:4:x:y", "1:2:3:x:x:y", "1:2:3:123456789:x:y",
                            "1:2:3:-1:x:y", "1:2:10000:4:x:y", "1:ffff:1000000:4:x:y"})
        EXPECT_FALSE(parse_grant(bad, grant)) << bad;
}

}  // namespace
}  // namespace pith::devices
