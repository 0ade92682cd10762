/* TensorFlow's reductions by segment: rows with one id are put together. SegmentSum and its kind (ids in
 * order), UnsortedSegmentSum and its kind (any order), SparseSegmentSum and its kind (rows picked by
 * indices); Bincount. */
#include <float.h>
#include <math.h>

#include "common/shape.h"
#include "tensorflow/numbers.h"
#include "tensorflow/tensorflow.h"

typedef enum how { SUM, MEAN, ROOT, PROD, MAX, MIN } how;

/* What a row is: the inputs are data, (indices, if picked,) ids(, number of segments). */
typedef struct kind {
    how how;
    bool picked, any_order, counted;
} kind;

static tap_status prepare(tap_ctx *ctx, void **state) {
    *state = NULL;
    tap_attr_ignore(ctx, "sparse_gradient");
    return TAP_OK;
}

static int ids_at(const kind *k) {
    return k->picked ? 2 : 1;
}

/* Segments, where that is known: -1. */
static tap_status count_segments(tap_ctx *ctx, const kind *k, int64_t *n) {
    const int at = ids_at(k);
    const tap_tensor *t = tap_in_known(ctx, k->counted ? at + 1 : at);
    *n = -1;
    if (!t) return TAP_OK;
    *n = k->counted ? tap_int_at(t, 0) : t->count ? tap_int_at(t, t->count - 1) : -1;
    if (!k->counted && *n >= -1 && *n < INT32_MAX) ++*n;
    if (*n >= 0 && *n <= INT32_MAX) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%lld is no number of segments", (long long)*n);
}

static tap_status check(tap_ctx *ctx, const kind *k) {
    const tap_type *data = tap_in_type(ctx, 0), *ids = tap_in_type(ctx, ids_at(k));
    tap_status st = tap_need_rank(ctx, 0, 1, TAP_RANK_MAX, "the data");
    if (!st) st = tap_need_dtype(ctx, ids_at(k), TAP_TYPES_INDEX, "the ids");
    if (!st && !k->any_order) st = tap_need_rank(ctx, ids_at(k), 1, 1, "the ids");
    if (!st && k->counted) st = tap_need_one(ctx, ids_at(k) + 1, "the number of segments");
    if (!st && k->counted) st = tap_need_dtype(ctx, ids_at(k) + 1, TAP_TYPES_INDEX, "the number of segments");
    if (st) return st;
    if (k->picked) {
        st = tap_need_dtype(ctx, 1, TAP_TYPES_INDEX, "the indices");
        if (!st) st = tap_need_rank(ctx, 1, 1, 1, "the indices");
        return st || ids->rank != 1 ? st : tap_need_shape(ctx, 1, 1, ids->dims, "the indices");
    }
    if (data->rank < 0 || ids->rank < 0) return TAP_OK;
    if (ids->rank > data->rank)
        return tap_fail(ctx, tap_misfit(ctx), "ids of rank %d go with data of rank %d", ids->rank,
                        data->rank);
    return tap_need_shape(ctx, ids_at(k), ids->rank, data->dims, "the ids");
}

static tap_status infer(tap_ctx *ctx) {
    const kind *k = tap_ctx_op(ctx)->data;
    const tap_type *data = tap_in_type(ctx, 0), *ids = tap_in_type(ctx, ids_at(k));
    int64_t dims[TAP_RANK_MAX], n;
    tap_status st = check(ctx, k);
    if (!st) st = count_segments(ctx, k, &n);
    if (st) return st;
    if (data->rank < 0 || ids->rank < 0) return tap_out_type(ctx, 0, data->dtype, -1, NULL);
    dims[0] = n;
    for (int i = ids->rank; i < data->rank; i++) dims[1 + i - ids->rank] = data->dims[i];
    if (ids->rank == 0) return tap_fail(ctx, tap_misfit(ctx), "the ids have no axis");
    return tap_out_type(ctx, 0, data->dtype, 1 + data->rank - ids->rank, dims);
}

/* What a segment begins with; `empty`: what one without rows is. */
static tap_tf_number first_of(const kind *k, tap_dtype t, bool empty) {
    const int bits = 8 * (int)tap_dtype_bytes(t);
    const bool is_signed =
        (TAP_BIT(t) & (TAP_BIT(TAP_INT8) | TAP_BIT(TAP_INT16) | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64))) !=
        0;
    const double most = t == TAP_DOUBLE     ? DBL_MAX
                        : t == TAP_FLOAT16  ? 65504
                        : t == TAP_BFLOAT16 ? 0x1.FEp127
                                            : (double)FLT_MAX;
    tap_tf_number v = {.i = 0};
    if (tap_tf_is_float(t)) {
        v.f = 0;
        if (k->how == PROD) v.f = 1;
        if (k->how == MAX) v.f = empty ? k->any_order ? -most : 0 : -(double)INFINITY;
        if (k->how == MIN) v.f = empty ? k->any_order ? most : 0 : (double)INFINITY;
        return v;
    }
    if (k->how == PROD) v.i = 1;
    if (empty && !k->any_order) return v;
    if (k->how == MAX) v.i = is_signed ? (int64_t)(UINT64_MAX << (bits - 1)) : 0;
    if (k->how == MIN)
        v.i = is_signed ? (int64_t)(UINT64_MAX >> (65 - bits)) : (int64_t)(UINT64_MAX >> (64 - bits));
    return v;
}

