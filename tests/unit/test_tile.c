/* Short rows turned into columns and back: every width, rows of every length that is short, any number of
 * them, at any address, for each instruction set; and not a byte around them is touched. */
#define TAP_ISA base
#include "common/tile.h"

#include <string.h>

#include "core/cpu.h"
#include "test.h"

typedef void tile_fn(size_t width, int64_t m, int64_t n, const void *x, void *y);

typedef struct set {
    tile_fn *apart, *together;
} set;

#define DECLARE(isa) tile_fn tap_tile_apart_##isa, tap_tile_together_##isa;
#define ENTRY(isa) \
    { tap_tile_apart_##isa, tap_tile_together_##isa }

DECLARE(base)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
static const set sets[] = {ENTRY(base), ENTRY(avx2), ENTRY(avx512)};
#else
static const set sets[] = {ENTRY(base)};
#endif

enum { AROUND = 64, MOST = 300 * 70 * 8 };

/* y[c][i] = x[i][c], element by element. */
static void plain(size_t width, int64_t m, int64_t n, const uint8_t *x, uint8_t *y) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t c = 0; c < n; c++)
            memcpy(y + (size_t)(c * m + i) * width, x + (size_t)(i * n + c) * width, width);
}

static int64_t wrong_bytes(const uint8_t *got, const uint8_t *want, size_t n) {
    int64_t wrong = memcmp(got + AROUND, want, n) != 0;
    for (size_t i = 0; i < AROUND; i++) wrong += got[i] != 0xA5 || got[AROUND + n + i] != 0xA5;
    return wrong;
}

static void check(const set *s, size_t width, int64_t m, int64_t n, size_t shift) {
    static uint8_t x[MOST + 8], turned[MOST], got[MOST + 2 * AROUND];
    size_t bytes = (size_t)(m * n) * width;
    for (size_t i = 0; i < bytes; i++) x[shift + i] = (uint8_t)(i * 2654435761u >> 13);
    plain(width, m, n, x + shift, turned);
    memset(got, 0xA5, bytes + 2 * AROUND);
    s->apart(width, m, n, x + shift, got + AROUND);
    CHECK_EQ(wrong_bytes(got, turned, bytes), 0);
    memset(got, 0xA5, bytes + 2 * AROUND);
    s->together(width, m, n, turned, got + AROUND);
    CHECK_EQ(wrong_bytes(got, x + shift, bytes), 0);
}

static void every_shape(void) {
    static const int64_t rows[] = {0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 65, 100, 127, 128, 129, 256, 300};
    for (int s = 0; s <= (int)tap_cpu_isa() && s < (int)(sizeof sets / sizeof *sets); s++)
        for (size_t width = 1; width <= 8; width *= 2)
            for (int64_t n = 1; n <= 70; n++)
                for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
                    check(&sets[s], width, rows[r], n, width <= 4 ? width : 0);
}

int main(void) {
    static const test_case tests[] = {TEST(every_shape)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
