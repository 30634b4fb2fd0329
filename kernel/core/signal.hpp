// SPDX-License-Identifier: MIT
// Signal: 64 event bits, one waiting thread, and at most one thread whose recv also gets them (bound).
//
// `lock` (rank 8, below the CPUs' locks) guards waiter and binding; the bits are atomic. The waiter may be
// out of date (its deadline has passed): whoever wakes it checks under its CPU's lock that it still waits
// here.
#pragma once

#include "kernel/core/object.hpp"

namespace pith::core {

class Signal : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::signal;
    Signal() : Object(kType) {}

    /// Sets bits and wakes whoever waits for one of them. Any context without a lock of rank 8 or more. `may_switch`: a more
    /// urgent one may become the current thread at once. True: it has.
    PITH_KEEPS_NONE bool notify(u64 bits, bool may_switch = false);
    /// The waiting thread gets bits of its mask; kNoResult: there are none, and it is now the
    /// waiter. busy: another waits.
    Result<u64> wait(Thread& thread, u64 mask, abi::Time deadline);
    u64 take(u64 mask) { return bits_.fetch_and(~mask, std::memory_order_acq_rel) & mask; }
    bool pending() const { return bits_.load(std::memory_order_seq_cst) != 0; }

    /// busy: another thread is bound.
    Result<> bind(Thread& thread);
    void unbind(Thread& thread);
    /// The thread waits no more: Thread::waiting_signal names the Signal whose waiter it is, or was until its
    /// wait ended.
    void forget_waiter(Thread& thread);
    /// Destruction: the waiter gets `cancelled`, the bound thread is unbound.
    void sever();

  private:
    friend struct arch::Offsets;
    SpinLock<Rank::signal> lock_;
    std::atomic<u64> bits_{0};
    Thread* waiter_ GUARDED_BY(lock_) = nullptr;
    Thread* bound_ GUARDED_BY(lock_) = nullptr;
};

}  // namespace pith::core
