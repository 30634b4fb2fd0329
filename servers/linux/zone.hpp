// SPDX-License-Identifier: MIT
// A Zone: one instance of Linux, with everything that belongs to it. Processes and threads by number, its memory,
// its clock and timers, its mounts. The event loop (server.cpp) drives it; there is one thread, hence no locks.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "servers/linux/balancer.hpp"
#include "servers/linux/frames.hpp"
#include "servers/linux/process.hpp"
#include "servers/linux/random.hpp"
#include "servers/linux/state_pages.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/vdso.hpp"
#include "servers/linux/wait.hpp"

namespace pith::lx {

class PageCache;   // vfs/diskfs/page_cache.hpp
class Vfs;         // vfs/vfs.hpp: the mounts, the root, the devices of this zone
class UnixDomain;  // net/unix/domain.hpp
class Network;     // net/inet/network.hpp: ports, addresses, the way to the stack

struct Services;  // services.hpp

/// What uname tells.
inline constexpr const char* kLinuxRelease = "6.1.0-pith";

struct ZoneStatistics {
    u64 syscalls = 0;
    u64 forks = 0;
    u64 faults = 0;
    u64 switches = 0;
    std::map<i32, u64> unknown_calls;  ///< number -> times: /proc/pith/enosys
};

class Zone {
  public:
    Zone(HandleIndex pool, HandleIndex space);
    ~Zone();
    Zone(const Zone&) = delete;
    Zone& operator=(const Zone&) = delete;

    FrameAllocator frames;
    Vfs* vfs = nullptr;
    PageCache* page_cache = nullptr;
    UnixDomain* unix_domain = nullptr;  ///< made with the first socket
    Services* services = nullptr;
    std::set<std::pair<i32, u32>> netlink_ports;  ///< protocol and port of the netlink sockets that have one
    std::unique_ptr<Network> network;

    // Numbers
    std::map<Pid, std::unique_ptr<Process>> processes;
    std::map<Pid, Thread*> threads;  ///< by tid; leaders too
    Pid last_pid = 0;
    u32 max_threads = 4096;
    Process* init = nullptr;
    Process* find_process(Pid pid) const;
    Thread* find_thread(Pid tid) const;
    /// A number that is no pid, tid, group or session now. 0: too many.
    Pid allocate_pid();

    /// Sends to all of a process group; number of processes that it reached.
    u32 send_group(Pid group, const SigInfo& info);
    /// POSIX: no member has a parent in another group of the same session.
    bool orphaned_group(Pid group) const;
    bool group_in_session(Pid group, Pid session) const;
    /// After a hang-up, or when the session's leader gave the terminal up.
    void detach_tty(Pid session);

    // Names
    std::string hostname = "pith";
    std::string domainname = "(none)";

    // Clock
    Time now() const;         ///< nanoseconds since boot: CLOCK_MONOTONIC
    i64 realtime_offset = 0;  ///< + now() is CLOCK_REALTIME, nanoseconds since 1970; set by set_realtime
    i64 realtime() const { return static_cast<i64>(now()) + realtime_offset; }
    void set_realtime(i64 nanoseconds);  ///< for the vDSO too
    Ref<Vdso> vdso;
    RandomSource random_source;
    void random(void* to, usize size) { random_source.fill(to, size); }  ///< cryptographically strong

    // The kernel's side
    StatePages states;
    bool goes_on = false;      ///< the last event of a thread was answered at once: it runs again
    HandleIndex endpoint = 0;  ///< where the events of threads arrive
    HandleIndex budget = 0;    ///< that programs run on
    u8 priority = 64;          ///< of programs with nice 0
    std::vector<std::unique_ptr<Thread>> graveyard;  ///< ended; deleted before the next event is handled
    std::vector<std::unique_ptr<Process>> buried;    ///< reaped; deleted after those
    void bury();                                     ///< deletes both
    Pid main = 0;                                    ///< the command of this run: its end is the zone's
    /// Memory is used up: of the job with most of it the largest process is killed, unless one is on its way out already. False: there is
    /// nobody left to kill.
    bool kill_for_memory();

    ZoneStatistics statistics;
    u32 running() const;  ///< threads that are in user mode: for loadavg and /proc/stat
    u32 cpus = 1;
    Balancer balancer;
    bool shutting_down = false;
    bool reborn = false;  ///< an earlier life of this server has died, with all of its programs
};

}  // namespace pith::lx
