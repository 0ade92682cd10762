/* Allocation failure injected at every call: models are opened and run with the n-th allocation of the
 * library failing, for n = 0, 1, 2, ... until none fails. Each time the answer is TAP_MEMORY (where a single
 * one failed it may also be a right result: memory that lay idle has helped out), nothing is lost
 * (AddressSanitizer watches), and what was there before the failure still works. The linker sends the
 * library's allocations through here (--wrap). */
#include <stdlib.h>

#include "fixture.h"

static long left = -1;   /* allocations until one fails; negative: none does        */
static bool all_after;   /* and all that follow                                     */
static bool hit;         /* one has failed                                          */
static size_t allocated; /* since start                                             */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t each);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
char *__wrap_strdup(const char *s);

static void refused(void) {
    hit = true;
    if (!all_after) left = -1;
}

static bool fails(void) {
    allocated++;
    if (left < 0) return false;
    if (left > 0) {
        left--;
        return false;
    }
    refused();
    return true;
}

void *__wrap_malloc(size_t n) {
    return fails() ? NULL : __real_malloc(n);
}
void *__wrap_calloc(size_t n, size_t each) {
    return fails() ? NULL : __real_calloc(n, each);
}
void *__wrap_realloc(void *p, size_t n) {
    return fails() ? NULL : __real_realloc(p, n);
}
void *__wrap_aligned_alloc(size_t align, size_t n) {
    return fails() ? NULL : __real_aligned_alloc(align, n);
}
char *__wrap_strdup(const char *s) {
    return fails() ? NULL : __real_strdup(s);
}

static void fail_at(long n, bool and_after) {
    left = n;
    all_after = and_after;
}

typedef struct subject {
    const char *name;
    reference ref;
    tap_input in[8];
    size_t n_in;
} subject;

static int look(const tap_event *e, void *user) {
    (void)user;
    return e->ask ? TAP_WANT : e->value ? TAP_WANT : TAP_SKIP;
}

static bool outputs_right(const subject *x, tap_model *m, tap_session *s) {
    for (size_t i = 0; i < tap_model_output_count(m); i++) {
        const char *name = tap_model_output(m, i)->name;
        if (!values_close(name, tap_session_output(s, i), reference_find(&x->ref, 'o', name, NULL), 1e-4,
                          1e-5))
            return false;
    }
    return true;
}

/* After a failure the session is asked again, without one. */
static void recovers(const subject *x, tap_model *m, tap_session *s) {
    tap_error err = TAP_ERROR_INIT;
    fail_at(-1, false);
    CHECK_EQ(tap_session_run(s, x->in, x->n_in, &err), TAP_OK);
    if (err.code != TAP_OK) printf("%s\n", err.text);
    CHECK(outputs_right(x, m, s));
}

static tap_status use_session(const subject *x, tap_model *m, tap_session *s, bool listen, tap_error *err) {
    tap_status st = tap_session_tap(s, "all", NULL, err);
    tap_session_listen(s, listen ? look : NULL, NULL);
    for (int i = 0; i < 2 && st == TAP_OK; i++) st = tap_session_run(s, x->in, x->n_in, err);
    if (st == TAP_OK) CHECK(outputs_right(x, m, s));
    return st;
}

static tap_status use(const subject *x, int threads, bool listen, tap_error *err) {
    tap_session_options o = {.size = sizeof o, .threads = threads};
    tap_model *m = NULL;
    tap_session *s = NULL;
    tap_status st = tap_model_open(fixture_path(x->name, ".onnx"), NULL, &m, err);
    CHECK((st == TAP_OK) == (m != NULL));
    if (st == TAP_OK) {
        st = tap_session_new(m, &o, &s, err);
        CHECK((st == TAP_OK) == (s != NULL));
    }
    if (st == TAP_OK) {
        st = use_session(x, m, s, listen, err);
        recovers(x, m, s);
    }
    tap_session_free(s);
    tap_model_free(m);
    return st;
}

/* `test_alloc MODEL N` for a debugger: the one failure, a breakpoint on refused(). */
static int one_failure(const char *name, long n) {
    subject x = {.name = name, .ref = reference_load(name)};
    tap_error err = TAP_ERROR_INIT;
    x.n_in = reference_inputs(&x.ref, x.in, 8);
    fail_at(n, false);
    tap_status st = use(&x, 1, false, &err);
    printf("%s: %s\n", tap_status_text(st), err.text);
    reference_free(&x.ref);
    return 0;
}

