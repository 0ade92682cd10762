"""What the conformance scripts share: finding the command, running it with limits, models with their data in the layouts
that the scripts take, ONNX Runtime as the reference, comparing."""
import argparse
import collections
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SKIPPED = 77  # what ctest takes for "skipped"


def need(*packages):
    """Imports them; without one of them the script ends as skipped."""
    found = []
    for name in packages:
        try:
            found.append(__import__(name))
        except ImportError:
            print(f"skipped: the Python package {name} is not installed")
            sys.exit(SKIPPED)
    return found[0] if len(found) == 1 else found


def find_command(given=None):
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.join(here, "..", "..")
    tries = [given, os.environ.get("ONNXTAP")]
    tries += [os.path.join(root, "build", kind, "onnxtap") for kind in ("release", "dev")]
    tries.append(shutil.which("onnxtap"))
    for path in tries:
        if path and os.access(path, os.X_OK):
            return os.path.abspath(path)
    print("skipped: no onnxtap command (option --onnxtap, or the environment variable ONNXTAP)")
    sys.exit(SKIPPED)


def arguments(doc, folder="a folder of models"):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if folder:
        p.add_argument("folders", nargs="+", help=folder)
    p.add_argument("--onnxtap", help="the command to test (default: build/release/onnxtap)")
    p.add_argument("--only", action="append", default=[], metavar="GLOB", help="only models whose path matches")
    p.add_argument("--json", metavar="FILE", help="write all results there, too")
    return p


Result = collections.namedtuple("Result", "status seconds peak_mb out err timed_out")


def run(command, timeout=600, env=None, cwd=None):
    """Runs a command. status: exit status, negative for a signal; peak_mb: its largest resident set (or what this process
    held when it was made, where that is more)."""
    environment = dict(os.environ, **(env or {}))
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, cwd=cwd)
        late = threading.Event()

        def stop():
            late.set()
            child.send_signal(signal.SIGKILL)

        timer = threading.Timer(timeout, stop)
        timer.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for f in (out, err):
            f.seek(0)
            texts.append(f.read().decode("utf-8", "replace"))
        seconds = time.monotonic() - start
        return Result(child.returncode, seconds, usage.ru_maxrss / 1024, texts[0], texts[1], late.is_set())


def first_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else ""


def first_lines(text, n=3):
    """The beginning of a message, in one line."""
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][:n])[:300]


# ---- Models with data ----------------------------------------------------------------------------------------

class Case:
    """A model file with inputs and, where known, outputs.

    inputs: path of an .npz, or {name: path of a .pb}. outputs: path of an .npz, or a list of .pb paths, or None.
    tolerance: (rtol, atol, scaled): scaled = atol is multiplied by max(1, largest magnitude).
    wrong: the file computes something else than its framework: only ONNX Runtime's word counts.
    refuse: the file is no runnable model: it has to be refused."""

    def __init__(self, name, model, inputs=None, outputs=None, tolerance=(1e-3, 1e-5, True), wrong=False, refuse=False):
        self.name, self.model, self.inputs, self.outputs = name, model, inputs, outputs
        self.tolerance, self.wrong, self.refuse = tolerance, wrong, refuse

    def input_arguments(self):
        if self.inputs is None:
            return []
        if isinstance(self.inputs, str):
            return ["-i", self.inputs]
        return [a for name, path in self.inputs.items() for a in ("-i", f"{name}={path}")]


