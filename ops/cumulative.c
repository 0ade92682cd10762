/* CumSum and CumProd: sums and products along an axis up to each element. Floats are accumulated in float64,
 * integers wrap. */
#include <string.h>

#include "common/real.h"
#include "common/scalar.h"
#include "common/shape.h"

typedef struct cumulative {
    const void *x;
    void *y;
    int64_t d, post, blocks; /* x[pre][d][post], columns in blocks of COLUMNS */
    bool exclusive, reverse, product;
    tap_dtype dtype;
} cumulative;

#define COLUMNS 1024
/* Contiguous rows that are walked side by side. */
#define ROWS 8
/* Elements of a row that are added up at once, where it has so many. */
#define LANES             8
#define LONG              32
#define CUMULATIVE_INLINE static inline __attribute__((always_inline))

#define X        float
#define Y        float
#define FN(f)    f##_float
#define SCANS    1
#define SUM_T    double
#define LOAD(v)  (double)(v)
#define STORE(a) (float)(a)
#include "cumulative.inc"
#define X        float
#define Y        double
#define FN(f)    f##_wide
#define SCANS    1
#define SUM_T    double
#define LOAD(v)  (double)(v)
#define STORE(a) (a)
#include "cumulative.inc"
#define X        double
#define Y        double
#define FN(f)    f##_double
#define SCANS    0
#define SUM_T    double
#define LOAD(v)  (v)
#define STORE(a) (a)
#include "cumulative.inc"
#define X        uint32_t
#define Y        uint32_t
#define FN(f)    f##_int32
#define SCANS    1
#define SUM_T    uint32_t
#define LOAD(v)  (v)
#define STORE(a) (a)
#include "cumulative.inc"
#define X        uint64_t
#define Y        uint64_t
#define FN(f)    f##_int64
#define SCANS    1
#define SUM_T    uint64_t
#define LOAD(v)  (v)
#define STORE(a) (a)
#include "cumulative.inc"

typedef void cumulative_loop(const cumulative *c, int64_t row, int64_t rows, int64_t from, int64_t n);

/* ---- Halves: a block is widened, and rounded once behind its sums ---- */

typedef struct block {
    float x[COLUMNS];
    double y[COLUMNS];
} block;

/* n elements from `at` on, of so many rows side by side, or of as many columns as there are; sum: as in
 * piece_wide. NULL: whole rows, of which nothing went before. */
static void half_block(const cumulative *c, block *b, int64_t at, int64_t n, int64_t d, double *sum) {
    const int64_t first = c->reverse && c->post == 1 ? d - 1 : 0;
    tap_to_f32(c->dtype, n, (const uint16_t *)c->x + at, b->x);
    if (sum) {
        piece_wide(c, d, 1, n, b->x + first, b->y + first, sum);
    } else {
        cumulative rows = *c;
        rows.x = b->x;
        rows.y = b->y;
        run_wide(&rows, 0, n / d, 0, 1);
    }
    tap_from_f64(c->dtype, n, b->y, (uint16_t *)c->y + at);
}

static void half_columns(const cumulative *c, int64_t row, int64_t from, int64_t n) {
    block b;
    double sum[COLUMNS];
    for (int64_t q = 0; q < n; q++) sum[q] = c->product;
    for (int64_t i = 0; i < c->d; i++)
        half_block(c, &b, (row * c->d + (c->reverse ? c->d - 1 - i : i)) * c->post + from, n, 1, sum);
}

static void half_row(const cumulative *c, int64_t row) {
    block b;
    double sum = c->product;
    for (int64_t i = 0; i < c->d; i += COLUMNS) {
        const int64_t n = tap_min64(COLUMNS, c->d - i);
        half_block(c, &b, row * c->d + (c->reverse ? c->d - i - n : i), n, n, &sum);
    }
}

static void run_half(const cumulative *c, int64_t row, int64_t rows, int64_t from, int64_t n) {
    block b;
    const int64_t each = tap_max64(1, COLUMNS / c->d);
    if (c->post > 1)
        half_columns(c, row, from, n);
    else if (c->d > COLUMNS)
        for (; rows > 0; rows--) half_row(c, row++);
    else
        for (int64_t end = row + rows; row < end; row += each)
            half_block(c, &b, row * c->d, tap_min64(each, end - row) * c->d, c->d, NULL);
}

