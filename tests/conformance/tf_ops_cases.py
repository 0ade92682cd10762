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


def cases(tf):
    for group in (special(),):
        yield from group
