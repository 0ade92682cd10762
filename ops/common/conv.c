/* Convolution over channels-last images: tiles of pixels, where they find their input, blocks for the caches,
 * jobs. */
#include "common/conv.h"

#include <string.h>

#include "common/conv_lanes.h"
#include "common/conv_space.h"
#include "common/gemm_block.h"

/* Copied input of the tiles that run together; it stays in the second cache. */
#ifdef TAP_ISA_avx512
#define BUFFER_BYTES (512 << 10)
#else
#define BUFFER_BYTES (128 << 10)
#endif
#define LINES_MAX 16
/* Multiply-adds that are worth a job, and how many jobs there are where there is enough work. */
#define WORK_OF_JOB (2 << 20)
#define JOBS        16
#define PAD_BYTES   64

/* The taps of a line of output pixels: those of the outer axes that fall into the image, each with the taps
 * of the last axis, as one segment where these are neighbours in memory, else as one segment each. */
typedef struct line {
    int64_t n_outer;
    int64_t *outer; /* by outer tap: bytes from the image's start to the row it falls on            */
    int64_t n_seg;
    int64_t *b_seg; /* by segment: bytes from the start of a panel                                  */
    int64_t *direct, *copied; /* by segment: bytes from a pixel's place in the image, in the buffer */
} line;

typedef struct plan {
    const tap_conv *v;
    const tap_tile_set *set;
    tap_conv_space s;
    int64_t c_bytes, k; /* of a group's channels in a pixel; taps x c                                      */
    int64_t panels, panel_bytes;
    int64_t columns; /* input pixels along the last axis under the largest tile                            */
    bool merged;     /* the last axis' taps are one segment                                                */
    bool direct;     /* input is read where it lies if it can be                                           */
    bool by_pixel;   /* if it is copied, each pixel's window by itself: k elements of one segment          */
    bool scattered;  /* tiles take pixels of several lines; all their input is copied                      */
    bool keeps_rows; /* what a line copied serves the next ones: each tile of a line has a place of its own */
    int64_t rows_kept; /* by such a place                                                                 */
    int64_t lines_at_once;
    int64_t tiles_of_line, tiles_of_image;
    int64_t seg_max; /* segments of a line                                                                 */
    int64_t tile_bytes, buffer_bytes, line_bytes, kept_bytes;
    tap_finish finish;
} plan;

/* Memory of one worker. */
typedef struct work {
    char *buffer;
    int64_t used;
    char *lines; /* LINES_MAX, used in turn                                                 */
    int next_line, n_lines;
    line line;         /* the last one                                                            */
    const char **kept; /* keeps_rows: by tile of a line, by place of a row: which row is there */
    char *tmp;
    tap_rows tiles[TAP_BLOCK_ROWS_MAX];
    int n_tiles;
} work;

/* ---- The plan: from shapes only ------------------------------------------------------------- */

/* How tiles come to their input. Pixels of several lines share a tile where lines are short. Pixels whose
 * places in the first cache collide, and groups too narrow to be worth a segment, are copied. */
static void plan_input(plan *p) {
    const tap_conv *v = p->v;
    const tap_conv_axis *w = &p->s.last;
    int64_t rows = p->set->rows, elem = p->set->elem;
    bool one_tap = p->s.outer_taps * w->taps == 1; /* which copies no pixel twice */
    bool short_lines = one_tap ? w->out < rows : w->out * 5 < rows * 2;
    p->scattered = p->s.dense && p->s.lines > 1 && short_lines;
    bool collide = w->taps == 1 && w->step * p->s.x_pixel % 4096 == 0 && p->panels >= 4;
    p->direct = !p->scattered && !collide && (v->groups == 1 || p->c_bytes >= 64 || w->taps == 1);
    p->merged = w->tap_step == 1 && (v->groups == 1 || !p->direct);
    int64_t in_line = (w->out + p->tiles_of_line - 1) / p->tiles_of_line;
    p->columns = (in_line - 1) * w->step + (w->taps - 1) * w->tap_step + 1;
    p->by_pixel = p->scattered || collide || p->columns > in_line * w->taps;
    p->tile_bytes =
        p->by_pixel ? rows * (p->k * elem + PAD_BYTES) : p->s.outer_taps * p->columns * p->c_bytes;
    p->tile_bytes = (int64_t)tap_round_up((size_t)p->tile_bytes, TAP_ALIGN);
    p->buffer_bytes = tap_max64(BUFFER_BYTES, p->tile_bytes);
    p->seg_max = p->s.outer_taps * (p->merged ? 1 : w->taps);
    p->line_bytes = (p->s.outer_taps + 3 * p->seg_max) * (int64_t)sizeof(int64_t);
}

