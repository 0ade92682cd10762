/* The driver of reductions: brings shape and axes into one of two forms and splits the work.
 *
 *   runs      the last dimension is reduced: each output combines contiguous runs
 *   columns   the last dimension is kept: rows are combined with each other, column by column
 *
 * Work is cut into items: some outputs, and a piece of what they combine. Where there is more than one piece,
 * each leaves its accumulators in scratch, and they are combined in order at the end. */
#include "common/reduce.h"

#include <string.h>

#include "common/floats.h"
#include "common/tile.h"

/* Elements that an item of work should combine, and the most outputs that it has. */
#define ITEM_ELEMENTS 65536
#define TILE_MAX      256
#define ACC_MAX       16 /* bytes of an accumulator */

/* Runs of so many bytes, so many at least behind each other, are turned into columns. */
#define SHORT_BYTES 256
#define FEW_RUNS    8

/* Dimensions to walk, in steps of elements. */
typedef struct walk {
    int rank;
    int64_t extent[TAP_RANK_MAX], step[TAP_RANK_MAX];
    int64_t count;
} walk;

typedef struct plan {
    const tap_reducer *reducer;
    const char *x;
    const void *shift;
    char *y;
    char *partial; /* [pieces][outputs] accumulators; NULL where there is one piece        */
    bool columns;
    walk kept, reduced; /* without the last dimension                                           */
    int64_t inner;      /* the last dimension: kept in columns, reduced in runs                 */
    int64_t fold;       /* columns: rows laid side by side, so that narrow ones fill the lanes  */
    int64_t rows,
        rows_rest;         /* columns: of `inner` x fold in the innermost reduced dimension; rows left over */
    bool short_runs;       /* runs are turned into columns                                        */
    int64_t tile, n_tiles; /* outputs of an item; items beside each other                          */
    int64_t n_steps, piece, n_pieces; /* what an output combines, in steps; steps of an item          */
    int64_t n_out;
    double count; /* elements that an output combines                                     */
} plan;

/* ---- The forms -------------------------------------------------------------------------------------------
 */

typedef struct merged {
    int rank;
    int64_t extent[TAP_RANK_MAX];
    bool reduced[TAP_RANK_MAX];
} merged;

/* Drops dimensions of extent 1 and joins neighbours of one kind. Leaves at least one. */
static void merge_dims(merged *m, const tap_tensor *x, uint32_t axes) {
    m->rank = 0;
    for (int d = 0; d < x->rank; d++) {
        bool reduced = axes >> d & 1;
        if (x->dims[d] == 1) continue;
        if (m->rank > 0 && m->reduced[m->rank - 1] == reduced) {
            m->extent[m->rank - 1] *= x->dims[d];
        } else {
            m->extent[m->rank] = x->dims[d];
            m->reduced[m->rank++] = reduced;
        }
    }
    if (m->rank == 0) {
        m->extent[0] = 1;
        m->reduced[m->rank++] = false;
    }
}

static void walk_add(walk *w, int64_t extent, int64_t step) {
    w->extent[w->rank] = extent;
    w->step[w->rank++] = step;
    w->count *= extent;
}

/* Where index i, counted in row-major order, lies. */
static int64_t walk_at(const walk *w, int64_t i) {
    int64_t at = 0;
    for (int d = w->rank - 1; d >= 0; d--) {
        at += i % w->extent[d] * w->step[d];
        i /= w->extent[d];
    }
    return at;
}

static void plan_shape(plan *p, const tap_tensor *x, uint32_t axes) {
    merged m;
    merge_dims(&m, x, axes);
    int last = m.rank - 1;
    p->columns = !m.reduced[last];
    p->inner = m.extent[last];
    p->kept = p->reduced = (walk){.count = 1};
    int64_t step[TAP_RANK_MAX], s = 1;
    for (int d = last; d >= 0; d--) {
        step[d] = s;
        s *= m.extent[d];
    }
    for (int d = 0; d < last; d++) walk_add(m.reduced[d] ? &p->reduced : &p->kept, m.extent[d], step[d]);
    p->n_out = p->kept.count * (p->columns ? p->inner : 1);
    p->count = (double)p->reduced.count * (double)(p->columns ? 1 : p->inner);
}

