/* ConvTranspose: Y[o] gets X[i] * W[t] wherever o + pad = i * stride + t * dilation.
 *
 * Seen from the output this is a convolution for each phase: the outputs whose places are equal modulo the
 * stride see the same class of taps, at inputs that lie next to each other. So nothing is scattered, and each
 * output has its fixed order of multiply-adds: the taps of its class from last to first, input channels
 * innermost. */
#include <string.h>

#include "common/conv.h"
#include "common/shape.h"
#include "common/widen.h"
#include "common/window.h"

typedef struct transpose_state {
    tap_window window;
    int64_t group;
    const int64_t *output_padding, *output_shape;
    size_t n_output_padding, n_output_shape;
    char *packed; /* W by classes of taps; NULL: it is not constant */
} transpose_state;

static tap_status transpose_prepare(tap_ctx *ctx, void **state) {
    transpose_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->group = tap_attr_int(ctx, "group", 1);
    s->output_padding = tap_attr_ints(ctx, "output_padding", &s->n_output_padding);
    s->output_shape = tap_attr_ints(ctx, "output_shape", &s->n_output_shape);
    if (s->group < 1)
        return tap_fail(ctx, TAP_MODEL, "group is %lld; it must be at least 1", (long long)s->group);
    return tap_window_prepare(ctx, &s->window, TAP_WINDOW_AUTO_PAD | TAP_WINDOW_DILATIONS);
}

/* ---- Shapes ---------------------------------------------------------------------------------- */

/* Padding that leaves `out` of the axis' outputs, shared out as auto_pad and the opset say. */
static void share_padding(tap_ctx *ctx, const transpose_state *s, int64_t total, tap_window_axis *a) {
    bool upper = s->window.auto_pad == TAP_PAD_SAME_UPPER;
    if (s->n_output_shape && tap_opset(ctx) < 11) upper = !upper;
    total = tap_max64(0, total);
    a->begin = upper ? total / 2 : total - total / 2;
    a->end = total - a->begin;
}

static tap_status resolve_axis(tap_ctx *ctx, const transpose_state *s, int i, int n, tap_window_axis *a) {
    bool same = s->window.auto_pad == TAP_PAD_SAME_UPPER || s->window.auto_pad == TAP_PAD_SAME_LOWER;
    int64_t extra = s->n_output_padding ? s->output_padding[i] : 0;
    /* Its last n entries: older models give the batch and the channels in front of them. */
    a->out = s->n_output_shape ? s->output_shape[(int)s->n_output_shape - n + i] : -1;
    if (a->in < 0 || a->kernel < 0) return TAP_OK;
    int64_t all = a->in == 0 ? 0 : a->stride * (a->in - 1) + extra + tap_window_extent(a);
    if (s->n_output_shape || same) {
        if (a->out < 0) a->out = a->in * a->stride;
        share_padding(ctx, s, all - a->out, a);
        return TAP_OK;
    }
    if (s->window.auto_pad == TAP_PAD_NOTSET && s->window.n_pads)
        a->begin = s->window.pads[i], a->end = s->window.pads[n + i];
    a->out = all - a->begin - a->end;
    if (a->out < 0)
        return tap_fail(ctx, tap_misfit(ctx),
                        "on spatial axis %d pads of %lld and %lld leave nothing of %lld outputs", i,
                        (long long)a->begin, (long long)a->end, (long long)all);
    return TAP_OK;
}

static tap_status resolve_axes(tap_ctx *ctx, const transpose_state *s, int n, const int64_t *in,
                               const int64_t *kernel, tap_window_axis *axes) {
    tap_status status = TAP_OK;
    for (int i = 0; i < n && status == TAP_OK; i++) {
        axes[i] = (tap_window_axis){.in = in[i], .stride = 1, .dilation = 1, .kernel = kernel[i]};
        if (axes[i].kernel < 0 && s->window.n_kernel) axes[i].kernel = s->window.kernel[i];
        if (s->window.n_strides) axes[i].stride = s->window.strides[i];
        if (s->window.n_dilations) axes[i].dilation = s->window.dilations[i];
        status = resolve_axis(ctx, s, i, n, &axes[i]);
    }
    return status;
}

