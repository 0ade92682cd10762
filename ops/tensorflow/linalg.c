/* TensorFlow's linear algebra on batches of matrices: MatrixInverse, MatrixDeterminant, Cholesky,
 * MatrixSolve, MatrixTriangularSolve. Computed in float64. */
#include <math.h>
#include <string.h>

#include "common/shape.h"
#include "tensorflow/tensorflow.h"

#define REAL (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE))

typedef struct options {
    bool adjoint, lower;
} options;

static tap_status options_prepare(tap_ctx *ctx, void **state) {
    options *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->adjoint = tap_attr_int(ctx, "adjoint", 0) != 0;
    s->lower = tap_attr_int(ctx, "lower", 1) != 0;
    return TAP_OK;
}

/* The last two axes of input 0 are square. */
static tap_status square_check(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0);
    tap_status st = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "the matrix");
    if (st || a->rank < 2) return st;
    const int64_t n = a->dims[a->rank - 2], m = a->dims[a->rank - 1];
    return n < 0 || m < 0 || n == m ? TAP_OK
                                    : tap_fail(ctx, tap_misfit(ctx), "the matrix is not square: %lld by %lld",
                                               (long long)n, (long long)m);
}

static tap_status square_infer(tap_ctx *ctx) {
    tap_status st = square_check(ctx);
    return st ? st : tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

static tap_status determinant_infer(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0);
    tap_status st = square_check(ctx);
    return st ? st : tap_out_type(ctx, 0, a->dtype, a->rank < 2 ? -1 : a->rank - 2, a->dims);
}

/* Right-hand sides have the matrix's batch and rows. */
static tap_status solve_infer(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0), *b = tap_in_type(ctx, 1);
    tap_status st = square_check(ctx);
    if (!st) st = tap_need_same_dtype(ctx, 0, 1, "the right-hand side");
    if (st || a->rank < 2) return st ? st : tap_out_like(ctx, 0, b);
    int64_t want[TAP_RANK_MAX];
    memcpy(want, a->dims, sizeof want);
    want[a->rank - 1] = -1;
    st = tap_need_shape(ctx, 1, a->rank, want, "the right-hand side");
    return st ? st : tap_out_like(ctx, 0, b);
}

static double get(const tap_tensor *t, int64_t i) {
    return t->dtype == TAP_FLOAT ? (double)((const float *)t->data)[i] : ((const double *)t->data)[i];
}

static void put(tap_tensor *t, int64_t i, double v) {
    if (t->dtype == TAP_FLOAT)
        ((float *)t->data)[i] = (float)v;
    else
        ((double *)t->data)[i] = v;
}

/* a[n][n] from the k-th matrix, turned where asked. */
static void load(const tap_tensor *t, int64_t k, int64_t n, bool turned, double *a) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) a[i * n + j] = get(t, k * n * n + (turned ? j * n + i : i * n + j));
}

/* Elimination with the largest pivot of each column; b[n][m] goes along. *det = the determinant. */
static bool eliminate(double *a, int64_t n, double *b, int64_t m, double *det) {
    *det = 1;
    for (int64_t c = 0; c < n; c++) {
        int64_t p = c;
        for (int64_t r = c + 1; r < n; r++)
            if (fabs(a[r * n + c]) > fabs(a[p * n + c])) p = r;
        const double pivot = a[p * n + c];
        *det *= p == c ? pivot : -pivot;
        if (pivot == 0) return false;
        for (int64_t j = 0; j < n && p != c; j++) {
            const double t = a[c * n + j];
            a[c * n + j] = a[p * n + j];
            a[p * n + j] = t;
        }
        for (int64_t j = 0; j < m && p != c; j++) {
            const double t = b[c * m + j];
            b[c * m + j] = b[p * m + j];
            b[p * m + j] = t;
        }
        for (int64_t r = c + 1; r < n; r++) {
            const double f = a[r * n + c] / pivot;
            for (int64_t j = c; j < n && f != 0; j++) a[r * n + j] -= f * a[c * n + j];
            for (int64_t j = 0; j < m && f != 0; j++) b[r * m + j] -= f * b[c * m + j];
        }
    }
    return true;
}

/* a x = b for a triangle, x in b's place. */
static void substitute(const double *a, int64_t n, bool lower, double *b, int64_t m) {
    for (int64_t k = 0; k < n; k++) {
        const int64_t r = lower ? k : n - 1 - k;
        for (int64_t j = 0; j < m; j++) {
            double sum = b[r * m + j];
            for (int64_t c = lower ? 0 : r + 1; c < (lower ? r : n); c++) sum -= a[r * n + c] * b[c * m + j];
            b[r * m + j] = sum / a[r * n + r];
        }
    }
}

