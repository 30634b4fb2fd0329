// SPDX-License-Identifier: MIT
// fork: the child gets the same areas and pages; what is private loses the right to write on both sides, and is
// copied by whoever writes first.
#include "abi/memory.hpp"
#include "lib/os/heartbeat.hpp"
#include "servers/linux/address_space.hpp"

namespace pith::lx {

namespace {

constexpr u64 kHeartbeatPages = 4096;  ///< are as many as can be copied between two looks at the heartbeat

}  // namespace

/// Maps in the child's Space what ours maps: a system call for each run of areas of one kind.
bool AddressSpace::share_with(AddressSpace& child) {
    auto at = areas_.begin();
    while (at != areas_.end()) {
        const auto kind = [](const Vma& area) { return area.dont_fork ? 2 : area.shared ? 1 : 0; };
        const int run = kind(at->second);
        const u64 start = at->second.start;
        u64 end = start;
        for (; at != areas_.end() && kind(at->second) == run; ++at) end = at->second.end;
        if (run == 2) continue;
        const u32 all = abi::kMapRead | abi::kMapWrite | abi::kMapExecute;
        const u32 rights = run == 0 ? all & ~abi::kMapWrite : all;
        buffer_as<abi::ShareRange>() = {space_.index(), rights, start, end - start, rights, 0};
        if (invoke(abi::Syscall::space_share, child.space_.index()).error != Error::ok) return false;
    }
    return true;
}

SysResult<Ref<AddressSpace>> AddressSpace::fork() {
    const SyscallResult info = invoke(abi::Syscall::space_create, frames_.pool(), 0);
    if (info.error != Error::ok) return Errno::ENOMEM;
    auto child = Ref<AddressSpace>::make(frames_, Handle<pith::Space>(static_cast<HandleIndex>(info.r0)));
    for (const auto& [start, area] : areas_) {
        if (area.dont_fork) continue;
        Vma& copy = child->insert(area.start, area.end);
        copy.copy_attributes(area);
        copy.attach();
    }
    child->brk_start_ = brk_start_;
    child->brk_ = brk_;
    child->limit_as = limit_as;
    child->limit_data = limit_data;
    child->limit_stack = limit_stack;
    child->stack_prot = stack_prot;
    // Both sides lose the right to write first: if the kernel then fails, the parent only faults more.
    for (const auto& [start, area] : areas_) {
        if (area.dont_fork) continue;
        const bool shared = area.shared;
        pages_.for_each(area.start / kPageSize, area.end / kPageSize, [&](u64 page, Pte pte) {
            if (page % kHeartbeatPages == 0) [[unlikely]]
                answer_heartbeat();
            frames_.take(pte & kPteFrame);
            const Pte kept = shared ? pte : pte & ~kPteWritable;
            child->pages_.set(page, kept);
            if (kept != pte) pages_.set(page, kept);
        });
    }
    if (!share_with(*child)) return Errno::ENOMEM;
    child->peak_pages = child->pages_.present();
    return child;
}

}  // namespace pith::lx
