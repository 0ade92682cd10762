/* Why a piece gives another result than the reference: tries the hypotheses one after the other. */
#include "diff/faults.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "onnxtap/record.h"

/* Changed pieces that are run for one fault, and for how many faults reasons are sought. */
#define TRIES_MAX     3000
#define EXPLAINED_MAX 16

static tap_hypothesis *const hypotheses[] = {
#define TAP_X(function) function,
    TAP_HYPOTHESES(TAP_X)
#undef TAP_X
};

/* ---- trying ---- */

bool tap_case_begin(tap_case *c) {
    tap_arena_clear(&c->arena);
    if (c->status != TAP_OK || c->tries >= TRIES_MAX) return false;
    if (!tap_segment_copy(c->s, &c->arena, &c->edit)) c->status = TAP_MEMORY;
    return c->status == TAP_OK;
}

double tap_case_gap(tap_case *c, tap_value *const *more, size_t n_more) {
    size_t n = c->s->n_in, n_out = c->edit.model.graph.n_outputs;
    const tap_value **in = tap_arena_array(&c->arena, n + n_more + 1, sizeof *in);
    tap_value **out = tap_arena_array(&c->arena, n_out + 1, sizeof *out);
    if (!in || !out) {
        c->status = TAP_MEMORY;
        return INFINITY;
    }
    memcpy(in, c->piece->in, n * sizeof *in);
    if (n_more) memcpy(in + n, more, n_more * sizeof *in);
    c->tries++;
    if (tap_lab_run(&c->d->parts.lab, &c->edit, false, in, out, NULL) != TAP_OK) return INFINITY;
    double gap = tap_gap(out[c->piece->want], c->p->ref);
    tap_release_all(out, n_out);
    return gap;
}

static bool note(tap_case *c, double residual, size_t node, const char *fault, const char *fmt,
                 va_list args) {
    /* What explains only a part must explain most of it. */
    bool better = residual <= c->good || (residual < 0.05 * c->gap && isfinite(c->gap));
    if (!better || (c->fault && !(residual < 0.5 * c->residual))) return false;
    char text[600];
    vsnprintf(text, sizeof text, fmt, args);
    const char *own = tap_arena_string(&c->d->arena, text, strlen(text));
    if (!own) {
        c->status = TAP_MEMORY;
        return true;
    }
    c->fault = fault;
    c->why = own;
    c->node = node;
    c->input = SIZE_MAX;
    c->residual = residual;
    return residual <= c->good;
}

bool tap_case_note(tap_case *c, double residual, size_t node, const char *fault, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    bool found = note(c, residual, node, fault, fmt, args);
    va_end(args);
    return found;
}

bool tap_case_try(tap_case *c, size_t node, const char *fault, const char *fmt, ...) {
    double gap = tap_case_gap(c, NULL, 0);
    va_list args;
    va_start(args, fmt);
    bool found = note(c, gap, node, fault, fmt, args);
    va_end(args);
    return found;
}

/* ---- attributes ---- */

int64_t tap_int_attr(const tap_segment *s, size_t node, const char *name, int64_t otherwise) {
    const tap_src_attr *a = tap_segment_attr(s, node, name);
    return a && a->kind == TAP_ATTR_INT ? a->u.i : otherwise;
}

double tap_float_attr(const tap_segment *s, size_t node, const char *name, double otherwise) {
    const tap_src_attr *a = tap_segment_attr(s, node, name);
    return a && a->kind == TAP_ATTR_FLOAT ? (double)a->u.f : otherwise;
}

bool tap_set_int(tap_segment *s, size_t node, const char *name, int64_t v) {
    return tap_segment_set_attr(
        s, node, (tap_src_attr){.name = name, .ref = "", .kind = TAP_ATTR_INT, .n = 1, .u.i = v});
}

bool tap_set_float(tap_segment *s, size_t node, const char *name, double v) {
    return tap_segment_set_attr(
        s, node, (tap_src_attr){.name = name, .ref = "", .kind = TAP_ATTR_FLOAT, .n = 1, .u.f = (float)v});
}

