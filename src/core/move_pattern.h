/* Short rows that lie one behind the other in dst, each filled from src (or from several) in the same way: 16
 * bytes of dst at a time are shuffled out of a few loads, whatever a row's length. */
#ifndef TAP_CORE_MOVE_PATTERN_H
#define TAP_CORE_MOVE_PATTERN_H

#include "core/move.h"

enum {
    TAP_PATTERN_SOURCES = 4,  /* arrays that rows are filled from    */
    TAP_PATTERN_WORDS = 64,   /* of a row                            */
    TAP_PATTERN_VECTORS = 16, /* of 16 bytes until rows begin anew   */
    TAP_PATTERN_LOADS = 4,    /* for such a vector                   */
};

/* Where a word of a row comes from: `offset` bytes behind the row's place in the array `source`; source -1:
 * it is the constant. */
typedef struct tap_from {
    int32_t source;
    int64_t offset;
} tap_from;

/* What is to be done: y[row][word] = x[from[word].source] at row * step[source] + from[word].offset. */
typedef struct tap_rows {
    size_t width; /* of a word: 1, 2, 4, 8, 16 bytes */
    int n_words, n_sources;
    tap_from from[TAP_PATTERN_WORDS];
    int64_t step[TAP_PATTERN_SOURCES];
    tap_w16 value; /* the constant, one word */
} tap_rows;

/* How: a turn makes n_vectors vectors, which are `rows` rows. */
typedef struct tap_pattern {
    tap_rows of;
    int n_vectors, n_loads;
    int64_t rows;
    int64_t lo[TAP_PATTERN_SOURCES],
        hi[TAP_PATTERN_SOURCES]; /* what a turn's loads touch, from its place on */
    int64_t offset[TAP_PATTERN_VECTORS][TAP_PATTERN_LOADS];
    int8_t source[TAP_PATTERN_VECTORS][TAP_PATTERN_LOADS];
    uint8_t pick[TAP_PATTERN_VECTORS][TAP_PATTERN_LOADS][16]; /* byte of the load; >= 128: none */
    uint8_t fill[TAP_PATTERN_VECTORS][16];
} tap_pattern;

/* False where that takes more vectors, or more loads for a vector than max_loads (<= TAP_PATTERN_LOADS), or
 * where this CPU cannot shuffle bytes. */
bool tap_pattern_plan(tap_pattern *p, const tap_rows *rows, int max_loads);

/* Makes n rows at y; x[s]: each source's place for the first of them. Of source s the bytes from x_lo[s] up
 * to x_hi[s] may be read. */
void tap_pattern_run(const tap_pattern *p, int64_t n, const char *const *x, const char *const *x_lo,
                     const char *const *x_hi, char *y);

#endif
