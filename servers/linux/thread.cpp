// SPDX-License-Identifier: MIT
// The kernel's side of a thread: making, resuming and destroying it, its time and its extended state.
#include "servers/linux/thread.hpp"

#include <string.h>

#include <algorithm>
#include <utility>

#include "lib/os/handle.hpp"
#include "servers/linux/address_space.hpp"
#include "servers/linux/syscall.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

Thread::Thread(Process& owner, Pid number) : process(owner), tid(number) {}

Thread::~Thread() = default;

SysResult<> Thread::create_kernel_thread() {
    Zone& z = zone();
    state_slot = PITH_TRY(z.states.allocate());
    state = z.states.state(state_slot);
    cpu = z.balancer.place(affinity);
    buffer_as<abi::ThreadCreate>() = {process.memory->space(),
                                      abi::kNoHandle,
                                      z.endpoint,
                                      z.states.memory(state_slot),
                                      StatePages::offset(state_slot),
                                      reinterpret_cast<u64>(this),
                                      z.budget,
                                      process.priority(),
                                      abi::ThreadKind::foreign,
                                      cpu,
                                      0};
    const SyscallResult made = invoke(abi::Syscall::thread_create, z.frames.pool());
    if (made.error != Error::ok) {
        z.states.free(state_slot);
        state = nullptr;
        return Errno::ENOMEM;
    }
    handle = static_cast<HandleIndex>(made.r0);
    at_event = true;
    return {};
}

void Thread::publish_name() const {
    const usize length = strnlen(name, sizeof name);
    static_cast<void>(name_thread(handle, process.name, static_cast<u32>(process.pid), {name, length}));
}

void Thread::destroy_kernel_thread() {
    if (handle == 0) return;
    static_cast<void>(Handle<pith::Thread>(std::exchange(handle, 0)).destroy());
    zone().states.free(state_slot);
    state = nullptr;
}

u64 Thread::cpu_time() const {
    if (handle == 0) return 0;
    if (invoke(abi::Syscall::thread_info, handle).error != Error::ok) return 0;
    return buffer_as<abi::ThreadInfo>().cpu_time;
}

void Thread::go_on(Return how, i64 result) {
    const abi::Resume resume = how == Return::result  ? abi::Resume::result
                               : how == Return::retry ? abi::Resume::retry
                                                      : abi::Resume::state;
    invoke(abi::Syscall::thread_resume, handle, static_cast<u64>(resume), static_cast<u64>(result));
}

void Thread::finish_call(i64 result) {
    if (starting_call && !new_program) {
        call_done = true;
        call_result = result;
        return;
    }
    Return how = std::exchange(new_program, false) ? Return::state : Return::result;
    if (prepare_return(how, result)) go_on(how, result);
}

namespace {

Task<void> drive(Thread& thread, Task<SysResult<u64>> task) {
    const SysResult<u64> result = co_await std::move(task);
    thread.finish_call(result.ok() ? static_cast<i64>(result.value()) : -static_cast<i64>(result.error()));
}

}  // namespace

Outcome run(Thread& thread, Task<SysResult<u64>> task) {
    if (!task.valid()) return Errno::ENOMEM;
    thread.starting_call = true;
    thread.call_done = false;
    auto driver = drive(thread, std::move(task));
    if (!spawn(std::move(driver))) {
        thread.starting_call = false;
        return Errno::ENOMEM;
    }
    thread.starting_call = false;
    if (thread.call_done) return thread.call_result;
    return Outcome::pending();
}

void copy_fpu_state(const Thread& from, const Thread& to) {
    u64 size = abi::kFpuChunk;
    for (u64 offset = 0; offset < size; offset += abi::kFpuChunk) {
        const SyscallResult read = invoke(abi::Syscall::thread_fpu_read, from.handle, offset);
        if (read.error != Error::ok) return;
        size = read.r0;
        // What was read is in the buffer, where the write takes it.
        invoke(abi::Syscall::thread_fpu_write, to.handle, offset);
    }
}

void reset_fpu_state(const Thread& thread) {
    u8* buffer = reinterpret_cast<u8*>(this_buffer().words);
    memset(buffer, 0, abi::kFpuChunk);
    buffer[0] = 0x7f;  // FCW 0x037f
    buffer[1] = 0x03;
    buffer[24] = 0x80;  // MXCSR 0x1f80
    buffer[25] = 0x1f;
    invoke(abi::Syscall::thread_fpu_write, thread.handle, 0);
}

}  // namespace pith::lx
