// SPDX-License-Identifier: MIT
// A submission and a completion queue (NVM Express 1.4, 4.1), over memory that the controller sees too. It is not trusted: what
// is under way is kept in private memory, and a completion of what isn't makes the pair `broken` until it is attached again.
// Doorbells are the controller's (controller.hpp).
#pragma once

#include "drivers/block/nvme/format.hpp"
#include "lib/base/result.hpp"

namespace pith::nvme {

class QueuePair {
  public:
    static constexpr u32 kTags = 64;
    static constexpr u16 kMaxSize = 128;  ///< entries; one more than are under way, and a power of two

    /// Empty queues of `size` entries (2 to kMaxSize).
    void attach(void* submissions, void* completions, u16 size);
    u16 size() const { return size_; }
    bool room() const { return !broken_ && under_way_ + 1u < size_; }
    bool broken() const { return broken_; }

    /// Enters a command under a tag that is free; its id is set here. False: there is no room.
    bool add(u32 tag, Command command);
    struct Done {
        u32 tag;
        u16 status;  ///< 0: it succeeded
        u32 result;
    };
    /// Takes a command that the controller is done with; false: there is none.
    bool take(Done& done);
    /// For the doorbells.
    u16 submissions_tail() const { return tail_; }
    u16 completions_head() const { return head_; }

  private:
    bool fail() {
        broken_ = true;
        return false;
    }
    Command* submissions_ = nullptr;
    Completion* completions_ = nullptr;
    u16 size_ = 0;
    u16 tail_ = 0;
    u16 head_ = 0;
    u16 phase_ = 1;  ///< of the next completion
    u16 under_way_ = 0;
    u16 generation_ = 0;  ///< in the ids above the tag, so that a stale one is seen
    bool broken_ = true;
    u64 busy_ = 0;  ///< tags, a bit each
    u16 ids_[kTags] = {};
};

}  // namespace pith::nvme
