// SPDX-License-Identifier: MIT
// How far a client's changes are committed, across the server's death: records in memory that outlives it. One is written before
// a transaction's commit block is, and says which change that transaction ends with; it is true if the transaction is found in the journal
// afterwards. There are two for each mount, so that the last true one is never overwritten. One that was cut off while it was written, or that
// memory has spoilt, is told by its checksum.
#pragma once

#include <optional>
#include <span>

#include "abi/types.hpp"

namespace pith::ext4fs {

struct CommitRecord {
    u64 session;
    u64 change;       ///< the last one that was carried out
    u32 transaction;  ///< the journal's
    u32 checksum;     ///< of the rest; zeros are no record
};
static_assert(sizeof(CommitRecord) == 24);

class CommitRecords {
  public:
    static constexpr usize kCount = 2;
    explicit CommitRecords(std::span<CommitRecord, kCount> records) : records_(records) {}

    /// The journal ends with `last`: forgets what says more.
    void settle(u32 last);
    /// The session's last committed change; nothing: none of it is known to be.
    std::optional<u64> committed(u64 session) const;
    /// `transaction` will end with `change`, or is committed and ends with it.
    void store(u64 session, u64 change, u32 transaction);

  private:
    std::span<CommitRecord, kCount> records_;
};

}  // namespace pith::ext4fs
