/* The matrix product around its tiles: what is copied or packed first, blocks for the caches, jobs for the
 * workers. */
#include "common/gemm.h"

#include <string.h>

#include "common/dots.h"
#include "common/gemm_block.h"
#include "common/gemm_internal.h"

/* Rows of A that share one pass over B, k of those that are copied for it, the rows of a tile whose places in
 * the first cache may collide, and multiply-adds that are worth a job of their own. */
#define ROWS_OF_JOB 224
#define COPIED_K    1024
#define FEW_ROWS    8
#define WORK_OF_JOB (1 << 20)
/* A large product has about so many jobs, one of few panels and not many rows so many. */
#define JOBS     32
#define FEW_JOBS 4
/* Panels that are never parted: tiles of few rows take so many at once. */
#define PANELS_TOGETHER 4
/* Rows of A that are copied lie so many bytes further apart, that they do not meet in the same cache sets. */
#define A_PAD_BYTES 64

/* What is the same for all blocks of a product. */
typedef struct shape {
    const tap_gemm *g;
    const tap_tile_set *set;
    int64_t elem, columns;
    int64_t panels; /* of B                                                         */
    bool copy_a;    /* rows of A are copied first                                   */
    bool direct;    /* B is read where it lies, but for a last panel that is not full */
    bool as_needed; /* B is packed piece by piece, by each job that comes to it     */
    int64_t rows;   /* of a job                                                     */
    int64_t k_block;
    tap_finish finish;
} shape;

/* Memory of one worker. */
typedef struct work {
    char *a;    /* rows of a job x k_block, where they are copied */
    char *c;    /* a tile of one panel, where n ends in it        */
    char *tail; /* direct: that panel of B; as_needed: room for a piece */
} work;

static tap_dtype b_dtype(const tap_gemm *g) {
    return g->b_from ? g->b_from : g->dtype;
}

static int64_t a_copy_row(const shape *s) {
    return s->k_block * s->elem + A_PAD_BYTES;
}

static tap_finish finish_of(const tap_gemm *g) {
    tap_finish f = {0};
    if (g->finish) f = *g->finish;
    f.bias = g->bias;
    return f;
}

/* Where all panels are in one job its rows are divided, so that there is something for each worker. */
static int64_t rows_of_job(const shape *s) {
    const tap_gemm *g = s->g;
    double jobs = (double)g->m * (double)g->n * (double)g->k / WORK_OF_JOB;
    if (!g->packed || s->panels > PANELS_TOGETHER || jobs < 2) return s->rows;
    int64_t n = jobs < FEW_JOBS ? (int64_t)jobs : FEW_JOBS, rows = (g->m + n - 1) / n;
    return tap_min64(s->rows, (rows + s->set->rows - 1) / s->set->rows * s->set->rows);
}

/* Rows whose places in the first cache collide are copied, where a tile has many of them and enough panels
 * make use of it. */
static shape shape_of(const tap_gemm *g) {
    const tap_tile_set *set = tap_tiles(tap_gemm_kind(g->dtype), g->packed_n ? g->packed_n : g->n);
    shape s = {.g = g, .set = set, .elem = set->elem, .columns = set->columns, .finish = finish_of(g)};
    s.panels = (g->n + s.columns - 1) / s.columns;
    s.direct = !g->packed && !g->trans_b && b_dtype(g) == g->dtype && g->m <= set->rows;
    bool same_sets = g->lda * s.elem % 2048 == 0 && g->m > 4 && set->rows > FEW_ROWS;
    s.copy_a = g->trans_a || (same_sets && s.panels >= 4);
    s.rows = tap_min64(g->m, tap_min64(ROWS_OF_JOB / set->rows, TAP_BLOCK_ROWS_MAX) * set->rows);
    s.k_block = s.copy_a ? tap_min64(g->k, COPIED_K) : g->k;
    s.as_needed = !g->packed && !s.direct && g->m <= s.rows;
    s.rows = rows_of_job(&s);
    return s;
}

static size_t work_bytes(const shape *s) {
    int64_t n = (int64_t)tap_tile_tmp_bytes(s->set);
    if (s->copy_a) n += s->rows * a_copy_row(s);
    if (s->direct) n += s->g->k * s->columns * s->elem;
    if (s->as_needed) n += (int64_t)tap_block_room(s->set);
    return tap_round_up((size_t)n, TAP_ALIGN);
}

static work work_at(const shape *s, char *p) {
    work w = {.a = p, .c = p};
    if (s->copy_a) w.c += s->rows * a_copy_row(s);
    w.tail = w.c + tap_tile_tmp_bytes(s->set);
    return w;
}

