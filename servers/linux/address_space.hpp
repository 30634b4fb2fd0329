// SPDX-License-Identifier: MIT
// The memory of a program: its areas (Vma), its pages, and the kernel Space that they are mapped in. Pages come on
// demand: fault() is what a page fault and the server's own copying call. Private pages are shared with the other side
// after fork until one writes. No mapping is ever writable and executable at once: an area that asks for both has
// each page mapped the one way or the other, as the last access needs it.
// Invariant: a kernel mapping exists only where the page table says kPteMapped, with no more rights than it says.
#pragma once

#include <map>
#include <string>

#include "lib/os/handle.hpp"
#include "servers/linux/page_source.hpp"
#include "servers/linux/page_table.hpp"
#include "servers/linux/user_memory.hpp"

namespace pith::lx {

inline constexpr u64 kMinAddress = 0x1'0000;       ///< vm.mmap_min_addr
inline constexpr u64 kTopAddress = abi::kUserTop;  ///< TASK_SIZE
inline constexpr u64 kVdsoRoom = 4 * kPageSize;
/// The vDSO is right above the stack: the same page tables hold both.
inline constexpr u64 kVdsoTop = kTopAddress - kPageSize;
inline constexpr u64 kUserStackTop = kVdsoTop - kVdsoRoom;
inline constexpr u64 kMmapTop = 0x7fff'f7ff'f000;  ///< areas without an address go below this
inline constexpr usize kMaxAreas = 65530;          ///< vm.max_map_count
inline constexpr u64 kPieBase = 0x5555'5555'4000;

constexpr u64 page_floor(u64 value) { return value & ~(kPageSize - 1); }
constexpr u64 page_ceil(u64 value) { return (value + kPageSize - 1) & ~(kPageSize - 1); }

/// An area: [start, end) with one protection and one source.
struct Vma {
    u64 start = 0;
    u64 end = 0;
    u8 prot = 0;      ///< Access bits; PROT_WRITE and PROT_EXEC imply reading
    u8 max_prot = 7;  ///< what mprotect may ask for (a shared mapping of a read-only file: no writing)
    bool shared = false;
    bool grows_down = false;
    bool dont_fork = false;
    Ref<PageSource> source;  ///< null: anonymous and private
    u64 source_page = 0;     ///< page of the source at start
    std::string name;        ///< for /proc/PID/maps
    AddressSpace* space = nullptr;
    Vma* source_next = nullptr;
    Vma** source_link = nullptr;

    Vma() = default;
    Vma(const Vma&) = delete;
    Vma& operator=(const Vma&) = delete;
    ~Vma() { detach(); }
    u64 pages() const { return (end - start) / kPageSize; }
    bool allows(Access access) const { return (prot & static_cast<u8>(access)) != 0; }
    void attach();
    void detach();
    /// All but the range.
    void copy_attributes(const Vma& from);
};

/// What became of a fault.
enum class FaultResult : u8 {
    done,
    no_mapping,  ///< SIGSEGV, SEGV_MAPERR
    no_access,   ///< SIGSEGV, SEGV_ACCERR
    beyond_end,  ///< SIGBUS
    no_memory,
    waits,  ///< for a page that a device has
};

/// What mmap asks for.
struct MapRequest {
    u64 address = 0;
    u64 length = 0;
    u8 prot = 0;
    u8 max_prot = 7;
    bool fixed = false;
    bool no_replace = false;
    bool shared = false;
    bool grows_down = false;
    bool no_reserve = false;
    Ref<PageSource> source;
    u64 source_page = 0;
    std::string name;
};

class AddressSpace : public RefCounted {
  public:
    /// ENOMEM: no kernel Space.
    static SysResult<Ref<AddressSpace>> create(FrameAllocator& frames, HandleIndex pool);
    AddressSpace(FrameAllocator& frames, Handle<pith::Space> space)
        : frames_(frames), space_(std::move(space)) {}
    ~AddressSpace() override;

    HandleIndex space() const { return space_.index(); }

