/* Convolution over channels-last images: tiles of pixels, where they find their input, blocks for the caches,
 * jobs. */
#include "common/conv.h"

#include <string.h>

#include "common/conv_lanes.h"
#include "common/conv_planes.h"
#include "common/gemm_block.h"

/* Copied input of the tiles that run together; it stays in the second cache. */
#ifdef TAP_ISA_avx512
#define BUFFER_BYTES (512 << 10)
#else
#define BUFFER_BYTES (128 << 10)
#endif
/* Lines that are known at a time, numbers of outer taps that are kept for them, groups of lines, pointers to
 * input. */
#define LINES_MAX    64
#define TAPS_KEPT    4096
#define SPANS_MAX    16
#define POINTERS_MAX (16 << 10)
/* Multiply-adds that are worth a job, and how many jobs each of several workers has where there is enough
 * work. */
#define WORK_OF_JOB    (2 << 20)
#define JOBS_OF_WORKER 4
#define PAD_BYTES      64

typedef struct plan {
    const tap_conv *v;
    const tap_tile_set *set;
    tap_conv_space s;
    int64_t c_bytes, k; /* of a group's channels in a pixel; taps x c                                      */
    int64_t panels, panel_bytes;
    int64_t pixels; /* of an image of y                                                                */
    bool merged;    /* the last axis' taps are one segment                                             */
    bool direct;    /* input is read where it lies if it can be                                        */
    bool bordered;  /* it is read from copies of whole images, with zeros at the ends of their lines   */
    int64_t first, pixel,
        line;            /* where it is read: number of a line's first pixel, bytes of each, of a line */
    int64_t image_bytes; /* of such a copy                                                        */
    bool slides;         /* tiles are neighbours on a line                                                  */
    int64_t pointers;    /* of a tile to each of its segments */
    int64_t pieces;      /* segments for each outer tap                                                     */
    int64_t inside_begin, inside_end; /* output pixels of a line whose input is read where it lies     */
    int64_t window_bytes;             /* what is copied for a pixel             */
    int64_t lines_kept, tiles_max;    /* lines_kept: a power of two */
    int64_t seg_max; /* segments of a pixel                                                             */
    int64_t buffer_bytes, zero_bytes, outer_bytes, b_seg_bytes, at_bytes;
    tap_finish finish;
} plan;

/* Those of the outer taps of a line of output pixels that fall into the image. */
typedef struct line {
    int64_t n;
    int64_t *tap, *row; /* its number; bytes from the image's start to the row that it falls on */
} line;

/* Memory of one worker. */
typedef struct work {
    char *buffer;
    char *zero; /* a pixel outside of the image, for tiles that slide */
    int64_t used;
    const char *copy; /* of image copy_of, in buffer; NULL: none is there */
    int64_t copy_of;
    int64_t *outer; /* lines_kept x 2 x outer_taps: of line l at l modulo lines_kept */
    int64_t *b_seg; /* SPANS_MAX x seg_max, used in turn                             */
    int n_spans;
    const char **at; /* tiles_max x rows x seg_max */
    char *tmp;
    line lines[LINES_MAX];
    tap_rows tiles[TAP_BLOCK_ROWS_MAX];
    int n_tiles;
    bool passed; /* tiles have passed these panels before */
} work;

/* ---- The plan: from shapes only ------------------------------------------------------------- */

static int64_t ceil_div(int64_t a, int64_t b) {
    return a > 0 ? (a + b - 1) / b : 0;
}

/* Small images of which windows would be copied, those at the ends of lines or all of them, are copied once
 * instead, with zeros at these ends. */
