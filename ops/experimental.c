/* Operators that ONNX had while they were experimental, and took back with opset 10: Affine, Scale,
 * ScaledTanh, ParametricSoftplus, ImageScaler, Crop, ConstantFill, GivenTensorFill. Old exports of vision
 * models have them. Their schemas are those of ONNX 1.2 and 1.3. */
#include <math.h>
#include <string.h>

#include "common/axis_broadcast.h"
#include "common/cast.h"
#include "common/math.h"
#include "common/math64.h"
#include "common/math64_log.h"
#include "common/move.h"
#include "common/shape.h"

/* ---- y = f(x; alpha, beta) ------------------------------------------------------------------------- */

typedef struct params {
    float alpha, beta;
} params;

static inline float soft_float(float x) {
    const float a = fabsf(x);
    return (x > 0 ? x : 0) + tap_log1p_unitf(tap_expf(-a));
}

static inline double soft_double(double x) {
    return (x > 0 ? x : 0) + tap_log1p64(tap_exp64(-fabs(x)));
}

#define FLOATS_WITH(NAME, OF_FLOAT, OF_DOUBLE)                       \
    TAP_LOOP1_WITH(NAME##_FLOAT, params, float, float, OF_FLOAT)     \
    TAP_LOOP1_WITH(NAME##_DOUBLE, params, double, double, OF_DOUBLE) \
    TAP_HALVES1(NAME)                                                \
    static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};

FLOATS_WITH(affine, s.alpha *x + s.beta, (double)s.alpha *x + (double)s.beta)
FLOATS_WITH(scaled_tanh, s.alpha *tap_tanhf(s.beta *x), (double)s.alpha *tap_tanh64((double)s.beta *x))
FLOATS_WITH(parametric_softplus, s.alpha *soft_float(s.beta *x),
            (double)s.alpha *soft_double((double)s.beta *x))

static tap_status params_prepare(tap_ctx *ctx, void **state) {
    params *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *s = (params){tap_attr_float(ctx, "alpha", 1), tap_attr_float(ctx, "beta", 0)};
    *state = s;
    return TAP_OK;
}

static tap_status scale_prepare(tap_ctx *ctx, void **state) {
    params *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *s = (params){tap_attr_float(ctx, "scale", 1), 0};
    *state = s;
    return TAP_OK;
}

/* ---- ImageScaler: y[n][c][h][w] = x * scale + bias[c] ---------------------------------------------- */

typedef struct scaler {
    params p; /* first: the loops' state */
    const float *bias;
    size_t n;
} scaler;

TAP_LOOP2_WITH(image_FLOAT, params, float, float, float, a *s.alpha + b)
TAP_LOOP2_WITH(image_DOUBLE, params, double, float, double, a *(double)s.alpha + (double)b)
TAP_HALVES_(image, 2, 5)
static tap_loop *const image_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(image)};

static tap_status scaler_prepare(tap_ctx *ctx, void **state) {
    scaler *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->p.alpha = tap_attr_float(ctx, "scale", 1);
    s->bias = tap_attr_floats(ctx, "bias", &s->n);
    *state = s;
    return TAP_OK;
}

static tap_status scaler_infer(tap_ctx *ctx) {
    const scaler *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = tap_need_rank(ctx, 0, 4, 4, "the input");
    if (status == TAP_OK && s->n && x->rank == 4 && x->dims[1] >= 0 && (uint64_t)x->dims[1] != s->n)
        status = tap_fail(ctx, tap_misfit(ctx), "bias has %zu elements for %lld channels", s->n,
                          (long long)x->dims[1]);
    return status ? status : tap_out_like(ctx, 0, x);
}

static tap_status scaler_run(tap_ctx *ctx) {
    static const float none = 0;
    const scaler *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    tap_tensor bias = {.dtype = TAP_FLOAT,
                       .rank = s->n ? 3 : 0,
                       .dims = {(int64_t)s->n, 1, 1},
                       .count = s->n ? (int64_t)s->n : 1};
    bias.data = (void *)(uintptr_t)(s->n ? s->bias : &none);
    const tap_tensor *in[2] = {x, &bias};
    return tap_broadcast(ctx, image_loops[x->dtype], &s->p, in, 2, ctx->out, 1);
}

/* ---- Crop: x[N][C][H][W] without a border, or a part of a given size -------------------------------- */

typedef struct crop {
    const int64_t *border, *scale; /* left, top, right, bottom; height, width, or NULL */
} crop;

