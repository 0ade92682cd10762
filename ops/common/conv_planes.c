/* Convolution with few channels. */
#include "common/conv_planes.h"

#include <math.h>
#include <string.h>

#include "common/conv_lanes.h"
#include "common/gemm_internal.h"
#include "common/tile.h"
#include "common/vector.h"

/* X(channels, most, least): a block is so many channels x the most vectors of pixels whose sums, beside as
 * many vectors of input and a weight, fit into the registers; the last ones of a strip are fewer. */
#ifdef TAP_ISA_avx512
#define SIZES(X) X(8, 3, 1) X(4, 6, 2) X(2, 8, 2) X(1, 8, 2)
enum { CHANNELS_MAX = 8, VECTORS_MAX = 8 };
#else
#define SIZES(X) X(4, 3, 1) X(2, 5, 1) X(1, 6, 2)
enum { CHANNELS_MAX = 4, VECTORS_MAX = 6 };
#endif
#define SIZES_MAX 4
#define SLACK     (2 * VECTOR_BYTES) /* in steps of so many bytes a strip may be too long */

/* What a worker holds of a band of lines, and multiply-adds that are worth a job. */
#ifdef TAP_ISA_avx512
#define BAND_BYTES (512 << 10)
#else
#define BAND_BYTES (192 << 10)
#endif
#define WORK_OF_JOB (1 << 18)

/* All pixels of a band for some output channels of one group. */
typedef struct strip {
    const char *x;         /* the first of the group's planes                                              */
    const int64_t *offset; /* from there to what a pixel sees, for each of k                               */
    int64_t k;
    const char *w; /* for the first channel at k = 0; the others follow                            */
    int64_t w_step;
    char *z; /* z[channel][pixel], rows of z_row bytes                                       */
    int64_t z_row;
    const tap_finish *finish; /* NULL: not now */
    int64_t channel; /* of the first one, in bytes: where its operands are                           */
} strip;

typedef struct loops {
    int64_t elem;
    void (*take)(void *to, const void *from, int64_t n, int64_t step);
    struct {
        int channels;
        void (*run)(const strip *s, int64_t end);
    } run[SIZES_MAX];
} loops;

#define SPLAT(p) (*(p) - (NAME(V)){0})

#define KIND          f32
#define T             float
#define LANES         (VECTOR_BYTES / 4)
#define BROADCAST(p)  SPLAT(p)
#define ADD(x, b, s)  VECTOR_ADD_F32(NAME(V), x, b, s)
#define GREATER(a, b) VECTOR_GREATER_F32(NAME(V), a, b)
#define LESSER(a, b)  VECTOR_LESSER_F32(NAME(V), a, b)
#include "common/conv_planes.inc"

#define KIND          f64
#define T             double
#define LANES         (VECTOR_BYTES / 8)
#define BROADCAST(p)  SPLAT(p)
#define ADD(x, b, s)  VECTOR_ADD_F64(NAME(V), x, b, s)
#define GREATER(a, b) VECTOR_GREATER_F64(NAME(V), a, b)
#define LESSER(a, b)  VECTOR_LESSER_F64(NAME(V), a, b)
#include "common/conv_planes.inc"

/* ---- The plan: from shapes only --------------------------------------------------------------- */

/* Bands are along the first axis. */
typedef struct plan {
    const tap_conv *v;
    const tap_conv_space *s;
    const loops *loops;
    const tap_tile_set *set; /* as which the weights are packed, unless groups are narrow             */
    bool narrow;
    const tap_tile_set *tiles; /* vectors hold channels; NULL: pixels                                  */
    tap_finish finish;
    bool late;                                      /* one of its stages adds element by element      */
    int64_t elem, c, m, k;                          /* c, m: channels of all groups                   */
    int64_t remainders[TAP_RANK_MAX], n_remainders; /* planes of a channel: along each axis, in all   */
    int64_t dims[TAP_RANK_MAX];                     /* of a plane; along the first axis of a whole one */
    int64_t inner, x_inner, y_inner; /* of a plane, x and y: pixels for each index along the first axis */
    bool plain;                      /* planes are x, but for the order                               */
    bool dense;                      /* all sums are pixels                                           */
    int64_t band, bands;             /* outputs along the first axis in a band                        */
    int64_t planes_bytes, z_bytes, turned_bytes;
    char *memory;
    size_t memory_bytes;
} plan;

