// SPDX-License-Identifier: MIT
// The frame of a signal handler on a program's stack, as Linux on x86-64 lays it out (arch/x86/kernel/signal.c,
// struct rt_sigframe): return address, ucontext, siginfo, and above them the extended state, 64-byte aligned.
#include <string.h>

#include <algorithm>

#include "lib/os/handle.hpp"
#include "servers/linux/address_space.hpp"
#include "servers/linux/signal_frame.hpp"
#include "servers/linux/thread.hpp"

namespace pith::lx {

namespace {

constexpr u64 kRedZone = 128;
constexpr u32 kXstateMagic1 = 0x4650'5853, kXstateMagic2 = 0x4650'5845;
constexpr u32 kSwReserved = 464;    ///< in the legacy area
constexpr u32 kXstateHeader = 512;  ///< offset of XSTATE_BV

/// The thread's extended state to `area`; its size. no_memory: it has none yet, and its Pool has no room for one.
Result<u64> fpu_read(const Thread& thread, std::vector<u8>& area) {
    u64 size = abi::kFpuChunk;
    for (u64 offset = 0; offset < size; offset += abi::kFpuChunk) {
        const SyscallResult read = invoke(abi::Syscall::thread_fpu_read, thread.handle, offset);
        if (read.error != Error::ok) return read.error;
        size = read.r0;
        area.resize(std::max<usize>(area.size(), offset + abi::kFpuChunk));
        memcpy(area.data() + offset, this_buffer().words, abi::kFpuChunk);
    }
    return size;
}

void fpu_write(const Thread& thread, const std::vector<u8>& area) {
    for (u64 offset = 0; offset + abi::kFpuChunk <= area.size(); offset += abi::kFpuChunk) {
        memcpy(this_buffer().words, area.data() + offset, abi::kFpuChunk);
        invoke(abi::Syscall::thread_fpu_write, thread.handle, offset);
    }
}

/// Adds what tells a handler that the area is in the XSAVE format.
void mark_xstate(std::vector<u8>& area, u64 size) {
    u64 features = 0;
    memcpy(&features, area.data() + kXstateHeader, sizeof features);
    features |= 3;
    const u32 extended = static_cast<u32>(size) + 4, plain = static_cast<u32>(size);
    memset(area.data() + kSwReserved, 0, kXstateHeader - kSwReserved);
    memcpy(area.data() + kSwReserved, &kXstateMagic1, 4);
    memcpy(area.data() + kSwReserved + 4, &extended, 4);
    memcpy(area.data() + kSwReserved + 8, &features, 8);
    memcpy(area.data() + kSwReserved + 16, &plain, 4);
}

SysResult<> push_fpu_state(Thread& thread, u64& stack, u64& address, bool& xstate) {
    std::vector<u8> area;
    Result<u64> read = fpu_read(thread, area);
    // Nothing of it has ever been used, or the thread is no more: a frame without it, as sigreturn takes it.
    if (!read.ok()) return {};
    const u64 size = *read;
    xstate = size > kXstateHeader;
    stack = (stack - size - (xstate ? 4 : 0)) & ~u64{63};
    address = stack;
    if (xstate) mark_xstate(area, size);
    PITH_CHECK(copy_out(thread, address, area.data(), size));
    if (xstate) PITH_CHECK(put(thread, address + size, kXstateMagic2));
    return {};
}

SysResult<> pop_fpu_state(Thread& thread, u64 address) {
    if (address == 0) {
        reset_fpu_state(thread);
        return {};
    }
    std::vector<u8> area;
    Result<u64> read = fpu_read(thread, area);
    if (!read.ok()) return Errno::ENOMEM;
    const u64 size = *read;
    std::fill(area.begin(), area.end(), u8{0});
    PITH_CHECK(copy_in(thread, area.data(), address, kXstateHeader));
    u32 magic = 0;
    memcpy(&magic, area.data() + kSwReserved, 4);
    u64 features = 3;
    if (magic == kXstateMagic1 && size > kXstateHeader) {
        PITH_CHECK(
            copy_in(thread, area.data() + kXstateHeader, address + kXstateHeader, size - kXstateHeader));
        memcpy(&features, area.data() + kXstateHeader, sizeof features);
    }
    if (size > kXstateHeader) {
        // The rest of the header is reserved: the processor refuses anything else there.
        memset(area.data() + kXstateHeader, 0, 64);
        memcpy(area.data() + kXstateHeader, &features, sizeof features);
    }
    memset(area.data() + kSwReserved, 0, kXstateHeader - kSwReserved);
    fpu_write(thread, area);
    return {};
}

}  // namespace

SysResult<> push_signal_frame(Thread& thread, const SigInfo& info, const SigAction& action, SigSet mask) {
    if ((action.flags & kSaRestorer) == 0) return Errno::EFAULT;
    abi::ForeignState& state = *thread.state;
    const AltStack& alt = thread.alt_stack;
    const bool on_alt = (alt.flags & 2) == 0 && state.rsp > alt.base && state.rsp - alt.base <= alt.size;
    u64 stack = state.rsp - kRedZone;
    if ((action.flags & kSaOnStack) != 0 && (alt.flags & 2) == 0 && !on_alt) stack = alt.base + alt.size;
    u64 fpu_address = 0;
    bool xstate = false;
    PITH_CHECK(push_fpu_state(thread, stack, fpu_address, xstate));
    SignalFrame frame{};
    const u64 address = ((stack - sizeof frame) & ~u64{15}) - 8;
    if (on_alt && address < alt.base) return Errno::EFAULT;
    frame.return_address = action.restorer;
    frame.context.flags = 6 | (xstate ? 1 : 0);
    frame.context.stack = alt;
    fill_context(frame.context.registers, state);
    frame.context.registers.old_mask = mask;
    frame.context.registers.fpu_state = fpu_address;
    frame.context.mask = mask;
    frame.info = info;
    PITH_CHECK(put(thread, address, frame));
    if ((alt.flags & kAltAutoDisarm) != 0) thread.alt_stack = {};
    state.rdi = static_cast<u64>(info.signo);
    state.rsi = address + __builtin_offsetof(SignalFrame, info);
    state.rdx = address + __builtin_offsetof(SignalFrame, context);
    state.rax = 0;
    state.rsp = address;
    state.rip = action.handler;
    state.rflags &= ~u64{0x1'0500};  // direction, trap and resume flags
    return {};
}

SysResult<> pop_signal_frame(Thread& thread) {
    abi::ForeignState& state = *thread.state;
    const u64 address = state.rsp - 8;
    const auto frame = PITH_TRY(get<SignalFrame>(thread, address));
    PITH_CHECK(pop_fpu_state(thread, frame.context.registers.fpu_state));
    restore_context(state, frame.context.registers);
    thread.set_mask(frame.context.mask);
    thread.alt_stack = frame.context.stack;
    thread.alt_stack.flags &= ~1;
    return {};
}

}  // namespace pith::lx