static tap_status crop_prepare(tap_ctx *ctx, void **state) {
    crop *s = tap_state(ctx, sizeof *s);
    size_t n, m;
    if (!s) return TAP_MEMORY;
    s->border = tap_attr_ints(ctx, "border", &n);
    s->scale = tap_attr_ints(ctx, "scale", &m);
    *state = s;
    if (n != 4) return tap_fail(ctx, TAP_MODEL, "border has %zu elements; it is left, top, right, bottom", n);
    if (m != 0 && m != 2) return tap_fail(ctx, TAP_MODEL, "scale has %zu elements; it is height, width", m);
    for (size_t i = 0; i < n; i++)
        if (s->border[i] < 0)
            return tap_fail(ctx, TAP_MODEL, "border[%zu] is %lld", i, (long long)s->border[i]);
    return TAP_OK;
}

/* Of height (k 0) or width (1): the size of what is left of `all`; -1: unknown. */
static tap_status crop_size(tap_ctx *ctx, int k, int64_t all, int64_t *size) {
    const crop *s = ctx->state;
    const int64_t before = s->border[1 - k], after = s->border[3 - k];
    *size = s->scale ? s->scale[k] : -1;
    if (all < 0) return TAP_OK;
    if (!s->scale) *size = before <= all && after <= all - before ? all - before - after : -1;
    if (*size >= 0 && before <= all && *size <= all - before) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "nothing is left of axis %d, which has %lld elements", 2 + k,
                    (long long)all);
}

static tap_status crop_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = tap_need_rank(ctx, 0, 4, 4, "the input");
    if (status || x->rank < 0)
        return status ? status : tap_out_type(ctx, 0, x->dtype, 4, (int64_t[]){-1, -1, -1, -1});
    int64_t dims[4] = {x->dims[0], x->dims[1], -1, -1};
    for (int k = 0; k < 2 && !status; k++) status = crop_size(ctx, k, x->dims[2 + k], &dims[2 + k]);
    return status ? status : tap_out_type(ctx, 0, x->dtype, 4, dims);
}

static tap_status crop_run(tap_ctx *ctx) {
    const crop *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *y = ctx->out[0];
    const size_t width = tap_dtype_bytes(x->dtype);
    int64_t src_step[4], dst_step[4];
    if (y->count == 0) return TAP_OK;
    tap_dense_steps(width, 4, x->dims, src_step);
    tap_dense_steps(width, 4, y->dims, dst_step);
    const char *from = (const char *)x->data + s->border[1] * src_step[2] + s->border[0] * src_step[3];
    tap_move_steps(ctx, width, 4, y->dims, src_step, dst_step, from, y->data);
    return TAP_OK;
}

/* ---- ConstantFill, GivenTensorFill: the shape is an attribute, an input, or an input's -------------- */

typedef struct filling {
    bool by_value; /* the input holds the shape */
    const int64_t *shape, *extra;
    size_t n_shape, n_extra;
    const float *values; /* NULL: one for all */
    size_t n_values;
    float value;
    tap_dtype dtype;
} filling;

static filling *shape_attributes(tap_ctx *ctx) {
    filling *s = tap_state(ctx, sizeof *s);
    if (!s) return NULL;
    s->by_value = tap_attr_int(ctx, "input_as_shape", 0) != 0;
    s->shape = tap_attr_ints(ctx, "shape", &s->n_shape);
    s->extra = tap_attr_ints(ctx, "extra_shape", &s->n_extra);
    s->dtype = TAP_FLOAT;
    return s;
}

static tap_status given_prepare(tap_ctx *ctx, void **state) {
    filling *s = shape_attributes(ctx);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->values = tap_attr_floats(ctx, "values", &s->n_values);
    return s->n_values ? TAP_OK : tap_fail(ctx, TAP_MODEL, "attribute values is missing");
}

#define FILLED (TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL))

static tap_status filling_prepare(tap_ctx *ctx, void **state) {
    filling *s = shape_attributes(ctx);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->value = tap_attr_float(ctx, "value", 0);
    const int64_t dtype = tap_attr_int(ctx, "dtype", TAP_FLOAT);
    if (dtype <= 0 || dtype >= TAP_DTYPE_COUNT || !(FILLED >> dtype & 1))
        return tap_fail(ctx, TAP_MODEL, "attribute dtype is %lld, which is no type of numbers",
                        (long long)dtype);
    s->dtype = (tap_dtype)dtype;
    return TAP_OK;
}

static tap_status check_sizes(tap_ctx *ctx, const char *what, const int64_t *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (v[i] < 0)
            return tap_fail(ctx, tap_misfit(ctx), "size %zu in %s is %lld", i, what, (long long)v[i]);
    return TAP_OK;
}

