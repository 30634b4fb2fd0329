// SPDX-License-Identifier: MIT
// The layouts of the ACPI tables that the kernel reads itself (ACPI 6.5, 5.2): processors, interrupt
// controllers and timers. Everything else is the device manager's, in user space.
#pragma once

#include "abi/types.hpp"

namespace pith::platform::acpi {

struct [[gnu::packed]] RootPointer {
    char signature[8];  ///< "RSD PTR "
    u8 checksum;
    char oem[6];
    u8 revision;
    u32 rsdt;
    u32 length;  ///< from here on: revision 2
    u64 xsdt;
    u8 extended_checksum;
    u8 reserved[3];
};
static_assert(sizeof(RootPointer) == 36);

struct [[gnu::packed]] Header {
    char signature[4];
    u32 length;
    u8 revision;
    u8 checksum;
    char oem[6];
    char oem_table[8];
    u32 oem_revision;
    u32 creator;
    u32 creator_revision;
};
static_assert(sizeof(Header) == 36);

struct [[gnu::packed]] Madt {
    Header header;
    u32 local_apic;
    u32 flags;
};
static_assert(sizeof(Madt) == 44);

struct [[gnu::packed]] MadtEntry {
    u8 type;
    u8 length;
};

struct [[gnu::packed]] MadtLocalApic {  ///< type 0
    MadtEntry entry;
    u8 processor;
    u8 apic_id;
    u32 flags;  ///< bit 0 enabled
};
static_assert(sizeof(MadtLocalApic) == 8);

struct [[gnu::packed]] MadtIoApic {  ///< type 1
    MadtEntry entry;
    u8 id;
    u8 reserved;
    u32 address;
    u32 first_interrupt;
};
static_assert(sizeof(MadtIoApic) == 12);

struct [[gnu::packed]] MadtOverride {  ///< type 2
    MadtEntry entry;
    u8 bus;
    u8 source;
    u32 interrupt;
    u16 flags;
};
static_assert(sizeof(MadtOverride) == 10);

struct [[gnu::packed]] MadtLocalApicAddress {  ///< type 5
    MadtEntry entry;
    u16 reserved;
    u64 address;
};
static_assert(sizeof(MadtLocalApicAddress) == 12);

struct [[gnu::packed]] Address {  ///< generic address structure
    u8 space;                     ///< 0 memory, 1 ports
    u8 width;
    u8 offset;
    u8 access;
    u64 address;
};
static_assert(sizeof(Address) == 12);

struct [[gnu::packed]] Hpet {
    Header header;
    u32 hardware;
    Address address;
    u8 number;
    u16 minimum;
    u8 attributes;
};
static_assert(sizeof(Hpet) == 56);

inline constexpr usize kFadtTimerPort = 76;    ///< PM_TMR_BLK: u32 at this offset of the FADT
inline constexpr usize kFadtTimerLength = 91;  ///< PM_TMR_LEN: u8
inline constexpr usize kFadtFlags = 112;       ///< u32, bit 8: the timer has 32 bits

}  // namespace pith::platform::acpi
