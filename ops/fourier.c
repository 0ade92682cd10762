/* DFT, STFT. Computed in float64 whatever the type. */
#include "common/fft.h"
#include "common/scalar.h"
#include "common/shape.h"

typedef struct fourier_state {
    bool inverse, onesided;
    int64_t axis; /* DFT-17; later ones have it as an input */
} fourier_state;

/* ---- reading and writing ------------------------------------------------------------------------------- */

/* n points of a signal `step` points apart, each with 1 or 2 elements. */
static void read_points(const tap_tensor *x, int64_t at, int64_t step, int64_t n, int parts, tap_complex *z) {
    for (int64_t k = 0; k < n; k++, at += step) {
        int64_t i = at * parts;
        switch (x->dtype) {
        case TAP_FLOAT: {
            const float *v = (const float *)x->data + i;
            z[k] = (tap_complex){(double)v[0], parts == 2 ? (double)v[1] : 0};
            break;
        }
        case TAP_DOUBLE: {
            const double *v = (const double *)x->data + i;
            z[k] = (tap_complex){v[0], parts == 2 ? v[1] : 0};
            break;
        }
        default: z[k] = (tap_complex){tap_real_at(x, i), parts == 2 ? tap_real_at(x, i + 1) : 0}; break;
        }
    }
}

static void put(tap_tensor *y, int64_t i, double v) {
    switch (y->dtype) {
    case TAP_FLOAT: ((float *)y->data)[i] = (float)v; break;
    case TAP_DOUBLE: ((double *)y->data)[i] = v; break;
    case TAP_FLOAT16: ((uint16_t *)y->data)[i] = tap_f32_to_f16(tap_f64_to_f32_odd(v)); break;
    default: ((uint16_t *)y->data)[i] = tap_f32_to_bf16(tap_f64_to_f32_odd(v)); break;
    }
}

static void write_points(const tap_complex *z, double scale, tap_tensor *y, int64_t at, int64_t step,
                         int64_t n, int parts) {
    for (int64_t k = 0; k < n; k++, at += step) {
        put(y, at * parts, z[k].re * scale);
        if (parts == 2) put(y, at * 2 + 1, z[k].im * scale);
    }
}

/* A whole number in input i, if it is known; -1 = it is not there or not known. */
static tap_status whole_in(tap_ctx *ctx, int i, const char *what, int64_t least, int64_t *v) {
    const tap_tensor *t = tap_in_known(ctx, i);
    tap_status s = tap_need_dtype(ctx, i, TAP_TYPES_INDEX, what);
    *v = -1;
    if (s != TAP_OK || !t) return s;
    if (t->count != 1) return tap_fail(ctx, tap_misfit(ctx), "%s has to be one number", what);
    *v = tap_int_at(t, 0);
    return *v >= least ? TAP_OK : tap_fail(ctx, tap_misfit(ctx), "%s is %lld", what, (long long)*v);
}

/* ---- DFT ----------------------------------------------------------------------------------------------- */

static tap_status dft_prepare(tap_ctx *ctx, void **state) {
    fourier_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->inverse = tap_attr_int(ctx, "inverse", 0) != 0;
    s->onesided = tap_attr_int(ctx, "onesided", 0) != 0;
    s->axis = tap_ctx_op(ctx)->until ? tap_attr_int(ctx, "axis", 1) : -2;
    return TAP_OK;
}

/* What a DFT does: the axis (-1 = unknown), the points that are read and transformed (-1 = unknown). */
typedef struct dft_sizes {
    int axis;
    int64_t length;
    int parts_in, parts_out; /* -1 = unknown */
} dft_sizes;

