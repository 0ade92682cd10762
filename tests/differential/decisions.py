"""Where two differ, the specification decides. A row says who is wrong, on what, and why; such a case is no disagreement then.

decide(operators, peer, reason, test): test(case, words) tells whether the row applies; words is what was found to differ, or the
library's error where it refuses what the peer takes. Peer "breaking": the library takes a broken node, nobody else judges it.
`run.py --unused` names the rows that no case of a run needed."""
import numpy as np

import values

ROWS = []


def decide(ops, peer, reason, when=lambda case, words: True):
    ROWS.append((set(ops.split()), peer, when, reason))


def find(case, who, words):
    """The reason why it is no fault that all of `who` say something else, or ""."""
    reasons = []
    for peer in who:
        found = next((i for i, (ops, p, when, _) in enumerate(ROWS) if p == peer and ("*" in ops or case.op in ops) and when(case, words)),
                     None)
        if found is None:
            return ""
        reasons.append(ROWS[found][3])
    return "; ".join(reasons)


def unused(decided):
    """Rows whose reason is not among the text of what was decided."""
    return [f"{' '.join(sorted(ops))} ({peer}): {reason}" for ops, peer, _, reason in ROWS if reason not in decided]


def typed(*names):
    return lambda case, words: bool(set(names) & set(case.types.values()))


def given(name, *allowed):
    return lambda case, words: case.attributes.get(name) is not None and (not allowed or case.attributes[name] in allowed)


def until(version):
    return lambda case, words: case.version <= version


def both(*tests):
    return lambda case, words: all(t(case, words) for t in tests)


def says(text):
    return lambda case, words: text in words


# ---- onnx.reference ----

decide("Add Sub Mul Div Pow And Or Xor Equal Less Greater PRelu", "reference",
       "until opset 6 the second operand is placed by `axis`; the reference broadcasts as NumPy does", until(6))
decide("Expand OneHot Pad", "reference", "multiplies by ones or subtracts, so infinities turn into NaN and zeros lose their sign",
       typed("complex64", "complex128", "float", "double", "float16", "bfloat16"))
decide("Pad CenterCropPad", "reference", "fills strings with the number 0; an empty string is what a string has for nothing", typed("string"))
decide("Slice", "reference", "clamps as NumPy does; the standard clamps a negative start to 0 first, then goes down to it",
       lambda case, words: "shape" in words)
decide("Erf", "reference", "rounds to float32 before it cuts to an integer", lambda case, words: case.types["T"] in values.INTEGERS)
decide("ReduceSumSquare ReduceSum ReduceProd ReduceL1 Det Gemm AffineGrid LayerNormalization RMSNormalization BatchNormalization Adam Adagrad Momentum "
       "FeatureVectorizer LinearRegressor LinearClassifier SVMRegressor SVMClassifier Scaler Normalizer TreeEnsembleRegressor "
       "DictVectorizer", "reference", "gives NumPy's dtype, not the schema's", says("dtype"))
decide("Hardmax Softmax LogSoftmax", "reference", "until opset 12 these flatten to two dimensions; the reference has the later meaning", until(12))
decide("RNN GRU LSTM", "reference", "knows neither sequence_lens, activations, clip, nor all of layout and direction")
decide("DictVectorizer", "reference", "ONNX Runtime, and those who export for it, have a batch dimension of 1", says("shape [1, "))
decide("Resize", "reference", "complex numbers lose their imaginary part", typed("complex64", "complex128"))
decide("GridSample", "reference", "integers are cut where interpolation leaves fractions; here they are rounded, as Resize rounds in the reference",
       lambda case, words: case.types["T1"] in values.INTEGERS)
decide("GridSample", "reference", "complex numbers are interpolated through a real type", typed("complex64", "complex128"))
decide("QuantizeLinear", "reference", "the division is in the scale's type, which may be int32; the reference divides in floats", typed("int32"))
decide("Unique", "reference", "NumPy sorts a complex number behind all others where one of its parts is NaN; here parts are ordered one by one",
       typed("complex64", "complex128"))
decide("Optional", "reference", "puts the value into a list")
decide("SequenceInsert", "reference", "changes the list that it was given")
decide("StringNormalizer", "reference", "takes accents off letters; the specification says nothing of the kind")
decide("TreeEnsemble", "reference", "minimum or maximum of no leaf is 0 in the specification's words (\"the score\"), not the type's limit")
decide("LabelEncoder", "reference", "keys are compared bit by bit: a NaN finds itself", typed("float", "double"))
decide("Loop", "reference", "stacks no dimension of its own where there was one iteration or none", says("shape"))
decide("Attention", "reference", "mixed types are computed in the narrower one",
       lambda case, words: len({case.types.get(t) for t in ("T1", "T2", "U")} & values.FLOATS) > 1)

