// SPDX-License-Identifier: MIT
// POSIX threads of the shared C library: many threads, robust mutexes whose owner ends (thread, process, by a signal), shared
// condition variables and barriers, cancellation, keys with destructors, once, read-write locks, semaphores.
#include "say.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

static const char* name(int error) { return error == 0 ? "ok" : strerrorname_np(error); }

static void make_robust(pthread_mutex_t* mutex, int shared) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
    pthread_mutex_init(mutex, &attributes);
}

static sem_t locked;
static void* locks_and_ends(void* mutex) {
    pthread_mutex_lock(mutex);
    sem_post(&locked);
    sleep_ms(30);
    return NULL;
}

static void robust_thread(void) {
    static pthread_mutex_t mutex;
    make_robust(&mutex, 0);
    pthread_t thread;
    sem_init(&locked, 0, 0);
    pthread_create(&thread, NULL, locks_and_ends, &mutex);
    sem_wait(&locked);
    say("waits for a thread that ends: %s", name(pthread_mutex_lock(&mutex)));
    say("busy: %s", name(pthread_mutex_trylock(&mutex)));
    say("made right: %s", name(pthread_mutex_consistent(&mutex)));
    say("unlock: %s", name(pthread_mutex_unlock(&mutex)));
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, locks_and_ends, &mutex);
    pthread_join(thread, NULL);
    say("after a thread has ended: %s", name(pthread_mutex_lock(&mutex)));
    say("unlock as it is: %s", name(pthread_mutex_unlock(&mutex)));
    say("lost: %s", name(pthread_mutex_lock(&mutex)));
}

struct shared {
    pthread_mutex_t mutex, other;
    pthread_cond_t changed;
    pthread_barrier_t barrier;
    int state;
};

static struct shared* shared;

static void robust_process(const char* what, void (*end)(void)) {
    make_robust(&shared->mutex, 1);
    make_robust(&shared->other, 1);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(&shared->mutex);
        pthread_mutex_lock(&shared->other);
        shared->state = 1;
        sleep_ms(20);
        end();
        _exit(97);
    }
    while (*(volatile int*)&shared->state != 1) sched_yield();
    say("%s: %s %s", what, name(pthread_mutex_lock(&shared->mutex)),
        name(pthread_mutex_lock(&shared->other)));
    pthread_mutex_consistent(&shared->mutex);
    pthread_mutex_consistent(&shared->other);
    say("unlock: %s %s", name(pthread_mutex_unlock(&shared->mutex)),
        name(pthread_mutex_unlock(&shared->other)));
    shared->state = 0;
    say_status(what, pid);
}

static void by_exit(void) { _exit(3); }
static void by_kill(void) { raise(SIGKILL); }
static void by_exec(void) { execl("/proc/self/exe", "dyn_threads", "nothing", NULL); }
static void* in_thread_of_child(void* unused) {
    (void)unused;
    pause();
    return NULL;
}
static void by_threads(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread_of_child, NULL);
    exit(4);
}

static void shared_objects(void) {
    pthread_condattr_t condition;
    pthread_condattr_init(&condition);
    pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setclock(&condition, CLOCK_MONOTONIC);
    pthread_cond_init(&shared->changed, &condition);
    pthread_barrierattr_t barrier;
    pthread_barrierattr_init(&barrier);
    pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->barrier, &barrier, 2);
    make_robust(&shared->mutex, 1);
    shared->state = 0;
    pid_t pid = fork();
    if (pid == 0) {
        for (int turn = 0; turn < 200; turn++) {
            pthread_mutex_lock(&shared->mutex);
            while (shared->state % 2 == 0) pthread_cond_wait(&shared->changed, &shared->mutex);
            shared->state++;
            pthread_cond_signal(&shared->changed);
            pthread_mutex_unlock(&shared->mutex);
        }
        pthread_barrier_wait(&shared->barrier);
        _exit(0);
    }
    for (int turn = 0; turn < 200; turn++) {
        pthread_mutex_lock(&shared->mutex);
        while (shared->state % 2 != 0) pthread_cond_wait(&shared->changed, &shared->mutex);
        shared->state++;
        pthread_cond_signal(&shared->changed);
        pthread_mutex_unlock(&shared->mutex);
    }
    pthread_barrier_wait(&shared->barrier);
    say("turns: %d", shared->state);
    say_status("the other side", pid);
    struct timespec soon;
    clock_gettime(CLOCK_MONOTONIC, &soon);
    soon.tv_nsec += 5000000;
    if (soon.tv_nsec >= 1000000000) soon.tv_sec++, soon.tv_nsec -= 1000000000;
    pthread_mutex_lock(&shared->mutex);
    say("nobody signals: %s", name(pthread_cond_timedwait(&shared->changed, &shared->mutex, &soon)));
    pthread_mutex_unlock(&shared->mutex);
}

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static sem_t semaphore;
static long sum, destroyed, inits;
static __thread long own = 5;

static void init(void) { inits++; }
static void destroy(void* value) { __atomic_add_fetch(&destroyed, (long)value, __ATOMIC_RELAXED); }
static void* worker(void* number) {
    pthread_once(&once, init);
    pthread_setspecific(key, number);
    for (int i = 0; i < 300; i++) {
        own++;
        pthread_mutex_lock(&plain);
        sum++;
        pthread_mutex_unlock(&plain);
        if (i % 50 == 0) {
            pthread_rwlock_rdlock(&rwlock);
            pthread_rwlock_unlock(&rwlock);
        }
    }
    sem_post(&semaphore);
    return (void*)own;
}

static void many(void) {
    enum { kThreads = 16 };
    pthread_t threads[kThreads];
    pthread_key_create(&key, destroy);
    sem_init(&semaphore, 0, 0);
    for (long i = 0; i < kThreads; i++) pthread_create(&threads[i], NULL, worker, (void*)(i + 1));
    for (int i = 0; i < kThreads; i++) sem_wait(&semaphore);
    long total = 0;
    for (int i = 0; i < kThreads; i++) {
        void* result;
        pthread_join(threads[i], &result);
        total += (long)result;
    }
    say("sum %ld, own %ld, destroyed %ld, once %ld", sum, total, destroyed, inits);
}

static void cleanup(void* text) { say("clean-up of %s", (const char*)text); }
static void* waits(void* text) {
    pthread_cleanup_push(cleanup, text);
    for (;;) pause();
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancelled(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, waits, (void*)"one that waits");
    sleep_ms(10);
    pthread_cancel(thread);
    void* result;
    pthread_join(thread, &result);
    say("cancelled: %d", result == PTHREAD_CANCELED);
    char title[16] = "";
    pthread_setname_np(pthread_self(), "a-name");
    pthread_getname_np(pthread_self(), title, sizeof title);
    say("name: %s", title);
    pthread_attr_t attributes;
    size_t size = 0;
    void* stack = NULL;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &stack, &size);
    say("own stack known: %d", (char*)&size > (char*)stack && (char*)&size < (char*)stack + size);
}

int main(int argc, char** argv) {
    (void)argv;
    if (argc > 1) return 6;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    robust_thread();
    robust_process("owner exits", by_exit);
    robust_process("owner is killed", by_kill);
    robust_process("owner execs", by_exec);
    robust_process("owner has threads", by_threads);
    shared_objects();
    many();
    cancelled();
    return 0;
}
