/* Law 5: a model is untrusted input. The memory limit is obeyed by opening and by running; what asks for more
 * than there is gets an error at once. (Malformed bytes: api/test_model and unit/test_wire; what a model may
 * read: unit/test_external.) */
#include "fixture.h"

#include <stdlib.h>
#include <time.h>

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct outcome {
    tap_status st;
    tap_error err;
    uint64_t peak;
} outcome;

/* Opens and runs under a limit; all that was held stays under it. */
static outcome run_limited(const char *name, const tap_input *in, size_t n, uint64_t limit, int threads) {
    tap_model_options mo = {.size = sizeof mo, .memory_limit_bytes = limit};
    tap_session_options so = {.size = sizeof so, .threads = threads};
    tap_runtime_info info = {.size = sizeof info};
    outcome o = {.err = TAP_ERROR_INIT};
    tap_model *m = NULL;
    tap_session *s = NULL;
    o.st = tap_model_open(fixture_path(name, ".onnx"), &mo, &m, &o.err);
    if (o.st == TAP_OK) o.st = tap_session_new(m, &so, &s, &o.err);
    if (o.st == TAP_OK) o.st = tap_session_run(s, in, n, &o.err);
    if (s) tap_session_get_info(s, &info);
    o.peak = info.memory_peak_bytes;
    CHECK(o.peak <= limit);
    CHECK_EQ(o.err.code, o.st);
    tap_session_free(s);
    tap_model_free(m);
    return o;
}

static void every_limit(const char *name, uint64_t step) {
    reference r = reference_load(name);
    tap_input in[8];
    size_t n = reference_inputs(&r, in, 8);
    int refused = 0;
    for (uint64_t limit = 1;; limit += step) {
        outcome o = run_limited(name, in, n, limit, 1);
        if (o.st == TAP_OK) break;
        refused++;
        CHECK_EQ(o.st, TAP_MEMORY);
        CHECK_HAS(o.err.text, "memory");
        if (limit > (UINT64_C(64) << 20)) {
            printf("%s: not under 64 MiB: %s\n", name, o.err.text);
            FAIL("not so: a small model runs in a little memory");
            break;
        }
    }
    CHECK(refused > 5);
    reference_free(&r);
}

static void limits(void) {
    static const char *const names[] = {"arith",     "branches", "chain", "functions", "loops",
                                        "recurrent", "values",   "wide",  "forms"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) every_limit(names[i], 20011);
}

/* ---- what grows without end ---- */

typedef struct asked {
    float x[2];
    int64_t trips, size[2];
} asked;

static outcome grow(const asked *a, uint64_t limit) {
    tap_value *x = NULL, *trips = NULL, *size = NULL;
    CHECK_EQ(tap_value_wrap(TAP_FLOAT, 1, (const int64_t[]){2}, a->x, &x, NULL), TAP_OK);
    CHECK_EQ(tap_value_wrap(TAP_INT64, 0, NULL, &a->trips, &trips, NULL), TAP_OK);
    CHECK_EQ(tap_value_wrap(TAP_INT64, 1, (const int64_t[]){2}, a->size, &size, NULL), TAP_OK);
    outcome o = run_limited("grow", (tap_input[]){{"x", x}, {"trips", trips}, {"size", size}}, 3, limit, 2);
    tap_value_release(x);
    tap_value_release(trips);
    tap_value_release(size);
    return o;
}

static void refused(const asked *a, tap_status code, const char *node, const char *part) {
    double start = seconds();
    outcome o = grow(a, UINT64_C(64) << 20);
    CHECK_EQ(o.st, code);
    CHECK_STR(o.err.node, node);
    CHECK_HAS(o.err.text, part);
    CHECK(seconds() - start < 20); /* a second, but for sanitizers and busy machines */
}

static void a_tensor_that_doubles(void) {
    outcome o = grow(&(asked){{1, 2}, 10, {1, 1}}, UINT64_C(64) << 20);
    CHECK_EQ(o.st, TAP_OK);
    refused(&(asked){{1, 2}, 60, {1, 1}}, TAP_MEMORY, "double/body/join", "(--memory-limit)");
    refused(&(asked){{1, 2}, INT64_MAX, {1, 1}}, TAP_MEMORY, "double/body/join", "(--memory-limit)");
}

