// SPDX-License-Identifier: MIT
// The user registers of a thread, in the order of abi::ForeignState. The entry stubs (entry.S, ipc.S) know the offsets.
// After a system call rcx and r11 are not stored (they equal rip and rflags, and are lost to the user) and `full` is 0:
// the thread returns by sysret. A fast path of messages stores rip, rflags, rsp, rbx, rbp and fs base only. After anything else all registers are valid and it returns by iret.
#pragma once

#include <stddef.h>

#include "abi/error.hpp"
#include "abi/thread.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/arch/x86_64/registers.hpp"

namespace pith::arch {

/// Where a core::Thread has its Frame.
inline constexpr usize kThreadFrame = PITH_THREAD_FRAME;

struct alignas(16) Frame {
    u64 rax = 0, rbx = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0, rbp = 0, rsp = 0;
    u64 r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
    u64 rip = 0, rflags = kFlagInterrupt | kFlagReserved, fs_base = 0, gs_base = 0;
    u64 full = 1;     ///< return by iret: rcx and r11 are valid
    u64 foreign = 0;  ///< gs base is kept too

    u32 number() const { return static_cast<u8>(rax); }
    abi::HandleIndex handle() const { return static_cast<abi::HandleIndex>(rax >> 32); }
    u64 call() const { return rax; }  ///< what of it says which call on what
    u64 arg(unsigned i) const { return this->*kArguments[i]; }
    void set_arg(unsigned i, u64 value) { this->*kArguments[i] = value; }
    void set_error(Error e) { rax = static_cast<u64>(e); }
    void set_result(Error e, u64 r0, u64 r1, u64 r2) {
        set_error(e);
        rdx = r0;
        r10 = r1;
        r8 = r2;
    }
    u64 tag() const { return rdi; }
    void set_tag(u64 value) { rdi = value; }
    abi::Time deadline() const { return rsi; }
    void set_badge(u64 value) { rsi = value; }
    u64 word(unsigned i) const { return this->*kWords[i]; }
    void set_word(unsigned i, u64 value) { this->*kWords[i] = value; }
    void copy_words_to(Frame& to) const {
        to.rdx = rdx;
        to.r10 = r10;
        to.r8 = r8;
        to.r9 = r9;
        to.r12 = r12;
        to.r13 = r13;
        to.r14 = r14;
        to.r15 = r15;
    }
    void restart() { rip -= 2; }  // the length of `syscall`
    u64 ip() const { return rip; }
    u64 sp() const { return rsp; }

    void init_native(u64 ip, u64 sp, u64 argument, u64 tls);
    void load_from(const abi::ForeignState& state);
    void save_to(abi::ForeignState& state) const;
    void set_foreign_result(u64 value) { rax = value; }
    u64 foreign_number() const { return rax; }
    void foreign_words(u64* words) const {
        words[0] = rax;
        words[1] = rdi;
        words[2] = rsi;
        words[3] = rdx;
        words[4] = r10;
        words[5] = r8;
        words[6] = r9;
        words[7] = rip;
    }
    void registers(u64* out) const;

  private:
    static constexpr u64 Frame::* kArguments[6] = {&Frame::rdi, &Frame::rsi, &Frame::rdx,
                                                   &Frame::r10, &Frame::r8,  &Frame::r9};
    static constexpr u64 Frame::* kWords[8] = {&Frame::rdx, &Frame::r10, &Frame::r8,  &Frame::r9,
                                               &Frame::r12, &Frame::r13, &Frame::r14, &Frame::r15};
};
static_assert(offsetof(Frame, r15) == 120 && offsetof(Frame, rip) == 128 && offsetof(Frame, full) == 160 &&
              offsetof(Frame, foreign) == 168);
static_assert(offsetof(abi::ForeignState, gs_base) == offsetof(Frame, gs_base));

}  // namespace pith::arch
