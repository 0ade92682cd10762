/* Pairing by names, positions of outputs, and layers. */
#include "diff/align.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

bool tap_match_add(tap_match_list *l, tap_match m) {
    if (!tap_mem_reserve(NULL, (void **)&l->items, &l->room, l->n + 1, sizeof *l->items)) return false;
    l->items[l->n++] = m;
    l->used[m.ref] = 1;
    return true;
}

bool tap_unmatched_add(tap_match_list *l, const char *name, const char *reason, bool of_model) {
    if (!tap_mem_reserve(NULL, (void **)&l->unmatched, &l->room_unmatched, l->n_unmatched + 1,
                         sizeof *l->unmatched))
        return false;
    l->unmatched[l->n_unmatched++] = (tap_diff_unmatched){name, reason, of_model};
    return true;
}

size_t tap_value_named(const tap_model *m, const char *name) {
    tap_value_info info = {.size = sizeof info};
    for (size_t i = 0; tap_model_value(m, i, &info); i++)
        if (strcmp(info.name, name) == 0) return i;
    return SIZE_MAX;
}

static const char *layer_of(const tap_model *m, size_t value) {
    tap_layer_info info = {.size = sizeof info};
    size_t i = tap_model_layer_of(m, value);
    return i != SIZE_MAX && tap_model_layer(m, i, &info) ? info.key : NULL;
}

/* ---- names ---- */

static bool match_names(const tap_model *m, const tap_reference *r, tap_match_list *l) {
    tap_value_info info = {.size = sizeof info};
    for (size_t i = 0; tap_model_value(m, i, &info); i++) {
        int32_t at = tap_map_get(&r->by_name, info.name, -1);
        if (at < 0 || l->used[at]) continue;
        tap_paired_by by = r->items[at].output >= 0 ? TAP_BY_POSITION_OF_OUTPUT : TAP_BY_NAME;
        tap_match x = {.ref = (size_t)at, .value = i, .by = by, .rank = -1, .layer = layer_of(m, i)};
        if (!tap_match_add(l, x)) return false;
    }
    return true;
}

/* Names of files have lost what file names cannot have. */
static bool match_canonical_names(const tap_model *m, const tap_reference *r, tap_match_list *l) {
    tap_value_info info = {.size = sizeof info};
    for (size_t i = 0; tap_model_value(m, i, &info); i++) {
        if (tap_map_get(&r->by_name, info.name, -1) >= 0) continue;
        size_t at = tap_reference_find(r, info.name);
        if (at == SIZE_MAX || l->used[at]) continue;
        tap_match x = {.ref = at, .value = i, .by = TAP_BY_NAME, .rank = -1, .layer = layer_of(m, i)};
        if (!tap_match_add(l, x)) return false;
    }
    return true;
}

/* ---- layers ---- */

static size_t find_layer(const tap_model *m, const tap_reference *r, const tap_layer_info *x) {
    (void)m;
    size_t at = tap_reference_find(r, x->key);
    if (at != SIZE_MAX || x->output != 0) return at;
    char key[1024];
    if (strlen(x->key) + 3 > sizeof key) return SIZE_MAX;
    memcpy(key, x->key, strlen(x->key) + 1);
    memcpy(key + strlen(key), ":0", 3);
    return tap_reference_find(r, key);
}

static tap_status match_layers(const tap_model *m, const tap_reference *r, tap_match_list *l,
                               tap_error *err) {
    size_t n;
    tap_status st = tap_model_layers(m, &n, err);
    tap_layer_info info = {.size = sizeof info};
    for (size_t i = 0; st == TAP_OK && i < n && tap_model_layer(m, i, &info); i++) {
        size_t at = find_layer(m, r, &info);
        if (at == SIZE_MAX || l->used[at] || info.value == SIZE_MAX) continue;
        tap_match x = {.ref = at, .value = info.value, .by = TAP_BY_LAYER, .layer = info.key, .rank = -1};
        x.alias = info.status == TAP_LAYER_ALIAS;
        x.output = info.output;
        if (info.perm && info.rank >= 0 && info.rank <= TAP_RANK_MAX) {
            x.rank = info.rank;
            for (int k = 0; k < info.rank; k++) x.perm[k] = info.perm[k];
        }
        if (!tap_match_add(l, x)) st = tap_error_no_memory(err, sizeof x);
    }
    return st;
}

/* ---- what is left ---- */

/* Why no tensor has what the reference calls `name`. */
static const char *reason_of(const tap_model *m, const char *name) {
    tap_layer_info info = {.size = sizeof info};
    for (size_t i = 0; tap_model_layer(m, i, &info); i++) {
        if (strcmp(info.key, name) != 0) continue;
        if (info.status == TAP_LAYER_FOLDED)
            return "the exporter merged this layer into another: no tensor has its output";
        if (info.status == TAP_LAYER_UNKNOWN) return "which tensor has this layer's output is not known";
    }
    return "nothing in the model has this name";
}

static bool list_unmatched(const tap_model *m, const tap_reference *r, const bool *chosen,
                           tap_match_list *l) {
    for (size_t i = 0; i < r->n; i++) {
        if (l->used[i]) continue;
        const char *reason = r->other ? "no value of the model has its name, its place or its numbers"
                                      : reason_of(m, r->items[i].name);
        if (!tap_unmatched_add(l, r->items[i].name, reason, false)) return false;
    }
    tap_value_info info = {.size = sizeof info};
    for (size_t i = 0; tap_model_value(m, i, &info); i++) {
        bool paired = !info.is_output || (chosen && !chosen[i]);
        for (size_t k = 0; k < l->n && !paired; k++) paired = l->items[k].value == i;
        if (!paired && !tap_unmatched_add(l, info.name, "the reference has nothing for this output", true))
            return false;
    }
    return true;
}

static void keep_chosen(tap_match_list *l, const bool *chosen) {
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (!chosen || chosen[l->items[i].value]) l->items[n++] = l->items[i];
    l->n = n;
}

/* In the order of execution; of several for one value, the layer that computed it first. */
static int by_value(const void *a, const void *b) {
    const tap_match *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    if (x->alias != y->alias) return x->alias ? 1 : -1;
    return x->ref < y->ref ? -1 : x->ref > y->ref;
}

tap_status tap_match_all(tap_model *m, const tap_input *inputs, size_t n_inputs, const tap_reference *r,
                         const tap_diff_options *o, const bool *chosen, tap_match_list *l, tap_error *err) {
    l->used = tap_arena_array(l->arena, r->n + 1, 1);
    if (!l->used) return tap_error_no_memory(err, r->n);
    size_t n_layers;
    tap_status st = tap_model_layers(m, &n_layers, err);
    if (st == TAP_OK && o->map) st = tap_match_file(m, r, o->map, l, err);
    if (st == TAP_OK && !r->other && !match_names(m, r, l)) st = tap_error_no_memory(err, 64);
    if (st == TAP_OK && !r->other) st = match_layers(m, r, l, err);
    if (st == TAP_OK && !r->other && !match_canonical_names(m, r, l)) st = tap_error_no_memory(err, 64);
    if (st == TAP_OK && r->other) st = tap_match_models(m, inputs, n_inputs, r, o->threads, l, err);
    if (st != TAP_OK) return st;
    keep_chosen(l, chosen);
    if (l->n) qsort(l->items, l->n, sizeof *l->items, by_value);
    return list_unmatched(m, r, chosen, l) ? TAP_OK : tap_error_no_memory(err, 64);
}
