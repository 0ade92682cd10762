/* Values that arrive batch by batch: joined along their first axis in files beside the target, so that memory
 * does not grow, and added as a whole at the end; or written in place by a format that can. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/error.h"
#include "io/npy.h"
#include "io/sink.h"

/* ---- Files of rows ---- */

typedef struct appending {
    int fd, error;
    uint64_t n;
} appending;

static void append(void *user, const void *bytes, size_t n) {
    appending *a = user;
    const char *p = bytes;
    while (n > 0 && !a->error) {
        ssize_t done = pwrite(a->fd, p, n, (off_t)a->n);
        if (done < 0) {
            if (errno != EINTR) a->error = errno;
            continue;
        }
        p += done;
        n -= (size_t)done;
        a->n += (uint64_t)done;
    }
}

/* The file is not held open between batches: there may be more values than descriptors. */
tap_status tap_spool_add(const char *path, uint64_t n_bytes, const tap_tensor *t, bool raw, uint64_t *n_after,
                         tap_error *err) {
    int flags = O_WRONLY | O_CLOEXEC | (n_bytes == 0 ? O_CREAT | O_TRUNC | O_NOFOLLOW : 0);
    appending a = {.fd = open(path, flags, 0666), .n = n_bytes};
    if (a.fd < 0) return tap_error_set(err, TAP_IO, "%s: cannot write: %s", path, strerror(errno));
    tap_npy_plan plan;
    tap_status s = tap_npy_plan_of(t, raw, 0, &plan, err);
    if (s == TAP_OK) tap_npy_emit_data(&plan, append, &a);
    if (a.error) {
        s = tap_error_set(err, TAP_IO, "%s: cannot write: %s", path, strerror(a.error));
        if (ftruncate(a.fd, (off_t)n_bytes) != 0) a.n = n_bytes;
    } else {
        *n_after = a.n;
    }
    if (close(a.fd) != 0 && s == TAP_OK)
        s = tap_error_set(err, TAP_IO, "%s: cannot write: %s", path, strerror(errno));
    return s;
}

/* Elements as they are in memory, unlike NumPy's: they go through the format once more at the end. */
static tap_status spool_bits(tap_part *p, const tap_tensor *t, tap_error *err) {
    tap_tensor bytes = {.data = t->data};
    int64_t n = (int64_t)tap_tensor_bytes(t);
    tap_tensor_shape(&bytes, TAP_UINT8, 1, &n);
    return tap_spool_add(p->tmp, p->n_bytes, &bytes, false, &p->n_bytes, err);
}

/* ---- Parts ---- */

/* Room for n pointers. */
static bool reserve(void **p, size_t *room, size_t n) {
    if (n <= *room) return true;
    size_t more = *room ? 2 * *room : 16;
    void *q = realloc(*p, more * sizeof(void *));
    if (!q) return false;
    *p = q;
    *room = more;
    return true;
}

static void part_free(tap_part *p) {
    if (!p) return;
    if (p->tmp && (p->n_bytes || !p->own)) unlink(p->tmp);
    for (size_t i = 0; i < p->n_strings; i++) tap_value_release(p->strings[i]);
    free(p->strings);
    free(p->name);
    free(p->key);
    free(p->tmp);
    free((void *)(uintptr_t)p->entry.tensor);
    free((void *)(uintptr_t)p->entry.node);
    free((void *)(uintptr_t)p->entry.op);
    free((void *)(uintptr_t)p->entry.layer);
    free((void *)(uintptr_t)p->entry.layout);
    free(p);
}

void tap_sink_drop_parts(tap_sink *s) {
    for (size_t i = 0; i < s->n_parts; i++) part_free(s->parts[i]);
    free(s->parts);
    s->parts = NULL;
    s->n_parts = 0;
    tap_map_free(&s->part_of);
}

static bool copy_text(const char **out, const char *s) {
    *out = s ? strdup(s) : NULL;
    return !s || *out;
}

