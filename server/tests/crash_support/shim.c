/* Stands between a host and its disk: writes down what is done to the files of a folder, makes it fail when
 * told to, and sets the clock.
 *
 * Loaded with LD_PRELOAD. What the system is asked for goes past libc here, so that nothing is seen twice.
 *
 *   DISK_SHIM_ROOT      the folder that is watched
 *   DISK_SHIM_TRACE     where what is done is appended: see trace.rs for the records
 *   DISK_SHIM_CONTROL   a file of `struct control`, which the test may write at any time
 *
 * A record is appended after its deed, under one lock: the order of the records is the order of the deeds. Syncs
 * are recorded when they begin and when they end, and are not held under the lock. They are not passed on either:
 * what a power cut leaves is built from the trace, so waiting for a real disk would prove nothing.
 *
 * Whoever holds a flock on the trace stops all deeds: no deed is then without its record. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OPEN = 1, CLOSE, DUP, WRITE, SIZE, SYNC_BEGIN, SYNC_END, RENAME, REMOVE, MKDIR };
enum { CREATED = 1, TRUNCATED = 2, FOLDER = 4, FAILED = 8 };

struct control {
    int64_t clock_ms;          /* added to CLOCK_REALTIME */
    uint64_t sync_us;          /* how long a sync takes */
    uint64_t syncs_before;     /* syncs that succeed before the first that fails */
    uint64_t syncs_failing;    /* how many fail then, with EIO */
    uint64_t writes_before;    /* the same of writes; half of the first one is done */
    uint64_t writes_failing;
    uint64_t write_errno;
    uint64_t failed;           /* counted here: calls that were made to fail */
    char in[256];              /* faults only below a path that holds this text */
};

struct record {
    uint32_t bytes;            /* all of it, what follows included */
    uint8_t kind;
    uint8_t flags;
    uint16_t unused;
    int32_t fd;
    uint32_t unused_too;
    uint64_t value;
};

#define FDS 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[4096];
static size_t root_bytes;
static int trace = -1;
static uint64_t tokens;
static int half_done = -1;   /* the file whose last write was done by half */
static struct control *control;
static unsigned char watched[FDS];

static int is_watched(int fd) { return fd >= 0 && fd < FDS && watched[fd]; }

static int is_inside(const char *path) {
    return root_bytes && strncmp(path, root, root_bytes) == 0
        && (path[root_bytes] == '/' || path[root_bytes] == 0);
}

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("DISK_SHIM_ROOT");
    const char *to = getenv("DISK_SHIM_TRACE");
    const char *by = getenv("DISK_SHIM_CONTROL");
    if (!by) return;
    int fd = syscall(SYS_openat, AT_FDCWD, by, O_RDWR | O_CLOEXEC, 0);
    void *at = fd < 0 ? MAP_FAILED
                      : mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) { fprintf(stderr, "disk shim: no control\n"); abort(); }
    syscall(SYS_close, fd);
    control = at;
    if (!folder || !to) return;
    fd = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
    if (fd >= 0) {
        trace = fcntl(fd, F_DUPFD_CLOEXEC, 500);
        syscall(SYS_close, fd);
    }
    if (trace < 0) { fprintf(stderr, "disk shim: no trace\n"); abort(); }
    snprintf(root, sizeof root, "%s", folder);
    root_bytes = strlen(root);
}

static void take(void) {
    pthread_mutex_lock(&lock);
    while (syscall(SYS_flock, trace, LOCK_EX) < 0 && errno == EINTR) {}
}

static void give(void) {
    int kept = errno;
    syscall(SYS_flock, trace, LOCK_UN);
    pthread_mutex_unlock(&lock);
    errno = kept;
}

/* With the lock held. */
static void note(int kind, int flags, int fd, uint64_t value, const void *more, size_t bytes) {
    int kept = errno;
    struct record head = {sizeof head + bytes, kind, flags, 0, fd, 0, value};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)more, bytes}};
    ssize_t done = syscall(SYS_writev, trace, parts, bytes ? 2 : 1);
    if (done != (ssize_t)(sizeof head + bytes)) {
        fprintf(stderr, "disk shim: the trace cannot be written\n");
        abort();
    }
    errno = kept;
}