bool tap_set_text(tap_segment *s, size_t node, const char *name, const char *v) {
    tap_string text = {v, strlen(v)};
    return tap_segment_set_attr(
        s, node, (tap_src_attr){.name = name, .ref = "", .kind = TAP_ATTR_STRING, .n = 1, .u.s = text});
}

bool tap_set_ints(tap_segment *s, size_t node, const char *name, const int64_t *v, size_t n) {
    int64_t *own = tap_arena_array(s->arena, n + 1, sizeof *own);
    if (!own) return false;
    memcpy(own, v, n * sizeof *own);
    return tap_segment_set_attr(
        s, node, (tap_src_attr){.name = name, .ref = "", .kind = TAP_ATTR_INTS, .n = n, .u.ints = own});
}

/* ---- constants ---- */

static const tap_src_tensor *constant_of(const tap_segment *s, size_t node) {
    const tap_src_attr *a = tap_node_is(s, node, "Constant") ? tap_segment_attr(s, node, "value") : NULL;
    return a && a->kind == TAP_ATTR_TENSOR ? a->u.tensors : NULL;
}

const tap_src_tensor *tap_constant_input(const tap_segment *s, size_t node, size_t k) {
    const char *name = k < s->nodes[node].n_inputs ? s->nodes[node].inputs[k] : "";
    if (*name == '\0') return NULL;
    for (size_t i = 0; i < node; i++)
        for (size_t o = 0; o < s->nodes[i].n_outputs; o++)
            if (strcmp(s->nodes[i].outputs[o], name) == 0) {
                if (tap_node_is(s, i, "Identity") && s->nodes[i].n_inputs == 1)
                    return tap_constant_input(s, i, 0);
                return constant_of(s, i);
            }
    return tap_segment_find_init(s, name);
}

double *tap_stored_doubles(tap_arena *a, const tap_src_tensor *t) {
    if (t->dtype == TAP_STRING || tap_dtype_bits(t->dtype) < 8) return NULL;
    double *x = tap_arena_array(a, (size_t)t->count + 1, sizeof *x);
    tap_tensor aligned;
    if (!x || !tap_tensor_shape(&aligned, t->dtype, t->rank, t->dims)) return NULL;
    /* Stored data lie at any address. */
    aligned.data = tap_arena_array(a, t->n_bytes + 1, 1);
    if (!aligned.data) return NULL;
    memcpy(aligned.data, t->data, t->n_bytes);
    return tap_tensor_doubles(&aligned, 0, t->count, x) ? x : NULL;
}

bool tap_set_input(tap_case *c, size_t node, size_t k, const char *name) {
    tap_src_node *n = &c->edit.nodes[node];
    const char **names = tap_arena_array(&c->arena, n->n_inputs > k ? n->n_inputs : k + 1, sizeof *names);
    if (!names) return false;
    for (size_t i = 0; i <= k; i++) names[i] = "";
    memcpy(names, n->inputs, n->n_inputs * sizeof *names);
    names[k] = name;
    n->inputs = names;
    if (n->n_inputs <= k) n->n_inputs = k + 1;
    return true;
}

bool tap_set_constant(tap_case *c, size_t node, size_t k, const tap_src_tensor *t, const double *x, int rank,
                      const int64_t *dims) {
    const char *name = tap_segment_name(&c->edit, "changed");
    tap_value *wide = NULL, *v = NULL;
    if (!name || tap_value_wrap(TAP_DOUBLE, rank, dims, x, &wide, NULL) != TAP_OK) return false;
    tap_status st = tap_value_cast(wide, t->dtype, &v, NULL);
    tap_value_release(wide);
    if (st != TAP_OK) return false;
    size_t n_bytes = tap_tensor_bytes(tap_value_tensor(v));
    void *own = tap_arena_array(&c->arena, n_bytes + 1, 1);
    if (own) memcpy(own, tap_value_tensor(v)->data, n_bytes);
    tap_value_release(v);
    return own && tap_segment_init(&c->edit, name, t->dtype, rank, dims, own) &&
           tap_set_input(c, node, k, name);
}

/* ---- small things ---- */

