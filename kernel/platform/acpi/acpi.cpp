// SPDX-License-Identifier: MIT
// Reading the ACPI tables (see the header).
#include "kernel/platform/acpi/acpi.hpp"

#include <string.h>

#include <algorithm>
#include <span>

#include "kernel/platform/acpi/tables.hpp"
#include "kernel/platform/physical.hpp"

namespace pith::platform {
namespace {

using namespace acpi;

constexpr u32 kMaxTable = 1u << 20;

bool checksum_ok(const void* data, usize size) {
    const auto* bytes = static_cast<const u8*>(data);
    u8 sum = 0;
    for (usize i = 0; i < size; i++) sum = static_cast<u8>(sum + bytes[i]);
    return sum == 0;
}

/// The whole table at an address; empty if it is no proper table.
std::span<const u8> map_table(u64 physical) {
    if (physical == 0) return {};
    const auto* header = static_cast<const Header*>(map_firmware(physical, sizeof(Header)));
    if (header == nullptr) return {};
    u32 length = header->length;
    if (length < sizeof(Header) || length > kMaxTable) return {};
    const void* table = map_firmware(physical, length);
    if (table == nullptr || !checksum_ok(table, length)) return {};
    return {static_cast<const u8*>(table), length};
}

bool has_signature(std::span<const u8> table, const char* signature) {
    return memcmp(table.data(), signature, 4) == 0;
}

template <typename T>
T read_at(std::span<const u8> table, usize offset) {
    T value{};
    if (offset + sizeof(T) <= table.size()) memcpy(&value, table.data() + offset, sizeof(T));
    return value;
}

void read_madt_entry(MachineDescription& machine, std::span<const u8> entry) {
    switch (entry[0]) {
        case 0: {
            auto cpu = read_at<MadtLocalApic>(entry, 0);
            if ((cpu.flags & 1) && machine.cpus < machine.apic_ids.size())
                machine.apic_ids[machine.cpus++] = cpu.apic_id;
            break;
        }
        case 1: {
            auto controller = read_at<MadtIoApic>(entry, 0);
            if (machine.io_apic_count < machine.io_apics.size())
                machine.io_apics[machine.io_apic_count++] = {controller.address, controller.first_interrupt};
            break;
        }
        case 2: {
            auto o = read_at<MadtOverride>(entry, 0);
            if (machine.override_count < machine.overrides.size())
                machine.overrides[machine.override_count++] = {o.interrupt, o.source, (o.flags & 0xc) == 0xc,
                                                               (o.flags & 3) == 3};
            break;
        }
        case 5: machine.local_apic = read_at<MadtLocalApicAddress>(entry, 0).address; break;
        default: break;
    }
}

void read_madt(MachineDescription& machine, std::span<const u8> table) {
    if (u32 address = read_at<Madt>(table, 0).local_apic) machine.local_apic = address;
    usize at = sizeof(Madt);
    while (at + sizeof(MadtEntry) <= table.size()) {
        usize length = table[at + 1];
        if (length < sizeof(MadtEntry) || at + length > table.size()) return;
        read_madt_entry(machine, table.subspan(at, length));
        at += length;
    }
}

void read_table(MachineDescription& machine, std::span<const u8> table) {
    if (has_signature(table, "APIC")) {
        read_madt(machine, table);
    } else if (has_signature(table, "HPET")) {
        auto hpet = read_at<Hpet>(table, 0);
        if (hpet.address.space == 0) machine.hpet = hpet.address.address;
    } else if (has_signature(table, "FACP") && read_at<u8>(table, kFadtTimerLength) == 4) {
        machine.pm_timer = static_cast<u16>(read_at<u32>(table, kFadtTimerPort));
        machine.pm_timer_32 = (read_at<u32>(table, kFadtFlags) & 1u << 8) != 0;
    }
}

template <typename Pointer>
void read_root_table(MachineDescription& machine, std::span<const u8> root) {
    for (usize at = sizeof(Header); at + sizeof(Pointer) <= root.size(); at += sizeof(Pointer)) {
        auto table = map_table(read_at<Pointer>(root, at));
        if (!table.empty()) read_table(machine, table);
    }
}

void use_defaults(MachineDescription& machine) {
    if (machine.cpus == 0) machine.cpus = 1;
    if (machine.io_apic_count == 0) machine.io_apics[machine.io_apic_count++] = {0xfec00000, 0};
}

}  // namespace

MachineDescription read_acpi(u64 root_pointer) {
    MachineDescription machine;
    if (root_pointer != 0) {
        const auto* root = static_cast<const RootPointer*>(map_firmware(root_pointer, sizeof(RootPointer)));
        if (root != nullptr && memcmp(root->signature, "RSD PTR ", 8) == 0) {
            if (root->revision >= 2 && root->xsdt != 0) read_root_table<u64>(machine, map_table(root->xsdt));
            else read_root_table<u32>(machine, map_table(root->rsdt));
        }
    }
    use_defaults(machine);
    return machine;
}

u64 find_acpi_root() {
    constexpr u64 kStart = 0xe0000, kEnd = 0x100000;
    const auto* bios = static_cast<const u8*>(map_firmware(kStart, kEnd - kStart));
    for (u64 at = 0; bios != nullptr && at < kEnd - kStart; at += 16) {
        if (memcmp(bios + at, "RSD PTR ", 8) == 0 && checksum_ok(bios + at, 20)) return kStart + at;
    }
    return 0;
}

}  // namespace pith::platform
