"""The cases of tf_ops.py: an operator of tf.raw_ops, its inputs and attributes, and how near the results have to be."""
import numpy as np

F32 = np.float32
F64 = np.float64


class Case:
    """inputs: names of the operator's tensor arguments; a name in a list takes all that are left. draw(rng): arrays for
    them. constants: positions of inputs that are initializers. attributes: the rest, as tf.raw_ops takes them."""

    def __init__(self, op, inputs, draw, attributes=None, name=None, constants=(), opset=15, rtol=1e-5, atol=1e-6,
                 outputs=None):
        self.op, self.inputs, self.draw = op, inputs, draw
        self.attributes, self.constants, self.opset = attributes or {}, constants, opset
        self.name = name or op
        self.rtol, self.atol = rtol, atol
        self.outputs = outputs  # how many are compared; None: all

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


def segments():
    exact = dict(rtol=0, atol=0)
    for t in F32, F64, np.float16, np.int32, np.int64, np.uint8:
        tag, whole_type = "_" + np.dtype(t).name, np.dtype(t).kind in "iu"
        draw = (lambda t: lambda rng: (rng.integers(1, 6, (9, 2, 3)) if np.dtype(t).kind in "iu" else rng.standard_normal((9, 2, 3))).astype(t))(t)
        loose = exact if whole_type else dict(rtol=2e-3, atol=1e-3) if t == np.float16 else {}
        ids = given([0, 0, 1, 1, 1, 3, 3, 5, 5], dtype=np.int32)
        for how in "Sum", "Mean", "Prod", "Max", "Min":
            yield Case("Segment" + how, ["data", "segment_ids"], all_of(draw, ids), name=f"Segment{how}{tag}", **loose)
        for how in "Sum", "Prod", "Max", "Min":
            yield Case("UnsortedSegment" + how, ["data", "segment_ids", "num_segments"],
                       all_of(draw, given([4, -1, 1, 4, 1, 0, 0, 1, 4], dtype=np.int64), given(6, dtype=np.int32)),
                       name=f"UnsortedSegment{how}{tag}", **loose)
    yield Case("UnsortedSegmentSum", ["data", "segment_ids", "num_segments"],
               all_of(between(-1, 1, 4, 2, 3), whole(0, 5, 4, 2), given(5, dtype=np.int32)), name="UnsortedSegmentSum_two_axes")
    for t in F32, F64:
        for how in "Sum", "Mean", "SqrtN":
            tag = "" if t == F32 else "_double"
            yield Case("SparseSegment" + how, ["data", "indices", "segment_ids"],
                       all_of(between(-1, 1, 6, 3, dtype=t), whole(0, 6, 7), given([0, 0, 1, 3, 3, 3, 4], dtype=np.int32)),
                       name=f"SparseSegment{how}{tag}")
            yield Case(f"SparseSegment{how}WithNumSegments", ["data", "indices", "segment_ids", "num_segments"],
                       all_of(between(-1, 1, 6, 3, dtype=t), whole(0, 6, 7), given([0, 0, 1, 3, 3, 3, 4], dtype=np.int32), given(7, dtype=np.int32)),
                       name=f"SparseSegment{how}WithNumSegments{tag}")
    for w in F32, F64, np.int32, np.int64:
        yield Case("Bincount", ["arr", "size", "weights"], all_of(whole(0, 7, 3, 5), given(5, dtype=np.int32), whole(1, 9, 3, 5, dtype=w)),
                   name="Bincount_" + np.dtype(w).name)
    yield Case("Bincount", ["arr", "size", "weights"], all_of(whole(0, 7, 15), given(5, dtype=np.int32), given([], dtype=np.int32)))


