// SPDX-License-Identifier: MIT
// Partition tables, good and damaged, from a disk in memory.
#include "servers/linux/vfs/dev/partitions.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>
#include <vector>

namespace {

using namespace pith;
using namespace pith::lx;

constexpr u64 kSector = PartitionScan::kSectorSize;

struct Image {
    explicit Image(u64 count) : bytes(count * kSector) {}
    std::vector<u8> bytes;
    u64 unreadable = ~u64{0};
    u64 reads = 0;
    u64 sectors() const { return bytes.size() / kSector; }
    u8* sector(u64 number) { return bytes.data() + number * kSector; }

    std::vector<Partition> scan() {
        PartitionScan scan(sectors());
        reads = 0;
        while (scan.wanted().sectors != 0) {
            const auto wanted = scan.wanted();
            EXPECT_LE(wanted.sectors, PartitionScan::kMaxRead);
            EXPECT_LT(++reads, 1000u);
            const bool inside = wanted.sector < sectors() && wanted.sectors <= sectors() - wanted.sector;
            EXPECT_TRUE(inside);
            if (!inside || unreadable - wanted.sector < wanted.sectors) scan.feed({});
            else scan.feed({sector(wanted.sector), wanted.sectors * kSector});
        }
        std::vector<Partition> found(scan.partitions().begin(), scan.partitions().end());
        for (usize i = 0; i < found.size(); ++i) {
            EXPECT_GT(found[i].first, 0u);
            EXPECT_LT(found[i].first, sectors());
            EXPECT_LE(found[i].sectors, sectors() - found[i].first);
            for (usize k = 0; k < i; ++k) {
                EXPECT_LT(found[k].number, found[i].number);
                EXPECT_TRUE(found[k].first + found[k].sectors <= found[i].first ||
                            found[i].first + found[i].sectors <= found[k].first);
            }
        }
        return found;
    }
    std::string text() {
        std::string result;
        for (const Partition& each : scan())
            result += std::to_string(each.number) + ":" + std::to_string(each.first) + "+" +
                      std::to_string(each.sectors) + " ";
        return result;
    }
    template <typename T>
    void put(u64 at, T value) {
        std::memcpy(bytes.data() + at, &value, sizeof value);
    }

