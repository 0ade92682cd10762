/* Convolution over channels-last images: tiles of pixels, where they find their input, blocks for the caches,
 * jobs. */
#include "common/conv.h"

#include <string.h>

#include "common/conv_lanes.h"
#include "common/conv_space.h"

/* Weights of so many bytes stay in the second cache while pixels pass; copied input has the buffer. */
#ifdef TAP_ISA_avx512
#define B_BLOCK_BYTES (1 << 20)
#define BUFFER_BYTES  (512 << 10)
#else
#define B_BLOCK_BYTES (192 << 10)
#define BUFFER_BYTES  (128 << 10)
#endif
#define TILES_MAX   32
#define LINES_MAX   16
#define WORK_OF_JOB (1 << 20)
#define PAD_BYTES   64

/* Some pixels, as rows of a tile, and where their input is. */
typedef struct pixels {
    const char *a;
    int64_t a_row;
    const int64_t *a_seg, *b_seg;
    int64_t n_seg, k; /* k: elements of a segment               */
    char *c;          /* of the first pixel, channel 0 of the group */
    int64_t at;       /* the first pixel's number in y              */
    int rows;
} pixels;

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
    int64_t panels, panel_bytes, p_block;
    int64_t columns; /* input pixels along the last axis under the largest tile                            */
    bool merged;     /* the last axis' taps are one segment                                                */
    bool direct;     /* input is read where it lies if it can be                                           */
    bool by_pixel;   /* if it is copied, each pixel's window by itself: k elements of one segment          */
    bool scattered;  /* tiles take pixels of several lines; all their input is copied                      */
    bool keeps_rows; /* what a line copied serves the next ones: each tile of a line has a place of its own */
    int64_t tiles_of_line, tiles_of_image;
    int64_t seg_max; /* segments of a line                                                                 */
    int64_t tile_bytes, buffer_bytes, line_bytes, kept_bytes;
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
    pixels tiles[TILES_MAX];
    int n_tiles;
} work;

/* ---- The plan: from shapes only ------------------------------------------------------------- */

/* How tiles come to their input. Pixels of several lines share a tile where lines are short. Pixels whose
 * places in the first cache collide, and groups too narrow to be worth a segment, are copied. */
static void plan_input(plan *p) {
    const tap_conv *v = p->v;
    const tap_conv_axis *w = &p->s.last;
    int64_t rows = p->set->rows, elem = p->set->elem;
    p->scattered = p->s.dense && p->s.lines > 1 && w->out * 5 < rows * 2;
    bool collide = w->taps == 1 && w->step * p->s.x_pixel % 4096 == 0 && p->panels >= 4;
    p->direct = !p->scattered && !collide && (v->groups == 1 || p->c_bytes >= 64 || w->taps == 1);
    p->merged = w->tap_step == 1 && (v->groups == 1 || !p->direct);
    p->columns = (rows - 1) * w->step + (w->taps - 1) * w->tap_step + 1;
    p->by_pixel = p->scattered || collide || p->columns > rows * w->taps;
    p->tile_bytes =
        p->by_pixel ? rows * (p->k * elem + PAD_BYTES) : p->s.outer_taps * p->columns * p->c_bytes;
    p->tile_bytes = (int64_t)tap_round_up((size_t)p->tile_bytes, TAP_ALIGN);
    p->buffer_bytes = tap_max64(BUFFER_BYTES, p->tile_bytes);
    p->seg_max = p->s.outer_taps * (p->merged ? 1 : w->taps);
    p->line_bytes = (p->s.outer_taps + 3 * p->seg_max) * (int64_t)sizeof(int64_t);
}

/* Rows are kept where a line's rows are neighbours, which then have different places modulo their number,
 * where there is room for all tiles of a line, and where a tile runs through all panels at once. */
static void plan_kept_rows(plan *p) {
    bool neighbours = p->s.n_axes == 1 || (p->s.n_axes == 2 && p->s.axes[0].tap_step == 1);
    p->keeps_rows = neighbours && !p->by_pixel && p->p_block >= p->panels &&
                    p->tiles_of_line <= p->buffer_bytes / p->tile_bytes;
    if (p->keeps_rows) p->kept_bytes = p->tiles_of_line * p->s.outer_taps * (int64_t)sizeof(char *);
}

