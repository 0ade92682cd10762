/* How exporters write the place of a node in the framework's model. */
#include "graph/layer_names.h"

#include <ctype.h>
#include <string.h>

#define PIECES_MAX 64

/* ---- Which exporter ---- */

const char *tap_node_metadata(const tap_node *n, const char *key) {
    for (size_t i = 0; i < n->src->n_metadata; i++)
        if (strcmp(n->src->metadata[i].key, key) == 0) return n->src->metadata[i].value;
    return NULL;
}

static const char *fx_scopes(const tap_node *n) {
    return tap_node_metadata(n, "pkg.torch.onnx.name_scopes");
}

static bool has_slot_suffix(const char *name) {
    const char *colon = strrchr(name, ':');
    return colon && colon != name && isdigit((unsigned char)colon[1]) && colon[-1] != ':';
}

/* By the form of the names and not by the producer: tools that rewrite a file leave their own there. */
tap_dialect tap_dialect_of(const tap_bound *b) {
    size_t n_fx = 0, n_scopes = 0, n_tf = 0;
    const tap_graph *g = b->main;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const tap_node *n = g->nodes[i];
        if (fx_scopes(n)) n_fx++;
        if (*n->src->name == '/') n_scopes++;
        if (strchr(n->src->name, '/') && *n->src->name != '/') n_tf++;
        for (int32_t k = 0; k < n->n_out; k++)
            if (n->out[k] != TAP_NO_VALUE && has_slot_suffix(g->values[n->out[k]].name)) n_tf++;
    }
    if (n_fx) return TAP_DIALECT_FX;
    if (n_scopes > n_tf) return TAP_DIALECT_SCOPES;
    bool tf = strcmp(b->src->producer_name, "tf2onnx") == 0 ||
              strncmp(b->src->producer_name, "keras", 5) == 0 || n_tf * 2 > g->n_nodes;
    return tf ? TAP_DIALECT_TF : TAP_DIALECT_NODES;
}

/* ---- Pieces ---- */

int32_t tap_name_number(const char *name, size_t n, size_t *stem) {
    size_t i = n;
    while (i > 0 && isdigit((unsigned char)name[i - 1])) i--;
    if (i == n || i < 2 || name[i - 1] != '_' || n - i > 6) return -1;
    int32_t number = 0;
    for (size_t k = i; k < n; k++) number = number * 10 + (name[k] - '0');
    *stem = i - 1;
    return number;
}

bool tap_name_is_made_up(const char *name) {
    if (strncmp(name, "onnx::", 6) == 0) return true;
    const char *under = strstr(name, "__");
    for (; under; under = strstr(under + 1, "__")) {
        const char *p = under + 2;
        while (isdigit((unsigned char)*p)) p++;
        if (p != under + 2 && (!*p || *p == ':')) return true;
    }
    return false;
}

bool tap_name_is_merged(const char *name) {
    return strstr(name, "merged_input") || strstr(name, "fused_bn");
}

static bool add_piece(tap_arena *a, tap_path *out, const char *s, size_t n) {
    if (out->n == PIECES_MAX) return true;
    if (!out->pieces) out->pieces = tap_arena_array(a, PIECES_MAX, sizeof *out->pieces);
    if (!out->pieces) return false;
    out->pieces[out->n] = tap_arena_string(a, s, n);
    return out->pieces[out->n++] != NULL;
}

/* "a/b/c" -> a, b, and with `last` c. Empty pieces are left out. */
static bool split(tap_arena *a, const char *s, size_t n, bool last, tap_path *out) {
    size_t from = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && s[i] != '/') continue;
        if (i > from && (i < n || last) && !add_piece(a, out, s + from, i - from)) return false;
        from = i + 1;
    }
    return true;
}

/* ---- TensorFlow ---- */

/* Wrappers that saving a model puts around its parts, and not layers. */
static bool is_wrapper(const char *piece) {
    return strncmp(piece, "StatefulPartitionedCall", 23) == 0 || strncmp(piece, "PartitionedCall", 15) == 0 ||
           strcmp(piece, "ConstantFolding") == 0 || strcmp(piece, "Func") == 0;
}

/* Scopes that TensorFlow's own functions open inside of a layer. */
static const char *const functions[] = {"batchnorm",
                                        "moments",
                                        "convolution",
                                        "depthwise",
                                        "separable_conv2d",
                                        "conv_transpose",
                                        "einsum",
                                        "while",
                                        "cond",
                                        "one_hot",
                                        "l2_normalize",
                                        "Gelu",
                                        "Repeat",
                                        "FusedBatchNormV3",
                                        "ReadVariableOp",
                                        "embedding_lookup",
                                        "Tensordot",
                                        "TensorArrayUnstack",
                                        "TensorArrayV2Stack"};