/* The shape before extra_shape; sizes that are unknown are -1. */
static tap_status base_shape(tap_ctx *ctx, tap_ints *shape) {
    const filling *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = TAP_OK;
    if (!x) {
        status = tap_copy_ints(ctx, s->shape, s->n_shape, TAP_RANK_MAX, "shape", shape);
    } else if (s->by_value) {
        status = tap_read_ints(ctx, 0, TAP_RANK_MAX, "the shape", shape);
    } else {
        *shape = (tap_ints){.n = x->rank};
        for (int i = 0; i < x->rank; i++) shape->v[i] = x->dims[i];
        return TAP_OK;
    }
    for (int i = 0; i < shape->n && !status && !shape->known; i++) shape->v[i] = -1;
    return status || !shape->known ? status : check_sizes(ctx, "the shape", shape->v, (size_t)shape->n);
}

static tap_status filling_infer(tap_ctx *ctx) {
    const filling *s = ctx->state;
    tap_ints shape;
    tap_status status = base_shape(ctx, &shape);
    if (status || shape.n < 0) return status ? status : tap_out_type(ctx, 0, s->dtype, -1, NULL);
    if ((status = check_sizes(ctx, "extra_shape", s->extra, s->n_extra))) return status;
    if (s->n_extra > TAP_RANK_MAX || shape.n + (int)s->n_extra > TAP_RANK_MAX)
        return tap_fail(ctx, TAP_MODEL, "the output would have %zu dimensions", (size_t)shape.n + s->n_extra);
    for (size_t i = 0; i < s->n_extra; i++) shape.v[shape.n++] = s->extra[i];
    const int64_t count = tap_product(shape.v, shape.n);
    if (s->values && count >= 0 && (uint64_t)count != s->n_values)
        return tap_fail(ctx, tap_misfit(ctx), "there are %zu values for %lld elements", s->n_values,
                        (long long)count);
    return tap_out_type(ctx, 0, s->dtype, shape.n, shape.v);
}

static tap_status filling_run(tap_ctx *ctx) {
    const filling *s = ctx->state;
    tap_tensor *y = ctx->out[0];
    const size_t width = tap_dtype_bytes(y->dtype);
    double room; /* for one element of any number type */
    if (s->values) {
        tap_move_bytes(ctx, y->count * (int64_t)width, s->values, y->data);
        return TAP_OK;
    }
    TAP_ISA_NAME(tap_cast_dense)(TAP_FLOAT, y->dtype, 1, &s->value, &room);
    tap_move_steps(ctx, width, 1, &y->count, (const int64_t[]){0}, (const int64_t[]){(int64_t)width}, &room,
                   y->data);
    return TAP_OK;
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

#define NOTES              .notes = "Experimental, in ONNX up to opset 9."
#define ONE_IN             .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1
#define UNARY(NAME, LOOPS) TAP_ROW_ELEMENTWISE(NAME, 1, 9, 1, LOOPS)
#define FILL               .since = 1, .until = 9, .in_max = 1, .out_min = 1, .out_max = 1, .typed_by = -1

static const tap_op ops[] = {
    {UNARY("Affine", affine_loops), .prepare = params_prepare, NOTES},
    {UNARY("Scale", affine_loops), .prepare = scale_prepare, NOTES},
    {UNARY("ScaledTanh", scaled_tanh_loops), .prepare = params_prepare, NOTES},
    {UNARY("ParametricSoftplus", parametric_softplus_loops), .prepare = params_prepare, NOTES},
    {.name = "ImageScaler",
     .since = 1,
     .until = 9,
     ONE_IN,
     .loops = image_loops,
     .prepare = scaler_prepare,
     .infer = scaler_infer,
     .run = scaler_run,
     NOTES},
    {.name = "Crop",
     .since = 1,
     .until = 9,
     ONE_IN,
     .dtypes = TAP_TYPES_ALL,
     .prepare = crop_prepare,
     .infer = crop_infer,
     .run = crop_run,
     NOTES},
    {.name = "ConstantFill",
     FILL,
     .dtypes = FILLED,
     .prepare = filling_prepare,
     .infer = filling_infer,
     .run = filling_run,
     NOTES},
    {.name = "GivenTensorFill",
     FILL,
     .dtypes = TAP_BIT(TAP_FLOAT),
     .prepare = given_prepare,
     .infer = filling_infer,
     .run = filling_run,
     NOTES},
    {0},
};

TAP_DEFINE_FAMILY(experimental, ops);
