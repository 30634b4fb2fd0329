// SPDX-License-Identifier: MIT
// From the boot loader to the core: reads what the loader says, makes the kernel's address space, finds the
// machine's parts, measures the clock, and hands over to core::main_boot_cpu. Nothing here takes long: root runs first.
#include "kernel/arch/x86_64/boot.hpp"

#include <string.h>

#include <algorithm>

#include "arch/machine.hpp"
#include "arch/paging.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/arch/x86_64/registers.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/platform/apic/io_apic.hpp"
#include "kernel/platform/apic/local_apic.hpp"
#include "kernel/platform/debug_console.hpp"

extern "C" {
extern const char image_start[], image_end[];
extern void (*const init_array_start[])();
extern void (*const init_array_end[])();
extern pith::u8 smap_patch_common[], smap_patch_paranoid[];
}

namespace pith::arch {
namespace {

/// hvm_start_info of PVH (xen/include/public/arch-x86/hvm/start_info.h).
struct StartInfo {
    u32 magic;
    u32 version;
    u32 flags;
    u32 module_count;
    u64 modules;
    u64 command_line;
    u64 rsdp;
    u64 memory_map;  ///< version 1 and later
    u32 memory_map_entries;
    u32 reserved;
};
static_assert(sizeof(StartInfo) == 56);

// QEMU puts these where they happen to fit.
struct [[gnu::packed]] StartModule {
    u64 address, size, command_line, reserved;
};

struct [[gnu::packed]] StartMemory {
    u64 address, size;
    u32 type, reserved;
};
static_assert(sizeof(StartMemory) == 24);

constexpr u32 kStartMagic = 0x336ec578;
constexpr u32 kMemoryUsable = 1;

constinit BootInformation loader_says{};

/// Boot data below 1 GiB through the early tables.
template <typename T>
const T* early(u64 physical) {
    return reinterpret_cast<const T*>(kKernelBase + physical);
}

/// clac in the entry stubs, while code is still writable.
void patch_smap() {
    constexpr u8 kClac[3] = {0x0f, 0x01, 0xca};
    for (u8* place : {smap_patch_common, smap_patch_paranoid}) memcpy(place, kClac, sizeof(kClac));
}

core::BootParameters make_parameters(u32 cpus, u64 entry_tsc) {
    const BootInformation& boot = boot_information();
    u64 memory = 0;
    for (usize i = 0; i < boot.ram_count; i++) memory += boot.ram[i].size;
    auto free = free_memory();
    return {
        .free = free.data(),
        .free_count = free.size(),
        .bundle = boot.bundle,
        .memory_size = memory,
        .kernel_size = static_cast<u64>(image_end - image_start) + early_used(),
        .rsdp = boot.rsdp,
        .cpus = cpus,
        .boot_flags = 0,
        .command_line = boot.command_line,
        .entry_tsc = entry_tsc,
        .tsc_base = clock.tsc_base,
        .clock_base = clock.clock_base,
        .multiplier = clock.multiplier,
        .tsc_frequency = clock.tsc_frequency,
    };
}

}  // namespace

void read_start_info(u64 start_info, BootInformation& boot) {
    const auto* info = early<StartInfo>(start_info);
    if (start_info == 0 || start_info >= kHugePage || info->magic != kStartMagic)
        core::panic("Not started by the PVH protocol");
    if (info->version < 1 || info->memory_map_entries == 0) core::panic("The boot loader gave no memory map");
    const auto* memory = early<StartMemory>(info->memory_map);
    for (u32 i = 0; i < info->memory_map_entries && boot.ram_count < boot.ram.size(); i++)
        if (memory[i].type == kMemoryUsable) boot.ram[boot.ram_count++] = {memory[i].address, memory[i].size};
    if (info->module_count != 0) {
        const auto* module = early<StartModule>(info->modules);
        if (module->address % abi::kPageSize != 0) core::panic("The boot bundle is not page aligned");
        boot.bundle = {module->address, (module->size + abi::kPageSize - 1) & ~(abi::kPageSize - 1)};
    }
    if (info->command_line != 0) {
        const char* line = early<char>(info->command_line);
        usize length = std::min(strnlen(line, sizeof(boot.command_line)), sizeof(boot.command_line) - 1);
        memcpy(boot.command_line, line, length);
    }
    boot.rsdp = info->rsdp;
}

extern "C" [[noreturn]] void kernel_exit();

extern "C" [[noreturn]] void boot_main(u64 start_info, u64 entry_tsc) {
    platform::init_debug_console();
    for (auto* constructor = init_array_start; constructor != init_array_end; constructor++) (*constructor)();
    auto* area = reinterpret_cast<CpuArea*>(read_msr(Msr::gs_base));
    area->self = area;  // again, should a constructor have cleared it
    if (has_smap()) patch_smap();
    read_start_info(start_info, loader_says);
    init_early_memory(loader_says);
    init_kernel_map(loader_says);

    u64 rsdp = loader_says.rsdp != 0 ? loader_says.rsdp : platform::find_acpi_root();
    platform::MachineDescription machine = platform::read_acpi(rsdp);
    platform::LocalApic::map(machine.local_apic);
    init_interrupt_table();
    init_cpu_areas(machine);
    load_tables(*this_area().tables);
    init_cpu_registers();
    platform::init_io_apics(machine);
    enable_local_apic();
    init_clock(machine, entry_tsc);

    core::BootParameters parameters = make_parameters(machine.cpus, entry_tsc);
    parameters.rsdp = rsdp;
    core::main_boot_cpu(parameters);
    start_other_cpus(machine.cpus);
    kernel_exit();
}

}  // namespace pith::arch
