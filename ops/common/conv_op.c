/* Attributes and shapes of convolutions. */
#include "common/conv_op.h"

tap_status tap_conv_attrs_prepare(tap_ctx *ctx, tap_conv_attrs *a, unsigned has) {
    a->group = tap_attr_int(ctx, "group", 1);
    if (a->group < 1)
        return tap_fail(ctx, TAP_MODEL, "group is %lld; it must be at least 1", (long long)a->group);
    return tap_window_prepare(ctx, &a->window, has);
}

/* Known dims of w and of the bias against group and the input's channels; negative ones are unknown. */
static tap_status check_channels(tap_ctx *ctx, int64_t group, int64_t channels, const tap_type *w,
                                 const tap_type *bias) {
    int64_t m = w->dims[0], c = w->dims[1];
    if (m >= 0 && m % group)
        return tap_fail(ctx, TAP_MODEL, "W has %lld output channels, which group %lld does not divide",
                        (long long)m, (long long)group);
    if (channels >= 0 && channels % group)
        return tap_fail(ctx, TAP_MODEL, "X has %lld channels, which group %lld does not divide",
                        (long long)channels, (long long)group);
    if (channels >= 0 && c >= 0 && channels / group != c)
        return tap_fail(ctx, TAP_MODEL,
                        "X has %lld channels in %lld groups, but W is for %lld channels a group",
                        (long long)channels, (long long)group, (long long)c);
    if (bias && bias->rank >= 0 && (bias->rank != 1 || (bias->dims[0] >= 0 && m >= 0 && bias->dims[0] != m)))
        return tap_fail(ctx, TAP_MODEL,
                        "the bias must be of rank 1 with an element for each of the %lld output channels",
                        (long long)m);
    return TAP_OK;
}

static tap_status check_kernel(tap_ctx *ctx, const tap_conv_attrs *a, const tap_type *w) {
    for (int i = 0; i < w->rank - 2; i++) {
        int64_t k = w->dims[2 + i];
        if (k == 0) return tap_fail(ctx, TAP_MODEL, "W has no taps on spatial axis %d", i);
        if (k > 0 && a->window.n_kernel && k != a->window.kernel[i])
            return tap_fail(ctx, TAP_MODEL, "kernel_shape[%d] is %lld, but W has %lld taps there", i,
                            (long long)a->window.kernel[i], (long long)k);
    }
    return TAP_OK;
}

/* The spatial dims of the input with the zeros around it that count as part of it. */
static tap_status with_zeros(tap_ctx *ctx, int n, const int64_t *in, int64_t *out) {
    for (int i = 0; i < n; i++) {
        out[i] = in[i];
        if (!ctx->zeros || in[i] < 0) continue;
        if (!tap_add64(out[i], ctx->zeros[2 * i], &out[i]) ||
            !tap_add64(out[i], ctx->zeros[2 * i + 1], &out[i]))
            return tap_fail(ctx, TAP_RUN, "spatial axis %d of X overflows", i);
    }
    return TAP_OK;
}

tap_status tap_conv_shape(tap_ctx *ctx, const tap_conv_attrs *a, const tap_type *x, const tap_type *w,
                          const tap_type *bias, int *y_rank, int64_t *dims) {
    int rank = *y_rank = x->rank >= 0 ? x->rank : w->rank;
    if (rank < 0) return TAP_OK;
    if (rank < 3)
        return tap_fail(ctx, TAP_MODEL, "X and W need a spatial axis at least; rank %d has none", rank);
    if (x->rank >= 0 && w->rank >= 0 && x->rank != w->rank)
        return tap_fail(ctx, TAP_MODEL, "X is of rank %d, W of rank %d; they must be equal", x->rank,
                        w->rank);
    tap_status s = tap_window_check(ctx, &a->window, rank - 2);
    if (s == TAP_OK && w->rank >= 0)
        s = check_channels(ctx, a->group, x->rank >= 0 ? x->dims[1] : -1, w, bias);
    if (s == TAP_OK && w->rank >= 0) s = check_kernel(ctx, a, w);
    if (s != TAP_OK) return s;
    tap_window_axis axes[TAP_RANK_MAX];
    int64_t unknown[TAP_RANK_MAX], in[TAP_RANK_MAX];
    for (int i = 0; i < TAP_RANK_MAX; i++) unknown[i] = -1;
    s = with_zeros(ctx, rank - 2, x->rank >= 0 ? x->dims + 2 : unknown, in);
    if (s == TAP_OK)
        s = tap_window_resolve(ctx, &a->window, rank - 2, in, w->rank >= 0 ? w->dims + 2 : unknown, axes);
    if (s != TAP_OK) return s;
    dims[0] = x->rank >= 0 ? x->dims[0] : -1;
    dims[1] = w->rank >= 0 ? w->dims[0] : -1;
    for (int i = 2; i < rank; i++) dims[i] = axes[i - 2].out;
    return TAP_OK;
}

tap_status tap_conv_infer(tap_ctx *ctx, const tap_conv_attrs *a, const tap_type *x, const tap_type *w,
                          const tap_type *bias, tap_dtype dtype) {
    int rank;
    int64_t dims[TAP_RANK_MAX];
    tap_status s = tap_conv_shape(ctx, a, x, w, bias, &rank, dims);
    return s == TAP_OK ? tap_out_type(ctx, 0, dtype, rank, dims) : s;
}

static bool slides(const tap_window *w, int last, int64_t taps) {
    return tap_conv_slides(taps, w->n_strides ? w->strides[last] : 1,
                           w->n_dilations ? w->dilations[last] : 1);
}

tap_conv_weights tap_conv_weights_of(const tap_conv_attrs *a, const tap_tensor *w) {
    tap_conv_weights p = {.dtype = tap_wide(w->dtype),
                          .from = w->dtype,
                          .w = w->data,
                          .n_axes = w->rank - 2,
                          .groups = a->group,
                          .c = w->dims[1],
                          .m = w->dims[0] / a->group};
    for (int i = 0; i < p.n_axes; i++) {
        p.axes[i].extent = p.axes[i].n = w->dims[2 + i];
        p.axes[i].step = 1;
    }
    p.slides = slides(&a->window, p.n_axes - 1, w->dims[1 + p.n_axes]);
    return p;
}

tap_status tap_conv_axes(tap_ctx *ctx, const tap_conv_attrs *a, const tap_tensor *x, const tap_tensor *w,
                         tap_conv *v) {
    tap_window_axis axes[TAP_RANK_MAX];
    int n = x->rank - 2;
    int64_t in[TAP_RANK_MAX];
    tap_status s = with_zeros(ctx, n, x->dims + 1, in);
    if (s == TAP_OK) s = tap_window_resolve(ctx, &a->window, n, in, w->dims + 2, axes);
    if (s != TAP_OK) return s;
    v->n_axes = n;
    v->images = x->dims[0];
    v->groups = a->group;
    v->c = w->dims[1];
    v->m = w->dims[0] / a->group;
    v->slides = slides(&a->window, n - 1, w->dims[w->rank - 1]);
    for (int i = 0; i < n; i++)
        v->axes[i] = (tap_conv_axis){.in = x->dims[1 + i],
                                     .step = axes[i].stride,
                                     .first = -axes[i].begin - (ctx->zeros ? ctx->zeros[2 * i] : 0),
                                     .taps = axes[i].kernel,
                                     .tap_step = axes[i].dilation,
                                     .out = axes[i].out,
                                     .out_extent = axes[i].out,
                                     .out_step = 1};
    return TAP_OK;
}
