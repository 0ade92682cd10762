/* series.csv and series.json. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "io/series.h"
#include "io/sink.h"

static double share(int64_t part, int64_t of) {
    return of > 0 ? (double)part / (double)of : (double)NAN;
}

static double loss_of(const tap_score *s) {
    return s->n > 0 ? s->loss_sum / (double)s->n : (double)NAN;
}

static tap_status open_file(const char *folder, const char *name, tap_writer **w, tap_error *err) {
    tap_arena a;
    tap_arena_init(&a, NULL);
    const char *path = tap_arena_printf(&a, "%s%s", folder, name);
    tap_status s = path ? tap_writer_open(path, w, err) : tap_error_no_memory(err, strlen(folder));
    tap_arena_clear(&a);
    return s;
}

/* ---- series.csv ---- */

static void put_field(tap_writer *w, const char *text) {
    if (!text) return;
    if (!strpbrk(text, ",\"\r\n")) {
        tap_writer_write(w, text, strlen(text));
        return;
    }
    tap_writer_write(w, "\"", 1);
    for (; *text; text++) {
        if (*text == '"') tap_writer_write(w, "\"", 1);
        tap_writer_write(w, text, 1);
    }
    tap_writer_write(w, "\"", 1);
}

static void put_number(tap_writer *w, bool known, double x) {
    if (known && isfinite(x))
        tap_writer_printf(w, ",%.9g", x);
    else
        tap_writer_printf(w, "%s", known ? isnan(x) ? ",nan" : x > 0 ? ",inf" : ",-inf" : ",");
}

static void put_row(tap_writer *w, const tap_series_epoch *e, const tap_series_value *v) {
    const tap_stat *x = &v->stat;
    tap_writer_printf(w, "%" PRId64 ",", e->number);
    put_field(w, e->model);
    tap_writer_write(w, ",", 1);
    put_field(w, v->tensor);
    tap_writer_write(w, ",", 1);
    put_field(w, v->layer);
    tap_writer_printf(w, ",%" PRId64, x->count);
    put_number(w, true, x->mean);
    put_number(w, true, sqrt(x->variance));
    put_number(w, true, x->min);
    put_number(w, true, v->median);
    put_number(w, true, x->max);
    put_number(w, true, share(x->zeros, x->count));
    put_number(w, true, share(x->negatives, x->count));
    tap_writer_printf(w, ",%" PRId64, x->nonfinite);
    put_number(w, v->has_drift, v->drift_mean_abs);
    put_number(w, v->has_drift, v->drift_relative);
    put_number(w, v->has_drift, v->drift_cosine);
    put_number(w, e->score.n_predictions > 0, share(e->score.correct, e->score.n_predictions));
    put_number(w, e->score.n > 0, loss_of(&e->score));
    tap_writer_write(w, "\r\n", 2);
}

static tap_status write_csv(const char *folder, const tap_series_record *const *epochs, size_t n,
                            tap_error *err) {
    tap_writer *w;
    tap_status s = open_file(folder, "series.csv", &w, err);
    if (s != TAP_OK) return s;
    tap_writer_printf(w, "epoch,model,tensor,layer,count,mean,std,min,median,max,zeros,negatives,nonfinite,"
                         "drift,drift_relative,drift_cosine,accuracy,loss\r\n");
    for (size_t e = 0; e < n; e++)
        for (size_t i = 0; i < epochs[e]->epoch.n_values; i++)
            put_row(w, &epochs[e]->epoch, &epochs[e]->values[i]);
    return tap_writer_commit(w, false, err);
}

/* ---- series.json ---- */

static void put_drift(tap_json *j, const tap_series_value *v) {
    if (!v->has_drift) {
        tap_json_null(j, "drift");
        return;
    }
    tap_json_flat_object(j, "drift");
    tap_json_double(j, "mean_abs", v->drift_mean_abs);
    tap_json_double(j, "rms", v->drift_rms);
    tap_json_double(j, "relative", v->drift_relative);
    tap_json_double(j, "cosine", v->drift_cosine);
    tap_json_end(j);
}

static void put_value(tap_json *j, const tap_series_value *v) {
    const tap_stat *x = &v->stat;
    const char *slash = v->path ? strrchr(v->path, '/') : NULL;
    tap_json_object(j, NULL);
    tap_json_string(j, "tensor", v->tensor);
    tap_json_string(j, "layer", v->layer);
    tap_json_string(j, "file", slash ? slash + 1 : v->path);
    tap_json_int(j, "count", x->count);
    tap_json_double(j, "mean", x->mean);
    tap_json_double(j, "std", sqrt(x->variance));
    tap_json_double(j, "min", x->min);
    tap_json_double(j, "median", v->median);
    tap_json_double(j, "max", x->max);
    tap_json_double(j, "zeros", share(x->zeros, x->count));
    tap_json_double(j, "negatives", share(x->negatives, x->count));
    tap_json_int(j, "nonfinite", x->nonfinite);
    put_drift(j, v);
    tap_json_end(j);
}

static void put_epoch(tap_json *j, const tap_series_record *r) {
    const tap_series_epoch *e = &r->epoch;
    tap_json_object(j, NULL);
    tap_json_int(j, "epoch", e->number);
    tap_json_string(j, "model", e->model);
    tap_json_string(j, "error", e->error);
    if (e->score.n_predictions)
        tap_json_double(j, "accuracy", share(e->score.correct, e->score.n_predictions));
    if (e->score.n) {
        tap_json_double(j, "loss", loss_of(&e->score));
        tap_json_string(j, "loss_kind", tap_loss_name(e->score.loss));
    }
    tap_json_bool(j, "same_model", e->same_model);
    tap_json_uint(j, "weight_bytes", e->weight_bytes);
    tap_json_uint(j, "shared_bytes", e->shared_bytes);
    tap_json_double(j, "ms", e->ms);
    tap_json_array(j, "values");
    for (size_t i = 0; i < e->n_values; i++) put_value(j, &r->values[i]);
    tap_json_end(j);
    tap_json_end(j);
}

static tap_status write_json(const char *folder, const tap_series_record *const *epochs, size_t n,
                             tap_error *err) {
    tap_writer *w;
    tap_status s = open_file(folder, "series.json", &w, err);
    tap_json *j = s == TAP_OK ? tap_json_to(w, 2) : NULL;
    if (s != TAP_OK) return s;
    if (!j) {
        tap_writer_discard(w);
        return tap_error_no_memory(err, 1);
    }
    tap_json_object(j, NULL);
    tap_json_array(j, "epochs");
    for (size_t e = 0; e < n; e++) put_epoch(j, epochs[e]);
    tap_json_free(j);
    return tap_writer_commit(w, false, err);
}

tap_status tap_series_write(const char *folder, const tap_series_record *const *epochs, size_t n,
                            tap_error *err) {
    tap_status s = write_csv(folder, epochs, n, err);
    return s == TAP_OK ? write_json(folder, epochs, n, err) : s;
}
