/* Faults of weights: transposed, flipped, gates or channels in another order, statistics, numbers that are
 * not finite or that were rounded. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/half.h"
#include "core/permute.h"
#include "diff/faults.h"
#include "onnxtap/record.h"

#define WEIGHTS_MAX (INT64_C(1) << 24)

static bool has_weights(const tap_segment *s, size_t i) {
    static const char *const ops[] = {"Conv", "ConvTranspose", "Gemm", "MatMul",     "Einsum",
                                      "LSTM", "GRU",           "RNN",  "DeformConv", "Gather"};
    for (size_t k = 0; k < TAP_COUNT_OF(ops); k++)
        if (tap_node_is(s, i, ops[k])) return true;
    return false;
}

/* A float constant that a node weighs by. */
static const tap_src_tensor *weights_of(const tap_case *c, size_t node, size_t k) {
    const tap_src_tensor *t = has_weights(c->s, node) ? tap_constant_input(c->s, node, k) : NULL;
    bool is = t && tap_epsilon(t->dtype) > 0 && t->rank >= 2 && t->count <= WEIGHTS_MAX;
    return is ? t : NULL;
}

/* ---- not finite ---- */

bool tap_fault_nonfinite(tap_case *c) {
    const tap_src_graph *g = &c->s->model.graph;
    for (size_t i = 0; i < g->n_inits; i++) {
        const tap_src_tensor *t = &g->inits[i];
        double *x = tap_epsilon(t->dtype) > 0 ? tap_stored_doubles(&c->arena, t) : NULL;
        int64_t at = -1, n = 0;
        for (int64_t k = 0; x && k < t->count; k++)
            if (isnan(x[k]) || (isinf(x[k]) && t->count > 1)) n++, at = at < 0 ? k : at;
        if (n == 0) continue;
        /* A mask is full of infinities, and its reference is finite with them. */
        if (isfinite(c->gap) && !isnan(x[at])) continue;
        size_t node = SIZE_MAX;
        for (size_t k = 0; k < c->s->n_nodes && node == SIZE_MAX; k++)
            for (size_t m = 0; m < c->s->nodes[k].n_inputs; m++)
                if (strcmp(c->s->nodes[k].inputs[m], t->name) == 0) node = k;
        return tap_case_note(c, 0, node, "nonfinite_weight",
                             "initializer '%s' has %lld element%s not finite, first element %lld: %g",
                             t->name, (long long)n, n == 1 ? " that is" : "s that are", (long long)at, x[at]);
    }
    return false;
}

/* ---- kernels ---- */

static void permuted(const double *x, int rank, const int64_t *dims, const int *perm, double *y) {
    tap_copy_permuted(sizeof *x, rank, dims, perm, x, y);
}

/* The kernel with two axes of equal size exchanged. */
static bool try_swapped(tap_case *c, size_t node, size_t k, const tap_src_tensor *t, const double *x,
                        double *y) {
    for (int a = 0; a < t->rank; a++)
        for (int b = a + 1; b < t->rank; b++) {
            int perm[TAP_RANK_MAX];
            for (int i = 0; i < t->rank; i++) perm[i] = i == a ? b : i == b ? a : i;
            if (t->dims[a] != t->dims[b] || t->dims[a] == 1 || !tap_case_begin(c)) continue;
            permuted(x, t->rank, t->dims, perm, y);
            if (tap_set_constant(c, node, k, t, y, t->rank, t->dims) &&
                tap_case_try(c, node, "kernel_transposed",
                             "the reference is that of '%s' with axes %d and %d exchanged", t->name, a, b))
                return true;
        }
    return false;
}

/* The kernel's bytes were written in another order of axes than they are read in. */
static bool try_reread(tap_case *c, size_t node, size_t k, const tap_src_tensor *t, const double *x,
                       double *y) {
    int order[TAP_RANK_MAX], back[TAP_RANK_MAX];
    int64_t dims[TAP_RANK_MAX];
    if (t->rank > 5) return false;
    for (int i = 0; i < t->rank; i++) order[i] = i;
    while (tap_next_permutation(order, t->rank)) {
        for (int i = 0; i < t->rank; i++) dims[i] = t->dims[order[i]], back[order[i]] = i;
        if (!tap_case_begin(c)) return false;
        permuted(x, t->rank, dims, back, y);
        if (tap_set_constant(c, node, k, t, y, t->rank, t->dims) &&
            tap_case_try(c, node, "kernel_transposed",
                         "'%s' was written in another order of axes than it is read in", t->name))
            return true;
    }
    return false;
}

