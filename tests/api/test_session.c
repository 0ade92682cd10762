/* Sessions: running, results, several input shapes, what is refused and with which words. */
#include "fixture.h"

#include <stdlib.h>

typedef struct setup {
    tap_model *m;
    tap_session *s;
    reference r;
    tap_error err;
} setup;

static bool set_up(setup *x, const char *name) {
    *x = (setup){.m = fixture_open(name), .err = TAP_ERROR_INIT};
    x->r = reference_load(name);
    x->s = x->m ? fixture_session(x->m, NULL) : NULL;
    return x->s != NULL;
}

static void tear_down(setup *x) {
    tap_session_free(x->s);
    tap_model_free(x->m);
    reference_free(&x->r);
}

/* Runs, and expects each output as the reference has it. */
static void outputs_as_in_reference(const char *name) {
    setup x;
    if (!set_up(&x, name)) return;
    for (int i = 0; i < 3 && fixture_run(x.s, &x.r); i++) {
        for (size_t k = 0; k < tap_model_output_count(x.m); k++) {
            const char *port = tap_model_output(x.m, k)->name;
            const tap_value *y = tap_session_output(x.s, k), *want = reference_find(&x.r, 'o', port, NULL);
            CHECK(values_close(port, y, want, 1e-5, 1e-6));
            CHECK(tap_session_value(x.s, port) == y);
        }
        CHECK(tap_session_output(x.s, tap_model_output_count(x.m)) == NULL);
    }
    tear_down(&x);
}

static void fixtures(void) {
    static const char *const names[] = {"arith", "borders", "branches",  "chain",     "functions", "lists",
                                        "loops", "names",   "recurrent", "sequences", "shapes",    "values"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) outputs_as_in_reference(names[i]);
}

/* arith: y = relu(x * {0.5, 1, -2} + bias) */
static tap_status run_arith(setup *x, tap_value *in, tap_value *bias) {
    tap_input inputs[2] = {{"x", in}, {"bias", bias}};
    return tap_session_run(x->s, inputs, bias ? 2 : 1, &x->err);
}

static float at(const tap_value *v, int i) {
    return ((const float *)tap_tensor_data(tap_value_tensor(v)))[i];
}

static void a_default_and_its_replacement(void) {
    setup x;
    if (!set_up(&x, "arith")) return;
    tap_value *in = floats(2, (const int64_t[]){1, 3}, (const float[]){2, 2, 2});
    tap_value *bias = vector(3, (const float[]){10, 20, 30});
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(run_arith(&x, in, NULL), TAP_OK);
        CHECK(at(tap_session_output(x.s, 0), 0) == 1.25f);
        CHECK_EQ(run_arith(&x, in, bias), TAP_OK);
        CHECK(at(tap_session_output(x.s, 0), 0) == 11);
        CHECK(at(tap_session_output(x.s, 0), 2) == 26);
    }
    tap_value_release(in);
    tap_value_release(bias);
    tear_down(&x);
}

static tap_value *rows(int64_t n) {
    tap_value *v = NULL;
    CHECK_EQ(tap_value_new(TAP_FLOAT, 2, (const int64_t[]){n, 3}, &v, NULL), TAP_OK);
    float *data = tap_value_data(v);
    for (int64_t i = 0; i < 3 * n; i++) data[i] = (float)i;
    return v;
}

static void expect_rows(setup *x, int64_t n) {
    tap_value *in = rows(n);
    CHECK_EQ(run_arith(x, in, NULL), TAP_OK);
    const tap_tensor *y = tap_value_tensor(tap_session_output(x->s, 0));
    CHECK_EQ(tap_tensor_dims(y)[0], n);
    const float *data = tap_tensor_data(y);
    for (int64_t i = 0; i < n; i++) CHECK(data[3 * i] == (float)(3 * i) * 0.5f + 0.25f);
    tap_value_release(in);
}

static void many_shapes(void) {
    setup x;
    tap_runtime_info info = {.size = sizeof info};
    if (!set_up(&x, "arith")) return;
    for (int64_t n = 0; n < 5; n++) expect_rows(&x, n);
    tap_session_get_info(x.s, &info);
    CHECK_EQ(info.plans, 5); /* a plan for each */
    for (int64_t n = 4; n >= 0; n--) expect_rows(&x, n);
    tap_session_get_info(x.s, &info);
    CHECK_EQ(info.plans, 5); /* found again */
    for (int64_t n = 0; n < 100; n++) expect_rows(&x, n);
    tap_session_get_info(x.s, &info);
    CHECK(info.plans < 20); /* not one for each of a hundred */
    expect_rows(&x, 1000);
    tear_down(&x);
}

