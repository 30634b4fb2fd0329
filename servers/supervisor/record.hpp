// SPDX-License-Identifier: MIT
// What a supervisor leaves to its successor: one record a component, in preserved Memory. `intent` is written
// before something is done and cleared after; slots are those of the preserved CapTable. All zero: never
// written.
#pragma once

#include "lib/os/handle.hpp"
#include "protocol/composition.hpp"
#include "protocol/process.hpp"
#include "servers/supervisor/report.hpp"

namespace pith::supervisor {

enum class Intent : u32 { none = 0, creating = 1, starting = 2, ending = 3 };

inline constexpr usize kMaxDevices = 8;

struct ComponentRecord {
    Intent intent;
    ComponentState state;
    u32 restarts;
    u32 deaths;      ///< within the hold window
    u64 generation;  ///< starts so far
    abi::Time started;
    abi::Time ended;  ///< of the last life
    abi::Time window_start;     ///< of the hold window
    abi::Time restart_at;       ///< in state waiting
    u64 run_pages;              ///< limit of the run Pool
    abi::HandleIndex endpoint;  ///< permanent objects
    abi::HandleIndex pong;
    abi::HandleIndex keep;
    abi::HandleIndex preserved;
    abi::HandleIndex kept;  ///< CapTable
    abi::HandleIndex devices[kMaxDevices];
    abi::HandleIndex run;  ///< of this life
    abi::HandleIndex thread;
    abi::HandleIndex signal;
    abi::HandleIndex space;
    u32 permanent;  ///< 1: the permanent objects are complete
    char cause[96];
};

inline constexpr u64 kRecordMagic = 0x3130'4345'5250'5553;

struct Records {
    u64 magic;
    u32 count;
    u32 built;  ///< 1: the first start of the system is complete
    ReportLines reports;
    ComponentRecord components[kMaxComponents];
};
static_assert(sizeof(Records) <= 8 * abi::kPageSize);

}  // namespace pith::supervisor
