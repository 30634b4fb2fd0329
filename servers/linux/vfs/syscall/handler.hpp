// SPDX-License-Identifier: MIT
// What the handlers of the file calls share: descriptors to files, Async to Outcome, and calls that walk paths.
#pragma once

#include "servers/linux/syscall.hpp"
#include "servers/linux/user_memory.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/fs_context.hpp"
#include "servers/linux/vfs/path.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

inline i32 as_int(u64 argument) { return static_cast<i32>(static_cast<u32>(argument)); }
inline u32 as_unsigned(u64 argument) { return static_cast<u32>(argument); }

/// Any open file, O_PATH too. EBADF.
inline SysResult<File*> any_file(Thread& thread, u64 descriptor) {
    File* file = thread.process.files->find(as_int(descriptor));
    if (file == nullptr) return Errno::EBADF;
    return file;
}
/// An open file that is not O_PATH. EBADF.
inline SysResult<File*> open_file(Thread& thread, u64 descriptor) {
    File* file = thread.process.files->find(as_int(descriptor));
    if (file == nullptr || file->path_only()) return Errno::EBADF;
    return file;
}
inline u64 descriptor_limit(Thread& thread) { return thread.process.limit(Resource::nofile).soft; }

/// The result of a call from that of its last operation.
Outcome finish(Thread& thread, Async<u64> result);
Outcome finish(Thread& thread, Async<> result);

/// A call that walks paths: done at once if nothing has to wait; begun anew after a look-up that had to.
using PathCall = Async<u64> (*)(Thread&, const SyscallArgs&);
Outcome with_lookup(Thread& thread, const SyscallArgs& args, PathCall call);

/// Async<> to Async<u64> with value 0.
Async<u64> zero_when_done(Async<> result);

/// The dentry work of an operation that has succeeded, after it. `then` runs at once when `result` is ready.
template <typename Then>
Async<u64> after(Async<> result, Then then) {
    if (result.ready()) {
        PITH_CHECK(result.take());
        then();
        return u64{0};
    }
    return [](Task<SysResult<>> task, Then last) -> Task<SysResult<u64>> {
        PITH_CO_CHECK(co_await std::move(task));
        last();
        co_return u64{0};
    }(result.task(), std::move(then));
}

}  // namespace pith::lx

/// Unwraps where a handler returns an Outcome, as PITH_TRY does.
#define PITH_PATH_SYSCALL(name)                                   \
    Outcome sys_##name(Thread& thread, const SyscallArgs& args) { \
        return with_lookup(thread, args, &call_##name);           \
    }