static const loops *loops_of(tap_tile_kind kind) {
    return kind == TAP_TILE_F32 ? &loops_f32 : kind == TAP_TILE_F64 ? &loops_f64 : NULL;
}

/* From the first input that an output sees to the last. */
static int64_t reach(const tap_conv_axis *a) {
    return (a->taps - 1) * a->tap_step;
}

static void plan_planes(plan *p) {
    p->n_remainders = p->inner = p->x_inner = p->y_inner = 1;
    p->plain = p->dense = true;
    for (int i = 0; i < p->s->n_axes; i++) {
        const tap_conv_axis *a = &p->s->axes[i];
        p->remainders[i] = tap_min64(a->step, reach(a) + 1);
        p->n_remainders *= p->remainders[i];
        p->dims[i] = a->out + reach(a) / a->step;
        p->plain = p->plain && a->first == 0 && a->step == 1 && p->dims[i] == a->in;
        if (i == 0) continue;
        p->inner *= p->dims[i];
        p->x_inner *= a->in;
        p->y_inner *= a->out;
        p->dense = p->dense && p->dims[i] == a->out;
    }
}

static int64_t rounded(int64_t bytes, int64_t to) {
    return (bytes + to - 1) / to * to;
}

/* Bytes of a channel's sums for `out` outputs along the first axis: up to the last pixel, and what a strip is
 * too long. */
static int64_t z_bytes_of(const plan *p, int64_t out) {
    int64_t place = out - 1;
    for (int i = 1; i < p->s->n_axes; i++) place = place * p->dims[i] + p->s->axes[i].out - 1;
    return rounded((place + 1) * p->elem, SLACK);
}

/* Bytes of planes, sums and what is turned of bands of `out` outputs along the first axis. */
static void plan_memory(plan *p, int64_t out) {
    const tap_conv_axis *a = p->s->axes;
    int64_t seen = tap_min64(a->in, (out - 1) * a->step + reach(a) + 1) * p->x_inner * p->c;
    int64_t plane = (out + reach(a) / a->step) * p->inner, z = z_bytes_of(p, out);
    p->planes_bytes = rounded(p->c * p->n_remainders * plane * p->elem + SLACK, TAP_ALIGN);
    p->z_bytes = p->tiles ? (int64_t)tap_tile_tmp_bytes(p->set) : p->m * z;
    p->turned_bytes = rounded(tap_max64(p->c > 1 ? seen * p->elem : 0, p->tiles ? 0 : p->m * z), TAP_ALIGN);
}

static int64_t band_bytes(plan *p, int64_t out) {
    plan_memory(p, out);
    return p->planes_bytes + p->z_bytes + p->turned_bytes;
}

static bool adds_elements(const tap_finish *f) {
    for (int i = 0; i < f->n; i++)
        if (f->stages[i].form == TAP_FINISH_BY_ELEMENT) return true;
    return false;
}

static void plan_init(plan *p, const tap_conv *v, const tap_conv_space *s) {
    *p = (plan){.v = v, .s = s, .loops = loops_of(v->kind)};
    p->narrow = tap_conv_is_narrow(v->kind, v->groups, v->m);
    p->set = v->slides ? tap_tiles_sliding(v->kind, v->m) : tap_tiles(v->kind, v->m);
    if (v->finish) p->finish = *v->finish;
    p->finish.bias = v->bias;
    p->late = adds_elements(&p->finish);
    p->elem = p->set->elem;
    p->c = v->groups * v->c;
    p->m = v->groups * v->m;
    p->k = v->c * s->outer_taps * s->last.taps;
    plan_planes(p);
}

/* A band's planes, sums and pixels stay in the second cache; where there is work for several workers each has
 * some. */
