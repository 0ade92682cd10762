"""Models of one node for schemas.py: for each type that a schema allows for each of its type parameters.

By default every input that has to be there is a tensor of shape [2, 3] with small values, a variadic one is two of them,
and there are no attributes. NODES says what else an operator needs."""
import re

SHAPE = (2, 3)
# Which type a parameter has while another one is looked at: the first that it allows.
USUAL = ["tensor(float)", "tensor(int64)", "tensor(uint8)", "tensor(int32)", "tensor(bool)", "tensor(string)", "seq(tensor(float))",
         "optional(tensor(float))"]


class Case:
    """name; dtype that is looked at, or None; model; inputs {name: bytes of a .pb}; dtypes {output: what it has to be}."""

    def __init__(self, name, dtype, model, inputs, dtypes):
        self.name, self.dtype, self.model, self.inputs, self.dtypes = name, dtype, model, inputs, dtypes


class Values:
    """An input with these values; its dtype is the type parameter's."""

    def __init__(self, values):
        self.values = values


def elem_of(type_str):
    """'tensor(float)', 'seq(tensor(float))' -> 'float'"""
    return re.findall(r"(\w+)\)", type_str)[0]


def number_of(type_str):
    """Of the element: a TensorProto.DataType."""
    from onnx import TensorProto
    return TensorProto.DataType.Value(elem_of(type_str).upper())


def dtype_name(type_str):
    """As onnxtap names it."""
    return {"float": "float32", "double": "float64"}.get(elem_of(type_str), elem_of(type_str))


def type_of(dtype):
    """The other way round."""
    return f"tensor({ {'float32': 'float', 'float64': 'double'}.get(dtype, dtype) })".replace(" ", "")


# ---- Values --------------------------------------------------------------------------------------------------

def tensor(type_str, spec, name=""):
    """A TensorProto. spec: a shape, or Values."""
    import numpy as np
    from onnx import helper, numpy_helper
    number = number_of(type_str)
    if isinstance(spec, Values):
        values = np.array(spec.values)
    else:
        values = (np.arange(int(np.prod(spec))) % 2 + 1).reshape(spec)
    if elem_of(type_str) == "string":
        return helper.make_tensor(name, number, values.shape, [str(v).encode() for v in values.ravel()])
    proto = numpy_helper.from_array(values.astype(helper.tensor_dtype_to_np_dtype(number)), name)
    assert proto.data_type == number, type_str
    return proto


def value(type_str, spec):
    """A proto of any kind."""
    import onnx
    kind, inner = re.fullmatch(r"(\w+)\((.*)\)", type_str).groups()
    if kind == "tensor":
        return tensor(type_str, spec)
    if kind == "seq" and inner.startswith("tensor"):
        return onnx.SequenceProto(elem_type=onnx.SequenceProto.TENSOR, tensor_values=[tensor(inner, spec)] * 2)
    if kind == "optional":
        item = value(inner, spec)
        if inner.startswith("tensor"):
            return onnx.OptionalProto(elem_type=onnx.OptionalProto.TENSOR, tensor_value=item)
        return onnx.OptionalProto(elem_type=onnx.OptionalProto.SEQUENCE, sequence_value=item)
    key, item = inner.split(", ")
    proto = onnx.MapProto(key_type=number_of(f"tensor({key})"), values=onnx.SequenceProto(elem_type=onnx.SequenceProto.TENSOR))
    if key == "string":
        proto.string_keys.extend([b"a", b"b"])
    else:
        proto.keys.extend([1, 2])
    for v in (1, 2):
        proto.values.tensor_values.append(tensor(f"tensor({item})", Values(v)))
    return proto


def type_proto(type_str):
    import onnx
    from onnx import helper
    kind, inner = re.fullmatch(r"(\w+)\((.*)\)", type_str).groups()
    if kind == "tensor":
        return helper.make_tensor_type_proto(number_of(type_str), None)
    if kind == "seq":
        return helper.make_sequence_type_proto(type_proto(inner))
    if kind == "optional":
        return helper.make_optional_type_proto(type_proto(inner))
    key, item = inner.split(", ")
    proto = onnx.TypeProto()
    proto.map_type.key_type = number_of(f"tensor({key})")
    proto.map_type.value_type.CopyFrom(type_proto(f"tensor({item})"))
    return proto


# ---- What the operators need ---------------------------------------------------------------------------------
# NODES[name] = function of n, which has v (version), t (type parameters) and the methods below.

