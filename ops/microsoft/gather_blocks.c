/* GatherBlockQuantized: rows taken out of quantised data, and widened by the scales of their blocks. */
#include <string.h>

#include "common/bits.h"
#include "common/real.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "microsoft/microsoft.h"

#define SMALL_FLOATS (TAP_TYPES_FLOAT8 | TAP_BIT(TAP_FLOAT4E2M1))
#define HALVES       (TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))

enum { IN_DATA, IN_INDICES, IN_SCALES, IN_ZEROS };

typedef struct gather_state {
    int64_t gather_axis, quantize_axis, block;
    int bits;
} gather_state;

static tap_status prepare(tap_ctx *ctx, void **state) {
    gather_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    const int64_t bits = tap_attr_int(ctx, "bits", 4);
    s->gather_axis = tap_attr_int(ctx, "gather_axis", 0);
    s->quantize_axis = tap_attr_int(ctx, "quantize_axis", 1);
    s->block = tap_attr_int(ctx, "block_size", 128);
    if (bits != 2 && bits != 4 && bits != 8)
        return tap_fail(ctx, TAP_MODEL, "bits is %lld; it may be 2, 4 or 8", (long long)bits);
    if (s->block != 0 && (s->block < 16 || (s->block & (s->block - 1))))
        return tap_fail(ctx, TAP_MODEL, "block_size is %lld; it must be a power of 2 from 16 on",
                        (long long)s->block);
    s->bits = (int)bits;
    return TAP_OK;
}

/* What the inputs say. Dims of the data are those of numbers, not of bytes; -1: unknown. */
typedef struct layout {
    int rank, gather, quantize;
    int64_t dims[TAP_RANK_MAX], block;
    int per_byte; /* numbers in a byte of the data */
} layout;

static tap_status find_layout(tap_ctx *ctx, layout *z) {
    const gather_state *s = ctx->state;
    const tap_type *data = tap_in_type(ctx, IN_DATA);
    z->rank = data->rank;
    if (data->rank < 0) return TAP_OK;
    if (data->rank == 0) return tap_fail(ctx, tap_misfit(ctx), "data has no axis");
    if (!tap_axis(s->gather_axis, data->rank, &z->gather) ||
        !tap_axis(s->quantize_axis, data->rank, &z->quantize))
        return tap_fail(ctx, tap_misfit(ctx),
                        "gather_axis %lld and quantize_axis %lld must be axes of rank %d",
                        (long long)s->gather_axis, (long long)s->quantize_axis, data->rank);
    const bool bytes = data->dtype == TAP_UINT8;
    if (bytes && z->gather != 0) return tap_fail(ctx, TAP_MODEL, "of uint8 data gather_axis must be 0");
    if (bytes && s->bits < 8 && z->gather == z->quantize)
        return tap_fail(ctx, TAP_MODEL, "of packed data gather_axis and quantize_axis must differ");
    z->per_byte = bytes ? 8 / s->bits : 1;
    memcpy(z->dims, data->dims, sizeof z->dims);
    int64_t *last = &z->dims[data->rank - 1];
    if (*last >= 0 && !tap_mul64(*last, z->per_byte, last))
        return tap_fail(ctx, tap_misfit(ctx), "data is too large");
    z->block = s->block ? s->block : z->dims[z->quantize];
    if (s->block == 0 && data->dtype && !(TAP_BIT(data->dtype) & SMALL_FLOATS))
        return tap_fail(ctx, TAP_MODEL, "block_size 0 is for floats of 8 or 4 bits");
    return TAP_OK;
}

/* Scales by axis: as many as the data, or one; along the quantised axis one for each block. */
static tap_status check_scales(tap_ctx *ctx, const layout *z) {
    const tap_type *t = tap_in_type(ctx, IN_SCALES), *data = tap_in_type(ctx, IN_DATA);
    tap_status st = tap_need_dtype(ctx, IN_SCALES, TAP_BIT(TAP_FLOAT) | HALVES, "scales");
    if (!st && z->rank >= 0) st = tap_need_rank(ctx, IN_SCALES, z->rank, z->rank, "scales");
    if (st || z->rank < 0 || t->rank < 0) return st;
    const bool small = data->dtype && TAP_BIT(data->dtype) & SMALL_FLOATS;
    for (int d = 0; d < z->rank; d++) {
        int64_t want = z->dims[d];
        if (d == z->quantize && want >= 0 && z->block > 0) want = want / z->block + (want % z->block != 0);
        if (want < 0 || t->dims[d] < 0 || want == t->dims[d] ||
            (small && d != z->quantize && t->dims[d] == 1))
            continue;
        return tap_fail(ctx, tap_misfit(ctx), "axis %d of scales has %lld elements, but must have %lld", d,
                        (long long)t->dims[d], (long long)want);
    }
    return TAP_OK;
}

static tap_status check_zeros(tap_ctx *ctx, const layout *z) {
    const tap_type *t = tap_in_type(ctx, IN_ZEROS), *scales = tap_in_type(ctx, IN_SCALES);
    const tap_type *data = tap_in_type(ctx, IN_DATA);
    if (!t) return TAP_OK;
    if (data->dtype && TAP_BIT(data->dtype) & SMALL_FLOATS)
        return tap_fail(ctx, TAP_MODEL, "floats of 8 or 4 bits have no zero_points");
    tap_status st = tap_need_same_dtype(ctx, IN_DATA, IN_ZEROS, "zero_points");
    if (st || z->rank < 0 || scales->rank < 0) return st;
    int64_t want[TAP_RANK_MAX];
    memcpy(want, scales->dims, sizeof want);
    int64_t *last = &want[z->rank - 1];
    if (*last >= 0) *last = *last / z->per_byte + (*last % z->per_byte != 0);
    return tap_need_shape(ctx, IN_ZEROS, z->rank, want, "zero_points");
}

