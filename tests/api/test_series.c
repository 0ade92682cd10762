/* Passes over data sets, series of checkpoints, and weights that models share, as a program sees them. */
#include "fixture.h"

#include <math.h>
#include <onnxtap/pass.h>
#include <onnxtap/series.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS TAP_TEST_DATA "/digits/"
#define EPOCHS TAP_TEST_DATA "/epochs/"

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[8][200];
    static int at;
    char *p = path[at++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static tap_dataset *digits(tap_model *m, int64_t batch) {
    tap_dataset_options o = {.size = sizeof o, .batch = batch};
    tap_dataset *d = NULL;
    CHECK_EQ(tap_dataset_new(m, &o, &d, NULL), TAP_OK);
    CHECK_EQ(tap_dataset_add_file(d, tap_model_input(m, 0)->name, DIGITS "input.npy", NULL), TAP_OK);
    CHECK_EQ(tap_dataset_add_labels(d, DIGITS "labels.npy", NULL), TAP_OK);
    CHECK(tap_dataset_has_labels(d));
    CHECK_EQ(tap_dataset_start(d, NULL), TAP_OK);
    return d;
}

static tap_model *open_model(const char *path, tap_model *like) {
    tap_model_options o = {.size = sizeof o, .like = like};
    tap_model *m = NULL;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_model_open(path, &o, &m, &err), TAP_OK);
    if (!m) printf("%s\n", err.text);
    return m;
}

/* ---- Passes ---- */

typedef struct seen {
    tap_pass *pass;
    int asked, shown, steps, skip_from;
    int64_t rows, stop_at;
    size_t text;
} seen;

static int look(const tap_event *e, void *user) {
    seen *s = user;
    if (e->ask) {
        s->asked++;
        return TAP_WANT;
    }
    CHECK(tap_pass_batch(s->pass) != NULL);
    CHECK_EQ(tap_pass_axes(s->pass)[e->index], 0);
    return s->shown++ >= s->skip_from ? TAP_SKIP : TAP_WANT;
}

static tap_status step(tap_pass *p, void *user, tap_error *err) {
    seen *s = user;
    (void)err;
    s->steps++;
    CHECK(tap_pass_prediction(p) != NULL);
    s->rows = tap_pass_rows(p);
    return TAP_OK;
}

static bool stop(void *user) {
    const seen *s = user;
    return s->stop_at > 0 && s->rows >= s->stop_at;
}

static void a_pass_shows_all_to_all(void) {
    tap_model *m = open_model(DIGITS "model.onnx", NULL);
    tap_session *session = NULL;
    CHECK_EQ(tap_session_new(m, NULL, &session, NULL), TAP_OK);
    CHECK_EQ(tap_session_tap(session, "layer:pool_1", NULL, NULL), TAP_OK);
    CHECK_EQ(tap_session_tap_outputs(session, NULL), TAP_OK);
    tap_dataset *d = digits(m, 4);
    tap_sink *sink = NULL;
    CHECK_EQ(tap_sink_open(in_folder("pass.npz"), NULL, &sink, NULL), TAP_OK);
    tap_stats *stats = NULL;
    CHECK_EQ(tap_stats_new(NULL, &stats, NULL), TAP_OK);
    tap_recorder recorder = {.size = sizeof recorder, .sink = sink, .model = m, .layer_keys = true};
    tap_observer observer = {.size = sizeof observer, .stats = stats, .model = m};
    tap_score score = {.size = sizeof score};
    seen s = {.skip_from = 1000};
    tap_pass_options o = {.size = sizeof o,
                          .session = session,
                          .data = d,
                          .recorder = &recorder,
                          .observer = &observer,
                          .score = &score,
                          .listener = look,
                          .step = step,
                          .stop = stop,
                          .user = &s};
    CHECK_EQ(tap_pass_new(&o, &s.pass, NULL), TAP_OK);
    CHECK_EQ(tap_pass_run(s.pass, NULL), TAP_OK);
    CHECK_EQ(s.steps, 3);
    CHECK_EQ(s.shown, 6);
    CHECK_EQ(s.rows, 10);
    CHECK_EQ(score.n, 10);
    CHECK_EQ(score.correct, 10);
    CHECK_EQ(tap_stats_count(stats), 2);
    CHECK_EQ(tap_sink_close(sink, NULL), TAP_OK);
    tap_pass_free(s.pass);

    tap_archive *a = NULL;
    tap_value *v = NULL;
    CHECK_EQ(tap_archive_open(in_folder("pass.npz"), &a, NULL), TAP_OK);
    CHECK_EQ(tap_archive_load(a, "pool_1", NULL, &v, NULL), TAP_OK);
    CHECK_EQ(tap_tensor_dims(tap_value_tensor(v))[0], 10);
    tap_value_release(v);
    tap_archive_free(a);

    /* Again, with values kept from those behind the listener, and an end in the middle. */
    tap_stats *none = NULL;
    CHECK_EQ(tap_stats_new(NULL, &none, NULL), TAP_OK);
    observer.stats = none;
    o.recorder = NULL;
    s = (seen){.skip_from = 0, .stop_at = 8};
    CHECK_EQ(tap_dataset_start(d, NULL), TAP_OK);
    CHECK_EQ(tap_pass_new(&o, &s.pass, NULL), TAP_OK);
    CHECK_EQ(tap_pass_run(s.pass, NULL), TAP_CANCELLED);
    CHECK_EQ(s.rows, 8);
    CHECK_EQ(tap_stats_count(none), 0);
    tap_pass_free(s.pass);
    tap_stats_free(none);
    tap_stats_free(stats);
    tap_dataset_free(d);
    tap_session_free(session);
    tap_model_free(m);
}