static void flip(const double *x, const tap_src_tensor *t, unsigned axes, double *y) {
    int64_t at[TAP_RANK_MAX] = {0};
    for (int64_t i = 0; i < t->count; i++) {
        int64_t from = 0;
        for (int a = 0; a < t->rank; a++)
            from = from * t->dims[a] + (axes >> a & 1 ? t->dims[a] - 1 - at[a] : at[a]);
        y[i] = x[from];
        for (int a = t->rank - 1; a >= 0 && ++at[a] == t->dims[a]; a--) at[a] = 0;
    }
}

static bool try_flipped(tap_case *c, size_t node, size_t k, const tap_src_tensor *t, const double *x,
                        double *y) {
    unsigned space = t->rank >= 3 ? ((1u << t->rank) - 1) & ~3u : 0;
    for (unsigned axes = 1; axes < 1u << t->rank; axes++) {
        bool within = (axes & ~space) == 0, one = (axes & (axes - 1)) == 0;
        if ((!within && !one) || !tap_case_begin(c)) continue;
        flip(x, t, axes, y);
        const char *fault = within ? "kernel_flipped" : "channel_order";
        if (tap_set_constant(c, node, k, t, y, t->rank, t->dims) &&
            tap_case_try(c, node, fault,
                         within ? "the reference is that of '%s' flipped in space"
                                : "the reference is that of '%s' with its channels reversed",
                         t->name))
            return true;
    }
    return false;
}

bool tap_has_initial_statistics(tap_case *c, size_t node) {
    if (!tap_node_is(c->s, node, "BatchNormalization")) return false;
    for (size_t k = 3; k < 5; k++) {
        const tap_src_tensor *t = tap_constant_input(c->s, node, k);
        double *x = t ? tap_stored_doubles(&c->d->arena, t) : NULL;
        for (int64_t i = 0; x && i < t->count; i++)
            if (x[i] != (double)(k == 4)) return false;
        if (!x) return false;
    }
    return true;
}

static bool try_kernel(tap_case *c, size_t node, size_t k) {
    const tap_src_tensor *t = weights_of(c, node, k);
    double *x = t ? tap_stored_doubles(&c->d->arena, t) : NULL;
    double *y = x ? tap_arena_array(&c->d->arena, (size_t)t->count, sizeof *y) : NULL;
    if (!y || t->rank > 6) return false;
    bool window = t->rank >= 3 && !tap_node_is(c->s, node, "LSTM") && !tap_node_is(c->s, node, "GRU");
    return try_swapped(c, node, k, t, x, y) || (window && try_flipped(c, node, k, t, x, y)) ||
           try_reread(c, node, k, t, x, y);
}

bool tap_fault_kernel(tap_case *c) {
    for (size_t i = 0; i < c->s->n_nodes; i++)
        for (size_t k = 0; k < c->s->nodes[i].n_inputs && k < 3; k++)
            if (try_kernel(c, i, k)) return true;
    return false;
}

/* ---- statistics of a BatchNormalization ---- */

/* Inputs a and b change places. */
static bool try_exchanged(tap_case *c, size_t node, size_t a, size_t b, const char *fault, const char *what) {
    if (!tap_case_begin(c)) return false;
    const char *x = c->s->nodes[node].inputs[a], *y = c->s->nodes[node].inputs[b];
    if (!tap_set_input(c, node, a, y) || !tap_set_input(c, node, b, x)) return false;
    return tap_case_try(c, node, fault, "%s", what);
}

