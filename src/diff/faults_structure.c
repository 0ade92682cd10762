/* Faults of order and structure: what is put together, flattened or transposed in another order, rounded or
 * stored in another way. */
#include <math.h>
#include <string.h>

#include "core/half.h"
#include "core/permute.h"
#include "diff/faults.h"
#include "diff/widen.h"
#include "onnxtap/record.h"

/* ---- order of inputs ---- */

#define ALL_ORDERS 4

static bool try_order(tap_case *c, size_t node, const int *perm, int n) {
    const char *in[ALL_ORDERS];
    if (!tap_case_begin(c)) return false;
    for (int i = 0; i < n; i++) in[i] = c->s->nodes[node].inputs[perm[i]];
    for (int i = 0; i < n; i++)
        if (!tap_set_input(c, node, (size_t)i, in[i])) return false;
    return tap_case_try(c, node, "concat_order",
                        "%s puts its inputs together in another order than the reference",
                        c->s->nodes[node].op);
}

static bool try_exchange(tap_case *c, size_t node, size_t a, size_t b, const char *fault, const char *what) {
    if (!tap_case_begin(c)) return false;
    const char *x = c->s->nodes[node].inputs[a], *y = c->s->nodes[node].inputs[b];
    if (!tap_set_input(c, node, a, y) || !tap_set_input(c, node, b, x)) return false;
    return tap_case_try(c, node, fault, "%s", what);
}

static bool try_concat(tap_case *c, size_t node) {
    int n = (int)c->s->nodes[node].n_inputs, perm[ALL_ORDERS] = {0, 1, 2, 3};
    const char *what = "two of its inputs have changed places";
    if (n <= ALL_ORDERS) {
        while (tap_next_permutation(perm, n))
            if (try_order(c, node, perm, n)) return true;
    } else {
        for (size_t a = 0; a < (size_t)n; a++)
            for (size_t b = a + 1; b < (size_t)n; b++)
                if (try_exchange(c, node, a, b, "concat_order", what)) return true;
    }
    const tap_tensor *x = tap_inner(c, c->s->nodes[node].inputs[0]);
    for (int axis = 0; x && axis < x->rank; axis++) {
        if (!tap_case_begin(c) || !tap_set_int(&c->edit, node, "axis", axis)) return false;
        if (tap_case_try(c, node, "concat_order", "the reference puts the inputs together along axis %d",
                         axis))
            return true;
    }
    return false;
}

bool tap_fault_concat(tap_case *c) {
    static const char *const ops[] = {"Sub", "Div", "Pow", "MatMul", "Less", "Greater", "Where", "Mod"};
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        if (tap_node_is(c->s, i, "Concat") && c->s->nodes[i].n_inputs > 1 && try_concat(c, i)) return true;
        for (size_t k = 0; k < TAP_COUNT_OF(ops); k++) {
            size_t first = tap_node_is(c->s, i, "Where");
            if (tap_node_is(c->s, i, ops[k]) && c->s->nodes[i].n_inputs >= first + 2 &&
                try_exchange(c, i, first, first + 1, "operand_order", "its operands have changed places"))
                return true;
        }
    }
    return false;
}

/* ---- layouts and flattening ---- */

static bool set_perm(tap_segment *s, size_t node, const int *perm, int rank) {
    int64_t p[TAP_RANK_MAX];
    for (int i = 0; i < rank; i++) p[i] = perm[i];
    return tap_set_ints(s, node, "perm", p, (size_t)rank);
}

/* A Transpose of input 0 in front of the node. */
static bool transpose_first(tap_case *c, size_t node, const int *perm, int rank) {
    const char *x = c->edit.nodes[node].inputs[0], *y = tap_segment_name(&c->edit, "transposed");
    return y && tap_segment_node(&c->edit, node, "Transpose", &x, 1, y) &&
           set_perm(&c->edit, node, perm, rank) && tap_set_input(c, node + 1, 0, y);
}

