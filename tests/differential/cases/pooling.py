"""Pools, global pools, LRN, unpooling, regions."""
import numpy as np

from draw import Skip, operator


def window(g, spatial):
    """kernel, strides, dilations and padding that fit the spatial dims; None where left out."""
    n = len(spatial)
    kernel = [g.int(1, min(5 if g.large else 3, d)) for d in spatial]
    strides = g.maybe([g.int(1, 3) for _ in range(n)], 0.7)
    dilations = [g.int(1, 3) for _ in range(n)] if g.has("dilations") and g.chance(0.5) else None
    spread = [(k - 1) * (d or 1) + 1 for k, d in zip(kernel, dilations or [1] * n)]
    auto = g.pick(None, None, None, "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    pads = None
    if auto in (None, "NOTSET") and g.chance(0.6):
        pads = [g.int(0, k - 1) for k in kernel] + [g.int(0, k - 1) for k in kernel]
    for i, d in enumerate(spatial):
        if d + ((pads[i] + pads[n + i]) if pads else 0) < spread[i] and auto not in ("SAME_UPPER", "SAME_LOWER"):
            raise Skip
    return kernel, strides, dilations, auto, pads


def image(g, low=1, high=3, dim=7):
    return [g.pick(1, 2, 3, 0) if g.chance(0.1) else g.int(1, 3), g.size(3, 40)] + [g.size(dim, 12) for _ in range(g.int(low, high))]


@operator("MaxPool", "AveragePool", "LpPool")
def pool(g):
    shape = image(g)
    kernel, strides, dilations, auto, pads = window(g, shape[2:])
    ceil = g.pick(None, 0, 1)
    if ceil and auto not in (None, "NOTSET"):
        ceil = None
    attributes = {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "auto_pad": auto, "pads": pads,
                  "ceil_mode": ceil, "count_include_pad": g.pick(None, 0, 1), "storage_order": g.pick(None, 0, 1),
                  "p": g.pick(None, 1, 2, 3)}
    if g.op == "LpPool" and g.version == 1:
        attributes["p"] = g.pick(None, 1.0, 2.0)
    if g.op == "MaxPool" and len(shape) == 3:
        attributes["storage_order"] = None
    x = g.mild("T", shape)
    if g.op == "MaxPool" and g.chance(0.2):
        x = g.wild("T", shape)
        if x.dtype.kind not in "iu":
            x = np.where(np.isnan(x), np.zeros((), x.dtype), x)
    return attributes, [x], g.int(1, 2) if g.op == "MaxPool" and g.version >= 8 else 1


@operator("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(g):
    p = g.pick(None, 1, 2, 3)
    if p and g.version == 1:
        p = float(p)
    return {"p": p}, [g.mild("T", image(g))], 1


@operator("LRN")
def lrn(g):
    x = g.mild("T", image(g, 2, 2))
    return {"size": g.pick(1, 3, 5), "alpha": g.maybe(g.real(0, 0.5)), "beta": g.maybe(g.real(0.1, 1)), "bias": g.maybe(g.real(0.5, 2))}, \
        [x], 1


@operator("MaxUnpool")
def max_unpool(g):
    n, c, h, w = g.int(1, 2), g.int(1, 2), g.int(1, 3), g.int(1, 3)
    kernel, strides = [2, 2], [2, 2]
    big = n * c * h * w * 4
    index = np.zeros((n, c, h, w), np.int64)
    for i in np.ndindex(n, c, h, w):
        index[i] = ((i[0] * c + i[1]) * h * 2 + i[2] * 2 + g.int(0, 1)) * w * 2 + i[3] * 2 + g.int(0, 1)
    shape = g.maybe(g.i64(n, c, 2 * h, 2 * w), 0.3)
    return {"kernel_shape": kernel, "strides": strides}, [g.mild("T1", (n, c, h, w)), index, shape], 1


@operator("RoiAlign")
def roi_align(g):
    n, c, h, w = g.int(1, 3), g.size(3, 20), g.int(2, 8), g.int(2, 8)
    k = g.dim(4)
    low = g.r.uniform(-2, 6, size=(k, 2))
    rois = np.concatenate([low, low + g.r.uniform(0.2, 8, size=(k, 2))], axis=1)
    batch = np.array([g.int(0, n - 1) for _ in range(k)], np.int64)
    return {"mode": g.pick(None, "avg", "max"), "output_height": g.maybe(g.int(1, 4)), "output_width": g.maybe(g.int(1, 4)),
            "sampling_ratio": g.pick(None, 0, 1, 2, 3), "spatial_scale": g.maybe(g.real(0.4, 1.5)),
            "coordinate_transformation_mode": g.pick(None, "half_pixel", "output_half_pixel")}, \
        [g.mild("T1", (n, c, h, w)), g.array("T1", rois.reshape(k, 4)), batch], 1


@operator("MaxRoiPool")
def max_roi_pool(g):
    n, c, h, w = g.int(1, 3), g.int(1, 3), g.int(2, 8), g.int(2, 8)
    rois = []
    for _ in range(g.int(1, 4)):
        x1, y1 = g.int(0, w - 1), g.int(0, h - 1)
        rois.append([g.int(0, n - 1), x1, y1, g.int(x1, w - 1), g.int(y1, h - 1)])
    return {"pooled_shape": [g.int(1, 3), g.int(1, 3)], "spatial_scale": g.pick(None, 1.0, 0.5)}, \
        [g.mild("T", (n, c, h, w)), g.array("T", rois)], 1


@operator("NonMaxSuppression")
def nms(g):
    batches, classes, n = g.int(1, 2), g.int(1, 3), g.dim(8)
    center = g.pick(None, 0, 1)
    a = g.r.uniform(0, 1, size=(batches, n, 2)).astype(np.float32)
    b = a + g.r.uniform(0.1, 1, size=a.shape).astype(np.float32)
    boxes = np.concatenate([(a + b) / 2, b - a], -1) if center else np.concatenate([a, b], -1)
    if not center and g.chance(0.3) and n:
        boxes[:, 0] = boxes[:, 0][:, [2, 3, 0, 1]]
    scores = g.r.uniform(0, 1, size=(batches, classes, n)).astype(np.float32)
    if g.chance(0.3):
        scores = np.round(scores * 4) / np.float32(4)
    optional = [g.maybe(g.i64(g.int(0, 5))[:1], 0.9), g.maybe(np.array([g.real(0, 1)], np.float32)),
                g.maybe(np.array([g.real(0, 0.7)], np.float32))]
    return {"center_point_box": center}, [boxes.astype(np.float32), scores] + optional, 1


@operator("GridSample")
def grid_sample(g):
    spatial = 2 if g.version < 20 else g.int(1, 3)
    shape = [g.int(1, 2), g.size(3, 20)] + [g.size(6, 12) for _ in range(spatial)]
    out = [shape[0]] + [g.int(1, 4) for _ in range(spatial)] + [spatial]
    modes = ("bilinear", "nearest", "bicubic") if g.version < 20 else ("linear", "nearest", "cubic")
    mode = g.pick(None, *modes[:3 if spatial == 2 else 2])
    grid = g.r.uniform(-1.4, 1.4, size=out)
    if g.chance(0.3):
        grid = np.round(grid * 2) / 2
    t2 = "T2" if "T2" in g.types else "T1"
    return {"mode": mode, "padding_mode": g.pick(None, "zeros", "border", "reflection"), "align_corners": g.pick(None, 0, 1)}, \
        [g.mild("T1", shape), g.array(t2, grid)], 1


@operator("AffineGrid")
def affine_grid(g):
    spatial, n = g.int(2, 3), g.int(1, 3)
    size = g.i64(n, g.int(1, 3), *[g.int(1, 4) for _ in range(spatial)])
    return {"align_corners": g.pick(None, 0, 1)}, [g.mild("T1", (n, spatial, spatial + 1)), size], 1


@operator("Col2Im")
def col2im(g):
    n = g.int(1, 3)
    spatial = [g.int(2, 5) for _ in range(n)]
    kernel = [g.int(1, min(3, d)) for d in spatial]
    strides, dilations = g.maybe([g.int(1, 2) for _ in range(n)]), g.maybe([g.int(1, 2) for _ in range(n)])
    pads = g.maybe([g.int(0, 1) for _ in range(2 * n)])
    blocks = 1
    for i in range(n):
        spread = (kernel[i] - 1) * (dilations or [1] * n)[i] + 1
        room = spatial[i] + ((pads[i] + pads[n + i]) if pads else 0) - spread
        if room < 0:
            raise Skip
        blocks *= room // (strides or [1] * n)[i] + 1
    c = g.int(1, 3)
    return {"strides": strides, "dilations": dilations, "pads": pads}, \
        [g.mild("T", (g.int(1, 2), c * int(np.prod(kernel)), blocks)), g.i64(*spatial), g.i64(*kernel)], 1


@operator("Resize", "Upsample")
def resize(g):
    if g.op == "Upsample":
        return upsample(g)
    t = "T1" if "T1" in g.types else "T"
    rank = g.int(1, 4)
    shape = [g.size(6, 20) for _ in range(rank)]
    mode = g.pick(None, "nearest", "linear", "cubic" if g.version >= 11 else "linear")
    if mode == "cubic" and rank < 2 or mode == "cubic" and g.version < 11:
        mode = "linear"
    target = [d if g.chance(0.4) else g.int(1, 9) for d in shape]
    if g.version == 10:
        scales = [o / d for o, d in zip(target, shape)]
        return {"mode": mode}, [g.mild(t, shape), np.array(scales, np.float32)], 1
    if mode == "cubic":
        for i in range(rank - 2):
            target[i] = shape[i]
    if mode == "linear":
        for i in range(rank - 3):
            target[i] = shape[i]
    coordinate = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]
    coordinate += ["tf_half_pixel_for_nn"] if g.version == 11 else ["half_pixel_symmetric"] if g.version >= 19 else []
    coordinate = g.pick(None, *coordinate)
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinate,
                  "nearest_mode": g.pick(None, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
                  "cubic_coeff_a": g.maybe(g.real(-1, -0.4)), "exclude_outside": g.pick(None, 0, 1) if mode == "cubic" else None,
                  "extrapolation_value": g.maybe(g.real(-2, 2)), "antialias": g.pick(None, 0, 1) if mode in ("linear", "cubic") else None}
    x, roi = g.mild(t, shape), None
    if coordinate == "tf_crop_and_resize":
        start = [g.pick(0.0, g.real(-0.2, 0.4)) for _ in shape]
        roi = np.array(start + [g.pick(1.0, g.real(0.6, 1.3)) for _ in shape], np.float32)
        attributes["antialias"] = None
    axes = None
    if g.version >= 18 and g.chance(0.4):
        axes = [int(a) for a in g.r.permutation(rank)[:g.int(1, rank)]]
        target = [target[a] for a in axes]
        given = [shape[a] for a in axes]
        if roi is not None:
            roi = np.concatenate([roi[axes], roi[[rank + a for a in axes]]])
        attributes["axes"] = axes if g.chance(0.7) else [a - rank for a in axes]
    else:
        given = shape
    if g.chance(0.5):
        if g.version >= 18 and g.chance(0.4):
            attributes["keep_aspect_ratio_policy"] = g.pick("stretch", "not_larger", "not_smaller")
        inputs = [x, roi, None, g.i64(*target)]
    else:
        scales = np.array([o / d if g.chance(0.6) else g.pick(1.0, 2.0, 0.5, g.real(0.5, 2.5)) if o != d else 1.0
                           for o, d in zip(target, given)], np.float32)
        if any(int(np.floor(np.float32(d) * s)) < 1 for d, s in zip(given, scales)):
            raise Skip
        inputs = [x, roi, scales]
    if g.version == 11:
        inputs[1] = np.zeros(0, np.float32) if roi is None else roi
        if inputs[2] is None:
            inputs[2] = np.zeros(0, np.float32)
    if roi is not None:
        inputs[1] = roi.astype("f4") if "T2" not in g.types else g.array("T2", roi)
    return attributes, inputs, 1


def upsample(g):
    shape = [g.int(1, 2), g.int(1, 2), g.int(1, 5), g.int(1, 5)]
    mode = g.pick(None, "nearest", "bilinear" if g.version < 7 else "linear")
    scales = [1.0, 1.0, g.pick(1.0, 2.0, 3.0), g.pick(1.0, 2.0, 1.5)]
    x = g.mild("T", shape)
    if g.version < 7:
        return {"mode": mode, "height_scale": scales[2], "width_scale": scales[3]}, [x], 1
    if g.version == 7:
        return {"mode": mode, "scales": scales}, [x], 1
    return {"mode": mode}, [x, np.array(scales, np.float32)], 1
