/* Dropout: the input itself, or, where a model asks for training, the input with random elements set to 0. */
#include "common/move.h"
#include "common/philox.h"
#include "common/scalar.h"
#include "common/shape.h"

typedef struct dropout_state {
    bool training; /* until opset 6: is_test is 0 */
    float ratio;   /* until opset 11              */
    bool has_seed;
    int64_t seed;
} dropout_state;

static tap_status dropout_prepare(tap_ctx *ctx, void **state) {
    dropout_state *s = tap_state(ctx, sizeof *s);
    int64_t opset = tap_opset(ctx);
    if (!s) return TAP_MEMORY;
    *state = s;
    if (opset < 6) tap_attr_ints(ctx, "consumed_inputs", &(size_t){0});
    if (opset < 7) s->training = tap_attr_int(ctx, "is_test", 0) == 0;
    if (opset < 12) s->ratio = tap_attr_float(ctx, "ratio", 0.5f);
    if (opset < 12) return TAP_OK;
    s->has_seed = tap_attr_has(ctx, "seed");
    s->seed = tap_attr_int(ctx, "seed", 0);
    return TAP_OK;
}

static tap_status dropout_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = tap_need_dtype(ctx, 1, TAP_TYPES_FLOAT | TAP_TYPES_FLOAT8, "ratio");
    if (!status) status = tap_need_dtype(ctx, 2, TAP_BIT(TAP_BOOL), "training_mode");
    if (!status) status = tap_need_one(ctx, 1, "ratio");
    if (!status) status = tap_need_one(ctx, 2, "training_mode");
    if (!status) status = tap_out_like(ctx, 0, x);
    if (status) return status;
    /* The mask was of the data's type before opset 10. */
    return tap_out_type(ctx, 1, tap_opset(ctx) < 10 ? x->dtype : TAP_BOOL, x->rank, x->dims);
}

typedef struct dropout {
    const tap_tensor *x;
    tap_tensor *y, *mask; /* mask: NULL where absent */
    double ratio;
    uint64_t seed;
} dropout;

#define BLOCK 256

/* y = x * factor, factor 0 or 1 / (1 - ratio). */
static void scale_block(const dropout *d, int64_t from, int64_t n, const double *factor) {
    size_t width = tap_dtype_bytes(d->x->dtype);
    const char *x = (const char *)d->x->data + (size_t)from * width;
    char *y = (char *)d->y->data + (size_t)from * width;
    float wide[BLOCK];
    if (d->x->dtype == TAP_DOUBLE) {
        for (int64_t i = 0; i < n; i++)
            ((double *)(void *)y)[i] = ((const double *)(const void *)x)[i] * factor[i];
        return;
    }
    if (d->x->dtype == TAP_FLOAT)
        memcpy(wide, x, (size_t)n * sizeof *wide);
    else
        tap_floats_to_f32(d->x->dtype, n, x, wide);
    for (int64_t i = 0; i < n; i++) wide[i] *= (float)factor[i];
    if (d->x->dtype == TAP_FLOAT)
        memcpy(y, wide, (size_t)n * sizeof *wide);
    else
        tap_floats_from_f32(d->x->dtype, n, wide, y);
}

static void mask_block(const tap_tensor *mask, int64_t from, int64_t n, const double *factor) {
    size_t width = tap_dtype_bytes(mask->dtype);
    char *m = (char *)mask->data + (size_t)from * width;
    for (int64_t i = 0; i < n; i++) {
        float one = factor[i] != 0;
        if (mask->dtype == TAP_BOOL)
            m[i] = factor[i] != 0;
        else if (mask->dtype == TAP_DOUBLE)
            ((double *)(void *)m)[i] = (double)one;
        else if (mask->dtype == TAP_FLOAT)
            ((float *)(void *)m)[i] = one;
        else
            tap_floats_from_f32(mask->dtype, 1, &one, m + (size_t)i * width);
    }
}

static void dropout_task(void *arg, int64_t begin, int64_t end, int worker) {
    const dropout *d = arg;
    double u[BLOCK];
    (void)worker;
    for (int64_t i = begin; i < end; i += BLOCK) {
        int64_t n = tap_min64(BLOCK, end - i);
        tap_random_uniform(d->seed, i, n, u);
        for (int64_t k = 0; k < n; k++) u[k] = u[k] >= d->ratio ? 1 / (1 - d->ratio) : 0;
        scale_block(d, i, n, u);
        if (d->mask) mask_block(d->mask, i, n, u);
    }
}

static void keep_all(tap_ctx *ctx, const tap_tensor *x, tap_tensor *y, tap_tensor *mask) {
    double ones[BLOCK];
    if (y->data != x->data)
        tap_move_bytes(ctx, x->count * (int64_t)tap_dtype_bytes(x->dtype), x->data, y->data);
    for (int i = 0; i < BLOCK; i++) ones[i] = 1;
    for (int64_t i = 0; mask && i < mask->count; i += BLOCK)
        mask_block(mask, i, tap_min64(BLOCK, mask->count - i), ones);
}

static tap_status dropout_run(tap_ctx *ctx) {
    const dropout_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *ratio = ctx->n_in > 1 ? ctx->in[1] : NULL;
    const tap_tensor *training = ctx->n_in > 2 ? ctx->in[2] : NULL;
    dropout d = {.x = x, .y = ctx->out[0], .mask = ctx->n_out > 1 ? ctx->out[1] : NULL};
    bool train = s->training || (training && *(const uint8_t *)training->data);
    d.ratio = tap_opset(ctx) < 12 ? (double)s->ratio : ratio ? tap_real_at(ratio, 0) : 0.5;
    if (!train || d.ratio == 0) {
        keep_all(ctx, x, d.y, d.mask);
        return TAP_OK;
    }
    if (!(d.ratio > 0 && d.ratio < 1))
        return tap_fail(ctx, TAP_RUN, "ratio is %g; it must be at least 0 and below 1", d.ratio);
    float seed = (float)s->seed;
    d.seed = tap_seed_of(ctx, s->has_seed ? &seed : NULL);
    tap_parallel(ctx, x->count, 16 * BLOCK, dropout_task, &d);
    return TAP_OK;
}

#define DROPOUT \
    .out_min = 1, .out_max = 2, .prepare = dropout_prepare, .infer = dropout_infer, .run = dropout_run

static const tap_op ops[] = {
    {.name = "Dropout",
     .since = 1,
     .until = 6,
     .in_min = 1,
     .in_max = 1,
     DROPOUT,
     .flags = TAP_IN_PLACE | TAP_RANDOM,
     TAP_RANDOM_NOTES,
     .dtypes = TAP_TYPES_FLOAT},
    {.name = "Dropout",
     .since = 7,
     .until = 11,
     .in_min = 1,
     .in_max = 1,
     DROPOUT,
     .flags = TAP_IN_PLACE,
     .notes = "The mask is 1 everywhere.",
     .dtypes = TAP_TYPES_FLOAT},
    {.name = "Dropout",
     .since = 12,
     .in_min = 1,
     .in_max = 3,
     DROPOUT,
     .flags = TAP_IN_PLACE | TAP_RANDOM,
     TAP_RANDOM_NOTES,
     .dtypes = TAP_TYPES_FLOAT | TAP_TYPES_FLOAT8},
    {0},
};

TAP_DEFINE_FAMILY(dropout, ops);
