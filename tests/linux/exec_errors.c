// SPDX-License-Identifier: MIT
// Why execve refuses: each errno; truncated and garbage ELF files; #! lines, good and bad. The caller survives each.
#include "execs.h"

#include <elf.h>
#include <stddef.h>

/// An address that the compiler knows nothing of.
static void* wild(volatile uintptr_t address) { return (void*)address; }

static char image[1 << 16];
static size_t image_size;

static void mutated(const char* what, size_t offset, const void* bytes, size_t size) {
    char copy[sizeof image];
    memcpy(copy, image, image_size);
    memcpy(copy + offset, bytes, size);
    put("bad", copy, image_size, 0755);
    try_exec(what, "./bad");
}

static void elf_files(void) {
    int fd = open("/proc/self/exe", O_RDONLY);
    image_size = (size_t)read(fd, image, sizeof image);
    close(fd);
    size_t sizes[] = {1, 3, 4, 16, 32, 63, 64, 100};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char what[32];
        snprintf(what, sizeof what, "ELF cut at %zu", sizes[i]);
        put("cut", image, sizes[i], 0755);
        try_exec(what, "./cut");
    }
    uint16_t machine = 40, type = 1, zero = 0;
    mutated("wrong machine", offsetof(Elf64_Ehdr, e_machine), &machine, 2);
    mutated("relocatable", offsetof(Elf64_Ehdr, e_type), &type, 2);
    mutated("no program headers", offsetof(Elf64_Ehdr, e_phnum), &zero, 2);
    uint16_t size = 8;
    mutated("wrong entry size", offsetof(Elf64_Ehdr, e_phentsize), &size, 2);
    mutated("bad magic", 0, "\177ELG", 4);
}

int main(int argc, char** argv) {
    if (argc > 2 && strcmp(argv[0], "zero") != 0 && getenv("INTERPRETER") == NULL) {
        for (int i = 1; i < argc; i++) say("  argv[%d] = %s", i, argv[i]);  // we are the interpreter of a #! line
        return 33;
    }
    if (argc > 1) return 34;
    try_exec("missing", "./missing");
    try_exec("empty name", "");
    put("plain", "hello\n", 6, 0644);
    try_exec("not executable", "./plain");
    put("text", "hello\n", 6, 0755);
    try_exec("text", "./text");
    put("empty", "", 0, 0755);
    try_exec("empty", "./empty");
    mkdir("directory", 0755);
    try_exec("directory", "./directory");
    try_exec("below a file", "./plain/x");
    symlink("loop", "loop");
    try_exec("link to itself", "./loop");
    char name[5000];
    memset(name, 'x', sizeof name);
    name[300] = 0;
    try_exec("long name", name);
    name[300] = 'x';
    name[4999] = 0;
    try_exec("very long path", name);
    elf_files();

    memset(image, 'Z', 8192);
    put("garbage", image, 8192, 0755);
    try_exec("garbage", "./garbage");

    char self[512], line[1024];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n] = 0;
    snprintf(line, sizeof line, "#!%s\nrest\n", self);
    put("script", line, strlen(line), 0755);
    try_exec("#!", "./script");
    snprintf(line, sizeof line, "#! %s -x  y \n", self);
    put("script", line, strlen(line), 0755);
    try_exec("#! with an argument", "./script");
    snprintf(line, sizeof line, "#!%s", self);
    put("script", line, strlen(line), 0755);
    try_exec("#! without newline", "./script");
    put("script2", "#!./script\n", 11, 0755);
    try_exec("#! of a #!", "./script2");
    put("script", "#!/missing/interpreter\n", 23, 0755);
    try_exec("#! missing", "./script");
    put("script", "#!\n", 3, 0755);
    try_exec("#! nothing", "./script");
    put("script", "#!   \n", 6, 0755);
    try_exec("#! blanks", "./script");
    put("script", "#!./script\n", 11, 0755);
    try_exec("#! of itself", "./script");

    static char big[200000];
    memset(big, 'a', sizeof big - 1);
    char* long_argv[] = {big, NULL};
    char* envp[] = {NULL};
    say("argument of 200,000 bytes: %s", result(execve("/proc/self/exe", long_argv, envp)));
    say("bad argv: %s", result(execve("/proc/self/exe", (char**)wild(8), envp)));
    say("bad path: %s", result(execve((char*)wild(16), long_argv, envp)));
    const char* files[] = {"plain", "text", "empty", "cut", "bad", "garbage", "script", "script2", "loop"};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) unlink(files[i]);
    rmdir("directory");
    return 0;
}
