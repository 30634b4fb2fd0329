// SPDX-License-Identifier: MIT
// The processor's own registers and instructions as functions: control registers, MSRs, CPUID, ports.
#pragma once

#include "abi/types.hpp"

namespace pith::arch {

/// Bits of CR0, CR4, EFER and RFLAGS (Intel SDM volume 3, 2.5 and 2.2.1).
enum : u64 {
    kCr0MonitorCoprocessor = 1u << 1,
    kCr0Emulation = 1u << 2,
    kCr0TaskSwitched = 1u << 3,
    kCr0NumericError = 1u << 5,
    kCr0WriteProtect = 1u << 16,
    kCr0AlignmentMask = 1u << 18,
    kCr4Pae = 1u << 5,
    kCr4MachineCheck = 1u << 6,
    kCr4Global = 1u << 7,
    kCr4Fxsr = 1u << 9,
    kCr4FxException = 1u << 10,
    kCr4Umip = 1u << 11,
    kCr4FsGsBase = 1u << 16,
    kCr4Xsave = 1u << 18,
    kCr4Smep = 1u << 20,
    kCr4Smap = 1u << 21,
    kEferSyscall = 1u << 0,
    kEferLongMode = 1u << 8,
    kEferNoExecute = 1u << 11,
    kFlagReserved = 1u << 1,
    kFlagTrap = 1u << 8,
    kFlagInterrupt = 1u << 9,
    kFlagDirection = 1u << 10,
    kFlagNested = 1u << 14,
    kFlagAlignment = 1u << 18,
};

enum class Msr : u32 {
    apic_base = 0x1b,
    pat = 0x277,
    efer = 0xc0000080,
    star = 0xc0000081,
    lstar = 0xc0000082,
    cstar = 0xc0000083,
    syscall_mask = 0xc0000084,
    fs_base = 0xc0000100,
    gs_base = 0xc0000101,
    kernel_gs_base = 0xc0000102,
    tsc_aux = 0xc0000103,
};

inline u64 read_msr(Msr msr) {
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(static_cast<u32>(msr)));
    return u64{high} << 32 | low;
}
inline void write_msr(Msr msr, u64 value) {
    asm volatile("wrmsr" ::"c"(static_cast<u32>(msr)), "a"(static_cast<u32>(value)),
                 "d"(static_cast<u32>(value >> 32))
                 : "memory");
}

#define PITH_CONTROL_REGISTER(name)                        \
    inline u64 read_##name() {                             \
        u64 value;                                         \
        asm volatile("mov %%" #name ", %0" : "=r"(value)); \
        return value;                                      \
    }                                                      \
    inline void write_##name(u64 value) { asm volatile("mov %0, %%" #name ::"r"(value) : "memory"); }
PITH_CONTROL_REGISTER(cr0)
PITH_CONTROL_REGISTER(cr2)
PITH_CONTROL_REGISTER(cr3)
PITH_CONTROL_REGISTER(cr4)
#undef PITH_CONTROL_REGISTER

struct CpuidResult {
    u32 eax, ebx, ecx, edx;
};
inline CpuidResult cpuid(u32 leaf, u32 subleaf = 0) {
    CpuidResult r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

inline u64 read_tsc() {
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return u64{high} << 32 | low;
}

inline void out8(u16 port, u8 value) { asm volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
inline void out32(u16 port, u32 value) { asm volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }
inline u8 in8(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline u32 in32(u16 port) {
    u32 value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

inline u64 read_rflags() {
    u64 flags;
    asm volatile("pushfq; pop %0" : "=r"(flags));
    return flags;
}
inline void clear_task_switched() { asm volatile("clts" ::: "memory"); }
inline void flush_page(u64 address) { asm volatile("invlpg (%0)" ::"r"(address) : "memory"); }

}  // namespace pith::arch
