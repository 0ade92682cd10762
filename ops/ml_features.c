/* ai.onnx.ml: what is done to columns of features. Binarizer, Scaler, Normalizer, Imputer, OneHotEncoder,
 * FeatureVectorizer, ArrayFeatureExtractor. */
#include <stdatomic.h>

#include "common/dictionary.h"
#include "common/ml.h"
#include "common/tile.h"
#include "core/move.h"

/* TURNED: elements of rows that are turned at once. */
enum { GRAIN = 1 << 14, BLOCK = 256, TURNED = 1024 };

/* ---- Binarizer ----------------------------------------------------------------------------------------- */

typedef struct binarizer_state {
    float threshold;
} binarizer_state;

static tap_status binarizer_prepare(tap_ctx *ctx, void **state) {
    binarizer_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->threshold = tap_attr_float(ctx, "threshold", 0);
    return TAP_OK;
}

typedef struct binarizer {
    const tap_tensor *x, *y;
    double threshold;
} binarizer;

/* Input and output are of one type. */
#define BINARIZE(T)                                                                    \
    do {                                                                               \
        const T *x = b->x->data;                                                       \
        T *y = b->y->data;                                                             \
        for (int64_t i = begin; i < end; i++) y[i] = (T)((double)x[i] > b->threshold); \
    } while (0)

static void binarizer_piece(void *arg, int64_t begin, int64_t end, int worker) {
    const binarizer *b = arg;
    (void)worker;
    switch (b->x->dtype) {
    case TAP_FLOAT: BINARIZE(float); break;
    case TAP_DOUBLE: BINARIZE(double); break;
    case TAP_INT32: BINARIZE(int32_t); break;
    default: BINARIZE(int64_t); break;
    }
}

static tap_status binarizer_run(tap_ctx *ctx) {
    const binarizer_state *s = ctx->state;
    binarizer b = {ctx->in[0], ctx->out[0], (double)s->threshold};
    tap_parallel(ctx, b.x->count, GRAIN, binarizer_piece, &b);
    return TAP_OK;
}

/* ---- Scaler -------------------------------------------------------------------------------------------- */

typedef struct scaler_state {
    const float *offset, *scale;
    size_t n_offset, n_scale; /* 0: absent; 1: for all columns */
} scaler_state;

static tap_status scaler_prepare(tap_ctx *ctx, void **state) {
    scaler_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->offset = tap_attr_floats(ctx, "offset", &s->n_offset);
    s->scale = tap_attr_floats(ctx, "scale", &s->n_scale);
    return TAP_OK;
}

/* The number of columns: the last dimension. -1 = unknown. */
static int64_t columns_of(const tap_type *x) {
    return !x || x->rank < 0 ? -1 : x->rank == 0 ? 1 : x->dims[x->rank - 1];
}

/* Fails where a list of n numbers does not fit the columns of input 0. */
static tap_status fits_columns(tap_ctx *ctx, const char *name, size_t n) {
    int64_t columns = columns_of(tap_in_type(ctx, 0));
    if (n <= 1 || columns < 0 || (int64_t)n == columns) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "attribute %s has %zu entries for %lld columns", name, n,
                    (long long)columns);
}

/* Output 0 is float32 with the input's shape. */
static tap_status float_out(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    return x ? tap_out_type(ctx, 0, TAP_FLOAT, x->rank, x->dims) : tap_out_type(ctx, 0, TAP_FLOAT, -1, NULL);
}

static tap_status scaler_infer(tap_ctx *ctx) {
    const scaler_state *s = ctx->state;
    tap_status status = fits_columns(ctx, "offset", s->n_offset);
    if (status == TAP_OK) status = fits_columns(ctx, "scale", s->n_scale);
    return status == TAP_OK ? float_out(ctx) : status;
}

typedef struct scaler {
    const tap_tensor *x;
    float *y;
    const double *offset, *scale; /* by column */
    int64_t columns;              /* 1: all columns have one */
} scaler;

