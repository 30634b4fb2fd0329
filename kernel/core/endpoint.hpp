// SPDX-License-Identifier: MIT
// Endpoint: where messages are sent and received; a part for each CPU, on a cache line of its own, under that
// CPU's lock.
//
// Callers queue in the part of a CPU that has a receiver (their own, if it has one), by priority, first come
// first served within one. `orphans` counts callers in parts of CPUs without receivers; any receiver takes
// those.
#pragma once

#include "kernel/core/thread.hpp"

namespace pith::core {

class Endpoint : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::endpoint;
    Endpoint() : Object(kType) {}

    using Receivers = List<Thread, &Thread::queue_link>;
    struct alignas(64) Part {
        Receivers receivers;  ///< waiting
        List<Thread, &Thread::queue_link> callers;
        List<Thread, &Thread::registered_link> registered;  ///< all that receive here, waiting or busy
        std::atomic<u32> receiver_count{0};                 ///< length of `registered`
    };

    /// That of this CPU. Cpu::part is where it is.
    [[gnu::always_inline]] Part& part_at(u64 place) {
        return *reinterpret_cast<Part*>(reinterpret_cast<char*>(this) + place);
    }

    Part parts[abi::kMaxCpus];
    alignas(64) std::atomic<u32> orphans{0};
};

}  // namespace pith::core
