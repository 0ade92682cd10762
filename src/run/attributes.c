/* Attributes, as prepare asks for them. */
#include <inttypes.h>
#include <string.h>

#include "run/work.h"

static const char *const kind_names[] = {
    "undefined", "float",   "int",    "string",        "tensor",         "graph", "floats", "ints",
    "strings",   "tensors", "graphs", "sparse tensor", "sparse tensors", "type",  "types"};

static const char *kind_name(tap_attr_kind k) {
    return (size_t)k < TAP_COUNT_OF(kind_names) ? kind_names[k] : "unknown kind";
}

static tap_attr *find(tap_ctx *ctx, const char *name) {
    tap_node *n = tap_work_of(ctx)->node;
    for (int32_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].src->name, name) == 0) {
            n->attrs[i].asked = true;
            return &n->attrs[i];
        }
    return NULL;
}

static tap_attr *find_kind(tap_ctx *ctx, const char *name, tap_attr_kind kind) {
    tap_attr *a = find(ctx, name);
    if (!a || a->src->kind == kind) return a;
    /* An empty list has no kind of its own in some exporters' files. */
    if (a->src->n == 0 && kind >= TAP_ATTR_FLOATS && a->src->kind >= TAP_ATTR_FLOATS) return NULL;
    tap_fail(ctx, TAP_MODEL, "attribute '%s' is of kind %s, it must be of kind %s", name,
             kind_name(a->src->kind), kind_name(kind));
    return NULL;
}

bool tap_attr_has(tap_ctx *ctx, const char *name) {
    return find(ctx, name) != NULL;
}
void tap_attr_ignore(tap_ctx *ctx, const char *name) {
    find(ctx, name);
}

int64_t tap_attr_int(tap_ctx *ctx, const char *name, int64_t otherwise) {
    tap_attr *a = find_kind(ctx, name, TAP_ATTR_INT);
    return a ? a->src->u.i : otherwise;
}

float tap_attr_float(tap_ctx *ctx, const char *name, float otherwise) {
    tap_attr *a = find_kind(ctx, name, TAP_ATTR_FLOAT);
    return a ? a->src->u.f : otherwise;
}

tap_string tap_attr_bytes(tap_ctx *ctx, const char *name) {
    tap_attr *a = find_kind(ctx, name, TAP_ATTR_STRING);
    return a ? a->src->u.s : (tap_string){"", 0};
}

const char *tap_attr_string(tap_ctx *ctx, const char *name, const char *otherwise) {
    tap_attr *a = find_kind(ctx, name, TAP_ATTR_STRING);
    if (!a) return otherwise;
    const char *s = tap_arena_string(&tap_work_of(ctx)->model->arena, a->src->u.s.s, a->src->u.s.n);
    if (s) return s;
    tap_fail(ctx, TAP_MEMORY, "no memory for attribute '%s'", name);
    return otherwise;
}

const int64_t *tap_attr_ints(tap_ctx *ctx, const char *name, size_t *n) {
    tap_attr *a = find_kind(ctx, name, TAP_ATTR_INTS);
    *n = a ? a->src->n : 0;
    return a ? a->src->u.ints : NULL;
}

const float *tap_attr_floats(tap_ctx *ctx, const char *name, size_t *n) {
    tap_attr *a = find_kind(ctx, name, TAP_ATTR_FLOATS);
    *n = a ? a->src->n : 0;
    return a ? a->src->u.floats : NULL;
}

const tap_string *tap_attr_strings(tap_ctx *ctx, const char *name, size_t *n) {
    tap_attr *a = find_kind(ctx, name, TAP_ATTR_STRINGS);
    *n = a ? a->src->n : 0;
    return a ? a->src->u.strings : NULL;
}

const tap_tensor *tap_attr_tensor(tap_ctx *ctx, const char *name) {
    tap_attr *a = find(ctx, name);
    if (!a) return NULL;
    if (a->src->kind != TAP_ATTR_TENSOR && a->src->kind != TAP_ATTR_SPARSE_TENSOR) {
        tap_fail(ctx, TAP_MODEL, "attribute '%s' is of kind %s, it must be a tensor", name,
                 kind_name(a->src->kind));
        return NULL;
    }
    if (!a->tensor) a->tensor = tap_graph_stored(&tap_work_of(ctx)->model->bound, a->src->u.tensors);
    if (!a->tensor) {
        tap_fail(ctx, TAP_MEMORY, "no memory for attribute '%s'", name);
        return NULL;
    }
    return &a->tensor->tensor;
}

const tap_type *tap_attr_type(tap_ctx *ctx, const char *name) {
    tap_attr *a = find_kind(ctx, name, TAP_ATTR_TYPE);
    return a ? a->src->u.types : NULL;
}

tap_body *tap_attr_body(tap_ctx *ctx, const char *name) {
    tap_attr *a = find_kind(ctx, name, TAP_ATTR_GRAPH);
    return a && a->bodies ? (tap_body *)a->bodies[0] : NULL;
}

int tap_attr_choice(tap_ctx *ctx, const char *name, const char *otherwise, const char *const *choices) {
    const char *s = tap_attr_string(ctx, name, otherwise);
    char list[512] = "";
    tap_text t = {list, sizeof list, 0};
    for (int i = 0; choices[i]; i++) {
        if (strcmp(choices[i], s) == 0) return i;
        tap_text_add(&t, "%s%s", i ? ", " : "", choices[i]);
    }
    tap_fail(ctx, TAP_MODEL, "attribute '%s' is '%s', it must be one of: %s", name, s, list);
    return 0;
}

void *tap_state(tap_ctx *ctx, size_t n_bytes) {
    tap_work *w = tap_work_of(ctx);
    void *p = tap_arena_zero(&w->model->arena, n_bytes + TAP_ALIGN);
    if (p) return (void *)tap_round_up((uintptr_t)p, TAP_ALIGN);
    tap_fail(ctx, TAP_MEMORY, "no memory for %zu bytes of prepared weights", n_bytes);
    return NULL;
}
