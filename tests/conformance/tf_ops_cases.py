"""The cases of tf_ops.py: an operator of tf.raw_ops, its inputs and attributes, and how near the results have to be."""
import numpy as np

F32 = np.float32
F64 = np.float64


class Case:
    """inputs: names of the operator's tensor arguments; a name in a list takes all that are left. draw(rng): arrays for
    them. constants: positions of inputs that are initializers. attributes: the rest, as tf.raw_ops takes them."""

    def __init__(self, op, inputs, draw, attributes=None, name=None, constants=(), opset=15, rtol=1e-5, atol=1e-6):
        self.op, self.inputs, self.draw = op, inputs, draw
        self.attributes, self.constants, self.opset = attributes or {}, constants, opset
        self.name = name or op
        self.rtol, self.atol = rtol, atol

    def arguments(self, tensors):
        given, rest = {}, list(tensors)
        for name in self.inputs:
            if isinstance(name, list):
                given[name[0]], rest = rest, []
            else:
                given[name] = rest.pop(0)
        return {**given, **self.attributes}


def between(lo, hi, *shape, dtype=F32):
    return lambda rng: (lo + (hi - lo) * rng.random(shape)).astype(dtype)


def whole(lo, hi, *shape, dtype=np.int32):
    return lambda rng: rng.integers(lo, hi, shape).astype(dtype)


def given(*values, dtype=None):
    return lambda rng: np.array(values[0] if len(values) == 1 else values, dtype)


def all_of(*makers):
    return lambda rng: [m(rng) for m in makers]


def special():
    edge = np.array([0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -2.5, 10, 30, np.inf, -np.inf, np.nan], F32)
    over = {"Erfc": (-4, 4), "Erfinv": (-1, 1), "Ndtri": (0, 1), "Log1p": (-1, 5), "Expm1": (-5, 5), "Lgamma": (-5, 40),
            "Digamma": (-5, 40), "Rint": (-9, 9), "Dawsn": (-8, 8), "Expint": (0, 20), "Spence": (0, 9),
            "FresnelSin": (-6, 6), "FresnelCos": (-6, 6)}
    for name in "I0 I0e I1 I1e K0 K0e K1 K1e J0 J1 Y0 Y1".split():
        over["Bessel" + name] = (-12, 12) if name[0] in "IJ" else (0.01, 12)
    for op, (lo, hi) in over.items():
        known_edges = edge if op in ("Erfc", "Log1p", "Expm1", "Rint", "BesselI0e", "BesselI1e", "Erfinv", "Ndtri") else edge[:0]
        yield Case(op, ["x"], lambda rng, lo=lo, hi=hi, e=known_edges:
                   [np.concatenate([between(lo, hi, 40)(rng), e])])
        loose = 1e-6 if op.startswith(("Bessel", "Fresnel", "Expint", "Spence", "Dawsn")) else 1e-9
        yield Case(op, ["x"], all_of(between(lo, hi, 5, 6, dtype=F64)), name=op + "_double", rtol=loose, atol=1e-9)
    for op in "Xlogy Xlog1py Xdivy".split():
        yield Case(op, ["x", "y"], lambda rng: [np.where(rng.random((3, 1, 5)) < .4, 0, rng.random((3, 1, 5))).astype(F32),
                                                np.where(rng.random((4, 5)) < .3, 0, rng.random((4, 5))).astype(F32)])
    yield Case("Zeta", ["x", "q"], all_of(between(1.1, 9, 20), between(0.1, 9, 20)))
    yield Case("Polygamma", ["a", "x"], all_of(lambda rng: rng.integers(0, 5, 20).astype(F32), between(0.2, 9, 20)))
    for op in "Igamma", "Igammac":
        yield Case(op, ["a", "x"], all_of(between(0.1, 30, 40), between(0, 40, 40)), rtol=5e-5)
        yield Case(op, ["a", "x"], all_of(between(0.1, 30, 40, dtype=F64), between(0, 40, 40, dtype=F64)), name=op + "_double",
                   rtol=1e-8, atol=1e-10)
    yield Case("Betainc", ["a", "b", "x"], all_of(between(0.1, 9, 30), between(0.1, 9, 30), between(0, 1, 30)), rtol=5e-5)
    yield Case("Atan2", ["y", "x"], all_of(between(-2, 2, 30), between(-2, 2, 30)))
    yield Case("NextAfter", ["x1", "x2"], all_of(between(-2, 2, 30), between(-2, 2, 30)), rtol=0, atol=0)


