/* A disk that is full, broken or slow, for one folder: loaded before the C library (LD_PRELOAD) into a gateway that is
 * tested. What happens stands in the file FAULT_DISK, and may change at any time:
 *
 *   write 28    writing fails with this error (28 is ENOSPC, 5 is EIO)
 *   create 28   making a file fails with this error
 *   sync 5      fsync and fdatasync fail with this error
 *   slow 200    fsync and fdatasync take so many milliseconds
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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

static int is_in_folder(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t count = readlink(link, path, sizeof path - 1);
    if (count < 0) return 0;
    path[count] = 0;
    return is_ours(path);
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

ssize_t write(int fd, const void *octets, size_t count) {
    FAIL("write", fd);
    return syscall(SYS_write, fd, octets, count);
}

ssize_t pwrite64(int fd, const void *octets, size_t count, off64_t at) {
    FAIL("write", fd);
    return syscall(SYS_pwrite64, fd, octets, count, at);
}

ssize_t pwrite(int fd, const void *octets, size_t count, off_t at) { return pwrite64(fd, octets, count, at); }

static int synchronise(long call, int fd) {
    int milliseconds = fault("slow", fd);
    struct timespec wait = {milliseconds / 1000, (milliseconds % 1000) * 1000000L};
    if (milliseconds) nanosleep(&wait, 0);
    FAIL("sync", fd);
    return syscall(call, fd);
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
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
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
