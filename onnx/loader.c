/* Failing with the place in the model, and copies into the model's arena. */
#include "onnx/loader.h"

#include <stdalign.h>
#include <string.h>

#include "core/error.h"

/* ---- failing ---- */

static void add_where(tap_text *t, const tap_where *w) {
    if (w->up) {
        add_where(t, w->up);
        tap_text_add(t, ", ");
    }
    bool named = w->name && w->name[0];
    if (named)
        tap_text_add(t, "%s '%s'", w->what, w->name);
    else if (w->op)
        tap_text_add(t, "%s #%zu:%s", w->what, w->index, w->op);
    else
        tap_text_add(t, "%s #%zu", w->what, w->index);
    if (named && w->op && w->op[0]) tap_text_add(t, " (%s)", w->op);
}

static const tap_where *innermost(const tap_where *w, bool node) {
    while (w && (w->op != NULL) != node) w = w->up;
    return w;
}

/* The fields of tap_error: the innermost node, and the value if that is what failed. */
static void name_where(tap_loader *l) {
    const tap_where *node = innermost(l->where, true), *value = innermost(l->where, false);
    char address[sizeof l->err->node] = "";
    tap_text t = {address, sizeof address, 0};
    if (node && node->name && node->name[0])
        tap_text_add(&t, "%s", node->name);
    else if (node)
        tap_text_add(&t, "#%zu:%s", node->index, node->op);
    bool tensor = value && value == l->where && strcmp(value->what, "attribute") != 0;
    tap_error_where(l->err, address, node ? node->op : "", tensor && value->name ? value->name : "");
}

bool tap_load_fail(tap_loader *l, tap_status code, const char *fmt, ...) {
    char message[sizeof l->err->text] = "";
    tap_text t = {message, sizeof message, 0};
    if (l->where) {
        add_where(&t, l->where);
        tap_text_add(&t, ": ");
    }
    va_list args;
    va_start(args, fmt);
    tap_text_addv(&t, fmt, args);
    va_end(args);
    l->status = tap_error_set(l->err, code, "%s", message);
    if (l->err) name_where(l);
    return false;
}

bool tap_load_goes_on(tap_loader *l, const char *code) {
    l->status = tap_fault_note(l->faults, code, l->status, l->err);
    return l->status == TAP_OK;
}

/* ---- memory ---- */

void *tap_load_make(tap_loader *l, size_t n, size_t each) {
    static alignas(max_align_t) char none[1]; /* never written: it has no elements */
    if (n == 0) return none;
    void *p = tap_arena_array(l->arena, n, each);
    size_t n_bytes;
    if (!p && !tap_mul_size(n, each, &n_bytes)) n_bytes = SIZE_MAX;
    if (!p) l->status = tap_error_no_memory(l->err, n_bytes);
    return p;
}

const char *tap_load_string(tap_loader *l, const char *s) {
    if (!s || !s[0]) return "";
    const char *copy = tap_map_key(&l->strings, s);
    if (copy) return copy;
    size_t n = strlen(s);
    copy = tap_arena_string(l->arena, s, n);
    if (copy && tap_map_put(&l->strings, copy, 0)) return copy;
    l->status = tap_error_no_memory(l->err, n);
    return NULL;
}

const char *const *tap_load_strings(tap_loader *l, char *const *strings, size_t n) {
    const char **copies = tap_load_make(l, n, sizeof *copies);
    for (size_t i = 0; copies && i < n; i++)
        if (!(copies[i] = tap_load_string(l, strings[i]))) return NULL;
    return copies;
}

const tap_src_pair *tap_load_pairs(tap_loader *l, TapOnnx__StringStringEntryProto *const *pairs, size_t n) {
    tap_src_pair *copies = tap_load_make(l, n, sizeof *copies);
    for (size_t i = 0; copies && i < n; i++) {
        copies[i].key = tap_load_string(l, pairs[i]->key);
        copies[i].value = tap_load_string(l, pairs[i]->value);
        if (!copies[i].key || !copies[i].value) return NULL;
    }
    return copies;
}

const char *tap_load_domain(tap_loader *l, const char *domain) {
    return domain && strcmp(domain, "ai.onnx") == 0 ? "" : tap_load_string(l, domain);
}
