// SPDX-License-Identifier: MIT
#include "lib/ext4/cache.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

#include "lib/base/assert.hpp"

namespace pith::ext4 {

namespace {

constexpr usize kMaxSpare = 64;

usize bucket_count(usize capacity) {
    usize count = 64;
    while (count < capacity) count *= 2;
    return count;
}

}  // namespace

BlockCache::BlockCache(BlockDevice& device, usize block_size, u64 blocks, usize capacity)
    : device_(device),
      block_size_(block_size),
      blocks_(blocks),
      capacity_(capacity),
      buckets_(bucket_count(capacity)) {}

BlockCache::~BlockCache() {
    for (Buffer* buffer = oldest_; buffer != nullptr;) {
        Buffer* next = buffer->newer;
        delete[] buffer->saved;
        delete[] buffer->data;
        delete buffer;
        buffer = next;
    }
    for (u8* memory : spare_) delete[] memory;
}

Buffer* BlockCache::find(u64 block) {
    Buffer* buffer = buckets_[block & (buckets_.size() - 1)];
    while (buffer != nullptr && buffer->block != block) buffer = buffer->bucket_next;
    return buffer;
}

void BlockCache::unlink(Buffer& buffer) {
    (buffer.older != nullptr ? buffer.older->newer : oldest_) = buffer.newer;
    (buffer.newer != nullptr ? buffer.newer->older : newest_) = buffer.older;
    buffer.older = buffer.newer = nullptr;
}

void BlockCache::touch(Buffer& buffer) {
    if (newest_ == &buffer) return;
    if (buffer.newer != nullptr || oldest_ == &buffer) unlink(buffer);
    buffer.older = newest_;
    (newest_ != nullptr ? newest_->newer : oldest_) = &buffer;
    newest_ = &buffer;
}

Result<Buffer*> BlockCache::insert(u64 block) {
    auto* buffer = new (std::nothrow) Buffer;
    auto* data = new (std::nothrow) u8[block_size_];
    if (buffer == nullptr || data == nullptr) {
        delete buffer;
        delete[] data;
        return Error::no_memory;
    }
    buffer->block = block;
    buffer->data = data;
    Buffer*& bucket = buckets_[block & (buckets_.size() - 1)];
    buffer->bucket_next = bucket;
    bucket = buffer;
    touch(*buffer);
    count_++;
    return buffer;
}

void BlockCache::drop(Buffer& buffer) {
    Buffer** at = &buckets_[buffer.block & (buckets_.size() - 1)];
    while (*at != &buffer) at = &(*at)->bucket_next;
    *at = buffer.bucket_next;
    unlink(buffer);
    delete[] buffer.data;
    delete &buffer;
    count_--;
}

Result<Buffer*> BlockCache::read(u64 block) {
    if (Buffer* buffer = find(block); buffer != nullptr) {
        touch(*buffer);
        return buffer;
    }
    if (block >= blocks_) return Error::io;
    Buffer* buffer = PITH_TRY(insert(block));
    if (Result<> done = device_.read(block * block_size_, buffer->data, block_size_); !done.ok()) {
        drop(*buffer);
        return done.error();
    }
    return buffer;
}

Result<Buffer*> BlockCache::fresh(u64 block) {
    if (block >= blocks_) return Error::io;
    Buffer* buffer = find(block);
    if (buffer != nullptr) {
        PITH_CHECK(change(*buffer));
        std::memset(buffer->data, 0, block_size_);
        return buffer;
    }
    buffer = PITH_TRY(insert(block));
    std::memset(buffer->data, 0, block_size_);
    if (const Result<> changed = change(*buffer); !changed.ok()) {
        drop(*buffer);  // it is not what the device has
        return changed.error();
    }
    return buffer;
}

Result<> BlockCache::change(Buffer& buffer) {
    if (operation_ && buffer.saved == nullptr) {
        u8* memory = nullptr;
        if (!spare_.empty()) {
            memory = spare_.back();
            spare_.pop_back();
        } else {
            memory = new (std::nothrow) u8[block_size_];
            if (memory == nullptr) return Error::no_memory;
        }
        std::memcpy(memory, buffer.data, block_size_);
        buffer.saved = memory;
        buffer.saved_running = buffer.running;
        saved_.push_back(&buffer);
    }
    if (!buffer.running) {
        buffer.running = true;
        running_.push_back(&buffer);
    }
    return {};
}

void BlockCache::begin() {
    PITH_ASSERT(!operation_ && saved_.empty());
    operation_ = true;
}

void BlockCache::finish() {
    for (Buffer* buffer : saved_) {
        if (spare_.size() < kMaxSpare) spare_.push_back(buffer->saved);
        else delete[] buffer->saved;
        buffer->saved = nullptr;
    }
    saved_.clear();
    operation_ = false;
}

void BlockCache::rollback() {
    for (Buffer* buffer : saved_) {
        std::memcpy(buffer->data, buffer->saved, block_size_);
        buffer->checked = false;
        if (!buffer->saved_running) {
            buffer->running = false;
            leave(running_, *buffer);
        }
    }
    finish();
}

void BlockCache::leave(std::vector<Buffer*>& list, Buffer& buffer) {
    // Mostly one of the last.
    for (usize i = list.size(); i-- > 0;) {
        if (list[i] != &buffer) continue;
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
        return;
    }
}

bool BlockCache::forget(u64 block) {
    PITH_ASSERT(!operation_);
    Buffer* buffer = find(block);
    if (buffer == nullptr) return false;
    const bool logged = buffer->committed;
    if (buffer->running) leave(running_, *buffer);
    if (logged) leave(committed_, *buffer);
    drop(*buffer);
    return logged;
}

void BlockCache::committed() {
    for (Buffer* buffer : running_) {
        buffer->running = false;
        if (!buffer->committed) committed_.push_back(buffer);
        buffer->committed = true;
    }
    running_.clear();
}

Result<> BlockCache::write_home() {
    std::ranges::sort(committed_, [](const Buffer* a, const Buffer* b) { return a->block < b->block; });
    for (const Buffer* buffer : committed_)
        PITH_CHECK(device_.write(buffer->block * block_size_, buffer->data, block_size_));
    for (Buffer* buffer : committed_) buffer->committed = false;
    committed_.clear();
    return {};
}

void BlockCache::trim() {
    PITH_ASSERT(!operation_);
    usize looked = 0;
    for (Buffer* buffer = oldest_; buffer != nullptr && count_ > capacity_ && looked < 64; looked++) {
        Buffer* next = buffer->newer;
        if (!buffer->running && !buffer->committed) drop(*buffer);
        else touch(*buffer);  // it is not looked at again for a while
        buffer = next;
    }
}

}  // namespace pith::ext4
