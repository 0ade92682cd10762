/* DeformConv: a convolution whose taps sample the input at places moved by `offset`, linearly between pixels,
 * weighted by `mask`. What a block of output pixels samples is gathered first, then multiplied with the
 * packed weights. */
#include <math.h>

#include "common/conv_op.h"
#include "common/shape.h"

typedef struct deform_state {
    tap_conv_attrs attrs;
    int64_t offset_group;
    void *packed;
} deform_state;

typedef struct job {
    tap_ctx *ctx;
    const void *x, *offset, *mask; /* wide; mask may be NULL                              */
    tap_tensor y;                  /* wide                                                */
    tap_tensor *out;
    const char *packed;
    size_t packed_each; /* of a group                                          */
    const void *bias;
    int n; /* spatial axes                                        */
    tap_window_axis axes[TAP_RANK_MAX];
    int64_t channels, groups, m, offset_groups, taps, in_pixels, out_pixels;
    int64_t run;  /* channels with the same group and the same offsets   */
    int64_t rows; /* output pixels of a block                            */
    char *memory;
    size_t columns_bytes, each; /* of a worker                                         */
} job;

/* Indices of output pixel, or tap, number i. */
static void index_of(const job *j, int64_t i, bool pixel, int64_t *index) {
    for (int d = j->n - 1; d >= 0; d--) {
        int64_t extent = pixel ? j->axes[d].out : j->axes[d].kernel;
        index[d] = i % extent;
        i /= extent;
    }
}

#define T       float
#define F(name) name##_f32
#include "deform_conv.inc"
#define T       double
#define F(name) name##_f64
#include "deform_conv.inc"

static tap_status deform_prepare(tap_ctx *ctx, void **state) {
    deform_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->offset_group = tap_attr_int(ctx, "offset_group", 1);
    if (s->offset_group < 1)
        return tap_fail(ctx, TAP_MODEL, "offset_group is %lld", (long long)s->offset_group);
    return tap_conv_attrs_prepare(ctx, &s->attrs, TAP_WINDOW_DILATIONS);
}

/* input i is [images, per_tap * offset_group * taps, out ...]; -1 in w's or y's dims: unknown. */
static tap_status check_sampling(tap_ctx *ctx, int i, const char *what, int64_t per_tap, const tap_type *w,
                                 const int64_t *y) {
    const deform_state *s = ctx->state;
    const tap_type *t = tap_in_type(ctx, i);
    int64_t taps = tap_product(w->dims + 2, w->rank - 2);
    if (!t || t->rank < 0) return TAP_OK;
    tap_status status = tap_need_rank(ctx, i, w->rank, w->rank, what);
    if (status != TAP_OK) return status;
    if (taps >= 0 && t->dims[1] >= 0 && t->dims[1] != per_tap * s->offset_group * taps)
        return tap_fail(ctx, tap_misfit(ctx),
                        "%s has %lld channels; offset_group %lld and %lld taps need %lld", what,
                        (long long)t->dims[1], (long long)s->offset_group, (long long)taps,
                        (long long)(per_tap * s->offset_group * taps));
    for (int d = 0; d < w->rank; d++)
        if (d != 1 && t->dims[d] >= 0 && y[d] >= 0 && t->dims[d] != y[d])
            return tap_fail(ctx, tap_misfit(ctx), "dimension %d of %s is %lld; the output's is %lld", d, what,
                            (long long)t->dims[d], (long long)y[d]);
    return TAP_OK;
}

