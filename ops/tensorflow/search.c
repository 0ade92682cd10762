/* Places in sorted lists, and counts: Bucketize, LowerBound, UpperBound, HistogramFixedWidth, DenseBincount,
 * Bincount, InTopKV2, InvertPermutation. */
#include <math.h>

#include "common/scalar.h"
#include "common/shape.h"
#include "tensorflow/tensorflow.h"

#define NUMBERS                                                                           \
    (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64) | \
     TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))

static void put_index(tap_tensor *y, int64_t i, int64_t v) {
    if (y->dtype == TAP_INT32)
        ((int32_t *)y->data)[i] = (int32_t)v;
    else
        ((int64_t *)y->data)[i] = v;
}

/* ---- Bucketize: how many boundaries are not above x --------------------------------------------------- */

typedef struct buckets {
    const float *at;
    size_t n;
} buckets;

static tap_status bucketize_prepare(tap_ctx *ctx, void **state) {
    buckets *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->at = tap_attr_floats(ctx, "boundaries", &s->n);
    for (size_t i = 1; i < s->n; i++)
        if (!(s->at[i - 1] <= s->at[i]))
            return tap_fail(ctx, TAP_MODEL, "boundaries are not sorted: %g stands before %g",
                            (double)s->at[i - 1], (double)s->at[i]);
    return TAP_OK;
}

static tap_status bucketize_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    return tap_out_type(ctx, 0, TAP_INT32, x->rank, x->dims);
}

static tap_status bucketize_run(tap_ctx *ctx) {
    const buckets *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    int32_t *y = ctx->out[0]->data;
    for (int64_t i = 0; i < x->count; i++) {
        const double v = tap_real_at(x, i);
        size_t lo = 0, hi = s->n;
        while (lo < hi) { /* NaN is above all */
            const size_t mid = (lo + hi) / 2;
            if (v < (double)s->at[mid])
                hi = mid;
            else
                lo = mid + 1;
        }
        y[i] = (int32_t)lo;
    }
    return TAP_OK;
}

/* ---- LowerBound, UpperBound: rows of sorted values, rows to look for ---------------------------------- */

typedef struct out_type {
    tap_dtype dtype;
} out_type;

static tap_status index_type(tap_ctx *ctx, const char *attribute, tap_dtype otherwise, void **state) {
    out_type *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    const int64_t dtype = tap_attr_int(ctx, attribute, otherwise);
    if (dtype != TAP_INT32 && dtype != TAP_INT64)
        return tap_fail(ctx, TAP_MODEL, "attribute %s is %lld, neither int32 nor int64", attribute,
                        (long long)dtype);
    s->dtype = (tap_dtype)dtype;
    return TAP_OK;
}

static tap_status bound_prepare(tap_ctx *ctx, void **state) {
    return index_type(ctx, "out_type", TAP_INT32, state);
}

static tap_status bound_infer(tap_ctx *ctx) {
    const out_type *s = ctx->state;
    const tap_type *sorted = tap_in_type(ctx, 0), *x = tap_in_type(ctx, 1);
    tap_status st = tap_need_same_dtype(ctx, 0, 1, "what to look for");
    if (!st) st = tap_need_rank(ctx, 0, 2, 2, "the sorted values");
    if (!st) st = tap_need_rank(ctx, 1, 2, 2, "what to look for");
    if (!st && sorted->rank == 2)
        st = tap_need_shape(ctx, 1, 2, (int64_t[]){sorted->dims[0], -1}, "what to look for");
    return st ? st : tap_out_type(ctx, 0, s->dtype, x->rank, x->dims);
}

/* Row by row; above: the place behind equal ones. */
static tap_status bound(tap_ctx *ctx, bool above) {
    const tap_tensor *sorted = ctx->in[0], *x = ctx->in[1];
    const int64_t n = sorted->dims[1], m = x->dims[1];
    for (int64_t r = 0; r < x->dims[0]; r++)
        for (int64_t i = 0; i < m; i++) {
            int64_t lo = 0, hi = n;
            const double v = tap_real_at(x, r * m + i);
            while (lo < hi) {
                const int64_t mid = (lo + hi) / 2;
                const double s = tap_real_at(sorted, r * n + mid);
                if (above ? !(v < s) : s < v)
                    lo = mid + 1;
                else
                    hi = mid;
            }
            put_index(ctx->out[0], r * m + i, lo);
        }
    return TAP_OK;
}

static tap_status lower_run(tap_ctx *ctx) {
    return bound(ctx, false);
}
static tap_status upper_run(tap_ctx *ctx) {
    return bound(ctx, true);
}

/* ---- HistogramFixedWidth: values, range, number of bins ------------------------------------------------ */

