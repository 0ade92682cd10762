/* Which values leave a module, and which of them is its output. What is not certain is left unknown. */
#include "graph/layer_output.h"

#include <string.h>

#define CANDIDATES 16

/* ---- Uses ---- */

static bool is_op(const tap_node *n, const char *op) {
    return strcmp(n->src->op, op) == 0;
}

static bool is_recurrent(const tap_node *n) {
    return is_op(n, "LSTM") || is_op(n, "GRU") || is_op(n, "RNN");
}

static int32_t common(const tap_layer_tree *t, int32_t a, int32_t b) {
    while (a >= 0 && !tap_module_has(t, a, b)) a = t->modules[a].parent;
    return a;
}

static void note_use(tap_uses *u, tap_vid v, int32_t user) {
    if (v == TAP_NO_VALUE || u->position[v] < 0) return;
    int32_t c = common(u->t, u->t->of_node[u->position[v]], user);
    u->around[v] = u->around[v] == TAP_NOWHERE ? c : common(u->t, u->around[v], c);
}

typedef void each_input(tap_uses *u, tap_vid v, int32_t place);

static void for_inputs(tap_uses *u, each_input *fn) {
    for (size_t i = 0; i < u->g->n_nodes; i++) {
        const tap_node *n = u->g->nodes[i];
        for (int32_t k = 0; k < n->n_in; k++)
            if (n->in[k] != TAP_NO_VALUE) fn(u, n->in[k], (int32_t)i);
        for (int32_t k = 0; k < n->n_captures; k++) fn(u, n->captures[k], (int32_t)i);
    }
}

static void count_user(tap_uses *u, tap_vid v, int32_t place) {
    (void)place;
    u->first[v + 1]++;
}

static void add_user(tap_uses *u, tap_vid v, int32_t place) {
    u->users[u->first[v]++] = place;
    note_use(u, v, u->t->of_node[place]);
}

/* Notes v with each module that it leaves. */
static void leave(tap_uses *u, tap_vid v, int32_t *n) {
    int32_t m = u->around[v] == TAP_NOWHERE ? -1 : u->t->of_node[u->position[v]];
    for (; m >= 0 && !tap_module_has(u->t, m, u->around[v]); m = u->t->modules[m].parent) {
        tap_module_uses *of = &u->of[m];
        if (u->leavers) {
            u->leavers[*n] = (tap_leaver){v, -1};
            if (of->first_leaver < 0)
                of->first_leaver = *n;
            else
                u->leavers[of->last_leaver].next = *n;
            of->last_leaver = *n;
        }
        ++*n;
    }
}

static int32_t leave_all(tap_uses *u) {
    int32_t n = 0;
    for (size_t i = 0; i < u->g->n_nodes; i++)
        for (int32_t k = 0; k < u->g->nodes[i]->n_out; k++)
            if (u->g->nodes[i]->out[k] != TAP_NO_VALUE) leave(u, u->g->nodes[i]->out[k], &n);
    return n;
}

static void find_repeated(tap_uses *u) {
    for (size_t i = 0; i < u->g->n_nodes; i++) {
        int32_t m = u->t->of_node[i];
        bool rnn = is_recurrent(u->g->nodes[i]);
        if (m < 0 || (!rnn && !is_op(u->g->nodes[i], "Loop"))) continue;
        if (u->of[m].over_time < 0) u->of[m].over_time = (int32_t)i;
        if (rnn && u->of[m].first_rnn < 0) u->of[m].first_rnn = (int32_t)i;
        if (rnn) u->of[m].last_rnn = (int32_t)i;
    }
}

static bool takes_weights(const tap_node *n) {
    return strncmp(n->src->op, "Conv", 4) == 0 || is_op(n, "MatMul") || is_op(n, "Gemm") ||
           is_op(n, "Gather") || is_op(n, "Mul") || is_recurrent(n);
}

/* Where all calls of a layer have one scope, its weights tell that there are several. */
static void find_repeats(tap_uses *u) {
    for (size_t v = 0; v < u->g->n_values; v++) {
        const tap_gvalue *x = &u->g->values[v];
        if (!x->init || x->init->rank == 0 || tap_name_is_made_up(x->name)) continue;
        for (int32_t i = u->first[v] + 1; i < u->first[v + 1]; i++) {
            const tap_node *a = u->g->nodes[u->users[i - 1]], *b = u->g->nodes[u->users[i]];
            int32_t m = u->t->of_node[u->users[i]];
            if (a == b || m != u->t->of_node[u->users[i - 1]] || !is_op(a, b->src->op) || !takes_weights(a))
                continue;
            for (; m >= 0; m = u->t->modules[m].parent) u->of[m].repeats = true;
        }
    }
}

static void find_mixed(tap_uses *u);

