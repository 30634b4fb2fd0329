// SPDX-License-Identifier: MIT
// /proc/PID.
#include <algorithm>

#include "servers/linux/address_space.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/fs_context.hpp"
#include "servers/linux/vfs/path.hpp"
#include "servers/linux/vfs/proc/proc.hpp"
#include "servers/linux/vfs/tty/tty.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

using Subject = const ProcSubject&;
using TextResult = SysResult<std::string>;

u64 ticks(u64 nanoseconds) { return nanoseconds / 10'000'000; }

std::string thread_name(Subject subject) {
    const Thread* thread = subject.thread();
    if (thread != nullptr && subject.tid != subject.pid && thread->name[0] != 0) return thread->name;
    return subject.process()->name.substr(0, 15);
}

char state_of(Subject subject) {
    const Process& process = *subject.process();
    if (subject.tid == subject.pid) return process.state_letter();
    const Thread* thread = subject.thread();
    if (thread == nullptr) return 'X';
    return thread->sleep != nullptr ? 'S' : 'R';
}

struct SignalSets {
    SigSet pending = 0, shared = 0, blocked = 0, ignored = 0, caught = 0;
};

SignalSets signal_sets(Subject subject) {
    const Process& process = *subject.process();
    SignalSets sets;
    sets.shared = process.pending.set();
    if (const Thread* thread = subject.thread(); thread != nullptr) {
        sets.pending = thread->pending.set();
        sets.blocked = thread->mask;
    }
    if (!process.actions) return sets;
    for (i32 signo = 1; signo <= kSignals; ++signo) {
        const u64 handler = (*process.actions)[signo].handler;
        if (handler == kSigIgnore) sets.ignored |= sig_bit(signo);
        else if (handler != kSigDefault) sets.caught |= sig_bit(signo);
    }
    return sets;
}

u32 encode_tty(u64 device) {
    const u32 minor = device_minor(device);
    return (minor & 0xff) | device_major(device) << 8 | (minor & ~0xffu) << 12;
}

TextResult text_stat(Subject subject, Thread&) {
    Process& process = *subject.process();
    const Usage usage = process.total_usage();
    const SignalSets sets = signal_sets(subject);
    const AddressSpace* memory = process.zombie ? nullptr : process.memory.get();
    Text text;
    text << subject.tid << " (" << thread_name(subject) << ") " << state_of(subject) << ' '
         << (process.parent != nullptr ? process.parent->pid : 0) << ' ' << process.group << ' '
         << process.session << ' ' << (process.tty != nullptr ? encode_tty(process.tty->device) : 0u) << ' '
         << (process.tty != nullptr ? process.tty->foreground : -1) << " 4194304 " << usage.minor_faults
         << ' ' << process.children_usage.minor_faults << ' ' << usage.major_faults << ' '
         << process.children_usage.major_faults << ' ' << ticks(usage.user_time) << ' '
         << ticks(usage.system_time) << ' ' << ticks(process.children_usage.user_time) << ' '
         << ticks(process.children_usage.system_time) << ' ' << 20 + process.nice << ' ' << process.nice
         << ' ' << process.threads.size() << " 0 " << ticks(process.start_time) << ' '
         << (memory != nullptr ? memory->total_pages() * kPageSize : 0) << ' '
         << (memory != nullptr ? memory->resident_pages() : 0) << ' ' << process.limit(Resource::rss).soft
         << " 0 0 0 0 0 " << (sets.pending & 0x7fff'ffff) << ' ' << (sets.blocked & 0x7fff'ffff) << ' '
         << (sets.ignored & 0x7fff'ffff) << ' ' << (sets.caught & 0x7fff'ffff) << " 0 0 0 "
         << (process.death_signal != 0 ? process.death_signal : 17) << ' '
         << (subject.thread() != nullptr ? subject.thread()->cpu : u16{0}) << " 0 0 0 0 0 0 0 "
         << (memory != nullptr ? memory->brk_start() : 0) << ' ' << process.arguments_start << ' '
         << process.arguments_end << ' ' << process.environment_start << ' ' << process.environment_end << ' '
         << (process.zombie ? process.exit_status : 0) << '\n';
    return text.take();
}

