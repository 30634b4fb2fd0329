// SPDX-License-Identifier: MIT
// Descriptor tables (see the header; Intel SDM volume 3, 3.4.5, 6.14 and 8.7).
#include "kernel/arch/x86_64/descriptors.hpp"

#include <string.h>

#include "arch/interrupt.hpp"
#include "kernel/arch/x86_64/trap.hpp"

extern "C" const pith::u8 vector_stubs[], paranoid_stubs[];

namespace pith::arch {
namespace {

constexpr u64 kKernelCodeDescriptor = 0x00af9b000000ffff;
constexpr u64 kKernelDataDescriptor = 0x00cf93000000ffff;
constexpr u64 kUserDataDescriptor = 0x00cff3000000ffff;
constexpr u64 kUserCodeDescriptor = 0x00affb000000ffff;
constexpr u64 kTaskAvailable = 0x89;
constexpr usize kVectors = 256;
constexpr usize kStubSize = 4, kStubGroup = 16, kGroupRest = 8;  ///< of vector_stubs
constexpr usize kParanoidStubSize = 16;
constexpr u16 kNoBitmap = sizeof(TaskState);

struct Gate {
    u16 offset0;
    u16 selector;
    u8 ist;
    u8 type;
    u16 offset1;
    u32 offset2;
    u32 reserved;
};
static_assert(sizeof(Gate) == 16);

struct [[gnu::packed]] TablePointer {
    u16 limit;
    u64 base;
};

alignas(4096) constinit Gate interrupt_table[kVectors]{};

u8 stack_of(usize vector) {
    switch (vector) {
        case kVectorNmi: return 1;
        case kVectorDoubleFault: return 2;
        case kVectorMachineCheck: return 3;
        default: return 0;
    }
}

Gate make_gate(usize vector) {
    constexpr u8 kInterruptGate = 0x8e, kForUsers = 0x60;
    const u8 stack = stack_of(vector);
    u64 address = stack != 0 ? reinterpret_cast<u64>(paranoid_stubs) + (stack - 1u) * kParanoidStubSize
                             : reinterpret_cast<u64>(vector_stubs) + vector * kStubSize +
                                   vector / kStubGroup * kGroupRest;
    bool user = vector == 3 || vector == 4;  // int3 and into
    return {static_cast<u16>(address),
            PITH_KERNEL_CODE,
            stack,
            static_cast<u8>(kInterruptGate | (user ? kForUsers : 0)),
            static_cast<u16>(address >> 16),
            static_cast<u32>(address >> 32),
            0};
}

/// Whole bytes at once: a range may be all of the ports.
void set_bits(TaskState& task, core::PortRange range, bool closed) {
    for (u32 port = range.first; port <= range.last;) {
        u8& byte = task.bitmap[port / 8];
        if (port % 8 == 0 && port + 7 <= range.last) {
            byte = closed ? 0xff : 0;
            port += 8;
            continue;
        }
        auto mask = static_cast<u8>(1u << (port % 8));
        byte = static_cast<u8>(closed ? byte | mask : byte & ~mask);
        port++;
    }
}

}  // namespace

void init_interrupt_table() {
    for (usize vector = 0; vector < kVectors; vector++) interrupt_table[vector] = make_gate(vector);
}

void init_tables(CpuTables& tables, const CpuStacks& stacks) {
    auto base = reinterpret_cast<u64>(&tables.task);
    constexpr u64 kLimit = sizeof(TaskState) - 1;
    tables.gdt[PITH_KERNEL_CODE / 8] = kKernelCodeDescriptor;
    tables.gdt[PITH_KERNEL_DATA / 8] = kKernelDataDescriptor;
    tables.gdt[PITH_USER_DATA / 8] = kUserDataDescriptor;
    tables.gdt[PITH_USER_CODE / 8] = kUserCodeDescriptor;
    tables.gdt[PITH_TSS / 8] = (kLimit & 0xffff) | (base & 0xffffff) << 16 | kTaskAvailable << 40 |
                               (kLimit >> 16) << 48 | (base >> 24 & 0xff) << 56;
    tables.gdt[PITH_TSS / 8 + 1] = base >> 32;
    tables.task.rsp[0] = stacks.main;
    for (u32 i = 0; i < kFaultStacks; i++)
        tables.task.ist[i] = stacks.fault[i] - 16;  // below the CpuArea's address
    tables.task.bitmap_offset = kNoBitmap;
    memset(tables.task.bitmap, 0xff, sizeof(tables.task.bitmap));
    tables.open_count = 0;
}

void load_tables(CpuTables& tables) {
    TablePointer gdt{sizeof(tables.gdt) - 1, reinterpret_cast<u64>(tables.gdt)};
    TablePointer idt{sizeof(interrupt_table) - 1, reinterpret_cast<u64>(interrupt_table)};
    asm volatile("lgdt %0" ::"m"(gdt));
    asm volatile("lidt %0" ::"m"(idt));
    asm volatile("ltr %w0" ::"r"(PITH_TSS));
}

void load_ports(const core::PortRange* ranges, usize count) {
    CpuArea& area = this_area();
    CpuTables& tables = *area.tables;
    if (!area.has_ports && count == 0) return;
    for (u32 i = 0; i < tables.open_count; i++) set_bits(tables.task, tables.open[i], true);
    tables.open_count = 0;
    for (usize i = 0; i < count && tables.open_count < 64; i++) {
        tables.open[tables.open_count++] = ranges[i];
        set_bits(tables.task, ranges[i], false);
    }
    area.has_ports = tables.open_count != 0;
    tables.task.bitmap_offset = area.has_ports ? __builtin_offsetof(TaskState, bitmap) : kNoBitmap;
}

}  // namespace pith::arch