/* Inputs of mask are all zeros or all ones. */
static bool try_initial(tap_case *c, size_t node, unsigned zeros, unsigned ones, const char *fault,
                        const char *what) {
    if (!tap_case_begin(c)) return false;
    for (size_t k = 1; k < 5; k++) {
        const tap_src_tensor *t = tap_constant_input(c->s, node, k);
        bool one = ones >> k & 1;
        if (!one && !(zeros >> k & 1)) continue;
        double *x = t ? tap_arena_array(&c->arena, (size_t)t->count + 1, sizeof *x) : NULL;
        for (int64_t i = 0; x && i < t->count; i++) x[i] = one;
        if (!x || !tap_set_constant(c, node, k, t, x, t->rank, t->dims)) return false;
    }
    return tap_case_try(c, node, fault, "%s", what);
}

bool tap_fault_statistics(tap_case *c) {
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        if (!tap_node_is(c->s, i, "BatchNormalization") || c->s->nodes[i].n_inputs < 5) continue;
        if (try_exchanged(c, i, 3, 4, "bn_statistics", "mean and variance have changed places") ||
            try_exchanged(c, i, 1, 2, "bn_scale_shift", "scale and shift have changed places") ||
            try_initial(c, i, 1 << 3, 1 << 4, "bn_statistics",
                        "the reference has the initial statistics, mean 0 and variance 1") ||
            try_initial(c, i, 1 << 3, 0, "bn_statistics", "the reference has mean 0") ||
            try_initial(c, i, 0, 1 << 4, "bn_statistics", "the reference has variance 1") ||
            try_initial(c, i, 0, 1 << 1, "bn_scale_shift", "the reference has scale 1") ||
            try_initial(c, i, 1 << 2, 0, "bn_scale_shift", "the reference has shift 0"))
            return true;
    }
    return false;
}

/* ---- gates ---- */

/* Blocks of size rows / gates along axis 1 (of W, R), or twice as many along axis 1 of B, in the order perm.
 */
static bool set_gates(tap_case *c, size_t node, size_t k, int gates, const int *perm) {
    const tap_src_tensor *t = tap_constant_input(c->s, node, k);
    if (!t) return true;
    int groups = k == 3 ? 2 : 1;
    int64_t inner = t->rank == 3 ? t->dims[2] : 1, blocks = (int64_t)gates * groups;
    if (t->rank < 2 || t->dims[1] % blocks != 0) return false;
    int64_t size = t->dims[1] / blocks * inner, n = t->dims[0] * blocks;
    double *x = tap_stored_doubles(&c->arena, t),
           *y = tap_arena_array(&c->arena, (size_t)t->count + 1, sizeof *y);
    if (!x || !y) return false;
    for (int64_t b = 0; b < n; b++) {
        int64_t from = b / gates * gates + perm[b % gates];
        memcpy(y + b * size, x + from * size, (size_t)size * sizeof *y);
    }
    return tap_set_constant(c, node, k, t, y, t->rank, t->dims);
}

static bool try_gates(tap_case *c, size_t node, const char *names) {
    int perm[4] = {0, 1, 2, 3}, gates = (int)strlen(names);
    while (tap_next_permutation(perm, gates)) {
        char order[5] = "";
        for (int i = 0; i < gates; i++) order[perm[i]] = names[i];
        order[gates] = '\0';
        if (!tap_case_begin(c) || !set_gates(c, node, 1, gates, perm) ||
            !set_gates(c, node, 2, gates, perm) || !set_gates(c, node, 3, gates, perm))
            return false;
        if (tap_case_try(c, node, "gate_order", "the weights' gates lie in the order %s, %s reads them as %s",
                         order, c->s->nodes[node].op, names))
            return true;
    }
    return false;
}

bool tap_fault_gates(tap_case *c) {
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        if (tap_node_is(c->s, i, "LSTM") && try_gates(c, i, "iofc")) return true;
        if (tap_node_is(c->s, i, "GRU") && try_gates(c, i, "zrh")) return true;
    }
    return false;
}

/* ---- recurrent layers that were written out as loops ---- */

/* Every float initializer of g whose last axis has `size` elements gets its `gates` blocks in the order perm.
 */
