/* onnxtap test: runs test folders as ONNX's own runner does, each in a process of its own, so that a crash is
 * one failure. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

#define TIMEOUT_UNLESS_TOLD 300
#define JOBS_MOST           256
#define REASON_ROOM         4096

typedef enum verdict { WAITING, PASSED, FAILED, SKIPPED } verdict;

typedef struct test_item {
    const char *folder;
    verdict verdict;
    char *reason;
} test_item;

/* A process at work on a test. */
typedef struct worker {
    pid_t pid;
    int fd; /* its reason comes here; -1: free */
    test_item *test;
    double began_ms;
    char text[REASON_ROOM];
    size_t n;
} worker;

typedef struct suite {
    const cli_args *args;
    char **folders;
    test_item *tests;
    size_t n, started, printed;
    worker *workers;
    size_t n_workers;
} suite;

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A reason is one line, whatever the message looks like. */
static void decide(test_item *t, verdict v, const char *reason) {
    t->verdict = v;
    t->reason = cli_format("%s", reason);
    for (char *p = t->reason; *p; p++)
        if (*p == '\n') *p = ' ';
}

/* ---- Skipping ---- */

/* A line is a test's name (its folder's, or the whole path) and the reason. # begins a comment. */
static void skip_line(suite *s, char *line) {
    line[strcspn(line, "\r\n")] = '\0';
    char *name = line + strspn(line, " \t");
    size_t n = strcspn(name, " \t");
    if (n == 0 || *name == '#') return;
    char *reason = name + n + strspn(name + n, " \t");
    name[n] = '\0';
    for (size_t i = 0; i < s->n; i++) {
        test_item *t = &s->tests[i];
        bool same = strcmp(base_name(t->folder), name) == 0 || strcmp(t->folder, name) == 0;
        if (same && t->verdict == WAITING) decide(t, SKIPPED, *reason ? reason : "no reason given");
    }
}

static bool read_skips(suite *s, tap_error *err) {
    if (!s->args->skip) return true;
    FILE *f = fopen(s->args->skip, "r");
    char line[4096];
    if (!f) {
        cli_error(err, TAP_IO, "--skip %s: %s", s->args->skip, strerror(errno));
        return false;
    }
    while (fgets(line, sizeof line, f)) skip_line(s, line);
    fclose(f);
    return true;
}

/* ---- Processes ---- */

/* In the child: the reason goes to the pipe, the verdict is the exit status. */
static void work(const suite *s, const test_item *t, int fd) {
    char why[REASON_ROOM];
    tap_status status = suite_run_one(s->args, t->folder, why, sizeof why);
    for (size_t at = 0, n = strlen(why); at < n;) {
        ssize_t done = write(fd, why + at, n - at);
        if (done <= 0) break;
        at += (size_t)done;
    }
    /* Without the handlers that exit() runs: buffers of the parent would be written twice. */
    _exit(status == TAP_OK ? 0 : 1);
}

static void start(suite *s, worker *w, test_item *t) {
    int ends[2];
    fflush(stdout);
    w->fd = -1;
    if (pipe(ends) != 0) {
        decide(t, FAILED, "no pipe to a process");
        return;
    }
    w->pid = fork();
    if (w->pid == 0) {
        close(ends[0]);
        work(s, t, ends[1]);
    }
    close(ends[1]);
    if (w->pid < 0) {
        close(ends[0]);
        decide(t, FAILED, "no process could be started");
        return;
    }
    w->fd = ends[0];
    w->test = t;
    w->began_ms = cli_now_ms();
    w->n = 0;
}

static void finish(worker *w, bool too_long, double limit_ms) {
    int status = 0;
    w->text[w->n] = '\0';
    close(w->fd);
    w->fd = -1;
    if (too_long) kill(w->pid, SIGKILL);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR) {
    }
    char reason[REASON_ROOM + 64];
    if (too_long)
        snprintf(reason, sizeof reason, "took longer than %.0f s", limit_ms / 1e3);
    else if (WIFSIGNALED(status))
        snprintf(reason, sizeof reason, "crashed: %s", strsignal(WTERMSIG(status)));
    else if (w->n == 0 && WEXITSTATUS(status) != 0)
        snprintf(reason, sizeof reason, "ended with status %d", WEXITSTATUS(status));
    else
        snprintf(reason, sizeof reason, "%s", w->text);
    bool passed = !too_long && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    decide(w->test, passed ? PASSED : FAILED, passed ? "" : reason);
}

/* True when the pipe is at its end. */
static bool read_some(worker *w) {
    char dump[256];
    size_t room = sizeof w->text - 1 - w->n;
    ssize_t got = room ? read(w->fd, w->text + w->n, room) : read(w->fd, dump, sizeof dump);
    if (got > 0 && room) w->n += (size_t)got;
    return got == 0 || (got < 0 && errno != EINTR);
}

static size_t start_more(suite *s) {
    size_t busy = 0;
    for (size_t i = 0; i < s->n_workers; i++) {
        worker *w = &s->workers[i];
        while (w->fd < 0 && s->started < s->n) {
            test_item *t = &s->tests[s->started++];
            if (t->verdict == WAITING) start(s, w, t);
        }
        busy += w->fd >= 0;
    }
    return busy;
}

static void wait_for_some(suite *s) {
    struct pollfd fds[JOBS_MOST];
    double limit_ms = 1e3 * (double)(s->args->timeout_s ? s->args->timeout_s : TIMEOUT_UNLESS_TOLD);
    for (size_t i = 0; i < s->n_workers; i++)
        fds[i] = (struct pollfd){.fd = s->workers[i].fd, .events = POLLIN};
    poll(fds, s->n_workers, 200);
    for (size_t i = 0; i < s->n_workers; i++) {
        worker *w = &s->workers[i];
        if (w->fd < 0) continue;
        bool ended = fds[i].revents && read_some(w),
             too_long = !ended && cli_now_ms() - w->began_ms > limit_ms;
        if (ended || too_long) finish(w, too_long, limit_ms);
    }
}

