/* DFT, STFT. Computed in float64 whatever the type. */
#include "common/fft.h"
#include "common/real.h"
#include "common/shape.h"
#include "common/tile.h"

typedef struct fourier_state {
    bool inverse, onesided;
    int64_t axis; /* DFT-17; later ones have it as an input */
} fourier_state;

/* ---- lines: signals that are read, transformed and written ---- */

/* Line i of a group, of which the g-th begins in_group * g points into x and out_group * g into y, begins
 * in_next * i points behind that, and out_next * i. */
typedef struct lines {
    const tap_tensor *x;
    tap_tensor *y;
    const tap_fft *fft;
    bool inverse, mirrored; /* mirrored: what is read is one side of a spectrum                */
    int parts_in, parts_out;
    int64_t n_in, length, n_out; /* points that are read, transformed and written              */
    int64_t in_step, out_step;   /* from point to point                                        */
    int64_t groups, group;       /* lines of a group                                           */
    int64_t in_group, in_next, out_group, out_next;
    const double *window; /* NULL: none                                                        */
    double scale;
    bool together;  /* lanes of vectors, each with its line                                    */
    int64_t blocks; /* of lines that go together, in a group                                   */
    char *room;     /* [worker][each]: points, room for the transform, room for numbers        */
    size_t each;
} lines;

/* Lines that would not lie in a cache with others beside them go one by one. */
enum { LANES = TAP_FFT_LANES, BYTES_TOGETHER = 4 << 20 };

static const char *point_in(const lines *l, int64_t group, int64_t i, int64_t k) {
    const int64_t at = group * l->in_group + i * l->in_next + k * l->in_step;
    return (const char *)l->x->data + (size_t)(at * l->parts_in) * tap_dtype_bytes(l->x->dtype);
}

static char *point_out(const lines *l, int64_t group, int64_t i, int64_t k) {
    const int64_t at = group * l->out_group + i * l->out_next + k * l->out_step;
    return (char *)l->y->data + (size_t)(at * l->parts_out) * tap_dtype_bytes(l->y->dtype);
}

/* Points k of m lines from the i-th on, whose numbers lie together in each; `turned`: 2 * LANES * n_in. */
static void read_lines(const lines *l, int64_t group, int64_t i, int64_t m, tap_complexes *z, double *v) {
    const int64_t n = l->n_in * l->parts_in;
    double *turned = l->parts_in == 2 ? (double *)z : v + LANES * n;
    for (int64_t j = 0; j < m; j++) tap_to_f64(l->x->dtype, n, point_in(l, group, i + j, 0), v + j * n);
    memset(v + m * n, 0, (size_t)((LANES - m) * n) * sizeof *v);
    tap_tile_apart(sizeof *v, LANES, n, v, turned);
    for (int64_t k = 0; l->parts_in == 1 && k < n; k++) {
        z[k] = (tap_complexes){0};
        memcpy(&z[k].re, turned + k * LANES, sizeof z[k].re);
    }
}

static void write_lines(const lines *l, int64_t group, int64_t i, int64_t m, const tap_complexes *z,
                        double *v) {
    const int64_t n = l->n_out * l->parts_out;
    double *from = v + LANES * n;
    for (int64_t k = 0; l->parts_out == 1 && k < n; k++) memcpy(from + k * LANES, &z[k].re, sizeof z[k].re);
    tap_tile_together(sizeof *v, LANES, n, l->parts_out == 2 ? (const double *)z : from, v);
    for (int64_t j = 0; j < m; j++) tap_from_f64(l->y->dtype, n, v + j * n, point_out(l, group, i + j, 0));
}

/* The same where it is the lines whose numbers lie together, at each point. */
static void read_columns(const lines *l, int64_t group, int64_t i, int64_t m, tap_complexes *z) {
    for (int64_t k = 0; k < l->n_in; k++) {
        double v[2 * LANES];
        tap_to_f64(l->x->dtype, m * l->parts_in, point_in(l, group, i, k), v);
        z[k] = (tap_complexes){0};
        for (int64_t j = 0; j < m; j++) {
            z[k].re[j] = v[j * l->parts_in];
            if (l->parts_in == 2) z[k].im[j] = v[2 * j + 1];
        }
    }
}

