/* Rows of an array in a .npy file or in a member of an .npz: from the mapped file, from the file itself, or,
 * where it is deflated, one after another as they are unpacked. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "io/cast.h"
#include "io/npy.h"
#include "io/rows.h"

typedef struct array {
    tap_file *file;
    tap_archive *archive; /* NULL: a .npy                                                       */
    const char *key, *path;
    tap_npy_header h;
    tap_dtype dtype;
    size_t row_bytes;
    const uint8_t *data; /* plain: the first row                                               */
    tap_source stream;   /* deflated: where it is                                              */
    int64_t at;          /* deflated: the row that comes next                                  */
    int fd;              /* to see whether the file was cut short, and to read where no_map is */
    uint8_t *buffer;
    size_t room;
    const uint8_t *dropped; /* pages of the mapping before this were given back */
} array;

static void array_free(void *state) {
    array *a = state;
    tap_source_close(&a->stream);
    tap_archive_free(a->archive);
    tap_file_release(a->file);
    if (a->fd >= 0) close(a->fd);
    free(a->buffer);
    free(a);
}

static tap_status open_stream(tap_rows *r, array *a, tap_error *err) {
    tap_source_close(&a->stream);
    a->at = 0;
    if (a->archive)
        return tap_archive_source(a->archive, a->key, r->path, r->options->limit_bytes, &a->stream, err);
    a->stream = tap_source_of(a->file, r->path, r->options->limit_bytes);
    return TAP_OK;
}

static tap_status array_rewind(tap_rows *r, tap_error *err) {
    array *a = r->state;
    a->dropped = a->data;
    if (a->data) return TAP_OK;
    tap_npy_header h;
    tap_status s = open_stream(r, a, err);
    return s == TAP_OK ? tap_npy_read_header(&a->stream, &h, err) : s;
}

static bool reserve(array *a, size_t n) {
    if (n <= a->room) return true;
    uint8_t *p = realloc(a->buffer, n);
    if (!p) return false;
    a->buffer = p;
    a->room = n;
    return true;
}

/* A mapped file that has become shorter would end the process when it is read. */
static tap_status check_length(const tap_rows *r, const array *a, const uint8_t *end, tap_error *err) {
    struct stat st;
    if (a->fd < 0 || !a->file->mapped || fstat(a->fd, &st) != 0 || st.st_size >= end - a->file->data)
        return TAP_OK;
    return tap_error_set(err, TAP_DATA, "%s: was cut short while it was read: %lld bytes are left", r->path,
                         (long long)st.st_size);
}

static tap_status read_file(const tap_rows *r, const array *a, const uint8_t *p, size_t n, tap_error *err) {
    uint8_t *dst = a->buffer;
    off_t at = (off_t)(p - a->file->data);
    while (n > 0) {
        ssize_t got = pread(a->fd, dst, n, at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return tap_error_set(err, TAP_IO, "%s: %s", r->path, strerror(errno));
        if (got == 0) return tap_error_set(err, TAP_DATA, "%s: was cut short while it was read", r->path);
        dst += got;
        at += got;
        n -= (size_t)got;
    }
    return TAP_OK;
}

static void let_go_file(void *file) {
    tap_file_release(file);
}

/* Rows as they lie in the mapping: no copy. */
static tap_status share(array *a, const uint8_t *p, int64_t n, tap_value **out, tap_error *err) {
    int64_t dims[TAP_RANK_MAX];
    memcpy(dims, a->h.dims, sizeof dims);
    dims[0] = n;
    tap_tensor t = {.data = (void *)(uintptr_t)p};
    tap_tensor_shape(&t, a->dtype, a->h.rank, dims);
    t.buffer = tap_buffer_wrap_owned(NULL, t.data, (size_t)n * a->row_bytes, let_go_file, a->file);
    if (!t.buffer) return tap_error_no_memory(err, sizeof *t.buffer);
    tap_file_retain(a->file);
    *out = tap_value_share(NULL, &t);
    tap_buffer_release(t.buffer);
    return *out ? TAP_OK : tap_error_no_memory(err, sizeof **out);
}

/* Pages that were read are not needed again: without this they would count as the process's memory. */
static void drop_before(array *a, const uint8_t *p) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)a->dropped / page * page,
              to = (uintptr_t)p / page * page;
    uintptr_t base = (uintptr_t)a->file->data;
    if (from < base) from = base;
    if (!a->file->mapped || to <= from) return;
    madvise((void *)from, to - from, MADV_DONTNEED);
    a->dropped = p;
}

