/* OneHot, EyeLike, Trilu: values set where the place says so. */
#include "common/move.h"
#include "common/scalar.h"
#include "common/shape.h"

#define TAP_WORD_LOOPS "pattern.inc"
#include "common/words.inc"

typedef void set_loop(int64_t n, const int64_t *at, const void *value, char *y);
static set_loop *const set_at[] = {set_at_w1, set_at_w2, set_at_w4, set_at_w8, set_at_w16};

static void fill(tap_ctx *ctx, tap_tensor *y, const void *value) {
    int64_t width = (int64_t)tap_dtype_bytes(y->dtype);
    tap_move_steps(ctx, (size_t)width, 1, &y->count, (const int64_t[]){0}, &width, value, y->data);
}

/* ---- OneHot ---- */

static tap_status onehot_prepare(tap_ctx *ctx, void **state) {
    int64_t *axis = tap_state(ctx, sizeof *axis);
    if (!axis) return TAP_MEMORY;
    *axis = tap_attr_int(ctx, "axis", -1);
    *state = axis;
    return TAP_OK;
}

static tap_status onehot_depth(tap_ctx *ctx, int64_t *depth) {
    const tap_tensor *t = tap_in_known(ctx, 1);
    *depth = -1;
    if (!t) return TAP_OK;
    *depth = tap_cut_at(t, 0);
    if (*depth < 0) return tap_fail(ctx, tap_misfit(ctx), "depth is %lld", (long long)*depth);
    return TAP_OK;
}

static tap_status onehot_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *values = tap_in_type(ctx, 2);
    int64_t depth, dims[TAP_RANK_MAX];
    int axis;
    tap_status status = tap_need_dtype(ctx, 1, TAP_TYPES_NUMERIC, "depth");
    if (!status) status = tap_need_one(ctx, 1, "depth");
    if (!status) status = onehot_depth(ctx, &depth);
    if (!status) status = tap_need_rank(ctx, 2, 1, 1, "values");
    if (status) return status;
    if (values->rank == 1 && values->dims[0] >= 0 && values->dims[0] != 2)
        return tap_fail(ctx, tap_misfit(ctx), "values has %lld elements, not two",
                        (long long)values->dims[0]);
    if (x->rank < 0) return tap_out_type(ctx, 0, values->dtype, -1, NULL);
    if (x->rank == TAP_RANK_MAX)
        return tap_fail(ctx, tap_misfit(ctx), "the output's rank is more than %d", TAP_RANK_MAX);
    if (!tap_axis(*(const int64_t *)ctx->state, x->rank + 1, &axis))
        return tap_fail(ctx, tap_misfit(ctx), "axis %lld is out of range for rank %d",
                        (long long)*(const int64_t *)ctx->state, x->rank + 1);
    for (int i = 0, k = 0; i <= x->rank; i++) dims[i] = i == axis ? depth : x->dims[k++];
    return tap_out_type(ctx, 0, values->dtype, x->rank + 1, dims);
}

/* Indices that are read at once. */
#define BLOCK 256

/* out[0..n) = elements from .. from + n of x as integers, fractions cut off; INT64_MIN: none that an index
 * can be. */
static void read_cut(const tap_tensor *x, int64_t from, int64_t n, int64_t *out) {
#define CUT(DTYPE, T, VALUE)                                       \
    case TAP_##DTYPE: {                                            \
        const T *p = (const T *)x->data + from;                    \
        for (int64_t i = 0; i < n; i++) out[i] = (int64_t)(VALUE); \
        return;                                                    \
    }
    float wide[BLOCK];
    switch (x->dtype) {
        CUT(INT8, int8_t, p[i])
        CUT(INT16, int16_t, p[i])
        CUT(INT32, int32_t, p[i])
        CUT(INT64, int64_t, p[i])
        CUT(UINT8, uint8_t, p[i])
        CUT(UINT16, uint16_t, p[i])
        CUT(UINT32, uint32_t, p[i])
        CUT(UINT64, uint64_t, p[i] > INT64_MAX ? (uint64_t)INT64_MAX + 1 : p[i])
        CUT(FLOAT, float, tap_int64_of_double((double)p[i]))
        CUT(DOUBLE, double, tap_int64_of_double(p[i]))
    default: /* float16, bfloat16 */
        tap_floats_to_f32(x->dtype, n, (const uint16_t *)x->data + from, wide);
        for (int64_t i = 0; i < n; i++) out[i] = tap_int64_of_double((double)wide[i]);
    }
#undef CUT
}

typedef struct onehot {
    const tap_tensor *x;
    char *y;
    const char *on;
    int64_t depth, post;
    int width; /* its log2 */
    bool negative;
} onehot;

