/* Reductions: every set of axes of shapes with narrow, wide and long dimensions against plain loops; the
 * error of long sums; NaN; and that every instruction set gives the same bits. */
#define TAP_ISA base
#include "common/reduce.h"

#include <math.h>

#include "context.h"
#include "core/cpu.h"
#include "test.h"

typedef tap_status reduce_fn(tap_ctx *, const tap_reducer *, const tap_tensor *, uint32_t, void *);

typedef struct set {
    reduce_fn *reduce;
    const tap_reduce_loops *sum_f32, *sum_f64, *sum_u32, *prod_f64, *max_f32, *min_i8;
} set;

#define DECLARE(isa)                                                                                         \
    reduce_fn tap_reduce_##isa;                                                                              \
    extern const tap_reduce_loops tap_loops_sum_f32_##isa, tap_loops_sum_f64_##isa, tap_loops_sum_u32_##isa, \
        tap_loops_prod_f64_##isa, tap_loops_max_f32_##isa, tap_loops_min_i8_##isa;
#define ENTRY(isa)                                                                                      \
    {                                                                                                   \
        tap_reduce_##isa, &tap_loops_sum_f32_##isa, &tap_loops_sum_f64_##isa, &tap_loops_sum_u32_##isa, \
            &tap_loops_prod_f64_##isa, &tap_loops_max_f32_##isa, &tap_loops_min_i8_##isa                \
    }

DECLARE(base)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
static const set sets[] = {ENTRY(base), ENTRY(avx2), ENTRY(avx512)};
#else
static const set sets[] = {ENTRY(base)};
#endif

static int n_sets(void) {
    return (int)tap_cpu_isa() + 1;
}

static void finish_f64(int64_t n, const void *acc, double count, const void *shift, void *y) {
    (void)shift, (void)count;
    for (int64_t i = 0; i < n; i++) ((double *)y)[i] = ((const double *)acc)[i];
}

static void finish_f32(int64_t n, const void *acc, double count, const void *shift, void *y) {
    (void)shift, (void)count;
    for (int64_t i = 0; i < n; i++) ((double *)y)[i] = (double)((const float *)acc)[i];
}

static void finish_i8(int64_t n, const void *acc, double count, const void *shift, void *y) {
    (void)shift, (void)count;
    for (int64_t i = 0; i < n; i++) ((double *)y)[i] = ((const int8_t *)acc)[i];
}

static void finish_mean(int64_t n, const void *acc, double count, const void *shift, void *y) {
    (void)shift;
    for (int64_t i = 0; i < n; i++) ((double *)y)[i] = ((const double *)acc)[i] / count;
}

static void move_squares(int64_t n, void *acc, double count, const void *sum, const void *from,
                         const void *to) {
    for (int64_t i = 0; i < n; i++) {
        double f = ((const double *)from)[i], d = f - ((const double *)to)[i];
        ((double *)acc)[i] += d * (2 * (((const double *)sum)[i] - count * f) + count * d);
    }
}

/* Squares in float64 of what is left without the mean: everything a reducer can have. */
static void map_square(int64_t n, const void *x, void *y, const void *shift, int64_t step) {
    for (int64_t i = 0; i < n; i++) {
        double v = (double)((const float *)x)[i] - (shift ? ((const double *)shift)[i * step] : 0);
        ((double *)y)[i] = v * v;
    }
}

static double value(int64_t i) {
    return (double)((i * 7919 + 13) % 1009 - 400);
}

typedef enum what { SUM, SQUARES, MAX, MIN_I8 } what;

static double combine(what w, double a, double x, double mean) {
    if (w == SUM) return a + x;
    if (w == SQUARES) return a + (x - mean) * (x - mean);
    return w == MAX ? fmax(a, x) : fmin(a, x);
}

/* The plain loop. Sums of these integers are exact in any order. mean: SQUARES only. */
static int64_t expect(what w, int rank, const int64_t *dims, uint32_t axes, const double *mean, double *y) {
    static const double start[] = {0, 0, -INFINITY, 127};
    int64_t count = 1, n_out = 1;
    for (int d = 0; d < rank; d++) {
        count *= dims[d];
        if (!(axes >> d & 1)) n_out *= dims[d];
    }
    for (int64_t o = 0; o < n_out; o++) y[o] = start[w];
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i, o = 0, scale = 1;
        for (int d = rank - 1; d >= 0; d--) {
            if (!(axes >> d & 1)) {
                o += rest % dims[d] * scale;
                scale *= dims[d];
            }
            rest /= dims[d];
        }
        double x = w == MIN_I8 ? (double)(int8_t)(value(i) / 4) : value(i);
        y[o] = combine(w, y[o], x, w == SQUARES ? mean[o] : 0);
    }
    return n_out;
}

