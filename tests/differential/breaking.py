"""Breaks a valid case in one place. `must_fail` where nothing but an error will do; elsewhere the result has to be somebody else's, too."""
import copy
import dataclasses
import zlib

import numpy as np
import onnx
from onnx import AttributeProto, helper

import case as cases
import values

HUGE = [2**31 - 1, 2**31, 2**62, -(2**31), -(2**63), 2**63 - 1]


@dataclasses.dataclass
class Broken(cases.Case):
    must_fail: bool = False


def broken(case, why, must_fail=False, edit=None, **changes):
    fields = {f.name: getattr(case, f.name) for f in dataclasses.fields(cases.Case)}
    fields.update(changes, why=why, edit=edit)
    return Broken(**fields, must_fail=must_fail)


# ---- Attributes ----

def with_attribute(case, name, value):
    def edit(node):
        kept = [a for a in node.attribute if a.name != name]
        del node.attribute[:]
        node.attribute.extend(kept)
        if value is not None:
            node.attribute.append(value if isinstance(value, AttributeProto) else helper.make_attribute(name, value))
    return edit


def needed(case, i, spec):
    """Whether the input may not be left out, in the newest version either."""
    newest = cases.schemas()[case.domain, case.op][-1].inputs
    if newest[min(i, len(newest) - 1)].option.name == "Optional":
        return False
    return spec.option.name == "Single" or spec.option.name == "Variadic" and i < len(case.inputs) - 1


def attributes(case, r):
    yield broken(case, "unknown attribute", True, with_attribute(case, "no_such_attribute", 1))
    schema = case.schema.attributes
    for name, spec in schema.items():
        kind = spec.type.name
        if spec.required and name != "consumed_inputs" and case.attributes.get(name) is not None:
            yield broken(case, f"without required {name}", True, with_attribute(case, name, None))
        other = "text" if kind in ("INT", "INTS", "FLOAT", "FLOATS", "TENSOR", "GRAPH") else 1
        if case.opset >= 2:
            yield broken(case, f"{name} of the wrong type", True, with_attribute(case, name, other))
        if kind == "INT":
            for value in (-1, 0, 7, 1000, HUGE[int(r.integers(0, len(HUGE)))]):
                yield broken(case, f"{name} = {'huge' if abs(value) > 2**30 else value}", False, with_attribute(case, name, value))
        elif kind == "INTS":
            have = list(case.attributes.get(name) or [])
            lists = [("too long", have + [1]), ("shorter", have[:-1] if have else None), ("negative", [-1] * max(1, len(have))), ("zeros", [0] * max(1, len(have))),
                     ("huge", [HUGE[int(r.integers(0, len(HUGE)))]] * max(1, len(have))), ("repeated", have[:1] * len(have) if len(have) > 1 else None)]
            for what, value in lists:
                if value:
                    yield broken(case, f"{name} {what}", False, with_attribute(case, name, value))
        elif kind == "FLOATS":
            have = list(case.attributes.get(name) or [])
            yield broken(case, f"{name} too long", False, with_attribute(case, name, [float(v) for v in have] + [1.0]))
            if len(have) > 1:
                yield broken(case, f"{name} shorter", False, with_attribute(case, name, [float(v) for v in have[:-1]]))
        elif kind == "STRING":
            yield broken(case, f"{name} = nonsense", False, with_attribute(case, name, "nonsense"))
        elif kind == "STRINGS" and case.attributes.get(name):
            have = list(case.attributes[name])
            yield broken(case, f"{name} too long", False, with_attribute(case, name, have + ["q"]))
            yield broken(case, f"{name} nonsense", False, with_attribute(case, name, ["nonsense"] * len(have)))


# ---- Inputs ----

def replaced(case, i, value):
    inputs = list(case.inputs)
    inputs[i] = value
    return inputs


def shapes(case, i, v, r):
    zeros = np.full((), "", object) if v.dtype.kind == "O" else np.zeros((), v.dtype)
    yield "one dimension more", v.reshape((1,) + v.shape) if v.ndim < 16 else v
    yield "a last dimension more", v.reshape(v.shape + (1,)) if v.ndim < 16 else v
    if v.ndim:
        yield "no dimensions", zeros
        axis = int(r.integers(0, v.ndim))
        longer = list(v.shape)
        longer[axis] += 1
        yield "longer", np.resize(v, longer) if v.size else np.full(longer, zeros)
        if v.shape[axis]:
            yield "shorter", np.take(v, range(v.shape[axis] - 1), axis=axis)
            yield "empty", np.take(v, [], axis=axis)
    else:
        yield "one dimension", np.full((2,), v)


