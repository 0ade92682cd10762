/* Writing: a buffer in front of PATH.tmp, and the rename at the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "io/file.h"

#define BUFFER_BYTES ((size_t)1 << 16)

struct tap_writer {
    int fd, error;    /* error: the first errno, 0 = none so far  */
    bool in_place;    /* no temporary name                        */
    char *path, *tmp; /* tmp: what is open                        */
    uint64_t flushed; /* bytes that left the buffer               */
    size_t n;         /* bytes in the buffer                      */
    uint8_t buffer[BUFFER_BYTES];
};

static char *with_suffix(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    char *p = malloc(n + m + 1);
    if (!p) return NULL;
    memcpy(p, path, n);
    memcpy(p + n, suffix, m + 1);
    return p;
}

static void out_free(tap_writer *o) {
    if (o->fd >= 0) close(o->fd);
    free(o->path);
    free(o->tmp);
    free(o);
}

static bool is_special(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

tap_status tap_writer_open(const char *path, tap_writer **out, tap_error *err) {
    *out = NULL;
    tap_writer *o = malloc(sizeof *o);
    if (!o) return tap_error_no_memory(err, sizeof *o);
    o->fd = -1;
    o->error = 0;
    o->flushed = 0;
    o->n = 0;
    o->in_place = is_special(path);
    o->path = with_suffix(path, "");
    o->tmp = with_suffix(path, o->in_place ? "" : ".tmp");
    if (!o->path || !o->tmp) {
        out_free(o);
        return tap_error_no_memory(err, strlen(path));
    }
    int flags = o->in_place ? O_WRONLY : O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW;
    o->fd = open(o->tmp, flags | O_CLOEXEC, 0666);
    if (o->fd < 0) {
        tap_status s = tap_error_set(err, TAP_IO, "%s: cannot write: %s", o->tmp, strerror(errno));
        out_free(o);
        return s;
    }
    *out = o;
    return TAP_OK;
}

static void put(tap_writer *o, const uint8_t *p, size_t n) {
    while (n > 0 && !o->error) {
        ssize_t done = write(o->fd, p, n);
        if (done < 0) {
            if (errno != EINTR) o->error = errno;
            continue;
        }
        p += done;
        n -= (size_t)done;
        o->flushed += (uint64_t)done;
    }
}

static void flush(tap_writer *o) {
    put(o, o->buffer, o->n);
    o->n = 0;
}

void tap_writer_write(tap_writer *o, const void *p, size_t n) {
    if (o->error || n == 0) return;
    if (n > BUFFER_BYTES - o->n) flush(o);
    if (n > BUFFER_BYTES) {
        put(o, p, n);
        return;
    }
    memcpy(o->buffer + o->n, p, n);
    o->n += n;
}

void tap_writer_printf(tap_writer *o, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text) {
        if (!o->error) o->error = EOVERFLOW;
        return;
    }
    tap_writer_write(o, text, (size_t)n);
}

void tap_writer_patch(tap_writer *o, uint64_t at, const void *p, size_t n) {
    if (o->error) return;
    if (at >= o->flushed) {
        memcpy(o->buffer + (at - o->flushed), p, n);
        return;
    }
    flush(o);
    const uint8_t *x = p;
    while (n > 0 && !o->error) {
        ssize_t done = pwrite(o->fd, x, n, (off_t)at);
        if (done < 0) {
            if (errno != EINTR) o->error = errno;
            continue;
        }
        x += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
}

void tap_writer_flush(tap_writer *o) {
    flush(o);
}

void tap_writer_skip(tap_writer *o, uint64_t n) {
    flush(o);
    if (o->error) return;
    if (lseek(o->fd, (off_t)n, SEEK_CUR) < 0) o->error = errno;
    o->flushed += n;
}

bool tap_writer_read(tap_writer *o, uint64_t at, void *p, size_t n) {
    uint8_t *x = p;
    flush(o);
    while (n > 0) {
        ssize_t got = pread(o->fd, x, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        x += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

void tap_writer_cut(tap_writer *o, uint64_t at) {
    if (at > o->flushed) {
        uint64_t keep = at - o->flushed;
        if (keep < o->n) o->n = (size_t)keep;
        return;
    }
    o->n = 0;
    o->error = 0;
    if (ftruncate(o->fd, (off_t)at) != 0 || lseek(o->fd, (off_t)at, SEEK_SET) < 0) o->error = errno;
    o->flushed = at;
}

uint64_t tap_writer_at(const tap_writer *o) {
    return o->flushed + o->n;
}
bool tap_writer_failed(const tap_writer *o) {
    return o->error != 0;
}
const char *tap_writer_path(const tap_writer *o) {
    return o->path;
}

tap_status tap_writer_check(const tap_writer *o, tap_error *err) {
    if (!o->error) return TAP_OK;
    return tap_error_set(err, TAP_IO, "%s: cannot write: %s", o->tmp, strerror(o->error));
}

tap_status tap_writer_commit(tap_writer *o, bool sync, tap_error *err) {
    flush(o);
    if (!o->error && sync && !o->in_place && fsync(o->fd) != 0) o->error = errno;
    if (close(o->fd) != 0 && !o->error) o->error = errno;
    o->fd = -1;
    if (!o->error && !o->in_place && rename(o->tmp, o->path) != 0) o->error = errno;
    tap_status s = tap_writer_check(o, err);
    if (s == TAP_OK)
        out_free(o);
    else
        tap_writer_discard(o);
    return s;
}

void tap_writer_discard(tap_writer *o) {
    if (!o) return;
    if (!o->in_place) unlink(o->tmp);
    out_free(o);
}

tap_status tap_make_folder(const char *path, tap_error *err) {
    char *p = with_suffix(path, "");
    if (!p) return tap_error_no_memory(err, strlen(path));
    int failed = 0;
    for (char *at = p + (*p == '/'); *at && !failed; at++) {
        if (*at != '/') continue;
        *at = '\0';
        if (mkdir(p, 0777) != 0 && errno != EEXIST) failed = errno;
        *at = '/';
    }
    if (!failed && mkdir(p, 0777) != 0 && errno != EEXIST) failed = errno;
    struct stat st;
    if (!failed && (stat(p, &st) != 0 || !S_ISDIR(st.st_mode))) failed = ENOTDIR;
    free(p);
    if (failed) return tap_error_set(err, TAP_IO, "%s: cannot make the folder: %s", path, strerror(failed));
    return TAP_OK;
}