def random():
    key = lambda rng: rng.integers(0, 2**63, 1).astype(np.uint64)
    counter = lambda rng: rng.integers(0, 2**63, 2).astype(np.uint64)
    shape = given([5, 3], dtype=np.int32)
    one = given(1, dtype=np.int32)
    for dtype in "float32", "float64", "float16":  # tf2onnx calls bfloat16 float16
        tag = "" if dtype == "float32" else "_" + dtype
        loose = 1e-3 if dtype == "float16" else 1e-6
        for op in "Uniform", "Normal":
            yield Case(f"StatelessRandom{op}V2", ["shape", "key", "counter", "alg"], all_of(shape, key, counter, one),
                       {"dtype": dtype}, name=f"StatelessRandom{op}V2{tag}", constants=(0, 3),
                       rtol=0 if op == "Uniform" else loose, atol=0 if op == "Uniform" else loose)
    yield Case("StatelessTruncatedNormalV2", ["shape", "key", "counter", "alg"], all_of(given([40], dtype=np.int32), key, counter, one),
               {"dtype": "float32"}, rtol=1e-6)
    for t in np.int32, np.int64:
        yield Case("StatelessRandomUniformIntV2", ["shape", "key", "counter", "alg", "minval", "maxval"],
                   all_of(shape, key, counter, one, given(-7, dtype=t), given(93, dtype=t)), rtol=0, atol=0,
                   name="StatelessRandomUniformIntV2" + ("" if t == np.int32 else "_int64"))
        yield Case("StatelessRandomUniformInt", ["shape", "seed", "minval", "maxval"],
                   all_of(shape, whole(0, 2**31 - 1, 2), given(-7, dtype=t), given(93, dtype=t)), rtol=0, atol=0,
                   name="StatelessRandomUniformInt" + ("" if t == np.int32 else "_int64"))
    for dtype in "uint32", "int32", "uint64", "int64":
        yield Case("StatelessRandomUniformFullIntV2", ["shape", "key", "counter", "alg"], all_of(shape, key, counter, one),
                   {"dtype": dtype}, name="StatelessRandomUniformFullIntV2_" + dtype, rtol=0, atol=0)
    for t in np.int32, np.int64:
        yield Case("StatelessRandomGetKeyCounter", ["seed"], all_of(whole(-2**31, 2**31 - 1, 2, dtype=t)), rtol=0, atol=0,
                   name="StatelessRandomGetKeyCounter" + ("" if t == np.int32 else "_int64"))
    for op in "StatelessRandomUniform", "StatelessRandomNormal", "StatelessTruncatedNormal":
        yield Case(op, ["shape", "seed"], all_of(shape, whole(0, 2**31 - 1, 2)), {"dtype": "float32"}, rtol=1e-6)


def search():
    for t in F32, F64, np.int32, np.int64:
        tag = "" if t == F32 else "_" + np.dtype(t).name
        yield Case("Bucketize", ["input"], lambda rng, t=t: [np.array([-5, 0, 1, 1, 2, 3, 2.5, 9]).astype(t)],
                   {"boundaries": [0.0, 1.0, 2.5]}, name="Bucketize" + tag, rtol=0, atol=0)
        for op in "LowerBound", "UpperBound":
            yield Case(op, ["sorted_inputs", "values"], lambda rng, t=t: [np.sort(rng.integers(0, 9, (2, 7)), -1).astype(t),
                                                                       rng.integers(-1, 10, (2, 5)).astype(t)],
                       name=op + tag, rtol=0, atol=0)
        yield Case("HistogramFixedWidth", ["values", "value_range", "nbins"],
                   lambda rng, t=t: [(rng.random(30) * 12 - 3).astype(t), np.array([0, 6], t), np.array(4, np.int32)],
                   name="HistogramFixedWidth" + tag, rtol=0, atol=0)
    for w in F32, F64, np.int32, np.int64:
        yield Case("DenseBincount", ["input", "size", "weights"],
                   lambda rng, w=w: [rng.integers(0, 6, (2, 9)).astype(np.int32), np.array(5, np.int32),
                                     rng.integers(1, 4, (2, 9)).astype(w)], name="DenseBincount_" + np.dtype(w).name)
    yield Case("DenseBincount", ["input", "size", "weights"],
               lambda rng: [rng.integers(0, 6, 9), np.array(5, np.int64), np.array([], F32)])
    yield Case("DenseBincount", ["input", "size", "weights"],
               lambda rng: [rng.integers(0, 6, (2, 9)), np.array(5, np.int64), np.array([], F32)], {"binary_output": True},
               name="DenseBincount_binary")
    yield Case("InTopKV2", ["predictions", "targets", "k"], lambda rng: [rng.integers(0, 5, (8, 6)).astype(F32),
                                                                      rng.integers(-1, 7, 8).astype(np.int32), np.array(2, np.int32)])
    yield Case("InvertPermutation", ["x"], lambda rng: [rng.permutation(9).astype(np.int32)])


