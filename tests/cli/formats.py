#!/usr/bin/env python3
"""Each format is read back by the library that its users have for it, and the values are those of the .npz.

usage: formats.py COMMAND DATA_FOLDER    (exit status 77, skipped, without NumPy; what needs another package is left out)
"""

import importlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: no NumPy")
    sys.exit(77)

COMMAND, DATA = sys.argv[1:3]
DIGITS = os.path.join(DATA, "digits")
MODEL, INPUT, LABELS = (os.path.join(DIGITS, name) for name in ("model.onnx", "input.npy", "labels.npy"))


def package(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"left out: {name} is not installed")
        return None


def run(*arguments, status=0):
    done = subprocess.run([COMMAND, "run", *arguments], capture_output=True, text=True)
    assert done.returncode == status, (arguments, done.returncode, done.stderr)
    return done


def digits(out, *options, batch=4):
    run(MODEL, "-i", INPUT, "--batch", str(batch), "--labels", LABELS, "--tap", "op:Relu", "-o", out, *options)
    return out


def truth():
    return np.load(digits("truth.npz"))


def check_csv(want):
    pandas = package("pandas")
    if not pandas:
        return
    table = pandas.read_csv(digits("all.csv"))
    assert list(table["row"]) == list(range(10)) and list(table["label"]) == list(np.load(LABELS))
    column = 2
    for name in want.files:
        value = want[name].reshape(10, -1)
        part = table.iloc[:, column:column + value.shape[1]]
        column += value.shape[1]
        assert list(part.columns)[:2] == [f"{name}_0", f"{name}_1"], name
        assert (part.to_numpy(np.float32) == value).all(), name
    assert column == table.shape[1]
    digits("all.csv", "--append")
    assert pandas.read_csv("all.csv").shape[0] == 20
    run(MODEL, "-i", INPUT, "--limit", "3", "--append", "-o", "all.csv", status=3)
    assert pandas.read_csv("all.csv").shape[0] == 20
    run(MODEL, "-i", INPUT, "--sample", "3", "--seed", "1", "-o", "sampled.csv")
    sampled = pandas.read_csv("sampled.csv")
    rows = list(sampled["row"])
    assert len(rows) == 3 and np.allclose(sampled.iloc[:, 2:], want["Identity:0"][rows], atol=1e-6)
    with open("all.csv", "rb") as f:
        assert f.readline().endswith(b"\r\n")


def check_jsonl(want):
    found = {name: [] for name in want.files}
    with open(digits("all.jsonl")) as f:
        for line in f:
            entry = json.loads(line)
            array = np.array(entry["data"], np.float32).reshape(entry["shape"])
            assert entry["rows"] == list(range(4 * entry["batch"], 4 * entry["batch"] + array.shape[0]))
            found[entry["name"]].append(array)
    for name, parts in found.items():
        assert np.array_equal(np.concatenate(parts), want[name]), name


def check_sqlite(want):
    digits("all.sqlite")
    digits("all.sqlite", batch=5)
    base = sqlite3.connect("all.sqlite")
    assert base.execute("SELECT id, complete FROM runs").fetchall() == [(1, 1), (2, 1)]
    assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for name in want.files:
        for run_id in (1, 2):
            rows = base.execute(
                "SELECT r.row, r.label, r.value, r.argmax FROM rows r JOIN tensors t ON t.id = r.tensor_id "
                "WHERE t.run_id = ? AND t.name = ? ORDER BY r.row", (run_id, name)).fetchall()
            assert [r[0] for r in rows] == list(range(10)) and [int(r[1]) for r in rows] == list(np.load(LABELS))
            values = np.array([json.loads(r[2]) for r in rows], np.float32)
            assert np.allclose(values, want[name].reshape(10, -1), atol=1e-6), name
            assert [r[3] for r in rows] == list(values.argmax(1))
    count, low, high = base.execute(
        "SELECT SUM(s.count), MIN(s.min), MAX(s.max) FROM statistics s JOIN tensors t ON t.id = s.tensor_id "
        "WHERE t.run_id = 1 AND t.name = 'Identity:0'").fetchone()
    assert (count, np.float32(low), np.float32(high)) == (100, want["Identity:0"].min(), want["Identity:0"].max())


def check_png(want):
    image = package("PIL.Image")
    done = subprocess.run([COMMAND, "run", MODEL, "-i", INPUT, "-o", "x.png"], capture_output=True, text=True)
    if not image or done.returncode == 4:
        return
    digits("pictures/", "--format", "png")
    with open("pictures/index.json") as f:
        index = json.load(f)
    assert index["complete"]
    kinds = {}
    for entry in index["values"]:
        with image.open("pictures/" + entry["file"]) as picture:
            assert picture.size == (entry["width"], entry["height"])
        kinds.setdefault(entry["tensor"], []).append(entry)
    for name in want.files:
        assert len(kinds[name]) == (10 if want[name].ndim == 4 else 1), name
    # The brightest place of a heat map is where the largest element is.
    entry = kinds["Identity:0"][0]
    with image.open("pictures/" + entry["file"]) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    z = (entry["width"] - 4) // 10
    row, column = np.unravel_index(want["Identity:0"].argmax(), (10, 10))
    assert tuple(pixels[2 + row * z, 2 + column * z]) == (253, 231, 37)


