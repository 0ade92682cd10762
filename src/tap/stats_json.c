/* Statistics as JSON: for readers, and with all that is needed to go on gathering. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tap/stats.h"

#define BINS        30
#define UNITS_SHOWN 4096

static const double quantiles[] = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};

/* ---- Writing ---- */

static void put_quantiles(const tap_stats *s, tap_json *j, size_t i, size_t unit) {
    tap_json_flat_object(j, "quantiles");
    for (size_t k = 0; k < TAP_COUNT_OF(quantiles); k++) {
        char key[16];
        snprintf(key, sizeof key, "%.2f", quantiles[k]);
        tap_json_double(j, key, tap_stats_quantile(s, i, unit, quantiles[k]));
    }
    tap_json_end(j);
}

static void put_histogram(const tap_stats *s, tap_json *j, size_t i, size_t unit) {
    double edges[BINS + 1];
    int64_t counts[BINS];
    size_t n = tap_stats_histogram(s, i, unit, BINS, edges, counts);
    tap_json_object(j, "histogram");
    tap_json_flat_array(j, "edges");
    for (size_t k = 0; n > 0 && k <= n; k++) tap_json_double(j, NULL, edges[k]);
    tap_json_end(j);
    tap_json_flat_array(j, "counts");
    for (size_t k = 0; k < n; k++) tap_json_int(j, NULL, counts[k]);
    tap_json_end(j);
    tap_json_end(j);
}

static void put_place(tap_json *j, const char *key, const tap_gathered *g, int64_t row, int64_t at) {
    tap_json_flat_array(j, key);
    if (at >= 0 && g->rank > 0) {
        int64_t index[TAP_RANK_MAX];
        for (int d = g->rank - 1; d > 0; d--) {
            index[d] = g->dims[d] > 0 ? at % g->dims[d] : 0;
            at = g->dims[d] > 0 ? at / g->dims[d] : at;
        }
        index[0] = row;
        for (int d = 0; d < g->rank; d++) tap_json_int(j, NULL, index[d]);
    }
    tap_json_end(j);
}

static double share(int64_t part, const tap_stat *x) {
    return x->count > 0 ? (double)part / (double)x->count : (double)NAN;
}

static void put_figures(const tap_stats *s, tap_json *j, size_t i, size_t unit) {
    const tap_gathered *g = s->values[i];
    tap_stat x = {.size = sizeof x};
    tap_stats_get(s, i, unit, &x);
    tap_json_int(j, "count", x.count);
    tap_json_double(j, "mean", x.mean);
    tap_json_double(j, "std", sqrt(x.variance));
    tap_json_double(j, "min", x.min);
    put_place(j, "min_at", g, x.min_row, x.min_at);
    tap_json_double(j, "max", x.max);
    put_place(j, "max_at", g, x.max_row, x.max_at);
    tap_json_double(j, "zeros", share(x.zeros, &x));
    tap_json_double(j, "negatives", share(x.negatives, &x));
    tap_json_int(j, "nonfinite", x.nonfinite);
    tap_json_int(j, "nan", x.nan);
    tap_json_double(j, "norm", x.norm);
}

static void put_cell(tap_json *j, const tap_cell *c) {
    const int64_t ints[] = {c->count,  c->nonfinite, c->nan,    c->zeros,   c->negatives,
                            c->finite, c->min_row,   c->min_at, c->max_row, c->max_at};
    tap_json_flat_object(j, NULL);
    tap_json_flat_array(j, "counts");
    for (size_t k = 0; k < TAP_COUNT_OF(ints); k++) tap_json_int(j, NULL, ints[k]);
    tap_json_end(j);
    tap_json_flat_array(j, "moments");
    const double reals[] = {c->mean, c->m2, c->min, c->max};
    for (size_t k = 0; k < TAP_COUNT_OF(reals); k++) tap_json_double(j, NULL, reals[k]);
    tap_json_end(j);
    if (c->sketch) {
        tap_json_flat_array(j, "sketch");
        for (uint32_t i = 0; i < 65536; i++) {
            int64_t n = tap_sketch_count(c->sketch, tap_sketch_code(i));
            if (!n) continue;
            tap_json_int(j, NULL, tap_sketch_code(i));
            tap_json_int(j, NULL, n);
        }
        tap_json_end(j);
    }
    tap_json_end(j);
}

