/* Where values stop being finite, seen while a model runs: only ranges are kept, never a tensor. */
#include <math.h>
#include <string.h>

#include "check/finite.h"
#include "core/error.h"
#include "core/map.h"
#include "onnxtap/check.h"
#include "onnxtap/record.h"

#define FLOAT16_MAX 65504.0

struct tap_finite {
    const tap_model *model;
    tap_budget budget;
    tap_arena arena;
    size_t n_values;
    tap_seen *seen;  /* by value                                          */
    size_t *maker;   /* by value: its node's place, SIZE_MAX for none     */
    size_t **inputs; /* by node: indices of its input values, SIZE_MAX    */
    tap_finding *items;
    size_t n, room;
    bool *given;    /* by value: it comes from outside (tap_finite_given)         */
    size_t *own;    /* by value: 1 + the finding that it began there; 0: none     */
    bool *counted;  /* by value: it is in a finding's spread                      */
    size_t *spread; /* by finding: values that it reached                     */
    bool *reaches;  /* by finding: one of them is an output of the model      */
    bool no_memory;
};

/* ---- The model's shape ---- */

static bool index_values(tap_finite *f, tap_map *names) {
    for (size_t i = 0; i < f->n_values; i++) {
        tap_value_info info = {.size = sizeof info};
        tap_model_value(f->model, i, &info);
        f->seen[i].origin = SIZE_MAX;
        f->maker[i] = SIZE_MAX;
        if (!tap_map_put(names, info.name, (int32_t)i)) return false;
    }
    return true;
}

static bool index_nodes(tap_finite *f, const tap_map *names) {
    size_t n = tap_model_node_count(f->model);
    f->inputs = tap_arena_array(&f->arena, n, sizeof *f->inputs);
    for (size_t k = 0; f->inputs && k < n; k++) {
        tap_node_info node = {.size = sizeof node};
        if (!tap_model_node(f->model, k, &node)) return false;
        f->inputs[k] = tap_arena_array(&f->arena, node.n_inputs, sizeof **f->inputs);
        if (!f->inputs[k]) return false;
        for (size_t i = 0; i < node.n_inputs; i++) {
            int32_t v = tap_map_get(names, node.inputs[i], -1);
            f->inputs[k][i] = v < 0 ? SIZE_MAX : (size_t)v;
        }
        for (size_t i = 0; i < node.n_outputs; i++) {
            int32_t v = tap_map_get(names, node.outputs[i], -1);
            if (v >= 0) f->maker[v] = k;
        }
    }
    return f->inputs != NULL;
}

tap_status tap_finite_new(const tap_model *m, tap_finite **out, tap_error *err) {
    *out = NULL;
    tap_finite *f = tap_mem_alloc_zero(NULL, sizeof *f);
    if (!f) return tap_error_no_memory(err, sizeof *f);
    f->model = m;
    tap_budget_init(&f->budget, UINT64_MAX);
    tap_arena_init(&f->arena, &f->budget);
    f->n_values = tap_model_value_count(m);
    f->seen = tap_arena_array(&f->arena, f->n_values, sizeof *f->seen);
    f->maker = tap_arena_array(&f->arena, f->n_values, sizeof *f->maker);
    f->given = tap_arena_array(&f->arena, f->n_values, sizeof *f->given);
    f->own = tap_arena_array(&f->arena, f->n_values, sizeof *f->own);
    f->counted = tap_arena_array(&f->arena, f->n_values, sizeof *f->counted);
    tap_map names;
    tap_map_init(&names, &f->budget);
    bool fine = f->seen && f->maker && f->given && f->own && f->counted && index_values(f, &names) &&
                index_nodes(f, &names);
    tap_map_free(&names);
    if (fine) {
        *out = f;
        return TAP_OK;
    }
    tap_finite_free(f);
    return tap_error_no_memory(err, sizeof *f);
}

void tap_finite_free(tap_finite *f) {
    if (!f) return;
    tap_arena_clear(&f->arena);
    tap_mem_free(NULL, f);
}

void tap_finite_given(tap_finite *f, size_t index) {
    if (index < f->n_values) f->given[index] = true;
}

/* ---- Findings ---- */

static bool grow(tap_finite *f) {
    if (f->n < f->room) return true;
    size_t room = f->room ? f->room * 2 : 16;
    tap_finding *items = tap_arena_array(&f->arena, room, sizeof *items);
    size_t *spread = tap_arena_array(&f->arena, room, sizeof *spread);
    bool *reaches = tap_arena_array(&f->arena, room, sizeof *reaches);
    if (!items || !spread || !reaches) return false;
    if (f->n) {
        memcpy(items, f->items, f->n * sizeof *items);
        memcpy(spread, f->spread, f->n * sizeof *spread);
        memcpy(reaches, f->reaches, f->n * sizeof *reaches);
    }
    f->items = items;
    f->spread = spread;
    f->reaches = reaches;
    f->room = room;
    return true;
}