static tap_status infer(tap_ctx *ctx) {
    const tap_type *indices = tap_in_type(ctx, IN_INDICES), *scales = tap_in_type(ctx, IN_SCALES);
    layout z;
    tap_status st = find_layout(ctx, &z);
    if (!st) st = tap_need_dtype(ctx, IN_INDICES, TAP_TYPES_INDEX, "indices");
    if (!st) st = check_scales(ctx, &z);
    if (!st) st = check_zeros(ctx, &z);
    if (st || z.rank < 0 || indices->rank < 0) return st ? st : tap_out_type(ctx, 0, scales->dtype, -1, NULL);
    int64_t dims[2 * TAP_RANK_MAX];
    int n = 0;
    for (int d = 0; d < z.rank; d++) {
        if (d != z.gather) dims[n++] = z.dims[d];
        for (int k = 0; d == z.gather && k < indices->rank; k++) dims[n++] = indices->dims[k];
    }
    if (n > TAP_RANK_MAX) return tap_fail(ctx, tap_misfit(ctx), "the output would have %d dimensions", n);
    return tap_out_type(ctx, 0, scales->dtype, n, dims);
}

typedef struct job {
    layout z;
    int bits;
    const tap_tensor *data, *scales, *zeros, *indices, *y;
    int64_t scale_step[TAP_RANK_MAX]; /* elements from one index to the next; 0: one for all */
    int64_t n_indices, inner;         /* inner: numbers behind the gathered axis             */
} job;

/* Number i of the data or the zero points: dims, but the last one, are dense. */
static float number_at(const job *j, const tap_tensor *t, int64_t i, int64_t last) {
    if (TAP_BIT(t->dtype) & SMALL_FLOATS) {
        float v;
        tap_floats_to_f32(t->dtype, 1, (const char *)t->data + i, &v);
        return v;
    }
    if (j->z.per_byte == 1) return (float)tap_real_at(t, i);
    const int64_t bytes = (last + j->z.per_byte - 1) / j->z.per_byte;
    return (float)tap_bits_at((const uint8_t *)t->data + i / last * bytes, j->bits, i % last);
}

/* Where the scale of data number i lies. */
static int64_t scale_of(const job *j, int64_t i) {
    int64_t at = 0;
    for (int d = j->z.rank - 1; d >= 0; d--) {
        const int64_t c = i % j->z.dims[d];
        i /= j->z.dims[d];
        at += (d == j->z.quantize ? c / j->z.block : c) * j->scale_step[d];
    }
    return at;
}

static float value_at(const job *j, int64_t i) {
    const int64_t at = scale_of(j, i);
    float zero = j->data->dtype == TAP_UINT8 ? (float)(1 << (j->bits - 1)) : 0;
    if (j->zeros) zero = number_at(j, j->zeros, at, j->scales->dims[j->z.rank - 1]);
    return (number_at(j, j->data, i, j->z.dims[j->z.rank - 1]) - zero) * (float)tap_real_at(j->scales, at);
}

/* Rows of `inner` numbers, counted over what is in front of the gathered axis and the indices. */
static void task(void *arg, int64_t first, int64_t last, int worker) {
    const job *j = arg;
    const int64_t extent = j->z.dims[j->z.gather];
    (void)worker;
    for (int64_t r = first; r < last; r++) {
        int64_t index = tap_int_at(j->indices, r % j->n_indices);
        if (index < 0) index += extent;
        const bool inside = index >= 0 && index < extent;
        const int64_t from = (r / j->n_indices * extent + index) * j->inner;
        for (int64_t i = 0; i < j->inner; i++) {
            const float v = inside ? value_at(j, from + i) : 0;
            const size_t width = tap_dtype_bytes(j->y->dtype);
            tap_from_f32(j->y->dtype, 1, &v, (char *)j->y->data + (size_t)(r * j->inner + i) * width);
        }
    }
}

static tap_status run(tap_ctx *ctx) {
    const gather_state *s = ctx->state;
    job j = {.bits = s->bits,
             .data = ctx->in[IN_DATA],
             .indices = ctx->in[IN_INDICES],
             .scales = ctx->in[IN_SCALES],
             .zeros = ctx->n_in > IN_ZEROS ? ctx->in[IN_ZEROS] : NULL,
             .y = ctx->out[0]};
    tap_status st = find_layout(ctx, &j.z);
    if (st || j.y->count == 0) return st;
    int64_t step = 1;
    for (int d = j.z.rank - 1; d >= 0; d--) {
        j.scale_step[d] = j.scales->dims[d] > 1 ? step : 0;
        step *= j.scales->dims[d];
    }
    j.n_indices = j.indices->count;
    j.inner = tap_product(j.z.dims + j.z.gather + 1, j.z.rank - j.z.gather - 1);
    tap_parallel(ctx, j.y->count / j.inner, tap_max64(1, 4096 / j.inner), task, &j);
    return TAP_OK;
}

static const tap_op ops[] = {
    {TAP_MS_ROW("GatherBlockQuantized", 3, 4, 1, 1),
     .dtypes = TAP_BIT(TAP_UINT8) | TAP_BIT(TAP_UINT4) | TAP_BIT(TAP_INT4) | SMALL_FLOATS, .prepare = prepare,
     .infer = infer, .run = run, .notes = "An index that is out of range gives zeros."},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_gather_blocks, ops);