static void write_columns(const lines *l, int64_t group, int64_t i, int64_t m, const tap_complexes *z) {
    for (int64_t k = 0; k < l->n_out; k++) {
        double v[2 * LANES];
        for (int64_t j = 0; j < m; j++) {
            v[j * l->parts_out] = z[k].re[j];
            if (l->parts_out == 2) v[2 * j + 1] = z[k].im[j];
        }
        tap_from_f64(l->y->dtype, m * l->parts_out, v, point_out(l, group, i, k));
    }
}

/* z as numbers: two a point, or, where a point has one part, one. */
static void read_one(const lines *l, int64_t group, int64_t i, tap_complex *z) {
    const int parts = l->parts_in;
    double *v = parts == 2 ? (double *)z : (double *)z + l->n_in;
    if (l->in_step == 1)
        tap_to_f64(l->x->dtype, l->n_in * parts, point_in(l, group, i, 0), v);
    else
        for (int64_t k = 0; k < l->n_in; k++)
            tap_to_f64(l->x->dtype, parts, point_in(l, group, i, k), v + k * parts);
    for (int64_t k = 0; parts == 1 && k < l->n_in; k++) z[k] = (tap_complex){v[k], 0};
}

static void write_one(const lines *l, int64_t group, int64_t i, tap_complex *z) {
    const int parts = l->parts_out;
    double *v = (double *)z;
    for (int64_t k = 0; parts == 1 && k < l->n_out; k++) v[k] = z[k].re;
    if (l->out_step == 1)
        tap_from_f64(l->y->dtype, l->n_out * parts, v, point_out(l, group, i, 0));
    else
        for (int64_t k = 0; k < l->n_out; k++)
            tap_from_f64(l->y->dtype, parts, v + k * parts, point_out(l, group, i, k));
}

/* What stands between reading and writing, of C: mirrored: a spectrum of z[0 .. length / 2] gets its other
 * side, the conjugate. */
#define TRANSFORM_LINES(NAME, C, TRANSFORM)                                                                  \
    static void NAME(const lines *l, C *z) {                                                                 \
        const int64_t n = l->length;                                                                         \
        for (int64_t k = 0; l->window && k < l->n_in; k++) z[k].re *= l->window[k], z[k].im *= l->window[k]; \
        memset(z + l->n_in, 0, (size_t)(n - l->n_in) * sizeof *z);                                           \
        if (l->mirrored) {                                                                                   \
            memset(&z[0].im, 0, sizeof z[0].im);                                                             \
            if (n % 2 == 0) memset(&z[n / 2].im, 0, sizeof z[0].im);                                         \
            for (int64_t k = 1; k < n - k; k++) z[n - k] = (C){z[k].re, -z[k].im};                           \
        }                                                                                                    \
        TRANSFORM(l->fft, l->inverse, z, z + n);                                                             \
        for (int64_t k = 0; l->scale != 1 && k < l->n_out; k++) z[k].re *= l->scale, z[k].im *= l->scale;    \
    }
TRANSFORM_LINES(transform_one, tap_complex, tap_fft_transform)
TRANSFORM_LINES(transform_together, tap_complexes, tap_fft_together)

static void lines_task(void *arg, int64_t begin, int64_t end, int worker) {
    const lines *l = arg;
    tap_complexes *z = (tap_complexes *)(void *)(l->room + (size_t)worker * l->each);
    double *v = (double *)(void *)(z + l->length + tap_fft_room(l->fft));
    for (int64_t u = begin; u < end; u++) {
        const int64_t group = u / l->blocks, i = u % l->blocks * LANES, m = tap_min64(LANES, l->group - i);
        if (l->in_step == 1)
            read_lines(l, group, i, m, z, v);
        else
            read_columns(l, group, i, m, z);
        transform_together(l, z);
        if (l->out_step == 1)
            write_lines(l, group, i, m, z, v);
        else
            write_columns(l, group, i, m, z);
    }
}

static void one_line_task(void *arg, int64_t begin, int64_t end, int worker) {
    const lines *l = arg;
    tap_complex *z = (tap_complex *)(void *)(l->room + (size_t)worker * l->each);
    for (int64_t i = begin; i < end; i++) {
        read_one(l, i / l->group, i % l->group, z);
        transform_one(l, z);
        write_one(l, i / l->group, i % l->group, z);
    }
}

