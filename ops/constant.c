/* Constant, ConstantOfShape, Range, Shape, Size: values that come from attributes, from shapes, or by
 * counting. */
#include <math.h>

#include "common/move.h"
#include "common/scalar.h"
#include "common/shape.h"

/* ---- Constant ---- */

/* The value, wherever it lies in the model. */
typedef struct constant_state {
    tap_dtype dtype;
    int rank;
    int64_t dims[TAP_RANK_MAX], count;
    const void *data;
    union {
        float f;
        int64_t i;
        tap_string s;
    } own;
} constant_state;

static void set_list(constant_state *s, tap_dtype dtype, int rank, size_t n, const void *data) {
    s->dtype = dtype;
    s->rank = rank;
    s->dims[0] = s->count = (int64_t)n;
    s->data = data;
}

static void set_tensor(constant_state *s, const tap_tensor *t) {
    if (!t) return;
    s->dtype = t->dtype;
    s->rank = t->rank;
    s->count = t->count;
    s->data = t->data;
    for (int i = 0; i < t->rank; i++) s->dims[i] = t->dims[i];
}

/* The forms since Constant-12. */
static void take_numbers(tap_ctx *ctx, constant_state *s, int *given) {
    size_t n;
    const void *list;
    if (tap_attr_has(ctx, "value_float") && ++*given) {
        s->own.f = tap_attr_float(ctx, "value_float", 0);
        set_list(s, TAP_FLOAT, 0, 1, &s->own);
    }
    if (tap_attr_has(ctx, "value_int") && ++*given) {
        s->own.i = tap_attr_int(ctx, "value_int", 0);
        set_list(s, TAP_INT64, 0, 1, &s->own);
    }
    if (tap_attr_has(ctx, "value_string") && ++*given) {
        s->own.s = tap_attr_bytes(ctx, "value_string");
        set_list(s, TAP_STRING, 0, 1, &s->own);
    }
    if (tap_attr_has(ctx, "value_floats") && ++*given) {
        list = tap_attr_floats(ctx, "value_floats", &n);
        set_list(s, TAP_FLOAT, 1, n, list);
    }
    if (tap_attr_has(ctx, "value_ints") && ++*given) {
        list = tap_attr_ints(ctx, "value_ints", &n);
        set_list(s, TAP_INT64, 1, n, list);
    }
    if (tap_attr_has(ctx, "value_strings") && ++*given) {
        list = tap_attr_strings(ctx, "value_strings", &n);
        set_list(s, TAP_STRING, 1, n, list);
    }
}

static tap_status constant_prepare(tap_ctx *ctx, void **state) {
    constant_state *s = tap_state(ctx, sizeof *s);
    int given = 0;
    if (!s) return TAP_MEMORY;
    *state = s;
    if (tap_attr_has(ctx, "value") && ++given) set_tensor(s, tap_attr_tensor(ctx, "value"));
    if (tap_opset(ctx) >= 11 && tap_attr_has(ctx, "sparse_value") && ++given)
        set_tensor(s, tap_attr_tensor(ctx, "sparse_value"));
    if (tap_opset(ctx) >= 12) take_numbers(ctx, s, &given);
    if (given != 1) return tap_fail(ctx, TAP_MODEL, "%d attributes give a value; it must be one", given);
    return TAP_OK;
}

static tap_status constant_infer(tap_ctx *ctx) {
    const constant_state *s = ctx->state;
    return tap_out_type(ctx, 0, s->dtype, s->rank, s->dims);
}

static tap_status constant_run(tap_ctx *ctx) {
    const constant_state *s = ctx->state;
    tap_move_bytes(ctx, s->count * (int64_t)tap_dtype_bytes(s->dtype), s->data, ctx->out[0]->data);
    return TAP_OK;
}

/* ---- ConstantOfShape ---- */

typedef struct fill_state {
    tap_dtype dtype;
    const void *value; /* NULL: zero */
} fill_state;

static tap_status fill_prepare(tap_ctx *ctx, void **state) {
    fill_state *s = tap_state(ctx, sizeof *s);
    const tap_tensor *t = tap_attr_tensor(ctx, "value");
    if (!s) return TAP_MEMORY;
    *state = s;
    s->dtype = t ? t->dtype : TAP_FLOAT;
    s->value = t ? t->data : NULL;
    if (t && t->count != 1)
        return tap_fail(ctx, TAP_MODEL, "value has %lld elements, not one", (long long)t->count);
    return TAP_OK;
}