static void put_state(tap_json *j, const tap_gathered *g) {
    tap_json_object(j, "state");
    tap_json_int(j, "axis", g->axis);
    tap_json_bool(j, "double", g->is_double);
    tap_json_array(j, "cells");
    for (size_t k = 0; k < g->n_cells; k++) put_cell(j, &g->cells[k]);
    tap_json_end(j);
    if (g->sums) {
        tap_json_flat_array(j, "sums");
        for (int64_t k = 0; k < g->n_sums; k++) tap_json_double(j, NULL, g->sums[k]);
        tap_json_end(j);
        tap_json_flat_array(j, "sums_of");
        for (size_t k = 0; k < g->n_n_of; k++) tap_json_int(j, NULL, g->n_of[k]);
        tap_json_end(j);
    }
    tap_json_end(j);
}

static void put_value(const tap_stats *s, tap_json *j, size_t i, bool state) {
    const tap_gathered *g = s->values[i];
    tap_json_object(j, NULL);
    tap_json_string(j, "tensor", g->name);
    tap_json_string(j, "layer", g->layer);
    tap_json_string(j, "node", g->node);
    tap_json_string(j, "op", g->op);
    tap_json_bool(j, "output", g->is_output);
    tap_json_flat_array(j, "shape");
    for (int d = 0; d < g->rank; d++) tap_json_int(j, NULL, g->dims[d]);
    tap_json_end(j);
    put_figures(s, j, i, SIZE_MAX);
    put_quantiles(s, j, i, SIZE_MAX);
    put_histogram(s, j, i, SIZE_MAX);
    if (s->options.per != TAP_PER_TENSOR) {
        tap_json_array(j, "units");
        for (size_t k = 0; k < g->n_cells && k < UNITS_SHOWN; k++) {
            tap_json_flat_object(j, NULL);
            tap_json_uint(j, "unit", k);
            put_figures(s, j, i, k);
            if (g->cells[k].sketch) put_quantiles(s, j, i, k);
            tap_json_end(j);
        }
        tap_json_end(j);
    }
    if (state) put_state(j, g);
    tap_json_end(j);
}

const char *tap_per_name(tap_per per) {
    static const char *const names[] = {"tensor", "channel", "unit"};
    return names[per];
}

const char *tap_average_name(tap_average average) {
    static const char *const names[] = {"none", "samples", "batches"};
    return names[average];
}

static void put_score(tap_json *j, const tap_score *x, bool state) {
    if (x->n_predictions) tap_json_double(j, "accuracy", (double)x->correct / (double)x->n_predictions);
    if (x->n) {
        tap_json_double(j, "loss", x->loss_sum / (double)x->n);
        tap_json_string(j, "loss_kind", tap_loss_name(x->loss));
    }
    if (!state || (x->n == 0 && x->n_predictions == 0)) return;
    tap_json_flat_object(j, "score");
    tap_json_bool(j, "from_logits", x->from_logits);
    tap_json_double(j, "loss_sum", x->loss_sum);
    tap_json_int(j, "n", x->n);
    tap_json_int(j, "correct", x->correct);
    tap_json_int(j, "n_predictions", x->n_predictions);
    tap_json_end(j);
}

void tap_stats_write(const tap_stats *s, tap_json *j, bool state) {
    tap_json_string(j, "per", tap_per_name(s->options.per));
    tap_json_string(j, "average", tap_average_name(s->options.average));
    put_score(j, &s->score, state);
    tap_json_array(j, "values");
    for (size_t i = 0; i < s->n; i++) put_value(s, j, i, state);
    tap_json_end(j);
}

/* ---- Reading ---- */

static int64_t whole(const tap_json_value *v) {
    double x = tap_json_number(v, 0);
    return x > -9e15 && x < 9e15 ? (int64_t)x : 0;
}

static bool read_sketch(tap_cell *c, const tap_json_value *list) {
    for (const tap_json_value *v = tap_json_first(list); v;) {
        const tap_json_value *n = tap_json_next(v);
        int64_t code = whole(v);
        if (!n || code < 0 || code > 65535 || whole(n) < 0 ||
            !tap_sketch_put(c->sketch, (uint32_t)code, whole(n)))
            return false;
        v = tap_json_next(n);
    }
    return true;
}

static bool read_cell(tap_cell *c, const tap_json_value *v) {
    int64_t *const ints[] = {&c->count,  &c->nonfinite, &c->nan,    &c->zeros,   &c->negatives,
                             &c->finite, &c->min_row,   &c->min_at, &c->max_row, &c->max_at};
    double *const reals[] = {&c->mean, &c->m2, &c->min, &c->max};
    const tap_json_value *at = tap_json_first(tap_json_get(v, "counts"));
    for (size_t k = 0; k < TAP_COUNT_OF(ints); k++, at = tap_json_next(at)) {
        if (!at) return false;
        *ints[k] = whole(at);
    }
    at = tap_json_first(tap_json_get(v, "moments"));
    for (size_t k = 0; k < TAP_COUNT_OF(reals); k++, at = tap_json_next(at)) {
        if (!at) return false;
        *reals[k] = tap_json_number(at, 0);
    }
    const tap_json_value *sketch = tap_json_get(v, "sketch");
    return !sketch || (c->sketch && read_sketch(c, sketch));
}

