/* Contraction of two labelled arrays by the matrix product. */
#include "common/contract.h"

#include "common/dots.h"
#include "common/elementwise.h"
#include "common/gemm.h"
#include "common/move.h"
#include "common/reduce.h"

/* ---- Layout ---- */

/* Labels in an order of their own, and the product of their extents. */
typedef struct group {
    int n;
    int label[TAP_LABELS_MAX];
    int64_t count;
} group;

/* The labels of o that are in set, in o's order. */
static group group_of(const tap_labelled *o, tap_label_set set, const int64_t *extent) {
    group g = {.count = 1};
    for (int i = 0; i < o->rank; i++) {
        if (!(set & TAP_LABEL(o->label[i]))) continue;
        g.label[g.n++] = o->label[i];
        g.count *= extent[o->label[i]];
    }
    return g;
}

/* Whether all labels of g can be walked in o in one step (*step). */
static bool one_step(const tap_labelled *o, const group *g, const int64_t *extent, int64_t *step) {
    int64_t next = 0;
    *step = 1;
    for (int i = g->n - 1; i >= 0; i--) {
        int64_t s = o->step[tap_label_find(o, g->label[i])];
        if (i == g->n - 1)
            *step = s;
        else if (s != next)
            return false;
        next = s * extent[g->label[i]];
    }
    return true;
}

/* Adds the labels of g to a list. */
static int append(int *label, int n, const group *g) {
    for (int i = 0; i < g->n; i++) label[n + i] = g->label[i];
    return n + g->n;
}

/* Elements of the labels in set; -1: more than memory has. */
static int64_t count_of(tap_label_set set, const int64_t *extent) {
    int64_t n = 1;
    for (int l = 0; l < TAP_LABELS_MAX; l++)
        if ((set & TAP_LABEL(l)) && !tap_mul64(n, extent[l], &n)) return -1;
    return n;
}

static void *scratch_for(tap_ctx *ctx, tap_dtype dtype, tap_label_set set, const int64_t *extent) {
    int64_t n = count_of(set, extent);
    size_t bytes;
    if (n >= 0 && tap_mul_size((size_t)n, tap_dtype_bytes(dtype), &bytes)) return tap_scratch(ctx, bytes);
    tap_fail(ctx, TAP_MEMORY, "an intermediate product does not fit in memory");
    return NULL;
}

tap_status tap_label_copy(tap_ctx *ctx, tap_dtype dtype, const int64_t *extent, const tap_labelled *from,
                          const tap_labelled *to) {
    int64_t dims[TAP_MOVE_RANK], src[TAP_MOVE_RANK], dst[TAP_MOVE_RANK],
        bytes = (int64_t)tap_dtype_bytes(dtype);
    if (to->rank > TAP_MOVE_RANK)
        return tap_fail(ctx, TAP_UNSUPPORTED, "an intermediate product has more than %d dimensions",
                        TAP_MOVE_RANK);
    for (int i = 0; i < to->rank; i++) {
        dims[i] = extent[to->label[i]];
        src[i] = from->step[tap_label_find(from, to->label[i])] * bytes;
        dst[i] = to->step[i] * bytes;
    }
    tap_move_steps(ctx, (size_t)bytes, to->rank, dims, src, dst, from->data, (void *)to->data);
    return TAP_OK;
}

/* *o with these labels, dense in that order. */
static tap_status lay_out(tap_ctx *ctx, tap_dtype dtype, const int64_t *extent, tap_labelled *o,
                          const int *label, int n) {
    tap_labelled to = {.data = NULL};
    tap_label_dense(&to, n, label, extent);
    bool same = o->rank == to.rank;
    for (int i = 0; same && i < to.rank; i++) same = o->label[i] == to.label[i] && o->step[i] == to.step[i];
    if (same) return TAP_OK;
    to.data = scratch_for(ctx, dtype, tap_label_set_of(o), extent);
    if (!to.data) return TAP_MEMORY;
    tap_status status = tap_label_copy(ctx, dtype, extent, o, &to);
    *o = to;
    return status;
}