static tap_status look_at_modules(tap_uses *u, tap_arena *a, tap_error *err) {
    u->of = tap_arena_array(a, u->t->n, sizeof *u->of);
    if (!u->of) return tap_error_no_memory(err, u->t->n * sizeof *u->of);
    for (size_t i = 0; i < u->t->n; i++) u->of[i] = (tap_module_uses){-1, -1, -1, -1, -1, false, false, 0, 0};
    for (size_t i = 0; i < u->t->n; i++) {
        const tap_module *x = &u->t->modules[i];
        if (x->parent < 0 || !x->name || x->first < 0) continue;
        u->of[x->parent].once += x->again == 0;
        u->of[x->parent].twice += x->again == 1;
    }
    int32_t n = leave_all(u);
    u->leavers = tap_arena_array(a, (size_t)n, sizeof *u->leavers);
    if (!u->leavers) return tap_error_no_memory(err, (size_t)n * sizeof *u->leavers);
    leave_all(u);
    find_repeated(u);
    if (u->t->reentered) find_repeats(u);
    if (u->t->dialect == TAP_DIALECT_SCOPES || u->t->dialect == TAP_DIALECT_FX) find_mixed(u);
    return TAP_OK;
}

tap_status tap_uses_build(const tap_graph *g, const tap_layer_tree *t, tap_arena *a, tap_uses *u,
                          tap_error *err) {
    *u = (tap_uses){.g = g, .t = t};
    u->position = tap_arena_array(a, g->n_values, sizeof *u->position);
    u->around = tap_arena_array(a, g->n_values, sizeof *u->around);
    u->first = tap_arena_array(a, g->n_values + 1, sizeof *u->first);
    if (!u->position || !u->around || !u->first) return tap_error_no_memory(err, g->n_values);
    for (size_t v = 0; v < g->n_values; v++) {
        u->position[v] = -1;
        u->around[v] = TAP_NOWHERE;
    }
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; k < g->nodes[i]->n_out; k++)
            if (g->nodes[i]->out[k] != TAP_NO_VALUE) u->position[g->nodes[i]->out[k]] = (int32_t)i;
    for_inputs(u, count_user);
    for (size_t v = 0; v < g->n_values; v++) u->first[v + 1] += u->first[v];
    u->users = tap_arena_array(a, (size_t)u->first[g->n_values], sizeof *u->users);
    if (!u->users) return tap_error_no_memory(err, g->n_values);
    for_inputs(u, add_user); /* moves first[v] to where first[v + 1] was */
    memmove(u->first + 1, u->first, g->n_values * sizeof *u->first);
    u->first[0] = 0;
    for (size_t i = 0; i < g->n_outputs; i++) note_use(u, g->outputs[i], -1);
    return look_at_modules(u, a, err);
}

/* ---- Candidates ---- */

/* Numbers about shapes: they leave a module where another needs a size. */
static bool is_about_shapes(const tap_gvalue *v) {
    return v->type.kind == TAP_KIND_TENSOR && v->type.dtype == TAP_INT64 && v->type.rank >= 0 &&
           v->type.rank <= 1;
}

/* Computed from shapes and constants alone, by nodes that are looked at up to a bound. */
static bool comes_from_shapes(const tap_uses *u, tap_vid v) {
    enum { STACK = 64 };
    tap_vid todo[STACK];
    int32_t n = 0, steps = 0;
    bool shape = false;
    todo[n++] = v;
    while (n > 0 && steps++ < 200) {
        tap_vid x = todo[--n];
        if (u->g->values[x].init) continue;
        if (u->position[x] < 0) return false;
        const tap_node *made = u->g->nodes[u->position[x]];
        bool is_size = is_op(made, "Shape") || is_op(made, "Size");
        shape |= is_size;
        for (int32_t k = 0; !is_size && k < made->n_in; k++) {
            if (made->in[k] == TAP_NO_VALUE) continue;
            if (n == STACK) return false;
            todo[n++] = made->in[k];
        }
    }
    return shape && n == 0;
}

/* Whether all that leaves is the shape of v. */
static bool only_shape_leaves(const tap_uses *u, int32_t m, tap_vid v) {
    bool any = false;
    if (u->g->values[v].is_output) return false;
    for (int32_t i = u->first[v]; i < u->first[v + 1]; i++) {
        if (tap_module_has(u->t, m, u->t->of_node[u->users[i]])) continue;
        const tap_node *n = u->g->nodes[u->users[i]];
        if (!is_op(n, "Shape") && !is_op(n, "Size")) return false;
        any = true;
    }
    return any;
}

/* All outside of m that v has is being an output of the graph. */
static bool is_only_output(const tap_uses *u, int32_t m, tap_vid v) {
    for (int32_t i = u->first[v]; i < u->first[v + 1]; i++)
        if (!tap_module_has(u->t, m, u->t->of_node[u->users[i]])) return false;
    return u->g->values[v].is_output;
}

/* "layers.0" and "layers.11": the same but for the numbers. */
static bool same_but_numbers(const char *a, const char *b) {
    while (*a && *b) {
        bool digits = *a >= '0' && *a <= '9' && *b >= '0' && *b <= '9';
        if (!digits && *a != *b) return false;
        if (digits) {
            while (a[1] >= '0' && a[1] <= '9') a++;
            while (b[1] >= '0' && b[1] <= '9') b++;
        }
        a++;
        b++;
    }
    return *a == *b;
}

