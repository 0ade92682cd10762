/* Faults of windows: padding, what is padded with, what a pool counts, dilation. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diff/faults.h"

#define MAX_AXES (TAP_RANK_MAX - 2)

/* The window of a Conv or a pool over an input of known size. */
typedef struct window {
    int n; /* axes of space */
    int64_t in[MAX_AXES], kernel[MAX_AXES], stride[MAX_AXES], dilation[MAX_AXES], begin[MAX_AXES],
        end[MAX_AXES];
} window;

static bool has_window(const tap_segment *s, size_t i) {
    return tap_node_is(s, i, "Conv") || tap_node_is(s, i, "ConvTranspose") || tap_node_is(s, i, "MaxPool") ||
           tap_node_is(s, i, "AveragePool") || tap_node_is(s, i, "LpPool") ||
           tap_node_is(s, i, "QLinearConv") || tap_node_is(s, i, "ConvInteger");
}

static void read_ints(const tap_segment *s, size_t node, const char *name, int n, int64_t *out,
                      int64_t otherwise) {
    const tap_src_attr *a = tap_segment_attr(s, node, name);
    for (int i = 0; i < n; i++)
        out[i] = a && a->kind == TAP_ATTR_INTS && (size_t)i < a->n ? a->u.ints[i] : otherwise;
}

static int64_t reach(const window *w, int i) {
    return (w->kernel[i] - 1) * w->dilation[i] + 1;
}

static int64_t same_total(const window *w, int i) {
    int64_t out = (w->in[i] + w->stride[i] - 1) / w->stride[i];
    return tap_max64((out - 1) * w->stride[i] + reach(w, i) - w->in[i], 0);
}

static void read_pads(const tap_case *c, size_t node, window *w) {
    const tap_src_attr *mode = tap_segment_attr(c->s, node, "auto_pad");
    bool upper = mode && mode->u.s.n == 10 && memcmp(mode->u.s.s, "SAME_UPPER", 10) == 0;
    bool lower = mode && mode->u.s.n == 10 && memcmp(mode->u.s.s, "SAME_LOWER", 10) == 0;
    int64_t pads[2 * MAX_AXES];
    read_ints(c->s, node, "pads", 2 * w->n, pads, 0);
    for (int i = 0; i < w->n; i++) {
        int64_t t = same_total(w, i);
        w->begin[i] = upper ? t / 2 : lower ? t - t / 2 : pads[i];
        w->end[i] = upper ? t - t / 2 : lower ? t / 2 : pads[w->n + i];
    }
}

static bool read_window(const tap_case *c, size_t node, window *w) {
    const tap_tensor *x = tap_inner(c, c->s->nodes[node].inputs[0]);
    const tap_src_attr *kernel = tap_segment_attr(c->s, node, "kernel_shape");
    const tap_src_tensor *weights = tap_constant_input(c->s, node, 1);
    if (!x || x->rank < 3) return false;
    w->n = x->rank - 2;
    for (int i = 0; i < w->n; i++) {
        w->in[i] = x->dims[i + 2];
        bool told = kernel && kernel->kind == TAP_ATTR_INTS && (size_t)i < kernel->n;
        if (!told && (!weights || weights->rank != x->rank)) return false;
        w->kernel[i] = told ? kernel->u.ints[i] : weights->dims[i + 2];
    }
    read_ints(c->s, node, "strides", w->n, w->stride, 1);
    read_ints(c->s, node, "dilations", w->n, w->dilation, 1);
    for (int i = 0; i < w->n; i++)
        if (w->stride[i] < 1 || w->dilation[i] < 1 || w->kernel[i] < 1 || w->dilation[i] > 1 << 20)
            return false;
    read_pads(c, node, w);
    return true;
}

static bool set_pads(tap_segment *s, size_t node, const int64_t *begin, const int64_t *end, int n) {
    int64_t pads[2 * MAX_AXES];
    memcpy(pads, begin, (size_t)n * sizeof *pads);
    memcpy(pads + n, end, (size_t)n * sizeof *pads);
    return tap_segment_drop_attr(s, node, "auto_pad") && tap_set_ints(s, node, "pads", pads, 2 * (size_t)n);
}

