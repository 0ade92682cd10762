/* A model shared by threads, a session each, all at once from the first run on: what a model makes when it is
 * first needed (constants, packed weights) is made under their eyes. Runs under ThreadSanitizer, too. */
#include "fixture.h"

#include <pthread.h>

enum { THREADS = 4, RUNS = 5 };

typedef struct job {
    const char *name;
    tap_model *m;
    const reference *r;
    int workers, number;
    pthread_barrier_t *start;
    const char *failed;
} job;

static bool outputs_right(const job *j, const tap_session *s) {
    for (size_t i = 0; i < tap_model_output_count(j->m); i++) {
        const char *name = tap_model_output(j->m, i)->name;
        if (!values_close(name, tap_session_output(s, i), reference_find(j->r, 'o', name, NULL), 1e-4, 1e-5))
            return false;
    }
    return true;
}

/* Half of the threads tap all. Checks are for the main thread: this one says what went wrong. */
static const char *use(job *j, tap_session *s) {
    tap_input in[8];
    size_t n = reference_inputs(j->r, in, 8);
    tap_node_info node = {.size = sizeof node};
    if (j->number % 2 && tap_session_tap(s, "all", NULL, NULL) != TAP_OK) return "tap";
    for (int i = 0; i < RUNS; i++) {
        if (tap_session_run(s, in, n, NULL) != TAP_OK) return "run";
        if (!outputs_right(j, s)) return "outputs";
        for (size_t k = 0; k < tap_model_node_count(j->m); k++)
            if (!tap_model_node(j->m, k, &node)) return "node";
    }
    return NULL;
}

static void *work(void *argument) {
    job *j = argument;
    tap_session_options o = {.size = sizeof o, .threads = j->workers};
    tap_session *s = NULL;
    pthread_barrier_wait(j->start);
    if (tap_session_new(j->m, &o, &s, NULL) != TAP_OK)
        j->failed = "session";
    else
        j->failed = use(j, s);
    tap_session_free(s);
    return NULL;
}

static void shared(const char *name, int workers) {
    tap_model *m = fixture_open(name);
    reference r = reference_load(name);
    pthread_barrier_t start;
    pthread_t threads[THREADS];
    job jobs[THREADS];
    if (!m) return;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){name, m, &r, workers, i, &start, NULL};
        CHECK_EQ(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        if (jobs[i].failed) printf("%s, thread %d: %s\n", name, i, jobs[i].failed);
        CHECK(jobs[i].failed == NULL);
    }
    pthread_barrier_destroy(&start);
    tap_model_free(m);
    reference_free(&r);
}

static void a_thread_each(void) {
    static const char *const names[] = {"arith", "borders",   "chain",     "functions", "lists",
                                        "loops", "recurrent", "sequences", "shapes",    "values"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) shared(names[i], 1);
}

static void a_pool_each(void) {
    shared("chain", 3);
    shared("lists", 2);
    shared("recurrent", 2);
    shared("loops", 2);
}

static const test_case tests[] = {TEST(a_thread_each), TEST(a_pool_each)};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