/* ---- Sums ---- */

static void finish_f32(int64_t n, const void *acc, double count, const void *shift, void *y) {
    (void)count, (void)shift;
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = (float)((const double *)acc)[i];
}

static void finish_w4(int64_t n, const void *acc, double count, const void *shift, void *y) {
    (void)count, (void)shift;
    memcpy(y, acc, (size_t)n * 4);
}

static void finish_w8(int64_t n, const void *acc, double count, const void *shift, void *y) {
    (void)count, (void)shift;
    memcpy(y, acc, (size_t)n * 8);
}

/* y = the sums of x over the axes. */
static tap_status sum_axes(tap_ctx *ctx, const tap_tensor *x, uint32_t axes, void *y) {
    static const tap_reducer f32 = {&tap_loops_sum_f32, NULL, finish_f32, 4, 4, NULL, NULL};
    static const tap_reducer f64 = {&tap_loops_sum_f64, NULL, finish_w8, 8, 8, NULL, NULL};
    static const tap_reducer u32 = {&tap_loops_sum_u32, NULL, finish_w4, 4, 4, NULL, NULL};
    static const tap_reducer u64 = {&tap_loops_sum_u64, NULL, finish_w8, 8, 8, NULL, NULL};
    const tap_reducer *r = x->dtype == TAP_FLOAT    ? &f32
                           : x->dtype == TAP_DOUBLE ? &f64
                           : x->dtype == TAP_UINT32 ? &u32
                                                    : &u64;
    return tap_reduce(ctx, r, x, axes, y);
}

/* y[outer] = the sums of x[outer][inner]. */
static tap_status sum_rows(tap_ctx *ctx, tap_dtype dtype, const void *x, int64_t outer, int64_t inner,
                           void *y) {
    const tap_tensor t = {
        .dtype = dtype, .rank = 2, .dims = {outer, inner}, .count = outer * inner, .data = (void *)x};
    return sum_axes(ctx, &t, 2, y);
}

/* *o, where it is dense, as a tensor of no more than TAP_RANK_MAX dimensions. */
static bool as_tensor(const tap_labelled *o, tap_dtype dtype, const int64_t *extent, tap_tensor *t) {
    *t = (tap_tensor){.dtype = dtype, .rank = o->rank, .count = 1, .data = (void *)(uintptr_t)o->data};
    if (o->rank > TAP_RANK_MAX) return false;
    for (int i = o->rank - 1; i >= 0; i--) {
        if (o->step[i] != t->count) return false;
        t->dims[i] = extent[o->label[i]];
        t->count *= t->dims[i];
    }
    return true;
}

tap_status tap_label_sum(tap_ctx *ctx, tap_dtype dtype, const int64_t *extent, tap_labelled *o,
                         tap_label_set keep) {
    int label[TAP_LABELS_MAX];
    group kept = group_of(o, keep, extent), summed = group_of(o, ~keep, extent);
    tap_tensor t;
    uint32_t axes = 0;
    tap_status status = TAP_OK;
    if (summed.n == 0) return TAP_OK;
    bool dense = as_tensor(o, dtype, extent, &t);
    if (!dense)
        status = lay_out(ctx, dtype, extent, o, label, append(label, append(label, 0, &kept), &summed));
    if (status) return status;
    void *y = scratch_for(ctx, dtype, tap_label_set_of(o) & keep, extent);
    if (!y) return TAP_MEMORY;
    for (int i = 0; dense && i < o->rank; i++)
        if (!(keep & TAP_LABEL(o->label[i]))) axes |= UINT32_C(1) << i;
    status = dense ? sum_axes(ctx, &t, axes, y) : sum_rows(ctx, dtype, o->data, kept.count, summed.count, y);
    o->data = y;
    tap_label_dense(o, kept.n, kept.label, extent);
    return status;
}

/* ---- Elementwise products ---- */