/* The text is kept; the place of the finding. */
static size_t add(tap_finite *f, tap_severity severity, const char *code, const tap_event *e,
                  const char *hint, const char *text) {
    const char *message = grow(f) ? tap_arena_string(&f->arena, text, strlen(text)) : NULL;
    const char *node = tap_arena_string(&f->arena, e->node ? e->node : "", strlen(e->node ? e->node : ""));
    const char *name = tap_arena_string(&f->arena, e->name, strlen(e->name));
    const char *op = tap_arena_string(&f->arena, e->op ? e->op : "", strlen(e->op ? e->op : ""));
    if (!message || !node || !name || !op) {
        f->no_memory = true;
        return SIZE_MAX;
    }
    f->items[f->n] = (tap_finding){sizeof(tap_finding), severity, code, node, op, name, message, hint, 1};
    f->spread[f->n] = 0;
    f->reaches[f->n] = false;
    return f->n++;
}

/* "3 NaN and 1 infinite of 40 elements, the first at [0,2]" */
static void add_elements(tap_text *t, const tap_seen *s, const tap_tensor *x) {
    const int64_t *dims = tap_tensor_dims(x);
    int64_t at[TAP_RANK_MAX], rest = s->first;
    int rank = tap_tensor_rank(x);
    for (int i = rank - 1; i >= 0; i--) at[i] = rest % dims[i], rest /= dims[i];
    if (s->nan) tap_text_add(t, "%lld NaN", (long long)s->nan);
    if (s->nonfinite > s->nan)
        tap_text_add(t, "%s%lld infinite", s->nan ? " and " : "", (long long)(s->nonfinite - s->nan));
    tap_text_add(t, " of %lld elements, the first at ", (long long)s->count);
    tap_text_dims(t, rank, at);
}

static const char *hint_for(const char *cause) {
    if (strncmp(cause, "float16", 7) == 0)
        return "keep this part in float32 or bfloat16, or scale what comes in";
    if (strstr(cause, "0")) return "add a small number, or clip what comes in";
    return "look at what comes in: its range is above";
}

/* Whether a body of the node made, or took from outside, what is not finite: *origin is where that began. */
static bool is_from_inside(const tap_finite *f, const char *node, size_t *origin) {
    size_t len = strlen(node);
    for (size_t i = 0; i < f->n_values; i++) {
        tap_value_info info = {.size = sizeof info};
        if (!f->seen[i].known || f->seen[i].nonfinite == 0 || !tap_model_value(f->model, i, &info)) continue;
        if (!info.in_body || strncmp(info.name, node, len) != 0 || info.name[len] != '/') continue;
        *origin = f->seen[i].origin;
        return true;
    }
    return false;
}

static void add_inputs(const tap_finite *f, tap_text *t, size_t node, tap_node_info *info) {
    for (size_t i = 0; i < info->n_inputs && i < 6; i++) {
        const tap_seen *s = f->inputs[node][i] == SIZE_MAX ? NULL : &f->seen[f->inputs[node][i]];
        if (!s || !s->known || isnan(s->min)) continue;
        tap_text_add(t, "; '%s' is from %g to %g", info->inputs[i], s->min, s->max);
    }
}

#define INPUTS_MAX 64

/* A node made it, all of whose inputs are finite. */
static size_t add_origin(tap_finite *f, const tap_event *e, const tap_seen *s) {
    const tap_seen *in[INPUTS_MAX];
    char text[4096] = "";
    tap_text t = {text, sizeof text, 0};
    tap_node_info info = {.size = sizeof info};
    size_t node = f->maker[e->index];
    if (!tap_model_node(f->model, node, &info)) return SIZE_MAX;
    size_t n = info.n_inputs < INPUTS_MAX ? info.n_inputs : INPUTS_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t v = f->inputs[node][i];
        in[i] = v != SIZE_MAX && f->seen[v].known ? &f->seen[v] : NULL;
    }
    const char *cause = tap_nonfinite_cause(info.op, in, n, s);
    tap_text_add(&t, "node '%s' (%s) makes '%s' not finite: ", info.address, info.op, e->name);
    add_elements(&t, s, e->tensor);
    tap_text_add(&t, ": %s", *cause ? cause : "its inputs are finite, and nothing known explains it");
    add_inputs(f, &t, node, &info);
    return add(f, TAP_SEVERITY_WARNING, "nonfinite-origin", e, hint_for(cause), text);
}

/* A graph input, an initializer or a value set from outside that is not finite from the start. */
static size_t add_source(tap_finite *f, const tap_event *e, const tap_seen *s) {
    char text[4096] = "";
    tap_text t = {text, sizeof text, 0};
    tap_value_info info = {.size = sizeof info};
    tap_model_value(f->model, e->index, &info);
    bool weight = info.is_initializer && !f->given[e->index];
    tap_text_add(&t,
                 weight               ? "a weight that is not finite: '%s' has "
                 : f->given[e->index] ? "'%s' was set, and is not finite: it has "
                                      : "input '%s' is not finite: it has ",
                 e->name);
    add_elements(&t, s, e->tensor);
    return add(f, TAP_SEVERITY_WARNING, weight ? "nonfinite-weight" : "nonfinite-input", e,
               weight ? "look at the framework's own weights" : "look at the data", text);
}