static tap_status fill_infer(tap_ctx *ctx) {
    const fill_state *s = ctx->state;
    tap_ints shape;
    tap_status status = tap_need_rank(ctx, 0, 1, 1, "the shape");
    if (!status) status = tap_read_ints(ctx, 0, TAP_RANK_MAX, "the shape", &shape);
    if (status) return status;
    for (int i = 0; i < shape.n; i++) {
        if (!shape.known)
            shape.v[i] = -1;
        else if (shape.v[i] < 0)
            return tap_fail(ctx, tap_misfit(ctx), "dimension %d is %lld", i, (long long)shape.v[i]);
    }
    return tap_out_type(ctx, 0, s->dtype, shape.n, shape.v);
}

static tap_status fill_run(tap_ctx *ctx) {
    const fill_state *s = ctx->state;
    tap_tensor *y = ctx->out[0];
    size_t width = tap_dtype_bytes(y->dtype);
    tap_w16 zero = {0, 0};
    tap_move_steps(ctx, width, 1, &y->count, (const int64_t[]){0}, (const int64_t[]){(int64_t)width},
                   s->value ? s->value : &zero, y->data);
    return TAP_OK;
}

/* ---- Range ---- */

static tap_status range_prepare(tap_ctx *ctx, void **state) {
    (void)state;
    if (tap_opset(ctx) >= 27)
        tap_attr_int(ctx, "stash_type", TAP_FLOAT); /* computed in float64 and rounded once anyway */
    return TAP_OK;
}

/* max(ceil((limit - start) / delta), 0), exactly. */
static bool count_ints(int64_t start, int64_t limit, int64_t delta, int64_t *n) {
    uint64_t way = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    bool none = delta > 0 ? limit <= start : limit >= start;
    uint64_t count = none ? 0 : (way - 1) / step + 1;
    *n = (int64_t)count;
    return count <= INT64_MAX;
}

/* The same in float64, whatever the type. */
static bool count_floats(const tap_tensor *start, const tap_tensor *limit, const tap_tensor *delta,
                         int64_t *n) {
    double a = tap_real_at(start, 0), b = tap_real_at(limit, 0), d = tap_real_at(delta, 0);
    double count = ceil((b - a) / d);
    *n = count > 0 && count < 0x1p62 ? (int64_t)count : 0;
    return !isnan(count) && count < 0x1p62;
}

static tap_status range_count(tap_ctx *ctx, const tap_tensor *start, const tap_tensor *limit,
                              const tap_tensor *delta, int64_t *n) {
    bool whole = (TAP_BIT(start->dtype) & TAP_TYPES_INT) != 0;
    if (tap_real_at(delta, 0) == 0) return tap_fail(ctx, tap_misfit(ctx), "delta is 0");
    bool fits = whole ? count_ints(tap_cut_at(start, 0), tap_cut_at(limit, 0), tap_cut_at(delta, 0), n)
                      : count_floats(start, limit, delta, n);
    if (fits) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "from %g to %g by %g is no finite range", tap_real_at(start, 0),
                    tap_real_at(limit, 0), tap_real_at(delta, 0));
}

static tap_status range_infer(tap_ctx *ctx) {
    const tap_tensor *start = tap_in_known(ctx, 0), *limit = tap_in_known(ctx, 1),
                     *delta = tap_in_known(ctx, 2);
    const tap_type *type = tap_in_type(ctx, 0);
    int64_t n = -1;
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"start", "limit", "delta"};
        tap_status status = tap_need_same_dtype(ctx, 0, i, names[i]);
        if (status || (status = tap_need_one(ctx, i, names[i]))) return status;
    }
    if (start && limit && delta) {
        tap_status status = range_count(ctx, start, limit, delta, &n);
        if (status) return status;
    }
    return tap_out_type(ctx, 0, type->dtype, 1, &n);
}

typedef struct range {
    tap_tensor *y;
    double a, d;
    uint64_t ia, id;
} range;

/* Elements whose numbers, less that of the first, are counted in 32 bits: conversions of those are vector
 * code. */
enum { COUNTED = 1024 };

#define COUNT_REAL(T) \
    for (int32_t k = 0; k < n; k++) ((T *)y->data)[i + k] = (T)(r->a + (base + (double)k) * r->d)
#define COUNT_INT(T) \
    for (int32_t k = 0; k < n; k++) ((T *)y->data)[i + k] = (T)(r->ia + (uint64_t)(i + k) * r->id)

