"""Operators of com.microsoft: ONNX Runtime's own, those of its quantiser and its optimisers."""
import numpy as np

from draw import Fixed, Skip, operator
from values import RANGE

DOMAIN = "com.microsoft"
EIGHT = ("int8", "uint8")


def op(*names):
    return operator(*names, domain=DOMAIN)


def hidden(g, low=1):
    """[batch, sequence, hidden] as transformers have it."""
    return (g.int(1, 3), g.size(5, 40), g.size(8, 80) + low - 1)


def zero(g, t, shape=(), p=0.75):
    return g.mild(t, shape, *RANGE[g.type(t)]) if g.chance(p) else None


def scale(g, shape=(), t="float", low=0.01, high=0.1):
    return g.mild(t, shape, low, high)


def whole(g, t, shape):
    return g.mild(t, shape, *RANGE[g.type(t)])


# ---- Activations ----

@op("Gelu", "QuickGelu")
def gelu(g):
    return {"alpha": g.maybe(g.real(-2, 3))} if g.has("alpha") else {}, [g.mild("T", g.shape(0, 4, 5, 0.03), -6, 6)], 1


@op("FastGelu", "BiasGelu")
def bias_gelu(g):
    shape = g.shape(1, 4, 5, 0.03)
    bias = g.mild("T", shape[-1:], -3, 3)
    return {}, [g.mild("T", shape, -4, 4), bias if g.op == "BiasGelu" else g.maybe(bias)], 1


@op("BiasAdd")
def bias_add(g):
    shape = hidden(g)
    return {}, [g.mild("T", shape), g.mild("T", shape[-1:]), g.mild("T", shape)], 1


# ---- Products ----

def mat_shapes(g):
    batch = g.broadcast(2, g.shape(0, 2, 3, 0))
    m, k, n = (g.size(5, 90) for _ in range(3))
    return batch[0] + (m, k), batch[1] + (k, n)


def turned(shape):
    return shape[:-2] + (shape[-1], shape[-2])


@op("FusedMatMul", "TransposeMatMul")
def fused_matmul(g):
    a, b = mat_shapes(g)
    attributes = {"alpha": g.maybe(g.real(-2, 2))}
    for name, shape in (("transA", a), ("transB", b)):
        if g.chance(0.4):
            attributes[name] = 1
    a, b = (turned(s) if attributes.get(n) else s for n, s in (("transA", a), ("transB", b)))
    for name, side in (("transBatchA", 0), ("transBatchB", 1)):
        if g.has(name) and g.chance(0.25) and len(a) == len(b) >= 3:
            attributes[name] = 1
            s = (a, b)[side]
            s = s[-2:-1] + s[:-2] + s[-1:]
            a, b = (s, b) if side == 0 else (a, s)
    return attributes, [g.mild("T", a), g.mild("T", b)], 1


ACTIVATIONS = ["Relu", "Tanh", "Sigmoid", "LeakyRelu", "HardSigmoid", "Clip"]


@op("FusedConv")
def fused_conv(g):
    return conv(g, False)