static bool permute_last(tap_arena *a, tap_src_graph *g, int64_t size, int gates, const int *perm,
                         bool *any) {
    tap_src_tensor *inits = tap_arena_array(a, g->n_inits + 1, sizeof *inits);
    if (!inits) return false;
    for (size_t i = 0; i < g->n_inits; i++) {
        tap_src_tensor *t = &inits[i];
        *t = g->inits[i];
        if (t->rank < 1 || t->dims[t->rank - 1] != size || tap_epsilon(t->dtype) == 0) continue;
        size_t each = tap_dtype_bytes(t->dtype), block = (size_t)(size / gates) * each;
        char *y = tap_arena_array(a, t->n_bytes + 1, 1);
        if (!y) return false;
        for (size_t at = 0; at < t->n_bytes / block; at++) {
            size_t from = at / (size_t)gates * (size_t)gates + (size_t)perm[at % (size_t)gates];
            memcpy(y + at * block, (const char *)t->data + from * block, block);
        }
        t->data = y;
        *any = true;
    }
    g->inits = inits;
    return true;
}

static bool permute_bodies(tap_case *c, size_t node, int64_t size, int gates, const int *perm, bool *any) {
    for (size_t k = 0; k < c->edit.nodes[node].n_attrs; k++) {
        tap_src_attr *x = (tap_src_attr *)(uintptr_t)&c->edit.nodes[node].attrs[k];
        if (x->kind != TAP_ATTR_GRAPH) continue;
        const tap_src_graph **list = tap_arena_array(&c->arena, 1, sizeof *list);
        tap_src_graph *g = tap_arena_zero(&c->arena, sizeof *g);
        if (!list || !g) return false;
        *g = *x->u.graphs[0];
        if (!permute_last(&c->arena, g, size, gates, perm, any)) return false;
        list[0] = g;
        x->u.graphs = list;
    }
    return true;
}

static bool try_loop_gates(tap_case *c, int64_t size, int gates) {
    int perm[4] = {0, 1, 2, 3};
    while (tap_next_permutation(perm, gates)) {
        bool any = false;
        size_t loop = SIZE_MAX;
        if (!tap_case_begin(c) || !permute_last(&c->arena, &c->edit.model.graph, size, gates, perm, &any))
            return false;
        for (size_t i = 0; i < c->s->n_nodes; i++) {
            if (c->s->from[i]->has_bodies) loop = i;
            if (!permute_bodies(c, i, size, gates, perm, &any)) return false;
        }
        if (any && tap_case_try(c, loop, "gate_order",
                                "the weights' gates lie in another order than the loop reads them"))
            return true;
    }
    return false;
}

bool tap_fault_recurrent(tap_case *c) {
    bool loops = false;
    int64_t tried[8], n = 0;
    for (size_t i = 0; i < c->s->n_nodes; i++) loops = loops || c->s->from[i]->has_bodies;
    const tap_src_graph *g = &c->s->model.graph;
    for (size_t i = 0; loops && i < g->n_inits; i++) {
        const tap_src_tensor *t = &g->inits[i];
        int64_t size = t->rank ? t->dims[t->rank - 1] : 0;
        bool seen = size < 6 || tap_epsilon(t->dtype) == 0 || n == 8;
        for (int64_t k = 0; k < n; k++) seen = seen || tried[k] == size;
        if (seen) continue;
        tried[n++] = size;
        if (size % 3 == 0 && try_loop_gates(c, size, 3)) return true;
        if (size % 4 == 0 && try_loop_gates(c, size, 4)) return true;
    }
    return false;
}

/* ---- numbers on a lattice ---- */

typedef enum lattice { LATTICE_NONE, LATTICE_HALF, LATTICE_BFLOAT, LATTICE_INT8, LATTICE_INT4 } lattice;

static bool all_half(const double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if ((double)tap_f16_to_f32(tap_f32_to_f16((float)x[i])) != x[i]) return false;
    return true;
}

static bool all_bfloat(const double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if ((tap_f32_bits((float)x[i]) & 0xFFFF) != 0) return false;
    return true;
}

