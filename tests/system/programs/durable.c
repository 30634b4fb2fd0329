// SPDX-License-Identifier: MIT
// What has to be there after a power cut.
//
//   durable load DIRECTORY SEED          takes steps on files in DIRECTORY (which it makes) for ever. The seed says which. After each it prints "done":
//                                        an fsync of all that it takes has returned
//   durable check DIRECTORY SEED DONE    so many steps have to be there, byte for byte, and of those behind them any part: what is printed may be
//                                        on its way when the power goes. Prints a line for what is wrong, and "DONE steps are there"; status 1
//                                        if anything is wrong
//
// Content follows from seed, file and version. Kinds of files:
//   replaced   a whole new file is written under another name, and renamed: it is one version or another
//   removed    the same, and unlinked by every second step
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

enum { kFiles = 6, kMostBytes = 60000, kSector = 512, kSectors = 128, kLogStep = 9000, kAhead = 1000 };
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

/// Something that comes and goes.
struct Noise {
    unsigned name, action, size, cut;
};
/// A step, and the noise before it.
struct Step {
    int kind, file;
    unsigned version;
    unsigned size;          // of the file, afterwards; of a log too
    unsigned first, count;  // bytes of a log, sectors of a patched file
    unsigned noises;
    struct Noise noise[3];
};

static unsigned versions[kKinds][kFiles];
static unsigned log_sizes[kFiles];

/// The next one; what is drawn does not depend on what is on the disk.
static struct Step next_step(void) {
    struct Step step = {0};
    step.noises = random_below(4);
    for (unsigned i = 0; i < step.noises; i++)
        step.noise[i] = (struct Noise){random_below(40), random_below(4), random_below(20000), random_below(30000)};
    step.kind = (int)random_below(kKinds);
    step.file = (int)random_below(kFiles);
    step.version = ++versions[step.kind][step.file];
    const unsigned a = random_below(kMostBytes), b = random_below(kMostBytes);
    step.size = a;
    if (step.kind == logged) {
        step.first = log_sizes[step.file];
        step.count = 1 + a % kLogStep;
        step.size = log_sizes[step.file] = step.first + step.count;
    } else if (step.kind == patched) {
        step.first = step.version == 1 ? 0 : a % kSectors;
        step.count = step.version == 1 ? kSectors : 1 + b % (kSectors - step.first);
    }
    return step;
}

/// Every second version of a removed file is that there is none.
static int is_there(const struct Step* step) { return step->version != 0 && (step->kind != removed || step->version % 2 == 1); }

static void replace(const struct Step* step) {
    const char* name = name_of(step->kind, step->file);
    if (is_there(step)) {
        fill(step->kind, step->file, step->version, 0, step->size);
        const int out = open("new", O_WRONLY | O_CREAT | O_TRUNC, 0644);
        need(out >= 0, "new");
        put(out, step->size);
        need(fsync(out) == 0 && close(out) == 0 && rename("new", name) == 0, "replace");
    } else {
        need(unlink(name) == 0, "unlink");
    }
    sync_directory();
}

static void append(const struct Step* step) {
    const int out = open(name_of(logged, step->file), O_WRONLY | O_CREAT | O_APPEND, 0644);
    need(out >= 0, "log");
    fill(logged, step->file, 0, step->first, step->count);
    put(out, step->count);
    need((step->version % 2 ? fdatasync(out) : fsync(out)) == 0 && close(out) == 0, "append");
    if (step->version == 1) sync_directory();
}

static void fill_sector(const struct Step* step, unsigned sector) {
    fill(patched, step->file, step->version, (uint64_t)sector * kSector, kSector);
    memcpy(bytes, &step->version, sizeof step->version);
}

static void patch(const struct Step* step) {
    const int out = open(name_of(patched, step->file), O_RDWR | O_CREAT, 0644);
    need(out >= 0, "patched");
    for (unsigned sector = step->first; sector < step->first + step->count; sector++) {
        fill_sector(step, sector);
        need(pwrite(out, bytes, kSector, (off_t)sector * kSector) == kSector, "pwrite");
    }
    need(fsync(out) == 0 && close(out) == 0, "patch");
    if (step->version == 1) sync_directory();
}

static void make_noise(const struct Noise* noise) {
    char name[32];
    snprintf(name, sizeof name, "noise%u", noise->name);
    if (noise->action == 0) {
        if (mkdir(name, 0755) != 0) rmdir(name);
    } else if (noise->action == 1) {
        unlink(name);
    } else {
        const int out = open(name, O_WRONLY | O_CREAT, 0644);
        if (out < 0) return;  // a directory
        memset(bytes, 'n', noise->size);
        put(out, noise->size);
        if (noise->action == 3) need(ftruncate(out, noise->cut) == 0, "ftruncate");
        close(out);
    }
}

