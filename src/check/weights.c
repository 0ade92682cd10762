/* Initializers: unused, twice the same, not finite, denormal. */
#include <math.h>
#include <string.h>

#include "check/check.h"
#include "core/half.h"

/* Smaller ones are not worth a word when they are there twice. */
#define DUPLICATE_BYTES 1024

bool tap_check_is_float(tap_dtype t) {
    return t == TAP_FLOAT || t == TAP_DOUBLE || t == TAP_FLOAT16 || t == TAP_BFLOAT16;
}

double tap_check_element(const tap_src_tensor *t, int64_t i) {
    const char *p = (const char *)t->data + (size_t)i * tap_dtype_bytes(t->dtype);
    float f = 0;
    double d = 0;
    switch (t->dtype) {
    case TAP_DOUBLE: memcpy(&d, p, sizeof d); return d;
    case TAP_FLOAT: memcpy(&f, p, sizeof f); return (double)f;
    default: tap_floats_to_f32(t->dtype, 1, p, &f); return (double)f;
    }
}

/* Each initializer of the model, with its value. */
typedef void visit(tap_checker *c, const tap_gvalue *v, void *user);

static void each_initializer(tap_checker *c, visit *fn, void *user) {
    for (size_t i = 0; i < c->b->n_graphs; i++) {
        const tap_graph *g = c->b->graphs[i];
        for (size_t v = 0; v < g->n_values && !c->no_memory; v++)
            if (g->values[v].init) fn(c, &g->values[v], user);
    }
}

/* ---- Unused ---- */

static void check_use(tap_checker *c, const tap_gvalue *v, void *user) {
    (void)user;
    if (c->uses[v->global] == 0 && !v->is_input)
        tap_check_add(c, TAP_SEVERITY_NOTE, "unused-initializer", NULL, v,
                      "it only makes the file larger: remove it",
                      "initializer '%s' (%zu bytes) is used by no node", v->full, v->init->n_bytes);
}

void tap_check_unused(tap_checker *c) {
    each_initializer(c, check_use, NULL);
}

/* ---- Twice the same ---- */

typedef struct seen {
    tap_map by_content; /* content's hash as text -> place in values */
    const tap_gvalue **values;
    int32_t n;
} seen;

/* FNV-1a over 8 bytes at a time: collisions are told apart by comparing. */
static uint64_t content_hash(const tap_src_tensor *t) {
    uint64_t h = UINT64_C(14695981039346656037), x = 0;
    const char *p = t->data;
    for (size_t i = 0; i < t->n_bytes; i += 8) {
        size_t n = t->n_bytes - i < 8 ? t->n_bytes - i : 8;
        memcpy(&x, p + i, n);
        h = (h ^ x) * UINT64_C(1099511628211);
        h ^= h >> 29;
    }
    return h;
}

static bool is_same(const tap_src_tensor *a, const tap_src_tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank && a->n_bytes == b->n_bytes &&
           a->encoding == b->encoding && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0 &&
           memcmp(a->data, b->data, a->n_bytes) == 0;
}

static void check_twice(tap_checker *c, const tap_gvalue *v, void *user) {
    seen *s = user;
    const tap_src_tensor *t = v->init;
    if (t->dtype == TAP_STRING || t->n_bytes < DUPLICATE_BYTES) return;
    const char *key = tap_arena_printf(c->arena, "%016llx", (unsigned long long)content_hash(t));
    int32_t at = key ? tap_map_get(&s->by_content, key, -1) : -1;
    if (at >= 0 && is_same(s->values[at]->init, t)) {
        tap_check_add(c, TAP_SEVERITY_NOTE, "duplicate-weights", NULL, v,
                      "let both places use one initializer; runtimes pack and hold each by itself",
                      "initializer '%s' (%zu bytes) is the same as '%s'", v->full, t->n_bytes,
                      s->values[at]->full);
        return;
    }
    s->values[s->n] = v;
    if (!key || !tap_map_put(&s->by_content, key, s->n++)) c->no_memory = true;
}

void tap_check_duplicates(tap_checker *c) {
    seen s = {.values = tap_arena_array(c->arena, (size_t)c->b->n_values + 1, sizeof *s.values)};
    tap_map_init(&s.by_content, c->arena->budget);
    if (!s.values) c->no_memory = true;
    each_initializer(c, check_twice, &s);
    tap_map_free(&s.by_content);
}

/* ---- Numbers ---- */

static double smallest_normal(tap_dtype t) {
    return t == TAP_DOUBLE ? 0x1p-1022 : t == TAP_FLOAT16 ? 0x1p-14 : 0x1p-126;
}

/* A single number may be NaN or infinite by intent: the mark of a missing value, a mask. */
static void tell_nonfinite(tap_checker *c, const tap_gvalue *v, int64_t nan, int64_t inf, int64_t first) {
    tap_severity severity = v->init->count == 1 || nan == 0 ? TAP_SEVERITY_NOTE : TAP_SEVERITY_ERROR;
    tap_check_add(c, severity, "nonfinite-weight", NULL, v,
                  nan ? "training diverged, or the file is damaged: look at the framework's own weights"
                      : "fine for a mask, wrong for a weight",
                  "initializer '%s' has %lld NaN and %lld infinite of %lld elements, the first at %lld",
                  v->full, (long long)nan, (long long)inf, (long long)v->init->count, (long long)first);
}

static void check_numbers(tap_checker *c, const tap_gvalue *v, void *user) {
    (void)user;
    const tap_src_tensor *t = v->init;
    int64_t nan = 0, inf = 0, denormal = 0, first = -1;
    if (!tap_check_is_float(t->dtype)) return;
    double least = smallest_normal(t->dtype);
    for (int64_t i = 0; i < t->count; i++) {
        double x = tap_check_element(t, i);
        bool bad = !isfinite(x);
        if (bad && first < 0) first = i;
        nan += isnan(x) != 0;
        inf += isinf(x) != 0;
        denormal += !bad && x != 0 && fabs(x) < least;
    }
    if (first >= 0) tell_nonfinite(c, v, nan, inf, first);
    if (denormal > 0)
        tap_check_add(c, TAP_SEVERITY_NOTE, "denormal-weights", NULL, v,
                      "numbers this small cost time on some processors, and change nothing: set them to 0",
                      "initializer '%s' has %lld denormal of %lld elements", v->full, (long long)denormal,
                      (long long)t->count);
}

void tap_check_numbers(tap_checker *c) {
    each_initializer(c, check_numbers, NULL);
}
