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
namespace {

using abi::Syscall;

std::atomic<Interrupt*> lines[arch::kInterruptLines];

Error create_interrupt(Call& call) {
    PITH_CALL(call.object<Machine>(abi::MachineRight::devices));
    auto pool = PITH_CALL(lookup<Pool>(call.thread, call.handle_argument(0), abi::PoolRight::allocate));
    const u64 line = call.argument(1);
    if (line >= arch::kInterruptLines || call.argument(2) > 3) return Error::invalid;
    auto slot = PITH_CALL(SlotReservation::make(call.thread.captable, abi::kNoHandle));
    Interrupt* interrupt = PITH_CALL(pool->create<Interrupt>(static_cast<u32>(line)));
    Interrupt* nobody = nullptr;
    Error error = Error::ok;
    if (!lines[line].compare_exchange_strong(nobody, interrupt)) {
        error = Error::busy;
    } else {
        error = arch::interrupt_route(interrupt->line, static_cast<u32>(call.argument(2)), this_cpu().id)
                    .error();
        if (error != Error::ok) lines[line].store(nullptr);
    }
    if (error != Error::ok) {
        pool->free_object(*interrupt, sizeof(Interrupt));
        return error;
    }
    return slot.fill(*interrupt, call.r0);
}

Error bind_interrupt(Call& call) {
    auto interrupt = PITH_CALL(call.object<Interrupt>(abi::InterruptRight::bind));
    auto signal = PITH_CALL(lookup<Signal>(call.thread, call.handle_argument(0), abi::SignalRight::notify));
    interrupt->bits.store(call.argument(1), std::memory_order_relaxed);
    rebind(interrupt->delivery, signal.object, *interrupt, Reference::Kind::delivery);
    return Error::ok;
}

Error acknowledge_interrupt(Call& call) {
    auto interrupt = PITH_CALL(call.object<Interrupt>(abi::InterruptRight::acknowledge));
    if (interrupt->delivery.target == nullptr) return Error::bad_state;  // nobody would hear of it
    arch::interrupt_unmask(interrupt->line);
    return Error::ok;
}

Error create_ports(Call& call) {
    PITH_CALL(call.object<Machine>(abi::MachineRight::devices));
    auto pool = PITH_CALL(lookup<Pool>(call.thread, call.handle_argument(0), abi::PoolRight::allocate));
    const u64 first = call.argument(1);
    const u64 count = call.argument(2);
    if (first > 0xffff || count == 0 || count > 0x10000 - first) return Error::invalid;
    auto slot = PITH_CALL(SlotReservation::make(call.thread.captable, abi::kNoHandle));
    const PortRange range{static_cast<u16>(first), static_cast<u16>(first + count - 1)};
    return slot.fill(*PITH_CALL(pool->create<IoPorts>(range)), call.r0);
}

/// The ports of the Space that is loaded are opened or closed at once; other CPUs see it when they load the
/// Space.
void reload_ports(Space& space) {
    Cpu& cpu = this_cpu();
    if (cpu.loaded_space.load(std::memory_order_relaxed) != &space) return;
    cpu.ports_loaded = space.port_count.load(std::memory_order_relaxed);
    arch::load_ports(space.ports, cpu.ports_loaded);
}

Error bind_ports(Call& call) {
    auto ports = PITH_CALL(call.object<IoPorts>(abi::IoPortsRight::use));
    auto space = PITH_CALL(lookup<Space>(call.thread, call.handle_argument(0), abi::SpaceRight::manage));
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
    return shoot_down(call, *space, true) == kNoResult
               ? (call.frame.set_result(Error::ok, 0, 0, 0), kNoResult)
               : Error::ok;
}

}  // namespace

void interrupt_arrived(u32 line) {
    Interrupt* interrupt = line < arch::kInterruptLines ? lines[line].load(std::memory_order_acquire)
                                                        : nullptr;
    if (interrupt == nullptr) return;
    if (Object* signal = interrupt->delivery.target; signal != nullptr) {
        static_cast<Signal*>(signal)->notify(interrupt->bits.load(std::memory_order_relaxed));
    }
}

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
    const u32 count = space->port_count.load(std::memory_order_acquire);
    if (count == 0 && cpu.ports_loaded == 0) return;
    cpu.ports_loaded = count;
    arch::load_ports(space->ports, count);
}

Error call_device(Call& call, Syscall number) {
    switch (number) {
        case Syscall::interrupt_create: return create_interrupt(call);
        case Syscall::interrupt_bind: return bind_interrupt(call);
        case Syscall::interrupt_acknowledge: return acknowledge_interrupt(call);
        case Syscall::ports_create: return create_ports(call);
        case Syscall::ports_bind: return bind_ports(call);
        default: return Error::bad_syscall;
    }
}

}  // namespace pith::core
