/* Lets one flush of a SQLite WAL fail with EIO, as a dying disk does: whenever the file $FAIL_FLUSH is there, it is
   removed and the flush fails. Preloaded by tests/observer/test_disk.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd) {
    char link[64], path[4096];
    const char *wish = getenv("FAIL_FLUSH");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 4 || wish == NULL) return 0;
    path[length] = 0;
    return strcmp(path + length - 4, "-wal") == 0 && unlink(wish) == 0;
}

int fdatasync(int fd) {
    if (fails(fd)) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

int fsync(int fd) {
    if (fails(fd)) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
