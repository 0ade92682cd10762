/* Softmax of rows of every length and of columns: the error against float64, what NaN and infinities make,
 * the same bits in place and wherever the row lies, and not an element around it touched; for each
 * instruction set. */
#define TAP_ISA base
#include "common/softmax.h"

#include <math.h>

#include "core/cpu.h"
#include "test.h"

typedef void softmax_fn(const float *x, float *y, int64_t n, int64_t width, int64_t stride, bool log);

#define DECLARE(isa) softmax_fn tap_softmax_f32_##isa;
DECLARE(base)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
static softmax_fn *const sets[] = {tap_softmax_f32_base, tap_softmax_f32_avx2, tap_softmax_f32_avx512};
#else
static softmax_fn *const sets[] = {tap_softmax_f32_base};
#endif

enum { MOST = 1100, AROUND = 16 };

/* Numbers of -20 .. 20; the largest one is anywhere. */
static void draw(float *x, int64_t n, uint32_t seed) {
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((seed + (uint32_t)i) * 2654435761u >> 8) * 0x1p-24f * 40 - 20;
}

static void expect(const float *x, int64_t n, bool take_log, double *y) {
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, (double)x[i]);
    for (int64_t i = 0; i < n; i++) sum += exp((double)x[i] - most);
    for (int64_t i = 0; i < n; i++)
        y[i] = take_log ? (double)x[i] - most - log(sum) : exp((double)x[i] - most) / sum;
}

/* A difference of up to 40, and an exponential of it, are rounded: e^40 2^-24 of the exponent's last place.
 */
static int64_t far_off(const float *got, const double *want, int64_t n, bool take_log) {
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; i++)
        wrong += !(fabs((double)got[i] - want[i]) <= (take_log ? 6e-6 : 3e-6 * fabs(want[i])));
    return wrong;
}

static void row(softmax_fn *softmax, int64_t n, bool take_log) {
    static float x[MOST], got[MOST + 2 * AROUND], again[MOST + 1];
    static double want[MOST];
    draw(x, n, (uint32_t)n * 77);
    expect(x, n, take_log, want);
    for (int64_t i = 0; i < n + 2 * AROUND; i++) got[i] = 7;
    softmax(x, got + AROUND, n, 1, 1, take_log);
    CHECK_EQ(far_off(got + AROUND, want, n, take_log), 0);
    for (int64_t i = 0; i < AROUND; i++) CHECK(got[i] == 7 && got[AROUND + n + i] == 7);
    memcpy(again + 1, x, (size_t)n * sizeof *x);
    softmax(again + 1, again + 1, n, 1, 1, take_log);
    CHECK(memcmp(again + 1, got + AROUND, (size_t)n * sizeof *x) == 0);
}

static void rows(void) {
    for (int s = 0; s <= (int)tap_cpu_isa(); s++)
        for (int64_t n = 1; n <= MOST; n += n < 140 ? 1 : n < 540 ? 7 : 71) {
            row(sets[s], n, false);
            row(sets[s], n, true);
        }
}

/* Element `at` of a row of n zeros becomes v. */
static const float *with(softmax_fn *softmax, int64_t n, int64_t at, float v, bool take_log) {
    static float x[MOST];
    for (int64_t i = 0; i < n; i++) x[i] = i == at ? v : 0;
    softmax(x, x, n, 1, 1, take_log);
    return x;
}

static void special_values(void) {
    static const int64_t sizes[] = {2, 16, 17, 40, 64, 100, 512, 513, 1000};
    for (int s = 0; s <= (int)tap_cpu_isa(); s++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            for (int end = 0; end < 2; end++) {
                const int64_t n = sizes[k], at = end ? n - 1 : n / 2, other = at == 0 ? n - 1 : 0;
                const float *y = with(sets[s], n, at, -INFINITY, false);
                CHECK(y[at] == 0 && fabsf(y[other] * (float)(n - 1) - 1) < 1e-6f);
                y = with(sets[s], n, at, -INFINITY, true);
                CHECK(y[at] == -INFINITY && y[other] <= 0);
                for (int log = 0; log < 2; log++) {
                    y = with(sets[s], n, at, NAN, log);
                    CHECK(isnan(y[at]) && isnan(y[other]));
                    y = with(sets[s], n, at, INFINITY, log);
                    CHECK(isnan(y[at]));
                }
                y = with(sets[s], n, at, 200, false);
                CHECK(y[at] == 1 && y[other] == 0);
            }
}

/* Nothing but the row itself takes part: no 0 that lies behind it, far above its elements. */
static void rows_far_below_zero(void) {
    static float x[MOST];
    for (int s = 0; s <= (int)tap_cpu_isa(); s++)
        for (int64_t n = 1; n <= 200; n++) {
            for (int64_t i = 0; i < n; i++) x[i] = -200;
            sets[s](x, x, n, 1, 1, false);
            for (int64_t i = 0; i < n; i++) CHECK(fabsf(x[i] * (float)n - 1) < 1e-6f);
        }
}

/* Columns side by side have the error of rows. */
static void columns(void) {
    enum { WIDTH = 37, N = 53 };
    static float x[N * WIDTH], y[N * WIDTH];
    for (int s = 0; s <= (int)tap_cpu_isa(); s++)
        for (int log = 0; log < 2; log++) {
            draw(x, N * WIDTH, 5);
            sets[s](x, y, N, WIDTH, WIDTH, log);
            for (int c = 0; c < WIDTH; c++) {
                float one[N], got[N];
                double want[N];
                for (int i = 0; i < N; i++) one[i] = x[i * WIDTH + c], got[i] = y[i * WIDTH + c];
                expect(one, N, log, want);
                CHECK_EQ(far_off(got, want, N, log), 0);
            }
        }
}

int main(void) {
    static const test_case tests[] = {TEST(rows), TEST(special_values), TEST(rows_far_below_zero),
                                      TEST(columns)};
    return test_main(tests, sizeof tests / sizeof tests[0]);
}
