/* ai.onnx.ml: TreeEnsembleClassifier and TreeEnsembleRegressor, whose nodes are named by tree and number. */
#include "common/dictionary.h"
#include "common/trees.h"

/* The attributes that both have; lists of n_nodes and n_weights. */
typedef struct lists {
    size_t n_nodes, n_weights;
    const int64_t *tree, *number, *feature, *yes, *no, *nan_yes;
    const tap_string *mode;
    const double *split;
    const int64_t *weight_tree, *weight_number, *weight_target;
    const double *weight;
    size_t n_slots; /* of a hash table of nodes by tree and number */
    int32_t *slot;  /* -1 = free                                   */
} lists;

/* ---- attributes ---------------------------------------------------------------------------------------- */

static tap_status check_length(tap_ctx *ctx, const char *name, size_t n, size_t wanted) {
    if (n == wanted) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "attribute %s has %zu entries, not %zu", name, n, wanted);
}

static const int64_t *ints(tap_ctx *ctx, const char *name, size_t wanted, tap_status *s) {
    size_t n;
    const int64_t *v = tap_attr_ints(ctx, name, &n);
    if (*s == TAP_OK) *s = check_length(ctx, name, n, wanted);
    return v;
}

/* The list in NAME, or from version 3 on in NAME_as_tensor, float32 or float64; *n entries, made anew. */
static const double *reals(tap_ctx *ctx, const char *name, const char *tensor_name, size_t *n,
                           tap_status *s) {
    const float *v = tap_attr_floats(ctx, name, n);
    const tap_tensor *t = tap_opset(ctx) >= 3 ? tap_attr_tensor(ctx, tensor_name) : NULL;
    if (*s != TAP_OK) return NULL;
    if (t && *n > 0)
        *s = tap_fail(ctx, TAP_MODEL, "the attributes %s and %s are both given", name, tensor_name);
    if (t && t->dtype != TAP_FLOAT && t->dtype != TAP_DOUBLE)
        *s = tap_fail(ctx, TAP_MODEL, "attribute %s is %s", tensor_name, tap_dtype_name(t->dtype));
    if (t) *n = (size_t)t->count;
    double *y = *s == TAP_OK ? tap_state(ctx, (*n + 1) * sizeof *y) : NULL;
    if (!y && *s == TAP_OK) *s = TAP_MEMORY;
    for (size_t i = 0; y && i < *n; i++) y[i] = t ? tap_real_at(t, (int64_t)i) : (double)v[i];
    return y;
}

static tap_status read_nodes(tap_ctx *ctx, lists *l) {
    tap_status s = TAP_OK;
    size_t n;
    l->tree = tap_attr_ints(ctx, "nodes_treeids", &l->n_nodes);
    if (l->n_nodes == 0 || l->n_nodes > INT32_MAX / 4)
        return tap_fail(ctx, TAP_MODEL, "attribute nodes_treeids has %zu entries", l->n_nodes);
    l->number = ints(ctx, "nodes_nodeids", l->n_nodes, &s);
    l->feature = ints(ctx, "nodes_featureids", l->n_nodes, &s);
    l->yes = ints(ctx, "nodes_truenodeids", l->n_nodes, &s);
    l->no = ints(ctx, "nodes_falsenodeids", l->n_nodes, &s);
    l->nan_yes = tap_attr_ints(ctx, "nodes_missing_value_tracks_true", &n);
    if (n > 0 && s == TAP_OK) s = check_length(ctx, "nodes_missing_value_tracks_true", n, l->n_nodes);
    if (n == 0) l->nan_yes = NULL;
    l->mode = tap_attr_strings(ctx, "nodes_modes", &n);
    if (s == TAP_OK) s = check_length(ctx, "nodes_modes", n, l->n_nodes);
    l->split = reals(ctx, "nodes_values", "nodes_values_as_tensor", &n, &s);
    if (s == TAP_OK) s = check_length(ctx, "nodes_values", n, l->n_nodes);
    tap_attr_floats(ctx, "nodes_hitrates", &n);
    if (tap_opset(ctx) >= 3) tap_attr_tensor(ctx, "nodes_hitrates_as_tensor");
    return s;
}