/* The path that `fd`, or `path` from there, is. */
static const char *absolute(int at, const char *path, char *space, size_t bytes) {
    if (path && path[0] == '/') return path;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t length = at == AT_FDCWD
        ? syscall(SYS_getcwd, space, bytes) - 1
        : syscall(SYS_readlinkat, AT_FDCWD, link, space, bytes - 1);
    if (length < 0) return "";
    space[length] = 0;
    if (path && path[0]) snprintf(space + length, bytes - length, "/%s", path);
    return space;
}

/* Whether a call on this file fails: `before` succeed, then `failing` do not. With the lock held. */
static int fails(int fd, uint64_t *before, uint64_t *failing) {
    if (!*failing) return 0;
    char space[4096];
    if (control->in[0] && !strstr(absolute(fd, 0, space, sizeof space), control->in)) return 0;
    if (*before) { --*before; return 0; }
    --*failing;
    ++control->failed;
    return 1;
}

/* Opening and closing. */

static int open_at(int at, const char *name, int flags, mode_t mode) {
    char space[4096];
    int kept = errno;
    const char *path = root_bytes ? absolute(at, name, space, sizeof space) : "";
    errno = kept;
    if (!is_inside(path)) return syscall(SYS_openat, at, name, flags, mode);
    take();
    struct stat before;
    int was_there = syscall(SYS_newfstatat, AT_FDCWD, path, &before, 0) == 0;
    int fd = syscall(SYS_openat, at, name, flags, mode);
    if (fd >= 0 && fd < FDS) {
        struct stat now;
        fstat(fd, &now);
        int said = (was_there ? 0 : CREATED)
            | (was_there && (flags & O_TRUNC) && S_ISREG(now.st_mode) ? TRUNCATED : 0)
            | (S_ISDIR(now.st_mode) ? FOLDER : 0);
        if (S_ISREG(now.st_mode) || S_ISDIR(now.st_mode)) {
            watched[fd] = 1;
            note(OPEN, said, fd, 0, path, strlen(path));
        }
    }
    give();
    return fd;
}

#define WITH_MODE                                              \
    mode_t mode = 0;                                           \
    if (flags & (O_CREAT | O_TMPFILE)) {                       \
        va_list list;                                          \
        va_start(list, flags);                                 \
        mode = va_arg(list, mode_t);                           \
        va_end(list);                                          \
    }

