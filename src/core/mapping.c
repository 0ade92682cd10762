/* Files mapped for a model. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mapping.h"

struct tap_mapped {
    atomic_int refs;
    char *path;
    dev_t device;
    ino_t inode;
    struct timespec time;
};

static tap_status system_error(tap_error *err, const char *path, const char *what) {
    return tap_error_set(err, TAP_IO, "cannot %s '%s': %s", what, path, strerror(errno));
}

/* Opens without waiting for the other end of a pipe; what is no regular file is refused by map_open. */
static tap_status map_open(const char *path, int fd, tap_mapping *m, tap_error *err) {
    static const char empty[1];
    struct stat st;
    if (fstat(fd, &st) != 0) return system_error(err, path, "look at");
    if (S_ISDIR(st.st_mode)) return tap_error_set(err, TAP_IO, "'%s' is a folder", path);
    if (!S_ISREG(st.st_mode)) return tap_error_set(err, TAP_IO, "'%s' is not a regular file", path);
    struct tap_mapped *x = malloc(sizeof *x);
    if (!x || !(x->path = strdup(path))) {
        free(x);
        return tap_error_set(err, TAP_MEMORY, "no memory to map '%s'", path);
    }
    atomic_init(&x->refs, 1);
    x->device = st.st_dev;
    x->inode = st.st_ino;
    x->time = st.st_mtim;
    m->mapped = x;
    m->data = empty;
    m->n_bytes = (size_t)st.st_size;
    if (m->n_bytes == 0) return TAP_OK;
    void *data = mmap(NULL, m->n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) return system_error(err, path, "map");
    m->data = data;
    return TAP_OK;
}

tap_status tap_map_file(const char *path, tap_arena *arena, tap_mapping **mappings, tap_error *err) {
    tap_mapping *m = tap_arena_zero(arena, sizeof *m);
    const char *copy = tap_arena_string(arena, path, strlen(path));
    if (!m || !copy) return tap_error_no_memory(err, sizeof *m);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return system_error(err, path, "open");
    tap_status st = map_open(path, fd, m, err);
    close(fd);
    if (st) {
        if (m->mapped) free(m->mapped->path);
        free(m->mapped);
        return st;
    }
    m->path = copy;
    m->next = *mappings;
    *mappings = m;
    return TAP_OK;
}

static void let_go(tap_mapping *m) {
    struct tap_mapped *x = m->mapped;
    if (!x || atomic_fetch_sub(&x->refs, 1) != 1) return;
    if (m->n_bytes) munmap((void *)(uintptr_t)m->data, m->n_bytes);
    free(x->path);
    free(x);
}

void tap_unmap_all(tap_mapping *mappings) {
    for (; mappings; mappings = mappings->next) let_go(mappings);
}

bool tap_map_share(const tap_mapping *m, tap_arena *arena, tap_mapping **mappings) {
    tap_mapping *copy = tap_arena_zero(arena, sizeof *copy);
    if (!copy) return false;
    *copy = *m;
    copy->path = "";
    copy->next = *mappings;
    atomic_fetch_add(&m->mapped->refs, 1);
    *mappings = copy;
    return true;
}

const tap_mapping *tap_mapping_of(const tap_mapping *mappings, const void *data, size_t n_bytes) {
    for (const tap_mapping *x = mappings; x; x = x->next) {
        uintptr_t begin = (uintptr_t)x->data, at = (uintptr_t)data;
        if (at >= begin && at - begin <= x->n_bytes && n_bytes <= x->n_bytes - (at - begin)) return x;
    }
    return NULL;
}

bool tap_mapping_is_intact(const tap_mapping *m) {
    const struct tap_mapped *x = m->mapped;
    struct stat st;
    if (stat(x->path, &st) != 0 || st.st_ino != x->inode || st.st_dev != x->device) return true;
    return (uint64_t)st.st_size == m->n_bytes && st.st_mtim.tv_sec == x->time.tv_sec &&
           st.st_mtim.tv_nsec == x->time.tv_nsec;
}

void tap_mapping_let_go(const void *data, size_t n_bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = tap_round_up((uintptr_t)data, page), end = ((uintptr_t)data + n_bytes) / page * page;
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}
