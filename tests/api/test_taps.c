/* Taps: what selectors pick, who is shown what and when, what is kept. */
#include "fixture.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- selectors ---- */

/* The names that selectors pick, in order, joined by spaces; or the error's text. */
static const char *picked(const tap_model *m, const char *const *selectors, size_t n) {
    static char text[8192];
    tap_error err = TAP_ERROR_INIT;
    size_t *indices = NULL, count = 0;
    text[0] = '\0';
    tap_status st = tap_model_select(m, selectors, n, &indices, &count, &err);
    if (st != TAP_OK) {
        CHECK(indices == NULL);
        snprintf(text, sizeof text, "%s: %s", tap_status_text(st), err.text);
        return text;
    }
    for (size_t i = 0; i < count; i++) {
        tap_value_info v = {.size = sizeof v};
        CHECK(tap_model_value(m, indices[i], &v));
        strncat(text, i ? " " : "", sizeof text - strlen(text) - 1);
        strncat(text, v.name, sizeof text - strlen(text) - 1);
    }
    tap_free(indices);
    return text;
}

static const char *pick(const tap_model *m, const char *selector) {
    return picked(m, &selector, 1);
}

static void by_name(void) {
    tap_model *m = fixture_open("arith");
    if (!m) return;
    CHECK_STR(pick(m, "shifted"), "shifted");
    CHECK_STR(pick(m, "shift"), "shifted"); /* a node's name: its outputs */
    CHECK_STR(pick(m, "x"), "x");
    CHECK_STR(pick(m, "scale"), "scale");
    CHECK_STR(pick(m, "#0:Mul"), "scaled"); /* the address of a nameless node */
    CHECK_STR(pick(m, "#2"), "y");
    CHECK_STR(pick(m, "#1:Add"), "shifted"); /* of one that has a name, too */
    CHECK_HAS(pick(m, "#1:Mul"), "not found");
    CHECK_HAS(pick(m, "#9"), "not found");
    tap_model_free(m);
}

static void by_kind(void) {
    tap_model *m = fixture_open("arith");
    if (!m) return;
    CHECK_STR(pick(m, "all"), "scaled shifted y squared");
    CHECK_STR(pick(m, "op:Mul"), "scaled squared");
    CHECK_STR(pick(m, "op:*e*"), "y");
    CHECK_STR(pick(m, "s*d"), "scaled shifted squared");
    CHECK_STR(pick(m, "input:*"), "x bias");
    CHECK_STR(pick(m, "input:x"), "x");
    CHECK_STR(pick(m, "init:*"), "bias scale");
    CHECK_STR(pick(m, "scaled..y"), "scaled shifted y");
    CHECK_STR(pick(m, "shift..squared"), "shifted y squared");
    CHECK_STR(pick(m, "#0..#1"), "scaled shifted");
    tap_model_free(m);
}

static void in_turn(void) {
    tap_model *m = fixture_open("arith");
    if (!m) return;
    CHECK_STR(picked(m, (const char *const[]){"all", "!op:Mul"}, 2), "shifted y");
    CHECK_STR(picked(m, (const char *const[]){"y", "scaled", "y"}, 3),
              "scaled y"); /* execution order, once */
    CHECK_STR(picked(m, (const char *const[]){"all", "!s*", "squared"}, 3), "y squared");
    CHECK_STR(picked(m, NULL, 0), "");
    tap_model_free(m);
}

static void names_that_look_like_selectors(void) {
    tap_model *m = fixture_open("names");
    if (!m) return;
    CHECK_STR(pick(m, "op:Mul"), "op:Mul");
    CHECK_STR(pick(m, "all"), "all");
    CHECK_STR(pick(m, "#1"), "#1");
    CHECK_STR(pick(m, "a..b"), "a..b");
    CHECK_STR(pick(m, "star*"), "star*");
    CHECK_STR(pick(m, "st*"), "star*");
    CHECK_STR(pick(m, "input:0"), "input:0");
    CHECK_STR(pick(m, "!all"), "!all");
    CHECK_STR(pick(m, "odd name"), "star*");
    CHECK_STR(pick(m, "back\\slash"), "back\\slash");
    CHECK_STR(pick(m, "\\#1"), "#1");
    CHECK_STR(pick(m, "\\!all"), "!all");
    CHECK_STR(pick(m, "sta[r]\\*"), "star*");
    CHECK_STR(pick(m, "op:Neg"), "op:Mul all #1 a..b star* input:0 !all back\\slash");
    tap_model_free(m);
}

