// SPDX-License-Identifier: MIT
// How the file calls wait.
#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

Outcome finish(Thread& thread, Async<u64> result) {
    if (result.ready()) return Outcome(result.take());
    return run(thread, result.task());
}

Async<u64> zero_when_done(Async<> result) {
    return after(std::move(result), [] {});
}

Outcome finish(Thread& thread, Async<> result) {
    if (result.ready()) return Outcome(result.take());
    return finish(thread, zero_when_done(std::move(result)));
}

namespace {

Task<SysResult<u64>> begin_anew(Thread& thread, SyscallArgs args, PathCall call) {
    while (true) {
        PITH_CO_CHECK(co_await thread.zone().vfs->finish_lookup(thread));
        SysResult<u64> result = PITH_AWAIT(call(thread, args));
        if (result.error() != kWalkWaits) {
            thread.zone().vfs->drop_lookup(thread);
            co_return result;
        }
    }
}

}  // namespace

Outcome with_lookup(Thread& thread, const SyscallArgs& args, PathCall call) {
    Async<u64> result = call(thread, args);
    if (!result.ready()) return run(thread, result.task());
    SysResult<u64> value = result.take();
    if (value.error() == kWalkWaits) return run(thread, begin_anew(thread, args, call));
    return Outcome(value);
}

}  // namespace pith::lx