static void check(what w, int rank, const int64_t *dims, uint32_t axes) {
    static float x[200000];
    static int8_t x8[200000];
    static double want[200000], got[200000], mean[200000];
    tap_tensor t = {.dtype = w == MIN_I8 ? TAP_INT8 : TAP_FLOAT, .rank = rank, .count = 1, .data = x};
    for (int d = 0; d < rank; d++) t.count *= t.dims[d] = dims[d];
    for (int64_t i = 0; i < t.count; i++) {
        x[i] = (float)value(i);
        x8[i] = (int8_t)(value(i) / 4);
    }
    if (w == MIN_I8) t.data = x8;
    int64_t n = 0;
    if (w == SQUARES) {
        n = expect(SUM, rank, dims, axes, NULL, mean);
        for (int64_t i = 0; i < n; i++) mean[i] /= (double)t.count / (double)n;
    }
    n = expect(w, rank, dims, axes, mean, want);
    for (int s = 0; s < n_sets(); s++) {
        const tap_reducer first = {sets[s].sum_f32, NULL, finish_mean, 4, 8, NULL, NULL};
        const tap_reducer r[] = {{sets[s].sum_f32, NULL, finish_f64, 4, 8, NULL, NULL},
                                 {sets[s].sum_f64, map_square, finish_f64, 4, 8, &first, move_squares},
                                 {sets[s].max_f32, NULL, finish_f32, 4, 8, NULL, NULL},
                                 {sets[s].min_i8, NULL, finish_i8, 1, 8, NULL, NULL}};
        memset(got, 1, sizeof got);
        CHECK_EQ(sets[s].reduce(NULL, &r[w], &t, axes, got), TAP_OK);
        int64_t wrong = 0;
        for (int64_t i = 0; i < n; i++)
            wrong += w == SQUARES ? !(fabs(got[i] - want[i]) <= 1e-9 * fabs(want[i])) : got[i] != want[i];
        CHECK_EQ(wrong, 0);
        stub_free();
    }
}

static void every_set_of_axes(void) {
    static const int64_t shapes[][4] = {{2, 3, 4, 5},    {3, 1, 70, 3},   {2, 130, 2, 65}, {1, 1, 1, 1},
                                        {5, 40, 3, 2},   {37, 2, 1, 600}, {2, 3, 0, 4},    {1, 4, 1030, 3},
                                        {1, 1, 600, 16}, {0, 1, 2, 3},    {1, 300, 2, 255}};
    for (size_t s = 0; s < TAP_COUNT_OF(shapes); s++)
        for (uint32_t axes = 0; axes < 16; axes++)
            for (int w = SUM; w <= MIN_I8; w++) check((what)w, 4, shapes[s], axes);
}

static void pieces(void) {
    static const int64_t shapes[][3] = {{1, 150000, 1}, {3, 66000, 1}, {1, 70000, 2},
                                        {2, 1, 90000},  {300, 1, 600}, {40, 5000, 1}};
    for (size_t s = 0; s < TAP_COUNT_OF(shapes); s++)
        for (uint32_t axes = 0; axes < 8; axes++)
            for (int w = SUM; w <= MIN_I8; w++) check((what)w, 3, shapes[s], axes);
    check(SUM, 0, NULL, 0);
    check(MAX, 1, (int64_t[]){150000}, 1);
}

/* 0.1 is not exact: a plain float32 sum of 16 million of them is off by more than 1 %. */
static void mean_of_many(void) {
    int64_t n = INT64_C(1) << 24;
    float *x = malloc((size_t)n * sizeof *x);
    CHECK(x != NULL);
    if (!x) return;
    for (int64_t i = 0; i < n; i++) x[i] = 0.1f;
    tap_tensor row = {.dtype = TAP_FLOAT, .rank = 1, .dims = {n}, .count = n, .data = x}, columns = row;
    columns.rank = 2;
    columns.dims[0] = n / 4;
    columns.dims[1] = 4;
    for (int s = 0; s < n_sets(); s++) {
        tap_reducer r = {sets[s].sum_f32, NULL, finish_mean, 4, 8, NULL, NULL};
        double y[4];
        CHECK_EQ(sets[s].reduce(NULL, &r, &row, 1, y), TAP_OK);
        CHECK(fabs(y[0] / (double)0.1f - 1) < 1e-6);
        CHECK_EQ(sets[s].reduce(NULL, &r, &columns, 1, y), TAP_OK);
        for (int i = 0; i < 4; i++) CHECK(fabs(y[i] / (double)0.1f - 1) < 1e-6);
        stub_free();
    }
    free(x);
}

static void same_bits(void) {
    static float x[70001];
    for (int i = 0; i < 70001; i++) x[i] = sinf((float)i) * expf((float)(i % 30) - 15);
    for (int64_t n = 1; n < 70001; n = n * 3 + 1) {
        tap_tensor t = {.dtype = TAP_FLOAT, .rank = 1, .dims = {n}, .count = n, .data = x};
        double first = 0;
        for (int s = 0; s < n_sets(); s++) {
            tap_reducer r = {sets[s].sum_f32, NULL, finish_f64, 4, 8, NULL, NULL};
            double y;
            CHECK_EQ(sets[s].reduce(NULL, &r, &t, 1, &y), TAP_OK);
            if (s == 0) first = y;
            CHECK(memcmp(&y, &first, sizeof y) == 0);
            stub_free();
        }
    }
}

static void nan_wins(void) {
    static float x[1000];
    for (int at = 0; at < 1000; at += 37) {
        for (int i = 0; i < 1000; i++) x[i] = (float)i;
        x[at] = NAN;
        tap_tensor t = {.dtype = TAP_FLOAT, .rank = 2, .dims = {10, 100}, .count = 1000, .data = x};
        for (int s = 0; s < n_sets(); s++) {
            tap_reducer r = {sets[s].max_f32, NULL, finish_f32, 4, 8, NULL, NULL};
            double y[100];
            CHECK_EQ(sets[s].reduce(NULL, &r, &t, 1, y), TAP_OK);
            for (int i = 0; i < 100; i++) CHECK(i == at % 100 ? isnan(y[i]) : y[i] == 900 + i);
            CHECK_EQ(sets[s].reduce(NULL, &r, &t, 3, y), TAP_OK);
            CHECK(isnan(y[0]));
            stub_free();
        }
    }
}

int main(void) {
    static const test_case tests[] = {TEST(every_set_of_axes), TEST(pieces), TEST(mean_of_many),
                                      TEST(same_bits), TEST(nan_wins)};
    return test_main(tests, TAP_COUNT_OF(tests));
}