static void refused_run(setup *x, const tap_input *in, size_t n, tap_status code, const char *tensor,
                        const char *text) {
    x->err = (tap_error)TAP_ERROR_INIT;
    CHECK_EQ(tap_session_run(x->s, in, n, &x->err), code);
    CHECK_EQ(x->err.code, code);
    CHECK_STR(x->err.tensor, tensor);
    CHECK_STR(x->err.text, text);
    CHECK(tap_session_output(x->s, 0) == NULL);
    CHECK_EQ(tap_session_run(x->s, in, n, NULL), code);
    expect_rows(x, 2); /* and nothing is broken */
}

static void wrong_inputs(void) {
    setup x;
    if (!set_up(&x, "arith")) return;
    tap_value *fine = rows(2), *flat = vector(3, (const float[]){1, 2, 3}), *whole = NULL, *seq = NULL;
    tap_value *wide = floats(2, (const int64_t[]){1, 4}, (const float[]){1, 2, 3, 4});
    CHECK_EQ(tap_value_new(TAP_INT32, 2, (const int64_t[]){1, 3}, &whole, NULL), TAP_OK);
    CHECK_EQ(tap_value_new_sequence(NULL, 0, TAP_FLOAT, &seq, NULL), TAP_OK);
    refused_run(&x, NULL, 0, TAP_USAGE, "x", "input 'x' (float32[?,3]) is missing");
    refused_run(&x, (tap_input[]){{"x", NULL}}, 1, TAP_USAGE, "x", "input 'x' (float32[?,3]) is missing");
    refused_run(&x, (tap_input[]){{"x", fine}, {"z", fine}}, 2, TAP_USAGE, "z",
                "the model has no input 'z'; its inputs are: x, bias");
    refused_run(&x, (tap_input[]){{"scale", flat}}, 1, TAP_USAGE, "scale",
                "the model has no input 'scale'; its inputs are: x, bias");
    refused_run(&x, (tap_input[]){{"x", flat}}, 1, TAP_DATA, "x",
                "input 'x' is float32[3], the model takes float32[?,3]");
    refused_run(&x, (tap_input[]){{"x", wide}}, 1, TAP_DATA, "x",
                "input 'x' is float32[1,4], the model takes float32[?,3]");
    refused_run(&x, (tap_input[]){{"x", whole}}, 1, TAP_DATA, "x",
                "input 'x' is int32[1,3], the model takes float32[?,3] (--cast converts)");
    refused_run(&x, (tap_input[]){{"x", seq}}, 1, TAP_DATA, "x",
                "input 'x' is sequence(float32[...]), the model takes float32[?,3]");
    refused_run(&x, (tap_input[]){{"x", fine}, {"x", fine}}, 2, TAP_USAGE, "x", "input 'x' is given twice");
    tap_value_release(fine);
    tap_value_release(flat);
    tap_value_release(wide);
    tap_value_release(whole);
    tap_value_release(seq);
    tear_down(&x);
}

