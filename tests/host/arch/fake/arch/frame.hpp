// SPDX-License-Identifier: MIT
// The fake architecture: registers of a thread, laid out and overlapping as on x86-64 (abi/syscall.hpp).
#pragma once

#include <string.h>

#include "abi/thread.hpp"
#include "lib/base/result.hpp"

namespace pith::arch {

inline constexpr usize kThreadFrame = 128;

struct alignas(16) Frame {
    abi::ForeignState state{};
    bool restarted = false;  ///< the call was preempted: it is to be made again

    u64& at(unsigned word) {
        switch (word) {
            case 0: return state.rdx;
            case 1: return state.r10;
            case 2: return state.r8;
            case 3: return state.r9;
            case 4: return state.r12;
            case 5: return state.r13;
            case 6: return state.r14;
            default: return state.r15;
        }
    }
    u64& argument(unsigned i) { return i == 0 ? state.rdi : i == 1 ? state.rsi : at(i - 2); }

    u32 number() const { return static_cast<u32>(state.rax & 0xff); }
    abi::HandleIndex handle() const { return static_cast<abi::HandleIndex>(state.rax >> 32); }
    u64 call() const { return state.rax; }
    u64 arg(unsigned i) const { return const_cast<Frame*>(this)->argument(i); }
    void set_arg(unsigned i, u64 value) { argument(i) = value; }
    void set_error(Error error) { state.rax = static_cast<u64>(error); }
    void set_result(Error error, u64 r0, u64 r1, u64 r2) {
        set_error(error);
        state.rdx = r0;
        state.r10 = r1;
        state.r8 = r2;
    }
    u64 tag() const { return state.rdi; }
    void set_tag(u64 value) { state.rdi = value; }
    abi::Time deadline() const { return state.rsi; }
    void set_badge(u64 value) { state.rsi = value; }
    u64 word(unsigned i) const { return const_cast<Frame*>(this)->at(i); }
    void set_word(unsigned i, u64 value) { at(i) = value; }
    void copy_words_to(Frame& to) const {
        for (unsigned i = 0; i < 8; i++) to.set_word(i, word(i));
    }
    void restart() { restarted = true; }
    u64 ip() const { return state.rip; }
    u64 sp() const { return state.rsp; }
    void init_native(u64 ip, u64 sp, u64 first, u64 tls) {
        state = {};
        state.rip = ip;
        state.rsp = sp;
        state.rdi = first;
        state.fs_base = tls;
    }
    void save_to(abi::ForeignState& to) const { memcpy(&to, &state, offsetof(abi::ForeignState, event)); }
    /// Sanitises: canonical user addresses, only harmless flags.
    void load_from(const abi::ForeignState& from) {
        memcpy(&state, &from, offsetof(abi::ForeignState, event));
        if (state.rip >= abi::kUserTop) state.rip = 0;
        if (state.rsp >= abi::kUserTop) state.rsp = 0;
        state.rflags &= 0x200dd5;
        state.rflags |= 0x202;
    }
    void set_foreign_result(u64 rax) { state.rax = rax; }
    u64 foreign_number() const { return state.rax; }
    void foreign_words(u64* w) const {
        const u64 values[8] = {state.rax, state.rdi, state.rsi, state.rdx,
                               state.r10, state.r8,  state.r9,  state.rip};
        memcpy(w, values, sizeof values);
    }
    void registers(u64* out) const { memcpy(out, &state, 16 * sizeof(u64)); }
};

}  // namespace pith::arch