static void plan_bands(plan *p, int workers) {
    int64_t out = p->s->axes[0].out, one = band_bytes(p, 1);
    int64_t of_line = tap_max64(1, band_bytes(p, 2) - one);
    double jobs = (double)(p->s->images * out * p->y_inner) * (double)p->k * (double)p->v->m *
                  (double)p->v->groups / WORK_OF_JOB;
    if (jobs > 4.0 * workers) jobs = 4.0 * workers;
    p->bands = workers > 1 ? tap_max64(1, ((int64_t)jobs + p->s->images - 1) / p->s->images) : 1;
    p->band = tap_min64((out + p->bands - 1) / p->bands, 1 + tap_max64(0, BAND_BYTES - one) / of_line);
    p->bands = (out + p->band - 1) / p->band;
    plan_memory(p, p->band);
}

/* Whether a band of one output along the first axis does, of planes and, by pixels, of sums; in double, for
 * dilations may be as wide as they like. */
static bool fits(const tap_conv *v, const tap_conv_space *s, int64_t elem, bool by_pixels) {
    double planes = (double)(v->groups * v->c), sums = (double)(v->groups * v->m);
    for (int i = 0; i < s->n_axes; i++) {
        const tap_conv_axis *a = &s->axes[i];
        double dim = (i ? (double)a->out : 1) + (double)(reach(a) / a->step);
        planes *= dim * (double)tap_min64(a->step, reach(a) + 1);
        if (i > 0) sums *= dim;
    }
    return 2 * (planes + (by_pixels ? sums : 0)) * (double)elem < BAND_BYTES;
}

/* What an image takes in each way, in hundredths of a cycle, as measured: a multiply-add of a vector, a pixel
 * of a tile, and each run of input that it sees; an element that is turned, more where planes are filled line
 * by line; and what each plane that a sum reads adds, to that and to a multiply-add of a tile. */
typedef struct costs {
    double by_pixels, by_channels, elsewhere;
} costs;

static costs costs_of(const plan *p) {
    enum { ADD = 50, ADD_OF_TILE = 53, ADD_OF_LANES = 250, PIXEL = 1000, RUN = 460 };
    enum { TURN = 60, FILL = 60, TURN_OF_PLANES = 3, ADD_OF_PLANES = 2 };
    const tap_conv_space *s = p->s;
    const int64_t groups = p->v->groups, wide = p->narrow ? VECTOR_BYTES / p->elem : p->set->columns;
    double lanes = (double)VECTOR_BYTES / (double)p->elem, k = (double)p->k;
    double pixels = (double)(s->lines * s->last.out), sums = (double)p->inner * (double)s->axes[0].out;
    double turn = TURN + (p->plain ? 0 : FILL) + (double)(TURN_OF_PLANES * p->v->c);
    double planes = (double)p->inner * (double)p->dims[0] * (double)(p->c * p->n_remainders) * turn;
    double vectors =
        (double)rounded(p->narrow ? p->m : p->v->m, wide) / lanes * (double)(p->narrow ? 1 : groups);
    costs c = {HUGE_VAL, HUGE_VAL,
               pixels * (k * vectors * (p->narrow ? ADD_OF_LANES : ADD_OF_TILE) + PIXEL +
                         (double)(s->outer_taps * RUN))};
    if (fits(p->v, s, p->elem, true)) c.by_pixels = planes + sums * (double)p->m * (k / lanes * ADD + turn);
    if (!p->narrow && tap_tiles_planes(p->v->kind, p->set))
        c.by_channels =
            planes + pixels * (k * vectors * (double)(ADD_OF_TILE + ADD_OF_PLANES * p->v->c) + PIXEL);
    return c;
}

static void choose(plan *p) {
    costs c = costs_of(p);
    if (c.by_channels < c.by_pixels) p->tiles = tap_tiles_planes(p->v->kind, p->set);
}

bool tap_conv_planes_pay(const tap_conv *v, const tap_conv_space *s) {
    plan p;
    const loops *l = loops_of(v->kind);
    bool few = v->c <= 4 || v->m <= 24, depthwise = v->groups > 1 && v->c == 1 && v->m == 1;
    if (!l || !few || depthwise || !s->dense || !fits(v, s, l->elem, false)) return false;
    plan_init(&p, v, s);
    costs c = costs_of(&p);
    choose(&p);
    return (p.tiles ? c.by_channels : c.by_pixels) < c.elsewhere;
}

