// SPDX-License-Identifier: MIT
// Faults: what SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP tell; the stack and data are not executable; alternate stacks;
// registers that a handler changes; a fault while it is blocked; a stack that overflows.
#include "say.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf jump;
static volatile int got_signal, got_code;
static void* volatile got_address;
static char* volatile handler_stack;

static void handler(int number, siginfo_t* info, void* context) {
    (void)context;
    char here;
    got_signal = number;
    got_code = info->si_code;
    got_address = info->si_addr;
    handler_stack = &here;
    siglongjmp(jump, 1);
}

static void fix(int number, siginfo_t* info, void* context) {
    (void)number;
    (void)info;
    ucontext_t* c = context;
    c->uc_mcontext.gregs[REG_RIP] += 3;  // the length of `mov %rax, (%rdi)`
    c->uc_mcontext.gregs[REG_RBX] = 4711;
}

static void install(void (*function)(int, siginfo_t*, void*), int flags) {
    int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (unsigned i = 0; i < 5; i++) {
        struct sigaction action = {.sa_sigaction = function, .sa_flags = SA_SIGINFO | flags};
        sigaction(numbers[i], &action, NULL);
    }
}

#define TRY(what, expected, code)                                                                                  \
    do {                                                                                                           \
        got_signal = 0;                                                                                            \
        if (sigsetjmp(jump, 1) == 0) {                                                                             \
            code;                                                                                                  \
        }                                                                                                          \
        say("%s: %s code %d address %s", what, got_signal ? sigabbrev_np(got_signal) : "none", got_code,           \
            (void*)got_address == (void*)(expected) ? "right" : "other");                                          \
    } while (0)

static int overflow(int n) {
    volatile char big[4096];
    big[0] = (char)n;
    return n == 0 ? 0 : overflow(n + 1) + big[0];
}

static void in_child(const char* what, void (*function)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        function();
        _exit(0);
    }
    say_status(what, pid);
}

static void wild_read(void) { (void)*(volatile char*)0x10; }
static void kernel_read(void) { (void)*(volatile char*)0xffff800000000000; }
static void run_stack(void) {
    volatile char code[16] = {(char)0xc3};
    ((void (*)(void))(uintptr_t)code)();
}
static void blocked_fault(void) {
    sigset_t set;
    sigfillset(&set);
    install(handler, 0);
    sigprocmask(SIG_SETMASK, &set, NULL);
    wild_read();
}
static void ignored_fault(void) {
    signal(SIGSEGV, SIG_IGN);
    wild_read();
}
static void endless(void) { overflow(1); }
static void bad_frame(void) {  // no room for the handler's frame
    install(handler, 0);
    __asm__ volatile("mov $8, %rsp\n\tpush %rax");
}

int main(void) {
    install(handler, 0);
    char* page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static char data[16] = {(char)0xc3};
    char code_on_stack[16] = {(char)0xc3};
    __asm__ volatile("" ::"r"(code_on_stack) : "memory");
    TRY("null", NULL, *(volatile int*)NULL = 1);
    TRY("wild", (void*)0x123456789000, (void)*(volatile char*)0x123456789000);
    TRY("write to read-only", page + 5, *(volatile char*)(page + 5) = 1);
    TRY("write to code", (void*)(uintptr_t)main, *(volatile char*)(uintptr_t)main = 1);
    TRY("execute data", data, ((void (*)(void))(uintptr_t)data)());
    TRY("execute stack", code_on_stack, ((void (*)(void))(uintptr_t)code_on_stack)());
    TRY("execute nothing", (void*)0x5000, ((void (*)(void))(uintptr_t)0x5000)());
    TRY("kernel address", (void*)0xffffffff80000000, (void)*(volatile char*)0xffffffff80000000);
    mprotect(page, 4096, PROT_NONE);
    TRY("PROT_NONE", page, (void)*(volatile char*)page);
    munmap(page, 4096);
    TRY("unmapped", page + 1, (void)*(volatile char*)(page + 1));
    TRY("its neighbour is there", got_address, (void)*(volatile char*)(page + 4096));
    TRY("divide", got_address, __asm__ volatile("xor %%ecx, %%ecx\n\tdiv %%ecx" ::: "eax", "ecx", "edx"));
    TRY("illegal instruction", got_address, __asm__ volatile("ud2"));
    TRY("breakpoint", NULL, __asm__ volatile("int3"));
    TRY("privileged instruction", NULL, __asm__ volatile("hlt"));
    TRY("non-canonical", NULL, (void)*(volatile char*)0x8000000000000000);
    int fd = open("mapped", O_CREAT | O_RDWR, 0600);
    if (write(fd, "x", 1) != 1) return 1;
    char* file = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
    TRY("in the file's last page", got_address, (void)*(volatile char*)(file + 100));
    TRY("beyond the file", file + 4096, (void)*(volatile char*)(file + 4096));
    unlink("mapped");

    install(fix, 0);
    long value = 0;
    __asm__ volatile("mov $0x10, %%rdi\n\tmov $1, %%ebx\n\tmov %%rax, (%%rdi)\n\tmov %%rbx, %0" : "=r"(value)::"rdi", "rbx", "memory");
    say("handler changed rip and rbx: %ld", value);

    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack}, old;
    say("sigaltstack: %s", result(sigaltstack(&alternate, NULL)));
    install(handler, SA_ONSTACK);
    TRY("stack overflow", got_address, overflow(1));
    say("handled on the alternate stack: %d", handler_stack >= stack && handler_stack < stack + sizeof stack);
    sigaltstack(NULL, &old);
    say("alternate stack: size %zu flags %d", old.ss_size, old.ss_flags);
    alternate.ss_size = 100;
    say("too small: %s", result(sigaltstack(&alternate, NULL)));
    install(handler, 0);

    in_child("wild read", wild_read);
    in_child("kernel read", kernel_read);
    in_child("run the stack", run_stack);
    in_child("fault while blocked", blocked_fault);
    in_child("fault while ignored", ignored_fault);
    in_child("endless recursion", endless);
    in_child("no room for the frame", bad_frame);
    return 0;
}
