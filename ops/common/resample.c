/* Coordinates, taps and passes of Resize. */
#include "common/resample.h"

#include <math.h>

#include "common/cast.h"
#include "common/tile.h"

/* ---- Coordinates ---- */

static double rounded(double v, bool as_float) {
    return as_float ? (double)(float)v : v;
}

/* x / scale, exact where it is an integer. */
static double unscaled(const tap_resample_axis *a, double x, bool as_float) {
    return rounded(a->scale > 0 ? x / a->scale : x * (double)a->in / (double)a->out, as_float);
}

/* The length of the output before it is cut to an integer. */
static double length_of(const tap_resample_axis *a) {
    return a->scale > 0 ? a->scale * (double)a->in : (double)a->out;
}

static double crop_source(const tap_resample_axis *a, double x, bool as_float) {
    double last = (double)(a->in - 1);
    if (a->out == 1) return 0.5 * (a->start + a->end) * last;
    return rounded(a->start * last + x * (a->end - a->start) * last / (double)(a->out - 1), as_float);
}

double tap_source_of(const tap_resample_axis *a, int64_t o, bool as_float) {
    double x = (double)o, length = length_of(a), in = (double)a->in;
    switch (a->place) {
    case TAP_PLACE_PYTORCH_HALF_PIXEL:
        if (a->out == 1) return 0;
        return unscaled(a, x + 0.5, as_float) - 0.5;
    case TAP_PLACE_ALIGN_CORNERS:
        /* The standard's tests take the length with its fraction. */
        return a->out == 1 ? 0 : rounded(x * (in - 1) / (length - 1), as_float);
    case TAP_PLACE_ASYMMETRIC: return unscaled(a, x, as_float);
    case TAP_PLACE_TF_HALF_PIXEL_FOR_NN: return unscaled(a, x + 0.5, as_float);
    case TAP_PLACE_TF_CROP_AND_RESIZE: return crop_source(a, x, as_float);
    case TAP_PLACE_HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - (double)a->out / length) + unscaled(a, x + 0.5, as_float) - 0.5;
    default: return unscaled(a, x + 0.5, as_float) - 0.5;
    }
}

/* ---- Taps ---- */

