// SPDX-License-Identifier: MIT
// The files of /proc that are about the whole system, and its root.
#include <algorithm>

#include "lib/os/clock.hpp"
#include "servers/linux/cpuid.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/vfs/dev/disk.hpp"
#include "servers/linux/vfs/diskfs/mounts.hpp"
#include "servers/linux/vfs/diskfs/page_cache.hpp"
#include "servers/linux/vfs/proc/proc.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {
constexpr u64 kLoadInterval = 5'000'000'000;
}

LoadAverage::LoadAverage(Zone& zone) : zone_(zone), last_(zone.now()) {}

void LoadAverage::update() {
    static constexpr u64 kDecay[3] = {1884, 2014, 2037};
    const u64 active = u64{zone_.running()} << 11;
    u32 steps = 0;
    for (; last_ + kLoadInterval <= zone_.now() && steps < 1000; last_ += kLoadInterval, ++steps) {
        for (u32 i = 0; i < 3; ++i) loads[i] = (loads[i] * kDecay[i] + active * (2048 - kDecay[i])) >> 11;
    }
    if (steps == 1000) last_ = zone_.now();
}

namespace {

using Subject = const ProcSubject&;
using TextResult = SysResult<std::string>;

LoadAverage& load_of(Zone& zone) {
    if (!zone.vfs->load) zone.vfs->load = std::make_unique<LoadAverage>(zone);
    zone.vfs->load->update();
    return *zone.vfs->load;
}

abi::CpuCounts cpu_counts(Zone& zone, u64 cpu) {
    auto reply = zone.services->process.call(pith::Process::Cpu{cpu});
    return reply.ok() ? reply->counts : abi::CpuCounts{};
}

void fixed_two(Text& text, u64 hundredths) {
    text << hundredths / 100 << '.';
    text.right(hundredths % 100, 2, '0');
}

TextResult text_uptime(Subject subject, Thread&) {
    u64 idle = 0;
    for (u32 cpu = 0; cpu < subject.zone->cpus; ++cpu) idle += cpu_counts(*subject.zone, cpu).idle_time;
    Text text;
    fixed_two(text, subject.zone->now() / 10'000'000);
    text << ' ';
    fixed_two(text, idle / 10'000'000);
    text << '\n';
    return text.take();
}

TextResult text_loadavg(Subject subject, Thread&) {
    Zone& zone = *subject.zone;
    const LoadAverage& load = load_of(zone);
    Text text;
    for (u64 value : load.loads) {
        fixed_two(text, (value * 100 + 1024) >> 11);
        text << ' ';
    }
    text << std::max<u32>(zone.running(), 1) << '/' << zone.threads.size() << ' ' << zone.last_pid << '\n';
    return text.take();
}

TextResult text_stat(Subject subject, Thread&) {
    Zone& zone = *subject.zone;
    u64 user = 0;
    for (auto& [pid, process] : zone.processes)
        user += process->total_usage().user_time + process->children_usage.user_time;
    Text cpus;
    u64 busy = 0, idle = 0, interrupts = 0, switches = 0;
    for (u32 cpu = 0; cpu < zone.cpus; ++cpu) {
        const abi::CpuCounts counts = cpu_counts(zone, cpu);
        busy += counts.busy_time;
        idle += counts.idle_time;
        interrupts += counts.interrupts;
        switches += counts.switches;
        const u64 share = std::min(user / zone.cpus, counts.busy_time);
        cpus << "cpu" << cpu << ' ' << share / 10'000'000 << " 0 " << (counts.busy_time - share) / 10'000'000
             << ' ' << counts.idle_time / 10'000'000 << " 0 0 0 0 0 0\n";
    }
    user = std::min(user, busy);
    Text text;
    text << "cpu  " << user / 10'000'000 << " 0 " << (busy - user) / 10'000'000 << ' ' << idle / 10'000'000
         << " 0 0 0 0 0 0\n"
         << cpus.string() << "intr " << interrupts << "\nctxt " << switches << "\nbtime "
         << (zone.realtime() - static_cast<i64>(zone.now())) / 1'000'000'000 << "\nprocesses "
         << zone.statistics.forks << "\nprocs_running " << std::max<u32>(zone.running(), 1)
         << "\nprocs_blocked "
         << std::ranges::count_if(zone.threads,
                                  [](const auto& entry) { return entry.second->waits_for_device; })
         << '\n';
    return text.take();
}

TextResult text_meminfo(Subject subject, Thread&) { return proc_meminfo(*subject.zone); }

TextResult text_cpuinfo(Subject subject, Thread&) {
    const Cpuid name[3] = {cpuid(0x8000'0002), cpuid(0x8000'0003), cpuid(0x8000'0004)};
    const Cpuid first = cpuid(0);
    const u32 vendor[3] = {first.ebx, first.edx, first.ecx};
    const auto [signature, features_b, features_c, features_d] = cpuid(1);
    std::string model(reinterpret_cast<const char*>(name), sizeof name);
    model.resize(std::min(model.find('\0'), model.size()));
    u32 family = signature >> 8 & 15, number = signature >> 4 & 15;
    if (family == 6 || family == 15) number |= signature >> 12 & 0xf0;
    if (family == 15) family += signature >> 20 & 0xff;
    struct Flag {
        u32 bit;
        const char* name;
    };
    static constexpr Flag kD[] = {{0, "fpu"},  {4, "tsc"},   {5, "msr"},  {6, "pae"},   {8, "cx8"},
                                  {9, "apic"}, {11, "sep"},  {13, "pge"}, {15, "cmov"}, {19, "clflush"},
                                  {23, "mmx"}, {24, "fxsr"}, {25, "sse"}, {26, "sse2"}};
    static constexpr Flag kC[] = {{0, "pni"},     {1, "pclmulqdq"}, {9, "ssse3"},      {12, "fma"},
                                  {13, "cx16"},   {19, "sse4_1"},   {20, "sse4_2"},    {22, "movbe"},
                                  {23, "popcnt"}, {25, "aes"},      {26, "xsave"},     {28, "avx"},
                                  {29, "f16c"},   {30, "rdrand"},   {31, "hypervisor"}};
    std::string flags;
    for (const Flag& flag : kD)
        if ((features_d >> flag.bit & 1) != 0) flags += std::string(" ") + flag.name;
    for (const Flag& flag : kC)
        if ((features_c >> flag.bit & 1) != 0) flags += std::string(" ") + flag.name;
    const u64 hertz = info_page().tsc_frequency;
    Text text;
    for (u32 cpu = 0; cpu < subject.zone->cpus; ++cpu) {
        text << "processor\t: " << cpu
             << "\nvendor_id\t: " << std::string_view(reinterpret_cast<const char*>(vendor), 12)
             << "\ncpu family\t: " << family << "\nmodel\t\t: " << number << "\nmodel name\t: " << model
             << "\nstepping\t: " << (signature & 15) << "\ncpu MHz\t\t: " << hertz / 1'000'000 << '.';
        text.right(hertz / 1000 % 1000, 3, '0')
            << "\nphysical id\t: 0\nsiblings\t: " << subject.zone->cpus << "\ncore id\t\t: " << cpu
            << "\ncpu cores\t: " << subject.zone->cpus << "\nfpu\t\t: yes\nwp\t\t: yes\nflags\t\t:" << flags
            << "\nbogomips\t: " << hertz / 500'000 << ".00\nclflush size\t: " << (features_b >> 8 & 0xff) * 8
            << "\naddress sizes\t: 40 bits physical, 48 bits virtual\n\n";
    }
    return text.take();
}

TextResult text_version(Subject, Thread&) {
    return std::string("Linux version ") + kLinuxRelease + " (pith) (clang) #1 SMP Pith\n";
}

TextResult text_filesystems(Subject subject, Thread&) {
    return std::string("nodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\nnodev\tdevtmpfs\n") +
           (subject.zone->services->share.valid() ? "nodev\t9p\n" : "") +
           (subject.zone->services->memory_fs.valid() ? "nodev\tmemory\n" : "") +
           (subject.zone->services->fs.valid() && subject.zone->vfs->disks ? "\text4\n" : "");
}
TextResult text_devices(Subject subject, Thread&) {
    const Services& services = *subject.zone->services;
    const char* const disks = services.block.valid()  ? "254 virtblk\n259 blkext\n"
                              : services.nvme.valid() ? "259 blkext\n"
                                                      : "";
    return std::string(
               "Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 "
               "pts\n240 "
               "stream\n\n"
               "Block devices:\n") +
           disks;
}
TextResult text_partitions(Subject subject, Thread&) {
    Text text;
    text << "major minor  #blocks  name\n\n";
    if (!subject.zone->vfs->disks) return text.take();
    for (const BlockDevice* device : subject.zone->vfs->disks->all()) {
        text.right(device_major(device->device), 4) << "  ";
        text.right(device_minor(device->device), 7) << ' ';
        text.right(device->size() / 1024, 10) << ' ' << device->name << '\n';
    }
    return text.take();
}
/// As Linux's Documentation/admin-guide/iostats.rst has it. Nothing is ever discarded.
void disk_line(Text& text, const BlockDevice& device, const Block::Statistics::Reply& statistics) {
    const auto& [reads, writes, flushes, busy_time] = statistics.counts;
    text.right(device_major(device.device), 4);
    text.right(device_minor(device.device), 8) << ' ' << device.name;
    for (const Block::Done& done : {reads, writes})
        text << ' ' << done.requests << ' ' << done.merged << ' ' << done.sectors << ' '
             << done.time / kMillisecond;
    text << ' ' << statistics.under_way << ' ' << busy_time / kMillisecond << ' '
         << (reads.time + writes.time + flushes.time) / kMillisecond << " 0 0 0 0 " << flushes.requests << ' '
         << flushes.time / kMillisecond << '\n';
}
/// A disk as its driver has it, for whoever uses it; a partition as its files here were used.
TextResult text_diskstats(Subject subject, Thread&) {
    constexpr abi::Time kPatience = 50 * kMillisecond;
    Text text;
    if (!subject.zone->vfs->disks) return text.take();
    const abi::Time deadline = now() + kPatience;
    for (const BlockDevice* device : subject.zone->vfs->disks->all()) {
        const bool whole = device->number == 0;
        disk_line(text, *device, whole ? device->disk.statistics(deadline) : device->counter.report(now()));
    }
    return text.take();
}
TextResult text_swaps(Subject, Thread&) {
    return std::string("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}
TextResult text_empty(Subject, Thread&) { return std::string(); }
TextResult text_command_line(Subject, Thread&) { return std::string("\n"); }
TextResult text_vmstat(Subject subject, Thread&) {
    Text text;
    text << "nr_free_pages " << subject.zone->frames.free()
         << "\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault " << subject.zone->statistics.faults
         << "\npgmajfault 0\n";
    return text.take();
}

TextResult link_self(Subject, Thread& reader) { return decimal(static_cast<u64>(reader.process.pid)); }
TextResult link_thread_self(Subject, Thread& reader) {
    return decimal(static_cast<u64>(reader.process.pid)) + "/task/" + decimal(static_cast<u64>(reader.tid));
}
TextResult link_mounts(Subject, Thread&) { return std::string("self/mounts"); }
TextResult link_net(Subject, Thread&) { return std::string("self/net"); }

const ProcEntry* find_process(ProcSubject& subject, std::string_view name) {
    u64 number;
    if (!parse_decimal(name, number) || number == 0 || number > 0x7fff'ffff || name.front() == '0')
        return nullptr;
    const Process* process = subject.zone->find_process(static_cast<Pid>(number));
    if (process == nullptr) return nullptr;
    subject.pid = subject.tid = static_cast<Pid>(number);
    subject.start = process->start_time;
    return &kProcProcess;
}

std::string next_process(Subject subject, u64& key) {
    const auto place = subject.zone->processes.lower_bound(static_cast<Pid>(std::min<u64>(key, 0x7fff'ffff)));
    if (place == subject.zone->processes.end()) return {};
    key = static_cast<u64>(place->first);
    return decimal(key);
}

constinit const ProcEntry kRootEntries[] = {
    {"self", S_SYMLINK | 0777, link_self},
    {"thread-self", S_SYMLINK | 0777, link_thread_self},
    {"mounts", S_SYMLINK | 0777, link_mounts},
    {"net", S_SYMLINK | 0777, link_net},
    {"cmdline", S_REGULAR | 0444, text_command_line},
    {"cpuinfo", S_REGULAR | 0444, text_cpuinfo},
    {"devices", S_REGULAR | 0444, text_devices},
    {"diskstats", S_REGULAR | 0444, text_diskstats},
    {"filesystems", S_REGULAR | 0444, text_filesystems},
    {"loadavg", S_REGULAR | 0444, text_loadavg},
    {"meminfo", S_REGULAR | 0444, text_meminfo},
    {"modules", S_REGULAR | 0444, text_empty},
    {"partitions", S_REGULAR | 0444, text_partitions},
    {"stat", S_REGULAR | 0444, text_stat},
    {"swaps", S_REGULAR | 0444, text_swaps},
    {"uptime", S_REGULAR | 0444, text_uptime},
    {"version", S_REGULAR | 0444, text_version},
    {"vmstat", S_REGULAR | 0444, text_vmstat},
    {.name = "sys", .mode = S_DIRECTORY | 0555, .same_as = &kProcSys},
    {.name = "pith", .mode = S_DIRECTORY | 0555, .same_as = &kProcPith},
};

}  // namespace

std::string proc_meminfo(Zone& zone) {
    const u64 total = zone.frames.total() * 4, free = zone.frames.free() * 4;
    Text text;
    const auto line = [&](std::string_view name, u64 kilobytes) {
        text.left(std::string(name) + ":", 16);
        text.right(kilobytes, 8) << " kB\n";
    };
    line("MemTotal", total);
    line("MemFree", free);
    const PageCache& cache = *zone.page_cache;
    line("MemAvailable", free + cache.reclaimable() * 4);
    line("Buffers", 0);
    line("Cached", cache.pages * 4);
    for (const char* name : {"SwapCached", "Active", "Inactive", "SwapTotal", "SwapFree"}) line(name, 0);
    line("Dirty", cache.dirty * 4);
    line("Writeback", cache.unsettled * 4);
    line("AnonPages", total - std::min(free + cache.pages * 4, total));
    for (const char* name :
         {"Mapped", "Shmem", "Slab", "SReclaimable", "SUnreclaim", "KernelStack", "PageTables"})
        line(name, 0);
    line("CommitLimit", total);
    line("Committed_AS", total - std::min(free, total));
    return text.take();
}

constinit const ProcEntry kProcRoot{"",      S_DIRECTORY | 0555, nullptr,      nullptr,
                                    nullptr, kRootEntries,       find_process, next_process};

}  // namespace pith::lx