/* Rows that are narrower than the lanes are taken several at a time. */
static void plan_columns(plan *p) {
    int64_t lanes = p->reducer->loops->lanes, innermost = 1;
    walk *r = &p->reduced;
    if (r->rank > 0) innermost = r->extent[r->rank - 1];
    p->fold = 1;
    if (2 * p->inner <= lanes && innermost >= 2 * (lanes / p->inner)) p->fold = lanes / p->inner;
    p->rows = innermost / p->fold;
    p->rows_rest = innermost % p->fold;
    p->tile = p->fold > 1 ? p->inner : tap_min64(p->inner, TILE_MAX);
    p->n_tiles = p->kept.count * ((p->inner + p->tile - 1) / p->tile);
    p->n_steps = r->count / innermost * (p->rows + (p->rows_rest > 0));
    p->piece = tap_max64(1, ITEM_ELEMENTS / (p->tile * p->fold) / TAP_REDUCE_ROWS) * TAP_REDUCE_ROWS;
}

/* Short runs that are turned at a time. */
static int64_t short_tile(const plan *p) {
    return tap_min64(TILE_MAX, tap_max64(TAP_TILE_ROWS, p->reducer->loops->lanes));
}

static void plan_runs(plan *p) {
    int64_t per_out = tap_max64(1, p->inner * p->reduced.count);
    p->short_runs = (size_t)p->inner * p->reducer->x_bytes <= SHORT_BYTES && p->kept.rank > 0 &&
                    p->kept.extent[p->kept.rank - 1] >= FEW_RUNS;
    p->tile = tap_min64(TILE_MAX, tap_max64(p->short_runs ? short_tile(p) : 1, ITEM_ELEMENTS / per_out));
    p->tile = tap_min64(p->tile, p->kept.count);
    p->n_tiles = (p->kept.count + p->tile - 1) / p->tile;
    p->n_steps = p->reduced.count * ((p->inner + ITEM_ELEMENTS - 1) / ITEM_ELEMENTS);
    p->piece = tap_max64(1, ITEM_ELEMENTS / (p->inner * (p->short_runs ? p->tile : 1)));
}

/* ---- Columns ---- */

typedef struct rows {
    const plan *p;
    char *acc;
    const char *row[TAP_REDUCE_ROWS];
    const void *shift;
    int n;
    int64_t width;
} rows;

static void rows_flush(rows *r) {
    const tap_reducer *d = r->p->reducer;
    if (r->n > 0) d->loops->columns(r->acc, r->row, r->n, r->width, d->map, d->x_bytes, r->shift);
    r->n = 0;
}

static void rows_add(rows *r, const char *x, int64_t width) {
    if (r->n == TAP_REDUCE_ROWS || width != r->width) rows_flush(r);
    r->width = width;
    r->row[r->n++] = x;
}

/* acc[width] = the steps begin to end of the rows at x. */
static void combine_rows(const plan *p, char *acc, const char *x, int64_t width, const void *shift,
                         int64_t begin, int64_t end) {
    rows r = {.p = p, .acc = acc, .shift = shift};
    int64_t per_outer = p->rows + (p->rows_rest > 0), row_step = p->inner * p->fold;
    walk outer = p->reduced;
    if (outer.rank > 0) outer.rank--;
    for (int64_t s = begin; s < end;) {
        int64_t o = s / per_outer, i = s % per_outer, n = tap_min64(end - s, per_outer - i);
        const char *base = x + (size_t)walk_at(&outer, o) * p->reducer->x_bytes;
        for (int64_t k = i; k < i + n; k++)
            rows_add(&r, base + (size_t)(k * row_step) * p->reducer->x_bytes,
                     k < p->rows ? width : p->rows_rest * p->inner);
        s += n;
    }
    rows_flush(&r);
}

/* acc[inner] = acc[inner] of the fold groups laid side by side. */
static void unfold(const plan *p, char *acc) {
    const tap_reduce_loops *l = p->reducer->loops;
    for (int64_t g = 1; g < p->fold; g++)
        l->merge(p->inner, acc, acc + (size_t)(g * p->inner) * l->acc_bytes);
}

