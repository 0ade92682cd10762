/* Values as lines of a table, and as JSON objects. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define FIRST 5

/* ---- Text ---- */

static void append_shape(const tap_tensor *t, char *out, size_t room) {
    cli_append(out, room, "[");
    for (int i = 0; i < tap_tensor_rank(t); i++)
        cli_append(out, room, "%s%" PRId64, i ? "," : "", tap_tensor_dims(t)[i]);
    cli_append(out, room, "]");
}

static bool is_float(const tap_tensor *t) {
    switch (tap_tensor_dtype(t)) {
    case TAP_FLOAT:
    case TAP_DOUBLE:
    case TAP_FLOAT16:
    case TAP_BFLOAT16: return true;
    default: return false;
    }
}

/* Element i, floats short. */
static void element_text(const tap_tensor *t, int64_t i, char *out, size_t room) {
    double x;
    out[0] = '\0';
    if (i < 0)
        snprintf(out, room, "-");
    else if (is_float(t) && tap_tensor_doubles(t, i, 1, &x))
        snprintf(out, room, "%.5g", x);
    else
        tap_tensor_text(t, i, out, room);
}

static int64_t last_dim(const tap_tensor *t) {
    int rank = tap_tensor_rank(t);
    return rank ? tap_tensor_dims(t)[rank - 1] : 1;
}

/* Probabilities of classes: a vector, or a row a sample, from 0 to 1 with sum 1. */
static bool is_class_vector(const tap_tensor *t) {
    int64_t n = last_dim(t);
    double sum = 0, x;
    if (!is_float(t) || tap_tensor_rank(t) < 1 || tap_tensor_rank(t) > 2 || n < 3 || tap_tensor_count(t) < n)
        return false;
    for (int64_t i = 0; i < n; i++) {
        tap_tensor_doubles(t, i, 1, &x);
        if (!(x >= 0 && x <= 1)) return false;
        sum += x;
    }
    return fabs(sum - 1) < 1e-2;
}

/* The next largest element of the first row after one of value `below` at position `at`. */
static int64_t next_largest(const tap_tensor *t, double below, int64_t at) {
    int64_t best = -1;
    double most = -1, x;
    for (int64_t i = 0; i < last_dim(t); i++) {
        tap_tensor_doubles(t, i, 1, &x);
        bool later = x < below || (x == below && i > at);
        if (later && x > most) best = i, most = x;
    }
    return best;
}

static void append_top(const tap_tensor *t, char *out, size_t room) {
    double x = 2;
    int64_t at = -1;
    cli_append(out, room, "top");
    for (int k = 0; k < FIRST && (at = next_largest(t, x, at)) >= 0; k++) {
        tap_tensor_doubles(t, at, 1, &x);
        cli_append(out, room, "%s %" PRId64 ": %.4g", k ? "," : "", at, x);
    }
}

static void append_first(const tap_tensor *t, char *out, size_t room) {
    int64_t n = tap_tensor_count(t);
    for (int64_t i = 0; i < n && i < FIRST; i++) {
        char text[48];
        element_text(t, i, text, sizeof text);
        cli_append(out, room, "%s%s", i ? " " : "", text);
    }
    if (n > FIRST) cli_append(out, room, " ...");
}

typedef struct line {
    cli_table *table;
    const cli_about *about;
} line;

static tap_status show_tensor(void *user, const char *name, const tap_value *v, tap_error *err) {
    (void)err;
    const line *l = user;
    const tap_tensor *t = tap_value_tensor(v);
    tap_summary s = {.size = sizeof s};
    char shape[200] = "", least[32], largest[32], mean[32] = "-", values[400] = "";
    if (!l->table->begun)
        printf("%-*s  %-8s  %-14s %11s %11s %11s  %s\n", l->table->name_width, "name", "dtype", "shape",
               "min", "max", "mean", "values");
    l->table->begun = true;
    tap_tensor_summary(t, &s);
    append_shape(t, shape, sizeof shape);
    element_text(t, s.min_at, least, sizeof least);
    element_text(t, s.max_at, largest, sizeof largest);
    if (s.min_at >= 0) snprintf(mean, sizeof mean, "%.5g", s.mean);
    if (l->about->is_output && is_class_vector(t))
        append_top(t, values, sizeof values);
    else
        append_first(t, values, sizeof values);
    printf("%-*s  %-8s  %-14s %11s %11s %11s  %s", l->table->name_width, name,
           tap_dtype_name(tap_tensor_dtype(t)), shape, least, largest, mean, values);
    if (s.nonfinite) printf("  (%" PRId64 " NaN, %" PRId64 " infinite)", s.nan, s.nonfinite - s.nan);
    putchar('\n');
    return TAP_OK;
}

