/* Discrete Fourier transforms. */
#include "common/fft.h"

#include <math.h>
#include <string.h>

/* A prime factor above this is left to Bluestein's method. */
enum { LARGE_FACTOR = 50 };

static inline tap_complex times(tap_complex a, tap_complex b) {
    return (tap_complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

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

/* exp(-2 pi i k / n) from the first eighth of the circle, where sine and cosine are at their best. */
static tap_complex root_of(int64_t k, int64_t n) {
    double angle = 6.28318530717958647693 / (double)n;
    int64_t eighth = n / 8;
    if (2 * k > n) {
        tap_complex r = root_of(n - k, n);
        return (tap_complex){r.re, -r.im};
    }
    if (4 * k > n && n % 2 == 0) {
        tap_complex r = root_of(n / 2 - k, n);
        return (tap_complex){-r.re, r.im};
    }
    if (k > eighth && n % 4 == 0) {
        tap_complex r = root_of(n / 4 - k, n);
        return (tap_complex){-r.im, -r.re};
    }
    return (tap_complex){cos(angle * (double)k), -sin(angle * (double)k)};
}

static bool make_roots(tap_ctx *ctx, tap_fft *f) {
    size_t n_bytes;
    if (!tap_mul_size((size_t)f->n, sizeof *f->root, &n_bytes)) return false;
    f->root = tap_scratch(ctx, n_bytes);
    for (int64_t k = 0; f->root && k < f->n; k++) f->root[k] = root_of(k, f->n);
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
        f->chirp[k] = root_of(square, 2 * n);
        tap_complex conjugate = {f->chirp[k].re, -f->chirp[k].im};
        f->filter[k] = conjugate;
        if (k > 0) f->filter[m - k] = conjugate;
    }
    tap_fft_transform(f->inner, false, f->filter, room);
    return true;
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
    for (f->inner_n = 1; f->inner_n < 2 * n - 1;) f->inner_n *= 2;
    return make_chirp(ctx, f) ? f : NULL;
}

int64_t tap_fft_room(const tap_fft *f) {
    return f->inner ? f->inner_n + tap_fft_room(f->inner) : f->n;
}

/* ---- factors ------------------------------------------------------------------------------------------- */

/* A step of radix r: y[q + s (r p + j)] = root^(j p) * sum over k of x[q + s (p + m k)] exp(-2 pi i j k / r),
 * with n = r m s points, p < m, q < s; `root` of r m points. */
static void step_any(const tap_fft *f, int r, int64_t m, int64_t s, const tap_complex *x, tap_complex *y) {
    int64_t spread = f->n / r;
    for (int64_t p = 0; p < m; p++)
        for (int j = 0; j < r; j++) {
            tap_complex turn = f->root[(int64_t)j * p * s];
            for (int64_t q = 0; q < s; q++) {
                tap_complex sum = x[q + s * p];
                for (int k = 1; k < r; k++) {
                    tap_complex t = times(x[q + s * (p + m * k)], f->root[(j * k) % r * spread]);
                    sum.re += t.re;
                    sum.im += t.im;
                }
                y[q + s * (r * p + j)] = times(sum, turn);
            }
        }
}

static void step_2(const tap_fft *f, int64_t m, int64_t s, const tap_complex *x, tap_complex *y) {
    for (int64_t p = 0; p < m; p++) {
        tap_complex turn = f->root[p * s];
        const tap_complex *a = x + s * p, *b = x + s * (p + m);
        tap_complex *u = y + s * 2 * p, *v = u + s;
        for (int64_t q = 0; q < s; q++) {
            tap_complex d = {a[q].re - b[q].re, a[q].im - b[q].im};
            u[q] = (tap_complex){a[q].re + b[q].re, a[q].im + b[q].im};
            v[q] = times(d, turn);
        }
    }
}

static void step_4(const tap_fft *f, int64_t m, int64_t s, const tap_complex *x, tap_complex *y) {
    for (int64_t p = 0; p < m; p++) {
        tap_complex t1 = f->root[p * s], t2 = f->root[2 * p * s], t3 = f->root[3 * p * s];
        const tap_complex *a = x + s * p, *b = a + s * m, *c = b + s * m, *d = c + s * m;
        tap_complex *u = y + s * 4 * p;
        for (int64_t q = 0; q < s; q++) {
            tap_complex ac = {a[q].re + c[q].re, a[q].im + c[q].im},
                        bd = {b[q].re + d[q].re, b[q].im + d[q].im};
            tap_complex am = {a[q].re - c[q].re, a[q].im - c[q].im};
            tap_complex bm = {b[q].im - d[q].im, d[q].re - b[q].re}; /* -i (b - d) */
            u[q] = (tap_complex){ac.re + bd.re, ac.im + bd.im};
            u[q + s] = times((tap_complex){am.re + bm.re, am.im + bm.im}, t1);
            u[q + 2 * s] = times((tap_complex){ac.re - bd.re, ac.im - bd.im}, t2);
            u[q + 3 * s] = times((tap_complex){am.re - bm.re, am.im - bm.im}, t3);
        }
    }
}

static void transform_factors(const tap_fft *f, tap_complex *x, tap_complex *room) {
    tap_complex *from = x, *to = room;
    int64_t m = f->n, s = 1;
    for (int i = 0; i < f->n_factors; i++) {
        int r = f->factor[i];
        m /= r;
        if (r == 2)
            step_2(f, m, s, from, to);
        else if (r == 4)
            step_4(f, m, s, from, to);
        else
            step_any(f, r, m, s, from, to);
        s *= r;
        tap_complex *t = from;
        from = to;
        to = t;
    }
    if (from != x) memcpy(x, from, (size_t)f->n * sizeof *x);
}

/* ---- Bluestein ----------------------------------------------------------------------------------------- */

static void transform_chirp(const tap_fft *f, tap_complex *x, tap_complex *room) {
    int64_t m = f->inner_n;
    tap_complex *z = room;
    for (int64_t k = 0; k < f->n; k++) z[k] = times(x[k], f->chirp[k]);
    memset(z + f->n, 0, (size_t)(m - f->n) * sizeof *z);
    tap_fft_transform(f->inner, false, z, room + m);
    for (int64_t k = 0; k < m; k++) z[k] = times(z[k], f->filter[k]);
    tap_fft_transform(f->inner, true, z, room + m);
    for (int64_t k = 0; k < f->n; k++) {
        tap_complex t = times(z[k], f->chirp[k]);
        x[k] = (tap_complex){t.re / (double)m, t.im / (double)m};
    }
}

/* The inverse is the transform of the conjugate, conjugated. */
static void conjugate(tap_complex *x, int64_t n) {
    for (int64_t k = 0; k < n; k++) x[k].im = -x[k].im;
}

void tap_fft_transform(const tap_fft *f, bool inverse, tap_complex *x, tap_complex *room) {
    if (inverse) conjugate(x, f->n);
    if (f->inner)
        transform_chirp(f, x, room);
    else
        transform_factors(f, x, room);
    if (inverse) conjugate(x, f->n);
}