static bool try_flatten(tap_case *c, size_t node) {
    const tap_tensor *x = tap_inner(c, c->s->nodes[node].inputs[0]);
    int perm[TAP_RANK_MAX];
    if (!x || x->rank < 3 || x->rank > 5) return false;
    for (int i = 0; i < x->rank; i++) perm[i] = i;
    while (tap_next_permutation(perm, x->rank) && perm[0] == 0) {
        if (!tap_case_begin(c) || !transpose_first(c, node, perm, x->rank)) return false;
        if (tap_case_try(c, node, "flatten_order",
                         "%s reads the elements in another order of axes than the reference (HWC and CHW)",
                         c->s->nodes[node].op))
            return true;
    }
    return false;
}

/* What a node makes goes into a Reshape or Flatten. */
static bool is_flattened(const tap_case *c, size_t node) {
    for (size_t i = node + 1; i < c->s->n_nodes; i++) {
        bool flat = tap_node_is(c->s, i, "Reshape") || tap_node_is(c->s, i, "Flatten");
        if (flat && strcmp(c->s->nodes[i].inputs[0], c->s->nodes[node].outputs[0]) == 0) return true;
    }
    return false;
}

static bool try_transpose(tap_case *c, size_t node) {
    const tap_tensor *x = tap_inner(c, c->s->nodes[node].inputs[0]);
    int perm[TAP_RANK_MAX];
    if (!x || x->rank < 2 || x->rank > 5) return false;
    const char *fault = is_flattened(c, node) && c->want->rank < x->rank ? "flatten_order" : "layout";
    for (int i = 0; i < x->rank; i++) perm[i] = i;
    do {
        if (!tap_case_begin(c) || !set_perm(&c->edit, node, perm, x->rank)) return false;
        if (tap_case_try(c, node, fault, "Transpose puts the axes in another order than the reference"))
            return true;
    } while (tap_next_permutation(perm, x->rank));
    return false;
}

/* The Reshape or Flatten that a value of the main graph comes from, through nodes that keep the order. */
static const tap_gvalue *flattened_from(const tap_graph *g, tap_vid v) {
    for (int steps = 0; steps < 8 && v != TAP_NO_VALUE && g->values[v].producer; steps++) {
        const tap_node *n = g->values[v].producer;
        const char *op = n->src->op;
        if (n->n_in < 1 || n->in[0] == TAP_NO_VALUE) return NULL;
        if (strcmp(op, "Reshape") == 0 || strcmp(op, "Flatten") == 0) return &g->values[n->in[0]];
        bool keeps = strcmp(op, "Relu") == 0 || strcmp(op, "Dropout") == 0 || strcmp(op, "Identity") == 0 ||
                     strcmp(op, "Cast") == 0 || strcmp(op, "Squeeze") == 0 || strcmp(op, "Unsqueeze") == 0;
        if (!keeps) return NULL;
        v = n->in[0];
    }
    return NULL;
}

/* Rows of w[k][n] in another order of the axes dims, whose product is k. */
static bool try_rows(tap_case *c, size_t node, const tap_src_tensor *t, const double *w, double *y, int rank,
                     const int64_t *dims, bool by_columns) {
    int perm[TAP_RANK_MAX], full[TAP_RANK_MAX];
    int64_t shape[TAP_RANK_MAX];
    for (int i = 0; i < rank; i++) perm[i] = i;
    while (tap_next_permutation(perm, rank)) {
        /* The rows lie as the axes in the order perm say; they are put in the order of dims. */
        for (int i = 0; i < rank; i++) {
            shape[by_columns + i] = dims[perm[i]];
            full[by_columns + perm[i]] = by_columns + i;
        }
        int other = by_columns ? 0 : rank;
        shape[other] = t->dims[by_columns ? 0 : 1];
        full[other] = other;
        if (!tap_case_begin(c)) return false;
        tap_copy_permuted(sizeof *w, rank + 1, shape, full, w, y);
        if (tap_set_constant(c, node, 1, t, y, t->rank, t->dims) &&
            tap_case_try(c, node, "flatten_order",
                         "the rows of '%s' are for elements flattened in another order of axes (HWC and CHW)",
                         t->name))
            return true;
    }
    return false;
}

