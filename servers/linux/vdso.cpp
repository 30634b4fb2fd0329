// SPDX-License-Identifier: MIT
#include "servers/linux/vdso.hpp"

#include <string.h>

#include <algorithm>

#include "servers/linux/address_space.hpp"
#include "servers/linux/cpuid.hpp"
#include "servers/linux/guest/vdso_data.hpp"

extern "C" const pith::u8 vdso_image[], vdso_image_end[];

namespace pith::lx {

namespace {

constexpr u64 kDataPage = 1;  ///< where VdsoData is

/// RDTSCP, and so TSC_AUX with the CPU's number (kernel/arch/x86_64/cpu.cpp).
u32 has_rdtscp() { return cpuid(0x8000'0001).edx >> 27 & 1; }

}  // namespace

SysResult<Ref<Vdso>> Vdso::create(FrameAllocator& frames, HandleIndex info) {
    auto vdso = Ref<Vdso>::make();
    const FrameNumber info_frame = PITH_TRY(frames.adopt_memory(info, kPageSize));
    vdso->pages_.emplace_back(frames, info_frame);
    vdso->pages_.push_back(PITH_TRY(frames.allocate()));
    const usize size = static_cast<usize>(vdso_image_end - vdso_image);
    for (usize at = 0; at < size; at += kPageSize) {
        vdso->pages_.push_back(PITH_TRY(frames.allocate()));
        memcpy(vdso->pages_.back().data(), vdso_image + at, std::min<usize>(size - at, kPageSize));
    }
    if (vdso->pages_.size() * kPageSize > kVdsoRoom) return Errno::ENOMEM;
    vdso->data().has_rdtscp = has_rdtscp();
    return vdso;
}

VdsoData& Vdso::data() { return *reinterpret_cast<VdsoData*>(pages_[kDataPage].data()); }

void Vdso::set_realtime_offset(i64 nanoseconds) {
    static_cast<volatile VdsoData&>(data()).realtime_offset = nanoseconds;
}

SysResult<u64> Vdso::map(AddressSpace& memory) {
    MapRequest request;
    request.fixed = true;
    request.source = Ref<PageSource>(this);
    request.length = (pages_.size() - kVdsoDataPages) * kPageSize;
    request.address = kVdsoTop - request.length;
    request.source_page = kVdsoDataPages;
    request.prot = 5;
    request.name = "[vdso]";
    const u64 image = PITH_TRY(memory.map(request));
    request.length = kVdsoDataPages * kPageSize;
    request.address = image - request.length;
    request.source_page = 0;
    request.prot = request.max_prot = 1;
    request.name = "[vvar]";
    PITH_TRY(memory.map(request));
    // Every C library reads it as it starts: a fault less.
    static_cast<void>(memory.fault(image, Access::execute));
    return image;
}

SysResult<FrameRef> Vdso::page(u64 index, bool) {
    if (index >= pages_.size()) return Errno::EFAULT;
    return pages_[index];
}

}  // namespace pith::lx