typedef struct cumulative_job {
    cumulative c;
    cumulative_loop *loop;
} cumulative_job;

/* ---- The operators ---- */

typedef struct cumulative_state {
    bool exclusive, reverse;
} cumulative_state;

static tap_status cumulative_prepare(tap_ctx *ctx, void **state) {
    cumulative_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->exclusive = tap_attr_int(ctx, "exclusive", 0) != 0;
    s->reverse = tap_attr_int(ctx, "reverse", 0) != 0;
    return TAP_OK;
}

static tap_status cumulative_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    const tap_tensor *t = tap_in_known(ctx, 1);
    int axis;
    tap_status status = tap_need_dtype(ctx, 1, TAP_TYPES_INDEX, "axis");
    if (status || (status = tap_need_one(ctx, 1, "axis"))) return status;
    if (t && x->rank >= 0 && !tap_axis(tap_int_at(t, 0), x->rank, &axis))
        return tap_fail(ctx, tap_misfit(ctx), "axis %lld is out of range for rank %d",
                        (long long)tap_int_at(t, 0), x->rank);
    return tap_out_like(ctx, 0, x);
}

static void cumulative_task(void *arg, int64_t begin, int64_t end, int worker) {
    const cumulative_job *j = arg;
    (void)worker;
    if (j->c.post == 1) {
        j->loop(&j->c, begin, end - begin, 0, 1);
        return;
    }
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t from = unit % j->c.blocks * COLUMNS;
        j->loop(&j->c, unit / j->c.blocks, 1, from, tap_min64(COLUMNS, j->c.post - from));
    }
}

static tap_status cumulative_run(tap_ctx *ctx) {
    static cumulative_loop *const loops[TAP_DTYPE_COUNT] = {
        [TAP_FLOAT] = run_float,   [TAP_DOUBLE] = run_double, [TAP_FLOAT16] = run_half,
        [TAP_BFLOAT16] = run_half, [TAP_INT32] = run_int32,   [TAP_UINT32] = run_int32,
        [TAP_INT64] = run_int64,   [TAP_UINT64] = run_int64,
    };
    const cumulative_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    cumulative_job j = {.loop = loops[x->dtype]};
    int axis;
    if (!tap_axis(tap_int_at(ctx->in[1], 0), x->rank, &axis))
        return tap_fail(ctx, TAP_RUN, "axis %lld is out of range for rank %d",
                        (long long)tap_int_at(ctx->in[1], 0), x->rank);
    if (x->count == 0) return TAP_OK;
    j.c.dtype = x->dtype;
    j.c.x = x->data;
    j.c.y = ctx->out[0]->data;
    j.c.d = x->dims[axis];
    j.c.post = tap_product(x->dims + axis + 1, x->rank - axis - 1);
    j.c.blocks = (j.c.post + COLUMNS - 1) / COLUMNS;
    j.c.exclusive = s->exclusive;
    j.c.reverse = s->reverse;
    j.c.product = tap_ctx_op(ctx)->data != NULL;
    int64_t units = x->count / j.c.d / j.c.post * j.c.blocks;
    int64_t grain = tap_max64(1, 32768 / (j.c.d * tap_min64(COLUMNS, j.c.post)));
    if (j.c.post == 1) grain = (grain + ROWS - 1) / ROWS * ROWS;
    tap_parallel(ctx, units, grain, cumulative_task, &j);
    return TAP_OK;
}

#define TYPES \
    (TAP_TYPES_FLOAT | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64))
#define CUMULATIVE                                                                                \
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1, .flags = TAP_IN_PLACE, .dtypes = TYPES, \
    .prepare = cumulative_prepare, .infer = cumulative_infer, .run = cumulative_run

static const tap_op ops[] = {
    {.name = "CumSum", .since = 11, CUMULATIVE},
    {.name = "CumProd", .since = 26, CUMULATIVE, .data = "product"},
    {0},
};

TAP_DEFINE_FAMILY(cumulative, ops);
