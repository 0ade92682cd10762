/* .csv (RFC 4180): a header, then a line a sample with its row number, its label and the elements of all
 * values. The values of a batch are kept until the next one begins: a line needs all of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/element.h"
#include "io/number.h"
#include "io/sink.h"

typedef struct table_value {
    char *key;
    int64_t each; /* elements a row */
    tap_value *now;
} table_value;

typedef struct table {
    tap_writer *w;
    table_value *values;
    size_t n, room;
    bool has_header, pending;
    int64_t batch, n_rows, done; /* done: rows written */
    int64_t *rows;               /* NULL: 0, 1, ... */
    tap_value *labels;
    char *old_header; /* of a file that is appended to */
    uint64_t good;    /* behind the last complete batch */
} table;

static void table_free(table *t) {
    for (size_t i = 0; i < t->n; i++) {
        free(t->values[i].key);
        tap_value_release(t->values[i].now);
    }
    tap_value_release(t->labels);
    free(t->values);
    free(t->rows);
    free(t->old_header);
    free(t);
}

/* ---- Text ---- */

static void put_text(tap_writer *w, const char *s, size_t n) {
    bool plain = true;
    for (size_t i = 0; i < n; i++)
        plain = plain && s[i] != ',' && s[i] != '"' && s[i] != '\n' && s[i] != '\r';
    if (plain) {
        tap_writer_write(w, s, n);
        return;
    }
    tap_writer_write(w, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"') tap_writer_write(w, "\"", 1);
        tap_writer_write(w, s + i, 1);
    }
    tap_writer_write(w, "\"", 1);
}

static void put_element(tap_writer *w, const tap_tensor *t, int64_t i) {
    char text[2 * TAP_NUMBER_ROOM + 8];
    if (t->dtype == TAP_STRING) {
        const tap_string *s = (const tap_string *)t->data + i;
        put_text(w, s->s, s->n);
        return;
    }
    size_t n = tap_tensor_text(t, i, text, sizeof text);
    tap_writer_write(w, text, n < sizeof text ? n : sizeof text - 1);
}

/* ---- The header ---- */

static void put_header_name(tap_writer *w, const char *key, int64_t k) {
    char number[32];
    size_t n = strlen(key);
    char *name = malloc(n + sizeof number);
    if (!name) return;
    snprintf(name, n + sizeof number, "%s_%" PRId64, key, k);
    put_text(w, name, strlen(name));
    free(name);
}

static tap_status check_header(table *t, uint64_t from, tap_error *err) {
    if (!t->old_header) return TAP_OK;
    size_t n = (size_t)(tap_writer_at(t->w) - from);
    char *now = malloc(n + 1);
    if (!now) return tap_error_no_memory(err, n);
    bool same = tap_writer_read(t->w, from, now, n) && strlen(t->old_header) == n &&
                memcmp(now, t->old_header, n) == 0;
    free(now);
    tap_writer_cut(t->w, from);
    if (same) return TAP_OK;
    return tap_error_set(err, TAP_DATA,
                         "%s: its columns are others than those of this run: it cannot be appended to",
                         tap_writer_path(t->w));
}

static tap_status put_header(table *t, tap_error *err) {
    uint64_t from = tap_writer_at(t->w);
    tap_writer_printf(t->w, "row,label");
    for (size_t i = 0; i < t->n; i++)
        for (int64_t k = 0; k < t->values[i].each; k++) {
            tap_writer_write(t->w, ",", 1);
            put_header_name(t->w, t->values[i].key, k);
        }
    tap_writer_write(t->w, "\r\n", 2);
    t->has_header = true;
    return check_header(t, from, err);
}

/* ---- Rows ---- */

static void put_label(const table *t, int64_t r) {
    const tap_tensor *l = tap_value_tensor(t->labels);
    int64_t each = l && l->dims[0] > 0 ? l->count / l->dims[0] : 0;
    for (int64_t k = 0; k < each; k++) {
        if (k) tap_writer_write(t->w, " ", 1);
        put_element(t->w, l, r * each + k);
    }
}

