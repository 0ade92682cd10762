/* Gemm: Y = alpha * A' * B' + beta * C. */
#include <math.h>

#include "common/finish.h"
#include "common/gemm.h"
#include "common/widen.h"

#define TYPES \
    (TAP_TYPES_FLOAT | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64))

typedef struct gemm_state {
    float alpha, beta;
    bool trans_a, trans_b;
    bool exact_shape; /* C may not be broadcast (opsets below 7, broadcast = 0) */
    void *packed;
} gemm_state;

static tap_status gemm_prepare(tap_ctx *ctx, void **state) {
    gemm_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->alpha = tap_attr_float(ctx, "alpha", 1);
    s->beta = tap_attr_float(ctx, "beta", 1);
    s->trans_a = tap_attr_int(ctx, "transA", 0) != 0;
    s->trans_b = tap_attr_int(ctx, "transB", 0) != 0;
    if (tap_opset(ctx) < 7) s->exact_shape = tap_attr_int(ctx, "broadcast", 0) == 0;
    *state = s;
    return TAP_OK;
}

/* Whether C, of unidirectional broadcasting, fits into [m, n]. */
static tap_status check_c(tap_ctx *ctx, const tap_type *c, int64_t m, int64_t n) {
    const gemm_state *s = ctx->state;
    if (!c || c->rank < 0) return TAP_OK;
    int64_t want[2] = {m, n};
    bool fits = c->rank <= 2 && (!s->exact_shape || c->rank == 2);
    for (int i = 0; fits && i < c->rank; i++) {
        int64_t dim = c->dims[i], to = want[2 - c->rank + i];
        fits = dim < 0 || to < 0 || dim == to || (dim == 1 && !s->exact_shape);
    }
    if (fits) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "C does not %s [%lld, %lld]",
                    s->exact_shape ? "have the shape" : "broadcast to", (long long)m, (long long)n);
}

static tap_status gemm_infer(tap_ctx *ctx) {
    const gemm_state *s = ctx->state;
    const tap_type *a = tap_in_type(ctx, 0), *b = tap_in_type(ctx, 1), *c = tap_in_type(ctx, 2);
    int64_t dims[2] = {-1, -1}, ak = -1, bk = -1;
    tap_dtype dtype = a->dtype ? a->dtype : b->dtype;
    if ((b->dtype && b->dtype != dtype) || (c && c->dtype && c->dtype != dtype))
        return tap_fail(ctx, TAP_MODEL, "A, B and C must be of the same type");
    if ((a->rank >= 0 && a->rank != 2) || (b->rank >= 0 && b->rank != 2))
        return tap_fail(ctx, TAP_MODEL, "A and B must be matrices");
    if (a->rank == 2) dims[0] = a->dims[s->trans_a], ak = a->dims[!s->trans_a];
    if (b->rank == 2) dims[1] = b->dims[!s->trans_b], bk = b->dims[s->trans_b];
    if (ak >= 0 && bk >= 0 && ak != bk)
        return tap_fail(ctx, TAP_MODEL, "A%s has %lld columns and B%s %lld rows",
                        s->trans_a ? " transposed" : "", (long long)ak, s->trans_b ? " transposed" : "",
                        (long long)bk);
    tap_status status = check_c(ctx, c, dims[0], dims[1]);
    return status == TAP_OK ? tap_out_type(ctx, 0, dtype, 2, dims) : status;
}

static tap_status gemm_pack(tap_ctx *ctx, void *state) {
    gemm_state *s = state;
    const tap_tensor *b = tap_in_known(ctx, 1);
    if (!b || b->rank != 2) return TAP_OK;
    int64_t k = b->dims[s->trans_b], n = b->dims[!s->trans_b];
    tap_dtype wide = tap_wide(b->dtype);
    size_t bytes;
    if (!tap_gemm_packed_bytes(wide, k, n, &bytes)) return tap_fail(ctx, TAP_MEMORY, "B is too large");
    bool ready;
    void *packed = tap_packed(ctx, bytes, &ready);
    if (!packed) return TAP_MEMORY;
    if (!ready) tap_gemm_pack(wide, b->dtype, k, n, b->data, b->dims[1], s->trans_b, packed);
    s->packed = packed;
    return TAP_OK;
}

