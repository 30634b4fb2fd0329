// SPDX-License-Identifier: MIT
#include "lib/os/lull.hpp"

#include "lib/os/panic.hpp"

namespace pith {

Result<> Lull::start(const Handle<Pool>& pool, const Handle<Signal>& signal, u64 bit, u16 cpu) {
    signal_ = &signal;
    bit_ = bit;
    wanted_ = PITH_TRY(pool.create_signal());
    thread_ = PITH_TRY(NativeThread::start(
        pool, &run, this, {.name = "lull", .priority = kPriority, .cpu = cpu, .stack_size = abi::kPageSize}));
    return {};
}

void Lull::run(void* argument) {
    const auto& self = *static_cast<const Lull*>(argument);
    for (;;) {
        if (!self.wanted_.wait(~u64{0}).ok()) panic("the Signal of a lull cannot be waited for");
        static_cast<void>(self.signal_->notify(self.bit_));
    }
}

}  // namespace pith
