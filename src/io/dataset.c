/* Data sets: which rows, in which batches. */
#include "onnxtap/dataset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/error.h"
#include "io/rows.h"

#define BATCH_UNLESS_TOLD 32

typedef struct column {
    tap_rows rows;
    bool whole; /* not rows: the same value for each run */
    tap_value *value, *now;
} column;

struct tap_dataset {
    const tap_model *model;
    tap_dataset_options options;
    tap_arena arena;
    column *columns;
    size_t n_columns;
    tap_input *inputs;
    column labels;
    bool has_labels;
    int64_t n_file;   /* rows that the files have              */
    int64_t *chosen;  /* of a sample; NULL: first, first + 1 ... */
    int64_t first, n; /* rows chosen                           */
    int64_t batch, next, given, total, first_batch;
    int64_t *numbers; /* of the batch at hand                  */
};

bool tap_path_ends(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_image_path(const char *path) {
    return is_folder(path) || tap_path_ends(path, ".png") || tap_path_ends(path, ".jpg") ||
           tap_path_ends(path, ".jpeg");
}

bool tap_dataset_only(const char *path) {
    return tap_path_ends(path, ".csv") || is_image_path(path);
}

tap_status tap_dataset_new(const tap_model *m, const tap_dataset_options *options, tap_dataset **out,
                           tap_error *err) {
    tap_dataset *d = *out = calloc(1, sizeof *d);
    if (!d) return tap_error_no_memory(err, sizeof *d);
    d->model = m;
    if (options)
        memcpy(&d->options, options, options->size < sizeof d->options ? options->size : sizeof d->options);
    tap_arena_init(&d->arena, NULL);
    d->columns = calloc(tap_model_input_count(m) + 1, sizeof *d->columns);
    d->inputs = calloc(tap_model_input_count(m) + 1, sizeof *d->inputs);
    const tap_dataset_options *o = &d->options;
    tap_status s = d->columns && d->inputs ? TAP_OK : tap_error_no_memory(err, sizeof *d);
    if (s == TAP_OK && (o->batch < 0 || o->limit < 0 || o->sample < 0 || o->every < 0))
        s = tap_error_set(err, TAP_USAGE, "batch, limit, sample and every are counts of 0 or more");
    if (s == TAP_OK && (o->n_shards < 0 || o->shard < 0 || (o->n_shards > 0 && o->shard >= o->n_shards)))
        s = tap_error_set(err, TAP_USAGE, "shard %" PRId64 " of %" PRId64 ": shards count from 0 to %" PRId64,
                          o->shard, o->n_shards, o->n_shards - 1);
    if (s == TAP_OK) return s;
    tap_dataset_free(d);
    *out = NULL;
    return s;
}

static void column_free(column *c) {
    if (c->rows.kind) c->rows.kind->free(c->rows.state);
    tap_value_release(c->value);
    tap_value_release(c->now);
}

void tap_dataset_free(tap_dataset *d) {
    if (!d) return;
    for (size_t i = 0; i < d->n_columns; i++) column_free(&d->columns[i]);
    column_free(&d->labels);
    free(d->columns);
    free(d->inputs);
    free(d->chosen);
    free(d->numbers);
    tap_arena_clear(&d->arena);
    free(d);
}

/* ---- What goes in ---- */

static tap_status find_port(const tap_dataset *d, const char *input, const tap_port **port, tap_error *err) {
    for (size_t i = 0; i < tap_model_input_count(d->model); i++) {
        *port = tap_model_input(d->model, i);
        if (strcmp((*port)->name, input) != 0) continue;
        for (size_t k = 0; k < d->n_columns; k++)
            if (strcmp(d->columns[k].rows.input, (*port)->name) == 0)
                return tap_error_set(err, TAP_USAGE, "input '%s' is given twice", input);
        return TAP_OK;
    }
    return tap_error_set(err, TAP_USAGE, "the model has no input '%s'", input);
}

static tap_status begin_column(tap_dataset *d, const char *input, const char *path, column **out,
                               tap_error *err) {
    const tap_port *port = NULL;
    tap_status s = find_port(d, input, &port, err);
    if (s != TAP_OK) return s;
    column *c = *out = &d->columns[d->n_columns];
    *c = (column){.whole = false};
    c->rows.input = port->name;
    c->rows.type =
        port->type->kind == TAP_KIND_OPTIONAL && port->type->elem ? *port->type->elem : *port->type;
    c->rows.options = &d->options;
    c->rows.arena = &d->arena;
    c->rows.path = tap_arena_string(&d->arena, path, strlen(path));
    return c->rows.path ? TAP_OK : tap_error_no_memory(err, strlen(path));
}

/* A value given whole: its first axis is not the data set. */
static bool is_whole(const column *c) {
    const tap_type *t = &c->rows.type;
    return t->kind != TAP_KIND_TENSOR || t->rank == 0;
}

tap_status tap_rows_of_file(tap_rows *r, tap_pb_decode *decode, tap_error *err) {
    if (tap_path_ends(r->path, ".csv")) return tap_rows_of_csv(r, err);
    if (is_image_path(r->path)) return tap_rows_of_images(r, err);
    if (!tap_path_ends(r->path, ".pb")) return tap_rows_of_array(r, err);
    tap_value *v = NULL;
    tap_load_options o = {.size = sizeof o,
                          .type = r->type.kind ? &r->type : NULL,
                          .cast = r->options->cast,
                          .limit_bytes = r->options->limit_bytes};
    tap_status s = tap_load_any(r->path, &o, decode, &v, err);
    if (s == TAP_OK) s = tap_rows_of_value(r, v, err);
    tap_value_release(v);
    return s;
}

static tap_status load_whole(const tap_dataset *d, column *c, tap_pb_decode *decode, tap_error *err) {
    tap_load_options o = {.size = sizeof o,
                          .type = &c->rows.type,
                          .cast = d->options.cast,
                          .limit_bytes = d->options.limit_bytes};
    c->whole = true;
    return tap_load_any(c->rows.path, &o, decode, &c->value, err);
}

tap_status tap_dataset_make_file(tap_dataset *d, const char *input, const char *path, tap_pb_decode *decode,
                                 tap_error *err) {
    column *c;
    tap_status s = begin_column(d, input, path, &c, err);
    if (s == TAP_OK)
        s = is_whole(c) ? load_whole(d, c, decode, err) : tap_rows_of_file(&c->rows, decode, err);
    if (s == TAP_OK) d->n_columns++;
    if (s != TAP_OK && c) tap_error_where(err, NULL, NULL, input);
    return s;
}

tap_status tap_dataset_add_value(tap_dataset *d, const char *input, tap_value *v, bool whole,
                                 tap_error *err) {
    column *c;
    tap_status s = begin_column(d, input, input, &c, err);
    if (s != TAP_OK) return s;
    if (whole || is_whole(c)) {
        c->whole = true;
        tap_value_retain(v);
        c->value = v;
    } else {
        s = tap_rows_of_value(&c->rows, v, err);
    }
    if (s == TAP_OK) d->n_columns++;
    return s;
}

tap_status tap_dataset_make_labels(tap_dataset *d, const char *path, tap_pb_decode *decode, tap_error *err) {
    tap_rows *r = &d->labels.rows;
    if (d->has_labels) return tap_error_set(err, TAP_USAGE, "labels are given twice");
    *r = (tap_rows){.input = "label", .options = &d->options, .arena = &d->arena};
    r->path = tap_arena_string(&d->arena, path, strlen(path));
    if (!r->path) return tap_error_no_memory(err, strlen(path));
    tap_status s = tap_rows_of_file(r, decode, err);
    d->has_labels = s == TAP_OK;
    return s;
}

bool tap_dataset_has_labels(const tap_dataset *d) {
    return d->has_labels;
}

bool tap_dataset_is_batched(const tap_dataset *d, const char *input) {
    for (size_t i = 0; i < d->n_columns; i++)
        if (strcmp(d->columns[i].rows.input, input) == 0) return !d->columns[i].whole;
    return false;
}

/* ---- Which rows ---- */

static tap_status check_counts(tap_dataset *d, tap_error *err) {
    const tap_rows *with = NULL;
    for (size_t i = 0; i <= d->n_columns; i++) {
        if (i == d->n_columns && !d->has_labels) break;
        const column *c = i < d->n_columns ? &d->columns[i] : &d->labels;
        if (c->whole) continue;
        if (with && c->rows.n != with->n)
            return tap_error_set(err, TAP_DATA, "%s has %" PRId64 " rows, %s has %" PRId64, c->rows.path,
                                 c->rows.n, with->path, with->n);
        if (!with) with = &c->rows;
    }
    if (!with)
        return tap_error_set(err, TAP_USAGE, "no input has rows: a data set needs one with a batch axis");
    d->n_file = with->n;
    return TAP_OK;
}

/* The batch that the model fixes; 0: none. */
static int64_t fixed_batch(const tap_dataset *d, const char **input) {
    for (size_t i = 0; i < d->n_columns; i++) {
        const tap_rows *r = &d->columns[i].rows;
        if (d->columns[i].whole || r->type.rank < 1 || r->type.dims[0] < 0) continue;
        *input = r->input;
        return r->type.dims[0];
    }
    return 0;
}

/* SplitMix64, whose numbers any program can make again. */
static uint64_t draw(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Selection sampling (Knuth, volume 2, 3.4.2 S): each set of k rows is as likely as any other. */
static tap_status choose_sample(tap_dataset *d, int64_t k, tap_error *err) {
    uint64_t state = d->options.seed;
    d->chosen = malloc((size_t)k * sizeof *d->chosen + 1);
    if (!d->chosen) return tap_error_no_memory(err, (uint64_t)k * sizeof *d->chosen);
    int64_t m = 0;
    for (int64_t i = 0; m < k; i++) {
        double u = (double)(draw(&state) >> 11) * 0x1p-53;
        if ((double)(d->n - i) * u < (double)(k - m)) d->chosen[m++] = i;
    }
    d->n = k;
    return TAP_OK;
}

static void choose_shard(tap_dataset *d) {
    int64_t i = d->options.shard, n = d->options.n_shards;
    if (n <= 1) return;
    int64_t n_batches = (d->n + d->batch - 1) / d->batch, begin, end;
    if (n_batches >= n) {
        begin = n_batches * i / n * d->batch;
        end = tap_min64(n_batches * (i + 1) / n * d->batch, d->n);
    } else {
        begin = d->n * i / n;
        end = d->n * (i + 1) / n;
    }
    d->first = begin;
    d->n = end - begin;
    d->first_batch = begin / d->batch;
}

static int64_t every(const tap_dataset *d) {
    return d->options.every > 1 ? d->options.every : 1;
}

int64_t tap_dataset_batches(const tap_dataset *d) {
    int64_t n = (d->n + d->batch - 1) / d->batch;
    return (n + every(d) - 1) / every(d);
}

static int64_t count_rows(const tap_dataset *d) {
    int64_t total = 0;
    for (int64_t at = 0; at < d->n; at += d->batch * every(d)) total += tap_min64(d->batch, d->n - at);
    return total;
}

static tap_status check_fixed(const tap_dataset *d, tap_error *err) {
    const char *input = "";
    int64_t fixed = fixed_batch(d, &input);
    if (fixed == 0) return TAP_OK;
    if (d->batch != fixed)
        return tap_error_set(err, TAP_DATA, "input '%s' takes %" PRId64 " rows at a time, not %" PRId64,
                             input, fixed, d->batch);
    if (d->n % fixed == 0) return TAP_OK;
    return tap_error_set(err, TAP_DATA,
                         "input '%s' takes %" PRId64 " rows at a time, and %" PRId64
                         " rows are no multiple of that: --limit %" PRId64,
                         input, fixed, d->n, d->n / fixed * fixed);
}

tap_status tap_dataset_start(tap_dataset *d, tap_error *err) {
    const tap_dataset_options *o = &d->options;
    const char *input;
    tap_status s = check_counts(d, err);
    if (s != TAP_OK) return s;
    free(d->chosen);
    d->chosen = NULL;
    d->n = o->limit > 0 ? tap_min64(o->limit, d->n_file) : d->n_file;
    d->first = d->next = d->given = d->first_batch = 0;
    d->batch = o->batch > 0 ? o->batch : fixed_batch(d, &input);
    if (d->batch == 0) d->batch = BATCH_UNLESS_TOLD;
    if (o->sample > 0 && o->sample < d->n) s = choose_sample(d, o->sample, err);
    d->batch = tap_min64(d->batch, tap_max64(d->n, 1));
    if (s == TAP_OK) s = check_fixed(d, err);
    choose_shard(d);
    d->total = count_rows(d);
    free(d->numbers);
    d->numbers = malloc((size_t)d->batch * sizeof *d->numbers + 1);
    if (s == TAP_OK && !d->numbers) s = tap_error_no_memory(err, (uint64_t)d->batch);
    for (size_t i = 0; s == TAP_OK && i < d->n_columns; i++)
        if (!d->columns[i].whole) s = d->columns[i].rows.kind->rewind(&d->columns[i].rows, err);
    if (s == TAP_OK && d->has_labels) s = d->labels.rows.kind->rewind(&d->labels.rows, err);
    return s;
}

int64_t tap_dataset_rows(const tap_dataset *d) {
    return d->total;
}
int64_t tap_dataset_file_rows(const tap_dataset *d) {
    return d->n_file;
}
int64_t tap_dataset_batch(const tap_dataset *d) {
    return d->batch;
}

/* ---- Batches ---- */

static tap_status read_column(column *c, const int64_t *rows, int64_t n, tap_error *err) {
    if (c->whole) return TAP_OK;
    tap_value_release(c->now);
    c->now = NULL;
    tap_status s = c->rows.kind->read(&c->rows, rows, n, &c->now, err);
    if (s != TAP_OK) tap_error_where(err, NULL, NULL, c->rows.input);
    return s;
}

tap_status tap_dataset_next(tap_dataset *d, tap_batch *batch, tap_error *err) {
    int64_t n = tap_min64(d->batch, d->n - d->next);
    tap_batch b = {.size = batch->size,
                   .index = d->first_batch + d->next / d->batch,
                   .first = d->given,
                   .total = d->total};
    tap_status s = TAP_OK;
    if (n > 0) {
        for (int64_t k = 0; k < n; k++)
            d->numbers[k] = d->chosen ? d->chosen[d->first + d->next + k] : d->first + d->next + k;
        for (size_t i = 0; s == TAP_OK && i < d->n_columns; i++) {
            column *c = &d->columns[i];
            s = read_column(c, d->numbers, n, err);
            d->inputs[i] = (tap_input){c->rows.input, c->whole ? c->value : c->now};
        }
        if (s == TAP_OK && d->has_labels) s = read_column(&d->labels, d->numbers, n, err);
        b.n_rows = n;
        b.rows = d->numbers;
        b.inputs = d->inputs;
        b.n_inputs = d->n_columns;
        b.labels = d->has_labels ? d->labels.now : NULL;
        d->next += d->batch * every(d);
        d->given += n;
    }
    memcpy(batch, &b, batch->size < sizeof b ? batch->size : sizeof b);
    return s;
}
