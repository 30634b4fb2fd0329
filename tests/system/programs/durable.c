// SPDX-License-Identifier: MIT
// What has to be there after a power cut.
//
//   durable load DIRECTORY SEED    works on files in DIRECTORY (which it makes) for ever, at random. Before a step it prints
//                                  "begin KIND FILE VERSION SIZE", and "done" when an fsync of all that it takes has returned
//   durable check DIRECTORY SEED   with those lines on stdin, as far as they came: what was done has to be there byte for byte, and of what was begun
//                                  any part. Prints a line for what is wrong, and "N steps are there"; status 1 if any is wrong
//
// Content follows from seed, file and version. Kinds of files:
//   replaced   a whole new file is written under another name, and renamed: it is one version or the next
//   removed    the same, unlinked
//   log        bytes are appended: a beginning of the stream, at least as far as was done
//   patched    sectors are overwritten in place: each is as old as was done, or newer
// In between there is noise: files and directories that come and go without fsync.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kFiles = 6, kMostBytes = 60000, kSector = 512, kSectors = 128, kLogStep = 9000, kLine = 128 };
enum Kind { replaced, removed, logged, patched, kKinds };
static const char* const names[kKinds] = {"replaced", "removed", "log", "patched"};

static uint64_t seed;

static uint64_t mix(uint64_t x) {  // splitmix64
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static uint64_t state;
static unsigned random_below(unsigned limit) { return (unsigned)(mix(state++) >> 16) % limit; }

static void need(int fine, const char* what) {
    if (fine) return;
    printf("%s: %s\n", what, strerror(errno));
    exit(2);
}

static const char* name_of(int kind, int file) {
    static char name[32];
    snprintf(name, sizeof name, "%s%d", names[kind], file);
    return name;
}

/// Byte `at` of a version of a file.
static unsigned char content(int kind, int file, unsigned version, uint64_t at) {
    return (unsigned char)(mix(seed ^ (uint64_t)(kind * kFiles + file) << 56 ^ (uint64_t)version << 32 ^ at / 8) >> at % 8 * 8);
}

static unsigned char bytes[kMostBytes + kLogStep];
static void fill(int kind, int file, unsigned version, uint64_t from, unsigned size) {
    for (unsigned i = 0; i < size; i++) bytes[i] = content(kind, file, version, from + i);
}

static void say(const char* format, int kind, int file, unsigned version, unsigned size) {
    char line[kLine];
    const int length = snprintf(line, sizeof line, format, kind, file, version, size);
    need(write(1, line, (size_t)length) == length, "stdout");
}

static void put(int out, unsigned size) {
    for (unsigned at = 0; at < size;) {
        const ssize_t count = write(out, bytes + at, size - at < 7000 ? size - at : 7000);
        need(count > 0, "write");
        at += (unsigned)count;
    }
}

static void sync_directory(void) {
    const int directory = open(".", O_RDONLY | O_DIRECTORY);
    need(directory >= 0 && fsync(directory) == 0, "fsync of the directory");
    close(directory);
}

static unsigned versions[kKinds][kFiles];
static unsigned sizes[kFiles];  // of the logs

static void replace(int kind, int file) {
    const unsigned size = random_below(kMostBytes), version = ++versions[kind][file];
    say("begin %d %d %u %u\n", kind, file, version, size);
    fill(kind, file, version, 0, size);
    const int out = open("new", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    need(out >= 0, "new");
    put(out, size);
    need(fsync(out) == 0 && close(out) == 0 && rename("new", name_of(kind, file)) == 0, "replace");
    sync_directory();
}

static void remove_one(int file) {
    const unsigned version = ++versions[removed][file];
    if (version % 2 == 1) {  // odd versions are there, even ones are not
        --versions[removed][file];
        replace(removed, file);
        return;
    }
    say("begin %d %d %u %u\n", removed, file, version, 0);
    need(unlink(name_of(removed, file)) == 0, "unlink");
    sync_directory();
}

static void append(int file) {
    const unsigned size = 1 + random_below(kLogStep), version = ++versions[logged][file];
    say("begin %d %d %u %u\n", logged, file, version, sizes[file] + size);
    const int out = open(name_of(logged, file), O_WRONLY | O_CREAT | O_APPEND, 0644);
    need(out >= 0, "log");
    fill(logged, file, 0, sizes[file], size);
    put(out, size);
    need((version % 2 ? fdatasync(out) : fsync(out)) == 0 && close(out) == 0, "append");
    if (version == 1) sync_directory();
    sizes[file] += size;
}

static void patch(int file) {
    const unsigned version = ++versions[patched][file];
    const unsigned first = version == 1 ? 0 : random_below(kSectors);
    const unsigned count = version == 1 ? kSectors : 1 + random_below(kSectors - first);
    say("begin %d %d %u %u\n", patched, file, version, first << 16 | count);
    const int out = open(name_of(patched, file), O_RDWR | O_CREAT, 0644);
    need(out >= 0, "patched");
    for (unsigned i = 0; i < count; i++) {
        fill(patched, file, version, (uint64_t)(first + i) * kSector, kSector);
        memcpy(bytes, &version, sizeof version);
        need(pwrite(out, bytes, kSector, (off_t)(first + i) * kSector) == kSector, "pwrite");
    }
    need(fsync(out) == 0 && close(out) == 0, "patch");
    if (version == 1) sync_directory();
}

static void make_noise(void) {
    char name[32];
    snprintf(name, sizeof name, "noise%u", random_below(40));
    const int action = (int)random_below(4);
    if (action == 0) {
        if (mkdir(name, 0755) != 0) rmdir(name);
    } else if (action == 1) {
        unlink(name);
    } else {
        const int out = open(name, O_WRONLY | O_CREAT, 0644);
        if (out < 0) return;  // a directory
        const unsigned size = random_below(20000);
        memset(bytes, 'n', size);
        put(out, size);
        if (action == 3) need(ftruncate(out, random_below(30000)) == 0, "ftruncate");
        close(out);
    }
}

static void load(void) {
    state = seed;
    for (;;) {
        for (unsigned noise = random_below(4); noise > 0; noise--) make_noise();
        const int file = (int)random_below(kFiles);
        switch (random_below(kKinds)) {
            case replaced: replace(replaced, file); break;
            case removed: remove_one(file); break;
            case logged: append(file); break;
            default: patch(file); break;
        }
        need(write(1, "done\n", 5) == 5, "stdout");
    }
}

struct Step {
    int kind, file;
    unsigned version, size;
};
static struct Step done[kKinds][kFiles], begun[kKinds][kFiles];
static unsigned sector_done[kFiles][kSectors], sector_begun[kFiles][kSectors];
static int wrong;

static void complain(const char* name, const char* what, unsigned long a, unsigned long b) {
    printf("%s: %s (%lu, %lu)\n", name, what, a, b);
    wrong = 1;
}

static long size_of(const char* name) {
    struct stat status;
    return stat(name, &status) == 0 ? (long)status.st_size : -1;
}

/// Whether the file is that version, whole.
static int is_version(const char* name, const struct Step* step) {
    static unsigned char found[kMostBytes + 1];
    if (step->version == 0 || (step->kind == removed && step->version % 2 == 0)) return access(name, F_OK) != 0;
    const int in = open(name, O_RDONLY);
    if (in < 0) return 0;
    const ssize_t size = read(in, found, sizeof found);
    close(in);
    if (size != (ssize_t)step->size) return 0;
    fill(step->kind, step->file, step->version, 0, step->size);
    return memcmp(found, bytes, step->size) == 0;
}

static void check_log(const char* name, int file) {
    const unsigned least = done[logged][file].version ? done[logged][file].size : 0;
    const unsigned most = begun[logged][file].version ? begun[logged][file].size : 0;
    const long size = size_of(name);
    if (size < 0) {
        if (least != 0) complain(name, "is not there", least, most);
        return;
    }
    if ((unsigned long)size < least || (unsigned long)size > most) complain(name, "has the wrong size", (unsigned long)size, least);
    FILE* in = fopen(name, "r");
    need(in != NULL, name);
    for (uint64_t at = 0; at < (uint64_t)size; at++) {
        if (fgetc(in) == content(logged, file, 0, at)) continue;
        complain(name, "has a wrong byte", at, least);
        break;
    }
    fclose(in);
}

static void check_patched(const char* name, int file) {
    if (begun[patched][file].version == 0) return;
    unsigned char found[kSector];
    const int in = open(name, O_RDONLY);
    if (in < 0) {
        if (done[patched][file].version != 0) complain(name, "is not there", 0, 0);
        return;
    }
    for (unsigned sector = 0; sector < kSectors; sector++) {
        const ssize_t size = pread(in, found, kSector, (off_t)sector * kSector);
        unsigned version = 0;
        if (size == kSector) memcpy(&version, found, sizeof version);
        const unsigned least = sector_done[file][sector];
        if (version == 0 && least == 0) continue;  // not yet written
        if (version < least || version > sector_begun[file][sector]) {
            complain(name, "has a sector of a wrong version", sector, version);
            continue;
        }
        fill(patched, file, version, (uint64_t)sector * kSector, kSector);
        if (memcmp(found + sizeof version, bytes + sizeof version, kSector - sizeof version) != 0)
            complain(name, "has a wrong sector", sector, version);
    }
    close(in);
}

static void note(const struct Step* step, struct Step to[kKinds][kFiles], unsigned sectors[kFiles][kSectors]) {
    to[step->kind][step->file] = *step;
    if (step->kind != patched) return;
    for (unsigned i = 0; i < (step->size & 0xffff); i++) sectors[step->file][(step->size >> 16) + i] = step->version;
}

static void check(void) {
    char line[kLine];
    struct Step step = {0, 0, 0, 0};
    unsigned long steps = 0;
    while (fgets(line, sizeof line, stdin) != NULL && strchr(line, '\n') != NULL) {
        if (strcmp(line, "done\n") == 0) {
            note(&step, done, sector_done);
            steps++;
        } else if (sscanf(line, "begin %d %d %u %u", &step.kind, &step.file, &step.version, &step.size) == 4 && step.kind >= 0 &&
                   step.kind < kKinds && step.file >= 0 && step.file < kFiles &&
                   (step.kind != patched || (step.size >> 16) + (step.size & 0xffff) <= kSectors)) {
            note(&step, begun, sector_begun);
        } else {
            printf("not a step: %s", line);
            exit(2);
        }
    }
    for (int file = 0; file < kFiles; file++) {
        for (int kind = replaced; kind <= removed; kind++) {
            const char* name = name_of(kind, file);
            struct Step old = done[kind][file], last = begun[kind][file];
            old.kind = last.kind = kind;
            old.file = last.file = file;
            if (!is_version(name, &old) && !is_version(name, &last)) complain(name, "is neither version", old.version, last.version);
        }
        check_log(name_of(logged, file), file);
        check_patched(name_of(patched, file), file);
    }
    printf("%lu steps are there\n", steps);
    exit(wrong);
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    seed = strtoull(argv[3], NULL, 10);
    const int loads = strcmp(argv[1], "load") == 0;
    if (loads) need(mkdir(argv[2], 0755) == 0, argv[2]);
    if (chdir(argv[2]) != 0) {
        need(!loads && errno == ENOENT, argv[2]);
        char line[kLine];  // the cut came before the directory was on the disk: nothing may have been done then
        while (fgets(line, sizeof line, stdin) != NULL) {
            if (strcmp(line, "done\n") == 0) {
                printf("%s: is not there\n", argv[2]);
                return 1;
            }
        }
        printf("0 steps are there\n");
        return 0;
    }
    if (loads) load();
    check();
}