/* n rows of A from number `row` on, at k0 .. k0 + k, row-major, to `to`. */
static void copy_rows(const shape *s, int64_t row, int64_t n, int64_t k0, int64_t k, char *to) {
    const tap_gemm *g = s->g;
    int64_t e = s->elem, step = a_copy_row(s);
    if (!g->trans_a) {
        const char *from = (const char *)g->a + (row * g->lda + k0) * e;
        for (int64_t i = 0; i < n; i++, to += step, from += g->lda * e) memcpy(to, from, (size_t)(k * e));
        return;
    }
    const char *from = (const char *)g->a + (k0 * g->lda + row) * e;
    tap_gemm_transpose(e, n, k, from, g->lda * e, to, step);
}

/* Rows m0 .. m1 as groups that are shared out evenly among as few tiles as possible; A: at k0 .. k0 + k. */
static int group_rows(const shape *s, const work *w, int64_t m0, int64_t m1, int64_t k0, int64_t k,
                      int64_t done_row, tap_rows *rows) {
    const tap_gemm *g = s->g;
    int64_t e = s->elem, n = (m1 - m0 + s->set->rows - 1) / s->set->rows;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = m0 + (m1 - m0) * i / n, end = m0 + (m1 - m0) * (i + 1) / n;
        tap_rows *r = &rows[i];
        *r = (tap_rows){.n_seg = 1, .k = k, .number = done_row + row, .rows = (int)(end - row)};
        r->c = (char *)g->c + row * g->ldc * e;
        r->a = s->copy_a ? w->a + (row - m0) * a_copy_row(s) : (const char *)g->a + (row * g->lda + k0) * e;
        r->a_row = s->copy_a ? a_copy_row(s) : g->lda * e;
    }
    if (s->copy_a) copy_rows(s, m0, m1 - m0, k0, k, w->a);
    return (int)n;
}

/* Where the job that follows begins in B, behind panels p0 .. p1 of rows m0 .. m1: with more of k, with more
 * rows, or with the next panels. */
static const char *what_follows(const shape *s, const char *packed, int64_t m1, int64_t k1, int64_t p0,
                                int64_t p1) {
    int64_t row = s->columns * s->elem, panel = s->g->k * row;
    if (!packed) return NULL;
    if (k1 < s->g->k) return packed + p0 * panel + k1 * row;
    if (m1 < s->g->m) return packed + p0 * panel;
    return p1 < s->panels ? packed + p1 * panel : NULL;
}

/* Panels p0 .. p1 of B, from k0 on: where B lies, but for a last panel that is not full, or packed. */
static void run_panels(const shape *s, const work *w, tap_block b, const char *packed, const tap_rows *rows,
                       int n, int64_t k0, int64_t p0, int64_t p1) {
    const tap_gemm *g = s->g;
    int64_t e = s->elem, full = s->direct ? tap_min64(p1, g->n / s->columns) : p0;
    if (p0 < full) {
        b.b = (const char *)g->b + k0 * g->ldb * e;
        b.b_step = g->ldb * e;
        b.b_panel = s->columns * e;
        tap_block_run(&b, rows, n, p0, full, w->c);
    }
    if (full == p1) return;
    b.b_step = s->columns * e;
    b.b_panel = g->k * b.b_step;
    b.b = s->direct ? w->tail - full * b.b_panel : packed;
    if (b.b) b.b += k0 * b.b_step;
    b.unpacked = g;
    b.first_k = k0;
    b.room = w->tail;
    tap_block_run(&b, rows, n, full, p1, w->c);
}

/* Rows m0 .. m1, of a job at most, x panels p0 .. p1 of C. */
static void run_block(const shape *s, const work *w, const char *packed, int64_t m0, int64_t m1, int64_t p0,
                      int64_t p1, int64_t done_row) {
    const tap_gemm *g = s->g;
    tap_rows rows[TAP_BLOCK_ROWS_MAX];
    int64_t k0 = 0;
    if (s->direct && p1 == s->panels && g->n % s->columns)
        tap_gemm_pack_panels(g->dtype, b_dtype(g), g->k, g->n, g->b, g->ldb, false, p1 - 1, p1, w->tail);
    do {
        int64_t k = tap_min64(s->k_block, g->k - k0);
        tap_block b = {.set = s->set,
                       .k = k,
                       .segment = k,
                       .n = g->n,
                       .c_row = g->ldc * s->elem,
                       .from_c = k0 > 0 || g->accumulate,
                       .last = k0 + k == g->k,
                       .finish = &s->finish,
                       .done = g->done,
                       .arg = g->arg,
                       .row_step = 1,
                       .passed = m0 > 0 && k == g->k,
                       .after = what_follows(s, packed, m1, k0 + k, p0, p1)};
        int n = group_rows(s, w, m0, m1, k0, k, done_row, rows);
        run_panels(s, w, b, packed, rows, n, k0, p0, p1);
        k0 += k;
    } while (k0 < g->k);
}

