/* Stands between a program and the system (LD_PRELOAD) and lets one call that changes files go wrong.

   Calls that change something below one of the folders given to faults_arm are counted: writing, making,
   renaming and removing files, making folders, waiting for the disk. At a chosen number the process is killed,
   before the call or in the middle of a write; or the disk is full from there on. Beside that, the wall clock
   can be set back, once or again at each look at it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { NOTHING, KILL, KILL_TORN, FULL };

static char folders[16384];
static int what = NOTHING;
static long at = 0, seen = 0;
static long long shift = 0, step = 0;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

void faults_arm(const char *watched, int how, long number) {
    snprintf(folders, sizeof folders, "%s", watched);
    seen = 0;
    at = number;
    what = how;
}

long faults_seen(void) { return seen; }

void faults_clock(long long seconds_back, long long seconds_back_each) {
    shift = seconds_back;
    step = seconds_back_each;
}

static int below(const char *path) {
    char whole[8192];
    if (path[0] != '/') {
        if (!getcwd(whole, 4096)) return 0;
        strncat(whole, "/", 2);
        strncat(whole, path, 4000);
        path = whole;
    }
    for (const char *folder = folders; *folder;) {
        const char *end = strchrnul(folder, ':');
        size_t length = end - folder;
        if (length && !strncmp(path, folder, length)) return 1;
        folder = *end ? end + 1 : end;
    }
    return 0;
}

static int below_descriptor(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

/* Number of this call, 0 where it does not count. */
static long counted(int watched) {
    if (what == NOTHING || !watched) return 0;
    return __sync_add_and_fetch(&seen, 1);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether the call fails because the disk is full; does not return where the process is killed. */
static int fails(long number) {
    if (!number) return 0;
    if ((what == KILL || what == KILL_TORN) && number == at) die();
    if (what == FULL && number >= at) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

/* How much of a write is made before it goes wrong; -1 for all of it, and nothing goes wrong. */
static ssize_t torn(long number, size_t size) {
    if (number && number == at && size > 1 && (what == KILL_TORN || what == FULL)) return size / 2;
    return -1;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    long number = what ? counted(below_descriptor(descriptor)) : 0;
    ssize_t part = torn(number, size);
    if (part >= 0) {
        ssize_t written = real(descriptor, data, part);
        if (what != FULL) die();
        return written;
    }
    return fails(number) ? -1 : real(descriptor, data, size);
}

static ssize_t at_place(ssize_t (*real)(int, const void *, size_t, off_t), int descriptor, const void *data, size_t size,
                        off_t place) {
    long number = what ? counted(below_descriptor(descriptor)) : 0;
    ssize_t part = torn(number, size);
    if (part >= 0) {
        ssize_t written = real(descriptor, data, part, place);
        if (what != FULL) die();
        return written;
    }
    return fails(number) ? -1 : real(descriptor, data, size, place);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t place) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return at_place(real, descriptor, data, size, place);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off_t place) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    return at_place(real, descriptor, data, size, place);
}

int fsync(int descriptor) {
    REAL(int, "fsync", int);
    return fails(what ? counted(below_descriptor(descriptor)) : 0) ? -1 : real(descriptor);
}

int fdatasync(int descriptor) {
    REAL(int, "fdatasync", int);
    return fails(what ? counted(below_descriptor(descriptor)) : 0) ? -1 : real(descriptor);
}

int ftruncate(int descriptor, off_t size) {
    REAL(int, "ftruncate", int, off_t);
    return fails(what ? counted(below_descriptor(descriptor)) : 0) ? -1 : real(descriptor, size);
}

int ftruncate64(int descriptor, off_t size) {
    REAL(int, "ftruncate64", int, off_t);
    return fails(what ? counted(below_descriptor(descriptor)) : 0) ? -1 : real(descriptor, size);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return fails(what ? counted(below(to)) : 0) ? -1 : real(from, to);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    return fails(what ? counted(below(path)) : 0) ? -1 : real(path, mode);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    /* A full disk lets files go. */
    if (what == KILL || what == KILL_TORN) fails(counted(below(path)));
    return real(path);
}

#define OPENING(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, #name, const char *, int, ...); \
        mode_t mode = 0; \
        if (flags & O_CREAT) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
            /* What is there already needs no room. */ \
            if (what && below(path) && access(path, F_OK) && fails(counted(1))) return -1; \
        } \
        return real(path, flags, mode); \
    }

OPENING(open)
OPENING(open64)

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    int status = real(clock, now);
    if (clock == CLOCK_REALTIME && (shift || step)) now->tv_sec -= __sync_add_and_fetch(&shift, step);
    return status;
}

time_t time(time_t *place) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}