decide("Pad", "reference", "float8e8m0 has no zero: padded with zero bits", typed("float8e8m0"))
decide("Attention GroupNormalization BatchNormalization Erf Gelu HardSwish Resize GridSample Selu LpPool", "reference",
       "rounds to float32 or to a narrower operand's type on the way", typed("double"))
decide("AveragePool MaxPool LpPool", "reference", "pads for SAME, or counts, as if there were no dilations, strides or rounding up",
       lambda case, words: case.attributes.get("auto_pad") is not None or case.attributes.get("ceil_mode") == 1 or bool(case.attributes.get("dilations")))
decide("ConvInteger", "reference", "gives a zero point for each output channel two spatial axes, however many the weights have",
       lambda case, words: case.inputs[1].ndim != 4 and len(case.inputs) > 3 and case.inputs[3] is not None and case.inputs[3].ndim == 1)
decide("ScatterElements ScatterND", "reference", "loses a NaN in min and max that another number follows",
       lambda case, words: case.attributes.get("reduction") in ("min", "max") and case.inputs[2].dtype.kind not in "iubO" and
       bool(np.isnan(case.inputs[2].astype(np.float64)).any()))
decide("Swish", "reference", "rounds to the narrow type on the way", typed("float16", "bfloat16"))
decide("GridSample", "reference", "computes positions in the grid's narrow type", lambda case, words: case.types.get("T2") in ("float16", "bfloat16"))
decide("AveragePool", "reference", "until opset 6 padding never counts; the reference counts it", until(1))
decide("BlackmanWindow HammingWindow HannWindow", "reference", "integers are cut from float32 sums", lambda case, words: case.types["T2"] in values.INTEGERS)
decide("HannWindow HammingWindow BlackmanWindow", "reference", "a window of one is 1, not 0 / 0", says("nan"))
decide("Cast CastLike", "reference", "halves become strings as NumPy's str() has them, which the standard's own test data show",
       lambda case, words: "string" in case.types.values())
decide("Dropout", "reference", "until opset 9 the mask has the data's type", until(7))
decide("GlobalMaxPool", "reference", "keeps one dimension of the image only")
decide("LRN", "reference", "knows four dimensions and the channels of one image only")
decide("Unsqueeze", "reference", "inserts axes in the order in which they are written; they are positions in the result")
decide("AffineGrid", "reference", "one pixel between aligned corners lies in the middle (as in PyTorch, which the operator is named after), not at -1 or 1",
       given("align_corners", 1))
decide("TreeEnsembleClassifier", "reference", "one score for two classes: the label is chosen before post_transform, at 0.5 where no weight is negative, "
       "else at 0", lambda case, words: "output 0" in words)

decide("Cast CastLike QuantizeLinear", "reference", "float8e8m0: the table of Cast has NaN, or the ends, for what lies outside", typed("float8e8m0"))
decide("QuantizeLinear", "reference", "saturates after a cast that wraps", typed("float16", "bfloat16"))
decide("Shape", "reference", "slices as Python does; the standard clamps both ends to 0 .. rank", says("shape"))
decide("Resize", "reference", "cuts sizes that keep_aspect_ratio_policy or a scale leaves between integers another way", says("shape"))
decide("Unique", "reference", "axis with sorted = 0: first occurrences are kept as they come", given("sorted", 0))
decide("Resize", "reference", "a coordinate on the very edge: rounded to the one or the other side", given("coordinate_transformation_mode", "tf_crop_and_resize"))
decide("Pow", "reference", "integers go through floats; they wrap as products do", lambda case, words: case.types.get("T") in values.INTEGERS)
decide("StringSplit", "reference", "maxsplit = n leaves white space at the end of the rest, as Python does; ONNX Runtime takes it off")
decide("LogSoftmax", "reference", "takes the logarithm of a softmax that has become 0", says("-inf"))
decide("Shrink", "reference", "computes unsigned integers in floats", typed("uint8", "uint16", "uint32", "uint64"))
decide("Adam", "reference", "rounds to float32 on the way", typed("double", "float"))
decide("Clip", "reference", "a missing bound is the end of the type's finite numbers", says("inf"))
decide("FlexAttention", "reference", "rounds to float32 on the way", typed("double"))
decide("QLinearConv", "reference", "one spatial dimension comes out as two", says("shape"))
decide("Trilu GridSample", "reference", "fills strings with the number 0", typed("string"))
decide("Selu", "reference", "has the defaults of opset 6 in opset 1", until(1))
decide("QuantizeLinear", "reference", "the zero point is added: -0 + 0 is 0", says("-0.0"))
decide("Resize", "reference", "a region of interest in half precision", both(given("coordinate_transformation_mode", "tf_crop_and_resize"), typed("float16", "bfloat16")))
decide("PRelu", "reference", "multiplies where it does not select, so 0 times infinity shows", says("nan"))
decide("TopK", "reference", "a NaN is the largest number, as in NumPy's order; the reference has it where its sort left it",
       lambda case, words: bool(np.isnan(case.inputs[0].astype(np.float64)).any()))