/* Operations that have constants in a scope of their name. */
static const char *const operations[] = {
    "Reshape",    "Mean",       "Sum",           "Max",       "Min",         "Prod",    "Any",
    "All",        "ArgMax",     "ArgMin",        "Tile",      "Pad",         "PadV2",   "GatherV2",
    "ExpandDims", "Squeeze",    "strided_slice", "transpose", "range",       "Fill",    "zeros",
    "ones",       "zeros_like", "ones_like",     "Cast",      "BroadcastTo", "BiasAdd", "MatMul",
    "Conv2D",     "Less",       "Greater",       "Equal",     "Maximum",     "Minimum", "clip_by_value",
    "resize",     "stack",      "unstack",       "TopKV2",    "SplitV"};
/* The same under names that layers have, too: they hold constants and no nodes. */
static const char *const arithmetic[] = {"add",    "sub",   "mul",       "truediv", "pow",
                                         "concat", "split", "mean",      "sum",     "map",
                                         "scan",   "time",  "normalize", "dropout", "Rsqrt"};

static bool is_one_of(const char *piece, const char *const *names, size_t n_names) {
    size_t n = strlen(piece), stem;
    if (tap_name_number(piece, n, &stem) >= 0) n = stem;
    for (size_t i = 0; i < n_names; i++)
        if (strlen(names[i]) == n && strncmp(names[i], piece, n) == 0) return true;
    return false;
}

/* Whether the piece at depth `at` is no layer but something inside of one. Directly in the model a number
 * tells that it is a layer: Keras 3 puts one behind each. */
static bool ends_layers(const char *piece, size_t at, bool constant) {
    size_t stem;
    bool numbered = tap_name_number(piece, strlen(piece), &stem) >= 0;
    if (at == 0 || (at == 1 && numbered)) return false;
    if (is_one_of(piece, functions, TAP_COUNT_OF(functions))) return true;
    if (at > 1 && is_one_of(piece, operations, TAP_COUNT_OF(operations))) return true;
    if (constant && at > 1 && isupper((unsigned char)*piece)) return true;
    return constant && is_one_of(piece, arithmetic, TAP_COUNT_OF(arithmetic));
}

/* "outer_while_cond_frozen_16_outer/while": the name of a function that was written out, and then the place.
 */
static const char *behind_function(const char *piece) {
    static const char *const marks[] = {"while_cond_", "while_body_", "cond_true_", "cond_false_"};
    for (size_t i = 0; i < TAP_COUNT_OF(marks); i++) {
        const char *p = strstr(piece, marks[i]);
        if (!p) continue;
        p += strlen(marks[i]);
        for (int round = 0; round < 2; round++) {
            if (strncmp(p, "frozen_", 7) == 0) p += 7;
            const char *digits = p;
            while (isdigit((unsigned char)*p)) p++;
            if (p == digits || *p != '_' || !p[1]) break;
            p++;
        }
        return p;
    }
    return piece;
}

/* ---- Names of several operations (TFLite) ---- */

typedef enum step { STEP_PRODUCT = 1, STEP_BIAS, STEP_NORMAL, STEP_OTHER, STEP_ACTIVATION } step;

/* What an operation of that name does, within a group that TFLite runs as one. */
static step step_of(const char *s, size_t n) {
    static const struct {
        const char *part;
        step step;
    } known[] = {{"convolution", STEP_PRODUCT}, {"Conv2D", STEP_PRODUCT},        {"depthwise", STEP_PRODUCT},
                 {"MatMul", STEP_PRODUCT},      {"Squeeze", STEP_PRODUCT},       {"BiasAdd", STEP_BIAS},
                 {"batchnorm", STEP_NORMAL},    {"FusedBatchNorm", STEP_NORMAL}, {"Relu", STEP_ACTIVATION},
                 {"Tanh", STEP_ACTIVATION},     {"Sigmoid", STEP_ACTIVATION},    {"Elu", STEP_ACTIVATION},
                 {"Maximum", STEP_ACTIVATION},  {"Minimum", STEP_ACTIVATION}};
    size_t i = n;
    while (i > 0 && s[i - 1] != '/') i--;
    if (i > 10 && strncmp(s + i - 10, "batchnorm/", 10) == 0) return STEP_NORMAL;
    for (size_t k = 0; k < TAP_COUNT_OF(known); k++)
        if (n - i >= strlen(known[k].part) && strncmp(s + i, known[k].part, strlen(known[k].part)) == 0)
            return known[k].step;
    return STEP_OTHER;
}

static bool is_of_same_scope(const char *a, size_t n, const char *b, size_t m) {
    while (n > 0 && a[n - 1] != '/') n--;
    while (m > 0 && b[m - 1] != '/') m--;
    return n == m && strncmp(a, b, n) == 0;
}

/* The first operation with a product; NULL: there is none. */
static const char *product_of(const char *name, size_t *n) {
    for (const char *s = name; *s;) {
        *n = strcspn(s, ";");
        if (step_of(s, *n) == STEP_PRODUCT) return s;
        s += *n + (s[*n] == ';');
    }
    return NULL;
}

