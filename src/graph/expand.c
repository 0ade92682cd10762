/* Operators that are functions of others: what the row's `expand` says, in the text syntax of ONNX, becomes a
 * function of the model's arena, which is written out as the file's own are. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "graph/expand.h"

#define NODES_MAX  128
#define ATTRS_MAX  16
#define LIST_MAX   64
#define TEXT_BYTES 1024

struct tap_expansion {
    tap_binder *bd;
    const tap_node *node;
    tap_src_function *function;
    tap_src_node *nodes; /* room for NODES_MAX */
    uint64_t asked;      /* attributes of the node, by place */
    tap_status status;
};

/* ---- What the node says ---- */

bool tap_expand_has_in(const tap_expansion *e, int i) {
    return i >= 0 && i < e->node->n_in && e->node->in[i] != TAP_NO_VALUE;
}

bool tap_expand_has_out(const tap_expansion *e, int i) {
    return i >= 0 && i < e->node->n_out && e->node->out[i] != TAP_NO_VALUE;
}

int tap_expand_n_in(const tap_expansion *e) {
    return e->node->n_in;
}

tap_status tap_expand_fail(tap_expansion *e, tap_status code, const char *fmt, ...) {
    char text[700] = "";
    tap_text t = {text, sizeof text, 0};
    va_list args;
    if (e->status != TAP_OK) return e->status;
    va_start(args, fmt);
    tap_text_addv(&t, fmt, args);
    va_end(args);
    const tap_src_node *n = e->node->src;
    e->status = code;
    tap_error_set(e->bd->err, code, "node '%s' (%s%s%s, opset %" PRId64 "): %s", e->node->address, n->domain,
                  *n->domain ? "." : "", n->op, e->node->opset, text);
    tap_error_where(e->bd->err, e->node->address, n->op, NULL);
    return e->status;
}

static void no_memory(tap_expansion *e) {
    if (e->status == TAP_OK) e->status = tap_error_no_memory(e->bd->err, TEXT_BYTES);
}

/* The attribute as the node has it, once asked for as `kind` (NONE: any); NULL: absent, or of another kind,
 * which fails. */
static const tap_src_attr *find(tap_expansion *e, const char *name, tap_attr_kind kind) {
    for (int32_t i = 0; i < e->node->n_attrs; i++) {
        const tap_src_attr *a = e->node->attrs[i].src;
        if (strcmp(a->name, name) != 0) continue;
        if (i < 64) e->asked |= UINT64_C(1) << i;
        if (kind == TAP_ATTR_NONE || a->kind == kind) return a;
        tap_expand_fail(e, TAP_MODEL, "attribute '%s' is of another type than this operator's", name);
        return NULL;
    }
    return NULL;
}

bool tap_expand_has(tap_expansion *e, const char *name) {
    return find(e, name, TAP_ATTR_NONE) != NULL;
}

int64_t tap_expand_int(tap_expansion *e, const char *name, int64_t otherwise) {
    const tap_src_attr *a = find(e, name, TAP_ATTR_INT);
    return a ? a->u.i : otherwise;
}

double tap_expand_float(tap_expansion *e, const char *name, double otherwise) {
    const tap_src_attr *a = find(e, name, TAP_ATTR_FLOAT);
    return a ? (double)a->u.f : otherwise;
}

const int64_t *tap_expand_ints(tap_expansion *e, const char *name, size_t *n) {
    const tap_src_attr *a = find(e, name, TAP_ATTR_INTS);
    *n = a ? a->n : 0;
    return a ? a->u.ints : NULL;
}

const float *tap_expand_floats(tap_expansion *e, const char *name, size_t *n) {
    const tap_src_attr *a = find(e, name, TAP_ATTR_FLOATS);
    *n = a ? a->n : 0;
    return a ? a->u.floats : NULL;
}

const char *tap_expand_string(tap_expansion *e, const char *name, const char *otherwise) {
    const tap_src_attr *a = find(e, name, TAP_ATTR_STRING);
    const char *s = a ? tap_arena_string(e->bd->b->arena, a->u.s.s, a->u.s.n) : otherwise;
    if (!s && a) no_memory(e);
    return s ? s : otherwise;
}

/* ---- Text to nodes: "y, z = domain.Op <axis=1, perm=[0, 2, 1], mode="a", pads=@pads> (x, , w)" ---- */

