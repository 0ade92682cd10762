/* Elements into cells: which count for which set of figures, in as many threads as there are. How elements
 * are grouped hangs on the shape alone. */
#include <stdatomic.h>
#include <stdlib.h>

#include "tap/block.h"
#include "tap/stats.h"

#define CHUNK     ((int64_t)1 << 15) /* elements that one thread sums up by themselves */
#define SHORT_RUN 16
#define PENDING \
    (-2) /* a row that is told by the element's position in the whole tensor, until it is put right */

/* Rows by their numbers in the file, and elements by their place in the row. */
static void put_right(tap_cell *c, const tap_stats_source *source, int64_t row_size) {
    const tap_batch *b = source->axis == 0 ? source->batch : NULL;
    int64_t *const at[2] = {&c->min_at, &c->max_at}, *const row[2] = {&c->min_row, &c->max_row};
    for (int k = 0; k < 2; k++) {
        if (*row[k] != PENDING) continue;
        int64_t r = row_size > 0 ? *at[k] / row_size : 0;
        *at[k] -= r * row_size;
        *row[k] = b && b->n_rows > 0 ? b->rows[tap_min64(r, b->n_rows - 1)] : r;
    }
}

static bool add_run(const tap_tensor *t, int64_t first, int64_t n, tap_cell *c, uint32_t *table) {
    double block[TAP_BLOCK];
    if (t->dtype == TAP_FLOAT)
        return tap_cell_add_floats(c, (const float *)t->data + first, n, PENDING, first, 1,
                                   c->sketch || table, table);
    for (int64_t i = 0; i < n; i += TAP_BLOCK) {
        int64_t m = tap_min64(TAP_BLOCK, n - i);
        tap_tensor_doubles(t, first + i, m, block);
        if (!tap_cell_add(c, block, m, PENDING, first + i, 1)) return false;
    }
    return true;
}

/* ---- One set of figures: pieces of the tensor, merged in their order ---- */

typedef struct chunks {
    const tap_tensor *t;
    tap_cell *parts;
    uint32_t **tables; /* NULL: no codes, or they go to the parts' sketches */
} chunks;

static void add_chunks(void *arg, int64_t begin, int64_t end, int worker) {
    const chunks *x = arg;
    for (int64_t k = begin; k < end; k++)
        add_run(x->t, k * CHUNK, tap_min64(CHUNK, x->t->count - k * CHUNK), &x->parts[k],
                x->tables ? x->tables[worker] : NULL);
}

static void loop(tap_stats *s, int64_t n, int64_t grain, void (*fn)(void *, int64_t, int64_t, int),
                 void *arg) {
    if (s->loop && n > grain)
        s->loop(s->pool, n, grain, fn, arg);
    else
        fn(arg, 0, n, 0);
}

static bool have_tables(tap_stats *s) {
    int n = s->threads > 1 ? s->threads : 1;
    if (n <= s->n_tables) return true;
    uint32_t **more = realloc(s->tables, (size_t)n * sizeof *more);
    if (!more) return false;
    s->tables = more;
    for (; s->n_tables < n; s->n_tables++)
        if (!(more[s->n_tables] = calloc(TAP_SKETCH_TABLE, sizeof **more))) return false;
    return true;
}

/* Floats: their codes go to a table of each thread. */
static bool add_in_chunks(tap_stats *s, const tap_tensor *t, tap_cell *c, const tap_stats_source *source,
                          int64_t row_size) {
    int64_t n = (t->count + CHUNK - 1) / CHUNK;
    tap_cell *parts = calloc((size_t)n, sizeof *parts);
    bool good = parts && (!c->sketch || have_tables(s));
    for (int64_t k = 0; good && k < n; k++) tap_cell_init(&parts[k]);
    chunks x = {.t = t, .parts = parts, .tables = c->sketch ? s->tables : NULL};
    if (good) loop(s, n, 1, add_chunks, &x);
    double min = 0, max = 0;
    for (int64_t k = 0; good && k < n; k++) {
        if (parts[k].min_at >= 0 && parts[k].min < min) min = parts[k].min;
        if (parts[k].max_at >= 0 && parts[k].max > max) max = parts[k].max;
        put_right(&parts[k], source, row_size);
        good = tap_cell_merge(c, &parts[k]);
    }
    for (int k = 0; good && c->sketch && k < s->n_tables; k++)
        good = tap_sketch_take_table(c->sketch, s->tables[k], min, max);
    free(parts);
    return good;
}

/* ---- Several ---- */

typedef struct cells {
    const tap_tensor *t;
    tap_gathered *g;
    tap_view v;
    atomic_bool failed;
} cells;

/* Short runs: the elements of all outer indices, gathered. */
static bool add_strided(const tap_tensor *t, int64_t first, int64_t step, int64_t n, tap_cell *c) {
    double block[TAP_BLOCK];
    float floats[TAP_BLOCK];
    bool good = true;
    for (int64_t i = 0; good && i < n; i += TAP_BLOCK) {
        int64_t m = tap_min64(TAP_BLOCK, n - i), at = first + i * step;
        if (t->dtype == TAP_FLOAT) {
            for (int64_t k = 0; k < m; k++) floats[k] = ((const float *)t->data)[at + k * step];
            good = tap_cell_add_floats(c, floats, m, PENDING, at, step, c->sketch, NULL);
        } else {
            for (int64_t k = 0; k < m; k++) tap_tensor_doubles(t, at + k * step, 1, &block[k]);
            good = tap_cell_add(c, block, m, PENDING, at, step);
        }
    }
    return good;
}

static bool add_cell(const cells *x, int64_t k) {
    tap_view v = x->v;
    int64_t step = v.n * v.inner;
    bool good = true;
    tap_cell *c = &x->g->cells[k];
    if (v.inner >= SHORT_RUN)
        for (int64_t o = 0; o < v.outer && good; o++)
            good = add_run(x->t, o * step + k * v.inner, v.inner, c, NULL);
    else
        for (int64_t i = 0; i < v.inner && good; i++)
            good = add_strided(x->t, k * v.inner + i, step, v.outer, c);
    return good;
}

static void add_cells(void *arg, int64_t begin, int64_t end, int worker) {
    cells *x = arg;
    (void)worker;
    for (int64_t k = begin; k < end; k++)
        if (!add_cell(x, k)) x->failed = true;
}

bool tap_gather(tap_stats *s, tap_gathered *g, const tap_stats_source *source, const tap_tensor *t,
                tap_view v) {
    int64_t row_size = t->rank > 0 && t->dims[0] > 0 ? t->count / t->dims[0] : t->count;
    if (v.n == 1 && t->count > CHUNK && t->dtype == TAP_FLOAT)
        return add_in_chunks(s, t, &g->cells[0], source, row_size);
    cells x = {.t = t, .g = g, .v = v};
    int64_t each = t->count / tap_max64(1, v.n);
    loop(s, v.n, tap_max64(1, CHUNK / tap_max64(1, each)), add_cells, &x);
    for (size_t k = 0; k < g->n_cells; k++) put_right(&g->cells[k], source, row_size);
    return !x.failed;
}