int open(const char *path, int flags, ...) { WITH_MODE return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { WITH_MODE return open_at(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { WITH_MODE return open_at(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { WITH_MODE return open_at(at, path, flags, mode); }

int close(int fd) {
    if (!is_watched(fd)) return syscall(SYS_close, fd);
    take();
    watched[fd] = 0;
    note(CLOSE, 0, fd, 0, 0, 0);
    int done = syscall(SYS_close, fd);
    give();
    return done;
}

static int control_fd(int fd, int command, uint64_t argument) {
    if (!is_watched(fd) || (command != F_DUPFD && command != F_DUPFD_CLOEXEC))
        return syscall(SYS_fcntl, fd, command, argument);
    take();
    int copy = syscall(SYS_fcntl, fd, command, argument);
    if (copy >= 0 && copy < FDS) {
        watched[copy] = 1;
        note(DUP, 0, fd, copy, 0, 0);
    }
    give();
    return copy;
}

#define WITH_ARGUMENT                                          \
    va_list list;                                              \
    va_start(list, command);                                   \
    uint64_t argument = va_arg(list, uint64_t);                \
    va_end(list);

int fcntl(int fd, int command, ...) { WITH_ARGUMENT return control_fd(fd, command, argument); }
int fcntl64(int fd, int command, ...) { WITH_ARGUMENT return control_fd(fd, command, argument); }

/* Content. */

static ssize_t write_at(int fd, const void *bytes, size_t count, off_t offset) {
    take();
    if (half_done == fd || fails(fd, &control->writes_before, &control->writes_failing)) {
        /* A disk fills up, or breaks, in the middle of a write. */
        if (half_done == fd || count < 2) {
            half_done = -1;
            errno = control->write_errno;
            give();
            return -1;
        }
        half_done = fd;
        count /= 2;
    }
    ssize_t done = offset < 0 ? syscall(SYS_write, fd, bytes, count)
                              : syscall(SYS_pwrite64, fd, bytes, count, offset);
    if (done > 0) {
        if (offset < 0) offset = syscall(SYS_lseek, fd, 0, SEEK_CUR) - done;
        note(WRITE, 0, fd, offset, bytes, done);
    }
    give();
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return is_watched(fd) ? write_at(fd, bytes, count, offset)
                          : syscall(SYS_pwrite64, fd, bytes, count, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    return pwrite(fd, bytes, count, offset);
}
ssize_t write(int fd, const void *bytes, size_t count) {
    return is_watched(fd) ? write_at(fd, bytes, count, -1) : syscall(SYS_write, fd, bytes, count);
}
/* A part of what was asked for is done: callers go on with the rest. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!is_watched(fd)) return syscall(SYS_writev, fd, parts, count);
    for (int at = 0; at < count; at++)
        if (parts[at].iov_len) return write_at(fd, parts[at].iov_base, parts[at].iov_len, -1);
    return 0;
}

int ftruncate(int fd, off_t bytes) {
    if (!is_watched(fd)) return syscall(SYS_ftruncate, fd, bytes);
    take();
    int done = syscall(SYS_ftruncate, fd, bytes);
    if (done == 0) note(SIZE, 0, fd, bytes, 0, 0);
    give();
    return done;
}
int ftruncate64(int fd, off64_t bytes) { return ftruncate(fd, bytes); }

static int sync_file(int fd, int call) {
    if (!is_watched(fd)) return syscall(call, fd);
    take();
    uint64_t token = ++tokens;
    note(SYNC_BEGIN, 0, fd, token, 0, 0);
    int failed = fails(fd, &control->syncs_before, &control->syncs_failing);
    give();
    struct timespec time = {control->sync_us / 1000000, control->sync_us % 1000000 * 1000};
    syscall(SYS_nanosleep, &time, 0);
    take();
    note(SYNC_END, failed ? FAILED : 0, fd, token, 0, 0);
    if (failed) errno = EIO;
    give();
    return failed ? -1 : 0;
}

int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

/* Names. */

static int rename_at(int at, const char *from, int to_at, const char *to, unsigned flags) {
    char one[4096], two[4096], both[8194];
    const char *old = root_bytes ? absolute(at, from, one, sizeof one) : "";
    if (!is_inside(old)) return syscall(SYS_renameat2, at, from, to_at, to, flags);
    const char *new = absolute(to_at, to, two, sizeof two);
    int bytes = snprintf(both, sizeof both, "%s%c%s", old, '\n', new);
    take();
    int done = syscall(SYS_renameat2, at, from, to_at, to, flags);
    if (done == 0) note(RENAME, 0, -1, 0, both, bytes);
    give();
    return done;
}

int rename(const char *from, const char *to) { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int at, const char *from, int to_at, const char *to) {
    return rename_at(at, from, to_at, to, 0);
}
int renameat2(int at, const char *from, int to_at, const char *to, unsigned flags) {
    return rename_at(at, from, to_at, to, flags);
}

static int remove_at(int at, const char *name, int flags) {
    char space[4096];
    const char *path = root_bytes ? absolute(at, name, space, sizeof space) : "";
    if (!is_inside(path)) return syscall(SYS_unlinkat, at, name, flags);
    take();
    int done = syscall(SYS_unlinkat, at, name, flags);
    if (done == 0) note(REMOVE, 0, -1, 0, path, strlen(path));
    give();
    return done;
}

int unlink(const char *path) { return remove_at(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return remove_at(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int at, const char *path, int flags) { return remove_at(at, path, flags); }

static int make_at(int at, const char *name, mode_t mode) {
    char space[4096];
    const char *path = root_bytes ? absolute(at, name, space, sizeof space) : "";
    if (!is_inside(path)) return syscall(SYS_mkdirat, at, name, mode);
    take();
    int done = syscall(SYS_mkdirat, at, name, mode);
    if (done == 0) note(MKDIR, 0, -1, 0, path, strlen(path));
    give();
    return done;
}

int mkdir(const char *path, mode_t mode) { return make_at(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return make_at(at, path, mode); }

/* Time. */

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = syscall(SYS_clock_gettime, clock, now);
    if (done == 0 && control && clock == CLOCK_REALTIME) {
        int64_t ms = control->clock_ms;
        now->tv_sec += ms / 1000;
        now->tv_nsec += ms % 1000 * 1000000;
        if (now->tv_nsec < 0) { now->tv_nsec += 1000000000; now->tv_sec -= 1; }
        if (now->tv_nsec >= 1000000000) { now->tv_nsec -= 1000000000; now->tv_sec += 1; }
    }
    return done;
}
