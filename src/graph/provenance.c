/* Layout provenance: for each value the order of axes that the framework had.
 *
 * TensorFlow's exporters put images into ONNX's order: they set Transposes around what works on images, and
 * move and cancel them afterwards, so that a value may have TensorFlow's name and another order. Each axis of
 * a value has a label here, the number that it has in the framework, or EXTRA where the framework has no such
 * axis. Labels start at the graph's inputs and flow through the nodes, by what each operator does to axes. */
#include "graph/provenance.h"

#include <stdlib.h>
#include <string.h>

#include "graph/layer_names.h"

#define EXTRA (-1)

typedef struct labels {
    int32_t rank; /* -1: not known */
    int32_t of[TAP_RANK_MAX];
} labels;

typedef struct flow {
    const tap_graph *g;
    labels *at;  /* by value */
    bool *moved; /* by value: an input of the graph that is given in ONNX's order */
} flow;

static const labels unknown = {.rank = -1};

static labels in_order(int32_t rank) {
    labels l = {.rank = rank};
    for (int32_t i = 0; i < rank; i++) l.of[i] = i;
    return l;
}

/* N C spatial... of something that has its channels last. */
static labels channels_first(int32_t rank) {
    labels l = in_order(rank);
    for (int32_t i = 1; i < rank; i++) l.of[i] = i == 1 ? rank - 1 : i - 1;
    return l;
}

static bool same(const labels *a, const labels *b) {
    return a->rank == b->rank && (a->rank <= 0 || memcmp(a->of, b->of, (size_t)a->rank * sizeof *a->of) == 0);
}

static bool is_in_order(const labels *l) {
    labels o = in_order(l->rank < 0 ? 0 : l->rank);
    return l->rank >= 0 && same(l, &o);
}

/* ---- What nodes say ---- */

static int32_t rank_of(const flow *f, tap_vid v) {
    const tap_gvalue *x = &f->g->values[v];
    return x->type.kind == TAP_KIND_TENSOR && x->type.rank <= TAP_RANK_MAX ? x->type.rank : -1;
}

static const tap_src_attr *attribute(const tap_node *n, const char *name) {
    for (int32_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].src->name, name) == 0) return n->attrs[i].src;
    return NULL;
}

static int64_t int_attribute(const tap_node *n, const char *name, int64_t otherwise) {
    const tap_src_attr *a = attribute(n, name);
    return a && a->kind == TAP_ATTR_INT ? a->u.i : otherwise;
}

/* The integers of an initializer or of a Constant; n of them, -1: it is none, or has more than room. */
static int32_t constant_ints(const tap_graph *g, tap_vid v, int64_t *out, int32_t room) {
    if (v == TAP_NO_VALUE) return -1;
    const tap_gvalue *x = &g->values[v];
    const tap_src_tensor *t = x->init;
    if (!t && x->producer && strcmp(x->producer->src->op, "Constant") == 0) {
        const tap_src_attr *a = attribute(x->producer, "value");
        if (a && a->kind == TAP_ATTR_TENSOR) t = a->u.tensors;
    }
    if (!t || (t->dtype != TAP_INT64 && t->dtype != TAP_INT32) || t->count > room) return -1;
    size_t each = tap_dtype_bytes(t->dtype);
    if (t->n_bytes < (size_t)t->count * each) return -1;
    for (int64_t i = 0; i < t->count; i++) {
        const unsigned char *p = (const unsigned char *)t->data + (size_t)i * each;
        int32_t narrow;
        if (each == 8) {
            memcpy(&out[i], p, 8);
        } else {
            memcpy(&narrow, p, 4);
            out[i] = narrow;
        }
    }
    return (int32_t)t->count;
}

/* Axes from input `slot` or the attribute "axes"; -1: not known, -2: none are given. */
static int32_t axes_of(const flow *f, const tap_node *n, int32_t slot, int32_t rank, bool *is_axis) {
    int64_t axes[TAP_RANK_MAX];
    int32_t count = -2;
    const tap_src_attr *a = attribute(n, "axes");
    memset(is_axis, 0, TAP_RANK_MAX * sizeof *is_axis);
    if (a && a->kind == TAP_ATTR_INTS && a->n <= TAP_RANK_MAX) {
        count = (int32_t)a->n;
        memcpy(axes, a->u.ints, a->n * sizeof *axes);
    } else if (slot < n->n_in && n->in[slot] != TAP_NO_VALUE) {
        count = constant_ints(f->g, n->in[slot], axes, TAP_RANK_MAX);
    }
    for (int32_t i = 0; i < count; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis < 0 || axis >= rank) return -1;
        is_axis[axis] = true;
    }
    return count;
}

