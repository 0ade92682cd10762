/* Ensembles of many trees of different depths, against a plain walk: chains of decisions, each of which has a
 * leaf on one side. */
#include "node.h"

enum { TREES = 19, ROWS = 50, FEATURES = 3, NODES = 256 };

typedef struct forest {
    int n, tree[NODES], id[NODES], feature[NODES], yes[NODES], no[NODES], nan_yes[NODES];
    const char *mode[NODES];
    double split[NODES], weight[NODES];
} forest;

static double x[ROWS * FEATURES], y[ROWS];

static void add_node(forest *f, int tree, int id, const char *mode) {
    const int i = f->n++;
    f->tree[i] = tree;
    f->id[i] = id;
    f->mode[i] = mode;
    f->feature[i] = (tree + id) % FEATURES;
    f->split[i] = (tree * 7 + id * 3) % 9 - 4;
    f->yes[i] = id + 1;
    f->no[i] = id + 2;
    f->weight[i] = strcmp(mode, "LEAF") == 0 ? (tree * 11 + id * 5) % 31 - 15 : 0;
}

/* Tree k has k % 5 decisions: 2d is decision d, 2d + 1 its leaf; the last one has two leaves. */
static void grow(forest *f, const char *const *modes, int n_modes, bool of_nan) {
    f->n = 0;
    for (int k = 0; k < TREES; k++) {
        const int depth = k % 5;
        for (int d = 0; d < depth; d++) {
            add_node(f, k, 2 * d, modes[(k + d) % n_modes]);
            f->nan_yes[f->n - 1] = of_nan && d % 2 == 0;
            add_node(f, k, 2 * d + 1, "LEAF");
        }
        add_node(f, k, 2 * depth, "LEAF");
    }
}

static bool holds(const char *mode, double v, double split) {
    if (strcmp(mode, "BRANCH_LEQ") == 0) return v <= split;
    if (strcmp(mode, "BRANCH_LT") == 0) return v < split;
    if (strcmp(mode, "BRANCH_GTE") == 0) return v >= split;
    return v > split;
}

static double score(const forest *f, const double *row) {
    double sum = 0;
    for (int i = 0; i < f->n; i++) {
        if (f->id[i] != 0) continue;
        int at = i;
        while (strcmp(f->mode[at], "LEAF") != 0) {
            const double v = row[f->feature[at]];
            const bool yes = holds(f->mode[at], v, f->split[at]) || (f->nan_yes[at] && isnan(v));
            at = i + (yes ? f->yes[at] : f->no[at]);
        }
        sum += f->weight[at];
    }
    return sum;
}

static void put_ints(node_test *t, const char *name, int n, const int *v) {
    int64_t wide[NODES];
    for (int i = 0; i < n; i++) wide[i] = v[i];
    node_ints(t, name, (size_t)n, wide);
}

static void check(const char *const *modes, int n_modes, bool of_nan) {
    static forest f;
    node_test t;
    int zeros[NODES] = {0};
    grow(&f, modes, n_modes, of_nan);
    for (int i = 0; i < ROWS * FEATURES; i++) x[i] = i % 13 == 4 ? (double)NAN : i * 5 % 11 - 5;
    for (int r = 0; r < ROWS; r++) y[r] = score(&f, x + r * FEATURES);
    node_begin(&t, "TreeEnsembleRegressor", 13, 1);
    node_domain(&t, "ai.onnx.ml");
    put_ints(&t, "nodes_treeids", f.n, f.tree);
    put_ints(&t, "nodes_nodeids", f.n, f.id);
    put_ints(&t, "nodes_featureids", f.n, f.feature);
    put_ints(&t, "nodes_truenodeids", f.n, f.yes);
    put_ints(&t, "nodes_falsenodeids", f.n, f.no);
    put_ints(&t, "nodes_missing_value_tracks_true", f.n, f.nan_yes);
    node_floats(&t, "nodes_values", (size_t)f.n, f.split);
    pb *a = pb_attr("nodes_modes", 8);
    for (int i = 0; i < f.n; i++) pb_str(a, 9, f.mode[i]);
    pb_msg(t.node, 5, a);
    int n = 0;
    for (int i = 0; i < f.n; i++) {
        if (strcmp(f.mode[i], "LEAF") != 0) continue;
        f.tree[n] = f.tree[i];
        f.id[n] = f.id[i];
        f.weight[n++] = f.weight[i];
    }
    put_ints(&t, "target_treeids", n, f.tree);
    put_ints(&t, "target_nodeids", n, f.id);
    put_ints(&t, "target_ids", n, zeros);
    node_floats(&t, "target_weights", (size_t)n, f.weight);
    node_int(&t, "n_targets", 1);
    node_in(&t, TAP_FLOAT, "50,3", x);
    node_gives(&t, 0, TAP_FLOAT, "50,1", y);
    node_end(&t);
}

static void trees_of_one_mode(void) {
    static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"};
    for (int k = 0; k < 4; k++) {
        check(modes + k, 1, false);
        check(modes + k, 1, true);
    }
}

static void trees_of_many_modes(void) {
    static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_GT", "BRANCH_LT", "BRANCH_GTE"};
    check(modes, 4, false);
    check(modes, 4, true);
}

/* A leaf whose weight is there once for each class of a classifier that was: it counts once. Of two targets
 * each has its own. */
static void weight_said_twice(void) {
    for (int targets = 1; targets <= 2; targets++) {
        node_test t;
        node_begin(&t, "TreeEnsembleRegressor", 13, 1);
        node_domain(&t, "ai.onnx.ml");
        node_int(&t, "n_targets", targets);
        node_ints(&t, "nodes_treeids", INTS(0));
        node_ints(&t, "nodes_nodeids", INTS(0));
        node_ints(&t, "nodes_featureids", INTS(0));
        node_ints(&t, "nodes_truenodeids", INTS(0));
        node_ints(&t, "nodes_falsenodeids", INTS(0));
        node_floats(&t, "nodes_values", 1, NUMS(0));
        pb *mode = pb_attr("nodes_modes", 8);
        pb_str(mode, 9, "LEAF");
        pb_msg(t.node, 5, mode);
        node_ints(&t, "target_treeids", INTS(0, 0, 0));
        node_ints(&t, "target_nodeids", INTS(0, 0, 0));
        node_ints(&t, "target_ids", INTS(0, targets - 1, 0));
        node_floats(&t, "target_weights", 3, NUMS(31, 31, 31));
        node_in(&t, TAP_FLOAT, "1,1", NUMS(0));
        if (targets == 1)
            node_gives(&t, 0, TAP_FLOAT, "1,1", NUMS(31));
        else
            node_gives(&t, 0, TAP_FLOAT, "1,2", NUMS(62, 31));
        node_end(&t);
    }
}

int main(void) {
    static const test_case tests[] = {TEST(trees_of_one_mode), TEST(trees_of_many_modes),
                                      TEST(weight_said_twice)};
    return test_main(tests, TAP_COUNT_OF(tests));
}
