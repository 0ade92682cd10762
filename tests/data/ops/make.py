#!/usr/bin/env python3
"""Makes the operator tests of this folder, in the layout of ONNX's own: NAME/model.onnx and
NAME/test_data_set_N/{input,output}_K.pb. `onnxtap test tests/data/ops` runs them.

    python3 tests/data/ops/make.py [NAME...]

What ONNX's own tests leave out: corners of operators with bodies, sequences, optionals, strings and ai.onnx.ml. Expected
values are written down or computed with numpy here, not taken from a runtime. Needs the packages onnx and numpy.
"""
import pathlib
import sys

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper, parser
except ImportError as missing:
    sys.exit(f"make.py needs the Python packages onnx and numpy: {missing}")

HERE = pathlib.Path(__file__).resolve().parent
CASES = {}


def case(name, model, *data, text=None, edit=None):
    """data: pairs (inputs, outputs), a set each, in the model's order. model: text of onnx.parser, or a ModelProto.
    edit: a function that changes the parsed model."""
    if isinstance(model, str):
        model = parser.parse_model(model)
    if edit:
        edit(model)
    CASES[name] = (model, data)


def f32(*values):
    return np.array(values[0] if len(values) == 1 and isinstance(values[0], list) else values, np.float32)


def i64(*values):
    return np.array(values[0] if len(values) == 1 and isinstance(values[0], list) else values, np.int64)


def scalar(value, dtype=np.int64):
    return np.array(value, dtype)


def strings(*values, shape=None):
    a = np.array(values, object)
    return a if shape is None else a.reshape(shape)


def one_node(op, inputs, outputs, domain="", opset=None, ml=5, ir=9, **attributes):
    """A model of one node. inputs, outputs: {name: (dtype, shape)}; a type proto in place of the pair is taken as it is."""
    def info(name, what):
        if isinstance(what, onnx.TypeProto):
            return helper.make_value_info(name, what)
        return helper.make_tensor_value_info(name, *what)
    node = helper.make_node(op, list(inputs), list(outputs), domain=domain, **attributes)
    graph = helper.make_graph([node], op, [info(n, w) for n, w in inputs.items()], [info(n, w) for n, w in outputs.items()])
    opsets = [helper.make_opsetid("", opset or 20)]
    if domain:
        opsets.append(helper.make_opsetid(domain, ml))
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir)


F, D, I, S, B = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING, TensorProto.BOOL
ML = "ai.onnx.ml"

# ---- If ------------------------------------------------------------------------------------------------------

case("if_captures", """
<ir_version: 8, opset_import: ["" : 16]>
g (bool c, float[3] x) => (float[n] y, float[m] z) {
    two = Constant <value = float {2}> ()
    a = Mul (x, two)
    y, z = If (c) <
        then_branch = t () => (float[3] p, float[2] q) { p = Add (a, two)  q = Constant <value = float[2] {7, 8}> () },
        else_branch = e () => (float[3] r, float[6] s) { r = Sub (x, a)  s = Concat <axis = 0> (x, a) }
    >
}""", ([scalar(True, np.bool_), f32(1, 2, 3)], [f32(4, 6, 8), f32(7, 8)]),
     ([scalar(False, np.bool_), f32(1, 2, 3)], [f32(-1, -2, -3), f32(1, 2, 3, 2, 4, 6)]))

case("if_in_if", """
<ir_version: 8, opset_import: ["" : 13]>
g (bool c, bool d, float[2] x) => (float[2] y) {
    y = If (c) <
        then_branch = t () => (float[2] p) {
            k = Constant <value = float {10}> ()
            p = If (d) <
                then_branch = tt () => (float[2] pp) { pp = Add (x, k) },
                else_branch = te () => (float[2] pe) { pe = Mul (x, k) }
            >
        },
        else_branch = e () => (float[2] q) { q = Neg (x) }
    >
}""", ([scalar(True, np.bool_), scalar(True, np.bool_), f32(1, 2)], [f32(11, 12)]),
     ([scalar(True, np.bool_), scalar(False, np.bool_), f32(1, 2)], [f32(10, 20)]),
     ([scalar(False, np.bool_), scalar(True, np.bool_), f32(1, 2)], [f32(-1, -2)]))

case("if_gives_captured", """
<ir_version: 8, opset_import: ["" : 13]>
g (bool c, float[2] x) => (float[2] y, float[2] z) {
    a = Neg (x)
    y = If (c) <
        then_branch = t () => (float[2] p) { p = Identity (a) },
        else_branch = e () => (float[2] q) { q = Identity (x) }
    >
    z = Add (y, a)
}""", ([scalar(True, np.bool_), f32(1, 2)], [f32(-1, -2), f32(-2, -4)]),
     ([scalar(False, np.bool_), f32(1, 2)], [f32(1, 2), f32(0, 0)]))

# ---- Loop ----------------------------------------------------------------------------------------------------

