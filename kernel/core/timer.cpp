// SPDX-License-Identifier: MIT
// The pairing heap of timers. Invariant: no timer is due before its parent; the root has no previous and no
// sibling.
#include "kernel/core/timer.hpp"

namespace pith::core {

Timer* TimerQueue::meld(Timer* a, Timer* b) {
    if (a == nullptr) return b;
    if (b == nullptr) return a;
    if (b->when < a->when) {
        Timer* other = a;
        a = b;
        b = other;
    }
    b->previous = a;
    b->sibling = a->child;
    if (a->child != nullptr) a->child->previous = b;
    a->child = b;
    return a;
}

/// Melds the siblings of a list into one heap: pairs from left to right, then all from right to left.
Timer* TimerQueue::combine(Timer* list) {
    Timer* pairs = nullptr;  // linked backwards through sibling
    while (list != nullptr) {
        Timer* a = list;
        Timer* b = a->sibling;
        list = b != nullptr ? b->sibling : nullptr;
        a->sibling = a->previous = nullptr;
        if (b != nullptr) b->sibling = b->previous = nullptr;
        Timer* pair = meld(a, b);
        pair->sibling = pairs;
        pairs = pair;
    }
    Timer* heap = nullptr;
    while (pairs != nullptr) {
        Timer* next = pairs->sibling;
        pairs->sibling = nullptr;
        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

void TimerQueue::insert(Timer& timer, abi::Time when) {
    timer = Timer{.when = when};
    root_ = meld(root_, &timer);
}

void TimerQueue::remove(Timer& timer) {
    if (&timer == root_) {
        root_ = combine(timer.child);
    } else {
        if (timer.previous->child == &timer) {
            timer.previous->child = timer.sibling;
        } else {
            timer.previous->sibling = timer.sibling;
        }
        if (timer.sibling != nullptr) timer.sibling->previous = timer.previous;
        root_ = meld(root_, combine(timer.child));
    }
}

}  // namespace pith::core
