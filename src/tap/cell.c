/* One set of figures, gathered in blocks. */
#include "tap/cell.h"

#include <math.h>
#include <string.h>

#define BLOCK 1024

void tap_cell_init(tap_cell *c) {
    *c = (tap_cell){.min_row = -1, .max_row = -1, .min_at = -1, .max_at = -1};
}

static int64_t place(int64_t at, int64_t i) {
    return at >= 0 ? at + i : TAP_NO_PLACE;
}

static void merge_moments(tap_cell *c, int64_t n, double mean, double m2) {
    if (n == 0) return;
    int64_t all = c->finite + n;
    double d = mean - c->mean, share = (double)n / (double)all;
    c->m2 += m2 + d * d * (double)c->finite * share;
    c->mean += d * share;
    c->finite = all;
}

/* Four sums at a time, so that the next addition need not wait for the last. */
static double sum_of(const double *x, int64_t n) {
    double s[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) s[k] += x[i + k];
    for (; i < n; i++) s[0] += x[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static double squares_of(const double *x, int64_t n, double mean) {
    double s[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) s[k] += (x[i + k] - mean) * (x[i + k] - mean);
    for (; i < n; i++) s[0] += (x[i] - mean) * (x[i] - mean);
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static void see_extremes(tap_cell *c, const double *x, int64_t n, int64_t at) {
    double lo = x[0], hi = x[0];
    for (int64_t i = 1; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    if (c->min_at < 0 || lo < c->min) {
        int64_t i = 0;
        while (at >= 0 && x[i] > lo) i++;
        c->min = lo;
        c->min_row = TAP_ROW_PENDING;
        c->min_at = at >= 0 ? at + i : 0;
    }
    if (c->max_at < 0 || hi > c->max) {
        int64_t i = 0;
        while (at >= 0 && x[i] < hi) i++;
        c->max = hi;
        c->max_row = TAP_ROW_PENDING;
        c->max_at = at >= 0 ? at + i : 0;
    }
}

static void see_signs(tap_cell *c, const double *x, int64_t n) {
    int64_t zeros = 0, negatives = 0;
    for (int64_t i = 0; i < n; i++) {
        zeros += x[i] == 0;
        negatives += x[i] < 0;
    }
    c->zeros += zeros;
    c->negatives += negatives;
}

/* All finite. */
static bool add_finite(tap_cell *c, const double *x, int64_t n, int64_t at) {
    if (n == 0) return true;
    double mean = sum_of(x, n) / (double)n;
    if (!isfinite(mean)) { /* the sum overflows: sum up halves */
        mean = 0;
        for (int64_t i = 0; i < n; i++) mean += x[i] / (double)n;
    }
    merge_moments(c, n, mean, squares_of(x, n, mean));
    see_extremes(c, x, n, at);
    see_signs(c, x, n);
    return !c->sketch || tap_sketch_add(c->sketch, x, n);
}

static bool are_finite(const double *x, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += x[i] * 0; /* 0, or NaN */
    return s == 0;
}

static bool add_block(tap_cell *c, const double *x, int64_t n, int64_t at) {
    if (are_finite(x, n)) return add_finite(c, x, n, at);
    for (int64_t i = 0, k; i < n; i = k) {
        for (k = i; k < n && isfinite(x[k]);) k++;
        if (!add_finite(c, x + i, k - i, place(at, i))) return false;
        for (; k < n && !isfinite(x[k]); k++) {
            c->nonfinite++;
            c->nan += isnan(x[k]) != 0;
        }
    }
    return true;
}

bool tap_cell_add(tap_cell *c, const double *x, int64_t n, int64_t at) {
    c->count += n;
    for (int64_t i = 0; i < n; i += BLOCK)
        if (!add_block(c, x + i, tap_min64(BLOCK, n - i), place(at, i))) return false;
    return true;
}

/* ---- Floats ---- */

static void see_place(double *best, int64_t *best_row, int64_t *best_at, const float *x, float found,
                      int64_t at) {
    int64_t i = 0;
    while (at >= 0 && x[i] != found) i++;
    *best = (double)found;
    *best_row = TAP_ROW_PENDING;
    *best_at = at >= 0 ? at + i : 0;
}

static void see_block(tap_cell *c, const tap_block *b, const float *x, int64_t n, int64_t at) {
    merge_moments(c, n, b->mean, b->m2);
    c->zeros += b->zeros;
    c->negatives += b->negatives;
    if (c->min_at < 0 || (double)b->min < c->min) see_place(&c->min, &c->min_row, &c->min_at, x, b->min, at);
    if (c->max_at < 0 || (double)b->max > c->max) see_place(&c->max, &c->max_row, &c->max_at, x, b->max, at);
}

/* At most TAP_BLOCK, not all of them finite: the runs that are. A table has them already. */
static bool add_mixed(tap_cell *c, const float *x, int64_t n, int64_t at, tap_isa isa, bool counted) {
    uint32_t codes[TAP_BLOCK];
    for (int64_t i = 0, k; i < n; i = k) {
        for (k = i; k < n && isfinite(x[k]);) k++;
        tap_block b;
        bool wanted = !counted && c->sketch;
        if (k > i) {
            tap_block_measure(x + i, k - i, isa, &b, wanted ? codes : NULL);
            if (counted) b.zeros = b.negatives = 0;
            see_block(c, &b, x + i, k - i, place(at, i));
            if (wanted && !tap_sketch_add_codes(c->sketch, codes, k - i)) return false;
        }
        for (; k < n && !isfinite(x[k]); k++) {
            c->nonfinite++;
            c->nan += isnan(x[k]) != 0;
        }
    }
    return true;
}

static bool add_floats(tap_cell *c, const float *x, int64_t n, int64_t at, tap_isa isa, uint32_t *table) {
    uint32_t codes[TAP_BLOCK];
    tap_block b;
    if (table)
        tap_block_count(x, n, isa, &b, table);
    else
        tap_block_measure(x, n, isa, &b, c->sketch ? codes : NULL);
    if (!b.finite) return add_mixed(c, x, n, at, isa, table != NULL);
    see_block(c, &b, x, n, at);
    return table || !c->sketch || tap_sketch_add_codes(c->sketch, codes, n);
}

bool tap_cell_add_floats(tap_cell *c, const float *x, int64_t n, int64_t at, tap_isa isa, uint32_t *table) {
    c->count += n;
    for (int64_t i = 0; i < n; i += TAP_BLOCK)
        if (!add_floats(c, x + i, tap_min64(TAP_BLOCK, n - i), place(at, i), isa, table)) return false;
    return true;
}

bool tap_cell_take_table(tap_cell *c, uint32_t *table) {
    double min = c->min_at >= 0 ? c->min : 0, max = c->max_at >= 0 ? c->max : 0;
    if (c->nonfinite > 0) tap_sketch_forget_nonfinite(table);
    return tap_sketch_take_table(c->sketch, table, min, max, &c->zeros, &c->negatives);
}

/* ---- Merging ---- */

/* Of two places with the same number the first counts. */
static bool is_before(int64_t row, int64_t at, int64_t other_row, int64_t other_at) {
    return other_row < row || (other_row == row && other_at < at);
}

bool tap_cell_merge(tap_cell *c, const tap_cell *o) {
    c->count += o->count;
    c->nonfinite += o->nonfinite;
    c->nan += o->nan;
    c->zeros += o->zeros;
    c->negatives += o->negatives;
    merge_moments(c, o->finite, o->mean, o->m2);
    if (o->min_at >= 0 && (c->min_at < 0 || o->min < c->min ||
                           (o->min == c->min && is_before(c->min_row, c->min_at, o->min_row, o->min_at)))) {
        c->min = o->min;
        c->min_row = o->min_row;
        c->min_at = o->min_at;
    }
    if (o->max_at >= 0 && (c->max_at < 0 || o->max > c->max ||
                           (o->max == c->max && is_before(c->max_row, c->max_at, o->max_row, o->max_at)))) {
        c->max = o->max;
        c->max_row = o->max_row;
        c->max_at = o->max_at;
    }
    return !c->sketch || !o->sketch || tap_sketch_merge(c->sketch, o->sketch);
}