def spectral():
    def c(*shape, dtype=np.complex64):
        return lambda rng: (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    for i, axes in enumerate(("", "2D", "3D")):
        shape = (2, 5, 6, 8)[:i + 2]
        for op in "FFT", "IFFT":
            yield Case(op + axes, ["input"], all_of(c(*shape)), atol=1e-5)
            yield Case(op + axes, ["input"], all_of(c(*shape, dtype=np.complex128)), name=op + axes + "_double", rtol=1e-10, atol=1e-10)
        length = np.array(shape[1:], np.int32)
        yield Case("RFFT" + axes, ["input", "fft_length"], all_of(between(-1, 1, *shape), given(length)), constants=(1,), atol=1e-5)
        yield Case("RFFT" + axes, ["input", "fft_length"], all_of(between(-1, 1, *shape, dtype=F64), given(length - 1)),
                   {"Tcomplex": "complex128"}, constants=(1,), name="RFFT" + axes + "_double", rtol=1e-10, atol=1e-10)
        half = list(shape)
        half[-1] = half[-1] // 2 + 1
        yield Case("IRFFT" + axes, ["input", "fft_length"], lambda rng, s=shape, n=length, i=i:
                   [np.fft.rfftn(rng.random(s), axes=range(-i - 1, 0)).astype(np.complex64), n], constants=(1,), atol=1e-5)
    for op in "Real", "Imag", "ComplexAbs", "Angle":
        yield Case(op, ["x" if op == "ComplexAbs" else "input"], all_of(c(3, 4)))
    yield Case("Conj", ["input"], all_of(c(3, 4)))
    yield Case("Complex", ["real", "imag"], all_of(between(-1, 1, 3, 4), between(-1, 1, 3, 4)))


def linalg():
    def matrix(rng, n=4, dtype=F32, batch=(2, 3)):
        return (rng.standard_normal((*batch, n, n)) + 3 * np.eye(n)).astype(dtype)
    for adjoint in False, True:
        tag = "_adjoint" if adjoint else ""
        yield Case("MatrixInverse", ["input"], lambda rng: [matrix(rng)], {"adjoint": adjoint}, name="MatrixInverse" + tag, rtol=1e-3, atol=1e-4)
        yield Case("MatrixSolve", ["matrix", "rhs"], lambda rng: [matrix(rng), rng.random((2, 3, 4, 2)).astype(F32)],
                   {"adjoint": adjoint}, name="MatrixSolve" + tag, rtol=1e-3, atol=1e-4)
        for lower in False, True:
            yield Case("MatrixTriangularSolve", ["matrix", "rhs"], lambda rng: [matrix(rng), rng.random((2, 3, 4, 2)).astype(F32)],
                       {"adjoint": adjoint, "lower": lower}, name=f"MatrixTriangularSolve{tag}_{'lower' if lower else 'upper'}",
                       rtol=1e-3, atol=1e-4)
    yield Case("MatrixDeterminant", ["input"], lambda rng: [matrix(rng)], rtol=1e-4, atol=1e-4)
    yield Case("Cholesky", ["input"], lambda rng: [(lambda m: (m @ np.swapaxes(m, -1, -2)).astype(F32))(matrix(rng, dtype=F64))], rtol=1e-4, atol=1e-5)


def arithmetic():
    two = lambda rng: [rng.integers(-6, 7, (3, 1, 5)).astype(F32) / 2, rng.integers(-3, 4, (4, 5)).astype(F32)]
    for op in "SquaredDifference", "DivNoNan", "MulNoNan":
        yield Case(op, ["x", "y"], two)
    for op in "FloorMod", "FloorDiv", "TruncateMod":
        yield Case(op, ["x", "y"], lambda rng: [between(-9, 9, 30)(rng), between(.5, 4, 30)(rng) * np.where(rng.random(30) < .5, -1, 1).astype(F32)], atol=1e-5)
    yield Case("Square", ["x"], all_of(between(-3, 3, 9)))
    for op, names in {"SigmoidGrad": ("y", "dy"), "TanhGrad": ("y", "dy"), "ReluGrad": ("gradients", "features"),
                      "Relu6Grad": ("gradients", "features"), "SoftsignGrad": ("gradients", "features"),
                      "SoftplusGrad": ("gradients", "features"), "EluGrad": ("gradients", "outputs")}.items():
        yield Case(op, list(names), all_of(between(-2, 2, 30), between(-3, 8, 30)))
    for t in np.int8, np.int16, np.int32, np.int64:
        tag = "" if t == np.int32 else "_" + np.dtype(t).name
        for op in "LeftShift", "RightShift":
            yield Case(op, ["x", "y"], all_of(whole(-100, 100, 20, dtype=t), whole(0, 9, 20, dtype=t)), name=op + tag, rtol=0, atol=0)
        for op in "PopulationCount", "Invert":
            yield Case(op, ["x"], all_of(whole(-100, 100, 20, dtype=t)), name=op + tag, rtol=0, atol=0)
    # ONNX's own, below the opset that has them
    for op in "BitwiseAnd", "BitwiseOr", "BitwiseXor":
        yield Case(op, ["x", "y"], all_of(whole(-100, 100, 20), whole(-100, 100, 20)), rtol=0, atol=0)


def images():
    for op, name in ("RGBToHSV", "images"), ("HSVToRGB", "images"):
        yield Case(op, [name], all_of(between(0, 1, 2, 5, 4, 3)), atol=1e-5)
        yield Case(op, [name], lambda rng: [(rng.integers(0, 3, (2, 5, 4, 3)) / 2).astype(F32)], name=op + "_corners", atol=1e-5)


def strings():
    texts = np.array([b"", b" one Two  three ", b"a-b--c", "\u00c4pfel und B\u00e4ume".encode(), b"aaa", b"x\ty"], object)
    def text(rng):
        return texts
    for i, (pattern, rewrite, everywhere) in enumerate([(b"[aeiou]", b"#", True), (b"a*", b"<\\0>", True), (b"\\s+", b" ", True),
                                                        (b"[^a-z]", b"", True), (b"a", b"bb", False), (b"", b"-", True)]):
        yield Case("StaticRegexReplace", ["input"], all_of(text), {"pattern": pattern, "rewrite": rewrite, "replace_global": everywhere},
                   name=f"StaticRegexReplace_{i}")
    yield Case("StaticRegexFullMatch", ["input"], all_of(text), {"pattern": b"a.*"})
    yield Case("StringJoin", [["inputs"]], all_of(text, given(np.array(b"+", object)), text), {"separator": b"|"})
    for op in "StringLower", "StringUpper", "StringStrip":
        yield Case(op, ["input"], all_of(text))
    for unit in "BYTE", "UTF8_CHAR":
        yield Case("StringLength", ["input"], all_of(text), {"unit": unit}, name="StringLength_" + unit)
    for i, (sep, most) in enumerate([(b"", -1), (b"", 1), (b"-", -1), (b"-", 1), (b"--", -1)]):
        yield Case("StringSplitV2", ["input", "sep"], all_of(text, given(np.array(sep, object))), {"maxsplit": most}, name=f"StringSplitV2_{i}")


def hashes():
    def text(rng):
        letters = [bytes(rng.integers(1, 256, n).astype(np.uint8)) for n in (0, 1, 3, 4, 7, 8, 9, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 300)]
        return np.array(letters, object)
    yield Case("StringToHashBucketFast", ["input"], all_of(text), {"num_buckets": 2**40 + 7}, rtol=0, atol=0)
    yield Case("StringToHashBucketStrong", ["input"], all_of(text), {"num_buckets": 2**40 + 7, "key": [3, 2**50]}, rtol=0, atol=0)


def arrange():
    yield Case("Roll", ["input", "shift", "axis"], lambda rng: [rng.integers(0, 99, (3, 4, 5)), np.array([2, -7, 1], np.int32),
                                                               np.array([0, 1, 1], np.int32)], rtol=0, atol=0)
    yield Case("Roll", ["input", "shift", "axis"], lambda rng: [np.array([b"a", b"b", b"c"], object), np.array(1, np.int32),
                                                               np.array(0, np.int32)], name="Roll_strings")
    yield Case("Cross", ["a", "b"], all_of(between(-2, 2, 4, 3), between(-2, 2, 4, 3)))
    yield Case("Diag", ["diagonal"], all_of(between(-2, 2, 3, 2)))
    yield Case("DiagPart", ["input"], all_of(between(-2, 2, 3, 2, 3, 2)))
    for exclusive in False, True:
        for reverse in False, True:
            yield Case("CumulativeLogsumexp", ["x", "axis"], all_of(between(-9, 9, 3, 5, 2), given(1, dtype=np.int32)),
                       {"exclusive": exclusive, "reverse": reverse}, name=f"CumulativeLogsumexp_{int(exclusive)}{int(reverse)}", rtol=1e-4, atol=1e-5)


def cases(tf):
    del tf
    for group in (special(), random(), search(), spectral(), linalg(), arithmetic(), images(), strings(), hashes(), arrange()):
        yield from group