/* y = (x - offset) * scale for n elements, from column c on. */
static void scale_block(const scaler *p, int64_t n, int64_t c, const double *x, float *y) {
    if (p->columns == 1) {
        const double offset = p->offset[0], scale = p->scale[0];
        for (int64_t i = 0; i < n; i++) y[i] = (float)((x[i] - offset) * scale);
        return;
    }
    while (n > 0) {
        const int64_t m = tap_min64(n, p->columns - c);
        const double *offset = p->offset + c, *scale = p->scale + c;
        for (int64_t i = 0; i < m; i++) y[i] = (float)((x[i] - offset[i]) * scale[i]);
        x += m;
        y += m;
        n -= m;
        c = 0;
    }
}

static void scaler_piece(void *arg, int64_t begin, int64_t end, int worker) {
    const scaler *p = arg;
    double x[BLOCK];
    (void)worker;
    for (int64_t i = begin; i < end; i += BLOCK) {
        const int64_t n = tap_min64(BLOCK, end - i);
        tap_reals_of(p->x, i, n, x);
        scale_block(p, n, i % p->columns, x, p->y + i);
    }
}

/* A list of n numbers, one for each column. */
static void per_column(const float *v, size_t n, double absent, int64_t columns, double *to) {
    for (int64_t c = 0; c < columns; c++) to[c] = n == 0 ? absent : (double)v[n > 1 ? c : 0];
}

static tap_status scaler_run(tap_ctx *ctx) {
    const scaler_state *s = ctx->state;
    const bool one = s->n_offset <= 1 && s->n_scale <= 1;
    const int64_t columns = one ? 1 : tap_max64(1, columns_of(tap_in_type(ctx, 0)));
    double *factors = tap_scratch(ctx, (size_t)columns * 2 * sizeof *factors);
    if (!factors) return TAP_MEMORY;
    per_column(s->offset, s->n_offset, 0, columns, factors);
    per_column(s->scale, s->n_scale, 1, columns, factors + columns);
    scaler p = {ctx->in[0], ctx->out[0]->data, factors, factors + columns, columns};
    tap_parallel(ctx, p.x->count, GRAIN, scaler_piece, &p);
    return TAP_OK;
}

/* ---- Normalizer ---------------------------------------------------------------------------------------- */

typedef struct normalizer_state {
    int norm; /* 0 MAX, 1 L1, 2 L2 */
} normalizer_state;

static tap_status normalizer_prepare(tap_ctx *ctx, void **state) {
    static const char *const norms[] = {"MAX", "L1", "L2", NULL};
    normalizer_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->norm = tap_attr_choice(ctx, "norm", "MAX", norms);
    return TAP_OK;
}

static tap_status normalizer_infer(tap_ctx *ctx) {
    tap_status s = tap_need_rank(ctx, 0, 1, TAP_RANK_MAX, "the input");
    return s == TAP_OK ? float_out(ctx) : s;
}

typedef struct normalizer {
    int norm;
    const tap_tensor *x;
    float *y;
    int64_t n, inner; /* x[outer][n][inner]; the norm is taken over n */
} normalizer;

static double norm_of(const normalizer *p, int64_t first) {
    double sum = p->norm == 0 ? -(double)INFINITY : 0;
    for (int64_t i = 0; i < p->n; i++) {
        double v = tap_real_at(p->x, first + i * p->inner);
        if (p->norm == 0)
            sum = v > sum ? v : sum;
        else
            sum += p->norm == 1 ? fabs(v) : v * v;
    }
    return p->norm == 2 ? sqrt(sum) : sum;
}

