/* What the operators of ai.onnx.ml share: rows of features, class labels, transformations of scores. */
#ifndef TAP_OPS_COMMON_ML_H
#define TAP_OPS_COMMON_ML_H

#include <math.h>

#include "common/scalar.h"
#include "common/shape.h"

#define TAP_ML       "ai.onnx.ml"
#define TAP_ML_TYPES (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_INT32))

/* ---- rows of features ---------------------------------------------------------------------------------- */

/* x[rows][features]; a vector is one row. -1 = unknown. */
typedef struct tap_rows {
    int64_t rows, features;
} tap_rows;

/* infer: the rows of input 0, which has to be a vector or a matrix. */
static inline tap_status tap_rows_in(tap_ctx *ctx, tap_rows *r) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status s = tap_need_rank(ctx, 0, 1, 2, "the input");
    *r = (tap_rows){-1, -1};
    if (s != TAP_OK || !x || x->rank < 0) return s;
    *r = x->rank == 1 ? (tap_rows){1, x->dims[0]} : (tap_rows){x->dims[0], x->dims[1]};
    return TAP_OK;
}

static inline tap_rows tap_rows_of(const tap_tensor *x) {
    return x->rank == 1 ? (tap_rows){1, x->dims[0]} : (tap_rows){x->dims[0], x->dims[1]};
}

/* y[0..n) = elements begin .. begin + n of x, one of TAP_ML_TYPES or float16. */
static inline void tap_reals_of(const tap_tensor *x, int64_t begin, int64_t n, double *y) {
    if (x->dtype == TAP_FLOAT) {
        const float *v = (const float *)x->data + begin;
        for (int64_t i = 0; i < n; i++) y[i] = (double)v[i];
    } else if (x->dtype == TAP_DOUBLE) {
        if (n) memcpy(y, (const double *)x->data + begin, (size_t)n * sizeof *y);
    } else if (x->dtype == TAP_INT64) {
        const int64_t *v = (const int64_t *)x->data + begin;
        for (int64_t i = 0; i < n; i++) y[i] = (double)v[i];
    } else if (x->dtype == TAP_INT32) {
        const int32_t *v = (const int32_t *)x->data + begin;
        for (int64_t i = 0; i < n; i++) y[i] = (double)v[i];
    } else {
        for (int64_t i = 0; i < n; i++) y[i] = tap_real_at(x, begin + i);
    }
}

/* ---- class labels -------------------------------------------------------------------------------------- */

typedef struct tap_classes {
    size_t n;
    const tap_string *strings; /* NULL: ints                                                     */
    const int64_t *ints;       /* NULL with strings NULL: classes are called by their position   */
} tap_classes;

/* prepare: from the attributes classlabels_strings and `ints`, of which one at most is given. */
static inline tap_status tap_classes_read(tap_ctx *ctx, const char *ints, tap_classes *c) {
    size_t n_strings, n_ints;
    c->strings = tap_attr_strings(ctx, "classlabels_strings", &n_strings);
    c->ints = tap_attr_ints(ctx, ints, &n_ints);
    if (n_strings > 0 && n_ints > 0)
        return tap_fail(ctx, TAP_MODEL, "the attributes classlabels_strings and %s are both given", ints);
    if (n_strings == 0) c->strings = NULL;
    if (n_ints == 0) c->ints = NULL;
    c->n = n_strings + n_ints;
    return TAP_OK;
}

static inline tap_dtype tap_classes_dtype(const tap_classes *c) {
    return c->strings ? TAP_STRING : TAP_INT64;
}

/* y[i] = the label of a class, k < n where there are labels. */
static inline void tap_classes_put(const tap_classes *c, tap_tensor *y, int64_t i, int64_t k) {
    if (c->strings)
        ((tap_string *)y->data)[i] = c->strings[k];
    else
        ((int64_t *)y->data)[i] = c->ints ? c->ints[k] : k;
}

/* ---- transformations of scores ------------------------------------------------------------------------- */

/* In the numbering of TreeEnsemble-5. */
typedef enum tap_post {
    TAP_POST_NONE,
    TAP_POST_SOFTMAX,
    TAP_POST_LOGISTIC,
    TAP_POST_SOFTMAX_ZERO,
    TAP_POST_PROBIT
} tap_post;

static inline tap_post tap_post_read(tap_ctx *ctx) {
    static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT", NULL};
    int k = tap_attr_choice(ctx, "post_transform", "NONE", names);
    return k < 0 ? TAP_POST_NONE : (tap_post)k;
}

static inline double tap_logistic(double x) {
    double v = 1 / (1 + exp(-fabs(x)));
    return x < 0 ? 1 - v : v;
}

/* x with P(a standard normal variable <= x) = p: a rough inverse of the error function (Winitzki), then
 * Halley's steps. */
static inline double tap_probit(double p) {
    if (!(p >= 0 && p <= 1)) return (double)NAN;
    if (p == 0 || p == 1) return p == 0 ? -(double)INFINITY : (double)INFINITY;
    double y = 2 * p - 1, l = log(4 * p * (1 - p)), a = 2 / (3.14159265358979323846 * 0.147) + l / 2;
    double x = copysign(sqrt(2 * (sqrt(a * a - l / 0.147) - a)), y);
    for (int i = 0; i < 3; i++) {
        double error = 0.5 * erfc(-x * 0.70710678118654752440) - p;
        double u = error * 2.50662827463100050242 * exp(x * x / 2);
        x -= u / (1 + x * u / 2);
    }
    return x;
}

static inline void tap_softmax(double *x, int64_t n) {
    double top = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
    for (int64_t i = 0; i < n; i++) sum += x[i] = exp(x[i] - top);
    for (int64_t i = 0; i < n; i++) x[i] /= sum;
}

/* Softmax in which a score of zero stays (about) zero, as the reference implementation has it. */
static inline void tap_softmax_zero(double *x, int64_t n) {
    double top = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
    for (int64_t i = 0; i < n; i++) {
        x[i] = fabs(x[i]) > 1e-7 ? exp(x[i] - top) : x[i] * exp(-top);
        sum += x[i];
    }
    for (int64_t i = 0; i < n; i++) x[i] = sum == 0 ? 0.5 : x[i] / sum;
}

/* In place, one row of n scores. */
static inline void tap_post_apply(tap_post post, double *x, int64_t n) {
    if (n == 0) return;
    switch (post) {
    case TAP_POST_NONE: break;
    case TAP_POST_SOFTMAX: tap_softmax(x, n); break;
    case TAP_POST_SOFTMAX_ZERO: tap_softmax_zero(x, n); break;
    case TAP_POST_LOGISTIC:
        for (int64_t i = 0; i < n; i++) x[i] = tap_logistic(x[i]);
        break;
    case TAP_POST_PROBIT:
        for (int64_t i = 0; i < n; i++) x[i] = tap_probit(x[i]);
        break;
    }
}

/* The position of the first largest of n > 0. */
static inline int64_t tap_largest(const double *x, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

#endif
