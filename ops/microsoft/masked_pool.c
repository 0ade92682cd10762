/* MaxpoolWithMask and UnfoldTensor of com.microsoft: windows over images, and along one axis. */
#include <float.h>

#include "common/move.h"
#include "common/window.h"
#include "microsoft/microsoft.h"

/* ---- MaxpoolWithMask, as ONNX Runtime's kernel has it: the largest of each window, of which a line ends
 * where the mask has a 0 (along one axis; in images the first element always counts). The mask of plane p, of
 * `in` elements, begins at element p * in modulo the number of planes. ---- */

static tap_status pool_prepare(tap_ctx *ctx, void **state) {
    tap_window *w = tap_state(ctx, sizeof *w);
    if (!w) return TAP_MEMORY;
    *state = w;
    tap_attr_int(ctx, "storage_order", 0);
    tap_status st = tap_window_prepare(ctx, w, TAP_WINDOW_AUTO_PAD);
    if (st != TAP_OK) return st;
    return w->n_kernel ? TAP_OK : tap_fail(ctx, TAP_MODEL, "attribute kernel_shape is missing");
}

static tap_status pool_infer(tap_ctx *ctx) {
    const tap_window *w = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *m = tap_in_type(ctx, 1);
    tap_window_axis axes[TAP_RANK_MAX];
    tap_status st = tap_need_rank(ctx, 0, 3, 5, "X");
    if (!st) st = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT32), "the mask");
    if (st || x->rank < 0) return st ? st : tap_out_type(ctx, 0, x->dtype, -1, NULL);
    int64_t want[TAP_RANK_MAX], dims[TAP_RANK_MAX];
    for (int d = 0; d < x->rank; d++) want[d] = d < 2 ? -1 : x->dims[d];
    if ((st = tap_need_shape(ctx, 1, x->rank, want, "the mask"))) return st;
    if (m->rank == x->rank && (m->dims[0] == 0 || m->dims[1] == 0))
        return tap_fail(ctx, tap_misfit(ctx), "the mask is empty");
    if ((st = tap_window_check(ctx, w, x->rank - 2))) return st;
    if ((st = tap_window_resolve(ctx, w, x->rank - 2, x->dims + 2, NULL, axes))) return st;
    for (int d = 0; d < x->rank; d++) dims[d] = d < 2 ? x->dims[d] : axes[d - 2].out;
    return tap_out_type(ctx, 0, x->dtype, x->rank, dims);
}

typedef struct pool_job {
    tap_window_axis a[3]; /* spatial axes; of fewer the first ones have one element */
    const float *x;
    const int32_t *mask;
    int64_t planes; /* of the mask */
    bool line;      /* there is one spatial axis */
    float *y;
} pool_job;

static void bounds(const tap_window_axis *a, int64_t o, int64_t *begin, int64_t *end) {
    const int64_t first = o * a->stride - a->begin;
    *begin = tap_max64(0, first);
    *end = tap_min64(a->in, first + a->kernel);
}

static float window_max(const pool_job *j, const float *x, const int32_t *mask, const int64_t *o) {
    int64_t begin[3], end[3];
    float most = -FLT_MAX;
    for (int i = 0; i < 3; i++) bounds(&j->a[i], o[i], &begin[i], &end[i]);
    for (int64_t d = begin[0]; d < end[0]; d++)
        for (int64_t h = begin[1]; h < end[1]; h++)
            for (int64_t w = begin[2]; w < end[2]; w++) {
                const int64_t at = (d * j->a[1].in + h) * j->a[2].in + w;
                if (mask[at] == 0 && (at > 0 || j->line)) break;
                if (x[at] > most) most = x[at];
            }
    return most;
}

static void pool_task(void *arg, int64_t first, int64_t last, int worker) {
    const pool_job *j = arg;
    const int64_t in = j->a[0].in * j->a[1].in * j->a[2].in, out = j->a[0].out * j->a[1].out * j->a[2].out;
    (void)worker;
    for (int64_t p = first; p < last; p++)
        for (int64_t k = 0; k < out; k++) {
            const int64_t o[3] = {k / (j->a[1].out * j->a[2].out), k / j->a[2].out % j->a[1].out,
                                  k % j->a[2].out};
            j->y[p * out + k] = window_max(j, j->x + p * in, j->mask + p * in % j->planes, o);
        }
}