COUNT = """
<ir_version: 8, opset_import: ["" : %d]>
g (int64 m%s, float[2] x) => (float[2] y, float[n,2] all) {
    y, all = Loop (%s, x) <body = b (int64 i, bool c, float[2] v) => (bool go, float[2] w, float[2] s) {
        limit = Constant <value = float {20}> ()
        w = Add (v, v)
        s = Identity (v)
        first = Constant <value = int64 {0}> ()
        at = Gather <axis = 0> (w, first)
        go = Less (at, limit)
    }>
}"""
ALL3 = ([f32(8, 16), f32([[1, 2], [2, 4], [4, 8]])])
NONE = ([f32(1, 2), np.zeros((0, 2), np.float32)])
case("loop_count", COUNT % (16, "", 'm, ""'), ([scalar(3), f32(1, 2)], ALL3), ([scalar(0), f32(1, 2)], NONE),
     ([scalar(-5), f32(1, 2)], NONE))
# Without a condition at the node, the body's is ignored: six runs though it says to stop after five.
case("loop_count_ignores_condition", COUNT % (11, "", 'm, ""'),
     ([scalar(6), f32(1, 2)], [f32(64, 128), f32([[2.0 ** k, 2.0 ** (k + 1)] for k in range(6)])]))
case("loop_condition_stops", COUNT % (16, ", bool k", "m, k"),
     ([scalar(100), scalar(True, np.bool_), f32(1, 2)],
      [f32(32, 64), f32([[2.0 ** k, 2.0 ** (k + 1)] for k in range(5)])]),
     ([scalar(100), scalar(False, np.bool_), f32(1, 2)], NONE),
     ([scalar(2), scalar(True, np.bool_), f32(1, 2)], [f32(4, 8), f32([[1, 2], [2, 4]])]))

case("loop_while", """
<ir_version: 8, opset_import: ["" : 17]>
g (bool k, int64 x) => (int64 y) {
    y = Loop ("", k, x) <body = b (int64 i, bool c, int64 v) => (bool go, int64 w) {
        three = Constant <value = int64 {3}> ()
        limit = Constant <value = int64 {1000}> ()
        t = Mul (v, three)
        w = Add (t, i)
        go = Less (w, limit)
    }>
}""", ([scalar(True, np.bool_), scalar(1)], [scalar(2730)]), ([scalar(False, np.bool_), scalar(1)], [scalar(1)]))

case("loop_grows", """
<ir_version: 8, opset_import: ["" : 13]>
g (int64 m, float[n] x) => (float[k] y) {
    y = Loop (m, "", x) <body = b (int64 i, bool c, float[a] v) => (bool go, float[d] w) {
        go = Identity (c)
        w = Concat <axis = 0> (v, x)
    }>
}""", ([scalar(3), f32(1, 2)], [f32(1, 2, 1, 2, 1, 2, 1, 2)]), ([scalar(0), f32(1, 2)], [f32(1, 2)]))

case("loop_iteration_as_vector", """
<ir_version: 8, opset_import: ["" : 13]>
g (int64 m) => (int64[n,1] all) {
    all = Loop (m, "") <body = b (int64[1] i, bool[1] c) => (bool[1] go, int64[1] s) {
        go = Identity (c)
        s = Mul (i, i)
    }>
}""", ([scalar(4)], [i64([[0], [1], [4], [9]])]))


def loop_gathers_much():
    """More than the first blocks hold, ended by a condition: only some rows are looked at."""
    model = """
<ir_version: 8, opset_import: ["" : 16]>
g (float[50] x, int64[3] rows, bool k) => (float[3,50] some, int64[2] size) {
    last, all = Loop ("", k, x) <body = b (int64 i, bool c, float[50] v) => (bool go, float[50] w, float[50] s) {
        one = Constant <value = float {1}> ()
        limit = Constant <value = int64 {1999}> ()
        w = Add (v, one)
        s = Identity (v)
        go = Less (i, limit)
    }>
    some = Gather <axis = 0> (all, rows)
    size = Shape (all)
}"""
    x = np.arange(50, dtype=np.float32)
    rows = i64(0, 327, 1999)
    case("loop_gathers_much", model, ([x, rows, scalar(True, np.bool_)], [x + rows[:, None].astype(np.float32), i64(2000, 50)]))


loop_gathers_much()

case("loop_of_strings", """
<ir_version: 9, opset_import: ["" : 20]>
g (int64 m, string[2] x) => (string[2] y, string[n,2] all) {
    y, all = Loop (m, "", x) <body = b (int64 i, bool c, string[2] v) => (bool go, string[2] w, string[2] s) {
        go = Identity (c)
        w = StringConcat (v, x)
        s = StringConcat (x, v)
    }>
}""", ([scalar(2), strings("a", "\u00e9")],
       [strings("aaa", "\u00e9\u00e9\u00e9"), strings("aa", "\u00e9\u00e9", "aaa", "\u00e9\u00e9\u00e9", shape=(2, 2))]))

case("loop_carries_sequence", """
<ir_version: 8, opset_import: ["" : 13]>
g (int64 m, float[2] x) => (float[k] y, int64 n) {
    empty = SequenceEmpty <dtype = 1> ()
    first = SequenceInsert (empty, x)
    all = Loop (m, "", first) <body = b (int64 i, bool c, seq(float[a]) v) => (bool go, seq(float[d]) w) {
        go = Identity (c)
        last = Constant <value = int64 {-1}> ()
        t = SequenceAt (v, last)
        u = Concat <axis = 0> (t, x)
        w = SequenceInsert (v, u)
    }>
    y = ConcatFromSequence <axis = 0> (all)
    n = SequenceLength (all)
}""", ([scalar(2), f32(1, 2)], [f32([1, 2] * 6), scalar(3)]), ([scalar(0), f32(1, 2)], [f32(1, 2), scalar(1)]))

