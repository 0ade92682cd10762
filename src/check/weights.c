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

/* How many initializers of one sample are compared with each other. */
enum { SAME_SAMPLE_MAX = 16 };

typedef struct seen {
    tap_map
        by_sample; /* type, size and a few bytes, as text -> the last such value; `before` leads to others */
    const tap_gvalue **values;
    int32_t *before; /* -1: none */
    int32_t n;
} seen;

/* FNV-1a over a few words of the content. What it takes for the same is compared whole. */
static uint64_t sample_hash(const tap_src_tensor *t) {
    uint64_t h = UINT64_C(14695981039346656037), x = 0;
    const char *p = t->data;
    size_t step = t->n_bytes / 64 < 8 ? 8 : t->n_bytes / 64;
    for (size_t i = 0; i + 8 <= t->n_bytes; i += step) {
        memcpy(&x, p + i, 8);
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
    if (t->missing || t->dtype == TAP_STRING || t->n_bytes < DUPLICATE_BYTES) return;
    const char *key = tap_arena_printf(c->arena, "%d %zu %016llx", (int)t->dtype, t->n_bytes,
                                       (unsigned long long)sample_hash(t));
    int32_t last = key ? tap_map_get(&s->by_sample, key, -1) : -1, at = last;
    for (int k = 0; at >= 0 && k < SAME_SAMPLE_MAX; k++, at = s->before[at])
        if (is_same(s->values[at]->init, t)) {
            tap_check_add(c, TAP_SEVERITY_NOTE, "duplicate-weights", NULL, v,
                          "let both places use one initializer; runtimes pack and hold each by itself",
                          "initializer '%s' (%zu bytes) is the same as '%s'", v->full, t->n_bytes,
                          s->values[at]->full);
            return;
        }
    s->values[s->n] = v;
    s->before[s->n] = last;
    if (!key || !tap_map_put(&s->by_sample, key, s->n++)) c->no_memory = true;
}

void tap_check_duplicates(tap_checker *c) {
    size_t n = (size_t)c->b->n_values + 1;
    seen s = {.values = tap_arena_array(c->arena, n, sizeof *s.values),
              .before = tap_arena_array(c->arena, n, sizeof *s.before)};
    tap_map_init(&s.by_sample, c->arena->budget);
    if (!s.values || !s.before) c->no_memory = true;
    each_initializer(c, check_twice, &s);
    tap_map_free(&s.by_sample);
}

/* ---- Numbers ---- */

/* Elements that are counted in a counter of their own width. */
enum { BLOCK = 2048 };

/* How many of n elements, at any address, are not finite and how many denormal, by their bits: such loops run
 * at the speed of memory. */
#define DEFINE_COUNT(name, T, exponent, mantissa)                                      \
    static void name(const char *p, size_t n, int64_t *nonfinite, int64_t *denormal) { \
        T odd = 0, small = 0, x;                                                       \
        for (size_t i = 0; i < n; i++) {                                               \
            memcpy(&x, p + i * sizeof x, sizeof x);                                    \
            T e = x & (T)(exponent), m = x & (T)(mantissa);                            \
            odd = (T)(odd + (e == (T)(exponent)));                                     \
            small = (T)(small + ((e == 0) & (m != 0)));                                \
        }                                                                              \
        *nonfinite += (int64_t)odd;                                                    \
        *denormal += (int64_t)small;                                                   \
    }

DEFINE_COUNT(count_float16, uint16_t, 0x7c00, 0x03ff)
DEFINE_COUNT(count_bfloat16, uint16_t, 0x7f80, 0x007f)
DEFINE_COUNT(count_float, uint32_t, 0x7f800000, 0x007fffff)
DEFINE_COUNT(count_double, uint64_t, UINT64_C(0x7ff0000000000000), UINT64_C(0x000fffffffffffff))

typedef void count_fn(const char *p, size_t n, int64_t *nonfinite, int64_t *denormal);

static count_fn *counter_of(tap_dtype t) {
    if (t == TAP_FLOAT16) return count_float16;
    if (t == TAP_BFLOAT16) return count_bfloat16;
    return t == TAP_FLOAT ? count_float : count_double;
}

static void count_odd(const tap_src_tensor *t, int64_t *nonfinite, int64_t *denormal) {
    count_fn *count = counter_of(t->dtype);
    size_t each = tap_dtype_bytes(t->dtype), n = (size_t)t->count;
    *nonfinite = *denormal = 0;
    for (size_t at = 0; at < n; at += BLOCK)
        count((const char *)t->data + at * each, n - at < BLOCK ? n - at : BLOCK, nonfinite, denormal);
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

static void check_nonfinite(tap_checker *c, const tap_gvalue *v) {
    int64_t nan = 0, inf = 0, first = -1;
    for (int64_t i = 0; i < v->init->count; i++) {
        double x = tap_check_element(v->init, i);
        if (isfinite(x)) continue;
        if (first < 0) first = i;
        nan += isnan(x) != 0;
        inf += isinf(x) != 0;
    }
    tell_nonfinite(c, v, nan, inf, first);
}

static void check_numbers(tap_checker *c, const tap_gvalue *v, void *user) {
    (void)user;
    const tap_src_tensor *t = v->init;
    int64_t nonfinite, denormal;
    if (t->missing || !tap_check_is_float(t->dtype)) return;
    count_odd(t, &nonfinite, &denormal);
    if (nonfinite > 0) check_nonfinite(c, v);
    if (denormal > 0)
        tap_check_add(c, TAP_SEVERITY_NOTE, "denormal-weights", NULL, v,
                      "numbers this small cost time on some processors, and change nothing: set them to 0",
                      "initializer '%s' has %lld denormal of %lld elements", v->full, (long long)denormal,
                      (long long)t->count);
}

void tap_check_numbers(tap_checker *c) {
    each_initializer(c, check_numbers, NULL);
}
