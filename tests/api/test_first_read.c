/* A value is the same whichever function of the library reads it first. Convolutions leave theirs
 * channels-last, and a listener's tensor gets ONNX's order when it is first read. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <onnxtap/board.h>
#include <onnxtap/check.h>
#include <onnxtap/diff.h>
#include <onnxtap/record.h>
#include <onnxtap/stats.h>

/* Reads the event's value by one function; what it makes of it goes to text, which says the same for equal
 * values. */
typedef void reader(const tap_event *e, tap_model *m, char *text, size_t room);

static void by_data(const tap_event *e, tap_model *m, char *text, size_t room) {
    (void)m;
    const float *x = tap_tensor_data(e->tensor);
    snprintf(text, room, "%.9g %.9g", (double)x[1], (double)x[tap_tensor_count(e->tensor) - 2]);
}

static void by_copy(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_value *v = NULL;
    tap_event copied = *e;
    CHECK_EQ(tap_value_copy(e->value, &v, NULL), TAP_OK);
    copied.tensor = tap_value_tensor(v);
    by_data(&copied, m, text, room);
    tap_value_release(v);
}

static void by_tensor_copy(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_value *v = NULL;
    tap_event copied = *e;
    CHECK_EQ(tap_tensor_copy(e->tensor, &v, NULL), TAP_OK);
    copied.tensor = tap_value_tensor(v);
    by_data(&copied, m, text, room);
    tap_value_release(v);
}

static void by_cast(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_value *v = NULL;
    (void)m;
    CHECK_EQ(tap_value_cast(e->value, TAP_DOUBLE, &v, NULL), TAP_OK);
    const double *x = tap_tensor_data(tap_value_tensor(v));
    snprintf(text, room, "%.9g", x[1]);
    tap_value_release(v);
}

static void by_doubles(const tap_event *e, tap_model *m, char *text, size_t room) {
    double x[3] = {0};
    (void)m;
    CHECK(tap_tensor_doubles(e->tensor, 0, 3, x));
    snprintf(text, room, "%.9g %.9g %.9g", x[0], x[1], x[2]);
}

static void by_text(const tap_event *e, tap_model *m, char *text, size_t room) {
    (void)m;
    tap_tensor_text(e->tensor, 1, text, room);
}

static void by_print(const tap_event *e, tap_model *m, char *text, size_t room) {
    (void)m;
    char *printed = tap_tensor_print(e->tensor, NULL);
    snprintf(text, room, "%.400s", printed ? printed : "");
    tap_free(printed);
}

static void by_summary(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_summary s = {.size = sizeof s};
    (void)m;
    tap_tensor_summary(e->tensor, &s);
    snprintf(text, room, "%.9g %lld", s.max, (long long)s.max_at);
}

static tap_status first_part(void *user, const char *name, const tap_value *v, tap_error *err) {
    tap_event e = {.tensor = tap_value_tensor(v)};
    (void)name;
    (void)err;
    by_data(&e, NULL, user, 64);
    return TAP_OK;
}

static void by_parts(const tap_event *e, tap_model *m, char *text, size_t room) {
    (void)m;
    (void)room;
    CHECK_EQ(tap_value_each(e->value, e->name, first_part, text, NULL), TAP_OK);
}

static void by_measure(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_measure x = {.size = sizeof x};
    (void)m;
    CHECK_EQ(tap_measure_tensors(e->tensor, e->tensor, TAP_TOLERANCE_NUMPY, 0, 0, &x, NULL), TAP_OK);
    snprintf(text, room, "%.9g %lld", x.max_abs, (long long)x.count);
}

static void first_figures(tap_stats *s, char *text, size_t room) {
    tap_stat x = {.size = sizeof x};
    CHECK(tap_stats_get(s, 0, 0, &x));
    snprintf(text, room, "%.9g %.9g %lld", x.min, x.max, (long long)x.max_at);
    tap_stats_free(s);
}

