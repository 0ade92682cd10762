/* Pairing the values of two models by names, by their numbers, and by their place. */
#include "diff/align.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diff/compare.h"
#include "onnxtap/record.h"

/* Numbers are the same up to this share of their size: other exporters add in another order. */
#define SAME_SHARE 2e-5
/* Cells of the table of the alignment. */
#define TABLE_MAX ((size_t)1 << 26)

/* ---- what a tensor says ---- */

static int by_extent(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

#define BLOCK 512

void tap_trait_measure(tap_trait *t, const tap_tensor *x) {
    double sum = 0, squares = 0, block[BLOCK];
    t->number = tap_epsilon(x->dtype) > 0 || x->dtype == TAP_INT8 || x->dtype == TAP_UINT8;
    t->count = x->count;
    t->least = INFINITY;
    t->most = -INFINITY;
    for (int i = 0; i < x->rank; i++)
        if (x->dims[i] != 1) t->dims[t->rank++] = x->dims[i];
    qsort(t->dims, (size_t)t->rank, sizeof *t->dims, by_extent);
    for (int64_t i = 0; t->number && i < x->count; i += BLOCK) {
        int64_t n = tap_min64(BLOCK, x->count - i);
        tap_tensor_doubles(x, i, n, block);
        for (int64_t k = 0; k < n; k++) {
            sum += block[k];
            squares += block[k] * block[k];
            t->least = fmin(t->least, block[k]);
            t->most = fmax(t->most, block[k]);
        }
    }
    double n = x->count ? (double)x->count : 1;
    t->mean = sum / n;
    t->rms = sqrt(squares / n);
}

static bool same_shape(const tap_trait *a, const tap_trait *b) {
    return a->number && b->number && a->count == b->count && a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

static bool near(double a, double b, double size) {
    return fabs(a - b) <= SAME_SHARE * size;
}

static bool same_numbers(const tap_trait *a, const tap_trait *b) {
    double most = fmax(fabs(b->least), fabs(b->most));
    return near(a->mean, b->mean, b->rms) && near(a->rms, b->rms, b->rms) && near(a->least, b->least, most) &&
           near(a->most, b->most, most);
}

/* Few numbers, or all the same, are alike by chance. */
static bool is_telling(const tap_trait *t) {
    return t->count >= 8 && t->most - t->least > 1e-3 * t->rms && t->rms > 0;
}

/* ---- names ---- */

/* Whether a name has a number that an exporter counted up (`__33`): it is another one in the next export. */
static bool is_counted(const char *name) {
    const char *at = strstr(name, "__");
    return at && at[2] >= '0' && at[2] <= '9';
}

/* Names of exporters without any path (`conv2d_1`, `123`): counted, too. */
static bool is_plain_number(const char *name) {
    while (*name >= '0' && *name <= '9') name++;
    return *name == '\0';
}

static bool same_name(const tap_trait *a, const tap_trait *b) {
    return strcmp(a->name, b->name) == 0 && !is_counted(a->name) && !is_plain_number(a->name);
}

/* The same but for counted numbers. */
static bool similar_name(const char *a, const char *b) {
    while (*a && *b) {
        bool digits = *a >= '0' && *a <= '9' && *b >= '0' && *b <= '9';
        if (digits) {
            while (*a >= '0' && *a <= '9') a++;
            while (*b >= '0' && *b <= '9') b++;
        } else if (*a++ != *b++) {
            return false;
        }
    }
    return *a == *b;
}

/* ---- scores ---- */

/* Operators whose place alone says little: there are many of them, and exporters write formulas in other
 * ways. */
static bool is_small(const char *op) {
    static const char *const small[] = {
        "Add",        "Sub",        "Mul",   "Div",      "Pow",     "Sqrt",     "Erf",
        "Exp",        "Neg",        "Cast",  "Identity", "Reshape", "Squeeze",  "Flatten",
        "Unsqueeze",  "Transpose",  "Slice", "Concat",   "Gather",  "Expand",   "Where",
        "ReduceMean", "Reciprocal", "Tanh",  "Split",    "Pad",     "Constant", "Shape"};
    for (size_t i = 0; i < TAP_COUNT_OF(small); i++)
        if (strcmp(small[i], op) == 0) return true;
    return false;
}

/* How well they fit; 0: not at all. */
static int score(const tap_trait *a, const tap_trait *b) {
    if (!same_shape(a, b)) return 0;
    bool op = strcmp(a->op, b->op) == 0, name = similar_name(a->name, b->name);
    int s = (op ? 2 : 0) + (name ? 3 : 0);
    if (same_numbers(a, b)) return is_telling(a) ? s + 8 : op || name ? s + 2 : 0;
    return op && (!is_small(a->op) || (name && a->around == b->around)) ? s : 0;
}

static bool add(const tap_model *m, tap_match_list *l, const tap_trait *a, const tap_trait *b,
                tap_paired_by by) {
    tap_match x = {.ref = b->at, .value = a->at, .by = by, .rank = -1};
    tap_layer_info info = {.size = sizeof info};
    size_t layer = m ? tap_model_layer_of(m, a->at) : SIZE_MAX;
    if (layer != SIZE_MAX && tap_model_layer(m, layer, &info)) x.layer = info.key;
    return tap_match_add(l, x);
}

/* ---- alignment ---- */

typedef struct table {
    const tap_trait *a, *b;
    size_t *ia, *ib; /* those that have no partner yet */
    size_t n, m;
    uint8_t *way; /* n x m: 0 both, 1 leave a, 2 leave b */
    bool *a_used, *b_used;
} table;

/* The largest sum of scores along both sequences. */
static bool fill(table *t) {
    int *row = tap_mem_alloc_zero(NULL, (t->m + 1) * sizeof *row);
    if (!row) return false;
    for (size_t i = t->n; i-- > 0;) {
        int diagonal = 0;
        for (size_t k = t->m; k-- > 0;) {
            int down = row[k], s = score(&t->a[t->ia[i]], &t->b[t->ib[k]]), both = s ? s + diagonal : -1;
            int best = both;
            uint8_t way = 0;
            if (down > best) best = down, way = 1;
            if (row[k + 1] > best) best = row[k + 1], way = 2;
            t->way[i * t->m + k] = way;
            diagonal = down;
            row[k] = best;
        }
    }
    tap_mem_free(NULL, row);
    return true;
}

static bool walk(const tap_model *m, table *t, tap_match_list *l) {
    size_t i = 0, k = 0;
    while (i < t->n && k < t->m) {
        uint8_t way = t->way[i * t->m + k];
        const tap_trait *a = &t->a[t->ia[i]], *b = &t->b[t->ib[k]];
        if (way == 0) {
            t->a_used[t->ia[i]] = t->b_used[t->ib[k]] = true;
            if (!add(m, l, a, b, same_numbers(a, b) && is_telling(a) ? TAP_BY_VALUES : TAP_BY_STRUCTURE))
                return false;
        }
        i += way != 2;
        k += way != 1;
    }
    return true;
}

static size_t list_free(const tap_trait *t, size_t n, const bool *used, size_t *list) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (!used[i] && t[i].number) list[k++] = i;
    return k;
}

/* Whether the other side has these numbers under another name: then one name stands for two things, such as a
 * convolution with and without the BatchNormalization behind it. */
static bool is_elsewhere(const tap_trait *x, const tap_trait *list, size_t n, const tap_trait *but) {
    for (size_t i = 0; is_telling(x) && i < n; i++)
        if (&list[i] != but && same_shape(x, &list[i]) && same_numbers(x, &list[i])) return true;
    return false;
}

/* Whether values i and k, which have one name, are one thing. Where their numbers differ, what the one has
 * folded into it the other may not have, and a formula that is written otherwise gives its parts names that
 * another's parts have. */
static bool is_same_thing(const table *t, size_t n, size_t n_theirs, size_t i, size_t k) {
    const tap_trait *a = &t->a[i], *b = &t->b[k];
    if (same_shape(a, b) && same_numbers(a, b)) return true;
    if (!same_shape(a, b) && strcmp(a->op, b->op) != 0) return false;
    if (a->around != b->around && is_small(a->op) && !a->is_output) return false;
    return !is_elsewhere(a, t->b, n_theirs, b) && !is_elsewhere(b, t->a, n, a);
}

static bool pair_names(const tap_model *m, table *t, size_t n, size_t n_theirs, tap_match_list *l) {
    tap_map names;
    bool good = true;
    tap_map_init(&names, NULL);
    for (size_t k = 0; k < n_theirs && good; k++) good = tap_map_put(&names, t->b[k].name, (int32_t)k);
    for (size_t i = 0; i < n && good; i++) {
        int32_t k = tap_map_get(&names, t->a[i].name, -1);
        if (k < 0 || !same_name(&t->a[i], &t->b[k])) continue;
        if (!is_same_thing(t, n, n_theirs, i, (size_t)k)) continue;
        t->a_used[i] = t->b_used[k] = true;
        good = add(m, l, &t->a[i], &t->b[k], TAP_BY_NAME);
    }
    tap_map_free(&names);
    return good;
}

/* Outputs in their order, where both models have as many and none has the other's name. */
static bool pair_outputs(const tap_model *m, table *t, size_t n, size_t n_theirs, tap_match_list *l) {
    size_t outputs[2] = {0, 0};
    for (size_t i = 0; i < n; i++) outputs[0] += t->a[i].is_output;
    for (size_t i = 0; i < n_theirs; i++) outputs[1] += t->b[i].is_output;
    for (size_t i = 0, k = 0; outputs[0] == 1 && outputs[1] == 1 && i < n; i++) {
        if (!t->a[i].is_output) continue;
        while (!t->b[k].is_output) k++;
        if (t->a_used[i] || t->b_used[k] || t->a[i].count != t->b[k].count) return true;
        t->a_used[i] = t->b_used[k] = true;
        return add(m, l, &t->a[i], &t->b[k], TAP_BY_STRUCTURE);
    }
    return true;
}

tap_status tap_align(const tap_model *m, const tap_trait *mine, size_t n, const tap_trait *theirs,
                     size_t n_theirs, tap_match_list *l, tap_error *err) {
    tap_arena arena;
    tap_arena_init(&arena, NULL);
    table t = {.a = mine, .b = theirs};
    t.a_used = tap_arena_array(&arena, n + 1, 1);
    t.b_used = tap_arena_array(&arena, n_theirs + 1, 1);
    t.ia = tap_arena_array(&arena, n + 1, sizeof *t.ia);
    t.ib = tap_arena_array(&arena, n_theirs + 1, sizeof *t.ib);
    bool good = t.a_used && t.b_used && t.ia && t.ib && pair_names(m, &t, n, n_theirs, l) &&
                pair_outputs(m, &t, n, n_theirs, l);
    if (good) {
        t.n = list_free(mine, n, t.a_used, t.ia);
        t.m = list_free(theirs, n_theirs, t.b_used, t.ib);
        size_t cells;
        bool fits = tap_mul_size(t.n, t.m, &cells) && cells <= TABLE_MAX;
        t.way = fits ? tap_arena_array(&arena, cells + 1, 1) : NULL;
        good = !fits || (t.way && fill(&t) && walk(m, &t, l));
    }
    tap_arena_clear(&arena);
    return good ? TAP_OK : tap_error_no_memory(err, n);
}

/* ---- two models ---- */

typedef struct seen {
    tap_trait *traits;
    size_t n;
} seen;

static int look(const tap_event *e, void *user) {
    seen *s = user;
    if (e->ask) return e->n_iterations ? TAP_SKIP : TAP_WANT;
    /* Traits lie in the order of their values. */
    size_t from = 0, to = s->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (s->traits[mid].at < e->index)
            from = mid + 1;
        else
            to = mid;
    }
    if (e->tensor && from < s->n && s->traits[from].at == e->index)
        tap_trait_measure(&s->traits[from], tap_settle(e->tensor));
    return TAP_WANT;
}

