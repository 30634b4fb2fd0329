// SPDX-License-Identifier: MIT
// The kernel's longest jobs, as loads for the benchmark of latency. Each takes what it needs from a Pool and gives
// it back. One set a CPU may run at a time, each with addresses and a table of numbers of its own.
#pragma once

#include "bench/ipc/bench.hpp"

namespace pith::bench {

/// What one CPU's loads work with.
struct Loads {
    Loads(const Handle<Pool>& from, u32 on_cpu);

    const Handle<Pool>& pool;
    u32 cpu;
    u64 window;  ///< 1 GiB of our own addresses
    Handle<Memory> numbers;
    abi::HandleIndex* taken = nullptr;  ///< kDerived numbers of slots
};

inline constexpr u32 kObjects = 100'000;
inline constexpr u64 kUnmapped = u64{1} << 30;
inline constexpr u32 kDerived = 5'000;  ///< of each of the two revocations: 10,000 in all

/// Destroys a Pool with kObjects objects.
void load_destroy(Loads& loads);
/// Unmaps kUnmapped bytes.
void load_unmap(Loads& loads);
/// Revokes a capability of which kDerived copies were made, and one whose copy was copied, and so on, kDerived times.
void load_revoke(Loads& loads);
/// Calls, with words in registers and in buffers, and with capabilities.
void load_calls(Loads& loads);
/// Spaces that share a range of pages with another, copy on write, and die.
void load_fork(Loads& loads);
/// A long run of contiguous frames, made and destroyed.
void load_run(Loads& loads);

}  // namespace pith::bench