static tap_status histogram_prepare(tap_ctx *ctx, void **state) {
    return index_type(ctx, "dtype", TAP_INT32, state);
}

static tap_status bins_infer(tap_ctx *ctx, int input, tap_dtype dtype) {
    const tap_tensor *n = tap_in_known(ctx, input);
    tap_status st = tap_need_dtype(ctx, input, TAP_TYPES_INDEX, "the number of bins");
    if (!st) st = tap_need_one(ctx, input, "the number of bins");
    if (st) return st;
    if (n && tap_int_at(n, 0) < 0)
        return tap_fail(ctx, tap_misfit(ctx), "the number of bins is %lld", (long long)tap_int_at(n, 0));
    return tap_out_type(ctx, 0, dtype, 1, (int64_t[]){n ? tap_int_at(n, 0) : -1});
}

static tap_status histogram_infer(tap_ctx *ctx) {
    const out_type *s = ctx->state;
    return bins_infer(ctx, 2, s->dtype);
}

static tap_status histogram_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *range = ctx->in[1];
    tap_tensor *y = ctx->out[0];
    const int64_t n = y->count;
    if (range->count != 2 || n == 0)
        return tap_fail(ctx, TAP_RUN, "the range has to have two values, and there has to be a bin");
    const double lo = tap_real_at(range, 0), hi = tap_real_at(range, 1);
    if (!(lo < hi)) return tap_fail(ctx, TAP_RUN, "the range is from %g to %g", lo, hi);
    memset(y->data, 0, (size_t)n * tap_dtype_bytes(y->dtype));
    const double step =
        x->dtype == TAP_DOUBLE ? (hi - lo) / (double)n : (double)((float)(hi - lo) / (float)n);
    for (int64_t i = 0; i < x->count; i++) {
        const double v = tap_real_at(x, i);
        double at = x->dtype == TAP_DOUBLE ? (v - lo) / step : (double)((float)(v - lo) / (float)step);
        at = !(at > 0) ? 0 : at > (double)(n - 1) ? (double)(n - 1) : floor(at);
        put_index(
            y, (int64_t)at,
            (y->dtype == TAP_INT32 ? ((int32_t *)y->data)[(int64_t)at] : ((int64_t *)y->data)[(int64_t)at]) +
                1);
    }
    return TAP_OK;
}

/* ---- Bincount, DenseBincount: how often each whole number occurs, or the sum of its weights ------------ */

static tap_status bincount_prepare(tap_ctx *ctx, void **state) {
    out_type *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->dtype =
        tap_attr_int(ctx, "binary_output", 0) ? TAP_BOOL : TAP_UNDEFINED; /* BOOL: 1 where it occurs at all */
    *state = s;
    return TAP_OK;
}

static tap_status bincount_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *w = tap_in_type(ctx, 2);
    const tap_tensor *n = tap_in_known(ctx, 1);
    tap_status st = tap_need_dtype(ctx, 0, TAP_TYPES_INDEX, "the input");
    if (!st) st = tap_need_dtype(ctx, 1, TAP_TYPES_INDEX, "the number of bins");
    if (!st) st = tap_need_one(ctx, 1, "the number of bins");
    if (st) return st;
    const int64_t bins = n ? tap_int_at(n, 0) : -1;
    if (n && bins < 0) return tap_fail(ctx, tap_misfit(ctx), "the number of bins is %lld", (long long)bins);
    if (x->rank == 2) return tap_out_type(ctx, 0, w->dtype, 2, (int64_t[]){x->dims[0], bins});
    return tap_out_type(ctx, 0, w->dtype, x->rank < 0 ? -1 : 1, (int64_t[]){bins});
}

static void add_to(tap_tensor *y, int64_t i, const tap_tensor *w, int64_t k, bool binary) {
    const bool ones = w->count == 0;
    switch (y->dtype) {
    case TAP_FLOAT: {
        float *p = (float *)y->data + i;
        *p = binary ? 1 : *p + (ones ? 1 : ((const float *)w->data)[k]);
        break;
    }
    case TAP_DOUBLE: {
        double *p = (double *)y->data + i;
        *p = binary ? 1 : *p + (ones ? 1 : ((const double *)w->data)[k]);
        break;
    }
    case TAP_INT32: {
        uint32_t *p = (uint32_t *)y->data + i;
        *p = binary ? 1 : *p + (ones ? 1 : ((const uint32_t *)w->data)[k]);
        break;
    }
    default: {
        uint64_t *p = (uint64_t *)y->data + i;
        *p = binary ? 1 : *p + (ones ? 1 : ((const uint64_t *)w->data)[k]);
    }
    }
}