/* What the two operators call the lists of weights. */
typedef struct weight_names {
    const char *tree, *number, *target, *weight, *weight_tensor;
} weight_names;

static tap_status read_weights(tap_ctx *ctx, lists *l, const weight_names *name) {
    tap_status s = TAP_OK;
    l->weight = reals(ctx, name->weight, name->weight_tensor, &l->n_weights, &s);
    l->weight_tree = ints(ctx, name->tree, l->n_weights, &s);
    l->weight_number = ints(ctx, name->number, l->n_weights, &s);
    l->weight_target = ints(ctx, name->target, l->n_weights, &s);
    return s;
}

/* ---- nodes by name ------------------------------------------------------------------------------------- */

/* The slot of a node: where it is, or a free one. */
static int32_t *slot_of(const lists *l, int64_t tree, int64_t number) {
    uint64_t h = tap_hash_number(tap_hash_number((uint64_t)tree) ^ (uint64_t)number);
    for (size_t i = (size_t)h & (l->n_slots - 1);; i = (i + 1) & (l->n_slots - 1)) {
        int32_t at = l->slot[i];
        if (at < 0 || (l->tree[at] == tree && l->number[at] == number)) return &l->slot[i];
    }
}

static tap_status name_nodes(tap_ctx *ctx, lists *l) {
    for (l->n_slots = 4; l->n_slots < 2 * l->n_nodes;) l->n_slots *= 2;
    l->slot = tap_state(ctx, l->n_slots * sizeof *l->slot);
    if (!l->slot) return TAP_MEMORY;
    for (size_t i = 0; i < l->n_slots; i++) l->slot[i] = -1;
    for (size_t i = 0; i < l->n_nodes; i++) {
        int32_t *slot = slot_of(l, l->tree[i], l->number[i]);
        if (*slot >= 0)
            return tap_fail(ctx, TAP_MODEL, "node %lld of tree %lld is there twice", (long long)l->number[i],
                            (long long)l->tree[i]);
        *slot = (int32_t)i;
    }
    return TAP_OK;
}

/* ---- building ------------------------------------------------------------------------------------------ */

static tap_status mode_of(tap_ctx *ctx, tap_string mode, uint8_t *out) {
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                        "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
    if (tap_string_equal(mode, (tap_string){"LEAF", 4})) {
        *out = TAP_TREE_LEAF;
        return TAP_OK;
    }
    for (size_t k = 0; k < TAP_COUNT_OF(names); k++)
        if (tap_string_equal(mode, (tap_string){names[k], strlen(names[k])})) {
            *out = (uint8_t)k;
            return TAP_OK;
        }
    return tap_fail(ctx, TAP_MODEL, "nodes_modes has \"%.*s\"", (int)(mode.n < 40 ? mode.n : 40), mode.s);
}

/* Where a decision leads: entry `number` of its tree, a leaf as ~i. place: of each entry among nodes or
 * leaves. */
static tap_status target_of(tap_ctx *ctx, const lists *l, size_t i, int64_t number, const int32_t *place,
                            int32_t *out) {
    int32_t at = *slot_of(l, l->tree[i], number);
    if (at < 0)
        return tap_fail(ctx, TAP_MODEL, "node %lld of tree %lld leads to node %lld, which does not exist",
                        (long long)l->number[i], (long long)l->tree[i], (long long)number);
    *out = place[at];
    return TAP_OK;
}

/* place[i]: of entry i, as tap_tree_node.yes has it. */
static tap_status make_places(tap_ctx *ctx, tap_trees *t, const lists *l, uint8_t *mode, int32_t *place) {
    for (size_t i = 0; i < l->n_nodes; i++) {
        tap_status s = mode_of(ctx, l->mode[i], &mode[i]);
        if (s != TAP_OK) return s;
        place[i] = mode[i] == TAP_TREE_LEAF ? ~(int32_t)t->n_leaves++ : (int32_t)t->n_nodes++;
    }
    return TAP_OK;
}