/* n rows that lie together, to row `at` of v. */
static tap_status read_run(tap_rows *r, array *a, int64_t first, int64_t n, int64_t at, tap_value *v,
                           tap_error *err) {
    const uint8_t *p = a->data + (size_t)first * a->row_bytes;
    size_t n_bytes = (size_t)n * a->row_bytes;
    tap_source source = {.name = r->path, .p = p, .left = n_bytes};
    tap_status s = TAP_OK;
    if (r->options->no_map && a->fd >= 0) {
        if (!reserve(a, n_bytes + 1)) return tap_error_no_memory(err, n_bytes);
        s = read_file(r, a, p, n_bytes, err);
        source.p = a->buffer;
    } else {
        s = check_length(r, a, p + n_bytes, err);
    }
    return s == TAP_OK ? tap_npy_read_rows(&source, &a->h, n, at, v, err) : s;
}

static tap_status skip(tap_rows *r, array *a, int64_t n, tap_error *err) {
    if (!reserve(a, a->row_bytes + 1)) return tap_error_no_memory(err, a->row_bytes);
    for (; n > 0; n--, a->at++)
        if (!tap_source_read(&a->stream, a->buffer, a->row_bytes))
            return tap_error_set(err, TAP_DATA, "%s: damaged data at row %lld", r->path, (long long)a->at);
    return TAP_OK;
}

static tap_status read_stream(tap_rows *r, array *a, int64_t first, int64_t n, int64_t at, tap_value *v,
                              tap_error *err) {
    tap_status s = skip(r, a, first - a->at, err);
    if (s == TAP_OK) s = tap_npy_read_rows(&a->stream, &a->h, n, at, v, err);
    a->at = first + n;
    return s;
}

static tap_status read_runs(tap_rows *r, array *a, const int64_t *rows, int64_t n, tap_value *v,
                            tap_error *err) {
    tap_status s = TAP_OK;
    for (int64_t i = 0, k; s == TAP_OK && i < n; i = k) {
        for (k = i + 1; k < n && rows[k] == rows[k - 1] + 1;) k++;
        s = a->data ? read_run(r, a, rows[i], k - i, i, v, err)
                    : read_stream(r, a, rows[i], k - i, i, v, err);
    }
    return s;
}

static bool can_share(const tap_rows *r, const array *a, const int64_t *rows, int64_t n) {
    return a->data && a->file->mapped && !r->options->no_map && !a->h.swapped && a->h.kind != 'b' &&
           a->dtype != TAP_STRING && n > 0 && tap_rows_are_next(rows, n) &&
           (uintptr_t)(a->data + (size_t)rows[0] * a->row_bytes) % TAP_ALIGN == 0;
}

static tap_status array_read(tap_rows *r, const int64_t *rows, int64_t n, tap_value **out, tap_error *err) {
    array *a = r->state;
    tap_status s;
    if (a->data && n > 0) drop_before(a, a->data + (size_t)rows[0] * a->row_bytes);
    if (can_share(r, a, rows, n)) {
        const uint8_t *p = a->data + (size_t)rows[0] * a->row_bytes;
        s = check_length(r, a, p + (size_t)n * a->row_bytes, err);
        if (s == TAP_OK) s = share(a, p, n, out, err);
    } else {
        int64_t dims[TAP_RANK_MAX];
        memcpy(dims, a->h.dims, sizeof dims);
        dims[0] = n;
        s = tap_value_new(a->dtype, a->h.rank, dims, out, err);
        if (s != TAP_OK) return s;
        s = read_runs(r, a, rows, n, *out, err);
        if (s != TAP_OK) {
            tap_value_release(*out);
            *out = NULL;
        }
    }
    return s == TAP_OK ? tap_fit(out, r->type.dtype, r->options->cast, r->path, err) : s;
}

