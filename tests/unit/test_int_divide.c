/* Quotients and remainders through floats against those of C: every pair of 8 bits, all kinds of wider ones.
 */
#include "common/int_divide.h"

#include "test.h"

static uint64_t seed;

static uint64_t next_random(void) {
    uint64_t z = seed += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Near the ends of the range and near multiples as often as anywhere. */
static uint64_t interesting(uint64_t other) {
    uint64_t r = next_random(), small = next_random() >> (next_random() % 64);
    switch (r % 6) {
    case 0: return small;
    case 1: return 0 - small;
    case 2: return (UINT64_C(1) << (r / 8 % 64)) + r / 512 % 5 - 2;
    case 3: return other * (next_random() >> (32 + r / 8 % 32)) + r / 512 % 3 - 1;
    default: return next_random();
    }
}

#define CHECK_PAIR(T, LEAST, a, b)                                                             \
    do {                                                                                       \
        const T x = (T)(a), y = (T)(b);                                                        \
        const int wraps = LEAST != 0 && x == LEAST && y == (T)-1;                              \
        const T q = y == 0 ? 0 : wraps ? x : (T)(x / y), r = y == 0 || wraps ? 0 : (T)(x % y); \
        if (tap_quotient_##T(x, y) != q || tap_remainder_##T(x, y) != r) wrong++;              \
    } while (0)

#define CHECK_TYPE(T, LEAST)                                                               \
    do {                                                                                   \
        int wrong = 0;                                                                     \
        for (int i = 0; i < 65536 && sizeof(T) == 1; i++) CHECK_PAIR(T, LEAST, i, i >> 8); \
        for (int i = 0; i < 300000; i++) {                                                 \
            const uint64_t d = interesting(1), n = interesting(d);                         \
            CHECK_PAIR(T, LEAST, n, d);                                                    \
        }                                                                                  \
        CHECK_EQ(wrong, 0);                                                                \
    } while (0)

static void signed_types(void) {
    CHECK_TYPE(int8_t, INT8_MIN);
    CHECK_TYPE(int16_t, INT16_MIN);
    CHECK_TYPE(int32_t, INT32_MIN);
    CHECK_TYPE(int64_t, INT64_MIN);
}

static void unsigned_types(void) {
    CHECK_TYPE(uint8_t, 0);
    CHECK_TYPE(uint16_t, 0);
    CHECK_TYPE(uint32_t, 0);
    CHECK_TYPE(uint64_t, 0);
}

#define CHECK_NEAR(T, a, b)                                                \
    do {                                                                   \
        const T x = (T)(a), y = (T)(b);                                    \
        if (!tap_all_near_##T(1, (const char *)&x, sizeof x) ||            \
            !tap_all_near_##T(1, (const char *)&y, sizeof y))              \
            break;                                                         \
        near++;                                                            \
        if (tap_near_quotient_##T(x, y) != (y == 0 ? 0 : x / y)) wrong++;  \
        if (tap_near_remainder_##T(x, y) != (y == 0 ? 0 : x % y)) wrong++; \
    } while (0)

/* Those below 2^50, to the last of them. */
static void near_ones(void) {
    int wrong = 0, near = 0;
    for (int i = 0; i < 600000; i++) {
        const uint64_t d = interesting(1), n = interesting(d),
                       top = (UINT64_C(1) << 50) - 1 - next_random() % 3;
        CHECK_NEAR(int64_t, n, d);
        CHECK_NEAR(uint64_t, n, d);
        CHECK_NEAR(int64_t, (int64_t)n >> 14, (int64_t)d >> (14 + i % 50));
        CHECK_NEAR(uint64_t, n >> 14, d >> (14 + i % 50));
        CHECK_NEAR(int64_t, i & 1 ? top : 0 - top, i & 2 ? d >> 20 : 0 - (d >> 20));
    }
    CHECK_EQ(wrong, 0);
    CHECK(near > 1000000);
    const int64_t ends[] = {(INT64_C(1) << 50) - 1, -(INT64_C(1) << 50), INT64_C(1) << 50,
                            -(INT64_C(1) << 50) - 1};
    for (int i = 0; i < 4; i++) CHECK_EQ(tap_all_near_int64_t(1, (const char *)&ends[i], 8), i < 2);
    CHECK(tap_all_near_uint64_t(1, (const char *)&ends[0], 8) &&
          !tap_all_near_uint64_t(2, (const char *)ends, 8));
}

int main(void) {
    static const test_case tests[] = {TEST(signed_types), TEST(unsigned_types), TEST(near_ones)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
