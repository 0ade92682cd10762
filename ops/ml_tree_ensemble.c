/* ai.onnx.ml: TreeEnsemble (version 5), whose decisions and leaves are lists by position. */
#include "common/trees.h"

#define REAL_TYPES (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_BIT(TAP_FLOAT16))

/* A list in an attribute, of n entries. */
static const int64_t *ints(tap_ctx *ctx, const char *name, size_t n, bool needed, tap_status *s) {
    size_t found;
    const int64_t *v = tap_attr_ints(ctx, name, &found);
    if (*s == TAP_OK && found != n && (needed || found > 0))
        *s = tap_fail(ctx, TAP_MODEL, "attribute %s has %zu entries, not %zu", name, found, n);
    return found > 0 ? v : NULL;
}

/* A tensor of n entries in an attribute; n = SIZE_MAX: of any number. */
static const tap_tensor *tensor(tap_ctx *ctx, const char *name, size_t n, uint32_t dtypes, tap_status *s) {
    const tap_tensor *t = tap_attr_tensor(ctx, name);
    if (*s != TAP_OK) return t;
    if (!t || !(TAP_BIT(t->dtype) & dtypes) || (n != SIZE_MAX && (size_t)t->count != n))
        *s = tap_fail(ctx, TAP_MODEL,
                      "attribute %s is missing, or has another type or length than the other lists", name);
    return t;
}

/* Where a decision leads: to node or leaf `at`. */
static tap_status target_of(tap_ctx *ctx, const tap_trees *t, int64_t at, bool leaf, int32_t *out) {
    if (at < 0 || at >= (int64_t)(leaf ? t->n_leaves : t->n_nodes))
        return tap_fail(ctx, TAP_MODEL, "a decision leads to %s %lld of %zu", leaf ? "leaf" : "node",
                        (long long)at, leaf ? t->n_leaves : t->n_nodes);
    *out = leaf ? ~(int32_t)at : (int32_t)at;
    return TAP_OK;
}

static tap_status read_leaves(tap_ctx *ctx, tap_trees *t) {
    tap_status s = TAP_OK;
    const int64_t *target = tap_attr_ints(ctx, "leaf_targetids", &t->n_leaves);
    if (t->n_leaves == 0 || t->n_leaves > INT32_MAX / 4)
        return tap_fail(ctx, TAP_MODEL, "attribute leaf_targetids has %zu entries", t->n_leaves);
    const tap_tensor *weight = tensor(ctx, "leaf_weights", t->n_leaves, REAL_TYPES, &s);
    if (s != TAP_OK) return s;
    t->n_weights = t->n_leaves;
    t->leaf = tap_state(ctx, t->n_leaves * sizeof *t->leaf);
    t->weight = tap_state(ctx, t->n_leaves * sizeof *t->weight);
    if (!t->leaf || !t->weight) return TAP_MEMORY;
    for (size_t i = 0; i < t->n_leaves; i++) {
        t->leaf[i] = (tap_tree_leaf){(int64_t)i, 1};
        t->weight[i] = (tap_tree_weight){target[i], tap_real_at(weight, (int64_t)i)};
    }
    return s;
}

static tap_status read_nodes(tap_ctx *ctx, tap_trees *t) {
    tap_status s = TAP_OK;
    const int64_t *feature = tap_attr_ints(ctx, "nodes_featureids", &t->n_nodes);
    size_t n = t->n_nodes;
    if (n == 0 || n > INT32_MAX / 4)
        return tap_fail(ctx, TAP_MODEL, "attribute nodes_featureids has %zu entries", n);
    const int64_t *yes = ints(ctx, "nodes_truenodeids", n, true, &s),
                  *no = ints(ctx, "nodes_falsenodeids", n, true, &s);
    const int64_t *yes_leaf = ints(ctx, "nodes_trueleafs", n, true, &s);
    const int64_t *no_leaf = ints(ctx, "nodes_falseleafs", n, true, &s);
    const int64_t *nan_yes = ints(ctx, "nodes_missing_value_tracks_true", n, false, &s);
    const tap_tensor *split = tensor(ctx, "nodes_splits", n, REAL_TYPES, &s);
    const tap_tensor *mode = tensor(ctx, "nodes_modes", n, TAP_BIT(TAP_UINT8), &s);
    if (s != TAP_OK) return s;
    t->node = tap_state(ctx, n * sizeof *t->node);
    if (!t->node) return TAP_MEMORY;
    for (size_t i = 0; i < n && s == TAP_OK; i++) {
        tap_tree_node *node = &t->node[i];
        node->mode = ((const uint8_t *)mode->data)[i];
        node->split = tap_real_at(split, (int64_t)i);
        node->nan_yes = nan_yes && nan_yes[i] != 0;
        node->feature = feature[i] < 0 || feature[i] >= INT32_MAX ? -1 : (int32_t)feature[i];
        s = target_of(ctx, t, yes[i], yes_leaf[i] != 0, &node->yes);
        if (s == TAP_OK) s = target_of(ctx, t, no[i], no_leaf[i] != 0, &node->no);
        if (s == TAP_OK && node->mode > TAP_TREE_MEMBER)
            s = tap_fail(ctx, TAP_MODEL, "nodes_modes[%zu] is %d", i, node->mode);
    }
    return s;
}

