"""Matrix products, convolutions, Einsum, determinants."""
import numpy as np

from draw import Skip, operator
from values import RANGE


def mat_shapes(g):
    batch = g.broadcast(2, g.shape(0, 2, 3))
    m, k, n = (g.size(5, 90) if g.large else g.dim() for _ in range(3))
    a, b = batch[0] + (m, k), batch[1] + (k, n)
    if g.chance(0.15):
        a = (k,)
    elif g.chance(0.15):
        b = (k,)
    return a, b


@operator("MatMul")
def matmul(g):
    a, b = mat_shapes(g)
    return {}, [g.mild("T", a), g.mild("T", b)], 1


@operator("Gemm")
def gemm(g):
    m, k, n = (g.size(5, 90) if g.large else g.dim() for _ in range(3))
    ta, tb = g.pick(None, 0, 1), g.pick(None, 0, 1)
    a, b = (k, m) if ta else (m, k), (n, k) if tb else (k, n)
    broadcast = None
    if g.version < 7:
        c = g.pick((m, n), (1, n) if m else (m, n), (n,), (1,))
        broadcast = None if c == (m, n) else 1
    else:
        c = g.pick((m, n), (n,), (1, n), (m, 1), (), (1,))
    kind = g.type("T")
    whole = kind.startswith(("int", "uint"))
    alpha = g.maybe(float(g.int(0, 3)) if whole else g.real(-2, 2))
    beta = g.maybe(float(g.int(0, 3)) if whole else g.real(-2, 2))
    inputs = [g.mild("T", a), g.mild("T", b), g.mild("T", c)]
    if g.version >= 11 and g.chance(0.3):
        inputs[2] = None
    return {"alpha": alpha, "beta": beta, "transA": ta, "transB": tb, "broadcast": broadcast}, inputs, 1


def zero_point(g, t, n=None, p=0.7):
    low, high = RANGE[g.type(t)]
    return g.mild(t, () if n is None else (n,), low, high) if g.chance(p) else None


def whole(g, t, shape):
    return g.mild(t, shape, *RANGE[g.type(t)])


@operator("MatMulInteger")
def matmul_integer(g):
    a, b = mat_shapes(g)
    za = zero_point(g, "T1", a[-2] if len(a) == 2 and a[-2] and g.chance(0.3) else None)
    zb = zero_point(g, "T2", b[-1] if len(b) == 2 and b[-1] and g.chance(0.3) else None)
    return {}, [whole(g, "T1", a), whole(g, "T2", b), za, zb], 1


@operator("QLinearMatMul")
def qlinear_matmul(g):
    m, k, n = g.size(5, 40), g.size(5, 90), g.size(5, 40)
    batch = g.shape(0, 1, 3)
    ts = "TS" if "TS" in g.types else "float"
    def scale(count):
        return g.mild(ts, () if count is None else (count,), 0.02, 0.5)
    per_b = n if g.chance(0.3) and n and not batch else None
    if len({"float8" in g.type(t) for t in ("T1", "T2", "T3")}) > 1:
        raise Skip
    if "float8" in g.type("T1"):
        zero = lambda t, c: g.array(t, 0.0 if c is None else [0.0] * c)
        return {}, [g.mild("T1", batch + (m, k)), scale(None), zero("T1", None), g.mild("T2", batch + (k, n)), scale(per_b),
                    zero("T2", per_b), g.array(ts, 1.0), zero("T3", None)], 1
    return {}, [whole(g, "T1", batch + (m, k)), scale(None), zero_point(g, "T1", None, 1), whole(g, "T2", batch + (k, n)), scale(per_b),
                zero_point(g, "T2", per_b, 1), g.mild(ts, (), 5, 50), zero_point(g, "T3", None, 1)], 1


