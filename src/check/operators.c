/* Operators that cannot run, and those that run but are not in the standard: where they come from, and what
 * to do. */
#include <string.h>

#include "check/check.h"

/* What converters leave in a file: the framework's own operators. */
typedef struct foreign {
    const char *op, *origin, *hint;
} foreign;

#define INLINE                                                                            \
    "a function of TensorFlow that the converter did not write out: export with Keras's " \
    "Model.export(format=\"onnx\") or from "                                              \
    "a saved model, or without jit_compile"
#define TABLE                                                                                            \
    "a lookup table of TensorFlow: move the lookup in front of the model, or use a StringLookup, which " \
    "becomes "                                                                                           \
    "ai.onnx.ml LabelEncoder"

#define NOWHERE "no ONNX operator gives it: compute it outside of the model"
#define TEXT    "text preprocessing of TensorFlow: do it in front of the model"

static const foreign foreigns[] = {
    {"Erfc", "TensorFlow",
     "Erfc(x) is 1 - Erf(x): convert with a handler that writes Erf and Sub, or use the tanh form of GELU"},
    {"Erfinv", "TensorFlow", NOWHERE},
    {"Log1p", "TensorFlow", "Log1p(x) is Log(Add(x, 1)); write tf.math.log(1 + x)"},
    {"Expm1", "TensorFlow", "Expm1(x) is Sub(Exp(x), 1); write tf.exp(x) - 1"},
    {"Lgamma", "TensorFlow", NOWHERE},
    {"Digamma", "TensorFlow", NOWHERE},
    {"BesselI0e", "TensorFlow", NOWHERE},
    {"BesselI1e", "TensorFlow", NOWHERE},
    {"Rint", "TensorFlow", "Rint is ONNX's Round, from opset 11: export for opset 11 or later"},
    {"Xdivy", "TensorFlow", "write tf.where(x == 0, 0, x / y)"},
    {"Xlogy", "TensorFlow", "write tf.where(x == 0, 0, x * tf.math.log(y))"},
    {"Bucketize", "TensorFlow",
     "Discretization has no ONNX operator: sum comparisons with the boundaries, or do it in front of the "
     "model"},
    {"HashTableV2", "TensorFlow", TABLE},
    {"LookupTableFindV2", "TensorFlow", TABLE},
    {"LookupTableSizeV2", "TensorFlow", TABLE},
    {"StatefulPartitionedCall", "TensorFlow", INLINE},
    {"PartitionedCall", "TensorFlow", INLINE},
    {"XlaCallModule", "TensorFlow", INLINE},
    {"StaticRegexReplace", "TensorFlow", TEXT},
    {"StringSplitV2", "TensorFlow",
     "text preprocessing of TensorFlow: do it in front of the model, or export for opset 20 (StringSplit)"},
    {"StatelessRandomUniformV2", "TensorFlow",
     "a random layer that still trains: export the model for inference (training=False)"},
    {"RFFT", "TensorFlow", "export for opset 17 or later, which has DFT"},
    {"IRFFT", "TensorFlow", "export for opset 17 or later, which has DFT"},
    {"CombinedNonMaxSuppression", "TensorFlow",
     "use tf.image.non_max_suppression, which has an ONNX operator"},
    {"TensorListReserve", "TensorFlow",
     "a loop of TensorFlow that the converter did not recognise: export a saved model with control flow v2"},
    {"TensorListStack", "TensorFlow",
     "a loop of TensorFlow that the converter did not recognise: export a saved model with control flow v2"},
    {"Atan2", "TensorFlow", "write tf.math.atan(y / x) with a tf.where for the quadrants"},
    {"Cumprod", "TensorFlow",
     "write tf.exp(tf.cumsum(tf.math.log(x))) for positive x; Cumsum has an operator"},
    {"Betainc", "TensorFlow", NOWHERE},
    {"Igamma", "TensorFlow", NOWHERE},
    {"Igammac", "TensorFlow", NOWHERE},
    {"Polygamma", "TensorFlow", NOWHERE},
    {"Zeta", "TensorFlow", NOWHERE},
    {"Ndtri", "TensorFlow", NOWHERE},
    {"Svd", "TensorFlow", NOWHERE},
    {"Qr", "TensorFlow", NOWHERE},
    {"Cholesky", "TensorFlow", NOWHERE},
    {"MatrixInverse", "TensorFlow", NOWHERE},
    {"MatrixSolve", "TensorFlow", NOWHERE},
    {"SelfAdjointEigV2", "TensorFlow", NOWHERE},
    {"Roll", "TensorFlow", "tf.roll is Concat of two Slices: write tf.concat([x[-k:], x[:-k]], 0)"},
    {"Unbatch", "TensorFlow", NOWHERE},
    {"ResizeBicubic", "TensorFlow", "Resize with mode cubic: export for opset 11 or later"},
    {"CropAndResize", "TensorFlow", "RoiAlign, or Slice and Resize: export for opset 11 or later"},
    {"ExtractImagePatches", "TensorFlow", "a Conv with an identity kernel, then a reshape, does the same"},
    {"ImageProjectiveTransformV3", "TensorFlow",
     "augmentation: export the model for inference (training=False)"},
    {"AdjustContrastv2", "TensorFlow", "augmentation: export the model for inference (training=False)"},
    {"RandomShuffle", "TensorFlow", "augmentation: export the model for inference (training=False)"},
    {"StatelessTruncatedNormalV2", "TensorFlow", "initialising weights: export the model for inference"},
    {"DecodeJpeg", "TensorFlow", "decode the picture in front of the model"},
    {"DecodePng", "TensorFlow", "decode the picture in front of the model"},
    {"ParseExampleV2", "TensorFlow", "read the records in front of the model: export the part behind it"},
    {"UnicodeDecodeWithOffsets", "TensorFlow", TEXT},
    {"RegexReplace", "TensorFlow", TEXT},
    {"StringLower", "TensorFlow", TEXT},
    {"StringToHashBucketFast", "TensorFlow", TEXT},
    {"SentencepieceTokenizeOp", "TensorFlow", TEXT},
    {"WordpieceTokenizeWithOffsets", "TensorFlow", TEXT},
    {"RaggedTensorToTensor", "TensorFlow",
     "ragged tensors have no ONNX form: pad them in front of the model"},
    {"RaggedTensorToVariant", "TensorFlow",
     "ragged tensors have no ONNX form: pad them in front of the model"},
    {"SparseTensorDenseMatMul", "TensorFlow", "make the tensor dense (tf.sparse.to_dense) before exporting"},
    {"SparseToDense", "TensorFlow", "make the tensor dense before exporting"},
    {"VarHandleOp", "TensorFlow",
     "a variable that was not frozen: export a saved model, or freeze the graph first"},
    {"ReadVariableOp", "TensorFlow",
     "a variable that was not frozen: export a saved model, or freeze the graph first"},
    {"AssignVariableOp", "TensorFlow",
     "a variable that is written: a model for inference has none; export with training=False"},
    {"Print", "TensorFlow", "a debugging print: take it out of the model"},
    {"PyFunc", "TensorFlow", "Python inside the model: write it with TensorFlow's operations"},
    {"EagerPyFunc", "TensorFlow", "Python inside the model: write it with TensorFlow's operations"},
    {"Custom", "TensorFlow Lite", "an operator that only this TFLite runtime knows"},
    {"TFL_CUSTOM", "TensorFlow Lite", "an operator that only this TFLite runtime knows"},
    {"While", "TensorFlow",
     "control flow that the converter did not recognise: export a saved model with control flow v2"},
    {"StatelessWhile", "TensorFlow",
     "control flow that the converter did not recognise: export from a saved model"},
    {"StatelessIf", "TensorFlow",
     "control flow that the converter did not recognise: export from a saved model"},
    {"Enter", "TensorFlow", "control flow of TensorFlow 1: freeze with control flow v2"},
    {"Merge", "TensorFlow", "control flow of TensorFlow 1: freeze with control flow v2"},
    {"TensorArrayV3", "TensorFlow", "a loop of TensorFlow 1: export with control flow v2"},
    {"TensorListFromTensor", "TensorFlow",
     "a loop of TensorFlow that the converter did not recognise: export a saved model with control flow v2"},
    {"TensorListGetItem", "TensorFlow",
     "a loop of TensorFlow that the converter did not recognise: export a saved model with control flow v2"},
    {"TensorListSetItem", "TensorFlow",
     "a loop of TensorFlow that the converter did not recognise: export a saved model with control flow v2"},
    {"CudnnRNNV3", "TensorFlow", "a layer bound to CUDA: build it with implementation=1, or export on a CPU"},
    {"DepthwiseConv2dNative", "TensorFlow",
     "Conv with groups: the converter should have written it; convert with a newer one"},
    {"Conv2D", "TensorFlow", "ONNX has Conv: the converter did not come this far; convert again"},
    {"BiasAdd", "TensorFlow", "ONNX has Add: the converter did not come this far; convert again"},
    {"MatMulV2", "TensorFlow", "ONNX has MatMul: the converter did not come this far; convert again"},
    {"FusedBatchNormV3", "TensorFlow", "ONNX has BatchNormalization: export with training=False"},
    {"ATen", "PyTorch",
     "an operator of PyTorch that its exporter left as it is: export without "
     "operator_export_type=ONNX_ATEN_FALLBACK, or for a newer opset"},
};

