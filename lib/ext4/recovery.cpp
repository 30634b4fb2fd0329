// SPDX-License-Identifier: MIT
// Replaying the journal. One pass over the log collects, transaction by transaction, which blocks it holds the newest
// committed content of; a revoke takes back what was logged up to its transaction. Then they are written home.
#include <algorithm>
#include <cstring>
#include <map>

#include "lib/ext4/checksum.hpp"
#include "lib/ext4/journal.hpp"

namespace pith::ext4 {

namespace {

template <typename T>
const T& view(const std::vector<u8>& block, usize offset = 0) {
    return *reinterpret_cast<const T*>(block.data() + offset);
}

struct Logged {
    u32 log_block;
    bool escaped;
};

}  // namespace

struct Journal::Scan {
    u64 blocks;  ///< of the file system
    u32 at;      ///< in the log
    u32 sequence;
    u32 seen = 0;  ///< blocks of the log
    u32 transactions = 0;
    bool broken = false;  ///< a block of the current transaction is not what its tag says
    std::vector<u8> block;
    std::vector<std::pair<u64, Logged>> logged;  ///< of the current transaction
    std::vector<u64> revoked;                    ///< likewise
    std::map<u64, Logged> newest;                ///< of the committed ones

    void advance(const Journal& journal) {
        at = journal.next(at);
        seen++;
    }
};

bool Journal::block_checksum_right(std::vector<u8>& block) const {
    if (!checksums_) return true;
    auto& tail = *reinterpret_cast<jbd2::be32*>(block.data() + block_size_ - 4);
    const u32 stored = tail;
    tail = 0;
    const bool right = crc32c(seed_, block.data(), block_size_) == stored;
    tail = stored;
    return right;
}

Result<> Journal::scan_descriptor(Scan& scan) {
    const std::vector<u8> descriptor = scan.block;
    const usize end = block_size_ - tail_size();
    const jbd2::be32 sequence = scan.sequence;
    for (usize at = sizeof(jbd2::Header); at + tag_size() <= end;) {
        u32 flags, checksum = 0;
        u64 home = view<jbd2::be32>(descriptor, at);
        if (version3_) {
            const auto& tag = view<jbd2::Tag3>(descriptor, at);
            flags = tag.flags;
            checksum = tag.checksum;
            if (wide_) home |= u64{tag.block_high} << 32;
        } else {
            const u32 word = view<jbd2::be32>(descriptor, at + 4);
            flags = word & 0xffff;
            checksum = word >> 16;
            if (wide_) home |= u64{view<jbd2::be32>(descriptor, at + 8)} << 32;
        }
        at += tag_size();
        if ((flags & jbd2::kSameUuid) == 0) at += 16;
        if (scan.seen >= capacity()) return {};
        PITH_CHECK(read_log(scan.at, scan.block.data()));
        if (checksums_) {
            const u32 found = crc32c(crc32c(seed_, &sequence, 4), scan.block.data(), block_size_);
            if ((version3_ ? found : found & 0xffff) != checksum) scan.broken = true;
        }
        if (home >= scan.blocks) scan.broken = true;
        else scan.logged.push_back({home, {scan.at, (flags & jbd2::kEscaped) != 0}});
        scan.advance(*this);
        if ((flags & jbd2::kLastTag) != 0) break;
    }
    return {};
}

bool Journal::scan_revokes(Scan& scan) {
    const u32 bytes = view<jbd2::RevokeHeader>(scan.block).bytes;
    const usize each = wide_ ? 8 : 4;
    if (bytes < sizeof(jbd2::RevokeHeader) || bytes > block_size_ - tail_size()) return false;
    for (usize at = sizeof(jbd2::RevokeHeader); at + each <= bytes; at += each)
        scan.revoked.push_back(wide_ ? u64{view<jbd2::Big<u64>>(scan.block, at)}
                                     : u64{view<jbd2::be32>(scan.block, at)});
    return true;
}

void Journal::scan_commit(Scan& scan) {
    for (const auto& [home, logged] : scan.logged) scan.newest.insert_or_assign(home, logged);
    for (const u64 home : scan.revoked) scan.newest.erase(home);
    scan.logged.clear();
    scan.revoked.clear();
    scan.transactions++;
    scan.sequence++;
}

/// One block of the log, with what belongs to it; false: the log ends here.
Result<bool> Journal::scan_block(Scan& scan) {
    PITH_CHECK(read_log(scan.at, scan.block.data()));
    const jbd2::Header header = view<jbd2::Header>(scan.block);
    if (header.magic != jbd2::kMagic || header.sequence != scan.sequence) return false;
    scan.advance(*this);
    switch (u32{header.type}) {
        case jbd2::kDescriptor:
            if (!block_checksum_right(scan.block)) return false;
            PITH_CHECK(scan_descriptor(scan));
            return true;
        case jbd2::kRevoke: return block_checksum_right(scan.block) && scan_revokes(scan);
        case jbd2::kCommit: {
            auto& commit = *reinterpret_cast<jbd2::Commit*>(scan.block.data());
            const u32 stored = commit.checksum[0];
            commit.checksum[0] = 0;
            if (checksums_ && crc32c(seed_, scan.block.data(), block_size_) != stored) return false;
            if (scan.broken) return Error::io;
            scan_commit(scan);
            return true;
        }
        default: return false;
    }
}

Result<> Journal::scan(Scan& scan) {
    while (scan.seen < capacity())
        if (!PITH_TRY(scan_block(scan))) break;
    return {};
}

Result<u32> Journal::replay(u64 blocks, const std::function<void(u32)>& found) {
    Scan scan{.blocks = blocks, .at = superblock_.start, .sequence = superblock_.sequence};
    scan.block.resize(block_size_);
    if (dirty()) PITH_CHECK(this->scan(scan));
    found(scan.sequence - 1);
    for (const auto& [home, logged] : scan.newest) {
        PITH_CHECK(read_log(logged.log_block, scan.block.data()));
        if (logged.escaped) {
            const jbd2::be32 magic = jbd2::kMagic;
            std::memcpy(scan.block.data(), &magic, 4);
        }
        PITH_CHECK(device_.write(home * block_size_, scan.block.data(), block_size_));
    }
    PITH_CHECK(device_.flush());
    PITH_CHECK(reset(scan.sequence));
    return scan.transactions;
}

Result<> Journal::discard() {
    Scan scan{.blocks = ~u64{0}, .at = superblock_.start, .sequence = superblock_.sequence};
    scan.block.resize(block_size_);
    static_cast<void>(this->scan(scan));
    return reset(scan.sequence);
}

/// `sequence` is that of the transaction that was cut off: it may still be in the log, so it is not used again.
Result<> Journal::reset(u32 sequence) {
    sequence_ = sequence + 1;
    head_ = first_;
    return write_superblock(0);
}

}  // namespace pith::ext4