# ---- ONNX Runtime ----

decide("FastGelu", "ort", "its function body rounds the constants to float32", typed("double"))

decide("AveragePool", "ort", "SAME with strides longer than the kernel: crops in front; here nothing is cropped, nothing padded",
       lambda case, words: str(case.attributes.get("auto_pad")).startswith("SAME"))
decide("StringSplit", "ort", "white space is more than the blank", given("delimiter", ""))
decide("StringSplit", "ort", "white space is more than the blank", lambda case, words: case.attributes.get("delimiter") is None)
decide("Mean MeanVarianceNormalization Selu", "ort", "computes in float32, or with the defaults of a later opset", says("as float"))
decide("Selu", "ort", "has the defaults of opset 6 in opset 1", until(1))
decide("TreeEnsembleClassifier", "ort", "two classes of which one has no leaf: gives a label that is none of the two", says("output 0"))
decide("TreeEnsembleRegressor", "ort", "a target that no leaf has loses its base value",
       lambda case, words: "base_values" in case.attributes or "base_values_as_tensor" in case.attributes)
decide("TreeEnsemble", "ort", "members are compared as integers, cut off", lambda case, words: case.attributes.get("membership_values") is not None)
decide("TreeEnsembleRegressor", "ort", "PROBIT near 1 overflows", given("post_transform", "PROBIT"))
decide("LSTM", "ort", "clip bounds the input of every activation, of the cell's too (\"is applied to the input of activations\")",
       lambda case, words: case.attributes.get("clip") is not None)
decide("LayerNormalization", "ort", "computes in float32 whatever stash_type says", typed("bfloat16", "float16"))
decide("HardSwish Gelu Shrink TreeEnsemble BatchNormalization", "ort", "computes in float32 inside", typed("double", "int32", "int64", "uint32", "uint64"))
decide("QuantizeLinear", "ort", "divides in float32; without `precision` the division has the type of the scale", typed("float16"))
decide("GroupQueryAttention", "ort", "rows behind a sample's last token attend to nothing",
       lambda case, words: case.inputs[5] is not None and bool((case.inputs[5] + 1 < case.inputs[0].shape[1]).any()))
decide("Hardmax", "ort", "a NaN is the largest number, as in numpy.argmax", lambda case, words: bool(np.isnan(case.inputs[0].astype(np.float64)).any()))
decide("Unique", "ort", "NaN equals NaN, as in numpy.unique", lambda case, words: case.inputs[0].dtype.kind not in "iubO" and
       bool(np.isnan(case.inputs[0].astype(np.float64)).any()))
decide("QuantizeLinear", "ort", "saturates; ONNX Runtime's conversion of what does not fit is undefined", says("not -32768"))
decide("SVMClassifier LinearClassifier", "ort", "one score for two classes: leaves post_transform out, unless it is LOGISTIC",
       lambda case, words: case.attributes.get("post_transform") not in (None, "NONE", "LOGISTIC"))
decide("TreeEnsemble", "ort", "takes 1 for LOGISTIC and 2 for SOFTMAX; they are numbered the other way round", given("post_transform", 1, 2))
decide("TreeEnsembleClassifier TreeEnsembleRegressor", "ort", "scores of a class or target without a leaf are left out of post_transform; they are 0",
       lambda case, words: case.attributes.get("post_transform") in ("LOGISTIC", "SOFTMAX"))
decide("TreeEnsemble", "ort", "two targets of one row are not two classes: one without a leaf scores 0", lambda case, words: case.attributes.get("n_targets") == 2)
decide("Clip", "ort", "the least number that stands for a missing bound is that of the type", typed("float16", "bfloat16"))
decide("QuantizeLinear", "ort", "the division is in the scale's type", says("as float"))
decide("ScatterElements ScatterND", "ort", "a NaN among those compared is the result, as in NumPy", says("nan"))
decide("GRU RNN LSTM", "ort", "Softplus overflows in float32", lambda case, words: "Softplus" in (case.attributes.get("activations") or ()) and
       ("inf" in words or "nan" in words))