static const foreign *find_foreign(const char *op) {
    for (size_t i = 0; i < TAP_COUNT_OF(foreigns); i++)
        if (strcmp(foreigns[i].op, op) == 0) return &foreigns[i];
    return NULL;
}

/* Who an operator outside of ONNX belongs to, by its domain; "" where that says nothing. */
static const char *owner_of(const char *domain) {
    static const char *const owners[][2] = {
        {"com.microsoft", "ONNX Runtime's own operators: write the model without ONNX Runtime's optimiser or "
                          "quantiser, or with its "
                          "standard (QDQ) form"},
        {"org.pytorch.aten", "PyTorch's own operators, left as they are: export for a newer opset"},
        {"pkg.onnxscript.torch_lib",
         "functions of PyTorch's exporter that the file should define: export again"},
        {"aten", "PyTorch's own operators, left as they are: export for a newer opset, or with dynamo=True"},
        {"prim", "PyTorch's own operators, left as they are: export for a newer opset, or with dynamo=True"},
        {"torchvision", "torchvision's own operators: use those that have an ONNX form (nms, roi_align)"},
        {"mmdeploy", "mmdeploy's own operators: export for its onnxruntime backend without custom operators"},
        {"mmcv", "mmcv's own operators: replace them by PyTorch's before exporting"},
        {"trt.plugins", "a plugin of TensorRT: only TensorRT runs it; export without the plugin"},
        {"com.microsoft.nchwc",
         "ONNX Runtime's own layout: save the model before it is optimised for one processor"},
        {"com.ms.internal.nhwc",
         "ONNX Runtime's own layout: save the model before it is optimised for one processor"},
        {"ai.onnx.contrib", "onnxruntime-extensions: do this step in front of the model"},
    };
    for (size_t i = 0; i < TAP_COUNT_OF(owners); i++)
        if (strcmp(owners[i][0], domain) == 0) return owners[i][1];
    return "";
}

