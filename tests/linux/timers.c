// SPDX-License-Identifier: MIT
// setitimer, alarm, timer_create, nanosleep, clock_nanosleep: that they fire, in order, not early, as often as asked; clocks
// go forward; errors. No output depends on how fast the machine is.
#include "say.h"

#include <sys/time.h>
#include <sys/times.h>

static volatile int alarms, timer_signals, order[16], orders;
static void on_alarm(int number) {
    (void)number;
    alarms++;
}
static void on_timer(int number, siginfo_t* info, void* context) {
    (void)number;
    (void)context;
    timer_signals++;
    if (orders < 16) order[orders++] = info->si_value.sival_int;
}

static long ms_since(const struct timespec* from) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - from->tv_sec) * 1000 + (now.tv_nsec - from->tv_nsec) / 1000000;
}

int main(void) {
    struct timespec start, t;
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    clock_gettime(CLOCK_MONOTONIC, &start);
    struct itimerval interval = {{0, 5000}, {0, 20000}}, old;
    setitimer(ITIMER_REAL, &interval, NULL);
    while (alarms < 5) pause();
    say("five alarms, not early: %d", ms_since(&start) >= 40);
    memset(&interval, 0, sizeof interval);
    setitimer(ITIMER_REAL, &interval, &old);
    say("interval was %ld", (long)old.it_interval.tv_usec);
    int before = alarms;
    sleep_ms(30);
    say("stopped: %d", alarms == before);
    say("alarm: %u", alarm(100));
    say("alarm again: %d", (int)alarm(0) >= 99);
    getitimer(ITIMER_REAL, &old);
    say("none left: %ld %ld", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
    interval.it_value.tv_usec = 1000000;
    say("bad microseconds: %s", result(setitimer(ITIMER_REAL, &interval, NULL)));

    struct sigaction with_info = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN, &with_info, NULL);
    timer_t timers[3];
    for (int i = 0; i < 3; i++) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = i + 1};
        if (timer_create(CLOCK_MONOTONIC, &event, &timers[i]) == -1) say("timer_create: %s", strerrorname_np(errno));
        struct itimerspec when = {{0, 0}, {0, (3 - i) * 40000000}};
        timer_settime(timers[i], 0, &when, NULL);
    }
    while (timer_signals < 3) sleep_ms(1);
    say("order: %d %d %d", order[0], order[1], order[2]);
    struct itimerspec left;
    timer_gettime(timers[0], &left);
    say("fired: %ld %ld", (long)left.it_value.tv_sec, (long)left.it_value.tv_nsec);
    for (int i = 0; i < 3; i++) timer_delete(timers[i]);
    say("deleted: %s", result(timer_delete(timers[0])));

    clock_gettime(CLOCK_MONOTONIC, &start);
    t = (struct timespec){0, 20000000};
    say("nanosleep: %s", result(nanosleep(&t, NULL)));
    say("slept 20 ms at least: %d", ms_since(&start) >= 20);
    t = start;
    say("absolute in the past: %d", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 20000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("absolute: %d", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
    say("slept: %d", ms_since(&start) >= 19);
    t = (struct timespec){0, 1000000000};
    say("bad nanoseconds: %s", result(nanosleep(&t, NULL)));
    t = (struct timespec){-1, 0};
    say("negative: %s", result(nanosleep(&t, NULL)));
    say("bad clock: %s", result(clock_gettime(77, &t)));

    struct timespec last, now;
    int backwards = 0;
    clock_gettime(CLOCK_MONOTONIC, &last);
    for (int i = 0; i < 10000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec < last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec)) backwards++;
        last = now;
    }
    say("monotonic clock went backwards: %d", backwards);
    struct timeval day;
    gettimeofday(&day, NULL);
    clock_gettime(CLOCK_REALTIME, &now);
    say("two clocks agree: %d, after 2020: %d, time(): %d", now.tv_sec - day.tv_sec <= 1, day.tv_sec > 1577836800,
        time(NULL) - day.tv_sec <= 1);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    volatile long sum = 0;
    for (long i = 0; i < 20000000; i++) sum += i;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    say("CPU time advances with work: %d", now.tv_sec > start.tv_sec || now.tv_nsec > start.tv_nsec);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    sleep_ms(50);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    say("and not in sleep: %d", (now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < 25000000);
    say("clock ticks a second: %ld", sysconf(_SC_CLK_TCK));
    return 0;
}