/* ---- One thread ---- */

static bool needs_packing(const shape *s) {
    return !s->g->packed && !s->direct && !s->as_needed;
}

bool tap_gemm_work_bytes(const tap_gemm *g, size_t *n_bytes) {
    shape s = shape_of(g);
    size_t packed = 0;
    s.copy_a = true; /* it may be for fewer rows and columns, of another lda */
    s.k_block = tap_min64(g->k, COPIED_K);
    if (!tap_gemm_packed_bytes(g->dtype, g->k, g->n, &packed)) return false;
    if (!needs_packing(&s)) packed = 0;
    return tap_add_size(work_bytes(&s), tap_round_up(packed, TAP_ALIGN), n_bytes);
}

static void run_alone(const tap_gemm *g, char *memory, int64_t done_row) {
    if (g->m == 0 || g->n == 0) return;
    shape s = shape_of(g);
    work w = work_at(&s, memory);
    const char *packed = g->packed;
    if (needs_packing(&s)) {
        char *to = memory + work_bytes(&s);
        tap_gemm_pack(g->dtype, b_dtype(g), g->k, g->n, g->b, g->ldb, g->trans_b, to);
        packed = to;
    }
    for (int64_t row = 0; row < g->m; row += s.rows)
        run_block(&s, &w, packed, row, tap_min64(row + s.rows, g->m), 0, s.panels, done_row);
}

void tap_gemm_serial(const tap_gemm *g, void *memory) {
    run_alone(g, memory, 0);
}

/* ---- All workers ---- */

typedef struct jobs {
    const shape *s;
    const char *packed;
    char *to;     /* where B is packed                                     */
    char *memory; /* work_bytes for each worker                            */
    size_t memory_bytes;
    int64_t panels; /* of a job                                              */
    int64_t row_jobs;
    int64_t done_row;
} jobs;

static void pack_task(void *arg, int64_t begin, int64_t end, int worker) {
    const jobs *j = arg;
    const tap_gemm *g = j->s->g;
    (void)worker;
    tap_gemm_pack_panels(g->dtype, b_dtype(g), g->k, g->n, g->b, g->ldb, g->trans_b, begin, end,
                         j->to + begin * g->k * j->s->columns * j->s->elem);
}

static void block_task(void *arg, int64_t begin, int64_t end, int worker) {
    const jobs *j = arg;
    work w = work_at(j->s, j->memory + (size_t)worker * j->memory_bytes);
    for (int64_t i = begin; i < end; i++) {
        int64_t row = i % j->row_jobs * j->s->rows, p = i / j->row_jobs * j->panels;
        run_block(j->s, &w, j->packed, row, tap_min64(row + j->s->rows, j->s->g->m), p,
                  tap_min64(p + j->panels, j->s->panels), j->done_row);
    }
}

static double multiply_adds(double m, double n, double k) {
    return m * n * k;
}

/* How many things of so many multiply-adds each make a job. */
static int64_t worth_a_job(double each, int64_t at_most) {
    double n = WORK_OF_JOB / (each < 1 ? 1 : each);
    if (n >= (double)at_most) return tap_max64(1, at_most);
    return n < 1 ? 1 : (int64_t)n;
}

static void run_jobs(tap_ctx *ctx, jobs *j) {
    const shape *s = j->s;
    const tap_gemm *g = s->g;
    if (j->to) {
        int64_t grain = worth_a_job(multiply_adds(16, (double)s->columns, (double)g->k), s->panels);
        tap_parallel(ctx, s->panels, grain, pack_task, j);
        j->packed = j->to;
    }
    j->row_jobs = (g->m + s->rows - 1) / s->rows;
    double panel = multiply_adds((double)s->rows, (double)s->columns, (double)g->k);
    j->panels = tap_max64(worth_a_job(panel, s->panels), s->panels * j->row_jobs / JOBS);
    if (tap_workers(ctx) == 1) j->panels = s->panels;
    if (s->copy_a) j->panels = tap_max64(j->panels, tap_min64(12, s->panels / 2));
    j->panels = tap_min64(s->panels, (j->panels + PANELS_TOGETHER - 1) / PANELS_TOGETHER * PANELS_TOGETHER);
    int64_t n = j->row_jobs * ((s->panels + j->panels - 1) / j->panels);
    tap_parallel(ctx, n, worth_a_job(panel * (double)j->panels, n), block_task, j);
}

