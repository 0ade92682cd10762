/* Products of 8-bit integers less their zero points. */
#include "common/quant.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "common/elementwise.h"
#include "common/gemm_internal.h"
#include "common/vector.h"

typedef struct rows_job {
    tap_dtype dtype;
    int64_t k, zero_rows;
    const void *x, *zero;
    int16_t *to;
} rows_job;

/* n elements less `zero`, and alone, with 0 as the other of a pair. */
#define TAKE_LESS(T)                                                                            \
    static void less_##T(int64_t n, const T *restrict x, int16_t zero, int16_t *restrict to) {  \
        for (int64_t i = 0; i < n; i++) to[i] = (int16_t)(x[i] - zero);                         \
    }                                                                                           \
    static void alone_##T(int64_t n, const T *restrict x, int16_t zero, int16_t *restrict to) { \
        for (int64_t i = 0; i < n; i++) to[2 * i] = (int16_t)(x[i] - zero), to[2 * i + 1] = 0;  \
    }
TAKE_LESS(int8_t)
TAKE_LESS(uint8_t)

static void rows_task(void *arg, int64_t begin, int64_t end, int worker) {
    const rows_job *j = arg;
    int64_t k = j->k, step = 2 * tap_pairs(k), rows = 1;
    /* Rows with one zero point that have no odd element behind others are one row. */
    if ((k == 1 || k % 2 == 0) && (!j->zero || j->zero_rows == 1)) rows = end - begin;
    (void)worker;
    for (int64_t r = begin; r < end; r += rows) {
        int16_t *to = j->to + r * step, zero = 0;
        const char *x = (const char *)j->x + r * k;
        if (j->zero) zero = (int16_t)tap_quant_at(j->dtype, j->zero, r % j->zero_rows);
        if (j->dtype == TAP_INT8)
            (k == 1 ? alone_int8_t : less_int8_t)(rows * k, (const int8_t *)x, zero, to);
        else
            (k == 1 ? alone_uint8_t : less_uint8_t)(rows * k, (const uint8_t *)x, zero, to);
        if (k % 2 && k > 1) to[k] = 0;
    }
}

void tap_quant_rows(tap_ctx *ctx, tap_dtype dtype, int64_t rows, int64_t k, const void *x, const void *zero,
                    int64_t zero_rows, int16_t *to) {
    rows_job j = {dtype, k, zero_rows, x, zero, to};
    if (k > 0) tap_parallel(ctx, rows, tap_max64(1, (1 << 15) / k), rows_task, &j);
}

/* Columns of a panel, known to the compiler: two vectors of pairs. */
#define COLUMNS (VECTOR_BYTES / 2)
/* Panels that are packed side by side: rows of B are then read in whole cache lines. */
#define PANELS 2

/* Rows of B that are asked for ahead of the one that is packed: each is a line of the cache in a page of its
 * own, which the processor does not foresee. */
#define ROWS_AHEAD 16

/* The elements i .. of two vectors in turn, for as many as one vector has. */
#define TURN_1(i)  (i), COLUMNS + (i)
#define TURN_4(i)  TURN_1(i), TURN_1((i) + 1), TURN_1((i) + 2), TURN_1((i) + 3)
#define TURN_8(i)  TURN_4(i), TURN_4((i) + 4)
#define TURN_16(i) TURN_8(i), TURN_8((i) + 8)
#if VECTOR_BYTES == 64
#define TURN TURN_16
#elif VECTOR_BYTES == 32
#define TURN TURN_8
#else
#define TURN TURN_4
#endif

typedef uint16_t words __attribute__((vector_size(VECTOR_BYTES)));

/* Two rows of a panel as pairs, each less its column's zero point. */
#define PACK_PAIRS(NAME, T)                                                                               \
    static void NAME(const T *low, const T *high, const uint16_t *zero, uint32_t *to) {                   \
        typedef T bytes __attribute__((vector_size(COLUMNS)));                                            \
        bytes x, y;                                                                                       \
        words z;                                                                                          \
        memcpy(&x, low, sizeof x);                                                                        \
        memcpy(&y, high, sizeof y);                                                                       \
        memcpy(&z, zero, sizeof z);                                                                       \
        const words a = __builtin_convertvector(x, words) - z, b = __builtin_convertvector(y, words) - z; \
        const words first = __builtin_shufflevector(a, b, TURN(0));                                       \
        const words second = __builtin_shufflevector(a, b, TURN(COLUMNS / 2));                            \
        memcpy(to, &first, sizeof first);                                                                 \
        memcpy(to + COLUMNS / 2, &second, sizeof second);                                                 \
    }
