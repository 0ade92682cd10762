/* Faults of attributes: axes, epsilon, modes of Resize and the like, reductions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diff/faults.h"

/* ---- axes ---- */

static bool is_softmax(const tap_segment *s, size_t i) {
    return tap_node_is(s, i, "Softmax") || tap_node_is(s, i, "LogSoftmax") || tap_node_is(s, i, "Hardmax");
}

static bool try_axis(tap_case *c, size_t node, const char *fault) {
    const tap_tensor *x = tap_inner(c, c->s->nodes[node].inputs[0]);
    int64_t is = tap_int_attr(c->s, node, "axis",
                              is_softmax(c->s, node) ? (c->s->from[node]->opset < 13 ? 1 : -1) : 0);
    for (int64_t axis = 0; x && axis < x->rank; axis++) {
        if (axis == (is < 0 ? is + x->rank : is)) continue;
        if (!tap_case_begin(c) || !tap_set_int(&c->edit, node, "axis", axis)) return false;
        if (tap_case_try(c, node, fault, "%s works along axis %lld, the reference is that of axis %lld",
                         c->s->nodes[node].op, (long long)is, (long long)axis))
            return true;
    }
    return false;
}

/* The axes of a reduction as a bit set; -1: they are not known, or all. */
static int64_t axes_of(tap_case *c, size_t node, int rank) {
    const tap_src_attr *a = tap_segment_attr(c->s, node, "axes");
    const tap_src_tensor *t = tap_constant_input(c->s, node, 1);
    double *x = t ? tap_stored_doubles(&c->d->arena, t) : NULL;
    size_t n = a && a->kind == TAP_ATTR_INTS ? a->n : t && x ? (size_t)t->count : 0;
    int64_t set = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t v = a ? a->u.ints[i] : (int64_t)x[i];
        if (v < 0) v += rank;
        if (v < 0 || v >= rank) return -1;
        set |= INT64_C(1) << v;
    }
    return n ? set : -1;
}

static bool set_axes(tap_case *c, size_t node, int64_t set) {
    static const tap_src_tensor like = {.dtype = TAP_INT64};
    int64_t axes[TAP_RANK_MAX], n = 0;
    double x[TAP_RANK_MAX];
    for (int64_t k = 0; k < TAP_RANK_MAX; k++)
        if (set >> k & 1) axes[n] = k, x[n++] = (double)k;
    if (tap_segment_attr(c->s, node, "axes")) return tap_set_ints(&c->edit, node, "axes", axes, (size_t)n);
    return tap_set_constant(c, node, 1, &like, x, 1, &n);
}

static bool is_reduction(const tap_segment *s, size_t i) {
    return strncmp(s->nodes[i].op, "Reduce", 6) == 0 && *s->nodes[i].domain == '\0';
}

/* All reductions of the piece along the same axes go together: a normalisation has two. */
static bool try_axes(tap_case *c, size_t node) {
    const tap_tensor *x = tap_inner(c, c->s->nodes[node].inputs[0]);
    int64_t is = x && x->rank <= 6 ? axes_of(c, node, x->rank) : -1;
    if (is < 0) return false;
    for (int64_t set = 1; set < INT64_C(1) << x->rank; set++) {
        if (set == is || __builtin_popcountll((uint64_t)set) != __builtin_popcountll((uint64_t)is)) continue;
        for (int together = 0; together < 2; together++) {
            if (!tap_case_begin(c) || !set_axes(c, node, set)) return false;
            for (size_t i = node + 1; together && i < c->s->n_nodes; i++)
                if (is_reduction(c->s, i) && axes_of(c, i, x->rank) == is) set_axes(c, i, set);
            if (tap_case_try(c, node, "reduction_axis", "%s works along other axes than the reference",
                             c->s->nodes[node].op))
                return true;
        }
    }
    return false;
}

bool tap_fault_axis(tap_case *c) {
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        if (is_softmax(c->s, i) && try_axis(c, i, "softmax_axis")) return true;
        if (is_reduction(c->s, i) && try_axes(c, i)) return true;
        bool arg =
            tap_node_is(c->s, i, "ArgMax") || tap_node_is(c->s, i, "ArgMin") || tap_node_is(c->s, i, "TopK");
        if ((arg || tap_node_is(c->s, i, "LpNormalization")) && try_axis(c, i, "reduction_axis")) return true;
        if (tap_node_is(c->s, i, "LayerNormalization") && try_axis(c, i, "reduction_axis")) return true;
    }
    return false;
}

/* ---- epsilon ---- */

static const double epsilons[] = {1e-3, 1e-5, 1e-6, 1e-12, 1e-2, 1e-4, 1e-7, 1e-8, 0, 1e-10, 1e-1};

static bool is_user_of(const tap_segment *s, size_t i, const char *name) {
    for (size_t k = 0; k < s->nodes[i].n_inputs; k++)
        if (strcmp(s->nodes[i].inputs[k], name) == 0) return true;
    return false;
}

