// SPDX-License-Identifier: MIT
// What a process is told of itself and of the system: ids, uname, sysinfo, getrandom, prctl, priorities, affinity, groups,
// umask; errors of calls that do not exist.
#include "say.h"

#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void) {
    struct utsname name;
    uname(&name);
    say("sysname %s machine %s", name.sysname, name.machine);
    say("has release %d version %d node %d", name.release[0] >= '3', name.version[0] != 0, name.nodename[0] != 0);
    char host[100];
    gethostname(host, sizeof host);
    say("hostname is the node name: %d", strcmp(host, name.nodename) == 0);
    struct sysinfo info;
    say("sysinfo: %s", result(sysinfo(&info)));
    say("memory: total %d, free within it %d, processes %d", info.totalram > 0, info.freeram <= info.totalram, info.procs > 0);

    unsigned char a[256], b[256];
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    say("getrandom: %d %d", getrandom(a, sizeof a, 0) == 256, getrandom(b, sizeof b, GRND_NONBLOCK) == 256);
    int ones = 0;
    for (int i = 0; i < 256; i++) ones += __builtin_popcount(a[i] ^ b[i]);
    say("they differ in about half of their bits: %d", ones > 800 && ones < 1250);
    say("bad flag: %s", result(getrandom(a, 1, 0x80)));
    say("bad address: %s", result(syscall(SYS_getrandom, 16, 8, 0)));

    uid_t r, e, s;
    getresuid(&r, &e, &s);
    say("uids agree: %d", r == getuid() && e == geteuid() && s == e);
    gid_t groups[64];
    int n = getgroups(64, groups);
    say("groups: %d", n >= 0);
    say("pid above 0: %d, parent above or 0: %d, session: %d", getpid() > 0, getppid() >= 0, getsid(0) >= 0);
    umask(0);
    say("umask: %03o", (unsigned)umask(022));

    char text[16];
    prctl(PR_SET_NAME, "a_name_that_is_too_long");
    prctl(PR_GET_NAME, text);
    say("name: %s", text);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int value = 0;
    prctl(PR_GET_PDEATHSIG, &value);
    say("death signal: %d", value);
    say("bad prctl: %s", result(prctl(9999, 0, 0, 0, 0)));
    say("dumpable: %d", prctl(PR_GET_DUMPABLE));
    say("no new privileges: %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));

    errno = 0;
    int priority = getpriority(PRIO_PROCESS, 0);
    say("priority %d", priority);
    say("nicer: %s", result(setpriority(PRIO_PROCESS, 0, 5)));
    say("now %d", getpriority(PRIO_PROCESS, 0));
    say("of nobody: %s", result(setpriority(PRIO_PROCESS, 999999, 5)));
    say("policy %d", sched_getscheduler(0));
    say("yield: %s", result(sched_yield()));
    cpu_set_t set;
    say("affinity: %s", result(sched_getaffinity(0, sizeof set, &set)));
    say("at least one CPU: %d, as many as online: %d", CPU_COUNT(&set) > 0, CPU_COUNT(&set) <= get_nprocs());
    say("runs on one of them: %d", CPU_ISSET(sched_getcpu(), &set));

    struct rusage usage;
    say("getrusage: %s", result(getrusage(RUSAGE_SELF, &usage)));
    say("bad who: %s", result(getrusage(77, &usage)));
    say("no such system call: %s", result(syscall(9999)));
    say("negative: %s", result(syscall(-5)));
    say("page size %ld, argument maximum above 128 KiB: %d", sysconf(_SC_PAGESIZE), sysconf(_SC_ARG_MAX) >= 131072);
    char directory[512];
    say("getcwd too small: %s", getcwd(directory, 1) == NULL ? strerrorname_np(errno) : "ok");
    return 0;
}