/* All of n numbers, every `step`, are whole multiples of one, at most `levels` on either side. */
static bool all_whole(const double *x, int64_t n, int64_t step, double levels) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(x[i * step]));
    for (double top = levels; top >= levels - 1; top--) {
        double unit = most / top;
        bool all = unit > 0;
        for (int64_t i = 0; i < n && all; i++) {
            double k = x[i * step] / unit;
            all = fabs(k - nearbyint(k)) < 1e-3;
        }
        if (all) return true;
    }
    return false;
}

/* Whole multiples of one number for all, or of one for each index of some axis. */
static bool on_steps(const double *x, const tap_src_tensor *t, double levels) {
    if (all_whole(x, t->count, 1, levels)) return true;
    for (int axis = 0; axis < t->rank; axis++) {
        int64_t inner = 1, outer = 1, bad = 0;
        for (int k = axis + 1; k < t->rank; k++) inner *= t->dims[k];
        for (int k = 0; k < axis; k++) outer *= t->dims[k];
        if (inner * outer < 8) continue;
        for (int64_t i = 0; i < t->dims[axis] && !bad; i++) {
            /* An index of the axis is `outer` runs of `inner` numbers: of them the first run tells enough. */
            const double *row = x + i * inner;
            if (outer == 1 || inner >= 8)
                bad += !all_whole(row, inner, 1, levels);
            else
                bad += !all_whole(row, outer, inner * t->dims[axis], levels);
        }
        if (!bad) return true;
    }
    return false;
}

static lattice lattice_of(const double *x, const tap_src_tensor *t) {
    int64_t zeros = 0;
    for (int64_t i = 0; i < t->count; i++) zeros += x[i] == 0;
    if (t->count - zeros < 16) return LATTICE_NONE;
    if (on_steps(x, t, 7)) return LATTICE_INT4;
    if (on_steps(x, t, 127)) return LATTICE_INT8;
    if (all_bfloat(x, t->count)) return LATTICE_BFLOAT;
    return all_half(x, t->count) ? LATTICE_HALF : LATTICE_NONE;
}

/* How far a weight may be from what it was before it was rounded, as a share of itself, or of the largest. */
static double moved_by(lattice l, double x, double most, uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    double u = (double)(*state >> 40) / 0x1p24 - 0.5;
    switch (l) {
    case LATTICE_HALF: return x * (1 + u * 0x1p-10);
    case LATTICE_BFLOAT: return x * (1 + u * 0x1p-7);
    case LATTICE_INT8: return x + u * most / 127;
    case LATTICE_INT4: return x + u * most / 7;
    default: return x;
    }
}

/* Rounding moves the result about as far as the reference is away. */
static bool try_lattice(tap_case *c, size_t node, size_t k, const tap_src_tensor *t, const double *x,
                        lattice l) {
    static const char *const names[] = {"", "float16", "bfloat16", "8-bit integers times a scale",
                                        "4-bit integers times a scale"};
    uint64_t state = 1;
    double most = 0;
    if (!tap_case_begin(c)) return false;
    double *y = tap_arena_array(&c->arena, (size_t)t->count + 1, sizeof *y);
    if (!y) return false;
    for (int64_t i = 0; i < t->count; i++) most = fmax(most, fabs(x[i]));
    for (int64_t i = 0; i < t->count; i++) y[i] = moved_by(l, x[i], most, &state);
    if (!tap_set_constant(c, node, k, t, y, t->rank, t->dims)) return false;
    const tap_value *const *in = (const tap_value *const *)c->piece->in;
    tap_value **out = tap_arena_array(&c->arena, c->s->n_out + 1, sizeof *out);
    if (!out || tap_lab_run(&c->d->parts.lab, &c->edit, false, in, out, NULL) != TAP_OK) return false;
    double moved = tap_gap(out[c->piece->want], c->piece->by_model);
    tap_release_all(out, c->s->n_out);
    if (!(moved > c->gap / 8 && moved < c->gap * 8)) return false;
    /* Evidence, no cure: what is left is the difference itself. */
    c->good = fmax(c->good, c->gap);
    return tap_case_note(
        c, c->gap, node, "weights_rounded",
        "all of '%s' are %s, and rounding them moves the result as far (%.3g) as the reference is away",
        t->name, names[l], moved);
}