/* Numbers the framework's axes anew once some are gone: 0, 2, 3 becomes 0, 1, 2. */
static labels renumbered(labels l) {
    labels r = l;
    for (int32_t i = 0; i < l.rank; i++) {
        if (l.of[i] == EXTRA) continue;
        r.of[i] = 0;
        for (int32_t k = 0; k < l.rank; k++) r.of[i] += l.of[k] != EXTRA && l.of[k] < l.of[i];
    }
    return r;
}

static labels without(const labels *l, const bool *gone) {
    labels r = {.rank = 0};
    for (int32_t i = 0; i < l->rank; i++)
        if (!gone[i]) r.of[r.rank++] = l->of[i];
    return renumbered(r);
}

/* ---- What operators do to axes ---- */

typedef labels behaviour(flow *f, const tap_node *n, int32_t slot);

static const labels *input(const flow *f, const tap_node *n, int32_t i) {
    return i < n->n_in && n->in[i] != TAP_NO_VALUE ? &f->at[n->in[i]] : &unknown;
}

/* The output has the axes of the first input. */
static labels keeps(flow *f, const tap_node *n, int32_t slot) {
    int32_t rank = rank_of(f, n->out[slot]);
    const labels *x = input(f, n, 0);
    return rank < 0 || x->rank == rank ? *x : unknown;
}

/* Convolutions and pools know their axes: ONNX has channels first, TensorFlow last. */
static labels spatial(flow *f, const tap_node *n, int32_t slot) {
    const labels *x = input(f, n, 0);
    int32_t rank = x->rank >= 0 ? x->rank : rank_of(f, n->out[slot]);
    if (slot > 0 || rank < 3) return unknown;
    return x->rank < 0 ? channels_first(rank) : *x;
}

static bool is_constant(const flow *f, tap_vid v) {
    const tap_gvalue *x = &f->g->values[v];
    return x->init || (x->producer && strcmp(x->producer->src->op, "Constant") == 0);
}

/* Operators that broadcast: all inputs of full rank that are known have to agree. */
static labels broadcasts(flow *f, const tap_node *n, int32_t slot) {
    labels l = unknown;
    int32_t rank = rank_of(f, n->out[slot]);
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == TAP_NO_VALUE || is_constant(f, n->in[i])) continue;
        const labels *x = input(f, n, i);
        if (x->rank < 0 || x->rank < l.rank) continue; /* what is known of one holds for all */

        if (x->rank == l.rank && !same(x, &l)) return unknown;
        l = *x;
    }
    return rank < 0 || l.rank == rank ? l : unknown;
}

static labels concatenates(flow *f, const tap_node *n, int32_t slot) {
    (void)slot;
    labels l = unknown;
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == TAP_NO_VALUE || is_constant(f, n->in[i])) continue;
        const labels *x = input(f, n, i);
        if (x->rank < 0) continue;
        if (l.rank >= 0 && !same(x, &l)) return unknown;
        l = *x;
    }
    return l;
}

/* What TensorFlow itself has under that name is in its order; a Transpose that the exporter set is not. */
static labels permuted(const labels *x, const tap_src_attr *perm) {
    if (x->rank < 0 || (perm && perm->n != (size_t)x->rank)) return unknown;
    labels l = {.rank = x->rank};
    for (int32_t i = 0; i < l.rank; i++) {
        int64_t from = perm ? perm->u.ints[i] : l.rank - 1 - i;
        if (from < 0 || from >= l.rank) return unknown;
        l.of[i] = x->of[from];
    }
    return l;
}

static labels transposes(flow *f, const tap_node *n, int32_t slot) {
    const labels *x = input(f, n, 0);
    const tap_src_attr *a = attribute(n, "perm");
    int32_t rank = x->rank >= 0 ? x->rank : rank_of(f, n->out[slot]);
    if (!tap_name_is_made_up(f->g->values[n->out[slot]].name)) return rank < 0 ? unknown : in_order(rank);
    return permuted(x, a);
}

