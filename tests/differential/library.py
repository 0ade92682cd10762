"""The library through ctypes: a model of bytes and values in, values or an error out."""
import ctypes as c
import os

import numpy as np

import values

KIND_NONE, KIND_TENSOR, KIND_SEQUENCE, KIND_MAP = range(4)
DATA_TYPES = {name: values.SUB_BYTE.get(name) for name in values.ELEMENTS}


class Error(c.Structure):
    _fields_ = [("size", c.c_size_t), ("code", c.c_int), ("node", c.c_char * 256), ("op", c.c_char * 64),
                ("tensor", c.c_char * 256), ("text", c.c_char * 4096)]


class ModelOptions(c.Structure):
    _fields_ = [("size", c.c_size_t), ("memory_limit_bytes", c.c_uint64), ("folder", c.c_char_p),
                ("allow_unsupported", c.c_bool), ("ops", c.c_void_p)]


class SessionOptions(c.Structure):
    _fields_ = [("size", c.c_size_t), ("threads", c.c_int), ("no_fusion", c.c_bool), ("seed", c.c_uint64)]


class Input(c.Structure):
    _fields_ = [("name", c.c_char_p), ("value", c.c_void_p)]


class Refused(Exception):
    """The library's error."""

    def __init__(self, code, node, op, text):
        super().__init__(text)
        self.code, self.node, self.op, self.text = code, node, op, text


CODES = ["OK", "USAGE", "NOT_FOUND", "IO", "MODEL", "DATA", "UNSUPPORTED", "RUN", "MEMORY", "CANCELLED"]