static const char *list(char *text, size_t room, const int64_t *a, const int64_t *b, int n) {
    tap_text t = {text, room, 0};
    for (int i = 0; i < 2 * n; i++)
        tap_text_add(&t, "%s%lld", i ? "," : "", (long long)(i < n ? a[i] : b[i - n]));
    return text;
}

/* How much is padded in all, and how much of it in front: the ways that frameworks have. */
static void share_out(const window *w, int axis, int total, int way, int64_t *begin, int64_t *end) {
    int64_t totals[] = {w->begin[axis] + w->end[axis], same_total(w, axis), reach(w, axis) - 1, 0,
                        2 * ((reach(w, axis) - 1) / 2)};
    int64_t t = totals[total], fronts[] = {t / 2, t - t / 2, 0, t};
    *begin = fronts[way];
    *end = t - fronts[way];
}

static bool try_pads(tap_case *c, size_t node, const window *w, const int64_t *begin, const int64_t *end) {
    char is[120], was[120];
    if (memcmp(begin, w->begin, (size_t)w->n * sizeof *begin) == 0 &&
        memcmp(end, w->end, (size_t)w->n * sizeof *end) == 0)
        return false;
    if (!tap_case_begin(c) || !set_pads(&c->edit, node, begin, end, w->n)) return false;
    return tap_case_try(c, node, "padding_side", "the model pads %s with %s, the reference is that of %s",
                        c->s->nodes[node].op, list(was, sizeof was, w->begin, w->end, w->n),
                        list(is, sizeof is, begin, end, w->n));
}

static bool try_windows(tap_case *c, size_t node) {
    window w;
    int64_t begin[MAX_AXES] = {0}, end[MAX_AXES] = {0};
    if (!read_window(c, node, &w)) return false;
    for (int total = 0; total < 5; total++)
        for (int way = 0; way < 4; way++) {
            for (int i = 0; i < w.n; i++) share_out(&w, i, total, way, &begin[i], &end[i]);
            if (try_pads(c, node, &w, begin, end)) return true;
            /* Of the axes one alone. */
            for (int k = 0; k < w.n && w.n > 1; k++) {
                int64_t b[MAX_AXES], e[MAX_AXES];
                memcpy(b, w.begin, sizeof b);
                memcpy(e, w.end, sizeof e);
                b[k] = begin[k];
                e[k] = end[k];
                if (try_pads(c, node, &w, b, e)) return true;
            }
        }
    return false;
}

/* ---- Pad nodes ---- */

/* The pads of a Pad node: [begin..., end...], n of each. NULL: not constant. */
static double *pad_node_pads(tap_case *c, size_t node, size_t *n, const tap_src_tensor **t) {
    *t = tap_constant_input(c->s, node, 1);
    if (*t && (*t)->dtype == TAP_INT64 && (*t)->count % 2 == 0) {
        *n = (size_t)(*t)->count / 2;
        return tap_stored_doubles(&c->d->arena, *t);
    }
    *t = NULL;
    const tap_src_attr *a = tap_segment_attr(c->s, node, "pads");
    double *x = a && a->kind == TAP_ATTR_INTS && a->n % 2 == 0
                    ? tap_arena_array(&c->d->arena, a->n + 1, sizeof *x)
                    : NULL;
    for (size_t i = 0; x && i < a->n; i++) x[i] = (double)a->u.ints[i];
    if (x) *n = a->n / 2;
    return x;
}

static bool set_node_pads(tap_case *c, size_t node, const tap_src_tensor *t, const double *x, size_t n) {
    if (t) return tap_set_constant(c, node, 1, t, x, t->rank, t->dims);
    int64_t ints[2 * TAP_RANK_MAX];
    if (2 * n > TAP_COUNT_OF(ints)) return false;
    for (size_t i = 0; i < 2 * n; i++) ints[i] = (int64_t)x[i];
    return tap_set_ints(&c->edit, node, "pads", ints, 2 * n);
}

