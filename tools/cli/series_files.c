/* series.csv, series.json, and how far values moved between epochs. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "series.h"

#define BLOCK 1024

void series_free(series *s) {
    for (size_t e = 0; e < s->n; e++) {
        for (size_t i = 0; i < s->epochs[e].n; i++) {
            free(s->epochs[e].values[i].tensor);
            free(s->epochs[e].values[i].layer);
            free(s->epochs[e].values[i].path);
        }
        free(s->epochs[e].values);
        free(s->epochs[e].model);
        free(s->epochs[e].error);
    }
    free(s->epochs);
}

/* ---- Drift ---- */

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

static series_drift drift_of(const tap_tensor *a, const tap_tensor *b) {
    sums s = {.abs = 0};
    int64_t n = tap_tensor_count(a);
    if (n == 0 || n != tap_tensor_count(b) || tap_tensor_dtype(a) == TAP_STRING ||
        tap_tensor_dtype(b) == TAP_STRING)
        return (series_drift){.known = false};
    for (int64_t i = 0; i < n; i += BLOCK) add_block(&s, a, b, i, n - i < BLOCK ? n - i : BLOCK);
    return (series_drift){.known = true,
                          .mean_abs = s.abs / (double)n,
                          .rms = sqrt(s.square / (double)n),
                          .relative = sqrt(s.square / s.old_square),
                          .cosine = s.product / sqrt(s.old_square * s.new_square)};
}

series_drift series_compare(const char *path, const char *before) {
    tap_value *a = NULL, *b = NULL;
    series_drift d = {.known = false};
    if (tap_value_load(path, NULL, &a, NULL) == TAP_OK && tap_value_load(before, NULL, &b, NULL) == TAP_OK)
        d = drift_of(tap_value_tensor(a), tap_value_tensor(b));
    tap_value_release(a);
    tap_value_release(b);
    return d;
}

/* ---- Files ---- */

/* Written beside its name, which it gets once it is whole. */
typedef struct file {
    FILE *f;
    char *path, *tmp;
} file;

static tap_status begin(file *o, const series *s, const char *name, tap_error *err) {
    o->path = cli_format("%s%s", s->folder, name);
    o->tmp = cli_format("%s.tmp", o->path);
    o->f = fopen(o->tmp, "wb");
    return o->f ? TAP_OK : cli_error(err, TAP_IO, "%s: cannot write: %s", o->tmp, strerror(errno));
}

static tap_status end(file *o, tap_status s, tap_error *err) {
    bool failed = o->f && ferror(o->f);
    if (o->f && fclose(o->f) != 0) failed = true;
    if (s == TAP_OK && (failed || rename(o->tmp, o->path) != 0))
        s = cli_error(err, TAP_IO, "%s: cannot write: %s", o->path, strerror(errno));
    if (s != TAP_OK) remove(o->tmp);
    free(o->path);
    free(o->tmp);
    return s;
}

static void put_field(FILE *f, const char *text) {
    if (!text) return;
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, f);
        return;
    }
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"') fputc('"', f);
        fputc(*text, f);
    }
    fputc('"', f);
}

static void put_number(FILE *f, bool known, double x) {
    if (known && isfinite(x))
        fprintf(f, ",%.9g", x);
    else
        fputs(known ? isnan(x) ? ",nan" : x > 0 ? ",inf" : ",-inf" : ",", f);
}

static double share(int64_t part, int64_t of) {
    return of > 0 ? (double)part / (double)of : (double)NAN;
}

static void put_row(FILE *f, const series_epoch *e, const series_value *v) {
    const tap_stat *x = &v->stat;
    fprintf(f, "%" PRId64 ",", e->number);
    put_field(f, e->model);
    fputc(',', f);
    put_field(f, v->tensor);
    fputc(',', f);
    put_field(f, v->layer);
    fprintf(f, ",%" PRId64, x->count);
    put_number(f, true, x->mean);
    put_number(f, true, sqrt(x->variance));
    put_number(f, true, x->min);
    put_number(f, true, v->median);
    put_number(f, true, x->max);
    put_number(f, true, share(x->zeros, x->count));
    put_number(f, true, share(x->negatives, x->count));
    fprintf(f, ",%" PRId64, x->nonfinite);
    put_number(f, v->drift.known, v->drift.mean_abs);
    put_number(f, v->drift.known, v->drift.relative);
    put_number(f, v->drift.known, v->drift.cosine);
    put_number(f, e->score.n_predictions > 0, share(e->score.correct, e->score.n_predictions));
    put_number(f, e->score.n > 0, e->score.loss_sum / (double)e->score.n);
    fputs("\r\n", f);
}