class Library:
    def __init__(self, path, memory_limit=1 << 29):
        self.l = c.CDLL(os.path.abspath(path))
        for name in ("tap_tensor_dims", "tap_tensor_data", "tap_value_tensor", "tap_value_item", "tap_session_output",
                     "tap_value_data"):
            getattr(self.l, name).restype = c.c_void_p
        for name in ("tap_tensor_count", "tap_value_length", "tap_model_output_count", "tap_tensor_bytes"):
            getattr(self.l, name).restype = c.c_size_t
        for name in ("tap_tensor_dims", "tap_tensor_data", "tap_tensor_dtype", "tap_tensor_rank", "tap_tensor_count",
                     "tap_tensor_bytes", "tap_value_tensor", "tap_value_kind", "tap_value_length", "tap_value_release", "tap_model_free",
                     "tap_session_free", "tap_model_output_count", "tap_value_data"):
            getattr(self.l, name).argtypes = [c.c_void_p]
        self.l.tap_value_item.argtypes = self.l.tap_session_output.argtypes = [c.c_void_p, c.c_size_t]
        self.l.tap_value_new.argtypes = [c.c_int, c.c_int, c.c_void_p, c.c_void_p, c.c_void_p]
        self.l.tap_value_new_sequence.argtypes = [c.c_void_p, c.c_size_t, c.c_int, c.c_void_p, c.c_void_p]
        self.l.tap_value_new_map.argtypes = [c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p]
        self.l.tap_value_set_string.argtypes = [c.c_void_p, c.c_int64, c.c_char_p, c.c_size_t, c.c_void_p]
        self.l.tap_model_open_memory.argtypes = [c.c_char_p, c.c_size_t, c.c_void_p, c.c_void_p, c.c_void_p]
        self.l.tap_session_new.argtypes = [c.c_void_p] * 4
        self.l.tap_session_run.argtypes = [c.c_void_p, c.c_void_p, c.c_size_t, c.c_void_p]
        self.memory_limit = memory_limit

    def _check(self, status, err):
        if status:
            raise Refused(CODES[status], err.node.decode(), err.op.decode(), err.text.decode("utf-8", "replace"))

    def _error(self):
        err = Error()
        err.size = c.sizeof(Error)
        return err

    # Values in
    def value(self, v):
        err, out = self._error(), c.c_void_p()
        if v is None or isinstance(v, values.Nothing):
            return None
        if isinstance(v, values.Sequence):
            items = (c.c_void_p * max(1, len(v)))(*[self.value(x) for x in v])
            self._check(self.l.tap_value_new_sequence(items, len(v), values.NUMBER[v.of], c.byref(out), c.byref(err)), err)
            return out.value
        if isinstance(v, dict):
            key_type = np.int64 if all(isinstance(k, (int, np.integer)) for k in v) else object
            keys = np.array(list(v), key_type)
            some = next(iter(v.values()), np.float32(0))
            kind = object if isinstance(some, str) else np.int64 if isinstance(some, int) else np.asarray(some).dtype
            items = np.array(list(v.values()), np.float32 if isinstance(some, float) and not isinstance(some, np.float64) else kind)
            self._check(self.l.tap_value_new_map(self.value(keys), self.value(items), c.byref(out), c.byref(err)), err)
            return out.value
        name = values.NAME[v.dtype]
        dims = (c.c_int64 * max(1, v.ndim))(*v.shape)
        self._check(self.l.tap_value_new(values.NUMBER[name], v.ndim, dims, c.byref(out), c.byref(err)), err)
        if name == "string":
            for i, s in enumerate(v.ravel()):
                b = s.encode()
                self._check(self.l.tap_value_set_string(out, i, b, len(b), c.byref(err)), err)
        else:
            raw = (v.view(np.uint8) if name in values.TINY_FLOATS else v.astype(DATA_TYPES[name]) if DATA_TYPES[name] else v).tobytes()
            c.memmove(self.l.tap_value_data(out), raw, len(raw))
        return out.value

    # Values out
    def tensor(self, t):
        name = values.BY_NUMBER[self.l.tap_tensor_dtype(t)]
        rank, count = self.l.tap_tensor_rank(t), self.l.tap_tensor_count(t)
        shape = c.cast(self.l.tap_tensor_dims(t), c.POINTER(c.c_int64))[:rank] if rank else []
        raw = c.string_at(self.l.tap_tensor_data(t), self.l.tap_tensor_bytes(t))
        if name == "string":
            cells = np.frombuffer(raw, np.uint64).reshape(count, 2)
            return np.array([c.string_at(int(p), int(n)).decode("utf-8", "surrogateescape") if n else "" for p, n in cells],
                            object).reshape(shape)
        if name in values.TINY_FLOATS:
            return np.frombuffer(raw, np.uint8).copy().view(values.NUMPY[name]).reshape(shape)
        a = np.frombuffer(raw, DATA_TYPES[name] or values.NUMPY[name]).reshape(shape)
        if DATA_TYPES[name] and a.size and not (values.RANGE[name][0] <= int(a.min()) and int(a.max()) <= values.RANGE[name][1]):
            raise Refused("BITS", "", "", f"a {name} element holds {int(a.min())} .. {int(a.max())}")
        return a.astype(values.NUMPY[name])

    def read(self, v):
        kind = self.l.tap_value_kind(v) if v else KIND_NONE
        if kind == KIND_NONE:
            return None
        if kind == KIND_TENSOR:
            return self.tensor(self.l.tap_value_tensor(v))
        items = [self.read(self.l.tap_value_item(v, i)) for i in range(self.l.tap_value_length(v))]
        if kind == KIND_MAP:
            return dict(zip(items[0].tolist(), items[1].tolist()))
        return items

    def run(self, model, feeds, threads=1, no_fusion=False):
        """The outputs, or Refused."""
        err, m, s = self._error(), c.c_void_p(), c.c_void_p()
        options = ModelOptions(c.sizeof(ModelOptions), self.memory_limit, None, False, None)
        session = SessionOptions(c.sizeof(SessionOptions), threads, no_fusion, 1)
        given = []
        try:
            self._check(self.l.tap_model_open_memory(model, len(model), c.byref(options), c.byref(m), c.byref(err)), err)
            self._check(self.l.tap_session_new(m, c.byref(session), c.byref(s), c.byref(err)), err)
            given = [(n.encode(), self.value(v)) for n, v in feeds.items()]
            inputs = (Input * max(1, len(given)))(*[Input(n, v) for n, v in given])
            self._check(self.l.tap_session_run(s, inputs, len(given), c.byref(err)), err)
            return [self.read(self.l.tap_session_output(s, i)) for i in range(self.l.tap_model_output_count(m))]
        finally:
            for _, v in given:
                self.l.tap_value_release(v)
            self.l.tap_session_free(s)
            self.l.tap_model_free(m)