/* The sets of BRANCH_MEMBER, in the order of their nodes, each ended by a NaN. */
static tap_status read_members(tap_ctx *ctx, tap_trees *t) {
    const tap_tensor *v = tap_attr_tensor(ctx, "membership_values");
    int64_t n = v ? v->count : 0, at = 0;
    if (v && (!(TAP_BIT(v->dtype) & REAL_TYPES) || n > INT32_MAX))
        return tap_fail(ctx, TAP_MODEL,
                        "attribute membership_values has a type or length that is not possible");
    double *member = tap_state(ctx, (size_t)(n + 1) * sizeof *member);
    if (!member) return TAP_MEMORY;
    for (int64_t i = 0; i < n; i++) member[i] = tap_real_at(v, i);
    for (size_t i = 0; i < t->n_nodes; i++) {
        tap_tree_node *node = &t->node[i];
        if (node->mode != TAP_TREE_MEMBER) continue;
        if (at >= n)
            return tap_fail(ctx, TAP_MODEL,
                            "membership_values has fewer sets than there are BRANCH_MEMBER nodes");
        node->first_member = (int32_t)at;
        while (at < n && member[at] == member[at]) at++;
        node->n_members = (int32_t)at - node->first_member;
        at++;
    }
    t->member = member;
    return TAP_OK;
}

static tap_status read_roots(tap_ctx *ctx, tap_trees *t) {
    const int64_t *root = tap_attr_ints(ctx, "tree_roots", &t->n_roots);
    tap_status s = TAP_OK;
    if (t->n_roots == 0) return tap_fail(ctx, TAP_MODEL, "attribute tree_roots is missing");
    t->root = tap_state(ctx, t->n_roots * sizeof *t->root);
    if (!t->root) return TAP_MEMORY;
    for (size_t i = 0; i < t->n_roots && s == TAP_OK; i++) s = target_of(ctx, t, root[i], false, &t->root[i]);
    return s;
}

static tap_status read_numbers(tap_ctx *ctx, tap_trees *t) {
    int64_t sum = tap_attr_int(ctx, "aggregate_function", TAP_TREE_SUM);
    int64_t post = tap_attr_int(ctx, "post_transform", TAP_POST_NONE);
    t->n_targets = tap_attr_int(ctx, "n_targets", 0);
    tap_attr_tensor(ctx, "nodes_hitrates");
    if (sum < TAP_TREE_AVERAGE || sum > TAP_TREE_MAX)
        return tap_fail(ctx, TAP_MODEL, "attribute aggregate_function is %lld", (long long)sum);
    if (post < TAP_POST_NONE || post > TAP_POST_PROBIT)
        return tap_fail(ctx, TAP_MODEL, "attribute post_transform is %lld", (long long)post);
    if (t->n_targets < 1)
        return tap_fail(ctx, TAP_MODEL, "attribute n_targets is %lld", (long long)t->n_targets);
    t->sum = (tap_tree_sum)sum;
    t->post = (tap_post)post;
    return TAP_OK;
}

static tap_status ensemble_prepare(tap_ctx *ctx, void **state) {
    tap_trees *t = tap_state(ctx, sizeof *t);
    if (!t) return TAP_MEMORY;
    *state = t;
    tap_status s = read_numbers(ctx, t);
    if (s == TAP_OK) s = read_leaves(ctx, t);
    if (s == TAP_OK) s = read_nodes(ctx, t);
    if (s == TAP_OK) s = read_members(ctx, t);
    if (s == TAP_OK) s = read_roots(ctx, t);
    return s == TAP_OK ? tap_trees_finish(ctx, t) : s;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "TreeEnsemble", .domain = TAP_ML, .since = 5, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = REAL_TYPES, .prepare = ensemble_prepare, .infer = tap_trees_infer, .run = tap_trees_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(ml_tree_ensemble, ops);
