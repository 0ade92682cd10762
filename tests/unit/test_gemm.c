/* The matrix product against a plain loop, bit for bit, for every instruction set this CPU has. */
#define TAP_ISA base
#include "common/gemm.h"

#include <math.h>
#include <stdlib.h>

#include "core/cpu.h"
#include "test.h"

/* Stand-ins for the executor, where the library does not bring it. */
__attribute__((weak)) void tap_parallel(tap_ctx *ctx, int64_t n, int64_t grain, tap_task *fn, void *arg) {
    (void)ctx;
    for (int64_t b = n - 1 - (n - 1) % grain; b >= 0; b -= grain)
        fn(arg, b, tap_min64(b + grain, n), (int)(b % 3));
}
__attribute__((weak)) int tap_workers(const tap_ctx *ctx) {
    return ctx ? 3 : 3;
}
__attribute__((weak)) void *tap_scratch(tap_ctx *ctx, size_t n) {
    return ctx ? NULL : aligned_alloc(64, tap_round_up(n + 1, 64));
}
__attribute__((weak)) tap_status tap_fail(tap_ctx *ctx, tap_status code, const char *fmt, ...) {
    (void)ctx, (void)fmt;
    return code;
}

#define DECLARE(isa)                                                                               \
    bool tap_gemm_packed_bytes_##isa(tap_dtype dtype, int64_t k, int64_t n, size_t *n_bytes);      \
    void tap_gemm_pack_##isa(tap_dtype dtype, tap_dtype from, int64_t k, int64_t n, const void *b, \
                             int64_t ldb, bool trans, void *to);                                   \
    bool tap_gemm_work_bytes_##isa(const tap_gemm *g, size_t *n_bytes);                            \
    void tap_gemm_serial_##isa(const tap_gemm *g, void *work);

#define ENTRY(isa, fused)                                                                         \
    {                                                                                             \
#isa, fused, tap_gemm_packed_bytes_##isa, tap_gemm_pack_##isa, tap_gemm_work_bytes_##isa, \
            tap_gemm_serial_##isa                                                                 \
    }

typedef struct set {
    const char *name;
    bool fused;
    bool (*packed_bytes)(tap_dtype, int64_t, int64_t, size_t *);
    void (*pack)(tap_dtype, tap_dtype, int64_t, int64_t, const void *, int64_t, bool, void *);
    bool (*work_bytes)(const tap_gemm *, size_t *);
    void (*serial)(const tap_gemm *, void *);
} set;

DECLARE(base)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
static const set sets[] = {ENTRY(base, false), ENTRY(avx2, true), ENTRY(avx512, true)};
#else
static const set sets[] = {ENTRY(base, false)};
#endif

static uint32_t seed = 1;
static int32_t next(void) {
    return (int32_t)((seed = seed * 1664525 + 1013904223) >> 8) % 2001 - 1000;
}

static size_t bytes_of(tap_dtype t) {
    return t == TAP_DOUBLE || t == TAP_INT64 ? 8 : 4;
}

static void fill(tap_dtype t, char *p, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        int32_t r = next();
        float f = (float)r / 777;
        double d = r / 777.0;
        int32_t w = r * 1000003;
        int64_t x = r * INT64_C(1000000000039);
        memcpy(p + (size_t)i * bytes_of(t),
               t == TAP_FLOAT    ? (void *)&f
               : t == TAP_DOUBLE ? (void *)&d
               : t == TAP_INT32  ? (void *)&w
                                 : (void *)&x,
               bytes_of(t));
    }
}

/* What the stages of g->finish make of element i, j. */
#define FINISHED(NAME, T)                                                                                \
    static T NAME(const tap_gemm *g, int64_t i, int64_t j, T s) {                                        \
        for (int k = 0; g->finish && k < g->finish->n; k++) {                                            \
            int form = (int)g->finish->stages[k].form;                                                   \
            int64_t at = form == TAP_FINISH_ONE ? 0 : form == TAP_FINISH_BY_COLUMN ? j : i * g->ldc + j; \
            T p = ((const T *)(const void *)g->finish->stages[k].p[0])[at];                              \
            switch (g->finish->stages[k].kind) {                                                         \
            case TAP_FINISH_SCALE: {                                                                     \
                T product = s * p;                                                                       \
                s = product + ((const T *)(const void *)g->finish->stages[k].p[1])[at];                  \
                break;                                                                                   \
            }                                                                                            \
            case TAP_FINISH_ADD: s = s + p; break;                                                       \
            case TAP_FINISH_LEAST: s = s < p ? p : s; break;                                             \
            case TAP_FINISH_MOST: s = s > p ? p : s; break;                                              \
            }                                                                                            \
        }                                                                                                \
        return s;                                                                                        \
    }