static tap_status dft_axis(tap_ctx *ctx, const fourier_state *s, const tap_type *x, dft_sizes *d) {
    int64_t axis = s->axis;
    const tap_tensor *t = tap_in_known(ctx, 2);
    tap_status status = tap_need_dtype(ctx, 2, TAP_TYPES_INDEX, "the axis");
    d->axis = -1;
    if (status != TAP_OK || (tap_has_in(ctx, 2) && !t)) return status;
    if (t && t->count != 1) return tap_fail(ctx, tap_misfit(ctx), "the axis has to be one number");
    if (t) axis = tap_int_at(t, 0);
    if (tap_axis(axis, x->rank, &d->axis) && d->axis < x->rank - 1) return TAP_OK;
    return tap_fail(
        ctx, tap_misfit(ctx),
        "axis %lld; a signal of rank %d has the axes 0 to %d, the last are the parts of complex numbers",
        (long long)axis, x->rank, x->rank - 2);
}

static tap_status dft_parts(tap_ctx *ctx, const fourier_state *s, const tap_type *x, dft_sizes *d) {
    int64_t parts = x->dims[x->rank - 1];
    d->parts_in = (int)(parts < 0 ? -1 : tap_min64(parts, 3));
    d->parts_out = s->onesided && s->inverse ? 1 : 2;
    if (d->parts_in != -1 && d->parts_in != 1 && d->parts_in != 2)
        return tap_fail(ctx, tap_misfit(ctx),
                        "the last dimension is %lld; it has to be 1, real, or 2, complex", (long long)parts);
    if (s->onesided && d->parts_in == (s->inverse ? 1 : 2))
        return tap_fail(ctx, tap_misfit(ctx), "onesided, %s, with a %s input",
                        s->inverse ? "inverse" : "not inverse", d->parts_in == 1 ? "real" : "complex");
    return TAP_OK;
}

static tap_status dft_measure(tap_ctx *ctx, const fourier_state *s, const tap_type *x, dft_sizes *d) {
    tap_status status = dft_axis(ctx, s, x, d);
    if (status == TAP_OK) status = dft_parts(ctx, s, x, d);
    if (status == TAP_OK) status = whole_in(ctx, 1, "dft_length", 1, &d->length);
    if (status != TAP_OK || d->length > 0 || tap_has_in(ctx, 1) || d->axis < 0) return status;
    int64_t n = x->dims[d->axis];
    d->length = n < 0 ? -1 : s->onesided && s->inverse ? 2 * (n - 1) : n;
    if (n < 0 || d->length >= 1) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "a transform of %lld points", (long long)d->length);
}

static tap_status dft_infer(tap_ctx *ctx) {
    const fourier_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    dft_sizes d;
    int64_t dims[TAP_RANK_MAX];
    tap_status status = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "the input");
    if (status != TAP_OK) return status;
    if (!x || x->rank < 0) return tap_out_type(ctx, 0, x ? x->dtype : TAP_UNDEFINED, -1, NULL);
    status = dft_measure(ctx, s, x, &d);
    if (status != TAP_OK) return status;
    memcpy(dims, x->dims, sizeof dims);
    for (int i = 0; i < x->rank && d.axis < 0; i++) dims[i] = -1;
    if (d.axis >= 0) dims[d.axis] = d.length > 0 && s->onesided && !s->inverse ? d.length / 2 + 1 : d.length;
    dims[x->rank - 1] = d.parts_out;
    return tap_out_type(ctx, 0, x->dtype, x->rank, dims);
}

typedef struct dft_run {
    const fourier_state *s;
    const tap_tensor *x;
    tap_tensor *y;
    const tap_fft *fft;
    dft_sizes d;
    int64_t n_in, n_out, inner; /* points along the axis; distance between them */
    tap_complex *room;          /* [worker][each]                               */
    int64_t each;
} dft_run;

/* A one-sided spectrum of z[0 .. length / 2] gets its other side, the conjugate. */
static void mirror(tap_complex *z, int64_t length) {
    z[0].im = 0;
    if (length % 2 == 0) z[length / 2].im = 0;
    for (int64_t k = 1; k < length - k; k++) z[length - k] = (tap_complex){z[k].re, -z[k].im};
}

