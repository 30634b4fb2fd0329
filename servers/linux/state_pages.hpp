// SPDX-License-Identifier: MIT
// The state pages of foreign threads: 1 KiB each, in Memories that the server has mapped.
#pragma once

#include <vector>

#include "abi/thread.hpp"
#include "lib/os/mapping.hpp"
#include "servers/linux/errno.hpp"

namespace pith::lx {

class StatePages {
  public:
    explicit StatePages(abi::HandleIndex pool) : pool_(pool) {}
    /// A slot, its content as its last user left it. ENOMEM.
    SysResult<u32> allocate();
    void free(u32 slot) { free_.push_back(slot); }
    abi::ForeignState* state(u32 slot) const {
        return blocks_[slot / kBlockSlots].as<abi::ForeignState>(offset(slot));
    }
    abi::HandleIndex memory(u32 slot) const { return blocks_[slot / kBlockSlots].memory().index(); }
    static u64 offset(u32 slot) { return u64{slot % kBlockSlots} * sizeof(abi::ForeignState); }

  private:
    static constexpr u32 kBlockSlots = 32;
    abi::HandleIndex pool_;
    std::vector<MappedMemory> blocks_;
    std::vector<u32> free_;
};

}  // namespace pith::lx
