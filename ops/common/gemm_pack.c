/* Packing of B[k][n] into panels: panel p holds columns p * columns .., for each k so many contiguous
 * elements, zero where n has ended. A tile then reads B as one stream, whatever B looked like. */
#include <string.h>

#include "common/floats.h"
#include "common/gemm_internal.h"

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
    const tap_tile_set *set = tap_tiles(tap_gemm_kind(dtype));
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

/* One panel, `cols` of its columns filled, from rows. */
static void pack_rows(const source *s, const char *b, int64_t cols, char *to) {
    size_t have = (size_t)(cols * s->elem), pad = (size_t)((s->columns - cols) * s->elem);
    for (int64_t l = 0; l < s->k; l++) {
        fetch(s->dtype, s->from, cols, b, to);
        memset(to + have, 0, pad);
        b += s->ldb_bytes;
        to += s->columns * s->elem;
    }
}

/* The same from B transposed. In blocks of k, so that what is written stays in the first cache. */
static void pack_transposed(const source *s, const char *b, int64_t cols, char *to) {
    enum { BLOCK = 16 };
    _Alignas(TAP_ALIGN) char run[BLOCK * 8];
    int64_t step = s->columns * s->elem;
    for (int64_t l0 = 0; l0 < s->k; l0 += BLOCK) {
        int64_t n = tap_min64(BLOCK, s->k - l0);
        for (int64_t j = 0; j < s->columns; j++) {
            char *out = to + l0 * step + j * s->elem;
            if (j < cols)
                fetch(s->dtype, s->from, n, b + j * s->ldb_bytes + l0 * s->elem_from, run);
            else
                memset(run, 0, sizeof run);
            for (int64_t l = 0; l < n; l++, out += step) {
                if (s->elem == 4)
                    memcpy(out, run + l * 4, 4);
                else
                    memcpy(out, run + l * 8, 8);
            }
        }
    }
}

void tap_gemm_pack_panels(tap_dtype dtype, tap_dtype from, int64_t k, int64_t n, const void *b, int64_t ldb,
                          bool trans_b, int64_t first, int64_t last, void *packed) {
    const tap_tile_set *set = tap_tiles(tap_gemm_kind(dtype));
    int64_t columns = set->columns, elem_from = (int64_t)tap_dtype_bytes(from);
    source s = {dtype, from, ldb * elem_from, elem_from, set->elem, k, columns};
    for (int64_t p = first; p < last; p++) {
        int64_t col = p * columns, cols = tap_min64(columns, n - col);
        const char *at = (const char *)b + (trans_b ? col * ldb : col) * elem_from;
        char *to = (char *)packed + (p - first) * k * columns * s.elem;
        if (trans_b)
            pack_transposed(&s, at, cols, to);
        else
            pack_rows(&s, at, cols, to);
    }
}

void tap_gemm_pack(tap_dtype dtype, tap_dtype from, int64_t k, int64_t n, const void *b, int64_t ldb,
                   bool trans_b, void *packed) {
    int64_t columns = tap_tiles(tap_gemm_kind(dtype))->columns;
    tap_gemm_pack_panels(dtype, from, k, n, b, ldb, trans_b, 0, (n + columns - 1) / columns, packed);
}