/* values: kinds that are no tensors are checked, too. */
static void wrong_kinds(void) {
    setup x;
    if (!set_up(&x, "sequences")) return;
    tap_value *one = vector(2, (const float[]){1, 2}), *ints = NULL, *items[2], *seq = NULL;
    CHECK_EQ(tap_value_new(TAP_INT64, 1, (const int64_t[]){2}, &ints, NULL), TAP_OK);
    CHECK_EQ(tap_session_run(x.s, (tap_input[]){{"list", one}}, 1, &x.err), TAP_DATA);
    CHECK_STR(x.err.text, "input 'list' is float32[2], the model takes sequence(float32[2])");
    items[0] = ints;
    CHECK_EQ(tap_value_new_sequence(items, 1, TAP_INT64, &seq, NULL), TAP_OK);
    CHECK_EQ(tap_session_run(x.s, (tap_input[]){{"list", seq}}, 1, &x.err), TAP_DATA);
    CHECK_STR(x.err.text, "input 'list' is sequence(int64[2]), the model takes sequence(float32[2])");
    tap_value_release(seq);
    items[0] = one;
    CHECK_EQ(tap_value_new_sequence(items, 1, TAP_FLOAT, &seq, NULL), TAP_OK);
    CHECK_EQ(tap_session_run(x.s, (tap_input[]){{"list", seq}}, 1, &x.err), TAP_OK);
    CHECK_EQ(tap_value_length(tap_session_output(x.s, 0)), 2);
    CHECK(tap_session_output(x.s, 1) == NULL); /* the optional was not given, and is handed on */
    CHECK_EQ(tap_session_run(x.s, (tap_input[]){{"list", seq}, {"maybe", tap_value_item(seq, 0)}}, 2, &x.err),
             TAP_OK);
    CHECK(values_same(tap_session_output(x.s, 1), tap_value_item(seq, 0)));
    CHECK_EQ(tap_session_run(x.s, (tap_input[]){{"list", seq}, {"maybe", seq}}, 2, &x.err), TAP_DATA);
    CHECK_STR(x.err.text, "input 'maybe' is sequence(float32[2]), the model takes optional(float32[2])");
    tap_value_release(seq);
    tear_down(&x);
}

/* An output that is an input stays readable when the caller has let go of the input, and is not changed with
 * it. */
static void outputs_that_are_inputs(void) {
    setup x;
    if (!set_up(&x, "borders")) return;
    float data[3] = {1, 2, 3};
    tap_value *in = NULL, *unused = NULL;
    CHECK_EQ(tap_value_wrap(TAP_FLOAT, 1, (const int64_t[]){3}, data, &in, NULL), TAP_OK);
    CHECK_EQ(tap_value_new(TAP_INT64, 1, (const int64_t[]){2}, &unused, NULL), TAP_OK);
    CHECK_EQ(tap_session_run(x.s, (tap_input[]){{"x", in}, {"unused", unused}}, 2, &x.err), TAP_OK);
    tap_value_release(in);
    tap_value_release(unused);
    data[0] = data[1] = data[2] = 77;
    CHECK(at(tap_session_output(x.s, 0), 0) == 1);
    CHECK(at(tap_session_value(x.s, "view"), 2) == 3);
    CHECK(at(tap_session_value(x.s, "y"), 1) == 4);
    CHECK(at(tap_session_value(x.s, "weight"), 1) == 4);
    tear_down(&x);
}

/* Memory at any address will do. */
static void inputs_at_odd_addresses(void) {
    setup x;
    if (!set_up(&x, "arith")) return;
    char room[64];
    const float data[3] = {2, 4, 6};
    for (int shift = 0; shift < 8; shift++) {
        tap_value *in = NULL;
        memcpy(room + shift, data, sizeof data);
        CHECK_EQ(tap_value_wrap(TAP_FLOAT, 2, (const int64_t[]){1, 3}, room + shift, &in, NULL), TAP_OK);
        CHECK_EQ(run_arith(&x, in, NULL), TAP_OK);
        CHECK(at(tap_session_output(x.s, 0), 1) == 3);
        tap_value_release(in);
    }
    tear_down(&x);
}

static void options(void) {
    tap_model *m = fixture_open("arith");
    tap_runtime_info info = {.size = sizeof info};
    tap_session_options three = {.size = sizeof three, .threads = 3},
                        older = {.size = offsetof(tap_session_options, no_fusion), .threads = 2};
    tap_session *s = m ? fixture_session(m, &three) : NULL;
    if (s) {
        tap_session_get_info(s, &info);
        CHECK_EQ(info.threads, 3);
        CHECK(info.memory_bytes > 0 && info.memory_peak_bytes >= info.memory_bytes);
        CHECK_EQ(info.plans, 0);
        CHECK(strcmp(info.isa, "sse2") == 0 || strcmp(info.isa, "avx2") == 0 ||
              strcmp(info.isa, "avx512") == 0 || strcmp(info.isa, "generic") == 0);
    }
    tap_session_free(s);
    s = m ? fixture_session(m, &older) : NULL;
    if (s) {
        tap_session_get_info(s, &info);
        CHECK_EQ(info.threads, 2);
    }
    tap_session_free(s);
    tap_session_free(NULL);
    tap_model_free(m);
}