static const char *producer_of(const tap_checker *c) {
    const char *p = c->b->src->producer_name;
    return p && *p ? p : "the exporter";
}

static const char *hint_for(tap_checker *c, const tap_node *n) {
    const foreign *f = *n->src->domain ? NULL : find_foreign(n->src->op);
    if (f) return tap_arena_printf(c->arena, "an operator of %s. %s", f->origin, f->hint);
    if (*n->src->domain && n->opset <= 0)
        return tap_arena_printf(
            c->arena, "add domain %s to the model's opset imports, with the version it was written for",
            n->src->domain);
    const char *own = tap_check_operator_hint(c, n);
    if (own) return own;
    if (*owner_of(n->src->domain)) return owner_of(n->src->domain);
    if (*n->src->domain)
        return tap_arena_printf(
            c->arena,
            "not an operator of ONNX, but of domain %s: run the model where that is known, give onnxtap "
            "the operator (op.h), or export without it",
            n->src->domain);
    return tap_arena_printf(
        c->arena,
        "not an operator of ONNX: %s left it as it was in the framework; look for its name in the "
        "exporter's list of supported operators, and write the layer with others",
        producer_of(c));
}

static bool is_missing(const tap_node *n) {
    return n->unsupported && !n->faulty;
}

/* One finding for each kind of node. */
static void add_kind(tap_checker *c, const tap_node *n) {
    const char *code = n->op ? "unsupported-type" : "unsupported-operator";
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->items[i].code, code) == 0 && strcmp(c->items[i].op, n->src->op) == 0 &&
            strstr(c->items[i].message, n->unsupported)) {
            c->items[i].count++;
            return;
        }
    const char *hint =
        n->op ? "cast around it, or export with a type that the operator takes" : hint_for(c, n);
    tap_check_add(c, TAP_SEVERITY_ERROR, code, n, NULL, hint, "node '%s' (%s%s%s, opset %lld): %s",
                  n->address, n->src->domain, *n->src->domain ? "." : "", n->src->op, (long long)n->opset,
                  n->unsupported);
}

void tap_check_unsupported(tap_checker *c) {
    for (size_t i = 0; i < c->b->n_graphs; i++)
        for (size_t k = 0; k < c->b->graphs[i]->n_nodes; k++)
            if (is_missing(c->b->graphs[i]->nodes[k])) add_kind(c, c->b->graphs[i]->nodes[k]);
}

/* ---- What runs here and is not in the standard ---- */

static void note_kind(tap_checker *c, const tap_node *n) {
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->items[i].code, "foreign-operator") == 0 && strcmp(c->items[i].op, n->src->op) == 0) {
            c->items[i].count++;
            return;
        }
    tap_check_add(
        c, TAP_SEVERITY_NOTE, "foreign-operator", n, NULL,
        "other runtimes may not have it: write the model without ONNX Runtime's optimiser or quantiser, or "
        "in its standard (QDQ) form",
        "node '%s' (%s%s%s): an operator of ONNX Runtime, which is not in the ONNX standard", n->address,
        n->src->domain, *n->src->domain ? "." : "", n->src->op);
}

/* Whether the node lies in the function that `outer` stands for. */
static bool lies_in(const tap_node *n, const tap_node *outer) {
    const size_t length = outer ? strlen(outer->address) : 0;
    return outer && strncmp(n->address, outer->address, length) == 0 && n->address[length] == '/';
}

void tap_check_foreign(tap_checker *c) {
    const tap_node *outer = NULL;
    for (size_t i = 0; i < c->b->n_calls; i++) {
        const tap_node *n = c->b->calls[i];
        if (!n->op || lies_in(n, outer)) continue;
        outer = n;
        note_kind(c, n);
    }
    for (size_t i = 0; i < c->b->n_graphs; i++)
        for (size_t k = 0; k < c->b->graphs[i]->n_nodes; k++) {
            const tap_node *n = c->b->graphs[i]->nodes[k];
            if (n->op && strcmp(n->src->domain, "com.microsoft") == 0) note_kind(c, n);
        }
}