static void dft_lines(void *arg, int64_t begin, int64_t end, int worker) {
    const dft_run *r = arg;
    tap_complex *z = r->room + worker * r->each;
    int64_t length = r->d.length, wanted = r->s->onesided && r->s->inverse ? length / 2 + 1 : length;
    int64_t n = tap_min64(r->n_in, wanted);
    for (int64_t line = begin; line < end; line++) {
        int64_t outer = line / r->inner, at = line % r->inner;
        read_points(r->x, outer * r->n_in * r->inner + at, r->inner, n, r->d.parts_in, z);
        memset(z + n, 0, (size_t)(length - n) * sizeof *z);
        if (r->s->onesided && r->s->inverse) mirror(z, length);
        tap_fft_transform(r->fft, r->s->inverse, z, z + length);
        write_points(z, r->s->inverse ? 1 / (double)length : 1, r->y, outer * r->n_out * r->inner + at,
                     r->inner, r->n_out, r->d.parts_out);
    }
}

static tap_status dft_run_all(tap_ctx *ctx) {
    dft_run r = {.s = ctx->state, .x = ctx->in[0], .y = ctx->out[0]};
    tap_status status = dft_measure(ctx, r.s, tap_in_type(ctx, 0), &r.d);
    if (status != TAP_OK) return status;
    r.n_in = r.x->dims[r.d.axis];
    r.n_out = r.y->dims[r.d.axis];
    r.inner = tap_product(r.x->dims + r.d.axis + 1, r.x->rank - r.d.axis - 2);
    if (r.y->count == 0) return TAP_OK;
    r.fft = tap_fft_make(ctx, r.d.length);
    if (!r.fft) return TAP_MEMORY;
    r.each = r.d.length + tap_fft_room(r.fft);
    r.room = tap_scratch(ctx, (size_t)tap_workers(ctx) * (size_t)r.each * sizeof *r.room);
    if (!r.room) return TAP_MEMORY;
    int64_t lines = r.y->count / r.d.parts_out / r.n_out;
    tap_parallel(ctx, lines, tap_max64(1, 4096 / r.d.length), dft_lines, &r);
    return TAP_OK;
}

/* ---- STFT ---------------------------------------------------------------------------------------------- */

static tap_status stft_prepare(tap_ctx *ctx, void **state) {
    fourier_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->onesided = tap_attr_int(ctx, "onesided", 1) != 0;
    return TAP_OK;
}

/* Numbers of a point. PyTorch exports real signals of two axes, which the standard does not have and every
 * runtime takes: the last one is left out. */
static int64_t parts_of(int rank, const int64_t *dims) {
    return rank == 2 ? 1 : dims[2];
}

typedef struct stft_sizes {
    int64_t step, length, frames, bins; /* -1 = unknown */
} stft_sizes;

static tap_status stft_length(tap_ctx *ctx, const tap_type *x, stft_sizes *z) {
    const tap_type *window = tap_in_type(ctx, 2);
    tap_status s = whole_in(ctx, 3, "frame_length", 1, &z->length);
    if (s == TAP_OK) s = tap_need_rank(ctx, 2, 1, 1, "the window");
    if (s == TAP_OK) s = tap_need_same_dtype(ctx, 0, 2, "the window");
    if (s == TAP_OK) s = tap_need_same_dtype(ctx, 1, 3, "frame_length");
    if (s != TAP_OK) return s;
    int64_t n = window && window->rank == 1 ? window->dims[0] : -1;
    if (n >= 0 && z->length >= 0 && n != z->length)
        return tap_fail(ctx, tap_misfit(ctx), "the window has %lld points, and frame_length is %lld",
                        (long long)n, (long long)z->length);
    if (z->length < 0 && !tap_has_in(ctx, 3)) z->length = tap_has_in(ctx, 2) ? n : x->dims[1];
    return z->length == 0 ? tap_fail(ctx, tap_misfit(ctx), "frames of no points") : TAP_OK;
}

