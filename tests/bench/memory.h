/* How fast memory is, or the cache that so many bytes fit into. */
#ifndef TAP_TESTS_BENCH_MEMORY_H
#define TAP_TESTS_BENCH_MEMORY_H

#include <stddef.h>

/* GB/s of `threads` threads together: of a copy, reading and writing both counted; of reading alone. */
typedef struct memory_speed {
    double copy, read;
} memory_speed;

/* n_bytes: of all that is touched. The best of several tries in about `seconds`. */
memory_speed memory_measure(size_t n_bytes, int threads, double seconds);

/* Seconds that `threads` threads, of which each does its part, take for y[i] = x[at[i]]: n words of 1, 2, 4 or 8
 * bytes at random places of n_bytes. */
double memory_picks(size_t n_bytes, size_t width, size_t n, int threads, double seconds);

double now_seconds(void);

#endif
