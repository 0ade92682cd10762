/* ai.onnx.ml: maps to tensors and back. DictVectorizer, CastMap, ZipMap. */
#include <stdio.h>
#include <stdlib.h>

#include "common/dictionary.h"
#include "common/ml.h"

/* The keys and values of input 0. */
static tap_status map_in(tap_ctx *ctx, const tap_tensor **keys, const tap_tensor **values) {
    const tap_value *v = tap_in_value(ctx, 0);
    if (tap_value_kind(v) != TAP_KIND_MAP) return tap_fail(ctx, TAP_MODEL, "the input has to be a map");
    *keys = tap_value_tensor(tap_value_item(v, 0));
    *values = tap_value_tensor(tap_value_item(v, 1));
    if (*keys && *values) return TAP_OK;
    return tap_fail(ctx, TAP_RUN, "the values of the map have to be numbers or strings");
}

/* Fails where input 0 is known not to be a map. *type: NULL where nothing is known. */
static tap_status map_type(tap_ctx *ctx, const tap_type **type) {
    const tap_type *t = tap_in_type(ctx, 0);
    *type = t && t->kind == TAP_KIND_MAP ? t : NULL;
    if (!t || t->kind == TAP_KIND_NONE || *type) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "the input has to be a map");
}

/* ---- DictVectorizer ------------------------------------------------------------------------------------ */

typedef struct dict_state {
    tap_dictionary vocabulary;
} dict_state;

static tap_status dict_prepare(tap_ctx *ctx, void **state) {
    dict_state *s = tap_state(ctx, sizeof *s);
    size_t n_strings, n_ints;
    if (!s) return TAP_MEMORY;
    *state = s;
    const tap_string *strings = tap_attr_strings(ctx, "string_vocabulary", &n_strings);
    const int64_t *ints = tap_attr_ints(ctx, "int64_vocabulary", &n_ints);
    if ((n_strings > 0) == (n_ints > 0))
        return tap_fail(ctx, TAP_MODEL,
                        "one of string_vocabulary and int64_vocabulary has to be given, and not both");
    if (n_strings) return tap_dictionary_make(ctx, &s->vocabulary, strings, NULL, n_strings);
    return tap_dictionary_of_ints(ctx, &s->vocabulary, ints, n_ints);
}

#define DICT_VALUES (TAP_BIT(TAP_INT64) | TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_BIT(TAP_STRING))

static tap_status dict_infer(tap_ctx *ctx) {
    const dict_state *s = ctx->state;
    const tap_type *t;
    tap_status status = map_type(ctx, &t);
    int64_t dims[2] = {1, (int64_t)s->vocabulary.n};
    tap_dtype dtype = t && t->elem ? t->elem->dtype : TAP_UNDEFINED;
    if (status != TAP_OK) return status;
    if (t && t->dtype != TAP_UNDEFINED && (t->dtype == TAP_STRING) != (s->vocabulary.words != NULL))
        return tap_fail(ctx, TAP_MODEL, "the keys are %s, and the vocabulary has %s",
                        tap_dtype_name(t->dtype), s->vocabulary.words ? "strings" : "integers");
    if (dtype != TAP_UNDEFINED && !(TAP_BIT(dtype) & DICT_VALUES))
        return tap_fail(ctx, TAP_MODEL, "values of type %s", tap_dtype_name(dtype));
    return tap_out_type(ctx, 0, dtype, 2, dims);
}

/* y[k] = the value of word k, or 0, or an empty string; keys that are no words are left out. */
static tap_status dict_run(tap_ctx *ctx) {
    const dict_state *s = ctx->state;
    const tap_tensor *keys, *values;
    int64_t dims[2] = {1, (int64_t)s->vocabulary.n};
    tap_status status = map_in(ctx, &keys, &values);
    if (status != TAP_OK) return status;
    if ((keys->dtype == TAP_STRING) != (s->vocabulary.words != NULL) ||
        !(TAP_BIT(values->dtype) & DICT_VALUES))
        return tap_fail(ctx, TAP_RUN, "a map from %s to %s does not fit the vocabulary",
                        tap_dtype_name(keys->dtype), tap_dtype_name(values->dtype));
    size_t each = tap_dtype_bytes(values->dtype);
    tap_tensor *y = tap_out(ctx, 0, values->dtype, 2, dims);
    if (!y) return TAP_MEMORY;
    memset(y->data, 0, (size_t)y->count * each);
    for (int64_t i = 0; i < keys->count; i++) {
        int64_t k = tap_find_at(&s->vocabulary, keys, i);
        if (k >= 0)
            memcpy((char *)y->data + (size_t)k * each, (const char *)values->data + (size_t)i * each, each);
    }
    return TAP_OK;
}