static tap_status check_lists(tap_ctx *ctx, const transpose_state *s, int n) {
    const struct {
        const char *name;
        const int64_t *v;
        size_t n;
        int64_t least;
    } lists[] = {{"output_padding", s->output_padding, s->n_output_padding, 0},
                 {"output_shape", s->output_shape, s->n_output_shape, 0}};
    for (size_t k = 0; k < TAP_COUNT_OF(lists); k++) {
        bool whole = lists[k].v == s->output_shape && lists[k].n == (size_t)n + 2;
        if (lists[k].n && lists[k].n != (size_t)n && !whole)
            return tap_fail(ctx, TAP_MODEL, "%s has %zu entries; the image has %d spatial axes",
                            lists[k].name, lists[k].n, n);
        for (size_t i = 0; i < lists[k].n; i++)
            if (lists[k].v[i] < lists[k].least || lists[k].v[i] > INT32_MAX)
                return tap_fail(ctx, TAP_MODEL, "%s[%zu] is %lld", lists[k].name, i,
                                (long long)lists[k].v[i]);
    }
    return tap_window_check(ctx, &s->window, n);
}

static tap_status check_channels(tap_ctx *ctx, const transpose_state *s, const tap_type *x, const tap_type *w,
                                 const tap_type *b) {
    int64_t c = w->rank >= 0 ? w->dims[0] : -1, m = w->rank >= 0 ? w->dims[1] : -1;
    if (c >= 0 && c % s->group)
        return tap_fail(ctx, TAP_MODEL, "W has %lld input channels, which group %lld does not divide",
                        (long long)c, (long long)s->group);
    if (c >= 0 && x->rank >= 0 && x->dims[1] >= 0 && x->dims[1] != c)
        return tap_fail(ctx, tap_misfit(ctx), "X has %lld channels, W is for %lld", (long long)x->dims[1],
                        (long long)c);
    if (b && b->rank >= 0 && (b->rank != 1 || (m >= 0 && b->dims[0] >= 0 && b->dims[0] != m * s->group)))
        return tap_fail(ctx, tap_misfit(ctx),
                        "the bias must be of rank 1 with an element for each output channel");
    for (int i = 2; i < w->rank; i++) {
        if (w->dims[i] == 0) return tap_fail(ctx, TAP_MODEL, "W has no taps on spatial axis %d", i - 2);
        if (s->window.n_kernel && w->dims[i] > 0 && w->dims[i] != s->window.kernel[i - 2])
            return tap_fail(ctx, TAP_MODEL, "kernel_shape[%d] is %lld, but W has %lld taps there", i - 2,
                            (long long)s->window.kernel[i - 2], (long long)w->dims[i]);
    }
    return TAP_OK;
}

