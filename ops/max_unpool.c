/* MaxUnpool: puts pooled maxima back to where MaxPool found them; the rest is zero. */
#include <string.h>

#include "common/shape.h"
#include "core/move.h"
#include "common/window.h"

typedef struct unpool_state {
    tap_window window;
} unpool_state;

static tap_status unpool_prepare(tap_ctx *ctx, void **state) {
    unpool_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    tap_window *w = &s->window;
    w->kernel = tap_attr_ints(ctx, "kernel_shape", &w->n_kernel);
    w->strides = tap_attr_ints(ctx, "strides", &w->n_strides);
    w->pads = tap_attr_ints(ctx, "pads", &w->n_pads);
    return w->n_kernel ? TAP_OK : tap_fail(ctx, TAP_MODEL, "kernel_shape is missing");
}

/* The shape of what MaxPool pooled, as far as its attributes tell; with an output_shape pads do not count. */
static void unpooled_dims(const unpool_state *s, int rank, const int64_t *x, bool asked, int64_t *dims) {
    const tap_window *w = &s->window;
    int n = rank - 2;
    for (int i = 0; i < rank; i++) dims[i] = x[i];
    for (int i = 0; i < n; i++) {
        int64_t pads = w->n_pads && !asked ? w->pads[i] + w->pads[n + i] : 0,
                stride = w->n_strides ? w->strides[i] : 1;
        if (x[2 + i] >= 0) dims[2 + i] = tap_max64(0, (x[2 + i] - 1) * stride - pads + w->kernel[i]);
    }
}

static tap_status infer_asked(tap_ctx *ctx, const tap_type *x) {
    tap_ints want;
    tap_status status = tap_read_ints(ctx, 2, TAP_RANK_MAX, "output_shape", &want);
    if (status != TAP_OK) return status;
    if (want.n >= 0 && x->rank >= 0 && want.n != x->rank)
        return tap_fail(ctx, tap_misfit(ctx), "output_shape has %d entries, X is of rank %d", want.n,
                        x->rank);
    int64_t dims[TAP_RANK_MAX];
    for (int i = 0; i < TAP_RANK_MAX; i++) dims[i] = want.known && i < want.n ? want.v[i] : -1;
    for (int i = 0; i < want.n && want.known; i++)
        if (want.v[i] < 0)
            return tap_fail(ctx, tap_misfit(ctx), "output_shape[%d] is %lld", i, (long long)want.v[i]);
    return tap_out_type(ctx, 0, x->dtype, want.n >= 0 ? want.n : x->rank, dims);
}

static tap_status unpool_infer(tap_ctx *ctx) {
    const unpool_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *at = tap_in_type(ctx, 1);
    int64_t dims[TAP_RANK_MAX];
    tap_status status;
    if ((status = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT64), "I")) ||
        (status = tap_need_rank(ctx, 0, 3, TAP_RANK_MAX, "X")))
        return status;
    if (x->rank >= 0 && (status = tap_need_rank(ctx, 1, x->rank, x->rank, "I"))) return status;
    for (int i = 0; i < x->rank && at->rank >= 0; i++)
        if (x->dims[i] >= 0 && at->dims[i] >= 0 && x->dims[i] != at->dims[i])
            return tap_fail(ctx, tap_misfit(ctx), "X and I must be of the same shape");
    if (x->rank >= 0 && (status = tap_window_check(ctx, &s->window, x->rank - 2))) return status;
    if (tap_has_in(ctx, 2)) return infer_asked(ctx, x);
    if (x->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    unpooled_dims(s, x->rank, x->dims, false, dims);
    return tap_out_type(ctx, 0, x->dtype, x->rank, dims);
}

static int64_t index_outside(const tap_tensor *at, int64_t total) {
    const int64_t *v = at->data;
    uint64_t bad = 0;
    for (int64_t i = 0; i < at->count; i++) bad |= (uint64_t)v[i] >= (uint64_t)total;
    for (int64_t i = 0; bad && i < at->count; i++)
        if ((uint64_t)v[i] >= (uint64_t)total) return i;
    return -1;
}

typedef struct unpool {
    const int64_t *at;
    bool same; /* the indices count in y */
    int rank;
    const int64_t *from, *to; /* the shape that they count in, and y's */
} unpool;

/* Where index `place` lies in y; -1: outside. */
static int64_t place_in(const unpool *u, int64_t place) {
    int64_t to = 0, stride = 1;
    for (int d = u->rank - 1; d >= 0; d--) {
        if (place % u->from[d] >= u->to[d]) return -1;
        to += place % u->from[d] * stride;
        place /= u->from[d];
        stride *= u->to[d];
    }
    return to;
}

#define PUT(NAME, W)                                                         \
    static void NAME(const unpool *u, int64_t n, const void *px, void *py) { \
        const W *x = px;                                                     \
        W *y = py;                                                           \
        for (int64_t i = 0; u->same && i < n; i++) y[u->at[i]] = x[i];       \
        for (int64_t i = 0; !u->same && i < n; i++) {                        \
            int64_t to = place_in(u, u->at[i]);                              \
            if (to >= 0) y[to] = x[i];                                       \
        }                                                                    \
    }
PUT(put_w1, tap_w1)
PUT(put_w2, tap_w2)
PUT(put_w4, tap_w4)
PUT(put_w8, tap_w8)
static void (*const put[])(const unpool *, int64_t, const void *, void *) = {put_w1, put_w2, put_w4, put_w8};

/* Indices count in the shape that follows from the attributes; in a larger output_shape that image lies in
 * the corner. Where one of them is beyond it, all count in output_shape: what MaxPool saw was of that shape,
 * and its windows left out a part. */
static tap_status image_of_indices(tap_ctx *ctx, const tap_tensor *x, const tap_tensor *at,
                                   const tap_tensor *y, int64_t *dims) {
    unpooled_dims(ctx->state, x->rank, x->dims, tap_has_in(ctx, 2), dims);
    int64_t total = tap_product(dims, x->rank), bad = index_outside(at, total);
    if (bad >= 0 && tap_has_in(ctx, 2)) {
        memcpy(dims, y->dims, (size_t)x->rank * sizeof *dims);
        total = y->count;
        bad = index_outside(at, total);
    }
    if (bad < 0) return TAP_OK;
    return tap_fail(ctx, TAP_RUN,
                    "I has the index %lld, out of range for the %lld elements of the unpooled image",
                    (long long)((const int64_t *)at->data)[bad], (long long)total);
}

static tap_status unpool_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *at = ctx->in[1];
    tap_tensor *y = ctx->out[0];
    size_t each = tap_dtype_bytes(x->dtype);
    int64_t dims[TAP_RANK_MAX];
    tap_status status = image_of_indices(ctx, x, at, y, dims);
    if (status != TAP_OK) return status;
    memset(y->data, 0, (size_t)y->count * each);
    bool same = true;
    for (int d = 1; d < x->rank; d++) same = same && dims[d] == y->dims[d];
    unpool u = {at->data, same && dims[0] <= y->dims[0], x->rank, dims, y->dims};
    put[__builtin_ctzll(each)](&u, x->count, x->data, y->data);
    return TAP_OK;
}

static const tap_op ops[] = {
    {.name = "MaxUnpool",
     .since = 9,
     .in_min = 2,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = unpool_prepare,
     .infer = unpool_infer,
     .run = unpool_run,
     .notes =
         "With output_shape pads do not count, and the indices count in the shape that the attributes give, "
         "or, where one of them is beyond it, in output_shape."},
    {0},
};

TAP_DEFINE_FAMILY(max_unpool, ops);