static bool read_sums(tap_gathered *g, const tap_json_value *state) {
    const tap_json_value *sums = tap_json_get(state, "sums"), *of = tap_json_get(state, "sums_of");
    if (!sums) return true;
    g->n_sums = (int64_t)tap_json_length(sums);
    g->n_n_of = tap_json_length(of);
    if (g->n_n_of == 0 || g->n_sums % (int64_t)g->n_n_of != 0) return false;
    g->sums = calloc((size_t)g->n_sums + 1, sizeof *g->sums);
    g->n_of = calloc(g->n_n_of + 1, sizeof *g->n_of);
    if (!g->sums || !g->n_of) return false;
    size_t k = 0;
    for (const tap_json_value *v = tap_json_first(sums); v; v = tap_json_next(v))
        g->sums[k++] = tap_json_number(v, 0);
    k = 0;
    for (const tap_json_value *v = tap_json_first(of); v; v = tap_json_next(v)) g->n_of[k++] = whole(v);
    return true;
}

static bool set_text(char **to, const tap_json_value *v) {
    return tap_gathered_set(to, v && tap_json_kind_of(v) == TAP_JSON_STRING ? tap_json_text(v) : NULL);
}

static bool read_value(tap_stats *s, const tap_json_value *v) {
    const tap_json_value *state = tap_json_get(v, "state"), *cells = tap_json_get(state, "cells");
    if (!state || tap_stats_find(s, tap_json_text(tap_json_get(v, "tensor")))) return false;
    tap_gathered *g = tap_stats_append(s, tap_json_text(tap_json_get(v, "tensor")), tap_json_length(cells));
    if (!g || !set_text(&g->layer, tap_json_get(v, "layer")) ||
        !set_text(&g->node, tap_json_get(v, "node")) || !set_text(&g->op, tap_json_get(v, "op")))
        return false;
    g->is_output = tap_json_true(tap_json_get(v, "output"));
    g->is_double = tap_json_true(tap_json_get(state, "double"));
    g->axis = (int)whole(tap_json_get(state, "axis"));
    const tap_json_value *shape = tap_json_get(v, "shape");
    for (const tap_json_value *d = tap_json_first(shape); d && g->rank < TAP_RANK_MAX; d = tap_json_next(d))
        g->dims[g->rank++] = whole(d);
    size_t k = 0;
    for (const tap_json_value *c = tap_json_first(cells); c; c = tap_json_next(c))
        if (!read_cell(&g->cells[k++], c)) return false;
    return read_sums(g, state);
}

static tap_stats_options read_options(const tap_json_value *doc) {
    const char *per = tap_json_text(tap_json_get(doc, "per")),
               *average = tap_json_text(tap_json_get(doc, "average"));
    tap_stats_options o = {.size = sizeof o};
    if (strcmp(per, "channel") == 0) o.per = TAP_PER_CHANNEL;
    if (strcmp(per, "unit") == 0) o.per = TAP_PER_UNIT;
    if (strcmp(average, "samples") == 0) o.average = TAP_AVERAGE_SAMPLES;
    if (strcmp(average, "batches") == 0) o.average = TAP_AVERAGE_BATCHES;
    return o;
}

static void read_score(tap_score *x, const tap_json_value *doc) {
    const tap_json_value *score = tap_json_get(doc, "score");
    if (!score) return;
    x->loss = tap_loss_from_name(tap_json_text(tap_json_get(doc, "loss_kind")));
    x->from_logits = tap_json_true(tap_json_get(score, "from_logits"));
    x->loss_sum = tap_json_number(tap_json_get(score, "loss_sum"), 0);
    x->n = tap_max64(0, whole(tap_json_get(score, "n")));
    x->correct = tap_max64(0, whole(tap_json_get(score, "correct")));
    x->n_predictions = tap_max64(0, whole(tap_json_get(score, "n_predictions")));
}

tap_status tap_stats_read(const tap_json_value *doc, tap_stats **out, tap_error *err) {
    tap_stats_options o = read_options(doc);
    tap_status s = tap_stats_new(&o, out, err);
    if (s != TAP_OK) return s;
    const tap_json_value *values = tap_json_get(doc, "values");
    bool good = values != NULL;
    for (const tap_json_value *v = tap_json_first(values); good && v; v = tap_json_next(v))
        good = read_value(*out, v);
    read_score(&(*out)->score, doc);
    if (good) return TAP_OK;
    tap_stats_free(*out);
    *out = NULL;
    return tap_error_set(err, TAP_DATA, "no statistics as onnxtap writes them for merging");
}
