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
    char *y;
    char *partial, *first_partial; /* [pieces][outputs] accumulators, of the reducer and of its `first`; NULL
                                      where there is one piece */
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

/* Elements that the first n steps of an output combine. */
static int64_t elements_of(const plan *p, int64_t n) {
    int64_t innermost = p->inner, unit = ITEM_ELEMENTS, per_outer = (innermost + unit - 1) / unit;
    if (p->columns) {
        innermost = p->rows * p->fold + p->rows_rest;
        unit = p->fold;
        per_outer = p->rows + (p->rows_rest > 0);
    }
    return n / per_outer * innermost + tap_min64(n % per_outer * unit, innermost);
}

/* Outputs out .. out + n of a tile, and steps begin .. end of what they combine. */
typedef struct item {
    int64_t out, n, begin, end;
} item;

/* One combination over an item. shift: of its n outputs, or NULL. */
typedef struct combination {
    const plan *p;
    const tap_reducer *r;
    const item *at;
    const char *shift;
} combination;

/* ---- Columns ---- */

typedef struct rows {
    const tap_reducer *reducer;
    char *acc;
    const char *row[TAP_REDUCE_ROWS];
    const void *shift;
    int n;
    int64_t width;
} rows;

static void rows_flush(rows *r) {
    const tap_reducer *d = r->reducer;
    if (r->n > 0) d->loops->columns(r->acc, r->row, r->n, r->width, d->map, d->x_bytes, r->shift);
    r->n = 0;
}

static void rows_add(rows *r, const char *x, int64_t width) {
    if (r->n == TAP_REDUCE_ROWS || width != r->width) rows_flush(r);
    r->width = width;
    r->row[r->n++] = x;
}

/* The steps of the item, from the rows at x, of `width` elements. */
static void combine_rows(const plan *p, rows *r, const item *at, const char *x, int64_t width) {
    int64_t per_outer = p->rows + (p->rows_rest > 0), row_step = p->inner * p->fold;
    walk outer = p->reduced;
    if (outer.rank > 0) outer.rank--;
    for (int64_t s = at->begin; s < at->end;) {
        int64_t o = s / per_outer, i = s % per_outer, n = tap_min64(at->end - s, per_outer - i);
        const char *base = x + (size_t)walk_at(&outer, o) * r->reducer->x_bytes;
        for (int64_t k = i; k < i + n; k++)
            rows_add(r, base + (size_t)(k * row_step) * r->reducer->x_bytes,
                     k < p->rows ? width : p->rows_rest * p->inner);
        s += n;
    }
    rows_flush(r);
}

/* acc[inner] = acc[inner] of the fold groups laid side by side. */
static void unfold(const plan *p, const tap_reduce_loops *l, char *acc) {
    for (int64_t g = 1; g < p->fold; g++)
        l->merge(p->inner, acc, acc + (size_t)(g * p->inner) * l->acc_bytes);
}

/* acc: room for TILE_MAX accumulators. */
static void combine_columns(const combination *c, char *acc) {
    char room[TILE_MAX * ACC_MAX];
    const plan *p = c->p;
    int64_t o = c->at->out / p->inner, col = c->at->out % p->inner, width = c->at->n * p->fold;
    rows r = {.reducer = c->r, .acc = acc, .shift = c->shift};
    if (c->shift && p->fold > 1) { /* the groups side by side have the same shifts */
        size_t n = (size_t)c->at->n * c->r->loops->block_bytes;
        for (int64_t g = 0; g < p->fold; g++) memcpy(room + (size_t)g * n, c->shift, n);
        r.shift = room;
    }
    c->r->loops->start(width, acc);
    combine_rows(p, &r, c->at, p->x + (size_t)(walk_at(&p->kept, o) + col) * c->r->x_bytes, width);
    unfold(p, c->r->loops, acc);
}

/* ---- Runs ---- */

static const char *shift_of(const combination *c, int64_t i) {
    return c->shift ? c->shift + (size_t)i * c->r->loops->block_bytes : NULL;
}