def read_json(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return {}


def existing(*paths):
    return next((p for p in paths if p and os.path.exists(p)), None)


def data_folder(folder, model, name):
    """Cases of the layout of ONNX's own tests: test_data_set_N/{input,output}_K.pb."""
    import onnx
    for entry in sorted(os.listdir(folder)):
        data = os.path.join(folder, entry)
        if not entry.startswith("test_data_set_") or not os.path.isdir(data):
            continue
        graph = onnx.load(model, load_external_data=False).graph
        given = {i.name for i in graph.initializer}
        names = [i.name for i in graph.input if i.name not in given]
        inputs, outputs = {}, []
        for k, n in enumerate(names):
            path = os.path.join(data, f"input_{k}.pb")
            if os.path.exists(path):
                inputs[n] = path
        while os.path.exists(os.path.join(data, f"output_{len(outputs)}.pb")):
            outputs.append(os.path.join(data, f"output_{len(outputs)}.pb"))
        yield Case(name if entry.endswith("_0") else f"{name}/{entry}", model, inputs, outputs or None)


def tolerance_of(origin, file):
    export = origin.get("exports", {}).get(file, {})
    if "rtol" in export:
        return export["rtol"], export["atol"], False
    t = origin.get("tolerance")
    if isinstance(t, dict):
        return t.get("rtol", 1e-3), t.get("atol", 1e-5), True
    return 1e-3, 1e-4, False


def npz_cases(folder, file, name):
    """inputs[_TAG].npz and outputs[_TAG].npz beside model[_TAG].onnx, and further sets for model.onnx itself."""
    origin = read_json(os.path.join(folder, "origin.json"))
    broken = read_json(os.path.join(folder, "broken.json"))
    stem = file[:-len(".onnx")]
    tag = re.sub(r"^model_?", "", stem)
    at = lambda kind, t: os.path.join(folder, f"{kind}_{t}.npz" if t else f"{kind}.npz")
    if broken.get("intact"):
        inputs = existing(os.path.join(folder, "..", "..", broken["intact"], "inputs.npz"))
    else:
        inputs = existing(at("inputs", tag), at("inputs", tag.split("_")[0]), at("inputs", ""))
    export = origin.get("exports", {}).get(file, {})
    wrong = bool(broken.get("intact")) or bool(origin.get("mismatch_expected")) or export.get("onnxruntime_agrees") is False
    # A half-precision twin: the outputs are those of the float32 model, and how far it drifts off is the folder's subject.
    wrong = wrong or os.path.exists(os.path.join(folder, "drift.json")) and "16" in tag
    tolerance = tolerance_of(origin, file)
    if inputs is None:
        return
    outputs = None if wrong else existing(at("outputs", tag), at("outputs", tag.split("_")[0]), at("outputs", ""))
    yield Case(name, os.path.join(folder, file), inputs, outputs, tolerance, wrong)
    if tag:
        return
    for entry in sorted(os.listdir(folder)):
        m = re.fullmatch(r"inputs_(.+)\.npz", entry)
        if m and (m.group(1) in origin.get("other_shapes", []) or m.group(1).isdigit()):
            outputs = None if wrong else existing(at("outputs", m.group(1)))
            yield Case(f"{name}[{m.group(1)}]", os.path.join(folder, file), at("inputs", m.group(1)), outputs, tolerance, wrong)


def array_cases(folder, file, name, made):
    """Layouts with bare arrays: checkpoints (inputs.npy, predictions_N.npy) and gradients (x and logits in one .npz)."""
    import numpy as np
    import onnx
    graph = onnx.load(os.path.join(folder, file), load_external_data=False).graph
    one_in, one_out = graph.input[0].name, graph.output[0].name

    def keep(kind, key, array):
        path = os.path.join(made, re.sub(r"\W", "_", f"{name}_{kind}") + ".npz")
        np.savez(path, **{key: array})
        return path

    m = re.fullmatch(r"epoch_(\d+)\.onnx", file)
    if m and os.path.exists(os.path.join(folder, "inputs.npy")):
        inputs = keep("in", one_in, np.load(os.path.join(folder, "inputs.npy")))
        want = existing(os.path.join(folder, f"predictions_{int(m.group(1))}.npy"))
        outputs = keep("out", one_out, np.load(want)) if want else None
        return Case(name, os.path.join(folder, file), inputs, outputs, (1e-3, 1e-4, False))
    if os.path.exists(os.path.join(folder, "gradients.npz")):
        data = np.load(os.path.join(folder, "gradients.npz"))
        return Case(name, os.path.join(folder, file), keep("in", one_in, data["x"]), keep("out", one_out, data["logits"]),
                    (1e-3, 1e-4, False))
    return None


def find_cases(folders, only, made):
    """All cases below the folders. made: a folder for files that have to be written. Models without data: inputs None."""
    found = []
    for top in folders:
        for folder, subfolders, files in os.walk(top):
            subfolders.sort()
            for file in sorted(f for f in files if f.endswith(".onnx")):
                name = os.path.relpath(os.path.join(folder, file), top)
                name = name[:-len("/model.onnx")] if name.endswith("/model.onnx") else name[:-len(".onnx")]
                model = os.path.join(folder, file)
                if file.startswith("invalid"):
                    inputs = existing(os.path.join(folder, "inputs.npz"))
                    cases = [Case(name, model, inputs, refuse=True)]
                else:
                    cases = list(data_folder(folder, model, name)) or list(npz_cases(folder, file, name))
                    if not cases:
                        case = array_cases(folder, file, name, made)
                        cases = [case or Case(name, model)]
                found += cases
    if only:
        found = [c for c in found if any(fnmatch.fnmatch(c.name, g) for g in only)]
    return found


# ---- Values --------------------------------------------------------------------------------------------------

def proto_value(path, type_proto):
    """A .pb of ONNX's test data as numpy array, list, dict or None."""
    import onnx
    from onnx import numpy_helper
    with open(path, "rb") as f:
        data = f.read()
    kind = type_proto.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    if kind == "map_type":
        return numpy_helper.to_dict(onnx.MapProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def named(name, value, into):
    """Spreads a value over the keys that onnxtap's .npz has for it."""
    import numpy as np
    if value is None:
        return
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        keys = list(value[0])
        into[name] = np.array([[row[k] for k in keys] for row in value])
        into[name + ".keys"] = np.array(keys)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            named(f"{name}[{i}]", item, into)
    else:
        into[name] = np.asarray(value)


def read_npz(path):
    import numpy as np
    with np.load(path, allow_pickle=False) as data:
        return {k: data[k] for k in data.files}


def load_inputs(case, model):
    """The inputs as ONNX Runtime takes them."""
    import numpy as np
    types = {i.name: i.type for i in model.graph.input}
    if isinstance(case.inputs, dict):
        values = {n: proto_value(p, types[n]) for n, p in case.inputs.items()}
    else:
        values = {n: v for n, v in read_npz(case.inputs).items() if n in types}
    for name, v in values.items():
        if isinstance(v, np.ndarray) and v.dtype.kind in "SU":
            values[name] = np.array([x.decode() if isinstance(x, bytes) else str(x) for x in v.ravel()], object).reshape(v.shape)
    return values


def load_outputs(case, model):
    """What the outputs should be, by the keys of an .npz; None where nobody says."""
    if case.outputs is None:
        return None
    if isinstance(case.outputs, str):
        return read_npz(case.outputs)
    into = {}
    for info, path in zip(model.graph.output, case.outputs):
        named(info.name, proto_value(path, info.type), into)
    return into


def wide(a):
    """Types that numpy lacks (bfloat16, 8-bit floats) as float32, as onnxtap writes them; strings as str."""
    import numpy as np
    a = np.asarray(a)
    if a.dtype.kind in "SO":
        return np.array([x.decode() if isinstance(x, bytes) else str(x) for x in a.ravel()], dtype=np.str_).reshape(a.shape)
    if a.dtype.kind == "V" or a.dtype.name in ("bfloat16",) or a.dtype.name.startswith("float8") or a.dtype.name.startswith(("float4", "float6")):
        return a.astype(np.float32)
    if a.dtype.name in ("int4", "int2"):
        return a.astype(np.int8)
    if a.dtype.name in ("uint4", "uint2"):
        return a.astype(np.uint8)
    return a


def difference(got, want, rtol, atol, scaled):
    """None where they agree, else what is different, in words."""
    import numpy as np
    got, want = wide(got), wide(want)
    if got.shape != want.shape:
        return f"shape {list(got.shape)}, not {list(want.shape)}"
    if got.dtype.kind != want.dtype.kind and not (got.dtype.kind in "iu" and want.dtype.kind in "iu"):
        return f"dtype {got.dtype}, not {want.dtype}"
    if want.dtype.kind not in "fc":
        # Of quantised models a folder gives the tolerance in steps.
        steps = int(atol) if want.dtype.kind in "iu" else 0
        if np.array_equal(got, want) or steps and np.all(np.abs(got.astype(np.int64) - want.astype(np.int64)) <= steps):
            return None
        return f"{int(np.sum(got != want))} of {want.size} elements differ"
    if want.size == 0:
        return None
    w = want.astype(np.complex128 if want.dtype.kind == "c" else np.float64)
    g = got.astype(w.dtype)
    finite = np.isfinite(w)
    if scaled:
        atol = atol * max(1.0, float(np.max(np.abs(w[finite]), initial=0)))
    with np.errstate(all="ignore"):
        bad = ~np.where(finite, np.abs(g - w) <= atol + rtol * np.abs(w), (g == w) | (np.isnan(g) & np.isnan(w)))
    if not bad.any():
        return None
    worst = float(np.nanmax(np.where(finite & np.isfinite(g), np.abs(g - w), 0)))
    at = int(np.argmax(bad))
    return f"{int(bad.sum())} of {w.size} elements differ, largest difference {worst:.3g}, first: {g.ravel()[at]:.7g}, not {w.ravel()[at]:.7g}"


# ---- ONNX Runtime --------------------------------------------------------------------------------------------

def with_all_outputs(model):
    """A copy of the model that gives every value of the main graph; the names it adds."""
    import onnx
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {o.name for o in copy.graph.output}
    added = []
    for node in copy.graph.node:
        for name in node.output:
            if name and name not in known:
                known.add(name)
                added.append(name)
                copy.graph.output.append(onnx.ValueInfoProto(name=name))
    return copy, added


def ort_session(model, threads=1, optimised=False, path=None):
    """model: a ModelProto, or None to load path."""
    import onnxruntime
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = path if model is None else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def ort_values(model, inputs):
    """Every value of the main graph as ONNX Runtime computes it without optimisation, by the keys of an .npz.
    Where it refuses the model with all values as outputs: its outputs alone. (values, what went wrong or "")"""
    problem = ""
    for attempt in (with_all_outputs(model)[0], model):
        try:
            session = ort_session(attempt)
            names = [o.name for o in session.get_outputs()]
            into = {}
            for name, value in zip(names, session.run(None, inputs)):
                named(name, value, into)
            return into, problem
        except Exception as e:  # noqa: BLE001 - ONNX Runtime has no narrower class for all of its failures
            problem = first_line(str(e))[:200]
    return None, problem


# ---- Results -------------------------------------------------------------------------------------------------

def table(rows, columns):
    widths = [max(len(str(r.get(c, ""))) for r in rows + [dict(zip(columns, columns))]) for c in columns]
    lines = []
    for r in [dict(zip(columns, columns))] + rows:
        lines.append("  ".join(str(r.get(c, "")).ljust(w) for c, w in zip(columns, widths)).rstrip())
    return "\n".join(lines)


def write_json(path, value):
    if path:
        with open(path, "w", encoding="utf-8") as f:
            json.dump(value, f, indent=1)
