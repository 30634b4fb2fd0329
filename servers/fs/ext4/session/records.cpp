// SPDX-License-Identifier: MIT
#include "servers/fs/ext4/session/records.hpp"

#include "lib/ext4/checksum.hpp"

namespace pith::ext4fs {

namespace {

u32 checksum(const CommitRecord& record) {
    return ext4::crc32c(0x7069'7468, &record, offsetof(CommitRecord, checksum));
}

bool valid(const CommitRecord& record) { return record.checksum == checksum(record); }

}  // namespace

void CommitRecords::settle(u32 last) {
    for (CommitRecord& record : records_)
        // Numbers of transactions go round.
        if (!valid(record) || static_cast<i32>(record.transaction - last) > 0) record = {};
}

std::optional<u64> CommitRecords::committed(u64 session) const {
    std::optional<u64> most;
    for (const CommitRecord& record : records_)
        if (valid(record) && record.session == session && (!most || record.change > *most))
            most = record.change;
    return most;
}

void CommitRecords::store(u64 session, u64 change, u32 transaction) {
    CommitRecord* oldest = nullptr;
    for (CommitRecord& record : records_) {
        const bool useless = !valid(record) || record.session != session;
        if (oldest == nullptr || useless || record.change < oldest->change) oldest = &record;
        if (useless) break;
    }
    CommitRecord record{session, change, transaction, 0};
    record.checksum = checksum(record);
    *oldest = record;
}

}  // namespace pith::ext4fs