bool tap_fault_rounded(tap_case *c) {
    if (!isfinite(c->gap) || c->fault) return false;
    for (size_t i = 0; i < c->s->n_nodes; i++)
        for (size_t k = 0; k < c->s->nodes[i].n_inputs && k < 3; k++) {
            const tap_src_tensor *t = weights_of(c, i, k);
            double *x = t && t->dtype == TAP_FLOAT ? tap_stored_doubles(&c->d->arena, t) : NULL;
            lattice l = x ? lattice_of(x, t) : LATTICE_NONE;
            if (l != LATTICE_NONE && try_lattice(c, i, k, t, x, l)) return true;
        }
    return false;
}

/* ---- other weights ---- */

bool tap_is_weighted(const tap_segment *s) {
    for (size_t i = 0; i < s->n_nodes; i++)
        for (size_t k = 0; k < s->nodes[i].n_inputs && k < 3; k++) {
            const tap_src_tensor *t = has_weights(s, i) ? tap_constant_input(s, i, k) : NULL;
            if (t && t->rank >= 2 && tap_epsilon(t->dtype) > 0) return true;
        }
    return false;
}

/* Nothing else is left in a piece that only weighs, adds and moves: every other reading of it was tried. */
bool tap_fault_weights(tap_case *c) {
    static const char *const plain[] = {"Add",       "Relu",     "Transpose", "Reshape", "Squeeze",
                                        "Unsqueeze", "Identity", "Constant",  "Softmax", "Shape"};
    size_t node = SIZE_MAX;
    if (c->fault || !isfinite(c->gap)) return false;
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        bool weighs = false, is_plain = false;
        for (size_t k = 0; k < c->s->nodes[i].n_inputs && k < 3; k++) weighs = weighs || weights_of(c, i, k);
        for (size_t k = 0; k < TAP_COUNT_OF(plain); k++)
            is_plain = is_plain || tap_node_is(c->s, i, plain[k]);
        /* Indices. */
        const tap_tensor *y = c->inner ? tap_value_tensor(c->inner[i]) : NULL;
        is_plain = is_plain || (y && tap_epsilon(y->dtype) == 0);
        if (weighs && node != SIZE_MAX) return false;
        if (weighs) node = i;
        if (!weighs && !is_plain) return false;
    }
    if (node == SIZE_MAX) return false;
    c->good = fmax(c->good, c->gap);
    return tap_case_note(c, c->gap, node, "other_weights",
                         "no other reading of it makes the reference's result, and it only weighs and adds: "
                         "its weights are others");
}

/* ---- the model as a whole ---- */

double tap_weights_epsilon(const tap_bound *b, bool *integers) {
    const tap_src_graph *g = b->main->src;
    tap_arena arena;
    tap_arena_init(&arena, NULL);
    size_t n = 0, of[5] = {0};
    for (size_t i = 0; i < g->n_inits; i++) {
        const tap_src_tensor *t = &g->inits[i];
        if (t->dtype != TAP_FLOAT || t->rank < 2 || t->count < 32 || t->count > WEIGHTS_MAX) continue;
        double *x = tap_stored_doubles(&arena, t);
        if (!x) continue;
        lattice l = lattice_of(x, t);
        tap_arena_clear(&arena);
        n++;
        of[l]++;
        if (l == LATTICE_NONE) break;
    }
    tap_arena_clear(&arena);
    *integers = n >= 2 && of[LATTICE_INT8] + of[LATTICE_INT4] == n;
    if (n < 2 || of[LATTICE_NONE] || of[LATTICE_INT8] + of[LATTICE_INT4]) return 0;
    return tap_epsilon(of[LATTICE_BFLOAT] == n ? TAP_BFLOAT16 : TAP_FLOAT16);
}

/* ---- channels ---- */

