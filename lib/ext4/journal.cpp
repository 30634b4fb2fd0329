// SPDX-License-Identifier: MIT
#include "lib/ext4/journal.hpp"

#include <cstring>

#include "lib/base/assert.hpp"
#include "lib/ext4/checksum.hpp"

namespace pith::ext4 {

namespace {

constexpr usize kStagedBlocks = 64;
constexpr u32 kMinimum = 64;  ///< blocks of a log that is of use

template <typename T>
T& view(std::vector<u8>& block, usize offset = 0) {
    return *reinterpret_cast<T*>(block.data() + offset);
}

}  // namespace

Journal::Journal(BlockDevice& device, usize block_size, std::vector<JournalRun> runs)
    : device_(device), block_size_(block_size), runs_(std::move(runs)) {}

Result<u64> Journal::locate(u32 log_block) const {
    for (const JournalRun& run : runs_)
        if (log_block >= run.first && log_block - run.first < run.count)
            return run.block + (log_block - run.first);
    return Error::io;
}

Result<> Journal::read_log(u32 log_block, void* to) const {
    return device_.read(PITH_TRY(locate(log_block)) * block_size_, to, block_size_);
}

u32 Journal::tag_size() const {
    if (version3_) return 16;
    return 8u + (checksums_ ? 2 : 0) + (wide_ ? 4 : 0);
}

Result<> Journal::load() {
    std::vector<u8> block(block_size_);
    PITH_CHECK(read_log(0, block.data()));
    std::memcpy(&superblock_, block.data(), sizeof superblock_);
    if (superblock_.header.magic != jbd2::kMagic) return Error::io;
    if (superblock_.header.type != jbd2::kSuperblockV2) return Error::unsupported;
    const u32 features = superblock_.incompatible;
    if ((features & ~jbd2::kKnown) != 0 || superblock_.read_only_compatible != 0) return Error::unsupported;
    version3_ = (features & jbd2::kHasChecksumV3) != 0;
    checksums_ = version3_ || (features & jbd2::kHasChecksumV2) != 0;
    wide_ = (features & jbd2::kHas64Bit) != 0;
    if (checksums_) {
        if (superblock_.checksum_type != jbd2::kCrc32c) return Error::unsupported;
        jbd2::Superblock copy = superblock_;
        copy.checksum = 0;
        if (crc32c(~0u, &copy, sizeof copy) != superblock_.checksum) return Error::io;
    }
    seed_ = crc32c(~0u, superblock_.uuid, sizeof superblock_.uuid);
    u32 length = 0;
    for (const JournalRun& run : runs_)
        length = run.first + run.count > length ? run.first + run.count : length;
    first_ = superblock_.first;
    last_ = superblock_.length;
    if (superblock_.block_size != block_size_ || last_ > length || first_ < 1 || first_ >= last_ ||
        last_ - first_ < kMinimum)
        return Error::io;
    const u32 start = superblock_.start;
    if (start != 0 && (start < first_ || start >= last_)) return Error::io;
    sequence_ = superblock_.sequence;
    head_ = first_;
    return {};
}

Result<> Journal::write_superblock(u32 start) {
    superblock_.start = start;
    superblock_.sequence = sequence_;
    return write_superblock();
}

Result<> Journal::write_superblock() {
    superblock_.checksum = 0;
    if (checksums_) superblock_.checksum = crc32c(~0u, &superblock_, sizeof superblock_);
    std::vector<u8> block(block_size_);
    std::memcpy(block.data(), &superblock_, sizeof superblock_);
    const u64 at = PITH_TRY(locate(0));
    PITH_CHECK(device_.write(at * block_size_, block.data(), block_size_));
    return device_.flush();
}

Result<> Journal::start(bool checksums, bool wide) {
    u32 features = superblock_.incompatible | jbd2::kHasRevoke;
    features &= ~(jbd2::kHasChecksumV2 | jbd2::kHasChecksumV3 | jbd2::kHas64Bit);
    if (checksums) features |= jbd2::kHasChecksumV3;
    if (wide) features |= jbd2::kHas64Bit;
    superblock_.incompatible = features;
    superblock_.error = 0;
    superblock_.compatible = superblock_.compatible & ~jbd2::kHasChecksumV1;
    superblock_.checksum_type = checksums ? jbd2::kCrc32c : 0;
    checksums_ = version3_ = checksums;
    wide_ = wide;
    if (sequence_ == 0) sequence_ = 1;
    used_ = 0;
    return write_superblock(head_);
}

Result<> Journal::note_error() {
    superblock_.error = static_cast<u32>(-5);  // Linux's -EIO
    return write_superblock();
}

Result<> Journal::stop() { return write_superblock(0); }

Result<> Journal::checkpointed() {
    used_ = 0;
    return write_superblock(head_);
}

u32 Journal::needed(usize blocks, usize revokes) const {
    const usize tags = (block_size_ - sizeof(jbd2::Header) - 16 - tail_size()) / tag_size();
    const usize per_revoke = (block_size_ - sizeof(jbd2::RevokeHeader) - tail_size()) / (wide_ ? 8 : 4);
    return static_cast<u32>(blocks + (blocks + tags - 1) / tags + (revokes + per_revoke - 1) / per_revoke +
                            1);
}

Result<> Journal::flush_staged() {
    if (staged_.empty()) return {};
    PITH_CHECK(device_.write(staged_at_ * block_size_, staged_.data(), staged_.size()));
    staged_.clear();
    return {};
}

Result<> Journal::append(const void* block) {
    const u64 at = PITH_TRY(locate(head_));
    if (!staged_.empty() &&
        (staged_at_ + staged_.size() / block_size_ != at || staged_.size() >= kStagedBlocks * block_size_))
        PITH_CHECK(flush_staged());
    if (staged_.empty()) staged_at_ = at;
    const auto* bytes = static_cast<const u8*>(block);
    staged_.insert(staged_.end(), bytes, bytes + block_size_);
    head_ = next(head_);
    used_++;
    return {};
}

/// The checksum at the end of a descriptor or revoke block.
void Journal::seal(std::vector<u8>& block) const {
    if (!checksums_) return;
    auto& tail = view<jbd2::be32>(block, block_size_ - 4);
    tail = 0;
    tail = crc32c(seed_, block.data(), block_size_);
}

Result<> Journal::append_revokes(std::span<const u64> revokes) {
    std::vector<u8> block(block_size_);
    const usize each = wide_ ? 8 : 4;
    while (!revokes.empty()) {
        std::memset(block.data(), 0, block_size_);
        usize at = sizeof(jbd2::RevokeHeader);
        for (; !revokes.empty() && at + each <= block_size_ - tail_size(); at += each) {
            if (wide_) view<jbd2::Big<u64>>(block, at) = revokes.front();
            else view<jbd2::be32>(block, at) = static_cast<u32>(revokes.front());
            revokes = revokes.subspan(1);
        }
        view<jbd2::RevokeHeader>(block) = {{jbd2::kMagic, jbd2::kRevoke, sequence_}, static_cast<u32>(at)};
        seal(block);
        PITH_CHECK(append(block.data()));
    }
    return {};
}

Result<> Journal::append_blocks(std::span<Buffer* const> blocks) {
    std::vector<u8> descriptor(block_size_), copy(block_size_);
    const usize tags = (block_size_ - sizeof(jbd2::Header) - 16 - tail_size()) / tag_size();
    const jbd2::be32 sequence = sequence_;
    while (!blocks.empty()) {
        const auto part = blocks.subspan(0, blocks.size() < tags ? blocks.size() : tags);
        blocks = blocks.subspan(part.size());
        std::memset(descriptor.data(), 0, block_size_);
        view<jbd2::Header>(descriptor) = {jbd2::kMagic, jbd2::kDescriptor, sequence_};
        usize at = sizeof(jbd2::Header);
        for (const Buffer* buffer : part) {
            jbd2::be32 word;
            std::memcpy(&word, buffer->data, 4);
            u32 flags = word == jbd2::kMagic ? jbd2::kEscaped : 0;
            if (buffer != part.front()) flags |= jbd2::kSameUuid;
            if (buffer == part.back()) flags |= jbd2::kLastTag;
            // The checksum is that of the block as it is in the log.
            u32 checksum = 0;
            if (version3_) {
                checksum = crc32c(seed_, &sequence, 4);
                if ((flags & jbd2::kEscaped) != 0) {
                    const u32 zero = 0;
                    checksum = crc32c(crc32c(checksum, &zero, 4), buffer->data + 4, block_size_ - 4);
                } else {
                    checksum = crc32c(checksum, buffer->data, block_size_);
                }
                view<jbd2::Tag3>(descriptor, at) = {static_cast<u32>(buffer->block), flags,
                                                    static_cast<u32>(buffer->block >> 32), checksum};
            } else {
                view<jbd2::be32>(descriptor, at) = static_cast<u32>(buffer->block);
                view<jbd2::be32>(descriptor, at + 4) = flags;  // a checksum of 16 bits, 0, and the flags
                if (wide_) view<jbd2::be32>(descriptor, at + 8) = static_cast<u32>(buffer->block >> 32);
            }
            at += tag_size();
            if (buffer == part.front()) {
                std::memcpy(descriptor.data() + at, superblock_.uuid, 16);
                at += 16;
            }
        }
        seal(descriptor);
        PITH_CHECK(append(descriptor.data()));
        for (const Buffer* buffer : part) {
            jbd2::be32 word;
            std::memcpy(&word, buffer->data, 4);
            if (word != jbd2::kMagic) {
                PITH_CHECK(append(buffer->data));
                continue;
            }
            std::memcpy(copy.data(), buffer->data, block_size_);
            std::memset(copy.data(), 0, 4);
            PITH_CHECK(append(copy.data()));
        }
    }
    return {};
}

Result<> Journal::append_commit(Time now) {
    std::vector<u8> block(block_size_);
    auto& commit = view<jbd2::Commit>(block);
    commit.header = {jbd2::kMagic, jbd2::kCommit, sequence_};
    commit.seconds_high = static_cast<u32>(static_cast<u64>(now.seconds) >> 32);
    commit.seconds_low = static_cast<u32>(now.seconds);
    commit.nanoseconds = now.nanoseconds;
    if (checksums_) commit.checksum[0] = crc32c(seed_, block.data(), block_size_);
    return append(block.data());
}

Result<> Journal::commit(std::span<Buffer* const> blocks, std::span<const u64> revokes, Time now) {
    if (needed(blocks.size(), revokes.size()) >= free()) return Error::no_space;
    PITH_CHECK(append_revokes(revokes));
    PITH_CHECK(append_blocks(blocks));
    PITH_CHECK(flush_staged());
    PITH_CHECK(device_.flush());
    PITH_CHECK(append_commit(now));
    PITH_CHECK(flush_staged());
    PITH_CHECK(device_.flush());
    sequence_++;
    return {};
}

}  // namespace pith::ext4
