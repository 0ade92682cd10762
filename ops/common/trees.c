/* Ensembles of decision trees: checking and running them. */
#include "common/trees.h"

/* ---- checking ------------------------------------------------------------------------------------------ */

/* Notes that something leads to `to`. No decision may be reached on two ways: so there are no circles. */
static tap_status reach(tap_ctx *ctx, const tap_trees *t, uint8_t *seen, int32_t to) {
    if (to < 0) return TAP_OK;
    if ((size_t)to >= t->n_nodes)
        return tap_fail(ctx, TAP_MODEL, "a decision leads to node %d of %zu", to, t->n_nodes);
    if (seen[to])
        return tap_fail(ctx, TAP_MODEL, "node %d of the trees is reached on two ways: that is no tree", to);
    seen[to] = 1;
    return TAP_OK;
}

static tap_status check_shape(tap_ctx *ctx, const tap_trees *t) {
    uint8_t *seen = tap_state(ctx, t->n_nodes + 1);
    tap_status s = seen ? TAP_OK : TAP_MEMORY;
    for (size_t i = 0; i < t->n_nodes && s == TAP_OK; i++) {
        s = reach(ctx, t, seen, t->node[i].yes);
        /* A tree that is one leaf may be written as a decision with twice the same leaf behind it. */
        if (s == TAP_OK) s = reach(ctx, t, seen, t->node[i].no);
    }
    for (size_t i = 0; i < t->n_roots && s == TAP_OK; i++)
        if (t->root[i] >= 0 && ((size_t)t->root[i] >= t->n_nodes || seen[t->root[i]]))
            s = tap_fail(ctx, TAP_MODEL, "root %d of the trees has something above it, or does not exist",
                         t->root[i]);
    return s;
}

static tap_status check_nodes(tap_ctx *ctx, tap_trees *t) {
    t->mode = t->n_nodes ? (tap_tree_mode)t->node[0].mode : TAP_TREE_LEAF;
    for (size_t i = 0; i < t->n_nodes; i++) {
        const tap_tree_node *n = &t->node[i];
        if (n->feature < 0)
            return tap_fail(ctx, TAP_MODEL, "node %zu of the trees looks at feature %d", i, n->feature);
        t->n_features = tap_max64(t->n_features, (int64_t)n->feature + 1);
        if (n->mode != t->mode) t->mode = TAP_TREE_LEAF;
        if (n->nan_yes) t->asks_for_nan = true;
    }
    return TAP_OK;
}

static tap_status check_weights(tap_ctx *ctx, tap_trees *t) {
    t->all_positive = true;
    t->only_class = t->n_weights > 0 ? t->weight[0].target : -1;
    for (size_t i = 0; i < t->n_weights; i++) {
        const tap_tree_weight *w = &t->weight[i];
        if (w->target < 0 || w->target >= t->n_targets)
            return tap_fail(ctx, TAP_MODEL, "weight %zu of the trees is for target %lld of %lld", i,
                            (long long)w->target, (long long)t->n_targets);
        if (w->value < 0) t->all_positive = false;
        if (w->target != t->only_class) t->only_class = -1;
    }
    return TAP_OK;
}

/* Two classes, and weights for the first alone: its score stands for both. */
static bool is_single_score(const tap_trees *t) {
    return t->classifier && t->n_targets == 2 && t->only_class == 0 && t->n_base <= 1;
}

tap_status tap_trees_finish(tap_ctx *ctx, tap_trees *t) {
    tap_status s = check_shape(ctx, t);
    if (s == TAP_OK) s = check_nodes(ctx, t);
    if (s == TAP_OK) s = check_weights(ctx, t);
    if (s != TAP_OK || t->n_base == 0 || (int64_t)t->n_base == t->n_targets) return s;
    if (t->n_base == 1 && is_single_score(t)) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "%zu base values for %lld scores", t->n_base, (long long)t->n_targets);
}

/* ---- infer --------------------------------------------------------------------------------------------- */

tap_status tap_trees_infer(tap_ctx *ctx) {
    const tap_trees *t = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_rows r;
    tap_status s = tap_rows_in(ctx, &r);
    if (s == TAP_OK && r.features >= 0 && r.features < t->n_features)
        s = tap_fail(ctx, tap_misfit(ctx), "rows have %lld features, and the trees look at %lld",
                     (long long)r.features, (long long)t->n_features);
    int64_t dims[2] = {r.rows, t->n_targets};
    if (s != TAP_OK) return s;
    if (!t->classifier) {
        bool same = tap_opset(ctx) >= 5 && tap_ctx_op(ctx)->since == 5;
        return tap_out_type(ctx, 0, !same ? TAP_FLOAT : x ? x->dtype : TAP_UNDEFINED, 2, dims);
    }
    s = tap_out_type(ctx, 0, tap_classes_dtype(&t->classes), 1, dims);
    return s == TAP_OK ? tap_out_type(ctx, 1, TAP_FLOAT, 2, dims) : s;
}

