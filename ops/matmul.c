/* MatMul: numpy's product of matrices, vectors, and stacks of them. */
#include "common/gemm.h"
#include "common/widen.h"

#define TYPES \
    (TAP_TYPES_FLOAT | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64))

typedef struct matmul_state {
    void *packed;         /* B, matrix by matrix; NULL: B is not constant       */
    int64_t matrix_bytes; /* of one of them                                     */
} matmul_state;

/* The shapes as a stack of products. A vector on the left is a row, on the right a column. */
typedef struct product {
    int64_t m, n, k;
    int a_stack, b_stack, stack; /* dims in front of the matrices: of A, of B, of Y */
} product;

static int stack_rank(int rank) {
    return rank > 2 ? rank - 2 : 0;
}

static product product_of(int a_rank, const int64_t *a, int b_rank, const int64_t *b) {
    product p = {.m = a_rank > 1 ? a[a_rank - 2] : 1,
                 .n = b_rank > 1 ? b[b_rank - 1] : 1,
                 .k = a[a_rank - 1],
                 .a_stack = stack_rank(a_rank),
                 .b_stack = stack_rank(b_rank)};
    p.stack = p.a_stack > p.b_stack ? p.a_stack : p.b_stack;
    return p;
}

static tap_status matmul_prepare(tap_ctx *ctx, void **state) {
    *state = tap_state(ctx, sizeof(matmul_state));
    return *state ? TAP_OK : TAP_MEMORY;
}

/* A dim of the broadcast stack; false where they do not agree. */
static bool joined_dim(int64_t a, int64_t b, int64_t *y) {
    *y = a == 1 ? b : b == 1 ? a : a < 0 ? b : a;
    return a == b || a == 1 || b == 1 || a < 0 || b < 0;
}

static tap_status matmul_infer(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0), *b = tap_in_type(ctx, 1);
    tap_dtype dtype = a->dtype ? a->dtype : b->dtype;
    int64_t dims[TAP_RANK_MAX + 2];
    if (a->dtype && b->dtype && a->dtype != b->dtype)
        return tap_fail(ctx, TAP_MODEL, "A is %s and B is %s; they must be of the same type",
                        tap_dtype_name(a->dtype), tap_dtype_name(b->dtype));
    if (a->rank == 0 || b->rank == 0)
        return tap_fail(ctx, TAP_MODEL, "a scalar cannot be an operand of MatMul");
    if (a->rank < 0 || b->rank < 0) return tap_out_type(ctx, 0, dtype, -1, NULL);
    product p = product_of(a->rank, a->dims, b->rank, b->dims);
    int64_t bk = b->rank > 1 ? b->dims[b->rank - 2] : b->dims[0];
    if (p.k >= 0 && bk >= 0 && p.k != bk)
        return tap_fail(ctx, TAP_MODEL, "the last dimension of A (%lld) and the %s of B (%lld) differ",
                        (long long)p.k, b->rank > 1 ? "last but one" : "dimension", (long long)bk);
    int rank = p.stack;
    for (int i = 0; i < p.stack; i++) {
        int64_t da = i < p.stack - p.a_stack ? 1 : a->dims[i - (p.stack - p.a_stack)];
        int64_t db = i < p.stack - p.b_stack ? 1 : b->dims[i - (p.stack - p.b_stack)];
        if (!joined_dim(da, db, &dims[i]))
            return tap_fail(ctx, TAP_MODEL, "the stacks of A and B do not broadcast: %lld against %lld",
                            (long long)da, (long long)db);
    }
    if (a->rank > 1) dims[rank++] = p.m;
    if (b->rank > 1) dims[rank++] = p.n;
    return tap_out_type(ctx, 0, dtype, rank, dims);
}

static tap_status matmul_pack(tap_ctx *ctx, void *state) {
    matmul_state *s = state;
    const tap_tensor *b = tap_in_known(ctx, 1);
    if (!b || b->rank < 1) return TAP_OK;
    int64_t n = b->rank > 1 ? b->dims[b->rank - 1] : 1, k = b->rank > 1 ? b->dims[b->rank - 2] : b->dims[0];
    tap_dtype wide = tap_wide(b->dtype);
    size_t each, bytes;
    if (!tap_gemm_packed_bytes(wide, k, n, &each)) return tap_fail(ctx, TAP_MEMORY, "B is too large");
    int64_t matrices = each > 0 ? b->count / (k * n) : 0;
    if (!tap_mul_size(each, (size_t)matrices, &bytes)) return tap_fail(ctx, TAP_MEMORY, "B is too large");
    char *packed = tap_state(ctx, bytes);
    if (!packed) return TAP_MEMORY;
    for (int64_t i = 0; i < matrices; i++)
        tap_gemm_pack(wide, b->dtype, k, n,
                      (const char *)b->data + i * k * n * (int64_t)tap_dtype_bytes(b->dtype), n, false,
                      packed + i * (int64_t)each);
    s->matrix_bytes = (int64_t)each;
    s->packed = packed;
    return TAP_OK;
}