/* x + epsilon under a root: which input of the Add is the number; 2: it is no such Add. */
static size_t epsilon_input(tap_case *c, size_t node, double *value, bool *of_constant) {
    if (!tap_node_is(c->s, node, "Add") || c->s->nodes[node].n_inputs != 2) return 2;
    bool root = false;
    for (size_t i = node + 1; i < c->s->n_nodes; i++)
        root =
            root ||
            (is_user_of(c->s, i, c->s->nodes[node].outputs[0]) &&
             (tap_node_is(c->s, i, "Sqrt") || tap_node_is(c->s, i, "Rsqrt") || tap_node_is(c->s, i, "Pow")));
    for (size_t k = 0; root && k < 2; k++) {
        const tap_src_tensor *t = tap_constant_input(c->s, node, k);
        double *x = t && t->count == 1 ? tap_stored_doubles(&c->d->arena, t) : NULL;
        if (!x || !(x[0] >= 0) || x[0] > 0.2) continue;
        *value = x[0];
        *of_constant = tap_constant_input(c->s, node, 1 - k) != NULL;
        return k;
    }
    return 2;
}

static bool try_epsilon(tap_case *c, size_t node, size_t input, double is, const char *fault) {
    for (size_t i = 0; i < TAP_COUNT_OF(epsilons); i++) {
        double e = epsilons[i];
        if ((float)e == (float)is || !tap_case_begin(c)) continue;
        const tap_src_tensor *t = input < 2 ? tap_constant_input(c->s, node, input) : NULL;
        bool set = t ? tap_set_constant(c, node, input, t, &e, t->rank, t->dims)
                     : tap_set_float(&c->edit, node, "epsilon", e);
        if (set && tap_case_try(c, node, fault, "epsilon is %g, the reference is that of %g", is, e))
            return true;
    }
    return false;
}

bool tap_fault_epsilon(tap_case *c) {
    static const char *const norms[] = {"LayerNormalization",           "InstanceNormalization",
                                        "GroupNormalization",           "RMSNormalization",
                                        "SimplifiedLayerNormalization", "BatchNormalization"};
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        for (size_t k = 0; k < TAP_COUNT_OF(norms); k++) {
            if (!tap_node_is(c->s, i, norms[k])) continue;
            bool batch = *norms[k] == 'B';
            if (try_epsilon(c, i, 2, tap_float_attr(c->s, i, "epsilon", 1e-5),
                            batch ? "bn_epsilon" : "norm_epsilon"))
                return true;
        }
        double is = 0;
        bool batch = false;
        size_t input = epsilon_input(c, i, &is, &batch);
        if (input < 2 && try_epsilon(c, i, input, is, batch ? "bn_epsilon" : "norm_epsilon")) return true;
    }
    return false;
}

/* ---- words and numbers that can be one or the other ---- */

typedef struct choice {
    const char *op, *attr, *fault;
    const char *texts[6]; /* NULL first: 0 and 1 */
} choice;

static const choice choices[] = {
    {"Upsample", "mode", "resize_mode", {"nearest", "linear"}},
    {"GridSample", "align_corners", "resize_mode", {NULL}},
    {"GridSample", "mode", "resize_mode", {"linear", "bilinear", "nearest", "cubic", "bicubic"}},
    {"GridSample", "padding_mode", "padding_value", {"zeros", "border", "reflection"}},
    {"RoiAlign", "coordinate_transformation_mode", "resize_mode", {"half_pixel", "output_half_pixel"}},
    {"RoiAlign", "mode", "reduction", {"avg", "max"}},
    {"DepthToSpace", "mode", "channel_order", {"DCR", "CRD"}},
    {"Gelu", "approximate", "gelu_kind", {"none", "tanh"}},
    {"FastGelu", "approximate", "gelu_kind", {"none", "tanh"}},
    {"GRU", "linear_before_reset", "reset_after", {NULL}},
    {"GRU", "direction", "direction", {"forward", "reverse"}},
    {"LSTM", "direction", "direction", {"forward", "reverse"}},
    {"RNN", "direction", "direction", {"forward", "reverse"}},
    {"ScatterND", "reduction", "reduction", {"add", "none", "mul", "max", "min"}},
    {"ScatterElements", "reduction", "reduction", {"add", "none", "mul", "max", "min"}},
    {"CumSum", "exclusive", "reduction", {NULL}},
    {"CumSum", "reverse", "direction", {NULL}},
    {"TopK", "largest", "reduction", {NULL}},
    {"Gemm", "transB", "kernel_transposed", {NULL}},
    {"Gemm", "transA", "kernel_transposed", {NULL}},
    {"Attention", "is_causal", "attention_mask", {NULL}},
    {"Trilu", "upper", "attention_mask", {NULL}},
};

/* Attributes that came with a later opset: the piece is tried as if it were of that one. */
static bool raise_opset(tap_segment *s, int64_t to) {
    tap_src_opset *o = tap_arena_array(s->arena, s->model.n_opsets + 1, sizeof *o);
    if (!o) return false;
    for (size_t i = 0; i < s->model.n_opsets; i++) {
        o[i] = s->model.opsets[i];
        if (*o[i].domain == '\0' && o[i].version < to) o[i].version = to;
    }
    s->model.opsets = o;
    return true;
}