/* n elements from i on; every i has a double. */
static void range_block(const range *r, int64_t i, int32_t n) {
    const tap_tensor *y = r->y;
    const double base = (double)i;
    float f[COUNTED];
    switch (y->dtype) {
    case TAP_FLOAT: COUNT_REAL(float); break;
    case TAP_DOUBLE: COUNT_REAL(double); break;
    case TAP_INT16: COUNT_INT(int16_t); break;
    case TAP_INT32: COUNT_INT(int32_t); break;
    case TAP_INT64: COUNT_INT(int64_t); break;
    default:
        for (int32_t k = 0; k < n; k++) f[k] = tap_f64_to_f32_odd(r->a + (base + (double)k) * r->d);
        tap_floats_from_f32(y->dtype, n, f, (uint16_t *)y->data + i);
    }
}

static void range_task(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    for (int64_t i = begin; i < end; i += COUNTED) range_block(arg, i, (int32_t)tap_min64(COUNTED, end - i));
}

static tap_status range_run(tap_ctx *ctx) {
    const tap_tensor *start = ctx->in[0], *delta = ctx->in[2];
    range r = {ctx->out[0], tap_real_at(start, 0), tap_real_at(delta, 0), (uint64_t)tap_cut_at(start, 0),
               (uint64_t)tap_cut_at(delta, 0)};
    tap_parallel(ctx, r.y->count, 1 << 16, range_task, &r);
    return TAP_OK;
}

/* ---- Shape, Size ---- */

typedef struct shape_state {
    int64_t start, end;
} shape_state;

static tap_status shape_prepare(tap_ctx *ctx, void **state) {
    shape_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    *s = (shape_state){0, INT64_MAX};
    if (tap_opset(ctx) < 15) return TAP_OK;
    s->start = tap_attr_int(ctx, "start", 0);
    s->end = tap_attr_int(ctx, "end", INT64_MAX);
    return TAP_OK;
}

static int64_t clamp_axis(int64_t axis, int rank) {
    if (axis < 0) axis += rank;
    return tap_max64(0, tap_min64(axis, rank));
}

static tap_status shape_infer(tap_ctx *ctx) {
    const shape_state *s = ctx->state;
    int rank = tap_in_type(ctx, 0)->rank;
    int64_t n = -1;
    if (rank >= 0) n = tap_max64(0, clamp_axis(s->end, rank) - clamp_axis(s->start, rank));
    return tap_out_type(ctx, 0, TAP_INT64, 1, &n);
}

static tap_status shape_run(tap_ctx *ctx) {
    const shape_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    int64_t *y = ctx->out[0]->data, from = clamp_axis(s->start, x->rank);
    for (int64_t i = 0; i < ctx->out[0]->count; i++) y[i] = x->dims[from + i];
    return TAP_OK;
}

static tap_status size_infer(tap_ctx *ctx) {
    return tap_out_type(ctx, 0, TAP_INT64, 0, NULL);
}

static tap_status size_run(tap_ctx *ctx) {
    *(int64_t *)ctx->out[0]->data = ctx->in[0]->count;
    return TAP_OK;
}

#define ONE_OUT .out_min = 1, .out_max = 1
#define ONE_IN  .in_min = 1, .in_max = 1, ONE_OUT
#define CONSTANT                                                                                   \
    .typed_by = -1, .dtypes = TAP_TYPES_ALL, .prepare = constant_prepare, .infer = constant_infer, \
    .run = constant_run
#define FILL        .dtypes = TAP_BIT(TAP_INT64), .prepare = fill_prepare, .infer = fill_infer, .run = fill_run
#define RANGE       .prepare = range_prepare, .infer = range_infer, .run = range_run
#define RANGE_TYPES (TAP_TYPES_FLOAT | TAP_BIT(TAP_INT16) | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64))
#define SHAPE       .flags = TAP_SHAPE_ONLY, .dtypes = TAP_TYPES_ALL

static const tap_op ops[] = {
    {.name = "Constant", .since = 1, .flags = TAP_STORED_VALUE, ONE_OUT, CONSTANT},
    {.name = "ConstantOfShape", .since = 9, ONE_IN, FILL},
    {.name = "Range", .since = 11, .in_min = 3, .in_max = 3, ONE_OUT, .dtypes = RANGE_TYPES, RANGE},
    {.name = "Shape",
     .since = 1,
     ONE_IN,
     SHAPE,
     .prepare = shape_prepare,
     .infer = shape_infer,
     .run = shape_run},
    {.name = "Size", .since = 1, ONE_IN, SHAPE, .infer = size_infer, .run = size_run},
    {0},
};

TAP_DEFINE_FAMILY(constant, ops);