/* Two sessions of one model do not meet. */
static void two_sessions(void) {
    setup x;
    if (!set_up(&x, "arith")) return;
    setup y = {.m = x.m, .s = fixture_session(x.m, NULL), .err = TAP_ERROR_INIT};
    tap_value *a = rows(1), *b = floats(2, (const int64_t[]){1, 3}, (const float[]){8, 8, 8});
    CHECK_EQ(run_arith(&x, a, NULL), TAP_OK);
    CHECK_EQ(run_arith(&y, b, NULL), TAP_OK);
    CHECK(at(tap_session_output(x.s, 0), 0) == 0.25f);
    CHECK(at(tap_session_output(y.s, 0), 0) == 4.25f);
    tap_session_free(y.s);
    CHECK(at(tap_session_output(x.s, 0), 0) == 0.25f);
    tap_value_release(a);
    tap_value_release(b);
    tear_down(&x);
}

/* ---- Random operators ---- */

enum { TRIPS = 3, MOST = 8 };

/* What a run of `random` gave: n numbers of the graph, then n for each iteration of its loop. */
typedef struct drawn {
    int n;
    float once[MOST], each[TRIPS * MOST];
} drawn;

static drawn draw(tap_session *s, int n) {
    drawn d = {.n = n};
    const int64_t trips = TRIPS, dims[1] = {n};
    const float zeros[MOST] = {0};
    tap_value *x = floats(1, dims, zeros), *t = NULL;
    CHECK_EQ(tap_value_wrap(TAP_INT64, 0, NULL, &trips, &t, NULL), TAP_OK);
    const tap_input inputs[2] = {{"x", x}, {"trips", t}};
    CHECK_EQ(tap_session_run(s, inputs, 2, NULL), TAP_OK);
    for (int i = 0; i < n; i++) d.once[i] = at(tap_session_output(s, 0), i);
    for (int i = 0; i < TRIPS * n; i++) d.each[i] = at(tap_session_output(s, 1), i);
    tap_value_release(x);
    tap_value_release(t);
    return d;
}

static bool same_numbers(const float *a, const float *b, int n) {
    return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

/* Run n of a seed gives the same numbers, whatever shapes the runs before it had, and other runs, nodes and
 * iterations give others. */
static void random_numbers(void) {
    tap_model *m = fixture_open("random");
    const tap_session_options seeds[3] = {{.size = sizeof *seeds, .threads = 1, .seed = 7},
                                          {.size = sizeof *seeds, .threads = 2, .seed = 7},
                                          {.size = sizeof *seeds, .threads = 1, .seed = 8}};
    tap_session *a = fixture_session(m, &seeds[0]), *b = fixture_session(m, &seeds[1]),
                *c = fixture_session(m, &seeds[2]);
    if (a && b && c) {
        const drawn a1 = draw(a, 4), a2 = draw(a, 4), a3 = draw(a, 6), b1 = draw(b, 6), b2 = draw(b, 4),
                    b3 = draw(b, 6);
        const drawn c1 = draw(c, 4);
        CHECK(a1.once[0] == 0x1.7663p-1f && a1.once[1] == 0x1.4a1562p-4f); /* the same on every machine */
        CHECK(same_numbers(a2.once, b2.once, 4) && same_numbers(a2.each, b2.each, TRIPS * 4));
        CHECK(same_numbers(a3.once, b3.once, 6) && same_numbers(a3.each, b3.each, TRIPS * 6));
        CHECK(same_numbers(a1.once, b1.once, 4)); /* element i has number i, in any shape */
        CHECK(!same_numbers(a1.once, a2.once, 4) && !same_numbers(a1.once, c1.once, 4));
        CHECK(!same_numbers(a1.once, a1.each, 4) && !same_numbers(a1.each, a1.each + 4, 4));
    }
    tap_session_free(a);
    tap_session_free(b);
    tap_session_free(c);
    tap_model_free(m);
}

static const test_case tests[] = {
    TEST(fixtures),
    TEST(random_numbers),
    TEST(a_default_and_its_replacement),
    TEST(many_shapes),
    TEST(wrong_inputs),
    TEST(wrong_kinds),
    TEST(outputs_that_are_inputs),
    TEST(inputs_at_odd_addresses),
    TEST(options),
    TEST(two_sessions),
};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