static char *tmp_name(tap_sink *s) {
    size_t n = strlen(s->path) + 40;
    char *name = malloc(n);
    bool folder = s->path[0] && s->path[strlen(s->path) - 1] == '/';
    if (name) snprintf(name, n, "%s%s%zu.tmp", s->path, folder ? "" : ".", s->n_tmp++);
    return name;
}

static tap_part *part_new(tap_sink *s, const char *name, const tap_entry *e, const tap_tensor *t) {
    tap_part *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    const char *key = tap_names_unique(s->keys, name, '#', false);
    p->entry = (tap_entry){.size = sizeof p->entry, .output = e->output};
    p->name = strdup(name);
    p->key = key ? strdup(key) : NULL;
    p->entry.name = p->key;
    p->dtype = t->dtype;
    p->rank = t->rank;
    memcpy(p->dims, t->dims, sizeof p->dims);
    if (t->rank > 0) p->dims[0] = 0;
    p->tmp = tmp_name(s);
    if (e->type && e->type->kind == TAP_KIND_TENSOR) {
        p->type = *e->type;
        p->entry.type = &p->type;
    }
    bool good = p->name && p->key && p->tmp && copy_text(&p->entry.tensor, e->tensor) &&
                copy_text(&p->entry.node, e->node) && copy_text(&p->entry.op, e->op) &&
                copy_text(&p->entry.layer, e->layer) && copy_text(&p->entry.layout, e->layout);
    if (good) return p;
    part_free(p);
    return NULL;
}

static tap_part *find_part(tap_sink *s, const char *name, const tap_entry *e, const tap_tensor *t,
                           tap_error *err) {
    int32_t at = tap_map_get(&s->part_of, name, 0);
    if (at > 0) return s->parts[at - 1];
    if (!reserve((void **)&s->parts, &s->room_parts, s->n_parts + 1)) {
        tap_error_no_memory(err, sizeof *s->parts);
        return NULL;
    }
    tap_part *p = part_new(s, name, e, t);
    if (!p || !tap_map_put(&s->part_of, p->name, (int32_t)s->n_parts + 1)) {
        part_free(p);
        tap_error_no_memory(err, strlen(name));
        return NULL;
    }
    return s->parts[s->n_parts++] = p;
}

static bool ends_in_keys(const char *name) {
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".keys") == 0;
}

static tap_status no_axis(const char *name, const tap_entry *e, const tap_tensor *t, tap_error *err) {
    char text[200] = "";
    tap_text shape = {text, sizeof text, 0};
    tap_text_dims(&shape, t->rank, t->dims);
    char why[120] = "where its batch axis is shows only while running";
    if (e->axis >= 0) snprintf(why, sizeof why, "its batch axis is the %dth, not the first", e->axis + 1);
    if (e->axis == 1) snprintf(why, sizeof why, "its batch axis is the second (time first?), not the first");
    if (e->axis == TAP_BATCH_NONE) snprintf(why, sizeof why, "it has no batch axis");
    tap_error_set(err, TAP_USAGE,
                  "'%s' %s cannot be joined over batches: %s; keep batches apart (--split batch)", name, text,
                  why);
    tap_error_where(err, e->node, e->op, e->tensor);
    return TAP_USAGE;
}

static tap_status check_shape(const tap_part *p, const tap_tensor *t, tap_error *err) {
    bool same = t->dtype == p->dtype && t->rank == p->rank;
    for (int d = 1; same && d < t->rank; d++) same = t->dims[d] == p->dims[d];
    if (same) return TAP_OK;
    char text[200] = "";
    tap_text shape = {text, sizeof text, 0};
    tap_text_dims(&shape, t->rank, t->dims);
    tap_error_set(
        err, TAP_USAGE,
        "'%s' is %s%s in this batch, and had another shape before: it cannot be joined; keep batches apart "
        "(--split batch)",
        p->name, tap_dtype_name(t->dtype), text);
    tap_error_where(err, p->entry.node, p->entry.op, p->entry.tensor);
    return TAP_USAGE;
}

