// SPDX-License-Identifier: MIT
// /proc/sys.
#include "servers/linux/net/inet/network.hpp"
#include "servers/linux/vfs/diskfs/page_cache.hpp"
#include "servers/linux/vfs/proc/proc.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

using Subject = const ProcSubject&;
using TextResult = SysResult<std::string>;

std::string uuid(Zone& zone) {
    u8 bytes[16];
    zone.random(bytes, sizeof bytes);
    bytes[6] = static_cast<u8>((bytes[6] & 0x0f) | 0x40);
    bytes[8] = static_cast<u8>((bytes[8] & 0x3f) | 0x80);
    std::string text;
    for (u32 i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += hexadecimal(bytes[i], 2);
    }
    return text;
}

TextResult text_boot_id(Subject subject, Thread&) {
    std::string& id = subject.zone->vfs->boot_id;
    if (id.empty()) id = uuid(*subject.zone);
    return id + "\n";
}
TextResult text_uuid(Subject subject, Thread&) { return uuid(*subject.zone) + "\n"; }
TextResult text_hostname(Subject subject, Thread&) { return subject.zone->hostname + "\n"; }
TextResult text_domainname(Subject subject, Thread&) { return subject.zone->domainname + "\n"; }

SysResult<> set_name(Thread& writer, std::string& name, std::string_view text) {
    if (writer.process.credentials.euid != 0) return Errno::EPERM;
    name = std::string(text.substr(0, std::min<usize>(text.find('\n'), 64)));
    return {};
}
SysResult<> write_hostname(Subject subject, Thread& writer, std::string_view text) {
    return set_name(writer, subject.zone->hostname, text);
}
SysResult<> write_domainname(Subject subject, Thread& writer, std::string_view text) {
    return set_name(writer, subject.zone->domainname, text);
}

TextResult text_osrelease(Subject, Thread&) { return std::string(kLinuxRelease) + "\n"; }
TextResult text_threads_max(Subject subject, Thread&) { return decimal(subject.zone->max_threads) + "\n"; }

/// Values that do not change. Writing the value that is there (or any, where it means nothing here) is accepted.
template <u64 Value>
TextResult number(Subject, Thread&) {
    return decimal(Value) + "\n";
}
struct Constant {
    char text[32];
};
template <Constant Value>
TextResult constant(Subject, Thread&) {
    return std::string(Value.text) + "\n";
}
SysResult<> write_accepted(Subject, Thread& writer, std::string_view) {
    return writer.process.credentials.euid == 0 ? SysResult<>() : SysResult<>(Errno::EPERM);
}

/// 1: cached pages, 2: names and inodes, 3: both.
SysResult<> write_drop_caches(Subject subject, Thread& writer, std::string_view text) {
    if (writer.process.credentials.euid != 0) return Errno::EPERM;
    if (text.empty() || text[0] < '1' || text[0] > '3') return Errno::EINVAL;
    const u32 what = static_cast<u32>(text[0] - '0');
    if ((what & 2) != 0) subject.zone->vfs->dentries.shrink();
    if ((what & 1) != 0) subject.zone->page_cache->reclaim(~u64{0}, true);
    return {};
}

constexpr u32 kRead = S_REGULAR | 0444, kWrite = S_REGULAR | 0644;

