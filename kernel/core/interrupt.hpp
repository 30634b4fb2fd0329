// SPDX-License-Identifier: MIT
// Interrupt and IoPorts. An interrupt is masked when it arrives, sets bits of its Signal, and stays masked
// until it is acknowledged, also when its Signal dies.
#pragma once

#include "arch/interrupt.hpp"
#include "kernel/core/object.hpp"
#include "kernel/core/signal.hpp"
#include "kernel/core/space.hpp"

namespace pith::core {

class Interrupt : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::interrupt;
    explicit Interrupt(u32 which) : Object(kType), line(which) {}

    const u32 line;
    Reference delivery;  ///< the Signal
    std::atomic<u64> bits{0};
};

class IoPorts : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::io_ports;
    explicit IoPorts(PortRange which) : Object(kType), range(which) {}
    const PortRange range;
};

/// By line; null: nobody's.
extern std::atomic<Interrupt*> lines[arch::kInterruptLines];

/// The line's interrupt has come in and is masked. With `may_switch` whoever waits for it may become the current thread at
/// once; then true.
inline bool interrupt_arrived(u32 line, bool may_switch) {
    const Interrupt* interrupt = line < arch::kInterruptLines ? lines[line].load(std::memory_order_acquire)
                                                              : nullptr;
    if (interrupt == nullptr) return false;
    Object* signal = interrupt->delivery.target;
    return signal != nullptr &&
           static_cast<Signal*>(signal)->notify(interrupt->bits.load(std::memory_order_relaxed), may_switch);
}

/// Destruction.
void sever_interrupt(Interrupt& interrupt);
void lose_ports(Space& space);
void release_ports(Space& space);
/// This CPU opens what the loaded Space has by now.
void renew_ports(Cpu& cpu);

}  // namespace pith::core