/* Values that nodes of the main graph compute, in the order of execution. */
static size_t list_values(const tap_model *m, tap_trait *t) {
    tap_value_info info = {.size = sizeof info};
    size_t n = 0;
    for (size_t i = 0; tap_model_value(m, i, &info); i++) {
        if (*info.node == '\0' || info.in_body || strcmp(info.op, "Constant") == 0) continue;
        t[n++] = (tap_trait){.at = i, .name = info.name, .op = info.op, .is_output = info.is_output};
    }
    return n;
}

static uint32_t hash_of(const char *op) {
    uint32_t h = 2166136261u;
    for (; *op; op++) h = (h ^ (uint8_t)*op) * 16777619u;
    return h;
}

/* The operators in front of each value's node, in any order; constants and inputs count as one. */
static bool look_around(const tap_model *m, tap_trait *t, size_t n) {
    tap_node_info node = {.size = sizeof node};
    tap_map at;
    bool good = true;
    tap_map_init(&at, NULL);
    for (size_t i = 0; i < n && good; i++) good = tap_map_put(&at, t[i].name, (int32_t)i);
    for (size_t i = 0; good && tap_model_node(m, i, &node); i++) {
        uint32_t sum = 0;
        for (size_t k = 0; k < node.n_inputs; k++) {
            int32_t from = tap_map_get(&at, node.inputs[k], -1);
            sum += from < 0 ? 1 : hash_of(t[from].op);
        }
        for (size_t k = 0; k < node.n_outputs; k++) {
            int32_t to = tap_map_get(&at, node.outputs[k], -1);
            if (to >= 0) t[to].around = sum;
        }
    }
    tap_map_free(&at);
    return good;
}