static void load(void) {
    for (;;) {
        const struct Step step = next_step();
        for (unsigned i = 0; i < step.noises; i++) make_noise(&step.noise[i]);
        if (step.kind == logged) append(&step);
        else if (step.kind == patched) patch(&step);
        else replace(&step);
        need(write(1, "done\n", 5) == 5, "stdout");
    }
}

static int wrong;

static void complain(const char* name, const char* what, long a, long b) {
    printf("%s: %s (%ld, %ld)\n", name, what, a, b);
    wrong = 1;
}

/// Whether the file is as after that step.
static int is_version(const struct Step* step) {
    static unsigned char found[kMostBytes + 1];
    const char* name = name_of(step->kind, step->file);
    if (!is_there(step)) return access(name, F_OK) != 0;
    const int in = open(name, O_RDONLY);
    if (in < 0) return 0;
    const ssize_t size = read(in, found, sizeof found);
    close(in);
    if (size != (ssize_t)step->size) return 0;
    fill(step->kind, step->file, step->version, 0, step->size);
    return memcmp(found, bytes, step->size) == 0;
}

static void check_log(int file, unsigned least, unsigned most) {
    const char* name = name_of(logged, file);
    struct stat status;
    if (stat(name, &status) != 0) {
        if (least != 0) complain(name, "is not there", least, most);
        return;
    }
    if (status.st_size < (off_t)least || status.st_size > (off_t)most) complain(name, "has the wrong size", status.st_size, least);
    FILE* in = fopen(name, "r");
    need(in != NULL, name);
    for (off_t at = 0; at < status.st_size; at++) {
        if (fgetc(in) == content(logged, file, 0, (uint64_t)at)) continue;
        complain(name, "has a wrong byte", at, least);
        break;
    }
    fclose(in);
}

static void check_patched(int file, const unsigned least[kSectors], const unsigned most[kSectors]) {
    const char* name = name_of(patched, file);
    unsigned char found[kSector];
    const int in = open(name, O_RDONLY);
    if (in < 0) {
        if (least[0] != 0) complain(name, "is not there", least[0], most[0]);
        return;
    }
    for (unsigned sector = 0; sector < kSectors; sector++) {
        const ssize_t size = pread(in, found, kSector, (off_t)sector * kSector);
        struct Step step = {.kind = patched, .file = file};
        if (size == kSector) memcpy(&step.version, found, sizeof step.version);
        if (step.version == 0 && least[sector] == 0) continue;  // not yet written
        fill_sector(&step, sector);
        if (step.version < least[sector] || step.version > most[sector]) complain(name, "has a sector of a wrong version", sector, step.version);
        else if (memcmp(found, bytes, kSector) != 0) complain(name, "has a wrong sector", sector, step.version);
    }
    close(in);
}

static void check(unsigned long count) {
    static int right[kKinds][kFiles];
    static struct Step last[kKinds][kFiles];
    static unsigned least[kFiles][kSectors], most[kFiles][kSectors];
    unsigned log_done[kFiles];
    for (unsigned long i = 0; i < count; i++) {
        const struct Step step = next_step();
        last[step.kind][step.file] = step;
        for (unsigned n = 0; step.kind == patched && n < step.count; n++) least[step.file][step.first + n] = step.version;
    }
    memcpy(log_done, log_sizes, sizeof log_done);
    memcpy(most, least, sizeof most);
    for (int file = 0; file < kFiles; file++)
        for (int kind = replaced; kind <= removed; kind++) {
            last[kind][file].kind = kind;
            last[kind][file].file = file;
            right[kind][file] = is_version(&last[kind][file]);
        }
    for (int i = 0; i < kAhead; i++) {  // what may have been done, or begun
        const struct Step step = next_step();
        for (unsigned n = 0; step.kind == patched && n < step.count; n++) most[step.file][step.first + n] = step.version;
        if ((step.kind == replaced || step.kind == removed) && !right[step.kind][step.file])
            right[step.kind][step.file] = is_version(&step);
    }
    for (int file = 0; file < kFiles; file++) {
        for (int kind = replaced; kind <= removed; kind++)
            if (!right[kind][file]) complain(name_of(kind, file), "is no version", last[kind][file].version, 0);
        check_log(file, log_done[file], log_sizes[file]);
        check_patched(file, least[file], most[file]);
    }
}

int main(int argc, char** argv) {
    const int loads = argc == 4 && strcmp(argv[1], "load") == 0;
    if (!loads && (argc != 5 || strcmp(argv[1], "check") != 0)) return 2;
    seed = state = strtoull(argv[3], NULL, 10);
    if (loads) {
        need(mkdir(argv[2], 0755) == 0 && chdir(argv[2]) == 0, argv[2]);
        load();
    }
    const unsigned long count = strtoul(argv[4], NULL, 10);
    if (chdir(argv[2]) == 0) check(count);
    else if (count != 0) complain(argv[2], "is not there", 0, 0);  // the first step makes the directory last too
    printf("%lu steps are there\n", count);
    return wrong;
}
