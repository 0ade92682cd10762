/* Law 1 on models that hold what could break it: image chains with fused epilogues, softmax and long
 * reductions, recurrent layers, bodies and functions, sequences and strings. */
#include "bits.h"
#include "fixture.h"

#include <onnxtap/record.h>
#include <stdlib.h>

enum { INPUTS = 3, OTHERS = 20 };

typedef struct given {
    const char *name;
    int rank;
    int64_t dims[4], step[4]; /* step: from one other shape to the next */
} given;

static const tap_value *filled(const given *g, int other) {
    tap_fill_options o = {
        .size = sizeof o, .fill = TAP_FILL_RANDOM, .seed = 11, .ranged = true, .lo = -2, .hi = 2};
    int64_t dims[4];
    tap_value *v = NULL;
    for (int k = 0; k < g->rank; k++) dims[k] = g->dims[k] + other * g->step[k];
    CHECK_EQ(tap_value_fill(TAP_FLOAT, g->rank, dims, &o, &v, NULL), TAP_OK);
    return v;
}

static void check(const char *name, const given *g, size_t n) {
    tap_input in[(OTHERS + 1) * INPUTS];
    tap_model *m = fixture_open(name);
    if (!m) return;
    for (int o = 0; o <= OTHERS; o++)
        for (size_t i = 0; i < n; i++) in[(size_t)o * n + i] = (tap_input){g[i].name, filled(&g[i], o)};
    bits_subject x = {name, m, in, n, in + n, 1000};
    CHECK_EQ(bits_check(&x), 0);
    for (size_t i = 0; i < (OTHERS + 1) * n; i++) tap_value_release((tap_value *)(uintptr_t)in[i].value);
    tap_model_free(m);
}

/* With the inputs of its reference. */
static void check_as_it_is(const char *name) {
    tap_input in[8];
    tap_model *m = fixture_open(name);
    reference r = reference_load(name);
    if (!m) return;
    bits_subject x = {name, m, in, reference_inputs(&r, in, 8), NULL, 1000};
    CHECK_EQ(bits_check(&x), 0);
    reference_free(&r);
    tap_model_free(m);
}

static size_t fused_steps(const char *name, bool no_fusion, const char *tap) {
    tap_session_options o = {.size = sizeof o, .threads = 1, .no_fusion = no_fusion};
    tap_runtime_info info = {.size = sizeof info};
    tap_model *m = fixture_open(name);
    tap_session *s = m ? fixture_session(m, &o) : NULL;
    reference r = reference_load(name);
    if (s && tap) CHECK_EQ(tap_session_tap(s, tap, NULL, NULL), TAP_OK);
    if (s && fixture_run(s, &r)) tap_session_get_info(s, &info);
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
    return info.fused_steps;
}

/* Otherwise there would be nothing to compare. */
static void fusion_happens(void) {
    CHECK(fused_steps("chain", false, NULL) >= 5);
    CHECK_EQ(fused_steps("chain", true, NULL), 0);
    CHECK_EQ(fused_steps("chain", false, "all"), 0);
    CHECK(fused_steps("chain", false, "n1") < fused_steps("chain", false, NULL));
    CHECK(fused_steps("wide", false, NULL) >= 2);
}

/* A value that meets itself again stays in its kernel, unless somebody looks at it or at what lies between.
 */
static void branches_are_fused(void) {
    const size_t all = fused_steps("branches", false, NULL);
    CHECK(all >= 18);
    CHECK_EQ(fused_steps("branches", false, "s1"), all - 2);
    CHECK_EQ(fused_steps("branches", false, "c1"), all - 1);
    CHECK_EQ(fused_steps("branches", false, "swish1"), all);
}

static void chain(void) {
    check("chain", &(given){"image", 4, {2, 3, 37, 29}, {0, 0, 1, 1}}, 1);
    check("chain", &(given){"image", 4, {1, 3, 8, 8}, {1, 0, 0, 0}}, 1);
}
static void branches(void) {
    check("branches", &(given){"image", 4, {2, 3, 37, 29}, {0, 0, 1, 1}}, 1);
    check("branches", &(given){"image", 4, {1, 3, 150, 8}, {1, 0, 0, 0}}, 1);
}
static void lists(void) {
    check("lists", &(given){"x", 2, {67, 40}, {1, 0}}, 1);
}
static void wide(void) {
    check("wide", (given[]){{"x", 2, {33, 3001}, {1, 0}}, {"w", 2, {3001, 65}, {0, 0}}}, 2);
    check("wide", (given[]){{"x", 2, {2, 70001}, {0, 3}}, {"w", 2, {70001, 3}, {3, 0}}}, 2);
}
static void forms(void) {
    check("forms", &(given){"image", 4, {2, 4, 9, 33}, {0, 0, 1, 1}}, 1);
}

static void turned(void) {
    check("turned", &(given){"image", 4, {2, 9, 33, 3}, {0, 1, 1, 0}}, 1);
}

static void zeros(void) {
    check("zeros", &(given){"image", 4, {2, 3, 9, 33}, {0, 0, 1, 1}}, 1);
    check("zeros", &(given){"image", 4, {1, 3, 40, 8}, {1, 0, 0, 0}}, 1);
}

static void recurrent(void) {
    check("recurrent", &(given){"x", 3, {9, 5, 3}, {1, 1, 0}}, 1);
}
static void arith(void) {
    check("arith", &(given){"x", 2, {40007, 3}, {1, 0}}, 1);
}
static void shapes(void) {
    check("shapes", &(given){"x", 2, {50, 31}, {1, 2}}, 1);
}
static void bodies(void) {
    check_as_it_is("loops");
    check_as_it_is("functions");
}
static void kinds(void) {
    check_as_it_is("sequences");
    check_as_it_is("values");
    check_as_it_is("borders");
}

static const test_case tests[] = {
    TEST(fusion_happens), TEST(branches_are_fused),
    TEST(chain),          TEST(branches),
    TEST(lists),          TEST(wide),
    TEST(recurrent),      TEST(arith),
    TEST(shapes),         TEST(forms),
    TEST(bodies),         TEST(kinds),
    TEST(turned),         TEST(zeros),
};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
