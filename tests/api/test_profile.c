/* Spans: they follow each other without a gap, name what ran, and change nothing. */
#include "fixture.h"

#include <string.h>

#include <onnxtap/profile.h>

typedef struct sums {
    size_t nodes, with, layouts, taps, begins, ends, inside;
    uint64_t end_ns;
} sums;

/* Spans in the order in which they ended: one of the main graph begins where the one before it ended. */
static sums spans_of(const tap_session *s) {
    sums all = {0};
    tap_span x = {.size = sizeof x};
    for (size_t i = 0; tap_session_span(s, i, &x); i++) {
        CHECK(x.begin_ns <= x.end_ns);
        all.nodes += x.kind == TAP_SPAN_NODE;
        all.with += x.n_with;
        all.layouts += x.kind == TAP_SPAN_LAYOUT;
        all.taps += x.kind == TAP_SPAN_TAP;
        all.begins += x.kind == TAP_SPAN_BEGIN;
        all.ends += x.kind == TAP_SPAN_END;
        all.inside += x.depth > 0;
        CHECK(x.kind != TAP_SPAN_NODE || x.op[0]);
        if (x.depth > 0) continue;
        CHECK(x.begin_ns == all.end_ns);
        all.end_ns = x.end_ns;
    }
    return all;
}

static sums run(const char *model, const char *tap, bool no_fusion) {
    tap_model *m = fixture_open(model);
    tap_session_options o = {.size = sizeof o, .threads = 1, .no_fusion = no_fusion};
    tap_session *s = m ? fixture_session(m, &o) : NULL;
    reference r = reference_load(model);
    sums all = {0};
    if (s && (!tap || tap_session_tap(s, tap, NULL, NULL) == TAP_OK)) {
        CHECK(fixture_run(s, &r));
        CHECK(spans_of(s).nodes == 0);
        tap_session_profile(s, true);
        for (int i = 0; i < 2; i++) {
            CHECK(fixture_run(s, &r));
            all = spans_of(s);
        }
        const char *port = tap_model_output(m, 0)->name;
        CHECK(values_close(port, tap_session_output(s, 0), reference_find(&r, 'o', port, NULL), 1e-5, 1e-6));
        tap_session_profile(s, false);
        CHECK(fixture_run(s, &r));
        CHECK(spans_of(s).nodes == 0);
    }
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
    return all;
}

/* x * scale + bias, Relu: as one, or as three. */
static void fused_and_not(void) {
    sums fused = run("arith", NULL, false), apart = run("arith", NULL, true);
    CHECK(fused.nodes + fused.with == apart.nodes && apart.with == 0);
    CHECK(fused.with > 0);
    CHECK(fused.begins == 1 && fused.ends == 1 && fused.taps == 0);
}

static void taps_have_spans(void) {
    CHECK(run("arith", "all", false).taps > 0);
}

/* Between the two orders of axes that images have, a Transpose is the order that the convolution wants. */
static void transposes_move_nothing(void) {
    CHECK(run("turned", NULL, false).layouts == 0);
    CHECK(run("turned", NULL, true).layouts == 0);
}

static void bodies_are_inside(void) {
    sums x = run("loops", NULL, false);
    CHECK(x.inside > 0 && x.begins > 1 && x.ends == 1);
}

static void a_trace_that_cannot_be_written(void) {
    tap_model *m = fixture_open("arith");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    tap_error err = TAP_ERROR_INIT;
    CHECK(s && tap_session_write_trace(s, "no/such/folder/trace.json", &err) == TAP_IO);
    tap_session_free(s);
    tap_model_free(m);
}

static const test_case tests[] = {
    TEST(fused_and_not),
    TEST(taps_have_spans),
    TEST(transposes_move_nothing),
    TEST(bodies_are_inside),
    TEST(a_trace_that_cannot_be_written),
};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
