/* Concat, Expand, Tile: tensors set side by side, or one repeated. */
#include "common/move.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "core/move_few.h"

/* ---- Concat ---- */

static tap_status concat_prepare(tap_ctx *ctx, void **state) {
    int64_t *axis = tap_state(ctx, sizeof *axis);
    if (!axis) return TAP_MEMORY;
    *state = axis;
    if (tap_opset(ctx) >= 4 && !tap_attr_has(ctx, "axis"))
        return tap_fail(ctx, TAP_MODEL, "attribute axis is required");
    *axis = tap_attr_int(ctx, "axis", 1);
    return TAP_OK;
}

/* Takes over from input i what y does not know yet; the axis' dims are summed. */
static tap_status concat_join(tap_ctx *ctx, int i, int axis, tap_type *y) {
    const tap_type *x = tap_in_type(ctx, i);
    tap_dims_text a, b;
    if (x->rank < 0) {
        y->dims[axis] = -1;
        return TAP_OK;
    }
    for (int k = 0; k < y->rank; k++) {
        int64_t d = x->rank == y->rank ? x->dims[k] : -2;
        if (k == axis && d >= -1) {
            if (y->dims[k] >= 0 && d >= 0 && !tap_add64(y->dims[k], d, &y->dims[k]))
                return tap_fail(ctx, tap_misfit(ctx), "the sum of the lengths is too large");
            if (d < 0) y->dims[k] = -1;
        } else if (y->dims[k] < 0 && d >= -1) {
            y->dims[k] = d;
        } else if (d != -1 && d != y->dims[k]) {
            y->dims[axis] = -1;
            return tap_fail(ctx, tap_misfit(ctx),
                            "input %d, %s, does not fit to the others, %s, along axis %d", i,
                            tap_show_dims(&a, x->rank, x->dims), tap_show_dims(&b, y->rank, y->dims), axis);
        }
    }
    return TAP_OK;
}

static tap_status concat_infer(tap_ctx *ctx) {
    tap_type y = {.dtype = TAP_UNDEFINED, .rank = -1};
    int axis;
    for (int i = 0; i < ctx->n_in; i++) {
        const tap_type *x = tap_in_type(ctx, i);
        if (!x) return tap_fail(ctx, TAP_MODEL, "input %d is missing", i);
        if (y.dtype && x->dtype && x->dtype != y.dtype)
            return tap_fail(ctx, TAP_MODEL, "input %d is of type %s, those before it of %s", i,
                            tap_dtype_name(x->dtype), tap_dtype_name(y.dtype));
        if (x->dtype) y.dtype = x->dtype;
        if (y.rank < 0) y.rank = x->rank;
    }
    if (y.rank < 0) return tap_out_type(ctx, 0, y.dtype, -1, NULL);
    int64_t wanted = *(const int64_t *)ctx->state;
    if (!tap_axis(wanted, y.rank, &axis))
        return tap_fail(ctx, tap_misfit(ctx), "axis %lld is out of range for rank %d", (long long)wanted,
                        y.rank);
    for (int k = 0; k < y.rank; k++) y.dims[k] = k == axis ? 0 : -1;
    for (int i = 0; i < ctx->n_in; i++) {
        tap_status status = concat_join(ctx, i, axis, &y);
        if (status) return status;
    }
    return tap_out_type(ctx, 0, y.dtype, y.rank, y.dims);
}

/* A few inputs of one word each along the axis and behind it: shuffled together. */
typedef struct few {
    tap_together_loop *loop;
    int n;
    const char *x[TAP_FEW_MAX];
    char *y;
    int64_t word;
} few;

static void few_task(void *arg, int64_t begin, int64_t end, int worker) {
    const few *f = arg;
    const char *x[TAP_FEW_MAX];
    (void)worker;
    for (int i = 0; i < f->n; i++) x[i] = f->x[i] + begin * f->word;
    f->loop(end - begin, x, f->y + begin * f->word * f->n);
}

static bool concat_few(tap_ctx *ctx, int axis) {
    const tap_tensor *y = ctx->out[0];
    few f = {.n = ctx->n_in, .y = y->data, .word = (int64_t)tap_dtype_bytes(y->dtype)};
    if (f.n > TAP_FEW_MAX || y->count == 0) return false;
    for (int d = axis; d < y->rank; d++) f.word *= ctx->in[0]->dims[d];
    for (int i = 0; i < f.n; i++) {
        if (ctx->in[i]->dims[axis] != ctx->in[0]->dims[axis]) return false;
        f.x[i] = ctx->in[i]->data;
    }
    f.loop = f.word <= 8 && (f.word & (f.word - 1)) == 0
                 ? tap_few_together(tap_cpu_isa(), (size_t)f.word, f.n)
                 : NULL;
    if (!f.loop) return false;
    tap_parallel(ctx, tap_product(y->dims, axis), 1 << 16, few_task, &f);
    return true;
}

