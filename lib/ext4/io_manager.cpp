// SPDX-License-Identifier: MIT
#include "lib/ext4/io_manager.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace pith::ext4 {

namespace {

BlockCache& cache_of(io_channel channel) { return *static_cast<BlockCache*>(channel->private_data); }

errcode_t to_errcode(Error error) {
    return error == Error::no_memory ? static_cast<errcode_t>(EXT2_ET_NO_MEMORY)
                                     : static_cast<errcode_t>(EXT2_ET_SHORT_READ);
}

/// `count` blocks of the channel's size, or minus `count` bytes; calls `move` for each piece within one block of the cache.
template <typename Move>
errcode_t for_pieces(io_channel channel, unsigned long long block, int count, Move&& move) {
    BlockCache& cache = cache_of(channel);
    const u64 unit = static_cast<u64>(channel->block_size);
    if (block > cache.blocks() * (cache.block_size() / 512)) return EXT2_ET_SHORT_READ;
    u64 at = block * unit;
    u64 left = count < 0 ? static_cast<u64>(-static_cast<i64>(count)) : static_cast<u64>(count) * unit;
    while (left > 0) {
        const u64 offset = at % cache.block_size();
        const u64 size = std::min<u64>(left, cache.block_size() - offset);
        if (const Error error = move(cache, at / cache.block_size(), offset, size); error != Error::ok)
            return to_errcode(error);
        at += size;
        left -= size;
    }
    return 0;
}

errcode_t close_channel(io_channel channel) {
    if (--channel->refcount > 0) return 0;
    std::free(channel);
    return 0;
}

errcode_t set_block_size(io_channel channel, int size) {
    channel->block_size = size;
    return 0;
}

errcode_t read_blocks(io_channel channel, unsigned long long block, int count, void* data) {
    auto* to = static_cast<u8*>(data);
    return for_pieces(channel, block, count, [&to](BlockCache& cache, u64 at, u64 offset, u64 size) {
        Result<Buffer*> buffer = cache.read(at);
        if (!buffer.ok()) return buffer.error();
        std::memcpy(to, buffer.value()->data + offset, size);
        to += size;
        return Error::ok;
    });
}

errcode_t write_blocks(io_channel channel, unsigned long long block, int count, const void* data) {
    const auto* from = static_cast<const u8*>(data);
    return for_pieces(channel, block, count, [&from](BlockCache& cache, u64 at, u64 offset, u64 size) {
        Result<Buffer*> buffer = size == cache.block_size() ? cache.fresh(at) : cache.read(at);
        if (!buffer.ok()) return buffer.error();
        if (const Result<> changed = cache.change(*buffer.value()); !changed.ok()) return changed.error();
        std::memcpy(buffer.value()->data + offset, from, size);
        from += size;
        return Error::ok;
    });
}

errcode_t read_block(io_channel channel, unsigned long block, int count, void* data) {
    return read_blocks(channel, block, count, data);
}
errcode_t write_block(io_channel channel, unsigned long block, int count, const void* data) {
    return write_blocks(channel, block, count, data);
}
errcode_t flush_channel(io_channel) { return 0; }

errcode_t zero_blocks(io_channel channel, unsigned long long block, unsigned long long count) {
    for (; count > 0; block++, count--)
        if (Result<Buffer*> buffer = cache_of(channel).fresh(block); !buffer.ok())
            return to_errcode(buffer.error());
    return 0;
}

}  // namespace

CacheManager* CacheManager::opening = nullptr;

CacheManager::CacheManager(BlockCache& cache) : cache_(cache) {
    manager_.magic = EXT2_ET_MAGIC_IO_MANAGER;
    manager_.name = "pith";
    manager_.open = open;
    manager_.close = close_channel;
    manager_.set_blksize = set_block_size;
    manager_.read_blk = read_block;
    manager_.write_blk = write_block;
    manager_.flush = flush_channel;
    manager_.read_blk64 = read_blocks;
    manager_.write_blk64 = write_blocks;
    manager_.zeroout = zero_blocks;
}

errcode_t CacheManager::open(const char*, int, io_channel* channel) {
    auto* made = static_cast<io_channel>(std::calloc(1, sizeof(struct_io_channel)));
    if (made == nullptr) return EXT2_ET_NO_MEMORY;
    made->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    made->block_size = 1024;
    made->refcount = 1;
    made->manager = &opening->manager_;
    made->private_data = &opening->cache_;
    *channel = made;
    return 0;
}

errcode_t CacheManager::open_file_system(int flags, ext2_filsys* file_system) {
    opening = this;
    const errcode_t error = ext2fs_open2("", nullptr, flags, 0, 0, &manager_, file_system);
    opening = nullptr;
    return error;
}

Error library_error(errcode_t error) {
    switch (error) {
        case 0: return Error::ok;
        case EXT2_ET_NO_MEMORY: return Error::no_memory;
        case EXT2_ET_BLOCK_ALLOC_FAIL:
        case EXT2_ET_INODE_ALLOC_FAIL: return Error::no_space;
        case EXT2_ET_RO_FILSYS: return Error::access;
        case EXT2_ET_UNSUPP_FEATURE:
        case EXT2_ET_RO_UNSUPP_FEATURE:
        case EXT2_ET_REV_TOO_HIGH:
        case EXT2_ET_INODE_NOT_EXTENT: return Error::unsupported;
        default: return Error::io;
    }
}

}  // namespace pith::ext4
