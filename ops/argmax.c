/* ArgMax, ArgMin, Hardmax: where the largest or smallest element along a dimension is. Of equal ones the
 * first (or last, if asked); a NaN counts as the largest and as the smallest, as in NumPy. */
#include "common/floats.h"
#include "common/shape.h"
#include "common/tile.h"
#include "common/widen.h"
#include "core/half.h"

#define WIDTH TAP_TILE_ROWS
/* Rows that are worth turning. */
#define FEW_ROWS 8
/* Columns that a contiguous row is searched as. */
#define LANES 64
#define MANY  (INT32_C(1) << 30)
/* Elements that a task should have. */
#define TASK_ELEMENTS 16384
/* Halves of a group that are widened before they are searched; of more, each is widened when it is looked at.
 */
#define WIDENED_MAX (1 << 18)

/* at[c] = the place of the extreme in column c < width of x[n][stride]; a single column is contiguous where
 * stride is 1. */
typedef void find_fn(const void *x, int64_t n, int64_t width, int64_t stride, int64_t *at);

#define SAME(x) (x)
#define INLINE  static inline __attribute__((always_inline))

typedef enum choice { MAX_FIRST, MAX_LAST, MIN_FIRST, MIN_LAST } choice;

#define X         uint16_t
#define V         float
#define LOAD      tap_f16_to_f32
#define IS_NAN(v) ((v) != (v))
#define F(name)   name##_f16
#include "argmax.inc"

#define X         uint16_t
#define V         float
#define LOAD      tap_bf16_to_f32
#define IS_NAN(v) ((v) != (v))
#define F(name)   name##_bf16
#include "argmax.inc"

#define X         float
#define V         float
#define LOAD      SAME
#define IS_NAN(v) ((v) != (v))
#define F(name)   name##_f32
#include "argmax.inc"

#define X         double
#define V         double
#define LOAD      SAME
#define IS_NAN(v) ((v) != (v))
#define F(name)   name##_f64
#include "argmax.inc"

#define X         int8_t
#define V         int8_t
#define LOAD      SAME
#define IS_NAN(v) 0
#define F(name)   name##_i8
#include "argmax.inc"

#define X         int16_t
#define V         int16_t
#define LOAD      SAME
#define IS_NAN(v) 0
#define F(name)   name##_i16
#include "argmax.inc"

#define X         int32_t
#define V         int32_t
#define LOAD      SAME
#define IS_NAN(v) 0
#define F(name)   name##_i32
#include "argmax.inc"

#define X         int64_t
#define V         int64_t
#define LOAD      SAME
#define IS_NAN(v) 0
#define F(name)   name##_i64
#include "argmax.inc"

#define X         uint8_t
#define V         uint8_t
#define LOAD      SAME
#define IS_NAN(v) 0
#define F(name)   name##_u8
#include "argmax.inc"

#define X         uint16_t
#define V         uint16_t
#define LOAD      SAME
#define IS_NAN(v) 0
#define F(name)   name##_u16
#include "argmax.inc"

#define X         uint32_t
#define V         uint32_t
#define LOAD      SAME
#define IS_NAN(v) 0
#define F(name)   name##_u32
#include "argmax.inc"

#define X         uint64_t
#define V         uint64_t
#define LOAD      SAME
#define IS_NAN(v) 0
#define F(name)   name##_u64
#include "argmax.inc"

#define BY_DTYPE(name)                                                                      \
    {                                                                                       \
        [TAP_FLOAT16] = name##_f16, [TAP_BFLOAT16] = name##_bf16, [TAP_FLOAT] = name##_f32, \
        [TAP_DOUBLE] = name##_f64, [TAP_INT8] = name##_i8, [TAP_INT16] = name##_i16,        \
        [TAP_INT32] = name##_i32, [TAP_INT64] = name##_i64, [TAP_UINT8] = name##_u8,        \
        [TAP_UINT16] = name##_u16, [TAP_UINT32] = name##_u32, [TAP_UINT64] = name##_u64,    \
    }
static find_fn *const max_first[TAP_DTYPE_COUNT] = BY_DTYPE(max_first), *const max_last[TAP_DTYPE_COUNT] =
                                                                            BY_DTYPE(max_last);