static bool try_weight_rows(tap_case *c, size_t node) {
    const tap_src_tensor *t = tap_constant_input(c->s, node, 1);
    if (!t || t->rank != 2 || tap_epsilon(t->dtype) == 0 || t->count > 1 << 24) return false;
    bool by_columns = tap_node_is(c->s, node, "Gemm") && tap_int_attr(c->s, node, "transB", 0) != 0;
    const tap_gvalue *x = flattened_from(c->s->graph, c->s->from[node]->in[0]);
    if (!x || x->type.rank < 3 || x->type.rank > 5) return false;
    int64_t k = 1;
    for (int i = 1; i < x->type.rank; i++)
        if (x->type.dims[i] <= 0 || !tap_mul64(k, x->type.dims[i], &k)) return false;
    if (k != t->dims[by_columns]) return false;
    double *w = tap_stored_doubles(&c->d->arena, t),
           *y = tap_arena_array(&c->d->arena, (size_t)t->count, sizeof *y);
    return w && y && try_rows(c, node, t, w, y, x->type.rank - 1, x->type.dims + 1, by_columns);
}

/* The result itself, its axes in another order. */
static bool try_output_axes(tap_case *c) {
    const tap_tensor *x = tap_value_tensor(c->piece->by_model);
    int perm[TAP_RANK_MAX];
    int64_t dims[TAP_RANK_MAX];
    if (x->rank < 2 || x->rank > 5 || x->dtype == TAP_STRING) return false;
    for (int i = 0; i < x->rank; i++) perm[i] = i;
    while (tap_next_permutation(perm, x->rank)) {
        for (int i = 0; i < x->rank; i++) dims[i] = x->dims[perm[i]];
        tap_value *y = NULL;
        if (tap_value_new(x->dtype, x->rank, dims, &y, NULL) != TAP_OK) return false;
        tap_copy_permuted(tap_dtype_bytes(x->dtype), x->rank, x->dims, perm, x->data, tap_value_data(y));
        double gap = tap_gap(y, c->p->ref);
        tap_value_release(y);
        if (tap_case_note(c, gap, SIZE_MAX, "layout",
                          "the numbers are the reference's with the axes in another order"))
            return true;
    }
    return false;
}

bool tap_fault_order(tap_case *c) {
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        if (tap_node_is(c->s, i, "Transpose") && try_transpose(c, i)) return true;
        bool flat = tap_node_is(c->s, i, "Reshape") || tap_node_is(c->s, i, "Flatten");
        if (flat && try_flatten(c, i)) return true;
        if ((tap_node_is(c->s, i, "MatMul") || tap_node_is(c->s, i, "Gemm")) && try_weight_rows(c, i))
            return true;
    }
    return try_output_axes(c);
}

/* ---- rounding ---- */

static bool is_float_value(const tap_case *c, const char *name) {
    const tap_tensor *t = tap_inner(c, name);
    return t && tap_epsilon(t->dtype) > 0;
}

/* Truncation where the reference rounds, and the other way round. */
static bool try_round_first(tap_case *c, size_t node, const char *how) {
    if (!tap_case_begin(c)) return false;
    const char *x = c->edit.nodes[node].inputs[0], *y = tap_segment_name(&c->edit, "rounded");
    if (!y || !tap_segment_node(&c->edit, node, how, &x, 1, y) || !tap_set_input(c, node + 1, 0, y))
        return false;
    return tap_case_try(c, node, "rounding", "%s cuts off the fraction, the reference is that of %s first",
                        c->s->nodes[node].op, how);
}

