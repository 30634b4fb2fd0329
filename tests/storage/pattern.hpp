// SPDX-License-Identifier: MIT
// What the test of disks writes, so that the host can tell afterwards what has to be on them. Shared by both.
//
// The disk is divided into stripes; each request in flight keeps to a stripe of its own, so what a stripe goes through doesn't
// depend on the order in which requests are done. The content of a sector is a function of the seed, its number, and how
// often it was written.
#pragma once

#include "abi/types.hpp"

namespace pith::test {

inline constexpr u32 kSectorBytes = 512;
inline constexpr u32 kStripes = 64;
inline constexpr u32 kStripeSectors = 320;
inline constexpr u32 kDiskSectors = kStripes * kStripeSectors;
inline constexpr u32 kWindowBytes = 256 * 1024;  ///< of the driver's window that is used
inline constexpr u32 kMostSectors = 256;         ///< of one request

constexpr u64 mix(u64 x) {
    x = (x ^ x >> 30) * 0xbf58'476d'1ce4'e5b9;
    x = (x ^ x >> 27) * 0x94d0'49bb'1331'11eb;
    return x ^ x >> 31;
}

/// Word `word` of a sector that was written `version` times.
constexpr u64 pattern(u64 seed, u64 sector, u64 version, u64 word) {
    return mix(mix(seed << 40 ^ sector << 16 ^ version) + word * 0x9e37'79b9'7f4a'7c15);
}

struct Step {
    bool write;
    u32 sector;  ///< on the disk
    u32 sectors;
};

/// The requests of one stripe in one phase.
class Steps {
  public:
    Steps() = default;
    Steps(u64 seed, u32 phase, u32 stripe, u32 depth)
        : state_(mix(seed * 1'000'003 + phase * 1009 + stripe)),
          stripe_(stripe),
          most_(kWindowBytes / depth / kSectorBytes) {
        if (most_ > kMostSectors) most_ = kMostSectors;
    }
    Step next() {
        const u64 r = state_ = mix(state_ + 0x9e37'79b9'7f4a'7c15);
        Step step;
        step.write = (r & 1) != 0;
        // Small ones and the largest often, anything between at times.
        const u32 kind = r >> 1 & 7;
        const u32 any = 1 + static_cast<u32>((r >> 8 & 0xffff) % most_);
        step.sectors = kind < 3 ? 1 + any % 8 : kind == 3 ? most_ : any;
        if (step.sectors > most_) step.sectors = most_;
        step.sector = stripe_ * kStripeSectors +
                      static_cast<u32>((r >> 32) % (kStripeSectors - step.sectors + 1));
        return step;
    }

  private:
    u64 state_ = 0;
    u32 stripe_ = 0;
    u32 most_ = 0;
};

struct Phase {
    u32 depth;
    u32 requests;     ///< of each stripe
    u32 kill_driver;  ///< every so many milliseconds; 0: never
    u32 kill_devices;
};
inline constexpr Phase kPhases[] = {
    {1, 96, 0, 0},  {2, 64, 0, 0},    {4, 48, 0, 0},    {8, 32, 0, 0},   {16, 24, 0, 0},   {32, 16, 0, 0},
    {64, 16, 0, 0}, {16, 400, 10, 0}, {64, 150, 12, 0}, {8, 400, 0, 10}, {32, 200, 14, 9}, {1, 800, 8, 0},
};

}  // namespace pith::test
