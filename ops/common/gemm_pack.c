/* Packing of B[k][n] into panels: panel p holds columns p * columns .., for each k so many contiguous
 * elements, zero where n has ended. A tile then reads B as one stream, whatever B looked like. */
#include <string.h>

#include "common/gemm_internal.h"

tap_tile_kind tap_gemm_kind(tap_dtype dtype) {
    switch (dtype) {
    case TAP_DOUBLE: return TAP_TILE_F64;
    case TAP_INT32:
    case TAP_UINT32: return TAP_TILE_U32;
    case TAP_INT64:
    case TAP_UINT64: return TAP_TILE_U64;
    default: return TAP_TILE_F32;
    }
}

bool tap_gemm_packed_bytes(tap_dtype dtype, int64_t k, int64_t n, size_t *n_bytes) {
    const tap_tile_set *set = tap_tiles(tap_gemm_kind(dtype));
    int64_t row, total;
    if (!tap_add64(n, set->columns - 1, &row)) return false;
    row = row / set->columns * set->columns;
    if (!tap_mul64(row, set->elem, &row) || !tap_mul64(row, k, &total) || total > PTRDIFF_MAX) return false;
    *n_bytes = (size_t)total;
    return true;
}

/* One panel of elements of 4 or 8 bytes, `cols` of its columns filled, from rows that lie ldb elements apart.
 */
static void pack_rows(const char *b, int64_t ldb, int64_t k, int64_t cols, int64_t columns, int64_t elem,
                      char *to) {
    size_t have = (size_t)(cols * elem), pad = (size_t)((columns - cols) * elem);
    for (int64_t l = 0; l < k; l++) {
        memcpy(to, b, have);
        memset(to + have, 0, pad);
        b += ldb * elem;
        to += columns * elem;
    }
}

/* The same from B transposed. In blocks of k, so that what is written stays in the first cache. */
static void pack_transposed(const char *b, int64_t ldb, int64_t k, int64_t cols, int64_t columns,
                            int64_t elem, char *to) {
    enum { BLOCK = 16 };
    for (int64_t l0 = 0; l0 < k; l0 += BLOCK) {
        int64_t n = tap_min64(BLOCK, k - l0);
        for (int64_t j = 0; j < columns; j++) {
            const char *from = b + (j * ldb + l0) * elem;
            char *out = to + (l0 * columns + j) * elem;
            for (int64_t l = 0; l < n; l++, out += columns * elem) {
                if (j >= cols)
                    memset(out, 0, (size_t)elem);
                else if (elem == 4)
                    memcpy(out, from + l * 4, 4);
                else
                    memcpy(out, from + l * 8, 8);
            }
        }
    }
}

void tap_gemm_pack_panels(tap_dtype dtype, int64_t k, int64_t n, const void *b, int64_t ldb, bool trans_b,
                          int64_t first, int64_t last, void *packed) {
    const tap_tile_set *set = tap_tiles(tap_gemm_kind(dtype));
    int64_t columns = set->columns, elem = set->elem;
    for (int64_t p = first; p < last; p++) {
        int64_t col = p * columns, cols = tap_min64(columns, n - col);
        const char *from = (const char *)b + (trans_b ? col * ldb : col) * elem;
        char *to = (char *)packed + (p - first) * k * columns * elem;
        if (trans_b)
            pack_transposed(from, ldb, k, cols, columns, elem, to);
        else
            pack_rows(from, ldb, k, cols, columns, elem, to);
    }
}

void tap_gemm_pack(tap_dtype dtype, int64_t k, int64_t n, const void *b, int64_t ldb, bool trans_b,
                   void *packed) {
    int64_t columns = tap_tiles(tap_gemm_kind(dtype))->columns;
    tap_gemm_pack_panels(dtype, k, n, b, ldb, trans_b, 0, (n + columns - 1) / columns, packed);
}