/* ---- Planes ---- */

/* A band of one image. */
typedef struct job {
    const plan *p;
    int64_t image;
    tap_conv_axis axes[TAP_RANK_MAX]; /* of this band                                                     */
    int64_t dims0, plane;             /* of a plane: along the first axis; its bytes                       */
    int64_t first, last;              /* along the first axis, what of x is seen                           */
    char *planes, *z, *turned;        /* z[channel][place], rows of z_row bytes                           */
    int64_t z_row;
    int64_t *offset;
    const char *x; /* the first pixel that is seen; its channels are x_plane bytes apart, or it is one   */
    int64_t x_plane;
    char *y; /* of the first of the band's n_pixels, whose number is first_pixel */
    int64_t first_pixel, n_pixels;
} job;

/* Pixels of x from number `line` of those that are seen on, as line `place` of the planes of remainder r. */
static void fill_line(const job *j, int64_t line, int64_t r, int64_t place) {
    const plan *p = j->p;
    const int last = p->s->n_axes - 1;
    const tap_conv_axis *a = &j->axes[last];
    const int64_t n = last ? p->dims[last] : j->dims0, seen = last ? 0 : j->first;
    for (int64_t q = 0; q < p->remainders[last]; q++) {
        int64_t at = a->first + q, lo = at < 0 ? (-at + a->step - 1) / a->step : 0;
        int64_t hi = at > a->in - 1 ? 0 : tap_min64(n, (a->in - 1 - at) / a->step + 1);
        if (lo >= hi) continue;
        const char *from = j->x + (line + at + lo * a->step - seen) * p->elem;
        char *to = j->planes + (r * p->remainders[last] + q) * j->plane + (place * n + lo) * p->elem;
        for (int64_t c = 0; c < p->c; c++, from += j->x_plane, to += p->n_remainders * j->plane) {
            if (a->step == 1)
                memcpy(to, from, (size_t)((hi - lo) * p->elem));
            else
                p->loops->take(to, from, hi - lo, a->step);
        }
    }
}

/* The lines from axis i on; pixel, r and place are of the axes before. */
static void fill_axis(const job *j, int i, int64_t pixel, int64_t r, int64_t place) {
    const plan *p = j->p;
    const tap_conv_axis *a = &j->axes[i];
    const int64_t n = i ? p->dims[i] : j->dims0, before = i ? pixel * a->in : -j->first;
    if (i == p->s->n_axes - 1) {
        fill_line(j, i ? before : 0, r, place);
        return;
    }
    for (int64_t q = 0; q < p->remainders[i]; q++)
        for (int64_t o = 0; o < n; o++) {
            int64_t x = a->first + q + o * a->step;
            if (x >= 0 && x < a->in) fill_axis(j, i + 1, before + x, r * p->remainders[i] + q, place * n + o);
        }
}

static void fill_planes(job *j) {
    const plan *p = j->p;
    const int64_t n = (j->last - j->first) * p->x_inner, used = p->plain ? p->c * j->plane : 0;
    memset(j->planes + used, 0, (size_t)(p->planes_bytes - used));
    if (n <= 0) return;
    j->x = (const char *)p->v->x + j->image * p->s->x_image + j->first * p->x_inner * p->s->x_pixel;
    j->x_plane = n * p->elem;
    if (p->plain || p->c > 1)
        tap_tile_apart((size_t)p->elem, n, p->c, j->x, p->plain ? j->planes : j->turned);
    if (p->plain) return;
    if (p->c > 1) j->x = j->turned;
    fill_axis(j, 0, 0, 0, 0);
}

/* ---- Sums ---- */

/* From a pixel's place in the first of a group's planes to what it sees at a tap, given by its number among
 * those of the outer axes and along the last one, of channel c. */