static void plan_init(plan *p, const tap_conv *v) {
    *p = (plan){.v = v, .set = tap_tiles(v->kind)};
    int64_t elem = p->set->elem, rows = p->set->rows;
    tap_conv_space_init(&p->s, v, elem);
    p->c_bytes = v->c * elem;
    p->k = p->s.outer_taps * p->s.last.taps * v->c;
    p->panels = (v->m + p->set->columns - 1) / p->set->columns;
    p->panel_bytes = p->k * p->set->columns * elem;
    p->p_block = tap_max64(2, B_BLOCK_BYTES / tap_max64(1, p->panel_bytes));
    plan_input(p);
    p->tiles_of_line = (p->s.last.out + rows - 1) / rows;
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
    return row / (p->s.last.in * p->s.x_pixel) % p->s.outer_taps;
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
static pixels *add_tile(const plan *p, work *k, int64_t image, int64_t group, int64_t at, int64_t rows) {
    pixels *t = &k->tiles[k->n_tiles++];
    *t = (pixels){.at = image * (p->s.y_image / p->s.y_pixel) + at, .rows = (int)rows};
    t->c = (char *)p->v->y + t->at * p->s.y_pixel + group * p->v->m * p->set->elem;
    return t;
}

/* The tile's input copied window by window, for outputs o .., counted through the lines. x: the image. */
static void copy_windows(const plan *p, work *k, const char *x, int64_t o, pixels *t) {
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
static void copy_rows(const plan *p, work *k, const char *x, int64_t i, int64_t first, int64_t n, pixels *t) {
    int64_t row_bytes = p->columns * p->c_bytes;
    char *to = k->buffer + (p->keeps_rows ? i * p->tile_bytes : k->used);
    t->a = to;
    t->a_row = p->s.last.step * p->c_bytes;
    t->a_seg = k->line.copied;
    for (int64_t r = 0; r < k->line.n_outer; r++) {
        const char *row = x + k->line.outer[r];
        int64_t place = p->keeps_rows ? place_of_row(p, k->line.outer[r]) : r;
        const char **kept = p->keeps_rows ? &k->kept[i * p->s.outer_taps + place] : NULL;
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
    pixels *t = add_tile(p, k, image, group, tap_conv_place(&p->s, l, o), rows);
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

static void tell(const plan *p, const pixels *t, int64_t col, int64_t n_cols) {
    const tap_conv *v = p->v;
    if (!v->done) return;
    if (p->s.last.out_step == 1 || t->rows == 1) {
        v->done(v->arg, t->at, t->rows, col, n_cols);
        return;
    }
    for (int i = 0; i < t->rows; i++) v->done(v->arg, t->at + i * p->s.last.out_step, 1, col, n_cols);
}

/* The collected tiles x panels p0 .. p1 of a group. */
static void run_tiles(const plan *p, work *k, int64_t group, int64_t p0, int64_t p1) {
    const tap_conv *v = p->v;
    for (int64_t b = p0; b < p1; b += p->p_block) {
        int64_t last = tap_min64(p1, b + p->p_block), col = b * p->set->columns;
        for (int i = 0; i < k->n_tiles; i++) {
            const pixels *x = &k->tiles[i];
            tap_tile t = {
                .a = x->a, .a_row = x->a_row, .a_seg = x->a_seg, .b_seg = x->b_seg, .n_seg = x->n_seg};
            t.k = x->k;
            t.b = (const char *)v->packed + (group * p->panels + b) * p->panel_bytes;
            t.b_step = p->set->columns * p->set->elem;
            t.b_panel = p->panel_bytes;
            t.c = x->c;
            t.c_row = p->s.last.out_step * p->s.y_pixel;
            t.bias = v->bias ? (const char *)v->bias + group * v->m * p->set->elem : NULL;
            tap_tile_run(p->set, &t, x->rows, b, last, v->m, k->tmp);
            tell(p, x, group * v->m + col, tap_min64(last * p->set->columns, v->m) - col);
        }
    }
    k->n_tiles = 0;
    k->n_lines = 1;
    k->used = 0;
}

/* Room for one more tile. */
static void make_room(const plan *p, work *k, int64_t group, int64_t p0, int64_t p1) {
    if (k->n_tiles == TILES_MAX || k->used + p->tile_bytes > p->buffer_bytes) run_tiles(p, k, group, p0, p1);
}

static void start_line(const plan *p, work *k, int64_t group, int64_t l, int64_t p0, int64_t p1) {
    if (k->n_lines == LINES_MAX || p->keeps_rows) run_tiles(p, k, group, p0, p1);
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

/* Jobs by shape: enough work each, and, where there are few pixels, panels shared out too. */
static void plan_jobs(const plan *p, jobs *j) {
    const tap_conv *v = p->v;
    j->tiles = p->s.images * p->tiles_of_image;
    double tile =
        (double)(p->scattered ? p->set->rows : (p->s.last.out + p->tiles_of_line - 1) / p->tiles_of_line) *
        (double)p->k * (double)v->m;
    double worth = 4.0 * WORK_OF_JOB / (tile < 1 ? 1 : tile);
    j->tiles_of_job = worth >= (double)j->tiles ? j->tiles : worth < 1 ? 1 : (int64_t)worth;
    j->tile_jobs = (j->tiles + j->tiles_of_job - 1) / j->tiles_of_job;
    j->panels_of_job = p->panels;
    j->panel_jobs = 1;
    double job = tile * (double)j->tiles_of_job;
    while (j->panels_of_job > 4 && job > WORK_OF_JOB && j->tile_jobs * j->panel_jobs * v->groups < 16) {
        j->panels_of_job = (j->panels_of_job + 1) / 2;
        j->panel_jobs = (p->panels + j->panels_of_job - 1) / j->panels_of_job;
        job /= 2;
    }
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

/* Where no tap reaches, y is the bias. */
static void fill_task(void *arg, int64_t begin, int64_t end, int worker) {
    const plan *p = arg;
    const tap_conv *v = p->v;
    size_t bytes = (size_t)p->s.y_pixel;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        for (int64_t o = 0; o < p->s.last.out; o++) {
            int64_t at =
                i / p->s.lines * (p->s.y_image / p->s.y_pixel) + tap_conv_place(&p->s, i % p->s.lines, o);
            char *y = (char *)v->y + at * p->s.y_pixel;
            if (v->bias)
                memcpy(y, v->bias, bytes);
            else
                memset(y, 0, bytes);
            if (v->done) v->done(v->arg, at, 1, 0, v->groups * v->m);
        }
}

tap_status tap_conv_run(tap_ctx *ctx, const tap_conv *v) {
    plan p = {.v = v, .set = tap_tiles(v->kind)};
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