static labels reduces(flow *f, const tap_node *n, int32_t slot) {
    (void)slot;
    const labels *x = input(f, n, 0);
    bool gone[TAP_RANK_MAX];
    if (x->rank < 0 || int_attribute(n, "keepdims", 1) != 0) return *x;
    int32_t count = axes_of(f, n, 1, x->rank, gone);
    if (count == -1) return unknown;
    return count <= 0 ? in_order(0) : without(x, gone);
}

static labels finds_extreme(flow *f, const tap_node *n, int32_t slot) {
    (void)slot;
    const labels *x = input(f, n, 0);
    bool gone[TAP_RANK_MAX] = {false};
    int64_t axis = int_attribute(n, "axis", 0);
    if (x->rank < 0 || int_attribute(n, "keepdims", 1) != 0) return *x;
    if (axis < 0) axis += x->rank;
    if (axis < 0 || axis >= x->rank) return unknown;
    gone[axis] = true;
    return without(x, gone);
}

static labels squeezes(flow *f, const tap_node *n, int32_t slot) {
    (void)slot;
    const labels *x = input(f, n, 0);
    bool gone[TAP_RANK_MAX];
    if (x->rank < 0) return unknown;
    int32_t count = axes_of(f, n, 1, x->rank, gone);
    const tap_type *t = &f->g->values[n->in[0]].type;
    if (count == -2 && t->rank == x->rank)
        for (int32_t i = 0; i < x->rank; i++) {
            if (t->dims[i] < 0) return unknown;
            gone[i] = t->dims[i] == 1;
        }
    return count == -1 ? unknown : without(x, gone);
}

/* The new axis stands in the framework behind the axis that is before it. */
static labels unsqueezes(flow *f, const tap_node *n, int32_t slot) {
    const labels *x = input(f, n, 0);
    int32_t rank = rank_of(f, n->out[slot]);
    bool is_new[TAP_RANK_MAX];
    if (x->rank < 0 || rank < 0 || axes_of(f, n, 1, rank, is_new) < 0) return unknown;
    labels l = {.rank = rank};
    for (int32_t i = 0, from = 0; i < rank; i++) {
        if (is_new[i]) continue;
        if (from == x->rank) return unknown;
        l.of[i] = x->of[from++];
    }
    for (int32_t i = 0; i < rank; i++) {
        if (!is_new[i]) continue;
        int32_t at = i == 0 ? 0 : l.of[i - 1] + 1;
        for (int32_t k = 0; k < rank; k++)
            if (k < i || !is_new[k]) l.of[k] += l.of[k] != EXTRA && l.of[k] >= at;
        l.of[i] = at;
    }
    return l;
}

/* Size of axis i; of a Reshape's output from its second input where inference does not know. 0: not known. */
static int64_t size_at(const flow *f, tap_vid v, int32_t i) {
    const tap_type *t = &f->g->values[v].type;
    return i < t->rank && t->dims[i] > 0 ? t->dims[i] : 0;
}

/* Whether moving axes by perm moves no element: only axes of size 1 change places. */
static bool moves_nothing(const flow *f, tap_vid x, const int32_t *perm, int32_t rank) {
    int32_t before = -1;
    for (int32_t i = 0; i < rank; i++) {
        if (size_at(f, x, perm[i]) == 1) continue;
        if (perm[i] < before) return false;
        before = perm[i];
    }
    return true;
}

/* A Reshape to the same sizes. */
static bool changes_nothing(const flow *f, const tap_node *n) {
    if (n->n_in == 0 || n->n_out == 0 || n->in[0] == TAP_NO_VALUE || n->out[0] == TAP_NO_VALUE) return false;
    int32_t rank = rank_of(f, n->in[0]);
    if (rank < 0 || rank != rank_of(f, n->out[0])) return false;
    for (int32_t i = 0; i < rank; i++)
        if (size_at(f, n->in[0], i) != size_at(f, n->out[0], i)) return false;
    return true;
}

