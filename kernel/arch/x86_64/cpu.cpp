// SPDX-License-Identifier: MIT
// Setting up a CPU: its protections, system call registers, timer; interrupts between CPUs.
#include "arch/cpu.hpp"

#include "arch/fpu.hpp"
#include "arch/interrupt.hpp"
#include "arch/paging.hpp"
#include "kernel/arch/x86_64/boot.hpp"
#include "kernel/arch/x86_64/descriptors.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/platform/apic/io_apic.hpp"
#include "kernel/platform/apic/local_apic.hpp"

extern "C" void syscall_stub();

namespace pith::arch {
namespace {

constexpr u32 kLongestTimer = 0xffff'ff00;

struct Features {
    bool smep, smap, umip, fsgsbase, global_pages, rdtscp;
};

Features read_features() {
    auto basic = cpuid(1);
    auto extended = cpuid(0).eax >= 7 ? cpuid(7) : CpuidResult{};
    return {(extended.ebx & 1u << 7) != 0, (extended.ebx & 1u << 20) != 0,
            (extended.ecx & 1u << 2) != 0, (extended.ebx & 1u << 0) != 0,
            (basic.edx & 1u << 13) != 0,   (cpuid(0x8000'0001).edx & 1u << 27) != 0};
}

}  // namespace

bool has_smap() { return read_features().smap; }

void init_cpu_registers() {
    Features features = read_features();
    if (!features.fsgsbase) core::panic("This CPU has no FSGSBASE");
    u64 cr4 = read_cr4() | kCr4MachineCheck | kCr4FsGsBase;
    if (features.global_pages) cr4 |= kCr4Global;
    if (features.smep) cr4 |= kCr4Smep;
    if (features.smap) cr4 |= kCr4Smap;
    if (features.umip) cr4 |= kCr4Umip;
    write_cr4(cr4);
    write_cr0((read_cr0() | kCr0WriteProtect) & ~u64{kCr0AlignmentMask});
    write_msr(Msr::efer, read_msr(Msr::efer) | kEferSyscall | kEferNoExecute);
    write_msr(Msr::star, u64{PITH_KERNEL_DATA | 3} << 48 | u64{PITH_KERNEL_CODE} << 32);
    write_msr(Msr::lstar, reinterpret_cast<u64>(&syscall_stub));
    write_msr(Msr::syscall_mask, kFlagTrap | kFlagInterrupt | kFlagDirection | kFlagNested | kFlagAlignment);
    write_msr(Msr::kernel_gs_base, 0);
    write_msr(Msr::fs_base, 0);
    if (features.rdtscp) write_msr(Msr::tsc_aux, this_area().id);  // programs may ask for their CPU's number
    init_fpu();
}

void enable_local_apic() { platform::LocalApic::enable(kVectorTimer, kVectorSpurious, kVectorError); }

void send_ipi(u32 cpu) { platform::LocalApic::send(static_cast<u8>(cpu_areas[cpu]->apic_id), kVectorIpi); }

void arm_timer(abi::Time deadline) {
    CpuArea& area = this_area();
    area.timer_deadline = deadline;
    if (deadline == core::kNever) {
        platform::LocalApic::set_timer(0);
        return;
    }
    abi::Time time = now();
    u64 wait = deadline > time ? deadline - time : 0;
    u64 count = wait < kLongestTimer / 2 ? scale(wait, clock.timer_multiplier) + 1 : kLongestTimer;
    platform::LocalApic::set_timer(count < kLongestTimer ? static_cast<u32>(count) : kLongestTimer);
}

Result<> interrupt_route(u32 line, u32 flags, u32 cpu) {
    auto vector = static_cast<u8>(kVectorLines + line);
    auto apic_id = static_cast<u8>(cpu_areas[cpu]->apic_id);
    if (line >= kInterruptLines ||
        !platform::route_interrupt(line, vector, apic_id, (flags & 1) != 0, (flags & 2) != 0))
        return Error::unsupported;
    return {};
}
u32 wired_lines() { return platform::interrupt_count(); }
Message interrupt_message(u32 line, u32 cpu) {
    return {0xfee0'0000 | u64{cpu_areas[cpu]->apic_id} << 12, kVectorLines + line};
}
void interrupt_mask(u32 line) { platform::mask_interrupt(line, true); }
void interrupt_unmask(u32 line) { platform::mask_interrupt(line, false); }
void interrupt_release(u32 line) { platform::mask_interrupt(line, true); }

}  // namespace pith::arch
