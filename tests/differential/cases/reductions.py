"""Reductions, ArgMax, softmaxes, cumulative sums, TopK."""
import numpy as np

from draw import Skip, operator


@operator("ReduceSum", "ReduceMean", "ReduceProd", "ReduceMin", "ReduceMax", "ReduceL1", "ReduceL2", "ReduceLogSum",
          "ReduceLogSumExp", "ReduceSumSquare")
def reduce(g):
    shape = g.shape()
    needs_some = g.op in ("ReduceMean",) or g.op in ("ReduceMin", "ReduceMax") and g.version < 20
    if needs_some and 0 in shape:
        raise Skip
    if g.op in ("ReduceMin", "ReduceMax"):
        x = g.wild("T", shape)
    elif g.op == "ReduceLogSum":
        x = g.mild("T", shape, 0.1, 4)
    elif g.op == "ReduceProd":
        x = g.mild("T", shape, -2, 2)
    else:
        x = g.mild("T", shape)
    axes = g.axes(len(shape), 0 if g.chance(0.2) else min(1, len(shape)), g.version >= 11)
    keep = g.pick(None, 0, 1)
    as_input = "axes" not in g.schema.attributes
    if not as_input:
        return {"axes": axes or None, "keepdims": keep}, [x], 1
    given = None if g.chance(0.2) else g.i64(*axes)
    return {"keepdims": keep, "noop_with_empty_axes": g.pick(None, 0, 1)}, [x, given], 1


@operator("ArgMax", "ArgMin")
def arg(g):
    shape = g.shape(1, empty=0.02)
    axis = g.axis(len(shape), g.version >= 11)
    if shape[axis] == 0:
        raise Skip
    x = g.mild("T", shape, -2, 2)
    if x.dtype.kind not in "iu" and g.chance():
        x = np.round(x.astype(np.float32)).astype(x.dtype)
    return {"axis": axis if axis or g.chance() else None, "keepdims": g.pick(None, 0, 1),
            "select_last_index": g.pick(None, 0, 1)}, [x], 1


@operator("Softmax", "LogSoftmax", "Hardmax")
def softmax(g):
    shape = g.shape(1 if g.version < 13 else 1)
    return {"axis": g.pick(None, g.axis(len(shape), g.version >= 11)) if g.version >= 13 or len(shape) > 1 else 0}, [g.any("T", shape)], 1


@operator("CumSum", "CumProd")
def cumulative(g):
    shape = g.shape(1)
    t = "T" if "T" in g.types else "T1"
    axis = g.array("T2", g.axis(len(shape)))
    return {"exclusive": g.pick(None, 0, 1), "reverse": g.pick(None, 0, 1)}, \
        [g.mild(t, shape, -2, 2), axis.reshape(1) if g.chance(0.2) and g.op == "CumSum" else axis], 1


@operator("TopK")
def top_k(g):
    shape = g.shape(1)
    axis = g.axis(len(shape), g.version >= 11)
    k = g.int(0, shape[axis]) if g.version >= 10 else min(g.int(1, 5), shape[axis])
    if g.version < 10 and k == 0:
        raise Skip
    x = g.any("T", shape)
    a = axis if axis != -1 or g.chance() else None
    if g.version < 10:
        return {"axis": a, "k": k}, [x], 2
    sort = {"largest": g.pick(None, 0, 1), "sorted": g.pick(None, 1)} if g.version >= 11 else {}
    return {"axis": a, **sort}, [x, g.i64(k)], 2


@operator("LpNormalization")
def lp_normalization(g):
    shape = g.shape(1)
    return {"axis": g.pick(None, g.axis(len(shape))), "p": g.pick(None, 1, 2)}, [g.mild("T", shape)], 1


@operator("MeanVarianceNormalization")
def mean_variance(g):
    shape = g.shape(4, 4, empty=0.0) if g.chance() else g.shape(1, 4, empty=0.0)
    if len(shape) != 4:
        return {"axes": g.axes(len(shape), 1, g.version >= 13)}, [g.mild("T", shape)], 1
    return {"axes": g.maybe(g.axes(4, 1, False))}, [g.mild("T", shape)], 1