/* A Reshape that stands for a Transpose in which only axes of size 1 move. */
static labels reshapes_as_transpose(const flow *f, const tap_node *n, int32_t slot) {
    const labels *x = input(f, n, 0);
    int32_t rank = x->rank;
    if (changes_nothing(f, n)) return *x;

    for (int way = 0; way < 2; way++) {
        labels first = channels_first(rank), l = {.rank = rank};
        int32_t perm[TAP_RANK_MAX];
        bool fits = true;
        for (int32_t i = 0; i < rank; i++) {
            if (way == 0)
                perm[i] = first.of[i];
            else
                perm[first.of[i]] = i;
        }
        for (int32_t i = 0; i < rank; i++) {
            int64_t from = size_at(f, n->in[0], perm[i]), to = size_at(f, n->out[slot], i);
            fits &= from == 0 || to == 0 || from == to;
            l.of[i] = x->of[perm[i]];
        }
        if (fits && moves_nothing(f, n->in[0], perm, rank)) return l;
    }
    return unknown;
}

static labels reshapes(flow *f, const tap_node *n, int32_t slot) {
    const labels *x = input(f, n, 0);
    int32_t rank = rank_of(f, n->out[slot]);
    bool made_up = tap_name_is_made_up(f->g->values[n->out[slot]].name);
    if (rank < 0) return unknown;
    if (!made_up || rank < 3) return in_order(rank);
    return x->rank == rank ? reshapes_as_transpose(f, n, slot) : unknown;
}

/* One index takes an axis away, indices in a row keep it. Of a table it gives what the indices' axes are, and
 * one more. */
static labels gathers(flow *f, const tap_node *n, int32_t slot) {
    const labels *x = input(f, n, 0);
    int32_t rank = rank_of(f, n->out[slot]);
    int32_t n_indices = n->n_in > 1 && n->in[1] != TAP_NO_VALUE ? rank_of(f, n->in[1]) : -1;
    if (n->n_in > 1 && n->in[0] != TAP_NO_VALUE && is_constant(f, n->in[0])) {
        const labels *i = input(f, n, 1);
        return is_in_order(i) && rank >= 0 ? in_order(rank) : unknown;
    }
    if (n_indices == 1) return *x;
    int64_t axis = int_attribute(n, "axis", 0);
    if (n_indices != 0 || x->rank < 0) return is_in_order(x) && rank >= 0 ? in_order(rank) : unknown;
    bool gone[TAP_RANK_MAX] = {false};
    if (axis < 0) axis += x->rank;
    if (axis < 0 || axis >= x->rank) return unknown;
    gone[axis] = true;
    return without(x, gone);
}

/* Y[T][D][B][H], and states [D][B][H]; a Keras layer has batches first, and directions behind one another. */
static labels recurs(flow *f, const tap_node *n, int32_t slot) {
    (void)f;
    labels y = {4, {1, EXTRA, 0, 2}}, state = {3, {EXTRA, 0, 1}};
    if (int_attribute(n, "layout", 0) != 0) return unknown;
    return slot == 0 ? y : state;
}

/* In the framework's order whatever comes in: exporters move no Transpose through these. */
static labels orders(flow *f, const tap_node *n, int32_t slot) {
    int32_t rank = rank_of(f, n->out[slot]);
    return rank < 0 ? unknown : in_order(rank);
}

/* Of anything else: what is in order stays so. */
static labels other(flow *f, const tap_node *n, int32_t slot) {
    int32_t rank = rank_of(f, n->out[slot]);
    if (rank < 0) return unknown;
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == TAP_NO_VALUE || is_constant(f, n->in[i])) continue;
        if (!is_in_order(input(f, n, i))) return unknown;
    }
    return n->has_bodies ? unknown : in_order(rank);
}

