#!/usr/bin/env python3
"""NumPy and the onnx package read what the command writes, and find in it what Keras computed.

usage: numpy_reads.py COMMAND DATA_FOLDER    (exit status 77, skipped, without NumPy)
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile

try:
    import numpy as np
except ImportError:
    print("skipped: no NumPy")
    sys.exit(77)

COMMAND, DATA = sys.argv[1:3]
DIGITS = os.path.join(DATA, "digits")


def run(*arguments):
    subprocess.run([COMMAND, "run", *arguments], check=True)


def digits(out, *options):
    run(os.path.join(DIGITS, "model.onnx"), "-i", os.path.join(DIGITS, "input.npy"), "--tap", "all", "-o", out, *options)


def check_same(a, b, what):
    assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes(), what


def check_archives():
    digits("all.npz")
    digits("packed.npz", "--compress")
    for path in ("all.npz", "packed.npz"):
        assert zipfile.ZipFile(path).testzip() is None, path
    plain, packed = np.load("all.npz"), np.load("packed.npz")
    assert plain.files == packed.files and len(plain.files) > 20
    for key in plain.files:
        check_same(plain[key], packed[key], key)
    return plain


def check_folder(arrays):
    digits("folder/")
    with open("folder/index.json") as f:
        index = json.load(f)
    assert index["complete"] and {e["tensor"] for e in index["values"]} == set(arrays.files)
    for entry in index["values"]:
        check_same(np.load(os.path.join("folder", entry["file"])), arrays[entry["tensor"]], entry["tensor"])


def check_json(arrays):
    digits("all.json")
    with open("all.json") as f:
        document = json.load(f)
    for entry in document["taps"] + document["outputs"]:
        array = arrays[entry["name"]]
        check_same(np.array(entry["data"], array.dtype).reshape(entry["shape"]), array, entry["name"])


def check_keras(arrays):
    """Some tensor equals each layer's output, but for the axes' order."""
    keras = np.load(os.path.join(DIGITS, "keras.npz"))
    last = arrays[arrays.files[-1]]
    assert any(keras[k].shape == last.shape and np.allclose(keras[k], last, rtol=1e-4, atol=1e-6) for k in keras.files)


def check_types():
    kinds = {"bfloat16": "<f4", "float16": "<f2", "float8e4m3fn": "<f4", "int4": "|i1", "uint4": "|u1", "bool": "|b1",
             "complex64": "<c8", "int64": "<i8", "double": "<f8", "string": "<U1"}
    run(os.path.join(DATA, "cli", "types.onnx"), "-i", "random", "-o", "types.npz")
    arrays = np.load("types.npz", allow_pickle=False)
    for kind, descr in kinds.items():
        assert arrays[kind + "_out"].dtype == np.dtype(descr), kind
    run(os.path.join(DATA, "cli", "types.onnx"), "-i", "random", "-o", "raw.npz", "--raw-types")
    raw = np.load("raw.npz")
    assert raw["bfloat16_out"].dtype == np.uint16 and raw["float8e4m3fn_out"].dtype == np.uint8
    check_same((raw["bfloat16_out"].astype(np.uint32) << 16).view(np.float32), arrays["bfloat16_out"], "bfloat16")


def check_inputs():
    """Every form in which NumPy writes the same numbers gives the same result."""
    x = np.load(os.path.join(DIGITS, "input.npy"))
    np.save("fortran.npy", np.asfortranarray(x))
    np.save("big.npy", x.astype(">f4"))
    np.savez("stored.npz", image=x)
    np.savez_compressed("deflated.npz", image=x)
    results = []
    for path in (os.path.join(DIGITS, "input.npy"), "fortran.npy", "big.npy", "stored.npz", "deflated.npz"):
        run(os.path.join(DIGITS, "model.onnx"), "-i", path, "-o", "y.npy")
        results.append(np.load("y.npy"))
    for result in results[1:]:
        check_same(result, results[0], "input")


def check_pb(arrays):
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError:
        return
    digits("pb/", "--format", "pb")
    with open("pb/index.json") as f:
        entries = json.load(f)["values"]
    for entry in entries:
        tensor = onnx.TensorProto()
        with open(os.path.join("pb", entry["file"]), "rb") as f:
            tensor.ParseFromString(f.read())
        check_same(numpy_helper.to_array(tensor), arrays[entry["tensor"]], entry["tensor"])


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    all_arrays = check_archives()
    check_folder(all_arrays)
    check_json(all_arrays)
    check_keras(all_arrays)
    check_types()
    check_inputs()
    check_pb(all_arrays)
    print("all read as written")