static tap_status see_mine(tap_model *m, const tap_input *inputs, size_t n_inputs, int threads, seen *mine,
                           size_t *taps, tap_error *err) {
    tap_session_options o = {.size = sizeof o, .threads = threads};
    tap_session *s;
    tap_status st = tap_session_new(m, &o, &s, err);
    if (st != TAP_OK) return st;
    for (size_t i = 0; i < mine->n; i++) taps[i] = mine->traits[i].at;
    st = tap_session_set_taps(s, taps, mine->n, err);
    tap_session_listen(s, look, mine);
    if (st == TAP_OK) st = tap_session_run(s, inputs, n_inputs, err);
    tap_session_free(s);
    /* What comes before the failure is compared; the comparison's own run tells of it. */
    return st == TAP_RUN ? TAP_OK : st;
}

static tap_status see_theirs(const tap_reference *r, seen *theirs, tap_error *err) {
    tap_status st = TAP_OK;
    for (size_t i = 0; i < theirs->n && st == TAP_OK; i++) {
        tap_trait *t = &theirs->traits[i];
        int32_t at = tap_map_get(&r->by_name, t->name, -1);
        tap_value *v = NULL;
        t->at = (size_t)at;
        if (at < 0) continue;
        st = tap_reference_load(r, (size_t)at, &v, err);
        if (st == TAP_OK && tap_value_tensor(v)) tap_trait_measure(t, tap_value_tensor(v));
        tap_value_release(v);
    }
    return st;
}