/* ---- run ----------------------------------------------------------------------------------------------- */

static inline bool is_member(const tap_trees *t, const tap_tree_node *n, double x) {
    for (int32_t i = 0; i < n->n_members; i++)
        if (t->member[n->first_member + i] == x) return true;
    return false;
}

static inline bool decide(const tap_trees *t, tap_tree_mode mode, const tap_tree_node *n, double x) {
    switch (mode) {
    case TAP_TREE_LEQ: return x <= n->split;
    case TAP_TREE_LT: return x < n->split;
    case TAP_TREE_GTE: return x >= n->split;
    case TAP_TREE_GT: return x > n->split;
    case TAP_TREE_EQ: return x == n->split;
    case TAP_TREE_NEQ: return x != n->split;
    default: return is_member(t, n, x);
    }
}

/* Trees that are walked down side by side, so that none waits for another. */
#define TOGETHER 8

/* Walks down trees from the roots `at` to leaves. Without a branch that hangs on x, but for the depth of the
 * deepest. What is a leaf already takes part, at node 0, and stays. */
static inline __attribute__((always_inline)) void walk(const tap_trees *t, const tap_tree_mode mode,
                                                       const bool asks_for_nan, const double *x,
                                                       int32_t *at) {
    for (int32_t all = 0; all >= 0;) {
        all = -1;
        for (int i = 0; i < TOGETHER; i++) {
            const int32_t here = at[i], done = here >> 31;
            const tap_tree_node *node = &t->node[here & ~done];
            const double v = x[node->feature];
            bool yes = decide(t, mode, node, v);
            if (asks_for_nan) yes |= node->nan_yes & (v != v);
            const int32_t no = node->no, next = no ^ ((no ^ node->yes) & -(int32_t)yes);
            at[i] = next ^ ((next ^ here) & done);
            all &= at[i];
        }
    }
}

static void walk_mixed(const tap_trees *t, const double *x, int32_t *at) {
    for (int i = 0; i < TOGETHER; i++)
        while (at[i] >= 0) {
            const tap_tree_node *node = &t->node[at[i]];
            const double v = x[node->feature];
            const bool yes = decide(t, (tap_tree_mode)node->mode, node, v) || (node->nan_yes && v != v);
            at[i] = yes ? node->yes : node->no;
        }
}

static void walk_all(const tap_trees *t, const double *x, int32_t *at) {
    if (t->mode == TAP_TREE_LEQ && !t->asks_for_nan)
        walk(t, TAP_TREE_LEQ, false, x, at);
    else if (t->mode == TAP_TREE_LEQ)
        walk(t, TAP_TREE_LEQ, true, x, at);
    else if (t->mode == TAP_TREE_LT && !t->asks_for_nan)
        walk(t, TAP_TREE_LT, false, x, at);
    else if (t->mode == TAP_TREE_LT)
        walk(t, TAP_TREE_LT, true, x, at);
    else
        walk_mixed(t, x, at);
}

static inline void add_weight(tap_tree_sum how, double *score, bool first, double value) {
    switch (how) {
    case TAP_TREE_MIN: *score = first || value < *score ? value : *score; break;
    case TAP_TREE_MAX: *score = first || value > *score ? value : *score; break;
    default: *score += value; break;
    }
}

static inline void add_leaf(const tap_trees *t, const tap_tree_leaf *leaf, double *score, bool *has) {
    for (int64_t w = leaf->first; w < leaf->first + leaf->n; w++) {
        int64_t target = t->weight[w].target;
        add_weight(t->sum, &score[target], !has[target], t->weight[w].value);
        has[target] = true;
    }
}

/* score[target], has[target]: whether any tree said something of it. The trees are added in their order. */
static void score_row(const tap_trees *t, const double *x, double *score, bool *has) {
    for (int64_t k = 0; k < t->n_targets; k++) {
        score[k] = 0;
        has[k] = false;
    }
    for (size_t i = 0; i < t->n_roots; i += TOGETHER) {
        const int n = (int)tap_min64(TOGETHER, (int64_t)(t->n_roots - i));
        int32_t at[TOGETHER];
        for (int k = 0; k < TOGETHER; k++) at[k] = k < n ? t->root[i + (size_t)k] : -1;
        walk_all(t, x, at);
        for (int k = 0; k < n; k++) add_leaf(t, &t->leaf[~at[k]], score, has);
    }
    for (int64_t k = 0; k < t->n_targets; k++) {
        if (t->sum == TAP_TREE_AVERAGE) score[k] /= (double)t->n_roots;
        if ((size_t)k >= t->n_base) continue;
        score[k] += t->base[k];
        has[k] = true;
    }
}

