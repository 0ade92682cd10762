"""Sequences, optionals, bodies, constants, random numbers."""
import numpy as np
from onnx import TensorProto, helper

import values
from draw import Skip, operator
from values import NUMBER, Nothing, Sequence


def sequence(g, of, low=0, high=4, shape=None):
    return Sequence([g.wild(of, g.shape(0, 3) if shape is None else shape) for _ in range(g.int(low, high))], g.type(of))


def position(g, n, extra=0):
    return np.array(g.int(-n, n - 1 + extra), values.NUMPY[g.type("I")])


@operator("SequenceConstruct")
def construct(g):
    return {}, [g.wild("T", g.shape(0, 3)) for _ in range(g.int(1, 3))], 1


@operator("SequenceEmpty")
def empty(g):
    return {"dtype": NUMBER[g.type("S")]}, [], 1


@operator("SequenceLength")
def length(g):
    return {}, [sequence(g, "S")], 1


@operator("SequenceAt")
def at(g):
    s = sequence(g, "S", 1)
    return {}, [s, position(g, len(s))], 1


@operator("SequenceInsert")
def insert(g):
    s = sequence(g, "S")
    p = position(g, len(s), 1) if g.chance(0.7) else None
    return {}, [s, g.wild("S", g.shape(0, 3)), p], 1


@operator("SequenceErase")
def erase(g):
    s = sequence(g, "S", 1)
    return {}, [s, position(g, len(s)) if g.chance(0.7) else None], 1


@operator("ConcatFromSequence")
def concat(g):
    shape, new = g.shape(0, 3), g.pick(None, 0, 1)
    if not shape and not new:
        raise Skip
    axis = g.axis(len(shape) + 1) if new else g.axis(len(shape))
    s = sequence(g, "S", 1, shape=shape)
    if not new:
        for i, x in enumerate(s):
            part = list(shape)
            part[axis] = g.dim()
            s[i] = g.wild("S", part)
    return {"axis": axis, "new_axis": new}, [s], 1


@operator("SplitToSequence")
def split(g):
    shape = g.shape(1)
    axis = g.axis(len(shape))
    kind = g.pick("none", "scalar", "list")
    given = None
    if kind == "scalar":
        given = g.array("I", g.int(1, 3))
    elif kind == "list":
        parts, left = [], shape[axis]
        while left:
            parts.append(g.int(1, left))
            left -= parts[-1]
        given = g.array("I", parts)
        if not parts:
            raise Skip
    return {"axis": axis if axis or g.chance() else None, "keepdims": g.pick(None, 0, 1)}, [g.wild("T", shape), given], 1


@operator("Optional")
def optional(g):
    if "seq" in g.whole["V"]:
        return {}, [sequence(g, "V")], 1
    return {}, [g.wild("V", g.shape(0, 3))], 1


@operator("OptionalHasElement", "OptionalGetElement")
def has_element(g):
    whole = g.whole["O"]
    if g.op == "OptionalHasElement" and whole.startswith("optional") and g.chance(0.4):
        return {}, [Nothing(whole)], 1
    if whole.startswith("optional"):
        raise Skip
    return {}, [sequence(g, "O") if "seq" in whole else g.wild("O", g.shape(0, 3))], 1


def info(name, type_name, shape=None):
    return helper.make_tensor_value_info(name, NUMBER[type_name], shape)


def branch(g, tag, t):
    x = g.wild(t, g.shape(0, 2))
    from onnx import numpy_helper
    node = helper.make_node("Constant", [], [f"{tag}_out"], value=numpy_helper.from_array(x))
    return helper.make_graph([node], tag, [], [helper.make_empty_tensor_value_info(f"{tag}_out")])


def kind(g):
    if not g.whole["V"].startswith("tensor"):
        raise Skip
    return g.type("V")


@operator("If")
def branches(g):
    t = kind(g)
    return {"then_branch": branch(g, "then", t), "else_branch": branch(g, "else", t)}, [np.array(g.chance())], 1