const char* state_name(char letter) {
    switch (letter) {
        case 'R': return "R (running)";
        case 'D': return "D (disk sleep)";
        case 'T': return "T (stopped)";
        case 'Z': return "Z (zombie)";
        case 'X': return "X (dead)";
        default: return "S (sleeping)";
    }
}

void memory_lines(Text& text, const Process& process) {
    if (process.zombie || !process.memory) return;
    const AddressSpace& memory = *process.memory;
    u64 stack = 0, code = 0, data = 0;
    for (const auto& [start, area] : memory.areas()) {
        const u64 kilobytes = area.pages() * 4;
        if (area.grows_down) stack += kilobytes;
        else if ((area.prot & 4) != 0) code += kilobytes;
        else if (!area.shared && (area.prot & 2) != 0) data += kilobytes;
    }
    const auto line = [&](const char* name, u64 kilobytes) {
        text << name << ":\t";
        text.right(kilobytes, 8) << " kB\n";
    };
    line("VmPeak", std::max(memory.peak_pages, memory.total_pages()) * 4);
    line("VmSize", memory.total_pages() * 4);
    line("VmLck", 0);
    line("VmPin", 0);
    line("VmHWM", std::max(process.total_usage().peak_pages, memory.resident_pages()) * 4);
    line("VmRSS", memory.resident_pages() * 4);
    line("RssAnon", memory.resident_pages() * 4);
    line("RssFile", 0);
    line("RssShmem", 0);
    line("VmData", data);
    line("VmStk", stack);
    line("VmExe", code);
    line("VmLib", 0);
    line("VmPTE", 0);
    line("VmSwap", 0);
}

TextResult text_status(Subject subject, Thread&) {
    Process& process = *subject.process();
    const Credentials& credentials = process.credentials;
    const SignalSets sets = signal_sets(subject);
    const Usage usage = process.total_usage();
    Text text;
    text << "Name:\t" << thread_name(subject) << '\n';
    if (process.fs) {
        text << "Umask:\t";
        text.octal(process.fs->umask, 4) << '\n';
    }
    text << "State:\t" << state_name(state_of(subject)) << "\nTgid:\t" << process.pid << "\nNgid:\t0\nPid:\t"
         << subject.tid << "\nPPid:\t" << (process.parent != nullptr ? process.parent->pid : 0)
         << "\nTracerPid:\t0\nUid:\t" << credentials.uid << '\t' << credentials.euid << '\t'
         << credentials.suid << '\t' << credentials.fsuid << "\nGid:\t" << credentials.gid << '\t'
         << credentials.egid << '\t' << credentials.sgid << '\t' << credentials.fsgid << "\nFDSize:\t"
         << (process.files ? std::max<u32>(64, process.files->count()) : 0) << "\nGroups:\t";
    for (u32 group : credentials.groups) text << group << ' ';
    text << "\nNStgid:\t" << process.pid << "\nNSpid:\t" << subject.tid << "\nNSpgid:\t" << process.group
         << "\nNSsid:\t" << process.session << '\n';
    memory_lines(text, process);
    text << "Threads:\t" << process.threads.size() << "\nSigQ:\t0/"
         << process.limit(Resource::sigpending).soft;
    const auto set = [&](const char* name, u64 value) {
        text << '\n' << name << ":\t";
        text.hex(value, 16);
    };
    set("SigPnd", sets.pending);
    set("ShdPnd", sets.shared);
    set("SigBlk", sets.blocked);
    set("SigIgn", sets.ignored);
    set("SigCgt", sets.caught);
    set("CapInh", credentials.inheritable);
    set("CapPrm", credentials.permitted);
    set("CapEff", credentials.effective);
    set("CapBnd", ~u64{0} >> 23);
    set("CapAmb", 0);
    text << "\nNoNewPrivs:\t0\nSeccomp:\t0\nCpus_allowed:\t";
    text.hex((u64{1} << subject.zone->cpus) - 1) << "\nCpus_allowed_list:\t0";
    if (subject.zone->cpus > 1) text << '-' << subject.zone->cpus - 1;
    text << "\nvoluntary_ctxt_switches:\t" << usage.voluntary << "\nnonvoluntary_ctxt_switches:\t"
         << usage.involuntary << '\n';
    return text.take();
}

