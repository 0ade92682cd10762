#!/usr/bin/env python3
"""Compares onnx/onnx.proto with the descriptors of the onnx package, in both directions.

Compared: messages, and of each field its number, name, type, label, packing and oneof; enums with their values;
reserved numbers. Exit status: 0 equal, 1 different (a line per difference), 2 when onnx.proto does not compile, 77
when there is nothing to compare with: no onnx package, one of an older IR version, or no protoc.

usage: check_onnx_proto.py [path/to/onnx.proto]
"""

import os
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


try:
    from google.protobuf import descriptor_pb2
    from onnx import onnx_data_pb2, onnx_ml_pb2
except ImportError as missing:
    skip(f"{missing}")

Field = descriptor_pb2.FieldDescriptorProto


def compile_proto(path):
    """File descriptor of a .proto file, made by protoc."""
    protoc = shutil.which("protoc") or skip("protoc is not installed")
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, "set")
        made = subprocess.run(
            [protoc, f"-I{folder}", f"--descriptor_set_out={out}", os.path.basename(path)], cwd=folder, check=False
        )
        if made.returncode != 0:
            sys.exit(2)
        with open(out, "rb") as stream:
            return descriptor_pb2.FileDescriptorSet.FromString(stream.read()).file


def installed():
    """File descriptors of the onnx package: the model messages and those of data files."""
    for module in (onnx_ml_pb2, onnx_data_pb2):
        proto = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(proto)
        yield proto


def without_package(name, package):
    return name.removeprefix(f".{package}.")


def field_facts(message, field, package):
    kind = without_package(field.type_name, package) or Field.Type.Name(field.type)
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    label = Field.Label.Name(field.label)
    return f"{field.name} = {field.number}: {label} {kind} packed={field.options.packed} oneof={oneof!r}"


def enum_facts(prefix, enum, facts):
    for value in enum.value:
        facts[f"enum {prefix}{enum.name}.{value.name}"] = str(value.number)


def message_facts(prefix, message, package, facts):
    name = prefix + message.name
    facts[f"message {name}"] = "exists"
    for field in message.field:
        facts[f"field {name}.{field.number}"] = field_facts(message, field, package)
    for reserved in message.reserved_range:
        for number in range(reserved.start, reserved.end):
            facts[f"reserved {name}.{number}"] = "exists"
    for enum in message.enum_type:
        enum_facts(f"{name}.", enum, facts)
    for nested in message.nested_type:
        message_facts(f"{name}.", nested, package, facts)


def all_facts(files):
    facts = {}
    for proto in files:
        for enum in proto.enum_type:
            enum_facts("", enum, facts)
        for message in proto.message_type:
            message_facts("", message, proto.package, facts)
    return facts


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "onnx", "onnx.proto")
    ours, theirs = all_facts(compile_proto(path)), all_facts(installed())
    version = "enum Version.IR_VERSION"
    if int(theirs[version]) < int(ours[version]):
        skip(f"the onnx package is of IR version {theirs[version]}, onnx.proto of {ours[version]}")
    different = 0
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            print(f"{key}: here {ours.get(key, 'absent')}; in the onnx package {theirs.get(key, 'absent')}")
            different += 1
    print(f"{len(theirs)} facts compared, {different} different")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