static tap_status deform_infer(tap_ctx *ctx) {
    const deform_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *w = tap_in_type(ctx, 1);
    tap_status status;
    if ((status = tap_need_same_dtype(ctx, 0, 1, "W")) ||
        (status = tap_need_same_dtype(ctx, 0, 2, "offset")) ||
        (status = tap_need_same_dtype(ctx, 0, 3, "B")) || (status = tap_need_same_dtype(ctx, 0, 4, "mask")))
        return status;
    int rank;
    int64_t dims[TAP_RANK_MAX];
    status = tap_conv_shape(ctx, &s->attrs, x, w, tap_in_type(ctx, 3), &rank, dims);
    if (status == TAP_OK) status = tap_out_type(ctx, 0, x->dtype, rank, dims);
    if (status != TAP_OK || x->rank < 0 || w->rank < 0) return status;
    if (x->dims[1] >= 0 && x->dims[1] % s->offset_group)
        return tap_fail(ctx, TAP_MODEL, "X has %lld channels, which offset_group %lld does not divide",
                        (long long)x->dims[1], (long long)s->offset_group);
    if ((status = check_sampling(ctx, 2, "offset", x->rank - 2, w, dims))) return status;
    return check_sampling(ctx, 4, "mask", 1, w, dims);
}

static bool packed_bytes(const deform_state *s, const tap_tensor *w, size_t *group, size_t *all) {
    int64_t k = tap_product(w->dims + 1, w->rank - 1);
    return tap_conv_packed_bytes(w->dtype == TAP_DOUBLE ? TAP_TILE_F64 : TAP_TILE_F32, 1, k,
                                 w->dims[0] / s->attrs.group, group) &&
           tap_mul_size(*group, (size_t)s->attrs.group, all);
}

static tap_status deform_pack(tap_ctx *ctx, void *state) {
    deform_state *s = state;
    const tap_tensor *w = tap_in_known(ctx, 1);
    size_t group, all;
    if (!w || w->rank < 3) return TAP_OK;
    if (!packed_bytes(s, w, &group, &all)) return tap_fail(ctx, TAP_MEMORY, "W is too large");
    bool ready;
    void *packed = tap_packed(ctx, all, &ready);
    if (!packed) return TAP_MEMORY;
    tap_conv_weights p = tap_conv_weights_of(&s->attrs, w);
    if (!ready) tap_conv_pack_panels(&p, packed);
    s->packed = packed;
    return TAP_OK;
}

/* Rows of all output pixels of all images, begin .. end of them blocks of `rows`. */
static void deform_task(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    char *columns = j->memory + (size_t)worker * j->each, *work = columns + j->columns_bytes;
    int64_t blocks = (j->out_pixels + j->rows - 1) / j->rows, elem = (int64_t)tap_dtype_bytes(j->y.dtype);
    int64_t k = j->taps * (j->channels / j->groups), width = j->groups * j->m;
    for (int64_t b = begin; b < end; b++) {
        int64_t image = b / blocks, at = b % blocks * j->rows, rows = tap_min64(j->rows, j->out_pixels - at);
        int64_t row = image * j->out_pixels + at;
        if (j->y.dtype == TAP_DOUBLE)
            columns_f64(j, image, at, rows, (double *)(void *)columns);
        else
            columns_f32(j, image, at, rows, (float *)(void *)columns);
        for (int64_t g = 0; g < j->groups; g++) {
            tap_gemm p = {.dtype = j->y.dtype,
                          .m = rows,
                          .n = j->m,
                          .k = k,
                          .a = columns + g * rows * k * elem,
                          .lda = k,
                          .packed = j->packed + (size_t)g * j->packed_each,
                          .ldc = width};
            p.c = (char *)j->y.data + (row * width + g * j->m) * elem;
            p.bias = j->bias ? (const char *)j->bias + g * j->m * elem : NULL;
            tap_gemm_serial(&p, work);
        }
        if (j->y.data != j->out->data)
            tap_narrow_rows(j->out->dtype, j->y.data, j->out->data, width, row, rows, 0, width);
        tap_epilogue(j->ctx, row, rows, 0, width);
    }
}

static int64_t gcd(int64_t a, int64_t b) {
    return b ? gcd(b, a % b) : a;
}

