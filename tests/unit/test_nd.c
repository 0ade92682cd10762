/* Elementwise iteration: merging, broadcasting, starting and stopping anywhere. */
#include "test.h"

#include "core/nd.h"

/* y = 100 a + b on int32; counts its calls in state. */
static void combine(int64_t n, char *const *p, const int64_t *step, const void *state) {
    ++**(int *const *)state;
    for (int64_t i = 0; i < n; i++)
        *(int32_t *)(p[2] + i * step[2]) =
            100 * *(int32_t *)(p[0] + i * step[0]) + *(int32_t *)(p[1] + i * step[1]);
}

typedef struct shape {
    int rank;
    int64_t dims[5];
} shape;

static int64_t count_of(const shape *s) {
    int64_t n = 1;
    for (int d = 0; d < s->rank; d++) n *= s->dims[d];
    return n;
}

/* The element of an operand that belongs to element i of the whole. */
static int64_t reference(const shape *whole, const shape *s, int64_t i) {
    int64_t at = 0, stride = 1;
    for (int d = whole->rank - 1, j = s->rank - 1; d >= 0 && j >= 0; d--, j--) {
        int64_t x = i % whole->dims[d];
        i /= whole->dims[d];
        at += s->dims[j] == 1 ? 0 : x * stride;
        stride *= s->dims[j];
    }
    return at;
}

static int32_t a[256], b[256], y[256];

static void check(shape whole, shape sa, shape sb, int rank, int calls) {
    int64_t room[TAP_ND_ROOM * 3], n = count_of(&whole);
    char *base[3] = {(char *)a, (char *)b, (char *)y}, *p[3];
    tap_nd nd;
    tap_nd_init(&nd, whole.rank, whole.dims, 3, room);
    CHECK(tap_nd_operand(&nd, 0, 4, sa.rank, sa.dims));
    CHECK(tap_nd_operand(&nd, 1, 4, sb.rank, sb.dims));
    CHECK(tap_nd_operand(&nd, 2, 4, whole.rank, whole.dims));
    tap_nd_merge(&nd);
    CHECK_EQ(nd.rank, rank);
    for (int64_t cut = 0; cut <= n; cut++) {
        int called = 0;
        int *counter = &called;
        memset(y, 0xFF, sizeof y);
        tap_nd_run(&nd, 0, cut, base, p, combine, &counter);
        if (cut == n) CHECK_EQ(called, calls);
        tap_nd_run(&nd, cut, n, base, p, combine, &counter);
        for (int64_t i = 0; i < n; i++)
            CHECK_EQ(y[i], 100 * a[reference(&whole, &sa, i)] + b[reference(&whole, &sb, i)]);
        CHECK_EQ(y[n], -1);
    }
}

static void shapes_merge_and_run(void) {
    for (int i = 0; i < 256; i++) a[i] = i, b[i] = 1000 + 7 * i;
    check((shape){3, {2, 3, 4}}, (shape){3, {2, 3, 4}}, (shape){3, {2, 3, 4}}, 1, 1);
    check((shape){3, {2, 3, 4}}, (shape){3, {2, 3, 4}}, (shape){0, {0}}, 1, 1);
    check((shape){3, {2, 3, 4}}, (shape){3, {2, 3, 4}}, (shape){1, {4}}, 2, 1);
    check((shape){3, {2, 3, 4}}, (shape){3, {2, 3, 4}}, (shape){2, {3, 4}}, 2, 1);
    check((shape){3, {2, 3, 4}}, (shape){3, {2, 3, 1}}, (shape){3, {1, 3, 4}}, 3, 1);
    check((shape){4, {2, 3, 2, 2}}, (shape){4, {2, 3, 2, 2}}, (shape){3, {3, 1, 1}}, 3, 1);
    check((shape){4, {1, 1, 3, 5}}, (shape){2, {3, 1}}, (shape){4, {1, 1, 1, 1}}, 2, 1);
    check((shape){2, {3, 4}}, (shape){2, {3, 1}}, (shape){4, {1, 1, 1, 4}}, 2, 1);
    check((shape){0, {0}}, (shape){0, {0}}, (shape){1, {1}}, 1, 1);
    check((shape){5, {2, 1, 3, 1, 2}}, (shape){5, {2, 1, 3, 1, 1}}, (shape){5, {2, 1, 1, 1, 2}}, 3, 1);
}

