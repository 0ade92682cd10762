/* Convolution with narrow groups. */
#include "common/conv_lanes.h"

#include <string.h>

#include "common/conv_space.h"
#include "common/floats.h"
#include "common/gemm_internal.h"
#include "common/vector.h"

/* Output pixels of a line that are a job's unit, and multiply-adds that are worth a job. */
#define PIXELS_OF_UNIT 64
#define WORK_OF_JOB    (1 << 18)

/* Pixels of a tile: with two vectors each, their sums and the weights of one tap, or of a window's line, fit
 * into the registers. */
#ifdef TAP_ISA_avx512
#define ROWS_MAX     9
#define ROWS_SLIDING 8
#define VECTORS_MAX  8 /* of a pixel by itself */
#else
#define ROWS_MAX     6
#define ROWS_SLIDING 4
#define VECTORS_MAX  6
#endif
#define TAPS_MAX 5

/* Neighbouring output pixels of a line that see the same taps. */
typedef struct strip {
    const char *x; /* of the first pixel, at the first of these taps           */
    char *y;
    const char *w, *bias;             /* w at the first of these taps of the last axis            */
    const tap_finish *finish;         /* stages behind that; NULL: none                           */
    bool by_element;                  /* one of them adds element by element                      */
    const int64_t *x_outer, *w_outer; /* by outer tap that falls into the image                   */
    int64_t n_outer, taps, c;
    int64_t x_step, y_step; /* from pixel to pixel                                      */
    int64_t x_tap;          /* from tap to tap                                          */
    int64_t lanes_bytes;    /* of all output channels, and of a row of w                */
} strip;

#define SPLAT(p) (*(p) - (NAME(V)){0})
#ifdef TAP_ISA_avx512
#define LANES_OF(n) (~(~0u << (n)))
#endif

#define KIND          f32
#define T             float
#define LANES         (VECTOR_BYTES / 4)
#define ADD(x, b, s)  ((s) = VECTOR_FMA_F32(NAME(V), x, b, s))
#define ONE(p)        SPLAT(p)
#define GREATER(a, b) VECTOR_GREATER_F32(NAME(V), a, b)
#define LESSER(a, b)  VECTOR_LESSER_F32(NAME(V), a, b)
#ifdef TAP_ISA_avx512
#define LOAD(p, n)     ((NAME(V))_mm512_maskz_loadu_ps((__mmask16)LANES_OF(n), p))
#define STORE(p, v, n) _mm512_mask_storeu_ps(p, (__mmask16)LANES_OF(n), (__m512)(v))
#endif
#include "common/conv_lanes.inc"

#define KIND          f64
#define T             double
#define LANES         (VECTOR_BYTES / 8)
#define ADD(x, b, s)  ((s) = VECTOR_FMA_F64(NAME(V), x, b, s))
#define ONE(p)        SPLAT(p)
#define GREATER(a, b) VECTOR_GREATER_F64(NAME(V), a, b)
#define LESSER(a, b)  VECTOR_LESSER_F64(NAME(V), a, b)
#ifdef TAP_ISA_avx512
#define LOAD(p, n)     ((NAME(V))_mm512_maskz_loadu_pd((__mmask8)LANES_OF(n), p))
#define STORE(p, v, n) _mm512_mask_storeu_pd(p, (__mmask8)LANES_OF(n), (__m512d)(v))
#endif
#include "common/conv_lanes.inc"

#define KIND         u32
#define T            uint32_t
#define LANES        (VECTOR_BYTES / 4)
#define ADD(x, b, s) ((s) += (x) * (b))
#include "common/conv_lanes.inc"

bool tap_conv_is_narrow(tap_tile_kind kind, int64_t groups, int64_t m) {
    bool known = kind == TAP_TILE_F32 || kind == TAP_TILE_F64 || kind == TAP_TILE_U32;
    return known && groups > 1 && m * tap_tiles(kind, m)->elem < VECTOR_BYTES;
}

