// SPDX-License-Identifier: MIT
// The archive that Linux boots from, field by field.
#include "tools/measure/cpio.hpp"

#include <gtest/gtest.h>

namespace {

using namespace pith;
using namespace pith::tools;

constexpr usize kHeader = 110;

u64 field(std::string_view archive, usize entry, usize number) {
    return std::stoull(std::string(archive.substr(entry + 6 + number * 8, 8)), nullptr, 16);
}

TEST(Cpio, EntriesAreAlignedAndEnd) {
    constexpr u64 kMode = 1, kLinks = 4, kFileSize = 6, kNameSize = 11;
    CpioArchive archive;
    archive.add_directory("bin");
    archive.add_file("bin/sh", "12345");
    const std::string bytes = std::move(archive).finish();
    EXPECT_EQ(bytes.substr(0, 6), "070701");
    EXPECT_EQ(field(bytes, 0, kMode), 0040755u);
    EXPECT_EQ(field(bytes, 0, kFileSize), 0u);
    EXPECT_EQ(bytes.substr(kHeader, 4), std::string("bin\0", 4));

    const usize file = 116;  // 110 + 4, at a multiple of 4
    EXPECT_EQ(bytes.substr(file, 6), "070701");
    EXPECT_EQ(field(bytes, file, kMode), 0100755u);
    EXPECT_EQ(field(bytes, file, kLinks), 1u);
    EXPECT_EQ(field(bytes, file, kFileSize), 5u);
    EXPECT_EQ(field(bytes, file, kNameSize), 7u);
    EXPECT_NE(field(bytes, file, 0), field(bytes, 0, 0));
    const usize content = 236;  // 116 + 110 + 7, at a multiple of 4
    EXPECT_EQ(bytes.substr(content, 5), "12345");

    const usize trailer = 244;
    EXPECT_EQ(bytes.substr(trailer + kHeader, 11), std::string("TRAILER!!!\0", 11));
    EXPECT_EQ(bytes.size() % 4, 0u);
}

}  // namespace
