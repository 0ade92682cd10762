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

double TAP_ISA_NAME(peak)(double limit) {
    double best = 0, end = seconds() + limit;
    for (int i = 0; i < WARM_UP; i++) once();
    do {
        double rate = once();
        if (rate > best) best = rate;
    } while (seconds() < end);
    return best;
}