static tap_status concat_run(tap_ctx *ctx) {
    tap_tensor *y = ctx->out[0];
    size_t width = tap_dtype_bytes(y->dtype);
    int64_t src_step[TAP_RANK_MAX], dst_step[TAP_RANK_MAX];
    char *to = y->data;
    int axis;
    if (!tap_axis(*(const int64_t *)ctx->state, y->rank, &axis))
        return tap_fail(ctx, TAP_RUN, "axis out of range");
    if (ctx->channels_last && y->rank >= 3) axis = axis == 0 ? 0 : axis == 1 ? y->rank - 1 : axis - 1;
    if (concat_few(ctx, axis)) return TAP_OK;
    tap_dense_steps(width, y->rank, y->dims, dst_step);
    for (int i = 0; i < ctx->n_in; i++) {
        const tap_tensor *x = ctx->in[i];
        tap_dense_steps(width, x->rank, x->dims, src_step);
        tap_move_steps(ctx, width, x->rank, x->dims, src_step, dst_step, x->data, to);
        to += x->dims[axis] * dst_step[axis];
    }
    return TAP_OK;
}

/* ---- Expand ---- */

/* The shape of the output; rank -1: unknown. */
static tap_status expand_dims(tap_ctx *ctx, int *rank, int64_t *dims) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_ints shape;
    tap_dims_text a, b;
    tap_status status = tap_read_ints(ctx, 1, TAP_RANK_MAX, "shape", &shape);
    *rank = x->rank < 0 || shape.n < 0 ? -1 : x->rank > shape.n ? x->rank : shape.n;
    for (int i = 0; i < *rank && !status; i++) {
        int k = i - (*rank - x->rank), j = i - (*rank - shape.n);
        int64_t d = k < 0 ? 1 : x->dims[k], e = j < 0 ? 1 : shape.known ? shape.v[j] : -1;
        dims[i] = d;
        if (shape.known && e < 0) return tap_fail(ctx, tap_misfit(ctx), "shape[%d] is %lld", j, (long long)e);
        if (d == 1 || (d < 0 && e != 1))
            dims[i] = e;
        else if (d >= 0 && e >= 0 && e != 1 && d != e)
            return tap_fail(ctx, tap_misfit(ctx), "%s cannot be expanded to %s",
                            tap_show_dims(&a, x->rank, x->dims), tap_show_dims(&b, shape.n, shape.v));
    }
    return status;
}

static tap_status expand_infer(tap_ctx *ctx) {
    int rank;
    int64_t dims[TAP_RANK_MAX];
    tap_status status = expand_dims(ctx, &rank, dims);
    return status ? status : tap_out_type(ctx, 0, tap_in_type(ctx, 0)->dtype, rank, dims);
}

/* The shape may be known without the values in `shape`, which are checked here then. */
static tap_status expand_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *y = ctx->out[0];
    int rank;
    int64_t dims[TAP_RANK_MAX];
    tap_status status = expand_dims(ctx, &rank, dims);
    if (status) return status;
    size_t width = tap_dtype_bytes(x->dtype);
    int64_t step[TAP_RANK_MAX], src_step[TAP_RANK_MAX], dst_step[TAP_RANK_MAX];
    int added = y->rank - x->rank;
    tap_dense_steps(width, x->rank, x->dims, step);
    tap_dense_steps(width, y->rank, y->dims, dst_step);
    for (int i = 0; i < y->rank; i++)
        src_step[i] = i < added || x->dims[i - added] == 1 ? 0 : step[i - added];
    tap_move_steps(ctx, width, y->rank, y->dims, src_step, dst_step, x->data, y->data);
    return TAP_OK;
}

/* ---- Tile ---- */

/* How often each axis of x (rank known) is repeated; -1: unknown. Tile-1 repeats one axis and takes its two
 * numbers in the type of the data. */
