/* How far a value moved from one epoch to the next. */
#include <math.h>

#include "core/base.h"
#include "io/series.h"
#include "onnxtap/record.h"

#define BLOCK 1024

typedef struct sums {
    double abs, square, old_square, new_square, product;
} sums;

static void add_block(sums *s, const tap_tensor *a, const tap_tensor *b, int64_t at, int64_t n) {
    double x[BLOCK], y[BLOCK];
    tap_tensor_doubles(a, at, n, x);
    tap_tensor_doubles(b, at, n, y);
    for (int64_t i = 0; i < n; i++) {
        double d = x[i] - y[i];
        s->abs += fabs(d);
        s->square += d * d;
        s->new_square += x[i] * x[i];
        s->old_square += y[i] * y[i];
        s->product += x[i] * y[i];
    }
}

static bool are_comparable(const tap_tensor *a, const tap_tensor *b) {
    if (tap_tensor_rank(a) != tap_tensor_rank(b) || tap_tensor_count(a) == 0) return false;
    for (int i = 0; i < tap_tensor_rank(a); i++)
        if (tap_tensor_dims(a)[i] != tap_tensor_dims(b)[i]) return false;
    return tap_tensor_dtype(a) != TAP_STRING && tap_tensor_dtype(b) != TAP_STRING;
}

/* 0 / 0, of a value that was and is 0, is no drift. */
static double ratio(double a, double b) {
    return a == 0 && b == 0 ? 0 : a / b;
}

static void fill(tap_series_value *v, const tap_tensor *a, const tap_tensor *b) {
    sums s = {.abs = 0};
    int64_t n = tap_tensor_count(a);
    if (!are_comparable(a, b)) return;
    for (int64_t i = 0; i < n; i += BLOCK) add_block(&s, a, b, i, tap_min64(BLOCK, n - i));
    v->has_drift = true;
    v->drift_mean_abs = s.abs / (double)n;
    v->drift_rms = sqrt(s.square / (double)n);
    v->drift_relative = ratio(sqrt(s.square), sqrt(s.old_square));
    v->drift_cosine =
        s.square == 0 ? 1 : s.product / (sqrt(s.old_square) * sqrt(s.new_square)); /* NaN: one of them is 0 */
}

void tap_series_compare(tap_series_value *v, const char *before) {
    tap_value *a = NULL, *b = NULL;
    if (tap_value_load(v->path, NULL, &a, NULL) == TAP_OK &&
        tap_value_load(before, NULL, &b, NULL) == TAP_OK)
        fill(v, tap_value_tensor(a), tap_value_tensor(b));
    tap_value_release(a);
    tap_value_release(b);
}
