"""Operators that move elements: shapes, slices, gathers, pads."""
import numpy as np

from draw import Skip, operator

T1 = "float", "int64"


def product(shape):
    return int(np.prod(shape, dtype=np.int64))


def data_type(g):
    return next(v for v in ("T", "V", "T1", "tensor") if v in g.types)


@operator("Reshape")
def reshape(g):
    shape = g.shape()
    x = g.wild("T", shape)
    n, new = product(shape), []
    allow = g.has("allowzero") and g.chance(0.3)
    rest = n
    while rest > 1 and g.chance(0.7):
        d = g.pick(*[d for d in range(1, rest + 1) if rest % d == 0])
        new.append(d)
        rest //= d
    new.append(rest) if n else new.extend(shape)
    new += [1] * g.int(0, 1) if n else []
    for i, d in enumerate(new):
        if not allow and i < len(shape) and d == shape[i] and g.chance(0.4):
            new[i] = 0
        elif d == 0 and not allow and (i >= len(shape) or shape[i]):
            raise Skip
    others = product([shape[i] if d == 0 and not allow else d for i, d in enumerate(new)])
    if new and others and g.chance(0.4):
        new[g.int(0, len(new) - 1)] = -1
    if g.version < 5:
        return {"shape": new}, [x], 1
    return {"allowzero": int(allow) if allow or g.chance() else None}, [x, g.i64(*new)], 1


@operator("Transpose")
def transpose(g):
    x = g.wild("T", g.shape())
    return {"perm": [int(a) for a in g.r.permutation(x.ndim)] if x.ndim and g.chance(0.8) else None}, [x], 1


@operator("Squeeze")
def squeeze(g):
    shape = list(g.shape())
    for i in range(len(shape)):
        if g.chance(0.4):
            shape[i] = 1
    ones = [i for i, d in enumerate(shape) if d == 1]
    axes = [a - (len(shape) if g.version >= 11 and g.chance(0.3) else 0) for a in ones if g.chance(0.6)]
    x = g.wild("T", shape)
    if not axes or g.chance(0.2):
        return {}, [x], 1
    return ({}, [x, g.i64(*axes)], 1) if g.version >= 13 else ({"axes": axes}, [x], 1)


@operator("Unsqueeze")
def unsqueeze(g):
    x = g.wild("T", g.shape())
    n = g.int(1, 3)
    rank = min(x.ndim + n, 16)
    n = rank - x.ndim
    axes = [int(a) for a in g.r.permutation(rank)[:n]]
    if g.version < 11:
        return {"axes": sorted(axes)}, [x], 1
    axes = [a - rank if g.chance(0.3) else a for a in axes]
    return ({}, [x, g.i64(*axes)], 1) if g.version >= 13 else ({"axes": axes}, [x], 1)


@operator("Flatten")
def flatten(g):
    x = g.wild("T", g.shape())
    axis = g.int(0, x.ndim)
    if g.version >= 11 and x.ndim and g.chance(0.3):
        axis = g.int(-x.ndim, -1)
    return {"axis": axis if g.chance(0.9) or x.ndim == 0 else None}, [x], 1


@operator("Shape", "Size")
def shape_of(g):
    x = g.wild("T", g.shape())
    ends = {"start": g.maybe(g.int(-6, 6)), "end": g.maybe(g.int(-6, 6))} if g.has("start") else {}
    return ends, [x], 1


@operator("Expand")
def expand(g):
    a, b = g.broadcast(2)
    return {}, [g.wild("T", a), g.i64(*b)], 1


@operator("Tile")
def tile(g):
    if g.version < 6:
        x = g.wild("T", g.shape(1))
        return {}, [x, g.array("T", g.int(0, 3)), g.array("T", g.int(0, x.ndim - 1))], 1
    x = g.wild("T", g.shape(0, 4, 3))
    return {}, [x, g.i64(*[g.pick(0, 1, 1, 2, 3) for _ in range(x.ndim)])], 1


@operator("Concat")
def concat(g):
    shape = list(g.shape(1))
    axis = g.axis(len(shape), g.version >= 11)
    shapes = [shape[:axis % len(shape)] + [g.dim()] + shape[axis % len(shape) + 1:] for _ in range(g.int(1, 4))]
    if g.version < 4 and axis == 1 and g.chance():
        axis = None
    return {"axis": axis}, [g.wild("T", s) for s in shapes], 1