/* The shift of output i, laid out for rows as wide as a fold. */
static const void *folded_shift(const plan *p, int64_t i, char *room) {
    size_t each = p->reducer->loops->block_bytes, n = each * (size_t)p->inner;
    if (!p->shift) return NULL;
    const char *shift = (const char *)p->shift + (size_t)i * each;
    if (p->fold == 1) return shift;
    for (int64_t g = 0; g < p->fold; g++) memcpy(room + (size_t)g * n, shift, n);
    return room;
}

/* ---- Items ---- */

static void store(const plan *p, int64_t piece, int64_t out, int64_t n, const char *acc) {
    const tap_reducer *r = p->reducer;
    size_t each = r->loops->acc_bytes;
    if (p->partial)
        memcpy(p->partial + (size_t)(piece * p->n_out + out) * each, acc, (size_t)n * each);
    else
        r->finish(n, acc, p->count,
                  p->shift ? (const char *)p->shift + (size_t)out * r->loops->block_bytes : NULL,
                  p->y + (size_t)out * r->y_bytes);
}

static void columns_item(const plan *p, int64_t tile, int64_t piece) {
    _Alignas(64) char acc[TILE_MAX * ACC_MAX], room[TILE_MAX * ACC_MAX];
    int64_t per_kept = (p->inner + p->tile - 1) / p->tile, o = tile / per_kept,
            col = tile % per_kept * p->tile;
    int64_t n = tap_min64(p->tile, p->inner - col), width = n * p->fold, out = o * p->inner + col;
    const char *x = p->x + (size_t)(walk_at(&p->kept, o) + col) * p->reducer->x_bytes;
    p->reducer->loops->start(width, acc);
    combine_rows(p, acc, x, width, folded_shift(p, out, room), piece * p->piece,
                 tap_min64((piece + 1) * p->piece, p->n_steps));
    unfold(p, acc);
    store(p, piece, out, n, acc);
}

/* acc[m] = acc[m] combined with the m runs at x, which follow each other: turned into columns. */
static void short_runs(const plan *p, char *acc, const char *x, int64_t m, const void *shift) {
    const tap_reducer *r = p->reducer;
    _Alignas(64) char turned[TILE_MAX * SHORT_BYTES];
    const char *row[TAP_REDUCE_ROWS];
    tap_tile_apart(r->x_bytes, m, p->inner, x, turned);
    for (int64_t i = 0; i < p->inner; i += TAP_REDUCE_ROWS) {
        int k = (int)tap_min64(p->inner - i, TAP_REDUCE_ROWS);
        for (int c = 0; c < k; c++) row[c] = turned + (size_t)((i + c) * m) * r->x_bytes;
        r->loops->columns(acc, row, k, m, r->map, r->x_bytes, shift);
    }
}

/* acc[n] = steps begin to end of the outputs from `out` on. Those of the last kept dimension have runs that
 * follow each other. */
static void short_outputs(const plan *p, char *acc, int64_t out, int64_t n, int64_t begin, int64_t end) {
    const tap_reducer *r = p->reducer;
    int64_t together = p->kept.rank > 0 ? p->kept.extent[p->kept.rank - 1] : 1;
    for (int64_t i = 0, m; i < n; i += m) {
        int64_t o = out + i;
        m = tap_min64(tap_min64(n - i, short_tile(p)), together - o % together);
        const char *x = p->x + (size_t)walk_at(&p->kept, o) * r->x_bytes;
        const void *shift = p->shift ? (const char *)p->shift + (size_t)o * r->loops->block_bytes : NULL;
        for (int64_t s = begin; s < end; s++)
            short_runs(p, acc + (size_t)i * r->loops->acc_bytes,
                       x + (size_t)walk_at(&p->reduced, s) * r->x_bytes, m, shift);
    }
}

/* acc = steps begin to end of output `out`. */
static void long_run(const plan *p, char *acc, int64_t out, int64_t begin, int64_t end) {
    const tap_reducer *r = p->reducer;
    int64_t per_run = (p->inner + ITEM_ELEMENTS - 1) / ITEM_ELEMENTS;
    const char *x = p->x + (size_t)walk_at(&p->kept, out) * r->x_bytes;
    const void *shift = p->shift ? (const char *)p->shift + (size_t)out * r->loops->block_bytes : NULL;
    for (int64_t s = begin; s < end; s++) {
        int64_t at = s % per_run * ITEM_ELEMENTS;
        const char *run = x + (size_t)(walk_at(&p->reduced, s / per_run) + at) * r->x_bytes;
        r->loops->run(acc, run, tap_min64(p->inner - at, ITEM_ELEMENTS), r->map, r->x_bytes, shift);
    }
}