static void a_size_from_the_input(void) {
    refused(&(asked){{1, 2}, 1, {1 << 20, 1 << 20}}, TAP_MEMORY, "fill", "float32[1048576,1048576]");
    refused(&(asked){{1, 2}, 1, {INT64_C(1) << 40, INT64_C(1) << 40}}, TAP_RUN, "fill", "overflow");
    refused(&(asked){{1, 2}, 1, {INT64_MAX, 1}}, TAP_RUN, "fill", "overflow");
    refused(&(asked){{1, 2}, 1, {-1, 4}}, TAP_RUN, "fill", "-1");
    outcome o =
        grow(&(asked){{1, 2}, 1, {INT64_C(1) << 40, 0}}, UINT64_C(64) << 20); /* no elements, no memory */
    CHECK_EQ(o.st, TAP_OK);
}

static outcome count(int64_t n, int64_t trips, int64_t rows, uint64_t limit) {
    tap_value *x = NULL, *t = NULL, *r = NULL;
    CHECK_EQ(tap_value_new(TAP_FLOAT, 1, &n, &x, NULL), TAP_OK);
    CHECK_EQ(tap_value_wrap(TAP_INT64, 0, NULL, &trips, &t, NULL), TAP_OK);
    CHECK_EQ(tap_value_wrap(TAP_INT64, 0, NULL, &rows, &r, NULL), TAP_OK);
    outcome o = run_limited("count", (tap_input[]){{"x", x}, {"trips", t}, {"rows", r}}, 3, limit, 1);
    tap_value_release(x);
    tap_value_release(t);
    tap_value_release(r);
    return o;
}

static void what_a_loop_collects(void) {
    double start = seconds();
    outcome o = count(10000, 1, INT64_MAX, UINT64_C(64) << 20);
    CHECK_EQ(o.st, TAP_MEMORY);
    CHECK_HAS(o.err.text, "collect");
    CHECK(seconds() - start < 20);
    o = count(10000, 1, -5, UINT64_C(64) << 20); /* no iterations */
    CHECK_EQ(o.st, TAP_OK);
}

/* Where nothing grows only the program can tell when it is enough: a listener stops it. */
static int stop_later(const tap_event *e, void *user) {
    int *n = user;
    (void)e;
    return ++*n > 2000 ? TAP_STOP : TAP_SKIP;
}

static void a_loop_without_end(void) {
    tap_model *m = fixture_open("count");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    reference r = reference_load("count");
    tap_input in[8];
    size_t n = reference_inputs(&r, in, 8);
    int64_t for_ever = INT64_MAX;
    int asked_times = 0;
    tap_value *trips = NULL;
    CHECK_EQ(tap_value_wrap(TAP_INT64, 0, NULL, &for_ever, &trips, NULL), TAP_OK);
    for (size_t i = 0; i < n; i++)
        if (strcmp(in[i].name, "trips") == 0) in[i].value = trips;
    if (s) {
        CHECK_EQ(tap_session_tap(s, "turn/body/less", NULL, NULL), TAP_OK);
        tap_session_listen(s, stop_later, &asked_times);
        CHECK_EQ(tap_session_run(s, in, n, NULL), TAP_CANCELLED);
        CHECK_EQ(asked_times, 2001);
    }
    tap_value_release(trips);
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
}

/* ---- opening ---- */

static void functions_that_explode(void) {
    tap_model_options mo = {.size = sizeof mo, .memory_limit_bytes = UINT64_C(64) << 20};
    tap_error err = TAP_ERROR_INIT;
    tap_model *m = NULL;
    double start = seconds();
    CHECK_EQ(tap_model_open(fixture_path("broken_explosion", ".onnx"), &mo, &m, &err), TAP_MODEL);
    CHECK(seconds() - start < 5);
    CHECK_EQ(tap_model_open(fixture_path("broken_recursion", ".onnx"), &mo, &m, &err), TAP_MODEL);
    CHECK_EQ(tap_model_open(fixture_path("broken_cycle", ".onnx"), &mo, &m, &err), TAP_MODEL);
}

static const test_case tests[] = {
    TEST(limits),
    TEST(a_tensor_that_doubles),
    TEST(a_size_from_the_input),
    TEST(what_a_loop_collects),
    TEST(a_loop_without_end),
    TEST(functions_that_explode),
};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