/* What happens to finished sums: y = alpha * sum + beta * c, both products rounded, then added; the sum
 * itself, or sum + beta * c, where a factor is 1 is the same number. */
typedef struct finish {
    const tap_ctx *ctx;
    int n_applied; /* stages that the tiles have applied                             */
    const gemm_state *s;
    tap_tensor *y;
    void *sum;            /* m x n of the wide dtype, y's own memory but for halves      */
    const void *c;        /* wide dtype; NULL: none, or added before                     */
    int64_t c_row, c_col; /* steps of c in elements, 0 where it is broadcast             */
    int64_t n;
} finish;

#define SCALE(name, T)                                                                            \
    static void name(const finish *f, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) { \
        T alpha = (T)f->s->alpha, beta = (T)f->s->beta;                                           \
        for (int64_t i = row; i < row + n_rows; i++) {                                            \
            T *y = (T *)f->sum + i * f->n;                                                        \
            const T *c = f->c ? (const T *)f->c + i * f->c_row : NULL;                            \
            for (int64_t j = col; j < col + n_cols; j++)                                          \
                y[j] = c ? alpha * y[j] + beta * c[j * f->c_col] : alpha * y[j];                  \
        }                                                                                         \
    }
SCALE(scale_f32, float)
SCALE(scale_f64, double)
#undef SCALE

/* Integers: exact (modulo 2^bits) where alpha and beta are whole numbers, by way of float64 otherwise,
 * towards zero and kept in range. The standard leaves it open. */
static bool whole(float x) {
    return truncf(x) == x && fabsf(x) < 0x1p63f;
}

#define SCALE_INT(name, S, U, MIN, MAX)                                                           \
    static S name##_in_range(double x) {                                                          \
        if (!(x > (double)(MIN))) return MIN;                                                     \
        return x >= (double)(MAX) ? MAX : (S)x;                                                   \
    }                                                                                             \
    static void name(const finish *f, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) { \
        bool exact = whole(f->s->alpha) && whole(f->s->beta);                                     \
        double alpha = (double)f->s->alpha, beta = (double)f->s->beta;                            \
        U ua = exact ? (U)(int64_t)f->s->alpha : 0, ub = exact ? (U)(int64_t)f->s->beta : 0;      \
        for (int64_t i = row; i < row + n_rows; i++) {                                            \
            S *y = (S *)f->sum + i * f->n;                                                        \
            for (int64_t j = col; j < col + n_cols; j++) {                                        \
                S c = f->c ? ((const S *)f->c)[i * f->c_row + j * f->c_col] : 0;                  \
                y[j] = exact ? (S)(ua * (U)y[j] + ub * (U)c)                                      \
                             : name##_in_range(alpha * (double)y[j] + beta * (double)c);          \
            }                                                                                     \
        }                                                                                         \
    }
SCALE_INT(scale_i32, int32_t, uint32_t, INT32_MIN, INT32_MAX)
SCALE_INT(scale_u32, uint32_t, uint32_t, 0, UINT32_MAX)
SCALE_INT(scale_i64, int64_t, uint64_t, INT64_MIN, INT64_MAX)
SCALE_INT(scale_u64, uint64_t, uint64_t, 0, UINT64_MAX)
#undef SCALE_INT

static void scale(const finish *f, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    switch (tap_wide(f->y->dtype)) {
    case TAP_DOUBLE: scale_f64(f, row, n_rows, col, n_cols); return;
    case TAP_INT32: scale_i32(f, row, n_rows, col, n_cols); return;
    case TAP_UINT32: scale_u32(f, row, n_rows, col, n_cols); return;
    case TAP_INT64: scale_i64(f, row, n_rows, col, n_cols); return;
    case TAP_UINT64: scale_u64(f, row, n_rows, col, n_cols); return;
    default: scale_f32(f, row, n_rows, col, n_cols); return;
    }
}