/* at[0..n): indices from element `from` on -> elements of y; -1: none. */
static void places(const onehot *o, int64_t from, int64_t n, int64_t *at) {
    const int64_t depth = o->depth, post = o->post;
    int64_t p = from / post, q = from % post;
    for (int64_t i = 0; i < n; i++) {
        int64_t v = at[i];
        if (v < 0 && v >= -depth && o->negative) v += depth;
        at[i] = v >= 0 && v < depth ? (p * depth + v) * post + q : -1;
        if (++q == post) {
            q = 0;
            p++;
        }
    }
}

static void onehot_task(void *arg, int64_t begin, int64_t end, int worker) {
    const onehot *o = arg;
    int64_t at[BLOCK];
    (void)worker;
    for (int64_t from = begin; from < end; from += BLOCK) {
        const int64_t n = tap_min64(BLOCK, end - from);
        read_cut(o->x, from, n, at);
        places(o, from, n, at);
        set_at[o->width](n, at, o->on, o->y);
    }
}

/* y[pre][depth][post] is `off`, but `on` at [p][x[p][q]][q]. Indices before opset 11 may not be negative. */
static tap_status onehot_run(tap_ctx *ctx) {
    tap_tensor *y = ctx->out[0];
    const size_t width = tap_dtype_bytes(y->dtype);
    const char *off = ctx->in[2]->data;
    onehot o = {.x = ctx->in[0], .y = y->data, .on = off + width, .negative = tap_opset(ctx) >= 11};
    int axis;
    if (!tap_axis(*(const int64_t *)ctx->state, y->rank, &axis))
        return tap_fail(ctx, TAP_RUN, "axis out of range");
    o.width = __builtin_ctzll(width);
    o.depth = y->dims[axis];
    o.post = tap_product(o.x->dims + axis, o.x->rank - axis);
    fill(ctx, y, off);
    if (o.depth > 0) tap_parallel(ctx, o.x->count, 16384, onehot_task, &o);
    return TAP_OK;
}

/* ---- EyeLike ---- */

typedef struct eye_state {
    int64_t k;
    tap_dtype dtype; /* TAP_UNDEFINED: the input's */
} eye_state;

#define EYE_TYPES (TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL))

static tap_status eye_prepare(tap_ctx *ctx, void **state) {
    eye_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->k = tap_attr_int(ctx, "k", 0);
    if (!tap_attr_has(ctx, "dtype")) return TAP_OK;
    int64_t dtype = tap_attr_int(ctx, "dtype", 0);
    if (dtype <= 0 || dtype >= TAP_DTYPE_COUNT || !(TAP_BIT(dtype) & EYE_TYPES))
        return tap_fail(ctx, TAP_MODEL, "dtype %lld is no type for this operator", (long long)dtype);
    s->dtype = (tap_dtype)dtype;
    return TAP_OK;
}

static tap_status eye_infer(tap_ctx *ctx) {
    const eye_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = tap_need_rank(ctx, 0, 2, 2, "the input");
    if (status) return status;
    return tap_out_type(ctx, 0, s->dtype ? s->dtype : x->dtype, x->rank, x->dims);
}

/* 1 in that type; the type's bytes are used. */
static uint64_t one_of(tap_dtype t) {
    float one = 1;
    uint64_t bits = 1;
    double wide = 1;
    if (t == TAP_DOUBLE)
        memcpy(&bits, &wide, sizeof wide);
    else if (t == TAP_FLOAT)
        memcpy(&bits, &one, sizeof one);
    else if (t == TAP_FLOAT16 || t == TAP_BFLOAT16)
        tap_floats_from_f32(t, 1, &one, &bits);
    return bits;
}

static tap_status eye_run(tap_ctx *ctx) {
    const eye_state *s = ctx->state;
    tap_tensor *y = ctx->out[0];
    int64_t rows = y->dims[0], columns = y->dims[1];
    size_t width = tap_dtype_bytes(y->dtype);
    uint64_t zero[2] = {0, 0}, one = one_of(y->dtype);
    fill(ctx, y, zero);
    if (s->k <= -rows || s->k >= columns) return TAP_OK;
    for (int64_t i = tap_max64(0, -s->k); i < rows && i + s->k < columns; i++)
        memcpy((char *)y->data + (i * columns + i + s->k) * (int64_t)width, &one, width);
    return TAP_OK;
}

/* ---- Trilu ---- */

static tap_status trilu_prepare(tap_ctx *ctx, void **state) {
    bool *upper = tap_state(ctx, sizeof *upper);
    if (!upper) return TAP_MEMORY;
    *upper = tap_attr_int(ctx, "upper", 1) != 0;
    *state = upper;
    return TAP_OK;
}

static tap_status trilu_infer(tap_ctx *ctx) {
    tap_status status = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "the input");
    if (!status) status = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT64), "k");
    if (!status) status = tap_need_one(ctx, 1, "k");
    if (status) return status;
    return tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

