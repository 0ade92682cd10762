/* What the machine's multiply-add units give at best, on one core, for each instruction set. */
#ifndef TAP_TESTS_BENCH_PEAK_H
#define TAP_TESTS_BENCH_PEAK_H

/* Billions of float32 operations a second (a multiply-add is two) in about `seconds`: the best of many short
 * runs, with all operands in registers. */
double peak_base(double seconds);
double peak_avx2(double seconds);
double peak_avx512(double seconds);

/* The same with the loads that the best tile of a product needs, all of them from the first cache, and
 * nothing else: what is left of the peak where multiply-adds are fed. */
double fed_base(double seconds);
double fed_avx2(double seconds);
double fed_avx512(double seconds);

double now_seconds(void);

#endif