tap_status tap_match_models(tap_model *m, const tap_input *inputs, size_t n_inputs, const tap_reference *r,
                            int threads, tap_match_list *l, tap_error *err) {
    size_t n = tap_model_value_count(m), n_theirs = tap_model_value_count(r->other);
    tap_arena arena;
    tap_arena_init(&arena, NULL);
    seen mine = {.traits = tap_arena_array(&arena, n + 1, sizeof(tap_trait))};
    seen theirs = {.traits = tap_arena_array(&arena, n_theirs + 1, sizeof(tap_trait))};
    size_t *taps = tap_arena_array(&arena, n + 1, sizeof *taps);
    tap_status st = mine.traits && theirs.traits && taps ? TAP_OK : tap_error_no_memory(err, n);
    if (st == TAP_OK) {
        mine.n = list_values(m, mine.traits);
        theirs.n = list_values(r->other, theirs.traits);
        if (!look_around(m, mine.traits, mine.n) || !look_around(r->other, theirs.traits, theirs.n))
            st = tap_error_no_memory(err, n);
    }
    if (st == TAP_OK) {
        st = see_mine(m, inputs, n_inputs, threads, &mine, taps, err);
    }
    if (st == TAP_OK) st = see_theirs(r, &theirs, err);
    size_t k = 0;
    for (size_t i = 0; i < theirs.n; i++)
        if (theirs.traits[i].at != SIZE_MAX) theirs.traits[k++] = theirs.traits[i];
    if (st == TAP_OK) st = tap_align(m, mine.traits, mine.n, theirs.traits, k, l, err);
    tap_arena_clear(&arena);
    return st;
}