bool tap_fault_rounding(tap_case *c) {
    static const char *const ops[] = {"Round", "Floor", "Ceil"};
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        const tap_tensor *y = c->inner ? tap_value_tensor(c->inner[i]) : NULL;
        bool to_int = tap_node_is(c->s, i, "Cast") && is_float_value(c, c->s->nodes[i].inputs[0]) && y &&
                      tap_epsilon(y->dtype) == 0;
        for (size_t k = 0; k < TAP_COUNT_OF(ops); k++) {
            if (to_int && try_round_first(c, i, ops[k])) return true;
            for (size_t m = 0; m < TAP_COUNT_OF(ops); m++) {
                if (m == k || !tap_node_is(c->s, i, ops[k]) || !tap_case_begin(c)) continue;
                c->edit.nodes[i].op = ops[m];
                if (tap_case_try(c, i, "rounding", "the model has %s, the reference is that of %s", ops[k],
                                 ops[m]))
                    return true;
            }
        }
    }
    return false;
}

/* ---- precision ---- */

size_t tap_narrowing_cast(const tap_segment *s) {
    for (size_t i = 0; i < s->n_nodes; i++) {
        int64_t to = tap_node_is(s, i, "Cast") ? tap_int_attr(s, i, "to", 0) : 0;
        bool small =
            to == TAP_FLOAT16 || to == TAP_BFLOAT16 || (to >= TAP_FLOAT8E4M3FN && to <= TAP_FLOAT8E5M2FNUZ);
        const tap_node *n = s->from[i];
        bool floats = n && n->n_in > 0 && n->in[0] != TAP_NO_VALUE &&
                      n->graph->values[n->in[0]].type.dtype == TAP_FLOAT;
        if (small && floats) return i;
    }
    return SIZE_MAX;
}

/* The weights of c->edit as a small float holds them. */
static bool round_weights(tap_case *c, tap_dtype to) {
    tap_src_graph *g = &c->edit.model.graph;
    for (size_t i = 0; i < g->n_inits; i++) {
        tap_src_tensor *t = (tap_src_tensor *)(uintptr_t)&g->inits[i];
        double *x = t->dtype == TAP_FLOAT ? tap_stored_doubles(&c->arena, t) : NULL;
        float *y = x ? tap_arena_array(&c->arena, (size_t)t->count + 1, sizeof *y) : NULL;
        if (x && !y) return false;
        for (int64_t k = 0; x && k < t->count; k++)
            y[k] = to == TAP_BFLOAT16 ? tap_bf16_to_f32(tap_f32_to_bf16((float)x[k]))
                                      : tap_f16_to_f32(tap_f32_to_f16((float)x[k]));
        if (!x) continue;
        t->data = y;
        t->encoding = TAP_STORED;
    }
    return true;
}

/* What is moved in the last place of a half moves the result as far as the reference is away. */
static bool try_half_values(tap_case *c, tap_dtype half) {
    if (!tap_case_begin(c)) return false;
    tap_value **in = tap_arena_array(&c->arena, c->s->n_in + 1, sizeof *in);
    tap_value **out = tap_arena_array(&c->arena, c->s->n_out + 1, sizeof *out);
    if (!in || !out || tap_piece_shake(c->piece, 1, tap_epsilon(half) / 3, in, NULL) != TAP_OK) return false;
    tap_status st = tap_lab_run(&c->d->parts.lab, &c->edit, false, (const tap_value *const *)in, out, NULL);
    double moved = st == TAP_OK ? tap_gap(out[c->piece->want], c->piece->by_model) : 0;
    if (st == TAP_OK) tap_release_all(out, c->s->n_out);
    tap_release_all(in, c->s->n_in);
    if (!(moved > c->gap / 4)) return false;
    c->good = fmax(c->good, c->gap);
    return tap_case_note(
        c, c->gap, SIZE_MAX, "rounding",
        "values moved in the last place of %s move the result by %.3g: such rounding is lost for good here",
        tap_dtype_name(half), moved);
}

