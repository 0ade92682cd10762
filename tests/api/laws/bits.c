/* Running a model in all the ways that must not matter. */
#include "bits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- hashes ---- */

static uint64_t mix(uint64_t h, uint64_t x) {
    h = (h ^ x) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n) {
    const char *s = p;
    for (; n >= 8; n -= 8, s += 8) {
        uint64_t x;
        memcpy(&x, s, 8);
        h = mix(h, x);
    }
    uint64_t rest = 0;
    if (n) memcpy(&rest, s, n);
    return mix(h, rest ^ n << 56);
}

static uint64_t hash_tensor(uint64_t h, const tap_tensor *t) {
    h = mix(h, (uint64_t)tap_tensor_dtype(t));
    h = hash_bytes(h, tap_tensor_dims(t), (size_t)tap_tensor_rank(t) * sizeof(int64_t));
    if (tap_tensor_dtype(t) != TAP_STRING) return hash_bytes(h, tap_tensor_data(t), tap_tensor_bytes(t));
    const tap_string *s = tap_tensor_data(t);
    for (int64_t i = 0; i < tap_tensor_count(t); i++) h = hash_bytes(h, s[i].s, s[i].n);
    return h;
}

static uint64_t hash_value(uint64_t h, const tap_value *v) {
    h = mix(h, (uint64_t)tap_value_kind(v));
    if (tap_value_kind(v) == TAP_KIND_TENSOR) return hash_tensor(h, tap_value_tensor(v));
    for (size_t i = 0; i < tap_value_length(v); i++) h = hash_value(h, tap_value_item(v, i));
    return h;
}

static uint64_t hash_outputs(const tap_session *s, const tap_model *m) {
    uint64_t h = 1;
    for (size_t i = 0; i < tap_model_output_count(m); i++) h = hash_value(h, tap_session_output(s, i));
    return h;
}

/* ---- what a listener saw ---- */

typedef struct seen {
    char *name;
    uint64_t hash;
} seen;

typedef struct trace {
    seen *values;
    size_t n, room;
    bool skip_all;
} trace;

static int note(const tap_event *e, void *user) {
    trace *t = user;
    if (e->ask) return t->skip_all ? TAP_SKIP : TAP_WANT;
    if (t->n == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->values = realloc(t->values, t->room * sizeof *t->values);
        if (!t->values) abort();
    }
    t->values[t->n++] = (seen){strdup(e->name), hash_value(2, e->value)};
    return TAP_WANT;
}

static void clear(trace *t) {
    for (size_t i = 0; i < t->n; i++) free(t->values[i].name);
    free(t->values);
    *t = (trace){0};
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const seen *)a)->name, ((const seen *)b)->name);
}

static void sort(trace *t) {
    if (t->n) qsort(t->values, t->n, sizeof *t->values, by_name);
}

/* Both are sorted. What is known before a run may be shown earlier in one plan than in another: order does
 * not count. */
static const char *first_difference(const trace *whole, const trace *part) {
    size_t k = 0;
    for (size_t i = 0; i < part->n; i++, k++) {
        while (k < whole->n && strcmp(whole->values[k].name, part->values[i].name) < 0) k++;
        if (k == whole->n || strcmp(whole->values[k].name, part->values[i].name) != 0 ||
            whole->values[k].hash != part->values[i].hash)
            return part->values[i].name;
    }
    return NULL;
}

static const char *shown_twice(const trace *t) {
    for (size_t i = 1; i < t->n; i++)
        if (strcmp(t->values[i - 1].name, t->values[i].name) == 0) return t->values[i].name;
    return NULL;
}

/* ---- ways ---- */

typedef enum taps { NONE, ALL, EVERY_THIRD, SKIPPED, KEPT, ONE } taps;

typedef struct way {
    const char *name;
    int threads;
    bool no_fusion;
    taps taps;
    size_t one; /* ONE: which          */
    int shift;  /* bytes, of inputs    */
    int runs;   /* the last one counts */
    int others; /* runs with inputs of other shapes before it */
} way;

typedef struct result {
    tap_status st;
    uint64_t outputs;
    trace trace;
    tap_error err;
} result;