def conv(g, last):
    n = g.pick(1, 2, 2, 3) if not last else 2
    group = g.pick(1, 1, 2, 3)
    c, m = group * g.size(2, 20), group * g.size(2, 20)
    dims, kernel = [g.size(6, 14) + 4 for _ in range(n)], [g.size(3, 3) for _ in range(n)]
    strides, dilations = g.maybe([g.int(1, 2) for _ in range(n)]), g.maybe([g.int(1, 2) for _ in range(n)])
    auto = g.pick(None, None, "NOTSET", "SAME_UPPER", "VALID")
    pads = [g.int(0, 1) for _ in range(2 * n)] if auto in (None, "NOTSET") and g.chance(0.6) else None
    name = g.pick(None, *ACTIVATIONS) if g.has("activation") else None
    count = {"LeakyRelu": 1, "HardSigmoid": 2, "Clip": 2}.get(name, 0)
    params = sorted(g.real(-1, 1) for _ in range(count)) if count else None
    if name == "HardSigmoid":
        params = [g.real(0.1, 1), g.real(0, 1)]
    x = [g.int(1, 2), c] + dims
    attributes = {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "auto_pad": auto, "pads": pads,
                  "group": group if group > 1 else g.maybe(1), "activation": name, "activation_params": params}
    inputs = [g.mild("T", x), g.mild("T", [m, c // group] + kernel), g.maybe(g.mild("T", (m,)))]
    if g.op == "FusedConv" and auto in (None, "NOTSET") and g.chance(0.3):
        out = []
        for i in range(n):
            room = dims[i] + ((pads[i] + pads[n + i]) if pads else 0)
            out.append((room - (kernel[i] - 1) * (dilations or [1] * n)[i] - 1) // (strides or [1] * n)[i] + 1)
        inputs.append(g.mild("T", [x[0], m] + out))
    return attributes, inputs, 1


@op("FusedGemm")
def fused_gemm(g):
    m, k, n = (g.size(5, 90) for _ in range(3))
    ta, tb = g.pick(None, 0, 1), g.pick(None, 0, 1)
    name = g.pick(None, "Relu", "Tanh", "Sigmoid", "LeakyRelu", "HardSigmoid", "Elu", "Softplus", "Softsign", "Selu",
                  "ThresholdedRelu", "ScaledTanh")
    alpha = g.real(0.1, 1) if name in ("LeakyRelu", "HardSigmoid", "Elu", "ThresholdedRelu", "ScaledTanh", "Selu") else None
    beta = g.real(0.1, 1) if name in ("HardSigmoid", "ScaledTanh") else None
    gamma = g.real(0.5, 1.5) if name == "Selu" else None
    if "int" in g.type("T"):
        raise Skip
    c = g.pick((m, n), (n,), (1, n), (m, 1), (), (1,))
    return {"transA": ta, "transB": tb, "alpha": g.maybe(g.real(-2, 2)), "beta": g.maybe(g.real(-2, 2)), "activation": name,
            "activation_alpha": alpha, "activation_beta": beta, "activation_gamma": gamma}, \
        [g.mild("T", (k, m) if ta else (m, k)), g.mild("T", (n, k) if tb else (k, n)), g.maybe(g.mild("T", c))], 1


@op("NhwcMaxPool")
def nhwc_max_pool(g):
    n = g.int(1, 2)
    dims, kernel = [g.size(6, 14) + 3 for _ in range(n)], [g.int(1, 3) for _ in range(n)]
    auto = g.pick(None, None, "SAME_UPPER", "VALID")
    pads = [g.int(0, k - 1) for k in kernel + kernel] if auto is None and g.chance(0.5) else None
    return {"kernel_shape": kernel, "strides": g.maybe([g.int(1, 2) for _ in range(n)]), "auto_pad": auto, "pads": pads,
            "dilations": None, "ceil_mode": None}, [whole(g, "T", [g.int(1, 2)] + dims + [g.size(4, 30)])], 1


# ---- 8-bit numbers ----

@op("DynamicQuantizeMatMul")
def dynamic_quantize_matmul(g):
    m, k, n = (g.size(5, 90) for _ in range(3))
    per = (n,) if g.chance(0.4) else ()
    a = g.shape(0, 2, 3, 0) + (m, k)
    return {}, [g.mild("T1", a), whole(g, "T2", (k, n)), scale(g, per), zero(g, "T2", per), g.maybe(g.mild("T1", (n,)))], 1


@op("MatMulIntegerToFloat")
def matmul_integer_to_float(g):
    if g.type("T1") == "int8" and g.type("T2") == "uint8":
        raise Skip
    m, k, n = (g.size(5, 90) for _ in range(3))
    per = (n,) if g.chance(0.4) else ()
    a = g.shape(0, 2, 3, 0) + (m, k)
    return {}, [whole(g, "T1", a), whole(g, "T2", (k, n)), scale(g, (), "T3"), scale(g, per, "T3"), zero(g, "T1"),
                zero(g, "T2", per), g.maybe(g.mild("T3", (n,)))], 1


@op("MatMulInteger16")
def matmul_integer_16(g):
    a, b = mat_shapes(g)
    return {}, [g.mild("T1", a, -300, 300), g.mild("T2", b, -300, 300)], 1


@op("QGemm")
def qgemm(g):
    if g.type("TA") == "int8" and g.type("TB") == "uint8":
        raise Skip
    m, k, n = (g.size(5, 90) for _ in range(3))
    ta, tb = g.pick(None, 0, 1), g.pick(None, 0, 1)
    per = (n,) if g.chance(0.4) else ()
    quantised = g.type("TY") != "float"
    if quantised and (g.type("TY") != g.type("TA") or g.type("TYZ") != g.type("TA")):
        raise Skip
    c = g.pick((m, n), (n,), (1, n), (m, 1), (1, 1))
    return {"transA": ta, "transB": tb, "alpha": g.maybe(g.real(0.5, 2))}, \
        [whole(g, "TA", (k, m) if ta else (m, k)), scale(g), zero(g, "TA", (), 1), whole(g, "TB", (n, k) if tb else (k, n)),
         scale(g, per), zero(g, "TB", per, 1), g.maybe(g.mild("TC", c, -3000, 3000)),
         scale(g, (), "float", 0.3, 3) if quantised else None, zero(g, "TYZ", (), 1) if quantised else None], 1


@op("QLinearAdd", "QLinearMul")
def qlinear_binary(g):
    a, b = g.broadcast(2)
    s = (0.01, 0.1) if g.op == "QLinearAdd" else (0.1, 0.3)
    return {}, [whole(g, "T", a), scale(g, (), "float", *s), zero(g, "T"), whole(g, "T", b), scale(g, (), "float", *s),
                zero(g, "T"), scale(g, (), "float", 0.05, 0.5), zero(g, "T")], 1


@op("QLinearSigmoid", "QLinearLeakyRelu")
def qlinear_unary(g):
    alpha = {"alpha": g.maybe(g.real(0, 0.5))} if g.has("alpha") else {}
    return alpha, [whole(g, "T", g.shape()), scale(g), zero(g, "T"), scale(g, (), "float", 0.003, 0.1), zero(g, "T")], 1


@op("QLinearSoftmax")
def qlinear_softmax(g):
    shape = g.shape(1, 4, 6, 0)
    return {"axis": g.axis(len(shape)), "opset": g.pick(10, 13)}, \
        [whole(g, "T", shape), scale(g), zero(g, "T"), g.array("float", g.pick(1 / 256, 1 / 128)),
         g.array("T", 0 if g.type("T") == "uint8" else -128)], 1


@op("QLinearWhere")
def qlinear_where(g):
    c, x, y = g.broadcast(3)
    return {}, [g.wild("B", c), whole(g, "T", x), scale(g), zero(g, "T", (), 1), whole(g, "T", y), scale(g), zero(g, "T", (), 1),
                scale(g), zero(g, "T", (), 1)], 1


@op("QLinearConcat")
def qlinear_concat(g):
    t = g.types["T8"] = g.pick(*EIGHT)
    shape = list(g.shape(1, 4, 5, 0))
    axis = g.axis(len(shape))
    inputs = [scale(g), zero(g, "T8", (), 1)]
    for _ in range(g.int(1, 4)):
        shape[axis] = g.int(1, 5)
        inputs += [whole(g, "T8", shape), scale(g), zero(g, "T8", (), 1)]
    return {"axis": axis}, inputs, 1


@op("QLinearAveragePool")
def qlinear_average_pool(g):
    n, last = g.int(1, 2), g.pick(None, 0, 1)
    dims, kernel = [g.size(6, 14) + 3 for _ in range(n)], [g.int(1, 3) for _ in range(n)]
    auto = g.pick(None, None, "SAME_UPPER", "VALID")
    pads = [g.int(0, k - 1) for k in kernel + kernel] if auto is None and g.chance(0.5) else None
    c = [g.size(4, 30)]
    return {"kernel_shape": kernel, "strides": g.maybe([g.int(1, 2) for _ in range(n)]), "auto_pad": auto, "pads": pads,
            "count_include_pad": g.pick(None, 0, 1), "channels_last": last}, \
        [whole(g, "T", [g.int(1, 2)] + (dims + c if last else c + dims)), scale(g), zero(g, "T"),
         scale(g, (), "float", 0.02, 0.2), zero(g, "T")], 1


@op("QLinearGlobalAveragePool")
def qlinear_global_average_pool(g):
    n, last = g.int(1, 3), g.pick(None, 0, 1)
    dims, c = [g.size(6, 14) for _ in range(n)], [g.size(4, 30)]
    return {"channels_last": last}, [whole(g, "T", [g.int(1, 2)] + (dims + c if last else c + dims)), scale(g),
                                     zero(g, "T", (), 1), scale(g, (), "float", 0.02, 0.2), zero(g, "T", (), 1)], 1


@op("QLinearReduceMean")
def qlinear_reduce_mean(g):
    shape = g.shape(1, 4, 5, 0)
    return {"axes": g.axes(len(shape), 1), "keepdims": g.pick(0, 1)}, \
        [whole(g, "T", shape), scale(g), zero(g, "T"), scale(g, (), "float", 0.02, 0.2), zero(g, "T")], 1


@op("QLinearConv")
def qlinear_conv(g):
    if g.type("T1") != g.type("T3") or g.type("T1") == "int8" != g.type("T2"):
        raise Skip
    last, n, group = g.pick(None, 0, 1), 2, g.pick(1, 1, 2)
    c, m = group * g.size(2, 20), group * g.size(2, 20)
    dims, kernel = [g.size(6, 14) + 3 for _ in range(n)], [g.int(1, 3) for _ in range(n)]
    pads = g.maybe([g.int(0, 1) for _ in range(2 * n)])
    per = (m,) if g.chance(0.4) else ()
    x = [g.int(1, 2)] + (dims + [c] if last else [c] + dims)
    return {"kernel_shape": kernel, "strides": g.maybe([g.int(1, 2) for _ in range(n)]), "pads": pads, "group": group,
            "channels_last": last}, \
        [whole(g, "T1", x), scale(g), zero(g, "T1", (), 1), whole(g, "T2", [m, c // group] + kernel), scale(g, per),
         g.array("T2", np.full(per, g.pick(0, 0, 7))), scale(g, (), "float", 0.1, 1), zero(g, "T3", (), 1),
         g.maybe(g.mild("T4", (m,), -3000, 3000))], 1


@op("QuantizeLinear")
def quantize(g):
    shape = g.shape(1, 3, 5, 0)
    axis = g.axis(len(shape), False) if g.chance(0.5) else None
    each = () if axis is None else (shape[axis],)
    zp = g.mild("T2", each, *RANGE[g.type("T2")])
    return {"axis": axis}, [g.mild("T1", shape, -30, 30), g.mild("T1", each, 0.1, 2),
                            zp if g.type("T2") != "uint8" else g.maybe(zp)], 1


@op("DequantizeLinear")
def dequantize(g):
    shape = g.shape(1, 3, 5, 0)
    axis = g.axis(len(shape), False) if g.chance(0.5) else None
    each = () if axis is None else (shape[axis],)
    low, high = RANGE[g.type("T1")] if g.type("T1") != "int32" else (0, 0)
    return {"axis": axis}, [g.wild("T1", shape), g.mild("T2", each, 0.1, 2), g.maybe(g.mild("T1", each, low, high))], 1


# ---- Normalizations ----

def norm_input(g, shape, t="T"):
    return g.mild(t, shape, -4, 4)


@op("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def skip_norm(g):
    shape = hidden(g, 2)
    simple = "Simplified" in g.op
    skip = g.pick(shape, shape, (1,) + shape[1:], shape[1:]) if shape[0] == 1 or not g.large else shape
    inputs = [norm_input(g, shape), norm_input(g, skip), norm_input(g, shape[-1:])]
    inputs += [g.maybe(norm_input(g, shape[-1:])) for _ in range(1 if simple else 2)]
    return {"epsilon": g.maybe(g.real(1e-6, 1e-2))}, inputs, [True, False, False, g.chance(0.5)]


@operator("SimplifiedLayerNormalization")
def simplified(g):
    shape = g.shape(1, 4, 6, 0)
    axis = g.axis(len(shape))
    if g.type("V") != g.type("T"):
        raise Skip
    return {"axis": axis, "epsilon": g.maybe(g.real(1e-6, 1e-2)), "stash_type": g.maybe(1)}, \
        [norm_input(g, shape), norm_input(g, shape[axis:], "V")], [True, g.chance(0.3) and g.type("U") == "float"]


@op("EmbedLayerNormalization")
def embed(g):
    b, s, h = hidden(g, 2)
    words, positions, segments = g.int(1, 20), s + g.int(0, 4), g.int(1, 3)
    ids = lambda n, shape: g.mild("T1", shape, 0, n - 1)  # noqa: E731
    seg, mask = g.chance(0.6), g.chance(0.5)
    return {"epsilon": g.maybe(g.real(1e-6, 1e-2)), "mask_index_type": g.maybe(1, 0.2)}, \
        [ids(words, (b, s)), ids(segments, (b, s)) if seg else None, norm_input(g, (words, h)), norm_input(g, (positions, h)),
         norm_input(g, (segments, h)) if seg else None, norm_input(g, (h,)), norm_input(g, (h,)),
         ids(2, (b, s)) if mask else None, ids(positions, g.pick((b, s), (1, s))) if g.chance(0.4) else None], \
        [True, True, g.chance(0.4)]


# ---- Before the standard had them ----

@op("ExpandDims")
def expand_dims(g):
    shape = g.shape(0, 4)
    return {}, [g.wild("T", shape), np.array(g.int(-len(shape) - 1, len(shape)), np.int32).reshape(g.pick((), (1,)))], 1


@op("GatherND")
def gather_nd(g):
    shape = g.shape(1, 4, 5, 0)
    n = g.int(1, len(shape))
    index = np.stack([g.r.integers(0, shape[i], size=g.pick((3,), (2, 2))) for i in [0]] * 1, -1)
    index = np.stack([g.r.integers(0, shape[i], size=index.shape[:-1]) for i in range(n)], -1)
    return {}, [g.wild("T", shape), index.astype(np.int32 if g.type("Tind") == "int32" else np.int64)], 1


@op("GridSample")
def grid_sample(g):
    n, c, h, w, oh, ow = (g.int(1, 5) for _ in range(6))
    if g.type("T1") != g.type("T2"):
        raise Skip
    return {"mode": g.pick(None, "bilinear", "nearest", "bicubic"), "padding_mode": g.pick(None, "zeros", "border", "reflection"),
            "align_corners": g.pick(None, 0, 1)}, [g.mild("T1", (n, c, h, w)), g.mild("T1", (n, oh, ow, 2), -1.3, 1.3)], 1


@op("Pad")
def pad(g):
    shape = g.shape(1, 4, 5, 0)
    mode = g.pick(None, "constant", "reflect", "edge")
    most = [d - 1 for d in shape] * 2 if mode == "reflect" else [3] * (2 * len(shape))
    pads = g.i64(*[g.int(0, max(0, min(3, m))) for m in most])
    value = g.mild("T", g.pick((), (1,)))
    return {"mode": mode}, [g.mild("T", shape), pads.reshape(g.pick((-1,), (1, -1))), g.maybe(value) if mode in (None, "constant") else None], 1


@op("Range")
def arange(g):
    shape = g.pick((), (1,))
    start, delta = g.int(-5, 5), g.pick(1, 2, -1, 3)
    has = g.chance(0.7)
    limit = start + (delta if has else 1) * g.int(0, 9)
    number = lambda v: g.array("T", v).reshape(shape)  # noqa: E731
    return {}, [number(start), number(limit), number(delta) if has else None], 1


@op("Trilu")
def trilu(g):
    shape = g.shape(2, 4)
    return {"upper": g.pick(None, 0, 1)}, [g.wild("T", shape), g.maybe(np.array(g.int(-6, 6), np.int64))], 1


@op("Unique")
def unique(g):
    return {}, [g.mild("T", (g.size(9, 60),), 0, 3).round()], 3


# ---- Attention ----

def attention_mask(g, b, s, total, keys):
    """A mask of one of its forms: 0 and 1, or numbers of keys."""
    form = g.pick(None, None, "1", "2", "3") if keys == total else g.pick(None, None, "2", "3")
    if form is None:
        return None
    if form == "1":
        return g.r.integers(1, total, size=b, endpoint=True).astype(np.int32)
    m = (g.r.random((b, total) if form == "2" else (b, s, total)) < 0.7).astype(np.int32)
    m[..., 0] = 1
    return m


def attention_bias(g, t, b, heads, s, total):
    return g.maybe(g.mild(t, (g.pick(1, b), g.pick(1, heads), s, total)), 0.3)


@op("Attention")
def attention(g):
    b, s, hidden_in, heads, d = g.int(1, 2), g.size(4, 40), g.size(6, 40), g.int(1, 3), 2 * g.size(3, 16)
    dv = d if g.chance(0.7) else 2 * g.size(3, 16)
    sizes = [heads * d, heads * d, heads * dv]
    past = g.int(1, 4) if dv == d and g.chance(0.3) else 0
    total = past + s
    inputs = [g.mild("T", (b, s, hidden_in)), g.mild("T", (hidden_in, sum(sizes)), -1, 1), g.mild("T", (sum(sizes),)),
              attention_mask(g, b, s, total, s), g.mild("T", (2, b, heads, past, d)) if past else None,
              attention_bias(g, "T", b, heads, s, total)]
    return {"num_heads": heads, "unidirectional": g.pick(None, 0, 1), "qkv_hidden_sizes": sizes if dv != d else g.maybe(sizes),
            "scale": g.maybe(g.real(0.1, 1)), "mask_filter_value": g.maybe(-5000.0)}, inputs, [True, past > 0 or dv == d and g.chance(0.4)]


@op("MultiHeadAttention")
def multi_head(g):
    b, s, heads, d = g.int(1, 2), g.size(4, 40), g.int(1, 3), 2 * g.size(3, 16)
    dv = d if g.chance(0.7) else 2 * g.size(3, 16)
    keys = s if g.chance(0.5) else g.size(4, 40)
    past = g.int(1, 4) if dv == d and keys == s and g.chance(0.3) else 0
    form = g.pick("plain", "plain", "plain", "heads") if not past else "plain"
    total = past + keys
    q = g.mild("T", (b, s, heads * d))
    k, v = g.mild("T", (b, keys, heads * d)), g.mild("T", (b, keys, heads * dv))
    if form == "heads":
        k, v = g.mild("T", (b, heads, keys, d)), g.mild("T", (b, heads, keys, dv))
    bias = g.maybe(g.mild("T", (2 * heads * d + heads * dv,)), 0.4) if form == "plain" else None
    inputs = [q, k, v, bias, attention_mask(g, b, s, total, keys), attention_bias(g, "T", b, heads, s, total)]
    if past:
        inputs += [g.mild("T", (b, heads, past, d)), g.mild("T", (b, heads, past, dv))]
    present = past > 0 or g.chance(0.3)
    return {"num_heads": heads, "unidirectional": g.pick(None, None, 0, 1) if form == "plain" else None,
            "scale": g.maybe(g.real(0.1, 1)), "mask_filter_value": g.maybe(-5000.0)}, inputs, [True, present, present]


@op("DecoderMaskedMultiHeadAttention")
def decoder_masked(g):
    if g.types.get("M") not in (None, "int32"):
        raise Skip
    beams, heads, d, room = g.int(1, 3), g.int(1, 3), 2 * g.size(3, 16), g.int(2, 9)
    b, n = beams * g.int(1, 2), heads * d
    q, past = g.mild("T", (b, 1, n)), g.int(0, room - 1)
    attributes = {"num_heads": heads, "scale": g.maybe(g.real(0.1, 1)), "mask_filter_value": g.maybe(-5000.0)}
    if g.chance(0.3):
        mask = (g.r.random((b, room)) < 0.7).astype(np.int32)
        return attributes, [q, g.mild("T", (b, heads, room, d)), g.mild("T", (b, heads, room, d)), g.maybe(mask)], 1
    mask = (g.r.random((b, past + 1)) < 0.7).astype(np.int32)
    mask[:, 0] = 1
    inputs = [q, g.mild("T", (b, 1, n)), g.mild("T", (b, 1, n)), g.maybe(mask), None,
              g.mild("T", (b, heads, room, d)), g.mild("T", (b, heads, room, d)), np.array([past], np.int32)]
    if g.chance(0.6):
        inputs += [np.array([beams], np.int32), g.r.integers(0, beams, size=(b // beams, beams, room)).astype(np.int32)]
    else:
        inputs += [None, None]
    return {**attributes, "past_present_share_buffer": 1}, inputs + [g.maybe(g.mild("T", (3 * n,)))], 3


@op("GroupQueryAttention")
def group_query(g):
    b, group, kv, d = g.int(1, 2), g.int(1, 3), g.int(1, 2), 16 * g.int(1, 2)
    heads = group * kv
    prompt = g.chance(0.5)
    s = g.size(4, 30) if prompt else g.pick(1, 1, 1, g.int(2, 4))
    if not prompt and s > 1:
        b = 1
    past = 0 if prompt else g.int(1, 9)
    total = past + s
    if prompt:
        lengths = g.r.integers(1, s, size=b, endpoint=True)
    else:
        lengths = g.r.integers(s + 1 if b > 1 else total, total, size=b, endpoint=True) if total > s else np.full(b, total)
    lengths[g.int(0, b - 1)] = total
    t = "T"
    packed = g.chance(0.3)
    q = g.mild(t, (b, s, (heads + 2 * kv if packed else heads) * d))
    k, v = (None, None) if packed else (g.mild(t, (b, s, kv * d)), g.mild(t, (b, s, kv * d)))
    room = total if prompt or g.chance(0.5) else total + g.int(0, 4)
    pasts = [None, None] if prompt and g.chance(0.6) else [g.mild(t, (b, kv, room if g.chance(0.5) else past, d)) for _ in range(2)]
    if pasts[0] is not None:
        pasts[1] = g.mild(t, pasts[0].shape)
    rotary = g.chance(0.5)
    cache = (total + g.int(0, 3), d // 2)
    inputs = [q, k, v, pasts[0], pasts[1], (lengths - 1).astype(np.int32), np.array(total, np.int32).reshape(g.pick((), (1,))),
              g.mild(t, cache, -1, 1) if rotary else None, g.mild(t, cache, -1, 1) if rotary else None, None,
              g.maybe(g.mild(t, (g.pick(1, b), g.pick(1, heads), s, total)), 0.2), g.maybe(g.mild(t, (heads,)), 0.2)]
    quantised, cache_type = {}, g.types.get("T_CACHE")
    if cache_type in ("int8", "uint8"):
        if g.type(t) == "bfloat16":  # a peer has float32 keys, which may be rounded to a neighbour
            raise Skip
        bits, per = (8, 4)[cache_type == "uint8"], g.pick("PER_TENSOR", "PER_CHANNEL")
        quantised = {"kv_cache_bit_width": bits, "k_quant_type": per, "v_quant_type": per}
        shape = (b, kv, room if pasts[0] is None else pasts[0].shape[2], d * bits // 8)
        if not past:
            shape = shape[:2] + (0,) + shape[3:]
        inputs[3:5] = [whole(g, "T_CACHE", shape) for _ in range(2)]
        inputs += [g.mild("T_KV_SCALE", (1,) if per == "PER_TENSOR" else (1, kv, 1, d), 0.005 * 16 ** (bits == 4), 0.02 * 16 ** (bits == 4))
                   for _ in range(2)]
    elif cache_type not in (None, g.type(t)):
        raise Skip
    return {**quantised, "num_heads": heads, "smooth_softmax": g.maybe(1, 0.15), "kv_num_heads": kv, "do_rotary": 1 if rotary else None, "rotary_interleaved": g.pick(None, 0, 1),
            "scale": g.maybe(g.real(0.1, 1)), "softcap": g.maybe(g.real(1, 5), 0.2), "local_window_size": g.maybe(g.int(1, 5), 0.25)}, \
        inputs, 3


@op("RotaryEmbedding")
def rotary(g):
    b, heads, s, d = g.int(1, 2), g.int(1, 3), g.size(4, 20), 2 * g.int(1, 8)
    most = s + g.int(0, 4)
    four = g.chance(0.4)
    dim = 2 * g.int(1, d // 2) if g.chance(0.3) else None
    cache = (most, (dim or d) // 2)
    x = g.mild("T", (b, heads, s, d) if four else (b, s, heads * d))
    where = g.i64(g.int(0, most - s)) if g.chance(0.4) else g.r.integers(0, most, size=(b, s))
    return {"interleaved": g.pick(None, 0, 1), "num_heads": heads if dim else g.maybe(heads), "rotary_embedding_dim": dim,
            "scale": g.maybe(g.real(0.5, 1), 0.1)}, [x, where, g.mild("T", cache, -1, 1), g.mild("T", cache, -1, 1)], 1


# ---- Weights of few bits, text ----

@op("MatMulNBits")
def matmul_nbits(g):
    bits, block, k, n = g.pick(2, 4, 4, 8), g.pick(16, 32), g.size(40, 90), g.size(8, 60)
    blocks = -(-k // block)
    if g.type("T1") == "bfloat16":
        raise Skip
    b = g.r.integers(0, 256, size=(n, blocks, block * bits // 8)).astype(np.uint8)
    zeros = g.pick(None, g.r.integers(0, 256, size=(n, -(-blocks * bits // 8))).astype(np.uint8),
                   g.mild("T1", (n, blocks), 0, (1 << bits) - 1))
    if zeros is not None and zeros.dtype != np.uint8 and g.type("T3") == "uint8":
        zeros = None
    return {"K": k, "N": n, "bits": bits, "block_size": block, "accuracy_level": g.maybe(0)}, \
        [g.mild("T1", g.shape(0, 2, 3, 0) + (g.size(4, 20), k)), Fixed(b), Fixed(g.mild("T1", (n, blocks), 0.01, 0.2)),
         None if zeros is None else Fixed(zeros), None, g.maybe(g.mild("T1", (n,)))], 1


@op("MatMulBnb4")
def matmul_bnb4(g):
    k, n, block = g.size(20, 90), g.size(8, 60), g.pick(16, 32)
    if g.type("T1") == "bfloat16":
        raise Skip
    return {"K": k, "N": n, "block_size": block, "quant_type": g.int(0, 1), "transB": g.maybe(1)}, \
        [g.mild("T1", g.shape(0, 2, 3, 0) + (g.size(4, 20), k)), Fixed(g.r.integers(0, 256, size=-(-n * k // 2)).astype(np.uint8)),
         Fixed(g.mild("T1", (-(-n * k // block),), 0.1, 1))], 1


def routing(g, t, experts, tokens):
    act = g.pick(None, "relu", "gelu", "silu", "identity", "swiglu")
    gates = {"swiglu_fusion": 1, "activation_alpha": g.maybe(1.702), "activation_beta": g.maybe(1.0),
             "swiglu_limit": g.maybe(g.real(0.5, 3))} if act == "swiglu" else {}
    return {"k": g.int(1, experts), "activation_type": act, "normalize_routing_weights": g.pick(None, 0, 1), **gates}, \
        g.mild(t, (tokens, experts)), 2 if act == "swiglu" else 1


@op("MoE")
def moe(g):
    experts, hidden, inner, shape = g.int(1, 4), g.size(4, 30), g.size(4, 30), g.pick((3,), (2, 2), (1,))
    attributes, router, wide = routing(g, "T", experts, int(np.prod(shape)))
    if g.type("T") != "float":
        raise Skip
    m = lambda *s: g.mild("T", s, -1, 1)  # noqa: E731
    return attributes, [m(*shape, hidden), router, Fixed(m(experts, wide * inner, hidden)), g.maybe(m(experts, wide * inner)),
                        Fixed(m(experts, hidden, inner)), g.maybe(m(experts, hidden))], 1


@op("QMoE")
def quantised_moe(g):
    experts, hidden, inner, shape = g.int(1, 4), 16 * g.int(1, 2), 16 * g.int(1, 3), g.pick((3,), (2, 2), (1,))
    if g.type("T") != "float" or g.type("T1") != "uint8" or g.type("T2") != "float":
        raise Skip
    attributes, router, wide = routing(g, "T", experts, int(np.prod(shape)))
    bits, block, zeros = g.pick(2, 4), g.pick(None, 16), g.chance(0.5)
    m = lambda *s: g.mild("T", s, -1, 1)  # noqa: E731
    bytes_of = lambda *s: Fixed(g.r.integers(0, 256, size=s[:-1] + (-(-s[-1] * bits // 8),)).astype(np.uint8))  # noqa: E731

    def scales(n, k):
        return Fixed(g.mild("T", (experts, n) + ((k // block,) if block else ()), 0.01, 0.1))

    def points(n, k):
        return None if not zeros else bytes_of(experts, n, k // block) if block else bytes_of(experts, n)
    return {**attributes, "expert_weight_bits": bits, "block_size": block}, \
        [m(*shape, hidden), router, bytes_of(experts, wide * inner, hidden), scales(wide * inner, hidden), g.maybe(m(experts, wide * inner)),
         bytes_of(experts, hidden, inner), scales(hidden, inner), g.maybe(m(experts, hidden)), None, None, None,
         points(wide * inner, hidden), points(hidden, inner)], 1


@op("GatherBlockQuantized")
def gather_blocks(g):
    t = g.type("T1")
    if t.startswith("float"):
        raise Skip
    rank, bits = g.int(2, 3), g.pick(2, 4, 8) if t == "uint8" else 4
    shape = [g.int(1, 4) for _ in range(rank)]
    quantize = rank - 1 if t == "uint8" or g.chance(0.5) else g.int(0, rank - 1)
    shape[quantize] = g.int(1, 70)
    if t == "uint8":
        shape[-1] = -(-shape[-1] * bits // 8) * 8 // bits
    gather = 0 if t == "uint8" else g.int(0, rank - 1)
    if gather == quantize:
        raise Skip
    block = g.pick(16, 32)
    scales = list(shape)
    scales[quantize] = -(-shape[quantize] // block)
    packed = lambda s: s[:-1] + [-(-s[-1] * bits // 8)] if t == "uint8" else s  # noqa: E731
    index = g.r.integers(-shape[gather], shape[gather], size=g.pick((), (3,), (2, 2)))
    return {"bits": bits if t == "uint8" else g.maybe(4), "block_size": block, "quantize_axis": quantize, "gather_axis": gather}, \
        [Fixed(whole(g, "T1", packed(shape))), index.astype(np.int32 if g.type("Tind") == "int32" else np.int64),
         Fixed(g.mild("T2", scales, 0.01, 0.3)), Fixed(whole(g, "T1", packed(scales))) if g.chance(0.6) else None], 1


@op("Tokenizer")
def tokenizer(g):
    shape = g.pick((3,), (2, 2), (1,), (1, 3))
    words = ["Hello World", "a bb ccc", "x,y;z", "", "ab12cd", "  two  ", "Straße ä", "no-split", "a,,b"]
    how = g.pick({"tokenexp": "[a-zA-Z0-9_]+"}, {"tokenexp": "."}, {"separators": [" "]}, {"separators": [""]},
                 {"separators": [",", ";", " "]}, {"tokenexp": "a|ab"}, {"separators": ["[ ,]+"]})
    one = how in ({"tokenexp": "."}, {"separators": [""]})
    return {**how, "mark": g.pick(0, 1), "mincharnum": 1 if one else g.pick(1, 1, 2), "pad_value": "#"}, \
        [np.array([words[g.int(0, len(words) - 1)] for _ in range(int(np.prod(shape)))], object).reshape(shape)], 1


# ---- The rest ----

@op("DynamicQuantizeLSTM")
def dynamic_quantize_lstm(g):
    time, batch, size, hidden = g.int(1, 5), g.int(1, 3), g.size(4, 12), g.size(4, 12)
    direction = g.pick(None, "forward", "reverse", "bidirectional")
    n = 2 if direction == "bidirectional" else 1
    each = g.pick((n,), (n, 4 * hidden))
    t = "T2"
    zero_points = lambda: g.array(t, np.full(each, 0 if g.type(t) == "int8" else g.pick(0, 128)))  # noqa: E731
    state = lambda: g.maybe(g.mild("T", (n, batch, hidden), -1, 1), 0.4)  # noqa: E731
    lengths = g.r.integers(1, time, size=batch, endpoint=True).astype(np.int32) if g.chance(0.3) else None
    return {"hidden_size": hidden, "direction": direction, "input_forget": None}, \
        [g.mild("T", (time, batch, size)), Fixed(whole(g, t, (n, size, 4 * hidden))), Fixed(whole(g, t, (n, hidden, 4 * hidden))),
         g.maybe(g.mild("T", (n, 8 * hidden), -1, 1)), lengths, state(), state(), None, Fixed(g.mild("T", each, 0.001, 0.01)),
         Fixed(zero_points()), Fixed(g.mild("T", each, 0.001, 0.01)), Fixed(zero_points())], 3


@op("QAttention")
def q_attention(g):
    if g.type("T1") == "int8":
        raise Skip
    b, s, size, heads, d = g.int(1, 2), g.size(4, 30), g.size(6, 30), g.int(1, 3), 2 * g.size(3, 8)
    past = g.int(1, 3) if g.chance(0.3) else 0
    per = g.pick((), (3 * heads * d,))
    inputs = [whole(g, "T1", (b, s, size)), Fixed(whole(g, "T2", (size, 3 * heads * d))), g.mild("T3", (3 * heads * d,)),
              g.mild("T3", (), 0.001, 0.01), g.mild("T3", per, 0.01, 0.03),
              g.r.integers(1, past + s, size=b, endpoint=True).astype(np.int32) if g.chance(0.4) and not past else None,
              g.array("T1", g.int(0, 255)), g.array("T2", np.full(per, g.pick(0, 3))),
              g.mild("T3", (2, b, heads, past, d)) if past else None]
    return {"num_heads": heads, "unidirectional": g.pick(None, 0, 1)}, inputs, [True, past > 0 or g.chance(0.3)]


@op("QEmbedLayerNormalization")
def q_embed(g):
    b, s, h = hidden(g, 2)
    seg = g.chance(0.5)
    ids = lambda n: g.mild("T1", (b, s), 0, n - 1)  # noqa: E731
    table = lambda *shape: whole(g, "T2", shape)  # noqa: E731
    one, z = (lambda: scale(g, (), "T")), (lambda: zero(g, "T2", (), 1))
    return {"epsilon": g.maybe(g.real(1e-6, 1e-2))}, \
        [ids(9), ids(2) if seg else None, table(9, h), table(s + 2, h), table(2, h) if seg else None, table(h), table(h),
         g.maybe(ids(2)), one(), one(), one() if seg else None, one(), one(), z(), z(), z() if seg else None, z(), z()], 2


@op("CDist")
def cdist(g):
    n = g.size(5, 60)
    return {"metric": g.pick(None, "sqeuclidean", "euclidean")}, [g.mild("T", (g.size(5, 60), n)), g.mild("T", (g.size(5, 60), n))], 1


@op("Inverse")
def inverse(g):
    n = g.size(4, 12)
    shape = g.shape(0, 2, 3, 0) + (n, n)
    x = g.mild("T", shape, -1, 1).astype(np.float64) + 3 * n ** 0.5 * np.eye(n)
    return {}, [g.array("T", x)], 1


@op("MurmurHash3")
def murmur(g):
    return {"seed": g.maybe(g.int(0, 99)), "positive": 1 if g.type("T2") == "uint32" else 0}, [g.wild("T1", g.shape(1, 3))], 1


@op("NGramRepeatBlock")
def ngram(g):
    b, n, words = g.int(1, 3), g.int(1, 12), g.int(3, 6)
    return {"ngram_size": g.int(1, 3)}, [g.mild("Tid", (b, n), 0, words - 1), g.mild("T", (b, words))], 1


@op("CropAndResize")
def crop_and_resize(g):
    n, c, h, w, rois = g.int(1, 3), g.int(1, 3), g.int(2, 7), g.int(2, 7), g.int(1, 4)
    if g.type("T1") == "double":
        raise Skip
    boxes = np.sort(g.r.uniform(-0.1, 1.1, size=(rois, 2, 2)), axis=1).reshape(rois, 4)
    return {"mode": g.pick(None, "bilinear", "nearest"), "extrapolation_value": g.maybe(g.real(-1, 1))}, \
        [g.mild("T1", (n, c, h, w)), g.array("T1", boxes), g.mild("T2", (rois,), 0, n - 1), g.mild("T2", (2,), 1, 5)], 1


@op("WordConvEmbedding")
def word_embedding(g):
    length, window, size, filters, chars = g.int(3, 7), g.int(1, 3), g.int(1, 4), g.int(1, 5), g.int(3, 9)
    words = g.mild("T", (g.int(1, 4), length), 1, chars - 1)
    for word in words.reshape(-1, length):
        word[g.int(window, length):] = 0
    return {"embedding_size": g.maybe(filters), "conv_window_size": g.maybe(window), "char_embedding_size": g.maybe(size)}, \
        [words, g.mild("T1", (filters, 1, window, size)), g.mild("T1", (filters,)), g.mild("T1", (chars, size))], 1


@op("SampleOp")
def sample(g):
    return {}, [g.mild("T", g.shape())], 1


@op("MaxpoolWithMask")
def maxpool_with_mask(g):
    n = g.int(1, 3)
    dims, kernel = [g.int(3, 8) for _ in range(n)], [g.int(1, 3) for _ in range(n)]
    auto = g.pick(None, None, "SAME_UPPER", "VALID")
    pads = [g.int(0, k - 1) for k in kernel + kernel] if auto is None and g.chance(0.5) else None
    x = [g.int(1, 2), g.int(1, 3)] + dims
    mask = (g.r.random([g.pick(1, x[0]) if x[1] == 1 else x[0], x[1]] + dims) < 0.8).astype(np.int32)
    return {"kernel_shape": kernel, "strides": g.maybe([g.int(1, 2) for _ in range(n)]), "auto_pad": auto, "pads": pads}, \
        [g.mild("T", x), mask], 1


@op("UnfoldTensor")
def unfold(g):
    shape = g.shape(1, 3, 6, 0)
    axis = g.axis(len(shape))
    return {"dim": axis, "size": g.int(1, shape[axis]), "step": g.maybe(g.int(1, 3))}, [g.wild("T", shape)], 1
