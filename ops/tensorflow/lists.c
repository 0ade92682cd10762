/* TensorFlow's lists of numbers and texts: ListDiff, AsString, RaggedRange. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "common/shape.h"
#include "tensorflow/numbers.h"
#include "tensorflow/tensorflow.h"

/* ---- ListDiff: what of x is not in y, and where it stands ---- */

static tap_status diff_prepare(tap_ctx *ctx, void **state) {
    tap_dtype *index = tap_state(ctx, sizeof *index);
    if (!index) return TAP_MEMORY;
    *state = index;
    *index = tap_attr_int(ctx, "out_idx", TAP_INT32) == TAP_INT64 ? TAP_INT64 : TAP_INT32;
    return TAP_OK;
}

static tap_status diff_infer(tap_ctx *ctx) {
    const tap_dtype *index = ctx->state;
    tap_status st = tap_need_rank(ctx, 0, 1, 1, "x");
    if (!st) st = tap_need_rank(ctx, 1, 1, 1, "y");
    if (!st) st = tap_need_same_dtype(ctx, 0, 1, "y");
    if (!st) st = tap_out_type(ctx, 0, tap_in_type(ctx, 0)->dtype, 1, (int64_t[]){-1});
    return st ? st : tap_out_type(ctx, 1, *index, 1, (int64_t[]){-1});
}

static bool equal(const tap_tensor *x, int64_t i, const tap_tensor *y, int64_t j) {
    if (x->dtype == TAP_STRING) {
        const tap_string *a = (const tap_string *)x->data + i, *b = (const tap_string *)y->data + j;
        return a->n == b->n && (a->n == 0 || memcmp(a->s, b->s, a->n) == 0);
    }
    const tap_tf_number a = tap_tf_get(x, i), b = tap_tf_get(y, j);
    return tap_tf_is_float(x->dtype) ? a.f == b.f : a.i == b.i;
}

/* A table of y's elements, by what equal ones have in common. */
static uint64_t hash(const tap_tensor *t, int64_t i) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    if (t->dtype == TAP_STRING) {
        const tap_string *s = (const tap_string *)t->data + i;
        for (size_t k = 0; k < s->n; k++) h = (h ^ (unsigned char)s->s[k]) * UINT64_C(0x100000001b3);
        return h;
    }
    tap_tf_number v = tap_tf_get(t, i);
    if (tap_tf_is_float(t->dtype) && v.f == 0) v.f = 0; /* both zeros */
    return ((uint64_t)v.i ^ h) * UINT64_C(0x9e3779b97f4a7c15) >> 7;
}

static bool found(const tap_tensor *x, int64_t i, const tap_tensor *y, const int64_t *table, uint64_t mask) {
    for (uint64_t at = hash(x, i) & mask; table[at] >= 0; at = (at + 1) & mask)
        if (equal(x, i, y, table[at])) return true;
    return false;
}

static tap_status diff_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *y = ctx->in[1];
    const size_t width = tap_dtype_bytes(x->dtype);
    uint64_t room = 16;
    while (room < 2 * (uint64_t)y->count) room *= 2;
    int64_t *table = tap_scratch(ctx, room * sizeof *table), n = 0;
    if (!table) return TAP_MEMORY;
    for (uint64_t i = 0; i < room; i++) table[i] = -1;
    for (int64_t j = 0; j < y->count; j++) {
        uint64_t at = hash(y, j) & (room - 1);
        while (table[at] >= 0) at = (at + 1) & (room - 1);
        table[at] = j;
    }
    for (int64_t i = 0; i < x->count; i++) n += !found(x, i, y, table, room - 1);
    tap_tensor *out = tap_out(ctx, 0, x->dtype, 1, &n),
               *where = tap_out(ctx, 1, *(const tap_dtype *)ctx->state, 1, &n);
    if (!out || !where) return TAP_MEMORY;
    n = 0;
    for (int64_t i = 0; i < x->count; i++) {
        if (found(x, i, y, table, room - 1)) continue;
        memcpy((char *)out->data + (size_t)n * width, (const char *)x->data + (size_t)i * width, width);
        tap_tf_put(where, n++, (tap_tf_number){.i = i});
    }
    return TAP_OK;
}

