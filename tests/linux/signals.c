// SPDX-License-Identifier: MIT
// Handlers, siginfo, masks, pending signals and their order, sigsuspend, SA_NODEFER, SA_RESETHAND, queued signals, SIGCHLD.
#include "say.h"

static volatile int depth, deepest, count;
static int order[64], orders;
static volatile sig_atomic_t got_value, got_code, got_pid, got_status;

static void handler(int number) {
    (void)number;
    count++;
    depth++;
    if (depth > deepest) deepest = depth;
    if (count == 1) raise(SIGUSR1);
    depth--;
}

static void note(int number) { order[orders++] = number; }

static void info_handler(int number, siginfo_t* info, void* context) {
    (void)number;
    (void)context;
    got_value = info->si_value.sival_int;
    got_code = info->si_code;
    got_pid = info->si_pid == getpid();
    got_status = info->si_status;
}

static void install(int number, void (*function)(int), int flags) {
    struct sigaction action = {.sa_handler = function, .sa_flags = flags};
    if (sigaction(number, &action, NULL) == -1) say("sigaction %d: %s", number, strerrorname_np(errno));
}

int main(void) {
    install(SIGUSR1, handler, 0);
    raise(SIGUSR1);
    say("raised in handler: count %d deepest %d", count, deepest);
    count = deepest = 0;
    install(SIGUSR1, handler, SA_NODEFER);
    raise(SIGUSR1);
    say("SA_NODEFER: count %d deepest %d", count, deepest);
    count = 10;
    install(SIGUSR1, handler, SA_RESETHAND);
    raise(SIGUSR1);
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    say("SA_RESETHAND: count %d default %d", count, action.sa_handler == SIG_DFL);

    sigset_t all, old, pending;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    int list[] = {SIGUSR2, SIGTERM, SIGHUP, SIGUSR1, SIGRTMIN + 2, SIGRTMIN, SIGALRM};
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
        install(list[i], note, 0);
        raise(list[i]);
        raise(list[i]);
    }
    sigpending(&pending);
    say("pending: HUP %d TERM %d INT %d", sigismember(&pending, SIGHUP), sigismember(&pending, SIGTERM),
        sigismember(&pending, SIGINT));
    // One by one, so that the order of handlers is the order of delivery.
    sigset_t none;
    sigfillset(&none);
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++) sigdelset(&none, list[i]);
    sigprocmask(SIG_SETMASK, &old, NULL);
    int seen[65] = {0};
    for (int i = 0; i < orders; i++) seen[order[i]]++;
    say("delivered %d: HUP %d USR1 %d USR2 %d ALRM %d TERM %d RTMIN %d RTMIN+2 %d", orders, seen[SIGHUP], seen[SIGUSR1],
        seen[SIGUSR2], seen[SIGALRM], seen[SIGTERM], seen[SIGRTMIN], seen[SIGRTMIN + 2]);

    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    orders = 0;
    raise(SIGUSR1);
    say("blocked: %d", orders);
    sigemptyset(&none);
    int r = sigsuspend(&none);
    say("sigsuspend: %d %s, ran %d", r, strerrorname_np(errno), orders);
    raise(SIGUSR1);
    int number = 0;
    r = sigwait(&block, &number);
    say("sigwait: %d %d", r, number == SIGUSR1);
    struct timespec soon = {0, 1000000};
    say("sigtimedwait: %s", result(sigtimedwait(&block, NULL, &soon)));
    sigprocmask(SIG_SETMASK, &old, NULL);

    struct sigaction with_info = {.sa_sigaction = info_handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN + 1, &with_info, NULL);
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 4711});
    say("sigqueue: value %d code SI_QUEUE %d pid %d", got_value, got_code == SI_QUEUE, got_pid);
    kill(getpid(), SIGRTMIN + 1);
    say("kill: code SI_USER %d pid %d", got_code == SI_USER, got_pid);

    with_info.sa_flags = SA_SIGINFO | SA_NOCLDSTOP;
    sigaction(SIGCHLD, &with_info, NULL);
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_BLOCK, &block, NULL);
    pid_t pid = fork();
    if (pid == 0) _exit(21);
    sigsuspend(&old);
    say("SIGCHLD: code CLD_EXITED %d status %d", got_code == CLD_EXITED, got_status);
    say_status("child", pid);
    signal(SIGCHLD, SIG_IGN);
    sigprocmask(SIG_SETMASK, &old, NULL);
    pid = fork();
    if (pid == 0) _exit(3);
    say("SIGCHLD ignored: wait gives %s", result(waitpid(pid, NULL, 0)));
    signal(SIGCHLD, SIG_DFL);

    say("SIGKILL: %s", result(sigaction(SIGKILL, &with_info, NULL)));
    say("SIGSTOP: %s", result(sigaction(SIGSTOP, &with_info, NULL)));
    say("signal 65: %s", result(kill(getpid(), 65)));
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigprocmask(SIG_SETMASK, NULL, &pending);
    say("KILL can be blocked: %d, STOP: %d, INT: %d", sigismember(&pending, SIGKILL), sigismember(&pending, SIGSTOP),
        sigismember(&pending, SIGINT));
    pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    kill(pid, SIGTERM);
    sleep_ms(10);
    say("TERM blocked in child, still there: %d", (int)waitpid(pid, NULL, WNOHANG));
    kill(pid, SIGKILL);
    say_status("KILL", pid);
    raise(SIGINT);
    sigprocmask(SIG_SETMASK, &old, NULL);
    say("not reached");
    return 0;
}
