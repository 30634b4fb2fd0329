// SPDX-License-Identifier: MIT
// Interrupt and IoPorts. An interrupt is masked when it arrives, sets bits of its Signal, and stays masked
// until it is acknowledged, also when its Signal dies. A message can't be masked: one that comes meanwhile is noted.
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

    u32 line;            ///< does not change once it is in `lines`
    Reference delivery;  ///< the Signal
    std::atomic<u64> bits{0};

    enum State : u8 { open, masked, noted };
    std::atomic<u8> state{masked};
    /// It has come in; false: it is masked, and noted.
    bool arrive() {
        u8 now = open;
        while (!state.compare_exchange_strong(now, now == open ? u8{masked} : u8{noted})) continue;
        return now == open;
    }
    /// It is open; false: it stays masked, for it has come meanwhile.
    bool acknowledge() {
        u8 now = masked;
        while (!state.compare_exchange_strong(now, now == noted ? u8{masked} : u8{open})) continue;
        return now != noted;
    }
    /// As Signal::notify.
    bool deliver(bool may_switch) const {
        Object* signal = delivery.target;
        return signal != nullptr &&
               static_cast<Signal*>(signal)->notify(bits.load(std::memory_order_relaxed), may_switch);
    }
};

class IoPorts : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::io_ports;
    explicit IoPorts(PortRange which) : Object(kType), range(which) {}
    const PortRange range;
};

/// By line; null: nobody's.
extern std::atomic<Interrupt*> lines[arch::kInterruptLines];

/// The line's interrupt has come in, and is masked if it is one that can be. With `may_switch` whoever waits for it may become
/// the current thread at once; then true.
inline bool interrupt_arrived(u32 line, bool may_switch) {
    Interrupt* interrupt = line < arch::kInterruptLines ? lines[line].load(std::memory_order_acquire)
                                                        : nullptr;
    return interrupt != nullptr && interrupt->arrive() && interrupt->deliver(may_switch);
}

/// Destruction.
void sever_interrupt(Interrupt& interrupt);
void lose_ports(Space& space);
void release_ports(Space& space);
/// This CPU opens what the loaded Space has by now.
void renew_ports(Cpu& cpu);

}  // namespace pith::core