/* Each sample has the same number of rows, one mostly. */
static tap_status check_rows(tap_part *p, const tap_entry *e, const tap_tensor *t, tap_error *err) {
    int64_t n = e->batch ? e->batch->n_rows : 0;
    if (n <= 0) return TAP_OK;
    if (p->dims[0] == 0) p->each = t->dims[0] / n;
    if (t->dims[0] == p->each * n) return TAP_OK;
    tap_error_set(err, TAP_USAGE,
                  "'%s' has %lld rows for the %lld samples of this batch: it cannot be joined; keep batches "
                  "apart (--split "
                  "batch)",
                  p->name, (long long)t->dims[0], (long long)n);
    tap_error_where(err, p->entry.node, p->entry.op, p->entry.tensor);
    return TAP_USAGE;
}

static tap_status keep_strings(tap_part *p, const tap_tensor *t, tap_error *err) {
    if (!reserve((void **)&p->strings, &p->room_strings, p->n_strings + 1))
        return tap_error_no_memory(err, sizeof *p->strings);
    tap_status s = tap_tensor_copy(t, &p->strings[p->n_strings], err);
    p->n_strings += s == TAP_OK;
    return s;
}

tap_status tap_sink_join(tap_sink *s, const char *name, const tap_entry *e, const tap_value *v,
                         tap_error *err) {
    const tap_tensor *t = &v->tensor;
    bool once = ends_in_keys(name) || e->axis == TAP_SINK_ONCE;
    if (!once && (e->axis != 0 || t->rank < 1)) return no_axis(name, e, t, err);
    tap_part *p = find_part(s, name, e, t, err);
    if (!p) return TAP_MEMORY;
    if (p->once) return TAP_OK;
    tap_status status = once ? TAP_OK : check_shape(p, t, err);
    if (status == TAP_OK && !once) status = check_rows(p, e, t, err);
    if (status == TAP_OK && s->kind->join && !once && (p->own || p->dims[0] == 0))
        status = s->kind->join(s, p, e, t, err);
    if (status == TAP_OK && !p->own)
        status = t->dtype == TAP_STRING ? keep_strings(p, t, err) : spool_bits(p, t, err);
    if (status == TAP_OK && t->rank > 0) p->dims[0] += t->dims[0];
    p->once = once;
    return status;
}

/* ---- A .npy that grows ---- */

#define MORE_DIGITS 64 /* room in the header for the number of rows to become longer */

tap_status tap_npy_join(tap_part *p, const char *path, const tap_tensor *t, bool raw, tap_error *err) {
    if (!p->own) {
        tap_npy_plan plan;
        tap_status s = tap_npy_plan_of(t, raw, 0, &plan, err);
        size_t n = strlen(path) + 5;
        char *tmp = malloc(n);
        if (s == TAP_OK && !tmp) s = tap_error_no_memory(err, n);
        if (s != TAP_OK) return s;
        snprintf(tmp, n, "%s.tmp", path);
        free(p->tmp);
        p->tmp = tmp;
        p->header_bytes = plan.header_bytes + MORE_DIGITS;
        uint8_t blank[TAP_NPY_HEADER_ROOM + MORE_DIGITS] = {0};
        tap_tensor head = {.data = blank};
        tap_tensor_shape(&head, TAP_UINT8, 1, (int64_t[]){(int64_t)p->header_bytes});
        s = tap_spool_add(p->tmp, 0, &head, false, &p->n_bytes, err);
        if (s != TAP_OK) return s;
        p->own = true;
    }
    return tap_spool_add(p->tmp, p->n_bytes, t, raw, &p->n_bytes, err);
}

