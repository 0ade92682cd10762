/* Tiles of transpositions: 16 bytes of each row are loaded and shuffled in registers, so that rows of dst are
 * stored a vector at a time. */
#include "core/move_tile.h"

#include "core/cpu.h"

/* Entry j of a shuffle is ENTRY(j, c). */
#define ENTRIES_2(ENTRY, c) ENTRY(0, c), ENTRY(1, c)
#define ENTRIES_4(ENTRY, c) ENTRIES_2(ENTRY, c), ENTRY(2, c), ENTRY(3, c)
#define ENTRIES_8(ENTRY, c) ENTRIES_4(ENTRY, c), ENTRY(4, c), ENTRY(5, c), ENTRY(6, c), ENTRY(7, c)
#define EIGHT(ENTRY, j, c)                                                                            \
    ENTRY(j, c), ENTRY(j + 1, c), ENTRY(j + 2, c), ENTRY(j + 3, c), ENTRY(j + 4, c), ENTRY(j + 5, c), \
        ENTRY(j + 6, c), ENTRY(j + 7, c)
#define ENTRIES_16(ENTRY, c) EIGHT(ENTRY, 0, c), EIGHT(ENTRY, 8, c)
#define ENTRIES_32(ENTRY, c) ENTRIES_16(ENTRY, c), EIGHT(ENTRY, 16, c), EIGHT(ENTRY, 24, c)
#define ENTRIES_64(ENTRY, c) \
    ENTRIES_32(ENTRY, c), EIGHT(ENTRY, 32, c), EIGHT(ENTRY, 40, c), EIGHT(ENTRY, 48, c), EIGHT(ENTRY, 56, c)

/* Two vectors of L lanes of K words: the low, the high halves of their lanes, a word from each in turn. */
#define IN_LANES(j, half) ((j) / K * K + (j) % K / 2 + (j) % 2 * K * L + (half)*K / 2)

/* Lists the words for one size of vectors: T, K and the numbers of entries. */
#define SET
#define T       uint8_t
#define FN(f)   f##_1_1
#define K       16
#define L       1
#define ENTRIES ENTRIES_16
#include "core/move_tile.inc"
#define T       uint16_t
#define FN(f)   f##_2_1
#define K       8
#define L       1
#define ENTRIES ENTRIES_8
#include "core/move_tile.inc"
#define T       uint32_t
#define FN(f)   f##_4_1
#define K       4
#define L       1
#define ENTRIES ENTRIES_4
#include "core/move_tile.inc"
#define T       uint64_t
#define FN(f)   f##_8_1
#define K       2
#define L       1
#define ENTRIES ENTRIES_2
#include "core/move_tile.inc"
#undef SET

#if defined(__x86_64__)
#define SET     __attribute__((target("avx2")))
#define T       uint8_t
#define FN(f)   f##_1_2
#define K       16
#define L       2
#define ENTRIES ENTRIES_32
#include "core/move_tile.inc"
#define T       uint16_t
#define FN(f)   f##_2_2
#define K       8
#define L       2
#define ENTRIES ENTRIES_16
#include "core/move_tile.inc"
#define T       uint32_t
#define FN(f)   f##_4_2
#define K       4
#define L       2
#define ENTRIES ENTRIES_8
#include "core/move_tile.inc"
#define T       uint64_t
#define FN(f)   f##_8_2
#define K       2
#define L       2
#define ENTRIES ENTRIES_4
#include "core/move_tile.inc"
#undef SET

#define SET     __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define T       uint8_t
#define FN(f)   f##_1_4
#define K       16
#define L       4
#define ENTRIES ENTRIES_64
#include "core/move_tile.inc"
#define T       uint16_t
#define FN(f)   f##_2_4
#define K       8
#define L       4
#define ENTRIES ENTRIES_32
#include "core/move_tile.inc"
#define T       uint32_t
#define FN(f)   f##_4_4
#define K       4
#define L       4
#define ENTRIES ENTRIES_16
#include "core/move_tile.inc"
#define T       uint64_t
#define FN(f)   f##_8_4
#define K       2
#define L       4
#define ENTRIES ENTRIES_8
#include "core/move_tile.inc"
#undef SET
#endif

/* Word by word, the longer loop the inner one. */
#define CORNER(T, NAME)                                                                 \
    static void NAME(const char *const *x, int64_t na, int64_t nb, char *const *y) {    \
        if (na < nb)                                                                    \
            for (int64_t i = 0; i < na; i++)                                            \
                for (int64_t j = 0; j < nb; j++) ((T *)y[i])[j] = ((const T *)x[j])[i]; \
        else                                                                            \
            for (int64_t j = 0; j < nb; j++)                                            \
                for (int64_t i = 0; i < na; i++) ((T *)y[i])[j] = ((const T *)x[j])[i]; \
    }
CORNER(tap_w1, corner_1)
CORNER(tap_w2, corner_2)
CORNER(tap_w4, corner_4)
CORNER(tap_w8, corner_8)
CORNER(tap_w16, corner_16)

/* The widest vector that fits into the tile. */
#if defined(__x86_64__)
#define TILE(W)                                                                              \
    static void tile_##W##_2(const char *const *x, int64_t na, int64_t nb, char *const *y) { \
        if (na >= 16 / W && nb >= 32 / W)                                                    \
            blocks_##W##_2(x, na, nb, y);                                                    \
        else                                                                                 \
            tile_##W##_1(x, na, nb, y);                                                      \
    }                                                                                        \
    static void tile_##W##_4(const char *const *x, int64_t na, int64_t nb, char *const *y) { \
        if (na >= 16 / W && nb >= 64 / W)                                                    \
            blocks_##W##_4(x, na, nb, y);                                                    \
        else                                                                                 \
            tile_##W##_2(x, na, nb, y);                                                      \
    }
#else
#define TILE(W)
#endif
#define TILE_1(W)                                                                            \
    static void tile_##W##_1(const char *const *x, int64_t na, int64_t nb, char *const *y) { \
        if (na >= 16 / W && nb >= 16 / W)                                                    \
            blocks_##W##_1(x, na, nb, y);                                                    \
        else                                                                                 \
            corner_##W(x, na, nb, y);                                                        \
    }                                                                                        \
    TILE(W)
TILE_1(1)
TILE_1(2)
TILE_1(4)
TILE_1(8)

tap_tile_loop *tap_tile_for(tap_isa isa, size_t width) {
#define BY_WIDTH(lanes) \
    { tile_1_##lanes, tile_2_##lanes, tile_4_##lanes, tile_8_##lanes, corner_16 }
#if defined(__x86_64__)
    static tap_tile_loop *const loops[][5] = {BY_WIDTH(1), BY_WIDTH(2), BY_WIDTH(4)};
    return loops[isa][__builtin_ctzll(width)];
#else
    (void)isa;
    static tap_tile_loop *const loops[] = BY_WIDTH(1);
    return loops[__builtin_ctzll(width)];
#endif
}
