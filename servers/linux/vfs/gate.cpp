// SPDX-License-Identifier: MIT
#include "servers/linux/vfs/gate.hpp"

namespace pith::lx {

bool Gate::try_enter(bool alone) {
    if (next_ticket_ != served_ || (alone ? holders_ != 0 : holders_ < 0)) return false;
    ++next_ticket_;
    ++served_;
    holders_ = alone ? -1 : holders_ + 1;
    return true;
}

Task<SysResult<>> Gate::enter(bool alone) {
    const u64 ticket = next_ticket_++;
    while (ticket != served_ || (alone ? holders_ != 0 : holders_ < 0)) co_await changed_.wait();
    holders_ = alone ? -1 : holders_ + 1;
    ++served_;
    changed_.wake_all();
    co_return SysResult<>();
}

void Gate::leave() {
    holders_ = holders_ < 0 ? 0 : holders_ - 1;
    changed_.wake_all();
}

}  // namespace pith::lx