/* Operands in the type computed with. */
static tap_status take_operands(job *j) {
    tap_ctx *ctx = j->ctx;
    const deform_state *s = ctx->state;
    const tap_tensor *w = ctx->in[1], *b = ctx->n_in > 3 ? ctx->in[3] : NULL,
                     *mask = ctx->n_in > 4 ? ctx->in[4] : NULL;
    size_t all;
    if (!packed_bytes(s, w, &j->packed_each, &all)) return tap_fail(ctx, TAP_MEMORY, "W is too large");
    j->packed = s->packed;
    if (!j->packed) {
        void *packed = tap_scratch(ctx, all);
        tap_conv_weights p = tap_conv_weights_of(&s->attrs, w);
        if (!packed) return TAP_MEMORY;
        tap_conv_pack_panels(&p, packed);
        j->packed = packed;
    }
    if (!(j->x = tap_widen(ctx, ctx->in[0])) || !(j->offset = tap_widen(ctx, ctx->in[2]))) return TAP_MEMORY;
    if (mask && !(j->mask = tap_widen(ctx, mask))) return TAP_MEMORY;
    if (b && !(j->bias = tap_widen(ctx, b))) return TAP_MEMORY;
    return tap_widen_output(ctx, j->out, &j->y) ? TAP_OK : TAP_MEMORY;
}

static tap_status take_memory(job *j) {
    int64_t c = j->channels / j->groups, elem = (int64_t)tap_dtype_bytes(j->y.dtype),
            pixel = j->taps * j->channels * elem;
    tap_gemm p = {.dtype = j->y.dtype, .n = j->m, .k = j->taps * c, .lda = j->taps * c, .packed = j->packed};
    size_t work, bytes;
    j->rows = tap_max64(1, tap_min64(tap_min64(64, j->out_pixels), (256 << 10) / tap_max64(1, pixel)));
    p.m = j->rows;
    j->columns_bytes = tap_round_up((size_t)(j->rows * pixel), TAP_ALIGN);
    if (!tap_gemm_work_bytes(&p, &work) ||
        !tap_mul_size(j->columns_bytes + work, (size_t)tap_workers(j->ctx), &bytes))
        return tap_fail(j->ctx, TAP_MEMORY, "the filter is too large");
    j->each = j->columns_bytes + work;
    j->memory = tap_scratch(j->ctx, bytes);
    return j->memory ? TAP_OK : TAP_MEMORY;
}

static tap_status deform_run(tap_ctx *ctx) {
    const deform_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *w = ctx->in[1];
    job j = {.ctx = ctx,
             .out = ctx->out[0],
             .n = x->rank - 2,
             .groups = s->attrs.group,
             .offset_groups = s->offset_group,
             .channels = x->dims[x->rank - 1]};
    if (j.out->count == 0) return TAP_OK;
    tap_status status = tap_window_resolve(ctx, &s->attrs.window, j.n, x->dims + 1, w->dims + 2, j.axes);
    if (status != TAP_OK) return status;
    j.m = w->dims[0] / j.groups;
    j.taps = tap_product(w->dims + 2, j.n);
    j.in_pixels = tap_product(x->dims + 1, j.n);
    j.out_pixels = tap_product(ctx->out[0]->dims + 1, j.n);
    j.run = tap_max64(1, gcd(j.channels / j.groups, j.channels / j.offset_groups));
    if ((status = take_operands(&j)) != TAP_OK || (status = take_memory(&j)) != TAP_OK) return status;
    tap_parallel(ctx, x->dims[0] * ((j.out_pixels + j.rows - 1) / j.rows), 1, deform_task, &j);
    return TAP_OK;
}

static const tap_op ops[] = {
    {.name = "DeformConv",
     .since = 19,
     .in_min = 3,
     .in_max = 5,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_PACKS | TAP_EPILOGUE | TAP_WANTS_CHANNELS_LAST,
     .image_inputs = 1 << 0,
     .packed_inputs = 1 << 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = deform_prepare,
     .infer = deform_infer,
     .pack = deform_pack,
     .run = deform_run},
    {0},
};

TAP_DEFINE_FAMILY(deform_conv, ops);
