/* Operators that ONNX Runtime had before the standard, in com.microsoft: ExpandDims, GatherND, GridSample,
 * Pad, Range, Trilu, Unique. */
#include "common/shape.h"
#include "microsoft/microsoft.h"

static tap_status expand_dims(tap_expansion *e) {
    tap_expand_names(e, "X, axis", "Y");
    tap_expand_add(e, "axis_64 = Cast <to=7> (axis)");
    tap_expand_add(e, "one = Constant <value_ints=[1]> ()");
    tap_expand_add(e, "axes = Reshape (axis_64, one)");
    tap_expand_add(e, "Y = Unsqueeze (X, axes)");
    return TAP_OK;
}

static tap_status gather_nd(tap_expansion *e) {
    tap_expand_names(e, "data, indices", "output");
    tap_expand_add(e, "indices_64 = Cast <to=7> (indices)");
    tap_expand_add(e, "output = GatherND (data, indices_64)");
    return TAP_OK;
}

static tap_status grid_sample(tap_expansion *e) {
    const char *mode = tap_expand_string(e, "mode", "bilinear");
    tap_expand_names(e, "X, Grid", "Y");
    tap_expand_add(e,
                   "Y = GridSample <align_corners=@align_corners, padding_mode=@padding_mode, mode=\"%s\"> "
                   "(X, Grid)",
                   strcmp(mode, "bilinear") == 0  ? "linear"
                   : strcmp(mode, "bicubic") == 0 ? "cubic"
                                                  : mode);
    return TAP_OK;
}

/* pads may be [1, 2 * rank] as well as [2 * rank]; one value, in whatever shape. */
static tap_status pad(tap_expansion *e) {
    const bool value = tap_expand_has_in(e, 2);
    tap_expand_names(e, "data, pads, value?", "output");
    tap_expand_add(e, "flat = Constant <value_ints=[-1]> ()");
    tap_expand_add(e, "pads_1 = Reshape (pads, flat)");
    if (value) {
        tap_expand_add(e, "none = Constant <value_ints=[]> ()");
        tap_expand_add(e, "value_0 = Reshape (value, none)");
    }
    tap_expand_add(e, "output = Pad <mode=@mode> (data, pads_1, %s)", value ? "value_0" : "");
    return TAP_OK;
}

/* Bounds may be scalars or have one element. */
static tap_status range(tap_expansion *e) {
    tap_expand_names(e, "start, limit, delta?", "Y");
    tap_expand_add(e, "none = Constant <value_ints=[]> ()");
    tap_expand_add(e, "start_0 = Reshape (start, none)");
    tap_expand_add(e, "limit_0 = Reshape (limit, none)");
    if (tap_expand_has_in(e, 2)) {
        tap_expand_add(e, "delta_0 = Reshape (delta, none)");
    } else {
        tap_expand_add(e, "one = Constant <value_int=1> ()");
        tap_expand_add(e, "delta_0 = CastLike (one, start)");
    }
    tap_expand_add(e, "Y = Range (start_0, limit_0, delta_0)");
    return TAP_OK;
}

static tap_status trilu(tap_expansion *e) {
    tap_expand_names(e, "X, k?", "Y");
    tap_expand_add(e, "Y = Trilu <upper=@upper> (X, k)");
    return TAP_OK;
}

static tap_status sample(tap_expansion *e) {
    tap_expand_names(e, "X", "Y");
    tap_expand_add(e, "Y = Identity (X)");
    return TAP_OK;
}

/* In the order of first occurrence; idx is where in y each element of x is. */
static tap_status unique(tap_expansion *e) {
    tap_expand_names(e, "x", "y, idx, counts");
    tap_expand_add(e, "y, first, idx, counts = Unique <sorted=0> (x)");
    return TAP_OK;
}

#define RANGED  (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_BIT(TAP_INT16) | TAP_TYPES_INDEX)
#define FLOATS  (TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE))
#define SAMPLED (FLOATS | TAP_TYPES_INDEX | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64))

static const tap_op ops[] = {
    TAP_MS_FUNCTION("ExpandDims", 2, 2, 1, 1, TAP_TYPES_ALL, "T i.", expand_dims),
    TAP_MS_FUNCTION("GatherND", 2, 2, 1, 1, TAP_TYPES_ALL, "T I", gather_nd),
    TAP_MS_FUNCTION("GridSample", 2, 2, 1, 1, FLOATS, "T/4 T/4", grid_sample),
    TAP_MS_FUNCTION("Pad", 2, 3, 1, 1, FLOATS, "T/1-9 l T.", pad),
    TAP_MS_FUNCTION("Range", 2, 3, 1, 1, RANGED, "T. T. T.", range),
    TAP_MS_FUNCTION("SampleOp", 1, 1, 1, 1, SAMPLED, "T", sample),
    TAP_MS_FUNCTION("Trilu", 1, 2, 1, 1, TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL), "T l.", trilu),
    TAP_MS_FUNCTION("Unique", 1, 1, 3, 3, TAP_TYPES_NUMERIC | TAP_BIT(TAP_STRING) | TAP_BIT(TAP_BOOL), "T/1",
                    unique),
    {0},
};

TAP_DEFINE_FAMILY(microsoft_classics, ops);