static bool try_pad_node(tap_case *c, size_t node) {
    const tap_src_tensor *t;
    size_t n = 0;
    double *x = pad_node_pads(c, node, &n, &t);
    double y[2 * TAP_RANK_MAX];
    if (!x || 2 * n > TAP_COUNT_OF(y)) return false;
    for (int way = 0; way < 4; way++) {
        bool same = true;
        for (size_t i = 0; i < n; i++) {
            double total = x[i] + x[n + i], half = floor(total / 2);
            double fronts[] = {x[n + i], half, total - half, way == 3 ? 0 : total};
            y[i] = fronts[way];
            y[n + i] = total - y[i];
            same = same && y[i] == x[i];
        }
        if (same || !tap_case_begin(c) || !set_node_pads(c, node, t, y, n)) continue;
        if (tap_case_try(c, node, "padding_side",
                         "Pad adds its rows and columns on the other side than the reference"))
            return true;
    }
    return false;
}

bool tap_fault_padding(tap_case *c) {
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        if (has_window(c->s, i) && try_windows(c, i)) return true;
        if (tap_node_is(c->s, i, "Pad") && try_pad_node(c, i)) return true;
    }
    return false;
}

/* ---- what is padded with ---- */

static bool set_pad_value(tap_case *c, size_t node, double value) {
    static const tap_src_tensor scalar = {.dtype = TAP_FLOAT};
    const tap_tensor *x = tap_inner(c, c->s->nodes[node].inputs[0]);
    tap_src_tensor like = scalar;
    if (x) like.dtype = x->dtype;
    if (c->s->from[node]->opset < 11) return tap_set_float(&c->edit, node, "value", value);
    return tap_set_constant(c, node, 2, &like, &value, 0, NULL);
}

static bool try_pad_values(tap_case *c, size_t node) {
    static const double values[] = {0, -INFINITY, INFINITY, 1, -1, 0.5};
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    for (size_t i = 0; i < TAP_COUNT_OF(values); i++) {
        if (!tap_case_begin(c) || !set_pad_value(c, node, values[i])) continue;
        if (tap_case_try(c, node, "padding_value", "the reference pads with %g", values[i])) return true;
    }
    for (size_t i = 0; i < TAP_COUNT_OF(modes); i++) {
        if (!tap_case_begin(c) || !tap_set_text(&c->edit, node, "mode", modes[i])) continue;
        if (tap_case_try(c, node, "padding_value", "the reference pads in mode %s", modes[i])) return true;
    }
    return false;
}

/* A Pad in front of the node takes over its padding. */
static bool pad_apart(tap_case *c, size_t node, const window *w, double value) {
    static const tap_src_tensor ints = {.dtype = TAP_INT64};
    double pads[2 * TAP_RANK_MAX] = {0};
    int64_t dim = 2 * (w->n + 2), zero[MAX_AXES] = {0}, whole[2 * TAP_RANK_MAX];
    if (c->s->n_nodes == 0 || !set_pads(&c->edit, node, zero, zero, w->n)) return false;
    for (int i = 0; i < w->n; i++) {
        pads[2 + i] = (double)w->begin[i];
        pads[w->n + 4 + i] = (double)w->end[i];
    }
    for (int i = 0; i < dim; i++) whole[i] = (int64_t)pads[i];
    const char *x = c->edit.nodes[node].inputs[0], *y = tap_segment_name(&c->edit, "padded");
    if (!y || !tap_segment_node(&c->edit, node, "Pad", &x, 1, y) || !tap_set_input(c, node + 1, 0, y))
        return false;
    if (c->s->from[node]->opset < 11)
        return tap_set_ints(&c->edit, node, "pads", whole, (size_t)dim) &&
               tap_set_float(&c->edit, node, "value", value);
    const tap_tensor *in = tap_inner(c, x);
    tap_src_tensor like = {.dtype = in->dtype};
    return tap_set_constant(c, node, 1, &ints, pads, 1, &dim) &&
           tap_set_constant(c, node, 2, &like, &value, 0, NULL);
}

static bool try_pool_padding(tap_case *c, size_t node) {
    window w;
    int64_t padded = 0;
    if (!read_window(c, node, &w)) return false;
    for (int i = 0; i < w.n; i++) padded += w.begin[i] + w.end[i];
    if (padded == 0 || !tap_case_begin(c) || !pad_apart(c, node, &w, 0)) return false;
    return tap_case_try(
        c, node, "padding_value",
        "the window's own padding never wins (it is minus infinity to a MaxPool); the reference pads "
        "with 0 first: a Pad was folded into %s",
        c->s->nodes[node].op);
}

