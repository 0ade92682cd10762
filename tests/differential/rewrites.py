"""Old or rare forms of an operator said in a newer or commoner form, so that a peer that lacks the former can run the case."""
import dataclasses

import numpy as np
import onnx

REWRITES = []  # (operators, first version, last version, function)


def rewrite(ops, first, last):
    def keep(f):
        REWRITES.append((set(ops.split()), first, last, f))
        return f
    return keep


def variants(case):
    """(another case, what turns its outputs into those of the first)"""
    for ops, first, last, f in REWRITES:
        if case.op in ops and first <= case.version <= last:
            found = f(case)
            if found:
                yield found


def in_version(case, version, **changes):
    schema = onnx.defs.get_schema(case.op, version, case.domain)
    attributes = {k: v for k, v in changes.pop("attributes", case.attributes).items() if k in schema.attributes}
    n = len(changes.get("inputs", case.inputs))
    constant = (case.constant + [False] * n)[:n]
    return dataclasses.replace(case, opset=version, schema=schema, attributes=attributes, constant=constant, **changes)


def same(outputs):
    return outputs


@rewrite("Add Sub Mul Div Pow And Or Xor Equal Less Greater", 1, 6)
def placed_by_axis(case):
    """B with dimensions of 1 behind its own, up to the end of A."""
    a, b = case.inputs
    if case.attributes.get("broadcast"):
        axis = case.attributes.get("axis")
        if axis is not None and b.size != 1:
            b = b.reshape(b.shape + (1,) * (a.ndim - axis - b.ndim))
    newest = onnx.defs.get_schema(case.op, 26, case.domain).since_version
    return in_version(case, newest, inputs=[a, b]), same


@rewrite("PRelu", 1, 6)
def slope_of_channels(case):
    x, slope = case.inputs
    if slope.size > 1:
        slope = slope.reshape(slope.shape + (1,) * (x.ndim - 2))
    return in_version(case, 16, inputs=[x, slope]), same


@rewrite("Reshape", 1, 4)
def shape_as_input(case):
    return in_version(case, 5, inputs=[case.inputs[0], np.array(case.attributes["shape"], np.int64)]), same


@rewrite("Tile", 1, 5)
def repeats_of_all(case):
    x, tiles, axis = case.inputs
    repeats = np.ones(x.ndim, np.int64)
    repeats[int(axis)] = int(tiles)
    return in_version(case, 13, inputs=[x, repeats]), same


@rewrite("Pad", 1, 10)
def pads_as_input(case):
    x = case.inputs[0]
    pads = case.attributes.get("pads") or case.attributes.get("paddings")
    with np.errstate(all="ignore"):
        value = np.array(case.attributes.get("value") or 0.0).astype(x.dtype)
    return in_version(case, 13, inputs=[x, np.array(pads, np.int64), value]), same


@rewrite("Clip", 1, 10)
def bounds_as_inputs(case):
    x = case.inputs[0]
    low, high = (case.attributes.get(n) for n in ("min", "max"))
    limit = np.finfo(np.float32).max if case.version == 6 else np.inf
    low, high = -limit if low is None else low, limit if high is None else high
    with np.errstate(all="ignore"):
        return in_version(case, 13, inputs=[x, np.array(low).astype(x.dtype), np.array(high).astype(x.dtype)]), same


@rewrite("Softmax LogSoftmax Hardmax", 1, 12)
def of_two_dimensions(case):
    """Flattened at the axis, which then is the last."""
    x = case.inputs[0]
    axis = case.attributes.get("axis", 1) % max(1, x.ndim)
    flat = x.reshape(int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:])))
    return in_version(case, 13, inputs=[flat], attributes={"axis": 1}), lambda outputs: [outputs[0].reshape(x.shape)]


@rewrite("RNN GRU LSTM", 14, 22)
def time_first(case):
    """layout = 1: the batch's axis and the others changed places."""
    if case.attributes.get("layout") != 1:
        return None
    swapped = [v if v is None or i not in (0, 5, 6) else v.swapaxes(0, 1).copy() for i, v in enumerate(case.inputs)]
    there = [o for o in range(len(case.outputs)) if case.outputs[o]]

    def back(outputs):
        return [np.transpose(y, (2, 0, 1, 3)) if o == 0 else y.swapaxes(0, 1) for o, y in zip(there, outputs)]
    return dataclasses.replace(case, inputs=swapped, attributes={**case.attributes, "layout": 0}), back


@rewrite("RNN GRU LSTM", 1, 6)
def recurrent_as_later(case):
    return in_version(case, 7), same


@rewrite("TopK", 1, 9)
def k_as_input(case):
    return in_version(case, 11, inputs=[case.inputs[0], np.array([case.attributes["k"]], np.int64)]), same


@rewrite("Upsample", 1, 8)
def scales_as_input(case):
    a = case.attributes
    scales = a.get("scales") or [1.0, 1.0, a["height_scale"], a["width_scale"]]
    mode = {"bilinear": "linear"}.get(a.get("mode"), a.get("mode"))
    return in_version(case, 9, inputs=[case.inputs[0], np.array(scales, np.float32)], attributes={"mode": mode}), same


@rewrite("GlobalLpPool LpPool", 1, 1)
def whole_norm(case):
    p = case.attributes.get("p")
    return in_version(case, 2, attributes={**case.attributes, "p": None if p is None else int(p)}), same


@rewrite("Sum Max Min Mean Abs Exp Log Sqrt Neg Floor Ceil Reciprocal Relu Sigmoid Tanh Elu Selu LeakyRelu HardSigmoid "
         "BatchNormalization InstanceNormalization Cast Gemm Concat Split Slice Dropout AveragePool", 1, 7)
def as_later(case):
    """The first version after it that ONNX Runtime has."""
    if case.op == "Gemm" and case.attributes.get("broadcast") is None and case.inputs[2].ndim != 2:
        return None
    if case.op == "Cast":
        to = case.attributes["to"]
        return (in_version(case, 6, attributes={"to": onnx.TensorProto.DataType.Value(to)}), same) if isinstance(to, str) else None
    later = {"Concat": 4, "Split": 2, "Slice": 1, "Gemm": 7, "Sum": 8, "Max": 8, "Min": 8, "Mean": 8, "BatchNormalization": 9, "AveragePool": 7}
    return in_version(case, later.get(case.op, 6)), same