static tap_status flush(table *t, tap_error *err) {
    if (!t->pending) return TAP_OK;
    t->pending = false;
    tap_status s = t->has_header ? TAP_OK : put_header(t, err);
    for (size_t i = 0; s == TAP_OK && i < t->n; i++)
        if (!t->values[i].now)
            s = tap_error_set(err, TAP_DATA,
                              "'%s' was not computed in every batch: its columns would be empty",
                              t->values[i].key);
    for (int64_t r = 0; s == TAP_OK && r < t->n_rows; r++) {
        tap_writer_printf(t->w, "%" PRId64 ",", t->rows ? t->rows[r] : r);
        put_label(t, r);
        for (size_t i = 0; i < t->n; i++)
            for (int64_t k = 0; k < t->values[i].each; k++) {
                tap_writer_write(t->w, ",", 1);
                put_element(t->w, &t->values[i].now->tensor, r * t->values[i].each + k);
            }
        tap_writer_write(t->w, "\r\n", 2);
    }
    for (size_t i = 0; i < t->n; i++) {
        tap_value_release(t->values[i].now);
        t->values[i].now = NULL;
    }
    tap_writer_flush(t->w);
    if (s == TAP_OK) s = tap_writer_check(t->w, err);
    if (s == TAP_OK)
        t->good = tap_writer_at(t->w);
    else
        tap_writer_cut(t->w, t->good);
    return s;
}

/* ---- Values ---- */

static tap_status begin_batch(table *t, const tap_entry *e, const tap_tensor *x, tap_error *err) {
    tap_status s = flush(t, err);
    if (s != TAP_OK) return s;
    const tap_batch *b = e->batch;
    t->batch = b ? b->index : -1;
    t->n_rows = b ? b->n_rows : x->rank > 0 ? x->dims[0] : 1;
    t->pending = true;
    free(t->rows);
    t->rows = NULL;
    tap_value_release(t->labels);
    t->labels = NULL;
    if (!b) return TAP_OK;
    t->rows = malloc((size_t)b->n_rows * sizeof *t->rows + 1);
    if (!t->rows) return tap_error_no_memory(err, (uint64_t)b->n_rows);
    memcpy(t->rows, b->rows, (size_t)b->n_rows * sizeof *t->rows);
    return b->labels ? tap_value_copy(b->labels, &t->labels, err) : TAP_OK;
}

static table_value *find(table *t, const char *name) {
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->values[i].key, name) == 0) return &t->values[i];
    return NULL;
}

static tap_status append(table *t, const char *name, int64_t each, table_value **out, tap_error *err) {
    if (t->has_header)
        return tap_error_set(err, TAP_DATA,
                             "'%s' was not there in the first batch: the table has no columns for it", name);
    if (t->n == t->room) {
        size_t room = t->room ? 2 * t->room : 16;
        table_value *more = realloc(t->values, room * sizeof *more);
        if (!more) return tap_error_no_memory(err, room);
        t->values = more;
        t->room = room;
    }
    char *key = strdup(name);
    if (!key) return tap_error_no_memory(err, strlen(name));
    t->values[t->n] = (table_value){.key = key, .each = each};
    *out = &t->values[t->n++];
    return TAP_OK;
}

static tap_status no_rows(const char *name, const tap_entry *e, const tap_tensor *x, int64_t n,
                          tap_error *err) {
    char text[200] = "";
    tap_text shape = {text, sizeof text, 0};
    tap_text_dims(&shape, x->rank, x->dims);
    tap_error_set(err, TAP_USAGE,
                  "'%s' %s has no line for each of the %" PRId64
                  " samples: a .csv takes values whose first axis is the batch",
                  name, text, n);
    tap_error_where(err, e->node, e->op, e->tensor);
    return TAP_USAGE;
}

typedef struct adding {
    tap_sink *sink;
    const tap_entry *e;
} adding;

static bool ends_in_keys(const char *name) {
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".keys") == 0;
}

