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

static const foreign foreigns[] = {
    {"Erfc", "TensorFlow",
     "Erfc(x) is 1 - Erf(x): convert with a handler that writes Erf and Sub, or use the tanh form of GELU"},
    {"Erfinv", "TensorFlow", "no ONNX operator gives it: compute it outside of the model"},
    {"Log1p", "TensorFlow", "Log1p(x) is Log(Add(x, 1)); write tf.math.log(1 + x)"},
    {"Expm1", "TensorFlow", "Expm1(x) is Sub(Exp(x), 1); write tf.exp(x) - 1"},
    {"Lgamma", "TensorFlow", "no ONNX operator gives it: compute it outside of the model"},
    {"Digamma", "TensorFlow", "no ONNX operator gives it: compute it outside of the model"},
    {"BesselI0e", "TensorFlow", "no ONNX operator gives it: compute it outside of the model"},
    {"BesselI1e", "TensorFlow", "no ONNX operator gives it: compute it outside of the model"},
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
    {"StaticRegexReplace", "TensorFlow", "text preprocessing of TensorFlow: do it in front of the model"},
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
        {"ai.onnx.contrib", "onnxruntime-extensions: do this step in front of the model"},
    };
    for (size_t i = 0; i < TAP_COUNT_OF(owners); i++)
        if (strcmp(owners[i][0], domain) == 0) return owners[i][1];
    return "";
}

/* Opsets that have the operator, and the nearest one to the model's. */
static const char *other_opset(tap_checker *c, const tap_node *n) {
    const tap_lookup *l = c->b->lookup;
    const tap_op *best = NULL;
    for (size_t i = 0; i < l->n_rows; i++) {
        const tap_op *op = l->rows[i];
        const char *domain = op->domain && strcmp(op->domain, "ai.onnx") != 0 ? op->domain : "";
        if (strcmp(op->name, n->src->op) != 0 || strcmp(domain, n->src->domain) != 0) continue;
        if (!best || (op->since > n->opset && op->since < best->since) || best->since < n->opset) best = op;
    }
    if (!best || n->opset <= 0) return NULL;
    if (best->since > n->opset)
        return tap_arena_printf(c->arena, "export for opset %d or later", (int)best->since);
    return best->until && best->until < n->opset
               ? tap_arena_printf(c->arena, "export for opset %d, the last that has it", (int)best->until)
               : NULL;
}

static const char *hint_for(tap_checker *c, const tap_node *n) {
    const foreign *f = *n->src->domain ? NULL : find_foreign(n->src->op);
    if (f) return tap_arena_printf(c->arena, "an operator of %s. %s", f->origin, f->hint);
    if (*owner_of(n->src->domain)) return owner_of(n->src->domain);
    const char *opset = other_opset(c, n);
    return opset ? opset
                 : "not an operator of ONNX: the converter left it as it was; look for its name in the "
                   "converter's list of "
                   "supported operators";
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
