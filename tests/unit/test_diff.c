/* The inside of a comparison: measures, and pairing the values of two models. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "diff/align.h"
#include "test.h"

static tap_value *floats(int64_t rows, int64_t cols, const float *x) {
    int64_t dims[] = {rows, cols};
    tap_value *v = NULL;
    tap_value_new(TAP_FLOAT, 2, dims, &v, NULL);
    memcpy(tap_value_data(v), x, (size_t)(rows * cols) * sizeof *x);
    return v;
}

static tap_measure measure(const float *a, const float *b, int64_t rows, int64_t cols, tap_tolerance profile,
                           double rtol, double atol) {
    tap_measure m = {.size = sizeof m};
    tap_value *x = floats(rows, cols, a), *y = floats(rows, cols, b);
    CHECK(tap_measure_tensors(tap_value_tensor(x), tap_value_tensor(y), profile, rtol, atol, &m, NULL) ==
          TAP_OK);
    tap_value_release(x);
    tap_value_release(y);
    return m;
}

static void measures(void) {
    const float a[] = {1, 2, 3, 4.5f, -1, 0}, b[] = {1, 2, 3, 4, -1, 0.25f};
    tap_measure m = measure(a, b, 2, 3, TAP_TOLERANCE_NUMPY, 0.1, 0.1);
    CHECK(m.count == 6 && m.differing == 2 && m.nonfinite == 0);
    CHECK(m.max_abs == 0.5 && m.worst == 3 && m.worst_a == 4.5 && m.worst_b == 4);
    CHECK(fabs(m.mean_abs - 0.125) < 1e-12);
    CHECK(m.max_rel == 1);
    CHECK(m.outside == 1); /* 0.5 is not beyond 0.1 + 0.4, 0.25 is beyond 0.125 */
    CHECK(fabs(m.pass_rtol - 0.6) < 1e-9 && fabs(m.pass_atol - 0.225) < 1e-6);
    CHECK(m.rows == 2 && m.worst_row == 1 && m.least_row == 0);
    CHECK(fabs(m.snr_db - 10 * log10((1 + 4 + 9 + 16 + 1 + 0.0625) / 0.3125)) < 1e-9);
    CHECK(m.max_ulp == 0.25 / ldexp(1, -25));
    CHECK(m.top1 == 1);
    /* The larger of both bounds: 0.5 > 0.4. */
    CHECK(measure(a, b, 2, 3, TAP_TOLERANCE_POLYGRAPHY, 0.1, 0.1).outside == 2);
    m = measure(a, a, 2, 3, TAP_TOLERANCE_NUMPY, 0, 0);
    CHECK(m.outside == 0 && m.max_abs == 0 && isinf(m.snr_db) && m.cosine > 0.999999 && m.p99 == 0 &&
          m.worst == -1);
}

static void nonfinite(void) {
    const float a[] = {NAN, INFINITY, 1, 2}, b[] = {NAN, INFINITY, 1, 2}, c[] = {NAN, -INFINITY, NAN, 2};
    CHECK(measure(a, b, 2, 2, TAP_TOLERANCE_NUMPY, 0, 0).outside == 0);
    tap_measure m = measure(a, c, 2, 2, TAP_TOLERANCE_NUMPY, 1, 1);
    CHECK(m.nonfinite == 2 && m.outside == 2 && m.worst == 1);
}

static void integers(void) {
    int64_t n = 2, x[] = {INT64_C(9007199254740993), 5}, y[] = {INT64_C(9007199254740992), 5};
    tap_value *a = NULL, *b = NULL;
    tap_measure m = {.size = sizeof m};
    tap_value_wrap(TAP_INT64, 1, &n, x, &a, NULL);
    tap_value_wrap(TAP_INT64, 1, &n, y, &b, NULL);
    CHECK(tap_measure_tensors(tap_value_tensor(a), tap_value_tensor(b), TAP_TOLERANCE_NUMPY, 1, 1, &m,
                              NULL) == TAP_OK);
    CHECK(m.outside == 1 && m.worst == 0); /* exact, whatever the tolerance */
    int64_t three = 3;
    tap_value *c = NULL;
    tap_value_new(TAP_INT64, 1, &three, &c, NULL);
    CHECK(tap_measure_tensors(tap_value_tensor(a), tap_value_tensor(c), TAP_TOLERANCE_NUMPY, 1, 1, &m,
                              NULL) == TAP_DATA);
    tap_value_release(a);
    tap_value_release(b);
    tap_value_release(c);
}

static void profiles(void) {
    tap_tolerance t;
    double rtol, atol;
    CHECK(tap_tolerance_from_name("onnx", &t) && t == TAP_TOLERANCE_ONNX);
    CHECK(!tap_tolerance_from_name("exact", &t));
    tap_tolerance_default(TAP_TOLERANCE_ONNX, &rtol, &atol);
    CHECK(rtol == 1e-3 && atol == 1e-7);
}

/* ---- alignment ---- */

static tap_trait trait(size_t at, const char *name, const char *op, float from) {
    tap_trait t = {.at = at, .name = name, .op = op};
    float x[16];
    for (int i = 0; i < 16; i++) x[i] = from + (float)((i * 7) % 16) * from;
    tap_value *v = floats(2, 8, x);
    tap_trait_measure(&t, tap_value_tensor(v));
    tap_value_release(v);
    return t;
}

static bool paired(const tap_match_list *l, size_t value, size_t ref, tap_paired_by by) {
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].value == value) return l->items[i].ref == ref && l->items[i].by == by;
    return false;
}

static void alignment(void) {
    /* The model has a node that the reference has not, counted names that differ, and another result from its
     * third value on. */
    tap_trait mine[] = {trait(0, "a/Conv:0", "Conv", 1), trait(1, "Cast__7:0", "Cast", 50),
                        trait(2, "Relu__8:0", "Relu", 2), trait(3, "Conv__9:0", "Conv", 3),
                        trait(4, "b/Add:0", "Add", 4)};
    tap_trait theirs[] = {trait(0, "a/Conv:0", "Conv", 1), trait(1, "Relu__3:0", "Relu", 2),
                          trait(2, "Conv__8:0", "Conv", 9), trait(3, "c/Add:0", "Add", 11)};
    tap_arena arena;
    tap_arena_init(&arena, NULL);
    tap_match_list l = {.arena = &arena, .used = tap_arena_array(&arena, 8, 1)};
    CHECK(tap_align(NULL, mine, 5, theirs, 4, &l, NULL) == TAP_OK);
    CHECK(paired(&l, 0, 0, TAP_BY_NAME));
    CHECK(paired(&l, 2, 1, TAP_BY_VALUES));
    CHECK(paired(&l, 3, 2, TAP_BY_STRUCTURE));
    CHECK(l.n == 3); /* an Add of another name with other numbers is a guess: not paired */
    tap_mem_free(NULL, l.items);
    tap_arena_clear(&arena);
}

int main(void) {
    static const test_case tests[] = {TEST(measures), TEST(nonfinite), TEST(integers), TEST(profiles),
                                      TEST(alignment)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
