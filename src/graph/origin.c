/* Who an operator belongs to that ONNX does not have. */
#include "graph/origin.h"

#include <string.h>

#define INLINE                                                                                              \
    "a function of TensorFlow that the converter did not write out: export from a saved model, or without " \
    "jit_compile. Keras compiles convolutions with groups: write one as a DepthwiseConv2D or as a "         \
    "convolution for each group, or export from Keras's torch backend"
#define TABLE                                                                                            \
    "a lookup table of TensorFlow: move the lookup in front of the model, or use a StringLookup, which " \
    "becomes ai.onnx.ml LabelEncoder"
#define NOWHERE "no ONNX operator gives it: compute it outside of the model"
#define TEXT    "text preprocessing of TensorFlow: do it in front of the model"
#define RANDOM  "a random layer that still trains: export the model for inference (training=False)"

static const char tensorflow[] = "an operator of TensorFlow";
static const char tflite[] = "an operator of TensorFlow Lite";
static const char tensorrt[] = "a plugin of NVIDIA's TensorRT";
static const char aten[] = "an operator of PyTorch that its exporter left as it is";

/* Names that converters leave in ONNX's own domain. */
static const struct {
    const char *op, *what, *hint;
} names[] = {
    {"Erfc", tensorflow,
     "Erfc(x) is 1 - Erf(x): convert with a handler that writes Erf and Sub, or use the tanh form of GELU"},
    {"Erfinv", tensorflow, NOWHERE},
    {"Log1p", tensorflow, "Log1p(x) is Log(Add(x, 1)); write tf.math.log(1 + x)"},
    {"Expm1", tensorflow, "Expm1(x) is Sub(Exp(x), 1); write tf.exp(x) - 1"},
    {"Lgamma", tensorflow, NOWHERE},
    {"Digamma", tensorflow, NOWHERE},
    {"BesselI0e", tensorflow, NOWHERE},
    {"BesselI1e", tensorflow, NOWHERE},
    {"Rint", tensorflow, "Rint is ONNX's Round, from opset 11: export for opset 11 or later"},
    {"Xdivy", tensorflow, "write tf.where(x == 0, 0, x / y)"},
    {"Xlogy", tensorflow, "write tf.where(x == 0, 0, x * tf.math.log(y))"},
    {"Bucketize", tensorflow,
     "Discretization has no ONNX operator: sum comparisons with the boundaries, or do it in front of the "
     "model"},
    {"HashTableV2", tensorflow, TABLE},
    {"LookupTableFindV2", tensorflow, TABLE},
    {"LookupTableSizeV2", tensorflow, TABLE},
    {"StatefulPartitionedCall", tensorflow, INLINE},
    {"PartitionedCall", tensorflow, INLINE},
    {"XlaCallModule", tensorflow, INLINE},
    {"StaticRegexReplace", tensorflow, TEXT},
    {"StringSplitV2", tensorflow,
     "text preprocessing of TensorFlow: do it in front of the model, or export for opset 20 (StringSplit)"},
    {"StatelessRandomUniformV2", tensorflow,
     "a random layer that still trains: export the model for inference (training=False)"},
    {"RFFT", tensorflow, "export for opset 17 or later, which has DFT"},
    {"IRFFT", tensorflow, "export for opset 17 or later, which has DFT"},
    {"CombinedNonMaxSuppression", tensorflow, "use tf.image.non_max_suppression, which has an ONNX operator"},
    {"TensorListReserve", tensorflow,
     "a loop of TensorFlow that the converter did not recognise: export a saved model with control flow v2"},
    {"TensorListStack", tensorflow,
     "a loop of TensorFlow that the converter did not recognise: export a saved model with control flow v2"},
    {"Atan2", tensorflow, "write tf.math.atan(y / x) with a tf.where for the quadrants"},
    {"Cumprod", tensorflow, "write tf.exp(tf.cumsum(tf.math.log(x))) for positive x; Cumsum has an operator"},
    {"Betainc", tensorflow, NOWHERE},
    {"Igamma", tensorflow, NOWHERE},
    {"Igammac", tensorflow, NOWHERE},
    {"Polygamma", tensorflow, NOWHERE},
    {"Zeta", tensorflow, NOWHERE},
    {"Ndtri", tensorflow, NOWHERE},
    {"Svd", tensorflow, NOWHERE},
    {"Qr", tensorflow, NOWHERE},
    {"Cholesky", tensorflow, NOWHERE},
    {"MatrixInverse", tensorflow, NOWHERE},
    {"MatrixSolve", tensorflow, NOWHERE},
    {"SelfAdjointEigV2", tensorflow, NOWHERE},
    {"Roll", tensorflow, "tf.roll is Concat of two Slices: write tf.concat([x[-k:], x[:-k]], 0)"},
    {"Unbatch", tensorflow, NOWHERE},
    {"ResizeBicubic", tensorflow, "Resize with mode cubic: export for opset 11 or later"},
    {"CropAndResize", tensorflow, "RoiAlign, or Slice and Resize: export for opset 11 or later"},
    {"ExtractImagePatches", tensorflow, "a Conv with an identity kernel, then a reshape, does the same"},
    {"ImageProjectiveTransformV3", tensorflow,
     "augmentation: export the model for inference (training=False)"},
    {"AdjustContrastv2", tensorflow, "augmentation: export the model for inference (training=False)"},
    {"RandomShuffle", tensorflow, "augmentation: export the model for inference (training=False)"},
    {"StatelessTruncatedNormalV2", tensorflow, "initialising weights: export the model for inference"},
    {"DecodeJpeg", tensorflow, "decode the picture in front of the model"},
    {"DecodePng", tensorflow, "decode the picture in front of the model"},
    {"ParseExampleV2", tensorflow, "read the records in front of the model: export the part behind it"},
    {"UnicodeDecodeWithOffsets", tensorflow, TEXT},
    {"RegexReplace", tensorflow, TEXT},
    {"StringLower", tensorflow, TEXT},
    {"StringToHashBucketFast", tensorflow, TEXT},
    {"SentencepieceTokenizeOp", tensorflow, TEXT},
    {"WordpieceTokenizeWithOffsets", tensorflow, TEXT},
    {"RaggedTensorToTensor", tensorflow, "ragged tensors have no ONNX form: pad them in front of the model"},
    {"RaggedTensorToVariant", tensorflow, "ragged tensors have no ONNX form: pad them in front of the model"},
    {"SparseTensorDenseMatMul", tensorflow, "make the tensor dense (tf.sparse.to_dense) before exporting"},
    {"SparseToDense", tensorflow, "make the tensor dense before exporting"},
    {"VarHandleOp", tensorflow,
     "a variable that was not frozen: export a saved model, or freeze the graph first"},
    {"ReadVariableOp", tensorflow,
     "a variable that was not frozen: export a saved model, or freeze the graph first"},
    {"AssignVariableOp", tensorflow,
     "a variable that is written: a model for inference has none; export with training=False"},
    {"Print", tensorflow, "a debugging print: take it out of the model"},
    {"PyFunc", tensorflow, "Python inside the model: write it with TensorFlow's operations"},
    {"EagerPyFunc", tensorflow, "Python inside the model: write it with TensorFlow's operations"},
    {"Custom", tflite, "an operator that only this TFLite runtime knows"},
    {"TFL_CUSTOM", tflite, "an operator that only this TFLite runtime knows"},
    {"While", tensorflow,
     "control flow that the converter did not recognise: export a saved model with control flow v2"},
    {"StatelessWhile", tensorflow,
     "control flow that the converter did not recognise: export from a saved model"},
    {"StatelessIf", tensorflow,
     "control flow that the converter did not recognise: export from a saved model"},
    {"Enter", tensorflow, "control flow of TensorFlow 1: freeze with control flow v2"},
    {"Merge", tensorflow, "a branch of TensorFlow's runtime: write tf.cond, or tf.where of all branches"},
    {"TensorArrayV3", tensorflow, "a loop of TensorFlow 1: export with control flow v2"},
    {"TensorListFromTensor", tensorflow,
     "a loop of TensorFlow that the converter did not recognise: export a saved model with control flow v2"},
    {"TensorListGetItem", tensorflow,
     "a loop of TensorFlow that the converter did not recognise: export a saved model with control flow v2"},
    {"TensorListSetItem", tensorflow,
     "a loop of TensorFlow that the converter did not recognise: export a saved model with control flow v2"},
    {"CudnnRNNV3", tensorflow, "a layer bound to CUDA: build it with implementation=1, or export on a CPU"},
    {"DepthwiseConv2dNative", tensorflow,
     "Conv with groups: the converter should have written it; convert with a newer one"},
    {"Conv2D", tensorflow, "ONNX has Conv: the converter did not come this far; convert again"},
    {"BiasAdd", tensorflow, "ONNX has Add: the converter did not come this far; convert again"},
    {"MatMulV2", tensorflow, "ONNX has MatMul: the converter did not come this far; convert again"},
    {"FusedBatchNormV3", tensorflow, "ONNX has BatchNormalization: export with training=False"},
    {"StatelessRandomNormalV2", tensorflow, RANDOM},
    {"_SwitchN", tensorflow, "tf.switch_case that was lowered: write tf.cond, or tf.where of all branches"},
};

