// SPDX-License-Identifier: MIT
// procfs: a tree of entries that are made up when they are looked up. A ProcEntry says how one is: a directory, a text
// (made anew when a file is read from its start), or a link. The tables are in process.cpp (/proc/PID), system.cpp,
// sys.cpp (/proc/sys), net.cpp (/proc/net) and pith.cpp (/proc/pith).
#pragma once

#include <span>
#include <string>

#include "servers/linux/process.hpp"
#include "servers/linux/vfs/file_system.hpp"
#include "servers/linux/vfs/format.hpp"

namespace pith::lx {

/// What an entry is about: whose it is, and a number or name where it stands for one of many.
struct ProcSubject {
    Zone* zone = nullptr;
    Pid pid = 0;       ///< of /proc/PID
    Pid tid = 0;       ///< of /proc/PID/task/TID; else pid
    u64 start = 0;     ///< start time of that process: a pid that is used again is somebody else
    i64 index = 0;     ///< descriptor of fd/N and the like
    std::string name;  ///< of a service

    /// Null: it is gone.
    Process* process() const;
    Thread* thread() const;
};

struct ProcEntry {
    std::string_view name;
    u32 mode = 0;  ///< type and permissions
    /// The text of a file, or what a link shows.
    SysResult<std::string> (*text)(const ProcSubject& subject, Thread& reader) = nullptr;
    /// Takes what is written to it in one write.
    SysResult<> (*write)(const ProcSubject& subject, Thread& writer, std::string_view text) = nullptr;
    /// Where a link leads, if not to its text.
    SysResult<Path> (*follow)(const ProcSubject& subject, Thread& reader) = nullptr;
    /// Of a directory: its fixed entries, and those that come and go.
    std::span<const ProcEntry> entries = {};
    /// Finds a changing entry: the entry and its subject.
    const ProcEntry* (*find)(ProcSubject& subject, std::string_view name) = nullptr;
    /// The name of the changing entry with the least key that is at least `key`; moves `key` to it. Empty: none.
    std::string (*next)(const ProcSubject& subject, u64& key) = nullptr;
    u32 next_type = S_DIRECTORY;  ///< of what `next` names
    /// Permissions that depend on the subject.
    u32 (*permissions)(const ProcSubject& subject) = nullptr;
    /// Entries of a directory in another file: that one's.
    const ProcEntry* same_as = nullptr;
    /// As `write`, and may have to wait.
    Async<> (*write_waiting)(const ProcSubject& subject, Thread& writer, std::string text) = nullptr;
};

Ref<FileSystem> make_proc(Zone& zone, u64 device);

// The tables: constants, so that none is used before it is made.
extern const ProcEntry kProcRoot;
extern const ProcEntry kProcProcess;
extern const ProcEntry kProcSys;
extern const ProcEntry kProcPith;
extern const ProcEntry kProcNet;

// Texts that several files share.
SysResult<std::string> proc_mounts(const ProcSubject& subject, Thread& reader);
std::string proc_meminfo(Zone& zone);
// Of /proc/net (interfaces.cpp).
SysResult<std::string> proc_net_dev(const ProcSubject& subject, Thread& reader);
SysResult<std::string> proc_net_route(const ProcSubject& subject, Thread& reader);
SysResult<std::string> proc_net_if_inet6(const ProcSubject& subject, Thread& reader);
SysResult<std::string> proc_net_arp(const ProcSubject& subject, Thread& reader);

/// Averages over 1, 5 and 15 minutes of the threads that run, in 11-bit fixed point, as Linux computes them.
class LoadAverage {
  public:
    explicit LoadAverage(Zone& zone);
    /// Takes the samples that are due. What happened since the last call counts as it is now.
    void update();
    u64 loads[3] = {};

  private:
    Zone& zone_;
    u64 last_;
};

}  // namespace pith::lx