bool tap_next_permutation(int *p, int n) {
    int i = n - 2, k = n - 1;
    while (i >= 0 && p[i] > p[i + 1]) i--;
    if (i < 0) return false;
    while (p[k] < p[i]) k--;
    int t = p[i];
    p[i] = p[k], p[k] = t;
    for (int a = i + 1, b = n - 1; a < b; a++, b--) t = p[a], p[a] = p[b], p[b] = t;
    return true;
}

const tap_tensor *tap_inner(const tap_case *c, const char *name) {
    for (size_t i = 0; i < c->s->n_nodes; i++)
        if (c->s->nodes[i].n_outputs && strcmp(c->s->nodes[i].outputs[0], name) == 0)
            return c->inner ? tap_value_tensor(c->inner[i]) : NULL;
    for (size_t i = 0; i < c->s->n_in; i++)
        if (strcmp(c->s->model.graph.inputs[i].name, name) == 0) return tap_value_tensor(c->piece->in[i]);
    return NULL;
}

/* First outputs of all nodes on the reference's values. */
static void run_inner(tap_case *c) {
    if (!tap_case_begin(c)) return;
    tap_segment *e = &c->edit;
    size_t n = 0, n_nodes = c->s->n_nodes;
    tap_src_value *out = tap_arena_array(&c->arena, n_nodes + 1, sizeof *out);
    size_t *of = tap_arena_array(&c->arena, n_nodes + 1, sizeof *of);
    tap_value **got = tap_arena_array(&c->arena, n_nodes + 1, sizeof *got);
    c->inner = tap_mem_alloc_zero(NULL, (n_nodes + 1) * sizeof *c->inner);
    if (!out || !of || !got || !c->inner) {
        c->status = TAP_MEMORY;
        return;
    }
    for (size_t i = 0; i < n_nodes; i++) {
        if (!e->nodes[i].n_outputs || *e->nodes[i].outputs[0] == '\0') continue;
        of[n] = i;
        out[n++].name = e->nodes[i].outputs[0];
    }
    e->model.graph.outputs = out;
    e->model.graph.n_outputs = n;
    const tap_value *const *in = (const tap_value *const *)c->piece->in;
    if (tap_lab_run(&c->d->parts.lab, e, false, in, got, NULL) != TAP_OK) return;
    for (size_t k = 0; k < n; k++) c->inner[of[k]] = got[k];
}

/* ---- all of it ---- */

static void describe_attributes(tap_diff *d, tap_point *p, const tap_segment *s, size_t node) {
    char text[400] = "";
    tap_text t = {text, sizeof text, 0};
    const tap_src_node *n = &s->nodes[node];
    for (size_t i = 0; i < n->n_attrs; i++) {
        const tap_src_attr *a = &n->attrs[i];
        if (a->kind == TAP_ATTR_INT) tap_text_add(&t, " %s=%lld", a->name, (long long)a->u.i);
        if (a->kind == TAP_ATTR_FLOAT) tap_text_add(&t, " %s=%g", a->name, (double)a->u.f);
        if (a->kind == TAP_ATTR_STRING) tap_text_add(&t, " %s=%.*s", a->name, (int)a->u.s.n, a->u.s.s);
        if (a->kind == TAP_ATTR_INTS) {
            tap_text_add(&t, " %s=", a->name);
            for (size_t k = 0; k < a->n; k++)
                tap_text_add(&t, "%s%lld", k ? "," : "", (long long)a->u.ints[k]);
        }
    }
    const char *own = *text ? tap_arena_string(&d->arena, text + 1, strlen(text + 1)) : "";
    if (own) p->pub.attributes = own;
}

/* The layer that a node belongs to, if that is known. */
static const char *layer_of_node(const tap_diff *d, const tap_node *n) {
    tap_layer_info info = {.size = sizeof info};
    for (int32_t o = 0; o < n->n_out; o++) {
        if (n->out[o] == TAP_NO_VALUE) continue;
        size_t i = tap_model_layer_of(d->parts.model, (size_t)n->graph->values[n->out[o]].global);
        if (i != SIZE_MAX && tap_model_layer(d->parts.model, i, &info)) return info.key;
    }
    return NULL;
}

static bool uses_reached(const tap_node *n, const uint8_t *reached) {
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] != TAP_NO_VALUE && reached[n->in[i]]) return true;
    return false;
}