/* Rows are kept where a line's rows are neighbours, which then have different places modulo their number, as
 * have those of several lines at once; and where there is room for all tiles of a line. */
static void plan_kept_rows(plan *p) {
    const tap_conv_axis *outer = &p->s.axes[0];
    bool neighbours = p->s.n_axes == 1 || (p->s.n_axes == 2 && outer->tap_step == 1);
    int64_t row_bytes = p->columns * p->c_bytes, lines = tap_min64(p->lines_at_once, p->s.lines);
    if (!neighbours || p->by_pixel || p->scattered) return;
    for (; lines > 0; lines--) {
        p->rows_kept = p->s.n_axes == 1 ? 1 : p->s.outer_taps + (lines - 1) * outer->step;
        p->tile_bytes = (int64_t)tap_round_up((size_t)(p->rows_kept * row_bytes), TAP_ALIGN);
        p->keeps_rows = p->tiles_of_line * p->tile_bytes <= p->buffer_bytes;
        if (p->keeps_rows) break;
    }
    if (!p->keeps_rows) return;
    p->lines_at_once = lines;
    p->kept_bytes = p->tiles_of_line * p->rows_kept * (int64_t)sizeof(char *);
}

static tap_finish finish_of(const tap_conv *v) {
    tap_finish f = {0};
    if (v->finish) f = *v->finish;
    f.bias = v->bias;
    return f;
}

static void plan_init(plan *p, const tap_conv *v) {
    *p = (plan){.v = v, .set = tap_tiles(v->kind)};
    p->finish = finish_of(v);
    int64_t elem = p->set->elem, rows = p->set->rows;
    tap_conv_space_init(&p->s, v, elem);
    p->c_bytes = v->c * elem;
    p->k = p->s.outer_taps * p->s.last.taps * v->c;
    p->panels = (v->m + p->set->columns - 1) / p->set->columns;
    p->panel_bytes = p->k * p->set->columns * elem;
    p->tiles_of_line = (p->s.last.out + rows - 1) / rows;
    plan_input(p);
    p->lines_at_once = tap_min64(LINES_MAX, tap_max64(1, TAP_BLOCK_ROWS_MAX / p->tiles_of_line));
    p->tiles_of_image =
        p->scattered ? (p->s.lines * p->s.last.out + rows - 1) / rows : p->s.lines * p->tiles_of_line;
    plan_kept_rows(p);
}

/* ---- Where a tile's input is ------------------------------------------------------------------ */

/* n pixels of the group's channels from x, step apart, to `to`; zeros for those outside. row: of the image,
 * NULL: outside. */