void cli_show_line(cli_table *table, const char *name, const tap_value *v, const cli_about *about) {
    if (tap_value_kind(v) == TAP_KIND_NONE) {
        printf("%-*s  absent\n", table->name_width, name);
        return;
    }
    line l = {table, about};
    tap_value_each(v, name, show_tensor, &l, NULL);
}

/* ---- JSON ---- */

typedef struct object {
    tap_json *j;
    const cli_about *about;
} object;

static void json_first(tap_json *j, const tap_tensor *t) {
    tap_json_flat_array(j, "first");
    for (int64_t i = 0; i < tap_tensor_count(t) && i < FIRST; i++) {
        char text[256];
        double x;
        if (tap_tensor_dtype(t) == TAP_STRING) {
            const tap_string *s = tap_tensor_data(t);
            tap_json_bytes(j, NULL, s[i].s, s[i].n);
        } else if (tap_tensor_dtype(t) == TAP_COMPLEX64 || tap_tensor_dtype(t) == TAP_COMPLEX128) {
            tap_tensor_text(t, i, text, sizeof text);
            tap_json_string(j, NULL, text);
        } else {
            tap_tensor_doubles(t, i, 1, &x);
            tap_json_double(j, NULL, x);
        }
    }
    tap_json_end(j);
}

static tap_status json_tensor(void *user, const char *name, const tap_value *v, tap_error *err) {
    (void)err;
    const object *o = user;
    const tap_tensor *t = tap_value_tensor(v);
    tap_summary s = {.size = sizeof s};
    tap_tensor_summary(t, &s);
    tap_json_object(o->j, NULL);
    tap_json_string(o->j, "name", name);
    tap_json_string(o->j, "dtype", tap_dtype_name(tap_tensor_dtype(t)));
    tap_json_flat_array(o->j, "shape");
    for (int i = 0; i < tap_tensor_rank(t); i++) tap_json_int(o->j, NULL, tap_tensor_dims(t)[i]);
    tap_json_end(o->j);
    tap_json_double(o->j, "min", s.min);
    tap_json_double(o->j, "max", s.max);
    tap_json_double(o->j, "mean", s.mean);
    tap_json_int(o->j, "nonfinite", s.nonfinite);
    json_first(o->j, t);
    if (o->about->is_tap) {
        tap_json_string(o->j, "node", o->about->node);
        tap_json_string(o->j, "op", o->about->op);
        tap_json_string(o->j, "layer", o->about->layer);
    }
    tap_json_end(o->j);
    return TAP_OK;
}

void cli_show_json(tap_json *j, const char *name, const tap_value *v, const cli_about *about) {
    object o = {j, about};
    tap_value_each(v, name, json_tensor, &o, NULL);
}

/* ---- Equality ---- */

static bool same_strings(const tap_tensor *a, const tap_tensor *b) {
    const tap_string *x = tap_tensor_data(a), *y = tap_tensor_data(b);
    for (int64_t i = 0; i < tap_tensor_count(a); i++)
        if (x[i].n != y[i].n || (x[i].n && memcmp(x[i].s, y[i].s, x[i].n) != 0)) return false;
    return true;
}

static bool same_tensors(const tap_tensor *a, const tap_tensor *b) {
    if (tap_tensor_dtype(a) != tap_tensor_dtype(b) || tap_tensor_rank(a) != tap_tensor_rank(b)) return false;
    for (int i = 0; i < tap_tensor_rank(a); i++)
        if (tap_tensor_dims(a)[i] != tap_tensor_dims(b)[i]) return false;
    if (tap_tensor_dtype(a) == TAP_STRING) return same_strings(a, b);
    return memcmp(tap_tensor_data(a), tap_tensor_data(b), tap_tensor_bytes(a)) == 0;
}

bool cli_same_bits(const tap_value *a, const tap_value *b) {
    if (tap_value_kind(a) != tap_value_kind(b)) return false;
    if (tap_value_tensor(a)) return same_tensors(tap_value_tensor(a), tap_value_tensor(b));
    if (tap_value_length(a) != tap_value_length(b)) return false;
    for (size_t i = 0; i < tap_value_length(a); i++)
        if (!cli_same_bits(tap_value_item(a, i), tap_value_item(b, i))) return false;
    return true;
}