/* Input `input` of the piece with one axis reversed. */
static bool try_reversed_input(tap_case *c, size_t input, int axis, int64_t n) {
    if (!tap_case_begin(c)) return false;
    const char *x = c->s->model.graph.inputs[input].name, *y = tap_segment_name(&c->edit, "reversed");
    int64_t *index = tap_arena_array(&c->arena, (size_t)n, sizeof *index);
    const char *in[2] = {x, tap_segment_name(&c->edit, "order")};
    if (!y || !in[1] || !index) return false;
    for (int64_t i = 0; i < n; i++) index[i] = n - 1 - i;
    if (!tap_segment_init(&c->edit, in[1], TAP_INT64, 1, &n, index) ||
        !tap_segment_rename_uses(&c->edit, 0, x, y) || !tap_segment_node(&c->edit, 0, "Gather", in, 2, y) ||
        !tap_set_int(&c->edit, 0, "axis", axis))
        return false;
    return tap_case_try(c, SIZE_MAX, "channel_order",
                        "the reference is that of '%s' with its %lld channels reversed (RGB and BGR)", x,
                        (long long)n);
}

/* ours[..., i, ...] for each i of an axis: its first moments, which a permutation of channels keeps. */
static bool channel_permutation(const tap_tensor *a, const tap_tensor *b, int axis, int64_t *from) {
    int64_t n = a->dims[axis], inner = 1;
    for (int k = axis + 1; k < a->rank; k++) inner *= a->dims[k];
    double sums[3][2][256] = {{{0}}};
    if (n < 2 || n > 256 || a->count / n < 4) return false;
    for (int64_t i = 0; i < a->count; i++) {
        double x, y;
        int64_t ch = i / inner % n;
        if (!tap_tensor_doubles(a, i, 1, &x) || !tap_tensor_doubles(b, i, 1, &y)) return false;
        double w = 1 + 0.37 * (double)(i / inner / n % 7) + 0.11 * (double)(i % inner % 13);
        sums[0][0][ch] += x, sums[0][1][ch] += y;
        sums[1][0][ch] += x * x, sums[1][1][ch] += y * y;
        sums[2][0][ch] += w * x, sums[2][1][ch] += w * y;
    }
    bool moved = false;
    for (int64_t k = 0; k < n; k++) {
        double least = INFINITY;
        for (int64_t m = 0; m < n; m++) {
            double gap = 0;
            for (int s = 0; s < 3; s++) gap += fabs(sums[s][0][m] - sums[s][1][k]);
            if (gap < least) least = gap, from[k] = m;
        }
        moved = moved || from[k] != k;
    }
    return moved;
}

static double gap_of_channels(const tap_tensor *a, const tap_tensor *b, int axis, const int64_t *from) {
    int64_t n = a->dims[axis], inner = 1;
    double gap = 0;
    for (int k = axis + 1; k < a->rank; k++) inner *= a->dims[k];
    for (int64_t i = 0; i < a->count; i++) {
        double x, y;
        int64_t ch = i / inner % n;
        tap_tensor_doubles(a, i + (from[ch] - ch) * inner, 1, &x);
        tap_tensor_doubles(b, i, 1, &y);
        if (!(fabs(x - y) <= gap)) gap = fabs(x - y);
    }
    return gap;
}

static bool try_output_channels(tap_case *c) {
    const tap_tensor *a = tap_value_tensor(c->piece->by_model), *b = c->want;
    int64_t from[256];
    if (!isfinite(c->gap)) return false;
    for (int axis = 1; axis < a->rank; axis++)
        if (channel_permutation(a, b, axis, from) &&
            tap_case_note(c, gap_of_channels(a, b, axis, from), SIZE_MAX, "channel_order",
                          "the numbers are the reference's with the channels of axis %d in another order",
                          axis))
            return true;
    return false;
}

bool tap_fault_channels(tap_case *c) {
    for (size_t i = 0; i < c->s->n_in; i++) {
        const tap_tensor *t = tap_value_tensor(c->piece->in[i]);
        for (int axis = 0; t && axis < t->rank; axis++)
            if (t->dims[axis] >= 2 && t->dims[axis] <= 4 && try_reversed_input(c, i, axis, t->dims[axis]))
                return true;
    }
    return try_output_channels(c);
}