static const struct axes_row {
    const char *op;
    behaviour *fn;
} axes_rows[] = {{"Abs", keeps},
                 {"Acos", keeps},
                 {"Acosh", keeps},
                 {"Add", broadcasts},
                 {"And", broadcasts},
                 {"ArgMax", finds_extreme},
                 {"ArgMin", finds_extreme},
                 {"Asin", keeps},
                 {"Asinh", keeps},
                 {"Atan", keeps},
                 {"Atanh", keeps},
                 {"AveragePool", spatial},
                 {"BatchNormalization", keeps},
                 {"Cast", keeps},
                 {"CastLike", keeps},
                 {"Ceil", keeps},
                 {"Celu", keeps},
                 {"Clip", keeps},
                 {"Concat", concatenates},
                 {"Conv", spatial},
                 {"ConvInteger", spatial},
                 {"ConvTranspose", spatial},
                 {"Cos", keeps},
                 {"Cosh", keeps},
                 {"CumSum", keeps},
                 {"DepthToSpace", spatial},
                 {"DequantizeLinear", keeps},
                 {"Div", broadcasts},
                 {"Dropout", keeps},
                 {"Einsum", orders},
                 {"Elu", keeps},
                 {"Equal", broadcasts},
                 {"Erf", keeps},
                 {"Exp", keeps},
                 {"Expand", keeps},
                 {"Flatten", orders},
                 {"Floor", keeps},
                 {"GRU", recurs},
                 {"Gather", gathers},
                 {"Gelu", keeps},
                 {"Gemm", orders},
                 {"GlobalAveragePool", spatial},
                 {"GlobalMaxPool", spatial},
                 {"Greater", broadcasts},
                 {"GreaterOrEqual", broadcasts},
                 {"GroupNormalization", keeps},
                 {"HardSigmoid", keeps},
                 {"HardSwish", keeps},
                 {"Hardmax", keeps},
                 {"Identity", keeps},
                 {"InstanceNormalization", keeps},
                 {"IsInf", keeps},
                 {"IsNaN", keeps},
                 {"LRN", keeps},
                 {"LSTM", recurs},
                 {"LayerNormalization", keeps},
                 {"LeakyRelu", keeps},
                 {"Less", broadcasts},
                 {"LessOrEqual", broadcasts},
                 {"Log", keeps},
                 {"LogSoftmax", keeps},
                 {"LpNormalization", keeps},
                 {"LpPool", spatial},
                 {"MatMul", orders},
                 {"Max", broadcasts},
                 {"MaxPool", spatial},
                 {"Mean", broadcasts},
                 {"Min", broadcasts},
                 {"Mish", keeps},
                 {"Mod", broadcasts},
                 {"Mul", broadcasts},
                 {"Neg", keeps},
                 {"Not", keeps},
                 {"Or", broadcasts},
                 {"PRelu", keeps},
                 {"Pad", keeps},
                 {"Pow", broadcasts},
                 {"QLinearConv", spatial},
                 {"QuantizeLinear", keeps},
                 {"RNN", recurs},
                 {"Reciprocal", keeps},
                 {"ReduceL1", reduces},
                 {"ReduceL2", reduces},
                 {"ReduceLogSum", reduces},
                 {"ReduceLogSumExp", reduces},
                 {"ReduceMax", reduces},
                 {"ReduceMean", reduces},
                 {"ReduceMin", reduces},
                 {"ReduceProd", reduces},
                 {"ReduceSum", reduces},
                 {"ReduceSumSquare", reduces},
                 {"Relu", keeps},
                 {"Reshape", reshapes},
                 {"Resize", keeps},
                 {"ReverseSequence", keeps},
                 {"Round", keeps},
                 {"Selu", keeps},
                 {"Shrink", keeps},
                 {"Sigmoid", keeps},
                 {"Sign", keeps},
                 {"Sin", keeps},
                 {"Sinh", keeps},
                 {"Slice", keeps},
                 {"Softmax", keeps},
                 {"Softplus", keeps},
                 {"Softsign", keeps},
                 {"SpaceToDepth", spatial},
                 {"Split", keeps},
                 {"Sqrt", keeps},
                 {"Squeeze", squeezes},
                 {"Sub", broadcasts},
                 {"Sum", broadcasts},
                 {"Swish", keeps},
                 {"Tan", keeps},
                 {"Tanh", keeps},
                 {"ThresholdedRelu", keeps},
                 {"Tile", keeps},
                 {"TopK", keeps},
                 {"Transpose", transposes},
                 {"Trilu", keeps},
                 {"Unsqueeze", unsqueezes},
                 {"Upsample", keeps},
                 {"Where", broadcasts},
                 {"Xor", broadcasts}};

static int by_op(const void *key, const void *row) {
    return strcmp(key, ((const struct axes_row *)row)->op);
}