decide("Loop", "ort", "loses strings on their way into a scan output", typed("string"))
decide("TopK", "ort", "a NaN is the largest number, as in NumPy's order", lambda case, words: bool(np.isnan(case.inputs[0].astype(np.float64)).any()))
decide("LogSoftmax Softmax", "ort", "infinity less infinity is NaN in every element, as in the stable formula", says("nan"))
decide("Clip", "ort", "the least number that stands for a missing bound is that of float32", says("as float"))

decide("*", "ort", "an 8-bit float comes back as its bits", says("not uint8"))
decide("ReduceLogSumExp", "ort", "integers are cut from float32", lambda case, words: case.types["T"] in values.INTEGERS)

decide("Clip PRelu Selu", "ort", "turned into a newer opset, defaults are those of that opset", says("turned"))
decide("Dropout", "ort", "the mask of an opset below 12 is not filled at test time", until(10))
decide("MeanVarianceNormalization", "ort", "adds 1e-9 to the deviation, which is 0 in float16", typed("float16", "bfloat16"))
decide("ReduceLogSumExp ReduceLogSum ReduceL1 ReduceL2 ReduceSum ReduceSumSquare ReduceProd ReduceMax ReduceMin ReduceMean", "ort",
       "gives an empty result for an empty input, whatever the axes say", says("shape"))
decide("AveragePool MaxPool LpPool", "ort", "pads for SAME as if there were no dilations", lambda case, words: bool(case.attributes.get("dilations")) and
       str(case.attributes.get("auto_pad")).startswith("SAME"))
decide("ConvTranspose", "ort", "until opset 10 the padding that output_shape asks for is split the other way round",
       lambda case, words: case.version < 11 and case.attributes.get("output_shape") is not None)
decide("Cast CastLike", "ort", "a float's shortest decimals are counted in its own type, and end in .0, as the standard's own test data",
       lambda case, words: "string" in case.types.values())
decide("Resize", "ort", "ratios and regions of interest are rounded to float32", both(typed("double", "float16", "uint8"), says("as float")))
decide("GroupNormalization Attention", "ort", "computes in float32 inside", typed("double"))
decide("Attention", "ort", "com.microsoft's is asked in float32, for halves have no kernel: projections rounded to halves move scores of hundreds by tenths",
       both(typed("float16"), lambda case, words: case.domain == "com.microsoft"))
decide("BlackmanWindow HammingWindow HannWindow", "ort", "integers are cut from float32 sums", lambda case, words: case.types["T2"] in values.INTEGERS)
decide("HannWindow HammingWindow BlackmanWindow", "ort", "a window of one is 1, not 0 / 0", says("nan"))
decide("LabelEncoder", "ort", "keys are compared bit by bit: a NaN finds itself", typed("float", "double"))
decide("LinearRegressor LinearClassifier", "ort", "SOFTMAX_ZERO of zeros alone divides 0 by 0", says("nan"))
decide("Loop", "ort", "a trip count without a condition: what the body says is ignored", lambda case, words: case.inputs[1] is None)
decide("CastMap", "ort", "fills gaps between strings with \"0.f\"; here with nothing", typed("string"))
decide("TreeEnsembleClassifier", "ort", "one score for two classes: leaves post_transform out, unless it is LOGISTIC",
       lambda case, words: case.attributes.get("post_transform") not in (None, "NONE", "LOGISTIC"))
decide("TreeEnsembleRegressor TreeEnsembleClassifier TreeEnsemble", "ort", "mixed modes: treats a chain of BRANCH_EQ as one set",
       lambda case, words: "BRANCH_EQ" in case.attributes.get("nodes_modes", ()))
decide("TreeEnsembleRegressor TreeEnsemble", "ort", "one target: leaves post_transform out, unless it is PROBIT",
       lambda case, words: case.attributes.get("n_targets", 1) == 1 and case.attributes.get("post_transform") not in (None, "NONE", 0))
decide("Resize", "ort", "a region of interest along an axis that keeps its length is ignored", given("coordinate_transformation_mode", "tf_crop_and_resize"))
decide("AffineGrid", "ort", "one pixel between aligned corners lies in the middle (as in PyTorch, which the operator is named after), not at -1 or 1",
       given("align_corners", 1))