/* The layer that a node works for: its own, or that of the first node behind it that ends one. */
static const char *layer_around(const tap_case *c, const tap_node *from) {
    tap_arena arena;
    tap_arena_init(&arena, NULL);
    const tap_graph *g = c->d->parts.bound->main;
    uint8_t *reached = tap_arena_array(&arena, g->n_values + 1, 1);
    const char *layer = NULL;
    bool found = false;
    for (size_t i = 0; reached && i < g->n_nodes && !layer; i++) {
        const tap_node *n = g->nodes[i];
        found = found || n == from;
        if (n != from && !(found && uses_reached(n, reached))) continue;
        for (int32_t o = 0; o < n->n_out; o++)
            if (n->out[o] != TAP_NO_VALUE) reached[n->out[o]] = 1;
        layer = layer_of_node(c->d, n);
    }
    tap_arena_clear(&arena);
    return layer;
}

/* Whether a node's name has the piece of a path, with or without a number behind it (`attn0_1`). */
static bool in_scope(const char *address, const char *piece, size_t n) {
    for (const char *at = address; (at = strstr(at, piece)) != NULL && n; at++) {
        const char *end = at + n;
        while (*end == '_' || (*end >= '0' && *end <= '9')) end++;
        if ((at == address || at[-1] == '/') && (*end == '/' || *end == '\0')) return true;
    }
    return false;
}

/* "outer/inner" where the node lies in outer and not in inner: "outer". */
static const char *outer_layer(tap_diff *d, const char *layer, const char *address) {
    const char *slash = layer ? strrchr(layer, '/') : NULL;
    if (!slash || in_scope(address, slash + 1, strlen(slash + 1))) return layer;
    char *outer = tap_arena_string(&d->arena, layer, (size_t)(slash - layer));
    const char *last = outer ? strrchr(outer, '/') : NULL;
    last = last ? last + 1 : outer;
    return outer && in_scope(address, last, strlen(last)) ? outer : layer;
}

/* Faults of what a convolution or a product is by itself, whatever was multiplied into it. */
static bool is_of_weights(const char *fault) {
    static const char *const words[] = {
        "kernel_transposed", "kernel_flipped", "padding_side",  "stride",
        "dilation",          "channel_order",  "flatten_order", "nonfinite_weight"};
    for (size_t i = 0; i < TAP_COUNT_OF(words); i++)
        if (strcmp(words[i], fault) == 0) return true;
    return false;
}

/* The module that PyTorch's legacy exporter names in a node's path: "/layer1/layer1.0/conv1/Conv" is of
 * layer1.0.conv1, for a child of a Sequential repeats its parent. */
static const char *module_of(const tap_diff *d, const char *address) {
    char path[512] = "";
    size_t n = 0, last = 0; /* where the last piece begins */
    tap_layer_info info = {.size = sizeof info};
    for (const char *at = address; *at == '/';) {
        const char *piece = at + 1, *end = strchr(piece, '/');
        size_t length = end ? (size_t)(end - piece) : 0, old = n - last;
        if (!end || n + length + 2 > sizeof path) break;
        bool repeats = n && length > old && strncmp(piece, path + last, old) == 0 && piece[old] == '.';
        if (repeats) n = last;
        if (n && !repeats) path[n++] = '.';
        last = n;
        memcpy(path + n, piece, length);
        n += length;
        path[n] = '\0';
        at = end;
    }
    for (size_t i = 0; n && tap_model_layer(d->parts.model, i, &info); i++)
        if (strcmp(info.key, path) == 0) return info.key;
    return NULL;
}

/* A convolution into which a BatchNormalization was multiplied carries that one's values; its weights are its
 * own. */
static const char *merged_layer(const tap_case *c, const tap_node *n) {
    tap_layer_info info = {.size = sizeof info};
    for (int32_t o = 0; o < n->n_out; o++) {
        size_t i = n->out[o] == TAP_NO_VALUE
                       ? SIZE_MAX
                       : tap_model_layer_of(c->d->parts.model, (size_t)n->graph->values[n->out[o]].global);
        if (i == SIZE_MAX || !tap_model_layer(c->d->parts.model, i, &info)) continue;
        for (size_t k = 0; k < info.n_merged; k++)
            if (!strstr(info.merged[k], "pad")) return info.merged[k];
        return NULL;
    }
    return module_of(c->d, n->address);
}

