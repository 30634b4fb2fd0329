// SPDX-License-Identifier: MIT
#include "lib/os/deadline_keeper.hpp"

#include "lib/os/clock.hpp"
#include "lib/os/panic.hpp"

namespace pith {

Result<> DeadlineKeeper::start(const Handle<Pool>& pool, const Handle<Signal>& signal, u64 bit,
                               ThreadOptions options) {
    signal_ = &signal;
    bit_ = bit;
    changed_ = PITH_TRY(pool.create_signal());
    options.stack_size = 2 * abi::kPageSize;
    thread_ = PITH_TRY(NativeThread::start(pool, &run, this, options));
    return {};
}

abi::Time DeadlineKeeper::keep_earlier(abi::Time next) {
    const abi::Time rounded = next / kStep * kStep;
    if (rounded <= now()) return next;
    kept_.store(rounded, std::memory_order_release);
    // Untold, the thread would wait on: then the loop waits itself.
    return changed_.notify(1).ok() ? abi::kNoDeadline : next;
}

void DeadlineKeeper::run(void* argument) {
    auto& self = *static_cast<DeadlineKeeper*>(argument);
    for (;;) {
        abi::Time deadline = self.kept_.load(std::memory_order_acquire);
        const auto changed = self.changed_.wait(~u64{0}, deadline == kNone ? abi::kNoDeadline : deadline);
        if (changed.ok()) continue;
        if (changed.error() != Error::timed_out) panic("the deadlines' Signal cannot be waited for");
        // One that has been made earlier meanwhile is waited for next.
        if (self.kept_.compare_exchange_strong(deadline, kNone))
            static_cast<void>(self.signal_->notify(self.bit_));
    }
}

}  // namespace pith