static find_fn *const min_first[TAP_DTYPE_COUNT] = BY_DTYPE(min_first), *const min_last[TAP_DTYPE_COUNT] =
                                                                            BY_DTYPE(min_last);

/* ---- The operators ---- */

typedef struct arg_state {
    int64_t axis;
    bool keepdims;
    bool flat;            /* Hardmax below opset 13: the dimensions from axis on are one */
    find_fn *const *find; /* by dtype                                                    */
} arg_state;

/* x[outer][n][inner], searched along n. */
typedef struct job {
    const arg_state *state;
    const tap_tensor *x;
    tap_tensor *y;
    int64_t outer, n, inner, per_outer;
    bool turned; /* rows are short: WIDTH of them go side by side */
    char *room;  /* for each worker: a group in float32; NULL: elements are taken as they are */
    size_t room_bytes;
} job;

/* What a group has: columns c .. c + width of index o, or rows o .. o + width. */
typedef struct group {
    int64_t o, c, width;
} group;

static group group_of(const job *j, int64_t g) {
    if (j->turned) return (group){g * WIDTH, 0, tap_min64(j->outer - g * WIDTH, WIDTH)};
    int64_t c = g % j->per_outer * WIDTH;
    return (group){g / j->per_outer, c, tap_min64(j->inner - c, WIDTH)};
}

static tap_status prepare_arg(tap_ctx *ctx, void **state) {
    arg_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    bool last = tap_opset(ctx) >= 12 && tap_attr_int(ctx, "select_last_index", 0) != 0;
    bool max = strcmp(tap_ctx_op(ctx)->name, "ArgMax") == 0;
    s->axis = tap_attr_int(ctx, "axis", 0);
    s->keepdims = tap_attr_int(ctx, "keepdims", 1) != 0;
    s->find = max ? (last ? max_last : max_first) : (last ? min_last : min_first);
    return TAP_OK;
}

static tap_status prepare_hardmax(tap_ctx *ctx, void **state) {
    arg_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->flat = tap_opset(ctx) < 13;
    s->axis = tap_attr_int(ctx, "axis", s->flat ? 1 : -1);
    s->find = max_first;
    return TAP_OK;
}

static tap_status infer_arg(tap_ctx *ctx) {
    const arg_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t dims[TAP_RANK_MAX], axis = s->axis;
    if (x->rank < 0) return tap_out_type(ctx, 0, TAP_INT64, -1, NULL);
    tap_status status = tap_norm_axes(ctx, &axis, 1, x->rank, false);
    if (status) return status;
    if (x->dims[axis] == 0)
        return tap_fail(ctx, tap_misfit(ctx), "dimension %d has no elements to choose from", (int)axis);
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (i != axis)
            dims[rank++] = x->dims[i];
        else if (s->keepdims)
            dims[rank++] = 1;
    }
    return tap_out_type(ctx, 0, TAP_INT64, rank, dims);
}

static tap_status infer_hardmax(tap_ctx *ctx) {
    const arg_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t axis = s->axis;
    tap_status status = x->rank < 0 ? TAP_OK : tap_norm_axes(ctx, &axis, 1, x->rank, false);
    return status ? status : tap_out_like(ctx, 0, x);
}

/* The group's elements in float32, without a gap: [n][width], or, where it is turned, [width][n]. */
static void widen(const job *j, group g, const char *x, float *y) {
    const size_t each = tap_dtype_bytes(j->x->dtype);
    if (j->inner == 1) {
        TAP_ISA_NAME(tap_floats_in)(j->x->dtype, g.width * j->n, x, (int64_t)each, y);
        return;
    }
    for (int64_t i = 0; i < j->n; i++) TAP_ISA_NAME(tap_floats_in)
    (j->x->dtype, g.width, x + (size_t)(i * j->inner) * each, (int64_t)each, y + i * g.width);
}

