"""Quantisation and casts."""
import numpy as np

import values
from draw import Fixed, Skip, operator
from values import BY_NUMBER, NUMBER, RANGE


def granularity(g, shape):
    """Shape of scale and zero point, axis, block_size."""
    kind = g.pick("tensor", "axis", "block")
    if kind == "axis" and g.has("axis") and shape:
        axis = g.axis(len(shape))
        return (shape[axis],), axis, None
    if kind == "block" and g.has("block_size") and shape:
        axis = g.axis(len(shape))
        block = g.int(1, max(1, shape[axis]))
        each = list(shape)
        each[axis] = -(-shape[axis] // block)
        return tuple(each), axis, block
    return (), g.maybe(g.int(-len(shape), len(shape) - 1)) if shape and g.has("axis") else None, None


def zero(g, t, shape):
    name = g.type(t)
    if name in values.TINY_FLOATS:
        return g.array(t, np.zeros(shape))
    if name == "int32":
        return g.array(t, np.zeros(shape))
    return g.mild(t, shape, *RANGE[name])


@operator("QuantizeLinear")
def quantize(g):
    shape = g.shape(0, 3, 5, 0.03)
    if 0 in shape:
        raise Skip
    each, axis, block = granularity(g, shape)
    x = "T1" if "T1" in g.types else "float"
    y = next(v for v in ("T3", "T2") if v in g.types)
    s = "T2" if y == "T3" else ("float" if g.version < 19 else x)
    if g.type(x) == "int32":
        data = g.mild(x, shape, -300, 300)
    else:
        data = g.mild(x, shape, -30, 30) if g.chance(0.7) else g.wild(x, shape)
        if g.type(y) in values.INTEGERS:
            data = np.where(np.isnan(data), np.zeros((), data.dtype), data)
    scale = g.mild(s, each, 0.1, 2)
    if g.type(s) == "float8e8m0":
        scale = g.array(s, np.ldexp(1.0, g.r.integers(-3, 3, size=each)))
    if g.chance(0.3):
        scale = g.array(s, np.where(g.r.random(each) < 0.7, 0.5, 1.0))
    zp = g.maybe(zero(g, y, each), 0.7)
    to, out = None, NUMBER[g.type(y)]
    attributes = {"axis": axis, "block_size": block, "saturate": g.pick(None, 0, 1)}
    if g.has("output_dtype") and (zp is None or g.chance(0.3)):
        to = out
    if zp is None and to is None and g.type(y) != "uint8":
        raise Skip
    if g.has("precision") and g.chance(0.3):
        attributes["precision"] = 1
    return {**attributes, "output_dtype": to}, [data, scale, zp], 1


@operator("DequantizeLinear")
def dequantize(g):
    shape = g.shape(0, 3, 5, 0.03)
    if 0 in shape:
        raise Skip
    each, axis, block = granularity(g, shape)
    x = "T1" if "T1" in g.types else "T"
    s = "T2" if "T2" in g.types else "float"
    data = g.wild(x, shape)
    scale = g.mild(s, each, 0.1, 2) if g.type(s) != "float8e8m0" else g.array(s, np.ldexp(1.0, g.r.integers(-3, 3, size=each)))
    out = NUMBER[g.type("T3")] if "T3" in g.types and (g.chance(0.5) or g.type("T3") != g.type(s)) else None
    return {"axis": axis, "block_size": block, "output_dtype": out}, [data, scale, g.maybe(zero(g, x, each), 0.6)], 1


@operator("DynamicQuantizeLinear")
def dynamic(g):
    shape = g.shape(0, 3, 5, 0)
    return {}, [g.mild("T1", shape, g.pick(-3, 0.5, 0), 4)], 3


def source(g, t, to):
    """Values that a cast to `to` may get: words that are numbers, numbers that fit where fitting is asked for."""
    shape, name = g.shape(), g.type(t)
    if name == "string":
        words = ["0", "1", "-3", "12", "7"] + (["1.5", "-2.25e3", "NaN", "-INF", "+inf", "1e-40", ".5"] if to in values.FLOATS else [])
        if to.startswith("u") or to == "bool":
            words = [w for w in words if not w.startswith("-")]
        return np.array([words[i] for i in g.r.integers(0, len(words), size=int(np.prod(shape)))], object).reshape(shape)
    x = g.wild(t, shape)
    if to in values.INTEGERS and x.dtype.kind not in "iub":
        low, high = RANGE[to]
        with np.errstate(all="ignore"):
            wide = x.astype(np.float32)
        x = np.where(np.isfinite(wide) & (wide > max(low, -1e6) - 0.5) & (wide < min(high, 1e6)), x, np.ones((), x.dtype))
    return x


@operator("Cast")
def cast(g):
    to = g.type("T2")
    number = NUMBER[to] if g.version >= 6 else to.upper()
    return {"to": number, "saturate": g.pick(None, 0, 1), "round_mode": g.pick(None, "up", "down", "nearest")}, [source(g, "T1", to)], 1


@operator("CastLike")
def cast_like(g):
    return {"saturate": g.pick(None, 0, 1)}, [source(g, "T1", g.type("T2")), g.wild("T2", g.shape(0, 2))], 1