/* Whether `other` lies in a module like m as `inner` lies in m. */
static bool are_alike(const tap_layer_tree *t, int32_t m, int32_t inner, int32_t other) {
    return other >= 0 && m != inner
               ? same_but_numbers(t->modules[inner].raw, t->modules[other].raw)
               : other >= 0 && same_but_numbers(t->modules[m].raw, t->modules[other].raw);
}

static bool is_shared(const tap_uses *u, int32_t m, tap_vid v);
static bool reaches(const tap_uses *u, int32_t m, tap_vid from, tap_vid to);

/* Something that the exporter put in, and may have moved from another place: it changes no value. */
static bool is_moved(const tap_node *n) {
    bool moves = is_op(n, "Transpose") || is_op(n, "Reshape") || is_op(n, "Cast") || is_op(n, "Squeeze") ||
                 is_op(n, "Unsqueeze");
    return moves && tap_name_is_made_up(n->src->name) && n->n_in && n->in[0] != TAP_NO_VALUE;
}

/* What leaves a module and comes back into it was made inside under another's name, or the other way round: a
 * call has all it takes before it gives anything. */
static bool comes_back(const tap_uses *u, int32_t m, tap_vid v) {
    enum { QUEUE = 128 };
    tap_vid todo[QUEUE];
    int32_t n = 0, steps = 0;
    todo[n++] = v;
    while (n > 0 && steps < 2000) {
        tap_vid x = todo[--n];
        for (int32_t i = u->first[x]; i < u->first[x + 1] && steps < 2000; i++, steps++) {
            int32_t user = u->users[i];
            bool inside = tap_module_has(u->t, m, u->t->of_node[user]);
            if (inside && x != v && !is_moved(u->g->nodes[user])) return true;
            if (inside || user >= u->t->modules[m].last) continue;
            const tap_node *made = u->g->nodes[user];
            for (int32_t k = 0; k < made->n_out && n < QUEUE; k++)
                if (made->out[k] != TAP_NO_VALUE) todo[n++] = made->out[k];
        }
    }
    return false;
}

/* What an exporter put between an input and the module's first node: the input in another layout or type. */
static bool is_prepared_input(const tap_uses *u, int32_t m, tap_vid v) {
    while (u->position[v] >= 0 && tap_module_has(u->t, m, u->t->of_node[u->position[v]])) {
        const tap_node *n = u->g->nodes[u->position[v]];
        if (!is_moved(n)) return false;
        v = n->in[0];
    }
    return true;
}

/* Only an operation without a name, which gives the graph's output, takes v: it may be the layer's own or
 * another's. */
static bool goes_to_nameless_end(const tap_uses *u, tap_vid v) {
    if (!u->t->grouped || u->first[v + 1] - u->first[v] != 1) return false;
    const tap_node *n = u->g->nodes[u->users[u->first[v]]];
    return n->n_out == 1 && n->out[0] != TAP_NO_VALUE && u->g->values[n->out[0]].is_output &&
           !strchr(n->src->name, '/');
}

/* In the order in which they are made. Those beyond `room` are counted. */
static int32_t find_leaving(const tap_uses *u, int32_t m, tap_vid *out, int32_t room) {
    int32_t count = 0, over_time = u->t->dialect == TAP_DIALECT_TF ? u->of[m].over_time : -1;
    for (int32_t i = u->of[m].first_leaver; i >= 0; i = u->leavers[i].next) {
        tap_vid v = u->leavers[i].v;
        if (u->position[v] < over_time || only_shape_leaves(u, m, v)) continue;
        if (is_about_shapes(&u->g->values[v]) && !u->g->values[v].is_output) continue;
        if (!u->g->values[v].is_output && u->g->values[v].type.dtype == TAP_INT32 && comes_from_shapes(u, v))
            continue;
        if (is_shared(u, m, v) || is_prepared_input(u, m, v) || comes_back(u, m, v)) continue;
        if (count < room) out[count] = v;
        if (++count > room) break;
    }
    return count;
}

/* Whether the maker of `to` comes from value `from` by nodes of m. */
static bool reaches(const tap_uses *u, int32_t m, tap_vid from, tap_vid to) {
    enum { STACK = 256 };
    tap_vid todo[STACK];
    int32_t n = 0, steps = 0;
    todo[n++] = to;
    while (n > 0 && steps++ < 20000) {
        tap_vid v = todo[--n];
        if (v == from) return true;
        if (u->position[v] <= u->position[from] || !tap_module_has(u->t, m, u->t->of_node[u->position[v]]))
            continue;
        const tap_node *made = u->g->nodes[u->position[v]];
        for (int32_t k = 0; k < made->n_in; k++) {
            if (made->in[k] == TAP_NO_VALUE || u->position[made->in[k]] < 0) continue;
            if (n == STACK) return false;
            todo[n++] = made->in[k];
        }
    }
    return false;
}

