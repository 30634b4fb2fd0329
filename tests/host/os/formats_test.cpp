// SPDX-License-Identifier: MIT
// Text formatting, and the readers of what comes in the bundle: well-formed and damaged bundles, ELF files,
// compositions.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "lib/base/format.hpp"
#include "lib/os/bundle.hpp"
#include "lib/os/elf_loader.hpp"
#include "protocol/composition.hpp"

namespace {

using namespace pith;

template <typename... T>
std::string formatted(std::string_view pattern, const T&... arguments) {
    char buffer[64];
    return std::string(format_to(buffer, pattern, arguments...));
}

TEST(Format, Arguments) {
    EXPECT_EQ(formatted("{} and {}", 1, "two"), "1 and two");
    EXPECT_EQ(formatted("{x} {08x} {5}|{}", 255u, 0xabcu, -42, true), "ff 00000abc   -42|true");
    EXPECT_EQ(formatted("{05} {}", -42, 'c'), "-0042 c");
    EXPECT_EQ(formatted("{}", u64{18446744073709551615u}), "18446744073709551615");
    EXPECT_EQ(formatted("{}", i64{-9223372036854775807 - 1}), "-9223372036854775808");
    EXPECT_EQ(formatted("{} {}", 1), "1 {}");
    EXPECT_EQ(formatted("{", 1), "{");
    EXPECT_EQ(formatted("{}", std::string(100, 'x')).size(), 64u);
}

/// A bundle segment with files of the given names; each holds its own name.
std::vector<u8> segment(const std::vector<std::string>& names) {
    std::vector<u8> bytes(4096 * (1 + names.size()));
    auto& header = *reinterpret_cast<pith::abi::BundleHeader*>(bytes.data());
    header = {pith::abi::kBundleMagic, bytes.size(), static_cast<u32>(names.size()), 0, 0};
    auto* entries = reinterpret_cast<pith::abi::BundleEntry*>(&header + 1);
    char* area = reinterpret_cast<char*>(entries + names.size());
    for (usize i = 0; i < names.size(); i++) {
        std::memcpy(area + header.names_size, names[i].data(), names[i].size());
        std::memcpy(bytes.data() + 4096 * (i + 1), names[i].data(), names[i].size());
        entries[i] = {4096 * (i + 1),
                      names[i].size(),
                      header.names_size,
                      static_cast<u32>(names[i].size()),
                      pith::abi::BundleKind::file,
                      0644,
                      0,
                      0};
        header.names_size += static_cast<u32>(names[i].size());
    }
    return bytes;
}

TEST(Bundle, LastOneCounts) {
    auto bytes = segment({"a", "bc", "a"});
    const auto more = segment({"bc", "d"});
    const u64 first_size = bytes.size();
    bytes.insert(bytes.end(), more.begin(), more.end());
    auto bundle = Bundle::open(bytes);
    ASSERT_TRUE(bundle.ok());
    EXPECT_EQ(bundle->find("a")->offset, 3 * 4096u);
    EXPECT_EQ(bundle->find("bc")->offset, first_size + 4096);
    EXPECT_EQ(bundle->find("d")->content.size(), 1u);
    EXPECT_EQ(bundle->find("e").error(), Error::not_found);
}

TEST(Bundle, Garbage) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto good = segment({"component/log", "system", "rootfs/bin/busybox"});
    EXPECT_FALSE(Bundle::open({}).ok());
    for (int round = 0; round < 20000; round++) {
        auto bytes = good;
        for (int flips = 0; flips < 3; flips++) bytes[random() % 256] = static_cast<u8>(random());
        bytes.resize(random() % 4 == 0 ? random() % bytes.size() : bytes.size());
        auto bundle = Bundle::open(bytes);
        if (!bundle.ok()) continue;
        u64 sum = 0;
        u64* total = &sum;
        bundle->for_each([total](const BundleFile& file) {
            for (const u8 byte : file.content) *total += byte;
            *total += file.name.size();
        });
        if (auto file = bundle->find("system"); file.ok() && !file->content.empty())
            sum += file->content.back();
    }
}

TEST(ComponentImage, Garbage) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<u8> good(3 * 4096);
    const u8 header[] = {0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1};
    std::memcpy(good.data(), header, sizeof(header));
    const auto put = [&good](usize at, u64 value, usize size) {
        std::memcpy(good.data() + at, &value, size);
    };
    put(24, 0x400000, 8);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 2, 2);
    const u64 segments[2][8] = {{u64{5} << 32 | 1, 4096, 0x400000, 0, 4096, 4096, 4096},
                                {u64{6} << 32 | 1, 8192, 0x401000, 0, 100, 9000, 4096}};
    for (usize i = 0; i < 2; i++) std::memcpy(good.data() + 64 + 56 * i, segments[i], 56);
    auto image = ComponentImage::parse(good);
    ASSERT_TRUE(image.ok());
    EXPECT_EQ(image->segment_count, 2u);
    EXPECT_EQ(image->writable_pages(), 3u);
    for (int round = 0; round < 50000; round++) {
        auto bytes = good;
        for (int flips = 0; flips < 2; flips++) bytes[random() % 180] = static_cast<u8>(random());
        auto parsed = ComponentImage::parse(
            {bytes.data(), random() % 4 == 0 ? random() % bytes.size() : bytes.size()});
        if (!parsed.ok()) continue;
        for (usize i = 0; i < parsed->segment_count; i++) {
            EXPECT_LE(parsed->segments[i].offset + parsed->segments[i].file_size, bytes.size());
            EXPECT_LE(parsed->segments[i].file_size, parsed->segments[i].memory_size);
            EXPECT_NE(parsed->segments[i].flags & 6, 6u);
        }
    }
}

TEST(Composition, Garbage) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<u8> good(512);
    CompositionHeader header{};
    header.magic = kCompositionMagic;
    header.size = good.size();
    header.components = {128, 1};
    header.provides = {264, 1};
    header.needs = {272, 1};
    header.devices = {296, 1};
    header.parameters = {328, 1};
    header.strings = {344, 20};
    CompositionComponent component{};
    component.name = {0, 3};
    component.provides = component.needs = component.devices = component.parameters = {0, 1};
    component.memory_pages = 10;
    component.stack_pages = 2;
    component.slots = 64;
    component.capacity = component.period = 10;
    component.cpus = 1;
    const CompositionNeed need{{0, 3}, {0, 3}, 0, 0};
    std::memcpy(good.data(), &header, sizeof(header));
    std::memcpy(good.data() + 128, &component, sizeof(component));
    std::memcpy(good.data() + 272, &need, sizeof(need));
    static_assert(sizeof(header) <= 128);
    ASSERT_TRUE(Composition::parse(good).ok());
    for (int round = 0; round < 100000; round++) {
        auto bytes = good;
        for (int flips = 0; flips < 2; flips++) bytes[random() % 360] = static_cast<u8>(random());
        auto parsed = Composition::parse(bytes);
        if (!parsed.ok()) continue;
        u64 sum = 0;
        const auto add = [&](CompositionString s) {
            for (const char c : parsed->string(s)) sum += static_cast<u8>(c);
        };
        for (const auto& c : parsed->components()) {
            add(c.name);
            for (const auto& s : parsed->provides(c)) add(s);
            for (const auto& n : parsed->needs(c)) add(n.protocol), add(n.as);
            for (const auto& d : parsed->devices(c)) add(d.name);
            for (const auto& p : parsed->parameters(c)) add(p.key), add(p.value);
        }
    }
}

}  // namespace
