// SPDX-License-Identifier: MIT
// Power off and reset. ACPI 6.5: 5.2.9 (FADT), 4.8.3.6 (reset register), 7.4.2 (\_S5).
#include "servers/root/power.hpp"

#include <cstring>

#include "lib/driver/registers.hpp"
#include "lib/os/start_info.hpp"

namespace pith::root {

namespace {

/// The sleep types of \_S5 for PM1a and PM1b, from `Name (_S5_, Package () { a, b, ... })` in the DSDT's byte
/// code.
struct SleepTypes {
    u8 a, b;
};

Result<SleepTypes> find_s5(const FirmwareMemory& dsdt) {
    const u8* p = dsdt.bytes();
    const u64 size = dsdt.size();
    for (u64 i = 36; i + 16 < size; i++) {
        if (std::memcmp(p + i, "_S5_", 4) != 0 || p[i + 4] != 0x12) continue;
        u64 at = i + 5;
        at += u64{1} + (p[at] >> 6);  // PkgLength
        at++;                         // NumElements
        u8 values[2] = {};
        for (u8& value : values) {
            if (at + 1 >= size) return Error::protocol;
            if (p[at] == 0x0a) value = p[at + 1], at += 2;  // BytePrefix
            else if (p[at] <= 1) value = p[at], at++;       // ZeroOp, OneOp
            else return Error::protocol;
        }
        return SleepTypes{values[0], values[1]};
    }
    return Error::not_found;
}

Result<> open_ports(const FirmwareAccess& access, u16 first, u32 count) {
    Handle<IoPorts> ports = PITH_TRY(access.machine.create_ports(access.pool, first, count));
    return ports.bind(own_space());  // the handle may go: the object stays, bound
}

Error power_off(const FirmwareAccess& access) {
    constexpr u16 kSleepEnable = 1 << 13;
    auto fadt = find_acpi_table(access, "FACP");
    if (!fadt.ok()) return fadt.error();
    const u64 wide = fadt->read<u64>(140);
    auto dsdt = open_acpi_table(access, wide != 0 ? wide : fadt->read<u32>(40));
    if (!dsdt.ok()) return dsdt.error();
    auto types = find_s5(*dsdt);
    if (!types.ok()) return types.error();
    const u16 blocks[2] = {static_cast<u16>(fadt->read<u32>(64)), static_cast<u16>(fadt->read<u32>(68))};
    const u8 values[2] = {types->a, types->b};
    for (int i = 0; i < 2; i++) {
        if (blocks[i] == 0) continue;
        if (auto opened = open_ports(access, blocks[i], 2); !opened.ok()) return opened.error();
        port_write16(blocks[i], static_cast<u16>(kSleepEnable | (values[i] & 7) << 10));
    }
    return Error::unsupported;
}

Error reset(const FirmwareAccess& access) {
    constexpr u32 kResetSupported = 1 << 10;
    if (auto fadt = find_acpi_table(access, "FACP");
        fadt.ok() && (fadt->read<u32>(112) & kResetSupported) != 0) {
        const u8 space = fadt->read<u8>(116);
        const u16 port = static_cast<u16>(fadt->read<u64>(120));
        if (space == 1 && open_ports(access, port, 1).ok()) port_write8(port, fadt->read<u8>(128));
    }
    if (open_ports(access, 0xcf9, 1).ok()) {
        port_write8(0xcf9, 2);
        port_write8(0xcf9, 6);
    }
    if (open_ports(access, 0x64, 1).ok()) port_write8(0x64, 0xfe);
    return Error::unsupported;
}

}  // namespace

Error shut_down(const FirmwareAccess& access, ShutdownKind kind, u32 status) {
    switch (kind) {
        case ShutdownKind::poweroff: {
            const Error error = power_off(access);
            // A machine without ACPI's way: an emulator's own end.
            if (error != Error::ok) static_cast<void>(access.machine.exit(0));
            return error;
        }
        case ShutdownKind::reboot: return reset(access);
        case ShutdownKind::exit: return access.machine.exit(status).error();
    }
    return Error::invalid;
}

}  // namespace pith::root