/* Values near the end of float16's range that a Cast to float16 took: the next sample may be beyond it. */
static void check_near(tap_finite *f, const tap_event *e, const tap_seen *s) {
    char text[1024] = "";
    tap_text t = {text, sizeof text, 0};
    size_t node = f->maker[e->index];
    bool cast = e->op && (strcmp(e->op, "Cast") == 0 || strcmp(e->op, "CastLike") == 0);
    if (!cast || s->dtype != TAP_FLOAT16 || s->nonfinite || node == SIZE_MAX) return;
    double most = fmax(fabs(s->min), fabs(s->max));
    if (!(most > FLOAT16_MAX / 2)) return;
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->items[i].code, "float16-near-overflow") == 0 && strcmp(f->items[i].node, e->node) == 0)
            return;
    tap_node_info info = {.size = sizeof info};
    if (!tap_model_node(f->model, node, &info) || info.n_inputs == 0) return;
    tap_text_add(&t, "node '%s' (%s) takes numbers up to %g from '%s', and float16 ends at 65504", e->node,
                 e->op, most, info.inputs[0]);
    add(f, TAP_SEVERITY_NOTE, "float16-near-overflow", e, "scale what comes in, or keep this part in float32",
        text);
}

/* ---- Looking ---- */

/* *from_input: an input of the value's node is not finite; the finding that this comes from. */
static size_t inherited(const tap_finite *f, size_t index, bool *from_input) {
    size_t node = f->given[index] ? SIZE_MAX : f->maker[index];
    tap_node_info info = {.size = sizeof info};
    *from_input = false;
    if (node == SIZE_MAX || !tap_model_node(f->model, node, &info)) return SIZE_MAX;
    for (size_t i = 0; i < info.n_inputs; i++) {
        size_t v = f->inputs[node][i];
        if (v == SIZE_MAX || !f->seen[v].known || f->seen[v].nonfinite == 0) continue;
        *from_input = true;
        return f->seen[v].origin;
    }
    return SIZE_MAX;
}

/* The finding that it begins here; in another iteration, or run, the same again. */
static size_t begins_here(tap_finite *f, const tap_event *e, const tap_seen *s, bool in_body) {
    size_t *own = &f->own[e->index], origin = SIZE_MAX;
    bool given = f->given[e->index];
    if (*own) return *own - 1;
    if (!given && f->maker[e->index] != SIZE_MAX) {
        if (is_from_inside(f, e->node, &origin)) return origin;
        origin = add_origin(f, e, s);
    } else if (given || !in_body) {
        origin = add_source(f, e, s);
    }
    if (origin != SIZE_MAX) *own = origin + 1;
    return origin;
}

static void judge(tap_finite *f, const tap_event *e, tap_seen *s) {
    bool from_input;
    tap_value_info info = {.size = sizeof info};
    tap_model_value(f->model, e->index, &info);
    s->origin = inherited(f, e->index, &from_input);
    if (!from_input) s->origin = begins_here(f, e, s, info.in_body);
    if (s->origin == SIZE_MAX) return;
    if (from_input && !f->counted[e->index]) {
        f->spread[s->origin]++;
        f->counted[e->index] = true;
    }
    f->reaches[s->origin] |= info.is_output;
    if (s->nan > 0 || info.is_output) f->items[s->origin].severity = TAP_SEVERITY_ERROR;
}

static void look(tap_finite *f, const tap_event *e) {
    tap_seen *s = &f->seen[e->index];
    tap_summary y = {.size = sizeof y};
    tap_tensor_summary(e->tensor, &y);
    *s = (tap_seen){true,        y.min, y.max, tap_tensor_count(e->tensor),
                    y.nonfinite, y.nan, -1,    tap_tensor_dtype(e->tensor),
                    SIZE_MAX};
    if (s->nonfinite > 0) {
        double x = 0;
        for (s->first = 0; s->first < s->count; s->first++)
            if (!tap_tensor_doubles(e->tensor, s->first, 1, &x) || !isfinite(x)) break;
        judge(f, e, s);
    }
    check_near(f, e, s);
}

int tap_finite_listen(const tap_event *e, void *finite) {
    tap_finite *f = finite;
    if (e->ask) return TAP_WANT;
    if (e->tensor && e->index < f->n_values) look(f, e);
    return f->no_memory ? TAP_STOP : TAP_WANT;
}

/* ---- What was found ---- */

size_t tap_finite_count(const tap_finite *f) {
    return f->n;
}

bool tap_finite_at(const tap_finite *f, size_t i, tap_finding *out, size_t *spread, bool *reaches_output) {
    if (i >= f->n) return false;
    size_t size = out->size;
    memcpy(out, &f->items[i], size < sizeof *out ? size : sizeof *out);
    out->size = size;
    if (spread) *spread = f->spread[i];
    if (reaches_output) *reaches_output = f->reaches[i];
    return true;
}
