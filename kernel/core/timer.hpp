// SPDX-License-Identifier: MIT
// TimerQueue: what is to happen when on one CPU; a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986)
// through the Timers themselves. Insertion takes constant time, removal logarithmic (amortised). Guarded by
// the CPU's lock.
#pragma once

#include "abi/types.hpp"

namespace pith::core {

struct Timer {
    abi::Time when = 0;
    Timer* child = nullptr;
    Timer* sibling = nullptr;
    Timer* previous = nullptr;  ///< left sibling, or the parent of a first child
};

class TimerQueue {
  public:
    Timer* first() { return root_; }
    void insert(Timer& timer, abi::Time when);
    void remove(Timer& timer);

  private:
    static Timer* meld(Timer* a, Timer* b);
    static Timer* combine(Timer* list);
    Timer* root_ = nullptr;
};

}  // namespace pith::core
