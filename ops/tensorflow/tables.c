/* TensorFlow's lookup tables. A file that a converter wrote has the table, and not what is in it: its keys
 * and values came from an initialiser that has no output, and went with it. */
#include "common/shape.h"
#include "tensorflow/tensorflow.h"

static tap_status table_prepare(tap_ctx *ctx, void **state) {
    static const char *const ignored[] = {"container", "shared_name", "use_node_name_sharing",
                                          "key_dtype", "value_dtype", "value_shape",
                                          "empty_key", "deleted_key"};
    for (size_t i = 0; i < TAP_COUNT_OF(ignored); i++) tap_attr_ignore(ctx, ignored[i]);
    *state = NULL;
    return TAP_OK;
}

/* The handle's type is not known: it is a map once somebody gives one. */
static tap_status table_infer(tap_ctx *ctx) {
    (void)ctx;
    return TAP_OK;
}

static tap_status table_run(tap_ctx *ctx) {
    return tap_fail(
        ctx, TAP_RUN,
        "the file does not have the table's keys and values: the converter dropped what fills it. Put a "
        "map in its place (run --set HANDLE=map.pb), or do the lookup in front of the model");
}

/* The map that the handle stands for. */
static tap_status open_table(tap_ctx *ctx, const tap_tensor **keys, const tap_tensor **values) {
    const tap_value *v = tap_in_value(ctx, 0);
    if (!v || tap_value_kind(v) != TAP_KIND_MAP) return tap_fail(ctx, TAP_RUN, "the table is no map");
    *keys = tap_value_tensor(tap_value_item(v, 0));
    *values = tap_value_tensor(tap_value_item(v, 1));
    return *keys && *values ? TAP_OK : tap_fail(ctx, TAP_RUN, "the table's values are no tensor");
}

static tap_status find_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 1), *otherwise = tap_in_type(ctx, 2);
    tap_status st = tap_need_one(ctx, 2, "the default value");
    if (st) return st;
    return tap_out_type(ctx, 0, otherwise->dtype, x->rank, x->dims);
}

static bool same_key(const tap_tensor *keys, int64_t i, const tap_tensor *x, int64_t k) {
    if (keys->dtype != TAP_STRING) return tap_int_at(keys, i) == tap_int_at(x, k);
    const tap_string *a = (const tap_string *)keys->data + i, *b = (const tap_string *)x->data + k;
    return a->n == b->n && memcmp(a->s, b->s, a->n) == 0;
}

static uint64_t hash_of(const tap_tensor *t, int64_t i) {
    if (t->dtype != TAP_STRING) return (uint64_t)tap_int_at(t, i) * UINT64_C(0x9E3779B97F4A7C15);
    const tap_string *s = (const tap_string *)t->data + i;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t k = 0; k < s->n; k++) h = (h ^ (unsigned char)s->s[k]) * UINT64_C(0x100000001b3);
    return h;
}

static bool is_key(const tap_tensor *t) {
    return t->dtype == TAP_STRING || t->dtype == TAP_INT32 || t->dtype == TAP_INT64;
}

static tap_status find_run(tap_ctx *ctx) {
    const tap_tensor *keys = NULL, *values = NULL, *x = ctx->in[1], *otherwise = ctx->in[2];
    tap_status st = open_table(ctx, &keys, &values);
    if (st) return st;
    const bool strings = keys->dtype == TAP_STRING;
    if (!is_key(x) || !is_key(keys) || strings != (x->dtype == TAP_STRING) ||
        values->dtype != otherwise->dtype)
        return tap_fail(ctx, TAP_RUN, "the table maps %s to %s, the keys are %s and the default value is %s",
                        tap_dtype_name(keys->dtype), tap_dtype_name(values->dtype), tap_dtype_name(x->dtype),
                        tap_dtype_name(otherwise->dtype));
    tap_tensor *y = tap_out(ctx, 0, values->dtype, x->rank, x->dims);
    int64_t room = 16;
    while (room < 2 * keys->count) room *= 2;
    int64_t *slot = tap_scratch(ctx, (size_t)room * sizeof *slot);
    if (!y || !slot) return TAP_MEMORY;
    for (int64_t i = 0; i < room; i++) slot[i] = -1;
    for (int64_t i = 0; i < keys->count; i++) {
        uint64_t h = hash_of(keys, i) >> 7;
        while (slot[h % (uint64_t)room] >= 0) h++;
        slot[h % (uint64_t)room] = i;
    }
    const size_t width = tap_dtype_bytes(y->dtype);
    for (int64_t k = 0; k < x->count; k++) {
        uint64_t h = hash_of(x, k) >> 7;
        int64_t at;
        while ((at = slot[h % (uint64_t)room]) >= 0 && !same_key(keys, at, x, k)) h++;
        const char *from = at >= 0 ? (const char *)values->data + (size_t)at * width : otherwise->data;
        memcpy((char *)y->data + (size_t)k * width, from, width);
    }
    return TAP_OK;
}

static tap_status size_infer(tap_ctx *ctx) {
    return tap_out_type(ctx, 0, TAP_INT64, 0, NULL);
}

static tap_status size_run(tap_ctx *ctx) {
    const tap_tensor *keys = NULL, *values = NULL;
    tap_status st = open_table(ctx, &keys, &values);
    tap_tensor *y = st ? NULL : tap_out(ctx, 0, TAP_INT64, 0, NULL);
    if (!y) return st ? st : TAP_MEMORY;
    *(int64_t *)y->data = keys->count;
    return TAP_OK;
}

#define NOTES                                                                                           \
    .notes = "A file has no table's keys and values: the converter drops what fills it. A lookup runs " \
             "where a map "                                                                             \
             "is put in the table's place (run --set)."
/* A table is never computed ahead: where something else takes its place it is never asked. */
#define TABLE(NAME)                                                                                     \
    {                                                                                                   \
        TAP_TF_ROW(NAME, 0, 1), .flags = TAP_RANDOM | TAP_ANY_KIND, .typed_by = -1,                     \
                                .prepare = table_prepare, .infer = table_infer, .run = table_run, NOTES \
    }

static const tap_op ops[] = {
    TABLE("HashTableV2"),
    TABLE("HashTable"),
    TABLE("MutableHashTableV2"),
    TABLE("MutableHashTableOfTensorsV2"),
    {TAP_TF_ROW("LookupTableFindV2", 3, 1), .flags = TAP_ANY_KIND, .typed_by = 1,
     .dtypes = TAP_BIT(TAP_STRING) | TAP_TYPES_INDEX, .infer = find_infer, .run = find_run, NOTES},
    {TAP_TF_ROW("LookupTableSizeV2", 1, 1), .flags = TAP_ANY_KIND, .infer = size_infer, .run = size_run,
     NOTES},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_tables, ops);