def matrices():
    exact = dict(rtol=0, atol=0)
    for i, (lower, upper) in enumerate([(0, 0), (-1, 0), (0, -1), (1, 2), (-1, -1), (2, 0)]):
        yield Case("MatrixBandPart", ["input", "num_lower", "num_upper"],
                   all_of(between(-1, 1, 2, 4, 5), given(lower, dtype=np.int64), given(upper, dtype=np.int64)), name=f"MatrixBandPart_{i}", **exact)
    number = lambda t: given(7, dtype=t)
    for t in F32, np.int32, np.int64, np.bool_:
        tag = "" if t == F32 else "_" + np.dtype(t).name
        draw = lambda *shape, t=t: lambda rng: rng.integers(0, 2 if t == np.bool_ else 90, shape).astype(t)
        yield Case("MatrixDiag", ["diagonal"], all_of(draw(2, 3, 4)), name="MatrixDiag" + tag, **exact)
        yield Case("MatrixDiagPart", ["input"], all_of(draw(2, 3, 4)), name="MatrixDiagPart" + tag, **exact)
        yield Case("MatrixSetDiag", ["input", "diagonal"], all_of(draw(2, 3, 4), draw(2, 3)), name="MatrixSetDiag" + tag, **exact)
        for version in "V2", "V3":
            for align in ("LEFT_LEFT", "RIGHT_LEFT", "LEFT_RIGHT", "RIGHT_RIGHT")[:1 if version == "V2" else 4]:
                attrs = {"align": align} if version == "V3" else {}
                for i, (low, high) in enumerate([(0, 0), (1, 1), (-2, -2), (-1, 1), (-2, 2), (0, 2), (-2, -1)]):
                    if t != F32 and (i not in (2, 4) or align == "LEFT_RIGHT"):
                        continue
                    n, longest = high - low + 1, min(4 + min(high, 0), 5 - max(low, 0))
                    packed = (2, n, longest) if n > 1 else (2, longest)
                    k = given([low, high] if n > 1 else low, dtype=np.int32)
                    name = f"{version}_{align}_{i}{tag}" if version == "V3" else f"{version}_{i}{tag}"
                    yield Case("MatrixDiagPart" + version, ["input", "k", "padding_value"], all_of(draw(2, 4, 5), k, number(t)), attrs,
                               name="MatrixDiagPart" + name, **exact)
                    yield Case("MatrixSetDiag" + version, ["input", "diagonal", "k"], all_of(draw(2, 4, 5), draw(*packed), k), attrs,
                               name="MatrixSetDiag" + name, **exact)
                    for rows, columns in (4, 5), (-1, -1), (4, -1), (-1, 5):
                        if (rows, columns) != (4, 5) and (t != F32 or longest != packed[-1]):
                            continue
                        yield Case("MatrixDiag" + version, ["diagonal", "k", "num_rows", "num_cols", "padding_value"],
                                   all_of(draw(*packed), k, given(rows, dtype=np.int32), given(columns, dtype=np.int32), number(t)), attrs,
                                   name=f"MatrixDiag{name}_{rows}_{columns}".replace("-", "m"), **exact)


def decompositions():
    for t in F32, F64:
        tag, loose = ("", dict(rtol=1e-3, atol=2e-5)) if t == F32 else ("_double", dict(rtol=1e-9, atol=1e-9))
        for i, shape in enumerate([(2, 5, 3), (3, 5), (4, 4), (1, 1), (2, 3, 6)]):
            for full in False, True:
                yield Case("Qr", ["input"], all_of(between(-1, 1, *shape, dtype=t)), {"full_matrices": full},
                           name=f"Qr_{i}_{int(full)}{tag}", **loose)
            # Vectors have either sign: the numbers are compared.
            for attrs in {}, {"full_matrices": True}:
                yield Case("Svd", ["input"], all_of(between(-1, 1, *shape, dtype=t)), attrs, outputs=1, name=f"Svd_vectors_{i}_{len(attrs)}{tag}", **loose)
            yield Case("Svd", ["input"], all_of(between(-1, 1, *shape, dtype=t)), {"compute_uv": False}, outputs=1, name=f"Svd_{i}{tag}", **loose)
        for i, n in enumerate((1, 2, 5, 9)):
            yield Case("SelfAdjointEigV2", ["input"], lambda rng, n=n, t=t: [(lambda a: (a + np.swapaxes(a, -1, -2)).astype(t))(
                rng.standard_normal((2, n, n)))], {"compute_v": False}, outputs=1, name=f"SelfAdjointEigV2_{i}{tag}", **loose)


def windows():
    for t in F32, F64, np.int32:
        tag = "" if t == F32 else "_" + np.dtype(t).name
        draw = lambda *shape, t=t: lambda rng: rng.integers(-20, 20, shape).astype(t)
        for i, (k, st, pad, batch) in enumerate([((2, 2), (2, 2), "VALID", False), ((3, 2), (2, 1), "SAME", False), ((2, 3), (1, 2), "SAME", True)]):
            yield Case("MaxPoolWithArgmax", ["input"], all_of(draw(2, 7, 6, 3)),
                       {"ksize": [1, *k, 1], "strides": [1, *st, 1], "padding": pad, "include_batch_in_index": batch,
                        "Targmax": "int32" if i == 2 else "int64"}, name=f"MaxPoolWithArgmax_{i}{tag}", rtol=0, atol=0)
        for i, (st, rate, pad) in enumerate([((1, 1), (1, 1), "VALID"), ((2, 1), (1, 2), "SAME"), ((2, 2), (2, 1), "SAME"), ((1, 2), (2, 2), "VALID")]):
            yield Case("Dilation2D", ["input", "filter"], all_of(draw(2, 9, 8, 3), draw(3, 2, 3)),
                       {"strides": [1, *st, 1], "rates": [1, *rate, 1], "padding": pad}, name=f"Dilation2D_{i}{tag}", rtol=0, atol=0)
    boxes = given([[0, 0, 1, 1], [.2, .1, .7, .9], [.9, .8, .1, .2], [-.2, .3, 1.3, .6]], dtype=F32)
    for t in F32, np.uint8, F64:
        tag = "" if t == F32 else "_" + np.dtype(t).name
        for method in "bilinear", "nearest":
            for i, size in enumerate([(5, 4), (1, 3), (9, 1)]):
                yield Case("CropAndResize", ["image", "boxes", "box_ind", "crop_size"],
                           all_of(lambda rng, t=t: rng.integers(0, 200, (2, 6, 7, 2)).astype(t), boxes, given([1, 0, 1, 0], dtype=np.int32),
                                  given(size, dtype=np.int32)), {"method": method, "extrapolation_value": 3.0},
                           name=f"CropAndResize_{method}_{i}{tag}", rtol=1e-4, atol=1e-3)
    for kernel in "lanczos1 lanczos3 lanczos5 gaussian box triangle keyscubic mitchellcubic".split():
        for antialias in False, True:
            for i, (size, scale, shift) in enumerate([((5, 9), (.6, 1.4), (0, 0)), ((9, 4), (1.3, .5), (1.5, -1)), ((7, 7), (1, 1), (0, 0))]):
                yield Case("ScaleAndTranslate", ["images", "size", "scale", "translation"],
                           all_of(between(0, 1, 2, 7, 8, 3), given(size, dtype=np.int32), given(scale, dtype=F32), given(shift, dtype=F32)),
                           {"kernel_type": kernel, "antialias": antialias}, name=f"ScaleAndTranslate_{kernel}_{int(antialias)}_{i}", rtol=1e-4, atol=1e-5)


