// SPDX-License-Identifier: MIT
// The driver's disks: one BlockClient for each that was ever asked for, which several mounts may share.
#pragma once

#include <memory>

#include "lib/block/client.hpp"
#include "protocol/fs.hpp"
#include "servers/fs/ext4/disk.hpp"

namespace pith::ext4fs {

class Disks {
  public:
    Disks(EventLoop& loop, Client<Block> driver)
        : loop_(loop), driver_(std::move(driver)), bit_(loop.allocate_signal_bit()) {
        loop.on_signal(bit_, [this](u64) {
            for (auto& disk : disks_)
                if (disk.client) disk.client->look();
        });
    }
    /// Disk number `index`. Waits for a short time only. Errors: not_found; timed_out, held_down, ...: it may be there later.
    Result<BlockClient*> open(u64 index);
    /// A mount's, for as long as the server lives.
    void add(const Disk& user) { users_[user_count_++] = &user; }
    /// Nobody but `mine` has any of these sectors. Errors: busy; would_block: soon nobody has.
    Result<> check_free(const Disk& mine, const BlockClient& client, u64 first, u64 count) const;
    void reborn() {
        for (auto& disk : disks_)
            if (disk.open) disk.client->reborn();
    }

  private:
    struct Entry {
        std::unique_ptr<BlockClient> client;
        bool open = false;
    };
    EventLoop& loop_;
    const Client<Block> driver_;
    const u64 bit_;
    Entry disks_[Block::kMaxDisks];
    const Disk* users_[Fs::kMaxMounts] = {};
    usize user_count_ = 0;
};

}  // namespace pith::ext4fs
