// SPDX-License-Identifier: MIT
// The machine: interrupts, I/O ports, device memory, counters, the debug console.
#include <algorithm>

#include "tests/host/spec/system.hpp"

namespace pith::spec {

namespace {

constexpr auto kDevices = static_cast<RightsBits>(abi::MachineRight::devices);
constexpr auto kAllocate = static_cast<RightsBits>(abi::PoolRight::allocate);
constexpr usize kPortsOfASpace = 8;
constexpr u64 kPhysicalTop = u64{1} << 46;

/// Calls on the Machine that make something from the Pool in a0: the same, invoked on that Pool.
Call from_pool(const Call& call) {
    Call result = call;
    result.handle = static_cast<HandleIndex>(call.a[0]);
    return result;
}

}  // namespace

Outcome System::interrupt_create(Id thread, const Call& call) {
    Errors errors;
    lookup(thread, call.handle, ObjectType::machine, kDevices, errors);
    lookup(thread, static_cast<HandleIndex>(call.a[0]), ObjectType::pool, kAllocate, errors);
    Interrupt interrupt{.line = static_cast<u32>(call.a[1]), .message = call.a[2] == abi::kInterruptMessage};
    std::set<u32> taken;
    for (const auto& [id, object] : objects)
        if (const auto* other = std::get_if<Interrupt>(&object.body)) taken.insert(other->line);
    if (interrupt.message) {
        if (call.a[1] != 0) errors.insert(Error::invalid);
        interrupt.line = platform.max_lines - 1;  // the last that is free
        while (interrupt.line >= platform.lines && taken.contains(interrupt.line)) interrupt.line--;
        if (interrupt.line < platform.lines) errors.insert(Error::busy);
    } else {
        if (call.a[1] >= platform.max_lines || call.a[2] > 3) errors.insert(Error::invalid);
        else if (call.a[1] >= platform.lines) errors.insert(Error::unsupported);
        if (taken.contains(interrupt.line)) errors.insert(Error::busy);
    }
    if (observed_.error == Error::no_memory || observed_.error == Error::no_slot)
        errors.insert(observed_.error);
    if (!errors.empty()) return {.errors = errors};
    Outcome made = create(thread, from_pool(call), ObjectType::interrupt, interrupt, 0);
    if (made.errors.empty() && interrupt.message) {
        made.r1 = platform.message_address;
        made.r2 = interrupt.line;
    }
    return made;
}

Outcome System::interrupt_bind(Id thread, const Call& call) {
    Errors errors;
    const Capability* found = lookup(thread, call.handle, ObjectType::interrupt,
                                     static_cast<RightsBits>(abi::InterruptRight::bind), errors);
    const Capability* target = lookup(thread, static_cast<HandleIndex>(call.a[0]), ObjectType::signal,
                                      static_cast<RightsBits>(abi::SignalRight::notify), errors);
    if (!errors.empty()) return {.errors = errors};
    auto& interrupt = as<Interrupt>(found->object);
    interrupt.signal = target->object;
    interrupt.bits = call.a[1];
    return {};
}

/// Unmasks it. Without a Signal nobody would hear of it.
Outcome System::interrupt_acknowledge(Id thread, const Call& call) {
    Errors errors;
    const Capability* found = lookup(thread, call.handle, ObjectType::interrupt,
                                     static_cast<RightsBits>(abi::InterruptRight::acknowledge), errors);
    if (found == nullptr) return {.errors = errors};
    auto& interrupt = as<Interrupt>(found->object);
    if (interrupt.signal == kNone) return {.errors = {Error::bad_state}};
    if (interrupt.noted) {
        interrupt.noted = false;
        signal(interrupt.signal, interrupt.bits);
    } else {
        interrupt.masked = false;
    }
    return {};
}

bool System::interrupt(u32 line) {
    for (auto& [id, object] : objects) {
        auto* found = std::get_if<Interrupt>(&object.body);
        if (found == nullptr || found->line != line) continue;
        if (found->masked && !found->message) continue;
        if (found->masked) {
            found->noted = true;
            return true;
        }
        found->masked = true;
        if (found->signal != kNone) signal(found->signal, found->bits);
        return true;
    }
    return false;
}

Outcome System::ports_create(Id thread, const Call& call) {
    Errors errors;
    lookup(thread, call.handle, ObjectType::machine, kDevices, errors);
    lookup(thread, static_cast<HandleIndex>(call.a[0]), ObjectType::pool, kAllocate, errors);
    if (call.a[1] > 0xffff || call.a[2] == 0 || call.a[2] > 0x10000 - call.a[1])
        errors.insert(Error::invalid);
    if (!errors.empty()) return {.errors = errors};
    IoPorts ports{.first = static_cast<u32>(call.a[1]), .count = static_cast<u32>(call.a[2])};
    return create(thread, from_pool(call), ObjectType::io_ports, ports, 0);
}

Outcome System::ports_bind(Id thread, const Call& call) {
    Errors errors;
    const Capability* ports = lookup(thread, call.handle, ObjectType::io_ports,
                                     static_cast<RightsBits>(abi::IoPortsRight::use), errors);
    const Capability* space = lookup(thread, static_cast<HandleIndex>(call.a[0]), ObjectType::space,
                                     static_cast<RightsBits>(abi::SpaceRight::manage), errors);
    if (!errors.empty()) return {.errors = errors};
    auto& bound = as<Space>(space->object).ports;
    if (bound.size() == kPortsOfASpace) return {.errors = {Error::no_slot}};
    bound.push_back(ports->object);
    return {};
}

Outcome System::device_memory(Id thread, const Call& call) {
    Errors errors;
    lookup(thread, call.handle, ObjectType::machine, kDevices, errors);
    lookup(thread, static_cast<HandleIndex>(call.a[0]), ObjectType::pool, kAllocate, errors);
    const u64 base = call.a[1], bytes = call.a[2];
    bool fits = base % abi::kPageSize == 0 && bytes != 0 && bytes <= kPhysicalTop &&
                base <= kPhysicalTop - bytes;
    if (!fits || call.a[3] > abi::kDeviceCached) errors.insert(Error::invalid);
    u64 pages = fits ? (bytes + abi::kPageSize - 1) / abi::kPageSize : 0;
    // What is RAM belongs to Pools.
    bool ram = base < platform.ram_base + platform.ram_size &&
               base + pages * abi::kPageSize > platform.ram_base;
    if (fits && ram) errors.insert(Error::invalid);
    if (!errors.empty()) return {.errors = errors};
    return create(thread, from_pool(call), ObjectType::memory,
                  Memory{.pages = pages, .device = true, .contiguous = true}, 0);
}

Outcome System::dma_address(Id thread, const Call& call) {
    Errors errors;
    lookup(thread, call.handle, ObjectType::machine, kDevices, errors);
    const Capability* found = lookup(thread, static_cast<HandleIndex>(call.a[0]), ObjectType::memory,
                                     static_cast<RightsBits>(abi::MemoryRight::read), errors);
    if (found != nullptr && !as<Memory>(found->object).contiguous) errors.insert(Error::invalid);
    return {.errors = errors, .any_values = true};
}

Outcome System::machine_call(Id thread, const Call& call) {
    Errors errors;
    auto machine = [&](abi::MachineRight right) {
        lookup(thread, call.handle, ObjectType::machine, static_cast<RightsBits>(right), errors);
    };
    switch (call.number) {
        case abi::Syscall::machine_info:
            machine(abi::MachineRight::info);
            if (call.a[0] > static_cast<u64>(abi::MachineInfo::trace)) errors.insert(Error::invalid);
            else if (call.a[0] != static_cast<u64>(abi::MachineInfo::kernel) && call.a[1] >= cpus)
                errors.insert(Error::invalid);
            return {.errors = errors, .any_values = true, .output = {}};
        case abi::Syscall::machine_log:
            machine(abi::MachineRight::debug);
            if (call.a[0] > abi::kBufferWords * sizeof(u64)) errors.insert(Error::invalid);
            return {.errors = errors};
        default:  // machine_exit
            machine(abi::MachineRight::manage);
            if (errors.empty()) violation = "the machine has ended, and yet something is asked of it";
            return {.errors = errors};
    }
}

}  // namespace pith::spec