static tap_status bincount_run(tap_ctx *ctx) {
    const out_type *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *w = ctx->in[2];
    tap_tensor *y = ctx->out[0];
    const int64_t bins = y->dims[y->rank - 1], row = x->rank == 2 ? x->dims[1] : x->count;
    if (w->count && w->count != x->count)
        return tap_fail(ctx, TAP_RUN, "there are %lld weights for %lld numbers", (long long)w->count,
                        (long long)x->count);
    memset(y->data, 0, (size_t)y->count * tap_dtype_bytes(y->dtype));
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t v = tap_int_at(x, i);
        if (v < 0)
            return tap_fail(ctx, TAP_RUN, "element %lld is %lld; it may not be negative", (long long)i,
                            (long long)v);
        if (v < bins) add_to(y, (x->rank == 2 ? i / row : 0) * bins + v, w, i, s->dtype == TAP_BOOL);
    }
    return TAP_OK;
}

/* ---- InTopKV2: whether fewer than k classes are more likely than the target -----------------------------
 */

static tap_status top_infer(tap_ctx *ctx) {
    const tap_type *t = tap_in_type(ctx, 1);
    tap_status st = tap_need_dtype(ctx, 0, TAP_BIT(TAP_FLOAT), "the predictions");
    if (!st) st = tap_need_rank(ctx, 0, 2, 2, "the predictions");
    if (!st) st = tap_need_rank(ctx, 1, 1, 1, "the targets");
    if (!st) st = tap_need_dtype(ctx, 1, TAP_TYPES_INDEX, "the targets");
    if (!st && t->rank == 1) st = tap_need_shape(ctx, 0, 2, (int64_t[]){t->dims[0], -1}, "the predictions");
    if (!st && ctx->n_in > 2) st = tap_need_dtype(ctx, 2, TAP_TYPES_INDEX, "k");
    if (!st && ctx->n_in > 2) st = tap_need_one(ctx, 2, "k");
    return st ? st : tap_out_type(ctx, 0, TAP_BOOL, t->rank, t->dims);
}

static tap_status top_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    uint8_t *y = ctx->out[0]->data;
    const int64_t classes = x->dims[1], k = tap_int_at(ctx->in[2], 0);
    for (int64_t r = 0; r < x->dims[0]; r++) {
        const float *row = (const float *)x->data + r * classes;
        const int64_t target = tap_int_at(ctx->in[1], r);
        bool fine = target >= 0 && target < classes && isfinite(row[target]);
        int64_t above = 0;
        for (int64_t c = 0; fine && c < classes; c++) {
            fine = isfinite(row[c]);
            above += row[c] > row[target];
        }
        y[r] = fine && above < k;
    }
    return TAP_OK;
}

/* ---- InvertPermutation: y[x[i]] = i ---------------------------------------------------------------------
 */

static tap_status invert_infer(tap_ctx *ctx) {
    tap_status st = tap_need_rank(ctx, 0, 1, 1, "the permutation");
    return st ? st : tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

static tap_status invert_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0];
    for (int64_t i = 0; i < x->count; i++) put_index(y, i, -1);
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t at = tap_int_at(x, i);
        if (at < 0 || at >= x->count || tap_int_at(y, at) != -1)
            return tap_fail(ctx, TAP_RUN, "element %lld, %lld, makes it no permutation", (long long)i,
                            (long long)at);
        put_index(y, at, i);
    }
    return TAP_OK;
}

#define BOUND(NAME, RUN) \
    { TAP_TF_ROW(NAME, 2, 1), .dtypes = NUMBERS, .prepare = bound_prepare, .infer = bound_infer, .run = RUN }
#define COUNT(NAME)                                                                                       \
    {                                                                                                     \
        TAP_TF_ROW(NAME, 3, 1), .typed_by = 2,                                                            \
                                .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_TYPES_INDEX,     \
                                .prepare = bincount_prepare, .infer = bincount_infer, .run = bincount_run \
    }

static const tap_op ops[] = {
    {TAP_TF_ROW("Bucketize", 1, 1), .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_TYPES_INDEX,
     .prepare = bucketize_prepare, .infer = bucketize_infer, .run = bucketize_run},
    BOUND("LowerBound", lower_run),
    BOUND("UpperBound", upper_run),
    {TAP_TF_ROW("HistogramFixedWidth", 3, 1),
     .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_TYPES_INDEX, .prepare = histogram_prepare,
     .infer = histogram_infer, .run = histogram_run},
    COUNT("DenseBincount"),
    {TAP_TF_ROW("InTopKV2", 3, 1), .dtypes = TAP_BIT(TAP_FLOAT), .infer = top_infer, .run = top_run},
    {TAP_TF_ROW("InvertPermutation", 1, 1), .dtypes = TAP_TYPES_INDEX, .infer = invert_infer,
     .run = invert_run},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_search, ops);
