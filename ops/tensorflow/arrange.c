/* TensorFlow's moving about: Roll, Cross, Diag, DiagPart, CumulativeLogsumexp. */
#include <math.h>
#include <string.h>

#include "common/shape.h"
#include "tensorflow/tensorflow.h"

#define REAL  (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE))
#define MOVED (TAP_TYPES_ALL & ~TAP_TYPES_SUB_BYTE)

/* ---- Roll: element i of an axis goes to i + shift -------------------------------------------------------
 */

static tap_status roll_infer(tap_ctx *ctx) {
    tap_ints shift, axis;
    tap_status st = tap_need_rank(ctx, 0, 1, TAP_RANK_MAX, "the input");
    if (!st) st = tap_read_ints(ctx, 1, TAP_RANK_MAX, "shift", &shift);
    if (!st) st = tap_read_ints(ctx, 2, TAP_RANK_MAX, "axis", &axis);
    if (!st && shift.n >= 0 && axis.n >= 0 && shift.n != axis.n)
        st = tap_fail(ctx, tap_misfit(ctx), "there are %d shifts for %d axes", shift.n, axis.n);
    return st ? st : tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

static tap_status roll_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    const size_t width = tap_dtype_bytes(x->dtype);
    int64_t shift[TAP_RANK_MAX] = {0}, place[TAP_RANK_MAX] = {0};
    if (x->count == 0) return TAP_OK;
    for (int64_t i = 0; i < ctx->in[2]->count; i++) {
        int axis;
        if (!tap_axis(tap_int_at(ctx->in[2], i), x->rank, &axis))
            return tap_fail(ctx, TAP_RUN, "axis %lld is out of range for rank %d",
                            (long long)tap_int_at(ctx->in[2], i), x->rank);
        const int64_t n = x->dims[axis], by = tap_int_at(ctx->in[1], i) % n;
        shift[axis] = (shift[axis] + by + n) % n;
    }
    for (int64_t i = 0; i < x->count; i++) {
        int64_t to = 0;
        for (int a = 0; a < x->rank; a++) to = to * x->dims[a] + (place[a] + shift[a]) % x->dims[a];
        memcpy((char *)ctx->out[0]->data + (size_t)to * width, (const char *)x->data + (size_t)i * width,
               width);
        for (int a = x->rank - 1; a >= 0 && ++place[a] == x->dims[a]; a--) place[a] = 0;
    }
    return TAP_OK;
}

/* ---- Numbers of two types -------------------------------------------------------------------------------
 */

static double get(const tap_tensor *t, int64_t i) {
    return t->dtype == TAP_FLOAT ? (double)((const float *)t->data)[i] : ((const double *)t->data)[i];
}

static void put(tap_tensor *t, int64_t i, double v) {
    if (t->dtype == TAP_FLOAT)
        ((float *)t->data)[i] = (float)v;
    else
        ((double *)t->data)[i] = v;
}

static tap_status cross_infer(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0);
    tap_status st = tap_need_rank(ctx, 0, 1, TAP_RANK_MAX, "the vectors");
    if (!st) st = tap_need_same_dtype(ctx, 0, 1, "the second vectors");
    if (!st && a->rank > 0) st = tap_need_shape(ctx, 1, a->rank, a->dims, "the second vectors");
    if (!st && a->rank > 0 && a->dims[a->rank - 1] >= 0 && a->dims[a->rank - 1] != 3)
        st = tap_fail(ctx, tap_misfit(ctx), "the last axis has %lld elements, not 3",
                      (long long)a->dims[a->rank - 1]);
    return st ? st : tap_out_like(ctx, 0, a);
}

static tap_status cross_run(tap_ctx *ctx) {
    const tap_tensor *a = ctx->in[0], *b = ctx->in[1];
    for (int64_t i = 0; i < a->count; i += 3)
        for (int k = 0; k < 3; k++) {
            const int u = (k + 1) % 3, v = (k + 2) % 3;
            put(ctx->out[0], i + k, get(a, i + u) * get(b, i + v) - get(a, i + v) * get(b, i + u));
        }
    return TAP_OK;
}

/* Along an axis: the logarithm of the sum of exponentials so far. */
typedef struct direction {
    bool exclusive, reverse;
} direction;

static tap_status along_prepare(tap_ctx *ctx, void **state) {
    direction *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    *s = (direction){tap_attr_int(ctx, "exclusive", 0) != 0, tap_attr_int(ctx, "reverse", 0) != 0};
    return TAP_OK;
}

