/* The tiles, for the instruction set that this copy is compiled for: vector width, multiply-add, and the
 * sizes of tiles that keep its registers full. */
#include "common/gemm_tile.h"

#include <string.h>

#include "common/vector.h"

/* Sums, a row of a panel and an element of A fill 32 or 16 registers. A wide panel saves loads of A, many
 * rows those of B: of the tiles that fit, those of 6 rows x 4 vectors and 9 x 3 load least. Few rows take
 * several panels instead, for a multiply-add has a latency of four and two start a cycle. */
#if defined(TAP_ISA_avx512)
#define LIMITS_1 .rows = 12, .panels = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
#define LIST_1(X) \
    X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1)
#define LIMITS_2  .rows = 12, .panels = {0, 4, 4, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1}
#define LIST_2(X) LIST_1(X) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(1, 4) X(2, 4)
#define LIMITS_3  .rows = 9, .panels = {0, 2, 2, 2, 2, 1, 1, 1, 1, 1}
#define LIST_3(X) \
    X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1) X(9, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2)
#define LIMITS_4 .rows = 6, .panels = {0, 2, 2, 1, 1, 1, 1}
/* Sliding, each load of a pixel is for three rows: 12 rows x 2 vectors load less than half of what 6 x 4 do.
 */
#define LIMITS_SLIDING_1  .rows = 12, .panels = {0, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1}
#define LIST_SLIDING_1(X) LIST_1(X) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(1, 4) X(2, 4)
#define LIMITS_SLIDING_2  .rows = 12, .panels = {0, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1}
#define LIST_SLIDING_2(X) LIST_1(X) X(1, 2) X(2, 2) X(3, 2)
#define LIST_4(X)         X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(1, 2) X(2, 2)
#else
#define LIST_2(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(1, 2) X(2, 2) X(3, 2) X(1, 4)
#define LIMITS_2  .rows = 6, .panels = {0, 4, 2, 2, 1, 1, 1}
#endif
#define INT_LIST(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(1, 2) X(2, 2) X(3, 2)
#define INT_LIMITS  .rows = 6, .panels = {0, 2, 2, 2, 1, 1, 1}

#define SPLAT(p) (*(p) - (NAME(V)){0})

#define KIND        f32
#define WIDTH       2
#define TILE_LIST   LIST_2
#define TILE_LIMITS LIMITS_2
#include "common/gemm_tile_f32.inc"

#if defined(TAP_ISA_avx512)
#define KIND        f32_1
#define WIDTH       1
#define TILE_LIST   LIST_1
#define TILE_LIMITS LIMITS_1
#include "common/gemm_tile_f32.inc"

#define KIND        f32_3
#define WIDTH       3
#define TILE_LIST   LIST_3
#define TILE_LIMITS LIMITS_3
#include "common/gemm_tile_f32.inc"

#define KIND f32_1_sliding
#define SLIDING
#define WIDTH       1
#define TILE_LIST   LIST_SLIDING_1
#define TILE_LIMITS LIMITS_SLIDING_1
#include "common/gemm_tile_f32.inc"

#define KIND f32_2_sliding
#define SLIDING
#define WIDTH       2
#define TILE_LIST   LIST_SLIDING_2
#define TILE_LIMITS LIMITS_SLIDING_2
#include "common/gemm_tile_f32.inc"

#define KIND        f32_4
#define WIDTH       4
#define TILE_LIST   LIST_4
#define TILE_LIMITS LIMITS_4
#include "common/gemm_tile_f32.inc"
#endif

#define KIND f32_planes
#define PLANES
#define WIDTH       2
#define TILE_LIST   LIST_2
#define TILE_LIMITS LIMITS_2
#include "common/gemm_tile_f32.inc"

#if defined(TAP_ISA_avx512)
#define KIND f32_1_planes
#define PLANES
#define WIDTH       1
#define TILE_LIST   LIST_1
#define TILE_LIMITS LIMITS_1
#include "common/gemm_tile_f32.inc"
#endif

#define KIND          f64
#define WIDTH         2
#define T             double
#define LANES         (VECTOR_BYTES / 8)
#define BROADCAST(p)  SPLAT(p)
#define ADD(x, b, s)  VECTOR_ADD_F64(NAME(V), x, b, s)
#define GREATER(a, b) VECTOR_GREATER_F64(NAME(V), a, b)
#define LESSER(a, b)  VECTOR_LESSER_F64(NAME(V), a, b)
#define TILE_LIST     LIST_2
#define TILE_LIMITS   LIMITS_2
#include "common/gemm_tile.inc"

#define KIND         u32
#define WIDTH        2
#define T            uint32_t
#define LANES        (VECTOR_BYTES / 4)
#define BROADCAST(p) SPLAT(p)
#define ADD(x, b, s) ((s) += (x) * (b))
#define TILE_LIST    INT_LIST
#define TILE_LIMITS  INT_LIMITS
#include "common/gemm_tile.inc"

#define KIND         u64
#define WIDTH        2
#define T            uint64_t
#define LANES        (VECTOR_BYTES / 8)
#define BROADCAST(p) SPLAT(p)
#define ADD(x, b, s) ((s) += (x) * (b))
#define TILE_LIST    INT_LIST
#define TILE_LIMITS  INT_LIMITS
#include "common/gemm_tile.inc"