bool tap_fault_padding_value(tap_case *c) {
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        if (tap_node_is(c->s, i, "Pad") && try_pad_values(c, i)) return true;
        if (tap_node_is(c->s, i, "MaxPool") && try_pool_padding(c, i)) return true;
    }
    return false;
}

/* ---- pools ---- */

static bool try_toggle(tap_case *c, size_t node, const char *attr, const char *fault) {
    int64_t is = tap_int_attr(c->s, node, attr, 0);
    if (!tap_case_begin(c) || !tap_set_int(&c->edit, node, attr, !is)) return false;
    return tap_case_try(c, node, fault, "%s is %d, the reference is that of %d", attr, is != 0, is == 0);
}

static bool try_kind(tap_case *c, size_t node, const char *other) {
    if (!tap_case_begin(c)) return false;
    c->edit.nodes[node].op = other;
    tap_segment_drop_attr(&c->edit, node, "count_include_pad");
    tap_segment_drop_attr(&c->edit, node, "storage_order");
    return tap_case_try(c, node, "pool_kind", "the model has %s, the reference is that of %s",
                        c->s->nodes[node].op, other);
}

bool tap_fault_pool(tap_case *c) {
    static const char *const pairs[][2] = {{"MaxPool", "AveragePool"},
                                           {"GlobalMaxPool", "GlobalAveragePool"}};
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        bool average = tap_node_is(c->s, i, "AveragePool");
        if (average && try_toggle(c, i, "count_include_pad", "padding_counted")) return true;
        if ((average || tap_node_is(c->s, i, "MaxPool")) && try_toggle(c, i, "ceil_mode", "ceil_mode"))
            return true;
        for (size_t k = 0; k < TAP_COUNT_OF(pairs); k++)
            for (int side = 0; side < 2; side++)
                if (tap_node_is(c->s, i, pairs[k][side]) && try_kind(c, i, pairs[k][!side])) return true;
    }
    return false;
}

/* ---- dilation and strides ---- */

static bool try_dilation(tap_case *c, size_t node, const window *w, int64_t d) {
    int64_t dilations[MAX_AXES], begin[MAX_AXES], end[MAX_AXES];
    window other = *w;
    for (int i = 0; i < w->n; i++) {
        int64_t total = w->begin[i] + w->end[i], was = reach(w, i) - 1;
        dilations[i] = other.dilation[i] = d;
        int64_t now = reach(&other, i) - 1;
        /* Padding that kept the size still does: on the same sides. */
        int64_t more = total >= was && was > 0 ? now - was : 0;
        begin[i] = w->end[i] == 0 ? w->begin[i] + more : w->begin[i] + more / 2;
        end[i] = w->begin[i] == 0 && w->end[i] > 0 ? w->end[i] + more
                                                   : w->end[i] + (w->end[i] == 0 ? 0 : more - more / 2);
        if (begin[i] < 0 || end[i] < 0) return false;
    }
    if (!tap_case_begin(c) || !tap_set_ints(&c->edit, node, "dilations", dilations, (size_t)w->n) ||
        !set_pads(&c->edit, node, begin, end, w->n))
        return false;
    return tap_case_try(c, node, "dilation", "its dilation is %lld, the reference is that of %lld",
                        (long long)w->dilation[0], (long long)d);
}

static bool try_strides(tap_case *c, size_t node, const window *w, int64_t stride) {
    int64_t strides[MAX_AXES];
    for (int i = 0; i < w->n; i++) strides[i] = stride;
    if (!tap_case_begin(c) || !tap_set_ints(&c->edit, node, "strides", strides, (size_t)w->n)) return false;
    return tap_case_try(c, node, "stride", "its stride is %lld, the reference is that of %lld",
                        (long long)w->stride[0], (long long)stride);
}

bool tap_fault_window(tap_case *c) {
    window w;
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        if (!has_window(c->s, i) || !read_window(c, i, &w)) continue;
        for (int64_t d = 1; d <= 8; d++)
            if (d != w.dilation[0] && !tap_node_is(c->s, i, "LpPool") && try_dilation(c, i, &w, d))
                return true;
        for (int64_t d = 1; d <= 4; d++)
            if (d != w.stride[0] && try_strides(c, i, &w, d)) return true;
    }
    return false;
}
