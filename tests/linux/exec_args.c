// SPDX-License-Identifier: MIT
// What a program finds at its start: argv, envp, the auxiliary vector, alignment; what exec keeps and what it resets.
#include "say.h"

#include <sys/auxv.h>
#include <sys/stat.h>

extern char** environ;

static int second(int argc, char** argv) {
    say("argc %d, argv[1] '%s', argv[argc] null: %d", argc, argv[1], argv[argc] == NULL);
    for (char** e = environ; *e; e++) say("env %s", *e);
    size_t total = 0;
    for (int i = 3; i < argc; i++) total += strlen(argv[i]);
    say("bytes in the others: %zu", total);
    say("argv above env array: %d", (char**)argv < environ);
    say("AT_PAGESZ %lu", getauxval(AT_PAGESZ));
    say("AT_PHDR %d AT_PHNUM %d AT_PHENT %lu AT_ENTRY %d", getauxval(AT_PHDR) != 0, getauxval(AT_PHNUM) > 1,
        getauxval(AT_PHENT), getauxval(AT_ENTRY) != 0);
    say("AT_UID is getuid: %d, AT_EGID: %d, AT_SECURE %lu", getauxval(AT_UID) == getuid(), getauxval(AT_EGID) == getegid(),
        getauxval(AT_SECURE));
    say("AT_CLKTCK %lu", getauxval(AT_CLKTCK));
    say("AT_EXECFN '%s'", (char*)getauxval(AT_EXECFN));
    say("AT_RANDOM there: %d", getauxval(AT_RANDOM) != 0);
    say("stack 16-byte aligned below argc: %d", ((uintptr_t)argv - 8) % 16 == 0);
    say("fd 20 open: %s, fd 21 (close on exec): %s", result(fcntl(20, F_GETFD)), result(fcntl(21, F_GETFD)));
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    say("SIGUSR1 was handled: now default %d", action.sa_handler == SIG_DFL);
    sigaction(SIGUSR2, NULL, &action);
    say("SIGUSR2 was ignored: still %d", action.sa_handler == SIG_IGN);
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    say("SIGTERM blocked: still %d", sigismember(&set, SIGTERM));
    sigpending(&set);
    say("SIGTERM pending: still %d", sigismember(&set, SIGTERM));
    say("umask %03o", (unsigned)umask(0));
    char cwd[512];
    say("cwd ends in /execdir: %d", strstr(getcwd(cwd, sizeof cwd), "/execdir") != NULL);
    chdir("..");
    rmdir("execdir");
    say("pid kept: %d", atoi(argv[2]) == getpid());
    return 12;
}

static void nothing(int number) { (void)number; }

int main(int argc, char** argv) {
    if (argc == 1 && argv[0][0] == 0) {
        say("empty argv[0]");
        return 5;
    }
    if (argc > 1) {
        if (getpid() != atoi(argv[2])) return 1;
        return second(argc, argv);
    }
    pid_t pid = fork();
    if (pid == 0) {
        char* none[] = {(char*)"", NULL};
        execve("/proc/self/exe", none, none + 1);
        _exit(99);
    }
    say_status("empty", pid);
    dup2(1, 20);
    dup2(1, 21);
    fcntl(21, F_SETFD, FD_CLOEXEC);
    signal(SIGUSR1, nothing);
    signal(SIGUSR2, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTERM);
    umask(027);
    mkdir("execdir", 0755);
    chdir("execdir");
    static char* long_argv[1005];
    char text[16];
    snprintf(text, sizeof text, "%d", getpid());
    long_argv[0] = (char*)"name";
    long_argv[1] = (char*)"";
    long_argv[2] = text;
    for (int i = 3; i < 1003; i++) long_argv[i] = (char*)"one of a thousand arguments";
    char* envp[] = {(char*)"A=1", (char*)"EMPTY=", (char*)"NOEQUALS", (char*)"A=2", NULL};
    execve("/proc/self/exe", long_argv, envp);
    return 1;
}
