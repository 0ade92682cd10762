#!/usr/bin/env python3
"""Makes the models of this folder and what they must compute.

    python3 make.py [NAME...]

NAME.onnxtxt, in the text form of onnx.parser, becomes NAME.onnx and NAME.ref. The .ref has an input set and every value of
the graph, of its functions and of its bodies, iteration by iteration, under the names that selectors know them by, as
onnx.reference computes them node by node. Needs the packages onnx and numpy; the tests need neither.

A line of a .ref: ROLE NAME TYPE, where ROLE is input, value, output, or alias (a value by the name that a function has for
it, where its caller has another), and TYPE one of
    DTYPE DIMS ELEMENT...      DIMS as 2,3; - for a scalar
    sequence N                 followed by N lines `item DTYPE DIMS ELEMENT...`
    none                       an absent optional

Lines that begin with # are directions:
    # input NAME = EXPRESSION      the input, as numpy (np) and the random generator (rng) make it
    # init NAME = EXPRESSION       an initializer, likewise
    # rename NAME = NEW            a name that the text form cannot write, everywhere in the model
    # order = 2 0 1                the nodes of the graph lie in the file in this order; all need names then
    # broken                       invalid on purpose: it gets no .ref
    # random                       other values in every run: it gets no .ref
"""
import pathlib
import re
import sys

try:
    import numpy as np
    import onnx
    import onnx.parser
    from onnx.reference import ReferenceEvaluator
except ImportError as missing:
    sys.exit(f"make.py needs the Python packages onnx and numpy: {missing}")

HERE = pathlib.Path(__file__).resolve().parent


class Evaluator:
    """Computes a model node by node and notes each value under its full name."""

    def __init__(self, model):
        self.model = model
        self.functions = {(f.domain, f.name): f for f in model.functions}
        self.seen = []

    def note(self, prefix, name, iterations, value):
        at = "[" + ",".join(map(str, iterations)) + "]" if iterations else ""
        self.seen.append(["value", prefix + name + at, value])

    def graph(self, graph, env, prefix, iterations, opsets):
        env = dict(env)
        for init in graph.initializer:
            env.setdefault(init.name, onnx.numpy_helper.to_array(init))
            self.note(prefix, init.name, iterations, env[init.name])
        self.nodes(graph.node, env, prefix, iterations, opsets, {})
        return [env[o.name] for o in graph.output]

    def nodes(self, nodes, env, prefix, iterations, opsets, attrs):
        for index, node in enumerate(nodes):
            address = prefix + (node.name or f"#{index}:{node.op_type}")
            node = self.with_attributes(node, attrs)
            given = [env[i] if i else None for i in node.input]
            function = self.functions.get((node.domain, node.op_type))
            if function is not None:
                made = self.call(function, node, given, address, iterations)
            elif node.op_type in self.BODIES:
                made = self.BODIES[node.op_type](self, node, given, env, address, iterations, opsets)
            else:
                made = self.operator(node, given, opsets)
            for name, value in zip(node.output, made):
                if name:
                    env[name] = value
                    self.note(prefix, name, iterations, value)

    @staticmethod
    def with_attributes(node, attrs):
        """Replaces references to a function's attributes by what its call gave."""
        out = onnx.NodeProto()
        out.CopyFrom(node)
        del out.attribute[:]
        for a in node.attribute:
            if not a.ref_attr_name:
                out.attribute.append(a)
            elif a.ref_attr_name in attrs:
                b = out.attribute.add()
                b.CopyFrom(attrs[a.ref_attr_name])
                b.name = a.name
        return out

    def operator(self, node, given, opsets):
        """The node alone, as a model of one node. Its names may clash with those of the optional inputs: numbers serve."""
        one = onnx.NodeProto()
        one.CopyFrom(node)
        feeds = {}
        for i, value in enumerate(given):
            one.input[i] = "" if value is None else f"i{i}"
            if value is not None:
                feeds[f"i{i}"] = value
        del one.output[:]
        one.output.extend(f"o{i}" if o else "" for i, o in enumerate(node.output))
        graph = onnx.helper.make_graph(
            [one], "one", [onnx.helper.make_empty_tensor_value_info(f) for f in feeds],
            [onnx.helper.make_empty_tensor_value_info(o) for o in one.output if o])
        model = onnx.helper.make_model(graph, opset_imports=opsets)
        got = iter(ReferenceEvaluator(model).run(None, feeds))
        made = [next(got) if o else None for o in node.output]
        # onnx.reference has an optional as a list of its element.
        return [made[0][0]] if node.op_type == "Optional" else made

    def call(self, function, node, given, address, iterations):
        attrs = {a.name: a for a in function.attribute_proto}
        attrs.update({a.name: a for a in node.attribute})
        env = dict(zip(function.input, given + [None] * (len(function.input) - len(given))))
        first = len(self.seen)
        self.nodes(function.node, env, address + "/", iterations, function.opset_import, attrs)
        handed = {f"{address}/{inner}" for inner, outer in zip(function.output, node.output) if outer}
        for seen in self.seen[first:]:
            if seen[1].split("[")[0] in handed:
                seen[0] = "alias"
        return [env[o] for o in function.output]

    @staticmethod
    def body(node, name):
        return next(a.g for a in node.attribute if a.name == name)

    @staticmethod
    def number(node, name, otherwise):
        return next((a.i for a in node.attribute if a.name == name), otherwise)

    def run_body(self, graph, values, env, prefix, iterations, opsets):
        env = {**env, **{i.name: v for i, v in zip(graph.input, values)}}
        for i, v in zip(graph.input, values):
            self.note(prefix, i.name, iterations, v)
        return self.graph(graph, env, prefix, iterations, opsets)

    def if_(self, node, given, env, address, iterations, opsets):
        name = "then_branch" if bool(np.asarray(given[0]).reshape(())) else "else_branch"
        return self.run_body(self.body(node, name), [], env, f"{address}/{name}/", iterations, opsets)

    def loop(self, node, given, env, address, iterations, opsets):
        body = self.body(node, "body")
        most = int(given[0].reshape(())) if given[0] is not None else 1 << 40
        go_on = bool(np.asarray(given[1]).reshape(())) if len(given) > 1 and given[1] is not None else True
        carried, scanned, k = list(given[2:]), None, 0
        while k < most and go_on:
            values = [np.array(k, np.int64), np.array(go_on)] + carried
            made = self.run_body(body, values, env, address + "/body/", iterations + [k], opsets)
            go_on = bool(np.asarray(made[0]).reshape(()))
            carried, extra = made[1:1 + len(carried)], made[1 + len(carried):]
            scanned = [s + [e] for s, e in zip(scanned or [[] for _ in extra], extra)]
            k += 1
        return carried + [np.stack(s) for s in scanned or []]

    def scan(self, node, given, env, address, iterations, opsets):
        body, n = self.body(node, "body"), self.number(node, "num_scan_inputs", 0)
        states, scanned, out = given[:len(given) - n], given[len(given) - n:], None
        for k in range(scanned[0].shape[0]):
            made = self.run_body(body, states + [s[k] for s in scanned], env, address + "/body/", iterations + [k], opsets)
            states, extra = made[:len(states)], made[len(states):]
            out = [s + [e] for s, e in zip(out or [[] for _ in extra], extra)]
        return states + [np.stack(s) for s in out or []]

    BODIES = {"If": if_, "Loop": loop, "Scan": scan}