static bool choose_taps(tap_session *s, const bits_subject *x, const way *w, trace *t) {
    size_t n = tap_model_value_count(x->m), k = 0, *picked = calloc(n + 1, sizeof *picked);
    tap_value_info v = {.size = sizeof v};
    if (!picked) return false;
    for (size_t i = 0; i < n && w->taps != NONE; i++) {
        if (w->taps == ONE && i != w->one) continue;
        if ((w->taps == EVERY_THIRD || w->taps == KEPT) && i % 3) continue;
        if (tap_model_value(x->m, i, &v)) picked[k++] = i;
    }
    tap_status st = tap_session_set_taps(s, picked, k, NULL);
    free(picked);
    t->skip_all = w->taps == SKIPPED;
    if (w->taps != KEPT) tap_session_listen(s, note, t);
    return st == TAP_OK;
}

/* The inputs, moved by some bytes. *room holds them. NULL: out of memory. */
static tap_input *moved(const bits_subject *x, int shift, char **room) {
    tap_input *in = calloc(x->n_in + 1, sizeof *in);
    size_t all = 64;
    for (size_t i = 0; i < x->n_in; i++) {
        const tap_tensor *t = tap_value_tensor(x->in[i].value);
        all += t ? (tap_tensor_bytes(t) + 191) / 64 * 64 : 0;
    }
    *room = aligned_alloc(64, (all + 63) / 64 * 64);
    if (!in || !*room) abort();
    char *p = *room;
    for (size_t i = 0; i < x->n_in; i++) {
        const tap_tensor *t = tap_value_tensor(x->in[i].value);
        in[i] = x->in[i];
        if (!t || tap_tensor_dtype(t) == TAP_STRING) {
            tap_value_retain((tap_value *)(uintptr_t)in[i].value);
            continue;
        }
        tap_value *v = NULL;
        memcpy(p + shift, tap_tensor_data(t), tap_tensor_bytes(t));
        if (tap_value_wrap(tap_tensor_dtype(t), tap_tensor_rank(t), tap_tensor_dims(t), p + shift, &v,
                           NULL) != TAP_OK)
            abort();
        in[i].value = v;
        p += (tap_tensor_bytes(t) + 191) / 64 * 64;
    }
    return in;
}

static tap_status run_way(tap_session *s, const bits_subject *x, const way *w, result *r) {
    tap_status st = TAP_OK;
    char *room = NULL;
    tap_input *in = w->shift ? moved(x, w->shift, &room) : NULL;
    for (int i = 0; i < w->others && x->other_in && st == TAP_OK; i++)
        st = tap_session_run(s, x->other_in + (size_t)i * x->n_in, x->n_in, &r->err);
    for (int i = 0; i < w->runs && st == TAP_OK; i++) {
        bool skip = r->trace.skip_all;
        clear(&r->trace);
        r->trace.skip_all = skip;
        st = tap_session_run(s, in ? in : x->in, x->n_in, &r->err);
    }
    if (st == TAP_OK) r->outputs = hash_outputs(s, x->m);
    for (size_t i = 0; in && i < x->n_in; i++) tap_value_release((tap_value *)(uintptr_t)in[i].value);
    free(in);
    free(room);
    return st;
}

static result go(const bits_subject *x, const way *w) {
    tap_session_options o = {.size = sizeof o, .threads = w->threads, .no_fusion = w->no_fusion};
    tap_session *s = NULL;
    result r = {.err = TAP_ERROR_INIT};
    r.st = tap_session_new(x->m, &o, &s, &r.err);
    if (r.st == TAP_OK && !choose_taps(s, x, w, &r.trace)) r.st = TAP_MEMORY;
    if (r.st == TAP_OK) r.st = run_way(s, x, w, &r);
    sort(&r.trace);
    tap_session_free(s);
    return r;
}

/* ---- the law ---- */

static int compare(const bits_subject *x, const way *w, const result *base, const trace *whole) {
    result r = go(x, w);
    int bad = 1;
    const char *at = NULL;
    if (r.st != TAP_OK)
        printf("%s, %s: %s\n", x->name, w->name, r.err.text);
    else if (r.outputs != base->outputs)
        printf("%s, %s: other outputs\n", x->name, w->name);
    else if ((at = first_difference(whole, &r.trace)))
        printf("%s, %s: another value of '%s'\n", x->name, w->name, at);
    else if (w->taps == ALL && r.trace.n != whole->n)
        printf("%s, %s: %zu values were shown, %zu before\n", x->name, w->name, r.trace.n, whole->n);
    else if (w->taps == SKIPPED && r.trace.n)
        printf("%s, %s: %zu values were shown\n", x->name, w->name, r.trace.n);
    else
        bad = 0;
    clear(&r.trace);
    return bad;
}

