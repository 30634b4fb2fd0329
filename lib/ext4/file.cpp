// SPDX-License-Identifier: MIT
// FileSystem: what is in files. Data goes straight between the caller and the device; only the mapping is cached. A new block's data is
// written before the operation that maps it is finished, so before it is committed.
#include <algorithm>
#include <cstring>

#include "lib/base/round.hpp"
#include "lib/ext4/extents.hpp"
#include "lib/ext4/file_system.hpp"

namespace pith::ext4 {

namespace {

constexpr u64 kMaxRun = 2048;      ///< blocks that are allocated at once
constexpr u64 kMaxPart = 4 << 20;  ///< bytes that are written by one operation
constexpr u64 kLastBlock = 0xffff'fffe;

}  // namespace

/// Bytes of the device, at any offset.
Result<> FileSystem::read_data(u64 at, std::span<u8> to) {
    const usize block = volume_->block_size();
    while (!to.empty()) {
        const usize within = at % block;
        if (within == 0 && to.size() >= block) {
            const usize size = to.size() - to.size() % block;
            PITH_CHECK(volume_->device().read(at, to.data(), size));
            at += size;
            to = to.subspan(size);
            continue;
        }
        const usize size = std::min(to.size(), block - within);
        PITH_CHECK(volume_->device().read(at - within, bounce_.data(), block));
        std::memcpy(to.data(), bounce_.data() + within, size);
        at += size;
        to = to.subspan(size);
    }
    return {};
}

/// Within blocks from `block` on; `keep`: what is around it in the first and last block stays, else becomes zeros.
Result<> FileSystem::write_data(u64 block, usize within, std::span<const u8> from, bool keep) {
    const usize size = volume_->block_size();
    while (!from.empty()) {
        if (within == 0 && from.size() >= size) {
            const usize part = from.size() - from.size() % size;
            PITH_CHECK(volume_->device().write(block * size, from.data(), part));
            block += part / size;
            from = from.subspan(part);
            continue;
        }
        const usize part = std::min(from.size(), size - within);
        if (keep) PITH_CHECK(volume_->device().read(block * size, bounce_.data(), size));
        else std::ranges::fill(bounce_, u8{0});
        std::memcpy(bounce_.data() + within, from.data(), part);
        PITH_CHECK(volume_->device().write(block * size, bounce_.data(), size));
        block++;
        within = 0;
        from = from.subspan(part);
    }
    return {};
}

Result<usize> FileSystem::locate(FileId file, u64 offset, usize length, std::vector<Piece>& pieces) {
    return look([&]() -> Result<usize> {
        const Inode inode = PITH_TRY(open(file));
        if (!inode.regular()) return Error::wrong_type;
        const u64 end = inode.size();
        if (offset >= end) return usize{0};
        length = std::min<u64>(length, end - offset);
        const usize size = volume_->block_size();
        for (usize done = 0; done < length;) {
            const u64 at = offset + done, within = at % size;
            const u64 most = (length - done + within + size - 1) / size;
            const Mapping mapping = PITH_TRY(find_blocks(*volume_, inode, at / size, most));
            const u64 part = std::min<u64>(length - done, mapping.count * size - within);
            const bool written = mapping.state == Mapping::written;
            pieces.push_back({part, written ? mapping.block * size + within : Piece::kHole});
            done += part;
        }
        return length;
    });
}

Result<usize> FileSystem::read(FileId file, u64 offset, std::span<u8> to) {
    std::vector<Piece> pieces;
    const usize length = PITH_TRY(locate(file, offset, to.size(), pieces));
    return look([&]() -> Result<usize> {
        for (const Piece& piece : pieces) {
            const auto part = to.subspan(0, piece.length);
            if (piece.device != Piece::kHole) PITH_CHECK(read_data(piece.device, part));
            else std::ranges::fill(part, u8{0});
            to = to.subspan(piece.length);
        }
        return length;
    });
}

Result<u64> FileSystem::seek(FileId file, u64 offset, bool hole) {
    return look([&]() -> Result<u64> {
        const Inode inode = PITH_TRY(open(file));
        if (!inode.regular()) return Error::wrong_type;
        const usize size = volume_->block_size();
        const u64 end = inode.size();
        while (offset < end) {
            const u64 logical = offset / size;
            const Mapping mapping = PITH_TRY(
                find_blocks(*volume_, inode, logical, (end + size - 1) / size - logical));
            if ((mapping.state != Mapping::written) == hole) return offset;
            offset = (logical + mapping.count) * size;
            if (hole && offset >= end) return end;
        }
        return Error::not_found;
    });
}

/// Where a block of the file should be: behind the one before it, else in the inode's group.
u64 FileSystem::goal(const Inode& inode, u64 logical) {
    if (logical > 0) {
        const Result<Mapping> before = find_blocks(*volume_, inode, logical - 1, 1);
        if (before.ok() && before.value().state != Mapping::hole) return before.value().block + 1;
    }
    return ext2fs_group_first_block2(volume_->fs(), ext2fs_group_of_ino(volume_->fs(), inode.number));
}

/// Bytes of one block become zeros.
Result<> FileSystem::zero_within(const Inode& inode, u64 from, u64 to) {
    if (from >= to) return {};
    const usize block = volume_->block_size();
    const Mapping mapping = PITH_TRY(find_blocks(*volume_, inode, from / block, 1));
    if (mapping.state != Mapping::written) return {};
    const std::vector<u8> zeros(to - from);
    return write_data(mapping.block, from % block, zeros, true);
}

/// Bytes behind the end, in the last block, become zeros.
Result<> FileSystem::zero_tail(Inode& inode, u64 size) {
    return zero_within(inode, size, round_up(size, u64{volume_->block_size()}));
}

/// As much of it as one operation may; `done` counts bytes. The file is as long as it has to be afterwards.
Result<> FileSystem::write_blocks(Inode& inode, u64 offset, std::span<const u8> from, usize extents,
                                  usize& done) {
    const usize size = volume_->block_size();
    const u64 before = inode.size();
    for (; done < from.size() && extents > 0; extents--) {
        const u64 at = offset + done, logical = at / size, within = at % size;
        const u64 most = std::min<u64>((from.size() - done + within + size - 1) / size, kMaxRun);
        const Mapping mapping = PITH_TRY(find_blocks(*volume_, inode, logical, most));
        u64 block = mapping.block, count = mapping.count;
        if (mapping.state == Mapping::hole) {
            const Result<Blocks> blocks = volume_->allocate(goal(inode, logical), count);
            if (!blocks.ok() && blocks.error() == Error::no_space && done > 0) return {};
            if (!blocks.ok()) return blocks.error();
            block = blocks.value().first;
            count = blocks.value().count;
        }
        const auto part = from.subspan(done, std::min<u64>(from.size() - done, count * size - within));
        PITH_CHECK(write_data(block, within, part, mapping.state == Mapping::written));
        if (mapping.state == Mapping::hole)
            PITH_CHECK(add_extent(*volume_, inode, logical, {block, count}, false));
        if (mapping.state == Mapping::unwritten) PITH_CHECK(mark_written(*volume_, inode, logical, count));
        done += part.size();
        if (offset + done > before) inode.set_size(std::max(inode.size(), offset + done));
    }
    return {};
}

Result<usize> FileSystem::write_part(FileId file, u64 offset, std::span<const u8> from, usize extents) {
    return operate(volume_->step() * 6 + 16, [&]() -> Result<usize> {
        Inode inode = PITH_TRY(open(file));
        if (!inode.regular()) return Error::wrong_type;
        if ((inode.raw->i_flags & EXT4_EXTENTS_FL) == 0) return Error::unsupported;
        PITH_CHECK(volume_->edit(inode));
        if (offset > inode.size()) PITH_CHECK(zero_tail(inode, inode.size()));
        usize done = 0;
        PITH_CHECK(write_blocks(inode, offset, from, extents, done));
        stamp(inode, true);
        return done;
    });
}

Result<usize> FileSystem::write(FileId file, u64 offset, std::span<const u8> from) {
    const u64 end = offset + from.size();
    if (end < offset || end > kLastBlock * volume_->block_size()) return Error::invalid;
    // A file that was cut by the running transaction and grows again: what is behind its end may be zeroed only when that is durable.
    if (const auto cut = stale_tails_.find(file.inode); cut != stale_tails_.end() && end > cut->second)
        PITH_CHECK(commit());
    usize done = 0;
    while (done < from.size()) {
        const auto rest = from.subspan(done, std::min<u64>(from.size() - done, kMaxPart));
        Result<usize> part = write_part(file, offset + done, rest, volume_->step());
        // What was overwritten before the space ran out is not undone, and so it has to count: then one extent at a time.
        if (!part.ok() && part.error() == Error::no_space) part = write_part(file, offset + done, rest, 1);
        if (!part.ok()) {
            if (part.error() == Error::no_space && done > 0) return done;
            return part.error();
        }
        done += part.value();
    }
    return done;
}

/// One operation of a truncation: `first` sets the size. True: nothing is left behind it.
Result<bool> FileSystem::cut(FileId file, u64 size, bool first) {
    const usize block = volume_->block_size();
    return operate(volume_->step() * 6 + 16, [&]() -> Result<bool> {
        Inode inode = PITH_TRY(open(file));
        PITH_CHECK(volume_->edit(inode));
        const bool listed = !first;
        if (first) {
            inode.set_size(size);
            stamp(inode, true);
        }
        const bool all = PITH_TRY(cut_extents(*volume_, inode, (size + block - 1) / block, volume_->step()));
        if (!all && !listed && inode.raw->i_links_count != 0) PITH_CHECK(add_orphan(inode));
        if (all && listed && inode.raw->i_links_count != 0) PITH_CHECK(remove_orphan(inode));
        return all;
    });
}

Result<> FileSystem::grow(FileId file, u64 size) {
    return operate(2, [&]() -> Result<> {
        Inode inode = PITH_TRY(open(file));
        if ((inode.raw->i_flags & EXT4_EXTENTS_FL) == 0) return Error::unsupported;
        PITH_CHECK(volume_->edit(inode));
        PITH_CHECK(zero_tail(inode, inode.size()));
        inode.set_size(size);
        stamp(inode, true);
        return {};
    });
}

Result<> FileSystem::truncate(FileId file, u64 size) {
    if (size > kLastBlock * volume_->block_size()) return Error::invalid;
    const Inode inode = PITH_TRY(look([&] { return open(file); }));
    if (!inode.regular()) return Error::wrong_type;
    const u64 before = inode.size();
    const auto stale = stale_tails_.find(file.inode);
    if (size > before) {
        if (stale != stale_tails_.end()) PITH_CHECK(commit());
        return grow(file, size);
    }
    bool all = PITH_TRY(cut(file, size, true));
    if (size % volume_->block_size() == 0) stale_tails_.erase(file.inode);
    else if (size < before) stale_tails_[file.inode] = size;  // as long as before: what it was stays
    while (!all) all = PITH_TRY(cut(file, size, false));
    return {};
}

Result<> FileSystem::allocate(FileId file, u64 offset, u64 length, bool keep_size) {
    const usize size = volume_->block_size();
    const u64 end = offset + length;
    if (length == 0 || end < offset || end > kLastBlock * size) return Error::invalid;
    if (const auto cut = stale_tails_.find(file.inode); cut != stale_tails_.end()) PITH_CHECK(commit());
    const u64 last = (end + size - 1) / size;
    for (u64 at = offset / size; at < last;) {
        at = PITH_TRY(operate(volume_->step() * 6 + 16, [&]() -> Result<u64> {
            Inode inode = PITH_TRY(open(file));
            if (!inode.regular()) return Error::wrong_type;
            if ((inode.raw->i_flags & EXT4_EXTENTS_FL) == 0) return Error::unsupported;
            PITH_CHECK(volume_->edit(inode));
            u64 next = at;
            for (usize extents = volume_->step(); next < last && extents > 0; extents--) {
                const Mapping mapping = PITH_TRY(
                    find_blocks(*volume_, inode, next, std::min(last - next, kMaxRun)));
                u64 count = mapping.count;
                if (mapping.state == Mapping::hole) {
                    const Blocks blocks = PITH_TRY(volume_->allocate(goal(inode, next), count));
                    PITH_CHECK(add_extent(*volume_, inode, next, blocks, true));
                    count = blocks.count;
                }
                next += count;
            }
            if (const u64 reached = std::min(next * size, end); !keep_size && reached > inode.size()) {
                PITH_CHECK(zero_tail(inode, inode.size()));
                inode.set_size(reached);
            }
            stamp(inode, true);
            return next;
        }));
    }
    return {};
}

Result<> FileSystem::punch(FileId file, u64 offset, u64 length) {
    const u64 size = volume_->block_size(), end = offset + length;
    if (length == 0 || end < offset || end > kLastBlock * size) return Error::invalid;
    const u64 first = (offset + size - 1) / size;
    for (u64 at = first, last = first, start = 1; start != 0 || at < last; start = 0) {
        at = PITH_TRY(operate(volume_->step() * 6 + 16, [&]() -> Result<u64> {
            Inode inode = PITH_TRY(open(file));
            if (!inode.regular()) return Error::wrong_type;
            if ((inode.raw->i_flags & EXT4_EXTENTS_FL) == 0) return Error::unsupported;
            PITH_CHECK(volume_->edit(inode));
            // Nothing of a block is left when all of it that is in the file goes.
            last = end >= inode.size() ? (end + size - 1) / size : end / size;
            if (start != 0) {
                const u64 stop = std::min(end, inode.size());
                PITH_CHECK(zero_within(inode, offset, std::min(first * size, stop)));
                if (last >= first) PITH_CHECK(zero_within(inode, last * size, stop));
            }
            u64 next = at;
            for (usize extents = volume_->step(); next < last && extents > 0; extents--) {
                const Mapping mapping = PITH_TRY(find_blocks(*volume_, inode, next, last - next));
                if (mapping.state != Mapping::hole) PITH_CHECK(free_blocks(*volume_, inode, next, mapping));
                next += mapping.count;
            }
            stamp(inode, true);
            return next;
        }));
    }
    return {};
}

}  // namespace pith::ext4