typedef struct reader {
    tap_expansion *e;
    const char *at;
} reader;

static void skip(reader *r) {
    r->at += strspn(r->at, " ");
}

static bool take(reader *r, char c) {
    skip(r);
    if (*r->at != c) return false;
    r->at++;
    return true;
}

/* A word of the characters that names and numbers are made of; "" where there is none. */
static const char *word(reader *r) {
    skip(r);
    const size_t n = strcspn(r->at, " ,=<>()[]\"");
    const char *s = tap_arena_string(r->e->bd->b->arena, r->at, n);
    if (!s) no_memory(r->e);
    r->at += n;
    return s ? s : "";
}

/* Names up to the character `end`, which is taken too. */
static const char *const *names(reader *r, char end, size_t *n) {
    const char *list[LIST_MAX];
    *n = 0;
    if (!take(r, end)) {
        do list[(*n)++] = word(r);
        while (take(r, ',') && *n < LIST_MAX);
        if (!take(r, end)) tap_expand_fail(r->e, TAP_MODEL, "its expansion cannot be read at '%s'", r->at);
    }
    const char **all = tap_arena_array(r->e->bd->b->arena, *n, sizeof *all);
    if (!all) {
        no_memory(r->e);
        *n = 0;
    } else if (*n) {
        memcpy(all, list, *n * sizeof *all);
    }
    return all;
}

static bool is_float(const char *s) {
    return strpbrk(s, ".einEIN") != NULL;
}

static void list_value(reader *r, tap_src_attr *a) {
    const char *const *words = names(r, ']', &a->n);
    bool floats = a->n && is_float(words[0]);
    tap_arena *arena = r->e->bd->b->arena;
    a->kind = floats ? TAP_ATTR_FLOATS : TAP_ATTR_INTS;
    float *f = floats ? tap_arena_array(arena, a->n, sizeof *f) : NULL;
    int64_t *k = floats ? NULL : tap_arena_array(arena, a->n, sizeof *k);
    if (!f && !k) {
        no_memory(r->e);
        a->n = 0;
        return;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (floats)
            f[i] = strtof(words[i], NULL);
        else
            k[i] = strtoll(words[i], NULL, 10);
    }
    if (floats)
        a->u.floats = f;
    else
        a->u.ints = k;
}

static void string_value(reader *r, tap_src_attr *a) {
    const size_t n = strcspn(r->at, "\"");
    char *s = tap_arena_string(r->e->bd->b->arena, r->at, n);
    if (!s) no_memory(r->e);
    a->kind = TAP_ATTR_STRING;
    a->u.s = (tap_string){s ? s : "", s ? n : 0};
    r->at += n + (r->at[n] == '"');
}

/* name=value. false: there is nothing to be added, for the node has not given the attribute meant. */
static bool attribute(reader *r, tap_src_attr *a) {
    *a = (tap_src_attr){.name = word(r), .ref = "", .n = 1};
    if (!take(r, '=')) tap_expand_fail(r->e, TAP_MODEL, "its expansion cannot be read at '%s'", r->at);
    if (take(r, '@')) {
        a->ref = word(r);
        return find(r->e, a->ref, TAP_ATTR_NONE) != NULL;
    }
    if (take(r, '[')) {
        list_value(r, a);
    } else if (take(r, '"')) {
        string_value(r, a);
    } else {
        const char *s = word(r);
        a->kind = is_float(s) ? TAP_ATTR_FLOAT : TAP_ATTR_INT;
        if (a->kind == TAP_ATTR_FLOAT)
            a->u.f = strtof(s, NULL);
        else
            a->u.i = strtoll(s, NULL, 10);
    }
    return true;
}

static void attributes(reader *r, tap_src_node *n) {
    tap_src_attr list[ATTRS_MAX];
    do n->n_attrs += attribute(r, &list[n->n_attrs]);
    while (take(r, ',') && n->n_attrs < ATTRS_MAX);
    if (!take(r, '>')) tap_expand_fail(r->e, TAP_MODEL, "its expansion cannot be read at '%s'", r->at);
    tap_src_attr *all = tap_arena_array(r->e->bd->b->arena, n->n_attrs, sizeof *all);
    if (!all) {
        no_memory(r->e);
        n->n_attrs = 0;
    } else if (n->n_attrs) {
        memcpy(all, list, n->n_attrs * sizeof *all);
    }
    n->attrs = all;
}

