// SPDX-License-Identifier: MIT
// A disk whose every sector's content is known, and the requests of the pattern (tests/storage/pattern.hpp) on it.
#pragma once

#include "tests/storage/disks_test/disk.hpp"
#include "tests/storage/disks_test/harness.hpp"
#include "tests/storage/pattern.hpp"

namespace pith::test {

/// How often each of its sectors was written; by one client, or by two at once.
struct Tracked {
    Tracked(u64 index, u64 which) : disk(block()), number(index), seed(which) {}
    Disk disk;
    Disk* partner = nullptr;  ///< the other client
    u64 number;
    u64 seed;
    u16 versions[kDiskSectors] = {};

    /// Puts in a window what a step writes.
    void fill(const Disk& client, const Step& step, u64 offset) const;
    /// What a step has read is what there has to be.
    bool holds(const Disk& client, const Step& step, u64 offset) const;
    /// Reads, and checks.
    bool read(u32 sector, u32 sectors);
    /// One phase of the pattern, as many requests under way as it says, each checked when it comes back. With two clients
    /// each has every other stripe.
    bool run_phase(u32 number);
};

extern Tracked first, second, read_only;

}  // namespace pith::test