FINISHED(finished_float, float)
FINISHED(finished_double, double)

/* One element by the definition. */
static void expect(const tap_gemm *g, bool fused, int64_t i, int64_t j, const char *c0, char *out) {
    float f = 0, fa, fb;
    double d = 0, da, db;
    uint64_t u = 0, ua = 0, ub = 0;
    size_t e = bytes_of(g->dtype);
    if (g->accumulate) {
        memcpy(&f, c0, 4);
        memcpy(&d, c0, e);
        memcpy(&u, c0, e);
    }
    for (int64_t l = 0; l <= g->k; l++) {
        const char *a = (const char *)g->a + (size_t)(g->trans_a ? l * g->lda + i : i * g->lda + l) * e;
        const char *b = (const char *)g->b + (size_t)(g->trans_b ? j * g->ldb + l : l * g->ldb + j) * e;
        if (l == g->k) {
            if (!g->bias) break;
            b = (const char *)g->bias + (size_t)j * e;
        } else {
            memcpy(&fa, a, 4);
            memcpy(&da, a, e);
            memcpy(&ua, a, e);
        }
        memcpy(&fb, b, 4);
        memcpy(&db, b, e);
        memcpy(&ub, b, e);
        if (g->dtype == TAP_FLOAT)
            f = l == g->k ? f + fb : fused ? fmaf(fa, fb, f) : f + fa * fb;
        else if (g->dtype == TAP_DOUBLE)
            d = l == g->k ? d + db : fused ? fma(da, db, d) : d + da * db;
        else
            u += l == g->k ? ub : ua * ub;
    }
    f = finished_float(g, i, j, f);
    if (g->dtype == TAP_DOUBLE) d = finished_double(g, i, j, d);
    memcpy(out, g->dtype == TAP_FLOAT ? (void *)&f : g->dtype == TAP_DOUBLE ? (void *)&d : (void *)&u, e);
}

/* Every kind of stage with every form of operand; operands by element are c0, by column columns. */
static tap_finish stages_of(tap_dtype t, const char *c, const char *c0, const char *columns, int64_t n) {
    static const float floats[3] = {-1.5f, 0, 1e3f};
    static const double doubles[3] = {-1.5, 0, 1e3};
    const char *one = t == TAP_FLOAT ? (const char *)floats : (const char *)doubles;
    size_t e = bytes_of(t);
    return (tap_finish){
        .c = c,
        .n = 6,
        .stages = {{TAP_FINISH_SCALE, TAP_FINISH_BY_COLUMN, {columns, columns + (size_t)n * e}},
                   {TAP_FINISH_ADD, TAP_FINISH_BY_ELEMENT, {c0, NULL}},
                   {TAP_FINISH_ADD, TAP_FINISH_ONE, {one, NULL}},
                   {TAP_FINISH_LEAST, TAP_FINISH_ONE, {one + e, NULL}},
                   {TAP_FINISH_ADD, TAP_FINISH_BY_COLUMN, {columns, NULL}},
                   {TAP_FINISH_MOST, TAP_FINISH_ONE, {one + 2 * e, NULL}}}};
}

static int64_t told;
static void count_done(void *arg, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    const tap_gemm *g = arg;
    CHECK(row >= 0 && col >= 0 && row + n_rows <= g->m && col + n_cols <= g->n);
    told += n_rows * n_cols;
}