/* "com.microsoft.Gelu": the domain is what stands before the last point. */
static void split_name(reader *r, tap_src_node *n) {
    const char *all = word(r), *point = strrchr(all, '.');
    n->op = point ? point + 1 : all;
    n->domain = point ? tap_arena_string(r->e->bd->b->arena, all, (size_t)(point - all)) : "";
    if (!n->domain) {
        no_memory(r->e);
        n->domain = "";
    }
}

void tap_expand_add(tap_expansion *e, const char *fmt, ...) {
    char text[TEXT_BYTES] = "";
    tap_text t = {text, sizeof text, 0};
    va_list args;
    va_start(args, fmt);
    tap_text_addv(&t, fmt, args);
    va_end(args);
    if (e->status != TAP_OK) return;
    if (e->function->n_nodes == NODES_MAX) {
        tap_expand_fail(e, TAP_MODEL, "its expansion has more than %d nodes", NODES_MAX);
        return;
    }
    reader r = {e, text};
    tap_src_node *n = &e->nodes[e->function->n_nodes++];
    *n = (tap_src_node){.name = "", .overload = ""};
    n->outputs = names(&r, '=', &n->n_outputs);
    split_name(&r, n);
    if (take(&r, '<')) attributes(&r, n);
    if (take(&r, '('))
        n->inputs = names(&r, ')', &n->n_inputs);
    else
        tap_expand_fail(e, TAP_MODEL, "its expansion cannot be read at '%s'", r.at);
}

/* A name that ends in '?' is of an input that may be absent. */
static void take_inputs(tap_expansion *e, const char *list) {
    reader r = {e, list};
    size_t n;
    const char *const *given = names(&r, '\0', &n);
    const char **inputs = tap_arena_array(e->bd->b->arena, n, sizeof *inputs);
    if (!inputs) {
        no_memory(e);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t length = strcspn(given[i], "?");
        inputs[i] = tap_arena_string(e->bd->b->arena, given[i], length);
        if (!inputs[i]) no_memory(e);
        if (!given[i][length] && !tap_expand_has_in(e, (int)i))
            tap_expand_fail(e, TAP_MODEL, "input %zu (%s) is missing", i, given[i]);
    }
    e->function->inputs = inputs;
    e->function->n_inputs = e->status == TAP_OK ? n : 0;
}

void tap_expand_names(tap_expansion *e, const char *inputs, const char *outputs) {
    reader out = {e, outputs};
    take_inputs(e, inputs);
    e->function->outputs = names(&out, '\0', &e->function->n_outputs);
}

/* ---- The function ---- */

/* What expansions are written in. */
static const tap_src_opset opsets[] = {{"", 24}, {"com.microsoft", 1}, {"onnxtap", 1}};

static tap_status check(tap_expansion *e) {
    char why[120];
    if (!tap_node_fits(e->node, why, sizeof why)) return tap_expand_fail(e, TAP_MODEL, "%s", why);
    return TAP_OK;
}

static tap_status check_asked(tap_expansion *e) {
    for (int32_t i = 0; i < e->node->n_attrs && e->status == TAP_OK; i++)
        if (i >= 64 || !(e->asked >> i & 1))
            tap_expand_fail(e, TAP_MODEL, "attribute '%s' is not one of this operator's in this opset",
                            e->node->attrs[i].src->name);
    return e->status;
}

tap_status tap_expand(tap_binder *bd, const tap_node *n, const tap_src_function **out) {
    tap_arena *a = bd->b->arena;
    tap_src_function *f = tap_arena_zero(a, sizeof *f);
    tap_expansion e = {.bd = bd, .node = n, .function = f};
    e.nodes = tap_arena_array(a, NODES_MAX, sizeof *e.nodes);
    if (!f || !e.nodes) return tap_error_no_memory(bd->err, NODES_MAX * sizeof *e.nodes);
    *f = (tap_src_function){.name = n->src->op,
                            .domain = n->src->domain,
                            .overload = "",
                            .nodes = e.nodes,
                            .opsets = opsets,
                            .n_opsets = TAP_COUNT_OF(opsets)};
    if (check(&e) != TAP_OK) return e.status;
    const tap_status st = n->op->expand(&e);
    if (e.status == TAP_OK) e.status = st;
    *out = f;
    return check_asked(&e);
}
