/* Short rows turned into columns and back.
 *
 * A piece is 16 bytes of a row: K elements. Vectors hold pieces of several rows in their quarters (or
 * halves), and a square of K x K elements is transposed in each by log2 K rounds of interleaving. */
#include "common/tile.h"

#include "common/vector.h"
#include "core/move_few.h"

#define PIECES (VECTOR_BYTES / 16)

#if defined(TAP_ISA_avx512)
typedef __m512i vec;
#define UNPACK_(half, bits, a, b) _mm512_unpack##half##_epi##bits(a, b)
VECTOR_INLINE vec gather(const char *x, size_t step) {
    vec v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)x));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(x + step)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(x + 2 * step)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(x + 3 * step)), 3);
}
VECTOR_INLINE vec load(const char *x) {
    return _mm512_loadu_si512(x);
}
VECTOR_INLINE void store(char *y, vec v) {
    _mm512_storeu_si512(y, v);
}
/* Piece p < PIECES of v. */
VECTOR_INLINE void store_piece(char *y, vec v, int p) {
    __m128i *to = (__m128i *)(void *)y;
    switch (p) {
    case 0: _mm_storeu_si128(to, _mm512_castsi512_si128(v)); break;
    case 1: _mm_storeu_si128(to, _mm512_extracti32x4_epi32(v, 1)); break;
    case 2: _mm_storeu_si128(to, _mm512_extracti32x4_epi32(v, 2)); break;
    default: _mm_storeu_si128(to, _mm512_extracti32x4_epi32(v, 3)); break;
    }
}
#elif defined(TAP_ISA_avx2)
typedef __m256i vec;
#define UNPACK_(half, bits, a, b) _mm256_unpack##half##_epi##bits(a, b)
VECTOR_INLINE vec gather(const char *x, size_t step) {
    vec v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)x));
    return _mm256_inserti128_si256(v, _mm_loadu_si128((const __m128i *)(const void *)(x + step)), 1);
}
VECTOR_INLINE vec load(const char *x) {
    return _mm256_loadu_si256((const __m256i *)(const void *)x);
}
VECTOR_INLINE void store(char *y, vec v) {
    _mm256_storeu_si256((__m256i *)(void *)y, v);
}
VECTOR_INLINE void store_piece(char *y, vec v, int p) {
    __m128i *to = (__m128i *)(void *)y;
    _mm_storeu_si128(to, p ? _mm256_extracti128_si256(v, 1) : _mm256_castsi256_si128(v));
}
#elif defined(__SSE2__)
typedef __m128i vec;
#define UNPACK_(half, bits, a, b) _mm_unpack##half##_epi##bits(a, b)
VECTOR_INLINE vec gather(const char *x, size_t step) {
    (void)step;
    return _mm_loadu_si128((const __m128i *)(const void *)x);
}
VECTOR_INLINE vec load(const char *x) {
    return _mm_loadu_si128((const __m128i *)(const void *)x);
}
VECTOR_INLINE void store(char *y, vec v) {
    _mm_storeu_si128((__m128i *)(void *)y, v);
}
VECTOR_INLINE void store_piece(char *y, vec v, int p) {
    (void)p;
    store(y, v);
}
#endif

#ifdef UNPACK_
#define UNPACK(half, bits, a, b) UNPACK_(half, bits, a, b)
#endif

#define T     uint8_t
#define FN(f) f##_1
#define BITS  8
#include "common/tile.inc"
#define T     uint16_t
#define FN(f) f##_2
#define BITS  16
#include "common/tile.inc"
#define T     uint32_t
#define FN(f) f##_4
#define BITS  32
#include "common/tile.inc"
#define T     uint64_t
#define FN(f) f##_8
#define BITS  64
#include "common/tile.inc"

#if defined(TAP_ISA_avx512)
#define ISA TAP_ISA_LEVEL_AVX512
#elif defined(TAP_ISA_avx2)
#define ISA TAP_ISA_LEVEL_AVX2
#else
#define ISA TAP_ISA_LEVEL_BASE
#endif

/* Of small elements a piece holds more than a row of a few: there are loops for those. */
static bool few_apart(size_t width, int64_t m, int64_t n, const void *x, void *y) {
    tap_apart_loop *loop = width <= 2 && n <= TAP_FEW_MAX ? tap_few_apart(ISA, width, n) : NULL;
    char *to[TAP_FEW_MAX];
    if (!loop) return false;
    for (int64_t c = 0; c < n; c++) to[c] = (char *)y + (size_t)(c * m) * width;
    loop(m, x, to);
    return true;
}

static bool few_together(size_t width, int64_t m, int64_t n, const void *x, void *y) {
    tap_together_loop *loop = width <= 2 && n <= TAP_FEW_MAX ? tap_few_together(ISA, width, n) : NULL;
    const char *from[TAP_FEW_MAX];
    if (!loop) return false;
    for (int64_t c = 0; c < n; c++) from[c] = (const char *)x + (size_t)(c * m) * width;
    loop(m, from, y);
    return true;
}

void tap_tile_apart(size_t width, int64_t m, int64_t n, const void *x, void *y) {
    if (n == 1)
        memcpy(y, x, (size_t)m * width);
    else if (few_apart(width, m, n, x, y))
        return;
    else if (width == 1)
        apart_1(m, n, x, y);
    else if (width == 2)
        apart_2(m, n, x, y);
    else if (width == 4)
        apart_4(m, n, x, y);
    else
        apart_8(m, n, x, y);
}

void tap_tile_together(size_t width, int64_t m, int64_t n, const void *x, void *y) {
    if (n == 1)
        memcpy(y, x, (size_t)m * width);
    else if (few_together(width, m, n, x, y))
        return;
    else if (width == 1)
        together_1(m, n, x, y);
    else if (width == 2)
        together_2(m, n, x, y);
    else if (width == 4)
        together_4(m, n, x, y);
    else
        together_8(m, n, x, y);
}