static double joined(how h, double a, double b) {
    if (h == PROD) return a * b;
    if (h == MAX) return b > a || isnan(b) ? b : a;
    if (h == MIN) return b < a || isnan(b) ? b : a;
    return a + b;
}

static int64_t joined_whole(how h, int64_t a, int64_t b, bool of_uint64) {
    const bool less = of_uint64 ? (uint64_t)a < (uint64_t)b : a < b;
    if (h == PROD) return (int64_t)((uint64_t)a * (uint64_t)b);
    if (h == MAX) return less ? b : a;
    if (h == MIN) return less ? a : b;
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

typedef struct job {
    const kind *k;
    const tap_tensor *data, *ids, *indices;
    tap_tensor *y;
    tap_tf_number *sums; /* as y */
    int64_t *rows;       /* of each segment */
    int64_t n, inner;    /* segments, numbers of a row */
} job;

static void add_row(job *j, int64_t segment, int64_t row) {
    tap_tf_number *to = j->sums + segment * j->inner;
    const bool floats = tap_tf_is_float(j->data->dtype);
    j->rows[segment]++;
    for (int64_t i = 0; i < j->inner; i++) {
        const tap_tf_number v = tap_tf_get(j->data, row * j->inner + i);
        if (floats)
            to[i].f = joined(j->k->how, to[i].f, v.f);
        else
            to[i].i = joined_whole(j->k->how, to[i].i, v.i, j->data->dtype == TAP_UINT64);
    }
}

static tap_status add_rows(tap_ctx *ctx, job *j) {
    int64_t before = 0;
    for (int64_t r = 0; r < j->ids->count; r++) {
        const int64_t segment = tap_int_at(j->ids, r), row = j->indices ? tap_int_at(j->indices, r) : r;
        if (j->k->any_order && segment < 0) continue; /* dropped */
        if (segment < 0 || segment >= j->n || (!j->k->any_order && segment < before))
            return tap_fail(ctx, TAP_RUN,
                            "id %lld at %lld is out of order, or out of range for %lld segments",
                            (long long)segment, (long long)r, (long long)j->n);
        if (j->indices && (row < 0 || row >= j->data->dims[0]))
            return tap_fail(ctx, TAP_RUN, "index %lld is out of range for %lld rows", (long long)row,
                            (long long)j->data->dims[0]);
        before = segment;
        add_row(j, segment, row);
    }
    return TAP_OK;
}

static void finish(job *j) {
    const bool floats = tap_tf_is_float(j->data->dtype);
    for (int64_t i = 0; i < j->n * j->inner; i++) {
        const int64_t rows = j->rows[i / j->inner];
        tap_tf_number v = j->sums[i];
        if (rows == 0) v = first_of(j->k, j->data->dtype, true);
        if (rows && j->k->how == MEAN && floats) v.f /= (double)rows;
        if (rows && j->k->how == MEAN && !floats) v.i /= rows;
        if (rows && j->k->how == ROOT) v.f /= sqrt((double)rows);
        tap_tf_put(j->y, i, v);
    }
}

static tap_status run(tap_ctx *ctx) {
    const kind *k = tap_ctx_op(ctx)->data;
    job j = {.k = k, .data = ctx->in[0], .ids = ctx->in[ids_at(k)], .indices = k->picked ? ctx->in[1] : NULL};
    int64_t dims[TAP_RANK_MAX], numbers;
    const int rank = 1 + j.data->rank - j.ids->rank;
    j.n = k->counted     ? tap_int_at(ctx->in[ids_at(k) + 1], 0)
          : j.ids->count ? tap_int_at(j.ids, j.ids->count - 1) + 1
                         : 0;
    if (j.n < 0 || j.n > INT32_MAX)
        return tap_fail(ctx, TAP_RUN, "%lld is no number of segments", (long long)j.n);
    dims[0] = j.n;
    for (int i = 1; i < rank; i++) dims[i] = j.data->dims[j.ids->rank + i - 1];
    j.inner = tap_product(dims + 1, rank - 1);
    if (!(j.y = tap_out(ctx, 0, j.data->dtype, rank, dims))) return TAP_MEMORY;
    if (!tap_mul64(j.y->count + j.n, 8, &numbers)) return tap_fail(ctx, TAP_MEMORY, "too many segments");
    j.sums = tap_scratch(ctx, (size_t)numbers + 8);
    if (!j.sums) return TAP_MEMORY;
    j.rows = (int64_t *)(j.sums + j.y->count);
    memset(j.rows, 0, (size_t)j.n * sizeof *j.rows);
    const tap_tf_number first = first_of(k, j.data->dtype, false);
    for (int64_t i = 0; i < j.y->count; i++) j.sums[i] = first;
    tap_status st = add_rows(ctx, &j);
    if (!st && j.inner) finish(&j);
    return st;
}

/* ---- Bincount: how often each whole number below `size` is there, or what its weights add up to ---- */

static tap_status bincount_infer(tap_ctx *ctx) {
    const tap_type *weights = tap_in_type(ctx, 2);
    const tap_tensor *size = tap_in_known(ctx, 1);
    tap_status st = tap_need_dtype(ctx, 0, TAP_BIT(TAP_INT32), "arr");
    if (!st) st = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT32), "size");
    if (!st) st = tap_need_one(ctx, 1, "size");
    if (st) return st;
    if (size && tap_int_at(size, 0) < 0)
        return tap_fail(ctx, tap_misfit(ctx), "size is %lld", (long long)tap_int_at(size, 0));
    return tap_out_type(ctx, 0, weights->dtype, 1, (int64_t[]){size ? tap_int_at(size, 0) : -1});
}