static void add_text(void *user, const char *text, size_t n) {
    seen *s = user;
    CHECK(n > 0 && text != NULL);
    s->text += n;
}

/* A failure of one who looks is the pass's, with its words. */
static void a_pass_fails_as_its_sink_does(void) {
    tap_model *m = open_model(DIGITS "model.onnx", NULL);
    tap_session *session = NULL;
    CHECK_EQ(tap_session_new(m, NULL, &session, NULL), TAP_OK);
    CHECK_EQ(tap_session_tap(session, "*Shape*", NULL, NULL), TAP_OK);
    tap_dataset *d = digits(m, 5);
    tap_sink *sink = NULL;
    CHECK_EQ(tap_sink_open(in_folder("fails.npz"), NULL, &sink, NULL), TAP_OK);
    tap_recorder recorder = {.size = sizeof recorder, .sink = sink, .model = m};
    tap_pass_options o = {.size = sizeof o, .session = session, .data = d, .recorder = &recorder};
    tap_pass *p = NULL;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_pass_new(&o, &p, NULL), TAP_OK);
    CHECK_EQ(tap_pass_run(p, &err), TAP_USAGE);
    CHECK_HAS(err.text, "cannot be joined");
    tap_sink_abort(sink, NULL);
    tap_pass_free(p);

    seen s = {.text = 0};
    tap_printer printer = {.size = sizeof printer, .model = m, .text = add_text, .user = &s};
    tap_session_listen(session, tap_print, &printer);
    tap_batch b = {.size = sizeof b};
    CHECK_EQ(tap_dataset_start(d, NULL), TAP_OK);
    CHECK_EQ(tap_dataset_next(d, &b, NULL), TAP_OK);
    CHECK_EQ(tap_session_run(session, b.inputs, b.n_inputs, NULL), TAP_OK);
    CHECK(s.text > 40);
    tap_dataset_free(d);
    tap_session_free(session);
    tap_model_free(m);
}

/* ---- Series ---- */

static tap_status feed(void *user, tap_model *m, tap_series_feed *out, tap_error *err) {
    (void)user;
    (void)err;
    out->data = digits(m, 4);
    return TAP_OK;
}

static void told(void *user, const tap_series *s, const tap_series_epoch *e) {
    int *n = user;
    CHECK_EQ(e->number, *n);
    CHECK_EQ(tap_series_count(s), (size_t)*n + 1);
    ++*n;
}

static void copy(const char *from, const char *to) {
    FILE *f = fopen(from, "rb"), *g = fopen(to, "wb");
    CHECK(f && g);
    for (int c; f && g && (c = fgetc(f)) != EOF;) fputc(c, g);
    if (f) fclose(f);
    if (g) fclose(g);
}