static int tapped_alone(const bits_subject *x, const result *base, const trace *whole) {
    size_t n = tap_model_value_count(x->m), every = n / (x->most_alone ? x->most_alone : 1) + 1;
    int bad = 0;
    for (size_t i = 0; i < n && x->most_alone; i += every) {
        tap_value_info v = {.size = sizeof v};
        char name[400];
        tap_model_value(x->m, i, &v);
        snprintf(name, sizeof name, "only '%.350s' tapped", v.name);
        bad += compare(x, &(way){.name = name, .threads = 1, .taps = ONE, .one = i, .runs = 1}, base, whole);
    }
    return bad;
}

int bits_check(const bits_subject *x) {
    static const way plain = {.name = "plain", .threads = 1, .runs = 1};
    static const way all = {.name = "all tapped", .threads = 1, .taps = ALL, .runs = 1};
    static const way ways[] = {
        {.name = "all tapped, shown the third time", .threads = 1, .taps = ALL, .runs = 3},
        {.name = "the third run", .threads = 1, .runs = 3},
        {.name = "every third value tapped", .threads = 1, .taps = EVERY_THIRD, .runs = 1},
        {.name = "all asked for, none wanted", .threads = 1, .taps = SKIPPED, .runs = 1},
        {.name = "every third value kept", .threads = 1, .taps = KEPT, .runs = 2},
        {.name = "2 threads", .threads = 2, .runs = 2},
        {.name = "3 threads", .threads = 3, .runs = 1},
        {.name = "3 threads, all tapped", .threads = 3, .taps = ALL, .runs = 1},
        {.name = "2 threads, every third value tapped", .threads = 2, .taps = EVERY_THIRD, .runs = 1},
        {.name = "no fusion", .threads = 1, .no_fusion = true, .runs = 1},
        {.name = "no fusion, 3 threads, all tapped", .threads = 3, .no_fusion = true, .taps = ALL, .runs = 1},
        {.name = "inputs moved by a byte", .threads = 1, .shift = 1, .runs = 1},
        {.name = "inputs moved by 4 bytes", .threads = 1, .shift = 4, .runs = 1},
        {.name = "inputs moved by 8 bytes, 2 threads", .threads = 2, .shift = 8, .runs = 1},
        {.name = "inputs moved by 32 bytes, all tapped", .threads = 1, .taps = ALL, .shift = 32, .runs = 1},
    };
    static const way after[] = {
        {.name = "after a run of another shape", .threads = 1, .runs = 1, .others = 1},
        {.name = "after a run of another shape, all tapped",
         .threads = 1,
         .taps = ALL,
         .runs = 1,
         .others = 1},
        {.name = "in a plan for any shape", .threads = 1, .runs = 1, .others = 20},
        {.name = "in a plan for any shape, all tapped, 2 threads",
         .threads = 2,
         .taps = ALL,
         .runs = 1,
         .others = 20},
    };
    result base = go(x, &plain), whole = go(x, &all);
    int bad = 0;
    if (base.st != TAP_OK || whole.st != TAP_OK) {
        printf("%s: %s\n", x->name, base.st != TAP_OK ? base.err.text : whole.err.text);
        bad = 1;
    }
    if (!bad && shown_twice(&whole.trace)) {
        printf("%s: '%s' was shown twice\n", x->name, shown_twice(&whole.trace));
        bad = 1;
    }
    if (!bad && base.outputs != whole.outputs) {
        printf("%s, all tapped: other outputs\n", x->name);
        bad = 1;
    }
    for (size_t i = 0; base.st == TAP_OK && i < sizeof ways / sizeof *ways; i++)
        bad += compare(x, &ways[i], &base, &whole.trace);
    for (size_t i = 0; base.st == TAP_OK && x->other_in && i < sizeof after / sizeof *after; i++)
        bad += compare(x, &after[i], &base, &whole.trace);
    if (base.st == TAP_OK) bad += tapped_alone(x, &base, &whole.trace);
    clear(&base.trace);
    clear(&whole.trace);
    return bad;
}
