/* .sqlite: runs, their tensors, figures of each, and a row a sample, as tables to be queried. A file that is
 * there gets one run more: it is copied, written to, and takes its name again once it is whole. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/sink.h"

#ifdef TAP_HAVE_SQLITE
#include <math.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#define JSON_MOST 4096 /* elements of a row that are still written as JSON */

typedef struct base {
    sqlite3 *db;
    sqlite3_stmt *tensor, *figures, *row;
    sqlite3_int64 run;
    char *tmp;
    tap_map ids; /* name -> id of its tensor */
    tap_arena names;
} base;

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS runs(id INTEGER PRIMARY KEY, started TEXT NOT NULL, version TEXT NOT NULL, "
    "complete INTEGER NOT NULL, error TEXT, error_node TEXT);"
    "CREATE TABLE IF NOT EXISTS tensors(id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL REFERENCES runs(id), "
    "name TEXT NOT NULL, tensor TEXT, layer TEXT, node TEXT, op TEXT, dtype TEXT NOT NULL, shape TEXT NOT "
    "NULL, "
    "is_output INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS statistics(tensor_id INTEGER NOT NULL REFERENCES tensors(id), batch INTEGER "
    "NOT NULL, "
    "count INTEGER NOT NULL, mean REAL, min REAL, max REAL, nonfinite INTEGER NOT NULL, nan INTEGER NOT "
    "NULL, "
    "PRIMARY KEY(tensor_id, batch)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS rows(tensor_id INTEGER NOT NULL REFERENCES tensors(id), batch INTEGER NOT "
    "NULL, "
    "row INTEGER NOT NULL, label TEXT, argmax INTEGER, value NOT NULL, PRIMARY KEY(tensor_id, batch, row)) "
    "WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS tensors_by_name ON tensors(run_id, name);"
    /* Room for the last words on a disk that is full. */
    "CREATE TABLE reserve(x); INSERT INTO reserve VALUES(zeroblob(16384));";

static tap_status fail(const tap_sink *s, const base *b, tap_error *err) {
    return tap_error_set(err, TAP_IO, "%s: %s", s->path, b->db ? sqlite3_errmsg(b->db) : "cannot be opened");
}

static void base_free(base *b) {
    sqlite3_finalize(b->tensor);
    sqlite3_finalize(b->figures);
    sqlite3_finalize(b->row);
    sqlite3_close(b->db);
    tap_map_free(&b->ids);
    tap_arena_clear(&b->names);
    free(b->tmp);
    free(b);
}

static tap_status copy_old(const tap_sink *s, const base *b, tap_error *err) {
    tap_file *f;
    unlink(b->tmp);
    if (access(s->path, F_OK) != 0) return TAP_OK;
    tap_status status = tap_file_open(s->path, 0, &f, err);
    if (status != TAP_OK) return status;
    FILE *to = fopen(b->tmp, "wb");
    bool good = to && fwrite(f->data, 1, f->n_bytes, to) == f->n_bytes;
    if (to && fclose(to) != 0) good = false;
    tap_file_release(f);
    return good ? TAP_OK : tap_error_set(err, TAP_IO, "%s: cannot write", b->tmp);
}

static tap_status prepare(const tap_sink *s, base *b, tap_error *err) {
    static const char insert_tensor[] =
        "INSERT INTO tensors(run_id, name, tensor, layer, node, op, dtype, shape, is_output) "
        "VALUES(?,?,?,?,?,?,?,?,?)";
    static const char *const sql[3] = {insert_tensor,
                                       "INSERT OR REPLACE INTO statistics VALUES(?,?,?,?,?,?,?,?)",
                                       "INSERT OR REPLACE INTO rows VALUES(?,?,?,?,?,?)"};
    sqlite3_stmt **const to[3] = {&b->tensor, &b->figures, &b->row};
    for (int i = 0; i < 3; i++)
        if (sqlite3_prepare_v2(b->db, sql[i], -1, to[i], NULL) != SQLITE_OK) return fail(s, b, err);
    return TAP_OK;
}

static tap_status begin_run(const tap_sink *s, base *b, tap_error *err) {
    char sql[200], when[40];
    time_t now = time(NULL);
    struct tm tm;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    snprintf(sql, sizeof sql, "INSERT INTO runs(started, version, complete) VALUES('%s', '%s', 0)", when,
             tap_version());
    if (sqlite3_exec(b->db, sql, NULL, NULL, NULL) != SQLITE_OK) return fail(s, b, err);
    b->run = sqlite3_last_insert_rowid(b->db);
    return TAP_OK;
}

static tap_status open_base(const tap_sink *s, base *b, tap_error *err) {
    size_t n = strlen(s->path) + 5;
    b->tmp = malloc(n);
    if (!b->tmp) return tap_error_no_memory(err, n);
    snprintf(b->tmp, n, "%s.tmp", s->path);
    tap_status status = copy_old(s, b, err);
    if (status != TAP_OK) return status;
    /* The file is a copy that nobody else sees: a journal in memory, of one value at a time, undoes what a
     * full disk cut short. */
    if (sqlite3_open(b->tmp, &b->db) != SQLITE_OK ||
        sqlite3_exec(b->db, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; BEGIN;", NULL, NULL, NULL) !=
            SQLITE_OK ||
        sqlite3_exec(b->db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return fail(s, b, err);
    status = prepare(s, b, err);
    if (status == TAP_OK) status = begin_run(s, b, err);
    if (status == TAP_OK && sqlite3_exec(b->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return fail(s, b, err);
    return status;
}

static tap_status sqlite_open(tap_sink *s, tap_error *err) {
    base *b = calloc(1, sizeof *b);
    if (!b) return tap_error_no_memory(err, sizeof *b);
    tap_map_init(&b->ids, NULL);
    tap_arena_init(&b->names, NULL);
    tap_status status = open_base(s, b, err);
    if (status == TAP_OK) {
        s->state = b;
        return TAP_OK;
    }
    if (b->tmp) unlink(b->tmp);
    base_free(b);
    return status;
}

static void bind_text(sqlite3_stmt *q, int at, const char *text) {
    if (text)
        sqlite3_bind_text(q, at, text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(q, at);
}

static void bind_number(sqlite3_stmt *q, int at, double x) {
    if (isnan(x))
        sqlite3_bind_null(q, at);
    else
        sqlite3_bind_double(q, at, x);
}

static tap_status step(const tap_sink *s, base *b, sqlite3_stmt *q, tap_error *err) {
    int code = sqlite3_step(q);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return code == SQLITE_DONE ? TAP_OK : fail(s, b, err);
}

/* The tensor's row, made when the value comes first. */
static tap_status tensor_id(tap_sink *s, const char *name, const tap_entry *e, const tap_tensor *t,
                            sqlite3_int64 *id, tap_error *err) {
    base *b = s->state;
    char shape[300] = "";
    tap_text text = {shape, sizeof shape, 0};
    int32_t known = tap_map_get(&b->ids, name, 0);
    *id = known;
    if (known) return TAP_OK;
    tap_text_dims(&text, t->rank, t->dims);
    sqlite3_bind_int64(b->tensor, 1, b->run);
    bind_text(b->tensor, 2, name);
    bind_text(b->tensor, 3, e->tensor);
    bind_text(b->tensor, 4, e->layer);
    bind_text(b->tensor, 5, e->node);
    bind_text(b->tensor, 6, e->op);
    bind_text(b->tensor, 7, tap_dtype_name(t->dtype));
    bind_text(b->tensor, 8, shape);
    sqlite3_bind_int(b->tensor, 9, e->output >= 0);
    tap_status status = step(s, b, b->tensor, err);
    if (status != TAP_OK) return status;
    *id = sqlite3_last_insert_rowid(b->db);
    const char *key = tap_arena_string(&b->names, name, strlen(name));
    if (!key || *id > INT32_MAX || !tap_map_put(&b->ids, key, (int32_t)*id))
        return tap_error_no_memory(err, strlen(name));
    return TAP_OK;
}

static tap_status put_figures(tap_sink *s, sqlite3_int64 id, int64_t batch, const tap_tensor *t,
                              tap_error *err) {
    base *b = s->state;
    tap_summary x = {.size = sizeof x};
    tap_tensor_summary(t, &x);
    sqlite3_bind_int64(b->figures, 1, id);
    sqlite3_bind_int64(b->figures, 2, batch);
    sqlite3_bind_int64(b->figures, 3, t->count);
    bind_number(b->figures, 4, x.mean);
    bind_number(b->figures, 5, x.min);
    bind_number(b->figures, 6, x.max);
    sqlite3_bind_int64(b->figures, 7, x.nonfinite);
    sqlite3_bind_int64(b->figures, 8, x.nan);
    return step(s, b, b->figures, err);
}

/* ---- Rows ---- */

typedef struct text {
    char *s;
    size_t n, room;
    bool failed;
} text;

static void add_text(void *user, const char *s, size_t n) {
    text *t = user;
    if (t->n + n + 1 > t->room) {
        size_t room = 2 * (t->n + n) + 64;
        char *p = realloc(t->s, room);
        if (!p) {
            t->failed = true;
            return;
        }
        t->s = p;
        t->room = room;
    }
    memcpy(t->s + t->n, s, n);
    t->n += n;
}

/* JSON of elements, flat; NaN and infinities as null, which SQLite's json functions can read. */
static tap_status bind_json(sqlite3_stmt *q, int at, const tap_tensor *t, int64_t first, int64_t n,
                            tap_error *err) {
    text out = {NULL, 0, 0, false};
    add_text(&out, "[", 1);
    for (int64_t i = 0; i < n; i++) {
        char number[80];
        double x;
        if (i) add_text(&out, ",", 1);
        if (t->dtype == TAP_STRING) {
            const tap_string *s = (const tap_string *)t->data + first + i;
            tap_json *j = tap_json_new(add_text, &out, 0);
            if (j) tap_json_bytes(j, NULL, s->s, s->n);
            tap_json_free(j);
            if (out.n && out.s[out.n - 1] == '\n') out.n--;
        } else if (tap_tensor_doubles(t, first + i, 1, &x) && !isfinite(x)) {
            add_text(&out, "null", 4);
        } else {
            size_t k = tap_tensor_text(t, first + i, number, sizeof number);
            add_text(&out, number, k < sizeof number ? k : sizeof number - 1);
        }
    }
    add_text(&out, "]", 1);
    if (!out.failed) sqlite3_bind_text(q, at, out.s, (int)out.n, SQLITE_TRANSIENT);
    free(out.s);
    return out.failed ? tap_error_no_memory(err, out.room) : TAP_OK;
}

static void bind_label(sqlite3_stmt *q, int at, const tap_batch *b, int64_t r) {
    const tap_tensor *l = b ? tap_value_tensor(b->labels) : NULL;
    if (!l || l->rank < 1 || l->dims[0] <= r) return;
    int64_t each = l->count / l->dims[0];
    char label[200];
    if (each < 1) return;
    if (l->dtype == TAP_STRING) {
        const tap_string *s = (const tap_string *)l->data + r * each;
        sqlite3_bind_text(q, at, s->s, (int)s->n, SQLITE_TRANSIENT);
    } else {
        tap_tensor_text(l, r * each, label, sizeof label);
        bind_text(q, at, label);
    }
}

static void bind_argmax(sqlite3_stmt *q, int at, const tap_tensor *t, int64_t first, int64_t n) {
    double x, most = 0;
    int64_t best = -1;
    for (int64_t i = 0; i < n && t->dtype != TAP_STRING && n <= JSON_MOST; i++)
        if (tap_tensor_doubles(t, first + i, 1, &x) && !isnan(x) && (best < 0 || x > most))
            best = i, most = x;
    if (best >= 0 && n > 1) sqlite3_bind_int64(q, at, best);
}

static tap_status put_row(tap_sink *s, sqlite3_int64 id, const tap_batch *b, const tap_tensor *t, int64_t r,
                          int64_t each, tap_error *err) {
    sqlite3_stmt *q = ((base *)s->state)->row;
    tap_status status = TAP_OK;
    sqlite3_bind_int64(q, 1, id);
    sqlite3_bind_int64(q, 2, b ? b->index : 0);
    sqlite3_bind_int64(q, 3, b && r < b->n_rows ? b->rows[r] : r);
    bind_label(q, 4, b, r);
    bind_argmax(q, 5, t, r * each, each);
    if (each <= JSON_MOST || t->dtype == TAP_STRING)
        status = bind_json(q, 6, t, r * each, each, err);
    else
        sqlite3_bind_blob64(q, 6, (const char *)t->data + (size_t)(r * each) * tap_dtype_bytes(t->dtype),
                            (sqlite3_uint64)each * tap_dtype_bytes(t->dtype), SQLITE_TRANSIENT);
    return status == TAP_OK ? step(s, s->state, q, err) : status;
}

typedef struct adding {
    tap_sink *sink;
    const tap_entry *e;
} adding;

static tap_status add_tensor(void *user, const char *name, const tap_value *v, tap_error *err) {
    const adding *a = user;
    const tap_tensor *t = &v->tensor;
    const tap_batch *b = a->e->batch;
    sqlite3_int64 id;
    tap_status s = tensor_id(a->sink, name, a->e, t, &id, err);
    if (s == TAP_OK) s = put_figures(a->sink, id, b ? b->index : 0, t, err);
    /* Without a batch axis the value is one row. */
    bool split = t->rank > 0 && (!b || t->dims[0] == b->n_rows);
    int64_t rows = split ? t->dims[0] : 1, each = rows > 0 ? t->count / rows : 0;
    for (int64_t r = 0; s == TAP_OK && r < rows; r++) s = put_row(a->sink, id, b, t, r, each, err);
    return s;
}

static tap_status sqlite_add(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v,
                             tap_error *err) {
    base *b = s->state;
    adding a = {s, e};
    if (sqlite3_exec(b->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) return fail(s, b, err);
    tap_status status = tap_value_each(v, e->batch ? e->name : key, add_tensor, &a, err);
    if (status == TAP_OK && sqlite3_exec(b->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK) return TAP_OK;
    if (status == TAP_OK) status = fail(s, b, err);
    /* A full disk may have rolled it back already. */
    if (!sqlite3_get_autocommit(b->db)) sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static tap_status end_run(tap_sink *s, base *b, const tap_error *reason, tap_error *err) {
    sqlite3_stmt *q;
    if (sqlite3_exec(b->db, "BEGIN; DROP TABLE reserve", NULL, NULL, NULL) != SQLITE_OK)
        return fail(s, b, err);
    if (sqlite3_prepare_v2(b->db, "UPDATE runs SET complete = ?, error = ?, error_node = ? WHERE id = ?", -1,
                           &q, NULL) != SQLITE_OK)
        return fail(s, b, err);
    sqlite3_bind_int(q, 1, reason == NULL);
    bind_text(q, 2, reason ? reason->text : NULL);
    bind_text(q, 3, reason && reason->node[0] ? reason->node : NULL);
    sqlite3_bind_int64(q, 4, b->run);
    bool good = sqlite3_step(q) == SQLITE_DONE;
    sqlite3_finalize(q);
    if (good) good = sqlite3_exec(b->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    return good ? TAP_OK : fail(s, b, err);
}

static tap_status sqlite_finish(tap_sink *s, const tap_error *reason, tap_error *err) {
    base *b = s->state;
    tap_status status = end_run(s, b, reason, err);
    char *tmp = b->tmp;
    b->tmp = NULL;
    base_free(b);
    if (status == TAP_OK && rename(tmp, s->path) != 0)
        status = tap_error_set(err, TAP_IO, "%s: cannot get its name", s->path);
    if (status != TAP_OK) unlink(tmp);
    free(tmp);
    return status;
}

static void sqlite_discard(tap_sink *s) {
    base *b = s->state;
    unlink(b->tmp);
    base_free(b);
}
#else
static tap_status sqlite_open(tap_sink *s, tap_error *err) {
    return tap_error_set(err, TAP_UNSUPPORTED, "%s: writing .sqlite takes libsqlite3, which this build lacks",
                         s->path);
}

static tap_status sqlite_add(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v,
                             tap_error *err) {
    (void)s, (void)key, (void)e, (void)v, (void)err;
    return TAP_UNSUPPORTED;
}

static tap_status sqlite_finish(tap_sink *s, const tap_error *reason, tap_error *err) {
    (void)s, (void)reason, (void)err;
    return TAP_UNSUPPORTED;
}

static void sqlite_discard(tap_sink *s) {
    (void)s;
}
#endif

const tap_sink_kind tap_sink_sqlite = {.takes_any = true,
                                       .takes_batches = true,
                                       .open = sqlite_open,
                                       .add = sqlite_add,
                                       .finish = sqlite_finish,
                                       .discard = sqlite_discard};