def lists():
    for t in F32, np.int32, np.int64:
        for out in "int32", "int64":
            yield Case("ListDiff", ["x", "y"], all_of(whole(0, 9, 12, dtype=t), whole(0, 9, 4, dtype=t)), {"out_idx": out},
                       name=f"ListDiff_{np.dtype(t).name}_{out}", rtol=0, atol=0)
    yield Case("ListDiff", ["x", "y"], all_of(given(np.array([b"a", b"", b"b", b"a", b"c"], object)), given(np.array([b"a", b""], object))),
               name="ListDiff_strings")
    edge = given([0, -0.0, 1.5, -2.25, 1e-7, 123456.789, 1e20, np.inf, -np.inf, np.nan], dtype=F32)
    for i, attrs in enumerate([{}, {"precision": 2}, {"scientific": True}, {"shortest": True}, {"width": 12}, {"width": 12, "fill": "0"},
                               {"precision": 3, "width": 9, "fill": "-"}, {"fill": "+"}, {"fill": " "}, {"shortest": True, "precision": 3}]):
        yield Case("AsString", ["input"], all_of(edge), attrs, name=f"AsString_{i}")
        yield Case("AsString", ["input"], all_of(between(-1e4, 1e4, 9, dtype=F64)), attrs, name=f"AsString_float64_{i}")
    for t in np.int32, np.int64, np.uint8:
        for i, attrs in enumerate([{}, {"width": 6}, {"width": 6, "fill": "0"}, {"width": 5, "fill": "-"}]):
            yield Case("AsString", ["input"], all_of(whole(0 if t == np.uint8 else -99, 99, 7, dtype=t)), attrs, name=f"AsString_{np.dtype(t).name}_{i}")
    yield Case("AsString", ["input"], all_of(given([True, False])), name="AsString_bool")
    for t in F32, np.int32, np.int64:
        yield Case("RaggedRange", ["starts", "limits", "deltas"],
                   all_of(given([0, 5, 8], dtype=t), given([4, 1, 8], dtype=t), given([1, -2, 3], dtype=t)), name="RaggedRange_" + np.dtype(t).name)
        yield Case("RaggedRange", ["starts", "limits", "deltas"],
                   all_of(given(1, dtype=t), given([4, 1, 8], dtype=t), given(2, dtype=t)), name="RaggedRange_one_" + np.dtype(t).name)
    texts = given(np.array(["\u00c4pfel STRASSE \u00df", "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3", "\ufb01n \u0130x", "\u01c6 abc"], object))
    texts = given(np.array([t.encode() for t in texts(None)], object))
    for op in "StringLower", "StringUpper":
        yield Case(op, ["input"], all_of(texts), {"encoding": "utf-8"}, name=op + "_utf8")
    for i, (pattern, rewrite) in enumerate([(b"(a)(b?)", b"[\\2\\1]"), (b"(\\w+) (\\w+)", b"\\2 \\1"), (b"(x)|(y)", b"<\\1|\\2>"), (b"a", b"\\\\")]):
        yield Case("StaticRegexReplace", ["input"], all_of(given(np.array([b"ab aab", b"one two three", b"xyx", b""], object))),
                   {"pattern": pattern, "rewrite": rewrite, "replace_global": True}, name=f"StaticRegexReplace_groups_{i}")


def cases(tf):
    del tf
    for group in (special(), random(), search(), spectral(), linalg(), arithmetic(), images(), strings(), hashes(), arrange(), segments(),
                  matrices(), decompositions(), windows(), lists()):
        yield from group
