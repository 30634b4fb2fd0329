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

Result<> Disks::check_free(const Disk& mine, const BlockClient& client, u64 first, u64 count) const {
    for (usize i = 0; i < user_count_; i++) {
        if (users_[i] == &mine || !users_[i]->has(client, first, count)) continue;
        return users_[i]->used() ? Error::busy : Error::would_block;
    }
    return {};
}

}  // namespace pith::ext4fs