static tap_status add_tensor(void *user, const char *name, const tap_value *v, tap_error *err) {
    const adding *a = user;
    table *t = a->sink->state;
    const tap_tensor *x = &v->tensor;
    if (ends_in_keys(name)) return TAP_OK;
    int64_t batch = a->e->batch ? a->e->batch->index : -1;
    tap_status s = !t->pending || batch != t->batch ? begin_batch(t, a->e, x, err) : TAP_OK;
    if (s != TAP_OK) return s;
    int64_t rows = x->rank > 0 ? x->dims[0] : 1;
    if (rows != t->n_rows || (a->e->batch && a->e->axis != 0)) return no_rows(name, a->e, x, t->n_rows, err);
    int64_t each = rows > 0 ? x->count / rows : 0;
    table_value *value = find(t, name);
    if (!value) s = append(t, name, each, &value, err);
    if (s != TAP_OK) return s;
    if (value->each != each)
        return tap_error_set(err, TAP_DATA,
                             "'%s' has %" PRId64 " elements a sample here and had %" PRId64 " before", name,
                             each, value->each);
    tap_value_release(value->now);
    value->now = NULL;
    return tap_value_copy(v, &value->now, err);
}

static tap_status csv_add(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v,
                          tap_error *err) {
    adding a = {s, e};
    (void)key;
    return tap_value_each(v, e->name, add_tensor, &a, err);
}

/* ---- The file ---- */

/* What is in the file so far, in front of the new lines. */
static tap_status take_old(tap_sink *s, table *t, tap_error *err) {
    tap_file *f;
    if (tap_file_open(s->path, 0, &f, NULL) != TAP_OK || f->n_bytes == 0) return TAP_OK;
    const char *end = memchr(f->data, '\n', f->n_bytes);
    size_t n = end ? (size_t)(end + 1 - (const char *)f->data) : f->n_bytes;
    t->old_header = malloc(n + 1);
    if (t->old_header) {
        memcpy(t->old_header, f->data, n);
        t->old_header[n] = '\0';
        tap_writer_write(t->w, f->data, f->n_bytes);
        if (f->data[f->n_bytes - 1] != '\n') tap_writer_write(t->w, "\r\n", 2);
    }
    tap_file_release(f);
    t->good = tap_writer_at(t->w);
    return t->old_header ? tap_writer_check(t->w, err) : tap_error_no_memory(err, n);
}

static tap_status csv_open(tap_sink *s, tap_error *err) {
    table *t = calloc(1, sizeof *t);
    if (!t) return tap_error_no_memory(err, sizeof *t);
    tap_status status = tap_writer_open(s->path, &t->w, err);
    if (status == TAP_OK && s->options.append) {
        status = take_old(s, t, err);
        if (status != TAP_OK) tap_writer_discard(t->w);
    }
    if (status != TAP_OK) {
        table_free(t);
        return status;
    }
    s->state = t;
    return TAP_OK;
}

static tap_status csv_end_batch(tap_sink *s, tap_error *err) {
    return flush(s->state, err);
}

/* After a failure the batch at hand is incomplete: it goes. */
static tap_status csv_finish(tap_sink *s, const tap_error *reason, tap_error *err) {
    table *t = s->state;
    tap_status status = reason ? TAP_OK : flush(t, err);
    tap_writer *w = t->w;
    if (reason) tap_writer_cut(w, t->good);
    bool empty = tap_writer_at(w) == 0;
    table_free(t);
    if (status != TAP_OK || (reason && empty)) {
        tap_writer_discard(w);
        return status;
    }
    return tap_writer_commit(w, true, err);
}

static void csv_discard(tap_sink *s) {
    table *t = s->state;
    tap_writer *w = t->w;
    table_free(t);
    tap_writer_discard(w);
}

const tap_sink_kind tap_sink_csv = {.takes_any = true,
                                    .takes_batches = true,
                                    .open = csv_open,
                                    .add = csv_add,
                                    .end_batch = csv_end_batch,
                                    .finish = csv_finish,
                                    .discard = csv_discard};
