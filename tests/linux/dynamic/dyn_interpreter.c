// SPDX-License-Identifier: MIT
// What execve does about the interpreter of a dynamic program: missing, no program, a directory, not executable, cut short, for another
// machine, a name without an end; and #! lines whose interpreter is dynamic.
#include "execs.h"

#include <elf.h>
#include <stddef.h>

static char image[1 << 17], linker[1 << 19];
static size_t image_size, linker_size;
static Elf64_Phdr* interp;

static size_t load(const char* path, char* to, size_t room) {
    int fd = open(path, O_RDONLY);
    ssize_t size = read(fd, to, room);
    close(fd);
    return size > 0 ? (size_t)size : 0;
}

/// A copy of ours whose interpreter is called so.
static void with_interpreter(const char* what, const char* name) {
    char copy[sizeof image];
    memcpy(copy, image, image_size);
    memset(copy + interp->p_offset, 0, interp->p_filesz);
    strcpy(copy + interp->p_offset, name);
    put("program", copy, image_size, 0755);
    try_exec(what, "./program");
}

static void with_header(const char* what, Elf64_Xword size, Elf64_Off offset) {
    char copy[sizeof image];
    memcpy(copy, image, image_size);
    Elf64_Phdr* header = (Elf64_Phdr*)(copy + ((char*)interp - image));
    header->p_filesz = size;
    header->p_offset = offset;
    put("program", copy, image_size, 0755);
    try_exec(what, "./program");
}

/// The interpreter is ld.so with some bytes changed.
static void linker_with(const char* what, size_t offset, const void* bytes, size_t size) {
    char kept[64];
    memcpy(kept, linker + offset, size);
    memcpy(linker + offset, bytes, size);
    put("l", linker, linker_size, 0755);
    memcpy(linker + offset, kept, size);
    with_interpreter(what, "./l");
}

int main(int argc, char** argv) {
    if (argc > 1) {
        say("  started: %s %s", argv[argc - 2], argv[argc - 1]);
        return 40 + argc;
    }
    image_size = load("/proc/self/exe", image, sizeof image);
    const Elf64_Ehdr* header = (const Elf64_Ehdr*)image;
    Elf64_Phdr* segments = (Elf64_Phdr*)(image + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_INTERP) interp = &segments[i];
    char path[64];
    strcpy(path, image + interp->p_offset);
    linker_size = load(path, linker, sizeof linker);

    with_interpreter("the usual", path);
    with_interpreter("missing", "/nowhere/ld.so");
    with_interpreter("no name", "");
    mkdir("d", 0755);
    with_interpreter("a directory", "./d");
    with_interpreter("below a file", "./program/x");
    put("l", linker, linker_size, 0644);
    with_interpreter("not executable", "./l");
    put("l", linker, linker_size, 0755);
    with_interpreter("a copy", "./l");
    put("l", "", 0, 0755);
    with_interpreter("empty", "./l");
    put("l", linker, 40, 0755);
    with_interpreter("cut in the header", "./l");
    put("l", linker, 100, 0755);
    with_interpreter("cut in the program headers", "./l");
    char text[4096];
    memset(text, 'x', sizeof text);
    put("l", text, sizeof text, 0755);
    with_interpreter("text", "./l");
    put("l", "#!/bin/sh\nexit 3\n#####################################################", 70, 0755);
    with_interpreter("a script", "./l");
    symlink("m", "l2");
    symlink("l2", "m");
    with_interpreter("links in a circle", "./m");
    uint16_t machine = EM_AARCH64, entry = 3, none = 0;
    linker_with("another machine", offsetof(Elf64_Ehdr, e_machine), &machine, 2);
    linker_with("odd program headers", offsetof(Elf64_Ehdr, e_phentsize), &entry, 2);
    linker_with("no program headers", offsetof(Elf64_Ehdr, e_phnum), &none, 2);
    linker_with("bad magic", 1, "elf", 3);
    put("l", image, image_size, 0755);

    with_header("a name of one byte", 1, interp->p_offset);
    with_header("a name of nothing", 0, interp->p_offset);
    with_header("a name that does not end", 4, interp->p_offset);
    with_header("a name that is too long", 5000, interp->p_offset);
    with_header("a name outside the file", interp->p_filesz, 1 << 20);

    char self[512], line[1024];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n] = 0;
    snprintf(line, sizeof line, "#!%s -x\n", self);
    put("script", line, strlen(line), 0755);
    try_exec("#! of a dynamic program", "./script");
    put("script", "#!./program\n", 12, 0755);
    try_exec("#! of a program whose interpreter is bad", "./script");
    with_interpreter("the usual again", path);
    try_exec("#! of a relative name", "./script");
    char chain[32] = "script";
    for (int i = 0; i < 7; i++) {
        char next[32];
        snprintf(next, sizeof next, "chain%d", i);
        snprintf(line, sizeof line, "#!./%s\n", chain);
        put(next, line, strlen(line), 0755);
        snprintf(line, sizeof line, "#! over %d", i + 1);
        char to[40];
        snprintf(to, sizeof to, "./%s", next);
        try_exec(line, to);
        strcpy(chain, next);
    }
    return 0;
}