static tap_status run_lines(tap_ctx *ctx, lines *l) {
    l->fft = tap_fft_make(ctx, l->length);
    if (!l->fft) return TAP_MEMORY;
    const int64_t points = l->length + tap_fft_room(l->fft), most = tap_max64(l->n_in, l->n_out);
    l->together = l->group > 1 && points <= BYTES_TOGETHER / (int64_t)sizeof(tap_complexes);
    l->blocks = (l->group + LANES - 1) / LANES;
    l->each = l->together
                  ? (size_t)points * sizeof(tap_complexes) + (size_t)(4 * LANES * most) * sizeof(double)
                  : (size_t)points * sizeof(tap_complex);
    l->each = tap_round_up(l->each, TAP_ALIGN);
    if (!(l->room = tap_scratch(ctx, (size_t)tap_workers(ctx) * l->each))) return TAP_MEMORY;
    if (l->together)
        tap_parallel(ctx, l->groups * l->blocks, tap_max64(1, 4096 / (l->length * LANES)), lines_task, l);
    else
        tap_parallel(ctx, l->groups * l->group, tap_max64(1, 4096 / l->length), one_line_task, l);
    return TAP_OK;
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

static tap_status dft_run(tap_ctx *ctx) {
    const fourier_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0];
    dft_sizes d;
    tap_status status = dft_measure(ctx, s, tap_in_type(ctx, 0), &d);
    if (status != TAP_OK || y->count == 0) return status;
    const bool mirrored = s->onesided && s->inverse;
    const int64_t points = x->dims[d.axis], inner = tap_product(x->dims + d.axis + 1, x->rank - d.axis - 2);
    lines l = {.x = x,
               .y = y,
               .inverse = s->inverse,
               .mirrored = mirrored,
               .parts_in = d.parts_in,
               .parts_out = d.parts_out,
               .n_in = tap_min64(points, mirrored ? d.length / 2 + 1 : d.length),
               .length = d.length,
               .n_out = y->dims[d.axis],
               .in_step = inner,
               .out_step = inner,
               .groups = tap_product(x->dims, d.axis),
               .group = inner,
               .in_next = 1,
               .out_next = 1,
               .scale = s->inverse ? 1 / (double)d.length : 1};
    l.in_group = points * inner;
    l.out_group = l.n_out * inner;
    if (inner == 1) { /* all lines are one group */
        l.in_next = points;
        l.out_next = l.n_out;
        l.group = l.groups;
        l.groups = 1;
    }
    return run_lines(ctx, &l);
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

static tap_status stft_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *window = tap_has_in(ctx, 2) ? ctx->in[2] : NULL;
    tap_tensor *y = ctx->out[0];
    stft_sizes z;
    tap_status status = stft_measure(ctx, ctx->state, tap_in_type(ctx, 0), &z);
    if (status != TAP_OK || y->count == 0) return status;
    double *w = window ? tap_scratch(ctx, (size_t)z.length * sizeof *w) : NULL;
    if (window && !w) return TAP_MEMORY;
    if (window) tap_to_f64(window->dtype, z.length, window->data, w);
    lines l = {.x = x,
               .y = y,
               .parts_in = (int)parts_of(x->rank, x->dims),
               .parts_out = 2,
               .n_in = z.length,
               .length = z.length,
               .n_out = z.bins,
               .in_step = 1,
               .out_step = 1,
               .groups = x->dims[0],
               .group = z.frames,
               .in_group = x->dims[1],
               .in_next = z.step,
               .out_group = z.frames * z.bins,
               .out_next = z.bins,
               .window = w,
               .scale = 1};
    return run_lines(ctx, &l);
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "DFT", .since = 17, .until = 19, .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT, .prepare = dft_prepare, .infer = dft_infer, .run = dft_run,
     .notes = "Computed in float64 and rounded once."},
    {.name = "DFT", .since = 20, .in_min = 1, .in_max = 3, .out_min = 1, .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT, .prepare = dft_prepare, .infer = dft_infer, .run = dft_run,
     .notes = "Computed in float64 and rounded once."},
    {.name = "STFT", .since = 17, .in_min = 2, .in_max = 4, .out_min = 1, .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT, .prepare = stft_prepare, .infer = stft_infer, .run = stft_run,
     .notes = "Computed in float64 and rounded once."},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(fourier, ops);
