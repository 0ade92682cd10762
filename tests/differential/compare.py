"""Whether two values of an output are the same, as far as the operator's class and the type ask for it."""
import numpy as np

import values

# Movers, comparisons, selections: every bit, signs of zeros too.
EXACT = set("""And ArgMax ArgMin BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil CenterCropPad Clip
    Compress Concat ConcatFromSequence Constant ConstantOfShape DepthToSpace Dropout Equal Expand EyeLike Flatten Floor Gather
    GatherElements GatherND Greater GreaterOrEqual Hardmax Identity If IsInf IsNaN Less LessOrEqual MaxPool MaxUnpool Max
    Min Neg NonZero Not OneHot Optional OptionalGetElement Or Pad Abs Reshape ReverseSequence Round Scatter
    ScatterElements ScatterND SequenceAt SequenceConstruct SequenceErase SequenceInsert Shape Sign Size Slice SpaceToDepth
    Split SplitToSequence Squeeze StringConcat StringNormalizer StringSplit TensorScatter Tile TopK Transpose Trilu Unique
    Unsqueeze Where Xor ReduceMax ReduceMin Relu GlobalMaxPool ArrayFeatureExtractor Binarizer Imputer LabelEncoder
    OneHotEncoder CategoryMapper FeatureVectorizer CastMap DictVectorizer ZipMap Add Sub Mul Div Sqrt Mod Shrink""".split())
# Of these the sign of a zero is not asked for.
ANY_ZERO = set("""Max Min ReduceMax ReduceMin MaxPool GlobalMaxPool Mod ScatterElements ScatterND Scatter Clip Relu""".split())
# One rounding or one function's accuracy.
CLOSE = set("""Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh Elu Erf Exp HardSigmoid HardSwish LeakyRelu Log
    Mish PRelu Pow Reciprocal Selu Sigmoid Sin Sinh Softplus Softsign Swish Tan Tanh ThresholdedRelu Sum Mean
    DequantizeLinear QuantizeLinear Range Scaler SwiGLU""".split())
# Integers that are rounded after sums in floating point.
STEP = set("""QLinearConv QLinearMatMul DynamicQuantizeLinear Resize Upsample QLinearAdd QLinearMul QLinearSigmoid QLinearLeakyRelu
    QLinearSoftmax QLinearWhere QLinearConcat QLinearAveragePool QLinearGlobalAveragePool QLinearReduceMean QGemm""".split())
# The state of a recurrent layer goes through 8 bits at each step: a tie goes one way or the other.
COARSE = {"DynamicQuantizeLSTM": 0.02}

# Of these only dtype and shape are compared.
RANDOM = set("RandomNormal RandomUniform RandomNormalLike RandomUniformLike Bernoulli Multinomial".split())

RTOL_CLOSE = {"float": 8e-6, "double": 1e-11, "float16": 2e-3, "bfloat16": 1.6e-2}
RTOL_SUM = {"float": 2e-4, "double": 1e-9, "float16": 1e-2, "bfloat16": 5e-2}
ATOL_SUM = {"float": 2e-5, "double": 1e-10, "float16": 1e-2, "bfloat16": 5e-2}


def flat(v):
    """Numpy's scalars and arrays of str or bytes as arrays of ours; others as they are."""
    if v is None or isinstance(v, (list, dict)):
        return v
    if isinstance(v, tuple):
        return list(v)
    a = np.asarray(v)
    if a.dtype.kind in "SU":
        a = a.astype(object)
    return a


def text(x):
    return x.decode("utf-8", "surrogateescape") if isinstance(x, bytes) else x


def exact(got, want, any_zero):
    if got.dtype.kind == "O":
        return np.array([text(a) == text(b) for a, b in zip(got.ravel(), want.ravel())], bool).reshape(got.shape)
    if values.NAME[got.dtype] in values.FLOATS:
        g, w = got.astype(np.float64), want.astype(np.float64)
        same = (g == w) | (np.isnan(g) & np.isnan(w))
        return same if any_zero else same & ((np.signbit(g) == np.signbit(w)) | np.isnan(g))
    if got.dtype.kind == "c":
        parts = [(got.real, want.real), (got.imag, want.imag)]
        return np.all([(a == b) | (np.isnan(a) & np.isnan(b)) for a, b in parts], axis=0)
    if values.NAME[got.dtype] in values.TINY_FLOATS:
        g, w = got.astype(np.float32), want.astype(np.float32)
        return (got.view(np.uint8) == want.view(np.uint8)) | (np.isnan(g) & np.isnan(w)) | (any_zero & (g == w))
    return got == want