static void in_bodies_and_functions(void) {
    tap_model *m = fixture_open("loops");
    if (!m) return;
    CHECK_STR(pick(m, "grow/body/moved"), "grow/body/moved");
    CHECK_STR(pick(m, "grow/body/pick/then_branch/t"), "grow/body/pick/then_branch/t");
    CHECK_STR(pick(m, "grow/body/v"), "grow/body/v"); /* an input of a body */
    CHECK_STR(pick(m, "outer/body/inner/body/*"),
              "outer/body/inner/body/on outer/body/inner/body/s outer/body/inner/body/d");
    CHECK_STR(pick(m, "grow/body/odd..grow/body/is_odd"), "grow/body/odd grow/body/is_odd");
    CHECK_STR(pick(m, "op:Sub"),
              "outer/body/inner/body/d grow/body/pick/else_branch/e"); /* in execution order */
    CHECK_STR(pick(m, "column..sums"), "column square sum/body/after sum/body/copy sums");
    CHECK_STR(pick(m, "sum/body/after..sums"), "sum/body/after sum/body/copy sums"); /* out of a body */
    CHECK_STR(pick(m, "square..sum/body/after"), "square sum/body/after");           /* into one */
    CHECK_HAS(pick(m, "square..grow/body/v"), "not found");
    tap_model_free(m);
    m = fixture_open("functions");
    if (!m) return;
    CHECK_STR(pick(m, "first/q"), "first/q");
    CHECK_STR(pick(m, "first/r"), "a"); /* the caller's name for it wins, both find it */
    CHECK_STR(pick(m, "first"), "a");   /* a call: what it gives */
    CHECK_STR(pick(m, "first/again"), "first/t");
    CHECK_STR(pick(m, "#1"), "b");
    CHECK_STR(pick(m, "#1:inner"), "b");
    CHECK_STR(pick(m, "hand"), "z same");
    CHECK_STR(pick(m, "op:inner"), "first/q first/t b");
    CHECK_STR(pick(m, "#1:inner/k"), "#1:inner/k");
    CHECK_STR(pick(m, "first/*/k"), "first/#0:inner/k first/again/k");
    CHECK_STR(pick(m, "branchy/fork/else_branch/f"), "branchy/fork/else_branch/f");
    tap_model_free(m);
}

static void from_a_file(void) {
    tap_model *m = fixture_open("arith");
    char path[] = "/tmp/onnxtap-names-XXXXXX", selector[64];
    int fd = mkstemp(path);
    static const char text[] = "scaled\r\n\n!nothing of it\nsquared";
    if (!m || fd < 0) return;
    CHECK_EQ(write(fd, text, sizeof text - 1), (long)sizeof text - 1);
    snprintf(selector, sizeof selector, "@%s", path);
    CHECK_HAS(pick(m, selector), "not found: selector 'nothing of it' matches no value");
    CHECK_EQ(ftruncate(fd, 9), 0);
    CHECK_STR(pick(m, selector), "scaled");
    CHECK_STR(picked(m, (const char *const[]){"all", selector, "!y"}, 3), "scaled shifted squared");
    close(fd);
    unlink(path);
    CHECK_HAS(pick(m, "@/no/such/names.txt"), "cannot read or write: ");
    CHECK_HAS(pick(m, "@/no/such/names.txt"), "/no/such/names.txt");
    tap_model_free(m);
}

/* A file of names that names itself is an error, not a loop. */
static void from_a_file_without_end(void) {
    tap_model *m = fixture_open("arith");
    char path[] = "/tmp/onnxtap-names-XXXXXX", selector[64];
    int fd = mkstemp(path);
    if (!m || fd < 0) return;
    snprintf(selector, sizeof selector, "@%s", path);
    CHECK(write(fd, selector, strlen(selector)) > 0);
    CHECK_HAS(pick(m, selector), "names itself");
    close(fd);
    unlink(path);
    tap_model_free(m);
}

