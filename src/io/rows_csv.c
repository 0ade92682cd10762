/* Rows of a .csv: the columns that are called after the input, or all of them, in the shape that the input
 * wants. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/cast.h"
#include "io/csv.h"
#include "io/number.h"
#include "io/rows.h"

typedef struct table {
    tap_csv csv;
    size_t *columns; /* that are taken */
    size_t n;
    tap_dtype dtype; /* of what is read: int64, double or string */
    int rank;
    int64_t dims[TAP_RANK_MAX];
} table;

static void table_free(void *state) {
    table *t = state;
    tap_csv_close(&t->csv);
    free(t->columns);
    free(t);
}

static tap_status table_rewind(tap_rows *r, tap_error *err) {
    (void)err;
    tap_csv_rewind(&((table *)r->state)->csv);
    return TAP_OK;
}

static bool parse_integer(const char *text, int64_t *x) {
    char *end;
    *x = strtoll(text, &end, 10);
    return *text && !*end;
}

static bool parse_real(const char *text, size_t n, double *x) {
    if (n == 0 || strcasecmp(text, "nan") == 0) {
        *x = (double)NAN;
        return true;
    }
    bool minus = *text == '-', sign = minus || *text == '+';
    if (strcasecmp(text + sign, "inf") == 0 || strcasecmp(text + sign, "infinity") == 0) {
        *x = minus ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    return tap_number_parse(text, n, x);
}

static tap_status take_field(const tap_rows *r, const table *t, size_t column, tap_value *v, int64_t at,
                             tap_error *err) {
    const char *text = t->csv.fields[column];
    size_t n = t->csv.lengths[column];
    bool good = true;
    if (t->dtype == TAP_STRING) return tap_value_set_string(v, at, text, n, err);
    if (t->dtype == TAP_INT64)
        good = parse_integer(text, (int64_t *)v->tensor.data + at);
    else
        good = parse_real(text, n, (double *)v->tensor.data + at);
    if (good) return TAP_OK;
    return tap_error_set(err, TAP_DATA, "%s: record %" PRId64 ", column %zu%s%s: '%.60s' is no %s", r->path,
                         t->csv.next, column + 1, t->csv.header ? ", " : "",
                         t->csv.header ? t->csv.header[column] : "", text,
                         t->dtype == TAP_INT64 ? "integer" : "number");
}

static tap_status table_read(tap_rows *r, const int64_t *rows, int64_t n, tap_value **out, tap_error *err) {
    table *t = r->state;
    t->dims[0] = n;
    tap_status s = tap_value_new(t->dtype, t->rank, t->dims, out, err);
    if (s != TAP_OK) return s;
    for (int64_t i = 0; s == TAP_OK && i < n; i++) {
        tap_csv_skip(&t->csv, rows[i] - t->csv.next);
        if (!tap_csv_next(&t->csv)) s = tap_error_set(err, TAP_DATA, "%s: ends early", r->path);
        for (size_t k = 0; s == TAP_OK && k < t->n; k++)
            s = take_field(r, t, t->columns[k], *out, i * (int64_t)t->n + (int64_t)k, err);
    }
    if (s == TAP_OK) return tap_fit(out, r->type.dtype, true, r->path, err);
    tap_value_release(*out);
    *out = NULL;
    return s;
}

static const tap_rows_kind table_kind = {table_read, table_rewind, table_free};

/* NAME, or NAME_0, NAME_1, ...; else all columns. */
static void choose_columns(table *t, const char *input) {
    int c = input ? tap_csv_column(&t->csv, input) : -1;
    if (c >= 0) t->columns[t->n++] = (size_t)c;
    for (size_t k = 0; input && c < 0; k++) {
        char name[600];
        snprintf(name, sizeof name, "%s_%zu", input, k);
        int at = tap_csv_column(&t->csv, name);
        if (at < 0) break;
        t->columns[t->n++] = (size_t)at;
    }
    for (size_t k = 0; t->n == 0 && k < t->csv.n_columns; k++) t->columns[k] = k;
    if (t->n == 0) t->n = t->csv.n_columns;
}

static tap_status no_shape(const tap_rows *r, const table *t, tap_error *err) {
    char text[300] = "";
    tap_text type = {text, sizeof text, 0};
    tap_text_type(&type, &r->type);
    return tap_error_set(err, TAP_DATA, "%s: %zu columns a row do not make the input's %s", r->path, t->n,
                         text);
}

/* The row's shape: the input's, where it is known and has as many elements as there are columns. */
static tap_status choose_shape(const tap_rows *r, table *t, tap_error *err) {
    const tap_type *want = &r->type;
    int64_t known = 1;
    int open = -1;
    t->rank = want->kind == TAP_KIND_TENSOR && want->rank > 0 ? want->rank : 2;
    if (want->kind != TAP_KIND_TENSOR || want->rank <= 0) {
        t->dims[1] = (int64_t)t->n;
        return TAP_OK;
    }
    for (int d = 1; d < want->rank; d++) {
        t->dims[d] = want->dims[d];
        if (want->dims[d] >= 0)
            known *= want->dims[d];
        else if (open >= 0)
            return no_shape(r, t, err);
        else
            open = d;
    }
    if (open >= 0) {
        if (known == 0 || (int64_t)t->n % known) return no_shape(r, t, err);
        t->dims[open] = (int64_t)t->n / known;
        return TAP_OK;
    }
    return known == (int64_t)t->n ? TAP_OK : no_shape(r, t, err);
}

static bool is_integer(tap_dtype t) {
    switch (t) {
    case TAP_INT8:
    case TAP_UINT8:
    case TAP_INT16:
    case TAP_UINT16:
    case TAP_INT32:
    case TAP_UINT32:
    case TAP_INT64:
    case TAP_UINT64:
    case TAP_BOOL:
    case TAP_INT4:
    case TAP_UINT4:
    case TAP_INT2:
    case TAP_UINT2: return true;
    default: return false;
    }
}

/* What the fields are read as: what the input is, or what the first record has. */
static tap_dtype dtype_of(const tap_rows *r, table *t) {
    double x;
    if (is_integer(r->type.dtype)) return TAP_INT64;
    if (r->type.dtype != TAP_UNDEFINED) return r->type.dtype == TAP_STRING ? TAP_STRING : TAP_DOUBLE;
    bool numbers = true;
    if (t->csv.n_records > 0 && tap_csv_next(&t->csv))
        for (size_t k = 0; k < t->n; k++)
            numbers = numbers && parse_real(t->csv.fields[t->columns[k]], t->csv.lengths[t->columns[k]], &x);
    tap_csv_rewind(&t->csv);
    return numbers ? TAP_DOUBLE : TAP_STRING;
}

tap_status tap_rows_of_csv(tap_rows *r, tap_error *err) {
    table *t = calloc(1, sizeof *t);
    if (!t) return tap_error_no_memory(err, sizeof *t);
    tap_status s = tap_csv_open(r->path, &t->csv, r->arena, err);
    if (s != TAP_OK) {
        free(t);
        return s;
    }
    t->columns = calloc(t->csv.n_columns + 1, sizeof *t->columns);
    if (!t->columns) s = tap_error_no_memory(err, t->csv.n_columns);
    if (s == TAP_OK) choose_columns(t, r->input);
    t->dtype = dtype_of(r, t);
    if (s == TAP_OK) s = choose_shape(r, t, err);
    if (s != TAP_OK) {
        table_free(t);
        return s;
    }
    r->kind = &table_kind;
    r->state = t;
    r->n = t->csv.n_records;
    return TAP_OK;
}