/* ---- CastMap ------------------------------------------------------------------------------------------- */

typedef struct cast_state {
    tap_dtype to;
    bool sparse;
    int64_t length; /* of the sparse form */
} cast_state;

static tap_status cast_prepare(tap_ctx *ctx, void **state) {
    static const char *const types[] = {"TO_FLOAT", "TO_STRING", "TO_INT64", NULL}, *const forms[] = {
                                                                                        "DENSE", "SPARSE",
                                                                                        NULL};
    static const tap_dtype dtypes[] = {TAP_FLOAT, TAP_STRING, TAP_INT64};
    cast_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    int to = tap_attr_choice(ctx, "cast_to", "TO_FLOAT", types);
    s->to = dtypes[to < 0 ? 0 : to];
    s->sparse = tap_attr_choice(ctx, "map_form", "DENSE", forms) == 1;
    s->length = tap_attr_int(ctx, "max_map", 1);
    if (s->length >= 0) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "attribute max_map is %lld", (long long)s->length);
}

static tap_status cast_infer(tap_ctx *ctx) {
    const cast_state *s = ctx->state;
    const tap_type *t;
    tap_status status = map_type(ctx, &t);
    int64_t dims[2] = {1, s->sparse ? s->length : -1};
    if (status == TAP_OK && t && t->dtype != TAP_INT64 && t->dtype != TAP_UNDEFINED)
        return tap_fail(ctx, TAP_MODEL, "the keys have to be int64, and are %s", tap_dtype_name(t->dtype));
    return status == TAP_OK ? tap_out_type(ctx, 0, s->to, 2, dims) : status;
}

/* The shortest decimal form that reads back as x. */
static tap_status string_of(tap_ctx *ctx, float x, tap_string *y) {
    char text[40];
    int n = 0;
    for (int digits = 1; digits <= 9; digits++) {
        n = snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x) break;
    }
    char *bytes = tap_string_bytes(ctx, (size_t)n);
    if (!bytes) return TAP_MEMORY;
    memcpy(bytes, text, (size_t)n);
    *y = (tap_string){bytes, (size_t)n};
    return TAP_OK;
}

/* The number that a string spells. */
static tap_status number_of(tap_ctx *ctx, tap_string x, double *y) {
    char text[64], *end;
    if (x.n > 0 && x.n < sizeof text) {
        memcpy(text, x.s, x.n);
        text[x.n] = '\0';
        *y = strtod(text, &end);
        if (end == text + x.n) return TAP_OK;
    }
    return tap_fail(ctx, TAP_RUN, "\"%.*s\" is no number", (int)(x.n < 60 ? x.n : 60), x.s);
}

/* y[at] = values[i] */
static tap_status cast_one(tap_ctx *ctx, const tap_tensor *values, int64_t i, tap_tensor *y, int64_t at) {
    if (values->dtype == TAP_STRING && y->dtype == TAP_STRING) {
        ((tap_string *)y->data)[at] = ((const tap_string *)values->data)[i];
        return TAP_OK;
    }
    if (y->dtype == TAP_STRING)
        return string_of(ctx, ((const float *)values->data)[i], (tap_string *)y->data + at);
    double v = 0;
    tap_status s = TAP_OK;
    if (values->dtype == TAP_STRING)
        s = number_of(ctx, ((const tap_string *)values->data)[i], &v);
    else
        v = (double)((const float *)values->data)[i];
    if (y->dtype == TAP_FLOAT)
        ((float *)y->data)[at] = (float)v;
    else
        ((int64_t *)y->data)[at] = v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
    return s;
}

/* order[0..n) = positions of the keys, smallest key first. Merge sort: a map may come from outside. */
static void sort_keys(const int64_t *key, int64_t *order, int64_t *room, int64_t n) {
    if (n < 2) return;
    int64_t half = n / 2, a = 0, b = half;
    sort_keys(key, order, room, half);
    sort_keys(key, order + half, room, n - half);
    for (int64_t i = 0; i < n; i++)
        room[i] = b == n || (a < half && key[order[a]] <= key[order[b]]) ? order[a++] : order[b++];
    memcpy(order, room, (size_t)n * sizeof *order);
}

