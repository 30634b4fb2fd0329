// SPDX-License-Identifier: MIT
// The component's heap: operator new/delete and malloc over its run Pool (lib/os/tlsf.hpp). It grows upwards
// from kHeapBase in Memories of its own and does not shrink; buffers of many pages are better a MappedMemory.
// Exhaustion: malloc and nothrow new give null; plain new ends the component with a report.
#include "lib/os/heap.hpp"

#include <cstring>
#include <new>

#include "lib/base/format.hpp"
#include "lib/os/freed_areas.hpp"
#include "lib/os/panic.hpp"
#include "lib/os/spin_lock.hpp"
#include "lib/os/start_info.hpp"
#include "lib/os/tlsf.hpp"

namespace pith {

namespace {

constexpr u64 kSmallestGrowth = 32 * 1024;
constexpr u64 kLargestGrowth = 512 * 1024;

SpinLock heap_lock;
Tlsf heap;
constinit FreedAreas freed(heap);
u64 heap_end = kHeapBase;  // mapped up to here
u64 next_growth = kSmallestGrowth;

bool map_more(u64 bytes) {
    auto memory = own_pool().create_memory(bytes);
    if (!memory.ok()) return false;
    if (!own_space().map(heap_end, *memory, 0, bytes, abi::kMapRead | abi::kMapWrite).ok()) {
        static_cast<void>(own_space().unmap(heap_end, bytes));
        static_cast<void>(memory->destroy());
        return false;
    }
    heap.add(heap_end, bytes);
    heap_end += bytes;
    return true;  // the Memory lives as long as the run Pool; its handle may go
}

bool grow(usize needed) {
    const u64 least = (needed + abi::kPageSize - 1) & ~(abi::kPageSize - 1);
    if (least > kHeapEnd - heap_end) return false;
    const u64 room = kHeapEnd - heap_end;
    u64 bytes = least > next_growth ? least : next_growth;
    if (bytes > room) bytes = least;
    // Near the limit of the Pool: just what is needed.
    if (!map_more(bytes) && (bytes == least || !map_more(least))) return false;
    if (next_growth < kLargestGrowth) next_growth *= 2;
    return true;
}

void* allocate(usize size, usize alignment = Tlsf::kAlign) {
    if (size > kHeapEnd - kHeapBase || alignment > (usize{1} << 20)) return nullptr;
    SpinGuard guard(heap_lock);
    void* area = alignment <= Tlsf::kAlign ? freed.take(size) : nullptr;
    if (area == nullptr) area = heap.allocate_aligned(size, alignment);
    if (area == nullptr && freed.release_all()) area = heap.allocate_aligned(size, alignment);
    if (area == nullptr && grow(Tlsf::needed(size, alignment))) area = heap.allocate_aligned(size, alignment);
    return area;
}

void release(void* area) {
    if (area == nullptr) return;
    SpinGuard guard(heap_lock);
    if (!freed.keep(area)) heap.release(area);
}

void* must(void* area, size_t size) {
    char text[64];
    if (area == nullptr) panic(format_to(text, "out of memory: {} bytes wanted", size));
    return area;
}

}  // namespace

HeapUse heap_use() { return {heap_end - kHeapBase, heap.allocated() - freed.kept()}; }

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
    const size_t old = pith::Tlsf::usable(area);
    if (size <= old && old - size < 256) return area;
    void* moved = pith::allocate(size);
    if (moved == nullptr) return nullptr;
    std::memcpy(moved, area, old < size ? old : size);
    pith::release(area);
    return moved;
}
void* aligned_alloc(size_t alignment, size_t size) { return pith::allocate(size, alignment); }
}

void* operator new(size_t size) { return pith::must(pith::allocate(size), size); }
void* operator new[](size_t size) { return pith::must(pith::allocate(size), size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return pith::allocate(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return pith::allocate(size); }
void* operator new(size_t size, std::align_val_t a) {
    return pith::must(pith::allocate(size, static_cast<size_t>(a)), size);
}
void* operator new[](size_t size, std::align_val_t a) {
    return pith::must(pith::allocate(size, static_cast<size_t>(a)), size);
}
void* operator new(size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
    return pith::allocate(size, static_cast<size_t>(a));
}
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
