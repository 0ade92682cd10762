/* LayerNormalization, RMSNormalization, GroupNormalization: rows with mean 0 and variance 1, scaled and
 * shifted.
 *
 * Sums are in float64, all else in float32, or in float64 where X or Scale is float64 (whatever stash_type
 * says). A stash_type of float16 or bfloat16 rounds what stage one takes and gives. */
#include <math.h>

#include "common/elementwise.h"
#include "common/real.h"
#include "common/reduce.h"
#include "common/shape.h"
#include "common/tile.h"
#include "common/vector.h"

#define CHUNK 512
/* Elements that a task should have. */
#define TASK_ELEMENTS 16384
/* Rows up to this long are turned into columns, where there are so many of them at least. */
#define SHORT    (2 * TAP_TILE_SHORT)
#define FEW_ROWS 8

/* Scale or bias: step[d] elements from one index of X's dimension d to the next. */
typedef struct param {
    const void *data; /* NULL: absent                                       */
    int64_t step[TAP_RANK_MAX];
    bool dense; /* its elements for a row lie as those of the row do  */
} param;

typedef struct job {
    const char *x;
    char *y, *mean, *inv; /* mean, inv: NULL where nobody wants them                     */
    tap_dtype x_dtype, y_dtype, stash;
    int rank, axis;
    int64_t dims[TAP_RANK_MAX];
    int64_t rows, n; /* x[rows][n]                                                  */
    bool centred;
    double epsilon;
    param scale, bias;            /* in the type computed with                                   */
    int64_t groups, row_channels; /* GroupNormalization: of an image; of a row. 0: scale as it broadcasts */
    bool short_rows;              /* turned into columns                                         */
    char *room;
    size_t room_bytes; /* of a worker                                                 */
} job;

/* Where index i, counted over dims[from .. to), lies. */
static int64_t offset_of(int64_t i, int from, int to, const int64_t *dims, const int64_t *step) {
    int64_t at = 0;
    for (int d = to - 1; d >= from; d--) {
        at += i % dims[d] * step[d];
        i /= dims[d];
    }
    return at;
}

/* Whether the parameter's elements are the same for every row. */
static bool same_for_all(const job *j, const param *p) {
    for (int d = 0; d < j->axis; d++)
        if (p->step[d] != 0) return false;
    return true;
}

/* Whether the stash type is narrower than what is computed with. */
static bool rounds(const job *j) {
    return tap_dtype_bytes(j->stash) <= 2;
}

/* A row of so few elements is less work than what the general loops do around it. Each of the 64 lanes sums
 * up no more of them than those do before they turn to float64. */
#define SHORT_ROW 1024

#if defined(TAP_ISA_avx512)
/* v's lanes in `here`, or the squares of what they are above m; the others are 0. */
VECTOR_INLINE __m512 row_part(__m512 v, __mmask16 here, bool squares, __m512 m) {
    if (!squares) return v;
    v = _mm512_maskz_sub_ps(here, v, m);
    return _mm512_mul_ps(v, v);
}

VECTOR_INLINE double row_sum_of(const float *x, int64_t n, bool squares, __m512 m) {
    __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        VECTOR_UNROLL for (int64_t l = 0; l < 4; l++) s[l] =
            _mm512_add_ps(s[l], row_part(_mm512_loadu_ps(x + i + 16 * l), 0xffff, squares, m));
    for (int64_t l = 0; i < n; i += 16, l++) {
        const __mmask16 here = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffffu);
        s[l] = _mm512_add_ps(s[l], row_part(_mm512_maskz_loadu_ps(here, x + i), here, squares, m));
    }
    const __m512 sum = _mm512_add_ps(_mm512_add_ps(s[0], s[2]), _mm512_add_ps(s[1], s[3]));
    return _mm512_reduce_add_pd(_mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(sum)),
                                              _mm512_cvtps_pd(_mm512_extractf32x8_ps(sum, 1))));
}

static double row_sum_avx512(const float *x, int64_t n, const float *mean) {
    if (!mean) return row_sum_of(x, n, false, _mm512_setzero_ps());
    return row_sum_of(x, n, true, _mm512_set1_ps(*mean));
}
#define ROW_SUM row_sum_avx512
#endif

#define T       float
#define F(name) name##_f32
#define DTYPE   TAP_FLOAT
#define SUM     tap_loops_sum_f32
#define AS      tap_as_f32
#define TO      tap_to_f32
#define FROM    tap_from_f32
#include "layer_norm.inc"
#undef ROW_SUM

#define T       double
#define F(name) name##_f64
#define DTYPE   TAP_DOUBLE
#define SUM     tap_loops_sum_f64
#define AS      tap_as_f64
#define TO      tap_to_f64
#define FROM    tap_from_f64
#include "layer_norm.inc"

/* Mean and deviation of rows without elements. */
static void fill_nan(const job *j) {
    const float nan = NAN;
    for (int64_t r = 0; r < j->rows; r++) {
        size_t at = (size_t)r * tap_dtype_bytes(j->stash);
        if (j->mean) tap_from_f32(j->stash, 1, &nan, j->mean + at);
        if (j->inv) tap_from_f32(j->stash, 1, &nan, j->inv + at);
    }
}

