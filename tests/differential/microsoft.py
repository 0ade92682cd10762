"""The schemas of com.microsoft, as ONNX Runtime has them, in the shape of those of the onnx package."""
import types

from onnxruntime.capi import onnxruntime_pybind11_state as state

DOMAIN = "com.microsoft"
# ONNX Runtime's own operators that it registers in ai.onnx.
IN_ONNX = {"SimplifiedLayerNormalization"}
NO_TYPE = {"tensor(complex64)", "tensor(complex128)", "tensor(float4e2m1)"}


def attribute(a):
    return types.SimpleNamespace(name=a.name, required=a.required, type=types.SimpleNamespace(name=a.type.name))


def kernel_types():
    """By operator and type variable, the types that the CPU has a kernel for."""
    found = {}
    for k in state.get_all_opkernel_def():
        if k.provider != "CPUExecutionProvider" or k.domain != DOMAIN and k.op_name not in IN_ONNX:
            continue
        for variable, allowed in k.type_constraints.items():
            found.setdefault((k.op_name, variable), set()).update(allowed)
    return found


def parameter(p):
    return types.SimpleNamespace(name=p.name, type_str=p.typeStr, option=types.SimpleNamespace(name=p.option.name),
                                 is_homogeneous=p.isHomogeneous)


def schemas():
    kernels, found = kernel_types(), []
    for s in state.get_all_operator_schema():
        if s.domain != DOMAIN and not (s.domain == "" and s.name in IN_ONNX):
            continue
        constraints = []
        for c in s.type_constraints:
            allowed = [t for t in c.allowed_type_strs if t not in NO_TYPE]
            run = [t for t in allowed if t in kernels.get((s.name, c.type_param_str), ())]
            # What no kernel has is drawn, too, where it is a float: a peer is asked with float32 then.
            wider = [t for t in allowed if t in ("tensor(float16)", "tensor(bfloat16)", "tensor(double)")]
            constraints.append(types.SimpleNamespace(type_param_str=c.type_param_str,
                                                     allowed_type_strs=sorted(set(run + wider)) or allowed,
                                                     listed=list(c.allowed_type_strs)))  # with what no kernel has
        found.append(types.SimpleNamespace(
            domain=s.domain, name=s.name, since_version=s.since_version, deprecated=False, type_constraints=constraints,
            attributes={n: attribute(a) for n, a in s.attributes.items()}, min_input=s.min_input, max_input=s.max_input,
            min_output=s.min_output, max_output=s.max_output, inputs=[parameter(p) for p in s.inputs],
            outputs=[parameter(p) for p in s.outputs]))
    return sorted(found, key=lambda s: s.since_version)