/* at[g.width] = the places of the group. */
static void find(const job *j, group g, int worker, int64_t *at) {
    size_t each = tap_dtype_bytes(j->x->dtype);
    const char *x = (const char *)j->x->data + (size_t)(g.o * j->n * j->inner + g.c) * each;
    find_fn *fn = j->state->find[j->x->dtype];
    int64_t stride = j->inner;
    if (j->room) {
        char *room = j->room + (size_t)worker * j->room_bytes;
        widen(j, g, x, (float *)(void *)room);
        fn = j->state->find[TAP_FLOAT];
        each = sizeof(float);
        x = room;
        stride = g.width;
    }
    if (j->turned) {
        _Alignas(64) char tile[TAP_TILE_SHORT * WIDTH * sizeof(double)];
        tap_tile_apart(each, g.width, j->n, x, tile);
        fn(tile, j->n, g.width, g.width, at);
    } else {
        fn(x, j->n, g.width, stride, at);
    }
}

static void arg_groups(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        group g = group_of(j, i);
        find(j, g, worker, (int64_t *)j->y->data + g.o * j->inner + g.c);
    }
}

/* 1 of a float type, by its bits. */
static uint64_t one_of(tap_dtype t) {
    return t == TAP_FLOAT     ? 0x3F800000
           : t == TAP_DOUBLE  ? 0x3FF0000000000000
           : t == TAP_FLOAT16 ? 0x3C00
                              : 0x3F80;
}

static void hardmax_groups(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    size_t bytes = tap_dtype_bytes(j->x->dtype);
    uint64_t bits = one_of(j->x->dtype);
    uint32_t bits32 = (uint32_t)bits;
    uint16_t bits16 = (uint16_t)bits;
    const void *one = bytes == 8 ? (void *)&bits : bytes == 4 ? (void *)&bits32 : (void *)&bits16;
    int64_t at[WIDTH];
    for (int64_t i = begin; i < end; i++) {
        group g = group_of(j, i);
        int64_t next = j->turned ? j->n : 1; /* from the place of one line to that of the next */
        find(j, g, worker, at);
        for (int64_t k = 0; k < g.width; k++)
            memcpy((char *)j->y->data + (size_t)((g.o * j->n + at[k]) * j->inner + g.c + k * next) * bytes,
                   one, bytes);
    }
}

static tap_status run_groups(tap_ctx *ctx, tap_task *task) {
    const arg_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    job j = {.state = s, .x = x, .y = ctx->out[0]};
    int axis;
    if (x->count == 0 || !tap_axis(s->axis, x->rank, &axis)) return TAP_OK;
    j.outer = tap_product(x->dims, axis);
    j.n = s->flat ? tap_product(x->dims + axis, x->rank - axis) : x->dims[axis];
    j.inner = x->count / j.outer / j.n;
    j.per_outer = (j.inner + WIDTH - 1) / WIDTH;
    j.turned = j.inner == 1 && j.n > 1 && j.n <= TAP_TILE_SHORT && j.outer >= FEW_ROWS;
    int64_t groups = j.turned ? (j.outer + WIDTH - 1) / WIDTH : j.outer * j.per_outer;
    int64_t elements = j.n * (j.turned ? WIDTH : tap_min64(j.inner, WIDTH));
    if (tap_is_half(x->dtype) && elements <= WIDENED_MAX) {
        j.room_bytes = tap_round_up((size_t)elements * sizeof(float), TAP_ALIGN);
        if (!(j.room = tap_scratch(ctx, j.room_bytes * (size_t)tap_workers(ctx)))) return TAP_MEMORY;
    }
    tap_parallel(ctx, groups, tap_max64(1, TASK_ELEMENTS / elements), task, &j);
    return TAP_OK;
}

static tap_status run_arg(tap_ctx *ctx) {
    return run_groups(ctx, arg_groups);
}

static tap_status run_hardmax(tap_ctx *ctx) {
    memset(ctx->out[0]->data, 0, (size_t)ctx->out[0]->count * tap_dtype_bytes(ctx->out[0]->dtype));
    return run_groups(ctx, hardmax_groups);
}

#define ARG(op)                                                                                 \
    {                                                                                           \
        .name = op, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,           \
        .dtypes = TAP_TYPES_NUMERIC, .prepare = prepare_arg, .infer = infer_arg, .run = run_arg \
    }

static const tap_op ops[] = {
    ARG("ArgMax"),
    ARG("ArgMin"),
    {.name = "Hardmax",
     .since = 1,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = prepare_hardmax,
     .infer = infer_hardmax,
     .run = run_hardmax},
    {0},
};

TAP_DEFINE_FAMILY(argmax, ops);
