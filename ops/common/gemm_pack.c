/* Packing of B[k][n] into panels: panel p holds columns p * columns .., for each k so many contiguous
 * elements, zero where n has ended. A tile then reads B as one stream, whatever B looked like. */
#include <string.h>

#include "common/floats.h"
#include "common/gemm_internal.h"
#include "common/vector.h"
#include "core/move.h"

tap_tile_kind tap_gemm_kind(tap_dtype dtype) {
    switch (dtype) {
    case TAP_DOUBLE: return TAP_TILE_F64;
    case TAP_INT32:
    case TAP_UINT32: return TAP_TILE_U32;
    case TAP_INT64:
    case TAP_UINT64: return TAP_TILE_U64;
    case TAP_INT16: return TAP_TILE_I16X2;
    default: return TAP_TILE_F32;
    }
}

bool tap_gemm_packed_bytes(tap_dtype dtype, int64_t k, int64_t n, size_t *n_bytes) {
    const tap_tile_set *set = tap_tiles(tap_gemm_kind(dtype), n);
    int64_t row, total;
    if (!tap_add64(n, set->columns - 1, &row)) return false;
    row = row / set->columns * set->columns;
    if (!tap_mul64(row, set->elem, &row) || !tap_mul64(row, k, &total) || total > PTRDIFF_MAX) return false;
    *n_bytes = (size_t)total;
    return true;
}

/* n contiguous elements of B, as what is multiplied. */
static void fetch(tap_dtype dtype, tap_dtype from, int64_t n, const char *b, char *to) {
    if (from == dtype)
        memcpy(to, b, (size_t)n * tap_dtype_bytes(dtype));
    else
        TAP_ISA_NAME(tap_floats_in)(from, n, b, 2, (float *)(void *)to);
}

typedef struct source {
    tap_dtype dtype, from;
    int64_t ldb_bytes, elem_from, elem;
    int64_t k, columns;
} source;

/* k of n, of one panel, `cols` of its columns filled, from rows. */
static void pack_rows(const source *s, const char *b, int64_t n, int64_t cols, char *to) {
    size_t have = (size_t)(cols * s->elem), step = (size_t)(s->columns * s->elem);
    for (int64_t l = 0; l < n; l++, b += s->ldb_bytes, to += step) {
        if (cols == s->columns && s->from == s->dtype) {
            for (size_t i = 0; i < step; i += VECTOR_BYTES) memcpy(to + i, b + i, VECTOR_BYTES);
        } else {
            fetch(s->dtype, s->from, cols, b, to);
            memset(to + have, 0, step - have);
        }
    }
}

void tap_gemm_transpose(int64_t elem, int64_t m, int64_t n, const char *x, int64_t x_row, char *y,
                        int64_t y_row) {
    const int64_t dims[2] = {m, n}, x_step[2] = {elem, x_row}, y_step[2] = {y_row, elem};
    tap_move move;
    tap_move_plan(&move, (size_t)elem, 2, dims, x_step, y_step);
    tap_move_run(&move, x, y, 0, move.n_units);
}

static void clear_columns(const source *s, int64_t cols, char *to) {
    size_t have = (size_t)(cols * s->elem), step = (size_t)(s->columns * s->elem);
    for (int64_t l = 0; have < step && l < s->k; l++, to += step) memset(to + have, 0, step - have);
}

/* The same from B transposed. Halves are widened on the way, a block of k for each column. */
static void pack_transposed(const source *s, const char *b, int64_t cols, char *to) {
    enum { BLOCK = 64 };
    int64_t step = s->columns * s->elem;
    float wide[BLOCK];
    clear_columns(s, cols, to);
    if (s->from == s->dtype) {
        tap_gemm_transpose(s->elem, s->k, cols, b, s->ldb_bytes, to, step);
        return;
    }
    for (int64_t l0 = 0; l0 < s->k; l0 += BLOCK) {
        int64_t n = tap_min64(BLOCK, s->k - l0);
        for (int64_t j = 0; j < cols; j++) {
            char *out = to + l0 * step + j * s->elem;
            TAP_ISA_NAME(tap_floats_in)(s->from, n, b + j * s->ldb_bytes + l0 * s->elem_from, 2, wide);
            for (int64_t l = 0; l < n; l++, out += step) memcpy(out, &wide[l], sizeof wide[l]);
        }
    }
}

void tap_gemm_pack_panels(tap_dtype dtype, tap_dtype from, int64_t k, int64_t n, const void *b, int64_t ldb,
                          bool trans_b, int64_t first, int64_t last, void *packed) {
    enum { ROWS = 16 };
    const tap_tile_set *set = tap_tiles(tap_gemm_kind(dtype), n);
    int64_t columns = set->columns, elem_from = (int64_t)tap_dtype_bytes(from);
    source s = {dtype, from, ldb * elem_from, elem_from, set->elem, k, columns};
    int64_t step = columns * s.elem;
    if (trans_b) {
        for (int64_t p = first; p < last; p++)
            pack_transposed(&s, (const char *)b + p * columns * s.ldb_bytes,
                            tap_min64(columns, n - p * columns), (char *)packed + (p - first) * k * step);
        return;
    }
    for (int64_t l = 0; l < k;
         l += ROWS) /* some rows at a time, for all panels: few pages are open at once */
        for (int64_t p = first; p < last; p++)
            pack_rows(&s, (const char *)b + l * s.ldb_bytes + p * columns * elem_from, tap_min64(ROWS, k - l),
                      tap_min64(columns, n - p * columns), (char *)packed + ((p - first) * k + l) * step);
}

void tap_gemm_pack(tap_dtype dtype, tap_dtype from, int64_t k, int64_t n, const void *b, int64_t ldb,
                   bool trans_b, void *packed) {
    int64_t columns = tap_tiles(tap_gemm_kind(dtype), n)->columns;
    tap_gemm_pack_panels(dtype, from, k, n, b, ldb, trans_b, 0, (n + columns - 1) / columns, packed);
}
