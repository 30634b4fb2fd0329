// SPDX-License-Identifier: MIT
// The component's heap: operator new/delete and malloc over its run Pool. A two-level segregated fit (Masmano et
// al., "TLSF", ECRTS 2004): constant time, good fit, neighbours joined at once. It grows upwards from kHeapBase in
// Memories of its own and does not shrink; buffers of many pages are better a MappedMemory. Exhaustion: malloc and
// nothrow new give null; plain new ends the component with a report.
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>

#include "lib/os/heap.hpp"
#include "lib/os/panic.hpp"
#include "lib/os/start_info.hpp"

namespace pith {

namespace {

constexpr usize kAlign = 16;
constexpr unsigned kSecondBits = 4;
constexpr unsigned kSecondCount = 1u << kSecondBits;
constexpr unsigned kFirstShift = 8;  // below 256 bytes the lists are linear, 16 bytes apart
constexpr unsigned kFirstCount = 21; // up to 256 MiB
constexpr usize kFree = 1;
constexpr usize kPreviousFree = 2;
constexpr usize kFlags = kFree | kPreviousFree;
constexpr u64 kSmallestGrowth = 32 * 1024;
constexpr u64 kLargestGrowth = 512 * 1024;

/// A block: `size` is that of the user's area, which starts at `next_free`. `previous` is valid if the block before is free, and
/// is the last word of its area.
struct Block {
    Block* previous;
    usize size;
    Block* next_free;
    Block* previous_free;
    usize bytes() const { return size & ~kFlags; }
    bool free() const { return (size & kFree) != 0; }
    bool previous_is_free() const { return (size & kPreviousFree) != 0; }
    void* area() { return &next_free; }
    Block* next() { return reinterpret_cast<Block*>(reinterpret_cast<u8*>(this) + 8 + bytes()); }
    static Block* of(void* area) { return reinterpret_cast<Block*>(static_cast<u8*>(area) - 16); }
};
// Blocks overlap by their first word: it is the tail of the area before. Areas are 16n + 8 bytes, 16 aligned.
constexpr usize kOverhead = 8;
constexpr usize kSmallestArea = 24;

class SpinLock {
  public:
    void lock() {
        while (flag_.test_and_set(std::memory_order_acquire)) yield_cpu();
    }
    void unlock() { flag_.clear(std::memory_order_release); }

  private:
    std::atomic_flag flag_;
};

class Guard {
  public:
    explicit Guard(SpinLock& lock) : lock_(lock) { lock_.lock(); }
    ~Guard() { lock_.unlock(); }

