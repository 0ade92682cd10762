/* Max, Min, Sum, Mean of any number of inputs: pairs of inputs through the loop for two, block by block;
 * small floats gather in float32. Max and Min of NaN and a number are NaN, as in NumPy. */
#include <string.h>

#include "common/elementwise.h"
#include "common/floats.h"

enum { BLOCK = 256 };

typedef struct variadic {
    int32_t n; /* inputs */
    float n_float;
    double n_double;
} variadic;

/* How a dtype is folded. */
typedef struct fold {
    tap_loop *pair;   /* two accumulators into one                                                 */
    tap_loop *divide; /* accumulator by n; NULL: no mean                                            */
    tap_dtype dtype;  /* of inputs and output                                                       */
    bool widened;     /* the accumulator is float32, else dtype                                     */
} fold;

/* m elements of input k from element `at`, as the accumulator's type. */
static char *input(const fold *f, char *const *p, const int64_t *step, int k, int64_t at, int64_t m,
                   float *room, int64_t *to_step) {
    char *x = p[k] + at * step[k];
    *to_step = step[k];
    if (!f->widened) return x;
    TAP_ISA_NAME(tap_floats_in)(f->dtype, step[k] == 0 ? 1 : m, x, step[k], room);
    *to_step = step[k] == 0 ? 0 : (int64_t)sizeof *room;
    return (char *)room;
}

static void fold_block(const fold *f, const variadic *s, char *const *p, const int64_t *step, int64_t at,
                       int64_t m) {
    double room[3][BLOCK]; /* accumulator, two inputs widened */
    const int n = s->n;
    const int64_t each = f->widened ? (int64_t)sizeof(float) : (int64_t)tap_dtype_bytes(f->dtype);
    const bool direct = !f->widened;
    char *y = p[n] + at * step[n], *const sum = (char *)room[0];
    int64_t to_step[3] = {0, 0, each};
    char *q[3] = {input(f, p, step, 0, at, m, (float *)room[1], &to_step[0]), NULL, sum};
    for (int k = 1; k < n; k++) {
        q[1] = input(f, p, step, k, at, m, (float *)room[2], &to_step[1]);
        /* The output's memory may be that of an input: it is written when all have been read. */
        if (k == n - 1 && direct && !f->divide) q[2] = y, to_step[2] = step[n];
        f->pair(m, q, to_step, NULL);
        q[0] = sum;
        to_step[0] = each;
    }
    if (f->divide) {
        q[1] = (char *)(uintptr_t)(f->dtype == TAP_DOUBLE ? (const void *)&s->n_double
                                                          : (const void *)&s->n_float);
        to_step[1] = 0;
        if (direct) q[2] = y, to_step[2] = step[n];
        f->divide(m, q, to_step, NULL);
    }
    if (f->widened) TAP_ISA_NAME(tap_floats_out)(f->dtype, m, (const float *)sum, y, step[n]);
}

static void copy(int64_t n, char *const *p, const int64_t *step, size_t each) {
    TAP_EACH memmove(p[1] + i * step[1], p[0] + i * step[0], each);
}

static void run(const fold *f, const variadic *s, int64_t n, char *const *p, const int64_t *step) {
    if (s->n == 1) {
        copy(n, p, step, tap_dtype_bytes(f->dtype));
        return;
    }
    if (s->n == 2 && !f->widened && !f->divide) {
        f->pair(n, p, step, NULL);
        return;
    }
    for (int64_t at = 0; at < n; at += BLOCK) fold_block(f, s, p, step, at, tap_min64(BLOCK, n - at));
}

/* ---- Loops ----------------------------------------------------------------------------------------- */

