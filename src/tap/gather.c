/* Elements into cells: which count for which set of figures, in as many threads as there are. How elements
 * are grouped, and the order in which they are summed up, hangs on the shape and on how they lie alone. */
#include <stdatomic.h>
#include <stdlib.h>

#include "tap/block.h"
#include "tap/stats.h"

#define CHUNK       ((int64_t)1 << 15) /* elements that one thread sums up by themselves */
#define CHUNKS_MOST ((int64_t)1 << 15) /* before tables are emptied: their counts have 32 bits */
#define TABLE_LEAST CHUNK              /* elements that make a table worth emptying */
#define TILE        512
#define TILE_CELLS  16
#define SHORT_RUN   16
#define TIES_MANY   256

/* ---- Places ---- */

/* From a place in memory to the place in the value, in C order. */
typedef struct places {
    int rank;
    int64_t dims[TAP_RANK_MAX];  /* as they lie */
    int64_t steps[TAP_RANK_MAX]; /* of those axes, in the value */
    int64_t row;                 /* elements of a row of the value */
    bool turned;
} places;

static places places_of(const tap_given *x) {
    places p = {.rank = x->t->rank, .turned = x->turned};
    int64_t step = 1;
    for (int i = p.rank - 1; i >= 0; i--) {
        p.dims[i] = x->t->dims[i];
        p.steps[x->perm[i]] = step;
        if (i == 0) p.row = step;
        step *= x->dims[i];
    }
    if (p.rank == 0) p.row = 1;
    return p;
}

static int64_t place(const places *p, int64_t at) {
    int64_t out = 0;
    if (!p->turned) return at;
    for (int i = p->rank - 1; i >= 0; i--) {
        out += at % p->dims[i] * p->steps[i];
        at /= p->dims[i];
    }
    return out;
}

/* Rows by their numbers in the file, and elements by their place in the row; at[0] and at[1] are places of
 * the extremes in the value. */
static void put_right(tap_cell *c, const tap_stats_source *source, int64_t row_size, const int64_t at[2]) {
    const tap_batch *b = source->axis == 0 ? source->batch : NULL;
    int64_t *const to[2] = {&c->min_at, &c->max_at}, *const row[2] = {&c->min_row, &c->max_row};
    for (int k = 0; k < 2; k++) {
        if (*row[k] != TAP_ROW_PENDING) continue;
        int64_t r = row_size > 0 ? at[k] / row_size : 0;
        *to[k] = at[k] - r * row_size;
        *row[k] = b && b->n_rows > 0 ? b->rows[tap_min64(r, b->n_rows - 1)] : r;
    }
}

static void loop(tap_stats *s, int64_t n, int64_t grain, void (*fn)(void *, int64_t, int64_t, int),
                 void *arg) {
    if (s->loop && n > grain)
        s->loop(s->pool, n, grain, fn, arg);
    else
        fn(arg, 0, n, 0);
}

static bool add_run(const tap_tensor *t, int64_t first, int64_t n, int64_t at, tap_cell *c, tap_isa isa,
                    uint32_t *table) {
    double block[TAP_BLOCK];
    if (t->dtype == TAP_FLOAT)
        return tap_cell_add_floats(c, (const float *)t->data + first, n, at, isa, table);
    for (int64_t i = 0; i < n; i += TAP_BLOCK) {
        int64_t m = tap_min64(TAP_BLOCK, n - i);
        tap_tensor_doubles(t, first + i, m, block);
        if (!tap_cell_add(c, block, m, at >= 0 ? at + i : TAP_NO_PLACE)) return false;
    }
    return true;
}

/* ---- One set of figures: pieces of memory, merged in their order ---- */

typedef struct chunks {
    const tap_tensor *t;
    tap_cell *parts; /* n of them */
    int64_t n;
    uint32_t **tables; /* NULL: codes go to the parts' sketches, if they have one */
    tap_isa isa;
    atomic_bool failed;
} chunks;

static void add_chunks(void *arg, int64_t begin, int64_t end, int worker) {
    chunks *x = arg;
    for (int64_t k = begin; k < end; k++) {
        int64_t first = k * CHUNK, n = tap_min64(CHUNK, x->t->count - first);
        if (!add_run(x->t, first, n, TAP_NO_PLACE, &x->parts[k], x->isa,
                     x->tables ? x->tables[worker] : NULL))
            x->failed = true;
    }
}

static bool have_tables(tap_stats *s) {
    int n = s->threads > 1 ? s->threads : 1;
    if (n <= s->n_tables) return true;
    uint32_t **more = realloc(s->tables, (size_t)n * sizeof *more);
    if (!more) return false;
    s->tables = more;
    for (; s->n_tables < n; s->n_tables++)
        if (!(more[s->n_tables] = calloc(TAP_CODES, sizeof **more))) return false;
    return true;
}

typedef struct piece {
    chunks *x;
    int64_t first;
} piece;

static void add_piece(void *arg, int64_t begin, int64_t end, int worker) {
    const piece *p = arg;
    add_chunks(p->x, p->first + begin, p->first + end, worker);
}

