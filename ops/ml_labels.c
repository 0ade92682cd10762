/* ai.onnx.ml: LabelEncoder and CategoryMapper, which replace values by values of a list. */
#include <string.h>

#include "common/dictionary.h"
#include "common/ml.h"
#include "common/shape.h"

enum { GRAIN = 4096, MOST_WAYS = 2 };

/* One direction: from keys of a dtype to values of another. */
typedef struct way {
    tap_dtype from, to;
    tap_dictionary keys;
    char *values; /* one per key, then what stands for all other keys */
    size_t each;  /* bytes of a value                                 */
} way;

typedef struct labels_state {
    int n_ways;
    way ways[MOST_WAYS];
} labels_state;

/* ---- lists in attributes ------------------------------------------------------------------------------- */

/* keys_* or values_* of LabelEncoder. */
typedef struct list {
    tap_dtype dtype; /* TAP_UNDEFINED: none was found */
    size_t n;
    const void *data;
} list;

static tap_status take_list(tap_ctx *ctx, list *found, const char *prefix, tap_dtype dtype, const void *data,
                            size_t n) {
    if (!data || n == 0) return TAP_OK;
    if (found->dtype != TAP_UNDEFINED)
        return tap_fail(ctx, TAP_MODEL, "two of the attributes %s_* are given; it has to be one", prefix);
    *found = (list){dtype, n, data};
    return TAP_OK;
}

static const char *name_of(char room[32], const char *prefix, const char *suffix) {
    size_t n = strlen(prefix);
    memcpy(room, prefix, n);
    memcpy(room + n, suffix, strlen(suffix) + 1);
    return room;
}

static tap_status read_list(tap_ctx *ctx, const char *prefix, list *found) {
    char name[32];
    size_t n;
    tap_status s = TAP_OK;
    *found = (list){TAP_UNDEFINED, 0, NULL};
    const void *v = tap_attr_strings(ctx, name_of(name, prefix, "_strings"), &n);
    s = take_list(ctx, found, prefix, TAP_STRING, v, n);
    v = tap_attr_ints(ctx, name_of(name, prefix, "_int64s"), &n);
    if (s == TAP_OK) s = take_list(ctx, found, prefix, TAP_INT64, v, n);
    v = tap_attr_floats(ctx, name_of(name, prefix, "_floats"), &n);
    if (s == TAP_OK) s = take_list(ctx, found, prefix, TAP_FLOAT, v, n);
    const tap_tensor *t = tap_opset(ctx) >= 4 ? tap_attr_tensor(ctx, name_of(name, prefix, "_tensor")) : NULL;
    if (t && s == TAP_OK) s = take_list(ctx, found, prefix, t->dtype, t->data, (size_t)t->count);
    if (s == TAP_OK && found->dtype == TAP_UNDEFINED)
        s = tap_fail(ctx, TAP_MODEL, "none of the attributes %s_* is given", prefix);
    return s;
}

#define LABEL_TYPES                                                                       \
    (TAP_BIT(TAP_STRING) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_INT32) | \
     TAP_BIT(TAP_INT16) | TAP_BIT(TAP_DOUBLE))

static tap_status check_list(tap_ctx *ctx, const list *l, const char *what) {
    if (TAP_BIT(l->dtype) & LABEL_TYPES) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "the %s are %s, which LabelEncoder does not take", what,
                    tap_dtype_name(l->dtype));
}

/* ---- making a way -------------------------------------------------------------------------------------- */

/* The list as keys of a dictionary. */
static tap_status make_keys(tap_ctx *ctx, tap_dictionary *d, const list *l) {
    if (l->dtype == TAP_STRING) return tap_dictionary_make(ctx, d, l->data, NULL, l->n);
    uint64_t *keys = tap_state(ctx, (l->n + 1) * sizeof *keys);
    tap_tensor t = {.dtype = l->dtype, .data = (void *)(uintptr_t)l->data};
    if (!keys) return TAP_MEMORY;
    for (size_t i = 0; i < l->n; i++) keys[i] = tap_key_at(&t, (int64_t)i);
    return tap_dictionary_make(ctx, d, NULL, keys, l->n);
}

