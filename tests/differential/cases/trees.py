"""Tree ensembles of ai.onnx.ml."""
import numpy as np

from draw import Skip, operator
from values import NAME

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
TRANSFORMS = [None, "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]


class Tree:
    """A binary tree in arrays: inner nodes have two children, leaves (target, weight) pairs."""

    def __init__(self, g, depth, features, modes):
        self.rows, self.leaves = [], []
        self.grow(g, depth, features, modes)

    def grow(self, g, depth, features, modes):
        at = len(self.rows)
        if depth == 0 or g.chance(0.2) and at:
            self.rows.append(["LEAF", 0, 0.0, 0, 0, 0])
            self.leaves.append(at)
            return at
        row = [g.pick(*modes), g.int(0, features - 1), g.pick(float(g.int(-2, 2)), g.real(-2, 2)), 0, 0, g.int(0, 1)]
        self.rows.append(row)
        row[3] = self.grow(g, depth - 1, features, modes)
        row[4] = self.grow(g, depth - 1, features, modes)
        return at


def forest(g, features, weights, targets):
    modes = MODES if g.chance(0.4) else [g.pick(*MODES)]
    trees = [Tree(g, g.int(1, 3), features, modes) for _ in range(g.int(1, 3))]
    a = {k: [] for k in ("nodes_treeids", "nodes_nodeids", "nodes_modes", "nodes_featureids", "nodes_values", "nodes_truenodeids",
                         "nodes_falsenodeids", "nodes_missing_value_tracks_true")}
    leaf = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for t, tree in enumerate(trees):
        for n, (mode, feature, value, yes, no, missing) in enumerate(tree.rows):
            for k, v in zip(a, (t, n, mode, feature, value, yes, no, missing)):
                a[k].append(v)
        for n in tree.leaves:
            for target in ([g.int(0, targets - 1)] if g.chance(0.6) else range(targets)):
                for k, v in zip(leaf, (t, n, target, weights())):
                    leaf[k].append(v)
    if g.chance(0.4):
        a["nodes_missing_value_tracks_true"] = None
    return a, leaf


def features(g, n, columns):
    x = g.mild("T1" if "T1" in g.types else "T", (n, columns), -3, 3)
    if x.dtype.kind == "f" and g.chance(0.4):
        x = np.where(g.r.random(x.shape) < 0.2, np.nan, np.round(x)).astype(x.dtype)
    return x


def tensors(g, a, names):
    """From version 3 on floats may come as tensors, of double where the input is double."""
    t = g.type("T1" if "T1" in g.types else "T")
    if g.version < 3 or t != "double" and g.chance(0.7):
        return a
    kind = np.float64 if t == "double" else np.float32
    for n in names:
        if a.get(n):
            a[n + "_as_tensor"] = np.array(a.pop(n), kind)
    return a


@operator("TreeEnsembleRegressor", domain="ai.onnx.ml")
def regressor(g):
    columns, targets = g.int(1, 4), g.int(1, 3)
    a, leaf = forest(g, columns, lambda: g.real(-2, 2), targets)
    a.update({f"target_{k}": v for k, v in leaf.items()}, n_targets=targets)
    a.update(aggregate_function=g.pick(None, "SUM", "AVERAGE", "MIN", "MAX"), base_values=g.maybe([g.real(-1, 1) for _ in range(targets)]),
             post_transform=g.pick(*TRANSFORMS) if targets > 1 else g.pick(None, "NONE", "LOGISTIC"))
    return tensors(g, a, ("nodes_values", "target_weights", "base_values")), [features(g, g.int(0, 5), columns)], 1


@operator("TreeEnsembleClassifier", domain="ai.onnx.ml")
def classifier(g):
    columns, classes = g.int(1, 4), g.int(2, 4)
    binary = classes == 2 and g.chance(0.5)
    a, leaf = forest(g, columns, lambda: g.real(-1, 1), 1 if binary else classes)
    a.update({f"class_{k}": v for k, v in leaf.items()})
    if g.type("T2") == "string":
        a["classlabels_strings"] = ["red", "green", "blue", "ä"][:classes]
    else:
        a["classlabels_int64s"] = [7, -2, 30, 4][:classes]
    base = None if binary else g.maybe([g.real(-1, 1) for _ in range(classes)])
    a.update(base_values=base, post_transform=g.pick(*TRANSFORMS[:5]))
    return tensors(g, a, ("nodes_values", "class_weights", "base_values")), [features(g, g.int(1, 5), columns)], 2


@operator("TreeEnsemble", domain="ai.onnx.ml")
def ensemble(g):
    columns, targets = g.int(1, 4), g.int(1, 3)
    modes = g.pick([0], [1], [0, 1, 2, 3, 4, 5, 6], [6, 0])
    nodes = {k: [] for k in ("featureids", "modes", "splits", "truenodeids", "falsenodeids", "trueleafs", "falseleafs", "missing")}
    leaves, members, roots = [], [], []

    def leaf():
        leaves.append((g.int(0, targets - 1), g.real(-2, 2)))
        return len(leaves) - 1

    def grow(depth):
        at = len(nodes["modes"])
        mode = g.pick(*modes)
        for k, v in (("featureids", g.int(0, columns - 1)), ("modes", mode), ("splits", float(g.int(-2, 2)))):
            nodes[k].append(v)
        nodes["missing"].append(g.int(0, 1))
        if mode == 6:
            members.append([float(g.int(-3, 3)) for _ in range(g.int(1, 3))])
        for side in ("true", "false"):
            nodes[side + "nodeids"].append(0)
            nodes[side + "leafs"].append(0)
        for side in ("true", "false"):
            if depth and g.chance(0.6):
                nodes[side + "nodeids"][at] = grow(depth - 1)
            else:
                nodes[side + "nodeids"][at], nodes[side + "leafs"][at] = leaf(), 1
        return at

    for _ in range(g.int(1, 3)):
        roots.append(grow(g.int(0, 2)))
    kind = np.dtype({"float": "f4", "double": "f8", "float16": "f2"}[g.type("T")])
    # BRANCH_MEMBER sets are in the order of the nodes, NaN behind each.
    values = [v for m in members for v in m + [np.nan]]
    a = {"nodes_" + k: v for k, v in nodes.items() if k not in ("missing", "modes", "splits")}
    a.update(nodes_modes=np.array(nodes["modes"], np.uint8), nodes_splits=np.array(nodes["splits"], kind),
             nodes_missing_value_tracks_true=g.maybe(nodes["missing"]), tree_roots=roots, n_targets=targets,
             leaf_targetids=[t for t, _ in leaves], leaf_weights=np.array([w for _, w in leaves], kind),
             membership_values=np.array(values, kind) if values else None,
             aggregate_function=g.pick(None, 0, 1, 2, 3), post_transform=g.pick(None, 0, 1, 2, 3) if targets > 1 else g.pick(None, 0, 2))
    return a, [features(g, g.int(1, 5), columns)], 1
