// SPDX-License-Identifier: MIT
#include "drivers/block/ramdisk/disk.hpp"

namespace pith::ramdisk {

Result<Handle<Memory>> Disk::link_memory(u32 number, u64 size) const {
    auto known = kept_.take<Memory>(number + 1);
    if (known.ok()) return known;
    if (size == 0) return Error::not_found;
    Owned<Memory> memory = PITH_TRY(keep_.create_memory(size));
    PITH_CHECK(memory.copy_to(kept_, number + 1));
    return memory.keep();
}

Result<DmaMemory> Disk::link(u32 number, u64 size) {
    DmaMemory link;
    link.memory = PITH_TRY(link_memory(number, size));
    link.size = PITH_TRY(link.memory.memory_info()).size;
    link.mapping = PITH_TRY(Mapping::create(link.memory, 0, link.size));
    links_[number] = link.mapping.as<QueueHeader>();
    return link;
}

void Disk::work() {
    const u64 before = completed_;
    while (const auto done = next()) {
        ++completed_;
        server_->finish(done->slot, done->error);
    }
    if (parameters_.stray != 0 && completed_ / parameters_.stray != before / parameters_.stray) stray();
    server_->serve();
}

/// One completion more than there were, to every client: whatever was last in its place.
void Disk::stray() const {
    for (QueueHeader* header : links_)
        if (header != nullptr) std::atomic_ref(header->complete_tail).fetch_add(1, std::memory_order_release);
}

}  // namespace pith::ramdisk