case("loop_in_loop", """
<ir_version: 8, opset_import: ["" : 13]>
g (int64 m) => (int64 y, int64[a,b] all) {
    zero = Constant <value = int64 {0}> ()
    y, all = Loop (m, "", zero) <body = outer (int64 i, bool c, int64 v) => (bool go, int64 w, int64[k] s) {
        go = Identity (c)
        w, s = Loop (m, "", v) <body = inner (int64 j, bool d, int64 p) => (bool on, int64 q, int64 r) {
            on = Identity (d)
            r = Mul (i, j)
            q = Add (p, r)
        }>
    }>
}""", ([scalar(3)], [scalar(9), i64([[0, 0, 0], [0, 1, 2], [0, 2, 4]])]))

# A body's value that leaves the loop, is carried and is stacked, all at once; and an input handed through.
case("loop_shares_values", """
<ir_version: 8, opset_import: ["" : 13]>
g (int64 m, float[1] x, float[1] z) => (float[1] y, float[1] z2, float[n,1] all, float[n,1] again) {
    y, z2, all, again = Loop (m, "", x, z) <body = b (int64 i, bool c, float[1] v, float[1] u)
            => (bool go, float[1] w, float[1] u, float[1] w, float[1] v) {
        go = Identity (c)
        w = Add (v, u)
    }>
}""", ([scalar(3), f32(1), f32(10)], [f32(31), f32(10), f32([[11], [21], [31]]), f32([[1], [11], [21]])]))

# ---- Scan ----------------------------------------------------------------------------------------------------

case("scan_axes_and_directions", """
<ir_version: 8, opset_import: ["" : 11]>
g (float[2] s, float[2,3] x, float[3,2] u) => (float[2] t, float[2,3] a, float[3,2] b) {
    t, a, b = Scan (s, x, u) <num_scan_inputs = 2, scan_input_axes = [1, 0], scan_input_directions = [0, 1],
            scan_output_axes = [-1, 0], scan_output_directions = [1, 0],
            body = body (float[2] p, float[2] xi, float[2] ui) => (float[2] q, float[2] o, float[2] r) {
        k = Add (p, xi)
        q = Identity (k)
        o = Identity (k)
        r = Sub (xi, ui)
    }>
}""", ([f32(0, 100), f32([[1, 2, 3], [4, 5, 6]]), f32([[10, 20], [30, 40], [50, 60]])],
       [f32(6, 115), f32([[6, 3, 1], [115, 109, 104]]), f32([[-49, -56], [-28, -35], [-7, -14]])]))

case("scan_without_steps", """
<ir_version: 8, opset_import: ["" : 16]>
g (float[2] s, float[n,3] x) => (float[2] t, float[n,3] a) {
    t, a = Scan (s, x) <num_scan_inputs = 1, body = body (float[2] p, float[3] xi) => (float[2] q, float[3] o) {
        q = Identity (p)
        o = Neg (xi)
    }>
}""", ([f32(1, 2), np.zeros((0, 3), np.float32)], [f32(1, 2), np.zeros((0, 3), np.float32)]),
     ([f32(1, 2), f32([[1, 2, 3]])], [f32(1, 2), f32([[-1, -2, -3]])]))

case("scan8_lengths_and_directions", """
<ir_version: 3, opset_import: ["" : 8]>
g (int64[2] len, float[2,1] s, float[2,3,1] x) => (float[2,1] t, float[2,3,1] a) {
    t, a = Scan (len, s, x) <num_scan_inputs = 1, directions = [1],
            body = body (float[1] p, float[1] xi) => (float[1] q, float[1] o) {
        q = Add (p, xi)
        o = Identity (q)
    }>
}""", ([i64(3, 2), f32([[100], [200]]), f32([[[1], [2], [3]], [[4], [5], [6]]])],
       [f32([[106], [209]]), f32([[[103], [105], [106]], [[205], [209], [0]]])]),
     ([i64(0, 1), f32([[100], [200]]), f32([[[1], [2], [3]], [[4], [5], [6]]])],
      [f32([[100], [204]]), f32([[[0], [0], [0]], [[204], [0], [0]]])]))

# ---- Sequences, optionals ------------------------------------------------------------------------------------

case("sequence_positions", """
<ir_version: 8, opset_import: ["" : 11]>
g (float[1] x, float[2] y, float[3] z) => (seq(float[n]) a, seq(float[n]) b, float[n] c, int64 d) {
    s = SequenceConstruct (x, y, z)
    front = Constant <value = int64 {-3}> ()
    one = Constant <value = int32 {1}> ()
    a = SequenceInsert (s, z, front)
    b = SequenceErase (s, one)
    t = SequenceErase (b)
    minus = Constant <value = int64 {-1}> ()
    c = SequenceAt (a, minus)
    d = SequenceLength (t)
}""", ([f32(1), f32(2, 3), f32(4, 5, 6)],
       [[f32(4, 5, 6), f32(1), f32(2, 3), f32(4, 5, 6)], [f32(1), f32(4, 5, 6)], f32(4, 5, 6), scalar(1)]))