/* acc[m] = acc[m] combined with the m runs at x, which follow each other: turned into columns. */
static void short_runs(const combination *c, char *acc, const char *x, int64_t m, const void *shift) {
    const tap_reducer *r = c->r;
    int64_t inner = c->p->inner;
    _Alignas(64) char turned[TILE_MAX * SHORT_BYTES];
    const char *row[TAP_REDUCE_ROWS];
    tap_tile_apart(r->x_bytes, m, inner, x, turned);
    for (int64_t i = 0; i < inner; i += TAP_REDUCE_ROWS) {
        int k = (int)tap_min64(inner - i, TAP_REDUCE_ROWS);
        for (int j = 0; j < k; j++) row[j] = turned + (size_t)((i + j) * m) * r->x_bytes;
        r->loops->columns(acc, row, k, m, r->map, r->x_bytes, shift);
    }
}

/* The outputs of the last kept dimension have runs that follow each other. */
static void short_outputs(const combination *c, char *acc) {
    const plan *p = c->p;
    const tap_reducer *r = c->r;
    int64_t together = p->kept.extent[p->kept.rank - 1];
    for (int64_t i = 0, m; i < c->at->n; i += m) {
        int64_t o = c->at->out + i;
        m = tap_min64(tap_min64(c->at->n - i, short_tile(p)), together - o % together);
        const char *x = p->x + (size_t)walk_at(&p->kept, o) * r->x_bytes;
        for (int64_t s = c->at->begin; s < c->at->end; s++)
            short_runs(c, acc + (size_t)i * r->loops->acc_bytes,
                       x + (size_t)walk_at(&p->reduced, s) * r->x_bytes, m, shift_of(c, i));
    }
}

/* acc: of output i of the item. */
static void long_run(const combination *c, int64_t i, char *acc) {
    const plan *p = c->p;
    const tap_reducer *r = c->r;
    int64_t per_run = (p->inner + ITEM_ELEMENTS - 1) / ITEM_ELEMENTS;
    const char *x = p->x + (size_t)walk_at(&p->kept, c->at->out + i) * r->x_bytes;
    for (int64_t s = c->at->begin; s < c->at->end; s++) {
        int64_t at = s % per_run * ITEM_ELEMENTS;
        const char *run = x + (size_t)(walk_at(&p->reduced, s / per_run) + at) * r->x_bytes;
        r->loops->run(acc, run, tap_min64(p->inner - at, ITEM_ELEMENTS), r->map, r->x_bytes, shift_of(c, i));
    }
}

static void combine_runs(const combination *c, char *acc) {
    c->r->loops->start(c->at->n, acc);
    if (c->p->short_runs)
        short_outputs(c, acc);
    else
        for (int64_t i = 0; i < c->at->n; i++) long_run(c, i, acc + (size_t)i * c->r->loops->acc_bytes);
}

/* ---- Items ---- */

static void combine(const combination *c, char *acc) {
    if (c->p->columns)
        combine_columns(c, acc);
    else
        combine_runs(c, acc);
}

static void one_item(const plan *p, int64_t tile, int64_t piece) {
    _Alignas(64) char acc[TILE_MAX * ACC_MAX], first_acc[TILE_MAX * ACC_MAX], shift[TILE_MAX * ACC_MAX];
    const tap_reducer *r = p->reducer, *first = r->first;
    item at = {.begin = piece * p->piece, .end = tap_min64((piece + 1) * p->piece, p->n_steps)};
    if (p->columns) {
        int64_t per_kept = (p->inner + p->tile - 1) / p->tile, col = tile % per_kept * p->tile;
        at.out = tile / per_kept * p->inner + col;
        at.n = tap_min64(p->tile, p->inner - col);
    } else {
        at.out = tile * p->tile;
        at.n = tap_min64(p->tile, p->kept.count - at.out);
    }
    if (first) {
        combine(&(combination){p, first, &at, NULL}, first_acc);
        first->finish(at.n, first_acc, (double)(elements_of(p, at.end) - elements_of(p, at.begin)), NULL,
                      shift);
    }
    combine(&(combination){p, r, &at, first ? shift : NULL}, acc);
    if (p->n_pieces == 1) {
        r->finish(at.n, acc, p->count, first ? shift : NULL, p->y + (size_t)at.out * r->y_bytes);
        return;
    }
    size_t to = (size_t)(piece * p->n_out + at.out), each = r->loops->acc_bytes;
    memcpy(p->partial + to * each, acc, (size_t)at.n * each);
    if (!first) return;
    each = first->loops->acc_bytes;
    memcpy(p->first_partial + to * each, first_acc, (size_t)at.n * each);
}

