// SPDX-License-Identifier: MIT
// disk_pattern make FILE SEED: an image as the test of disks expects to find it. disk_pattern check FILE SEED written|blocks|fresh:
// whether it is what has to be there after the test (blocks: of a disk with blocks of 4096 bytes), byte for byte.
#include "tests/storage/pattern.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

using namespace pith;
using namespace pith::test;

std::vector<u8> image(u64 seed, const std::vector<u32>& versions) {
    std::vector<u8> bytes(u64{kDiskSectors} * kSectorBytes);
    for (u64 sector = 0; sector < kDiskSectors; sector++)
        for (u64 word = 0; word < kSectorBytes / 8; word++) {
            const u64 value = pattern(seed, sector, versions[sector], word);
            std::memcpy(bytes.data() + sector * kSectorBytes + word * 8, &value, 8);
        }
    return bytes;
}

void count_alignments(std::vector<u32>& versions, u32 granularity) {
    for_each_alignment(granularity, [&](const Step& step, u32) {
        for (u32 s = 0; s < step.sectors; s++) versions[step.sector + s]++;
    });
}

/// How often each sector is written by all tests.
std::vector<u32> final_versions(u64 seed) {
    std::vector<u32> versions(kDiskSectors);
    count_alignments(versions, 1);
    u32 number = 0;
    for (const Phase& phase : kPhases) {
        for (u32 stripe = 0; stripe < phase.depth; stripe++) {
            Steps steps(seed, number, stripe, phase.depth);
            for (u32 i = 0; i < phase.requests; i++) {
                const Step step = steps.next();
                for (u32 s = 0; step.write && s < step.sectors; s++) versions[step.sector + s]++;
            }
        }
        number++;
    }
    return versions;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    const std::string_view what = argv[1];
    const u64 seed = std::strtoull(argv[3], nullptr, 10);
    const std::string_view state = argc > 4 ? argv[4] : "fresh";
    std::vector<u32> versions(kDiskSectors);
    if (state == "written") versions = final_versions(seed);
    else if (state == "blocks") count_alignments(versions, 8);
    const std::vector<u8> wanted = image(seed, versions);
    std::FILE* file = std::fopen(argv[2], what == "make" ? "wb" : "rb");
    if (file == nullptr) return std::perror(argv[2]), 1;
    if (what == "make")
        return std::fwrite(wanted.data(), 1, wanted.size(), file) == wanted.size() ? std::fclose(file) : 1;
    std::vector<u8> found(wanted.size() + 1);
    if (std::fread(found.data(), 1, found.size(), file) != wanted.size())
        return std::puts("another size than it had"), 1;
    for (u64 at = 0; at < wanted.size(); at++)
        if (found[at] != wanted[at])
            return std::printf("other content in sector %llu\n",
                               static_cast<unsigned long long>(at / kSectorBytes)),
                   1;
    return 0;
}
