// SPDX-License-Identifier: MIT
// From records to a timeline: follows what each CPU and each thread does, record by record, and writes slices, arrows
// and instants; and adds up where the time went.
//
// Tracks: a process "CPUs" with a track for each CPU that shows who runs; a process for each component and for each
// Linux process, with a track for each thread. On a thread's track: what it waits for (a call, a fault, a Linux system
// call, its turn in a queue) and, for servers, whom it serves, from the message to the answer.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/trace/capture.hpp"
#include "tools/trace/chrome_json.hpp"
#include "tools/trace/protocols.hpp"

namespace pith::tools {

struct ThreadTotals {
    u64 cpu_time = 0;   ///< nanoseconds
    u64 call_time = 0;  ///< of that in native system calls that are not on a fast path
    u64 switches = 0;   ///< times that it began to run
    u64 calls = 0;      ///< calls, events and system calls of Linux that it made
    u64 served = 0;     ///< that it received
};

struct TracedThread {
    std::string process = "?";
    std::string name = "thread";
    u64 track_process = 0;  ///< the number of its process's track
    bool foreign = false;
    ThreadTotals totals;
};

struct LinuxCallTotals {
    u64 count = 0;
    u64 time = 0;     ///< nanoseconds from the call to the answer, waiting included
    u64 longest = 0;  ///< nanoseconds
};

struct Totals {
    u64 begin = 0, end = 0;               ///< nanoseconds
    std::vector<u64> busy;                ///< nanoseconds, by CPU
    std::map<u32, TracedThread> threads;  ///< by number
    std::map<u64, LinuxCallTotals> linux_calls;
};

/// Writes the timeline of all records and adds up. Does not finish `out`.
Totals write_timeline(const Capture& capture, const Protocols& protocols, ChromeJson& out);

}  // namespace pith::tools
