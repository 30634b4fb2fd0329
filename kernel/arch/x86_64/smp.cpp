// SPDX-License-Identifier: MIT
// The CPUs: their areas, tables and stacks, made by the boot CPU for all; and waking the others (Intel SDM volume 3, 8.4).
#include <string.h>

#include <utility>

#include "arch/paging.hpp"
#include "kernel/arch/x86_64/boot.hpp"
#include "kernel/arch/x86_64/registers.hpp"
#include "kernel/core/cpu.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/platform/apic/local_apic.hpp"

extern "C" {
extern const char trampoline_start[], trampoline_end[];
/// For enter_secondary, by index of the CPU; and which index a local APIC has.
pith::arch::CpuArea* secondary_areas[pith::abi::kMaxCpus];
pith::u8 apic_to_cpu[256];
}

namespace pith::arch {
namespace {

constexpr u64 kTrampolinePage = 0x8000;
constexpr u32 kHypervisor = 1u << 31;  // CPUID 1, ecx

void pause_for(abi::Time nanoseconds) {
    abi::Time end = now() + nanoseconds;
    while (now() < end) relax();
}

void init_area(CpuArea& area, u32 id, u32 apic_id) {
    area.self = &area;
    area.id = id;
    area.apic_id = apic_id;
    area.stack_top = map_stack(kStackSize);
    u64 physical = early_allocate((sizeof(CpuTables) + abi::kPageSize - 1) / abi::kPageSize);
    area.tables = static_cast<CpuTables*>(physical_to_virtual(physical));
    CpuStacks stacks{.main = area.stack_top, .fault = {}};
    for (u64& stack : stacks.fault) {
        stack = map_stack(kFaultStackSize);
        *reinterpret_cast<CpuArea**>(stack - 8) = &area;  // how the stubs find it
    }
    init_tables(*area.tables, stacks);
}

}  // namespace

constinit std::array<CpuArea*, abi::kMaxCpus> cpu_areas{};

void init_cpu_areas(const platform::MachineDescription& machine) {
    auto apic_ids = machine.apic_ids;
    u8 own = platform::LocalApic::id();
    for (u32 i = 0; i < machine.cpus; i++)
        if (apic_ids[i] == own) std::swap(apic_ids[0], apic_ids[i]);  // the boot CPU is 0
    apic_ids[0] = own;
    for (u32 i = 0; i < machine.cpus; i++) {
        auto* area = reinterpret_cast<CpuArea*>(&core::cpus[i]);
        cpu_areas[i] = secondary_areas[i] = area;
        apic_to_cpu[apic_ids[i]] = static_cast<u8>(i);
        init_area(*area, i, apic_ids[i]);
    }
}

void start_other_cpus(u32 cpus) {
    if (cpus < 2) return;
    auto size = static_cast<usize>(trampoline_end - trampoline_start);
    memcpy(physical_to_virtual(kTrampolinePage), trampoline_start, size);
    // Real processors want the pauses that Intel gives; an emulator answers at once.
    bool emulated = (cpuid(1).ecx & kHypervisor) != 0;
    using platform::LocalApic;
    for (u32 i = 1; i < cpus; i++) LocalApic::send_init(static_cast<u8>(cpu_areas[i]->apic_id));
    if (!emulated) pause_for(10'000'000);
    for (int tries = 0; tries < (emulated ? 1 : 2); tries++) {
        for (u32 i = 1; i < cpus; i++)
            LocalApic::send_startup(static_cast<u8>(cpu_areas[i]->apic_id), kTrampolinePage >> 12);
        if (!emulated) pause_for(200'000);
    }
}

/// A CPU that the trampoline brought here, on its own stack, with gs set.
extern "C" void secondary_main(u32 id) {
    load_tables(*this_area().tables);
    init_cpu_registers();
    enable_local_apic();
    core::main_other_cpu(id);
}

}  // namespace pith::arch
