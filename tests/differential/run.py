#!/usr/bin/env python3
"""Runs drawn cases of every operator, version and type by onnxtap, ONNX Runtime and onnx.reference, and compares.

    python3 tests/differential/run.py [--count N] [--seed S] [--op GLOB] [--library build/release/libonnxtap.so]
    python3 tests/differential/run.py --case 'Add-14#7'          shows one case in full
    python3 tests/differential/run.py --break                    breaks valid cases: each has to be an error
    python3 tests/differential/run.py --coverage                 operators, versions and types without a compared case

A batch of cases is run in a forked process; a case that crashes or hangs is reported and the rest go on.
Exit status: 0 all agree, 1 something differs, 77 a Python package or the library is missing.
"""
import argparse
import collections
import fnmatch
import importlib
import json
import os
import pathlib
import pickle
import select
import signal
import struct
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77
SECONDS_A_STEP = 20

try:
    import ml_dtypes  # noqa: F401
    import numpy as np
    import onnx
    import onnxruntime  # noqa: F401
except ImportError as missing:
    print(f"skipped: the Python package {missing.name} is not installed")
    sys.exit(SKIPPED)

sys.path.insert(0, str(HERE))
import breaking  # noqa: E402
import case as cases  # noqa: E402
import compare  # noqa: E402
import decisions  # noqa: E402
import draw  # noqa: E402
import library  # noqa: E402
import peers  # noqa: E402

for file in sorted((HERE / "cases").glob("*.py")):
    spec = importlib.util.spec_from_file_location(f"cases_{file.stem}", file)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def run_library(lib, case):
    model, feeds = cases.model_of(case)
    return lib.run(model.SerializeToString(), feeds, threads=1 + case.index % 2, no_fusion=case.index % 3 == 0)


class Verdict:
    """What came of a case: kind is one of

    agree    with all who have a word on it         alone     nobody else runs it
    split    with one, not with the other           none      nobody runs it
    missing  an operator or type without a row: not this test's matter
    decided  a row of decisions.py says why not     differ, refused, crash, hang, message, accepted, error: to be looked at"""

    def __init__(self, case, kind, who="", text="", decided=""):
        self.name, self.op, self.version, self.domain = case.name, case.op, case.version, case.domain
        self.kind, self.who, self.text, self.decided = kind, who, text, decided
        self.whole, self.why = dict(case.whole), case.why


def judge(case, got, said, words):
    """got: the library's outputs, or None and its error; said: (outputs, how) of each peer that has some."""
    if got is None:
        if not said:
            return Verdict(case, "none", "", f"{words['onnxtap']} || " + " || ".join(f"{k}: {v}" for k, v in words.items() if k != "onnxtap"))
        rule = decisions.find(case, said.keys(), words["onnxtap"])
        kind = "missing" if words["onnxtap"].startswith("UNSUPPORTED") else "refused"
        return Verdict(case, "decided" if rule else kind, ",".join(said), words["onnxtap"], rule)
    agreed, kept = False, []
    for peer, (want, how) in said.items():
        found = compare.outputs(got, want, case, how)
        if found is None:
            agreed = True
            continue
        rule = decisions.find(case, [peer], found + how)
        if "as float" in how and "double" in case.types.values() and len(said) > 1:
            rule = "float32 is no judge of float64"
        kept.append(Verdict(case, "decided" if rule else "differ", peer, found + how, rule))
    worst = next((v for v in kept if v.kind == "differ"), None)
    if worst and agreed:
        worst.kind = "split"
    if worst:
        return worst
    if agreed or kept:
        return kept[0] if kept and not agreed else Verdict(case, "agree")
    return Verdict(case, "alone", "", " || ".join(f"{k}: {v}" for k, v in words.items()))


def examine(case, lib, options, step):
    """Runs one case by everybody. step(who) is told before each."""
    words, said = {}, {}
    step("onnxtap")
    try:
        got = run_library(lib, case)
    except library.Refused as e:
        got, words["onnxtap"] = None, f"{e.code} {e.text}"
    except Exception as e:  # noqa: BLE001 - the generator's fault
        return Verdict(case, "error", "generator", f"{type(e).__name__}: {e}"), None, {}
    for name, peer in peers.PEERS.items():
        if name in options.without:
            continue
        step(name)
        try:
            said[name] = peer(case)
        except peers.Unable as e:
            words[name] = str(e).replace("\n", " ")[:300]
        except Exception as e:  # noqa: BLE001 - a peer's own crash in Python
            words[name] = f"{type(e).__name__}: {e}"
    return judge(case, got, said, words), got, said


