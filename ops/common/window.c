/* Windows that slide over the spatial axes of an image. */
#include "common/window.h"

/* No entry of an attribute is larger: products of two of them fit into 64 bits. */
#define LIMIT INT32_MAX

tap_status tap_window_prepare(tap_ctx *ctx, tap_window *w, unsigned has) {
    static const char *const auto_pads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};
    *w = (tap_window){0};
    w->kernel = tap_attr_ints(ctx, "kernel_shape", &w->n_kernel);
    w->strides = tap_attr_ints(ctx, "strides", &w->n_strides);
    w->pads = tap_attr_ints(ctx, "pads", &w->n_pads);
    /* Empty: some exporters' word for NOTSET. */
    if (has & TAP_WINDOW_AUTO_PAD && *tap_attr_string(ctx, "auto_pad", "NOTSET"))
        w->auto_pad = (tap_auto_pad)tap_attr_choice(ctx, "auto_pad", "NOTSET", auto_pads);
    if (has & TAP_WINDOW_DILATIONS) w->dilations = tap_attr_ints(ctx, "dilations", &w->n_dilations);
    if (has & TAP_WINDOW_CEIL_MODE) w->ceil_mode = tap_attr_int(ctx, "ceil_mode", 0) != 0;
    return TAP_OK;
}

static tap_status check_list(tap_ctx *ctx, const char *name, const int64_t *v, size_t n, size_t want,
                             int64_t least) {
    if (n && n != want)
        return tap_fail(ctx, TAP_MODEL, "%s has %zu entries; the image's spatial axes need %zu", name, n,
                        want);
    for (size_t i = 0; i < n; i++)
        if (v[i] < least || v[i] > LIMIT)
            return tap_fail(ctx, TAP_MODEL, "%s[%zu] is %lld; it must be from %lld to %lld", name, i,
                            (long long)v[i], (long long)least, (long long)LIMIT);
    return TAP_OK;
}

tap_status tap_window_check(tap_ctx *ctx, const tap_window *w, int n) {
    size_t want = (size_t)n;
    tap_status s = check_list(ctx, "kernel_shape", w->kernel, w->n_kernel, want, 1);
    if (s == TAP_OK) s = check_list(ctx, "strides", w->strides, w->n_strides, want, 1);
    if (s == TAP_OK) s = check_list(ctx, "dilations", w->dilations, w->n_dilations, want, 1);
    if (s == TAP_OK) s = check_list(ctx, "pads", w->pads, w->n_pads, 2 * want, 0);
    return s;
}

/* SAME: as many outputs as strides fit into the input, the padding they need split evenly, the odd one at the
 * end (SAME_UPPER) or at the beginning (SAME_LOWER). */
static void pad_same(tap_window_axis *a, tap_auto_pad mode) {
    a->out = (a->in + a->stride - 1) / a->stride;
    int64_t pad = tap_max64(0, (a->out - 1) * a->stride + tap_window_extent(a) - a->in);
    a->begin = mode == TAP_PAD_SAME_UPPER ? pad / 2 : pad - pad / 2;
    a->end = pad - a->begin;
}

static tap_status resolve_axis(tap_ctx *ctx, const tap_window *w, int i, tap_window_axis *a) {
    if (a->in < 0 || a->kernel < 0) {
        a->out = -1;
        return TAP_OK;
    }
    if (w->auto_pad == TAP_PAD_SAME_UPPER || w->auto_pad == TAP_PAD_SAME_LOWER) {
        pad_same(a, w->auto_pad);
        return TAP_OK;
    }
    int64_t room = a->in + a->begin + a->end - tap_window_extent(a);
    if (room < 0)
        return tap_fail(
            ctx, TAP_MODEL,
            "on spatial axis %d the window covers %lld elements, but the input has only %lld with padding", i,
            (long long)tap_window_extent(a), (long long)(a->in + a->begin + a->end));
    a->out = room / a->stride + 1;
    /* Rounding up, but no window starts in the padding at the end. */
    if (w->ceil_mode && room % a->stride && a->out * a->stride < a->in + a->begin) a->out++;
    return TAP_OK;
}

tap_status tap_window_resolve(tap_ctx *ctx, const tap_window *w, int n, const int64_t *in,
                              const int64_t *kernel, tap_window_axis *axes) {
    bool explicit = w->auto_pad == TAP_PAD_NOTSET && w->n_pads;
    for (int i = 0; i < n; i++) {
        tap_window_axis *a = &axes[i];
        *a = (tap_window_axis){.in = in[i], .stride = 1, .dilation = 1};
        a->kernel = w->n_kernel ? w->kernel[i] : kernel ? kernel[i] : -1;
        if (w->n_strides) a->stride = w->strides[i];
        if (w->n_dilations) a->dilation = w->dilations[i];
        if (explicit) a->begin = w->pads[i], a->end = w->pads[n + i];
        tap_status s = resolve_axis(ctx, w, i, a);
        if (s != TAP_OK) return s;
    }
    return TAP_OK;
}