/* A contiguous row, as norm_of and what follows it. */
static void normalize_row(const normalizer *p, int64_t first) {
    double x[BLOCK], sum = p->norm == 0 ? -(double)INFINITY : 0;
    for (int64_t i = 0; i < p->n; i += BLOCK) {
        const int64_t n = tap_min64(BLOCK, p->n - i);
        tap_reals_of(p->x, first + i, n, x);
        for (int64_t k = 0; k < n && p->norm == 0; k++) sum = x[k] > sum ? x[k] : sum;
        for (int64_t k = 0; k < n && p->norm == 1; k++) sum += fabs(x[k]);
        for (int64_t k = 0; k < n && p->norm == 2; k++) sum += x[k] * x[k];
    }
    double norm = p->norm == 2 ? sqrt(sum) : sum;
    if (norm == 0) norm = 1;
    for (int64_t i = 0; i < p->n; i += BLOCK) {
        const int64_t n = tap_min64(BLOCK, p->n - i);
        if (p->n > BLOCK) tap_reals_of(p->x, first + i, n, x);
        for (int64_t k = 0; k < n; k++) p->y[first + i + k] = (float)(x[k] / norm);
    }
}

/* norm[m], as norm_of, of x[n][m]. */
static void norms_of(int kind, int64_t n, int64_t m, const double *restrict x, double *restrict norm) {
    for (int64_t r = 0; r < m; r++) norm[r] = kind == 0 ? -(double)INFINITY : 0;
    for (int64_t i = 0; i < n; i++, x += m) {
        if (kind == 0)
            for (int64_t r = 0; r < m; r++) norm[r] = x[r] > norm[r] ? x[r] : norm[r];
        else if (kind == 1)
            for (int64_t r = 0; r < m; r++) norm[r] += fabs(x[r]);
        else
            for (int64_t r = 0; r < m; r++) norm[r] += x[r] * x[r];
    }
    for (int64_t r = 0; r < m && kind == 2; r++) norm[r] = sqrt(norm[r]);
}

/* m short rows, turned into columns: the sums of each are taken in order. */
static void normalize_rows(const normalizer *p, int64_t row, int64_t m) {
    const int64_t n = p->n;
    const bool narrow = p->x->dtype == TAP_FLOAT; /* no quotient of floats is out of a double's range */
    double x[TURNED] = {0}, turned[TURNED], norm[TURNED];
    float y[TURNED];
    tap_reals_of(p->x, row * n, m * n, x);
    tap_tile_apart(sizeof *x, m, n, x, turned);
    norms_of(p->norm, n, m, turned, norm);
    for (int64_t r = 0; r < m; r++) norm[r] = norm[r] == 0 ? 1 : norm[r];
    for (int64_t r = 0; r < m && narrow; r++) norm[r] = 1 / norm[r];
    for (int64_t i = 0; i < n; i++) {
        const double *v = turned + i * m;
        if (narrow)
            for (int64_t r = 0; r < m; r++) y[i * m + r] = (float)(v[r] * norm[r]);
        else
            for (int64_t r = 0; r < m; r++) y[i * m + r] = (float)(v[r] / norm[r]);
    }
    tap_tile_together(sizeof *y, m, n, y, p->y + row * n);
}

static void normalizer_piece(void *arg, int64_t begin, int64_t end, int worker) {
    const normalizer *p = arg;
    const int64_t at_once = TURNED / p->n / 8 * 8;
    (void)worker;
    if (p->inner == 1 && at_once > 0) {
        for (int64_t row = begin; row < end; row += at_once)
            normalize_rows(p, row, tap_min64(at_once, end - row));
        return;
    }
    for (int64_t row = begin; row < end && p->inner == 1; row++) normalize_row(p, row * p->n);
    for (int64_t row = begin; row < end && p->inner > 1; row++) {
        int64_t first = row / p->inner * p->n * p->inner + row % p->inner;
        double norm = norm_of(p, first);
        for (int64_t i = 0; i < p->n; i++) {
            int64_t at = first + i * p->inner;
            p->y[at] = (float)(norm == 0 ? tap_real_at(p->x, at) : tap_real_at(p->x, at) / norm);
        }
    }
}

/* Over axis 1, of a vector over its one axis. MAX divides by the largest number as it is, not by the largest
 * magnitude. */
static tap_status normalizer_run(tap_ctx *ctx) {
    const normalizer_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    normalizer p = {s->norm, x, ctx->out[0]->data, x->dims[x->rank > 1], 1};
    for (int i = 2; i < x->rank; i++) p.inner *= x->dims[i];
    if (x->count == 0) return TAP_OK;
    tap_parallel(ctx, x->count / p.n, tap_max64(1, GRAIN / p.n), normalizer_piece, &p);
    return TAP_OK;
}

