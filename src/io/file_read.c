/* Reading: a regular file is mapped, anything else read to its end. */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

static const uint8_t nothing[1];

static tap_file *file_new(const uint8_t *data, size_t n_bytes, bool mapped) {
    tap_file *f = malloc(sizeof *f);
    if (!f) return NULL;
    atomic_init(&f->refs, 1);
    f->data = n_bytes ? data : nothing;
    f->n_bytes = n_bytes;
    f->mapped = mapped;
    return f;
}

static void drop_bytes(const uint8_t *data, size_t n_bytes, bool mapped) {
    if (data == nothing) return;
    if (mapped)
        munmap((void *)(uintptr_t)data, n_bytes);
    else
        free((void *)(uintptr_t)data);
}

void tap_file_retain(tap_file *f) {
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

void tap_file_release(tap_file *f) {
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1) return;
    drop_bytes(f->data, f->n_bytes, f->mapped);
    free(f);
}

static tap_status finish(const uint8_t *data, size_t n_bytes, bool mapped, tap_file **out, tap_error *err) {
    *out = file_new(data, n_bytes, mapped);
    if (*out) {
        if (n_bytes == 0) drop_bytes(data, 0, false);
        return TAP_OK;
    }
    drop_bytes(data, n_bytes, mapped);
    return tap_error_no_memory(err, sizeof **out);
}

static tap_status map_all(int fd, const char *path, size_t n_bytes, tap_file **out, tap_error *err) {
    if (n_bytes == 0) return finish(nothing, 0, true, out, err);
    void *p = mmap(NULL, n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) return tap_error_set(err, TAP_IO, "%s: cannot map it: %s", path, strerror(errno));
    return finish(p, n_bytes, true, out, err);
}

static tap_status read_all(int fd, const char *path, uint64_t limit, tap_file **out, tap_error *err) {
    uint8_t *p = NULL;
    size_t n = 0, room = 0;
    for (;;) {
        if (limit && n > limit) {
            free(p);
            return tap_error_set(err, TAP_MEMORY, "%s: longer than the memory limit of %llu bytes", path,
                                 (unsigned long long)limit);
        }
        if (n == room) {
            size_t more = room ? room * 2 : 1 << 16;
            uint8_t *q = more > room ? realloc(p, more) : NULL;
            if (!q) {
                free(p);
                return tap_error_no_memory(err, more);
            }
            p = q;
            room = more;
        }
        ssize_t got = read(fd, p + n, room - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            tap_status s = tap_error_set(err, TAP_IO, "%s: %s", path, strerror(errno));
            free(p);
            return s;
        }
        if (got == 0) return finish(p, n, false, out, err);
        n += (size_t)got;
    }
}

static tap_status read_or_map(int fd, const char *path, uint64_t limit, tap_file **out, tap_error *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) return tap_error_set(err, TAP_IO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) return tap_error_set(err, TAP_IO, "%s: is a folder", path);
    if (!S_ISREG(st.st_mode)) return read_all(fd, path, limit, out, err);
    if ((uintmax_t)st.st_size > SIZE_MAX / 2) return tap_error_set(err, TAP_IO, "%s: too large to map", path);
    return map_all(fd, path, (size_t)st.st_size, out, err);
}

tap_status tap_file_open(const char *path, uint64_t limit, tap_file **out, tap_error *err) {
    *out = NULL;
    if (strcmp(path, "-") == 0) return read_or_map(STDIN_FILENO, "standard input", limit, out, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tap_error_set(err, TAP_IO, "%s: %s", path, strerror(errno));
    tap_status s = read_or_map(fd, path, limit, out, err);
    close(fd);
    return s;
}