/* scale and bias (may be NULL) into the job, then all rows. */
static tap_status run_rows(tap_ctx *ctx, job *j, const tap_tensor *scale, const tap_tensor *bias) {
    bool wide = j->x_dtype == TAP_DOUBLE || scale->dtype == TAP_DOUBLE;
    if (j->n == 0) fill_nan(j);
    if (j->rows == 0 || j->n == 0) return TAP_OK;
    j->short_rows = j->n <= SHORT && j->rows >= FEW_ROWS && !j->row_channels && same_for_all(j, &j->scale) &&
                    same_for_all(j, &j->bias);
    j->room_bytes = tap_round_up((j->short_rows ? 3 * TAP_TILE_ROWS : 4) * (size_t)j->n *
                                     (wide ? sizeof(double) : sizeof(float)),
                                 TAP_ALIGN);
    j->room = tap_scratch(ctx, j->room_bytes * (size_t)tap_workers(ctx));
    if (!j->room) return TAP_MEMORY;
    bool ok = wide ? take_f64(ctx, scale, &j->scale) && take_f64(ctx, bias, &j->bias)
                   : take_f32(ctx, scale, &j->scale) && take_f32(ctx, bias, &j->bias);
    if (ok && !j->row_channels)
        ok = wide ? spread_f64(ctx, j, &j->scale) && spread_f64(ctx, j, &j->bias)
                  : spread_f32(ctx, j, &j->scale) && spread_f32(ctx, j, &j->bias);
    if (!ok) return TAP_MEMORY;
    int64_t grain = tap_max64(1, TASK_ELEMENTS / j->n);
    if (j->short_rows) grain = (int64_t)tap_round_up((size_t)grain, TAP_TILE_ROWS);
    tap_parallel(ctx, j->rows, grain, wide ? rows_f64 : rows_f32, j);
    return TAP_OK;
}

/* ---- LayerNormalization, RMSNormalization ---- */

typedef struct norm_state {
    int64_t axis, num_groups;
    double epsilon;
    tap_dtype stash;
    bool rms;
    bool by_channel; /* GroupNormalization: scale and bias for each channel, not for each group */
} norm_state;

static tap_status prepare_stash(tap_ctx *ctx, norm_state *s) {
    int64_t stash = tap_attr_int(ctx, "stash_type", TAP_FLOAT);
    s->epsilon = (double)tap_attr_float(ctx, "epsilon", 1e-5f);
    if (stash <= 0 || stash >= TAP_DTYPE_COUNT || !(TAP_BIT(stash) & TAP_TYPES_FLOAT))
        return tap_fail(ctx, TAP_MODEL, "stash_type %lld is no float type; use 1 (float32), 10, 11 or 16",
                        (long long)stash);
    s->stash = (tap_dtype)stash;
    return TAP_OK;
}

static tap_status prepare_rows(tap_ctx *ctx, void **state) {
    norm_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->axis = tap_attr_int(ctx, "axis", -1);
    s->rms = tap_ctx_op(ctx)->name[0] == 'R';
    return prepare_stash(ctx, s);
}

/* Fails where input i does not broadcast to the shape of X, as far as known. */
static tap_status need_broadcast(tap_ctx *ctx, int i, const char *what) {
    const tap_type *x = tap_in_type(ctx, 0), *p = tap_in_type(ctx, i);
    tap_dims_text a, b;
    if (!p || p->rank < 0 || x->rank < 0) return TAP_OK;
    bool ok = p->rank <= x->rank;
    for (int d = 0; ok && d < p->rank; d++) {
        int64_t n = p->dims[d], m = x->dims[x->rank - p->rank + d];
        ok = n == 1 || n == m || n < 0 || m < 0;
    }
    if (ok) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%s %s does not broadcast to the shape of X, %s", what,
                    tap_show_dims(&a, p->rank, p->dims), tap_show_dims(&b, x->rank, x->dims));
}

static tap_status infer_rows(tap_ctx *ctx) {
    const norm_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *scale = tap_in_type(ctx, 1);
    int64_t dims[TAP_RANK_MAX], axis = s->axis;
    tap_status status;
    if ((status = tap_need_dtype(ctx, 1, TAP_TYPES_FLOAT, "Scale"))) return status;
    if (!s->rms && (status = tap_need_same_dtype(ctx, 0, 1, "Scale"))) return status;
    if ((status = tap_need_same_dtype(ctx, 0, 2, "B"))) return status;
    if ((status = need_broadcast(ctx, 1, "Scale")) || (status = need_broadcast(ctx, 2, "B"))) return status;
    if (x->rank >= 0 && (status = tap_norm_axes(ctx, &axis, 1, x->rank, false))) return status;
    for (int d = 0; d < x->rank; d++) dims[d] = d < axis ? x->dims[d] : 1;
    if ((status = tap_out_type(ctx, 0, s->rms ? scale->dtype : x->dtype, x->rank, x->dims))) return status;
    if ((status = tap_out_type(ctx, 1, s->stash, x->rank, dims))) return status;
    return tap_out_type(ctx, 2, s->stash, x->rank, dims);
}