/* y = 31 a + b of the lowest byte. */
static void combine_bytes(int64_t n, char *const *p, const int64_t *step, const void *state) {
    (void)state;
    for (int64_t i = 0; i < n; i++) p[2][i * step[2]] = (char)(p[0][i * step[0]] * 31 + p[1][i * step[1]]);
}

/* More than a block of short rows, any width of elements, started and stopped anywhere. */
static void short_rows(void) {
    static char big[3][40000 * 16];
    const shape wholes[] = {
        {2, {9000, 3}}, {3, {700, 5, 7}}, {4, {30, 4, 50, 2}}, {3, {3, 290, 31}}, {3, {6, 200, 33}}};
    size_t width;
    for (size_t i = 0; i < sizeof big[0]; i++)
        big[0][i] = (char)(i * 7 >> 3), big[1][i] = (char)(i * 13 >> 4);
    for (size_t c = 0; c < sizeof wholes / sizeof *wholes; c++)
        for (unsigned kept = 1; kept < 1u << (2 * wholes[c].rank); kept += 3)
            for (width = 1; width <= 16; width *= 2) {
                const shape *w = &wholes[c];
                shape s[2] = {*w, *w};
                for (int k = 0; k < 2; k++)
                    for (int d = 0; d < w->rank; d++)
                        if (!(kept >> (k * w->rank + d) & 1)) s[k].dims[d] = 1;
                int64_t room[TAP_ND_ROOM * 3], n = count_of(w), cut = n * 5 / 7;
                char *base[3] = {big[0], big[1], big[2]}, *p[3];
                tap_nd nd;
                tap_nd_init(&nd, w->rank, w->dims, 3, room);
                CHECK(tap_nd_operand(&nd, 0, width, s[0].rank, s[0].dims));
                CHECK(tap_nd_operand(&nd, 1, width, s[1].rank, s[1].dims));
                CHECK(tap_nd_operand(&nd, 2, width, w->rank, w->dims));
                tap_nd_merge(&nd);
                memset(big[2], 0, sizeof big[2]);
                tap_nd_run(&nd, 0, cut, base, p, combine_bytes, NULL);
                tap_nd_run(&nd, cut, n, base, p, combine_bytes, NULL);
                int wrong = 0;
                for (int64_t i = 0; i < n; i++)
                    wrong += big[2][i * (int64_t)width] !=
                             (char)(big[0][reference(w, &s[0], i) * (int64_t)width] * 31 +
                                    big[1][reference(w, &s[1], i) * (int64_t)width]);
                CHECK_EQ(wrong, 0);
            }
}

static void shapes_that_clash(void) {
    int64_t room[TAP_ND_ROOM];
    tap_nd nd;
    tap_nd_init(&nd, 2, (int64_t[]){3, 4}, 1, room);
    CHECK(!tap_nd_operand(&nd, 0, 4, 2, (int64_t[]){3, 3}));
    CHECK(!tap_nd_operand(&nd, 0, 4, 1, (int64_t[]){3}));
    CHECK(!tap_nd_operand(&nd, 0, 4, 3, (int64_t[]){2, 3, 4}));
    CHECK(tap_nd_operand(&nd, 0, 4, 3, (int64_t[]){1, 3, 4}));
}

static void nothing_to_do(void) {
    int64_t room[TAP_ND_ROOM];
    int called = 0, *counter = &called;
    char *base[1] = {(char *)y}, *p[1];
    tap_nd nd;
    tap_nd_init(&nd, 2, (int64_t[]){0, 4}, 1, room);
    CHECK(tap_nd_operand(&nd, 0, 4, 2, (int64_t[]){0, 4}));
    tap_nd_merge(&nd);
    tap_nd_run(&nd, 0, 0, base, p, combine, &counter);
    CHECK_EQ(called, 0);
}

int main(void) {
    static const test_case tests[] = {TEST(shapes_merge_and_run), TEST(short_rows), TEST(shapes_that_clash),
                                      TEST(nothing_to_do)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