/* Both nodes do the same with v. */
static bool use_alike(const tap_uses *u, tap_vid v, int32_t a, int32_t b) {
    const tap_node *x = u->g->nodes[a], *y = u->g->nodes[b];
    if (!is_op(x, y->src->op) || x->n_in != y->n_in) return false;
    for (int32_t k = 0; k < x->n_in; k++)
        if ((x->in[k] == v) != (y->in[k] == v)) return false;
    return true;
}

/* Equal nodes of several calls are one after the exporter's optimiser: what the first call made is then used
 * in the others, as it is in the first. Whether that is all that v leaves m for. */
static bool is_shared(const tap_uses *u, int32_t m, tap_vid v) {
    const tap_layer_tree *t = u->t;
    if (u->g->values[v].is_output || u->first[v + 1] - u->first[v] > 256) return false;
    for (int32_t i = u->first[v]; i < u->first[v + 1]; i++) {
        int32_t user = u->users[i], inside = -1;
        if (tap_module_has(t, m, t->of_node[user])) continue;
        for (int32_t k = u->first[v]; k < u->first[v + 1] && inside < 0; k++)
            if (tap_module_has(t, m, t->of_node[u->users[k]]) && use_alike(u, v, user, u->users[k]))
                inside = u->users[k];
        if (inside < 0) return false;
        if (t->dialect != TAP_DIALECT_TF && !are_alike(t, m, t->of_node[inside], t->of_node[user]))
            return false;
    }
    return true;
}

/* ---- Shapes that are changed on the way ---- */

static int32_t rank_of(const tap_uses *u, tap_vid v) {
    const tap_type *t = &u->g->values[v].type;
    return t->kind == TAP_KIND_TENSOR ? t->rank : -1;
}

static bool moves_elements(const tap_node *n) {
    static const char *const movers[] = {"Reshape", "Unsqueeze", "Squeeze", "Flatten",      "Transpose",
                                         "Tile",    "Expand",    "Concat",  "Identity",     "Cast",
                                         "Gather",  "Slice",     "Split",   "SpaceToDepth", "DepthToSpace"};
    for (size_t i = 0; i < TAP_COUNT_OF(movers); i++)
        if (is_op(n, movers[i])) return true;
    return false;
}

/* In m, or in a module whose work m has. */
static bool works_for(const tap_uses *u, int32_t m, int32_t node) {
    int32_t of = u->t->of_node[node];
    return tap_module_has(u->t, m, of) || (of >= 0 && u->t->modules[of].carrier == m);
}

/* What comes into m, on the way to v, through a node of m's own that gives it another rank: that rank. -1:
 * some of it comes in as it is, or it is not known. */
static int32_t rank_inside(const tap_uses *u, int32_t m, tap_vid v, int32_t *outside) {
    enum { STACK = 64 };
    tap_vid todo[STACK];
    int32_t n = 0, steps = 0, inside = -1;
    todo[n++] = v;
    while (n > 0) {
        const tap_node *made = u->g->nodes[u->position[todo[--n]]];
        if (steps++ > 500) return -1;
        for (int32_t k = 0; k < made->n_in; k++) {
            tap_vid x = made->in[k];
            if (x == TAP_NO_VALUE || u->g->values[x].init || is_about_shapes(&u->g->values[x])) continue;
            if (u->position[x] >= 0 && works_for(u, m, u->position[x])) {
                if (n == STACK) return -1;
                todo[n++] = x;
                continue;
            }
            bool reshapes = is_op(made, "Reshape") || is_op(made, "Unsqueeze");
            int32_t a = rank_of(u, x), b = made->out[0] == TAP_NO_VALUE ? -1 : rank_of(u, made->out[0]);
            if (!reshapes || is_moved(made) || a < 0 || a == b || (inside >= 0 && inside != b)) return -1;
            *outside = a;
            inside = b;
        }
    }
    return inside;
}

/* The layer works in another rank than it was given (a pool over one axis, groups of channels), and v is in
 * that: the way back was merged into what comes behind. */
static bool is_in_the_middle(const tap_uses *u, int32_t m, tap_vid v) {
    int32_t outside = -1, inside;
    if (u->t->dialect != TAP_DIALECT_TF || u->position[v] < 0 || u->g->values[v].is_output) return false;
    if (moves_elements(u->g->nodes[u->position[v]])) return false;
    inside = rank_inside(u, m, v, &outside);
    return inside >= 0 && rank_of(u, v) == inside && inside != outside;
}

/* ---- Names with a slash ---- */

/* What a convolution, a dense layer or a normalisation of Keras computes. */
static bool is_weighted(const tap_uses *u, const tap_node *n) {
    bool product = strncmp(n->src->op, "Conv", 4) == 0 || is_op(n, "MatMul") || is_op(n, "Gemm");
    if (product) return n->n_in > 1 && n->in[1] != TAP_NO_VALUE && u->g->values[n->in[1]].init;
    return strstr(n->src->name, "/batchnorm/") || strstr(n->src->name, "FusedBatchNorm");
}