NODES = {}


def needs(*names):
    def keep(f):
        for name in names:
            NODES[name] = f
        return f
    return keep


class Node:
    def __init__(self, schema, t, varied):
        self.schema, self.v, self.t, self.varied = schema, schema.since_version, t, varied
        self.specs, self.attributes, self.n_outputs, self.n_variadic = {}, {}, None, 2
        self.opset = self.v

    def set(self, **specs):
        """Inputs by name: a shape, Values, or None (left out)."""
        self.specs.update(specs)

    def attr(self, **attributes):
        self.attributes.update(attributes)

    def elem(self, parameter):
        return number_of(self.t[parameter])


IMAGE = (1, 2, 5, 5)


@needs("AveragePool", "LpPool", "MaxPool")
def _(n):
    n.set(X=IMAGE)
    n.attr(kernel_shape=[2, 2])
    if n.schema.name == "MaxPool" and n.varied == "I":
        n.n_outputs = 2


@needs("GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool")
def _(n):
    n.set(X=IMAGE)


@needs("LRN")
def _(n):
    n.set(X=IMAGE)
    n.attr(size=3)


@needs("InstanceNormalization")
def _(n):
    n.set(input=IMAGE, scale=(2,), B=(2,))


@needs("MeanVarianceNormalization")
def _(n):
    n.set(X=IMAGE)


@needs("BatchNormalization")
def _(n):
    n.set(X=IMAGE, scale=(2,), B=(2,), mean=(2,), var=(2,), input_mean=(2,), input_var=(2,))
    n.n_outputs = 1
    if n.v < 7:
        n.attr(is_test=1)
    if n.v < 6:
        n.attr(consumed_inputs=[0, 0, 0, 1, 1])


@needs("GroupNormalization")
def _(n):
    n.set(X=IMAGE, scale=(2,), bias=(2,))
    n.attr(num_groups=2)


@needs("LayerNormalization", "RMSNormalization")
def _(n):
    n.set(Scale=(3,), scale=(3,))
    if n.varied == "U":
        n.n_outputs = 2
        n.attr(stash_type=n.elem("U"))


@needs("DepthToSpace", "SpaceToDepth")
def _(n):
    n.set(input=(1, 4, 4, 4))
    n.attr(blocksize=2)


@needs("Conv", "ConvTranspose")
def _(n):
    n.set(X=IMAGE, W=(2, 2, 3, 3))


@needs("ConvInteger")
def _(n):
    n.set(x=IMAGE, w=(2, 2, 3, 3))


@needs("QLinearConv")
def _(n):
    n.set(x=IMAGE, w=(2, 2, 3, 3), x_scale=(), x_zero_point=(), w_scale=(), w_zero_point=(), y_scale=(), y_zero_point=(), B=(2,))


@needs("QLinearMatMul")
def _(n):
    n.set(a=(2, 2), b=(2, 2), a_scale=(), a_zero_point=(), b_scale=(), b_zero_point=(), y_scale=(), y_zero_point=())


    if "float8" in n.t[n.varied] and n.varied in ("T1", "T2"):
        n.t["T1"] = n.t["T2"] = n.t[n.varied]


@needs("Mod")
def _(n):
    if n.v < 28 and "float" in n.t["T"] or elem_of(n.t["T"]) == "double":
        n.attr(fmod=1)


@needs("MatMulInteger", "MatMul")
def _(n):
    n.set(A=(2, 2), B=(2, 2))


@needs("DeformConv")
def _(n):
    n.set(X=IMAGE, W=(2, 2, 3, 3), offset=(1, 18, 3, 3))


@needs("MaxRoiPool")
def _(n):
    n.set(X=IMAGE, rois=Values([[0, 0, 0, 3, 3]]))
    n.attr(pooled_shape=[2, 2])


@needs("RoiAlign")
def _(n):
    n.set(X=IMAGE, rois=Values([[0, 0, 3, 3]]), batch_indices=Values([0]))


@needs("MaxUnpool")
def _(n):
    n.set(X=(1, 1, 1, 1), I=Values([[[[3]]]]))
    n.attr(kernel_shape=[2, 2], strides=[2, 2])


@needs("GridSample")
def _(n):
    n.set(X=IMAGE, grid=(1, 2, 2, 2))
    if elem_of(n.t["T1"]) == "string":
        n.attr(mode="nearest")


