// SPDX-License-Identifier: MIT
// The supervisor's protocols.
//   lifecycle  a component to its parent: how it ends
//   process    the management of components (/proc/pith/services): list, control, update, crash reports, counts, shutdown
// All methods are idempotent: a call that is sent again after the supervisor died has the same effect once.
#pragma once

#include "abi/info.hpp"
#include "protocol/ipc.hpp"

namespace pith {

inline constexpr usize kNameSize = 32;  ///< a component's or protocol's name, padded with zeros

/// Spoken through the "supervisor" capability of a StartInfo.
struct Lifecycle {
    static constexpr const char* kName = "lifecycle";

    /// The component ends in order. Never answered: its caller is gone.
    struct Exit {
        static constexpr u16 kOpcode = 1;
        i64 status;  ///< 0: as it should; else it counts as a crash
        struct Reply {};
    };
    /// The component ends because an invariant of its own is broken. Never answered.
    struct Crash {
        static constexpr u16 kOpcode = 2;
        u64 length;
        char text[240];
        usize payload_size() const { return 8 + (length < sizeof(text) ? length : sizeof(text)); }
        struct Reply {};
    };
    /// A supplier of the caller's breaks their protocol (docs/recovery.md: what comes of it). One way or called. Errors: not_found: the
    /// caller's manifest needs nothing of that name; busy: it has had suppliers ended too often of late.
    struct Violation {
        static constexpr u16 kOpcode = 3;
        char route[kNameSize];  ///< the name in the caller's StartInfo
        u64 length;
        char what[120];
        usize payload_size() const {
            return sizeof(route) + 8 + (length < sizeof(what) ? length : sizeof(what));
        }
        struct Reply {};
    };
    using Methods = MethodList<Exit, Crash, Violation>;
};

enum class ComponentState : u32 {
    stopped = 0,  ///< not running, by order or because its policy says so
    running = 1,
    waiting = 2,    ///< dead; it starts again when its back-off has passed
    held_down = 3,  ///< it died too often; its clients get held_down until `start` or `restart`
    ending = 4,     ///< being taken down
};

enum class ControlAction : u32 {
    kill = 1,     ///< as a crash would: its restart policy applies
    restart = 2,  ///< down and up at once, back-off cleared
    stop = 3,     ///< down until `start`
    start = 4,
    hang = 5,  ///< its first thread is stopped where it is, for its heartbeat to find out
};

/// Where a component's executable is from.
enum class UpdateState : u32 {
    original = 0,  ///< the bundle
    trial = 1,     ///< an update that has not proved itself yet
    updated = 2,   ///< an update
    refused = 3,   ///< as before the last update, which failed
};

enum class ShutdownKind : u32 { poweroff = 0, reboot = 1, exit = 2 };

/// Spoken by the supervisor to root.
struct Root {
    static constexpr const char* kName = "root";

    /// Ends the machine. Answered only with an error: unsupported: this machine has no way to do it.
    struct Shutdown {
        static constexpr u16 kOpcode = 17;
        u32 kind;         ///< ShutdownKind
        u32 status;       ///< for `exit`: the emulator's exit status
        char cause[112];  ///< why, ended by 0: it is told on the debug console; empty: it is in order
        struct Reply {};
    };
    /// The caller is ended next by an injector of faults (Process::Reach): no sign that it is broken.
    struct Forgive {
        static constexpr u16 kOpcode = 18;
        struct Reply {};
    };
    using Methods = MethodList<Lifecycle::Exit, Lifecycle::Crash, Shutdown, Forgive>;
};

struct Process {
    static constexpr const char* kName = "process";

    /// The component with number `index`, counted from 0; after them the supervisor itself. Errors: not_found
    /// after that.
    struct Describe {
        static constexpr u16 kOpcode = 1;
        u64 index;
        struct Reply {
            char name[kNameSize];
            u32 state;     ///< ComponentState
            u32 restarts;  ///< times that it was started again
            u64 uptime;    ///< nanoseconds since its last start
            u64 cpu_time;  ///< nanoseconds that its first thread ran since then
            u64 pages;     ///< pages that its run Pool uses
            u64 pages_limit;
            u64 keep_pages;  ///< pages that its keep Pool uses
            char cause[96];  ///< why it ended last; empty: it never did
            u64 recovery;    ///< nanoseconds from its last end to when it served again; 0: it never did
            u64 deaths;      ///< its ends but those by `stop`, `restart` and `update`
            u32 updated;     ///< UpdateState
            u32 number;      ///< of the component; what it was asked for by
        };
    };
    /// Kill, restart, stop, start or hang the component of that name; "supervisor", the caller itself (where its policy
    /// has it start again), and what is marked essential can be killed, restarted or hung. Errors: not_found; bad_state: it does not run; access: not this one, or not this
    /// caller; invalid. Who has himself killed or restarted gets no answer.
    struct Control {
        static constexpr u16 kOpcode = 2;
        char name[kNameSize];
        u32 action;  ///< ControlAction
        u32 reserved;
        struct Reply {};
    };
    /// The kernel's exact counts.
    struct Counts {
        static constexpr u16 kOpcode = 3;
        struct Reply {
            abi::KernelCounts counts;
        };
    };
    /// A CPU's counters. Errors: invalid: no such CPU.
    struct Cpu {
        static constexpr u16 kOpcode = 4;
        u64 cpu;
        struct Reply {
            abi::CpuCounts counts;
        };
    };
    /// Ends the machine: files must be synced by now. Answered only with an error.
    struct Shutdown {
        static constexpr u16 kOpcode = 5;
        u32 kind;    ///< ShutdownKind
        u32 status;  ///< for `exit`: the emulator's exit status
        struct Reply {};
    };
    /// What an injector of faults needs, for those whose manifests have the capability `inject`. With `what` 0 comes an Endpoint to
    /// which the component answers `unsupported` as soon as it serves; with 1 come its first Thread (run, registers,
    /// info), Space (map, info), run Pool (allocate, info) and Signal (notify). Its next death does not count towards
    /// its being held down. Errors: access: not for this caller, or not this component (itself, or one whose end would be for
    /// good); not_found; bad_state: it does not run; invalid.
    struct Reach {
        static constexpr u16 kOpcode = 32;
        char name[kNameSize];
        u64 what;
        struct Reply {
            u64 generation;  ///< starts so far
            u64 ended;  ///< when its last life ended; 0: there was none, or it is not known (the supervisor)
            u64 essential;  ///< 1: its policy says that it is
        };
    };
    /// Has a component run another executable from now on (docs/recovery.md: updates). With it comes a Memory (right read) with the ELF
    /// file. Answered when the new one has been started; whether it stays, or the old one comes back, is in Describe. Errors: those of Control (access
    /// too for "supervisor", the caller itself, and what is essential);
    /// protocol: not such a file; no_memory; busy: an update of it is on trial.
    struct Update {
        static constexpr u16 kOpcode = 6;
        char name[kNameSize];
        u64 size;  ///< bytes of the file
        struct Reply {};
    };
    /// A part of the oldest kept report of a crash whose number is at least `sequence`; numbers begin at 1. not_found: there is none.
    struct Crash {
        static constexpr u16 kOpcode = 7;
        u64 sequence;
        u64 offset;  ///< in its text
        struct Reply {
            u64 sequence;  ///< of this report
            u64 total;     ///< bytes of its text
            u64 length;    ///< of the part
            char text[480];
            usize payload_size() const { return 24 + (length < sizeof(text) ? length : sizeof(text)); }
        };
    };
    using Methods = MethodList<Describe, Control, Counts, Cpu, Shutdown, Update, Crash, Reach>;
};

}  // namespace pith