static tap_status make_way(tap_ctx *ctx, way *w, const list *keys, const list *values,
                           const void *otherwise) {
    if (keys->n != values->n)
        return tap_fail(ctx, TAP_MODEL, "there are %zu keys, but %zu values", keys->n, values->n);
    w->from = keys->dtype;
    w->to = values->dtype;
    w->each = tap_dtype_bytes(w->to);
    w->values = tap_state(ctx, (values->n + 1) * w->each);
    if (!w->values) return TAP_MEMORY;
    if (values->n) memcpy(w->values, values->data, values->n * w->each);
    memcpy(w->values + values->n * w->each, otherwise, w->each);
    return make_keys(ctx, &w->keys, keys);
}

/* What stands for keys that are not there, by the dtype of the values. */
typedef union fallback {
    tap_string s;
    int64_t i64;
    int32_t i32;
    int16_t i16;
    float f;
    double d;
} fallback;

static tap_status read_fallback(tap_ctx *ctx, tap_dtype dtype, fallback *v) {
    tap_string s = tap_attr_bytes(ctx, "default_string");
    int64_t i = tap_attr_int(ctx, "default_int64", -1);
    float f = tap_attr_float(ctx, "default_float", -0.0f);
    const tap_tensor *t = tap_opset(ctx) >= 4 ? tap_attr_tensor(ctx, "default_tensor") : NULL;
    if (t) {
        if (t->dtype != dtype || t->count != 1)
            return tap_fail(ctx, TAP_MODEL, "attribute default_tensor has to be one %s, as the values are",
                            tap_dtype_name(dtype));
        memcpy(v, t->data, tap_dtype_bytes(dtype));
        return TAP_OK;
    }
    switch (dtype) {
    case TAP_STRING: v->s = tap_attr_has(ctx, "default_string") ? s : (tap_string){"_Unused", 7}; break;
    case TAP_INT64: v->i64 = i; break;
    case TAP_INT32: v->i32 = -1; break;
    case TAP_INT16: v->i16 = -1; break;
    case TAP_DOUBLE: v->d = -0.0; break;
    default: v->f = f; break;
    }
    return TAP_OK;
}

static tap_status encoder_prepare(tap_ctx *ctx, void **state) {
    labels_state *s = tap_state(ctx, sizeof *s);
    list keys, values;
    fallback otherwise;
    if (!s) return TAP_MEMORY;
    *state = s;
    s->n_ways = 1;
    tap_status status = read_list(ctx, "keys", &keys);
    if (status == TAP_OK) status = read_list(ctx, "values", &values);
    if (status == TAP_OK) status = check_list(ctx, &keys, "keys");
    if (status == TAP_OK) status = check_list(ctx, &values, "values");
    if (status == TAP_OK) status = read_fallback(ctx, values.dtype, &otherwise);
    return status == TAP_OK ? make_way(ctx, &s->ways[0], &keys, &values, &otherwise) : status;
}

/* Both ways between strings and int64. */
static tap_status both_ways(tap_ctx *ctx, labels_state *s, const list *strings, const list *numbers) {
    fallback number = {.i64 = tap_attr_int(ctx, "default_int64", -1)}, word = {.s = {"_Unused", 7}};
    tap_string given = tap_attr_bytes(ctx, "default_string");
    if (tap_attr_has(ctx, "default_string")) word.s = given;
    s->n_ways = 2;
    tap_status status = make_way(ctx, &s->ways[0], strings, numbers, &number);
    return status == TAP_OK ? make_way(ctx, &s->ways[1], numbers, strings, &word) : status;
}

/* LabelEncoder-1: a string's position in a list, and back. */
static tap_status first_encoder_prepare(tap_ctx *ctx, void **state) {
    labels_state *s = tap_state(ctx, sizeof *s);
    list strings = {.dtype = TAP_STRING}, numbers = {.dtype = TAP_INT64};
    if (!s) return TAP_MEMORY;
    *state = s;
    strings.data = tap_attr_strings(ctx, "classes_strings", &strings.n);
    int64_t *position = tap_state(ctx, (strings.n + 1) * sizeof *position);
    if (!position) return TAP_MEMORY;
    for (size_t i = 0; i < strings.n; i++) position[i] = (int64_t)i;
    numbers.n = strings.n;
    numbers.data = position;
    if (strings.n == 0) return tap_fail(ctx, TAP_MODEL, "attribute classes_strings is missing");
    return both_ways(ctx, s, &strings, &numbers);
}