constinit const ProcEntry kRandom[] = {
    {"boot_id", kRead, text_boot_id},
    {"uuid", kRead, text_uuid},
    {"entropy_avail", kRead, number<256>},
    {"poolsize", kRead, number<256>},
};
constinit const ProcEntry kKernel[] = {
    {"hostname", kWrite, text_hostname, write_hostname},
    {"domainname", kWrite, text_domainname, write_domainname},
    {"osrelease", kRead, text_osrelease},
    {"ostype", kRead, constant<Constant{"Linux"}>},
    {"version", kRead, constant<Constant{"#1 SMP Pith"}>},
    {"pid_max", kWrite, number<32768>, write_accepted},
    {"threads-max", kWrite, text_threads_max, write_accepted},
    {"ngroups_max", kRead, number<65536>},
    {"cap_last_cap", kRead, number<40>},
    {"core_pattern", kWrite, constant<Constant{"core"}>, write_accepted},
    {"core_uses_pid", kWrite, number<0>, write_accepted},
    {"panic", kWrite, number<0>, write_accepted},
    {"printk", kWrite, constant<Constant{"4\t4\t1\t7"}>, write_accepted},
    {"randomize_va_space", kWrite, number<0>, write_accepted},
    {"dmesg_restrict", kWrite, number<0>, write_accepted},
    {"sched_autogroup_enabled", kWrite, number<0>, write_accepted},
    {"random", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, kRandom},
};
constinit const ProcEntry kMemory[] = {
    {"overcommit_memory", kWrite, number<0>, write_accepted},
    {"overcommit_ratio", kWrite, number<50>, write_accepted},
    {"max_map_count", kWrite, number<65530>, write_accepted},
    {"mmap_min_addr", kWrite, number<65536>, write_accepted},
    {"swappiness", kWrite, number<60>, write_accepted},
    {"drop_caches", S_REGULAR | 0200, nullptr, write_drop_caches},
};
constinit const ProcEntry kFiles[] = {
    {"file-max", kWrite, number<1048576>, write_accepted},
    {"nr_open", kWrite, number<1048576>, write_accepted},
    {"pipe-max-size", kWrite, number<1048576>, write_accepted},
    {"protected_hardlinks", kWrite, number<0>, write_accepted},
    {"protected_symlinks", kWrite, number<0>, write_accepted},
};
TextResult text_port_range(Subject subject, Thread&) {
    const PortTable& ports = subject.zone->network->tcp;
    return decimal(ports.first_ephemeral) + "\t" + decimal(ports.last_ephemeral) + "\n";
}
TextResult text_ping_range(Subject subject, Thread&) {
    const Network& network = *subject.zone->network;
    return decimal(network.first_echo_group) + "\t" + decimal(network.last_echo_group) + "\n";
}
TextResult text_most_backlog(Subject subject, Thread&) {
    return decimal(subject.zone->network->most_backlog) + "\n";
}

TextResult text_congestion_control(Subject, Thread&) { return std::string(kCongestionControl) + "\n"; }

constinit const ProcEntry kIpv4[] = {
    {"icmp_echo_ignore_all", kRead, number<0>},
    {"ip_default_ttl", kRead, number<64>},
    {"ip_forward", kRead, number<0>},
    {"ip_local_port_range", kRead, text_port_range},
    {"ip_nonlocal_bind", kRead, number<0>},
    {"ip_unprivileged_port_start", kRead, number<1024>},
    {"ping_group_range", kRead, text_ping_range},
    {"tcp_allowed_congestion_control", kRead, text_congestion_control},
    {"tcp_available_congestion_control", kRead, text_congestion_control},
    {"tcp_congestion_control", kRead, text_congestion_control},
    {"tcp_fastopen", kRead, number<1>},
    {"tcp_fin_timeout", kRead, number<60>},
    {"tcp_keepalive_intvl", kRead, number<75>},
    {"tcp_keepalive_probes", kRead, number<9>},
    {"tcp_keepalive_time", kRead, number<7200>},
    {"tcp_max_syn_backlog", kRead, number<512>},
    {"tcp_rmem", kRead, constant<Constant{"4096\t131072\t6291456"}>},
    {"tcp_syncookies", kRead, number<0>},
    {"tcp_tw_reuse", kRead, number<2>},
    {"tcp_wmem", kRead, constant<Constant{"4096\t16384\t4194304"}>},
};
// Limits of sockets (net/options.cpp, net/syscalls.cpp); but for the backlog they are as they are.
constinit const ProcEntry kNetCore[] = {
    {"somaxconn", kRead, text_most_backlog}, {"rmem_default", kRead, number<212992>},
    {"rmem_max", kRead, number<212992>},     {"wmem_default", kRead, number<212992>},
    {"wmem_max", kRead, number<212992>},     {"optmem_max", kRead, number<131072>},
};
constinit const ProcEntry kNetUnix[] = {
    {"max_dgram_qlen", kRead, number<10>},
};
constinit const ProcEntry kNet[] = {
    {"core", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, kNetCore},
    {"ipv4", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, kIpv4},
    {"unix", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, kNetUnix},
};
constinit const ProcEntry kSys[] = {
    {"net", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, kNet},
    {"kernel", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, kKernel},
    {"vm", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, kMemory},
    {"fs", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, kFiles},
};

}  // namespace

constinit const ProcEntry kProcSys{.mode = S_DIRECTORY | 0555, .entries = kSys};

}  // namespace pith::lx