static void a_series_goes_on_past_a_bad_checkpoint(void) {
    const char *const taps[] = {"hidden", "init:w1"};
    int n = 0;
    tap_series_options o = {.size = sizeof o,
                            .folder = in_folder("epochs/deep"),
                            .selectors = taps,
                            .n_selectors = 2,
                            .feed = feed,
                            .told = told,
                            .user = &n};
    tap_series *s = NULL;
    FILE *bad = fopen(in_folder("bad.onnx"), "w");
    if (bad) fputs("no model", bad), fclose(bad);
    CHECK_EQ(tap_series_new(&o, &s, NULL), TAP_OK);
    CHECK_EQ(tap_series_add(s, EPOCHS "epoch_0.onnx", NULL), TAP_OK);
    CHECK_EQ(tap_series_add(s, in_folder("bad.onnx"), NULL), TAP_OK);
    CHECK_EQ(tap_series_add(s, EPOCHS "epoch_2.onnx", NULL), TAP_OK);
    CHECK_EQ(n, 3);
    tap_series_epoch e = {.size = sizeof e};
    CHECK(tap_series_get_epoch(s, 1, &e) && e.status == TAP_MODEL && e.error && e.n_values == 0);
    CHECK(tap_series_get_epoch(s, 2, &e) && e.status == TAP_OK && !e.error && e.n_values == 3);
    CHECK_EQ(e.score.n, 10);
    CHECK(e.score.correct == 10);
    CHECK(e.weight_bytes > 0 && e.shared_bytes < e.weight_bytes && !e.same_model);
    tap_series_value v = {.size = sizeof v};
    bool drifted = false;
    for (size_t i = 0; tap_series_get_value(s, 2, i, &v); i++) {
        CHECK(v.path && access(v.path, R_OK) == 0);
        CHECK(v.has_drift);
        drifted = drifted || (strcmp(v.tensor, "hidden") == 0 && v.drift_relative > 0.1);
    }
    CHECK(drifted);
    CHECK(access(in_folder("epochs/deep/epoch_2_predictions.npy"), R_OK) == 0);
    CHECK(access(in_folder("epochs/deep/epoch_2_labels.npy"), R_OK) == 0);
    CHECK(access(in_folder("epochs/deep/epoch_1_predictions.npy"), R_OK) != 0);
    CHECK(access(in_folder("epochs/deep/series.json"), R_OK) == 0);
    tap_series_free(s);

    /* A selector that picks nothing picks nothing in the next checkpoint, either. */
    const char *const none[] = {"no_such_value"};
    tap_error err = TAP_ERROR_INIT;
    o.selectors = none;
    o.n_selectors = 1;
    o.told = NULL;
    CHECK_EQ(tap_series_new(&o, &s, NULL), TAP_OK);
    CHECK_EQ(tap_series_add(s, EPOCHS "epoch_0.onnx", &err), TAP_NOT_FOUND);
    CHECK_HAS(err.text, "no_such_value");
    tap_series_free(s);
}

static void a_watched_folder_gives_its_files_in_order(void) {
    const char *const taps[] = {"hidden"};
    tap_series_options o = {
        .size = sizeof o, .folder = in_folder("watched_out"), .selectors = taps, .n_selectors = 1};
    o.feed = feed;
    tap_series *s = NULL;
    CHECK_EQ(mkdir(in_folder("watched"), 0777), 0);
    copy(EPOCHS "epoch_1.onnx", in_folder("watched/b.onnx"));
    usleep(20000);
    copy(EPOCHS "epoch_0.onnx", in_folder("watched/a.onnx"));
    copy(EPOCHS "epoch_0.onnx", in_folder("watched/.part.onnx"));
    CHECK_EQ(tap_series_new(&o, &s, NULL), TAP_OK);
    CHECK_EQ(tap_series_watch(s, in_folder("watched"), 5, 1, NULL), TAP_OK);
    CHECK_EQ(tap_series_count(s), 2);
    tap_series_epoch e = {.size = sizeof e};
    CHECK(tap_series_get_epoch(s, 0, &e) && strstr(e.model, "b.onnx"));
    CHECK(tap_series_get_epoch(s, 1, &e) && strstr(e.model, "a.onnx"));
    CHECK_EQ(tap_series_watch(s, in_folder("no_such_folder"), 5, 1, NULL), TAP_IO);
    tap_series_free(s);
}

/* ---- Weights that did not change ---- */