static behaviour *behaviour_of(const tap_node *n) {
    const struct axes_row *row =
        *n->src->domain ? NULL
                        : bsearch(n->src->op, axes_rows, TAP_COUNT_OF(axes_rows), sizeof *axes_rows, by_op);
    return row ? row->fn : other;
}

/* ---- The flow ---- */

/* Inputs that are given with channels first: a convolution takes them as they are, with nothing but what
 * keeps axes on the way. */
static void find_moved_inputs(flow *f) {
    for (size_t i = f->g->n_nodes; i-- > 0;) {
        const tap_node *n = f->g->nodes[i];
        behaviour *fn = behaviour_of(n);
        bool wanted = fn == spatial;
        bool passes = fn == keeps || fn == broadcasts || (fn == reshapes && changes_nothing(f, n));
        for (int32_t k = 0; k < n->n_out && passes; k++)
            wanted |= n->out[k] != TAP_NO_VALUE && f->moved[n->out[k]];

        if (!wanted) continue;
        for (int32_t k = 0; k < (fn == broadcasts ? n->n_in : 1) && k < n->n_in; k++)
            if (n->in[k] != TAP_NO_VALUE && !is_constant(f, n->in[k]) && rank_of(f, n->in[k]) >= 3)
                f->moved[n->in[k]] = true;
    }
}

static void pass(flow *f) {
    for (size_t v = 0; v < f->g->n_values; v++) {
        const tap_gvalue *x = &f->g->values[v];
        int32_t rank = rank_of(f, (tap_vid)v);
        f->at[v] = rank >= 0 && (x->is_input || x->init) ? in_order(rank) : unknown;
        if (x->is_input && f->moved[v] && rank >= 3) f->at[v] = channels_first(rank);
    }
    for (size_t i = 0; i < f->g->n_nodes; i++) {
        const tap_node *n = f->g->nodes[i];
        behaviour *fn = behaviour_of(n);
        for (int32_t k = 0; k < n->n_out; k++) {
            tap_vid v = n->out[k];
            if (v == TAP_NO_VALUE) continue;
            int32_t rank = rank_of(f, v);
            f->at[v] = fn(f, n, k);
            if (f->at[v].rank >= 0 && rank >= 0 && f->at[v].rank != rank) f->at[v] = unknown;
            if (f->at[v].rank < 0 && rank >= 0 && (rank < 3 || f->g->values[v].is_output))
                f->at[v] = in_order(rank);
        }
    }
}

/* What nothing tells about, and a convolution takes, has the convolution's order. */
static void look_back(flow *f) {
    for (size_t i = f->g->n_nodes; i-- > 0;) {
        const tap_node *n = f->g->nodes[i];
        if (behaviour_of(n) != spatial || !n->n_in || n->in[0] == TAP_NO_VALUE) continue;
        int32_t rank = rank_of(f, n->in[0]);
        if (f->at[n->in[0]].rank < 0 && rank >= 3) f->at[n->in[0]] = channels_first(rank);
    }
}

static tap_axes axes_from(const labels *l) {
    tap_axes a = {.rank = l->rank};
    bool seen[TAP_RANK_MAX] = {false};
    for (int32_t i = 0; i < l->rank; i++) {
        if (l->of[i] < 0 || l->of[i] >= l->rank || seen[l->of[i]]) return (tap_axes){.rank = -1};
        seen[l->of[i]] = true;
        a.perm[l->of[i]] = i;
    }
    return a;
}

static tap_status flow_main(const tap_bound *b, tap_axes *axes, tap_error *err) {
    const tap_graph *g = b->main;
    flow f = {.g = g};
    f.at = tap_mem_alloc_zero(b->budget, (g->n_values + 1) * sizeof *f.at);
    f.moved = tap_mem_alloc_zero(b->budget, (g->n_values + 1) * sizeof *f.moved);
    tap_status st = f.at && f.moved ? TAP_OK : tap_error_no_memory(err, g->n_values * sizeof *f.at);
    if (st == TAP_OK) {
        find_moved_inputs(&f);
        pass(&f);
        look_back(&f);
    }
    for (size_t v = 0; st == TAP_OK && v < g->n_values; v++) axes[g->values[v].global] = axes_from(&f.at[v]);
    tap_mem_free(b->budget, f.at);
    tap_mem_free(b->budget, f.moved);
    return st;
}

