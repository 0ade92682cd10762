"""onnxtap diff over broken and intact exports: the layer that is at fault, the reason, and no false alarm.

    python3 tests/conformance/diff.py ONNXTAP SHARED [PATTERN ...]

SHARED holds keras/ and torch/ with their READMEs. A line per case; the last line counts. The exit status is 0 only if
every fault is found in its layer, at least nine of ten with the right word, and nothing sound is accused."""
import glob
import json
import os
import re
import subprocess
import sys

# What broken.json calls a fault, where that is not the word of the report.
WORDS = {
    "concat_swapped": {"concat_order"},
    "dense_transposed": {"kernel_transposed"},
    "gelu_tanh": {"gelu_kind"},
    "missing_activation": {"activation"},
    "same_padding_symmetric": {"padding_side"},
    "bn_epsilon": {"bn_epsilon", "bn_scale_shift"},
}


def diff(tool, *args):
    run = subprocess.run([tool, "diff", *args, "--json"], capture_output=True, text=True, timeout=600)
    try:
        return run.returncode, json.loads(run.stdout)
    except json.JSONDecodeError:
        return run.returncode, {"error": {"message": run.stderr[-500:]}}


def read(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


class Score:
    def __init__(self, patterns):
        self.patterns = [re.compile(p) for p in patterns]
        self.layers = self.words = self.faults = self.sound = self.accused = self.nothing = 0
        self.bad = []

    def wants(self, name):
        return not self.patterns or any(p.search(name) for p in self.patterns)

    def fault(self, name, status, report, layers, words):
        self.faults += 1
        first = report.get("first") or {}
        right = first.get("layer") in layers or first.get("tensor") in layers or first.get("node") in layers
        word = first.get("fault") in words
        self.layers += right
        self.words += word
        if not (right and word and status == 1):
            self.bad.append(name)
        print(f"{'ok  ' if right and word else 'BAD '} {name}: {first.get('layer')} ({first.get('tensor')}), {first.get('fault')};"
              f" wanted {sorted(layers)[0]}, {'/'.join(sorted(words))}: {first.get('why')}"
              f"{report.get('error', {}).get('message', '')}", flush=True)

    def intact(self, name, status, report):
        self.sound += 1
        pairs = [p for p in report.get("pairs", []) if p["verdict"] != "not comparable"]
        if status not in (0, 1, 6) or "verdict" not in report:
            self.bad.append(name)
            print(f"FAIL {name}: status {status}: {report.get('error', {}).get('message', '')[:300]}", flush=True)
            return
        if status == 0:
            print(f"ok   {name}: {len(pairs)} pairs", flush=True)
            return
        self.accused += status == 1
        self.nothing += status == 6
        self.bad.append(name)
        for x in report.get("introduced", [])[:4]:
            pair = next(p for p in pairs if p["tensor"] == x["tensor"])
            print(f"     {x['layer']} {x['tensor']} {x['op']}: {x['fault']}, alone {pair['isolated_max_abs']}, noise {pair['isolated_noise']}")
        print(f"BAD  {name}: {report['verdict']}, {len(report.get('introduced', []))} places", flush=True)


def keras(tool, shared, score):
    for folder in sorted(glob.glob(f"{shared}/keras/broken/*/")):
        about = read(folder + "broken.json")
        name = "keras/broken/" + os.path.basename(folder[:-1])
        if not score.wants(name):
            continue
        intact = f"{shared}/keras/{about['intact']}"
        words = WORDS.get(about["kind"], {about["kind"]})
        score.fault(name, *diff(tool, folder + "model.onnx", intact + "/keras.npz", "-i", intact + "/inputs.npz"), {about["layer"]}, words)
    for model in sorted(glob.glob(f"{shared}/keras/*/model*.onnx")):
        folder, tag = os.path.dirname(model), os.path.basename(model)[5:-5]
        name = f"keras/{os.path.basename(folder)}{tag}"
        origin = f"{folder}/origin.json"
        inputs = f"{folder}/inputs{tag}.npz"
        inputs = inputs if os.path.exists(inputs) else f"{folder}/inputs.npz"
        if not score.wants(name) or not os.path.exists(origin) or not os.path.exists(inputs):
            continue
        if os.path.exists(f"{folder}/ort_outputs{tag}.npz"):
            continue
        for kind in ("keras", "outputs", "ort_trace"):
            reference = f"{folder}/{kind}{tag}.npz"
            if not os.path.exists(reference) and kind != "ort_trace":
                reference = f"{folder}/{kind}.npz"
            if os.path.exists(reference):
                score.intact(f"{name} {kind}", *diff(tool, model, reference, "-i", inputs))


def torch(tool, shared, score):
    for folder in sorted(glob.glob(f"{shared}/torch/*/")):
        base = "torch/" + os.path.basename(folder[:-1])
        if not score.wants(base):
            continue
        if "/pair_" in folder:
            about = read(folder + "broken.json")
            kind = "bn_epsilon" if "bn_epsilon" in base else "gate_order"
            words = WORDS.get(kind, {kind})
            layers = {about["first_layer"]["keras"], about["first_layer"]["torch"], about["first_tensor"]["tensor"]}
            inputs = ("-i", folder + "inputs_keras.npz")
            score.fault(base + " layers", *diff(tool, folder + "keras_broken.onnx", folder + "layers_keras.npz", *inputs), layers, words)
            for other in ("keras.onnx", "torch.onnx"):
                score.fault(f"{base} {other}", *diff(tool, folder + "keras_broken.onnx", folder + other, *inputs), layers, words)
            score.intact(base + " intact layers", *diff(tool, folder + "keras.onnx", folder + "layers_keras.npz", *inputs))
            score.intact(base + " intact torch", *diff(tool, folder + "keras.onnx", folder + "torch.onnx", *inputs))
            score.intact(base + " torch intact", *diff(tool, folder + "torch.onnx", folder + "keras.onnx", "-i", folder + "inputs_torch.npz"))
        elif "half_pair_" in folder:
            first = read(folder + "drift.json")["first"]
            words = {"rounding", "cast"}
            for model, other in (("fp16", "trace_fp32.npz"), ("fp32", "trace_fp16.npz"), ("fp16", "fp32.onnx"), ("fp32", "fp16.onnx")):
                score.fault(f"{base} {model} {other}", *diff(tool, f"{folder}{model}.onnx", folder + other, "-i", folder + "inputs.npz"), {first}, words)
        elif "/broken_" in folder:
            score.fault(base, *diff(tool, folder + "model.onnx", folder + "outputs.npz", "-i", folder + "inputs.npz"),
                        {"index_put"}, {"reduction"})
        elif "/unsupported" not in folder and os.path.exists(folder + "model.onnx"):
            origin = read(folder + "origin.json")
            if origin.get("mismatch_expected"):
                continue
            for kind in ("layers", "outputs"):
                if os.path.exists(f"{folder}{kind}.npz"):
                    score.intact(f"{base} {kind}", *diff(tool, folder + "model.onnx", f"{folder}{kind}.npz", "-i", folder + "inputs.npz"))


def pairs(tool, shared, score):
    folder = f"{shared}/keras/cnn_digits/"
    models = sorted(glob.glob(folder + "model*.onnx"))
    for model in models:
        tag = os.path.basename(model)[5:-5]
        name = f"pair cnn_digits{tag}"
        if not score.wants(name) or not models:
            continue
        inputs = f"{folder}inputs{tag}.npz"
        inputs = inputs if os.path.exists(inputs) else folder + "inputs.npz"
        score.intact(name, *diff(tool, model, folder + "model.onnx", "-i", inputs))


def main():
    tool, shared = sys.argv[1], sys.argv[2]
    if not os.path.isdir(shared):
        print(f"{shared} is not there: skipped")
        return 77
    score = Score(sys.argv[3:])
    keras(tool, shared, score)
    torch(tool, shared, score)
    pairs(tool, shared, score)
    print(f"\n{score.faults} faults: {score.layers} in the right layer, {score.words} with the right word; "
          f"{score.sound} sound: {score.accused} accused, {score.nothing} nothing compared")
    print("bad:", *score.bad, sep="\n  ")
    return 0 if not score.accused and score.layers == score.faults and score.words >= 0.9 * score.faults else 1


sys.exit(main())
