"""Types of the standard as numpy has them, and drawing of values: corners of each type beside everyday ones."""
import ml_dtypes
import numpy as np
from onnx import TensorProto

# The standard's name of an element type: (number in TensorProto.DataType, numpy type)
ELEMENTS = {
    "float": (TensorProto.FLOAT, np.float32), "double": (TensorProto.DOUBLE, np.float64),
    "float16": (TensorProto.FLOAT16, np.float16), "bfloat16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
    "float8e4m3fn": (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
    "float8e4m3fnuz": (TensorProto.FLOAT8E4M3FNUZ, ml_dtypes.float8_e4m3fnuz),
    "float8e5m2": (TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2),
    "float8e5m2fnuz": (TensorProto.FLOAT8E5M2FNUZ, ml_dtypes.float8_e5m2fnuz),
    "float8e8m0": (TensorProto.FLOAT8E8M0, ml_dtypes.float8_e8m0fnu),
    "float4e2m1": (TensorProto.FLOAT4E2M1, ml_dtypes.float4_e2m1fn),
    "int8": (TensorProto.INT8, np.int8), "int16": (TensorProto.INT16, np.int16),
    "int32": (TensorProto.INT32, np.int32), "int64": (TensorProto.INT64, np.int64),
    "uint8": (TensorProto.UINT8, np.uint8), "uint16": (TensorProto.UINT16, np.uint16),
    "uint32": (TensorProto.UINT32, np.uint32), "uint64": (TensorProto.UINT64, np.uint64),
    "int4": (TensorProto.INT4, ml_dtypes.int4), "uint4": (TensorProto.UINT4, ml_dtypes.uint4),
    "int2": (TensorProto.INT2, ml_dtypes.int2), "uint2": (TensorProto.UINT2, ml_dtypes.uint2),
    "bool": (TensorProto.BOOL, np.bool_), "string": (TensorProto.STRING, np.dtype(object)),
    "complex64": (TensorProto.COMPLEX64, np.complex64), "complex128": (TensorProto.COMPLEX128, np.complex128),
}
if hasattr(TensorProto, "FLOAT6E2M3") and hasattr(ml_dtypes, "float6_e2m3fn"):
    ELEMENTS["float6e2m3"] = (TensorProto.FLOAT6E2M3, ml_dtypes.float6_e2m3fn)
    ELEMENTS["float6e3m2"] = (TensorProto.FLOAT6E3M2, ml_dtypes.float6_e3m2fn)
NUMPY = {name: np.dtype(t) for name, (_, t) in ELEMENTS.items()}
NAME = {t: name for name, t in NUMPY.items()}
NUMBER = {name: n for name, (n, _) in ELEMENTS.items()}
BY_NUMBER = {n: name for name, n in NUMBER.items()}
TINY_FLOATS = {n for n in ELEMENTS if n.startswith(("float8", "float6", "float4"))}
FLOATS = {"float", "double", "float16", "bfloat16"}
SUB_BYTE = {"int4": np.int8, "uint4": np.uint8, "int2": np.int8, "uint2": np.uint8, "float4e2m1": np.uint8, "float6e2m3": np.uint8, "float6e3m2": np.uint8}
INTEGERS = {n for n in ELEMENTS if n.startswith(("int", "uint"))}
RANGE = {n: (-(1 << int(n[3:]) - 1), (1 << int(n[3:]) - 1) - 1) if n[0] == "i" else (0, (1 << int(n[4:])) - 1)
         for n in INTEGERS}
WORDS = ["", "a", "A", "abc", "ABC", "hello world", "monday", "Tuesday", " ", "ä", "ÄÖÜ", "straße", "日本語", "é",
         "😀 x", "1", "-1.5", "a,b,c", "a,,b", "nan", "\t tab\n", "İ", "x" * 40]


def element(type_name):
    """"float" of "tensor(float)", of "seq(tensor(float))" and of "float"."""
    return type_name.rstrip(")").split("(")[-1]


class Sequence(list):
    """A sequence of values whose element type is `of`."""

    def __init__(self, items, of):
        super().__init__(items)
        self.of = of


class Nothing:
    """An empty optional of a type, given as the standard writes it."""

    def __init__(self, of):
        self.of = of


def corners(name):
    """Values of a floating-point type at which implementations go wrong."""
    t = NUMPY[name]
    i = ml_dtypes.finfo(t)
    big, small, tiny = (np.float64(v) for v in (i.max, i.tiny, i.smallest_subnormal))
    return [0.0, -0.0, np.inf, -np.inf, np.nan, big, -big, small, -small, tiny, -tiny, 0.5, -0.5, 1.5, 2.5, -1.5, 1.0, -1.0]


def wild_floats(r, shape, name):
    with np.errstate(all="ignore"):
        x = r.normal(size=shape) * 10.0 ** r.integers(-3, 4, size=shape)
        x = np.where(r.random(shape) < 0.3, r.choice(corners(name), size=shape), x)
        x = np.where(r.random(shape) < 0.2, np.round(x * 2) / 2, x)
        return np.asarray(x).astype(NUMPY[name])


def wild_integers(r, shape, name):
    low, high = RANGE[name]
    whole = r.integers(low, high, size=shape, endpoint=True, dtype=np.uint64 if name == "uint64" else np.int64)
    near = r.integers(max(low, -8), min(high, 8), size=shape, endpoint=True).astype(whole.dtype)
    edge = r.choice(np.array([low, low + 1, high - 1, high], whole.dtype), size=shape)
    pick = r.integers(0, 4, size=shape)
    return np.asarray(np.where(pick == 0, whole, np.where(pick == 1, edge, near))).astype(NUMPY[name])


def wild(r, shape, name):
    """Anything that the type can hold."""
    if name == "string":
        return np.array([WORDS[i] for i in r.integers(0, len(WORDS), size=int(np.prod(shape)))], object).reshape(shape)
    if name == "bool":
        return np.asarray(r.integers(0, 2, size=shape)).astype(np.bool_)
    if name in TINY_FLOATS:
        bits = {"float4": 16, "float6": 64}.get(name[:6], 256)
        return np.asarray(r.integers(0, bits, size=shape)).astype(np.uint8).view(NUMPY[name])
    if name in ("complex64", "complex128"):
        part = "float" if name == "complex64" else "double"
        z = np.zeros(shape, NUMPY[name])
        z.real, z.imag = wild_floats(r, shape, part), wild_floats(r, shape, part)
        return z
    return (wild_integers if name in INTEGERS else wild_floats)(r, shape, name)


def mild(r, shape, name, low=-3.0, high=3.0):
    """Values between low and high (both may be reached by integers), without NaN, infinities or overflow in sums."""
    if name in ("string", "bool"):
        return wild(r, shape, name)
    if name in INTEGERS:
        lo, hi = max(RANGE[name][0], int(np.ceil(low))), min(RANGE[name][1], int(np.floor(high)))
        return np.asarray(r.integers(lo, max(lo, hi), size=shape, endpoint=True)).astype(NUMPY[name])
    x = r.uniform(low, high, size=shape)
    if name.startswith("complex"):
        x = x + 1j * r.uniform(low, high, size=shape)
    elif low < 0 < high:
        x = np.where(r.random(shape) < 0.05, 0.0, x)
    return np.asarray(x).astype(NUMPY[name])