static tap_status pool_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *m = ctx->in[1], *y = ctx->out[0];
    tap_window_axis axes[TAP_RANK_MAX];
    const int n = x->rank - 2;
    pool_job j = {
        .x = x->data, .mask = m->data, .y = y->data, .planes = m->dims[0] * m->dims[1], .line = x->rank == 3};
    tap_status st = tap_window_resolve(ctx, ctx->state, n, x->dims + 2, NULL, axes);
    if (st || y->count == 0) return st;
    for (int i = 0; i < 3; i++)
        j.a[i] = i < 3 - n ? (tap_window_axis){.in = 1, .kernel = 1, .stride = 1, .dilation = 1, .out = 1}
                           : axes[i - (3 - n)];
    tap_parallel(ctx, x->dims[0] * x->dims[1], 1, pool_task, &j);
    return TAP_OK;
}

/* ---- UnfoldTensor: pieces of `size` along an axis, each `step` behind the one before it, as a new last axis
 * ---- */

typedef struct unfold {
    int64_t axis, size, step;
} unfold;

static tap_status unfold_prepare(tap_ctx *ctx, void **state) {
    unfold *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    *s = (unfold){tap_attr_int(ctx, "dim", -1), tap_attr_int(ctx, "size", 0), tap_attr_int(ctx, "step", 1)};
    if (s->size < 1 || s->step < 1)
        return tap_fail(ctx, TAP_MODEL, "size, %lld, must be given, and step, %lld, be positive",
                        (long long)s->size, (long long)s->step);
    return TAP_OK;
}

static tap_status unfold_infer(tap_ctx *ctx) {
    const unfold *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t dims[TAP_RANK_MAX];
    int axis;
    if (x->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if (x->rank == TAP_RANK_MAX || !tap_axis(s->axis, x->rank, &axis))
        return tap_fail(ctx, tap_misfit(ctx), "dim %lld is out of range for rank %d", (long long)s->axis,
                        x->rank);
    memcpy(dims, x->dims, sizeof dims);
    if (dims[axis] >= 0) {
        if (dims[axis] < s->size)
            return tap_fail(ctx, tap_misfit(ctx), "pieces of %lld elements along an axis of %lld",
                            (long long)s->size, (long long)dims[axis]);
        dims[axis] = (dims[axis] - s->size) / s->step + 1;
    }
    dims[x->rank] = s->size;
    return tap_out_type(ctx, 0, x->dtype, x->rank + 1, dims);
}

static tap_status unfold_run(tap_ctx *ctx) {
    const unfold *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *y = ctx->out[0];
    const size_t width = tap_dtype_bytes(x->dtype);
    int64_t from[TAP_RANK_MAX], to[TAP_RANK_MAX];
    int axis;
    if (y->count == 0) return TAP_OK;
    tap_axis(s->axis, x->rank, &axis);
    tap_dense_steps(width, x->rank, x->dims, from);
    tap_dense_steps(width, y->rank, y->dims, to);
    from[x->rank] = from[axis];
    from[axis] *= s->step;
    tap_move_steps(ctx, width, y->rank, y->dims, from, to, x->data, y->data);
    return TAP_OK;
}

static const tap_op ops[] = {
    {TAP_MS_ROW("MaxpoolWithMask", 2, 2, 1, 1), .dtypes = TAP_BIT(TAP_FLOAT), .prepare = pool_prepare,
     .infer = pool_infer, .run = pool_run,
     .notes = "As ONNX Runtime has it: in a window, a line of elements ends where the mask is 0, and each "
              "channel's mask begins at the place that its kernel computes."},
    {TAP_MS_ROW("UnfoldTensor", 1, 1, 1, 1), .dtypes = TAP_TYPES_ALL, .prepare = unfold_prepare,
     .infer = unfold_infer, .run = unfold_run},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_masked_pool, ops);
