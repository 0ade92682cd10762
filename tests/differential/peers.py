"""The others who run a case: ONNX Runtime without optimisation, and the reference implementation of the onnx package."""
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import version_converter
from onnx.reference import ReferenceEvaluator

import case as cases
import rewrites
import values

ORT_NEWEST = 26
WIDER = [{"bfloat16": "float", "float16": "float"}, {"double": "float"}]
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.log_severity_level = 4
onnxruntime.set_default_logger_severity(4)


class Unable(Exception):
    """This peer has no word on the case."""


def for_ort(value):
    if isinstance(value, values.Nothing):
        return None
    if isinstance(value, values.Sequence):
        return [for_ort(x) for x in value]
    if isinstance(value, dict):
        return value
    if value.dtype in NATIVE:
        return value
    raise Unable(f"no way to give {value.dtype}")


NATIVE = {np.dtype(t) for t in ("f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "O")}


def plain(v):
    if isinstance(v, list):
        return [plain(x) for x in v]
    return v


def ort_session(model, feeds):
    given = {k: for_ort(v) for k, v in feeds.items()}
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [plain(v) for v in session.run(None, given)]


def ort_once(case):
    """With the case's opset, with the oldest of its version, and turned into a newer one."""
    newest = ORT_NEWEST if case.domain == "" else case.opset
    opset = min(case.opset, newest)
    model, feeds = cases.model_of(case, opset)
    try:
        return ort_session(model, feeds), ""
    except Unable:
        raise
    except Exception as first:  # noqa: BLE001 - whatever it says
        if "NOT_IMPLEMENTED" not in str(first) or case.domain or opset >= 21:
            raise
        try:
            turned = version_converter.convert_version(model, 21)
            return ort_session(turned, feeds), " (turned to opset 21)"
        except Exception:  # noqa: BLE001
            raise first from None


def rewritten(case, run):
    """What a peer says of the case in another form."""
    for other, back in rewrites.variants(case):
        try:
            outputs, how = run(other)
            return back(outputs), how + " (rewritten)"
        except Exception:  # noqa: BLE001
            continue
    return None


def ort(case):
    """(outputs, what was changed to get them)."""
    if any(case.op in ops and first <= case.version <= last for ops, first, last, _ in rewrites.REWRITES):
        found = rewritten(case, ort_wider)
        if found is not None:
            return found
    return ort_wider(case)


def ort_wider(case):
    try:
        return ort_once(case)
    except Exception as first:  # noqa: BLE001
        said = first
    used = set(case.types.values())
    for mapping in WIDER:
        if not used & set(mapping):
            continue
        wide = cases.retyped(case, mapping)
        if wide is None:
            continue
        try:
            outputs, how = ort_once(wide)
            return outputs, how + f" (as {'/'.join(sorted(set(mapping.values())))})"
        except Exception:  # noqa: BLE001
            continue
    raise Unable(str(said))


def for_reference(value):
    if isinstance(value, values.Nothing):
        return None
    return list(value) if isinstance(value, values.Sequence) else value


def reference(case):
    model, feeds = cases.model_of(case)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return ReferenceEvaluator(model).run(None, {k: for_reference(v) for k, v in feeds.items()}), ""
    except Exception as e:  # noqa: BLE001
        raise Unable(f"{type(e).__name__}: {e}") from None


PEERS = {"ort": ort, "reference": reference}
