/* Softmax over slices of any shape: in cache, or, of slices that no cache holds, from their maxima and sums.
 */
#include <math.h>

#include "common/exp.h"
#include "common/floats.h"
#include "common/softmax.h"
#include "common/tile.h"

/* Elements that a task should have. */
#define TASK_ELEMENTS 16384
/* Short rows are turned into columns, so that TAP_SOFTMAX_WIDTH of them go side by side; not where there are
 * but a few. */
#define SHORT    TAP_TILE_SHORT
#define FEW_ROWS 8
/* Slices of more bytes than a second-level cache has to spare are reduced first, by all workers, and then
 * written in one go: exponentials are computed twice and the memory passed twice, not three times. */
#define FAR (512 << 10)

static bool rows_are_short(const tap_slices *of) {
    return of->n <= SHORT && of->outer >= FEW_ROWS;
}

/* ---- Groups of columns, or of rows, on one worker ---- */

typedef struct job {
    const char *x;
    char *y;
    tap_slices of;
    size_t bytes;      /* of an element                                                      */
    int64_t per_outer; /* inner > 1: groups of columns in one index of outer                 */
    bool log;
    char *wide; /* halves: room for a group in float32, for each worker               */
    size_t wide_bytes;
    void *stats; /* far: [2][outer][inner], the shift, and 1 / sum or its logarithm */
} job;

static void softmax(const job *j, const void *x, void *y, int64_t width, int64_t stride) {
    if (j->of.dtype == TAP_DOUBLE)
        tap_softmax_f64(x, y, j->of.n, width, stride, j->log);
    else
        tap_softmax_f32(x, y, j->of.n, width, stride, j->log);
}

static void columns(const job *j, int64_t group, float *wide) {
    int64_t o = group / j->per_outer, c = group % j->per_outer * TAP_SOFTMAX_WIDTH;
    int64_t width = tap_min64(j->of.inner - c, TAP_SOFTMAX_WIDTH);
    size_t at = (size_t)(o * j->of.n * j->of.inner + c) * j->bytes, row = (size_t)j->of.inner * j->bytes;
    if (!wide) {
        softmax(j, j->x + at, j->y + at, width, j->of.inner);
        return;
    }
    for (int64_t i = 0; i < j->of.n; i++)
        TAP_ISA_NAME(tap_floats_in)(j->of.dtype, width, j->x + at + (size_t)i * row, 2, wide + i * width);
    softmax(j, wide, wide, width, width);
    for (int64_t i = 0; i < j->of.n; i++)
        TAP_ISA_NAME(tap_floats_out)(j->of.dtype, width, wide + i * width, j->y + at + (size_t)i * row, 2);
}

static void long_row(const job *j, int64_t o, float *wide) {
    size_t at = (size_t)(o * j->of.n) * j->bytes;
    if (!wide) {
        softmax(j, j->x + at, j->y + at, 1, 1);
        return;
    }
    TAP_ISA_NAME(tap_floats_in)(j->of.dtype, j->of.n, j->x + at, 2, wide);
    softmax(j, wide, wide, 1, 1);
    TAP_ISA_NAME(tap_floats_out)(j->of.dtype, j->of.n, wide, j->y + at, 2);
}

/* `rows` short rows. */
static void turned(const job *j, const void *x, void *y, int64_t rows) {
    _Alignas(64) char tile[SHORT * TAP_SOFTMAX_WIDTH * sizeof(double)];
    size_t bytes = j->of.dtype == TAP_DOUBLE ? sizeof(double) : sizeof(float);
    tap_tile_apart(bytes, rows, j->of.n, x, tile);
    softmax(j, tile, tile, rows, rows);
    tap_tile_together(bytes, rows, j->of.n, tile, y);
}

static void short_rows(const job *j, int64_t group, float *wide) {
    int64_t o = group * TAP_SOFTMAX_WIDTH, rows = tap_min64(j->of.outer - o, TAP_SOFTMAX_WIDTH),
            n = rows * j->of.n;
    const char *x = j->x + (size_t)(o * j->of.n) * j->bytes;
    char *y = j->y + (size_t)(o * j->of.n) * j->bytes;
    if (!wide) {
        turned(j, x, y, rows);
        return;
    }
    TAP_ISA_NAME(tap_floats_in)(j->of.dtype, n, x, 2, wide);
    turned(j, wide, wide, rows);
    TAP_ISA_NAME(tap_floats_out)(j->of.dtype, n, wide, y, 2);
}

static void groups(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    float *wide = j->wide ? (float *)(void *)(j->wide + (size_t)worker * j->wide_bytes) : NULL;
    for (int64_t g = begin; g < end; g++) {
        if (j->of.inner > 1)
            columns(j, g, wide);
        else if (!rows_are_short(&j->of))
            long_row(j, g, wide);
        else
            short_rows(j, g, wide);
    }
}