static void runs_item(const plan *p, int64_t tile, int64_t piece) {
    const tap_reduce_loops *l = p->reducer->loops;
    _Alignas(64) char acc[TILE_MAX * ACC_MAX];
    int64_t out = tile * p->tile, n = tap_min64(p->tile, p->kept.count - out);
    int64_t begin = piece * p->piece, end = tap_min64(begin + p->piece, p->n_steps);
    l->start(n, acc);
    if (p->short_runs)
        short_outputs(p, acc, out, n, begin, end);
    else
        for (int64_t i = 0; i < n; i++) long_run(p, acc + (size_t)i * l->acc_bytes, out + i, begin, end);
    store(p, piece, out, n, acc);
}

static void items(void *arg, int64_t begin, int64_t end, int worker) {
    const plan *p = arg;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        if (p->columns)
            columns_item(p, i % p->n_tiles, i / p->n_tiles);
        else
            runs_item(p, i % p->n_tiles, i / p->n_tiles);
    }
}

static void finish_pieces(const plan *p) {
    const tap_reducer *r = p->reducer;
    for (int64_t i = 1; i < p->n_pieces; i++)
        r->loops->merge(p->n_out, p->partial, p->partial + (size_t)(i * p->n_out) * r->loops->acc_bytes);
    r->finish(p->n_out, p->partial, p->count, p->shift, p->y);
}

static void finish_empty(const plan *p) {
    char acc[TILE_MAX * ACC_MAX];
    const tap_reducer *r = p->reducer;
    r->loops->start(TILE_MAX, acc);
    for (int64_t i = 0; i < p->n_out; i += TILE_MAX)
        r->finish(tap_min64(p->n_out - i, TILE_MAX), acc, 0,
                  p->shift ? (const char *)p->shift + (size_t)i * r->loops->block_bytes : NULL,
                  p->y + (size_t)i * r->y_bytes);
}

tap_status tap_reduce(tap_ctx *ctx, const tap_reducer *reducer, const tap_tensor *x, uint32_t axes,
                      const void *shift, void *y) {
    plan p = {.reducer = reducer, .x = x->data, .shift = shift, .y = y};
    plan_shape(&p, x, axes);
    if (p.n_out == 0) return TAP_OK;
    if (x->count == 0) {
        finish_empty(&p);
        return TAP_OK;
    }
    if (p.columns)
        plan_columns(&p);
    else
        plan_runs(&p);
    p.n_pieces = (p.n_steps + p.piece - 1) / p.piece;
    if (p.n_pieces > 1) {
        size_t n_bytes;
        if (!tap_mul_size((size_t)p.n_pieces * (size_t)p.n_out, reducer->loops->acc_bytes, &n_bytes))
            return tap_fail(ctx, TAP_MEMORY, "partial results of %lld x %lld elements do not fit in memory",
                            (long long)p.n_pieces, (long long)p.n_out);
        p.partial = tap_scratch(ctx, n_bytes);
        if (!p.partial) return TAP_MEMORY;
    }
    int64_t per_item = p.tile * tap_max64(1, (int64_t)p.count / p.n_pieces);
    tap_parallel(ctx, p.n_tiles * p.n_pieces, tap_max64(1, ITEM_ELEMENTS / 2 / per_item), items, &p);
    if (p.partial) finish_pieces(&p);
    return TAP_OK;
}

void tap_reduce_f16(int64_t n, const void *x, void *y, const void *shift, int64_t step) {
    (void)shift, (void)step;
    TAP_ISA_NAME(tap_floats_in)(TAP_FLOAT16, n, x, 2, y);
}

void tap_reduce_bf16(int64_t n, const void *x, void *y, const void *shift, int64_t step) {
    (void)shift, (void)step;
    TAP_ISA_NAME(tap_floats_in)(TAP_BFLOAT16, n, x, 2, y);
}
