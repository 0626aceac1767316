/* A disk that misbehaves under one process, when a file that a test makes says so. Preloaded by
   tests/observer/test_disk.py.

   $FAIL_FLUSH: the next flush of a SQLite WAL fails with EIO, as on a dying disk; the file is removed.
   $FULL_DISK: as long as it is there, nothing can be written to a database or its WAL (ENOSPC); nor to a journal,
   where $FULL_JOURNAL is there.
   $READ_ONLY_DISK: the same with EROFS, as after the kernel has found a fault in the file system. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends(int fd, const char *suffix) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    ssize_t wanted = strlen(suffix);
    if (length < wanted) return 0;
    path[length] = 0;
    return strcmp(path + length - wanted, suffix) == 0;
}

static int is_there(const char *name) {
    const char *wish = getenv(name);
    return wish != NULL && access(wish, F_OK) == 0;
}

static int fails(int fd) {
    const char *wish = getenv("FAIL_FLUSH");
    return wish != NULL && ends(fd, "-wal") && unlink(wish) == 0;
}

/* What a write is refused with; 0 where it is not. */
static int refusal(int fd) {
    int is_of_database = ends(fd, "-wal") || ends(fd, ".db");
    if (is_of_database && is_there("READ_ONLY_DISK")) return EROFS;
    if (is_of_database && is_there("FULL_DISK")) return ENOSPC;
    return is_there("FULL_JOURNAL") && ends(fd, ".journal") ? ENOSPC : 0;
}

int fdatasync(int fd) {
    if (fails(fd)) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

int fsync(int fd) {
    if (fails(fd)) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

ssize_t write(int fd, const void *from, size_t count) {
    int refused = refusal(fd);
    if (refused) { errno = refused; return -1; }
    return ((ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, from, count);
}

ssize_t pwrite64(int fd, const void *from, size_t count, off64_t at) {
    int refused = refusal(fd);
    if (refused) { errno = refused; return -1; }
    return ((ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64"))(fd, from, count, at);
}
