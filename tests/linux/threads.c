// SPDX-License-Identifier: MIT
// pthreads: create, join, detach, mutexes, conditions, barriers, thread-local storage, ids, keys, signals to threads, fork and exit
// in a threaded process, the main thread that leaves first.
#include "say.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>

enum { kThreads = 16, kRounds = 2000 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter;
static __thread long local = 7;
static int turn;
static pid_t ids[kThreads];

static void* adder(void* argument) {
    long n = (long)argument;
    ids[n] = (pid_t)syscall(SYS_gettid);
    local += n;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < kRounds; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return (void*)local;
}

static void* player(void* argument) {
    int me = (int)(long)argument;
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&mutex);
        while (turn % 3 != me) pthread_cond_wait(&condition, &mutex);
        turn++;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static int destroyed;
static void destructor(void* value) { destroyed += (int)(long)value; }
static pthread_key_t key;
static void* key_user(void* argument) {
    pthread_setspecific(key, argument);
    return NULL;
}

static sem_t semaphore;
static volatile pid_t handled_by;
static void handler(int number) {
    (void)number;
    handled_by = (pid_t)syscall(SYS_gettid);
    sem_post(&semaphore);
}
static volatile pid_t waiter_id;
static void* waiter(void* argument) {
    waiter_id = (pid_t)syscall(SYS_gettid);
    sem_post(&semaphore);
    for (;;) pause();
    return argument;
}

static void* exiter(void* argument) {
    sleep_ms(20);
    exit((int)(long)argument);
}
static void* late(void* argument) {
    sleep_ms(20);
    say("the main thread has left, this one goes on");
    return argument;
}
static void* faulty(void* argument) {
    *(volatile int*)argument = 1;
    return NULL;
}

int main(void) {
    pthread_t threads[kThreads];
    pthread_barrier_init(&barrier, NULL, kThreads);
    for (long i = 0; i < kThreads; i++) pthread_create(&threads[i], NULL, adder, (void*)i);
    long sum = 0;
    for (int i = 0; i < kThreads; i++) {
        void* value;
        pthread_join(threads[i], &value);
        sum += (long)value;
    }
    say("counter %ld, thread-local sum %ld, mine %ld", counter, sum, local);
    int same = 0;
    for (int i = 0; i < kThreads; i++)
        for (int j = 0; j < i; j++) same += ids[i] == ids[j];
    say("same ids: %d, main's is the pid: %d", same, syscall(SYS_gettid) == getpid());
    for (long i = 0; i < 3; i++) pthread_create(&threads[i], NULL, player, (void*)i);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    say("turns %d", turn);

    pthread_key_create(&key, destructor);
    for (long i = 1; i <= 4; i++) {
        pthread_create(&threads[0], NULL, key_user, (void*)i);
        pthread_join(threads[0], NULL);
    }
    say("destructors %d", destroyed);
    for (int i = 0; i < 500; i++) {  // stacks and ids are given back
        if (pthread_create(&threads[0], NULL, key_user, NULL) != 0) say("create failed at %d", i);
        pthread_join(threads[0], NULL);
    }
    struct timespec past = {1, 0};
    pthread_mutex_lock(&mutex);
    say("timed wait: %s", strerrorname_np(pthread_cond_timedwait(&condition, &mutex, &past)));
    pthread_mutex_unlock(&mutex);

    sem_init(&semaphore, 0, 0);
    signal(SIGUSR1, handler);
    pthread_create(&threads[0], NULL, waiter, NULL);
    sem_wait(&semaphore);
    pthread_kill(threads[0], SIGUSR1);
    sem_wait(&semaphore);
    say("pthread_kill arrives at its thread: %d", handled_by == waiter_id);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    sem_wait(&semaphore);
    say("kill arrives at the thread that does not block it: %d", handled_by == waiter_id);
    pthread_cancel(threads[0]);
    void* value;
    pthread_join(threads[0], &value);
    say("cancelled: %d", value == PTHREAD_CANCELED);

    pid_t pid = fork();
    if (pid == 0) {
        pthread_create(&threads[0], NULL, exiter, (void*)17);
        for (;;) pause();
    }
    say_status("exit in a thread", pid);
    pid = fork();
    if (pid == 0) {
        pthread_create(&threads[0], NULL, late, NULL);
        pthread_exit(NULL);
    }
    say_status("main left", pid);
    pid = fork();
    if (pid == 0) {
        pthread_create(&threads[0], NULL, faulty, NULL);
        for (;;) pause();
    }
    say_status("a thread faults", pid);
    pthread_create(&threads[0], NULL, waiter, NULL);
    sem_wait(&semaphore);
    pid = fork();
    if (pid == 0) {  // a child has one thread
        pthread_create(&threads[1], NULL, key_user, NULL);
        pthread_join(threads[1], NULL);
        say("child of a threaded process: pid is tid %d", syscall(SYS_gettid) == getpid());
        _exit(4);
    }
    say_status("fork with threads", pid);
    say("exit with a thread still waiting");
    return 3;
}