/* ---- AsString: numbers as C's printf has them ---- */

typedef struct printing {
    char format[16]; /* "%0*.*f", say, without the letter */
    char letter;     /* of floats */
    int width, precision;
} printing;

static tap_status print_prepare(tap_ctx *ctx, void **state) {
    printing *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    const int64_t precision = tap_attr_int(ctx, "precision", -1), width = tap_attr_int(ctx, "width", -1);
    const bool scientific = tap_attr_int(ctx, "scientific", 0) != 0,
               shortest = tap_attr_int(ctx, "shortest", 0) != 0;
    const tap_string fill = tap_attr_bytes(ctx, "fill");
    if (precision < -1 || precision > 400 || width < -1 || width > 400)
        return tap_fail(ctx, TAP_MODEL, "precision %lld or width %lld is out of range", (long long)precision,
                        (long long)width);
    if (fill.n > 1 || (fill.n && !strchr(" +-0#", fill.s[0])) || (scientific && shortest))
        return tap_fail(
            ctx, TAP_MODEL,
            "fill must be one of ' ', '+', '-', '0', '#'; scientific and shortest exclude each other");
    s->letter = scientific ? 'e' : shortest ? 'g' : 'f';
    s->width = (int)width;
    s->precision = (int)precision;
    s->format[0] = fill.n ? fill.s[0] : 0;
    return TAP_OK;
}

static tap_status print_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    return tap_out_type(ctx, 0, TAP_STRING, x->rank, x->dims);
}

/* A text of one number; how long it is. */
static size_t print_number(const printing *s, const tap_tensor *x, int64_t i, char *text, size_t room) {
    char sign[2] = {s->format[0], 0}, width[16] = "", precision[16] = "", format[48];
    const bool floats = tap_tf_is_float(x->dtype);
    const tap_tf_number v = tap_tf_get(x, i);
    if (s->width >= 0) snprintf(width, sizeof width, "%d", s->width);
    if (s->precision >= 0 && floats) snprintf(precision, sizeof precision, ".%d", s->precision);
    snprintf(format, sizeof format, "%%%s%s%s", sign, width, precision);
    const size_t n = strlen(format);
    int length;
    if (x->dtype == TAP_BOOL) {
        length = snprintf(text, room, "%s", v.i ? "true" : "false");
    } else if (floats) {
        format[n] = s->letter;
        format[n + 1] = 0;
        length = snprintf(text, room, format, v.f);
    } else {
        const bool is_unsigned = x->dtype == TAP_UINT64 || x->dtype == TAP_UINT32;
        memcpy(format + n, is_unsigned ? PRIu64 : PRId64, sizeof PRId64);
        length =
            is_unsigned ? snprintf(text, room, format, (uint64_t)v.i) : snprintf(text, room, format, v.i);
    }
    return length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
}

static tap_status print_run(tap_ctx *ctx) {
    const printing *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    tap_string *y = ctx->out[0]->data;
    char text[1024];
    for (int64_t i = 0; i < x->count; i++) {
        if (x->dtype == TAP_STRING) {
            y[i] = ((const tap_string *)x->data)[i];
            continue;
        }
        const size_t n = print_number(s, x, i, text, sizeof text);
        char *to = tap_string_bytes(ctx, n);
        if (!to) return TAP_MEMORY;
        memcpy(to, text, n);
        y[i] = (tap_string){to, n};
    }
    return TAP_OK;
}

/* ---- RaggedRange: rows starts[i], starts[i] + deltas[i], ... below limits[i] ---- */

