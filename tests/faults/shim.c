/* A disk on which a process can end, or fail, at any call; preloaded into that process.

   From `faults_watch` on, every call that changes something below one folder is counted,
   and written into a trace if one is wanted. `faults_exit` and `faults_fail` say what is to
   become of which call, `faults_quota` how much its files may grow. Nothing is ever synced: what a process leaves behind when it ends
   does not depend on that, and for what a machine leaves behind there is the trace.

   The trace is a sequence of entries: a head, and the bytes that belong to it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { DATA = 1, META = 2, SYNC = 4, SIZE = 8, NAME = 16, MARK = 32 };
enum { SECTOR = 512, DEAD = 9 };
enum { PAUSE = 500 }; /* microseconds that a sync takes: others get on meanwhile */

struct head {
    uint32_t kind;
    uint32_t size;   /* bytes that follow */
    uint64_t file;   /* the file, or the folder in which there is a name */
    uint64_t object; /* what is under that name now; 0 if nothing is any more */
    int64_t at;      /* where in the file; its new length; whether the object is a folder */
};

static char folder[PATH_MAX];
static size_t length; /* of its path; 0 while nothing is watched */
static int trace = -1;
static atomic_long calls;
static long last; /* the call that is the last one; 0 if none is */
static int torn;
static unsigned int seed;
static int failing; /* kinds of calls */
static int performed;
static atomic_long spared;   /* how many calls are still to be left alone, and then */
static atomic_long failures; /* how many are to fail */
static atomic_long quota = LONG_MAX; /* bytes by which the files may still grow */

#define REAL(name) \
    static __typeof__(&name) real; \
    if (real == NULL) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static ssize_t real_write(int fd, const void *bytes, size_t size) {
    REAL(write);
    return real(fd, bytes, size);
}

static ssize_t real_pwrite(int fd, const void *bytes, size_t size, off_t at) {
    REAL(pwrite);
    return real(fd, bytes, size, at);
}

static int real_open(const char *path, int flags, mode_t mode) {
    REAL(open);
    return real(path, flags, mode);
}

/* -- what the test says ----------------------------------------------------------- */

void faults_watch(const char *path, const char *into) {
    if (into != NULL)
        trace = real_open(into, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    strncpy(folder, path, sizeof folder - 1);
    calls = 0;
    length = strlen(folder);
}

long faults_calls(void) { return calls; }

/* End the process instead of the call `at`; or `tearing` the first write from there on, with
   some of its sectors on disk. */
void faults_exit(long at, int tearing, unsigned int dice) {
    torn = tearing;
    seed = dice;
    last = at;
}

/* Let calls of these kinds fail, but for the first ones; all the same they are performed, if
   so wanted. */
void faults_fail(int kinds, long first, long times, int perform) {
    failures = 0;
    failing = kinds;
    performed = perform;
    spared = first;
    failures = times;
}

/* From now on the files may grow by so many bytes in all: what is over is refused. */
void faults_quota(long bytes) { quota = bytes; }

static void note(enum kind kind, uint64_t file, uint64_t object, int64_t at, const void *bytes,
                 size_t size) {
    if (trace < 0)
        return;
    struct head head = {kind, size, file, object, at};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)bytes, size}};
    REAL(writev);
    if (real(trace, parts, 2) != (ssize_t)(sizeof head + size))
        abort();
}

/* The process says something, which is as true as what is on disk by now. */
void faults_mark(const char *bytes, size_t size) { note(MARK, 0, 0, 0, bytes, size); }

/* -- what becomes of a call ------------------------------------------------------- */

/* One more call: whether it fails. A write that ends the process is torn by its caller. */
static int count(enum kind kind, int *ends) {
    long now = ++calls;
    *ends = last && now >= last && (!torn || kind == DATA || kind == META);
    if (*ends && !torn)
        _exit(DEAD);
    if (!(failing & kind) || failures <= 0)
        return 0;
    return spared-- <= 0 && failures-- > 0;
}

