// SPDX-License-Identifier: MIT
// One client: what is found, read, refused.
#include <cstring>

#include "tests/storage/disks_test/harness.hpp"
#include "tests/storage/disks_test/tracked.hpp"

namespace pith::test {

namespace {

/// QEMU's NVMe controllers don't tell that a disk may only be read; they refuse to write it.
u32 read_only_flag() { return context.driver == "nvme" ? 0 : Block::kReadOnly; }

}  // namespace

bool disks_are_found() {
    CHECK(first.disk.open(0).ok());
    CHECK(first.disk.facts().sectors == kDiskSectors);
    CHECK(first.disk.facts().flags == 0 && first.disk.facts().max_sectors >= kMostSectors);
    CHECK(first.disk.facts().window_size >= kWindowBytes);
    CHECK(second.disk.open(1).ok() && second.disk.facts().sectors == kDiskSectors);
    CHECK(read_only.disk.open(3).ok() && read_only.disk.facts().flags == read_only_flag());
    Disk none(block());
    CHECK(none.open(Block::kMaxDisks).error() == Error::not_found);
    CHECK(none.open(~u64{0}).error() == Error::not_found);
    return true;
}

bool sectors_are_read() {
    for (Tracked* disk : {&first, &second, &read_only}) {
        CHECK(disk->read(0, 1));
        CHECK(disk->read(kDiskSectors - 1, 1));
        CHECK(disk->read(kDiskSectors - kMostSectors, kMostSectors));
        CHECK(disk->read(4711, 7));
    }
    return true;
}

bool bad_requests_are_refused() {
    using enum Block::Operation;
    Disk& d = first.disk;
    const u64 window = d.facts().window_size;
    CHECK(d.run(read, kDiskSectors, 1) == Error::invalid);
    CHECK(d.run(read, kDiskSectors - 1, 2) == Error::invalid);
    CHECK(d.run(write, ~u64{0}, 1) == Error::invalid);
    CHECK(d.run(write, ~u64{0} - 1, 8) == Error::invalid);
    CHECK(d.run(read, 0, 0) == Error::invalid);
    CHECK(d.run(read, 0, d.facts().max_sectors + 1) == Error::invalid);
    CHECK(d.run(read, 0, ~u32{0}) == Error::invalid);
    CHECK(d.run(read, 0, 1, 1) == Error::invalid);
    CHECK(d.run(read, 0, 1, window) == Error::invalid);
    CHECK(d.run(read, 0, 2, window - 512) == Error::invalid);
    CHECK(d.run(read, 0, 1, ~u64{511}) == Error::invalid);
    CHECK(d.run(read, 0, 1, window - 512) == Error::ok);
    CHECK(d.run(flush, 1, 0) == Error::invalid);
    CHECK(d.run(flush, 0, 1) == Error::invalid);
    CHECK(d.run(static_cast<Block::Operation>(0), 0, 1) == Error::invalid);
    CHECK(d.run(static_cast<Block::Operation>(4), 0, 1) == Error::invalid);
    CHECK(d.run(static_cast<Block::Operation>(0xffff'ffff), 0, 1) == Error::invalid);
    CHECK(d.run(flush, 0, 0) == Error::ok);
    // A client that tramples on its own Queue hurts itself alone.
    *reinterpret_cast<u32*>(d.window() - d.facts().window_offset + 64) = 0x8000'0000;  // submit_tail
    d.notify();
    CHECK(second.read(5, 5));
    CHECK(d.open(0).ok());
    return first.read(0, 9);
}

bool read_only_disk_is_not_written() {
    const Error refused = read_only_flag() != 0 ? Error::access : Error::io;
    CHECK(read_only.disk.run(Block::Operation::write, 0, 1) == refused);
    CHECK(read_only.disk.run(Block::Operation::flush, 0, 0) == Error::ok);
    return read_only.read(0, 64);
}

bool small_disk_works() {
    Disk small(block());
    CHECK(small.open(2).ok() && small.facts().sectors == 1);
    std::memset(small.window(), 0x5a, kSectorBytes);
    CHECK(small.run(Block::Operation::write, 0, 1) == Error::ok);
    CHECK(small.run(Block::Operation::write, 0, 2) == Error::invalid);
    std::memset(small.window(), 0, kSectorBytes);
    CHECK(small.run(Block::Operation::read, 0, 1) == Error::ok);
    for (u32 i = 0; i < kSectorBytes; i++) CHECK(small.window()[i] == 0x5a);
    return true;
}

bool many_disks_work() {
    alignas(Disk) static unsigned char storage[11][sizeof(Disk)];
    const auto disk = [](u64 i) -> Disk& { return *reinterpret_cast<Disk*>(storage[i]); };
    for (u64 i = 0; i < 11; i++) {
        ::new (static_cast<void*>(storage[i])) Disk(block());
        CHECK(disk(i).open(4 + i).ok());
    }
    for (u64 i = 0; i < 11; i++) {
        const u32 sectors = disk(i).facts().max_sectors;
        CHECK(sectors * kSectorBytes <= disk(i).facts().window_size);
        CHECK(disk(i).run(Block::Operation::read, 99 * i, sectors) == Error::ok);
        const auto* words = reinterpret_cast<const u64*>(disk(i).window());
        for (u32 w = 0; w < sectors * kSectorBytes / 8; w++)
            CHECK(words[w] == pattern(4, 99 * i + w / 64, 0, w % 64));
        disk(i).~Disk();
    }
    return true;
}

bool every_alignment_and_size_works() {
    CHECK(first.run_alignments());
    return second.run_alignments();
}

/// A disk with blocks of more than a sector: whole ones are read and written, parts of them are not.
bool large_blocks_work() {
    using enum Block::Operation;
    Disk& d = first.disk;
    const u32 block = d.facts().granularity;
    CHECK(block == 8 && d.facts().sectors == kDiskSectors && d.facts().max_sectors % block == 0);
    CHECK(first.read(0, block) && first.read(kDiskSectors - block, block) && first.read(800, 2 * block));
    for (u32 part = 1; part < block; part++) {
        CHECK(d.run(read, part, block) == Error::invalid);
        CHECK(d.run(read, 0, part) == Error::invalid);
        CHECK(d.run(write, block, block + part) == Error::invalid);
    }
    CHECK(first.run_alignments());
    CHECK(restart_driver());
    sleep(50 * kMillisecond);
    CHECK(d.open(0).ok() && first.read(0, 256));
    return d.run(flush, 0, 0) == Error::ok;
}

bool device_errors_are_told() {
    Disk failing(block());
    CHECK(failing.open(15).ok());
    CHECK(failing.run(Block::Operation::read, 7, 1) == Error::ok);
    CHECK(failing.run(Block::Operation::read, 8, 1) == Error::io);
    CHECK(failing.run(Block::Operation::read, 0, 16) == Error::io);
    CHECK(failing.run(Block::Operation::write, 9, 1) == Error::ok);
    CHECK(failing.run(Block::Operation::write, 16, 1) == Error::io);
    CHECK(failing.run(Block::Operation::write, 10, 20) == Error::io);
    CHECK(failing.run(Block::Operation::flush, 0, 0) == Error::io);
    // One that fails is no other's business. (QEMU makes one of virtio's requests for sectors side by side.)
    for (u32 i = 0; i < 32; i++)
        CHECK(failing.submit({i, static_cast<u32>(Block::Operation::read), 1, 2 * i, i * kSectorBytes}).ok());
    failing.notify();
    for (u32 i = 0; i < 32; i++) {
        auto completion = failing.next();
        CHECK(completion.ok());
        CHECK(static_cast<Error>(completion->error) == (completion->id == 4 ? Error::io : Error::ok));
    }
    // Nor if the driver had the device read them at once.
    auto before = block().call(Block::Statistics{15});
    for (u32 i = 0; i < 16; i++)
        CHECK(failing.submit({i, static_cast<u32>(Block::Operation::read), 1, i, i * kSectorBytes}).ok());
    failing.notify();
    for (u32 i = 0; i < 16; i++) {
        auto completion = failing.next();
        CHECK(completion.ok());
        CHECK(static_cast<Error>(completion->error) == (completion->id == 8 ? Error::io : Error::ok));
    }
    auto after = block().call(Block::Statistics{15});
    CHECK(before.ok() && after.ok() && after->counts.reads.sectors == before->counts.reads.sectors + 16);
    return failing.run(Block::Operation::read, 9, 8) == Error::ok;
}

}  // namespace pith::test