    /// The address. EINVAL, ENOMEM (limits), EEXIST (no_replace), EACCES.
    SysResult<u64> map(const MapRequest& request);
    /// Makes what an area has from `start` to `end` (pages) accessible, as a fault would, without waiting for a device. False: not all of it.
    bool populate(u64 start, u64 end);
    SysResult<> unmap(u64 address, u64 length);
    SysResult<> protect(u64 address, u64 length, u8 prot);
    SysResult<u64> remap(u64 address, u64 old_length, u64 new_length, bool may_move, bool fixed,
                         u64 new_address);
    /// MADV_DONTNEED: private pages are forgotten.
    SysResult<> discard(u64 address, u64 length);
    u64 set_brk(u64 end);
    void start_brk(u64 start) { brk_start_ = brk_ = start; }

    /// A copy for fork: private pages are shared until written. ENOMEM leaves this one as it was.
    SysResult<Ref<AddressSpace>> fork();

    /// Makes the page of `address` accessible. `ahead`: bytes from it on that will be needed too. A page that a device has is told in
    /// `missing`; without that, the whole server waits for it.
    FaultResult fault(u64 address, Access access, u64 ahead = 0, MissingPage* missing = nullptr);
    /// Where the page's bytes are, if it is there with the right to that access; else null. Fast.
    u8* lookup(u64 address, Access access) {
        const Pte pte = pages_.get(address / kPageSize);
        const Pte need = access == Access::write ? kPteWritable : kPteMapped;
        if ((pte & need) == 0) return nullptr;
        return FrameAllocator::data(pte & kPteFrame) + address % kPageSize;
    }

    Vma* find(u64 address);        ///< the area that holds it
    Vma* find_above(u64 address);  ///< the first that ends above it
    const std::map<u64, Vma>& areas() const { return areas_; }
    u64 resident_pages() const { return pages_.present(); }
    u64 total_pages() const { return total_pages_; }
    u64 brk_start() const { return brk_start_; }
    u64 brk() const { return brk_; }
    PageTable& pages() { return pages_; }

    // Limits, in bytes: kept here by exec and prlimit
    u64 limit_as = ~u64{0};
    u64 limit_data = ~u64{0};
    u64 limit_stack = 8 << 20;
    u64 peak_pages = 0;
    u32 stack_prot = 3;

  private:
    friend class PageSource;
    class Batch;
    using Areas = std::map<u64, Vma>;

    FaultResult fault_page(Vma& area, u64 page, Access access, Batch& batch);
    FaultResult fill_source(Vma& area, u64 page, Access access, Batch& batch);
    FaultResult fill_anonymous(Vma& area, u64 page, Access access, Batch& batch);
    FaultResult write_present(Vma& area, u64 page, Pte pte, Batch& batch);
    void fault_around(Vma& area, u64 page, Access access, Batch& batch);
    bool exclusive(const Vma& area, Pte pte) const;
    void install(const Vma& area, u64 page, Pte entry, bool writable, Access access, Batch& batch);
    bool grow_stack(Vma& area, u64 address);
    Vma* area_for(u64 address);
    u64 choose_address(u64 hint, u64 length);
    void split(u64 address);
    void merge_around(u64 address);
    void forget_pages(u64 first, u64 last);
    void forget_source_pages(Vma& area, u64 first, u64 last);
    void unmap_kernel(u64 start, u64 length);
    void erase_range(u64 start, u64 end);
    Vma& insert(u64 start, u64 end);
    void move_pages(u64 from, u64 to, u64 count);
    bool share_with(AddressSpace& child);

    FrameAllocator& frames_;
    Handle<pith::Space> space_;
    Areas areas_;
    PageTable pages_;
    u64 total_pages_ = 0;
    u64 brk_start_ = 0;
    u64 brk_ = 0;
    // Where the search for a free range begins: above it there is no hole larger than largest_hole_.
    u64 search_end_ = kMmapTop;
    u64 largest_hole_ = 0;
};

/// Memory that processes share without a file: MAP_SHARED | MAP_ANONYMOUS, /dev/zero, System V segments.
class SharedMemory : public PageSource {
  public:
    SharedMemory(FrameAllocator& frames, u64 page_count) : frames_(frames), page_count_(page_count) {}
    SysResult<FrameRef> page(u64 index, bool write) override;
    u64 page_count() const override { return page_count_; }
    FrameRef peek(u64 index) override;

  private:
    FrameAllocator& frames_;
    u64 page_count_;
    std::map<u64, FrameRef> pages_;
};

}  // namespace pith::lx