/* All failures of one way to use a model. */
static void every_failure(const subject *x, int threads, bool listen, bool and_after) {
    for (long n = 0;; n++) {
        tap_error err = TAP_ERROR_INIT;
        int before = test_failures;
        hit = false;
        fail_at(n, and_after);
        tap_status st = use(x, threads, listen, &err);
        fail_at(-1, false);
        if (!hit) {
            CHECK_EQ(st, TAP_OK);
            printf("%s%s: %ld allocations\n", x->name, threads > 1 ? " with threads" : "", n);
            return;
        }
        CHECK_EQ(err.code, st);
        CHECK(st == TAP_MEMORY || (st == TAP_OK && !and_after));
        if (st != TAP_OK) CHECK_HAS(err.text, "memory");
        if (test_failures == before) continue;
        printf("%s, allocation %ld%s: %s\n", x->name, n, and_after ? " and all after it" : "", err.text);
        return;
    }
}

static void model(const char *name) {
    subject x = {.name = name, .ref = reference_load(name)};
    x.n_in = reference_inputs(&x.ref, x.in, 8);
    every_failure(&x, 1, false, false);
    every_failure(&x, 1, true, true);
    every_failure(&x, 2, true, false);
    reference_free(&x.ref);
}

/* The index of layers, with the framework's list: made or refused, and made when asked again. */
static tap_status use_layers(const char *list, tap_error *err) {
    tap_model_options o = {.size = sizeof o, .layer_list = list};
    tap_model *m = NULL;
    size_t n = 0;
    tap_status st = tap_model_open(fixture_path("../layers/keras3", ".onnx"), &o, &m, err);
    if (st != TAP_OK) return st;
    st = tap_model_layers(m, &n, err);
    fail_at(-1, false);
    CHECK_EQ(tap_model_layers(m, &n, NULL), TAP_OK);
    CHECK_EQ(n, 16);
    tap_model_free(m);
    return st;
}

static void layers(void) {
    char list[512];
    snprintf(list, sizeof list, "%s", fixture_path("../layers/keras3", ".layers.json"));
    hit = true;
    for (long n = 0; hit; n++) {
        tap_error err = TAP_ERROR_INIT;
        hit = false;
        fail_at(n, false);
        tap_status st = use_layers(list, &err);
        fail_at(-1, false);
        CHECK(st == TAP_OK || (hit && st == TAP_MEMORY));
        CHECK(st == TAP_OK || err.code == st);
    }
}

/* A model of known shapes allocates nothing after its first run. */
static void none_after_the_first_run(const char *name) {
    subject x = {.name = name, .ref = reference_load(name)};
    tap_model *m = fixture_open(name);
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    x.n_in = reference_inputs(&x.ref, x.in, 8);
    if (s) CHECK_EQ(tap_session_tap(s, "all", NULL, NULL), TAP_OK);
    if (s) tap_session_listen(s, look, NULL);
    if (s && fixture_run(s, &x.ref)) {
        allocated = 0;
        for (int i = 0; i < 10; i++) CHECK_EQ(tap_session_run(s, x.in, x.n_in, NULL), TAP_OK);
        if (allocated) printf("%s: %zu allocations in ten runs\n", name, allocated);
        CHECK_EQ(allocated, 0);
    }
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&x.ref);
}

static void arith(void) {
    model("arith");
}
static void borders(void) {
    model("borders");
}
static void functions(void) {
    model("functions");
}
static void loops(void) {
    model("loops");
}
static void values(void) {
    model("values");
}
static void shapes(void) {
    model("shapes");
}

static void chain(void) {
    model("chain");
}
static void lists(void) {
    model("lists");
}
static void recurrent(void) {
    model("recurrent");
}
static void sequences(void) {
    model("sequences");
}

static void nothing_after_the_first_run(void) {
    none_after_the_first_run("arith");
    none_after_the_first_run("chain");
    none_after_the_first_run("lists");
    none_after_the_first_run("recurrent");
}

static const test_case tests[] = {
    TEST(arith),  TEST(borders), TEST(chain),     TEST(functions),
    TEST(layers), TEST(lists),   TEST(loops),     TEST(recurrent),
    TEST(shapes), TEST(values),  TEST(sequences), TEST(nothing_after_the_first_run),
};

int main(int argc, char **argv) {
    if (argc == 3) return one_failure(argv[1], strtol(argv[2], NULL, 10));
    return test_main(tests, sizeof tests / sizeof *tests);
}
