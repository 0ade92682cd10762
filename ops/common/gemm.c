/* The matrix product around its tiles: what is copied or packed first, blocks for the caches, jobs for the
 * workers. */
#include "common/gemm.h"

#include <string.h>

#include "common/gemm_internal.h"

/* A tile's rows of A times so many bytes of k stay in the first cache, the panels of B of a block in the
 * second. */
#define K_BLOCK_BYTES 2048
#ifdef TAP_ISA_avx512
#define B_BLOCK_BYTES (512 << 10)
#else
#define B_BLOCK_BYTES (128 << 10)
#endif
/* Rows of A that share one pass over B, and multiply-adds that are worth a job of their own. */
#define ROWS_OF_JOB 224
#define WORK_OF_JOB (1 << 20)
/* Rows of A copied for a tile lie so many bytes further apart, that they do not meet in the same cache sets.
 */
#define A_PAD_BYTES 64

/* What is the same for all blocks of a product. */
typedef struct shape {
    const tap_gemm *g;
    const tap_tile_set *set;
    int64_t elem, columns;
    int64_t panels; /* of B                                                                  */
    int64_t k_block;
    int64_t p_block; /* panels of a block                                                     */
    bool copy_a;     /* a tile's rows of A are copied first                                   */
    bool direct;     /* B is read where it lies, but for a last panel that is not full        */
} shape;

/* Memory of one worker. */
typedef struct work {
    char *a;    /* rows of a tile x k_block                  */
    char *c;    /* a tile of one panel, where n ends in it   */
    char *tail; /* direct: that panel of B                   */
} work;

static tap_dtype b_dtype(const tap_gemm *g) {
    return g->b_from ? g->b_from : g->dtype;
}

static int64_t a_copy_row(const shape *s) {
    return s->k_block * s->elem + A_PAD_BYTES;
}

static shape shape_of(const tap_gemm *g) {
    const tap_tile_set *set = tap_tiles(tap_gemm_kind(g->dtype));
    shape s = {.g = g, .set = set, .elem = set->elem, .columns = set->columns};
    int64_t block = K_BLOCK_BYTES / s.elem;
    s.panels = (g->n + s.columns - 1) / s.columns;
    s.k_block = g->k <= block + block / 2 ? g->k : block;
    s.p_block = tap_max64(4, B_BLOCK_BYTES / tap_max64(1, s.k_block * s.columns * s.elem) / 4 * 4);
    s.direct = !g->packed && !g->trans_b && b_dtype(g) == g->dtype && g->m <= set->rows;
    bool same_sets = g->lda * s.elem % 1024 == 0 && g->k * s.elem > 512 && g->m > 4;
    s.copy_a = g->trans_a || (same_sets && s.panels >= 4);
    return s;
}

static size_t work_bytes(const shape *s) {
    int64_t n = s->set->rows * a_copy_row(s) + (int64_t)tap_tile_tmp_bytes(s->set);
    if (s->direct) n += s->g->k * s->columns * s->elem;
    return tap_round_up((size_t)n, TAP_ALIGN);
}

static work work_at(const shape *s, char *p) {
    work w;
    w.a = p;
    w.c = w.a + s->set->rows * a_copy_row(s);
    w.tail = w.c + tap_tile_tmp_bytes(s->set);
    return w;
}

/* Rows row .. row + rows of A at k0 .. k0 + k, row-major: where they lie, or copied. */
static const char *rows_of_a(const shape *s, const work *w, int64_t row, int64_t rows, int64_t k0, int64_t k,
                             int64_t *stride) {
    const tap_gemm *g = s->g;
    const char *a = g->a;
    int64_t e = s->elem;
    if (!s->copy_a) {
        *stride = g->lda * e;
        return a + (row * g->lda + k0) * e;
    }
    *stride = a_copy_row(s);
    for (int64_t i = 0; i < rows; i++) {
        char *to = w->a + i * *stride;
        if (!g->trans_a) {
            memcpy(to, a + ((row + i) * g->lda + k0) * e, (size_t)(k * e));
            continue;
        }
        const char *from = a + (k0 * g->lda + row + i) * e;
        for (int64_t l = 0; l < k; l++, from += g->lda * e) {
            if (e == 4)
                memcpy(to + l * 4, from, 4);
            else
                memcpy(to + l * 8, from, 8);
        }
    }
    return w->a;
}

