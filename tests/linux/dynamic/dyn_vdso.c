// SPDX-License-Identifier: MIT
// The vDSO: its symbols and versions, and that its clocks and the system calls' are the same clock, which never runs backwards
// from one to the other; resolutions; the CPU's number.
#include "say.h"

#include <elf.h>
#include <link.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>

static const char* base;
static const Elf64_Sym* symbols;
static const char* strings;
static const Elf64_Half* versions;
static const Elf64_Verdef* definitions;
static unsigned symbol_count;

static void read_vdso(void) {
    base = (const char*)getauxval(AT_SYSINFO_EHDR);
    const Elf64_Ehdr* header = (const Elf64_Ehdr*)base;
    const Elf64_Phdr* segments = (const Elf64_Phdr*)(base + header->e_phoff);
    const Elf64_Dyn* dynamic = NULL;
    for (int i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_DYNAMIC) dynamic = (const Elf64_Dyn*)(base + segments[i].p_vaddr);
    for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
        const char* at = base + dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_SYMTAB) symbols = (const Elf64_Sym*)at;
        if (dynamic->d_tag == DT_STRTAB) strings = at;
        if (dynamic->d_tag == DT_VERSYM) versions = (const Elf64_Half*)at;
        if (dynamic->d_tag == DT_VERDEF) definitions = (const Elf64_Verdef*)at;
        if (dynamic->d_tag == DT_HASH) symbol_count = ((const Elf64_Word*)at)[1];
        if (dynamic->d_tag == DT_SONAME) say("it has a name");
    }
    // A later Linux has only the other hash table.
    if (symbol_count == 0) symbol_count = 64;
}

static const char* version_of(unsigned index) {
    for (const Elf64_Verdef* d = definitions;; d = (const Elf64_Verdef*)((const char*)d + d->vd_next)) {
        if ((versions[index] & 0x7fff) == d->vd_ndx)
            return strings + ((const Elf64_Verdaux*)((const char*)d + d->vd_aux))->vda_name;
        if (d->vd_next == 0) return "-";
    }
}

static void* symbol(const char* name) {
    for (unsigned i = 1; i < symbol_count; i++) {
        if ((const char*)&symbols[i + 1] > strings && (const char*)symbols < strings) break;
        if (strcmp(strings + symbols[i].st_name, name) != 0) continue;
        say("%s %s %s", name, version_of(i),
            ELF64_ST_BIND(symbols[i].st_info) == STB_WEAK ? "weak" : "global");
        return (void*)(base + symbols[i].st_value);
    }
    say("no symbol %s", name);
    return NULL;
}

static long long nanoseconds(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

typedef int (*clock_call)(clockid_t, struct timespec*);

static void compare(clock_call call, const char* name, clockid_t clock, long long slack) {
    long long last = 0;
    int backwards = 0, apart = 0;
    for (int i = 0; i < 500; i++) {
        struct timespec time;
        if (i % 2 == 0) call(clock, &time);
        else syscall(SYS_clock_gettime, clock, &time);
        if (time.tv_nsec < 0 || time.tv_nsec > 999999999) say("%s: odd nanoseconds", name);
        const long long now = nanoseconds(time);
        backwards += now < last;
        apart += last != 0 && now > last + slack;
        last = now;
    }
    struct timespec resolution = {0, 0}, other = {0, 0};
    clock_getres(clock, &resolution);
    syscall(SYS_clock_getres, clock, &other);
    say("%s: backwards %d, far apart %s, resolutions %s", name, backwards, apart > 20 ? "often" : "seldom",
        nanoseconds(resolution) == nanoseconds(other) ? "agree" : "differ");
}

int main(void) {
    read_vdso();
    const char* names[] = {"__vdso_clock_gettime", "clock_gettime", "__vdso_gettimeofday", "gettimeofday",
                           "__vdso_time",          "time",          "__vdso_clock_getres", "clock_getres",
                           "__vdso_getcpu",        "getcpu"};
    void* found[10];
    for (int i = 0; i < 10; i++) found[i] = symbol(names[i]);
    if (found[0] == NULL) return 1;
    clock_call call = (clock_call)found[0];
    compare(call, "REALTIME", CLOCK_REALTIME, 1000000000);
    compare(call, "MONOTONIC", CLOCK_MONOTONIC, 1000000000);
    compare(call, "MONOTONIC_RAW", CLOCK_MONOTONIC_RAW, 1000000000);
    compare(call, "REALTIME_COARSE", CLOCK_REALTIME_COARSE, 1000000000);
    compare(call, "MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE, 1000000000);
    compare(call, "BOOTTIME", CLOCK_BOOTTIME, 1000000000);
    compare(call, "TAI", CLOCK_TAI, 1000000000);
    compare(call, "THREAD_CPUTIME", CLOCK_THREAD_CPUTIME_ID, 1000000000);
    struct timespec time;
    say("no such clock: %d %d", call(-1000, &time), call(31, &time));
    struct timespec a, b;
    clock_gettime(CLOCK_REALTIME, &a);
    struct timeval of_day;
    struct timezone zone = {77, 77};
    gettimeofday(&of_day, &zone);
    clock_gettime(CLOCK_REALTIME, &b);
    const long long middle = of_day.tv_sec * 1000000000LL + of_day.tv_usec * 1000LL;
    say("gettimeofday between: %d, zone %d",
        nanoseconds(a) / 1000 * 1000 <= middle && middle <= nanoseconds(b),
        zone.tz_minuteswest == 0 && zone.tz_dsttime == 0);
    time_t stored = 0;
    const time_t seconds = ((time_t (*)(time_t*))found[4])(&stored);
    say("time: %d %d", seconds == stored, seconds >= a.tv_sec && seconds <= b.tv_sec + 1);
    say("gettimeofday of nothing: %d", ((int (*)(void*, void*))found[2])(NULL, NULL));
    cpu_set_t set, all;
    sched_getaffinity(0, sizeof all, &all);
    int wrong = 0;
    for (int cpu = 0; cpu < 8; cpu++) {
        if (!CPU_ISSET(cpu, &all)) continue;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        sched_setaffinity(0, sizeof set, &set);
        unsigned told = 99, node = 99, called = 99;
        ((long (*)(unsigned*, unsigned*, void*))found[8])(&told, &node, NULL);
        syscall(SYS_getcpu, &called, NULL, NULL);
        wrong += told != (unsigned)cpu || called != told || sched_getcpu() != cpu || node != 0;
    }
    say("CPU numbers that are wrong: %d", wrong);
    return 0;
}