static tap_status transpose_infer(tap_ctx *ctx) {
    const transpose_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *w = tap_in_type(ctx, 1), *b = tap_in_type(ctx, 2);
    int rank = x->rank >= 0 ? x->rank : w->rank;
    int64_t unknown[TAP_RANK_MAX], dims[TAP_RANK_MAX] = {-1, -1};
    tap_window_axis axes[TAP_RANK_MAX];
    tap_status status;
    if ((status = tap_need_same_dtype(ctx, 0, 1, "W")) || (status = tap_need_same_dtype(ctx, 0, 2, "B")))
        return status;
    if (rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if ((status = tap_need_rank(ctx, 0, 3, TAP_RANK_MAX, "X")) ||
        (status = tap_need_rank(ctx, 1, rank, rank, "W")))
        return status;
    if ((status = check_lists(ctx, s, rank - 2)) || (status = check_channels(ctx, s, x, w, b))) return status;
    for (int i = 0; i < TAP_RANK_MAX; i++) unknown[i] = -1;
    status = resolve_axes(ctx, s, rank - 2, x->rank >= 0 ? x->dims + 2 : unknown,
                          w->rank >= 0 ? w->dims + 2 : unknown, axes);
    if (status != TAP_OK) return status;
    if (x->rank >= 0) dims[0] = x->dims[0];
    if (w->rank >= 0 && w->dims[1] >= 0 && !tap_mul64(w->dims[1], s->group, &dims[1]))
        return tap_fail(ctx, TAP_MODEL, "the number of output channels overflows");
    for (int i = 0; i < 2 && s->n_output_shape == (size_t)rank; i++)
        if (dims[i] >= 0 && dims[i] != s->output_shape[i])
            return tap_fail(ctx, tap_misfit(ctx), "output_shape[%d] is %lld, and the output has %lld there",
                            i, (long long)s->output_shape[i], (long long)dims[i]);
    for (int i = 2; i < rank; i++) dims[i] = axes[i - 2].out;
    return tap_out_type(ctx, 0, x->dtype, rank, dims);
}

/* ---- Classes of taps --------------------------------------------------------------------------
 * Taps t and u of an axis serve the same outputs where (t - u) * dilation is a multiple of the stride, that
 * is, where t - u is one of `period`. Class c < min(period, kernel): the taps c, c + period, ... */

typedef struct classes {
    int64_t kernel, period, n;
} classes;

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static classes classes_of(int64_t kernel, int64_t stride, int64_t dilation) {
    int64_t period = stride / gcd(stride, dilation);
    return (classes){kernel, period, tap_min64(period, kernel)};
}

static int64_t taps_of_class(const classes *k, int64_t c) {
    return (k->kernel - 1 - c) / k->period + 1;
}

/* Taps of all classes before c. */
static int64_t taps_before(const classes *k, int64_t c) {
    int64_t full = k->kernel / k->period, more = k->kernel % k->period;
    return c * full + tap_min64(c, more);
}

/* The class whose taps reach outputs at `place` (o + pad), the first tap of it; -1: no tap does. */
static int64_t class_at(const classes *k, const tap_window_axis *a, int64_t place) {
    for (int64_t t = 0; t < k->n; t++)
        if ((place - t * a->dilation) % a->stride == 0) return t;
    return -1;
}

/* Sizes of W's packed form: each tap with all its channels is in it once. */
static bool packed_bytes(const transpose_state *s, const tap_tensor *w, size_t *one_tap, size_t *all) {
    tap_tile_kind kind = w->dtype == TAP_DOUBLE ? TAP_TILE_F64 : TAP_TILE_F32;
    int64_t taps = tap_product(w->dims + 2, w->rank - 2);
    return tap_conv_packed_bytes(kind, s->group, w->dims[0] / s->group, w->dims[1], one_tap) &&
           tap_mul_size(*one_tap, (size_t)taps, all);
}

/* Taps in front of the combination c[] of classes, in the order in which combinations are packed. */
static int64_t taps_in_front(const classes *k, int n, const int64_t *c) {
    int64_t front = 0, rest = 1, chosen = 1;
    for (int i = 0; i < n; i++) rest *= k[i].kernel;
    for (int i = 0; i < n; i++) {
        rest /= k[i].kernel;
        front += chosen * taps_before(&k[i], c[i]) * rest;
        chosen *= taps_of_class(&k[i], c[i]);
    }
    return front;
}

static void pack_combination(const transpose_state *s, const tap_tensor *w, const classes *k,
                             const int64_t *c, size_t one_tap, char *packed) {
    int n = w->rank - 2;
    tap_conv_weights p = {.dtype = tap_wide(w->dtype),
                          .from = w->dtype,
                          .w = w->data,
                          .transposed = true,
                          .n_axes = n,
                          .groups = s->group,
                          .c = w->dims[0] / s->group,
                          .m = w->dims[1]};
    for (int i = 0; i < n; i++) {
        p.axes[i].extent = w->dims[2 + i];
        p.axes[i].n = taps_of_class(&k[i], c[i]);
        p.axes[i].first = c[i] + (p.axes[i].n - 1) * k[i].period;
        p.axes[i].step = -k[i].period;
    }
    tap_conv_pack(&p, packed + taps_in_front(k, n, c) * (int64_t)one_tap);
}

/* The next combination; false after the last. */
static bool next(int n, const int64_t *limit, int64_t *c) {
    for (int i = n - 1; i >= 0; i--) {
        if (++c[i] < limit[i]) return true;
        c[i] = 0;
    }
    return false;
}

static void all_classes(const transpose_state *s, const tap_tensor *w, classes *k, int64_t *limit) {
    for (int i = 0; i < w->rank - 2; i++) {
        k[i] = classes_of(w->dims[2 + i], s->window.n_strides ? s->window.strides[i] : 1,
                          s->window.n_dilations ? s->window.dilations[i] : 1);
        limit[i] = k[i].n;
    }
}

static void pack_all(const transpose_state *s, const tap_tensor *w, size_t one_tap, char *packed) {
    classes k[TAP_RANK_MAX];
    int64_t limit[TAP_RANK_MAX], c[TAP_RANK_MAX] = {0};
    all_classes(s, w, k, limit);
    if (w->count == 0) return;
    do pack_combination(s, w, k, c, one_tap, packed);
    while (next(w->rank - 2, limit, c));
}

static tap_status transpose_pack(tap_ctx *ctx, void *state) {
    transpose_state *s = state;
    const tap_tensor *w = tap_in_known(ctx, 1);
    size_t one_tap, all;
    if (!w || w->rank < 3 || tap_window_check(ctx, &s->window, w->rank - 2) != TAP_OK) return TAP_OK;
    if (!packed_bytes(s, w, &one_tap, &all)) return tap_fail(ctx, TAP_MEMORY, "W is too large");
    bool ready;
    char *packed = tap_packed(ctx, all, &ready);
    if (!packed) return TAP_MEMORY;
    if (!ready) pack_all(s, w, one_tap, packed);
    s->packed = packed;
    return TAP_OK;
}

/* ---- run ------------------------------------------------------------------------------------- */

typedef struct job {
    tap_ctx *ctx;
    const transpose_state *s;
    const tap_tensor *x, *w;
    tap_tensor *y;
    tap_conv v; /* what all phases share       */
    tap_conv_memory memory;
    const char *packed;
    size_t one_tap;
    int n;
    tap_window_axis axes[TAP_RANK_MAX];
    classes k[TAP_RANK_MAX];
} job;

/* The outputs at o[], o[] + stride, ...: a convolution with the class of taps that reaches them. */
static tap_status run_phase(job *j, const int64_t *o) {
    tap_conv v = j->v;
    int64_t c[TAP_RANK_MAX];
    bool reached = true;
    for (int i = 0; i < j->n; i++) {
        const tap_window_axis *a = &j->axes[i];
        int64_t place = o[i] + a->begin, out = (a->out - o[i] + a->stride - 1) / a->stride;
        c[i] = class_at(&j->k[i], a, place);
        reached = reached && c[i] >= 0;
        v.axes[i] = (tap_conv_axis){.in = a->in,
                                    .step = 1,
                                    .out = out,
                                    .out_extent = a->out,
                                    .out_first = o[i],
                                    .out_step = a->stride};
        if (c[i] < 0) continue;
        v.axes[i].taps = taps_of_class(&j->k[i], c[i]);
        v.axes[i].tap_step = j->k[i].period * a->dilation / a->stride;
        v.axes[i].first =
            (place - c[i] * a->dilation) / a->stride - (v.axes[i].taps - 1) * v.axes[i].tap_step;
    }
    if (reached)
        v.packed = j->packed + taps_in_front(j->k, j->n, c) * (int64_t)j->one_tap;
    else
        for (int i = 0; i < j->n; i++) v.axes[i].taps = 0;
    return tap_conv_run(j->ctx, &v);
}

/* Outputs are final when all phases are through: whole rows then. */
static void finish_task(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    int64_t m = j->y->dims[j->y->rank - 1];
    (void)worker;
    if (j->v.y != j->y->data) tap_narrow_rows(j->y->dtype, j->v.y, j->y->data, m, begin, end - begin, 0, m);
    tap_epilogue(j->ctx, begin, end - begin, 0, m);
}

static tap_status take_operands(job *j) {
    const tap_tensor *b = j->ctx->n_in > 2 ? j->ctx->in[2] : NULL;
    size_t all;
    if (!packed_bytes(j->s, j->w, &j->one_tap, &all)) return tap_fail(j->ctx, TAP_MEMORY, "W is too large");
    j->packed = j->s->packed;
    if (!j->packed) {
        char *packed = tap_scratch(j->ctx, all);
        if (!packed) return TAP_MEMORY;
        pack_all(j->s, j->w, j->one_tap, packed);
        j->packed = packed;
    }
    if (b && !(j->v.bias = tap_widen(j->ctx, b))) return TAP_MEMORY;
    if (!(j->v.x = tap_widen(j->ctx, j->x))) return TAP_MEMORY;
    j->v.y = j->y->data;
    if (tap_is_half(j->y->dtype)) j->v.y = tap_scratch(j->ctx, (size_t)j->y->count * sizeof(float));
    return j->v.y ? TAP_OK : TAP_MEMORY;
}

static tap_status transpose_run(tap_ctx *ctx) {
    const transpose_state *s = ctx->state;
    job j = {.ctx = ctx, .s = s, .x = ctx->in[0], .w = ctx->in[1], .y = ctx->out[0]};
    int64_t limit[TAP_RANK_MAX], o[TAP_RANK_MAX] = {0};
    if (j.y->count == 0) return TAP_OK;
    j.n = j.x->rank - 2;
    j.v = (tap_conv){.kind = j.y->dtype == TAP_DOUBLE ? TAP_TILE_F64 : TAP_TILE_F32,
                     .n_axes = j.n,
                     .images = j.x->dims[0],
                     .groups = s->group,
                     .c = j.w->dims[0] / s->group,
                     .m = j.w->dims[1]};
    j.v.memory = &j.memory;
    tap_status status = resolve_axes(ctx, s, j.n, j.x->dims + 1, j.w->dims + 2, j.axes);
    if (status == TAP_OK) status = take_operands(&j);
    if (status != TAP_OK) return status;
    all_classes(s, j.w, j.k, limit);
    for (int i = 0; i < j.n; i++) limit[i] = tap_min64(j.axes[i].stride, j.axes[i].out);
    do status = run_phase(&j, o);
    while (status == TAP_OK && next(j.n, limit, o));
    int64_t m = j.y->dims[j.y->rank - 1];
    if (status == TAP_OK && (ctx->has_epilogue || j.v.y != j.y->data))
        tap_parallel(ctx, j.y->count / m, tap_max64(1, 16384 / m), finish_task, &j);
    return status;
}

static const tap_op ops[] = {
    {.name = "ConvTranspose",
     .since = 1,
     .in_min = 2,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_PACKS | TAP_EPILOGUE | TAP_WANTS_CHANNELS_LAST,
     .image_inputs = 1 << 0,
     .packed_inputs = 1 << 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = transpose_prepare,
     .infer = transpose_infer,
     .pack = transpose_pack,
     .run = transpose_run},
    {0},
};

TAP_DEFINE_FAMILY(conv_transpose, ops);