/* Into `all`. What goes to a sketch without a table goes there in turn. */
static bool add_all(tap_stats *s, chunks *x, tap_cell *all) {
    for (int64_t k = 0; k < x->n; k += CHUNKS_MOST) {
        piece p = {x, k};
        int64_t n = tap_min64(CHUNKS_MOST, x->n - k);
        loop(s, n, all->sketch && !x->tables ? n : 1, add_piece, &p);
        for (int64_t i = k; i < k + n; i++) {
            x->parts[i].sketch = NULL;
            tap_cell_merge(all, &x->parts[i]);
        }
        for (int i = 0; x->tables && i < s->n_tables; i++)
            if (!tap_cell_take_table(all, x->tables[i])) return false;
    }
    return !x->failed;
}

static double number_at(const tap_tensor *t, int64_t i) {
    double x;
    if (t->dtype == TAP_FLOAT) return (double)((const float *)t->data)[i];
    tap_tensor_doubles(t, i, 1, &x);
    return x;
}

/* The first place in the value that has `found`, looked for in the value's own order. */
static int64_t first_in_order(const tap_given *x, double found) {
    int64_t step[TAP_RANK_MAX], at[TAP_RANK_MAX] = {0}, memory = 0, s = 1;
    int rank = x->t->rank;
    for (int i = rank - 1; i >= 0; i--) {
        step[i] = s;
        s *= x->t->dims[i];
    }
    for (int64_t i = 0; i < x->t->count; i++) {
        if (number_at(x->t, memory) == found) return i;
        for (int k = rank - 1; k >= 0; k--) {
            memory += step[x->perm[k]];
            if (++at[k] < x->dims[k]) break;
            memory -= step[x->perm[k]] * x->dims[k];
            at[k] = 0;
        }
    }
    return 0;
}

/* The first place in the value that has the least number, or the greatest. Few have it as a rule, and are
 * found fastest as they lie. */
static int64_t first_place(const tap_given *x, const places *p, const chunks *c, const tap_cell *all,
                           bool greatest) {
    double found = greatest ? all->max : all->min;
    int64_t best = -1, seen = 0;
    for (int64_t k = 0; k < c->n; k++) {
        const tap_cell *part = &c->parts[k];
        if (part->min_at < 0 || (greatest ? part->max : part->min) != found) continue;
        int64_t end = tap_min64((k + 1) * CHUNK, x->t->count);
        for (int64_t i = k * CHUNK; i < end; i++) {
            if (number_at(x->t, i) != found) continue;
            if (!x->turned) return i;
            if (++seen > TIES_MANY) return first_in_order(x, found);
            int64_t at = place(p, i);
            if (best < 0 || at < best) best = at;
        }
    }
    return best;
}

/* Whether an extreme is one of all that was seen, so that its place matters: a better one, or one as good
 * that may be in a row before. */
static bool is_news(int64_t at, int64_t row, bool better, bool equal, const tap_stats_source *source) {
    const tap_batch *b = source->axis == 0 ? source->batch : NULL;
    if (at < 0 || better) return true;
    for (int64_t i = 0; equal && b && i < b->n_rows; i++)
        if (b->rows[i] <= row) return true;
    return equal && (!b || b->n_rows == 0) && (row > 0 || at > 0);
}

static bool add_whole(tap_stats *s, tap_cell *c, const tap_stats_source *source, const tap_given *x) {
    places p = places_of(x);
    chunks k = {.t = x->t, .n = (x->t->count + CHUNK - 1) / CHUNK, .isa = tap_cpu_isa()};
    bool table = c->sketch && x->t->dtype == TAP_FLOAT && x->t->count >= TABLE_LEAST;
    tap_cell all;
    if (!(k.parts = calloc((size_t)k.n + 1, sizeof *k.parts))) return false;
    tap_cell_init(&all);
    all.sketch = c->sketch;
    for (int64_t i = 0; i < k.n; i++) {
        tap_cell_init(&k.parts[i]);
        k.parts[i].sketch = table ? NULL : c->sketch;
    }
    bool good = !table || have_tables(s);
    if (table) k.tables = s->tables;
    good = good && add_all(s, &k, &all);
    all.sketch = NULL;
    if (good && all.finite > 0) {
        bool least = is_news(c->min_at, c->min_row, all.min < c->min, all.min == c->min, source),
             most = is_news(c->max_at, c->max_row, all.max > c->max, all.max == c->max, source);
        int64_t at[2] = {least ? first_place(x, &p, &k, &all, false) : x->t->count,
                         most ? first_place(x, &p, &k, &all, true) : x->t->count};
        put_right(&all, source, p.row, at);
    }
    free(k.parts);
    return good && tap_cell_merge(c, &all);
}

/* ---- Several ---- */

typedef struct cells {
    const tap_given *x;
    const tap_stats_source *source;
    tap_gathered *g;
    tap_view v; /* of memory */
    places p;
    bool units; /* n is all of a row, in the order in which it lies */
    tap_isa isa;
    atomic_bool failed;
} cells;

