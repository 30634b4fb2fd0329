// SPDX-License-Identifier: MIT
// Extended state (see arch/fpu.hpp; Intel SDM volume 1, chapters 10 and 13).
#include "arch/fpu.hpp"

#include <string.h>

namespace pith::arch {
namespace {

constexpr u64 kX87 = 1, kSse = 2, kAvx = 4, kAvx512 = 0xe0;
constexpr usize kLegacySize = 512;
constexpr usize kHeaderSize = 64;
constexpr usize kMaxArea = 4096;
constexpr u16 kDefaultControl = 0x37f;
constexpr u32 kDefaultMxcsr = 0x1f80;
constexpr u32 kDefaultMxcsrMask = 0xffbf;

constinit u32 mxcsr_mask = kDefaultMxcsrMask;

struct Legacy {
    u16 control, status;
    u8 tags, reserved;
    u16 opcode;
    u64 instruction, data;
    u32 mxcsr, mxcsr_mask;
    u8 registers[kLegacySize - 32];
};
static_assert(sizeof(Legacy) == kLegacySize);

struct Header {
    u64 present;    ///< components in the area; the others are in their initial state
    u64 compacted;  ///< must be 0
    u64 reserved[6];
};
static_assert(sizeof(Header) == kHeaderSize);

alignas(64) constinit u8 probe[kLegacySize]{};

void write_xcr0(u64 value) {
    asm volatile("xsetbv" ::"c"(0), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)));
}

}  // namespace

constinit u64 fpu_components = 0;
constinit usize fpu_area_size = kLegacySize;

void init_fpu() {
    u64 cr0 = read_cr0();
    cr0 &= ~u64{kCr0Emulation};
    cr0 |= kCr0MonitorCoprocessor | kCr0NumericError;
    write_cr0(cr0);
    write_cr4(read_cr4() | kCr4Fxsr | kCr4FxException);
    if (cpuid(1).ecx & 1u << 26) {
        write_cr4(read_cr4() | kCr4Xsave);
        auto supported = cpuid(0xd);
        u64 available = u64{supported.edx} << 32 | supported.eax;
        u64 wanted = (kX87 | kSse | kAvx) & available;
        if ((available & kAvx512) == kAvx512 && (wanted & kAvx)) wanted |= kAvx512;
        write_xcr0(wanted);
        if (usize size = cpuid(0xd).ebx; size <= kMaxArea) {
            fpu_components = wanted;
            fpu_area_size = size;
        }
    }
    clear_task_switched();
    asm volatile("fxsave64 (%0)" ::"r"(probe) : "memory");
    if (u32 mask = reinterpret_cast<Legacy*>(probe)->mxcsr_mask) mxcsr_mask = mask;
    fpu_disable();
}

void fpu_init(void* area) {
    memset(area, 0, fpu_area_size);
    auto* legacy = static_cast<Legacy*>(area);
    legacy->control = kDefaultControl;
    legacy->mxcsr = kDefaultMxcsr;
}

void fpu_sanitise(void* area) {
    auto* legacy = static_cast<Legacy*>(area);
    legacy->mxcsr &= mxcsr_mask;
    if (fpu_components == 0) return;
    auto* header = reinterpret_cast<Header*>(static_cast<u8*>(area) + kLegacySize);
    u64 present = header->present & fpu_components;
    memset(header, 0, sizeof(Header));
    header->present = present;
}

}  // namespace pith::arch