/* Whether finish_rows has more to do than what follows any product. */
static bool is_scaled(const finish *f) {
    return f->c || f->s->alpha != 1;
}

static void finish_rows(void *arg, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    const finish *f = arg;
    if (is_scaled(f)) scale(f, row, n_rows, col, n_cols);
    if (f->sum != f->y->data)
        tap_narrow_rows(f->y->dtype, f->sum, f->y->data, f->n, row, n_rows, col, n_cols);
    tap_epilogue_from(f->ctx, f->n_applied, row, n_rows, col, n_cols);
}

/* C goes into the product as its bias where it is one number a column, else into finish_rows. */
static tap_status place_c(tap_ctx *ctx, tap_gemm *g, finish *f) {
    const tap_tensor *c = ctx->n_in > 2 ? ctx->in[2] : NULL;
    if (!c || f->s->beta == 0) return TAP_OK;
    const void *data = tap_widen(ctx, c);
    if (!data) return TAP_MEMORY;
    int64_t rows = c->rank == 2 ? c->dims[0] : 1, cols = c->rank ? c->dims[c->rank - 1] : 1;
    if (rows == 1 && cols == g->n && f->s->alpha == 1 && f->s->beta == 1) {
        g->bias = data;
        return TAP_OK;
    }
    f->c = data;
    f->c_row = rows == 1 ? 0 : cols;
    f->c_col = cols == 1 ? 0 : 1;
    return TAP_OK;
}

static tap_status gemm_run(tap_ctx *ctx) {
    const gemm_state *s = ctx->state;
    const tap_tensor *a = ctx->in[0], *b = ctx->in[1];
    tap_tensor *y = ctx->out[0];
    if (y->count == 0) return TAP_OK;
    finish f = {.ctx = ctx, .s = s, .y = y, .sum = y->data, .n = y->dims[1]};
    tap_gemm g = {.dtype = tap_wide(y->dtype),
                  .m = y->dims[0],
                  .n = y->dims[1],
                  .k = a->dims[!s->trans_a],
                  .lda = a->dims[1],
                  .trans_a = s->trans_a,
                  .packed = s->packed,
                  .b = b->data,
                  .b_from = b->dtype,
                  .ldb = b->dims[1],
                  .trans_b = s->trans_b,
                  .ldc = y->dims[1],
                  .arg = &f};
    if (!(g.a = tap_widen(ctx, a))) return TAP_MEMORY;
    if (tap_is_half(y->dtype) && !(f.sum = tap_scratch(ctx, (size_t)y->count * sizeof(float))))
        return TAP_MEMORY;
    g.c = f.sum;
    tap_status status = place_c(ctx, &g, &f);
    if (status != TAP_OK) return status;
    tap_finish stages;
    bool all_applied = !is_scaled(&f) && tap_finish_stages(ctx, &stages, &f.n_applied);
    if (f.n_applied > 0) g.finish = &stages;
    if (!all_applied || is_scaled(&f) || f.sum != y->data) g.done = finish_rows;
    return tap_gemm_run(ctx, &g);
}

#define GEMM                                                                                    \
    .name = "Gemm", .in_max = 3, .out_min = 1, .out_max = 1, .flags = TAP_PACKS | TAP_EPILOGUE, \
    .packed_inputs = 1 << 1, .dtypes = TYPES, .prepare = gemm_prepare, .infer = gemm_infer,     \
    .pack = gemm_pack, .run = gemm_run

#define NOTES                                                                                          \
    .notes = "Integers times an alpha or beta that is no whole number go through float64 and are cut " \
             "towards 0."

static const tap_op ops[] = {
    {GEMM, .since = 1, .until = 10, .in_min = 3, NOTES},
    {GEMM, .since = 11, .in_min = 2, NOTES},
    {0},
};

TAP_DEFINE_FAMILY(gemm, ops);