static double cubic_weight(double x, double a) {
    x = fabs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static double weight_at(const tap_kernel *k, double x) {
    double linear = 1 - fabs(x);
    if (k->cubic) return cubic_weight(x, k->a);
    return linear > 0 ? linear : 0;
}

/* p as a position from 0 to last; 0 where p is NaN. */
static int32_t clamped(double p, double last) {
    if (!(p > 0)) return 0;
    return (int32_t)(p < last ? p : last);
}

/* How far the kernel is stretched: 1, or in / out where it is to blur what would alias. */
static double stretch_of(const tap_resample_axis *a, const tap_kernel *k) {
    double scale = a->scale > 0 ? a->scale : (double)a->out / (double)a->in;
    return k->antialias && scale < 1 ? scale : 1;
}

static void fill_taps(const tap_resample_axis *a, const tap_kernel *k, tap_taps *t, int64_t o) {
    double c = tap_source_of(a, o, false), base = ceil(c) - 1, scale = stretch_of(a, k), sum = 0;
    double last = (double)(a->in - 1);
    if (tap_source_outside(a, tap_source_of(a, o, true))) {
        t->outside[o] = 1;
        c = base = 0;
    }
    for (int i = 0; i < t->n; i++) {
        double p = base + 1 - t->n / 2 + i, w = weight_at(k, (p - c) * scale);
        bool inside = p >= 0 && p <= last;
        int64_t at = i * t->out + o;
        t->at[at] = clamped(p, last);
        t->weight[at] = inside || !k->exclude_outside ? w : 0;
        sum += t->weight[at];
    }
    if (sum == 0) sum = 1;
    bool normalise = k->exclude_outside || scale < 1;
    for (int i = 0; i < t->n; i++) {
        double *w = &t->weight[i * t->out + o];
        if (normalise) *w /= sum;
        t->weight32[i * t->out + o] = (float)*w;
    }
}

tap_status tap_make_taps(tap_ctx *ctx, const tap_resample_axis *a, const tap_kernel *kernel, tap_taps *t) {
    double reach = (kernel->cubic ? 2 : 1) / stretch_of(a, kernel);
    /* The elements left and right of the coordinate whose weight is not 0. */
    double n = 2 * ceil(reach);
    if (n * (double)a->out > 0x1p31) return tap_fail(ctx, TAP_RUN, "the filter is too long: %g elements", n);
    *t = (tap_taps){.in = a->in, .out = a->out, .n = (int)n};
    size_t all = (size_t)t->n * (size_t)t->out;
    t->at = tap_scratch(ctx, all * sizeof *t->at);
    t->weight = tap_scratch(ctx, all * sizeof *t->weight);
    t->weight32 = tap_scratch(ctx, all * sizeof *t->weight32);
    t->outside = a->place == TAP_PLACE_TF_CROP_AND_RESIZE ? tap_scratch(ctx, (size_t)t->out) : NULL;
    if (!t->at || !t->weight || !t->weight32 || (a->place == TAP_PLACE_TF_CROP_AND_RESIZE && !t->outside))
        return TAP_MEMORY;
    for (int64_t o = 0; o < t->out; o++) {
        if (t->outside) t->outside[o] = 0;
        fill_taps(a, kernel, t, o);
    }
    return TAP_OK;
}

/* ---- Passes ---- */

typedef struct pass {
    const tap_taps *t;
    tap_dtype from; /* of x */
    const void *x;
    const tap_resampled *to;
    void *y;
    int64_t post;
    double constant;
    bool wide, by_rows;
    char *room; /* by lines: for LINES of them for each worker; NULL: one after the other */
    size_t room_bytes;
    char *out; /* for what a worker computes at a time, before it is stored; NULL: it is stored as it is */
    size_t out_bytes;
} pass;

#define RESAMPLE_INLINE static inline __attribute__((always_inline))

/* Lines that are turned at a time, and bytes of one, in and out, that leave them in cache; where more than
 * one element lie together, the loop along the axis is slower than lines that are in the next cache. */
#define LINES          32
#define LINE_BYTES     32768
#define FAR_LINE_BYTES 262144

static tap_dtype computed(const pass *s) {
    return s->wide ? TAP_DOUBLE : TAP_FLOAT;
}

/* n elements of x from `first` on, as they are computed with: where they lie, or in room. */
static const void *elements_in(const pass *s, int64_t first, int64_t n, void *room) {
    const char *x = (const char *)s->x + (size_t)first * tap_dtype_bytes(s->from);
    if (s->from == computed(s)) return x;
    TAP_ISA_NAME(tap_cast_dense)(s->from, computed(s), n, x, room);
    return room;
}

static const void *lines_in(const pass *s, int64_t line, int64_t n, void *room) {
    return elements_in(s, line * s->t->in * s->post, n * s->t->in * s->post, room);
}

/* Where the elements of y from `first` on are computed. */
static void *out_at(const pass *s, int64_t first, char *out) {
    return out ? out : (char *)s->y + (size_t)first * tap_dtype_bytes(computed(s));
}

/* Stores n of them. */
static void store_out(const pass *s, int64_t first, int64_t n, const char *out) {
    enum { STORED = 1024 };
    const double lo = s->to->lo, hi = s->to->hi;
    const size_t width = tap_dtype_bytes(s->to->dtype);
    double whole[STORED];
    for (int64_t i = 0; out && i < n; i += STORED) {
        const int64_t m = tap_min64(STORED, n - i);
        const char *v = out + (size_t)i * tap_dtype_bytes(computed(s));
        for (int64_t k = 0; s->to->round && k < m; k++) {
            const double x = rint(((const double *)(const void *)v)[k]);
            whole[k] = x < lo ? lo : x > hi ? hi : x;
        }
        TAP_ISA_NAME(tap_cast_dense)
        (computed(s), s->to->dtype, m, s->to->round ? (const void *)whole : v,
         (char *)s->y + (size_t)(first + i) * width);
    }
}

#define T      float
#define FN(f)  f##_float
#define WEIGHT weight32
#include "common/resample.inc"
#define T      double
#define FN(f)  f##_double
#define WEIGHT weight
#include "common/resample.inc"

static void pass_task(void *arg, int64_t begin, int64_t end, int worker) {
    const pass *s = arg;
    char *room = s->room ? s->room + (size_t)worker * s->room_bytes : NULL;
    char *out = s->out ? s->out + (size_t)worker * s->out_bytes : NULL;
    if (s->by_rows)
        (s->wide ? rows_double : rows_float)(s, begin, end, out);
    else if (room)
        (s->wide ? turned_double : turned_float)(s, begin, end, room, out);
    else
        (s->wide ? lines_double : lines_float)(s, begin, end, out);
}

/* Lines of which few elements lie together are turned into columns, so that the loop is along them and
 * nothing is gathered. */
static void take_room(tap_ctx *ctx, pass *s, int64_t pre) {
    const size_t width = tap_dtype_bytes(computed(s)) * (size_t)s->post;
    const size_t line = (size_t)(s->t->in + s->t->out) * width;
    if (s->by_rows || pre < LINES / 2 || line > (s->post > 1 ? FAR_LINE_BYTES : LINE_BYTES)) return;
    s->room_bytes = tap_round_up(LINES * (line + (size_t)s->t->in * width), TAP_ALIGN);
    s->room = tap_scratch(ctx, s->room_bytes * (size_t)tap_workers(ctx));
}

/* Room for a row, for LINES lines or for one. */
static bool take_out(tap_ctx *ctx, pass *s) {
    const int64_t n = s->by_rows ? s->post : s->t->out * s->post * (s->room ? LINES : 1);
    if (s->to->dtype == computed(s)) return true;
    s->out_bytes = tap_round_up((size_t)n * tap_dtype_bytes(computed(s)), TAP_ALIGN);
    s->out = tap_scratch(ctx, s->out_bytes * (size_t)tap_workers(ctx));
    return s->out != NULL;
}

typedef struct conversion {
    const pass *s;
    char *to;
} conversion;

static void convert_task(void *arg, int64_t begin, int64_t end, int worker) {
    const conversion *c = arg;
    (void)worker;
    elements_in(c->s, begin, end - begin, c->to + (size_t)begin * tap_dtype_bytes(computed(c->s)));
}

/* All of x as it is computed with, for loops that read it more than once. */
static tap_status convert_all(tap_ctx *ctx, pass *s, int64_t n) {
    conversion c = {s, tap_scratch(ctx, (size_t)n * tap_dtype_bytes(computed(s)))};
    if (!c.to) return TAP_MEMORY;
    tap_parallel(ctx, n, 16384, convert_task, &c);
    s->x = c.to;
    s->from = computed(s);
    return TAP_OK;
}

tap_status tap_resample_pass(tap_ctx *ctx, bool wide, const tap_taps *t, int64_t pre, int64_t post,
                             double constant, tap_dtype from, const void *x, const tap_resampled *to,
                             void *y) {
    pass s = {.t = t,
              .from = from,
              .x = x,
              .to = to,
              .y = y,
              .post = post,
              .constant = constant,
              .wide = wide,
              .by_rows = post >= 8};
    int64_t units = s.by_rows ? pre * t->out : pre, each = (s.by_rows ? post : post * t->out) * t->n;
    int64_t grain = tap_max64(1, 32768 / tap_max64(each, 1));
    take_room(ctx, &s, pre);
    if (!take_out(ctx, &s)) return TAP_MEMORY;
    if (s.room) grain = (int64_t)tap_round_up((size_t)grain, LINES);
    if (!s.room && from != computed(&s) && convert_all(ctx, &s, pre * t->in * post)) return TAP_MEMORY;
    tap_parallel(ctx, units, grain, pass_task, &s);
    return TAP_OK;
}
