"""Elementwise operators of one input."""
from draw import operator

ANY = """Abs Ceil Floor Neg Round Sign Sqrt Exp Log Erf Reciprocal Relu Sigmoid Tanh Softplus Softsign Sin Cos Tan Asin Acos
Atan Sinh Cosh Asinh Acosh Atanh IsNaN BitwiseNot Not HardSwish""".split()
ALPHA = "Elu LeakyRelu ThresholdedRelu Celu Swish HardSigmoid Selu Shrink".split()


def first(g):
    return next(iter(g.types), "bool")


@operator(*ANY)
def unary(g):
    consumed = [0] if g.has("consumed_inputs") and g.chance() else None
    return {"consumed_inputs": consumed}, [g.wild(first(g), g.shape())], 1


@operator(*ALPHA)
def with_factors(g):
    x = g.wild("T", g.shape())
    if g.op == "Shrink":
        return {"lambd": g.maybe(g.real(0, 2)), "bias": g.maybe(g.real(-2, 2))}, [x], 1
    low = 0.25 if g.op == "Celu" else -2
    names = {"HardSigmoid": ("alpha", "beta"), "Selu": ("alpha", "gamma")}.get(g.op, ("alpha",))
    return {n: g.maybe(g.real(low, 2)) for n in names}, [x], 1


@operator("Mish")
def mish(g):
    return {}, [g.wild("T", g.shape())], 1


@operator("Gelu")
def gelu(g):
    return {"approximate": g.pick(None, "none", "tanh")}, [g.wild("T", g.shape())], 1


@operator("IsInf")
def is_inf(g):
    return {"detect_negative": g.pick(None, 0, 1), "detect_positive": g.pick(None, 0, 1)}, [g.wild("T1", g.shape())], 1


@operator("Identity")
def identity(g):
    if g.whole["V" if "V" in g.whole else "T"].startswith("tensor"):
        return {}, [g.wild("V" if "V" in g.types else "T", g.shape())], 1
    return {}, [sequence_value(g, "V")], 1


def sequence_value(g, variable):
    import values
    of = g.type(variable)
    if g.whole[variable].startswith("optional") and g.chance(0.3):
        return values.Nothing(g.whole[variable])
    if "seq" not in g.whole[variable]:
        return g.wild(variable, g.shape())
    return values.Sequence([g.wild(variable, g.shape()) for _ in range(g.int(0, 3))], of)


@operator("Clip")
def clip(g):
    x = g.wild("T", g.shape())
    if g.version < 11:
        return {"min": g.maybe(g.real(-2, 1)), "max": g.maybe(g.real(-1, 2))}, [x], 1
    return {}, [x, g.maybe(g.any("T", ())), g.maybe(g.any("T", ()))], 1


@operator("Dropout")
def dropout(g):
    x = g.wild("T", g.shape())
    outputs = g.int(1, 2)
    if g.version < 12:
        return {"ratio": g.maybe(g.real(0, 0.9)), "is_test": 1 if g.version < 7 else None}, [x], outputs
    ratio = g.maybe(g.array("T1", g.real(0, 0.9)))
    return {"seed": g.maybe(3)}, [x, ratio, g.maybe(g.array("bool", False))], outputs