def examine_broken(case, lib, options, step):
    step("onnxtap")
    try:
        got = run_library(lib, case)
    except library.Refused as e:
        wrong = breaking.bad_message(case, e)
        return Verdict(case, "message" if wrong else "agree", "onnxtap", f"{wrong}: {e.text}" if wrong else "")
    except Exception as e:  # noqa: BLE001
        return Verdict(case, "error", "generator", f"{type(e).__name__}: {e}")
    if case.must_fail:
        return Verdict(case, "accepted", "onnxtap", "")
    said, words = {}, {}
    for name, peer in peers.PEERS.items():
        if name in options.without:
            continue
        step(name)
        try:
            said[name] = peer(case)
        except Exception as e:  # noqa: BLE001
            words[name] = str(e).replace("\n", " ")[:200]
    for name, (want, how) in said.items():
        if compare.outputs(got, want, case, how) is None:
            return Verdict(case, "agree")
    rule = decisions.find(case, ["breaking"], case.why)
    if rule:
        return Verdict(case, "decided", "breaking", "", rule)
    return Verdict(case, "taken" if said or words else "ran", f"not {','.join(words)}" if words else "",
                   " || ".join(f"{k}: {v}" for k, v in words.items()))


def plan(options):
    """(schema, index) of all cases, in the order of the schemas."""
    found = []
    for (domain, name), versions in cases.schemas().items():
        full = f"{domain}.{name}" if domain else name
        if options.op and not any(fnmatch.fnmatch(full, g) or fnmatch.fnmatch(name, g) for g in options.op):
            continue
        if (domain, name) not in draw.REGISTRY:
            continue
        for schema in versions:
            if options.newest and schema is not versions[-1]:
                continue
            if options.version and schema.since_version != options.version:
                continue
            n = options.count or max(options.least, len(cases.pairs(schema)) * options.rounds)
            found += [(schema, options.first + i) for i in range(n)]
    return found


def send(pipe, thing):
    data = pickle.dumps(thing)
    os.write(pipe, struct.pack("<I", len(data)))
    while data:
        data = data[os.write(pipe, data):]


def work(pipe, batch, options):
    lib = library.Library(options.library)
    for position, (schema, index, without) in batch:
        options.without = set(options.always_without) | without
        send(pipe, ("at", position, "generator"))
        try:
            case = cases.make(schema, index, options.seed)
        except cases.GeneratorFault as e:
            print(f"generator: {e}", flush=True)
            case = None
        if case is None:
            send(pipe, ("done", position, None))
            continue
        step = lambda who: send(pipe, ("at", position, who))  # noqa: E731
        if options.breaks:
            for n, broken in enumerate(breaking.variants(case, options.seed)):
                send(pipe, ("verdict", position, examine_broken(broken, lib, options, step)))
            send(pipe, ("done", position, None))
        else:
            send(pipe, ("verdict", position, examine(case, lib, options, step)[0]))
            send(pipe, ("done", position, None))
    os._exit(0)


class Reader:
    """Messages of a worker."""

    def __init__(self, pipe):
        self.pipe, self.data = pipe, b""

    def next(self, seconds):
        """A message, None at the end, "late" when nothing came."""
        while True:
            if len(self.data) >= 4:
                n = struct.unpack("<I", self.data[:4])[0]
                if len(self.data) >= 4 + n:
                    message, self.data = pickle.loads(self.data[4:4 + n]), self.data[4 + n:]
                    return message
            if not select.select([self.pipe], [], [], seconds)[0]:
                return "late"
            more = os.read(self.pipe, 1 << 16)
            if not more:
                return None
            self.data += more


def run_batch(batch, options, keep):
    """Runs a batch in a child. Returns what is left to do after a crash."""
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            work(write, batch, options)
        finally:
            os._exit(3)
    os.close(write)
    reader, at, who, done = Reader(read), batch[0][0], "start", set()
    while True:
        message = reader.next(SECONDS_A_STEP * (5 if options.slow else 1))
        if message in (None, "late"):
            break
        kind, position, what = message
        at = position
        if kind == "at":
            who = what
        elif kind == "done":
            done.add(position)
        elif what is not None:
            keep(what)
    if message == "late":
        os.kill(child, signal.SIGKILL)
    os.close(read)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = [b for b in batch if b[0] not in done]
    if status == 0 or not left:
        return []
    how = "hang" if message == "late" else f"crash ({status})"
    head, (schema, index, without) = left[0]
    case = cases.make(schema, index, options.seed)
    if who in peers.PEERS:
        options.peer_crashes[who, f"{case.op}-{case.version}", how] += 1
        return [(head, (schema, index, without | {who}))] + left[1:]
    if case is None:  # it took too long to find that there is none
        return left[1:]
    keep(Verdict(case, "hang" if message == "late" else "crash", who, how))
    return left[1:]


def report(verdicts, options, seconds):
    counts = collections.Counter(v.kind for v in verdicts)
    groups = collections.OrderedDict()
    quiet = {"agree", "decided"} | (set() if options.verbose else {"alone", "none", "split", "ran", "missing"})
    for v in verdicts:
        if v.kind not in quiet:
            groups.setdefault((v.kind, v.op, v.version if options.by_version else "", v.who, v.why), []).append(v)
    for (kind, op, _, who, why), found in sorted(groups.items(), key=lambda g: (g[0][0], g[0][1])):
        types = sorted({"/".join(t.split("(", 1)[1][:-1] for t in v.whole.values()) for v in found if v.whole})
        print(f"{kind:8} {op:24} {len(found):4}x {who} {why} e.g. {found[0].name} {' '.join(types[:6])}\n"
              f"         {found[0].text[:options.width]}")
    for (who, op, how), n in sorted(options.peer_crashes.items()):
        print(f"note: {who} itself: {how} on {op}, {n} times")
    total = sum(counts.values())
    print(f"{total} cases in {seconds:.0f} s: " + ", ".join(f"{n} {k}" for k, n in counts.most_common()))
    return total, {k: n for k, n in counts.items() if k not in ("agree", "alone", "none", "split", "decided", "ran", "missing")}


