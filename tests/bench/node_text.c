/* Reads the lines that node_text.h describes. */
#define PB_ROOM ((size_t)1 << 24)
#include "node_text.h"

#include <ctype.h>

#include "unit/pb_onnx.h"

enum { NEWEST_OPSET = 24, NEWEST_ML_OPSET = 5, IR = 10 };
enum {
    ATTR_FLOAT = 1,
    ATTR_INT = 2,
    ATTR_STRING = 3,
    ATTR_GRAPH = 5,
    ATTR_FLOATS = 6,
    ATTR_INTS = 7,
    ATTR_STRINGS = 8
};

static bool complain(const char *what, const char *at) {
    fprintf(stderr, "%s: '%.60s'\n", what, at);
    return false;
}

static const char *skip(const char *s) {
    while (*s == ' ') s++;
    return s;
}

/* The next word, up to a space or the end of the part. */
static const char *word(const char *s, char *to, size_t room) {
    size_t n = 0;
    s = skip(s);
    while (*s && *s != ' ' && *s != '|') {
        if (n + 1 < room) to[n++] = *s;
        s++;
    }
    to[n] = 0;
    return skip(s);
}

/* ---- Random values ---- */

static uint64_t random_state;

static uint64_t next_random(void) {
    uint64_t z = random_state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

typedef struct range {
    double low, high;
} range;

static double draw(const range *r) {
    return r->low + (r->high - r->low) * ((double)(next_random() >> 11) * 0x1p-53);
}

static uint16_t half_of(float x) { /* of moderate size; truncated */
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    int32_t e = (int32_t)(u >> 23 & 255) - 112;
    if (e <= 0) return (uint16_t)(u >> 16 & 0x8000);
    return (uint16_t)((u >> 16 & 0x8000) | (uint32_t)e << 10 | (u >> 13 & 1023));
}

static void put(tap_dtype t, void *data, int64_t i, double x) {
    float f = (float)x;
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    switch (t) {
    case TAP_FLOAT: ((float *)data)[i] = f; break;
    case TAP_DOUBLE: ((double *)data)[i] = x; break;
    case TAP_FLOAT16: ((uint16_t *)data)[i] = half_of(f); break;
    case TAP_BFLOAT16: ((uint16_t *)data)[i] = (uint16_t)(u >> 16); break;
    default: {
        int64_t n = (int64_t)x;
        memcpy((char *)data + (size_t)i * tap_dtype_bytes(t), &n, tap_dtype_bytes(t));
    }
    }
}

static bool is_float(tap_dtype t) {
    return t == TAP_FLOAT || t == TAP_DOUBLE || t == TAP_FLOAT16 || t == TAP_BFLOAT16;
}

static bool fill(tap_value *v, const range *r) {
    const tap_tensor *t = tap_value_tensor(v);
    tap_dtype type = tap_tensor_dtype(t);
    range usual = is_float(type) ? (range){-1, 1} : type == TAP_BOOL ? (range){0, 2} : (range){0, 100};
    for (int64_t i = 0; i < tap_tensor_count(t); i++) {
        if (type == TAP_STRING) {
            char s[16];
            int n = snprintf(s, sizeof s, "Word %d", (int)(next_random() % 1000));
            if (tap_value_set_string(v, i, s, (size_t)n, NULL)) return false;
        } else {
            put(type, tap_value_data(v), i, draw(r ? r : &usual));
        }
    }
    return true;
}

/* ---- Attributes ---- */

static void attr_item(pb *a, int type, const char *s) {
    if (type == ATTR_FLOAT) pb_float(a, 2, strtof(s, NULL));
    if (type == ATTR_INT)
        pb_int(a, 3, tap_dtype_from_name(s) ? tap_dtype_from_name(s) : strtoll(s, NULL, 10));
    if (type == ATTR_STRING) pb_str(a, 4, s);
    if (type == ATTR_FLOATS) pb_float(a, 7, strtof(s, NULL));
    if (type == ATTR_INTS) pb_int(a, 8, strtoll(s, NULL, 10));
    if (type == ATTR_STRINGS) pb_str(a, 9, s);
}

static int item_type(const char *s) {
    if (tap_dtype_from_name(s)) return ATTR_INT;
    if (isalpha((unsigned char)*s) || !*s) return ATTR_STRING;
    return strpbrk(s, ".e") ? ATTR_FLOAT : ATTR_INT;
}

static pb *attr_from_text(const char *name, char *value) {
    if (*value != '[') {
        int type = item_type(value);
        pb *a = pb_attr(name, type);
        attr_item(a, type, value);
        return a;
    }
    char *item = strtok(value + 1, ",]");
    int type = item ? item_type(item) + (ATTR_FLOATS - ATTR_FLOAT) : ATTR_INTS;
    pb *a = pb_attr(name, type);
    for (; item; item = strtok(NULL, ",]")) attr_item(a, type, item);
    return a;
}

/* Full trees: node i of a tree has the children 2i + 1 and 2i + 2; the last level are leaves. */
static void forest(pb *node, long trees, long depth, long features) {
    static const char *const ints[] = {"nodes_treeids",     "nodes_nodeids",      "nodes_featureids",
                                       "nodes_truenodeids", "nodes_falsenodeids", "target_treeids",
                                       "target_nodeids",    "target_ids"};
    pb *list[8], *modes = pb_attr("nodes_modes", ATTR_STRINGS),
                 *values = pb_attr("nodes_values", ATTR_FLOATS);
    pb *weights = pb_attr("target_weights", ATTR_FLOATS), *targets = pb_attr("n_targets", ATTR_INT);
    long inner = (1L << depth) - 1, all = 2 * inner + 1;
    for (int k = 0; k < 8; k++) list[k] = pb_attr(ints[k], ATTR_INTS);
    for (long t = 0; t < trees; t++)
        for (long i = 0; i < all; i++) {
            bool leaf = i >= inner;
            long row[] = {t,
                          i,
                          (long)(next_random() % (uint64_t)features),
                          leaf ? 0 : 2 * i + 1,
                          leaf ? 0 : 2 * i + 2,
                          t,
                          i,
                          0};
            for (int k = 0; k < (leaf ? 8 : 5); k++) pb_int(list[k], 8, row[k]);
            pb_str(modes, 9, leaf ? "LEAF" : "BRANCH_LEQ");
            pb_float(values, 7, (float)draw(&(range){-1, 1}));
            if (leaf) pb_float(weights, 7, (float)draw(&(range){-1, 1}));
        }
    for (int k = 0; k < 8; k++) pb_msg(node, 5, list[k]);
    pb_int(targets, 3, 1);
    pb_msg(node, 5, modes);
    pb_msg(node, 5, values);
    pb_msg(node, 5, weights);
    pb_msg(node, 5, targets);
}

static void body_node(pb *graph, const char *op, const char *a, const char *b, const char *y) {
    pb *n = pb_node(op, NULL);
    pb_str(n, 1, a);
    if (b) pb_str(n, 1, b);
    pb_str(n, 2, y);
    pb_msg(graph, 1, n);
}

/* Scan: (state, x) -> (state + x, a copy of it). Loop: (i, cond, state) -> (cond, state + state). With
 * `insert`, Loop's state is a sequence that grows by the captured x. */
static void body(pb *node, const char *kind, bool loop) {
    pb *g = pb_new(), *a = pb_attr("body", ATTR_GRAPH);
    bool insert = strcmp(kind, "insert") == 0;
    pb_str(g, 2, "body");
    if (loop) {
        pb_msg(g, 11, pb_value("i", pb_tensor_type(TAP_INT64, 0, NULL)));
        pb_msg(g, 11, pb_value("c", pb_tensor_type(TAP_BOOL, 0, NULL)));
        body_node(g, "Identity", "c", NULL, "c1");
        pb_msg(g, 12, pb_value("c1", pb_tensor_type(TAP_BOOL, 0, NULL)));
    }
    pb *state = pb_tensor_type(TAP_FLOAT, -1, NULL), *after = pb_tensor_type(TAP_FLOAT, -1, NULL);
    if (insert) state = pb_type_of(4, state), after = pb_type_of(4, after);
    pb_msg(g, 11, pb_value("s", state));
    if (!loop) pb_msg(g, 11, pb_value("x", pb_tensor_type(TAP_FLOAT, -1, NULL)));
    body_node(g, insert ? "SequenceInsert" : "Add", "s", insert ? "x1" : loop ? "s" : "x", "s1");
    pb_msg(g, 12, pb_value("s1", after));
    if (!loop) {
        body_node(g, "Identity", "s1", NULL, "y");
        pb_msg(g, 12, pb_value("y", pb_tensor_type(TAP_FLOAT, -1, NULL)));
    }
    pb_msg(a, 6, g);
    pb_msg(node, 5, a);
}

static bool attribute(pb *node, const char *op, char *text) {
    char *value = strchr(text, '=');
    if (!value) return complain("no attribute (name=value)", text);
    *value++ = 0;
    if (strcmp(text, "forest") == 0) {
        char *rest;
        long trees = strtol(value, &rest, 10), depth = strtol(rest + 1, &rest, 10);
        forest(node, trees, depth, strtol(rest + 1, NULL, 10));
    } else if (strcmp(text, "body") == 0) {
        body(node, value, strcmp(op, "Loop") == 0);
    } else {
        pb_msg(node, 5, attr_from_text(text, value));
    }
    return true;
}

/* ---- Inputs ---- */

static const char *dims_from_text(const char *s, int *rank, int64_t *dims) {
    char text[160];
    *rank = 0;
    if (*s == '=' || *s == '<' || *s == '~' || *s == '|' || !*s) {
        *rank = -1;
        return s;
    }
    s = word(s, text, sizeof text);
    if (strcmp(text, "scalar") == 0) return s;
    for (char *d = strtok(text, "x"); d && *rank < TAP_RANK_MAX; d = strtok(NULL, "x"))
        dims[(*rank)++] = strtoll(d, NULL, 10);
    return s;
}

/* Values written out: an initializer. rank -1: as many as there are. */
static const char *constant(pb *graph, const char *name, tap_dtype type, int rank, const int64_t *dims,
                            const char *s) {
    char data[4096], text[64];
    int64_t n = 0;
    while (*s && *s != '|' && n < 256) {
        s = word(s, text, sizeof text);
        put(type, data, n++, strtod(text, NULL));
    }
    pb *t = rank < 0 ? pb_tensor(name, (int)type, 1, &n) : pb_tensor(name, (int)type, rank, dims);
    pb_bytes(t, 9, data, (size_t)n * tap_dtype_bytes(type));
    pb_msg(graph, 5, t);
    return s;
}

static const char *random_range(const char *s, tap_dtype type, range *r, bool *given) {
    char text[64];
    *given = *s == '<' || *s == '~';
    if (!*given) return s;
    bool below = *s == '<';
    s = word(s + 1, text, sizeof text);
    *r = (range){0, strtod(text, NULL)};
    if (below) return s;
    r->low = r->high;
    s = word(s, text, sizeof text);
    r->high = strtod(text, NULL) + (is_float(type) ? 0 : 1);
    return s;
}

/* Reads one input up to the next bar; NULL where it is wrong. */
static const char *input(node_case *c, pb *graph, pb *node, int i, const char *s) {
    char text[64], *name = c->names[c->n_inputs % NODE_INPUTS_MAX];
    int rank;
    int64_t dims[TAP_RANK_MAX];
    if (c->n_inputs == NODE_INPUTS_MAX) return complain("too many inputs", s) ? s : NULL;
    snprintf(name, sizeof c->names[0], "x%d", i % 1000);
    s = word(s, text, sizeof text);
    if (strcmp(text, "_") == 0) {
        pb_str(node, 1, "");
        return s;
    }
    tap_dtype type = tap_dtype_from_name(text);
    if (type == TAP_UNDEFINED) return complain("no dtype", text) ? s : NULL;
    pb_str(node, 1, name);
    s = dims_from_text(s, &rank, dims);
    if (*s == '=') return constant(graph, name, type, rank, dims, skip(s + 1));
    range r;
    bool given;
    s = random_range(s, type, &r, &given);
    tap_value *v;
    tap_error err;
    if (rank < 0 || tap_value_new(type, rank, dims, &v, &err)) return complain("no shape", text) ? s : NULL;
    if (!fill(v, given ? &r : NULL)) return complain("no memory", text) ? s : NULL;
    pb *info = pb_value(name, pb_tensor_type((int)type, rank, dims));
    if (given) { /* for those who make inputs of their own: tests/bench/ops_beside_ort.py */
        snprintf(text, sizeof text, "%.9g %.9g", r.low, r.high);
        pb_str(info, 3, text);
    }
    pb_msg(graph, 11, info);
    c->inputs[c->n_inputs++] = (tap_input){name, v};
    return s;
}

/* ---- The line ---- */

/* The operator's name, domain and opset. */
static pb *operator_node(char *text, char *domain, size_t room, int64_t *opset, const char **op) {
    char *dot = strrchr(text, '.'), *dash = strrchr(text, '-');
    *domain = 0;
    if (dash) *dash = 0;
    if (dot) {
        *dot = 0;
        snprintf(domain, room, "%s", text);
    }
    *op = dot ? dot + 1 : text;
    *opset = dash                                ? strtoll(dash + 1, NULL, 10)
             : strcmp(domain, "ai.onnx.ml") == 0 ? NEWEST_ML_OPSET
                                                 : NEWEST_OPSET;
    pb *node = pb_node(*op, NULL);
    if (*domain) pb_str(node, 7, domain);
    return node;
}

static bool finish(node_case *c, pb *graph, const char *domain, int64_t opset) {
    pb *m = pb_new();
    pb_int(m, 1, IR);
    pb_msg(m, 8, pb_opset(NULL, *domain ? NEWEST_OPSET : opset));
    if (*domain) pb_msg(m, 8, pb_opset(domain, opset));
    pb_msg(m, 7, graph);
    c->n_model = m->n;
    c->model = malloc(m->n);
    if (c->model) memcpy(c->model, m->b, m->n);
    free(m);
    return c->model != NULL;
}

bool node_case_from_text(const char *line, node_case *c) {
    char text[512], domain[128];
    const char *op, *s = word(line, text, sizeof text);
    char name[128];
    int64_t opset;
    int n_out = 1;
    *c = (node_case){0};
    random_state = 1;
    memcpy(name, text, sizeof name);
    name[sizeof name - 1] = 0;
    pb *graph = pb_new(), *node = operator_node(name, domain, sizeof domain, &opset, &op);
    bool fine = true;
    while (fine && *s && *s != '|') {
        s = word(s, text, sizeof text);
        if (strcmp(text, "->") == 0)
            n_out = (int)strtol(s, NULL, 10), s = word(s, text, sizeof text);
        else
            fine = attribute(node, op, text);
    }
    for (int i = 0; fine && *s == '|'; i++) fine = (s = input(c, graph, node, i, s + 1)) != NULL;
    for (int i = 0; i < n_out; i++) {
        char y[16];
        snprintf(y, sizeof y, "y%d", i);
        pb_str(node, 2, y);
        pb_msg(graph, 12, pb_value(y, NULL));
    }
    pb_str(graph, 2, "case");
    pb_msg(graph, 1, node);
    if (fine) return finish(c, graph, domain, opset);
    free(graph);
    return false;
}

void node_case_free(node_case *c) {
    for (size_t i = 0; i < c->n_inputs; i++) tap_value_release((tap_value *)(uintptr_t)c->inputs[i].value);
    free(c->model);
    *c = (node_case){0};
}