@needs("AffineGrid")
def _(n):
    n.set(theta=(1, 2, 3), size=Values([1, 1, 2, 2]))


@needs("Col2Im")
def _(n):
    n.set(input=(1, 4, 4), image_shape=Values([3, 3]), block_shape=Values([2, 2]))


@needs("CenterCropPad")
def _(n):
    n.set(shape=Values([1, 4]))


@needs("Upsample")
def _(n):
    n.set(X=IMAGE, scales=Values([1.0, 1, 2, 2]))
    if n.v == 1:
        n.attr(height_scale=2.0, width_scale=2.0)
    elif n.v == 7:
        n.attr(scales=[1.0, 1.0, 2.0, 2.0])


@needs("Resize")
def _(n):
    n.set(X=IMAGE, scales=Values([1.0, 1, 2, 2]), roi=Values([0.0, 0, 0, 0, 1, 1, 1, 1]))


@needs("Attention")
def _(n):
    n.set(Q=(1, 2, 3, 4), K=(1, 2, 3, 4), V=(1, 2, 3, 4), attn_mask=(3, 3))
    if n.varied == "T2":
        n.set(past_key=(1, 2, 2, 4), past_value=(1, 2, 2, 4))


@needs("FlexAttention")
def _(n):
    n.set(Q=(1, 2, 3, 4), K=(1, 2, 3, 4), V=(1, 2, 3, 4))


@needs("LinearAttention")
def _(n):
    n.set(query=(1, 2, 4), key=(1, 2, 4), value=(1, 2, 4), past_state=(1, 1, 4, 4))
    n.attr(q_num_heads=1, kv_num_heads=1, update_rule="linear")


@needs("CausalConvWithState")
def _(n):
    n.set(input=(1, 2, 4), weight=(2, 1, 3))


@needs("RotaryEmbedding")
def _(n):
    n.set(X=(1, 2, 2, 4), cos_cache=(1, 2, 2), sin_cache=(1, 2, 2))
    if n.varied == "M":
        n.set(cos_cache=(2, 2), sin_cache=(2, 2), position_ids=Values([[0, 1]]))


@needs("TensorScatter")
def _(n):
    n.set(past_cache=(1, 1, 4, 2), update=(1, 1, 2, 2))


@needs("GRU", "LSTM", "RNN")
def _(n):
    gates = {"GRU": 3, "LSTM": 4, "RNN": 1}[n.schema.name]
    n.set(X=(2, 1, 3), W=(1, 2 * gates, 3), R=(1, 2 * gates, 2), sequence_lens=Values([2]))
    n.attr(hidden_size=2)


@needs("BitShift")
def _(n):
    n.attr(direction="LEFT")


@needs("Cast")
def _(n):
    n.set(input=Values([[1, 0, 1]]))
    n.attr(to=elem_of(n.t["T2"]).upper() if n.v < 6 else n.elem("T2"))


@needs("CastLike")
def _(n):
    n.set(input=Values([[1, 0, 1]]))


@needs("BitCast")
def _(n):
    other = "T2" if n.varied == "T1" else "T1"
    n.t[other] = n.t[n.varied or "T1"]
    n.attr(to=n.elem("T2"))


@needs("Bernoulli", "EyeLike", "Multinomial", "RandomNormalLike", "RandomUniformLike")
def _(n):
    n.attr(dtype=n.elem("T2"))
    n.set(input=Values([[0.5, 0.5], [0.25, 1]]) if elem_of(n.t["T1"]) in ("float", "double", "float16", "bfloat16") else (2, 2))


@needs("RandomNormal", "RandomUniform")
def _(n):
    n.attr(dtype=n.elem("T"), shape=[2])


@needs("BlackmanWindow", "HammingWindow", "HannWindow")
def _(n):
    n.set(size=Values(5))
    n.attr(output_datatype=n.elem("T2"))


@needs("MelWeightMatrix")
def _(n):
    n.set(num_mel_bins=Values(2), dft_length=Values(16), sample_rate=Values(100), lower_edge_hertz=Values(1),
          upper_edge_hertz=Values(40))
    n.attr(output_datatype=n.elem("T3"))


@needs("Clip")
def _(n):
    if n.v >= 11:
        n.set(min=(), max=())
    else:
        n.attr(min=0.5, max=1.5)


@needs("Compress")
def _(n):
    n.set(condition=Values([True, False]))
    n.attr(axis=0)


