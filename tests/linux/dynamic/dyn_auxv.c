// SPDX-License-Identifier: MIT
// What a dynamic program is started with: the auxiliary vector, its memory map, and that nothing in it is writable and
// executable; /proc/self/auxv; another program started through ld.so itself.
#include "say.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/stat.h>

extern void _start(void);
extern const Elf64_Ehdr __ehdr_start;

struct map {
    unsigned long start, end, offset;
    char rights[5], name[256];
};
static struct map maps[256];
static int map_count;

static void read_maps(void) {
    FILE* file = fopen("/proc/self/maps", "r");
    char line[512];
    map_count = 0;
    while (map_count < 256 && fgets(line, sizeof line, file) != NULL) {
        struct map* m = &maps[map_count];
        unsigned major, minor;
        unsigned long inode;
        m->name[0] = 0;
        if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %255s", &m->start, &m->end, m->rights, &m->offset, &major,
                   &minor, &inode, m->name) < 7)
            say("odd line: %s", line);
        if (m->name[0] == '/' && inode == 0) say("%s has no inode", m->name);
        if (m->name[0] == '/' && m->name[1] != 0) {
            struct stat status;
            if (stat(m->name, &status) != 0 || status.st_ino != inode) say("%s: wrong inode", m->name);
        }
        if (m->name[0] != '/' && (inode != 0 || major != 0 || minor != 0)) say("%s has an inode", m->name);
        if (m->name[0] != 0 && strchr(line, m->name[0]) != NULL && strstr(line, m->name) - line != 73)
            say("name at column %ld", (long)(strstr(line, m->name) - line));
        ++map_count;
    }
    fclose(file);
}

static const struct map* map_of(unsigned long address) {
    for (int i = 0; i < map_count; i++)
        if (maps[i].start <= address && address < maps[i].end) return &maps[i];
    return NULL;
}

static const char* name_of(const void* address) {
    const struct map* m = map_of((unsigned long)address);
    if (m == NULL) return "nothing";
    const char* slash = strrchr(m->name, '/');
    return slash != NULL ? slash + 1 : m->name;
}

static int count(const char* name) {
    int found = 0;
    for (int i = 0; i < map_count; i++) found += strcmp(maps[i].name, name) == 0;
    return found;
}

static void check_auxv(void) {
    unsigned long vector[64] = {0};
    int fd = open("/proc/self/auxv", O_RDONLY);
    ssize_t size = read(fd, vector, sizeof vector);
    close(fd);
    for (int i = 0; i + 1 < size / 8; i += 2) {
        // What later Linuxes add after ours is left out.
        if (vector[i] == 27 || vector[i] == 28) continue;
        say("auxv %lu: %s", vector[i],
            vector[i] == 0 || getauxval(vector[i]) == vector[i + 1] ? "agrees" : "differs");
    }
    const Elf64_Phdr* headers = (const Elf64_Phdr*)getauxval(AT_PHDR);
    say("headers: %d %d %lu", (const char*)headers == (const char*)&__ehdr_start + __ehdr_start.e_phoff,
        getauxval(AT_PHNUM) == __ehdr_start.e_phnum, getauxval(AT_PHENT));
    say("entry: %d", getauxval(AT_ENTRY) == (unsigned long)&_start);
    say("base is of %.8s", name_of((void*)getauxval(AT_BASE)));
    say("vdso: %s '%.4s'", name_of((void*)getauxval(AT_SYSINFO_EHDR)),
        (const char*)getauxval(AT_SYSINFO_EHDR) + 1);
    say("name %s, platform %s", (const char*)getauxval(AT_EXECFN), (const char*)getauxval(AT_PLATFORM));
    say("secure %lu, page %lu, tick %lu, flags %lu", getauxval(AT_SECURE), getauxval(AT_PAGESZ),
        getauxval(AT_CLKTCK), getauxval(AT_FLAGS));
    say("ids: %d", getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid() &&
                       getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid());
    say("random is on %s, minimal stack %d", name_of((void*)getauxval(AT_RANDOM)),
        getauxval(AT_MINSIGSTKSZ) > 700 && getauxval(AT_MINSIGSTKSZ) % 16 == 0);
    say("fsgsbase %lu", getauxval(AT_HWCAP2) & 2);
}

static int data = 1, bss;

static void check_maps(void) {
    void* heap = malloc(100);
    int local = 0;
    read_maps();
    say("code in %s, data in %s, bss near %s", name_of((void*)&check_maps), name_of(&data),
        name_of((char*)&bss - ((unsigned long)&bss & 4095)));
    say("heap in %s, stack in %s", name_of(heap), name_of(&local));
    say("once each: heap %d stack %d vdso %d vvar %d", count("[heap]"), count("[stack]"), count("[vdso]"),
        count("[vvar]"));
    for (int i = 0; i < map_count; i++) {
        if (maps[i].rights[1] == 'w' && maps[i].rights[2] == 'x')
            say("writable and executable: %s", maps[i].name);
        if (i > 0 && maps[i].start < maps[i - 1].end) say("areas overlap");
        if (maps[i].rights[3] != 'p') say("shared: %s", maps[i].name);
        if (strstr(maps[i].name, "dyn_auxv") != NULL)
            say("%s %lx %s", maps[i].rights, maps[i].offset, strrchr(maps[i].name, '/') + 1);
    }
    free(heap);
    bss = data + local;
}

int main(int argc, char** argv) {
    if (argc > 1) {
        say("started by ld.so as %s %s", argv[0], argv[1]);
        return 0;
    }
    check_maps();
    check_auxv();
    char linker[256];
    const struct map* m = map_of(getauxval(AT_BASE));
    snprintf(linker, sizeof linker, "%s", m != NULL ? m->name : "-");
    pid_t pid = fork();
    if (pid == 0) {
        execl(linker, "ld.so", "./dyn_auxv", "with an argument", NULL);
        _exit(98);
    }
    say_status("ld.so", pid);
    return 0;
}