static tap_status mapper_prepare(tap_ctx *ctx, void **state) {
    labels_state *s = tap_state(ctx, sizeof *s);
    list strings = {.dtype = TAP_STRING}, numbers = {.dtype = TAP_INT64};
    if (!s) return TAP_MEMORY;
    *state = s;
    strings.data = tap_attr_strings(ctx, "cats_strings", &strings.n);
    numbers.data = tap_attr_ints(ctx, "cats_int64s", &numbers.n);
    if (strings.n == 0 || numbers.n == 0)
        return tap_fail(ctx, TAP_MODEL, "the attributes cats_strings and cats_int64s are both needed");
    return both_ways(ctx, s, &strings, &numbers);
}

/* ---- infer, run ---------------------------------------------------------------------------------------- */

static const way *way_from(const labels_state *s, tap_dtype dtype) {
    for (int i = 0; i < s->n_ways; i++)
        if (s->ways[i].from == dtype) return &s->ways[i];
    return NULL;
}

static tap_status labels_infer(tap_ctx *ctx) {
    const labels_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    if (!x || x->dtype == TAP_UNDEFINED)
        return tap_out_type(ctx, 0, TAP_UNDEFINED, x ? x->rank : -1, x ? x->dims : NULL);
    const way *w = way_from(s, x->dtype);
    if (!w)
        return tap_fail(ctx, TAP_MODEL, "the input is %s, and the keys are %s", tap_dtype_name(x->dtype),
                        tap_dtype_name(s->ways[0].from));
    return tap_out_type(ctx, 0, w->to, x->rank, x->dims);
}

typedef struct lookup {
    const way *w;
    const tap_tensor *x;
    char *y;
} lookup;

enum { BLOCK = 256 }; /* keys that are taken at once */

/* y[n] = the values at these places, each of `each` bytes; -1: the default. */
static inline __attribute__((always_inline)) void put_values(const way *w, size_t each, int64_t n,
                                                             const int64_t *at, char *y) {
    const int64_t otherwise = (int64_t)w->keys.n;
    for (int64_t i = 0; i < n; i++)
        memcpy(y + (size_t)i * each, w->values + (size_t)(at[i] < 0 ? otherwise : at[i]) * each, each);
}

static void lookup_piece(void *arg, int64_t begin, int64_t end, int worker) {
    const lookup *l = arg;
    const way *w = l->w;
    (void)worker;
    for (int64_t i = begin; i < end; i += BLOCK) {
        uint64_t keys[BLOCK];
        int64_t at[BLOCK];
        const int64_t n = tap_min64(BLOCK, end - i);
        char *y = l->y + (size_t)i * w->each;
        if (w->keys.words) {
            for (int64_t k = 0; k < n; k++) at[k] = tap_find_at(&w->keys, l->x, i + k);
        } else {
            tap_keys_of(l->x, i, n, keys);
            tap_find_numbers(&w->keys, n, keys, at);
        }
        if (w->each == 8)
            put_values(w, 8, n, at, y);
        else if (w->each == 4)
            put_values(w, 4, n, at, y);
        else
            put_values(w, w->each, n, at, y);
    }
}

static tap_status labels_run(tap_ctx *ctx) {
    lookup l = {way_from(ctx->state, ctx->in[0]->dtype), ctx->in[0], ctx->out[0]->data};
    tap_parallel(ctx, l.x->count, GRAIN, lookup_piece, &l);
    return TAP_OK;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "LabelEncoder", .domain = TAP_ML, .since = 1, .until = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_BIT(TAP_STRING) | TAP_BIT(TAP_INT64), .prepare = first_encoder_prepare, .infer = labels_infer, .run = labels_run},
    {.name = "LabelEncoder", .domain = TAP_ML, .since = 2, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = LABEL_TYPES, .prepare = encoder_prepare, .infer = labels_infer, .run = labels_run},
    {.name = "CategoryMapper", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_BIT(TAP_STRING) | TAP_BIT(TAP_INT64), .prepare = mapper_prepare, .infer = labels_infer, .run = labels_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(ml_labels, ops);