static tap_status read_repeats(tap_ctx *ctx, int rank, int64_t *times) {
    tap_ints repeats;
    tap_status status;
    if (tap_opset(ctx) < 6) {
        const tap_tensor *tiles = tap_in_known(ctx, 1), *at = tap_in_known(ctx, 2);
        int64_t n = -1, axis = 0;
        for (int i = 0; i < rank; i++) times[i] = at ? 1 : -1;
        if ((tiles && (tiles->count != 1 || !tap_whole_at(tiles, 0, &n) || n < 0)) ||
            (at && (at->count != 1 || !tap_whole_at(at, 0, &axis) || axis < 0 || axis >= rank)))
            return tap_fail(ctx, tap_misfit(ctx), "tiles and axis must be whole numbers, the axis below %d",
                            rank);
        if (at) times[axis] = n;
        return TAP_OK;
    }
    if ((status = tap_read_ints(ctx, 1, TAP_RANK_MAX, "repeats", &repeats))) return status;
    if (repeats.n >= 0 && repeats.n != rank)
        return tap_fail(ctx, tap_misfit(ctx), "repeats has %d elements, the input has rank %d", repeats.n,
                        rank);
    for (int i = 0; i < rank; i++) {
        times[i] = repeats.known ? repeats.v[i] : -1;
        if (repeats.known && times[i] < 0)
            return tap_fail(ctx, tap_misfit(ctx), "repeats[%d] is %lld", i, (long long)times[i]);
    }
    return TAP_OK;
}

static tap_status tile_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t times[TAP_RANK_MAX], dims[TAP_RANK_MAX];
    tap_status status = TAP_OK;
    for (int i = 0; i < ctx->n_in && tap_opset(ctx) < 6 && !status; i++) {
        status = tap_need_dtype(ctx, i, TAP_TYPES_NUMERIC, "an input of this opset");
        if (!status) status = tap_need_same_dtype(ctx, 0, i, "an input of this opset");
    }
    if (status) return status;
    if (x->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if ((status = read_repeats(ctx, x->rank, times))) return status;
    for (int i = 0; i < x->rank; i++) {
        dims[i] = -1;
        if (x->dims[i] == 0 || times[i] == 0)
            dims[i] = 0;
        else if (x->dims[i] > 0 && times[i] > 0 && !tap_mul64(x->dims[i], times[i], &dims[i]))
            return tap_fail(ctx, tap_misfit(ctx), "%lld times %lld elements along axis %d are too many",
                            (long long)times[i], (long long)x->dims[i], i);
    }
    return tap_out_type(ctx, 0, x->dtype, x->rank, dims);
}

/* Each axis is two: how often, and which. */
static tap_status tile_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *y = ctx->out[0];
    size_t width = tap_dtype_bytes(x->dtype);
    int64_t step[TAP_RANK_MAX], dims[TAP_MOVE_RANK], src_step[TAP_MOVE_RANK], dst_step[TAP_MOVE_RANK];
    if (y->count == 0) return TAP_OK;
    tap_dense_steps(width, x->rank, x->dims, step);
    for (int i = 0; i < x->rank; i++) {
        dims[2 * i] = y->dims[i] / x->dims[i];
        dims[2 * i + 1] = x->dims[i];
        src_step[2 * i] = 0;
        src_step[2 * i + 1] = step[i];
    }
    tap_dense_steps(width, 2 * x->rank, dims, dst_step);
    tap_move_steps(ctx, width, 2 * x->rank, dims, src_step, dst_step, x->data, y->data);
    return TAP_OK;
}

#define ONE_OUT .out_min = 1, .out_max = 1
#define ANY     ONE_OUT, .dtypes = TAP_TYPES_ALL
#define CONCAT                                                                               \
    .flags = TAP_TAKES_CHANNELS_LAST, .image_inputs = UINT32_MAX, .prepare = concat_prepare, \
    .infer = concat_infer, .run = concat_run

static const tap_op ops[] = {
    {.name = "Concat", .since = 1, .in_min = 1, .in_max = -1, ANY, CONCAT},
    {.name = "Expand", .since = 8, .in_min = 2, .in_max = 2, ANY, .infer = expand_infer, .run = expand_run},
    {.name = "Tile",
     .since = 1,
     .until = 5,
     .in_min = 3,
     .in_max = 3,
     ONE_OUT,
     .dtypes = TAP_TYPES_NUMERIC,
     .infer = tile_infer,
     .run = tile_run},
    {.name = "Tile", .since = 6, .in_min = 2, .in_max = 2, ANY, .infer = tile_infer, .run = tile_run},
    {0},
};

TAP_DEFINE_FAMILY(concat, ops);