void tap_conv_lanes_pack(const tap_conv_weights *w, void *packed) {
    char *to = packed;
    for (int64_t t = 0; t < tap_conv_taps(w); t++)
        for (int64_t i = 0; i < w->c; i++)
            for (int64_t g = 0; g < w->groups; g++) to = tap_conv_take_weights(w, g, 0, w->m, i, t, to);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

typedef struct plan {
    const tap_conv *v;
    tap_conv_space s;
    const char *x; /* pixels of `x_pixel` bytes: for each of c, all output channels      */
    int64_t x_pixel, lanes_bytes, elem;
    int64_t units_of_line, unit_pixels;
    int64_t *outer; /* for each worker: 2 x outer_taps                                    */
} plan;

static int64_t ceil_div(int64_t a, int64_t b) {
    return a > 0 ? (a + b - 1) / b : 0;
}

/* Outputs begin .. end, all of which see taps t0 .. t1 of the last axis. */
static void run_strip(const plan *p, strip s, int64_t image, int64_t l, int64_t begin, int64_t end,
                      int64_t t0, int64_t t1) {
    const tap_conv_axis *w = &p->s.last;
    const tap_conv *v = p->v;
    if (begin >= end) return;
    s.taps = tap_max64(0, t1 - t0);
    s.x += image * (p->s.x_image / p->s.x_pixel * p->x_pixel);
    if (s.taps) s.x += (begin * w->step + w->first + t0 * w->tap_step) * p->x_pixel;
    s.w = (const char *)v->packed + t0 * v->c * p->lanes_bytes;
    s.y = (char *)v->y + image * p->s.y_image + tap_conv_place(&p->s, l, begin) * p->s.y_pixel;
    if (v->kind == TAP_TILE_F32)
        run_f32(&s, end - begin);
    else if (v->kind == TAP_TILE_F64)
        run_f64(&s, end - begin);
    else
        run_u32(&s, end - begin);
}

/* One pixel whose window may hang over the border: taps t0 .. t1 of it fall into the image. */
static void run_border(const plan *p, const strip *s, int64_t image, int64_t l, int64_t o) {
    const tap_conv_axis *w = &p->s.last;
    int64_t at = o * w->step + w->first, t0 = tap_min64(w->taps, ceil_div(-at, w->tap_step));
    int64_t t1 = at > w->in - 1 ? 0 : tap_min64(w->taps, (w->in - 1 - at) / w->tap_step + 1);
    run_strip(p, *s, image, l, o, o + 1, t0, t1);
}

static void run_pixels(const plan *p, strip *s, int64_t image, int64_t l, int64_t begin, int64_t end) {
    const tap_conv_axis *w = &p->s.last;
    int64_t room = w->in - 1 - w->first - (w->taps - 1) * w->tap_step;
    int64_t lo = ceil_div(-w->first, w->step), hi = room < 0 ? 0 : room / w->step + 1;
    lo = tap_min64(end, tap_max64(begin, lo));
    hi = tap_max64(lo, tap_min64(end, hi));
    for (int64_t o = begin; o < lo; o++) run_border(p, s, image, l, o);
    run_strip(p, *s, image, l, lo, hi, 0, w->taps);
    for (int64_t o = hi; o < end; o++) run_border(p, s, image, l, o);
}

/* Tells of pixels that are final. */
static void end_pixels(const plan *p, int64_t image, int64_t l, int64_t begin, int64_t end) {
    const tap_conv *v = p->v;
    int64_t at = image * (p->s.y_image / p->s.y_pixel) + tap_conv_place(&p->s, l, begin);
    int64_t n = p->s.y_pixel / p->elem, step = p->s.last.out_step;
    if (!v->done) return;
    if (step == 1)
        v->done(v->arg, at, end - begin, 0, n);
    else
        for (int64_t i = 0; i < end - begin; i++) v->done(v->arg, at + i * step, 1, 0, n);
}

static bool adds_elements(const tap_finish *f) {
    for (int i = 0; f && i < f->n; i++)
        if (f->stages[i].form == TAP_FINISH_BY_ELEMENT) return true;
    return false;
}

static void lanes_task(void *arg, int64_t begin, int64_t end, int worker) {
    const plan *p = arg;
    const tap_conv *v = p->v;
    int64_t *outer = p->outer + worker * 2 * p->s.outer_taps, taps = p->s.last.taps;
    strip proto = {.x = p->x,
                   .bias = v->bias,
                   .finish = v->finish,
                   .by_element = adds_elements(v->finish),
                   .x_outer = outer,
                   .w_outer = outer + p->s.outer_taps,
                   .c = v->c};
    proto.x_step = p->s.last.step * p->x_pixel;
    proto.y_step = p->s.last.out_step * p->s.y_pixel;
    proto.x_tap = p->s.last.tap_step * p->x_pixel;
    proto.lanes_bytes = p->lanes_bytes;
    for (int64_t u = begin; u < end; u++) {
        int64_t line = u / p->units_of_line, image = line / p->s.lines, l = line % p->s.lines;
        int64_t o = u % p->units_of_line * p->unit_pixels;
        strip s = proto;
        for (int64_t t = 0; t < p->s.outer_taps; t++) {
            int64_t row = tap_conv_row(&p->s, l, t);
            if (row < 0) continue;
            outer[s.n_outer] = row / p->s.x_pixel * p->x_pixel;
            outer[p->s.outer_taps + s.n_outer++] = t * taps * v->c * p->lanes_bytes;
        }
        int64_t last = tap_min64(p->s.last.out, o + p->unit_pixels);
        run_pixels(p, &s, image, l, o, last);
        end_pixels(p, image, l, o, last);
    }
}

/* ---- Input by lanes -------------------------------------------------------------------------- */

typedef struct spread {
    const char *x;
    char *to;
    int64_t groups, c, m, elem;
} spread;

/* to[pixel][i][g * m + j] = x[pixel][g * c + i] */
static void spread_task(void *arg, int64_t begin, int64_t end, int worker) {
    const spread *s = arg;
    int64_t lanes = s->groups * s->m;
    (void)worker;
    for (int64_t p = begin; p < end; p++)
        for (int64_t i = 0; i < s->c; i++) {
            const char *x = s->x + (p * s->groups * s->c + i) * s->elem;
            char *to = s->to + (p * s->c + i) * lanes * s->elem;
            for (int64_t g = 0; g < s->groups; g++, x += s->c * s->elem)
                for (int64_t j = 0; j < s->m; j++, to += s->elem) {
                    if (s->elem == 4)
                        memcpy(to, x, 4);
                    else
                        memcpy(to, x, 8);
                }
        }
}

/* x with all output channels' input side by side; x itself where each channel has an output of its own. */
static tap_status spread_input(tap_ctx *ctx, plan *p) {
    const tap_conv *v = p->v;
    spread s = {.x = v->x, .groups = v->groups, .c = v->c, .m = v->m, .elem = p->elem};
    int64_t pixels = p->s.images * (p->s.x_image / p->s.x_pixel);
    size_t bytes;
    p->x = v->x;
    p->x_pixel = v->c * p->lanes_bytes;
    if (v->c == 1 && v->m == 1) return TAP_OK;
    if (!tap_mul_size((size_t)pixels, (size_t)p->x_pixel, &bytes))
        return tap_fail(ctx, TAP_MEMORY, "X is too large");
    if (!(s.to = tap_conv_scratch(ctx, v, 1, bytes))) return TAP_MEMORY;
    tap_parallel(ctx, pixels, tap_max64(1, (1 << 16) / p->x_pixel), spread_task, &s);
    p->x = s.to;
    return TAP_OK;
}

tap_status tap_conv_lanes_run(tap_ctx *ctx, const tap_conv *v) {
    plan p = {.v = v, .elem = tap_tiles(v->kind, v->m)->elem};
    size_t bytes;
    tap_conv_space_init(&p.s, v, p.elem);
    p.lanes_bytes = p.s.y_pixel;
    if (p.s.y_image == 0 || p.s.images == 0) return TAP_OK;
    if (!tap_mul_size((size_t)p.s.outer_taps, 2 * sizeof(int64_t) * (size_t)tap_workers(ctx), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "the filter is too large");
    if (!(p.outer = tap_conv_scratch(ctx, v, 0, bytes))) return TAP_MEMORY;
    tap_status status = spread_input(ctx, &p);
    if (status != TAP_OK) return status;
    p.unit_pixels = PIXELS_OF_UNIT;
    p.units_of_line = (p.s.last.out + p.unit_pixels - 1) / p.unit_pixels;
    double unit = (double)tap_min64(p.unit_pixels, p.s.last.out) * (double)(v->groups * v->m) * (double)v->c *
                  (double)p.s.outer_taps * (double)p.s.last.taps;
    int64_t grain = unit > WORK_OF_JOB ? 1 : (int64_t)(WORK_OF_JOB / (unit < 1 ? 1 : unit));
    tap_parallel(ctx, p.s.images * p.s.lines * p.units_of_line, grain, lanes_task, &p);
    return TAP_OK;
}