static tap_status range_infer(tap_ctx *ctx) {
    tap_status st = TAP_OK;
    for (int i = 0; i < 3 && !st; i++) {
        st = tap_need_rank(ctx, i, 0, 1, "starts, limits and deltas");
        if (!st) st = tap_need_same_dtype(ctx, 0, i, "limits and deltas");
    }
    const tap_type *splits = tap_out_declared(ctx, 0);
    const tap_dtype t = splits && splits->dtype == TAP_INT32 ? TAP_INT32 : TAP_INT64;
    if (!st) st = tap_out_type(ctx, 0, t, 1, (int64_t[]){-1});
    return st ? st : tap_out_type(ctx, 1, tap_in_type(ctx, 0)->dtype, 1, (int64_t[]){-1});
}

static tap_tf_number broadcast_at(const tap_tensor *t, int64_t i) {
    return tap_tf_get(t, t->rank == 0 ? 0 : i);
}

/* How long row i is; -1: its step is 0, or it is too long. */
static int64_t row_length(const tap_tensor *const *in, int64_t i) {
    const tap_tf_number a = broadcast_at(in[0], i), b = broadcast_at(in[1], i), d = broadcast_at(in[2], i);
    double n;
    if (tap_tf_is_float(in[0]->dtype)) {
        if (d.f == 0) return -1;
        n = ceil(fabs((b.f - a.f) / d.f));
        if ((d.f > 0) != (b.f > a.f)) n = 0;
    } else {
        if (d.i == 0) return -1;
        if (d.i > 0 ? a.i >= b.i : a.i <= b.i) return 0;
        n = ceil(fabs(((double)b.i - (double)a.i) / (double)d.i));
    }
    return n < 2147483647.0 ? (int64_t)n : -1;
}

static tap_status range_run(tap_ctx *ctx) {
    const tap_tensor *const *in = ctx->in;
    int64_t rows = 1, total = 0;
    for (int i = 0; i < 3; i++)
        if (in[i]->rank == 1) rows = in[i]->dims[0];
    for (int i = 0; i < 3; i++)
        if (in[i]->rank == 1 && in[i]->dims[0] != rows)
            return tap_fail(ctx, TAP_RUN, "starts, limits and deltas differ in size");
    for (int64_t i = 0; i < rows; i++) {
        const int64_t n = row_length(in, i);
        if (n < 0) return tap_fail(ctx, TAP_RUN, "row %lld has a step of 0, or is too long", (long long)i);
        total += n;
    }
    const tap_type *splits_type = tap_out_inferred(ctx, 0);
    tap_tensor *splits =
        tap_out(ctx, 0, splits_type ? splits_type->dtype : TAP_INT64, 1, (int64_t[]){rows + 1});
    tap_tensor *y = tap_out(ctx, 1, in[0]->dtype, 1, &total);
    if (!splits || !y) return TAP_MEMORY;
    int64_t at = 0;
    for (int64_t i = 0; i < rows; i++) {
        tap_tf_number v = broadcast_at(in[0], i);
        const tap_tf_number d = broadcast_at(in[2], i);
        tap_tf_put(splits, i, (tap_tf_number){.i = at});
        for (int64_t n = row_length(in, i); n > 0; n--) {
            tap_tf_put(y, at++, v);
            if (tap_tf_is_float(in[0]->dtype))
                v.f = in[0]->dtype == TAP_FLOAT ? (double)((float)v.f + (float)d.f) : v.f + d.f;
            else
                v.i = (int64_t)((uint64_t)v.i + (uint64_t)d.i);
        }
    }
    tap_tf_put(splits, rows, (tap_tf_number){.i = at});
    return TAP_OK;
}

#define LISTED (TAP_TF_REALS | TAP_BIT(TAP_STRING))

static const tap_op ops[] = {
    {TAP_TF_ROW("ListDiff", 2, 2), .dtypes = LISTED | TAP_BIT(TAP_BOOL), .prepare = diff_prepare,
     .infer = diff_infer, .run = diff_run},
    {TAP_TF_ROW("AsString", 1, 1), .dtypes = LISTED | TAP_BIT(TAP_BOOL), .prepare = print_prepare,
     .infer = print_infer, .run = print_run},
    {TAP_TF_ROW("RaggedRange", 3, 2), .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_TYPES_INDEX,
     .infer = range_infer, .run = range_run},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_lists, ops);