/* ---- Batches first ---- */

/* Both nodes are what one operation of PyTorch became. */
static bool are_of_one(const tap_node *a, const tap_node *b) {
    const char *key = "pkg.torch.onnx.name_scopes", *x = tap_node_metadata(a, key),
               *y = tap_node_metadata(b, key);
    if (x || y) return x && y && strcmp(x, y) == 0;
    const char *slash = strrchr(a->src->name, '/');
    size_t n = slash ? (size_t)(slash + 1 - a->src->name) : 0;
    return n > 1 && strncmp(a->src->name, b->src->name, n) == 0 && !strchr(b->src->name + n, '/');
}

/* PyTorch's recurrent layers with batches first: a Transpose before the node, and one behind it, which the
 * next such layer's may cancel. */
static bool takes_turned(const tap_graph *g, const tap_node *n) {
    const tap_node *from = n->n_in && n->in[0] != TAP_NO_VALUE ? g->values[n->in[0]].producer : NULL;
    const tap_src_attr *perm =
        from && strcmp(from->src->op, "Transpose") == 0 ? attribute(from, "perm") : NULL;
    return perm && perm->n == 3 && perm->u.ints[0] == 1 && perm->u.ints[1] == 0 && are_of_one(from, n);
}

/* Directions go to the features behind them. */
static labels without_directions(const labels *x, int32_t rank) {
    labels l = {.rank = 0};
    if (x->rank != 4 || rank != 3) return unknown;
    for (int32_t i = 0; i < x->rank; i++) {
        if (x->of[i] != EXTRA)
            l.of[l.rank++] = x->of[i];
        else if (i + 1 == x->rank || x->of[i + 1] != 2)
            return unknown;
    }
    return l;
}

static labels turned(flow *f, const tap_node *n) {
    behaviour *fn = behaviour_of(n);
    if (fn == recurs) return takes_turned(f->g, n) ? recurs(f, n, 0) : unknown;
    if (!n->n_in || n->in[0] == TAP_NO_VALUE || is_in_order(input(f, n, 0))) return unknown;
    if (fn == reshapes) return without_directions(input(f, n, 0), rank_of(f, n->out[0]));
    if (fn == transposes) return permuted(input(f, n, 0), attribute(n, "perm"));
    return fn == keeps || fn == squeezes ? fn(f, n, 0) : unknown;
}

static tap_status mark_turned(const tap_bound *b, tap_axes *axes, tap_error *err) {
    const tap_graph *g = b->main;
    flow f = {.g = g};
    f.at = tap_mem_alloc_zero(b->budget, (g->n_values + 1) * sizeof *f.at);
    if (!f.at) return tap_error_no_memory(err, g->n_values * sizeof *f.at);
    for (size_t v = 0; v < g->n_values; v++) {
        int32_t rank = rank_of(&f, (tap_vid)v);
        f.at[v] = in_order(rank < 0 ? 0 : rank);
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        const tap_node *n = g->nodes[i];
        if (n->n_out == 0 || n->out[0] == TAP_NO_VALUE || g->values[n->out[0]].is_output) continue;
        labels l = turned(&f, n);
        if (l.rank < 0 || is_in_order(&l)) continue;
        f.at[n->out[0]] = l;
        axes[g->values[n->out[0]].global] = axes_from(&l);
    }
    tap_mem_free(b->budget, f.at);
    return TAP_OK;
}

tap_status tap_provenance(const tap_bound *b, bool moved, tap_axes *axes, tap_error *err) {
    for (size_t i = 0; i < b->n_graphs; i++)
        for (size_t v = 0; v < b->graphs[i]->n_values; v++) {
            const tap_gvalue *x = &b->graphs[i]->values[v];
            labels l = unknown;
            if (x->outer != TAP_NO_VALUE) continue;
            if (x->type.kind == TAP_KIND_TENSOR && x->type.rank >= 0 && (!moved || x->type.rank < 3))
                l = in_order(x->type.rank);
            axes[x->global] = axes_from(&l);
        }
    return moved ? flow_main(b, axes, err) : mark_turned(b, axes, err);
}