case("split_to_sequence_lengths", """
<ir_version: 8, opset_import: ["" : 11]>
g (string[2,5] x, int64[3] n, int64 k) => (seq(string[a,b]) y, seq(string[a,b]) z) {
    y = SplitToSequence <axis = -1> (x, n)
    z = SplitToSequence <axis = 1, keepdims = 0> (x, k)
}""", ([strings(*"abcdefghij", shape=(2, 5)), i64(2, 0, 3), scalar(2)],
       [[strings(*"abfg", shape=(2, 2)), strings(shape=(2, 0)), strings(*"cdehij", shape=(2, 3))],
        [strings(*"abfg", shape=(2, 2)), strings(*"cdhi", shape=(2, 2)), strings(*"ej", shape=(2, 1))]]))

case("concat_from_sequence_new_axis", """
<ir_version: 8, opset_import: ["" : 11]>
g (seq(float[2]) x) => (float[a,b] y, float[a,b] z, float[n] w) {
    y = ConcatFromSequence <axis = 0, new_axis = 1> (x)
    z = ConcatFromSequence <axis = -1, new_axis = 1> (x)
    w = ConcatFromSequence <axis = 0> (x)
}""", ([[f32(1, 2), f32(3, 4), f32(5, 6)]],
       [f32([[1, 2], [3, 4], [5, 6]]), f32([[1, 3, 5], [2, 4, 6]]), f32(1, 2, 3, 4, 5, 6)]))

case("sequence_map_two_outputs", """
<ir_version: 8, opset_import: ["" : 17]>
g (seq(float[n]) x, float[1] k, seq(float[1]) u) => (seq(float[n]) y, seq(int64[1]) z) {
    y, z = SequenceMap (x, k, u) <body = b (float[n] v, float[1] c, float[1] d) => (float[n] p, int64[1] q) {
        t = Mul (v, c)
        p = Add (t, d)
        q = Shape (v)
    }>
}""", ([[f32(1, 2), f32(3)], f32(10), [f32(1), f32(2)]], [[f32(11, 21), f32(32)], [i64(2), i64(1)]]))

OPTIONAL = helper.make_optional_type_proto(helper.make_tensor_type_proto(F, [2]))
node = [helper.make_node("OptionalHasElement", ["o"], ["has"]),
        helper.make_node("If", ["has"], ["y"],
                         then_branch=helper.make_graph([helper.make_node("OptionalGetElement", ["o"], ["p"])], "t", [],
                                                       [helper.make_tensor_value_info("p", F, [2])]),
                         else_branch=helper.make_graph([helper.make_node("Constant", [], ["q"], value_floats=[7.0, 7.0])], "e",
                                                       [], [helper.make_tensor_value_info("q", F, [2])]))]
case("optional_or_default", helper.make_model(helper.make_graph(
    node, "g", [helper.make_value_info("o", OPTIONAL)],
    [helper.make_tensor_value_info("has", B, []), helper.make_tensor_value_info("y", F, [2])]),
    opset_imports=[helper.make_opsetid("", 18)], ir_version=8),
     ([f32(1, 2)], [scalar(True, np.bool_), f32(1, 2)]), ([None], [scalar(False, np.bool_), f32(7, 7)]))

# ---- Strings -------------------------------------------------------------------------------------------------


def string_split(name, delimiter, maxsplit, x, y, n):
    attributes = {k: v for k, v in (("delimiter", delimiter), ("maxsplit", maxsplit)) if v is not None}
    case(name, one_node("StringSplit", {"x": (S, x.shape)}, {"y": (S, None), "n": (I, x.shape)}, **attributes), ([x], [y, n]))


string_split("string_split_white_space", None, None, strings(" a  b\t", "", "c\u2003d\u00a0e", "  "),
             strings("a", "b", "", "", "", "", "c", "d", "e", "", "", "", shape=(4, 3)), i64(2, 0, 3, 0))
string_split("string_split_rest", "", 1, strings("  a b  c  ", "d"), strings("a", "b  c", "d", "", shape=(2, 2)), i64(2, 1))
string_split("string_split_overlap", "aa", None, strings("aaab", "", "baa"),
             strings("", "ab", "", "", "b", "", shape=(3, 2)), i64(2, 1, 2))
string_split("string_split_no_cut", ",", 0, strings("a,b", ","), strings("a,b", ",", shape=(2, 1)), i64(1, 1))


def normalizer(name, x, y, **attributes):
    case(name, one_node("StringNormalizer", {"x": (S, x.shape)}, {"y": (S, None)}, **attributes), ([x], [y]))


normalizer("normalizer_ignores_case", strings("Ab", "", "\u00c4b", "c"), strings("", "\u00c4b", "c"), stopwords=["aB"])
normalizer("normalizer_unicode", strings("\u00e4\u03b4\u0416stra\u00dfe\u01c6"),
           strings("\u00c4\u0394\u0416STRA\u00dfE\u01c4"), case_change_action="UPPER")