/* Keras's own name for a layer that was given to another as its activation. */
static bool is_activation_inside(const char *piece) {
    static const char *const names[] = {"activation",        "re_lu", "leaky_re_lu", "p_re_lu",
                                        "thresholded_re_lu", "elu"};
    size_t n = strlen(piece), stem = n;
    if (tap_name_number(piece, n, &stem) >= 0) n = stem;
    for (size_t i = 0; i < TAP_COUNT_OF(names); i++)
        if (strlen(names[i]) == n && strncmp(piece, names[i], n) == 0) return true;
    return false;
}

/* v is made in a module inside of m, behind what m itself computes with its weights: a layer "conv/relu"
 * behind a layer "conv" looks like that, and so does a layer that ends in one of its own. Keras 3 has no
 * slash in names. */
static bool may_be_behind(const tap_uses *u, int32_t m, tap_vid v) {
    const tap_layer_tree *t = u->t;
    int32_t inner = u->position[v] < 0 ? m : t->of_node[u->position[v]];
    if (!t->reentered || inner == m) return false;
    while (t->modules[inner].parent != m) inner = t->modules[inner].parent;
    if (is_activation_inside(t->modules[inner].piece)) return false;
    for (int32_t i = t->modules[m].first; i >= 0 && i < t->modules[inner].first; i++)
        if (t->of_node[i] == m && is_weighted(u, u->g->nodes[i])) return true;
    return false;
}

/* ---- Rewritten exports ---- */

/* Rules of PyTorch's optimiser after which what a node takes is still what its module was given. */
static bool keeps_inputs(const char *rule) {
    /* What two of them did is done by the second: it takes what the first was given. */
    if (strncmp(rule, "FuseSuccessive", 14) == 0 || strncmp(rule, "FusePad", 7) == 0) return false;
    static const char *const safe[] = {"FuseBatchNorm", "RemoveOptionalBias", "Materialize", "RmsNorm",
                                       "LayerNorm",     "SkipLayerNorm",      "Fuse"};
    for (size_t i = 0; i < TAP_COUNT_OF(safe); i++)
        if (strncmp(rule, safe[i], strlen(safe[i])) == 0) return true;
    return false;
}

/* A convolution with a normalisation in it has that one's scope: where its kernel is of a layer inside of m,
 * it takes what that layer did. */
static bool has_kernel_of(const tap_uses *u, int32_t m, const tap_node *n) {
    const char *name = u->t->modules[m].name;
    size_t length = name ? strlen(name) : 0;
    if (!length || n->src->n_inputs < 2) return false;
    return strncmp(n->src->inputs[1], name, length) == 0 && n->src->inputs[1][length] == '.';
}

/* All that take v outside of m were put there by a rule that swallowed other nodes: v may be something from
 * the middle. */
bool tap_only_rewritten_take(const tap_uses *u, int32_t m, tap_vid v) {
    bool any = false;
    if (u->g->values[v].is_output) return false;
    for (int32_t i = u->first[v]; i < u->first[v + 1]; i++) {
        const tap_node *n = u->g->nodes[u->users[i]];
        if (tap_module_has(u->t, m, u->t->of_node[u->users[i]])) continue;
        const char *rule = tap_node_metadata(n, "pkg.onnxscript.rewriter.rule_name");
        if (!rule || (keeps_inputs(rule) && !has_kernel_of(u, m, n))) return false;
        any = true;
    }
    return any;
}

/* ---- Recurrent layers ---- */

static bool recurrent_nodes(const tap_uses *u, int32_t m, int32_t *first, int32_t *last) {
    *first = u->of[m].first_rnn;
    *last = u->of[m].last_rnn;
    return *first >= 0;
}

/* Which output of a recurrent node v comes from by nodes that only move elements; -1: of none. Of a Concat
 * all have to be the same. */
static int32_t recurrent_slot(const tap_uses *u, tap_vid v, int32_t depth) {
    if (depth > 12 || u->position[v] < 0) return -1;
    const tap_node *n = u->g->nodes[u->position[v]];
    if (is_recurrent(n)) {
        for (int32_t k = 0; k < n->n_out; k++)
            if (n->out[k] == v) return k;
        return -1;
    }
    bool concat = is_op(n, "Concat");
    if (!concat && !is_op(n, "Squeeze") && !is_op(n, "Transpose") && !is_op(n, "Reshape") &&
        !is_op(n, "Identity") && !is_op(n, "Unsqueeze") && !is_op(n, "Cast"))
        return -1;
    if (concat && (depth >= 6 || n->n_in > 64)) return -1;
    int32_t next = concat ? depth + 6 : depth + 1;
    int32_t slot = n->n_in && n->in[0] != TAP_NO_VALUE ? recurrent_slot(u, n->in[0], next) : -1;
    for (int32_t k = 1; concat && k < n->n_in; k++)
        if (n->in[k] == TAP_NO_VALUE || recurrent_slot(u, n->in[k], next) != slot) return -1;
    return slot;
}

