// SPDX-License-Identifier: MIT
// Blocks of the allocator, with boundary tags.
#include "lib/os/tlsf.hpp"

namespace pith {

namespace {

constexpr usize kFree = 1;
constexpr usize kPreviousFree = 2;
constexpr usize kFlags = kFree | kPreviousFree;
constexpr usize kLargest = usize{1} << 28;

unsigned top_bit(usize size) { return 63u - static_cast<unsigned>(__builtin_clzll(size)); }

}  // namespace

/// `size` is that of the user's area, which starts at `next_free`. `previous` is valid if the block before is
/// free.
struct Tlsf::Block {
    Block* previous;
    usize size;
    Block* next_free;
    Block* previous_free;
    usize bytes() const { return size & ~kFlags; }
    bool free() const { return (size & kFree) != 0; }
    bool previous_is_free() const { return (size & kPreviousFree) != 0; }
    void* area() { return &next_free; }
    Block* next() { return reinterpret_cast<Block*>(reinterpret_cast<u8*>(this) + kOverhead + bytes()); }
    static Block* of(void* area) { return reinterpret_cast<Block*>(static_cast<u8*>(area) - 16); }
};

Tlsf::Index Tlsf::index_of(usize size) {
    if (size < (usize{1} << kFirstShift))
        return {0, static_cast<unsigned>(size >> (kFirstShift - kSecondBits))};
    const unsigned top = top_bit(size);
    return {top - kFirstShift + 1, static_cast<unsigned>(size >> (top - kSecondBits)) ^ kSecondCount};
}

void Tlsf::insert(Block* block) {
    const Index i = index_of(block->bytes());
    block->next_free = lists_[i.first][i.second];
    block->previous_free = nullptr;
    if (block->next_free != nullptr) block->next_free->previous_free = block;
    lists_[i.first][i.second] = block;
    first_map_ |= 1u << i.first;
    second_map_[i.first] |= 1u << i.second;
    block->size |= kFree;
    block->next()->previous = block;
    block->next()->size |= kPreviousFree;
}

void Tlsf::remove(Block* block) {
    const Index i = index_of(block->bytes());
    if (block->next_free != nullptr) block->next_free->previous_free = block->previous_free;
    if (block->previous_free != nullptr) block->previous_free->next_free = block->next_free;
    else lists_[i.first][i.second] = block->next_free;
    if (lists_[i.first][i.second] == nullptr) {
        second_map_[i.first] &= ~(1u << i.second);
        if (second_map_[i.first] == 0) first_map_ &= ~(1u << i.first);
    }
    block->size &= ~kFree;
    block->next()->size &= ~kPreviousFree;
}

/// A free block of at least `size`, taken out of its list; nullptr: none.
Tlsf::Block* Tlsf::find(usize size) {
    usize rounded = size;
    // In a list whose blocks differ in size the first may be too small: look from the next list on.
    if (size >= (usize{1} << kFirstShift)) rounded += (usize{1} << (top_bit(size) - kSecondBits)) - 1;
    Index i = index_of(rounded);
    if (i.first >= kFirstCount) return nullptr;
    u32 map = second_map_[i.first] & (~0u << i.second);
    if (map == 0) {
        const u32 above = first_map_ & (~0u << (i.first + 1));
        if (above == 0) return nullptr;
        i.first = static_cast<unsigned>(__builtin_ctz(above));
        map = second_map_[i.first];
    }
    Block* block = lists_[i.first][static_cast<unsigned>(__builtin_ctz(map))];
    remove(block);
    return block;
}

/// Joins a block that is in no list with its free neighbours, and puts it in a list.
void Tlsf::put_back(Block* block) {
    if (block->previous_is_free()) {
        Block* before = block->previous;
        remove(before);
        before->size += block->bytes() + kOverhead;
        block = before;
    }
    Block* after = block->next();
    if (after->free()) {
        remove(after);
        block->size += after->bytes() + kOverhead;
    }
    insert(block);
}

/// Cuts what is beyond `size` off a block that is in use.
void Tlsf::trim(Block* block, usize size) {
    if (block->bytes() < size + kOverhead + kSmallestArea) return;
    const usize rest = block->bytes() - size - kOverhead;
    block->size = size | (block->size & kPreviousFree);
    Block* tail = block->next();
    tail->size = rest;
    put_back(tail);
}

void Tlsf::add(u64 address, usize size) {
    if (size < 64) return;
    Block* block;
    if (last_ != nullptr && reinterpret_cast<u64>(last_) + 16 == address) {
        block = last_;
        block->size = (size - kOverhead) | (block->size & kPreviousFree);
    } else {
        // The first word stands for the tail of a block that does not exist.
        block = first_ = reinterpret_cast<Block*>(address);
        block->size = size - 24;
    }
    last_ = block->next();
    last_->size = 0;
    put_back(block);
}

usize Tlsf::needed(usize size, usize alignment) {
    const usize area = area_size(size + (alignment > kAlign ? alignment + kOverhead + kSmallestArea : 0));
    return area + area / kSecondCount + 64;
}

void* Tlsf::allocate(usize size) {
    if (size > kLargest) return nullptr;
    const usize area = area_size(size);
    Block* block = find(area);
    if (block == nullptr) return nullptr;
    trim(block, area);
    allocated_ += block->bytes() + kOverhead;
    return block->area();
}

void* Tlsf::allocate_aligned(usize size, usize alignment) {
    if (alignment <= kAlign) return allocate(size);
    if (size > kLargest || alignment > kLargest) return nullptr;
    Block* block = find(area_size(size + alignment + kOverhead + kSmallestArea));
    if (block == nullptr) return nullptr;
    const u64 raw = reinterpret_cast<u64>(block->area());
    u64 aligned = (raw + alignment - 1) & ~(u64{alignment} - 1);
    if (aligned != raw) {
        // The part in front becomes a block of its own.
        while (aligned - raw < kOverhead + kSmallestArea) aligned += alignment;
        const usize front = aligned - raw - kOverhead;
        const usize rest = block->bytes() - front - kOverhead;
        block->size = front | (block->size & kPreviousFree);
        Block* tail = block->next();
        tail->size = rest;
        put_back(block);
        block = tail;
    }
    trim(block, area_size(size));
    allocated_ += block->bytes() + kOverhead;
    return block->area();
}

void Tlsf::release(void* area) {
    Block* block = Block::of(area);
    allocated_ -= block->bytes() + kOverhead;
    put_back(block);
}

usize Tlsf::usable(const void* area) { return Block::of(const_cast<void*>(area))->bytes(); }

bool Tlsf::consistent() const {
    usize free_blocks = 0;
    bool previous_free = false;
    for (Block* block = first_; block != nullptr && block != last_; block = block->next()) {
        if (block->bytes() % 16 != 8 || block->bytes() < kSmallestArea || block > last_) return false;
        if (block->previous_is_free() != previous_free || (previous_free && block->free())) return false;
        if (block->free() && block->next()->previous != block) return false;
        previous_free = block->free();
        free_blocks += previous_free ? 1 : 0;
    }
    usize listed = 0;
    for (unsigned first = 0; first < kFirstCount; first++)
        for (unsigned second = 0; second < kSecondCount; second++) {
            if ((lists_[first][second] != nullptr) != ((second_map_[first] >> second & 1) != 0)) return false;
            for (Block* block = lists_[first][second]; block != nullptr; block = block->next_free) {
                const Index i = index_of(block->bytes());
                if (!block->free() || i.first != first || i.second != second) return false;
                listed++;
            }
        }
    return listed == free_blocks;
}

}  // namespace pith
