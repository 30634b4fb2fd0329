// SPDX-License-Identifier: MIT
// A Process: what Linux calls a thread group. It owns or shares an address space, open files, working directory and
// signal actions; it has threads while it lives, is a zombie until its parent has waited, and is then gone. The
// Zone's table holds it; parent and children point to each other plainly (a parent outlives that: orphans are moved
// to pid 1 before a parent goes).
#pragma once

#include <string>
#include <vector>

#include "servers/linux/ref.hpp"
#include "servers/linux/signal.hpp"
#include "servers/linux/wait.hpp"

namespace pith::lx {

class AddressSpace;
class
    FileTable;  // vfs/file_table.hpp: the descriptors; RefCounted, with Ref<FileTable> copy() const for fork
class FsContext;  // vfs/fs_context.hpp: cwd, root, umask; RefCounted, with Ref<FsContext> copy() const
class File;       // vfs/file.hpp
class Tty;        // vfs/tty.hpp
class Thread;
class Zone;
class PosixTimers;

using Pid = i32;

struct Credentials {
    u32 uid = 0, euid = 0, suid = 0, fsuid = 0;
    u32 gid = 0, egid = 0, sgid = 0, fsgid = 0;
    std::vector<u32> groups;
    u64 permitted = ~u64{0} >> 23, effective = ~u64{0} >> 23, inheritable = 0;  ///< capabilities, 41 of them
    bool root() const { return fsuid == 0; }
    bool in_group(u32 group) const;
};

enum class Resource : u32 {
    cpu,
    fsize,
    data,
    stack,
    core,
    rss,
    nproc,
    nofile,
    memlock,
    as,
    locks,
    sigpending,
    msgqueue,
    nice,
    rtprio,
    rttime,
    count,
};
inline constexpr u64 kUnlimited = ~u64{0};
struct Limit {
    u64 soft = kUnlimited;
    u64 hard = kUnlimited;
};

struct Usage {
    u64 user_time = 0;  ///< nanoseconds
    u64 system_time = 0;
    u64 minor_faults = 0;
    u64 major_faults = 0;
    u64 voluntary = 0;  ///< context switches: waits in the server
    u64 involuntary = 0;
    u64 peak_pages = 0;
    void add(const Usage& other);
};

class Process {
  public:
    Process(Zone& zone, Pid pid);
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    Zone& zone;
    const Pid pid;
    Process* parent = nullptr;
    std::vector<Process*> children;
    Pid group = 0;  ///< process group
    Pid session = 0;
    Pid job = 0;         ///< the child of the run's command (the shell) that this descends from: for quotas
    Tty* tty = nullptr;  ///< controlling terminal (of the session)

    Credentials credentials;
    Ref<FileTable> files;
    Ref<FsContext> fs;
    Ref<AddressSpace> memory;
    Ref<SignalActions> actions;
    PendingSignals pending;     ///< sent to the process as a whole
    WaitQueue signal_arrivals;  ///< a signal became pending: signalfd
    Limit limits[static_cast<usize>(Resource::count)];
    Limit& limit(Resource resource) { return limits[static_cast<usize>(resource)]; }

    std::vector<Thread*> threads;  ///< the leader is first while it lives
    Thread* leader() const { return threads.empty() ? nullptr : threads.front(); }
    WaitQueue child_events;  ///< wait4: a child exited, stopped or went on
    WaitQueue exit_event;    ///< poll on a pidfd, and exec waiting for its other threads

    std::string name;      ///< comm
    Ref<File> executable;  ///< /proc/PID/exe
    std::string executable_path;
    u64 arguments_start = 0, arguments_end = 0, environment_start = 0,
        environment_end = 0;  ///< for cmdline, environ
    std::vector<u64> auxv;
    u64 start_time = 0;    ///< nanoseconds since boot
    Usage usage;           ///< of threads that are gone; see total_usage()
    Usage children_usage;  ///< of children that were waited for
    Usage total_usage() const;
    i32 nice = 0;
    bool crowded =
        false;  ///< of a job with very many processes, that keeps making more: it runs behind others
    u8 priority() const;     ///< of its threads, for the kernel
    void update_priority();  ///< after a change of nice or crowded
    u32 personality = 0;
    i32 death_signal = 0;         ///< to the parent, SIGCHLD
    i32 parent_death_signal = 0;  ///< PR_SET_PDEATHSIG
    bool dumpable = true;
    bool subreaper = false;
    bool executed = false;  ///< has done an exec since it was forked (for setpgid)

    // Life
    bool exiting = false;  ///< all threads are to go, with exit_status
    bool zombie = false;
    i32 exit_status = 0;   ///< as wait gives it: code << 8, or the signal (| 0x80 core)
    bool stopped = false;  ///< job control
    i32 stop_signal = 0;
    bool stop_reported = true;       ///< WUNTRACED has told
    bool continue_reported = true;   ///< WCONTINUED has told
    Thread* vfork_waiter = nullptr;  ///< parent's thread that waits until we exec or exit
    bool counted_in_zone = false;

    // Timers of the process
    struct RealTimer : Timer {
        explicit RealTimer(Process& owner) : Timer(&expired), process(owner) {}
        static void expired(Timer& timer);
        Process& process;
    };
    RealTimer real_timer;  ///< ITIMER_REAL, alarm
    u64 real_interval = 0;
    PosixTimers* timers = nullptr;  ///< timer_create; owned

    /// Sends a signal to the process (one of its threads will take it).
    void send(const SigInfo& info);
    /// Ends it: all threads go now or, if they wait in the server, when they have come out of that. `status` as wait
    /// gives it. The thread `current`, whose event is being handled, is left to end itself with exit_thread.
    void terminate(i32 status, Thread* current = nullptr);
    /// Stops all threads as they get to user mode, and tells the parent.
    void stop(i32 signo);
    /// SIGCONT: lets them go on, and tells the parent.
    void resume();
    /// Tells the parent of a change with SIGCHLD, and wakes its waits.
    void notify_parent(i32 code, i32 status);
    bool may_signal(const Process& target, i32 signo) const;
    char state_letter() const;      ///< R S D T Z for /proc
    bool ignores(i32 signo) const;  ///< by its action
};

/// The end of one thread; of the process too, if it was the last. The Thread is deleted by the next event.
void exit_thread(Thread& thread);
/// The leader of a session with a controlling terminal has ended: SIGHUP to the foreground group, and the terminal is
/// free again (vfs/tty.cpp).
void tty_session_ended(Process& leader);
/// A zombie has been waited for, or nobody will: it vanishes.
void reap(Process& process);

}  // namespace pith::lx