/// Bytes [start, end) of a process's memory; what cannot be read ends it.
std::string read_memory(Process& process, u64 start, u64 end) {
    constexpr u64 kMost = 1 << 20;
    if (process.zombie || !process.memory || end <= start) return {};
    std::string text(std::min(end - start, kMost), '\0');
    usize done = 0;
    while (done < text.size()) {
        const usize piece = std::min<usize>(text.size() - done, kPageSize - (start + done) % kPageSize);
        if (!copy_in(*process.memory, text.data() + done, start + done, piece).ok()) break;
        done += piece;
    }
    text.resize(done);
    return text;
}

TextResult text_cmdline(Subject subject, Thread&) {
    Process& process = *subject.process();
    std::string text = read_memory(process, process.arguments_start, process.arguments_end);
    // A program that wrote a title over its arguments and environment, as setproctitle does.
    if (!text.empty() && text.back() != '\0' && process.environment_end > process.arguments_end) {
        text += read_memory(process, process.arguments_end, process.environment_end);
        text.resize(std::min(text.size(), text.find('\0')));
    }
    return text;
}

TextResult text_environ(Subject subject, Thread& reader) {
    Process& process = *subject.process();
    if (!reader.process.credentials.root() && reader.process.credentials.fsuid != process.credentials.uid)
        return Errno::EACCES;
    return read_memory(process, process.environment_start, process.environment_end);
}

TextResult text_comm(Subject subject, Thread&) { return thread_name(subject) + "\n"; }

SysResult<> write_comm(Subject subject, Thread& writer, std::string_view text) {
    if (&writer.process != subject.process()) return Errno::EINVAL;
    if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    subject.process()->name = std::string(text.substr(0, 15));
    return {};
}

TextResult text_statm(Subject subject, Thread&) {
    const Process& process = *subject.process();
    if (process.zombie || !process.memory) return std::string("0 0 0 0 0 0 0\n");
    u64 code = 0, data = 0;
    for (const auto& [start, area] : process.memory->areas()) {
        if ((area.prot & 4) != 0) code += area.pages();
        else if (!area.shared && (area.prot & 2) != 0) data += area.pages();
    }
    Text text;
    text << process.memory->total_pages() << ' ' << process.memory->resident_pages() << " 0 " << code << " 0 "
         << data << " 0\n";
    return text.take();
}

/// A line of maps; names are in column 73.
std::string map_line(const AddressSpace& memory, const Vma& area) {
    constexpr usize kNameColumn = 73;
    const Inode* file = area.source ? area.source->file() : nullptr;
    const u64 device = file != nullptr ? file->file_system().device() : 0;
    Text text;
    text.hex(area.start, 8) << '-';
    text.hex(area.end, 8) << ' ' << ((area.prot & 1) != 0 ? 'r' : '-') << ((area.prot & 2) != 0 ? 'w' : '-')
                          << ((area.prot & 4) != 0 ? 'x' : '-') << (area.shared ? 's' : 'p') << ' ';
    text.hex(file != nullptr ? area.source_page * kPageSize : 0, 8) << ' ';
    text.hex(device_major(device), 2) << ':';
    text.hex(device_minor(device), 2) << ' ' << (file != nullptr ? file->number() : 0) << ' ';
    std::string_view name = area.name;
    if (name.empty() && area.start <= memory.brk_start() && memory.brk_start() < area.end) name = "[heap]";
    if (name.empty() && area.grows_down) name = "[stack]";
    std::string line = text.take();
    if (!name.empty()) {
        line.resize(std::max(line.size(), kNameColumn), ' ');
        line += name;
    }
    return line + '\n';
}