static bool swaps_time(const tap_node *n) {
    if (!is_op(n, "Transpose")) return false;
    for (size_t i = 0; i < n->src->n_attrs; i++) {
        const tap_src_attr *a = &n->src->attrs[i];
        if (strcmp(a->name, "perm") == 0)
            return a->kind == TAP_ATTR_INTS && a->n == 3 && a->u.ints[0] == 1 && a->u.ints[1] == 0 &&
                   a->u.ints[2] == 2;
    }
    return false;
}

/* From v back through nodes of m that only move elements; counts those that exchange the batch and the time.
 */
static tap_vid before_moves(const tap_uses *u, int32_t m, tap_vid v, int32_t *swaps) {
    for (;;) {
        int32_t at = u->position[v];
        const tap_node *n = at >= 0 && tap_module_has(u->t, m, u->t->of_node[at]) ? u->g->nodes[at] : NULL;
        bool moves = n && (is_op(n, "Transpose") || is_op(n, "Squeeze") || is_op(n, "Unsqueeze") ||
                           is_op(n, "Reshape") || is_op(n, "Identity") || is_op(n, "Cast"));
        if (!moves || !n->n_in || n->in[0] == TAP_NO_VALUE) return v;
        *swaps += swaps_time(n);
        v = n->in[0];
    }
}

/* Whether the layer has the batch first, and its sequence still has the time first: the exporter cancelled
 * the exchange behind it with that before what follows. It shows where the exchange before it is, or was
 * cancelled likewise with that of a recurrent layer before. */
static bool lost_its_end(const tap_uses *u, int32_t m, tap_vid sequence, int32_t depth) {
    int32_t first = u->of[m].first_rnn, before = 0, behind = 0;
    const tap_node *rnn = first >= 0 ? u->g->nodes[first] : NULL;
    if (!rnn || depth > 16 || !rnn->n_in || rnn->in[0] == TAP_NO_VALUE) return false;
    before_moves(u, m, sequence, &behind);
    if (behind % 2) return false;
    tap_vid given = before_moves(u, m, rnn->in[0], &before);
    if (before % 2) return true;
    if (u->position[given] < 0 || recurrent_slot(u, given, 0) != 0) return false;
    int32_t other = u->t->of_node[u->position[given]];
    while (other >= 0 && u->of[other].first_rnn < 0) other = u->t->modules[other].parent;
    return other >= 0 && other != m && lost_its_end(u, other, given, depth + 1);
}

/* PyTorch's recurrent layers give the sequence, then the states: h, of an LSTM c, too. A packed sequence has
 * no tensor, and its batch sizes come before the states. */
static bool recurrent_outputs(const tap_uses *u, int32_t m, const tap_vid *leaving, int32_t n,
                              tap_module_outputs *out) {
    int32_t first, last;
    if (!recurrent_nodes(u, m, &first, &last)) return false;
    const tap_node *node = u->g->nodes[last];
    bool packed = node->n_in > 4 && node->in[4] != TAP_NO_VALUE;
    int32_t shift = packed && u->t->dialect != TAP_DIALECT_TF ? 1 : 0;
    out->n = node->n_out + shift;
    for (int32_t i = 0; i < n; i++) {
        int32_t slot = recurrent_slot(u, leaving[i], 0);
        if (slot < 0 || (slot == 0 && shift)) continue;
        tap_vid *to = &out->value[slot ? slot + shift : 0];
        if (*to == TAP_NO_VALUE) *to = leaving[i];
    }
    if (out->value[0] != TAP_NO_VALUE && lost_its_end(u, m, out->value[0], 0)) out->value[0] = TAP_NO_VALUE;
    /* States that nobody uses, where one node has them as the layer does. */
    for (int32_t k = 1; first == last && k < node->n_out && k + shift < TAP_MODULE_OUTPUTS; k++)
        if (out->value[k + shift] == TAP_NO_VALUE) out->value[k + shift] = node->out[k];
    return true;
}

/* Keras's recurrent layers give the sequence or the last of it, and where they are asked the states. */
static bool keras_recurrent_outputs(const tap_uses *u, int32_t m, const tap_vid *leaving, int32_t n,
                                    tap_module_outputs *out) {
    int32_t first, last;
    tap_vid of_slot[3] = {TAP_NO_VALUE, TAP_NO_VALUE, TAP_NO_VALUE};
    if (!recurrent_nodes(u, m, &first, &last) || n < 2) return false;
    for (int32_t i = 0; i < n; i++) {
        int32_t slot = recurrent_slot(u, leaving[i], 0);
        if (slot < 0 || slot > 2) return true; /* something else: not known which is which */
        if (of_slot[slot] == TAP_NO_VALUE) of_slot[slot] = leaving[i];
    }
    bool sequence = of_slot[0] != TAP_NO_VALUE;
    if (!sequence && of_slot[1] == TAP_NO_VALUE) return true;
    out->value[0] = sequence ? of_slot[0] : of_slot[1];
    out->value[1] = of_slot[1];
    out->value[2] = of_slot[2];
    out->n = of_slot[2] != TAP_NO_VALUE ? 3 : of_slot[1] != TAP_NO_VALUE ? 2 : 1;
    if (!sequence && of_slot[2] == TAP_NO_VALUE) out->n = 1;
    return true;
}

