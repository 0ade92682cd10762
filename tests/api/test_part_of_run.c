/* Values given on the way, runs that end early, runs of what is supported: on every value of models that hold
 * what could go wrong there. */
#include "fixture.h"

#include <stdlib.h>

static tap_session *session_of(tap_model *m, bool no_fusion, const char *tap) {
    tap_session_options o = {.size = sizeof o, .threads = 1, .no_fusion = no_fusion};
    tap_session *s = fixture_session(m, &o);
    if (s && tap) CHECK_EQ(tap_session_tap(s, tap, NULL, NULL), TAP_OK);
    return s;
}

static size_t index_of(const tap_model *m, const char *name) {
    for (size_t i = 0; i < tap_model_value_count(m); i++) {
        tap_value_info v = {.size = sizeof v};
        if (tap_model_value(m, i, &v) && strcmp(v.name, name) == 0) return i;
    }
    FAIL(name);
    return 0;
}

static bool same_outputs(const char *what, tap_session *a, tap_session *b, const tap_model *m) {
    for (size_t i = 0; i < tap_model_output_count(m); i++)
        if (!values_same(tap_session_output(a, i), tap_session_output(b, i))) {
            printf("output %s differs: %s\n", tap_model_output(m, i)->name, what);
            FAIL("not so: the outputs are the same");
            return false;
        }
    return true;
}

/* Another value of the same shape; NULL: of this kind there is none. */
static tap_value *changed(const tap_value *v) {
    const tap_tensor *t = tap_value_tensor(v);
    tap_value *y = NULL;
    if (!t || tap_tensor_dtype(t) != TAP_FLOAT || tap_tensor_count(t) == 0) return NULL;
    CHECK_EQ(tap_tensor_copy(t, &y, NULL), TAP_OK);
    float *p = tap_value_data(y);
    for (int64_t i = 0; p && i < tap_tensor_count(t); i++) p[i] = 0.5f * p[i] + 0.25f;
    return y;
}

/* With the value that it computes itself nothing is different; what is shown for it is what is given. */
static void set_as_it_is(tap_model *m, const reference *r, tap_session *whole, size_t k, const char *name) {
    size_t index;
    const char *shown;
    tap_value *v = (tap_value *)(uintptr_t)tap_session_tapped(whole, k, NULL, &index);
    for (int taps = 0; taps < 2; taps++) {
        tap_session *s = session_of(m, false, taps ? "all" : NULL);
        CHECK_EQ(tap_session_set(s, index, v, -1, NULL), TAP_OK);
        if (fixture_run(s, r)) same_outputs(name, whole, s, m);
        for (size_t i = 0; i < tap_session_tapped_count(s); i++) {
            const tap_value *y = tap_session_tapped(s, i, &shown, NULL);
            CHECK(values_same(y, tap_session_value(whole, shown)));
        }
        tap_session_free(s);
    }
}

/* Taps and fusion change nothing behind a value that is another one; taken back, all is as before. */
static void set_changed(tap_model *m, const reference *r, tap_session *whole, size_t k, const char *name) {
    size_t index;
    tap_value *v = changed(tap_session_tapped(whole, k, NULL, &index));
    if (!v) return;
    tap_session *a = session_of(m, false, NULL), *b = session_of(m, true, "all");
    CHECK_EQ(tap_session_set(a, index, v, -1, NULL), TAP_OK);
    CHECK_EQ(tap_session_set(b, index, v, -1, NULL), TAP_OK);
    if (fixture_run(a, r) && fixture_run(b, r)) same_outputs(name, a, b, m);
    CHECK(values_same(v, tap_session_value(b, name)));
    CHECK_EQ(tap_session_set(a, index, NULL, -1, NULL), TAP_OK);
    if (fixture_run(a, r)) same_outputs(name, whole, a, m);
    tap_session_free(a);
    tap_session_free(b);
    tap_value_release(v);
}

