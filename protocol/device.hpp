// SPDX-License-Identifier: MIT
// PCI devices, handed out to their drivers: registers, interrupts, and memory that devices may move data in. Spoken
// by servers/devices, used by drivers (through lib/driver/pci.hpp).
//
// Which devices a driver may have is said by its manifest ([[device]], kind = "pci"), as it was compiled into the system; the
// server knows its callers by their badges. A device is the business of one driver from its Open on, which resets it;
// until then it neither answers in memory nor masters the bus. Memory for DMA is never given up: a device that a
// dead driver has left running can write to nothing but what the driver's successor is given again.
// Where there is an IOMMU, a device reaches the memory for DMA of the driver that opened it, and nothing else. One that tries
// is stopped: the methods answer bad_state, as for a device that is not open, until it is opened again.
//
// Resuming: everything that is handed out outlives the server and the driver; a reborn server knows what it was and
// leaves devices in use alone. Each method may be repeated and then gives the same again; Open resets
// the device once more. A reborn driver begins with Open.
#pragma once

#include "protocol/ipc.hpp"

namespace pith {

/// By DMA.
enum class DmaReach : u32 {
    nothing = 0,  ///< no device of the component's is open
    domain = 1,   ///< the memory for DMA that was made for it: there is an IOMMU
    all = 2,      ///< all memory: there is none
};

struct Devices {
    static constexpr const char* kName = "device";
    static constexpr u32 kBars = 6;
    static constexpr u32 kMaxInterrupts = 8;  ///< of one device that can be had

    /// The caller's device number `index`, counted from 0 in the order of their places on the bus. Errors: not_found:
    /// there are no more.
    struct Find {
        static constexpr u16 kOpcode = 1;
        u64 index;
        struct Reply {
            u64 device;  ///< names it in the other methods: segment << 16 | bus << 8 | device << 3 | function
            u16 vendor;
            u16 id;
            u16 subsystem_vendor;
            u16 subsystem_id;
            u32 class_code;  ///< class << 16 | subclass << 8 | interface
            u32 reserved;
            char name[24];  ///< in the caller's manifest, padded with zeros
        };
    };
    /// Resets the device (its own reset where it has one, else it just masters the bus no more until now), gives its
    /// BARs their places, and lets it answer and master the bus. All methods below answer bad_state before it. Errors of
    /// all: access: not one of the caller's devices. no_space: there is no room for its BARs; timed_out: it
    /// doesn't come to rest.
    struct Open {
        static constexpr u16 kOpcode = 2;
        u64 device;
        struct Reply {
            u64 bar_sizes[kBars];  ///< bytes; 0: no such BAR, or of ports
            u64 interrupts;        ///< that can be had; 0: it can't send messages
        };
    };
    /// The first 256 bytes of its configuration space, to look at.
    struct Configuration {
        static constexpr u16 kOpcode = 3;
        u64 device;
        struct Reply {
            u32 words[64];
        };
    };
    /// A Memory (read and write, uncached) of its BAR from `offset`, a multiple of the page size, on: to the BAR's end, or
    /// to the page where its table of interrupts begins. Errors: invalid: no such BAR or offset; access: the
    /// table of interrupts is there.
    struct Region {
        static constexpr u16 kOpcode = 4;
        u64 device;
        u64 bar;
        u64 offset;
        struct Reply {
            u64 length;  ///< bytes, at least as many as the BAR has there; a multiple of the page size
        };
    };
    /// Has the device's message number `number` raise an Interrupt (rights bind, acknowledge), which comes with the answer.
    /// Errors: invalid: it has no such message; busy: the machine has no more.
    struct Interrupt {
        static constexpr u16 kOpcode = 5;
        u64 device;
        u64 number;
        struct Reply {};
    };
    /// Contiguous Memory for DMA, zero at the first time; who asks for the same `key` again gets the same again. Errors:
    /// invalid: it was of another size; no_space: the driver has had as much as its manifest says; no_memory; not_found: size 0, and
    /// it never was.
    struct DmaMemory {
        static constexpr u16 kOpcode = 6;
        u64 device;
        u64 key;   ///< the driver's choice
        u64 size;  ///< bytes; 0: as it was
        struct Reply {
            u64 address;  ///< where the device finds its first byte
            u64 size;     ///< rounded up to pages
        };
    };
    /// What the devices that the component with that number has open can reach by DMA. Whoever may speak to the server may ask.
    struct Domain {
        static constexpr u16 kOpcode = 8;
        u64 component;
        struct Reply {
            u32 reach;   ///< DmaReach
            u32 domain;  ///< its number, where there is an IOMMU
        };
    };
    /// Brings the device to rest: it masters the bus no more, and doesn't answer in memory until the next Open.
    struct Close {
        static constexpr u16 kOpcode = 7;
        u64 device;
        struct Reply {};
    };
    using Methods = MethodList<Find, Open, Configuration, Region, Interrupt, DmaMemory, Close, Domain>;
};

}  // namespace pith
