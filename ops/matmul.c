/* MatMul: numpy's product of matrices, vectors, and stacks of them. */
#include "common/finish.h"
#include "common/gemm.h"
#include "common/shape.h"
#include "common/stack.h"
#include "common/widen.h"

#define TYPES \
    (TAP_TYPES_FLOAT | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64))

typedef struct matmul_state {
    void *packed;         /* B, matrix by matrix; NULL: B is not constant       */
    int64_t matrix_bytes; /* of one of them                                     */
} matmul_state;

static tap_status matmul_prepare(tap_ctx *ctx, void **state) {
    *state = tap_state(ctx, sizeof(matmul_state));
    return *state ? TAP_OK : TAP_MEMORY;
}

static tap_status matmul_infer(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0), *b = tap_in_type(ctx, 1);
    tap_status status = tap_need_same_dtype(ctx, 0, 1, "B");
    return status == TAP_OK ? tap_stack_infer(ctx, a, b, a->dtype ? a->dtype : b->dtype) : status;
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
    bool ready;
    char *packed = tap_packed(ctx, bytes, &ready);
    if (!packed) return TAP_MEMORY;
    for (int64_t i = 0; !ready && i < matrices; i++)
        tap_gemm_pack(wide, b->dtype, k, n,
                      (const char *)b->data + i * k * n * (int64_t)tap_dtype_bytes(b->dtype), n, false,
                      packed + i * (int64_t)each);
    s->matrix_bytes = (int64_t)each;
    s->packed = packed;
    return TAP_OK;
}

typedef struct finish {
    const tap_ctx *ctx;
    int n_applied;     /* stages that the tiles have applied        */
    const float *wide; /* halves: what `out` is narrowed from   */
    tap_tensor *out;
    int64_t n;
} finish;

static void finish_rows(void *arg, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    const finish *f = arg;
    if (f->wide) tap_narrow_rows(f->out->dtype, f->wide, f->out->data, f->n, row, n_rows, col, n_cols);
    tap_epilogue_from(f->ctx, f->n_applied, row, n_rows, col, n_cols);
}

/* The epilogue sees rows of Y's last axis: where B is a vector, those are not the rows of the product. */
static void narrow_rows_only(void *arg, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    const finish *f = arg;
    tap_narrow_rows(f->out->dtype, f->wide, f->out->data, f->n, row, n_rows, col, n_cols);
}

static tap_status run_products(tap_ctx *ctx, const tap_stack *p, tap_gemm *g) {
    const tap_tensor *a = ctx->in[0], *b = ctx->in[1], *y = ctx->out[0];
    const matmul_state *s = ctx->state;
    int64_t n = tap_stack_count(p, y);
    if (b->count == p->k * p->n && p->k * p->n > 0) { /* one B for all: one product of all rows of A */
        g->m = n * p->m;
        return tap_gemm_run(ctx, g);
    }
    size_t bytes;
    if (!tap_mul_size((size_t)n, 3 * sizeof(int64_t), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "a stack of %lld products is too large", (long long)n);
    int64_t(*at)[3] = tap_scratch(ctx, bytes);
    if (!at) return TAP_MEMORY;
    tap_stack_offsets(p, a, y, n, at, 0);
    tap_stack_offsets(p, b, y, n, at, 1);
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
    tap_stack p = tap_stack_of(a->rank, a->dims, b->rank, b->dims);
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
    tap_finish stages;
    bool all_applied = vector || tap_finish_stages(ctx, &stages, &f.n_applied);
    if (!vector) g.finish = &stages;
    if (half || !all_applied) {
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