static void nothing_matched(void) {
    tap_model *m = fixture_open("arith");
    tap_error err = TAP_ERROR_INIT;
    size_t *indices, n;
    if (!m) return;
    const char *wrong = "shiftd";
    CHECK_EQ(tap_model_select(m, &wrong, 1, &indices, &n, &err), TAP_NOT_FOUND);
    CHECK_EQ(err.code, TAP_NOT_FOUND);
    CHECK_STR(err.tensor, "shiftd");
    CHECK_HAS(err.text, "'shiftd'");
    CHECK_HAS(err.text, "nearest: 'shifted'");
    CHECK_HAS(pick(m, "op:Conv"), "not found");
    CHECK_HAS(pick(m, "zzz*"), "not found");
    CHECK_HAS(pick(m, "!zzz"), "'zzz'");
    CHECK_HAS(pick(m, ""), "not found");
    CHECK_HAS(pick(m, "y..scaled"), "not found"); /* nothing lies between */
    tap_model_free(m);
}

/* ---- a listener ---- */

typedef struct log {
    char text[4096];
    const char *skip, *stop_at_ask, *stop_at_value;
    tap_value *copy; /* of the last one shown */
} log_;

static int note(const tap_event *e, void *user) {
    log_ *l = user;
    CHECK_EQ(e->size, sizeof *e);
    size_t at = strlen(l->text);
    snprintf(l->text + at, sizeof l->text - at, "%s%s ", e->ask ? "?" : "", e->name);
    if (e->ask) {
        CHECK(e->value == NULL && e->tensor == NULL);
        if (l->stop_at_ask && strcmp(e->name, l->stop_at_ask) == 0) return TAP_STOP;
        return l->skip && strcmp(e->name, l->skip) == 0 ? TAP_SKIP : TAP_WANT;
    }
    CHECK((e->tensor != NULL) == (tap_value_kind(e->value) == TAP_KIND_TENSOR));
    tap_value_release(l->copy);
    l->copy = NULL;
    CHECK_EQ(tap_value_copy(e->value, &l->copy, NULL), TAP_OK);
    return l->stop_at_value && strcmp(e->name, l->stop_at_value) == 0 ? TAP_STOP : TAP_WANT;
}

static void asked_then_shown(void) {
    tap_model *m = fixture_open("arith");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    reference r = reference_load("arith");
    log_ l = {.skip = "y"};
    size_t n = 0;
    if (s) {
        CHECK_EQ(tap_session_tap(s, "all", &n, NULL), TAP_OK);
        CHECK_EQ(n, 4);
        CHECK_EQ(tap_session_tap(s, "!squared", &n, NULL), TAP_OK);
        tap_session_listen(s, note, &l);
        fixture_run(s, &r);
        CHECK_STR(l.text, "?scaled scaled ?shifted shifted ?y ");
        CHECK(values_close("shifted", l.copy, reference_find(&r, 'v', "shifted", NULL), 1e-6, 1e-6));
        CHECK_EQ(tap_session_tapped_count(s), 0); /* the listener has them */
        CHECK(tap_session_value(s, "shifted") == NULL);
        l.text[0] = '\0';
        tap_session_listen(s, NULL, NULL);
        fixture_run(s, &r);
        CHECK_STR(l.text, "");
        CHECK_EQ(tap_session_tapped_count(s), 3);
    }
    tap_value_release(l.copy);
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
}

static void stopped(void) {
    tap_model *m = fixture_open("loops");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    reference r = reference_load("loops");
    tap_input in[4];
    size_t n_in = reference_inputs(&r, in, 4);
    tap_error err = TAP_ERROR_INIT;
    log_ l = {.stop_at_value = "grow/body/pick/then_branch/t[1]"};
    if (s) {
        CHECK_EQ(tap_session_tap(s, "grow/body/pick/*", NULL, NULL), TAP_OK);
        tap_session_listen(s, note, &l);
        CHECK_EQ(tap_session_run(s, in, n_in, &err), TAP_CANCELLED);
        CHECK_EQ(err.code, TAP_CANCELLED);
        CHECK_HAS(err.text, "grow/body/pick/then_branch/t[1]");
        CHECK_STR(err.tensor, "grow/body/pick/then_branch/t[1]");
        CHECK_HAS(l.text, "then_branch/t[1] ");
        CHECK(strstr(l.text, "[2]") == NULL);
        CHECK(tap_session_output(s, 0) == NULL);
        l = (log_){.stop_at_ask = "grow/body/pick/else_branch/e[0]", .copy = l.copy};
        CHECK_EQ(tap_session_run(s, in, n_in, &err), TAP_CANCELLED);
        CHECK_STR(l.text, "?grow/body/pick/else_branch/e[0] ");
        /* and the session goes on */
        l = (log_){.copy = l.copy};
        CHECK(fixture_run(s, &r));
        CHECK(values_close("last", tap_session_output(s, 0), reference_find(&r, 'o', "last", NULL), 1e-6,
                           1e-6));
    }
    tap_value_release(l.copy);
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
}

