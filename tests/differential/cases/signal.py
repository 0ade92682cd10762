"""Fourier transforms, windows, mel weights, ranges."""
import numpy as np

from draw import Skip, operator
from values import NUMBER


@operator("DFT")
def dft(g):
    rank = g.int(2, 4)
    shape = [g.int(1, 3) for _ in range(rank)]
    axis = g.int(0, rank - 2)
    inverse, onesided = g.pick(None, 0, 1), g.pick(None, 0, 1)
    if inverse and onesided and g.version < 20:
        onesided = 0
    shape[axis] = g.pick(1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 30)
    shape[-1] = 1 if onesided and not inverse else g.int(1, 2) if not (inverse and onesided) else 2
    length = g.maybe(g.array("T2", g.int(1, 12)), 0.4)
    if inverse and onesided:
        shape[axis] = shape[axis] // 2 + 1
    x = g.mild("T1", shape)
    a = g.pick(axis, axis - rank)
    if g.version < 20:
        return {"axis": a if axis != 1 or g.chance() else None, "inverse": inverse, "onesided": onesided}, [x, length], 1
    return {"inverse": inverse, "onesided": onesided}, [x, length, None if axis == rank - 2 and g.chance() else g.i64(a)[0].reshape(())], 1


@operator("STFT")
def stft(g):
    n, length, step = g.int(1, 2), g.int(4, 20), g.int(1, 4)
    frame = g.int(1, length)
    onesided = g.pick(None, 0, 1)
    x = g.mild("T1", (n, length, 1 if onesided in (None, 1) else g.int(1, 2)))
    window = g.maybe(g.mild("T1", (frame,)))
    given = g.array("T2", frame) if window is None or g.chance() else None
    return {"onesided": onesided}, [x, g.array("T2", step), window, given], 1


@operator("HannWindow", "HammingWindow", "BlackmanWindow")
def window(g):
    to = g.type("T2")
    return {"periodic": g.pick(None, 0, 1), "output_datatype": NUMBER[to]}, [g.array("T1", g.int(1, 12))], 1


@operator("MelWeightMatrix")
def mel(g):
    low = g.real(0, 500)
    return {"output_datatype": NUMBER[g.type("T3")]}, \
        [g.array("T1", g.int(1, 8)), g.array("T1", g.int(8, 40)), g.array("T1", g.int(4000, 16000)), g.array("T2", low), g.array("T2", low + g.real(500, 1500))], 1


@operator("Range")
def ranges(g):
    t = g.type("T")
    start, delta = g.mild("T", (), -5, 5), g.mild("T", (), 0.3, 3)
    if delta == 0:
        delta = g.array("T", 1)
    limit = g.mild("T", (), -5, 12)
    if g.chance(0.3) and not t.startswith("u"):
        delta = (-delta).astype(delta.dtype)
    return {}, [start, limit, delta], 1


@operator("LinearAttention")
def linear_attention(g):
    n, length, kv = g.int(1, 2), g.int(1, 4), g.int(1, 3)
    heads, dk, dv = kv * g.pick(1, 2), g.int(1, 4), g.int(1, 4)
    rule = g.pick("linear", "gated", "delta", "gated_delta")
    decay = g.mild("T", (n, length, kv * g.pick(1, dk)), -2, 0) if "gated" in rule else None
    beta = g.mild("T", (n, length, g.pick(1, kv)), 0, 1) if "delta" in rule else None
    return {"q_num_heads": heads, "kv_num_heads": kv, "update_rule": rule if rule != "gated_delta" or g.chance() else None, "scale": g.pick(None, 0.0, g.real(0.1, 1))}, \
        [g.mild("T", (n, length, heads * dk)), g.mild("T", (n, length, kv * dk), -1, 1), g.mild("T", (n, length, kv * dv)),
         g.maybe(g.mild("S", (n, kv, dk, dv))), decay, beta], 2


@operator("FlexAttention", domain="ai.onnx.preview")
def flex_attention(g):
    n, kv = g.int(1, 2), g.int(1, 2)
    heads, lq, lk, d, dv = kv * g.pick(1, 2), g.int(1, 4), g.int(1, 4), g.int(1, 4), g.int(1, 3)
    return {"scale": g.maybe(g.real(0.1, 1))}, [g.mild("T1", (n, heads, lq, d)), g.mild("T1", (n, kv, lk, d)), g.mild("T1", (n, kv, lk, dv))], 1
