/* Data made up for a model's input: zeros, ones, and random numbers that depend on seed and position only. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "io/element.h"
#include "onnxtap/record.h"

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

/* SplitMix64's output function (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static double uniform(uint64_t seed, int64_t i) {
    return (double)(mix(seed + ((uint64_t)i + 1) * GOLDEN) >> 11) * 0x1p-53;
}

uint64_t tap_seed_for(uint64_t seed, const char *name) {
    uint64_t h = mix(seed + GOLDEN);
    for (; *name; name++) h = mix(h ^ (unsigned char)*name) + GOLDEN;
    return h;
}

static void default_range(tap_dtype t, double *lo, double *hi) {
    *lo = t == TAP_INT8 ? -128 : 0;
    *hi = t == TAP_INT8 ? 127 : t == TAP_UINT8 ? 255 : t == TAP_STRING ? 9 : 1;
}

typedef struct filling {
    tap_fill fill;
    uint64_t seed;
    double lo, hi;
    bool whole; /* integers from lo to hi, both included */
} filling;

static double number(const filling *f, int64_t i) {
    if (f->fill != TAP_FILL_RANDOM) return f->fill == TAP_FILL_ONES;
    double u = uniform(f->seed, i);
    if (!f->whole) return f->lo + u * (f->hi - f->lo);
    return f->lo + floor(u * (f->hi - f->lo + 1));
}

static void fill_numbers(const filling *f, tap_tensor *t) {
    bool parts = tap_class_of(t->dtype) == TAP_CLASS_COMPLEX;
    int64_t n_all = parts ? 2 * t->count : t->count;
    size_t width = tap_dtype_bytes(t->dtype) / (parts ? 2 : 1);
    tap_wide w;
    for (int64_t i = 0; i < n_all; i += TAP_WIDE_BLOCK) {
        int64_t n = tap_min64(TAP_WIDE_BLOCK, n_all - i);
        for (int64_t k = 0; k < n; k++)
            w.f[k] = parts && f->fill == TAP_FILL_ONES && (i + k) % 2 ? 0 : number(f, i + k);
        tap_narrow(t->dtype, TAP_CLASS_REAL, &w, n, (char *)t->data + (size_t)i * width);
    }
}

static tap_status fill_strings(const filling *f, tap_value *v, tap_error *err) {
    for (int64_t i = 0; i < v->tensor.count && f->fill != TAP_FILL_ZEROS; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "%.0f", number(f, i));
        tap_status s = tap_value_set_string(v, i, text, n > 0 ? (size_t)n : 0, err);
        if (s != TAP_OK) return s;
    }
    return TAP_OK;
}

tap_status tap_value_fill(tap_dtype dtype, int rank, const int64_t *dims, const tap_fill_options *o,
                          tap_value **out, tap_error *err) {
    filling f = {.fill = o->fill, .seed = o->seed};
    default_range(dtype, &f.lo, &f.hi);
    if (o->ranged) {
        f.lo = o->lo;
        f.hi = o->hi;
    }
    tap_class c = tap_class_of(dtype);
    f.whole = c == TAP_CLASS_SIGNED || c == TAP_CLASS_UNSIGNED || c == TAP_CLASS_STRING;
    *out = NULL;
    if (!(f.lo <= f.hi) || !isfinite(f.hi - f.lo))
        return tap_error_set(err, TAP_USAGE,
                             "range %g,%g: the first number is to be below the second, both finite", f.lo,
                             f.hi);
    tap_status s = tap_value_new(dtype, rank, dims, out, err);
    if (s != TAP_OK) return s;
    if (c == TAP_CLASS_STRING)
        s = fill_strings(&f, *out, err);
    else
        fill_numbers(&f, &(*out)->tensor);
    if (s == TAP_OK) return s;
    tap_value_release(*out);
    *out = NULL;
    return s;
}