normalizer("normalizer_turkish", strings("Diyarbak\u0131r", "\u0130stanbul"), strings("D\u0130YARBAKIR", "\u0130STANBUL"),
           case_change_action="UPPER", locale="tr_TR.UTF-8")
normalizer("normalizer_nothing_left", strings("a", "A", shape=(1, 2)), strings("", shape=(1, 1)), stopwords=["a"])

case("tfidf_weights_by_ngram",
     one_node("TfIdfVectorizer", {"x": (I, [6])}, {"y": (F, [4])}, opset=9, mode="TFIDF", pool_int64s=[1, 2, 3, 1, 2],
              ngram_counts=[0, 3], ngram_indexes=[3, 0, 3, 2], weights=[0.5, 0.25, 8.0, 4.0], min_gram_length=1,
              max_gram_length=2, max_skip_count=2), ([i64(1, 2, 1, 3, 1, 2)], [f32(0.5, 0, 12, 9.5)]))
case("tfidf_strings",
     one_node("TfIdfVectorizer", {"x": (S, [2, 4])}, {"y": (F, [2, 3])}, opset=9, mode="IDF", pool_strings=["a", "b", "b", "a"],
              ngram_counts=[0, 2], ngram_indexes=[0, 1, 2], weights=[2.0, 3.0, 5.0], min_gram_length=1, max_gram_length=2,
              max_skip_count=0),
     ([strings("a", "b", "a", "x", "b", "x", "a", "a", shape=(2, 4))], [f32([[2, 3, 5], [2, 3, 0]])]))

# ---- ai.onnx.ml ----------------------------------------------------------------------------------------------


def ml(name, op, x, outputs, *, version=1, **attributes):
    what = {np.dtype("float32"): F, np.dtype("float64"): D, np.dtype("int64"): I, np.dtype("int32"): TensorProto.INT32,
            np.dtype("int16"): TensorProto.INT16, np.dtype(object): S}
    declared = {f"y{i}": (what[np.asarray(y).dtype], None) for i, y in enumerate(outputs)}
    case(name, one_node(op, {"x": (what[x.dtype], x.shape)}, declared, domain=ML, ml=version, **attributes), ([x], outputs))


ml("labels_positions", "LabelEncoder", strings("b", "z", "a"), [i64(1, 9, 0)], classes_strings=["a", "b"], default_int64=9)
ml("labels_positions_back", "LabelEncoder", i64(1, 7, 0), [strings("b", "_Unused", "a")], classes_strings=["a", "b"])
ml("labels_floats", "LabelEncoder", f32(np.nan, -0.0, 2.5, 3), [strings("nan", "zero", "x", "?")], version=2,
   keys_floats=[0.0, 2.5, float("nan")], values_strings=["zero", "x", "nan"], default_string="?")
ml("labels_tensors", "LabelEncoder", np.array([3, 4], np.int16), [np.array([0.5, -1.0], np.float64)], version=4,
   keys_tensor=numpy_helper.from_array(np.array([3], np.int16)),
   values_tensor=numpy_helper.from_array(np.array([0.5], np.float64)),
   default_tensor=numpy_helper.from_array(np.array([-1.0], np.float64)))
ml("category_mapper", "CategoryMapper", strings("b", "q"), [i64(20, -1)], cats_strings=["a", "b"], cats_int64s=[10, 20])

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def tree_of_modes():
    """A tree of one decision per mode: the leaves' weights add up to the set of true ones, in binary."""
    nodes = {k: [] for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
                             "missing_value_tracks_true")}
    target = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for tree, mode in enumerate(MODES):
        for node_id, kind in enumerate((mode, "LEAF", "LEAF")):
            for key, value in (("treeids", tree), ("nodeids", node_id), ("featureids", 0), ("values", 1.5), ("modes", kind),
                               ("truenodeids", 1 if node_id == 0 else 0), ("falsenodeids", 2 if node_id == 0 else 0),
                               ("missing_value_tracks_true", int(mode in ("BRANCH_LT", "BRANCH_EQ")))):
                nodes[key].append(value)
        for key, value in (("treeids", tree), ("nodeids", 1), ("ids", 0), ("weights", float(2 ** tree))):
            target[key].append(value)
    x = f32([[1], [1.5], [2], [np.nan]])
    truth = [[v <= 1.5, v < 1.5, v >= 1.5, v > 1.5, v == 1.5, v != 1.5] for v in x[:, 0]]
    truth[3][1] = truth[3][4] = True
    y = f32([[sum(2 ** k for k, t in enumerate(row) if t) + 100] for row in truth])
    ml("tree_modes", "TreeEnsembleRegressor", x, [y], n_targets=1, base_values=[100.0],
       **{f"nodes_{k}": v for k, v in nodes.items()}, **{f"target_{k}": v for k, v in target.items()})


tree_of_modes()

STUMP = dict(nodes_treeids=[0] * 3, nodes_nodeids=[0, 1, 2], nodes_featureids=[0] * 3, nodes_values=[0.0] * 3,
             nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0])