static int64_t offset_of(const job *j, int64_t outer, int64_t tap, int64_t c) {
    const plan *p = j->p;
    int64_t r = 0, place = 0, n_r = 1, n = 1;
    for (int i = p->s->n_axes - 1; i >= 0; i--) {
        const tap_conv_axis *a = &j->axes[i];
        bool last = i == p->s->n_axes - 1;
        int64_t t = (last ? tap : outer % a->taps) * a->tap_step;
        if (!last) outer /= a->taps;
        r += t % a->step * n_r;
        place += t / a->step * n;
        n_r *= p->remainders[i];
        n *= p->dims[i];
    }
    return (c * p->n_remainders + r) * j->plane + place * p->elem;
}

static void find_offsets(const job *j) {
    const plan *p = j->p;
    const int64_t taps = p->s->last.taps, channels = p->v->c, of_outer = taps * channels;
    const bool slides = !p->narrow && p->set->taps > 1;
    for (int64_t k = 0; k < p->k; k++) {
        int64_t i = k % of_outer;
        j->offset[k] =
            offset_of(j, k / of_outer, slides ? i % taps : i / channels, slides ? i / taps : i % channels);
    }
}

/* Where the weights of output channel m of a group begin; *step: from k to k + 1. */
static const char *weights_at(const plan *p, int64_t g, int64_t m, int64_t *step) {
    const int64_t columns = p->set->columns, panels = (p->v->m + columns - 1) / columns;
    const char *w = p->v->packed;
    *step = (p->narrow ? p->m : columns) * p->elem;
    if (p->narrow) return w + (g * p->v->m + m) * p->elem;
    return w + (g * panels + m / columns) * p->k * *step + m % columns * p->elem;
}

/* To z. */
static void run_strips(const job *j) {
    const plan *p = j->p;
    const tap_conv *v = p->v;
    strip s = {.offset = j->offset, .k = p->k, .z_row = j->z_row, .finish = p->late ? NULL : &p->finish};
    for (int64_t g = 0; g < v->groups; g++)
        for (int64_t m = 0, n = 0, i = 0; m < v->m; m += n) {
            while ((n = p->loops->run[i].channels) > v->m - m) i++;
            s.x = j->planes + g * v->c * p->n_remainders * j->plane;
            s.w = weights_at(p, g, m, &s.w_step);
            s.channel = (g * v->m + m) * p->elem;
            s.z = j->z + (g * v->m + m) * j->z_row;
            p->loops->run[i].run(&s, j->z_row);
        }
}

/* Of line l's first pixel, in its planes. */
static int64_t place_of_line(const job *j, int64_t l) {
    const plan *p = j->p;
    int64_t place = 0, step = 1;
    for (int i = p->s->n_axes - 1; i > 0; i--) {
        int64_t out = j->axes[i - 1].out;
        step *= p->dims[i];
        place += (i > 1 ? l % out : l) * step;
        l /= out;
    }
    return place;
}

/* The same to y, by tiles of pixels of a line x channels. */
static void run_tiles(const job *j) {
    const plan *p = j->p;
    const tap_conv *v = p->v;
    const int64_t n = j->axes[p->s->n_axes - 1].out, lines = j->n_pixels / n,
                  tiles = (n + p->tiles->rows - 1) / p->tiles->rows;
    tap_tile t = {.k_at = j->offset, .n_seg = 1, .k = p->k, .finish = &p->finish, .c_row = p->s->y_pixel};
    t.b_panel = p->k * p->set->columns * p->elem;
    for (int64_t l = 0; l < lines; l++)
        for (int64_t i = 0; i < tiles; i++)
            for (int64_t g = 0; g < v->groups; g++) {
                tap_tile one = t;
                int64_t o = n * i / tiles, rows = n * (i + 1) / tiles - o;
                one.a =
                    j->planes + g * v->c * p->n_remainders * j->plane + (place_of_line(j, l) + o) * p->elem;
                one.b = weights_at(p, g, 0, &one.b_step);
                one.column = g * v->m * p->elem;
                one.c = j->y + (l * n + o) * p->s->y_pixel + one.column;
                tap_tile_run(p->tiles, &one, (int)rows, v->m, j->z);
            }
}

/* ---- Pixels ---- */

/* Those of x[place][channel] that are y's, to `to`, with nothing between them; from axis i on. Returns where
 * they end. */
