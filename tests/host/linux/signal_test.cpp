// SPDX-License-Identifier: MIT
// The structures of signals against the host's own headers.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/ucontext.h>

#include <cstring>

#include "servers/linux/rusage.hpp"
#include "servers/linux/signal_frame.hpp"

namespace pith::lx {
namespace {

TEST(SignalLayout, Siginfo) {
    SigInfo ours;
    ours.signo = SIGCHLD;
    ours.code = CLD_EXITED;
    ours.child = {42, 7, 3, 0, 11, 12};
    siginfo_t theirs;
    static_assert(sizeof ours == sizeof theirs);
    std::memcpy(&theirs, &ours, sizeof theirs);
    EXPECT_EQ(theirs.si_pid, 42);
    EXPECT_EQ(theirs.si_uid, 7u);
    EXPECT_EQ(theirs.si_status, 3);
    EXPECT_EQ(theirs.si_utime, 11);
    EXPECT_EQ(theirs.si_stime, 12);
    ours.fault = {0x1234, {}};
    std::memcpy(&theirs, &ours, sizeof theirs);
    EXPECT_EQ(theirs.si_addr, reinterpret_cast<void*>(0x1234));
    ours.timer = {5, 6, 77};
    std::memcpy(&theirs, &ours, sizeof theirs);
    EXPECT_EQ(theirs.si_timerid, 5);
    EXPECT_EQ(theirs.si_overrun, 6);
    EXPECT_EQ(theirs.si_value.sival_ptr, reinterpret_cast<void*>(77));
    ours.sent = {8, 9, 99};
    std::memcpy(&theirs, &ours, sizeof theirs);
    EXPECT_EQ(theirs.si_pid, 8);
    EXPECT_EQ(theirs.si_value.sival_ptr, reinterpret_cast<void*>(99));
}

TEST(SignalLayout, Context) {
    static_assert(offsetof(UserContext, registers) == offsetof(ucontext_t, uc_mcontext));
    static_assert(offsetof(UserContext, mask) == offsetof(ucontext_t, uc_sigmask));
    static_assert(sizeof(AltStack) == sizeof(stack_t));
    static_assert(sizeof(LinuxRusage) == sizeof(rusage));
    abi::ForeignState state{};
    state.r8 = 8, state.r15 = 15, state.rdi = 1, state.rsp = 2, state.rip = 3, state.rflags = 4,
    state.rax = 5;
    UserContext context{};
    fill_context(context.registers, state);
    ucontext_t theirs;
    std::memcpy(&theirs, &context, sizeof context);
    EXPECT_EQ(theirs.uc_mcontext.gregs[REG_R8], 8);
    EXPECT_EQ(theirs.uc_mcontext.gregs[REG_R15], 15);
    EXPECT_EQ(theirs.uc_mcontext.gregs[REG_RDI], 1);
    EXPECT_EQ(theirs.uc_mcontext.gregs[REG_RSP], 2);
    EXPECT_EQ(theirs.uc_mcontext.gregs[REG_RIP], 3);
    EXPECT_EQ(theirs.uc_mcontext.gregs[REG_EFL], 4);
    EXPECT_EQ(theirs.uc_mcontext.gregs[REG_RAX], 5);
    abi::ForeignState back{};
    context.registers.flags = ~u64{0};
    restore_context(back, context.registers);
    EXPECT_EQ(back.r8, 8u);
    EXPECT_EQ(back.rip, 3u);
    EXPECT_EQ(back.rflags & (3 << 12 | 1 << 9), 0u)
        << "neither I/O privilege nor the interrupt flag can be set";
}

}  // namespace
}  // namespace pith::lx
