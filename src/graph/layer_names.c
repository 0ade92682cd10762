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
           strcmp(piece, "ConstantFolding") == 0;
}

/* Scopes that TensorFlow's own functions open inside of a layer. */
static bool is_function_scope(const char *piece) {
    static const char *const names[] = {"batchnorm",
                                        "moments",
                                        "convolution",
                                        "depthwise",
                                        "separable_conv2d",
                                        "conv_transpose",
                                        "einsum",
                                        "while",
                                        "cond",
                                        "stack",
                                        "unstack",
                                        "one_hot",
                                        "map",
                                        "scan",
                                        "normalize",
                                        "l2_normalize",
                                        "Gelu",
                                        "Repeat",
                                        "FusedBatchNormV3",
                                        "ReadVariableOp",
                                        "concat",
                                        "split",
                                        "transpose",
                                        "strided_slice",
                                        "zeros",
                                        "ones",
                                        "zeros_like",
                                        "ones_like",
                                        "range",
                                        "resize",
                                        "embedding_lookup",
                                        "Cast",
                                        "add",
                                        "sub",
                                        "mul",
                                        "truediv",
                                        "dropout",
                                        "mean",
                                        "sum",
                                        "Tensordot",
                                        "time",
                                        "ExpandDims"};
    size_t n = strlen(piece), stem;
    if (tap_name_number(piece, n, &stem) >= 0) n = stem;
    for (size_t i = 0; i < TAP_COUNT_OF(names); i++)
        if (strlen(names[i]) == n && strncmp(names[i], piece, n) == 0) return true;
    return false;
}

bool tap_path_of_name(const char *name, tap_arena *a, tap_path *out) {
    size_t n = strcspn(name, ";"), to = 0;
    *out = (tap_path){NULL, 0};
    if (!split(a, name, n, false, out)) return false;
    for (size_t i = 0; i < out->n; i++) {
        if (is_wrapper(out->pieces[i])) continue;
        if (to > 0 && is_function_scope(out->pieces[i])) break;
        out->pieces[to++] = out->pieces[i];
    }
    out->n = to;
    return true;
}

static bool tf_path(const tap_node *n, tap_arena *a, tap_path *out) {
    if (!tap_path_of_name(n->src->name, a, out)) return false;
    for (int32_t k = 0; k < n->n_out && out->n == 0; k++)
        if (n->out[k] != TAP_NO_VALUE && !tap_path_of_name(n->graph->values[n->out[k]].name, a, out))
            return false;
    return true;
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
