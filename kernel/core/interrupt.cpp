// SPDX-License-Identifier: MIT
// Device interrupts and I/O ports: their system calls, delivery and destruction. The table of lines is read
// by the interrupt path without a lock; an Interrupt leaves it when it is severed, and is freed only after
// all CPUs have left the kernel.
#include "kernel/core/interrupt.hpp"

#include "arch/interrupt.hpp"
#include "kernel/core/call.hpp"
#include "kernel/core/machine.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {

constinit std::atomic<Interrupt*> lines[arch::kInterruptLines];

namespace {

using abi::Syscall;

Handler create_interrupt, bind_interrupt, acknowledge_interrupt, create_ports, bind_ports;

/// False: the line is another's.
bool take_line(Interrupt& interrupt) {
    Interrupt* nobody = nullptr;
    return lines[interrupt.line].compare_exchange_strong(nobody, &interrupt);
}

Error route_line(Interrupt& interrupt, u32 flags) {
    if (!take_line(interrupt)) return Error::busy;
    const Error error = arch::interrupt_route(interrupt.line, flags, this_cpu().id).error();
    if (error != Error::ok) lines[interrupt.line].store(nullptr);
    return error;
}

/// Any line that no wire leads to.
Error route_message(Call& call, Interrupt& interrupt) {
    for (interrupt.line = arch::kInterruptLines; interrupt.line-- > arch::wired_lines();) {
        if (!take_line(interrupt)) continue;
        const arch::Message message = arch::interrupt_message(interrupt.line, this_cpu().id);
        call.r1 = message.address;
        call.r2 = message.data;
        return Error::ok;
    }
    return Error::busy;
}

Error create_interrupt(Call& call) {
    PITH_CALL(call.object<Machine>(abi::MachineRight::devices));
    auto pool = PITH_CALL(call.object_argument<Pool>(0, abi::PoolRight::allocate));
    const u64 line = call.argument(1);
    const u64 flags = call.argument(2);
    const bool message = flags == abi::kInterruptMessage;
    if (message ? line != 0 : line >= arch::kInterruptLines || flags > 3) return Error::invalid;
    PITH_PASS(call.reserve());
    Interrupt* interrupt = PITH_CALL(pool->create<Interrupt>(static_cast<u32>(line)));
    const Error error = message ? route_message(call, *interrupt)
                                : route_line(*interrupt, static_cast<u32>(flags));
    if (error != Error::ok) {
        pool->free_object(*interrupt, sizeof(Interrupt));
        return error;
    }
    return call.fill(*interrupt);
}

Error bind_interrupt(Call& call) {
    auto interrupt = PITH_CALL(call.object<Interrupt>(abi::InterruptRight::bind));
    auto signal = PITH_CALL(call.object_argument<Signal>(0, abi::SignalRight::notify));
    interrupt->bits.store(call.argument(1), std::memory_order_relaxed);
    rebind(interrupt->delivery, signal, *interrupt, Reference::Kind::delivery);
    return Error::ok;
}

Error acknowledge_interrupt(Call& call) {
    auto interrupt = PITH_CALL(call.object<Interrupt>(abi::InterruptRight::acknowledge));
    if (interrupt->delivery.target == nullptr) return Error::bad_state;  // nobody would hear of it
    if (interrupt->acknowledge()) arch::interrupt_unmask(interrupt->line);
    else interrupt->deliver(false);
    return Error::ok;
}

Error create_ports(Call& call) {
    PITH_CALL(call.object<Machine>(abi::MachineRight::devices));
    auto pool = PITH_CALL(call.object_argument<Pool>(0, abi::PoolRight::allocate));
    const u64 first = call.argument(1);
    const u64 count = call.argument(2);
    if (first > 0xffff || count == 0 || count > 0x10000 - first) return Error::invalid;
    PITH_PASS(call.reserve());
    const PortRange range{static_cast<u16>(first), static_cast<u16>(first + count - 1)};
    return call.fill(*PITH_CALL(pool->create<IoPorts>(range)));
}

/// The ports of the Space that is loaded are opened or closed at once; other CPUs see it when they load the
/// Space.
void reload_ports(Space& space) {
    Cpu& cpu = this_cpu();
    if (cpu.loaded_space.load(std::memory_order_relaxed) != &space) return;
    switch_ports(cpu, space);
}

Error bind_ports(Call& call) {
    auto ports = PITH_CALL(call.object<IoPorts>(abi::IoPortsRight::use));
    auto space = PITH_CALL(call.object_argument<Space>(0, abi::SpaceRight::manage));
    {
        Guard guard(space->lock);
        const u32 count = space->port_count.load(std::memory_order_relaxed);
        if (count == Space::kPortRanges) return Error::no_slot;
        if (auto bound = refer(space->port_users[count], *ports, *space, Reference::Kind::ports); !bound.ok())
            return bound.error();
        space->ports[count] = ports->range;
        space->port_count.store(count + 1, std::memory_order_release);
        reload_ports(*space);
    }
    // The bitmap of another CPU that runs in this Space is renewed when that acknowledges.
    return shoot_down(call, *space) == kNoResult ? (call.frame.set_result(Error::ok, 0, 0, 0), kNoResult)
                                                 : Error::ok;
}

}  // namespace

void sever_interrupt(Interrupt& interrupt) {
    if (lines[interrupt.line].load() == &interrupt) {
        arch::interrupt_mask(interrupt.line);
        arch::interrupt_release(interrupt.line);
        lines[interrupt.line].store(nullptr);
    }
    unrefer(interrupt.delivery);
}

/// Drops all ranges whose IoPorts are dying: those whose turn it is, and others whose turn has not come yet, since a
/// range can't be moved to a new place in the list of users of such a one.
void lose_ports(Space& space) {
    Guard guard(space.lock);
    const u32 count = space.port_count.load(std::memory_order_relaxed);
    u32 kept = 0;
    for (u32 i = 0; i < count; i++) {
        Object* target = space.port_users[i].target;
        if (target == nullptr) continue;
        if (i != kept) {
            const bool moved = unrefer(space.port_users[i]) &&
                               refer(space.port_users[kept], *target, space, Reference::Kind::ports).ok();
            if (!moved) continue;
            space.ports[kept] = space.ports[i];
        }
        kept++;
    }
    space.port_count.store(kept, std::memory_order_release);
    reload_ports(space);
}

void release_ports(Space& space) {
    Guard guard(space.lock);
    for (u32 i = 0; i < space.port_count.load(std::memory_order_relaxed); i++) unrefer(space.port_users[i]);
    space.port_count.store(0, std::memory_order_release);
}

void renew_ports(Cpu& cpu) {
    Space* space = cpu.loaded_space.load(std::memory_order_relaxed);
    if (space == nullptr) return;
    if (space->port_count.load(std::memory_order_acquire) != 0 || (cpu.unusual & kPortsOpen) != 0)
        switch_ports(cpu, *space);
}

constinit const Handlers interrupt_calls = {create_interrupt, bind_interrupt, acknowledge_interrupt};
constinit const Handlers ports_calls = {create_ports, bind_ports};

}  // namespace pith::core
