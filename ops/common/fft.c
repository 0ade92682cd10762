/* Discrete Fourier transforms. */
#include "common/fft.h"

#include <math.h>
#include <string.h>

/* A prime factor above this is left to Bluestein's method. */
enum { LARGE_FACTOR = 50 };

#define C    tap_complex
#define F(f) f##_one
#include "common/fft.inc"
#define C    tap_complexes
#define F(f) f##_many
#include "common/fft.inc"

/* Factors of n, 4 before 2; false: one is large. */
static bool factorise(tap_fft *f, int64_t n) {
    static const int first[] = {4, 2, 3, 5};
    f->n_factors = 0;
    for (size_t i = 0; i < TAP_COUNT_OF(first); i++)
        for (; n % first[i] == 0; n /= first[i]) f->factor[f->n_factors++] = first[i];
    for (int p = 7; p <= LARGE_FACTOR && n > 1; p += 2)
        for (; n % p == 0; n /= p) f->factor[f->n_factors++] = p;
    return n == 1;
}

/* exp(-2 pi i k / n) from the first eighth of the circle, where sine and cosine are at their best; `before`:
 * those of smaller k, or NULL. */
static tap_complex root_from(const tap_complex *before, int64_t k, int64_t n) {
    double angle = 6.28318530717958647693 / (double)n;
    int64_t eighth = n / 8, other = 2 * k > n                  ? n - k
                                    : 4 * k > n && n % 2 == 0  ? n / 2 - k
                                    : k > eighth && n % 4 == 0 ? n / 4 - k
                                                               : -1;
    if (other < 0) return (tap_complex){cos(angle * (double)k), -sin(angle * (double)k)};
    tap_complex r = before ? before[other] : root_from(NULL, other, n);
    if (2 * k > n) return (tap_complex){r.re, -r.im};
    if (4 * k > n && n % 2 == 0) return (tap_complex){-r.re, r.im};
    return (tap_complex){-r.im, -r.re};
}

static bool make_roots(tap_ctx *ctx, tap_fft *f) {
    size_t n_bytes;
    if (!tap_mul_size((size_t)f->n, sizeof *f->root, &n_bytes)) return false;
    f->root = tap_scratch(ctx, n_bytes);
    for (int64_t k = 0; f->root && k < f->n; k++) f->root[k] = root_from(f->root, k, f->n);
    return f->root != NULL;
}

static bool make_chirp(tap_ctx *ctx, tap_fft *f) {
    int64_t m = f->inner_n, n = f->n;
    f->inner = tap_fft_make(ctx, m);
    f->chirp = tap_scratch(ctx, (size_t)n * sizeof *f->chirp);
    f->filter = tap_scratch(ctx, (size_t)m * sizeof *f->filter);
    tap_complex *room = f->inner ? tap_scratch(ctx, (size_t)tap_fft_room(f->inner) * sizeof *room) : NULL;
    if (!f->inner || !f->chirp || !f->filter || !room) return false;
    memset(f->filter, 0, (size_t)m * sizeof *f->filter);
    /* square = k^2 mod 2n, without an overflow on the way. */
    for (int64_t k = 0, square = 0; k < n; k++, square = (square + 2 * k - 1) % (2 * n)) {
        f->chirp[k] = root_from(NULL, square, 2 * n);
        tap_complex conjugate = {f->chirp[k].re, -f->chirp[k].im};
        f->filter[k] = conjugate;
        if (k > 0) f->filter[m - k] = conjugate;
    }
    tap_fft_transform(f->inner, false, f->filter, room);
    return true;
}

/* The least length from n on that is 1, 3, 5, 9 or 15 times a power of two. */
static int64_t quick_length(int64_t n) {
    static const int64_t odd[] = {1, 3, 5, 9, 15};
    int64_t best = INT64_MAX;
    for (size_t i = 0; i < TAP_COUNT_OF(odd); i++) {
        int64_t m = odd[i];
        while (m < n) m *= 2;
        best = tap_min64(best, m);
    }
    return best;
}

tap_fft *tap_fft_make(tap_ctx *ctx, int64_t n) {
    tap_fft *f = tap_scratch(ctx, sizeof *f);
    if (!f) return NULL;
    memset(f, 0, sizeof *f);
    f->n = n;
    if (factorise(f, n)) return make_roots(ctx, f) ? f : NULL;
    if (n > INT64_MAX / 64) {
        tap_fail(ctx, TAP_MEMORY, "a transform of %lld points", (long long)n);
        return NULL;
    }
    f->inner_n = quick_length(2 * n - 1);
    return make_chirp(ctx, f) ? f : NULL;
}

int64_t tap_fft_room(const tap_fft *f) {
    return f->inner ? f->inner_n + tap_fft_room(f->inner) : f->n;
}

void tap_fft_transform(const tap_fft *f, bool inverse, tap_complex *x, tap_complex *room) {
    transform_one(f, inverse, x, room);
}

void tap_fft_together(const tap_fft *f, bool inverse, tap_complexes *x, tap_complexes *room) {
    transform_many(f, inverse, x, room);
}