TAP_LOOP2(mul_FLOAT, float, float, a *b)
TAP_LOOP2(mul_DOUBLE, double, double, a *b)
TAP_LOOP2(mul_UINT32, uint32_t, uint32_t, a *b)
TAP_LOOP2(mul_UINT64, uint64_t, uint64_t, a *b)

/* c[batch][m][n] = a[batch][m] b[batch][n]. */
static tap_status outer_product(tap_ctx *ctx, tap_dtype dtype, int64_t batch, int64_t m, int64_t n,
                                const void *a, const void *b, void *c) {
    static tap_loop *const loops[TAP_DTYPE_COUNT] = {[TAP_FLOAT] = mul_FLOAT,
                                                     [TAP_DOUBLE] = mul_DOUBLE,
                                                     [TAP_UINT32] = mul_UINT32,
                                                     [TAP_UINT64] = mul_UINT64};
    const tap_tensor ta = {
        .dtype = dtype, .rank = 3, .dims = {batch, m, 1}, .count = batch * m, .data = (void *)a};
    const tap_tensor tb = {
        .dtype = dtype, .rank = 3, .dims = {batch, 1, n}, .count = batch * n, .data = (void *)b};
    tap_tensor tc = {.dtype = dtype, .rank = 3, .dims = {batch, m, n}, .count = batch * m * n, .data = c};
    return tap_broadcast(ctx, loops[dtype], NULL, (const tap_tensor *const[]){&ta, &tb}, 2,
                         (tap_tensor *const[]){&tc}, 1);
}

/* ---- Contraction ---- */

/* The labels of a pair: of both and kept, of a alone, of b alone, of both and summed over. */
typedef struct pair {
    tap_dtype dtype;
    const int64_t *extent;
    tap_labelled a, b;
    group batch, m, n, k;
} pair;

/* Where nothing is summed, or the sums are one per index of the batch: products first. */
static tap_status by_elements(tap_ctx *ctx, pair *p, void *c) {
    int label[TAP_LABELS_MAX];
    const group *ka = p->k.n ? &p->k : &p->m, *kb = p->k.n ? &p->k : &p->n;
    tap_status status =
        lay_out(ctx, p->dtype, p->extent, &p->a, label, append(label, append(label, 0, &p->batch), ka));
    if (!status)
        status =
            lay_out(ctx, p->dtype, p->extent, &p->b, label, append(label, append(label, 0, &p->batch), kb));
    if (status) return status;
    if (p->k.n == 0)
        return outer_product(ctx, p->dtype, p->batch.count, p->m.count, p->n.count, p->a.data, p->b.data, c);
    if (p->dtype == TAP_UINT32 || p->dtype == TAP_UINT64) {
        tap_int_dots(ctx, tap_dtype_bytes(p->dtype), p->batch.count, p->k.count, p->a.data, p->k.count,
                     p->b.data, p->k.count, c, 1);
        return TAP_OK;
    }
    void *products = scratch_for(ctx, p->dtype, tap_label_set_of(&p->a), p->extent);
    if (!products) return TAP_MEMORY;
    status = outer_product(ctx, p->dtype, p->batch.count * p->k.count, 1, 1, p->a.data, p->b.data, products);
    return status ? status : sum_rows(ctx, p->dtype, products, p->batch.count, p->k.count, c);
}

/* How the matrix product steps through an operand [rows][cols]: ld elements from row to row, or (trans) from
 * column to column. The operand is copied where neither way will do. */
static tap_status step_through(tap_ctx *ctx, const pair *p, tap_labelled *o, const group *rows,
                               const group *cols, int64_t *ld, bool *trans) {
    int label[TAP_LABELS_MAX];
    int64_t row, col;
    if (one_step(o, rows, p->extent, &row) && one_step(o, cols, p->extent, &col)) {
        *trans = col != 1 && cols->count > 1;
        *ld = *trans ? col : row;
        if (!*trans || row == 1 || rows->count == 1) return TAP_OK;
    }
    *trans = false;
    *ld = cols->count;
    return lay_out(ctx, p->dtype, p->extent, o, label,
                   append(label, append(label, append(label, 0, &p->batch), rows), cols));
}