/* A recurrent layer that became a Loop: its states are the Loop's, what it puts out is made from them. */
static bool loop_outputs(const tap_uses *u, int32_t m, const tap_vid *leaving, int32_t n,
                         tap_module_outputs *out) {
    int32_t made = 0, states = 0;
    if (n < 2 || n > TAP_MODULE_OUTPUTS) return false;
    for (int32_t i = 0; i < n; i++) {
        const tap_node *maker = u->g->nodes[u->position[leaving[i]]];
        bool state = is_op(maker, "Loop") && u->t->of_node[u->position[leaving[i]]] == m;
        if (state)
            out->value[1 + states++] = leaving[i];
        else
            out->value[made++] = leaving[i];
        if (made > 1) break;
    }
    if (made == 1 && states == n - 1) {
        out->n = n;
        return true;
    }
    for (int32_t i = 0; i < TAP_MODULE_OUTPUTS; i++) out->value[i] = TAP_NO_VALUE;
    return false;
}

/* A scope in which several calls are: what leaves one comes back into another, or weights are used again. */
static bool has_several_calls(const tap_uses *u, int32_t m) {
    if (!u->t->reentered) return false;
    if (u->of[m].repeats) return true;
    for (int32_t i = u->of[m].first_leaver; i >= 0; i = u->leavers[i].next) {
        tap_vid v = u->leavers[i].v;
        if (u->position[v] >= u->of[m].over_time && !is_about_shapes(&u->g->values[v]) &&
            !is_prepared_input(u, m, v) && !only_shape_leaves(u, m, v) && comes_back(u, m, v))
            return true;
    }
    return false;
}

/* ---- PyTorch's scopes that are not one call ---- */

/* A module by itself in which a value comes back: the scope NAME_1 of a second call is that of a module
 * called NAME_1, too. */
static bool has_another_inside(const tap_uses *u, int32_t m) {
    if (u->t->dialect != TAP_DIALECT_SCOPES || u->t->modules[m].n_inner) return false;
    for (int32_t i = u->of[m].first_leaver; i >= 0; i = u->leavers[i].next) {
        tap_vid v = u->leavers[i].v;
        if (!is_about_shapes(&u->g->values[v]) && !only_shape_leaves(u, m, v) &&
            !is_prepared_input(u, m, v) && comes_back(u, m, v))
            return true;
    }
    return false;
}

/* torch.export opens a module once for two calls in a row: one without modules in it whose operations come in
 * the same order again. */
static bool repeats_itself(const tap_uses *u, int32_t m) {
    enum { OPERATIONS = 64 };
    const char *ops[OPERATIONS], *before = "";
    const tap_module *x = &u->t->modules[m];
    int32_t n = 0;
    if (u->t->dialect != TAP_DIALECT_FX || x->n_inner || x->first < 0) return false;
    for (int32_t i = x->first; i <= x->last; i++) {
        const char *scopes = tap_node_metadata(u->g->nodes[i], "pkg.torch.onnx.name_scopes");
        const char *classes = tap_node_metadata(u->g->nodes[i], "pkg.torch.onnx.class_hierarchy");
        if (u->t->of_node[i] != m || !scopes || !classes || strcmp(scopes, before) == 0) continue;
        if (n == OPERATIONS) return false;
        before = scopes;
        ops[n++] = classes;
    }
    for (int32_t period = 1; period <= n / 2; period++) {
        int32_t same = 0;
        while (same < n - period && strcmp(ops[same], ops[same + period]) == 0) same++;
        if (n % period == 0 && same == n - period) return true;
    }
    return false;
}

/* The scope of the first call of what m, NAME_1, is taken for a later call of; -1: m is none. */
static int32_t first_call_of(const tap_uses *u, int32_t m) {
    const tap_module *x = &u->t->modules[m];
    char raw[1024] = "";
    tap_text text = {raw, sizeof raw, 0};
    size_t stem, n = strlen(x->piece), all = x->name ? strlen(x->name) : 0;
    if (tap_name_number(x->piece, n, &stem) < 1) return -1;
    if (all >= n && strcmp(x->name + all - n, x->piece) == 0) return -1; /* a layer of that name */
    tap_text_add(&text, "%.*s", (int)(strlen(x->raw) - n + stem), x->raw);
    return tap_map_get(&u->t->by_raw, raw, -1);
}

/* Tracing numbers the scopes of calls, each in what is around it: the second call of a block is NAME_1, and
 * those of the modules in it are in NAME, beside the first ones. Where NAME is itself a call of another, how
 * often NAME was called before is not known. All modules called again in m may be m itself called twice, one
 * call behind the other. */