static void copy_pixels(const plan *p, const char *row, int64_t x, int64_t n, int64_t step, char *to) {
    size_t bytes = (size_t)p->c_bytes;
    if (!row) {
        memset(to, 0, (size_t)(n * p->c_bytes));
        return;
    }
    if (step == 1 && p->c_bytes == p->s.x_pixel) {
        int64_t before = tap_min64(n, tap_max64(0, -x)),
                inside = tap_max64(0, tap_min64(n, p->s.last.in - x) - before);
        memset(to, 0, (size_t)before * bytes);
        if (inside)
            memcpy(to + before * p->c_bytes, row + (x + before) * p->s.x_pixel, (size_t)inside * bytes);
        memset(to + (before + inside) * p->c_bytes, 0, (size_t)(n - before - inside) * bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++, x += step, to += p->c_bytes) {
        if (x >= 0 && x < p->s.last.in)
            memcpy(to, row + x * p->s.x_pixel, bytes);
        else
            memset(to, 0, bytes);
    }
}

static line line_at(const plan *p, char *memory) {
    line n = {.outer = (int64_t *)(void *)memory};
    n.b_seg = n.outer + p->s.outer_taps;
    n.direct = n.b_seg + p->seg_max;
    n.copied = n.direct + p->seg_max;
    return n;
}

/* keeps_rows: where in a tile's part of the buffer that row is kept. */
static int64_t place_of_row(const plan *p, int64_t row) {
    return row / (p->s.last.in * p->s.x_pixel) % p->rows_kept;
}

/* The segments of output line l. */
static void fill_line(const plan *p, int64_t l, line *n) {
    const tap_conv_axis *w = &p->s.last;
    int64_t pieces = p->merged ? 1 : w->taps, step = p->set->columns * p->set->elem;
    for (int64_t t = 0; t < p->s.outer_taps; t++) {
        int64_t row = tap_conv_row(&p->s, l, t);
        if (row < 0) continue;
        int64_t place = p->keeps_rows ? place_of_row(p, row) : n->n_outer;
        for (int64_t i = 0; i < pieces; i++, n->n_seg++) {
            n->b_seg[n->n_seg] = (t * w->taps + i) * p->v->c * step;
            n->direct[n->n_seg] = row + i * w->tap_step * p->s.x_pixel;
            n->copied[n->n_seg] = (place * p->columns + i * w->tap_step) * p->c_bytes;
        }
        n->outer[n->n_outer++] = row;
    }
}

/* A tile of `rows` pixels of y from number `at` of the image on; where its input is, is still open. */
static tap_rows *add_tile(const plan *p, work *k, int64_t image, int64_t group, int64_t at, int64_t rows) {
    tap_rows *t = &k->tiles[k->n_tiles++];
    *t = (tap_rows){.at = image * (p->s.y_image / p->s.y_pixel) + at, .rows = (int)rows};
    t->c = (char *)p->v->y + t->at * p->s.y_pixel + group * p->v->m * p->set->elem;
    return t;
}

/* The tile's input copied window by window, for outputs o .., counted through the lines. x: the image. */
static void copy_windows(const plan *p, work *k, const char *x, int64_t o, tap_rows *t) {
    static const int64_t whole[1] = {0};
    const tap_conv_axis *w = &p->s.last;
    t->a = k->buffer + k->used;
    t->a_row = p->k * p->set->elem + PAD_BYTES;
    t->a_seg = t->b_seg = whole;
    t->n_seg = 1;
    t->k = p->k;
    for (int64_t i = 0; i < t->rows; i++) {
        char *to = k->buffer + k->used + i * t->a_row;
        int64_t l = (o + i) / w->out, first = (o + i) % w->out * w->step + w->first;
        for (int64_t tap = 0; tap < p->s.outer_taps; tap++, to += w->taps * p->c_bytes) {
            int64_t row = tap_conv_row(&p->s, l, tap);
            copy_pixels(p, row < 0 ? NULL : x + row, first, w->taps, w->tap_step, to);
        }
    }
    k->used += p->tile_bytes;
}

/* The input rows under tile number i of the line copied, `n` pixels of each from `first` on. */
static void copy_rows(const plan *p, work *k, const char *x, int64_t i, int64_t first, int64_t n,
                      tap_rows *t) {
    int64_t row_bytes = p->columns * p->c_bytes;
    char *to = k->buffer + (p->keeps_rows ? i * p->tile_bytes : k->used);
    t->a = to;
    t->a_row = p->s.last.step * p->c_bytes;
    t->a_seg = k->line.copied;
    for (int64_t r = 0; r < k->line.n_outer; r++) {
        const char *row = x + k->line.outer[r];
        int64_t place = p->keeps_rows ? place_of_row(p, k->line.outer[r]) : r;
        const char **kept = p->keeps_rows ? &k->kept[i * p->rows_kept + place] : NULL;
        if (kept && *kept == row) continue;
        copy_pixels(p, row, first, n, 1, to + place * row_bytes);
        if (kept) *kept = row;
    }
    if (!p->keeps_rows) k->used += p->tile_bytes;
}

/* Tile number i of line l, which is the work's last one. */
static void add_tile_of_line(const plan *p, work *k, int64_t image, int64_t group, int64_t l, int64_t i) {
    const tap_conv_axis *w = &p->s.last;
    const char *x = (const char *)p->v->x + image * p->s.x_image + group * p->c_bytes;
    int64_t o = w->out * i / p->tiles_of_line, rows = w->out * (i + 1) / p->tiles_of_line - o;
    int64_t first = o * w->step + w->first, end = first + (rows - 1) * w->step + (w->taps - 1) * w->tap_step;
    tap_rows *t = add_tile(p, k, image, group, tap_conv_place(&p->s, l, o), rows);
    t->b_seg = k->line.b_seg;
    t->n_seg = k->line.n_seg;
    t->k = p->merged ? w->taps * p->v->c : p->v->c;
    if (p->direct && first >= 0 && end < w->in) {
        t->a = x + first * p->s.x_pixel;
        t->a_row = w->step * p->s.x_pixel;
        t->a_seg = k->line.direct;
    } else if (p->by_pixel)
        copy_windows(p, k, x, l * w->out + o, t);
    else
        copy_rows(p, k, x, i, first, end - first + 1, t);
}

/* Outputs o .. o + rows of the image, whatever lines they are on. */
static void add_scattered_tile(const plan *p, work *k, int64_t image, int64_t group, int64_t o,
                               int64_t rows) {
    const char *x = (const char *)p->v->x + image * p->s.x_image + group * p->c_bytes;
    copy_windows(p, k, x, o, add_tile(p, k, image, group, o, rows));
}

/* ---- Running tiles ---------------------------------------------------------------------------- */

/* The collected tiles x panels p0 .. p1 of a group. */
static void run_tiles(const plan *p, work *k, int64_t group, int64_t p0, int64_t p1) {
    const tap_conv *v = p->v;
    const tap_block b = {.set = p->set,
                         .b = (const char *)v->packed + group * p->panels * p->panel_bytes,
                         .b_step = p->set->columns * p->set->elem,
                         .b_panel = p->panel_bytes,
                         .k = p->k,
                         .segment = p->scattered ? p->k
                                    : p->merged  ? p->s.last.taps * v->c
                                                 : v->c,
                         .n = v->m,
                         .c_row = p->s.last.out_step * p->s.y_pixel,
                         .column = group * v->m * p->set->elem,
                         .last = true,
                         .finish = &p->finish,
                         .done = v->done,
                         .arg = v->arg,
                         .first_column = group * v->m,
                         .row_step = p->s.last.out_step};
    tap_block_run(&b, k->tiles, k->n_tiles, p0, p1, k->tmp);
    k->n_tiles = 0;
    k->n_lines = 1;
    k->used = 0;
}

/* Room for one more tile. */
static void make_room(const plan *p, work *k, int64_t group, int64_t p0, int64_t p1) {
    if (k->n_tiles == TAP_BLOCK_ROWS_MAX || k->used + p->tile_bytes > p->buffer_bytes)
        run_tiles(p, k, group, p0, p1);
}

/* Line l of an image; rows that are kept are of one image at a time. */
static void start_line(const plan *p, work *k, int64_t group, int64_t l, int64_t p0, int64_t p1) {
    if (k->n_lines == p->lines_at_once || (p->keeps_rows && l == 0)) {
        run_tiles(p, k, group, p0, p1);
        k->n_lines = 0;
    }
    k->line = line_at(p, k->lines + k->next_line * p->line_bytes);
    k->next_line = (k->next_line + 1) % LINES_MAX;
    k->n_lines++;
    fill_line(p, l, &k->line);
}

/* Tiles begin .. end, counted through all images, x panels p0 .. p1 of a group. */
static void run_range(const plan *p, work *k, int64_t group, int64_t begin, int64_t end, int64_t p0,
                      int64_t p1) {
    int64_t in_line = p->tiles_of_line, pixels_of_image = p->s.lines * p->s.last.out;
    for (int64_t u = begin; u < end; u++) {
        int64_t image = u / p->tiles_of_image, i = u % p->tiles_of_image;
        if (p->scattered) {
            int64_t o = pixels_of_image * i / p->tiles_of_image;
            make_room(p, k, group, p0, p1);
            add_scattered_tile(p, k, image, group, o, pixels_of_image * (i + 1) / p->tiles_of_image - o);
            continue;
        }
        if (u == begin || i % in_line == 0) start_line(p, k, group, i / in_line, p0, p1);
        make_room(p, k, group, p0, p1);
        add_tile_of_line(p, k, image, group, i / in_line, i % in_line);
    }
    run_tiles(p, k, group, p0, p1);
}

/* ---- Jobs ---- */

typedef struct jobs {
    const plan *p;
    char *memory;
    size_t memory_bytes;
    int64_t tiles, tiles_of_job, tile_jobs;
    int64_t panels_of_job, panel_jobs;
} jobs;

/* A job: some tiles x some panels of one group. */
static void conv_task(void *arg, int64_t begin, int64_t end, int worker) {
    const jobs *j = arg;
    const plan *p = j->p;
    char *memory = j->memory + (size_t)worker * j->memory_bytes;
    for (int64_t i = begin; i < end; i++) {
        work k = {.buffer = memory, .lines = memory + p->buffer_bytes};
        int64_t tile = i % j->tile_jobs * j->tiles_of_job,
                panel = i / j->tile_jobs % j->panel_jobs * j->panels_of_job;
        k.kept = (const char **)(void *)(k.lines + LINES_MAX * p->line_bytes);
        k.tmp = (char *)k.kept + p->kept_bytes;
        memset(k.kept, 0, (size_t)p->kept_bytes);
        run_range(p, &k, i / j->tile_jobs / j->panel_jobs, tile, tap_min64(tile + j->tiles_of_job, j->tiles),
                  panel, tap_min64(panel + j->panels_of_job, p->panels));
    }
}

/* Jobs by shape. Each splitting into halves is of the kind that makes the caches read less again: of tiles,
 * whose halves both read the weights, or of panels, whose halves both read (and perhaps copy) the input. */
static void plan_jobs(const plan *p, jobs *j) {
    const tap_conv *v = p->v;
    int64_t together = p->set->panels[tap_min64(p->s.last.out, p->set->rows)], whole_line = p->tiles_of_line;
    double x = 2.0 * (double)p->s.images * (double)p->s.x_image / (double)v->groups;
    double w = (double)p->k * (double)v->m * (double)p->set->elem;
    double all = (double)(p->s.images * p->s.lines * p->s.last.out) * (double)p->k * (double)v->m;
    j->tiles = p->s.images * p->tiles_of_image;
    j->tile_jobs = j->panel_jobs = 1;
    while (j->tile_jobs * j->panel_jobs * v->groups < JOBS &&
           all > 2.0 * WORK_OF_JOB * (double)(j->tile_jobs * j->panel_jobs)) {
        bool tiles = j->tiles >= 2 * j->tile_jobs, panels = p->panels >= 2 * j->panel_jobs * together;
        if (!tiles && !panels) break;
        if (tiles && (!panels || (double)j->tile_jobs * w <= (double)j->panel_jobs * x))
            j->tile_jobs *= 2;
        else
            j->panel_jobs *= 2;
    }
    j->tiles_of_job = (j->tiles + j->tile_jobs - 1) / j->tile_jobs;
    if (j->tiles_of_job > whole_line && !p->scattered)
        j->tiles_of_job = (j->tiles_of_job + whole_line - 1) / whole_line * whole_line;
    j->tile_jobs = (j->tiles + j->tiles_of_job - 1) / j->tiles_of_job;
    j->panels_of_job = (p->panels + j->panel_jobs - 1) / j->panel_jobs;
    j->panels_of_job = (j->panels_of_job + together - 1) / together * together;
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
    size_t one = (size_t)(p->buffer_bytes + LINES_MAX * p->line_bytes + p->kept_bytes) +
                 tap_tile_tmp_bytes(p->set),
           all;
    plan_jobs(p, &j);
    j.memory_bytes = tap_round_up(one, TAP_ALIGN);
    if (!tap_mul_size(j.memory_bytes, (size_t)tap_workers(ctx), &all))
        return tap_fail(ctx, TAP_MEMORY, "the filter is too large");
    if (!(j.memory = tap_conv_scratch(ctx, v, 0, all))) return TAP_MEMORY;
    tap_parallel(ctx, v->groups * j.panel_jobs * j.tile_jobs, 1, conv_task, &j);
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
    plan p = {.v = v, .set = tap_tiles(v->kind), .finish = finish_of(v)};
    tap_conv_space_init(&p.s, v, p.set->elem);
    if (p.s.y_image == 0 || p.s.images == 0) return TAP_OK;
    if (p.s.outer_taps == 0 || p.s.last.taps == 0 || v->c == 0) {
        tap_parallel(ctx, p.s.images * p.s.lines, 16, fill_task, &p);
        return TAP_OK;
    }
    if (tap_conv_is_narrow(v->kind, v->groups, v->m)) return tap_conv_lanes_run(ctx, v);
    plan_init(&p, v);
    if (p.s.pointwise && v->groups == 1 && v->kind <= TAP_TILE_F64)
        return run_pointwise(ctx, &p, v->kind == TAP_TILE_F32 ? TAP_FLOAT : TAP_DOUBLE);
    return run_tiled(ctx, &p);
}