static void by_stats(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_stats *s = NULL;
    tap_stats_source source = {.size = sizeof source, .name = e->name, .axis = TAP_BATCH_UNKNOWN};
    (void)m;
    CHECK_EQ(tap_stats_new(NULL, &s, NULL), TAP_OK);
    CHECK_EQ(tap_stats_add(s, &source, e->tensor, NULL), TAP_OK);
    first_figures(s, text, room);
}

static void by_observe(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_stats *s = NULL;
    CHECK_EQ(tap_stats_new(NULL, &s, NULL), TAP_OK);
    tap_observer o = {.size = sizeof o, .stats = s, .model = m};
    CHECK_EQ(tap_observe(e, &o), TAP_WANT);
    first_figures(s, text, room);
}

/* The first KB of what a sink writes has the elements that differ. */
static void bytes_of(const char *path, char *text, size_t room) {
    FILE *f = fopen(path, "rb");
    unsigned sum = 0;
    for (int c; f && (c = fgetc(f)) != EOF;) sum = sum * 31 + (unsigned)c;
    if (f) fclose(f);
    snprintf(text, room, "%u", sum);
    remove(path);
}

static void by_sink(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_sink *s = NULL;
    tap_entry entry = {.size = sizeof entry, .name = e->name};
    (void)m;
    CHECK_EQ(tap_sink_open("first_read.npz", NULL, &s, NULL), TAP_OK);
    CHECK_EQ(tap_sink_add(s, &entry, e->value, NULL), TAP_OK);
    CHECK_EQ(tap_sink_close(s, NULL), TAP_OK);
    bytes_of("first_read.npz", text, room);
}

static void by_record(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_recorder r = {.size = sizeof r, .model = m};
    CHECK_EQ(tap_sink_open("first_read.npz", NULL, &r.sink, NULL), TAP_OK);
    CHECK_EQ(tap_record(e, &r), TAP_WANT);
    CHECK_EQ(tap_sink_close(r.sink, NULL), TAP_OK);
    bytes_of("first_read.npz", text, room);
}

static void by_score(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_score s = {.size = sizeof s, .loss = TAP_LOSS_MSE};
    tap_value *zeros = NULL;
    (void)m;
    CHECK_EQ(tap_value_new(TAP_FLOAT, tap_tensor_rank(e->tensor), tap_tensor_dims(e->tensor), &zeros, NULL),
             TAP_OK);
    CHECK_EQ(tap_score_add(&s, e->tensor, tap_value_tensor(zeros), NULL), TAP_OK);
    snprintf(text, room, "%.9g", s.loss_sum);
    tap_value_release(zeros);
}

static void by_prediction(const tap_event *e, tap_model *m, char *text, size_t room) {
    (void)m;
    snprintf(text, room, "%lld", (long long)tap_predicted(e->tensor, 0, false));
}

static void by_label(const tap_event *e, tap_model *m, char *text, size_t room) {
    (void)m;
    snprintf(text, room, "%lld", (long long)tap_labelled(e->tensor, 0));
}

static void by_input(const tap_event *e, tap_model *m, char *text, size_t room) {
    tap_session *s = NULL;
    tap_input in = {tap_model_input(m, 0)->name, e->value};
    CHECK_EQ(tap_session_new(m, NULL, &s, NULL), TAP_OK);
    tap_status st = tap_session_run(s, &in, 1, NULL);
    snprintf(text, room, "%d", (int)st);
    tap_session_free(s);
}

static const struct {
    const char *name;
    reader *read;
} readers[] = {{"data", by_data},
               {"copy", by_copy},
               {"tensor_copy", by_tensor_copy},
               {"cast", by_cast},
               {"doubles", by_doubles},
               {"text", by_text},
               {"print", by_print},
               {"summary", by_summary},
               {"parts", by_parts},
               {"measure", by_measure},
               {"stats", by_stats},
               {"observe", by_observe},
               {"sink", by_sink},
               {"record", by_record},
               {"score", by_score},
               {"predicted", by_prediction},
               {"labelled", by_label},
               {"input", by_input}};