static void find_mixed(tap_uses *u) {
    const tap_layer_tree *t = u->t;
    for (size_t i = t->n; i-- > 0;) { /* what is in a module comes behind it */
        const tap_module *m = &t->modules[i];
        tap_module_uses *of = &u->of[i];
        of->mixed |= (of->once > 0 && of->twice >= of->once) || has_another_inside(u, (int32_t)i) ||
                     repeats_itself(u, (int32_t)i);
        if (t->dialect == TAP_DIALECT_FX && of->mixed && m->parent >= 0 && m->again == 0)
            u->of[m->parent].twice++;
        int32_t first = t->dialect == TAP_DIALECT_SCOPES ? first_call_of(u, (int32_t)i) : -1;
        if (first < 0) continue;
        bool other = t->modules[first].name && strcmp(t->modules[first].name, m->name) != 0;
        of->mixed |= other || t->modules[first].n_inner > 0;
        if (t->modules[first].n_inner > 0) u->of[first].mixed |= u->of[first].twice > 0;
    }
}

/* ---- The output ---- */

/* Transformers give what goes into their pooler first, and what comes out of it second. */
static bool pooled_outputs(const tap_uses *u, int32_t m, tap_module_outputs *out) {
    const tap_layer_tree *t = u->t;
    int32_t pooler = t->modules[m].pooler;
    if (pooler < 0 || t->modules[pooler].last != t->modules[m].last) return false;
    tap_vid given = TAP_NO_VALUE;
    for (int32_t i = t->modules[pooler].first; i <= t->modules[pooler].last; i++) {
        if (!tap_module_has(t, pooler, t->of_node[i])) continue;
        const tap_node *n = u->g->nodes[i];
        for (int32_t k = 0; k < n->n_in; k++) {
            tap_vid v = n->in[k];
            if (v == TAP_NO_VALUE || u->position[v] < 0 ||
                tap_module_has(t, pooler, t->of_node[u->position[v]]))
                continue;
            if (is_op(u->g->nodes[u->position[v]], "Constant")) continue;
            if (given != TAP_NO_VALUE && given != v) return true; /* not known */
            given = v;
        }
    }
    tap_vid last;
    out->n = 2;
    if (given != TAP_NO_VALUE) out->value[0] = given;
    if (find_leaving(u, pooler, &last, 1) == 1) out->value[1] = last;
    return true;
}

/* An input of m in another type: what is computed from it and leaves, too, is m's output. */
static bool is_cast_input(const tap_uses *u, int32_t m, tap_vid v) {
    const tap_node *n = u->g->nodes[u->position[v]];
    if (!is_op(n, "Cast") || !n->n_in || n->in[0] == TAP_NO_VALUE || u->g->values[v].is_output) return false;
    return u->position[n->in[0]] < 0 || !tap_module_has(u->t, m, u->t->of_node[u->position[n->in[0]]]);
}

/* Of several the last: if it goes on to other nodes, and the rest, on the way to it, are only outputs of the
 * graph, or parts of what was one operation in TensorFlow, which another layer shares. */
static tap_vid last_of(const tap_uses *u, int32_t m, const tap_vid *leaving, int32_t n) {
    tap_vid last = leaving[n - 1];
    bool tf = u->t->dialect == TAP_DIALECT_TF;
    for (int32_t i = 0; i < n - 1; i++) {
        bool part =
            (tf && tap_name_is_made_up(u->g->values[leaving[i]].name)) || is_cast_input(u, m, leaving[i]);
        if (!reaches(u, m, leaving[i], last)) return TAP_NO_VALUE;
        if (!part && (!is_only_output(u, m, leaving[i]) || is_only_output(u, m, last))) return TAP_NO_VALUE;
    }
    return last;
}

void tap_module_outputs_find(const tap_uses *u, int32_t m, tap_module_outputs *out) {
    tap_vid leaving[CANDIDATES];
    out->n = 1;
    for (int32_t i = 0; i < TAP_MODULE_OUTPUTS; i++) out->value[i] = TAP_NO_VALUE;
    int32_t around = u->t->modules[m].parent;
    /* One direction of two that became one node has no output of its own. */
    if (u->t->dialect == TAP_DIALECT_TF && around >= 0 && u->of[around].over_time >= 0) return;
    if (has_several_calls(u, m) || u->of[m].mixed) return;
    int32_t n = u->t->rounded ? 0 : find_leaving(u, m, leaving, CANDIDATES);
    if (n > CANDIDATES) return;
    if (u->t->dialect == TAP_DIALECT_TF) {
        if (keras_recurrent_outputs(u, m, leaving, n, out) || loop_outputs(u, m, leaving, n, out)) return;
    } else if (recurrent_outputs(u, m, leaving, n, out) || pooled_outputs(u, m, out)) {
        return;
    }
    if (n == 1) out->value[0] = leaving[0];
    if (n > 1) out->value[0] = last_of(u, m, leaving, n);
    if (n == 1 && goes_to_nameless_end(u, leaving[0])) out->value[0] = TAP_NO_VALUE;
    if (out->value[0] != TAP_NO_VALUE &&
        (is_in_the_middle(u, m, out->value[0]) || may_be_behind(u, m, out->value[0])))
        out->value[0] = TAP_NO_VALUE;
    if (out->value[0] != TAP_NO_VALUE && tap_only_rewritten_take(u, m, out->value[0]))
        out->value[0] = TAP_NO_VALUE;
}
