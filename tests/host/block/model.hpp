// SPDX-License-Identifier: MIT
// A driver without a kernel below it: DiskRequests over the ramdisk's sectors, at a time that the test sets.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "drivers/block/ramdisk/sectors.hpp"
#include "lib/driver/block/requests.hpp"

namespace pith::test {

inline constexpr u64 kSectors = 256;
inline constexpr u64 kWindow = u64{512} << 10;
inline abi::Time model_time = 0;

struct LinkMemory {
    std::vector<u64> words = std::vector<u64>((DiskRequests::kWindowOffset + kWindow) / 8);
    std::span<u8> bytes() { return {reinterpret_cast<u8*>(words.data()), words.size() * 8}; }
};

struct Content {
    std::vector<u8> bytes = std::vector<u8>(kSectors * Block::kSectorSize);
};

/// What Open answers.
inline Block::Open::Reply shape(u64 sectors = kSectors, u32 flags = 0) {
    return {1, sectors, 1, DiskRequests::kWindowOffset, kWindow, ramdisk::Sectors::kMaxSectors, flags, 1, 0};
}

struct Driver {
    Driver(Content& content, const ramdisk::Parameters& parameters)
        : sectors(content.bytes, parameters, [] { return model_time; }) {
        static_cast<void>(requests.start());
    }
    void open(u32 client, LinkMemory& link) {
        requests.attach(client, {link.bytes().data(), 0, link.bytes().size()}, Handle<Signal>(), 0);
    }
    /// Takes what there is, and carries out what is due.
    void work() {
        requests.serve();
        while (const auto done = sectors.next()) requests.finish(done->slot, done->error);
    }
    ramdisk::Sectors sectors;
    Block::Counts counts{};
    DiskRequests requests{sectors, counts, [] { return model_time; }};
};

}  // namespace pith::test