static const tap_rows_kind array_kind = {array_read, array_rewind, array_free};

static tap_status find_key(tap_rows *r, array *a, const char *key, tap_error *err) {
    tap_status s = tap_archive_of(a->file, a->path, &a->archive, err);
    if (s != TAP_OK) return s;
    if (!key && r->input) key = tap_archive_find(a->archive, r->input);
    if (!key && tap_archive_count(a->archive) == 1) key = tap_archive_key(a->archive, 0);
    a->key = key ? tap_archive_find(a->archive, key) : NULL;
    if (a->key) return TAP_OK;
    char text[1024] = "";
    tap_text t = {text, sizeof text, 0};
    for (size_t i = 0; i < tap_archive_count(a->archive); i++)
        tap_text_add(&t, "%s%s", i ? ", " : "", tap_archive_key(a->archive, i));
    return tap_error_set(err, TAP_USAGE, "%s: say which of its arrays, as %s:KEY: %s", a->path, a->path,
                         text);
}

/* What cannot be read by rows is loaded as a whole. */
static tap_status load_whole(tap_rows *r, array *a, tap_error *err) {
    tap_value *v = NULL;
    tap_status s = open_stream(r, a, err);
    if (s == TAP_OK) s = tap_npy_read(&a->stream, r->type.dtype, &v, err);
    array_free(a);
    r->state = NULL;
    if (s == TAP_OK) s = tap_rows_of_value(r, v, err);
    tap_value_release(v);
    return s;
}

static tap_status look(tap_rows *r, array *a, tap_error *err) {
    tap_status s = open_stream(r, a, err);
    if (s == TAP_OK) s = tap_npy_read_header(&a->stream, &a->h, err);
    if (s != TAP_OK) return s;
    a->data = a->stream.p;
    a->dtype = tap_npy_dtype(&a->h, r->type.dtype);
    if (a->dtype == TAP_UNDEFINED)
        return tap_error_set(err, TAP_DATA,
                             "%s: raw elements of %zu bytes: only the model's input can tell what they are",
                             r->path, a->h.item_bytes);
    if (a->h.rank < 1)
        return tap_error_set(err, TAP_DATA,
                             "%s: one number: a data set has a first axis that counts the samples", r->path);
    r->n = a->h.dims[0];
    a->row_bytes = r->n > 0 ? a->h.n_bytes / (size_t)r->n : 0;
    a->dropped = a->data;
    return TAP_OK;
}

static tap_status open_array(tap_rows *r, array *a, const char *key, tap_error *err) {
    tap_status s = tap_file_open(a->path, r->options->limit_bytes, &a->file, err);
    if (s != TAP_OK) return s;
    a->fd = strcmp(a->path, "-") == 0 ? -1 : open(a->path, O_RDONLY | O_CLOEXEC);
    const uint8_t *p = a->file->data;
    if (a->file->n_bytes >= 2 && p[0] == 'P' && p[1] == 'K') s = find_key(r, a, key, err);
    if (s == TAP_OK) s = look(r, a, err);
    return s;
}

tap_status tap_rows_of_array(tap_rows *r, tap_error *err) {
    const char *key = tap_split_key(r->path);
    array *a = calloc(1, sizeof *a);
    if (!a) return tap_error_no_memory(err, sizeof *a);
    a->fd = -1;
    a->path = tap_arena_string(r->arena, r->path, key ? (size_t)(key - r->path) - 1 : strlen(r->path));
    tap_status s = a->path ? open_array(r, a, key, err) : tap_error_no_memory(err, strlen(r->path));
    if (s != TAP_OK) {
        array_free(a);
        return s;
    }
    if (a->h.fortran && a->h.rank > 1) return load_whole(r, a, err);
    r->kind = &array_kind;
    r->state = a;
    return TAP_OK;
}