  private:
    SpinLock& lock_;
};

struct Index {
    unsigned first;
    unsigned second;
};

SpinLock heap_lock;
u32 first_map;
u32 second_map[kFirstCount];
Block* lists[kFirstCount][kSecondCount];
u64 heap_end = kHeapBase;   // mapped up to here
Block* last_block;          // the sentinel: size 0, never free
u64 next_growth = kSmallestGrowth;
HeapUse use;

Index index_of(usize size) {
    if (size < (usize{1} << kFirstShift)) return {0, static_cast<unsigned>(size / (usize{1} << (kFirstShift - kSecondBits)))};
    const unsigned top = 63u - static_cast<unsigned>(__builtin_clzll(size));
    return {top - kFirstShift + 1, static_cast<unsigned>(size >> (top - kSecondBits)) ^ kSecondCount};
}

void insert(Block* block) {
    const Index i = index_of(block->bytes());
    block->next_free = lists[i.first][i.second];
    block->previous_free = nullptr;
    if (block->next_free != nullptr) block->next_free->previous_free = block;
    lists[i.first][i.second] = block;
    first_map |= 1u << i.first;
    second_map[i.first] |= 1u << i.second;
    block->size |= kFree;
    block->next()->previous = block;
    block->next()->size |= kPreviousFree;
}

void remove(Block* block) {
    const Index i = index_of(block->bytes());
    if (block->next_free != nullptr) block->next_free->previous_free = block->previous_free;
    if (block->previous_free != nullptr) block->previous_free->next_free = block->next_free;
    else lists[i.first][i.second] = block->next_free;
    if (lists[i.first][i.second] == nullptr) {
        second_map[i.first] &= ~(1u << i.second);
        if (second_map[i.first] == 0) first_map &= ~(1u << i.first);
    }
    block->size &= ~kFree;
    block->next()->size &= ~kPreviousFree;
}

/// A free block of at least `size`, taken out of its list; nullptr: none.
Block* find(usize size) {
    usize rounded = size;
    if (size >= (usize{1} << kFirstShift)) rounded += (usize{1} << (63u - static_cast<unsigned>(__builtin_clzll(size)) - kSecondBits)) - 1;
    Index i = index_of(rounded);
    if (i.first >= kFirstCount) return nullptr;
    u32 map = second_map[i.first] & (~0u << i.second);
    if (map == 0) {
        const u32 above = first_map & (~0u << (i.first + 1));
        if (above == 0) return nullptr;
        i.first = static_cast<unsigned>(__builtin_ctz(above));
        map = second_map[i.first];
    }
    Block* block = lists[i.first][static_cast<unsigned>(__builtin_ctz(map))];
    remove(block);
    return block;
}

/// Joins a block that is in no list with its free neighbours, and puts it in a list.
void put_back(Block* block) {
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
void trim(Block* block, usize size) {
    if (block->bytes() < size + kOverhead + kSmallestArea) return;
    const usize rest = block->bytes() - size - kOverhead;
    block->size = size | (block->size & kPreviousFree);
    Block* tail = block->next();
    tail->size = rest;
    put_back(tail);
}

bool grow(usize size) {
    u64 bytes = next_growth;
    while (bytes < size + 64) bytes *= 2;
    bytes = (bytes + abi::kPageSize - 1) & ~(abi::kPageSize - 1);
    if (bytes > kHeapEnd - heap_end) return false;
    auto memory = own_pool().create_memory(bytes);
    if (!memory.ok()) {
        // Near the limit of the Pool, just what is needed.
        bytes = (size + 64 + abi::kPageSize - 1) & ~(abi::kPageSize - 1);
        memory = own_pool().create_memory(bytes);
        if (!memory.ok()) return false;
    }
    if (!own_space().map(heap_end, *memory, 0, bytes, abi::kMapRead | abi::kMapWrite).ok()) {
        static_cast<void>(memory->destroy());
        return false;
    }
    memory->reset();  // the object lives as long as the run Pool
    Block* block;
    if (last_block == nullptr) {
        // The first word of the heap stands for the tail of a block that does not exist.
        block = reinterpret_cast<Block*>(heap_end);
        block->size = bytes - 24;
    } else {
        block = last_block;
        block->size = (bytes - kOverhead) | (block->size & kPreviousFree);
    }
    heap_end += bytes;
    use.mapped += bytes;
    if (next_growth < kLargestGrowth) next_growth *= 2;
    last_block = block->next();
    last_block->size = 0;
    put_back(block);
    return true;
}

usize area_size(usize size) {
    // 16n + 8, so that the next area is 16 aligned.
    return size <= kSmallestArea ? kSmallestArea : ((size - 8 + kAlign - 1) & ~(kAlign - 1)) + 8;
}

void* allocate(usize size) {
    if (size > kHeapEnd - kHeapBase) return nullptr;
    Guard guard(heap_lock);
    const usize area = area_size(size);
    Block* block = find(area);
    if (block == nullptr) {
        // `find` rounds the size up to its list's next bound.
        if (!grow(area + area / kSecondCount)) return nullptr;
        block = find(area);
        if (block == nullptr) return nullptr;
    }
    trim(block, area);
    use.allocated += block->bytes() + kOverhead;
    return block->area();
}

void release(void* area) {
    if (area == nullptr) return;
    Guard guard(heap_lock);
    Block* block = Block::of(area);
    PITH_ASSERT(!block->free());
    use.allocated -= block->bytes() + kOverhead;
    put_back(block);
}

void* allocate_aligned(usize size, usize alignment) {
    if (alignment <= kAlign) return allocate(size);
    if (size > kHeapEnd - kHeapBase || alignment > (usize{1} << 20)) return nullptr;
    u8* raw = static_cast<u8*>(allocate(size + alignment + kOverhead + kSmallestArea));
    if (raw == nullptr) return nullptr;
    Guard guard(heap_lock);
    Block* block = Block::of(raw);
    use.allocated -= block->bytes() + kOverhead;
    u64 aligned = (reinterpret_cast<u64>(raw) + alignment - 1) & ~(u64{alignment} - 1);
    if (aligned != reinterpret_cast<u64>(raw)) {
        // The part in front becomes a block of its own.
        while (aligned - reinterpret_cast<u64>(raw) < kOverhead + kSmallestArea) aligned += alignment;
        const usize front = aligned - reinterpret_cast<u64>(raw) - kOverhead;
        const usize rest = block->bytes() - front - kOverhead;
        block->size = front | (block->size & kPreviousFree);
        Block* tail = block->next();
        tail->size = rest;
        put_back(block);
        block = tail;
    }
    trim(block, area_size(size));
    use.allocated += block->bytes() + kOverhead;
    return block->area();
}

void* must(void* area) {
    if (area == nullptr) panic("out of memory");
    return area;
}

}  // namespace

HeapUse heap_use() { return use; }

}  // namespace pith

extern "C" {
void* malloc(size_t size) { return pith::allocate(size); }
void free(void* area) { pith::release(area); }
void* calloc(size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) return nullptr;
    void* area = pith::allocate(total);
    if (area != nullptr) std::memset(area, 0, total);
    return area;
}
void* realloc(void* area, size_t size) {
    if (area == nullptr) return pith::allocate(size);
    const size_t old = pith::Block::of(area)->bytes();
    if (size <= old && old - size < 256) return area;
    void* moved = pith::allocate(size);
    if (moved == nullptr) return nullptr;
    std::memcpy(moved, area, old < size ? old : size);
    pith::release(area);
    return moved;
}
void* aligned_alloc(size_t alignment, size_t size) { return pith::allocate_aligned(size, alignment); }
}

void* operator new(size_t size) { return pith::must(pith::allocate(size)); }
void* operator new[](size_t size) { return pith::must(pith::allocate(size)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return pith::allocate(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return pith::allocate(size); }
void* operator new(size_t size, std::align_val_t a) { return pith::must(pith::allocate_aligned(size, static_cast<size_t>(a))); }
void* operator new[](size_t size, std::align_val_t a) { return pith::must(pith::allocate_aligned(size, static_cast<size_t>(a))); }
void* operator new(size_t size, std::align_val_t a, const std::nothrow_t&) noexcept { return pith::allocate_aligned(size, static_cast<size_t>(a)); }
void operator delete(void* area) noexcept { pith::release(area); }
void operator delete[](void* area) noexcept { pith::release(area); }
void operator delete(void* area, size_t) noexcept { pith::release(area); }
void operator delete[](void* area, size_t) noexcept { pith::release(area); }
void operator delete(void* area, std::align_val_t) noexcept { pith::release(area); }
void operator delete[](void* area, std::align_val_t) noexcept { pith::release(area); }
void operator delete(void* area, size_t, std::align_val_t) noexcept { pith::release(area); }
void operator delete[](void* area, size_t, std::align_val_t) noexcept { pith::release(area); }

namespace std {
const nothrow_t nothrow{};
}  // namespace std