TextResult text_maps(Subject subject, Thread& reader) {
    const Process& process = *subject.process();
    if (!reader.process.credentials.root() && reader.process.credentials.fsuid != process.credentials.uid)
        return Errno::EACCES;
    if (process.zombie || !process.memory) return std::string();
    Text text;
    for (const auto& [start, area] : process.memory->areas()) text << map_line(*process.memory, area);
    return text.take();
}

TextResult text_limits(Subject subject, Thread&) {
    struct Row {
        const char *name, *unit;
        Resource resource;
    };
    static constexpr Row kRows[] = {
        {"Max cpu time", "seconds", Resource::cpu},
        {"Max file size", "bytes", Resource::fsize},
        {"Max data size", "bytes", Resource::data},
        {"Max stack size", "bytes", Resource::stack},
        {"Max core file size", "bytes", Resource::core},
        {"Max resident set", "bytes", Resource::rss},
        {"Max processes", "processes", Resource::nproc},
        {"Max open files", "files", Resource::nofile},
        {"Max locked memory", "bytes", Resource::memlock},
        {"Max address space", "bytes", Resource::as},
        {"Max file locks", "locks", Resource::locks},
        {"Max pending signals", "signals", Resource::sigpending},
        {"Max msgqueue size", "bytes", Resource::msgqueue},
        {"Max nice priority", "", Resource::nice},
        {"Max realtime priority", "", Resource::rtprio},
        {"Max realtime timeout", "us", Resource::rttime},
    };
    Text text;
    text.left("Limit", 26);
    text.left("Soft Limit", 21);
    text.left("Hard Limit", 21);
    text.left("Units", 10) << '\n';
    const auto value = [](u64 limit) {
        return limit == kUnlimited ? std::string("unlimited") : decimal(limit);
    };
    for (const Row& row : kRows) {
        const Limit& limit = subject.process()->limit(row.resource);
        text.left(row.name, 26);
        text.left(value(limit.soft), 21);
        text.left(value(limit.hard), 21);
        text.left(row.unit, 10) << '\n';
    }
    return text.take();
}