static tap_status cast_run(tap_ctx *ctx) {
    const cast_state *s = ctx->state;
    const tap_tensor *keys, *values;
    tap_status status = map_in(ctx, &keys, &values);
    if (status != TAP_OK) return status;
    if (keys->dtype != TAP_INT64 || (values->dtype != TAP_STRING && values->dtype != TAP_FLOAT))
        return tap_fail(ctx, TAP_RUN, "CastMap takes maps from int64 to strings or float32");
    const int64_t *key = keys->data;
    int64_t n = keys->count, dims[2] = {1, s->sparse ? s->length : n};
    int64_t *order = tap_scratch(ctx, (size_t)n * sizeof *order),
            *room = tap_scratch(ctx, (size_t)n * sizeof *room);
    tap_tensor *y = tap_out(ctx, 0, s->to, 2, dims);
    if (!order || !room || !y) return TAP_MEMORY;
    for (int64_t i = 0; i < n; i++) order[i] = i;
    sort_keys(key, order, room, n);
    memset(y->data, 0, (size_t)y->count * tap_dtype_bytes(s->to));
    for (int64_t i = 0; i < n && status == TAP_OK; i++) {
        int64_t k = order[i];
        if (s->sparse && (key[k] < 0 || key[k] >= s->length))
            return tap_fail(ctx, TAP_RUN, "key %lld does not fit an output of %lld (attribute max_map)",
                            (long long)key[k], (long long)s->length);
        status = cast_one(ctx, values, k, y, s->sparse ? key[k] : i);
    }
    return status;
}

/* ---- ZipMap -------------------------------------------------------------------------------------------- */

typedef struct zip_state {
    tap_classes classes;
} zip_state;

static tap_status zip_prepare(tap_ctx *ctx, void **state) {
    zip_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    tap_status status = tap_classes_read(ctx, "classlabels_int64s", &s->classes);
    if (status != TAP_OK || s->classes.n > 0) return status;
    return tap_fail(ctx, TAP_MODEL,
                    "one of the attributes classlabels_strings and classlabels_int64s has to be given");
}

static tap_status zip_infer(tap_ctx *ctx) {
    const zip_state *s = ctx->state;
    tap_rows r;
    tap_status status = tap_rows_in(ctx, &r);
    if (status != TAP_OK) return status;
    if (r.features >= 0 && r.features != (int64_t)s->classes.n)
        return tap_fail(ctx, tap_misfit(ctx), "%lld columns for %zu class labels", (long long)r.features,
                        s->classes.n);
    tap_type value = {
        .kind = TAP_KIND_TENSOR, .dtype = TAP_FLOAT, .rank = 1, .dims = {(int64_t)s->classes.n}};
    tap_type map = {
        .kind = TAP_KIND_MAP, .dtype = tap_classes_dtype(&s->classes), .rank = -1, .elem = &value};
    tap_type all = {.kind = TAP_KIND_SEQUENCE, .rank = -1, .elem = &map};
    return tap_out_like(ctx, 0, &all);
}

static tap_value *make_keys(tap_ctx *ctx, const tap_classes *c) {
    int64_t n = (int64_t)c->n;
    tap_tensor *t;
    tap_value *v = tap_make(ctx, tap_classes_dtype(c), 1, &n, &t);
    for (int64_t i = 0; v && i < n; i++) tap_classes_put(c, t, i, i);
    return v;
}

/* A map of row `row` of x, with keys that all rows share. */
static tap_value *make_row(tap_ctx *ctx, const tap_tensor *x, int64_t row, int64_t n, tap_value *keys) {
    tap_tensor *t;
    tap_value *values = tap_make(ctx, TAP_FLOAT, 1, &n, &t);
    if (!values) return NULL;
    memcpy(t->data, (const float *)x->data + row * n, (size_t)n * sizeof(float));
    tap_value_retain(keys);
    return tap_make_map(ctx, keys, values);
}

static tap_status zip_run(tap_ctx *ctx) {
    const zip_state *s = ctx->state;
    tap_rows r = tap_rows_of(ctx->in[0]);
    tap_value **items = tap_scratch(ctx, (size_t)r.rows * sizeof *items), *keys = make_keys(ctx, &s->classes);
    int64_t n = 0;
    if (!items || !keys) {
        tap_value_release(keys);
        return TAP_MEMORY;
    }
    while (n < r.rows && (items[n] = make_row(ctx, ctx->in[0], n, r.features, keys))) n++;
    tap_value_release(keys);
    if (n < r.rows) {
        while (n > 0) tap_value_release(items[--n]);
        return TAP_MEMORY;
    }
    tap_value *all = tap_make_sequence(ctx, items, (size_t)n, TAP_FLOAT);
    return all ? tap_set_out(ctx, 0, all) : TAP_MEMORY;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "DictVectorizer", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = DICT_VALUES, .prepare = dict_prepare, .infer = dict_infer, .run = dict_run,
     .notes = "The types are those of the values."},
    {.name = "CastMap", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_STRING), .prepare = cast_prepare, .infer = cast_infer,
     .run = cast_run, .notes = "The types are those of the values. In the sparse form a missing text is empty."},
    {.name = "ZipMap", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_BIT(TAP_FLOAT), .prepare = zip_prepare, .infer = zip_infer, .run = zip_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(ml_maps, ops);
