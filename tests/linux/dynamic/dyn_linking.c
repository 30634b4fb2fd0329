// SPDX-License-Identifier: MIT
// LIBRARIES: dyn_first
// What the dynamic linker does: constructors and destructors in order, relocated data, thread-local storage of libraries,
// IFUNCs, dlopen, dlsym, dlclose and its errors, LD_PRELOAD, LD_LIBRARY_PATH, LD_BIND_NOW, a missing library.
#include "say.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sys/stat.h>

extern __thread int first_counter;
extern int *first_counter_address(void), first_next(void), first_add(int, int), first_asks(void), first_data;
extern const char* first_block_text(void);
extern const char* const first_table[];

__attribute__((constructor)) static void begin(void) { say("program: constructor"); }
__attribute__((destructor)) static void end(void) { say("program: destructor"); }
static void at_exit(void) { say("program: atexit"); }

static void* in_thread(void* second_next) {
    int (*next)(void) = (int (*)(void))second_next;
    first_counter += 100;
    say("thread: %d %d %s, own %d", first_next(), first_add(2, 3), first_block_text(),
        first_counter_address() == &first_counter);
    if (next != NULL) {
        int one = next();
        say("thread: dlopened %d %d", one, next());
    }
    return NULL;
}

static void threads(void* second_next) {
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, in_thread, second_next);
        pthread_join(thread, NULL);
    }
}

static int twice(int value) { return 2 * value; }

static void dlopened(void) {
    void* library = dlopen("libdyn_second.so", RTLD_NOW);
    if (library == NULL) {
        say("dlopen: %s", dlerror());
        return;
    }
    int (*next)(void) = (int (*)(void))dlsym(library, "second_next");
    int (*calls)(int (*)(int)) = (int (*)(int (*)(int)))dlsym(library, "second_calls");
    say("second: %d %d, calls back %d", next(), next(), calls(twice));
    say("again the same: %d", dlopen("libdyn_second.so", RTLD_LAZY) == library);
    threads((void*)next);
    say("no symbol: %s", dlsym(library, "nothing") == NULL ? strstr(dlerror(), "undefined") : "found");
    Dl_info info = {0};
    if (dladdr((void*)next, &info) != 0)
        say("dladdr: %s %s", info.dli_sname, strrchr(info.dli_fname, '/') + 1);
    dlclose(library);
    say("closed: %d", dlclose(library));
    say("not loaded: %d", dlopen("libdyn_second.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
    say("no library: %s", dlopen("libdyn_none.so", RTLD_NOW) == NULL ? dlerror() : "found");
    say("global: %d", dlsym(RTLD_DEFAULT, "first_data") == &first_data);
}

static int object(struct dl_phdr_info* info, size_t size, void* data) {
    (void)size;
    const char* name = strrchr(info->dlpi_name, '/');
    name = name != NULL ? name + 1 : info->dlpi_name;
    // The vDSO's name differs between machines; what is there must have headers.
    if (strncmp(name, "linux-", 6) != 0) say("object '%s' %s", name, info->dlpi_phnum > 0 ? "ok" : "empty");
    ++*(int*)data;
    return 0;
}

static void again(const char* what, const char* setting) {
    say("-- %s", what);
    pid_t pid = fork();
    if (pid == 0) {
        char* argv[] = {(char*)"./dyn_linking", (char*)"again", NULL};
        char* envp[] = {(char*)setting, NULL};
        execve("./dyn_linking", argv, envp);
        _exit(98);
    }
    say_status(what, pid);
}

int main(int argc, char** argv) {
    (void)argv;
    say("%d %s %s %s", first_data, first_table[0], first_table[1], first_block_text());
    say("who: %d, add %d, pid faked %d", first_asks(), first_add(40, 2), getpid() == 12345);
    if (argc > 1) return 5;
    atexit(at_exit);
    first_counter = 50;
    threads(NULL);
    say("own counter: %d", first_next());
    dlopened();
    int objects = 0;
    dl_iterate_phdr(object, &objects);
    say("objects: %s", objects >= 4 ? "enough" : "too few");
    again("bind now", "LD_BIND_NOW=1");
    again("preload", "LD_PRELOAD=./lib/libdyn_preload.so");
    again("preload that is missing", "LD_PRELOAD=./lib/none.so");
    mkdir("other", 0755);
    rename("lib/libdyn_first.so", "other/libdyn_first.so");
    again("library missing", "A=b");
    again("library path", "LD_LIBRARY_PATH=other");
    return 0;
}
