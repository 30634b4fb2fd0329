// SPDX-License-Identifier: MIT
// What a supervisor leaves to its successor: one record a component, in preserved Memory. `intent` is written
// before something is done and cleared after; slots are those of the preserved CapTable. All zero: never
// written.
#pragma once

#include "lib/os/handle.hpp"
#include "protocol/composition.hpp"
#include "protocol/process.hpp"
#include "servers/supervisor/crash.hpp"
#include "servers/supervisor/report.hpp"

namespace pith::supervisor {

enum class Intent : u32 { none = 0, creating = 1, starting = 2, ending = 3, updating = 4 };

inline constexpr usize kMaxDevices = 8;

/// An executable that did not come with the bundle.
struct ImageRecord {
    abi::HandleIndex memory;  ///< kNoHandle: the bundle's is meant
    u32 reserved;
    u64 size;  ///< bytes
};

struct ComponentRecord {
    Intent intent;
    ComponentState state;
    u32 restarts;
    u32 deaths;      ///< within the hold window
    u64 generation;  ///< starts so far
    abi::Time started;
    abi::Time ended;            ///< of the last life
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
    abi::HandleIndex memory;  ///< StartInfo, message buffer, stack and data
    u32 permanent;            ///< 1: the permanent objects are complete
    UpdateState update;
    u32 healthy;  ///< on trial: 1 when it has answered its first heartbeat
    abi::HandleIndex
        snapshot;       ///< on trial, until it is healthy: preserved state as it was before; kNoHandle: none
    ImageRecord image;  ///< what it runs
    ImageRecord fallback;  ///< on trial: what it ran before
    abi::Time trial_end;
    abi::Time died_at;   ///< its last end, until it is known when it served again; 0: that is known
    abi::Time recovery;  ///< of its last end
    u64 total_deaths;
    abi::Time blame_start;  ///< of the window in which suppliers that it reported are counted
    u32 blame;              ///< how many were ended because of it in that window
    u32 reserved;
    char cause[96];
};

inline constexpr u64 kRecordMagic = 0x3130'4345'5250'5553;

inline constexpr usize kRecordsPages = 10;

struct Records {
    u64 magic;
    u32 count;
    u32 built;  ///< 1: the first start of the system is complete
    ReportLines reports;
    ComponentRecord components[kMaxComponents];
};
static_assert(sizeof(Records) <= kRecordsPages * abi::kPageSize);

/// All of the preserved Memory (servers/root/main.cpp makes it as large as that).
inline constexpr usize kPreservedBytes = kRecordsPages * abi::kPageSize + sizeof(CrashRing);

}  // namespace pith::supervisor
