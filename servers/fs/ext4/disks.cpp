// SPDX-License-Identifier: MIT
#include "servers/fs/ext4/disks.hpp"

#include "lib/os/clock.hpp"

namespace pith::ext4fs {

namespace {

constexpr abi::Time kPatience = 50 * kMillisecond;

}  // namespace

Result<BlockClient*> Disks::open(u64 index) {
    if (index >= Block::kMaxDisks) return Error::not_found;
    Entry& disk = disks_[index];
    if (!disk.client) disk.client.reset(new (std::nothrow) BlockClient(driver_, index));
    if (!disk.client) return Error::no_memory;
    if (!disk.open) {
        PITH_CHECK(disk.client->open(loop_.signal(), bit_, now() + kPatience));
        disk.open = true;
    }
    return disk.client.get();
}

}  // namespace pith::ext4fs