def integers(case_op, v, r):
    low, high = values.RANGE[values.NAME[v.dtype]]
    if case_op == "Loop":
        return  # a great trip count ends by no error
    for what, value in (("-1", -1), ("0", 0), ("1000", 1000), ("lowest", low), ("highest", high), ("2^31", 2**31), ("2^40", 2**40), ("2^62", 2**62)):
        if low <= value <= high and v.size:
            w = v.copy()
            w.ravel()[int(r.integers(0, v.size))] = value
            yield f"has {what}", w
            yield f"is all {what}", np.full_like(v, value)


def later_types(case, i):
    """What an input may be in this or any other version: an old version of an operator takes the types of the new ones."""
    for s in cases.schemas()[case.domain, case.op]:
        if s.inputs:
            spec = s.inputs[min(i, len(s.inputs) - 1)]
            yield from cases.variables(s).get(spec.type_str, [spec.type_str])
            yield from (t for c in s.type_constraints if c.type_param_str == spec.type_str for t in getattr(c, "listed", ()))


def inputs(case, r):
    formal = case.schema.inputs
    for i, v in enumerate(case.inputs):
        spec = formal[min(i, len(formal) - 1)] if formal else None
        if v is not None and spec and needed(case, i, spec):
            yield broken(case, f"input {i} missing", True, inputs=replaced(case, i, None))
        if not isinstance(v, np.ndarray):
            continue
        for what, w in shapes(case, i, v, r):
            yield broken(case, f"input {i} {what}", inputs=replaced(case, i, w))
        if values.NAME[v.dtype] in ("int32", "int64"):
            for what, w in integers(case.op, v, r):
                yield broken(case, f"input {i} {what}", inputs=replaced(case, i, w))
        allowed = {values.element(t) for t in later_types(case, i)}
        for other in ("string", "bool", "complex64", "float", "int64", "uint8", "double"):
            if other != values.NAME[v.dtype] and other not in allowed:
                yield broken(case, f"input {i} is {other}", True, inputs=replaced(case, i, values.wild(r, v.shape, other)))
                break
        shared = [j for j, s in enumerate(formal) if spec and s.type_str == spec.type_str and j != i and j < len(case.inputs)
                  and case.inputs[j] is not None and s.is_homogeneous]
        if shared and "(" not in spec.type_str:
            other = next((t for t in sorted(allowed) if t != values.NAME[v.dtype] and t in values.NUMPY), None)
            if other:
                yield broken(case, f"input {i} of another type than input {shared[0]}", True, inputs=replaced(case, i, values.mild(r, v.shape, other, 0, 1)))
    most = case.schema.max_input
    if most < 100:
        extra = [None] * (most - len(case.inputs)) + [np.zeros((1,), np.float32)]
        yield broken(case, "an input too many", True, inputs=case.inputs + extra, constant=case.constant + [False] * len(extra))


def outputs(case, r):
    if case.schema.max_output < 100:
        yield broken(case, "an output too many", True, outputs=[True] * (case.schema.max_output + 1))
    if len(case.outputs) > 0:
        yield broken(case, "no outputs but an absent one", False, outputs=[False] * len(case.outputs))


def variants(case, seed, most=40):
    """Some of the ways to break the case: all that must fail, and a choice of the others."""
    r = np.random.Generator(np.random.PCG64([seed, zlib.crc32(case.name.encode()), 7]))
    case = copy.copy(case)
    with np.errstate(all="ignore"):
        found = list(attributes(case, r)) + list(inputs(case, r)) + list(outputs(case, r))
    for b in found:
        if len(b.constant) < len(b.inputs):
            b.constant = b.constant + [False] * (len(b.inputs) - len(b.constant))
    if len(found) > most:
        found = [found[i] for i in sorted(r.permutation(len(found))[:most])]
    return found


# ---- Messages ----

def bad_message(case, e):
    """What an error lacks, or ""."""
    if e.code == "UNSUPPORTED" and "element type" in e.text:
        return ""  # of a graph's input or an initializer, which is named
    if e.code in ("MODEL", "RUN", "UNSUPPORTED"):
        inner = cases.NODE + "/" in e.text  # a node of a body
        if case.op not in e.text and not inner:
            return "does not name the operator"
        if cases.NODE not in e.text:
            return "does not name the node"
        if len(e.text) < 40:
            return "says nothing"
    elif e.code == "MEMORY":
        return "" if cases.NODE in e.text else "does not name the node"
    return ""
