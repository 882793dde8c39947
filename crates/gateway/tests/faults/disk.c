/* A disk that is full, broken or slow, for one folder: loaded before the C library (LD_PRELOAD) into a gateway that is
 * tested. What happens stands in the file FAULT_DISK, and may change at any time:
 *
 *   write 28    writing fails with this error (28 is ENOSPC, 5 is EIO)
 *   create 28   making a file fails with this error
 *   sync 5      fsync and fdatasync fail with this error
 *   slow 200    fsync and fdatasync take so many milliseconds
 *
 * With FAULT_DISK_LOG everything that changes the folder is written down there, one record after the other, each with a
 * line `WHAT NUMBER LENGTH PATH` and, behind that, what was written: for a write the number is its place, for a
 * synchronisation how many records there were when it began.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int told(const char *what) {
    const char *file = getenv("FAULT_DISK");
    char text[64];
    size_t length = strlen(what);
    if (!file) return 0;
    long fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    long count = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (count <= 0) return 0;
    text[count] = 0;
    return !strncmp(text, what, length) && text[length] == ' ' ? atoi(text + length + 1) : 0;
}

static int is_ours(const char *path) {
    const char *folder = getenv("FAULT_DISK_FOLDER");
    return folder && !strncmp(path, folder, strlen(folder));
}

static int find(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t count = readlink(link, path, 4095);
    if (count < 0) return 0;
    path[count] = 0;
    return is_ours(path);
}

static int is_in_folder(int fd) {
    char path[4096];
    return find(fd, path);
}

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static long records;

/* Called with the lock. */
static void note(const char *what, long number, const char *path, const void *octets, size_t count) {
    char line[4200];
    int length = snprintf(line, sizeof line, "%s %ld %zu %s\n", what, number, count, path);
    long fd = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_DISK_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || syscall(SYS_write, fd, line, length) != length) abort();
    if (count && syscall(SYS_write, fd, octets, count) != (long)count) abort();
    syscall(SYS_close, fd);
    records++;
}

static int fault(const char *what, int fd) {
    int error = told(what);
    return error && is_in_folder(fd) ? error : 0;
}

#define FAIL(what, fd)                    \
    do {                                  \
        int error = fault(what, fd);      \
        if (error) {                      \
            errno = error;                \
            return -1;                    \
        }                                 \
    } while (0)

static ssize_t written(int fd, const void *octets, size_t count, int has_place, off64_t at) {
    char path[4096];
    FAIL("write", fd);
    int noted = getenv("FAULT_DISK_LOG") && find(fd, path);
    if (noted) pthread_mutex_lock(&order);
    if (noted && !has_place) at = syscall(SYS_lseek, fd, 0, SEEK_CUR);
    ssize_t done = has_place ? syscall(SYS_pwrite64, fd, octets, count, at) : syscall(SYS_write, fd, octets, count);
    int error = errno;
    if (noted && done > 0) note("write", at, path, octets, done);
    if (noted) pthread_mutex_unlock(&order);
    errno = error;
    return done;
}

ssize_t write(int fd, const void *octets, size_t count) { return written(fd, octets, count, 0, 0); }

ssize_t pwrite64(int fd, const void *octets, size_t count, off64_t at) { return written(fd, octets, count, 1, at); }

int ftruncate64(int fd, off64_t length) {
    char path[4096];
    int noted = getenv("FAULT_DISK_LOG") && find(fd, path);
    if (noted) pthread_mutex_lock(&order);
    int done = syscall(SYS_ftruncate, fd, length);
    int error = errno;
    if (noted && !done) note("truncate", length, path, 0, 0);
    if (noted) pthread_mutex_unlock(&order);
    errno = error;
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int unlink(const char *path) {
    int noted = getenv("FAULT_DISK_LOG") && is_ours(path);
    if (noted) pthread_mutex_lock(&order);
    int done = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    int error = errno;
    if (noted && !done) note("unlink", 0, path, 0, 0);
    if (noted) pthread_mutex_unlock(&order);
    errno = error;
    return done;
}

ssize_t pwrite(int fd, const void *octets, size_t count, off_t at) { return pwrite64(fd, octets, count, at); }

static int synchronise(long call, int fd) {
    int milliseconds = fault("slow", fd);
    struct timespec wait = {milliseconds / 1000, (milliseconds % 1000) * 1000000L};
    if (milliseconds) nanosleep(&wait, 0);
    FAIL("sync", fd);
    char path[4096];
    if (!getenv("FAULT_DISK_LOG") || !find(fd, path)) return syscall(call, fd);
    pthread_mutex_lock(&order);
    long before = records;
    pthread_mutex_unlock(&order);
    if (syscall(call, fd)) return -1;
    pthread_mutex_lock(&order);
    note("sync", before, path, 0, 0);
    pthread_mutex_unlock(&order);
    return 0;
}

int fsync(int fd) { return synchronise(SYS_fsync, fd); }

int fdatasync(int fd) { return synchronise(SYS_fdatasync, fd); }

static int opened(const char *path, int flags, mode_t mode) {
    int makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    int error = makes && is_ours(path) ? told("create") : 0;
    if (error) {
        errno = error;
        return -1;
    }
    if (!(flags & O_CREAT) || !getenv("FAULT_DISK_LOG") || !is_ours(path))
        return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    pthread_mutex_lock(&order);
    int is_new = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
    long fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    error = errno;
    if (fd >= 0 && is_new) note("create", 0, path, 0, 0);
    pthread_mutex_unlock(&order);
    errno = error;
    return fd;
}

static mode_t mode_of(int flags, va_list more) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(more, mode_t) : 0;
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return opened(path, flags | O_LARGEFILE, mode);
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return opened(path, flags, mode);
}
