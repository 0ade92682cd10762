/* What bench_ops measures: for each family of operators large tensors (about 64 MB read and written), small
 * ones, and the shapes that are known to be hard: short rows, broadcast, steps, transposed. */
#ifndef TAP_TESTS_BENCH_OPS_CASES_H
#define TAP_TESTS_BENCH_OPS_CASES_H

#include <stddef.h>

/* What counts as moved: all inputs and outputs; or the outputs twice, where only that part of the first input
 * is read. A positive number: operations, and GFLOPS instead of GB/s. */
#define OPS_ALL 0.0
#define OPS_OUT -1.0
/* As OPS_OUT, and beside it no copy, but a plain loop of C that picks as many elements at random out of as
 * much data: each waits for a line of the cache that nobody could foresee, and memory's speed says nothing.
 */
#define OPS_PICKS -2.0

typedef struct ops_case {
    const char *family;
    const char *line; /* node_text.h */
    double measure;
} ops_case;

extern const ops_case ops_cases[];
extern const size_t n_ops_cases;

#endif