/* A domain ending in a dot is the beginning of one. */
static const struct {
    const char *domain, *what, *hint;
} domains[] = {
    {"com.microsoft", "an operator of ONNX Runtime's own",
     "write the model without ONNX Runtime's optimiser or quantiser, or with its standard (QDQ) form"},
    {"com.microsoft.extensions", "an operator of onnxruntime-extensions",
     "do this step in front of the model"},
    {"com.microsoft.", "an operator of ONNX Runtime's own, for one kind of device",
     "the file was optimised for that device and is not to be exchanged: save it without optimisation"},
    {"com.ms.", "an operator inside ONNX Runtime",
     "the file was saved after ONNX Runtime had optimised it: save it before"},
    {"ai.onnx.contrib", "an operator of onnxruntime-extensions", "do this step in front of the model"},
    {"org.pytorch.aten", aten, "export for a newer opset"},
    {"aten", aten, "export for a newer opset"},
    {"prim", "a part of PyTorch's intermediate form",
     "export for a newer opset, or with torch.jit.script off"},
    {"org.pytorch.prim", "a part of PyTorch's intermediate form", "export for a newer opset"},
    {"org.pytorch._caffe2", "an operator of Caffe2", "export without the Caffe2 backend"},
    {"_caffe2", "an operator of Caffe2", "export without the Caffe2 backend"},
    {"org.pytorch.", "an operator of PyTorch's own", "export for a newer opset"},
    {"pkg.", "a function of PyTorch's exporter, which the file should define", "export again"},
    {"torchvision", "an operator of torchvision that its exporter left as it is",
     "export for a newer opset, or with torchvision's own symbolic functions"},
    {"org.openvinotoolkit", "an operator of OpenVINO's own",
     "export for OpenVINO off: without its extensions"},
    {"trt.plugins", tensorrt, "export without the plugin, and let TensorRT add it"},
    {"TRT", tensorrt, "export without the plugin, and let TensorRT add it"},
    {"nvinfer", tensorrt, "export without the plugin, and let TensorRT add it"},
    {"com.nvidia", "an operator of NVIDIA's own", "export without it"},
    {"com.nvidia.", "an operator of NVIDIA's own", "export without it"},
    {"trt", "an operator of NVIDIA's TensorRT", "export with standard QuantizeLinear and DequantizeLinear"},
    {"mmdeploy", "an operator of OpenMMLab's deployment", "export for the backend onnxruntime"},
    {"mmcv", "an operator of OpenMMLab's MMCV", "export for the backend onnxruntime"},
    {"qonnx.", "an operator of QONNX", "turn it into QDQ form with QONNX's own tools"},
    {"finn.", "an operator of FINN", "export before FINN's transformations"},
    {"onnx.brevitas", "an operator of Brevitas", "export in QCDQ form"},
    {"com.amd.quark", "an operator of AMD's Quark", "export in QDQ form"},
    {"com.vai.quantize", "an operator of AMD's Vitis AI", "export in QDQ form"},
    {"com.qti.", "an operator of Qualcomm's own", "export before Qualcomm's tools"},
    {"com.tencent.", "an operator of Tencent's own", ""},
    {"ai.graphcore", "an operator of Graphcore's own", "export without it"},
};