TextResult text_io(Subject, Thread&) {
    return std::string(
        "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
}
TextResult text_zero(Subject, Thread&) { return std::string("0\n"); }
TextResult text_wchan(Subject, Thread&) { return std::string("0"); }
TextResult text_empty(Subject, Thread&) { return std::string(); }

SysResult<> write_ignored(Subject, Thread&, std::string_view) { return {}; }

TextResult text_auxv(Subject subject, Thread&) {
    const std::vector<u64>& auxv = subject.process()->auxv;
    return std::string(reinterpret_cast<const char*>(auxv.data()), auxv.size() * sizeof(u64));
}

TextResult text_mountinfo(Subject subject, Thread& reader) {
    Text text;
    const Vfs& vfs = *subject.zone->vfs;
    for (const Ref<Mount>& mount : vfs.mounts) {
        const Path at = mount->parent ? Path{mount->parent, mount->point} : Path{mount, mount->root};
        const u64 device = mount->file_system->device();
        const char* access = (mount->flags & kMountReadOnly) != 0 ? "ro" : "rw";
        text << mount->number << ' ' << (mount->parent ? mount->parent->number : mount->number) << ' '
             << device_major(device) << ':' << device_minor(device) << " / "
             << path_name(at, reader.process.fs->root) << ' ' << access << ",relatime - "
             << mount->file_system->type() << ' ' << mount->source << ' ' << access << '\n';
    }
    return text.take();
}

// Links

SysResult<Process*> living(Subject subject) {
    Process* process = subject.process();
    if (process == nullptr || process->zombie) return Errno::ENOENT;
    return process;
}

SysResult<> check_look(Subject subject, Thread& reader) {
    const Process* process = PITH_TRY(living(subject));
    const Credentials& credentials = reader.process.credentials;
    return credentials.root() || credentials.fsuid == process->credentials.uid ? SysResult<>()
                                                                               : SysResult<>(Errno::EACCES);
}

SysResult<Path> exe_path(Subject subject, Thread& reader) {
    PITH_CHECK(check_look(subject, reader));
    const Process* process = subject.process();
    if (!process->executable) return Errno::ENOENT;
    return process->executable->path;
}
SysResult<Path> cwd_path(Subject subject, Thread& reader) {
    PITH_CHECK(check_look(subject, reader));
    if (!subject.process()->fs) return Errno::ENOENT;
    return subject.process()->fs->working;
}
SysResult<Path> root_path(Subject subject, Thread& reader) {
    PITH_CHECK(check_look(subject, reader));
    if (!subject.process()->fs) return Errno::ENOENT;
    return subject.process()->fs->root;
}

template <SysResult<Path> (*Follow)(Subject, Thread&)>
TextResult link_text(Subject subject, Thread& reader) {
    return path_name(PITH_TRY(Follow(subject, reader)), reader.process.fs->root);
}

SysResult<File*> open_descriptor(Subject subject, Thread& reader) {
    PITH_CHECK(check_look(subject, reader));
    const Process* process = subject.process();
    File* file = process->files ? process->files->find(static_cast<i32>(subject.index)) : nullptr;
    if (file == nullptr) return Errno::ENOENT;
    return file;
}
SysResult<Path> fd_path(Subject subject, Thread& reader) {
    return PITH_TRY(open_descriptor(subject, reader))->path;
}
TextResult fd_text(Subject subject, Thread& reader) {
    return PITH_TRY(open_descriptor(subject, reader))->describe(reader.process.fs->root);
}
TextResult fdinfo_text(Subject subject, Thread& reader) {
    File* file = PITH_TRY(open_descriptor(subject, reader));
    Text text;
    const bool close_on_exec = subject.process()->files->close_on_exec(static_cast<i32>(subject.index));
    text << "pos:\t" << file->offset << "\nflags:\t0";
    text.octal(file->flags | (close_on_exec ? O_CLOSE_EXEC : 0))
        << "\nmnt_id:\t" << file->path.mount->number << "\nino:\t" << file->inode().number() << '\n'
        << file->describe_state();
    return text.take();
}

u32 fd_permissions(Subject subject) {
    const Process* process = subject.process();
    const File* file = process != nullptr && process->files
                           ? process->files->find(static_cast<i32>(subject.index))
                           : nullptr;
    if (file == nullptr) return 0;
    return (file->readable() ? 0500u : 0) | (file->writable() ? 0300u : 0);
}

constinit const ProcEntry kFd{
    .mode = S_SYMLINK | 0700, .text = fd_text, .follow = fd_path, .permissions = fd_permissions};
constinit const ProcEntry kFdInfo{"", S_REGULAR | 0400, fdinfo_text};

template <const ProcEntry& Entry>
const ProcEntry* find_fd(ProcSubject& subject, std::string_view name) {
    u64 number;
    const Process* process = subject.process();
    if (process == nullptr || !process->files || !parse_decimal(name, number) || number > 0x7fff'ffff)
        return nullptr;
    if (process->files->find(static_cast<i32>(number)) == nullptr) return nullptr;
    subject.index = static_cast<i64>(number);
    return &Entry;
}

std::string next_fd(Subject subject, u64& key) {
    const Process* process = subject.process();
    if (process == nullptr || !process->files) return {};
    for (; key < static_cast<u64>(process->files->end()); ++key) {
        if (process->files->find(static_cast<i32>(key)) != nullptr) return decimal(key);
    }
    return {};
}

#define PITH_PROC_COMMON                                                                                   \
    {"stat", S_REGULAR | 0444, text_stat}, {"status", S_REGULAR | 0444, text_status},                      \
        {"cmdline", S_REGULAR | 0444, text_cmdline}, {"environ", S_REGULAR | 0400, text_environ},          \
        {"comm", S_REGULAR | 0644, text_comm, write_comm}, {"statm", S_REGULAR | 0444, text_statm},        \
        {"maps", S_REGULAR | 0444, text_maps}, {"limits", S_REGULAR | 0444, text_limits},                  \
        {"io", S_REGULAR | 0400, text_io}, {"wchan", S_REGULAR | 0444, text_wchan},                        \
        {"auxv", S_REGULAR | 0400, text_auxv}, {"mounts", S_REGULAR | 0444, proc_mounts},                  \
        {"mountinfo", S_REGULAR | 0444, text_mountinfo}, {"oom_score", S_REGULAR | 0444, text_zero},       \
        {"oom_score_adj", S_REGULAR | 0644, text_zero, write_ignored},                                     \
        {"oom_adj", S_REGULAR | 0644, text_zero, write_ignored}, {"cgroup", S_REGULAR | 0444, text_empty}, \
        {"exe", S_SYMLINK | 0777, link_text<exe_path>, nullptr, exe_path},                                 \
        {"cwd", S_SYMLINK | 0777, link_text<cwd_path>, nullptr, cwd_path},                                 \
        {"root", S_SYMLINK | 0777, link_text<root_path>, nullptr, root_path},                              \
        {"fd", S_DIRECTORY | 0500, nullptr, nullptr, nullptr, {}, find_fd<kFd>, next_fd, S_SYMLINK}, {     \
        "fdinfo", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, {}, find_fd<kFdInfo>, next_fd, S_REGULAR  \
    }

constinit const ProcEntry kThreadEntries[] = {PITH_PROC_COMMON};
constinit const ProcEntry kThread{"", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, kThreadEntries};

const ProcEntry* find_thread(ProcSubject& subject, std::string_view name) {
    u64 number;
    if (!parse_decimal(name, number) || number > 0x7fff'ffff) return nullptr;
    subject.tid = static_cast<Pid>(number);
    if (subject.thread() == nullptr && subject.tid != subject.pid) return nullptr;
    return &kThread;
}

std::string next_thread(Subject subject, u64& key) {
    const Process* process = subject.process();
    if (process == nullptr) return {};
    const Thread* best = nullptr;
    for (const Thread* thread : process->threads) {
        if (static_cast<u64>(thread->tid) >= key && (best == nullptr || thread->tid < best->tid))
            best = thread;
    }
    if (best == nullptr) return {};
    key = static_cast<u64>(best->tid);
    return decimal(key);
}

constinit const ProcEntry kProcessEntries[] = {
    PITH_PROC_COMMON,
    {"task", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, {}, find_thread, next_thread},
    {.name = "net", .mode = S_DIRECTORY | 0555, .same_as = &kProcNet},
};

}  // namespace

constinit const ProcEntry kProcProcess{.mode = S_DIRECTORY | 0555, .entries = kProcessEntries};

SysResult<std::string> proc_mounts(const ProcSubject& subject, Thread& reader) {
    Text text;
    for (const Ref<Mount>& mount : subject.zone->vfs->mounts) {
        const Path at = mount->parent ? Path{mount->parent, mount->point} : Path{mount, mount->root};
        if (!reachable(at, reader.process.fs->root) && mount->parent) continue;
        text << mount->source << ' ' << path_name(at, reader.process.fs->root) << ' '
             << mount->file_system->type() << ' ' << ((mount->flags & kMountReadOnly) != 0 ? "ro" : "rw")
             << ((mount->flags & kMountNoSetuid) != 0 ? ",nosuid" : "")
             << ((mount->flags & kMountNoDevices) != 0 ? ",nodev" : "")
             << ((mount->flags & kMountNoExecute) != 0 ? ",noexec" : "")
             << ((mount->flags & kMountNoAccessTime) != 0 ? ",noatime" : ",relatime") << " 0 0\n";
    }
    return text.take();
}

}  // namespace pith::lx