static tap_cell *cell_at(const cells *x, int64_t k) {
    return &x->g->cells[x->units ? place(&x->p, k) : k];
}

/* Where element i of cell k lies. */
static int64_t memory_of(const cells *x, int64_t k, int64_t i) {
    const tap_view *v = &x->v;
    return (i / v->inner * v->n + k) * v->inner + i % v->inner;
}

static bool add_runs(cells *x, int64_t k) {
    tap_view v = x->v;
    for (int64_t o = 0; o < v.outer; o++)
        if (!add_run(x->x->t, (o * v.n + k) * v.inner, v.inner, o * v.inner, cell_at(x, k), x->isa, NULL))
            return false;
    return true;
}

/* Floats of m cells from k on, n of each from element i on. */
static void fill_tile(const cells *x, int64_t k, int64_t m, int64_t i, int64_t n, float tile[][TILE]) {
    const float *data = x->x->t->data;
    for (int64_t e = 0; e < n; e++) {
        const float *from = data + memory_of(x, k, i + e);
        for (int64_t j = 0; j < m; j++) tile[j][e] = from[j * x->v.inner];
    }
}

static void fill_doubles(const cells *x, int64_t k, int64_t i, int64_t n, double *tile) {
    for (int64_t e = 0; e < n; e++) tap_tensor_doubles(x->x->t, memory_of(x, k, i + e), 1, &tile[e]);
}

/* Short runs of up to TILE_CELLS cells: gathered, for lines of memory have something of many. */
static bool add_tile(cells *x, int64_t k, int64_t m) {
    float tile[TILE_CELLS][TILE];
    double wide[TILE];
    int64_t all = x->v.outer * x->v.inner;
    bool good = true;
    for (int64_t i = 0; good && i < all; i += TILE) {
        int64_t n = tap_min64(TILE, all - i);
        if (x->x->t->dtype == TAP_FLOAT) fill_tile(x, k, m, i, n, tile);
        for (int64_t j = 0; good && j < m; j++) {
            tap_cell *c = cell_at(x, k + j);
            if (x->x->t->dtype == TAP_FLOAT) {
                good = tap_cell_add_floats(c, tile[j], n, i, x->isa, NULL);
            } else {
                fill_doubles(x, k + j, i, n, wide);
                good = tap_cell_add(c, wide, n, i);
            }
        }
    }
    return good;
}

static void put_cell_right(const cells *x, int64_t k) {
    tap_cell *c = cell_at(x, k);
    int64_t at[2] = {0};
    if (c->min_row == TAP_ROW_PENDING) at[0] = place(&x->p, memory_of(x, k, c->min_at));
    if (c->max_row == TAP_ROW_PENDING) at[1] = place(&x->p, memory_of(x, k, c->max_at));
    put_right(c, x->source, x->p.row, at);
}

static void add_cells(void *arg, int64_t begin, int64_t end, int worker) {
    cells *x = arg;
    bool runs = x->v.inner >= SHORT_RUN, good = true;
    (void)worker;
    for (int64_t k = begin, m; good && k < end; k += m) {
        m = runs ? 1 : tap_min64(TILE_CELLS, end - k);
        good = runs ? add_runs(x, k) : add_tile(x, k, m);
    }
    if (!good) x->failed = true;
    for (int64_t k = begin; good && k < end; k++) put_cell_right(x, k);
}

/* How the cells' elements lie. */
static tap_view view_of(const tap_given *x, tap_per per, int axis) {
    tap_view v = {1, 1, 1};
    int m = per == TAP_PER_UNIT ? 0 : x->perm[axis];
    for (int i = 0; i < x->t->rank; i++) *(i < m ? &v.outer : i == m ? &v.n : &v.inner) *= x->t->dims[i];
    if (per == TAP_PER_UNIT) v = (tap_view){v.n, v.inner, 1};
    return v;
}

bool tap_gather_takes(const tap_given *x, tap_per per, int axis) {
    int before = -1;
    if (!x->turned || per == TAP_PER_TENSOR) return true;
    if (per == TAP_PER_UNIT) return x->perm[0] == 0;
    /* In each cell the elements are in the value's order. */
    for (int i = 0; i < x->t->rank; i++) {
        if (i == axis) continue;
        if (x->perm[i] < before) return false;
        before = x->perm[i];
    }
    return true;
}

bool tap_gather(tap_stats *s, tap_gathered *g, const tap_stats_source *source, const tap_given *x, int axis) {
    tap_per per = s->options.per;
    if (per == TAP_PER_TENSOR || x->t->rank < 1) return add_whole(s, &g->cells[0], source, x);
    cells c = {.x = x, .source = source, .g = g, .v = view_of(x, per, axis), .p = places_of(x)};
    int64_t each = c.v.outer * c.v.inner;
    c.units = per == TAP_PER_UNIT;
    c.isa = tap_cpu_isa();
    if (each > 0)
        loop(s, c.v.n, tap_max64(c.v.inner >= SHORT_RUN ? 1 : TILE_CELLS, CHUNK / each), add_cells, &c);
    return !c.failed;
}