def near(got, want, rtol, atol):
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    g, w = got.astype(wide), want.astype(wide)
    with np.errstate(all="ignore"):
        finite = np.isfinite(w) & np.isfinite(g)
        return np.where(finite, np.abs(g - w) <= atol + rtol * np.abs(w), (g == w) | (np.isnan(g) & np.isnan(w)))


def scale(want):
    w = np.abs(want.astype(np.complex128 if want.dtype.kind == "c" else np.float64))
    w = w[np.isfinite(w)]
    return float(w.max()) if w.size else 0.0


def shown(a, at):
    x = a.ravel()[at]
    return repr(x.item() if hasattr(x, "item") else x)[:60]


def tensors(got, want, case, changed):
    name = values.NAME[got.dtype]
    if changed and got.dtype != want.dtype and name in values.FLOATS:
        with np.errstate(all="ignore"):
            want = want.astype(got.dtype)
    if got.dtype != want.dtype:
        return f"dtype {got.dtype}, not {want.dtype}"
    if got.shape != want.shape:
        return f"shape {list(got.shape)}, not {list(want.shape)}"
    if case.op in RANDOM:
        return None
    inner = {"complex64": "float", "complex128": "double"}.get(name, name)
    with np.errstate(all="ignore"):
        if case.op in STEP and name in values.INTEGERS:
            same = np.abs(got.astype(np.float64) - want.astype(np.float64)) <= 1
        elif inner not in values.FLOATS or case.op in EXACT and not changed:
            same = exact(got, want, case.op in ANY_ZERO)
        elif case.op in CLOSE or case.op in EXACT:
            if "float" in changed and name == "double":
                inner = "float"
            same = near(got, want, RTOL_CLOSE[inner], float(np.finfo(np.float32).tiny) if inner != "double" else 1e-300)
            if name in ("float16", "bfloat16"):
                same |= near(got, want, 0, float(np.float32(2e-7 if name == "float16" else 1e-38)))
        else:
            if "float" in changed and name == "double":
                inner = "float"
            atol = COARSE.get(case.op, ATOL_SUM[inner])
            same = near(got, want, RTOL_SUM[inner], atol * max(scale(want), 1e-3))
    if np.all(same):
        return None
    at = int(np.argmax(~np.atleast_1d(same).ravel()))
    return f"{int(np.sum(~same))} of {got.size} differ, [{at}] {shown(got, at)}, not {shown(want, at)}"


def difference(got, want, case, changed=""):
    """None where they agree, else what is different, in words."""
    got, want = flat(got), flat(want)
    if isinstance(got, list) or isinstance(want, list):
        if not isinstance(got, list) or not isinstance(want, list):
            return f"a {type(got).__name__}, not a {type(want).__name__}"
        if len(got) != len(want):
            return f"{len(got)} items, not {len(want)}"
        found = [difference(g, w, case, changed) for g, w in zip(got, want)]
        return next((f"item {i}: {f}" for i, f in enumerate(found) if f), None)
    if isinstance(got, dict) or isinstance(want, dict):
        if not isinstance(got, dict) or not isinstance(want, dict) or set(map(text, got)) != set(map(text, want)):
            return f"{got}, not {want}"
        want = {k: {text(w): v for w, v in want.items()}[text(k)] for k in got}
        return difference(np.array(list(got.values())), np.array(list(want.values())).astype(np.array(list(got.values())).dtype),
                          case, changed)
    if got is None or want is None:
        return None if got is want else f"{'nothing' if got is None else 'a value'}, not {'nothing' if want is None else 'a value'}"
    return tensors(got, want, case, changed)


def outputs(got, want, case, changed=""):
    if len(got) != len(want):
        return f"{len(got)} outputs, not {len(want)}"
    for i, (g, w) in enumerate(zip(got, want)):
        found = difference(g, w, case, changed)
        if found:
            return f"output {i}: {found}"
    return None