@needs("Concat")
def _(n):
    n.attr(axis=1)


@needs("ConcatFromSequence")
def _(n):
    n.attr(axis=0)
    agree(n, "S", "T")


@needs("Constant")
def _(n):
    n.attr(value=tensor(n.t["T"], SHAPE))


@needs("ConstantOfShape")
def _(n):
    n.set(input=Values([2, 3]))
    n.attr(value=tensor(n.t["T2"], (1,)))


@needs("CumSum", "CumProd")
def _(n):
    n.set(axis=Values(1))


@needs("DFT")
def _(n):
    n.set(input=(1, 4, 1), dft_length=Values(4), axis=None)


@needs("STFT")
def _(n):
    n.set(signal=(1, 8, 1), frame_step=Values(2), frame_length=Values(4))


@needs("DequantizeLinear")
def _(n):
    n.set(x_scale=())
    if n.v >= 23:
        n.attr(output_dtype=n.elem("T3"))


@needs("QuantizeLinear")
def _(n):
    out = "T3" if n.v >= 23 else "T2"
    n.set(y_scale=(), y_zero_point=Values(0))
    if n.varied == "T2" and n.v >= 23 and elem_of(n.t["T2"]) == "float8e8m0":
        n.attr(precision=1)
    if elem_of(n.t[out]) == "float8e8m0":
        n.set(y_zero_point=None)


@needs("Det")
def _(n):
    n.set(X=(2, 2))


@needs("Dropout")
def _(n):
    n.set(ratio=Values(0.5), training_mode=Values(False))
    if n.varied in ("T1", "T2"):
        n.n_outputs = 2
    if n.v < 6:
        n.attr(consumed_inputs=[0])


@needs("Einsum")
def _(n):
    n.attr(equation="ij,kj->ik")


@needs("Expand")
def _(n):
    n.set(shape=Values([2, 2, 3]))


@needs("Gather")
def _(n):
    n.set(indices=Values([1, 0]))


@needs("GatherElements")
def _(n):
    n.set(indices=Values([[1, 0, 1]]))


@needs("GatherND")
def _(n):
    n.set(indices=Values([[1, 0]]))


@needs("Gemm")
def _(n):
    n.set(A=(2, 3), B=(3, 2), C=(2, 2))


@needs("ImageDecoder")
def _(n):
    n.set(encoded_stream=(0,))