#define KIND         i16x2
#define WIDTH        2
#define T            uint32_t
#define LANES        (VECTOR_BYTES / 4)
#define BROADCAST(p) SPLAT(p)
#if defined(TAP_ISA_avx512)
#define ADD(x, b, s) ((s) += (NAME(V))_mm512_madd_epi16((__m512i)(x), (__m512i)(b)))
#elif defined(TAP_ISA_avx2)
#define ADD(x, b, s) ((s) += (NAME(V))_mm256_madd_epi16((__m256i)(x), (__m256i)(b)))
#elif defined(__SSE2__)
#define ADD(x, b, s) ((s) += (NAME(V))_mm_madd_epi16((__m128i)(x), (__m128i)(b)))
#else
typedef int16_t pairs __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t sums __attribute__((vector_size(VECTOR_BYTES)));
VECTOR_INLINE sums madd_pairs(sums x, sums b, sums s) {
    pairs p = (pairs)x, q = (pairs)b;
    for (int i = 0; i < VECTOR_BYTES / 4; i++)
        s[i] += (uint32_t)(p[2 * i] * q[2 * i]) + (uint32_t)(p[2 * i + 1] * q[2 * i + 1]);
    return s;
}
#define ADD(x, b, s) ((s) = (NAME(V))madd_pairs((sums)(x), (sums)(b), (sums)(s)))
#endif
#define TILE_LIST   LIST_2
#define TILE_LIMITS LIMITS_2
#include "common/gemm_tile.inc"

#if defined(TAP_ISA_avx512)
/* Newer processors multiply pairs and add in one instruction: the same sums. */
#define KIND         i16x2_vnni
#define WIDTH        2
#define T            uint32_t
#define LANES        (VECTOR_BYTES / 4)
#define BROADCAST(p) SPLAT(p)
#define ADD(x, b, s) __asm__ volatile("vpdpwssd %2, %1, %0" : "+v"(s) : "v"(x), "v"(b))
#define TILE_LIST    LIST_2
#define TILE_LIMITS  LIMITS_2
#include "common/gemm_tile.inc"
#endif

static const tap_tile_set *pairs_of_int16(void) {
#if defined(TAP_ISA_avx512)
    if (__builtin_cpu_supports("avx512vnni")) return &set_i16x2_vnni;
#endif
    return &set_i16x2;
}

/* Of the widths, the one whose panels cover n columns with the least work: vectors in all, by what one of
 * them costs. */
static const tap_tile_set *floats_for(int64_t n, bool sliding) {
#if defined(TAP_ISA_avx512)
    enum { SLIDING_WIDTHS = 2 };
    static const struct {
        const tap_tile_set *set;
        int64_t cost;
    } widths[] = {{&set_f32_2_sliding, 94}, {&set_f32_1_sliding, 100}, {&set_f32_4, 100},
                  {&set_f32_3, 101},        {&set_f32, 106},           {&set_f32_1, 130}};
    const tap_tile_set *best = NULL;
    int64_t least = INT64_MAX;
    if (n > 2048 && !sliding) return &set_f32_4;
    for (size_t i = sliding ? 0 : SLIDING_WIDTHS; i < TAP_COUNT_OF(widths); i++) {
        const tap_tile_set *set = widths[i].set;
        int64_t cost = (n + set->columns - 1) / set->columns * set->columns * widths[i].cost;
        if (cost < least) least = cost, best = set;
    }
    return best;
#else
    (void)n;
    (void)sliding;
    return &set_f32;
#endif
}

const tap_tile_set *tap_tiles(tap_tile_kind kind, int64_t n) {
    static const tap_tile_set *const sets[TAP_TILE_KINDS] = {NULL, &set_f64, &set_u32, &set_u64, NULL};
    return kind == TAP_TILE_F32     ? floats_for(n, false)
           : kind == TAP_TILE_I16X2 ? pairs_of_int16()
                                    : sets[kind];
}

const tap_tile_set *tap_tiles_sliding(tap_tile_kind kind, int64_t n) {
    return kind == TAP_TILE_F32 ? floats_for(n, true) : tap_tiles(kind, n);
}

const tap_tile_set *tap_tiles_planes(tap_tile_kind kind, const tap_tile_set *set) {
    static const tap_tile_set *const sets[] = {
        &set_f32_planes,
#if defined(TAP_ISA_avx512)
        &set_f32_1_planes,
#endif
    };
    for (size_t i = 0; kind == TAP_TILE_F32 && i < TAP_COUNT_OF(sets); i++)
        if (sets[i]->columns == set->columns) return sets[i];
    return NULL;
}

/* Of the largest of the sets, so that it serves any number of columns. */
#define TMP_BYTES (27 * VECTOR_BYTES)

size_t tap_tile_tmp_bytes(const tap_tile_set *set) {
    (void)set;
    return TMP_BYTES;
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
    const int64_t wide = set->columns, beyond = set->partial ? wide - 1 : 0;
    for (int step = set->panels[rows]; cols + beyond >= wide;) {
        while (step * wide > cols + beyond) step /= 2;
        t->columns = tap_min64(cols, step * wide);
        set->run[rows][step / 2](t);
        t->b += step * t->b_panel;
        t->c += step * wide * set->elem;
        t->column += step * wide * set->elem;
        cols -= t->columns;
    }
    if (cols > 0) run_partial(set, t, rows, cols, tmp);
}
