/* Files mapped for a model. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "onnx/load.h"

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
    if (st) return st;
    m->path = copy;
    m->next = *mappings;
    *mappings = m;
    return TAP_OK;
}

void tap_unmap_all(tap_mapping *mappings) {
    for (; mappings; mappings = mappings->next)
        if (mappings->n_bytes) munmap((void *)(uintptr_t)mappings->data, mappings->n_bytes);
}
