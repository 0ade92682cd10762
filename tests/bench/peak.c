/* The peak of one instruction set; compiled once for each. */
#include "peak.h"

#include <time.h>

#include "common/vector.h"

typedef float vector __attribute__((vector_size(VECTOR_BYTES)));

/* A window is some milliseconds long, as calls of kernels are, and the first ones do not count: a processor
 * that slows down under wide vectors takes a while to do so, and no kernel is faster than what it keeps up.
 */
enum { CHAINS = 12, STEPS = 500000, WARM_UP = 4 };

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* As many chains as hide the latency of a multiply-add and still fit into 16 registers. */
static double once(void) {
    vector s[CHAINS], x = (vector){0} + 1e-9f, b = (vector){0} + 1e-8f;
    for (int i = 0; i < CHAINS; i++) s[i] = (vector){0};
    double start = seconds();
    for (int k = 0; k < STEPS; k++) {
        VECTOR_UNROLL
        for (int i = 0; i < CHAINS; i++) s[i] = VECTOR_FMA_F32(vector, x, b, s[i]);
        __asm__ volatile("" : "+x"(x), "+x"(b));
    }
    double took = seconds() - start;
    for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "x"(s[i]));
    return 2.0 * CHAINS * STEPS * (VECTOR_BYTES / 4) / took * 1e-9;
}

static double best_of(double (*once_more)(void), double limit) {
    double best = 0, end = seconds() + limit;
    for (int i = 0; i < WARM_UP; i++) once_more();
    do {
        double rate = once_more();
        if (rate > best) best = rate;
    } while (seconds() < end);
    return best;
}

double TAP_ISA_NAME(peak)(double limit) {
    return best_of(once, limit);
}

/* A tile of so many rows x vectors; for each k a row of weights and an element of each row of A are loaded.
 */
#if defined(TAP_ISA_avx512)
enum { ROWS = 6, VECTORS = 4 };
#else
enum { ROWS = 6, VECTORS = 2 };
#endif
enum { TILE_K = 64, TILES = 2000 };

static void tile(const float *const *rows, const float *weights) {
    vector s[ROWS][VECTORS];
    const float *a[ROWS];
    VECTOR_UNROLL
    for (int r = 0; r < ROWS; r++) {
        a[r] = rows[r];
        VECTOR_UNROLL
        for (int v = 0; v < VECTORS; v++) s[r][v] = (vector){0};
        __asm__("" : "+r"(a[r]));
    }
#ifdef __clang__
#pragma clang loop unroll_count(2)
#else
#pragma GCC unroll 2
#endif
    for (int k = 0; k < TILE_K; k++) {
        vector b[VECTORS];
        VECTOR_UNROLL
        for (int v = 0; v < VECTORS; v++, weights += VECTOR_BYTES / 4)
            b[v] = *(const vector *)(const void *)weights;
        VECTOR_UNROLL
        for (int r = 0; r < ROWS; r++) {
            vector x = a[r][k] - (vector){0};
            VECTOR_UNROLL
            for (int v = 0; v < VECTORS; v++) VECTOR_ADD_F32(vector, x, b[v], s[r][v]);
        }
    }
    VECTOR_UNROLL
    for (int r = 0; r < ROWS; r++) VECTOR_UNROLL
    for (int v = 0; v < VECTORS; v++) __asm__ volatile("" : : "x"(s[r][v]));
}

static double once_fed(void) {
    static float a[ROWS][TILE_K], weights[TILE_K * VECTORS * VECTOR_BYTES / 4] __attribute__((aligned(64)));
    const float *rows[ROWS];
    for (int i = 0; i < ROWS * TILE_K; i++) a[i / TILE_K][i % TILE_K] = (float)(i * 7 % 13) - 6;
    for (int i = 0; i < (int)(sizeof weights / sizeof *weights); i++) weights[i] = (float)(i * 5 % 11) - 5;
    for (int r = 0; r < ROWS; r++) rows[r] = a[r];
    double start = seconds();
    for (int i = 0; i < TILES; i++) {
        __asm__ volatile("" : : : "memory");
        tile(rows, weights);
    }
    return 2.0 * TILES * TILE_K * ROWS * VECTORS * (VECTOR_BYTES / 4) / (seconds() - start) * 1e-9;
}

double TAP_ISA_NAME(fed)(double limit) {
    return best_of(once_fed, limit);
}