static void plan_borders(plan *p) {
    const tap_conv_axis *w = &p->s.last;
    double pixels = (double)(w->out - 1) * (double)w->step + (double)(w->taps - 1) * (double)w->tap_step + 1;
    double windows = (double)(w->out - (p->inside_end - p->inside_begin)) * (double)p->s.lines;
    p->pixel = p->s.x_pixel;
    p->line = w->in * p->s.x_pixel;
    if (p->slides || p->line == 0) return;
    double image = pixels * (double)p->c_bytes * (double)(p->s.x_image / p->line);
    if (image > BUFFER_BYTES / 4 || image > windows * (double)(p->k * p->set->elem)) return;
    p->bordered = true;
    p->first = w->first;
    p->pixel = p->c_bytes;
    p->image_bytes = p->s.x_image / p->line;
    p->line = (int64_t)pixels * p->c_bytes;
    p->image_bytes = (int64_t)tap_round_up((size_t)(p->image_bytes * p->line), TAP_ALIGN);
    p->inside_begin = 0;
    p->inside_end = w->out;
}

/* Groups too narrow to be worth a segment are copied. */
static void plan_input(plan *p) {
    const tap_conv *v = p->v;
    const tap_conv_axis *w = &p->s.last;
    int64_t rows = p->set->rows, ptr = (int64_t)sizeof(void *);
    p->direct = p->slides || v->groups == 1 || p->c_bytes >= 64 || w->taps == 1;
    int64_t room = w->in - 1 - w->first - (w->taps - 1) * w->tap_step;
    if (p->direct && room >= 0) {
        p->inside_begin = ceil_div(-w->first, w->step);
        p->inside_end = tap_min64(w->out, room / w->step + 1);
    }
    plan_borders(p);
    p->merged = p->slides || (w->tap_step == 1 && (v->groups == 1 || !p->direct || p->bordered));
    if (!p->direct && !p->bordered) p->merged = true;
    p->pieces = p->merged ? 1 : w->taps;
    p->seg_max = p->s.outer_taps * p->pieces;
    p->window_bytes = (int64_t)tap_round_up((size_t)(p->k * p->set->elem), TAP_ALIGN) + PAD_BYTES;
    p->buffer_bytes = tap_max64(BUFFER_BYTES, rows * p->window_bytes);
    for (p->lines_kept = LINES_MAX; p->lines_kept > 2 && p->lines_kept * p->s.outer_taps > TAPS_KEPT;)
        p->lines_kept /= 2;
    p->pointers = p->slides ? TAP_TILE_TAPS : rows;
    p->tiles_max = tap_max64(1, tap_min64(TAP_BLOCK_ROWS_MAX, POINTERS_MAX / (p->seg_max * p->pointers)));
    if (p->slides) p->zero_bytes = (int64_t)tap_round_up((size_t)p->c_bytes, TAP_ALIGN);
    p->outer_bytes = p->lines_kept * 2 * p->s.outer_taps * (int64_t)sizeof(int64_t);
    p->b_seg_bytes = SPANS_MAX * p->seg_max * (int64_t)sizeof(int64_t);
    p->at_bytes = p->tiles_max * p->pointers * p->seg_max * ptr;
}

static tap_finish finish_of(const tap_conv *v) {
    tap_finish f = {0};
    if (v->finish) f = *v->finish;
    f.bias = v->bias;
    return f;
}

static void plan_init(plan *p, const tap_conv *v) {
    *p = (plan){.v = v, .set = v->slides ? tap_tiles_sliding(v->kind, v->m) : tap_tiles(v->kind, v->m)};
    p->slides = p->set->taps > 1;
    p->finish = finish_of(v);
    tap_conv_space_init(&p->s, v, p->set->elem);
    p->c_bytes = v->c * p->set->elem;
    p->k = p->s.outer_taps * p->s.last.taps * v->c;
    p->panels = (v->m + p->set->columns - 1) / p->set->columns;
    p->panel_bytes = p->k * p->set->columns * p->set->elem;
    p->pixels = p->s.lines * p->s.last.out;
    plan_input(p);
}

/* ---- Where a tile's input is ------------------------------------------------------------------ */