/* ---- Imputer ------------------------------------------------------------------------------------------- */

typedef struct imputer_state {
    const float *floats;
    const int64_t *ints;
    size_t n_floats, n_ints;
    float old_float;
    int64_t old_int;
} imputer_state;

static tap_status imputer_prepare(tap_ctx *ctx, void **state) {
    imputer_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->floats = tap_attr_floats(ctx, "imputed_value_floats", &s->n_floats);
    s->ints = tap_attr_ints(ctx, "imputed_value_int64s", &s->n_ints);
    s->old_float = tap_attr_float(ctx, "replaced_value_float", 0);
    s->old_int = tap_attr_int(ctx, "replaced_value_int64", 0);
    if ((s->n_floats > 0) != (s->n_ints > 0)) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL,
                    "one of imputed_value_floats and imputed_value_int64s has to be given, and not both");
}

static tap_status imputer_infer(tap_ctx *ctx) {
    const imputer_state *s = ctx->state;
    uint32_t dtypes = s->n_floats ? TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) : TAP_TYPES_INDEX;
    tap_status status = tap_need_dtype(ctx, 0, dtypes, "with these imputed values, the input");
    if (status == TAP_OK) status = fits_columns(ctx, "imputed_value_*", s->n_floats + s->n_ints);
    return status == TAP_OK ? tap_out_like(ctx, 0, tap_in_type(ctx, 0)) : status;
}

typedef struct imputer {
    const imputer_state *s;
    const tap_tensor *x, *y;
    int64_t period; /* elements after which the imputed values begin again */
} imputer;

/* One imputed value for all elements, or one for each in a row. */
#define IMPUTE(T, IS_OLD, V)                                       \
    do {                                                           \
        const T *x = (const T *)p->x->data + begin;                \
        T *y = (T *)p->y->data + begin;                            \
        const int64_t n = end - begin;                             \
        if (p->period == 1) {                                      \
            const T instead = (T)V[0];                             \
            for (int64_t i = 0; i < n; i++) {                      \
                const T v = x[i];                                  \
                y[i] = IS_OLD ? instead : v;                       \
            }                                                      \
            break;                                                 \
        }                                                          \
        for (int64_t i = 0, k = begin % p->period; i < n; k = 0) { \
            const int64_t m = tap_min64(n - i, p->period - k);     \
            for (const int64_t stop = i + m; i < stop; i++, k++) { \
                const T v = x[i];                                  \
                y[i] = IS_OLD ? (T)V[k] : v;                       \
            }                                                      \
        }                                                          \
    } while (0)

static void imputer_piece(void *arg, int64_t begin, int64_t end, int worker) {
    const imputer *p = arg;
    const imputer_state *s = p->s;
    const double old = (double)s->old_float;
    const bool of_nan = isnan(old);
    (void)worker;
    switch (p->x->dtype) {
    case TAP_FLOAT: IMPUTE(float, ((double)v == old) | (of_nan & (v != v)), s->floats); break;
    case TAP_DOUBLE: IMPUTE(double, (v == old) | (of_nan & (v != v)), s->floats); break;
    case TAP_INT32: IMPUTE(int32_t, v == s->old_int, s->ints); break;
    default: IMPUTE(int64_t, v == s->old_int, s->ints); break;
    }
}

static tap_status imputer_run(tap_ctx *ctx) {
    const imputer_state *s = ctx->state;
    const bool one = s->n_floats + s->n_ints == 1;
    imputer p = {s, ctx->in[0], ctx->out[0], one ? 1 : columns_of(tap_in_type(ctx, 0))};
    tap_parallel(ctx, p.x->count, GRAIN, imputer_piece, &p);
    return TAP_OK;
}

/* ---- OneHotEncoder ------------------------------------------------------------------------------------- */

typedef struct onehot_state {
    tap_dictionary categories;
    bool zeros;
} onehot_state;