/* The reference was computed in half precision, its weights with it. */
static bool try_half_reference(tap_case *c) {
    tap_dtype half = c->want->dtype;
    for (size_t i = 0; i < c->s->n_in; i++) {
        const tap_tensor *x = tap_value_tensor(c->piece->exact[i]);
        if (x && tap_is_widened(x->dtype) && x->dtype != TAP_FLOAT) half = x->dtype;
    }
    if (half == TAP_FLOAT || !tap_is_widened(half)) return false;
    if (try_half_values(c, half)) return true;
    if (!tap_case_begin(c) || !round_weights(c, half)) return false;
    double gap = tap_case_gap(c, NULL, 0);
    if (!(gap < 0.2 * c->gap)) return false;
    c->good = fmax(c->good, gap);
    return tap_case_note(c, gap, SIZE_MAX, "rounding",
                         "with weights rounded to %s the piece has the reference's result: what it computes "
                         "is lost in that width",
                         tap_dtype_name(half));
}

/* In double precision the piece has the reference's result: it is the width of the floats. */
bool tap_fault_precision(tap_case *c) {
    double gap = c->piece->by_truth ? tap_gap(c->piece->by_truth, c->p->ref) : INFINITY;
    if (isfinite(c->gap) && try_half_reference(c)) return true;
    if (!isfinite(c->gap) || !(gap < 0.2 * c->gap)) return false;
    const tap_tensor *y = tap_value_tensor(c->piece->by_model);
    size_t cast = tap_narrowing_cast(c->s);
    bool half = y->dtype == TAP_FLOAT16 || y->dtype == TAP_BFLOAT16 || c->want->dtype == TAP_FLOAT16;
    c->good = fmax(c->good, gap);
    if (half || cast == SIZE_MAX)
        return tap_case_note(c, gap, SIZE_MAX, "rounding",
                             "in double precision the same nodes give the reference's result: "
                             "rounding to %s loses it here",
                             tap_dtype_name(half && y->dtype != TAP_FLOAT ? y->dtype : c->want->dtype));
    return tap_case_note(c, gap, cast, "cast", "a Cast to %s loses digits that the reference has",
                         tap_dtype_name((tap_dtype)tap_int_attr(c->s, cast, "to", 0)));
}

/* ---- quantisation ---- */

/* Takes QuantizeLinear and DequantizeLinear pairs out, of values and of nothing else. */
static bool bypass(tap_case *c, size_t *node) {
    bool any = false;
    for (size_t i = 0; i < c->s->n_nodes; i++) {
        if (!tap_node_is(c->s, i, "DequantizeLinear")) continue;
        for (size_t q = 0; q < i; q++) {
            if (!tap_node_is(c->s, q, "QuantizeLinear")) continue;
            if (strcmp(c->s->nodes[q].outputs[0], c->s->nodes[i].inputs[0]) != 0) continue;
            if (!tap_segment_replace(&c->edit, i + 1, c->s->nodes[i].outputs[0], c->edit.nodes[q].inputs[0]))
                return false;
            *node = q;
            any = true;
        }
    }
    return any;
}

bool tap_fault_quantization(tap_case *c) {
    size_t node = SIZE_MAX;
    bool integers = false;
    for (size_t i = 0; i < c->s->n_nodes; i++)
        integers = integers || strstr(c->s->nodes[i].op, "Quantize") ||
                   strstr(c->s->nodes[i].op, "QLinear") || strstr(c->s->nodes[i].op, "Integer");
    if (!integers || !tap_case_begin(c)) return false;
    if (bypass(c, &node)) {
        double gap = tap_case_gap(c, NULL, 0);
        if (gap < 0.3 * c->gap) {
            c->good = fmax(c->good, gap);
            return tap_case_note(c, gap, node, "quantization",
                                 "without quantisation the same nodes come near the reference: its scale or "
                                 "zero point does not fit");
        }
    }
    return false;
}
