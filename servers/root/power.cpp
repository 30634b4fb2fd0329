// SPDX-License-Identifier: MIT
// Power off and reset. ACPI 6.5: 5.2.5 (RSDP), 5.2.7 (RSDT, XSDT), 5.2.9 (FADT), 4.8.3.6 (reset register),
// 7.4.2 (\_S5). A table is copied out of the machine's memory piece by piece; lengths in it are checked
// before they are used.
#include "servers/root/power.hpp"

#include <cstring>

#include "lib/driver/registers.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/start_info.hpp"

namespace pith::root {

namespace {

constexpr u32 kLongestTable = 1 << 20;

/// Physical memory, mapped for a while.
class Window {
  public:
    static Result<Window> open(const PowerAccess& access, u64 address, u64 size) {
        const u64 start = address & ~(abi::kPageSize - 1);
        const u64 length = (address + size - start + abi::kPageSize - 1) & ~(abi::kPageSize - 1);
        Window window;
        window.memory_ = PITH_TRY(
            access.machine.device_memory(access.pool, start, length, abi::kDeviceCached));
        window.mapping_ = PITH_TRY(Mapping::create(window.memory_, 0, length, abi::kMapRead));
        window.at_ = address - start;
        window.size_ = size;
        return window;
    }
    template <typename T>
    T read(u64 offset) const {
        T value{};
        if (offset <= size_ && sizeof(T) <= size_ - offset)
            std::memcpy(&value, mapping_.as<u8>(at_ + offset), sizeof(T));
        return value;
    }
    const u8* bytes() const { return mapping_.as<u8>(at_); }
    u64 size() const { return size_; }

  private:
    Owned<Memory> memory_;
    Mapping mapping_;
    u64 at_ = 0;
    u64 size_ = 0;
};

/// A whole table with its header.
Result<Window> open_table(const PowerAccess& access, u64 address) {
    const Window header = PITH_TRY(Window::open(access, address, 36));
    const u32 length = header.read<u32>(4);
    if (length < 36 || length > kLongestTable) return Error::protocol;
    return Window::open(access, address, length);
}

Result<Window> find_fadt(const PowerAccess& access) {
    if (access.rsdp == 0) return Error::not_found;
    const Window rsdp = PITH_TRY(Window::open(access, access.rsdp, 36));
    if (std::memcmp(rsdp.bytes(), "RSD PTR ", 8) != 0) return Error::protocol;
    const bool extended = rsdp.read<u8>(15) >= 2 && rsdp.read<u64>(24) != 0;
    const Window list = PITH_TRY(open_table(access, extended ? rsdp.read<u64>(24) : rsdp.read<u32>(16)));
    const u64 step = extended ? 8 : 4;
    for (u64 at = 36; at + step <= list.size(); at += step) {
        const u64 address = extended ? list.read<u64>(at) : list.read<u32>(at);
        const Window header = PITH_TRY(Window::open(access, address, 36));
        if (std::memcmp(header.bytes(), "FACP", 4) == 0) return open_table(access, address);
    }
    return Error::not_found;
}

/// The sleep types of \_S5 for PM1a and PM1b, from `Name (_S5_, Package () { a, b, ... })` in the DSDT's byte
/// code.
struct SleepTypes {
    u8 a, b;
};

Result<SleepTypes> find_s5(const Window& dsdt) {
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

Result<> open_ports(const PowerAccess& access, u16 first, u32 count) {
    Handle<IoPorts> ports = PITH_TRY(access.machine.create_ports(access.pool, first, count));
    return ports.bind(own_space());  // the handle may go: the object stays, bound
}

Error power_off(const PowerAccess& access) {
    constexpr u16 kSleepEnable = 1 << 13;
    auto fadt = find_fadt(access);
    if (!fadt.ok()) return fadt.error();
    const u64 wide = fadt->read<u64>(140);
    auto dsdt = open_table(access, wide != 0 ? wide : fadt->read<u32>(40));
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

Error reset(const PowerAccess& access) {
    constexpr u32 kResetSupported = 1 << 10;
    if (auto fadt = find_fadt(access); fadt.ok() && (fadt->read<u32>(112) & kResetSupported) != 0) {
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

Error shut_down(const PowerAccess& access, ShutdownKind kind, u32 status) {
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