def element(x):
    if isinstance(x, (str, np.str_)):
        return f'"{x}"'
    if isinstance(x, (bool, np.bool_)):
        return str(int(x))
    if isinstance(x, (int, np.integer)):
        return str(int(x))
    return repr(float(x))


def typed(value):
    a = np.asarray(value)
    dtype = "string" if a.dtype.kind in "OU" else a.dtype.name
    dims = ",".join(map(str, a.shape)) or "-"
    return " ".join([dtype, dims] + [element(x) for x in a.reshape(-1).tolist()])


def lines(role, name, value):
    if value is None:
        return [f"{role} {name} none"]
    if isinstance(value, list):
        return [f"{role} {name} sequence {len(value)}"] + [f"item {typed(v)}" for v in value]
    return [f"{role} {name} {typed(value)}"]


def directions(text, word):
    return dict(re.findall(rf"^# {word} (\S+) = (.*)$", text, re.M))


def computed(expression, rng):
    return eval(expression, {"np": np, "rng": rng})  # the project's own files


def inputs_of(model, text, rng):
    given = directions(text, "input")
    known = {i.name for i in model.graph.initializer}
    out = {}
    for port in model.graph.input:
        if port.name in given:
            out[port.name] = computed(given[port.name], rng)
        elif port.name not in known:
            t = port.type.tensor_type
            dims = [d.dim_value or 2 for d in t.shape.dim]
            dtype = onnx.helper.tensor_dtype_to_np_dtype(t.elem_type)
            out[port.name] = np.asarray(rng.uniform(-2, 2, dims)).astype(dtype)
    return out


def rename(graph, names):
    """Values of a graph and its bodies."""
    for node in graph.node:
        node.input[:] = [names.get(i, i) for i in node.input]
        node.output[:] = [names.get(o, o) for o in node.output]
        node.name = names.get(node.name, node.name)
        for a in node.attribute:
            if a.HasField("g"):
                rename(a.g, names)
    for value in [*graph.input, *graph.output, *graph.initializer, *graph.value_info]:
        value.name = names.get(value.name, value.name)


def build(text):
    rng = np.random.default_rng(3)
    model = onnx.parser.parse_model("\n".join(l for l in text.splitlines() if not l.startswith("#")))
    for name, expression in directions(text, "init").items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(computed(expression, rng), name))
    rename(model.graph, directions(text, "rename"))
    return model


def make(path):
    text = path.read_text()
    model = build(text)
    saved = onnx.ModelProto()
    saved.CopyFrom(model)
    order = re.search(r"^# order = (.*)$", text, re.M)
    if order:
        del saved.graph.node[:]
        saved.graph.node.extend(model.graph.node[int(i)] for i in order[1].split())
    onnx.save(saved, path.with_suffix(".onnx"))
    if re.search(r"^# (broken|random)", text, re.M):
        return
    onnx.checker.check_model(model)
    inputs = inputs_of(model, text, np.random.default_rng(7))
    e = Evaluator(model)
    outputs = e.graph(model.graph, inputs, "", [], model.opset_import)
    out = [l for name, v in inputs.items() for l in lines("input", name, v)]
    out += [l for role, name, v in e.seen for l in lines(role, name, v)]
    out += [l for port, v in zip(model.graph.output, outputs) for l in lines("output", port.name, v)]
    path.with_suffix(".ref").write_text("\n".join(out) + "\n")


for source in sorted(HERE.glob("*.onnxtxt")):
    if len(sys.argv) == 1 or source.stem in sys.argv[1:]:
        make(source)
        print(source.stem)