static void kill_all(suite *s) {
    for (size_t i = 0; i < s->n_workers; i++)
        if (s->workers[i].fd >= 0) kill(s->workers[i].pid, SIGKILL);
}

/* ---- Reports ---- */

/* In the order of the folders, as soon as all before are decided. */
static void print_decided(suite *s) {
    static const char *const words[] = {"", "ok", "FAILED", "skipped"};
    for (; s->printed < s->n && s->tests[s->printed].verdict != WAITING; s->printed++) {
        const test_item *t = &s->tests[s->printed];
        if (s->args->json || (t->verdict != FAILED && !s->args->verbose)) continue;
        printf("%s %s%s%s\n", words[t->verdict], t->folder, *t->reason ? ": " : "", t->reason);
    }
    fflush(stdout);
}

static int summarise(const suite *s) {
    static const char *const words[] = {"", "passed", "failed", "skipped"};
    size_t n[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < s->n; i++) n[s->tests[i].verdict]++;
    if (s->args->json) {
        tap_json *j = cli_json();
        tap_json_object(j, NULL);
        for (int v = PASSED; v <= SKIPPED; v++) tap_json_uint(j, words[v], n[v]);
        tap_json_array(j, "tests");
        for (size_t i = 0; i < s->n; i++) {
            tap_json_flat_object(j, NULL);
            tap_json_string(j, "test", s->tests[i].folder);
            tap_json_string(j, "result", words[s->tests[i].verdict]);
            tap_json_string(j, "reason", s->tests[i].reason);
            tap_json_end(j);
        }
        tap_json_free(j);
    } else {
        printf("%zu passed, %zu failed, %zu skipped\n", n[PASSED], n[FAILED], n[SKIPPED]);
    }
    return n[FAILED] ? 1 : n[PASSED] ? 0 : 6;
}

/* ---- The subcommand ---- */

static bool find_all(suite *s, cli_args *args, tap_error *err) {
    if (args->words.n == 0) cli_wrong(args, "which folder? Give one or more that hold tests");
    if (args->usage.code != TAP_OK) {
        *err = args->usage;
        return false;
    }
    for (size_t i = 0; i < args->words.n; i++)
        if (!suite_find(args->words.items[i], &s->folders, &s->n)) {
            cli_error(err, TAP_IO, "%s: no such folder", args->words.items[i]);
            return false;
        }
    s->tests = cli_alloc(s->n, sizeof *s->tests);
    for (size_t i = 0; i < s->n; i++) s->tests[i].folder = s->folders[i];
    return read_skips(s, err);
}

static void make_workers(suite *s) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    s->n_workers = s->args->jobs > 0 ? (size_t)s->args->jobs : cores > 0 ? (size_t)cores : 1;
    if (s->n_workers > JOBS_MOST) s->n_workers = JOBS_MOST;
    s->workers = cli_alloc(s->n_workers, sizeof *s->workers);
    for (size_t i = 0; i < s->n_workers; i++) s->workers[i].fd = -1;
}

static int run_all(suite *s) {
    make_workers(s);
    cli_catch_interrupts(NULL, true);
    while (start_more(s) > 0 && !cli_interrupted()) {
        wait_for_some(s);
        print_decided(s);
    }
    if (cli_interrupted()) {
        kill_all(s);
        return 130;
    }
    print_decided(s);
    return summarise(s);
}

static int test(cli_args *args) {
    suite s = {.args = args};
    tap_error err = TAP_ERROR_INIT;
    int status = find_all(&s, args, &err) ? run_all(&s) : cli_fail(args, &err);
    for (size_t i = 0; i < s.n; i++) {
        free(s.folders[i]);
        if (s.tests) free(s.tests[i].reason);
    }
    free(s.folders);
    free(s.tests);
    free(s.workers);
    return status;
}

static const cli_option how[] = {
    {"jobs", 'j', CLI_INT, "N", offsetof(cli_args, jobs), "tests at a time (the machine's cores)"},
    {"skip", 0, CLI_TEXT, "FILE", offsetof(cli_args, skip), "tests not to run: a name and a reason a line"},
    {"verbose", 'v', CLI_FLAG, NULL, offsetof(cli_args, verbose),
     "a line for each test, not only for failures"},
    {"timeout", 0, CLI_INT, "SECONDS", offsetof(cli_args, timeout_s), "what a test may take (300)"},
    {"threads", 0, CLI_INT, "N", offsetof(cli_args, threads), "threads to run each test with (1)"},
    {"memory-limit", 0, CLI_BYTES, "N[K|M|G]", offsetof(cli_args, memory_limit_bytes),
     "memory for each model"},
    {"no-fusion", 0, CLI_FLAG, NULL, offsetof(cli_args, no_fusion), "each node by itself"},
    {0}};
static const cli_group how_group = {"How", how};
static const cli_group *const groups[] = {&how_group, &cli_operators, &cli_common, NULL};

const cli_command cli_test = {
    .name = "test",
    .synopsis = "DIR...",
    .about =
        "runs ONNX test folders: model.onnx (or the only .onnx file) and "
        "test_data_set_N/{input,output}_N.pb, at any depth\n"
        "Compared as ONNX's runner does: rtol 1e-3, atol 1e-7 (data.json beside the model overrides them),\n"
        "bfloat16 with rtol 2^-6 at least, dtype and shape equal, integers and strings exactly, random\n"
        "outputs by dtype and shape.",
    .example = "onnxtap test onnx/backend/test/data/node --jobs 2",
    .groups = groups,
    .run = test};
