/* Fourier transforms against the sum that they are, for every kind of length. */
#include <math.h>

#define TAP_ISA base
#include "context.h"
#include "common/fft.h"
#include "test.h"

enum { LONGEST = 5000 };
static tap_complex x[LONGEST], y[LONGEST];

static void fill(int64_t n) {
    uint32_t r = 12345;
    for (int64_t k = 0; k < n; k++) {
        r = r * 1664525 + 1013904223;
        x[k].re = (double)(r >> 8) / (1 << 24) - 0.5;
        r = r * 1664525 + 1013904223;
        x[k].im = (double)(r >> 8) / (1 << 24) - 0.5;
    }
}

/* The largest distance of y from the transform of x, by the definition, at every step-th point. */
static double error_of(int64_t n, bool inverse, int64_t step) {
    double worst = 0;
    for (int64_t k = 0; k < n; k += step) {
        long double re = 0, im = 0;
        for (int64_t j = 0; j < n; j++) {
            long double a = 6.283185307179586476925286766559L * (long double)(j * k % n) / (long double)n;
            long double c = cosl(a), s = inverse ? sinl(a) : -sinl(a);
            re += x[j].re * c - x[j].im * s;
            im += x[j].re * s + x[j].im * c;
        }
        worst = fmax(worst, fmax(fabs(y[k].re - (double)re), fabs(y[k].im - (double)im)));
    }
    return worst;
}

static void check_length(int64_t n, int64_t step) {
    tap_fft *f = tap_fft_make(NULL, n);
    CHECK(f != NULL);
    tap_complex *room = malloc((size_t)tap_fft_room(f) * sizeof *room);
    for (int inverse = 0; inverse < 2; inverse++) {
        fill(n);
        memcpy(y, x, (size_t)n * sizeof *y);
        tap_fft_transform(f, inverse, y, room);
        double error = error_of(n, inverse, step);
        if (error > 4e-16 * (8 + sqrt((double)n) * log2((double)n + 1)))
            printf("length %lld: error %g\n", (long long)n, error);
        CHECK(error <= 4e-16 * (8 + sqrt((double)n) * log2((double)n + 1)));
    }
    free(room);
    stub_free();
}

/* A signal has the same bits alone and beside others. */
static void check_together(int64_t n) {
    tap_fft *f = tap_fft_make(NULL, n);
    CHECK(f != NULL);
    const size_t room_bytes = tap_round_up((size_t)tap_fft_room(f) * sizeof(tap_complexes), 64);
    tap_complexes *z = aligned_alloc(64, tap_round_up((size_t)n * sizeof *z, 64)),
                  *room = aligned_alloc(64, room_bytes);
    for (int inverse = 0; inverse < 2; inverse++) {
        fill(n);
        for (int64_t k = 0; k < n; k++)
            for (int l = 0; l < TAP_FFT_LANES; l++) z[k].re[l] = x[k].re * (l + 1), z[k].im[l] = x[k].im - l;
        tap_fft_together(f, inverse, z, room);
        for (int l = 0; l < TAP_FFT_LANES; l++) {
            bool same = true;
            for (int64_t k = 0; k < n; k++) y[k] = (tap_complex){x[k].re * (l + 1), x[k].im - l};
            tap_fft_transform(f, inverse, y, (tap_complex *)room);
            for (int64_t k = 0; k < n; k++) same = same && y[k].re == z[k].re[l] && y[k].im == z[k].im[l];
            if (!same) printf("length %lld: lane %d differs\n", (long long)n, l);
            CHECK(same);
        }
    }
    free(z), free(room);
    stub_free();
}

static void signals_side_by_side(void) {
    static const int64_t lengths[] = {1, 2, 3, 8, 9, 25, 49, 53, 60, 97, 128, 1000, 1021, 4999};
    for (size_t i = 0; i < TAP_COUNT_OF(lengths); i++) check_together(lengths[i]);
}

static void all_short_lengths(void) {
    for (int64_t n = 1; n <= 130; n++) check_length(n, 1);
}

static void long_lengths(void) {
    static const int64_t lengths[] = {512, 1000, 1021, 1024, 2187, 2401, 3125, 4096, 4999, 47 * 101, 43 * 47};
    for (size_t i = 0; i < TAP_COUNT_OF(lengths); i++) check_length(lengths[i], 37);
}

int main(void) {
    static const test_case tests[] = {TEST(all_short_lengths), TEST(long_lengths),
                                      TEST(signals_side_by_side)};
    return test_main(tests, TAP_COUNT_OF(tests));
}