static tap_status make_nodes(tap_ctx *ctx, tap_trees *t, const lists *l, const uint8_t *mode,
                             const int32_t *place) {
    t->node = tap_state(ctx, (t->n_nodes + 1) * sizeof *t->node);
    if (!t->node) return TAP_MEMORY;
    for (size_t i = 0; i < l->n_nodes; i++) {
        if (mode[i] == TAP_TREE_LEAF) continue;
        tap_tree_node *n = &t->node[place[i]];
        n->mode = mode[i];
        n->split = l->split[i];
        n->nan_yes = l->nan_yes && l->nan_yes[i] != 0;
        n->feature = l->feature[i] < 0 || l->feature[i] >= INT32_MAX ? -1 : (int32_t)l->feature[i];
        tap_status s = target_of(ctx, l, i, l->yes[i], place, &n->yes);
        if (s == TAP_OK) s = target_of(ctx, l, i, l->no[i], place, &n->no);
        if (s != TAP_OK) return s;
    }
    return TAP_OK;
}

/* The weights of each leaf together, in the order of the file. A regressor's leaf has one weight for its only
 * target: skl2onnx repeats it for each class of the classifier that the trees were, and means it once. */
static tap_status make_leaves(tap_ctx *ctx, tap_trees *t, const lists *l, const int32_t *place) {
    t->leaf = tap_state(ctx, (t->n_leaves + 1) * sizeof *t->leaf);
    t->weight = tap_state(ctx, (l->n_weights + 1) * sizeof *t->weight);
    if (!t->leaf || !t->weight) return TAP_MEMORY;
    for (size_t i = 0; i < l->n_weights; i++) {
        int32_t at = *slot_of(l, l->weight_tree[i], l->weight_number[i]);
        if (at < 0 || place[at] >= 0)
            return tap_fail(ctx, TAP_MODEL, "weight %zu is for node %lld of tree %lld, which is no leaf", i,
                            (long long)l->weight_number[i], (long long)l->weight_tree[i]);
        t->leaf[~place[at]].n++;
    }
    for (size_t k = 0; k < t->n_leaves; k++) {
        t->leaf[k].first = (int64_t)t->n_weights;
        t->n_weights += (size_t)t->leaf[k].n;
        t->leaf[k].n = 0;
    }
    for (size_t i = 0; i < l->n_weights; i++) {
        tap_tree_leaf *leaf = &t->leaf[~place[*slot_of(l, l->weight_tree[i], l->weight_number[i])]];
        if (leaf->n == 1 && t->n_targets == 1 && !t->classifier) continue;
        t->weight[leaf->first + leaf->n++] = (tap_tree_weight){l->weight_target[i], l->weight[i]};
    }
    return TAP_OK;
}

/* A tree begins at its first entry that nothing leads to. */
static tap_status make_roots(tap_ctx *ctx, tap_trees *t, const lists *l, const int32_t *place) {
    uint8_t *below = tap_state(ctx, l->n_nodes);
    uint64_t *tree = tap_state(ctx, l->n_nodes * sizeof *tree);
    tap_dictionary seen;
    t->root = tap_state(ctx, l->n_nodes * sizeof *t->root);
    if (!below || !tree || !t->root) return TAP_MEMORY;
    for (size_t i = 0; i < l->n_nodes; i++) {
        if (place[i] < 0) continue;
        below[*slot_of(l, l->tree[i], l->yes[i])] = 1;
        below[*slot_of(l, l->tree[i], l->no[i])] = 1;
    }
    size_t n = 0;
    int32_t *top = tap_state(ctx, l->n_nodes * sizeof *top);
    if (!top) return TAP_MEMORY;
    for (size_t i = 0; i < l->n_nodes; i++) {
        if (below[i]) continue;
        tree[n] = (uint64_t)l->tree[i];
        top[n++] = place[i];
    }
    tap_status s = tap_dictionary_make(ctx, &seen, NULL, tree, n);
    for (size_t i = 0; i < n && s == TAP_OK; i++)
        if (tap_find_number(&seen, tree[i], NULL) == (int64_t)i) t->root[t->n_roots++] = top[i];
    return s;
}