static tap_status stft_measure(tap_ctx *ctx, const fourier_state *s, const tap_type *x, stft_sizes *z) {
    *z = (stft_sizes){-1, -1, -1, -1};
    tap_status status = stft_length(ctx, x, z);
    if (status == TAP_OK) status = whole_in(ctx, 1, "frame_step", 1, &z->step);
    if (status != TAP_OK) return status;
    int64_t n = x->dims[1], parts = parts_of(x->rank, x->dims);
    if (parts >= 0 && parts != 1 && parts != 2)
        return tap_fail(ctx, tap_misfit(ctx),
                        "the last dimension is %lld; it has to be 1, real, or 2, complex", (long long)parts);
    if (parts == 2 && s->onesided)
        return tap_fail(ctx, tap_misfit(ctx),
                        "a complex signal has no one-sided transform: set the attribute onesided to 0");
    if (z->length > 0) z->bins = s->onesided ? z->length / 2 + 1 : z->length;
    if (n < 0 || z->length < 0 || z->step < 0) return TAP_OK;
    if (n < z->length)
        return tap_fail(ctx, tap_misfit(ctx), "frames of %lld points of a signal of %lld",
                        (long long)z->length, (long long)n);
    z->frames = (n - z->length) / z->step + 1;
    return TAP_OK;
}

static tap_status stft_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    stft_sizes z;
    tap_status status = tap_need_rank(ctx, 0, 2, 3, "the signal");
    if (status != TAP_OK) return status;
    if (!x || x->rank < 0) return tap_out_type(ctx, 0, x ? x->dtype : TAP_UNDEFINED, -1, NULL);
    status = stft_measure(ctx, ctx->state, x, &z);
    int64_t dims[4] = {x->dims[0], z.frames, z.bins, 2};
    return status == TAP_OK ? tap_out_type(ctx, 0, x->dtype, 4, dims) : status;
}

typedef struct stft_run {
    const tap_tensor *x, *window;
    tap_tensor *y;
    const tap_fft *fft;
    stft_sizes z;
    tap_complex *room; /* [worker][each] */
    int64_t each;
} stft_run;

static void stft_frames(void *arg, int64_t begin, int64_t end, int worker) {
    const stft_run *r = arg;
    tap_complex *z = r->room + worker * r->each;
    int64_t n = r->z.length;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i / r->z.frames * r->x->dims[1] + i % r->z.frames * r->z.step;
        read_points(r->x, first, 1, n, (int)parts_of(r->x->rank, r->x->dims), z);
        for (int64_t k = 0; r->window && k < n; k++) {
            double w = tap_real_at(r->window, k);
            z[k] = (tap_complex){z[k].re * w, z[k].im * w};
        }
        tap_fft_transform(r->fft, false, z, z + n);
        write_points(z, 1, r->y, i * r->z.bins, 1, r->z.bins, 2);
    }
}

static tap_status stft_run_all(tap_ctx *ctx) {
    stft_run r = {.x = ctx->in[0], .window = tap_has_in(ctx, 2) ? ctx->in[2] : NULL, .y = ctx->out[0]};
    tap_status status = stft_measure(ctx, ctx->state, tap_in_type(ctx, 0), &r.z);
    if (status != TAP_OK) return status;
    if (r.y->count == 0) return TAP_OK;
    r.fft = tap_fft_make(ctx, r.z.length);
    if (!r.fft) return TAP_MEMORY;
    r.each = r.z.length + tap_fft_room(r.fft);
    r.room = tap_scratch(ctx, (size_t)tap_workers(ctx) * (size_t)r.each * sizeof *r.room);
    if (!r.room) return TAP_MEMORY;
    tap_parallel(ctx, r.x->dims[0] * r.z.frames, tap_max64(1, 4096 / r.z.length), stft_frames, &r);
    return TAP_OK;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "DFT", .since = 17, .until = 19, .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT, .prepare = dft_prepare, .infer = dft_infer, .run = dft_run_all,
     .notes = "Computed in float64 and rounded once."},
    {.name = "DFT", .since = 20, .in_min = 1, .in_max = 3, .out_min = 1, .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT, .prepare = dft_prepare, .infer = dft_infer, .run = dft_run_all,
     .notes = "Computed in float64 and rounded once."},
    {.name = "STFT", .since = 17, .in_min = 2, .in_max = 4, .out_min = 1, .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT, .prepare = stft_prepare, .infer = stft_infer, .run = stft_run_all,
     .notes = "Computed in float64 and rounded once."},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(fourier, ops);
