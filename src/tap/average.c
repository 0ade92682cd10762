/* Averages element by element: over samples, or over batches. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tap/stats.h"

static tap_status reserve(tap_gathered *g, int64_t n, size_t n_of, tap_error *err) {
    if (n > g->n_sums || !g->sums) {
        double *sums = realloc(g->sums, ((size_t)n + 1) * sizeof *sums);
        if (!sums) return tap_error_no_memory(err, (uint64_t)n * sizeof *sums);
        memset(sums + g->n_sums, 0, (size_t)(n - g->n_sums) * sizeof *sums);
        g->sums = sums;
        g->n_sums = n;
    }
    if (n_of > g->n_n_of || !g->n_of) {
        int64_t *counts = realloc(g->n_of, (n_of + 1) * sizeof *counts);
        if (!counts) return tap_error_no_memory(err, n_of * sizeof *counts);
        memset(counts + g->n_n_of, 0, (n_of - g->n_n_of) * sizeof *counts);
        g->n_of = counts;
        g->n_n_of = n_of;
    }
    return TAP_OK;
}

static tap_status other_shape(const tap_gathered *g, tap_error *err) {
    tap_error_set(err, TAP_DATA, "'%s' has another shape than before: there is no average element by element",
                  g->name);
    tap_error_where(err, g->node, g->op, g->name);
    return TAP_DATA;
}

static bool same_rows(const tap_gathered *g, int rank, const int64_t *dims) {
    return g->rank == rank &&
           (rank < 2 || memcmp(g->dims + 1, dims + 1, (size_t)(rank - 1) * sizeof *dims) == 0);
}

static tap_status add_samples(tap_gathered *g, const tap_tensor *t, const double *x, tap_error *err) {
    int64_t rows = t->rank > 0 ? t->dims[0] : 1, each = rows > 0 ? t->count / rows : 0;
    tap_status s = reserve(g, each, 1, err);
    if (s != TAP_OK) return s;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < each; k++) g->sums[k] += x[r * each + k];
    g->n_of[0] += rows;
    return TAP_OK;
}

static tap_status add_batch(tap_gathered *g, const tap_tensor *t, const double *x, tap_error *err) {
    int64_t rows = t->rank > 0 ? t->dims[0] : 1;
    tap_status s = reserve(g, t->count, (size_t)rows, err);
    if (s != TAP_OK) return s;
    for (int64_t k = 0; k < t->count; k++) g->sums[k] += x[k];
    for (int64_t r = 0; r < rows; r++) g->n_of[r]++;
    if (t->rank > 0 && t->dims[0] > g->dims[0]) g->dims[0] = t->dims[0];
    return TAP_OK;
}

tap_status tap_average_add(tap_stats *s, tap_gathered *g, const tap_tensor *t, const double *x,
                           tap_error *err) {
    if (!same_rows(g, t->rank, t->dims)) return other_shape(g, err);
    return s->options.average == TAP_AVERAGE_SAMPLES ? add_samples(g, t, x, err) : add_batch(g, t, x, err);
}

tap_status tap_average_merge(tap_gathered *g, const tap_gathered *o, tap_error *err) {
    if (!same_rows(g, o->rank, o->dims)) return other_shape(g, err);
    tap_status s = reserve(g, o->n_sums, o->n_n_of, err);
    for (int64_t k = 0; s == TAP_OK && k < o->n_sums; k++) g->sums[k] += o->sums[k];
    for (size_t k = 0; s == TAP_OK && k < o->n_n_of; k++) g->n_of[k] += o->n_of[k];
    if (g->rank > 0 && o->dims[0] > g->dims[0]) g->dims[0] = o->dims[0];
    return s;
}

tap_status tap_stats_average(const tap_stats *s, size_t i, tap_value **out, tap_error *err) {
    const tap_gathered *g = i < s->n ? s->values[i] : NULL;
    *out = NULL;
    if (!g || !g->sums || s->options.average == TAP_AVERAGE_NONE)
        return tap_error_set(err, TAP_USAGE, "there is no average of value %zu: none was asked for", i);
    bool samples = s->options.average == TAP_AVERAGE_SAMPLES;
    int rank = g->rank > 0 && samples ? g->rank - 1 : g->rank;
    int64_t dims[TAP_RANK_MAX + 1];
    memcpy(dims, g->dims + (samples && g->rank > 0), (size_t)rank * sizeof *dims);
    tap_status status = tap_value_new(g->is_double ? TAP_DOUBLE : TAP_FLOAT, rank, dims, out, err);
    if (status != TAP_OK) return status;
    int64_t each = samples || g->n_n_of == 0 ? g->n_sums : g->n_sums / (int64_t)g->n_n_of;
    for (int64_t k = 0; k < g->n_sums && k < (*out)->tensor.count; k++) {
        double x = g->sums[k] / (double)g->n_of[samples || each == 0 ? 0 : k / each];
        if (g->is_double)
            ((double *)(*out)->tensor.data)[k] = x;
        else
            ((float *)(*out)->tensor.data)[k] = (float)x;
    }
    return TAP_OK;
}
