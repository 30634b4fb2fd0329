// SPDX-License-Identifier: MIT
// Messages of 9P2000.L, built and taken apart.
#include "servers/fs/virtio_9p/wire.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

using namespace pith;
using namespace pith::virtio_9p;

TEST(ShareWire, MessagesAreAsTheSpecificationHasThem) {
    u8 place[64];
    Writer writer(place, Type::walk, 0x1234);
    writer.put(u32{1}).put(u32{2}).put(u16{1}).text("ab");
    const u32 size = writer.finish();
    const std::vector<u8> wanted{21, 0, 0, 0, 110, 0x34, 0x12, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0, 'a', 'b'};
    EXPECT_EQ(std::vector<u8>(place, place + size), wanted);
}

TEST(ShareWire, DataThatFollowsIsCounted) {
    u8 place[32];
    Writer writer(place, Type::write, 0);
    writer.put(u32{1}).put(u64{2}).put(u32{100});
    EXPECT_EQ(writer.finish(100), kWriteHeader);
    EXPECT_EQ(place[0], kWriteHeader + 100);
}

TEST(ShareWire, WhatDoesNotFitIsNoMessage) {
    u8 place[12];
    EXPECT_EQ(Writer(place, Type::walk, 0).put(u32{1}).put(u16{1}).finish(), 0u);
    EXPECT_EQ(Writer(place, Type::walk, 0).text("abcd").finish(), 0u);
    EXPECT_NE(Writer(place, Type::walk, 0).text("abc").finish(), 0u);
    EXPECT_EQ(Writer(std::span(place, 3), Type::walk, 0).finish(), 0u);
}

TEST(ShareWire, WhatIsNotThereReadsAsNothing) {
    const u8 bytes[] = {1, 2, 3, 5, 0, 'a', 'b'};
    Reader reader(bytes);
    EXPECT_EQ(reader.get<u16>(), 0x201);
    EXPECT_EQ(reader.get<u8>(), 3);
    EXPECT_EQ(reader.text(), "");  // says five, has two
    EXPECT_TRUE(reader.bad());
    EXPECT_EQ(reader.get<u8>(), 0);
    Reader empty;
    EXPECT_EQ(empty.qid().path, 0u);
    EXPECT_TRUE(empty.bad());
}

}  // namespace