static bool is_of(const char *domain, const char *known) {
    size_t n = strlen(known);
    return known[n - 1] == '.' ? strncmp(domain, known, n) == 0 : strcmp(domain, known) == 0;
}

static bool ends_in(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n > m && strcmp(s + n - m, end) == 0;
}

/* ATen, in any domain, says in attributes which of PyTorch's operators it is. */
static const char *aten_name(const tap_src_node *n, tap_arena *arena) {
    for (size_t i = 0; i < n->n_attrs; i++) {
        const tap_src_attr *a = &n->attrs[i];
        if (strcmp(a->name, "operator") != 0 || a->kind != TAP_ATTR_STRING || a->u.s.n > 200) continue;
        const char *what =
            tap_arena_printf(arena, "PyTorch's operator aten::%.*s, which its exporter left as it is",
                             (int)a->u.s.n, a->u.s.s);
        return what ? what : aten;
    }
    return aten;
}

tap_origin tap_origin_of(const tap_src_node *n, tap_arena *arena) {
    if (strcmp(n->op, "ATen") == 0)
        return (tap_origin){aten_name(n, arena), "export without operator_export_type=ONNX_ATEN_FALLBACK, or "
                                                 "for a newer opset"};
    for (size_t i = 0; *n->domain && i < TAP_COUNT_OF(domains); i++)
        if (is_of(n->domain, domains[i].domain)) return (tap_origin){domains[i].what, domains[i].hint};
    for (size_t i = 0; !*n->domain && i < TAP_COUNT_OF(names); i++)
        if (strcmp(n->op, names[i].op) == 0) return (tap_origin){names[i].what, names[i].hint};
    if (ends_in(n->op, "_TRT") || ends_in(n->op, "_TRT_explicit"))
        return (tap_origin){tensorrt, "export without the plugin, and let TensorRT add it"};
    return (tap_origin){NULL, ""};
}