/* What is shown up to there is what it is in a whole run, and nothing beyond is shown. */
static void stop_after(tap_model *m, const reference *r, tap_session *whole, size_t k, const char *name) {
    size_t index, last;
    const char *shown;
    tap_runtime_info steps = {.size = sizeof steps}, all = {.size = sizeof all};
    tap_session_tapped(whole, k, NULL, &index);
    tap_session *s = session_of(m, false, "all");
    CHECK_EQ(tap_session_stop_after(s, &index, 1, NULL), TAP_OK);
    if (fixture_run(s, r)) CHECK(tap_session_value(s, name) != NULL);
    for (size_t i = 0; i < tap_session_tapped_count(s); i++) {
        const tap_value *y = tap_session_tapped(s, i, &shown, &last);
        CHECK(values_same(y, tap_session_value(whole, shown)));
    }
    tap_session_get_info(s, &steps);
    tap_session_get_info(whole, &all);
    CHECK(steps.steps <= all.steps);
    tap_session_free(s);
}

static void each_value(const char *fixture) {
    tap_model *m = fixture_open(fixture);
    reference r = reference_load(fixture);
    tap_session *whole = m ? session_of(m, true, "all") : NULL;
    if (whole && fixture_run(whole, &r))
        for (size_t k = 0; k < tap_session_tapped_count(whole); k++) {
            const char *name;
            size_t index;
            tap_value_info v = {.size = sizeof v};
            if (!tap_session_tapped(whole, k, &name, &index)) continue;
            CHECK(tap_model_value(m, index, &v));
            if (v.in_body) continue;
            set_as_it_is(m, &r, whole, k, name);
            set_changed(m, &r, whole, k, name);
            stop_after(m, &r, whole, k, name);
        }
    tap_session_free(whole);
    reference_free(&r);
    tap_model_free(m);
}

static void fixtures(void) {
    static const char *const names[] = {"arith",  "borders", "chain", "count",     "functions", "grow",
                                        "lists",  "loops",   "names", "recurrent", "sequences", "shapes",
                                        "values", "wide",    "forms", "zeros",     "turned"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) each_value(names[i]);
}

/* y = f(g(x)) cut at g: the nodes in front of it do not run, and x may be left out. */
static void nothing_needless(void) {
    tap_model *m = fixture_open("names"); /* a chain of 8 Neg */
    tap_session *s = m ? session_of(m, true, NULL) : NULL;
    tap_runtime_info info = {.size = sizeof info};
    tap_value *v = vector(2, (const float[]){1, -2}), *wrong = vector(3, (const float[]){1, 2, 3});
    tap_value *matrix = floats(2, (const int64_t[]){1, 2}, (const float[]){1, 2});
    tap_error err = TAP_ERROR_INIT;
    bool reaches = true;
    const char *blocker = "";
    if (!s) return;
    size_t t4 = index_of(m, "a..b"), x = index_of(m, "x");
    CHECK_EQ(tap_session_set(s, t4, matrix, -1, &err), TAP_DATA);
    CHECK_HAS(err.text, "value 'a..b' is set to float32[1,2], the model has float32[?]");
    CHECK_EQ(tap_session_set(s, t4, wrong, -1, &err), TAP_OK);
    CHECK_EQ(tap_session_run(s, NULL, 0, &err), TAP_DATA);
    CHECK_HAS(err.text, "value 'a..b' is set to float32[3], the node that it replaces makes float32[2]");
    CHECK_EQ(tap_session_set(s, 1000, v, -1, NULL), TAP_USAGE);
    CHECK_EQ(tap_session_set(s, t4, v, -1, NULL), TAP_OK);
    CHECK_EQ(tap_session_reaches(s, x, &reaches, &blocker, NULL), TAP_OK);
    CHECK(!reaches && !blocker);
    CHECK_EQ(tap_session_run(s, NULL, 0, &err), TAP_OK);
    CHECK(values_same(tap_session_output(s, 0), v)); /* 4 more */
    tap_session_get_info(s, &info);
    CHECK_EQ(info.steps, 4);
    size_t t6 = index_of(m, "input:0");
    CHECK_EQ(tap_session_stop_after(s, &t6, 1, NULL), TAP_OK);
    CHECK_EQ(tap_session_run(s, NULL, 0, &err), TAP_OK);
    CHECK(tap_session_output(s, 0) == NULL);
    tap_session_get_info(s, &info);
    CHECK_EQ(info.steps, 2);
    tap_session_free(s);
    tap_value_release(v);
    tap_value_release(wrong);
    tap_value_release(matrix);
    tap_model_free(m);
}