tap_status tap_npy_end_part(tap_part *p, bool raw, tap_error *err) {
    tap_npy_plan plan;
    tap_tensor all = {.data = NULL};
    size_t n = strlen(p->tmp);
    char header[TAP_NPY_HEADER_ROOM + MORE_DIGITS];
    if (!tap_tensor_shape(&all, p->dtype, p->rank, p->dims))
        return tap_error_set(err, TAP_DATA, "%s: too large", p->name);
    tap_status s = tap_npy_plan_of(&all, raw, 0, &plan, err);
    if (s != TAP_OK) return s;
    memcpy(header, plan.header, plan.header_bytes);
    size_t n_header = tap_npy_pad(header, plan.header_bytes, p->header_bytes);
    int fd = open(p->tmp, O_WRONLY | O_CLOEXEC), error = 0;
    if (fd < 0 || pwrite(fd, header, n_header, 0) != (ssize_t)n_header) error = errno;
    if (fd >= 0 && close(fd) != 0 && !error) error = errno;
    char *path = malloc(n + 1);
    if (!path) return tap_error_no_memory(err, n);
    memcpy(path, p->tmp, n - 4);
    path[n - 4] = '\0';
    if (!error && rename(p->tmp, path) != 0) error = errno;
    if (error) unlink(p->tmp);
    s = error ? tap_error_set(err, TAP_IO, "%s: cannot write: %s", path, strerror(error)) : TAP_OK;
    free(path);
    return s;
}

/* ---- The end ---- */

typedef struct mapping {
    void *p;
    size_t n;
} mapping;

static void let_go_mapping(void *owner) {
    mapping *m = owner;
    munmap(m->p, m->n);
    free(m);
}

/* What was spooled, as a value whose pages are read from the file when they are needed. */
static tap_status map_part(const tap_part *p, tap_value **out, tap_error *err) {
    tap_tensor t = {.data = NULL};
    if (!tap_tensor_shape(&t, p->dtype, p->rank, p->dims))
        return tap_error_set(err, TAP_DATA, "%s: too large", p->name);
    if (p->n_bytes == 0) return tap_value_new(p->dtype, p->rank, p->dims, out, err);
    mapping *m = malloc(sizeof *m);
    int fd = open(p->tmp, O_RDONLY | O_CLOEXEC);
    void *data = fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)p->n_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    if (!m || data == MAP_FAILED) {
        free(m);
        return tap_error_set(err, TAP_IO, "%s: cannot be mapped: %s", p->tmp, strerror(errno));
    }
    *m = (mapping){data, (size_t)p->n_bytes};
    t.data = data;
    t.buffer = tap_buffer_wrap_owned(NULL, data, m->n, let_go_mapping, m);
    if (!t.buffer) {
        let_go_mapping(m);
        return tap_error_no_memory(err, sizeof *t.buffer);
    }
    t.buffer->drops = true;
    *out = tap_value_share(NULL, &t);
    tap_buffer_release(t.buffer);
    return *out ? TAP_OK : tap_error_no_memory(err, sizeof **out);
}

static tap_status join_strings(const tap_part *p, tap_value **out, tap_error *err) {
    tap_status s = tap_value_new(TAP_STRING, p->rank, p->dims, out, err);
    int64_t at = 0;
    for (size_t k = 0; s == TAP_OK && k < p->n_strings; k++) {
        const tap_tensor *t = tap_value_tensor(p->strings[k]);
        const tap_string *x = t->data;
        for (int64_t i = 0; s == TAP_OK && i < t->count; i++)
            s = tap_value_set_string(*out, at++, x[i].s, x[i].n, err);
    }
    return s;
}

static tap_status end_part(tap_sink *s, tap_part *p, tap_error *err) {
    if (p->own) return s->kind->end_part(s, p, err);
    if (p->rank > 0 && p->dims[0] == 0 && !p->once) return TAP_OK; /* its first rows did not arrive */
    tap_value *v = NULL;
    tap_status status = p->dtype == TAP_STRING ? join_strings(p, &v, err) : map_part(p, &v, err);
    if (status == TAP_OK) status = s->kind->add(s, p->key, &p->entry, v, err);
    tap_value_release(v);
    if (p->tmp) unlink(p->tmp);
    return status;
}

tap_status tap_sink_end_parts(tap_sink *s, tap_error *err) {
    tap_status first = TAP_OK;
    for (size_t i = 0; i < s->n_parts; i++) {
        tap_status status = end_part(s, s->parts[i], first == TAP_OK ? err : NULL);
        if (first == TAP_OK) first = status;
    }
    return first;
}