bool tap_name_is_product(const char *name) {
    return step_of(name, strcspn(name, ";")) == STEP_PRODUCT;
}

bool tap_name_has_foreign_bias(const char *name) {
    size_t first = strcspn(name, ";"), n;
    const char *product = name[first] ? product_of(name, &n) : NULL;
    if (!product || step_of(name, first) != STEP_BIAS || is_of_same_scope(name, first, product, n))
        return false;
    for (const char *s = name + first + 1; *s;) {
        size_t m = strcspn(s, ";");
        if (step_of(s, m) == STEP_BIAS && is_of_same_scope(s, m, product, n)) return true;
        s += m + (s[m] == ';');
    }
    return false;
}

const char *tap_name_of_step(const char *name, bool activation, size_t *n) {
    const char *best = name;
    size_t best_n = strcspn(name, ";"), product_n = 0;
    step most = 0;
    *n = best_n;
    if (!name[best_n]) return name;
    const char *product = product_of(name, &product_n);
    if (tap_name_has_foreign_bias(name)) {
        name += best_n + 1;
        best = name;
        best_n = strcspn(name, ";");
    }
    for (const char *s = name; *s;) {
        size_t m = strcspn(s, ";");
        step x = step_of(s, m);
        /* A layer's own activation is no layer of its own. */
        bool own = x == STEP_ACTIVATION && product && is_of_same_scope(s, m, product, product_n);
        if (x > most && (activation || own || x < STEP_ACTIVATION)) best = s, best_n = m, most = x;
        s += m + (s[m] == ';');
    }
    *n = best_n;
    return best;
}

static bool read_path(const char *name, bool constant, tap_arena *a, tap_path *out) {
    size_t n, to = 0;
    *out = (tap_path){NULL, 0};
    if (strncmp(name, "Func/", 5) == 0) return true; /* arguments of functions that were written out */
    name = tap_name_of_step(name, false, &n);
    if (!split(a, name, n, false, out)) return false;
    for (size_t i = 0; i < out->n; i++) {
        const char *piece = behind_function(out->pieces[i]);
        if (is_wrapper(piece)) continue;
        if (ends_layers(piece, to, constant)) break;
        out->pieces[to++] = piece;
    }
    out->n = to;
    return true;
}

bool tap_path_of_name(const char *name, tap_arena *a, tap_path *out) {
    return read_path(name, true, a, out);
}

/* A value keeps TensorFlow's name where the node got another: a convolution that has a normalisation in it
 * makes a value of the normalisation's name. Outputs of the graph are renamed, there the node tells. */
static bool tf_path(const tap_node *n, tap_arena *a, tap_path *out) {
    for (int32_t k = 0; k < n->n_out && out->n == 0; k++)
        if (n->out[k] != TAP_NO_VALUE && !n->graph->values[n->out[k]].is_output &&
            !read_path(n->graph->values[n->out[k]].name, false, a, out))
            return false;
    return out->n ? true : read_path(n->src->name, false, a, out);
}

/* ---- PyTorch ---- */

/* "['', 'features', 'features.0', 'conv2d']": the strings of a Python list, the last one and empty ones left
 * out. */
static bool python_list(const char *s, bool keep_last, tap_arena *a, tap_path *out) {
    while (*s) {
        char quote = *s++;
        if (quote != '\'' && quote != '"') continue;
        const char *end = strchr(s, quote);
        if (!end) break;
        if (!add_piece(a, out, s, (size_t)(end - s))) return false;
        s = end + 1;
    }
    if (out->n && !keep_last) out->n--;
    return true;
}

static bool fx_list(const tap_node *n, const char *key, tap_arena *a, tap_path *out) {
    const char *text = tap_node_metadata(n, key);
    *out = (tap_path){NULL, 0};
    if (text && !python_list(text, false, a, out)) return false;
    /* The first is the model itself. */
    if (out->n) {
        out->pieces++;
        out->n--;
    }
    return true;
}

bool tap_path_of_node(tap_dialect d, const tap_node *n, tap_arena *a, tap_path *out) {
    *out = (tap_path){NULL, 0};
    switch (d) {
    case TAP_DIALECT_TF: return tf_path(n, a, out);
    case TAP_DIALECT_FX: return fx_list(n, "pkg.torch.onnx.name_scopes", a, out);
    case TAP_DIALECT_SCOPES:
        return *n->src->name != '/' || split(a, n->src->name, strlen(n->src->name), false, out);
    case TAP_DIALECT_NODES: break;
    }
    return true;
}

bool tap_kinds_of_node(tap_dialect d, const tap_node *n, tap_arena *a, tap_path *out) {
    *out = (tap_path){NULL, 0};
    return d != TAP_DIALECT_FX || fx_list(n, "pkg.torch.onnx.class_hierarchy", a, out);
}