@operator("Loop")
def loop(g):
    """Carries a tensor of the type, gives it as scan output, stops after a few iterations."""
    t = kind(g)
    shape = g.shape(0, 2)
    to = TensorProto.FLOAT if g.opset >= 6 else "FLOAT"
    nodes = [helper.make_node("Identity", ["keep"], ["keep_out"]), helper.make_node("Identity", ["keep"], ["scanned"]),
             helper.make_node("Less", ["i_f", "limit"], ["more"]), helper.make_node("Cast", ["i"], ["i_f"], to=to),
             helper.make_node("Constant", [], ["limit"], value=helper.make_tensor("l", TensorProto.FLOAT, [], [float(g.int(-1, 4))]))]
    nodes = [nodes[3], nodes[4], nodes[2], nodes[0], nodes[1]]
    body = helper.make_graph(nodes, "body", [info("i", "int64", []), info("c", "bool", []), info("keep", t, shape)],
                             [info("more", "bool", []), info("keep_out", t, shape), info("scanned", t, shape)])
    count = g.maybe(np.array(g.int(0, 4), np.int64), 0.8)
    go = np.array(g.chance(0.85)) if count is None else g.maybe(np.array(g.chance(0.85)), 0.6)
    return {"body": body}, [count, go, g.wild("V", shape)], [True, g.chance(0.8)] if g.chance() else 2


@operator("Scan")
def scan(g):
    """Sums up what is scanned, and gives it back; numbers only."""
    t = kind(g)
    if t not in ("float", "double", "int32", "int64"):
        raise Skip
    n, shape = g.int(1, 4), g.shape(0, 2, 3, 0)
    body = helper.make_graph([helper.make_node("Add", ["s", "x"], ["s_out"]), helper.make_node("Identity", ["s_out"], ["y"])], "body",
                             [info("s", t, shape), info("x", t, shape)], [info("s_out", t, shape), info("y", t, shape)])
    state, x = g.mild("V", shape), g.mild("V", (n,) + tuple(shape))
    if g.version == 8:
        batch = g.int(1, 2)
        stack = lambda v: np.stack([v] * batch)
        lengths = g.maybe(g.i64(*[g.int(1, n) for _ in range(batch)]))
        return {"body": body, "num_scan_inputs": 1, "directions": g.pick(None, [0], [1])}, [lengths, stack(state), stack(x)], 2
    axis = g.int(0, len(shape))
    return {"body": body, "num_scan_inputs": 1, "scan_input_axes": g.pick([axis], [axis - len(shape) - 1] if g.version >= 11 else [axis]) if axis or g.chance() else None,
            "scan_input_directions": g.pick(None, [0], [1]), "scan_output_directions": g.pick(None, [0], [1]),
            "scan_output_axes": g.maybe([g.int(0, len(shape))])}, [state, np.moveaxis(x, 0, axis).copy()], 2


@operator("SequenceMap")
def sequence_map(g):
    t = g.type("S")
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "body", [info("x", t)], [info("y", t)])
    return {"body": body}, [sequence(g, "S", 1)], 1


@operator("Constant")
def constant(g):
    form = g.pick("value", *[a for a in g.schema.attributes if a not in ("value", "sparse_value")])
    whole = {"value": g.wild("T", g.shape()), "value_float": g.real(-2, 2), "value_floats": [g.real(-2, 2) for _ in range(g.int(0, 3))],
             "value_int": g.int(-9, 9), "value_ints": [g.int(-9, 9) for _ in range(g.int(0, 3))], "value_string": "ä b", "value_strings": ["x", "", "ä"][:g.int(0, 3)]}
    return {form: whole[form]}, [], 1


@operator("RandomNormal", "RandomUniform")
def random(g):
    low = {"mean": g.maybe(g.real(-1, 1)), "scale": g.maybe(g.real(0.5, 2))} if "Normal" in g.op else {"low": g.maybe(g.real(-2, 0)), "high": g.maybe(g.real(0, 2))}
    return {"shape": list(g.shape()), "dtype": NUMBER[g.type("T")], "seed": g.maybe(1.5), **low}, [], 1


@operator("RandomNormalLike", "RandomUniformLike", "Bernoulli")
def random_like(g):
    x = g.mild("T1", g.shape(), 0, 1)
    return {"dtype": NUMBER[g.type("T2")], "seed": g.maybe(1.5)}, [x], 1


@operator("Multinomial")
def multinomial(g):
    return {"dtype": NUMBER[g.type("T2")], "sample_size": g.maybe(g.int(1, 5)), "seed": g.maybe(1.5)}, [g.mild("T1", (g.int(1, 3), g.int(1, 4)))], 1