def write_png_and_read(image):
    """Pictures in: what Pillow wrote reaches the model."""
    pixels = (np.load(INPUT)[:5, :, :, 0] * 255).round().astype(np.uint8)
    os.mkdir("in")
    for i, p in enumerate(pixels):
        image.fromarray(p).save(f"in/{i}.png")
    np.save("in.npy", (pixels[..., None].astype(np.float32) / 255))
    done = subprocess.run([COMMAND, "run", MODEL, "-i", "in", "--image-scale", "0..1", "-o", "from_pictures.npy"])
    if done.returncode == 4:
        return
    run(MODEL, "-i", "in.npy", "--batch", "32", "-o", "from_array.npy")
    assert np.array_equal(np.load("from_pictures.npy"), np.load("from_array.npy"))
    image.fromarray(np.zeros((9, 8), np.uint8)).save("in/9.png")
    assert "9.png" in run(MODEL, "-i", "in", status=3).stderr


def check_tensorboard(want):
    accumulator = package("tensorboard.backend.event_processing.event_accumulator")
    if not accumulator:
        return
    run(MODEL, "-i", INPUT, "--batch", "5", "--tap", "op:Relu", "--tap", "init:*", "--tensorboard", "logs", "--keys", "layer", "-o", "steps.npz")
    assert not [f for f in os.listdir("logs") if f.endswith(".tmp")]
    events = accumulator.EventAccumulator("logs", size_guidance={"tensors": 0, "scalars": 0, "histograms": 0, "images": 0})
    events.Reload()
    steps = np.load("steps.npz")
    checked = 0
    for name in steps.files:
        value = steps[name].astype(np.float64)
        tags = [t for t in events.Tags()["scalars"] if t == name + "/mean"]
        if not tags:
            continue
        checked += 1
        means = events.Scalars(name + "/mean")
        constant = len(means) == 1
        for k, point in enumerate(means):
            batch = value if constant else value[5 * k:5 * k + 5]
            assert point.step == k and np.isclose(point.value, batch.mean(), rtol=1e-5, atol=1e-7), name
            assert np.isclose(events.Scalars(name + "/std")[k].value, batch.std(), rtol=1e-5, atol=1e-7)
            assert np.isclose(events.Scalars(name + "/norm")[k].value, np.linalg.norm(batch), rtol=1e-5)
            assert np.isclose(events.Scalars(name + "/zeros")[k].value, (batch == 0).mean(), rtol=1e-5)
            histogram = events.Histograms(name)[k].histogram_value
            assert histogram.num == batch.size and sum(histogram.bucket) == batch.size, name
            assert np.isclose(histogram.min, batch.min()) and np.isclose(histogram.max, batch.max())
            edges = np.concatenate([[histogram.min], histogram.bucket_limit])
            if batch.min() >= 0 and len(edges) > 2:
                assert np.array_equal(np.histogram(batch, edges)[0], histogram.bucket), name
    assert checked > 5, checked
    image = package("PIL.Image")
    pictures = [tag for tag in events.Tags()["images"] if tag.endswith("/image")]
    with_png = subprocess.run([COMMAND, "run", MODEL, "-i", INPUT, "-o", "x/", "--format", "png"]).returncode == 0
    assert len(pictures) >= 2 or not with_png, events.Tags()
    for tag in pictures if image else []:
        picture = events.Images(tag)[0]
        assert image.open(io.BytesIO(picture.encoded_image_string)).size == (picture.width, picture.height)


def check_pb(want):
    onnx = package("onnx")
    if not onnx:
        return
    digits("pb/", "--format", "pb")
    tensor = onnx.TensorProto()
    with open("pb/output_0.pb", "rb") as f:
        tensor.ParseFromString(f.read())
    assert np.array_equal(onnx.numpy_helper.to_array(tensor), want["Identity:0"])
    assert len(os.listdir("pb/taps")) == len(want.files) - 1


def check_cast(want):
    digits("half.npz", "--cast-output", "float16")
    half = np.load("half.npz")
    for name in want.files:
        assert half[name].dtype == np.float16 and np.array_equal(half[name], want[name].astype(np.float16)), name


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        want = truth()
        for check in (check_csv, check_jsonl, check_sqlite, check_png, check_tensorboard, check_pb, check_cast):
            check(want)
            print(check.__name__, "ok")
        image = package("PIL.Image")
        if image:
            write_png_and_read(image)
        assert not [f for f in os.listdir(".") if f.endswith(".tmp")]
        os.chdir("/")


main()