@operator("Split")
def split(g):
    shape = list(g.shape(1))
    axis = g.axis(len(shape), g.version >= 11)
    parts = [g.int(0, 3) for _ in range(g.int(1, 4))]
    even = g.chance(0.5)
    if even:
        parts = [g.int(1, 3)] * len(parts)
    shape[axis] = sum(parts)
    x = g.wild("T", shape)
    a = axis if axis or g.chance() else None
    if g.version >= 18:
        if even and g.chance():
            cut = g.int(0, min(len(parts), parts[0] - 1)) if parts[0] > 1 else 0
            x = x[tuple(slice(0, d - cut) if i == axis % len(shape) else slice(None) for i, d in enumerate(shape))]
            each = -(-x.shape[axis] // len(parts))
            if each * (len(parts) - 1) > x.shape[axis]:
                raise Skip
            return {"axis": a, "num_outputs": len(parts)}, [x], len(parts)
        return {"axis": a}, [x, g.i64(*parts)], len(parts)
    if even and g.chance():
        return {"axis": a}, [x], len(parts)
    if g.version >= 13:
        return {"axis": a}, [x, g.i64(*parts)], len(parts)
    if g.version == 1 and g.chance():
        return {"axis": a}, [x, g.array("T", parts)], len(parts)
    return {"axis": a, "split": parts}, [x], len(parts)


@operator("Slice")
def slices(g):
    shape = g.shape(1)
    x = g.wild("T", shape)
    axes = g.axes(len(shape), 1, g.version >= 10)
    far = g.pick(6, 6, 1 << 31, (1 << 62), (1 << 63) - 1)
    t = "Tind" if "Tind" in g.types else "int64"
    if g.type(t) == "int32":
        far = min(far, (1 << 31) - 1)
    starts, ends = ([g.pick(g.int(-6, 6), g.int(-6, 6), far, -far) for _ in axes] for _ in range(2))
    if g.version < 10:
        if g.chance(0.3):
            return {"starts": starts, "ends": ends}, [g.wild("T", g.shape(len(starts), len(starts)))], 1
        return {"starts": starts, "ends": ends, "axes": axes}, [x], 1
    steps = [g.pick(1, 1, 2, 3, -1, -2, far, -far) for _ in axes]
    inputs = [x, g.array(t, starts), g.array(t, ends), g.array(t, axes), g.array(t, steps)]
    if g.chance(0.2):
        inputs[4] = None
    if g.chance(0.2):
        inputs[3] = None
    return {}, inputs, 1


@operator("Gather")
def gather(g):
    shape = g.shape(1)
    axis = g.axis(len(shape))
    n = shape[axis]
    index_shape = g.shape(0, 3) if n else (0, 2)
    low = -n if g.version >= 11 else 0
    index = g.mild("Tind", index_shape, low, n - 1) if n else g.mild("Tind", index_shape)
    return {"axis": axis if axis or g.chance() else None}, [g.wild("T", shape), index], 1


@operator("GatherElements")
def gather_elements(g):
    shape = g.shape(1, empty=0.02)
    axis = g.axis(len(shape))
    n = shape[axis]
    index_shape = [g.int(0, d) if i != axis % len(shape) else g.int(0, 6) for i, d in enumerate(shape)]
    if n == 0:
        raise Skip
    return {"axis": axis if axis or g.chance() else None}, [g.wild("T", shape), g.mild("Tind", index_shape, -n, n - 1)], 1


def nd_indices(g, shape, k, batch):
    n = shape[len(batch):len(batch) + k]
    if 0 in n:
        raise Skip
    front = list(batch) + list(g.shape(0, 2, 3))
    columns = [g.mild("int64", front, -d, d - 1) for d in n]
    return np.stack(columns, axis=-1) if columns else np.zeros(front + [0], np.int64)


@operator("GatherND")
def gather_nd(g):
    shape = g.shape(1, empty=0.02)
    b = g.int(0, len(shape) - 1) if g.has("batch_dims") else 0
    k = g.int(1, len(shape) - b)
    index = nd_indices(g, shape, k, shape[:b])
    return {"batch_dims": b if b or g.chance() else None}, [g.wild("T", shape), index], 1


def reduction(g):
    allowed = {16: (None, "none", "add", "mul"), 18: (None, "none", "add", "mul", "max", "min")}.get(g.version, (None,))
    if g.type("T") in ("string", "bool", "complex64", "complex128"):
        allowed = (None, "none")
    return g.pick(*allowed)


@operator("ScatterND")
def scatter_nd(g):
    shape = g.shape(1, empty=0.02)
    k = g.int(1, len(shape))
    how = reduction(g)
    index = nd_indices(g, shape, k, ())
    if how in (None, "none"):
        flat = index.reshape(-1, k) % np.array(shape[:k])
        if len({tuple(r) for r in flat.tolist()}) < len(flat):
            raise Skip
    make = g.mild if how in ("add", "mul") else g.wild
    return {"reduction": how}, [make("T", shape), index, make("T", index.shape[:-1] + shape[k:])], 1


@operator("ScatterElements", "Scatter")
def scatter_elements(g):
    shape = g.shape(1, empty=0.02)
    axis = g.axis(len(shape), g.version >= 11)
    n = shape[axis]
    how = reduction(g)
    if n == 0:
        raise Skip
    index_shape = [g.int(0, d) if i != axis % len(shape) else g.int(0, n if how in (None, "none") else 6) for i, d in enumerate(shape)]
    if how in (None, "none"):
        index = np.argsort(g.r.random(index_shape[:axis % len(shape)] + [n] + index_shape[axis % len(shape) + 1:]), axis=axis)
        index = np.take(index, range(index_shape[axis]), axis=axis)
        if g.version >= 11:
            index = index - n * g.r.integers(0, 2, size=index.shape)
    else:
        index = g.r.integers(-n, n, size=index_shape)
    make = g.mild if how in ("add", "mul") else g.wild
    return {"axis": axis if axis or g.chance() else None, "reduction": how}, \
        [make("T", shape), index.astype("i4" if g.type("Tind") == "int32" else "i8"), make("T", index_shape)], 1


@operator("Pad")
def pad(g):
    mode = g.pick(None, "constant", "edge", "reflect", *(["wrap"] if g.version >= 19 else []))
    shape = g.shape(0 if g.version >= 11 else 1, empty=0.02)
    constant = mode in (None, "constant")
    lows, highs = [], []
    for d in shape:
        most = 3 if constant or mode == "edge" and d else max(0, d - 1) if mode == "reflect" else d if mode == "wrap" else 0
        lows.append(g.int(0, most) if g.chance(0.7) else (-g.int(0, 1) if d > 2 else 0))
        highs.append(g.int(0, most) if g.chance(0.7) else (-g.int(0, 1) if d > 2 else 0))
    make = lambda s: g.wild("T", s)
    if g.version == 1:
        return {"mode": mode, "paddings": lows + highs, "value": g.maybe(g.real(-2, 2))}, [make(shape)], 1
    if g.version == 2:
        return {"mode": mode, "pads": lows + highs, "value": g.maybe(g.real(-2, 2))}, [make(shape)], 1
    inputs = [make(shape), g.i64(*lows, *highs), g.maybe(make(()))]
    if g.version >= 18 and shape and g.chance(0.5):
        axes = g.axes(len(shape))
        inputs = inputs[:1] + [g.i64(*[lows[a] for a in axes], *[highs[a] for a in axes]), inputs[2],
                               g.array("Tind", axes)]
    return {"mode": mode}, inputs, 1


@operator("DepthToSpace")
def depth_to_space(g):
    b = g.int(1, 3)
    n, c, h, w = g.dim(3), g.int(1, 3) * b * b, g.dim(4), g.dim(4)
    return {"blocksize": b, "mode": g.pick(None, "DCR", "CRD") if g.has("mode") else None}, [g.wild("T", (n, c, h, w))], 1


@operator("SpaceToDepth")
def space_to_depth(g):
    b = g.int(1, 3)
    return {"blocksize": b, "mode": g.pick(None, "DCR", "CRD")}, [g.wild("T", (g.dim(3), g.dim(3), b * g.dim(3), b * g.dim(3)))], 1


@operator("Compress")
def compress(g):
    shape = g.shape(1)
    axis = g.axis(len(shape), g.version >= 11) if g.chance(0.7) else None
    n = shape[axis] if axis is not None else product(shape)
    return {"axis": axis}, [g.wild("T", shape), g.wild("bool", (g.int(0, n) if g.chance() else n,))], 1


@operator("Trilu")
def trilu(g):
    k = g.pick(None, g.int(-4, 4), g.int(-4, 4), (1 << 62), -(1 << 62))
    return {"upper": g.pick(None, 0, 1)}, [g.wild("T", g.shape(2, 4)), None if k is None else np.array(k, np.int64)], 1


@operator("CenterCropPad")
def center_crop_pad(g):
    shape = g.shape(1)
    axes = g.axes(len(shape), 1) if g.chance() else None
    n = len(axes) if axes else len(shape)
    return {"axes": axes}, [g.wild("T", shape), g.array("Tind", [g.dim(6) for _ in range(n)])], 1


@operator("ReverseSequence")
def reverse_sequence(g):
    shape = g.shape(2, 4, empty=0.0)
    t = g.int(0, 1)
    lens = g.i64(*[g.int(1, shape[t]) for _ in range(shape[1 - t])])
    return {"time_axis": t if t or g.chance() else None, "batch_axis": 1 - t if t == 1 or g.chance(0) else (1 - t)}, \
        [g.wild("T", shape), lens], 1


@operator("OneHot")
def one_hot(g):
    depth = g.int(1, 5)
    shape = g.shape(0 if g.version >= 11 else 1, 3)
    t1, t2 = g.type("T1"), g.type("T2")
    low = 0 if t1.startswith("u") or g.version < 11 else -depth - 1
    index = g.mild("T1", shape, low, depth if depth < 5 else depth)
    if index.dtype.kind not in "iu":
        index = np.round(index.astype(np.float32)).astype(index.dtype)
    axis = g.pick(None, g.int(-len(shape) - 1, len(shape)))
    return {"axis": axis}, [index, g.array("T2", depth) if g.version >= 11 and g.chance() else g.array("T2", [depth]), g.wild("T3", (2,))], 1


@operator("EyeLike")
def eye_like(g):
    import values
    to = values.NUMBER[g.type("T2")]
    x = g.wild("T1", (g.dim(), g.dim()))
    return {"dtype": to, "k": g.maybe(g.int(-4, 4))}, [x], 1


@operator("NonZero")
def non_zero(g):
    return {}, [g.wild("T", g.shape(1))], 1


@operator("Unique")
def unique(g):
    shape = g.shape(1, empty=0.02)
    axis = g.axis(len(shape)) if g.chance() else None
    x = g.any("T", shape)
    return {"axis": axis, "sorted": g.pick(None, 0, 1)}, [x], g.int(1, 4)


@operator("ConstantOfShape")
def constant_of_shape(g):
    value = g.wild("T2", (1,))
    return {"value": value}, [g.i64(*g.shape())], 1


@operator("TensorScatter")
def tensor_scatter(g):
    batch, most = g.int(1, 3), g.int(2, 6)
    shape = [batch] + list(g.shape(1, 3, 3, 0))
    axis = g.int(1, len(shape) - 1)
    shape[axis] = most
    mode = g.pick(None, "linear", "circular")
    n = g.int(1, most)
    update = shape[:axis] + [n] + shape[axis + 1:]
    top = most - n if mode != "circular" else most - 1
    return {"axis": g.pick(axis, axis - len(shape)), "mode": mode}, \
        [g.wild("T", shape), g.wild("T", update), g.maybe(g.i64(*[g.int(0, top) for _ in range(batch)]), 0.8)], 1


@operator("BitCast")
def bit_cast(g):
    import values
    to, x = g.type("T2"), g.wild("T1", g.shape())
    if values.NUMPY[to].itemsize != x.dtype.itemsize or "string" in (to, g.type("T1")) or (to in values.SUB_BYTE or g.type("T1") in values.SUB_BYTE):
        raise Skip
    return {"to": values.NUMBER[to]}, [x], 1