static tap_status onehot_prepare(tap_ctx *ctx, void **state) {
    onehot_state *s = tap_state(ctx, sizeof *s);
    size_t n_strings, n_ints;
    if (!s) return TAP_MEMORY;
    *state = s;
    const tap_string *strings = tap_attr_strings(ctx, "cats_strings", &n_strings);
    const int64_t *ints = tap_attr_ints(ctx, "cats_int64s", &n_ints);
    s->zeros = tap_attr_int(ctx, "zeros", 1) != 0;
    if ((n_strings > 0) == (n_ints > 0))
        return tap_fail(ctx, TAP_MODEL, "one of cats_strings and cats_int64s has to be given, and not both");
    if (n_strings) return tap_dictionary_make(ctx, &s->categories, strings, NULL, n_strings);
    return tap_dictionary_of_ints(ctx, &s->categories, ints, n_ints);
}

static tap_status onehot_infer(tap_ctx *ctx) {
    const onehot_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t dims[TAP_RANK_MAX];
    if (x && x->dtype != TAP_UNDEFINED && (x->dtype == TAP_STRING) != (s->categories.words != NULL))
        return tap_fail(ctx, TAP_MODEL, "the input is %s, and the categories are %s",
                        tap_dtype_name(x->dtype), s->categories.words ? "strings" : "integers");
    if (!x || x->rank < 0) return tap_out_type(ctx, 0, TAP_FLOAT, -1, NULL);
    if (x->rank == TAP_RANK_MAX)
        return tap_fail(ctx, TAP_UNSUPPORTED, "the limit for the rank is %d", TAP_RANK_MAX - 1);
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank] = (int64_t)s->categories.n;
    return tap_out_type(ctx, 0, TAP_FLOAT, x->rank + 1, dims);
}

/* at[n] = the categories of elements from `first` on; -1 = none. Floats are cast to integers. n <= BLOCK. */
static void categories_of(const onehot_state *s, const tap_tensor *x, int64_t first, int64_t n, int64_t *at) {
    uint64_t keys[BLOCK];
    if (s->categories.words) {
        for (int64_t i = 0; i < n; i++) at[i] = tap_find_at(&s->categories, x, first + i);
        return;
    }
    if (x->dtype == TAP_FLOAT || x->dtype == TAP_DOUBLE)
        for (int64_t i = 0; i < n; i++) keys[i] = (uint64_t)tap_cut_at(x, first + i);
    else
        tap_keys_of(x, first, n, keys);
    tap_find_numbers(&s->categories, n, keys, at);
}

typedef struct onehot {
    const onehot_state *s;
    const tap_tensor *x;
    float *y;
    atomic_bool stranger; /* an element is in no category */
} onehot;

static void onehot_piece(void *arg, int64_t begin, int64_t end, int worker) {
    onehot *p = arg;
    const int64_t columns = (int64_t)p->s->categories.n;
    int64_t at[BLOCK];
    (void)worker;
    memset(p->y + begin * columns, 0, (size_t)((end - begin) * columns) * sizeof(float));
    for (int64_t i = begin; i < end; i += BLOCK) {
        const int64_t n = tap_min64(BLOCK, end - i);
        categories_of(p->s, p->x, i, n, at);
        for (int64_t k = 0; k < n; k++) {
            if (at[k] >= 0)
                p->y[(i + k) * columns + at[k]] = 1;
            else if (!p->s->zeros)
                atomic_store_explicit(&p->stranger, true, memory_order_relaxed);
        }
    }
}

static tap_status onehot_run(tap_ctx *ctx) {
    onehot p = {ctx->state, ctx->in[0], ctx->out[0]->data, false};
    int64_t i = -1, at = 0;
    tap_parallel(ctx, p.x->count, tap_max64(1, GRAIN / (int64_t)p.s->categories.n), onehot_piece, &p);
    if (!atomic_load(&p.stranger)) return TAP_OK;
    while (at >= 0) categories_of(p.s, p.x, ++i, 1, &at);
    return tap_fail(ctx, TAP_RUN, "element %lld of the input is in no category, and zeros is 0",
                    (long long)i);
}