/* ---- Sums of slices ---- */

/* A sum is infinite where an element is: nothing is known of the others then. */
#define FINITE(sum) ((sum) < (double)INFINITY ? (sum) : (double)NAN)

#define T       float
#define F(name) name##_f32
#include "common/softmax_far.inc"

#define T       double
#define F(name) name##_f64
#include "common/softmax_far.inc"

/* For elements S that are widened to T, by loops over B. */
#define SUMS(S, T, B, WIDEN, BYTES)                                                                       \
    static const tap_reducer most_##S = {.loops = &tap_loops_high_##B,                                    \
                                         .map = WIDEN,                                                    \
                                         .finish = tap_exp_shift_##B,                                     \
                                         .x_bytes = BYTES,                                                \
                                         .y_bytes = sizeof(T)};                                           \
    static const tap_reducer sums_##S[2] = {{&tap_loops_sum_##B, tap_exp_map_##S, finish_sums_##B, BYTES, \
                                             2 * sizeof(T), &most_##S, tap_exp_move_##B},                 \
                                            {&tap_loops_sum_##B, tap_exp_map_##S, finish_log_sums_##B,    \
                                             BYTES, 2 * sizeof(T), &most_##S, tap_exp_move_##B}};
SUMS(f32, float, f32, NULL, 4)
SUMS(f64, double, f64, NULL, 8)
SUMS(f16, float, f32, tap_reduce_f16, 2)
SUMS(bf16, float, f32, tap_reduce_bf16, 2)

void *tap_softmax_sums(tap_ctx *ctx, const tap_slices *of, const void *x, bool take_log) {
    static const tap_reducer *const sums[] = {[TAP_FLOAT16] = sums_f16,
                                              [TAP_BFLOAT16] = sums_bf16,
                                              [TAP_FLOAT] = sums_f32,
                                              [TAP_DOUBLE] = sums_f64};
    const tap_reducer *r = &sums[of->dtype][take_log];
    size_t each = r->y_bytes / 2, columns = (size_t)(of->outer * of->inner);
    tap_tensor t = {.dtype = of->dtype, .rank = 3, .data = (void *)(uintptr_t)x};
    t.count = (t.dims[0] = of->outer) * (t.dims[1] = of->n) * (t.dims[2] = of->inner);
    void *pairs = tap_scratch(ctx, 2 * columns * each), *apart = tap_scratch(ctx, 2 * columns * each);
    if (!pairs || !apart || tap_reduce(ctx, r, &t, 2, pairs) != TAP_OK) return NULL;
    tap_tile_apart(each, (int64_t)columns, 2, pairs, apart);
    return apart;
}

static tap_status run_far(tap_ctx *ctx, job *j) {
    int64_t count = j->of.outer * j->of.n * j->of.inner;
    if (!(j->stats = tap_softmax_sums(ctx, &j->of, j->x, j->log))) return TAP_MEMORY;
    tap_parallel(ctx, count, TASK_ELEMENTS, j->of.dtype == TAP_DOUBLE ? write_f64 : write_f32, j);
    return TAP_OK;
}

/* ---- All of them ---- */

/* Groups that there are; *elements: of one of them. */
static int64_t n_groups(job *j, int64_t *elements) {
    j->per_outer = (j->of.inner + TAP_SOFTMAX_WIDTH - 1) / TAP_SOFTMAX_WIDTH;
    *elements = j->of.n * tap_min64(j->of.inner, TAP_SOFTMAX_WIDTH);
    if (j->of.inner > 1) return j->of.outer * j->per_outer;
    if (!rows_are_short(&j->of)) return j->of.outer;
    *elements = j->of.n * TAP_SOFTMAX_WIDTH;
    return (j->of.outer + TAP_SOFTMAX_WIDTH - 1) / TAP_SOFTMAX_WIDTH;
}

tap_status tap_softmax_all(tap_ctx *ctx, const tap_slices *of, const void *x, void *y, bool take_log) {
    job j = {.x = x, .y = y, .of = *of, .bytes = tap_dtype_bytes(of->dtype), .log = take_log};
    int64_t elements, n = n_groups(&j, &elements);
    if (j.bytes > 2 && elements * (int64_t)j.bytes > FAR * (of->inner > 1 ? 1 : 4)) return run_far(ctx, &j);
    if (j.bytes == 2) {
        j.wide_bytes = tap_round_up((size_t)elements * sizeof(float), TAP_ALIGN);
        j.wide = tap_scratch(ctx, j.wide_bytes * (size_t)tap_workers(ctx));
        if (!j.wide) return TAP_MEMORY;
    }
    tap_parallel(ctx, n, tap_max64(1, TASK_ELEMENTS / elements), groups, &j);
    return TAP_OK;
}
