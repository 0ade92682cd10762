/* Differences in words. */
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 256

static bool is_exact(tap_dtype t) {
    switch (t) {
    case TAP_FLOAT:
    case TAP_DOUBLE:
    case TAP_FLOAT16:
    case TAP_BFLOAT16:
    case TAP_COMPLEX64:
    case TAP_COMPLEX128:
    case TAP_FLOAT8E4M3FN:
    case TAP_FLOAT8E4M3FNUZ:
    case TAP_FLOAT8E5M2:
    case TAP_FLOAT8E5M2FNUZ:
    case TAP_FLOAT8E8M0:
    case TAP_FLOAT6E2M3:
    case TAP_FLOAT6E3M2:
    case TAP_FLOAT4E2M1: return false;
    default: return true;
    }
}

static void type_text(const tap_tensor *t, char *out, size_t room) {
    tap_type type = {.kind = TAP_KIND_TENSOR, .dtype = tap_tensor_dtype(t), .rank = tap_tensor_rank(t)};
    memcpy(type.dims, tap_tensor_dims(t), (size_t)type.rank * sizeof *type.dims);
    cli_type_text(&type, NULL, out, room);
}

static bool same_type(const tap_tensor *a, const tap_tensor *b) {
    if (tap_tensor_dtype(a) != tap_tensor_dtype(b) || tap_tensor_rank(a) != tap_tensor_rank(b)) return false;
    for (int i = 0; i < tap_tensor_rank(a); i++)
        if (tap_tensor_dims(a)[i] != tap_tensor_dims(b)[i]) return false;
    return true;
}

static bool close_to(double got, double want, const tolerance *tol) {
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want);
    if (isinf(got) || isinf(want)) return got == want;
    return fabs(got - want) <= tol->atol + tol->rtol * fabs(want);
}

/* What is wrong, and where it is worst. */
typedef struct differences {
    int64_t n, worst_at;
    double worst;
} differences;

static void note(differences *d, int64_t at, double by) {
    if (d->n++ > 0 && !(by > d->worst)) return;
    d->worst = by;
    d->worst_at = at;
}

static double distance(double got, double want) {
    double by = fabs(got - want);
    return isnan(by) ? INFINITY : by;
}

static void compare_floats(const tap_tensor *got, const tap_tensor *want, const tolerance *tol,
                           differences *d) {
    double x[BLOCK], y[BLOCK];
    for (int64_t i = 0; i < tap_tensor_count(want); i += BLOCK) {
        int64_t n = tap_tensor_count(want) - i < BLOCK ? tap_tensor_count(want) - i : BLOCK;
        tap_tensor_doubles(got, i, n, x);
        tap_tensor_doubles(want, i, n, y);
        for (int64_t k = 0; k < n; k++)
            if (!close_to(x[k], y[k], tol)) note(d, i + k, distance(x[k], y[k]));
    }
}

/* Parts of element i. */
static void complex_parts(const tap_tensor *t, int64_t i, double *re, double *im) {
    const float *f = tap_tensor_data(t);
    const double *g = tap_tensor_data(t);
    bool single = tap_tensor_dtype(t) == TAP_COMPLEX64;
    *re = single ? (double)f[2 * i] : g[2 * i];
    *im = single ? (double)f[2 * i + 1] : g[2 * i + 1];
}

static void compare_complex(const tap_tensor *got, const tap_tensor *want, const tolerance *tol,
                            differences *d) {
    for (int64_t i = 0; i < tap_tensor_count(want); i++) {
        double a, b, c, e;
        complex_parts(got, i, &a, &b);
        complex_parts(want, i, &c, &e);
        double by = hypot(a - c, b - e);
        bool finite = isfinite(a) && isfinite(b) && isfinite(c) && isfinite(e);
        bool same =
            finite ? by <= tol->atol + tol->rtol * hypot(c, e) : close_to(a, c, tol) && close_to(b, e, tol);
        if (!same) note(d, i, isnan(by) ? INFINITY : by);
    }
}

static void compare_strings(const tap_tensor *got, const tap_tensor *want, differences *d) {
    const tap_string *x = tap_tensor_data(got), *y = tap_tensor_data(want);
    for (int64_t i = 0; i < tap_tensor_count(want); i++)
        if (x[i].n != y[i].n || (x[i].n && memcmp(x[i].s, y[i].s, x[i].n) != 0)) note(d, i, 0);
}

static void compare_bytes(const tap_tensor *got, const tap_tensor *want, differences *d) {
    size_t width = tap_dtype_bytes(tap_tensor_dtype(want));
    const char *x = tap_tensor_data(got), *y = tap_tensor_data(want);
    for (int64_t i = 0; i < tap_tensor_count(want); i++) {
        double p = 0, q = 0;
        if (memcmp(x + (size_t)i * width, y + (size_t)i * width, width) == 0) continue;
        tap_tensor_doubles(got, i, 1, &p);
        tap_tensor_doubles(want, i, 1, &q);
        note(d, i, fabs(p - q));
    }
}

static void append_index(const tap_tensor *t, int64_t at, char *why, size_t room) {
    int64_t below = tap_tensor_count(t);
    cli_append(why, room, "[");
    for (int i = 0; i < tap_tensor_rank(t); i++) {
        below /= tap_tensor_dims(t)[i];
        cli_append(why, room, "%s%" PRId64, i ? "," : "", at / below);
        at %= below;
    }
    cli_append(why, room, "]");
}

/* ONNX's runner allows bfloat16 two units in the last place, which is more than its usual tolerance. */
static tolerance for_dtype(const tolerance *tol, tap_dtype t) {
    tolerance y = *tol;
    if (t == TAP_BFLOAT16) y.rtol = fmax(y.rtol, 0x1p-6);
    return y;
}

