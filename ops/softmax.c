/* Softmax, LogSoftmax. Below opset 13 the dimensions from `axis` on are one; from 13 on the axis is one
 * dimension. */
#include "common/softmax.h"

#include "common/floats.h"
#include "common/shape.h"

/* Elements that a task should have. */
#define TASK_ELEMENTS 16384

typedef struct softmax_state {
    int64_t axis;
    bool log, flat;
} softmax_state;

/* Short rows are transposed, so that TAP_SOFTMAX_WIDTH of them go side by side. */
#define SHORT 32

static tap_status prepare(tap_ctx *ctx, void **state, bool flat) {
    softmax_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->flat = flat;
    s->axis = tap_attr_int(ctx, "axis", flat ? 1 : -1);
    s->log = tap_ctx_op(ctx)->name[0] == 'L';
    return TAP_OK;
}

static tap_status prepare_flat(tap_ctx *ctx, void **state) {
    return prepare(ctx, state, true);
}
static tap_status prepare_axis(tap_ctx *ctx, void **state) {
    return prepare(ctx, state, false);
}

static tap_status infer(tap_ctx *ctx) {
    const softmax_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t axis = s->axis;
    if (x->rank >= 0) {
        tap_status status = tap_norm_axes(ctx, &axis, 1, x->rank, false);
        if (status) return status;
    }
    return tap_out_like(ctx, 0, x);
}

/* ---- Groups of columns, or of rows, on one worker ---- */

typedef struct job {
    const char *x;
    char *y;
    tap_dtype dtype;
    size_t bytes;            /* of an element                                                      */
    int64_t outer, n, inner; /* x[outer][n][inner]: along n                                        */
    int64_t per_outer;       /* inner > 1: groups of columns in one index of outer                 */
    bool log;
    char *wide; /* halves: room for a group in float32, for each worker               */
    size_t wide_bytes;
} job;

static void softmax(const job *j, const void *x, void *y, int64_t width, int64_t stride) {
    if (j->dtype == TAP_DOUBLE)
        tap_softmax_f64(x, y, j->n, width, stride, j->log);
    else
        tap_softmax_f32(x, y, j->n, width, stride, j->log);
}

static void columns(const job *j, int64_t group, float *wide) {
    int64_t o = group / j->per_outer, c = group % j->per_outer * TAP_SOFTMAX_WIDTH;
    int64_t width = tap_min64(j->inner - c, TAP_SOFTMAX_WIDTH);
    size_t at = (size_t)(o * j->n * j->inner + c) * j->bytes, row = (size_t)j->inner * j->bytes;
    if (!wide) {
        softmax(j, j->x + at, j->y + at, width, j->inner);
        return;
    }
    for (int64_t i = 0; i < j->n; i++)
        TAP_ISA_NAME(tap_floats_in)(j->dtype, width, j->x + at + (size_t)i * row, 2, wide + i * width);
    softmax(j, wide, wide, width, width);
    for (int64_t i = 0; i < j->n; i++)
        TAP_ISA_NAME(tap_floats_out)(j->dtype, width, wide + i * width, j->y + at + (size_t)i * row, 2);
}

static void long_row(const job *j, int64_t o, float *wide) {
    size_t at = (size_t)(o * j->n) * j->bytes;
    if (!wide) {
        softmax(j, j->x + at, j->y + at, 1, 1);
        return;
    }
    TAP_ISA_NAME(tap_floats_in)(j->dtype, j->n, j->x + at, 2, wide);
    softmax(j, wide, wide, 1, 1);
    TAP_ISA_NAME(tap_floats_out)(j->dtype, j->n, wide, j->y + at, 2);
}

#define TRANSPOSED(NAME, T)                                                          \
    static void NAME(const job *j, const T *x, T *y, int64_t rows) {                 \
        T tile[SHORT * TAP_SOFTMAX_WIDTH];                                           \
        for (int64_t i = 0; i < j->n; i++)                                           \
            for (int64_t r = 0; r < rows; r++) tile[i * rows + r] = x[r * j->n + i]; \
        softmax(j, tile, tile, rows, rows);                                          \
        for (int64_t r = 0; r < rows; r++)                                           \
            for (int64_t i = 0; i < j->n; i++) y[r * j->n + i] = tile[i * rows + r]; \
    }