typedef struct trilu {
    const char *x;
    char *y;
    int64_t rows, columns, k, width;
    bool upper;
    /* Small matrices, several at a time: what of their bytes is kept. */
    uint64_t *kept;
    int64_t mask_bytes, all_bytes;
} trilu;

/* Bytes of a row that are 0 in front, upper, or are kept: up to the first column above, or beyond, the
 * diagonal. */
static int64_t head_bytes(const trilu *t, int64_t row) {
    int64_t cut = row % t->rows + t->k + !t->upper;
    return tap_max64(0, tap_min64(cut, t->columns)) * t->width;
}

static void trilu_task(void *arg, int64_t begin, int64_t end, int worker) {
    const trilu *t = arg;
    int64_t row_bytes = t->columns * t->width;
    (void)worker;
    for (int64_t r = begin; r < end; r++) {
        const char *x = t->x + r * row_bytes;
        char *y = t->y + r * row_bytes;
        int64_t head = head_bytes(t, r);
        if (t->upper) {
            memset(y, 0, (size_t)head);
            memcpy(y + head, x + head, (size_t)(row_bytes - head));
        } else {
            memcpy(y, x, (size_t)head);
            memset(y + head, 0, (size_t)(row_bytes - head));
        }
    }
}

/* A word at a time; what is less than one is at the end. */
static void masked(const char *x, const uint64_t *kept, char *y, int64_t n_bytes) {
    const int64_t n = n_bytes / 8;
    for (int64_t i = 0; i < n; i++) ((tap_w8 *)y)[i] = ((const tap_w8 *)x)[i] & kept[i];
    for (int64_t i = n * 8; i < n_bytes; i++)
        y[i] = (char)((unsigned char)x[i] & ((const unsigned char *)kept)[i]);
}

static void masked_task(void *arg, int64_t begin, int64_t end, int worker) {
    const trilu *t = arg;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t from = unit * t->mask_bytes;
        masked(t->x + from, t->kept, t->y + from, tap_min64(t->mask_bytes, t->all_bytes - from));
    }
}

/* Matrices with short rows: as many as make a few thousand bytes, eight of them at least, so that they end
 * with a word. */
static bool trilu_masked(tap_ctx *ctx, trilu *t) {
    const int64_t row = t->columns * t->width, matrix = t->rows * row, at_once = 8 * (1 + 512 / matrix);
    if (row > 128 || matrix > 4096) return false;
    t->mask_bytes = at_once * matrix;
    t->kept = tap_scratch(ctx, (size_t)t->mask_bytes);
    if (!t->kept) return false;
    for (int64_t r = 0; r < at_once * t->rows; r++) {
        char *kept = (char *)t->kept + r * row;
        const int64_t head = head_bytes(t, r);
        memset(kept, t->upper ? 0 : 0xFF, (size_t)head);
        memset(kept + head, t->upper ? 0xFF : 0, (size_t)(row - head));
    }
    tap_parallel(ctx, (t->all_bytes + t->mask_bytes - 1) / t->mask_bytes,
                 tap_max64(1, 131072 / t->mask_bytes), masked_task, t);
    return true;
}

static tap_status trilu_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    trilu t = {.x = x->data, .y = ctx->out[0]->data, .upper = *(const bool *)ctx->state};
    if (x->count == 0) return TAP_OK;
    t.rows = x->dims[x->rank - 2];
    t.columns = x->dims[x->rank - 1];
    t.width = (int64_t)tap_dtype_bytes(x->dtype);
    if (ctx->n_in > 1 && ctx->in[1]) t.k = tap_cut_at(ctx->in[1], 0);
    t.k = tap_max64(-t.rows - 1, tap_min64(t.k, t.columns + 1));
    t.all_bytes = x->count * t.width;
    if (trilu_masked(ctx, &t)) return TAP_OK;
    tap_parallel(ctx, x->count / t.columns, tap_max64(1, 131072 / (t.columns * t.width)), trilu_task, &t);
    return TAP_OK;
}

#define ONE_OUT .out_min = 1, .out_max = 1
#define ONEHOT \
    .dtypes = TAP_TYPES_NUMERIC, .prepare = onehot_prepare, .infer = onehot_infer, .run = onehot_run
#define EYE   .dtypes = EYE_TYPES, .prepare = eye_prepare, .infer = eye_infer, .run = eye_run
#define TRILU .dtypes = TAP_TYPES_ALL, .prepare = trilu_prepare, .infer = trilu_infer, .run = trilu_run

static const tap_op ops[] = {
    {.name = "OneHot", .since = 9, .in_min = 3, .in_max = 3, ONE_OUT, ONEHOT},
    {.name = "EyeLike", .since = 9, .in_min = 1, .in_max = 1, ONE_OUT, EYE},
    {.name = "Trilu", .since = 14, .in_min = 1, .in_max = 2, ONE_OUT, TRILU},
    {0},
};

TAP_DEFINE_FAMILY(pattern, ops);