    void boot_record(u64 at, u32 slot, u8 type, u32 first, u32 count) {
        put<u16>(at * kSector + 510, 0xaa55);
        const u64 entry = at * kSector + 446 + slot * 16;
        put<u8>(entry + 4, type);
        put<u32>(entry + 8, first);
        put<u32>(entry + 12, count);
    }
    static u32 crc(const u8* data, usize size) {
        u32 sum = ~0u;
        for (usize i = 0; i < size; ++i) {
            sum ^= data[i];
            for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
        }
        return ~sum;
    }
    /// A header at `at` with its entries at `entries`, of what is there.
    void gpt_header(u64 at, u64 entries, u32 count = 128, u32 entry_size = 128) {
        std::memset(sector(at), 0, kSector);
        std::memcpy(sector(at), "EFI PART", 8);
        put<u32>(at * kSector + 8, 0x10000);
        put<u32>(at * kSector + 12, 92);
        put<u64>(at * kSector + 24, at);
        put<u64>(at * kSector + 40, 34);
        put<u64>(at * kSector + 48, sectors() - 34);
        put<u64>(at * kSector + 72, entries);
        put<u32>(at * kSector + 80, count);
        put<u32>(at * kSector + 84, entry_size);
        put<u32>(at * kSector + 88, crc(sector(entries), usize{count} * entry_size));
        sum_header(at);
    }
    void sum_header(u64 at) {
        put<u32>(at * kSector + 16, 0);
        put<u32>(at * kSector + 16, crc(sector(at), 92));
    }
    void gpt_entry(u64 entries, u32 slot, u64 first, u64 last, u32 entry_size = 128) {
        const u64 at = entries * kSector + u64{slot} * entry_size;
        std::memset(bytes.data() + at, 0x77, 16);
        put<u64>(at + 32, first);
        put<u64>(at + 40, last);
    }
};

struct Gpt : Image {
    Gpt() : Image(2048) {
        boot_record(0, 0, 0xee, 1, 2047);
        for (const u64 at : {u64{2}, backup_entries()}) {
            gpt_entry(at, 0, 34, 133);
            gpt_entry(at, 4, 200, 200);
            gpt_entry(at, 127, 300, 2014);
        }
        gpt_header(1, 2);
        gpt_header(2047, backup_entries());
    }
    u64 backup_entries() const { return 2047 - 32; }
    static constexpr const char* kAll = "1:34+100 5:200+1 128:300+1715 ";
};

TEST(Partitions, NoTable) {
    EXPECT_EQ(Image(0).text(), "");
    EXPECT_EQ(Image(1).text(), "");
    EXPECT_EQ(Image(100).text(), "");
    Image image(100);
    image.unreadable = 0;
    EXPECT_EQ(image.text(), "");
}

TEST(Partitions, Mbr) {
    Image image(1000);
    image.boot_record(0, 0, 0x83, 10, 100);
    image.boot_record(0, 1, 0x82, 110, 1);
    image.boot_record(0, 3, 0x0c, 900, 100);
    EXPECT_EQ(image.text(), "1:10+100 2:110+1 4:900+100 ");
    image.put<u16>(510, 0x55aa);
    EXPECT_EQ(image.text(), "");
}

TEST(Partitions, MbrEntriesThatAreIgnored) {
    Image image(1000);
    image.boot_record(0, 0, 0x83, 0, 100);    // the table itself
    image.boot_record(0, 1, 0x83, 500, 0);    // empty
    image.boot_record(0, 2, 0x83, 500, 501);  // beyond the end
    image.boot_record(0, 3, 0x83, ~0u, ~0u);
    EXPECT_EQ(image.text(), "");
    Image overlapping(1000);
    overlapping.boot_record(0, 0, 0x83, 10, 100);
    overlapping.boot_record(0, 1, 0x83, 109, 10);
    overlapping.boot_record(0, 2, 0x83, 1, 999);
    overlapping.boot_record(0, 3, 0x83, 110, 890);
    EXPECT_EQ(overlapping.text(), "1:10+100 4:110+890 ");
    // A boot sector of something else.
    overlapping.put<u8>(446 + 16, 0x41);
    EXPECT_EQ(overlapping.text(), "");
}

TEST(Partitions, MbrExtended) {
    Image image(1000);
    image.boot_record(0, 0, 0x83, 10, 90);
    image.boot_record(0, 1, 0x05, 100, 800);
    image.boot_record(100, 0, 0x83, 10, 90);
    image.boot_record(100, 1, 0x05, 100, 200);  // relative to the container
    image.boot_record(200, 0, 0x83, 1, 99);
    image.boot_record(200, 1, 0x05, 300, 100);
    image.boot_record(400, 0, 0x83, 1, 500);  // leaves the container
    EXPECT_EQ(image.text(), "1:10+90 2:100+2 5:110+90 6:201+99 ");
    // A chain that leads back, to itself, and out of the container.
    image.boot_record(400, 0, 0x83, 1, 10);
    for (const u32 next : {0u, 100u, 300u, 800u, ~0u}) {
        image.boot_record(400, 1, 0x05, next, 100);
        EXPECT_EQ(image.text(), "1:10+90 2:100+2 5:110+90 6:201+99 7:401+10 ");
    }
    // A record with two partitions: each has a number.
    image.boot_record(100, 2, 0x83, 1, 1);  // the third entry does not count
    image.boot_record(200, 1, 0x83, 120, 5);
    EXPECT_EQ(image.text(), "1:10+90 2:100+2 5:110+90 6:201+99 7:320+5 ");
    image.unreadable = 200;
    EXPECT_EQ(image.text(), "1:10+90 2:100+2 5:110+90 ");
}

TEST(Partitions, MbrChainOfManyRecords) {
    Image image(4000);
    image.boot_record(0, 0, 0x0f, 1, 3999);
    for (u32 i = 0; i < 1900; ++i) {
        image.boot_record(1 + 2 * i, 0, 0x83, 1, 1);
        image.boot_record(1 + 2 * i, 1, 0x05, 2 * (i + 1), 2);
    }
    const auto found = image.scan();
    EXPECT_LE(found.size(), PartitionScan::kMaxPartitions);
    EXPECT_GE(found.size(), 100u);
    EXPECT_LE(image.reads, 200u);
}

TEST(Partitions, Gpt) {
    Gpt image;
    EXPECT_EQ(image.text(), Gpt::kAll);
    // Without the protective record it is not looked for.
    image.put<u8>(446 + 4, 0);
    EXPECT_EQ(image.text(), "");
}

TEST(Partitions, GptBackup) {
    const auto damaged = [](const std::function<void(Gpt&)>& damage) {
        Gpt image;
        damage(image);
        EXPECT_EQ(image.text(), Gpt::kAll);
        image.sector(2047)[60] ^= 1;
        EXPECT_EQ(image.text(), "");
    };
    damaged([](Gpt& i) { i.unreadable = 1; });
    damaged([](Gpt& i) { i.unreadable = 20; });
    damaged([](Gpt& i) { i.sector(1)[0] = 'e'; });
    damaged([](Gpt& i) { i.sector(1)[91] ^= 1; });
    damaged([](Gpt& i) { i.sector(2)[32] ^= 1; });       // an entry
    damaged([](Gpt& i) { i.sector(33)[511] ^= 0x80; });  // the last byte of the entries
    damaged([](Gpt& i) { i.put<u32>(kSector + 12, 91), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u32>(kSector + 12, 513); });
    damaged([](Gpt& i) { i.put<u32>(kSector + 12, ~0u); });
    damaged([](Gpt& i) { i.put<u64>(kSector + 24, 2), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u64>(kSector + 48, 2048), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u64>(kSector + 40, 2015), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u64>(kSector + 72, 1), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u64>(kSector + 72, 2020), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u64>(kSector + 72, ~u64{0}), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u32>(kSector + 80, ~0u), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u32>(kSector + 80, 0), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u32>(kSector + 84, 64), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u32>(kSector + 84, 136), i.sum_header(1); });
    damaged([](Gpt& i) { i.put<u32>(kSector + 84, 1u << 31), i.sum_header(1); });
}

TEST(Partitions, GptEntriesThatAreIgnored) {
    Gpt image;
    image.gpt_entry(2, 1, 33, 40);      // before the usable sectors
    image.gpt_entry(2, 2, 140, 139);    // ends before it begins
    image.gpt_entry(2, 3, 133, 140);    // overlaps the first
    image.gpt_entry(2, 5, 2015, 2015);  // the last usable one is 2014
    image.gpt_entry(2, 6, ~u64{0}, ~u64{0});
    image.gpt_entry(2, 7, 0, ~u64{0});
    image.gpt_entry(2, 8, 150, 160);
    image.gpt_header(1, 2);
    EXPECT_EQ(image.text(), "1:34+100 5:200+1 9:150+11 128:300+1715 ");
}

TEST(Partitions, GptOfOtherSizes) {
    Image image(4096);
    image.boot_record(0, 0, 0xee, 1, 4095);
    image.gpt_entry(2, 0, 600, 700, 512);
    image.gpt_entry(2, 9, 800, 900, 512);
    image.gpt_header(1, 2, 10, 512);
    EXPECT_EQ(image.text(), "1:600+101 10:800+101 ");
    // More entries than are taken; all are summed.
    std::memset(image.sector(2), 0, 200 * kSector);
    image.gpt_entry(2, 127, 600, 700);
    image.gpt_entry(2, 128, 800, 900);
    image.gpt_header(1, 2, 512);
    EXPECT_EQ(image.text(), "128:600+101 ");
    image.sector(2 + 127)[511] = 1;
    EXPECT_EQ(image.text(), "");
}

TEST(Partitions, Garbage) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 500; ++round) {
        Gpt image;
        if (round % 2 == 0) {
            image.boot_record(0, 0, 0x83, 10, 90);
            image.boot_record(0, 1, 0x05, 100, 800);
            image.boot_record(100, 0, 0x83, 10, 90);
            image.boot_record(100, 1, 0x05, 100, 200);
            image.boot_record(200, 0, 0x83, 1, 99);
        }
        for (int flips = 0; flips < 20; ++flips) {
            const u64 places[] = {0, 1, 2, 100, 200, 2047};
            image.sector(places[random() % 6])[random() % kSector] ^= static_cast<u8>(random());
        }
        if (random() % 2 == 0) {
            image.sum_header(1);
            image.put<u32>(kSector + 88, Image::crc(image.sector(2), 128 * 128));
            image.sum_header(1);
        }
        image.put<u16>(510, 0xaa55);
        static_cast<void>(image.scan());
    }
}

}  // namespace
