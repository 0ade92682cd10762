"""Normalisations, losses, attention."""
import numpy as np

from draw import Skip, operator
from values import NUMBER


def image(g):
    return [g.int(1, 3), g.size(4, 40)] + [g.size(4, 12) for _ in range(g.int(0, 3))]


@operator("BatchNormalization")
def batch_norm(g):
    shape = image(g)
    c = shape[1:2]
    training = g.version >= 14 and g.chance(0.3)
    outputs = 1
    t = {"scale": "T", "mean": "T"}
    if g.version >= 15:
        t = {"scale": "T1", "mean": "T2"}
    elif g.version == 14:
        t["mean"] = "U"
    inputs = [g.mild("T", shape), g.mild(t["scale"], c), g.mild(t["scale"], c), g.mild(t["mean"], c), g.mild(t["mean"], c, 0.2, 3)]
    attributes = {"epsilon": g.maybe(g.real(1e-6, 1e-2)), "momentum": g.maybe(g.real(0.1, 0.95))}
    if g.version < 7:
        attributes["is_test"] = 1
    if g.version == 1:
        attributes["consumed_inputs"] = [0, 0, 0, 1, 1]
    if g.version in (1, 6, 7):
        attributes["spatial"] = g.maybe(1)
    if training:
        attributes["training_mode"] = 1
        outputs = 3
    return attributes, inputs, outputs


@operator("InstanceNormalization")
def instance_norm(g):
    shape = image(g)
    if len(shape) < 3:
        raise Skip
    return {"epsilon": g.maybe(g.real(1e-6, 1e-2))}, [g.mild("T", shape), g.mild("T", shape[1:2]), g.mild("T", shape[1:2])], 1


@operator("LayerNormalization", "RMSNormalization")
def layer_norm(g):
    shape = g.shape(1, 4, 5, 0.02)
    axis = g.axis(len(shape))
    if 0 in shape[axis:]:
        raise Skip
    scale = shape[axis:] if g.chance(0.7) else g.broadcast(1, shape[axis:])[0]
    v = "V" if "V" in g.types else "T"
    stash = {"stash_type": NUMBER[g.type("U")]} if "U" in g.types else {"stash_type": g.maybe(1)}
    inputs = [g.mild("T", shape), g.mild(v, scale)]
    if g.op == "LayerNormalization":
        inputs.append(g.maybe(g.mild("T", scale)))
    return {"axis": axis if axis != -1 or g.chance() else None, "epsilon": g.maybe(g.real(1e-6, 1e-2)), **stash}, inputs, \
        g.int(1, 3) if g.op == "LayerNormalization" else 1


@operator("GroupNormalization")
def group_norm(g):
    groups = g.int(1, 3)
    c = groups * g.int(1, 3)
    shape = [g.int(1, 2), c] + [g.int(1, 4) for _ in range(g.int(1, 3))]
    n = (groups,) if g.version < 21 else (c,)
    return {"num_groups": groups, "epsilon": g.maybe(g.real(1e-6, 1e-2))}, [g.mild("T", shape), g.mild("T", n), g.mild("T", n)], 1


@operator("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(g):
    n, c = g.int(1, 3), g.int(1, 5)
    rest = [g.int(1, 3) for _ in range(g.int(0, 2))]
    ignore = g.pick(None, g.int(0, c - 1), -1)
    tind = "Tind"
    target = g.mild(tind, [n] + rest, 0, c - 1)
    if ignore is not None and g.chance():
        target = np.where(g.r.random(target.shape) < 0.3, np.asarray(ignore, target.dtype), target)
    weight = g.maybe(g.mild("T", (c,), 0.1, 2))
    return {"reduction": g.pick(None, "none", "sum", "mean"), "ignore_index": ignore}, [g.mild("T", [n, c] + rest), target, weight], \
        g.int(1, 2) if g.op.startswith("Soft") else 1


@operator("Attention")
def attention(g):
    n, kv_heads = g.int(1, 2), g.int(1, 3)
    heads = kv_heads * g.pick(1, 1, 2)
    lq, lk, d, dv = g.size(5, 40), g.size(5, 40), g.size(4, 20) * 2, g.size(4, 40)
    t1, t2 = "T1", "T2"
    past = g.int(0, 3) if g.chance(0.4) else None
    total = lk + (past or 0)
    attributes = {"is_causal": g.pick(None, 0, 1), "scale": g.maybe(g.real(0.1, 1)), "softcap": g.pick(None, 0.0, g.real(0.5, 3)),
                  "qk_matmul_output_mode": g.pick(None, 0, 1, 2, 3)}
    if g.chance():
        q, k, v = (n, heads, lq, d), (n, kv_heads, lk, d), (n, kv_heads, lk, dv)
    else:
        q, k, v = (n, lq, heads * d), (n, lk, kv_heads * d), (n, lk, kv_heads * dv)
        attributes.update(q_num_heads=heads, kv_num_heads=kv_heads)
    mask = None
    if g.chance(0.6):
        shape = g.pick((lq, total), (n, 1, lq, total), (1, heads, lq, total), (n, heads, lq, total))
        mask = g.wild("U", shape) if g.type("U") == "bool" else g.mild("U", shape)
        if mask.dtype.kind == "b":
            mask[..., 0] = True
        if mask.dtype.kind in "iu":
            mask = g.mild("U", shape, 0, 1)
    inputs = [g.mild(t1, q), g.mild(t1, k), g.mild(t2, v), mask]
    outputs = 1
    if past is not None:
        inputs += [g.mild(t1, (n, kv_heads, past, d)), g.mild(t2, (n, kv_heads, past, dv))]
        outputs = 3
    if g.version >= 24 and past is None and g.chance(0.2):
        inputs += [None, None, g.i64(*[g.int(1, lk) for _ in range(n)])]
    if g.chance(0.4):
        outputs = 4 if past is not None else [True, False, False, True]
    return attributes, inputs, outputs


@operator("RotaryEmbedding")
def rotary(g):
    n, heads, length, d = g.int(1, 3), g.int(1, 3), g.int(1, 4), 2 * g.int(1, 4)
    part = g.pick(None, 0, d) if g.chance(0.6) else 2 * g.int(1, d // 2)
    half = (part or d) // 2
    four = g.chance()
    x = (n, heads, length, d) if four else (n, length, heads * d)
    ids = g.chance()
    cache = (g.int(length, 8), half) if ids else (n, length, half)
    inputs = [g.mild("T", x), g.mild("T", cache), g.mild("T", cache)]
    if ids:
        inputs.append(g.mild("M", (n, length), 0, cache[0] - 1))
    return {"interleaved": g.pick(None, 0, 1), "rotary_embedding_dim": part, "num_heads": None if four and g.chance() else heads}, inputs, 1