def convolution(g, transposed=False, spatial=None):
    """Attributes, the shapes of X and W, and groups."""
    n = spatial or g.int(1, 3)
    group = g.pick(1, 1, 2, 3)
    c, m = group * g.size(2, 36), group * g.size(2, 36)
    if g.large and g.chance(0.3):
        group = c = m = g.int(4, 40)
    dims = [g.size(6, 14 if n < 3 else 7) for _ in range(n)]
    kernel = [g.size(3, 5) for _ in range(n)]
    strides, dilations = g.maybe([g.int(1, 3) for _ in range(n)]), g.maybe([g.int(1, 2) for _ in range(n)])
    auto = g.pick(None, None, None, "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    pads = [g.int(0, 2) for _ in range(2 * n)] if auto in (None, "NOTSET") and g.chance(0.6) else None
    for i in range(n):
        spread = (kernel[i] - 1) * (dilations or [1] * n)[i] + 1
        room = dims[i] + ((pads[i] + pads[n + i]) if pads else 0)
        if not transposed and room < spread and auto not in ("SAME_UPPER", "SAME_LOWER"):
            raise Skip
    x = [g.pick(1, 1, 2, 3, 0) if g.chance(0.3) else 1, c] + dims
    w = [c, m // group] + kernel if transposed else [m, c // group] + kernel
    return {"kernel_shape": g.maybe(kernel, 0.7), "strides": strides, "dilations": dilations, "auto_pad": auto, "pads": pads,
            "group": group if group > 1 else g.maybe(1)}, x, w, m


@operator("Conv")
def conv(g):
    attributes, x, w, m = convolution(g)
    return attributes, [g.mild("T", x), g.mild("T", w), g.maybe(g.mild("T", (m,)))], 1


@operator("ConvTranspose")
def conv_transpose(g):
    attributes, x, w, m = convolution(g, True)
    n = len(x) - 2
    strides, dilations = attributes["strides"] or [1] * n, attributes["dilations"] or [1] * n
    kernel = w[2:]
    if g.chance(0.3):
        attributes["output_padding"] = [g.int(0, max(s, d) - 1) for s, d in zip(strides, dilations)]
    extra = attributes.get("output_padding") or [0] * n
    full = [s * (d - 1) + e + (k - 1) * l + 1 for s, d, e, k, l in zip(strides, x[2:], extra, kernel, dilations)]
    if attributes["auto_pad"] in (None, "NOTSET") and attributes["pads"] is None and g.chance(0.3):
        attributes["output_shape"] = [g.int(max(1, f - 3), f) for f in full]
    pads = attributes["pads"] or [0] * 2 * n
    if any(f - pads[i] - pads[n + i] < 1 for i, f in enumerate(full)):
        raise Skip
    if attributes["auto_pad"] in ("SAME_UPPER", "SAME_LOWER") and any(f < s * d for f, s, d in zip(full, strides, x[2:])):
        raise Skip
    return attributes, [g.mild("T", x), g.mild("T", w), g.maybe(g.mild("T", (m,)))], 1


@operator("ConvInteger")
def conv_integer(g):
    attributes, x, w, m = convolution(g)
    inputs = [whole(g, "T1", x), whole(g, "T2", w), zero_point(g, "T1"), zero_point(g, "T2", m if g.chance(0.3) else None)]
    return attributes, inputs, 1


@operator("QLinearConv")
def qlinear_conv(g):
    attributes, x, w, m = convolution(g)
    per = m if g.chance(0.4) else None
    scale = lambda low, high, count=None: g.mild("float", () if count is None else (count,), low, high)
    bias = g.maybe(g.mild("int32", (m,), -5000, 5000))
    return attributes, [whole(g, "T1", x), scale(0.02, 0.5), zero_point(g, "T1", None, 1), whole(g, "T2", w), scale(0.02, 0.5, per),
                        zero_point(g, "T2", per, 1), scale(1, 30), zero_point(g, "T3", None, 1), bias], 1


@operator("DeformConv")
def deform_conv(g):
    attributes, x, w, m = convolution(g, False, 2)
    del attributes["auto_pad"]
    if x[0] == 0:
        raise Skip
    kernel = w[2:]
    strides, dilations = attributes["strides"] or [1, 1], attributes["dilations"] or [1, 1]
    pads = attributes["pads"] or [0] * 4
    attributes["pads"] = pads
    out = [(x[2 + i] + pads[i] + pads[2 + i] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1 for i in range(2)]
    if min(out) < 1:
        raise Skip
    offset_group = g.pick(*[d for d in (1, 2, 3) if x[1] % d == 0])
    taps = kernel[0] * kernel[1] * offset_group
    offset = g.mild("T", [x[0], 2 * taps] + out, -1.5, 1.5)
    mask = g.maybe(g.mild("T", [x[0], taps] + out, 0, 1))
    bias = g.maybe(g.mild("T", (m,)))
    return {**attributes, "offset_group": offset_group}, [g.mild("T", x), g.mild("T", w), offset, bias, mask], 1


@operator("CausalConvWithState")
def causal_conv(g):
    n, c, length, k = g.int(1, 3), g.int(1, 4), g.int(1, 6), g.int(1, 4)
    activation = g.pick(None, "none", "silu", "swish")
    return {"activation": activation}, \
        [g.mild("T", (n, c, length)), g.mild("T", (c, 1, k)), g.maybe(g.mild("T", (c,))), g.maybe(g.mild("T", (n, c, k - 1)))], \
        2


@operator("Det")
def det(g):
    n = g.int(1, 5)
    return {}, [g.mild("T", g.shape(0, 2, 3) + (n, n))], 1


@operator("Einsum")
def einsum(g):
    letters = list("ijklmn")
    size = {c: g.size(4, 12) for c in letters}
    n = g.int(1, 3)
    dots = g.chance(0.3)
    batch = g.shape(0, 2, 3)
    terms, inputs = [], []
    shapes = [[d if g.chance(0.8) else 1 for d in batch] for _ in range(n)]
    for i in range(n):
        labels = [g.pick(*letters[:4]) for _ in range(g.int(1, 3))]
        if not g.chance(0.25):
            labels = list(dict.fromkeys(labels))
        at = g.int(0, len(labels))
        part = dots and g.chance(0.8)
        term = "".join(labels[:at]) + ("..." if part else "") + "".join(labels[at:])
        shape = [size[c] for c in labels[:at]] + (list(shapes[i]) if part else []) + [size[c] for c in labels[at:]]
        terms.append(term)
        inputs.append(g.mild("T", shape))
    used = sorted(set("".join(terms)) - {"."})
    equation = ",".join(terms)
    if g.chance(0.7):
        out = [c for c in g.r.permutation(used) if g.chance(0.7)]
        if any("..." in t for t in terms):
            out.insert(g.int(0, len(out)), "...")
        equation += "->" + "".join(out)
    if g.chance(0.2):
        equation = equation.replace(",", " , ").replace("->", " -> ")
    return {"equation": equation}, inputs, 1