ml("tree_binary_probability", "TreeEnsembleClassifier", f32([[-1], [1]]),
   [strings("yes", "no"), f32([[0.25, 0.75], [0.875, 0.125]])], classlabels_strings=["no", "yes"], class_treeids=[0, 0],
   class_nodeids=[1, 2], class_ids=[0, 0], class_weights=[0.75, 0.125], **STUMP)
ml("tree_binary_logistic", "TreeEnsembleClassifier", f32([[-1], [1]]),
   [i64(9, 5), f32([[1 / (1 + np.e), 1 / (1 + 1 / np.e)], [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))]])],
   classlabels_int64s=[5, 9], class_treeids=[0, 0], class_nodeids=[1, 2], class_ids=[0, 0], class_weights=[0.5, -2.5],
   base_values=[0.5], post_transform="LOGISTIC", **STUMP)
ml("tree_three_classes", "TreeEnsembleClassifier", np.array([[-1], [1]], np.float64),
   [i64(7, 3), f32([[-2, 0.5, 1], [0, 0.25, 0.125]])], version=3, classlabels_int64s=[1, 3, 7],
   class_treeids=[0] * 3, class_nodeids=[1, 1, 2], class_ids=[0, 2, 1], class_weights_as_tensor=numpy_helper.from_array(
       np.array([-2, 0.875, -0.25], np.float64)), base_values_as_tensor=numpy_helper.from_array(np.array([0, 0.5, 0.125])),
   **{k: v for k, v in STUMP.items() if k != "nodes_values"},
   nodes_values_as_tensor=numpy_helper.from_array(np.zeros(3, np.float64)))
for how, want in (("MIN", [[1, 0], [-3, 2]]), ("MAX", [[4, 0], [-3, 5]]), ("AVERAGE", [[2.5, 0], [-1.5, 3.5]])):
    ml(f"tree_{how.lower()}", "TreeEnsembleRegressor", f32([[-1], [1]]), [f32(want)], n_targets=2, aggregate_function=how,
       target_treeids=[0, 0, 0, 1, 1], target_nodeids=[1, 2, 2, 1, 2], target_ids=[0, 1, 0, 0, 1],
       target_weights=[1.0, 2.0, -3.0, 4.0, 5.0],
       **{k: v * 2 for k, v in STUMP.items() if k != "nodes_treeids"}, nodes_treeids=[0] * 3 + [1] * 3)

ml("linear_binary", "LinearClassifier", f32([[1, 2], [-1, 0]]),
   [i64(9, 7), f32([[-1.25, 2.25], [1.75, -0.75]])], classlabels_ints=[7, 9], coefficients=[1.0, 0.5], intercepts=[0.25])
ml("linear_integers", "LinearRegressor", np.array([[1, 2], [-1, 0]], np.int32), [f32([[2.25, 3.5], [-0.75, 0.5]])], targets=2,
   coefficients=[1.0, 0.5, 0.0, 1.5], intercepts=[0.25, 0.5])


def svm_votes():
    """Three classes, a vector each, linear kernel: scores of pairs by hand."""
    x = f32([[1, 2], [-1, 1]])
    vectors, coefficients, rho = np.eye(3, 2, dtype=np.float32), f32([[1, -1, 2], [3, 1, -2]]), f32(0.5, -0.25, 0.125)
    kernel = x @ vectors.T
    pairs = [(0, 1), (0, 2), (1, 2)]
    scores = np.stack([coefficients[j - 1, i] * kernel[:, i] + coefficients[i, j] * kernel[:, j] + rho[p]
                       for p, (i, j) in enumerate(pairs)], axis=1).astype(np.float32)
    votes = np.zeros((2, 3))
    for row in range(2):
        for p, (i, j) in enumerate(pairs):
            votes[row, i if scores[row, p] > 0 else j] += 1
    ml("svm_votes", "SVMClassifier", x, [i64([(4, 5, 6)[k] for k in votes.argmax(axis=1)]), scores],
       classlabels_ints=[4, 5, 6], vectors_per_class=[1, 1, 1], support_vectors=vectors.ravel().tolist(),
       coefficients=coefficients.ravel().tolist(), rho=rho.tolist(), kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0])


svm_votes()
X = f32([[1, -2], [3, 0.5]])
for kernel, value in (("POLY", lambda d, s: (0.5 * d + 1) ** 3), ("RBF", lambda d, s: np.exp(-0.5 * s)),
                      ("SIGMOID", lambda d, s: np.tanh(0.5 * d + 1)), ("LINEAR", lambda d, s: d)):
    V = f32([[1, 1], [0, -1]])
    k = value(X @ V.T, ((X[:, None] - V[None]) ** 2).sum(axis=2))
    ml(f"svm_{kernel.lower()}", "SVMRegressor", X, [(k @ f32([2, -1])[:, None] + 0.25).astype(np.float32)], n_supports=2,
       support_vectors=V.ravel().tolist(), coefficients=[2.0, -1.0], rho=[0.25], kernel_type=kernel,
       kernel_params=[0.5, 1.0, 3.0])