static bool compare_tensors(const char *name, const tap_tensor *got, const tap_tensor *want,
                            const tolerance *of_test, char *why, size_t room) {
    differences d = {0, 0, 0};
    const tap_dtype t = tap_tensor_dtype(want);
    const tolerance own = for_dtype(of_test, t), *tol = &own;
    char a[256], b[256];
    if (!same_type(got, want)) {
        type_text(got, a, sizeof a);
        type_text(want, b, sizeof b);
        cli_append(why, room, "'%s' is %s, expected is %s", name, a, b);
        return false;
    }
    if (tol->shape_only) return true;
    if (t == TAP_STRING)
        compare_strings(got, want, &d);
    else if (t == TAP_COMPLEX64 || t == TAP_COMPLEX128)
        compare_complex(got, want, tol, &d);
    else if (is_exact(t))
        compare_bytes(got, want, &d);
    else
        compare_floats(got, want, tol, &d);
    if (d.n == 0) return true;
    tap_tensor_text(got, d.worst_at, a, sizeof a);
    tap_tensor_text(want, d.worst_at, b, sizeof b);
    cli_append(why, room, "'%s': %" PRId64 " of %" PRId64 " elements differ, most at ", name, d.n,
               tap_tensor_count(want));
    append_index(want, d.worst_at, why, room);
    cli_append(why, room, ": %s, expected is %s", a, b);
    if (!is_exact(t)) cli_append(why, room, " (rtol %g, atol %g)", tol->rtol, tol->atol);
    return false;
}

/* ---- Maps, whose order says nothing ---- */

static bool same_element(const tap_tensor *a, int64_t i, const tap_tensor *b, int64_t k) {
    size_t width = tap_dtype_bytes(tap_tensor_dtype(a));
    const char *x = tap_tensor_data(a), *y = tap_tensor_data(b);
    if (tap_tensor_dtype(a) != TAP_STRING)
        return memcmp(x + (size_t)i * width, y + (size_t)k * width, width) == 0;
    const tap_string *s = (const tap_string *)tap_tensor_data(a) + i,
                     *t = (const tap_string *)tap_tensor_data(b) + k;
    return s->n == t->n && (s->n == 0 || memcmp(s->s, t->s, s->n) == 0);
}

/* Where key i of `of` is among the keys, looked for from there on; -1: nowhere. */
static int64_t find_key(const tap_tensor *keys, const tap_tensor *of, int64_t i) {
    int64_t n = tap_tensor_count(keys);
    for (int64_t k = 0; k < n; k++)
        if (same_element(keys, (i + k) % n, of, i)) return (i + k) % n;
    return -1;
}

static bool put_element(tap_value *to, int64_t i, const tap_tensor *from, int64_t k) {
    size_t width = tap_dtype_bytes(tap_tensor_dtype(from));
    const tap_string *s = (const tap_string *)tap_tensor_data(from) + k;
    if (tap_tensor_dtype(from) == TAP_STRING)
        return tap_value_set_string(to, i, s->s ? s->s : "", s->n, NULL) == TAP_OK;
    memcpy((char *)tap_value_data(to) + (size_t)i * width,
           (const char *)tap_tensor_data(from) + (size_t)k * width, width);
    return true;
}

/* The map's values in the order of these keys, to be released; NULL: it has others. */
static tap_value *values_by(const tap_value *map, const tap_tensor *order) {
    const tap_tensor *keys = tap_value_tensor(tap_value_item(map, 0)),
                     *values = tap_value_tensor(tap_value_item(map, 1));
    int64_t n = tap_tensor_count(order);
    tap_value *v;
    if (tap_tensor_dtype(keys) != tap_tensor_dtype(order) || tap_tensor_count(keys) != n ||
        tap_tensor_count(values) != n || tap_value_new(tap_tensor_dtype(values), 1, &n, &v, NULL) != TAP_OK)
        return NULL;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = find_key(keys, order, i);
        if (at >= 0 && put_element(v, i, values, at)) continue;
        tap_value_release(v);
        return NULL;
    }
    return v;
}

static const char *kind_text(const tap_value *v) {
    static const char *const texts[] = {"nothing", "a tensor", "a sequence", "a map", "an optional"};
    return texts[tap_value_kind(v)];
}

bool compare_values(const char *name, const tap_value *got, const tap_value *want, const tolerance *tol,
                    char *why, size_t room) {
    if (tap_value_kind(got) != tap_value_kind(want)) {
        cli_append(why, room, "'%s' is %s, expected is %s", name, kind_text(got), kind_text(want));
        return false;
    }
    if (tap_value_tensor(want))
        return compare_tensors(name, tap_value_tensor(got), tap_value_tensor(want), tol, why, room);
    if (tap_value_length(got) != tap_value_length(want)) {
        cli_append(why, room, "'%s' has %zu items, expected are %zu", name, tap_value_length(got),
                   tap_value_length(want));
        return false;
    }
    tap_value *ordered = tap_value_kind(want) == TAP_KIND_MAP
                             ? values_by(got, tap_value_tensor(tap_value_item(want, 0)))
                             : NULL;
    if (ordered) {
        bool same = compare_values(name, ordered, tap_value_item(want, 1), tol, why, room);
        tap_value_release(ordered);
        return same;
    }
    for (size_t i = 0; i < tap_value_length(want); i++) {
        char item[300];
        snprintf(item, sizeof item, "%s[%zu]", name, i);
        if (!compare_values(item, tap_value_item(got, i), tap_value_item(want, i), tol, why, room))
            return false;
    }
    return true;
}