static bool try_choice(tap_case *c, size_t node, const choice *x, const char *text, int64_t number) {
    const tap_src_attr *a = tap_segment_attr(c->s, node, x->attr);
    if (text && a && a->kind == TAP_ATTR_STRING && a->u.s.n == strlen(text) &&
        memcmp(a->u.s.s, text, a->u.s.n) == 0)
        return false;
    if (!text && tap_int_attr(c->s, node, x->attr, strcmp(x->attr, "largest") == 0) == number) return false;
    if (!tap_case_begin(c)) return false;
    bool set =
        text ? tap_set_text(&c->edit, node, x->attr, text) : tap_set_int(&c->edit, node, x->attr, number);
    if (strcmp(x->fault, "reduction") == 0 && c->s->from[node]->opset < 16)
        set = set && raise_opset(&c->edit, 16);
    if (!set) return false;
    if (text) return tap_case_try(c, node, x->fault, "the reference is that of %s=%s", x->attr, text);
    return tap_case_try(c, node, x->fault, "the reference is that of %s=%lld", x->attr, (long long)number);
}

static bool try_choices(tap_case *c, size_t node, const choice *x) {
    if (!x->texts[0]) return try_choice(c, node, x, NULL, 0) || try_choice(c, node, x, NULL, 1);
    for (size_t k = 0; k < TAP_COUNT_OF(x->texts) && x->texts[k]; k++)
        if (try_choice(c, node, x, x->texts[k], 0)) return true;
    return false;
}

/* One operator for another that takes the same. */
static bool try_other_reduction(tap_case *c, size_t node) {
    static const char *const ops[] = {"ReduceMean", "ReduceSum",  "ReduceMax",
                                      "ReduceMin",  "ReduceProd", "ReduceL2"};
    for (size_t k = 0; k < TAP_COUNT_OF(ops); k++) {
        if (tap_node_is(c->s, node, ops[k]) || !tap_case_begin(c)) continue;
        c->edit.nodes[node].op = ops[k];
        if (tap_case_try(c, node, "reduction", "the model has %s, the reference is that of %s",
                         c->s->nodes[node].op, ops[k]))
            return true;
    }
    return false;
}

bool tap_fault_operator(tap_case *c) {
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        for (size_t k = 0; k < TAP_COUNT_OF(choices); k++)
            if (tap_node_is(c->s, i, choices[k].op) && try_choices(c, i, &choices[k])) return true;
        if (is_reduction(c->s, i) && try_other_reduction(c, i)) return true;
    }
    return false;
}

/* ---- Resize ---- */

static bool try_resize(tap_case *c, size_t node, const char *mode, const char *coordinates,
                       const char *nearest) {
    if (!tap_case_begin(c) || !tap_set_text(&c->edit, node, "mode", mode)) return false;
    if (c->s->from[node]->opset >= 11) {
        tap_set_text(&c->edit, node, "coordinate_transformation_mode", coordinates);
        if (nearest) tap_set_text(&c->edit, node, "nearest_mode", nearest);
    }
    return tap_case_try(c, node, "resize_mode", "the reference is that of mode %s, coordinates %s%s%s", mode,
                        coordinates, nearest ? ", " : "", nearest ? nearest : "");
}

static bool try_cubic(tap_case *c, size_t node) {
    double is = tap_float_attr(c->s, node, "cubic_coeff_a", -0.75), other = is < -0.6 ? -0.5 : -0.75;
    if (!tap_case_begin(c) || !tap_set_float(&c->edit, node, "cubic_coeff_a", other)) return false;
    return tap_case_try(c, node, "resize_mode", "cubic_coeff_a is %g, the reference is that of %g", is,
                        other);
}

static bool try_flag(tap_case *c, size_t node, const char *attr) {
    int64_t is = tap_int_attr(c->s, node, attr, 0);
    if (!tap_case_begin(c) || !tap_set_int(&c->edit, node, attr, !is)) return false;
    return tap_case_try(c, node, "resize_mode", "%s is %d, the reference is that of %d", attr, is != 0,
                        is == 0);
}

bool tap_fault_resize(tap_case *c) {
    static const char *const coordinates[] = {"half_pixel",           "asymmetric",
                                              "align_corners",        "pytorch_half_pixel",
                                              "half_pixel_symmetric", "tf_half_pixel_for_nn"};
    static const char *const nearest[] = {"floor", "round_prefer_floor", "round_prefer_ceil", "ceil"};
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        if (!tap_node_is(c->s, i, "Resize")) continue;
        for (size_t k = 0; k < TAP_COUNT_OF(coordinates); k++) {
            if (try_resize(c, i, "linear", coordinates[k], NULL) ||
                try_resize(c, i, "cubic", coordinates[k], NULL))
                return true;
            for (size_t m = 0; m < TAP_COUNT_OF(nearest); m++)
                if (try_resize(c, i, "nearest", coordinates[k], nearest[m])) return true;
        }
        if (try_cubic(c, i) || try_flag(c, i, "antialias") || try_flag(c, i, "exclude_outside")) return true;
    }
    return false;
}