typedef struct look {
    reader *read;
    tap_model *model;
    bool warm; /* read by tap_tensor_data first */
    char text[512];
} look;

static int listen(const tap_event *e, void *user) {
    look *l = user;
    if (e->ask) return TAP_WANT;
    if (l->warm) tap_tensor_data(e->tensor);
    l->read(e, l->model, l->text, sizeof l->text);
    return TAP_WANT;
}

static void first_or_later(void) {
    tap_model *m = NULL;
    tap_session *s = NULL;
    tap_value *x = NULL;
    CHECK_EQ(tap_model_open(TAP_TEST_DATA "/digits/model.onnx", NULL, &m, NULL), TAP_OK);
    CHECK_EQ(tap_session_new(m, NULL, &s, NULL), TAP_OK);
    CHECK_EQ(tap_value_load(TAP_TEST_DATA "/digits/input.npy", NULL, &x, NULL), TAP_OK);
    CHECK_EQ(tap_session_tap(s, "op:Relu", NULL, NULL), TAP_OK);
    tap_input in = {"image", x};
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        look cold = {readers[i].read, m, false, ""}, warm = {readers[i].read, m, true, ""};
        tap_session_listen(s, listen, &cold);
        CHECK_EQ(tap_session_run(s, &in, 1, NULL), TAP_OK);
        tap_session_listen(s, listen, &warm);
        CHECK_EQ(tap_session_run(s, &in, 1, NULL), TAP_OK);
        CHECK(cold.text[0] != '\0');
        CHECK_STR(cold.text, warm.text);
    }
    tap_value_release(x);
    tap_session_free(s);
    tap_model_free(m);
}

/* What lies otherwise is shown as it lies, too, and that is the same value. */
typedef struct orders {
    int seen, turned;
} orders;

static int compare_orders(const tap_event *e, void *user) {
    orders *o = user;
    int64_t step[4] = {0}, s = 1;
    if (e->ask) return TAP_WANT;
    const int64_t *dims = tap_tensor_dims(e->tensor), *lies = tap_tensor_dims(e->lying);
    const float *y = tap_tensor_data(e->lying), *x = tap_tensor_data(e->tensor);
    if (tap_tensor_rank(e->tensor) != 4) return TAP_WANT;
    for (int i = 3; i >= 0; i--) {
        step[i] = s;
        s *= lies[i];
    }
    o->seen++;
    o->turned += e->perm[1] != 1;
    for (int64_t i = 0; i < tap_tensor_count(e->tensor); i++) {
        int64_t at = 0, rest = i;
        for (int k = 3; k >= 0; k--) {
            CHECK_EQ(dims[k], lies[e->perm[k]]);
            at += rest % dims[k] * step[e->perm[k]];
            rest /= dims[k];
        }
        CHECK(memcmp(&x[i], &y[at], sizeof *x) == 0);
    }
    return TAP_WANT;
}

static void lying_is_the_tensor(void) {
    tap_model *m = NULL;
    tap_session *s = NULL;
    tap_value *x = NULL;
    orders o = {0, 0};
    CHECK_EQ(tap_model_open(TAP_TEST_DATA "/digits/model.onnx", NULL, &m, NULL), TAP_OK);
    CHECK_EQ(tap_session_new(m, NULL, &s, NULL), TAP_OK);
    CHECK_EQ(tap_value_load(TAP_TEST_DATA "/digits/input.npy", NULL, &x, NULL), TAP_OK);
    CHECK_EQ(tap_session_tap(s, "all", NULL, NULL), TAP_OK);
    tap_input in = {"image", x};
    tap_session_listen(s, compare_orders, &o);
    CHECK_EQ(tap_session_run(s, &in, 1, NULL), TAP_OK);
    CHECK(o.turned > 3 && o.seen > o.turned);
    tap_value_release(x);
    tap_session_free(s);
    tap_model_free(m);
}

static const test_case tests[] = {TEST(first_or_later), TEST(lying_is_the_tensor)};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