@needs("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def _(n):
    n.set(target=Values([0, 1]), labels=Values([0, 1]))


@needs("NonMaxSuppression")
def _(n):
    n.set(boxes=(1, 3, 4), scores=(1, 1, 3), max_output_boxes_per_class=Values([2]))


@needs("OneHot")
def _(n):
    n.set(indices=Values([0, 1]), depth=Values(3), values=Values([0, 1]))


@needs("Pad")
def _(n):
    n.set(pads=Values([0, 1, 1, 0]), constant_value=(), axes=Values([0, 1]))
    if n.v == 1:
        n.attr(paddings=[0, 1, 1, 0])
    elif n.v == 2:
        n.attr(pads=[0, 1, 1, 0])


@needs("PRelu")
def _(n):
    n.set(slope=(1,))


@needs("Range")
def _(n):
    n.set(start=Values(1), limit=Values(6), delta=Values(2))


@needs("RegexFullMatch")
def _(n):
    n.attr(pattern="[a-z]+")


@needs("Reshape")
def _(n):
    n.set(shape=Values([3, -1]))
    if n.v < 5:
        n.attr(shape=[3, -1])


@needs("ReverseSequence")
def _(n):
    n.set(sequence_lens=Values([1, 2, 1]))


@needs("Scatter", "ScatterElements")
def _(n):
    n.set(indices=Values([[1, 0, 1]]), updates=(1, 3))


@needs("ScatterND")
def _(n):
    n.set(indices=Values([[1]]), updates=(1, 3))


@needs("SequenceEmpty")
def _(n):
    n.attr(dtype=n.elem("S"))


@needs("SequenceAt", "SequenceErase")
def _(n):
    n.set(position=Values(1))
    agree(n, "S", "T")


@needs("SequenceInsert")
def _(n):
    n.set(position=Values(1))
    agree(n, "S", "T")


@needs("SequenceConstruct", "SplitToSequence")
def _(n):
    n.set(split=Values(1))
    agree(n, "S", "T")


def agree(n, sequence, item):
    """A sequence and its items have one dtype."""
    if item not in n.t:
        return
    if n.varied == sequence:
        n.t[item] = n.t[sequence][len("seq("):-1]
    else:
        n.t[sequence] = f"seq({n.t[item]})"


@needs("Slice")
def _(n):
    n.set(starts=Values([0]), ends=Values([1]), axes=Values([1]), steps=Values([1]))
    if n.v < 10:
        n.attr(starts=[0], ends=[1], axes=[1])


@needs("Split")
def _(n):
    n.n_outputs = 2
    if n.v >= 18:
        n.attr(num_outputs=2)


@needs("Squeeze", "Unsqueeze")
def _(n):
    n.set(data=(1, 2, 3), axes=Values([0]))
    if n.v < 13:
        n.attr(axes=[0])


@needs("StringNormalizer")
def _(n):
    n.set(X=(2,))


@needs("TfIdfVectorizer")
def _(n):
    n.attr(max_gram_length=1, min_gram_length=1, max_skip_count=0, mode="TF", ngram_counts=[0], ngram_indexes=[0, 1])
    n.attr(**({"pool_strings": ["1", "2"]} if elem_of(n.t["T"]) == "string" else {"pool_int64s": [1, 2]}))


@needs("Tile")
def _(n):
    n.set(tiles=Values(2), axis=Values(1), repeats=Values([2, 1]))


@needs("TopK")
def _(n):
    n.set(K=Values([2]))
    if n.v < 10:
        n.attr(k=2)


# ---- Bodies ----

def graph(name, nodes, inputs, outputs):
    """inputs, outputs: {name: type}"""
    from onnx import helper
    infos = [[helper.make_value_info(k, type_proto(t)) for k, t in side.items()] for side in (inputs, outputs)]
    return helper.make_graph(nodes, name, *infos)


def copy(x, y):
    from onnx import helper
    return helper.make_node("Identity", [x], [y])


@needs("If")
def _(n):
    n.set(cond=Values(True))
    # What is captured has any type; a constant has not.
    n.captured = {"captured": n.t["V"]}
    n.attr(then_branch=graph("a", [copy("captured", "p")], {}, {"p": n.t["V"]}),
           else_branch=graph("b", [copy("captured", "q")], {}, {"q": n.t["V"]}))
    n.n_outputs = 1


@needs("Loop")
def _(n):
    v = n.t["V"]
    n.set(M=Values(2), cond=Values(True))
    n.n_variadic = n.n_outputs = 1
    n.attr(body=graph("body", [copy("c", "c2"), copy("x", "y")], {"i": "tensor(int64)", "c": "tensor(bool)", "x": v},
                      {"c2": "tensor(bool)", "y": v}))


@needs("Scan")
def _(n):
    v = n.t["V"]
    n.set(sequence_lens=None)
    if n.v == 8:
        n.set(initial_state_and_scan_inputs=(1, 2, 3))
    n.n_variadic = n.n_outputs = 1
    n.attr(num_scan_inputs=1, body=graph("body", [copy("x", "y")], {"x": v}, {"y": v}))


@needs("SequenceMap")
def _(n):
    item = n.t["S"][len("seq("):-1]
    n.n_outputs = 1
    n.n_variadic = 1 if n.varied == "V" else 0
    inputs = {"x": item, **({"more": n.t["V"]} if n.n_variadic else {})}
    n.attr(body=graph("body", [copy("x", "y")], inputs, {"y": item}))


# ---- Optionals ----

@needs("Optional")
def _(n):
    n.t["O" if n.varied == "V" else "V"] = f"optional({n.t['V']})" if n.varied == "V" else n.t["O"][len("optional("):-1]
    n.set(input=SHAPE)


@needs("OptionalGetElement")
def _(n):
    if n.varied == "V":
        n.t["O"] = f"optional({n.t['V']})"
    else:
        o = n.t["O"]
        n.t["V"] = o[len("optional("):-1] if o.startswith("optional(") else o


# ---- ai.onnx.ml ----

@needs("ArrayFeatureExtractor")
def _(n):
    n.set(Y=Values([1, 0]))


@needs("CastMap")
def _(n):
    n.attr(cast_to={"string": "TO_STRING", "float": "TO_FLOAT", "int64": "TO_INT64"}[elem_of(n.t["T2"])])


@needs("CategoryMapper")
def _(n):
    n.t.update({"T2": "tensor(int64)" if elem_of(n.t["T1"]) == "string" else "tensor(string)"} if n.varied == "T1" else
               {"T1": "tensor(int64)" if elem_of(n.t["T2"]) == "string" else "tensor(string)"})
    n.attr(cats_int64s=[1, 2], cats_strings=["1", "2"])


@needs("DictVectorizer")
def _(n):
    if n.varied == "T2":
        n.t["T1"] = next(t for t in n.schema.type_constraints[0].allowed_type_strs if t.endswith(f", {elem_of(n.t['T2'])})"))
    n.t["T2"] = f"tensor({elem_of(n.t['T1'])})"
    n.attr(**({"string_vocabulary": ["a", "b"]} if n.t["T1"].startswith("map(string") else {"int64_vocabulary": [1, 2]}))


@needs("FeatureVectorizer")
def _(n):
    n.attr(inputdimensions=[3, 3])


@needs("Imputer")
def _(n):
    n.attr(**({"imputed_value_int64s": [3]} if "int" in n.t["T"] else {"imputed_value_floats": [3.0]}))


@needs("LabelEncoder")
def _(n):
    if n.v == 1:
        NODES["CategoryMapper"](n)
        n.attributes = {"classes_strings": ["1", "2"]}
        return
    for t, side, values in ((n.t["T1"], "keys", [1, 2]), (n.t["T2"], "values", [3, 4])):
        name = elem_of(t)
        if name in ("string", "int64", "float"):
            convert = {"string": str, "int64": int, "float": float}[name]
            n.attr(**{f"{side}_{name}s": [convert(v) for v in values]})
        else:
            n.attr(**{f"{side}_tensor": tensor(t, Values(values))})
    if elem_of(n.t["T2"]) in ("double", "int16"):
        n.attr(default_tensor=tensor(n.t["T2"], (1,)))


@needs("LinearClassifier")
def _(n):
    n.attr(coefficients=[1.0] * 6, intercepts=[0.0, 1.0])
    n.attr(**({"classlabels_strings": ["a", "b"]} if elem_of(n.t["T2"]) == "string" else {"classlabels_ints": [1, 2]}))


@needs("LinearRegressor")
def _(n):
    n.attr(coefficients=[1.0] * 3)


@needs("OneHotEncoder")
def _(n):
    n.attr(**({"cats_strings": ["1", "2"]} if elem_of(n.t["T"]) == "string" else {"cats_int64s": [1, 2]}))


@needs("SVMClassifier")
def _(n):
    n.attr(coefficients=[1.0, -1.0], support_vectors=[0.0, 1, 2, 1, 0, 1], vectors_per_class=[1, 1], rho=[0.5], kernel_type="LINEAR",
           kernel_params=[0.0, 0.0, 0.0])
    n.attr(**({"classlabels_strings": ["a", "b"]} if elem_of(n.t["T2"]) == "string" else {"classlabels_ints": [1, 2]}))


@needs("SVMRegressor")
def _(n):
    n.attr(coefficients=[1.0, -1.0], support_vectors=[0.0, 1, 2, 1, 0, 1], n_supports=2, rho=[0.5], kernel_type="LINEAR",
           kernel_params=[0.0, 0.0, 0.0])


@needs("Scaler")
def _(n):
    n.attr(scale=[2.0], offset=[1.0])


@needs("TreeEnsemble")
def _(n):
    t = n.t["T"]
    n.attr(nodes_featureids=[0], nodes_splits=tensor(t, Values([1.5])), nodes_modes=tensor("tensor(uint8)", Values([0])),
           nodes_truenodeids=[0], nodes_trueleafs=[1], nodes_falsenodeids=[1], nodes_falseleafs=[1], leaf_targetids=[0, 0],
           leaf_weights=tensor(t, Values([1, 2])), tree_roots=[0], n_targets=1)


@needs("TreeEnsembleClassifier", "TreeEnsembleRegressor")
def _(n):
    n.attr(nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_values=[1.5, 0.0, 0.0],
           nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0])
    kind = "class" if n.schema.name == "TreeEnsembleClassifier" else "target"
    n.attr(**{f"{kind}_treeids": [0, 0], f"{kind}_nodeids": [1, 2], f"{kind}_ids": [0, 0], f"{kind}_weights": [1.0, 2.0]})
    if kind == "target":
        n.attr(n_targets=1)
    elif elem_of(n.t["T2"]) == "string":
        n.attr(classlabels_strings=["a", "b"])
    else:
        n.attr(classlabels_int64s=[1, 2])