static int below(const char *path) {
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int watched(int fd) {
    char name[64], path[PATH_MAX];
    if (length == 0)
        return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(name, path, sizeof path - 1);
    if (got < 0)
        return 0;
    path[got] = 0;
    return below(path);
}

static uint64_t inode(int fd) {
    struct stat found;
    return fstat(fd, &found) == 0 ? found.st_ino : 0;
}

static int fail(void) {
    errno = EIO;
    return -1;
}

/* Whether a file may end there; if so, what it is longer by is taken off the quota. */
static int affords(int fd, off_t end) {
    struct stat found;
    if (quota == LONG_MAX || fstat(fd, &found) != 0 || end <= found.st_size)
        return 1;
    if (end - found.st_size > quota)
        return 0;
    quota -= end - found.st_size;
    return 1;
}

/* -- writes ----------------------------------------------------------------------- */

/* Write some of the sectors: the first ones, or any. */
static void tear(int fd, const char *bytes, size_t size, off_t at) {
    int appends = fcntl(fd, F_GETFL) & O_APPEND; /* then pwrite would append as well */
    int prefix = appends || rand_r(&seed) % 2;
    size_t sectors = (at % SECTOR + size + SECTOR - 1) / SECTOR;
    size_t kept = rand_r(&seed) % (sectors + 1);
    for (size_t done = 0, sector = 0; done < size; sector++) {
        size_t some = SECTOR - (at + done) % SECTOR;
        if (some > size - done)
            some = size - done;
        if (prefix ? sector < kept : rand_r(&seed) % 2) {
            if (appends)
                real_write(fd, bytes + done, some);
            else
                real_pwrite(fd, bytes + done, some, at + done);
        }
        done += some;
    }
    _exit(DEAD);
}

/* Around a write at a place of a file: whether it is to be performed; else `result` is its, an
   error. */
static int begin(int fd, const void *bytes, size_t size, off_t at, ssize_t *result) {
    int ends, flags = fcntl(fd, F_GETFL);
    enum kind kind = flags & O_DSYNC ? META : DATA;
    if (flags & O_APPEND) {
        struct stat found;
        at = fstat(fd, &found) == 0 ? found.st_size : 0;
    }
    *result = affords(fd, at + size) ? 0 : EDQUOT;
    if (*result)
        return 0;
    int fails = count(kind, &ends);
    if (ends)
        tear(fd, bytes, size, at);
    if (!fails || performed)
        note(kind, inode(fd), 0, at, bytes, size);
    *result = fails ? EIO : 0;
    return !fails || performed;
}

static ssize_t finish(ssize_t failed, ssize_t result) {
    if (failed == 0)
        return result;
    errno = failed;
    return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
    ssize_t failed;
    if (!watched(fd))
        return real_pwrite(fd, bytes, size, at);
    ssize_t result = 0;
    if (begin(fd, bytes, size, at, &failed))
        result = real_pwrite(fd, bytes, size, at);
    return finish(failed, result);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    return pwrite(fd, bytes, size, at);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    ssize_t failed;
    if (!watched(fd))
        return real_write(fd, bytes, size);
    ssize_t result = 0;
    if (begin(fd, bytes, size, lseek(fd, 0, SEEK_CUR), &failed))
        result = real_write(fd, bytes, size);
    return finish(failed, result);
}

static char *joined(const struct iovec *parts, int count, size_t *size) {
    *size = 0;
    for (int each = 0; each < count; each++)
        *size += parts[each].iov_len;
    char *all = malloc(*size + 1), *end = all;
    for (int each = 0; each < count; each++)
        end = mempcpy(end, parts[each].iov_base, parts[each].iov_len);
    return all;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    if (!watched(fd))
        return real(fd, parts, count);
    size_t size;
    char *all = joined(parts, count, &size);
    ssize_t result = write(fd, all, size);
    free(all);
    return result;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    REAL(pwritev);
    if (!watched(fd))
        return real(fd, parts, count, at);
    size_t size;
    char *all = joined(parts, count, &size);
    ssize_t result = pwrite(fd, all, size, at);
    free(all);
    return result;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    return pwritev(fd, parts, count, at);
}

/* -- syncs and sizes -------------------------------------------------------------- */

static int sync_of(int fd) {
    int ends;
    if (count(SYNC, &ends))
        return fail();
    usleep(PAUSE);
    note(SYNC, inode(fd), 0, 0, "", 0);
    return 0;
}

int fsync(int fd) {
    REAL(fsync);
    return watched(fd) ? sync_of(fd) : real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return watched(fd) ? sync_of(fd) : real(fd);
}

int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    int ends;
    if (!watched(fd))
        return real(fd, size);
    if (count(SIZE, &ends))
        return fail();
    struct stat found; /* what is only longer takes no room */
    if (quota != LONG_MAX && fstat(fd, &found) == 0 && size < found.st_size)
        quota += found.st_size - size;
    note(SIZE, inode(fd), 0, size, "", 0);
    return real(fd, size);
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int truncate(const char *path, off_t size) {
    REAL(truncate);
    if (length == 0 || !below(path))
        return real(path, size);
    int fd = real_open(path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = ftruncate(fd, size);
    close(fd);
    return result;
}

int truncate64(const char *path, off64_t size) { return truncate(path, size); }

int posix_fallocate(int fd, off_t at, off_t size) {
    REAL(posix_fallocate);
    int ends;
    struct stat found;
    if (!watched(fd))
        return real(fd, at, size);
    if (count(SIZE, &ends))
        return EIO;
    if (!affords(fd, at + size))
        return EDQUOT;
    if (fstat(fd, &found) == 0 && found.st_size < at + size)
        note(SIZE, inode(fd), 0, at + size, "", 0);
    return real(fd, at, size);
}

int posix_fallocate64(int fd, off64_t at, off64_t size) { return posix_fallocate(fd, at, size); }

/* -- names ------------------------------------------------------------------------ */

/* What is under a name has changed; so has what was under the `former` one, if there is any. */
static void name(const char *path, const char *former, int gone) {
    char parent[PATH_MAX], both[2 * NAME_MAX + 2];
    struct stat in, object = {0};
    const char *base = strrchr(path, '/') + 1;
    snprintf(parent, sizeof parent, "%.*s", (int)(base - path - 1), path);
    strcpy(both, base);
    size_t size = strlen(base);
    if (former != NULL) {
        strcpy(both + size + 1, strrchr(former, '/') + 1);
        size += 1 + strlen(both + size + 1);
    }
    if (stat(parent, &in) == 0 && (gone || lstat(path, &object) == 0))
        note(NAME, in.st_ino, object.st_ino, S_ISDIR(object.st_mode), both, size);
}

static int named(const char *path) { return length && below(path) && path[length]; }

static int make(const char *path, int flags, mode_t mode) {
    int ends;
    if (!(flags & O_CREAT) || !named(path) || access(path, F_OK) == 0)
        return real_open(path, flags, mode);
    if (count(NAME, &ends))
        return fail();
    int fd = real_open(path, flags, mode);
    if (fd >= 0)
        name(path, NULL, 0);
    return fd;
}

#define MODE(flags) \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
    va_end(rest)

int open(const char *path, int flags, ...) {
    MODE(flags);
    return make(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags);
    return make(path, flags, mode);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    int ends;
    if (!named(path) || access(path, F_OK) == 0)
        return real(path, mode);
    if (count(NAME, &ends))
        return fail();
    int result = real(path, mode);
    if (result == 0)
        name(path, NULL, 0);
    return result;
}

/* Within one folder, as all of ours are. */
int rename(const char *from, const char *to) {
    REAL(rename);
    int ends;
    if (!named(from) || !named(to))
        return real(from, to);
    if (count(NAME, &ends))
        return fail();
    int result = real(from, to);
    if (result == 0)
        name(to, from, 0);
    return result;
}

int unlink(const char *path) {
    REAL(unlink);
    int ends;
    if (!named(path) || access(path, F_OK) != 0)
        return real(path);
    if (count(NAME, &ends))
        return fail();
    name(path, NULL, 1);
    return real(path);
}
