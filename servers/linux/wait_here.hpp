// SPDX-License-Identifier: MIT
// wait_here: for what happens before the first program runs, and can't be a coroutine: serves the event loop until a task is done.
#pragma once

#include "lib/os/event_loop.hpp"
#include "servers/linux/errno.hpp"

namespace pith::lx {

template <typename T>
SysResult<T> wait_here(EventLoop& loop, Task<SysResult<T>> task) {
    SysResult<T> result = Errno::ENOMEM;
    bool done = false;
    const bool started = spawn([](Task<SysResult<T>> waited, SysResult<T>& to, bool& told) -> Task<void> {
        to = co_await std::move(waited);
        told = true;
    }(std::move(task), result, done));
    while (started && !done) loop.run_once();
    return result;
}

}  // namespace pith::lx