/* The largest of the scores of which something is known. */
static int64_t best_class(const tap_trees *t, const double *score, const bool *has) {
    int64_t best = -1;
    for (int64_t k = 0; k < t->n_targets; k++)
        if (has[k] && (best < 0 || score[k] > score[best])) best = k;
    return best < 0 ? 0 : best;
}

/* One score for two classes. Where the standard is silent, as ONNX Runtime: weights that are nowhere negative
 * are taken for probabilities of the second class, others for a distance from the boundary. */
static int64_t finish_single(const tap_trees *t, double *score) {
    double s = score[0];
    int64_t label = s > (t->all_positive ? 0.5 : 0.0);
    bool probability = t->all_positive && (t->post == TAP_POST_NONE || t->post == TAP_POST_PROBIT);
    score[0] = probability ? 1 - s : -s;
    score[1] = s;
    tap_post_apply(t->post, score, 2);
    return label;
}

/* Transforms the scores in place; the class for the label. */
static int64_t finish_classes(const tap_trees *t, double *score, const bool *has) {
    if (is_single_score(t)) return finish_single(t, score);
    int64_t label = best_class(t, score, has);
    if (t->n_targets == 2 && t->only_class == 1 && t->n_base == 0)
        label = score[1] > (t->all_positive ? 0.5 : 0.0);
    tap_post_apply(t->post, score, t->n_targets);
    return label;
}

typedef struct trees_run {
    const tap_trees *t;
    const tap_tensor *x;
    tap_tensor *label, *z;
    tap_rows rows;
    char *room; /* for each worker: double [features + targets], bool [targets] */
    size_t room_bytes;
} trees_run;

static void store_scores(tap_tensor *z, int64_t at, const double *score, int64_t n) {
    for (int64_t k = 0; k < n; k++) {
        if (z->dtype == TAP_FLOAT)
            ((float *)z->data)[at + k] = (float)score[k];
        else if (z->dtype == TAP_DOUBLE)
            ((double *)z->data)[at + k] = score[k];
        else
            ((uint16_t *)z->data)[at + k] = tap_f32_to_f16(tap_f64_to_f32_odd(score[k]));
    }
}

static void trees_rows(void *arg, int64_t begin, int64_t end, int worker) {
    const trees_run *r = arg;
    const tap_trees *t = r->t;
    double *x = (double *)(void *)(r->room + (size_t)worker * r->room_bytes), *score = x + r->rows.features;
    bool *has = (bool *)(void *)(score + t->n_targets);
    for (int64_t row = begin; row < end; row++) {
        tap_reals_of(r->x, row * r->rows.features, r->rows.features, x);
        score_row(t, x, score, has);
        if (t->classifier)
            tap_classes_put(&t->classes, r->label, row, finish_classes(t, score, has));
        else
            tap_post_apply(t->post, score, t->n_targets);
        store_scores(r->z, row * t->n_targets, score, t->n_targets);
    }
}

tap_status tap_trees_run(tap_ctx *ctx) {
    trees_run r = {.t = ctx->state, .x = ctx->in[0], .rows = tap_rows_of(ctx->in[0])};
    int64_t dims[2] = {r.rows.rows, r.t->n_targets};
    r.z = r.t->classifier ? tap_out(ctx, 1, TAP_FLOAT, 2, dims) : ctx->out[0];
    r.label = r.t->classifier ? tap_out(ctx, 0, tap_classes_dtype(&r.t->classes), 1, dims) : NULL;
    r.room_bytes = tap_round_up(
        (size_t)(r.rows.features + r.t->n_targets) * sizeof(double) + (size_t)r.t->n_targets, TAP_ALIGN);
    r.room = tap_scratch(ctx, (size_t)tap_workers(ctx) * r.room_bytes);
    if (!r.z || !r.room || (r.t->classifier && !r.label)) return TAP_MEMORY;
    /* Rows at once: some 2^15 steps down trees, by the number of trees. */
    int64_t grain = tap_max64(1, 4096 / (int64_t)(r.t->n_roots + 1));
    tap_parallel(ctx, r.rows.rows, grain, trees_rows, &r);
    return TAP_OK;
}