PACK_PAIRS(pack_pairs_i8, int8_t)
PACK_PAIRS(pack_pairs_u8, uint8_t)

/* Rows l and l + 1 of the panel at column col. Behind the last row and column stands the zero point, whose
 * pair is 0. */
static void pack_pair(tap_dtype dtype, int64_t k, int64_t n, int64_t ldb, const char *b, int64_t l,
                      int64_t col, const uint16_t *zero, uint32_t *to) {
    const char *rows[2];
    char edge[2][COLUMNS];
    size_t width = (size_t)tap_min64(COLUMNS, n - col);
    for (int64_t i = 0; i < 2; i++) {
        rows[i] = b + (l + i) * ldb + col;
        if (width == COLUMNS && l + i < k) continue;
        for (int j = 0; j < COLUMNS; j++) edge[i][j] = (char)zero[j];
        if (l + i < k) memcpy(edge[i], rows[i], width);
        rows[i] = edge[i];
    }
    if (dtype == TAP_INT8)
        pack_pairs_i8((const int8_t *)rows[0], (const int8_t *)rows[1], zero, to);
    else
        pack_pairs_u8((const uint8_t *)rows[0], (const uint8_t *)rows[1], zero, to);
}

int64_t tap_quant_panels(int64_t n) {
    return (n + COLUMNS - 1) / COLUMNS;
}

void tap_quant_pack(tap_dtype dtype, int64_t k, int64_t n, int64_t ldb, const void *b, const void *zero,
                    int64_t zero_step, int64_t first, int64_t last, void *packed) {
    int64_t panel = tap_pairs(k) * COLUMNS;
    uint16_t zeros[PANELS * COLUMNS];
    assert(tap_tiles(TAP_TILE_I16X2, n)->columns == COLUMNS);
    for (int64_t p = first; p < last; p += PANELS) {
        int64_t panels = tap_min64(PANELS, last - p), col = p * COLUMNS;
        for (int64_t j = 0; j < panels * COLUMNS; j++)
            zeros[j] = zero && col + j < n ? (uint16_t)tap_quant_at(dtype, zero, (col + j) * zero_step)
                                           : (uint16_t)0;
        uint32_t *to = (uint32_t *)packed + p * panel;
        for (int64_t l = 0; l < k; l += 2, to += COLUMNS) {
            for (int64_t i = 0; i < 2; i++)
                __builtin_prefetch((const char *)b + tap_min64(l + i + ROWS_AHEAD, k - 1) * ldb + col, 0, 3);
            for (int64_t i = 0; i < panels; i++)
                pack_pair(dtype, k, n, ldb, b, l, col + i * COLUMNS, zeros + i * COLUMNS, to + i * panel);
        }
    }
}

/* A NaN gives the least. */
#define SCALE_BACK_LOOP(T, factor)                    \
    TAP_INDEPENDENT for (int64_t i = 0; i < n; i++) { \
        float r = rintf((float)sum[i] * (factor));    \
        r = r > least ? r : least;                    \
        r = r < most ? r : most;                      \
        y[i] = (T)((int32_t)r + zero);                \
    }
#define SCALE_BACK(NAME, T, LEAST, MOST)                                                                  \
    static void NAME(int64_t n, const int32_t *sum, const float *scale, int64_t scale_step, int32_t zero, \
                     T *y) {                                                                              \
        const float least = (float)((LEAST)-zero), most = (float)((MOST)-zero), one = *scale;             \
        if (scale_step)                                                                                   \
            SCALE_BACK_LOOP(T, scale[i])                                                                  \
        else                                                                                              \
            SCALE_BACK_LOOP(T, one)                                                                       \
    }
SCALE_BACK(scale_back_i8, int8_t, INT8_MIN, INT8_MAX)
SCALE_BACK(scale_back_u8, uint8_t, 0, UINT8_MAX)

void tap_quant_scale_back(tap_dtype dtype, int64_t n, const int32_t *sum, const float *scale,
                          int64_t scale_step, int32_t zero, void *y) {
    if (dtype == TAP_INT8)
        scale_back_i8(n, sum, scale, scale_step, zero, y);
    else
        scale_back_u8(n, sum, scale, scale_step, zero, y);
}
