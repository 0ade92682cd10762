"""Operators of ai.onnx.ml other than trees."""
import numpy as np

import values
from draw import Skip, operator

TRANSFORMS = [None, "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]
ML = "ai.onnx.ml"


def first(g):
    return "T1" if "T1" in g.types else "T"


def rows(g, columns, n=None):
    return g.mild(first(g), (g.int(1, 4) if n is None else n, columns))


@operator("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(g):
    shape = g.shape(1, 3, 5, 0)
    return {}, [g.wild("T", shape), g.mild("int64", (1, g.int(1, 4)), 0, shape[-1] - 1)], 1


@operator("Binarizer", domain=ML)
def binarizer(g):
    return {"threshold": g.maybe(g.real(-1, 1))}, [g.mild("T", g.shape())], 1


@operator("Scaler", domain=ML)
def scaler(g):
    c = g.int(1, 4)
    n = g.pick(1, c)
    return {"offset": [g.real(-1, 1) for _ in range(n)], "scale": [g.real(-2, 2) for _ in range(n)]}, [rows(g, c)], 1


@operator("Normalizer", domain=ML)
def normalizer(g):
    return {"norm": g.pick(None, "MAX", "L1", "L2")}, [rows(g, g.int(1, 5))], 1


@operator("Imputer", domain=ML)
def imputer(g):
    c = g.int(1, 4)
    x, n = rows(g, c), g.pick(1, c)
    if g.type("T").startswith("int"):
        return {"imputed_value_int64s": [g.int(-9, 9) for _ in range(n)], "replaced_value_int64": g.int(-2, 2)}, [x], 1
    nan = g.chance()
    x = np.where(g.r.random(x.shape) < 0.4, np.nan if nan else 2.0, x).astype(x.dtype)
    return {"imputed_value_floats": [g.real(-9, 9) for _ in range(n)], "replaced_value_float": float("nan") if nan else 2.0}, [x], 1


@operator("FeatureVectorizer", domain=ML)
def feature_vectorizer(g):
    n, widths = g.int(1, 3), [g.int(1, 3) for _ in range(g.int(1, 3))]
    return {"inputdimensions": widths}, [g.mild("T1", (n, w)) for w in widths], 1


@operator("LabelEncoder", domain=ML)
def label_encoder(g):
    a, b = g.type("T1"), g.type("T2")
    if g.version == 1:
        if a == b:
            raise Skip
        words = ["a", "b", "ä"]
        x = g.wild("string", (5,)) if a == "string" else g.mild("int64", (5,), -1, 4)
        return {"classes_strings": words, "default_int64": g.maybe(-7), "default_string": g.maybe("none")}, [x], 1
    keys = {"string": ["a", "b", "ä"], "int64": [3, -1, 7], "float": [1.5, float("nan"), -2.0]}
    vals = {"string": ["x", "y", "z"], "int64": [30, -10, 70], "float": [0.5, -1.0, 9.0]}
    suffix = {"string": "strings", "int64": "int64s", "float": "floats"}
    attributes = {}
    for side, t, pool in (("keys", a, keys), ("values", b, vals)):
        if t in suffix and not (g.version >= 4 and g.chance(0.3)):
            attributes[f"{side}_{suffix[t]}"] = pool[t]
        elif g.version >= 4:
            attributes[f"{side}_tensor"] = np.array(pool[t if t in pool else "int64"], values.NUMPY[t])
    if g.version >= 4 and "values_tensor" in attributes or g.version >= 4 and b not in suffix:
        attributes["default_tensor"] = np.array(["dd" if b == "string" else -5], values.NUMPY[b])
    elif g.chance():
        attributes["default_" + {"string": "string", "int64": "int64", "float": "float"}[b]] = {"string": "dd", "int64": -5, "float": 2.5}[b]
    pool = keys[a] if a in keys else keys["int64"]
    x = np.array([g.pick(*pool, "q" if a == "string" else 4) for _ in range(6)], values.NUMPY[a])
    return attributes, [x.reshape(2, 3)], 1


@operator("CategoryMapper", domain=ML)
def category_mapper(g):
    if g.type("T1") == g.type("T2"):
        raise Skip
    x = np.array([g.pick("a", "b", "no") for _ in range(4)], object) if g.type("T1") == "string" else g.mild("int64", (4,), 0, 4)
    return {"cats_int64s": [1, 2, 3], "cats_strings": ["a", "b", "c"], "default_int64": g.maybe(-9), "default_string": g.maybe("dd")}, [x], 1


@operator("OneHotEncoder", domain=ML)
def one_hot_encoder(g):
    if g.type("T") == "string":
        return {"cats_strings": ["a", "b", "ä"], "zeros": g.pick(None, 1)}, [g.wild("T", g.shape(1, 2))], 1
    return {"cats_int64s": [0, 1, -2, 3], "zeros": g.pick(None, 1)}, [np.round(g.mild("T", g.shape(1, 2))).astype(values.NUMPY[g.type("T")])], 1


@operator("LinearRegressor", domain=ML)
def linear_regressor(g):
    c, targets = g.int(1, 4), g.int(1, 3)
    return {"coefficients": [g.real(-1, 1) for _ in range(c * targets)], "targets": targets,
            "intercepts": g.maybe([g.real(-1, 1) for _ in range(targets)]), "post_transform": g.pick(*TRANSFORMS[:2]) if targets == 1 else g.pick(*TRANSFORMS)}, \
        [rows(g, c)], 1


def labels(g, n, ints="classlabels_ints"):
    return {"classlabels_strings": ["a", "b", "c", "ä"][:n]} if g.type("T2") == "string" else {ints: [5, -1, 3, 8][:n]}


@operator("LinearClassifier", domain=ML)
def linear_classifier(g):
    c, classes = g.int(1, 4), g.int(2, 4)
    one = classes == 2 and g.chance(0.4)
    n = 1 if one else classes
    return {"coefficients": [g.real(-1, 1) for _ in range(c * n)], "intercepts": [g.real(-1, 1) for _ in range(n)], **labels(g, classes),
            "multi_class": g.pick(None, 0, 1), "post_transform": g.pick(*TRANSFORMS)}, [rows(g, c)], 2


@operator("SVMRegressor", domain=ML)
def svm_regressor(g):
    c, n = g.int(1, 3), g.int(1, 4)
    kernel = g.pick("LINEAR", "POLY", "RBF", "SIGMOID")
    return {"kernel_type": kernel, "kernel_params": [g.real(0.1, 1), g.real(-0.5, 0.5), float(g.int(1, 3))], "n_supports": n,
            "support_vectors": [g.real(-1, 1) for _ in range(n * c)], "coefficients": [g.real(-1, 1) for _ in range(n)],
            "rho": [g.real(-1, 1)], "one_class": g.pick(None, 0, 1), "post_transform": g.pick(None, "NONE")}, [rows(g, c)], 1


@operator("SVMClassifier", domain=ML)
def svm_classifier(g):
    c, classes = g.int(1, 3), g.int(2, 4)
    per = [g.int(1, 3) for _ in range(classes)]
    n, pairs = sum(per), classes * (classes - 1) // 2
    prob = g.chance(0.4)
    return {"kernel_type": g.pick("LINEAR", "POLY", "RBF", "SIGMOID"), "kernel_params": [g.real(0.1, 1), g.real(-0.5, 0.5), float(g.int(1, 3))],
            "vectors_per_class": per, "support_vectors": [g.real(-1, 1) for _ in range(n * c)],
            "coefficients": [g.real(-1, 1) for _ in range(n * (classes - 1))], "rho": [g.real(-1, 1) for _ in range(pairs)], **labels(g, classes),
            "prob_a": [g.real(-2, -0.5) for _ in range(pairs)] if prob else None, "prob_b": [g.real(-1, 1) for _ in range(pairs)] if prob else None,
            "post_transform": g.pick(*TRANSFORMS)}, [rows(g, c)], 2


@operator("ZipMap", domain=ML)
def zip_map(g):
    n = g.int(1, 4)
    words = "string" in g.whole["T"]
    return {"classlabels_strings": ["a", "b", "c", "ä"][:n] if words else None, "classlabels_int64s": None if words else [5, -1, 3, 8][:n]}, \
        [g.mild("float", (g.int(1, 3), n))], 1


@operator("DictVectorizer", domain=ML)
def dict_vectorizer(g):
    key, value = g.whole["T1"][4:-1].split(", ")
    if value != g.type("T2"):
        raise Skip
    keys = ["a", "b", "ä", "zz"] if key == "string" else [4, -1, 9, 2]
    make = {"string": lambda: g.pick("p", "q"), "int64": lambda: g.int(-5, 5), "float": lambda: g.real(-2, 2), "double": lambda: np.float64(g.real(-2, 2))}[value]
    chosen = [k for k in keys if g.chance(0.6)] or keys[:1]
    vocabulary = keys[:g.int(1, 4)]
    return {"string_vocabulary" if key == "string" else "int64_vocabulary": vocabulary}, [{k: make() for k in chosen}], 1


@operator("CastMap", domain=ML)
def cast_map(g):
    value = g.whole["T1"][4:-1].split(", ")[1]
    keys = sorted({g.int(0, 6) for _ in range(3)})
    sparse = g.chance()
    x = {k: (g.pick("1.5", "-2", "7") if g.type("T2") != "int64" else g.pick("3", "-2")) if value == "string" else g.real(-3, 3) for k in keys}
    return {"cast_to": {"string": "TO_STRING", "float": "TO_FLOAT", "int64": "TO_INT64"}[g.type("T2")],
            "map_form": "SPARSE" if sparse else g.pick(None, "DENSE"), "max_map": g.int(7, 9) if sparse else None}, [x], 1


TRAINING = "ai.onnx.preview.training"


def optimizer(g, extra):
    shapes = [g.shape(0, 2) for _ in range(g.int(1, 2))]
    r, t = g.mild("T1", (), 0.01, 0.5), np.array(g.int(0, 5), np.int64)
    groups = [[g.mild("T3", s) for s in shapes] for _ in range(2)] + [[g.mild("T3", s, 0, 3) for s in shapes] for _ in range(extra)]
    return [r, t] + [x for group in groups for x in group], len(shapes)


@operator("Adagrad", domain=TRAINING)
def adagrad(g):
    inputs, n = optimizer(g, 1)
    return {"decay_factor": g.maybe(g.real(0, 1)), "epsilon": g.maybe(g.real(1e-6, 1e-2)), "norm_coefficient": g.maybe(g.real(0, 1))}, inputs, 2 * n


@operator("Momentum", domain=TRAINING)
def momentum(g):
    inputs, n = optimizer(g, 1)
    return {"alpha": g.real(0, 1), "beta": g.real(0, 1), "norm_coefficient": g.real(0, 1), "mode": g.pick("standard", "nesterov")}, inputs, 2 * n


@operator("Adam", domain=TRAINING)
def adam(g):
    inputs, n = optimizer(g, 2)
    return {"alpha": g.maybe(g.real(0.5, 1)), "beta": g.maybe(g.real(0.5, 1)), "epsilon": g.maybe(g.real(1e-6, 1e-2)),
            "norm_coefficient": g.maybe(g.real(0, 1)), "norm_coefficient_post": g.maybe(g.real(0, 1))}, inputs, 3 * n