static tap_status along_infer(tap_ctx *ctx) {
    tap_status st = tap_need_one(ctx, 1, "the axis");
    if (!st) st = tap_need_dtype(ctx, 1, TAP_TYPES_INDEX, "the axis");
    return st ? st : tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

static double log_add(double a, double b) {
    const double most = a > b ? a : b, least = a > b ? b : a;
    return isinf(most) && most < 0 ? most : most + log1p(exp(least - most));
}

static tap_status along_run(tap_ctx *ctx) {
    const direction *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    int axis;
    if (!tap_axis(tap_int_at(ctx->in[1], 0), x->rank, &axis))
        return tap_fail(ctx, TAP_RUN, "axis %lld is out of range for rank %d",
                        (long long)tap_int_at(ctx->in[1], 0), x->rank);
    const int64_t n = x->dims[axis], step = tap_product(x->dims + axis + 1, x->rank - axis - 1);
    for (int64_t line = 0; n > 0 && line < x->count / n; line++) {
        const int64_t first = line / step * step * n + line % step;
        double sum = -(double)INFINITY;
        for (int64_t k = 0; k < n; k++) {
            const int64_t at = first + (s->reverse ? n - 1 - k : k) * step;
            const double v = get(x, at), so_far = log_add(sum, v);
            put(ctx->out[0], at, s->exclusive ? sum : so_far);
            sum = so_far;
        }
    }
    return TAP_OK;
}

/* ---- Diagonals -------------------------------------------------------------------------------------------
 */

static tap_status part_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    if (x->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if (x->rank % 2 || x->rank == 0)
        return tap_fail(ctx, tap_misfit(ctx), "the input has rank %d, not an even one", x->rank);
    for (int i = 0; i < x->rank / 2; i++)
        if (x->dims[i] >= 0 && x->dims[x->rank / 2 + i] >= 0 && x->dims[i] != x->dims[x->rank / 2 + i])
            return tap_fail(ctx, tap_misfit(ctx), "axes %d and %d differ in size", i, x->rank / 2 + i);
    return tap_out_type(ctx, 0, x->dtype, x->rank / 2, x->dims);
}

static tap_status part_run(tap_ctx *ctx) {
    tap_tensor *y = ctx->out[0];
    const size_t width = tap_dtype_bytes(y->dtype);
    for (int64_t i = 0; i < y->count; i++)
        memcpy((char *)y->data + (size_t)i * width,
               (const char *)ctx->in[0]->data + (size_t)(i * (y->count + 1)) * width, width);
    return TAP_OK;
}

static tap_status diag_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t dims[2 * TAP_RANK_MAX];
    if (x->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if (2 * x->rank > TAP_RANK_MAX)
        return tap_fail(ctx, TAP_UNSUPPORTED, "the output would have rank %d", 2 * x->rank);
    for (int i = 0; i < 2 * x->rank; i++) dims[i] = x->dims[i % x->rank];
    return tap_out_type(ctx, 0, x->dtype, 2 * x->rank, dims);
}

static tap_status diag_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    const size_t width = tap_dtype_bytes(x->dtype);
    memset(ctx->out[0]->data, 0, (size_t)ctx->out[0]->count * width);
    for (int64_t i = 0; i < x->count; i++)
        memcpy((char *)ctx->out[0]->data + (size_t)(i * (x->count + 1)) * width,
               (const char *)x->data + (size_t)i * width, width);
    return TAP_OK;
}

#define NUMBERS (REAL | TAP_TYPES_INDEX)

static const tap_op ops[] = {
    {TAP_TF_ROW("Roll", 3, 1), .dtypes = MOVED, .infer = roll_infer, .run = roll_run},
    {TAP_TF_ROW("Cross", 2, 1), .dtypes = REAL, .infer = cross_infer, .run = cross_run},
    {TAP_TF_ROW("Diag", 1, 1), .dtypes = NUMBERS, .infer = diag_infer, .run = diag_run},
    {TAP_TF_ROW("DiagPart", 1, 1), .dtypes = NUMBERS, .infer = part_infer, .run = part_run},
    {TAP_TF_ROW("CumulativeLogsumexp", 2, 1), .dtypes = REAL, .prepare = along_prepare, .infer = along_infer,
     .run = along_run},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_arrange, ops);
