/* Law 2: everything can be tapped, and is what it should be: inputs, initializers, what nodes make, what a
 * fused step would have swallowed, what is inside bodies, iteration by iteration, and inside functions, under
 * the path of their calls. */
#include "fixture.h"

#include <stdlib.h>

typedef struct collected {
    const reference *r;
    bool *met; /* by position in the reference */
    size_t strangers, wrong;
} collected;

static int compare(const tap_event *e, void *user) {
    collected *c = user;
    if (e->ask) return TAP_WANT;
    for (size_t i = 0; i < c->r->n; i++) {
        const ref_value *v = &c->r->values[i];
        if (v->role == 'o' || v->role == 'a' || c->met[i] || strcmp(v->name, e->name) != 0) continue;
        c->met[i] = true;
        if (!values_close(e->name, e->value, v->value, 1e-4, 1e-5)) c->wrong++;
        return TAP_WANT;
    }
    printf("'%s' is shown, but is not in the reference\n", e->name);
    c->strangers++;
    return TAP_WANT;
}

static void tap_everything(tap_session *s, const tap_model *m) {
    size_t n = tap_model_value_count(m), *all = malloc((n + 1) * sizeof *all);
    for (size_t i = 0; i < n; i++) all[i] = i;
    CHECK_EQ(tap_session_set_taps(s, all, n, NULL), TAP_OK);
    free(all);
}

/* All at once; what is shown is exactly what the reference has. */
static void everything_at_once(const char *name, const tap_session_options *o) {
    tap_model *m = fixture_open(name);
    tap_session *s = m ? fixture_session(m, o) : NULL;
    reference r = reference_load(name);
    collected c = {.r = &r, .met = calloc(r.n + 1, sizeof(bool))};
    if (s) {
        tap_everything(s, m);
        tap_session_listen(s, compare, &c);
        fixture_run(s, &r);
        for (size_t i = 0; i < r.n; i++) {
            if (r.values[i].role == 'o' || r.values[i].role == 'a' || c.met[i]) continue;
            printf("%s: '%s' was never shown\n", name, r.values[i].name);
            FAIL("not so: everything is shown");
        }
        CHECK_EQ(c.strangers, 0);
        CHECK_EQ(c.wrong, 0);
    }
    free(c.met);
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
}

/* Each value by its name alone: what surrounds it stays fused. */
static void one_by_one(const char *name) {
    tap_model *m = fixture_open(name);
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    reference r = reference_load(name);
    for (size_t i = 0; s && i < tap_model_value_count(m); i++) {
        tap_value_info v = {.size = sizeof v};
        bool found;
        CHECK(tap_model_value(m, i, &v));
        const tap_value *want = reference_find(&r, 'v', v.name, &found);
        if (!found) continue; /* in bodies names go with iterations: everything_at_once() has them */
        CHECK_EQ(tap_session_set_taps(s, &i, 1, NULL), TAP_OK);
        if (!fixture_run(s, &r)) break;
        CHECK_EQ(tap_session_tapped_count(s), 1);
        CHECK(values_close(v.name, tap_session_value(s, v.name), want, 1e-4, 1e-5));
    }
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
}

static const char *const names[] = {"arith",  "borders", "chain", "count", "fails",     "functions",
                                    "grow",   "lists",   "loops", "names", "recurrent", "sequences",
                                    "shapes", "values",  "wide",  "forms"};

static void at_once(void) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) everything_at_once(names[i], NULL);
}

static void at_once_otherwise(void) {
    tap_session_options o = {.size = sizeof o, .threads = 2, .no_fusion = true};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) everything_at_once(names[i], &o);
}

static void alone(void) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) one_by_one(names[i]);
}

/* A function's result has the caller's name; by the function's own it is found, too. */
static void found_by_either_name(const char *name) {
    tap_model *m = fixture_open(name);
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    reference r = reference_load(name);
    size_t n = 0, picked = 0;
    for (size_t i = 0; s && i < r.n; i++) {
        if (r.values[i].role != 'a') continue;
        CHECK_EQ(tap_session_set_taps(s, NULL, 0, NULL), TAP_OK);
        CHECK_EQ(tap_session_tap(s, r.values[i].name, &picked, NULL), TAP_OK);
        CHECK_EQ(picked, 1);
        fixture_run(s, &r);
        const char *shown = NULL;
        const tap_value *v = tap_session_tapped(s, 0, &shown, NULL);
        CHECK(values_close(r.values[i].name, v, r.values[i].value, 1e-5, 1e-6));
        CHECK(shown && strcmp(shown, r.values[i].name) != 0);
        n++;
    }
    CHECK(n > 0);
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
}

static void by_either_name(void) {
    found_by_either_name("functions");
    found_by_either_name("fails");
}

static const test_case tests[] = {TEST(at_once), TEST(at_once_otherwise), TEST(alone), TEST(by_either_name)};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
