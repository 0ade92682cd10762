/* Ensembles of decision trees as the operators that have them share: how they are kept, checked and run. */
#ifndef TAP_OPS_COMMON_TREES_H
#define TAP_OPS_COMMON_TREES_H

#include "common/ml.h"

/* The first seven in the numbering of TreeEnsemble-5. */
typedef enum tap_tree_mode {
    TAP_TREE_LEQ,
    TAP_TREE_LT,
    TAP_TREE_GTE,
    TAP_TREE_GT,
    TAP_TREE_EQ,
    TAP_TREE_NEQ,
    TAP_TREE_MEMBER,
    TAP_TREE_LEAF
} tap_tree_mode;

typedef enum tap_tree_sum {
    TAP_TREE_AVERAGE,
    TAP_TREE_SUM,
    TAP_TREE_MIN,
    TAP_TREE_MAX
} tap_tree_sum; /* likewise */

/* A decision. Where it leads: >= 0 a node, < 0 the leaf ~i. */
typedef struct tap_tree_node {
    double split;
    int32_t feature;
    int32_t yes, no;
    int32_t first_member, n_members; /* TAP_TREE_MEMBER: of trees.member */
    uint8_t mode;
    bool nan_yes; /* a NaN goes to yes, whatever mode */
} tap_tree_node;

/* The leaf's weights are weight[first .. first + n). */
typedef struct tap_tree_leaf {
    int64_t first, n;
} tap_tree_leaf;

typedef struct tap_tree_weight {
    int64_t target;
    double value;
} tap_tree_weight;

typedef struct tap_trees {
    size_t n_nodes, n_leaves, n_weights, n_roots;
    tap_tree_node *node;
    tap_tree_leaf *leaf;
    tap_tree_weight *weight;
    int32_t *root; /* as `yes`                                          */
    const double *member;
    int64_t n_features; /* the largest feature number + 1                    */
    int64_t n_targets;
    const double *base; /* n_base: 0, or n_targets, or 1 for a single score   */
    size_t n_base;
    tap_tree_sum sum;
    tap_post post;
    bool asks_for_nan;  /* some decision has nan_yes                           */
    tap_tree_mode mode; /* of every decision: the usual case; TAP_TREE_LEAF: they differ */
    bool classifier;
    tap_classes classes;
    int64_t only_class; /* classifier: the one class that all weights are for, or -1 */
    bool all_positive;  /* classifier: no weight is below 0                  */
} tap_trees;

#define tap_trees_finish TAP_ISA_NAME(tap_trees_finish)
#define tap_trees_infer  TAP_ISA_NAME(tap_trees_infer)
#define tap_trees_run    TAP_ISA_NAME(tap_trees_run)

/* prepare: checks an ensemble (features, targets, no decision that is reached twice) and sets what follows
 * from it. */
tap_status tap_trees_finish(tap_ctx *ctx, tap_trees *t);
/* The state is a tap_trees. A classifier gives labels[rows] and scores float32[rows][classes]; others
 * scores[rows][targets], float32, or for TreeEnsemble-5 of the input's dtype. */
tap_status tap_trees_infer(tap_ctx *ctx);
tap_status tap_trees_run(tap_ctx *ctx);

#endif
