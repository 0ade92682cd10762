"""A case: one node with its data, made from (schema, index, seed) alone, and the model that holds it."""
import dataclasses
import itertools
import zlib

import numpy as np
import onnx
from onnx import helper, numpy_helper

import draw
import microsoft
import values

NEWEST = {microsoft.DOMAIN: 1, "": 28, "ai.onnx.ml": 5, "ai.onnx.preview": 1, "ai.onnx.preview.training": 1}
NODE = "the_node"
TRIES = 25


class GeneratorFault(Exception):
    pass


def schemas():
    """All versions of all operators: a dict by (domain, name), each a list in ascending order."""
    found = {}
    for s in onnx.defs.get_all_schemas_with_history():
        if not s.deprecated:
            found.setdefault((s.domain, s.name), []).append(s)
    for s in microsoft.schemas():
        found.setdefault((s.domain, s.name), []).append(s)
    return {k: sorted(v, key=lambda s: s.since_version) for k, v in sorted(found.items())}


def last_opset(schema):
    """The newest opset in which this version of the operator holds."""
    later = [s.since_version for s in onnx.defs.get_all_schemas_with_history()
             if (s.domain, s.name) == (schema.domain, schema.name) and s.since_version > schema.since_version]
    return min(later) - 1 if later else NEWEST[schema.domain]


def variables(schema):
    return {c.type_param_str: [t for t in c.allowed_type_strs] for c in schema.type_constraints}


def pairs(schema):
    """All (type variable, type) of a schema."""
    return [(v, t) for v, types in variables(schema).items() for t in sorted(types)] or [("", "")]


@dataclasses.dataclass
class Case:
    domain: str
    op: str
    version: int
    opset: int
    index: int
    types: dict      # type variable -> "float"
    whole: dict      # type variable -> "seq(tensor(float))"
    attributes: dict
    inputs: list
    outputs: list    # a truth value each
    constant: list   # which inputs are initializers
    schema: object = None
    edit: object = None  # what breaks it: a function of the NodeProto
    why: str = ""

    @property
    def name(self):
        return f"{self.domain + '.' if self.domain else ''}{self.op}-{self.version}#{self.index}"


def type_of(value):
    if isinstance(value, values.Sequence):
        return onnx.helper.make_sequence_type_proto(helper.make_tensor_type_proto(values.NUMBER[value.of], None))
    if isinstance(value, values.Nothing):
        return type_named(value.of)
    if isinstance(value, dict):
        key = "int64" if all(isinstance(k, (int, np.integer)) for k in value) else "string"
        some = next(iter(value.values()), 0.0)
        kind = "string" if isinstance(some, str) else "int64" if isinstance(some, (int, np.integer)) else \
            "double" if isinstance(some, np.float64) else "float"
        return helper.make_map_type_proto(values.NUMBER[key], helper.make_tensor_type_proto(values.NUMBER[kind], ()))
    return helper.make_tensor_type_proto(values.NUMBER[values.NAME[value.dtype]], value.shape)


def type_named(text):
    """"optional(seq(tensor(float)))" as a TypeProto."""
    outer, _, inner = text.partition("(")
    inner = inner[:-1]
    if outer == "tensor":
        return helper.make_tensor_type_proto(values.NUMBER[inner], None)
    make = helper.make_sequence_type_proto if outer == "seq" else helper.make_optional_type_proto
    return make(type_named(inner))


def attribute(schema, name, value):
    if isinstance(value, np.ndarray):
        value = numpy_helper.from_array(value)
    known = schema.attributes.get(name) if schema else None
    kind = onnx.AttributeProto.AttributeType.Value(known.type.name) if known else None
    return helper.make_attribute(name, value, attr_type=kind)


