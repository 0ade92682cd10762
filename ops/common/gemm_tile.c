/* The tiles, for the instruction set that this copy is compiled for: vector width, multiply-add, and the
 * sizes of tiles that keep its registers full. */
#include "common/gemm_tile.h"

#include <string.h>

#include "common/vector.h"

/* With R vectors of accumulators, two of B and one of A, 32 or 16 registers are full and every load of B
 * serves `rows` multiply-adds. Few rows take more panels instead, for a multiply-add has a latency of four
 * and two start a cycle. */
#if defined(TAP_ISA_avx512)
#define FLOAT_LIMITS .rows = 14, .panels = {0, 4, 4, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1}
#define FLOAT_LIST(X)                                                                                    \
    X(1, 1)                                                                                              \
    X(2, 1)                                                                                              \
    X(3, 1)                                                                                              \
    X(4, 1)                                                                                              \
    X(5, 1)                                                                                              \
    X(6, 1)                                                                                              \
    X(7, 1)                                                                                              \
    X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1) X(13, 1) X(14, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) \
        X(6, 2) X(7, 2) X(1, 4) X(2, 4)
#else
#define FLOAT_LIST(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(1, 2) X(2, 2) X(3, 2) X(1, 4)
#define FLOAT_LIMITS  .rows = 6, .panels = {0, 4, 2, 2, 1, 1, 1}
#endif
#define INT_LIST(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(1, 2) X(2, 2) X(3, 2)
#define INT_LIMITS  .rows = 6, .panels = {0, 2, 2, 2, 1, 1, 1}

#define SPLAT(p) (*(p) - (NAME(V)){0})

#define KIND          f32
#define T             float
#define LANES         (VECTOR_BYTES / 4)
#define BROADCAST(p)  SPLAT(p)
#define MADD(x, b, s) VECTOR_FMA_F32(NAME(V), x, b, s)
#define GREATER(a, b) VECTOR_GREATER_F32(NAME(V), a, b)
#define LESSER(a, b)  VECTOR_LESSER_F32(NAME(V), a, b)
#define TILE_LIST     FLOAT_LIST
#define TILE_LIMITS   FLOAT_LIMITS
#include "common/gemm_tile.inc"

#define KIND          f64
#define T             double
#define LANES         (VECTOR_BYTES / 8)
#define BROADCAST(p)  SPLAT(p)
#define MADD(x, b, s) VECTOR_FMA_F64(NAME(V), x, b, s)
#define GREATER(a, b) VECTOR_GREATER_F64(NAME(V), a, b)
#define LESSER(a, b)  VECTOR_LESSER_F64(NAME(V), a, b)
#define TILE_LIST     FLOAT_LIST
#define TILE_LIMITS   FLOAT_LIMITS
#include "common/gemm_tile.inc"

#define KIND          u32
#define T             uint32_t
#define LANES         (VECTOR_BYTES / 4)
#define BROADCAST(p)  SPLAT(p)
#define MADD(x, b, s) ((s) + (x) * (b))
#define TILE_LIST     INT_LIST
#define TILE_LIMITS   INT_LIMITS
#include "common/gemm_tile.inc"

#define KIND          u64
#define T             uint64_t
#define LANES         (VECTOR_BYTES / 8)
#define BROADCAST(p)  SPLAT(p)
#define MADD(x, b, s) ((s) + (x) * (b))
#define TILE_LIST     INT_LIST
#define TILE_LIMITS   INT_LIMITS
#include "common/gemm_tile.inc"

#define KIND         i16x2
#define T            uint32_t
#define LANES        (VECTOR_BYTES / 4)
#define BROADCAST(p) SPLAT(p)
#if defined(TAP_ISA_avx512)
#define MADD(x, b, s) ((s) + (NAME(V))_mm512_madd_epi16((__m512i)(x), (__m512i)(b)))
#elif defined(TAP_ISA_avx2)
#define MADD(x, b, s) ((s) + (NAME(V))_mm256_madd_epi16((__m256i)(x), (__m256i)(b)))
#elif defined(__SSE2__)
#define MADD(x, b, s) ((s) + (NAME(V))_mm_madd_epi16((__m128i)(x), (__m128i)(b)))
#else
typedef int16_t pairs __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t sums __attribute__((vector_size(VECTOR_BYTES)));
VECTOR_INLINE sums madd_pairs(sums x, sums b, sums s) {
    pairs p = (pairs)x, q = (pairs)b;
    for (int i = 0; i < VECTOR_BYTES / 4; i++)
        s[i] += (uint32_t)(p[2 * i] * q[2 * i]) + (uint32_t)(p[2 * i + 1] * q[2 * i + 1]);
    return s;
}
#define MADD(x, b, s) ((NAME(V))madd_pairs((sums)(x), (sums)(b), (sums)(s)))
#endif
#define TILE_LIST   FLOAT_LIST
#define TILE_LIMITS FLOAT_LIMITS
#include "common/gemm_tile.inc"

const tap_tile_set *tap_tiles(tap_tile_kind kind) {
    static const tap_tile_set *const sets[TAP_TILE_KINDS] = {&set_f32, &set_f64, &set_u32, &set_u64,
                                                             &set_i16x2};
    return sets[kind];
}

size_t tap_tile_tmp_bytes(const tap_tile_set *set) {
    return (size_t)(set->rows * set->columns * set->elem);
}

/* A panel whose last columns C does not have, by way of tmp. */
static void run_partial(const tap_tile_set *set, const tap_tile *t, int rows, int64_t cols, char *tmp) {
    tap_tile one = *t;
    int64_t wide = set->columns * set->elem;
    size_t bytes = (size_t)(cols * set->elem);
    for (int64_t i = 0; t->from_c && i < rows; i++) memcpy(tmp + i * wide, t->c + i * t->c_row, bytes);
    one.c = tmp;
    one.c_row = wide;
    one.finish = NULL;
    set->run[rows][0](&one);
    for (int64_t i = 0; i < rows; i++) memcpy(t->c + i * t->c_row, tmp + i * wide, bytes);
    if (t->finish) set->finish(t, rows, cols);
}

void tap_tile_run(const tap_tile_set *set, tap_tile *t, int rows, int64_t cols, char *tmp) {
    int64_t wide = set->columns * set->elem;
    for (int step = set->panels[rows]; cols >= set->columns;) {
        while (step * set->columns > cols) step /= 2;
        set->run[rows][step / 2](t);
        t->b += step * t->b_panel;
        t->c += step * wide;
        t->column += step * wide;
        cols -= step * set->columns;
    }
    if (cols > 0) run_partial(set, t, rows, cols, tmp);
}