def coverage(verdicts):
    """Operators x versions x types that no case was compared on."""
    compared, ran = set(), set()
    for v in verdicts:
        for pair in v.whole.items() or [("", "")]:
            ran.add((v.domain, v.op, v.version) + pair)
            if v.kind in ("agree", "split", "differ", "decided"):
                compared.add((v.domain, v.op, v.version) + pair)
    total, lines = 0, []
    for (domain, name), versions in cases.schemas().items():
        for s in versions:
            wanted = [(domain, name, s.since_version) + p for p in cases.pairs(s)]
            total += len(wanted)
            for title, have in (("never ran", ran), ("never compared", compared)):
                missing = [w for w in wanted if w not in have and (title == "never ran" or w in ran)]
                if missing:
                    lines.append(f"{title}: {domain or 'ai.onnx'} {name}-{s.since_version}: " +
                                 " ".join(f"{w[3]}={w[4]}" for w in missing))
    return total, len(ran), len(compared), lines


def show(lib, options):
    """One case, in full."""
    name, index = options.case.split("#")
    name, version = name.rsplit("-", 1)
    domain, _, op = name.rpartition(".")
    schema = next(s for s in cases.schemas()[domain, op] if s.since_version == int(version))
    case = cases.make(schema, int(index), options.seed)
    options.without = set(options.always_without)
    np.set_printoptions(threshold=200, linewidth=160)
    print(f"{case.name} opset {case.opset} types {case.types}\nattributes {case.attributes}")
    for i, (v, k) in enumerate(zip(case.inputs, case.constant)):
        kind = f"{v.dtype}{list(v.shape)}" if isinstance(v, np.ndarray) else type(v).__name__
        print(f"x{i}{' (initializer)' if k else ''}: {kind}\n{v}")
    verdict, got, said = examine(case, lib, options, lambda who: None)
    print("onnxtap:", got, sep="\n")
    for peer, (want, how) in said.items():
        print(f"{peer}{how}:", want, sep="\n")
    print(verdict.kind, verdict.who, verdict.text, verdict.decided)
    if options.save:
        onnx.save(cases.model_of(case)[0], options.save)


def find_library(given):
    root = HERE.parent.parent
    for path in [given, *(root / "build" / kind / "libonnxtap.so" for kind in ("release", "dev"))]:
        if path and os.path.exists(path):
            return str(path)
    print("skipped: no libonnxtap.so (option --library)")
    sys.exit(SKIPPED)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--library")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--op", action="append", default=[], metavar="GLOB")
    p.add_argument("--version", type=int)
    p.add_argument("--newest", action="store_true", help="only the newest version of each operator")
    p.add_argument("--count", type=int, default=0, help="cases a version")
    p.add_argument("--rounds", type=int, default=1, help="cases for each type of a version, where --count is not given")
    p.add_argument("--least", type=int, default=8, help="cases a version at least, where --count is not given")
    p.add_argument("--first", type=int, default=0, help="index of the first case")
    p.add_argument("--break", dest="breaks", action="store_true")
    p.add_argument("--without", dest="always_without", action="append", default=[], metavar="PEER")
    p.add_argument("--case")
    p.add_argument("--save", help="with --case: write the model there")
    p.add_argument("--coverage", action="store_true")
    p.add_argument("--by-version", action="store_true")
    p.add_argument("--batch", type=int, default=100)
    p.add_argument("--slow", action="store_true", help="more patience, for sanitizers")
    p.add_argument("--width", type=int, default=300)
    p.add_argument("--unused", action="store_true", help="rows of decisions.py that no case needed")
    p.add_argument("--json", metavar="FILE")
    p.add_argument("-v", "--verbose", action="store_true")
    return p.parse_args()


def main():
    options = arguments()
    options.library = find_library(options.library)
    options.peer_crashes = collections.Counter()
    if options.case:
        return show(library.Library(options.library), options)
    start, verdicts = time.monotonic(), []
    todo = [(i, (schema, index, frozenset())) for i, (schema, index) in enumerate(plan(options))]
    while todo:
        batch, todo = todo[:options.batch], todo[options.batch:]
        while batch:
            batch = run_batch(batch, options, verdicts.append)
    total, wrong = report(verdicts, options, time.monotonic() - start)
    if options.coverage:
        wanted, ran, compared, lines = coverage(verdicts)
        print(*lines, sep="\n")
        print(f"{wanted} combinations of operator, version and type: {ran} ran, {compared} compared")
    if options.unused:
        print("rows of decisions.py that no case needed:", *decisions.unused(" ".join(v.decided for v in verdicts)), sep="\n  ")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps([vars(v) for v in verdicts], indent=0))
    return 1 if wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