/* One product, B as it lies and packed, compared with the definition; what lies around C stays. */
static void product(const set *s, tap_dtype t, int64_t m, int64_t n, int64_t k, int options) {
    size_t e = bytes_of(t), bytes;
    tap_gemm g = {.dtype = t,
                  .m = m,
                  .n = n,
                  .k = k,
                  .trans_a = options & 1,
                  .trans_b = options & 2,
                  .accumulate = options & 4};
    int64_t pad = options & 16 ? 3 : 0;
    g.lda = (g.trans_a ? m : k) + pad;
    g.ldb = (g.trans_b ? k : n) + pad;
    g.ldc = n + pad;
    char *a = malloc((size_t)(g.lda * (g.trans_a ? k : m) + 1) * e),
         *b = malloc((size_t)(g.ldb * (g.trans_b ? n : k) + 1) * e + 1);
    char *c0 = malloc((size_t)(g.ldc * m + 1) * e), *c = malloc((size_t)(g.ldc * m + 1) * e),
         *bias = malloc((size_t)n * e), *columns = malloc(2 * (size_t)n * e);
    fill(t, a, g.lda * (g.trans_a ? k : m));
    fill(t, b, g.ldb * (g.trans_b ? n : k));
    fill(t, c0, g.ldc * m);
    fill(t, bias, n);
    fill(t, columns, 2 * n);
    const tap_finish finish = stages_of(t, c, c0, columns, n);
    const float nan = NAN;
    if (t == TAP_FLOAT) memcpy(bias, &nan, sizeof nan); /* limits let NaN pass */
    g.a = a, g.b = b, g.c = c, g.done = count_done, g.arg = &g;
    if (options & 8) g.bias = bias;
    if (options & 32 && (t == TAP_FLOAT || t == TAP_DOUBLE)) g.finish = &finish;
    CHECK(s->packed_bytes(t, k, n, &bytes));
    char *packed = aligned_alloc(64, tap_round_up(bytes + 1, 64));
    s->pack(t, t, k, n, b, g.ldb, g.trans_b, packed);
    for (int pass = 0; pass < 2; pass++) {
        tap_gemm h = g;
        h.packed = pass ? packed : NULL;
        told = 0;
        memcpy(c, c0, (size_t)(g.ldc * m) * e);
        CHECK(s->work_bytes(&h, &bytes));
        void *work = aligned_alloc(64, tap_round_up(bytes, 64));
        s->serial(&h, work);
        free(work);
        int wrong = 0;
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < g.ldc; j++) {
                char want[8];
                size_t at = (size_t)(i * g.ldc + j) * e;
                if (j < n)
                    expect(&h, s->fused, i, j, c0 + at, want);
                else
                    memcpy(want, c0 + at, e);
                wrong += memcmp(c + at, want, e) != 0;
            }
        }
        CHECK_EQ(told, m * n);
        CHECK_EQ(wrong, 0);
        if (wrong)
            printf("%s %s m %d n %d k %d options %d pass %d\n", s->name, tap_dtype_name(t), (int)m, (int)n,
                   (int)k, options, pass);
    }
    free(a), free(b), free(c0), free(c), free(bias), free(columns), free(packed);
}

/* Every size of tile with every kind of border, spread over dtypes and options. */
static void each_size(void) {
    static const int64_t ms[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 29},
                         ns[] = {1, 7, 16, 33, 64, 131};
    static const int64_t ks[] = {0, 1, 2, 17};
    static const tap_dtype types[] = {TAP_FLOAT, TAP_DOUBLE, TAP_INT32, TAP_INT64};
    for (size_t i = 0; i < TAP_COUNT_OF(sets) && (int)i <= (int)tap_cpu_isa(); i++)
        for (size_t x = 0; x < TAP_COUNT_OF(ms); x++)
            for (size_t y = 0; y < TAP_COUNT_OF(ns); y++)
                for (size_t t = 0; t < TAP_COUNT_OF(types); t++)
                    product(&sets[i], types[t], ms[x], ns[y], ks[(x + y + t) % TAP_COUNT_OF(ks)],
                            (int)(x * 7 + y * 5 + t * 3) % 64);
}

/* k in several blocks, A in copied rows, several blocks of panels. */
static void large(void) {
    for (size_t i = 0; i < TAP_COUNT_OF(sets) && (int)i <= (int)tap_cpu_isa(); i++) {
        product(&sets[i], TAP_FLOAT, 15, 300, 1024, 8);
        product(&sets[i], TAP_FLOAT, 450, 70, 600, 8 + 32);
        product(&sets[i], TAP_FLOAT, 30, 40, 577, 2 + 16);
        product(&sets[i], TAP_DOUBLE, 20, 50, 400, 2 + 32);
        product(&sets[i], TAP_FLOAT, 5, 70, 1700, 2 + 4);
        product(&sets[i], TAP_FLOAT, 16, 40, 900, 1);
        product(&sets[i], TAP_DOUBLE, 9, 70, 512, 2);
        product(&sets[i], TAP_FLOAT, 1, 600, 777, 0);
    }
}

static void too_large(void) {
    size_t n;
    CHECK(!tap_gemm_packed_bytes(TAP_FLOAT, INT64_MAX / 4, 33, &n));
    CHECK(!tap_gemm_packed_bytes(TAP_FLOAT, 2, INT64_MAX - 1, &n));
    CHECK(tap_gemm_packed_bytes(TAP_FLOAT, 0, 5, &n) && n == 0);
}

int main(void) {
    static const test_case tests[] = {TEST(each_size), TEST(large), TEST(too_large)};
    return test_main(tests, TAP_COUNT_OF(tests));
}