static tap_status bincount_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *weights = ctx->in[2];
    const int64_t n = tap_int_at(ctx->in[1], 0);
    if (n < 0) return tap_fail(ctx, TAP_RUN, "size is %lld", (long long)n);
    tap_tensor *y = tap_out(ctx, 0, weights->dtype, 1, &n);
    tap_tf_number *sums = tap_scratch(ctx, (size_t)n * sizeof *sums + 8);
    const bool floats = tap_tf_is_float(weights->dtype);
    if (!y || !sums) return TAP_MEMORY;
    if (weights->count != 0 && weights->count != x->count)
        return tap_fail(ctx, TAP_RUN, "there are %lld weights for %lld numbers", (long long)weights->count,
                        (long long)x->count);
    for (int64_t i = 0; i < n; i++) {
        if (floats)
            sums[i].f = 0;
        else
            sums[i].i = 0;
    }
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t at = tap_int_at(x, i);
        if (at < 0) return tap_fail(ctx, TAP_RUN, "arr[%lld] is %lld, below 0", (long long)i, (long long)at);
        if (at >= n) continue;
        const tap_tf_number one = floats ? (tap_tf_number){.f = 1} : (tap_tf_number){.i = 1};
        const tap_tf_number v = weights->count ? tap_tf_get(weights, i) : one;
        if (floats)
            sums[at].f += v.f;
        else
            sums[at].i = (int64_t)((uint64_t)sums[at].i + (uint64_t)v.i);
    }
    for (int64_t i = 0; i < n; i++) tap_tf_put(y, i, sums[i]);
    return TAP_OK;
}

#define ROW(NAME, IN, DTYPES, ...)                                                                 \
    {                                                                                              \
        TAP_TF_ROW(NAME, IN, 1), .dtypes = DTYPES, .prepare = prepare, .infer = infer, .run = run, \
                                 .data = &(const kind) {                                           \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const tap_op ops[] = {
    ROW("SegmentSum", 2, TAP_TF_REALS, SUM, 0, 0, 0),
    ROW("SegmentMean", 2, TAP_TF_REALS, MEAN, 0, 0, 0),
    ROW("SegmentProd", 2, TAP_TF_REALS, PROD, 0, 0, 0),
    ROW("SegmentMax", 2, TAP_TF_REALS, MAX, 0, 0, 0),
    ROW("SegmentMin", 2, TAP_TF_REALS, MIN, 0, 0, 0),
    ROW("SegmentSumV2", 3, TAP_TF_REALS, SUM, 0, 0, 1),
    ROW("SegmentProdV2", 3, TAP_TF_REALS, PROD, 0, 0, 1),
    ROW("UnsortedSegmentSum", 3, TAP_TF_REALS, SUM, 0, 1, 1),
    ROW("UnsortedSegmentProd", 3, TAP_TF_REALS, PROD, 0, 1, 1),
    ROW("UnsortedSegmentMax", 3, TAP_TF_REALS, MAX, 0, 1, 1),
    ROW("UnsortedSegmentMin", 3, TAP_TF_REALS, MIN, 0, 1, 1),
    ROW("SparseSegmentSum", 3, TAP_TF_REALS, SUM, 1, 0, 0),
    ROW("SparseSegmentMean", 3, TAP_TYPES_FLOAT, MEAN, 1, 0, 0),
    ROW("SparseSegmentSqrtN", 3, TAP_TYPES_FLOAT, ROOT, 1, 0, 0),
    ROW("SparseSegmentSumWithNumSegments", 4, TAP_TF_REALS, SUM, 1, 0, 1),
    ROW("SparseSegmentMeanWithNumSegments", 4, TAP_TYPES_FLOAT, MEAN, 1, 0, 1),
    ROW("SparseSegmentSqrtNWithNumSegments", 4, TAP_TYPES_FLOAT, ROOT, 1, 0, 1),
    {TAP_TF_ROW("Bincount", 3, 1), .dtypes = TAP_BIT(TAP_INT32), .infer = bincount_infer,
     .run = bincount_run},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_segments, ops);