static tap_status build(tap_ctx *ctx, tap_trees *t, lists *l) {
    uint8_t *mode = tap_state(ctx, l->n_nodes);
    int32_t *place = tap_state(ctx, l->n_nodes * sizeof *place);
    tap_status s = mode && place ? name_nodes(ctx, l) : TAP_MEMORY;
    if (s == TAP_OK) s = make_places(ctx, t, l, mode, place);
    if (s == TAP_OK) s = make_nodes(ctx, t, l, mode, place);
    if (s == TAP_OK) s = make_leaves(ctx, t, l, place);
    if (s == TAP_OK) s = make_roots(ctx, t, l, place);
    return s;
}

static tap_status ensemble_prepare(tap_ctx *ctx, tap_trees *t, const weight_names *name) {
    lists l = {0};
    tap_status s = read_nodes(ctx, &l);
    t->post = tap_post_read(ctx);
    if (s == TAP_OK) s = read_weights(ctx, &l, name);
    if (s == TAP_OK) t->base = reals(ctx, "base_values", "base_values_as_tensor", &t->n_base, &s);
    if (s == TAP_OK) s = build(ctx, t, &l);
    return s == TAP_OK ? tap_trees_finish(ctx, t) : s;
}

static tap_status classifier_prepare(tap_ctx *ctx, void **state) {
    static const weight_names names = {"class_treeids", "class_nodeids", "class_ids", "class_weights",
                                       "class_weights_as_tensor"};
    tap_trees *t = tap_state(ctx, sizeof *t);
    if (!t) return TAP_MEMORY;
    *state = t;
    t->classifier = true;
    t->sum = TAP_TREE_SUM;
    tap_status s = tap_classes_read(ctx, "classlabels_int64s", &t->classes);
    t->n_targets = (int64_t)t->classes.n;
    if (s == TAP_OK && t->n_targets == 0)
        s = tap_fail(ctx, TAP_MODEL, "none of the attributes classlabels_* is given");
    return s == TAP_OK ? ensemble_prepare(ctx, t, &names) : s;
}

static tap_status regressor_prepare(tap_ctx *ctx, void **state) {
    static const weight_names names = {"target_treeids", "target_nodeids", "target_ids", "target_weights",
                                       "target_weights_as_tensor"};
    static const char *const sums[] = {"AVERAGE", "SUM", "MIN", "MAX", NULL};
    tap_trees *t = tap_state(ctx, sizeof *t);
    if (!t) return TAP_MEMORY;
    *state = t;
    int sum = tap_attr_choice(ctx, "aggregate_function", "SUM", sums);
    t->sum = sum < 0 ? TAP_TREE_SUM : (tap_tree_sum)sum;
    t->n_targets = tap_attr_int(ctx, "n_targets", 0);
    if (t->n_targets < 1)
        return tap_fail(ctx, TAP_MODEL, "attribute n_targets is %lld", (long long)t->n_targets);
    return ensemble_prepare(ctx, t, &names);
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "TreeEnsembleClassifier", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 2,
     .dtypes = TAP_ML_TYPES, .prepare = classifier_prepare, .infer = tap_trees_infer, .run = tap_trees_run,
     .notes = "One score for two classes becomes two as in ONNX Runtime."},
    {.name = "TreeEnsembleRegressor", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_ML_TYPES, .prepare = regressor_prepare, .infer = tap_trees_infer, .run = tap_trees_run,
     .notes = "Of several weights of a leaf for the only target the first holds, as in ONNX Runtime."},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(ml_trees, ops);