typedef struct place {
    bool seen;
} place;

static int look_around(const tap_event *e, void *user) {
    place *p = user;
    if (e->ask || strcmp(e->name, "outer/body/inner/body/d[1,0]") != 0) return TAP_WANT;
    p->seen = true;
    CHECK_EQ(e->n_iterations, 2);
    CHECK_EQ(e->iterations[0], 1);
    CHECK_EQ(e->iterations[1], 0);
    CHECK_STR(e->op, "Sub");
    CHECK_STR(e->node, "outer/body/inner/body/#2:Sub");
    return TAP_WANT;
}

static void event_of_a_body(void) {
    tap_model *m = fixture_open("loops");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    reference r = reference_load("loops");
    place p = {false};
    if (s) {
        CHECK_EQ(tap_session_tap(s, "outer/body/inner/body/d", NULL, NULL), TAP_OK);
        tap_session_listen(s, look_around, &p);
        fixture_run(s, &r);
        CHECK(p.seen);
    }
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
}

/* ---- kept ---- */

static void kept(void) {
    tap_model *m = fixture_open("arith");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    reference r = reference_load("arith");
    if (s) {
        CHECK_EQ(tap_session_tap(s, "x", NULL, NULL), TAP_OK);
        CHECK_EQ(tap_session_tap(s, "init:*", NULL, NULL), TAP_OK);
        CHECK_EQ(tap_session_tap(s, "op:Mul", NULL, NULL), TAP_OK);
        CHECK_EQ(tap_session_tapped_count(s), 0); /* not run yet */
        CHECK(tap_session_output(s, 0) == NULL);
        fixture_run(s, &r);
        char order[256] = "";
        for (size_t i = 0; i < tap_session_tapped_count(s); i++) {
            const char *name;
            size_t index;
            const tap_value *v = tap_session_tapped(s, i, &name, &index);
            tap_value_info info = {.size = sizeof info};
            CHECK(v != NULL && tap_session_value(s, name) != NULL);
            CHECK(tap_model_value(m, index, &info));
            CHECK_STR(info.name, name);
            strcat(strcat(order, name), " ");
        }
        CHECK_STR(order, "x bias scale scaled squared ");
        CHECK(tap_session_tapped(s, 5, NULL, NULL) == NULL);
        CHECK(values_close("x", tap_session_value(s, "x"), reference_find(&r, 'i', "x", NULL), 0, 0));
        CHECK(tap_session_value(s, "no such value") == NULL);
    }
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
}

static void by_index(void) {
    tap_model *m = fixture_open("arith");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    reference r = reference_load("arith");
    tap_error err = TAP_ERROR_INIT;
    const char *selector = "y";
    size_t *indices = NULL, n = 0, beyond = m ? tap_model_value_count(m) : 0;
    if (s && tap_model_select(m, &selector, 1, &indices, &n, NULL) == TAP_OK) {
        CHECK_EQ(tap_session_tap(s, "all", NULL, NULL), TAP_OK);
        CHECK_EQ(tap_session_set_taps(s, indices, n, NULL), TAP_OK);
        fixture_run(s, &r);
        CHECK_EQ(tap_session_tapped_count(s), 1);
        CHECK_EQ(tap_session_set_taps(s, &beyond, 1, &err), TAP_USAGE);
        CHECK_HAS(err.text, "the model has");
        CHECK_EQ(tap_session_set_taps(s, NULL, 0, NULL), TAP_OK);
        CHECK(tap_session_output(s, 0) == NULL); /* results go with a change of taps */
        fixture_run(s, &r);
        CHECK_EQ(tap_session_tapped_count(s), 0);
        CHECK_EQ(tap_session_tap(s, "nope", NULL, &err), TAP_NOT_FOUND);
        fixture_run(s, &r);
        CHECK_EQ(tap_session_tapped_count(s), 0);
    }
    tap_free(indices);
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
}

static const test_case tests[] = {
    TEST(by_name),
    TEST(by_kind),
    TEST(in_turn),
    TEST(names_that_look_like_selectors),
    TEST(in_bodies_and_functions),
    TEST(from_a_file),
    TEST(from_a_file_without_end),
    TEST(nothing_matched),
    TEST(asked_then_shown),
    TEST(stopped),
    TEST(event_of_a_body),
    TEST(kept),
    TEST(by_index),
};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