static void param_shape(const job *j, const tap_tensor *t, param *p) {
    int64_t step = 1, row = 1;
    p->dense = true;
    if (!t) return;
    for (int d = j->rank - 1; d >= 0; d--) {
        int k = d - (j->rank - t->rank);
        int64_t n = k >= 0 ? t->dims[k] : 1;
        p->step[d] = n > 1 ? step : 0;
        if (d >= j->axis && j->dims[d] > 1 && p->step[d] != row) p->dense = false;
        step *= n;
        row *= j->dims[d];
    }
}

static tap_status run_layer(tap_ctx *ctx) {
    const norm_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *scale = ctx->in[1], *bias = ctx->n_in > 2 ? ctx->in[2] : NULL;
    job j = {.x = x->data,
             .y = ctx->out[0]->data,
             .x_dtype = x->dtype,
             .y_dtype = ctx->out[0]->dtype,
             .stash = s->stash,
             .rank = x->rank,
             .centred = !s->rms,
             .epsilon = s->epsilon};
    if (!tap_axis(s->axis, x->rank, &j.axis)) return tap_fail(ctx, TAP_RUN, "axis is out of range");
    memcpy(j.dims, x->dims, sizeof j.dims);
    j.rows = tap_product(x->dims, j.axis);
    j.n = tap_product(x->dims + j.axis, x->rank - j.axis);
    if (ctx->n_out > 1 && ctx->out[1]) j.mean = ctx->out[1]->data;
    if (ctx->n_out > 2 && ctx->out[2]) j.inv = ctx->out[2]->data;
    param_shape(&j, scale, &j.scale);
    param_shape(&j, bias, &j.bias);
    return run_rows(ctx, &j, scale, bias);
}

/* ---- GroupNormalization ---- */

static tap_status prepare_group(tap_ctx *ctx, void **state) {
    norm_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->by_channel = tap_opset(ctx) >= 21;
    s->num_groups = tap_attr_int(ctx, "num_groups", 0);
    if (s->num_groups <= 0) return tap_fail(ctx, TAP_MODEL, "num_groups must be given, and positive");
    if (s->by_channel) return prepare_stash(ctx, s);
    s->stash = TAP_FLOAT;
    s->epsilon = (double)tap_attr_float(ctx, "epsilon", 1e-5f);
    return TAP_OK;
}

static tap_status infer_group(tap_ctx *ctx) {
    const norm_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    static const char *const names[] = {"X", "scale", "bias"};
    tap_status status = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "X");
    if (status) return status;
    int64_t channels = x->rank >= 2 ? x->dims[1] : -1, n = s->by_channel ? channels : s->num_groups;
    if (channels >= 0 && channels % s->num_groups != 0)
        return tap_fail(ctx, tap_misfit(ctx), "%lld channels cannot be cut into num_groups = %lld groups",
                        (long long)channels, (long long)s->num_groups);
    for (int i = 1; i <= 2; i++) {
        const tap_type *p = tap_in_type(ctx, i);
        if ((status = tap_need_same_dtype(ctx, 0, i, names[i]))) return status;
        if ((status = tap_need_rank(ctx, i, 1, 1, names[i]))) return status;
        if (p->rank == 1 && p->dims[0] >= 0 && n >= 0 && p->dims[0] != n)
            return tap_fail(ctx, tap_misfit(ctx), "%s must have %lld elements, not %lld", names[i],
                            (long long)n, (long long)p->dims[0]);
    }
    return tap_out_like(ctx, 0, x);
}

static tap_status run_group(tap_ctx *ctx) {
    const norm_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    int64_t per_group = x->dims[1] / s->num_groups;
    job j = {.x = x->data,
             .y = ctx->out[0]->data,
             .x_dtype = x->dtype,
             .y_dtype = x->dtype,
             .stash = s->stash,
             .rank = 1,
             .rows = x->dims[0] * s->num_groups,
             .centred = true,
             .epsilon = s->epsilon,
             .groups = s->num_groups};
    j.n = per_group * tap_product(x->dims + 2, x->rank - 2);
    j.row_channels = s->by_channel ? per_group : 1;
    return run_rows(ctx, &j, ctx->in[1], ctx->in[2]);
}

static const tap_op ops[] = {
    {.name = "LayerNormalization",
     .since = 17,
     .in_min = 2,
     .in_max = 3,
     .out_min = 1,
     .out_max = 3,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = prepare_rows,
     .infer = infer_rows,
     .run = run_layer},
    {.name = "RMSNormalization",
     .since = 23,
     .in_min = 2,
     .in_max = 2,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = prepare_rows,
     .infer = infer_rows,
     .run = run_layer},
    {.name = "GroupNormalization",
     .since = 18,
     .in_min = 3,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = prepare_group,
     .infer = infer_group,
     .run = run_group},
    {0},
};

TAP_DEFINE_FAMILY(layer_norm, ops);