/* ---- FeatureVectorizer --------------------------------------------------------------------------------- */

typedef struct vectorizer_state {
    const int64_t *width; /* of each input in the output */
    int64_t all;
} vectorizer_state;

static tap_status vectorizer_prepare(tap_ctx *ctx, void **state) {
    vectorizer_state *s = tap_state(ctx, sizeof *s);
    size_t n;
    if (!s) return TAP_MEMORY;
    *state = s;
    s->width = tap_attr_ints(ctx, "inputdimensions", &n);
    if (n != (size_t)ctx->n_in)
        return tap_fail(ctx, TAP_MODEL, "attribute inputdimensions has %zu entries for %d inputs", n,
                        ctx->n_in);
    for (size_t i = 0; i < n; i++)
        if (s->width[i] < 0 || !tap_add64(s->all, s->width[i], &s->all))
            return tap_fail(ctx, TAP_MODEL, "inputdimensions[%zu] is %lld", i, (long long)s->width[i]);
    return TAP_OK;
}

static tap_status vectorizer_infer(tap_ctx *ctx) {
    const vectorizer_state *s = ctx->state;
    int64_t dims[2] = {-1, s->all};
    tap_status status = TAP_OK;
    for (int i = 0; i < ctx->n_in && status == TAP_OK; i++) {
        const tap_type *x = tap_in_type(ctx, i);
        status = tap_need_dtype(ctx, i, TAP_ML_TYPES, "an input");
        if (status == TAP_OK) status = tap_need_same_dtype(ctx, 0, i, "an input");
        if (status == TAP_OK) status = tap_need_rank(ctx, i, 1, TAP_RANK_MAX, "an input");
        if (status != TAP_OK || !x || x->rank < 0) continue;
        int64_t rows = x->rank == 1 ? 1 : x->dims[0];
        if (rows >= 0 && dims[0] >= 0 && rows != dims[0])
            status = tap_fail(ctx, tap_misfit(ctx), "input %d has %lld rows; the inputs before it have %lld",
                              i, (long long)rows, (long long)dims[0]);
        if (rows >= 0) dims[0] = rows;
    }
    return status == TAP_OK ? tap_out_type(ctx, 0, TAP_FLOAT, 2, dims) : status;
}

typedef struct vectorizer {
    const tap_ctx *ctx;
    int64_t rows;
} vectorizer;

/* Rows begin .. end of input i, cut or filled up with zeros to its width. */
static void vectorize(const vectorizer *p, int i, int64_t at, int64_t begin, int64_t end) {
    const vectorizer_state *s = p->ctx->state;
    const tap_tensor *x = p->ctx->in[i];
    const int64_t features = x->count / p->rows, n = tap_min64(features, s->width[i]);
    for (int64_t row = begin; row < end; row++) {
        float *to = (float *)p->ctx->out[0]->data + row * s->all + at;
        if (x->dtype == TAP_FLOAT) {
            tap_copy_row((const char *)((const float *)x->data + row * features), (char *)to,
                         (size_t)n * sizeof *to);
        } else {
            for (int64_t k = 0; k < n; k += BLOCK) {
                double v[BLOCK];
                const int64_t m = tap_min64(BLOCK, n - k);
                tap_reals_of(x, row * features + k, m, v);
                for (int64_t q = 0; q < m; q++) to[k + q] = (float)v[q];
            }
        }
        memset(to + n, 0, (size_t)(s->width[i] - n) * sizeof *to);
    }
}

static void vectorizer_piece(void *arg, int64_t begin, int64_t end, int worker) {
    const vectorizer *p = arg;
    const vectorizer_state *s = p->ctx->state;
    int64_t at = 0;
    (void)worker;
    for (int i = 0; i < p->ctx->n_in; at += s->width[i++]) vectorize(p, i, at, begin, end);
}

