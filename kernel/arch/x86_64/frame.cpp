// SPDX-License-Identifier: MIT
// What of a Frame is not on the fast path: new threads and the state pages of foreign ones.
#include "arch/frame.hpp"

namespace pith::arch {
namespace {

/// What a user may choose: carry, parity, adjust, zero, sign, trap, direction, overflow, identification.
constexpr u64 kUserFlags = 0x200dd5 & ~kFlagInterrupt;
constexpr u64 kFixedFlags = kFlagInterrupt | kFlagReserved;

/// An address that iret and sysret accept; where none is meant, 0 (which faults in user mode).
u64 user_address(u64 address) { return address < abi::kUserTop ? address : 0; }

/// A segment base that wrfsbase accepts.
u64 canonical(u64 base) { return static_cast<u64>(static_cast<i64>(base << 16) >> 16) == base ? base : 0; }

}  // namespace

void Frame::init_native(u64 ip, u64 sp, u64 argument, u64 tls) {
    *this = Frame{};
    rip = user_address(ip);
    rsp = user_address(sp);
    rdi = argument;
    fs_base = canonical(tls);
    full = 1;
}

void Frame::load_from(const abi::ForeignState& state) {
    // Each word is read once: the page is shared with a personality that may write to it now.
    auto read = [](const u64& word) { return *static_cast<const volatile u64*>(&word); };
    const u64* from = &state.rax;
    u64* to = &rax;
    for (unsigned i = 0; i < 16; i++) to[i] = read(from[i]);
    rsp = rsp <= abi::kUserTop ? rsp : 0;
    rip = user_address(read(state.rip));
    rflags = (read(state.rflags) & kUserFlags) | kFixedFlags;
    fs_base = canonical(read(state.fs_base));
    gs_base = canonical(read(state.gs_base));
    // Where rcx and r11 are what sysret leaves there, it may be used: it is cheaper than iret.
    foreign = 1;
    full = rcx != rip || r11 != rflags || (rflags & kFlagTrap);
}

void Frame::save_to(abi::ForeignState& state) const {
    const u64* from = &rax;
    u64* to = &state.rax;
    for (unsigned i = 0; i < 20; i++) to[i] = from[i];
    if (!full) {
        state.rcx = rip;
        state.r11 = rflags;
    }
}

void Frame::registers(u64* out) const {
    const u64* from = &rax;
    for (unsigned i = 0; i < 16; i++) out[i] = from[i];
    if (!full) {
        out[2] = rip;
        out[11] = rflags;
    }
}

}  // namespace pith::arch