static char *take_pixels(const job *j, int i, const char *x, char *to) {
    const plan *p = j->p;
    int64_t step = p->s->y_pixel, n = j->axes[i].out;
    for (int d = i + 1; d < p->s->n_axes; d++) step *= p->dims[d];
    if (i == p->s->n_axes - 1) {
        memcpy(to, x, (size_t)(n * step));
        return to + n * step;
    }
    for (int64_t o = 0; o < n; o++) to = take_pixels(j, i + 1, x + o * step, to);
    return to;
}

/* From z to y. */
static void put_pixels(const job *j) {
    const plan *p = j->p;
    const int64_t places = j->z_row / p->elem;
    if (p->dense && j->n_pixels == places) {
        tap_tile_together((size_t)p->elem, places, p->m, j->z, j->y);
    } else {
        if (p->m > 1) tap_tile_together((size_t)p->elem, places, p->m, j->z, j->turned);
        take_pixels(j, 0, p->m > 1 ? j->turned : j->z, j->y);
    }
    if (p->late) {
        tap_tile t = {.c = j->y, .c_row = p->s->y_pixel, .finish = &p->finish};
        p->set->finish(&t, (int)j->n_pixels, p->m);
    }
}

/* ---- Jobs ---- */

static job job_at(const plan *p, int64_t u, char *memory) {
    job j = {.p = p, .image = u / p->bands, .planes = memory};
    const int64_t begin = u % p->bands * p->band;
    tap_conv_axis *a = &j.axes[0];
    j.z = j.planes + p->planes_bytes;
    j.turned = j.z + p->z_bytes;
    j.offset = (int64_t *)(void *)(j.turned + p->turned_bytes);
    for (int i = 0; i < p->s->n_axes; i++) j.axes[i] = p->s->axes[i];
    a->first += begin * a->step;
    a->out = tap_min64(p->band, a->out - begin);
    j.dims0 = a->out + reach(a) / a->step;
    j.plane = j.dims0 * p->inner * p->elem;
    j.first = tap_min64(a->in, tap_max64(0, a->first));
    j.last = tap_max64(j.first, tap_min64(a->in, a->first + (a->out - 1) * a->step + reach(a) + 1));
    j.z_row = z_bytes_of(p, a->out);
    j.first_pixel = j.image * (p->s->y_image / p->s->y_pixel) + begin * p->y_inner;
    j.n_pixels = a->out * p->y_inner;
    j.y = (char *)p->v->y + j.first_pixel * p->s->y_pixel;
    return j;
}

static void planes_task(void *arg, int64_t begin, int64_t end, int worker) {
    const plan *p = arg;
    char *memory = p->memory + (size_t)worker * p->memory_bytes;
    for (int64_t u = begin; u < end; u++) {
        job j = job_at(p, u, memory);
        fill_planes(&j);
        find_offsets(&j);
        if (p->tiles) {
            run_tiles(&j);
        } else {
            run_strips(&j);
            put_pixels(&j);
        }
        if (p->v->done) p->v->done(p->v->arg, j.first_pixel, j.n_pixels, 0, p->m);
    }
}

tap_status tap_conv_planes_run(tap_ctx *ctx, const tap_conv *v, const tap_conv_space *s) {
    plan p;
    size_t bytes;
    plan_init(&p, v, s);
    choose(&p);
    plan_bands(&p, tap_workers(ctx));
    p.memory_bytes = tap_round_up(
        (size_t)(p.planes_bytes + p.z_bytes + p.turned_bytes + p.k * (int64_t)sizeof(int64_t)), TAP_ALIGN);
    if (!tap_mul_size(p.memory_bytes, (size_t)tap_workers(ctx), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "the filter is too large");
    if (!(p.memory = tap_conv_scratch(ctx, v, 0, bytes))) return TAP_MEMORY;
    double work = (double)(p.band * p.y_inner) * (double)p.k * (double)v->m * (double)v->groups;
    int64_t grain = work > WORK_OF_JOB ? 1 : (int64_t)(WORK_OF_JOB / (work < 1 ? 1 : work));
    tap_parallel(ctx, s->images * p.bands, grain, planes_task, &p);
    return TAP_OK;
}