TRANSPOSED(transposed_f32, float)
TRANSPOSED(transposed_f64, double)

static void short_rows(const job *j, int64_t group, float *wide) {
    int64_t o = group * TAP_SOFTMAX_WIDTH, rows = tap_min64(j->outer - o, TAP_SOFTMAX_WIDTH), n = rows * j->n;
    const char *x = j->x + (size_t)(o * j->n) * j->bytes;
    char *y = j->y + (size_t)(o * j->n) * j->bytes;
    if (wide) {
        TAP_ISA_NAME(tap_floats_in)(j->dtype, n, x, 2, wide);
        transposed_f32(j, wide, wide, rows);
        TAP_ISA_NAME(tap_floats_out)(j->dtype, n, wide, y, 2);
    } else if (j->dtype == TAP_DOUBLE) {
        transposed_f64(j, (const double *)(const void *)x, (double *)(void *)y, rows);
    } else {
        transposed_f32(j, (const float *)(const void *)x, (float *)(void *)y, rows);
    }
}

static void groups(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    float *wide = j->wide ? (float *)(void *)(j->wide + (size_t)worker * j->wide_bytes) : NULL;
    for (int64_t g = begin; g < end; g++) {
        if (j->inner > 1)
            columns(j, g, wide);
        else if (j->n > SHORT)
            long_row(j, g, wide);
        else
            short_rows(j, g, wide);
    }
}

/* ---- Run ---- */

/* Groups that there are; *elements: of one of them. */
static int64_t n_groups(job *j, int64_t *elements) {
    j->per_outer = (j->inner + TAP_SOFTMAX_WIDTH - 1) / TAP_SOFTMAX_WIDTH;
    *elements = j->n * tap_min64(j->inner, TAP_SOFTMAX_WIDTH);
    if (j->inner > 1) return j->outer * j->per_outer;
    if (j->n > SHORT) return j->outer;
    *elements = j->n * TAP_SOFTMAX_WIDTH;
    return (j->outer + TAP_SOFTMAX_WIDTH - 1) / TAP_SOFTMAX_WIDTH;
}

static tap_status run(tap_ctx *ctx) {
    const softmax_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    job j = {.x = x->data,
             .y = ctx->out[0]->data,
             .dtype = x->dtype,
             .bytes = tap_dtype_bytes(x->dtype),
             .log = s->log};
    int64_t elements;
    int axis;
    if (x->count == 0 || !tap_axis(s->axis, x->rank, &axis)) return TAP_OK;
    j.outer = tap_product(x->dims, axis);
    j.n = s->flat ? tap_product(x->dims + axis, x->rank - axis) : x->dims[axis];
    j.inner = x->count / j.outer / j.n;
    int64_t n = n_groups(&j, &elements);
    if (j.bytes == 2) {
        j.wide_bytes = tap_round_up((size_t)elements * sizeof(float), TAP_ALIGN);
        j.wide = tap_scratch(ctx, j.wide_bytes * (size_t)tap_workers(ctx));
        if (!j.wide) return TAP_MEMORY;
    }
    tap_parallel(ctx, n, tap_max64(1, TASK_ELEMENTS / elements), groups, &j);
    return TAP_OK;
}

#define SOFTMAX(op)                                                                                \
    {.name = op,                                                                                   \
     .since = 1,                                                                                   \
     .until = 12,                                                                                  \
     .in_min = 1,                                                                                  \
     .in_max = 1,                                                                                  \
     .out_min = 1,                                                                                 \
     .out_max = 1,                                                                                 \
     .flags = TAP_IN_PLACE,                                                                        \
     .dtypes = TAP_TYPES_FLOAT,                                                                    \
     .prepare = prepare_flat,                                                                      \
     .infer = infer,                                                                               \
     .run = run},                                                                                  \
    {                                                                                              \
        .name = op, .since = 13, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,             \
        .flags = TAP_IN_PLACE, .dtypes = TAP_TYPES_FLOAT, .prepare = prepare_axis, .infer = infer, \
        .run = run                                                                                 \
    }

static const tap_op ops[] = {SOFTMAX("Softmax"), SOFTMAX("LogSoftmax"), {0}};

TAP_DEFINE_FAMILY(softmax, ops);
