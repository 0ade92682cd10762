/* Law 4: cost follows use. Memory does not grow with the number of runs, of samples, of iterations, nor with
 * what has been shown to a listener; a value that nobody taps stays inside its fused step. */
#include "fixture.h"

#include <stdlib.h>

typedef struct setup {
    tap_model *m;
    tap_session *s;
    reference r;
} setup;

static bool set_up(setup *x, const char *name) {
    *x = (setup){.m = fixture_open(name), .r = reference_load(name)};
    x->s = x->m ? fixture_session(x->m, NULL) : NULL;
    return x->s != NULL;
}

static void tear_down(setup *x) {
    tap_session_free(x->s);
    tap_model_free(x->m);
    reference_free(&x->r);
}

static uint64_t held(const setup *x) {
    tap_runtime_info info = {.size = sizeof info};
    tap_session_get_info(x->s, &info);
    return info.memory_bytes;
}

static uint64_t peak(const setup *x) {
    tap_runtime_info info = {.size = sizeof info};
    tap_session_get_info(x->s, &info);
    return info.memory_peak_bytes;
}

static int look(const tap_event *e, void *user) {
    size_t *n = user;
    *n += !e->ask;
    return TAP_WANT;
}

static const char *const names[] = {"arith",     "borders", "chain",  "count", "functions",
                                    "grow",      "lists",   "loops",  "names", "recurrent",
                                    "sequences", "shapes",  "values", "wide",  "forms"};

static void steady(const char *name, const char *tap, bool listen) {
    setup x;
    size_t seen = 0;
    if (!set_up(&x, name)) return;
    if (tap) CHECK_EQ(tap_session_tap(x.s, tap, NULL, NULL), TAP_OK);
    if (listen) tap_session_listen(x.s, look, &seen);
    /* Idle memory may be put to another use in the first few runs. */
    for (int i = 0; i < 5 && fixture_run(x.s, &x.r); i++) {
    }
    uint64_t before = held(&x), most = peak(&x);
    for (int i = 0; i < 100 && fixture_run(x.s, &x.r); i++) {
    }
    if (held(&x) != before)
        printf("%s: %llu bytes, then %llu\n", name, (unsigned long long)before, (unsigned long long)held(&x));
    CHECK_EQ(held(&x), before);
    CHECK_EQ(peak(&x), most);
    CHECK(!listen || seen >= 105);
    tear_down(&x);
}

static void many_runs(void) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) steady(names[i], NULL, false);
}
static void many_runs_tapped(void) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) steady(names[i], "all", true);
}
static void many_runs_kept(void) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) steady(names[i], "all", false);
}

/* ---- shapes ---- */

static void run_image(setup *x, int64_t n, int64_t h, int64_t w) {
    tap_value *v = NULL;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_value_new(TAP_FLOAT, 4, (const int64_t[]){n, 3, h, w}, &v, NULL), TAP_OK);
    CHECK_EQ(tap_session_run(x->s, (tap_input[]){{"image", v}}, 1, &err), TAP_OK);
    CHECK_STR(err.text, "");
    tap_value_release(v);
}

static void shapes_in_turn(void) {
    setup x;
    if (!set_up(&x, "chain")) return;
    for (int i = 0; i < 4; i++) run_image(&x, 1 + i, 16, 16);
    uint64_t before = held(&x);
    for (int i = 0; i < 40; i++) run_image(&x, 1 + i % 4, 16, 16);
    CHECK_EQ(held(&x), before);
    tear_down(&x);
}

/* Plans are kept for a few shapes, not for all there ever were. */
static void ever_new_shapes(void) {
    setup x;
    if (!set_up(&x, "chain")) return;
    run_image(&x, 1, 40, 40);
    for (int i = 0; i < 200; i++) run_image(&x, 1, 8 + i % 32, 9 + i % 31);
    uint64_t before = peak(&x); /* with what kernels take for themselves at any of these sizes */
    for (int i = 200; i < 800; i++) run_image(&x, 1, 8 + i % 32, 9 + i % 31);
    CHECK(peak(&x) <= before + before / 4);
    tear_down(&x);
}

/* ---- iterations ---- */

static void run_count(setup *x, int64_t n, int64_t trips, int64_t rows) {
    tap_value *v = NULL, *t = NULL, *r = NULL;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_value_new(TAP_FLOAT, 1, &n, &v, NULL), TAP_OK);
    CHECK_EQ(tap_value_new(TAP_INT64, 0, NULL, &t, NULL), TAP_OK);
    CHECK_EQ(tap_value_new(TAP_INT64, 0, NULL, &r, NULL), TAP_OK);
    *(int64_t *)tap_value_data(t) = trips;
    *(int64_t *)tap_value_data(r) = rows;
    CHECK_EQ(tap_session_run(x->s, (tap_input[]){{"x", v}, {"trips", t}, {"rows", r}}, 3, &err), TAP_OK);
    CHECK_STR(err.text, "");
    tap_value_release(v);
    tap_value_release(t);
    tap_value_release(r);
}

static void many_iterations(const char *tap) {
    setup x;
    size_t seen = 0;
    if (!set_up(&x, "count")) return;
    if (tap) CHECK_EQ(tap_session_tap(x.s, tap, NULL, NULL), TAP_OK);
    if (tap) tap_session_listen(x.s, look, &seen);
    run_count(&x, 50000, 10, 1);
    uint64_t before = peak(&x);
    run_count(&x, 50000, 300, 1);
    CHECK(peak(&x) < before + 4096); /* 200 kB an iteration */
    CHECK(!tap || seen >= 310);
    tear_down(&x);
}

static void iterations(void) {
    many_iterations(NULL);
}
static void iterations_tapped(void) {
    many_iterations("turn/body/*");
}

/* What a loop collects is there once while it runs and once in the end, not for each iteration anew. */
static void what_is_collected(void) {
    setup x;
    if (!set_up(&x, "count")) return;
    uint64_t before = held(&x);
    run_count(&x, 1000, 1, 1000);
    CHECK(peak(&x) - before < 3 * 4 * 1000 * 1000);
    tear_down(&x);
}

/* ---- taps ---- */

/* A tap on a large value that nobody wants costs no copy of it; one that is wanted is not kept for the
 * listener. */
static void a_tap_is_no_copy(void) {
    setup x;
    size_t seen = 0;
    uint64_t most[2];
    for (int i = 0; i < 2 && set_up(&x, "arith"); i++) {
        tap_value *v = NULL;
        CHECK_EQ(tap_value_new(TAP_FLOAT, 2, (const int64_t[]){100000, 3}, &v, NULL), TAP_OK);
        if (i) CHECK_EQ(tap_session_tap(x.s, "y", NULL, NULL), TAP_OK);
        if (i) tap_session_listen(x.s, look, &seen);
        CHECK_EQ(tap_session_run(x.s, (tap_input[]){{"x", v}}, 1, NULL), TAP_OK);
        most[i] = peak(&x);
        tap_value_release(v);
        tear_down(&x);
    }
    CHECK_EQ(seen, 1);
    CHECK(most[1] < most[0] + 300000 * 4 / 2);
}

static const test_case tests[] = {
    TEST(many_runs),         TEST(many_runs_tapped),  TEST(many_runs_kept),
    TEST(shapes_in_turn),    TEST(ever_new_shapes),   TEST(iterations),
    TEST(iterations_tapped), TEST(what_is_collected), TEST(a_tap_is_no_copy),
};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