#define FLOATS2(NAME, EXPR)                     \
    TAP_LOOP2(NAME##_FLOAT, float, float, EXPR) \
    TAP_LOOP2(NAME##_DOUBLE, double, double, EXPR)
FLOATS2(max2, ((a > b) | (a != a)) ? a : b)
FLOATS2(min2, ((a < b) | (a != a)) ? a : b)
FLOATS2(sum2, a + b)
FLOATS2(divide, a / b)
#define PAIR(NAME, T, EXPR) TAP_LOOP2(NAME, T, T, EXPR)
TAP_FOR_INTS(PAIR, max2, a > b ? a : b)
TAP_FOR_INTS(PAIR, min2, a < b ? a : b)

#define FOLD(NAME, PAIR_LOOP, DIVIDE, DTYPE, WIDENED)                    \
    TAP_LOOP(NAME##_##DTYPE) {                                           \
        static const fold f = {PAIR_LOOP, DIVIDE, TAP_##DTYPE, WIDENED}; \
        run(&f, state, n, p, step);                                      \
    }
#define FOLD_FLOATS(NAME, PAIR_NAME, DIVIDE_FLOAT, DIVIDE_DOUBLE) \
    FOLD(NAME, PAIR_NAME##_FLOAT, DIVIDE_FLOAT, FLOAT, false)     \
    FOLD(NAME, PAIR_NAME##_FLOAT, DIVIDE_FLOAT, FLOAT16, true)    \
    FOLD(NAME, PAIR_NAME##_FLOAT, DIVIDE_FLOAT, BFLOAT16, true)   \
    FOLD(NAME, PAIR_NAME##_DOUBLE, DIVIDE_DOUBLE, DOUBLE, false)
#define FOLD_INT(NAME, PAIR_NAME, DTYPE) FOLD(NAME, PAIR_NAME##_##DTYPE, NULL, DTYPE, false)
#define FOLD_INTS(NAME, PAIR_NAME)   \
    FOLD_INT(NAME, PAIR_NAME, INT8)  \
    FOLD_INT(NAME, PAIR_NAME, INT16) \
    FOLD_INT(NAME, PAIR_NAME, INT32) \
    FOLD_INT(NAME, PAIR_NAME, INT64) \
    FOLD_INT(NAME, PAIR_NAME, UINT8) \
    FOLD_INT(NAME, PAIR_NAME, UINT16) FOLD_INT(NAME, PAIR_NAME, UINT32) FOLD_INT(NAME, PAIR_NAME, UINT64)

FOLD_FLOATS(max, max2, NULL, NULL)
FOLD_FLOATS(min, min2, NULL, NULL)
FOLD_FLOATS(sum, sum2, NULL, NULL)
FOLD_FLOATS(mean, sum2, divide_FLOAT, divide_DOUBLE)
FOLD_INTS(max, max2)
FOLD_INTS(min, min2)

static tap_loop *const max_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(max), TAP_ROW_INTS(max)};
static tap_loop *const min_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(min), TAP_ROW_INTS(min)};
static tap_loop *const sum_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(sum)};
static tap_loop *const mean_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(mean)};

/* ---- Rows ------------------------------------------------------------------------------------------ */

static tap_status prepare(tap_ctx *ctx, void **state) {
    variadic *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    for (int i = 0; i < ctx->n_in; i++)
        if (!tap_has_in(ctx, i)) return tap_fail(ctx, TAP_MODEL, "input %d has no name", i);
    s->n = ctx->n_in;
    s->n_float = (float)s->n;
    s->n_double = s->n;
    *state = s;
    void *none;
    return tap_prepare_consumed(ctx, &none);
}

/* Below opset 8 nothing broadcasts. */
static tap_status one_shape(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0);
    for (int i = 1; i < ctx->n_in; i++) {
        const tap_type *b = tap_in_type(ctx, i);
        bool same = a->rank < 0 || b->rank < 0 || a->rank == b->rank;
        for (int d = 0; same && d < a->rank && d < b->rank; d++)
            same = a->dims[d] < 0 || b->dims[d] < 0 || a->dims[d] == b->dims[d];
        if (!same)
            return tap_fail(ctx, TAP_MODEL, "below opset 8 all inputs must have one shape; input %d differs",
                            i);
    }
    return TAP_OK;
}

static tap_status infer(tap_ctx *ctx) {
    tap_status st = tap_same_dtypes(ctx, 0);
    if (st == TAP_OK && tap_opset(ctx) < 8) st = one_shape(ctx);
    return st == TAP_OK ? tap_out_broadcast(ctx, 0, tap_in_type(ctx, 0)->dtype, 0, ctx->n_in - 1) : st;
}

#define ROW(NAME, LOOPS)                                                                            \
    {                                                                                               \
        .name = NAME, .since = 1, .in_min = 1, .in_max = -1, .out_min = 1, .out_max = 1,            \
        .flags = TAP_ELEMENTWISE | TAP_IN_PLACE, .loops = LOOPS, .prepare = prepare, .infer = infer \
    }

static const tap_op ops[] = {
    ROW("Max", max_loops), ROW("Min", min_loops), ROW("Sum", sum_loops), ROW("Mean", mean_loops), {0}};

TAP_DEFINE_FAMILY(variadic, ops);