ml("scaler_columns", "Scaler", i64([[1, 2], [3, 4]]), [f32([[0, 10], [4, 30]])], offset=[1.0, 1.0], scale=[2.0, 10.0])
ml("normalizer_max_is_signed", "Normalizer", f32([[-4, 2], [0, 0]]), [f32([[-2, 1], [0, 0]])], norm="MAX")
ml("normalizer_l2", "Normalizer", np.array([[3, -4]], np.float64), [f32([[0.6, -0.8]])], norm="L2")
ml("imputer_nan", "Imputer", f32([[np.nan, 1], [2, np.nan]]), [f32([[8, 1], [2, 9]])], imputed_value_floats=[8.0, 9.0],
   replaced_value_float=float("nan"))
ml("one_hot_of_floats", "OneHotEncoder", f32([[2.5, 1.5], [-0.5, 2]]),
   [f32([[[0, 1], [0, 0]], [[1, 0], [0, 1]]])], cats_int64s=[0, 2])
case("feature_vectorizer", one_node("FeatureVectorizer", {"a": (I, [2, 3]), "b": (I, [2, 1])}, {"y": (F, [2, 4])}, domain=ML,
                                    ml=1, inputdimensions=[2, 2]),
     ([i64([[1, 2, 3], [4, 5, 6]]), i64([[7], [8]])], [f32([[1, 2, 7, 0], [4, 5, 8, 0]])]))
case("array_feature_extractor", one_node("ArrayFeatureExtractor", {"x": (S, [3]), "k": (I, [2])}, {"y": (S, [1, 2])}, domain=ML,
                                         ml=1), ([strings("a", "b", "c"), i64(2, 0)], [strings("c", "a", shape=(1, 2))]))

MAP = helper.make_map_type_proto(I, helper.make_tensor_type_proto(F, ()))
DOUBLES = helper.make_map_type_proto(I, helper.make_tensor_type_proto(D, ()))
case("cast_map_sparse", one_node("CastMap", {"x": MAP}, {"y": (I, [1, 4])}, domain=ML, ml=1, cast_to="TO_INT64", map_form="SPARSE",
                                 max_map=4), ([{3: np.float32(2), 1: np.float32(-1.5)}], [i64([[0, -1, 0, 2]])]))
case("dict_vectorizer", one_node("DictVectorizer", {"x": DOUBLES}, {"y": (D, [1, 3])}, domain=ML, ml=1,
                                 int64_vocabulary=[7, 4, 9]),
     ([{4: np.float64(1.5), 7: np.float64(-2)}], [np.array([[-2, 1.5, 0]], np.float64)]))

# ---- Corners of other operators ------------------------------------------------------------------------------

# An odd exponent that float32 does not hold.
case("pow_half_to_great_integer", one_node("Pow", {"x": (TensorProto.FLOAT16, [2]), "y": (TensorProto.UINT32, [2])},
                                           {"z": (TensorProto.FLOAT16, [2])}, opset=15),
     ([np.array([-2, -1], np.float16), np.array([4294967295, 4294967295], np.uint32)], [np.array([-np.inf, -1], np.float16)]))
case("dequantize_blocks_of_a_vector", one_node("DequantizeLinear", {"x": (TensorProto.INT8, [3]), "s": (F, [2])}, {"y": (F, [3])},
                                               opset=21, axis=0, block_size=2),
     ([np.array([1, 2, 3], np.int8), f32(2, 10)], [f32(2, 4, 30)]))
case("reshape_to_scalar_at_run_time", one_node("Reshape", {"x": (F, [1]), "s": (I, [0])}, {"y": (F, [])}, opset=14),
     ([f32(7), i64([])], [scalar(7, np.float32)]))


def constant_reshaped(model):
    """The same of an initializer, which the output is a view of."""
    model.graph.initializer.append(numpy_helper.from_array(f32(7), "x"))
    del model.graph.input[0]


case("reshape_constant_to_scalar", one_node("Reshape", {"x": (F, [1]), "s": (I, [0])}, {"y": (F, [])}, opset=14),
     ([i64([])], [scalar(7, np.float32)]), edit=constant_reshaped)


# ---- Nodes that are computed ahead of the run ----------------------------------------------------------------

case("qlinear_conv_of_constants", """
<ir_version: 9, opset_import: ["" : 20]>
g () => (uint8[] y) <float one = {1}, uint8 zero = {0}, uint8[1,2,2,2] w = {1, 2, 3, 4, 1, 1, 1, 1}, int32[1] b = {5},
    uint8[1,2,3,3] x = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}> {
    y = QLinearConv (x, one, zero, w, one, zero, one, zero, b)
}""", ([], [np.array([[[[27 + 44 + 5, 37 + 48 + 5], [57 + 56 + 5, 67 + 60 + 5]]]], np.uint8)]))

# ---- Maps ----------------------------------------------------------------------------------------------------

a_map = onnx.TypeProto()
a_map.map_type.key_type = I
a_map.map_type.value_type.CopyFrom(helper.make_tensor_type_proto(F, None))
case("cast_map", one_node("CastMap", {"x": a_map}, {"y": (F, None)}, domain=ML, ml=1, cast_to="TO_FLOAT", map_form="SPARSE",
                          max_map=4), ([{1: np.float32(2.5), 3: np.float32(4)}], [f32([[0, 2.5, 0, 4]])]))

