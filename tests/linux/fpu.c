// SPDX-License-Identifier: MIT
// FPU and vector registers: kept across system calls, switches between processes and threads, signals and forks; a handler
// may use them freely; the control words are kept and inherited.
#include "say.h"

#include <fenv.h>
#include <immintrin.h>
#include <pthread.h>
#include <xmmintrin.h>

static volatile int handled;
static void handler(int number) {
    volatile double x = number;
    for (int i = 0; i < 100; i++) x = x * 1.5 + 1 / x;
    __asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm7, %%xmm7\n\tpxor %%xmm15, %%xmm15\n\tfninit" ::: "xmm0", "xmm7", "xmm15");
    handled++;
}

/// Loads all vector registers, lets others run, and checks them.
static int keep(unsigned seed, int rounds) {
    int wrong = 0;
    for (int round = 0; round < rounds; round++) {
        uint64_t in[32], out[32];
        for (unsigned i = 0; i < 32; i++) in[i] = (uint64_t)seed * 0x9e3779b97f4a7c15 + i * 77 + (unsigned)round;
        __asm__ volatile(
            "movdqu (%0), %%xmm0\n\tmovdqu 16(%0), %%xmm1\n\tmovdqu 112(%0), %%xmm7\n\tmovdqu 240(%0), %%xmm15\n\t"
            "mov $24, %%eax\n\tsyscall\n\t"  // sched_yield
            "movdqu %%xmm0, (%1)\n\tmovdqu %%xmm1, 16(%1)\n\tmovdqu %%xmm7, 112(%1)\n\tmovdqu %%xmm15, 240(%1)" ::"r"(in), "r"(out)
            : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm7", "xmm15");
        wrong += memcmp(in, out, 32) != 0 || memcmp(in + 14, out + 14, 16) != 0 || memcmp(in + 30, out + 30, 16) != 0;
    }
    return wrong;
}

static void* thread(void* argument) { return (void*)(long)keep((unsigned)(long)argument, 2000); }

int main(void) {
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) _exit(keep((unsigned)i + 100, 2000) != 0);
    }
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, thread, (void*)(i + 1));
    long wrong = 0;
    for (int i = 0; i < 4; i++) {
        void* value;
        pthread_join(threads[i], &value);
        wrong += (long)value;
    }
    say("threads: %ld wrong", wrong);
    for (int i = 0; i < 4; i++) say_status("process", pids[i]);

    signal(SIGUSR1, handler);
    double value = 1.0 / 3;
    uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[2] = {0, 0};
    long pid = getpid();
    __asm__ volatile(
        "movdqu (%2), %%xmm15\n\tmov $62, %%eax\n\tmov %0, %%rdi\n\tmov $10, %%esi\n\tsyscall\n\tmovdqu %%xmm15, (%1)" ::"r"(pid),
        "r"(out), "r"(in)
        : "rax", "rcx", "r11", "rdi", "rsi", "memory", "xmm15");
    say("registers after a handler: %d, double %.17g, handled %d", memcmp(in, out, 16) == 0, value, handled);

    fesetround(FE_UPWARD);
    raise(SIGUSR1);
    say("rounding kept over a handler: %d", fegetround() == FE_UPWARD);
    pid_t child = fork();
    if (child == 0) _exit(fegetround() == FE_UPWARD ? 0 : 1);
    say_status("rounding inherited", child);
    volatile float one = 1, three = 3;
    say("1/3 upward %.9g", (double)(one / three));
    fesetround(FE_TONEAREST);
    say("1/3 nearest %.9g", (double)(one / three));
    _mm_setcsr(_mm_getcsr() | 0x8040);
    say("MXCSR: %x", _mm_getcsr() & 0xffc0);
    long double big = 1;
    for (int i = 0; i < 60; i++) big = big * 3 + 1 / big;
    say("x87: %.10Lg", big);
    return 0;
}