@needs("ZipMap")
def _(n):
    n.attr(**({"classlabels_strings": ["a", "b", "c"]} if "string" in n.t["T"] else {"classlabels_int64s": [1, 2, 3]}))


# ---- ai.onnx.preview.training ----

@needs("Adagrad", "Adam", "Momentum")
def _(n):
    n.set(R=Values(0.1), T=Values(1))
    n.n_variadic = {"Adagrad": 3, "Adam": 4, "Momentum": 3}[n.schema.name]
    n.n_outputs = n.n_variadic - 1
    if n.schema.name == "Momentum":
        n.attr(alpha=0.9, beta=1.0, mode="standard", norm_coefficient=0.1)


# ---- Cases ---------------------------------------------------------------------------------------------------

def is_variadic(formal):
    return formal.option == type(formal.option).Variadic


def is_optional(formal):
    return formal.option == type(formal.option).Optional


def usual_type(constraint):
    allowed = constraint.allowed_type_strs
    return next((t for t in USUAL if t in allowed), sorted(allowed)[0])


def actual(n):
    """The node's inputs: (name, type, spec) each, None for one that is left out: an optional one that NODES does not speak of
    and that no type is looked at for."""
    inputs = []
    shown = any(f.type_str == n.varied and not is_optional(f) for f in list(n.schema.inputs) + list(n.schema.outputs))
    for formal in n.schema.inputs:
        given = formal.name in n.specs
        if given and n.specs[formal.name] is None:
            inputs.append(None)
            continue
        if is_optional(formal) and not given and (shown or formal.type_str != n.varied):
            inputs.append(None)
            continue
        type_str = n.t.get(formal.type_str, formal.type_str)
        spec = n.specs.get(formal.name, SHAPE)
        count = n.n_variadic if is_variadic(formal) else 1
        inputs += [(f"{formal.name}_{k}" if is_variadic(formal) else formal.name, type_str, spec) for k in range(count)]
    while inputs and inputs[-1] is None:
        inputs.pop()
    return inputs


