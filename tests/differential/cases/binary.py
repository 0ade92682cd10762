"""Elementwise operators of two and more inputs, with both ways of broadcasting."""
import numpy as np

from draw import Skip, operator


def old_broadcast(g, make):
    """Until opset 6: the second operand's shape is a run of the first's, from `axis` on."""
    a = g.shape()
    if not g.chance(0.7):
        return {}, [make(a), make(a)]
    n = g.int(0, len(a))
    axis = g.int(0, len(a) - n)
    b = a[axis:axis + n]
    last = axis + n == len(a)
    if n == 0:
        b, last = g.pick((), (1,)) if a else (), True
        return {"broadcast": 1}, [make(a), make(b)]
    return {"broadcast": 1, "axis": None if last and g.chance() else axis}, [make(a), make(b)]


def two(g, make):
    if g.has("broadcast"):
        attributes, inputs = old_broadcast(g, make)
    else:
        attributes, inputs = {}, [make(s) for s in g.broadcast(2)]
    return attributes, inputs


@operator("Add", "Sub", "Mul", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "And", "Or", "Xor", "BitwiseAnd",
          "BitwiseOr", "BitwiseXor")
def binary(g):
    t = "T" if "T" in g.types else "T1"
    attributes, inputs = two(g, lambda s: g.wild(t, s))
    return attributes, inputs, 1


@operator("Div")
def div(g):
    attributes, inputs = two(g, lambda s: g.wild("T", s))
    if inputs[1].dtype.kind in "iu":
        inputs[1] = np.where(inputs[1] == 0, np.asarray(3, inputs[1].dtype), inputs[1])
    return attributes, inputs, 1


@operator("Mod")
def mod(g):
    a, b = (g.wild("T", s) for s in g.broadcast(2))
    fmod = 1 if a.dtype.kind not in "iu" else g.pick(None, 0, 1)
    if a.dtype.kind in "iu":
        b = np.where(b == 0, np.asarray(3, b.dtype), b)
    return {"fmod": fmod}, [a, b], 1


@operator("Pow")
def power(g):
    t1 = "T1" if "T1" in g.types else "T"
    attributes, (a, b) = two(g, lambda s: g.any("T", s))
    b = g.any(t1, b.shape)
    if a.dtype.kind in "iu":
        b = g.mild(t1, b.shape, 0, 4)
        if b.dtype.kind not in "iu":
            b = np.round(b.astype(np.float32)).astype(b.dtype)
    return attributes, [a, b], 1


@operator("BitShift")
def bit_shift(g):
    a, b = (g.wild("T", s) for s in g.broadcast(2))
    if g.chance(0.6):
        b = g.mild("T", b.shape, 0, 8 * a.dtype.itemsize - 1)
    return {"direction": g.pick("LEFT", "RIGHT")}, [a, b], 1


@operator("PRelu")
def prelu(g):
    shape = g.shape(1)
    x = g.wild("T", shape)
    if g.version < 7:
        slope = (1,) if g.chance() or len(shape) < 2 else (shape[1],)
    else:
        slope = g.broadcast(1, shape)[0]
    return {}, [x, g.wild("T", slope)], 1


@operator("Sum", "Max", "Min", "Mean")
def variadic(g):
    n = g.int(1, 4)
    shapes = [g.shape()] * n if g.version < 8 else g.broadcast(n)
    return {}, [g.wild("T", s) for s in shapes], 1


@operator("Where")
def where(g):
    c, x, y = g.broadcast(3)
    return {}, [g.wild("bool", c), g.wild("T", x), g.wild("T", y)], 1


@operator("SwiGLU")
def swiglu(g):
    a, b = g.broadcast(2)
    return {n: g.maybe(g.real(-2, 2)) for n in g.schema.attributes}, [g.mild("T", a), g.mild("T", b)][:g.schema.min_input], 1


@operator("StringConcat")
def string_concat(g):
    return {}, [g.wild("string", s) for s in g.broadcast(2)], 1