static size_t producer_of(const tap_case *c) {
    const char *name = c->d->parts.bound->main->values[c->p->vid].full;
    for (size_t i = 0; i < c->s->n_nodes; i++)
        for (size_t o = 0; o < c->s->nodes[i].n_outputs; o++)
            if (strcmp(c->s->nodes[i].outputs[o], name) == 0) return i;
    return SIZE_MAX;
}

/* What is missing is missing behind the value that the piece starts from: its node and layer are named. */
static bool missing_behind(tap_case *c) {
    tap_vid v = c->s->in[c->input];
    const tap_node *n = v == TAP_NO_VALUE ? NULL : c->s->graph->values[v].producer;
    tap_layer_info info = {.size = sizeof info};
    if (!n || !c->d->ref->other) return false;
    size_t i = tap_model_layer_of(c->d->parts.model, (size_t)c->s->graph->values[v].global);
    c->p->pub.node = n->address;
    c->p->pub.op = n->src->op;
    if (i != SIZE_MAX && tap_model_layer(c->d->parts.model, i, &info)) c->p->pub.layer = info.key;
    return true;
}

static void report(tap_case *c) {
    tap_point *p = c->p;
    size_t node = c->fault && c->node != SIZE_MAX ? c->node : producer_of(c);
    p->pub.fault = c->fault ? c->fault : "unexplained";
    p->pub.why = c->fault ? c->why : "no known fault makes the difference vanish";
    if (c->fault) p->pub.residual = c->residual;
    if (c->fault && c->input != SIZE_MAX && missing_behind(c)) return;
    if (node == SIZE_MAX) return;
    const tap_node *n = c->s->from[node];
    p->pub.node = n->address;
    p->pub.op = n->src->op;
    describe_attributes(c->d, p, c->s, node);
    const char *layer = layer_around(c, n);
    if (layer && (!p->pub.layer || (c->fault && c->d->ref->other))) p->pub.layer = layer;
    const char *own = c->fault && c->node != SIZE_MAX && is_of_weights(c->fault) ? merged_layer(c, n) : NULL;
    if (own) p->pub.layer = own;
    if (c->fault && c->node != SIZE_MAX) p->pub.layer = outer_layer(c->d, p->pub.layer, n->address);
}

static void open_case(tap_case *c, tap_diff *d, tap_point *p, const tap_piece *piece) {
    *c = (tap_case){.d = d, .p = p, .piece = piece, .s = &piece->plain, .input = SIZE_MAX, .node = SIZE_MAX};
    tap_arena_init(&c->arena, NULL);
    c->want = tap_value_tensor(p->ref);
    c->gap = tap_gap(piece->by_model, p->ref);
    c->residual = INFINITY;
    double eps = tap_epsilon(tap_value_tensor(piece->by_model)->dtype);
    c->good = 2 * (isnan(piece->limit) ? 64 * eps * tap_scale(p->ref) : piece->limit);
    if (isfinite(c->gap) && c->good > 0.05 * c->gap) c->good = 0.05 * c->gap;
}

tap_status tap_explain(tap_diff *d, tap_point *p, const tap_piece *piece, tap_error *err) {
    tap_case c;
    if (!tap_value_tensor(piece->by_model) || !p->ref) return TAP_OK;
    open_case(&c, d, p, piece);
    bool seek = !d->options.no_why && d->n_explained++ < EXPLAINED_MAX && c.want->dtype != TAP_STRING;
    if (seek) run_inner(&c);
    for (size_t i = 0; seek && i < TAP_COUNT_OF(hypotheses) && c.status == TAP_OK; i++)
        if (hypotheses[i](&c)) break;
    report(&c);
    if (c.inner) tap_release_all(c.inner, c.s->n_nodes);
    tap_mem_free(NULL, c.inner);
    tap_arena_clear(&c.arena);
    return c.status == TAP_OK ? TAP_OK : tap_error_no_memory(err, 64);
}