def actual_outputs(n):
    """[(name, type or None)]"""
    formals = n.schema.outputs
    count = n.n_outputs or sum(1 for f in formals if not is_optional(f)) or 1
    outputs = []
    for k in range(count):
        formal = formals[min(k, len(formals) - 1)]
        outputs.append((f"out_{k}", n.t.get(formal.type_str, formal.type_str)))
    return outputs


def model_of(n):
    """The model, and the bytes of the inputs that cannot be initializers."""
    from onnx import helper
    inputs, outputs = actual(n), actual_outputs(n)
    node = helper.make_node(n.schema.name, [i[0] if i else "" for i in inputs], [o[0] for o in outputs], domain=n.schema.domain,
                            **n.attributes)
    values = [i for i in inputs if i] + [(k, t, SHAPE) for k, t in getattr(n, "captured", {}).items()]
    initializers, infos, given = [], [], {}
    for name, type_str, spec in values:
        if type_str.startswith("tensor("):
            initializers.append(tensor(type_str, spec, name))
        else:
            infos.append(helper.make_value_info(name, type_proto(type_str)))
            given[name] = value(type_str, spec).SerializeToString()
    results = [helper.make_value_info(name, type_proto(t)) for name, t in outputs]
    opsets = [helper.make_opsetid(n.schema.domain, n.opset)]
    if n.schema.domain:
        opsets.append(helper.make_opsetid("", 26))
    model = helper.make_model(helper.make_graph([node], "g", infos, results, initializers), opset_imports=opsets, ir_version=14)
    return model, given, {name: dtype_name(t) for name, t in outputs if t.startswith("tensor(")}


def case(schema, varied, type_str):
    t = {c.type_param_str: usual_type(c) for c in schema.type_constraints}
    if varied:
        t[varied] = type_str
    n = Node(schema, t, varied)
    if schema.name in NODES:
        NODES[schema.name](n)
    name = f"{schema.domain or 'ai.onnx'}:{schema.name}-{schema.since_version}"
    return Case(f"{name} {varied} = {type_str}" if varied else name, dtype_name(type_str) if varied else None, *model_of(n))


def cases(schema):
    if not schema.type_constraints:
        yield case(schema, None, None)
    for constraint in schema.type_constraints:
        for type_str in sorted(constraint.allowed_type_strs):
            yield case(schema, constraint.type_param_str, type_str)