/* A weight, a value in a body for each iteration, a value that a body captures. */
static void odd_places(void) {
    tap_model *m = fixture_open("loops");
    reference r = reference_load("loops");
    tap_session *s = m ? session_of(m, false, "all") : NULL;
    tap_value *three = vector(3, (const float[]){3, 3, 3}), *one = NULL;
    if (!s) return;
    CHECK_EQ(tap_session_set(s, index_of(m, "grow/body/next"), three, -1, NULL), TAP_OK);
    if (fixture_run(s, &r)) {
        CHECK(values_same(tap_session_value(s, "last"), three));
        CHECK(values_same(tap_session_value(s, "grow/body/next[2]"), three));
    }
    CHECK_EQ(tap_session_set(s, index_of(m, "grow/body/next"), NULL, -1, NULL), TAP_OK);
    CHECK_EQ(tap_value_new(TAP_FLOAT, 1, (const int64_t[]){1}, &one, NULL), TAP_OK); /* half = 0 */
    CHECK_EQ(tap_session_set(s, index_of(m, "half"), one, -1, NULL), TAP_OK);
    if (fixture_run(s, &r)) {
        tap_value *zero = vector(3, (const float[]){0, 0, 0});
        CHECK(values_same(tap_session_value(s, "grow/body/pick/then_branch/t[1]"), zero));
        tap_value_release(zero);
    }
    CHECK_EQ(tap_session_set(s, index_of(m, "half"), NULL, -1, NULL), TAP_OK);
    if (fixture_run(s, &r))
        CHECK(values_close("last", tap_session_value(s, "last"), reference_find(&r, 'o', "last", NULL), 1e-5,
                           1e-6));
    tap_session_free(s);
    tap_value_release(three);
    tap_value_release(one);
    reference_free(&r);
    tap_model_free(m);
}

/* What a body made of a default is not kept where the input is given, or set, afterwards. */
static void other_than_its_default(void) {
    tap_model *m = fixture_open("defaults");
    tap_session *s = m ? session_of(m, false, NULL) : NULL;
    tap_value *x = vector(2, (const float[]){1, 2}), *scale = vector(2, (const float[]){5, 7});
    tap_value *by_default = vector(2, (const float[]){2, 6}), *given = vector(2, (const float[]){5, 14});
    if (!s) return;
    tap_input in[2] = {{"x", x}, {"scale", scale}};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(tap_session_run(s, in, 1, NULL), TAP_OK);
        CHECK(values_same(tap_session_output(s, 0), by_default));
        CHECK_EQ(tap_session_run(s, in, 2, NULL), TAP_OK);
        CHECK(values_same(tap_session_output(s, 0), given));
    }
    CHECK_EQ(tap_session_set(s, index_of(m, "scale"), scale, -1, NULL), TAP_OK);
    CHECK_EQ(tap_session_run(s, in, 1, NULL), TAP_OK);
    CHECK(values_same(tap_session_output(s, 0), given));
    tap_session_free(s);
    tap_value_release(x);
    tap_value_release(scale);
    tap_value_release(by_default);
    tap_value_release(given);
    tap_model_free(m);
}

static const test_case tests[] = {TEST(fixtures), TEST(nothing_needless), TEST(odd_places),
                                  TEST(other_than_its_default)};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
