#!/usr/bin/env python3
"""A series of Keras checkpoints: what run, stats and series record of it, against what Keras itself computed.

usage: record.py COMMAND FOLDER     FOLDER: checkpoints (epoch_00.onnx ...), inputs, labels and Keras's own results
"""

import csv
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

RTOL, ATOL = 1e-3, 1e-4
checks = failures = 0


def check(good, what):
    global checks, failures
    checks += 1
    if not good:
        failures += 1
        print("FAILED:", what)


def close(got, want, what, rtol=RTOL, atol=ATOL):
    got, want = np.asarray(got), np.asarray(want)
    good = got.shape == want.shape and np.allclose(got, want, rtol=rtol, atol=atol)
    check(good, f"{what}: shapes {got.shape} {want.shape}" + (f", off by {np.abs(got - want).max():g}" if got.shape == want.shape else ""))


def run(command, *arguments):
    return subprocess.run([command, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def check_series(command, folder, models, out, truth):
    run(command, "series", *models, "-i", folder + "/inputs.npy", "--labels", folder + "/labels.npy", "--batch", 16,
        "--tap", "layer:penultimate", "--tap", "layer:relu2", "--layout", "original", "-o", out + "/several/")
    run(command, "series", *models, "-i", folder + "/inputs.npy", "--labels", folder + "/labels.npy",
        "--tap", "layer:penultimate", "-o", out + "/one/")
    for n in range(len(models)):
        want = np.load(f"{folder}/epoch_{n}.npy")
        close(np.load(f"{out}/one/epoch_{n}.npy"), want, f"epoch_{n}.npy")
        close(np.load(f"{out}/several/epoch_{n}_penultimate.npy"), want, f"epoch_{n}_penultimate.npy")
        close(np.load(f"{out}/several/epoch_{n}_relu2.npy"), np.load(f"{folder}/epoch_{n}_relu2.npy"), f"epoch_{n}_relu2.npy")
        close(np.load(f"{out}/one/epoch_{n}_predictions.npy"), np.load(f"{folder}/predictions_{n}.npy"), f"predictions {n}")
        check(np.array_equal(np.load(f"{out}/one/epoch_{n}_labels.npy"), np.load(folder + "/labels.npy")), f"labels {n}")
    with open(out + "/several/series.json") as f:
        epochs = json.load(f)["epochs"]
    for epoch, want in zip(epochs, truth):
        close(epoch["accuracy"], want["accuracy"], f"accuracy of epoch {epoch['epoch']}", atol=0)
        close(epoch["loss"], want["loss"], f"loss of epoch {epoch['epoch']}", atol=1e-5)
    check(len(epochs) == len(truth), "an epoch is missing in series.json")
    with open(out + "/several/series.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    check(len(rows) == 3 * len(models), f"series.csv has {len(rows)} rows")
    for row in rows:
        if int(row["epoch"]) == 0 or row["layer"] != "penultimate":
            continue
        a, b = (np.load(f"{folder}/epoch_{int(row['epoch']) - k}.npy").astype(float) for k in (0, 1))
        close(float(row["drift"]), np.abs(a - b).mean(), f"drift of epoch {row['epoch']}")
        close(float(row["drift_relative"]), np.linalg.norm(a - b) / np.linalg.norm(b), f"relative drift of epoch {row['epoch']}")


def check_stats(command, folder, model, n, out, want):
    figures = json.loads(run(command, "stats", model, "-i", folder + "/inputs.npy", "--batch", 16, "--tap", "all", "--json"))["values"]
    found = 0
    for value in figures:
        layer = want["layers"].get(value["layer"] or "")
        if not layer:
            continue
        found += 1
        for key in ("mean", "std", "min", "max"):
            close(value[key], layer[key], f"{key} of {value['layer']} in epoch {n}")
        close(value["zeros"], layer["zeros"], f"zeros of {value['layer']} in epoch {n}", atol=2e-4)
    check(found >= 8, f"only {found} layers were found in epoch {n}")
    parts = []
    for i in range(2):
        parts.append(f"{out}/part_{i}.json")
        run(command, "stats", model, "-i", folder + "/inputs.npy", "--batch", 16, "--tap", "all", "--shard", f"{i}/2", "-o", parts[-1])
    merged = json.loads(run(command, "stats", "--merge", *parts, "-o", out + "/merged.json", "--json"))["values"]
    for a, b in zip(figures, merged):
        same = all(a[k] == b[k] for k in ("tensor", "count", "min", "max", "min_at", "max_at", "nonfinite", "zeros", "quantiles", "histogram"))
        check(same, f"{a['tensor']}: merged figures differ")
        close(b["mean"], a["mean"], f"{a['tensor']}: merged mean", rtol=1e-12, atol=1e-12)
        close(b["std"], a["std"], f"{a['tensor']}: merged deviation", rtol=1e-12, atol=1e-12)


def check_batches(command, folder, model, n, out):
    want = np.load(f"{folder}/batches_{n}.npz")
    taps = ["--tap", "layer:penultimate", "--tap", "layer:relu2"]
    run(command, "run", model, "-i", folder + "/inputs.npy", "--batch", 16, *taps, "--split", "batch", "--keys", "layer",
        "--layout", "original", "-o", out + "/batches.npz")
    got = np.load(out + "/batches.npz")
    for layer in ("penultimate", "relu2"):
        for k in range(4):
            close(got[f"{layer}/batch_{k}"], want[f"{layer}/batch_{k}"], f"{layer} in batch {k} of epoch {n}")
    for over, key in (("samples", "mean_over_samples"), ("batches", "mean_over_batches")):
        run(command, "stats", model, "-i", folder + "/inputs.npy", "--batch", 16, *taps, "--average", over, "--layout", "original", "-o", out + "/mean.npz")
        with np.load(out + "/mean.npz") as mean:
            for name in mean.files:
                layer = "relu2" if "relu2" in name else "penultimate"
                close(mean[name], want[f"{layer}/{key}"], f"average of {layer} over {over} in epoch {n}")


def main(command, folder):
    models = sorted(glob.glob(os.path.join(folder, "epoch_*.onnx")))
    with open(folder + "/stats.json") as f:
        truth = json.load(f)
    with tempfile.TemporaryDirectory() as out:
        check_series(command, folder, models, out, truth)
        for n, model in enumerate(models):
            check_stats(command, folder, model, n, out, truth[n])
            check_batches(command, folder, model, n, out)
    print(f"{checks} checks, {failures} failed")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2]))