static tap_status vectorizer_run(tap_ctx *ctx) {
    const vectorizer_state *s = ctx->state;
    vectorizer p = {ctx, ctx->out[0]->dims[0]};
    tap_parallel(ctx, p.rows, tap_max64(1, GRAIN / tap_max64(s->all, 1)), vectorizer_piece, &p);
    return TAP_OK;
}

/* ---- ArrayFeatureExtractor ----------------------------------------------------------------------------- */

static tap_status extractor_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *k = tap_in_type(ctx, 1);
    tap_status s = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT64), "the indices");
    if (s == TAP_OK) s = tap_need_rank(ctx, 0, 1, TAP_RANK_MAX, "the input");
    if (s != TAP_OK) return s;
    if (!x || x->rank < 0) return tap_out_type(ctx, 0, x ? x->dtype : TAP_UNDEFINED, -1, NULL);
    int64_t n = k && k->rank >= 0 ? tap_product(k->dims, k->rank) : -1, dims[TAP_RANK_MAX] = {1, n};
    if (n == 0) return tap_fail(ctx, tap_misfit(ctx), "there are no indices");
    if (x->rank == 1) return tap_out_type(ctx, 0, x->dtype, 2, dims);
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = n;
    return tap_out_type(ctx, 0, x->dtype, x->rank, dims);
}

typedef struct extractor {
    const char *x;
    char *y;
    const int64_t *k;
    int64_t n, columns;
    size_t each;
} extractor;

static inline __attribute__((always_inline)) void extract(const extractor *p, size_t each, int64_t begin,
                                                          int64_t end) {
    const char *x = p->x + (size_t)(begin * p->columns) * each;
    char *y = p->y + (size_t)(begin * p->n) * each;
    for (int64_t row = begin; row < end; row++, x += (size_t)p->columns * each)
        for (int64_t i = 0; i < p->n; i++, y += each) memcpy(y, x + (size_t)p->k[i] * each, each);
}

static void extractor_piece(void *arg, int64_t begin, int64_t end, int worker) {
    const extractor *p = arg;
    (void)worker;
    if (p->each == 4)
        extract(p, 4, begin, end);
    else if (p->each == 8)
        extract(p, 8, begin, end);
    else
        extract(p, p->each, begin, end);
}

static tap_status extractor_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *index = ctx->in[1];
    extractor p = {x->data,      ctx->out[0]->data,    index->data,
                   index->count, x->dims[x->rank - 1], tap_dtype_bytes(x->dtype)};
    for (int64_t i = 0; i < p.n; i++)
        if (p.k[i] < 0 || p.k[i] >= p.columns)
            return tap_fail(ctx, TAP_RUN, "index %lld is %lld, and there are %lld columns", (long long)i,
                            (long long)p.k[i], (long long)p.columns);
    if (p.columns == 0) return TAP_OK;
    tap_parallel(ctx, x->count / p.columns, tap_max64(1, GRAIN / p.n), extractor_piece, &p);
    return TAP_OK;
}

#define WITH_STRING (TAP_ML_TYPES | TAP_BIT(TAP_STRING))

/* clang-format off */
static const tap_op ops[] = {
    {.name = "Binarizer", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_ML_TYPES, .prepare = binarizer_prepare, .run = binarizer_run},
    {.name = "Scaler", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_ML_TYPES, .prepare = scaler_prepare, .infer = scaler_infer, .run = scaler_run},
    {.name = "Normalizer", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_ML_TYPES, .prepare = normalizer_prepare, .infer = normalizer_infer, .run = normalizer_run},
    {.name = "Imputer", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_ML_TYPES, .prepare = imputer_prepare, .infer = imputer_infer, .run = imputer_run},
    {.name = "OneHotEncoder", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = WITH_STRING, .prepare = onehot_prepare, .infer = onehot_infer, .run = onehot_run},
    {.name = "FeatureVectorizer", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = -1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_ML_TYPES, .prepare = vectorizer_prepare, .infer = vectorizer_infer, .run = vectorizer_run},
    {.name = "ArrayFeatureExtractor", .domain = TAP_ML, .since = 1, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
     .dtypes = WITH_STRING, .infer = extractor_infer, .run = extractor_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(ml_features, ops);