static tap_status write_csv(const series *s, tap_error *err) {
    file o;
    tap_status status = begin(&o, s, "series.csv", err);
    if (status == TAP_OK)
        fputs("epoch,model,tensor,layer,count,mean,std,min,median,max,zeros,negatives,nonfinite,drift,drift_"
              "relative,"
              "drift_cosine,accuracy,loss\r\n",
              o.f);
    for (size_t e = 0; status == TAP_OK && e < s->n; e++)
        for (size_t i = 0; i < s->epochs[e].n; i++) put_row(o.f, &s->epochs[e], &s->epochs[e].values[i]);
    return end(&o, status, err);
}

static void to_file(void *f, const char *text, size_t n) {
    fwrite(text, 1, n, f);
}

static void put_value(tap_json *j, const series_value *v) {
    const tap_stat *x = &v->stat;
    tap_json_object(j, NULL);
    tap_json_string(j, "tensor", v->tensor);
    tap_json_string(j, "layer", v->layer);
    tap_json_string(j, "file", v->path ? strrchr(v->path, '/') + 1 : NULL);
    tap_json_int(j, "count", x->count);
    tap_json_double(j, "mean", x->mean);
    tap_json_double(j, "std", sqrt(x->variance));
    tap_json_double(j, "min", x->min);
    tap_json_double(j, "median", v->median);
    tap_json_double(j, "max", x->max);
    tap_json_double(j, "zeros", share(x->zeros, x->count));
    tap_json_double(j, "negatives", share(x->negatives, x->count));
    tap_json_int(j, "nonfinite", x->nonfinite);
    if (v->drift.known) {
        tap_json_flat_object(j, "drift");
        tap_json_double(j, "mean_abs", v->drift.mean_abs);
        tap_json_double(j, "rms", v->drift.rms);
        tap_json_double(j, "relative", v->drift.relative);
        tap_json_double(j, "cosine", v->drift.cosine);
        tap_json_end(j);
    } else {
        tap_json_null(j, "drift");
    }
    tap_json_end(j);
}

static void put_epoch(tap_json *j, const series_epoch *e) {
    tap_json_object(j, NULL);
    tap_json_int(j, "epoch", e->number);
    tap_json_string(j, "model", e->model);
    tap_json_string(j, "error", e->error);
    if (e->score.n_predictions)
        tap_json_double(j, "accuracy", share(e->score.correct, e->score.n_predictions));
    if (e->score.n) tap_json_double(j, "loss", e->score.loss_sum / (double)e->score.n);
    if (e->score.n) tap_json_string(j, "loss_kind", tap_loss_name(e->score.loss));
    tap_json_bool(j, "same_model", e->same_model);
    tap_json_double(j, "ms", e->ms);
    tap_json_array(j, "values");
    for (size_t i = 0; i < e->n; i++) put_value(j, &e->values[i]);
    tap_json_end(j);
    tap_json_end(j);
}

static tap_status write_json(const series *s, tap_error *err) {
    file o;
    tap_status status = begin(&o, s, "series.json", err);
    if (status == TAP_OK) {
        tap_json *j = tap_json_new(to_file, o.f, 2);
        if (!j) cli_alloc(SIZE_MAX, 1);
        tap_json_object(j, NULL);
        tap_json_array(j, "epochs");
        for (size_t e = 0; e < s->n; e++) put_epoch(j, &s->epochs[e]);
        tap_json_free(j);
    }
    return end(&o, status, err);
}

tap_status series_write(const series *s, tap_error *err) {
    tap_status status = write_csv(s, err);
    return status == TAP_OK ? write_json(s, err) : status;
}