/* A copy of the model in which the initializer's weights differ. */
static void change_weight(const char *from, const char *to, const char *selector) {
    tap_model *m = open_model(from, NULL);
    tap_session *s = NULL;
    size_t n = 0;
    CHECK_EQ(tap_session_new(m, NULL, &s, NULL), TAP_OK);
    CHECK_EQ(tap_session_tap(s, selector, NULL, NULL), TAP_OK);
    tap_value *x = NULL;
    CHECK_EQ(tap_value_load(DIGITS "input.npy", NULL, &x, NULL), TAP_OK);
    CHECK_EQ(tap_session_run(s, &(tap_input){tap_model_input(m, 0)->name, x}, 1, NULL), TAP_OK);
    CHECK_EQ(tap_session_tapped_count(s), 1);
    const tap_tensor *t = tap_value_tensor(tap_session_tapped(s, 0, NULL, NULL));
    FILE *f = fopen(from, "rb"), *g = fopen(to, "wb");
    static char bytes[1 << 16];
    if (f && g) {
        n = fread(bytes, 1, sizeof bytes, f);
        size_t at = 0;
        while (at + tap_tensor_bytes(t) <= n && memcmp(bytes + at, tap_tensor_data(t), tap_tensor_bytes(t)))
            at++;
        CHECK(at + tap_tensor_bytes(t) <= n);
        for (size_t k = at + 3; k < at + tap_tensor_bytes(t); k += 4) bytes[k] = (char)(bytes[k] ^ 0x02);
        fwrite(bytes, 1, n, g);
        fclose(f);
        fclose(g);
    }
    tap_value_release(x);
    tap_session_free(s);
    tap_model_free(m);
}

static tap_value *output_of(tap_model *m) {
    tap_session *s = fixture_session(m, NULL);
    tap_value *x = NULL, *y = NULL;
    CHECK_EQ(tap_value_load(DIGITS "input.npy", NULL, &x, NULL), TAP_OK);
    CHECK_EQ(tap_session_run(s, &(tap_input){tap_model_input(m, 0)->name, x}, 1, NULL), TAP_OK);
    CHECK_EQ(tap_value_copy(tap_session_output(s, 0), &y, NULL), TAP_OK);
    tap_value_release(x);
    tap_session_free(s);
    return y;
}

static void weights_that_are_equal_are_shared(void) {
    copy(DIGITS "model.onnx", in_folder("first.onnx"));
    change_weight(DIGITS "model.onnx", in_folder("second.onnx"), "init:digits_1/features_1/Cast/ReadVariableOp:0");
    tap_model *first = open_model(in_folder("first.onnx"), NULL);
    tap_value *y = output_of(first);
    tap_model *second = open_model(in_folder("second.onnx"), first);
    tap_model *alone = open_model(in_folder("second.onnx"), NULL);
    tap_model *again = open_model(in_folder("first.onnx"), second);
    tap_model_info a = {.size = sizeof a}, b = {.size = sizeof b}, c = {.size = sizeof c};
    tap_model_get_info(first, &a);
    tap_model_get_info(second, &b);
    tap_model_get_info(again, &c);
    CHECK_EQ(a.shared_bytes, 0);
    CHECK(b.shared_bytes > 0 && b.shared_bytes < b.parameter_bytes);
    CHECK_EQ(c.shared_bytes, b.shared_bytes);
    tap_model_free(first); /* what it shares stays */

    tap_value *shared = output_of(second), *own = output_of(alone), *back = output_of(again);
    CHECK(values_same(shared, own));
    CHECK(!values_same(shared, y));
    CHECK(values_same(back, y));
    /* A file that was written over is no longer compared with. */
    copy(DIGITS "model.onnx", in_folder("second.onnx"));
    tap_model *later = open_model(in_folder("first.onnx"), second);
    tap_model_get_info(later, &c);
    CHECK_EQ(c.shared_bytes, 0);
    tap_value *last = output_of(later);
    CHECK(values_same(last, y));
    tap_value *const values[] = {y, shared, own, back, last};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) tap_value_release(values[i]);
    tap_model *const models[] = {second, alone, again, later};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) tap_model_free(models[i]);
}

static const test_case tests[] = {
    TEST(a_pass_shows_all_to_all),
    TEST(a_pass_fails_as_its_sink_does),
    TEST(a_series_goes_on_past_a_bad_checkpoint),
    TEST(a_watched_folder_gives_its_files_in_order),
    TEST(weights_that_are_equal_are_shared),
};

int main(void) {
    char command[128];
    snprintf(folder, sizeof folder, "/tmp/onnxtap_series_XXXXXX");
    if (!mkdtemp(folder)) return 1;
    int status = test_main(tests, sizeof tests / sizeof *tests);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) != 0 || status;
}
