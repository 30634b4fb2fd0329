// SPDX-License-Identifier: MIT
// The raw futex call: wait, wake, timeouts, bitsets, requeue, between processes through shared memory, errors; robust lists.
#include "say.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

static long futex(uint32_t* word, int op, uint32_t value, const struct timespec* time, uint32_t* second, uint32_t third) {
    return syscall(SYS_futex, word, op, value, time, second, third);
}

static uint32_t* shared;  // 0: the word; 1: how many wait; 2: how many woke; 3: a second word

static void wait_count(uint32_t* word, uint32_t value) {
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value) sleep_ms(1);
}

static pid_t waiter(int op, uint32_t bits) {
    pid_t pid = fork();
    if (pid == 0) {
        __atomic_add_fetch(&shared[1], 1, __ATOMIC_SEQ_CST);
        long r = futex(shared, op, 0, NULL, NULL, bits);
        __atomic_add_fetch(&shared[2], 1, __ATOMIC_SEQ_CST);
        _exit(r == 0 ? 0 : errno);
    }
    return pid;
}

/// Lets those who have announced themselves arrive in the call.
static void settle(uint32_t count) {
    wait_count(&shared[1], count);
    sleep_ms(50);
}

int main(void) {
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct timespec soon = {0, 10000000};
    say("value differs: %s", result(futex(shared, FUTEX_WAIT, 1, NULL, NULL, 0)));
    say("timeout: %s", result(futex(shared, FUTEX_WAIT, 0, &soon, NULL, 0)));
    struct timespec absolute;
    clock_gettime(CLOCK_MONOTONIC, &absolute);
    say("absolute, now: %s", result(futex(shared, FUTEX_WAIT_BITSET, 0, &absolute, NULL, ~0u)));
    say("empty bitset: %s", result(futex(shared, FUTEX_WAIT_BITSET, 0, &soon, NULL, 0)));
    say("wake nobody: %ld", futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0));
    say("misaligned: %s", result(futex((uint32_t*)((char*)shared + 1), FUTEX_WAIT, 0, &soon, NULL, 0)));
    say("bad address: %s", result(futex((uint32_t*)16, FUTEX_WAIT, 0, &soon, NULL, 0)));
    say("bad operation: %s", result(futex(shared, 99, 0, NULL, NULL, 0)));
    struct timespec bad = {0, 2000000000};
    say("bad time: %s", result(futex(shared, FUTEX_WAIT, 0, &bad, NULL, 0)));

    pid_t pids[5];
    for (int i = 0; i < 5; i++) pids[i] = waiter(FUTEX_WAIT, 0);
    settle(5);
    say("private wake of shared waiters: %ld", futex(shared + 512, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 0));
    say("wake 2: %ld", futex(shared, FUTEX_WAKE, 2, NULL, NULL, 0));
    wait_count(&shared[2], 2);
    say("requeue 1+1: %ld", futex(shared, FUTEX_REQUEUE, 1, (const struct timespec*)1, &shared[3], 0));
    wait_count(&shared[2], 3);
    say("compare differs: %s", result(futex(shared, FUTEX_CMP_REQUEUE, 1, (const struct timespec*)1, &shared[3], 5)));
    say("wake at the second: %ld", futex(&shared[3], FUTEX_WAKE, 9, NULL, NULL, 0));
    say("wake the last: %ld", futex(shared, FUTEX_WAKE, 9, NULL, NULL, 0));
    for (int i = 0; i < 5; i++) say_status("waiter", pids[i]);

    shared[1] = shared[2] = 0;
    for (int i = 0; i < 3; i++) pids[i] = waiter(FUTEX_WAIT_BITSET, 1u << i);
    settle(3);
    say("wake bits 4: %ld", futex(shared, FUTEX_WAKE_BITSET, 9, NULL, NULL, 4));
    say_status("bit 4", pids[2]);
    say("wake bits 3: %ld", futex(shared, FUTEX_WAKE_BITSET, 9, NULL, NULL, 3));
    say_status("bit 1", pids[0]);
    say_status("bit 2", pids[1]);

    shared[1] = 0;
    pids[0] = waiter(FUTEX_WAIT, 0);
    settle(1);
    kill(pids[0], SIGKILL);
    say_status("killed in a wait", pids[0]);
    say("nobody is left: %ld", futex(shared, FUTEX_WAKE, 9, NULL, NULL, 0));

    // A mutex in shared memory, and one whose owner dies.
    struct { pthread_mutex_t plain, robust; long count; }* locks = (void*)(shared + 64);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&locks->plain, &attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&locks->robust, &attributes);
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            for (int k = 0; k < 1000; k++) {
                pthread_mutex_lock(&locks->plain);
                locks->count++;
                pthread_mutex_unlock(&locks->plain);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++) waitpid(pids[i], NULL, 0);
    say("count under a shared mutex: %ld", locks->count);
    pids[0] = fork();
    if (pids[0] == 0) {
        pthread_mutex_lock(&locks->robust);
        _exit(0);
    }
    say_status("owner", pids[0]);
    say("lock of the dead: %s", strerrorname_np(pthread_mutex_lock(&locks->robust)));
    say("consistent: %d", pthread_mutex_consistent(&locks->robust));
    say("unlock: %d", pthread_mutex_unlock(&locks->robust));
    return 0;
}