/* Where the matrices of each product begin, in the order of Y: rows of at, counted in matrices. */
static void stack_offsets(const tap_tensor *t, int stack, const int64_t *dims, int64_t n, int64_t (*at)[3],
                          int column) {
    int own = stack_rank(t->rank);
    int64_t step[TAP_RANK_MAX], matrices = 1;
    for (int d = stack - 1; d >= 0; d--) {
        int64_t dim = d >= stack - own ? t->dims[d - (stack - own)] : 1;
        step[d] = dim == 1 ? 0 : matrices;
        matrices *= dim;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, where = 0;
        for (int d = stack - 1; d >= 0; d--) {
            where += rest % dims[d] * step[d];
            rest /= dims[d];
        }
        at[i][column] = where;
    }
}

typedef struct finish {
    const tap_ctx *ctx;
    const float *wide; /* halves: what `out` is narrowed from   */
    tap_tensor *out;
    int64_t n;
} finish;

static void finish_rows(void *arg, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    const finish *f = arg;
    if (f->wide) tap_narrow_rows(f->out->dtype, f->wide, f->out->data, f->n, row, n_rows, col, n_cols);
    tap_epilogue(f->ctx, row, n_rows, col, n_cols);
}

/* The epilogue sees rows of Y's last axis: where B is a vector, those are not the rows of the product. */
static void narrow_rows_only(void *arg, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    const finish *f = arg;
    tap_narrow_rows(f->out->dtype, f->wide, f->out->data, f->n, row, n_rows, col, n_cols);
}

static tap_status run_products(tap_ctx *ctx, const product *p, tap_gemm *g) {
    const tap_tensor *a = ctx->in[0], *b = ctx->in[1], *y = ctx->out[0];
    const matmul_state *s = ctx->state;
    int64_t n = 1;
    for (int i = 0; i < p->stack; i++) n *= y->dims[i];
    if (b->count == p->k * p->n && p->k * p->n > 0) { /* one B for all: one product of all rows of A */
        g->m = n * p->m;
        return tap_gemm_run(ctx, g);
    }
    size_t bytes;
    if (!tap_mul_size((size_t)n, 3 * sizeof(int64_t), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "a stack of %lld products is too large", (long long)n);
    int64_t(*at)[3] = tap_scratch(ctx, bytes);
    if (!at) return TAP_MEMORY;
    stack_offsets(a, p->stack, y->dims, n, at, 0);
    stack_offsets(b, p->stack, y->dims, n, at, 1);
    for (int64_t i = 0; i < n; i++) {
        at[i][0] *= p->m * p->k;
        at[i][1] *= s->packed ? s->matrix_bytes : p->k * p->n;
        at[i][2] = i * p->m * p->n;
    }
    return tap_gemm_batch(ctx, g, n, (const int64_t(*)[3])at);
}

static tap_status matmul_run(tap_ctx *ctx) {
    const tap_tensor *a = ctx->in[0], *b = ctx->in[1];
    tap_tensor *y = ctx->out[0];
    const matmul_state *s = ctx->state;
    product p = product_of(a->rank, a->dims, b->rank, b->dims);
    if (y->count == 0) return TAP_OK;
    bool half = tap_is_half(y->dtype), vector = b->rank == 1;
    finish f = {.ctx = ctx, .out = y, .n = p.n};
    tap_gemm g = {.dtype = tap_wide(y->dtype),
                  .m = p.m,
                  .n = p.n,
                  .k = p.k,
                  .lda = p.k,
                  .ldb = p.n,
                  .ldc = p.n,
                  .packed = s->packed,
                  .b = b->data,
                  .b_from = b->dtype,
                  .c = y->data};
    if (!(g.a = tap_widen(ctx, a))) return TAP_MEMORY;
    if (half) {
        if (!(g.c = tap_scratch(ctx, (size_t)y->count * sizeof(float)))) return TAP_MEMORY;
        f.wide = g.c;
    }
    if (half || (ctx->has_epilogue && !vector)) {
        g.done = vector ? narrow_rows_only : finish_rows;
        g.arg = &f;
    }
    tap_status status = run_products(ctx, &p, &g);
    if (status == TAP_OK && vector) {
        int64_t cols = y->rank ? y->dims[y->rank - 1] : 1;
        tap_epilogue(ctx, 0, y->count / cols, 0, cols);
    }
    return status;
}

static const tap_op ops[] = {
    {.name = "MatMul",
     .since = 1,
     .in_min = 2,
     .in_max = 2,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_PACKS | TAP_EPILOGUE,
     .packed_inputs = 1 << 1,
     .dtypes = TYPES,
     .prepare = matmul_prepare,
     .infer = matmul_infer,
     .pack = matmul_pack,
     .run = matmul_run},
    {0},
};

TAP_DEFINE_FAMILY(matmul, ops);
