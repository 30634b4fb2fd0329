// SPDX-License-Identifier: MIT
// The vDSO's side in the server: one set of pages, mapped by exec in each program (guest/vdso.cpp runs there). The
// kernel's InfoPage and a page of the zone's come first, as [vvar], then the image, as [vdso]; all right above the stack.
#pragma once

#include "servers/linux/page_source.hpp"

namespace pith::lx {

struct VdsoData;

class Vdso : public PageSource {
  public:
    /// `info`: the InfoPage's Memory. ENOMEM.
    static SysResult<Ref<Vdso>> create(FrameAllocator& frames, HandleIndex info);

    /// Maps it into a new program; the address of its ELF header (AT_SYSINFO_EHDR).
    SysResult<u64> map(AddressSpace& memory);
    /// CLOCK_REALTIME is this much ahead of the time since boot.
    void set_realtime_offset(i64 nanoseconds);

    SysResult<FrameRef> page(u64 index, bool write) override;
    u64 page_count() const override { return pages_.size(); }
    FrameRef peek(u64 index) override { return index < pages_.size() ? pages_[index] : FrameRef(); }

  private:
    VdsoData& data();
    std::vector<FrameRef> pages_;
};

}  // namespace pith::lx
