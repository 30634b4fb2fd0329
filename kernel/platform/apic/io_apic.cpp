// SPDX-License-Identifier: MIT
// The I/O APICs (see the header; Intel 82093AA data sheet).
#include "kernel/platform/apic/io_apic.hpp"

#include <atomic>

#include "kernel/arch/x86_64/registers.hpp"
#include "kernel/platform/physical.hpp"

namespace pith::platform {
namespace {

constexpr u32 kVersion = 1;
constexpr u32 kRedirection = 0x10;
constexpr u32 kActiveLow = 1u << 13;
constexpr u32 kLevel = 1u << 15;
constexpr u32 kMasked = 1u << 16;

struct Controller {
    u64 registers = 0;
    u32 first = 0;
    u32 count = 0;

    u32 read(u32 index) const {
        *reinterpret_cast<volatile u32*>(registers) = index;
        return *reinterpret_cast<volatile u32*>(registers + 0x10);
    }
    void write(u32 index, u32 value) const {
        *reinterpret_cast<volatile u32*>(registers) = index;
        write_selected(value);
    }
    /// To the register that was read or written last.
    void write_selected(u32 value) const { *reinterpret_cast<volatile u32*>(registers + 0x10) = value; }
};

constinit std::array<Controller, 8> controllers{};
constinit u32 controller_count = 0;

/// An index register and a data register: only one CPU at a time. Interrupts are off.
constinit std::atomic<bool> busy{false};
class Exclusive {
  public:
    Exclusive() {
        while (busy.exchange(true, std::memory_order_acquire)) asm volatile("pause");
    }
    ~Exclusive() { busy.store(false, std::memory_order_release); }
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;
};

const Controller* find(u32 interrupt) {
    for (u32 i = 0; i < controller_count; i++) {
        const Controller& c = controllers[i];
        if (interrupt >= c.first && interrupt - c.first < c.count) return &c;
    }
    return nullptr;
}

/// Moves the two 8259s off the exception vectors (they may still raise spurious ones) and masks all they have.
void disable_pics() {
    constexpr u16 kFirst = 0x20, kSecond = 0xa0;
    arch::out8(kFirst, 0x11);
    arch::out8(kSecond, 0x11);
    arch::out8(kFirst + 1, 0x20);
    arch::out8(kSecond + 1, 0x28);
    arch::out8(kFirst + 1, 4);
    arch::out8(kSecond + 1, 2);
    arch::out8(kFirst + 1, 1);
    arch::out8(kSecond + 1, 1);
    arch::out8(kFirst + 1, 0xff);
    arch::out8(kSecond + 1, 0xff);
}

}  // namespace

void init_io_apics(const MachineDescription& machine) {
    disable_pics();
    for (u32 i = 0; i < machine.io_apic_count; i++) {
        Controller& c = controllers[controller_count++];
        c.registers = reinterpret_cast<u64>(map_device(machine.io_apics[i].address, abi::kPageSize));
        c.first = machine.io_apics[i].first_interrupt;
        c.count = ((c.read(kVersion) >> 16) & 0xff) + 1;
        for (u32 input = 0; input < c.count; input++) c.write(kRedirection + 2 * input, kMasked);
    }
}

u32 interrupt_count() {
    u32 count = 0;
    for (u32 i = 0; i < controller_count; i++) {
        const Controller& c = controllers[i];
        if (c.first + c.count > count) count = c.first + c.count;
    }
    return count;
}

bool route_interrupt(u32 interrupt, u8 vector, u8 apic_id, bool level, bool active_low) {
    const Controller* c = find(interrupt);
    if (c == nullptr) return false;
    Exclusive exclusive;
    u32 index = kRedirection + 2 * (interrupt - c->first);
    c->write(index, kMasked);
    c->write(index + 1, u32{apic_id} << 24);
    c->write(index, kMasked | (level ? kLevel : 0) | (active_low ? kActiveLow : 0) | vector);
    return true;
}

void mask_interrupt(u32 interrupt, bool masked) {
    const Controller* c = find(interrupt);
    if (c == nullptr) return;
    Exclusive exclusive;
    u32 index = kRedirection + 2 * (interrupt - c->first);
    const u32 value = c->read(index);
    c->write_selected(masked ? value | kMasked : value & ~kMasked);
}

}  // namespace pith::platform