/* Scratch of all workers and, where B has to be packed, of that. */
static tap_status jobs_init(tap_ctx *ctx, const shape *s, jobs *j) {
    const tap_gemm *g = s->g;
    size_t packed, memory;
    *j = (jobs){.s = s, .packed = g->packed, .memory_bytes = work_bytes(s)};
    if (!tap_gemm_packed_bytes(g->dtype, g->k, g->n, &packed) ||
        !tap_mul_size(j->memory_bytes, (size_t)tap_workers(ctx), &memory))
        return tap_fail(ctx, TAP_MEMORY, "a product of [%lld, %lld] by [%lld, %lld] is too large",
                        (long long)g->m, (long long)g->k, (long long)g->k, (long long)g->n);
    if (!(j->memory = tap_scratch(ctx, memory))) return TAP_MEMORY;
    if (needs_packing(s) && !(j->to = tap_scratch(ctx, packed))) return TAP_MEMORY;
    return TAP_OK;
}

tap_status tap_gemm_run(tap_ctx *ctx, const tap_gemm *g) {
    static const int64_t at[1][3] = {{0, 0, 0}};
    return tap_gemm_batch(ctx, g, 1, at);
}

/* ---- Batches ---- */

typedef struct batch {
    const tap_gemm *g;
    const int64_t (*at)[3];
    char *memory;
    size_t memory_bytes;
} batch;

static tap_gemm product_of_batch(const tap_gemm *g, const int64_t at[3]) {
    int64_t e = tap_tiles(tap_gemm_kind(g->dtype), g->n)->elem;
    tap_gemm p = *g;
    p.a = (const char *)g->a + at[0] * e;
    if (g->packed)
        p.packed = (const char *)g->packed + at[1];
    else
        p.b = (const char *)g->b + at[1] * (int64_t)tap_dtype_bytes(b_dtype(g));
    p.c = (char *)g->c + at[2] * e;
    return p;
}

static void batch_task(void *arg, int64_t begin, int64_t end, int worker) {
    const batch *b = arg;
    for (int64_t i = begin; i < end; i++) {
        tap_gemm p = product_of_batch(b->g, b->at[i]);
        run_alone(&p, b->memory + (size_t)worker * b->memory_bytes, i * b->g->m);
    }
}

/* Each product is a job. */
static tap_status run_batch(tap_ctx *ctx, const tap_gemm *g, int64_t n_batch, const int64_t (*at)[3]) {
    batch b = {.g = g, .at = at};
    size_t memory;
    if (!tap_gemm_work_bytes(g, &b.memory_bytes) ||
        !tap_mul_size(b.memory_bytes, (size_t)tap_workers(ctx), &memory))
        return tap_fail(ctx, TAP_MEMORY, "a product of [%lld, %lld] by [%lld, %lld] is too large",
                        (long long)g->m, (long long)g->k, (long long)g->k, (long long)g->n);
    if (!(b.memory = tap_scratch(ctx, memory))) return TAP_MEMORY;
    double each = multiply_adds((double)g->m, (double)g->n, (double)g->k);
    tap_parallel(ctx, n_batch, worth_a_job(each, n_batch), batch_task, &b);
    return TAP_OK;
}

/* One column of integers, which lies together: panels would be nearly empty. */
static bool is_column_of_ints(const tap_gemm *g) {
    const tap_tile_kind kind = tap_gemm_kind(g->dtype);
    return g->n == 1 && (kind == TAP_TILE_U32 || kind == TAP_TILE_U64) && !g->trans_a && !g->packed &&
           (g->trans_b || g->ldb == 1) && !g->bias && !g->accumulate;
}

static void run_columns(tap_ctx *ctx, const tap_gemm *g, int64_t n_batch, const int64_t (*at)[3]) {
    for (int64_t i = 0; i < n_batch; i++) {
        tap_gemm p = product_of_batch(g, at[i]);
        tap_int_dots(ctx, tap_dtype_bytes(g->dtype), g->m, g->k, p.a, g->lda, p.b, 0, p.c, g->ldc);
    }
    if (g->done) g->done(g->arg, 0, n_batch * g->m, 0, 1);
}

tap_status tap_gemm_batch(tap_ctx *ctx, const tap_gemm *g, int64_t n_batch, const int64_t (*at)[3]) {
    if (n_batch == 0 || g->m == 0 || g->n == 0) return TAP_OK;
    if (is_column_of_ints(g)) {
        run_columns(ctx, g, n_batch, at);
        return TAP_OK;
    }
    if (n_batch >= 8) return run_batch(ctx, g, n_batch, at);
    shape s = shape_of(g);
    jobs j;
    tap_status status = jobs_init(ctx, &s, &j);
    for (int64_t i = 0; status == TAP_OK && i < n_batch; i++) {
        tap_gemm p = product_of_batch(g, at[i]);
        s.g = &p;
        j.packed = p.packed;
        j.done_row = i * g->m;
        run_jobs(ctx, &j);
    }
    return status;
}