# ---- FlexAttention, and what was experimental once -----------------------------------------------------------

case("flex_attention_shared_keys", """
<ir_version: 13, opset_import: ["" : 26, "ai.onnx.preview" : 1]>
g (float[1,2,1,2] q, float[1,1,3,2] k, float[1,1,3,1] v) => (float[] y) {
    y = ai.onnx.preview.FlexAttention <scale = 1.0,
        score_mod = s (float[1,2,1,3] scores) => (float[1,2,1,3] out) {
            mask = Constant <value = float[3] {0, 0, -inf}> ()
            out = Add (scores, mask)
        },
        prob_mod = p (float[1,2,1,3] probs) => (float[1,2,1,3] out) {
            two = Constant <value = float {2}> ()
            out = Mul (probs, two)
        }
    > (q, k, v)
}""".replace("-inf", "-1e38"), ([f32([[[[1, 0]], [[0, 0]]]]), f32([[[[0, 5], [np.log(3), 0], [9, 9]]]]), f32([[[[1], [2], [100]]]])],
                             [f32([[[[3.5]], [[3]]]])]))
case("dynamic_slice", one_node("DynamicSlice", {"x": (F, [3, 4]), "starts": (I, [2]), "ends": (I, [2]), "axes": (I, [2])},
                               {"y": (F, None)}, opset=8, ir=3),
     ([np.arange(12, dtype=np.float32).reshape(3, 4), i64(1, 0), i64(-1, 2), i64(1, 0)], [f32([[1, 2], [5, 6]])]))
case("mean_only", one_node("MeanVarianceNormalization", {"x": (F, [1, 2, 1, 2])}, {"y": (F, None)}, opset=8, ir=3,
                           across_channels=1, normalize_variance=0),
     ([f32([[[[1, 2]], [[3, 6]]]])], [f32([[[[-2, -1]], [[0, 3]]]])]))


def old(name, op, x, y, **attributes):
    given = {} if x is None else {"x": (helper.np_dtype_to_tensor_dtype(x.dtype), None)}
    model = one_node(op, given, {"y": (helper.np_dtype_to_tensor_dtype(y.dtype), None)}, opset=6, ir=3, **attributes)
    case(name, model, ([] if x is None else [x], [y]))


IMAGE = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
old("affine", "Affine", f32(-1, 0, 2), f32(-1.5, 0.5, 4.5), alpha=2.0, beta=0.5)
old("scale", "Scale", np.array([1, -4], np.float16), np.array([0.5, -2], np.float16), scale=0.5)
old("scaled_tanh", "ScaledTanh", np.array([0.0, 0.25]), np.array([0, 3 * np.tanh(0.5)]), alpha=3.0, beta=2.0)
old("parametric_softplus", "ParametricSoftplus", f32(-60, 0, 60), f32(2 * np.exp(-30), 2 * np.log(2), 60), alpha=2.0, beta=0.5)
old("image_scaler", "ImageScaler", IMAGE, IMAGE * 2 + f32(1, -1).reshape(1, 2, 1, 1), scale=2.0, bias=[1.0, -1.0])
old("crop_border", "Crop", IMAGE, np.ascontiguousarray(IMAGE[:, :, 1:3, 2:3]), border=[2, 1, 1, 0])
old("crop_scale", "Crop", IMAGE, np.ascontiguousarray(IMAGE[:, :, 1:2, 1:4]), border=[1, 1, 0, 0], scale=[1, 3])
old("constant_fill_by_value", "ConstantFill", i64(2, 1), np.full((2, 1, 3), 7, np.int64), input_as_shape=1, extra_shape=[3],
    value=7.0, dtype=int(I))
old("constant_fill_like", "ConstantFill", IMAGE, np.full(IMAGE.shape, 0.5, np.float32), value=0.5)
old("given_tensor_fill", "GivenTensorFill", None, f32([[1, 2], [3, 4]]), shape=[2, 2], values=[1.0, 2.0, 3.0, 4.0])


# ---- Writing -------------------------------------------------------------------------------------------------

def to_bytes(value, type_proto):
    kind = type_proto.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.from_list(value, "").SerializeToString()
    if kind == "optional_type":
        elem = type_proto.optional_type.elem_type
        if value is None:
            proto = onnx.OptionalProto(elem_type=onnx.OptionalProto.TENSOR if elem.HasField("tensor_type") else 0)
            return proto.SerializeToString()
        return numpy_helper.from_optional(value, "").SerializeToString()
    if kind == "map_type":
        return numpy_helper.from_dict(value, "").SerializeToString()
    return numpy_helper.from_array(value, "").SerializeToString()


def write(name, model, data):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    for n, (inputs, outputs) in enumerate(data):
        where = folder / f"test_data_set_{n}"
        where.mkdir(exist_ok=True)
        for kind, values, infos in (("input", inputs, model.graph.input), ("output", outputs, model.graph.output)):
            assert len(values) == len(infos), name
            for k, (value, info) in enumerate(zip(values, infos)):
                (where / f"{kind}_{k}.pb").write_bytes(to_bytes(value, info.type))


for name, (model, data) in CASES.items():
    if len(sys.argv) < 2 or name in sys.argv[1:]:
        write(name, model, data)