/* Rows of one tile x panels p .. last, for k0 .. k0 + k. */
static void run_row_of_tiles(const shape *s, const work *w, const char *packed, int64_t row, int64_t rows,
                             int64_t p, int64_t last, int64_t k0, int64_t k) {
    const tap_gemm *g = s->g;
    int64_t e = s->elem, full = tap_min64(last, g->n / s->columns);
    tap_tile t = {.n_seg = 1, .k = k, .c_row = g->ldc * e, .from_c = k0 > 0 || g->accumulate};
    t.a = rows_of_a(s, w, row, rows, k0, k, &t.a_row);
    t.c = (char *)g->c + row * g->ldc * e;
    t.bias = k0 + k == g->k ? g->bias : NULL;
    if (s->direct && p < full) {
        t.b = (const char *)g->b + (k0 * g->ldb + p * s->columns) * e;
        t.b_step = g->ldb * e;
        t.b_panel = s->columns * e;
        tap_tile_run(s->set, &t, (int)rows, p, full, g->n, w->c);
        p = full;
    }
    t.b_step = s->columns * e;
    t.b_panel = g->k * t.b_step;
    t.b = (s->direct ? w->tail : packed + p * t.b_panel) + k0 * t.b_step;
    if (p < last) tap_tile_run(s->set, &t, (int)rows, p, last, g->n, w->c);
}

/* Rows m0 .. m1 x panels p0 .. p1 of C. Rows are shared out evenly among as few tiles as possible. */
static void run_block(const shape *s, const work *w, const char *packed, int64_t m0, int64_t m1, int64_t p0,
                      int64_t p1, int64_t done_row) {
    const tap_gemm *g = s->g;
    int64_t tiles = (m1 - m0 + s->set->rows - 1) / s->set->rows;
    int64_t k0 = 0;
    if (s->direct && p1 == s->panels && g->n % s->columns)
        tap_gemm_pack_panels(g->dtype, b_dtype(g), g->k, g->n, g->b, g->ldb, false, p1 - 1, p1, w->tail);
    do {
        int64_t k = tap_min64(s->k_block, g->k - k0);
        bool final = k0 + k == g->k;
        for (int64_t p = p0; p < p1; p += s->p_block) {
            int64_t last = tap_min64(p1, p + s->p_block);
            for (int64_t i = 0; i < tiles; i++) {
                int64_t row = m0 + (m1 - m0) * i / tiles, rows = m0 + (m1 - m0) * (i + 1) / tiles - row;
                run_row_of_tiles(s, w, packed, row, rows, p, last, k0, k);
                int64_t col = p * s->columns;
                if (final && g->done)
                    g->done(g->arg, done_row + row, rows, col, tap_min64(last * s->columns, g->n) - col);
            }
        }
        k0 += s->k_block;
    } while (k0 < g->k);
}

/* ---- One thread ---- */

static bool needs_packing(const shape *s) {
    return !s->g->packed && !s->direct;
}

bool tap_gemm_work_bytes(const tap_gemm *g, size_t *n_bytes) {
    shape s = shape_of(g);
    size_t packed = 0;
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
    run_block(&s, &w, packed, 0, g->m, 0, s.panels, done_row);
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
    int64_t rows, panels; /* of a job                                              */
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
        int64_t row = i % j->row_jobs * j->rows, p = i / j->row_jobs * j->panels;
        run_block(j->s, &w, j->packed, row, tap_min64(row + j->rows, j->s->g->m), p,
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
    j->rows = tap_min64(g->m, ROWS_OF_JOB / s->set->rows * s->set->rows);
    j->row_jobs = (g->m + j->rows - 1) / j->rows;
    double panel = multiply_adds((double)j->rows, (double)s->columns, (double)g->k);
    j->panels = tap_min64(s->panels, (worth_a_job(panel, s->panels) + 3) / 4 * 4);
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
    int64_t e = tap_tiles(tap_gemm_kind(g->dtype))->elem;
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

tap_status tap_gemm_batch(tap_ctx *ctx, const tap_gemm *g, int64_t n_batch, const int64_t (*at)[3]) {
    if (n_batch == 0 || g->m == 0 || g->n == 0) return TAP_OK;
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