/* Scratch for a matrix and its right-hand sides; the number of matrices. */
static bool rooms(tap_ctx *ctx, int64_t n, int64_t m, double **a, double **b) {
    int64_t square, side;
    if (!tap_mul64(n, n, &square) || !tap_mul64(n, m, &side)) return false;
    *a = tap_scratch(ctx, (size_t)square * sizeof **a);
    *b = tap_scratch(ctx, (size_t)side * sizeof **b);
    return *a && *b;
}

static tap_status inverse_run(tap_ctx *ctx) {
    const options *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    const int64_t n = x->dims[x->rank - 1];
    double *a, *b, det;
    if (x->count == 0) return TAP_OK;
    if (!rooms(ctx, n, n, &a, &b)) return TAP_MEMORY;
    for (int64_t k = 0; k < x->count / (n * n); k++) {
        load(x, k, n, s->adjoint, a);
        for (int64_t i = 0; i < n * n; i++) b[i] = i % (n + 1) == 0;
        if (!eliminate(a, n, b, n, &det))
            return tap_fail(ctx, TAP_RUN, "matrix %lld is not invertible", (long long)k);
        substitute(a, n, false, b, n);
        for (int64_t i = 0; i < n * n; i++) put(ctx->out[0], k * n * n + i, b[i]);
    }
    return TAP_OK;
}

static tap_status determinant_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    const int64_t n = x->dims[x->rank - 1];
    double *a, *b, det;
    if (!rooms(ctx, n, 0, &a, &b)) return TAP_MEMORY;
    for (int64_t k = 0; k < ctx->out[0]->count; k++) {
        load(x, k, n, false, a);
        eliminate(a, n, b, 0, &det);
        put(ctx->out[0], k, det);
    }
    return TAP_OK;
}

static tap_status cholesky_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    const int64_t n = x->dims[x->rank - 1];
    double *a, *b;
    if (x->count == 0) return TAP_OK;
    if (!rooms(ctx, n, 0, &a, &b)) return TAP_MEMORY;
    for (int64_t k = 0; k < x->count / (n * n); k++) {
        load(x, k, n, false, a);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j <= i; j++) {
                double sum = a[i * n + j];
                for (int64_t c = 0; c < j; c++) sum -= a[i * n + c] * a[j * n + c];
                if (i == j && !(sum > 0))
                    return tap_fail(ctx, TAP_RUN, "matrix %lld is not positive definite", (long long)k);
                a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
            }
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                put(ctx->out[0], k * n * n + i * n + j, j <= i ? a[i * n + j] : 0);
    }
    return TAP_OK;
}

static tap_status solve(tap_ctx *ctx, bool triangle) {
    const options *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *y = ctx->in[1];
    const int64_t n = x->dims[x->rank - 1], m = y->dims[y->rank - 1];
    double *a, *b, det;
    if (y->count == 0) return TAP_OK;
    if (!rooms(ctx, n, m, &a, &b)) return TAP_MEMORY;
    for (int64_t k = 0; k < x->count / (n * n); k++) {
        bool fine = true;
        load(x, k, n, s->adjoint, a);
        for (int64_t i = 0; i < n * m; i++) b[i] = get(y, k * n * m + i);
        for (int64_t i = 0; triangle && i < n; i++) fine &= a[i * n + i] != 0;
        if (!triangle) fine = eliminate(a, n, b, m, &det);
        if (!fine) return tap_fail(ctx, TAP_RUN, "matrix %lld is not invertible", (long long)k);
        substitute(a, n, triangle && s->lower != s->adjoint, b, m);
        for (int64_t i = 0; i < n * m; i++) put(ctx->out[0], k * n * m + i, b[i]);
    }
    return TAP_OK;
}

static tap_status solve_run(tap_ctx *ctx) {
    return solve(ctx, false);
}
static tap_status triangle_run(tap_ctx *ctx) {
    return solve(ctx, true);
}

static const tap_op ops[] = {
    {TAP_TF_ROW("MatrixInverse", 1, 1), .dtypes = REAL, .prepare = options_prepare, .infer = square_infer,
     .run = inverse_run},
    {TAP_TF_ROW("MatrixDeterminant", 1, 1), .dtypes = REAL, .infer = determinant_infer,
     .run = determinant_run},
    {TAP_TF_ROW("Cholesky", 1, 1), .dtypes = REAL, .infer = square_infer, .run = cholesky_run},
    {TAP_TF_ROW("MatrixSolve", 2, 1), .dtypes = REAL, .prepare = options_prepare, .infer = solve_infer,
     .run = solve_run},
    {TAP_TF_ROW("MatrixTriangularSolve", 2, 1), .dtypes = REAL, .prepare = options_prepare,
     .infer = solve_infer, .run = triangle_run},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_linalg, ops);