def node_of(case):
    node = helper.make_node(case.op, [], [], name=NODE, domain=case.domain)
    node.input.extend("" if v is None else f"x{i}" for i, v in enumerate(case.inputs))
    while node.input and node.input[-1] == "" and case.schema and len(node.input) > case.schema.min_input:
        del node.input[-1]
    node.output.extend(f"y{i}" if o else "" for i, o in enumerate(case.outputs))
    node.attribute.extend(attribute(case.schema, k, v) for k, v in case.attributes.items() if v is not None)
    if case.edit:
        case.edit(node)
    return node


def model_of(case, opset=None):
    """The model, and what is to be fed at run time."""
    opset = opset or case.opset
    node = node_of(case)
    infos, constants, feeds = [], [], {}
    for i, (value, constant) in enumerate(zip(case.inputs, case.constant)):
        if value is None:
            continue
        if constant and isinstance(value, np.ndarray):
            constants.append(numpy_helper.from_array(value, f"x{i}"))
        else:
            infos.append(helper.make_value_info(f"x{i}", type_of(value)))
            feeds[f"x{i}"] = value
    outputs = [helper.make_empty_tensor_value_info(n) for n in node.output if n]
    graph = helper.make_graph([node], "case", infos, outputs, initializer=constants)
    opsets = [helper.make_opsetid(case.domain, opset)]
    if case.domain:
        opsets.append(helper.make_opsetid("", 21))
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), feeds


def choose_types(schema, index, attempt, r):
    """The index-th pair of the schema is there; the other variables are drawn."""
    all_pairs = pairs(schema)
    var, forced = all_pairs[index % len(all_pairs)]
    chosen = {v: types[int(r.integers(0, len(types)))] for v, types in variables(schema).items()}
    if var:
        chosen[var] = forced
    return chosen


def make(schema, index, seed):
    """The case, or None where the generator has none with these types."""
    generator = draw.REGISTRY.get((schema.domain, schema.name))
    if generator is None:
        return None
    key = [seed, zlib.crc32(f"{schema.domain}.{schema.name}".encode()), schema.since_version, index]
    for attempt in range(TRIES):
        source = np.random.SeedSequence(key + [attempt])
        r = np.random.Generator(np.random.PCG64(source))
        opset = int(r.integers(schema.since_version, last_opset(schema), endpoint=True))
        whole = choose_types(schema, index, attempt, r)
        types = {v: values.element(t) for v, t in whole.items()}
        d = draw.Draw(schema, opset, whole, types, source.spawn(1)[0])
        try:
            attributes, inputs, outputs = generator(d)
        except draw.Skip:
            continue
        except Exception as e:
            raise GeneratorFault(f"{schema.name}-{schema.since_version}#{index} {types}: {type(e).__name__}: {e}") from e
        constant = [isinstance(v, draw.Fixed) or d.chance(0.25) for v in inputs]
        inputs = [v.value if isinstance(v, draw.Fixed) else v for v in inputs]
        outputs = [True] * outputs if isinstance(outputs, int) else [bool(o) for o in outputs]
        attributes = {k: v for k, v in attributes.items() if v is not None and k in schema.attributes}
        return Case(schema.domain, schema.name, schema.since_version, opset, index, types, whole, attributes, inputs, outputs,
                    constant, schema)
    return None


def retyped(case, mapping):
    """The same case with other element types, or None where attributes forbid it."""
    def cast(v):
        if isinstance(v, values.Sequence):
            return values.Sequence([cast(x) for x in v], mapping.get(v.of, v.of))
        if isinstance(v, np.ndarray) and values.NAME[v.dtype] in mapping:
            with np.errstate(all="ignore"):
                return v.astype(values.NUMPY[mapping[values.NAME[v.dtype]]])
        return v
    for v in itertools.chain(case.attributes.values()):
        if isinstance(v, (onnx.GraphProto, onnx.TensorProto)):
            return None
    types = {k: mapping.get(t, t) for k, t in case.types.items()}
    return dataclasses.replace(case, inputs=[cast(v) for v in case.inputs], types=types)