/* The group's channels of n pixels from x, step apart, to `to`; zeros for those outside of the row. */
static void copy_pixels(const plan *p, const char *row, int64_t x, int64_t n, int64_t step, char *to) {
    size_t bytes = (size_t)p->c_bytes;
    if (step == 1 && p->c_bytes == p->s.x_pixel) {
        int64_t lo = tap_min64(n, tap_max64(0, -x)), hi = tap_max64(lo, tap_min64(n, p->s.last.in - x));
        memset(to, 0, (size_t)lo * bytes);
        memcpy(to + lo * p->c_bytes, row + (x + lo) * p->c_bytes, (size_t)(hi - lo) * bytes);
        memset(to + hi * p->c_bytes, 0, (size_t)(n - hi) * bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++, x += step, to += p->c_bytes) {
        if (x >= 0 && x < p->s.last.in)
            memcpy(to, row + x * p->s.x_pixel, bytes);
        else
            memset(to, 0, bytes);
    }
}

/* Where line l is kept, once it has been found. */
static line *line_at(const plan *p, work *k, int64_t l) {
    return &k->lines[l & (p->lines_kept - 1)];
}

static const line *find_line(const plan *p, work *k, int64_t l) {
    line *n = line_at(p, k, l);
    n->tap = k->outer + (n - k->lines) * 2 * p->s.outer_taps;
    n->row = n->tap + p->s.outer_taps;
    n->n = 0;
    for (int64_t t = 0; t < p->s.outer_taps; t++) {
        int64_t row = tap_conv_row(&p->s, l, t);
        n->tap[n->n] = t;
        n->row[n->n] = p->bordered ? row / (p->s.last.in * p->s.x_pixel) * p->line : row;
        n->n += row >= 0;
    }
    return n;
}

static bool same_taps(const line *a, const line *b) {
    return a->n == b->n && memcmp(a->tap, b->tap, (size_t)a->n * sizeof *a->tap) == 0;
}

/* Where the segments of a line's pixels begin in a panel. */
static const int64_t *find_segments(const plan *p, work *k, const line *n) {
    int64_t step = p->set->columns * p->set->elem, taps = p->s.last.taps;
    int64_t *b_seg = k->b_seg + k->n_spans++ * p->seg_max, *to = b_seg;
    for (int64_t r = 0; r < n->n; r++)
        for (int64_t i = 0; i < p->pieces; i++) *to++ = (n->tap[r] * taps + i) * p->v->c * step;
    return b_seg;
}

/* Rows i .. i + n of a tile read windows that are `step` apart, in each of which taps of the last axis are
 * tap_step apart; the first one has outer tap number r at `window`. */
static void point_rows(const plan *p, const tap_rows *t, const char **at, int64_t i, int64_t n, int64_t r,
                       const char *window, int64_t step, int64_t tap_step) {
    at += r * p->pieces * t->rows + i;
    for (int64_t j = 0; j < p->pieces; j++, at += t->rows, window += tap_step)
        for (int64_t q = 0; q < n; q++) at[q] = window + q * step;
}

/* Row i of the tile is an output pixel of line n whose window begins at `first` and is copied. x: the image.
 */
static void copy_window(const plan *p, work *k, const char *x, const line *n, int64_t first,
                        const tap_rows *t, const char **at, int64_t i) {
    const tap_conv_axis *w = &p->s.last;
    char *to = k->buffer + k->used;
    for (int64_t r = 0; r < n->n; r++, to += w->taps * p->c_bytes) {
        copy_pixels(p, x + n->row[r], first, w->taps, w->tap_step, to);
        point_rows(p, t, at, i, 1, r, to, 0, p->c_bytes);
    }
    k->used += p->window_bytes;
}

/* Rows i .. of the tile are output pixels o .. of line n, n_rows at most. Returns how many have been given
 * their input: neighbours that read it where it lies, or one. */
static int64_t find_input(const plan *p, work *k, const char *x, const line *n, int64_t o, int64_t n_rows,
                          const tap_rows *t, const char **at, int64_t i) {
    const tap_conv_axis *w = &p->s.last;
    int64_t first = o * w->step + w->first, step = w->step * p->pixel;
    if (o < p->inside_begin || o >= p->inside_end) {
        copy_window(p, k, x, n, first, t, at, i);
        return 1;
    }
    n_rows = tap_min64(n_rows, p->inside_end - o);
    for (int64_t r = 0; r < n->n; r++)
        point_rows(p, t, at, i, n_rows, r, x + n->row[r] + (first - p->first) * p->pixel, step,
                   w->tap_step * p->pixel);
    return n_rows;
}

/* The same for `rows` pixels that slide, from o on: of each outer tap, the pixels at `window` and on. Those
 * beside the line are one of zeros; where more of them are outside than the ends, all are copied. */
static void find_line_input(const plan *p, work *k, const char *x, const line *n, int64_t o, tap_rows *t,
                            const char **at) {
    const tap_conv_axis *w = &p->s.last;
    int64_t first = o + w->first, last = first + t->rows + 1;
    bool lies = first + 1 >= 0 && last <= w->in;
    t->pixel = lies ? p->s.x_pixel : p->c_bytes;
    for (int64_t r = 0; r < n->n; r++, at += TAP_TILE_TAPS) {
        const char *row = x + n->row[r], *second = row + (first + 1) * p->s.x_pixel;
        if (!lies) {
            copy_pixels(p, row, first, t->rows + 2, 1, k->buffer + k->used);
            second = k->buffer + k->used + p->c_bytes;
            k->used += (t->rows + 2) * p->c_bytes;
        }
        at[0] = lies && first < 0 ? k->zero : second - t->pixel;
        at[1] = second;
        at[2] = lies && last == w->in ? k->zero : second + t->rows * t->pixel;
    }
}

/* What a tile's rows read, from number 0 of an image's pixels on: the image, or a copy that is made here. */
static const char *image_at(const plan *p, work *k, int64_t image, int64_t group) {
    const char *x = (const char *)p->v->x + image * p->s.x_image + group * p->c_bytes;
    if (!p->bordered) return x;
    if (!k->copy || k->copy_of != image) {
        char *to = k->buffer + k->used;
        int64_t row = p->s.last.in * p->s.x_pixel;
        for (int64_t i = 0; i < p->s.x_image; i += row, to += p->line)
            copy_pixels(p, x + i, p->first, p->line / p->c_bytes, 1, to);
        k->copy = k->buffer + k->used;
        k->copy_of = image;
        k->used += p->image_bytes;
    }
    return k->copy;
}

/* What adding a tile may take from the buffer. */
static int64_t room_of_tile(const plan *p, const work *k, int64_t image) {
    if (!p->bordered) return p->set->rows * p->window_bytes;
    return k->copy && k->copy_of == image ? 0 : p->image_bytes;
}

/* A tile of `rows` pixels from number `first` of an image's line l on; their lines are known and see the same
 * taps. */
static void add_tile(const plan *p, work *k, int64_t image, int64_t group, int64_t l, int64_t first,
                     int64_t rows, const int64_t *b_seg) {
    const tap_conv_axis *w = &p->s.last;
    const char *x = image_at(p, k, image, group);
    const char **at = k->at + k->n_tiles * p->pointers * p->seg_max;
    const line *n = line_at(p, k, l);
    tap_rows *t = &k->tiles[k->n_tiles++];
    *t = (tap_rows){.at = at, .b_seg = b_seg, .n_seg = n->n * p->pieces, .rows = (int)rows};
    t->k = p->merged ? w->taps * p->v->c : p->v->c;
    t->number = image * (p->s.y_image / p->s.y_pixel) + tap_conv_place(&p->s, l, first);
    t->c = (char *)p->v->y + t->number * p->s.y_pixel + group * p->v->m * p->set->elem;
    if (p->slides) {
        find_line_input(p, k, x, n, first, t, at);
        return;
    }
    for (int64_t i = 0, done; i < rows; i += done) {
        done = find_input(p, k, x, n, first, tap_min64(rows - i, w->out - first), t, at, i);
        if ((first += done) == w->out) first = 0, n = line_at(p, k, ++l);
    }
}

/* ---- Running tiles ---------------------------------------------------------------------------- */

static const char *panels_of(const plan *p, int64_t group) {
    return (const char *)p->v->packed + group * p->panels * p->panel_bytes;
}

/* The collected tiles x panels p0 .. p1 of a group. after: panels of what comes next. */
static void run_tiles(const plan *p, work *k, int64_t group, int64_t p0, int64_t p1, const char *after) {
    const tap_conv *v = p->v;
    const tap_block b = {.set = p->set,
                         .b = panels_of(p, group),
                         .b_step = p->set->columns * p->set->elem,
                         .b_panel = p->panel_bytes,
                         .k = p->k,
                         .segment = p->merged ? p->s.last.taps * v->c : v->c,
                         .n = v->m,
                         .c_row = p->s.last.out_step * p->s.y_pixel,
                         .column = group * v->m * p->set->elem,
                         .last = true,
                         .finish = &p->finish,
                         .done = v->done,
                         .arg = v->arg,
                         .first_column = group * v->m,
                         .row_step = p->s.last.out_step,
                         .passed = k->passed,
                         .after = after};
    tap_block_run(&b, k->tiles, k->n_tiles, p0, p1, k->tmp);
    k->passed = true;
    k->n_tiles = 0;
    k->n_spans = 0;
    k->used = 0;
    k->copy = NULL;
}

/* Output pixels from number `first` of line l on, `most` at most, that see the same outer taps: how many.
 * Their lines are known then. Pixels of several lines are neighbours only where y has no pixels between them,
 * and not for tiles that slide. */
static int64_t find_span(const plan *p, work *k, int64_t l, int64_t first, int64_t most) {
    int64_t out = p->s.last.out, n = out - first;
    const line *seen = find_line(p, k, l);
    int64_t last = p->s.dense && !p->slides ? tap_min64(p->s.lines, l + p->lines_kept - 1) - 1 : l;
    for (; l < last && n < most; l++, n += out)
        if (!same_taps(seen, find_line(p, k, l + 1))) break;
    return tap_min64(most, n);
}

/* Tiles of n pixels of a span. b_seg: of the tiles before, where they see the same taps; else NULL. Returns
 * that of the last ones. */
static const int64_t *add_span(const plan *p, work *k, int64_t image, int64_t group, int64_t l, int64_t first,
                               int64_t n, int64_t p0, int64_t p1, const int64_t *b_seg) {
    const int64_t most = p->set->rows, tiles = n <= most ? 1 : (n + most - 1) / most;
    const int64_t each = tiles == 1 ? n : n / tiles, longer = n - each * tiles;
    const line *seen = line_at(p, k, l);
    for (int64_t i = 0; i < tiles; i++) {
        int64_t rows = each + (i < longer);
        if (k->n_tiles == p->tiles_max || k->used + room_of_tile(p, k, image) > p->buffer_bytes ||
            (!b_seg && k->n_spans == SPANS_MAX)) {
            run_tiles(p, k, group, p0, p1, panels_of(p, group) + p0 * p->panel_bytes);
            b_seg = NULL;
        }
        if (!b_seg) b_seg = find_segments(p, k, seen);
        add_tile(p, k, image, group, l, first, rows, b_seg);
        for (first += rows; first >= p->s.last.out; first -= p->s.last.out) l++;
    }
    return b_seg;
}

/* Output pixels begin .. end, counted through all images, x panels p0 .. p1 of a group. after: as in
 * run_tiles. */
static void run_range(const plan *p, work *k, int64_t group, int64_t begin, int64_t end, int64_t p0,
                      int64_t p1, const char *after) {
    const int64_t out = p->s.last.out;
    int64_t image = begin / p->pixels, l = (begin - image * p->pixels) / out;
    int64_t first = begin - image * p->pixels - l * out;
    const int64_t *b_seg = NULL;
    while (begin < end) {
        int64_t n = find_span(p, k, l, first, tap_min64(end - begin, p->pixels - l * out - first));
        if (first == 0 && b_seg && (l == 0 || !same_taps(line_at(p, k, l - 1), line_at(p, k, l))))
            b_seg = NULL;
        b_seg = add_span(p, k, image, group, l, first, n, p0, p1, b_seg);
        begin += n;
        for (first += n; first >= out; first -= out) l++;
        if (l == p->s.lines) image++, l = 0;
    }
    run_tiles(p, k, group, p0, p1, after);
}

/* ---- Jobs ---- */

typedef struct jobs {
    const plan *p;
    char *memory;
    size_t memory_bytes;
    int64_t pixels, pixels_of_job, pixel_jobs; /* of all images */
    int64_t panels_of_job, panel_jobs;
} jobs;

static work work_at(const plan *p, char *memory) {
    work k = {.buffer = memory};
    k.zero = k.buffer + p->buffer_bytes;
    memset(k.zero, 0, (size_t)p->zero_bytes);
    k.outer = (int64_t *)(void *)(k.zero + p->zero_bytes);
    k.b_seg = (int64_t *)(void *)((char *)k.outer + p->outer_bytes);
    k.at = (const char **)(void *)((char *)k.b_seg + p->b_seg_bytes);
    k.tmp = (char *)k.at + p->at_bytes;
    return k;
}

static int64_t first_panel(const jobs *j, int64_t i) {
    return i / j->pixel_jobs % j->panel_jobs * j->panels_of_job;
}

/* Where those of job i begin; NULL: there is none. */
static const char *panels_of_job(const jobs *j, int64_t i) {
    int64_t group = i / j->pixel_jobs / j->panel_jobs;
    if (group >= j->p->v->groups) return NULL;
    return panels_of(j->p, group) + first_panel(j, i) * j->p->panel_bytes;
}

/* A job: some pixels x some panels of one group. */
static void conv_task(void *arg, int64_t begin, int64_t end, int worker) {
    const jobs *j = arg;
    const plan *p = j->p;
    work k = work_at(p, j->memory + (size_t)worker * j->memory_bytes);
    for (int64_t i = begin; i < end; i++) {
        int64_t pixel = i % j->pixel_jobs * j->pixels_of_job;
        k.passed = i > begin && pixel > 0;
        run_range(p, &k, i / j->pixel_jobs / j->panel_jobs, pixel,
                  tap_min64(pixel + j->pixels_of_job, j->pixels), first_panel(j, i),
                  tap_min64(first_panel(j, i) + j->panels_of_job, p->panels), panels_of_job(j, i + 1));
    }
}

/* Jobs by shape and workers. Each splitting into halves is of the kind that makes the caches read less again:
 * of pixels, whose halves both read the weights, or of panels, whose halves both read (and perhaps copy) the
 * input. */
static void plan_jobs(const plan *p, int workers, jobs *j) {
    const tap_conv *v = p->v;
    int64_t rows = p->set->rows, whole_line = p->s.last.out;
    double x = 2.0 * (double)p->s.images * (double)p->s.x_image / (double)v->groups;
    double w = (double)p->k * (double)v->m * (double)p->set->elem;
    double all = (double)(p->s.images * p->pixels) * (double)p->k * (double)v->m;
    int64_t at_least = workers > 1 ? JOBS_OF_WORKER * (int64_t)workers : 1;
    j->pixels = p->s.images * p->pixels;
    j->pixel_jobs = j->panel_jobs = 1;
    while (j->pixel_jobs * j->panel_jobs * v->groups < at_least &&
           all > 2.0 * WORK_OF_JOB * (double)(j->pixel_jobs * j->panel_jobs)) {
        bool pixels = j->pixels >= 2 * rows * j->pixel_jobs, panels = p->panels >= 2 * j->panel_jobs;
        if (!pixels && !panels) break;
        if (pixels && (!panels || (double)j->pixel_jobs * w <= (double)j->panel_jobs * x))
            j->pixel_jobs *= 2;
        else
            j->panel_jobs *= 2;
    }
    j->pixels_of_job = (j->pixels + j->pixel_jobs - 1) / j->pixel_jobs;
    if (j->pixels_of_job > (p->slides ? 1 : rows) * whole_line) rows = whole_line;
    j->pixels_of_job = (j->pixels_of_job + rows - 1) / rows * rows;
    j->pixel_jobs = (j->pixels + j->pixels_of_job - 1) / j->pixels_of_job;
    j->panels_of_job = (p->panels + j->panel_jobs - 1) / j->panel_jobs;
    j->panel_jobs = (p->panels + j->panels_of_job - 1) / j->panels_of_job;
}

static tap_status run_pointwise(tap_ctx *ctx, const plan *p, tap_dtype dtype) {
    const tap_conv *v = p->v;
    tap_gemm g = {.dtype = dtype,
                  .m = p->s.last.out,
                  .n = v->m,
                  .k = v->c,
                  .a = v->x,
                  .lda = v->c,
                  .packed = v->packed,
                  .c = v->y,
                  .ldc = v->m,
                  .bias = v->bias,
                  .finish = &p->finish,
                  .done = v->done,
                  .arg = v->arg};
    return tap_gemm_run(ctx, &g);
}

void *tap_conv_scratch(tap_ctx *ctx, const tap_conv *v, int i, size_t n_bytes) {
    tap_conv_memory *m = v->memory;
    if (m && m->p[i] && m->n_bytes[i] >= n_bytes) return m->p[i];
    void *p = tap_scratch(ctx, n_bytes);
    if (m) m->p[i] = p, m->n_bytes[i] = n_bytes;
    return p;
}

static tap_status run_tiled(tap_ctx *ctx, const plan *p) {
    const tap_conv *v = p->v;
    jobs j = {.p = p};
    size_t one = (size_t)(p->buffer_bytes + p->zero_bytes + p->outer_bytes + p->b_seg_bytes + p->at_bytes) +
                 tap_tile_tmp_bytes(p->set),
           all;
    plan_jobs(p, tap_workers(ctx), &j);
    j.memory_bytes = tap_round_up(one, TAP_ALIGN);
    if (!tap_mul_size(j.memory_bytes, (size_t)tap_workers(ctx), &all))
        return tap_fail(ctx, TAP_MEMORY, "the filter is too large");
    if (!(j.memory = tap_conv_scratch(ctx, v, 0, all))) return TAP_MEMORY;
    tap_parallel(ctx, v->groups * j.panel_jobs * j.pixel_jobs, 1, conv_task, &j);
    return TAP_OK;
}

/* Where no tap reaches, all sums are zero. */
static void fill_task(void *arg, int64_t begin, int64_t end, int worker) {
    const plan *p = arg;
    const tap_conv *v = p->v;
    int64_t channels = v->groups * v->m;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        for (int64_t o = 0; o < p->s.last.out; o++) {
            int64_t at =
                i / p->s.lines * (p->s.y_image / p->s.y_pixel) + tap_conv_place(&p->s, i % p->s.lines, o);
            tap_tile t = {.c = (char *)v->y + at * p->s.y_pixel, .finish = &p->finish};
            memset(t.c, 0, (size_t)p->s.y_pixel);
            p->set->finish(&t, 1, channels);
            if (v->done) v->done(v->arg, at, 1, 0, channels);
        }
}

tap_status tap_conv_run(tap_ctx *ctx, const tap_conv *v) {
    plan p = {.v = v, .set = tap_tiles(v->kind, v->m), .finish = finish_of(v)};
    tap_conv_space_init(&p.s, v, p.set->elem);
    if (p.s.y_image == 0 || p.s.images == 0) return TAP_OK;
    if (p.s.outer_taps == 0 || p.s.last.taps == 0 || v->c == 0) {
        tap_parallel(ctx, p.s.images * p.s.lines, 16, fill_task, &p);
        return TAP_OK;
    }
    if (tap_conv_planes_pay(v, &p.s)) return tap_conv_planes_run(ctx, v, &p.s);
    if (tap_conv_is_narrow(v->kind, v->groups, v->m)) return tap_conv_lanes_run(ctx, v);
    plan_init(&p, v);
    if (p.s.pointwise && v->groups == 1 && v->kind <= TAP_TILE_F64)
        return run_pointwise(ctx, &p, v->kind == TAP_TILE_F32 ? TAP_FLOAT : TAP_DOUBLE);
    return run_tiled(ctx, &p);
}