/* Offsets of the batch's indices in a, b and c. */
static int64_t (*batch_offsets(tap_ctx *ctx, const pair *p, const tap_labelled *c))[3] {
    int64_t(*at)[3] = tap_scratch(ctx, (size_t)p->batch.count * sizeof *at);
    const tap_labelled *const o[3] = {&p->a, &p->b, c};
    if (!at) return NULL;
    for (int64_t i = 0; i < p->batch.count; i++) {
        int64_t rest = i;
        at[i][0] = at[i][1] = at[i][2] = 0;
        for (int l = p->batch.n - 1; l >= 0; l--) {
            int64_t index = rest % p->extent[p->batch.label[l]];
            rest /= p->extent[p->batch.label[l]];
            for (int k = 0; k < 3; k++)
                at[i][k] += index * o[k]->step[tap_label_find(o[k], p->batch.label[l])];
        }
    }
    return at;
}

/* c: an array with the labels of batch, m, n in which n has step 1 and m one step, ldc. */
static tap_status by_matrices(tap_ctx *ctx, pair *p, const tap_labelled *c, int64_t ldc) {
    tap_gemm g = {.dtype = p->dtype,
                  .m = p->m.count,
                  .n = p->n.count,
                  .k = p->k.count,
                  .c = (void *)c->data,
                  .ldc = ldc};
    tap_status status = step_through(ctx, p, &p->a, &p->m, &p->k, &g.lda, &g.trans_a);
    if (!status) status = step_through(ctx, p, &p->b, &p->k, &p->n, &g.ldb, &g.trans_b);
    if (status) return status;
    int64_t(*at)[3] = batch_offsets(ctx, p, c);
    g.a = p->a.data;
    g.b = p->b.data;
    return at ? tap_gemm_batch(ctx, &g, p->batch.count, (const int64_t(*)[3])at) : TAP_MEMORY;
}

static void swap_operands(pair *p) {
    tap_labelled o = p->a;
    group g = p->m;
    p->a = p->b;
    p->b = o;
    p->m = p->n;
    p->n = g;
}

/* Whether the product can be written as out has it; *ldc: from row to row. */
static bool fits_out(const pair *p, const tap_labelled *out, int64_t *ldc) {
    int64_t n;
    return one_step(out, &p->m, p->extent, ldc) && one_step(out, &p->n, p->extent, &n) &&
           (n == 1 || p->n.count == 1);
}

tap_status tap_contract(tap_ctx *ctx, tap_dtype dtype, const int64_t *extent, const tap_labelled *a,
                        const tap_labelled *b, tap_label_set keep, const tap_labelled *out, tap_labelled *c) {
    int label[TAP_LABELS_MAX];
    tap_label_set sa = tap_label_set_of(a), sb = tap_label_set_of(b);
    pair p = {.dtype = dtype, .extent = extent, .a = *a, .b = *b};
    p.batch = group_of(a, sa & sb & keep, extent);
    p.k = group_of(a, sa & sb & ~keep, extent);
    p.m = group_of(a, sa & ~sb, extent);
    p.n = group_of(b, sb & ~sa, extent);
    bool elements = p.k.n == 0 || p.m.count * p.n.count == 1;
    int64_t ldc;
    if (out && !elements) {
        if (!fits_out(&p, out, &ldc)) swap_operands(&p);
        if (fits_out(&p, out, &ldc)) {
            *c = *out;
            return by_matrices(ctx, &p, c, ldc);
        }
    }
    c->data = scratch_for(ctx, dtype, (sa | sb) & keep, extent);
    if (!c->data) return TAP_MEMORY;
    tap_label_dense(c, append(label, append(label, append(label, 0, &p.batch), &p.m), &p.n), label, extent);
    return elements ? by_elements(ctx, &p, (void *)c->data) : by_matrices(ctx, &p, c, p.n.count);
}