static void items(void *arg, int64_t begin, int64_t end, int worker) {
    const plan *p = arg;
    (void)worker;
    for (int64_t i = begin; i < end; i++) one_item(p, i % p->n_tiles, i / p->n_tiles);
}

/* ---- Pieces put together ---- */

static char *partial_of(char *partial, const tap_reducer *r, const plan *p, int64_t piece, int64_t out) {
    return partial + (size_t)(piece * p->n_out + out) * r->loops->acc_bytes;
}

/* The shift of outputs out .. out + n as a whole; their accumulators are brought to it. */
static void common_shift(const plan *p, int64_t out, int64_t n, char *shift) {
    const tap_reducer *r = p->reducer, *first = r->first;
    char acc[TILE_MAX * ACC_MAX], of_piece[TILE_MAX * ACC_MAX];
    first->loops->start(n, acc);
    for (int64_t i = 0; i < p->n_pieces; i++)
        first->loops->merge(n, acc, partial_of(p->first_partial, first, p, i, out));
    first->finish(n, acc, p->count, NULL, shift);
    for (int64_t i = 0; i < p->n_pieces; i++) {
        const void *first_acc = partial_of(p->first_partial, first, p, i, out);
        int64_t end = tap_min64((i + 1) * p->piece, p->n_steps);
        double count = (double)(elements_of(p, end) - elements_of(p, i * p->piece));
        first->finish(n, first_acc, count, NULL, of_piece);
        r->move(n, partial_of(p->partial, r, p, i, out), count, first_acc, of_piece, shift);
    }
}

static void finish_pieces(void *arg, int64_t begin, int64_t end, int worker) {
    const plan *p = arg;
    const tap_reducer *r = p->reducer;
    char shift[TILE_MAX * ACC_MAX];
    (void)worker;
    for (int64_t out = begin, n; out < end; out += n) {
        n = tap_min64(end - out, TILE_MAX);
        char *acc = partial_of(p->partial, r, p, 0, out);
        if (r->first) common_shift(p, out, n, shift);
        for (int64_t i = 1; i < p->n_pieces; i++)
            r->loops->merge(n, acc, partial_of(p->partial, r, p, i, out));
        r->finish(n, acc, p->count, r->first ? shift : NULL, p->y + (size_t)out * r->y_bytes);
    }
}

static void finish_empty(const plan *p) {
    char acc[TILE_MAX * ACC_MAX], shift[TILE_MAX * ACC_MAX];
    const tap_reducer *r = p->reducer, *first = r->first;
    if (first) {
        first->loops->start(TILE_MAX, acc);
        first->finish(TILE_MAX, acc, 0, NULL, shift);
    }
    r->loops->start(TILE_MAX, acc);
    for (int64_t i = 0; i < p->n_out; i += TILE_MAX)
        r->finish(tap_min64(p->n_out - i, TILE_MAX), acc, 0, first ? shift : NULL,
                  p->y + (size_t)i * r->y_bytes);
}

/* ---- The driver ---- */

static char *room_for_pieces(tap_ctx *ctx, const plan *p, const tap_reducer *r) {
    size_t n_bytes;
    if (tap_mul_size((size_t)p->n_pieces * (size_t)p->n_out, r->loops->acc_bytes, &n_bytes))
        return tap_scratch(ctx, n_bytes);
    tap_fail(ctx, TAP_MEMORY, "partial results of %lld x %lld elements do not fit in memory",
             (long long)p->n_pieces, (long long)p->n_out);
    return NULL;
}

tap_status tap_reduce(tap_ctx *ctx, const tap_reducer *reducer, const tap_tensor *x, uint32_t axes, void *y) {
    plan p = {.reducer = reducer, .x = x->data, .y = y};
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
        if (!(p.partial = room_for_pieces(ctx, &p, reducer))) return TAP_MEMORY;
        if (reducer->first && !(p.first_partial = room_for_pieces(ctx, &p, reducer->first)))
            return TAP_MEMORY;
    }
    int64_t per_item = p.tile * tap_max64(1, (int64_t)p.count / p.n_pieces);
    tap_parallel(ctx, p.n_tiles * p.n_pieces, tap_max64(1, ITEM_ELEMENTS / 2 / per_item), items, &p);
    if (p.partial)
        tap_parallel(ctx, p.n_out, tap_max64(TILE_MAX, ITEM_ELEMENTS / p.n_pieces), finish_pieces, &p);
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
