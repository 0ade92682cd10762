#!/usr/bin/env python3
"""Every operator, version and type of the installed `onnx` package's schemas against what onnxtap has.

    python3 tests/conformance/schemas.py [--only GLOB] [--jobs 2] [--every K] [--keep FOLDER]

First what `onnxtap ops` says: each opset of each version of each operator must lie in a row, and the row must list the
types of the operand that it lists. Then what it does: for each type that a version's schema allows for each of its inputs
and outputs a model of one node is made and run; so it is for each further type that a row lists. It has to run, and what
comes out has to have the types that the schema promises. Values are not looked at.

A line for each gap; exit status 1 where there is one. GLOB is of `domain:Name-version`, such as 'ai.onnx:Conv-*'.
"""
import concurrent.futures
import fnmatch
import json
import os
import subprocess
import sys
import tempfile

import common
import schema_nodes

# Operators that onnxtap does not have, with the reason.
LEFT_OUT = {("ai.onnx.preview.training", "Gradient"): "training is not there yet"}
# Types that a schema allows and that mean nothing to its operator.
MEANINGLESS = {("Col2Im", "string"): "Col2Im adds elements up"}


def versions(onnx):
    """{(domain, name): [schema, ...]}, oldest first, and the newest opset of each domain."""
    found, newest = {}, {}
    for s in onnx.defs.get_all_schemas_with_history():
        domain = s.domain or "ai.onnx"
        found.setdefault((domain, s.name), []).append(s)
        newest[domain] = max(newest.get(domain, 1), s.since_version)
    newest["ai.onnx"] = onnx.defs.onnx_opset_version()
    for schemas in found.values():
        schemas.sort(key=lambda s: s.since_version)
    return found, newest


# ---- What `onnxtap ops` says ---------------------------------------------------------------------------------

def operand_types(schema, row):
    """The dtypes that the schema allows for the operand whose dtypes the row lists; None where it is no tensor."""
    formal = schema.outputs[:1] if row["operand"] < 0 else schema.inputs[:row["operand"] + 1]
    if not formal:
        return None
    allowed = {t.type_param_str: t.allowed_type_strs for t in schema.type_constraints}.get(formal[-1].type_str, [formal[-1].type_str])
    return {schema_nodes.dtype_name(t) for t in allowed if t.startswith("tensor(")}


def check_rows(found, newest, rows):
    for key, schemas in sorted(found.items()):
        if key in LEFT_OUT:
            continue
        for i, s in enumerate(schemas):
            end = schemas[i + 1].since_version - 1 if i + 1 < len(schemas) else newest[key[0]]
            name = f"{key[0]}:{key[1]}-{s.since_version}"
            if s.deprecated:
                end = s.since_version
            for opset in range(s.since_version, end + 1):
                row = [r for r in rows.get(key, []) if r["since"] <= opset and (r["until"] is None or opset <= r["until"])]
                if len(row) != 1:
                    yield name, f"opset {opset} lies in {len(row)} rows of `onnxtap ops`"
                    continue
                types = operand_types(s, row[0])
                lacks = sorted(types - set(row[0]["dtypes"])) if types else []
                lacks = [t for t in lacks if (key[1], t) not in MEANINGLESS]
                if lacks:
                    yield name, f"its row in `onnxtap ops` does not list {', '.join(lacks)}"
                    break


# ---- What it does --------------------------------------------------------------------------------------------

def attempt(command, folder, number, case):
    """What is wrong with the case's model, or None."""
    where = os.path.join(folder, f"{number:05}.onnx")
    arguments = [command, "run", where, "--json", "--threads", "1"]
    with open(where, "wb") as f:
        f.write(case.model.SerializeToString())
    for name, data in case.inputs.items():
        path = os.path.join(folder, f"{number:05}_{name}.pb")
        with open(path, "wb") as f:
            f.write(data)
        arguments += ["-i", f"{name}={path}"]
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        return common.first_lines(done.stderr) or f"exit status {done.returncode}"
    got = {o["name"]: o["dtype"] for o in json.loads(done.stdout)["outputs"] if "dtype" in o}
    for name, want in case.dtypes.items():
        if name in got and got[name] != want:
            return f"output {name} is {got[name]}, not {want}"
    return None


def wanted_cases(schema, wanted):
    for case in schema_nodes.cases(schema):
        if wanted(case.name.split(" ")[0]) and (schema.name, case.dtype) not in MEANINGLESS:
            yield case


def claimed_cases(found, rows, wanted):
    """Of each row the types beyond those of the schema: the newest one of its opsets."""
    for key, list_of_rows in sorted(rows.items()):
        for row in list_of_rows:
            schemas = [s for s in found.get(key, []) if s.since_version <= (row["until"] or s.since_version)]
            if not schemas or key in LEFT_OUT:
                continue
            types = operand_types(schemas[-1], row)
            formal = (schemas[-1].outputs if row["operand"] < 0 else schemas[-1].inputs)[max(row["operand"], 0)]
            if not types or "(" in formal.type_str:
                continue
            for dtype in sorted(set(row["dtypes"]) - types):
                case = schema_nodes.case(schemas[-1], formal.type_str, schema_nodes.type_of(dtype))
                if wanted(case.name.split(" ")[0]):
                    case.name += " (listed by `onnxtap ops`)"
                    yield case


def run_all(command, folder, cases, jobs):
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda c: attempt(command, folder, *c), enumerate(cases))
        for case, wrong in zip(cases, results):
            if wrong:
                yield case.name, wrong


def main():
    parser = common.arguments(__doc__, folder=None)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, metavar="K", help="run every K-th model only")
    parser.add_argument("--keep", metavar="FOLDER", help="leave the models there")
    options = parser.parse_args()
    onnx = common.need("numpy", "onnx", "ml_dtypes")[1]
    command = common.find_command(options.onnxtap)
    found, newest = versions(onnx)
    rows = {}
    for row in json.loads(subprocess.run([command, "ops", "--json"], capture_output=True, check=True).stdout)["operators"]:
        rows.setdefault((row["domain"], row["op"]), []).append(row)
    wanted = lambda name: not options.only or any(fnmatch.fnmatch(name, g) for g in options.only)
    gaps = [(n, w) for n, w in check_rows(found, newest, rows) if wanted(n)]
    cases = [c for key, schemas in sorted(found.items()) if key not in LEFT_OUT for s in schemas for c in wanted_cases(s, wanted)]
    cases += claimed_cases(found, rows, wanted)
    cases = cases[::options.every]
    with tempfile.TemporaryDirectory() as made:
        folder = options.keep or made
        os.makedirs(folder, exist_ok=True)
        gaps += run_all(command, folder, cases, options.jobs)
    for name, wrong in gaps:
        print(f"{name}: {wrong}")
    n = sum(len(s) for s in found.values())
    print(f"{len(found)} operators, {n} versions, {len(cases)} models run, {len(gaps)} gaps")
    common.write_json(options.json, [list(g) for g in gaps])
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main())
