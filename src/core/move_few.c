/* Few channels: whole vectors in, shuffled, whole vectors out. */
#include "core/move_few.h"

#include "core/cpu.h"

/* Shuffles of bytes within a vector came with SSSE3; the base set has none. */
#if defined(__x86_64__)
#define FEW_SET __attribute__((target("avx2")))
#else
#define FEW_SET
#endif

/* Entry j of a shuffle is ENTRY(j, c). */
#define ENTRIES_2(ENTRY, c) ENTRY(0, c), ENTRY(1, c)
#define ENTRIES_4(ENTRY, c) ENTRIES_2(ENTRY, c), ENTRY(2, c), ENTRY(3, c)
#define ENTRIES_8(ENTRY, c) ENTRIES_4(ENTRY, c), ENTRY(4, c), ENTRY(5, c), ENTRY(6, c), ENTRY(7, c)
#define ENTRIES_16(ENTRY, c)                                                                               \
    ENTRIES_8(ENTRY, c), ENTRY(8, c), ENTRY(9, c), ENTRY(10, c), ENTRY(11, c), ENTRY(12, c), ENTRY(13, c), \
        ENTRY(14, c), ENTRY(15, c)

/* Two vectors of K words each, numbered 0 .. 2 K - 1: words 2 j + c of them; the low, the high halves, one
 * from each in turn. */
#define EVERY_SECOND(j, c) (2 * (j) + (c))
#define IN_TURN(j, half)   ((j) / 2 + (j) % 2 * K + (half)*K / 2)

/* Word 3 j + c of three vectors: from the first two where it is there, then from that and the third. */
#define THIRD_OF_TWO(j, c)    (3 * (j) + (c) < 2 * K ? 3 * (j) + (c) : 0)
#define THIRD_WITH_LAST(j, c) (3 * (j) + (c) < 2 * K ? (j) : 3 * (j) + (c)-K)

/* Word p = v K + j of what is put together from three vectors is word p / 3 of vector p % 3. */
#define PLACE(j, v)           ((v)*K + (j))
#define MIXED_OF_TWO(j, v)    (PLACE(j, v) % 3 == 2 ? 0 : PLACE(j, v) / 3 + PLACE(j, v) % 3 * K)
#define MIXED_WITH_LAST(j, v) (PLACE(j, v) % 3 == 2 ? PLACE(j, v) / 3 + K : (j))

#define T       uint8_t
#define FN(f)   f##_1
#define K       16
#define ENTRIES ENTRIES_16
#include "core/move_few.inc"
#define T       uint16_t
#define FN(f)   f##_2
#define K       8
#define ENTRIES ENTRIES_8
#include "core/move_few.inc"
#define T       uint32_t
#define FN(f)   f##_4
#define K       4
#define ENTRIES ENTRIES_4
#include "core/move_few.inc"
#define T       uint64_t
#define FN(f)   f##_8
#define K       2
#define ENTRIES ENTRIES_2
#include "core/move_few.inc"

static bool has_loops(tap_isa isa) {
#if defined(__x86_64__)
    return isa >= TAP_ISA_LEVEL_AVX2;
#else
    (void)isa;
    return true;
#endif
}

#define BY_WIDTH(name) \
    { name##_1, name##_2, name##_4, name##_8 }

tap_apart_loop *tap_few_apart(tap_isa isa, size_t width, int64_t c) {
    static tap_apart_loop *const loops[3][4] = {BY_WIDTH(apart2), BY_WIDTH(apart3), BY_WIDTH(apart4)};
    if (width > 8 || c < 2 || c > 4 || !has_loops(isa)) return NULL;
    return loops[c - 2][__builtin_ctzll(width)];
}

tap_together_loop *tap_few_together(tap_isa isa, size_t width, int64_t c) {
    static tap_together_loop *const loops[3][4] = {BY_WIDTH(together2), BY_WIDTH(together3),
                                                   BY_WIDTH(together4)};
    if (width > 8 || c < 2 || c > 4 || !has_loops(isa)) return NULL;
    return loops[c - 2][__builtin_ctzll(width)];
}
